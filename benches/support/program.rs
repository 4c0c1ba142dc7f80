//! The real program, started for a bench.

#![allow(dead_code, missing_docs, unreachable_pub)]

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub struct Program {
    pub child: Child,
    pub dns: SocketAddr,
    pub http: SocketAddr,
    /// From the start of the process until it said where it listens.
    pub ready_after: Duration,
}

impl Program {
    /// Starts `callsign serve` over `dir` on free ports.
    pub fn start(dir: &Path) -> Self {
        Self::start_as(dir, &[env!("CARGO_BIN_EXE_callsign").into()])
    }

    /// The same by a command of one's own: another build of the program, or something before it that starts it.
    #[allow(clippy::disallowed_methods)] // A bench times the whole program from outside.
    pub fn start_as(dir: &Path, command: &[OsString]) -> Self {
        let ports = dir.join("ports.json");
        drop(std::fs::remove_file(&ports));
        let started = Instant::now();
        let child = Command::new(&command[0])
            .args(&command[1..])
            .args([
                "serve",
                "--dns",
                "127.0.0.1:0",
                "--http",
                "127.0.0.1:0",
                "--data-dir",
            ])
            .arg(dir.join("data"))
            .arg("--ports-file")
            .arg(&ports)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        let text = loop {
            if let Ok(text) = std::fs::read_to_string(&ports) {
                break text;
            }
            assert!(
                started.elapsed() < Duration::from_secs(120),
                "no ports file after two minutes"
            );
            std::thread::sleep(Duration::from_millis(1));
        };
        let ready_after = started.elapsed();
        let ports: serde_json::Value = serde_json::from_str(&text).expect("the ports file is JSON");
        let address = |value: &serde_json::Value| value.as_str().expect("text").parse().expect("an address");
        Self {
            child,
            dns: address(&ports["dns"][0]),
            http: address(&ports["http"]),
            ready_after,
        }
    }

    /// A figure of /proc/PID/smaps_rollup in KiB, e.g. `Pss`.
    pub fn memory_kib(&self, figure: &str) -> u64 {
        let path = format!("/proc/{}/smaps_rollup", self.child.id());
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with(&format!("{figure}:")));
        line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok())
            .unwrap_or(0)
    }

    /// Milliseconds of processor time that it has used.
    pub fn cpu_ms(&self) -> u64 {
        let (user, system) = self.user_and_system_ms();
        user + system
    }

    /// The same, its own apart from the kernel's.
    pub fn user_and_system_ms(&self) -> (u64, u64) {
        let text = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap_or_default();
        let fields: Vec<&str> = text.rsplit(')').next().unwrap_or("").split_whitespace().collect();
        let ms = |at: usize| {
            let ticks = fields.get(at).and_then(|field| field.parse::<u64>().ok());
            ticks.unwrap_or(0) * 10
        };
        (ms(11), ms(12))
    }

    /// How often its threads gave up their core or lost it.
    pub fn context_switches(&self) -> u64 {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.child.id()));
        let statuses = threads.into_iter().flatten().flatten().map(|thread| {
            let text = std::fs::read_to_string(thread.path().join("status")).unwrap_or_default();
            let switches = text.lines().filter_map(|line| line.split_once("ctxt_switches:"));
            switches
                .filter_map(|(_, number)| number.trim().parse::<u64>().ok())
                .sum::<u64>()
        });
        statuses.sum()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
