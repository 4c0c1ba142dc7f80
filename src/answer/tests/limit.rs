//! `answer_limit`: it counts instances, fills tier by tier, draws by weight, and never sets TC.

use std::collections::{BTreeMap, BTreeSet};

use super::wire::*;
use crate::answer::Transport;
use crate::catalog::ServiceSettings;
use crate::catalog::tests::fixture::*;

fn limited(limit: u32) -> Catalog {
    let mut catalog = Catalog::new();
    limit_to(&mut catalog, limit);
    catalog
}

fn limit_to(catalog: &mut Catalog, limit: u32) {
    catalog.set_service(
        "web",
        ServiceSettings {
            answer_limit: Some(limit),
            ..Default::default()
        },
    );
}

/// How often each answer came, over `times` questions.
fn tally(resolver: &mut Resolver, name: &str, qtype: u16, times: usize) -> BTreeMap<Vec<String>, usize> {
    let mut tally = BTreeMap::new();
    for _ in 0..times {
        let reply = resolver.ask(name, qtype);
        assert!(!reply.tc, "no TC for a limit");
        reply.set();
        *tally.entry(reply.words()).or_default() += 1;
    }
    tally
}

#[test]
fn a_limit_counts_instances_and_brings_all_that_each_has() {
    let mut catalog = limited(2);
    for at_ in 1..=5 {
        catalog.register(
            &format!("i{at_}.web"),
            at(&format!("192.0.2.{at_} 198.51.100.{at_} 2001:db8::{at_}")).ports("main 80, b 81"),
        );
    }
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut resolver = Resolver::of(&catalog);
        resolver.transport = transport;
        let seen = tally(&mut resolver, "web", A, 200);
        assert_eq!(seen.len(), 10, "every pair comes: {seen:?}");
        for words in seen.keys() {
            assert_eq!(words.len(), 4);
            assert_eq!(words[0].replace("192.0.2", "198.51.100"), words[2]);
        }
        assert!(tally(&mut resolver, "web", AAAA, 50).keys().all(|w| w.len() == 2));
        assert!(tally(&mut resolver, "web", SRV, 50).keys().all(|w| w.len() == 2));
        assert!(
            tally(&mut resolver, "_b._tcp.web", SRV, 50)
                .keys()
                .all(|w| w.len() == 2)
        );
    }
}

#[test]
fn a_limit_that_is_not_reached_answers_all() {
    for limit in [0, 3, 4, 1000, u32::MAX] {
        let mut catalog = limited(limit);
        for at_ in 1..=3 {
            catalog.register(
                &format!("i{at_}.web"),
                at(&format!("192.0.2.{at_}")).ports("main 80"),
            );
        }
        let mut resolver = Resolver::of(&catalog);
        assert_eq!(resolver.ask("web", A).words().len(), 3, "{limit}");
        assert_eq!(resolver.ask("web", SRV).words().len(), 3, "{limit}");
    }
}

#[test]
fn a_shared_address_appears_once_whatever_the_limit() {
    for limit in 1..=8 {
        let mut catalog = limited(limit);
        catalog.register("a.web", at("192.0.2.1 192.0.2.2"));
        catalog.register("b.web", at("192.0.2.2 192.0.2.3"));
        catalog.register("c.web", at("192.0.2.1 192.0.2.3"));
        let mut resolver = Resolver::of(&catalog);
        let wanted = if limit == 1 { 2 } else { 3 };
        for words in tally(&mut resolver, "web", A, 50).keys() {
            assert_eq!(words.len(), wanted, "{limit}: {words:?}");
        }
    }
}

#[test]
fn a_limit_draws_by_weight_and_weight_0_last() {
    let mut catalog = limited(1);
    catalog.register("a.web", at("192.0.2.1").ports("main 80").weight(1));
    catalog.register("b.web", at("192.0.2.2").ports("main 80").weight(3));
    catalog.register("c.web", at("192.0.2.3").ports("main 80").weight(0));
    let mut resolver = Resolver::of(&catalog).seeded(11);
    for (qtype, heavy) in [(A, "192.0.2.2"), (SRV, "0 3 80 b.web")] {
        let seen = tally(&mut resolver, "web", qtype, 2000);
        assert_eq!(
            seen.len(),
            2,
            "weight 0 is not drawn while another has weight: {seen:?}"
        );
        let often = seen[&vec![heavy.to_owned()]];
        assert!((1400..1600).contains(&often), "three in four: {seen:?}");
    }
    limit_to(&mut catalog, 3);
    let mut resolver = Resolver::of(&catalog);
    assert_eq!(
        resolver.ask("web", SRV).words().len(),
        3,
        "weight 0 fills what is left"
    );
}

#[test]
fn among_weights_of_0_a_limit_draws_evenly() {
    let mut catalog = limited(1);
    for at_ in 1..=4 {
        catalog.register(
            &format!("i{at_}.web"),
            at(&format!("192.0.2.{at_}")).ports("main 80").weight(0),
        );
    }
    let mut resolver = Resolver::of(&catalog).seeded(5);
    for qtype in [A, SRV] {
        let seen = tally(&mut resolver, "web", qtype, 2000);
        assert_eq!(seen.len(), 4, "{seen:?}");
        assert!(seen.values().all(|often| (400..600).contains(often)), "{seen:?}");
    }
}

