//! Draining: out of every answer, still a host name, and when it is safe to stop.

use serde_json::{Value, json};

use crate::support::dns::{Type, rcode};
use crate::support::server::{Setup, TestServer};

const WEB_1: &str = "/v1/services/web/instances/web-1";
const DRAIN: &str = "/v1/services/web/instances/web-1/drain";

fn with_web_1() -> TestServer {
    let server = TestServer::start();
    server.register("web/web-1", &json!({"address": "192.0.2.1", "port": 80}));
    server
}

/// Ends the drain, if there is one, and drains again; gives `safe_to_stop_at`.
fn safe_to_stop_at(server: &TestServer) -> Value {
    server.put(DRAIN, &json!({"draining": false})).expect(200);
    server.put(DRAIN, &json!({})).expect(200).json()["safe_to_stop_at"].clone()
}

#[test]
fn a_draining_instance_is_in_no_answer_but_keeps_its_host_name() {
    let server = with_web_1();
    server.register("web/web-2", &json!({"address": "192.0.2.2", "port": 80}));
    let index = server.index();
    let reply = server.put(DRAIN, &json!({})).expect(200);
    assert_eq!(reply.index(), index + 1);
    assert_eq!(server.addresses("web.svc.internal"), ["192.0.2.2"]);
    assert_eq!(
        server
            .ask("_main._tcp.web.svc.internal", Type::SRV)
            .srv_list()
            .len(),
        1
    );
    assert_eq!(server.addresses("web-1.web.svc.internal"), ["192.0.2.1"]);
    assert_eq!(
        server.ask("web-1.web.svc.internal", Type::SRV).answers_text(),
        [""; 0]
    );
}

#[test]
fn a_drain_is_200_with_what_get_shows_and_safe_to_stop_at() {
    let server = with_web_1();
    let mut reply = server.put(DRAIN, &json!({"draining": true})).expect(200).json();
    let safe = reply.as_object_mut().unwrap().remove("safe_to_stop_at");
    assert_eq!(safe, Some(json!(server.time_in(5 + 2))), "now + the TTL + 2 s");
    assert_eq!(reply, server.show("web/web-1"));
    assert_eq!(reply["draining"], true);
    assert_eq!(reply["remove_at"], json!(null));
    assert_eq!(
        reply["health"]["status"], "passing",
        "draining is a flag beside health"
    );
}

#[test]
fn only_draining_false_ends_a_drain() {
    let server = with_web_1();
    server.put(DRAIN, &json!({})).expect(200);
    server.register(
        "web/web-1",
        &json!({"address": "192.0.2.1", "port": 80, "status": "passing"}),
    );
    server
        .put(&format!("{WEB_1}/health"), &json!({"status": "passing"}))
        .expect(200);
    server.put_nothing(&format!("{WEB_1}/heartbeat")).expect(204);
    assert_eq!(server.show("web/web-1")["draining"], true);
    assert_eq!(server.addresses("web.svc.internal"), [""; 0]);
    let ended = server.put(DRAIN, &json!({"draining": false})).expect(200).json();
    assert_eq!(ended["draining"], false);
    assert_eq!(server.addresses("web.svc.internal"), ["192.0.2.1"]);
}

#[test]
fn the_same_drain_again_is_no_change() {
    let server = with_web_1();
    server
        .unchanged_by(|server| server.put(DRAIN, &json!({"draining": false})))
        .expect(200);
    for body in [json!({}), json!({"delete_after": "30s"})] {
        server.put(DRAIN, &body).expect(200);
        server.advance_s(3);
        server.unchanged_by(|server| server.put(DRAIN, &body)).expect(200);
    }
}

#[test]
fn draining_what_is_not_answered_anyway_moves_the_index_and_no_serial() {
    let server = TestServer::start();
    server.register(
        "web/web-1",
        &json!({"address": "192.0.2.1", "status": "critical"}),
    );
    let (index, serial) = (server.index(), server.serial());
    server.put(DRAIN, &json!({})).expect(200);
    assert_eq!((server.index(), server.serial()), (index + 1, serial));
}

