//! Leases on a clock that the test moves: lapse, removal, revival, and what expires nothing.

use std::time::Duration;

use callsign::config::Key;
use serde_json::{Value, json};

use crate::support::dns::{Type, rcode};
use crate::support::server::{Setup, TestServer, instance, instance_in};

const WEB_1: &str = "/v1/services/web/instances/web-1";

/// A server with `web-1` on 192.0.2.1, which has a lease of 15 s.
fn with_lease() -> TestServer {
    let server = TestServer::start();
    server.register("web/web-1", &leased("15s"));
    server
}

fn leased(lease: &str) -> Value {
    json!({"address": "192.0.2.1", "port": 80, "lease": lease})
}

fn is_answered(server: &TestServer) -> bool {
    !server.addresses("web.svc.internal").is_empty()
}

fn heartbeat(server: &TestServer) {
    server.put_nothing(&format!("{WEB_1}/heartbeat")).expect(204);
}

#[test]
fn a_lapsed_lease_is_critical_at_once_and_is_answered_no_more() {
    let server = with_lease();
    let shown = server.show("web/web-1");
    assert_eq!(shown["lease_expires_at"], server.time_in(15));
    server.advance(Duration::from_millis(14_999));
    assert!(is_answered(&server));
    let (index, serial) = (server.index(), server.serial());
    server.advance(Duration::from_millis(1));
    assert!(!is_answered(&server));
    assert_eq!(server.ask("web.svc.internal", Type::SRV).answers_text(), [""; 0]);
    assert_eq!(server.rcode("web.svc.internal"), rcode::NOERROR);
    assert_eq!(
        server.addresses("web-1.web.svc.internal"),
        ["192.0.2.1"],
        "its host name stays"
    );
    assert_eq!(
        (server.index(), server.serial()),
        (index + 1, serial + 1),
        "a lapse is one change"
    );
    let lapsed = server.show("web/web-1");
    let now = server.time_in(0);
    assert_eq!(lapsed["health"]["status"], "critical");
    assert_eq!(lapsed["health"]["since"], now);
    assert_eq!(lapsed["health"]["verdicts"]["lease"]["status"], "critical");
    assert_eq!(lapsed["health"]["verdicts"]["lease"]["since"], now);
    assert_eq!(lapsed["health"]["verdicts"]["reported"]["status"], "passing");
    assert_eq!(lapsed["lease_expires_at"], now, "it ended now");
    assert_eq!(
        lapsed["remove_at"],
        server.time_in(600),
        "deregister_after is 10 min by default"
    );
}

#[test]
fn a_lapsed_instance_is_removed_deregister_after_later() {
    let server = TestServer::start();
    let mut body = leased("15s");
    body["deregister_after"] = json!("30s");
    server.register("web/web-1", &body);
    server.advance_s(15);
    assert_eq!(server.show("web/web-1")["remove_at"], server.time_in(30));
    server.advance(Duration::from_millis(29_999));
    server.get(WEB_1).expect(200);
    let index = server.index();
    server.advance(Duration::from_millis(1));
    server.get(WEB_1).expect_problem(404, "no_instance");
    assert_eq!(server.index(), index + 1);
    assert_eq!(server.rcode("web-1.web.svc.internal"), rcode::NXDOMAIN);
    server
        .put_nothing(&format!("{WEB_1}/heartbeat"))
        .expect_problem(404, "no_instance");
}

#[test]
fn by_default_it_is_removed_after_ten_minutes() {
    let server = with_lease();
    server.advance_s(15);
    server.advance_s(599);
    server.get(WEB_1).expect(200);
    server.advance_s(1);
    server.get(WEB_1).expect(404);
}

#[test]
fn deregister_after_zero_removes_at_once() {
    let server = TestServer::start();
    let mut body = leased("15s");
    body["deregister_after"] = json!("0s");
    server.register("web/web-1", &body);
    server.advance_s(15);
    server.get(WEB_1).expect(404);
    assert_eq!(server.rcode("web-1.web.svc.internal"), rcode::NXDOMAIN);
    assert_eq!(server.rcode("web.svc.internal"), rcode::NOERROR);
}

