//! Lapses, drains, and removals that follow from them.

use super::fixture::*;
use crate::catalog::*;

fn leased() -> Catalog {
    let mut catalog = Catalog::new();
    catalog.register("a.web", at("192.0.2.1").lease(1_000));
    catalog
}

fn remove(name: &str, due: Due) -> Change {
    Change::Remove { key: key(name), due }
}

#[test]
fn a_lapse_is_critical_once() {
    let mut catalog = leased();
    let effect = catalog.advance(1_000).lapse("a.web");
    assert_eq!(effect.records[0].kind, Kind::Lapse);
    let instance = catalog.instance("a.web");
    assert_eq!(
        (instance.lapsed(), instance.status()),
        (Some(catalog.now), Status::Critical)
    );
    assert!(!catalog.advance(1).lapse("a.web").changed());
}

#[test]
fn an_instance_without_a_lease_does_not_lapse() {
    let mut catalog = Catalog::new();
    catalog.register("a.web", at("192.0.2.1"));
    assert!(!catalog.lapse("a.web").changed());
}

#[test]
fn a_heartbeat_clears_that_verdict_and_only_that() {
    let mut catalog = leased();
    catalog.report("a.web", Status::Critical);
    catalog.lapse("a.web");
    let effect = catalog.heartbeat("a.web");
    assert_eq!(effect.records[0].kind, Kind::Revive);
    let instance = catalog.instance("a.web");
    assert_eq!((instance.lapsed(), instance.status()), (None, Status::Critical));
    assert!(!catalog.heartbeat("a.web").changed(), "a renewal is no change");
}

#[test]
fn a_report_and_a_registration_revive_too() {
    let mut catalog = leased();
    catalog.lapse("a.web");
    assert_eq!(
        catalog.report("a.web", Status::Passing).records[0].kind,
        Kind::Health
    );
    assert_eq!(catalog.instance("a.web").lapsed(), None);
    catalog.lapse("a.web");
    let effect = catalog.register("a.web", at("192.0.2.1").lease(1_000));
    assert_eq!((effect.records[0].kind, effect.created), (Kind::Register, false));
    assert_eq!(catalog.instance("a.web").lapsed(), None);
    catalog.lapse("a.web");
    catalog.drain("a.web");
    assert!(catalog.instance("a.web").lapsed().is_some(), "a drain does not");
}

#[test]
fn deregister_after_0_removes_in_the_same_commit() {
    let mut catalog = Catalog::new();
    catalog.register("a.web", at("192.0.2.1").lease(1_000).deregister_after(0));
    let effect = catalog.lapse("a.web");
    let kinds: Vec<_> = effect.records.iter().map(|record| record.kind).collect();
    assert_eq!(kinds, [Kind::Lapse, Kind::Deregister]);
    assert!(!catalog.has("a.web"));
}

#[test]
fn a_removal_acts_only_while_its_cause_stands() {
    let mut catalog = leased();
    catalog.lapse("a.web");
    let lapsed = catalog.now;
    catalog.advance(10);
    for stale in [Due::Lapsed(catalog.now), Due::Drained(lapsed)] {
        assert!(!catalog.make(remove("a.web", stale)).changed());
    }
    catalog.heartbeat("a.web");
    assert!(
        !catalog.make(remove("a.web", Due::Lapsed(lapsed))).changed(),
        "revived"
    );
    catalog.lapse("a.web");
    assert!(
        !catalog.make(remove("a.web", Due::Lapsed(lapsed))).changed(),
        "another lapse"
    );
    let now = catalog.now;
    let effect = catalog.make(remove("a.web", Due::Lapsed(now)));
    assert_eq!(effect.records[0].kind, Kind::Deregister);
    assert!(!catalog.has("a.web"));
}

#[test]
fn a_drain_without_delete_after_is_never_due() {
    let mut catalog = leased();
    catalog.drain("a.web");
    assert!(!catalog.make(remove("a.web", Due::Drained(BEGIN))).changed());
    catalog.make(drain("a.web", true, Some(delay(10))));
    assert!(catalog.make(remove("a.web", Due::Drained(BEGIN))).changed());
}

#[test]
fn draining_again_keeps_since_unless_the_delay_differs() {
    let mut catalog = leased();
    assert_eq!(catalog.drain("a.web").records[0].kind, Kind::Drain);
    catalog.advance(1_000);
    assert!(!catalog.drain("a.web").changed());
    assert_eq!(catalog.instance("a.web").drain().unwrap().since, BEGIN);
    catalog.make(drain("a.web", true, Some(delay(5))));
    let begun = catalog.now;
    assert_eq!(catalog.instance("a.web").drain().unwrap().since, begun);
    catalog.advance(1_000);
    assert!(!catalog.make(drain("a.web", true, Some(delay(5)))).changed());
    assert!(catalog.undrain("a.web").changed());
    assert_eq!(catalog.instance("a.web").drain(), None);
    assert!(!catalog.undrain("a.web").changed());
    assert!(!catalog.make(remove("a.web", Due::Drained(begun))).changed());
}
