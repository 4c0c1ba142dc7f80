//! Every row of the catalog, held against its checksum and its table's tally, as a [`State`].
//!
//! All cores read and parse, each over a connection of its own, in read transactions that see the same commit; then they
//! build the services, each one part of the catalog's order after the other. The change log is not read here: nothing is
//! answered from it, and it may weigh more than the catalog; `check` holds it against its tally beside serving.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use imbl::OrdMap;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Transaction};
use uuid::Uuid;

use crate::catalog::{Lingering, Service, ServiceName, Services, State, Zone, ZoneName};

use super::Identity;
use super::gather::{Key, Part};
use super::instances::{self, ByPart, Parts, Reading, place};
use super::rows::{KnownKey, ServiceBody, ZoneBody};
use super::scan::{damaged, each_row, tallies, text};
use super::tally::{Table, Tallies, Tally};
use super::trouble::Trouble;

/// Rows for which another thread is worth its connection.
const WORTH_A_THREAD: i64 = 8192;
/// Parts of the catalog's order for each thread: the last one to be built is not waited for long.
const PARTS_OF_A_THREAD: usize = 8;

/// What a data base holds.
pub(super) struct Loaded {
    pub(super) state: State,
    pub(super) identity: Identity,
    pub(super) tallies: Tallies,
}

/// Loads the catalog as it is in one commit, on as many threads as are worth it. `another` opens further connections
/// like the given one.
pub(super) fn load(
    connection: &Connection,
    another: impl Fn() -> Result<Connection, rusqlite::Error> + Sync,
) -> Result<Loaded, Trouble> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let worth = |rows: i64| usize::try_from(rows / WORTH_A_THREAD).unwrap_or(0);
    load_on(connection, |rows| worth(rows).clamp(1, cores), another)
}

