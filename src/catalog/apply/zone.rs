//! Zones: created, changed, removed, and opened by a server that starts.

use std::sync::Arc;

use super::super::change::{Image, Kind, Rejection};
use super::super::limits::{NAME_OCTETS_MAX, RETIRED_ZONES_MAX, ZONES_MAX};
use super::super::name::{ServiceName, ZoneName};
use super::super::selection::records_differ;
use super::super::settings::{Base, ZoneSettings};
use super::super::state::{State, Step, Subject};
use super::super::zone::{MAILBOX_LABEL, NAME_SERVER_LABEL, Zone};

const SUBJECT: Subject<'static> = Subject {
    kind: Kind::Zone,
    service: None,
    id: None,
};

impl Step {
    pub(super) fn open(&mut self, zones: &[ZoneName], base: &Base) -> Result<(), Rejection> {
        self.state.base = base.clone();
        let missing: Vec<_> = zones
            .iter()
            .filter(|zone| !self.state.zones.contains_key(*zone))
            .cloned()
            .collect();
        for zone in &missing {
            // A name given twice was made by its first mention.
            if !self.state.zones.contains_key(zone) {
                self.create_zone(zone, ZoneSettings::default(), base.clone())?;
            }
        }
        let stale: Vec<_> = self
            .state
            .zones
            .values()
            .filter(|zone| zone.base != *base)
            .cloned()
            .collect();
        for zone in stale {
            let changed = Zone {
                base: base.clone(),
                ..Zone::clone(&zone)
            };
            self.change_zone(&zone, changed);
        }
        Ok(())
    }

    pub(super) fn put_zone(&mut self, name: &ZoneName, settings: &ZoneSettings) -> Result<(), Rejection> {
        match self.state.zones.get(name).cloned() {
            None => {
                // Every zone has the same base: it is the server's.
                let base = self
                    .state
                    .zones
                    .values()
                    .next()
                    .map_or_else(|| self.state.base.clone(), |zone| zone.base.clone());
                self.create_zone(name, settings.clone(), base)
            }
            Some(zone) if zone.settings == *settings => Ok(()),
            Some(zone) => {
                let changed = Zone {
                    settings: settings.clone(),
                    ..Zone::clone(&zone)
                };
                self.change_zone(&zone, changed);
                Ok(())
            }
        }
    }

    fn create_zone(&mut self, name: &ZoneName, settings: ZoneSettings, base: Base) -> Result<(), Rejection> {
        if self.state.zones.len() >= ZONES_MAX {
            return Err(Rejection::Conflict {
                field: None,
                code: "too_many_zones",
                message: format!("there are {ZONES_MAX} zones already, which is as many as are allowed"),
            });
        }
        if self.state.retired.len() >= RETIRED_ZONES_MAX && !self.state.retired.contains_key(name) {
            return Err(Rejection::Conflict {
                field: None,
                code: "too_many_retired_zones",
                message: format!(
                    "the serials of {RETIRED_ZONES_MAX} deleted zones are kept, which is as many as are allowed; \
                     use a name that was a zone before"
                ),
            });
        }
        // The longest name that every zone has of its own is the mailbox in its SOA.
        let octets = name.wire_len() + 1 + MAILBOX_LABEL.len();
        if octets > NAME_OCTETS_MAX {
            return Err(Rejection::Invalid {
                field: "zone".into(),
                message: format!(
                    "{MAILBOX_LABEL}.{name} would have {octets} octets, at most 255 are allowed"
                ),
            });
        }
        self.check_hides_nothing(name)?;
        // One past the last serial of a deleted zone of that name, if that is later (RFC 1982 §3.2).
        let started = self.now.unix_s_wrapping();
        let serial = match self.state.retired.get(name).map(|last| last.wrapping_add(1)) {
            Some(next) if (next.wrapping_sub(started) as i32) > 0 => next,
            _ => started,
        };
        let index = self.advance();
        let (reverse, upper) = self.claim_addresses(name);
        let zone = Arc::new(Zone {
            name: name.clone(),
            settings,
            base,
            serial,
            file: None,
            contents: None,
            reverse,
            services: imbl::OrdMap::new(),
            created_at: self.now,
            index,
            cached_until: self.now,
            instances: 0,
        });
        self.state.retired.remove(name);
        self.state.zones.insert(name.clone(), zone.clone());
        self.effect.created = true;
        self.record(SUBJECT, name, (Image::Absent, Image::Zone(zone)), Some(serial));
        self.note_serial(upper);
        Ok(())
    }

