//! EDNS, and the options that come with it. Rules e, h, j and p.

use crate::support::dns::{Query, Section, Type, rcode};

use super::case::{Case, Ede, Reply, answer, case, nodata, nxdomain, q, told};
use super::names::SOA;

fn web() -> Query {
    q("web-1.web.~", Type::A)
}

fn web_answer() -> Reply {
    answer(&["web-1.web.~ 5 A 192.0.2.11"])
}

pub(super) fn cases() -> Vec<Case> {
    [plain(), versions(), malformed(), options(), extended_errors()].concat()
}

fn plain() -> Vec<Case> {
    let iff = |sent, wanted| case("e.iff", "RFC 6891 §6.1.1, 7", sent, wanted);
    let mut cases = vec![
        iff(web(), web_answer()),
        iff(web().edns(1232), web_answer()),
        iff(q("nothing.~", Type::A), nxdomain(SOA)),
        iff(q("nothing.~", Type::A).edns(4096), nxdomain(SOA)),
        iff(q("web.~", Type::MX).edns(4096), nodata(SOA)),
        iff(q("example.com.", Type::A).edns(4096), told(rcode::REFUSED)),
        iff(web().class(4).edns(4096), told(rcode::REFUSED)),
        iff(web().opcode(7).edns(4096), told(rcode::NOTIMP)),
        iff(q("web.~", Type(249)).edns(4096), told(rcode::NOTIMP)),
    ];
    for size in [0, 1, 511, 512, 513, 1231, 1232, 1233, 4096, 65_535] {
        let rule = if size < 512 { "e.small" } else { "e.size" };
        cases.push(case(rule, "RFC 6891 §6.2.3", web().edns(size), web_answer()));
    }
    for flags in [0x0001, 0x4000, 0x7fff, 0x8000, 0xffff] {
        let query = web().edns(1232).edns_flags(flags);
        cases.push(case("e.unknown", "RFC 6891 §6.1.4, 3225 §3", query, web_answer()));
    }
    let dnssec_ok = |query: Query| query.edns(1232).dnssec_ok();
    let unsigned = |sent, wanted| case("p.unsigned", "RFC 4035 §3.1, 3225 §3", sent, wanted);
    cases.extend([
        unsigned(dnssec_ok(web()), web_answer()),
        unsigned(dnssec_ok(web()).authentic_data(), web_answer()),
        unsigned(dnssec_ok(web()).checking_disabled(), web_answer()),
        unsigned(dnssec_ok(q("nothing.~", Type::A)), nxdomain(SOA)),
        unsigned(dnssec_ok(q("~", Type::DNSKEY)), nodata(SOA)),
        unsigned(dnssec_ok(q("~", Type::RRSIG)), nodata(SOA)),
        unsigned(dnssec_ok(q("~", Type(47))), nodata(SOA)),
        unsigned(dnssec_ok(q("example.com.", Type::A)), told(rcode::REFUSED)),
    ]);
    cases
}

fn versions() -> Vec<Case> {
    let mut cases = Vec::new();
    let badvers = |query: Query| case("e.version", "RFC 6891 §6.1.3", query, told(rcode::BADVERS));
    for version in [1, 2, 100, 255] {
        cases.push(badvers(web().edns(4096).edns_version(version)));
    }
    let one = |query: Query| query.edns(1232).edns_version(1);
    cases.extend([
        badvers(one(q("nothing.~", Type::A))),
        badvers(one(q("example.com.", Type::A))),
        badvers(one(web()).dnssec_ok()),
        badvers(one(web()).option(100, b"x")),
        badvers(one(web()).edns_flags(0x0040)),
        // Nobody knows what the options of another version look like.
        badvers(one(web()).raw_options(b"\0\x01\xff\xff")),
        // What is wrong whatever the version is.
        case(
            "e.version",
            "RFC 9619 §4",
            one(Query::empty()),
            told(rcode::FORMERR).unasked(),
        ),
        case(
            "e.version",
            "RFC 6891 §6.1.3",
            one(web()).opcode(2),
            told(rcode::NOTIMP),
        ),
    ]);
    cases
}

