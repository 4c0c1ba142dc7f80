//! The store over real files: what is read is what was written, or nothing is.

mod damage;
mod doors;
mod history;
mod loading;
mod round_trip;
mod trouble;

use std::fs;
use std::num::NonZeroU16;
use std::path::Path;

use crate::catalog::{
    Change, Delay, InstanceId, InstanceKey, Lease, MetaKey, MetaValue, Operation, Port, PortName, Protocol,
    Record, Registration, Rejection, ServiceName, State, Status, Tag, ZoneName,
};
use crate::clock::Timestamp;

use super::{Batch, CommitError, Entry, Identity, OpenError, Opened, Store};

/// 2026-01-01T00:00:00Z
const START_MS: i64 = 1_767_225_600_000;

/// A store with the state that it should hold: the writer in its plainest form.
#[derive(Debug)]
struct Book {
    store: Store,
    state: State,
    identity: Identity,
    now_ms: i64,
}

impl Book {
    fn open(dir: &Path) -> Self {
        let Opened {
            store,
            state,
            identity,
            older,
        } = Store::open(dir).expect("a directory that can be opened");
        assert_eq!(older, None);
        Self {
            store,
            state,
            identity,
            now_ms: START_MS,
        }
    }

    /// Makes the changes that the catalog accepts, in one batch, a second after the last.
    fn make(&mut self, changes: impl IntoIterator<Item = Change>) -> Result<(), CommitError> {
        self.now_ms += 1000;
        let (after, records) = records(&self.state, self.now_ms, changes);
        let entries = entries(&records);
        let batch = Batch {
            before: &self.state,
            after: &after,
            entries: &entries,
        };
        self.store.apply(&batch)?;
        self.state = after;
        Ok(())
    }

    fn close(self) -> State {
        self.store.close().expect("a clean stop");
        self.state
    }
}

fn records(before: &State, now_ms: i64, changes: impl IntoIterator<Item = Change>) -> (State, Vec<Record>) {
    let mut after = before.clone();
    let mut records = Vec::new();
    for change in changes {
        let made: Result<_, Rejection> =
            after.apply(&Operation::from(change), Timestamp::from_unix_ms(now_ms));
        records.extend(made.map(|effect| effect.records).unwrap_or_default());
    }
    (after, records)
}

fn entries(records: &[Record]) -> Vec<Entry<'_>> {
    let entry = |record| Entry {
        record,
        actor: "test 192.0.2.7",
    };
    records.iter().map(entry).collect()
}

/// Holds two states against each other, zone by zone, so that a failure shows what differs.
fn assert_same(found: &State, wanted: &State) {
    assert_eq!(found.index, wanted.index);
    assert_eq!(found.retired, wanted.retired);
    let names = |state: &State| state.zones.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(found), names(wanted));
    for (found, wanted) in found.zones.values().zip(wanted.zones.values()) {
        assert_eq!(
            (
                &found.settings,
                &found.base,
                found.serial,
                found.created_at,
                found.index
            ),
            (
                &wanted.settings,
                &wanted.base,
                wanted.serial,
                wanted.created_at,
                wanted.index
            )
        );
        assert_eq!(
            (found.cached_until, found.instances),
            (wanted.cached_until, wanted.instances)
        );
        let names = |zone: &crate::catalog::Zone| {
            let services = zone.services.iter();
            services.map(|service| service.name.clone()).collect::<Vec<_>>()
        };
        assert_eq!(names(found), names(wanted));
        for (found, wanted) in found.services.iter().zip(wanted.services.iter()) {
            assert_eq!(found.instances, wanted.instances);
            assert_eq!(found.lingering(), wanted.lingering());
            assert_eq!(found, wanted);
        }
    }
    assert_eq!(found, wanted);
}

fn unusable(opened: Result<Opened, OpenError>) -> String {
    match opened {
        Err(OpenError::Unusable(message)) => message,
        other => panic!("opened as {other:?}"),
    }
}

/// The files of a data directory, copied as a crash would leave them. The mark goes with them if `mark`.
fn copy(from: &Path, to: &Path, mark: bool) {
    let names = ["callsign.db", "callsign.db-wal", "callsign.lock"];
    for name in &names[..if mark { 3 } else { 2 }] {
        let from = from.join(name);
        if from.exists() {
            fs::copy(from, to.join(name)).expect("room for a copy");
        }
    }
}

fn zone(name: &str) -> ZoneName {
    ZoneName::parse(name).expect("a zone")
}

fn key(service: &str, id: &str) -> InstanceKey {
    key_in("svc.internal", service, id)
}

fn key_in(zone: &str, service: &str, id: &str) -> InstanceKey {
    InstanceKey {
        zone: self::zone(zone),
        service: ServiceName::parse(service).expect("a service"),
        id: InstanceId::parse(id).expect("an id"),
    }
}

fn port(name: &str, number: u16, protocol: Protocol) -> Port {
    Port {
        name: PortName::parse(name).expect("a port name"),
        number: NonZeroU16::new(number).expect("a port number"),
        protocol,
    }
}

fn delay(ms: u64) -> Delay {
    Delay::from_duration(std::time::Duration::from_millis(ms)).expect("a delay")
}

fn open_zones(names: &[&str]) -> Change {
    Change::Open {
        zones: names.iter().map(|name| zone(name)).collect(),
        base: crate::catalog::Base::default(),
    }
}

fn register(key: InstanceKey, registration: Registration) -> Change {
    Change::Register {
        key,
        registration: Box::new(registration),
    }
}

fn plain(last: u8) -> Registration {
    Registration::at([std::net::IpAddr::from([192, 0, 2, last])])
}

/// A registration that says something in every field.
fn full() -> Registration {
    let meta = |key: &str, value: &str| {
        (
            MetaKey::parse(key).expect("a key"),
            MetaValue::parse(value).expect("a value"),
        )
    };
    Registration {
        addresses: Box::new([
            std::net::IpAddr::from([192, 0, 2, 1]),
            "2001:db8::1".parse().expect("an address"),
        ]),
        ports: Box::new([port("dns", 53, Protocol::Udp), port("http", 8080, Protocol::Tcp)]),
        priority: 3,
        weight: 0,
        tags: Box::new([
            Tag::parse("Canary").expect("a tag"),
            Tag::parse("a \"tag\"\nof free text \u{1f980}").expect("a tag"),
        ]),
        meta: Box::new([meta("empty", ""), meta("version", "2.1 \\ \"quoted\"")]),
        status: Some(Status::Warning),
        lease: Some(Lease::from_duration(std::time::Duration::from_millis(15_500)).expect("a lease")),
        deregister_after: delay(0),
    }
}