    /// The longest matching zone answers, so a zone below another hides what the other has there.
    fn check_hides_nothing(&self, name: &ZoneName) -> Result<(), Rejection> {
        for other in self.state.zones.values() {
            let (upper, lower) = match (name.below(&other.name), other.name.below(name)) {
                (Some(_), _) => (&other.name, name),
                (_, Some(_)) => (name, &other.name),
                _ => continue,
            };
            let between = lower.below(upper).unwrap_or_default();
            let label = between.rsplit('.').next().unwrap_or_default();
            let hidden = if between == NAME_SERVER_LABEL {
                Some(format!("the name server ns.{upper}"))
            } else if matches!(label, "_tcp" | "_udp" | "_sctp") {
                Some(format!("the services of zone {upper} below {label}.{upper}"))
            } else if upper == &other.name && other.services.contains_key(label) {
                Some(format!("service {label} of zone {upper}"))
            } else {
                None
            };
            if let Some(hidden) = hidden {
                return Err(Rejection::Conflict {
                    field: Some("zone"),
                    code: "name_taken",
                    message: format!("zone {lower} would hide {hidden}"),
                });
            }
        }
        Ok(())
    }

    /// Puts `changed` in the place of `zone`. Costs a look at each service only if the zone's `on_empty` changes.
    fn change_zone(&mut self, zone: &Arc<Zone>, mut changed: Zone) {
        let own = |zone: &Zone| (zone.ttl(), zone.negative_ttl(), zone.base.name_servers.clone());
        let moved = own(zone) != own(&changed)
            || (zone.settings.on_empty != changed.settings.on_empty
                && changed.services.values().any(|service| {
                    let view = |zone: &Zone| {
                        (
                            zone.on_empty(&service.settings),
                            zone.service_ttl(&service.settings),
                        )
                    };
                    let ((old_policy, old_ttl), (policy, ttl)) = (view(zone), view(&changed));
                    old_policy != policy
                        && records_differ(Some((service, old_policy, old_ttl)), Some((service, policy, ttl)))
                }));
        if changed.ttl() < zone.ttl() {
            changed.cached_until = changed.cached_until.max(self.now + zone.ttl().duration());
        }
        if moved {
            changed.serial = changed.serial.wrapping_add(1);
        }
        changed.index = self.advance();
        let serial = moved.then_some(changed.serial);
        let changed = Arc::new(changed);
        self.state.zones.insert(zone.name.clone(), changed.clone());
        self.record(
            SUBJECT,
            &zone.name,
            (Image::Zone(zone.clone()), Image::Zone(changed)),
            serial,
        );
    }

    pub(super) fn delete_zone(&mut self, name: &ZoneName) -> Result<(), Rejection> {
        let zone = self.state.zone(name)?.clone();
        if zone.instances > 0 {
            return Err(Rejection::Conflict {
                field: None,
                code: "zone_not_empty",
                message: format!(
                    "zone {name} still has {} instances; deregister them first",
                    zone.instances
                ),
            });
        }
        self.advance();
        self.state.zones.remove(name);
        self.state.retired.insert(name.clone(), zone.serial);
        let upper = self.release_addresses(&zone);
        self.record(SUBJECT, name, (Image::Zone(zone), Image::Absent), None);
        self.note_serial(upper);
        Ok(())
    }
}

impl State {
    /// Whether a service of that name would be hidden, or would hide what stands in its zone.
    pub(super) fn check_service_name(&self, zone: &ZoneName, name: &ServiceName) -> Result<(), Rejection> {
        let taken = |message| {
            Err(Rejection::Conflict {
                field: Some("service"),
                code: "name_taken",
                message,
            })
        };
        if name.as_str() == NAME_SERVER_LABEL {
            return taken(format!(
                "{name}.{zone} is the zone's name server; choose another name for the service"
            ));
        }
        for other in self.zones.keys() {
            if other
                .below(zone)
                .is_some_and(|between| between.rsplit('.').next() == Some(name.as_str()))
            {
                return taken(format!("{name}.{zone} would be hidden by zone {other}"));
            }
        }
        Ok(())
    }
}
