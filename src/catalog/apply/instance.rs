//! Instances: registered, replaced, judged, drained, lapsed, removed.

use std::net::IpAddr;
use std::sync::Arc;

use super::super::change::{Due, Image, InstanceKey, Kind, Precondition, Rejection};
use super::super::discovery::{InstanceLabel, type_of};
use super::super::extras::InstanceExtras;
use super::super::health::{Output, Status, Verdict};
use super::super::instance::{Drain, Instance, Port, Registration, Tag};
use super::super::limits::{
    ADDRESSES_MAX, INSTANCES_MAX, LINGERING_MAX, META_MAX, NAME_OCTETS_MAX, PORTS_MAX, TAGS_MAX,
};
use super::super::name::PortName;
use super::super::service::{KnownName, Lingering, Service, names_borne_by};
use super::super::settings::Delay;
use super::super::state::{Step, Subject, hold};
use super::service::{linger_itself, new_service};

impl Step {
    pub(super) fn hold_instance(
        &self,
        precondition: &Precondition,
        key: &InstanceKey,
    ) -> Result<(), Rejection> {
        self.state.zone(&key.zone)?;
        if *precondition == Precondition::None {
            return Ok(());
        }
        hold(
            precondition,
            self.state.instance(key).ok().map(|instance| instance.index),
        )
    }

    pub(super) fn register(
        &mut self,
        key: &InstanceKey,
        registration: &Registration,
    ) -> Result<(), Rejection> {
        check(key, registration)?;
        let service = self.state.zone(&key.zone)?.services.get(&key.service).cloned();
        let service = match service {
            Some(service) => service,
            None => {
                self.state.check_service_name(&key.zone, &key.service)?;
                Arc::new(new_service(self.state.zone(&key.zone)?, &key.service, self.now))
            }
        };
        let before = service.instance(&key.id).cloned();
        if before.is_none() && service.instances.len() >= INSTANCES_MAX {
            return Err(Rejection::Conflict {
                field: None,
                code: "too_many_instances",
                message: format!(
                    "service {} has {INSTANCES_MAX} instances already, which is as many as are allowed",
                    key.service
                ),
            });
        }
        check_labels(&service, key, &registration.tags)?;
        let mut after = self.registered(key, registration, before.as_deref());
        if let Some(before) = &before {
            (after.index, after.updated_at) = (before.index, before.updated_at);
            if after == **before {
                return Ok(());
            }
        }
        self.effect.created = before.is_none();
        self.put(Kind::Register, key, &service, before, Some(after))
    }

    fn registered(
        &self,
        key: &InstanceKey,
        registration: &Registration,
        before: Option<&Instance>,
    ) -> Instance {
        let now = self.now;
        let reported = match (registration.status, before) {
            (Some(status), Some(before)) => before.reported().reported(status, None, now),
            (None, Some(before)) => before.reported().into_owned(),
            (status, None) => Verdict {
                status: status.unwrap_or_default(),
                ..Verdict::silent(now)
            },
        };
        let reported_of_ports = before.map_or(Box::default(), |before| {
            let ports = registration.ports.iter();
            ports
                .filter_map(|port| Some((port.name.clone(), before.reported_of(&port.name)?.clone())))
                .collect()
        });
        let created_at = before.map_or(now, |before| before.created_at);
        let extras = InstanceExtras {
            tags: registration.tags.clone(),
            meta: registration.meta.clone(),
            deregister_after: Some(registration.deregister_after),
            reported: Some(reported),
            reported_of_ports,
            lapsed: None,
            drain: before.and_then(Instance::drain),
        };
        Instance {
            id: key.id.clone(),
            addresses: registration.addresses.iter().copied().collect(),
            ports: registration.ports.iter().cloned().collect(),
            created_at,
            updated_at: now,
            created_index: before.map_or(0, |before| before.created_index),
            index: 0,
            extras: extras.kept(created_at),
            lease: registration.lease,
            priority: registration.priority,
            weight: registration.weight,
        }
    }

    pub(super) fn deregister(&mut self, key: &InstanceKey, absent_is_fine: bool) -> Result<(), Rejection> {
        match self.find(key) {
            Ok((service, before)) => self.put(Kind::Deregister, key, &service, Some(before), None),
            Err(Rejection::NoInstance(_)) if absent_is_fine => Ok(()),
            Err(rejection) => Err(rejection),
        }
    }

    pub(super) fn report(
        &mut self,
        key: &InstanceKey,
        port: Option<&PortName>,
        status: Status,
        output: Option<&Output>,
    ) -> Result<(), Rejection> {
        let (service, before) = self.find(key)?;
        if let Some(name) = port
            && before.port(name).is_none()
        {
            return Err(Rejection::Invalid {
                field: "port".into(),
                message: format!("instance {} has no port {name}", key.id),
            });
        }
        let (output, now) = (output.cloned(), self.now);
        let after = Instance::clone(&before).with(|extras| {
            // Who reports is alive: the lease is renewed, too.
            extras.lapsed = None;
            match port {
                None => extras.reported = Some(before.reported().reported(status, output, now)),
                Some(name) => {
                    let said = match before.reported_of(name) {
                        Some(verdict) => verdict.reported(status, output, now),
                        None => Verdict {
                            status,
                            output,
                            since: now,
                        },
                    };
                    extras.report_of(name, said);
                }
            }
        });
        self.put_changed(Kind::Health, key, &service, before, after)
    }

