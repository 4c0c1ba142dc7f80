//! Following the catalog: `/v1/watch` in both its forms, and `/v1/changes`.

use std::time::{Duration, Instant};

use callsign::config::Key;
use serde_json::{Value, json};

use crate::metrics::counted;
use crate::support::http::{Client, DEADLINE, Event, Lines};
use crate::support::program::Program;
use crate::support::server::{Setup, TestServer, instance, word};
use crate::wire::register;

const LINES: (&str, &str) = ("Accept", "application/x-ndjson");

/// The changes after an index, as the log has them.
fn log(server: &TestServer, after: u64) -> Vec<Value> {
    let page = server
        .get(&format!("/v1/changes?after={after}&limit=10000"))
        .expect(200)
        .json();
    page["changes"].as_array().expect("a list").clone()
}

/// Opens a watch that must begin well.
#[track_caller]
fn watch(client: &Client, path: &str, headers: &[(&str, &str)]) -> Lines {
    let lines = client.stream(path, headers);
    assert_eq!(lines.status, 200, "{path}");
    assert!(lines.header("x-callsign-index").is_some() && lines.header("x-callsign-epoch").is_some());
    lines
}

#[track_caller]
fn event(lines: &mut Lines) -> (Option<String>, Option<u64>, Value) {
    let Event { event, id, data } = lines.next_event().expect("an event");
    let id = id.map(|id| id.parse().expect("an id is an index"));
    (event, id, serde_json::from_str(&data).expect("data is JSON"))
}

/// The next so many changes of a stream of events, each of which must have its index as its id.
#[track_caller]
fn changes(lines: &mut Lines, count: usize) -> Vec<Value> {
    let next = |_| {
        let (kind, id, data) = event(lines);
        assert_eq!((kind, id), (None, data["index"].as_u64()), "{data}");
        data
    };
    (0..count).map(next).collect()
}

#[track_caller]
fn line(lines: &mut Lines) -> Value {
    serde_json::from_str(&lines.next_line().expect("a line")).expect("a line is JSON")
}

fn index_of(change: &Value) -> u64 {
    change["index"].as_u64().expect("an index")
}

/// One change of each kind but those of zone files; gives how many.
fn one_of_each(server: &TestServer) -> usize {
    server.register(
        "web/web-1",
        &json!({"address": "192.0.2.1", "port": 80, "lease": "10s", "tags": ["a"]}),
    );
    let path = instance("web/web-1");
    server
        .put(
            &format!("{path}/health"),
            &json!({"status": "critical", "output": "a \"b\"\nc"}),
        )
        .expect(200);
    server
        .put(&format!("{path}/drain"), &json!({"delete_after": "1h"}))
        .expect(200);
    server.advance_s(10);
    server.put_nothing(&format!("{path}/heartbeat")).expect(204);
    server.put("/v1/services/web", &json!({"ttl": "7s"})).expect(200);
    server
        .put("/v1/zones/other.internal", &json!({"ttl": "9s"}))
        .expect(201);
    server.delete(&path).expect(204);
    server.delete("/v1/services/web").expect(204);
    server.register("gone/a", &json!({"address": "192.0.2.9"}));
    server.delete(&instance("gone/a")).expect(204);
    server.advance_s(3600);
    12
}

#[test]
fn every_change_is_told_once_in_both_forms_as_the_log_has_it() {
    let server = TestServer::start();
    let before = server.index();
    let mut events = watch(&server.client(), "/v1/watch", &[]);
    assert_eq!(events.header("content-type"), Some("text/event-stream"));
    assert_eq!(events.header("cache-control"), Some("no-store"));
    assert_eq!(events.header("x-callsign-index"), Some(&*before.to_string()));
    let mut lines = watch(&server.client(), "/v1/watch", &[LINES]);
    assert_eq!(lines.header("content-type"), Some("application/x-ndjson"));
    let count = one_of_each(&server);
    let logged = log(&server, before);
    assert_eq!(logged.len(), count, "{logged:#?}");
    let kinds: Vec<_> = logged.iter().map(|change| word(&change["kind"])).collect();
    assert_eq!(
        kinds,
        [
            "register",
            "health",
            "drain",
            "lapse",
            "revive",
            "service",
            "zone",
            "deregister",
            "service",
            "register",
            "deregister",
            "forget"
        ]
    );
    assert_eq!(changes(&mut events, count), logged);
    let told: Vec<_> = (0..count).map(|_| line(&mut lines)).collect();
    assert_eq!(told, logged);
    assert_eq!(index_of(&logged[0]), before + 1);
    // And again from the log, all of it and from the middle.
    let mut again = watch(&server.client(), &format!("/v1/watch?after={before}"), &[]);
    assert_eq!(changes(&mut again, count), logged);
    let last = (before + 5).to_string();
    let mut resumed = watch(
        &server.client(),
        "/v1/watch?snapshot=true",
        &[("Last-Event-ID", &last)],
    );
    assert_eq!(changes(&mut resumed, count - 5), logged[5..]);
    // One stream goes over from the log to what comes.
    server.register("web/new", &json!({"address": "192.0.2.2"}));
    let new = log(&server, before + count as u64);
    for stream in [&mut again, &mut resumed, &mut events] {
        assert_eq!(changes(stream, 1), new);
    }
    assert_eq!(line(&mut lines), new[0]);
}

