//! Questions drawn at random: names in and around the zones, every type, and the odd corners of header and EDNS.

use std::collections::BTreeSet;

use fastrand::Rng;

use super::probe::{EdnsAsked, Probe};
use super::zone;
use crate::support::dns::{Type, name_wire};

/// The types that a server treats in its own way, or that stand in the zones.
const USUAL_TYPES: [u16; 24] = [
    1, 1, 1, 28, 28, 15, 16, 33, 5, 2, 6, 12, 35, 39, 43, 43, 64, 65, 257, 255, 13, 17, 65280, 48,
];

/// First labels that meet something somewhere in the zones, or nearly.
const LABELS: [&str; 22] = [
    "a", "b", "c", "*", "www", "ns1", "ns", "host", "some", "deep", "x", "w", "ent", "sub", "_tcp", "_udp",
    "mail", "nowhere", "child", "cut", "hosted", "alias",
];

/// Names outside the zones, and nearly inside.
const OUTSIDE: [&str; 12] = [
    ".",
    "org",
    "net",
    "example.net",
    "www.example.net",
    "example.com",
    "xexample.org",
    "example.organ",
    "example.org.example.net",
    "example",
    "localhost",
    "1.2.0.192.in-addr.arpa",
];

/// CHAOS, Hesiod, NONE, ANY, and what is none.
const CLASSES: [u16; 7] = [3, 4, 254, 255, 0, 2, 65280];

/// Questions whose answers are about as large as what clients take.
const SIZED: [(&str, u16); 15] = [
    ("a-28.example.org", 1),
    ("a-29.example.org", 1),
    ("a-30.example.org", 1),
    ("a-31.example.org", 1),
    ("a-40.example.org", 1),
    ("aaaa-42.example.org", 28),
    ("aaaa-43.example.org", 28),
    ("txt-645.example.org", 16),
    ("some.wild-big.example.org", 16),
    ("_many._tcp.example.org", 33),
    ("www.child-13.example.org", 1),
    ("www.child-24.example.org", 1),
    ("www.child-32.example.org", 1),
    ("node-6.many.dn-long.example.org", 1),
    (
        "0123456789.0123456789.0123456789.0123456789.0123456789.dn-loop-1.example.org",
        1,
    ),
];

/// One probe in so many goes over TCP.
const TCP_EVERY: usize = 10;
/// One probe in so many has odd parts.
const ODD_EVERY: usize = 5;

/// Draws probes. The same seed draws the same ones.
pub(super) struct Generator {
    rng: Rng,
    names: Vec<Vec<u8>>,
    apex: Vec<u8>,
}

