//! Hostile HTTP, and a good client beside it: while each attack runs, its reads and writes are measured and held against
//! what they took before, in the same run, and the server's memory is looked at all along.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use socket2::{Domain, Socket, Type};
use tempfile::TempDir;

use crate::http_hostile::{attack, connect, names, put, put_whole, rapid_reset, resident_kib};
use crate::metrics::counted;
use crate::support::program::{Launch, Program};
use crate::tcp_pressure::room_for;
use crate::wire::{register, register_all};

/// For how long the good client asks while an attack runs, at least.
const MEASURED: Duration = Duration::from_secs(1);
/// How often it reads and writes, at least: so many that there is a 99th of a hundred.
const ASKED_MIN: usize = 100;
/// How long it waits between two questions: it is a client, and no attack of its own.
const PAUSE: Duration = Duration::from_millis(4);
/// How much slower the 99th of a hundred may be than in peace: so many times, or by so much, whichever is more. Attacks
/// and server share what cores there are, and nothing is optimized here.
const TIMES_MAX: u32 = 10;
const SLOWER_MAX: Duration = Duration::from_millis(200);
/// How often it is looked, until it is so: the machine may have other work, and what was slow once was not the attack.
const TRIES: usize = 3;
/// By how much the server's memory may grow while an attack runs.
const GROWTH_MAX_KIB: u64 = 32 << 10;
/// What is allowed on top where the attack is what fills a budget of the server: 32 MiB of large replies.
const BUDGET_KIB: u64 = 32 << 10;
/// Waiting reads on one connection of HTTP/2, and such connections: more than there are places.
const STREAMS: usize = 100;
const CONNECTIONS: usize = 130;
/// A service that nobody changes, with this many instances in each of three such.
const QUIET: usize = 3_300;

/// What the good client saw.
struct Seen {
    get: Duration,
    put: Duration,
    asked: usize,
    resident_kib: u64,
}

/// The 99th of a hundred.
fn p99(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() * 99 / 100]
}

/// Reads and writes, each acknowledged, until enough was seen.
fn good_client(program: &Program) -> Seen {
    let client = program.client();
    let began = Instant::now();
    let (mut gets, mut puts) = (Vec::new(), Vec::new());
    let mut resident = 0;
    while began.elapsed() < MEASURED || gets.len() < ASKED_MIN {
        let weight = gets.len() % 100;
        let at = Instant::now();
        client
            .put(
                "/v1/services/good/instances/a",
                &json!({"address": "192.0.2.1", "weight": weight}),
            )
            .expect(200);
        puts.push(at.elapsed());
        std::thread::sleep(PAUSE);
        let at = Instant::now();
        let shown = client.get("/v1/services/good/instances/a").expect(200).json();
        gets.push(at.elapsed());
        assert_eq!(shown["weight"], weight, "what was acknowledged is shown");
        resident = resident.max(resident_kib(program.pid()));
        std::thread::sleep(PAUSE);
    }
    Seen {
        get: p99(&mut gets),
        put: p99(&mut puts),
        asked: gets.len() + puts.len(),
        resident_kib: resident,
    }
}

/// Replies that the attacks got, by status; 0 is a connection that was closed without one.
type Replies = Mutex<BTreeMap<u16, u64>>;

/// What is repeated, by one thread each, until the good client has seen enough.
struct Attack {
    what: &'static str,
    /// Which replies there may be. A connection that is closed is always right.
    allowed: &'static [u16],
    once: Box<dyn Fn(&Program) -> Option<u16> + Sync>,
}

fn sending(what: &'static str, octets: Vec<u8>, allowed: &'static [u16]) -> Attack {
    Attack {
        what,
        allowed,
        once: Box::new(move |program| attack(program.http, &octets)),
    }
}

