//! Zones: created, changed, removed, and opened by a server that starts.

use std::net::IpAddr;
use std::sync::Arc;

use super::super::change::{Image, Kind, Rejection};
use super::super::contents::{Contents, types};
use super::super::limits::{NAME_OCTETS_MAX, RETIRED_ZONES_MAX, ZONES_MAX};
use super::super::name::{ServiceName, ZoneName};
use super::super::selection::records_differ;
use super::super::service::Service;
use super::super::services::Services;
use super::super::settings::{Base, Ttl, ZoneSettings};
use super::super::state::{State, Step, Subject};
use super::super::zone::{MAILBOX_LABEL, NAME_SERVER_LABEL, Zone};
use super::zone_file::hidden_by_zone;

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
                let base = self.state.base.clone();
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
        let zone = self.new_zone(name, settings, base)?;
        self.check_hides_nothing(&zone)?;
        let index = self.advance();
        let (reverse, upper) = self.claim_addresses(name);
        let zone = Arc::new(Zone {
            reverse,
            index,
            ..zone
        });
        let serial = zone.serial;
        self.state.retired.remove(name);
        self.state.zones.insert(name.clone(), zone.clone());
        self.effect.created = true;
        self.record(SUBJECT, name, (Image::Absent, Image::Zone(zone)), Some(serial));
        self.note_serial(upper);
        Ok(())
    }

    /// A zone that has nothing yet, if there may be one more of such a name.
    pub(super) fn new_zone(
        &self,
        name: &ZoneName,
        settings: ZoneSettings,
        base: Base,
    ) -> Result<Zone, Rejection> {
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
        // One past the last serial of a deleted zone of that name, if that is later (RFC 1982 §3.2).
        let started = self.now.unix_s_wrapping();
        let serial = match self.state.retired.get(name).map(|last| last.wrapping_add(1)) {
            Some(next) if (next.wrapping_sub(started) as i32) > 0 => next,
            _ => started,
        };
        Ok(Zone {
            name: name.clone(),
            settings,
            base,
            serial,
            file: None,
            contents: None,
            reverse: None,
            services: Services::default(),
            created_at: self.now,
            index: 0,
            cached_until: self.now,
            instances: 0,
        })
    }

    /// The longest matching zone answers, so a zone below another hides what the other has there.
    pub(super) fn check_hides_nothing(&self, new: &Zone) -> Result<(), Rejection> {
        let name = &new.name;
        for other in self.state.zones.values() {
            let (upper, lower) = match (name.below(&other.name), other.name.below(name)) {
                (Some(_), _) => (&other.name, name),
                (_, Some(_)) => (name, &other.name),
                _ => continue,
            };
            let between = lower.below(upper).unwrap_or_default();
            let label = between.rsplit('.').next().unwrap_or_default();
            let upper_has_default = match self.state.zones.get(upper) {
                Some(zone) => zone.has_default_name_server(),
                None => new.has_default_name_server(),
            };
            let hidden = if between == NAME_SERVER_LABEL && upper_has_default {
                Some(format!("the name server ns.{upper}"))
            } else if matches!(label, "_tcp" | "_udp" | "_sctp") {
                Some(format!("the services of zone {upper} below {label}.{upper}"))
            } else if upper == &other.name && other.services.named(label).is_some() {
                Some(format!("service {label} of zone {upper}"))
            } else if upper == &other.name {
                let contents = other.contents.as_ref();
                contents
                    .and_then(|contents| hidden_by_zone(contents, upper, lower))
                    .map(|name| format!("{name} of the zone file of {upper}"))
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
        let moved = OwnRecords::of(zone) != OwnRecords::of(&changed)
            || (zone.ttl() != changed.ttl()
                && (inherits_ttl(zone) || changed.pointers_differ_from(zone.ttl())))
            || (zone.settings.on_empty != changed.settings.on_empty
                && changed.services.iter().any(|service| {
                    let view = |zone: &Zone| {
                        (
                            zone.on_empty(service.settings()),
                            zone.service_ttl(service.settings()),
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
        if zone.contents.is_some() {
            return Err(Rejection::Conflict {
                field: None,
                code: "zone_has_file",
                message: format!(
                    "zone {name} has records from a zone file; remove {name}.zone from the folder and send SIGHUP first"
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

/// What a zone's settings and base decide of the records at its apex and its name server: nothing of what its zone file
/// says.
#[derive(PartialEq)]
struct OwnRecords {
    /// TTL and MINIMUM of the SOA.
    soa: Option<(Ttl, Ttl)>,
    /// TTL of NS, and the addresses of the name server.
    name_server: Option<(Ttl, Box<[IpAddr]>)>,
}

impl OwnRecords {
    fn of(zone: &Zone) -> Self {
        let contents = zone.contents.as_deref();
        let has_soa = contents.and_then(Contents::soa).is_some();
        let has_ns = contents.is_some_and(|contents| contents.apex().rrset(types::NS).is_some());
        let addresses = zone
            .has_default_name_server()
            .then(|| zone.base.name_servers.clone());
        Self {
            soa: (!has_soa).then(|| (zone.ttl(), zone.negative_ttl())),
            name_server: (!has_ns).then(|| (zone.ttl(), addresses.unwrap_or_default())),
        }
    }
}

/// Whether a service with records has the zone's TTL.
fn inherits_ttl(zone: &Zone) -> bool {
    let inherits = |service: &Service| service.settings().ttl.is_none() && !service.instances.is_empty();
    zone.instances > 0 && zone.services.iter().any(|service| inherits(service))
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
        let found = self.zones.get(zone);
        let has_default = found.is_none_or(|zone| zone.has_default_name_server());
        if name.as_str() == NAME_SERVER_LABEL && has_default {
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
