//! One zone as questions see it: its apex, its services by label, and the names that exist without records.

use std::collections::HashSet;
use std::fmt;
use std::net::IpAddr;
use std::ops::ControlFlow;
use std::sync::Arc;

use crate::catalog::contents::{Contents, Soa};
use crate::catalog::discovery::{InstanceLabel, hash_in};
use crate::catalog::reverse::Reverse;
use crate::catalog::{OnEmpty, Protocol, Zone, ZoneName};

use super::discovery::Discovery;
use super::service::{Laid, ServiceView};
use super::table::Table;
use super::types::TypePorts;

/// A zone as questions see it.
#[derive(Clone)]
pub struct ZoneView {
    /// Its settings, serial and base.
    zone: Arc<Zone>,
    /// The apex on the wire, in lower case.
    apex: Arc<[u8]>,
    labels: usize,
    services: Table,
    /// How many services are known with ports of each protocol: `_tcp.Z` exists while one is.
    protocols: [u32; 3],
    /// Names between the apex and zones below this one, on the wire without the apex: they exist, without records.
    between: Arc<HashSet<Vec<u8>>>,
    /// What its services can be browsed for.
    pub(super) discovery: Arc<Discovery>,
}

/// Where a service may stand: to be touched before it is looked for.
#[derive(Clone, Copy)]
pub struct Place<'z> {
    services: &'z Table,
    hash: u64,
}

impl Place<'_> {
    /// Touches the page of the zone's table.
    #[inline]
    pub fn touch_page(self) -> u64 {
        self.services.touch_page(self.hash)
    }

    /// Touches the service, if the page probably has it.
    #[inline]
    pub fn touch_service(self) -> u32 {
        self.services.touch_service(self.hash)
    }
}

impl fmt::Debug for ZoneView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ZoneView")
            .field("zone", &self.zone)
            .finish_non_exhaustive()
    }
}

impl ZoneView {
    /// Lays out a whole zone with its services.
    pub fn new(zone: &Arc<Zone>) -> Self {
        Self::with_services(
            zone,
            zone.services.iter().map(|service| Laid::new(service.clone())),
        )
    }

    /// Lays out a zone from services that are laid out already.
    pub(super) fn with_services(zone: &Arc<Zone>, services: impl Iterator<Item = Laid>) -> Self {
        let services: Vec<_> = services.collect();
        let mut protocols = [0; 3];
        for service in &services {
            for protocol in Protocol::ALL {
                protocols[protocol as usize] += u32::from(service.view().protocol(protocol).is_some());
            }
        }
        Self {
            apex: zone.name.to_wire().into(),
            labels: zone.name.labels().count(),
            zone: zone.clone(),
            protocols,
            between: Arc::default(),
            discovery: Arc::new(Discovery::of(&services)),
            services: Table::of(services.into_iter()),
        }
    }

    /// The zone in the catalog.
    pub fn zone(&self) -> &Arc<Zone> {
        &self.zone
    }

    /// The apex on the wire, in lower case.
    pub fn apex(&self) -> &[u8] {
        &self.apex
    }

    /// How many labels the apex has.
    pub fn labels(&self) -> usize {
        self.labels
    }

