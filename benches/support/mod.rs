//! A catalog of services of three instances, and questions about it.

#![allow(dead_code, missing_docs, unreachable_pub)]

use std::net::{IpAddr, Ipv4Addr};

use callsign::catalog::{
    Base, Change, InstanceId, InstanceKey, Port, PortName, Protocol, Registration, ServiceName, State,
    ZoneName,
};
use callsign::clock::Timestamp;

pub const ZONE: &str = "svc.internal";
pub const NOW: Timestamp = Timestamp::from_unix_ms(1_800_000_000_000);

/// A catalog of `services` services of three instances, each with an address and a port.
pub fn catalog(services: usize) -> State {
    let zone = ZoneName::parse(ZONE).expect("a zone");
    let mut state = State::default();
    let open = Change::Open {
        zones: vec![zone.clone()],
        base: Base::default(),
    };
    state.apply(&open.into(), NOW).expect("an empty catalog opens");
    for service in 0..services {
        for instance in 0..3 {
            let change = registration(&zone, service, instance);
            state.apply(&change.into(), NOW).expect("a registration");
        }
    }
    state
}

/// The registration of one instance.
pub fn registration(zone: &ZoneName, service: usize, instance: usize) -> Change {
    let number = (service * 3 + instance) as u32;
    let key = InstanceKey {
        zone: zone.clone(),
        service: ServiceName::parse(&format!("service-{service}")).expect("a label"),
        id: InstanceId::parse(&format!("service-{service}-{instance}")).expect("a label"),
    };
    let port = Port {
        name: PortName::parse("main").expect("a label"),
        number: 8080.try_into().expect("not zero"),
        protocol: Protocol::Tcp,
    };
    let address = IpAddr::V4(Ipv4Addr::from(0x0a00_0001 + number));
    let registration = Registration {
        ports: [port].into(),
        ..Registration::at([address])
    };
    Change::Register {
        key,
        registration: Box::new(registration),
    }
}

/// A query with EDNS of 1,232 octets, as resolvers send it.
pub fn query(name: &str, qtype: u16) -> Vec<u8> {
    let mut packet = vec![0x12, 0x34, 0x01, 0, 0, 1, 0, 0, 0, 0, 0, 1];
    for label in name.split('.') {
        packet.push(label.len() as u8);
        packet.extend_from_slice(label.as_bytes());
    }
    packet.push(0);
    packet.extend_from_slice(&qtype.to_be_bytes());
    packet.extend_from_slice(&[0, 1]);
    packet.extend_from_slice(&[0, 0, 41, 0x04, 0xd0, 0, 0, 0, 0, 0, 0]);
    packet
}

/// Resident memory of this process in octets.
pub fn resident_octets() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    pages
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse::<u64>().ok())
        .unwrap_or(0)
        * 4096
}
