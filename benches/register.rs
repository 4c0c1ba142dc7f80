//! Registrations acknowledged per second: 64 clients over HTTP, each on a connection of its own and with one request
//! in flight, against the real program with its data on a real disk (`synchronous=FULL`).
//!
//! `cargo bench --bench register -- [CLIENTS] [SECONDS]`

#![allow(missing_docs, clippy::disallowed_methods)]

#[path = "support/program.rs"]
mod program;

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

fn main() {
    let numbers: Vec<u64> = std::env::args()
        .skip(1)
        .filter_map(|argument| argument.parse().ok())
        .collect();
    let clients = numbers.first().copied().unwrap_or(64) as usize;
    let seconds = numbers.get(1).copied().unwrap_or(10);
    // Where the data goes decides what an fsync costs: the target folder is on the disk of the checkout.
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let program = program::Program::start(dir.path());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let cpu_before = program.cpu_ms();
    let started = Instant::now();
    let until = started + Duration::from_secs(seconds);
    let mut latencies: Vec<Duration> = runtime.block_on(async {
        let running: Vec<_> = (0..clients)
            .map(|client| tokio::spawn(register(program.http, client, until)))
            .collect();
        let mut all = Vec::new();
        for client in running {
            all.extend(client.await.expect("a client does not panic"));
        }
        all
    });
    let elapsed = started.elapsed().as_secs_f64();
    let cpu = (program.cpu_ms() - cpu_before) as f64 / 1e3;
    latencies.sort_unstable();
    let at = |part: f64| latencies[((latencies.len() - 1) as f64 * part) as usize].as_secs_f64() * 1e3;
    println!(
        "{clients} clients, {elapsed:.1} s: {:.0} registrations/s acknowledged; p50 {:.2} ms, p99 {:.2} ms, \
         max {:.1} ms; the server used {:.2} cores",
        latencies.len() as f64 / elapsed,
        at(0.5),
        at(0.99),
        at(1.0),
        cpu / elapsed,
    );
}

/// Registers one new instance after the other until the time is over; every reply must be 201.
async fn register(http: std::net::SocketAddr, client: usize, until: Instant) -> Vec<Duration> {
    let mut stream = TcpStream::connect(http).await.expect("a connection");
    stream.set_nodelay(true).expect("no delay");
    let mut latencies = Vec::new();
    let mut reply = vec![0; 8192];
    let mut number = 0u32;
    while Instant::now() < until {
        let (service, instance) = (number / 3, number % 3);
        let [_, b, c, d] = (1 + number).to_be_bytes();
        let body = format!("{{\"address\":\"10.{b}.{c}.{d}\",\"port\":8080}}");
        let request = format!(
            "PUT /v1/services/s-{client}-{service}/instances/i-{instance} HTTP/1.1\r\nHost: localhost\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        number += 1;
        let sent = Instant::now();
        stream
            .write_all(request.as_bytes())
            .await
            .expect("a request leaves");
        let mut len = 0;
        loop {
            let read = stream.read(&mut reply[len..]).await.expect("a reply");
            assert!(read > 0, "the server closed the connection");
            len += read;
            if is_whole(&reply[..len]) {
                break;
            }
        }
        assert!(
            reply.starts_with(b"HTTP/1.1 201"),
            "{}",
            String::from_utf8_lossy(&reply[..len])
        );
        latencies.push(sent.elapsed());
    }
    latencies
}

/// Whether a reply has all the octets that its Content-Length says.
fn is_whole(reply: &[u8]) -> bool {
    let text = String::from_utf8_lossy(reply);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
    length.is_none_or(|length| body.len() >= length)
}
