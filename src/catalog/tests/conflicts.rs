//! What would hide or double another, and what passes a limit.

use std::net::IpAddr;

use super::fixture::*;
use crate::catalog::limits::*;
use crate::catalog::*;

#[test]
fn a_living_id_and_a_living_tag_may_not_be_the_same_label() {
    let mut catalog = Catalog::new();
    catalog.register("web-1.web", at("192.0.2.1").tag("Blue").tag("two words"));
    let try_one = |name: &str, tags: &str| match catalog
        .clone()
        .attempt(register(name, at("192.0.2.2").tags(tags)))
    {
        Ok(_) => "fine".to_owned(),
        refused => fault(refused),
    };
    assert_eq!(try_one("blue.web", ""), "label_taken id");
    assert_eq!(try_one("web-2.web", "WEB-1"), "label_taken tags");
    assert_eq!(try_one("web-2.web", "Web-2"), "label_taken tags", "its own");
    assert_eq!(
        try_one("web-1.web", "web-1"),
        "label_taken tags",
        "its own, replaced"
    );
    assert_eq!(try_one("web-2.web", "blue"), "fine", "two may have one tag");
    assert_eq!(try_one("blue.api", "web-1"), "fine", "in another service");
    catalog.register("web-1.web", at("192.0.2.1"));
    assert!(
        catalog.register("blue.web", at("192.0.2.2")).created,
        "it lingers only"
    );
    catalog.deregister("web-1.web");
    assert!(catalog.register("c.web", at("192.0.2.2").tags("web-1")).created);
}

#[test]
fn an_instance_may_be_replaced_beside_a_tag_that_lingers() {
    let mut catalog = Catalog::new();
    catalog.register("a.web", at("192.0.2.1").tags("b"));
    catalog.register("a.web", at("192.0.2.1"));
    catalog.register("b.web", at("192.0.2.2"));
    catalog.register("b.web", at("192.0.2.3"));
    let taken = catalog.attempt(register("a.web", at("192.0.2.1").tags("b")));
    assert_eq!(fault(taken), "label_taken tags");
}

#[test]
fn ns_is_the_name_server() {
    let mut catalog = Catalog::new();
    assert_eq!(
        fault(catalog.attempt(register("a.ns", at("192.0.2.1")))),
        "name_taken service"
    );
    let put = Change::PutService {
        zone: zone(ZONE),
        service: service("NS"),
        settings: ServiceSettings::default(),
    };
    assert_eq!(fault(catalog.attempt(put)), "name_taken service");
    assert!(
        catalog.register("ns.web", at("192.0.2.1")).created,
        "an id may be ns"
    );
}

fn put_zone(name: &str) -> Change {
    Change::PutZone {
        zone: zone(name),
        settings: ZoneSettings::default(),
    }
}

#[test]
fn a_zone_may_not_hide_a_service_nor_a_service_stand_under_a_zone() {
    let mut catalog = Catalog::new();
    catalog.register("a.web", at("192.0.2.1"));
    for name in [
        "web.svc.internal",
        "a.web.svc.internal",
        "x.y.web.svc.internal",
        "ns.svc.internal",
        "_tcp.svc.internal",
        "x._udp.svc.internal",
        "_sctp.svc.internal",
    ] {
        assert_eq!(
            fault(catalog.attempt(put_zone(name))),
            "name_taken zone",
            "{name}"
        );
    }
    catalog.make(put_zone("x.y.svc.internal"));
    assert_eq!(
        fault(catalog.attempt(register("a.y", at("192.0.2.1")))),
        "name_taken service"
    );
    assert!(
        catalog.register("a.x", at("192.0.2.1")).created,
        "the zone is below y alone"
    );
    assert!(catalog.register("a.y.x.y.svc.internal", at("192.0.2.1")).created);
    // A service that lingers is known still.
    catalog.deregister("a.web");
    assert_eq!(
        fault(catalog.attempt(put_zone("web.svc.internal"))),
        "name_taken zone"
    );
    catalog.forget_all("web");
    assert!(catalog.make(put_zone("web.svc.internal")).created);
    assert_eq!(
        fault(catalog.attempt(register("a.web", at("192.0.2.1")))),
        "name_taken service"
    );
    catalog.make(Change::DeleteZone {
        zone: zone("web.svc.internal"),
    });
    assert!(catalog.register("a.web", at("192.0.2.1")).created);
}

#[test]
fn a_zone_above_another_is_held_to_the_same() {
    let mut catalog = Catalog::with_zones(&["ns.svc.internal", "_tcp.example.org", "a.b.example.net"]);
    assert_eq!(
        fault(catalog.attempt(put_zone("svc.internal"))),
        "name_taken zone"
    );
    assert_eq!(fault(catalog.attempt(put_zone("example.org"))), "name_taken zone");
    assert!(catalog.make(put_zone("example.net")).created);
    assert_eq!(
        fault(catalog.attempt(register("i.b.example.net", at("192.0.2.1")))),
        "name_taken service"
    );
}

#[test]
fn a_zone_with_instances_stays() {
    let mut catalog = Catalog::new();
    catalog.register("a.web", at("192.0.2.1"));
    let delete = || Change::DeleteZone { zone: zone(ZONE) };
    assert_eq!(fault(catalog.attempt(delete())), "zone_not_empty -");
    catalog.deregister("a.web");
    assert_eq!(catalog.make(delete()).records[0].after, Image::Absent);
    assert_eq!(fault(catalog.attempt(delete())), "no zone");
}

