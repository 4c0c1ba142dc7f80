//! Random writes over HTTP, passing time and restarts: after each of them DNS shows what GET says, and the serial moves
//! exactly if a record did. A failure names its seed and the steps up to it.

use std::collections::BTreeSet;
use std::time::Duration;

use fastrand::Rng;
use serde_json::{Value, json};

use crate::support::dns::{Type, rcode};
use crate::support::server::{TestServer, instance, word};

const STEPS: usize = 120;
const SERVICES: [&str; 2] = ["web", "db"];
const IDS: [&str; 3] = ["a", "b", "c"];
const PORTS: [&str; 3] = ["main", "http", "dns"];
const TAGS: [&str; 2] = ["v1", "v2"];

/// One random write, or some time; gives what it was.
fn step(server: &TestServer, rng: &mut Rng) -> String {
    let service = SERVICES[rng.usize(..SERVICES.len())];
    let key = format!("{service}/{}", IDS[rng.usize(..IDS.len())]);
    let path = instance(&key);
    let (what, reply) = match rng.u8(..20) {
        0..6 => {
            let body = registration(rng);
            (format!("register {key} {body}"), server.put(&path, &body))
        }
        6..9 => {
            let mut body = json!({"status": status(rng)});
            if rng.bool() {
                body["port"] = json!(PORTS[rng.usize(..PORTS.len())]);
            }
            (
                format!("health {key} {body}"),
                server.put(&format!("{path}/health"), &body),
            )
        }
        9..11 => {
            let body = match rng.u8(..3) {
                0 => json!({"draining": false}),
                1 => json!({}),
                _ => json!({"delete_after": "40s"}),
            };
            (
                format!("drain {key} {body}"),
                server.put(&format!("{path}/drain"), &body),
            )
        }
        11..13 => (
            format!("heartbeat {key}"),
            server.put_nothing(&format!("{path}/heartbeat")),
        ),
        13 => (format!("deregister {key}"), server.delete(&path)),
        14 => {
            let body = settings(rng);
            (
                format!("set {service} {body}"),
                server.put(&format!("/v1/services/{service}"), &body),
            )
        }
        15 => {
            let mut body = settings(rng);
            if rng.bool() {
                body["negative_ttl"] = json!(rng.u8(1..4));
            }
            (
                format!("set zone {body}"),
                server.put("/v1/zones/svc.internal", &body),
            )
        }
        16 if rng.bool() => (
            format!("delete {service}"),
            server.delete(&format!("/v1/services/{service}")),
        ),
        _ => {
            let by = Duration::from_millis(rng.u64(1..20_000));
            server.advance(by);
            return format!("advance {by:?}");
        }
    };
    assert!(
        matches!(reply.status, 200 | 201 | 204 | 404 | 422),
        "{what}: {}",
        reply.text()
    );
    // What is due at once, as with deregister_after "0s", is no part of the write.
    server.settle();
    format!("{what} -> {}", reply.status)
}

fn status(rng: &mut Rng) -> &'static str {
    ["passing", "warning", "critical"][rng.usize(..3)]
}

fn registration(rng: &mut Rng) -> Value {
    let mut body = json!({"addresses": [format!("192.0.2.{}", rng.u8(1..5))], "priority": rng.u8(..2), "weight": rng.u8(..2)});
    if rng.bool() {
        body["addresses"] = json!([
            format!("192.0.2.{}", rng.u8(1..5)),
            format!("2001:db8::{}", rng.u8(1..5))
        ]);
    }
    let mut ports = serde_json::Map::new();
    for port in PORTS {
        if rng.u8(..3) == 0 {
            let protocol = if port == "dns" { "udp" } else { "tcp" };
            ports.insert(
                port.to_string(),
                json!({"port": rng.u16(1..4), "protocol": protocol}),
            );
        }
    }
    body["ports"] = Value::Object(ports);
    body["tags"] = TAGS.iter().filter(|_| rng.bool()).map(|tag| json!(tag)).collect();
    if rng.bool() {
        body["status"] = json!(status(rng));
    }
    if rng.bool() {
        body["lease"] = json!("15s");
        body["deregister_after"] = json!(["0s", "20s"][rng.usize(..2)]);
    }
    if rng.u8(..4) == 0 {
        body["meta"] = json!({"v": rng.u8(..3).to_string()});
    }
    body
}

fn settings(rng: &mut Rng) -> Value {
    let mut body = json!({});
    if rng.bool() {
        body["ttl"] = json!(rng.u8(1..4));
    }
    if rng.bool() {
        body["on_empty"] = json!(["nodata", "nxdomain", "all"][rng.usize(..3)]);
    }
    if rng.bool() {
        body["forget_after"] = json!(["5s", "1h"][rng.usize(..2)]);
    }
    body
}

/// Every record of the zone at every name that a step can make, but for the serial.
fn records(server: &TestServer) -> BTreeSet<String> {
    let mut names = vec!["svc.internal".to_string(), "ns.svc.internal".to_string()];
    for service in SERVICES {
        let at = format!("{service}.svc.internal");
        for below in IDS.iter().chain(&TAGS) {
            names.push(format!("{below}.{at}"));
        }
        for protocol in ["_tcp", "_udp"] {
            names.push(format!("_{service}.{protocol}.svc.internal"));
        }
        for port in ["_main._tcp", "_http._tcp", "_dns._udp"] {
            names.push(format!("{port}.{at}"));
            names.extend(TAGS.map(|tag| format!("{port}.{tag}.{at}")));
        }
        names.push(at);
    }
    let mut records = BTreeSet::new();
    for name in &names {
        for rtype in [Type::A, Type::AAAA, Type::SRV, Type::TXT, Type::NS] {
            records.extend(server.ask(name, rtype).answers_text());
        }
    }
    let serial = format!(" {} ", server.serial());
    let soa = server.ask("svc.internal", Type::SOA).answers_text();
    records.extend(soa.into_iter().map(|soa| soa.replace(&serial, " - ")));
    records
}

