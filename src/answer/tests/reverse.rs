//! Reverse names: which exist, what they answer, and what a zone file has beside them.

use std::sync::Arc;

use super::wire::*;
use crate::answer::{Scratch, Transport};
use crate::catalog::contents::Builder;
use crate::catalog::tests::fixture::*;
use crate::catalog::{Change, OnEmpty, ServiceSettings, Zone, ZoneSettings};

const V4: &str = "2.0.192.in-addr.arpa";
const V6: &str = "8.b.d.0.1.0.0.2.ip6.arpa";

fn catalog() -> Catalog {
    let mut catalog = Catalog::with_zones(&[ZONE, "192.in-addr.arpa", V6]);
    catalog.register("a.web", at("192.0.2.1 2001:db8::1"));
    catalog.register("b.web", at("192.0.2.1 198.51.100.1"));
    catalog
}

/// Gives a zone static records: owner below the apex, type, TTL, data.
fn with_file(catalog: &mut Catalog, apex: &str, records: &[(&str, u16, u32, &[u8])]) {
    let name = zone(apex);
    let mut builder = Builder::new(&name);
    for (line, (owner, rtype, ttl, data)) in records.iter().enumerate() {
        let owner = name_wire(&format!("{owner}.{apex}"));
        builder.push(&owner, *rtype, *ttl, data, line as u32);
    }
    let (contents, _) = builder.finish().unwrap();
    let mut changed = Zone::clone(catalog.zone_of(apex));
    changed.contents = Some(Arc::new(contents));
    catalog.state.zones.insert(name, Arc::new(changed));
}

#[test]
fn an_address_has_ptr_to_the_hosts_of_all_its_instances() {
    let mut catalog = catalog();
    catalog.set_zone(
        "192.in-addr.arpa",
        ZoneSettings {
            ttl: ttl(99),
            ..Default::default()
        },
    );
    catalog.drain("a.web");
    let mut resolver = Resolver::of(&catalog);
    let reply = resolver.ask("1.2.0.192.in-addr.arpa.", PTR);
    assert_eq!(reply.words(), ["a.web.svc.internal", "b.web.svc.internal"]);
    assert!(reply.aa && reply.additional.is_empty() && reply.authority.is_empty());
    assert!(reply.answer.iter().all(|got| got.ttl == 99 && got.rtype == PTR));
    let six = format!("1.{}{V6}.", "0.".repeat(23));
    assert_eq!(resolver.ask(&six, PTR).words(), ["a.web.svc.internal"]);
    assert_eq!(resolver.ask(&six, ANY).words(), ["a.web.svc.internal"]);
    assert!(resolver.ask(&six, A).is_nodata());
    assert_eq!(resolver.ask("1.100.51.198.in-addr.arpa.", PTR).rcode, REFUSED);
}

#[test]
fn names_above_addresses_exist_and_names_beside_or_below_them_do_not() {
    let mut resolver = Resolver::of(&catalog());
    let six = format!("1.{}{V6}.", "0.".repeat(23));
    for name in [
        "2.0.192.in-addr.arpa.",
        "0.192.in-addr.arpa.",
        "192.in-addr.arpa.",
    ] {
        assert!(resolver.ask(name, PTR).is_nodata(), "{name}");
    }
    let mut above = six.as_str();
    while above.len() > V6.len() + 1 {
        (_, above) = above.split_once('.').unwrap();
        assert!(resolver.ask(above, PTR).is_nodata(), "{above}");
    }
    for name in [
        "2.2.0.192.in-addr.arpa.",
        "3.0.192.in-addr.arpa.",
        "01.2.0.192.in-addr.arpa.",
        "257.2.0.192.in-addr.arpa.",
        "x.1.2.0.192.in-addr.arpa.",
        "1.1.2.0.192.in-addr.arpa.",
        "a.2.0.192.in-addr.arpa.",
        &six.replacen("1.", "2.", 1),
        &six.replacen("1.", "01.", 1),
        &format!("0.{six}"),
    ] {
        assert!(resolver.ask(name, PTR).is_nxdomain(), "{name}");
    }
}

