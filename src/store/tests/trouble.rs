//! A commit that fails changes nothing: not the file, not the tallies.

use rusqlite::Connection;
use tempfile::TempDir;

use super::*;
use crate::store::log::Keep;

#[test]
fn another_process_with_a_lock_gives_busy_and_nothing_else() {
    let dir = TempDir::new().expect("a folder");
    let mut book = Book::open(dir.path());
    book.make([open_zones(&["svc.internal"])]).expect("room");
    book.store
        .connection
        .busy_timeout(std::time::Duration::ZERO)
        .expect("a setting");
    let other = Connection::open(dir.path().join("callsign.db")).expect("a data base");
    other.execute_batch("BEGIN EXCLUSIVE").expect("nobody writes");
    let refused = book.make([register(key("web", "web-1"), plain(1))]);
    assert!(matches!(refused, Err(CommitError::Busy)), "{refused:?}");
    other.execute_batch("ROLLBACK").expect("it is its own");
    book.make([register(key("web", "web-2"), plain(2))])
        .expect("the lock is gone");
    let state = book.close();
    assert_eq!(state.index, 2);
    assert_same(&Book::open(dir.path()).state, &state);
}

#[test]
fn a_full_disk_is_told_apart_and_writing_goes_on_when_there_is_room() {
    let dir = TempDir::new().expect("a folder");
    let mut book = Book::open(dir.path());
    book.make([open_zones(&["svc.internal"])]).expect("room");
    let pages: i64 = book
        .store
        .connection
        .query_row("PRAGMA page_count", [], |row| row.get(0))
        .expect("a number");
    let bound = |book: &Book, pages: i64| {
        book.store
            .connection
            .pragma_update(None, "max_page_count", pages)
            .expect("a setting");
    };
    bound(&book, pages);
    let many = || (1..=200).map(|last| register(key("web", &format!("web-{last}")), full()));
    let tallies = book.store.tallies;
    for _ in 0..2 {
        let refused = book.make(many());
        assert!(matches!(refused, Err(CommitError::Full { .. })), "{refused:?}");
        assert_eq!(book.store.tallies, tallies);
        let on_disk = super::super::read(dir.path()).expect("readable").0;
        assert_same(&on_disk, &book.state);
    }
    bound(&book, 1_000_000);
    book.make(many()).expect("room again");
    let state = book.close();
    assert_same(&Book::open(dir.path()).state, &state);
}

#[test]
fn a_row_that_somebody_else_changed_stops_all_writing() {
    let dir = TempDir::new().expect("a folder");
    let mut book = Book::open(dir.path());
    book.make([
        open_zones(&["svc.internal"]),
        register(key("web", "web-1"), plain(1)),
    ])
    .expect("room");
    let other = Connection::open(dir.path().join("callsign.db")).expect("a data base");
    other
        .execute_batch("UPDATE instances SET checksum = 0")
        .expect("nobody writes");
    let refused = book.make([register(key("web", "web-1"), plain(2))]);
    assert!(matches!(refused, Err(CommitError::Failed(_))), "{refused:?}");
    let again = book.make([register(key("api", "api-1"), plain(2))]);
    assert!(matches!(again, Err(CommitError::Failed(_))), "{again:?}");
    let rows: i64 = other
        .query_row("SELECT count(*) FROM changes", [], |row| row.get(0))
        .expect("a table");
    assert_eq!(rows, 2);
    book.close();
}

#[test]
fn nothing_to_write_writes_nothing() {
    let dir = TempDir::new().expect("a folder");
    let mut book = Book::open(dir.path());
    let other = Connection::open(dir.path().join("callsign.db")).expect("a data base");
    other.execute_batch("BEGIN EXCLUSIVE").expect("nobody writes");
    book.make([]).expect("no lock is asked for");
}

fn numbers(book: &Book) -> Vec<i64> {
    let mut statement = book
        .store
        .connection
        .prepare("SELECT number FROM changes ORDER BY number")
        .expect("a table");
    let numbers = statement.query_map([], |row| row.get(0)).expect("rows");
    numbers.collect::<Result<_, _>>().expect("numbers")
}

#[test]
fn the_change_log_is_bounded_by_number() {
    let dir = TempDir::new().expect("a folder");
    let mut book = Book::open(dir.path());
    book.store.keep = Keep {
        changes: 10,
        age: std::time::Duration::MAX,
    };
    book.make([open_zones(&["svc.internal"])]).expect("room");
    for last in 0..30 {
        book.make([register(key("web", "web-1"), plain(last))])
            .expect("room");
    }
    assert_eq!(numbers(&book), (22..=31).collect::<Vec<_>>());
    let state = book.close();
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    assert_eq!(super::super::quick_check(dir.path(), &stop), Ok(()));
    assert_same(&Book::open(dir.path()).state, &state);
}

#[test]
fn the_change_log_is_bounded_by_age_and_its_newest_change_stays() {
    let dir = TempDir::new().expect("a folder");
    let mut book = Book::open(dir.path());
    book.store.keep.age = std::time::Duration::from_secs(10);
    book.make([open_zones(&["svc.internal"])]).expect("room");
    for last in 0..30 {
        book.make([register(key("web", "web-1"), plain(last))])
            .expect("room");
    }
    assert_eq!(numbers(&book), (21..=31).collect::<Vec<_>>());
    book.now_ms += 1_000_000;
    book.make([register(key("web", "web-1"), plain(77))])
        .expect("room");
    assert_eq!(numbers(&book), [32]);
    book.close();
    Book::open(dir.path());
}

#[test]
fn a_long_change_log_shrinks_in_steps() {
    let dir = TempDir::new().expect("a folder");
    let mut book = Book::open(dir.path());
    book.make([open_zones(&["svc.internal"])]).expect("room");
    for batch in 0..8 {
        book.make((0..100).map(|last| register(key("web", "web-1"), plain(last + batch))))
            .expect("room");
    }
    assert_eq!(numbers(&book).len(), 801);
    book.store.keep.changes = 1;
    book.make([register(key("web", "web-1"), plain(200))])
        .expect("room");
    assert_eq!(numbers(&book).len(), 802 - 66);
    let bodies: Option<String> = book
        .store
        .connection
        .query_row("SELECT min(image_after) FROM changes", [], |row| row.get(0))
        .expect("a table");
    assert!(bodies.is_some());
}
