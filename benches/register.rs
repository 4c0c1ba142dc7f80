//! Registrations acknowledged per second over HTTP, each client on a connection of its own with one request in flight,
//! against the real program with its data on a real disk (`synchronous=FULL`).
//!
//! `cargo bench --bench register -- [CLIENTS [SECONDS]]`; without a number 1, 64 and 256 clients, and 8 that send
//! batches of 100. Further:
//! - `--server-core N`, `--client-core N`: pinned there by `taskset`, so that what is measured is one core's work;
//! - `--batch N`: so many registrations in a request;
//! - `--program PATH`: another build of the server, given more than once to take turns, `--rounds N` times.
//!
//! The clients are one thread and poll(2), so that they need less than the server. The processor time is the server's.
//! Replies of one commit bear one index, so the indexes tell how many commits there were.

#![allow(missing_docs, clippy::disallowed_methods)]

#[path = "support/program.rs"]
mod program;

use std::collections::HashSet;
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
    server_core: Option<String>,
    client_core: Option<String>,
    programs: Vec<OsString>,
    rounds: usize,
}

fn options() -> Options {
    let mut options = Options {
        clients: None,
        seconds: 10,
        batch: None,
        server_core: None,
        client_core: None,
        programs: Vec::new(),
        rounds: 1,
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
            "--rounds" => options.rounds = value().parse().expect("a number"),
            "--program" => options.programs.push(value().into()),
            number => numbers.push(number.parse::<u64>().expect("a number or a known flag")),
        }
    }
    options.clients = numbers.first().map(|clients| *clients as usize);
    options.seconds = numbers.get(1).copied().unwrap_or(options.seconds);
    if options.programs.is_empty() {
        options.programs.push(env!("CARGO_BIN_EXE_callsign").into());
    }
    options
}

fn main() {
    let options = options();
    if let Some(core) = &options.client_core {
        let own = std::process::id().to_string();
        let pinned = Command::new("taskset").args(["-pc", core, &own]).output();
        assert!(pinned.expect("taskset is installed").status.success());
    }
    let batch = options.batch.unwrap_or(1);
    let loads: Vec<(usize, usize)> = match options.clients {
        Some(clients) => vec![(clients, batch)],
        None if options.batch.is_some() => vec![(8, batch)],
        None => vec![(1, 1), (64, 1), (256, 1), (8, 100)],
    };
    for _ in 0..options.rounds {
        for (clients, batch) in &loads {
            for program in &options.programs {
                run(&options, program, *clients, *batch);
            }
        }
    }
}

fn run(options: &Options, program: &OsString, clients: usize, batch: usize) {
    // Where the data goes decides what an fsync costs: the target folder is on the disk of the checkout.
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let mut command = Vec::new();
    if let Some(core) = &options.server_core {
        command.extend(["taskset", "-c", core].map(OsString::from));
    }
    command.push(program.clone());
    let server = program::Program::start_as(dir.path(), &command);
    let mut all: Vec<Client> = (0..clients)
        .map(|number| Client::new(server.http, number, batch))
        .collect();
    let (user, system) = server.user_and_system_ms();
    let switches = server.context_switches();
    let started = Instant::now();
    let measured = drive(&mut all, started + Duration::from_secs(options.seconds));
    let seconds = started.elapsed().as_secs_f64();
    let (user, system) = {
        let after = server.user_and_system_ms();
        (after.0 - user, after.1 - system)
    };
    let switches = server.context_switches() - switches;
    let mut latencies = measured.latencies;
    latencies.sort_unstable();
    let registrations = (latencies.len() * batch) as f64;
    let at = |part: f64| latencies[((latencies.len() - 1) as f64 * part) as usize].as_secs_f64() * 1e3;
    let commits = measured.indexes.len() as f64;
    println!(
        "{}: {clients} clients, {batch} in a request, {seconds:.1} s: {:.0} registrations/s; p50 {:.2} ms, p99 {:.2} \
         ms, p99.9 {:.2} ms, max {:.1} ms; server {:.2} cores, {:.1} µs each ({:.1} user, {:.1} system), {:.2} context \
         switches each; {:.0} commits/s of {:.1}",
        std::path::Path::new(program)
            .file_name()
            .map_or("server".into(), |name| name.to_string_lossy()),
        registrations / seconds,
        at(0.5),
        at(0.99),
        at(0.999),
        at(1.0),
        (user + system) as f64 / 1e3 / seconds,
        (user + system) as f64 * 1e3 / registrations,
        user as f64 * 1e3 / registrations,
        system as f64 * 1e3 / registrations,
        switches as f64 / registrations,
        commits / seconds,
        registrations / commits,
    );
}