#[test]
fn a_limit_fills_tier_by_tier() {
    let mut catalog = limited(3);
    catalog.register("a.web", at("192.0.2.1").ports("main 80").tier(0, 0));
    catalog.register("b.web", at("192.0.2.2").ports("main 80").tier(0, 1));
    for at_ in 3..=5 {
        catalog.register(
            &format!("i{at_}.web"),
            at(&format!("192.0.2.{at_}")).ports("main 80").tier(7, 100),
        );
    }
    let mut resolver = Resolver::of(&catalog);
    let mut thirds = BTreeSet::new();
    for _ in 0..100 {
        let reply = resolver.ask("web", SRV);
        let order = reply.in_order();
        assert_eq!(order.len(), 3);
        assert_eq!(order[0], "0 1 80 b.web", "weight 0 is not first");
        assert_eq!(order[1], "0 0 80 a.web");
        thirds.insert(order[2].clone());
    }
    assert_eq!(thirds.len(), 3, "the next tier is drawn from");
    // Addresses come from the lowest tier alone, limit or not.
    assert_eq!(resolver.ask("web", A).words(), ["192.0.2.1", "192.0.2.2"]);
}

#[test]
fn a_limit_draws_among_those_with_a_record_of_the_type_asked() {
    let mut catalog = limited(1);
    for at_ in 1..=8 {
        catalog.register(&format!("i{at_}.web"), at(&format!("192.0.2.{at_}")));
    }
    catalog.register("six.web", at("2001:db8::1").ports("main 80"));
    let mut resolver = Resolver::of(&catalog);
    for _ in 0..50 {
        assert_eq!(resolver.ask("web", AAAA).words(), ["2001:db8::1"]);
        assert_eq!(resolver.ask("web", SRV).words(), ["0 1 80 six.web"]);
        assert_eq!(resolver.ask("web", A).words().len(), 1);
    }
}

#[test]
fn of_an_instance_with_two_records_either_comes_first() {
    let mut catalog = limited(1);
    catalog.register("a.web", at("192.0.2.1 192.0.2.2").ports("a 80, b 81"));
    let mut resolver = Resolver::of(&catalog);
    for qtype in [A, SRV] {
        let firsts: BTreeSet<String> = (0..64)
            .map(|_| resolver.ask("web", qtype).in_order()[0].clone())
            .collect();
        assert_eq!(firsts.len(), 2, "{firsts:?}");
    }
}

#[test]
fn a_host_name_knows_no_limit() {
    let mut catalog = limited(1);
    catalog.register("a.web", at("192.0.2.1 192.0.2.2").ports("x 80, y 81, z 82"));
    let mut resolver = Resolver::of(&catalog);
    assert_eq!(resolver.ask("a.web", A).words().len(), 2);
    assert_eq!(resolver.ask("a.web", SRV).words().len(), 3);
}

#[test]
fn the_zones_limit_holds_where_the_service_sets_none() {
    let mut catalog = Catalog::new();
    catalog.set_zone(
        ZONE,
        crate::catalog::ZoneSettings {
            answer_limit: Some(1),
            ..Default::default()
        },
    );
    for service in ["web", "api"] {
        for at_ in 1..=3 {
            catalog.register(&format!("i{at_}.{service}"), at(&format!("192.0.2.{at_}")));
        }
    }
    // 0 is all, and a value of its own.
    limit_to(&mut catalog, 0);
    let mut resolver = Resolver::of(&catalog);
    assert_eq!(resolver.ask("api", A).words().len(), 1);
    assert_eq!(resolver.ask("web", A).words().len(), 3);
}

#[test]
fn a_limit_does_not_keep_what_does_not_fit_from_setting_tc() {
    let mut catalog = limited(40);
    for number in 0..60 {
        catalog.register(
            &format!("instance-number-{number}.web"),
            at(&format!("192.0.2.{number}").replace("192.0.2.0", "192.0.2.200")).ports("main 80"),
        );
    }
    let mut resolver = Resolver::of(&catalog).udp(Some(1232));
    let reply = resolver.ask("web", SRV);
    assert!(reply.tc && reply.set().len() < 40 && !reply.answer.is_empty());
    let reply = resolver.ask("web", A);
    assert!(!reply.tc && reply.set().len() == 40);
    resolver.transport = Transport::Tcp;
    assert_eq!(resolver.ask("web", SRV).set().len(), 40);
}

#[test]
fn a_limit_holds_in_a_window_that_shares_addresses() {
    // Each instance has forty addresses of its own and one of all: two fill more than 1232 octets.
    let mut catalog = limited(3);
    for number in 0..8 {
        let addresses: Vec<String> = (0..40).map(|n| format!("10.0.{number}.{n}")).collect();
        catalog.register(
            &format!("i{number}.web"),
            at(&format!("192.0.2.1 {}", addresses.join(" "))),
        );
    }
    let mut resolver = Resolver::of(&catalog).udp(Some(1232));
    let reply = resolver.ask("web", A);
    let instances: BTreeSet<String> = reply
        .set()
        .iter()
        .map(words)
        .filter(|w| w != "192.0.2.1")
        .map(|w| w.split('.').nth(2).unwrap().to_owned())
        .collect();
    assert!(reply.tc && instances.len() <= 3, "{instances:?}");
    assert_eq!(reply.answer.len(), (1232 - 12 - 22 - 11) / 16, "as many as fit");
    resolver.transport = Transport::Tcp;
    assert_eq!(resolver.ask("web", A).set().len(), 3 * 40 + 1);
}
