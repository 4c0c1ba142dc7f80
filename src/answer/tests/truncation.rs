//! What does not fit: Additional goes first, the rest is cut to a window that is the client's own, with TC.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::wire::*;
use crate::answer::{Scratch, TCP_MESSAGE_MAX, Transport};
use crate::catalog::tests::fixture::*;
use crate::catalog::tests::oracle::Data;
use crate::view::Snapshot;

/// `count` instances of one A record and one port each, in tier 0.
fn crowd(count: usize) -> Catalog {
    let mut catalog = Catalog::new();
    for number in 0..count {
        join(&mut catalog, number);
    }
    catalog
}

fn join(catalog: &mut Catalog, number: usize) {
    let (high, low) = (number / 200, 1 + number % 200);
    catalog.register(
        &format!("i{number}.web"),
        at(&format!("10.0.{high}.{low}")).ports("main 80").tags("all"),
    );
}

/// Octets of a reply to `web.svc.internal` before its records, OPT included.
const FIXED: usize = 12 + 22 + 11;

#[test]
fn as_many_records_as_fit_and_tc() {
    for (edns, size) in [
        (None, 512),
        (Some(0), 512),
        (Some(700), 700),
        (Some(1232), 1232),
        (Some(4096), 1232),
    ] {
        let mut resolver = Resolver::of(&crowd(200)).udp(edns);
        let reply = resolver.ask("web", A);
        let fixed = FIXED - if edns.is_none() { 11 } else { 0 };
        assert_eq!(reply.set().len(), (size - fixed) / 16, "{edns:?}");
        assert!(reply.tc && reply.aa && reply.rcode == NOERROR && reply.authority.is_empty());
        resolver.transport = Transport::Tcp;
        let reply = resolver.ask("web", A);
        assert!(!reply.tc && reply.set().len() == 200, "TCP has them all");
    }
    let mut resolver = Resolver::of(&crowd(200)).udp(Some(4096));
    resolver.payload_max = 4096;
    assert!(!resolver.ask("web", A).tc, "{} fits", FIXED + 200 * 16);
}

#[test]
fn what_fits_to_the_octet_is_not_cut() {
    for count in 73..=76 {
        let size = (FIXED + count * 16) as u16;
        let catalog = crowd(count);
        for (edns, cut) in [(size, false), (size - 1, true)] {
            let mut resolver = Resolver::of(&catalog).udp(Some(edns));
            resolver.payload_max = 4096;
            let reply = resolver.ask("web", A);
            assert_eq!((reply.tc, reply.set().len()), (cut, count - usize::from(cut)));
        }
    }
}

#[test]
fn additional_goes_first_whole_rrsets_and_without_tc() {
    let mut catalog = Catalog::new();
    for number in 0..6 {
        catalog.register(
            &format!("i{number}.web"),
            at(&format!(
                "192.0.2.{0} 198.51.100.{0} 2001:db8::{0} 2001:db8:1::{0}",
                number + 1
            ))
            .ports("main 80"),
        );
    }
    let mut sizes = BTreeSet::new();
    for edns in (512..1300).step_by(7) {
        let mut resolver = Resolver::of(&catalog).udp(Some(edns));
        resolver.payload_max = 4096;
        let reply = resolver.ask("web", SRV);
        assert!(!reply.tc && reply.set().len() == 6, "{edns}");
        let mut rrsets: BTreeMap<(String, u16), usize> = BTreeMap::new();
        for got in &reply.additional {
            *rrsets.entry((got.owner.clone(), got.rtype)).or_default() += 1;
        }
        assert!(rrsets.values().all(|count| *count == 2), "{edns}: {rrsets:?}");
        sizes.insert(reply.additional.len());
    }
    assert!(sizes.contains(&24) && sizes.len() > 5, "{sizes:?}");
}

#[test]
fn a_cut_answer_brings_no_additional() {
    let mut resolver = Resolver::of(&crowd(300)).udp(Some(1232));
    for size in (512..1232).step_by(5) {
        resolver.edns = Some(size);
        let reply = resolver.ask("web", SRV);
        assert!(
            reply.tc && reply.additional.is_empty(),
            "{size}: additional records go first"
        );
    }
}

