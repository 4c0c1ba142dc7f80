//! Every row of the catalog, held against its checksum and its table's tally, as a [`State`].
//!
//! One thread reads rows and hands them on in chunks; another one checks and parses them. Where the parser falls
//! behind, the reader parses a chunk itself: with two cores neither waits for the other. All of it is one read
//! transaction. The change log is not read here: nothing is answered from it, and it may weigh more than the catalog;
//! `check` holds it against its tally beside serving.

use std::collections::HashMap;
use std::sync::Arc;

use imbl::OrdMap;
use rusqlite::Connection;
use rusqlite::types::ValueRef;
use uuid::Uuid;

use crate::catalog::{
    Instance, InstanceId, Lingering, NameError, Service, ServiceName, Services, State, Zone, ZoneName,
};

use super::Identity;
use super::chunk::{damaged, in_chunks, shown};
use super::rows::{InstanceBody, KnownKey, ServiceBody, ZoneBody};
use super::tally::{Table, Tallies, Tally, checksum};
use super::trouble::Trouble;

/// What a data base holds.
pub(super) struct Loaded {
    pub(super) state: State,
    pub(super) identity: Identity,
    pub(super) tallies: Tallies,
}

/// Loads the catalog in one read transaction.
pub(super) fn load(connection: &Connection) -> Result<Loaded, Trouble> {
    let transaction = connection.unchecked_transaction()?;
    let tallies = tallies(&transaction)?;
    let mut found = tallies;
    let (identity, index) = catalog(&transaction, &mut found)?;
    let mut serials = serials(&transaction, &mut found)?;
    let mut zones = zones(&transaction, &mut found, &mut serials)?;
    let mut services = services(&transaction, &mut found)?;
    known_names(&transaction, &mut found, &mut services)?;
    transaction.finish()?;
    for ((table, found), (_, kept)) in found.iter().zip(tallies.iter()) {
        if found != kept {
            return Err(Trouble::Damaged(format!(
                "table {} has {} rows whose checksums do not match its tally of {} rows",
                table.name(),
                found.number,
                kept.number
            )));
        }
    }
    let mut services = services.into_iter().peekable();
    for zone in &mut zones {
        let mut own = Vec::new();
        while let Some((_, service)) = services.next_if(|(name, _)| *name == zone.name) {
            zone.instances += service.instances.len() as u64;
            own.push(Arc::new(service));
        }
        zone.services = Services::from_sorted(own);
    }
    if let Some((zone, service)) = services.next() {
        return Err(damaged(
            Table::Services,
            &format!("{zone} {}", service.name),
            "its zone is unknown",
        ));
    }
    let zones = zones.into_iter().map(|zone| (zone.name.clone(), Arc::new(zone)));
    Ok(Loaded {
        state: State::loaded(index, zones.collect(), serials),
        identity,
        tallies,
    })
}

