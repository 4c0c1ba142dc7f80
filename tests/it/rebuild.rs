//! What the server answers is what is on disk: after random batches, a snapshot laid out anew from the file gives the
//! same answers as the one that was carried from change to change.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use callsign::answer::{Asked, Outcome, Scratch, Transport, answer};
use callsign::view::Snapshot;
use fastrand::Rng;
use serde_json::{Value, json};

use crate::support::dns::{Message, Query, Type, ask};
use crate::support::program::{Launch, Program, run};

const ZONES: [&str; 2] = ["a.internal", "b.internal"];
/// Zones that have the addresses; the second takes some from the first.
const REVERSE: [&str; 3] = [
    "192.in-addr.arpa",
    "2.0.192.in-addr.arpa",
    "8.b.d.0.1.0.0.2.ip6.arpa",
];
const SERVICES: [&str; 3] = ["web", "api", "db"];
const IDS: [&str; 5] = ["i1", "i2", "i3", "v1", "main"];
const TAGS: [&str; 4] = ["v1", "v2", "V2", "free text"];
const PORTS: [&str; 3] = ["main", "http", "dns"];
const PROTOCOLS: [&str; 3] = ["tcp", "udp", "sctp"];
const PAYLOAD: u16 = 4096;

fn some<'a>(random: &mut Rng, all: &[&'a str], most: usize) -> BTreeSet<&'a str> {
    let count = random.usize(..=most);
    (0..count).map(|_| all[random.usize(..all.len())]).collect()
}

fn registration(random: &mut Rng) -> Value {
    let addresses: BTreeSet<String> = (0..=random.usize(..3))
        .map(|_| match random.usize(..3) {
            0 => format!("2001:db8::{}", random.u8(..6)),
            1 => format!("192.0.3.{}", random.u8(..3)),
            _ => format!("192.0.2.{}", random.u8(..6)),
        })
        .collect();
    let ports: serde_json::Map<String, Value> = some(random, &PORTS, 3)
        .into_iter()
        .map(|name| {
            let port = json!({"port": random.u16(1..5), "protocol": PROTOCOLS[random.usize(..3)]});
            (name.to_string(), port)
        })
        .collect();
    json!({"addresses": addresses, "ports": ports, "tags": some(random, &TAGS, 3),
           "priority": random.u16(..2), "weight": random.u16(..3),
           "meta": {"k": random.u8(..3).to_string()},
           "status": (["passing", "passing", "warning", "critical"][random.usize(..4)])})
}

/// One random write; what the server refuses (a tag that is an id, an instance that is not there) is no matter here.
fn write(program: &Program, random: &mut Rng) {
    let client = program.client();
    let zone = ZONES[random.usize(..2)];
    let service = SERVICES[random.usize(..3)];
    let id = IDS[random.usize(..IDS.len())];
    let path = format!("/v1/zones/{zone}/services/{service}");
    let settings = |random: &mut Rng| {
        let mut settings = json!({"on_empty": (["nodata", "nxdomain", "all"][random.usize(..3)])});
        if random.bool() {
            settings["ttl"] = json!(random.u32(..100));
        }
        settings
    };
    if random.usize(..12) == 0 {
        // Zones without services come and go, and addresses with them.
        let path = format!("/v1/zones/{}", REVERSE[random.usize(..3)]);
        let response = match random.usize(..3) {
            0 => client.delete(&path),
            _ => client.put(&path, &settings(random)),
        };
        assert!(
            matches!(response.status, 200 | 201 | 204 | 404),
            "{}",
            response.status
        );
        return;
    }
    let response = match random.usize(..24) {
        0 => client.put(&path, &settings(random)),
        1 => client.put(&format!("/v1/zones/{zone}"), &settings(random)),
        2 | 3 => client.delete(&path),
        4..=7 => client.delete(&format!("{path}/instances/{id}")),
        8..=10 => {
            let mut body = json!({"status": (["passing", "critical"][random.usize(..2)])});
            if random.bool() {
                body["port"] = json!(PORTS[random.usize(..3)]);
            }
            client.put(&format!("{path}/instances/{id}/health"), &body)
        }
        11 | 12 => client.put(
            &format!("{path}/instances/{id}/drain"),
            &json!({"draining": random.bool()}),
        ),
        13..=16 => {
            let operations: Vec<Value> = (0..random.usize(1..12))
                .map(|_| {
                    let mut operation = registration(random);
                    operation["op"] = json!(["register", "register", "deregister"][random.usize(..3)]);
                    if operation["op"] == "deregister" {
                        operation = json!({"op": "deregister"});
                    }
                    operation["zone"] = json!(ZONES[random.usize(..2)]);
                    operation["service"] = json!(SERVICES[random.usize(..3)]);
                    operation["id"] = json!(IDS[random.usize(..IDS.len())]);
                    operation
                })
                .collect();
            client.post("/v1/batch", &json!({ "operations": operations }))
        }
        _ => client.put(&format!("{path}/instances/{id}"), &registration(random)),
    };
    assert!(
        matches!(response.status, 200 | 201 | 204 | 404 | 409 | 422),
        "{}: {}",
        response.status,
        response.text()
    );
}

