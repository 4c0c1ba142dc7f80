//! Registering, replacing, reporting: what is set, what remains, and what is no change.

use super::fixture::*;
use crate::catalog::*;

fn full() -> At {
    at("192.0.2.1 2001:db8::1")
        .ports("http 8080, dns 53/udp")
        .tags("v2 canary")
        .meta(&[("version", "2.1")])
        .tier(3, 4)
        .lease(15_000)
        .deregister_after(1_000)
}

#[test]
fn a_registration_creates_its_service_in_one_change() {
    let mut catalog = Catalog::new();
    let effect = catalog.register("web-1.web", full());
    assert!(effect.created);
    let [record] = &effect.records[..] else {
        panic!("{effect:?}")
    };
    assert_eq!(record.kind, Kind::Register);
    assert_eq!(record.before, Image::Absent);
    let instance = catalog.instance("web-1.web");
    assert_eq!((instance.created_index, instance.index), (2, 2));
    assert_eq!((instance.created_at, instance.updated_at), (BEGIN, BEGIN));
    assert_eq!(instance.reported().status, Status::Passing);
    assert_eq!(catalog.service("web").index, 2);
    assert_eq!(catalog.service("web").created_at, BEGIN);
}

#[test]
fn the_same_again_is_no_change() {
    let mut catalog = Catalog::new();
    catalog.register("web-1.web", full());
    let effect = catalog.advance(1000).register("web-1.web", full());
    assert!(!effect.changed() && !effect.created);
    catalog.report("web-1.web", Status::Passing);
    catalog.undrain("web-1.web");
    catalog.heartbeat("web-1.web");
    assert_eq!(catalog.state.index, 2, "nor are these");
    assert!(
        !catalog
            .register("web-1.web", full().status(Status::Passing))
            .changed()
    );
}

#[test]
fn replacing_sets_the_bodys_fields_and_what_is_left_out_is_default() {
    let mut catalog = Catalog::new();
    catalog.register("web-1.web", full());
    catalog.advance(1000);
    let effect = catalog.register("web-1.web", at("192.0.2.9"));
    assert!(!effect.created);
    let instance = catalog.instance("web-1.web");
    assert_eq!(&*instance.addresses, [parse_address("192.0.2.9").unwrap()]);
    assert!(instance.ports.is_empty() && instance.tags().is_empty() && instance.meta().is_empty());
    assert_eq!((instance.priority, instance.weight, instance.lease), (0, 1, None));
    assert_eq!(instance.deregister_after(), deregister_after_default());
    assert_eq!((instance.created_at, instance.created_index), (BEGIN, 2));
    assert_eq!((instance.updated_at, instance.index), (catalog.now, 3));
}

#[test]
fn replacing_keeps_the_drain_and_reported_health_unless_a_status_is_given() {
    let mut catalog = Catalog::new();
    catalog.register("web-1.web", full());
    catalog.drain("web-1.web");
    catalog.make(report("web-1.web", None, Status::Critical, "db down"));
    let reported = catalog.instance("web-1.web").reported().into_owned();
    catalog.advance(1000);
    catalog.register("web-1.web", full().weight(9));
    let instance = catalog.instance("web-1.web");
    assert_eq!(*instance.reported(), reported);
    assert_eq!(instance.drain().unwrap().since, BEGIN);
    catalog.register("web-1.web", full().status(Status::Warning));
    let instance = catalog.instance("web-1.web");
    assert_eq!(
        (instance.reported().status, instance.reported().since),
        (Status::Warning, catalog.now)
    );
    assert!(instance.drain().is_some(), "only draining: false ends it");
}

#[test]
fn the_verdict_on_a_port_stays_while_the_port_does() {
    let mut catalog = Catalog::new();
    catalog.register("web-1.web", full());
    catalog.report_port("web-1.web", "http", Status::Critical);
    let status = |catalog: &Catalog| {
        let instance = catalog.instance("web-1.web");
        instance.port(&port("http")).map(|port| instance.status_of(port))
    };
    catalog.register(
        "web-1.web",
        full().ports("a 1, http 9, z 2").status(Status::Passing),
    );
    assert_eq!(status(&catalog), Some(Status::Critical));
    catalog.register("web-1.web", full().ports("a 1"));
    catalog.register("web-1.web", full().ports("http 8080"));
    assert_eq!(status(&catalog), Some(Status::Passing), "it was gone");
}

#[test]
fn since_moves_with_the_status_and_output_without_it() {
    let mut catalog = Catalog::new();
    catalog.register("web-1.web", full());
    for about in [None, Some("http")] {
        catalog.make(report("web-1.web", about, Status::Critical, "one"));
        let since = catalog.now;
        catalog.advance(1000);
        assert!(
            catalog
                .make(report("web-1.web", about, Status::Critical, "two"))
                .changed()
        );
        assert!(
            !catalog
                .make(report("web-1.web", about, Status::Critical, "two"))
                .changed()
        );
        let instance = catalog.instance("web-1.web");
        let verdict = match about {
            None => instance.reported().into_owned(),
            Some(name) => instance.reported_of(&port(name)).unwrap().clone(),
        };
        assert_eq!((verdict.since, verdict.output), (since, output("two")));
        assert!(
            catalog
                .make(report("web-1.web", about, Status::Critical, ""))
                .changed()
        );
    }
}

