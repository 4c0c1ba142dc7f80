//! Watch truth: writers, and watchers of both forms, through restarts and kills of the real program. Every watcher is
//! told the committed log without a gap and without a repeat, or is told that it cannot be (`reset`, 410).
//!
//! What the committed log is, is read page by page from `/v1/changes` beside. `CALLSIGN_TEST_FULL` makes many restarts
//! of a few.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::program::{Launch, Program};

const WRITERS: usize = 8;
const WATCHERS: usize = 50;
const RESTARTS: usize = 4;
const RESTARTS_FULL: usize = 60;
/// Changes between two restarts, and how long they may take before the run is given up.
const RUN: (u64, Duration) = (400, Duration::from_secs(60));
/// Changes that the log keeps: so few that one who is away for a while comes too late.
const KEPT: u64 = 300;
/// Changes that may be acknowledged and not recorded yet: writers wait for the one who keeps the whole log.
const UNRECORDED_MAX: u64 = 100;
/// Changes after which a watcher goes that means to come too late, and how long it is away at most.
const LAZY: (u64, Duration) = (100, Duration::from_secs(30));
/// How long a watcher may need for the rest once nobody writes any more.
const REST_WITHIN: Duration = Duration::from_secs(30);

/// What all of them share.
struct Stage {
    /// Where the program listens now.
    http: Mutex<SocketAddr>,
    writing: AtomicBool,
    watching: AtomicBool,
    /// The highest index that was acknowledged.
    acknowledged: AtomicU64,
    /// The committed log: each change's JSON by its index.
    log: Mutex<BTreeMap<u64, Value>>,
}

impl Stage {
    fn http(&self) -> SocketAddr {
        *self.http.lock().unwrap()
    }

    fn recorded(&self) -> u64 {
        self.log.lock().unwrap().len() as u64
    }
}

/// Ends what the threads do, however the test ends.
struct Ends<'a>(&'a Stage);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.writing.store(false, Ordering::Relaxed);
        self.0.watching.store(false, Ordering::Relaxed);
    }
}

/// One request over a connection of its own; its reply as far as there was one.
fn ask(http: SocketAddr, method: &str, path: &str, body: &str) -> Option<(u16, u64, Value)> {
    let mut stream = TcpStream::connect_timeout(&http, Duration::from_secs(2)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).ok()?;
    let mut reply = String::new();
    stream.read_to_string(&mut reply).ok()?;
    let status = reply.get(9..12)?.parse().ok()?;
    let (head, body) = reply.split_once("\r\n\r\n")?;
    let index = head
        .lines()
        .find_map(|line| line.strip_prefix("x-callsign-index: "))?;
    Some((
        status,
        index.parse().ok()?,
        serde_json::from_str(body).unwrap_or_default(),
    ))
}