/// Every name of a zone that any of the writes can make, and some that none can.
fn names(zone: &str) -> Vec<String> {
    let mut names = vec![zone.to_string(), format!("ns.{zone}"), format!("nothing.{zone}")];
    names.extend(PROTOCOLS.map(|protocol| format!("_{protocol}.{zone}")));
    for service in SERVICES {
        let mut heads = vec![format!("{service}.{zone}")];
        heads.extend(
            IDS.iter()
                .chain(&["v2", "nothing"])
                .map(|label| format!("{label}.{service}.{zone}")),
        );
        for protocol in PROTOCOLS {
            names.push(format!("_{service}._{protocol}.{zone}"));
            for head in &heads {
                names.push(format!("_{protocol}.{head}"));
                names.extend(PORTS.map(|port| format!("_{port}._{protocol}.{head}")));
            }
        }
        names.extend(heads);
    }
    names
}

/// Every reverse name that any of the writes can make, those above them, and some that none can.
fn reverse_names() -> Vec<String> {
    let mut names: Vec<String> = REVERSE.map(str::to_string).to_vec();
    for last in 0..8 {
        names.push(format!("{last}.2.0.192.in-addr.arpa"));
        names.push(format!("{last}.3.0.192.in-addr.arpa"));
        let mut six = format!("{last}.{}8.b.d.0.1.0.0.2.ip6.arpa", "0.".repeat(23));
        while six.len() > REVERSE[2].len() {
            names.push(six.clone());
            six = six.split_once('.').expect("labels").1.to_string();
        }
    }
    names.extend(["3.0.192.in-addr.arpa", "0.192.in-addr.arpa"].map(str::to_string));
    names.sort();
    names.dedup();
    names
}

/// Octets that the snapshot answers to a query from this machine over UDP.
fn answered(snapshot: &Snapshot, scratch: &mut Scratch, out: &mut [u8], query: &Query) -> Message {
    let asked = Asked {
        client: IpAddr::V4(Ipv4Addr::LOCALHOST),
        transport: Transport::Udp,
        udp_payload_max: PAYLOAD,
    };
    match answer(snapshot, &query.bytes(), &asked, scratch, out) {
        Outcome::Reply(octets) => Message::parse(&out[..octets]).expect("a well-formed reply"),
        other => panic!("{other:?}"),
    }
}

fn same_answers(program: &Program, names: &[String], told: &str) {
    let (state, _) =
        callsign::store::read(&program.data_dir).expect("the file can be read beside the server");
    assert_eq!(state.index, program.client().get("/v1/zones").index(), "{told}");
    let rebuilt = Snapshot::of(state);
    let mut scratch = Scratch::seeded(1);
    let mut out = vec![0; 65_535];
    for name in names {
        let types = match name.ends_with(".arpa") {
            true => &[Type::PTR, Type::SOA, Type::ANY][..],
            false => &[Type::A, Type::AAAA, Type::SRV, Type::TXT, Type::SOA, Type::ANY],
        };
        for &rtype in types {
            let query = Query::new(name, rtype).edns(PAYLOAD);
            let running = ask(program.dns, &query);
            let anew = answered(&rebuilt, &mut scratch, &mut out, &query);
            let seen = |message: &Message| {
                (
                    message.flags,
                    message.answers_text(),
                    message.authorities_text(),
                    message.additionals_text(),
                    message.edns.clone(),
                )
            };
            assert_eq!(
                seen(&running),
                seen(&anew),
                "{told}: {name} {}: running, and laid out anew",
                rtype.text()
            );
        }
    }
}

#[test]
fn a_snapshot_from_the_file_answers_as_the_running_one() {
    let given = std::env::var("CALLSIGN_TEST_SEED")
        .ok()
        .and_then(|text| text.parse().ok());
    let seed = given.unwrap_or_else(|| fastrand::u64(..));
    println!("CALLSIGN_TEST_SEED={seed}");
    let mut random = Rng::with_seed(seed);
    let rounds = if std::env::var_os("CALLSIGN_TEST_FULL").is_some() {
        100
    } else {
        8
    };
    let names: Vec<String> = ZONES
        .iter()
        .flat_map(|zone| names(zone))
        .chain(reverse_names())
        .collect();
    let payload = PAYLOAD.to_string();
    let mut program = Launch::new()
        .arguments([
            "--zone",
            ZONES[0],
            "--zone",
            ZONES[1],
            "--zone",
            REVERSE[0],
            "--max-udp-payload",
            &payload,
        ])
        .start();
    for round in 0..rounds {
        for _ in 0..random.usize(1..40) {
            write(&program, &mut random);
        }
        same_answers(&program, &names, &format!("seed {seed}, round {round}"));
        if round == rounds / 2 {
            program = program.kill_and_restart();
            same_answers(
                &program,
                &names,
                &format!("seed {seed}, after a restart in round {round}"),
            );
        }
    }
    // The dump is of the same catalog.
    let dump = run(["dump", "--data-dir", program.data_dir.to_str().expect("UTF-8")]);
    assert_eq!((dump.code, dump.stderr.as_str()), (Some(0), ""));
    let dump: Value = serde_json::from_str(&dump.stdout).expect("a dump is JSON");
    let (state, identity) = callsign::store::read(&program.data_dir).expect("the file can be read");
    assert_eq!(dump["index"], state.index);
    assert_eq!(dump["epoch"], identity.epoch.to_string());
    let listed = program.client().get("/v1/zones").json();
    for (in_dump, in_list) in dump["zones"]
        .as_array()
        .unwrap()
        .iter()
        .zip(listed["zones"].as_array().unwrap())
    {
        assert_eq!(
            (&in_dump["name"], &in_dump["serial"]),
            (&in_list["name"], &in_list["serial"])
        );
        let services = in_dump["services"].as_array().expect("services");
        assert_eq!(
            services.len() as u64,
            in_list["services"].as_u64().expect("a count")
        );
    }
}
