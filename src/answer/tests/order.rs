//! Tiers, and the order within them: the first by weight, the others at random.

use std::collections::BTreeMap;

use super::wire::*;
use crate::catalog::Status;
use crate::catalog::tests::fixture::*;

/// How often each record stood first, over `times` questions.
fn firsts(resolver: &mut Resolver, name: &str, qtype: u16, times: usize) -> BTreeMap<String, usize> {
    let mut firsts = BTreeMap::new();
    for _ in 0..times {
        *firsts
            .entry(resolver.ask(name, qtype).in_order().remove(0))
            .or_default() += 1;
    }
    firsts
}

fn near(count: usize, share: f64, times: usize) -> bool {
    // Five standard deviations of a binomial: it does not fail by chance, and a wrong share does fail.
    let times = times as f64;
    (count as f64 - share * times).abs() < 5.0 * (times * share * (1.0 - share)).sqrt()
}

#[test]
fn each_family_comes_from_its_lowest_tier_and_srv_shows_all_in_order() {
    let mut catalog = Catalog::new();
    catalog.register("a.web", at("192.0.2.1").ports("main 80").tier(1, 1));
    catalog.register("b.web", at("192.0.2.2 2001:db8::2").ports("main 80").tier(2, 1));
    catalog.register("c.web", at("2001:db8::3").ports("main 80").tier(65_535, 1));
    let mut resolver = Resolver::of(&catalog);
    assert_eq!(resolver.ask("web", A).words(), ["192.0.2.1"]);
    assert_eq!(resolver.ask("web", AAAA).words(), ["2001:db8::2"]);
    assert_eq!(
        resolver.ask("web", SRV).in_order(),
        ["1 1 80 a.web", "2 1 80 b.web", "65535 1 80 c.web"]
    );
}

#[test]
fn when_the_lowest_tier_is_gone_the_next_answers() {
    let mut catalog = Catalog::new();
    catalog.register("a.web", at("192.0.2.1").tier(1, 1).tags("t"));
    catalog.register("b.web", at("192.0.2.2").tier(2, 1).tags("t"));
    catalog.report("a.web", Status::Critical);
    let mut resolver = Resolver::of(&catalog);
    assert_eq!(resolver.ask("web", A).words(), ["192.0.2.2"]);
    assert_eq!(resolver.ask("t.web", A).words(), ["192.0.2.2"]);
    catalog.report("a.web", Status::Warning);
    assert_eq!(Resolver::of(&catalog).ask("web", A).words(), ["192.0.2.1"]);
}

#[test]
fn the_first_is_drawn_in_proportion_to_weight() {
    let mut catalog = Catalog::new();
    for (id, weight) in [("a", 1), ("b", 2), ("c", 7)] {
        let number = weight;
        catalog.register(
            &format!("{id}.web"),
            at(&format!("192.0.2.{number}"))
                .ports("main 80, http 8080")
                .weight(weight),
        );
    }
    for seed in [1, 2, 3] {
        let mut resolver = Resolver::of(&catalog).seeded(seed);
        for (name, qtype) in [("web", A), ("web", SRV), ("_http._tcp.web", SRV)] {
            let firsts = firsts(&mut resolver, name, qtype, 3000);
            for (id, weight) in [("a", 1), ("b", 2), ("c", 7)] {
                let is_it = |word: &str| match qtype {
                    A => word == format!("192.0.2.{weight}"),
                    _ => word.ends_with(&format!("{id}.web")),
                };
                let count = firsts
                    .iter()
                    .filter(|(word, _)| is_it(word))
                    .map(|(_, n)| n)
                    .sum();
                assert!(
                    near(count, f64::from(weight) / 10.0, 3000),
                    "seed {seed} {name} {firsts:?}"
                );
            }
        }
    }
}

