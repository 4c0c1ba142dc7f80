//! Start-up and memory: the real program over a catalog of services of three instances, from the start of the process
//! to the first right answer, and what it then holds resident.
//!
//! `cargo bench --bench start -- [SERVICES] [FOLDER]` (100,000 by default; 5 starts, the median counts). A folder that
//! is named is filled if it is missing, and kept: the next run starts from what is there.

#![allow(missing_docs, clippy::disallowed_methods)]

#[path = "support/program.rs"]
mod program;
#[path = "support/mod.rs"]
mod support;

use std::net::UdpSocket;
use std::path::Path;
use std::time::{Duration, Instant};

use callsign::catalog::{Base, Change, Operation, ZoneName};
use callsign::store::{Batch, Entry, Store};

const STARTS: usize = 5;

fn main() {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    let services: usize = arguments.first().map_or(100_000, |argument| {
        argument.parse().expect("a number of services")
    });
    let passing = tempfile::tempdir().expect("a folder");
    let dir = arguments.get(1).map_or(passing.path(), Path::new);
    if !dir.join("data").exists() {
        fill(&dir.join("data"), services);
    }
    let mut times = Vec::new();
    let mut memory = Vec::new();
    for _ in 0..STARTS {
        let started = Instant::now();
        let program = program::Program::start(dir);
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        socket
            .set_read_timeout(Some(Duration::from_secs(5)))
            .expect("a timeout");
        let name = format!("service-{}.{}", services - 1, support::ZONE);
        socket
            .send_to(&support::query(&name, 1), program.dns)
            .expect("a datagram leaves");
        let mut reply = [0; 1232];
        let (octets, _) = socket.recv_from(&mut reply).expect("a reply");
        let first_answer = started.elapsed();
        assert!(
            octets > 12 && reply[3] & 15 == 0 && reply[7] == 3,
            "the right answer: {:?}",
            &reply[..12]
        );
        times.push(first_answer);
        // As it is when the check of the data base is over, or a minute has passed.
        let mut busy = program.cpu_ms();
        for _ in 0..60 {
            std::thread::sleep(Duration::from_secs(1));
            let now = program.cpu_ms();
            if now == busy {
                break;
            }
            busy = now;
        }
        memory.push((
            program.memory_kib("Pss"),
            program.memory_kib("Rss"),
            program.memory_kib("Anonymous"),
        ));
    }
    times.sort_unstable();
    memory.sort_unstable();
    let (pss, rss, anonymous) = memory[STARTS / 2];
    println!(
        "{services} services of 3 instances: first answer after {:.0} ms (all: {:?}); PSS {} MiB, RSS {} MiB, anonymous {} MiB",
        times[STARTS / 2].as_secs_f64() * 1e3,
        times.iter().map(|time| time.as_millis()).collect::<Vec<_>>(),
        pss >> 10,
        rss >> 10,
        anonymous >> 10,
    );
}

/// Fills a fresh data directory through the store, as the writer does, a thousand registrations a commit.
fn fill(dir: &Path, services: usize) {
    let opened = Store::open(dir).expect("a fresh store");
    let (mut store, mut state) = (opened.store, opened.state);
    let zone = ZoneName::parse(support::ZONE).expect("a zone");
    let mut commit = |state: &mut callsign::catalog::State, changes: Vec<Change>| {
        let before = state.clone();
        let mut records = Vec::new();
        for change in changes {
            let effect = state
                .apply(&Operation::from(change), support::NOW)
                .expect("a change");
            records.extend(effect.records);
        }
        let entry = |record| Entry {
            record,
            actor: "bench",
        };
        let entries: Vec<_> = records.iter().map(entry).collect();
        store
            .apply(&Batch {
                before: &before,
                after: state,
                entries: &entries,
            })
            .expect("a commit");
    };
    commit(
        &mut state,
        vec![Change::Open {
            zones: vec![zone.clone()],
            base: Base::default(),
        }],
    );
    for first in (0..services).step_by(333) {
        let of_one_commit = first..(first + 333).min(services);
        let changes = of_one_commit.flat_map(|service| (0..3).map(move |instance| (service, instance)));
        let changes = changes.map(|(service, instance)| support::registration(&zone, service, instance));
        commit(&mut state, changes.collect());
    }
    store.close().expect("a clean close");
}
