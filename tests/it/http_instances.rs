//! One instance over HTTP: what a registration may say, what comes back, and what DNS then answers.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::dns::{Type, rcode};
use crate::support::server::{START_MS, Setup, TestServer, instance, instance_in};

const WEB_1: &str = "/v1/services/web/instances/web-1";

/// A registration that uses every field.
fn full() -> Value {
    json!({
        "addresses": ["192.0.2.11", "2001:db8::11"],
        "ports": {"http": 8080, "dns": {"port": 53, "protocol": "udp"}},
        "priority": 3, "weight": 7, "tags": ["v2", "Blue", "not a label"], "meta": {"version": "2.1", "a": ""},
        "status": "warning", "lease": "15s", "deregister_after": "90s", "checks": []
    })
}

fn set<const N: usize>(texts: [&str; N]) -> BTreeSet<String> {
    texts.map(str::to_string).into()
}

#[test]
fn a_registration_is_201_and_the_next_answer_shows_it() {
    let server = TestServer::start();
    assert_eq!(server.rcode("web.svc.internal"), rcode::NXDOMAIN);
    let reply = server
        .put(WEB_1, &json!({"address": "192.0.2.11", "port": 8080}))
        .expect(201);
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert_eq!(server.addresses("web.svc.internal"), ["192.0.2.11"]);
    assert_eq!(server.addresses("web-1.web.svc.internal"), ["192.0.2.11"]);
    let srv = set(["0 1 8080 web-1.web.svc.internal."]);
    assert_eq!(server.services("web.svc.internal"), srv);
    assert_eq!(server.services("_main._tcp.web.svc.internal"), srv);
    assert_eq!(server.services("_web._tcp.svc.internal"), srv);
    assert_eq!(server.services("web-1.web.svc.internal"), srv);
}

#[test]
fn a_replacement_is_200_and_the_next_answer_shows_it() {
    let server = TestServer::start();
    server.put(WEB_1, &full()).expect(201);
    server.put(WEB_1, &json!({"address": "192.0.2.12"})).expect(200);
    assert_eq!(server.addresses("web.svc.internal"), ["192.0.2.12"]);
    assert_eq!(server.services("web.svc.internal"), set([]));
    assert_eq!(
        server.ask("web-1.web.svc.internal", Type::TXT).answers_text(),
        [""; 0]
    );
}

#[test]
fn a_deregistration_is_204_without_a_body_and_the_next_answer_shows_it() {
    let server = TestServer::start();
    server.register("web/web-1", &full());
    let reply = server.delete(WEB_1).expect(204);
    assert_eq!((reply.text().as_str(), reply.header("content-type")), ("", None));
    server.get(WEB_1).expect_problem(404, "no_instance");
    assert_eq!(server.addresses("web.svc.internal"), [""; 0]);
    assert_eq!(
        server.rcode("web.svc.internal"),
        rcode::NOERROR,
        "its name is known for a while"
    );
    assert_eq!(
        server.rcode("web-1.web.svc.internal"),
        rcode::NXDOMAIN,
        "host names go at once"
    );
}

#[test]
fn an_instance_is_shown_in_its_long_form_and_no_other_field() {
    let server = TestServer::start();
    let put = server.put(WEB_1, &full()).expect(201).json();
    let index = server.index();
    let now = "2026-01-02T03:04:05.678Z";
    let expected = json!({
        "zone": "svc.internal", "service": "web", "id": "web-1",
        "addresses": ["192.0.2.11", "2001:db8::11"],
        "ports": {"dns": {"port": 53, "protocol": "udp"}, "http": {"port": 8080, "protocol": "tcp"}},
        "priority": 3, "weight": 7, "tags": ["v2", "Blue", "not a label"], "meta": {"a": "", "version": "2.1"},
        "lease": "15s", "deregister_after": "90s", "checks": [],
        "health": {
            "status": "warning", "output": "", "since": now,
            "ports": {
                "dns": {"status": "passing", "output": "", "since": now},
                "http": {"status": "passing", "output": "", "since": now}
            },
            "verdicts": {
                "reported": {"status": "warning", "output": "", "since": now},
                "lease": {"status": "passing", "output": "", "since": now}
            }
        },
        "draining": false, "lease_expires_at": "2026-01-02T03:04:20.678Z", "remove_at": null,
        "created_at": now, "updated_at": now, "created_index": index, "index": index
    });
    assert_eq!(put, expected);
    assert_eq!(
        server.show("web/web-1"),
        expected,
        "a PUT's 201 carries what GET shows"
    );
    let replaced = server
        .put(WEB_1, &json!({"address": "192.0.2.1"}))
        .expect(200)
        .json();
    assert_eq!(replaced, server.show("web/web-1"), "a PUT's 200 too");
}

