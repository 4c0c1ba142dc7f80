//! The whole catalog at one index, and the pure state machine over it.
//!
//! [`State::apply`] does no I/O, reads no clock and draws nothing at random. A clone shares everything with its
//! original, so an operation works on a copy: it is made whole or not at all.

use std::sync::Arc;

use imbl::OrdMap;

use crate::clock::Timestamp;

use super::change::{Effect, Image, InstanceKey, Kind, Operation, Precondition, Record, Rejection};
use super::instance::Instance;
use super::limits::LINGERING_MAX;
use super::name::{InstanceId, ServiceName, ZoneName};
use super::reverse::ReverseZones;
use super::selection::records_differ;
use super::service::{KnownName, Lingering, Service};
use super::settings::Base;
use super::zone::Zone;

/// The catalog at one index.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// The change number. It never falls and never repeats.
    pub index: u64,
    /// The zones.
    pub zones: OrdMap<ZoneName, Arc<Zone>>,
    /// The last serials of zones that were deleted.
    pub retired: OrdMap<ZoneName, u32>,
    /// What the flags of this server give to a zone that is made. It is not stored.
    pub base: Base,
    /// Which of the zones are reverse zones.
    pub reverse: ReverseZones,
}

impl State {
    /// The catalog as it was stored: what follows from its zones is brought in.
    pub fn loaded(index: u64, zones: OrdMap<ZoneName, Arc<Zone>>, retired: OrdMap<ZoneName, u32>) -> Self {
        let reverse = ReverseZones::of(zones.keys());
        let mut state = Self {
            index,
            zones,
            retired,
            base: Base::default(),
            reverse,
        };
        let built = state.reverse.build(state.zones.values());
        for (name, reverse) in state.reverse.names().zip(built) {
            if let Some(zone) = state.zones.get_mut(name) {
                Arc::make_mut(zone).reverse = Some(reverse);
            }
        }
        state
    }

    /// Makes `operation` at the time `now`, or nothing.
    ///
    /// # Errors
    /// A [`Rejection`]; the state is then what it was.
    pub fn apply(&mut self, operation: &Operation, now: Timestamp) -> Result<Effect, Rejection> {
        let mut step = Step {
            state: self.clone(),
            now,
            effect: Effect::default(),
        };
        step.make(&operation.change, &operation.precondition)?;
        let Step { state, effect, .. } = step;
        if effect.changed() {
            *self = state;
        }
        Ok(effect)
    }

    /// The zone of that name.
    ///
    /// # Errors
    /// [`Rejection::NoZone`].
    pub fn zone(&self, name: &ZoneName) -> Result<&Arc<Zone>, Rejection> {
        self.zones
            .get(name)
            .ok_or_else(|| Rejection::NoZone(name.clone()))
    }

    /// The service of that name.
    ///
    /// # Errors
    /// [`Rejection::NoZone`], [`Rejection::NoService`].
    pub fn service(&self, zone: &ZoneName, name: &ServiceName) -> Result<&Arc<Service>, Rejection> {
        self.zone(zone)?
            .services
            .get(name)
            .ok_or_else(|| Rejection::NoService(zone.clone(), name.clone()))
    }

    /// The instance of that key.
    ///
    /// # Errors
    /// [`Rejection::NoZone`], [`Rejection::NoInstance`].
    pub fn instance(&self, key: &InstanceKey) -> Result<&Arc<Instance>, Rejection> {
        self.zone(&key.zone)?
            .services
            .get(&key.service)
            .and_then(|service| service.instance(&key.id))
            .ok_or_else(|| Rejection::NoInstance(key.clone()))
    }
}

/// One operation under way on a copy of the state. `apply/*.rs` say what each change does.
pub(super) struct Step {
    pub(super) state: State,
    pub(super) now: Timestamp,
    pub(super) effect: Effect,
}

/// What a record is about.
pub(super) struct Subject<'a> {
    pub(super) kind: Kind,
    pub(super) service: Option<&'a ServiceName>,
    pub(super) id: Option<&'a InstanceId>,
}

impl Step {
    /// Takes the next index.
    pub(super) fn advance(&mut self) -> u64 {
        self.state.index += 1;
        self.state.index
    }

