//! A restart on the same folder: everything comes back as it was, and flags that changed are seen.

use callsign::config::Key;
use callsign::server::Error;
use serde_json::{Value, json};

use crate::support::dns::Type;
use crate::support::server::{Setup, TestServer};

/// A catalog with something of everything.
fn furnished(setup: Setup) -> TestServer {
    let server = setup.start();
    server
        .put("/v1/zones/other.internal", &json!({"ttl": 60, "negative_ttl": 9, "on_empty": "nxdomain", "answer_limit": 3, "forget_after": "2h"}))
        .expect(201);
    server
        .put(
            "/v1/services/web",
            &json!({"ttl": "90s", "on_empty": "all", "answer_limit": 2, "forget_after": "1500ms"}),
        )
        .expect(201);
    server.register(
        "web/web-1",
        &json!({"addresses": ["192.0.2.11", "2001:db8::11", "192.0.2.12"], "ports": {"http": 8080, "dns": {"port": 53, "protocol": "udp"}, "s": {"port": 9, "protocol": "sctp"}},
            "priority": 3, "weight": 7, "tags": ["v2", "Blue", "not a label", "\u{1f600}"], "meta": {"version": "2.1", "a": "", "long": "x".repeat(4096)},
            "status": "warning", "lease": "250ms", "deregister_after": "1h"}),
    );
    server.register(
        "web/web-2",
        &json!({"address": "2001:db8::12", "deregister_after": "0s", "weight": 0}),
    );
    server.register("db/db-1", &json!({"address": "192.0.2.21", "lease": "24h"}));
    server.advance_s(2);
    let report = |key: &str, body: Value| {
        server
            .put(
                &format!("{}/health", crate::support::server::instance(key)),
                &body,
            )
            .expect(200);
    };
    report(
        "web/web-2",
        json!({"status": "critical", "output": "db \"down\"\n\u{0}"}),
    );
    report("db/db-1", json!({"status": "warning", "output": "slow"}));
    server
        .put(
            "/v1/services/web/instances/web-2/drain",
            &json!({"delete_after": "3h"}),
        )
        .expect(200);
    server
        .put("/v1/services/db/instances/db-1/drain", &json!({}))
        .expect(200);
    server.register(
        "gone/gone-1",
        &json!({"address": "192.0.2.31", "tags": ["old"], "ports": {"p": 1}}),
    );
    server.delete("/v1/services/gone/instances/gone-1").expect(204);
    server.advance_s(1);
    server
}

/// What GET shows, without the times that a restart moves.
fn lasting(server: &TestServer) -> Value {
    fn strip(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                fields.retain(|name, _| name != "lease_expires_at" && name != "remove_at");
                fields.values_mut().for_each(strip);
            }
            Value::Array(items) => items.iter_mut().for_each(strip),
            _ => {}
        }
    }
    let mut picture = server.picture();
    strip(&mut picture);
    picture
}

#[test]
fn everything_comes_back_field_by_field() {
    let server = furnished(Setup::new());
    assert_eq!(
        server.show("web/web-1")["health"]["verdicts"]["lease"]["status"],
        "critical",
        "one has lapsed"
    );
    let before = (
        server.index(),
        lasting(&server),
        server.serial(),
        server.serial_of("other.internal"),
    );
    let epoch = server
        .get("/v1/zones")
        .header("x-callsign-epoch")
        .unwrap()
        .to_string();
    let server = server.restart();
    let after = (
        server.index(),
        lasting(&server),
        server.serial(),
        server.serial_of("other.internal"),
    );
    assert_eq!(after, before);
    assert_eq!(
        server.get("/v1/zones").header("x-callsign-epoch"),
        Some(epoch.as_str())
    );
    let again = server.restart();
    assert_eq!(lasting(&again), before.1);
}