#[test]
fn what_is_left_out_has_its_default() {
    let server = TestServer::start();
    let shown = server
        .register("web/web-1", &json!({"address": "192.0.2.11"}))
        .json();
    for (field, default) in [
        ("addresses", json!(["192.0.2.11"])),
        ("ports", json!({})),
        ("priority", json!(0)),
        ("weight", json!(1)),
        ("tags", json!([])),
        ("meta", json!({})),
        ("lease", json!(null)),
        ("deregister_after", json!("10m")),
        ("checks", json!([])),
        ("draining", json!(false)),
        ("lease_expires_at", json!(null)),
        ("remove_at", json!(null)),
    ] {
        assert_eq!(shown[field], default, "{field}");
    }
    assert_eq!(shown["health"]["status"], "passing");
    assert_eq!(
        shown["health"]["verdicts"].get("lease"),
        None,
        "without a lease it has no verdict of one"
    );
}

#[test]
fn null_is_as_good_as_left_out() {
    let server = TestServer::start();
    let nulls = json!({
        "address": "192.0.2.11", "addresses": null, "port": null, "ports": null, "priority": null, "weight": null,
        "tags": null, "meta": null, "status": null, "lease": null, "deregister_after": null, "checks": null
    });
    server.put(WEB_1, &nulls).expect(201);
    let reply = server.unchanged_by(|server| server.put(WEB_1, &json!({"address": "192.0.2.11"})));
    reply.expect(200);
}

#[test]
fn port_is_short_for_a_port_called_main_over_tcp() {
    let server = TestServer::start();
    let shown = server
        .register("web/web-1", &json!({"address": "192.0.2.11", "port": 8080}))
        .json();
    assert_eq!(shown["ports"], json!({"main": {"port": 8080, "protocol": "tcp"}}));
    let long = json!({"addresses": ["192.0.2.11"], "ports": {"main": {"port": 8080}}});
    server.unchanged_by(|server| server.put(WEB_1, &long)).expect(200);
}

#[test]
fn names_are_folded_to_lower_case() {
    let server = TestServer::start();
    server
        .put(
            "/v1/services/WEB/instances/Web-1",
            &json!({"address": "192.0.2.11", "ports": {"HTTP": 80}}),
        )
        .expect(201);
    let shown = server.show("web/web-1");
    assert_eq!(
        (&shown["service"], &shown["id"]),
        (&json!("web"), &json!("web-1"))
    );
    assert_eq!(shown["ports"], json!({"http": {"port": 80, "protocol": "tcp"}}));
    server
        .put(
            "/v1/services/web/instances/WEB-1",
            &json!({"address": "192.0.2.12"}),
        )
        .expect(200);
}

#[test]
fn what_get_shows_can_be_put_back_and_is_no_change() {
    let server = TestServer::start();
    server.register("web/web-1", &full());
    server
        .put(
            &instance("web/web-1/health"),
            &json!({"status": "critical", "output": "x", "port": "http"}),
        )
        .expect(200);
    server
        .put(&format!("{WEB_1}/drain"), &json!({"delete_after": "1h"}))
        .expect(200);
    let shown = server.show("web/web-1");
    assert_eq!(shown["draining"], true);
    let reply = server.unchanged_by(|server| server.put(WEB_1, &shown));
    assert_eq!(reply.expect(200).json(), shown);
}

#[test]
fn replacing_sets_what_is_left_out_back_to_its_default() {
    let server = TestServer::start();
    server.register("web/web-1", &full());
    let shown = server
        .put(WEB_1, &json!({"address": "192.0.2.11"}))
        .expect(200)
        .json();
    for (field, default) in [
        ("ports", json!({})),
        ("priority", json!(0)),
        ("weight", json!(1)),
        ("tags", json!([])),
        ("meta", json!({})),
        ("lease", json!(null)),
        ("deregister_after", json!("10m")),
    ] {
        assert_eq!(shown[field], default, "{field}");
    }
}

