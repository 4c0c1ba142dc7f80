//! Time that misbehaves, with the real program: a wall clock that jumps, a process that is stopped for longer than
//! every lease, a disk that stalls. None of them expires anything by itself.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::DirEntry;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::dns::{Query, Type, ask};
use crate::support::program::{Folder, Launch, Program};
use crate::wire::{ZONE, register};

fn answered(program: &Program) -> usize {
    ask(program.dns, &Query::new(&format!("web.{ZONE}"), Type::A))
        .answers
        .len()
}

/// Registers so many instances of `web` with this lease.
fn register_all(program: &Program, count: u8, lease: &str) {
    for id in 0..count {
        let body = json!({"address": format!("192.0.2.{id}"), "lease": lease});
        register(program, "web", &format!("i{id}"), body);
    }
}

fn heartbeat(program: &Program, id: u8) -> u16 {
    let path = format!("/v1/services/web/instances/i{id}/heartbeat");
    program.client().request("PUT", &path, &[], None).status
}

fn skip_without(tool: &str) -> bool {
    let there = Command::new(tool).arg("--version").output();
    let missing = !there.is_ok_and(|output| output.status.success());
    if missing {
        println!("SKIPPED: {tool} is not installed, so the program's time was not tried with it");
        eprintln!("SKIPPED: {tool} is not installed, so the program's time was not tried with it");
    }
    missing
}

/// strace beside the program, ended with it.
struct Tracer(Child);

