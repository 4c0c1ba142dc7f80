//! `POST /v1/heartbeats`: what it renews, revives and lists, and that neither a full disk nor one that stands still is
//! in the way of a heartbeat.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::http::Client;
use crate::support::program::{Launch, Program};
use crate::support::server::TestServer;
use crate::trouble::SmallDisk;
use crate::wire::register;

const PATH: &str = "/v1/heartbeats";

fn of(instances: &[&str]) -> Value {
    json!({ "instances": instances })
}

/// A server with `web-1` and `web-2` on leases of 10 s, and `still` without one.
fn with_leases() -> TestServer {
    let server = TestServer::start();
    for (id, address) in [("web-1", "192.0.2.1"), ("web-2", "192.0.2.2")] {
        server.register(&format!("web/{id}"), &json!({"address": address, "lease": "10s"}));
    }
    server.register("db/still", &json!({"address": "192.0.2.3"}));
    server
}

#[test]
fn leases_are_renewed_and_who_is_unknown_is_named() {
    let server = with_leases();
    server.advance_s(9);
    let before = (server.index(), server.serial());
    let named = of(&["web/web-1", "web/web-9", "Web/WEB-2", "db/still", "nothing/a"]);
    let reply = server.post(PATH, &named).expect(200);
    assert_eq!((server.index(), server.serial()), before);
    assert_eq!(
        reply.json(),
        json!({"renewed": 3, "unknown": ["web/web-9", "nothing/a"]}),
        "without a lease there is nothing to renew"
    );
    for key in ["web/web-1", "web/web-2"] {
        assert_eq!(server.show(key)["lease_expires_at"], server.time_in(10), "{key}");
    }
    let none = server.post(PATH, &of(&[])).expect(200).json();
    assert_eq!(none, json!({"renewed": 0, "unknown": []}));
    let twice = server
        .post(PATH, &of(&["web/web-1", "web/web-1"]))
        .expect(200)
        .json();
    assert_eq!(twice, json!({"renewed": 2, "unknown": []}), "each entry counts");
}

#[test]
fn what_has_lapsed_is_revived_by_one_request() {
    let server = with_leases();
    server.advance_s(11);
    assert_eq!(server.addresses("web.svc.internal"), [""; 0]);
    let index = server.index();
    let reply = server
        .post(PATH, &of(&["web/web-1", "db/still", "web/web-2", "web/web-9"]))
        .expect(200);
    assert_eq!(reply.json(), json!({"renewed": 3, "unknown": ["web/web-9"]}));
    assert_eq!((reply.index(), server.index()), (index + 2, index + 2));
    assert_eq!(server.addresses("web.svc.internal"), ["192.0.2.1", "192.0.2.2"]);
}

#[test]
fn each_zone_has_its_own_instances() {
    let server = with_leases();
    server.put("/v1/zones/other.internal", &json!({})).expect(201);
    let there = "/v1/zones/other.internal/heartbeats";
    let reply = server.post(there, &of(&["web/web-1"])).expect(200).json();
    assert_eq!(reply, json!({"renewed": 0, "unknown": ["web/web-1"]}));
    let reply = server
        .post("/v1/zones/SVC.internal./heartbeats", &of(&["web/web-1"]))
        .expect(200)
        .json();
    assert_eq!(reply, json!({"renewed": 1, "unknown": []}));
    server
        .post("/v1/zones/unknown.internal/heartbeats", &of(&["web/web-1"]))
        .expect_problem(404, "no_zone");
}

