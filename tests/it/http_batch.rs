//! Batches: in order, all or nothing, in one commit.

use serde_json::{Value, json};

use crate::support::dns::{Type, rcode};
use crate::support::http::Response;
use crate::support::server::{TestServer, instance, instance_in};

fn batch(server: &TestServer, operations: &[Value]) -> Response {
    server.post("/v1/batch", &json!({"operations": operations}))
}

fn register(id: &str, address: &str) -> Value {
    json!({"op": "register", "service": "web", "id": id, "address": address, "port": 80})
}

fn op(op: &str, id: &str) -> Value {
    json!({"op": op, "service": "web", "id": id})
}

/// Refuses a batch that has two good operations around the bad one; gives the reply.
#[track_caller]
fn refused(server: &TestServer, bad: Value) -> Response {
    let all = [
        register("new-1", "192.0.2.91"),
        bad,
        register("new-2", "192.0.2.92"),
    ];
    server.unchanged_by(|server| batch(server, &all))
}

#[test]
fn each_operation_is_one_change_and_has_its_result() {
    let server = TestServer::start();
    server.register("web/web-9", &json!({"address": "192.0.2.9", "port": 80}));
    let index = server.index();
    let reply = batch(
        &server,
        &[
            register("web-1", "192.0.2.1"),
            register("web-1", "192.0.2.1"),
            register("web-2", "192.0.2.2"),
            json!({"op": "health", "service": "web", "id": "web-1", "status": "warning", "output": "x"}),
            json!({"op": "drain", "service": "web", "id": "web-2"}),
            op("heartbeat", "web-1"),
            op("deregister", "web-9"),
        ],
    )
    .expect(200);
    let result = |moved: u64, changed: bool| json!({"index": index + moved, "changed": changed});
    let expected = json!({"index": index + 5, "results": [
        result(1, true), result(1, false), result(2, true), result(3, true), result(4, true), result(4, false), result(5, true),
    ]});
    assert_eq!((reply.index(), reply.json()), (index + 5, expected));
    assert_eq!(server.addresses("web.svc.internal"), ["192.0.2.1"]);
    assert_eq!(server.show("web/web-1")["health"]["status"], "warning");
    assert_eq!(server.show("web/web-2")["draining"], true);
}

#[test]
fn operations_are_made_in_order() {
    let server = TestServer::start();
    batch(
        &server,
        &[
            register("web-1", "192.0.2.1"),
            op("deregister", "web-1"),
            register("web-1", "192.0.2.2"),
            register("web-1", "192.0.2.3"),
        ],
    )
    .expect(200);
    assert_eq!(server.addresses("web.svc.internal"), ["192.0.2.3"]);
    assert_eq!(
        refused(&server, op("heartbeat", "new-2")).expect(404).json()["field"],
        "operations[1].id"
    );
}

