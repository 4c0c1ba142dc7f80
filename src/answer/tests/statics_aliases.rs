//! Aliases of a zone file on the wire: CNAME, their chains, and DNAME.

use super::statics::{each_once, resolver, told, with_file};
use super::wire::*;
use crate::catalog::tests::fixture::*;
use crate::catalog::tests::oracle::Data;
use crate::catalog::tests::static_records::*;
use crate::catalog::{OnEmpty, ServiceSettings, Status};

/// Aliases `c1` to `c<count>`, the last to `end`.
fn chain(count: usize, end: &str) -> Vec<String> {
    (1..=count)
        .map(|at| match at == count {
            true => format!("c{at} CNAME {end}"),
            false => format!("c{at} CNAME c{}", at + 1),
        })
        .collect()
}

#[test]
fn eight_aliases_are_followed_and_no_more() {
    for (count, ends) in [(1, true), (7, true), (8, true), (9, false), (20, false)] {
        let mut lines = chain(count, "end");
        lines.push("end A 192.0.2.1".to_owned());
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let reply = resolver(&lines).ask("c1", A);
        assert_eq!((reply.rcode, reply.aa, reply.tc), (NOERROR, true, false));
        each_once(&reply);
        assert_eq!(reply.answer.iter().any(|got| got.rtype == A), ends, "{count}");
        assert!(reply.authority.is_empty(), "{count}: it is no negative answer");
        assert!(reply.answer.len() <= 9, "{count}");
        let aliases: Vec<_> = reply.answer.iter().filter(|got| got.rtype == CNAME).collect();
        for (one, next) in aliases.iter().zip(aliases.iter().skip(1)) {
            assert_eq!(one.data, Data::Name(next.owner.clone()), "in order");
        }
    }
}

#[test]
fn the_last_name_says_the_answers_rcode_and_its_zone_the_soa() {
    let mut catalog = with_file(&[
        "nx CNAME missing",
        "nd CNAME there",
        "there TXT x",
        "out CNAME www.example.com.",
        "other CNAME nothing.example.org.",
        "far CNAME www.example.org.",
        "ref CNAME x.sub",
        "sub NS ns.sub",
        "ns.sub A 192.0.2.9",
        "s CNAME web",
        "p CNAME _http._tcp.web",
        "wild CNAME a.w",
        "*.w CNAME end",
        "end A 192.0.2.1",
    ]);
    catalog.make(file("example.org", &["www A 192.0.2.8"]));
    catalog.register("web-1.web", at("192.0.2.7").ports("http 80"));
    let mut resolver = Resolver::of(&catalog);
    let reply = resolver.ask("nx", A);
    assert_eq!((reply.rcode, reply.aa, reply.answer.len()), (NX, true, 1));
    assert_eq!(told(&reply.authority), ["svc.internal 6 minimum 1"]);
    let reply = resolver.ask("nd", A);
    assert_eq!(
        (reply.rcode, reply.answer.len(), reply.authority.len()),
        (NOERROR, 1, 1)
    );
    let reply = resolver.ask("out", A);
    assert_eq!(
        (reply.rcode, reply.answer.len(), reply.authority.len()),
        (NOERROR, 1, 0)
    );
    let reply = resolver.ask("other", A);
    assert_eq!((reply.rcode, reply.aa), (NX, true));
    assert_eq!(reply.authority[0].owner, "example.org");
    let reply = resolver.ask("far", A);
    assert_eq!(reply.answer[1].owner, "www.example.org");
    assert_eq!(reply.answer[1].data, Data::Address([192, 0, 2, 8].into()));
    let reply = resolver.ask("ref", A);
    assert_eq!((reply.rcode, reply.aa, reply.answer.len()), (NOERROR, true, 1));
    assert_eq!(told(&reply.authority), ["sub 2 ns.sub"]);
    assert_eq!(told(&reply.additional), ["ns.sub 1 192.0.2.9"]);
    assert_eq!(told(&resolver.ask("s", A).answer), ["s 5 web", "web 1 192.0.2.7"]);
    let reply = resolver.ask("s", SRV);
    assert_eq!(told(&reply.answer), ["s 5 web", "web 33 0 1 80 web-1.web"]);
    assert_eq!(told(&reply.additional), ["web-1.web 1 192.0.2.7"]);
    assert_eq!(
        told(&resolver.ask("p", SRV).answer),
        ["p 5 _http._tcp.web", "_http._tcp.web 33 0 1 80 web-1.web"]
    );
    assert_eq!(
        told(&resolver.ask("wild", A).answer),
        ["wild 5 a.w", "a.w 5 end", "end 1 192.0.2.1"]
    );
    for qtype in [CNAME, ANY] {
        assert_eq!(told(&resolver.ask("s", qtype).answer), ["s 5 web"]);
    }
    // An alias to a service follows its health.
    catalog.report("web-1.web", Status::Critical);
    catalog.set_service(
        "web",
        ServiceSettings {
            on_empty: Some(OnEmpty::NxDomain),
            ..Default::default()
        },
    );
    let mut resolver = Resolver::of(&catalog);
    for qtype in [A, MX] {
        let reply = resolver.ask("s", qtype);
        assert_eq!(
            (reply.rcode, reply.answer.len(), reply.authority.len()),
            (NX, 1, 1)
        );
    }
}

