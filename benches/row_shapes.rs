//! Which rows an instance is kept in: one with a JSON body, or one with child rows for its addresses, ports, tags and
//! meta. The same instances, the same checksums and tallies, real files with a write-ahead log and `synchronous=FULL`.
//! Then the store itself, which has the shape that was chosen. `docs/design/store.md` keeps the figures.
//!
//! `cargo bench --bench row_shapes`

use std::cell::{Cell, RefCell};
use std::path::Path;
use std::time::Duration;

use callsign::catalog::{
    Base, Change, InstanceId, InstanceKey, MetaKey, MetaValue, Operation, Port, PortName, Protocol, Record,
    Registration, ServiceName, State, Tag, ZoneName,
};
use callsign::clock::Timestamp;
use callsign::store::{Batch, Entry, Store};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use rusqlite::{Connection, TransactionBehavior, params};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;
use xxhash_rust::xxh3::xxh3_64;

/// Instances in the table that is loaded, and before the first measured write.
const LOADED: i64 = 100_000;
const ZONE: &str = "svc.internal";

fn folder() -> TempDir {
    TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder on a disk")
}

/// What an instance says; ids are scattered, as they are in life.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Body {
    addresses: Vec<String>,
    ports: Vec<(String, u16)>,
    tags: Vec<String>,
    meta: Vec<(String, String)>,
    weight: u16,
    lease_ms: u32,
    created_at: i64,
    index: i64,
}

fn body(number: i64) -> Body {
    Body {
        addresses: vec![format!("192.0.2.{}", number % 256)],
        ports: vec![("http".into(), 8080), ("metrics".into(), 9100)],
        tags: vec!["v2".into(), "canary".into()],
        meta: vec![("version".into(), "2.1".into()), ("region".into(), "eu-1".into())],
        weight: 10,
        lease_ms: 15_000,
        created_at: 1_767_225_600_000,
        index: number,
    }
}

fn names(number: i64) -> (String, String) {
    let scattered = number.cast_unsigned().wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (
        format!("service-{:04x}", scattered >> 50),
        format!("web-{scattered:016x}"),
    )
}

/// A table's tally, as the store keeps it.
#[derive(Debug, Default)]
struct Tally {
    number: Cell<i64>,
    sum: Cell<i64>,
}

impl Tally {
    /// The checksum of a row, counted.
    fn add(&self, columns: &[&[u8]]) -> i64 {
        let checksum = checksum(columns);
        self.number.set(self.number.get() + 1);
        self.sum.set(self.sum.get() ^ checksum);
        checksum
    }

    fn write(&self, connection: &Connection, name: &str) {
        connection
            .prepare_cached("UPDATE tallies SET number = ?2, sum = ?3 WHERE name = ?1")
            .and_then(|mut update| update.execute(params![name, self.number.get(), self.sum.get()]))
            .expect("a tally");
    }
}

fn checksum(columns: &[&[u8]]) -> i64 {
    let mut octets = Vec::with_capacity(256);
    for column in columns {
        octets.extend_from_slice(&(column.len() as u64).to_le_bytes());
        octets.extend_from_slice(column);
    }
    xxh3_64(&octets).cast_signed()
}

trait Shape {
    const NAME: &str;
    const TABLES: &[&str];
    const SCHEMA: &str;
    fn insert(connection: &Connection, tallies: &[Tally], number: i64);
    fn load(connection: &Connection) -> Vec<Body>;
}

/// One row for each instance, found by its number.
struct Json;

impl Shape for Json {
    const NAME: &str = "json";
    const TABLES: &[&str] = &["instances"];
    const SCHEMA: &str = "CREATE TABLE instances (number INTEGER NOT NULL PRIMARY KEY, zone TEXT NOT NULL,
            service TEXT NOT NULL, id TEXT NOT NULL, body TEXT NOT NULL, checksum INTEGER NOT NULL) STRICT;";

    fn insert(connection: &Connection, tallies: &[Tally], number: i64) {
        insert_json(connection, &tallies[0], number);
    }

    fn load(connection: &Connection) -> Vec<Body> {
        load_json(connection, "number")
    }
}

