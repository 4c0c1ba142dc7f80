//! Hostile and broken requests: what they are answered, and that the server lives on after each.

use std::time::Duration;

use serde_json::json;

use crate::support::http::{Connection, DEADLINE, Response};
use crate::support::server::{TestServer, instance};

const WEB_1: &str = "/v1/services/web/instances/web-1";

/// Sends octets as they are, and gives the reply.
fn raw(server: &TestServer, octets: &[u8]) -> Response {
    let mut connection = Connection::open(server.http(), DEADLINE);
    connection.write_raw(octets);
    connection.response("GET")
}

/// An honest request after a hostile one.
#[track_caller]
fn lives(server: &TestServer) {
    server.put(&instance("alive/a"), &json!({"address": "192.0.2.99"}));
    assert_eq!(server.addresses("alive.svc.internal"), ["192.0.2.99"]);
}

fn put_octets(server: &TestServer, body: &[u8]) -> Response {
    server.client().request("PUT", WEB_1, &[], Some(body))
}

#[test]
fn what_is_not_json_is_400() {
    let server = TestServer::start();
    for body in [
        "",
        " ",
        "{",
        "{]",
        "nope",
        "{\"address\":\"192.0.2.1\",}",
        "{\"weight\":NaN,\"address\":\"192.0.2.1\"}",
        "{\"weight\":Infinity}",
        "{\"weight\":01}",
        "{\"weight\":0x1}",
        "{'address':'192.0.2.1'}",
        "// x\n{}",
        "\u{feff}{\"address\":\"192.0.2.1\"}",
        "{\"address\":\"192.0.2.1\"} x",
        "{\"address\":\"192.0.2.1\"}{}",
        "address=192.0.2.1",
        "{\"address\":\"\\ud800\"}",
        "{\"address\":\"a\nb\"}",
        "{\"weight\":1e999}",
    ] {
        let reply = server.unchanged_by(|server| put_octets(server, body.as_bytes()));
        let problem = reply.expect_problem(400, "not_json").json();
        assert_eq!(problem["status"], 400);
        assert!(problem["title"].is_string() && problem["detail"].is_string() && problem["type"].is_string());
    }
    for octets in [
        b"{\"address\":\"\xff\"}".as_slice(),
        b"\xff\xfe{\0}\0",
        b"\0",
        b"\x1f\x8b\x08\0",
    ] {
        server
            .unchanged_by(|server| put_octets(server, octets))
            .expect_problem(400, "not_json");
    }
    lives(&server);
}

#[test]
fn json_that_is_no_object_is_422() {
    let server = TestServer::start();
    for body in [
        "null",
        "[]",
        "\"x\"",
        "1",
        "true",
        "[{\"address\":\"192.0.2.1\"}]",
    ] {
        server
            .unchanged_by(|server| put_octets(server, body.as_bytes()))
            .expect_problem(422, "invalid");
    }
}

