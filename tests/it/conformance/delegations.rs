//! Delegations: referrals, glue, and DS on both sides of a cut. Groups a, f and static.

use crate::support::dns::Type;

use super::case::{Case, answer, case, full, nodata, nxdomain, one_of, part, q, qe, raw, referral};
use super::records::SOA;

/// The part of `example.org` that is about other zones.
pub(super) const FILE: &str = "
child      NS    ns1
child      DS    12345 13 2 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f
wild       NS    ns.example.net.
sub        NS    ns1.sub
           NS    ns.example.net.
sub        DS    1 8 2 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f
ns1.sub    A     192.0.2.61
           AAAA  2001:db8::61
unsigned   NS    ns.example.net.
sib        NS    ns1.sub
inzone     NS    ns1
";

/// `child.example.org`, which is served here too.
pub(super) const CHILD: &str = "
$TTL 300
@       60 SOA ns1.example.org. hostmaster.example.org. 7 3600 900 604800 300
        NS     ns1.example.org.
www     A      192.0.2.131
";

/// The SOA's own TTL is less than MINIMUM.
const SOA_CHILD: &str = "child.% 60 SOA ns1.% hostmaster.% * 3600 900 604800 300";
const SUB: [&str; 2] = ["sub.% 3600 NS ns1.sub.%", "sub.% 3600 NS ns.example.net."];
const GLUE: [&str; 2] = ["ns1.sub.% 3600 A 192.0.2.61", "ns1.sub.% 3600 AAAA 2001:db8::61"];
const NS1: [&str; 2] = ["ns1.% 3600 A 192.0.2.53", "ns1.% 3600 AAAA 2001:db8::53"];

/// Name servers of `wide`: with their addresses they need more than 512 octets.
const WIDE: std::ops::RangeInclusive<u32> = 1..=13;

/// A delegation whose glue fits in 1232 octets and not in 512.
pub(super) fn wide() -> String {
    let lines = WIDE.map(|n| {
        format!("wide NS ns{n:02}.wide\nns{n:02}.wide A 198.51.100.{n}\nns{n:02}.wide AAAA 2001:db8::1:{n}\n")
    });
    lines.collect()
}

/// Name servers of `far`, elsewhere and with long names: they alone need more than 512 octets.
fn far_servers() -> Vec<String> {
    (0..10)
        .map(|n| format!("{n}{}.example.net.", "n".repeat(60)))
        .collect()
}

/// Their delegation.
pub(super) fn far() -> String {
    let lines = far_servers().into_iter();
    lines.map(|server| format!("far NS {server}\n")).collect()
}

pub(super) fn cases() -> Vec<Case> {
    [referrals(), glue(), ds(), child()].concat()
}

fn referrals() -> Vec<Case> {
    let refer = |name, rtype| {
        case(
            "static.referral",
            "RFC 1034 §4.3.2 step 3b",
            qe(name, rtype),
            referral(&SUB, &GLUE),
        )
    };
    let none = |name| {
        let wanted = referral(&["unsigned.% 3600 NS ns.example.net."], &[]);
        case(
            "static.referral",
            "RFC 1034 §4.3.2 step 3b",
            q(name, Type::A),
            wanted,
        )
    };
    vec![
        refer("x.sub.%", Type::A),
        refer("a.b.c.sub.%", Type::TXT),
        // At the cut all but DS is the child's.
        refer("sub.%", Type::A),
        refer("sub.%", Type::NS),
        refer("sub.%", Type::SOA),
        refer("sub.%", Type::ANY),
        refer("sub.%", Type::DNSKEY),
        refer("sub.%", Type(65_280)),
        // Glue is no answer.
        refer("ns1.sub.%", Type::A),
        refer("ns1.sub.%", Type::AAAA),
        refer("_tcp.sub.%", Type::SRV),
        none("unsigned.%"),
        none("x.unsigned.%"),
        case(
            "static.referral",
            "RFC 3225 §3",
            qe("x.sub.%", Type::A).dnssec_ok(),
            referral(&SUB, &GLUE),
        ),
        case("static.referral", "RFC 4343 §3", qe("X.SuB.%", Type::A), {
            referral(
                &["SuB.% 3600 NS ns1.SuB.%", "SuB.% 3600 NS ns.example.net."],
                &["ns1.SuB.% 3600 A 192.0.2.61", "ns1.SuB.% 3600 AAAA 2001:db8::61"],
            )
        }),
    ]
}

