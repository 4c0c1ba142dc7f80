//! Zone files as changes: the serial, what is no change, and what a refusal leaves.

use super::fixture::*;
use super::static_records::*;
use crate::catalog::*;

const NOW: u32 = 1_767_225_600;
const ORG: &str = "example.org";

/// Makes a change of which the serial of [`ORG`] afterwards is asked.
fn serial_after(catalog: &mut Catalog, change: Change) -> u32 {
    catalog.make(change);
    catalog.zone_of(ORG).serial
}

fn with_serial(catalog: &mut Catalog, serial: u32) {
    let mut zone = Zone::clone(catalog.zone_of(ORG));
    zone.serial = serial;
    catalog.state.zones.insert(zone.name.clone(), zone.into());
}

#[track_caller]
fn is_no_change(catalog: &mut Catalog, change: Change) {
    let before = catalog.state.clone();
    assert!(!catalog.make(change).changed());
    assert_eq!(catalog.state, before);
}

#[test]
fn a_new_zone_begins_with_its_files_serial_or_at_the_unix_time() {
    for serial in [0, 1, 7, NOW, 2_026_010_100, u32::MAX] {
        let mut catalog = Catalog::new();
        let soa = format!("@ SOA {serial}");
        let effect = catalog.make(file(ORG, &[&soa, "www A 192.0.2.1"]));
        assert_eq!(catalog.zone_of(ORG).serial, serial);
        assert!(effect.created);
        assert_eq!(effect.records.len(), 1);
        assert_eq!(effect.records[0].serials, [(zone(ORG), serial)]);
        assert_eq!(effect.records[0].kind, Kind::ZoneFile);
    }
    let mut catalog = Catalog::new();
    assert_eq!(serial_after(&mut catalog, file(ORG, &["www A 192.0.2.1"])), NOW);
    let mut catalog = Catalog::new();
    assert_eq!(serial_after(&mut catalog, file(ORG, &[])), NOW, "an empty file");
}

#[test]
fn a_zone_made_anew_by_its_file_goes_on_from_its_last_serial() {
    for (last, in_file, next) in [
        // Of the file, if it is later than what was answered last.
        (5, Some(6), 6),
        (5, Some(9), 9),
        (NOW, Some(2_026_010_100), 2_026_010_100),
        (u32::MAX, Some(3), 3),
        // Else one past that.
        (5, Some(5), 6),
        (5, Some(4), 6),
        (2_026_010_107, Some(2_026_010_105), 2_026_010_108),
        (u32::MAX, Some(u32::MAX), 0),
        (5, Some(5 + (1 << 31)), 6),
        // Without SOA as any zone: the time, or one past the last if that is later.
        (5, None, NOW),
        (NOW + 9, None, NOW + 10),
    ] {
        let mut catalog = Catalog::new();
        catalog.make(file(ORG, &["@ SOA 1"]));
        catalog.make(no_file(ORG));
        with_serial(&mut catalog, last);
        catalog.make(Change::DeleteZone { zone: zone(ORG) });
        let soa = in_file.map(|serial| format!("@ SOA {serial}"));
        let lines: Vec<&str> = soa.as_deref().into_iter().chain(["www A 192.0.2.1"]).collect();
        assert_eq!(
            serial_after(&mut catalog, file(ORG, &lines)),
            next,
            "{last} {in_file:?}"
        );
        assert!(catalog.state.retired.is_empty());
    }
}

#[test]
fn changed_records_take_the_files_serial_if_it_is_newer_and_else_one_more() {
    for (answered, in_file, next) in [
        (100, Some(101), 101),
        (100, Some(2_000), 2_000),
        (100, Some(100), 101),
        (100, Some(99), 101),
        (100, None, 101),
        (u32::MAX, Some(u32::MAX), 0),
        (u32::MAX, Some(0), 0),
        (u32::MAX, Some(5), 5),
        // RFC 1982 §3.2: half the space away is neither.
        (100, Some(100 + (1 << 31) - 1), 100 + (1 << 31) - 1),
        (100, Some(100 + (1 << 31)), 101),
        (100, Some(101 + (1 << 31)), 101),
    ] {
        let mut catalog = Catalog::new();
        catalog.make(file(ORG, &["@ SOA 1", "www A 192.0.2.1"]));
        with_serial(&mut catalog, answered);
        let soa = in_file.map(|serial| format!("@ SOA {serial}"));
        let lines: Vec<&str> = soa.as_deref().into_iter().chain(["www A 192.0.2.2"]).collect();
        assert_eq!(
            serial_after(&mut catalog, file(ORG, &lines)),
            next,
            "{answered} {in_file:?}"
        );
    }
}

