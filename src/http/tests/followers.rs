//! Those who follow the catalog, at the socket: what they are told while nothing happens, and who is cut off.

use std::net::{Ipv4Addr, SocketAddr};

use socket2::{Domain, Socket, Type};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::*;
use crate::http::{Config, Handle, start};

/// How long something may take that comes soon.
const SOON: Duration = Duration::from_secs(20);

async fn listening(limits: Limits) -> (Api, Handle) {
    let mut api = Api::new().await;
    // What is slow is slow by the system's clock.
    api.deps.clock = Clock::system();
    let config = Config {
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        limits,
    };
    let handle = start(config, api.deps.clone()).expect("a free port");
    (api, handle)
}

/// Connects with a receive buffer of a few KiB, so that the one who does not read is noticed soon, and asks for `path`.
async fn ask(handle: &Handle, path: &str) -> BufReader<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.set_recv_buffer_size(4096).expect("a small buffer");
    socket.connect(&handle.address().into()).expect("it listens");
    socket.set_nonblocking(true).expect("a socket of the runtime");
    let mut stream = TcpStream::from_std(socket.into()).expect("a socket of the runtime");
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    stream
        .write_all(request.as_bytes())
        .await
        .expect("it can be sent");
    BufReader::new(stream)
}

async fn line(reader: &mut BufReader<TcpStream>) -> String {
    let mut line = String::new();
    let read = tokio::time::timeout(SOON, reader.read_line(&mut line)).await;
    read.expect("a line in time").expect("a line");
    line
}

/// Reads on to a line that begins so.
async fn until(reader: &mut BufReader<TcpStream>, start: &str) -> String {
    loop {
        let line = line(reader).await;
        assert_ne!(line, "", "the reply ended before {start:?}");
        if line.starts_with(start) {
            return line;
        }
    }
}

async fn counted(api: &Api, name: &str) -> u64 {
    let text = api.deps.metrics.text(Default::default());
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.expect("it is counted").parse().expect("a number")
}