#[derive(Default)]
struct Measured {
    latencies: Vec<Duration>,
    indexes: HashSet<u64>,
}

/// Lets each client ask again as soon as it was answered, until the time is over.
fn drive(clients: &mut [Client], until: Instant) -> Measured {
    let mut measured = Measured::default();
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
            if let Some((latency, index)) = client.take_reply() {
                measured.latencies.push(latency);
                measured.indexes.insert(index);
                if Instant::now() < until {
                    client.ask();
                } else {
                    waiting -= 1;
                }
            }
        }
    }
    measured
}

/// Registers one new instance after the other, three in a service.
struct Client {
    stream: TcpStream,
    number: usize,
    batch: usize,
    instance: u32,
    sent: Option<Instant>,
    reply: Vec<u8>,
}

impl Client {
    fn new(http: SocketAddr, number: usize, batch: usize) -> Self {
        let stream = TcpStream::connect(http).expect("a connection");
        stream.set_nodelay(true).expect("no delay");
        stream.set_nonblocking(true).expect("no waiting");
        Self {
            stream,
            number,
            batch,
            instance: 0,
            sent: None,
            reply: Vec::new(),
        }
    }

    /// The next instance: its service, its id, its address.
    fn next(&mut self) -> (String, String, String) {
        let (service, instance) = (self.instance / 3, self.instance % 3);
        self.instance += 1;
        let [_, b, c, d] = self.instance.to_be_bytes();
        (
            format!("s-{}-{service}", self.number),
            format!("i-{instance}"),
            format!("10.{b}.{c}.{d}"),
        )
    }

    fn ask(&mut self) {
        let (line, body) = if self.batch == 1 {
            let (service, id, address) = self.next();
            (
                format!("PUT /v1/services/{service}/instances/{id}"),
                format!("{{\"address\":\"{address}\",\"port\":8080}}"),
            )
        } else {
            let operations: Vec<String> = (0..self.batch)
                .map(|_| {
                    let (service, id, address) = self.next();
                    format!(
                        "{{\"op\":\"register\",\"service\":\"{service}\",\"id\":\"{id}\",\"address\":\"{address}\",\
                         \"port\":8080}}"
                    )
                })
                .collect();
            let body = format!("{{\"operations\":[{}]}}", operations.join(","));
            ("POST /v1/batch".to_owned(), body)
        };
        let request = format!(
            "{line} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.reply.clear();
        self.sent = Some(Instant::now());
        let mut rest = request.as_bytes();
        while !rest.is_empty() {
            match self.stream.write(rest) {
                Ok(written) => rest = &rest[written..],
                // A large batch may fill the socket; the server reads on.
                Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::yield_now(),
                Err(error) => panic!("a request does not leave: {error}"),
            }
        }
    }

    /// Reads what has come. A whole reply gives how long it took, and the index that it bears.
    fn take_reply(&mut self) -> Option<(Duration, u64)> {
        let mut octets = [0; 8192];
        match self.stream.read(&mut octets) {
            Ok(0) => panic!("the server closed the connection"),
            Ok(read) => self.reply.extend_from_slice(&octets[..read]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
            Err(error) => panic!("no reply: {error}"),
        }
        let head = self.reply.windows(4).position(|end| end == b"\r\n\r\n")? + 4;
        let text = std::str::from_utf8(&self.reply[..head]).expect("a head in ASCII");
        let field = |name: &str| {
            let mut lines = text.lines();
            lines.find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok())
        };
        let length = field("content-length:").expect("a reply with a body");
        if self.reply.len() < head + length as usize {
            return None;
        }
        let expected = if self.batch == 1 { "201" } else { "200" };
        assert_eq!(text.get(9..12), Some(expected), "{text}");
        let index = field("x-callsign-index:").expect("the index");
        Some((self.sent.take()?.elapsed(), index))
    }
}