#[test]
fn answers_are_the_same_after_a_restart() {
    let server = furnished(Setup::new());
    let names = [
        "web.svc.internal",
        "web-1.web.svc.internal",
        "web-2.web.svc.internal",
        "v2.web.svc.internal",
        "_http._tcp.web.svc.internal",
        "_web._udp.svc.internal",
        "db.svc.internal",
        "gone.svc.internal",
        "old.gone.svc.internal",
        "_p._tcp.gone.svc.internal",
        "svc.internal",
        "ns.svc.internal",
        "other.internal",
        "x.other.internal",
    ];
    let ask = |server: &TestServer| {
        let types = [Type::A, Type::AAAA, Type::SRV, Type::TXT, Type::SOA, Type::NS];
        let all = names
            .iter()
            .flat_map(|name| types.map(|rtype| server.ask(name, rtype)));
        all.map(|reply| (reply.rcode(), reply.answers_text(), reply.authorities_text()))
            .collect::<Vec<_>>()
    };
    let before = ask(&server);
    let server = server.restart();
    assert_eq!(ask(&server), before);
}

#[test]
fn the_index_goes_on_and_never_repeats() {
    let server = TestServer::start();
    server.register("web/web-1", &json!({"address": "192.0.2.1"}));
    server.delete("/v1/services/web").expect(204);
    let index = server.index();
    let server = server.restart();
    assert_eq!(server.index(), index, "a start that changes nothing is no change");
    let shown = server
        .register("web/web-1", &json!({"address": "192.0.2.1"}))
        .json();
    assert_eq!(shown["index"], index + 1);
}

#[test]
fn a_serial_goes_on_after_zone_delete_restart_and_create() {
    let server = TestServer::start();
    server.put("/v1/zones/other.internal", &json!({})).expect(201);
    for ttl in 1..=50 {
        server
            .put("/v1/zones/other.internal", &json!({"ttl": ttl}))
            .expect(200);
    }
    let last = server.serial_of("other.internal");
    server.delete("/v1/zones/other.internal").expect(204);
    let server = server.restart();
    server.put("/v1/zones/other.internal", &json!({})).expect(201);
    assert_eq!(server.serial_of("other.internal"), last + 1);
}

#[test]
fn a_ttl_flag_that_changed_moves_the_serial_and_the_answers() {
    let setup = Setup::new().flag(Key::Ttl, ["1h"]);
    let server = setup.clone().start();
    server.register("web/web-1", &json!({"address": "192.0.2.1"}));
    let serial = server.serial();
    let server = server.restart_with(setup.flag(Key::Ttl, ["10s"]));
    assert_eq!(server.ask("web.svc.internal", Type::A).answers[0].ttl, 10);
    assert_eq!(server.serial(), serial + 1);
    let reply = server
        .put("/v1/services/web/instances/web-1/drain", &json!({}))
        .expect(200)
        .json();
    assert_eq!(
        reply["safe_to_stop_at"],
        server.time_in(3602),
        "caches may hold what was answered before"
    );
    server.advance_s(1800);
    let expected = server.time_in(1802);
    let server = server.restart();
    server
        .put(
            "/v1/services/web/instances/web-1/drain",
            &json!({"draining": false}),
        )
        .expect(200);
    let reply = server
        .put("/v1/services/web/instances/web-1/drain", &json!({}))
        .expect(200)
        .json();
    assert_eq!(
        reply["safe_to_stop_at"], expected,
        "it is remembered across a restart"
    );
}

#[test]
fn a_negative_ttl_flag_that_changed_moves_the_serial() {
    let setup = Setup::new();
    let server = setup.clone().start();
    let serial = server.serial();
    let server = server.restart_with(setup.clone().flag(Key::NegativeTtl, ["7s"]));
    let negative = server.ask("nothing.svc.internal", Type::A);
    assert_eq!(
        negative.authorities[0].ttl, 5,
        "the lower of the SOA's TTL and MINIMUM"
    );
    assert_eq!(server.serial(), serial + 1);
    let server = server.restart_with(setup.flag(Key::NegativeTtl, ["3s"]));
    assert_eq!(server.ask("nothing.svc.internal", Type::A).authorities[0].ttl, 3);
    assert_eq!(server.serial(), serial + 2);
}

