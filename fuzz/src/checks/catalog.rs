//! The catalog that is asked: of each kind of service one, in zones beside and below each other, with labels of one
//! octet among them, which a fuzzer finds by itself.

use std::sync::OnceLock;

use callsign::catalog::{
    Base, Change, InstanceId, InstanceKey, MetaKey, MetaValue, OnEmpty, Port, PortName, Protocol,
    Registration, ServiceName, ServiceSettings, State, Status, Tag, Ttl, ZoneName, ZoneSettings,
};
use callsign::clock::Timestamp;
use callsign::view::Snapshot;

const NOW: Timestamp = Timestamp::from_unix_ms(1_800_000_000_000);
const ZONES: [&str; 4] = ["svc.internal", "b.c.svc.internal", "a", "2.0.192.in-addr.arpa"];
/// Static records of all kinds, and some beside services.
const ZONE_FILES: [(&str, &str); 2] = [
    ("z", include_str!("z.zone")),
    ("svc.internal", include_str!("svc.internal.zone")),
];

/// Everything that is answered. The same in each process.
pub(super) fn snapshot() -> &'static Snapshot {
    static SNAPSHOT: OnceLock<Snapshot> = OnceLock::new();
    SNAPSHOT.get_or_init(|| Snapshot::of(state()))
}

fn state() -> State {
    let mut catalog = Catalog(State::default());
    catalog.make(Change::Open {
        zones: ZONES.map(zone).to_vec(),
        base: Base {
            name_servers: ["192.0.2.53", "2001:db8::53"].map(address).into(),
            ..Base::default()
        },
    });
    for (name, text) in ZONE_FILES {
        // Warnings are wanted: aliases that lead nowhere are asked for, too.
        let (contents, _warnings) = callsign::zonefile::read_text(text.as_bytes(), &zone(name))
            .expect("text can be read")
            .unwrap_or_else(|findings| panic!("{name}: {findings:?}"));
        catalog.make(Change::ZoneFile {
            zone: zone(name),
            contents: Some(contents.into()),
        });
    }
    for n in 1..=3 {
        let addresses = [format!("192.0.2.{n}"), format!("2001:db8::{n}")];
        catalog.register(
            &format!("web-{n}.web.svc.internal"),
            Registration {
                ports: [
                    port("http", 8080, Protocol::Tcp),
                    port("metrics", 9100, Protocol::Udp),
                ]
                .into(),
                tags: ["v2", if n == 1 { "canary" } else { "Not A Label!" }]
                    .map(tag)
                    .into(),
                meta: [
                    meta("empty", ""),
                    meta("path", &"/".repeat(200)),
                    meta("team", "a=b"),
                ]
                .into(),
                ..Registration::at(addresses.each_ref().map(|text| address(text)))
            },
        );
    }
    // More than a datagram holds, in three tiers.
    for n in 1..=60_u16 {
        let addresses = [format!("198.51.100.{n}"), format!("2001:db8:1::{n:x}")];
        catalog.register(
            &format!("i{n}.big.svc.internal"),
            Registration {
                ports: [port("main", 80, Protocol::Tcp), port("q", 443, Protocol::Udp)].into(),
                tags: [tag(if n % 2 == 0 { "even" } else { "odd" })].into(),
                priority: n % 3,
                weight: n % 5,
                ..Registration::at(addresses.each_ref().map(|text| address(text)))
            },
        );
    }
    for n in 1..=5 {
        catalog.register(
            &format!("x{n}.limited.svc.internal"),
            Registration {
                ports: [port("main", 80 + n, Protocol::Sctp)].into(),
                ..Registration::at([address(&format!("192.0.2.{n}"))])
            },
        );
    }
    catalog.set(
        "limited",
        ServiceSettings {
            answer_limit: Some(2),
            ..ServiceSettings::default()
        },
    );
    for (service, on_empty) in [
        ("gone", OnEmpty::NoData),
        ("nx", OnEmpty::NxDomain),
        ("open", OnEmpty::All),
    ] {
        let settings = ServiceSettings {
            on_empty: Some(on_empty),
            ttl: Ttl::from_seconds(0),
            ..ServiceSettings::default()
        };
        catalog.set(service, settings);
        catalog.register(
            &format!("sick.{service}.svc.internal"),
            Registration {
                ports: [port("main", 1, Protocol::Tcp)].into(),
                tags: [tag("t")].into(),
                status: Some(Status::Critical),
                ..Registration::at([address("192.0.2.66")])
            },
        );
    }
    catalog.register("b.a.a", Registration::at([address("2001:db8::a")]));
    catalog.register(
        "v6.web.b.c.svc.internal",
        Registration::at([address("2001:db8::b")]),
    );
    let [long_id, long_service] = ["i", "s"].map(|letter| letter.repeat(63));
    catalog.register(
        &format!("{long_id}.{long_service}.svc.internal"),
        Registration {
            ports: [port(&"p".repeat(62), 65_535, Protocol::Tcp)].into(),
            tags: [tag(&"t".repeat(63))].into(),
            ..Registration::at([address("192.0.2.77")])
        },
    );
    catalog.make(Change::Drain {
        key: key("web-3.web.svc.internal"),
        draining: true,
        delete_after: None,
    });
    catalog.make(Change::PutZone {
        zone: zone("a"),
        settings: ZoneSettings {
            ttl: Ttl::from_seconds(0x7fff_ffff),
            ..ZoneSettings::default()
        },
    });
    catalog.0
}

struct Catalog(State);

impl Catalog {
    fn make(&mut self, change: Change) {
        self.0
            .apply(&change.into(), NOW)
            .unwrap_or_else(|rejection| panic!("the catalog is wrong: {rejection}"));
    }

    fn register(&mut self, name: &str, registration: Registration) {
        self.make(Change::Register {
            key: key(name),
            registration: Box::new(registration),
        });
    }

    fn set(&mut self, service: &str, settings: ServiceSettings) {
        self.make(Change::PutService {
            zone: zone(ZONES[0]),
            service: ServiceName::parse(service).expect("a label"),
            settings,
        });
    }
}

/// Of `id.service.zone`.
fn key(name: &str) -> InstanceKey {
    let mut labels = name.splitn(3, '.');
    let mut next = || labels.next().expect("three parts");
    InstanceKey {
        id: InstanceId::parse(next()).expect("a label"),
        service: ServiceName::parse(next()).expect("a label"),
        zone: zone(next()),
    }
}

fn zone(name: &str) -> ZoneName {
    ZoneName::parse(name).expect("a zone")
}

fn address(text: &str) -> std::net::IpAddr {
    text.parse().expect("an address")
}

fn port(name: &str, number: u16, protocol: Protocol) -> Port {
    Port {
        name: PortName::parse(name).expect("a label"),
        number: number.try_into().expect("not zero"),
        protocol,
    }
}

fn tag(text: &str) -> Tag {
    Tag::parse(text).expect("a tag")
}

fn meta(key: &str, value: &str) -> (MetaKey, MetaValue) {
    (
        MetaKey::parse(key).expect("a key"),
        MetaValue::parse(value).expect("a value"),
    )
}
