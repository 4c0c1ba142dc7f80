//! Records of a zone file as they are written: types, strings, octets, sizes, additional records, and services beside
//! them; and files that are refused. Groups a, c, f, m, p and static.

use std::fs;

use crate::support::dns::{Type, rcode};
use crate::support::program::{Folder, Launch};

use super::case::{Case, answer, case, full, like, nodata, nxdomain, one_of, q, qe, raw, referral, told};

/// The SOA of negative answers of `example.org`: MINIMUM is less than its TTL.
pub(super) const SOA: &str = "% 300 SOA ns1.% hostmaster.% * 3600 900 604800 300";

/// A zone that says nothing of itself.
pub(super) const BARE: &str = "\
$TTL 60
host A 192.0.2.91
";
const ADDRESS_TWICE: &str = "the addresses of one target come once for each record that names it";
const SOA_BARE: &str = "bare.internal. 1 SOA ns.bare.internal. hostmaster.bare.internal. * 60 15 604800 1";

/// RFC 2317: a /26 that the owner of the /24 hands on.
pub(super) const REVERSE: &str = "\
$TTL 60
@ SOA ns.example.net. hostmaster.example.net. 1 3600 900 604800 60
@ NS ns.example.net.
0-26 NS ns.example.net.
1 CNAME 1.0-26
2 CNAME 2.0-26
";

/// That /26.
pub(super) const REVERSE_26: &str = "\
$TTL 60
@ SOA ns.example.net. hostmaster.example.net. 1 3600 900 604800 60
@ NS ns.example.net.
1 PTR mail.example.org.
";
const SOA_26: &str =
    "0-26.2.0.192.in-addr.arpa. 60 SOA ns.example.net. hostmaster.example.net. * 3600 900 604800 60";

/// A zone whose SOA needs more than 512 octets.
pub(super) fn long_soa() -> String {
    // Nothing but `example.net` is common to the two, so that pointers save little.
    let name = |letter| {
        let labels = [63, 63, 63, 40].map(|octets| label(letter, octets));
        format!("{}.example.net.", labels.join("."))
    };
    let (primary, mailbox) = (name('m'), name('r'));
    format!("$TTL 60\n@ SOA {primary} {mailbox} 1 2 3 4 60\n@ NS ns.example.net.\n")
}

/// The rules that [`wrong_files`] holds.
pub(super) const FILE_RULES: [&str; 2] = ["static.wrong", "static.include"];

const HEAD: &str = r#"
$ORIGIN example.org.
$TTL 3600
@  7200 IN SOA ns1 hostmaster (
           2026010101 ; serial
           3600       ; refresh
           900 604800 ; retry, expire
           300 )      ; minimum
        NS    ns1
        NS    ns.example.net.
        MX    10 mail
        MX    20 mail.example.net.
        TXT   "v=spf1 -all" "second string"
        CAA   0 issue "ca.example.net"
ns1     A     192.0.2.53
        AAAA  2001:db8::53
mail 600 A    192.0.2.25
     600 AAAA 2001:db8::25
txt     TXT   "one" "two three" "" "semi;colon" "q\"uote" "\000\255"
        TXT   bare
u1      TYPE65280 \# 4 c0000201
u2      TYPE65281 \# 0
u3      A     \# 4 C0000237
u4      CLASS1 TYPE1 \# 4 ( c000 0238 )
a\.b    A     192.0.2.101
sp\032ace A   192.0.2.102
bin\000\255 A 192.0.2.103
\@at    A     192.0.2.104
\065scii A    192.0.2.105
UPPER   A     192.0.2.106
deep.a.b.ent A 192.0.2.107
_sip._udp SRV 10 20 5060 mail
        SRV   20 0 5060 sip.example.net.
_none._tcp SRV 0 0 0 .
shop    A     192.0.2.90
        HTTPS 1 . port=8443 alpn=h2 ipv4hint=192.0.2.90
shopalias HTTPS 0 shop
_8443._https.api SVCB 1 mail alpn=h2 mandatory=alpn
nap     NAPTR 100 10 "u" "sip+E2U" "!^.*$!sip:info@example.org!" .
_443._tcp.tls TLSA 3 1 1 ( 000102030405060708090a0b0c0d0e0f
                           101112131415161718191a1b1c1d1e1f )
key     SSHFP 4 2 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f
person  RP    admin.example.org. txt.example.org.
info    HINFO "CPU" "OS"
signed  RRSIG A 13 3 3600 20300101000000 20200101000000 12345 example.org. AAAA
mxalias MX    10 plain
mxweb   MX    10 web
mxdown  MX    10 down
mxnull  MX    0 .
mxsub   MX    10 ns1.sub
_host._udp SRV 0 0 9 web-1.web
mxtwice MX    10 mail
        MX    20 mail
