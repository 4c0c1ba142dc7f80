//! Builds questions by hand, and reads replies octet by octet, trusting nothing in them.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use hickory_proto::op::Message;

use crate::answer::*;
use crate::catalog::tests::fixture::Catalog;
use crate::catalog::tests::oracle::{self, Data};
use crate::view::Snapshot;

pub(super) use crate::catalog::tests::oracle::{A, AAAA, NS, PTR, SOA, SRV, TXT};
pub(super) const CNAME: u16 = 5;
pub(super) const MX: u16 = 15;
pub(super) const DNAME: u16 = 39;
pub(super) const HTTPS: u16 = 65;
pub(super) const CAA: u16 = 257;
pub(super) const ANY: u16 = 255;
pub(super) const OPT: u16 = 41;
pub(super) const DS: u16 = 43;
/// CNAME, MX, DS, SVCB, HTTPS, one that nobody has: types of no record of ours.
pub(super) const OTHERS: [u16; 6] = [5, 15, 43, 64, 65, 65_280];

pub(super) const NOERROR: u8 = 0;
pub(super) const NX: u8 = 3;
pub(super) const YX: u8 = 6;
pub(super) const REFUSED: u8 = 5;

/// A name on the wire; a label of `\0` and such is written with [`labels_wire`].
pub(super) fn name_wire(name: &str) -> Vec<u8> {
    labels_wire(
        name.split('.')
            .filter(|label| !label.is_empty())
            .map(str::as_bytes),
    )
}

pub(super) fn labels_wire<'a>(labels: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut wire = Vec::new();
    for label in labels {
        wire.push(label.len() as u8);
        wire.extend_from_slice(label);
    }
    wire.push(0);
    wire
}

/// A query of one question.
pub(super) fn query(name: &[u8], qtype: u16, edns: Option<u16>) -> Vec<u8> {
    let mut packet = vec![
        0xbe,
        0xef,
        0x01,
        0x10,
        0,
        1,
        0,
        0,
        0,
        0,
        0,
        u8::from(edns.is_some()),
    ];
    packet.extend_from_slice(name);
    packet.extend(qtype.to_be_bytes());
    packet.extend([0, 1]);
    if let Some(payload) = edns {
        packet.extend([0, 0, 41]);
        packet.extend(payload.to_be_bytes());
        packet.extend([0, 0, 0x80, 0, 0, 0]);
    }
    packet
}

/// A record as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Got {
    pub(super) owner: String,
    pub(super) rtype: u16,
    pub(super) ttl: u32,
    pub(super) data: Data,
}

/// A reply, read.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    pub(super) octets: Vec<u8>,
    pub(super) rcode: u8,
    pub(super) tc: bool,
    pub(super) aa: bool,
    pub(super) answer: Vec<Got>,
    pub(super) authority: Vec<Got>,
    /// Without the OPT.
    pub(super) additional: Vec<Got>,
    pub(super) serial: Option<u32>,
}

impl Reply {
    /// Data of the answer, in order.
    pub(super) fn data(&self) -> Vec<Data> {
        self.answer.iter().map(|got| got.data.clone()).collect()
    }

    pub(super) fn set(&self) -> BTreeSet<Data> {
        let set: BTreeSet<Data> = self.answer.iter().map(|got| got.data.clone()).collect();
        assert_eq!(set.len(), self.answer.len(), "equal records: {:?}", self.answer);
        set
    }

    /// The answer in words, sorted: `192.0.2.1`, `0 1 8080 web-1.web.svc.internal`, `k=v`.
    pub(super) fn words(&self) -> Vec<String> {
        let mut words = self.in_order();
        words.sort();
        words
    }

    pub(super) fn in_order(&self) -> Vec<String> {
        self.answer.iter().map(|got| words(&got.data)).collect()
    }

    pub(super) fn is_nodata(&self) -> bool {
        self.rcode == NOERROR && self.answer.is_empty() && self.authority.len() == 1 && !self.tc
    }

    pub(super) fn is_nxdomain(&self) -> bool {
        self.rcode == NX && self.answer.is_empty() && self.authority.len() == 1 && !self.tc
    }
}

pub(super) fn words(data: &Data) -> String {
    match data {
        Data::Address(address) => address.to_string(),
        Data::Service {
            priority,
            weight,
            port,
            target,
        } => {
            let host = target.strip_suffix(".svc.internal").unwrap_or(target);
            format!("{priority} {weight} {port} {host}")
        }
        Data::Text(strings) => {
            let strings = strings.iter().map(|s| String::from_utf8_lossy(s).into_owned());
            strings.collect::<Vec<_>>().join("|")
        }
        Data::Name(name) => name.clone(),
        Data::Authority(minimum) => format!("minimum {minimum}"),
    }
}