#[test]
fn what_says_the_same_is_no_change() {
    let mut catalog = Catalog::new();
    let lines = [
        "@ SOA 7",
        "@ NS ns1",
        "ns1 A 192.0.2.1",
        "@ MX 10 mail",
        "mail A 192.0.2.2",
        "t TXT Text",
    ];
    catalog.make(file(ORG, &lines));
    is_no_change(&mut catalog, file(ORG, &lines));
    let mut other = lines;
    other.reverse();
    is_no_change(&mut catalog, file(ORG, &other));
    let doubled = [&lines[..], &lines].concat();
    is_no_change(&mut catalog, file(ORG, &doubled));
    // Names have no case (RFC 4343), neither as owners nor in data.
    let mut cased = lines;
    cased[4] = "MAIL A 192.0.2.2";
    is_no_change(&mut catalog, file(ORG, &cased));
    cased[3] = "@ MX 10 Mail";
    cased[1] = "@ NS NS1";
    is_no_change(&mut catalog, file(ORG, &cased));
    // An older serial in the file is not looked at.
    let mut older = lines;
    older[0] = "@ SOA 6";
    is_no_change(&mut catalog, file(ORG, &older));
    // What is left out is not there: outside the zone, beside an alias, below a delegation.
    catalog.make(file(ORG, &["a CNAME b", "sub NS ns.sub", "ns.sub A 192.0.2.1"]));
    let more = [
        "a CNAME b",
        "a TXT left-out",
        "www.example.com. A 192.0.2.1",
        "sub NS ns.sub",
        "ns.sub A 192.0.2.1",
        "sub TXT left-out",
        "x.sub TXT left-out",
    ];
    is_no_change(&mut catalog, file(ORG, &more));
}

#[test]
fn one_record_in_two_spellings_has_one_digest_in_any_order() {
    let one = contents(ORG, &["@ MX 10 mail", "@ MX 10 MAIL"]);
    let other = contents(ORG, &["@ MX 10 MAIL", "@ MX 10 mail"]);
    assert_eq!((one.records(), other.records()), (1, 1));
    assert_eq!(one.digest(), other.digest());
}

#[test]
fn text_and_ttl_are_what_they_are() {
    let mut catalog = Catalog::new();
    catalog.make(file(ORG, &["@ SOA 7", "t TXT text"]));
    assert_eq!(
        serial_after(&mut catalog, file(ORG, &["@ SOA 7", "t TXT Text"])),
        8
    );
    assert_eq!(
        serial_after(&mut catalog, file(ORG, &["@ SOA 7", "t 60 TXT Text"])),
        9
    );
    assert_eq!(
        serial_after(&mut catalog, file(ORG, &["@ SOA 7 61", "t 60 TXT Text"])),
        10,
        "MINIMUM is a part of the SOA"
    );
}

#[test]
fn a_newer_serial_alone_is_taken_over() {
    let mut catalog = Catalog::new();
    catalog.make(file(ORG, &["@ SOA 7", "www A 192.0.2.1"]));
    let effect = catalog.make(file(ORG, &["@ SOA 8", "www A 192.0.2.1"]));
    assert_eq!(effect.records.len(), 1);
    assert_eq!(effect.records[0].serials, [(zone(ORG), 8)]);
    assert_eq!(catalog.zone_of(ORG).serial, 8);
    is_no_change(&mut catalog, file(ORG, &["@ SOA 8", "www A 192.0.2.1"]));
    is_no_change(&mut catalog, file(ORG, &["@ SOA 7", "www A 192.0.2.1"]));
    // A service has moved it further: the file's is behind then.
    catalog.register("a.web.example.org", at("192.0.2.9"));
    catalog.deregister("a.web.example.org");
    assert_eq!(catalog.zone_of(ORG).serial, 10);
    is_no_change(&mut catalog, file(ORG, &["@ SOA 9", "www A 192.0.2.1"]));
    is_no_change(&mut catalog, file(ORG, &["@ SOA 10", "www A 192.0.2.1"]));
    assert_eq!(
        serial_after(&mut catalog, file(ORG, &["@ SOA 11", "www A 192.0.2.1"])),
        11
    );
}

