//! Services as large as they may be.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use callsign::catalog::limits::{ADDRESSES_MAX, INSTANCES_MAX, META_MAX, PORTS_MAX};
use callsign::catalog::{
    Base, Change, InstanceId, InstanceKey, MetaKey, MetaValue, Port, PortName, Protocol, Registration,
    ServiceName, ServiceSettings, State, Tag, ZoneName,
};
use callsign::clock::Timestamp;

pub(crate) const ZONE: &str = "svc.internal";
const NOW: Timestamp = Timestamp::from_unix_ms(1_800_000_000_000);

/// - `many`: as many instances as a service may have, each with one address of both families, a port and a tag.
/// - `limited`: the same with a limit of half of them, which has to be drawn for each question.
/// - `wide`: instances with as many addresses and ports as they may have.
/// - `told`: an instance with as much `meta` as there may be, in strings as long as they are shown.
pub(crate) fn state() -> State {
    let mut catalog = Catalog(State::default());
    catalog.make(Change::Open {
        zones: vec![zone()],
        base: Base::default(),
    });
    for service in ["many", "limited"] {
        for n in 0..INSTANCES_MAX as u16 {
            let mut registration = Registration::at([v4(n), v6(n)]);
            registration.ports = [port("main", 8080)].into();
            registration.tags = [tag(if n % 2 == 0 { "even" } else { "odd" }), tag("all")].into();
            registration.priority = n % 3;
            registration.weight = n % 7;
            catalog.register(service, &format!("{service}-{n}"), registration);
        }
    }
    let settings = ServiceSettings {
        answer_limit: Some(INSTANCES_MAX as u32 / 2),
        ..ServiceSettings::default()
    };
    catalog.make(Change::PutService {
        zone: zone(),
        service: service("limited"),
        settings,
    });
    for n in 0..128_u16 {
        let half = ADDRESSES_MAX as u16 / 2;
        let addresses: Vec<IpAddr> = (0..half)
            .flat_map(|m| [v4(n * half + m), v6(n * half + m)])
            .collect();
        let mut registration = Registration::at(addresses);
        registration.ports = (0..PORTS_MAX as u16)
            .map(|m| port(&format!("p{m:02}"), 1 + m))
            .collect();
        catalog.register("wide", &format!("{}-{n}", "w".repeat(55)), registration);
    }
    let mut registration = Registration::at([v4(1)]);
    registration.meta = (0..META_MAX)
        .map(|n| {
            let key = MetaKey::parse(&format!("k{n:02}")).expect("a key");
            (key, MetaValue::parse(&"v".repeat(251)).expect("a value"))
        })
        .collect();
    catalog.register("told", "told", registration);
    catalog.0
}

struct Catalog(State);

impl Catalog {
    fn make(&mut self, change: Change) {
        self.0.apply(&change.into(), NOW).expect("a change that fits");
    }

    fn register(&mut self, of: &str, id: &str, registration: Registration) {
        let key = InstanceKey {
            zone: zone(),
            service: service(of),
            id: InstanceId::parse(id).expect("a label"),
        };
        self.make(Change::Register {
            key,
            registration: Box::new(registration),
        });
    }
}

fn zone() -> ZoneName {
    ZoneName::parse(ZONE).expect("a zone")
}

fn service(name: &str) -> ServiceName {
    ServiceName::parse(name).expect("a label")
}

fn v4(n: u16) -> IpAddr {
    Ipv4Addr::from(0x0a00_0001 + u32::from(n)).into()
}

fn v6(n: u16) -> IpAddr {
    Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, n + 1).into()
}

fn port(name: &str, number: u16) -> Port {
    Port {
        name: PortName::parse(name).expect("a label"),
        number: number.try_into().expect("not zero"),
        protocol: Protocol::Tcp,
        reported: None,
    }
}

fn tag(text: &str) -> Tag {
    Tag::parse(text).expect("a tag")
}