#[test]
fn replacing_keeps_draining_creation_and_reported_health() {
    let server = TestServer::start();
    let body = json!({"address": "192.0.2.11", "ports": {"http": 80, "old": 81}});
    let created = server.register("web/web-1", &body).json();
    for report in [
        json!({"status": "warning", "output": "slow"}),
        json!({"status": "critical", "output": "down", "port": "http"}),
        json!({"status": "critical", "port": "old"}),
    ] {
        server.put(&format!("{WEB_1}/health"), &report).expect(200);
    }
    server.put(&format!("{WEB_1}/drain"), &json!({})).expect(200);
    server.advance_s(5);
    let replaced = json!({"address": "192.0.2.12", "ports": {"http": 8080, "new": 81}});
    let shown = server.put(WEB_1, &replaced).expect(200).json();
    assert_eq!(shown["draining"], true);
    assert_eq!(shown["created_at"], created["created_at"]);
    assert_eq!(shown["created_index"], created["created_index"]);
    assert_eq!(shown["updated_at"], server.time_in(0));
    assert_eq!(shown["index"], server.index());
    let since = server.time_in(0).replace("10.678", "05.678");
    assert_eq!(
        shown["health"]["verdicts"]["reported"],
        json!({"status": "warning", "output": "slow", "since": since})
    );
    assert_eq!(
        shown["health"]["ports"]["http"],
        json!({"status": "critical", "output": "down", "since": since})
    );
    assert_eq!(shown["health"]["ports"]["new"]["status"], "passing");
    let back = server.put(WEB_1, &body).expect(200).json();
    assert_eq!(
        back["health"]["ports"]["old"]["status"], "passing",
        "a port's health goes with the port"
    );
    assert_eq!(server.addresses("web.svc.internal"), [""; 0], "it drains still");
}

#[test]
fn replacing_with_a_status_sets_the_reported_verdict() {
    let server = TestServer::start();
    server.register(
        "web/web-1",
        &json!({"address": "192.0.2.11", "status": "critical"}),
    );
    assert_eq!(server.addresses("web.svc.internal"), [""; 0]);
    assert_eq!(
        server.addresses("web-1.web.svc.internal"),
        ["192.0.2.11"],
        "a host name stays"
    );
    let kept = server
        .put(WEB_1, &json!({"address": "192.0.2.11"}))
        .expect(200)
        .json();
    assert_eq!(kept["health"]["status"], "critical");
    let set = server
        .put(WEB_1, &json!({"address": "192.0.2.11", "status": "passing"}))
        .expect(200)
        .json();
    assert_eq!(set["health"]["status"], "passing");
    assert_eq!(server.addresses("web.svc.internal"), ["192.0.2.11"]);
}

#[test]
fn durations_are_read_in_every_form_and_shown_in_the_largest_exact_unit() {
    let server = TestServer::start();
    for (given, shown) in [
        (json!("500ms"), "500ms"),
        (json!("15s"), "15s"),
        (json!("10m"), "10m"),
        (json!("1h"), "1h"),
        (json!(15), "15s"),
        (json!(0.5), "500ms"),
        (json!(1.0), "1s"),
        (json!("1000ms"), "1s"),
        (json!("60s"), "1m"),
        (json!("90s"), "90s"),
        (json!("3600s"), "1h"),
        (json!("86400000ms"), "24h"),
        (json!(1.25), "1250ms"),
    ] {
        let body = json!({"address": "192.0.2.11", "lease": given, "deregister_after": given});
        let reply = server.register("web/web-1", &body).json();
        assert_eq!(reply["lease"], shown, "{given}");
        assert_eq!(reply["deregister_after"], shown, "{given}");
    }
}

#[test]
fn leases_are_100_ms_to_24_h() {
    let server = TestServer::start();
    for good in ["100ms", "24h", "86400s"] {
        server.register("web/web-1", &json!({"address": "192.0.2.11", "lease": good}));
    }
    for wrong in [
        json!("99ms"),
        json!("0s"),
        json!("86401s"),
        json!("25h"),
        json!(0.0999),
        json!(-1),
        json!("-1s"),
    ] {
        let body = json!({"address": "192.0.2.11", "lease": wrong});
        server
            .unchanged_by(|server| server.put(WEB_1, &body))
            .expect_invalid("lease");
    }
}

