//! What names of services answer: existence, RRsets, SRV, TTLs, the apex. Rules a, b, c, d, h, m, o and p.

use crate::support::dns::Type;

use super::case::{Case, answer, case, full, nodata, nxdomain, q, qe};

/// The SOA of a negative answer: its TTL is MINIMUM, which is less than its own.
pub(super) const SOA: &str = "~ 1 SOA ns.~ hostmaster.~ * 60 15 604800 1";
/// The SOA as it is asked for.
pub(super) const SOA_ANSWER: &str = "~ 5 SOA ns.~ hostmaster.~ * 60 15 604800 1";
/// `deep.svc.internal` has settings of its own: the SOA's TTL is less than MINIMUM.
const SOA_DEEP: &str = "deep.~ 8 SOA ns.deep.~ hostmaster.deep.~ * 60 15 604800 30";

pub(super) fn cases() -> Vec<Case> {
    [
        existence(),
        apex(),
        rrsets(),
        srv(),
        health(),
        any(),
        others(),
        ttls(),
    ]
    .concat()
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

fn rrsets() -> Vec<Case> {
    let web = ["web.~ 5 A 192.0.2.11", "web.~ 5 A 192.0.2.12"];
    vec![
        case("b.ttl", "RFC 2181 §5.2", q("web.~", Type::A), answer(&web)),
        case(
            "b.ttl",
            "RFC 2181 §5.2",
            qe("web.~", Type::AAAA),
            answer(&["web.~ 5 AAAA 2001:db8::11"]),
        ),
        case(
            "b.once",
            "RFC 2181 §5",
            q("shared.~", Type::A),
            answer(&["shared.~ 5 A 192.0.2.61"]),
        ),
        case(
            "b.once",
            "RFC 2181 §5",
            qe("shared.~", Type::A),
            answer(&["shared.~ 5 A 192.0.2.61"]),
        ),
        case("c.owner", "RFC 1035 §4.1.4", qe("WEB.~", Type::A), {
            answer(&["WEB.~ 5 A 192.0.2.11", "WEB.~ 5 A 192.0.2.12"])
        }),
        case(
            "a.aa",
            "RFC 1035 §4.1.1",
            q("canary.web.~", Type::A),
            answer(&["canary.web.~ 5 A 192.0.2.11"]),
        ),
        case("a.aa", "RFC 1035 §4.1.1", q("v2.web.~", Type::A), {
            answer(&["v2.web.~ 5 A 192.0.2.11", "v2.web.~ 5 A 192.0.2.12"])
        }),
        case("static.txt", "RFC 1035 §3.3.14", q("web-1.web.~", Type::TXT), {
            answer(&[r#"web-1.web.~ 5 TXT "a=1" "version=2.1""#])
        }),
        // Two of five instances, with no TC, whoever they are.
        case("f.tc", "answer_limit is no truncation", q("few.~", Type::A), {
            answer(&[]).answers(super::case::some(
                2,
                (0..5).map(|n| format!("few.~ 5 A 198.51.100.{n}")),
            ))
        }),
        // Addresses come from the lowest tier of their family.
        case(
            "d.order",
            "RFC 2782",
            q("tier.~", Type::A),
            answer(&["tier.~ 5 A 192.0.2.21"]),
        ),
        case(
            "d.order",
            "RFC 2782",
            q("tier.~", Type::AAAA),
            answer(&["tier.~ 5 AAAA 2001:db8::22"]),
        ),
    ]
}

fn srv() -> Vec<Case> {
    let of = |owner: &str, data: &str| format!("{owner} 5 SRV {data}");
    let web_1 = ["web-1.web.~ 5 A 192.0.2.11", "web-1.web.~ 5 AAAA 2001:db8::11"];
    let both = [web_1[0], web_1[1], "web-2.web.~ 5 A 192.0.2.12"];
    let srv = |rule, name: &str, data: &[&str], additional: &[&str]| {
        let records: Vec<String> = data.iter().map(|data| of(name, data)).collect();
        let records: Vec<&str> = records.iter().map(String::as_str).collect();
        case(
            rule,
            "RFC 2782",
            qe(name, Type::SRV),
            answer(&records).additional(additional),
        )
    };
    let (h1, h2) = ("0 1 8080 web-1.web.~", "0 1 8081 web-2.web.~");
    let (m1, d2) = ("0 1 9100 web-1.web.~", "0 1 53 web-2.web.~");
    vec![
        srv("d.additional", "_http._tcp.web.~", &[h1, h2], &both),
        srv("d.additional", "web.~", &[h1, h2, m1, d2], &both),
        srv("d.additional", "_web._tcp.~", &[h1, h2, m1], &both),
        srv("d.additional", "_web._udp.~", &[d2], &both[2..]),
        srv("d.additional", "_http._tcp.canary.web.~", &[h1], &web_1),
        srv("d.additional", "canary.web.~", &[h1, m1], &web_1),
        srv("d.additional", "web-1.web.~", &[h1, m1], &web_1),
        srv(
            "b.once",
            "_api._tcp.~",
            &["0 1 80 api-1.api.~"],
            &["api-1.api.~ 5 A 192.0.2.31"],
        ),
        srv(
            "b.once",
            "_main._tcp.api.~",
            &["0 1 80 api-1.api.~"],
            &["api-1.api.~ 5 A 192.0.2.31"],
        ),
        srv(
            "d.order",
            "tier.~",
            &["1 5 7001 t1.tier.~", "2 1 7002 t2.tier.~"],
            &[
                "t1.tier.~ 5 A 192.0.2.21",
                "t2.tier.~ 5 A 192.0.2.22",
                "t2.tier.~ 5 AAAA 2001:db8::22",
            ],
        ),
        case(
            "d.resolves",
            "RFC 2782: Target",
            q("web-1.web.~", Type::A),
            answer(&["web-1.web.~ 5 A 192.0.2.11"]),
        ),
        case("d.resolves", "RFC 2782: Target", q("web-1.web.~", Type::AAAA), {
            answer(&["web-1.web.~ 5 AAAA 2001:db8::11"])
        }),
        case(
            "b.target",
            "RFC 2782: the name must not be an alias",
            q("web-1.web.~", Type::CNAME),
            nodata(SOA),
        ),
        case(
            "b.target",
            "RFC 2782: the name must not be an alias",
            q("web-2.web.~", Type::CNAME),
            nodata(SOA),
        ),
        // Whatever the state of an instance is, its name stays.
        case("d.resolves", "a target that drains", q("web-3.web.~", Type::A), {
            answer(&["web-3.web.~ 5 A 192.0.2.13"])
        }),
        case(
            "d.resolves",
            "a target that is critical",
            q("web-4.web.~", Type::A),
            answer(&["web-4.web.~ 5 A 192.0.2.14"]),
        ),
    ]
}

fn health() -> Vec<Case> {
    let root = |name| {
        case(
            "d.root",
            "RFC 2782: a target of `.`",
            qe(name, Type::SRV),
            nodata(SOA),
        )
    };
    let nd = |name, rtype| case("a.levels", "on_empty: nodata", q(name, rtype), nodata(SOA));
    let nx = |name, rtype| case("a.existence", "on_empty: nxdomain", q(name, rtype), nxdomain(SOA));
    vec![
        root("down.~"),
        root("_down._tcp.~"),
        root("_main._tcp.down.~"),
        root("lapsed.~"),
        root("d.down.~"),
        nd("down.~", Type::A),
        nd("lapsed.~", Type::A),
        nx("gone.~", Type::A),
        nx("gone.~", Type::AAAA),
        nx("gone.~", Type::TXT),
        nx("_gone._tcp.~", Type::SRV),
        case(
            "d.resolves",
            "on_empty: nxdomain",
            q("d.gone.~", Type::A),
            answer(&["d.gone.~ 5 A 192.0.2.53"]),
        ),
        case(
            "a.aa",
            "on_empty: all",
            q("open.~", Type::A),
            answer(&["open.~ 5 A 192.0.2.54"]),
        ),
        case("d.additional", "on_empty: all", q("open.~", Type::SRV), {
            answer(&["open.~ 5 SRV 0 1 80 d.open.~"]).additional(&["d.open.~ 5 A 192.0.2.54"])
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
