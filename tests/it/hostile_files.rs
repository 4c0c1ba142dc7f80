//! Files that were damaged behind the server's back: it says what is wrong and what to do, ends with 3 and touches
//! nothing; or it serves exactly what was written; or, where the files are sound and lack what was acknowledged, it runs
//! and shows nobody anything. It never starts empty over a catalog, and never with other data.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::dns::{Query, Type, ask, ask_tcp, rcode};
use crate::support::program::{Finished, Folder, Launch, Program, run};
use crate::wire::{accepted, put, register, register_all};

/// Extended DNS errors (RFC 8914).
const OPTION_EDE: u16 = 15;
const NOT_READY: [u8; 2] = [0, 14];

/// A data folder with a catalog, as a clean stop leaves it.
fn catalog() -> (Folder, Value) {
    let folder = Folder::new();
    let program = Launch::new().data_dir(folder.path()).start();
    let instance = |n: u32| {
        let body = json!({"address": format!("10.0.0.{n}"), "port": 8000 + n, "tags": ["t"], "meta": {"n": n.to_string()}});
        (format!("i{n}"), body)
    };
    register_all(&program, "web", (0..60).map(instance));
    register(
        &program,
        "api",
        "a",
        json!({"address": "192.0.2.1", "lease": "1h"}),
    );
    put(&program, "api", json!({"ttl": "9s"}));
    accepted(
        program
            .client()
            .put("/v1/zones/other.internal", &json!({"on_empty": "all"})),
    );
    let seen = everything(&program);
    let stopped = program.terminate(Duration::from_secs(10));
    assert_eq!(stopped.code(), Some(0));
    (folder, seen)
}

/// All that the API shows of the catalog, but for what a restart renews.
fn everything(program: &Program) -> Value {
    let client = program.client();
    let mut web = client.get("/v1/services/web").expect(200).json();
    let mut api = client.get("/v1/services/api").expect(200).json();
    for service in [&mut web, &mut api] {
        for instance in service["instances"].as_array_mut().expect("instances") {
            instance["lease_expires_at"].take();
        }
    }
    json!([web, api, client.get("/v1/zones").expect(200).json()])
}

fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(dir).expect("read the folder");
    let files = entries.map(|entry| entry.expect("an entry").path());
    files
        .filter(|path| path.is_file())
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, fs::read(&path).expect("read a file"))
        })
        // The lock says who ran last, and the reserve holds nothing. Whoever reads makes an empty WAL and its index,
        // where there are none.
        .filter(|(name, octets)| {
            let is_ours = matches!(
                name.as_str(),
                "callsign.db" | "callsign.db-wal" | "callsign.db-journal"
            );
            is_ours && !octets.is_empty()
        })
        .collect()
}

fn copy_of(dir: &Path) -> Folder {
    let copy = Folder::new();
    for entry in fs::read_dir(dir).expect("read the folder") {
        let path = entry.expect("an entry").path();
        // Room for a full disk: nothing is in it.
        if path.ends_with("callsign.reserve") {
            continue;
        }
        fs::copy(&path, copy.path().join(path.file_name().unwrap())).expect("copy a file");
    }
    copy
}

/// Holds that the server refuses to start, says why and what to do, and leaves the files as they are.
#[track_caller]
fn refused(dir: &Path, what: &str, words: &[&str]) -> Finished {
    let before = files(dir);
    let finished = Launch::new().data_dir(dir).start_and_fail();
    assert_eq!(finished.code, Some(3), "{what}: {finished:?}");
    for word in words {
        assert!(
            finished.stderr.contains(word),
            "{what}: no {word:?} in {}",
            finished.stderr
        );
    }
    assert!(
        !finished.stderr.contains("panicked"),
        "{what}: {}",
        finished.stderr
    );
    assert!(files(dir) == before, "{what}: the files were touched");
    // Neither does a second attempt, nor a dump.
    let dump = run(["dump", "--data-dir", dir.to_str().unwrap()]);
    assert_eq!(
        (dump.code, dump.stdout.as_str()),
        (Some(3), ""),
        "{what}: {dump:?}"
    );
    assert!(files(dir) == before, "{what}: the dump touched the files");
    finished
}