_two._udp SRV 0 0 1 mail
        SRV   0 0 2 mail
bindtwice HTTPS 1 mail alpn=h2
        HTTPS 2 mail alpn=h3
nobind  HTTPS 0 .
ttl0    0          A 192.0.2.111
ttlmax  2147483647 A 192.0.2.112
mixed   10 A 192.0.2.113
        20 A 192.0.2.114
same    A 192.0.2.115
        A 192.0.2.115
CaSe    A 192.0.2.116
cAsE    A 192.0.2.117
outside.example.com. A 192.0.2.118
hidden.sub TXT "hidden by a delegation"
; Beside services.
web     MX    10 mail
        TXT   "static"
_acme-challenge.web TXT "token"
"#;

fn label(letter: char, octets: usize) -> String {
    letter.to_string().repeat(octets)
}

/// A name of 255 octets: 242 of labels before the 13 of `example.org`.
fn longest() -> String {
    format!(
        "{}.{}.{}.{}",
        label('p', 63),
        label('q', 63),
        label('r', 63),
        label('s', 49)
    )
}

/// TXT records of so many octets, their numbers in front.
fn texts(count: usize, octets: usize) -> Vec<String> {
    (0..count)
        .map(|n| format!("{n:03}{}", "x".repeat(octets - 3)))
        .collect()
}

/// The zone file.
pub(super) fn example_org() -> String {
    let mut text = [HEAD, super::aliases::FILE, super::delegations::FILE].concat();
    text.push_str(&super::aliases::too_long());
    text.push_str(&super::delegations::wide());
    text.push_str(&super::delegations::far());
    text.push_str(&format!(
        "{} A 192.0.2.108\n{} A 192.0.2.109\n",
        longest(),
        label('t', 63)
    ));
    for (name, count, octets) in [("big", 10, 60), ("bigger", 30, 100), ("vast", 300, 250)] {
        for string in texts(count, octets) {
            text.push_str(&format!("{name} TXT \"{string}\"\n"));
        }
    }
    text
}

pub(super) fn cases() -> Vec<Case> {
    [
        apexes(),
        strings(),
        octets(),
        additionals(),
        types(),
        sizes(),
        odd_files(),
        classless(),
        long_soas(),
        beside(),
        any(),
    ]
    .concat()
}

const MAIL: [&str; 2] = ["mail.% 600 A 192.0.2.25", "mail.% 600 AAAA 2001:db8::25"];
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
        )
        .known_breach(ADDRESS_TWICE),
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
        )
        .known_breach(ADDRESS_TWICE),
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
        )
        .known_breach(ADDRESS_TWICE),
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

/// Files that must not be served: the program ends with 2 and names file and line, each of them.
pub(super) fn wrong_files() {
    let files: [(&str, &str, &[usize]); 13] = [
        ("an include", "$INCLUDE other.zone\n", &[1]),
        (
            "an include of a file that any may read",
            "$TTL 5\n$INCLUDE /etc/passwd\n",
            &[2],
        ),
        ("an address that is none", "$TTL 5\na A 192.0.2.256\n", &[2]),
        ("a type that is none", "$TTL 5\na AAAAA 2001:db8::1\n", &[2]),
        ("a directive that is none", "$TTL 5\n$NOTHING 1\n", &[2]),
        (
            "a label of 64 octets",
            "$TTL 5\naaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa A 192.0.2.1\n",
            &[2],
        ),
        ("no TTL", "a A 192.0.2.1\n", &[1]),
        ("a TTL beyond 2^31-1", "a 2147483648 A 192.0.2.1\n", &[1]),
        ("another class", "$TTL 5\na CH TXT \"x\"\n", &[2]),
        ("two CNAMEs", "$TTL 5\na CNAME b\na CNAME c\n", &[3]),
        ("an SOA below the apex", "$TTL 5\na SOA b c 1 2 3 4 5\n", &[2]),
        (
            "data that are too short",
            "$TTL 5\na TYPE65280 \\# 4 c000\n",
            &[2],
        ),
        (
            "two faults",
            "$TTL 5\na A 192.0.2.256\nb A 192.0.2.1\nc AAAA fish\n",
            &[2, 4],
        ),
    ];
    for (what, text, lines) in files {
        let folder = Folder::new();
        fs::write(folder.path().join("example.org.zone"), text).expect("write a zone file");
        let finished = Launch::new()
            .argument("--zones")
            .argument(folder.path().display().to_string())
            .start_and_fail();
        assert_eq!(finished.code, Some(2), "{what}: {}", finished.stderr);
        for line in lines {
            let place = format!("example.org.zone:{line}:");
            assert!(
                finished.stderr.contains(&place),
                "{what}: no {place} in {}",
                finished.stderr
            );
        }
    }
}