fn malformed() -> Vec<Case> {
    let opt = Query::empty().edns(1232).bytes()[12..].to_vec();
    let formerr = || told(rcode::FORMERR);
    let two = |query: Query| query.raw_record(Section::Additional, &opt);
    let mut cases = vec![
        case("e.two", "RFC 6891 §6.1.1", two(web().edns(1232)), formerr()),
        case("e.two", "RFC 6891 §6.1.1", two(two(web().edns(512))), formerr()),
        case(
            "e.two",
            "RFC 6891 §6.1.1",
            two(web().edns(1232)).also("web.svc.internal", Type::A),
            formerr().unasked(),
        ),
    ];
    for options in [
        &b"\0"[..],
        b"\0\x01",
        b"\0\x01\0",
        b"\0\x01\0\x01",
        b"\0\x01\xff\xff\0",
        b"\0\x01\0\0\x09",
        b"\0\x03\0\0\0\x0a\0\x08\x01\x02",
    ] {
        let query = web().edns(1232).raw_options(options);
        cases.push(case("gate.opt", "RFC 6891 §6.1.2", query, formerr()));
    }
    // An owner other than the root: whether it is an OPT at all is a question, so whether one comes back is left open.
    let owned = |owner: &str, section| web().edns(1232).record(section, owner, Type::OPT, 1232, 0, b"");
    cases.extend([
        case(
            "gate.opt",
            "RFC 6891 §6.1.2",
            owned("example.org", Section::Additional),
            formerr(),
        ),
        case(
            "gate.opt",
            "RFC 6891 §6.1.1",
            owned(".", Section::Answer),
            formerr(),
        ),
        case(
            "gate.opt",
            "RFC 6891 §6.1.1",
            owned(".", Section::Authority),
            formerr(),
        ),
    ]);
    cases
}

/// Options that mean something elsewhere and nothing here yet.
fn options() -> Vec<Case> {
    let with = |code, data: &[u8]| web().edns(1232).option(code, data);
    let passed = |rule, source, query| case(rule, source, query, web_answer());
    vec![
        passed("e.unknown", "RFC 6891 §6.1.2", with(65_001, b"?")),
        passed("e.unknown", "RFC 6891 §6.1.2", with(0, b"")),
        passed("e.unknown", "RFC 6891 §6.1.2", with(65_535, &[0xff; 400])),
        passed(
            "e.unknown",
            "RFC 6891 §6.1.2",
            with(4, b"a").option(4, b"b").option(4, b""),
        ),
        passed(
            "e.unknown",
            "RFC 7830 §3: padding is not asked back over a plain transport",
            with(12, &[0; 64]),
        ),
        passed("e.unknown", "RFC 7314 §3: EXPIRE without transfers", with(9, b"")),
        passed(
            "e.unknown",
            "RFC 9567 §6.1: a reporting channel that a client sends",
            with(18, b"\x07example\0"),
        ),
        passed(
            "e.unknown",
            "RFC 8914 §2: an extended error in a query",
            with(15, b"\0\x12"),
        ),
        passed("h.nsid", "RFC 5001 §2.3", with(3, b"")),
        passed(
            "h.nsid",
            "RFC 5001 §2.1: a query's is empty, but who knows",
            with(3, b"abc"),
        ),
        passed("j.cookie", "RFC 7873 §5.2.1", with(10, &[7; 8])),
        passed("j.cookie", "RFC 7873 §5.2.3", with(10, &[7; 24])),
        passed("p.ecs", "RFC 7871 §7.2.1", with(8, b"\0\x01\x18\0\xc0\0\x02")),
        passed("p.ecs", "RFC 7871 §7.1.2", with(8, b"\0\x01\0\0")),
        passed(
            "p.ecs",
            "RFC 7871 §7.2.1",
            with(8, b"\0\x02\x38\0\x20\x01\x0d\xb8\0\0\0"),
        ),
        passed(
            "e.unknown",
            "all at once",
            with(3, b"")
                .option(8, b"\0\x01\0\0")
                .option(9, b"")
                .option(10, &[7; 8]),
        ),
    ]
}

/// Extended errors where the reference asks for them, with words that a person can read.
fn extended_errors() -> Vec<Case> {
    let text = |code| told(rcode::REFUSED).ede(Ede::WithText(code));
    vec![
        case(
            "p.ede",
            "RFC 8914 §2, 4.21",
            q("example.com.", Type::A).edns(1232),
            text(20),
        ),
        case(
            "p.ede",
            "RFC 8914 §2, 4.19",
            q("~", Type::AXFR).edns(1232),
            text(18),
        ),
        // None without OPT, and none in an answer.
        case(
            "p.ede",
            "RFC 8914 §3",
            q("example.com.", Type::A),
            told(rcode::REFUSED),
        ),
        case("p.ede", "RFC 8914 §3", q("~", Type::A).edns(1232), nodata(SOA)),
    ]
}
