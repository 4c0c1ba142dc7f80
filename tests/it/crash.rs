//! SIGKILL at a random moment under concurrent writes: what was acknowledged is there, what was not is there as a
//! whole or not at all, and index, serials and epoch go on.
//!
//! Each thread owns its services, so what they must be is known exactly: the state after its last acknowledged
//! operation, or after the one that was on its way. Both the API and DNS are held against that.
//! `CALLSIGN_TEST_FULL` makes many rounds of a few; `CALLSIGN_TEST_SEED` repeats a run's choices.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use fastrand::Rng;
use serde_json::{Value, json};

use crate::support::dns::{Message, Query, Type, ask_tcp, rcode};
use crate::support::program::{Launch, Program, run};
use crate::wire::is_after;

const THREADS: usize = 8;
const ZONES: [&str; 3] = ["z0.internal", "z1.internal", "z2.internal"];
const IDS: usize = 6;
const ROUNDS: usize = 20;
const ROUNDS_FULL: usize = 500;

#[derive(Clone, Debug, PartialEq, Eq)]
struct Instance {
    address: Ipv4Addr,
    port: u64,
    tags: Vec<String>,
    status: &'static str,
    draining: bool,
}

impl Instance {
    fn is_answerable(&self) -> bool {
        self.status != "critical" && !self.draining
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Service {
    ttl: Option<u64>,
    instances: BTreeMap<String, Instance>,
}

/// What one thread owns: services by zone and name, and perhaps the settings of a zone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Owned {
    services: BTreeMap<(String, String), Service>,
    zone_ttl: Option<u64>,
}

/// One thread's knowledge.
#[derive(Clone, Debug)]
struct Writer {
    number: usize,
    random: Rng,
    /// After the last acknowledged operation.
    acknowledged: Owned,
    /// After the one without a reply.
    pending: Option<Owned>,
    index: u64,
    writes: usize,
}

/// A request, and what is so once it is done.
struct Step {
    method: &'static str,
    path: String,
    body: Option<Value>,
    after: Owned,
}

impl Writer {
    fn new(number: usize, random: Rng) -> Self {
        Self {
            number,
            random,
            acknowledged: Owned::default(),
            pending: None,
            index: 0,
            writes: 0,
        }
    }

    fn own_services(&self) -> [(String, String); 2] {
        ["a", "b"].map(|name| {
            let zone = ZONES[(self.number + usize::from(name == "b")) % ZONES.len()];
            (zone.to_string(), format!("t{}{name}", self.number))
        })
    }

    fn own_zone(&self) -> Option<&'static str> {
        ZONES.get(self.number).copied()
    }

    /// A random operation as one of a batch, with its path if it is one by itself; none where it makes no sense now.
    fn operation(&mut self, owned: &mut Owned) -> Option<(Value, &'static str, &'static str)> {
        let key = self.own_services()[self.random.usize(..2)].clone();
        let id = format!("i{}", self.random.usize(..IDS));
        let mut operation = json!({"zone": key.0, "service": key.1, "id": id});
        let service = owned.services.get(&key);
        let existing = service.and_then(|service| service.instances.get(&id)).cloned();
        let what = self.random.usize(..10);
        let Some(mut instance) = existing else {
            if what == 9 {
                return None;
            }
            let mut instance = self.instance();
            // A first registration may come with a status.
            instance.status = ["passing", "critical"][self.random.usize(..2)];
            operation["status"] = json!(instance.status);
            fill(&mut operation, &instance, "register");
            owned
                .services
                .entry(key)
                .or_default()
                .instances
                .insert(id, instance);
            return Some((operation, "PUT", ""));
        };
        let (method, path) = match what {
            0..=2 => {
                let new = self.instance();
                instance = Instance {
                    status: instance.status,
                    draining: instance.draining,
                    ..new
                };
                fill(&mut operation, &instance, "register");
                ("PUT", "")
            }
            3 | 4 => {
                instance.status = ["passing", "warning", "critical"][self.random.usize(..3)];
                operation["op"] = json!("health");
                operation["status"] = json!(instance.status);
                ("PUT", "/health")
            }
            5 | 6 => {
                instance.draining = self.random.bool();
                operation["op"] = json!("drain");
                operation["draining"] = json!(instance.draining);
                ("PUT", "/drain")
            }
            _ => {
                operation["op"] = json!("deregister");
                owned
                    .services
                    .get_mut(&key)
                    .expect("it has the instance")
                    .instances
                    .remove(&id);
                return Some((operation, "DELETE", ""));
            }
        };
        owned
            .services
            .get_mut(&key)
            .expect("it has the instance")
            .instances
            .insert(id, instance);
        Some((operation, method, path))
    }

