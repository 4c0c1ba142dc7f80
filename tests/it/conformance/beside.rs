//! What static records bring along: additional records, services beside them, reverse names, ANY, long SOAs. Groups f,
//! m and static.

use crate::support::dns::{Type, rcode};

use super::case::{Case, answer, case, like, nodata, nxdomain, one_of, q, qe, raw};
use super::records::{MAIL, SOA};

const SOA_26: &str =
    "0-26.2.0.192.in-addr.arpa. 60 SOA ns.example.net. hostmaster.example.net. * 3600 900 604800 60";

pub(super) fn cases() -> Vec<Case> {
    [additionals(), classless(), long_soas(), beside(), any()].concat()
}

fn additionals() -> Vec<Case> {
    let add = |rule, source, name, rtype, records: &[&str], additional: &[&str]| {
        case(
            rule,
            source,
            qe(name, rtype),
            answer(records).additional(additional),
        )
    };
    // Keys in ascending order, whatever the file's: alpn (1), port (3), ipv4hint (4).
    let https = raw(
        "shop.% 3600 HTTPS",
        b"\0\x01\0\0\x01\0\x03\x02h2\0\x03\0\x02\x20\xfb\0\x04\0\x04\xc0\0\x02\x5a",
    );
    let alias = raw("shopalias.% 3600 HTTPS", b"\0\0\x04shop\x07example\x03org\0");
    // mandatory (0) names alpn (1).
    let svcb = raw(
        "_8443._https.api.% 3600 SVCB",
        b"\0\x01\x04mail\x07example\x03org\0\0\0\0\x02\0\x01\0\x01\0\x03\x02h2",
    );
    let shop = "shop.% 3600 A 192.0.2.90";
    vec![
        add(
            "static.additional",
            "RFC 1035 §3.3.9",
            "%",
            Type::MX,
            &["% 3600 MX 10 mail.%", "% 3600 MX 20 mail.example.net."],
            &MAIL,
        ),
        add(
            "static.additional",
            "RFC 2782",
            "_sip._udp.%",
            Type::SRV,
            &[
                "_sip._udp.% 3600 SRV 10 20 5060 mail.%",
                "_sip._udp.% 3600 SRV 20 0 5060 sip.example.net.",
            ],
            &MAIL,
        ),
        add(
            "static.additional",
            "RFC 2782: a target of `.`",
            "_none._tcp.%",
            Type::SRV,
            &["_none._tcp.% 3600 SRV 0 0 0 ."],
            &[],
        ),
        add(
            "b.once",
            "RFC 2181 §5: two records of one target",
            "mxtwice.%",
            Type::MX,
            &["mxtwice.% 3600 MX 10 mail.%", "mxtwice.% 3600 MX 20 mail.%"],
            &MAIL,
        ),
        add(
            "b.once",
            "RFC 2181 §5: two records of one target",
            "_two._udp.%",
            Type::SRV,
            &[
                "_two._udp.% 3600 SRV 0 0 1 mail.%",
                "_two._udp.% 3600 SRV 0 0 2 mail.%",
            ],
            &MAIL,
        ),
        add(
            "b.once",
            "RFC 2181 §5: two records of one target",
            "bindtwice.%",
            Type::HTTPS,
            &[
                &raw(
                    "bindtwice.% 3600 HTTPS",
                    b"\0\x01\x04mail\x07example\x03org\0\0\x01\0\x03\x02h2",
                ),
                &raw(
                    "bindtwice.% 3600 HTTPS",
                    b"\0\x02\x04mail\x07example\x03org\0\0\x01\0\x03\x02h3",
                ),
            ],
            &MAIL,
        ),
        add(
            "m.additional",
            "RFC 9460 §2.5.1: an alias to `.` is none",
            "nobind.%",
            Type::HTTPS,
            &[&raw("nobind.% 3600 HTTPS", b"\0\0\0")],
            &[],
        ),
        add(
            "static.additional",
            "RFC 2181 §10.3: an alias is no target, and brings nothing",
            "mxalias.%",
            Type::MX,
            &["mxalias.% 3600 MX 10 plain.%"],
            &[],
        ),
        add(
            "static.additional",
            "a service as a target",
            "mxweb.%",
            Type::MX,
            &["mxweb.% 3600 MX 10 web.%"],
            &["web.% 5 A 192.0.2.11", "web.% 5 AAAA 2001:db8::11"],
        ),
        add(
            "static.additional",
            "a service that is down as a target",
            "mxdown.%",
            Type::MX,
            &["mxdown.% 3600 MX 10 down.%"],
            &[],
        ),
        add(
            "static.additional",
            "RFC 2181 §5.4.1: no mail here",
            "mxnull.%",
            Type::MX,
            &["mxnull.% 3600 MX 0 ."],
            &[],
        ),
        // What lies below a cut is the child's: its glue may come, and need not.
        case(
            "static.additional",
            "RFC 1034 §4.2.1",
            qe("mxsub.%", Type::MX),
            answer(&["mxsub.% 3600 MX 10 ns1.sub.%"]).additionals(one_of(&[
                &[],
                &["ns1.sub.% 3600 A 192.0.2.61", "ns1.sub.% 3600 AAAA 2001:db8::61"],
            ])),
        ),
        add(
            "static.additional",
            "RFC 2782: a host name of a service",
            "_host._udp.%",
            Type::SRV,
            &["_host._udp.% 3600 SRV 0 0 9 web-1.web.%"],
            &["web-1.web.% 5 A 192.0.2.11", "web-1.web.% 5 AAAA 2001:db8::11"],
        ),
        add(
            "m.served",
            "RFC 9460 §2.2",
            "shop.%",
            Type::HTTPS,
            &[&https],
            &[shop],
        ),
        add(
            "m.additional",
            "RFC 9460 §4.1: a target of `.` is the owner",
            "shop.%",
            Type::HTTPS,
            &[&https],
            &[shop],
        ),
        add(
            "m.additional",
            "RFC 9460 §4.1: an alias brings its target's HTTPS too",
            "shopalias.%",
            Type::HTTPS,
            &[&alias],
            &[&https, shop],
        ),
        add(
            "m.served",
            "RFC 9460 §2.2, 8",
            "_8443._https.api.%",
            Type::SVCB,
            &[&svcb],
            &MAIL,
        ),
        case(
            "m.nodata",
            "RFC 9460 §2.1",
            qe("mail.%", Type::HTTPS),
            nodata(SOA),
        ),
    ]
}