#[test]
fn a_field_given_twice_is_refused() {
    let server = TestServer::start();
    for (body, field) in [
        (r#"{"address":"192.0.2.1","address":"192.0.2.2"}"#, "address"),
        (r#"{"address":"192.0.2.1","\u0061ddress":"192.0.2.2"}"#, "address"),
        (r#"{"address":"192.0.2.1","weight":null,"weight":2}"#, "weight"),
        (
            r#"{"address":"192.0.2.1","ports":{"http":1,"http":1}}"#,
            "ports.http",
        ),
        (
            r#"{"address":"192.0.2.1","ports":{"http":{"port":1,"port":2}}}"#,
            "ports.http.port",
        ),
        (r#"{"address":"192.0.2.1","meta":{"a":"1","a":"2"}}"#, "meta.a"),
        (
            r#"{"address":"192.0.2.1","draining":true,"draining":false}"#,
            "draining",
        ),
    ] {
        server
            .unchanged_by(|server| put_octets(server, body.as_bytes()))
            .expect_invalid(field);
    }
}

#[test]
fn a_bomb_of_depth_is_refused() {
    let server = TestServer::start();
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        for depth in [33, 1000, 100_000] {
            let whole = format!("{}1{}", open.repeat(depth), close.repeat(depth));
            let status = server
                .unchanged_by(|server| put_octets(server, whole.as_bytes()))
                .status;
            assert!(matches!(status, 400 | 422), "{depth}: {status}");
            let half = open.repeat(depth);
            let status = server
                .unchanged_by(|server| put_octets(server, half.as_bytes()))
                .status;
            assert!(matches!(status, 400 | 422), "{depth}: {status}");
        }
    }
    let nested = format!(
        "{{\"address\":\"192.0.2.1\",\"meta\":{}{}}}",
        "[".repeat(60_000),
        "]".repeat(60_000)
    );
    put_octets(&server, nested.as_bytes()).expect(422);
    lives(&server);
}

#[test]
fn a_body_over_1_mib_is_413_and_one_of_1_mib_is_read() {
    let server = TestServer::start();
    let body = |octets: usize| {
        let start = "{\"address\":\"192.0.2.1\"";
        format!("{start}{}}}", " ".repeat(octets - start.len() - 1))
    };
    put_octets(&server, body(1 << 20).as_bytes()).expect(201);
    let over = body((1 << 20) + 1);
    server
        .unchanged_by(|server| put_octets(server, over.as_bytes()))
        .expect_problem(413, "too_large");
    let chunk = format!("{:x}\r\n{over}\r\n0\r\n\r\n", over.len());
    let chunked = |body: &str| {
        server.client().request(
            "PUT",
            WEB_1,
            &[("Transfer-Encoding", "chunked")],
            Some(body.as_bytes()),
        )
    };
    chunked(&chunk).expect_problem(413, "too_large");
    let huge = server
        .client()
        .request("PUT", WEB_1, &[("Content-Length", "99999999999")], None);
    huge.expect_problem(413, "too_large");
    lives(&server);
}

#[test]
fn a_chunked_body_is_read() {
    let server = TestServer::start();
    let pieces = ["{\"addr", "ess\":\"192.0", ".2.1\"", "}"];
    let mut body: String = pieces
        .iter()
        .map(|piece| format!("{:X};x=y\r\n{piece}\r\n", piece.len()))
        .collect();
    body.push_str("0\r\nTrailer: x\r\n\r\n");
    let reply = server.client().request(
        "PUT",
        WEB_1,
        &[("Transfer-Encoding", "chunked")],
        Some(body.as_bytes()),
    );
    reply.expect(201);
    for broken in [
        "zz\r\n{}\r\n0\r\n\r\n",
        "5\r\n{}\r\n0\r\n\r\n",
        "-1\r\n\r\n",
        "ffffffffffffffffff\r\n{}\r\n",
    ] {
        let mut connection = Connection::open(server.http(), DEADLINE);
        let head = format!("PUT {WEB_1} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
        connection.write_raw(head.as_bytes());
        connection.write_raw(broken.as_bytes());
        assert_eq!(connection.response("PUT").status, 400, "{broken:?}");
    }
    assert_eq!(server.show("web/web-1")["addresses"], json!(["192.0.2.1"]));
    lives(&server);
}

#[test]
fn a_body_is_json_whatever_its_content_type() {
    let server = TestServer::start();
    let body = json!({"address": "192.0.2.1"}).to_string();
    for content_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "",
        "application/json; charset=latin1",
        "\u{7f}",
    ] {
        let reply = server.client().request(
            "PUT",
            WEB_1,
            &[("Content-Type", content_type)],
            Some(body.as_bytes()),
        );
        assert!(
            matches!(reply.status, 200 | 201 | 400),
            "{content_type:?}: {}",
            reply.text()
        );
    }
    server.get(WEB_1).expect(200);
}

#[test]
fn a_method_that_a_path_has_not_is_405_and_allow_says_which_it_has() {
    let server = TestServer::start();
    server.register("web/web-1", &json!({"address": "192.0.2.1"}));
    for (path, allowed) in [
        ("/v1/zones", "GET HEAD"),
        ("/v1/zones/svc.internal", "DELETE GET HEAD PUT"),
        ("/v1/services", "GET HEAD"),
        ("/v1/services/web", "DELETE GET HEAD PUT"),
        ("/v1/services/web/instances", "GET HEAD"),
        (WEB_1, "DELETE GET HEAD PUT"),
        ("/v1/services/web/instances/web-1/heartbeat", "PUT"),
        ("/v1/services/web/instances/web-1/health", "PUT"),
        ("/v1/services/web/instances/web-1/drain", "PUT"),
        ("/v1/batch", "POST"),
        ("/healthz", "GET HEAD"),
        ("/readyz", "GET HEAD"),
        ("/metrics", "GET HEAD"),
    ] {
        for method in [
            "GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW", "get",
        ] {
            if allowed.split(' ').any(|allowed| allowed == method) {
                continue;
            }
            let body = matches!(method, "PUT" | "POST" | "PATCH").then_some(b"{}".as_slice());
            let reply = server.unchanged_by(|server| server.client().request(method, path, &[], body));
            let reply = reply.expect_problem(405, "method_not_allowed");
            let mut has: Vec<_> = reply
                .header("allow")
                .unwrap_or("none")
                .split([',', ' '])
                .filter(|m| !m.is_empty())
                .collect();
            has.sort_unstable();
            assert_eq!(has.join(" "), allowed, "{method} {path}");
        }
    }
}

#[test]
fn head_is_get_without_a_body() {
    let server = TestServer::start();
    server.register("web/web-1", &json!({"address": "192.0.2.1"}));
    for path in [
        "/v1/zones",
        "/v1/services/web",
        WEB_1,
        "/healthz",
        "/v1/nothing",
        "/v1/services/db",
    ] {
        let get = server.get(path);
        let head = server.client().request("HEAD", path, &[], None);
        assert_eq!((head.status, head.body.len()), (get.status, 0), "{path}");
        for name in [
            "content-type",
            "content-length",
            "etag",
            "x-callsign-index",
            "x-callsign-epoch",
        ] {
            assert_eq!(head.header(name), get.header(name), "{name} of {path}");
        }
    }
}

#[test]
fn http_1_0_is_answered_and_the_connection_closed() {
    let server = TestServer::start();
    let mut connection = Connection::open(server.http(), DEADLINE);
    connection.write_raw(b"GET /v1/zones HTTP/1.0\r\nHost: localhost\r\n\r\n");
    let mut octets = Vec::new();
    while let Some(octet) = connection.next_octet() {
        octets.push(octet);
    }
    let text = String::from_utf8(octets).unwrap();
    assert!(text.starts_with("HTTP/1.0 200 OK\r\n"), "{text}");
    assert!(text.ends_with("]}"), "{text}");
    let body = json!({"address": "192.0.2.1"}).to_string();
    let put = format!(
        "PUT {WEB_1} HTTP/1.0\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut connection = Connection::open(server.http(), DEADLINE);
    connection.write_raw(put.as_bytes());
    while connection.next_octet().is_some() {}
    assert_eq!(server.addresses("web.svc.internal"), ["192.0.2.1"]);
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let server = TestServer::start();
    let body = json!({"address": "192.0.2.1"}).to_string();
    let put = format!(
        "PUT {WEB_1} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let mut connection = Connection::open(server.http(), DEADLINE);
    let all = [
        get(WEB_1),
        put.clone(),
        get(WEB_1),
        get("/v1/nothing"),
        put,
        get("/healthz"),
    ]
    .concat();
    connection.write_raw(all.as_bytes());
    let statuses: Vec<_> = (0..6).map(|_| connection.response("GET").status).collect();
    assert_eq!(statuses, [404, 201, 200, 404, 200, 200]);
}

#[test]
fn a_connection_outlives_an_error() {
    let server = TestServer::start();
    let mut connection = Connection::open(server.http(), DEADLINE);
    for (body, status) in [
        ("{", 400),
        ("{}", 422),
        ("{\"address\":\"192.0.2.1\"}", 201),
        ("[]", 422),
    ] {
        connection.send("PUT", WEB_1, &[], Some(body.as_bytes()));
        assert_eq!(connection.response("PUT").status, status);
    }
    connection.send("GET", WEB_1, &[], Some(b"a body that nobody reads"));
    assert_eq!(connection.response("GET").status, 200);
    lives(&server);
}

#[test]
fn a_head_that_is_too_large_is_431() {
    let server = TestServer::start();
    let head = |fields: &str| format!("GET /v1/zones HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n");
    let many = |count: usize| (0..count).map(|n| format!("X-{n}: y\r\n")).collect::<String>();
    assert_eq!(raw(&server, head(&many(90)).as_bytes()).status, 200);
    for fields in [many(101), many(5000), format!("X: {}\r\n", "y".repeat(20_000))] {
        let mut connection = Connection::open(server.http(), DEADLINE);
        connection.write_raw(head(&fields).as_bytes());
        // Or it is cut off: the rest of what was sent was never read.
        assert!(
            connection
                .first_line()
                .is_none_or(|line| line.starts_with("HTTP/1.1 431")),
            "{} octets",
            fields.len()
        );
    }
    let path = format!(
        "GET /v1/{} HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "a".repeat(12_000)
    );
    assert_eq!(raw(&server, path.as_bytes()).status, 404);
    lives(&server);
}

#[test]
fn what_is_no_http_ends_that_connection_alone() {
    let server = TestServer::start();
    for octets in [
        b"\r\n\r\n\r\n\r\nhello".as_slice(),
        b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03",
        b"\0\0\0\0\0\0\0\0\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /v1/zones\r\n\r\n",
        b"GET /v1/zones HTTP/3.0\r\nHost: localhost\r\n\r\n",
        b"GET v1/zones HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /v1/zo nes HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /v1/zones HTTP/1.1\r\nHost : localhost\r\n\r\n",
        b"GET /v1/zones HTTP/1.1\r\nHost: localhost\r\n X: folded\r\n\r\n",
        b"GET /v1/zones HTTP/1.1\r\nHost: localhost\r\nX\0: y\r\n\r\n",
        b"GET /v1/zones HTTP/1.1\r\nHost: localhost\r\nX: a\0b\r\n\r\n",
        b"PUT /v1/services/web HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"PUT /v1/services/web HTTP/1.1\r\nHost: localhost\r\nContent-Length: +2\r\n\r\n{}",
        b"PUT /v1/services/web HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}x",
        b"PUT /v1/services/web HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999\r\n\r\n{}",
        b"PUT /v1/services/web HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\n{}",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nnot a frame at all, this is",
    ] {
        let mut connection = Connection::open(server.http(), DEADLINE);
        connection.write_raw(octets);
        connection.finish_writing();
        if let Some(line) = connection.first_line() {
            let refused = line.starts_with("HTTP/1.1 4") || line.starts_with("HTTP/1.0 4") || !line.starts_with("HTTP");
            assert!(refused, "{}: {line}", octets.escape_ascii());
        }
        assert_eq!(server.get("/v1/services").expect(200).json()["services"], json!([]), "{}", octets.escape_ascii());
    }
    lives(&server);
}

#[test]
fn a_request_with_two_framings_smuggles_nothing() {
    let server = TestServer::start();
    let smuggled = "DELETE /v1/zones/svc.internal HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let body = format!("0\r\n\r\n{smuggled}");
    let request = format!(
        "POST /v1/batch HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\nTransfer-Encoding: chunked\r\n\r\n{body}",
        body.len()
    );
    let mut connection = Connection::open(server.http(), DEADLINE);
    connection.write_raw(request.as_bytes());
    connection.finish_writing();
    assert!(
        connection
            .first_line()
            .is_none_or(|line| line.starts_with("HTTP/1.1 4"))
    );
    // RFC 9112 §6.1: such a connection is closed after the reply, so that nothing that follows is taken for a request.
    while connection.next_octet().is_some() {}
    server.get("/v1/zones/svc.internal").expect(200);
}

#[test]
fn two_hosts_are_400_and_none_is_refused() {
    let server = TestServer::start();
    let reply = raw(
        &server,
        b"GET /v1/zones HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    );
    reply.expect_problem(400, "bad_host");
    let reply = raw(&server, b"GET /v1/zones HTTP/1.1\r\nConnection: close\r\n\r\n");
    assert!(matches!(reply.status, 400 | 403), "{}", reply.status);
    let reply = raw(
        &server,
        b"GET http://evil.example.org/v1/zones HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    );
    reply.expect_problem(403, "foreign");
    let reply = raw(
        &server,
        b"GET http://localhost/v1/zones HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    );
    reply.expect(200);
}

#[test]
fn half_a_request_changes_nothing() {
    let server = TestServer::start();
    let body = json!({"address": "192.0.2.1"}).to_string();
    let request = format!(
        "PUT {WEB_1} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    for length in [1, 10, 60, request.len() - body.len(), request.len() - 1] {
        let mut connection = Connection::open(server.http(), DEADLINE);
        connection.write_raw(&request.as_bytes()[..length]);
        connection.finish_writing();
        if let Some(line) = connection.first_line() {
            assert!(
                line.starts_with("HTTP/1.1 400"),
                "the first {length} octets: {line}"
            );
        }
    }
    server.get(WEB_1).expect(404);
    lives(&server);
}

#[test]
fn expect_100_continue_is_honoured() {
    let server = TestServer::start();
    let body = json!({"address": "192.0.2.1"}).to_string();
    let mut connection = Connection::open(server.http(), DEADLINE);
    let head = format!(
        "PUT {WEB_1} HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    connection.write_raw(head.as_bytes());
    assert_eq!(connection.response("PUT").status, 100);
    connection.write_raw(body.as_bytes());
    assert_eq!(connection.response("PUT").status, 201);
    // A refusal comes without the body having been asked for.
    let mut connection = Connection::open(server.http(), DEADLINE);
    let head = format!(
        "PUT {WEB_1} HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 2000000\r\n\r\n"
    );
    connection.write_raw(head.as_bytes());
    assert_eq!(connection.response("PUT").status, 413);
}

#[test]
fn queries_that_are_no_queries_are_422() {
    let server = TestServer::start();
    server.register("web/web-1", &json!({"address": "192.0.2.1"}));
    for query in [
        "limit=%",
        "limit=%zz",
        "tag=%ff",
        "x=1",
        "%00=1",
        "limit",
        "=",
        "index=x",
    ] {
        let reply = server.get(&format!("/v1/services/web/instances?{query}"));
        reply.expect_problem(422, "invalid");
    }
    for query in ["", "&&", "limit=5&", "tag=%c3%a9"] {
        server
            .get(&format!("/v1/services/web/instances?{query}"))
            .expect(200);
    }
    server
        .unchanged_by(|server| server.put(&format!("{WEB_1}?force=1"), &json!({"address": "192.0.2.2"})))
        .expect(422);
    server
        .unchanged_by(|server| server.delete(&format!("{WEB_1}?force=1")))
        .expect(422);
}

#[test]
fn many_silent_connections_do_not_keep_others_out() {
    let server = TestServer::start();
    let silent: Vec<_> = (0..200)
        .map(|_| Connection::open(server.http(), DEADLINE))
        .collect();
    lives(&server);
    drop(silent);
    lives(&server);
}

#[test]
fn an_idle_connection_is_closed_and_a_busy_one_is_not() {
    let server = TestServer::start();
    let mut connection = Connection::open(server.http(), DEADLINE);
    for _ in 0..3 {
        server.advance(Duration::from_secs(60));
        connection.send("GET", "/v1/zones", &[], None);
        assert_eq!(connection.response("GET").status, 200);
    }
}

#[test]
fn what_a_client_sent_is_cut_before_it_is_shown_again() {
    let server = TestServer::start();
    let long = "x".repeat(100_000);
    let reply = server
        .put(WEB_1, &json!({"address": "192.0.2.1", long.clone(): 1}))
        .expect(422);
    assert!(reply.body.len() < 2000, "{} octets", reply.body.len());
    let reply = server.put(WEB_1, &json!({"address": long})).expect(422);
    assert!(reply.body.len() < 2000, "{} octets", reply.body.len());
    let reply = server
        .get(&format!("/v1/services/{}", "x".repeat(10_000)))
        .expect(422);
    assert!(reply.body.len() < 2000, "{} octets", reply.body.len());
    let reply = server.get(&format!("/{}", "x".repeat(10_000))).expect(404);
    assert!(reply.body.len() < 2000, "{} octets", reply.body.len());
}
