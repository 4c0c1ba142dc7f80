//! Damage is found, or did no harm; nothing is ever served that was not written.

use std::path::PathBuf;

use rusqlite::Connection;
use tempfile::TempDir;

use super::*;

/// A catalog with something in every table, and a second commit that only the WAL holds.
fn written(dir: &Path) -> Book {
    let mut book = Book::open(dir);
    book.make([
        open_zones(&["svc.internal", "gone.internal"]),
        register(key("web", "web-1"), full()),
    ])
    .expect("room");
    book.make([
        register(key("web", "web-2"), plain(9)),
        Change::DeleteZone {
            zone: zone("gone.internal"),
        },
        Change::Report {
            key: key("web", "web-1"),
            port: None,
            status: Status::Critical,
            output: None,
        },
        register(key("api", "api-1"), plain(7)),
        Change::Deregister {
            key: key("api", "api-1"),
            absent_is_fine: false,
        },
    ])
    .expect("room");
    book
}

/// Opens what damage left, and holds it against `wanted` if it opens.
fn judge(dir: &Path, wanted: &State, what: &str) -> bool {
    let before = fs::read(dir.join("callsign.db")).expect("a file");
    match super::super::read(dir) {
        Ok((state, _)) => {
            assert_eq!(state, *wanted, "{what}");
            true
        }
        Err(OpenError::Unusable(message)) => {
            assert!(message.contains("callsign.db"), "{what}: {message}");
            assert_eq!(unusable(Store::open(dir)), message, "{what}");
            let after = fs::read(dir.join("callsign.db")).expect("a file");
            assert!(before == after, "{what}: a damaged file is left as it is");
            false
        }
        Err(other) => panic!("{what}: {other:?}"),
    }
}

#[test]
fn a_flipped_octet_is_found_or_harmless() {
    let dir = TempDir::new().expect("a folder");
    let state = written(dir.path()).close();
    let whole = fs::read(dir.path().join("callsign.db")).expect("a file");
    let damaged = TempDir::new().expect("a folder");
    let file = damaged.path().join("callsign.db");
    let mut found = 0;
    // Page 1 octet by octet as far as it is a header; then what is used of each page, which stands at its ends.
    let used = |at: &usize| *at < 128 || at % 4096 < 32 || whole[*at] != 0;
    let offsets: Vec<_> = (0..whole.len()).filter(used).collect();
    for at in offsets.iter().step_by(offsets.len() / 900 + 1) {
        for mask in [0x01, 0x80] {
            let mut octets = whole.clone();
            octets[*at] ^= mask;
            let _ = fs::remove_file(damaged.path().join("callsign.db-wal"));
            fs::write(&file, octets).expect("room");
            found += usize::from(!judge(damaged.path(), &state, &format!("octet {at} ^ {mask:#x}")));
        }
    }
    assert!(found > 600, "found {found} of what is mostly used octets");
}

#[test]
fn a_flipped_octet_in_the_write_ahead_log_is_found_or_harmless() {
    let dir = TempDir::new().expect("a folder");
    let book = written(dir.path());
    let wal = fs::read(dir.path().join("callsign.db-wal")).expect("a log");
    let mut found = 0;
    for at in (0..wal.len()).step_by(wal.len() / 150 + 1).chain(0..32) {
        let damaged = TempDir::new().expect("a folder");
        copy(dir.path(), damaged.path(), true);
        let mut octets = wal.clone();
        octets[at] ^= 0x10;
        fs::write(damaged.path().join("callsign.db-wal"), octets).expect("room");
        match Store::open(damaged.path()) {
            Ok(opened) if opened.older.is_some() => found += 1,
            Ok(opened) => assert_eq!(opened.state, book.state, "octet {at}"),
            Err(OpenError::Unusable(_)) => found += 1,
            Err(other) => panic!("octet {at}: {other:?}"),
        }
    }
    assert!(found > 100, "{found}");
}