#[test]
fn the_shortest_lease_lapses_after_100_ms() {
    let server = TestServer::start();
    server.register("web/web-1", &leased("100ms"));
    server.advance(Duration::from_millis(99));
    assert!(is_answered(&server));
    server.advance(Duration::from_millis(1));
    assert!(!is_answered(&server));
}

#[test]
fn a_heartbeat_revives_and_clears_that_verdict_alone() {
    let server = with_lease();
    let report = json!({"status": "warning", "output": "slow"});
    server.put(&format!("{WEB_1}/health"), &report).expect(200);
    server
        .put(
            &format!("{WEB_1}/health"),
            &json!({"status": "critical", "port": "main"}),
        )
        .expect(200);
    server.put(&format!("{WEB_1}/drain"), &json!({})).expect(200);
    let before = server.show("web/web-1");
    server.advance_s(15);
    assert_eq!(server.show("web/web-1")["health"]["status"], "critical");
    let index = server.index();
    let reply = server.put_nothing(&format!("{WEB_1}/heartbeat")).expect(204);
    assert_eq!(reply.index(), index + 1, "a heartbeat that revives is a change");
    let mut revived = server.show("web/web-1");
    assert_eq!(revived["lease_expires_at"], server.time_in(15));
    assert_eq!(revived["remove_at"], json!(null));
    for moved in ["index", "updated_at", "lease_expires_at"] {
        revived[moved] = before[moved].clone();
    }
    assert_eq!(revived["health"]["verdicts"]["lease"]["status"], "passing");
    revived["health"]["verdicts"]["lease"] = before["health"]["verdicts"]["lease"].clone();
    assert_eq!(revived, before);
}

#[test]
fn a_revived_instance_is_answered_again_at_once() {
    let server = with_lease();
    server.advance_s(15);
    assert!(!is_answered(&server));
    heartbeat(&server);
    assert!(is_answered(&server));
    server.advance_s(14);
    assert!(is_answered(&server), "its lease has the full length");
    server.advance_s(1);
    assert!(!is_answered(&server), "and lapses again");
    server.advance_s(599);
    heartbeat(&server);
    server.advance_s(14);
    server.get(WEB_1).expect(200);
}

#[test]
fn a_report_revives_too() {
    let server = with_lease();
    server.advance_s(15);
    let shown = server
        .put(&format!("{WEB_1}/health"), &json!({"status": "passing"}))
        .expect(200)
        .json();
    assert_eq!(shown["health"]["status"], "passing");
    assert_eq!(shown["lease_expires_at"], server.time_in(15));
    assert!(is_answered(&server));
}

#[test]
fn registering_again_renews_and_revives() {
    let server = with_lease();
    server.advance_s(14);
    let index = server.index();
    let shown = server.register("web/web-1", &leased("15s")).json();
    assert_eq!(shown["lease_expires_at"], server.time_in(15));
    assert_eq!(server.index(), index, "the same again renews and changes nothing");
    server.advance_s(14);
    assert!(is_answered(&server));
    server.advance_s(1);
    assert!(!is_answered(&server));
    let shown = server.register("web/web-1", &leased("15s")).json();
    assert_eq!(shown["health"]["status"], "passing");
    assert!(is_answered(&server));
}

#[test]
fn registering_with_another_lease_takes_it_from_now() {
    let server = with_lease();
    server.advance_s(10);
    let shown = server.register("web/web-1", &leased("5s")).json();
    assert_eq!(shown["lease_expires_at"], server.time_in(5));
    server.advance_s(5);
    assert!(!is_answered(&server));
    server.register("web/web-1", &leased("1h"));
    server.advance_s(3599);
    assert!(is_answered(&server));
    let none = server
        .register("web/web-1", &json!({"address": "192.0.2.1"}))
        .json();
    assert_eq!(none["lease_expires_at"], json!(null));
    server.advance_s(86_400);
    assert!(
        is_answered(&server),
        "without a lease it stays until it is deregistered"
    );
}

