//! A change costs what its service weighs: counted by what it allocates, from the catalog to the snapshot.

use super::allocations::counted;
use crate::catalog::tests::fixture::*;
use crate::catalog::{Change, OnEmpty, Operation, ServiceSettings, State, Status};
use crate::view::Snapshot;

/// What each kind of change does to `big`, a service of so many instances with a tag of its own each, in a zone of so
/// many other services.
fn changes(others: usize, instances: usize) -> Vec<(&'static str, usize, usize)> {
    // With a reverse zone that has the one address of all of them.
    let mut state = Catalog::with_zones(&[ZONE, "192.in-addr.arpa"]).state;
    let mut make = |operation: Operation| drop(state.apply(&operation, BEGIN).expect("a good change"));
    for number in 0..others {
        make(register(&format!("a.s{number}"), at("192.0.2.1").ports("http 80")).into());
    }
    let tagged = |number: usize, tag: &str| {
        let tags = format!("v1 {tag}{number}");
        at("192.0.2.1").ports("http 80, dns 53/udp").tags(&tags)
    };
    for number in 0..instances {
        make(register(&format!("i{number}.big"), tagged(number, "t")).into());
    }
    let snapshot = Snapshot::of(state);
    let report = |status| Change::Report {
        key: key("i7.big"),
        port: None,
        status,
        output: output("as the test says"),
    };
    let open = Change::PutService {
        zone: zone(ZONE),
        service: service("big"),
        settings: ServiceSettings {
            on_empty: Some(OnEmpty::All),
            ..Default::default()
        },
    };
    let mut counts = Vec::new();
    for (name, change) in [
        ("another instance", register("new.big", tagged(0, "new"))),
        ("a warning", report(Status::Warning)),
        ("a failure", report(Status::Critical)),
        ("another tag", register("i7.big", tagged(7, "other"))),
        ("a setting", open),
        ("another service", register("new.new", tagged(0, "new"))),
        (
            "a farewell",
            Change::Deregister {
                key: key("i7.big"),
                absent_is_fine: false,
            },
        ),
    ] {
        let (mut state, mut records): (State, _) = (snapshot.state.clone(), Vec::new());
        let operation = change.into();
        let applied = counted(|| records = state.apply(&operation, BEGIN).expect("a good change").records);
        assert!(!records.is_empty(), "{name}");
        let published = counted(|| drop(snapshot.after(state, records.iter())));
        counts.push((name, applied, published));
    }
    counts
}

/// Nodes that the trees and maps have more of in a large zone: those of the catalog, of the view, and of the service
/// types that browsing finds. Names are hashed with a number that is drawn at each start: one run in twenty meets a page that
/// is full just then, and has 27 more.
const DEEPER: usize = 32;

#[test]
fn a_change_costs_the_same_in_a_zone_of_any_size() {
    for (small, large) in changes(50, 20).into_iter().zip(changes(10_000, 20)) {
        assert!(large.1 <= small.1 + DEEPER, "made: {small:?} {large:?}");
        assert!(large.2 <= small.2 + DEEPER, "published: {small:?} {large:?}");
    }
}

#[test]
fn whether_the_serial_moves_is_judged_by_the_names_that_a_change_touches() {
    let (few, many) = (20, 2000);
    for (small, large) in changes(1, few).into_iter().zip(changes(1, many)) {
        // The records at the service's own name and at two of its tags are compared, not those of 2,000 tags.
        let compared = if small.0 == "another tag" { 3 * many } else { 0 };
        assert!(
            large.1 <= small.1 + DEEPER + compared,
            "made: {small:?} {large:?}"
        );
        let linear = (small.2 + DEEPER) * many / few;
        assert!(large.2 <= linear, "published: {small:?} {large:?}");
    }
}
