//! The header and the gate: what is judged before any name is looked up. Rules c, g, h, j–l, gate and tcp.

use crate::support::dns::{CHAOS, Query, Section, Type, rcode};

use super::case::{Case, Ede, Shape, answer, case, nxdomain, q, qe, told};
use super::names::SOA;

const NOT_AUTHORITATIVE: u16 = 20;

const NO_OPT: &str = "a question that cannot be read ends the walk, and the OPT behind it is not seen";
const OWNER_IN_FULL: &str = "the slow path writes the owner in full";

fn web() -> Query {
    q("web-1.web.~", Type::A)
}

fn web_answer() -> super::case::Reply {
    answer(&["web-1.web.~ 5 A 192.0.2.11"])
}

pub(super) fn cases() -> Vec<Case> {
    [
        headers(),
        counts(),
        opcodes(),
        classes(),
        types(),
        wrong_names(),
        odd_names(),
        silences(),
        signatures_and_transfers(),
        streams(),
    ]
    .concat()
}

/// Each flag of the header, alone and together.
fn headers() -> Vec<Case> {
    let source = "RFC 1035 §4.1.1, 4035 §3.1.6, 6840 §5.7-5.9";
    let mut cases: Vec<Case> = [
        web(),
        web().recursion_desired(),
        web().checking_disabled(),
        web().authentic_data(),
        web().z(),
        web().authoritative(),
        web().truncated(),
        // An rcode in a query means nothing.
        web().flags(0x000f),
        web().flags(0x07ff),
        web().flags(0x07ff).edns(1232).dnssec_ok(),
    ]
    .into_iter()
    .map(|query| case("h.flags", source, query, web_answer()))
    .collect();
    for id in [0, 1, 0xffff] {
        cases.push(case(
            "h.flags",
            "RFC 1035 §4.1.1: the id is copied",
            web().id(id),
            web_answer(),
        ));
    }
    // The same bits where there is nothing to answer.
    let all = |query: Query| query.flags(0x07f0);
    cases.push(case(
        "h.flags",
        source,
        all(q("nothing.~", Type::A)),
        nxdomain(SOA),
    ));
    cases.push(case(
        "h.flags",
        source,
        all(q("example.com.", Type::A)),
        told(rcode::REFUSED),
    ));
    cases.push(case("h.flags", source, all(web()).opcode(2), told(rcode::NOTIMP)));
    cases
}

/// Counts and the records that they count.
fn counts() -> Vec<Case> {
    let a = [192, 0, 2, 66];
    let formerr = || told(rcode::FORMERR);
    let mut cases = vec![
        case("h.none", "RFC 9619 §4", Query::empty(), formerr().unasked()),
        case(
            "h.none",
            "RFC 9619 §4",
            Query::empty().edns(1232),
            formerr().unasked(),
        ),
        case(
            "h.many",
            "RFC 9619 §4",
            web().also("web.svc.internal", Type::AAAA),
            formerr().unasked(),
        ),
        case(
            "h.many",
            "RFC 9619 §4",
            qe("web.~", Type::A).also("web.svc.internal", Type::A),
            formerr().unasked(),
        ),
        // Counts that nothing stands behind.
        case(
            "gate.qdcount",
            "RFC 9619 §4",
            web().counts([0, 0, 0, 0]),
            formerr().unasked(),
        ),
        case(
            "gate.qdcount",
            "RFC 9619 §4",
            web().counts([2, 0, 0, 0]),
            formerr().unasked(),
        ),
        case(
            "gate.qdcount",
            "RFC 9619 §4",
            web().counts([0xffff; 4]),
            formerr().unasked(),
        ),
        case(
            "gate.stray",
            "RFC 1035 §4.1",
            web().counts([1, 1, 0, 0]),
            formerr(),
        ),
        case(
            "gate.stray",
            "RFC 1035 §4.1",
            web().counts([1, 0, 1, 0]),
            formerr(),
        ),
        case(
            "gate.stray",
            "RFC 1035 §4.1",
            web().counts([1, 0, 0, 1]),
            formerr(),
        ),
        case(
            "gate.stray",
            "RFC 1035 §4.1",
            web().counts([1, 0, 0, 0xffff]),
            formerr(),
        ),
        // Octets after the end.
        case("gate.stray", "RFC 1035 §4.1", web().trailing(b"\0"), formerr()),
        case(
            "gate.stray",
            "RFC 1035 §4.1",
            web().trailing(b"GET / HTTP/1.1"),
            formerr(),
        ),
    ];
    for section in [Section::Answer, Section::Authority, Section::Additional] {
        let stray = |query: Query| query.record(section, "web.svc.internal", Type::A, 1, 5, &a);
        cases.push(case("gate.stray", "RFC 1035 §4.1", stray(web()), formerr()));
        cases.push(case(
            "gate.opt-out",
            "RFC 6891 §7",
            stray(web().edns(4096)),
            formerr(),
        ));
    }
    cases
}