/// The same row, found by zone, service and id.
struct JsonByName;

impl Shape for JsonByName {
    const NAME: &str = "json-by-name";
    const TABLES: &[&str] = &["instances"];
    const SCHEMA: &str = "CREATE TABLE instances (number INTEGER NOT NULL, zone TEXT NOT NULL,
            service TEXT NOT NULL, id TEXT NOT NULL, body TEXT NOT NULL, checksum INTEGER NOT NULL,
            PRIMARY KEY (zone, service, id)) STRICT, WITHOUT ROWID;";

    fn insert(connection: &Connection, tallies: &[Tally], number: i64) {
        insert_json(connection, &tallies[0], number);
    }

    fn load(connection: &Connection) -> Vec<Body> {
        load_json(connection, "zone, service, id")
    }
}

fn insert_json(connection: &Connection, tally: &Tally, number: i64) {
    let (service, id) = names(number);
    let body = serde_json::to_string(&body(number)).expect("JSON");
    let sum = tally.add(&[
        &number.to_le_bytes(),
        ZONE.as_bytes(),
        service.as_bytes(),
        id.as_bytes(),
        body.as_bytes(),
    ]);
    connection
        .prepare_cached("INSERT INTO instances VALUES (?1, ?2, ?3, ?4, ?5, ?6)")
        .and_then(|mut insert| insert.execute(params![number, ZONE, service, id, body, sum]))
        .expect("a row");
}

fn load_json(connection: &Connection, order: &str) -> Vec<Body> {
    let mut statement = connection
        .prepare(&format!("SELECT * FROM instances ORDER BY {order}"))
        .expect("a table");
    let mut rows = statement.query([]).expect("rows");
    let mut all = Vec::new();
    while let Some(row) = rows.next().expect("a row") {
        let number: i64 = row.get(0).expect("a number");
        let text = |column| {
            row.get_ref(column)
                .and_then(|text| Ok(text.as_str()?))
                .expect("text")
        };
        let (zone, service, id, body) = (text(1), text(2), text(3), text(4));
        let sum = checksum(&[
            &number.to_le_bytes(),
            zone.as_bytes(),
            service.as_bytes(),
            id.as_bytes(),
            body.as_bytes(),
        ]);
        assert_eq!(row.get::<_, i64>(5), Ok(sum));
        all.push(serde_json::from_str(body).expect("JSON"));
    }
    all
}

/// A row for each instance, and one for each of its addresses, ports, tags and meta entries, found by its number.
struct Children;

impl Children {
    fn child(connection: &Connection, tally: &Tally, sql: &str, number: i64, place: i64, a: &str, b: &str) {
        let sum = tally.add(&[
            &number.to_le_bytes(),
            &place.to_le_bytes(),
            a.as_bytes(),
            b.as_bytes(),
        ]);
        connection
            .prepare_cached(sql)
            .and_then(|mut insert| insert.execute(params![number, place, a, b, sum]))
            .expect("a row");
    }

    /// Each child of a table in the order of its instances, through `put`.
    fn each(connection: &Connection, table: &str, mut put: impl FnMut(usize, &str, &str)) {
        let mut statement = connection
            .prepare(&format!("SELECT * FROM {table} ORDER BY instance, place"))
            .expect("a table");
        let mut rows = statement.query([]).expect("rows");
        while let Some(row) = rows.next().expect("a row") {
            let number: i64 = row.get(0).expect("a number");
            let place: i64 = row.get(1).expect("a number");
            let text = |column| {
                row.get_ref(column)
                    .and_then(|text| Ok(text.as_str()?))
                    .expect("text")
            };
            let (a, b) = (text(2), text(3));
            let sum = checksum(&[
                &number.to_le_bytes(),
                &place.to_le_bytes(),
                a.as_bytes(),
                b.as_bytes(),
            ]);
            assert_eq!(row.get::<_, i64>(4), Ok(sum));
            put(usize::try_from(number).expect("small"), a, b);
        }
    }
}

