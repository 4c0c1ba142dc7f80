//! Reverse names, from registration over HTTP to PTR over DNS: zones of every length, nested ones, shared addresses,
//! restarts, serials.

use std::process::Command;
use std::time::Duration;

use callsign::config::Key;
use serde_json::{Value, json};

use crate::support::dns::{Query, Type, ask_tcp, rcode};
use crate::support::program::{Launch, finish};
use crate::support::server::{Setup, TestServer, instance, instance_in};

const ONE: &str = "1.2.0.192.in-addr.arpa";
const SIX: &str = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa";

fn server(zones: &[&str]) -> TestServer {
    let all = std::iter::once(&"svc.internal").chain(zones);
    let setup = Setup::new().flag_of(Key::Zone, all.map(ToString::to_string).collect());
    setup.start()
}

/// The names that PTR of `name` answers.
fn pointers(server: &TestServer, name: &str) -> Vec<String> {
    let reply = server.ask(name, Type::PTR);
    assert!(reply.aa() && !reply.tc());
    reply.name_set().into_iter().collect()
}

fn at(addresses: &[&str]) -> Value {
    json!({ "addresses": addresses })
}

#[test]
fn ptr_follows_an_instance_from_registration_to_deregistration() {
    let zones = ["2.0.192.in-addr.arpa", "8.b.d.0.1.0.0.2.ip6.arpa"];
    let server = server(&zones);
    for name in [ONE, SIX] {
        assert_eq!(server.rcode(name), rcode::NXDOMAIN);
    }
    server.register("web/a", &at(&["192.0.2.1", "2001:db8::1"]));
    for name in [ONE, SIX, &ONE.to_uppercase(), &SIX.to_uppercase()] {
        assert_eq!(pointers(&server, name), ["a.web.svc.internal."], "{name}");
    }
    // Replaced: another address, and the same host.
    server.register("web/a", &at(&["192.0.2.7", "2001:db8::1"]));
    assert_eq!(server.rcode(ONE), rcode::NXDOMAIN);
    assert_eq!(
        pointers(&server, "7.2.0.192.in-addr.arpa"),
        ["a.web.svc.internal."]
    );
    assert_eq!(pointers(&server, SIX), ["a.web.svc.internal."]);
    let path = instance("web/a");
    server
        .put(&format!("{path}/health"), &json!({"status": "critical"}))
        .expect(200);
    server
        .put(&format!("{path}/drain"), &json!({"draining": true}))
        .expect(200);
    assert_eq!(
        pointers(&server, SIX),
        ["a.web.svc.internal."],
        "a host name stays"
    );
    server.delete(&path).expect(204);
    for name in ["7.2.0.192.in-addr.arpa", SIX] {
        assert_eq!(server.rcode(name), rcode::NXDOMAIN, "{name}");
    }
}

#[test]
fn an_address_that_instances_share_has_ptr_for_each() {
    let server = server(&["192.in-addr.arpa", "other.internal"]);
    server.register("web/a", &at(&["192.0.2.1"]));
    server.register("api/b", &at(&["192.0.2.1"]));
    let path = instance_in("other.internal", "web/c");
    server.put(&path, &at(&["192.0.2.1"])).expect(201);
    let all = [
        "a.web.svc.internal.",
        "b.api.svc.internal.",
        "c.web.other.internal.",
    ];
    assert_eq!(pointers(&server, ONE), all);
    server.delete(&instance("web/a")).expect(204);
    assert_eq!(pointers(&server, ONE), all[1..]);
    server.delete("/v1/zones/svc.internal/services/api").expect(204);
    assert_eq!(pointers(&server, ONE), all[2..]);
}

#[test]
fn names_above_an_address_exist_as_long_as_it_does() {
    let server = server(&["10.in-addr.arpa", "ip6.arpa"]);
    server.register("web/a", &at(&["10.1.2.3", "2001:db8::1"]));
    let above = |name: &str, count: usize| {
        let mut name = name.to_string();
        let mut names = Vec::new();
        for _ in 0..count {
            name = name.split_once('.').expect("labels").1.to_string();
            names.push(name.clone());
        }
        names
    };
    let names: Vec<String> = above("3.2.1.10.in-addr.arpa", 3)
        .into_iter()
        .chain(above(SIX, 32))
        .collect();
    for name in &names {
        let reply = server.ask(name, Type::PTR);
        assert_eq!(
            (reply.rcode(), reply.answers.len()),
            (rcode::NOERROR, 0),
            "{name}"
        );
        assert!(!reply.authorities.is_empty(), "{name}");
    }
    for name in [
        "4.2.1.10.in-addr.arpa",
        "2.10.in-addr.arpa",
        "3.2.1.11.in-addr.arpa",
        "9.ip6.arpa",
    ] {
        assert_ne!(server.rcode(name), rcode::NOERROR, "{name}");
    }
    server.delete(&instance("web/a")).expect(204);
    for name in names
        .iter()
        .filter(|name| !["10.in-addr.arpa", "ip6.arpa"].contains(&name.as_str()))
    {
        assert_eq!(server.rcode(name), rcode::NXDOMAIN, "{name}");
    }
}

