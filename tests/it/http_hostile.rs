//! Hostile HTTP: each attack ends in a 4xx or a closed connection, the others are answered meanwhile, and memory stays
//! within a bound.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::dns::{Query, Type, ask};
use crate::support::program::Program;
use crate::wire::{ZONE, register};

/// How long anything here may take: past it the test fails, not hangs.
const DEADLINE: Duration = Duration::from_secs(20);
/// How long an honest request may take while others attack. Far above what it takes, on a busy machine without optimization.
const ANSWERED_WITHIN: Duration = Duration::from_secs(2);
/// By how much the server may grow under all of it, in KiB: 32 MiB of bodies, and what connections take.
const GROWTH_MAX_KIB: u64 = 48 << 10;

pub(crate) fn connect(server: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(server).expect("it listens");
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.set_write_timeout(Some(DEADLINE)).unwrap();
    stream
}

/// Sends as much as is taken, and reads until the other side closes. Gives the status of the first reply; none if the
/// connection was closed without one.
pub(crate) fn attack(server: SocketAddr, octets: &[u8]) -> Option<u16> {
    let mut stream = connect(server);
    // It may refuse and close before all is sent.
    if let Err(error) = stream.write_all(octets) {
        let refused = matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset);
        assert!(refused, "neither sent nor refused: {error}");
    }
    let mut reply = Vec::new();
    match stream.read_to_end(&mut reply) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}"),
    }
    let text = String::from_utf8_lossy(&reply).into_owned();
    let status = text.strip_prefix("HTTP/1.1 ")?.get(..3)?;
    status.parse().ok()
}

pub(crate) fn put(framing: &str, body: &str) -> Vec<u8> {
    format!("PUT /v1/services/x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{framing}\r\n\r\n{body}")
        .into_bytes()
}

pub(crate) fn put_whole(body: &str) -> Vec<u8> {
    put(&format!("Content-Length: {}", body.len()), body)
}

