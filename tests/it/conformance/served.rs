//! The servers under test: the real program, with services registered over its API and zone files beside them.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::dns::{Query, Type, ask};
use crate::support::program::{Folder, Launch, Program};
use crate::wire::{accepted, honest, put, register, register_all, register_in};

/// Services of `svc.internal` in every state that a question can meet.
pub(super) fn services() -> Program {
    let program = Program::start();
    honest(&program);
    web(&program);
    register(
        &program,
        "api",
        "api-1",
        json!({"address": "192.0.2.31", "ports": {"main": 80, "admin": 81}}),
    );
    tiers(&program);
    register(
        &program,
        "four",
        "a",
        json!({"address": "192.0.2.41", "port": 80}),
    );
    register(
        &program,
        "six",
        "a",
        json!({"address": "2001:db8::46", "port": 80}),
    );
    for id in ["s1", "s2"] {
        register(&program, "shared", id, json!({"address": "192.0.2.61"}));
    }
    register(&program, "zero", "z", json!({"address": "192.0.2.62"}));
    put(&program, "zero", json!({"ttl": 0}));
    register(&program, "long", "l", json!({"address": "192.0.2.63"}));
    put(&program, "long", json!({"ttl": 2_147_483_647_u32}));
    put(&program, "empty", json!({"ttl": "9s"}));
    not_well(&program);
    crowds(&program);
    accepted(program.client().put(
        "/v1/zones/deep.svc.internal",
        &json!({"ttl": "8s", "negative_ttl": "30s"}),
    ));
    register_in(
        &program,
        "deep.svc.internal",
        "web",
        "deep-1",
        json!({"address": "192.0.2.71"}),
    );
    program
}

/// `web`: two instances that are answered, one that drains, one that is critical.
fn web(program: &Program) {
    let instances: [(&str, Value); 4] = [
        (
            "web-1",
            json!({"addresses": ["192.0.2.11", "2001:db8::11"], "ports": {"http": 8080, "metrics": 9100},
                   "tags": ["v2", "canary"], "meta": {"version": "2.1", "a": "1"}}),
        ),
        (
            "web-2",
            json!({"address": "192.0.2.12", "ports": {"http": 8081, "dns": {"port": 53, "protocol": "udp"}},
                   "tags": ["v2"]}),
        ),
        (
            "web-3",
            json!({"address": "192.0.2.13", "ports": {"http": 8082}, "tags": ["v2"]}),
        ),
        (
            "web-4",
            json!({"address": "192.0.2.14", "ports": {"http": 8083}, "tags": ["v2"], "status": "critical"}),
        ),
    ];
    for (id, body) in instances {
        register(program, "web", id, body);
    }
    put(program, "web/instances/web-3/drain", json!({}));
}

fn tiers(program: &Program) {
    for (id, priority, weight, addresses) in [
        ("t1", 1, 5, json!(["192.0.2.21"])),
        ("t2", 2, 1, json!(["192.0.2.22", "2001:db8::22"])),
    ] {
        let body =
            json!({"addresses": addresses, "port": 7000 + priority, "priority": priority, "weight": weight});
        register(program, "tier", id, body);
    }
}