/// Holds that the catalog is known to lack commits, and that nothing can be written on top of it.
#[track_caller]
fn assert_is_older(dir: &Path) {
    let Opened {
        mut store,
        state,
        older,
        ..
    } = Store::open(dir).expect("nothing is damaged");
    let older = older.expect("it lacks commits");
    assert!(older.contains("older than what was acknowledged"), "{older}");
    let (after, records) = records(&state, START_MS, [open_zones(&["new.internal"])]);
    let batch = Batch {
        before: &state,
        after: &after,
        entries: &entries(&records),
    };
    for _ in 0..2 {
        assert!(matches!(store.apply(&batch), Err(CommitError::Older(_))));
        assert!(matches!(store.probe(), Err(CommitError::Older(_))));
    }
    assert!(matches!(store.failure(), Some(CommitError::Older(_))));
}

#[test]
fn a_write_ahead_log_that_is_gone_or_cut_short_is_noticed() {
    let dir = TempDir::new().expect("a folder");
    let book = written(dir.path());
    let octets = fs::metadata(dir.path().join("callsign.db-wal"))
        .expect("a log")
        .len();
    for keep in [None, Some(0), Some(32), Some(octets / 2), Some(octets - 1)] {
        let damaged = TempDir::new().expect("a folder");
        copy(dir.path(), damaged.path(), true);
        let wal = damaged.path().join("callsign.db-wal");
        match keep {
            None => fs::remove_file(&wal).expect("it is there"),
            Some(octets) => fs::File::options()
                .write(true)
                .open(&wal)
                .and_then(|file| file.set_len(octets))
                .expect("it is there"),
        }
        // Twice: telling does not forget.
        for _ in 0..2 {
            assert_is_older(damaged.path());
        }
        fs::remove_file(damaged.path().join("callsign.lock")).expect("it is there");
        let opened = Store::open(damaged.path()).expect("nothing is damaged");
        assert!(opened.older.is_none() && opened.state.index < book.state.index);
    }
}

#[test]
fn an_older_copy_in_its_place_is_noticed() {
    let (dir, old) = (
        TempDir::new().expect("a folder"),
        TempDir::new().expect("a folder"),
    );
    written(dir.path()).close();
    copy(dir.path(), old.path(), false);
    let mut book = Book::open(dir.path());
    book.make([register(key("web", "web-3"), plain(3))])
        .expect("room");
    book.close();
    copy(old.path(), dir.path(), false);
    assert_is_older(dir.path());
}

#[test]
fn an_older_copy_under_a_newer_log_is_noticed() {
    let (dir, old) = (
        TempDir::new().expect("a folder"),
        TempDir::new().expect("a folder"),
    );
    let mut book = written(dir.path());
    copy(dir.path(), old.path(), false);
    fs::remove_file(old.path().join("callsign.db-wal")).expect("the older copy is without its log");
    // What the old file lacks and the new log does not repeat.
    book.store
        .connection
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .expect("nobody reads");
    book.make([register(key("web", "web-1"), plain(3))])
        .expect("room");
    fs::copy(
        dir.path().join("callsign.db-wal"),
        old.path().join("callsign.db-wal"),
    )
    .expect("room");
    unusable(Store::open(old.path()));
}

#[test]
fn what_is_no_data_base_of_ours_is_left_alone() {
    let dir = TempDir::new().expect("a folder");
    let whole = TempDir::new().expect("a folder");
    written(whole.path()).close();
    let octets = fs::read(whole.path().join("callsign.db")).expect("a file");
    let file: PathBuf = dir.path().join("callsign.db");
    let cases: [(&str, &[u8], &str); 5] = [
        ("emptied", b"", "is empty"),
        (
            "text",
            b"hello, this is no data base at all, only a file of text",
            "no data base",
        ),
        ("cut in its header", &octets[..50], ""),
        ("cut after a page", &octets[..4096], ""),
        ("cut in a page", &octets[..octets.len() - 1000], ""),
    ];
    for (what, content, says) in cases {
        fs::write(&file, content).expect("room");
        let message = unusable(Store::open(dir.path()));
        assert!(
            message.contains(says) && message.contains("Restore a backup"),
            "{what}: {message}"
        );
        assert_eq!(fs::read(&file).expect("a file"), content, "{what}");
    }
    fs::remove_file(&file).expect("it is there");
    Connection::open(&file)
        .and_then(|other| other.execute_batch("CREATE TABLE t (x); INSERT INTO t VALUES (1)"))
        .expect("another program's");
    assert!(unusable(Store::open(dir.path())).contains("no data base of Callsign"));
}

