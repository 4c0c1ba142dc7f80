//! The naive model: maps, linear scans, whole copies. It shares the words of `catalog` (names, registrations, the shapes
//! of what is shown) and the test oracle's table of RRsets, and nothing that decides.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::catalog::tests::oracle;
use crate::catalog::{
    Base, Drain, Instance, InstanceExtras, InstanceId, Kind, KnownName, Lingering, PortName, Registration,
    Service, ServiceExtras, ServiceName, ServiceSettings, Services, State, Verdict, Zone, ZoneName,
    ZoneSettings,
};
use crate::clock::Timestamp;

pub(super) mod apply;
pub(super) mod guard;
pub(super) mod leases;

/// The catalog as it ought to be.
#[derive(Clone, Debug, Default)]
pub(super) struct Model {
    pub(super) index: u64,
    pub(super) zones: BTreeMap<ZoneName, MZone>,
    /// The last serials of deleted zones.
    pub(super) retired: BTreeMap<ZoneName, u32>,
    pub(super) base: Base,
    /// Every change there ever was.
    pub(super) log: Vec<Logged>,
    /// The index of the oldest change that is kept.
    pub(super) oldest: u64,
}

#[derive(Clone, Debug)]
pub(super) struct MZone {
    pub(super) settings: ZoneSettings,
    pub(super) base: Base,
    pub(super) serial: u32,
    pub(super) created_at: Timestamp,
    pub(super) index: u64,
    pub(super) services: BTreeMap<ServiceName, MService>,
}

#[derive(Clone, Debug)]
pub(super) struct MService {
    pub(super) settings: ServiceSettings,
    pub(super) created_at: Timestamp,
    pub(super) index: u64,
    pub(super) lingering: BTreeMap<KnownName, Timestamp>,
    pub(super) instances: BTreeMap<InstanceId, MInstance>,
    /// Its RRsets, once they were asked for; until it or its zone changes.
    pub(super) published: Option<Arc<Published>>,
}

/// RRsets by owner and type, each with its TTL.
pub(super) type Published = BTreeMap<(String, u16), (u32, BTreeSet<oracle::Data>)>;

#[derive(Clone, Debug, PartialEq)]
pub(super) struct MInstance {
    pub(super) said: Registration,
    pub(super) reported: Verdict,
    pub(super) of_ports: BTreeMap<PortName, Verdict>,
    pub(super) lapsed: Option<Timestamp>,
    pub(super) drain: Option<Drain>,
    pub(super) created_at: Timestamp,
    pub(super) updated_at: Timestamp,
    pub(super) created_index: u64,
    pub(super) index: u64,
}

/// What the change log must say of a change.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Logged {
    pub(super) index: u64,
    pub(super) at: Timestamp,
    pub(super) kind: Kind,
    pub(super) zone: ZoneName,
    pub(super) service: Option<ServiceName>,
    pub(super) id: Option<InstanceId>,
    pub(super) after: After,
    pub(super) by: Arc<str>,
}

/// The thing after a change, without what stands below it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum After {
    Gone,
    Zone(ZoneSettings, u32),
    Service(ServiceSettings, u64),
    Instance(Instance),
}

impl MInstance {
    pub(super) fn is_answerable(&self) -> bool {
        use crate::catalog::Status::Critical;
        let is_well = |port: &crate::catalog::Port| {
            self.of_ports
                .get(&port.name)
                .is_none_or(|verdict| verdict.status != Critical)
        };
        self.lapsed.is_none()
            && self.reported.status != Critical
            && self.drain.is_none()
            && (self.said.ports.is_empty() || self.said.ports.iter().any(is_well))
    }

    pub(super) fn shown(&self, id: &InstanceId) -> Instance {
        Instance {
            id: id.clone(),
            addresses: self.said.addresses.iter().copied().collect(),
            ports: self.said.ports.iter().cloned().collect(),
            created_at: self.created_at,
            updated_at: self.updated_at,
            created_index: self.created_index,
            index: self.index,
            extras: InstanceExtras {
                tags: self.said.tags.clone(),
                meta: self.said.meta.clone(),
                deregister_after: Some(self.said.deregister_after),
                reported: Some(self.reported.clone()),
                reported_of_ports: self
                    .of_ports
                    .iter()
                    .map(|(name, it)| (name.clone(), it.clone()))
                    .collect(),
                lapsed: self.lapsed,
                drain: self.drain,
            }
            .kept(self.created_at),
            lease: self.said.lease,
            priority: self.said.priority,
            weight: self.said.weight,
        }
    }
}

impl MService {
    pub(super) fn shown(&self, name: &ServiceName) -> Service {
        let lingering = self.lingering.iter().map(|(name, since)| Lingering {
            name: name.clone(),
            since: *since,
        });
        Service {
            name: name.clone(),
            instances: self
                .instances
                .iter()
                .map(|(id, it)| Arc::new(it.shown(id)))
                .collect(),
            created_at: self.created_at,
            index: self.index,
            extras: ServiceExtras {
                settings: self.settings.clone(),
                lingering: lingering.collect(),
                cached_until: None,
            }
            .kept(self.created_at),
        }
    }
}

impl MZone {
    /// With those of its services that are wanted.
    pub(super) fn shown(&self, name: &ZoneName, wanted: impl Fn(&ServiceName) -> bool) -> Zone {
        let services = self.services.iter().filter(|(name, _)| wanted(name));
        let services: Vec<_> = services.map(|(name, it)| Arc::new(it.shown(name))).collect();
        Zone {
            name: name.clone(),
            settings: self.settings.clone(),
            base: self.base.clone(),
            serial: self.serial,
            file: None,
            contents: None,
            reverse: None,
            instances: services
                .iter()
                .map(|service| service.instances.len() as u64)
                .sum(),
            services: Services::from_sorted(services),
            created_at: self.created_at,
            index: self.index,
            cached_until: self.created_at,
        }
    }
}

impl Model {
    pub(super) fn shown(&self) -> State {
        let zones = self
            .zones
            .iter()
            .map(|(name, zone)| (name.clone(), Arc::new(zone.shown(name, |_| true))));
        State {
            index: self.index,
            zones: zones.collect(),
            retired: self
                .retired
                .iter()
                .map(|(name, serial)| (name.clone(), *serial))
                .collect(),
            base: self.base.clone(),
            ..State::default()
        }
    }

    pub(super) fn service(&self, zone: &ZoneName, service: &ServiceName) -> Option<&MService> {
        self.zones.get(zone)?.services.get(service)
    }
}