/// The same on so many threads, as `threads` says for a number of instances.
pub(super) fn load_on(
    connection: &Connection,
    threads: impl Fn(i64) -> usize,
    another: impl Fn() -> Result<Connection, rusqlite::Error> + Sync,
) -> Result<Loaded, Trouble> {
    let transaction = connection.unchecked_transaction()?;
    let tallies = tallies(&transaction)?;
    let rows = tallies
        .clone()
        .of(Table::Instances)
        .map_or(0, |tally| tally.number);
    let threads = threads(rows);
    let mut found = tallies;
    let (identity, index) = catalog(&transaction, &mut found)?;
    let mut serials = serials(&transaction, &mut found)?;
    let mut zones = zones(&transaction, &mut found, &mut serials)?;
    let commit = Commit { identity, index };
    let services = services(&transaction, &mut found, &zones, &commit, threads, another)?;
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
    let mut services = services.into_iter().flatten().peekable();
    for (at, zone) in (0..).zip(&mut zones) {
        let mut own = Vec::new();
        while let Some((_, service)) = services.next_if(|(zone, _)| *zone == at) {
            zone.instances += service.instances.len() as u64;
            own.push(service);
        }
        zone.services = Services::from_sorted(own);
    }
    let zones = zones.into_iter().map(|zone| (zone.name.clone(), Arc::new(zone)));
    Ok(Loaded {
        state: State::loaded(index, zones.collect(), serials),
        identity,
        tallies,
    })
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

/// Which commit a read transaction sees.
struct Commit {
    identity: Identity,
    index: u64,
}

impl Commit {
    /// Whether it is this one, as far as can be told: every commit moves the index.
    fn is_seen_by(&self, transaction: &Transaction<'_>) -> bool {
        catalog(transaction, &mut Tallies::default())
            .is_ok_and(|(identity, index)| (identity.epoch, index) == (self.identity.epoch, self.index))
    }
}

/// The services of all parts, in order.
type Built = Vec<Vec<(u32, Arc<Service>)>>;

/// The services with their instances and names, each with the place of its zone.
fn services(
    transaction: &Transaction<'_>,
    found: &mut Tallies,
    zones: &[Zone],
    commit: &Commit,
    threads: usize,
    another: impl Fn() -> Result<Connection, rusqlite::Error> + Sync,
) -> Result<Built, Trouble> {
    let rows = found.of(Table::Instances).map_or(0, |tally| tally.number);
    let zones: Vec<ZoneName> = zones.iter().map(|zone| zone.name.clone()).collect();
    let keys = instances::keys(transaction)?.unwrap_or_default();
    let parts = match threads {
        1 => 1,
        _ => threads * PARTS_OF_A_THREAD,
    };
    let parts = Parts::drawn(transaction, &zones, keys, parts)?;
    let reading = Reading::new(&zones, &parts, keys, rows, threads);
    let (read, mut all) = thread::scope(|scope| {
        let others: Vec<_> = (1..threads)
            .map(|_| {
                scope.spawn(|| {
                    // One that cannot be had, or sees another commit, leaves its work to the rest.
                    let connection = another().ok()?;
                    let transaction = connection.unchecked_transaction().ok()?;
                    let sees_it = commit.is_seen_by(&transaction);
                    sees_it.then(|| reading.read(&transaction))
                })
            })
            .collect();
        let bodies = bodies(transaction, found, &zones)?;
        let names = known_names(transaction, found, &zones)?;
        let all = Part::all(&parts, bodies, names);
        let mut read = vec![reading.read(transaction)];
        for other in others {
            read.extend(other.join().expect("reading rows does not panic"));
        }
        Ok::<_, Trouble>((read, all))
    })?;
    note(found, Table::Instances, merge(read, &mut all)?);
    in_parallel(threads, all, |part| part.services(&zones))
}

/// Puts what each thread read into the parts, and returns the tally of it all.
fn merge(read: Vec<Result<(ByPart, Tally), (usize, Trouble)>>, all: &mut [Part]) -> Result<Tally, Trouble> {
    let mut tally = Tally::default();
    let mut first: Option<(usize, Trouble)> = None;
    for read in read {
        match read {
            Ok((by_part, of_thread)) => {
                tally.join(of_thread);
                for (part, rows) in all.iter_mut().zip(by_part) {
                    part.rows.extend(rows);
                }
            }
            Err(wrong) if first.as_ref().is_none_or(|(range, _)| wrong.0 < *range) => first = Some(wrong),
            Err(_) => {}
        }
    }
    match first {
        Some((_, trouble)) => Err(trouble),
        None => Ok(tally),
    }
}

/// Makes something of each item on so many threads, and returns it in the order of the items, or what is wrong with the
/// first that is.
fn in_parallel<T: Send, U: Send>(
    threads: usize,
    items: Vec<T>,
    make: impl Fn(T) -> Result<U, Trouble> + Sync,
) -> Result<Vec<U>, Trouble> {
    let mut made: Vec<_> = items.iter().map(|_| None).collect();
    // What this lock guards is whole whenever it is released.
    let todo = Mutex::new(items.into_iter().zip(&mut made));
    let next = || todo.lock().unwrap_or_else(PoisonError::into_inner).next();
    thread::scope(|scope| {
        let work = || {
            while let Some((item, place)) = next() {
                *place = Some(make(item));
            }
        };
        for _ in 1..threads {
            scope.spawn(work);
        }
        work();
    });
    drop(todo);
    let made = made
        .into_iter()
        .map(|made| made.expect("every item was taken and made something of"));
    made.collect()
}

/// The rows of services, which are few: most follow from their instances.
fn bodies(
    connection: &Connection,
    found: &mut Tallies,
    zones: &[ZoneName],
) -> Result<Vec<(Key, ServiceBody)>, Trouble> {
    const TABLE: Table = Table::Services;
    let mut bodies = Vec::new();
    let tally = each_row(connection, TABLE, |columns| {
        let &[zone, service, body] = columns else {
            return Err(damaged(TABLE, "?", "it has other columns"));
        };
        let (zone, service, body) = (text(TABLE, zone)?, text(TABLE, service)?, text(TABLE, body)?);
        let wrong = |error: &dyn std::fmt::Display| damaged(TABLE, &format!("{zone} {service}"), error);
        let at = place(zones, zone).ok_or_else(|| wrong(&"its zone is unknown"))?;
        let name = ServiceName::parse(service).map_err(|error| wrong(&error))?;
        let body: ServiceBody = serde_json::from_str(body).map_err(|error| wrong(&error))?;
        bodies.push(((at, name), body));
        Ok(())
    })?;
    note(found, TABLE, tally);
    Ok(bodies)
}

/// The names without a bearer, those of one service together.
fn known_names(
    connection: &Connection,
    found: &mut Tallies,
    zones: &[ZoneName],
) -> Result<Vec<(Key, Lingering)>, Trouble> {
    const TABLE: Table = Table::KnownNames;
    let mut names: Vec<(Key, Lingering)> = Vec::new();
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
        let at = place(zones, zone).ok_or_else(|| wrong("its service is unknown"))?;
        let name = match names.last() {
            Some(((_, last), _)) if last.as_str() == service => last.clone(),
            _ => ServiceName::parse(service).map_err(|_| wrong("its service is unknown"))?,
        };
        names.push(((at, name), lingering));
        Ok(())
    })?;
    note(found, TABLE, tally);
    Ok(names)
}
