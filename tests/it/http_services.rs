//! Services over HTTP: counts, settings, removal, and the lists with their windows.

use serde_json::{Value, json};

use crate::support::dns::{Type, rcode};
use crate::support::server::{Setup, TestServer, instance, word};

fn register(server: &TestServer, key: &str, tags: &[&str]) {
    server.register(key, &json!({"address": "192.0.2.1", "port": 80, "tags": tags}));
}

/// The names in a list that GET shows, joined, and its `next`.
#[track_caller]
fn names(server: &TestServer, path: &str, list: &str, name: &str) -> (String, Value) {
    let body = server.get(path).expect(200).json();
    let items = body[list]
        .as_array()
        .unwrap_or_else(|| panic!("no list {list}: {body}"));
    let names: Vec<_> = items.iter().map(|item| word(&item[name])).collect();
    (names.join(" "), body["next"].clone())
}

#[track_caller]
fn ids(server: &TestServer, query: &str) -> String {
    names(
        server,
        &format!("/v1/services/web/instances{query}"),
        "instances",
        "id",
    )
    .0
}

#[test]
fn the_list_counts_instances_by_status() {
    let server = TestServer::start();
    for (id, status) in [
        ("a", "passing"),
        ("b", "passing"),
        ("c", "warning"),
        ("d", "critical"),
        ("e", "critical"),
    ] {
        server.register(
            &format!("web/{id}"),
            &json!({"address": "192.0.2.1", "port": 80, "status": status}),
        );
    }
    for id in ["b", "d"] {
        server
            .put(&format!("{}/drain", instance(&format!("web/{id}"))), &json!({}))
            .expect(200);
    }
    let report = json!({"status": "critical", "port": "main"});
    server
        .put(&format!("{}/health", instance("web/c")), &report)
        .expect(200);
    server.put("/v1/services/empty", &json!({})).expect(201);
    let expected = json!({"services": [
        {"zone": "svc.internal", "name": "empty", "instances": 0, "passing": 0, "warning": 0, "critical": 0,
            "draining": 0, "answerable": 0},
        {"zone": "svc.internal", "name": "web", "instances": 5, "passing": 2, "warning": 1, "critical": 2,
            "draining": 2, "answerable": 1},
    ]});
    assert_eq!(server.get("/v1/services").expect(200).json(), expected);
    assert_eq!(
        server.get("/v1/zones/svc.internal/services").expect(200).json(),
        expected
    );
}

#[test]
fn a_service_is_shown_with_its_instances() {
    let server = TestServer::start();
    register(&server, "web/web-2", &[]);
    server.advance_s(1);
    register(&server, "web/web-1", &["v2"]);
    let shown = server.get("/v1/services/web").expect(200).json();
    let expected = json!({
        "zone": "svc.internal", "name": "web", "settings": {},
        "instances": [server.show("web/web-1"), server.show("web/web-2")],
        "created_at": "2026-01-02T03:04:05.678Z", "index": server.index(),
    });
    assert_eq!(shown, expected);
}

#[test]
fn a_registration_that_creates_the_service_is_one_change() {
    let server = TestServer::start();
    let index = server.index();
    register(&server, "web/web-1", &[]);
    assert_eq!(server.index(), index + 1);
}

#[test]
fn the_index_of_a_service_is_the_latest_in_it_or_its_instances() {
    let server = TestServer::start();
    let index = |server: &TestServer| {
        server.get("/v1/services/web").expect(200).json()["index"]
            .as_u64()
            .unwrap()
    };
    register(&server, "web/web-1", &[]);
    assert_eq!(index(&server), server.index());
    register(&server, "db/db-1", &[]);
    assert_eq!(index(&server), server.index() - 1);
    for change in ["settings", "health", "drain", "deregister"] {
        match change {
            "settings" => server.put("/v1/services/web", &json!({"ttl": 9})),
            "health" => server.put(
                &format!("{}/health", instance("web/web-1")),
                &json!({"status": "warning"}),
            ),
            "drain" => server.put(&format!("{}/drain", instance("web/web-1")), &json!({})),
            _ => server.delete(&instance("web/web-1")),
        };
        assert_eq!(index(&server), server.index(), "{change}");
    }
}

