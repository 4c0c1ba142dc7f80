//! That the table finds what it holds, and keeps its form.

use std::collections::BTreeMap;

use super::*;
use crate::catalog::tests::fixture::*;

/// Services of these names, one instance each.
fn services(count: usize) -> Vec<Laid> {
    let mut catalog = Catalog::new();
    for number in 0..count {
        let change = register(&format!("a.s{number}"), at("192.0.2.1").ports("main 80"));
        catalog
            .state
            .apply(&change.into(), BEGIN)
            .expect("a good registration");
    }
    let zone = &catalog.state.zones[&zone(ZONE)];
    zone.services
        .iter()
        .map(|service| Laid::new(service.clone()))
        .collect()
}

/// What holds of every node; how many services and pages there are below it.
fn check(node: &Node, depth: u32, prefix: u64, hash_of: &dyn Fn(&Laid) -> u64) -> (usize, usize) {
    let children = match node {
        Node::Page(page) => {
            assert!(
                page.slice.len() <= PAGE_MAX || depth == DEPTH_MAX,
                "{}",
                page.slice.len()
            );
            let bits = BRANCH_BITS * depth;
            let marks = page.header.header;
            for (at, service) in page.slice.iter().enumerate() {
                let hash = hash_of(service);
                assert_eq!(hash.checked_shr(u64::BITS - bits).unwrap_or(0), prefix);
                if let Some(word) = marks.get(at / 8) {
                    assert_eq!(word >> (8 * (at % 8)) & 0xff, mark(hash));
                }
            }
            return (page.slice.len(), 1);
        }
        Node::Branch(children) => children,
    };
    let (mut at, mut all) = (0, (0, 0));
    while at < FAN_OUT {
        let run = run(children, at);
        assert_eq!(run.start, at, "runs are aligned");
        assert!(run.len() < FAN_OUT, "a branch of one page is that page");
        let below = if run.len() == 1 {
            check(
                &children[at],
                depth + 1,
                prefix << BRANCH_BITS | at as u64,
                hash_of,
            )
        } else {
            let Node::Page(page) = &children[at] else {
                panic!("a branch stands in one place")
            };
            for service in &page.slice {
                assert!(run.contains(&place(hash_of(service), depth)));
            }
            (page.slice.len(), 1)
        };
        all = (all.0 + below.0, all.1 + below.1);
        at = run.end;
    }
    all
}

fn labels(table: &Table, services: &[Laid]) -> Vec<bool> {
    let is_in = |service: &Laid| {
        let label = service.view().label();
        let found = table.find(table.hash(label), label);
        assert!(found.is_none_or(|found| found.view().label() == label));
        found.is_some()
    };
    services.iter().map(is_in).collect()
}

#[test]
fn it_holds_what_a_map_of_the_standard_library_holds_and_older_ones_stay() {
    let seed = fastrand::u64(..);
    let mut random = fastrand::Rng::with_seed(seed);
    let services = services(700);
    for start in [0, 10, 700] {
        let mut table = Table::of(services[..start].iter().cloned());
        let mut model: BTreeMap<usize, ()> = (0..start).map(|number| (number, ())).collect();
        for phase in 0..6 {
            let (older, held) = (table.clone(), labels(&table, &services));
            for _ in 0..400 {
                let number = random.usize(..services.len());
                // It grows and shrinks in turns, so that pages are divided and joined.
                if random.u8(..10) < if phase % 2 == 0 { 8 } else { 1 } {
                    let old = table.insert(services[number].clone());
                    assert_eq!(old.is_some(), model.insert(number, ()).is_some(), "seed {seed}");
                } else {
                    let old = table.remove(services[number].view().label());
                    assert_eq!(old.is_some(), model.remove(&number).is_some(), "seed {seed}");
                }
            }
            let known: Vec<bool> = (0..services.len()).map(|at| model.contains_key(&at)).collect();
            assert_eq!(labels(&table, &services), known, "seed {seed}");
            assert_eq!(labels(&older, &services), held, "an older one stays, seed {seed}");
            let seeds = &table.seeds;
            let hash_of = |service: &Laid| seeds.hash_one(service.view().label());
            let (count, pages) = check(&table.root, 0, 0, &hash_of);
            assert_eq!((count, count), (model.len(), table.len()), "seed {seed}");
            assert!(
                pages <= 4 + model.len() / 2,
                "{pages} pages of {}, seed {seed}",
                model.len()
            );
        }
    }
}

#[test]
fn labels_of_one_hash_share_a_page_and_are_told_apart() {
    const HASH: u64 = 0x0123_4567_89ab_cdef;
    let hash_of = |_: &Laid| HASH;
    let services = services(40);
    let mut table = Table::default();
    for service in &services {
        assert!(insert(&mut table.root, 0, (HASH, service.clone()), &hash_of).is_none());
    }
    assert_eq!(check(&table.root, 0, 0, &hash_of).0, 40);
    let is_in = |table: &Table, service: &Laid| {
        let label = service.view().label();
        table
            .find(HASH, label)
            .is_some_and(|found| found.view().label() == label)
    };
    assert!(services.iter().all(|service| is_in(&table, service)));
    for service in &services[..30] {
        remove(&mut table.root, 0, (HASH, service.view().label()), &hash_of);
        assert!(!is_in(&table, service));
    }
    assert!(services[30..].iter().all(|service| is_in(&table, service)));
    assert!(table.find(!HASH, services[30].view().label()).is_none());
}