#[test]
fn a_change_says_what_when_who_and_what_it_is_now() {
    let server = Setup::new().tokens("deploy s3cret\n").start();
    let client = server.client().token("s3cret");
    let before = client.get("/v1/zones").expect(200).index();
    let mut events = watch(&client, "/v1/watch", &[]);
    let body = json!({"address": "192.0.2.1", "port": 80, "lease": "10s", "meta": {"a": "b"}});
    let shown = client.put(&instance("web/web-1"), &body).expect(201).json();
    let told = changes(&mut events, 1).remove(0);
    let wanted = json!({
        "index": before + 1, "at": server.time_in(0), "kind": "register", "zone": "svc.internal", "service": "web",
        "instance": "web-1", "by": "deploy@127.0.0.1", "after": shown,
    });
    assert_eq!(told, wanted, "`after` is what a GET shows at that moment");
    client.delete(&instance("web/web-1")).expect(204);
    let told = changes(&mut events, 1).remove(0);
    assert_eq!(
        (word(&told["kind"]), &told["after"]),
        ("deregister", &json!(null))
    );
    client.put("/v1/services/web", &json!({"ttl": "7s"})).expect(200);
    let told = changes(&mut events, 1).remove(0);
    let service = json!({
        "zone": "svc.internal", "name": "web", "settings": {"ttl": "7s"}, "created_at": server.time_in(0),
        "index": before + 3,
    });
    assert_eq!((&told["instance"], &told["after"]), (&json!(null), &service));
    client
        .put("/v1/zones/svc.internal", &json!({"ttl": "3s"}))
        .expect(200);
    let told = changes(&mut events, 1).remove(0);
    assert_eq!(
        (&told["service"], &told["after"]["settings"]),
        (&json!(null), &json!({"ttl": "3s"}))
    );
    // Removing a service is one change for each instance and one for itself.
    for id in ["a", "b"] {
        client
            .put(&instance(&format!("db/{id}")), &json!({"address": "192.0.2.3"}))
            .expect(201);
    }
    client.delete("/v1/services/db").expect(204);
    let kinds: Vec<_> = changes(&mut events, 5)
        .iter()
        .map(|told| word(&told["kind"]).to_string())
        .collect();
    assert_eq!(
        kinds,
        ["register", "register", "deregister", "deregister", "service"]
    );
}