#[test]
fn a_drain_renews_no_lease_and_revives_nothing() {
    let server = with_lease();
    server.advance_s(14);
    server.put(&format!("{WEB_1}/drain"), &json!({})).expect(200);
    server.advance_s(1);
    assert_eq!(server.show("web/web-1")["health"]["status"], "critical");
    let shown = server
        .put(&format!("{WEB_1}/drain"), &json!({"draining": false}))
        .expect(200)
        .json();
    assert_eq!(shown["health"]["status"], "critical");
    assert!(!is_answered(&server));
}

#[test]
fn of_two_removals_the_earlier_is_due() {
    let server = with_lease();
    server
        .put(&format!("{WEB_1}/drain"), &json!({"delete_after": "1h"}))
        .expect(200);
    server.advance_s(15);
    assert_eq!(server.show("web/web-1")["remove_at"], server.time_in(600));
    heartbeat(&server);
    assert_eq!(
        server.show("web/web-1")["remove_at"],
        server.time_in(3585),
        "the drain's remains"
    );
    server.advance_s(15);
    server.advance_s(600);
    server.get(WEB_1).expect(404);
}

#[test]
fn the_worst_verdict_is_the_instances_status() {
    let server = with_lease();
    server
        .put(
            &format!("{WEB_1}/health"),
            &json!({"status": "critical", "output": "db down"}),
        )
        .expect(200);
    server.advance_s(15);
    let shown = server.show("web/web-1");
    assert_eq!(shown["health"]["status"], "critical");
    assert_eq!(shown["health"]["verdicts"]["reported"]["output"], "db down");
    heartbeat(&server);
    assert_eq!(
        server.show("web/web-1")["health"]["status"],
        "critical",
        "what was reported stays"
    );
    assert!(!is_answered(&server));
}

#[test]
fn a_jump_of_the_clock_expires_nothing() {
    let server = with_lease();
    server.register("web/web-2", &json!({"address": "192.0.2.2"}));
    server
        .put(
            &format!("{}/drain", instance("web/web-2")),
            &json!({"delete_after": "30s"}),
        )
        .expect(200);
    server.register("db/db-1", &json!({"address": "192.0.2.3"}));
    server.delete(&instance("db/db-1")).expect(204);
    let index = server.index();
    for by_ms in [86_400_000, -172_800_000, 10 * 365 * 86_400_000] {
        server.jump_ms(by_ms);
        assert_eq!(server.index(), index);
        assert!(is_answered(&server));
        // Shown on the wall clock as it stands now.
        assert_eq!(server.show("web/web-1")["lease_expires_at"], server.time_in(15));
        assert_eq!(server.show("web/web-2")["remove_at"], server.time_in(30));
        assert_eq!(server.rcode("db.svc.internal"), rcode::NOERROR);
    }
    server.advance_s(15);
    assert!(!is_answered(&server), "time that passes counts as ever");
}

#[test]
fn a_clock_that_was_set_back_changes_no_removal() {
    let server = with_lease();
    server.advance_s(15);
    server.jump_ms(-3_600_000);
    heartbeat(&server);
    server.jump_ms(7_200_000);
    server.advance_s(15);
    assert!(!is_answered(&server));
    assert_eq!(server.show("web/web-1")["remove_at"], server.time_in(600));
    server.advance_s(600);
    server.get(WEB_1).expect(404);
}

