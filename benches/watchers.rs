//! What ten thousand watchers cost the real program, and those who write meanwhile: memory, processor time while nothing
//! happens, how long a change takes to reach all of them, and how long a write waits for its acknowledgement.
//!
//! `cargo bench --bench watchers -- [WATCHERS]`; without a number 10,000. Further:
//! - `--lines`: as NDJSON in the place of server-sent events;
//! - `--own`: each watches a service of its own, and one other in a thousand changes;
//! - `--changes N`: so many changes, one at a time (default 30);
//! - `--quiet SECONDS`: so long nothing happens (default 20);
//! - `--write-ms N`: a write that often for ten seconds, with nobody watching and then with all (default 100).
//!
//! Each watcher must see every change once: a gap or a repeat ends the run. The watchers are one thread of this process;
//! it shares the cores with the server, so latencies are those of the two together. Processor time is the server's.

#![allow(missing_docs, clippy::disallowed_methods)]

#[path = "support/program.rs"]
mod program;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use program::Program;

/// How long all watchers may take to be told something before the run is given up.
const TOLD_WITHIN: Duration = Duration::from_secs(60);
/// Connections that are opened at once.
const OPENED_AT_ONCE: usize = 500;
/// How long writes are timed.
const WRITES_FOR: Duration = Duration::from_secs(10);

struct Options {
    watchers: usize,
    lines: bool,
    own: bool,
    changes: usize,
    quiet: Duration,
    write_every: Duration,
}

fn options() -> Options {
    let mut options = Options {
        watchers: 10_000,
        lines: false,
        own: false,
        changes: 30,
        quiet: Duration::from_secs(20),
        write_every: Duration::from_millis(100),
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || {
            let value = arguments.next().expect("the flag has a value");
            value.parse::<u64>().expect("a number")
        };
        match &*argument {
            // Cargo says so.
            "--bench" => {}
            "--lines" => options.lines = true,
            "--own" => options.own = true,
            "--changes" => options.changes = value() as usize,
            "--quiet" => options.quiet = Duration::from_secs(value()),
            "--write-ms" => options.write_every = Duration::from_millis(value()),
            number => options.watchers = number.parse().expect("a number or a known flag"),
        }
    }
    options
}

/// What the watchers have been told.
#[derive(Default)]
struct Told {
    open: AtomicUsize,
    /// The index that is waited for.
    awaited: AtomicU64,
    /// When each watcher was told it.
    times: Mutex<Vec<Instant>>,
    /// The server is about to end.
    is_over: AtomicBool,
}

fn main() {
    let options = options();
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
    let wanted = options.watchers as u64 + 256;
    setrlimit(Resource::RLIMIT_NOFILE, soft.max(wanted.min(hard)), hard).expect("a higher limit");

    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let server = Program::start(dir.path());
    let mut writer = Writer::new(server.http);
    // What the first write costs is no watcher's.
    writer.write("service-0");
    let alone = writes(&mut writer, options.write_every);
    std::thread::sleep(Duration::from_secs(1));
    let empty_kib = server.memory_kib("Pss");

    let told = Arc::new(Told::default());
    watch(&options, server.http, &told);
    std::thread::sleep(Duration::from_secs(2));
    let full_kib = server.memory_kib("Pss");
    println!(
        "{} watchers ({}{}): PSS {empty_kib} KiB without, {full_kib} KiB with: {:.1} KiB each",
        options.watchers,
        if options.lines { "NDJSON" } else { "SSE" },
        if options.own {
            ", a service of its own each"
        } else {
            ""
        },
        (full_kib.saturating_sub(empty_kib)) as f64 / options.watchers as f64,
    );

    let before = server.cpu_ms();
    std::thread::sleep(options.quiet);
    println!(
        "  nothing happens: {:.2} % of a core",
        (server.cpu_ms() - before) as f64 / options.quiet.as_millis() as f64 * 100.0
    );

    one_at_a_time(&options, &server, &mut writer, &told);

    let before = server.cpu_ms();
    let among = writes(&mut writer, options.write_every);
    println!(
        "  a write each {:?}, acknowledged with nobody watching: {}; with all: {}; server {:.2} cores then",
        options.write_every,
        spread(alone),
        spread(among),
        (server.cpu_ms() - before) as f64 / WRITES_FOR.as_millis() as f64
    );
    // All that is told before the last one.
    told.expect(writer.index + 1);
    let index = writer.write("service-0");
    told.wait_for(index, if options.own { 1 } else { options.watchers });
    std::thread::sleep(Duration::from_secs(2));
    let after_kib = server.memory_kib("Pss");
    println!(
        "  PSS after it: {after_kib} KiB, {:.1} KiB each",
        (after_kib.saturating_sub(empty_kib)) as f64 / options.watchers as f64
    );
    told.is_over.store(true, Ordering::Release);
}