impl Shape for Children {
    const NAME: &str = "children";
    const TABLES: &[&str] = &["instances", "addresses", "ports", "tags", "meta"];
    const SCHEMA: &str = "CREATE TABLE instances (number INTEGER PRIMARY KEY, zone TEXT NOT NULL,
            service TEXT NOT NULL, id TEXT NOT NULL, weight INTEGER NOT NULL, lease_ms INTEGER NOT NULL,
            created_at INTEGER NOT NULL, changed INTEGER NOT NULL, checksum INTEGER NOT NULL) STRICT;
        CREATE TABLE addresses (instance INTEGER NOT NULL, place INTEGER NOT NULL, a TEXT NOT NULL, b TEXT NOT NULL,
            checksum INTEGER NOT NULL, PRIMARY KEY (instance, place)) STRICT, WITHOUT ROWID;
        CREATE TABLE ports (instance INTEGER NOT NULL, place INTEGER NOT NULL, a TEXT NOT NULL, b TEXT NOT NULL,
            checksum INTEGER NOT NULL, PRIMARY KEY (instance, place)) STRICT, WITHOUT ROWID;
        CREATE TABLE tags (instance INTEGER NOT NULL, place INTEGER NOT NULL, a TEXT NOT NULL, b TEXT NOT NULL,
            checksum INTEGER NOT NULL, PRIMARY KEY (instance, place)) STRICT, WITHOUT ROWID;
        CREATE TABLE meta (instance INTEGER NOT NULL, place INTEGER NOT NULL, a TEXT NOT NULL, b TEXT NOT NULL,
            checksum INTEGER NOT NULL, PRIMARY KEY (instance, place)) STRICT, WITHOUT ROWID;";

    fn insert(connection: &Connection, tallies: &[Tally], number: i64) {
        let (service, id) = names(number);
        let body = body(number);
        let sum = tallies[0].add(&[
            ZONE.as_bytes(),
            service.as_bytes(),
            id.as_bytes(),
            &body.weight.to_le_bytes(),
            &body.lease_ms.to_le_bytes(),
            &body.created_at.to_le_bytes(),
            &body.index.to_le_bytes(),
        ]);
        connection
            .prepare_cached("INSERT INTO instances VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")
            .and_then(|mut insert| {
                insert.execute(params![
                    number,
                    ZONE,
                    service,
                    id,
                    body.weight,
                    body.lease_ms,
                    body.created_at,
                    body.index,
                    sum
                ])
            })
            .expect("a row");
        for (place, address) in (0..).zip(&body.addresses) {
            let sql = "INSERT INTO addresses VALUES (?1, ?2, ?3, ?4, ?5)";
            Self::child(connection, &tallies[1], sql, number, place, address, "");
        }
        for (place, (name, port)) in (0..).zip(&body.ports) {
            let sql = "INSERT INTO ports VALUES (?1, ?2, ?3, ?4, ?5)";
            Self::child(
                connection,
                &tallies[2],
                sql,
                number,
                place,
                name,
                &port.to_string(),
            );
        }
        for (place, tag) in (0..).zip(&body.tags) {
            let sql = "INSERT INTO tags VALUES (?1, ?2, ?3, ?4, ?5)";
            Self::child(connection, &tallies[3], sql, number, place, tag, "");
        }
        for (place, (key, value)) in (0..).zip(&body.meta) {
            let sql = "INSERT INTO meta VALUES (?1, ?2, ?3, ?4, ?5)";
            Self::child(connection, &tallies[4], sql, number, place, key, value);
        }
    }

    fn load(connection: &Connection) -> Vec<Body> {
        let mut statement = connection
            .prepare("SELECT * FROM instances ORDER BY number")
            .expect("a table");
        let mut rows = statement.query([]).expect("rows");
        let mut all = Vec::new();
        while let Some(row) = rows.next().expect("a row") {
            let text = |column| {
                row.get_ref(column)
                    .and_then(|text| Ok(text.as_str()?))
                    .expect("text")
            };
            let body = Body {
                addresses: Vec::new(),
                ports: Vec::new(),
                tags: Vec::new(),
                meta: Vec::new(),
                weight: row.get(4).expect("a number"),
                lease_ms: row.get(5).expect("a number"),
                created_at: row.get(6).expect("a number"),
                index: row.get(7).expect("a number"),
            };
            let sum = checksum(&[
                text(1).as_bytes(),
                text(2).as_bytes(),
                text(3).as_bytes(),
                &body.weight.to_le_bytes(),
                &body.lease_ms.to_le_bytes(),
                &body.created_at.to_le_bytes(),
                &body.index.to_le_bytes(),
            ]);
            assert_eq!(row.get::<_, i64>(8), Ok(sum));
            all.push(body);
        }
        Self::each(connection, "addresses", |at, address, _| {
            all[at].addresses.push(address.into())
        });
        Self::each(connection, "ports", |at, name, port| {
            all[at].ports.push((name.into(), port.parse().expect("a port")));
        });
        Self::each(connection, "tags", |at, tag, _| all[at].tags.push(tag.into()));
        Self::each(connection, "meta", |at, key, value| {
            all[at].meta.push((key.into(), value.into()))
        });
        all
    }
}