fn opcodes() -> Vec<Case> {
    let source = "RFC 1035 §4.1.1, 8906 §3.1.2";
    let mut cases = Vec::new();
    for opcode in 1..=15 {
        let (rule, source) = match opcode {
            4 => ("l.notify", "RFC 1996 §3"),
            5 => ("k.update", "RFC 2136 §3"),
            _ => ("h.opcode", source),
        };
        cases.push(case(rule, source, web().opcode(opcode), told(rcode::NOTIMP)));
    }
    let notimp = || told(rcode::NOTIMP);
    cases.extend([
        case(
            "gate.opt-out",
            source,
            web().opcode(2).edns(512).dnssec_ok(),
            notimp(),
        ),
        case(
            "gate.opt-out",
            source,
            web().opcode(5).edns(4096).recursion_desired(),
            notimp(),
        ),
        // Without a question there is nothing to repeat.
        case("h.opcode", source, Query::empty().opcode(6), notimp().unasked()),
        case(
            "h.opcode",
            source,
            Query::empty().opcode(2).edns(1232),
            notimp().unasked(),
        ),
        case(
            "h.opcode",
            source,
            web().opcode(3).also("web.svc.internal", Type::A),
            notimp().unasked(),
        ),
        // An UPDATE with all its sections.
        case(
            "k.update",
            "RFC 2136 §3",
            q("~", Type::SOA)
                .opcode(5)
                .record(Section::Answer, "web.svc.internal", Type::ANY, 255, 0, b"")
                .record(
                    Section::Authority,
                    "new.svc.internal",
                    Type::A,
                    1,
                    5,
                    &[192, 0, 2, 66],
                ),
            notimp(),
        ),
        case(
            "l.notify",
            "RFC 1996 §3.7",
            q("~", Type::SOA).opcode(4).record(
                Section::Answer,
                "svc.internal",
                Type::SOA,
                1,
                5,
                &client_soa(),
            ),
            notimp(),
        ),
    ]);
    for opcode in [4, 5] {
        for class in [CHAOS, 254, 255] {
            cases.push(case(
                if opcode == 5 { "k.class" } else { "gate.opcode" },
                "the class is judged before the opcode is acted on",
                web().opcode(opcode).class(class),
                told(rcode::REFUSED),
            ));
        }
    }
    cases
}

fn classes() -> Vec<Case> {
    let mut cases = Vec::new();
    for class in [0, 2, 4, 5, 254, 255, 65_535] {
        cases.push(case(
            "h.class",
            "RFC 1035 §3.2.4",
            web().class(class),
            told(rcode::REFUSED),
        ));
    }
    let refused = || told(rcode::REFUSED);
    cases.extend([
        case(
            "gate.class",
            "RFC 6891 §7",
            web().class(255).edns(1232),
            refused(),
        ),
        case(
            "gate.class",
            "RFC 1035 §3.2.4",
            q("~", Type::AXFR).class(255),
            refused(),
        ),
        case("h.chaos", "RFC 4892 §3", web().class(CHAOS), refused()),
        case(
            "h.chaos",
            "RFC 4892 §3",
            q("authors.bind.", Type::TXT).class(CHAOS),
            refused(),
        ),
        case(
            "h.chaos",
            "RFC 4892 §3",
            q("id.server.", Type::TXT).class(CHAOS),
            refused(),
        ),
        case(
            "h.chaos",
            "RFC 4892 §3",
            q("hostname.bind.", Type::TXT).class(CHAOS).edns(512),
            refused(),
        ),
        case(
            "h.chaos",
            "RFC 4892 §3",
            q("version.bind.", Type::A).class(CHAOS),
            refused(),
        ),
        case("h.chaos", "RFC 4892 §3", q("version.bind.", Type::TXT), refused()),
    ]);
    let version = concat!("\"callsign ", env!("CARGO_PKG_VERSION"), "\"");
    for name in ["version.bind.", "vErSiOn.BiNd.", "version.server."] {
        let wanted = || answer(&[&format!("{name} 0 TXT {version}")]);
        let query = || q(name, Type::TXT).class(CHAOS);
        for query in [query(), query().recursion_desired().edns(4096).dnssec_ok()] {
            cases.push(case("h.chaos", "RFC 4892 §2", query, wanted()).known_breach(OWNER_IN_FULL));
        }
    }
    cases
}