#[test]
fn one_bad_field_changes_nothing_and_is_named() {
    let server = TestServer::start();
    server.register("web/web-1", &full());
    let before = (server.index(), server.picture());
    let long = "a".repeat(64);
    let cases = [
        ("priority", json!(-1), "priority"),
        ("priority", json!(65536), "priority"),
        ("priority", json!("1"), "priority"),
        ("priority", json!(1.5), "priority"),
        ("weight", json!(65536), "weight"),
        ("weight", json!(-1), "weight"),
        ("weight", json!(true), "weight"),
        ("weight", json!([1]), "weight"),
        ("weight", json!(1e300), "weight"),
        ("weight", json!(u64::MAX), "weight"),
        ("tags", json!("v2"), "tags"),
        ("tags", json!({"0": "v2"}), "tags"),
        ("tags", json!(["v2", ""]), "tags[1]"),
        ("tags", json!([1]), "tags[0]"),
        ("tags", json!([null]), "tags[0]"),
        ("tags", json!(["x".repeat(256)]), "tags[0]"),
        ("meta", json!([]), "meta"),
        ("meta", json!({"a": 1}), "meta.a"),
        ("meta", json!({"a": null}), "meta.a"),
        ("meta", json!({"": "1"}), "meta."),
        ("meta", json!({"a=b": "1"}), "meta.a=b"),
        ("meta", json!({"\u{e9}": "1"}), "meta.\u{e9}"),
        ("meta", json!({"a\u{7f}": "1"}), "meta.a\u{7f}"),
        ("meta", json!({"a": "x".repeat(4097)}), "meta.a"),
        ("status", json!("Passing"), "status"),
        ("status", json!("draining"), "status"),
        ("status", json!(""), "status"),
        ("status", json!(0), "status"),
        ("lease", json!("15"), "lease"),
        ("lease", json!("15 s"), "lease"),
        ("lease", json!("1m30s"), "lease"),
        ("lease", json!(""), "lease"),
        ("lease", json!(true), "lease"),
        ("lease", json!({}), "lease"),
        ("lease", json!("18446744073709551615h"), "lease"),
        ("lease", json!(1e308), "lease"),
        ("lease", json!(0.10001), "lease"),
        ("deregister_after", json!("-1s"), "deregister_after"),
        ("deregister_after", json!("1d"), "deregister_after"),
        ("checks", json!([{"type": "tcp"}]), "checks"),
        ("checks", json!({}), "checks"),
        ("ports", json!([]), "ports"),
        ("ports", json!(8080), "ports"),
        ("ports", json!({"http": 0}), "ports.http"),
        ("ports", json!({"http": 65536}), "ports.http"),
        ("ports", json!({"http": "8080"}), "ports.http"),
        ("ports", json!({"http": null}), "ports.http"),
        ("ports", json!({"http": {"port": 0}}), "ports.http.port"),
        ("ports", json!({"http": {"protocol": "tcp"}}), "ports.http.port"),
        (
            "ports",
            json!({"http": {"port": 1, "protocol": "quic"}}),
            "ports.http.protocol",
        ),
        (
            "ports",
            json!({"http": {"port": 1, "name": "x"}}),
            "ports.http.name",
        ),
        ("ports", json!({"_http": 1}), "ports._http"),
        ("ports", json!({"": 1}), "ports."),
        ("ports", json!({"a.b": 1}), "ports.a.b"),
        ("ports", json!({"http": 1, "HTTP": 2}), "ports.http"),
        ("zone", json!("other.internal"), "zone"),
        ("service", json!("db"), "service"),
        ("id", json!("web-2"), "id"),
        ("id", json!(1), "id"),
        ("adress", json!("192.0.2.1"), "adress"),
        ("", json!(1), ""),
        ("Weight", json!(1), "Weight"),
        ("delete_after", json!("1s"), "delete_after"),
        ("ttl", json!(5), "ttl"),
    ];
    for (field, value, named) in cases {
        let mut body = full();
        body[field] = value.clone();
        let reply = server.put(WEB_1, &body).expect_invalid(named);
        assert_eq!(server.index(), before.0, "{field} {value}: {}", reply.text());
        // As a first registration too: it does not create the service.
        body["id"] = if field == "id" { value } else { json!("new-1") };
        assert_eq!(server.put(&instance("new/new-1"), &body).status, 422, "{field}");
    }
    let mut body = full();
    body["ports"] = json!({ long: 1 });
    assert_eq!(
        server.put(WEB_1, &body).status,
        422,
        "the name of a port has at most 62 octets"
    );
    assert_eq!((server.index(), server.picture()), before);
    assert_eq!(server.rcode("new.svc.internal"), rcode::NXDOMAIN);
}

