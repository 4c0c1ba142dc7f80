//! The change log, read beside the writer.

use tempfile::TempDir;

use super::*;
use rusqlite::Connection;

use crate::catalog::Image;
use crate::store::{History, HistoryError, Keep, Logged};

fn read(history: &History, after: u64, until: u64) -> Vec<u64> {
    let mut indexes = Vec::new();
    let last = history.read(after, until, |logged| {
        indexes.push(logged.record.index);
        true
    });
    assert_eq!(
        last.expect("it can be read"),
        indexes.last().copied().unwrap_or(after)
    );
    indexes
}

fn filled(dir: &TempDir) -> Book {
    let mut book = Book::open(dir.path());
    book.make([open_zones(&["svc.internal"])]).expect("room");
    for last in 0..9 {
        book.make([register(key("web", "web-1"), plain(last))])
            .expect("room");
    }
    book
}

#[test]
fn what_was_committed_is_read_while_the_store_is_open() {
    let dir = TempDir::new().expect("a folder");
    let mut book = filled(&dir);
    let history = History::of(dir.path());
    assert_eq!(history.oldest().expect("it can be read"), 1);
    assert_eq!(read(&history, 0, 10), (1..=10).collect::<Vec<_>>());
    assert_eq!(read(&history, 7, 9), [8, 9]);
    assert_eq!(read(&history, 10, 10), [0; 0]);
    book.make([register(key("web", "web-2"), plain(1))])
        .expect("room");
    assert_eq!(read(&history, 9, 11), [10, 11]);
    let mut given = 0;
    let last = history.read(0, 11, |_| {
        given += 1;
        given < 3
    });
    assert_eq!(last.expect("it can be read"), 3, "it ends where it is told to");
}

#[test]
fn a_change_is_read_as_it_was_written() {
    let dir = TempDir::new().expect("a folder");
    let book = filled(&dir);
    let state = book.state.clone();
    let web = state
        .zones
        .values()
        .next()
        .expect("a zone")
        .services
        .named("web")
        .cloned()
        .expect("a service");
    let mut last = None;
    History::of(dir.path())
        .read(9, 10, |logged| {
            last = Some(logged);
            true
        })
        .expect("it can be read");
    let Logged { record, actor } = last.expect("a change");
    assert_eq!((record.index, &*actor), (10, "test 192.0.2.7"));
    assert_eq!(record.after, Image::Instance(web.instances[0].clone()));
    assert!(matches!(record.before, Image::Instance(_)));
}

#[test]
fn what_was_trimmed_is_gone() {
    let dir = TempDir::new().expect("a folder");
    let mut book = filled(&dir);
    book.store.keep(Keep {
        changes: 4,
        ..Keep::default()
    });
    let history = History::of(dir.path());
    assert_eq!(history.oldest().expect("it can be read"), 1);
    book.make([register(key("web", "web-2"), plain(1))])
        .expect("room");
    assert_eq!(history.oldest().expect("it can be read"), 8);
    let gone = history.read(6, 11, |_| panic!("nothing is given"));
    assert!(matches!(gone, Err(HistoryError::Gone { oldest: 8 })), "{gone:?}");
    assert_eq!(read(&history, 7, 11), [8, 9, 10, 11]);
}

#[test]
fn what_stands_before_a_gap_is_of_another_epoch_and_gone() {
    let dir = TempDir::new().expect("a folder");
    filled(&dir).close();
    let connection = Connection::open(dir.path().join("callsign.db")).expect("a data base");
    // As a restore leaves it: the index is ahead.
    let moved = connection.execute("UPDATE catalog SET number = number + (1 << 32)", []);
    assert_eq!(moved.expect("a row"), 1);
    let index = 10 + (1 << 32);
    let history = History::of(dir.path());
    assert_eq!(history.oldest().expect("it can be read"), index + 1);
    for after in [0, 5, 10, 11, index - 1] {
        let gone = history.read(after, index, |_| panic!("nothing is given"));
        assert!(
            matches!(gone, Err(HistoryError::Gone { .. })),
            "{after}: {gone:?}"
        );
    }
    assert_eq!(read(&history, index, index), [0; 0]);
    // And with the first changes after it.
    for number in [index + 1, index + 2] {
        let copied = connection.execute(
            "INSERT INTO changes SELECT ?1, at, actor, origin, zone, kind, service, id, image_before, image_after, serials, \
             checksum FROM changes WHERE number = 10",
            [number as i64],
        );
        assert_eq!(copied.expect("a row"), 1);
    }
    connection
        .execute("UPDATE catalog SET number = number + 2", [])
        .expect("a row");
    assert_eq!(
        History::of(dir.path()).oldest().expect("it can be read"),
        index + 1
    );
    assert_eq!(history.oldest().expect("it can be read"), index + 1);
}

#[test]
fn a_change_that_was_altered_is_not_told() {
    let dir = TempDir::new().expect("a folder");
    filled(&dir).close();
    let connection = Connection::open(dir.path().join("callsign.db")).expect("a data base");
    connection
        .execute("UPDATE changes SET actor = 'somebody else' WHERE number = 5", [])
        .expect("a row");
    let mut given = Vec::new();
    let failed = History::of(dir.path()).read(2, 10, |logged| {
        given.push(logged.record.index);
        true
    });
    assert!(matches!(failed, Err(HistoryError::Failed(_))), "{failed:?}");
    assert_eq!(given, [3, 4]);
}