#[test]
fn a_wrong_entry_renews_nothing() {
    let server = with_leases();
    server.advance_s(9);
    for (body, field) in [
        (of(&["web/web-1", "web"]), "instances[1]"),
        (of(&["web/web-1", "web/-"]), "instances[1]"),
        (json!({"instances": ["web/web-1", null]}), "instances[1]"),
        (
            json!({"instances": ["web/web-1"], "zone": "svc.internal"}),
            "zone",
        ),
        (json!({}), "instances"),
    ] {
        server.post(PATH, &body).expect_invalid(field);
    }
    let condition = [("If-Match", "\"1\"")];
    let body = of(&["web/web-1"]).to_string();
    let conditional = server
        .client()
        .request("POST", PATH, &condition, Some(body.as_bytes()));
    conditional.expect_invalid("If-Match");
    server
        .post(&format!("{PATH}?zone=x"), &of(&["web/web-1"]))
        .expect_invalid("zone");
    assert_eq!(server.show("web/web-1")["lease_expires_at"], server.time_in(1));
}

#[test]
fn ten_thousand_at_once_and_no_more() {
    let server = with_leases();
    let mut entries = vec!["web/web-1"; 10_000];
    let reply = server.post(PATH, &of(&entries)).expect(200).json();
    assert_eq!(reply["renewed"], 10_000);
    entries.push("web/web-1");
    server.post(PATH, &of(&entries)).expect_invalid("instances");
}

/// Both kinds of heartbeat, of a lease that runs; each must be answered at once.
#[track_caller]
fn both_work(client: &Client) {
    let began = Instant::now();
    let one = client.request("PUT", "/v1/services/web/instances/a/heartbeat", &[], None);
    assert_eq!(one.status, 204, "{}", one.text());
    let both = client.post(PATH, &of(&["web/a", "web/gone"])).expect(200);
    assert_eq!(both.json(), json!({"renewed": 1, "unknown": ["web/gone"]}));
    // The disk's stall lasts for seconds.
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
}

#[test]
fn while_the_writer_waits_for_the_disk_heartbeats_are_answered() {
    let program = Program::start();
    register(
        &program,
        "web",
        "a",
        json!({"address": "192.0.2.1", "lease": "1h"}),
    );
    let other = rusqlite::Connection::open(program.data_dir.join("callsign.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let client = program.client();
    std::thread::scope(|scope| {
        let write =
            scope.spawn(|| client.put("/v1/services/web/instances/b", &json!({"address": "192.0.2.2"})));
        let mut beats = 0;
        while !write.is_finished() {
            both_work(&client);
            beats += 1;
            std::thread::sleep(Duration::from_millis(20));
        }
        write.join().unwrap().expect(503);
        assert!(beats >= 10, "the writer waited for {beats} heartbeats only");
    });
    other.execute_batch("ROLLBACK").unwrap();
}

#[test]
fn a_full_disk_is_no_hindrance_also_to_who_comes_back() {
    let Some(disk) = SmallDisk::new("16m") else {
        println!("SKIPPED: nothing can be mounted here, so heartbeats on a full disk were not tested");
        return;
    };
    let program = Launch::new().data_dir(&disk.path().join("data")).start();
    register(
        &program,
        "web",
        "a",
        json!({"address": "192.0.2.1", "lease": "1h"}),
    );
    register(
        &program,
        "web",
        "b",
        json!({"address": "192.0.2.2", "lease": "100ms"}),
    );
    let client = program.client();
    let filled = std::fs::write(disk.path().join("ballast"), vec![1; 32 << 20]);
    assert!(filled.is_err());
    let mut number = 0;
    let full = loop {
        let body = json!({"address": "192.0.2.9", "meta": {"k": "v".repeat(4000)}});
        let reply = client.put(&format!("/v1/services/big/instances/i{number}"), &body);
        number += 1;
        assert!(number < 10_000, "the disk does not get full");
        if reply.status != 201 {
            break reply;
        }
    };
    full.expect_problem(507, "disk_full");
    both_work(&client);
    // Its lease lapsed long ago: a revival is a write, for which room is kept.
    let began = Instant::now();
    while client.get("/v1/services/web/instances/b").json()["health"]["status"] != "critical" {
        assert!(
            began.elapsed() < Duration::from_secs(10),
            "its lease does not lapse"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    let reply = client.post(PATH, &of(&["web/b"])).expect(200);
    assert_eq!(reply.json(), json!({"renewed": 1, "unknown": []}));
}
