//! DNS-SD from the catalog (RFC 6763), in the zone `sd.internal`. Rule n.

use crate::support::dns::Type;

use super::case::{Case, answer, case, like, nodata, nxdomain, q, qe};

const SOA: &str = "sd.internal. 1 SOA ns.sd.internal. hostmaster.sd.internal. * 60 15 604800 1";

const WEB_1: [&str; 4] = [
    r"web-1\@web._http._tcp.sd.internal. 4 SRV 0 1 8080 web-1.web.sd.internal.",
    r#"web-1\@web._http._tcp.sd.internal. 4 TXT "a=1" "path=/""#,
    "web-1.web.sd.internal. 4 A 192.0.2.11",
    "web-1.web.sd.internal. 4 AAAA 2001:db8::11",
];
/// Without `meta`: one string of no octets (RFC 6763 §6.1).
const WEB_2: [&str; 3] = [
    r"web-2\@web._http._tcp.sd.internal. 4 SRV 0 1 8081 web-2.web.sd.internal.",
    r#"web-2\@web._http._tcp.sd.internal. 4 TXT """#,
    "web-2.web.sd.internal. 4 A 192.0.2.12",
];

pub(super) fn cases() -> Vec<Case> {
    [pointers(), instances(), types(), beside(), long()].concat()
}

fn pointers() -> Vec<Case> {
    let http = [
        r"_http._tcp.sd.internal. 7 PTR web-1\@web._http._tcp.sd.internal.",
        r"_http._tcp.sd.internal. 7 PTR web-2\@web._http._tcp.sd.internal.",
    ];
    let all = [&WEB_1[..], &WEB_2].concat();
    vec![
        case(
            "n.ptr",
            "RFC 6763 §4.1, 12.1",
            qe("_http._tcp.sd.internal.", Type::PTR),
            answer(&http).additional(&all),
        ),
        case(
            "n.additional",
            "RFC 6763 §12.1",
            q("_http._tcp.sd.internal.", Type::PTR),
            answer(&http).additional(&all),
        )
        .tcp(),
        case(
            "n.ptr",
            "RFC 6763 §4.1: a port over UDP",
            qe("_dns._udp.sd.internal.", Type::PTR),
            answer(&[r"_dns._udp.sd.internal. 7 PTR web-2\@web._dns._udp.sd.internal."]).additional(&[
                r"web-2\@web._dns._udp.sd.internal. 4 SRV 0 1 53 web-2.web.sd.internal.",
                r#"web-2\@web._dns._udp.sd.internal. 4 TXT """#,
                "web-2.web.sd.internal. 4 A 192.0.2.12",
            ]),
        ),
        case(
            "n.ptr",
            "RFC 6763 §4.1",
            q("_nothing._tcp.sd.internal.", Type::PTR),
            nxdomain(SOA),
        ),
        case(
            "n.ptr",
            "RFC 6763 §4.1",
            q("_http._udp.sd.internal.", Type::PTR),
            nxdomain(SOA),
        ),
        case(
            "n.ptr",
            "RFC 6763 §4.1",
            q("_http._tcp.sd.internal.", Type::A),
            nodata(SOA),
        ),
    ]
}