#[test]
fn damage_is_refused_with_advice_and_the_file_is_not_touched() {
    let (original, _) = catalog();
    type Damage = fn(&mut Vec<u8>);
    let damages: [(&str, Damage, &[&str]); 9] = [
        (
            "the header overwritten",
            |db| db[..100].fill(0xff),
            &["callsign.db", "backup"],
        ),
        (
            "the first page zeroed",
            |db| db[..4096].fill(0),
            &["callsign.db", "backup"],
        ),
        (
            "cut to a half",
            |db| db.truncate(db.len() / 2),
            &["callsign.db", "backup"],
        ),
        (
            "cut within a page",
            |db| db.truncate(4096 + 100),
            &["callsign.db", "backup"],
        ),
        (
            "cut within the header",
            |db| db.truncate(50),
            &["callsign.db", "backup"],
        ),
        ("empty", Vec::clear, &["callsign.db", "empty", "backup"]),
        (
            "text",
            |db| *db = b"this is no data base\n".repeat(500),
            &["callsign.db", "backup"],
        ),
        ("zeros", |db| db.fill(0), &["callsign.db", "backup"]),
        ("one octet", |db| db.truncate(1), &["callsign.db", "backup"]),
    ];
    for (what, damage, words) in damages {
        let copy = copy_of(original.path());
        let path = copy.path().join("callsign.db");
        let mut db = fs::read(&path).expect("read the data base");
        damage(&mut db);
        fs::write(&path, &db).expect("write the data base");
        refused(copy.path(), what, words);
    }
}

#[test]
fn damage_that_is_found_beside_serving_ends_the_server() {
    let (original, _) = catalog();
    // Damage that loading does not meet: rows of the change log, which is read beside serving.
    let copy = copy_of(original.path());
    let connection = rusqlite::Connection::open(copy.path().join("callsign.db")).unwrap();
    connection
        .execute_batch("DELETE FROM changes WHERE rowid = (SELECT max(rowid) FROM changes) - 3")
        .unwrap();
    drop(connection);
    let (code, stderr) = match Launch::new().data_dir(copy.path()).try_start() {
        Err(finished) => (finished.code, finished.stderr),
        Ok(program) => {
            let stopped = program.wait_for_exit(Duration::from_secs(10));
            (stopped.code(), stopped.stderr())
        }
    };
    assert_eq!(code, Some(3), "{stderr}");
    assert!(
        stderr.contains("changes") && stderr.contains("backup"),
        "{stderr}"
    );
}

#[test]
fn a_data_base_of_somebody_else_or_of_a_newer_program_is_refused() {
    let (original, _) = catalog();
    let with = |sql: &str| {
        let copy = copy_of(original.path());
        let connection = rusqlite::Connection::open(copy.path().join("callsign.db")).unwrap();
        connection.execute_batch(sql).unwrap();
        // Folded into the file: what is judged is there.
        connection
            .execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")
            .unwrap();
        drop(connection);
        copy
    };
    let newer = with(
        "INSERT INTO refinery_schema_history (version, name, applied_on, checksum) \
         VALUES (999, 'the_future', '2030-01-01T00:00:00Z', '1')",
    );
    refused(newer.path(), "a newer schema", &["newer", "callsign.db"]);
    let altered = with("UPDATE refinery_schema_history SET checksum = '1'");
    refused(altered.path(), "an altered migration", &["migration", "backup"]);
    refused(
        with("DROP TABLE refinery_schema_history").path(),
        "no history",
        &["callsign.db", "backup"],
    );
    let tables: Vec<String> = {
        let connection = rusqlite::Connection::open(original.path().join("callsign.db")).unwrap();
        let mut statement = connection
            .prepare("SELECT name FROM sqlite_schema WHERE type = 'table'")
            .unwrap();
        let names = statement.query_map([], |row| row.get(0)).unwrap();
        names.map(Result::unwrap).collect()
    };
    for table in tables.iter().filter(|table| !table.starts_with("sqlite_")) {
        refused(
            with(&format!("DROP TABLE {table}")).path(),
            &format!("without {table}"),
            &["backup"],
        );
        // The rows of the change log and of their history are held against the tallies beside serving.
        if !matches!(
            table.as_str(),
            "changes" | "known_names" | "refinery_schema_history"
        ) {
            let name = format!("{table} without rows");
            refused(with(&format!("DELETE FROM {table}")).path(), &name, &["backup"]);
        }
    }
    let foreign = Folder::new();
    let connection = rusqlite::Connection::open(foreign.path().join("callsign.db")).unwrap();
    connection
        .execute_batch("CREATE TABLE theirs (a); INSERT INTO theirs VALUES (1)")
        .unwrap();
    drop(connection);
    refused(foreign.path(), "somebody else's", &["no data base of Callsign"]);
    // The folder is a file.
    let file = foreign.path().join("file");
    fs::write(&file, "x").unwrap();
    let finished = Launch::new().data_dir(&file).start_and_fail();
    assert_eq!(finished.code, Some(3), "{finished:?}");
    assert!(finished.stderr.contains("--data-dir"), "{}", finished.stderr);
}