#[test]
fn addresses_that_nobody_can_connect_to_are_refused() {
    let server = TestServer::start();
    server.register("web/web-1", &json!({"address": "192.0.2.11"}));
    let before = server.index();
    for wrong in [
        "0.0.0.0",
        "::",
        "::ffff:0.0.0.0",
        "224.0.0.1",
        "239.255.255.255",
        "ff02::1",
        "255.255.255.255",
        "::ffff:224.0.0.1",
        "::ffff:255.255.255.255",
        "fe80::1",
        "fe80::1%eth0",
        "2001:db8::1%2",
        "localhost",
        "192.0.2.256",
        "192.0.2",
        "192.0.2.1:80",
        "[2001:db8::1]",
        " 192.0.2.1",
        "192.0.2.01",
        "",
        "0x7f000001",
    ] {
        server
            .put(WEB_1, &json!({"address": wrong}))
            .expect_invalid("address");
        server
            .put(WEB_1, &json!({"addresses": ["192.0.2.1", wrong]}))
            .expect_invalid("addresses[1]");
    }
    server
        .put(WEB_1, &json!({"addresses": []}))
        .expect_invalid("addresses");
    server
        .put(WEB_1, &json!({"addresses": "192.0.2.1"}))
        .expect_invalid("addresses");
    server
        .put(WEB_1, &json!({"addresses": [null]}))
        .expect_invalid("addresses[0]");
    server
        .put(WEB_1, &json!({"port": 80}))
        .expect_invalid("addresses");
    server
        .put(WEB_1, &json!({"address": null}))
        .expect_invalid("addresses");
    server
        .put(
            WEB_1,
            &json!({"address": "192.0.2.1", "addresses": ["192.0.2.1"]}),
        )
        .expect_invalid("address");
    server
        .put(
            WEB_1,
            &json!({"address": "192.0.2.1", "port": 1, "ports": {"http": 1}}),
        )
        .expect_invalid("port");
    assert_eq!(server.index(), before);
    assert_eq!(server.addresses("web.svc.internal"), ["192.0.2.11"]);
}

#[test]
fn an_ipv4_mapped_address_is_stored_as_ipv4() {
    let server = TestServer::start();
    let body = json!({"addresses": ["::ffff:192.0.2.1", "192.0.2.1", "2001:DB8:0::1"]});
    let shown = server.register("web/web-1", &body).json();
    assert_eq!(shown["addresses"], json!(["192.0.2.1", "2001:db8::1"]));
    assert_eq!(server.addresses("web.svc.internal"), ["192.0.2.1", "2001:db8::1"]);
}

#[test]
fn loopback_and_private_addresses_are_addresses() {
    let server = TestServer::start();
    let body = json!({"addresses": ["127.0.0.1", "10.0.0.1", "::1", "fd00::1", "169.254.1.1"]});
    server.put(WEB_1, &body).expect(201);
    assert_eq!(server.ask("web.svc.internal", Type::A).a_set().len(), 3);
}

#[test]
fn ports_are_1_to_65535_and_numbers_0_to_65535() {
    let server = TestServer::start();
    for port in [1, 65535] {
        for number in [0, 65535] {
            let body = json!({"address": "192.0.2.1", "port": port, "priority": number, "weight": number});
            server.register("web/web-1", &body);
            let srv = set([&format!("{number} {number} {port} web-1.web.svc.internal.")]);
            assert_eq!(server.services("web.svc.internal"), srv);
        }
    }
    for wrong in [
        json!(0),
        json!(65536),
        json!(-1),
        json!(80.0),
        json!("80"),
        json!([]),
        json!(false),
    ] {
        let body = json!({"address": "192.0.2.1", "port": wrong});
        server
            .unchanged_by(|server| server.put(WEB_1, &body))
            .expect_invalid("port");
    }
}