fn instances() -> Vec<Case> {
    let name = r"web-1\@web._http._tcp.sd.internal.";
    vec![
        case(
            "n.instance",
            "RFC 6763 §5",
            qe(name, Type::SRV),
            answer(&WEB_1[..1]).additional(&WEB_1[2..]),
        ),
        case(
            "n.additional",
            "RFC 6763 §12.2",
            q(name, Type::SRV),
            answer(&WEB_1[..1]).additional(&WEB_1[2..]),
        ),
        case(
            "n.instance",
            "RFC 6763 §6",
            q(name, Type::TXT),
            answer(&WEB_1[1..2]),
        ),
        case(
            "n.instance",
            "RFC 6763 §6.1",
            q(r"web-2\@web._http._tcp.sd.internal.", Type::TXT),
            answer(&WEB_2[1..2]),
        ),
        case("n.instance", "RFC 6763 §4.3", q(name, Type::A), nodata(SOA)),
        case(
            "n.instance",
            "RFC 4343 §3",
            q(r"WEB-1\@web._http._tcp.sd.internal.", Type::TXT),
            answer(&[r#"WEB-1\@web._http._tcp.sd.internal. 4 TXT "a=1" "path=/""#]),
        ),
        case(
            "n.instance",
            "RFC 6763 §4.3",
            q(r"web-9\@web._http._tcp.sd.internal.", Type::SRV),
            nxdomain(SOA),
        ),
        case(
            "n.instance",
            "RFC 6763 §4.3",
            q(r"x.web-1\@web._http._tcp.sd.internal.", Type::SRV),
            nxdomain(SOA),
        ),
        // The host name has the same text, and none without `meta`.
        case(
            "n.instance",
            "contract: TXT of a host name",
            q("web-2.web.sd.internal.", Type::TXT),
            nodata(SOA),
        ),
    ]
}

fn types() -> Vec<Case> {
    let kinds = ["_http._tcp", "_dns._udp", "_ipp._tcp", "_raw._tcp"];
    let kinds: Vec<String> = kinds
        .iter()
        .map(|kind| format!("_services._dns-sd._udp.sd.internal. 7 PTR {kind}.sd.internal."))
        .collect();
    let kinds: Vec<&str> = kinds.iter().map(String::as_str).collect();
    vec![
        case(
            "n.types",
            "RFC 6763 §9",
            qe("_services._dns-sd._udp.sd.internal.", Type::PTR),
            answer(&kinds),
        ),
        case(
            "n.types",
            "RFC 6763 §11",
            qe("b._dns-sd._udp.sd.internal.", Type::PTR),
            answer(&["b._dns-sd._udp.sd.internal. 7 PTR sd.internal."]),
        ),
        case(
            "n.types",
            "RFC 4592 §2.2.2",
            q("_dns-sd._udp.sd.internal.", Type::PTR),
            nodata(SOA),
        ),
        case(
            "n.types",
            "RFC 6763 §9",
            q("_services._dns-sd._udp.sd.internal.", Type::SRV),
            nodata(SOA),
        ),
        case(
            "n.types",
            "RFC 6763 §9",
            q("x._dns-sd._udp.sd.internal.", Type::PTR),
            nxdomain(SOA),
        ),
    ]
}

/// `_ipp._tcp` is a service's name and a type; `_web._tcp` is a service's name alone, `_http._tcp` a type alone.
fn beside() -> Vec<Case> {
    let host = "p-1.ipp.sd.internal. 7 A 192.0.2.31";
    vec![
        case("n.beside", "RFC 2782", qe("_ipp._tcp.sd.internal.", Type::SRV), {
            answer(&["_ipp._tcp.sd.internal. 7 SRV 0 1 631 p-1.ipp.sd.internal."]).additional(&[host])
        }),
        case(
            "n.beside",
            "RFC 6763 §4.1",
            qe("_ipp._tcp.sd.internal.", Type::PTR),
            answer(&[r"_ipp._tcp.sd.internal. 7 PTR p-1\@ipp._ipp._tcp.sd.internal."]).additional(&[
                r"p-1\@ipp._ipp._tcp.sd.internal. 7 SRV 0 1 631 p-1.ipp.sd.internal.",
                r#"p-1\@ipp._ipp._tcp.sd.internal. 7 TXT """#,
                host,
            ]),
        ),
        case(
            "n.beside",
            "RFC 6763 §4.1",
            qe("_web._tcp.sd.internal.", Type::PTR),
            nodata(SOA),
        ),
        case(
            "n.beside",
            "RFC 2782",
            qe("_http._tcp.sd.internal.", Type::SRV),
            nodata(SOA),
        ),
    ]
}

fn long() -> Vec<Case> {
    vec![
        case(
            "n.long",
            "RFC 6335 §5.1: 15 octets",
            q("_averylongportname._tcp.sd.internal.", Type::PTR),
            nxdomain(SOA),
        ),
        case(
            "n.long",
            "RFC 6763 §4.1.1: a label of 63 octets",
            qe("_raw._tcp.sd.internal.", Type::PTR),
            answer(&[])
                .answers(like(
                    1,
                    "_raw._tcp.sd.internal. 7 PTR iiii",
                    "._raw._tcp.sd.internal.",
                ))
                .additionals(like(3, "iiii", "")),
        ),
    ]
}
