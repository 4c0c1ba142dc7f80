//! Everything there is, as a watch begins with it: each zone, then each of its services, each followed by its
//! instances. It is read from one snapshot, a piece at a time, so that it costs memory for one piece.

use std::ops::Bound;
use std::sync::Arc;

use crate::catalog::{Image, InstanceId, Kind, Record, Service, ServiceName, Zone, ZoneName};
use crate::clock::Timestamp;
use crate::view::Snapshot;

use super::super::write_change::ChangeShown;
use super::filter::Interest;
use super::line::{Form, push_thing};

/// Octets after which a piece is large enough.
const PIECE_OCTETS: usize = 64 << 10;

/// A picture under way.
#[derive(Debug)]
pub(super) struct Picture {
    snapshot: Arc<Snapshot>,
    interest: Interest,
    form: Form,
    next: Next,
}

/// Where it goes on.
#[derive(Clone, Debug)]
enum Next {
    /// With the zone after this one, or with the first.
    Zone(Option<ZoneName>),
    /// With the service of the zone after this one, or with the first.
    Service(Arc<Zone>, Option<ServiceName>),
    /// With the instance at this place.
    Instance(Arc<Zone>, Arc<Service>, usize),
    Nothing,
}

impl Picture {
    pub(super) const fn of(snapshot: Arc<Snapshot>, interest: Interest, form: Form) -> Self {
        Self {
            snapshot,
            interest,
            form,
            next: Next::Zone(None),
        }
    }

    /// The index at which it shows the catalog.
    pub(super) fn index(&self) -> u64 {
        self.snapshot.state.index
    }

    /// The next piece; none when all is shown.
    pub(super) fn piece(&mut self) -> Option<Vec<u8>> {
        let mut text = Vec::with_capacity(PIECE_OCTETS + 1024);
        while text.len() < PIECE_OCTETS && !matches!(self.next, Next::Nothing) {
            self.next = match std::mem::replace(&mut self.next, Next::Nothing) {
                Next::Zone(after) => self.zone(after.as_ref(), &mut text),
                Next::Service(zone, after) => self.service(zone, after.as_ref(), &mut text),
                Next::Instance(zone, service, at) => self.instance(zone, service, at, &mut text),
                Next::Nothing => Next::Nothing,
            };
        }
        (!text.is_empty()).then_some(text)
    }

    fn zone(&self, after: Option<&ZoneName>, text: &mut Vec<u8>) -> Next {
        let from = after.map_or(Bound::Unbounded, |name| Bound::Excluded(name.clone()));
        let mut zones = self.snapshot.state.zones.range((from, Bound::Unbounded));
        let Some((_, zone)) = zones.find(|(name, _)| self.interest.has_zone(name)) else {
            return Next::Nothing;
        };
        if self.interest.service().is_none() {
            let image = Image::Zone(zone.clone());
            self.push(
                Kind::Zone,
                zone,
                None,
                None,
                (zone.index, zone.created_at),
                image,
                text,
            );
        }
        Next::Service(zone.clone(), None)
    }

    fn service(&self, zone: Arc<Zone>, after: Option<&ServiceName>, text: &mut Vec<u8>) -> Next {
        let found = match (self.interest.service(), after) {
            (Some(only), None) => zone.services.get(only),
            (Some(_), Some(_)) => None,
            (None, None) => zone.services.iter().next(),
            (None, Some(after)) => {
                let mut from = zone.services.from(after.as_str());
                from.find(|service| service.name != *after)
            }
        };
        let Some(service) = found.cloned() else {
            return Next::Zone(Some(zone.name.clone()));
        };
        let image = Image::Service(service.clone());
        let stamp = (service.index, service.created_at);
        self.push(
            Kind::Service,
            &zone,
            Some(&service.name),
            None,
            stamp,
            image,
            text,
        );
        Next::Instance(zone, service, 0)
    }

    fn instance(&self, zone: Arc<Zone>, service: Arc<Service>, at: usize, text: &mut Vec<u8>) -> Next {
        let Some(instance) = service.instances.get(at) else {
            let name = service.name.clone();
            return Next::Service(zone, Some(name));
        };
        let image = Image::Instance(instance.clone());
        let (name, id) = (Some(&service.name), Some(&instance.id));
        let stamp = (instance.index, instance.updated_at);
        self.push(Kind::Register, &zone, name, id, stamp, image, text);
        Next::Instance(zone, service, at + 1)
    }

    /// A thing as if it had just been made what it is.
    #[allow(clippy::too_many_arguments)] // the columns of one line
    fn push(
        &self,
        kind: Kind,
        zone: &Zone,
        service: Option<&ServiceName>,
        id: Option<&InstanceId>,
        (index, at): (u64, Timestamp),
        after: Image,
        text: &mut Vec<u8>,
    ) {
        let record = Record {
            index,
            at,
            kind,
            zone: zone.name.clone(),
            service: service.cloned(),
            id: id.cloned(),
            before: Image::Absent,
            after,
            serials: Vec::new(),
        };
        let shown = ChangeShown {
            record: &record,
            by: None,
        };
        push_thing(self.form, &shown, text);
    }
}