/// Reads a table row by row, each held against its checksum, and returns its tally.
pub(super) fn each_row(
    connection: &Connection,
    table: Table,
    mut row_is: impl FnMut(&[ValueRef<'_>]) -> Result<(), Trouble>,
) -> Result<Tally, Trouble> {
    let mut statement = connection.prepare(&table.sql().select)?;
    let mut rows = statement.query([])?;
    let mut tally = Tally::default();
    let mut scratch = Vec::new();
    while let Some(row) = rows.next()? {
        let columns = (0..table.width())
            .map(|column| row.get_ref(column))
            .collect::<Result<Vec<_>, _>>()?;
        let kept: i64 = row.get(table.width())?;
        if checksum(table, columns.iter().copied(), &mut scratch) != kept {
            return Err(damaged(table, &shown(&columns), "it does not match its checksum"));
        }
        tally.add(kept);
        row_is(&columns)?;
    }
    Ok(tally)
}

/// The tallies as they are kept.
pub(super) fn tallies(connection: &Connection) -> Result<Tallies, Trouble> {
    let mut tallies = Tallies::default();
    let mut seen = 0;
    each_row(connection, Table::Tallies, |columns| {
        let &[
            ValueRef::Text(name),
            ValueRef::Integer(number),
            ValueRef::Integer(sum),
        ] = columns
        else {
            return Err(damaged(Table::Tallies, "?", "it has other types"));
        };
        let mut tables = Table::TALLIED.into_iter();
        let table = tables.find(|table| table.name().as_bytes() == name);
        let tally = table.and_then(|table| tallies.of(table));
        *tally.ok_or_else(|| damaged(Table::Tallies, &String::from_utf8_lossy(name), "no such table"))? =
            Tally { number, sum };
        seen += 1;
        Ok(())
    })?;
    if seen != Table::TALLIED.len() {
        return Err(Trouble::Damaged(format!(
            "table {} lacks a row",
            Table::Tallies.name()
        )));
    }
    Ok(tallies)
}

fn note(found: &mut Tallies, table: Table, tally: Tally) {
    *found.of(table).expect("only tallied tables are loaded") = tally;
}

fn catalog(connection: &Connection, found: &mut Tallies) -> Result<(Identity, u64), Trouble> {
    let mut read = None;
    let tally = each_row(connection, Table::Catalog, |columns| {
        let &[
            _,
            ValueRef::Blob(epoch),
            ValueRef::Blob(origin),
            ValueRef::Integer(number),
        ] = columns
        else {
            return Err(damaged(Table::Catalog, "1", "it has other types"));
        };
        let uuid = |octets| Uuid::from_slice(octets).map_err(|error| damaged(Table::Catalog, "1", error));
        let identity = Identity {
            epoch: uuid(epoch)?,
            origin: uuid(origin)?,
        };
        let index = u64::try_from(number).map_err(|error| damaged(Table::Catalog, "1", error))?;
        read = Some((identity, index));
        Ok(())
    })?;
    note(found, Table::Catalog, tally);
    read.ok_or_else(|| Trouble::Damaged("table catalog lacks its row".into()))
}

fn serials(connection: &Connection, found: &mut Tallies) -> Result<OrdMap<ZoneName, u32>, Trouble> {
    let mut serials = OrdMap::new();
    let tally = each_row(connection, Table::Serials, |columns| {
        let &[zone, ValueRef::Integer(serial)] = columns else {
            return Err(damaged(Table::Serials, "?", "it has other types"));
        };
        let text = text(Table::Serials, zone)?;
        let zone = ZoneName::parse(text).map_err(|error| damaged(Table::Serials, text, error))?;
        let serial = u32::try_from(serial).map_err(|error| damaged(Table::Serials, text, error))?;
        serials.insert(zone, serial);
        Ok(())
    })?;
    note(found, Table::Serials, tally);
    Ok(serials)
}

/// The zones without their services, in order; what they leave of `serials` are those of deleted zones.
fn zones(
    connection: &Connection,
    found: &mut Tallies,
    serials: &mut OrdMap<ZoneName, u32>,
) -> Result<Vec<Zone>, Trouble> {
    let mut zones = Vec::new();
    let tally = each_row(connection, Table::Zones, |columns| {
        let (zone, body) = (text(Table::Zones, columns[0])?, text(Table::Zones, columns[1])?);
        let wrong = |error: &dyn std::fmt::Display| damaged(Table::Zones, zone, error);
        let name = ZoneName::parse(zone).map_err(|error| wrong(&error))?;
        let serial = serials.remove(&name).ok_or_else(|| wrong(&"it has no serial"))?;
        let body: ZoneBody = serde_json::from_str(body).map_err(|error| wrong(&error))?;
        zones.push(body.zone(name, serial).map_err(|error| wrong(&error))?);
        Ok(())
    })?;
    note(found, Table::Zones, tally);
    Ok(zones)
}

/// An instance with whose it is.
struct Owned {
    zone: ZoneName,
    service: ServiceName,
    instance: Arc<Instance>,
}

/// The services with their instances, each with its zone, in order.
fn services(connection: &Connection, found: &mut Tallies) -> Result<Vec<(ZoneName, Service)>, Trouble> {
    const TABLE: Table = Table::Services;
    let mut instances = instances(connection, found)?;
    let (rows, tally) = in_chunks(connection, TABLE, |columns, things: &mut Vec<_>| {
        let [zone, service, body] = columns.map(|column| text(TABLE, column));
        let (zone, service, body) = (zone?, service?, body?);
        let wrong = |error: &dyn std::fmt::Display| damaged(TABLE, &format!("{zone} {service}"), error);
        let body: ServiceBody = serde_json::from_str(body).map_err(|error| wrong(&error))?;
        let zone = ZoneName::parse(zone).map_err(|error| wrong(&error))?;
        let service = ServiceName::parse(service).map_err(|error| wrong(&error))?;
        things.push(((zone, service), body));
        Ok(())
    })?;
    note(found, TABLE, tally);
    let mut services = Vec::with_capacity(instances.len());
    let mut add =
        |(zone, name): (ZoneName, ServiceName), body: Option<ServiceBody>, mut own: Vec<Arc<Instance>>| {
            // By the number of their registration until here.
            own.sort_unstable_by(|a, b| a.id.cmp(&b.id));
            let key = || format!("{zone} {name}");
            if own.windows(2).any(|pair| pair[0].id == pair[1].id) {
                return Err(damaged(
                    Table::Instances,
                    &key(),
                    "an instance of it has two rows",
                ));
            }
            let body = body.unwrap_or_else(|| ServiceBody::of(&own));
            let service = body
                .service(name.clone(), own.into(), Box::default())
                .map_err(|error| damaged(TABLE, &key(), error))?;
            services.push((zone, service));
            Ok(())
        };
    for (key, body) in rows.into_iter().flatten() {
        let own = instances.remove(&key).unwrap_or_default();
        add(key, Some(body), own)?;
    }
    for (key, own) in instances {
        add(key, None, own)?;
    }
    services.sort_unstable_by(|(a_zone, a), (b_zone, b)| (a_zone, &a.name).cmp(&(b_zone, &b.name)));
    Ok(services)
}

/// The instances of each service, in the order of their registration.
type ByService = HashMap<(ZoneName, ServiceName), Vec<Arc<Instance>>, foldhash::fast::RandomState>;

fn instances(connection: &Connection, found: &mut Tallies) -> Result<ByService, Trouble> {
    const TABLE: Table = Table::Instances;
    let (chunks, tally) = in_chunks(connection, TABLE, |columns, things: &mut Vec<Owned>| {
        let [_, zone, service, id, body] = columns;
        let columns = [zone, service, id, body].map(|column| text(TABLE, column));
        let [zone, service, id, body] = columns;
        let (zone, service, id, body) = (zone?, service?, id?, body?);
        let owned = owned(zone, service, id, body, things.last());
        things.push(owned.map_err(|error| damaged(TABLE, &format!("{zone} {service} {id}"), error))?);
        Ok(())
    })?;
    note(found, TABLE, tally);
    let mut services = ByService::default();
    for Owned {
        zone,
        service,
        instance,
    } in chunks.into_iter().flatten()
    {
        services.entry((zone, service)).or_default().push(instance);
    }
    Ok(services)
}

/// Why a row that fits its checksum cannot be read: it was written by a program with other rules.
#[derive(Debug, thiserror::Error)]
enum RowError {
    #[error(transparent)]
    Name(#[from] NameError),
    #[error("{0}")]
    Body(String),
}

impl From<String> for RowError {
    fn from(what: String) -> Self {
        Self::Body(what)
    }
}

/// The zone of a row; most often that of the row before, whose text it then shares.
fn zone_name(text: &str, last: Option<&ZoneName>) -> Result<ZoneName, NameError> {
    match last {
        Some(last) if last.as_str() == text => Ok(last.clone()),
        _ => ZoneName::parse(text),
    }
}

fn owned(zone: &str, service: &str, id: &str, body: &str, last: Option<&Owned>) -> Result<Owned, RowError> {
    let zone = zone_name(zone, last.map(|last| &last.zone))?;
    let service = match last {
        Some(last) if last.service.as_str() == service => last.service.clone(),
        _ => ServiceName::parse(service)?,
    };
    let body: InstanceBody = serde_json::from_str(body).map_err(|error| error.to_string())?;
    let instance = body
        .instance(InstanceId::parse(id)?)
        .map_err(|error| error.to_string())?;
    Ok(Owned {
        zone,
        service,
        instance: Arc::new(instance),
    })
}

/// Puts the names without a bearer on their services.
fn known_names(
    connection: &Connection,
    found: &mut Tallies,
    services: &mut [(ZoneName, Service)],
) -> Result<(), Trouble> {
    const TABLE: Table = Table::KnownNames;
    let mut names: Vec<Lingering> = Vec::new();
    // The rows come in the order of the services, those of one service together.
    let mut at = 0;
    let tally = each_row(connection, TABLE, |columns| {
        let &[zone, service, kind, name, protocol, ValueRef::Integer(since)] = columns else {
            return Err(damaged(TABLE, "?", "it has other types"));
        };
        let (zone, service) = (text(TABLE, zone)?, text(TABLE, service)?);
        let key = KnownKey {
            kind: text(TABLE, kind)?,
            name: text(TABLE, name)?,
            protocol: text(TABLE, protocol)?,
        };
        let wrong = |what: &str| {
            let key = format!("{zone} {service} {} {} {}", key.kind, key.name, key.protocol);
            damaged(TABLE, &key, what)
        };
        let lingering = key.lingering(since).ok_or_else(|| wrong("it is no known name"))?;
        let is_its =
            |(of, other): &(ZoneName, Service)| of.as_str() == zone && other.name.as_str() == service;
        if !services.get(at).is_some_and(is_its) {
            put_names(services, at, &mut names);
            at += services[at.min(services.len())..]
                .iter()
                .position(is_its)
                .ok_or_else(|| wrong("its service is unknown"))?;
        }
        names.push(lingering);
        Ok(())
    })?;
    put_names(services, at, &mut names);
    note(found, TABLE, tally);
    Ok(())
}

fn put_names(services: &mut [(ZoneName, Service)], at: usize, names: &mut Vec<Lingering>) {
    if let Some((_, service)) = services.get_mut(at)
        && !names.is_empty()
    {
        // The catalog's order is not that of the rows: the service's own name, ports, tags.
        names.sort_by(|a, b| a.name.cmp(&b.name));
        let names = std::mem::take(names).into();
        *service = service.clone().with(|extras| extras.lingering = names);
    }
}

fn text(table: Table, column: ValueRef<'_>) -> Result<&str, Trouble> {
    column.as_str().map_err(|error| damaged(table, "?", error))
}