#[test]
fn settings_are_201_200_and_the_same_again_is_no_change() {
    let server = TestServer::start();
    let settings = json!({"ttl": "10s", "on_empty": "all", "answer_limit": 3, "forget_after": "90m"});
    let index = server.index();
    let reply = server.put("/v1/services/web", &settings).expect(201);
    assert_eq!(server.index(), index + 1);
    let shown = reply.json();
    assert_eq!(shown["settings"], settings);
    assert_eq!(
        (&shown["instances"], &shown["index"]),
        (&json!([]), &json!(index + 1))
    );
    assert_eq!(server.get("/v1/services/web").expect(200).json(), shown);
    assert_eq!(
        server.rcode("web.svc.internal"),
        rcode::NOERROR,
        "it exists, with on_empty all and nothing to answer"
    );
    server
        .unchanged_by(|server| server.put("/v1/services/web", &settings))
        .expect(200);
    server
        .unchanged_by(|server| server.put("/v1/services/web", &shown))
        .expect(200);
    server
        .unchanged_by(|server| server.put("/v1/services/web", &json!({"settings": settings})))
        .expect(200);
    let replaced = server
        .put("/v1/services/web", &json!({"ttl": 10.0}))
        .expect(200)
        .json();
    assert_eq!(
        replaced["settings"],
        json!({"ttl": "10s"}),
        "what is left out is unset"
    );
    assert_eq!(
        server.put("/v1/services/web", &json!({})).expect(200).json()["settings"],
        json!({})
    );
}

#[test]
fn a_wrong_setting_changes_nothing_and_is_named() {
    let server = TestServer::start();
    register(&server, "web/web-1", &[]);
    for (body, field) in [
        (json!({"ttl": "x"}), "ttl"),
        (json!({"ttl": -1}), "ttl"),
        (json!({"ttl": "1500ms"}), "ttl"),
        (json!({"ttl": 0.5}), "ttl"),
        (json!({"ttl": 2147483648_u64}), "ttl"),
        (json!({"ttl": true}), "ttl"),
        (json!({"on_empty": "ALL"}), "on_empty"),
        (json!({"on_empty": 1}), "on_empty"),
        (json!({"answer_limit": -1}), "answer_limit"),
        (json!({"answer_limit": 1.5}), "answer_limit"),
        (json!({"answer_limit": "3"}), "answer_limit"),
        (json!({"answer_limit": 4294967296_u64}), "answer_limit"),
        (json!({"forget_after": "-1s"}), "forget_after"),
        (json!({"forget_after": "1w"}), "forget_after"),
        (json!({"negative_ttl": 1}), "negative_ttl"),
        (json!({"settings": {"negative_ttl": 1}}), "settings.negative_ttl"),
        (json!({"settings": {"ttl": "x"}}), "settings.ttl"),
        (json!({"settings": {}, "ttl": 1}), "ttl"),
        (json!({"settings": []}), "settings"),
        (json!({"zone": "other.internal"}), "zone"),
        (json!({"service": "db"}), "service"),
        (json!({"address": "192.0.2.1"}), "address"),
    ] {
        server
            .unchanged_by(|server| server.put("/v1/services/web", &body))
            .expect_invalid(field);
        server.unchanged_by(|server| server.put("/v1/services/new", &body));
    }
    server
        .unchanged_by(|server| server.put("/v1/services/web", &json!([])))
        .expect_problem(422, "invalid");
    server
        .unchanged_by(|server| server.put_nothing("/v1/services/web"))
        .expect_problem(400, "not_json");
}

#[test]
fn the_ttl_of_the_service_goes_before_that_of_the_zone() {
    let server = TestServer::start();
    register(&server, "web/web-1", &[]);
    let ttl = |server: &TestServer| server.ask("web.svc.internal", Type::A).answers[0].ttl;
    assert_eq!(ttl(&server), 5);
    server
        .put("/v1/zones/svc.internal", &json!({"ttl": "1m"}))
        .expect(200);
    assert_eq!(ttl(&server), 60);
    for (given, seconds) in [(json!(0), 0), (json!("7s"), 7), (json!(2147483647), 2147483647)] {
        server.put("/v1/services/web", &json!({"ttl": given})).expect(200);
        assert_eq!(ttl(&server), seconds);
        assert_eq!(
            server.ask("web-1.web.svc.internal", Type::A).answers[0].ttl,
            seconds
        );
    }
    assert_eq!(
        server.get("/v1/services/web").expect(200).json()["settings"]["ttl"],
        "2147483647s"
    );
    server.put("/v1/services/web", &json!({})).expect(200);
    assert_eq!(ttl(&server), 60);
}

#[test]
fn on_empty_says_what_an_empty_selection_answers() {
    let server = TestServer::start();
    server.register(
        "web/web-1",
        &json!({"address": "192.0.2.1", "port": 80, "status": "critical"}),
    );
    let answer = |server: &TestServer| {
        let reply = server.ask("web.svc.internal", Type::A);
        (reply.rcode(), reply.a_list().len())
    };
    assert_eq!(answer(&server), (rcode::NOERROR, 0));
    server
        .put("/v1/zones/svc.internal", &json!({"on_empty": "nxdomain"}))
        .expect(200);
    assert_eq!(answer(&server), (rcode::NXDOMAIN, 0));
    assert_eq!(
        server.rcode("web-1.web.svc.internal"),
        rcode::NOERROR,
        "host names stay"
    );
    server
        .put("/v1/services/web", &json!({"on_empty": "all"}))
        .expect(200);
    assert_eq!(answer(&server), (rcode::NOERROR, 1));
    server
        .put("/v1/services/web", &json!({"on_empty": "nodata"}))
        .expect(200);
    assert_eq!(answer(&server), (rcode::NOERROR, 0));
}