#[test]
fn delete_after_removes_the_instance_so_long_after_the_drain() {
    let server = with_web_1();
    let shown = server
        .put(DRAIN, &json!({"delete_after": "30s"}))
        .expect(200)
        .json();
    assert_eq!(shown["remove_at"], server.time_in(30));
    server.advance(std::time::Duration::from_millis(29_999));
    assert_eq!(server.show("web/web-1")["draining"], true);
    let index = server.index();
    server.advance(std::time::Duration::from_millis(1));
    server.get(WEB_1).expect_problem(404, "no_instance");
    assert_eq!(server.index(), index + 1);
    assert_eq!(server.rcode("web-1.web.svc.internal"), rcode::NXDOMAIN);
}

#[test]
fn a_drain_that_ends_or_loses_its_delete_after_removes_nothing() {
    for body in [json!({"draining": false}), json!({}), json!({"draining": true})] {
        let server = with_web_1();
        server.put(DRAIN, &json!({"delete_after": "30s"})).expect(200);
        server.advance_s(20);
        let shown = server.put(DRAIN, &body).expect(200).json();
        assert_eq!(shown["remove_at"], json!(null));
        server.advance_s(3600);
        server.get(WEB_1).expect(200);
    }
}

#[test]
fn another_delete_after_counts_from_when_it_was_given() {
    let server = with_web_1();
    server.put(DRAIN, &json!({"delete_after": "30s"})).expect(200);
    server.advance_s(20);
    let shown = server
        .put(DRAIN, &json!({"delete_after": "1m"}))
        .expect(200)
        .json();
    assert_eq!(shown["remove_at"], server.time_in(60));
    server.advance_s(59);
    server.get(WEB_1).expect(200);
    server.advance_s(1);
    server.get(WEB_1).expect(404);
}

#[test]
fn another_delete_after_in_the_same_millisecond_counts_too() {
    let server = with_web_1();
    server.put(DRAIN, &json!({"delete_after": "30s"})).expect(200);
    let shown = server
        .put(DRAIN, &json!({"delete_after": "1m"}))
        .expect(200)
        .json();
    assert_eq!(shown["remove_at"], server.time_in(60));
    server.advance_s(59);
    server.get(WEB_1).expect(200);
    server.advance_s(1);
    server.get(WEB_1).expect(404);
    // And in one batch, whose operations all have one time.
    server.register("web/web-1", &json!({"address": "192.0.2.1"}));
    let drain = |after| json!({"op": "drain", "service": "web", "id": "web-1", "delete_after": after});
    server
        .post("/v1/batch", &json!({"operations": [drain("1m"), drain("5s")]}))
        .expect(200);
    assert_eq!(server.show("web/web-1")["remove_at"], server.time_in(5));
}

#[test]
fn delete_after_nothing_is_at_once() {
    let server = with_web_1();
    server.put(DRAIN, &json!({"delete_after": "0s"})).expect(200);
    server.settle();
    server.get(WEB_1).expect(404);
}

#[test]
fn replacing_a_draining_instance_leaves_its_removal_due() {
    let server = with_web_1();
    server.put(DRAIN, &json!({"delete_after": "30s"})).expect(200);
    let removal = server.time_in(30);
    server.advance_s(10);
    let shown = server
        .register("web/web-1", &json!({"address": "192.0.2.7"}))
        .json();
    assert_eq!(
        (&shown["draining"], &shown["remove_at"]),
        (&json!(true), &json!(removal))
    );
    server.advance_s(20);
    server.get(WEB_1).expect(404);
}

#[test]
fn a_wrong_drain_changes_nothing_and_names_the_field() {
    let server = with_web_1();
    for (body, field) in [
        (json!({"draining": "true"}), "draining"),
        (json!({"draining": 1}), "draining"),
        (json!({"delete_after": "soon"}), "delete_after"),
        (json!({"delete_after": "-1s"}), "delete_after"),
        (json!({"delete_after": true}), "delete_after"),
        (json!({"draining": false, "delete_after": "1s"}), "delete_after"),
        (json!({"deregister_after": "1s"}), "deregister_after"),
        (json!({"id": "web-2"}), "id"),
    ] {
        server
            .unchanged_by(|server| server.put(DRAIN, &body))
            .expect_invalid(field);
    }
    assert_eq!(server.addresses("web.svc.internal"), ["192.0.2.1"]);
}

