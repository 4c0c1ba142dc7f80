//! How a service is laid out, at the bounds where numbers could run over, and what snapshots share.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use super::*;
use crate::catalog::limits::PORTS_MAX;
use crate::catalog::tests::fixture::*;
use crate::catalog::{Change, Protocol, Status};

fn view(catalog: &Catalog, name: &str) -> ServiceView {
    ServiceView::new(Arc::new(catalog.service(name).clone()))
}

#[test]
fn equal_addresses_are_kept_once_below_and_above_the_scan() {
    for count in [1_usize, 15, 16, 17, 18, 40, 200] {
        let mut catalog = Catalog::new();
        for number in 0..count {
            let addresses = format!("192.0.2.{} 10.0.0.1 2001:db8::{:x}", number + 1, number % 3);
            catalog.register(&format!("i{number}.web"), at(&addresses.replace("::0", "::9")));
        }
        let view = view(&catalog, "web");
        assert_eq!(view.address_counts(), [count + 1, count.min(3)], "{count}");
        let list = view.own.v4.each_once(&view);
        let mut numbers = list.numbers.to_vec();
        numbers.sort_unstable();
        assert_eq!(numbers, (0..=count as u32).collect::<Vec<_>>(), "{count}");
        assert_eq!(list.members.len(), list.numbers.len());
    }
}

#[test]
fn more_than_65536_names_of_ports_are_told_apart() {
    let mut catalog = Catalog::new();
    for number in 0..1025_usize {
        let ports: Vec<_> = (0..PORTS_MAX)
            .map(|at| format!("p{:05} 1", number * PORTS_MAX + at))
            .collect();
        let change = register(&format!("i{number}.web"), at("192.0.2.1").ports(&ports.join(",")));
        catalog.state.apply(&change.into(), BEGIN).unwrap();
    }
    let view = view(&catalog, "web");
    let (low, _) = view.port(b"p00000", Protocol::Tcp).unwrap();
    let (high, _) = view.port(b"p65536", Protocol::Tcp).unwrap();
    assert_ne!(low, high);
    let names: std::collections::BTreeSet<_> = (0..view.ports_len() as u32)
        .map(|at| view.port_at(at).name)
        .collect();
    assert_eq!(names.len(), 1025 * PORTS_MAX);
}

#[test]
fn a_change_leaves_other_services_and_older_snapshots_as_they_were() {
    let mut catalog = Catalog::with_zones(&[ZONE, "example.org"]);
    catalog.register("a.web", at("192.0.2.1"));
    catalog.register("a.api", at("192.0.2.1"));
    let before = Snapshot::of(catalog.state.clone());
    let done = catalog.records.len();
    catalog.register("b.web", at("192.0.2.2"));
    let after = before.after(catalog.state.clone(), catalog.records[done..].iter());
    let apex = zone(ZONE).to_wire();
    let service = |snapshot: &Snapshot, label: &[u8]| -> *const ServiceView {
        snapshot.zone(&apex).unwrap().service(label).unwrap()
    };
    assert_eq!(service(&before, b"api"), service(&after, b"api"), "shared");
    assert_ne!(service(&before, b"web"), service(&after, b"web"));
    assert_eq!(
        before.zone(&apex).unwrap().service(b"web").unwrap().members_len(),
        1
    );
    assert_eq!(
        after.zone(&apex).unwrap().service(b"web").unwrap().members_len(),
        2
    );
    let other = zone("example.org").to_wire();
    assert!(std::ptr::eq(
        before.zone(&other).unwrap(),
        after.zone(&other).unwrap()
    ));
}

#[test]
fn a_zone_deleted_and_made_anew_in_one_batch_begins_empty() {
    let mut catalog = Catalog::new();
    catalog.register("a.web", at("192.0.2.1").tags("t").ports("p 1"));
    catalog.deregister("a.web");
    let before = Snapshot::of(catalog.state.clone());
    let done = catalog.records.len();
    catalog.make(Change::DeleteZone { zone: zone(ZONE) });
    catalog.set_zone(ZONE, crate::catalog::ZoneSettings::default());
    catalog.register("a.api", at("192.0.2.1"));
    let after = before.after(catalog.state.clone(), catalog.records[done..].iter());
    let apex = zone(ZONE).to_wire();
    let view = after.zone(&apex).unwrap();
    assert!(view.service(b"web").is_none() && view.service(b"api").is_some());
    assert!(!view.has_protocol(Protocol::Tcp));
    assert_eq!(view.serial(), catalog.serial());
}

#[test]
fn a_large_zone_is_laid_out_by_threads_as_by_one() {
    let mut catalog = Catalog::new();
    for number in 0..9_000 {
        let change = register(&format!("a.s{number}"), at("192.0.2.1").ports("p 1"));
        catalog.state.apply(&change.into(), BEGIN).unwrap();
    }
    let snapshot = Snapshot::of(catalog.state.clone());
    let view = snapshot.zone(&zone(ZONE).to_wire()).unwrap();
    assert!((0..9_000).all(|number| view.service(format!("s{number}").as_bytes()).is_some()));
    assert!(view.has_protocol(Protocol::Tcp));
}

#[test]
fn a_change_that_ends_no_type_leaves_the_index_of_types_as_it_was() {
    let mut catalog = Catalog::new();
    let long = "a".repeat(63);
    for id in ["a", "b", &long] {
        catalog.register(&format!("{id}.web"), at("192.0.2.1").ports("main 80, http 81"));
    }
    let before = Snapshot::of(catalog.state.clone());
    let apex = zone(ZONE).to_wire();
    let after = |catalog: &mut Catalog, change: Change| {
        let done = catalog.records.len();
        catalog.make(change);
        let after = before.after(catalog.state.clone(), catalog.records[done..].iter());
        let index = |snapshot: &Snapshot| snapshot.zone(&apex).unwrap().discovery.clone();
        Arc::ptr_eq(&index(&before), &index(&after))
    };
    let critical = |name: &str| report(name, None, Status::Critical, "");
    assert!(after(&mut catalog, critical("a.web")), "b is still found");
    assert!(after(&mut catalog, deregister("a.web")));
    assert!(after(
        &mut catalog,
        register("c.web", at("192.0.2.1").ports("main 1, http 2"))
    ));
    let other = register("c.web", at("192.0.2.1").ports("main 1, other 2"));
    assert!(!after(&mut catalog, other), "another type");
}

#[test]
fn what_is_kept_for_browsing_does_not_make_a_service_larger() {
    // It lies in the octets that alignment leaves unused after `only_protocol`.
    use std::mem::offset_of;
    let from = offset_of!(ServiceView, only_protocol);
    assert_eq!(offset_of!(ServiceView, protocols), (from + 1).next_multiple_of(8));
}
