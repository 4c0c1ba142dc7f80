//! The gate: names that are wrong, odd or long, and what is not answered. Rules c, h and gate.

use crate::support::dns::{CHAOS, Query, Section, Type, rcode};

use super::case::{Case, Expected, Reply, answer, case, nxdomain, q, qe, told};
use super::header::{web, web_answer};
use super::names::SOA;

pub(super) fn cases() -> Vec<Case> {
    [wrong_names(), odd_names(), silences()].concat()
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
        ),
        case(
            "gate.opt-out",
            "RFC 6891 §7",
            Query::of_wire(b"\xc0\x0c", Type::A).edns(1232),
            formerr(),
        ),
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
            web_of_odd_case(),
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
fn web_of_odd_case() -> Reply {
    answer(&["weB.~ 5 A 192.0.2.11", "weB.~ 5 A 192.0.2.12"])
}

fn silences() -> Vec<Case> {
    let silent = |rule, source, sent: Vec<u8>| case(rule, source, sent, Expected::Silence);
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
