//! What is loaded is what was committed, field by field.

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::catalog::{Due, KnownName, OnEmpty, Output, ServiceSettings, Ttl, ZoneSettings};

#[test]
fn a_new_directory_is_an_empty_catalog_with_an_identity_that_stays() {
    let dir = TempDir::new().expect("a folder");
    let inner = dir.path().join("made/by/the/store");
    let book = Book::open(&inner);
    let identity = book.identity;
    assert_eq!(book.state, State::default());
    assert_ne!(identity.epoch, identity.origin);
    book.close();
    assert_eq!(Book::open(&inner).identity, identity);
}

#[test]
fn every_field_comes_back() {
    let dir = TempDir::new().expect("a folder");
    let mut book = Book::open(dir.path());
    let web = key("web", "web-1");
    book.make([open_zones(&["svc.internal", "gone.internal"])])
        .expect("room");
    book.make([register(web.clone(), full())]).expect("room");
    book.make([
        Change::PutZone {
            zone: zone("svc.internal"),
            settings: ZoneSettings {
                ttl: Ttl::from_seconds(1),
                negative_ttl: Ttl::from_seconds(0),
                on_empty: Some(OnEmpty::All),
                answer_limit: Some(8),
                forget_after: Some(delay(1500)),
            },
        },
        Change::PutService {
            zone: zone("svc.internal"),
            service: web.service.clone(),
            settings: ServiceSettings {
                ttl: Ttl::from_seconds(0),
                on_empty: Some(OnEmpty::NxDomain),
                answer_limit: Some(0),
                forget_after: Some(delay(0)),
            },
        },
        Change::Report {
            key: web.clone(),
            port: Some(port("dns", 53, Protocol::Udp).name),
            status: Status::Critical,
            output: Output::parse("no \u{0} answer").expect("short"),
        },
        Change::Drain {
            key: web.clone(),
            draining: true,
            delete_after: Some(delay(30_000)),
        },
        Change::DeleteZone {
            zone: zone("gone.internal"),
        },
    ])
    .expect("room");
    let mut replaced = full();
    replaced.ports = Box::new([port("dns", 53, Protocol::Udp)]);
    replaced.tags = Box::default();
    replaced.deregister_after = delay(1);
    book.make([register(web.clone(), replaced)]).expect("room");
    book.make([Change::Lapse { key: web.clone() }]).expect("room");
    let instance = book.state.instance(&web).expect("it lives").clone();
    assert!(instance.lapsed().is_some() && instance.drain().is_some());
    let service = book
        .state
        .service(&web.zone, &web.service)
        .expect("it lives")
        .clone();
    assert_eq!(service.lingering().len(), 2, "a port and a tag");
    assert_ne!(service.cached_until(), service.created_at);
    assert_eq!(book.state.retired.len(), 1);
    let identity = book.identity;
    let state = book.close();
    let (read, whose) = super::super::read(dir.path()).expect("readable");
    assert_same(&read, &state);
    assert_eq!(whose, identity);
    assert_same(&Book::open(dir.path()).state, &state);
}

#[test]
fn a_thing_touched_often_in_one_batch_is_written_once_and_logged_each_time() {
    let dir = TempDir::new().expect("a folder");
    let mut book = Book::open(dir.path());
    let changes = (0..20).map(|last| register(key("web", "web-1"), plain(last)));
    book.make(std::iter::once(open_zones(&["svc.internal"])).chain(changes))
        .expect("room");
    let again = (20..40).map(|last| register(key("web", "web-1"), plain(last)));
    let removed = std::iter::once(Change::Deregister {
        key: key("web", "web-1"),
        absent_is_fine: false,
    });
    book.make(again.chain(removed)).expect("room");
    assert_eq!(book.state.index, 42);
    let rows: i64 = book
        .store
        .connection
        .query_row("SELECT count(*) FROM changes", [], |row| row.get(0))
        .expect("a table");
    assert_eq!(rows, 42);
    assert_same(
        &Book::open({
            drop(book.store);
            dir.path()
        })
        .state,
        &book.state,
    );
}

