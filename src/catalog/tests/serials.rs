//! Serials: where they start, and crossings that the random test seldom meets; TTLs that caches still hold.

use std::time::Duration;

use super::fixture::*;
use crate::catalog::*;
use crate::clock::Timestamp;

const NOW: u32 = 1_767_225_600;

fn zone_settings(seconds: u32) -> ZoneSettings {
    ZoneSettings {
        ttl: ttl(seconds),
        ..Default::default()
    }
}

/// Deletes and makes the zone anew, with that serial before; the one after.
fn recreated(catalog: &mut Catalog, serial: u32) -> u32 {
    let name = zone(ZONE);
    let mut old = Zone::clone(catalog.zone());
    old.serial = serial;
    catalog.state.zones.insert(name.clone(), old.into());
    catalog.make(Change::DeleteZone { zone: name.clone() });
    assert_eq!(catalog.state.retired.get(&name), Some(&serial));
    catalog.set_zone(ZONE, ZoneSettings::default());
    assert!(catalog.state.retired.is_empty());
    catalog.serial()
}

#[test]
fn a_new_zone_starts_at_the_unix_time() {
    let catalog = Catalog::new();
    assert_eq!(catalog.serial(), NOW);
    assert_eq!(catalog.records[0].serials, [(zone(ZONE), NOW)]);
    let mut late = Catalog::empty();
    late.now = Timestamp::from_unix_ms((1_i64 << 32) * 1000 + 7_000);
    late.set_zone(ZONE, ZoneSettings::default());
    assert_eq!(late.serial(), 7, "it wraps");
}

#[test]
fn a_zone_made_anew_starts_past_its_last_serial_if_that_is_later() {
    for (last, next) in [
        (NOW - 1, NOW),
        (NOW, NOW + 1),
        (NOW + 5, NOW + 6),
        (NOW - 100, NOW),
        // RFC 1982: half of the circle is later, the other half earlier.
        (NOW.wrapping_add((1 << 31) - 2), NOW.wrapping_add((1 << 31) - 1)),
        (NOW.wrapping_sub(1 << 30), NOW),
    ] {
        let mut catalog = Catalog::new();
        assert_eq!(recreated(&mut catalog, last), next, "{last}");
    }
}

#[test]
fn a_serial_wraps() {
    let mut catalog = Catalog::new();
    let mut old = Zone::clone(catalog.zone());
    old.serial = u32::MAX;
    catalog.state.zones.insert(zone(ZONE), old.into());
    catalog.register("a.web", at("192.0.2.1"));
    assert_eq!(catalog.serial(), 0);
}

#[test]
fn what_alters_no_record_moves_no_serial() {
    let mut catalog = Catalog::new();
    catalog.register("a.web", at("192.0.2.1").lease(1_000));
    let serial = catalog.serial();
    let limit = ServiceSettings {
        answer_limit: Some(1),
        forget_after: Some(delay(1)),
        on_empty: Some(OnEmpty::NxDomain),
        ..Default::default()
    };
    catalog.set_service("web", limit);
    catalog.set_zone(
        ZONE,
        ZoneSettings {
            answer_limit: Some(1),
            on_empty: Some(OnEmpty::All),
            forget_after: Some(delay(5)),
            ..Default::default()
        },
    );
    catalog.set_service(
        "api",
        ServiceSettings {
            ttl: ttl(1),
            ..Default::default()
        },
    );
    catalog.make(report("a.web", None, Status::Warning, "slow"));
    catalog.register("a.web", at("192.0.2.1").lease(2_000).weight(7).tags("t"));
    let tagged = catalog.serial();
    assert_eq!(tagged, serial.wrapping_add(1), "the tag's name has a record");
    catalog.register("a.web", at("192.0.2.1").lease(3_000).weight(9).tags("t T"));
    assert_eq!(catalog.serial(), tagged, "weight without a port is no record");
}