#[test]
fn a_zone_may_be_of_one_address() {
    let apex = "1.2.0.192.in-addr.arpa";
    let mut catalog = catalog();
    catalog.set_zone(apex, ZoneSettings::default());
    let mut resolver = Resolver::of(&catalog);
    let reply = resolver.ask(&format!("{apex}."), PTR);
    assert_eq!(reply.words(), ["a.web.svc.internal", "b.web.svc.internal"]);
    assert_eq!(resolver.ask(&format!("{apex}."), SOA).answer.len(), 1);
    catalog.delete_service("web");
    assert!(Resolver::of(&catalog).ask(&format!("{apex}."), PTR).is_nodata());
}

#[test]
fn a_service_of_the_same_name_has_ptr_beside_its_own_records() {
    let mut catalog = Catalog::with_zones(&[ZONE, V4]);
    catalog.register("a.web", at("192.0.2.7"));
    catalog.make(Change::PutService {
        zone: zone(V4),
        service: service("7"),
        settings: ServiceSettings {
            on_empty: Some(OnEmpty::NxDomain),
            ..Default::default()
        },
    });
    let name = format!("7.{V4}.");
    let mut resolver = Resolver::of(&catalog);
    assert_eq!(resolver.ask(&name, PTR).words(), ["a.web.svc.internal"]);
    assert!(
        resolver.ask(&name, A).is_nodata(),
        "what has records is not denied"
    );
    catalog.register(&format!("i.7.{V4}"), at("198.51.100.7").ports("http 80"));
    let mut resolver = Resolver::of(&catalog);
    assert_eq!(resolver.ask(&name, PTR).words(), ["a.web.svc.internal"]);
    assert_eq!(resolver.ask(&name, A).words(), ["198.51.100.7"]);
    assert_eq!(resolver.ask(&name, ANY).words(), ["198.51.100.7"], "one RRset");
    assert_eq!(resolver.ask(&format!("i.{name}"), A).words(), ["198.51.100.7"]);
    assert_eq!(resolver.ask(&format!("_http._tcp.{name}"), SRV).answer.len(), 1);
}

#[test]
fn ptr_of_the_zone_file_is_of_the_same_rrset_and_other_types_stand_beside() {
    let mut catalog = Catalog::with_zones(&[ZONE, V4]);
    catalog.register("a.web", at("192.0.2.1"));
    let (same, other) = (name_wire("A.Web.svc.internal"), name_wire("old.example.org"));
    let records: [(&str, u16, u32, &[u8]); 6] = [
        ("1", PTR, 3, &same),
        ("1", PTR, 3, &other),
        ("1", TXT, 60, b"\x05hello"),
        ("9", PTR, 60, &other),
        ("*", PTR, 60, &other),
        ("1.0/25", PTR, 60, &other),
    ];
    with_file(&mut catalog, V4, &records);
    let mut resolver = Resolver::of(&catalog);
    let reply = resolver.ask(&format!("1.{V4}."), PTR);
    assert_eq!(reply.words(), ["a.web.svc.internal", "old.example.org"]);
    assert!(reply.answer.iter().all(|got| got.ttl == 3), "the least of both");
    assert_eq!(resolver.ask(&format!("1.{V4}."), TXT).words(), ["hello"]);
    assert!(resolver.ask(&format!("1.{V4}."), A).is_nodata());
    assert_eq!(
        resolver.ask(&format!("9.{V4}."), PTR).words(),
        ["old.example.org"]
    );
    assert_eq!(
        resolver.ask(&format!("1.0/25.{V4}."), PTR).words(),
        ["old.example.org"]
    );
    assert_eq!(
        resolver.ask(&format!("8.{V4}."), PTR).words(),
        ["old.example.org"],
        "the wildcard"
    );
    assert!(
        resolver.ask(&format!("x.1.{V4}."), PTR).is_nxdomain(),
        "1 is closer than the wildcard"
    );
}

