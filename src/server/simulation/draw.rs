//! What clients, operators and time do, drawn at random from small pools of names, so that it meets.

use std::sync::Arc;
use std::time::Duration;

use super::model::Model;
use super::world::{Cut, Fault};
use crate::catalog::*;
use crate::writer::Request;

/// The first is the server's own; the last would hide a service of the first.
const ZONES: [&str; 3] = ["svc.internal", "example.org", "web.svc.internal"];
const SERVICES: [&str; 4] = ["web", "api", "db", "ns"];
const TAGS: [&str; 4] = ["v2", "canary", "i1", "blue"];
const ADDRESSES: [&str; 5] = [
    "192.0.2.1",
    "192.0.2.2",
    "192.0.2.3",
    "198.51.100.7",
    "2001:db8::1",
];
const LEASES_MS: [u64; 6] = [1000, 5000, 10_000, 15_000, 15_000, 60_000];
const DELAYS_MS: [u64; 6] = [0, 1000, 5000, 20_000, 600_000, 3_600_000];
/// Operations of a batch.
const OPERATIONS_MAX: usize = 5;

pub(super) struct Draw {
    pub(super) rng: fastrand::Rng,
    /// So many ids are in use.
    ids: usize,
    /// Where most happens.
    zone_of_choice: usize,
}

impl Draw {
    pub(super) fn new(seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let ids = [3, 6, 12, 24][rng.usize(..4)];
        let zone_of_choice = usize::from(rng.u8(..4) == 0);
        Self {
            rng,
            ids,
            zone_of_choice,
        }
    }

    /// One time in `n`.
    pub(super) fn one_in(&mut self, n: u32) -> bool {
        self.rng.u32(..n) == 0
    }

