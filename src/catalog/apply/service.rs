//! Services: settings, removal, and the names that are forgotten.

use std::collections::HashSet;
use std::sync::Arc;

use crate::clock::Timestamp;

use super::super::change::{Image, InstanceKey, Kind, Rejection};
use super::super::limits::NAME_OCTETS_MAX;
use super::super::name::{ServiceName, ZoneName};
use super::super::service::{KnownName, Lingering, Service, ServiceExtras};
use super::super::settings::ServiceSettings;
use super::super::state::{Step, Subject};
use super::super::zone::Zone;

impl Step {
    pub(super) fn put_service(
        &mut self,
        zone: &ZoneName,
        name: &ServiceName,
        settings: &ServiceSettings,
    ) -> Result<(), Rejection> {
        let before = self.state.zone(zone)?.services.get(name).cloned();
        let after = match &before {
            Some(service) if service.settings() == settings => return Ok(()),
            Some(service) => self.with_settings(&self.state.zone(zone)?.clone(), service, settings),
            None => {
                let octets = zone.wire_len() + 1 + name.as_str().len();
                if octets > NAME_OCTETS_MAX {
                    return Err(Rejection::Invalid {
                        field: "service".into(),
                        message: format!("{name}.{zone} would have {octets} octets, at most 255 are allowed"),
                    });
                }
                self.state.check_service_name(zone, name)?;
                new_service(self.state.zone(zone)?, name, self.now)
                    .with(|extras| extras.settings = settings.clone())
            }
        };
        let index = self.advance();
        let after = Arc::new(Service {
            index,
            ..linger_itself(after, self.now)
        });
        if before.is_none() {
            self.check_static_names(zone, &after, None)?;
        }
        let serial = self.replace_service(zone, name, Some(after.clone()))?;
        self.effect.created = before.is_none();
        let subject = Subject {
            kind: Kind::Service,
            service: Some(name),
            id: None,
        };
        let images = (
            before.map_or(Image::Absent, Image::Service),
            Image::Service(after),
        );
        self.record(subject, zone, images, serial);
        Ok(())
    }

    fn with_settings(&self, zone: &Zone, service: &Service, settings: &ServiceSettings) -> Service {
        let (old, new) = (zone.service_ttl(service.settings()), zone.service_ttl(settings));
        let mut cached_until = service.cached_until();
        if service.settings().ttl.is_none() {
            cached_until = cached_until.max(zone.cached_until);
        }
        if new < old {
            cached_until = cached_until.max(self.now + old.duration());
        }
        service.clone().with(|extras| {
            extras.settings = settings.clone();
            extras.cached_until = Some(cached_until);
        })
    }

    pub(super) fn delete_service(&mut self, zone: &ZoneName, name: &ServiceName) -> Result<(), Rejection> {
        let service = self.state.service(zone, name)?.clone();
        // One change for each instance and one for the service. Each host name had an address, so each moves the
        // serial; taking the instances out one by one would cost the square of their number.
        let mut changed = Zone::clone(self.state.zone(zone)?);
        changed.services.remove(name);
        changed.outlive(&service, self.now);
        changed.instances -= service.instances.len() as u64;
        self.state.zones.insert(zone.clone(), Arc::new(changed));
        for instance in &service.instances {
            self.advance();
            let serial = self.move_serial(zone);
            let subject = Subject {
                kind: Kind::Deregister,
                service: Some(name),
                id: Some(&instance.id),
            };
            let images = (Image::Instance(instance.clone()), Image::Absent);
            self.record(subject, zone, images, serial);
            let key = InstanceKey {
                zone: zone.clone(),
                service: name.clone(),
                id: instance.id.clone(),
            };
            self.follow_addresses(&key, Some(instance), None);
        }
        self.advance();
        let subject = Subject {
            kind: Kind::Service,
            service: Some(name),
            id: None,
        };
        self.record(subject, zone, (Image::Service(service), Image::Absent), None);
        Ok(())
    }

    pub(super) fn forget_names(
        &mut self,
        zone: &ZoneName,
        name: &ServiceName,
        names: &[(KnownName, Timestamp)],
    ) -> Result<(), Rejection> {
        if self.state.service(zone, name).is_err() {
            return Ok(());
        }
        let due: HashSet<(&KnownName, Timestamp)> =
            names.iter().map(|(name, since)| (name, *since)).collect();
        self.forget(zone, name, |lingering| {
            due.contains(&(&lingering.name, lingering.since))
        })
    }
}

/// A service that has nothing yet.
pub(super) fn new_service(zone: &Zone, name: &ServiceName, now: Timestamp) -> Service {
    let extras = ServiceExtras {
        // A service of that name may have been removed while caches still hold it.
        cached_until: Some(zone.cached_until.max(now)),
        ..ServiceExtras::default()
    };
    Service {
        name: name.clone(),
        instances: Box::default(),
        created_at: now,
        index: 0,
        extras: extras.kept(now),
    }
}

/// `service` with its own name among those that linger, or not: it does while there is neither an instance nor a setting
/// that keeps it.
pub(super) fn linger_itself(service: Service, now: Timestamp) -> Service {
    let lingers = service.instances.is_empty() && service.settings().is_empty();
    let at = service
        .lingering()
        .iter()
        .position(|lingering| lingering.name == KnownName::Service);
    if lingers == at.is_some() {
        return service;
    }
    service.with(|extras| {
        let mut lingering = std::mem::take(&mut extras.lingering).into_vec();
        match at {
            Some(at) => drop(lingering.remove(at)),
            // It sorts before every port and tag.
            None => lingering.insert(
                0,
                Lingering {
                    name: KnownName::Service,
                    since: now,
                },
            ),
        }
        extras.lingering = lingering.into();
    })
}