#[test]
fn an_address_of_the_zone_file_blocks_no_other_and_its_wildcard_covers_no_instance() {
    let mut catalog = Catalog::with_zones(&[ZONE, "192.in-addr.arpa"]);
    catalog.register("a.web", at("192.0.2.1"));
    let other = name_wire("old.example.org");
    with_file(
        &mut catalog,
        "192.in-addr.arpa",
        &[("*", PTR, 60, &other), ("*.2.0", PTR, 60, &other)],
    );
    let mut resolver = Resolver::of(&catalog);
    assert_eq!(
        resolver.ask("1.2.0.192.in-addr.arpa.", PTR).words(),
        ["a.web.svc.internal"]
    );
    assert_eq!(
        resolver.ask("2.2.0.192.in-addr.arpa.", PTR).words(),
        ["old.example.org"]
    );
    assert!(
        resolver.ask("3.0.192.in-addr.arpa.", PTR).is_nxdomain(),
        "0 is closer"
    );
    assert_eq!(
        resolver.ask("3.1.192.in-addr.arpa.", PTR).words(),
        ["old.example.org"]
    );
}

#[test]
fn an_alias_a_delegation_and_a_dname_hide_the_instances() {
    let (ns, cname, dname) = (NS, 5, 39_u16);
    let mut catalog = Catalog::with_zones(&[ZONE, "192.in-addr.arpa"]);
    catalog.register("a.web", at("192.0.2.1 192.0.2.2 192.1.2.1 192.2.2.1"));
    let (alias, server) = (
        name_wire("1.0/25.2.0.192.in-addr.arpa"),
        name_wire("ns.example.org"),
    );
    let other = name_wire("x.example.org");
    let records: [(&str, u16, u32, &[u8]); 4] = [
        ("1.2.0", cname, 60, &alias),
        ("1.0/25.2.0", PTR, 60, &other),
        ("1", ns, 60, &server),
        ("2.2", dname, 60, &other),
    ];
    with_file(&mut catalog, "192.in-addr.arpa", &records);
    let mut resolver = Resolver::of(&catalog);
    let counts = |octets: &[u8]| [octets[7], octets[9]];
    let mut ask = |name: &str| resolver.exchange(&query(&name_wire(name), PTR, None)).unwrap();
    assert_eq!(
        counts(&ask("1.2.0.192.in-addr.arpa")),
        [2, 0],
        "CNAME and its target"
    );
    assert_eq!(counts(&ask("2.2.0.192.in-addr.arpa")), [1, 0], "not hidden");
    let referral = ask("1.2.1.192.in-addr.arpa");
    assert_eq!((counts(&referral), referral[2] & 4), ([0, 1], 0), "a referral");
    let redirected = ask("1.2.2.192.in-addr.arpa");
    assert_eq!(counts(&redirected), [2, 0], "DNAME and CNAME");
    assert!(redirected.windows(4).any(|octets| octets == [0, 39, 0, 1]));
}

#[test]
fn a_large_set_is_cut_with_tc_on_udp_and_counted_on_tcp() {
    let mut catalog = Catalog::with_zones(&[ZONE, V4]);
    for number in 0..4000 {
        let change = register(&format!("instance-{number:04}.web"), at("192.0.2.1"));
        catalog.state.apply(&change.into(), BEGIN).unwrap();
    }
    let name = format!("1.{V4}.");
    let mut resolver = Resolver::of(&catalog).udp(Some(1232));
    let reply = resolver.ask(&name, PTR);
    assert!(reply.tc && reply.answer.len() > 30 && reply.octets.len() > 1232 - 40);
    assert_eq!(
        reply.in_order(),
        resolver.ask(&name, PTR).in_order(),
        "a fixed order"
    );
    let part = reply.set();
    (resolver.transport, resolver.scratch) = (Transport::Tcp, Scratch::seeded(1));
    let reply = resolver.ask(&name, PTR);
    assert!(!reply.tc && reply.answer.len() > 2000 && part.is_subset(&reply.set()));
    let all = reply.answer.len() == 4000;
    assert_eq!(resolver.scratch.left_out, u64::from(!all));
}