/// Writes to a service of its own until it is told to stop; gives how often it was acknowledged.
fn write(stage: &Stage, number: usize) -> usize {
    let mut random = fastrand::Rng::with_seed(number as u64);
    let mut acknowledged = 0;
    while stage.writing.load(Ordering::Relaxed) {
        if stage.acknowledged.load(Ordering::Relaxed) > stage.recorded() + UNRECORDED_MAX {
            std::thread::sleep(Duration::from_millis(2));
            continue;
        }
        let path = format!("/v1/services/w{number}/instances/i{}", random.usize(..5));
        let answer = match random.usize(..8) {
            0 => ask(stage.http(), "DELETE", &path, ""),
            1 => ask(stage.http(), "PUT", &format!("{path}/drain"), "{}"),
            2 => {
                let register = |n| {
                    json!({"op": "register", "service": format!("w{number}"), "id": format!("b{n}"),
                                          "address": "192.0.2.1", "weight": random.clone().u16(..)})
                };
                let operations: Vec<_> = (0..10).map(register).collect();
                ask(
                    stage.http(),
                    "POST",
                    "/v1/batch",
                    &json!({"operations": operations}).to_string(),
                )
            }
            _ => {
                let body = json!({"address": format!("192.0.2.{}", random.u8(1..)), "port": random.u16(1..)});
                ask(stage.http(), "PUT", &path, &body.to_string())
            }
        };
        match answer {
            Some((200..300, index, _)) => {
                stage.acknowledged.fetch_max(index, Ordering::Relaxed);
                acknowledged += 1;
            }
            Some(_) => {}
            // It is being started again.
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    }
    acknowledged
}

/// Keeps the committed log as `/v1/changes` tells it.
fn record(stage: &Stage) {
    let mut after = 0;
    while stage.watching.load(Ordering::Relaxed) {
        let Some((status, _, page)) = ask(stage.http(), "GET", &format!("/v1/changes?after={after}"), "")
        else {
            std::thread::sleep(Duration::from_millis(20));
            continue;
        };
        if status == 503 {
            continue;
        }
        assert_eq!(status, 200, "{page}");
        let mut log = stage.log.lock().unwrap();
        for change in page["changes"].as_array().unwrap() {
            after += 1;
            assert_eq!(change["index"].as_u64(), Some(after), "the log has a gap");
            log.insert(after, change.clone());
        }
        drop(log);
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A reply without an end, read as it comes.
struct Reply {
    stream: TcpStream,
    /// What came and was not used yet, with its chunks.
    raw: Vec<u8>,
    /// The same without them.
    text: Vec<u8>,
    status: u16,
}

/// What came of waiting for a line.
enum Next {
    Line(String),
    Nothing,
    End,
}

impl Reply {
    fn of(http: SocketAddr, path: &str, headers: &str) -> Option<Self> {
        let mut stream = TcpStream::connect_timeout(&http, Duration::from_secs(2)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).ok()?;
        let mut raw = Vec::new();
        let end = loop {
            if let Some(at) = raw.windows(4).position(|octets| octets == b"\r\n\r\n") {
                break at + 4;
            }
            let mut piece = [0; 4096];
            match stream.read(&mut piece) {
                Ok(0) | Err(_) => return None,
                Ok(read) => raw.extend_from_slice(&piece[..read]),
            }
        };
        stream.set_read_timeout(Some(Duration::from_millis(100))).ok()?;
        let status = std::str::from_utf8(&raw[9..12]).ok()?.parse().ok()?;
        raw.drain(..end);
        Some(Self {
            stream,
            raw,
            text: Vec::new(),
            status,
        })
    }

    fn next(&mut self) -> Next {
        loop {
            if let Some(end) = self.text.iter().position(|octet| *octet == b'\n') {
                let line = self.text.drain(..=end).collect::<Vec<_>>();
                return Next::Line(String::from_utf8(line[..end].to_vec()).expect("UTF-8"));
            }
            if self.take_chunk() {
                continue;
            }
            let mut piece = [0; 16 << 10];
            match self.stream.read(&mut piece) {
                Ok(0) => return Next::End,
                Ok(read) => self.raw.extend_from_slice(&piece[..read]),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    return Next::Nothing;
                }
                Err(_) => return Next::End,
            }
        }
    }

    /// Moves one whole chunk from the raw octets to the text.
    fn take_chunk(&mut self) -> bool {
        let Some(line) = self.raw.windows(2).position(|octets| octets == b"\r\n") else {
            return false;
        };
        let size = std::str::from_utf8(&self.raw[..line]).expect("a chunk's size");
        let size = usize::from_str_radix(size, 16).expect("a chunk's size");
        if size == 0 || self.raw.len() < line + 2 + size + 2 {
            return false;
        }
        self.text.extend_from_slice(&self.raw[line + 2..line + 2 + size]);
        self.raw.drain(..line + 2 + size + 2);
        true
    }
}

/// Changes that were told one after the other, after an index.
#[derive(Debug)]
struct Run {
    after: u64,
    /// What there was at that index, if it began with a picture.
    picture: Option<Instances>,
    told: Vec<Value>,
}

/// What each instance is, by service and id.
type Instances = BTreeMap<(String, String), Value>;

/// Takes a change of an instance, or a line of a picture, into account.
fn note(instances: &mut Instances, change: &Value) {
    let name = |key: &str| change[key].as_str().map(str::to_owned);
    let (Some(service), Some(id)) = (name("service"), name("instance")) else {
        return;
    };
    match &change["after"] {
        Value::Null => drop(instances.remove(&(service, id))),
        after => drop(instances.insert((service, id), after.clone())),
    }
}

/// One watcher.
struct Watcher {
    number: usize,
    runs: Vec<Run>,
    /// Everything up to here was told.
    seen: Arc<AtomicU64>,
    resets: usize,
    reconnects: usize,
}

impl Watcher {
    fn is_of_lines(&self) -> bool {
        self.number.is_multiple_of(2)
    }

    /// The service that it watches alone, if it does.
    fn service(&self) -> Option<String> {
        (self.number % 5 == 4).then(|| format!("w{}", self.number % WRITERS))
    }

    /// Is away for a while after each connection that ended, so that it comes too late now and then.
    fn is_lazy(&self) -> bool {
        self.number % 7 == 3
    }

    fn wants(&self, change: &Value) -> bool {
        self.service().is_none_or(|service| change["service"] == *service)
    }

    fn begins_anew(&mut self, after: u64, picture: Option<Instances>) {
        self.runs.push(Run {
            after,
            picture,
            told: Vec::new(),
        });
        self.seen.store(after, Ordering::Relaxed);
    }

    fn takes(&mut self, change: Value) {
        let index = change["index"].as_u64().expect("an index");
        let run = self.runs.last_mut().expect("it began somewhere");
        run.told.push(change);
        self.seen.store(index, Ordering::Relaxed);
    }

    fn run(&mut self, stage: &Stage) {
        self.begins_anew(0, None);
        while stage.watching.load(Ordering::Relaxed) {
            self.follow(stage);
            self.reconnects += 1;
            std::thread::sleep(Duration::from_millis(20));
            let came_back = Instant::now();
            let too_late = self.seen.load(Ordering::Relaxed) + KEPT + 50;
            while self.is_lazy()
                && stage.writing.load(Ordering::Relaxed)
                && stage.recorded() < too_late
                && came_back.elapsed() < LAZY.1
            {
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }

    fn follow(&mut self, stage: &Stage) {
        let last = self.seen.load(Ordering::Relaxed);
        let service = self
            .service()
            .map_or_else(String::new, |service| format!("service={service}&"));
        let (path, headers) = match self.is_of_lines() {
            true => (
                format!("/v1/watch?{service}after={last}"),
                "Accept: application/x-ndjson\r\n".to_string(),
            ),
            false => (
                format!("/v1/watch?{service}"),
                format!("Last-Event-ID: {last}\r\n"),
            ),
        };
        let Some(reply) = Reply::of(stage.http(), &path, &headers) else {
            return;
        };
        match reply.status {
            200 => self.read(reply, stage),
            410 => {
                assert!(self.is_of_lines(), "events are never refused so");
                self.resets += 1;
                let path = format!("/v1/watch?{service}snapshot=true");
                let Some(reply) = Reply::of(stage.http(), &path, &headers) else {
                    return;
                };
                if reply.status == 200 {
                    self.read(reply, stage);
                }
            }
            503 => {}
            other => panic!("watcher {}: {other}", self.number),
        }
    }

    fn read(&mut self, mut reply: Reply, stage: &Stage) {
        // A picture is taken in when it is whole.
        let mut picture: Option<Instances> = None;
        let mut lazy_after = self.is_lazy().then_some(LAZY.0);
        while stage.watching.load(Ordering::Relaxed) {
            let line = match reply.next() {
                Next::Line(line) => line,
                Next::Nothing => continue,
                Next::End => return,
            };
            let data = match self.is_of_lines() {
                true => Some(line.as_str()),
                false => line.strip_prefix("data: "),
            };
            let Some(data) = data else { continue };
            let told: Value = serde_json::from_str(data).expect("a whole line is JSON");
            match told["kind"].as_str().expect("a kind") {
                "reset" => {
                    assert!(!self.is_of_lines());
                    self.resets += 1;
                    picture = Some(Instances::new());
                }
                "synced" => {
                    let index = told["index"].as_u64().expect("an index");
                    self.begins_anew(index, Some(picture.take().unwrap_or_default()));
                }
                // Things of a picture have nobody who made them.
                _ if picture.is_some() || told["by"].is_null() => {
                    note(picture.get_or_insert_default(), &told);
                }
                _ => {
                    self.takes(told);
                    if let Some(left) = &mut lazy_after {
                        *left = left.saturating_sub(1);
                        if *left == 0 && stage.writing.load(Ordering::Relaxed) {
                            return;
                        }
                    }
                }
            }
        }
    }

    /// Holds what it was told against the committed log.
    fn judge(&self, log: &BTreeMap<u64, Value>) {
        for (at, run) in self.runs.iter().enumerate() {
            let until = match run.told.last() {
                Some(last) => last["index"].as_u64().expect("an index"),
                None => run.after,
            };
            if let Some(picture) = &run.picture {
                let mut wanted = Instances::new();
                let before = log.range(..=run.after).map(|(_, change)| change);
                before
                    .filter(|change| self.wants(change))
                    .for_each(|change| note(&mut wanted, change));
                assert_eq!(
                    *picture, wanted,
                    "watcher {}: shown otherwise than it was at {}",
                    self.number, run.after
                );
            }
            let committed: Vec<_> = log
                .range(run.after + 1..)
                .take_while(|(index, _)| **index <= until)
                .map(|(_, change)| change)
                .filter(|change| self.wants(change))
                .collect();
            let index = |change: Option<&&Value>| change.map(|change| change["index"].clone());
            let told: Vec<_> = run.told.iter().collect();
            for place in 0..told.len().max(committed.len()) {
                let (told, committed) = (told.get(place), committed.get(place));
                assert_eq!(
                    index(told),
                    index(committed),
                    "watcher {}, run {at} after {}: a gap or a repeat",
                    self.number,
                    run.after
                );
                assert_eq!(
                    told, committed,
                    "watcher {}: told otherwise than it was",
                    self.number
                );
            }
        }
    }
}

#[test]
fn a_gap_a_repeat_and_what_was_told_otherwise_are_found() {
    let change = |index: u64, weight: u64| json!({"index": index, "kind": "register", "service": "w0", "instance": "a", "by": "x", "after": {"weight": weight}});
    let log: BTreeMap<_, _> = (1..=9).map(|index| (index, change(index, index))).collect();
    let is_found = |after: u64, picture: Option<u64>, told: &[(u64, u64)]| {
        let picture = picture.map(|weight| {
            let key = ("w0".to_owned(), "a".to_owned());
            Instances::from([(key, json!({"weight": weight}))])
        });
        let told = told
            .iter()
            .map(|(index, weight)| change(*index, *weight))
            .collect();
        let watcher = Watcher {
            number: 0,
            runs: vec![Run { after, picture, told }],
            seen: Arc::default(),
            resets: 0,
            reconnects: 0,
        };
        std::panic::catch_unwind(|| watcher.judge(&log)).is_err()
    };
    assert!(!is_found(3, None, &[(4, 4), (5, 5)]));
    assert!(!is_found(3, Some(3), &[(4, 4)]));
    assert!(!is_found(3, Some(3), &[]));
    assert!(is_found(3, None, &[(5, 5)]), "a gap at the beginning");
    assert!(is_found(3, None, &[(4, 4), (6, 6)]), "a gap");
    assert!(is_found(3, None, &[(4, 4), (4, 4), (5, 5)]), "a repeat");
    assert!(is_found(3, None, &[(3, 3), (4, 4)]), "a repeat at the beginning");
    assert!(is_found(3, None, &[(5, 5), (4, 4)]), "another order");
    assert!(is_found(3, None, &[(4, 4), (5, 6)]), "another text");
    assert!(is_found(3, Some(2), &[(4, 4)]), "an old picture");
}

#[test]
fn every_watcher_is_told_the_committed_log_through_restarts_or_that_it_cannot_be() {
    let restarts = match std::env::var_os("CALLSIGN_TEST_FULL") {
        Some(_) => RESTARTS_FULL,
        None => RESTARTS,
    };
    let mut program = Launch::new().argument(format!("--keep-changes={KEPT}")).start();
    let stage = Stage {
        http: Mutex::new(program.http),
        writing: AtomicBool::new(true),
        watching: AtomicBool::new(true),
        acknowledged: AtomicU64::new(0),
        log: Mutex::default(),
    };
    let seen: Vec<_> = (0..WATCHERS).map(|_| Arc::new(AtomicU64::new(0))).collect();
    let (acknowledged, watchers) = std::thread::scope(|scope| {
        let stage = &stage;
        let _ends = Ends(stage);
        let writers: Vec<_> = (0..WRITERS)
            .map(|n| scope.spawn(move || write(stage, n)))
            .collect();
        let recorder = scope.spawn(move || record(stage));
        let watchers: Vec<_> = (0..WATCHERS)
            .map(|number| {
                let mut watcher = Watcher {
                    number,
                    runs: Vec::new(),
                    seen: seen[number].clone(),
                    resets: 0,
                    reconnects: 0,
                };
                scope.spawn(move || {
                    watcher.run(stage);
                    watcher
                })
            })
            .collect();
        for restart in 0..restarts {
            until_written(stage);
            program = match restart % 2 {
                0 => program.kill_and_restart(),
                _ => program.terminate(Duration::from_secs(6)).start(),
            };
            *stage.http.lock().unwrap() = program.http;
        }
        until_written(stage);
        stage.writing.store(false, Ordering::Relaxed);
        let acknowledged: usize = writers.into_iter().map(|writer| writer.join().unwrap()).sum();
        all_have_seen_all(&program, stage, &seen);
        stage.watching.store(false, Ordering::Relaxed);
        recorder.join().unwrap();
        let watchers: Vec<_> = watchers
            .into_iter()
            .map(|watcher| watcher.join().unwrap())
            .collect();
        (acknowledged, watchers)
    });
    let log = stage.log.into_inner().unwrap();
    for watcher in &watchers {
        watcher.judge(&log);
    }
    let resets: usize = watchers.iter().map(|watcher| watcher.resets).sum();
    let reconnects: usize = watchers.iter().map(|watcher| watcher.reconnects).sum();
    let told: usize = watchers
        .iter()
        .flat_map(|watcher| &watcher.runs)
        .map(|run| run.told.len())
        .sum();
    println!(
        "{restarts} restarts, {acknowledged} acknowledged writes, {} changes, told {told} times, {reconnects} connections, {resets} resets",
        log.len()
    );
    assert!(
        acknowledged > 50 * restarts,
        "the test did not test much: {acknowledged} writes"
    );
    assert!(reconnects >= WATCHERS * restarts, "only {reconnects} connections");
    assert!(resets > 0, "nobody came too late");
    assert!(
        told > log.len() * WATCHERS / 10,
        "only {told} times for {} changes",
        log.len()
    );
}

/// Waits until enough more was written.
fn until_written(stage: &Stage) {
    let (began, enough) = (Instant::now(), stage.recorded() + RUN.0);
    while stage.recorded() < enough {
        assert!(
            began.elapsed() < RUN.1,
            "only {} of {enough} changes",
            stage.recorded()
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Waits until every watcher has what it wants of the log as it is now, which nobody adds to.
fn all_have_seen_all(program: &Program, stage: &Stage, seen: &[Arc<AtomicU64>]) {
    let index = program.client().get("/v1/zones").index();
    let began = Instant::now();
    loop {
        let log = stage.log.lock().unwrap();
        let recorded = log.len() as u64 == index;
        let lacks = |number: usize| {
            let service = (number % 5 == 4).then(|| format!("w{}", number % WRITERS));
            let wanted = |change: &Value| {
                service
                    .as_ref()
                    .is_none_or(|service| change["service"] == **service)
            };
            let last = log
                .iter()
                .rev()
                .find(|(_, change)| wanted(change))
                .map_or(0, |(index, _)| *index);
            seen[number].load(Ordering::Relaxed) < last
        };
        let late: Vec<_> = (0..seen.len()).filter(|number| lacks(*number)).collect();
        if recorded && late.is_empty() {
            return;
        }
        drop(log);
        assert!(
            began.elapsed() < REST_WITHIN,
            "not told everything up to {index} after {REST_WITHIN:?}: {late:?}"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}