/// Types that no zone holds.
fn types() -> Vec<Case> {
    let meta = [128, 129, 200, 248, 249, 250, 253, 254];
    let mut cases: Vec<Case> = meta
        .into_iter()
        .map(|rtype| {
            case(
                "h.meta",
                "RFC 6895 §3.1",
                q("web.~", Type(rtype)),
                told(rcode::NOTIMP),
            )
        })
        .collect();
    cases.extend([
        case(
            "h.meta",
            "RFC 6895 §3.1",
            qe("nothing.~", Type(254)),
            told(rcode::NOTIMP),
        ),
        case(
            "h.opt-type",
            "RFC 6891 §6.1.1",
            q("web.~", Type::OPT),
            told(rcode::FORMERR),
        ),
        case(
            "h.opt-type",
            "RFC 6891 §6.1.1",
            qe("~", Type::OPT),
            told(rcode::FORMERR),
        ),
        case(
            "h.outside",
            "RFC 8914 §4.21",
            q("example.com.", Type::A),
            told(rcode::REFUSED),
        ),
    ]);
    for name in [
        "example.com.",
        ".",
        "internal.",
        "xsvc.internal.",
        "svc.internal.example.com.",
        "vc.internal.",
    ] {
        cases.push(case(
            "h.outside",
            "RFC 8914 §4.21",
            qe(name, Type::SOA),
            told(rcode::REFUSED).ede(Ede::Code(NOT_AUTHORITATIVE)),
        ));
    }
    cases
}

fn labels(count: usize, octets: u8) -> Vec<u8> {
    let label = [&[octets][..], &vec![b'a'; usize::from(octets)]].concat();
    [label.repeat(count), vec![0]].concat()
}

fn wrong_names() -> Vec<Case> {
    let wrong: [(&str, Vec<u8>); 13] = [
        ("a pointer", b"\xc0\x0c".to_vec()),
        ("a pointer into the header", b"\xc0\x00".to_vec()),
        ("a pointer after a label", b"\x03web\xc0\x0c".to_vec()),
        ("a pointer forwards", b"\xc0\x20".to_vec()),
        ("a pointer past the end", b"\xff\xff".to_vec()),
        ("label type 0x40", b"\x40".to_vec()),
        ("label type 0x40 of RFC 2673", b"\x41\x08\xff\0".to_vec()),
        ("label type 0x80", b"\x80a\0".to_vec()),
        (
            "a label of 64 octets",
            [&b"\x40"[..], &[b'a'; 64], b"\0"].concat(),
        ),
        ("an overrun", b"\x3fa".to_vec()),
        (
            "256 octets",
            [labels(3, 63)[..192].to_vec(), labels(1, 62)].concat(),
        ),
        ("128 labels", labels(128, 1)),
        ("300 labels", labels(300, 1)),
    ];
    let mut cases = Vec::new();
    for (_, name) in &wrong {
        let formerr = told(rcode::FORMERR).unasked();
        cases.push(case(
            "gate.name",
            "RFC 1035 §4.1.4, 6891 §4.2",
            Query::of_wire(name, Type::A),
            formerr,
        ));
    }
    // The name cannot be read, and neither can the type: nothing is repeated. What follows a pointer can.
    let formerr = || told(rcode::FORMERR).unasked();
    cases.extend([
        case(
            "gate.opt-out",
            "RFC 6891 §7",
            Query::of_wire(b"\x03web\xc0\x0c", Type::A).edns(1232),
            formerr(),
        )
        .known_breach(NO_OPT),
        case(
            "gate.opt-out",
            "RFC 6891 §7",
            Query::of_wire(b"\xc0\x0c", Type::A).edns(1232),
            formerr(),
        )
        .known_breach(NO_OPT),
    ]);
    // Cut anywhere after the header.
    let whole = web().bytes();
    for length in [12, 13, 20, whole.len() - 4, whole.len() - 3, whole.len() - 1] {
        cases.push(case(
            "gate.name",
            "RFC 1035 §4.1.2: an overrun",
            whole[..length].to_vec(),
            formerr(),
        ));
    }
    cases
}