#[test]
fn a_service_has_a_row_once_it_says_more_than_its_instances() {
    let dir = TempDir::new().expect("a folder");
    let mut book = Book::open(dir.path());
    let rows = |book: &Book| -> Vec<String> {
        let mut statement = book
            .store
            .connection
            .prepare("SELECT body FROM services")
            .expect("a table");
        let bodies = statement.query_map([], |row| row.get(0)).expect("rows");
        bodies.collect::<Result<_, _>>().expect("text")
    };
    book.make([
        open_zones(&["svc.internal"]),
        register(key("web", "web-1"), plain(1)),
    ])
    .expect("room");
    book.make([register(key("web", "web-2"), plain(2))])
        .expect("room");
    assert_eq!(rows(&book).len(), 0, "it follows from its instances");
    // The oldest goes: the service is older than what is left of it, and its index is that of the removal.
    book.make([Change::Deregister {
        key: key("web", "web-1"),
        absent_is_fine: false,
    }])
    .expect("room");
    let index = book.state.index;
    assert_eq!(
        rows(&book),
        [format!(
            "{{\"created_at\":{},\"index\":{index}}}",
            START_MS + 1000
        )]
    );
    book.make([register(key("web", "web-2"), plain(3))])
        .expect("room");
    let settled = [format!("{{\"created_at\":{}}}", START_MS + 1000)];
    assert_eq!(rows(&book), settled);
    // From here on changes of its instances leave its row alone.
    book.make([register(key("web", "web-2"), plain(4))])
        .expect("room");
    assert_eq!(rows(&book), settled);
    let state = book.close();
    assert_same(&Book::open(dir.path()).state, &state);
}

#[test]
fn a_zone_deleted_with_its_services_leaves_its_serial_alone() {
    let dir = TempDir::new().expect("a folder");
    let mut book = Book::open(dir.path());
    book.make([
        open_zones(&["svc.internal"]),
        register(key("web", "web-1"), full()),
        Change::Deregister {
            key: key("web", "web-1"),
            absent_is_fine: false,
        },
    ])
    .expect("room");
    assert!(
        !book
            .state
            .service(&zone("svc.internal"), &key("web", "web-1").service)
            .expect("known")
            .lingering()
            .is_empty()
    );
    book.make([Change::DeleteZone {
        zone: zone("svc.internal"),
    }])
    .expect("room");
    for table in ["zones", "services", "instances", "known_names"] {
        let sql = format!("SELECT count(*) FROM {table}");
        let rows: i64 = book
            .store
            .connection
            .query_row(&sql, [], |row| row.get(0))
            .expect("a table");
        assert_eq!(rows, 0, "{table}");
    }
    // Made anew in the same batch as it goes.
    book.make([
        open_zones(&["svc.internal"]),
        register(key("web", "web-2"), plain(1)),
    ])
    .expect("room");
    book.make([
        Change::Deregister {
            key: key("web", "web-2"),
            absent_is_fine: false,
        },
        Change::DeleteZone {
            zone: zone("svc.internal"),
        },
        open_zones(&["svc.internal"]),
        register(key("api", "api-1"), plain(1)),
    ])
    .expect("room");
    let state = book.close();
    assert_same(&Book::open(dir.path()).state, &state);
}