    pub(super) fn record(
        &mut self,
        subject: Subject<'_>,
        zone: &ZoneName,
        images: (Image, Image),
        serial: Option<u32>,
    ) {
        self.effect.records.push(Record {
            index: self.state.index,
            at: self.now,
            kind: subject.kind,
            zone: zone.clone(),
            service: subject.service.cloned(),
            id: subject.id.cloned(),
            before: images.0,
            after: images.1,
            serials: serial.map(|serial| (zone.clone(), serial)).into_iter().collect(),
        });
    }

    /// Puts `new` in the place of the service `name`, moves the zone's serial if published records differ, and
    /// returns the serial if it moved.
    pub(super) fn replace_service(
        &mut self,
        zone: &ZoneName,
        name: &ServiceName,
        new: Option<Arc<Service>>,
    ) -> Result<Option<u32>, Rejection> {
        let mut changed = Zone::clone(self.state.zone(zone)?);
        let old = match &new {
            Some(new) => changed.services.insert(new.clone()),
            None => changed.services.remove(name),
        };
        let moved = {
            let view = |service: &Arc<Service>| {
                (
                    service.clone(),
                    changed.on_empty(service.settings()),
                    changed.service_ttl(service.settings()),
                )
            };
            let (old, new) = (old.as_ref().map(view), new.as_ref().map(view));
            records_differ(
                old.as_ref()
                    .map(|(service, policy, ttl)| (&**service, *policy, *ttl)),
                new.as_ref()
                    .map(|(service, policy, ttl)| (&**service, *policy, *ttl)),
            )
        };
        changed.instances = changed.instances
            + new.as_ref().map_or(0, |service| service.instances.len() as u64)
            - old.as_ref().map_or(0, |service| service.instances.len() as u64);
        if let (Some(old), None) = (&old, &new) {
            changed.outlive(old, self.now);
        }
        if moved {
            changed.serial = changed.serial.wrapping_add(1);
        }
        let serial = moved.then_some(changed.serial);
        self.state.zones.insert(zone.clone(), Arc::new(changed));
        Ok(serial)
    }

    /// If more names linger than are kept, forgets the oldest: a change of its own.
    pub(super) fn forget_overflow(&mut self, zone: &ZoneName, name: &ServiceName) -> Result<(), Rejection> {
        let before = self.state.service(zone, name)?.clone();
        let over = before.lingering().len().saturating_sub(LINGERING_MAX);
        if over == 0 {
            return Ok(());
        }
        let mut by_age: Vec<&Lingering> = before.lingering().iter().collect();
        // The service's own name goes last: every other stands below it.
        by_age.sort_by_key(|lingering| {
            let is_own = lingering.name == KnownName::Service;
            (is_own, lingering.since, &lingering.name)
        });
        let dropped: Vec<_> = by_age
            .into_iter()
            .take(over)
            .map(|lingering| lingering.name.clone())
            .collect();
        self.forget(zone, name, |lingering| dropped.contains(&lingering.name))
    }

    /// Forgets the lingering names that `is_due` picks; the service itself if its own name is among them.
    pub(super) fn forget(
        &mut self,
        zone: &ZoneName,
        name: &ServiceName,
        is_due: impl Fn(&Lingering) -> bool,
    ) -> Result<(), Rejection> {
        let before = self.state.service(zone, name)?.clone();
        let (due, kept): (Vec<_>, Vec<_>) = before.lingering().iter().cloned().partition(is_due);
        if due.is_empty() {
            return Ok(());
        }
        let index = self.advance();
        let after = if due.iter().any(|lingering| lingering.name == KnownName::Service) {
            None
        } else {
            let after = Service::clone(&before).with(|extras| extras.lingering = kept.into());
            Some(Arc::new(Service { index, ..after }))
        };
        let serial = self.replace_service(zone, name, after.clone())?;
        let subject = Subject {
            kind: Kind::Forget,
            service: Some(name),
            id: None,
        };
        self.record(
            subject,
            zone,
            (
                Image::Service(before),
                after.map_or(Image::Absent, Image::Service),
            ),
            serial,
        );
        Ok(())
    }
}

/// Holds a precondition against the index of the thing, if it exists.
pub(super) fn hold(precondition: &Precondition, index: Option<u64>) -> Result<(), Rejection> {
    let holds = match precondition {
        Precondition::None => true,
        Precondition::Absent => index.is_none(),
        Precondition::Present => index.is_some(),
        Precondition::Index(wanted) => index.is_some_and(|index| wanted.contains(&index)),
    };
    if holds {
        Ok(())
    } else {
        Err(Rejection::Precondition(index))
    }
}
