//! Wildcards: the examples of RFC 4592 §2.2.1 in a zone of ours, and what services change about them.

use crate::support::dns::Type;

use super::case::{Case, answer, case, nodata, nxdomain, one_of, q, qe, referral};

/// `wild.example.org`.
pub(super) const FILE: &str = r#"
$TTL 3600
@       SOA  ns.example.net. hostmaster.example.net. 1 3600 900 604800 60
        NS   ns.example.net.
        NS   ns2.example.net.
*       TXT  "this is a wildcard"
*       MX   10 host1
sub.*   TXT  "this is not a wildcard"
host1   A    192.0.2.1
_ssh._tcp.host1 SRV 0 0 22 host1
_ssh._tcp.host2 SRV 0 0 22 host1
subdel  NS   ns.example.net.
        NS   ns2.example.net.
*.alias CNAME host1
*.toweb CNAME web
*.a.ent A    192.0.2.2
*.loop  CNAME x.loop
"#;

const SOA: &str = "wild.% 60 SOA ns.example.net. hostmaster.example.net. * 3600 900 604800 60";
const HOST1: &str = "host1.wild.% 3600 A 192.0.2.1";

pub(super) fn cases() -> Vec<Case> {
    [synthesized(), not_synthesized(), beside_services()].concat()
}

fn synthesized() -> Vec<Case> {
    let from = |name, rtype, wanted| {
        case(
            "static.wildcard",
            "RFC 4592 §2.2.1, 3.3.1",
            qe(name, rtype),
            wanted,
        )
    };
    let text = |owner: &str| format!(r#"{owner} 3600 TXT "this is a wildcard""#);
    vec![
        from(
            "host3.wild.%",
            Type::MX,
            answer(&["host3.wild.% 3600 MX 10 host1.wild.%"]).additional(&[HOST1]),
        ),
        from("host3.wild.%", Type::A, nodata(SOA)),
        from("foo.bar.wild.%", Type::TXT, answer(&[&text("foo.bar.wild.%")])),
        from("FOO.bar.Wild.%", Type::TXT, answer(&[&text("FOO.bar.Wild.%")])),
        from(r"\000.wild.%", Type::TXT, answer(&[&text(r"\000.wild.%")])),
        from(
            "a.b.c.d.e.f.g.wild.%",
            Type::TXT,
            answer(&[&text("a.b.c.d.e.f.g.wild.%")]),
        ),
        from("*.foo.wild.%", Type::TXT, answer(&[&text("*.foo.wild.%")])),
        from(
            "a.loop.wild.%",
            Type::A,
            answer(&[
                "a.loop.wild.% 3600 CNAME x.loop.wild.%",
                "x.loop.wild.% 3600 CNAME x.loop.wild.%",
            ]),
        ),
        case(
            "static.end",
            "RFC 2308 §2.2",
            qe("x.alias.wild.%", Type::MX),
            answer(&["x.alias.wild.% 3600 CNAME host1.wild.%"]).authority(&[SOA]),
        ),
        // Asked for itself it is a name like any other (§2.3).
        from("*.wild.%", Type::TXT, answer(&[&text("*.wild.%")])),
        from("*.wild.%", Type::A, nodata(SOA)),
        case(
            "static.wildcard",
            "RFC 8482 §4.1",
            q("host3.wild.%", Type::ANY),
            answer(&[])
                .answers(one_of(&[
                    &["host3.wild.% 3600 MX 10 host1.wild.%"],
                    &[&text("host3.wild.%")],
                ]))
                .additionals(one_of(&[&[], &[HOST1]])),
        ),
        case(
            "static.wildcard",
            "RFC 4592 §4.4",
            qe("x.alias.wild.%", Type::A),
            answer(&["x.alias.wild.% 3600 CNAME host1.wild.%", HOST1]),
        ),
        case(
            "static.wildcard",
            "RFC 4592 §4.4",
            qe("x.toweb.wild.%", Type::A),
            answer(&[
                "x.toweb.wild.% 3600 CNAME web.wild.%",
                "web.wild.% 5 A 192.0.2.81",
            ]),
        ),
        from(
            "x.a.ent.wild.%",
            Type::A,
            answer(&["x.a.ent.wild.% 3600 A 192.0.2.2"]),
        ),
    ]
}

fn not_synthesized() -> Vec<Case> {
    let blocked = |name, rtype, wanted| {
        case(
            "static.blocked",
            "RFC 4592 §2.2.1, 2.2.2",
            qe(name, rtype),
            wanted,
        )
    };
    let servers = [
        "subdel.wild.% 3600 NS ns.example.net.",
        "subdel.wild.% 3600 NS ns2.example.net.",
    ];
    vec![
        blocked("host1.wild.%", Type::MX, nodata(SOA)),
        blocked("sub.*.wild.%", Type::MX, nodata(SOA)),
        blocked(
            "sub.*.wild.%",
            Type::TXT,
            answer(&[r#"sub.*.wild.% 3600 TXT "this is not a wildcard""#]),
        ),
        blocked("_telnet._tcp.host1.wild.%", Type::SRV, nxdomain(SOA)),
        blocked("_tcp.host1.wild.%", Type::TXT, nodata(SOA)),
        blocked("host.subdel.wild.%", Type::A, referral(&servers, &[])),
        blocked("ghost.*.wild.%", Type::MX, nxdomain(SOA)),
        // An empty non-terminal is there, and so nothing is made below it from further up.
        blocked("host2.wild.%", Type::TXT, nodata(SOA)),
        blocked("x.host2.wild.%", Type::TXT, nxdomain(SOA)),
        blocked("x.host1.wild.%", Type::TXT, nxdomain(SOA)),
        blocked("ent.wild.%", Type::TXT, nodata(SOA)),
        blocked("a.ent.wild.%", Type::TXT, nodata(SOA)),
        blocked("x.ent.wild.%", Type::A, nxdomain(SOA)),
        blocked("alias.wild.%", Type::A, nodata(SOA)),
        blocked("wild.%", Type::TXT, nodata(SOA)),
        case(
            "a.negative-ttl",
            "RFC 2308 §5",
            q("x.ent.wild.%", Type::A),
            nxdomain(SOA),
        ),
    ]
}

fn beside_services() -> Vec<Case> {
    let blocked = |name, rtype, wanted| {
        case(
            "static.blocked",
            "names of services that are known block",
            qe(name, rtype),
            wanted,
        )
    };
    vec![
        blocked("web.wild.%", Type::A, answer(&["web.wild.% 5 A 192.0.2.81"])),
        blocked("web.wild.%", Type::TXT, nodata(SOA)),
        blocked("web.wild.%", Type::MX, nodata(SOA)),
        blocked("w.web.wild.%", Type::MX, nodata(SOA)),
        blocked("x.web.wild.%", Type::TXT, nxdomain(SOA)),
        blocked("x.w.web.wild.%", Type::TXT, nxdomain(SOA)),
        case(
            "static.wildcard",
            "RFC 4592 §3.3.1",
            qe("webx.wild.%", Type::TXT),
            answer(&[r#"webx.wild.% 3600 TXT "this is a wildcard""#]),
        ),
    ]
}
