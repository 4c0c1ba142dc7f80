//! Zones over HTTP: created, changed and removed, and what DNS then answers.

use callsign::config::Key;
use serde_json::json;

use crate::support::dns::{Type, rcode};
use crate::support::server::{START_MS, Setup, TestServer, instance_in};

const OTHER: &str = "/v1/zones/other.internal";

#[test]
fn a_zone_is_created_with_201_and_answered_at_once() {
    let server = TestServer::start();
    assert_eq!(server.rcode("other.internal"), rcode::REFUSED);
    let index = server.index();
    let created = server.put(OTHER, &json!({})).expect(201).json();
    assert_eq!(server.index(), index + 1);
    let serial = server.serial_of("other.internal");
    assert_eq!(
        created,
        json!({"name": "other.internal", "serial": serial, "services": 0, "settings": {}})
    );
    assert_eq!(server.get(OTHER).expect(200).json(), created);
    assert_eq!(
        i64::from(serial),
        START_MS / 1000,
        "a new zone starts at the UNIX time"
    );
    let soa = server.ask("other.internal", Type::SOA);
    assert!(soa.aa());
    let mname = "other.internal. 5 SOA ns.other.internal. ";
    assert!(
        soa.answers_text()[0].starts_with(mname),
        "{:?}",
        soa.answers_text()
    );
    assert_eq!(
        server.ask("other.internal", Type::NS).name_set(),
        ["ns.other.internal.".to_string()].into()
    );
    assert_eq!(server.addresses("ns.other.internal"), ["127.0.0.1"]);
}

#[test]
fn zones_are_listed_with_serial_count_and_settings() {
    let server = TestServer::start();
    server.put(OTHER, &json!({"ttl": 60})).expect(201);
    server.register("web/web-1", &json!({"address": "192.0.2.1"}));
    server.register("db/db-1", &json!({"address": "192.0.2.2"}));
    let expected = json!({"zones": [
        {"name": "other.internal", "serial": server.serial_of("other.internal"), "services": 0, "settings": {"ttl": "1m"}},
        {"name": "svc.internal", "serial": server.serial(), "services": 2, "settings": {}},
    ]});
    assert_eq!(server.get("/v1/zones").expect(200).json(), expected);
}

#[test]
fn settings_stand_at_the_top_level_or_under_settings() {
    let server = TestServer::start();
    let settings = json!({"ttl": "10s", "negative_ttl": "3s", "on_empty": "nxdomain", "answer_limit": 9, "forget_after": "2h"});
    let created = server.put(OTHER, &settings).expect(201).json();
    assert_eq!(created["settings"], settings);
    server
        .unchanged_by(|server| server.put(OTHER, &settings))
        .expect(200);
    server
        .unchanged_by(|server| server.put(OTHER, &json!({"settings": settings})))
        .expect(200);
    server
        .unchanged_by(|server| server.put(OTHER, &created))
        .expect(200);
    let index = server.index();
    let replaced = server
        .put(OTHER, &json!({"settings": {"ttl": "1m"}}))
        .expect(200)
        .json();
    assert_eq!(
        (replaced["settings"].clone(), server.index()),
        (json!({"ttl": "1m"}), index + 1)
    );
}

#[test]
fn a_wrong_setting_changes_nothing_and_is_named() {
    let server = TestServer::start();
    server.put(OTHER, &json!({"ttl": 9})).expect(201);
    for (body, field) in [
        (json!({"ttl": "1500ms"}), "ttl"),
        (json!({"negative_ttl": -1}), "negative_ttl"),
        (json!({"negative_ttl": 2147483648_u64}), "negative_ttl"),
        (json!({"on_empty": "none"}), "on_empty"),
        (json!({"answer_limit": true}), "answer_limit"),
        (json!({"forget_after": "x"}), "forget_after"),
        (json!({"retry": 1}), "retry"),
        (json!({"settings": {"retry": 1}}), "settings.retry"),
        (json!({"settings": {"ttl": 1}, "ttl": 1}), "ttl"),
        (json!({"zone": "svc.internal"}), "zone"),
    ] {
        server
            .unchanged_by(|server| server.put(OTHER, &body))
            .expect_invalid(field);
    }
}