    /// The service of that label in lower case.
    #[inline]
    pub fn service(&self, label: &[u8]) -> Option<ServiceView<'_>> {
        self.laid(label).map(Laid::view)
    }

    #[inline]
    pub(super) fn laid(&self, label: &[u8]) -> Option<&Laid> {
        self.services.find(self.services.hash(label), label)
    }

    /// How many services there are.
    pub fn services_len(&self) -> usize {
        self.services.len()
    }

    /// Where the service of that label stands, if there is one.
    #[inline]
    pub fn place(&self, label: &[u8]) -> Place<'_> {
        Place {
            services: &self.services,
            hash: self.services.hash(label),
        }
    }

    /// Whether `_tcp.Z`, `_udp.Z` or `_sctp.Z` exists.
    pub fn has_protocol(&self, protocol: Protocol) -> bool {
        self.protocols[protocol as usize] > 0
    }

    /// Whether a service knows a type that can be browsed for: `_services._dns-sd._udp.Z` exists while one does.
    pub fn has_types(&self) -> bool {
        self.discovery.has_types()
    }

    /// Whether a service knows a port whose name is the type `label`, which has no underscore. That it is a service's
    /// own name, and its port `main` the type's, the service says.
    pub fn knows_type(&self, label: &[u8], protocol: Protocol) -> bool {
        self.discovery.knows(label, protocol)
    }

    /// Whether an instance of any type can be found.
    pub fn has_instances(&self) -> bool {
        self.discovery.has_instances()
    }

    /// Whether an instance of the type `label` can be found.
    pub fn has_instances_of(&self, label: &[u8], protocol: Protocol) -> bool {
        let own = self.service(label);
        own.is_some_and(|service| !service.type_ports(label, protocol).is_empty())
            || self.discovery.has_instances_of(label, protocol)
    }

    /// Gives each type of which an instance can be found, once, until one breaks.
    pub fn walk_types<'z>(&'z self, each: &mut dyn FnMut(Protocol, &'z str) -> ControlFlow<()>) {
        let _ = self.discovery.walk_types(each);
    }

    /// Gives each service with an answered port of the type `label`, until one breaks: that of this name first, the
    /// others in order.
    pub fn walk_type<'z>(
        &'z self,
        label: &[u8],
        protocol: Protocol,
        each: &mut dyn FnMut(ServiceView<'z>, TypePorts) -> ControlFlow<()>,
    ) {
        let mut give = |service: ServiceView<'z>| match service.type_ports(label, protocol) {
            none if none.is_empty() => ControlFlow::Continue(()),
            ports => each(service, ports),
        };
        if let Some(own) = self.service(label)
            && give(own).is_break()
        {
            return;
        }
        let _ = self.discovery.walk_services(label, protocol, &mut |name| {
            let name = name.as_str().as_bytes();
            match self.service(name) {
                Some(service) if name != label => give(service),
                _ => ControlFlow::Continue(()),
            }
        });
    }

    /// The instance that is called `instance` below the type `label`: a service, the number of a member, and its ports
    /// of the type.
    pub fn browsed_instance(
        &self,
        instance: &[u8],
        label: &[u8],
        protocol: Protocol,
    ) -> Option<(ServiceView<'_>, usize, TypePorts)> {
        let look_up = |id: &[u8], service: &[u8]| {
            let service = self.service(service)?;
            let ports = service.type_ports(label, protocol);
            if ports.is_empty() {
                return None;
            }
            let member = service.member(id)?;
            let is_answered = service.ports_of(member).any(|(_, port)| ports.includes(&port));
            is_answered.then_some((service, member, ports))
        };
        let mut parts = instance.splitn(2, |octet| *octet == b'@');
        if let (Some(id), Some(service)) = (parts.next(), parts.next())
            && let Some(found) = look_up(id, service)
        {
            return Some(found);
        }
        let mut found = None;
        let _ = self.discovery.walk_cut(hash_in(instance)?, &mut |service, id| {
            let (id, service) = (id.as_str().as_bytes(), service.as_str().as_bytes());
            if InstanceLabel::of(id, service).octets() == instance {
                found = look_up(id, service);
            }
            match found {
                Some(_) => ControlFlow::Break(()),
                None => ControlFlow::Continue(()),
            }
        });
        found
    }

    /// Whether a name of that relative form lies between the apex and a zone below it.
    pub fn is_between(&self, relative: &[u8]) -> bool {
        !self.between.is_empty() && self.between.contains(relative)
    }

    /// TTL in seconds of SOA and NS, and of services that set none.
    pub fn ttl(&self) -> u32 {
        self.zone.ttl().seconds()
    }

    /// The records of its zone file, if it has one.
    #[inline]
    pub fn contents(&self) -> Option<&Contents> {
        self.zone.contents.as_deref()
    }

    /// The addresses that it has PTR for, if it is a reverse zone.
    #[inline]
    pub fn reverse(&self) -> Option<&Reverse> {
        self.zone.reverse.as_ref()
    }

    /// What its zone file says of the SOA.
    pub fn soa(&self) -> Option<&Soa> {
        self.contents().and_then(Contents::soa)
    }

    /// Whether `ns.Z` is the zone's name server, with the addresses that the server was given.
    pub fn has_default_name_server(&self) -> bool {
        self.zone.has_default_name_server()
    }

    /// The SOA's MINIMUM in seconds.
    pub fn negative_ttl(&self) -> u32 {
        self.zone.negative_ttl().seconds()
    }

    /// The SOA's serial.
    pub fn serial(&self) -> u32 {
        self.zone.serial
    }

    /// The TTL of a service's records.
    pub fn service_ttl(&self, service: ServiceView<'_>) -> u32 {
        service.ttl().unwrap_or_else(|| self.ttl())
    }

    /// What a service answers when empty.
    pub fn on_empty(&self, service: ServiceView<'_>) -> OnEmpty {
        service
            .on_empty()
            .or(self.zone.settings.on_empty)
            .unwrap_or_default()
    }

    /// At most so many instances of a service in an answer; 0 is all.
    pub fn answer_limit(&self, service: ServiceView<'_>) -> usize {
        service
            .answer_limit()
            .or(self.zone.settings.answer_limit)
            .unwrap_or(0) as usize
    }

    /// Addresses of `ns.<zone>`.
    pub fn name_servers(&self) -> &[IpAddr] {
        &self.zone.base.name_servers
    }

    /// Takes over the zone's own data; its services are given by [`Self::insert`] and [`Self::remove`].
    pub(super) fn set_zone(&mut self, zone: &Arc<Zone>) {
        self.zone = zone.clone();
    }

    pub(super) fn insert(&mut self, service: Laid) {
        let new = service.view();
        self.count(new, 1);
        let old = self.services.insert(service.clone());
        let old = old.as_ref().map(Laid::view);
        if let Some(old) = old {
            self.count(old, -1);
        }
        Discovery::change(&mut self.discovery, old, Some(new));
    }

    pub(super) fn remove(&mut self, label: &[u8]) {
        let old = self.services.remove(label);
        if let Some(old) = old.as_ref().map(Laid::view) {
            self.count(old, -1);
            Discovery::change(&mut self.discovery, Some(old), None);
        }
    }

    /// Counts the protocols of a service that is there from now on, or no more.
    fn count(&mut self, service: ServiceView<'_>, by: i32) {
        for protocol in Protocol::ALL {
            if service.protocol(protocol).is_some() {
                let count = &mut self.protocols[protocol as usize];
                *count = count.wrapping_add_signed(by);
            }
        }
    }

    pub(super) fn has_zones_below(&self) -> bool {
        !self.between.is_empty()
    }

    /// Notes which names lie between this zone and those of `zones` that are below it.
    pub(super) fn set_zones_below<'a>(&mut self, zones: impl Iterator<Item = &'a ZoneName>) {
        let mut between = HashSet::new();
        for zone in zones {
            let Some(rest) = zone.below(&self.zone.name) else {
                continue;
            };
            let labels: Vec<&str> = rest.split('.').collect();
            // The lower zone's apex is its own, and only DS of it is asked here; its ancestors exist.
            for start in 0..labels.len() {
                let mut wire = Vec::new();
                for label in &labels[start..] {
                    wire.push(label.len() as u8);
                    wire.extend_from_slice(label.as_bytes());
                }
                between.insert(wire);
            }
        }
        self.between = Arc::new(between);
    }
}