/// What is left after octets were flipped at a place: exit 3, or exactly what was written. Whether it was refused.
fn flipped(original: &Path, seen: &Value, file: &str, at: usize, mask: u8) -> bool {
    let copy = copy_of(original);
    let path = copy.path().join(file);
    let mut octets = fs::read(&path).unwrap();
    octets[at] ^= mask;
    fs::write(&path, &octets).unwrap();
    judged(copy.path(), seen, &format!("octet {at} of {file} ^ {mask:#x}")).is_some()
}

/// Whether the server says that its catalog is older than what was acknowledged. If it does, it shows nobody any of it.
#[track_caller]
fn is_older(program: &Program) -> bool {
    let asked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| program.client().get("/readyz")));
    // The check beside serving may have ended it.
    let Ok(ready) = asked else { return false };
    if ready.status != 503 {
        return false;
    }
    let reason = ready.json()["parts"]["store"]["reason"].to_string();
    assert!(reason.contains("older than what was acknowledged"), "{reason}");
    assert_shows_nothing(program);
    true
}

/// Holds the same for every door: readiness, metrics, API and DNS.
#[track_caller]
pub(crate) fn assert_shows_nothing(program: &Program) {
    let client = program.client();
    assert_eq!(client.get("/readyz").status, 503);
    assert_eq!(client.get("/readyz?only=dns").status, 503);
    assert_eq!(client.get("/healthz").status, 200);
    let metrics = client.get("/metrics").expect(200).text();
    assert!(
        metrics.contains("callsign_store_trouble{reason=\"older\"} 1"),
        "{metrics}"
    );
    let body = json!({"address": "192.0.2.77"});
    for reply in [
        client.get("/v1/zones"),
        client.get("/v1/services/web"),
        client.get("/v1/changes"),
        client.get("/v1/watch"),
        client.put("/v1/services/web/instances/new", &body),
    ] {
        let told = reply.text();
        assert_eq!(reply.status, 503, "{told}");
        assert!(
            told.contains("\"not_ready\"") && told.contains("older than what was acknowledged"),
            "{told}"
        );
        assert!(reply.header("retry-after").is_some(), "{told}");
    }
    for (name, rtype) in [
        ("web.svc.internal", Type::A),
        ("none.svc.internal", Type::SRV),
        ("svc.internal", Type::SOA),
        ("example.org", Type::A),
    ] {
        let query = Query::new(name, rtype).edns(1232);
        for reply in [ask(program.dns, &query), ask_tcp(program.dns, &query)] {
            assert_eq!(reply.rcode(), rcode::SERVFAIL, "{name}: {reply:?}");
            let ede = reply.edns.as_ref().and_then(|edns| edns.option(OPTION_EDE));
            assert!(ede.is_some_and(|ede| ede.starts_with(&NOT_READY)), "{reply:?}");
        }
    }
}

/// Holds that the server refuses to start on a damaged folder, or ends soon, with 3, and touches nothing; or runs and shows
/// nothing, for the catalog is older than what was acknowledged; or serves exactly what was written. What it says when it
/// does not serve.
#[track_caller]
fn judged(dir: &Path, seen: &Value, what: &str) -> Option<String> {
    let before = files(dir);
    let told = match Launch::new().data_dir(dir).try_start() {
        Err(finished) => {
            assert_eq!(finished.code, Some(3), "{what}: {finished:?}");
            assert!(files(dir) == before, "{what}: the files were touched");
            finished.stderr
        }
        Ok(program) if is_older(&program) => {
            let ended = program.terminate(Duration::from_secs(10));
            assert_eq!(ended.code(), Some(0), "{what}: {}", ended.stderr());
            assert!(files(dir) == before, "{what}: the files were touched");
            ended.stderr()
        }
        Ok(program) => {
            // The check beside serving may end it at any moment; then the connection breaks.
            let shown = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| everything(&program)));
            if let Ok(shown) = shown {
                assert!(shown == *seen, "{what}: other data: {shown}");
                return None;
            }
            let ended = program.wait_for_exit(Duration::from_secs(10));
            assert_eq!(ended.code(), Some(3), "{what}: {}", ended.stderr());
            ended.stderr()
        }
    };
    assert!(!told.contains("panicked"), "{what}: {told}");
    assert!(told.contains("estore"), "{what}: no way out in {told}");
    Some(told)
}

