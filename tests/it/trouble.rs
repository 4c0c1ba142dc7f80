//! The machine fails the server: a lock on its file, no room on its disk, no descriptors. DNS answers all the while,
//! writes are refused as the contract says, and all is well again without a restart.

use std::collections::BTreeSet;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::dns::{Query, Type, ask, ask_tcp};
use crate::support::program::{Folder, Launch, Program, run};
use crate::wire::{ZONE, answers, honest, nodata, register, still_answers};

#[test]
fn another_process_that_locks_the_file_delays_writes_and_nothing_else() {
    let program = Program::start();
    honest(&program);
    let other = rusqlite::Connection::open(program.data_dir.join("callsign.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let began = Instant::now();
    let client = program.client();
    std::thread::scope(|scope| {
        let write =
            scope.spawn(|| client.put("/v1/services/web/instances/a", &json!({"address": "192.0.2.1"})));
        while !write.is_finished() {
            still_answers(program.dns);
            std::thread::sleep(Duration::from_millis(50));
        }
        let refused = write.join().unwrap().expect(503);
        assert!(refused.header("retry-after").is_some());
    });
    assert!(
        began.elapsed() < Duration::from_secs(6),
        "503 after {:?}",
        began.elapsed()
    );
    let ready = program.client().get("/readyz").expect(503);
    assert!(ready.text().contains("lock"), "{}", ready.text());
    program.client().get("/readyz?only=dns").expect(200);
    // Reading beside it works.
    assert_eq!(
        run(["dump", "--data-dir", program.data_dir.to_str().unwrap()]).code,
        Some(0)
    );
    program.client().get("/v1/services").expect(200);
    other.execute_batch("ROLLBACK").unwrap();
    register(&program, "web", "a", json!({"address": "192.0.2.1"}));
    assert_eq!(answers(program.dns, &format!("web.{ZONE}"), Type::A).len(), 1);
    program.client().get("/readyz").expect(200);
}

#[test]
fn a_store_that_failed_is_read_only_and_dns_goes_on() {
    let program = Program::start();
    register(
        &program,
        "web",
        "a",
        json!({"address": "192.0.2.1", "lease": "1h"}),
    );
    let other = rusqlite::Connection::open(program.data_dir.join("callsign.db")).unwrap();
    other.execute_batch("UPDATE instances SET checksum = 0").unwrap();
    let client = program.client();
    for _ in 0..2 {
        let refused = client.delete("/v1/services/web/instances/a");
        assert!(refused.header("retry-after").is_some());
        refused.expect_problem(503, "read_only");
        let body = json!({"address": "192.0.2.2"});
        client
            .put("/v1/services/web/instances/b", &body)
            .expect_problem(503, "read_only");
        let ready = client.get("/readyz").expect(503);
        assert!(ready.text().contains("writing failed"), "{}", ready.text());
        client.get("/readyz?only=dns").expect(200);
        assert_eq!(
            answers(program.dns, &format!("web.{ZONE}"), Type::A),
            [format!("web.{ZONE}. 5 A 192.0.2.1")]
        );
        client.get("/v1/services/web/instances/a").expect(200);
        let heartbeat = client.request("PUT", "/v1/services/web/instances/a/heartbeat", &[], None);
        assert_eq!(heartbeat.status, 204);
    }
}

/// The processor time that a process has used, in ticks of 10 ms (proc(5): fields 14 and 15).
fn ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("read what the process used");
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

#[test]
fn without_descriptors_it_answers_and_does_not_spin() {
    let program = Program::start();
    honest(&program);
    let pid = program.pid();
    let open = std::fs::read_dir(format!("/proc/{pid}/fd"))
        .expect("read its descriptors")
        .count();
    let limit = format!("--nofile={}", open + 10);
    let limited = Command::new("prlimit")
        .args(["--pid", &pid.to_string(), &limit])
        .status();
    if !limited.is_ok_and(|status| status.success()) {
        println!("SKIPPED: prlimit is not there or may not, so running out of descriptors was not tested");
        return;
    }
    let idle: Vec<_> = (0..60)
        .filter_map(|_| TcpStream::connect(program.dns).ok())
        .collect();
    let idle_http: Vec<_> = (0..20)
        .filter_map(|_| TcpStream::connect(program.http).ok())
        .collect();
    let (began, used) = (Instant::now(), ticks(pid));
    while began.elapsed() < Duration::from_millis(1500) {
        let reply = ask(program.dns, &Query::new(&format!("honest.{ZONE}"), Type::A));
        assert_eq!(reply.answers.len(), 1);
        std::thread::sleep(Duration::from_millis(20));
    }
    let used = ticks(pid) - used;
    assert!(used < 60, "{used} ticks of 10 ms in 1.5 s: it spins");
    drop((idle, idle_http));
    // A TCP client comes through again, without a restart.
    let began = Instant::now();
    while TcpStream::connect(program.http).is_err() {
        assert!(began.elapsed() < Duration::from_secs(5));
    }
    assert_eq!(
        ask_tcp(program.dns, &Query::new(ZONE, Type::SOA)).answers.len(),
        1
    );
    register(&program, "web", "a", json!({"address": "192.0.2.1"}));
}

#[test]
fn a_low_limit_of_descriptors_is_raised_as_far_as_it_may_be() {
    let program = env!("CARGO_BIN_EXE_callsign");
    for (hard, wanted) in [("unlimited", 5096), ("300", 300)] {
        let folder = Folder::new();
        let ports = folder.path().join("ports.json");
        let limited =
            "ulimit -Sn 256 && { [ \"$1\" = unlimited ] || ulimit -Hn \"$1\"; } && shift && exec \"$@\"";
        let mut server = Command::new("sh")
            .args(["-c", limited, "sh", hard, program, "serve"])
            .args(["--dns", "127.0.0.1:0", "--http", "127.0.0.1:0"])
            .arg("--data-dir")
            .arg(folder.path())
            .arg("--ports-file")
            .arg(&ports)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("start the program");
        let began = Instant::now();
        while !ports.exists() && began.elapsed() < Duration::from_secs(20) {
            std::thread::sleep(Duration::from_millis(5));
        }
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", server.id()));
        server.kill().expect("kill the program");
        server.wait().expect("wait for the program");
        let limits = limits.expect("read its limits");
        let line = limits.lines().find(|line| line.starts_with("Max open files"));
        let numbers: Vec<u64> = line
            .into_iter()
            .flat_map(|line| line.split_whitespace().filter_map(|word| word.parse().ok()))
            .collect();
        assert!(
            numbers[0] >= wanted.min(numbers[1]),
            "hard limit {hard}: {line:?}"
        );
    }
}

#[test]
fn who_got_the_last_descriptor_is_answered() {
    let program = Program::start();
    honest(&program);
    let pid = program.pid();
    let open = std::fs::read_dir(format!("/proc/{pid}/fd"))
        .expect("read its descriptors")
        .count();
    let limit = format!("--nofile={}", open + 10);
    let limited = Command::new("prlimit")
        .args(["--pid", &pid.to_string(), &limit])
        .status();
    if !limited.is_ok_and(|status| status.success()) {
        println!("SKIPPED: prlimit is not there or may not, so the last descriptor was not tested");
        return;
    }
    // Clients of the API take all of them; they make room for one of DNS, who once went as the next to make room.
    let idle: Vec<_> = (0..40)
        .filter_map(|_| TcpStream::connect(program.http).ok())
        .collect();
    for _ in 0..5 {
        let question = Query::new(&format!("honest.{ZONE}"), Type::A);
        assert_eq!(ask_tcp(program.dns, &question).answers.len(), 1);
    }
    drop(idle);
}

/// A file system of its own with so many octets; unmounted at the end.
pub(crate) struct SmallDisk(Folder);

impl SmallDisk {
    pub(crate) fn new(size: &str) -> Option<Self> {
        let folder = Folder::new();
        let path = folder.path().to_str()?.to_string();
        let options = format!("size={size}");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tmpfs", &path])
            .output();
        mounted
            .is_ok_and(|output| output.status.success())
            .then_some(Self(folder))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).output();
    }
}

#[test]
fn a_full_disk_refuses_writes_until_there_is_room() {
    let Some(disk) = SmallDisk::new("16m") else {
        println!("SKIPPED: nothing can be mounted here, so a full disk was not tested");
        return;
    };
    let ballast = disk.0.path().join("ballast");
    let program = Launch::new().data_dir(&disk.0.path().join("data")).start();
    honest(&program);
    for (id, address) in [("a", "192.0.2.1"), ("b", "192.0.2.2")] {
        register(&program, "web", id, json!({"address": address, "lease": "1h"}));
    }
    // Whatever is left goes to somebody else.
    let filled = std::fs::write(&ballast, vec![1; 32 << 20]);
    assert!(filled.is_err());
    let client = program.client();
    // Registers until there is no more room; each one that was acknowledged is noted.
    let mut registered: BTreeSet<String> = BTreeSet::new();
    let mut number = 0;
    let mut fill = |registered: &mut BTreeSet<String>, octets: usize| loop {
        let id = format!("i{number}");
        number += 1;
        assert!(number < 10_000, "the disk does not get full");
        let body = json!({"address": "192.0.2.9", "meta": {"k": "v".repeat(octets)}});
        let response = client.put(&format!("/v1/services/big/instances/{id}"), &body);
        match response.status {
            201 => registered.insert(id),
            _ => return drop(response.expect_problem(507, "disk_full")),
        };
    };
    fill(&mut registered, 4000);
    still_answers(program.dns);
    let ready = client.get("/readyz").expect(503);
    assert!(ready.text().contains("full"), "{}", ready.text());
    client.get("/readyz?only=dns").expect(200);
    let heartbeat = client.request("PUT", "/v1/services/web/instances/a/heartbeat", &[], None);
    assert_eq!(heartbeat.status, 204);
    // Deregistration always works, and is seen at once. Where leaving made room, others may come, until it is full
    // again: what was kept for those who leave is not theirs.
    client.delete("/v1/services/web/instances/a").expect(204);
    nodata(program.dns, ZONE, &format!("web.{ZONE}"), Type::AAAA);
    assert_eq!(
        answers(program.dns, &format!("web.{ZONE}"), Type::A),
        [format!("web.{ZONE}. 5 A 192.0.2.2")]
    );
    for round in 0..30 {
        fill(&mut registered, 100);
        // In one batch with a registration it is refused as that is.
        let both = json!({"operations": [
            {"op": "deregister", "service": "web", "id": "b"},
            {"op": "register", "service": "web", "id": "c", "address": "192.0.2.3", "meta": {"k": "v".repeat(4000)}},
        ]});
        client.post("/v1/batch", &both).expect_problem(507, "disk_full");
        if let Some(id) = registered.pop_first() {
            client
                .delete(&format!("/v1/services/big/instances/{id}"))
                .expect(204);
        } else {
            let id = format!("passing{round}");
            assert_eq!(
                client.delete(&format!("/v1/services/big/instances/{id}")).status,
                404
            );
        }
    }
    still_answers(program.dns);
    // All who are there leave while others try to come: nobody who leaves is refused for his neighbours.
    std::thread::scope(|scope| {
        for part in registered.iter().collect::<Vec<_>>().chunks(20) {
            let (client, part) = (&client, part.to_vec());
            scope.spawn(move || {
                for id in part {
                    let filler = json!({"address": "192.0.2.9", "meta": {"k": "v".repeat(4000)}});
                    let status = client.put("/v1/services/other/instances/x", &filler).status;
                    assert!(matches!(status, 200 | 201 | 507), "{status}");
                    client
                        .delete(&format!("/v1/services/big/instances/{id}"))
                        .expect(204);
                }
            });
        }
    });
    // Room again: everything works, without a restart.
    std::fs::remove_file(&ballast).unwrap();
    client
        .put("/v1/services/web/instances/c", &json!({"address": "192.0.2.3"}))
        .expect(201);
    client.get("/readyz").expect(200);
    let program = program.kill_and_restart();
    let ids = |service: &str| -> Vec<String> {
        let json = program
            .client()
            .get(&format!("/v1/services/{service}/instances"))
            .json();
        let instances = json["instances"].as_array().into_iter().flatten();
        instances
            .map(|instance| instance["id"].as_str().unwrap().to_string())
            .collect()
    };
    assert_eq!(
        (ids("web"), ids("big")),
        (vec!["b".to_string(), "c".to_string()], Vec::new())
    );
    assert_eq!(program.terminate(Duration::from_secs(5)).code(), Some(0));
}

/// A file that lies on itself, read-only; unmounted at the end.
struct ReadOnly(PathBuf);

impl ReadOnly {
    fn mount(file: &Path) -> Self {
        let bind = "mount --bind \"$0\" \"$0\" && mount -o remount,bind,ro \"$0\"";
        let _ = Command::new("sh").args(["-c", bind]).arg(file).output();
        Self(file.to_owned())
    }
}

impl Drop for ReadOnly {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).output();
    }
}

#[test]
fn a_data_base_that_may_not_be_written_is_refused_at_the_start() {
    let folder = Folder::new();
    let program = Launch::new().data_dir(folder.path()).start();
    honest(&program);
    program.terminate(Duration::from_secs(5));
    let db = folder.path().join("callsign.db");
    let mut read_only = std::fs::metadata(&db).unwrap().permissions();
    read_only.set_readonly(true);
    std::fs::set_permissions(&db, read_only).unwrap();
    let may_write = || std::fs::File::options().write(true).open(&db).is_ok();
    // Who may write everywhere is held back by a mount alone.
    let _mounted = may_write().then(|| ReadOnly::mount(&db));
    if may_write() {
        println!("SKIPPED: nothing can be mounted here, so a file that may not be written was not tested");
        return;
    }
    let finished = Launch::new().data_dir(folder.path()).start_and_fail();
    assert_eq!(finished.code, Some(3), "{finished:?}");
    let told = format!(
        "{} cannot be opened: it may be read, and not written",
        db.display()
    );
    assert!(finished.stderr.contains(&told), "{}", finished.stderr);
}