/// Asks one snapshot.
pub(crate) struct Resolver {
    pub(crate) snapshot: Arc<Snapshot>,
    pub(super) scratch: Scratch,
    pub(super) client: IpAddr,
    pub(super) transport: Transport,
    pub(super) edns: Option<u16>,
    pub(super) payload_max: u16,
    out: Vec<u8>,
}

impl Resolver {
    pub(super) fn of(catalog: &Catalog) -> Self {
        Self::at(Arc::new(Snapshot::of(catalog.state.clone())))
    }

    pub(crate) fn at(snapshot: Arc<Snapshot>) -> Self {
        Self {
            snapshot,
            scratch: Scratch::seeded(7),
            client: [198, 51, 100, 1].into(),
            transport: Transport::Tcp,
            edns: Some(1232),
            payload_max: UDP_PAYLOAD_DEFAULT,
            out: vec![0xaa; TCP_MESSAGE_MAX],
        }
    }

    /// Over UDP, with that EDNS size or without EDNS.
    pub(super) fn udp(mut self, edns: Option<u16>) -> Self {
        (self.transport, self.edns) = (Transport::Udp, edns);
        self
    }

    pub(crate) fn seeded(mut self, seed: u64) -> Self {
        self.scratch = Scratch::seeded(seed);
        self
    }

    pub(super) fn client(&mut self, client: &str) -> &mut Self {
        self.client = client.parse().unwrap();
        self
    }

    /// Asks for a name in the zone `svc.internal`, or for an absolute one that ends with a dot. The case of its
    /// letters is mixed.
    pub(super) fn ask(&mut self, name: &str, qtype: u16) -> Reply {
        let name = match name.strip_suffix('.') {
            Some(absolute) => absolute.to_owned(),
            None if name.is_empty() => "svc.internal".to_owned(),
            None => format!("{name}.svc.internal"),
        };
        let mixed: String = name
            .chars()
            .enumerate()
            .map(|(at, c)| if at % 3 == 1 { c.to_ascii_uppercase() } else { c })
            .collect();
        self.ask_wire(&name_wire(&mixed), qtype)
    }

    pub(super) fn ask_wire(&mut self, name: &[u8], qtype: u16) -> Reply {
        let packet = query(name, qtype, self.edns);
        let octets = self.exchange(&packet).expect("a reply");
        let size = match (self.transport, self.edns) {
            (Transport::Tcp, _) => TCP_MESSAGE_MAX,
            (Transport::Udp, None) => 512,
            (Transport::Udp, Some(edns)) => usize::from(edns.max(512).min(self.payload_max)),
        };
        assert!(octets.len() <= size, "{} octets of {size}", octets.len());
        read(&octets, &packet)
    }

    /// The octets of the reply, if there is one.
    pub(super) fn exchange(&mut self, packet: &[u8]) -> Option<Vec<u8>> {
        let asked = Asked {
            client: self.client,
            transport: self.transport,
            udp_payload_max: self.payload_max,
        };
        match answer(&self.snapshot, packet, &asked, &mut self.scratch, &mut self.out) {
            Outcome::Reply(octets) => Some(self.out[..octets].to_vec()),
            Outcome::Drop | Outcome::Slow => None,
        }
    }
}

/// Reads a reply to `packet`, and checks what holds of every reply.
pub(super) fn read(octets: &[u8], packet: &[u8]) -> Reply {
    let u16_at = |at: usize| u16::from_be_bytes([octets[at], octets[at + 1]]);
    assert_eq!(octets[..2], packet[..2], "the id");
    assert_eq!(octets[2] & 0xf8, 0x80, "QR, opcode QUERY");
    assert_eq!(octets[2] & 0x01, packet[2] & 0x01, "RD as asked");
    assert_eq!(
        octets[3] & 0xf0,
        packet[3] & 0x10,
        "RA, Z and AD clear, CD as asked"
    );
    assert_eq!(u16_at(4), 1);
    let mut at = 12;
    while packet[at] != 0 {
        at += 1 + usize::from(packet[at]);
    }
    at += 5;
    assert_eq!(octets[12..at], packet[12..at], "the question, octet by octet");
    let mut reply = Reply {
        octets: octets.to_vec(),
        rcode: octets[3] & 0x0f,
        tc: octets[2] & 0x02 != 0,
        aa: octets[2] & 0x04 != 0,
        answer: Vec::new(),
        authority: Vec::new(),
        additional: Vec::new(),
        serial: None,
    };
    let mut opts = 0;
    for section in 0..3 {
        for _ in 0..u16_at(6 + 2 * section) {
            let owner = read_name(octets, &mut at);
            let (rtype, class) = (u16_at(at), u16_at(at + 2));
            let ttl = u32::from(u16_at(at + 4)) << 16 | u32::from(u16_at(at + 6));
            let end = at + 10 + usize::from(u16_at(at + 8));
            at += 10;
            if rtype == OPT {
                assert_eq!((section, owner.as_str()), (2, ""));
                assert_eq!(ttl & 0xffff, 0x8000, "DO as asked, version 0");
                opts += 1;
                at = end;
                continue;
            }
            assert_eq!(class, 1);
            assert_eq!(opts, 0, "the OPT comes last");
            let data = read_data(octets, at, end, rtype, &mut reply.serial);
            let got = Got {
                owner,
                rtype,
                ttl,
                data,
            };
            [&mut reply.answer, &mut reply.authority, &mut reply.additional][section].push(got);
            at = end;
        }
    }
    assert_eq!(at, octets.len(), "octets after the last record");
    assert_eq!(
        opts,
        u16_at_packet(packet),
        "an OPT if and only if it was asked with one"
    );
    let decoded = Message::from_vec(octets).expect("hickory reads it");
    assert_eq!(decoded.answers.len(), reply.answer.len());
    assert_eq!(decoded.additionals.len(), reply.additional.len());
    reply
}

