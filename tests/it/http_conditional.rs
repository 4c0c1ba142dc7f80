//! Entity tags, preconditions, and the index and epoch that every reply of the API carries.

use serde_json::{Value, json};

use crate::support::http::Response;
use crate::support::server::{TestServer, instance};

const WEB_1: &str = "/v1/services/web/instances/web-1";

fn send(server: &TestServer, line: &str, header: (&str, &str), body: Option<Value>) -> Response {
    let (method, path) = line.split_once(' ').expect("METHOD /path");
    let octets = body.map(|body| body.to_string());
    server
        .client()
        .request(method, path, &[header], octets.as_deref().map(str::as_bytes))
}

fn etag(response: &Response) -> String {
    response.header("etag").expect("an ETag").to_string()
}

#[test]
fn single_things_carry_their_own_index_as_etag() {
    let server = TestServer::start();
    server.put("/v1/services/web", &json!({"ttl": 9})).expect(201);
    let created = server.register("web/web-1", &json!({"address": "192.0.2.1"}));
    let index = created.json()["index"].as_u64().unwrap();
    server.register("web/web-2", &json!({"address": "192.0.2.2"}));
    assert_eq!(etag(&created), format!("\"{index}\""));
    assert_eq!(etag(&server.get(WEB_1)), format!("\"{index}\""));
    assert_eq!(
        etag(&server.get("/v1/services/web")),
        format!("\"{}\"", index + 1),
        "the latest in it or its instances"
    );
    let health = server
        .put(&format!("{WEB_1}/health"), &json!({"status": "warning"}))
        .expect(200);
    assert_eq!(etag(&health), format!("\"{}\"", index + 2));
    let drain = server.put(&format!("{WEB_1}/drain"), &json!({})).expect(200);
    assert_eq!(etag(&drain), format!("\"{}\"", index + 3));
    let service = server.put("/v1/services/web", &json!({"ttl": 8})).expect(200);
    assert_eq!(etag(&service), format!("\"{}\"", index + 4));
    let zone = server
        .put("/v1/zones/svc.internal", &json!({"ttl": 8}))
        .expect(200);
    assert_eq!(etag(&zone), format!("\"{}\"", index + 5));
    assert_eq!(etag(&server.get("/v1/zones/svc.internal")), etag(&zone));
}

#[test]
fn if_match_lets_a_write_pass_only_if_the_thing_is_as_it_was() {
    let server = TestServer::start();
    let first = etag(&server.register("web/web-1", &json!({"address": "192.0.2.1"})));
    let body = || Some(json!({"address": "192.0.2.2"}));
    let put = format!("PUT {WEB_1}");
    let second = send(&server, &put, ("If-Match", &first), body()).expect(200);
    for stale in [
        first.as_str(),
        "\"0\"",
        "\"18446744073709551615\"",
        "\"x\"",
        "W/\"3\"",
        "\"\"",
    ] {
        let other = Some(json!({"address": "192.0.2.3"}));
        let reply = server.unchanged_by(|server| send(server, &put, ("If-Match", stale), other));
        reply.expect_problem(412, "precondition_failed");
        for (line, body) in [
            (format!("DELETE {WEB_1}"), None),
            (format!("PUT {WEB_1}/health"), Some(json!({"status": "critical"}))),
            (format!("PUT {WEB_1}/drain"), Some(json!({}))),
            (format!("PUT {WEB_1}/heartbeat"), None),
        ] {
            let reply = server.unchanged_by(|server| send(server, &line, ("If-Match", stale), body));
            reply.expect_problem(412, "precondition_failed");
        }
    }
    assert_eq!(server.addresses("web.svc.internal"), ["192.0.2.2"]);
    let list = format!("\"1\", {}", etag(&second));
    send(
        &server,
        &format!("PUT {WEB_1}/heartbeat"),
        ("If-Match", &list),
        None,
    )
    .expect(204);
    send(&server, &format!("DELETE {WEB_1}"), ("If-Match", &list), None).expect(204);
}