/// Changes, the next when all have been told the last.
fn one_at_a_time(options: &Options, server: &Program, writer: &mut Writer, told: &Told) {
    let (mut acks, mut firsts, mut medians, mut lasts) = (vec![], vec![], vec![], vec![]);
    let before = server.cpu_ms();
    for change in 0..options.changes {
        let (service, wanted) = match options.own {
            true => (format!("service-{}", change * 997 % options.watchers), 1),
            false => ("service-0".to_owned(), options.watchers),
        };
        // The only writer, so the next index.
        told.expect(writer.index + 1);
        let began = Instant::now();
        writer.write(&service);
        acks.push(began.elapsed());
        let times = told.wait_for(writer.index, wanted);
        let since = |time: &Instant| time.saturating_duration_since(began);
        firsts.push(since(&times[0]));
        medians.push(since(&times[times.len() / 2]));
        lasts.push(since(&times[times.len() - 1]));
    }
    let cpu_ms = (server.cpu_ms() - before) as f64 / options.changes as f64;
    println!(
        "  one change at a time, {} of them, from the request: acknowledged {}; first told {}; half {}; all {}",
        options.changes,
        spread(acks),
        spread(firsts),
        spread(medians),
        spread(lasts)
    );
    println!(
        "  server {cpu_ms:.1} ms of processor time a change, {:.2} µs a watcher",
        cpu_ms * 1e3 / options.watchers as f64
    );
}

impl Told {
    /// Notes from now on who is told the change of this index.
    fn expect(&self, index: u64) {
        self.times.lock().expect("no panic").clear();
        self.awaited.store(index, Ordering::Release);
    }

