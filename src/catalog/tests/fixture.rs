//! A catalog to try changes on, in few words. Other modules' tests build their snapshots with it.

use std::time::Duration;

use crate::catalog::*;
use crate::clock::Timestamp;

/// The zone of most tests.
pub(crate) const ZONE: &str = "svc.internal";

/// When the first change of a test happens.
pub(crate) const BEGIN: Timestamp = Timestamp::from_unix_ms(1_767_225_600_000);

pub(crate) fn zone(name: &str) -> ZoneName {
    ZoneName::parse(name).unwrap()
}

pub(crate) fn service(name: &str) -> ServiceName {
    ServiceName::parse(name).unwrap()
}

pub(crate) fn port(name: &str) -> PortName {
    PortName::parse(name).unwrap()
}

pub(crate) fn ttl(seconds: u32) -> Option<Ttl> {
    Some(Ttl::from_seconds(seconds).unwrap())
}

pub(crate) fn delay(ms: u64) -> Delay {
    Delay::from_duration(Duration::from_millis(ms)).unwrap()
}

pub(crate) fn output(text: &str) -> Option<Output> {
    Output::parse(text).unwrap()
}

/// The key of `web-1.web`, or of `web-1.web.other.zone`.
pub(crate) fn key(name: &str) -> InstanceKey {
    let mut labels = name.splitn(3, '.');
    InstanceKey {
        id: InstanceId::parse(labels.next().unwrap()).unwrap(),
        service: service(labels.next().unwrap()),
        zone: zone(labels.next().unwrap_or(ZONE)),
    }
}

/// A registration in words.
#[derive(Clone, Debug)]
pub(crate) struct At(pub(crate) Registration);

/// A registration of these addresses, separated by spaces.
pub(crate) fn at(addresses: &str) -> At {
    let addresses: Vec<_> = addresses
        .split_whitespace()
        .map(|text| parse_address(text).unwrap())
        .collect();
    At(Registration::at(addresses))
}

impl At {
    /// `http 8080` or `dns 53/udp`, separated by commas.
    pub(crate) fn ports(mut self, ports: &str) -> Self {
        let mut ports: Vec<Port> = ports
            .split(',')
            .map(str::trim)
            .filter(|text| !text.is_empty())
            .map(|text| {
                let (name, rest) = text.split_once(' ').unwrap();
                let (number, protocol) = rest.split_once('/').unwrap_or((rest, "tcp"));
                Port {
                    name: port(name),
                    number: number.parse().unwrap(),
                    protocol: Protocol::parse(protocol).unwrap(),
                }
            })
            .collect();
        ports.sort_by(|a, b| a.name.cmp(&b.name));
        self.0.ports = ports.into();
        self
    }

    /// Separated by spaces.
    pub(crate) fn tags(mut self, tags: &str) -> Self {
        self.0.tags = tags
            .split_whitespace()
            .map(|tag| Tag::parse(tag).unwrap())
            .collect();
        self
    }

    pub(crate) fn tag(mut self, tag: &str) -> Self {
        let mut tags = self.0.tags.to_vec();
        tags.push(Tag::parse(tag).unwrap());
        self.0.tags = tags.into();
        self
    }

    pub(crate) fn meta(mut self, pairs: &[(&str, &str)]) -> Self {
        let mut meta: Vec<_> = pairs
            .iter()
            .map(|(key, value)| (MetaKey::parse(key).unwrap(), MetaValue::parse(value).unwrap()))
            .collect();
        meta.sort_by(|a, b| a.0.cmp(&b.0));
        self.0.meta = meta.into();
        self
    }

    pub(crate) fn tier(mut self, priority: u16, weight: u16) -> Self {
        (self.0.priority, self.0.weight) = (priority, weight);
        self
    }

    pub(crate) fn weight(self, weight: u16) -> Self {
        let priority = self.0.priority;
        self.tier(priority, weight)
    }

    pub(crate) fn status(mut self, status: Status) -> Self {
        self.0.status = Some(status);
        self
    }

    pub(crate) fn lease(mut self, ms: u64) -> Self {
        self.0.lease = Some(Lease::from_duration(Duration::from_millis(ms)).unwrap());
        self
    }

    pub(crate) fn deregister_after(mut self, ms: u64) -> Self {
        self.0.deregister_after = delay(ms);
        self
    }
}

/// A catalog under test, its time, and every record of what was done to it.
#[derive(Clone, Debug)]
pub(crate) struct Catalog {
    pub(crate) state: State,
    pub(crate) now: Timestamp,
    pub(crate) records: Vec<Record>,
}

impl Catalog {
    /// With [`ZONE`] and nothing in it.
    pub(crate) fn new() -> Self {
        Self::with_zones(&[ZONE])
    }

    pub(crate) fn with_zones(zones: &[&str]) -> Self {
        Self::opened(zones, Base::default())
    }

    pub(crate) fn opened(zones: &[&str], base: Base) -> Self {
        let mut catalog = Self::empty();
        catalog.make(Change::Open {
            zones: zones.iter().map(|name| zone(name)).collect(),
            base,
        });
        catalog
    }

    pub(crate) fn empty() -> Self {
        Self {
            state: State::default(),
            now: BEGIN,
            records: Vec::new(),
        }
    }

    pub(crate) fn advance(&mut self, ms: u64) -> &mut Self {
        self.now = self.now + Duration::from_millis(ms);
        self
    }

