//! How much may exist: past it 409, and what exists is untouched.

use callsign::config::Key;
use serde_json::{Value, json};

use crate::support::server::{Setup, TestServer, instance};

#[test]
fn a_service_has_at_most_4096_instances() {
    let server = TestServer::start();
    let register =
        |n: usize| json!({"op": "register", "service": "web", "id": format!("i{n}"), "address": "192.0.2.1"});
    for from in (0..4096).step_by(1000) {
        let operations: Vec<Value> = (from..(from + 1000).min(4096)).map(register).collect();
        server
            .post("/v1/batch", &json!({"operations": operations}))
            .expect(200);
    }
    let index = server.index();
    let body = json!({"address": "192.0.2.1"});
    server
        .put(&instance("web/one-more"), &body)
        .expect_problem(409, "too_many_instances");
    server
        .post("/v1/batch", &json!({"operations": [register(0), register(4096)]}))
        .expect(409);
    assert_eq!(server.index(), index);
    server
        .put(&instance("web/i7"), &json!({"address": "192.0.2.7"}))
        .expect(200);
    server.put(&instance("db/one-more"), &body).expect(201);
    server.delete(&instance("web/i8")).expect(204);
    server.put(&instance("web/one-more"), &body).expect(201);
    assert_eq!(server.addresses("web.svc.internal"), ["192.0.2.1", "192.0.2.7"]);
    let shown = server.get("/v1/services").expect(200).json();
    assert_eq!(shown["services"][1]["instances"], 4096);
}

#[test]
fn there_are_at_most_1000_zones() {
    let names: Vec<String> = (0..1000).map(|n| format!("z{n}.internal")).collect();
    let server = Setup::new().flag_of(Key::Zone, names).start();
    let index = server.index();
    server
        .put("/v1/zones/one-more.internal", &json!({}))
        .expect_problem(409, "too_many_zones");
    assert_eq!(server.index(), index);
    server
        .put("/v1/zones/z7.internal", &json!({"ttl": 1}))
        .expect(200);
    server.delete("/v1/zones/z8.internal").expect(204);
    server.put("/v1/zones/one-more.internal", &json!({})).expect(201);
}

#[test]
fn a_service_knows_at_most_4096_names_without_a_bearer_and_forgets_the_oldest_first() {
    let server = TestServer::start();
    let tags = |from: usize| (from..from + 64).map(|n| format!("t{n}")).collect::<Vec<_>>();
    server.register("web/keeper", &json!({"address": "192.0.2.1"}));
    for round in 0..64 {
        server.register(
            "web/web-1",
            &json!({"address": "192.0.2.1", "tags": tags(round * 64)}),
        );
        server.advance(std::time::Duration::from_millis(1));
    }
    let index = server
        .register("web/web-1", &json!({"address": "192.0.2.1", "tags": ["x"]}))
        .index();
    assert_eq!(server.rcode("t0.web.svc.internal"), 0);
    let reply = server.register("web/web-1", &json!({"address": "192.0.2.1"}));
    assert_eq!(reply.index(), index + 2, "forgetting is a change");
    assert_eq!(server.rcode("t0.web.svc.internal"), 3, "the oldest is forgotten");
    assert_eq!(server.rcode("t4095.web.svc.internal"), 0);
    assert_eq!(server.rcode("x.web.svc.internal"), 0);
}

#[test]
fn the_probes_say_alive_and_ready() {
    let server = TestServer::start();
    for path in ["/healthz", "/readyz", "/readyz?only=dns", "/metrics"] {
        server.get(path).expect(200);
    }
    server.get("/readyz?only=http").expect_invalid("only");
}