fn glue() -> Vec<Case> {
    let servers: Vec<String> = WIDE.map(|n| format!("wide.% 3600 NS ns{n:02}.wide.%")).collect();
    let servers: Vec<&str> = servers.iter().map(String::as_str).collect();
    let addresses: Vec<String> = WIDE
        .flat_map(|n| {
            [
                full(&format!("ns{n:02}.wide.% 3600 A 198.51.100.{n}")),
                full(&format!("ns{n:02}.wide.% 3600 AAAA 2001:db8::1:{n}")),
            ]
        })
        .collect();
    let all: Vec<&str> = addresses.iter().map(String::as_str).collect();
    let far: Vec<String> = far_servers()
        .into_iter()
        .map(|server| full(&format!("far.% 3600 NS {server}")))
        .collect();
    let all_far: Vec<&str> = far.iter().map(String::as_str).collect();
    let cut = || {
        referral(&servers, &[])
            .additionals(part(addresses.iter().cloned()))
            .tc()
    };
    vec![
        case("f.glue", "RFC 9471 §2.1", q("x.wide.%", Type::A), cut()).udp(),
        case("f.glue", "RFC 9471 §2.1", q("wide.%", Type::NS).edns(600), cut()).udp(),
        case(
            "f.glue",
            "RFC 9471 §2.1",
            q("x.wide.%", Type::A).edns(1232),
            referral(&servers, &all),
        ),
        case(
            "f.glue",
            "RFC 9471 §2.1",
            q("x.wide.%", Type::A),
            referral(&servers, &all),
        )
        .tcp(),
        // NS that does not fit: a referral without it would be none.
        case(
            "f.tc",
            "RFC 2181 §9",
            q("x.far.%", Type::A),
            referral(&[], &[]).authorities(part(far.iter().cloned())).tc(),
        )
        .udp(),
        case(
            "g.same",
            "RFC 7766 §5",
            q("x.far.%", Type::A),
            referral(&all_far, &[]),
        )
        .tcp(),
        // Of a sibling: allowed, not needed.
        case("f.glue", "RFC 9471 §2.2: of a sibling", qe("x.sib.%", Type::A), {
            referral(&["sib.% 3600 NS ns1.sub.%"], &[]).additionals(one_of(&[&[], &GLUE]))
        }),
        // A name server in our own zone: its addresses are no glue, and help all the same.
        case(
            "static.referral",
            "RFC 1034 §4.3.2 step 3b",
            qe("x.inzone.%", Type::A),
            referral(&["inzone.% 3600 NS ns1.%"], &NS1),
        ),
    ]
}

fn ds() -> Vec<Case> {
    let digest: Vec<u8> = (0..32).collect();
    let sub = raw("sub.% 3600 DS", &[&[0, 1, 8, 2], &digest[..]].concat());
    let child = raw("child.% 3600 DS", &[&[0x30, 0x39, 13, 2], &digest[..]].concat());
    let ds = |source, name, wanted| case("static.ds", source, qe(name, Type::DS), wanted);
    vec![
        ds("RFC 4035 §3.1.4.1", "sub.%", answer(&[&sub])),
        ds("RFC 4035 §3.1.4.1: a cut without", "unsigned.%", nodata(SOA)),
        ds(
            "RFC 4035 §3.1.4.1: below the cut",
            "x.sub.%",
            referral(&SUB, &GLUE),
        ),
        // Both zones are ours: the parent answers.
        ds(
            "RFC 4035 §3.1.4.1: both zones are ours",
            "child.%",
            answer(&[&child]),
        ),
        ds("RFC 4035 §3.1.4.1: both zones are ours", "wild.%", nodata(SOA)),
        case(
            "static.ds",
            "RFC 4035 §3.1.4.1: behind an alias",
            qe("tods.%", Type::DS),
            answer(&["tods.% 3600 CNAME child.%", &child]),
        ),
        // The parent is not ours: the child says that it has none.
        ds("RFC 4035 §3.1.4.1: the parent is not ours", "%", nodata(SOA)),
        ds("RFC 4035 §3.1.4.1: no cut", "www.child.%", nodata(SOA_CHILD)),
        ds("RFC 4035 §3.1.4.1: no cut", "mail.%", nodata(SOA)),
        ds("RFC 4035 §3.1.4.1: no name", "nothing.%", nxdomain(SOA)),
    ]
}

/// What both sides of a cut have is the child's.
fn child() -> Vec<Case> {
    vec![
        case(
            "static.referral",
            "RFC 1034 §4.3.2 step 2",
            q("www.child.%", Type::A),
            answer(&["www.child.% 300 A 192.0.2.131"]),
        ),
        case("static.referral", "RFC 2181 §6.1", qe("child.%", Type::NS), {
            answer(&["child.% 300 NS ns1.%"]).additionals(one_of(&[&[], &NS1]))
        }),
        case(
            "a.negative-ttl",
            "RFC 2308 §5: the SOA's TTL is less",
            q("nothing.child.%", Type::A),
            nxdomain(SOA_CHILD),
        ),
        case(
            "a.negative-ttl",
            "RFC 2308 §5: the SOA's TTL is less",
            q("child.%", Type::A),
            nodata(SOA_CHILD),
        ),
    ]
}
