//! Reads that wait: `?index=N&wait=…`.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::metrics::counted;
use crate::support::http::{Connection, DEADLINE, Response};
use crate::support::program::Program;
use crate::support::server::{Setup, TestServer, instance};
use crate::wire::register;

const WEB: &str = "/v1/services/web";
const INSTANCES: &str = "/v1/services/web/instances";

fn with_web() -> TestServer {
    let server = TestServer::start();
    server.register("web/web-1", &json!({"address": "192.0.2.1", "port": 80}));
    server
}

/// How many reads wait now.
fn waiting(server: &TestServer) -> u64 {
    counted(&server.get("/metrics").text(), "callsign_waiting_reads")
}

fn until(what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < DEADLINE, "{what}: not after {DEADLINE:?}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// Reads `path`, waiting for a change after now, and does `change` once it waits; gives the reply and how long it took
/// after that.
fn while_waiting(server: &TestServer, path: &str, wait: &str, change: impl FnOnce()) -> (Response, Duration) {
    let separator = if path.contains('?') { '&' } else { '?' };
    let path = format!("{path}{separator}index={}&wait={wait}", server.index());
    thread::scope(|scope| {
        let reading = scope.spawn(|| server.client().deadline(Duration::from_secs(30)).get(&path));
        until("the read waits", || waiting(server) == 1);
        let began = Instant::now();
        change();
        let reply = reading.join().expect("a reader that ends well");
        (reply, began.elapsed())
    })
}

/// Holds that `change` answers a read that waits, at once and with what is so then.
#[track_caller]
fn answers(server: &TestServer, path: &str, status: u16, change: impl FnOnce()) -> Response {
    let before = server.index();
    let (reply, took) = while_waiting(server, path, "20s", change);
    assert!(took < Duration::from_secs(10), "{path}: {took:?}");
    let reply = reply.expect(status);
    assert!(reply.index() > before, "{path}: {} after {before}", reply.index());
    // Whoever goes on from there misses nothing and is not answered again for the same.
    assert_eq!(reply.index(), server.index());
    until("nobody waits", || waiting(server) == 0);
    reply
}

/// Holds that `change` answers no read that waits, nor one that comes with the index from before.
#[track_caller]
fn wakes_nobody(server: &TestServer, path: &str, change: impl FnOnce()) {
    let before = server.index();
    let (reply, took) = while_waiting(server, path, "300ms", change);
    assert!(
        took >= Duration::from_millis(250),
        "{path}: answered after {took:?}"
    );
    reply.expect(200);
    assert!(server.index() > before, "{path}: nothing changed");
    assert_waits(server, path, before);
}

/// Holds that a read with this index waits to the end.
#[track_caller]
fn assert_waits(server: &TestServer, path: &str, index: u64) -> Response {
    let separator = if path.contains('?') { '&' } else { '?' };
    let began = Instant::now();
    let reply = server.get(&format!("{path}{separator}index={index}&wait=200ms"));
    let took = began.elapsed();
    assert!(
        took >= Duration::from_millis(200),
        "{path}: answered after {took:?}"
    );
    reply
}

/// Holds that a read with this index does not wait at all.
#[track_caller]
fn assert_at_once(server: &TestServer, path: &str, index: u64) -> Response {
    let separator = if path.contains('?') { '&' } else { '?' };
    let began = Instant::now();
    let reply = server.get(&format!("{path}{separator}index={index}&wait=20s"));
    let took = began.elapsed();
    assert!(took < Duration::from_secs(5), "{path}: answered after {took:?}");
    reply
}

#[test]
fn a_read_is_answered_once_what_it_shows_has_changed() {
    let server = with_web();
    let registers = |id: &str| {
        let key = format!("web/{id}");
        server.register(&key, &json!({"address": "192.0.2.2"}));
    };
    let shown = answers(&server, WEB, 200, || registers("web-2")).json();
    assert_eq!(shown["instances"].as_array().map(Vec::len), Some(2));
    answers(&server, INSTANCES, 200, || registers("web-3"));
    answers(&server, "/v1/services", 200, || registers("web-4"));
    answers(&server, "/v1/zones/svc.internal/services", 200, || {
        server.delete(&instance("web/web-4")).expect(204);
    });
    let settings = answers(&server, WEB, 200, || {
        server.put(WEB, &json!({"ttl": "10s"})).expect(200);
    });
    assert_eq!(settings.json()["settings"]["ttl"], "10s");
    answers(&server, "/v1/services?prefix=d", 200, || {
        server.register("db/db-1", &json!({"address": "192.0.2.9"}));
    });
    // What happened before the request counts as well.
    let before = server.index() - 1;
    assert_at_once(&server, "/v1/services", before).expect(200);
    assert_at_once(&server, WEB, 1).expect(200);
    assert_at_once(&server, INSTANCES, 1).expect(200);
}

#[test]
fn what_is_not_shown_wakes_nobody() {
    let server = with_web();
    server.register(
        "web/sick",
        &json!({"address": "192.0.2.3", "status": "critical", "tags": ["v2"]}),
    );
    let says = |output: &str| {
        let body = json!({"status": "critical", "output": output});
        server
            .put(&format!("{}/health", instance("web/sick")), &body)
            .expect(200);
    };
    let elsewhere = |id: &str| {
        server.register(&format!("db/{id}"), &json!({"address": "192.0.2.9"}));
    };
    wakes_nobody(&server, WEB, || elsewhere("a"));
    wakes_nobody(&server, INSTANCES, || elsewhere("b"));
    wakes_nobody(&server, "/v1/services?prefix=w", || elsewhere("c"));
    wakes_nobody(&server, &format!("{INSTANCES}?answerable=true"), || says("one"));
    wakes_nobody(&server, &format!("{INSTANCES}?tag=v1"), || says("two"));
    wakes_nobody(&server, &format!("{INSTANCES}?prefix=web"), || says("three"));
    wakes_nobody(&server, &format!("{INSTANCES}?after=sick"), || says("four"));
    // Counts by status stay what they are.
    wakes_nobody(&server, "/v1/services", || says("five"));
    // The list of instances shows no settings.
    wakes_nobody(&server, INSTANCES, || {
        server.put(WEB, &json!({"ttl": "10s"})).expect(200);
    });
    // The same changes are shown without the filter, or where something leaves the selection.
    answers(&server, &format!("{INSTANCES}?tag=V2"), 200, || says("six"));
    answers(&server, WEB, 200, || says("seven"));
    let left = answers(&server, &format!("{INSTANCES}?answerable=true"), 200, || {
        server
            .put(&format!("{}/drain", instance("web/web-1")), &json!({}))
            .expect(200);
    });
    assert_eq!(left.json()["instances"], json!([]));
    let before = server.index() - 1;
    assert_at_once(&server, &format!("{INSTANCES}?answerable=true"), before).expect(200);
}

#[test]
fn a_heartbeat_is_no_change() {
    let server = TestServer::start();
    server.register("web/web-1", &json!({"address": "192.0.2.1", "lease": "1h"}));
    let (reply, took) = while_waiting(&server, WEB, "300ms", || {
        server
            .put_nothing(&format!("{}/heartbeat", instance("web/web-1")))
            .expect(204);
    });
    reply.expect(200);
    assert!(took >= Duration::from_millis(250), "{took:?}");
    // But what it undoes is one, and so is a lapse.
    answers(&server, INSTANCES, 200, || server.advance_s(3600));
    answers(&server, INSTANCES, 200, || {
        server
            .put_nothing(&format!("{}/heartbeat", instance("web/web-1")))
            .expect(204);
    });
}

#[test]
fn an_index_above_the_current_one_is_answered_at_once() {
    let server = with_web();
    for path in [WEB, INSTANCES, "/v1/services"] {
        let reply = assert_at_once(&server, path, server.index() + 1).expect(200);
        assert_eq!(reply.index(), server.index());
        assert_waits(&server, path, server.index()).expect(200);
    }
}

#[test]
fn a_service_that_does_not_exist_is_waited_for_unless_it_was_removed_after_the_index() {
    let server = with_web();
    let none = "/v1/services/none";
    server.get(none).expect_problem(404, "no_service");
    assert_waits(&server, none, server.index()).expect_problem(404, "no_service");
    // Also where the index is older than what happened elsewhere, and after a restart.
    assert_waits(&server, none, 1).expect_problem(404, "no_service");
    let server = server.restart();
    assert_waits(&server, &format!("{none}/instances"), 1).expect_problem(404, "no_service");
    answers(&server, none, 200, || {
        server.register("none/a", &json!({"address": "192.0.2.1"}));
    });
    let before = server.index();
    answers(&server, none, 404, || {
        server.delete(none).expect(204);
    });
    let gone = assert_at_once(&server, none, before).expect_problem(404, "no_service");
    assert_waits(&server, none, gone.index()).expect_problem(404, "no_service");
    let server = server.restart();
    assert_at_once(&server, none, before).expect_problem(404, "no_service");
    // An instance that a filter hides makes its service appear all the same.
    let hidden = answers(&server, "/v1/services/new/instances?answerable=true", 200, || {
        server.register("new/a", &json!({"address": "192.0.2.1", "status": "critical"}));
    });
    assert_eq!(hidden.json()["instances"], json!([]));
    let zone = "/v1/zones/none.internal/services/web";
    assert_at_once(&server, zone, server.index()).expect_problem(404, "no_zone");
}

#[test]
fn a_wait_is_at_most_ten_minutes_and_may_be_a_number_of_seconds() {
    let server = with_web();
    for wait in ["601", "10m1s", "-1s", "600001ms", "", "11m"] {
        let reply = server.get(&format!("{WEB}?index=1&wait={wait}"));
        reply.expect_invalid("wait");
    }
    for wait in ["0", "0s", "0.1", "100ms"] {
        let path = format!("{WEB}?index={}&wait={wait}", server.index());
        server.get(&path).expect(200);
    }
    // Without an index nothing is waited for.
    server.get(&format!("{WEB}?wait=10m")).expect(200);
    server
        .get(&format!("{}?index=1", instance("web/web-1")))
        .expect_invalid("index");
}

#[test]
fn a_client_that_goes_away_is_waited_for_no_more() {
    let server = with_web();
    let mut connection = Connection::open(server.http(), DEADLINE);
    let path = format!("{WEB}?index={}&wait=10m", server.index());
    connection.send("GET", &path, &[], None);
    until("the read waits", || waiting(&server) == 1);
    drop(connection);
    until("its place is free", || waiting(&server) == 0);
}

#[test]
fn one_connection_serves_one_read_after_the_other() {
    let server = with_web();
    let mut connection = Connection::open(server.http(), DEADLINE);
    for _ in 0..3 {
        let path = format!("{WEB}?index={}&wait=50ms", server.index());
        connection.send("GET", &path, &[], None);
        connection.response("GET").expect(200);
    }
}

#[test]
fn what_waits_ends_when_the_server_stops() {
    let program = Program::start();
    register(&program, "web", "web-1", json!({"address": "192.0.2.1"}));
    let index = program.client().get("/v1/zones").index();
    let client = program.client().deadline(Duration::from_secs(30));
    thread::scope(|scope| {
        let reading = scope.spawn(|| client.get(&format!("{WEB}?index={index}&wait=10m")));
        let metrics = || program.client().get("/metrics").text();
        until("the read waits", || {
            counted(&metrics(), "callsign_waiting_reads") == 1
        });
        let stopped = program.terminate(Duration::from_secs(5));
        assert_eq!(stopped.code(), Some(0));
        let reply = reading.join().expect("a reader that ends well").expect(200);
        assert_eq!(reply.index(), index);
    });
}

#[test]
fn many_that_wait_for_one_service_are_all_answered() {
    let server = Setup::new().start_on_system_clock();
    server.register("web/web-1", &json!({"address": "192.0.2.1"}));
    let path = format!("{WEB}?index={}&wait=20s", server.index());
    thread::scope(|scope| {
        let reading: Vec<_> = (0..64)
            .map(|_| scope.spawn(|| server.client().deadline(Duration::from_secs(30)).get(&path)))
            .collect();
        until("all wait", || waiting(&server) == 64);
        let began = Instant::now();
        server.register("web/web-2", &json!({"address": "192.0.2.2"}));
        for one in reading {
            let shown = one.join().expect("a reader that ends well").expect(200).json();
            assert_eq!(shown["instances"].as_array().map(Vec::len), Some(2));
        }
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    });
}
