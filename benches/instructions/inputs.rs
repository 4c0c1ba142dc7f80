//! The worst messages that we could think of, as they come off the wire: length, then message.

use super::catalog::{REVERSE_ZONE, STATIC_ZONE, ZONE};

/// A longer datagram is not taken.
const UDP_OCTETS: usize = 4096;
/// The longest message of all.
const TCP_OCTETS: usize = 65_535;

const HEADER_OCTETS: usize = 12;
/// Type, class, TTL and length of a record.
const FIXED_OCTETS: usize = 10;

const A: u16 = 1;
const SOA: u16 = 6;
const TXT: u16 = 16;
const AAAA: u16 = 28;
const SRV: u16 = 33;
const PTR: u16 = 12;
const MX: u16 = 15;
const NAPTR: u16 = 35;
const DS: u16 = 43;
const HTTPS: u16 = 65;
const TSIG: u16 = 250;
const IXFR: u16 = 251;
const ANY: u16 = 255;

const NOERROR: u8 = 0;
const FORMERR: u8 = 1;
const NXDOMAIN: u8 = 3;
const REFUSED: u8 = 5;
const NOTAUTH: u8 = 9;

/// How a message comes, and so what it may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    Udp,
    Tcp,
    /// To the slow path; as if over UDP, since it is short enough for that.
    SlowPath,
}

/// One message, and what its reply must be: a bound on what is refused by mistake would hold nothing.
#[derive(Debug)]
pub(crate) struct Input {
    pub(crate) name: String,
    pub(crate) over: Over,
    /// With the length of two octets before it.
    pub(crate) octets: Vec<u8>,
    pub(crate) rcode: u8,
    pub(crate) answers_min: u16,
}

impl Input {
    /// Whose bound holds.
    pub(crate) fn transport(&self) -> &'static str {
        match self.over {
            Over::Udp | Over::SlowPath => "udp",
            Over::Tcp => "tcp",
        }
    }
}

/// All of them, the same in each process.
pub(crate) fn all() -> Vec<Input> {
    let mut inputs = Vec::new();
    for (over, octets) in [(Over::Udp, UDP_OCTETS), (Over::Tcp, TCP_OCTETS)] {
        let tcp = over == Over::Tcp;
        for asked in services(tcp)
            .into_iter()
            .chain(statics(tcp))
            .chain(hostile(octets))
        {
            assert!(asked.message.len() <= octets, "{}: too long", asked.name);
            inputs.push(asked.over(over));
        }
    }
    inputs.extend(slow().into_iter().map(|asked| asked.over(Over::SlowPath)));
    inputs
}

/// A message, and what its reply must be.
struct Asked {
    name: String,
    message: Vec<u8>,
    rcode: u8,
    answers_min: u16,
}

impl Asked {
    fn new(name: impl Into<String>, message: Vec<u8>, rcode: u8, answers_min: u16) -> Self {
        Self {
            name: name.into(),
            message,
            rcode,
            answers_min,
        }
    }

    fn over(self, over: Over) -> Input {
        let length = u16::try_from(self.message.len()).expect("a message of at most 65,535 octets");
        Input {
            name: self.name,
            over,
            octets: [&length.to_be_bytes(), &self.message[..]].concat(),
            rcode: self.rcode,
            answers_min: self.answers_min,
        }
    }
}