#[test]
fn at_most_32_targets_bring_additionals() {
    let mut catalog = crowd(40);
    let mut resolver = Resolver::of(&catalog);
    assert_eq!(resolver.ask("web", SRV).additional.len(), 32);
    // A target with many ports counts once.
    for number in 0..31 {
        catalog.register(
            &format!("i{number}.api"),
            at("192.0.2.1 192.0.2.2").ports("a 1, b 2, c 3"),
        );
    }
    let mut resolver = Resolver::of(&catalog);
    let reply = resolver.ask("api", SRV);
    assert_eq!((reply.answer.len(), reply.additional.len()), (93, 62));
}

fn window(resolver: &mut Resolver, client: &str, qtype: u16) -> BTreeSet<Data> {
    let reply = resolver.client(client).ask("web", qtype);
    assert!(reply.tc);
    reply.set()
}

#[test]
fn a_client_sees_the_same_window_each_time_in_changing_order() {
    let mut resolver = Resolver::of(&crowd(300)).udp(Some(1232));
    for qtype in [A, SRV] {
        let first = window(&mut resolver, "198.51.100.7", qtype);
        let mut orders = BTreeSet::new();
        for _ in 0..20 {
            let reply = resolver.ask("web", qtype);
            assert_eq!(reply.set(), first);
            orders.insert(reply.in_order());
        }
        assert!(orders.len() > 15, "within the window the order changes");
    }
}

#[test]
fn clients_differ_in_what_they_see_and_together_see_all() {
    let mut resolver = Resolver::of(&crowd(300)).udp(Some(1232));
    let (mut windows, mut seen) = (BTreeSet::new(), BTreeMap::<Data, usize>::new());
    for host in 0..=255 {
        let window = window(&mut resolver, &format!("198.51.100.{host}"), A);
        for data in &window {
            *seen.entry(data.clone()).or_default() += 1;
        }
        windows.insert(window);
    }
    assert!(windows.len() > 100, "{}", windows.len());
    assert_eq!(seen.len(), 300, "nobody is left out by all");
}

#[test]
fn an_ipv6_client_is_its_64_and_a_mapped_one_its_ipv4_address() {
    let mut resolver = Resolver::of(&crowd(300)).udp(Some(1232));
    let one = window(&mut resolver, "2001:db8:0:1::1", A);
    assert_eq!(window(&mut resolver, "2001:db8:0:1:ffff:ffff:ffff:ffff", A), one);
    let others: BTreeSet<_> = (2..12)
        .map(|net| window(&mut resolver, &format!("2001:db8:0:{net}::1"), A))
        .collect();
    assert!(others.len() > 5 && !others.contains(&one));
    let v4 = window(&mut resolver, "192.0.2.1", A);
    assert_eq!(window(&mut resolver, "::ffff:192.0.2.1", A), v4);
}

#[test]
fn a_restart_and_another_server_choose_alike() {
    let catalog = crowd(300);
    let one = window(&mut Resolver::of(&catalog).udp(Some(1232)), "198.51.100.7", SRV);
    // Registered in another order, with another history, on a server with other draws.
    let mut other = Catalog::new();
    for number in (0..310).rev() {
        join(&mut other, number);
    }
    for number in 300..310 {
        other.deregister(&format!("i{number}.web"));
    }
    let mut resolver = Resolver::of(&other).udp(Some(1232)).seeded(99);
    assert_eq!(window(&mut resolver, "198.51.100.7", SRV), one);
}

/// The window is a fixed function of ids and client: a change of it would reshuffle every truncated answer.
#[test]
fn the_ring_is_the_same_for_ever() {
    let mut resolver = Resolver::of(&crowd(300)).udp(None);
    let first: Vec<String> = window(&mut resolver, "198.51.100.7", A)
        .iter()
        .take(4)
        .map(words)
        .collect();
    // The test vector of XXH3 for nothing, and one of ours.
    assert_eq!(crate::view::ring(b""), 0x2d06_8005_38d3_94c2);
    assert_eq!(crate::view::ring(b"web-1"), 14_861_603_140_197_594_164);
    assert_eq!(first, ["10.0.0.8", "10.0.0.16", "10.0.0.19", "10.0.0.32"]);
}

#[test]
fn a_change_of_membership_moves_as_little_as_it_can() {
    let mut catalog = crowd(300);
    let mut snapshot = Snapshot::of(catalog.state.clone());
    let mut before = window(
        &mut Resolver::at(Arc::new(snapshot.clone())).udp(Some(1232)),
        "198.51.100.7",
        A,
    );
    for number in 300..340 {
        let done = catalog.records.len();
        if number % 2 == 0 {
            join(&mut catalog, number);
        } else {
            catalog.deregister(&format!("i{}.web", number - 200));
        }
        snapshot = snapshot.after(catalog.state.clone(), catalog.records[done..].iter());
        let mut resolver = Resolver::at(Arc::new(snapshot.clone())).udp(Some(1232));
        let after = window(&mut resolver, "198.51.100.7", A);
        assert!(before.difference(&after).count() <= 1, "{number}");
        before = after;
    }
}

