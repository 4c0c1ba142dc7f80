//! Many clients at once: each write is whole, each has its index, and exactly one of those that race wins.

use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::server::{Setup, TestServer, instance};

const CLIENTS: usize = 8;

/// Lets so many clients do something at once; gives what each got.
fn together<T: Send>(server: &TestServer, client: impl Fn(&TestServer, usize) -> T + Sync) -> Vec<T> {
    let client = &client;
    thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| scope.spawn(move || client(server, number)))
            .collect();
        clients
            .into_iter()
            .map(|client| client.join().expect("a client that ends well"))
            .collect()
    })
}

#[test]
fn every_change_has_an_index_of_its_own_and_none_is_left_out() {
    let server = TestServer::start();
    let before = server.index();
    let indexes = together(&server, |server, client| {
        let put = |n: usize| {
            let body = json!({"address": format!("192.0.2.{}", n + 1), "port": client + 1});
            let shown = server.register(&format!("web/c{client}"), &body).json();
            // What was answered is in the DNS: the client's own last word, for nobody else writes to this name.
            let name = format!("c{client}.web.svc.internal");
            assert_eq!(server.addresses(&name), [format!("192.0.2.{}", n + 1)]);
            shown["index"].as_u64().expect("an index")
        };
        (0..25).map(put).collect::<Vec<_>>()
    });
    for of_one in &indexes {
        assert!(of_one.is_sorted(), "{of_one:?}");
    }
    let all: BTreeSet<u64> = indexes.into_iter().flatten().collect();
    let expected: BTreeSet<u64> = (before + 1..=before + 25 * CLIENTS as u64).collect();
    assert_eq!(all, expected);
    assert_eq!(server.index(), before + 25 * CLIENTS as u64);
}

#[test]
fn of_many_that_create_only_one_does() {
    let server = TestServer::start();
    for round in 0..10 {
        let path = instance(&format!("web/r{round}"));
        let replies = together(&server, |server, client| {
            let body = json!({"address": format!("192.0.2.{}", client + 1)}).to_string();
            server
                .client()
                .request("PUT", &path, &[("If-None-Match", "*")], Some(body.as_bytes()))
        });
        let created: Vec<_> = replies.iter().filter(|reply| reply.status == 201).collect();
        assert_eq!(
            created.len(),
            1,
            "{:?}",
            replies.iter().map(|reply| reply.status).collect::<Vec<_>>()
        );
        assert!(replies.iter().all(|reply| matches!(reply.status, 201 | 412)));
        assert_eq!(server.get(&path).expect(200).json(), created[0].json());
    }
}

#[test]
fn of_many_that_change_the_same_version_only_one_does() {
    let server = TestServer::start();
    let path = instance("web/web-1");
    server.register("web/web-1", &json!({"address": "192.0.2.200"}));
    for round in 0..10 {
        let etag = server.get(&path).header("etag").expect("an ETag").to_string();
        let statuses = together(&server, |server, client| {
            let body = json!({"address": format!("192.0.2.{}", round * CLIENTS + client + 1)}).to_string();
            server
                .client()
                .request("PUT", &path, &[("If-Match", &etag)], Some(body.as_bytes()))
                .status
        });
        assert_eq!(
            statuses.iter().filter(|status| **status == 200).count(),
            1,
            "{statuses:?}"
        );
        assert_eq!(
            statuses.iter().filter(|status| **status == 412).count(),
            CLIENTS - 1,
            "{statuses:?}"
        );
    }
}

#[test]
fn of_many_that_delete_only_one_does() {
    let server = TestServer::start();
    for _ in 0..10 {
        server.register("web/web-1", &json!({"address": "192.0.2.1"}));
        let index = server.index();
        let statuses = together(&server, |server, _| server.delete(&instance("web/web-1")).status);
        assert_eq!(
            statuses.iter().filter(|status| **status == 204).count(),
            1,
            "{statuses:?}"
        );
        assert_eq!(server.index(), index + 1);
    }
}

#[test]
fn registrations_beside_removals_of_their_service_leave_whole_things() {
    let server = TestServer::start();
    together(&server, |server, client| {
        for n in 0..15 {
            if client == 0 {
                let status = server.delete("/v1/services/web").status;
                assert!(matches!(status, 204 | 404), "{status}");
            } else {
                let key = format!("web/c{client}-{n}");
                let body = json!({"address": "192.0.2.1", "lease": "1h", "tags": ["v2"]});
                server.put(&instance(&key), &body).expect(201);
                let status = server
                    .put_nothing(&format!("{}/heartbeat", instance(&key)))
                    .status;
                assert!(matches!(status, 204 | 404), "{status}");
                let status = server
                    .put(&format!("{}/drain", instance(&key)), &json!({}))
                    .status;
                assert!(matches!(status, 200 | 404), "{status}");
            }
        }
    });
    let before = server.picture();
    let (index, serial) = (server.index(), server.serial());
    let server = server.restart();
    assert_eq!((server.index(), server.serial()), (index, serial));
    assert_eq!(
        server.picture(),
        before,
        "no clock moved, and every lease is longer than 30 s"
    );
}

#[test]
fn a_heartbeat_that_was_answered_is_never_undone() {
    // Heartbeats race with the lapse of the same lease: whoever was answered 204 has its full length ahead.
    let server = TestServer::start();
    server.register("web/web-1", &json!({"address": "192.0.2.1", "lease": "1s"}));
    for _ in 0..30 {
        thread::scope(|scope| {
            let beat = scope.spawn(|| {
                server
                    .put_nothing(&format!("{}/heartbeat", instance("web/web-1")))
                    .status
            });
            server.advance(Duration::from_secs(1));
            assert_eq!(beat.join().expect("a client that ends well"), 204);
        });
        // The heartbeat came before the clock moved, or after it.
        server
            .put_nothing(&format!("{}/heartbeat", instance("web/web-1")))
            .expect(204);
        server.settle();
        assert_eq!(server.addresses("web.svc.internal"), ["192.0.2.1"]);
        server.advance(Duration::from_millis(999));
        assert_eq!(server.addresses("web.svc.internal"), ["192.0.2.1"]);
    }
}

#[test]
fn on_the_systems_clock_a_silent_lease_lapses_and_a_beating_one_does_not() {
    let server = Setup::new().start_on_system_clock();
    let mut silent = json!({"address": "192.0.2.1", "lease": "100ms", "deregister_after": "100ms"});
    server.register("web/silent", &silent);
    silent["address"] = json!("192.0.2.2");
    silent["lease"] = json!("20s");
    server.register("web/beating", &silent);
    let began = Instant::now();
    while server.get(&instance("web/silent")).status != 404 {
        assert!(
            began.elapsed() < Duration::from_secs(10),
            "it neither lapsed nor was it removed"
        );
        server
            .put_nothing(&format!("{}/heartbeat", instance("web/beating")))
            .expect(204);
    }
    assert!(
        began.elapsed() >= Duration::from_millis(200),
        "after {:?}",
        began.elapsed()
    );
    assert_eq!(server.addresses("web.svc.internal"), ["192.0.2.2"]);
}
