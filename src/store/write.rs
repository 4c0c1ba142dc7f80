//! One transaction: the difference of two states, the change log, the tallies.
//!
//! Each thing that a batch touches is written once, however many of its changes touch it, and only if its row differs.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;

use rusqlite::Connection;
use rusqlite::types::ValueRef;

use crate::catalog::{
    Image, Instance, InstanceId, KnownName, Lingering, Service, ServiceName, State, ZoneName,
};

use super::put::{Column, Rows};
use super::rows::{InstanceBody, KnownKey, Serials, ServiceBody, ZoneBody, json, write_json};
use super::tally::{Table, Tallies};
use super::{Batch, Entry, Identity};

/// Why a transaction came to nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum WriteError {
    /// SQLite says so.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// What is on disk is not what was written.
    #[error("a row of table {} is not what was written there: another program changed it", .0.name())]
    Strange(Table),
    /// The index does not fit; it would take 2^63 changes.
    #[error("the index {0} is too large")]
    Index(u64),
}

impl From<WriteError> for super::trouble::Trouble {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Sqlite(error) => Self::Sqlite(error),
            other => Self::Damaged(other.to_string()),
        }
    }
}

fn text(text: &str) -> Column<'_> {
    ValueRef::Text(text.as_bytes())
}

fn maybe(value: Option<&str>) -> Column<'_> {
    value.map_or(ValueRef::Null, text)
}

fn number(index: u64) -> Result<Column<'static>, WriteError> {
    i64::try_from(index)
        .map(ValueRef::Integer)
        .map_err(|_| WriteError::Index(index))
}

fn catalog_row(identity: &Identity, index: u64) -> Result<[Column<'_>; 3], WriteError> {
    let (epoch, origin) = (identity.epoch.as_bytes(), identity.origin.as_bytes());
    Ok([ValueRef::Blob(epoch), ValueRef::Blob(origin), number(index)?])
}

/// The bodies of a batch's instances, each encoded once: its row and its images in the log are the same text.
#[derive(Default)]
struct Bodies {
    text: Vec<u8>,
    /// Where the body of an instance stands, by where the instance stands: the batch holds all of them.
    places: HashMap<*const Instance, Range<usize>, foldhash::fast::RandomState>,
}

impl Bodies {
    fn place(&mut self, instance: &Arc<Instance>) -> Range<usize> {
        let text = &mut self.text;
        let encode = || {
            let start = text.len();
            write_json(&InstanceBody::from(&**instance), text);
            start..text.len()
        };
        self.places
            .entry(Arc::as_ptr(instance))
            .or_insert_with(encode)
            .clone()
    }

    fn body(&self, place: Range<usize>) -> Column<'_> {
        ValueRef::Text(&self.text[place])
    }
}

/// The row of an instance that is new.
struct Added<'a> {
    number: u64,
    zone: &'a ZoneName,
    service: &'a ServiceName,
    id: &'a InstanceId,
    /// Where its body stands.
    body: Range<usize>,
}

/// A transaction under way.
pub(super) struct Writing<'c> {
    pub(super) rows: Rows<'c>,
    before: Tallies,
    bodies: Bodies,
}

impl<'c> Writing<'c> {
    /// Within a transaction of `connection`, whose tallies are `tallies` until now.
    pub(super) fn new(connection: &'c Connection, tallies: Tallies) -> Self {
        Self {
            rows: Rows::new(connection, tallies),
            before: tallies,
            bodies: Bodies::default(),
        }
    }

    /// The difference that the batch makes to the catalog, and its log.
    pub(super) fn batch(&mut self, batch: &Batch<'_>, identity: &Identity) -> Result<(), WriteError> {
        let Batch {
            before,
            after,
            entries,
        } = *batch;
        let mut added = Vec::new();
        for of_zone in touched(batch).chunk_by(|one, next| one.zone == next.zone) {
            let zone = of_zone[0].zone;
            self.zone(before, after, zone)?;
            for of_service in of_zone.chunk_by(|one, next| one.service == next.service) {
                let Some(service) = of_service[0].service else {
                    continue;
                };
                let of = |state| State::service(state, zone, service).ok().map(|found| &**found);
                let ids = of_service.iter().filter_map(|touched| touched.id);
                self.service(zone, service, of(before), of(after), ids, &mut added)?;
            }
        }
        self.added(added)?;
        for entry in entries {
            self.change(entry, identity)?;
        }
        self.catalog(identity, Some(before.index), Some(after.index))
    }