#[test]
fn the_window_takes_the_lowest_tier_first() {
    let mut catalog = Catalog::new();
    for number in 0..100 {
        catalog.register(
            &format!("i{number}.web"),
            at(&format!("192.0.2.{number}").replace("192.0.2.0", "192.0.2.200"))
                .ports("main 80")
                .tier(u16::from(number >= 5), 1),
        );
    }
    let mut resolver = Resolver::of(&catalog).udp(Some(1232));
    for host in 0..50 {
        let reply = resolver.client(&format!("198.51.100.{host}")).ask("web", SRV);
        let order = reply.in_order();
        assert!(reply.tc && order.len() > 5);
        let of_lowest = order.iter().filter(|word| word.starts_with("0 ")).count();
        assert_eq!(of_lowest, 5);
        assert!(
            order[..5].iter().all(|word| word.starts_with("0 ")),
            "in ascending priority"
        );
        let reply = resolver.ask("web", A);
        assert_eq!((reply.tc, reply.answer.len()), (false, 5));
    }
}

#[test]
fn within_a_window_weight_0_is_never_first() {
    let mut catalog = Catalog::new();
    for number in 0..200 {
        catalog.register(
            &format!("i{number}.web"),
            at(&format!("192.0.2.{}", number + 1)).weight(u16::from(number % 2 == 0)),
        );
    }
    let mut resolver = Resolver::of(&catalog).udp(Some(512));
    for host in 0..100 {
        let first = resolver
            .client(&format!("198.51.100.{host}"))
            .ask("web", A)
            .in_order()[0]
            .clone();
        let number: usize = first.rsplit('.').next().unwrap().parse().unwrap();
        assert_eq!(number % 2, 1, "{first}");
    }
}

#[test]
fn srv_of_tags_ports_and_both_is_cut_alike() {
    let mut resolver = Resolver::of(&crowd(300)).udp(Some(1232));
    for name in ["all.web", "_main._tcp.web", "_main._tcp.all.web", "_web._tcp"] {
        let reply = resolver.ask(name, SRV);
        assert!(reply.tc && reply.answer.len() > 15, "{name}");
        assert_eq!(resolver.ask(name, SRV).set(), reply.set(), "{name}");
    }
}

#[test]
fn what_even_tcp_does_not_hold_is_left_out_stably_and_counted() {
    let catalog = crowd(4096);
    let mut resolver = Resolver::of(&catalog);
    let reply = resolver.ask("web", A);
    assert_eq!(
        (reply.tc, reply.set().len()),
        (false, (TCP_MESSAGE_MAX - FIXED) / 16)
    );
    assert!(reply.octets.len() > TCP_MESSAGE_MAX - 16);
    assert_eq!(resolver.scratch.left_out, 1);
    let srv = resolver.ask("web", SRV);
    assert!(!srv.tc && srv.set().len() > 1500 && resolver.scratch.left_out == 2);
    resolver.scratch = Scratch::seeded(1);
    assert_eq!(resolver.ask("web", A).set(), reply.set());
    resolver.client("198.51.100.77");
    assert_ne!(resolver.ask("web", A).set(), reply.set());
}

#[test]
fn an_instance_of_64_addresses_at_4096_instances_answers() {
    let mut catalog = Catalog::new();
    for number in 0..400_u32 {
        let addresses: Vec<String> = (0..64)
            .map(|n| std::net::Ipv4Addr::from(0x0a00_0000 + number * 64 + n + 1).to_string())
            .collect();
        catalog.register(&format!("i{number}.web"), at(&addresses.join(" ")));
    }
    let mut resolver = Resolver::of(&catalog);
    assert_eq!(resolver.ask("web", A).set().len(), (TCP_MESSAGE_MAX - FIXED) / 16);
    catalog.set_service(
        "web",
        crate::catalog::ServiceSettings {
            answer_limit: Some(10),
            ..Default::default()
        },
    );
    let mut resolver = Resolver::of(&catalog);
    assert_eq!(resolver.ask("web", A).set().len(), 640);
}