#[test]
fn settings_that_alter_records_move_the_serial_and_others_do_not() {
    let server = TestServer::start();
    server.register(
        "web/web-1",
        &json!({"address": "192.0.2.1", "status": "critical"}),
    );
    let mut serial = server.serial();
    for (body, moves) in [
        (json!({"ttl": 9}), true),
        (json!({"ttl": 9, "negative_ttl": 3}), true),
        (json!({"ttl": 9, "negative_ttl": 3, "answer_limit": 2}), false),
        (json!({"ttl": 9, "negative_ttl": 3, "forget_after": "2h"}), false),
        (
            json!({"ttl": 9, "negative_ttl": 3, "on_empty": "nxdomain"}),
            false,
        ),
        (json!({"ttl": 9, "negative_ttl": 3, "on_empty": "all"}), true),
        (json!({"ttl": 5, "negative_ttl": 3, "on_empty": "all"}), true),
        (json!({"negative_ttl": 3, "on_empty": "all"}), false),
    ] {
        let index = server.index();
        server.put("/v1/zones/svc.internal", &body).expect(200);
        serial += u32::from(moves);
        assert_eq!((server.serial(), server.index()), (serial, index + 1), "{body}");
    }
}

#[test]
fn negative_ttl_is_the_minimum_of_the_soa() {
    let server = TestServer::start();
    let negative = |server: &TestServer| server.ask("nothing.svc.internal", Type::A).authorities[0].ttl;
    assert_eq!(negative(&server), 1);
    server
        .put("/v1/zones/svc.internal", &json!({"negative_ttl": 3}))
        .expect(200);
    assert_eq!(negative(&server), 3);
    server
        .put("/v1/zones/svc.internal", &json!({"negative_ttl": "1h", "ttl": 7}))
        .expect(200);
    assert_eq!(negative(&server), 7);
}

#[test]
fn a_zone_is_deleted_with_204_and_refused_at_once() {
    let server = TestServer::start();
    server.put(OTHER, &json!({})).expect(201);
    server
        .put(&format!("{OTHER}/services/web"), &json!({"ttl": 1}))
        .expect(201);
    let index = server.index();
    let reply = server.delete(OTHER).expect(204);
    assert_eq!((reply.text().as_str(), reply.index()), ("", index + 1));
    assert_eq!(server.rcode("web.other.internal"), rcode::REFUSED);
    server.get(OTHER).expect_problem(404, "no_zone");
    server
        .get(&format!("{OTHER}/services"))
        .expect_problem(404, "no_zone");
    server.put(OTHER, &json!({})).expect(201);
    assert_eq!(
        server.get(&format!("{OTHER}/services")).expect(200).json(),
        json!({"services": []})
    );
    assert_eq!(
        server.rcode("web.other.internal"),
        rcode::NXDOMAIN,
        "nothing of it is left"
    );
}

#[test]
fn a_zone_with_instances_is_not_deleted() {
    let server = TestServer::start();
    server.put(OTHER, &json!({})).expect(201);
    let path = instance_in("other.internal", "web/web-1");
    server.put(&path, &json!({"address": "192.0.2.1"})).expect(201);
    server
        .unchanged_by(|server| server.delete(OTHER))
        .expect_problem(409, "zone_not_empty");
    assert_eq!(server.addresses("web.other.internal"), ["192.0.2.1"]);
    server.delete(&path).expect(204);
    server.delete(OTHER).expect(204);
}

#[test]
fn the_serial_of_a_deleted_zone_goes_on_when_it_is_created_again() {
    let server = TestServer::start();
    server.put(OTHER, &json!({})).expect(201);
    for ttl in 10..40 {
        server.put(OTHER, &json!({"ttl": ttl})).expect(200);
    }
    let last = server.serial_of("other.internal");
    assert_eq!(i64::from(last), START_MS / 1000 + 30);
    server.delete(OTHER).expect(204);
    server.put(OTHER, &json!({})).expect(201);
    assert_eq!(server.serial_of("other.internal"), last + 1, "one past the last");
    server.delete(OTHER).expect(204);
    server.advance_s(1000);
    server.put(OTHER, &json!({})).expect(201);
    assert_eq!(
        i64::from(server.serial_of("other.internal")),
        START_MS / 1000 + 1000,
        "the UNIX time is later"
    );
}