#[test]
fn the_longest_zone_has_an_address_and_gives_it_back_when_it_is_deleted() {
    let (wide, narrow) = ("0.192.in-addr.arpa", "2.0.192.in-addr.arpa");
    let server = server(&[wide]);
    server.register("web/a", &at(&["192.0.2.1", "192.0.3.1"]));
    let authority = |name: &str| server.ask(name, Type::A).authorities_text().concat();
    let serial = server.serial_of(wide);
    assert!(authority(ONE).starts_with(&format!("{wide}. ")));
    server
        .put(&format!("/v1/zones/{narrow}"), &json!({"ttl": 77}))
        .expect(201);
    assert!(authority(ONE).starts_with(&format!("{narrow}. ")));
    assert_eq!(
        server.serial_of(wide),
        serial.wrapping_add(1),
        "it lost an address"
    );
    assert_eq!(
        server.ask(ONE, Type::PTR).answers_text(),
        [format!("{ONE}. 77 PTR a.web.svc.internal.")],
        "with the TTL of its zone"
    );
    assert_eq!(
        pointers(&server, "1.3.0.192.in-addr.arpa"),
        ["a.web.svc.internal."]
    );
    let own = server.serial_of(narrow);
    server.register("web/b", &at(&["192.0.2.1"]));
    assert_eq!(server.serial_of(narrow), own.wrapping_add(1));
    assert_eq!(
        server.serial_of(wide),
        serial.wrapping_add(1),
        "no longer its address"
    );
    server.delete(&format!("/v1/zones/{narrow}")).expect(204);
    assert_eq!(
        pointers(&server, ONE),
        ["a.web.svc.internal.", "b.web.svc.internal."]
    );
    assert_eq!(server.serial_of(wide), serial.wrapping_add(2));
}

#[test]
fn a_reverse_zone_made_later_knows_the_instances_there_are() {
    let server = server(&[]);
    server.register("web/a", &at(&["192.0.2.1", "2001:db8::1"]));
    assert_eq!(server.rcode(ONE), rcode::REFUSED);
    for zone in [
        "192.in-addr.arpa",
        "1.0.0.2.ip6.arpa",
        "0/25.2.0.192.in-addr.arpa",
    ] {
        let path = format!("/v1/zones/{}", zone.replace('/', "%2F"));
        server.put(&path, &json!({})).expect(201);
    }
    assert_eq!(pointers(&server, ONE), ["a.web.svc.internal."]);
    assert_eq!(pointers(&server, SIX), ["a.web.svc.internal."]);
    // RFC 2317: a name of no address.
    assert_eq!(server.rcode("1.0/25.2.0.192.in-addr.arpa"), rcode::NXDOMAIN);
}

#[test]
fn the_serial_moves_with_addresses_and_not_with_health() {
    let zone = "2.0.192.in-addr.arpa";
    let server = server(&[zone]);
    let serial = || server.serial_of(zone);
    let begin = serial();
    server.register(
        "web/a",
        &json!({"addresses": ["192.0.2.1", "192.0.2.2"], "lease": "10s"}),
    );
    assert_eq!(serial(), begin.wrapping_add(1), "once for a change");
    let path = instance("web/a");
    server
        .put(&format!("{path}/health"), &json!({"status": "critical"}))
        .expect(200);
    let body = json!({"addresses": ["192.0.2.2", "192.0.2.1"], "lease": "10s", "weight": 7, "meta": {"k": "v"}, "port": 80});
    server.put(&path, &body).expect(200);
    server.register("web/b", &at(&["198.51.100.1"]));
    assert_eq!(serial(), begin.wrapping_add(1));
    let operations = json!({"operations": [
        {"op": "register", "zone": "svc.internal", "service": "web", "id": "c", "address": "192.0.2.3"},
        {"op": "register", "zone": "svc.internal", "service": "web", "id": "d", "address": "192.0.2.3"},
        {"op": "deregister", "zone": "svc.internal", "service": "web", "id": "b"},
    ]});
    server.post("/v1/batch", &operations).expect(200);
    assert_eq!(serial(), begin.wrapping_add(3), "each of a batch is a change");
    // A lapse changes no host name; the removal after it does.
    server
        .put(
            &path,
            &json!({"addresses": ["192.0.2.1"], "lease": "10s", "deregister_after": "60s"}),
        )
        .expect(200);
    assert_eq!(serial(), begin.wrapping_add(4));
    server.advance_s(20);
    server.settle();
    assert_eq!(
        (serial(), pointers(&server, ONE).len()),
        (begin.wrapping_add(4), 1)
    );
    server.advance_s(70);
    server.settle();
    assert_eq!(server.rcode(ONE), rcode::NXDOMAIN);
    assert_eq!(serial(), begin.wrapping_add(5));
    server.delete("/v1/zones/svc.internal/services/web").expect(204);
    assert_eq!(
        serial(),
        begin.wrapping_add(7),
        "two instances at one address, one after the other"
    );
}