impl Generator {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            rng: Rng::with_seed(seed),
            names: zone::names(),
            apex: name_wire(zone::ORIGINS[0]),
        }
    }

    /// Every name with every usual type, every size around those of some answers, and every oddity alone: what a draw
    /// may miss.
    pub(super) fn sweep(&self) -> Vec<Probe> {
        let types: BTreeSet<u16> = USUAL_TYPES.into_iter().collect();
        let edns = EdnsAsked {
            payload: 1232,
            version: 0,
            flags: 0,
            options: Vec::new(),
        };
        let mut probes = Vec::new();
        for name in &self.names {
            for rtype in &types {
                let mut probe = Probe::plain(name, Type(*rtype));
                probe.edns = Some(edns.clone());
                probes.push(probe);
            }
        }
        for (name, rtype) in SIZED {
            let probe = Probe::plain(&name_wire(name), Type(rtype));
            probes.push(probe.clone());
            for payload in (512..=1232).step_by(8) {
                let edns = EdnsAsked {
                    payload,
                    ..edns.clone()
                };
                probes.push(Probe {
                    edns: Some(edns),
                    ..probe.clone()
                });
            }
        }
        let plain = Probe::plain(&self.apex, Type::SOA);
        let with = |change: &dyn Fn(&mut Probe)| {
            let mut probe = plain.clone();
            change(&mut probe);
            let mut with_edns = probe.clone();
            with_edns.edns = Some(edns.clone());
            [probe.over_tcp(), with_edns.over_tcp(), probe, with_edns]
        };
        for rtype in 1..=270 {
            probes.extend(with(&|probe| probe.rtype = Type(rtype)));
        }
        for class in CLASSES {
            probes.extend(with(&|probe| probe.class = class));
        }
        for opcode in 1..16 {
            probes.extend(with(&|probe| probe.flags = opcode << 11));
        }
        for bit in 0..11 {
            probes.extend(with(&|probe| probe.flags = 1 << bit));
        }
        for questions in [0, 2] {
            probes.extend(with(&|probe| probe.questions = questions));
        }
        probes
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.rng.usize(..count) == 0
    }

    pub(super) fn probe(&mut self) -> Probe {
        let mut name = self.name();
        if self.one_in(3) {
            self.shuffle_case(&mut name);
        }
        let rtype = self.rtype();
        let mut probe = Probe::plain(&name, Type(rtype));
        probe.tcp = self.one_in(TCP_EVERY);
        probe.edns = self.edns();
        if self.one_in(3) {
            probe.flags |= 0x0100;
        }
        if self.one_in(ODD_EVERY) {
            self.make_odd(&mut probe);
        }
        probe
    }

    fn rtype(&mut self) -> u16 {
        match self.rng.u8(..20) {
            0..13 => USUAL_TYPES[self.rng.usize(..USUAL_TYPES.len())],
            13..19 => self.rng.u16(1..=270),
            _ => [731, 65280, 65281, 65535][self.rng.usize(..4)],
        }
    }

    fn edns(&mut self) -> Option<EdnsAsked> {
        if self.one_in(3) {
            return None;
        }
        let payload = match self.rng.u8(..10) {
            0..4 => 1232,
            4..6 => 4096,
            6 => 512,
            7 => [0, 511, 513, 1231, 1233, 1400, 1500][self.rng.usize(..7)],
            8 => 65535,
            _ => self.rng.u16(512..1300),
        };
        let flags = if self.one_in(3) { 0x8000 } else { 0 };
        Some(EdnsAsked {
            payload,
            version: 0,
            flags,
            options: Vec::new(),
        })
    }

    /// One odd thing, and sometimes another: together they show which one counts.
    fn make_odd(&mut self, probe: &mut Probe) {
        loop {
            match self.rng.u8(..12) {
                0 => probe.class = CLASSES[self.rng.usize(..CLASSES.len())],
                1 => probe.flags |= self.rng.u16(1..16) << 11,
                2 => probe.questions = if self.rng.bool() { 0 } else { 2 },
                // AA, TC, RA, Z, AD and CD.
                3..7 => {
                    probe.flags |= [0x0400, 0x0200, 0x0080, 0x0040, 0x0020, 0x0010][self.rng.usize(..6)];
                }
                // A response code in a question.
                7 => probe.flags |= self.rng.u16(1..16),
                _ => {
                    let edns = probe.edns.get_or_insert(EdnsAsked {
                        payload: 1232,
                        version: 0,
                        flags: 0,
                        options: Vec::new(),
                    });
                    match self.rng.u8(..3) {
                        0 => edns.version = [1, 2, 255][self.rng.usize(..3)],
                        1 => edns.flags |= self.rng.u16(1..0x8000),
                        // NSID, padding, and what nobody knows.
                        _ => {
                            let code = [3, 12, 4711, 65001, 65535][self.rng.usize(..5)];
                            let length = if code == 3 { 0 } else { self.rng.usize(..40) };
                            edns.options.push((code, vec![0; length]));
                        }
                    }
                }
            }
            if !self.one_in(4) {
                return;
            }
        }
    }

    /// A name that can stand in a question.
    fn name(&mut self) -> Vec<u8> {
        let base = self.names[self.rng.usize(..self.names.len())].clone();
        match self.rng.u8(..24) {
            0..9 => base,
            9..12 => {
                let label = self.label();
                below(&base, &[label])
            }
            12..14 => {
                let labels = [self.label(), self.label()];
                below(&base, &labels)
            }
            // An asterisk, below or in the place of the first label.
            14 => below(&base, &[b"*".to_vec()]),
            15 => below(&zone::parent(&base), &[b"*".to_vec()]),
            // A sibling.
            16..18 => {
                let label = self.label();
                below(&zone::parent(&base), &[label])
            }
            18 => zone::parent(&base),
            // An owner of the zone below another one.
            19..21 => {
                let other = self.names[self.rng.usize(..self.names.len())].clone();
                joined(&other, &self.apex, &base)
            }
            21 => {
                let labels: Vec<Vec<u8>> = (0..self.rng.usize(1..6)).map(|_| self.label()).collect();
                below(&base, &labels)
            }
            22 => self.nearly_too_long(&base),
            _ => self.outside(),
        }
    }

    /// One that stands somewhere in the zones, or any octets at all.
    fn label(&mut self) -> Vec<u8> {
        match self.rng.u8(..8) {
            0..5 => LABELS[self.rng.usize(..LABELS.len())].as_bytes().to_vec(),
            5 => (0..self.rng.usize(1..12))
                .map(|_| self.rng.lowercase() as u8)
                .collect(),
            6 => (0..self.rng.usize(1..6)).map(|_| self.rng.u8(..)).collect(),
            _ => vec![b'y'; self.rng.usize(1..=63)],
        }
    }

    /// `base` with labels in front until 250 to 255 octets are full.
    fn nearly_too_long(&mut self, base: &[u8]) -> Vec<u8> {
        let wanted = self.rng.usize(250..=255);
        let mut name = base.to_vec();
        // A label takes two octets at least; each round adds one, or ends.
        while name.len() + 2 <= wanted {
            let room = (wanted - name.len() - 1).min(63);
            let length = if self.rng.bool() {
                room
            } else {
                self.rng.usize(1..=room)
            };
            name = below(&name, &[vec![b'l'; length]]);
        }
        name
    }

    fn outside(&mut self) -> Vec<u8> {
        let name = name_wire(OUTSIDE[self.rng.usize(..OUTSIDE.len())]);
        if self.rng.bool() {
            return name;
        }
        let label = self.label();
        below(&name, &[label])
    }

    /// Random case (0x20): the servers must find the same, and repeat the question as it came.
    fn shuffle_case(&mut self, name: &mut [u8]) {
        for octet in name {
            if octet.is_ascii_alphabetic() && self.rng.bool() {
                *octet ^= 0x20;
            }
        }
    }
}

