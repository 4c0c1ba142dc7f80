//! The guard against mass expiry, through the front door: what is held is answered, and every door says so.

use std::time::{Duration, Instant};

use callsign::config::Key;
use serde_json::{Value, json};

use crate::support::program::{Program, run};
use crate::support::server::{Setup, TestServer, instance};

/// Registers `count` instances of `service`, each with an address of its own and a lease of 15 s.
fn register(server: &TestServer, service: &str, net: u8, count: u8) {
    for id in 0..count {
        let body = json!({"address": format!("198.51.{net}.{id}"), "port": 80, "lease": "15s"});
        server.register(&format!("{service}/{service}-{id}"), &body);
    }
}

fn heartbeat(server: &TestServer, key: &str) {
    server
        .put_nothing(&format!("{}/heartbeat", instance(key)))
        .expect(204);
}

/// Lets so many seconds pass; every 5 s those named send a heartbeat.
fn pass(server: &TestServer, seconds: u64, alive: &[String]) {
    for _ in 0..seconds / 5 {
        server.advance_s(5);
        for key in alive {
            heartbeat(server, key);
        }
    }
    server.advance_s(seconds % 5);
}

fn keys(service: &str, ids: std::ops::Range<u8>) -> Vec<String> {
    ids.map(|id| format!("{service}/{service}-{id}")).collect()
}

fn answered(server: &TestServer, service: &str) -> usize {
    server.addresses(&format!("{service}.svc.internal")).len()
}

/// The guard of the default zone.
fn guard(server: &TestServer) -> Value {
    let all = server.get("/v1/guard").expect(200).json();
    let zones = all["zones"].as_array().expect("a list of zones");
    let zone = zones.iter().find(|zone| zone["zone"] == "svc.internal");
    zone.expect("the default zone").clone()
}

fn metric(server: &TestServer, name: &str) -> String {
    let text = server.get("/metrics").expect(200).text();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{name} is in\n{text}")).to_string()
}

#[test]
fn when_nine_tenths_stop_the_guard_holds_and_every_door_says_so() {
    let server = TestServer::start();
    register(&server, "web", 100, 30);
    register(&server, "db", 101, 10);
    assert_eq!(guard(&server)["holds"], false);
    assert_eq!(
        server.get("/v1/services/web").expect(200).json()["guard"],
        Value::Null
    );
    let alive = [keys("web", 0..3), keys("db", 0..1)].concat();
    pass(&server, 15, &alive);

    // 7 of 40 are more than 15 %: the seventh was the last to lapse.
    let held = guard(&server);
    assert_eq!((&held["holds"], &held["leases"]), (&json!(true), &json!(33)));
    assert_eq!((&held["lapsed"], &held["held"]), (&json!(7), &json!(29)));
    assert_eq!(
        (&held["since"], &held["until"]),
        (&json!(server.time_in(0)), &json!(server.time_in(600)))
    );
    assert_eq!(answered(&server, "web") + answered(&server, "db"), 33);

    let service = server.get("/v1/services/web").expect(200).json();
    let of_web = service["guard"]["held"]
        .as_array()
        .expect("a list of ids")
        .clone();
    assert_eq!(service["guard"]["until"], server.time_in(600));
    assert_eq!(of_web.len(), answered(&server, "web") - 3);
    let one = format!("web/{}", of_web[0].as_str().expect("an id"));
    let shown = server.show(&one);
    assert_eq!(shown["health"]["status"], "passing");
    assert_eq!(
        shown["lease_expires_at"],
        server.time_in(600),
        "when it is let go at the latest"
    );
    let listed = held["services"].as_array().expect("services").iter();
    let listed: Vec<_> = listed.map(|service| service["service"].clone()).collect();
    assert_eq!(listed, ["db", "web"]);

    let ready = server.get("/readyz").expect(200).json();
    assert_eq!((&ready["ready"], &ready["guarded"]), (&json!(true), &json!(true)));
    assert_eq!(metric(&server, "callsign_guard_zones"), "1");
    assert_eq!(metric(&server, "callsign_guard_held"), "29");
    assert_eq!(metric(&server, "callsign_guard_begun_total"), "1");

    // DNS keeps them for as long as the guard holds; then they are really gone.
    let before = (answered(&server, "web"), answered(&server, "db"));
    pass(&server, 595, &alive);
    assert_eq!((answered(&server, "web"), answered(&server, "db")), before);
    pass(&server, 5, &alive);
    assert_eq!((answered(&server, "web"), answered(&server, "db")), (3, 1));
    assert_eq!(guard(&server)["holds"], false);
    assert_eq!(server.get("/readyz").expect(200).json()["guarded"], false);
    assert_eq!(metric(&server, "callsign_guard_held"), "0");
    assert_eq!(metric(&server, "callsign_guard_let_go_total{why=\"time\"}"), "29");
}

