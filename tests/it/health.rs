//! Health reports and heartbeats: what they set, what they leave alone, and what DNS then answers.

use serde_json::{Value, json};

use crate::support::dns::Type;
use crate::support::server::{TestServer, instance};

const WEB_1: &str = "/v1/services/web/instances/web-1";
const HEALTH: &str = "/v1/services/web/instances/web-1/health";
const HEARTBEAT: &str = "/v1/services/web/instances/web-1/heartbeat";

/// A server with `web-1` on 192.0.2.1, ports `http` and `metrics`.
fn with_web_1() -> TestServer {
    let server = TestServer::start();
    server.register(
        "web/web-1",
        &json!({"address": "192.0.2.1", "ports": {"http": 80, "metrics": 9100}}),
    );
    server
}

fn ports(server: &TestServer, name: &str) -> Vec<u16> {
    let mut ports: Vec<_> = server
        .ask(name, Type::SRV)
        .srv_list()
        .iter()
        .map(|srv| srv.2)
        .collect();
    ports.sort_unstable();
    ports
}

#[test]
fn a_report_is_200_with_what_get_shows_and_moves_the_index_by_one() {
    let server = with_web_1();
    let index = server.index();
    let reply = server
        .put(HEALTH, &json!({"status": "critical", "output": "db down"}))
        .expect(200);
    assert_eq!(reply.index(), index + 1);
    let shown = reply.json();
    assert_eq!(shown, server.show("web/web-1"));
    let now = server.time_in(0);
    assert_eq!(shown["health"]["status"], "critical");
    assert_eq!(shown["health"]["output"], "db down");
    assert_eq!(shown["health"]["since"], now);
    let reported = json!({"status": "critical", "output": "db down", "since": now});
    assert_eq!(shown["health"]["verdicts"], json!({"reported": reported}));
    assert_eq!(
        (&shown["index"], &shown["updated_at"]),
        (&json!(index + 1), &json!(now))
    );
}

#[test]
fn a_critical_instance_is_not_answered_and_a_warning_one_is() {
    let server = with_web_1();
    for (status, answered) in [
        ("critical", false),
        ("warning", true),
        ("critical", false),
        ("passing", true),
    ] {
        server.put(HEALTH, &json!({"status": status})).expect(200);
        assert_eq!(
            !server.addresses("web.svc.internal").is_empty(),
            answered,
            "{status}"
        );
        assert_eq!(
            !ports(&server, "web.svc.internal").is_empty(),
            answered,
            "{status}"
        );
        assert_eq!(
            !ports(&server, "web-1.web.svc.internal").is_empty(),
            answered,
            "{status}"
        );
        assert_eq!(
            server.addresses("web-1.web.svc.internal"),
            ["192.0.2.1"],
            "a host name stays when {status}"
        );
    }
}

#[test]
fn a_report_about_a_port_is_about_that_port_alone() {
    let server = with_web_1();
    let report = json!({"status": "critical", "output": "refused", "port": "HTTP"});
    let shown = server.put(HEALTH, &report).expect(200).json();
    let now = server.time_in(0);
    assert_eq!(
        shown["health"]["status"], "passing",
        "the instance's status is of those about no port"
    );
    assert_eq!(
        shown["health"]["ports"]["http"],
        json!({"status": "critical", "output": "refused", "since": now})
    );
    assert_eq!(shown["health"]["ports"]["metrics"]["status"], "passing");
    assert_eq!(ports(&server, "web.svc.internal"), [9100]);
    assert_eq!(ports(&server, "_http._tcp.web.svc.internal"), [0; 0]);
    assert_eq!(server.addresses("web.svc.internal"), ["192.0.2.1"]);

    server
        .put(HEALTH, &json!({"status": "critical", "port": "metrics"}))
        .expect(200);
    assert_eq!(
        server.addresses("web.svc.internal"),
        [""; 0],
        "answerable is who has a port that is not critical"
    );
    assert_eq!(server.show("web/web-1")["health"]["status"], "passing");
    server
        .put(HEALTH, &json!({"status": "warning", "port": "http"}))
        .expect(200);
    assert_eq!(ports(&server, "web.svc.internal"), [80]);
    assert_eq!(server.addresses("web.svc.internal"), ["192.0.2.1"]);
}

#[test]
fn a_port_that_the_instance_lacks_is_422() {
    let server = with_web_1();
    let report = json!({"status": "critical", "port": "grpc"});
    server
        .unchanged_by(|server| server.put(HEALTH, &report))
        .expect_invalid("port");
}

#[test]
fn the_same_report_again_is_no_change() {
    let server = with_web_1();
    for report in [
        json!({"status": "warning", "output": "slow"}),
        json!({"status": "warning", "output": "slow", "port": "http"}),
        json!({"status": "passing", "port": "metrics"}),
    ] {
        server.put(HEALTH, &report).expect(200);
        server.advance_s(1);
        server
            .unchanged_by(|server| server.put(HEALTH, &report))
            .expect(200);
    }
}

#[test]
fn since_is_when_the_status_became_what_it_is() {
    let server = with_web_1();
    let since = |report: Value| {
        server.advance_s(1);
        let shown = server.put(HEALTH, &report).expect(200).json();
        (
            shown["health"]["since"].clone(),
            shown["health"]["output"].clone(),
        )
    };
    let first = since(json!({"status": "critical", "output": "a"}));
    assert_eq!(first, (json!(server.time_in(0)), json!("a")));
    let index = server.index();
    let second = since(json!({"status": "critical", "output": "b"}));
    assert_eq!(second, (first.0.clone(), json!("b")));
    assert_eq!(server.index(), index + 1, "another output is a change");
    assert_eq!(since(json!({"status": "critical"})), (first.0, json!("")));
    assert_eq!(since(json!({"status": "passing"})).0, server.time_in(0));
}