#[test]
fn a_restart_changes_neither_names_nor_serials() {
    let zones = ["2.0.192.in-addr.arpa", "192.in-addr.arpa", "ip6.arpa"];
    let server = server(&zones);
    server.register("web/a", &at(&["192.0.2.1", "192.0.3.1", "2001:db8::1"]));
    server.register("web/b", &at(&["192.0.2.1"]));
    server.register("web/c", &at(&["192.0.2.2"]));
    server.delete(&instance("web/c")).expect(204);
    let names = [
        ONE,
        "1.3.0.192.in-addr.arpa",
        SIX,
        "2.2.0.192.in-addr.arpa",
        "3.0.192.in-addr.arpa",
    ];
    let seen = |server: &TestServer| {
        let answers = names.map(|name| {
            let reply = server.ask(name, Type::PTR);
            (reply.rcode(), reply.answers_text(), reply.authorities_text())
        });
        (answers, zones.map(|zone| server.serial_of(zone)))
    };
    let before = seen(&server);
    let server = server.restart();
    assert_eq!(seen(&server), before);
    server.delete(&instance("web/b")).expect(204);
    assert_eq!(pointers(&server, ONE), ["a.web.svc.internal."]);
}

#[test]
fn services_of_a_reverse_zone_work_as_in_any_other() {
    let zone = "2.0.192.in-addr.arpa";
    let server = server(&[zone]);
    let path = instance_in(zone, "web/a");
    server
        .put(&path, &json!({"address": "192.0.2.1", "ports": {"http": 8080}}))
        .expect(201);
    assert_eq!(pointers(&server, ONE), [format!("a.web.{zone}.")]);
    assert_eq!(server.addresses(&format!("web.{zone}")), ["192.0.2.1"]);
    for name in [format!("_http._tcp.web.{zone}"), format!("_web._tcp.{zone}")] {
        assert_eq!(server.services(&name).len(), 1, "{name}");
    }
    assert_eq!(
        server.ask(&format!("_tcp.{zone}"), Type::PTR).rcode(),
        rcode::NOERROR
    );
}

#[test]
fn more_ptr_than_a_datagram_holds_come_over_tcp() {
    let server = server(&["2.0.192.in-addr.arpa"]);
    for part in 0..2 {
        let operations: Vec<Value> = (0..100)
            .map(|number| {
                json!({"op": "register", "zone": "svc.internal", "service": "web",
                       "id": format!("instance-{}", part * 100 + number), "address": "192.0.2.1"})
            })
            .collect();
        server
            .post("/v1/batch", &json!({ "operations": operations }))
            .expect(200);
    }
    let query = Query::new(ONE, Type::PTR).edns(1232);
    let short = crate::support::dns::ask(server.dns(), &query);
    assert!(short.tc() && short.answers.len() > 10);
    let whole = ask_tcp(server.dns(), &query);
    assert!(!whole.tc());
    assert_eq!(whole.name_set().len(), 200);
    assert!(short.name_set().is_subset(&whole.name_set()));
}

#[test]
fn dig_x_finds_the_host() {
    let there = Command::new("dig").arg("-v").output();
    if !there.is_ok_and(|output| output.status.success()) {
        println!("SKIPPED: dig is not installed, so nothing was held against it");
        return;
    }
    let zones = ["svc.internal", "2.0.192.in-addr.arpa", "8.b.d.0.1.0.0.2.ip6.arpa"];
    let zones = zones.map(|zone| ["--zone", zone]).concat();
    let mut launch = Launch::new();
    for flag in zones {
        launch = launch.argument(flag);
    }
    let program = launch.start();
    let path = instance("web/a");
    program
        .client()
        .put(&path, &at(&["192.0.2.1", "2001:db8::1"]))
        .expect(201);
    for address in ["192.0.2.1", "2001:db8::1"] {
        let mut command = Command::new("dig");
        command.arg(format!("@{}", program.dns.ip()));
        command.args([
            "-p",
            &program.dns.port().to_string(),
            "+tries=1",
            "+time=5",
            "+short",
        ]);
        command.args(["-x", address]);
        let said = finish(command, b"", Duration::from_secs(20));
        assert_eq!(said.stdout, "a.web.svc.internal.\n", "{address}");
    }
}