#[test]
fn after_a_restart_a_lease_has_its_full_length_and_at_least_30_s() {
    let server = with_lease();
    server.register("web/web-2", &json!({"address": "192.0.2.2", "lease": "1h"}));
    server.advance_s(14);
    let server = server.restart();
    assert_eq!(server.show("web/web-1")["lease_expires_at"], server.time_in(30));
    assert_eq!(server.show("web/web-2")["lease_expires_at"], server.time_in(3600));
    server.advance_s(20);
    heartbeat(&server);
    assert_eq!(server.show("web/web-1")["lease_expires_at"], server.time_in(15));
    let server = server.restart();
    heartbeat(&server);
    assert_eq!(
        server.show("web/web-1")["lease_expires_at"],
        server.time_in(30),
        "a heartbeat cuts nothing short"
    );
    server.advance(Duration::from_millis(29_999));
    assert!(
        server
            .addresses("web.svc.internal")
            .contains(&"192.0.2.1".to_string())
    );
    server.advance(Duration::from_millis(1));
    assert_eq!(server.addresses("web.svc.internal"), ["192.0.2.2"]);
}

#[test]
fn after_a_restart_a_report_keeps_the_longer_lease() {
    let server = with_lease().restart();
    for _ in 0..2 {
        let shown = server
            .put(&format!("{WEB_1}/health"), &json!({"status": "warning"}))
            .expect(200)
            .json();
        assert_eq!(shown["lease_expires_at"], server.time_in(30));
        let shown = server.register("web/web-1", &leased("15s")).json();
        assert_eq!(shown["lease_expires_at"], server.time_in(30));
    }
}

#[test]
fn after_a_restart_what_lapsed_stays_lapsed_and_its_removal_begins_anew() {
    let server = with_lease();
    server.advance_s(15);
    let before = server.show("web/web-1");
    server.advance_s(599);
    let server = server.restart();
    assert!(!is_answered(&server));
    let after = server.show("web/web-1");
    assert_eq!(after["health"], before["health"]);
    assert_eq!(after["remove_at"], server.time_in(600));
    server.advance_s(599);
    server.get(WEB_1).expect(200);
    heartbeat(&server);
    assert!(is_answered(&server));
    server.advance_s(1);
    server.get(WEB_1).expect(200);
}

#[test]
fn after_a_restart_a_lapsed_instance_that_stays_silent_is_removed() {
    let server = with_lease();
    server.advance_s(15);
    let server = server.restart();
    server.advance_s(599);
    server.get(WEB_1).expect(200);
    server.advance_s(1);
    server.get(WEB_1).expect(404);
}

#[test]
fn after_a_restart_delete_after_begins_anew() {
    let server = TestServer::start();
    server.register("web/web-1", &json!({"address": "192.0.2.1"}));
    server
        .put(&format!("{WEB_1}/drain"), &json!({"delete_after": "30s"}))
        .expect(200);
    server.advance_s(29);
    let server = server.restart();
    assert_eq!(server.show("web/web-1")["remove_at"], server.time_in(30));
    server.advance_s(29);
    server.get(WEB_1).expect(200);
    server.advance_s(1);
    server.get(WEB_1).expect(404);
}

#[test]
fn names_are_nodata_for_forget_after_and_then_nxdomain() {
    let server = TestServer::start();
    let body = json!({"address": "192.0.2.1", "ports": {"http": 80}, "tags": ["v2"]});
    server.register("web/web-1", &body);
    server.delete(WEB_1).expect(204);
    let names = [
        "web.svc.internal",
        "_http._tcp.web.svc.internal",
        "_tcp.web.svc.internal",
        "v2.web.svc.internal",
        "_http._tcp.v2.web.svc.internal",
        "_web._tcp.svc.internal",
    ];
    server.advance_s(3599);
    for name in names {
        let reply = server.ask(name, Type::SRV);
        assert_eq!(
            (reply.rcode(), reply.answers_text().len()),
            (rcode::NOERROR, 0),
            "{name}"
        );
    }
    server.get("/v1/services/web").expect(200);
    let (index, serial) = (server.index(), server.serial());
    server.advance_s(1);
    for name in names {
        assert_eq!(server.rcode(name), rcode::NXDOMAIN, "{name}");
    }
    server.get("/v1/services/web").expect_problem(404, "no_service");
    assert_eq!(server.index(), index + 1, "forgetting is a change");
    assert_eq!(server.serial(), serial, "and rcodes are no records");
}