    fn instance(&mut self) -> Instance {
        let tags = (0..self.random.usize(..3)).map(|n| format!("g{n}")).collect();
        Instance {
            address: Ipv4Addr::from(0x0a00_0000 + self.random.u32(..1 << 16)),
            port: self.random.u64(1..=65_535),
            tags,
            status: "passing",
            draining: false,
        }
    }

    fn step(&mut self) -> Step {
        let mut after = self.acknowledged.clone();
        match self.random.usize(..20) {
            0 => {
                let key = self.own_services()[self.random.usize(..2)].clone();
                let ttl = self.random.bool().then(|| self.random.u64(1..59));
                after.services.entry(key.clone()).or_default().ttl = ttl;
                let path = format!("/v1/zones/{}/services/{}", key.0, key.1);
                return Step {
                    method: "PUT",
                    path,
                    body: Some(settings(ttl)),
                    after,
                };
            }
            1 if !after.services.is_empty() => {
                let nth = self.random.usize(..after.services.len());
                let key = after.services.keys().nth(nth).cloned().expect("one of them");
                after.services.remove(&key);
                let path = format!("/v1/zones/{}/services/{}", key.0, key.1);
                return Step {
                    method: "DELETE",
                    path,
                    body: None,
                    after,
                };
            }
            2 if self.own_zone().is_some() => {
                let zone = self.own_zone().expect("it has one");
                after.zone_ttl = self.random.bool().then(|| self.random.u64(1..59));
                let body = Some(settings(after.zone_ttl));
                return Step {
                    method: "PUT",
                    path: format!("/v1/zones/{zone}"),
                    body,
                    after,
                };
            }
            3..=6 => {
                let count = self.random.usize(1..30);
                let operations: Vec<Value> = (0..count)
                    .filter_map(|_| Some(self.operation(&mut after)?.0))
                    .collect();
                let body = Some(json!({ "operations": operations }));
                return Step {
                    method: "POST",
                    path: "/v1/batch".to_string(),
                    body,
                    after,
                };
            }
            _ => {}
        }
        loop {
            let mut after = self.acknowledged.clone();
            let Some((mut body, method, path)) = self.operation(&mut after) else {
                continue;
            };
            let text = |field: &str| body[field].as_str().expect("a text").to_string();
            let (zone, service, id) = (text("zone"), text("service"), text("id"));
            let path = format!("/v1/zones/{zone}/services/{service}/instances/{id}{path}");
            let fields = body.as_object_mut().expect("an object");
            for field in ["op", "zone", "service", "id"] {
                fields.remove(field);
            }
            let body = (method == "PUT").then_some(body);
            return Step {
                method,
                path,
                body,
                after,
            };
        }
    }

    /// Writes until the server is gone.
    fn run(&mut self, server: SocketAddr) {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .timeout_global(Some(Duration::from_secs(20)))
            .build()
            .into();
        loop {
            let step = self.step();
            let request = ureq::http::Request::builder()
                .method(step.method)
                .uri(format!("http://{server}{}", step.path))
                .body(step.body.as_ref().map(Value::to_string).unwrap_or_default())
                .expect("a request");
            let Ok(mut response) = agent.run(request) else {
                self.pending = Some(step.after);
                return;
            };
            let status = response.status().as_u16();
            let index = response.headers().get("x-callsign-index").cloned();
            // Only with the whole reply is it acknowledged beyond doubt; a broken body leaves the doubt.
            let Ok(body) = response.body_mut().read_to_string() else {
                self.pending = Some(step.after);
                return;
            };
            assert!(
                (200..300).contains(&status),
                "{} {} {:?}: {status} {body}",
                step.method,
                step.path,
                step.body
            );
            let index: u64 = index.expect("an index").to_str().unwrap().parse().unwrap();
            assert!(
                index >= self.index,
                "the index fell from {} to {index}",
                self.index
            );
            self.index = index;
            self.acknowledged = step.after;
            self.writes += 1;
        }
    }
}

fn fill(operation: &mut Value, instance: &Instance, op: &str) {
    operation["op"] = json!(op);
    operation["address"] = json!(instance.address.to_string());
    operation["port"] = json!(instance.port);
    operation["tags"] = json!(instance.tags);
}

fn settings(ttl: Option<u64>) -> Value {
    ttl.map_or_else(|| json!({}), |ttl| json!({ "ttl": format!("{ttl}s") }))
}

fn ttl_of(settings: &Value) -> Option<u64> {
    let text = settings["ttl"].as_str()?;
    Some(
        text.strip_suffix('s')
            .expect("seconds")
            .parse()
            .expect("a number"),
    )
}