/// Questions for services as large as they may be.
fn services(tcp: bool) -> Vec<Asked> {
    [
        ("many", A, if tcp { 2000 } else { 100 }),
        ("many", AAAA, if tcp { 1000 } else { 50 }),
        ("many", SRV, if tcp { 1000 } else { 50 }),
        ("many", ANY, if tcp { 1000 } else { 50 }),
        ("odd.many", SRV, if tcp { 1000 } else { 50 }),
        ("_main._tcp.many", SRV, if tcp { 1000 } else { 50 }),
        ("_main._tcp.all.many", SRV, if tcp { 1000 } else { 50 }),
        ("_main._tcp.odd.many", SRV, if tcp { 1000 } else { 50 }),
        ("_many._tcp", SRV, if tcp { 1000 } else { 50 }),
        ("limited", A, if tcp { 600 } else { 50 }),
        ("limited", SRV, if tcp { 1000 } else { 50 }),
        ("_main._tcp.all.limited", SRV, if tcp { 1000 } else { 50 }),
        ("wide", A, if tcp { 2000 } else { 100 }),
        ("wide", SRV, if tcp { 400 } else { 20 }),
        ("all.wide", SRV, if tcp { 400 } else { 20 }),
        ("_p63._tcp.wide", SRV, if tcp { 400 } else { 20 }),
        ("_p63._tcp.all.wide", SRV, if tcp { 400 } else { 20 }),
        ("w-7.wide", SRV, if tcp { 64 } else { 20 }),
        ("wide-limited", A, if tcp { 2000 } else { 100 }),
        ("wide-limited", AAAA, if tcp { 1000 } else { 100 }),
        ("wide-limited", SRV, if tcp { 400 } else { 20 }),
        ("all.wide-limited", SRV, if tcp { 400 } else { 20 }),
        ("_p63._tcp.all.wide-limited", SRV, if tcp { 400 } else { 20 }),
        ("wide-few", A, if tcp { 2000 } else { 100 }),
        ("wide-few", SRV, if tcp { 400 } else { 20 }),
        ("all.wide-few", AAAA, if tcp { 1000 } else { 100 }),
        ("_p63._tcp.all.wide-few", SRV, if tcp { 200 } else { 20 }),
        ("told.told", TXT, u16::from(tcp)),
        ("_many._tcp", PTR, if tcp { 1000 } else { 20 }),
        ("_shared._tcp", PTR, if tcp { 1000 } else { 20 }),
        ("_shared._tcp", SRV, 0),
        ("_services._dns-sd._udp", PTR, if tcp { 50 } else { 20 }),
        ("many-7@many._many._tcp", SRV, 1),
        ("many-7@many._many._tcp", TXT, 1),
        ("1.0.255.10.in-addr.arpa", PTR, if tcp { 1000 } else { 20 }),
        ("1.0.255.10.in-addr.arpa", ANY, if tcp { 1000 } else { 20 }),
    ]
    .into_iter()
    .map(|(name, rtype, answers): (&str, u16, u16)| {
        let wire = match name.strip_suffix(REVERSE_ZONE) {
            Some(below) => wire_in(below, REVERSE_ZONE),
            None => wire(name),
        };
        let message = query(&wire, rtype, &[opt(4096, &[])]);
        Asked::new(format!("{name} type {rtype}"), message, NOERROR, answers)
    })
    .collect()
}

/// Questions for static records.
fn statics(tcp: bool) -> Vec<Asked> {
    let long = |first: &str, n: u16| format!("{first}.{}.w{n}", vec!["l"; 90].join("."));
    let deep = |labels: usize, end: &str| format!("{}.{end}", vec!["y"; labels].join("."));
    [
        ("big".into(), A, NOERROR, if tcp { 3000 } else { 200 }),
        ("big".into(), ANY, NOERROR, if tcp { 2000 } else { 100 }),
        ("text".into(), TXT, NOERROR, u16::from(tcp) * 200),
        ("one-text".into(), TXT, NOERROR, u16::from(tcp)),
        ("mail".into(), MX, NOERROR, 50),
        ("_srv._tcp".into(), SRV, NOERROR, 50),
        ("web".into(), HTTPS, NOERROR, 30),
        ("web".into(), ANY, NOERROR, 30),
        ("naptr".into(), NAPTR, NOERROR, 30),
        (deep(100, "cut"), A, NOERROR, 0),
        ("cut".into(), DS, NOERROR, 0),
        ("c1".into(), A, NOERROR, if tcp { 3000 } else { 100 }),
        (long("x", 1), MX, NOERROR, 8),
        (long(&deep(8, "x"), 1), MX, NOERROR, 8),
        ("big.d1".into(), A, NOERROR, 16),
        (deep(100, "d1"), A, NXDOMAIN, 16),
        ("loop-1".into(), A, NOERROR, 2),
        (deep(40, "grow"), A, NOERROR, 9),
        ("to-service".into(), SRV, NOERROR, 50),
        (vec!["e"; 115].join("."), A, NOERROR, 0),
        (vec!["f"; 118].join("."), A, NXDOMAIN, 0),
        (deep(2, &vec!["e"; 115].join(".")), A, NOERROR, 1),
    ]
    .into_iter()
    .map(|(name, rtype, rcode, answers): (String, u16, u8, u16)| {
        let message = query(&wire_in(&name, STATIC_ZONE), rtype, &[opt(4096, &[])]);
        let shown = if name.len() > 40 {
            let end = name.rsplit('.').next().unwrap_or_default();
            format!("{}...{end} of {} labels", &name[..6], name.split('.').count())
        } else {
            name
        };
        Asked::new(format!("static {shown} type {rtype}"), message, rcode, answers)
    })
    .collect()
}