#[test]
fn answer_limit_bounds_an_answer() {
    let server = TestServer::start();
    for n in 1..=9 {
        server.register(
            &format!("web/web-{n}"),
            &json!({"address": format!("192.0.2.{n}")}),
        );
    }
    let count = |server: &TestServer| server.ask("web.svc.internal", Type::A).a_list().len();
    let serial = server.serial();
    for (zone, service, expected) in [
        (json!({"answer_limit": 4}), json!({}), 4),
        (json!({"answer_limit": 4}), json!({"answer_limit": 2}), 2),
        (json!({"answer_limit": 4}), json!({"answer_limit": 0}), 9),
        (json!({}), json!({"answer_limit": 4294967295_u64}), 9),
        (json!({}), json!({}), 9),
    ] {
        server.put("/v1/zones/svc.internal", &zone).expect(200);
        server.put("/v1/services/web", &service).expect(200);
        assert_eq!(count(&server), expected, "{zone} {service}");
    }
    assert_eq!(server.serial(), serial, "it alters no RRset");
}

#[test]
fn removing_a_service_is_one_change_for_each_instance_and_one_for_itself() {
    let server = TestServer::start();
    for n in 1..=3 {
        register(&server, &format!("web/web-{n}"), &["v2"]);
    }
    let (index, serial) = (server.index(), server.serial());
    let reply = server.delete("/v1/services/web").expect(204);
    assert_eq!((reply.text().as_str(), reply.index()), ("", index + 4));
    assert!(server.serial() > serial);
    server.get("/v1/services/web").expect_problem(404, "no_service");
    server
        .get(&instance("web/web-1"))
        .expect_problem(404, "no_instance");
    assert_eq!(
        server.get("/v1/services").expect(200).json(),
        json!({"services": []})
    );
    for name in [
        "web.svc.internal",
        "v2.web.svc.internal",
        "web-1.web.svc.internal",
    ] {
        assert_eq!(server.rcode(name), rcode::NXDOMAIN, "{name}");
    }
    let index = server.index();
    server.put("/v1/services/web", &json!({"ttl": 1})).expect(201);
    server.delete("/v1/services/web").expect(204);
    assert_eq!(server.index(), index + 2, "one without instances is one change");
}

#[test]
fn instances_are_listed_in_the_order_of_their_ids() {
    let server = TestServer::start();
    for id in ["b", "c", "a"] {
        register(&server, &format!("web/{id}"), &[]);
    }
    let list = server.get("/v1/services/web/instances").expect(200).json();
    assert_eq!(
        list,
        json!({"instances": [server.show("web/a"), server.show("web/b"), server.show("web/c")]})
    );
}

#[test]
fn instances_are_picked_by_tag_and_by_whether_they_are_answerable() {
    let server = TestServer::start();
    register(&server, "web/a", &["v2", "canary"]);
    register(&server, "web/b", &["V2"]);
    register(&server, "web/c", &["canary", "two words"]);
    register(&server, "web/d", &[]);
    server
        .put(
            &format!("{}/health", instance("web/a")),
            &json!({"status": "critical"}),
        )
        .expect(200);
    server
        .put(&format!("{}/drain", instance("web/d")), &json!({}))
        .expect(200);
    for (query, expected) in [
        ("", "a b c d"),
        ("?answerable=true", "b c"),
        ("?answerable=false", "a b c d"),
        ("?tag=v2", "a b"),
        ("?tag=canary", "a c"),
        ("?tag=v2&tag=canary", "a"),
        ("?tag=v2&tag=canary&answerable=true", ""),
        ("?tag=canary&answerable=true", "c"),
        ("?tag=two%20words", "c"),
        ("?tag=two+words", "c"),
        ("?tag=unknown", ""),
    ] {
        assert_eq!(ids(&server, query), expected, "{query}");
    }
    for (query, field) in [
        ("?answerable=yes", "answerable"),
        ("?answerable=", "answerable"),
        ("?answerable=true&answerable=true", "answerable"),
        ("?tag=", "tag"),
        ("?tags=v2", "tags"),
    ] {
        server
            .get(&format!("/v1/services/web/instances{query}"))
            .expect_invalid(field);
    }
}