#[test]
fn a_snapshot_is_everything_then_synced_then_what_changes() {
    let server = TestServer::start();
    server.put("/v1/zones/other.internal", &json!({})).expect(201);
    for (key, zone) in [
        ("web/web-1", "svc.internal"),
        ("web/web-2", "svc.internal"),
        ("db/a", "other.internal"),
    ] {
        let path = crate::support::server::instance_in(zone, key);
        server
            .put(&path, &json!({"address": "192.0.2.1", "port": 80}))
            .expect(201);
    }
    let index = server.index();
    let picture = |lines: &mut Lines| {
        let mut things = Vec::new();
        loop {
            let (kind, id, data) = event(lines);
            if kind.as_deref() == Some("synced") {
                assert_eq!((id, index_of(&data)), (Some(index), index));
                return things;
            }
            // Broken off before that it cannot be gone on with.
            assert_eq!((kind, id), (None, None), "{data}");
            assert_eq!(data["by"], json!(null));
            let names =
                ["zone", "service", "instance"].map(|name| data[name].as_str().unwrap_or("-").to_string());
            things.push(format!("{} {}", word(&data["kind"]), names.join(" ")));
        }
    };
    let mut all = watch(&server.client(), "/v1/watch?snapshot=true", &[]);
    assert_eq!(
        picture(&mut all),
        [
            "zone other.internal - -",
            "service other.internal db -",
            "register other.internal db a",
            "zone svc.internal - -",
            "service svc.internal web -",
            "register svc.internal web web-1",
            "register svc.internal web web-2",
        ]
    );
    let mut of_zone = watch(
        &server.client(),
        "/v1/watch?snapshot=true&zone=other.internal",
        &[],
    );
    assert_eq!(picture(&mut of_zone).len(), 3);
    let mut of_service = watch(&server.client(), "/v1/watch?snapshot=true&service=web", &[]);
    assert_eq!(
        picture(&mut of_service),
        [
            "service svc.internal web -",
            "register svc.internal web web-1",
            "register svc.internal web web-2"
        ]
    );
    let mut none = watch(&server.client(), "/v1/watch?snapshot=true&service=none", &[]);
    assert_eq!(picture(&mut none), [""; 0]);
    let mut lines = watch(&server.client(), "/v1/watch?snapshot=true&service=web", &[LINES]);
    let shown = (0..4).map(|_| line(&mut lines)).collect::<Vec<_>>();
    assert_eq!(shown[1]["after"], server.show("web/web-1"));
    assert_eq!((word(&shown[3]["kind"]), index_of(&shown[3])), ("synced", index));

    server.register("web/web-3", &json!({"address": "192.0.2.3"}));
    for stream in [&mut all, &mut of_service] {
        assert_eq!(index_of(&changes(stream, 1)[0]), index + 1);
    }
    assert_eq!(index_of(&line(&mut lines)), index + 1);
    server.register("none/a", &json!({"address": "192.0.2.3"}));
    assert_eq!(index_of(&changes(&mut none, 1)[0]), index + 2);
}

#[test]
fn a_large_snapshot_comes_in_pieces_and_whole() {
    let server = TestServer::start();
    let operations: Vec<_> = (0..900)
        .map(|n| json!({"op": "register", "service": format!("s{}", n % 7), "id": format!("i{n}"), "address": "192.0.2.1"}))
        .collect();
    server
        .post("/v1/batch", &json!({"operations": operations}))
        .expect(200);
    let mut lines = watch(&server.client(), "/v1/watch?snapshot=true", &[LINES]);
    let mut seen = std::collections::BTreeSet::new();
    loop {
        let told = line(&mut lines);
        match word(&told["kind"]) {
            "synced" => break,
            "register" => assert!(seen.insert(word(&told["instance"]).to_string())),
            _ => {}
        }
    }
    assert_eq!(seen.len(), 900);
}

#[test]
fn a_watch_tells_what_its_zone_and_service_ask_for() {
    let server = TestServer::start();
    server.put("/v1/zones/other.internal", &json!({})).expect(201);
    let before = server.index();
    let paths = [
        "/v1/watch?zone=svc.internal",
        "/v1/watch?zone=OTHER.internal&service=Web",
        "/v1/watch?service=web",
        "/v1/watch?zone=svc.internal&service=db",
    ];
    let mut live: Vec<_> = paths
        .iter()
        .map(|path| watch(&server.client(), path, &[LINES]))
        .collect();
    for zone in ["svc.internal", "other.internal"] {
        for key in ["web/a", "db/b"] {
            let path = crate::support::server::instance_in(zone, key);
            server.put(&path, &json!({"address": "192.0.2.1"})).expect(201);
        }
    }
    for path in ["web", "db"] {
        server
            .delete(&format!("/v1/zones/other.internal/services/{path}"))
            .expect(204);
    }
    server.delete("/v1/zones/other.internal").expect(204);
    // register ×4, then (deregister, service) ×2, then the zone: it takes with it what it had.
    let wanted: [&[u64]; 4] = [&[1, 2], &[3, 5, 6, 9], &[1, 3, 5, 6, 9], &[2]];
    for (at, path) in paths.iter().enumerate() {
        let wanted: Vec<u64> = wanted[at].iter().map(|index| before + index).collect();
        let told: Vec<_> = wanted.iter().map(|_| index_of(&line(&mut live[at]))).collect();
        assert_eq!(told, wanted, "{path}");
        let mut resumed = watch(&server.client(), &format!("{path}&after={before}"), &[LINES]);
        let told: Vec<_> = wanted.iter().map(|_| index_of(&line(&mut resumed))).collect();
        assert_eq!(told, wanted, "{path} from the log");
    }
    server
        .get("/v1/watch?zone=other.internal")
        .expect_problem(404, "no_zone");
}