#[test]
fn all_or_nothing_and_the_error_names_the_operation_and_the_field() {
    let server = TestServer::start();
    server.register("web/web-1", &json!({"address": "192.0.2.1", "tags": ["blue"]}));
    let with = |mut operation: Value, field: &str, value: Value| {
        operation[field] = value;
        operation
    };
    let web_1 = || register("web-1", "192.0.2.7");
    for (bad, status, field) in [
        (with(web_1(), "port", json!(0)), 422, "port"),
        (with(register("a", "0.0.0.0"), "x", json!(null)), 422, "address"),
        (with(web_1(), "lease", json!("1ms")), 422, "lease"),
        (with(web_1(), "weights", json!(1)), 422, "weights"),
        (with(web_1(), "tags", json!(["ok", ""])), 422, "tags[1]"),
        (with(web_1(), "op", json!("put")), 422, "op"),
        (with(web_1(), "op", json!(null)), 422, "op"),
        (with(web_1(), "service", json!("-")), 422, "service"),
        (with(web_1(), "id", json!("a.b")), 422, "id"),
        (with(web_1(), "zone", json!("a..b")), 422, "zone"),
        (with(web_1(), "if_match", json!("1")), 422, "if_match"),
        (with(web_1(), "if_match", json!(1)), 412, "if_match"),
        (with(web_1(), "zone", json!("unknown.internal")), 404, "zone"),
        (with(op("health", "web-1"), "status", json!("bad")), 422, "status"),
        (op("health", "web-1"), 422, "status"),
        (
            json!({"op": "health", "service": "web", "id": "web-1", "status": "passing", "port": "grpc"}),
            422,
            "port",
        ),
        (
            with(op("drain", "web-1"), "delete_after", json!("x")),
            422,
            "delete_after",
        ),
        (
            with(op("heartbeat", "web-1"), "status", json!("passing")),
            422,
            "status",
        ),
        (
            with(op("deregister", "web-1"), "address", json!("192.0.2.1")),
            422,
            "address",
        ),
        (with(op("heartbeat", "web-8"), "zone", json!(null)), 404, "id"),
        (with(op("drain", "web-8"), "zone", json!(null)), 404, "id"),
        (
            json!({"op": "health", "service": "web", "id": "web-8", "status": "passing"}),
            404,
            "id",
        ),
        (register("blue", "192.0.2.8"), 409, "id"),
        (
            json!({"op": "register", "service": "ns", "id": "a", "address": "192.0.2.8"}),
            409,
            "service",
        ),
    ] {
        let reply = refused(&server, bad.clone()).expect(status);
        assert_eq!(reply.header("content-type"), Some("application/problem+json"));
        assert_eq!(
            reply.json()["field"],
            format!("operations[1].{field}"),
            "{bad}: {}",
            reply.text()
        );
    }
    for (bad, field) in [
        (json!(1), "operations[1]"),
        (json!(null), "operations[1]"),
        (json!([]), "operations[1]"),
    ] {
        refused(&server, bad).expect_invalid(field);
    }
    assert_eq!(server.addresses("web.svc.internal"), ["192.0.2.1"]);
    assert_eq!(server.rcode("new-1.web.svc.internal"), rcode::NXDOMAIN);
}

#[test]
fn a_body_that_is_no_batch_is_refused() {
    let server = TestServer::start();
    for (body, field) in [
        (json!({}), "operations"),
        (json!({"operations": null}), "operations"),
        (json!({"operations": {}}), "operations"),
        (json!({"operations": [], "zone": "svc.internal"}), "zone"),
        (json!({"ops": []}), "operations"),
    ] {
        server
            .unchanged_by(|server| server.post("/v1/batch", &body))
            .expect_invalid(field);
    }
    server
        .unchanged_by(|server| server.post("/v1/batch", &json!([])))
        .expect_problem(422, "invalid");
}

#[test]
fn deregistering_what_is_absent_is_no_change_in_a_batch() {
    let server = TestServer::start();
    let index = server.index();
    let reply =
        server.unchanged_by(|server| batch(server, &[op("deregister", "web-1"), op("deregister", "web-2")]));
    let result = json!({"index": index, "changed": false});
    assert_eq!(
        reply.expect(200).json(),
        json!({"index": index, "results": [result, result]})
    );
    let elsewhere = json!({"op": "deregister", "zone": "unknown.internal", "service": "web", "id": "web-1"});
    refused(&server, elsewhere).expect(404);
}

#[test]
fn an_empty_batch_changes_nothing() {
    let server = TestServer::start();
    let index = server.index();
    let reply = server.unchanged_by(|server| batch(server, &[])).expect(200);
    assert_eq!(reply.json(), json!({"index": index, "results": []}));
}

#[test]
fn each_operation_has_its_own_zone() {
    let server = TestServer::start();
    server.put("/v1/zones/other.internal", &json!({})).expect(201);
    let mut there = register("web-1", "192.0.2.2");
    there["zone"] = json!("Other.Internal.");
    batch(&server, &[register("web-1", "192.0.2.1"), there]).expect(200);
    assert_eq!(server.addresses("web.svc.internal"), ["192.0.2.1"]);
    assert_eq!(server.addresses("web.other.internal"), ["192.0.2.2"]);
    server
        .get(&instance_in("other.internal", "web/web-1"))
        .expect(200);
}