/// What PTR of every name of the zone answers, SOA left out: the rcode, and the records in any order.
fn everything(resolver: &mut Resolver, names: &[String]) -> Vec<(u8, Vec<String>)> {
    let mut ask = |name: &String| {
        let reply = resolver.ask_wire(&name_wire(name), PTR);
        let records = reply.answer.iter().chain(&reply.authority);
        let mut seen: Vec<String> = records
            .filter(|got| got.rtype != SOA)
            .map(|got| format!("{got:?}"))
            .collect();
        seen.sort();
        (reply.rcode, seen)
    };
    names.iter().map(&mut ask).collect()
}

#[test]
fn beside_a_random_zone_file_the_serial_moves_when_an_answer_does_and_at_no_other_time() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let apex = "192.in-addr.arpa";
    let hosts = ["a.web.svc.internal", "B.web.svc.internal", "x.example.org"].map(name_wire);
    let addresses: Vec<String> = (0..8).map(|n| format!("192.0.{}.{}", n / 4, n % 4)).collect();
    let mut names = vec![
        apex.to_owned(),
        format!("0.{apex}"),
        format!("0.0.{apex}"),
        format!("1.0.{apex}"),
    ];
    names.extend((0..8).map(|n| format!("{}.{}.0.{apex}", n % 4, n / 4)));
    let (mut moves, mut stays) = (0, 0);
    for _ in 0..60 {
        let mut catalog = Catalog::with_zones(&[ZONE, apex]);
        catalog.set_zone(
            apex,
            ZoneSettings {
                ttl: ttl(50),
                ..Default::default()
            },
        );
        let owners = ["0.0.0", "1.0.0", "2.0.0", "3.0.0", "0.1.0", "1.1.0", "1.0", "0"];
        let mut records: Vec<(&str, u16, u32, &[u8])> = Vec::new();
        for owner in owners {
            let ttl = if random.bool() { 10 } else { 100 };
            let host = &hosts[random.usize(..3)][..];
            // An alias leads out of our zones, or the answer would hold the serial of another.
            match random.u8(..20) {
                0..=3 => records.push((owner, PTR, ttl, host)),
                4 => records.extend([(owner, PTR, ttl, host), (owner, PTR, ttl, &hosts[0][..])]),
                5 => records.push((owner, 5, ttl, &hosts[2][..])),
                6 => records.push((owner, NS, ttl, &hosts[2][..])),
                7 => records.push((owner, 39, ttl, &hosts[2][..])),
                _ => {}
            }
        }
        with_file(&mut catalog, apex, &records);
        for _ in 0..25 {
            let before = everything(&mut Resolver::of(&catalog), &names);
            let serial = catalog.zone_of(apex).serial;
            let id = ["a.web", "b.web", "c.web"][random.usize(..3)];
            if random.u8(..3) == 0 && catalog.has(id) {
                catalog.deregister(id);
            } else {
                let mut chosen = addresses.clone();
                random.shuffle(&mut chosen);
                chosen.truncate(random.usize(1..4));
                catalog.register(id, at(&chosen.join(" ")));
            }
            let after = everything(&mut Resolver::of(&catalog), &names);
            let moved = catalog.zone_of(apex).serial.wrapping_sub(serial);
            assert_eq!(moved, u32::from(before != after), "{records:?}");
            (moves, stays) = (moves + moved, stays + 1 - moved);
        }
    }
    assert!(moves > 100 && stays > 20, "{moves} {stays}");
}
