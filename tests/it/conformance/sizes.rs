//! Replies that do not fit. Rules e, f and g.

use crate::support::dns::Type;

use super::case::{Case, Reply, answer, case, like, nodata, nxdomain, q, some};
use super::names::SOA;

/// Octets of an A record whose owner is a pointer.
const A_OCTETS: usize = 16;

fn numbered(owner: &'static str, net: &'static str, count: u32) -> impl Iterator<Item = String> {
    (0..count).map(move |n| format!("{owner} 5 A {net}.{n}"))
}

/// `count` of the addresses of `many`, which has 50.
fn many(count: usize) -> Reply {
    answer(&[]).answers(some(count, numbered("many.~", "198.51.100", 50)))
}

fn huge(count: usize) -> Reply {
    answer(&[]).answers(some(count, numbered("huge.~", "203.0.113", 120)))
}

fn srvs(count: usize) -> Reply {
    answer(&[]).answers(like(count, "srvs.~ 5 SRV 0 1 80 a", ".srvs.~"))
}

pub(super) fn cases() -> Vec<Case> {
    let a = Type::A;
    // 12 octets of header, 23 of question, 11 of OPT; 16 a record.
    let mut cases = vec![
        case(
            "f.512",
            "RFC 1035 §4.2.1",
            q("many.~", a),
            many(29).tc().full_but_for(A_OCTETS),
        )
        .udp(),
        case("f.tc", "RFC 2181 §9", q("many.~", a), many(29).tc()).udp(),
        case("g.same", "RFC 7766 §5", q("many.~", a), many(50)).tcp(),
        case(
            "f.512",
            "RFC 1035 §4.2.1",
            q("huge.~", a),
            huge(29).tc().full_but_for(A_OCTETS),
        )
        .udp(),
        case(
            "e.iff",
            "RFC 6891 §7: OPT in a truncated reply",
            q("huge.~", a).edns(512),
            huge(29).tc(),
        )
        .udp(),
        case(
            "e.small",
            "RFC 6891 §6.2.3",
            q("huge.~", a).edns(0),
            huge(29).tc(),
        )
        .udp(),
        case(
            "e.small",
            "RFC 6891 §6.2.3",
            q("huge.~", a).edns(100),
            huge(29).tc(),
        )
        .udp(),
        case("g.same", "RFC 7766 §5", q("huge.~", a), huge(120)).tcp(),
        case(
            "g.same",
            "RFC 7766 §5: the client's UDP size means nothing here",
            q("huge.~", a).edns(512),
            huge(120),
        )
        .tcp(),
        // One RRset that fits in 1232 octets and not in 512.
        case("f.1232", "RFC 6891 §6.2.5", q("many.~", a).edns(1232), many(50)).udp(),
        case("f.1232", "RFC 6891 §6.2.5", q("many.~", a).edns(846), many(50)).udp(),
        case(
            "f.1232",
            "RFC 6891 §6.2.5",
            q("many.~", a).edns(845),
            many(49).tc(),
        )
        .udp(),
    ];
    for (offered, count) in [
        (513, 29),
        (600, 34),
        (1231, 74),
        (1232, 74),
        (1400, 74),
        (4096, 74),
        (65_535, 74),
    ] {
        let wanted = huge(count).tc().full_but_for(A_OCTETS);
        cases.push(
            case(
                "f.fits",
                "RFC 9715 §3.1, 2181 §9",
                q("huge.~", a).edns(offered),
                wanted,
            )
            .udp(),
        );
    }
    // 41 octets an SRV record, none of its additionals while one is missing.
    cases.extend([
        case(
            "f.fits",
            "RFC 2181 §9",
            q("srvs.~", Type::SRV),
            srvs(11).tc().full_but_for(41),
        )
        .udp(),
        case(
            "f.fits",
            "RFC 2181 §9",
            q("srvs.~", Type::SRV).edns(700),
            srvs(15).tc().full_but_for(41),
        )
        .udp(),
    ]);
    // All ten SRV records fit in 512 octets, and only some of the addresses: no TC.
    let adds = |additionals: usize| {
        answer(&[])
            .answers(like(10, "adds.~ 5 SRV 0 1 80 a", ".adds.~"))
            .additionals(like(additionals, "a", ""))
    };
    cases.extend([
        case("f.additional", "RFC 2181 §9", q("adds.~", Type::SRV), adds(4)).udp(),
        case(
            "f.additional",
            "RFC 2181 §9",
            q("adds.~", Type::SRV).edns(512),
            adds(3),
        )
        .udp(),
        case(
            "f.additional",
            "RFC 2181 §9",
            q("adds.~", Type::SRV).edns(1232),
            adds(10),
        ),
        case("g.same", "RFC 7766 §5", q("adds.~", Type::SRV), adds(10)).tcp(),
    ]);
    // 4,096 addresses need 65,571 octets.
    let vast = |count| answer(&[]).answers(like(count, "vast.~ 5 A 10.0.", ""));
    cases.extend([
        case(
            "g.64k",
            "RFC 7766 §8",
            q("vast.~", a),
            vast(4093).full_but_for(A_OCTETS),
        )
        .tcp(),
        case(
            "g.64k",
            "RFC 7766 §8",
            q("vast.~", a).edns(512),
            vast(4093).full_but_for(A_OCTETS),
        )
        .tcp(),
        case(
            "f.512",
            "RFC 1035 §4.2.1",
            q("vast.~", a),
            vast(29).tc().full_but_for(A_OCTETS),
        )
        .udp(),
        case(
            "f.1232",
            "RFC 6891 §6.2.5",
            q("vast.~", a).edns(4096),
            vast(74).tc().full_but_for(A_OCTETS),
        )
        .udp(),
        // What is not there fits everywhere.
        case("f.512", "RFC 2308 §3", q("nothing.many.~", a), nxdomain(SOA)),
        case("f.512", "RFC 2308 §3", q("many.~", Type::MX).edns(0), nodata(SOA)),
    ]);
    cases
}
