//! Random services and zone files: whatever is published is answered, by its own name and type, and nothing else is.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::wire::*;
use crate::catalog::tests::oracle;
use crate::catalog::tests::random;
use crate::catalog::tests::static_oracle::{is_below, published};
use crate::catalog::tests::zone_file_random::Both;
use crate::catalog::{State, Zone, ZoneName};

/// Whether a delegation of the file stands at `name` or above it.
fn is_delegated(sets: &crate::catalog::tests::static_oracle::Sets, apex: &str, name: &str) -> bool {
    sets.keys()
        .any(|(owner, rtype)| *rtype == NS && owner != apex && (owner == name || is_below(name, owner)))
}

fn check(both: &Both, state: &State, zone: &Zone, resolver: &mut Resolver) -> Result<(), TestCaseError> {
    let apex = zone.name.to_string();
    let lines = both.files.get(&zone.name).cloned().unwrap_or_default();
    let sets = published(&apex, &lines);
    let is_of_lower = |name: &str| {
        let holds = |other: &ZoneName| other.as_str() == name || is_below(name, other.as_str());
        let mut lower = state
            .zones
            .keys()
            .filter(|other| other.below(&zone.name).is_some());
        lower.any(holds)
    };
    let table = oracle::table(state, zone);
    // Of the file.
    for ((owner, rtype), (ttl, data)) in &sets {
        let reply = resolver.ask(&format!("{owner}."), *rtype);
        let what = format!("{owner} {rtype} of {apex}: {reply:#?}\n{sets:#?}");
        if is_of_lower(owner) && *rtype != DS {
            // It is a delegation to a zone of ours, or glue below one, and that zone answers.
            prop_assert!(is_delegated(&sets, &apex, owner), "{}", what);
            continue;
        }
        prop_assert_eq!(reply.rcode, NOERROR, "{}", what);
        prop_assert!(!reply.tc, "{}", what);
        if is_delegated(&sets, &apex, owner) && *rtype != DS {
            prop_assert!(!reply.aa && reply.answer.is_empty(), "{}", what);
            prop_assert!(reply.authority.iter().all(|got| got.rtype == NS), "{}", what);
            prop_assert!(!reply.authority.is_empty(), "{}", what);
            continue;
        }
        prop_assert!(reply.aa, "{}", what);
        let own: Vec<_> = reply
            .answer
            .iter()
            .filter(|got| (&got.owner, got.rtype) == (owner, *rtype))
            .collect();
        // At the name of an address those of instances stand beside them, in one RRset.
        let beside = table.get(owner).and_then(|node| node.sets.get(rtype));
        let (beside_ttl, beside) = match beside {
            // Where a DNAME stands they are not published (`catalog::reverse::is_published`).
            Some((ttl, beside))
                if *rtype == PTR
                    && ![owner, &apex]
                        .iter()
                        .any(|at| sets.contains_key(&((*at).clone(), DNAME))) =>
            {
                (*ttl, beside.clone())
            }
            _ => (u32::MAX, BTreeSet::new()),
        };
        let wanted = data.len()..=data.len() + beside.len();
        prop_assert!(wanted.contains(&own.len()), "{}", what);
        let of_instances = own.iter().filter(|got| beside.contains(&got.data)).count();
        prop_assert_eq!(of_instances, beside.len(), "{}", what);
        let ttl = (*ttl).min(beside_ttl);
        prop_assert!(own.iter().all(|got| got.ttl == ttl), "{}", what);
        prop_assert!(reply.authority.is_empty(), "{}", what);
    }
    // Of services.
    for ((owner, rtype), (_, data)) in oracle::rrsets(&table) {
        // Of one address there may be a set of both, or another's: above, and `answer::tests::reverse`.
        let is_address = rtype == PTR && apex.ends_with(".arpa") && !owner.starts_with(['_', 'b']);
        if is_address || owner == apex || owner == format!("ns.{apex}") {
            continue;
        }
        let reply = resolver.ask(&format!("{owner}."), rtype);
        let mut got = reply.data();
        got.sort();
        prop_assert_eq!(
            got,
            data.into_iter().collect::<Vec<_>>(),
            "{} {} {:#?}",
            owner,
            rtype,
            lines
        );
        prop_assert_eq!((reply.rcode, reply.aa), (NOERROR, true));
    }
    // Every name that exists, by either, and by what is below it: never NXDOMAIN, unless on_empty says so.
    let mut names: Vec<&str> = sets.keys().map(|(owner, _)| owner.as_str()).collect();
    // Whether the name server is there is up to the file, and has tests of its own.
    let by_default = format!("ns.{apex}");
    let of_services = table
        .iter()
        .filter(|(name, node)| !node.denies && **name != by_default);
    names.extend(of_services.map(|(name, _)| name.as_str()));
    for name in names.into_iter().filter(|name| !is_of_lower(name)) {
        for qtype in [A, MX, ANY, 65_280] {
            let reply = resolver.ask(&format!("{name}."), qtype);
            let is_alias = reply.answer.iter().any(|got| got.rtype == CNAME);
            prop_assert!(
                reply.rcode == NOERROR || is_alias,
                "{} {}: {:#?} {:#?}",
                name,
                qtype,
                reply,
                lines
            );
        }
    }
    // Names that may or may not exist: whatever comes is well-formed, and what is answered is published.
    for one in random::LABELS {
        for other in ["web", "y", "_tcp", "a", "z"] {
            let name = format!("{one}.{other}.{apex}");
            for qtype in [A, TXT, SRV, MX, ANY] {
                let reply = resolver.ask(&format!("{name}."), qtype);
                if reply.aa && reply.answer.is_empty() {
                    prop_assert_eq!(reply.authority.len(), 1, "{} {}", name, qtype);
                    prop_assert_eq!(reply.authority[0].rtype, SOA);
                }
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_published_is_answered(seeds in random::seeds(60)) {
        let mut both = Both::new();
        let mut view = crate::view::Snapshot::of(both.real.state.clone());
        for seed in seeds {
            let records = both.real.records.len();
            both.step(seed)?;
            view = view.after(both.real.state.clone(), both.real.records[records..].iter());
        }
        let state = both.real.state.clone();
        let whole = crate::view::Snapshot::of(state.clone());
        for snapshot in [view, whole] {
            let mut resolver = Resolver::at(std::sync::Arc::new(snapshot));
            for zone in state.zones.values() {
                check(&both, &state, zone, &mut resolver)?;
            }
        }
    }
}