/// Messages that mean to cost more than an honest one, of so many octets.
fn hostile(octets: usize) -> Vec<Asked> {
    let mut all = Vec::new();
    let mut add =
        |name: &str, message, rcode, answers_min| all.push(Asked::new(name, message, rcode, answers_min));
    let plain = wire("many");
    for (section, what) in ["answer", "authority", "additional"].into_iter().enumerate() {
        let message = pointers(&plain, A, section, octets);
        add(
            &format!("pointers up to the limit in {what}"),
            message,
            FORMERR,
            0,
        );
        let message = labels(&plain, A, section, octets);
        add(&format!("owners of 127 labels in {what}"), message, FORMERR, 0);
        let message = roots(&plain, A, section, octets);
        add(&format!("as many records as fit in {what}"), message, FORMERR, 0);
    }
    add(
        "IXFR with pointers in authority",
        pointers(&plain, IXFR, 1, octets),
        REFUSED,
        0,
    );
    add(
        "65,535 of each count and nothing there",
        counts(&plain),
        FORMERR,
        0,
    );
    let options = [0, 3, 0, 0].repeat((octets - 100) / 4);
    add(
        "options without data",
        query(&plain, A, &[opt(512, &options)]),
        NOERROR,
        1,
    );
    add(
        "a TSIG up to the limit",
        query(&plain, A, &[tsig(octets - 100)]),
        NOTAUTH,
        0,
    );
    let labels_up_to = |zone: &[u8]| [[1, b'X'].repeat((255 - zone.len()) / 2), zone.to_vec()].concat();
    add(
        "127 labels outside all zones",
        query(&labels_up_to(&[0]), A, &[]),
        REFUSED,
        0,
    );
    add(
        "127 labels below the zone",
        query(&labels_up_to(&wire("")), A, &[]),
        NXDOMAIN,
        0,
    );
    add(
        "127 labels below a service",
        query(&labels_up_to(&wire("many")), ANY, &[]),
        NXDOMAIN,
        0,
    );
    add(
        "127 labels below a port of a tag",
        query(&labels_up_to(&wire("_main._tcp.all.many")), SRV, &[]),
        NXDOMAIN,
        0,
    );
    add(
        "a name of 255 octets",
        query(&longest(), A, &[opt(1232, &[])]),
        NXDOMAIN,
        0,
    );
    add(
        "a question made of a pointer to itself",
        query(&[0xc0, 12], A, &[]),
        FORMERR,
        0,
    );
    add("the apex", query(&wire(""), SOA, &[opt(1232, &[])]), NOERROR, 1);
    all
}

/// What the slow path answers.
fn slow() -> Vec<Asked> {
    let version = b"\x07VERSION\x04BIND\0";
    [
        ("version.bind", Vec::new()),
        (
            "version.bind with options without data",
            [0, 3, 0, 0].repeat(1000),
        ),
        (
            "version.bind with cookies",
            [&[0, 10, 0, 8][..], &[7; 8]].concat().repeat(300),
        ),
        (
            "version.bind with subnets",
            [0, 8, 0, 8, 0, 1, 32, 0, 192, 0, 2, 1].repeat(300),
        ),
        (
            "version.bind with padding",
            [&[0, 12, 0x0f, 0x80][..], &[0; 0x0f80]].concat(),
        ),
    ]
    .into_iter()
    .map(|(name, options)| {
        let mut message = query(version, TXT, &[opt(4096, &options)]);
        // Class CHAOS.
        message[HEADER_OCTETS + version.len() + 3] = 3;
        assert!(message.len() <= UDP_OCTETS, "{name}: {} octets", message.len());
        Asked::new(name, message, NOERROR, 1)
    })
    .collect()
}