fn heartbeats(count: usize) -> Vec<u8> {
    let entries: Vec<String> = (0..count)
        .map(|n| format!("\"quiet{}/i{}\"", n % 3, n / 3 % QUIET))
        .collect();
    let body = format!("{{\"instances\":[{}]}}", entries.join(","));
    format!(
        "POST /v1/heartbeats HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

fn get(path: &str, headers: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n").into_bytes()
}

fn attacks() -> Vec<Attack> {
    let many_headers = format!(
        "GET /v1/zones HTTP/1.1\r\nHost: localhost\r\n{}\r\n",
        "a: b\r\n".repeat(100_000)
    );
    let tiny_chunks = format!("{}0\r\n\r\n", "1\r\n{\r\n".repeat(100_000));
    let deep = "[".repeat(10_000) + &"]".repeat(10_000);
    let foreign = b"GET /v1/zones HTTP/1.1\r\nHost: evil.example.org\r\nOrigin: http://evil.example.org\r\n\
        Connection: close\r\n\r\n";
    let mut all = vec![
        sending(
            "a body of a mebibyte and an octet",
            put_whole(&" ".repeat((1 << 20) + 1)),
            &[413],
        ),
        sending("JSON 10,000 deep", put_whole(&deep), &[422]),
        sending("100,000 header fields", many_headers.into_bytes(), &[431]),
        sending(
            "100,000 chunks of an octet",
            put("Transfer-Encoding: chunked", &tiny_chunks),
            &[400, 422],
        ),
        sending(
            "20,000 names, the last twice",
            put_whole(&names(20_000, true)),
            &[422],
        ),
        sending("a number that is none", put_whole("{\"ttl\":NaN}"), &[400]),
        sending(
            "dots in percent-encoding",
            get("/v1/services/%2e%2e/%2e%2e/zones", ""),
            &[404, 422],
        ),
        sending("a foreign Host and Origin", foreign.to_vec(), &[403]),
        sending(
            "a watch with a body that does not end",
            get(
                "/v1/watch?snapshot=yes",
                "Content-Length: 1000000000\r\n\r\nxxxxxxxxxxxxxxxx",
            ),
            &[422],
        ),
        sending("10,001 heartbeats in one request", heartbeats(10_001), &[422]),
        // No attack by itself, and the most that one may ask for.
        sending("10,000 heartbeats in one request", heartbeats(10_000), &[200]),
        sending(
            "10,000 changes in one page",
            get("/v1/changes?limit=10000", ""),
            &[200, 503],
        ),
    ];
    all.push(Attack {
        what: "10,000 streams taken back at once",
        allowed: &[],
        once: Box::new(|program| {
            rapid_reset(program.http);
            None
        }),
    });
    all
}

fn say(what: &str, seen: &Seen, grown_kib: u64) {
    println!(
        "{what}: GET p99 {:.1} ms, PUT p99 {:.1} ms of {} requests, memory +{grown_kib} KiB",
        seen.get.as_secs_f64() * 1e3,
        seen.put.as_secs_f64() * 1e3,
        seen.asked
    );
}

/// Looks at the good client while an attack runs, and holds what it sees against what it saw in peace.
#[track_caller]
fn judge(program: &Program, what: &str, peace: &Seen, growth_max_kib: u64) {
    let mut last = String::new();
    for _ in 0..TRIES {
        let seen = good_client(program);
        let grown = seen.resident_kib.saturating_sub(peace.resident_kib);
        say(what, &seen, grown);
        assert!(grown <= growth_max_kib, "{what}: it grew by {grown} KiB");
        let slow = [("GET", peace.get, seen.get), ("PUT", peace.put, seen.put)]
            .into_iter()
            .find(|(_, before, now)| *now > (*before * TIMES_MAX).max(*before + SLOWER_MAX));
        match slow {
            None => return,
            Some((name, before, now)) => last = format!("{name} took {now:?}, and {before:?} in peace"),
        }
    }
    panic!("{what}: {last}");
}

/// With 10,000 instances and as many changes in its log.
fn full() -> (Program, TempDir) {
    let folder = in_memory();
    let program = Launch::new().data_dir(&folder.path().join("data")).start();
    for service in 0..3 {
        let instances = (0..=QUIET).map(|n| {
            (
                format!("i{n}"),
                json!({"address": "192.0.2.9", "lease": "24h", "meta": {"a": "b"}}),
            )
        });
        register_all(&program, &format!("quiet{service}"), instances);
    }
    register(&program, "good", "a", json!({"address": "192.0.2.1"}));
    (program, folder)
}

/// A folder in memory, where there is such: a disk that others use is no attack over HTTP.
fn in_memory() -> TempDir {
    let mut builder = tempfile::Builder::new();
    builder.prefix("callsign-test-");
    builder
        .tempdir_in("/dev/shm")
        .or_else(|_| builder.tempdir())
        .expect("a temporary folder")
}

#[test]
fn a_good_client_is_served_beside_each_attack() {
    let (program, _folder) = full();
    // Once before it counts: memory is there from then on.
    good_client(&program);
    let peace = good_client(&program);
    say("in peace", &peace, 0);
    for one in attacks() {
        let replies: Replies = Mutex::default();
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let _done = Done(&done);
            for _ in 0..2 {
                scope.spawn(|| {
                    while !done.load(Ordering::Relaxed) {
                        let status = (one.once)(&program).unwrap_or(0);
                        *replies.lock().unwrap().entry(status).or_default() += 1;
                    }
                });
            }
            judge(&program, one.what, &peace, GROWTH_MAX_KIB);
        });
        let replies = replies.into_inner().unwrap();
        assert!(
            replies
                .keys()
                .all(|status| *status == 0 || one.allowed.contains(status)),
            "{}: {replies:?}",
            one.what
        );
        println!("    replies: {replies:?}");
    }
    program.client().get("/readyz").expect(200);
}