#[test]
fn zones_are_at_most_1000() {
    let mut catalog = Catalog::empty();
    for number in 0..ZONES_MAX {
        catalog.make(put_zone(&format!("z{number}.internal")));
    }
    assert_eq!(
        fault(catalog.attempt(put_zone("one-more.internal"))),
        "too_many_zones -"
    );
    assert!(!catalog.make(put_zone("z0.internal")).changed());
    let open = Change::Open {
        zones: vec![zone("z1.internal"), zone("one-more.internal")],
        base: Base::default(),
    };
    assert_eq!(fault(catalog.attempt(open)), "too_many_zones -");
}

#[test]
fn instances_of_a_service_are_at_most_4096() {
    let mut catalog = Catalog::new();
    for number in 0..INSTANCES_MAX {
        // Not by the fixture: it compares whole states.
        let change = register(&format!("i{number}.web"), at("192.0.2.1"));
        catalog.state.apply(&change.into(), BEGIN).unwrap();
    }
    let more = register("one-more.web", at("192.0.2.1"));
    assert_eq!(fault(catalog.attempt(more.clone())), "too_many_instances -");
    assert!(
        catalog.register("i7.web", at("192.0.2.2")).changed(),
        "replacing is no more"
    );
    catalog.deregister("i8.web");
    assert!(catalog.make(more).created);
}

#[test]
fn a_body_has_at_most_64_of_each() {
    let addresses =
        |n: u32| -> Vec<IpAddr> { (1..=n).map(|n| IpAddr::V4((0x0a00_0000 + n).into())).collect() };
    let many = |n: usize| -> [At; 4] {
        let words = |word: &str| (0..n).map(|n| format!("{word}{n}")).collect::<Vec<_>>();
        let pairs = words("k");
        let pairs: Vec<_> = pairs.iter().map(|key| (key.as_str(), "v")).collect();
        let ports: Vec<_> = words("p").iter().map(|name| format!("{name} 1")).collect();
        let plain = || at("192.0.2.1");
        [
            At(Registration::at(addresses(n as u32))),
            plain().ports(&ports.join(",")),
            plain().tags(&words("t").join(" ")),
            plain().meta(&pairs),
        ]
    };
    for good in many(64) {
        assert!(Catalog::new().attempt(register("a.web", good)).is_ok());
    }
    for (bad, field) in many(65).into_iter().zip(["addresses", "ports", "tags", "meta"]) {
        assert_eq!(
            fault(Catalog::new().attempt(register("a.web", bad))),
            format!("invalid {field}")
        );
    }
    assert_eq!(
        fault(Catalog::new().attempt(register("a.web", at("")))),
        "invalid addresses"
    );
}

#[test]
fn every_name_of_a_registration_has_at_most_255_octets() {
    let (a, b, c) = ("a".repeat(63), "b".repeat(63), "c".repeat(63));
    // 64 + 64 + 64 + 62 + 1.
    let apex = |last: usize| format!("{a}.{}", "z".repeat(last));
    let attempt = |last: usize, name: &str, body: At| {
        let apex = apex(last);
        let mut catalog = Catalog::with_zones(&[&apex]);
        match catalog.attempt(register(&format!("{name}.{apex}"), body)) {
            Ok(_) => "fine".to_owned(),
            refused => fault(refused),
        }
    };
    assert_eq!(attempt(61, &format!("{b}.{c}"), at("192.0.2.1")), "fine");
    assert_eq!(attempt(62, &format!("{b}.{c}"), at("192.0.2.1")), "invalid id");
    // _ppp._sctp in 56 + 1 + 1 + 6 octets.
    let port = |octets: usize, protocol: &str| {
        at("192.0.2.1").ports(&format!("{} 1/{protocol}", "p".repeat(octets)))
    };
    assert_eq!(attempt(61, &format!("i.{c}"), port(56, "sctp")), "fine");
    assert_eq!(attempt(61, &format!("i.{c}"), port(57, "sctp")), "invalid ports");
    assert_eq!(attempt(61, &format!("i.{c}"), port(57, "tcp")), "fine");
    let both = |tag: usize| port(40, "tcp").tags(&"t".repeat(tag));
    assert_eq!(attempt(61, &format!("i.{c}"), both(16)), "fine");
    assert_eq!(attempt(61, &format!("i.{c}"), both(17)), "invalid tags");
    assert_eq!(
        attempt(
            61,
            &format!("i.{c}"),
            port(40, "tcp").tag(&"not a label".repeat(9))
        ),
        "fine",
        "it has no name"
    );
}

#[test]
fn a_service_by_itself_has_at_most_255_octets() {
    let apex = format!("{}.{}.{}", "a".repeat(63), "b".repeat(63), "c".repeat(63));
    let mut catalog = Catalog::with_zones(&[&apex]);
    let put = |octets: usize| Change::PutService {
        zone: zone(&apex),
        service: service(&"s".repeat(octets)),
        settings: ServiceSettings::default(),
    };
    assert_eq!(fault(catalog.attempt(put(62))), "invalid service");
    assert!(catalog.make(put(61)).created);
}