#[test]
fn lists_are_windows_that_say_where_to_go_on() {
    let server = TestServer::start();
    for id in ["a-1", "b-1", "b-2", "b-3", "c-1"] {
        register(&server, &format!("web/{id}"), &[]);
        register(&server, &format!("{id}/x"), &[]);
        server
            .put(&format!("/v1/zones/{id}.internal"), &json!({}))
            .expect(201);
    }
    server.delete("/v1/services/web").expect(204);
    for id in ["a-1", "b-1", "b-2", "b-3", "c-1"] {
        register(&server, &format!("web/{id}"), &[]);
    }
    server.delete("/v1/zones/svc.internal").expect(409);
    for (query, expected, next) in [
        ("limit=2", "a-1 b-1", json!("b-1")),
        ("limit=2&after=b-1", "b-2 b-3", json!("b-3")),
        ("limit=5", "a-1 b-1 b-2 b-3 c-1", json!(null)),
        ("limit=2&prefix=b-", "b-1 b-2", json!("b-2")),
        ("limit=2&prefix=b-&after=b-2", "b-3", json!(null)),
        ("limit=3&prefix=b-", "b-1 b-2 b-3", json!(null)),
        ("prefix=B-", "b-1 b-2 b-3", json!(null)),
        ("after=b-22", "b-3 c-1", json!(null)),
        ("after=zzz", "", json!(null)),
        ("prefix=zzz", "", json!(null)),
        ("prefix=%00", "", json!(null)),
    ] {
        let got = names(
            &server,
            &format!("/v1/services/web/instances?{query}"),
            "instances",
            "id",
        );
        assert_eq!(got, (expected.to_string(), next), "instances?{query}");
    }
    for (query, expected, next) in [
        ("limit=2&prefix=b-", "b-1 b-2", json!("b-2")),
        ("limit=2&after=b-2", "b-3 c-1", json!("c-1")),
        ("after=c-1", "web", json!(null)),
    ] {
        let got = names(&server, &format!("/v1/services?{query}"), "services", "name");
        assert_eq!(got, (expected.to_string(), next), "services?{query}");
    }
    for (query, expected, next) in [
        ("limit=2", "a-1.internal b-1.internal", json!("b-1.internal")),
        (
            "limit=9&after=b-3.internal",
            "c-1.internal svc.internal",
            json!(null),
        ),
        ("prefix=svc", "svc.internal", json!(null)),
    ] {
        let got = names(&server, &format!("/v1/zones?{query}"), "zones", "name");
        assert_eq!(got, (expected.to_string(), next), "zones?{query}");
    }
}

#[test]
fn a_limit_is_1_to_10000() {
    let server = TestServer::start();
    register(&server, "web/web-1", &[]);
    for path in ["/v1/zones", "/v1/services", "/v1/services/web/instances"] {
        for good in ["1", "1000", "10000"] {
            server.get(&format!("{path}?limit={good}")).expect(200);
        }
        for wrong in [
            "0",
            "10001",
            "-1",
            "",
            "x",
            "1.5",
            "1e3",
            "%2B1",
            "99999999999999999999",
            "1&limit=1",
        ] {
            server
                .get(&format!("{path}?limit={wrong}"))
                .expect_invalid("limit");
        }
    }
}

#[test]
fn a_list_is_of_one_thousand_where_nothing_is_said() {
    let server = TestServer::start();
    let register = |n: usize| json!({"op": "register", "service": format!("s{n:04}"), "id": "a", "address": "192.0.2.1"});
    for from in [0, 600] {
        let operations: Vec<_> = (from..from + 600).map(register).collect();
        server
            .post("/v1/batch", &json!({"operations": operations}))
            .expect(200);
    }
    let (all, next) = names(&server, "/v1/services", "services", "name");
    assert_eq!((all.split(' ').count(), next), (1000, json!("s0999")));
    let (rest, next) = names(&server, "/v1/services?after=s0999", "services", "name");
    assert_eq!((rest.split(' ').count(), next), (200, json!(null)));
    let (all, _) = names(&server, "/v1/services?limit=10000", "services", "name");
    assert_eq!(all.split(' ').count(), 1200);
}

#[test]
fn a_service_below_which_a_zone_stands_may_not_be() {
    let server = Setup::new()
        .flag(callsign::config::Key::Zone, ["svc.internal", "web.svc.internal"])
        .start();
    let body = json!({"address": "192.0.2.1"});
    server
        .unchanged_by(|server| server.put(&instance("web/web-1"), &body))
        .expect_problem(409, "name_taken");
    server
        .unchanged_by(|server| server.put("/v1/services/web", &json!({})))
        .expect_problem(409, "name_taken");
}
