//! Many watchers of the real program: what they cost while nothing happens, and what happens to those that do not read
//! while others do. `CALLSIGN_TEST_FULL` makes 1,000 of a few hundred. Figures for 10,000: `benches/watchers.rs`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use callsign::http::{FOLLOWER_OCTETS_MAX, UNREAD_MAX};
use serde_json::json;
use socket2::{Domain, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::metrics::counted;
use crate::support::http::Client;
use crate::support::program::Program;

/// How long something may take that comes soon.
const SOON: Duration = Duration::from_secs(60);
/// What the program may grow by while it has slow watchers.
const GROWTH_KIB_MAX: u64 = 64 << 10;

/// A figure of the program's memory in KiB.
fn memory_kib(program: &Program, figure: &str) -> u64 {
    let path = format!("/proc/{}/smaps_rollup", program.pid());
    let text = std::fs::read_to_string(path).expect("the program runs");
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(figure)?.strip_prefix(':'));
    let line = line.expect("the figure is there").trim();
    line.split(' ')
        .next()
        .and_then(|kib| kib.parse().ok())
        .expect("a number")
}

fn until(what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < SOON, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn count(client: &Client, name: &str) -> usize {
    counted(&client.get("/metrics").text(), name) as usize
}

/// Watchers, read by one thread until this is dropped.
#[derive(Default)]
struct Watchers {
    open: AtomicUsize,
    /// For each that reads, the index up to which it was told everything.
    seen: Vec<AtomicU64>,
    /// What was told to one that it should not have been, or not yet.
    wrong: AtomicUsize,
    is_over: AtomicBool,
}

/// Opens watches; those from `reading` on never read anything.
fn watch(
    http: SocketAddr,
    count: usize,
    reading: usize,
    from: u64,
) -> (Arc<Watchers>, std::thread::JoinHandle<()>) {
    let watchers = Arc::new(Watchers {
        seen: (0..reading).map(|_| AtomicU64::new(from)).collect(),
        ..Watchers::default()
    });
    let shared = watchers.clone();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            for number in 0..count {
                tokio::spawn(one(http, number, shared.clone()));
                tokio::task::yield_now().await;
            }
            while !shared.is_over.load(Ordering::Relaxed) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
    });
    until("all watch", || watchers.open.load(Ordering::Relaxed) == count);
    (watchers, thread)
}

async fn one(http: SocketAddr, number: usize, all: Arc<Watchers>) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    if number >= all.seen.len() {
        socket.set_recv_buffer_size(4096).expect("a small buffer");
    }
    socket.connect(&http.into()).expect("it listens");
    socket.set_nonblocking(true).expect("a socket of the runtime");
    let mut stream = tokio::net::TcpStream::from_std(socket.into()).expect("a socket of the runtime");
    let request = b"GET /v1/watch HTTP/1.1\r\nHost: localhost\r\n\r\n";
    stream.write_all(request).await.expect("a request");
    let mut head = [0; 8];
    stream.read_exact(&mut head).await.expect("a reply");
    all.open.fetch_add(1, Ordering::Relaxed);
    let Some(seen) = all.seen.get(number) else {
        std::future::pending::<()>().await;
        return;
    };
    let mut text = Vec::new();
    loop {
        if stream.read_buf(&mut text).await.unwrap_or(0) == 0 {
            all.wrong.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let mut used = 0;
        while let Some(end) = text[used..].iter().position(|octet| *octet == b'\n') {
            let line = &text[used..used + end];
            used += end + 1;
            if let Some(index) = line.strip_prefix(b"id: ") {
                let index = String::from_utf8_lossy(index).parse::<u64>().expect("an index");
                if seen.swap(index, Ordering::Relaxed) + 1 != index {
                    all.wrong.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
        text.drain(..used);
    }
}

#[test]
fn a_watcher_costs_memory_within_the_named_bound() {
    const WATCHERS: usize = 500;
    let program = Program::start();
    let client = program.client();
    // What the first ones cost is no later one's: threads, pages of code, tables that grew.
    let (first, thread) = watch(program.http, 50, 50, 1);
    first.is_over.store(true, Ordering::Relaxed);
    thread.join().unwrap();
    until("the first are gone", || count(&client, "callsign_watchers") == 0);
    // Its own: what it shares with the program's other runs moves as these come and go.
    let before = memory_kib(&program, "Anonymous");
    let (all, thread) = watch(program.http, WATCHERS, WATCHERS, 1);
    client.put("/v1/services/web", &json!({})).expect(201);
    until("all are told", || {
        all.seen.iter().all(|seen| seen.load(Ordering::Relaxed) == 2)
    });
    let grown = memory_kib(&program, "Anonymous").saturating_sub(before);
    all.is_over.store(true, Ordering::Relaxed);
    thread.join().unwrap();
    println!(
        "{WATCHERS} watchers: {grown} KiB, {:.1} each",
        grown as f64 / WATCHERS as f64
    );
    assert_eq!(all.wrong.load(Ordering::Relaxed), 0);
    let octets = grown as usize * 1024;
    assert!(
        octets <= WATCHERS * FOLLOWER_OCTETS_MAX,
        "{} octets each",
        octets / WATCHERS
    );
    assert!(
        octets >= WATCHERS * 1024,
        "the figure cannot be right: {grown} KiB"
    );
}

#[test]
fn watchers_that_do_not_read_are_cut_off_while_the_others_miss_nothing() {
    let (reading, slow) = match std::env::var_os("CALLSIGN_TEST_FULL") {
        Some(_) => (800, 200),
        None => (150, 50),
    };
    let program = Program::start();
    let client = program.client();
    let from = client.get("/v1/zones").index();
    let (all, thread) = watch(program.http, reading + slow, reading, from);
    let before = memory_kib(&program, "Rss");
    let mut most = before;
    let value = "v".repeat(4096);
    let meta: serde_json::Map<_, _> = (0..16).map(|n| (format!("k{n}"), json!(value))).collect();
    let began = Instant::now();
    let mut writes: u16 = 0;
    let cut_off = || count(&client, "callsign_watchers_cut_off_total");
    while cut_off() < slow {
        assert!(
            began.elapsed() < UNREAD_MAX * 2 + SOON,
            "{} of {slow} are cut off",
            cut_off()
        );
        writes += 1;
        // At first more than the kernel takes for one that does not read, then a little at a time.
        let meta = if writes <= 10 { json!(meta) } else { json!({}) };
        let body = json!({"address": "192.0.2.1", "weight": writes, "meta": meta});
        client.put("/v1/services/web/instances/web-1", &body);
        most = most.max(memory_kib(&program, "Rss"));
        std::thread::sleep(Duration::from_millis(20));
    }
    let took = began.elapsed();
    let index = client.get("/v1/zones").index();
    until("the others are told everything", || {
        all.seen.iter().all(|seen| seen.load(Ordering::Relaxed) == index)
    });
    until("the places of the slow ones are free", || {
        count(&client, "callsign_watchers") == reading
    });
    most = most.max(memory_kib(&program, "Rss"));
    all.is_over.store(true, Ordering::Relaxed);
    thread.join().unwrap();
    println!(
        "{reading} watchers that read and {slow} that do not: these cut off after {took:.1?} and {writes} changes; RSS {before} \
         KiB before, {most} KiB at most"
    );
    assert_eq!(all.wrong.load(Ordering::Relaxed), 0, "a gap, a repeat or an end");
    assert_eq!(cut_off(), slow);
    assert!(
        most - before <= GROWTH_KIB_MAX,
        "it grew by {} KiB",
        most - before
    );
}
