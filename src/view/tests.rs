//! How a service is laid out, at the bounds where numbers could run over, and what snapshots share.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use super::draft::Draft;
use super::*;
use crate::catalog::limits::PORTS_MAX;
use crate::catalog::tests::fixture::*;
use crate::catalog::{Change, Protocol, Status};

fn laid(catalog: &Catalog, name: &str) -> Laid {
    Laid::new(Arc::new(catalog.service(name).clone()))
}

#[test]
fn equal_addresses_are_kept_once_below_and_above_the_scan() {
    for count in [1_usize, 15, 16, 17, 18, 40, 200] {
        let mut catalog = Catalog::new();
        for number in 0..count {
            let addresses = format!("192.0.2.{} 10.0.0.1 2001:db8::{:x}", number + 1, number % 3);
            catalog.register(&format!("i{number}.web"), at(&addresses.replace("::0", "::9")));
        }
        let laid = laid(&catalog, "web");
        let view = laid.view();
        let list = view.each_once(view.own().v4);
        let addresses: std::collections::BTreeSet<_> =
            list.numbers.iter().map(|number| view.v4(number)).collect();
        assert_eq!(
            (list.numbers.len(), addresses.len()),
            (count + 1, count + 1),
            "{count}"
        );
        assert!(
            list.members
                .is_none_or(|members| members.len() == list.numbers.len())
        );
        let v6 = view.each_once(view.own().v6).numbers;
        assert_eq!(v6.len(), count.min(3), "{count}");
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
    let laid = laid(&catalog, "web");
    let view = laid.view();
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
    let service = |snapshot: &Snapshot, label: &[u8]| -> *const u32 {
        snapshot
            .zone(&apex)
            .unwrap()
            .service(label)
            .unwrap()
            .words
            .as_ptr()
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
fn a_service_of_three_instances_takes_at_most_300_octets() {
    let mut catalog = Catalog::new();
    for number in 0..3 {
        let id = format!("service-123456-{number}.service-123456");
        catalog.register(&id, at(&format!("192.0.2.{}", number + 1)).ports("main 80"));
    }
    let octets = laid(&catalog, "service-123456").octets();
    assert!(octets <= 300, "{octets}");
}

/// Nothing but the allocation tells them apart.
fn assert_same(one: &Laid, two: &Laid, context: &str) {
    let (one, two) = (one.view(), two.view());
    assert_eq!(one.words, two.words, "{context}");
    let head = |view: ServiceView<'_>| {
        let head = view.head;
        let settings = (head.ttl, head.answer_limit, head.on_empty, head.label_octets);
        (
            head.own,
            head.sections,
            settings,
            head.only_protocol,
            head.flags,
            head.browsed,
        )
    };
    assert_eq!(head(one), head(two), "{context}");
    assert!(Arc::ptr_eq(one.service(), two.service()), "{context}");
}

/// One change of `web`, in which addresses, names and tags are shared now and then.
fn a_change(random: &mut fastrand::Rng, instances: u32) -> Change {
    let number = random.u32(..instances + instances / 8);
    let name = format!("i{number}.web");
    match random.u8(..8) {
        0 => deregister(&name),
        1 => report(&name, None, Status::Critical, ""),
        2 => report(&name, None, Status::Warning, ""),
        3 => report(&name, None, Status::Passing, ""),
        4 => drain(&name, random.bool(), None),
        _ => {
            let mut addresses = Vec::new();
            if random.u8(..8) > 0 {
                addresses.push(format!("10.0.{}.{}", number / 256, number % 256));
            }
            if random.u8(..16) == 0 {
                addresses.push(format!("192.0.2.{}", random.u8(1..4)));
            }
            if addresses.is_empty() || random.bool() {
                addresses.push(format!("2001:db8::{number:x}"));
            }
            let mut ports = vec!["main 80".to_owned()];
            match random.u8(..12) {
                0 => ports.clear(),
                1 => ports.push(format!("p{} {}", random.u8(..4), 79 + random.u8(..3))),
                2 => ports.push("dns 53/udp".to_owned()),
                3 => ports = vec!["http 80".to_owned()],
                _ => {}
            }
            let tags = match random.u8(..6) {
                0 => format!("t{number}"),
                1 => "all Odd ODD".to_owned(),
                2 => String::new(),
                _ => "all".to_owned(),
            };
            let tier = if random.u8(..16) == 0 { 1 } else { 0 };
            let weight = if random.u8(..16) == 0 { 5 } else { 1 };
            register(
                &name,
                at(&addresses.join(" "))
                    .ports(&ports.join(","))
                    .tags(&tags)
                    .tier(tier, weight),
            )
        }
    }
}

#[test]
fn a_large_service_changed_is_word_for_word_the_one_laid_out_anew() {
    let seed = fastrand::u64(..);
    let mut random = fastrand::Rng::with_seed(seed);
    let mut redrawn = 0;
    for round in 0..12 {
        let instances = [64, 100, 300][round % 3];
        let mut catalog = Catalog::new();
        for number in 0..instances {
            let plain = at(&format!("10.0.{}.{}", number / 256, number % 256)).ports("main 80");
            let plain = if round % 2 == 0 { plain.tags("all") } else { plain };
            catalog.register(&format!("i{number}.web"), plain);
        }
        let mut before = laid(&catalog, "web");
        for step in 0..60 {
            for _ in 0..random.usize(1..4) {
                drop(catalog.attempt(a_change(&mut random, instances)));
            }
            let service = Arc::new(catalog.service("web").clone());
            redrawn += usize::from(Draft::after(before.view(), &service).is_some());
            let after = Laid::after(before.view(), service.clone());
            assert_same(
                &after,
                &Laid::new(service),
                &format!("seed {seed}, round {round}, step {step}"),
            );
            before = after;
        }
    }
    assert!(
        redrawn > 400,
        "seed {seed}: {redrawn} were made from the view before"
    );
}

#[test]
fn an_old_snapshot_is_freed_by_the_writer_when_its_last_reader_has_gone() {
    let current = Current::new(Snapshot::default());
    let old = Arc::downgrade(&current.snapshot());
    let reader = current.load();
    current.publish(Arc::default());
    assert!(old.upgrade().is_some(), "a reader holds it");
    drop(reader);
    assert!(old.upgrade().is_some(), "the reader has not freed it");
    current.sweep();
    assert!(old.upgrade().is_none());

    let (held, also) = (current.snapshot(), Arc::downgrade(&current.snapshot()));
    let mut kept = Vec::new();
    for _ in 0..2 * RETIRED_MAX {
        kept.push(current.snapshot());
        current.publish(Arc::default());
    }
    assert_eq!(
        current.retired().len(),
        RETIRED_MAX,
        "readers that never go have a bound"
    );
    drop((held, kept));
    assert!(also.upgrade().is_none(), "the oldest was left to its reader");
}

#[test]
fn the_zones_found_without_a_look_up_are_those_of_a_snapshot_laid_out_anew() {
    let mut catalog = Catalog::with_zones(&[ZONE, "other.internal", "third.internal"]);
    let mut snapshot = Snapshot::of(catalog.state.clone());
    let mut last = 0;
    let mut noted = |catalog: &Catalog, large: Option<&str>, lone: Option<&str>| {
        let records = &catalog.records[std::mem::replace(&mut last, catalog.records.len())..];
        snapshot = snapshot.after(catalog.state.clone(), records.iter());
        let anew = Snapshot::of(catalog.state.clone());
        for snapshot in [&snapshot, &anew] {
            let name = |view: &ZoneView| view.zone().name.to_string();
            assert_eq!(snapshot.large().map(name).as_deref(), large);
            assert_eq!(snapshot.lone().map(name).as_deref(), lone);
            for zone in [snapshot.large(), snapshot.lone()].into_iter().flatten() {
                let found = snapshot.zone(&zone.zone().name.to_wire()).unwrap();
                assert_eq!(found.serial(), zone.serial());
            }
        }
    };
    noted(&catalog, None, None);
    let services = |catalog: &mut Catalog, apex: &str, count: usize| {
        for number in 0..count {
            catalog.make(Change::PutService {
                zone: zone(apex),
                service: service(&format!("s{number}")),
                settings: crate::catalog::ServiceSettings::default(),
            });
        }
    };
    services(&mut catalog, "other.internal", SMALL_SERVICES_MAX);
    noted(&catalog, None, None);
    services(&mut catalog, "third.internal", SMALL_SERVICES_MAX + 2);
    noted(&catalog, Some("third.internal"), None);
    catalog.register("a.last.other.internal", at("192.0.2.1"));
    noted(&catalog, Some("third.internal"), None);
    for number in 0..2 {
        let (zone, service) = (zone("third.internal"), service(&format!("s{number}")));
        catalog.make(Change::DeleteService { zone, service });
    }
    noted(&catalog, Some("other.internal"), None);
    catalog.make(Change::DeleteZone {
        zone: zone("third.internal"),
    });
    catalog.make(Change::DeleteZone { zone: zone(ZONE) });
    noted(&catalog, Some("other.internal"), Some("other.internal"));
    catalog.register("a.more.other.internal", at("192.0.2.1"));
    noted(&catalog, Some("other.internal"), Some("other.internal"));
}