/// `name` with labels in front, the last of them outermost; labels that would make it too long are left out.
fn below(name: &[u8], labels: &[Vec<u8>]) -> Vec<u8> {
    let mut name = name.to_vec();
    for label in labels {
        if name.len() + 1 + label.len() <= 255 {
            name = [&[label.len() as u8], label.as_slice(), &name].concat();
        }
    }
    name
}

/// The labels of `name` that are below `apex`, in front of `base`; or `base` if that would be too long.
fn joined(name: &[u8], apex: &[u8], base: &[u8]) -> Vec<u8> {
    let own = name.len().saturating_sub(apex.len());
    if own + base.len() <= 255 {
        [&name[..own], base].concat()
    } else {
        base.to_vec()
    }
}

#[test]
fn probes_are_of_every_kind_and_the_same_seed_draws_the_same() {
    let draw = |seed| {
        let mut generator = Generator::new(seed);
        (0..5_000).map(|_| generator.probe()).collect::<Vec<_>>()
    };
    let probes = draw(1);
    assert_eq!(probes, draw(1));
    assert_ne!(probes, draw(2));

    for probe in &probes {
        let mut rest = probe.name.as_slice();
        assert!(rest.len() <= 255);
        while rest != [0] {
            assert!((1..=63).contains(&rest[0]), "{:?}", probe.name);
            rest = &rest[usize::from(rest[0]) + 1..];
        }
    }
    let some = |what: &dyn Fn(&Probe) -> bool| probes.iter().any(what);
    assert!(some(&|probe| probe.name.len() == 255));
    assert!(some(&|probe| probe.name.contains(&0xff)));
    assert!(some(&|probe| probe.tcp) && some(&|probe| probe.edns.is_none()));
    assert!(some(&|probe| probe.questions == 0) && some(&|probe| probe.questions == 2));
    assert!(some(&|probe| probe.class == 3) && some(&|probe| probe.opcode() != 0));
    assert!(some(&|probe| probe
        .edns
        .as_ref()
        .is_some_and(|edns| edns.version > 0)));
    for mask in [0x0400, 0x0200, 0x0100, 0x0080, 0x0040, 0x0020, 0x0010] {
        assert!(some(&|probe| probe.flags & mask != 0), "{mask:#x}");
    }
    let types: BTreeSet<u16> = probes.iter().map(|probe| probe.rtype.0).collect();
    assert!(types.len() > 250, "{} types", types.len());
}