async fn eventually(what: &str, is_so: impl AsyncFn() -> bool) {
    let waiting = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    assert!(tokio::time::timeout(SOON, waiting).await.is_ok(), "{what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_nothing_happens_a_watch_has_comments() {
    let limits = Limits {
        beat: Duration::from_millis(20),
        idle_max: Duration::from_millis(200),
        unread_max: Duration::from_millis(100),
        ..Limits::default()
    };
    let (api, handle) = listening(limits).await;
    let mut reader = ask(&handle, "/v1/watch").await;
    let mut lines = ask(
        &handle,
        "/v1/watch HTTP/1.1\r\nAccept: application/x-ndjson\r\nX:",
    )
    .await;
    // For longer than a connection may be idle, or a piece unread.
    for _ in 0..30 {
        until(&mut reader, ": ").await;
    }
    api.done("PUT /v1/services/web", "{}").await;
    assert!(
        until(&mut reader, "data: ")
            .await
            .contains("\"kind\":\"service\"")
    );
    // Lines have no comments, and stay open all the same.
    assert!(until(&mut lines, "{").await.contains("\"kind\":\"service\""));
    assert_eq!(counted(&api, "callsign_watchers_cut_off_total").await, 0);
    handle.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_that_does_not_read_is_cut_off_and_counted_while_others_go_on() {
    let limits = Limits {
        unread_max: Duration::from_millis(300),
        head_time_max: Duration::from_millis(300),
        ..Limits::default()
    };
    let (api, handle) = listening(limits).await;
    let mut slow = ask(&handle, "/v1/watch").await;
    let mut good = ask(&handle, "/v1/watch").await;
    until(&mut slow, "content-type").await;
    until(&mut good, "content-type").await;
    assert_eq!(counted(&api, "callsign_watchers").await, 2);
    // More than the buffers of both kernels hold.
    let value = "v".repeat(4096);
    let meta: Vec<_> = (0..60).map(|n| format!("\"k{n}\":\"{value}\"")).collect();
    let mut index = 1;
    let began = api.deps.clock.running();
    while counted(&api, "callsign_watchers_cut_off_total").await == 0 {
        let took = api.deps.clock.running().since(began);
        assert!(took < SOON, "it was not cut off");
        let body = format!(
            "{{\"address\":\"192.0.2.1\",\"weight\":{},\"meta\":{{{}}}}}",
            index % 60_000,
            meta.join(",")
        );
        api.done("PUT /v1/services/web/instances/web-1", &body).await;
        index += 1;
        // The other one has every change.
        assert_eq!(until(&mut good, "id: ").await, format!("id: {index}\n"));
    }
    eventually("its place is free", async || {
        counted(&api, "callsign_watchers").await == 1
    })
    .await;
    assert_eq!(counted(&api, "callsign_watchers_cut_off_total").await, 1);
    // What it had not read comes, and then the end.
    let mut rest = Vec::new();
    let _ = tokio::time::timeout(SOON, slow.read_to_end(&mut rest))
        .await
        .expect("an end");
    api.done("PUT /v1/services/db", "{}").await;
    assert_eq!(until(&mut good, "id: ").await, format!("id: {}\n", index + 1));
    handle.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_head_of_a_watch_the_connection_serves_on() {
    let (_api, handle) = listening(Limits::default()).await;
    let stream = TcpStream::connect(handle.address()).await.expect("it listens");
    let mut reader = BufReader::new(stream);
    let head = "HEAD /v1/watch HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let get = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    reader
        .get_mut()
        .write_all(head.as_bytes())
        .await
        .expect("it can be sent");
    let mut fields = Vec::new();
    while fields.last().is_none_or(|last| last != "\r\n") {
        fields.push(line(&mut reader).await.to_ascii_lowercase());
    }
    assert!(fields[0].starts_with("http/1.1 200"), "{fields:?}");
    assert!(
        !fields.iter().any(|field| field.starts_with("content-length")),
        "{fields:?}"
    );
    reader
        .get_mut()
        .write_all(get.as_bytes())
        .await
        .expect("it can be sent");
    assert!(line(&mut reader).await.starts_with("HTTP/1.1 200"));
    handle.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn past_their_bound_followers_are_refused_and_connections_are_for_others() {
    let limits = Limits {
        followers_max: 3,
        connections_max: 2,
        ..Limits::default()
    };
    let (api, handle) = listening(limits).await;
    let mut kept = Vec::new();
    // More of them than connections are allowed: those who follow do not count among these.
    for path in ["/v1/watch", "/v1/watch", "/v1/services?index=1&wait=10m"] {
        kept.push(ask(&handle, path).await);
    }
    eventually("all follow", async || {
        counted(&api, "callsign_watchers").await + counted(&api, "callsign_waiting_reads").await == 3
    })
    .await;
    for path in ["/v1/watch", "/v1/services?index=1&wait=10m"] {
        let mut refused = ask(&handle, path).await;
        assert!(line(&mut refused).await.starts_with("HTTP/1.1 503"), "{path}");
        until(&mut refused, "retry-after: 1").await;
    }
    assert_eq!(counted(&api, "callsign_followers_refused_total").await, 2);
    let mut other = ask(&handle, "/healthz").await;
    assert!(line(&mut other).await.starts_with("HTTP/1.1 200"));
    // A place that is given back can be had, and a read that is over serves the next request on its connection.
    drop(kept.remove(0));
    eventually("its place is free", async || {
        counted(&api, "callsign_watchers").await == 1
    })
    .await;
    kept.push(ask(&handle, "/v1/watch").await);
    eventually("it follows", async || {
        counted(&api, "callsign_watchers").await == 2
    })
    .await;
    drop(other);
    api.done("PUT /v1/services/web", "{}").await;
    let mut waited = kept.remove(1);
    assert!(line(&mut waited).await.starts_with("HTTP/1.1 200"));
    handle.stop().await;
}