#[test]
fn an_instance_has_at_most_64_of_each() {
    let server = TestServer::start();
    let addresses = |n: usize| (1..=n).map(|i| json!(format!("192.0.2.{i}"))).collect::<Vec<_>>();
    let ports = |n: usize| {
        (1..=n)
            .map(|i| (format!("p{i}"), json!(i)))
            .collect::<serde_json::Map<_, _>>()
    };
    let tags = |n: usize| (1..=n).map(|i| json!(format!("t{i}"))).collect::<Vec<_>>();
    let meta = |n: usize| {
        (1..=n)
            .map(|i| (format!("k{i}"), json!("v")))
            .collect::<serde_json::Map<_, _>>()
    };
    let most = json!({"addresses": addresses(64), "ports": ports(64), "tags": tags(64), "meta": meta(64)});
    server.put(WEB_1, &most).expect(201);
    for (field, more) in [
        ("addresses", json!(addresses(65))),
        ("ports", json!(ports(65))),
        ("tags", json!(tags(65))),
        ("meta", json!(meta(65))),
    ] {
        let mut body = most.clone();
        body[field] = more;
        server
            .unchanged_by(|server| server.put(WEB_1, &body))
            .expect_invalid(field);
    }
}

#[test]
fn tags_are_free_text_and_those_that_are_labels_have_names() {
    let server = TestServer::start();
    let longest = "t".repeat(255);
    let body = json!({"address": "192.0.2.1", "tags": ["Blue", "a b", "\u{1f600}", "x_y", longest, "Blue"]});
    let shown = server.register("web/web-1", &body).json();
    assert_eq!(
        shown["tags"],
        json!(["Blue", "a b", "\u{1f600}", "x_y", longest]),
        "each once"
    );
    assert_eq!(server.addresses("blue.web.svc.internal"), ["192.0.2.1"]);
    assert_eq!(server.rcode("x_y.web.svc.internal"), rcode::NXDOMAIN);
}

#[test]
fn meta_values_have_up_to_4096_octets_and_txt_shows_those_that_fit() {
    let server = TestServer::start();
    let body = json!({"address": "192.0.2.1", "meta": {
        "long": "x".repeat(4096), "fits": "x".repeat(250), "fits-not": "x".repeat(247), "empty": "", "~ !": "\"",
    }});
    let shown = server.register("web/web-1", &body).json();
    assert_eq!(shown["meta"], body["meta"]);
    let txt = server.ask("web-1.web.svc.internal", Type::TXT).answers_text();
    let expected = format!(
        "web-1.web.svc.internal. 5 TXT \"empty=\" \"fits={}\" \"~ !=\\\"\"",
        "x".repeat(250)
    );
    assert_eq!(txt, [expected]);
}

#[test]
fn fields_that_only_get_shows_are_ignored() {
    let server = TestServer::start();
    server.register("web/web-1", &json!({"address": "192.0.2.1"}));
    let body = json!({
        "address": "192.0.2.1", "zone": "SVC.internal.", "service": "Web", "id": "WEB-1",
        "health": {"status": "critical"}, "draining": true, "lease_expires_at": "x", "remove_at": 7,
        "created_at": [], "updated_at": {}, "created_index": "y", "index": -1
    });
    server.unchanged_by(|server| server.put(WEB_1, &body)).expect(200);
}

#[test]
fn an_id_and_a_tag_of_one_service_may_not_be_the_same_label() {
    let server = TestServer::start();
    server.register("web/web-1", &json!({"address": "192.0.2.1", "tags": ["Blue"]}));
    let put = |key: &str, tags: Value| {
        let body = json!({"address": "192.0.2.2", "tags": tags});
        server
            .unchanged_by(|server| server.put(&instance(key), &body))
            .expect_problem(409, "label_taken")
    };
    assert_eq!(put("web/blue", json!([])).json()["field"], "id");
    assert_eq!(put("web/web-2", json!(["WEB-1"])).json()["field"], "tags");
    put("web/web-2", json!(["web-2"]));
    put("web/web-1", json!(["web-1"]));
    // A living one: of another service, and once it is gone, it may.
    server.register("db/blue", &json!({"address": "192.0.2.3"}));
    server.register("web/web-1", &json!({"address": "192.0.2.1"}));
    server.register("web/blue", &json!({"address": "192.0.2.2"}));
    assert_eq!(server.addresses("blue.web.svc.internal"), ["192.0.2.2"]);
}