#[test]
fn records_that_go_move_it_and_a_file_that_had_none_does_not() {
    let mut catalog = Catalog::new();
    catalog.make(file(ORG, &["@ SOA 7", "www A 192.0.2.1"]));
    assert_eq!(serial_after(&mut catalog, file(ORG, &["@ SOA 7"])), 8);
    assert_eq!(serial_after(&mut catalog, no_file(ORG)), 9);
    assert_eq!(catalog.zone_of(ORG).contents, None);
    is_no_change(&mut catalog, no_file(ORG));
    is_no_change(&mut catalog, no_file("unknown.example"));
    assert_eq!(
        serial_after(&mut catalog, file(ORG, &[])),
        9,
        "a file without records"
    );
    assert_eq!(
        serial_after(&mut catalog, no_file(ORG)),
        9,
        "and its end alters no record"
    );
    // The same where it was not at hand when it ended: after a restart.
    catalog.make(file(ORG, &[]));
    let mut zone = Zone::clone(catalog.zone_of(ORG));
    zone.contents = None;
    catalog.state.zones.insert(zone.name.clone(), zone.into());
    assert_eq!(serial_after(&mut catalog, no_file(ORG)), 9);
    assert_eq!(catalog.zone_of(ORG).file, None);
}

#[test]
fn at_start_what_was_served_last_is_attached_and_anything_else_is_a_change() {
    let mut catalog = Catalog::new();
    let lines = ["@ SOA 7", "www A 192.0.2.1"];
    catalog.make(file(ORG, &lines));
    catalog.register("a.web.example.org", at("192.0.2.9"));
    assert_eq!(catalog.zone_of(ORG).serial, 8);
    // As a store gives it back: with the digest, without the records.
    let mut loaded = Zone::clone(catalog.zone_of(ORG));
    loaded.contents = None;
    catalog.state.zones.insert(zone(ORG), loaded.into());
    let unattached = catalog.clone();

    assert!(catalog.state.attach(&zone(ORG), &contents(ORG, &lines)));
    assert_eq!(catalog.zone_of(ORG).serial, 8);
    is_no_change(&mut catalog, file(ORG, &lines));

    let mut catalog = unattached.clone();
    assert!(
        !catalog
            .state
            .attach(&zone(ORG), &contents(ORG, &["@ SOA 7", "www A 192.0.2.2"]))
    );
    assert!(
        !catalog
            .state
            .attach(&zone("unknown.example"), &contents(ORG, &lines))
    );
    assert_eq!(catalog.state, unattached.state);
    assert_eq!(
        serial_after(&mut catalog, file(ORG, &["@ SOA 7", "www A 192.0.2.2"])),
        9
    );

    // The file's serial was raised while the server was down.
    let mut catalog = unattached.clone();
    let raised = ["@ SOA 20", "www A 192.0.2.1"];
    assert!(catalog.state.attach(&zone(ORG), &contents(ORG, &raised)));
    assert_eq!(serial_after(&mut catalog, file(ORG, &raised)), 20);

    // It went.
    let mut catalog = unattached;
    assert_eq!(serial_after(&mut catalog, no_file(ORG)), 9);
}

