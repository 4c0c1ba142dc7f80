//! What instances bring to the names of their service: RRsets, SRV with its additionals, and what health does. Rules a,
//! b, c, d and f.

use crate::support::dns::Type;

use super::case::{Case, answer, case, nodata, nxdomain, q, qe};
use super::names::SOA;

pub(super) fn cases() -> Vec<Case> {
    [rrsets(), srv(), health()].concat()
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