    pub(super) fn drain(
        &mut self,
        key: &InstanceKey,
        draining: bool,
        delete_after: Option<Delay>,
    ) -> Result<(), Rejection> {
        let (service, before) = self.find(key)?;
        let drain = draining.then_some(Drain {
            since: self.now,
            delete_after,
        });
        // Asking again for the same drain is no change; one with another delay counts from now.
        let drain = match (before.drain(), drain) {
            (Some(old), Some(new)) if old.delete_after == new.delete_after => Some(old),
            (_, drain) => drain,
        };
        let after = Instance::clone(&before).with(|extras| extras.drain = drain);
        self.put_changed(Kind::Drain, key, &service, before, after)
    }

    pub(super) fn heartbeat(&mut self, key: &InstanceKey) -> Result<(), Rejection> {
        let (service, before) = self.find(key)?;
        let after = Instance::clone(&before).with(|extras| extras.lapsed = None);
        self.put_changed(Kind::Revive, key, &service, before, after)
    }

    pub(super) fn lapse(&mut self, key: &InstanceKey) -> Result<(), Rejection> {
        // It may be gone or without a lease by now; that is no fault.
        let Ok((service, before)) = self.find(key) else {
            return Ok(());
        };
        if before.lease.is_none() || before.lapsed().is_some() {
            return Ok(());
        }
        let at_once = before.deregister_after().duration().is_zero();
        let now = self.now;
        let after = Instance::clone(&before).with(|extras| extras.lapsed = Some(now));
        self.put_changed(Kind::Lapse, key, &service, before, after)?;
        if at_once {
            self.deregister(key, true)?;
        }
        Ok(())
    }

    pub(super) fn remove_due(&mut self, key: &InstanceKey, due: Due) -> Result<(), Rejection> {
        let Ok((service, before)) = self.find(key) else {
            return Ok(());
        };
        let still = match due {
            Due::Lapsed(at) => before.lapsed() == Some(at),
            Due::Drained(since) => before
                .drain()
                .is_some_and(|d| d.since == since && d.delete_after.is_some()),
        };
        if still {
            self.put(Kind::Deregister, key, &service, Some(before), None)
        } else {
            Ok(())
        }
    }

    fn find(&self, key: &InstanceKey) -> Result<(Arc<Service>, Arc<Instance>), Rejection> {
        let instance = self.state.instance(key)?.clone();
        Ok((self.state.service(&key.zone, &key.service)?.clone(), instance))
    }

    fn put_changed(
        &mut self,
        kind: Kind,
        key: &InstanceKey,
        service: &Arc<Service>,
        before: Arc<Instance>,
        after: Instance,
    ) -> Result<(), Rejection> {
        if after == *before {
            Ok(())
        } else {
            self.put(kind, key, service, Some(before), Some(after))
        }
    }

    /// Puts `after` in the place of `before` and takes one index for it.
    fn put(
        &mut self,
        kind: Kind,
        key: &InstanceKey,
        service: &Arc<Service>,
        before: Option<Arc<Instance>>,
        after: Option<Instance>,
    ) -> Result<(), Rejection> {
        let index = self.advance();
        let now = self.now;
        let after = after.map(|mut after| {
            (after.index, after.updated_at) = (index, now);
            if before.is_none() {
                after.created_index = index;
            }
            Arc::new(after)
        });
        let mut instances = Vec::with_capacity(service.instances.len() + 1);
        let (Ok(at) | Err(at)) = service.position(&key.id);
        instances.extend_from_slice(&service.instances[..at]);
        instances.extend(after.clone());
        instances.extend_from_slice(&service.instances[at + usize::from(before.is_some())..]);
        let mut changed = Service {
            name: service.name.clone(),
            instances: instances.into(),
            created_at: service.created_at,
            index,
            extras: service.extras.clone(),
        };
        if let Some(lingering) = lingering(service, &changed, before.as_deref(), after.as_deref(), now) {
            changed = changed.with(|extras| extras.lingering = lingering);
        }
        let changed = linger_itself(changed, now);
        if kind == Kind::Register {
            self.check_static_names(&key.zone, &changed, after.as_deref())?;
        }
        let overflows = changed.lingering().len() > LINGERING_MAX;
        let serial = self.replace_service(&key.zone, &key.service, Some(Arc::new(changed)))?;
        let subject = Subject {
            kind,
            service: Some(&key.service),
            id: Some(&key.id),
        };
        let images = (
            before.clone().map_or(Image::Absent, Image::Instance),
            after.clone().map_or(Image::Absent, Image::Instance),
        );
        self.record(subject, &key.zone, images, serial);
        self.follow_addresses(key, before.as_deref(), after.as_deref());
        if overflows {
            self.forget_overflow(&key.zone, &key.service)?;
        }
        Ok(())
    }
}