#[test]
fn settings_move_the_serial_only_where_a_record_has_them() {
    let settings = |seconds, negative| ZoneSettings {
        ttl: ttl(seconds),
        negative_ttl: ttl(negative),
        ..Default::default()
    };
    let soa_and_ns: &[&str] = &["@ SOA 7", "@ NS ns.example.com."];
    // Of the file, whether a TTL moves the serial, and whether negative_ttl does.
    for (lines, by_ttl, by_negative_ttl) in [
        (&["www A 192.0.2.1"][..], true, true),
        (&["@ SOA 7"], true, false),
        (&["@ NS ns.example.com."], true, true),
        (soa_and_ns, false, false),
    ] {
        let mut catalog = Catalog::new();
        catalog.make(file(ORG, lines));
        let begin = catalog.zone_of(ORG).serial;
        catalog.set_zone(ORG, settings(77, 1));
        let after_ttl = catalog.zone_of(ORG).serial;
        assert_eq!(after_ttl != begin, by_ttl, "{lines:?}");
        catalog.set_zone(ORG, settings(77, 9));
        assert_eq!(
            catalog.zone_of(ORG).serial != after_ttl,
            by_negative_ttl,
            "{lines:?}"
        );
    }
    // A service inherits the TTL, whatever the file says of the apex.
    let mut catalog = Catalog::new();
    catalog.make(file(ORG, soa_and_ns));
    catalog.register("a.web.example.org", at("192.0.2.9"));
    let begin = catalog.zone_of(ORG).serial;
    catalog.set_zone(ORG, settings(77, 1));
    assert_eq!(catalog.zone_of(ORG).serial, begin + 1);
}

#[test]
fn advertised_addresses_move_the_serial_only_while_the_default_name_server_stands() {
    let base = |last| Base {
        name_servers: [[192, 0, 2, last].into()].into(),
        ..Base::default()
    };
    let open = |last| Change::Open {
        zones: vec![zone(ZONE)],
        base: base(last),
    };
    for (lines, moves) in [
        (&["www A 192.0.2.1"][..], true),
        (&["@ SOA 7"], true),
        (&["ns TXT beside-the-addresses"], true),
        (&["x.ns A 192.0.2.1"], true),
        (&["ns A 192.0.2.1"], false),
        (&["@ NS ns", "ns A 192.0.2.1"], false),
        (&["@ NS ns.example.com."], false),
    ] {
        let mut catalog = Catalog::opened(&[ZONE], base(1));
        catalog.make(file(ORG, lines));
        let begin = catalog.zone_of(ORG).serial;
        catalog.make(open(2));
        assert_eq!(catalog.zone_of(ORG).serial != begin, moves, "{lines:?}");
    }
}

#[test]
fn a_first_serial_is_the_files_where_the_flags_changed_since_the_other_zones_were_made() {
    let open = |seconds| Change::Open {
        zones: vec![zone(ZONE)],
        base: Base {
            ttl: ttl(seconds).unwrap(),
            ..Base::default()
        },
    };
    let mut catalog = Catalog::new();
    catalog.make(open(5));
    // A start: the state has the new flags, then come the files, then the zones are opened with those flags.
    catalog.state.base.ttl = ttl(9).unwrap();
    catalog.make(file(ORG, &["@ SOA 7", "www A 192.0.2.1"]));
    catalog.make(open(9));
    assert_eq!(catalog.zone_of(ORG).serial, 7);
    assert_eq!(catalog.zone_of(ORG).base.ttl.seconds(), 9);
}

#[test]
fn settings_of_a_zone_with_a_file_leave_the_file() {
    let mut catalog = Catalog::new();
    catalog.make(file(ORG, &["@ SOA 7", "www A 192.0.2.1"]));
    let before = catalog.zone_of(ORG).clone();
    catalog.set_zone(
        ORG,
        ZoneSettings {
            answer_limit: Some(1),
            ..Default::default()
        },
    );
    let after = catalog.zone_of(ORG);
    assert_eq!(
        (&after.file, &after.contents, after.serial),
        (&before.file, &before.contents, 7)
    );
}

#[test]
fn a_zone_with_a_file_is_deleted_once_the_file_is_gone() {
    let mut catalog = Catalog::new();
    catalog.make(file(ORG, &["@ SOA 7"]));
    let delete = || Change::DeleteZone { zone: zone(ORG) };
    assert_eq!(fault(catalog.attempt(delete())), "zone_has_file -");
    catalog.make(no_file(ORG));
    catalog.make(delete());
    assert_eq!(catalog.state.retired.get(&zone(ORG)), Some(&8));
}