    /// Tries a change; a refusal must leave everything as it was.
    pub(crate) fn attempt(&mut self, operation: impl Into<Operation>) -> Result<Effect, Rejection> {
        let before = self.state.clone();
        let operation = operation.into();
        let outcome = self.state.apply(&operation, self.now);
        match &outcome {
            Ok(effect) => {
                let moved = effect.records.len() as u64;
                assert_eq!(
                    self.state.index,
                    before.index + moved,
                    "one index each: {operation:?}"
                );
                for (at, record) in effect.records.iter().enumerate() {
                    assert_eq!(record.index, before.index + 1 + at as u64, "{operation:?}");
                    assert_eq!(record.at, self.now);
                }
                if !effect.changed() {
                    assert_eq!(self.state, before, "no record, no change: {operation:?}");
                }
                self.records.extend(effect.records.iter().cloned());
            }
            Err(_) => assert_eq!(self.state, before, "a refusal changes nothing: {operation:?}"),
        }
        outcome
    }

    pub(crate) fn make(&mut self, change: Change) -> Effect {
        self.attempt(change)
            .unwrap_or_else(|refusal| panic!("{refusal:?}"))
    }

    pub(crate) fn register(&mut self, name: &str, at: At) -> Effect {
        self.make(register(name, at))
    }

    pub(crate) fn deregister(&mut self, name: &str) -> Effect {
        self.make(deregister(name))
    }

    pub(crate) fn heartbeat(&mut self, name: &str) -> Effect {
        self.make(Change::Heartbeat { key: key(name) })
    }

    pub(crate) fn report(&mut self, name: &str, status: Status) -> Effect {
        self.make(report(name, None, status, ""))
    }

    pub(crate) fn report_port(&mut self, name: &str, port: &str, status: Status) -> Effect {
        self.make(report(name, Some(port), status, ""))
    }

    pub(crate) fn drain(&mut self, name: &str) -> Effect {
        self.make(drain(name, true, None))
    }

    pub(crate) fn undrain(&mut self, name: &str) -> Effect {
        self.make(drain(name, false, None))
    }

    pub(crate) fn lapse(&mut self, name: &str) -> Effect {
        self.make(Change::Lapse { key: key(name) })
    }

    pub(crate) fn set_service(&mut self, name: &str, settings: ServiceSettings) -> Effect {
        self.make(Change::PutService {
            zone: zone(ZONE),
            service: service(name),
            settings,
        })
    }

    pub(crate) fn set_zone(&mut self, name: &str, settings: ZoneSettings) -> Effect {
        self.make(Change::PutZone {
            zone: zone(name),
            settings,
        })
    }

    pub(crate) fn delete_service(&mut self, name: &str) -> Effect {
        self.make(Change::DeleteService {
            zone: zone(ZONE),
            service: service(name),
        })
    }

    /// Forgets every name of a service that lingers now.
    pub(crate) fn forget_all(&mut self, name: &str) -> Effect {
        let names = self
            .service(name)
            .lingering()
            .iter()
            .map(|lingering| (lingering.name.clone(), lingering.since))
            .collect();
        self.make(Change::Forget {
            zone: zone(ZONE),
            service: service(name),
            names,
        })
    }

    pub(crate) fn zone(&self) -> &Zone {
        self.zone_of(ZONE)
    }

    pub(crate) fn zone_of(&self, name: &str) -> &Zone {
        self.state.zone(&zone(name)).unwrap()
    }

    pub(crate) fn serial(&self) -> u32 {
        self.zone().serial
    }

    pub(crate) fn service(&self, name: &str) -> &Service {
        self.state.service(&zone(ZONE), &service(name)).unwrap()
    }

    pub(crate) fn has_service(&self, name: &str) -> bool {
        self.state.service(&zone(ZONE), &service(name)).is_ok()
    }

    pub(crate) fn instance(&self, name: &str) -> &Instance {
        self.state.instance(&key(name)).unwrap()
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.state.instance(&key(name)).is_ok()
    }

    /// Names without a bearer: ``, `http/tcp`, `#v2`.
    pub(crate) fn lingering(&self, service: &str) -> Vec<String> {
        self.service(service)
            .lingering()
            .iter()
            .map(|lingering| match &lingering.name {
                KnownName::Service => String::new(),
                KnownName::Port(name, protocol) => format!("{name}/{protocol}"),
                KnownName::Tag(label) => format!("#{label}"),
            })
            .collect()
    }
}

pub(crate) fn register(name: &str, at: At) -> Change {
    Change::Register {
        key: key(name),
        registration: Box::new(at.0),
    }
}

pub(crate) fn deregister(name: &str) -> Change {
    Change::Deregister {
        key: key(name),
        absent_is_fine: false,
    }
}

pub(crate) fn report(name: &str, about: Option<&str>, status: Status, said: &str) -> Change {
    Change::Report {
        key: key(name),
        port: about.map(port),
        status,
        output: output(said),
    }
}

pub(crate) fn drain(name: &str, draining: bool, delete_after: Option<Delay>) -> Change {
    Change::Drain {
        key: key(name),
        draining,
        delete_after,
    }
}

/// The stable word of a conflict, or the field that is invalid.
pub(crate) fn fault(outcome: Result<Effect, Rejection>) -> String {
    match outcome.unwrap_err() {
        Rejection::Conflict { code, field, .. } => format!("{code} {}", field.unwrap_or("-")),
        Rejection::Invalid { field, .. } => format!("invalid {field}"),
        Rejection::Precondition(index) => format!("precondition {index:?}"),
        Rejection::NoZone(_) => "no zone".into(),
        Rejection::NoService(..) => "no service".into(),
        Rejection::NoInstance(_) => "no instance".into(),
    }
}