/// With a log of so few changes that the first are gone.
fn forgetful() -> TestServer {
    let server = Setup::new().flag(Key::KeepChanges, ["5"]).start();
    for n in 0..20 {
        server.register(
            &format!("web/web-{}", n % 3),
            &json!({"address": format!("192.0.2.{}", n + 1)}),
        );
    }
    server
}

#[test]
fn who_comes_too_late_is_told_so() {
    let server = forgetful();
    let index = server.index();
    let page = server.get("/v1/changes").expect(200).json();
    let oldest = page["oldest"].as_u64().expect("an index");
    assert_eq!(oldest, index - 4);
    assert_eq!(index_of(&page["changes"][0]), oldest);
    // The last that can be gone on from is the one before the oldest.
    assert_eq!(log(&server, oldest - 1).len(), 5);
    let late = oldest - 2;
    for path in [
        format!("/v1/changes?after={late}"),
        "/v1/changes?after=0".to_string(),
    ] {
        let gone = server.get(&path).expect_problem(410, "too_old").json();
        assert_eq!(gone["oldest"], oldest);
    }
    let path = format!("/v1/watch?after={late}");
    let refused = server.client().request("GET", &path, &[LINES], None);
    refused.expect_problem(410, "too_old");
    let mut well = watch(
        &server.client(),
        &format!("/v1/watch?after={}", oldest - 1),
        &[LINES],
    );
    assert_eq!(index_of(&line(&mut well)), oldest);

    let last = late.to_string();
    for (path, headers) in [
        (path.as_str(), vec![]),
        ("/v1/watch", vec![("Last-Event-ID", last.as_str())]),
    ] {
        let mut reset = watch(&server.client(), path, &headers);
        let (kind, id, data) = event(&mut reset);
        assert_eq!(
            (kind.as_deref(), id, index_of(&data)),
            (Some("reset"), None, index)
        );
        let mut things = 0;
        loop {
            let (kind, id, _) = event(&mut reset);
            if kind.as_deref() == Some("synced") {
                assert_eq!(id, Some(index));
                break;
            }
            things += 1;
        }
        assert_eq!(things, 5, "a zone, a service and three instances");
    }
}

#[test]
fn from_the_oldest_change_is_never_too_late() {
    let server = forgetful();
    let client = server.client();
    let is_over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        // Each change takes the oldest one out of the log.
        scope.spawn(|| {
            for n in 0.. {
                if is_over.load(std::sync::atomic::Ordering::Relaxed) {
                    break;
                }
                server.register(
                    "web/web-1",
                    &json!({"address": "192.0.2.1", "weight": n % 60_000}),
                );
            }
        });
        for _ in 0..1000 {
            let status = client.get("/v1/changes?limit=1").status;
            if status != 200 {
                is_over.store(true, std::sync::atomic::Ordering::Relaxed);
                panic!("{status}");
            }
        }
        is_over.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}

#[test]
fn an_index_that_was_never_reached_here_or_is_of_another_epoch_is_told_so() {
    let server = TestServer::start();
    server.register("web/web-1", &json!({"address": "192.0.2.1"}));
    let index = server.index();
    let epoch = server
        .get("/v1/zones")
        .header("x-callsign-epoch")
        .expect("an epoch")
        .to_string();
    let foreign = "00000000-0000-4000-8000-000000000000";
    let ahead = format!("after={}", index + 1);
    let other = format!("after={index}&epoch={foreign}");
    for query in [&ahead, &other] {
        server
            .get(&format!("/v1/changes?{query}"))
            .expect_problem(410, "unknown_index");
        let lines = server
            .client()
            .request("GET", &format!("/v1/watch?{query}"), &[LINES], None);
        lines.expect_problem(410, "unknown_index");
        let mut events = watch(&server.client(), &format!("/v1/watch?{query}"), &[]);
        assert_eq!(event(&mut events).0.as_deref(), Some("reset"));
    }
    for last in ["x", "-1", "1.5"] {
        let mut events = watch(&server.client(), "/v1/watch", &[("Last-Event-ID", last)]);
        assert_eq!(event(&mut events).0.as_deref(), Some("reset"), "{last}");
    }
    let own = format!("after={index}&epoch={epoch}");
    assert_eq!(
        server.get(&format!("/v1/changes?{own}")).expect(200).json()["changes"],
        json!([])
    );
    let mut well = watch(&server.client(), &format!("/v1/watch?{own}"), &[]);
    server.register("web/web-2", &json!({"address": "192.0.2.1"}));
    assert_eq!(index_of(&changes(&mut well, 1)[0]), index + 1);
}