fn u16_at_packet(packet: &[u8]) -> u16 {
    u16::from_be_bytes([packet[10], packet[11]])
}

/// A name in lower case; pointers lead backwards only.
fn read_name(octets: &[u8], at: &mut usize) -> String {
    let (mut name, mut here, mut jumped) = (String::new(), *at, false);
    loop {
        let length = usize::from(octets[here]);
        if length >= 0xc0 {
            let target = (length & 0x3f) << 8 | usize::from(octets[here + 1]);
            assert!(target < here && target >= 12, "a pointer from {here} to {target}");
            if !jumped {
                *at = here + 2;
            }
            (here, jumped) = (target, true);
            continue;
        }
        assert!(length < 64);
        here += 1;
        if length == 0 {
            break;
        }
        if !name.is_empty() {
            name.push('.');
        }
        name.push_str(&String::from_utf8_lossy(&octets[here..here + length]).to_ascii_lowercase());
        here += length;
    }
    if !jumped {
        *at = here;
    }
    name
}

fn read_data(octets: &[u8], start: usize, end: usize, rtype: u16, serial: &mut Option<u32>) -> Data {
    let data = &octets[start..end];
    let number = |at: usize| u16::from_be_bytes([data[at], data[at + 1]]);
    let mut at = start;
    match rtype {
        A => Data::Address(IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(data).unwrap()))),
        AAAA => Data::Address(IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(data).unwrap()))),
        SRV => {
            assert!(
                !data[6..].iter().any(|o| *o >= 0xc0),
                "a target is never compressed"
            );
            at += 6;
            let target = read_name(octets, &mut at);
            assert_eq!(at, end);
            Data::Service {
                priority: number(0),
                weight: number(2),
                port: number(4),
                target,
            }
        }
        TXT => {
            let (mut strings, mut at) = (Vec::new(), 0);
            while at < data.len() {
                let length = usize::from(data[at]);
                strings.push(data[at + 1..at + 1 + length].to_vec());
                at += 1 + length;
            }
            Data::Text(strings)
        }
        NS | PTR | CNAME => {
            let name = read_name(octets, &mut at);
            assert_eq!(at, end);
            Data::Name(name)
        }
        DNAME => {
            assert!(
                !data.iter().any(|o| *o >= 0xc0),
                "the target of a DNAME is never compressed (RFC 6672 §2.1)"
            );
            let name = read_name(octets, &mut at);
            assert_eq!(at, end);
            Data::Name(name)
        }
        MX => {
            at += 2;
            let name = read_name(octets, &mut at);
            assert_eq!(at, end);
            Data::Name(format!("{} {name}", number(0)))
        }
        SOA => {
            let mname = read_name(octets, &mut at);
            let rname = read_name(octets, &mut at);
            assert_eq!(at + 20, end);
            let words: Vec<u32> = octets[at..end]
                .chunks(4)
                .map(|word| u32::from_be_bytes(word.try_into().unwrap()))
                .collect();
            assert_eq!(mname.strip_prefix("ns."), rname.strip_prefix("hostmaster."));
            *serial = Some(words[0]);
            Data::Authority(words[4])
        }
        DS | HTTPS | CAA => Data::Text(vec![data.to_vec()]),
        _ => panic!("a record of type {rtype}"),
    }
}