    /// The row with the index; `None` before is a catalog that is made.
    pub(super) fn catalog(
        &mut self,
        identity: &Identity,
        before: Option<u64>,
        after: Option<u64>,
    ) -> Result<(), WriteError> {
        let row = |index: u64| catalog_row(identity, index);
        let (before, after) = (before.map(row).transpose()?, after.map(row).transpose()?);
        self.rows.put(
            Table::Catalog,
            &[ValueRef::Integer(1)],
            before.as_ref().map(|row| &row[..]),
            after.as_ref().map(|row| &row[..]),
        )
    }

    /// The same row, which becomes that of another epoch.
    pub(super) fn catalog_moves(
        &mut self,
        before: (&Identity, u64),
        after: (&Identity, u64),
    ) -> Result<(), WriteError> {
        let (before, after) = (catalog_row(before.0, before.1)?, catalog_row(after.0, after.1)?);
        let key = [ValueRef::Integer(1)];
        self.rows.put(Table::Catalog, &key, Some(&before), Some(&after))
    }

    fn zone(&mut self, before: &State, after: &State, zone: &ZoneName) -> Result<(), WriteError> {
        let key = [text(zone.as_str())];
        let body = |state: &State| state.zones.get(zone).map(|zone| ZoneBody::row(zone));
        let (old, new) = (body(before), body(after));
        if old != new {
            let (old, new) = (old.as_ref().map(json), new.as_ref().map(json));
            self.put_text(Table::Zones, &key, old.as_deref(), new.as_deref())?;
        }
        let serial = |state: &State| {
            let living = state.zones.get(zone).map(|zone| zone.serial);
            let serial = living.or_else(|| state.retired.get(zone).copied());
            serial.map(|serial| [ValueRef::Integer(serial.into())])
        };
        let (old, new) = (serial(before), serial(after));
        self.rows.put(
            Table::Serials,
            &key,
            old.as_ref().map(|row| &row[..]),
            new.as_ref().map(|row| &row[..]),
        )
    }

