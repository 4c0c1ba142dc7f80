//! `callsign backup` and `callsign restore`: what is restored is what was there, in a new epoch; whatever goes wrong,
//! the catalog that was there still is.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::hostile_files::assert_shows_nothing;
use crate::support::dns::Type;
use crate::support::program::{Finished, Folder, Launch, Program, run, run_under};
use crate::support::strace::{is_missing, strace};
use crate::wire::{ZONE, accepted, answers, is_after, put, register, register_all, serial};

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

fn backup(dir: &Path, file: &Path) -> Finished {
    run(["backup", text(file), "--data-dir", text(dir)])
}

fn restore(file: &Path, dir: &Path) -> Finished {
    run(["restore", text(file), "--data-dir", text(dir)])
}

#[track_caller]
fn well(finished: Finished) -> Finished {
    assert_eq!(
        (finished.code, finished.stderr.as_str()),
        (Some(0), ""),
        "{finished:?}"
    );
    finished
}

#[track_caller]
fn refused(finished: Finished, code: i32, words: &[&str]) {
    assert_eq!(finished.code, Some(code), "{finished:?}");
    for word in words {
        assert!(
            finished.stderr.contains(word),
            "no {word:?} in {}",
            finished.stderr
        );
    }
    assert!(!finished.stderr.contains("panicked"), "{}", finished.stderr);
}

/// The catalog as `dump` shows it.
fn dump(dir: &Path) -> Value {
    let dump = well(run(["dump", "--data-dir", text(dir)]));
    serde_json::from_str(&dump.stdout).expect("a dump is JSON")
}

/// The names of the files and folders in a folder.
fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).expect("read the folder");
    let mut names: Vec<_> = entries
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    names.sort();
    names
}

/// A server with something of everything.
fn program(dir: &Path) -> Program {
    let program = Launch::new().data_dir(dir).start();
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
    let client = program.client();
    for zone in ["other.internal", "gone.internal"] {
        accepted(client.put(&format!("/v1/zones/{zone}"), &json!({"on_empty": "all"})));
    }
    accepted(client.delete("/v1/zones/gone.internal"));
    program
}

/// Holds that `new` is `old` in a new epoch, moved forward as the contract says.
#[track_caller]
fn is_moved(old: &Value, new: &Value) {
    assert_ne!(old["epoch"], new["epoch"]);
    assert_eq!(
        new["index"].as_u64(),
        old["index"].as_u64().map(|index| index + (1 << 32))
    );
    let moved = |serial: &Value| {
        let serial = u32::try_from(serial.as_u64().expect("a serial")).expect("of 32 bits");
        json!(serial.wrapping_add(1 << 16))
    };
    let mut wanted = old.clone();
    for zone in wanted["zones"].as_array_mut().expect("zones") {
        zone["serial"] = moved(&zone["serial"]);
    }
    for serial in wanted["deleted_zones"]
        .as_object_mut()
        .expect("zones")
        .values_mut()
    {
        *serial = moved(serial);
    }
    assert_eq!(wanted["zones"], new["zones"]);
    assert_eq!(wanted["deleted_zones"], new["deleted_zones"]);
}

#[test]
fn a_backup_of_a_running_server_is_restored_elsewhere_as_it_was() {
    let (folder, elsewhere) = (Folder::new(), Folder::new());
    let program = program(&folder.path().join("data"));
    let before = dump(&program.data_dir);
    let file = folder.path().join("backup.db");
    let made = well(backup(&program.data_dir, &file));
    assert!(
        made.stdout.contains(before["epoch"].as_str().unwrap()),
        "{}",
        made.stdout
    );
    assert_eq!(
        names(folder.path()),
        ["backup.db", "data"],
        "one file, and nothing beside it"
    );

    let restored = well(restore(&file, elsewhere.path()));
    assert_eq!(
        names(folder.path()),
        ["backup.db", "data"],
        "the backup is read alone"
    );
    is_moved(&before, &dump(elsewhere.path()));
    let other = Launch::new().data_dir(elsewhere.path()).start();
    assert_eq!(
        answers(other.dns, &format!("api.{ZONE}"), Type::A),
        [format!("api.{ZONE}. 9 A 192.0.2.1")]
    );
    let (old, new) = (serial(program.dns, ZONE), serial(other.dns, ZONE));
    assert!(is_after(new, old), "{old} became {new}");
    assert!(
        restored.stdout.contains(&format!("{ZONE}: serial {new}")),
        "{}",
        restored.stdout
    );
    // It is a catalog as any other.
    register(&other, "web", "new", json!({"address": "192.0.2.7"}));
    other.client().get("/readyz").expect(200);
    let other = other.kill_and_restart();
    assert_eq!(
        answers(other.dns, &format!("new.web.{ZONE}"), Type::A),
        [format!("new.web.{ZONE}. 5 A 192.0.2.7")]
    );
    // The one that was copied goes on as it was.
    assert_eq!(dump(&program.data_dir), before);
    assert_eq!(program.terminate(Duration::from_secs(10)).code(), Some(0));
}