/// Holds what `resolver` says of one name and type against the oracle's table of the zone `apex`.
pub(crate) fn agrees(
    resolver: &mut Resolver,
    table: &oracle::Table,
    apex: &str,
    name: &str,
    qtype: u16,
) -> Result<(), String> {
    let reply = resolver.ask(&format!("{name}."), qtype);
    let fail = |why: &str| {
        Err(format!(
            "{name} {qtype}: {why}\n{reply:#?}\n{:#?}",
            table.get(name)
        ))
    };
    let soa = &table[apex].sets[&SOA];
    let node = table.get(name);
    let rcode = if node.is_none_or(|node| node.denies) {
        NX
    } else {
        NOERROR
    };
    if reply.rcode != rcode {
        return fail("rcode");
    }
    if !reply.aa || reply.tc {
        return fail("flags");
    }
    let sets = node.map(|node| &node.sets);
    let wanted = match (qtype, sets) {
        (ANY, Some(sets)) => {
            let types: BTreeSet<u16> = reply.answer.iter().map(|got| got.rtype).collect();
            if types.len() > 1 || (types.is_empty() && !sets.is_empty()) {
                return fail("ANY answers one RRset");
            }
            types.first().and_then(|rtype| sets.get(rtype))
        }
        (qtype, Some(sets)) => sets.get(&qtype),
        _ => None,
    };
    let got: Vec<Data> = {
        let mut got = reply.data();
        got.sort();
        got
    };
    let (ttl, data) = wanted.cloned().unwrap_or_default();
    if got != data.into_iter().collect::<Vec<_>>() {
        return fail("records");
    }
    if reply.answer.iter().any(|got| got.owner != name || got.ttl != ttl) {
        return fail("owner or TTL");
    }
    if reply.answer.is_empty() {
        let Data::Authority(minimum) = soa.1.first().unwrap() else {
            return fail("the table's SOA");
        };
        let negative = Got {
            owner: apex.to_owned(),
            rtype: SOA,
            ttl: soa.0.min(*minimum),
            data: Data::Authority(*minimum),
        };
        if reply.authority != [negative] {
            return fail("the SOA of a negative answer");
        }
    } else if !reply.authority.is_empty() {
        return fail("authority beside an answer");
    }
    additional_agrees(&reply, table).or_else(|why| fail(&why))
}

/// Additional holds, whole, the addresses of the first targets, of instances that were browsed for SRV and TXT before
/// them, and nothing else.
fn additional_agrees(reply: &Reply, table: &oracle::Table) -> Result<(), String> {
    if reply.answer.iter().any(|got| got.rtype == PTR) {
        return additional_of_pointers_agrees(reply, table);
    }
    let mut targets: Vec<&str> = Vec::new();
    for got in &reply.answer {
        match &got.data {
            Data::Service { target, .. } | Data::Name(target) if !targets.contains(&target.as_str()) => {
                targets.push(target);
            }
            _ => {}
        }
    }
    targets.truncate(32);
    let mut wanted: Vec<(String, u16, u32, Data)> = Vec::new();
    for target in targets {
        for rtype in [A, AAAA] {
            if let Some((ttl, data)) = table.get(target).and_then(|node| node.sets.get(&rtype)) {
                wanted.extend(
                    data.iter()
                        .map(|data| (target.to_owned(), rtype, *ttl, data.clone())),
                );
            }
        }
    }
    additional_is(reply, wanted)
}

/// RFC 6763 §12.1. The types and the domain that browsing begins with bring nothing.
fn additional_of_pointers_agrees(reply: &Reply, table: &oracle::Table) -> Result<(), String> {
    let mut wanted: Vec<(String, u16, u32, Data)> = Vec::new();
    for got in reply.answer.iter().take(32) {
        let Data::Name(instance) = &got.data else {
            return Err("a PTR without a name".into());
        };
        // An address's, which brings nothing either.
        let is_reverse = got.owner.ends_with(".arpa") && !got.owner.starts_with('_');
        if is_reverse || got.owner.contains("._dns-sd._udp.") {
            continue;
        }
        let Some(node) = table.get(instance) else {
            return Err(format!("{instance} does not exist"));
        };
        let mut hosts = BTreeSet::new();
        for rtype in [SRV, TXT] {
            let (ttl, data) = &node.sets[&rtype];
            for data in data {
                wanted.push((instance.clone(), rtype, *ttl, data.clone()));
                if let Data::Service { target, .. } = data {
                    hosts.insert(target.clone());
                }
            }
        }
        for host in hosts {
            for rtype in [A, AAAA] {
                if let Some((ttl, data)) = table[&host].sets.get(&rtype) {
                    wanted.extend(data.iter().map(|data| (host.clone(), rtype, *ttl, data.clone())));
                }
            }
        }
    }
    additional_is(reply, wanted)
}

fn additional_is(reply: &Reply, mut wanted: Vec<(String, u16, u32, Data)>) -> Result<(), String> {
    let mut got: Vec<_> = reply
        .additional
        .iter()
        .map(|got| (got.owner.clone(), got.rtype, got.ttl, got.data.clone()))
        .collect();
    wanted.sort();
    got.sort();
    if got == wanted {
        Ok(())
    } else {
        Err("additional".into())
    }
}