    fn service<'i>(
        &mut self,
        zone: &'i ZoneName,
        name: &'i ServiceName,
        before: Option<&Service>,
        after: Option<&Service>,
        ids: impl Iterator<Item = &'i InstanceId>,
        added: &mut Vec<Added<'i>>,
    ) -> Result<(), WriteError> {
        let key = [text(zone.as_str()), text(name.as_str())];
        let row = |service: &Service| ServiceBody::row(service).as_ref().map(json);
        let (old, new) = (before.and_then(row), after.and_then(row));
        self.put_text(Table::Services, &key, old.as_deref(), new.as_deref())?;
        for id in ids {
            let of = |service: Option<&Service>, bodies: &mut Bodies| {
                let instance = service?.instance(id)?;
                Some((instance.created_index, bodies.place(instance)))
            };
            let (old, new) = (of(before, &mut self.bodies), of(after, &mut self.bodies));
            let row =
                |place: &Range<usize>| [key[0], key[1], text(id.as_str()), self.bodies.body(place.clone())];
            let rows = &mut self.rows;
            match (&old, &new) {
                (Some((old_key, old)), Some((new_key, new))) if old_key == new_key => {
                    rows.put(
                        Table::Instances,
                        &[number(*old_key)?],
                        Some(&row(old)),
                        Some(&row(new)),
                    )?;
                }
                // One that went and came again within a batch is another row.
                _ => {
                    if let Some((key, old)) = &old {
                        rows.put(Table::Instances, &[number(*key)?], Some(&row(old)), None)?;
                    }
                    if let Some((number, body)) = new {
                        added.push(Added {
                            number,
                            zone,
                            service: name,
                            id,
                            body,
                        });
                    }
                }
            }
        }
        let names = |service: Option<&Service>| -> BTreeMap<KnownName, i64> {
            let all = service.map_or(&[][..], Service::lingering);
            all.iter()
                .map(|Lingering { name, since }| (name.clone(), since.unix_ms()))
                .collect()
        };
        if before.map(Service::lingering) == after.map(Service::lingering) {
            return Ok(());
        }
        let (old, new) = (names(before), names(after));
        for name in old
            .keys()
            .chain(new.keys().filter(|name| !old.contains_key(name)))
        {
            let known = KnownKey::of(name);
            let key = [
                key[0],
                key[1],
                text(known.kind),
                text(known.name),
                text(known.protocol),
            ];
            let since = |names: &BTreeMap<KnownName, i64>| names.get(name).map(|ms| [ValueRef::Integer(*ms)]);
            let (old, new) = (since(&old), since(&new));
            self.rows.put(
                Table::KnownNames,
                &key,
                old.as_ref().map(|row| &row[..]),
                new.as_ref().map(|row| &row[..]),
            )?;
        }
        Ok(())
    }

    /// The rows of new instances, in the order of their keys: so each is appended, and SQLite moves no rows from page to
    /// page. By name they would come in any order, and fill pages from within.
    fn added(&mut self, mut added: Vec<Added<'_>>) -> Result<(), WriteError> {
        added.sort_unstable_by_key(|added| added.number);
        for Added {
            number: key,
            zone,
            service,
            id,
            body,
        } in added
        {
            let names = [zone.as_str(), service.as_str(), id.as_str()].map(text);
            let row = [names[0], names[1], names[2], self.bodies.body(body)];
            self.rows
                .put(Table::Instances, &[number(key)?], None, Some(&row))?;
        }
        Ok(())
    }

    fn change(&mut self, entry: &Entry<'_>, identity: &Identity) -> Result<(), WriteError> {
        let record = entry.record;
        let before = self.image(&record.before, &record.after);
        let after = self.image(&record.after, &record.before);
        let serials = json(&Serials(&record.serials));
        let row = [
            ValueRef::Integer(record.at.unix_ms()),
            text(entry.actor),
            ValueRef::Blob(identity.origin.as_bytes()),
            text(record.zone.as_str()),
            text(record.kind.as_str()),
            maybe(record.service.as_ref().map(ServiceName::as_str)),
            maybe(record.id.as_ref().map(InstanceId::as_str)),
            before.map_or(ValueRef::Null, |place| self.bodies.body(place)),
            after.map_or(ValueRef::Null, |place| self.bodies.body(place)),
            text(&serials),
        ];
        self.rows
            .put(Table::Changes, &[number(record.index)?], None, Some(&row))
    }

    /// The JSON of an image; `other` is the one on the other side of the change.
    fn image(&mut self, image: &Image, other: &Image) -> Option<Range<usize>> {
        let text = &mut self.bodies.text;
        let start = text.len();
        match image {
            Image::Absent => return None,
            Image::Instance(instance) => return Some(self.bodies.place(instance)),
            Image::Zone(zone) => write_json(&ZoneBody::image(zone), text),
            Image::Service(service) => {
                let other = match other {
                    Image::Service(other) => Some(&**other),
                    _ => None,
                };
                write_json(&ServiceBody::image(service, other), text);
            }
        }
        Some(start..self.bodies.text.len())
    }

    /// Brings the tallies on disk to what they are now. The last step; they are returned.
    pub(super) fn tallies(mut self) -> Result<Tallies, WriteError> {
        let (old, new) = (self.before, self.rows.tallies);
        for ((table, old), (_, new)) in old.iter().zip(new.iter()) {
            let row =
                |tally: super::tally::Tally| [ValueRef::Integer(tally.number), ValueRef::Integer(tally.sum)];
            self.rows.put(
                Table::Tallies,
                &[text(table.name())],
                Some(&row(old)),
                Some(&row(new)),
            )?;
        }
        Ok(new)
    }

    fn put_text(
        &mut self,
        table: Table,
        key: &[Column<'_>],
        before: Option<&str>,
        after: Option<&str>,
    ) -> Result<(), WriteError> {
        let (before, after) = (before.map(|body| [text(body)]), after.map(|body| [text(body)]));
        self.rows.put(
            table,
            key,
            before.as_ref().map(|row| &row[..]),
            after.as_ref().map(|row| &row[..]),
        )
    }
}

/// A thing that a batch touches: a zone, a service of it, an instance of that.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Touched<'a> {
    zone: &'a ZoneName,
    service: Option<&'a ServiceName>,
    id: Option<&'a InstanceId>,
}

/// What a batch touches, in order, each once.
fn touched<'a>(batch: &Batch<'a>) -> Vec<Touched<'a>> {
    let mut all = Vec::with_capacity(2 * batch.entries.len());
    for entry in batch.entries {
        let record = entry.record;
        let zone = |zone| Touched {
            zone,
            service: None,
            id: None,
        };
        let others = record.serials.iter().filter(|(other, _)| *other != record.zone);
        all.extend(others.map(|(other, _)| zone(other)));
        all.push(Touched {
            service: record.service.as_ref(),
            id: record.id.as_ref(),
            ..zone(&record.zone)
        });
        if record.service.is_none()
            && record.after == Image::Absent
            && let Some(removed) = batch.before.zones.get(&record.zone)
        {
            // With a zone go its services, which have no change of their own.
            for service in &removed.services {
                let of = |id| Touched {
                    service: Some(&service.name),
                    id,
                    ..zone(&record.zone)
                };
                all.push(of(None));
                all.extend(service.instances.iter().map(|instance| of(Some(&instance.id))));
            }
        }
    }
    all.sort_unstable();
    all.dedup();
    all
}