#[test]
fn every_zone_has_what_the_flags_give_also_one_created_after_all_were_deleted() {
    let flags = Setup::new()
        .flag(Key::Ttl, ["77s"])
        .flag(Key::NegativeTtl, ["33s"])
        .flag(Key::Advertise, ["192.0.2.53"]);
    let server = flags.start();
    let check = |zone: &str| {
        let soa = server.ask(zone, Type::SOA);
        assert_eq!(soa.answers[0].ttl, 77, "{zone}");
        assert!(soa.answers_text()[0].ends_with(" 33"), "{:?}", soa.answers_text());
        assert_eq!(server.addresses(&format!("ns.{zone}")), ["192.0.2.53"], "{zone}");
    };
    check("svc.internal");
    server.put(OTHER, &json!({})).expect(201);
    check("other.internal");
    server.delete(OTHER).expect(204);
    server.delete("/v1/zones/svc.internal").expect(204);
    assert_eq!(server.get("/v1/zones").expect(200).json(), json!({"zones": []}));
    server.get("/v1/services").expect_problem(404, "no_zone");
    server.put(OTHER, &json!({})).expect(201);
    check("other.internal");
}

#[test]
fn names_that_are_no_zone_are_refused() {
    let server = TestServer::start();
    let long = format!("{}.internal", "a".repeat(64));
    let longest = [&*"a".repeat(63); 4].join(".");
    for wrong in [
        ".",
        "a..b",
        ".a",
        "-a.internal",
        "a-.internal",
        "a%20b",
        "a%00",
        "%C3%A9.internal",
        "*.internal",
        &long,
        &longest,
    ] {
        let reply = server.unchanged_by(|server| server.put(&format!("/v1/zones/{wrong}"), &json!({})));
        assert_eq!(reply.status, 422, "{wrong}: {}", reply.text());
    }
    server.put("/v1/zones/Example.ORG.", &json!({})).expect(201);
    assert_eq!(
        server.get("/v1/zones/example.org").expect(200).json()["name"],
        "example.org"
    );
    server
        .put("/v1/zones/0%2F25.2.0.192.in-addr.arpa", &json!({}))
        .expect(201);
    server.get("/v1/zones/0%2f25.2.0.192.in-addr.arpa").expect(200);
    server.put("/v1/zones/internal", &json!({})).expect(201);
    assert!(
        server.ask("svc.internal", Type::SOA).serial().is_some(),
        "the longest matching zone answers"
    );
    assert!(server.ask("internal", Type::SOA).aa());
}

#[test]
fn a_zone_may_not_hide_what_another_has() {
    let server = TestServer::start();
    server.register("web/web-1", &json!({"address": "192.0.2.1"}));
    for zone in [
        "web.svc.internal",
        "a.web.svc.internal",
        "web-1.web.svc.internal",
        "ns.svc.internal",
        "_tcp.svc.internal",
    ] {
        let reply = server.unchanged_by(|server| server.put(&format!("/v1/zones/{zone}"), &json!({})));
        reply.expect_problem(409, "name_taken");
    }
    server.put("/v1/zones/db.svc.internal", &json!({})).expect(201);
    assert_eq!(server.addresses("web.svc.internal"), ["192.0.2.1"]);
}

#[test]
fn a_zone_is_a_tenant_of_its_own() {
    let server = TestServer::start();
    server.put(OTHER, &json!({"ttl": 60})).expect(201);
    let (serial, other) = (server.serial(), server.serial_of("other.internal"));
    server
        .put(
            &instance_in("other.internal", "web/web-1"),
            &json!({"address": "192.0.2.9"}),
        )
        .expect(201);
    assert_eq!(
        (server.serial(), server.serial_of("other.internal")),
        (serial, other + 1)
    );
    server.register("web/web-1", &json!({"address": "192.0.2.1"}));
    assert_eq!(
        (server.serial(), server.serial_of("other.internal")),
        (serial + 1, other + 1)
    );
    server
        .delete(&instance_in("other.internal", "web/web-1"))
        .expect(204);
    assert_eq!(server.addresses("web.svc.internal"), ["192.0.2.1"]);
}
