//! Heartbeats per second over HTTP/1.1, each client on a connection of its own with one request in flight, against the
//! real program. The figure that other work on the machine disturbs least is the server's processor time for a heartbeat.
//!
//! `cargo bench --bench heartbeat -- [CLIENTS [SECONDS]]`; without a number 64 clients with one heartbeat in a request
//! (PUT …/heartbeat), and 8 with 100 and with 1,000 (POST /v1/heartbeats). Further:
//! - `--batch N`: so many in a request;
//! - `--instances N`: of that many with leases (default 10,000), each in its turn;
//! - `--server-core N`, `--client-core N`: pinned there by `taskset`, so that what is measured is one core's work.
//!
//! `/metrics` says afterwards how many commits there were: none is the rule.

#![allow(missing_docs, clippy::disallowed_methods)]

#[path = "support/program.rs"]
mod program;

use std::ffi::OsString;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// How long a reply may take before the run is given up.
const REPLY_MAX: Duration = Duration::from_secs(30);

struct Options {
    clients: Option<usize>,
    seconds: u64,
    batch: Option<usize>,
    instances: usize,
    server_core: Option<String>,
    client_core: Option<String>,
}

fn options() -> Options {
    let mut options = Options {
        clients: None,
        seconds: 10,
        batch: None,
        instances: 10_000,
        server_core: None,
        client_core: None,
    };
    let mut numbers = Vec::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().expect("the flag has a value");
        match &*argument {
            // Cargo says so.
            "--bench" => {}
            "--server-core" => options.server_core = Some(value()),
            "--client-core" => options.client_core = Some(value()),
            "--batch" => options.batch = Some(value().parse().expect("a number")),
            "--instances" => options.instances = value().parse().expect("a number"),
            number => numbers.push(number.parse::<u64>().expect("a number or a known flag")),
        }
    }
    options.clients = numbers.first().map(|clients| *clients as usize);
    options.seconds = numbers.get(1).copied().unwrap_or(options.seconds);
    options
}

fn main() {
    let options = options();
    if let Some(core) = &options.client_core {
        let own = std::process::id().to_string();
        let pinned = Command::new("taskset").args(["-pc", core, &own]).output();
        assert!(pinned.expect("taskset is installed").status.success());
    }
    let loads = match (options.clients, options.batch) {
        (None, None) => vec![(64, 1), (8, 100), (8, 1000)],
        (clients, batch) => vec![(clients.unwrap_or(64), batch.unwrap_or(1))],
    };
    for (clients, batch) in loads {
        run(&options, clients, batch);
    }
}

fn run(options: &Options, clients: usize, batch: usize) {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let mut command = Vec::new();
    if let Some(core) = &options.server_core {
        command.extend(["taskset", "-c", core].map(OsString::from));
    }
    command.push(env!("CARGO_BIN_EXE_callsign").into());
    let server = program::Program::start_as(dir.path(), &command);
    register(server.http, options.instances);
    let mut all: Vec<Client> = (0..clients)
        .map(|number| Client::new(server.http, requests(number, clients, batch, options.instances)))
        .collect();
    let commits = commits(server.http);
    let (user, system) = server.user_and_system_ms();
    let started = Instant::now();
    let mut latencies = drive(&mut all, started + Duration::from_secs(options.seconds));
    let seconds = started.elapsed().as_secs_f64();
    let (user, system) = {
        let after = server.user_and_system_ms();
        (after.0 - user, after.1 - system)
    };
    let commits = self::commits(server.http) - commits;
    latencies.sort_unstable();
    let heartbeats = (latencies.len() * batch) as f64;
    let at = |part: f64| latencies[((latencies.len() - 1) as f64 * part) as usize].as_secs_f64() * 1e3;
    let cpu = (user + system) as f64;
    println!(
        "{clients} clients, {batch} in a request, {} instances, {seconds:.1} s: {:.0} heartbeats/s; p50 {:.2} ms, p99 \
         {:.2} ms; server {:.2} cores, {:.2} µs each ({:.2} user, {:.2} system): {:.0} heartbeats in a second of one core; \
         {commits} commits",
        options.instances,
        heartbeats / seconds,
        at(0.5),
        at(0.99),
        cpu / 1e3 / seconds,
        cpu * 1e3 / heartbeats,
        user as f64 * 1e3 / heartbeats,
        system as f64 * 1e3 / heartbeats,
        heartbeats * 1e3 / cpu,
    );
}

/// The instance of that number: three in a service.
fn key(number: usize) -> (String, String) {
    (
        format!("service-{}", number / 3),
        format!("instance-{}", number % 3),
    )
}