/// Reverse names that are handed on by aliases.
fn classless() -> Vec<Case> {
    let name = |n: u8| format!("{n}.2.0.192.in-addr.arpa.");
    let alias = |n: u8| format!("{0} 60 CNAME {n}.0-26.2.0.192.in-addr.arpa.", name(n));
    let ptr = "1.0-26.2.0.192.in-addr.arpa. 60 PTR mail.%";
    vec![
        case(
            "static.cname",
            "RFC 2317 §4",
            q(&name(1), Type::PTR),
            answer(&[&alias(1), ptr]),
        ),
        case(
            "static.end",
            "RFC 2317 §4",
            q(&name(2), Type::PTR),
            answer(&[&alias(2)]).authority(&[SOA_26]).rcode(rcode::NXDOMAIN),
        ),
        case(
            "static.cname",
            "RFC 2317 §4",
            q("1.0-26.2.0.192.in-addr.arpa.", Type::PTR),
            answer(&[ptr]),
        ),
    ]
}

/// An SOA that does not fit: a negative answer without it is cut, not whole.
fn long_soas() -> Vec<Case> {
    let whole = |rcode| {
        answer(&[])
            .rcode(rcode)
            .authorities(like(1, "soa.internal. 60 SOA mmm", " 2 3 4 60"))
    };
    let cut = |rcode| answer(&[]).rcode(rcode).tc();
    vec![
        case(
            "f.tc",
            "RFC 2181 §9, 2308 §3",
            q("nothing.soa.internal.", Type::A),
            cut(rcode::NXDOMAIN),
        )
        .udp(),
        case(
            "f.tc",
            "RFC 2181 §9, 2308 §3",
            q("soa.internal.", Type::MX),
            cut(rcode::NOERROR),
        )
        .udp(),
        case(
            "f.tc",
            "RFC 2181 §9",
            q("soa.internal.", Type::SOA),
            cut(rcode::NOERROR),
        )
        .udp(),
        case(
            "f.1232",
            "RFC 2308 §3",
            qe("nothing.soa.internal.", Type::A),
            whole(rcode::NXDOMAIN),
        ),
        case(
            "g.same",
            "RFC 7766 §5",
            q("nothing.soa.internal.", Type::A),
            whole(rcode::NXDOMAIN),
        )
        .tcp(),
    ]
}

/// Services beside static records, at one name and below it.
fn beside() -> Vec<Case> {
    let beside = |name, rtype, wanted| {
        case(
            "static.beside",
            "contract: static records",
            qe(name, rtype),
            wanted,
        )
    };
    vec![
        beside("web.%", Type::A, answer(&["web.% 5 A 192.0.2.11"])),
        beside("web.%", Type::AAAA, answer(&["web.% 5 AAAA 2001:db8::11"])),
        beside(
            "web.%",
            Type::MX,
            answer(&["web.% 3600 MX 10 mail.%"]).additional(&MAIL),
        ),
        beside("web.%", Type::TXT, answer(&[r#"web.% 3600 TXT "static""#])),
        beside("web.%", Type::CNAME, nodata(SOA)),
        beside(
            "_acme-challenge.web.%",
            Type::TXT,
            answer(&[r#"_acme-challenge.web.% 3600 TXT "token""#]),
        ),
        beside("_acme-challenge.web.%", Type::A, nodata(SOA)),
        beside("_http._tcp.web.%", Type::SRV, {
            answer(&["_http._tcp.web.% 5 SRV 0 1 8080 web-1.web.%"])
                .additional(&["web-1.web.% 5 A 192.0.2.11", "web-1.web.% 5 AAAA 2001:db8::11"])
        }),
        beside("down.%", Type::A, nodata(SOA)),
        beside("gone.%", Type::A, nxdomain(SOA)),
        beside("x.web.%", Type::A, nxdomain(SOA)),
    ]
}

fn any() -> Vec<Case> {
    let any = |name, sets: &[&[&str]]| {
        case(
            "static.any",
            "RFC 8482 §4.1",
            qe(name, Type::ANY),
            answer(&[]).answers(one_of(sets)),
        )
    };
    vec![
        any("%", &[&["% 7200 SOA ns1.% hostmaster.% * 3600 900 604800 300"]]),
        any("mail.%", &[&MAIL[..1], &MAIL[1..]]),
        any(
            "txt.%",
            &[&[
                r#"txt.% 3600 TXT "one" "two three" "" "semi;colon" "q\"uote" "\x00\xff""#,
                r#"txt.% 3600 TXT "bare""#,
            ]],
        ),
        any("u2.%", &[&[r"u2.% 3600 TYPE65281 \# 0 "]]),
        case(
            "static.any",
            "RFC 8482 §4.1",
            q("www.%", Type::ANY),
            answer(&["www.% 3600 CNAME web.%"]),
        ),
        case(
            "f.fits",
            "RFC 8482 §4.1: one, not all",
            q("bigger.%", Type::ANY).edns(1232),
            answer(&[]).answers(like(10, "bigger.% 3600 TXT", "")).tc(),
        )
        .udp(),
    ]
}