/// A data base with the shape and its tallies, with `LOADED` instances.
fn filled<S: Shape>(dir: &Path) -> (Connection, Vec<Tally>) {
    let mut connection = Connection::open(dir.join("bench.db")).expect("a data base");
    let pragmas = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 4096;
        PRAGMA cache_size = -16384; CREATE TABLE tallies (name TEXT NOT NULL PRIMARY KEY, number INTEGER NOT NULL,
        sum INTEGER NOT NULL) STRICT, WITHOUT ROWID;";
    connection.execute_batch(pragmas).expect("settings");
    connection.execute_batch(S::SCHEMA).expect("a schema");
    connection.set_prepared_statement_cache_capacity(32);
    let tallies: Vec<_> = S::TABLES.iter().map(|_| Tally::default()).collect();
    for name in S::TABLES {
        connection
            .execute("INSERT INTO tallies VALUES (?1, 0, 0)", [name])
            .expect("a tally");
    }
    for chunk in 0..LOADED / 1000 {
        commit::<S>(&mut connection, &tallies, chunk * 1000..(chunk + 1) * 1000);
    }
    (connection, tallies)
}

fn commit<S: Shape>(connection: &mut Connection, tallies: &[Tally], numbers: std::ops::Range<i64>) {
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .expect("nobody else writes");
    for number in numbers {
        S::insert(&transaction, tallies, number);
    }
    for (tally, name) in tallies.iter().zip(S::TABLES) {
        tally.write(&transaction, name);
    }
    transaction.commit().expect("room");
}

fn shape<S: Shape>(criterion: &mut Criterion) {
    let dir = folder();
    let (mut connection, tallies) = filled::<S>(dir.path());
    let mut group = criterion.benchmark_group("load");
    group
        .sample_size(10)
        .throughput(Throughput::Elements(LOADED.cast_unsigned()));
    group.bench_function(S::NAME, |bencher| {
        bencher.iter_with_large_drop(|| {
            let all = S::load(&connection);
            assert_eq!(all.len() as i64, LOADED);
            all
        });
    });
    group.finish();
    let mut next = LOADED;
    for size in [1_i64, 64] {
        let mut group = criterion.benchmark_group(format!("commit/{size}"));
        group.throughput(Throughput::Elements(size.cast_unsigned()));
        group.bench_function(S::NAME, |bencher| {
            bencher.iter(|| {
                commit::<S>(&mut connection, &tallies, next..next + size);
                next += size;
            });
        });
        group.finish();
    }
}

fn shapes(criterion: &mut Criterion) {
    shape::<Json>(criterion);
    shape::<JsonByName>(criterion);
    shape::<Children>(criterion);
}