/// Holds DNS against what GET says of a service.
fn agrees(server: &TestServer, service: &str) {
    let name = format!("{service}.svc.internal");
    let reply = server.get(&format!("/v1/services/{service}"));
    if reply.status == 404 {
        assert_eq!(server.rcode(&name), rcode::NXDOMAIN);
        return;
    }
    let shown = reply.expect(200).json();
    let zone = server.get("/v1/zones/svc.internal").expect(200).json();
    let set = |name: &str| {
        shown["settings"]
            .get(name)
            .or(zone["settings"].get(name))
            .cloned()
    };
    let on_empty = set("on_empty").unwrap_or(json!("nodata"));
    let instances = shown["instances"].as_array().expect("a list");
    let listed = server
        .get(&format!("/v1/services/{service}/instances?answerable=true"))
        .expect(200)
        .json();
    let listed: BTreeSet<_> = listed["instances"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|i| word(&i["id"]).to_string())
        .collect();

    let port_is_well =
        |instance: &Value, port: &str| instance["health"]["ports"][port]["status"] != "critical";
    let is_answerable = |instance: &&Value| {
        let ports = instance["ports"].as_object().expect("a map");
        instance["health"]["status"] != "critical"
            && instance["draining"] == false
            && (ports.is_empty() || ports.keys().any(|port| port_is_well(instance, port)))
    };
    let mut selected: Vec<&Value> = instances.iter().filter(is_answerable).collect();
    assert_eq!(
        listed,
        selected.iter().map(|i| word(&i["id"]).to_string()).collect()
    );
    let fails_open = selected.is_empty() && on_empty == "all";
    if fails_open {
        selected = instances
            .iter()
            .filter(|instance| instance["draining"] == false)
            .collect();
    }

    let mut addresses = BTreeSet::new();
    for is_v6 in [false, true] {
        let of_family = |instance: &Value| -> Vec<String> {
            let all = instance["addresses"].as_array().expect("a list").iter();
            all.map(|a| word(a).to_string())
                .filter(|a| a.contains(':') == is_v6)
                .collect()
        };
        let tier = selected
            .iter()
            .filter(|i| !of_family(i).is_empty())
            .map(|i| i["priority"].as_u64())
            .min();
        let of_tier = selected.iter().filter(|i| Some(i["priority"].as_u64()) == tier);
        addresses.extend(of_tier.flat_map(|i| of_family(i)));
    }
    let got: BTreeSet<String> = server.addresses(&name).into_iter().collect();
    assert_eq!(got, addresses, "the addresses of {name}");

    let mut services = BTreeSet::new();
    for instance in &selected {
        let ports = instance["ports"].as_object().expect("a map");
        let shown = ports
            .iter()
            .filter(|(port, _)| !ports.contains_key("main") || *port == "main");
        for (_, value) in shown.filter(|(port, _)| fails_open || port_is_well(instance, port)) {
            let (priority, weight) = (&instance["priority"], &instance["weight"]);
            services.insert(format!(
                "{priority} {weight} {} {}.{name}.",
                value["port"],
                word(&instance["id"])
            ));
        }
    }
    assert_eq!(server.services(&name), services, "the SRV records of {name}");
    let expected = if selected.is_empty() && on_empty == "nxdomain" {
        rcode::NXDOMAIN
    } else {
        rcode::NOERROR
    };
    assert_eq!(server.rcode(&name), expected, "{name}");
    for id in IDS {
        let exists = instances.iter().any(|instance| instance["id"] == id);
        let expected = if exists { rcode::NOERROR } else { rcode::NXDOMAIN };
        assert_eq!(server.rcode(&format!("{id}.{name}")), expected, "{id}.{name}");
    }
}

/// Says what led to a failure.
struct Steps(u64, Vec<String>);

impl Drop for Steps {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("seed {}:\n{}", self.0, self.1.join("\n"));
        }
    }
}

fn run(seed: u64) {
    let mut rng = Rng::with_seed(seed);
    let mut server = TestServer::start();
    let mut steps = Steps(seed, Vec::new());
    let mut before = (server.index(), server.serial(), records(&server));
    for number in 1..=STEPS {
        if number % 40 == 0 {
            server = server.restart();
            steps.1.push("restart".to_string());
        } else {
            let what = step(&server, &mut rng);
            steps.1.push(what);
        }
        let after = (server.index(), server.serial(), records(&server));
        // Time may bring several changes, of which one undoes another's records; nothing here does that.
        assert_eq!(
            after.1 != before.1,
            after.2 != before.2,
            "the serial moves exactly if a record does:\n{:?}\n{:?}",
            before.2,
            after.2
        );
        assert!(after.1.wrapping_sub(before.1) < 64, "the serial moves forward");
        assert!(
            after.0 > before.0 || after == before,
            "without a change of the index nothing changes"
        );
        for service in SERVICES {
            agrees(&server, service);
        }
        before = after;
    }
}

#[test]
fn dns_shows_what_get_says_after_every_write_of_seed_1() {
    run(1);
}

#[test]
fn dns_shows_what_get_says_after_every_write_of_seed_2() {
    run(2);
}

#[test]
fn dns_shows_what_get_says_after_every_write_of_seed_3() {
    run(3);
}
