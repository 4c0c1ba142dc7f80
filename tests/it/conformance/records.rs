//! Records of a zone file as they are written: the apex, strings, octets, types and sizes. Groups a, b, c, f, o, p and
//! static.

use crate::support::dns::{Type, rcode};

use super::case::{Case, answer, case, full, nodata, nxdomain, q, qe, raw, referral, told};
use super::zone_file::{label, longest, texts};

/// The SOA of negative answers of `example.org`: MINIMUM is less than its TTL.
pub(super) const SOA: &str = "% 300 SOA ns1.% hostmaster.% * 3600 900 604800 300";

const SOA_BARE: &str = "bare.internal. 1 SOA ns.bare.internal. hostmaster.bare.internal. * 60 15 604800 1";

pub(super) fn cases() -> Vec<Case> {
    [apexes(), strings(), octets(), types(), sizes(), odd_files()].concat()
}

pub(super) const MAIL: [&str; 2] = ["mail.% 600 A 192.0.2.25", "mail.% 600 AAAA 2001:db8::25"];

const NS1: [&str; 2] = ["ns1.% 3600 A 192.0.2.53", "ns1.% 3600 AAAA 2001:db8::53"];

fn apexes() -> Vec<Case> {
    let ns = ["% 3600 NS ns1.%", "% 3600 NS ns.example.net."];
    vec![
        case("static.apex", "RFC 1035 §3.3.13", q("%", Type::SOA), {
            answer(&["% 7200 SOA ns1.% hostmaster.% * 3600 900 604800 300"])
        }),
        case(
            "static.apex",
            "RFC 1035 §3.3.11",
            qe("%", Type::NS),
            answer(&ns).additional(&NS1),
        ),
        case("p.ns", "RFC 1034 §4.2.1", q("ns1.%", Type::A), answer(&NS1[..1])),
        case(
            "d.bailiwick",
            "RFC 2181 §5.4.1: nothing of ns.example.net",
            qe("%", Type::NS),
            answer(&ns).additional(&NS1),
        ),
        case("p.apex", "RFC 1034 §4.2.1", q("mail.%", Type::SOA), nodata(SOA)),
        case("p.apex", "RFC 1034 §4.2.1", q("mail.%", Type::NS), nodata(SOA)),
        case(
            "static.apex",
            "RFC 1035: no SOA in the file",
            q("bare.internal.", Type::SOA),
            answer(&["bare.internal. 5 SOA ns.bare.internal. hostmaster.bare.internal. * 60 15 604800 1"]),
        ),
        case(
            "static.apex",
            "RFC 1035: no NS in the file",
            q("bare.internal.", Type::NS),
            answer(&["bare.internal. 5 NS ns.bare.internal."])
                .additional(&["ns.bare.internal. 5 A 127.0.0.1"]),
        ),
        case(
            "static.apex",
            "RFC 2308 §4: $TTL",
            q("host.bare.internal.", Type::A),
            answer(&["host.bare.internal. 60 A 192.0.2.91"]),
        ),
        case(
            "a.negative-ttl",
            "RFC 2308 §5",
            q("nothing.bare.internal.", Type::A),
            nxdomain(SOA_BARE),
        ),
        case(
            "a.negative-ttl",
            "RFC 2308 §5: MINIMUM is less",
            q("nothing.%", Type::A),
            nxdomain(SOA),
        ),
        case("a.soa", "RFC 2308 §3", qe("mail.%", Type::MX), nodata(SOA)),
        case("static.ent", "RFC 4592 §2.2.2", q("ent.%", Type::A), nodata(SOA)),
        case(
            "static.ent",
            "RFC 4592 §2.2.2",
            q("b.ent.%", Type::A),
            nodata(SOA),
        ),
        case(
            "static.ent",
            "RFC 4592 §2.2.2",
            q("a.b.ent.%", Type::ANY),
            nodata(SOA),
        ),
        case(
            "static.ent",
            "RFC 4592 §2.2.2",
            q("_udp.%", Type::SRV),
            nodata(SOA),
        ),
        case(
            "static.ent",
            "RFC 8020 §2",
            q("x.b.ent.%", Type::A),
            nxdomain(SOA),
        ),
        case("static.ent", "RFC 8020 §2", q("x.mail.%", Type::A), nxdomain(SOA)),
        case(
            "static.ent",
            "RFC 1034 §4.3.2",
            q("deep.a.b.ent.%", Type::A),
            answer(&["deep.a.b.ent.% 3600 A 192.0.2.107"]),
        ),
        case(
            "static.transfer",
            "RFC 5936 §5",
            q("%", Type::AXFR),
            told(rcode::REFUSED),
        ),
        case("b.no-wildcard", "RFC 4592 §2", q("*.%", Type::A), nxdomain(SOA)),
    ]
}