#[test]
fn when_one_in_twenty_stops_it_is_gone_after_its_lease() {
    let server = TestServer::start();
    register(&server, "web", 100, 60);
    let alive = keys("web", 3..60);
    pass(&server, 15, &alive);
    assert_eq!(answered(&server, "web"), 57);
    assert_eq!(guard(&server)["holds"], false);
}

#[test]
fn when_heartbeats_come_back_nobody_was_lost() {
    let server = TestServer::start();
    register(&server, "web", 100, 20);
    server.advance_s(30);
    assert_eq!(answered(&server, "web"), 16);
    let index = server.index();
    for key in keys("web", 0..20) {
        heartbeat(&server, &key);
    }
    assert_eq!(
        server.index(),
        index + 4,
        "a held lease is renewed without a change; four revive"
    );
    assert_eq!(answered(&server, "web"), 20);
    let after = guard(&server);
    assert_eq!(
        (&after["held"], &after["leases"], &after["lapsed"]),
        (&json!(0), &json!(20), &json!(0))
    );
    pass(&server, 5, &keys("web", 0..20));
    assert_eq!(guard(&server)["holds"], false);
}

#[test]
fn a_service_that_goes_on_without_some_loses_them_after_one_more_lease() {
    let server = TestServer::start();
    register(&server, "web", 100, 10);
    register(&server, "db", 101, 10);
    let alive = keys("web", 0..6);
    pass(&server, 15, &alive);
    let (web, db) = (answered(&server, "web"), answered(&server, "db"));
    assert_eq!(web + db, 16);
    pass(&server, 10, &alive);
    assert_eq!(answered(&server, "web"), web);
    // The first heartbeat of this test came 5 s after the last lease began, so the others ran out at 15 s sharp.
    pass(&server, 6, &alive);
    pass(&server, 30, &alive);
    assert_eq!(answered(&server, "web"), 6, "most go on");
    assert_eq!(answered(&server, "db"), db, "nobody goes on");
    assert_eq!(
        server.get("/v1/services/web").expect(200).json()["guard"],
        Value::Null
    );
}

#[test]
fn an_operator_lets_it_go_and_the_next_answer_shows_that() {
    let server = TestServer::start();
    let other = "/v1/zones/other.internal";
    server.put(other, &json!({})).expect(201);
    register(&server, "web", 100, 20);
    server.advance_s(15);
    assert_eq!(answered(&server, "web"), 16);
    server.delete("/v1/guard?zone=other.internal").expect(204);
    assert_eq!(answered(&server, "web"), 16);
    server
        .delete("/v1/guard?zone=nothing.internal")
        .expect_problem(404, "no_zone");
    server.delete("/v1/guard?zone=..").expect_invalid("zone");
    server.delete("/v1/guard?service=web").expect_invalid("service");
    server
        .get("/v1/guard?zone=nothing.internal")
        .expect_problem(404, "no_zone");
    let one = server.get("/v1/guard?zone=svc.internal").expect(200).json();
    assert_eq!(one["zones"].as_array().map(Vec::len), Some(1));
    assert_eq!((&one["scope"], &one["at_most"]), (&json!("zone"), &json!("10m")));

    let index = server.index();
    let reply = server.delete("/v1/guard").expect(204);
    assert_eq!(reply.index(), index + 16);
    assert_eq!(answered(&server, "web"), 0);
    assert_eq!(guard(&server)["holds"], false);
    assert_eq!(
        metric(&server, "callsign_guard_let_go_total{why=\"operator\"}"),
        "16"
    );
    server.delete("/v1/guard").expect(204);
    heartbeat(&server, "web/web-7");
    assert_eq!(answered(&server, "web"), 1, "a heartbeat revives as ever");
}

