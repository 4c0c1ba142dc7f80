//! Leases and delays of the real program in real time: what a pause, a kill and a clock of its own must not end. The
//! rules themselves are held with a clock that the test moves; here they have to be true of a process.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::dns::{Query, Type, ask, rcode};
use crate::support::program::Program;
use crate::wire::{ZONE, answers, nodata, nxdomain, put, register};

fn is_answered(program: &Program, label: &str) -> bool {
    !ask(program.dns, &Query::new(&format!("{label}.{ZONE}"), Type::A))
        .answers
        .is_empty()
}

/// Waits until `done`; gives how long it took.
#[track_caller]
fn eventually(what: &str, done: impl Fn() -> bool) -> Duration {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < Duration::from_secs(15), "{what} did not happen");
        std::thread::sleep(Duration::from_millis(5));
    }
    began.elapsed()
}

#[test]
fn a_lease_that_is_not_renewed_lapses_and_a_heartbeat_brings_it_back() {
    let program = Program::start();
    register(
        &program,
        "web",
        "kept",
        json!({"address": "192.0.2.1", "lease": "600ms"}),
    );
    register(
        &program,
        "web",
        "lost",
        json!({"address": "192.0.2.2", "lease": "600ms"}),
    );
    register(
        &program,
        "web",
        "gone",
        json!({"address": "192.0.2.3", "lease": "600ms", "deregister_after": "0s"}),
    );
    let began = Instant::now();
    let heartbeat = |id: &str| {
        let path = format!("/v1/services/web/instances/{id}/heartbeat");
        program.client().request("PUT", &path, &[], None).status
    };
    let took = eventually("the lapse", || {
        assert_eq!(heartbeat("kept"), 204);
        // One question at a time: between two of them another lease may lapse.
        ask(program.dns, &Query::new(&format!("web.{ZONE}"), Type::A))
            .answers
            .len()
            == 1
    });
    assert!(
        began.elapsed() >= Duration::from_millis(550),
        "lapsed {took:?} after it was registered"
    );
    assert_eq!(
        answers(program.dns, &format!("web.{ZONE}"), Type::A),
        [format!("web.{ZONE}. 5 A 192.0.2.1")]
    );
    // A host name stays as long as its instance; `deregister_after` 0s ends both.
    assert!(is_answered(&program, "lost.web"));
    nxdomain(program.dns, ZONE, &format!("gone.web.{ZONE}"), Type::A);
    assert_eq!((heartbeat("gone"), heartbeat("lost")), (404, 204));
    assert_eq!(answers(program.dns, &format!("web.{ZONE}"), Type::A).len(), 2);
}

#[test]
fn a_restart_gives_a_running_lease_time_and_leaves_a_lapsed_one_lapsed() {
    let program = Program::start();
    register(
        &program,
        "web",
        "lapsed",
        json!({"address": "192.0.2.1", "lease": "100ms"}),
    );
    eventually("the lapse", || !is_answered(&program, "web"));
    register(
        &program,
        "web",
        "running",
        json!({"address": "192.0.2.2", "lease": "400ms"}),
    );
    let program = program.kill_and_restart();
    let began = Instant::now();
    while began.elapsed() < Duration::from_millis(1500) {
        let seen = answers(program.dns, &format!("web.{ZONE}"), Type::A);
        assert_eq!(
            seen,
            [format!("web.{ZONE}. 5 A 192.0.2.2")],
            "{:?} after the restart",
            began.elapsed()
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_pause_of_the_process_expires_nothing() {
    let program = Program::start();
    register(
        &program,
        "web",
        "a",
        json!({"address": "192.0.2.1", "lease": "1500ms"}),
    );
    program.signal("STOP");
    std::thread::sleep(Duration::from_secs(4));
    program.signal("CONT");
    // Until a heartbeat has come, as its client would send one.
    let began = Instant::now();
    while began.elapsed() < Duration::from_millis(700) {
        assert!(
            is_answered(&program, "web"),
            "lapsed {:?} after the pause",
            began.elapsed()
        );
        std::thread::sleep(Duration::from_millis(10));
    }
    let status = program
        .client()
        .request("PUT", "/v1/services/web/instances/a/heartbeat", &[], None)
        .status;
    assert_eq!(status, 204);
    // And it lapses after all, once nobody renews it.
    eventually("the lapse", || !is_answered(&program, "web"));
}

#[test]
fn a_drain_removes_after_its_delay() {
    let program = Program::start();
    register(&program, "web", "a", json!({"address": "192.0.2.1"}));
    put(
        &program,
        "web/instances/a/drain",
        json!({"delete_after": "300ms"}),
    );
    nodata(program.dns, ZONE, &format!("web.{ZONE}"), Type::A);
    assert!(is_answered(&program, "a.web"), "its host name stays until then");
    eventually("the removal", || !is_answered(&program, "a.web"));
    nxdomain(program.dns, ZONE, &format!("a.web.{ZONE}"), Type::A);
    assert_eq!(program.client().get("/v1/services/web/instances/a").status, 404);
    let known = ask(program.dns, &Query::new(&format!("web.{ZONE}"), Type::A));
    assert_eq!(known.rcode(), rcode::NOERROR);
}