/// A registration with what [`body`] has.
fn registered(service: String, id: &str, number: u64) -> Change {
    let port = |name: &str, number: u16| Port {
        name: PortName::parse(name).expect("a name"),
        number: number.try_into().expect("a port"),
        protocol: Protocol::Tcp,
    };
    let meta = |key: &str, value: &str| {
        let value = MetaValue::parse(value).expect("a value");
        (MetaKey::parse(key).expect("a key"), value)
    };
    let [_, _, high, low] = u32::try_from(number % 65_536).expect("small").to_be_bytes();
    let mut registration = Registration::at([std::net::IpAddr::from([192, 0, high, low])]);
    registration.ports = Box::new([port("http", 8080), port("metrics", 9100)]);
    registration.tags = ["v2", "canary"].map(|tag| Tag::parse(tag).expect("a tag")).into();
    registration.meta = Box::new([meta("region", "eu-1"), meta("version", "2.1")]);
    Change::Register {
        key: InstanceKey {
            zone: ZoneName::parse(ZONE).expect("a zone"),
            service: ServiceName::parse(&service).expect("a service"),
            id: InstanceId::parse(id).expect("an id"),
        },
        registration: Box::new(registration),
    }
}

fn batch(before: &State, changes: impl IntoIterator<Item = Change>) -> (State, Vec<Record>) {
    let mut after = before.clone();
    let mut records = Vec::new();
    for change in changes {
        let effect = after.apply(
            &Operation::from(change),
            Timestamp::from_unix_ms(1_767_225_600_000),
        );
        records.extend(effect.expect("it is accepted").records);
    }
    (after, records)
}

fn write(store: &mut Store, state: &mut State, after: State, records: &[Record]) {
    let entry = |record| Entry {
        record,
        actor: "bench 192.0.2.1",
    };
    let entries: Vec<_> = records.iter().map(entry).collect();
    let batch = Batch {
        before: state,
        after: &after,
        entries: &entries,
    };
    store.apply(&batch).expect("room");
    *state = after;
}

/// The store: commits of registrations, each of a new instance in its own new service; opening 100,000 services of
/// three instances.
fn store(criterion: &mut Criterion) {
    let dir = folder();
    let opened = Store::open(dir.path()).expect("a new one");
    let (mut store, mut state) = (opened.store, opened.state);
    let open = Change::Open {
        zones: vec![ZoneName::parse(ZONE).expect("a zone")],
        base: Base::default(),
    };
    let (after, records) = batch(&state, [open]);
    write(&mut store, &mut state, after, &records);
    for chunk in 0..LOADED / 1000 {
        let changes = (0..3000_i64).map(|at| {
            let service = format!("service-{}", chunk * 1000 + at / 3);
            registered(service, &format!("web-{}", at % 3), at.cast_unsigned())
        });
        let (after, records) = batch(&state, changes);
        write(&mut store, &mut state, after, &records);
    }
    store.close().expect("a clean stop");
    let mut group = criterion.benchmark_group("store");
    group.sample_size(10).measurement_time(Duration::from_secs(8));
    group.throughput(Throughput::Elements(3 * LOADED.cast_unsigned()));
    group.bench_function("open/300000", |bencher| {
        bencher.iter_batched(
            || (),
            |()| Store::open(dir.path()).expect("it was closed"),
            BatchSize::PerIteration,
        );
    });
    group.finish();
    let opened = Store::open(dir.path()).expect("it was closed");
    assert!(opened.state == state);
    let held = RefCell::new((opened.store, opened.state));
    let next = Cell::new(0_u64);
    for size in [1, 64] {
        for (what, new) in [("register", true), ("replace", false)] {
            let mut group = criterion.benchmark_group("store");
            group.throughput(Throughput::Elements(size));
            group.bench_function(format!("{what}/{size}"), |bencher| {
                let changes = || {
                    let first = next.replace(next.get() + size);
                    let changes = (first..first + size).map(|number| {
                        let scattered = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
                        let service = if new {
                            format!("new-{scattered:016x}")
                        } else {
                            format!("service-{}", scattered % LOADED.cast_unsigned())
                        };
                        registered(service, "web-1", number + 7)
                    });
                    batch(&held.borrow().1, changes)
                };
                let commit = |(after, records): (State, Vec<Record>)| {
                    let (store, state) = &mut *held.borrow_mut();
                    write(store, state, after, &records);
                };
                bencher.iter_batched(changes, commit, BatchSize::PerIteration);
            });
            group.finish();
        }
    }
}

criterion_group!(benches, shapes, store);
criterion_main!(benches);