/// A name of the services' zone.
fn wire(below: &str) -> Vec<u8> {
    wire_in(below, ZONE)
}

/// A name in upper case, which has to be folded.
fn wire_in(below: &str, zone: &str) -> Vec<u8> {
    let mut wire = Vec::new();
    for label in below
        .split('.')
        .chain(zone.split('.'))
        .filter(|label| !label.is_empty())
    {
        wire.push(label.len() as u8);
        wire.extend(label.to_ascii_uppercase().bytes());
    }
    wire.push(0);
    assert!(wire.len() <= 255, "{below}: {} octets", wire.len());
    wire
}

/// Three labels of 63 octets and one that fills up to 255, with the zone's.
fn longest() -> Vec<u8> {
    let zone = wire("");
    let mut wire = Vec::new();
    for octets in [63, 63, 63, 255 - 3 * 64 - 1 - zone.len()] {
        wire.push(octets as u8);
        wire.extend([b'X'].repeat(octets));
    }
    wire.extend(zone);
    assert_eq!(wire.len(), 255);
    wire
}

fn header(counts: [u16; 4]) -> Vec<u8> {
    let words = [0x1234, 0x0100].into_iter().chain(counts);
    words.flat_map(u16::to_be_bytes).collect()
}

fn question(name: &[u8], rtype: u16) -> Vec<u8> {
    [name, &rtype.to_be_bytes(), &[0, 1]].concat()
}

fn query(name: &[u8], rtype: u16, additionals: &[Vec<u8>]) -> Vec<u8> {
    let counts = [1, 0, 0, additionals.len() as u16];
    [header(counts), question(name, rtype), additionals.concat()].concat()
}

fn record(owner: &[u8], rtype: u16, class: u16, data: &[u8]) -> Vec<u8> {
    let octets = (data.len() as u16).to_be_bytes();
    [
        owner,
        &rtype.to_be_bytes(),
        &class.to_be_bytes(),
        &[0; 4],
        &octets,
        data,
    ]
    .concat()
}

fn opt(payload: u16, options: &[u8]) -> Vec<u8> {
    record(&[0], 41, payload, options)
}

fn tsig(octets: usize) -> Vec<u8> {
    record(b"\x03key\0", TSIG, 255, &vec![0; octets])
}

/// A query with a section that is filled with `records`, each made from where it stands.
fn filled(
    name: &[u8],
    rtype: u16,
    section: usize,
    octets: usize,
    record_octets: usize,
    made: impl Fn(usize) -> Vec<u8>,
) -> Vec<u8> {
    let asked = question(name, rtype);
    let count = (octets - HEADER_OCTETS - asked.len()) / record_octets;
    let mut counts = [1, 0, 0, 0];
    counts[1 + section] = count as u16;
    let mut message = [header(counts), asked].concat();
    for _ in 0..count {
        let record = made(message.len());
        message.extend(record);
    }
    message
}

/// Owners that are a pointer to the owner before, back to the question: a reader that followed them would take the
/// square of their number of steps.
fn pointers(name: &[u8], rtype: u16, section: usize, octets: usize) -> Vec<u8> {
    let record_octets = 2 + FIXED_OCTETS;
    let first = HEADER_OCTETS + name.len() + 4;
    filled(name, rtype, section, octets, record_octets, |at| {
        let target = if at == first {
            HEADER_OCTETS
        } else {
            (at - record_octets).min(0x3fff)
        };
        record(&(0xc000 | target as u16).to_be_bytes(), A, 1, &[])
    })
}

fn labels(name: &[u8], rtype: u16, section: usize, octets: usize) -> Vec<u8> {
    let owner = [[1, b'x'].repeat(127), vec![0]].concat();
    filled(name, rtype, section, octets, owner.len() + FIXED_OCTETS, |_| {
        record(&owner, A, 1, &[])
    })
}

fn roots(name: &[u8], rtype: u16, section: usize, octets: usize) -> Vec<u8> {
    filled(name, rtype, section, octets, 1 + FIXED_OCTETS, |_| {
        record(&[0], A, 1, &[])
    })
}

fn counts(name: &[u8]) -> Vec<u8> {
    let mut message = query(name, A, &[opt(4096, &[])]);
    message[4..HEADER_OCTETS].fill(0xff);
    message
}