#[test]
fn weight_0_is_never_first_while_another_has_weight() {
    let mut catalog = Catalog::new();
    catalog.register("a.web", at("192.0.2.1").ports("main 80").weight(0));
    catalog.register("b.web", at("192.0.2.2").ports("main 80").weight(1));
    let mut resolver = Resolver::of(&catalog);
    for qtype in [A, SRV] {
        assert_eq!(firsts(&mut resolver, "web", qtype, 200).len(), 1);
        assert_eq!(
            resolver.ask("web", qtype).answer.len(),
            2,
            "it is there all the same"
        );
    }
    catalog.register("b.web", at("192.0.2.2").ports("main 80").weight(0));
    let mut resolver = Resolver::of(&catalog);
    for qtype in [A, SRV] {
        let firsts = firsts(&mut resolver, "web", qtype, 1000);
        assert!(firsts.values().all(|n| near(*n, 0.5, 1000)), "{firsts:?}");
    }
}

#[test]
fn instances_that_share_an_address_add_their_weights() {
    // Each address weighs 3 in all, though not by whom it is found first.
    let mut catalog = Catalog::new();
    catalog.register("a.web", at("192.0.2.1").weight(1));
    catalog.register("b.web", at("192.0.2.1").weight(2));
    catalog.register("c.web", at("192.0.2.2").weight(3));
    let firsts_of = |catalog: &Catalog| {
        let mut resolver = Resolver::of(catalog).seeded(9);
        firsts(&mut resolver, "web", A, 2000)
    };
    let even = firsts_of(&catalog);
    assert!(near(even["192.0.2.1"], 0.5, 2000), "{even:?}");
    catalog.register("d.web", at("192.0.2.1").weight(6));
    let uneven = firsts_of(&catalog);
    assert!(near(uneven["192.0.2.1"], 0.75, 2000), "{uneven:?}");
    catalog.register("c.web", at("192.0.2.2").weight(0));
    assert_eq!(firsts_of(&catalog).len(), 1);
}

#[test]
fn the_others_follow_in_random_order() {
    let mut catalog = Catalog::new();
    for number in 1..=4 {
        catalog.register(
            &format!("i{number}.web"),
            at(&format!("192.0.2.{number}")).ports("main 80"),
        );
    }
    for seed in [1, 2] {
        let mut resolver = Resolver::of(&catalog).seeded(seed);
        for qtype in [A, SRV] {
            let mut orders: BTreeMap<Vec<String>, usize> = BTreeMap::new();
            for _ in 0..2400 {
                *orders.entry(resolver.ask("web", qtype).in_order()).or_default() += 1;
            }
            assert_eq!(orders.len(), 24, "seed {seed}");
            assert!(
                orders.values().all(|n| near(*n, 1.0 / 24.0, 2400)),
                "seed {seed} {orders:?}"
            );
        }
    }
}

#[test]
fn each_tier_has_its_own_draw() {
    let mut catalog = Catalog::new();
    for (id, tier, weight) in [("a", 0, 1), ("b", 0, 0), ("c", 5, 0), ("d", 5, 9)] {
        catalog.register(
            &format!("{id}.web"),
            at("192.0.2.1").ports("main 80").tier(tier, weight),
        );
    }
    let mut resolver = Resolver::of(&catalog);
    for _ in 0..20 {
        assert_eq!(
            resolver.ask("web", SRV).in_order(),
            ["0 1 80 a.web", "0 0 80 b.web", "5 9 80 d.web", "5 0 80 c.web"]
        );
    }
}

#[test]
fn a_seed_repeats_its_draws() {
    let mut catalog = Catalog::new();
    for number in 1..=9 {
        catalog.register(&format!("i{number}.web"), at(&format!("192.0.2.{number}")));
    }
    let draw = |seed| {
        let mut resolver = Resolver::of(&catalog).seeded(seed);
        (0..5)
            .map(|_| resolver.ask("web", A).in_order())
            .collect::<Vec<_>>()
    };
    assert_eq!(draw(1), draw(1));
    assert_ne!(draw(1), draw(2));
}
