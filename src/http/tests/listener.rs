//! The socket.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::http::{Config, Handle, start};

fn listening(api: &Api, limits: Limits) -> Handle {
    let config = Config {
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        limits,
    };
    start(config, api.deps.clone()).expect("a free port")
}

async fn connect(handle: &Handle) -> TcpStream {
    TcpStream::connect(handle.address()).await.expect("it listens")
}

/// Sends `text` and reads what comes until the server closes.
async fn exchange(stream: &mut TcpStream, text: &str) -> String {
    stream.write_all(text.as_bytes()).await.expect("it can be sent");
    let mut octets = Vec::new();
    // A connection that is cut off ends in an error, too.
    let _ = stream.read_to_end(&mut octets).await;
    String::from_utf8_lossy(&octets).into_owned()
}

/// Reads one reply without a body.
async fn head(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    while !text.ends_with("\r\n\r\n") {
        text.push(char::from(stream.read_u8().await.expect("a reply")));
    }
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn it_answers_over_a_socket_and_stops() {
    let api = Api::new().await;
    let handle = listening(&api, Limits::default());
    let address = handle.address();
    let mut stream = connect(&handle).await;
    let reply = exchange(
        &mut stream,
        "GET /v1/zones HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n",
    )
    .await;
    assert!(reply.starts_with("HTTP/1.1 200 OK\r\n"), "{reply}");
    assert!(reply.contains("x-callsign-index: 1\r\n"), "{reply}");

    let mut idle = connect(&handle).await;
    idle.write_all(b"HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .expect("it can be sent");
    assert!(head(&mut idle).await.starts_with("HTTP/1.1 200 OK"));
    let fresh = connect(&handle).await;
    handle.stop().await;
    assert_eq!(exchange(&mut idle, "").await, "", "an idle connection is closed");
    drop(fresh);
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_in_use_is_an_error_that_names_it() {
    let api = Api::new().await;
    let handle = listening(&api, Limits::default());
    let error = start(Config::at(handle.address()), api.deps.clone()).expect_err("it is in use");
    assert!(
        error.to_string().contains(&handle.address().to_string()),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_that_are_too_large_are_431() {
    let api = Api::new().await;
    let handle = listening(&api, Limits::default());
    let start = "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n";
    for (fields, status) in [
        ("a: b\r\n".repeat(98), "200"),
        ("a: b\r\n".repeat(99), "431"),
        (format!("a: {}\r\n", "b".repeat(16 << 10)), "431"),
    ] {
        let reply = exchange(&mut connect(&handle).await, &format!("{start}{fields}\r\n")).await;
        assert!(
            reply.starts_with(&format!("HTTP/1.1 {status}")),
            "{status}: {reply}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_never_ends_and_silence_are_cut_off() {
    let mut api = Api::new().await;
    api.deps.clock = Clock::system();
    let limits = Limits {
        head_time_max: Duration::from_millis(200),
        idle_max: Duration::from_millis(400),
        ..Limits::default()
    };
    let handle = listening(&api, limits);
    for text in ["", "G", "GET /healthz HTTP/1.1\r\nHost: x\r\n", "PRI * HTTP/2"] {
        assert_eq!(exchange(&mut connect(&handle).await, text).await, "", "{text:?}");
    }
    let mut kept = connect(&handle).await;
    let reply = exchange(&mut kept, "HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(
        reply.starts_with("HTTP/1.1 200"),
        "answered, and closed when it was idle for too long: {reply}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_body_is_408() {
    let api = Api::new().await;
    let limits = Limits {
        body_time_max: Duration::from_millis(100),
        ..Limits::default()
    };
    let handle = listening(&api, limits);
    let slow = "PUT /v1/services/web HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{";
    let reply = exchange(&mut connect(&handle).await, slow).await;
    assert!(reply.starts_with("HTTP/1.1 408"), "{reply}");
    assert!(reply.contains("\"code\":\"too_slow\""), "{reply}");
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_under_way_have_a_bound_together() {
    let api = Api::new().await;
    let limits = Limits {
        bodies_octets_max: 1000,
        ..Limits::default()
    };
    let handle = listening(&api, limits);
    let put = |octets: usize| {
        format!(
            "PUT /v1/services/web HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {octets}\r\n\r\n"
        )
    };
    let large = exchange(&mut connect(&handle).await, &(put(1001) + &" ".repeat(1001))).await;
    assert!(large.starts_with("HTTP/1.1 503"), "{large}");
    assert!(large.contains("retry-after: 1"), "{large}");
    let small = exchange(&mut connect(&handle).await, &(put(2) + "{}")).await;
    assert!(
        small.starts_with("HTTP/1.1 201"),
        "what was taken is given back: {small}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_too_large_is_answered_after_it_was_sent() {
    let api = Api::new().await;
    let handle = listening(&api, Limits::default());
    for framing in [
        format!("Content-Length: {}", (1 << 20) + 1),
        "Transfer-Encoding: chunked".to_owned(),
    ] {
        let body = " ".repeat((1 << 20) + 1);
        let body = if framing.starts_with('T') {
            format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len())
        } else {
            body
        };
        let text = format!(
            "PUT /v1/services/web HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{framing}\r\n\r\n{body}"
        );
        let reply = exchange(&mut connect(&handle).await, &text).await;
        assert!(reply.starts_with("HTTP/1.1 413"), "{framing}: {reply}");
    }
    let expecting = "PUT /v1/services/web HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 9999999\r\n\r\n";
    let reply = exchange(&mut connect(&handle).await, expecting).await;
    assert!(reply.starts_with("HTTP/1.1 413"), "without 100 Continue: {reply}");
}

#[tokio::test(flavor = "multi_thread")]
async fn at_the_cap_the_quietest_connection_makes_room() {
    let api = Api::new().await;
    let limits = Limits {
        connections_max: 2,
        ..Limits::default()
    };
    let handle = listening(&api, limits);
    let mut kept = Vec::new();
    for _ in 0..5 {
        let mut stream = connect(&handle).await;
        stream
            .write_all(b"HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            .await
            .expect("it can be sent");
        assert!(head(&mut stream).await.starts_with("HTTP/1.1 200"));
        api.advance(1);
        kept.push(stream);
    }
    assert_eq!(exchange(&mut kept[0], "").await, "", "the first was closed");
    drop(kept);
}

#[tokio::test(flavor = "multi_thread")]
async fn http_2_is_spoken_in_the_clear() {
    let api = Api::new().await;
    let handle = listening(&api, Limits::default());
    let mut stream = connect(&handle).await;
    // The preface and an empty SETTINGS frame (RFC 9113 §3.4).
    stream
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")
        .await
        .expect("it can be sent");
    let mut frame = [0; 9];
    stream.read_exact(&mut frame).await.expect("a frame");
    assert_eq!(frame[3], 4, "the server's SETTINGS");
    handle.stop().await;
}