#[test]
fn an_advertise_flag_that_changed_moves_the_serial_and_the_name_servers_addresses() {
    let setup = Setup::new().flag(Key::Advertise, ["192.0.2.53"]);
    let server = setup.clone().start();
    assert_eq!(server.addresses("ns.svc.internal"), ["192.0.2.53"]);
    let serial = server.serial();
    let server = server.restart_with(setup.clone().flag(Key::Advertise, ["2001:db8::53", "192.0.2.54"]));
    assert_eq!(
        server.addresses("ns.svc.internal"),
        ["192.0.2.54", "2001:db8::53"]
    );
    assert_eq!(server.serial(), serial + 1);
    let server = server.restart_with(setup.flag(Key::Advertise, ["192.0.2.54", "2001:db8::53"]));
    assert_eq!(server.serial(), serial + 1, "their order is no change");
}

#[test]
fn a_zone_that_sets_its_own_ttl_does_not_follow_the_flag() {
    let setup = Setup::new();
    let server = setup.clone().start();
    server
        .put(
            "/v1/zones/svc.internal",
            &json!({"ttl": "20s", "negative_ttl": "2s"}),
        )
        .expect(200);
    let serial = server.serial();
    let server = server.restart_with(setup.flag(Key::Ttl, ["1m"]).flag(Key::NegativeTtl, ["1m"]));
    assert_eq!(server.ask("svc.internal", Type::SOA).answers[0].ttl, 20);
    assert_eq!(server.serial(), serial);
}

#[test]
fn a_zone_dropped_from_the_flags_stays_until_it_is_deleted() {
    let setup = Setup::new();
    let server = setup
        .clone()
        .flag(Key::Zone, ["svc.internal", "other.internal"])
        .start();
    server
        .put(
            "/v1/zones/other.internal/services/web/instances/web-1",
            &json!({"address": "192.0.2.1"}),
        )
        .expect(201);
    let server = server.restart_with(setup.clone().flag(Key::Zone, ["new.internal", "svc.internal"]));
    assert_eq!(server.addresses("web.other.internal"), ["192.0.2.1"]);
    server.register("web/web-1", &json!({"address": "192.0.2.2"}));
    assert_eq!(
        server.addresses("web.new.internal"),
        ["192.0.2.2"],
        "the first --zone is the default"
    );
    server.delete("/v1/zones/other.internal/services/web").expect(204);
    server.delete("/v1/zones/other.internal").expect(204);
    let server = server.restart();
    server.get("/v1/zones/other.internal").expect(404);
}

#[test]
fn a_second_server_on_the_same_folder_is_refused() {
    let server = TestServer::start();
    assert!(matches!(server.start_another_and_fail(), Error::InUse(_)));
    server.register("web/web-1", &json!({"address": "192.0.2.1"}));
    let server = server.restart();
    assert_eq!(server.addresses("web.svc.internal"), ["192.0.2.1"]);
}

#[test]
fn a_server_on_ipv6_answers_there() {
    let server = Setup::v6().start();
    server.register("web/web-1", &json!({"address": "2001:db8::1"}));
    assert_eq!(server.addresses("web.svc.internal"), ["2001:db8::1"]);
    assert_eq!(server.addresses("ns.svc.internal"), ["::1"]);
}

#[test]
fn a_zone_of_the_flags_that_was_deleted_is_created_again_with_a_later_serial() {
    let server = TestServer::start();
    for ttl in 10..30 {
        server
            .put("/v1/zones/svc.internal", &json!({"ttl": ttl}))
            .expect(200);
    }
    let last = server.serial();
    server.delete("/v1/zones/svc.internal").expect(204);
    let server = server.restart();
    assert_eq!(server.serial(), last + 1);
    assert_eq!(
        server.get("/v1/zones/svc.internal").expect(200).json()["settings"],
        json!({})
    );
}

#[test]
fn verdicts_of_ports_come_back_too() {
    let server = TestServer::start();
    server.register(
        "web/web-1",
        &json!({"address": "192.0.2.1", "ports": {"http": 80, "grpc": 81}}),
    );
    let report = json!({"status": "critical", "output": "refused", "port": "http"});
    server
        .put("/v1/services/web/instances/web-1/health", &report)
        .expect(200);
    let before = server.show("web/web-1");
    server.advance_s(60);
    let server = server.restart();
    assert_eq!(server.show("web/web-1"), before);
    assert_eq!(
        server.services("web.svc.internal"),
        ["0 1 81 web-1.web.svc.internal.".to_string()].into()
    );
}