impl Tracer {
    /// Each `fdatasync` and `fsync` of the program begins so much later; none if the system forbids tracing.
    fn slow_disk(program: &Program, delay: Duration) -> Option<Self> {
        let mut tracer = Command::new("strace")
            .args(["-f", "-qq", "-e", "trace=fdatasync,fsync", "-o", "/dev/null"])
            .args([
                "-e",
                &format!("inject=fdatasync,fsync:delay_enter={}", delay.as_micros()),
            ])
            .args(["-p", &program.pid().to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let began = Instant::now();
        loop {
            if tracer.try_wait().expect("look after strace").is_some() {
                println!("SKIPPED: tracing is forbidden here, so no slow disk was tried");
                eprintln!("SKIPPED: tracing is forbidden here, so no slow disk was tried");
                return None;
            }
            let tasks = std::fs::read_dir(format!("/proc/{}/task", program.pid())).expect("its threads");
            let is_traced = |task: std::fs::DirEntry| {
                let status = std::fs::read_to_string(task.path().join("status")).unwrap_or_default();
                !status.lines().any(|line| line == "TracerPid:\t0")
            };
            if tasks.flatten().all(is_traced) {
                return Some(Self(tracer));
            }
            assert!(
                began.elapsed() < Duration::from_secs(20),
                "strace does not attach"
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Where Debian's package `faketime` has its library; none if it is not installed.
fn faketime_library() -> Option<String> {
    let machine = std::env::consts::ARCH;
    let path = format!("/usr/lib/{machine}-linux-gnu/faketime/libfaketime.so.1");
    if std::path::Path::new(&path).exists() {
        return Some(path);
    }
    println!("SKIPPED: faketime is not installed, so no jump of the real program's wall clock was tried");
    eprintln!("SKIPPED: faketime is not installed, so no jump of the real program's wall clock was tried");
    None
}

#[test]
fn a_wall_clock_that_jumps_by_days_and_years_expires_nothing() {
    let Some(library) = faketime_library() else {
        return;
    };
    let folder = Folder::new();
    let time = folder.path().join("time");
    let jump_to = |offset: &str| std::fs::write(&time, format!("{offset}\n")).expect("write the time");
    jump_to("+0");
    let program = Launch::new()
        .environment("LD_PRELOAD", &library)
        .environment("FAKETIME_TIMESTAMP_FILE", time.to_str().expect("a plain name"))
        .environment("FAKETIME_NO_CACHE", "1")
        .environment("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .start();
    register_all(&program, 5, "3s");
    let shown = || {
        program
            .client()
            .get("/v1/services/web/instances/i0")
            .expect(200)
            .json()
    };
    let serial = || {
        let reply = ask(program.dns, &Query::new(ZONE, Type::SOA));
        reply.serial().expect("an SOA record")
    };
    let (index, first_serial) = (program.client().get("/v1/zones").index(), serial());
    let mut years = std::collections::BTreeSet::new();
    for offset in ["+1d", "-1d", "+3650d", "-3650d", "+0"] {
        jump_to(offset);
        let began = Instant::now();
        while began.elapsed() < Duration::from_millis(600) {
            assert_eq!(answered(&program), 5, "after a jump to {offset}");
        }
        for id in 0..5 {
            assert_eq!(heartbeat(&program, id), 204);
        }
        let expires_at = shown()["lease_expires_at"].as_str().expect("a time").to_string();
        years.insert(expires_at[..4].to_string());
        assert_eq!(serial(), first_serial);
    }
    assert_eq!(program.client().get("/v1/zones").index(), index);
    assert_eq!(years.len(), 3, "the program's wall clock did jump: {years:?}");
    let began = Instant::now();
    while answered(&program) == 5 {
        assert!(
            began.elapsed() < Duration::from_secs(8),
            "time that passes counts as ever"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Of leases of a second, and a stop of three: heartbeats come every 300 ms, before and after.
#[test]
fn a_process_that_is_stopped_for_longer_than_every_lease_expires_nothing() {
    let program = Program::start();
    register_all(&program, 10, "1s");
    let index = program.client().get("/v1/zones").index();
    for _ in 0..3 {
        for id in 0..10 {
            assert_eq!(heartbeat(&program, id), 204);
        }
        program.signal("STOP");
        std::thread::sleep(Duration::from_secs(3));
        program.signal("CONT");
        let began = Instant::now();
        while began.elapsed() < Duration::from_millis(300) {
            assert_eq!(answered(&program), 10, "{:?} after the stop", began.elapsed());
        }
    }
    assert_eq!(program.client().get("/v1/zones").index(), index);
    // A heartbeat that came first after the stop gives a lease of the usual length and no longer.
    program.signal("STOP");
    std::thread::sleep(Duration::from_secs(3));
    program.signal("CONT");
    for id in 0..10 {
        assert_eq!(heartbeat(&program, id), 204);
    }
    let began = Instant::now();
    while answered(&program) == 10 {
        assert!(
            began.elapsed() < Duration::from_millis(2500),
            "the leases outlast themselves"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// One write waits for the disk for longer than two leases. Who sends heartbeats stays, and so does who could not
/// because its own write was waiting.
#[test]
fn a_disk_that_stalls_for_longer_than_every_lease_expires_nothing() {
    if skip_without("strace") {
        return;
    }
    let program = Launch::new().argument("--guard=off").start();
    register_all(&program, 4, "2s");
    let Some(tracer) = Tracer::slow_disk(&program, Duration::from_secs(5)) else {
        return;
    };
    for id in 0..4 {
        assert_eq!(heartbeat(&program, id), 204);
    }
    let (tx, stalled) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let body = json!({"address": "192.0.2.99"});
            let reply = program.client().put("/v1/services/db/instances/slow", &body);
            tx.send(reply.status).expect("somebody waits");
        });
        let began = Instant::now();
        let status = loop {
            // Two of them send heartbeats, two wait for the write.
            for id in 0..2 {
                let sent = Instant::now();
                assert_eq!(
                    heartbeat(&program, id),
                    204,
                    "{:?} into the stall",
                    began.elapsed()
                );
                assert!(
                    sent.elapsed() < Duration::from_secs(1),
                    "a heartbeat waited for the disk"
                );
            }
            assert_eq!(answered(&program), 4, "{:?} into the stall", began.elapsed());
            if let Ok(status) = stalled.try_recv() {
                break status;
            }
            assert!(
                began.elapsed() < Duration::from_secs(20),
                "the write was never answered"
            );
            std::thread::sleep(Duration::from_millis(20));
        };
        assert_eq!(status, 201);
        assert!(began.elapsed() > Duration::from_secs(4), "the disk did not stall");
    });
    for id in 0..4 {
        assert_eq!(heartbeat(&program, id), 204);
    }
    let index = program.client().get("/v1/zones").index();
    drop(tracer);
    assert_eq!(answered(&program), 4);
    assert_eq!(
        program.client().get("/v1/services/web").json()["index"].as_u64(),
        Some(index - 1)
    );
    assert!(
        program.stderr().contains("the disk kept the writer waiting"),
        "{}",
        program.stderr()
    );
}

/// How often each thread of the program went to sleep so far: each wake-up that found nothing adds one.
fn sleeps(program: &Program) -> BTreeMap<OsString, u64> {
    let threads = std::fs::read_dir(format!("/proc/{}/task", program.pid())).expect("it runs");
    let of = |thread: std::io::Result<DirEntry>| {
        let thread = thread.ok()?;
        let status = std::fs::read_to_string(thread.path().join("status")).ok()?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?;
        Some((thread.file_name(), line.trim().parse().ok()?))
    };
    threads.filter_map(of).collect()
}

/// Wake-ups in half a second. A thread that ended meanwhile has none.
fn wake_ups(program: &Program) -> u64 {
    let before = sleeps(program);
    std::thread::sleep(Duration::from_millis(500));
    let after = sleeps(program);
    let of = |(thread, count): (&OsString, &u64)| count - before.get(thread).unwrap_or(&0);
    after.iter().map(of).sum()
}

#[test]
fn while_no_lease_runs_nothing_wakes_the_program() {
    let program = Program::start();
    // What the start or a request left to do is done soon; a thread that ticks never is.
    let rests = || (0..10).any(|_| wake_ups(&program) <= 1);
    assert!(rests(), "it ticks before there was a lease");
    register_all(&program, 4, "1h");
    assert!(!rests(), "a lease that runs has to be looked after");
    // With its name: that would be forgotten later, which is a deadline too.
    program.client().delete("/v1/services/web").expect(204);
    assert!(rests(), "it ticks after the last lease is gone");
    // And begins again.
    register_all(&program, 4, "1s");
    let began = Instant::now();
    while answered(&program) > 1 {
        assert!(began.elapsed() < Duration::from_secs(20), "nothing lapses");
        std::thread::sleep(Duration::from_millis(50));
    }
}