#[test]
fn a_report_on_a_port_that_is_not_there_is_invalid() {
    let mut catalog = Catalog::new();
    catalog.register("web-1.web", full().lease(1000));
    catalog.lapse("web-1.web");
    let wrong = catalog.attempt(report("web-1.web", Some("main"), Status::Passing, ""));
    assert_eq!(fault(wrong), "invalid port");
    assert!(
        catalog.instance("web-1.web").lapsed().is_some(),
        "nor was the lease renewed"
    );
}

#[test]
fn health_is_the_worst_and_ports_are_beside_it() {
    let mut catalog = Catalog::new();
    catalog.register("web-1.web", full());
    catalog.report_port("web-1.web", "http", Status::Critical);
    let instance = catalog.instance("web-1.web");
    assert_eq!(instance.status(), Status::Passing);
    assert!(instance.is_answerable(), "dns is left");
    catalog.report_port("web-1.web", "dns", Status::Critical);
    assert!(!catalog.instance("web-1.web").is_answerable());
    catalog.report_port("web-1.web", "dns", Status::Warning);
    catalog.report("web-1.web", Status::Warning);
    assert!(catalog.instance("web-1.web").is_answerable());
    catalog.lapse("web-1.web");
    assert_eq!(catalog.instance("web-1.web").status(), Status::Critical);
}

#[test]
fn what_is_absent_is_not_found() {
    let mut catalog = Catalog::new();
    for change in [
        deregister("a.web"),
        report("a.web", None, Status::Passing, ""),
        drain("a.web", true, None),
        Change::Heartbeat { key: key("a.web") },
    ] {
        assert_eq!(fault(catalog.attempt(change)), "no instance");
    }
    let gone = Change::Deregister {
        key: key("a.web"),
        absent_is_fine: true,
    };
    assert!(!catalog.make(gone).changed(), "in a batch that is no change");
    for change in [
        register("a.web.nowhere", at("192.0.2.1")),
        deregister("a.web.nowhere"),
        Change::DeleteZone {
            zone: zone("nowhere"),
        },
        Change::PutService {
            zone: zone("nowhere"),
            service: service("web"),
            settings: ServiceSettings::default(),
        },
        Change::Deregister {
            key: key("a.web.nowhere"),
            absent_is_fine: true,
        },
    ] {
        assert_eq!(fault(catalog.attempt(change)), "no zone");
    }
    let gone = Change::DeleteService {
        zone: zone(ZONE),
        service: service("web"),
    };
    assert_eq!(fault(catalog.attempt(gone)), "no service");
    // What time asks for may find nothing, and that is no fault.
    for name in ["a.web", "a.web.nowhere"] {
        assert!(!catalog.lapse(name).changed());
        let due = Due::Lapsed(BEGIN);
        assert!(!catalog.make(Change::Remove { key: key(name), due }).changed());
    }
}

#[test]
fn deleting_a_service_is_one_change_for_each_instance_and_one_for_itself() {
    let mut catalog = Catalog::new();
    for id in ["a", "b", "c"] {
        catalog.register(&format!("{id}.web"), at("192.0.2.1"));
    }
    let index = catalog.state.index;
    let effect = catalog.delete_service("web");
    let kinds: Vec<_> = effect
        .records
        .iter()
        .map(|r| (r.kind, r.id.as_ref().map(ToString::to_string)))
        .collect();
    let gone = |id: &str| (Kind::Deregister, Some(id.to_owned()));
    assert_eq!(kinds, [gone("a"), gone("b"), gone("c"), (Kind::Service, None)]);
    assert!(effect.records.iter().all(|record| record.after == Image::Absent));
    assert_eq!(catalog.state.index, index + 4);
    assert!(!catalog.has_service("web"));
    assert_eq!(catalog.zone().instances, 0);
}

#[test]
fn a_services_index_is_the_latest_in_it() {
    let mut catalog = Catalog::new();
    catalog.register("a.web", at("192.0.2.1"));
    catalog.register("b.web", at("192.0.2.2"));
    catalog.register("a.api", at("192.0.2.1"));
    assert_eq!(catalog.service("web").index, 3);
    catalog.deregister("a.web");
    assert_eq!(catalog.service("web").index, 5, "a removal counts, too");
    assert_eq!(catalog.instance("b.web").index, 3);
    catalog.set_service(
        "web",
        ServiceSettings {
            ttl: ttl(1),
            ..Default::default()
        },
    );
    assert_eq!(catalog.service("web").index, 6);
}

#[test]
fn settings_are_replaced_whole() {
    let mut catalog = Catalog::new();
    let some = ServiceSettings {
        ttl: ttl(1),
        on_empty: Some(OnEmpty::All),
        answer_limit: Some(3),
        forget_after: Some(delay(5)),
    };
    assert!(catalog.set_service("web", some.clone()).created);
    assert!(!catalog.set_service("web", some).changed());
    let other = ServiceSettings {
        answer_limit: Some(0),
        ..Default::default()
    };
    assert!(catalog.set_service("web", other.clone()).changed());
    assert_eq!(*catalog.service("web").settings(), other);
}