#[test]
fn a_wrong_report_changes_nothing_and_names_the_field() {
    let server = with_web_1();
    for (report, field) in [
        (json!({}), "status"),
        (json!({"status": null}), "status"),
        (json!({"status": "ok"}), "status"),
        (json!({"status": "PASSING"}), "status"),
        (json!({"status": 1}), "status"),
        (json!({"output": "x"}), "status"),
        (json!({"status": "critical", "output": 1}), "output"),
        (
            json!({"status": "critical", "output": "x".repeat(4097)}),
            "output",
        ),
        (json!({"status": "critical", "port": 80}), "port"),
        (json!({"status": "critical", "port": "_http"}), "port"),
        (json!({"status": "critical", "port": ""}), "port"),
        (json!({"status": "critical", "since": "x"}), "since"),
        (json!({"status": "critical", "address": "192.0.2.2"}), "address"),
        (json!({"status": "critical", "id": "web-2"}), "id"),
        (json!({"status": "critical", "service": "db"}), "service"),
        (json!({"status": "critical", "zone": "other.internal"}), "zone"),
    ] {
        server
            .unchanged_by(|server| server.put(HEALTH, &report))
            .expect_invalid(field);
    }
    server
        .unchanged_by(|server| server.put(HEALTH, &json!([])))
        .expect_problem(422, "invalid");
    server
        .unchanged_by(|server| server.put_nothing(HEALTH))
        .expect_problem(400, "not_json");
    assert_eq!(server.addresses("web.svc.internal"), ["192.0.2.1"]);
}

#[test]
fn an_output_has_up_to_4096_octets() {
    let server = with_web_1();
    let output = "\u{e9}".repeat(2048);
    let shown = server
        .put(HEALTH, &json!({"status": "warning", "output": output}))
        .expect(200)
        .json();
    assert_eq!(shown["health"]["output"], output);
}

#[test]
fn a_report_renews_the_lease() {
    let server = TestServer::start();
    server.register("web/web-1", &json!({"address": "192.0.2.1", "lease": "10s"}));
    server.advance_s(9);
    let shown = server
        .put(HEALTH, &json!({"status": "warning"}))
        .expect(200)
        .json();
    assert_eq!(shown["lease_expires_at"], server.time_in(10));
    server.advance_s(9);
    let same = server
        .put(HEALTH, &json!({"status": "warning"}))
        .expect(200)
        .json();
    assert_eq!(
        same["lease_expires_at"],
        server.time_in(10),
        "also one that changes nothing"
    );
    server.advance_s(9);
    assert_eq!(server.addresses("web.svc.internal"), ["192.0.2.1"]);
}

#[test]
fn a_refused_report_does_not_renew_the_lease() {
    let server = TestServer::start();
    server.register("web/web-1", &json!({"address": "192.0.2.1", "lease": "10s"}));
    server.advance_s(9);
    server
        .put(HEALTH, &json!({"status": "warning", "port": "http"}))
        .expect_invalid("port");
    assert_eq!(server.show("web/web-1")["lease_expires_at"], server.time_in(1));
}

#[test]
fn a_heartbeat_is_204_renews_the_lease_and_does_not_move_the_index() {
    let server = TestServer::start();
    server.register("web/web-1", &json!({"address": "192.0.2.1", "lease": "10s"}));
    let before = (server.index(), server.serial());
    for _ in 0..5 {
        server.advance_s(9);
        let reply = server.put_nothing(HEARTBEAT).expect(204);
        assert_eq!((reply.text().as_str(), reply.index()), ("", before.0));
        assert_eq!(server.show("web/web-1")["lease_expires_at"], server.time_in(10));
    }
    assert_eq!((server.index(), server.serial()), before);
    assert_eq!(server.addresses("web.svc.internal"), ["192.0.2.1"]);
}

#[test]
fn a_heartbeat_without_a_lease_does_nothing() {
    let server = with_web_1();
    server
        .unchanged_by(|server| server.put_nothing(HEARTBEAT))
        .expect(204);
}

#[test]
fn a_heartbeat_of_what_is_absent_is_404_so_that_it_registers_again() {
    let server = with_web_1();
    server.delete(WEB_1).expect(204);
    server
        .unchanged_by(|server| server.put_nothing(HEARTBEAT))
        .expect_problem(404, "no_instance");
    server
        .put_nothing(&format!("{}/heartbeat", instance("db/db-1")))
        .expect_problem(404, "no_instance");
}

#[test]
fn a_heartbeat_takes_no_field() {
    let server = with_web_1();
    server.put(HEARTBEAT, &json!({})).expect(204);
    server
        .put(HEARTBEAT, &json!({"status": "passing"}))
        .expect_invalid("status");
    server
        .put(HEARTBEAT, &json!({"id": "web-2"}))
        .expect_invalid("id");
}

#[test]
fn a_critical_main_has_no_substitute() {
    let server = TestServer::start();
    server.register(
        "web/web-1",
        &json!({"address": "192.0.2.1", "ports": {"main": 80, "metrics": 9100}}),
    );
    assert_eq!(ports(&server, "web.svc.internal"), [80]);
    server
        .put(HEALTH, &json!({"status": "critical", "port": "main"}))
        .expect(200);
    assert_eq!(ports(&server, "web.svc.internal"), [0; 0]);
    assert_eq!(ports(&server, "_web._tcp.svc.internal"), [0; 0]);
    assert_eq!(ports(&server, "web-1.web.svc.internal"), [9100]);
    assert_eq!(
        server.addresses("web.svc.internal"),
        ["192.0.2.1"],
        "another port is answered"
    );
}