#[test]
fn a_good_client_is_served_beside_those_who_hold_on() {
    if !room_for(7_000) {
        println!(
            "SKIPPED: this process may not have 7,000 descriptors, so 5,000 idle connections were not tested"
        );
        return;
    }
    let (program, _folder) = full();
    good_client(&program);
    let peace = good_client(&program);
    say("in peace", &peace, 0);
    let text = || program.client().get("/metrics").expect(200).text();

    // Bodies and heads that come an octet a second.
    let mut slow: Vec<TcpStream> = (0..600)
        .map(|n| {
            let mut stream = connect(program.http);
            let begin = match n % 2 {
                0 => put("Content-Length: 1000000", ""),
                _ => b"GET /v1/zones HTTP/1.1\r\nHost: localhost\r\nx: ".to_vec(),
            };
            stream.write_all(&begin).expect("a beginning");
            stream
        })
        .collect();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _done = Done(&done);
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                for stream in &mut slow {
                    let _ = stream.write_all(b" ");
                }
                std::thread::sleep(Duration::from_secs(1));
            }
        });
        judge(&program, "600 requests an octet a second", &peace, GROWTH_MAX_KIB);
    });
    drop(slow);

    // Connections that say nothing, more than there may be.
    let idle: Vec<TcpStream> = (0..5_000).map(|_| connect(program.http)).collect();
    judge(&program, "5,000 idle connections", &peace, GROWTH_MAX_KIB);
    let open = counted(&text(), "callsign_http_connections");
    assert!(open <= 4096, "{open} connections are open");
    assert!(counted(&text(), "callsign_http_connections_evicted_total") > 900);
    drop(idle);

    // Watches that are never read, half of them with a body that does not end, of a catalog that changes all the time.
    let watches: Vec<Socket> = (0..200)
        .map(|n| unread(&program, "/v1/watch?snapshot=true", n % 2 == 0))
        .collect();
    judge(&program, "200 watches that nobody reads", &peace, GROWTH_MAX_KIB);
    drop(watches);

    // What the allocator kept of all that is not this attack's.
    let peace = Seen {
        resident_kib: resident_kib(program.pid()),
        ..peace
    };
    // Pages of 2 MiB that are never read, on one connection: what does not fit into the budget is refused.
    let pages = streams(&program, "/v1/changes?limit=10000", 60);
    let refused = || counted(&text(), "callsign_http_replies_total{status=\"503\"}");
    within_a_minute("most are refused", || refused() > 40);
    judge(
        &program,
        "60 pages of changes that nobody reads",
        &peace,
        GROWTH_MAX_KIB + BUDGET_KIB,
    );
    drop(pages);
    // And once they are gone it is as before.
    within_a_minute("the budget is given back", || {
        program.client().get("/v1/changes?limit=10000").status == 200
    });
}