fn register(http: SocketAddr, instances: usize) {
    let all: Vec<usize> = (0..instances).collect();
    for part in all.chunks(1000) {
        let operations: Vec<String> = part
            .iter()
            .map(|number| {
                let (service, id) = key(*number);
                let [_, b, c, d] = (*number as u32 + 1).to_be_bytes();
                format!(
                    r#"{{"op":"register","service":"{service}","id":"{id}","address":"10.{b}.{c}.{d}","lease":"1h"}}"#
                )
            })
            .collect();
        let body = format!(r#"{{"operations":[{}]}}"#, operations.join(","));
        let mut client = Client::new(http, vec![request("POST /v1/batch", &body)]);
        drive(std::slice::from_mut(&mut client), Instant::now());
    }
}

fn request(line: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("{line} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n{body}").into_bytes()
}

/// What one of the clients sends in turn: together they name each instance equally often.
fn requests(client: usize, clients: usize, batch: usize, instances: usize) -> Vec<Vec<u8>> {
    let own: Vec<usize> = (client..instances).step_by(clients).collect();
    if batch == 1 {
        let path = |number: &usize| {
            let (service, id) = key(*number);
            let line = format!("PUT /v1/services/{service}/instances/{id}/heartbeat");
            request(&line, "")
        };
        return own.iter().map(path).collect();
    }
    let mut numbers = own.iter().cycle();
    let rounds = (own.len() / batch).max(1);
    let bodies = (0..rounds).map(|_| {
        let entries = numbers.by_ref().take(batch).map(|number| {
            let (service, id) = key(*number);
            format!("\"{service}/{id}\"")
        });
        format!(r#"{{"instances":[{}]}}"#, entries.collect::<Vec<_>>().join(","))
    });
    bodies.map(|body| request("POST /v1/heartbeats", &body)).collect()
}

/// Commits so far, as the server counts them.
fn commits(http: SocketAddr) -> u64 {
    let mut stream = TcpStream::connect(http).expect("a connection");
    stream
        .write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .expect("a request");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("a reply");
    let mut lines = text.lines();
    let line = lines.find_map(|line| line.strip_prefix("callsign_commit_seconds_count "));
    line.expect("the count of commits").parse().expect("a number")
}

/// Lets each client ask again as soon as it was answered, until the time is over; each at least once.
fn drive(clients: &mut [Client], until: Instant) -> Vec<Duration> {
    let mut latencies = Vec::new();
    for client in clients.iter_mut() {
        client.ask();
    }
    let mut waiting = clients.len();
    let timeout = PollTimeout::try_from(REPLY_MAX).expect("below the largest timeout");
    while waiting > 0 {
        let ready: Vec<bool> = {
            let mut polled: Vec<_> = clients
                .iter()
                .map(|client| {
                    let events = match client.sent {
                        Some(_) => PollFlags::POLLIN,
                        None => PollFlags::empty(),
                    };
                    PollFd::new(client.stream.as_fd(), events)
                })
                .collect();
            assert!(poll(&mut polled, timeout).expect("poll") > 0, "no reply came");
            polled
                .iter()
                .map(|polled| polled.revents().is_some_and(|events| !events.is_empty()))
                .collect()
        };
        for (client, _) in clients.iter_mut().zip(ready).filter(|(_, ready)| *ready) {
            if let Some(latency) = client.take_reply() {
                latencies.push(latency);
                if Instant::now() < until {
                    client.ask();
                } else {
                    waiting -= 1;
                }
            }
        }
    }
    latencies
}

/// Sends its requests one after the other, again and again.
struct Client {
    stream: TcpStream,
    requests: Vec<Vec<u8>>,
    next: usize,
    sent: Option<Instant>,
    reply: Vec<u8>,
}

impl Client {
    fn new(http: SocketAddr, requests: Vec<Vec<u8>>) -> Self {
        let stream = TcpStream::connect(http).expect("a connection");
        stream.set_nodelay(true).expect("no delay");
        stream.set_nonblocking(true).expect("no waiting");
        Self {
            stream,
            requests,
            next: 0,
            sent: None,
            reply: Vec::new(),
        }
    }

    fn ask(&mut self) {
        self.reply.clear();
        self.sent = Some(Instant::now());
        let mut rest = &self.requests[self.next][..];
        self.next = (self.next + 1) % self.requests.len();
        while !rest.is_empty() {
            match self.stream.write(rest) {
                Ok(written) => rest = &rest[written..],
                // A large batch may fill the socket; the server reads on.
                Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::yield_now(),
                Err(error) => panic!("a request does not leave: {error}"),
            }
        }
    }

    /// Reads what has come. A whole reply, which must be a success that knows every instance, gives how long it took.
    fn take_reply(&mut self) -> Option<Duration> {
        let mut octets = [0; 65_536];
        match self.stream.read(&mut octets) {
            Ok(0) => panic!("the server closed the connection"),
            Ok(read) => self.reply.extend_from_slice(&octets[..read]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
            Err(error) => panic!("no reply: {error}"),
        }
        let head = self.reply.windows(4).position(|end| end == b"\r\n\r\n")? + 4;
        let text = std::str::from_utf8(&self.reply[..head]).expect("a head in ASCII");
        let mut lines = text.lines();
        let length =
            lines.find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
        if self.reply.len() < head + length.unwrap_or(0) {
            return None;
        }
        let status = text.get(9..12);
        let body = &self.reply[head..];
        assert!(
            matches!(status, Some("200" | "204")),
            "{}",
            String::from_utf8_lossy(&self.reply)
        );
        assert!(
            !body.starts_with(b"{\"renewed\"") || body.ends_with(b",\"unknown\":[]}"),
            "{}",
            String::from_utf8_lossy(body)
        );
        Some(self.sent.take()?.elapsed())
    }
}