#[test]
fn a_port_and_a_tag_are_forgotten_apart_from_their_service() {
    let server = TestServer::start();
    server.register(
        "web/web-1",
        &json!({"address": "192.0.2.1", "ports": {"http": 80}, "tags": ["v2"]}),
    );
    server.advance_s(100);
    server.register(
        "web/web-1",
        &json!({"address": "192.0.2.1", "ports": {"grpc": 81}, "tags": ["v3"]}),
    );
    server.advance_s(3599);
    assert_eq!(server.rcode("v2.web.svc.internal"), rcode::NOERROR);
    assert_eq!(server.rcode("_http._tcp.web.svc.internal"), rcode::NOERROR);
    server.advance_s(1);
    assert_eq!(server.rcode("v2.web.svc.internal"), rcode::NXDOMAIN);
    assert_eq!(server.rcode("_http._tcp.web.svc.internal"), rcode::NXDOMAIN);
    assert_eq!(server.rcode("v3.web.svc.internal"), rcode::NOERROR);
    assert_eq!(server.rcode("_grpc._tcp.web.svc.internal"), rcode::NOERROR);
    assert_eq!(server.addresses("web.svc.internal"), ["192.0.2.1"]);
}

#[test]
fn a_name_that_comes_back_is_not_forgotten() {
    let server = TestServer::start();
    let body = json!({"address": "192.0.2.1", "tags": ["v2"]});
    server.register("web/web-1", &body);
    server.delete(WEB_1).expect(204);
    server.advance_s(3000);
    server.register("web/web-1", &body);
    server.advance_s(3600);
    assert_eq!(server.addresses("v2.web.svc.internal"), ["192.0.2.1"]);
    server.delete(WEB_1).expect(204);
    server.advance_s(3599);
    assert_eq!(
        server.rcode("v2.web.svc.internal"),
        rcode::NOERROR,
        "its wait begins anew"
    );
    server.advance_s(1);
    assert_eq!(server.rcode("v2.web.svc.internal"), rcode::NXDOMAIN);
}

#[test]
fn a_service_with_settings_of_its_own_is_known_until_it_is_deleted() {
    let server = TestServer::start();
    server.put("/v1/services/web", &json!({"ttl": "10s"})).expect(201);
    server.register("web/web-1", &json!({"address": "192.0.2.1", "tags": ["v2"]}));
    server.delete(WEB_1).expect(204);
    server.advance_s(86_400);
    assert_eq!(server.rcode("web.svc.internal"), rcode::NOERROR);
    assert_eq!(server.rcode("v2.web.svc.internal"), rcode::NXDOMAIN);
    // Without them it is one as any other, and its wait begins.
    server.put("/v1/services/web", &json!({})).expect(200);
    server.advance_s(3599);
    assert_eq!(server.rcode("web.svc.internal"), rcode::NOERROR);
    server.advance_s(1);
    assert_eq!(server.rcode("web.svc.internal"), rcode::NXDOMAIN);
}

#[test]
fn a_service_that_never_had_anything_is_forgotten_too() {
    let server = TestServer::start();
    server.put("/v1/services/web", &json!({})).expect(201);
    assert_eq!(server.rcode("web.svc.internal"), rcode::NOERROR);
    server.advance_s(3600);
    server.get("/v1/services/web").expect(404);
    assert_eq!(server.rcode("web.svc.internal"), rcode::NXDOMAIN);
}

