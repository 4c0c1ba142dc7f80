//! Who may ask: tokens, and the rule about `Host` and `Origin`.

use callsign::config::Key;
use serde_json::json;

use crate::support::http::Response;
use crate::support::server::{Setup, TestServer};

const TOKENS: &str = "# who may write\n\nci s3cret-1\ns3cret-2\n  spaced   s3cret-3  \n";

fn get(server: &TestServer, path: &str, headers: &[(&str, &str)]) -> Response {
    server.client().request("GET", path, headers, None)
}

#[test]
fn without_a_token_every_request_of_the_api_is_401() {
    let server = Setup::new().tokens(TOKENS).start();
    let body = json!({"address": "192.0.2.1"}).to_string();
    for (method, path, body) in [
        ("GET", "/v1/zones", ""),
        ("GET", "/v1/nothing", ""),
        ("GET", "/v1", ""),
        ("HEAD", "/v1/services", ""),
        ("PUT", "/v1/services/web/instances/web-1", body.as_str()),
        ("PUT", "/v1/services/web/instances/web-1", "{"),
        ("DELETE", "/v1/services/web", ""),
        ("POST", "/v1/batch", "{}"),
        ("PATCH", "/v1/zones", "{}"),
        ("OPTIONS", "/v1/zones", ""),
    ] {
        let octets = (!body.is_empty()).then_some(body.as_bytes());
        let reply = server.client().request(method, path, &[], octets).expect(401);
        assert_eq!(
            reply.header("www-authenticate"),
            Some("Bearer"),
            "{method} {path}"
        );
        if method != "HEAD" {
            reply.expect_problem(401, "no_token");
        }
    }
    let list = server
        .client()
        .token("s3cret-1")
        .get("/v1/services")
        .expect(200)
        .json();
    assert_eq!(list, json!({"services": []}), "nothing was done");
}

#[test]
fn a_valid_token_lets_in_whatever_the_host() {
    let server = Setup::new().tokens(TOKENS).start();
    for good in [
        "Bearer s3cret-1",
        "Bearer s3cret-2",
        "Bearer s3cret-3",
        "bearer s3cret-1",
        "BEARER  s3cret-1",
    ] {
        get(&server, "/v1/zones", &[("Authorization", good)]).expect(200);
        let foreign = [
            ("Authorization", good),
            ("Host", "evil.example.org"),
            ("Origin", "http://evil.example.org"),
        ];
        get(&server, "/v1/zones", &foreign).expect(200);
    }
    let body = json!({"address": "192.0.2.1"});
    server
        .client()
        .token("s3cret-1")
        .put("/v1/services/web/instances/web-1", &body)
        .expect(201);
    assert_eq!(server.addresses("web.svc.internal"), ["192.0.2.1"]);
}

#[test]
fn what_is_no_valid_token_is_401() {
    let server = Setup::new().tokens(TOKENS).start();
    for wrong in [
        "",
        "Bearer",
        "Bearer ",
        "Bearer s3cret",
        "Bearer s3cret-",
        "Bearer s3cret-11",
        "Bearer S3CRET-1",
        "s3cret-1",
        "Basic s3cret-1",
        "Bearer ci",
        "Bearer ci s3cret-1",
        "Bearer #",
        "Bearer s3cret-1,",
        "Bearer \"s3cret-1\"",
        "Bearers3cret-1",
        "Bearer s3cret-1 s3cret-2",
    ] {
        get(&server, "/v1/zones", &[("Authorization", wrong)]).expect_problem(401, "no_token");
    }
    let twice = [
        ("Authorization", "Bearer s3cret-1"),
        ("Authorization", "Bearer s3cret-1"),
    ];
    get(&server, "/v1/zones", &twice).expect(401);
    get(&server, "/v1/zones?access_token=s3cret-1", &[]).expect(401);
}

#[test]
fn a_token_is_never_shown() {
    let server = Setup::new().tokens(TOKENS).start();
    let reply = get(&server, "/v1/zones", &[("Authorization", "Bearer s3cret-9")]).expect(401);
    let all = format!("{:?} {}", reply.headers, reply.text());
    assert!(!all.contains("s3cret"), "{all}");
}

#[test]
fn the_probes_need_neither_token_nor_host() {
    let server = Setup::new().tokens(TOKENS).start();
    for path in ["/healthz", "/readyz", "/readyz?only=dns", "/metrics"] {
        get(&server, path, &[]).expect(200);
        get(&server, path, &[("Host", "evil.example.org"), ("Origin", "null")]).expect(200);
    }
    for path in [
        "/healthz/",
        "/healthz/v1",
        "/Healthz",
        "//v1/zones",
        "/healthz/../v1/zones",
        "/healthz%2f..%2fv1/zones",
    ] {
        let status = get(&server, path, &[("Host", "evil.example.org")]).status;
        assert!(matches!(status, 401 | 403 | 404), "{path}: {status}");
    }
}