#[test]
fn if_match_star_needs_the_thing_to_exist() {
    let server = TestServer::start();
    let body = || Some(json!({"address": "192.0.2.1"}));
    let put = format!("PUT {WEB_1}");
    server
        .unchanged_by(|server| send(server, &put, ("If-Match", "*"), body()))
        .expect(412);
    server
        .unchanged_by(|server| send(server, "PUT /v1/services/web", ("If-Match", "*"), Some(json!({}))))
        .expect(412);
    server
        .unchanged_by(|server| {
            send(
                server,
                "PUT /v1/zones/a.internal",
                ("If-Match", "*"),
                Some(json!({})),
            )
        })
        .expect(412);
    send(&server, &put, ("If-None-Match", "*"), body()).expect(201);
    send(
        &server,
        &put,
        ("If-Match", "*"),
        Some(json!({"address": "192.0.2.2"})),
    )
    .expect(200);
    send(&server, &format!("DELETE {WEB_1}"), ("If-Match", "*"), None).expect(204);
}

#[test]
fn if_none_match_star_needs_the_thing_to_be_absent() {
    let server = TestServer::start();
    for (line, body) in [
        (format!("PUT {WEB_1}"), json!({"address": "192.0.2.1"})),
        ("PUT /v1/services/db".to_string(), json!({"ttl": 1})),
        ("PUT /v1/zones/other.internal".to_string(), json!({"ttl": 1})),
    ] {
        send(&server, &line, ("If-None-Match", "*"), Some(body.clone())).expect(201);
        let again = server.unchanged_by(|server| send(server, &line, ("If-None-Match", "*"), Some(body)));
        again.expect_problem(412, "precondition_failed");
    }
    let delete =
        server.unchanged_by(|server| send(server, &format!("DELETE {WEB_1}"), ("If-None-Match", "*"), None));
    delete.expect_problem(412, "precondition_failed");
}

#[test]
fn services_and_zones_have_preconditions_too() {
    let server = TestServer::start();
    server.register("web/web-1", &json!({"address": "192.0.2.1"}));
    let service = etag(&server.get("/v1/services/web"));
    let zone = etag(&server.get("/v1/zones/svc.internal"));
    server
        .put(&format!("{}/drain", instance("web/web-1")), &json!({}))
        .expect(200);
    let put = Some(json!({"ttl": 9}));
    server
        .unchanged_by(|server| {
            send(
                server,
                "PUT /v1/services/web",
                ("If-Match", &service),
                put.clone(),
            )
        })
        .expect(412);
    server
        .unchanged_by(|server| send(server, "DELETE /v1/services/web", ("If-Match", &service), None))
        .expect(412);
    send(
        &server,
        "PUT /v1/zones/svc.internal",
        ("If-Match", &zone),
        put.clone(),
    )
    .expect(200);
    server
        .unchanged_by(|server| {
            send(
                server,
                "PUT /v1/zones/svc.internal",
                ("If-Match", &zone),
                Some(json!({})),
            )
        })
        .expect(412);
    let service = etag(&server.get("/v1/services/web"));
    send(&server, "DELETE /v1/services/web", ("If-Match", &service), None).expect(204);
    server
        .unchanged_by(|server| send(server, "DELETE /v1/zones/svc.internal", ("If-Match", &zone), None))
        .expect(412);
    let zone = etag(&server.get("/v1/zones/svc.internal"));
    send(
        &server,
        "DELETE /v1/zones/svc.internal",
        ("If-Match", &zone),
        None,
    )
    .expect(204);
}

