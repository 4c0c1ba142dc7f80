//! One process for a directory; others may look.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tempfile::TempDir;

use super::*;

fn in_use(opened: Result<Opened, OpenError>) -> String {
    match opened {
        Err(OpenError::InUse(message)) => message,
        other => panic!("opened as {other:?}"),
    }
}

#[test]
fn a_second_server_on_a_directory_is_refused_until_the_first_is_gone() {
    let dir = TempDir::new().expect("a folder");
    let mut book = Book::open(dir.path());
    let message = in_use(Store::open(dir.path()));
    assert!(
        message.contains(&format!("process {}", std::process::id())),
        "{message}"
    );
    book.make([open_zones(&["svc.internal"])])
        .expect("it was not disturbed");
    let state = book.close();
    assert_same(&Book::open(dir.path()).state, &state);
}

/// Not a test by itself: the other process of the next one.
#[test]
fn holds_a_directory_for_another_process() {
    let Some(dir) = std::env::var_os("CALLSIGN_TEST_HOLD") else {
        return;
    };
    let _book = Book::open(Path::new(&dir));
    println!("held");
    let _ = std::io::stdin().lines().next();
}

#[test]
fn the_lock_holds_between_processes_and_dies_with_its_holder() {
    let dir = TempDir::new().expect("a folder");
    let mut other = Command::new(std::env::current_exe().expect("this program"))
        .args([
            "--exact",
            "store::tests::doors::holds_a_directory_for_another_process",
            "--nocapture",
        ])
        .env("CALLSIGN_TEST_HOLD", dir.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a process");
    let said = BufReader::new(other.stdout.take().expect("piped"));
    assert!(
        said.lines()
            .map_while(Result::ok)
            .any(|line| line.contains("held"))
    );
    let message = in_use(Store::open(dir.path()));
    assert!(message.contains(&format!("process {}", other.id())), "{message}");
    other.kill().expect("it runs");
    other.wait().expect("it ran");
    Book::open(dir.path());
}

#[test]
fn reading_beside_a_server_sees_the_last_commit_and_writes_nothing() {
    let dir = TempDir::new().expect("a folder");
    let mut book = Book::open(dir.path());
    book.make([open_zones(&["svc.internal"])]).expect("room");
    for last in 1..4 {
        book.make([register(key("web", "web-1"), plain(last))])
            .expect("room");
        let before = fs::read(dir.path().join("callsign.db-wal")).expect("a log");
        let (state, identity) = super::super::read(dir.path()).expect("readable");
        assert_same(&state, &book.state);
        assert_eq!(identity, book.identity);
        assert!(before == fs::read(dir.path().join("callsign.db-wal")).expect("a log"));
    }
}

#[test]
fn reading_where_nothing_is_makes_nothing() {
    let dir = TempDir::new().expect("a folder");
    let message = super::super::read(dir.path())
        .expect_err("nothing is there")
        .to_string();
    assert!(message.contains("no catalog"), "{message}");
    assert_eq!(fs::read_dir(dir.path()).expect("a folder").count(), 0);
}

#[test]
fn a_file_that_cannot_be_read_just_now_is_not_called_damaged() {
    let dir = TempDir::new().expect("a folder");
    Book::open(dir.path()).close();
    let other = rusqlite::Connection::open(dir.path().join("callsign.db")).expect("a data base");
    let alone = "PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; CREATE TABLE t (x); ROLLBACK";
    other.execute_batch(alone).expect("nobody else has it open");
    let stop = Arc::new(AtomicBool::new(false));
    assert_eq!(super::super::quick_check(dir.path(), &stop), Ok(()));
    drop(other);
    fs::write(dir.path().join("callsign.db"), [b'x'; 4096]).expect("room");
    assert!(
        super::super::quick_check(dir.path(), &stop).is_err(),
        "what can be read is judged"
    );
}

#[test]
fn a_check_that_is_told_to_stop_is_no_failure() {
    let dir = TempDir::new().expect("a folder");
    let mut book = Book::open(dir.path());
    book.make([open_zones(&["svc.internal"])]).expect("room");
    assert_eq!(
        super::super::quick_check(dir.path(), &Arc::new(AtomicBool::new(true))),
        Ok(())
    );
    let none = TempDir::new().expect("a folder");
    assert!(super::super::quick_check(none.path(), &Arc::new(AtomicBool::new(false))).is_err());
}

#[test]
fn reading_after_a_stop_leaves_the_data_base_as_it_is() {
    let dir = TempDir::new().expect("a folder");
    let mut book = Book::open(dir.path());
    book.make([open_zones(&["svc.internal"])]).expect("room");
    let state = book.close();
    let file = dir.path().join("callsign.db");
    assert!(
        !dir.path().join("callsign.db-wal").exists(),
        "a clean stop leaves no log"
    );
    let before = fs::read(&file).expect("a file");
    assert_same(&super::super::read(dir.path()).expect("readable").0, &state);
    assert!(before == fs::read(&file).expect("a file"));
    assert_same(&Book::open(dir.path()).state, &state);
}

#[test]
fn a_reader_that_stays_delays_a_stop_by_less_than_a_second_and_loses_nothing() {
    let dir = TempDir::new().expect("a folder");
    let mut book = Book::open(dir.path());
    book.make([open_zones(&["svc.internal"])]).expect("room");
    let reader = rusqlite::Connection::open(dir.path().join("callsign.db")).expect("a data base");
    reader
        .execute_batch("BEGIN; SELECT count(*) FROM changes")
        .expect("a read transaction");
    book.make([register(key("web", "web-1"), plain(1))])
        .expect("room");
    let state = book.close();
    drop(reader);
    assert_same(&Book::open(dir.path()).state, &state);
}