#[test]
fn safe_to_stop_at_waits_for_a_ttl_of_the_service_that_was_lowered() {
    let server = with_web_1();
    server.put("/v1/services/web", &json!({"ttl": "1h"})).expect(200);
    assert_eq!(safe_to_stop_at(&server), server.time_in(3602));
    server.advance_s(60);
    server.put("/v1/services/web", &json!({"ttl": "10s"})).expect(200);
    let lowered = server.time_in(3602);
    assert_eq!(safe_to_stop_at(&server), lowered);
    server.advance_s(3000);
    assert_eq!(
        safe_to_stop_at(&server),
        lowered,
        "caches may hold an answer from before"
    );
    server.advance_s(600);
    assert_eq!(safe_to_stop_at(&server), server.time_in(12));
}

#[test]
fn safe_to_stop_at_waits_for_a_ttl_of_the_zone_that_was_lowered() {
    let server = with_web_1();
    server.register("db/db-1", &json!({"address": "192.0.2.5"}));
    server.put("/v1/services/db", &json!({"ttl": "10s"})).expect(200);
    server
        .put("/v1/zones/svc.internal", &json!({"ttl": "1h"}))
        .expect(200);
    server.put("/v1/zones/svc.internal", &json!({})).expect(200);
    let lowered = server.time_in(3602);
    assert_eq!(safe_to_stop_at(&server), lowered);
    let own = server
        .put("/v1/services/db/instances/db-1/drain", &json!({}))
        .expect(200)
        .json();
    assert_eq!(
        own["safe_to_stop_at"],
        server.time_in(12),
        "a service with a TTL of its own never had the zone's"
    );
    server.advance_s(600);
    server.put("/v1/services/web", &json!({"ttl": "3s"})).expect(200);
    assert_eq!(
        safe_to_stop_at(&server),
        lowered,
        "nor does a TTL of its own empty the caches"
    );
}

#[test]
fn safe_to_stop_at_waits_for_a_ttl_of_the_service_that_was_unset() {
    let server = with_web_1();
    server.put("/v1/services/web", &json!({"ttl": "1h"})).expect(200);
    server.put("/v1/services/web", &json!({})).expect(200);
    assert_eq!(safe_to_stop_at(&server), server.time_in(3602));
}

#[test]
fn safe_to_stop_at_remembers_a_service_that_was_forgotten() {
    let server = with_web_1();
    server
        .put(
            "/v1/zones/svc.internal",
            &json!({"ttl": "1h", "forget_after": "1s"}),
        )
        .expect(200);
    assert_eq!(server.addresses("web.svc.internal"), ["192.0.2.1"]);
    server.delete(WEB_1).expect(204);
    server.advance_s(1);
    server.get("/v1/services/web").expect(404);
    server.put("/v1/zones/svc.internal", &json!({})).expect(200);
    let lowered = server.time_in(3602);
    server.register("web/web-1", &json!({"address": "192.0.2.1", "port": 80}));
    assert_eq!(safe_to_stop_at(&server), lowered);
}

#[test]
fn a_ttl_of_zero_is_safe_two_seconds_later() {
    let server = with_web_1();
    server.put("/v1/services/web", &json!({"ttl": 0})).expect(200);
    server.advance_s(5);
    assert_eq!(safe_to_stop_at(&server), server.time_in(2));
}

#[test]
fn on_empty_all_never_answers_with_a_draining_instance() {
    let server = Setup::new().start();
    server
        .put("/v1/services/web", &json!({"on_empty": "all"}))
        .expect(201);
    server.register(
        "web/web-1",
        &json!({"address": "192.0.2.1", "status": "critical"}),
    );
    assert_eq!(server.addresses("web.svc.internal"), ["192.0.2.1"]);
    server.put(DRAIN, &json!({})).expect(200);
    assert_eq!(server.addresses("web.svc.internal"), [""; 0]);
    assert_eq!(server.rcode("web.svc.internal"), rcode::NOERROR);
}

#[test]
fn a_service_removed_and_registered_again_waits_for_the_ttl_that_it_had() {
    let server = TestServer::start();
    server.put("/v1/services/web", &json!({"ttl": "1h"})).expect(201);
    server.register("web/web-1", &json!({"address": "192.0.2.1"}));
    server.delete("/v1/services/web").expect(204);
    server.register("web/web-1", &json!({"address": "192.0.2.2"}));
    let safe = safe_to_stop_at(&server);
    assert_eq!(
        safe,
        json!(server.time_in(3600 + 2)),
        "caches may hold 192.0.2.1 for an hour"
    );
}