/// What is sent, and which status may come back.
fn attacks() -> Vec<(&'static str, Vec<u8>, &'static [u16])> {
    let many_headers = format!(
        "GET /v1/zones HTTP/1.1\r\nHost: localhost\r\n{}\r\n",
        "a: b\r\n".repeat(100_000)
    );
    let long_header = format!(
        "GET /v1/zones HTTP/1.1\r\nHost: localhost\r\na: {}\r\n\r\n",
        "b".repeat(1 << 20)
    );
    let long_path = format!("GET /{} HTTP/1.1\r\nHost: localhost\r\n\r\n", "a".repeat(1 << 20));
    let tiny_chunks = format!("{}0\r\n\r\n", "1\r\n{\r\n".repeat(200_000));
    let extensions = format!("1;{}\r\n{{\r\n0\r\n\r\n", "a".repeat(1 << 20));
    vec![
        ("100,000 header fields", many_headers.into_bytes(), &[431]),
        ("a header field of a mebibyte", long_header.into_bytes(), &[431]),
        ("a path of a mebibyte", long_path.into_bytes(), &[414, 431]),
        ("lists 500,000 deep", put_whole(&"[".repeat(500_000)), &[422]),
        (
            "objects 100,000 deep",
            put_whole(&r#"{"a":"#.repeat(100_000)),
            &[422],
        ),
        ("100,000 names", put_whole(&names(100_000, false)), &[422, 413]),
        (
            "50,000 names, the last twice",
            put_whole(&names(50_000, true)),
            &[422],
        ),
        (
            "a number of 500,000 digits",
            put_whole(&format!("{{\"ttl\":{}}}", "9".repeat(500_000))),
            &[400, 422],
        ),
        (
            "200,000 chunks of an octet",
            put("Transfer-Encoding: chunked", &tiny_chunks),
            &[400, 422],
        ),
        (
            "a chunk extension of a mebibyte",
            put("Transfer-Encoding: chunked", &extensions),
            &[400],
        ),
        (
            "a chunk larger than memory",
            put("Transfer-Encoding: chunked", "FFFFFFFFFFFFFFFF0\r\n"),
            &[400],
        ),
        ("a length that is none", put("Content-Length: -1", "{}"), &[400]),
        (
            "two lengths",
            put("Content-Length: 2\r\nContent-Length: 3", "{} "),
            &[400],
        ),
        (
            "16 MiB announced",
            put("Content-Length: 16777216", &" ".repeat(8 << 20)),
            &[413],
        ),
        ("no HTTP at all", vec![0xff; 1 << 20], &[400]),
    ]
}

pub(crate) fn names(count: usize, last_twice: bool) -> String {
    let mut names: Vec<String> = (0..count).map(|n| format!("\"n{n}\":0")).collect();
    if last_twice {
        names.push(format!("\"n{}\":0", count - 1));
    }
    format!("{{{}}}", names.join(","))
}

#[test]
fn each_attack_is_refused_and_changes_nothing() {
    let program = Program::start();
    let index = program.client().get("/v1/zones").index();
    for (what, octets, allowed) in attacks() {
        let began = Instant::now();
        let status = attack(program.http, &octets);
        assert!(
            status.is_none_or(|status| allowed.contains(&status)),
            "{what}: {status:?} after {:?}",
            began.elapsed()
        );
        program.client().get("/healthz").expect(200);
    }
    assert_eq!(program.client().get("/v1/zones").index(), index);
    program
        .client()
        .get("/v1/services/x")
        .expect_problem(404, "no_service");
}

/// Requests over HTTP/2 that are taken back at once, as many as the connection takes; 10,000 at most.
pub(crate) fn rapid_reset(server: SocketAddr) {
    let mut stream = connect(server);
    let mut octets = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
    // GET, http, "/", authority localhost (RFC 7541 §6.1, §6.2.1).
    let fields = b"\x82\x86\x84\x41\x09localhost";
    for number in 0..10_000_u32 {
        let id = (2 * number + 1).to_be_bytes();
        octets.extend_from_slice(&[0, 0, fields.len() as u8, 1, 5]);
        octets.extend_from_slice(&id);
        octets.extend_from_slice(fields);
        octets.extend_from_slice(&[0, 0, 4, 3, 0]);
        octets.extend_from_slice(&id);
        octets.extend_from_slice(&8_u32.to_be_bytes());
    }
    // It ends the connection when it has had enough (CVE-2023-44487).
    let _ = stream.write_all(&octets);
    let mut reply = Vec::new();
    let _ = stream.read_to_end(&mut reply);
}

/// Resident memory in KiB (proc(5)).
pub(crate) fn resident_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("look at the process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.expect("its resident memory")
}

#[test]
fn others_are_answered_while_slow_and_hostile_clients_are_at_it() {
    let program = Program::start();
    register(
        &program,
        "web",
        "a",
        json!({"address": "192.0.2.1", "lease": "1h"}),
    );
    let client = program.client();
    let before = resident_kib(program.pid());
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // Bodies that come an octet at a time, 300 at once; and heads that never end.
        let slow: Vec<TcpStream> = (0..600)
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
        let trickling = scope.spawn(|| {
            let mut slow = slow;
            while !done.load(Ordering::Relaxed) {
                for stream in &mut slow {
                    // Some have been cut off.
                    let _ = stream.write_all(b" ");
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        let hostile = scope.spawn(|| {
            for (_, octets, _) in attacks() {
                attack(program.http, &octets);
            }
            rapid_reset(program.http);
        });
        let (mut asked, mut slowest) = (0, Duration::ZERO);
        while !hostile.is_finished() || asked < 20 {
            let began = Instant::now();
            client.get("/v1/services/web/instances/a").expect(200);
            let beat = client.request("PUT", "/v1/services/web/instances/a/heartbeat", &[], None);
            assert_eq!(beat.status, 204);
            slowest = slowest.max(began.elapsed() / 2);
            asked += 1;
            let question = Query::new(&format!("web.{ZONE}"), Type::A);
            assert_eq!(ask(program.dns, &question).answers.len(), 1);
        }
        done.store(true, Ordering::Relaxed);
        hostile.join().expect("every attack ends");
        trickling.join().expect("it writes on");
        assert!(
            slowest < ANSWERED_WITHIN,
            "the slowest of {asked} took {slowest:?}"
        );
    });
    let grown = resident_kib(program.pid()).saturating_sub(before);
    assert!(grown < GROWTH_MAX_KIB, "it grew by {grown} KiB");
    client.get("/readyz").expect(200);
}
