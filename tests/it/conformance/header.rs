//! The header: flags, counts, opcodes, classes and types, judged before any name. Rules h, k, l and gate.

use crate::support::dns::{CHAOS, Query, Section, Type, rcode};

use super::case::{Case, Ede, Reply, answer, case, nxdomain, q, qe, told};
use super::names::SOA;

const NOT_AUTHORITATIVE: u16 = 20;

pub(super) const OWNER_IN_FULL: &str = "the slow path writes the owner in full";

/// A question with one answer.
pub(super) fn web() -> Query {
    q("web-1.web.~", Type::A)
}

pub(super) fn web_answer() -> Reply {
    answer(&["web-1.web.~ 5 A 192.0.2.11"])
}

pub(super) fn cases() -> Vec<Case> {
    [headers(), counts(), opcodes(), classes(), types()].concat()
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
                &super::streams::client_soa(),
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
