//! Random catalogs against the oracle, over every name that may matter; and invariant 2: a snapshot made from
//! another by records answers as one made from the state.

use std::sync::Arc;

use proptest::prelude::*;

use super::wire::*;
use crate::answer::Transport;
use crate::catalog::tests::fixture::*;
use crate::catalog::tests::oracle::{self, Table};
use crate::catalog::tests::random::{LABELS, ZONES, operation, seeds};
use crate::view::Snapshot;

/// The names to ask of a zone: those that exist, their neighbours, and all short ones over the labels in use.
fn names(table: &Table, apex: &str, random: &mut fastrand::Rng) -> Vec<String> {
    let mut names: Vec<String> = table.keys().cloned().collect();
    for name in table.keys() {
        names.push(format!("{}.{name}", LABELS[random.usize(..LABELS.len())]));
        names.push(format!("x.{}.{name}", LABELS[random.usize(..LABELS.len())]));
    }
    for first in LABELS {
        names.push(format!("{first}.{apex}"));
        for second in LABELS {
            names.push(format!("{first}.{second}.{apex}"));
        }
    }
    for _ in 0..200 {
        let labels: Vec<_> = (0..random.usize(3..=5))
            .map(|_| LABELS[random.usize(..LABELS.len())])
            .collect();
        names.push(format!("{}.{apex}", labels.join(".")));
    }
    names.retain(|name| name.len() <= 253);
    names
}

/// Without EDNS: all of an RRset, or with TC a part of it that is as large as fits.
fn small_agrees(resolver: &mut Resolver, table: &Table) -> Result<(), TestCaseError> {
    (resolver.transport, resolver.edns) = (Transport::Udp, None);
    for (name, node) in table {
        for (rtype, (_, wanted)) in &node.sets {
            if matches!(*rtype, SOA | NS | TXT) {
                continue;
            }
            let reply = resolver.ask(&format!("{name}."), *rtype);
            let got = reply.set();
            prop_assert!(got.is_subset(wanted), "{} {}", name, rtype);
            prop_assert_eq!(reply.tc, got != *wanted, "{} {}", name, rtype);
            if reply.tc {
                // The target of a PTR or SRV may begin with a label of 63 octets that the owner does not have.
                let longest = 12 + 6 + 64 + name.len() + 12;
                prop_assert!(reply.octets.len() + longest > 512, "{} {}", name, rtype);
            }
        }
    }
    (resolver.transport, resolver.edns) = (Transport::Tcp, Some(1232));
    Ok(())
}

fn agrees_with_oracle(catalog: &Catalog, snapshot: Arc<Snapshot>, seed: u64) -> Result<(), TestCaseError> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut resolver = Resolver::at(snapshot).seeded(seed);
    let apexes: Vec<String> = catalog.state.zones.keys().map(ToString::to_string).collect();
    for (name, zone) in &catalog.state.zones {
        let apex = name.to_string();
        let table = oracle::table(&catalog.state, zone);
        for name in names(&table, &apex, &mut random) {
            // The longest zone that matches has the name.
            let longest = apexes
                .iter()
                .filter(|zone| name == **zone || name.ends_with(&format!(".{zone}")))
                .max_by_key(|zone| zone.len());
            if longest != Some(&apex) {
                continue;
            }
            let has_parent = apexes.iter().any(|zone| name.ends_with(&format!(".{zone}")));
            for qtype in [A, AAAA, SRV, PTR, TXT, ANY, OTHERS[random.usize(..OTHERS.len())]] {
                if qtype == DS && name == apex && has_parent {
                    // The parent's: `answer::tests::statics` has it.
                    continue;
                }
                agrees(&mut resolver, &table, &apex, &name, qtype).map_err(TestCaseError::fail)?;
            }
        }
        for qtype in [SOA, NS] {
            agrees(&mut resolver, &table, &apex, &apex, qtype).map_err(TestCaseError::fail)?;
            let below = format!("web.{apex}");
            if !apexes.contains(&below) {
                agrees(&mut resolver, &table, &apex, &below, qtype).map_err(TestCaseError::fail)?;
            }
        }
        small_agrees(&mut resolver, &table)?;
        let reply = resolver.ask(&format!("{apex}."), SOA);
        prop_assert_eq!(reply.serial, Some(zone.serial));
    }
    for gone in ZONES
        .iter()
        .filter(|name| !apexes.iter().any(|apex| name.ends_with(apex.as_str())))
    {
        prop_assert_eq!(resolver.ask(&format!("{gone}."), A).rcode, REFUSED);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_random_catalog_answers_as_the_contract_says(seeds in seeds(40)) {
        let mut catalog = Catalog::new();
        for seed in &seeds {
            let operation = operation(*seed, &mut catalog);
            drop(catalog.attempt(operation));
        }
        agrees_with_oracle(&catalog, Arc::new(Snapshot::of(catalog.state.clone())), seeds[0])?;
    }

    /// Batches of one to eight operations, refused ones among them, each laid over the snapshot before.
    #[test]
    fn a_snapshot_made_by_records_answers_as_one_made_whole(seeds in seeds(60)) {
        let mut catalog = Catalog::new();
        let mut snapshot = Snapshot::of(catalog.state.clone());
        let mut batch = fastrand::Rng::with_seed(seeds[0]);
        let mut done = catalog.records.len();
        for (at, seed) in seeds.iter().enumerate() {
            let operation = operation(*seed, &mut catalog);
            drop(catalog.attempt(operation));
            if batch.u8(..5) == 0 || at + 1 == seeds.len() {
                snapshot = snapshot.after(catalog.state.clone(), catalog.records[done..].iter());
                done = catalog.records.len();
            }
        }
        agrees_with_oracle(&catalog, Arc::new(snapshot), seeds[0])?;
    }
}