/// A folder as SIGKILL leaves it with something in the data base and more in its log, and the files as they were before
/// the last start.
fn killed_later() -> (Folder, Folder, Value) {
    let (folder, _) = catalog();
    let older = copy_of(folder.path());
    let program = Launch::new().data_dir(folder.path()).start();
    for n in 0..30 {
        register(
            &program,
            "web",
            &format!("late{n}"),
            json!({"address": format!("10.0.1.{n}")}),
        );
    }
    let seen = everything(&program);
    drop(program.kill());
    (folder, older, seen)
}

#[test]
fn whatever_is_done_to_the_files_no_other_catalog_is_served() {
    let (original, older, seen) = killed_later();
    let given = std::env::var("CALLSIGN_TEST_SEED")
        .ok()
        .and_then(|text| text.parse().ok());
    let seed = given.unwrap_or_else(|| fastrand::u64(..));
    println!("CALLSIGN_TEST_SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let count = if std::env::var_os("CALLSIGN_TEST_FULL").is_some() {
        200
    } else {
        33
    };
    let (mut refused, mut behind) = (0, 0);
    for number in 0..count {
        let copy = copy_of(original.path());
        let (db, wal) = (
            copy.path().join("callsign.db"),
            copy.path().join("callsign.db-wal"),
        );
        let file = if random.bool() { &db } else { &wal };
        let mut octets = fs::read(file).unwrap();
        let place = random.usize(..octets.len());
        let page = |random: &mut fastrand::Rng| random.usize(..octets.len() / 4096) * 4096;
        let (one, other) = (page(&mut random), page(&mut random));
        let mut is_lost = false;
        let what = match number % 11 {
            0..=2 => {
                octets[place] ^= 1 << random.u8(..8);
                "a flipped bit"
            }
            3 | 4 => {
                octets.truncate(place);
                "a cut file"
            }
            5 => {
                octets[one..one + 4096].fill(0);
                "a page of zeros"
            }
            6 => {
                octets.copy_within(one..one + 4096, other);
                "a page in another one's place"
            }
            7 => {
                let end = (place + 100).min(octets.len());
                octets[place..end].fill_with(|| random.u8(..));
                "a hundred octets of noise"
            }
            8 => {
                octets.clear();
                "an empty file"
            }
            9 => {
                is_lost = true;
                "a file that is gone"
            }
            _ => {
                octets = fs::read(older.path().join("callsign.db")).unwrap();
                "an older data base"
            }
        };
        let file = if what == "an older data base" { &db } else { file };
        match is_lost {
            true => fs::remove_file(file).unwrap(),
            false => fs::write(file, &octets).unwrap(),
        }
        if what == "an older data base" {
            fs::remove_file(&wal).unwrap();
        }
        let name = file.file_name().unwrap().to_string_lossy();
        let told = judged(
            copy.path(),
            &seen,
            &format!("seed {seed}, {number}: {what}, {name}, at {place}"),
        );
        refused += usize::from(told.is_some());
        let is_behind = told.is_some_and(|told| told.contains("older than what was acknowledged"));
        behind += usize::from(is_behind);
        // Not all that was written is in the older data base, and nobody can tell but by the mark.
        assert!(is_behind || what != "an older data base");
        assert!(is_behind || what != "a file that is gone" || file == &db);
    }
    println!(
        "of {count} damaged folders {refused} were not served, {behind} of them as older than acknowledged"
    );
    assert!(refused > count / 3 && behind > 0);
}