#[test]
fn a_log_without_its_data_base_is_no_fresh_start() {
    let dir = TempDir::new().expect("a folder");
    let book = written(dir.path());
    let crashed = TempDir::new().expect("a folder");
    copy(dir.path(), crashed.path(), false);
    fs::remove_file(crashed.path().join("callsign.db")).expect("it is there");
    assert!(unusable(Store::open(crashed.path())).contains("is missing"));
    assert!(!crashed.path().join("callsign.db").exists());
    drop(book);
}

#[test]
fn moving_the_files_away_as_the_message_says_begins_anew() {
    let dir = TempDir::new().expect("a folder");
    let book = written(dir.path());
    let epoch = book.identity.epoch;
    book.close();
    for name in ["callsign.db", "callsign.db-wal", "callsign.db-shm"] {
        let _ = fs::remove_file(dir.path().join(name));
    }
    let book = Book::open(dir.path());
    assert_eq!(book.state, State::default());
    assert_ne!(book.identity.epoch, epoch);
}

#[test]
fn a_half_made_data_base_is_made_again() {
    let dir = TempDir::new().expect("a folder");
    fs::write(dir.path().join("callsign.db.new"), b"half").expect("room");
    assert_eq!(Book::open(dir.path()).state, State::default());
    assert!(!dir.path().join("callsign.db.new").exists());
}

/// Opens a closed catalog after `sql` was run on it by hand.
fn after(sql: &str) -> String {
    let dir = TempDir::new().expect("a folder");
    written(dir.path()).close();
    let other = Connection::open(dir.path().join("callsign.db")).expect("a data base");
    other.execute_batch(sql).expect(sql);
    drop(other);
    unusable(Store::open(dir.path()))
}

#[test]
fn rows_changed_by_hand_are_named() {
    for (sql, says) in [
        (
            "UPDATE instances SET body = replace(body, '192.0.2.9', '192.0.2.8')",
            "table instances, row 4 svc.internal web web-2",
        ),
        (
            "DELETE FROM instances WHERE id = 'web-2'",
            "table instances has 1 rows",
        ),
        ("DELETE FROM services", "service is unknown"),
        ("UPDATE serials SET serial = serial - 1", "table serials, row"),
        ("DELETE FROM serials", "it has no serial"),
        ("UPDATE known_names SET since = 0", "table known_names, row"),
        ("DELETE FROM known_names", "table known_names has 0 rows"),
        ("UPDATE catalog SET number = number + 1", "table catalog, row"),
        ("DELETE FROM catalog", "lacks its row"),
        (
            "UPDATE tallies SET sum = 0 WHERE name = 'zones'",
            "table tallies, row",
        ),
        (
            "DELETE FROM tallies WHERE name = 'changes'",
            "table tallies lacks a row",
        ),
        ("DROP TABLE changes", "definition of table changes"),
        (
            "ALTER TABLE zones ADD COLUMN more TEXT",
            "definition of table zones",
        ),
    ] {
        let message = after(sql);
        assert!(message.contains(says), "{sql}: {message}");
    }
}

#[test]
fn a_newer_schema_is_refused_and_an_altered_migration_too() {
    let newer = after("INSERT INTO refinery_schema_history VALUES (2, 'more', '2030-01-01T00:00:00Z', '1')");
    assert!(
        newer.contains("newer callsign") && newer.contains("Install"),
        "{newer}"
    );
    let altered = after("UPDATE refinery_schema_history SET checksum = '1'");
    assert!(altered.contains("migration 1"), "{altered}");
    let none = after("DELETE FROM refinery_schema_history");
    assert!(none.contains("no history"), "{none}");
}

#[test]
fn a_changed_log_is_found_by_the_check_beside_serving() {
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    for sql in [
        "UPDATE changes SET actor = 'somebody else' WHERE number = 2",
        "DELETE FROM changes WHERE number = 2",
    ] {
        let dir = TempDir::new().expect("a folder");
        written(dir.path()).close();
        let other = Connection::open(dir.path().join("callsign.db")).expect("a data base");
        other.execute_batch(sql).expect(sql);
        drop(other);
        let message = super::super::quick_check(dir.path(), &stop).expect_err(sql);
        assert!(message.contains("table changes"), "{message}");
    }
}