#[test]
fn a_changed_forget_after_of_the_zone_counts_for_names_that_wait_already() {
    let server = TestServer::start();
    let gone = |service: &str| {
        server.register(&format!("{service}/a"), &json!({"address": "192.0.2.1"}));
        server.delete(&instance(&format!("{service}/a"))).expect(204);
    };
    gone("shorter");
    server.advance_s(100);
    server
        .put("/v1/zones/svc.internal", &json!({"forget_after": "150s"}))
        .expect(200);
    server.advance_s(49);
    assert_eq!(server.rcode("shorter.svc.internal"), rcode::NOERROR);
    server.advance_s(1);
    assert_eq!(server.rcode("shorter.svc.internal"), rcode::NXDOMAIN);

    gone("longer");
    server.advance_s(100);
    server
        .put("/v1/zones/svc.internal", &json!({"forget_after": "2h"}))
        .expect(200);
    server.advance_s(7099);
    assert_eq!(server.rcode("longer.svc.internal"), rcode::NOERROR);
    server.advance_s(1);
    assert_eq!(server.rcode("longer.svc.internal"), rcode::NXDOMAIN);

    gone("passed");
    server.advance_s(100);
    server
        .put("/v1/zones/svc.internal", &json!({"forget_after": "50s"}))
        .expect(200);
    server.settle();
    assert_eq!(
        server.rcode("passed.svc.internal"),
        rcode::NXDOMAIN,
        "it is due at once"
    );
}

#[test]
fn forget_after_of_the_service_goes_before_that_of_the_zone() {
    let server = TestServer::start();
    server
        .put("/v1/zones/svc.internal", &json!({"forget_after": "10s"}))
        .expect(200);
    server
        .put("/v1/services/web", &json!({"forget_after": "20s"}))
        .expect(201);
    server.register("web/web-1", &json!({"address": "192.0.2.1", "tags": ["v2"]}));
    server.delete(WEB_1).expect(204);
    server.advance_s(19);
    assert_eq!(server.rcode("v2.web.svc.internal"), rcode::NOERROR);
    server
        .put("/v1/services/web", &json!({"forget_after": "30s"}))
        .expect(200);
    server.advance_s(10);
    assert_eq!(server.rcode("v2.web.svc.internal"), rcode::NOERROR);
    server.advance_s(1);
    assert_eq!(server.rcode("v2.web.svc.internal"), rcode::NXDOMAIN);
    assert_eq!(
        server.rcode("web.svc.internal"),
        rcode::NOERROR,
        "it has a setting of its own"
    );
}

#[test]
fn forget_after_zero_forgets_at_once() {
    let server = TestServer::start();
    server
        .put("/v1/zones/svc.internal", &json!({"forget_after": 0}))
        .expect(200);
    server.register("web/web-1", &json!({"address": "192.0.2.1"}));
    server.delete(WEB_1).expect(204);
    server.settle();
    assert_eq!(server.rcode("web.svc.internal"), rcode::NXDOMAIN);
}

#[test]
fn after_a_restart_names_are_known_and_forget_after_begins_anew() {
    let server = TestServer::start();
    server.register(
        "web/web-1",
        &json!({"address": "192.0.2.1", "ports": {"http": 80}, "tags": ["v2"]}),
    );
    server.delete(WEB_1).expect(204);
    server.advance_s(3599);
    let server = server.restart();
    for name in [
        "web.svc.internal",
        "_http._tcp.web.svc.internal",
        "v2.web.svc.internal",
    ] {
        assert_eq!(server.rcode(name), rcode::NOERROR, "{name}");
    }
    server.advance_s(3599);
    assert_eq!(server.rcode("v2.web.svc.internal"), rcode::NOERROR);
    server.advance_s(1);
    for name in [
        "web.svc.internal",
        "_http._tcp.web.svc.internal",
        "v2.web.svc.internal",
    ] {
        assert_eq!(server.rcode(name), rcode::NXDOMAIN, "{name}");
    }
}

#[test]
fn removing_a_service_forgets_its_names_at_once() {
    let server = TestServer::start();
    server.register(
        "web/web-1",
        &json!({"address": "192.0.2.1", "ports": {"http": 80}, "tags": ["v2"]}),
    );
    server.delete("/v1/services/web").expect(204);
    for name in [
        "web.svc.internal",
        "_http._tcp.web.svc.internal",
        "v2.web.svc.internal",
        "web-1.web.svc.internal",
    ] {
        assert_eq!(server.rcode(name), rcode::NXDOMAIN, "{name}");
    }
}