/// The names of `new` without a bearer, if they are others than before: what lingered and has none still, and what the
/// change took the last one of.
fn lingering(
    old: &Service,
    new: &Service,
    before: Option<&Instance>,
    after: Option<&Instance>,
    now: crate::clock::Timestamp,
) -> Option<Box<[Lingering]>> {
    let same_names = match (before, after) {
        (Some(before), Some(after)) => names_borne_by(before).eq(names_borne_by(after)),
        _ => false,
    };
    if same_names {
        return None;
    }
    let gained: Vec<KnownName> = after.into_iter().flat_map(names_borne_by).collect();
    let mut names: Vec<Lingering> = old
        .lingering()
        .iter()
        .filter(|lingering| !gained.contains(&lingering.name))
        .cloned()
        .collect();
    for name in before.into_iter().flat_map(names_borne_by) {
        // The service's own name is not kept here: a setting may keep it.
        if name != KnownName::Service
            && !new.has_bearer(&name)
            && names.iter().all(|other| other.name != name)
        {
            names.push(Lingering { name, since: now });
        }
    }
    names.sort_by(|a, b| a.name.cmp(&b.name));
    (names != old.lingering()).then(|| names.into())
}

/// What is wrong with a registration by itself.
fn check(key: &InstanceKey, registration: &Registration) -> Result<(), Rejection> {
    let invalid = |field: &str, message: String| {
        Err(Rejection::Invalid {
            field: field.into(),
            message,
        })
    };
    if registration.addresses.is_empty() {
        return invalid(
            "addresses",
            "is empty; an instance needs at least one address".into(),
        );
    }
    for (field, count, max) in [
        ("addresses", registration.addresses.len(), ADDRESSES_MAX),
        ("ports", registration.ports.len(), PORTS_MAX),
        ("tags", registration.tags.len(), TAGS_MAX),
        ("meta", registration.meta.len(), META_MAX),
    ] {
        if count > max {
            return invalid(field, format!("has {count} entries, at most {max} are allowed"));
        }
    }
    let service = key.zone.wire_len() + 1 + key.service.as_str().len();
    let host = service + 1 + key.id.as_str().len();
    if host > NAME_OCTETS_MAX {
        return invalid(
            "id",
            format!("{key} would have {host} octets as a DNS name, at most 255 are allowed"),
        );
    }
    let port = registration
        .ports
        .iter()
        .map(|port: &Port| port.name.as_str().len() + 2 + port.protocol.as_str().len() + 2)
        .max()
        .unwrap_or(0);
    if service + port > NAME_OCTETS_MAX {
        return invalid(
            "ports",
            "a port's DNS name would have more than 255 octets".into(),
        );
    }
    let browsed = browsed_octets(key, registration);
    if browsed > NAME_OCTETS_MAX {
        return invalid(
            "id",
            format!(
                "{key} would have a name of {browsed} octets below its service type, at most 255 are allowed"
            ),
        );
    }
    let tag = registration
        .tags
        .iter()
        .filter_map(|tag: &Tag| tag.label())
        .map(|label| label.as_str().len() + 1)
        .max()
        .unwrap_or(0);
    if service + port + tag > NAME_OCTETS_MAX {
        return invalid(
            "tags",
            "the DNS name of a port of a tag would have more than 255 octets".into(),
        );
    }
    debug_assert!(
        registration
            .addresses
            .iter()
            .all(|address: &IpAddr| !address.is_unspecified())
    );
    Ok(())
}

/// Octets of the longest name by which browsing finds the instance (RFC 6763 §4.1), 0 if there is none.
fn browsed_octets(key: &InstanceKey, registration: &Registration) -> usize {
    let label = InstanceLabel::of(key.id.as_str().as_bytes(), key.service.as_str().as_bytes());
    let below = key.zone.wire_len() + 1 + label.octets().len();
    let types = registration.ports.iter().filter_map(|port| {
        let label = type_of(&key.service, &port.name)?;
        Some(below + label.len() + 2 + port.protocol.as_str().len() + 2)
    });
    types.max().unwrap_or(0)
}

/// A living id and a living tag of one service may not be the same label: both would own the same name.
fn check_labels(service: &Service, key: &InstanceKey, tags: &[Tag]) -> Result<(), Rejection> {
    let conflict = |field, message| {
        Err(Rejection::Conflict {
            field: Some(field),
            code: "label_taken",
            message,
        })
    };
    let others = || service.instances.iter().filter(|instance| instance.id != key.id);
    let is_new = service.instance(&key.id).is_none();
    if is_new && let Some(other) = others().find(|instance| instance.has_tag_label(key.id.as_str())) {
        return conflict("id", format!("{} is a tag of instance {}", key.id, other.id));
    }
    for label in tags.iter().filter_map(Tag::label) {
        let taken = label.as_str() == key.id.as_str()
            || service
                .instances
                .binary_search_by(|instance| instance.id.as_str().cmp(label.as_str()))
                .is_ok();
        if taken {
            return conflict(
                "tags",
                format!("tag {label} is the id of an instance of service {}", key.service),
            );
        }
    }
    Ok(())
}