#[test]
fn loops_of_aliases_end_and_no_record_comes_twice() {
    let mut resolver = resolver(&[
        "a CNAME b",
        "b CNAME a",
        "self CNAME SELF",
        "*.w CNAME x.w",
        "d DNAME x.d",
        "one DNAME two",
        "y.two CNAME z.one",
        "z.two A 192.0.2.1",
    ]);
    for (name, answers) in [("a", 2), ("self", 1), ("q.w", 2), ("x.w", 1)] {
        let reply = resolver.ask(name, A);
        assert_eq!((reply.rcode, reply.answer.len()), (NOERROR, answers), "{name}");
        each_once(&reply);
    }
    each_once(&resolver.ask("a.d", A));
    // The same DNAME on two steps of a chain that ends.
    let reply = resolver.ask("y.one", A);
    each_once(&reply);
    assert_eq!(
        told(&reply.answer),
        [
            "one 39 two",
            "y.one 5 y.two",
            "y.two 5 z.one",
            "z.one 5 z.two",
            "z.two 1 192.0.2.1"
        ]
    );
}

#[test]
fn dname_gives_itself_and_the_alias_that_follows() {
    let mut resolver = resolver(&[
        "old 77 DNAME new",
        "old A 192.0.2.2",
        "www.new A 192.0.2.1",
        "new TXT x",
        "out DNAME example.com.",
    ]);
    let reply = resolver.ask("www.old", A);
    assert!(reply.aa);
    assert_eq!(
        told(&reply.answer),
        ["old 39 new", "www.old 5 www.new", "www.new 1 192.0.2.1"]
    );
    assert_eq!((reply.answer[0].ttl, reply.answer[1].ttl), (77, 77));
    // The DNAME's owner is not redirected.
    assert_eq!(resolver.ask("old", A).words(), ["192.0.2.2"]);
    assert_eq!(resolver.ask("old", DNAME).words(), ["new.svc.internal"]);
    assert!(resolver.ask("old", MX).is_nodata());
    let reply = resolver.ask("a.b.old", A);
    assert_eq!(
        (reply.rcode, reply.answer.len(), reply.authority.len()),
        (NX, 2, 1)
    );
    let reply = resolver.ask("a.out", A);
    assert_eq!(
        told(&reply.answer),
        ["out 39 example.com", "a.out 5 a.example.com"]
    );
    // The alias that follows is what a question for CNAME asks for, wherever it leads.
    let reply = resolver.ask("a.b.old", CNAME);
    assert_eq!(told(&reply.answer), ["old 39 new", "a.b.old 5 a.b.new"]);
    assert_eq!((reply.rcode, reply.authority.len()), (NOERROR, 0));
}

#[test]
fn dname_at_the_apex_redirects_all_below_and_leaves_the_apex() {
    let mut catalog = with_file(&["@ DNAME example.org.", "@ MX 10 x", "@ NS ns.example.com."]);
    catalog.make(file("example.org", &["www A 192.0.2.8"]));
    let mut resolver = Resolver::of(&catalog);
    assert_eq!(resolver.ask("", SOA).answer.len(), 1);
    assert_eq!(resolver.ask("", NS).words(), ["ns.example.com"]);
    assert_eq!(resolver.ask("", DNAME).words(), ["example.org"]);
    assert_eq!(resolver.ask("", MX).answer.len(), 1);
    assert!(resolver.ask("", A).is_nodata());
    let reply = resolver.ask("www", A);
    assert_eq!(reply.answer.len(), 3);
    assert_eq!(reply.answer[2].data, Data::Address([192, 0, 2, 8].into()));
    let reply = resolver.ask("a.www", A);
    assert_eq!((reply.rcode, reply.answer.len()), (NX, 2));
    assert_eq!(reply.authority[0].owner, "example.org");
}

#[test]
fn a_name_that_dname_makes_too_long_is_yxdomain() {
    let label = "x".repeat(63);
    let target = format!("{label}.{label}.{}.example.com.", "y".repeat(40));
    let mut resolver = resolver(&[&format!("d DNAME {target}")]);
    let octets = wire(&target).len();
    for (prefix, rcode) in [(255 - octets, NOERROR), (256 - octets, YX), (300 - octets, YX)] {
        // Labels of so many octets in all, their lengths counted.
        let mut labels = Vec::new();
        let mut left = prefix;
        while left > 0 {
            let octets = left.clamp(2, 60);
            let octets = if left - octets == 1 { octets - 1 } else { octets };
            labels.push("p".repeat(octets - 1));
            left -= octets;
        }
        let name = format!("{}.d", labels.join("."));
        let reply = resolver.ask(&name, A);
        assert_eq!(reply.rcode, rcode, "{prefix}");
        assert!(reply.aa && !reply.tc);
        assert_eq!(reply.answer.len(), if rcode == YX { 1 } else { 2 }, "{prefix}");
        assert!(reply.authority.is_empty(), "{prefix}");
    }
}

#[test]
fn what_dname_makes_too_long_at_a_later_step_is_no_negative_answer() {
    let mut resolver = resolver(&["d DNAME sub.d"]);
    let label = "l".repeat(63);
    // Together with the zone's name these leave room for one more `sub`, and not for two.
    let name = format!("{label}.{label}.{label}.{}.d", "l".repeat(41));
    let reply = resolver.ask(&name, A);
    assert_eq!(
        (reply.rcode, reply.answer.len(), reply.authority.len()),
        (YX, 2, 0)
    );
}
