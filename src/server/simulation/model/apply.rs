//! What each change does to the model, by the contract's words.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{After, Logged, MInstance, MService, MZone, Model, Published};
use crate::catalog::tests::oracle;
use crate::catalog::*;
use crate::clock::Timestamp;

/// Why a change is refused, as far as programs read it.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) enum No {
    Zone,
    Service,
    Instance,
    Conflict(&'static str),
    Invalid(String),
    Precondition(Option<u64>),
}

impl From<&Rejection> for No {
    fn from(rejection: &Rejection) -> Self {
        match rejection {
            Rejection::NoZone(_) => Self::Zone,
            Rejection::NoService(..) => Self::Service,
            Rejection::NoInstance(_) => Self::Instance,
            Rejection::Conflict { code, .. } => Self::Conflict(code),
            Rejection::Invalid { field, .. } => Self::Invalid(field.clone()),
            Rejection::Precondition(index) => Self::Precondition(*index),
        }
    }
}

type Outcome = Result<(), No>;

fn hold(precondition: &Precondition, index: Option<u64>) -> Outcome {
    let holds = match precondition {
        Precondition::None => true,
        Precondition::Absent => index.is_none(),
        Precondition::Present => index.is_some(),
        Precondition::Index(wanted) => index.is_some_and(|index| wanted.contains(&index)),
    };
    if holds {
        Ok(())
    } else {
        Err(No::Precondition(index))
    }
}

fn borne(instance: &MInstance) -> impl Iterator<Item = KnownName> + '_ {
    let ports = instance.said.ports.iter();
    let ports = ports.map(|port| KnownName::Port(port.name.clone(), port.protocol));
    let tags = instance.said.tags.iter();
    ports.chain(tags.filter_map(|tag| TagLabel::parse(tag.as_str()).ok().map(KnownName::Tag)))
}

/// Later, by RFC 1982.
fn later(one: u32, other: u32) -> bool {
    one != other && one.wrapping_sub(other) < 1 << 31
}

impl Model {
    /// Makes a change, or nothing; gives how many changes it was and whether the thing is new.
    pub(in super::super) fn apply(
        &mut self,
        operation: &Operation,
        now: Timestamp,
        by: &Arc<str>,
    ) -> Result<(usize, bool), No> {
        let before = self.log.len();
        let created = match &operation.change {
            Change::PutZone { zone, .. } => !self.zones.contains_key(zone),
            Change::PutService { zone, service, .. } => self.service(zone, service).is_none(),
            Change::Register { key, .. } => self.find(key).is_none(),
            Change::Open { zones, .. } => zones.iter().any(|zone| !self.zones.contains_key(zone)),
            _ => false,
        };
        Step { model: self, now, by }.make(&operation.change, &operation.precondition)?;
        let made = self.log.len() - before;
        Ok((made, created && made > 0))
    }

    pub(in super::super) fn find(&self, key: &InstanceKey) -> Option<&MInstance> {
        self.service(&key.zone, &key.service)?.instances.get(&key.id)
    }
}

struct Step<'a> {
    model: &'a mut Model,
    now: Timestamp,
    by: &'a Arc<str>,
}

