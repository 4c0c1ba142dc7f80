//! Aliases of a zone file: CNAME chains through services and zones, and their bounds. Groups b and static.

use crate::support::dns::{Type, rcode};

use super::case::{Case, answer, case, full, like_any, nxdomain, one_of, q, qe};
use super::records::SOA;

/// The part of `example.org` that is about aliases.
pub(super) const FILE: &str = "
www        CNAME web
tagged     CNAME v2.web
host-alias CNAME web-1.web
todown     CNAME down
togone     CNAME gone
plain      CNAME mail
c1         CNAME c2
c2         CNAME c3
c3         CNAME c4
c4         CNAME c5
c5         CNAME c6
c6         CNAME c7
c7         CNAME c8
c8         CNAME c9
c9         A     192.0.2.110
l1         CNAME l2
l2         CNAME l3
l3         CNAME l4
l4         CNAME l5
l5         CNAME l6
l6         CNAME l7
l7         CNAME l8
l8         CNAME l9
l9         CNAME l10
l10        CNAME l11
l11        A     192.0.2.111
loop1      CNAME loop2
loop2      CNAME loop1
self       CNAME self
tonone     CNAME nothing
toent      CNAME b.ent
tout       CNAME www.example.net.
tobare     CNAME host.bare.internal.
tobarenone CNAME nothing.bare.internal.
towild     CNAME host3.wild
todel      CNAME x.sub
tochild    CNAME www.child
old        DNAME new
x.new      A     192.0.2.121
outd       DNAME example.net.
tosvc      DNAME web
d1         DNAME d2
d2         DNAME d1
; Through one DNAME twice, and one that leads below itself.
z.new      CNAME x.old
grow       DNAME a.grow
tobig      CNAME big
tosrv      CNAME _http._tcp.web
tods       CNAME child
; Beside other data the CNAME answers; below a DNAME nothing does.
both       CNAME mail
both       TXT   \"left out\"
under.old  A     192.0.2.122
";

const SOA_BARE: &str = "bare.internal. 1 SOA ns.bare.internal. hostmaster.bare.internal. * 60 15 604800 1";

pub(super) fn cases() -> Vec<Case> {
    [chains(), ends(), bounds()].concat()
}

/// The links `prefix1` to `prefix<last + 1>`.
fn links(prefix: &str, last: usize) -> Vec<String> {
    (1..=last)
        .map(|n| format!("{prefix}{n}.% 3600 CNAME {prefix}{}.%", n + 1))
        .collect()
}

fn all(records: &[String]) -> Vec<&str> {
    records.iter().map(String::as_str).collect()
}