#[test]
fn a_backup_replaces_no_file_unless_told() {
    let folder = Folder::new();
    let program = program(&folder.path().join("data"));
    let file = folder.path().join("backup.db");
    fs::write(&file, "something else").unwrap();
    refused(backup(&program.data_dir, &file), 2, &["--overwrite"]);
    assert_eq!(fs::read(&file).unwrap(), b"something else");
    well(run([
        "backup",
        text(&file),
        "--data-dir",
        text(&program.data_dir),
        "--overwrite",
    ]));
    assert_eq!(names(folder.path()), ["backup.db", "data"]);
    well(restore(&file, &folder.path().join("new")));
    // No place for it.
    refused(
        backup(&program.data_dir, &folder.path().join("no/such/backup.db")),
        3,
        &["cannot be written"],
    );
    refused(
        backup(&folder.path().join("nobody"), &folder.path().join("x.db")),
        3,
        &["no catalog"],
    );
    assert!(!folder.path().join("x.db").exists());
}

#[test]
fn a_backup_under_load_has_all_that_was_acknowledged_before_it() {
    let folder = Folder::new();
    let program = Launch::new().data_dir(&folder.path().join("data")).start();
    let rounds = if std::env::var_os("CALLSIGN_TEST_FULL").is_some() {
        30
    } else {
        5
    };
    let (stop, acknowledged) = (AtomicBool::new(false), [const { AtomicUsize::new(0) }; 4]);
    std::thread::scope(|scope| {
        for (writer, count) in acknowledged.iter().enumerate() {
            let (program, stop) = (&program, &stop);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let number = count.load(Ordering::Relaxed);
                    let id = format!("i{}", number % 50);
                    // The whole history of a writer is in its last number.
                    let body = json!({"address": "192.0.2.1", "port": 1 + number % 65_535, "meta": {"n": number.to_string()}});
                    register(program, &format!("w{writer}"), &id, body);
                    count.store(number + 1, Ordering::Relaxed);
                }
            });
        }
        for round in 0..rounds {
            let before = acknowledged.each_ref().map(|count| count.load(Ordering::Relaxed));
            let file = folder.path().join(format!("{round}.db"));
            let new = folder.path().join(format!("restored-{round}"));
            let made = backup(&program.data_dir, &file);
            let restored = restore(&file, &new);
            // The writers end also where something is wrong.
            if round + 1 == rounds || made.code != Some(0) || restored.code != Some(0) {
                stop.store(true, Ordering::Relaxed);
            }
            well(made);
            well(restored);
            let dump = dump(&new);
            for (writer, before) in before.iter().enumerate() {
                let services = dump["zones"][0]["services"].as_array().expect("services");
                let name = format!("w{writer}");
                let service = services.iter().find(|service| service["name"] == name.as_str());
                let numbers = service
                    .into_iter()
                    .flat_map(|service| service["instances"].as_array().unwrap());
                let highest = numbers
                    .map(|instance| instance["meta"]["n"].as_str().unwrap().parse::<usize>().unwrap() + 1)
                    .max();
                assert!(
                    highest.unwrap_or(0) >= *before,
                    "{name} of backup {round} ends at {highest:?}, and {before} were acknowledged before it"
                );
            }
        }
    });
    let total: usize = acknowledged
        .iter()
        .map(|count| count.load(Ordering::Relaxed))
        .sum();
    println!("{rounds} backups beside {total} writes");
    program.client().get("/readyz").expect(200);
}