/// Ends an attack, also where the test fails.
struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[track_caller]
fn within_a_minute(what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "not within a minute: {what}"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Asks for something large and reads nothing of it, with a receive buffer of some KiB.
fn unread(program: &Program, path: &str, with_body: bool) -> Socket {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.set_recv_buffer_size(4096).expect("a small buffer");
    socket.connect(&program.http.into()).expect("it listens");
    let body = match with_body {
        true => "Content-Length: 1000000000\r\n\r\nxxxxxxxxxxxxxxxx",
        false => "\r\n",
    };
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{body}");
    (&socket).write_all(request.as_bytes()).expect("it is sent");
    socket
}

/// A connection of HTTP/2 that asks for the same so many times, and reads nothing.
fn streams(program: &Program, path: &str, count: usize) -> TcpStream {
    let mut stream = connect(program.http);
    let mut octets = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
    // GET, http, a path and an authority in letters (RFC 7541 §6.1, §6.2.2).
    let mut fields = b"\x82\x86\x04".to_vec();
    fields.push(u8::try_from(path.len()).expect("a short path"));
    fields.extend_from_slice(path.as_bytes());
    fields.extend_from_slice(b"\x01\x09localhost");
    for number in 0..count as u32 {
        octets.extend_from_slice(&[0, 0, fields.len() as u8, 1, 5]);
        octets.extend_from_slice(&(2 * number + 1).to_be_bytes());
        octets.extend_from_slice(&fields);
    }
    stream.write_all(&octets).expect("it takes them");
    stream
}

#[test]
fn when_every_place_to_wait_is_taken_others_are_refused_and_counted_and_requests_go_on() {
    let (program, _folder) = full();
    good_client(&program);
    let peace = good_client(&program);
    say("in peace", &peace, 0);
    let client = program.client();
    let index = client.get("/v1/zones").index();
    let mut waiters: Vec<TcpStream> = (0..CONNECTIONS)
        .map(|_| {
            let path = format!("/v1/services/quiet0/instances?limit=1&index={index}&wait=10m");
            streams(&program, &path, STREAMS)
        })
        .collect();
    let all = (STREAMS * CONNECTIONS) as u64;
    let text = || client.get("/metrics").expect(200).text();
    let places = || {
        let text = text();
        let count = |name| counted(&text, &format!("callsign_{name}"));
        (count("waiting_reads"), count("followers_refused_total"))
    };
    within_a_minute("all have asked", || {
        let (waits, refused) = places();
        waits + refused == all
    });
    let (waits, refused) = places();
    assert!((1_000..=12_288).contains(&waits) && refused > 0, "{waits} wait");
    // 25 KiB each are the bound of those who follow, with a connection of their own.
    println!("{waits} wait, {refused} were refused");
    judge(
        &program,
        "reads that wait for ten minutes, as many as there may be",
        &peace,
        waits * 25,
    );
    let late = client.get(&format!("/v1/services/quiet0?index={index}&wait=10m"));
    assert_eq!(late.header("retry-after"), Some("1"));
    late.expect_problem(503, "busy");

    // One change of what they wait for answers all of them.
    client
        .put(
            "/v1/services/quiet0/instances/i0",
            &json!({"address": "192.0.2.10"}),
        )
        .expect(200);
    within_a_minute("nobody waits any more", || {
        counted(&text(), "callsign_waiting_reads") == 0
    });
    let text = text();
    let timed = counted(&text, "callsign_http_request_seconds_count");
    assert!(
        timed < waits,
        "a read that waits says nothing of how fast replies are"
    );
    assert!(counted(&text, "callsign_http_replies_total{status=\"200\"}") > waits);
    // The first of them has its replies.
    let mut octet = [0; 9];
    waiters[0].read_exact(&mut octet).expect("a frame");
}