/// Services without an answerable instance, by each policy, and one whose lease ran out.
fn not_well(program: &Program) {
    for (service, address, policy) in [
        ("down", "192.0.2.51", "nodata"),
        ("gone", "192.0.2.53", "nxdomain"),
        ("open", "192.0.2.54", "all"),
    ] {
        let body = json!({"address": address, "port": 80, "status": "critical"});
        register(program, service, "d", body);
        put(program, service, json!({"on_empty": policy}));
    }
    let body = json!({"address": "192.0.2.52", "port": 80, "lease": "100ms"});
    register(program, "lapsed", "l", body);
    let began = Instant::now();
    let lapsed = Query::new("lapsed.svc.internal", Type::A);
    while !ask(program.dns, &lapsed).answers.is_empty() {
        assert!(
            began.elapsed() < Duration::from_secs(15),
            "the lease did not lapse"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Services of so many instances that their records do not fit somewhere.
fn crowds(program: &Program) {
    let numbered = |count: u32, net: &'static str, body: Value| {
        (0..count).map(move |n| {
            let mut body = body.clone();
            body["address"] = json!(format!("{net}.{n}"));
            (format!("a{n:02}"), body)
        })
    };
    register_all(program, "few", numbered(5, "198.51.100", json!({})));
    put(program, "few", json!({"answer_limit": 2}));
    // 10 SRV records fit in 512 octets, and not all of their addresses.
    register_all(program, "adds", numbered(10, "198.51.100", json!({"port": 80})));
    register_all(program, "srvs", numbered(20, "198.51.100", json!({"port": 80})));
    register_all(program, "many", numbered(50, "198.51.100", json!({})));
    register_all(program, "huge", numbered(120, "203.0.113", json!({})));
    let vast = |n: u32| {
        let address = format!("10.0.{}.{}", n >> 8, n & 255);
        (format!("v{n}"), json!({"address": address}))
    };
    register_all(program, "vast", (0..4096).map(vast));
}

/// `sd.internal`: what DNS-SD shows.
pub(super) fn dns_sd() -> Program {
    let program = Program::start();
    honest(&program);
    accepted(
        program
            .client()
            .put("/v1/zones/sd.internal", &json!({"ttl": "7s"})),
    );
    let long = format!("{}-1", "i".repeat(40));
    let crowd = "s".repeat(40);
    for (service, id, body) in [
        (
            "web",
            "web-1",
            json!({"addresses": ["192.0.2.11", "2001:db8::11"], "ports": {"http": 8080, "averylongportname": 9100},
                   "meta": {"path": "/", "a": "1"}}),
        ),
        (
            "web",
            "web-2",
            json!({"address": "192.0.2.12", "ports": {"http": 8081, "dns": {"port": 53, "protocol": "udp"}}}),
        ),
        (
            "web",
            "web-3",
            json!({"address": "192.0.2.13", "ports": {"http": 8082}, "status": "critical"}),
        ),
        ("ipp", "p-1", json!({"address": "192.0.2.31", "port": 631})),
        (
            &crowd,
            &long,
            json!({"address": "192.0.2.32", "ports": {"raw": 9}}),
        ),
    ] {
        register_in(&program, "sd.internal", service, id, body);
    }
    let path = "/v1/zones/sd.internal/services/web";
    accepted(program.client().put(path, &json!({"ttl": "4s"})));
    program
}

/// Reverse zones of both families, and instances in them and outside.
pub(super) fn reverse() -> Program {
    let program = Program::start();
    honest(&program);
    web(&program);
    register(
        &program,
        "twin",
        "t",
        json!({"addresses": ["192.0.2.11", "198.51.100.1"]}),
    );
    register(&program, "left", "l", json!({"address": "192.0.2.44"}));
    for zone in ["2.0.192.in-addr.arpa", "8.b.d.0.1.0.0.2.ip6.arpa"] {
        accepted(
            program
                .client()
                .put(&format!("/v1/zones/{zone}"), &json!({"ttl": "30s"})),
        );
    }
    crate::wire::delete(&program, "left/instances/l");
    program
}

/// Zone files beside services: `example.org`, two zones below it, some small ones and two reverse zones.
pub(super) fn static_records() -> Program {
    let folder = Folder::new();
    for (origin, text) in [
        ("example.org", super::zone_file::example_org()),
        ("wild.example.org", super::wildcards::FILE.to_string()),
        ("child.example.org", super::delegations::CHILD.to_string()),
        ("bare.internal", super::zone_file::BARE.to_string()),
        ("soa.internal", super::zone_file::long_soa()),
        ("2.0.192.in-addr.arpa", super::zone_file::REVERSE.to_string()),
        (
            "0-26.2.0.192.in-addr.arpa",
            super::zone_file::REVERSE_26.to_string(),
        ),
    ] {
        fs::write(folder.path().join(format!("{origin}.zone")), text).expect("write a zone file");
    }
    let program = Launch::new()
        .argument("--zones")
        .argument(folder.path().display().to_string())
        .start();
    honest(&program);
    for (zone, service, id, body) in [
        (
            "example.org",
            "web",
            "web-1",
            json!({"addresses": ["192.0.2.11", "2001:db8::11"], "ports": {"http": 8080}, "tags": ["v2"]}),
        ),
        (
            "example.org",
            "down",
            "d",
            json!({"address": "192.0.2.51", "status": "critical"}),
        ),
        (
            "example.org",
            "gone",
            "g",
            json!({"address": "192.0.2.53", "status": "critical"}),
        ),
        ("wild.example.org", "web", "w", json!({"address": "192.0.2.81"})),
    ] {
        register_in(&program, zone, service, id, body);
    }
    let path = "/v1/zones/example.org/services/gone";
    accepted(program.client().put(path, &json!({"on_empty": "nxdomain"})));
    program
}