#[test]
fn flipped_octets_are_found_or_harm_nothing() {
    let (original, seen) = catalog();
    let given = std::env::var("CALLSIGN_TEST_SEED")
        .ok()
        .and_then(|text| text.parse().ok());
    let seed = given.unwrap_or_else(|| fastrand::u64(..));
    println!("CALLSIGN_TEST_SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let db = fs::read(original.path().join("callsign.db")).unwrap();
    let count = if std::env::var_os("CALLSIGN_TEST_FULL").is_some() {
        400
    } else {
        24
    };
    // Where something stands: most of a small file is empty pages.
    let filled: Vec<usize> = (0..db.len()).filter(|at| db[*at] != 0).collect();
    let mut found = 0;
    for _ in 0..count {
        let at = if random.bool() {
            filled[random.usize(..filled.len())]
        } else {
            random.usize(..db.len())
        };
        found += usize::from(flipped(
            original.path(),
            &seen,
            "callsign.db",
            at,
            1 << random.u8(..8),
        ));
    }
    println!("{found} of {count} found at start");
    assert!(found > 0, "no flipped octet was ever found");
}

/// A folder as SIGKILL leaves it: the last writes are in the write-ahead log alone.
fn killed() -> (Folder, Value) {
    let folder = Folder::new();
    let program = Launch::new().data_dir(folder.path()).start();
    for n in 0..20 {
        register(
            &program,
            "web",
            &format!("i{n}"),
            json!({"address": format!("10.0.0.{n}")}),
        );
    }
    register(&program, "api", "a", json!({"address": "192.0.2.1"}));
    let seen = everything(&program);
    drop(program.kill());
    assert!(fs::metadata(folder.path().join("callsign.db-wal")).is_ok_and(|wal| wal.len() > 0));
    (folder, seen)
}

#[test]
fn a_lost_or_damaged_log_is_told_as_older_than_what_was_acknowledged() {
    let (original, seen) = killed();
    let wal = |dir: &Path| dir.join("callsign.db-wal");
    let octets = fs::read(wal(original.path())).unwrap();

    let copy = copy_of(original.path());
    fs::remove_file(wal(copy.path())).unwrap();
    let before = files(copy.path());
    let program = Launch::new().data_dir(copy.path()).start();
    assert!(is_older(&program));
    drop(program.kill());
    assert_eq!(files(copy.path())["callsign.db"], before["callsign.db"]);

    for (what, damaged) in [
        ("empty", Vec::new()),
        ("cut to a half", octets[..octets.len() / 2].to_vec()),
        ("cut by one octet", octets[..octets.len() - 1].to_vec()),
        ("its header zeroed", [vec![0; 32], octets[32..].to_vec()].concat()),
    ] {
        let copy = copy_of(original.path());
        fs::write(wal(copy.path()), damaged).unwrap();
        let db = files(copy.path())["callsign.db"].clone();
        let program = Launch::new().data_dir(copy.path()).start();
        assert!(is_older(&program), "{what}");
        drop(program.kill());
        assert_eq!(files(copy.path())["callsign.db"], db, "{what}");
    }
    // The data base gone, its log still there.
    let copy = copy_of(original.path());
    fs::remove_file(copy.path().join("callsign.db")).unwrap();
    let finished = Launch::new().data_dir(copy.path()).start_and_fail();
    assert_eq!(finished.code, Some(3), "{finished:?}");
    assert!(finished.stderr.contains("callsign.db-wal"), "{}", finished.stderr);
    assert!(
        !copy.path().join("callsign.db").exists(),
        "an empty one was put in its place"
    );
    // Untouched it is whole.
    let copy = copy_of(original.path());
    let program = Launch::new().data_dir(copy.path()).start();
    assert_eq!(everything(&program), seen);
    // An older copy in its place.
    let older = program.terminate(Duration::from_secs(10));
    assert_eq!(older.code(), Some(0));
    let saved = fs::read(copy.path().join("callsign.db")).unwrap();
    let program = Launch::new().data_dir(copy.path()).start();
    register(&program, "web", "later", json!({"address": "10.0.0.99"}));
    assert_eq!(program.terminate(Duration::from_secs(10)).code(), Some(0));
    fs::write(copy.path().join("callsign.db"), saved).unwrap();
    assert!(is_older(&Launch::new().data_dir(copy.path()).start()));
}

#[test]
fn flipped_octets_of_the_log_are_found_or_harm_nothing() {
    let (original, seen) = killed();
    let wal = fs::read(original.path().join("callsign.db-wal")).unwrap();
    let mut random = fastrand::Rng::with_seed(7);
    let count = if std::env::var_os("CALLSIGN_TEST_FULL").is_some() {
        200
    } else {
        8
    };
    for _ in 0..count {
        let at = random.usize(..wal.len());
        flipped(original.path(), &seen, "callsign.db-wal", at, 1 << random.u8(..8));
    }
}