impl Step<'_> {
    fn make(&mut self, change: &Change, precondition: &Precondition) -> Outcome {
        match change {
            Change::Open { zones, base } => return self.open(zones, base),
            Change::PutZone { zone, settings } => {
                hold(precondition, self.model.zones.get(zone).map(|zone| zone.index))?;
                return self.put_zone(zone, settings);
            }
            Change::DeleteZone { zone } => {
                hold(precondition, self.model.zones.get(zone).map(|zone| zone.index))?;
                return self.delete_zone(zone);
            }
            Change::PutService { zone, service, .. } | Change::DeleteService { zone, service } => {
                self.model.zones.get(zone).ok_or(No::Zone)?;
                hold(
                    precondition,
                    self.model.service(zone, service).map(|service| service.index),
                )?;
            }
            Change::Register { key, .. }
            | Change::Deregister { key, .. }
            | Change::Report { key, .. }
            | Change::Drain { key, .. }
            | Change::Heartbeat { key } => {
                self.model.zones.get(&key.zone).ok_or(No::Zone)?;
                hold(precondition, self.model.find(key).map(|instance| instance.index))?;
            }
            _ => {}
        }
        match change {
            Change::PutService {
                zone,
                service,
                settings,
            } => self.put_service(zone, service, settings),
            Change::DeleteService { zone, service } => self.delete_service(zone, service),
            Change::Register { key, registration } => self.register(key, registration),
            Change::Deregister { key, absent_is_fine } => match self.model.find(key) {
                Some(_) => self.put(key, Kind::Deregister, None),
                None if *absent_is_fine => Ok(()),
                None => Err(No::Instance),
            },
            Change::Report {
                key,
                port,
                status,
                output,
            } => self.report(key, port.as_ref(), *status, output.clone()),
            Change::Drain {
                key,
                draining,
                delete_after,
            } => {
                let mut after = self.model.find(key).ok_or(No::Instance)?.clone();
                after.drain = match after.drain {
                    _ if !draining => None,
                    Some(old) if old.delete_after == *delete_after => Some(old),
                    _ => Some(Drain {
                        since: self.now,
                        delete_after: *delete_after,
                    }),
                };
                self.put(key, Kind::Drain, Some(after))
            }
            Change::Heartbeat { key } => {
                let mut after = self.model.find(key).ok_or(No::Instance)?.clone();
                after.lapsed = None;
                self.put(key, Kind::Revive, Some(after))
            }
            Change::Lapse { key } => self.lapse(key),
            Change::Remove { key, due } => {
                let found = self.model.find(key);
                let still = found.is_some_and(|instance| match due {
                    Due::Lapsed(at) => instance.lapsed == Some(*at),
                    Due::Drained(since) => instance
                        .drain
                        .is_some_and(|drain| drain.since == *since && drain.delete_after.is_some()),
                });
                if still {
                    self.put(key, Kind::Deregister, None)
                } else {
                    Ok(())
                }
            }
            Change::Forget { zone, service, names } => self.forget(zone, service, names),
            Change::ZoneFile { .. } => panic!("there are no zone files in the simulation"),
            Change::Open { .. } | Change::PutZone { .. } | Change::DeleteZone { .. } => Ok(()),
        }
    }

    /// The RRsets that a service has by itself. No two services share a record, so a change of one moves the zone's
    /// serial if and only if it alters these.
    fn records(&mut self, zone: &ZoneName, name: &ServiceName) -> Arc<Published> {
        let of_zone = self.model.zones.get_mut(zone).expect("it was looked for");
        let known = of_zone
            .services
            .get(name)
            .and_then(|service| service.published.clone());
        known.unwrap_or_else(|| {
            let shown = of_zone.shown(zone, |other| other == name);
            let published = Arc::new(oracle::rrsets(&oracle::table(&State::default(), &shown)));
            if let Some(service) = of_zone.services.get_mut(name) {
                service.published = Some(published.clone());
            }
            published
        })
    }

    fn records_of_zone(&self, zone: &ZoneName) -> Published {
        let shown = self.model.zones[zone].shown(zone, |_| true);
        oracle::rrsets(&oracle::table(&State::default(), &shown))
    }

    /// Takes the next index for a change of (a thing of) a service.
    fn change(
        &mut self,
        (zone, service, id): (&ZoneName, &ServiceName, Option<&InstanceId>),
        kind: Kind,
        change: impl FnOnce(&mut BTreeMap<ServiceName, MService>, u64),
    ) {
        let before = self.records(zone, service);
        self.model.index += 1;
        let index = self.model.index;
        let of_zone = self.model.zones.get_mut(zone).expect("it was looked for");
        let known: Vec<KnownName> = of_zone.services.get(service).map(names).unwrap_or_default();
        change(&mut of_zone.services, index);
        if let Some(service) = of_zone.services.get_mut(service) {
            (service.index, service.published) = (index, None);
            linger(service, known, self.now);
        }
        if self.records(zone, service) != before {
            let of_zone = self.model.zones.get_mut(zone).expect("it was looked for");
            of_zone.serial = of_zone.serial.wrapping_add(1);
        }
        let after = match (self.model.service(zone, service), id) {
            (None, _) => After::Gone,
            (Some(found), None) => After::Service(found.settings.clone(), found.index),
            (Some(found), Some(id)) => {
                let instance = found.instances.get(id);
                instance.map_or(After::Gone, |instance| After::Instance(instance.shown(id)))
            }
        };
        self.log(kind, zone, Some(service), id, after);
    }

    fn log(
        &mut self,
        kind: Kind,
        zone: &ZoneName,
        service: Option<&ServiceName>,
        id: Option<&InstanceId>,
        after: After,
    ) {
        self.model.log.push(Logged {
            index: self.model.index,
            at: self.now,
            kind,
            zone: zone.clone(),
            service: service.cloned(),
            id: id.cloned(),
            after,
            by: self.by.clone(),
        });
    }

    /// Puts an instance in its place, or takes it away, unless it is what is there.
    fn put(&mut self, key: &InstanceKey, kind: Kind, after: Option<MInstance>) -> Outcome {
        if after.as_ref() == self.model.find(key) {
            return Ok(());
        }
        let now = self.now;
        self.change(
            (&key.zone, &key.service, Some(&key.id)),
            kind,
            |services, index| {
                let service = services
                    .entry(key.service.clone())
                    .or_insert_with(|| new_service(now));
                match after {
                    Some(mut after) => {
                        (after.index, after.updated_at) = (index, now);
                        if after.created_index == 0 {
                            after.created_index = index;
                        }
                        service.instances.insert(key.id.clone(), after);
                    }
                    None => drop(service.instances.remove(&key.id)),
                }
            },
        );
        Ok(())
    }

    fn register(&mut self, key: &InstanceKey, said: &Registration) -> Outcome {
        let before = self.model.find(key).cloned();
        match self.model.service(&key.zone, &key.service) {
            None => self.name_is_free(&key.zone, &key.service)?,
            Some(service) => {
                let is_tag =
                    |one: &MInstance| one.said.tags.iter().any(|tag| tag.as_str() == key.id.as_str());
                let mut others = service.instances.iter().filter(|(id, _)| **id != key.id);
                if before.is_none() && others.any(|(_, other)| is_tag(other)) {
                    return Err(No::Conflict("label_taken"));
                }
                let is_id = |tag: &Tag| service.instances.keys().any(|id| id.as_str() == tag.as_str());
                if said.tags.iter().any(is_id) {
                    return Err(No::Conflict("label_taken"));
                }
            }
        }
        if said.tags.iter().any(|tag| tag.as_str() == key.id.as_str()) {
            return Err(No::Conflict("label_taken"));
        }
        let now = self.now;
        let reported = match (&before, said.status) {
            (Some(before), None) => before.reported.clone(),
            (Some(before), Some(status)) => verdict(Some(&before.reported), status, None, now),
            (None, status) => verdict(None, status.unwrap_or(Status::Passing), None, now),
        };
        let mut of_ports = before
            .as_ref()
            .map(|before| before.of_ports.clone())
            .unwrap_or_default();
        of_ports.retain(|name, _| said.ports.iter().any(|port| port.name == *name));
        let mut said = said.clone();
        // It was said in this one request.
        said.status = None;
        let after = MInstance {
            said,
            reported,
            of_ports,
            lapsed: None,
            drain: before.as_ref().and_then(|before| before.drain),
            created_at: before.as_ref().map_or(now, |before| before.created_at),
            updated_at: before.as_ref().map_or(now, |before| before.updated_at),
            created_index: before.as_ref().map_or(0, |before| before.created_index),
            index: before.as_ref().map_or(0, |before| before.index),
        };
        self.put(key, Kind::Register, Some(after))
    }

    fn report(
        &mut self,
        key: &InstanceKey,
        port: Option<&PortName>,
        status: Status,
        output: Option<Output>,
    ) -> Outcome {
        let mut after = self.model.find(key).ok_or(No::Instance)?.clone();
        match port {
            None => after.reported = verdict(Some(&after.reported), status, output, self.now),
            Some(port) if after.said.ports.iter().all(|other| other.name != *port) => {
                return Err(No::Invalid("port".into()));
            }
            Some(port) => {
                let said = verdict(after.of_ports.get(port), status, output, self.now);
                after.of_ports.insert(port.clone(), said);
            }
        }
        after.lapsed = None;
        self.put(key, Kind::Health, Some(after))
    }

    fn lapse(&mut self, key: &InstanceKey) -> Outcome {
        let Some(before) = self.model.find(key) else {
            return Ok(());
        };
        if before.said.lease.is_none() || before.lapsed.is_some() {
            return Ok(());
        }
        let mut after = before.clone();
        after.lapsed = Some(self.now);
        let at_once = after.said.deregister_after.duration().is_zero();
        self.put(key, Kind::Lapse, Some(after))?;
        if at_once {
            self.put(key, Kind::Deregister, None)
        } else {
            Ok(())
        }
    }

    fn forget(&mut self, zone: &ZoneName, name: &ServiceName, names: &[(KnownName, Timestamp)]) -> Outcome {
        let Some(service) = self.model.service(zone, name) else {
            return Ok(());
        };
        let is_due = |known: &KnownName| {
            let since = service.lingering.get(known);
            since.is_some_and(|since| names.contains(&(known.clone(), *since)))
        };
        let due: BTreeSet<KnownName> = service
            .lingering
            .keys()
            .filter(|name| is_due(name))
            .cloned()
            .collect();
        if due.is_empty() {
            return Ok(());
        }
        self.change((zone, name, None), Kind::Forget, |services, _| {
            if due.contains(&KnownName::Service) {
                services.remove(name);
            } else if let Some(service) = services.get_mut(name) {
                service.lingering.retain(|name, _| !due.contains(name));
            }
        });
        Ok(())
    }

    fn put_service(&mut self, zone: &ZoneName, name: &ServiceName, settings: &ServiceSettings) -> Outcome {
        match self.model.service(zone, name) {
            Some(service) if service.settings == *settings => return Ok(()),
            Some(_) => {}
            None => self.name_is_free(zone, name)?,
        }
        let now = self.now;
        self.change((zone, name, None), Kind::Service, |services, _| {
            let service = services.entry(name.clone()).or_insert_with(|| new_service(now));
            service.settings = settings.clone();
        });
        Ok(())
    }

    fn delete_service(&mut self, zone: &ZoneName, name: &ServiceName) -> Outcome {
        let service = self.model.service(zone, name).ok_or(No::Service)?;
        for id in service.instances.keys().cloned().collect::<Vec<_>>() {
            let key = InstanceKey {
                zone: zone.clone(),
                service: name.clone(),
                id,
            };
            self.put(&key, Kind::Deregister, None)?;
        }
        self.change((zone, name, None), Kind::Service, |services, _| {
            drop(services.remove(name))
        });
        Ok(())
    }

    /// Whether nothing else stands where a service of that name would.
    fn name_is_free(&self, zone: &ZoneName, name: &ServiceName) -> Outcome {
        let whole = format!("{name}.{zone}");
        let hides =
            |other: &&ZoneName| other.as_str() == whole || other.as_str().ends_with(&format!(".{whole}"));
        if name.as_str() == "ns" || self.model.zones.keys().any(|other| hides(&other)) {
            return Err(No::Conflict("name_taken"));
        }
        Ok(())
    }

    fn open(&mut self, zones: &[ZoneName], base: &Base) -> Outcome {
        self.model.base = base.clone();
        for zone in zones {
            if !self.model.zones.contains_key(zone) {
                self.put_zone(zone, &ZoneSettings::default())?;
            }
        }
        for zone in self.model.zones.keys().cloned().collect::<Vec<_>>() {
            if self.model.zones[&zone].base != *base {
                self.change_zone(&zone, |zone| zone.base = base.clone());
            }
        }
        Ok(())
    }

    fn put_zone(&mut self, name: &ZoneName, settings: &ZoneSettings) -> Outcome {
        match self.model.zones.get(name) {
            Some(zone) if zone.settings == *settings => return Ok(()),
            Some(_) => {
                self.change_zone(name, |zone| zone.settings = settings.clone());
                return Ok(());
            }
            None => {}
        }
        for (other, zone) in &self.model.zones {
            let below = name.as_str().strip_suffix(&format!(".{other}"));
            let hidden = below.and_then(|between| between.rsplit('.').next());
            let is_there = |label| zone.services.keys().any(|service| service.as_str() == label);
            if hidden.is_some_and(is_there) {
                return Err(No::Conflict("name_taken"));
            }
        }
        let started = (self.now.unix_ms() / 1000) as u32;
        let serial = match self.model.retired.remove(name) {
            Some(last) if later(last.wrapping_add(1), started) => last.wrapping_add(1),
            _ => started,
        };
        self.model.index += 1;
        let zone = MZone {
            settings: settings.clone(),
            base: self.model.base.clone(),
            serial,
            created_at: self.now,
            index: self.model.index,
            services: BTreeMap::new(),
        };
        self.model.zones.insert(name.clone(), zone);
        self.log(
            Kind::Zone,
            name,
            None,
            None,
            After::Zone(settings.clone(), serial),
        );
        Ok(())
    }

    fn change_zone(&mut self, name: &ZoneName, change: impl FnOnce(&mut MZone)) {
        let before = self.records_of_zone(name);
        self.model.index += 1;
        let index = self.model.index;
        let zone = self.model.zones.get_mut(name).expect("it was looked for");
        change(zone);
        zone.index = index;
        zone.services
            .values_mut()
            .for_each(|service| service.published = None);
        let moved = self.records_of_zone(name) != before;
        let zone = self.model.zones.get_mut(name).expect("it was looked for");
        zone.serial = zone.serial.wrapping_add(u32::from(moved));
        let after = After::Zone(zone.settings.clone(), zone.serial);
        self.log(Kind::Zone, name, None, None, after);
    }

    fn delete_zone(&mut self, name: &ZoneName) -> Outcome {
        let zone = self.model.zones.get(name).ok_or(No::Zone)?;
        if zone
            .services
            .values()
            .any(|service| !service.instances.is_empty())
        {
            return Err(No::Conflict("zone_not_empty"));
        }
        self.model.retired.insert(name.clone(), zone.serial);
        self.model.zones.remove(name);
        self.model.index += 1;
        self.log(Kind::Zone, name, None, None, After::Gone);
        Ok(())
    }
}

fn new_service(now: Timestamp) -> MService {
    MService {
        settings: ServiceSettings::NONE,
        created_at: now,
        index: 0,
        lingering: BTreeMap::new(),
        instances: BTreeMap::new(),
        published: None,
    }
}

fn verdict(before: Option<&Verdict>, status: Status, output: Option<Output>, now: Timestamp) -> Verdict {
    let since = before
        .filter(|before| before.status == status)
        .map_or(now, |before| before.since);
    Verdict {
        status,
        output,
        since,
    }
}

/// Of ports and tags of those who are there.
fn names(service: &MService) -> Vec<KnownName> {
    service.instances.values().flat_map(borne).collect()
}

/// Brings the names without a bearer in line with who is there: one that was known by somebody who is gone lingers since
/// now.
fn linger(service: &mut MService, known: Vec<KnownName>, now: Timestamp) {
    let borne = names(service);
    for name in known {
        service.lingering.entry(name).or_insert(now);
    }
    service.lingering.retain(|name, _| !borne.contains(name));
    if service.instances.is_empty() && service.settings.is_empty() {
        service.lingering.entry(KnownName::Service).or_insert(now);
    } else {
        service.lingering.remove(&KnownName::Service);
    }
}
