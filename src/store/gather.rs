//! The services of one part of the catalog's order, from the rows of their instances and their own.

use std::sync::Arc;
use std::vec::IntoIter;

use crate::catalog::{Instance, Lingering, Service, ServiceName, ZoneName};

use super::instances::{Parts, Row};
use super::rows::ServiceBody;
use super::scan::damaged;
use super::tally::Table;
use super::trouble::Trouble;

/// A service among all zones: its zone's place among the zones, and its name.
pub(super) type Key = (u32, ServiceName);

/// What the rows of one part say. All three lists are put into the order of their keys.
#[derive(Debug, Default)]
pub(super) struct Part {
    /// Of instances.
    pub(super) rows: Vec<Vec<Row>>,
    /// Of services.
    pub(super) bodies: Vec<(Key, ServiceBody)>,
    /// Of names without a bearer.
    pub(super) names: Vec<(Key, Lingering)>,
}

impl Part {
    /// All parts, with the rows of services and names that are theirs, which come in the order of their keys.
    pub(super) fn all(
        parts: &Parts,
        bodies: Vec<(Key, ServiceBody)>,
        names: Vec<(Key, Lingering)>,
    ) -> Vec<Self> {
        let mut all: Vec<Self> = (0..parts.len()).map(|_| Self::default()).collect();
        for row in bodies {
            all[parts.of(row.0.0, row.0.1.as_str())].bodies.push(row);
        }
        for row in names {
            all[parts.of(row.0.0, row.0.1.as_str())].names.push(row);
        }
        all
    }

    /// Its services in order, each with the place of its zone.
    pub(super) fn services(self, zones: &[ZoneName]) -> Result<Vec<(u32, Arc<Service>)>, Trouble> {
        let mut rows = Vec::with_capacity(self.rows.iter().map(Vec::len).sum());
        for chunk in self.rows {
            rows.extend(chunk);
        }
        // Stable, as it finds what is in order already: registrations often come so.
        rows.sort_by(|a: &Row, b: &Row| {
            (a.zone, &a.service, &a.instance.id).cmp(&(b.zone, &b.service, &b.instance.id))
        });
        let mut gathering = Gathering {
            zones,
            services: Vec::new(),
            names: self.names.into_iter(),
        };
        let mut bodies = self.bodies.into_iter().peekable();
        let mut rows = rows.into_iter().peekable();
        let mut own = Vec::new();
        while let Some(Row {
            zone,
            service,
            instance,
        }) = rows.next()
        {
            own.push(instance);
            let is_its = |next: &Row| next.zone == zone && next.service == service;
            while let Some(next) = rows.next_if(is_its) {
                own.push(next.instance);
            }
            let key = (zone, service);
            // Those before it have no instances.
            while let Some((other, body)) = bodies.next_if(|(other, _)| *other < key) {
                gathering.add(other, body, Box::default())?;
            }
            let body = bodies.next_if(|(other, _)| *other == key).map(|(_, body)| body);
            let body = body.unwrap_or_else(|| ServiceBody::of(&own));
            gathering.add(key, body, own.drain(..).collect())?;
        }
        for (key, body) in bodies {
            gathering.add(key, body, Box::default())?;
        }
        gathering.end()
    }
}

struct Gathering<'z> {
    zones: &'z [ZoneName],
    services: Vec<(u32, Arc<Service>)>,
    names: IntoIter<(Key, Lingering)>,
}

impl Gathering<'_> {
    /// Adds the next service, with its instances in order.
    fn add(&mut self, key: Key, body: ServiceBody, own: Box<[Arc<Instance>]>) -> Result<(), Trouble> {
        if own.windows(2).any(|pair| pair[0].id == pair[1].id) {
            return Err(self.wrong(Table::Instances, &key, "an instance of it has two rows"));
        }
        let lingering = self.lingering(&key)?;
        let (zone, name) = key;
        let service = body.service(name.clone(), own, lingering);
        let service = service.map_err(|error| self.wrong(Table::Services, &(zone, name), error))?;
        self.services.push((zone, Arc::new(service)));
        Ok(())
    }

    fn lingering(&mut self, key: &Key) -> Result<Box<[Lingering]>, Trouble> {
        let rest = self.names.as_slice();
        let number = rest.iter().take_while(|(other, _)| other == key).count();
        if number == 0 {
            return self.none_before(key).map(|()| Box::default());
        }
        let mut names: Vec<_> = self.names.by_ref().take(number).map(|(_, name)| name).collect();
        // The catalog's order is not that of the rows: the service's own name, ports, tags.
        names.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(names.into())
    }

    /// A name before those of `key` is one of a service that there is not.
    fn none_before(&self, key: &Key) -> Result<(), Trouble> {
        match self.names.as_slice().first() {
            Some((other, _)) if other < key => {
                Err(self.wrong(Table::KnownNames, other, "its service is unknown"))
            }
            _ => Ok(()),
        }
    }

    fn end(self) -> Result<Vec<(u32, Arc<Service>)>, Trouble> {
        match self.names.as_slice().first() {
            Some((key, _)) => Err(self.wrong(Table::KnownNames, key, "its service is unknown")),
            None => Ok(self.services),
        }
    }

    fn wrong(&self, table: Table, (zone, service): &Key, what: impl std::fmt::Display) -> Trouble {
        damaged(table, &format!("{} {service}", self.zones[*zone as usize]), what)
    }
}