    /// Waits until so many have been told it; gives when.
    fn wait_for(&self, index: u64, wanted: usize) -> Vec<Instant> {
        assert_eq!(self.awaited.load(Ordering::Acquire), index);
        let began = Instant::now();
        loop {
            let times = self.times.lock().expect("no panic");
            if times.len() >= wanted {
                return times.clone();
            }
            let so_far = times.len();
            drop(times);
            assert!(
                began.elapsed() < TOLD_WITHIN,
                "{so_far} of {wanted} watchers were told {index}"
            );
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Opens all watches, on a thread that goes on reading them.
fn watch(options: &Options, http: SocketAddr, told: &Arc<Told>) {
    let (watchers, lines, own) = (options.watchers, options.lines, options.own);
    let shared = told.clone();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async move {
            for number in 0..watchers {
                tokio::spawn(watcher(http, number, lines, own, shared.clone()));
                while number + 1 - shared.open.load(Ordering::Acquire) > OPENED_AT_ONCE {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
            std::future::pending::<()>().await;
        });
    });
    let began = Instant::now();
    while told.open.load(Ordering::Acquire) < watchers {
        let open = told.open.load(Ordering::Acquire);
        assert!(
            began.elapsed() < TOLD_WITHIN,
            "{open} of {watchers} watches are open"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// One watcher; it ends the process when it is told something wrong.
async fn watcher(http: SocketAddr, number: usize, lines: bool, own: bool, told: Arc<Told>) {
    let mut stream = tokio::net::TcpStream::connect(http).await.expect("a connection");
    let path = match own {
        true => format!("/v1/watch?service=service-{number}"),
        false => "/v1/watch".to_owned(),
    };
    let accept = if lines {
        "application/x-ndjson"
    } else {
        "text/event-stream"
    };
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: {accept}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("a request");
    let mut text = Vec::with_capacity(4096);
    let mut last: Option<u64> = None;
    let mut is_open = false;
    loop {
        let read = stream.read_buf(&mut text).await.unwrap_or(0);
        if read == 0 {
            if told.is_over.load(Ordering::Acquire) {
                return;
            }
            eprintln!(
                "watcher {number} was cut off; it had {:?}",
                String::from_utf8_lossy(&text)
            );
            std::process::exit(1);
        }
        let mut used = 0;
        while let Some(end) = text[used..].iter().position(|octet| *octet == b'\n') {
            let line = &text[used..used + end];
            used += end + 1;
            if !is_open && line.starts_with(b"HTTP/1.1 ") {
                assert!(
                    line.starts_with(b"HTTP/1.1 200"),
                    "{}",
                    String::from_utf8_lossy(line)
                );
                is_open = true;
                told.open.fetch_add(1, Ordering::AcqRel);
            }
            let index = line.strip_prefix(b"id: ".as_slice());
            let index = index.or_else(|| line.strip_prefix(b"{\"index\":".as_slice()));
            let Some(index) = index else { continue };
            let digits = index.iter().take_while(|octet| octet.is_ascii_digit());
            let index = digits.fold(0, |number, digit| number * 10 + u64::from(digit - b'0'));
            if !own && last.is_some_and(|last| index != last + 1) {
                eprintln!("watcher {number} was told {index} after {last:?}");
                std::process::exit(1);
            }
            last = Some(index);
            if index == told.awaited.load(Ordering::Acquire) {
                told.times.lock().expect("no panic").push(Instant::now());
            }
        }
        text.drain(..used);
    }
}

/// Writes that often for a while; how long each took.
fn writes(writer: &mut Writer, every: Duration) -> Vec<Duration> {
    let began = Instant::now();
    let mut next = began;
    let mut took = Vec::new();
    while began.elapsed() < WRITES_FOR {
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
        // From when it was due: a write that is late makes the next one late, and that counts.
        writer.write("service-0");
        took.push(next.elapsed());
        next += every;
    }
    took
}

/// One connection that registers the same instance with another weight each time.
struct Writer {
    stream: TcpStream,
    weight: u16,
    index: u64,
}

impl Writer {
    fn new(http: SocketAddr) -> Self {
        let stream = TcpStream::connect(http).expect("a connection");
        stream.set_nodelay(true).expect("no delay");
        stream.set_read_timeout(Some(TOLD_WITHIN)).expect("a timeout");
        Self {
            stream,
            weight: 0,
            index: 0,
        }
    }

    /// The index of the write.
    fn write(&mut self, service: &str) -> u64 {
        self.weight = self.weight % 60_000 + 1;
        let body = format!(
            r#"{{"address":"192.0.2.1","port":8080,"weight":{}}}"#,
            self.weight
        );
        let length = body.len();
        let request = format!(
            "PUT /v1/services/{service}/instances/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        self.stream.write_all(request.as_bytes()).expect("a request");
        let mut reply = [0; 16 << 10];
        let mut have = 0;
        loop {
            let read = self.stream.read(&mut reply[have..]).expect("a reply");
            assert!(read > 0, "the server closed the connection");
            have += read;
            let text = String::from_utf8_lossy(&reply[..have]);
            let Some((head, body)) = text.split_once("\r\n\r\n") else {
                continue;
            };
            let field = |name: &str| {
                let line = head.lines().find_map(|line| line.strip_prefix(name));
                line.expect("the header is there")
                    .trim()
                    .parse::<u64>()
                    .expect("a number")
            };
            if (body.len() as u64) < field("content-length:") {
                continue;
            }
            assert!(head.starts_with("HTTP/1.1 20"), "{text}");
            self.index = field("x-callsign-index:");
            return self.index;
        }
    }
}

fn spread(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize].as_secs_f64() * 1e3;
    format!(
        "p50 {:.2} ms, p99 {:.2} ms, longest {:.2} ms",
        at(0.5),
        at(0.99),
        at(1.0)
    )
}
