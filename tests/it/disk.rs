//! A disk that is full, over its quota or broken, and a file that somebody else holds: what is refused, what is not, and
//! that all of it passes when its cause does, also if nobody writes. A sync that failed passes only with a restart.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::dns::Type;
use crate::support::http::Client;
use crate::support::program::{Folder, Launch, Program};
use crate::support::strace::{is_missing, strace};
use crate::trouble::SmallDisk;
use crate::wire::{ZONE, answers, honest, register, still_answers};

/// Within this time all is well again after the cause is gone (reliability F4).
const HEALS_WITHIN: Duration = Duration::from_secs(10);

/// A registration with so much beside it.
fn large(octets: usize) -> serde_json::Value {
    json!({"address": "192.0.2.9", "meta": {"k": "v".repeat(octets)}})
}

/// Waits until `/readyz` says that all is well. Nothing is written meanwhile.
#[track_caller]
fn heals(program: &Program) {
    let began = Instant::now();
    loop {
        let ready = program.client().get("/readyz");
        if ready.status == 200 {
            println!("well again after {:?}", began.elapsed());
            return;
        }
        assert!(began.elapsed() < HEALS_WITHIN, "still: {}", ready.text());
        still_answers(program.dns);
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Registers until one is refused; the detail that it is told.
fn fill(client: &Client) -> String {
    for number in 0..10_000 {
        let path = format!("/v1/services/big/instances/i{number}");
        let response = client.put(&path, &large(4000));
        if response.status != 201 {
            let refused = response.expect_problem(507, "disk_full");
            return refused.json()["detail"].as_str().expect("a detail").to_string();
        }
    }
    panic!("the disk does not get full");
}

fn trouble(program: &Program, reason: &str) -> bool {
    let text = program.client().get("/metrics").expect(200).text();
    let line = format!("callsign_store_trouble{{reason=\"{reason}\"}} ");
    let value = text.lines().find_map(|found| found.strip_prefix(&line));
    value.expect("the metric is there") == "1"
}

#[test]
fn a_full_disk_is_well_again_without_a_write_once_there_is_room() {
    let Some(disk) = SmallDisk::new("16m") else {
        println!("SKIPPED: nothing can be mounted here, so a full disk was not tested");
        return;
    };
    let ballast = disk.path().join("ballast");
    let program = Launch::new().data_dir(&disk.path().join("data")).start();
    honest(&program);
    register(
        &program,
        "web",
        "a",
        json!({"address": "192.0.2.1", "lease": "1h"}),
    );
    register(&program, "web", "b", json!({"address": "192.0.2.2"}));
    assert!(std::fs::write(&ballast, vec![1; 32 << 20]).is_err());
    let client = program.client();
    let detail = fill(&client);
    assert!(
        detail.contains("deregistration and heartbeats still work"),
        "{detail}"
    );
    assert!(trouble(&program, "disk_full"));
    // Who leaves finds room; that says nothing about who comes.
    client.delete("/v1/services/web/instances/b").expect(204);
    for _ in 0..15 {
        let ready = client.get("/readyz").expect(503);
        assert!(ready.text().contains("the disk is full"), "{}", ready.text());
        std::thread::sleep(Duration::from_millis(100));
    }
    let heartbeat = client.request("PUT", "/v1/services/web/instances/a/heartbeat", &[], None);
    assert_eq!(heartbeat.status, 204);
    std::fs::remove_file(&ballast).unwrap();
    heals(&program);
    assert!(!trouble(&program, "disk_full"));
    client
        .put("/v1/services/big/instances/last", &large(4000))
        .expect(201);
    client.get("/readyz").expect(200);
}

#[test]
fn where_there_never_was_room_nothing_is_promised_until_there_is() {
    // Less than the room that is kept elsewhere.
    let Some(disk) = SmallDisk::new("6m") else {
        println!("SKIPPED: nothing can be mounted here, so a disk that is too small was not tested");
        return;
    };
    let program = Launch::new().data_dir(&disk.path().join("data")).start();
    assert!(
        program.stderr().contains("no room can be kept"),
        "{}",
        program.stderr()
    );
    honest(&program);
    register(
        &program,
        "web",
        "a",
        json!({"address": "192.0.2.1", "lease": "1h"}),
    );
    let client = program.client();
    let detail = fill(&client);
    assert!(!detail.contains("deregistration and"), "{detail}");
    client.get("/readyz").expect(503);
    let heartbeat = client.request("PUT", "/v1/services/web/instances/a/heartbeat", &[], None);
    assert_eq!(heartbeat.status, 204);
    still_answers(program.dns);
    let grown = Command::new("mount")
        .args(["-o", "remount,size=32m"])
        .arg(disk.path())
        .status();
    assert!(
        grown.is_ok_and(|status| status.success()),
        "what was mounted can be made larger"
    );
    heals(&program);
    let reserve = std::fs::metadata(program.data_dir.join("callsign.reserve"));
    assert_eq!(
        reserve.map(|reserve| reserve.len()).ok(),
        Some(8 << 20),
        "now it is kept"
    );
    client
        .put("/v1/services/big/instances/last", &large(4000))
        .expect(201);
}

#[test]
fn a_lock_is_told_to_each_writer_in_time_and_passes_without_a_write() {
    let program = Program::start();
    honest(&program);
    let other = rusqlite::Connection::open(program.data_dir.join("callsign.db")).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    std::thread::scope(|scope| {
        // One after the other: who comes while another one waits does not wait for two.
        for number in 0..8 {
            let program = &program;
            scope.spawn(move || {
                std::thread::sleep(Duration::from_millis(number * 700));
                let began = Instant::now();
                let body = json!({"address": "192.0.2.1"});
                let path = format!("/v1/services/web/instances/i{number}");
                program.client().put(&path, &body).expect_problem(503, "busy");
                let waited = began.elapsed();
                assert!(
                    waited < Duration::from_secs(5),
                    "writer {number} waited {waited:?}"
                );
            });
        }
        for _ in 0..20 {
            still_answers(program.dns);
            std::thread::sleep(Duration::from_millis(100));
        }
    });
    assert!(trouble(&program, "locked"));
    program.client().get("/readyz").expect(503);
    other.execute_batch("ROLLBACK").unwrap();
    heals(&program);
    assert!(!trouble(&program, "locked"));
    register(&program, "web", "a", json!({"address": "192.0.2.1"}));
}

/// A program that fails as `rules` say, with what strace has to say in a file of its folder.
fn failing(folder: &Folder, rules: &[&str]) -> Program {
    let words = strace(rules, Path::new("/dev/null"));
    Launch::new()
        .data_dir(&folder.path().join("data"))
        .under(words)
        .start()
}

#[test]
fn after_a_sync_that_failed_nothing_is_acknowledged_until_a_restart() {
    if is_missing("a sync that fails") {
        return;
    }
    let folder = Folder::new();
    let rules = [
        "-e",
        "trace=fdatasync,fsync",
        "-e",
        "inject=fdatasync,fsync:error=EIO:when=20+",
    ];
    let program = failing(&folder, &rules);
    honest(&program);
    let client = program.client();
    let mut acknowledged = Vec::new();
    for number in 0..1000 {
        let path = format!("/v1/services/web/instances/i{number}");
        let response = client.put(&path, &json!({"address": "192.0.2.1"}));
        if response.status != 201 {
            response.expect_problem(503, "read_only");
            break;
        }
        acknowledged.push(path);
    }
    assert!((5..1000).contains(&acknowledged.len()), "{}", acknowledged.len());
    // Not one more, whatever it is, and not after a while either.
    for _ in 0..30 {
        client
            .put(
                "/v1/services/web/instances/late",
                &json!({"address": "192.0.2.1"}),
            )
            .expect_problem(503, "read_only");
        client.delete(&acknowledged[0]).expect_problem(503, "read_only");
        let ready = client.get("/readyz").expect(503);
        assert!(ready.text().contains("restarted"), "{}", ready.text());
        client.get("/readyz?only=dns").expect(200);
        still_answers(program.dns);
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(trouble(&program, "failed"));
    let heartbeat = client.request("PUT", &format!("{}/heartbeat", acknowledged[0]), &[], None);
    assert_eq!(heartbeat.status, 204);
    let dir = program.data_dir.clone();
    let stopped = program.terminate(Duration::from_secs(10));
    assert_eq!(stopped.code(), Some(0));
    let program = Launch::new().data_dir(&dir).start();
    for path in &acknowledged {
        program.client().get(path).expect(200);
    }
    program.client().get("/readyz").expect(200);
    register(&program, "web", "late", json!({"address": "192.0.2.2"}));
    assert_eq!(
        answers(program.dns, &format!("late.web.{ZONE}"), Type::A).len(),
        1
    );
}

#[test]
fn a_quota_that_is_used_up_counts_as_a_full_disk() {
    if is_missing("a quota that is used up") {
        return;
    }
    let folder = Folder::new();
    let file = |name: &str| folder.path().join("data").join(name).display().to_string();
    let (wal, reserve, room) = (
        file("callsign.db-wal"),
        file("callsign.reserve"),
        file("callsign.room"),
    );
    // One write of a commit; each thread counts for itself, so the writer finds no room either, three times.
    let rules = [
        "-P",
        &wal,
        "-P",
        &reserve,
        "-P",
        &room,
        "-e",
        "trace=pwrite64,fallocate",
        "-e",
        "inject=pwrite64:error=EDQUOT:when=150",
        "-e",
        "inject=fallocate:error=EDQUOT:when=1..3",
    ];
    let program = failing(&folder, &rules);
    honest(&program);
    let client = program.client();
    fill(&client);
    assert!(trouble(&program, "disk_full"));
    client.get("/readyz").expect(503);
    heals(&program);
    client
        .put("/v1/services/big/instances/last", &large(4000))
        .expect(201);
}