/// What the server says that a writer owns.
fn found(program: &Program, writer: &Writer) -> Owned {
    let client = program.client();
    let mut owned = Owned::default();
    for (zone, name) in writer.own_services() {
        let response = client.get(&format!("/v1/zones/{zone}/services/{name}"));
        if response.status == 404 {
            continue;
        }
        let json = response.expect(200).json();
        let instances = json["instances"]
            .as_array()
            .expect("instances")
            .iter()
            .map(|instance| {
                let status = instance["health"]["verdicts"]["reported"]["status"].as_str();
                let tags = instance["tags"].as_array().expect("tags").iter();
                let found = Instance {
                    address: instance["addresses"][0].as_str().unwrap().parse().unwrap(),
                    port: instance["ports"]["main"]["port"].as_u64().expect("a port"),
                    tags: tags.map(|tag| tag.as_str().unwrap().to_string()).collect(),
                    status: ["passing", "warning", "critical"]
                        .into_iter()
                        .find(|known| Some(*known) == status)
                        .unwrap_or_else(|| panic!("no reported status: {instance}")),
                    draining: instance["draining"].as_bool().expect("a flag"),
                };
                (instance["id"].as_str().unwrap().to_string(), found)
            });
        let service = Service {
            instances: instances.collect(),
            ttl: ttl_of(&json["settings"]),
        };
        owned.services.insert((zone, name), service);
    }
    if let Some(zone) = writer.own_zone() {
        owned.zone_ttl = ttl_of(&client.get(&format!("/v1/zones/{zone}")).expect(200).json()["settings"]);
    }
    owned
}

/// Holds DNS against what the API says.
fn dns_agrees(program: &Program, zone_ttls: &BTreeMap<&str, Option<u64>>, owned: &Owned) {
    for ((zone, name), service) in &owned.services {
        let reply = ask_tcp(program.dns, &Query::new(&format!("{name}.{zone}"), Type::A));
        assert_eq!(reply.rcode(), rcode::NOERROR, "{name}.{zone}");
        let answerable = || {
            service
                .instances
                .iter()
                .filter(|(_, instance)| instance.is_answerable())
        };
        let wanted: BTreeSet<_> = answerable().map(|(_, instance)| instance.address).collect();
        assert_eq!(reply.a_set(), wanted, "{name}.{zone}: {service:?}");
        let ttl = service.ttl.or(zone_ttls[zone.as_str()]).unwrap_or(5);
        assert!(
            reply.answers.iter().all(|record| u64::from(record.ttl) == ttl),
            "{name}.{zone}: {ttl}"
        );
        let reply = ask_tcp(program.dns, &Query::new(&format!("{name}.{zone}"), Type::SRV));
        let wanted: BTreeSet<_> = answerable()
            .map(|(id, instance)| (0, 1, instance.port as u16, format!("{id}.{name}.{zone}.")))
            .collect();
        assert_eq!(reply.srv_set(), wanted, "{name}.{zone}");
        for n in 0..IDS {
            let id = format!("i{n}");
            let reply = ask_tcp(program.dns, &Query::new(&format!("{id}.{name}.{zone}"), Type::A));
            let wanted: Vec<_> = service
                .instances
                .get(&id)
                .map(|instance| instance.address)
                .into_iter()
                .collect();
            assert_eq!(reply.a_list(), wanted, "{id}.{name}.{zone}");
            let wanted = if wanted.is_empty() {
                rcode::NXDOMAIN
            } else {
                rcode::NOERROR
            };
            assert_eq!(reply.rcode(), wanted, "{id}.{name}.{zone}");
        }
    }
}

fn serial(reply: &Message) -> u32 {
    reply.serial().expect("an SOA")
}