#[test]
fn many_leases_lapse_together_and_each_is_one_change() {
    let server = Setup::new().flag(Key::Guard, ["off"]).start();
    let register = |n: usize| {
        json!({"op": "register", "service": "web", "id": format!("i{n}"), "address": format!("192.0.2.{}", n % 250 + 1),
            "lease": "10s"})
    };
    let operations: Vec<_> = (0..600).map(register).collect();
    server
        .post("/v1/batch", &json!({"operations": operations}))
        .expect(200);
    server.advance_s(5);
    server
        .put_nothing(&format!("{}/heartbeat", instance("web/i7")))
        .expect(204);
    let index = server.index();
    server.advance_s(5);
    assert_eq!(server.index(), index + 599);
    assert_eq!(server.addresses("web.svc.internal"), ["192.0.2.8"]);
}

#[test]
fn who_registers_again_after_leaving_owes_nothing_to_its_forerunner() {
    let server = with_lease();
    server.advance_s(15);
    assert_eq!(server.show("web/web-1")["remove_at"], server.time_in(600));
    server.delete(WEB_1).expect(204);
    let shown = server.register("web/web-1", &leased("24h")).json();
    assert_eq!(
        (&shown["remove_at"], &shown["health"]["status"]),
        (&json!(null), &json!("passing"))
    );
    assert_eq!(shown["created_index"], server.index());
    server
        .put(&format!("{WEB_1}/drain"), &json!({"delete_after": "30s"}))
        .expect(200);
    server.delete(WEB_1).expect(204);
    let shown = server.register("web/web-1", &leased("24h")).json();
    assert_eq!(
        (&shown["remove_at"], &shown["draining"]),
        (&json!(null), &json!(false))
    );
    server.advance_s(3600);
    assert!(is_answered(&server));
}

#[test]
fn names_of_a_zone_or_service_that_was_created_again_wait_from_then_on() {
    let server = TestServer::start();
    let once = |server: &TestServer| {
        server.put("/v1/zones/other.internal", &json!({}));
        let path = instance_in("other.internal", "web/web-1");
        server
            .put(&path, &json!({"address": "192.0.2.1", "tags": ["v2"]}))
            .expect(201);
        server.delete(&path).expect(204);
    };
    once(&server);
    server.advance_s(3000);
    server.delete("/v1/zones/other.internal").expect(204);
    once(&server);
    server.advance_s(3000);
    assert_eq!(server.rcode("v2.web.other.internal"), rcode::NOERROR);
    server.delete("/v1/zones/other.internal/services/web").expect(204);
    once(&server);
    server.advance_s(3599);
    assert_eq!(server.rcode("v2.web.other.internal"), rcode::NOERROR);
    server.advance_s(1);
    assert_eq!(server.rcode("v2.web.other.internal"), rcode::NXDOMAIN);
    assert_eq!(server.rcode("web.other.internal"), rcode::NXDOMAIN);
}

#[test]
fn a_batch_that_replaces_a_whole_instance_gives_it_a_new_lease() {
    let server = with_lease();
    server.advance_s(14);
    let mut again = leased("15s");
    for (field, value) in [("op", "register"), ("service", "web"), ("id", "web-1")] {
        again[field] = json!(value);
    }
    let leave = json!({"op": "deregister", "service": "web", "id": "web-1"});
    server
        .post("/v1/batch", &json!({"operations": [leave, again]}))
        .expect(200);
    assert_eq!(server.show("web/web-1")["lease_expires_at"], server.time_in(15));
    server.advance_s(14);
    assert!(is_answered(&server));
    server
        .post("/v1/batch", &json!({"operations": [again, leave]}))
        .expect(200);
    server.advance_s(3600);
    server.get(WEB_1).expect(404);
}