#[test]
fn what_cannot_be_restored_leaves_everything_as_it_was() {
    let folder = Folder::new();
    let dir = folder.path().join("data");
    let running = program(&dir);
    let file = folder.path().join("backup.db");
    well(backup(&dir, &file));
    // In use, whether to be told to replace or not.
    refused(restore(&file, &dir), 4, &["in use"]);
    refused(
        run(["restore", text(&file), "--data-dir", text(&dir), "--replace"]),
        4,
        &["in use"],
    );
    let new = folder.path().join("new");
    refused(restore(&dir.join("callsign.db"), &new), 4, &["callsign backup"]);
    let before = dump(&dir);
    assert_eq!(running.terminate(Duration::from_secs(10)).code(), Some(0));

    refused(restore(&file, &dir), 2, &["--replace"]);
    refused(
        restore(&folder.path().join("nothing.db"), &new),
        2,
        &["cannot be read"],
    );
    refused(restore(folder.path(), &new), 2, &["is no file"]);
    let whole = fs::read(&file).unwrap();
    // Wherever the octets of an address are: some of them are in a row, others in what a page does not use.
    let mut flipped = whole.clone();
    for at in 0..whole.len() - 8 {
        if &whole[at..at + 8] == b"10.0.0.3" {
            flipped[at + 7] ^= 1;
        }
    }
    assert!(flipped != whole);
    for (what, octets, word) in [
        ("empty", Vec::new(), "backup.db"),
        ("text", b"no backup\n".repeat(1000), "no data base"),
        ("cut", whole[..whole.len() / 2].to_vec(), "backup.db"),
        ("a flipped value", flipped, "checksum"),
    ] {
        let bad = folder.path().join("bad").join("backup.db");
        fs::create_dir_all(bad.parent().unwrap()).unwrap();
        fs::write(&bad, octets).unwrap();
        let finished = run(["restore", text(&bad), "--data-dir", text(&dir), "--replace"]);
        println!("{what}: {}", finished.stderr);
        refused(finished, 3, &[word]);
        refused(restore(&bad, &new), 3, &[word]);
        assert!(!new.join("callsign.db").exists());
    }
    assert_eq!(names(&dir), ["callsign.db", "callsign.lock", "callsign.reserve"]);
    assert_eq!(dump(&dir), before);
    drop(Launch::new().data_dir(&dir).start());
}

#[test]
fn what_a_restore_replaces_is_kept_beside_it() {
    let folder = Folder::new();
    let dir = folder.path().join("data");
    let running = program(&dir);
    let file = folder.path().join("backup.db");
    well(backup(&dir, &file));
    let before = dump(&dir);
    register(&running, "web", "later", json!({"address": "192.0.2.5"}));
    let last = serial(running.dns, ZONE);
    // As a crash leaves it: the last change is in the write-ahead log alone.
    drop(running.kill());
    let restored = well(run([
        "restore",
        text(&file),
        "--data-dir",
        text(&dir),
        "--replace",
    ]));
    is_moved(&before, &dump(&dir));
    let kept = names(&dir)
        .into_iter()
        .find(|name| name.starts_with("callsign.replaced-"));
    let kept = dir.join(kept.expect("it is kept"));
    assert!(restored.stdout.contains(text(&kept)), "{}", restored.stdout);

    let program = Launch::new().data_dir(&dir).start();
    assert!(
        is_after(serial(program.dns, ZONE), last),
        "also after what came since the backup"
    );
    program
        .client()
        .get("/v1/services/web/instances/later")
        .expect(404);
    // A zone that was deleted before the backup goes on from its last serial too.
    let deleted = before["deleted_zones"]["gone.internal"]
        .as_u64()
        .expect("a serial");
    accepted(program.client().put("/v1/zones/gone.internal", &json!({})));
    let again = serial(program.dns, "gone.internal");
    assert!(
        is_after(again, u32::try_from(deleted).unwrap() + (1 << 16)),
        "{deleted}, then {again}"
    );
    drop(program);
    // What was replaced is whole.
    let old = Launch::new().data_dir(&kept).start();
    old.client().get("/v1/services/web/instances/later").expect(200);
}