#[test]
fn a_service_may_not_be_called_ns() {
    let server = TestServer::start();
    let reply =
        server.unchanged_by(|server| server.put(&instance("ns/ns-1"), &json!({"address": "192.0.2.1"})));
    assert_eq!(reply.expect_problem(409, "name_taken").json()["field"], "service");
    server
        .unchanged_by(|server| server.put("/v1/services/NS", &json!({"ttl": 9})))
        .expect_problem(409, "name_taken");
}

#[test]
fn names_have_at_most_255_octets_in_the_dns() {
    let label = "z".repeat(63);
    let zone = format!("{label}.{label}.{label}");
    let server = Setup::new().flag(callsign::config::Key::Zone, [&zone]).start();
    let body = json!({"address": "192.0.2.1"});
    // 3 × 64 + 1 = 193 octets of the zone, 31 + 1 of the service, 29 + 1 of the id: 255.
    let service = "s".repeat(31);
    let key = |octets: usize| format!("{service}/{}", "i".repeat(octets));
    server.put(&instance(&key(29)), &body).expect(201);
    let name = format!("{}.{service}.{zone}", "i".repeat(29));
    assert_eq!(server.addresses(&name), ["192.0.2.1"]);
    server
        .unchanged_by(|server| server.put(&instance(&key(30)), &body))
        .expect_invalid("id");
    let ports = json!({"address": "192.0.2.1", "ports": {"p".repeat(25): 1}});
    server
        .unchanged_by(|server| server.put(&instance(&key(1)), &ports))
        .expect_invalid("ports");
    let tags = json!({"address": "192.0.2.1", "tags": ["t".repeat(30)]});
    server
        .unchanged_by(|server| server.put(&instance(&key(1)), &tags))
        .expect_invalid("tags");
    server
        .put(&format!("/v1/services/{}", "s".repeat(61)), &json!({"ttl": 1}))
        .expect(201);
    server
        .put(&format!("/v1/services/{}", "s".repeat(62)), &json!({"ttl": 1}))
        .expect_invalid("service");
}

#[test]
fn names_in_paths_are_labels() {
    let server = TestServer::start();
    let body = json!({"address": "192.0.2.1"});
    let long = "a".repeat(64);
    for wrong in [
        "-a",
        "a-",
        "_a",
        "a.b",
        "a%20b",
        "a%00",
        "%C3%A9",
        "a%2Fb",
        "..",
        "%2e%2e",
        "*",
        "a_b",
        long.as_str(),
    ] {
        assert_eq!(
            server.put(&instance(&format!("{wrong}/web-1")), &body).status,
            422,
            "{wrong}"
        );
        assert_eq!(
            server.put(&instance(&format!("web/{wrong}")), &body).status,
            422,
            "{wrong}"
        );
    }
    for good in ["a", "0", "a--b", &"a".repeat(63)] {
        server.put(&instance(&format!("web/{good}")), &body).expect(201);
    }
}

#[test]
fn names_in_paths_may_be_percent_encoded() {
    let server = TestServer::start();
    server
        .put(
            "/v1/services/%77eb/instances/w%65b%2D1",
            &json!({"address": "192.0.2.1"}),
        )
        .expect(201);
    server.get(WEB_1).expect(200);
    server
        .get("/v1/zones/svc%2Einternal/services/WE%42/instances/web-1")
        .expect(200);
    for broken in ["%", "%7", "%zz", "%ff", "w%eb"] {
        let reply = server.get(&format!("/v1/services/{broken}"));
        assert!(matches!(reply.status, 400 | 422), "{broken}: {}", reply.status);
    }
    server.get("/v1/zones/SVC.Internal./services/web").expect(200);
}