/// Names at the limits, and of octets that are no letters.
fn odd_names() -> Vec<Case> {
    let longest = [labels(3, 63)[..192].to_vec(), labels(1, 61)].concat();
    let inside = |prefix: &[u8]| Query::of_wire(&[prefix, b"\x03svc\x08internal\0"].concat(), Type::A);
    // 192 octets of labels, one to fill, and the zone's 14.
    let filled = [&labels(3, 63)[..192], &labels(1, 48)[..49]].concat();
    assert_eq!(
        (longest.len(), filled.len() + 14),
        (255, 255),
        "as long as a name may be"
    );
    let refused = || told(rcode::REFUSED);
    let mut cases = vec![
        case(
            "c.limits",
            "RFC 2181 §11",
            Query::of_wire(&longest, Type::A),
            refused(),
        ),
        case(
            "c.limits",
            "RFC 2181 §11",
            Query::of_wire(&labels(127, 1), Type::A).edns(512),
            refused(),
        ),
        case("c.limits", "RFC 2181 §11", inside(&filled), nxdomain(SOA)),
        case(
            "c.limits",
            "RFC 2181 §11",
            inside(&labels(1, 63)[..64]).edns(512),
            nxdomain(SOA),
        ),
        // As far down as names go: 120 labels below the zone.
        case(
            "c.limits",
            "RFC 2181 §11",
            inside(&labels(120, 1)[..240]),
            nxdomain(SOA),
        ),
    ];
    for label in [
        &b"\0"[..],
        b"\xff\x80",
        b"web.svc",
        b"\\",
        b" ",
        b"web\0",
        b"\xc3\xbc",
        b"*",
        b"@",
    ] {
        let prefix = [&[label.len() as u8], label].concat();
        cases.push(case("c.octets", "RFC 2181 §11", inside(&prefix), nxdomain(SOA)));
    }
    let odd_case = "wEb-1.WeB.~";
    cases.extend([
        case(
            "c.case",
            "RFC 4343 §3, 1035 §2.3.3",
            q(odd_case, Type::A),
            answer(&["wEb-1.WeB.~ 5 A 192.0.2.11"]),
        ),
        case(
            "gate.echo",
            "RFC 4343 §3",
            qe("WEB-1.WEB.SVC.INTERNAL.", Type::A),
            answer(&["WEB-1.WEB.SVC.INTERNAL. 5 A 192.0.2.11"]),
        ),
        case("gate.echo", "RFC 4343 §3", qe("eXaMpLe.CoM.", Type::A), refused()),
        case(
            "gate.echo",
            "RFC 4343 §3",
            q("eXaMpLe.CoM.", Type::A).opcode(9),
            told(rcode::NOTIMP),
        ),
        // The bit that tells small from capital letters is a bit like any other in other octets.
        case(
            "c.case",
            "RFC 4343 §3",
            q(r"we\066.~", Type::A),
            nodata_or_answer(),
        ),
        case("c.case", "RFC 4343 §3", q(r"web\-1.web.~", Type::A), web_answer()),
        case(
            "c.case",
            "RFC 4343 §3",
            q(r"web\0131.web.~", Type::A),
            nxdomain(SOA),
        ),
    ]);
    cases
}

/// `we\066` is `weB`: the service itself.
fn nodata_or_answer() -> super::case::Reply {
    answer(&["weB.~ 5 A 192.0.2.11", "weB.~ 5 A 192.0.2.12"])
}

fn silences() -> Vec<Case> {
    let silent = |rule, source, sent: Vec<u8>| case(rule, source, sent, super::case::Expected::Silence);
    let whole = web().bytes();
    let mut cases = Vec::new();
    for length in [0, 1, 2, 3, 4, 11] {
        let cut = silent("gate.short", "RFC 1035 §4.1.1", whole[..length].to_vec());
        // Over TCP a length of nothing ends the connection: `tcp.zero`.
        cases.push(if length == 0 { cut.udp() } else { cut });
    }
    let own = Query::new("web-1.web.svc.internal", Type::A)
        .response()
        .authoritative()
        .record(
            Section::Answer,
            "web-1.web.svc.internal",
            Type::A,
            1,
            5,
            &[192, 0, 2, 11],
        );
    for (rule, query) in [
        ("h.reply", web().response()),
        ("h.reply", own),
        ("gate.reply", web().response().edns(1232)),
        ("gate.reply", web().response().opcode(5)),
        ("gate.reply", web().response().class(CHAOS)),
        ("gate.reply", Query::empty().response()),
        ("gate.reply", web().response().counts([0xffff; 4])),
        ("gate.reply", Query::of_wire(b"\xc0\x0c", Type::A).response()),
        ("gate.reply", web().response().edns(1232).edns_version(1)),
    ] {
        cases.push(silent(
            rule,
            "RFC 1035 §7.3: no loop of two servers",
            query.bytes(),
        ));
    }
    cases
}

/// What a client would send along with an IXFR.
fn client_soa() -> Vec<u8> {
    b"\x01a\0\0\0\0\0\x01\0\0\0\x02\0\0\0\x03\0\0\0\x04\0\0\0\x05".to_vec()
}

