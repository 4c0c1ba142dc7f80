//! What names of services answer: existence, the apex, ANY, types and TTLs. Rules a, b, h, m, o and p.

use crate::support::dns::Type;

use super::case::{Case, answer, case, full, nodata, nxdomain, q, qe};

/// The SOA of a negative answer: its TTL is MINIMUM, which is less than its own.
pub(super) const SOA: &str = "~ 1 SOA ns.~ hostmaster.~ * 60 15 604800 1";

/// The SOA as it is asked for.
pub(super) const SOA_ANSWER: &str = "~ 5 SOA ns.~ hostmaster.~ * 60 15 604800 1";

/// `deep.svc.internal` has settings of its own: the SOA's TTL is less than MINIMUM.
const SOA_DEEP: &str = "deep.~ 8 SOA ns.deep.~ hostmaster.deep.~ * 60 15 604800 30";

pub(super) fn cases() -> Vec<Case> {
    [existence(), apex(), any(), others(), ttls()].concat()
}

fn existence() -> Vec<Case> {
    let nx = |name, rtype| {
        case(
            "a.existence",
            "RFC 8020 §2, 2308 §2.1",
            qe(name, rtype),
            nxdomain(SOA),
        )
    };
    let nd = |name, rtype| case("a.levels", "RFC 4592 §2.2.2, 9156", qe(name, rtype), nodata(SOA));
    let mut cases = Vec::new();
    for name in [
        "nothing.~",
        "nothing.web.~",
        "a.b.c.d.e.f.nothing.~",
        "web-1.~",
        "canary.~",
        "web-9.web.~",
        "x.web-1.web.~",
        "_nothing._tcp.web.~",
        "_web._tcp.web.~",
        "_dns._tcp.web.~",
        "_http._tcp.web-1.web.~",
        "_nothing._tcp.~",
        "_sctp.~",
        "x._web._tcp.~",
    ] {
        cases.push(nx(name, Type::A));
        cases.push(nx(name, Type::SRV));
    }
    for name in [
        "_tcp.~",
        "_udp.~",
        "_tcp.web.~",
        "_udp.web.~",
        "_tcp.canary.web.~",
    ] {
        for rtype in [Type::A, Type::SRV, Type::NS, Type(65_280)] {
            cases.push(nd(name, rtype));
        }
    }
    for (name, rtype) in [
        ("~", Type::A),
        ("~", Type::SRV),
        ("web.~", Type::TXT),
        ("web.~", Type::CNAME),
        ("canary.web.~", Type::MX),
        ("_http._tcp.web.~", Type::A),
        ("_web._tcp.~", Type::AAAA),
        ("_dns._udp.canary.web.~", Type::SRV),
        ("web-1.web.~", Type::NS),
        ("web-2.web.~", Type::AAAA),
        ("web-2.web.~", Type::TXT),
        ("empty.~", Type::A),
        ("empty.~", Type::SRV),
        ("four.~", Type::AAAA),
        ("six.~", Type::A),
    ] {
        cases.push(nd(name, rtype));
    }
    cases.extend([
        // Names that a resolver asks one label at a time.
        case("a.levels", "RFC 9156 §2", q("_tcp.web.~", Type::A), nodata(SOA)),
        case("a.soa", "RFC 2308 §3", q("nothing.~", Type::A), nxdomain(SOA)),
        case("a.soa", "RFC 2308 §3", q("web.~", Type::MX), nodata(SOA)),
        case(
            "a.aa",
            "RFC 2308 §2, 1035 §4.1.1",
            q("NoThInG.~", Type::A),
            nxdomain(SOA),
        ),
        case(
            "a.negative-ttl",
            "RFC 2308 §5: MINIMUM is less",
            q("nothing.~", Type::A),
            nxdomain(SOA),
        ),
        case(
            "a.negative-ttl",
            "RFC 2308 §5: the SOA's TTL is less",
            q("nothing.deep.~", Type::A),
            nxdomain(SOA_DEEP),
        ),
        case(
            "a.negative-ttl",
            "RFC 2308 §5: the SOA's TTL is less",
            q("web.deep.~", Type::TXT),
            nodata(SOA_DEEP),
        ),
        // The longest zone answers.
        case(
            "a.existence",
            "RFC 1034 §4.3.2",
            q("web.deep.~", Type::A),
            answer(&["web.deep.~ 8 A 192.0.2.71"]),
        ),
        case(
            "a.existence",
            "RFC 1034 §4.3.2",
            q("four.deep.~", Type::A),
            nxdomain(SOA_DEEP),
        ),
        case("b.no-wildcard", "RFC 4592 §2", q("*.~", Type::A), nxdomain(SOA)),
        case(
            "b.no-wildcard",
            "RFC 4592 §2",
            q("*.web.~", Type::ANY),
            nxdomain(SOA),
        ),
        case("b.no-wildcard", "RFC 4592 §2", q("x.*.~", Type::A), nxdomain(SOA)),
    ]);
    cases
}