#[test]
fn the_same_routes_are_in_every_zone() {
    let server = Setup::new()
        .flag(callsign::config::Key::Zone, ["svc.internal", "other.internal"])
        .start();
    let path = instance_in("other.internal", "web/web-1");
    let put = server
        .put(
            &path,
            &json!({"address": "192.0.2.9", "port": 80, "zone": "other.internal"}),
        )
        .expect(201)
        .json();
    assert_eq!(put["zone"], "other.internal");
    assert_eq!(server.addresses("web.other.internal"), ["192.0.2.9"]);
    assert_eq!(server.rcode("web.svc.internal"), rcode::NXDOMAIN);
    server.get(WEB_1).expect_problem(404, "no_instance");
    server
        .put(&format!("{path}/health"), &json!({"status": "critical"}))
        .expect(200);
    assert_eq!(server.addresses("web.other.internal"), [""; 0]);
    server.put_nothing(&format!("{path}/heartbeat")).expect(204);
    server.put(&format!("{path}/drain"), &json!({})).expect(200);
    server
        .get("/v1/zones/other.internal/services/web/instances")
        .expect(200);
    server
        .put(&path, &json!({"address": "192.0.2.9", "zone": "svc.internal"}))
        .expect_invalid("zone");
    server.delete(&path).expect(204);
}

#[test]
fn what_is_absent_is_404() {
    let server = TestServer::start();
    server.register("web/web-1", &json!({"address": "192.0.2.1"}));
    let body = json!({"address": "192.0.2.1"});
    let unknown = instance_in("unknown.internal", "web/web-1");
    for (method, path, body, code) in [
        ("GET", instance("web/web-2"), None, "no_instance"),
        ("DELETE", instance("web/web-2"), None, "no_instance"),
        (
            "PUT",
            instance("web/web-2/health"),
            Some(json!({"status": "passing"})),
            "no_instance",
        ),
        ("PUT", instance("web/web-2/drain"), Some(json!({})), "no_instance"),
        ("PUT", instance("web/web-2/heartbeat"), None, "no_instance"),
        ("PUT", instance("db/web-1/heartbeat"), None, "no_instance"),
        ("DELETE", instance("db/web-1"), None, "no_instance"),
        ("GET", "/v1/services/db".into(), None, "no_service"),
        ("GET", "/v1/services/db/instances".into(), None, "no_service"),
        ("DELETE", "/v1/services/db".into(), None, "no_service"),
        ("GET", unknown.clone(), None, "no_zone"),
        ("PUT", unknown.clone(), Some(body.clone()), "no_zone"),
        ("DELETE", unknown.clone(), None, "no_zone"),
        (
            "PUT",
            format!("{unknown}/health"),
            Some(json!({"status": "passing"})),
            "no_zone",
        ),
        ("PUT", format!("{unknown}/drain"), Some(json!({})), "no_zone"),
        ("PUT", format!("{unknown}/heartbeat"), None, "no_zone"),
        ("GET", "/v1/zones/unknown.internal".into(), None, "no_zone"),
        ("DELETE", "/v1/zones/unknown.internal".into(), None, "no_zone"),
        (
            "GET",
            "/v1/zones/unknown.internal/services".into(),
            None,
            "no_zone",
        ),
        (
            "GET",
            "/v1/zones/unknown.internal/services/web".into(),
            None,
            "no_zone",
        ),
        (
            "PUT",
            "/v1/zones/unknown.internal/services/web".into(),
            Some(json!({})),
            "no_zone",
        ),
        (
            "DELETE",
            "/v1/zones/unknown.internal/services/web".into(),
            None,
            "no_zone",
        ),
        ("GET", "/v1/zones/internal".into(), None, "no_zone"),
        ("GET", "/v1/zones/a.svc.internal".into(), None, "no_zone"),
    ] {
        let octets = body.map(|body| body.to_string());
        let reply = server.unchanged_by(|server| {
            server
                .client()
                .request(method, &path, &[], octets.as_deref().map(str::as_bytes))
        });
        reply.expect_problem(404, code);
    }
}

#[test]
fn the_clock_of_these_tests_begins_where_it_says() {
    let server = TestServer::start();
    assert_eq!(server.time_in(0), "2026-01-02T03:04:05.678Z");
    assert_eq!(
        server.serial() as i64,
        START_MS / 1000,
        "a new zone's serial starts at the UNIX time"
    );
}