#[test]
fn a_precondition_that_cannot_be_read_changes_nothing() {
    let server = TestServer::start();
    server.register("web/web-1", &json!({"address": "192.0.2.1"}));
    for (name, value) in [
        ("If-Match", "2"),
        ("If-Match", ""),
        ("If-Match", "\"2"),
        ("If-Match", "*, \"2\""),
        ("If-None-Match", "\"2\""),
        ("If-None-Match", "x"),
    ] {
        let body = Some(json!({"address": "192.0.2.2"}));
        let reply = server.unchanged_by(|server| send(server, &format!("PUT {WEB_1}"), (name, value), body));
        reply.expect_invalid(name);
        let reply =
            server.unchanged_by(|server| send(server, &format!("DELETE {WEB_1}"), (name, value), None));
        reply.expect_invalid(name);
    }
}

#[test]
fn a_reader_that_has_the_thing_is_told_304() {
    let server = TestServer::start();
    let tag = etag(&server.register("web/web-1", &json!({"address": "192.0.2.1"})));
    for path in [WEB_1, "/v1/services/web"] {
        for known in [
            tag.clone(),
            format!("W/{tag}"),
            format!("\"1\", {tag}"),
            "*".to_string(),
        ] {
            let reply = send(&server, &format!("GET {path}"), ("If-None-Match", &known), None).expect(304);
            assert_eq!(
                (reply.text().as_str(), reply.header("etag")),
                ("", Some(tag.as_str()))
            );
            assert_eq!(reply.index(), server.index());
        }
        send(&server, &format!("GET {path}"), ("If-None-Match", "\"1\""), None).expect(200);
    }
}

#[test]
fn every_reply_of_the_api_carries_index_and_epoch() {
    let server = TestServer::start();
    let first = server.get("/v1/zones");
    let epoch = first.header("x-callsign-epoch").expect("an epoch").to_string();
    assert_eq!(
        (epoch.len(), epoch.matches('-').count()),
        (36, 4),
        "{epoch} is a UUID"
    );
    assert_eq!(first.index(), 1, "the zone of --zone");
    let body = json!({"address": "192.0.2.1"}).to_string();
    let mut index = 1;
    for (method, path, body, status, moves) in [
        ("PUT", WEB_1, body.as_str(), 201, 1),
        ("PUT", WEB_1, body.as_str(), 200, 0),
        ("GET", WEB_1, "", 200, 0),
        ("HEAD", WEB_1, "", 200, 0),
        ("PUT", WEB_1, "{", 400, 0),
        ("PUT", WEB_1, "{}", 422, 0),
        ("GET", "/v1", "", 404, 0),
        ("GET", "/v1/nothing", "", 404, 0),
        ("GET", "/v1/services?limit=0", "", 422, 0),
        ("PATCH", WEB_1, "{}", 405, 0),
        ("DELETE", "/v1/zones/svc.internal", "", 409, 0),
        ("PUT", "/v1/services/web/instances/web-1/heartbeat", "", 204, 0),
        ("PUT", "/v1/services/web/instances/web-1/drain", "{}", 200, 1),
        ("POST", "/v1/batch", "{\"operations\":[]}", 200, 0),
        ("DELETE", WEB_1, "", 204, 1),
        ("DELETE", WEB_1, "", 404, 0),
    ] {
        let octets = (!body.is_empty()).then_some(body.as_bytes());
        let reply = server.client().request(method, path, &[], octets).expect(status);
        index += moves;
        assert_eq!(reply.index(), index, "{method} {path}");
        assert_eq!(
            reply.header("x-callsign-epoch"),
            Some(epoch.as_str()),
            "{method} {path}"
        );
    }
    let foreign = server
        .client()
        .request("GET", "/v1/zones", &[("Host", "evil.example.org")], None)
        .expect(403);
    assert_eq!(foreign.index(), index);
    assert_eq!(server.get("/healthz").header("x-callsign-index"), None);
}

#[test]
fn two_servers_have_two_epochs() {
    let epoch = |server: &TestServer| {
        server
            .get("/v1/zones")
            .header("x-callsign-epoch")
            .map(str::to_string)
    };
    assert_ne!(epoch(&TestServer::start()), epoch(&TestServer::start()));
}