fn signatures_and_transfers() -> Vec<Case> {
    let hmac = b"\x0bhmac-sha256\0\0\0\0\0\0\0\x01\x2c\0\0\0\0\0\0\0\0";
    let signed =
        |query: Query| query.record(Section::Additional, "key.example.org", Type::TSIG, 255, 0, hmac);
    let notauth = || told(rcode::NOTAUTH);
    let refused = || told(rcode::REFUSED);
    let with_soa =
        |rtype| q("~", rtype).record(Section::Authority, "svc.internal", Type::SOA, 1, 0, &client_soa());
    let mut cases = vec![
        case("k.tsig", "RFC 8945 §5.2", signed(web()), notauth()),
        case(
            "gate.tsig",
            "RFC 8945 §5.2",
            signed(q("~", Type::AXFR)),
            notauth(),
        ),
        case(
            "gate.tsig",
            "RFC 8945 §5.2",
            signed(q("example.com.", Type::A)),
            notauth(),
        ),
        // Of no known form at all.
        case(
            "gate.tsig",
            "RFC 8945 §5.2",
            web().record(Section::Additional, "key", Type::TSIG, 255, 0, &[0; 26]),
            notauth(),
        ),
        // Not the last record, twice, or in another section.
        case(
            "gate.tsig",
            "RFC 8945 §5.1",
            signed(signed(web())),
            told(rcode::FORMERR),
        ),
        case(
            "gate.tsig",
            "RFC 8945 §5.1",
            web().record(Section::Answer, "key", Type::TSIG, 255, 0, hmac),
            told(rcode::FORMERR),
        ),
    ];
    for name in ["~", "web.~", "example.com.", "nothing.~"] {
        cases.push(case("l.axfr", "RFC 5936 §5", q(name, Type::AXFR), refused()));
        cases.push(case("l.ixfr", "RFC 1995 §2", q(name, Type::IXFR), refused()));
    }
    cases.extend([
        case(
            "static.transfer",
            "RFC 5936 §4.2",
            q("~", Type::AXFR).edns(4096),
            refused(),
        ),
        case("l.ixfr", "RFC 1995 §3", with_soa(Type::IXFR), refused()),
        case(
            "l.ixfr",
            "RFC 1995 §3",
            with_soa(Type::IXFR).edns(1232),
            refused(),
        ),
        case("l.ixfr", "RFC 1995 §3", with_soa(Type::A), told(rcode::FORMERR)),
        case(
            "l.axfr",
            "RFC 5936 §2.1",
            with_soa(Type::AXFR),
            told(rcode::FORMERR),
        ),
    ]);
    cases
}

/// How messages may come over TCP, with what answers there are to compare.
fn streams() -> Vec<Case> {
    let both = |query: Query| (query, web_answer());
    let mut cases = Vec::new();
    for (rule, shape) in [
        ("tcp.two", Shape::Together(2)),
        ("tcp.bytes", Shape::Pieces(1)),
        ("tcp.bytes", Shape::Pieces(3)),
        ("tcp.hundred", Shape::Together(100)),
        ("g.pipelining", Shape::Together(7)),
        ("tcp.half-close", Shape::HalfClosed),
    ] {
        let (query, wanted) = both(web());
        cases.push(case(rule, "RFC 7766 §6.2.1, 8", query, wanted).shape(shape));
        let (query, wanted) = both(web().edns(512));
        cases.push(case(rule, "RFC 7766 §6.2.1, 8", query, wanted).shape(shape));
    }
    // What is refused or goes another way is so in every shape.
    let version = concat!("version.bind. 0 TXT \"callsign ", env!("CARGO_PKG_VERSION"), "\"");
    for shape in [Shape::Together(5), Shape::Pieces(1), Shape::HalfClosed] {
        cases.push(case("g.same", "RFC 7766 §5", web().opcode(3), told(rcode::NOTIMP)).shape(shape));
        let query = q("version.bind.", Type::TXT).class(CHAOS);
        let version = case("g.same", "RFC 7766 §5", query, answer(&[version]));
        cases.push(version.shape(shape).known_breach(OWNER_IN_FULL));
    }
    // RFC 7828: an empty option over TCP; over UDP it must be passed over.
    let keepalive = web().edns(1232).option(11, b"");
    cases.push(case("g.keepalive", "RFC 7828 §3.3", keepalive.clone(), web_answer()).tcp());
    cases.push(case("g.keepalive", "RFC 7828 §3.2.1", keepalive, web_answer()).udp());
    cases
}