#[test]
fn what_browsing_finds_moves_the_serial_where_selections_fail_open() {
    let mut catalog = Catalog::new();
    let open = ServiceSettings {
        on_empty: Some(OnEmpty::All),
        ..Default::default()
    };
    catalog.set_service("web", open);
    catalog.register("a.web", at("192.0.2.1").ports("http 80, other 80"));
    let serial = catalog.serial();
    // The host name still shows number 80, and so does the port's name, which fails open; the PTR is gone.
    catalog.report_port("a.web", "http", Status::Critical);
    assert_eq!(catalog.serial(), serial.wrapping_add(1));
    catalog.report_port("a.web", "http", Status::Passing);
    assert_eq!(catalog.serial(), serial.wrapping_add(2));
    catalog.report_port("a.web", "http", Status::Warning);
    assert_eq!(catalog.serial(), serial.wrapping_add(2), "a warning is answered");
    // A name too long for a type is not browsed for.
    catalog.register("b.web", at("192.0.2.2").ports("http 81, a-long-port-name 81"));
    let serial = catalog.serial();
    catalog.report_port("b.web", "a-long-port-name", Status::Critical);
    assert_eq!(catalog.serial(), serial, "nothing shows it that failed open");
}

#[test]
fn the_other_zones_serial_stays() {
    let mut catalog = Catalog::with_zones(&[ZONE, "example.org"]);
    let before = catalog.zone_of("example.org").serial;
    let effect = catalog.register("a.web", at("192.0.2.1"));
    assert_eq!(effect.records[0].serials, [(zone(ZONE), catalog.serial())]);
    assert_eq!(catalog.zone_of("example.org").serial, before);
}

#[test]
fn a_start_with_another_base_moves_each_serial_once() {
    let mut catalog = Catalog::with_zones(&[ZONE, "example.org"]);
    let open = |seconds| Change::Open {
        zones: vec![zone(ZONE)],
        base: Base {
            ttl: ttl(seconds).unwrap(),
            ..Base::default()
        },
    };
    assert!(!catalog.make(open(5)).changed(), "the same again");
    let effect = catalog.make(open(9));
    assert_eq!(effect.records.len(), 2, "zones not named too");
    assert_eq!(catalog.serial(), NOW + 1);
    assert_eq!(catalog.zone_of("example.org").base.ttl.seconds(), 9);
    catalog.set_zone(ZONE, zone_settings(9));
    assert_eq!(
        catalog.serial(),
        NOW + 1,
        "the same TTL by another way is no other record"
    );
    catalog.set_zone("example.com", ZoneSettings::default());
    assert_eq!(catalog.zone_of("example.com").base.ttl.seconds(), 9);
}

#[test]
fn a_lowered_ttl_is_held_by_caches_for_as_long_as_the_old_one() {
    let mut catalog = Catalog::new();
    let until = |seconds: u64, ms: u64| BEGIN + Duration::from_millis(ms + seconds * 1000);
    catalog.set_zone(ZONE, zone_settings(100));
    assert_eq!(catalog.zone().cached_until, BEGIN, "raised");
    catalog.advance(1_000).set_zone(ZONE, zone_settings(50));
    assert_eq!(catalog.zone().cached_until, until(100, 1_000));
    catalog.advance(1_000).set_zone(ZONE, zone_settings(10));
    assert_eq!(
        catalog.zone().cached_until,
        until(100, 1_000),
        "the latest of both"
    );
    let own = |seconds| ServiceSettings {
        ttl: ttl(seconds),
        ..Default::default()
    };
    catalog.set_service("web", own(500));
    catalog.advance(1_000).set_service("web", own(1));
    assert_eq!(catalog.service("web").cached_until(), until(500, 3_000));
    // A service that had the zone's TTL takes over what the zone's caches hold.
    catalog.set_service(
        "api",
        ServiceSettings {
            answer_limit: Some(1),
            ..Default::default()
        },
    );
    catalog.set_service("api", own(1));
    assert_eq!(catalog.service("api").cached_until(), until(100, 1_000));
    catalog
        .advance(1_000)
        .set_service("web", ServiceSettings::default());
    assert_eq!(catalog.service("web").cached_until(), until(500, 3_000));
}
