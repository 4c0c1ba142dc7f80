//! Signatures, transfers, and messages over TCP in every shape. Rules g, k, l, static and tcp.

use crate::support::dns::{CHAOS, Query, Section, Type, rcode};

use super::case::{Case, Shape, answer, case, q, told};
use super::header::{OWNER_IN_FULL, web, web_answer};

pub(super) fn cases() -> Vec<Case> {
    [signatures_and_transfers(), streams()].concat()
}

/// What a client would send along with an IXFR.
pub(super) fn client_soa() -> Vec<u8> {
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