    pub(super) fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.rng.usize(..of.len())].clone()
    }

    pub(super) fn home() -> ZoneName {
        ZoneName::parse(ZONES[0]).expect("a zone")
    }

    fn zone(&mut self) -> ZoneName {
        let at = if self.one_in(6) {
            self.rng.usize(..ZONES.len())
        } else {
            self.zone_of_choice
        };
        ZoneName::parse(ZONES[at]).expect("a zone")
    }

    fn service(&mut self) -> ServiceName {
        let most = if self.one_in(12) { SERVICES.len() } else { 3 };
        ServiceName::parse(SERVICES[self.rng.usize(..most)]).expect("a service")
    }

    /// One that is there, mostly.
    pub(super) fn key(&mut self, model: &Model) -> InstanceKey {
        let all: Vec<InstanceKey> = keys(model);
        if !all.is_empty() && !self.one_in(4) {
            return self.pick(&all);
        }
        let id = format!("i{}", self.rng.usize(..self.ids));
        InstanceKey {
            zone: self.zone(),
            service: self.service(),
            id: InstanceId::parse(&id).expect("an id"),
        }
    }

    fn delay(&mut self) -> Delay {
        Delay::from_duration(Duration::from_millis(self.pick(&DELAYS_MS))).expect("a delay")
    }

    fn ttl(&mut self) -> Option<Ttl> {
        let ttls = [None, Ttl::from_seconds(3), Ttl::from_seconds(60)];
        self.pick(&ttls)
    }

    fn on_empty(&mut self) -> Option<OnEmpty> {
        self.pick(&[
            None,
            None,
            Some(OnEmpty::NxDomain),
            Some(OnEmpty::All),
            Some(OnEmpty::NoData),
        ])
    }

    fn registration(&mut self) -> Registration {
        let mut said = Registration::at([]);
        let mut addresses: Vec<_> = (0..self.rng.usize(1..3))
            .map(|_| parse_address(self.pick(&ADDRESSES)).expect("an address"))
            .collect();
        addresses.dedup();
        said.addresses = addresses.into();
        let port = |name: &str, number: u16, protocol| Port {
            name: PortName::parse(name).expect("a port"),
            number: number.try_into().expect("not 0"),
            protocol,
        };
        said.ports = match self.rng.u8(..5) {
            0 => Box::default(),
            1 => [port("main", 80, Protocol::Tcp)].into(),
            2 => [port("dns", 53, Protocol::Udp), port("http", 8080, Protocol::Tcp)].into(),
            _ => [port("http", 8080 + u16::from(self.rng.bool()), Protocol::Tcp)].into(),
        };
        if self.one_in(3) {
            let tag = self.pick(&TAGS);
            said.tags = [Tag::parse(tag).expect("a tag")].into();
        }
        (said.priority, said.weight) = (self.rng.u16(..2), self.rng.u16(1..3));
        if self.one_in(4) {
            said.status = Some(self.pick(&[Status::Passing, Status::Warning, Status::Critical]));
        }
        if !self.one_in(5) {
            let lease = Duration::from_millis(self.pick(&LEASES_MS));
            said.lease = Some(Lease::from_duration(lease).expect("a lease"));
        }
        if self.one_in(3) {
            said.deregister_after = self.delay();
        }
        said
    }

    fn change(&mut self, model: &Model) -> Change {
        let key = self.key(model);
        match self.rng.u8(..40) {
            0..=12 => Change::Register {
                key,
                registration: Box::new(self.registration()),
            },
            13..=16 => Change::Deregister {
                key,
                absent_is_fine: self.rng.bool(),
            },
            17..=23 => Change::Report {
                key,
                port: self.one_in(2).then(|| PortName::parse("http").expect("a port")),
                status: self.pick(&[Status::Passing, Status::Warning, Status::Critical]),
                output: self
                    .one_in(4)
                    .then(|| Output::parse("down").ok().flatten())
                    .flatten(),
            },
            24..=28 => Change::Drain {
                key,
                draining: !self.one_in(4),
                delete_after: self.rng.bool().then(|| self.delay()),
            },
            29..=32 => Change::Heartbeat { key },
            33..=35 => {
                let settings = if self.one_in(3) {
                    ServiceSettings::NONE
                } else {
                    ServiceSettings {
                        ttl: self.ttl(),
                        on_empty: self.on_empty(),
                        answer_limit: None,
                        forget_after: self.rng.bool().then(|| self.delay()),
                    }
                };
                Change::PutService {
                    zone: self.zone(),
                    service: self.service(),
                    settings,
                }
            }
            36 => Change::DeleteService {
                zone: self.zone(),
                service: self.service(),
            },
            37 | 38 => {
                let zone = if self.rng.bool() {
                    self.zone()
                } else {
                    self.any_zone()
                };
                let settings = ZoneSettings {
                    ttl: self.ttl(),
                    negative_ttl: self.ttl(),
                    on_empty: self.on_empty(),
                    answer_limit: None,
                    forget_after: self.rng.bool().then(|| self.delay()),
                };
                Change::PutZone { zone, settings }
            }
            _ => Change::DeleteZone {
                zone: self.any_zone(),
            },
        }
    }

    /// What a client asks of an instance about which something else is decided at the same time.
    pub(super) fn about(&mut self, key: InstanceKey) -> Request {
        let change = match self.rng.u8(..5) {
            0 => Change::Heartbeat { key },
            1 => Change::Report {
                key,
                port: None,
                status: Status::Passing,
                output: None,
            },
            2 => Change::Deregister {
                key,
                absent_is_fine: false,
            },
            3 => Change::Drain {
                key,
                draining: self.rng.bool(),
                delete_after: Some(self.delay()),
            },
            _ => Change::Register {
                key,
                registration: Box::new(self.registration()),
            },
        };
        Request {
            operations: vec![change.into()],
            actor: "rival".into(),
        }
    }

    pub(super) fn critical(key: InstanceKey) -> Change {
        Change::Report {
            key,
            port: None,
            status: Status::Critical,
            output: None,
        }
    }

    fn any_zone(&mut self) -> ZoneName {
        let zone = self.pick(&ZONES);
        ZoneName::parse(zone).expect("a zone")
    }

    fn operation(&mut self, model: &Model) -> Operation {
        let change = self.change(model);
        let precondition = match self.rng.u8(..14) {
            0 => Precondition::Absent,
            1 => Precondition::Present,
            2 | 3 => {
                let index = match &change {
                    Change::Register { key, .. } | Change::Report { key, .. } | Change::Drain { key, .. } => {
                        model.find(key).map_or(1, |found| found.index)
                    }
                    _ => model.index,
                };
                Precondition::Index([index].into())
            }
            _ => Precondition::None,
        };
        Operation { change, precondition }
    }

    /// Of several clients, in the order in which they happened to arrive.
    pub(super) fn requests(&mut self, model: &Model) -> Vec<Request> {
        let count = if self.rng.bool() { 1 } else { self.rng.usize(1..5) };
        (0..count)
            .map(|_| {
                let operations = if self.one_in(4) {
                    self.rng.usize(1..=OPERATIONS_MAX)
                } else {
                    1
                };
                let actor: Arc<str> = format!("client-{}", self.rng.u8(..3)).into();
                let operations = (0..operations).map(|_| self.operation(model)).collect();
                Request { operations, actor }
            })
            .collect()
    }

    /// Many instances of one or two services with leases alike, as a deployment brings them.
    pub(super) fn deployment(&mut self) -> Request {
        let (zone, lease) = (self.zone(), self.pick(&LEASES_MS[1..]));
        let mut operations: Vec<Operation> = Vec::new();
        for _ in 0..self.rng.usize(1..=2) {
            let service = ServiceName::parse(SERVICES[self.rng.usize(..3)]).expect("a service");
            for at in 0..self.ids {
                let mut said = self.registration();
                said.tags = Box::default();
                if !self.one_in(8) {
                    said.lease = Lease::from_duration(Duration::from_millis(lease)).ok();
                }
                let id = InstanceId::parse(&format!("i{at}")).expect("an id");
                let key = InstanceKey {
                    zone: zone.clone(),
                    service: service.clone(),
                    id,
                };
                operations.push(
                    Change::Register {
                        key,
                        registration: Box::new(said),
                    }
                    .into(),
                );
            }
        }
        Request {
            operations,
            actor: "deployment".into(),
        }
    }

    pub(super) fn fault(&mut self, requests: usize) -> Fault {
        if !self.one_in(5) {
            return Fault::None;
        }
        match self.rng.u8(..20) {
            0..=3 => Fault::Full,
            4..=7 => Fault::Locked,
            8 => Fault::Refused,
            9 => Fault::Lost,
            10 => Fault::Crash(Cut::Tried),
            11 | 12 => Fault::Crash(Cut::Written),
            13 | 14 => Fault::Crash(Cut::Unmarked),
            15 => Fault::Crash(Cut::Committed),
            16 | 17 => Fault::Crash(Cut::Published),
            _ => Fault::Crash(Cut::Told(self.rng.usize(1..=requests.max(1)))),
        }
    }

    /// How long nothing happens, in milliseconds.
    pub(super) fn while_ms(&mut self) -> u64 {
        match self.rng.u8(..12) {
            0..=2 => self.rng.u64(1..1000),
            3..=7 => 500 * self.rng.u64(1..30),
            8 | 9 => 1000 * self.rng.u64(10..90),
            10 => 1000 * self.rng.u64(60..700),
            _ => 1000 * self.rng.u64(600..7200),
        }
    }
}

pub(super) fn keys(model: &Model) -> Vec<InstanceKey> {
    let mut all = Vec::new();
    for (zone, of_zone) in &model.zones {
        for (service, of_service) in &of_zone.services {
            let key = |id: &InstanceId| InstanceKey {
                zone: zone.clone(),
                service: service.clone(),
                id: id.clone(),
            };
            all.extend(of_service.instances.keys().map(key));
        }
    }
    all
}