#[test]
fn a_critical_report_is_never_held_back() {
    let server = TestServer::start();
    register(&server, "web", 100, 10);
    server.advance_s(15);
    assert_eq!(answered(&server, "web"), 7);
    for key in keys("web", 0..10) {
        let path = format!("{}/health", instance(&key));
        server.put(&path, &json!({"status": "critical"})).expect(200);
    }
    assert_eq!(answered(&server, "web"), 0);
}

#[test]
fn off_and_by_service() {
    let off = Setup::new().flag(Key::Guard, ["off"]).start();
    register(&off, "web", 100, 10);
    off.advance_s(15);
    assert_eq!(answered(&off, "web"), 0);
    assert_eq!(off.get("/v1/guard").expect(200).json()["scope"], "off");

    let by_service = Setup::new()
        .flag(Key::Guard, ["service"])
        .flag(Key::GuardFor, ["1m"])
        .start();
    register(&by_service, "web", 100, 60);
    register(&by_service, "db", 101, 5);
    pass(&by_service, 15, &keys("web", 0..60));
    assert_eq!(
        (answered(&by_service, "web"), answered(&by_service, "db")),
        (60, 2)
    );
    pass(&by_service, 60, &keys("web", 0..60));
    assert_eq!(
        (answered(&by_service, "web"), answered(&by_service, "db")),
        (60, 0)
    );
}

#[test]
fn what_the_guard_shows_can_be_sent_back() {
    let server = TestServer::start();
    register(&server, "web", 100, 10);
    server.advance_s(15);
    let shown = server.get("/v1/services/web").expect(200).json();
    assert!(shown["guard"]["held"].is_array());
    server.unchanged_by(|server| server.put("/v1/services/web", &shown).expect(200));
}

#[test]
fn after_a_restart_the_guard_begins_anew() {
    let server = TestServer::start();
    register(&server, "web", 100, 20);
    server.advance_s(15);
    let server = server.restart();
    assert_eq!(guard(&server)["holds"], false);
    assert_eq!(
        (guard(&server)["leases"].clone(), answered(&server, "web")),
        (json!(16), 16)
    );
    // Leases have their length again, and run out once more.
    server.advance_s(30);
    assert_eq!(answered(&server, "web"), 13, "3 of 16 are more than 15 %");
    assert_eq!(guard(&server)["holds"], true);
}

/// The real program: one line when the guard begins, one when it ends, and the operator's commands.
#[test]
fn the_log_has_one_warning_when_it_begins_and_one_when_it_ends() {
    let program = Program::start();
    for id in 0..20 {
        let body = json!({"address": format!("192.0.2.{id}"), "lease": "1s"});
        let path = format!("/v1/services/web/instances/web-{id}");
        program.client().put(&path, &body).expect(201);
    }
    let began = Instant::now();
    let holds = || {
        let guard = program.client().get("/v1/guard").expect(200).json();
        guard["zones"][0]["held"] == 16
    };
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(10), "alarm within 10 s");
        std::thread::sleep(Duration::from_millis(5));
    }
    let warnings = |text: &str| program.stderr().matches(text).count();
    assert_eq!(warnings("WARN"), 1, "{}", program.stderr());
    assert_eq!(warnings("the guard holds: "), 1);
    let server = format!("http://{}", program.http);
    let shown = run(["guard", "show", "--server", &server]);
    let line = shown.stdout.lines().nth(1).unwrap_or_default();
    let columns: Vec<_> = line.split_whitespace().take(5).collect();
    assert_eq!(columns, ["svc.internal", "yes", "16", "4", "16"], "{shown:?}");
    let zone = ["guard", "release", "--zone", "svc.internal", "--server", &server];
    let released = run(zone);
    assert_eq!((released.code, released.stderr.as_str()), (Some(0), ""));
    assert_eq!(released.stdout, "released the guard of zone svc.internal\n");
    let web = program.client().get("/v1/services/web/instances?answerable=true");
    assert_eq!(web.expect(200).json()["instances"], json!([]));
    assert_eq!(warnings("the guard holds no more"), 1);
    assert_eq!(warnings("WARN"), 2, "{}", program.stderr());
}