fn apex() -> Vec<Case> {
    let ns = || answer(&["~ 5 NS ns.~"]).additional(&["ns.~ 5 A 127.0.0.1"]);
    vec![
        case(
            "p.apex",
            "RFC 1034 §4.2.1",
            q("~", Type::SOA),
            answer(&[SOA_ANSWER]),
        ),
        case("p.apex", "RFC 1034 §4.2.1", q("~", Type::NS), ns()),
        case("p.ns", "RFC 1034 §4.2.1", qe("~", Type::NS), ns()),
        case(
            "p.ns",
            "RFC 1912 §2.8",
            q("ns.~", Type::A),
            answer(&["ns.~ 5 A 127.0.0.1"]),
        ),
        case("p.ns", "RFC 2181 §10.3", q("ns.~", Type::CNAME), nodata(SOA)),
        case("p.ns", "RFC 1034 §4.3.2", q("ns.~", Type::AAAA), nodata(SOA)),
        case("p.apex", "RFC 1034 §4.2.1", q("web.~", Type::SOA), nodata(SOA)),
        case("p.apex", "RFC 1034 §4.2.1", q("web.~", Type::NS), nodata(SOA)),
        case(
            "p.apex",
            "RFC 1034 §4.2.1",
            q("web-1.web.~", Type::SOA),
            nodata(SOA),
        ),
        case("p.apex", "RFC 1034 §4.2.1", q("_tcp.~", Type::NS), nodata(SOA)),
        case(
            "p.apex",
            "RFC 1034 §4.2.1",
            q("nothing.~", Type::SOA),
            nxdomain(SOA),
        ),
        case(
            "p.apex",
            "RFC 4035 §3.1.4.1: no DS here",
            q("~", Type::DS),
            nodata(SOA),
        ),
        // Both zones are ours: the parent answers, and must not deny what is there (RFC 8020).
        case(
            "a.existence",
            "RFC 4035 §3.1.4.1, 8020 §2",
            q("deep.~", Type::DS),
            nodata(SOA),
        ),
        case("p.apex", "RFC 2181 §6.1", q("Svc.Internal.", Type::NS), {
            answer(&["Svc.Internal. 5 NS ns.Svc.Internal."]).additional(&["ns.Svc.Internal. 5 A 127.0.0.1"])
        }),
    ]
}

/// RFC 8482: one RRset. Which one is ours to choose.
fn any() -> Vec<Case> {
    let any = |name, wanted| case("h.any", "RFC 8482 §4.1", q(name, Type::ANY), wanted);
    let web = ["web.~ 5 A 192.0.2.11", "web.~ 5 A 192.0.2.12"];
    vec![
        any("web.~", answer(&web)),
        any("web-1.web.~", answer(&["web-1.web.~ 5 A 192.0.2.11"])),
        any("six.~", answer(&["six.~ 5 AAAA 2001:db8::46"])),
        any("_dns._udp.web.~", {
            answer(&["_dns._udp.web.~ 5 SRV 0 1 53 web-2.web.~"]).additional(&["web-2.web.~ 5 A 192.0.2.12"])
        }),
        any("~", answer(&[SOA_ANSWER])),
        any("ns.~", answer(&["ns.~ 5 A 127.0.0.1"])),
        any("_tcp.~", nodata(SOA)),
        any("nothing.~", nxdomain(SOA)),
    ]
}

/// Types that nobody wrote into the zone.
fn others() -> Vec<Case> {
    let mut cases = Vec::new();
    for rtype in [Type::SVCB, Type::HTTPS] {
        for name in ["~", "web.~", "_http._tcp.web.~", "web-1.web.~"] {
            cases.push(case("m.nodata", "RFC 9460 §2.1", qe(name, rtype), nodata(SOA)));
        }
        cases.push(case(
            "m.nodata",
            "RFC 9460 §2.1",
            q("nothing.~", rtype),
            nxdomain(SOA),
        ));
    }
    for rtype in [0, 3, 10, 38, 99, 103, 127, 256, 257, 32_768, 65_280, 65_535] {
        cases.push(case(
            "a.levels",
            "RFC 3597 §3, 8906 §3.1.1",
            q("web.~", Type(rtype)),
            nodata(SOA),
        ));
    }
    cases
}

fn ttls() -> Vec<Case> {
    let set = |rule, name: &str, ttl: u32, address: &str| {
        let record = full(&format!("{name} {ttl} A {address}"));
        case(rule, "RFC 2181 §8", q(name, Type::A), answer(&[&record]))
    };
    let mut cases = vec![
        set("o.default", "honest.~", 5, "192.0.2.99"),
        set("o.default", "web-1.web.~", 5, "192.0.2.11"),
        set("o.zero", "zero.~", 0, "192.0.2.62"),
        set("o.zero", "z.zero.~", 0, "192.0.2.62"),
        set("o.max", "long.~", 2_147_483_647, "192.0.2.63"),
        set("o.max", "l.long.~", 2_147_483_647, "192.0.2.63"),
    ];
    cases.extend((0..5).map(|_| set("o.steady", "honest.~", 5, "192.0.2.99")));
    // A TTL of the service is none of its negative answers'.
    let of_long = case(
        "a.negative-ttl",
        "RFC 2308 §5",
        q("long.~", Type::MX),
        nodata(SOA),
    );
    cases.push(of_long);
    cases
}