#[test]
fn if_match_is_held_against_the_instance_as_it_is_then() {
    let server = TestServer::start();
    let index = server
        .register("web/web-1", &json!({"address": "192.0.2.1"}))
        .json()["index"]
        .as_u64()
        .unwrap();
    let with = |mut operation: Value, index: u64| {
        operation["if_match"] = json!(index);
        operation
    };
    batch(
        &server,
        &[
            with(register("web-1", "192.0.2.2"), index),
            with(op("drain", "web-1"), index + 1),
        ],
    )
    .expect(200);
    let stale = batch(
        &server,
        &[
            with(register("web-1", "192.0.2.3"), index + 2),
            with(op("drain", "web-1"), index + 2),
        ],
    );
    assert_eq!(
        stale.expect_problem(412, "precondition_failed").json()["field"],
        "operations[1].if_match"
    );
    assert_eq!(server.show("web/web-1")["addresses"], json!(["192.0.2.2"]));
    refused(&server, with(op("deregister", "web-8"), 1)).expect(412);
    refused(&server, with(op("heartbeat", "web-1"), index)).expect(412);
    batch(&server, &[with(op("deregister", "web-1"), index + 2)]).expect(200);
    server.get(&instance("web/web-1")).expect(404);
}

#[test]
fn a_batch_has_at_most_1000_operations() {
    let server = TestServer::start();
    let operations = |count: usize| -> Vec<_> {
        (0..count)
            .map(|n| register(&format!("i{n}"), "192.0.2.1"))
            .collect()
    };
    let index = server.index();
    server
        .unchanged_by(|server| batch(server, &operations(1001)))
        .expect_invalid("operations");
    let reply = batch(&server, &operations(1000)).expect(200);
    assert_eq!(reply.json()["results"].as_array().unwrap().len(), 1000);
    assert_eq!(server.index(), index + 1000);
    assert_eq!(server.addresses("i999.web.svc.internal"), ["192.0.2.1"]);
}

#[test]
fn a_heartbeat_in_a_batch_renews_the_lease() {
    let server = TestServer::start();
    let mut leased = register("a", "192.0.2.1");
    leased["lease"] = json!("10s");
    batch(&server, &[leased]).expect(200);
    server.advance_s(9);
    let reply = batch(&server, &[op("heartbeat", "a")]).expect(200).json();
    assert_eq!(reply["results"][0]["changed"], false);
    assert_eq!(server.show("web/a")["lease_expires_at"], server.time_in(10));
    server.advance_s(10);
    assert_eq!(server.ask("web.svc.internal", Type::A).a_list().len(), 0);
    let reply = batch(&server, &[op("heartbeat", "a")]).expect(200).json();
    assert_eq!(reply["results"][0]["changed"], true, "it revives");
    assert_eq!(server.ask("web.svc.internal", Type::A).a_list().len(), 1);
}

#[test]
fn a_refused_batch_renews_no_lease() {
    let server = TestServer::start();
    let mut leased = register("a", "192.0.2.1");
    leased["lease"] = json!("10s");
    batch(&server, &[leased]).expect(200);
    server.advance_s(9);
    batch(&server, &[op("heartbeat", "a"), op("heartbeat", "b")]).expect(404);
    assert_eq!(server.show("web/a")["lease_expires_at"], server.time_in(1));
}

#[test]
fn preconditions_of_the_whole_request_are_refused() {
    let server = TestServer::start();
    let body = json!({"operations": []}).to_string();
    for (name, value) in [("If-Match", "\"1\""), ("If-None-Match", "*")] {
        let reply = server
            .client()
            .request("POST", "/v1/batch", &[(name, value)], Some(body.as_bytes()));
        reply.expect_invalid(name);
    }
}