#[test]
fn without_a_token_file_the_host_must_be_one_of_this_server() {
    let server = Setup::new()
        .flag(Key::HttpName, ["dns.example.org", "Box.Internal."])
        .start();
    let port = server.http().port();
    for host in [
        "127.0.0.1".to_string(),
        format!("127.0.0.1:{port}"),
        "127.0.0.1:1".into(),
        "192.0.2.7".into(),
        "[::1]".into(),
        "[::1]:8053".into(),
        "[2001:db8::1]".into(),
        "localhost".into(),
        "LOCALHOST:8053".into(),
        "localhost.".into(),
        "dns.example.org".into(),
        "DNS.Example.org:80".into(),
        "box.internal".into(),
        "box.internal.:8053".into(),
    ] {
        get(&server, "/v1/zones", &[("Host", &host)]).expect(200);
    }
    for host in [
        "evil.example.org",
        "example.org",
        "x.dns.example.org",
        "dns.example.org.evil.com",
        "127.0.0.1.evil.com",
        "127.1",
        "2130706433",
        "0x7f.1",
        "localhost.evil.com",
        "localhost@evil.com",
        "evil.com@localhost",
        "",
        " ",
        "[::1",
        "localhost:80:80",
        "localhost:x",
        "local_host",
        "localhost%00.evil.com",
    ] {
        let reply = get(&server, "/v1/zones", &[("Host", host)]);
        // Some of these are no request at all.
        if reply.status != 400 {
            let detail = reply.clone().expect_problem(403, "foreign").json()["detail"].to_string();
            assert!(
                detail.contains("--http-name"),
                "the refusal of {host:?} names the flag: {detail}"
            );
        }
    }
    let name = callsign::auth::machine_name().expect("this machine has a name");
    get(&server, "/v1/zones", &[("Host", &name)]).expect(200);
}

#[test]
fn a_foreign_host_writes_nothing() {
    let server = TestServer::start();
    let body = json!({"address": "192.0.2.1"}).to_string();
    for headers in [
        vec![("Host", "evil.example.org")],
        vec![("Origin", "http://evil.example.org")],
        vec![("Origin", "null")],
        vec![("Authorization", "Bearer any"), ("Host", "evil.example.org")],
    ] {
        let reply = server.unchanged_by(|server| {
            let path = "/v1/services/web/instances/web-1";
            server
                .client()
                .request("PUT", path, &headers, Some(body.as_bytes()))
        });
        reply.expect_problem(403, "foreign");
    }
}

#[test]
fn an_origin_must_be_the_servers_own() {
    let server = TestServer::start();
    let own = format!("http://{}", server.http());
    get(&server, "/v1/zones", &[("Origin", &own)]).expect(200);
    let local = format!("http://localhost:{}", server.http().port());
    get(&server, "/v1/zones", &[("Origin", &local)]).expect(403);
    let host = format!("localhost:{}", server.http().port());
    get(&server, "/v1/zones", &[("Host", &host), ("Origin", &local)]).expect(200);
    for foreign in [
        "null",
        "",
        "http://127.0.0.1",
        "http://127.0.0.1:1",
        "http://evil.example.org",
        "file://",
        &format!("{own}/"),
        &format!("{own}.evil.com"),
        &format!("{own}, {own}"),
    ] {
        get(&server, "/v1/zones", &[("Origin", foreign)]).expect_problem(403, "foreign");
    }
    get(
        &server,
        "/v1/zones",
        &[("Origin", &own), ("Origin", "http://evil.example.org")],
    )
    .expect(403);
}

#[test]
fn there_is_no_cors() {
    let server = TestServer::start();
    let own = format!("http://{}", server.http());
    for (method, origin) in [
        ("GET", own.as_str()),
        ("OPTIONS", own.as_str()),
        ("OPTIONS", "http://evil.example.org"),
        ("GET", "null"),
    ] {
        let headers = [
            ("Origin", origin),
            ("Access-Control-Request-Method", "PUT"),
            ("Access-Control-Request-Headers", "content-type"),
        ];
        let reply = server.client().request(method, "/v1/zones", &headers, None);
        let cors: Vec<_> = reply
            .headers
            .iter()
            .filter(|(name, _)| name.starts_with("access-control"))
            .collect();
        assert!(cors.is_empty(), "{method} {origin}: {cors:?}");
        assert!(
            method == "GET" || matches!(reply.status, 403 | 405),
            "{}",
            reply.status
        );
    }
}

#[test]
fn every_other_path_is_behind_the_host_rule() {
    let server = TestServer::start();
    for path in [
        "/",
        "/v1",
        "/v1/",
        "/metricsx",
        "/nothing",
        "/v1/../healthz",
        "/%76%31/zones",
    ] {
        get(&server, path, &[("Host", "evil.example.org")]).expect(403);
        get(&server, path, &[]).expect_problem(404, "no_route");
    }
}
