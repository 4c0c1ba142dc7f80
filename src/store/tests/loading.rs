//! Loading on several threads: the same catalog, and the same faults.

use rusqlite::Connection;
use tempfile::TempDir;

use super::super::load::{Loaded, load_on};
use super::super::open::{Files, reading_connection};
use super::super::trouble::Trouble;
use super::*;

/// Services of three zones, registered in an order that is not that of their names; some have settings and no instance,
/// and some names linger.
fn written(dir: &Path) -> Book {
    let zones = ["svc.internal", "a.svc.internal", "z.example.org"];
    let mut book = Book::open(dir);
    book.make([open_zones(&zones)]).expect("room");
    let mut random = fastrand::Rng::with_seed(7);
    let mut keys: Vec<_> = (0..300)
        .flat_map(|service| (0..1 + service % 4).map(move |instance| (service, instance)))
        .map(|(service, instance)| {
            let service_name = format!("s{}", service * 37 % 1000);
            key_in(zones[service % 3], &service_name, &format!("i{instance}"))
        })
        .collect();
    random.shuffle(&mut keys);
    for keys in keys.chunks(50) {
        let body = |key: &InstanceKey| match key.id.as_str() {
            "i1" => full(),
            _ => plain(9),
        };
        book.make(keys.iter().map(|key| register(key.clone(), body(key))))
            .expect("room");
    }
    for service in 0..40 {
        let settings = crate::catalog::ServiceSettings {
            answer_limit: Some(service),
            ..crate::catalog::ServiceSettings::default()
        };
        let service = ServiceName::parse(&format!("s{}", service * 21)).expect("a label");
        let zone = self::zone(zones[1]);
        book.make([Change::PutService {
            zone,
            service,
            settings,
        }])
        .expect("room");
    }
    for key in keys.iter().filter(|key| key.id.as_str() == "i1").step_by(3) {
        book.make([Change::Deregister {
            key: key.clone(),
            absent_is_fine: false,
        }])
        .expect("room");
    }
    book
}

fn load(dir: &Path, threads: usize) -> Result<Loaded, Trouble> {
    let db = Files::of(dir).db;
    let connection = reading_connection(&db).expect("a data base");
    load_on(&connection, |_| threads, || reading_connection(&db))
}

#[test]
fn several_threads_load_what_one_does() {
    let dir = TempDir::new().expect("a folder");
    let book = written(dir.path());
    let services: usize = book.state.zones.values().map(|zone| zone.services.len()).sum();
    let lingering = book.state.zones.values().flat_map(|zone| &zone.services);
    let lingering: usize = lingering.map(|service| service.lingering().len()).sum();
    assert!(services > 300 && lingering > 20, "{services} {lingering}");
    for threads in [1, 2, 3, 8] {
        let loaded = load(dir.path(), threads).expect("a sound catalog");
        assert_same(&loaded.state, &book.state);
    }
    // What the log holds and what the data base does is the same to all.
    book.close();
    let before = load(dir.path(), 1).expect("a sound catalog").state;
    assert_same(&load(dir.path(), 3).expect("a sound catalog").state, &before);
}

#[test]
fn several_threads_name_the_row_that_one_names() {
    let dir = TempDir::new().expect("a folder");
    written(dir.path()).close();
    let whole = fs::read(dir.path().join("callsign.db")).expect("a file");
    for sql in [
        "UPDATE instances SET body = replace(body, '192.0.2.9', '192.0.2.8') WHERE number = 77",
        "UPDATE instances SET id = 'other' WHERE number > 300",
        "DELETE FROM instances WHERE number = 88",
        "DELETE FROM services",
        "DELETE FROM known_names WHERE name = 'canary'",
        "UPDATE zones SET zone = 'another.example.org' WHERE zone = 'z.example.org'",
    ] {
        fs::write(dir.path().join("callsign.db"), &whole).expect("room");
        let other = Connection::open(dir.path().join("callsign.db")).expect("a data base");
        assert!(other.execute(sql, []).expect(sql) > 0, "{sql}");
        drop(other);
        let wrong = |threads| format!("{:?}", load(dir.path(), threads).err().expect(sql));
        assert_eq!(wrong(1), wrong(4), "{sql}");
    }
}

#[test]
fn a_connection_that_sees_another_commit_is_not_used() {
    let dir = TempDir::new().expect("a folder");
    let book = written(dir.path());
    let db = Files::of(dir.path()).db;
    let before = book.state.clone();
    let connection = reading_connection(&db).expect("a data base");
    let book = std::sync::Mutex::new(book);
    let another = || {
        // The first read transaction has begun.
        let mut book = book.lock().expect("no panic before");
        let late = format!("late-{}", book.state.index);
        book.make([register(key("late", &late), plain(1))]).expect("room");
        reading_connection(&db)
    };
    let loaded = load_on(&connection, |_| 4, another).expect("a sound catalog");
    assert_same(&loaded.state, &before);
    let after = book.into_inner().expect("no panic before").state;
    assert_eq!(after.index, before.index + 3, "three others were opened");
}