fn changes() -> impl Strategy<Value = Change> {
    let zones = prop::sample::select(vec!["svc.internal", "b.example.org", "c.example.org"]);
    let services = prop::sample::select(vec![
        "web",
        "api",
        "a-very-long-name-of-a-service-that-is-no-short-string",
    ]);
    let ids = prop::sample::select(vec!["one", "two", "three"]);
    let keys =
        (zones.clone(), services.clone(), ids).prop_map(|(zone, service, id)| key_in(zone, service, id));
    let some = |from: Vec<&'static str>| prop::sample::subsequence(from, 0..=2);
    let registrations = (
        some(vec!["http", "main", "dns"]),
        some(vec!["v1", "V2", "free text, \u{e9}\u{0}"]),
        some(vec!["k", "version"]),
        prop::option::of(prop::sample::select(vec![
            Status::Passing,
            Status::Warning,
            Status::Critical,
        ])),
        prop::option::of(100_u64..86_400_000),
        (0_u16..3, 0_u16..3, 0_u64..1_200_000, any::<u8>(), any::<bool>()),
    )
        .prop_map(
            |(ports, tags, meta, status, lease, (priority, weight, after, last, udp))| {
                let mut registration = plain(last);
                let protocol = if udp { Protocol::Udp } else { Protocol::Tcp };
                let mut ports: Vec<_> = ports
                    .iter()
                    .map(|name| port(name, 1 + u16::from(last), protocol))
                    .collect();
                ports.sort_by(|a, b| a.name.cmp(&b.name));
                registration.ports = ports.into();
                registration.tags = tags.iter().map(|tag| Tag::parse(tag).expect("a tag")).collect();
                registration.meta = meta
                    .iter()
                    .map(|key| {
                        let value = MetaValue::parse("\u{7f}v").expect("short");
                        (MetaKey::parse(key).expect("a key"), value)
                    })
                    .collect();
                registration.status = status;
                registration.lease = lease
                    .map(|ms| Lease::from_duration(std::time::Duration::from_millis(ms)).expect("in bounds"));
                registration.deregister_after = if after % 3 == 0 { delay(0) } else { delay(after) };
                (registration.priority, registration.weight) = (priority, weight);
                registration
            },
        );
    let settings = (
        prop::option::of(0_u32..10),
        prop::option::of(prop::sample::select(vec![
            OnEmpty::NoData,
            OnEmpty::NxDomain,
            OnEmpty::All,
        ])),
        prop::option::of(0_u32..3),
    );
    let reports = (
        prop::option::of(prop::sample::select(vec!["http", "main", "dns"])),
        prop::sample::select(vec![Status::Passing, Status::Warning, Status::Critical]),
        prop::sample::select(vec!["", "db down"]),
    );
    prop_oneof![
        8 => (keys.clone(), registrations).prop_map(|(key, registration)| register(key, registration)),
        4 => keys.clone().prop_map(|key| Change::Deregister { key, absent_is_fine: true }),
        3 => (keys.clone(), reports).prop_map(|(key, (port, status, output))| Change::Report {
            key,
            port: port.map(|name| PortName::parse(name).expect("a port name")),
            status,
            output: Output::parse(output).expect("short"),
        }),
        2 => (keys.clone(), any::<bool>(), prop::option::of(0_u64..1000)).prop_map(|(key, draining, after)| {
            Change::Drain { key, draining, delete_after: after.map(delay) }
        }),
        1 => keys.clone().prop_map(|key| Change::Heartbeat { key }),
        2 => keys.clone().prop_map(|key| Change::Lapse { key }),
        1 => keys.clone().prop_map(|key| Change::Remove {
            key,
            due: Due::Lapsed(Timestamp::from_unix_ms(START_MS + 2000)),
        }),
        1 => (zones.clone(), settings.clone()).prop_map(|(name, (ttl, on_empty, answer_limit))| Change::PutZone {
            zone: zone(name),
            settings: ZoneSettings {
                ttl: ttl.and_then(Ttl::from_seconds),
                on_empty,
                answer_limit,
                ..ZoneSettings::default()
            },
        }),
        1 => zones.clone().prop_map(|name| Change::DeleteZone { zone: zone(name) }),
        2 => (keys.clone(), settings).prop_map(|(key, (ttl, on_empty, answer_limit))| Change::PutService {
            zone: key.zone,
            service: key.service,
            settings: ServiceSettings {
                ttl: ttl.and_then(Ttl::from_seconds),
                on_empty,
                answer_limit,
                forget_after: None,
            },
        }),
        1 => keys.clone().prop_map(|key| Change::DeleteService { zone: key.zone, service: key.service }),
        1 => (keys, 0_i64..8).prop_map(|(key, at)| Change::Forget {
            zone: key.zone,
            service: key.service,
            names: [
                KnownName::Service,
                KnownName::Tag(crate::catalog::TagLabel::parse("v1").expect("a label")),
            ]
            .into_iter()
            .map(|name| (name, Timestamp::from_unix_ms(START_MS + 1000 * at)))
            .collect(),
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn random_states_come_back_also_after_a_crash(
        batches in prop::collection::vec(prop::collection::vec(changes(), 1..8), 1..12),
    ) {
        let dir = TempDir::new().expect("a folder");
        let mut book = Book::open(dir.path());
        book.make([open_zones(&["svc.internal", "b.example.org"])]).expect("room");
        for batch in batches {
            book.make(batch).expect("room");
        }
        let crashed = TempDir::new().expect("a folder");
        copy(dir.path(), crashed.path(), true);
        assert_same(&Book::open(crashed.path()).state, &book.state);
        let beside = super::super::read(dir.path()).expect("readable beside the server").0;
        assert_same(&beside, &book.state);
        let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        prop_assert_eq!(super::super::quick_check(dir.path(), &stop), Ok(()));
        let state = book.close();
        assert_same(&Book::open(dir.path()).state, &state);
    }
}