#[test]
fn the_log_is_read_page_by_page_also_after_a_restart() {
    let server = TestServer::start();
    one_of_each(&server);
    let index = server.index();
    let server = server.restart();
    let whole = server.get("/v1/changes?limit=10000").expect(200).json();
    assert_eq!(whole["oldest"], 1);
    assert_eq!(whole.get("next"), None);
    let all = whole["changes"].as_array().expect("a list");
    assert_eq!(
        all.iter().map(index_of).collect::<Vec<_>>(),
        (1..=index).collect::<Vec<_>>()
    );
    assert_eq!(word(&all[0]["by"]), "start");
    let (mut pages, mut next) = (Vec::new(), Some(0));
    while let Some(after) = next {
        let page = server
            .get(&format!("/v1/changes?after={after}&limit=5"))
            .expect(200);
        assert_eq!(page.index(), index);
        let page = page.json();
        let changes = page["changes"].as_array().expect("a list");
        assert!(changes.len() == 5 || page.get("next").is_none());
        pages.extend(changes.clone());
        next = page["next"].as_u64();
    }
    assert_eq!(&pages, all);
}

#[test]
fn a_page_of_large_changes_ends_before_its_limit() {
    let server = TestServer::start();
    let meta: serde_json::Map<String, Value> = (0..60)
        .map(|n| (format!("k{n}"), json!("v".repeat(4096))))
        .collect();
    for n in 0..20 {
        let body = json!({"address": "192.0.2.1", "meta": meta, "weight": n});
        server.register("web/fat", &body);
    }
    let (mut seen, mut next, mut pages) = (0, Some(0), 0);
    while let Some(after) = next {
        let page = server.get(&format!("/v1/changes?after={after}")).expect(200);
        assert!(page.body.len() < 3 << 20, "{} octets", page.body.len());
        let page = page.json();
        seen += page["changes"].as_array().expect("a list").len();
        next = page["next"].as_u64();
        pages += 1;
    }
    assert_eq!(seen as u64, server.index());
    assert!(pages > 1);
}

#[test]
fn watchers_are_counted_and_end_when_the_server_stops() {
    let program = Program::start();
    register(&program, "web", "web-1", json!({"address": "192.0.2.1"}));
    let mut streams: Vec<_> = (0..3)
        .map(|n| {
            watch(
                &program.client(),
                "/v1/watch",
                if n == 0 { &[LINES] } else { &[] },
            )
        })
        .collect();
    let metrics = || program.client().get("/metrics").text();
    assert_eq!(counted(&metrics(), "callsign_watchers"), 3);
    assert_eq!(counted(&metrics(), "callsign_watchers_cut_off_total"), 0);
    drop(streams.pop());
    let began = Instant::now();
    while counted(&metrics(), "callsign_watchers") != 2 {
        assert!(
            began.elapsed() < DEADLINE,
            "a watcher that went away is counted still"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    let stopped = program.terminate(Duration::from_secs(5));
    assert_eq!(stopped.code(), Some(0));
    for mut stream in streams {
        assert_eq!(stream.next_line(), None, "the reply ends in order");
    }
}

#[test]
fn a_burst_larger_than_what_is_kept_in_memory_is_told_whole() {
    let server = TestServer::start();
    let before = server.index();
    let mut live = watch(&server.client(), "/v1/watch", &[LINES]);
    // 20 × 1,000 changes, which the reader has not read yet.
    for round in 0..20 {
        let operations: Vec<_> = (0..1000)
            .map(|n| {
                json!({"op": "register", "service": "web", "id": format!("i{n}"), "address": "192.0.2.1",
                       "weight": round + 1})
            })
            .collect();
        server
            .post("/v1/batch", &json!({"operations": operations}))
            .expect(200);
    }
    for wanted in before + 1..=server.index() {
        assert_eq!(index_of(&line(&mut live)), wanted);
    }
}