/// Asks for the serials until told to stop or nobody answers; notes the last of each zone.
fn watch_serials(server: SocketAddr, seen: &Mutex<BTreeMap<&'static str, u32>>, stop: &AtomicBool) {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("bind a UDP socket");
    socket.connect(server).expect("connect a UDP socket");
    socket
        .set_read_timeout(Some(Duration::from_millis(200)))
        .expect("set a timeout");
    let mut buffer = [0; 512];
    while !stop.load(Ordering::Relaxed) {
        for zone in ZONES {
            let query = Query::new(zone, Type::SOA);
            if socket.send(&query.bytes()).is_err() {
                continue;
            }
            let Ok(length) = socket.recv(&mut buffer) else {
                continue;
            };
            let reply = Message::parse(&buffer[..length]).expect("a well-formed reply");
            if reply.id != query.message_id() {
                continue;
            }
            let last = seen.lock().unwrap().insert(zone, serial(&reply));
            if let Some(last) = last {
                assert!(
                    last == serial(&reply) || is_after(serial(&reply), last),
                    "{zone}: {last} became {}",
                    serial(&reply)
                );
            }
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn is_whole(program: &Program) {
    let db = program.data_dir.join("callsign.db");
    let connection =
        rusqlite::Connection::open_with_flags(&db, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let verdict: String = connection
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(verdict, "ok");
}

#[test]
fn killed_at_any_moment_nothing_acknowledged_is_lost() {
    let is_full = std::env::var_os("CALLSIGN_TEST_FULL").is_some();
    let rounds = if is_full { ROUNDS_FULL } else { ROUNDS };
    let given = std::env::var("CALLSIGN_TEST_SEED")
        .ok()
        .and_then(|text| text.parse().ok());
    let seed = given.unwrap_or_else(|| fastrand::u64(..));
    println!("CALLSIGN_TEST_SEED={seed}");
    let mut random = Rng::with_seed(seed);
    let mut writers: Vec<Writer> = (0..THREADS).map(|n| Writer::new(n, random.fork())).collect();

    let arguments = ["--zone", ZONES[0], "--zone", ZONES[1], "--zone", ZONES[2]];
    let mut program = Launch::new().arguments(arguments).start();
    let epoch = program
        .client()
        .get("/v1/zones")
        .header("x-callsign-epoch")
        .expect("an epoch")
        .to_string();
    let seen = Mutex::new(BTreeMap::new());
    let mut slowest = Duration::ZERO;
    let mut index = 0;
    for round in 0..rounds {
        let until_kill = Duration::from_micros(random.u64(..if round % 4 == 0 { 20_000 } else { 300_000 }));
        let stop = AtomicBool::new(false);
        let (dns, http) = (program.dns, program.http);
        let killed = std::thread::scope(|scope| {
            for writer in &mut writers {
                scope.spawn(move || writer.run(http));
            }
            scope.spawn(|| watch_serials(dns, &seen, &stop));
            std::thread::sleep(until_kill);
            let killed = program.kill();
            stop.store(true, Ordering::Relaxed);
            killed
        });
        let began = Instant::now();
        program = killed.start();
        let client = program.client();
        client.get("/readyz").expect(200);
        slowest = slowest.max(began.elapsed());

        let mut zone_ttls = BTreeMap::new();
        let mut found_all = Vec::new();
        for writer in &mut writers {
            let now = found(&program, writer);
            let possible = [Some(&writer.acknowledged), writer.pending.as_ref()];
            assert!(
                possible.contains(&Some(&now)),
                "seed {seed}, round {round}, thread {}: the server has\n{now:#?}\nacknowledged was\n{:#?}\non its way was\n{:#?}",
                writer.number,
                writer.acknowledged,
                writer.pending
            );
            if let Some(zone) = writer.own_zone() {
                zone_ttls.insert(zone, now.zone_ttl);
            }
            writer.acknowledged = now.clone();
            writer.pending = None;
            found_all.push(now);
        }
        for owned in &found_all {
            dns_agrees(&program, &zone_ttls, owned);
        }
        let response = client.get("/v1/zones");
        assert_eq!(response.header("x-callsign-epoch"), Some(epoch.as_str()));
        let highest = writers.iter().map(|writer| writer.index).max().unwrap_or(0);
        assert!(
            response.index() >= highest.max(index),
            "{} after {highest} and {index}",
            response.index()
        );
        index = response.index();
        for zone in ZONES {
            let now = serial(&ask_tcp(program.dns, &Query::new(zone, Type::SOA)));
            if let Some(last) = seen.lock().unwrap().insert(zone, now) {
                assert!(
                    now == last || is_after(now, last),
                    "{zone}: the serial fell from {last} to {now}"
                );
            }
        }
        if round % 4 == 3 || round + 1 == rounds {
            is_whole(&program);
            let dump = run(["dump", "--data-dir", program.data_dir.to_str().expect("UTF-8")]);
            assert_eq!((dump.code, dump.stderr.as_str()), (Some(0), ""));
            let dump: Value = serde_json::from_str(&dump.stdout).expect("a dump is JSON");
            assert_eq!(
                (dump["index"].as_u64(), dump["epoch"].as_str()),
                (Some(index), Some(epoch.as_str()))
            );
        }
    }
    let writes: usize = writers.iter().map(|writer| writer.writes).sum();
    println!("{rounds} kills, {writes} acknowledged writes, index {index}, ready again within {slowest:?}");
    assert!(
        writes > rounds * 10,
        "only {writes} writes: the test did not test much"
    );
    assert!(slowest < Duration::from_secs(10), "ready again after {slowest:?}");
}
