//! DNAME and the aliases that it makes (RFC 6672).

use crate::support::dns::{Type, rcode};

use super::case::{Case, answer, case, full, nodata, one_of, qe};
use super::records::SOA;
use super::zone_file::label;

fn long_target() -> String {
    format!("{}.{}.{}.%", label('x', 63), label('y', 63), label('z', 50))
}

/// A DNAME whose target leaves no room for much before it.
pub(super) fn too_long() -> String {
    format!("tolong DNAME {}\n", full(&long_target()))
}

pub(super) fn cases() -> Vec<Case> {
    dnames()
}

fn dnames() -> Vec<Case> {
    let dname = |name, rtype, wanted| case("static.dname", "RFC 6672 §3.2", qe(name, rtype), wanted);
    let old = "old.% 3600 DNAME new.%";
    let too_long = full(&format!("tolong.% 3600 DNAME {}", long_target()));
    let asked = format!("{}.{}.tolong.%", label('a', 63), label('b', 63));
    vec![
        dname(
            "x.old.%",
            Type::A,
            answer(&[old, "x.old.% 3600 CNAME x.new.%", "x.new.% 3600 A 192.0.2.121"]),
        ),
        dname(
            "X.oLd.%",
            Type::A,
            // Whether the substituted name keeps its case is left open.
            answer(&[]).answers(one_of(&[
                &[
                    "X.oLd.% 3600 CNAME x.new.%",
                    "oLd.% 3600 DNAME new.%",
                    "x.new.% 3600 A 192.0.2.121",
                ],
                &[
                    "X.oLd.% 3600 CNAME X.new.%",
                    "X.new.% 3600 A 192.0.2.121",
                    "oLd.% 3600 DNAME new.%",
                ],
            ])),
        ),
        // "Go back to step 1" says the algorithm for this type too: NODATA of `x.new`, with its SOA or without.
        dname(
            "x.old.%",
            Type::CNAME,
            answer(&[old, "x.old.% 3600 CNAME x.new.%"]).authorities(one_of(&[&[], &[SOA]])),
        ),
        dname(
            "x.old.%",
            Type::MX,
            answer(&[old, "x.old.% 3600 CNAME x.new.%"]).authority(&[SOA]),
        ),
        dname("y.old.%", Type::A, {
            answer(&[old, "y.old.% 3600 CNAME y.new.%"])
                .authority(&[SOA])
                .rcode(rcode::NXDOMAIN)
        }),
        dname("old.%", Type::DNAME, answer(&[old])),
        dname(
            "under.old.%",
            Type::A,
            answer(&[old, "under.old.% 3600 CNAME under.new.%"])
                .authority(&[SOA])
                .rcode(rcode::NXDOMAIN),
        ),
        // The owner itself is not redirected.
        dname("old.%", Type::A, nodata(SOA)),
        dname("new.%", Type::A, nodata(SOA)),
        dname("a.b.outd.%", Type::A, {
            answer(&[
                "outd.% 3600 DNAME example.net.",
                "a.b.outd.% 3600 CNAME a.b.example.net.",
            ])
        }),
        dname("web-1.tosvc.%", Type::A, {
            answer(&[
                "tosvc.% 3600 DNAME web.%",
                "web-1.tosvc.% 3600 CNAME web-1.web.%",
                "web-1.web.% 5 A 192.0.2.11",
            ])
        }),
        case("static.dname", "RFC 6672 §2.2: YXDOMAIN", qe(&asked, Type::A), {
            answer(&[&too_long]).rcode(rcode::YXDOMAIN)
        }),
    ]
}
