//! Power that is lost while clients write: at any moment, what was acknowledged is on the disk.
//!
//! A test cannot take the power away. It traces the program's system calls while clients write, and from the trace makes the
//! files as they might be found after a loss at a point of it: what was synced is there, of the rest any part. The real
//! program starts over each, and must show all that a client had been told by then. The clocks of the trace and of the
//! clients are one: whoever was answered was answered after the calls that were traced before.

use std::collections::BTreeMap;
use std::io::{Read, Seek, SeekFrom};
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use fastrand::Rng;
use serde_json::{Value, json};

use crate::support::disk::Disk;
use crate::support::program::{Folder, Launch};
use crate::support::strace::{is_missing, strace};
use crate::support::trace::{CALLS, Call, Trace};

const CLIENTS: usize = 6;
const IDS: usize = 8;
const OPERATIONS_MAX: usize = 500;
const LOAD_MAX: Duration = Duration::from_secs(12);
const CUTS: usize = 20;
const CUTS_FULL: usize = 200;

/// The instances of a client's service, by id, with the number of the operation that made each: after so many operations.
fn after(operations: usize) -> BTreeMap<String, u64> {
    let mut instances = BTreeMap::new();
    for number in 0..operations {
        let id = format!("i{}", number % IDS);
        if number % 5 == 4 {
            instances.remove(&id);
        } else {
            instances.insert(id, number as u64);
        }
    }
    instances
}

fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    u64::try_from(since.as_micros()).expect("before the year 586,000")
}

/// When a client was told that each of its operations is done, and the index that it was told.
type Told = Vec<(u64, u64)>;

fn write(server: std::net::SocketAddr, client: usize, began: Instant) -> Told {
    let agent = crate::support::http::Client::new(server);
    let mut told = Told::new();
    while told.len() < OPERATIONS_MAX && began.elapsed() < LOAD_MAX {
        let number = told.len();
        let path = format!("/v1/services/w{client}/instances/i{}", number % IDS);
        let response = if number % 5 == 4 {
            agent.delete(&path)
        } else {
            // Long enough for the write-ahead log to be copied and begun anew meanwhile.
            let meta = json!({"n": number.to_string(), "filler": "x".repeat(3000)});
            agent.put(&path, &json!({"address": "192.0.2.1", "meta": meta}))
        };
        let is_absent = number % 5 == 4 && response.status == 404;
        assert!(
            is_absent || (200..300).contains(&response.status),
            "{}",
            response.text()
        );
        told.push((now_us(), response.index()));
    }
    told
}

/// What the program shows of a client's service.
fn found(services: &Value) -> BTreeMap<String, u64> {
    let instances = services["instances"].as_array().into_iter().flatten();
    instances
        .map(|instance| {
            let id = instance["id"].as_str().expect("an id").to_string();
            let number = instance["meta"]["n"].as_str().expect("a number");
            (id, number.parse().expect("a number"))
        })
        .collect()
}

#[test]
fn whenever_power_is_lost_what_was_acknowledged_is_on_the_disk() {
    if is_missing("a loss of power") {
        return;
    }
    let given = std::env::var("CALLSIGN_TEST_SEED")
        .ok()
        .and_then(|text| text.parse().ok());
    let seed = given.unwrap_or_else(|| fastrand::u64(..));
    println!("CALLSIGN_TEST_SEED={seed}");
    let mut random = Rng::with_seed(seed);
    let is_full = std::env::var_os("CALLSIGN_TEST_FULL").is_some();

    let folder = Folder::new();
    let (data, file) = (folder.path().join("data"), folder.path().join("trace"));
    let trace = format!("trace={CALLS}");
    let words = strace(&["-y", "-xx", "-ttt", "-s", "1048576", "-e", &trace], &file);
    let program = Launch::new().data_dir(&data).under(words).start();
    let all = Mutex::new(BTreeMap::new());
    let began = Instant::now();
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (all, http) = (&all, program.http);
            scope.spawn(move || {
                let told = write(http, client, began);
                all.lock().unwrap().insert(client, told);
            });
        }
    });
    let told = all.into_inner().unwrap();
    assert_eq!(told.len(), CLIENTS);
    let pid = program.pid();
    assert_eq!(program.terminate(Duration::from_secs(10)).code(), Some(0));
    wait_for_end(&file, pid);
    let trace = Trace::read(&file);

    let count = if is_full { CUTS_FULL } else { CUTS };
    // Most of them where clients write; some also where the catalog is made and where it is closed.
    let lines = trace.times_us.len();
    let first = told
        .values()
        .filter_map(|told| told.first())
        .map(|told| told.0)
        .min();
    let first = trace.times_us.partition_point(|time| Some(*time) < first);
    let mut cuts: Vec<usize> = (0..count)
        .map(|number| random.usize(if number % 10 == 0 { 0 } else { first }..lines))
        .collect();
    cuts.sort_unstable();
    let mut disk = Disk::new(&data);
    let mut events = trace.events.iter().peekable();
    let mut expected = 0;
    for cut in cuts {
        while let Some(event) = events.next_if(|event| event.ended <= cut) {
            disk.take(event);
        }
        let time = trace.times_us[cut];
        let left = Folder::new();
        disk.lose_power(&mut random, left.path());
        let what = format!(
            "seed {seed}, line {cut} of {lines}, files in {}",
            left.path().display()
        );
        let program = Launch::new().data_dir(left.path()).try_start();
        let program = program.unwrap_or_else(|finished| panic!("{what}: {finished:?}"));
        let client = program.client();
        client.get("/readyz").expect(200);
        let index = client.get("/v1/zones").index();
        for (writer, told) in &told {
            // Whoever was told in the very microsecond of the line was told before it or after.
            let done = told.partition_point(|(at, _)| *at < time);
            expected += done;
            let highest = told[..done].last().map_or(0, |(_, index)| *index);
            assert!(
                index >= highest,
                "{what}: index {index}, and {highest} was told to {writer}"
            );
            let response = client.get(&format!("/v1/services/w{writer}"));
            let now = if response.status == 404 {
                BTreeMap::new()
            } else {
                found(&response.expect(200).json())
            };
            // One more may be there: it was on its way.
            let possible = done..=(done + 1).min(told.len());
            assert!(
                possible.clone().any(|operations| after(operations) == now),
                "{what}: of w{writer} there is {now:?}, and {done} operations were acknowledged: {:?}",
                after(done)
            );
        }
    }
    let copied = trace
        .events
        .iter()
        .filter(|event| matches!(&event.call, Call::Write { path, .. } if path.ends_with("/callsign.db")));
    println!(
        "{count} losses of power over {lines} lines of calls, {} operations, {} pages copied into the data base; \
         {expected} acknowledgements held",
        told.values().map(Vec::len).sum::<usize>(),
        copied.count(),
    );
    assert!(expected > count * 20, "{expected}: the test did not test much");
}

/// The tracer is another process: it is done when it has written how the program ended.
fn wait_for_end(file: &std::path::Path, pid: u32) {
    let began = Instant::now();
    let end = format!("{pid} ");
    let is_over = || -> std::io::Result<bool> {
        let mut file = std::fs::File::open(file)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(200)))?;
        let mut octets = Vec::new();
        file.read_to_end(&mut octets)?;
        let text = String::from_utf8_lossy(&octets);
        let last = text.lines().next_back().unwrap_or_default();
        Ok(last.starts_with(&end) && last.contains("+++ exited"))
    };
    while !is_over().is_ok_and(|is_over| is_over) {
        assert!(began.elapsed() < Duration::from_secs(30), "the trace has no end");
        std::thread::sleep(Duration::from_millis(50));
    }
}
