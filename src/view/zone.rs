//! One zone as questions see it: its apex, its services by label, and the names that exist without records.

use std::borrow::Borrow;
use std::collections::HashSet;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::IpAddr;
use std::sync::Arc;

use imbl::shared_ptr::DefaultSharedPtr;

use crate::catalog::contents::{Contents, Soa};
use crate::catalog::{OnEmpty, Protocol, Zone, ZoneName};

use super::service::ServiceView;

/// A service in a zone's set: found by its label.
#[derive(Clone)]
struct Slot(Arc<ServiceView>);

impl Borrow<[u8]> for Slot {
    fn borrow(&self) -> &[u8] {
        self.0.label()
    }
}

impl Hash for Slot {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.label().hash(state);
    }
}

impl PartialEq for Slot {
    fn eq(&self, other: &Self) -> bool {
        self.0.label() == other.0.label()
    }
}

impl Eq for Slot {}

/// Persistent: publishing a change copies the few nodes above it, and readers of the old one are not disturbed.
type Slots = imbl::GenericHashMap<Slot, (), foldhash::fast::RandomState, DefaultSharedPtr>;

/// A zone as questions see it.
#[derive(Clone)]
pub struct ZoneView {
    /// Its settings, serial and base.
    zone: Arc<Zone>,
    /// The apex on the wire, in lower case.
    apex: Arc<[u8]>,
    labels: usize,
    services: Slots,
    /// How many services are known with ports of each protocol: `_tcp.Z` exists while one is.
    protocols: [u32; 3],
    /// Names between the apex and zones below this one, on the wire without the apex: they exist, without records.
    between: Arc<HashSet<Vec<u8>>>,
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
            zone.services
                .values()
                .map(|s| Arc::new(ServiceView::new(s.clone()))),
        )
    }

    /// Lays out a zone from services that are laid out already.
    pub(super) fn with_services(zone: &Arc<Zone>, services: impl Iterator<Item = Arc<ServiceView>>) -> Self {
        let mut view = Self {
            apex: zone.name.to_wire().into(),
            labels: zone.name.labels().count(),
            zone: zone.clone(),
            services: Slots::default(),
            protocols: [0; 3],
            between: Arc::default(),
        };
        for service in services {
            view.insert(service);
        }
        view
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
    pub fn service(&self, label: &[u8]) -> Option<&ServiceView> {
        self.services.get_key_value(label).map(|(slot, ())| &*slot.0)
    }

    /// Whether `_tcp.Z`, `_udp.Z` or `_sctp.Z` exists.
    pub fn has_protocol(&self, protocol: Protocol) -> bool {
        self.protocols[protocol as usize] > 0
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
    pub fn service_ttl(&self, service: &ServiceView) -> u32 {
        service.ttl().unwrap_or_else(|| self.ttl())
    }

    /// What a service answers when empty.
    pub fn on_empty(&self, service: &ServiceView) -> OnEmpty {
        service
            .on_empty()
            .or(self.zone.settings.on_empty)
            .unwrap_or_default()
    }

    /// At most so many instances of a service in an answer; 0 is all.
    pub fn answer_limit(&self, service: &ServiceView) -> usize {
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

    pub(super) fn insert(&mut self, service: Arc<ServiceView>) {
        self.remove(service.label());
        for protocol in Protocol::ALL {
            self.protocols[protocol as usize] += u32::from(service.protocol(protocol).is_some());
        }
        self.services.insert(Slot(service), ());
    }

    pub(super) fn remove(&mut self, label: &[u8]) {
        if let Some((Slot(old), ())) = self.services.remove_with_key(label) {
            for protocol in Protocol::ALL {
                self.protocols[protocol as usize] -= u32::from(old.protocol(protocol).is_some());
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