fn chains() -> Vec<Case> {
    let chain = |name, rtype, records: &[&str]| {
        case(
            "static.cname",
            "RFC 1034 §4.3.2 step 3a",
            qe(name, rtype),
            answer(records),
        )
    };
    let www = "www.% 3600 CNAME web.%";
    vec![
        chain("www.%", Type::A, &[www, "web.% 5 A 192.0.2.11"]),
        chain("www.%", Type::AAAA, &[www, "web.% 5 AAAA 2001:db8::11"]),
        case(
            "static.cname",
            "RFC 1034 §4.3.2 step 3a",
            qe("www.%", Type::SRV),
            answer(&[www, "web.% 5 SRV 0 1 8080 web-1.web.%"])
                .additional(&["web-1.web.% 5 A 192.0.2.11", "web-1.web.% 5 AAAA 2001:db8::11"]),
        ),
        chain("www.%", Type::TXT, &[www, r#"web.% 3600 TXT "static""#]),
        chain(
            "tagged.%",
            Type::A,
            &["tagged.% 3600 CNAME v2.web.%", "v2.web.% 5 A 192.0.2.11"],
        ),
        chain(
            "host-alias.%",
            Type::A,
            &[
                "host-alias.% 3600 CNAME web-1.web.%",
                "web-1.web.% 5 A 192.0.2.11",
            ],
        ),
        chain(
            "plain.%",
            Type::A,
            &["plain.% 3600 CNAME mail.%", "mail.% 600 A 192.0.2.25"],
        ),
        chain(
            "tobare.%",
            Type::A,
            &[
                "tobare.% 3600 CNAME host.bare.internal.",
                "host.bare.internal. 60 A 192.0.2.91",
            ],
        ),
        chain(
            "tochild.%",
            Type::A,
            &[
                "tochild.% 3600 CNAME www.child.%",
                "www.child.% 300 A 192.0.2.131",
            ],
        ),
        chain(
            "towild.%",
            Type::TXT,
            &[
                "towild.% 3600 CNAME host3.wild.%",
                r#"host3.wild.% 3600 TXT "this is a wildcard""#,
            ],
        ),
        case(
            "static.cname",
            "RFC 2782",
            qe("tosrv.%", Type::SRV),
            answer(&[
                "tosrv.% 3600 CNAME _http._tcp.web.%",
                "_http._tcp.web.% 5 SRV 0 1 8080 web-1.web.%",
            ])
            .additional(&["web-1.web.% 5 A 192.0.2.11", "web-1.web.% 5 AAAA 2001:db8::11"]),
        ),
        // What does not fit behind an alias is cut like any other.
        case(
            "f.tc",
            "RFC 2181 §9",
            q("tobig.%", Type::TXT),
            answer(&[])
                .answers(like_any(7, &["tobig.% 3600 CNAME big.%", "big.% 3600 TXT"]))
                .tc(),
        )
        .udp(),
        case(
            "g.same",
            "RFC 7766 §5",
            q("tobig.%", Type::TXT),
            answer(&[]).answers(like_any(11, &["tobig.% 3600 CNAME big.%", "big.% 3600 TXT"])),
        )
        .tcp(),
        // Outside our zones the chain just ends.
        chain("tout.%", Type::A, &["tout.% 3600 CNAME www.example.net."]),
        // The alias itself.
        case(
            "b.alone",
            "RFC 1034 §3.6.2",
            q("www.%", Type::CNAME),
            answer(&[www]),
        ),
        case("b.alone", "RFC 8482 §4.1", q("www.%", Type::ANY), answer(&[www])),
        case(
            "b.alone",
            "RFC 2181 §10.1",
            qe("both.%", Type::TXT),
            answer(&["both.% 3600 CNAME mail.%"]).authority(&[SOA]),
        ),
        case(
            "b.alone",
            "RFC 2181 §10.1",
            q("both.%", Type::A),
            answer(&["both.% 3600 CNAME mail.%", "mail.% 600 A 192.0.2.25"]),
        ),
        case("b.chase", "RFC 1034 §4.3.2", q("PLAIN.%", Type::AAAA), {
            answer(&["PLAIN.% 3600 CNAME mail.%", "mail.% 600 AAAA 2001:db8::25"])
        }),
        case(
            "b.chase",
            "RFC 1034 §4.3.2: below an alias is nothing",
            q("x.www.%", Type::A),
            nxdomain(SOA),
        ),
    ]
}

/// What the last name says: rcode and SOA.
fn ends() -> Vec<Case> {
    let end = |source, name, rtype, alias: &str, soa: &str, code| {
        let wanted = answer(&[alias]).authority(&[soa]).rcode(code);
        case("static.end", source, q(name, rtype), wanted)
    };
    let (nd, nx) = (rcode::NOERROR, rcode::NXDOMAIN);
    vec![
        end(
            "RFC 6604 §3",
            "tonone.%",
            Type::A,
            "tonone.% 3600 CNAME nothing.%",
            SOA,
            nx,
        ),
        end(
            "RFC 2308 §2.2",
            "plain.%",
            Type::MX,
            "plain.% 3600 CNAME mail.%",
            SOA,
            nd,
        ),
        end(
            "RFC 2308 §2.2",
            "toent.%",
            Type::A,
            "toent.% 3600 CNAME b.ent.%",
            SOA,
            nd,
        ),
        end(
            "a service that is down",
            "todown.%",
            Type::A,
            "todown.% 3600 CNAME down.%",
            SOA,
            nd,
        ),
        end(
            "on_empty: nxdomain",
            "togone.%",
            Type::A,
            "togone.% 3600 CNAME gone.%",
            SOA,
            nx,
        ),
        end(
            "the SOA of its zone",
            "tobarenone.%",
            Type::A,
            "tobarenone.% 3600 CNAME nothing.bare.internal.",
            SOA_BARE,
            nx,
        ),
        end(
            "the SOA of its zone",
            "tobare.%",
            Type::AAAA,
            "tobare.% 3600 CNAME host.bare.internal.",
            SOA_BARE,
            nd,
        ),
        // RFC 1034 §4.3.2: a referral at the end; AA is of the first name.
        case("static.end", "RFC 1034 §4.3.2 step 3b", qe("todel.%", Type::A), {
            answer(&["todel.% 3600 CNAME x.sub.%"])
                .authority(&["sub.% 3600 NS ns1.sub.%", "sub.% 3600 NS ns.example.net."])
                .additional(&["ns1.sub.% 3600 A 192.0.2.61", "ns1.sub.% 3600 AAAA 2001:db8::61"])
        }),
    ]
}

/// The aliases that `grow` makes of `x.grow`, which `count` steps follow.
fn grown(count: usize) -> Vec<String> {
    let below = |n: usize| format!("x.{}grow.%", "a.".repeat(n));
    let mut records: Vec<String> = (0..count)
        .map(|n| full(&format!("{} 3600 CNAME {}", below(n), below(n + 1))))
        .collect();
    records.push(full("grow.% 3600 DNAME a.grow.%"));
    records
}

fn bounds() -> Vec<Case> {
    let mut eight = links("c", 8);
    eight.push("c9.% 3600 A 192.0.2.110".to_string());
    let cut = links("l", 9);
    let bound = |name, wanted| {
        case(
            "static.bound",
            "RFC 1034 §3.6.2, 5.2.2",
            qe(name, Type::A),
            wanted,
        )
    };
    vec![
        bound("c1.%", answer(&all(&eight))),
        bound("c2.%", answer(&all(&eight[1..]))),
        // 8 steps; whether the alias that the last of them found is shown is left open.
        bound(
            "l1.%",
            answer(&[]).answers(one_of(&[&all(&cut[..8]), &all(&cut)])),
        ),
        bound(
            "loop1.%",
            answer(&["loop1.% 3600 CNAME loop2.%", "loop2.% 3600 CNAME loop1.%"]),
        ),
        bound("self.%", answer(&["self.% 3600 CNAME self.%"])),
        case(
            "b.once",
            "RFC 2181 §5: a DNAME that is passed twice",
            qe("z.old.%", Type::A),
            answer(&[
                "old.% 3600 DNAME new.%",
                "z.old.% 3600 CNAME z.new.%",
                "z.new.% 3600 CNAME x.old.%",
                "x.old.% 3600 CNAME x.new.%",
                "x.new.% 3600 A 192.0.2.121",
            ]),
        ),
        case(
            "b.once",
            "RFC 2181 §5: a DNAME that leads below itself",
            qe("x.grow.%", Type::A),
            answer(&[]).answers(one_of(&[&all(&grown(8)), &all(&grown(9))])),
        ),
        case("static.bound", "RFC 6672 §5.3.3", qe("a.d1.%", Type::A), {
            answer(&[
                "d1.% 3600 DNAME d2.%",
                "a.d1.% 3600 CNAME a.d2.%",
                "d2.% 3600 DNAME d1.%",
                "a.d2.% 3600 CNAME a.d1.%",
            ])
        }),
    ]
}