#[test]
fn what_is_older_than_acknowledged_is_served_again_when_it_is_meant() {
    let folder = Folder::new();
    let dir = folder.path().join("data");
    let running = program(&dir);
    let acknowledged = running.client().get("/v1/zones").index();
    drop(running.kill());
    fs::remove_file(dir.join("callsign.db-wal")).unwrap();
    // Twice: a start does not forget.
    for _ in 0..2 {
        let older = Launch::new().data_dir(&dir).start();
        assert_shows_nothing(&older);
        // Nor does a signal that has files read again change it.
        older.signal("HUP");
        assert_shows_nothing(&older);
        let stopped = older.terminate(Duration::from_secs(10));
        assert_eq!(stopped.code(), Some(0));
        for word in [
            "older than what was acknowledged",
            "callsign restore",
            "--replace",
        ] {
            assert!(stopped.stderr().contains(word), "{}", stopped.stderr());
        }
    }
    refused(
        backup(&dir, &folder.path().join("backup.db")),
        3,
        &["older than what was acknowledged"],
    );
    well(run([
        "restore",
        text(&dir.join("callsign.db")),
        "--data-dir",
        text(&dir),
        "--replace",
    ]));
    let program = Launch::new().data_dir(&dir).start();
    let index = program.client().get("/v1/zones").index();
    assert!(
        index > acknowledged,
        "{index} after {acknowledged}: an index is not given twice"
    );
}

#[test]
fn a_restore_that_is_cut_short_leaves_the_old_catalog_or_the_new_one() {
    if is_missing("a restore that is cut short") {
        return;
    }
    let folder = Folder::new();
    let original = folder.path().join("original");
    let running = program(&original);
    let file = folder.path().join("backup.db");
    well(backup(&original, &file));
    register(&running, "web", "later", json!({"address": "192.0.2.5"}));
    let old = dump(&original);
    drop(running.kill());
    let is_full = std::env::var_os("CALLSIGN_TEST_FULL").is_some();
    let (mut olds, mut news) = (0, 0);
    // Each of them counts for itself.
    for (call, step) in [
        ("rename", 1),
        ("mkdir", 1),
        ("fsync", 1),
        ("fdatasync", 1),
        ("unlink", if is_full { 1 } else { 3 }),
        ("pwrite64", if is_full { 1 } else { 17 }),
    ] {
        let mut number = 1;
        loop {
            let dir = folder.path().join("cut");
            fs::create_dir(&dir).unwrap();
            for name in ["callsign.db", "callsign.db-wal", "callsign.lock"] {
                fs::copy(original.join(name), dir.join(name)).unwrap();
            }
            let (trace, kill) = (
                format!("trace={call}"),
                format!("inject={call}:signal=SIGKILL:when={number}"),
            );
            let words = strace(&["-e", &trace, "-e", &kill], Path::new("/dev/null"));
            let arguments = ["restore", text(&file), "--data-dir", text(&dir), "--replace"];
            let finished = run_under(&words, arguments);
            let is_done = finished.code == Some(0);
            assert!(is_done || finished.code.is_none(), "{finished:?}");
            let program = Launch::new().data_dir(&dir).start();
            let now = dump(&dir);
            let is_new = now["index"].as_u64() >= Some(1 << 32);
            let what = format!("killed at {call} {number}");
            let later = program.client().get("/v1/services/web/instances/later").status;
            assert_eq!(later, if is_new { 404 } else { 200 }, "{what}");
            if !is_new {
                assert_eq!(
                    (&now["zones"], &now["epoch"]),
                    (&old["zones"], &old["epoch"]),
                    "{what}"
                );
            }
            assert!(is_new || !is_done, "{what}");
            (olds, news) = if is_new {
                (olds, news + 1)
            } else {
                (olds + 1, news)
            };
            drop(program);
            let left = names(&dir);
            let is_rest = |name: &String| name.contains("restored") || name.contains(".new");
            assert!(!left.iter().any(is_rest), "{what}: {left:?}");
            fs::remove_dir_all(&dir).unwrap();
            if is_done {
                break;
            }
            number += step;
            assert!(number < 1000, "it never comes to its end");
        }
    }
    println!("{olds} times the old catalog, {news} times the new one");
    assert!(
        olds > 5 && news > 10,
        "{olds} times the old catalog, {news} times the new one"
    );
}