fn strings() -> Vec<Case> {
    vec![
        case("static.txt", "RFC 1035 §3.3.14", q("%", Type::TXT), {
            answer(&[r#"% 3600 TXT "v=spf1 -all" "second string""#])
        }),
        case("static.txt", "RFC 1035 §3.3.14", q("txt.%", Type::TXT), {
            answer(&[
                r#"txt.% 3600 TXT "one" "two three" "" "semi;colon" "q\"uote" "\x00\xff""#,
                r#"txt.% 3600 TXT "bare""#,
            ])
        }),
    ]
}

fn octets() -> Vec<Case> {
    let at = |rule, name: &str, last: u8| {
        let record = full(&format!("{name} 3600 A 192.0.2.{last}"));
        case(
            rule,
            "RFC 2181 §11, 4343 §2.1",
            q(name, Type::A),
            answer(&[&record]),
        )
    };
    let longest = format!("{}.%", longest());
    let label_63 = format!("{}.%", label('t', 63));
    vec![
        at("static.octets", r"a\.b.%", 101),
        at("static.octets", r"sp\032ace.%", 102),
        at("static.octets", r"bin\000\255.%", 103),
        at("static.octets", r"\@at.%", 104),
        at("static.octets", "Ascii.%", 105),
        at("c.case", "ascii.%", 105),
        at("c.case", "upper.%", 106),
        at("c.case", "uPPer.%", 106),
        at("c.limits", &longest, 108),
        at("c.limits", &label_63, 109),
        case(
            "c.octets",
            "RFC 2181 §11: `a.b` is two labels",
            q("a.b.%", Type::A),
            nxdomain(SOA),
        ),
        case(
            "c.octets",
            "RFC 2181 §11",
            q(r"bin\000.%", Type::A),
            nxdomain(SOA),
        ),
        case(
            "c.octets",
            "RFC 2181 §11",
            q(r"bin\000\254.%", Type::A),
            nxdomain(SOA),
        ),
        case(
            "c.octets",
            "RFC 4343 §3: no letter, no case",
            q(r"bin\032\255.%", Type::A),
            nxdomain(SOA),
        ),
        case(
            "c.limits",
            "RFC 1035 §2.3.4",
            q(&longest, Type::AAAA),
            nodata(SOA),
        ),
    ]
}

fn types() -> Vec<Case> {
    let of = |name: &str, mnemonic: &str, rtype: u16, data: &[u8]| {
        let record = full(&raw(&format!("{name} 3600 {mnemonic}"), data));
        case(
            "static.unknown",
            "RFC 3597 §3, 4",
            qe(name, Type(rtype)),
            answer(&[&record]),
        )
    };
    let digest: Vec<u8> = (0..32).collect();
    let naptr = b"\0\x64\0\x0a\x01u\x07sip+E2U\x1b!^.*$!sip:info@example.org!\0";
    vec![
        of("u1.%", "TYPE65280", 65_280, &[192, 0, 2, 1]),
        of("u2.%", "TYPE65281", 65_281, b""),
        case(
            "static.unknown",
            "RFC 3597 §5",
            q("u3.%", Type::A),
            answer(&["u3.% 3600 A 192.0.2.55"]),
        ),
        case(
            "static.unknown",
            "RFC 3597 §5",
            q("u4.%", Type::A),
            answer(&["u4.% 3600 A 192.0.2.56"]),
        ),
        case(
            "static.unknown",
            "RFC 3597 §5",
            q("u1.%", Type(65_281)),
            nodata(SOA),
        ),
        of("nap.%", "TYPE35", 35, naptr),
        of(
            "_443._tcp.tls.%",
            "TYPE52",
            52,
            &[&[3, 1, 1], &digest[..]].concat(),
        ),
        of("key.%", "TYPE44", 44, &[&[4, 2], &digest[..]].concat()),
        of(
            "person.%",
            "TYPE17",
            17,
            b"\x05admin\x07example\x03org\0\x03txt\x07example\x03org\0",
        ),
        case("static.unknown", "RFC 1035 §3.3.2", q("info.%", Type::HINFO), {
            answer(&[&raw("info.% 3600 HINFO", b"\x03CPU\x02OS")])
        }),
        of("%", "CAA", 257, b"\0\x05issueca.example.net"),
        // Signatures are data like any other, and DO changes nothing.
        case(
            "p.unsigned",
            "RFC 3225 §3",
            qe("mail.%", Type::A).dnssec_ok(),
            answer(&MAIL[..1]),
        ),
        case(
            "p.unsigned",
            "RFC 3225 §3",
            qe("%", Type::DNSKEY).dnssec_ok(),
            nodata(SOA),
        ),
        case(
            "p.unsigned",
            "RFC 3225 §3",
            qe("signed.%", Type::A).dnssec_ok(),
            nodata(SOA),
        ),
    ]
}

/// RRsets that do not fit somewhere, cut at the end.
fn sizes() -> Vec<Case> {
    let some = |name: &'static str, count: usize, octets: usize, shown: usize| {
        let of = texts(count, octets);
        let of = of
            .into_iter()
            .map(move |string| format!("{name} 3600 TXT \"{string}\""));
        answer(&[]).answers(super::case::some(shown, of))
    };
    let txt = Type::TXT;
    vec![
        // 73 octets a record.
        case(
            "f.512",
            "RFC 2181 §9",
            q("big.%", txt),
            some("big.%", 10, 60, 6).tc().full_but_for(73),
        )
        .udp(),
        case(
            "f.1232",
            "RFC 6891 §6.2.5",
            q("big.%", txt).edns(1232),
            some("big.%", 10, 60, 10),
        )
        .udp(),
        case(
            "g.same",
            "RFC 7766 §5",
            q("big.%", txt),
            some("big.%", 10, 60, 10),
        )
        .tcp(),
        // 113 octets a record.
        case("f.tc", "RFC 2181 §9", q("bigger.%", txt).edns(4096), {
            some("bigger.%", 30, 100, 10).tc().full_but_for(113)
        })
        .udp(),
        case(
            "g.same",
            "RFC 7766 §5",
            q("bigger.%", txt).edns(512),
            some("bigger.%", 30, 100, 30),
        )
        .tcp(),
        // 263 octets a record: 78,900 in all.
        case(
            "g.64k",
            "RFC 7766 §8",
            q("vast.%", txt),
            some("vast.%", 300, 250, 249).full_but_for(263),
        )
        .tcp(),
        case(
            "f.512",
            "RFC 2181 §9",
            q("vast.%", txt),
            some("vast.%", 300, 250, 1).tc().full_but_for(263),
        )
        .udp(),
    ]
}

/// What a file says twice, differently, or in the wrong place.
fn odd_files() -> Vec<Case> {
    let two = |name: &str, ttl: u32, (one, other): (u8, u8)| {
        answer(&[
            &format!("{name} {ttl} A 192.0.2.{one}"),
            &format!("{name} {ttl} A 192.0.2.{other}"),
        ])
    };
    let one = |name: &str, ttl: u32, last: u8| answer(&[&format!("{name} {ttl} A 192.0.2.{last}")]);
    vec![
        case(
            "o.zero",
            "RFC 2181 §8",
            q("ttl0.%", Type::A),
            one("ttl0.%", 0, 111),
        ),
        case(
            "o.max",
            "RFC 2181 §8",
            q("ttlmax.%", Type::A),
            one("ttlmax.%", 2_147_483_647, 112),
        ),
        case(
            "b.ttl",
            "RFC 2181 §5.2",
            q("mixed.%", Type::A),
            two("mixed.%", 10, (113, 114)),
        ),
        case(
            "b.once",
            "RFC 2181 §5",
            q("same.%", Type::A),
            one("same.%", 3600, 115),
        ),
        case(
            "c.case",
            "RFC 4343 §3",
            q("case.%", Type::A),
            two("case.%", 3600, (116, 117)),
        ),
        case(
            "h.outside",
            "RFC 1035 §5.2",
            q("outside.example.com.", Type::A),
            told(rcode::REFUSED),
        ),
        case(
            "static.referral",
            "RFC 1034 §4.2.1",
            q("hidden.sub.%", Type::TXT),
            referral(
                &["sub.% 3600 NS ns1.sub.%", "sub.% 3600 NS ns.example.net."],
                &["ns1.sub.% 3600 A 192.0.2.61", "ns1.sub.% 3600 AAAA 2001:db8::61"],
            ),
        ),
    ]
}
