//! One transaction: the difference of two states, the change log, the tallies.
//!
//! Each thing that a batch touches is written once, however many of its changes touch it, and only if its row differs.
//! An existing row's checksum is not read: it is computed from the state before, and the statement finds the row by it.
//! A row that is not there was changed by somebody else; then nothing is written.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, params_from_iter};

use crate::catalog::{Image, InstanceId, KnownName, Lingering, Service, ServiceName, State, ZoneName};

use super::rows::{InstanceBody, KnownKey, ServiceBody, ZoneBody, json};
use super::tally::{Table, Tallies, checksum};
use super::{Batch, Identity};

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

type Column<'a> = ValueRef<'a>;

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

/// A transaction under way.
pub(super) struct Writing<'c> {
    connection: &'c Connection,
    before: Tallies,
    /// The tallies after it.
    pub(super) after: Tallies,
    scratch: Vec<u8>,
}

impl<'c> Writing<'c> {
    /// Within a transaction of `connection`, whose tallies are `tallies` until now.
    pub(super) fn new(connection: &'c Connection, tallies: Tallies) -> Self {
        Self {
            connection,
            before: tallies,
            after: tallies,
            scratch: Vec::new(),
        }
    }

    /// The difference that the batch makes to the catalog, and its log.
    pub(super) fn batch(&mut self, batch: &Batch<'_>, identity: &Identity) -> Result<(), WriteError> {
        let Batch {
            before,
            after,
            entries,
        } = *batch;
        for (zone, touched) in touched(batch) {
            self.zone(before, after, &zone)?;
            for (service, ids) in touched {
                let of = |state: &State| state.service(&zone, &service).ok().cloned();
                let (before, after) = (of(before), of(after));
                self.service(&zone, &service, before.as_deref(), after.as_deref(), &ids)?;
            }
        }
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
        let row = |index: u64| {
            let epoch = ValueRef::Blob(identity.epoch.as_bytes());
            Ok::<_, WriteError>([epoch, ValueRef::Blob(identity.origin.as_bytes()), number(index)?])
        };
        let (before, after) = (before.map(row).transpose()?, after.map(row).transpose()?);
        self.put(
            Table::Catalog,
            &[ValueRef::Integer(1)],
            before.as_ref().map(|row| &row[..]),
            after.as_ref().map(|row| &row[..]),
        )
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
        self.put(
            Table::Serials,
            &key,
            old.as_ref().map(|row| &row[..]),
            new.as_ref().map(|row| &row[..]),
        )
    }

    fn service(
        &mut self,
        zone: &ZoneName,
        name: &ServiceName,
        before: Option<&Service>,
        after: Option<&Service>,
        ids: &BTreeSet<InstanceId>,
    ) -> Result<(), WriteError> {
        let key = [text(zone.as_str()), text(name.as_str())];
        let row = |service: &Service| ServiceBody::row(service).as_ref().map(json);
        let (old, new) = (before.and_then(row), after.and_then(row));
        self.put_text(Table::Services, &key, old.as_deref(), new.as_deref())?;
        for id in ids {
            let of = |service: Option<&Service>| {
                let instance = service?.instance(id)?;
                Some((instance.created_index, json(&InstanceBody::from(&**instance))))
            };
            let (old, new) = (of(before), of(after));
            let row = |body| [key[0], key[1], text(id.as_str()), body];
            match (&old, &new) {
                (Some((old_key, old)), Some((new_key, new))) if old_key == new_key => {
                    self.put(
                        Table::Instances,
                        &[number(*old_key)?],
                        Some(&row(text(old))),
                        Some(&row(text(new))),
                    )?;
                }
                // One that went and came again within a batch is another row.
                _ => {
                    if let Some((key, old)) = &old {
                        self.put(Table::Instances, &[number(*key)?], Some(&row(text(old))), None)?;
                    }
                    if let Some((key, new)) = &new {
                        self.put(Table::Instances, &[number(*key)?], None, Some(&row(text(new))))?;
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
            self.put(
                Table::KnownNames,
                &key,
                old.as_ref().map(|row| &row[..]),
                new.as_ref().map(|row| &row[..]),
            )?;
        }
        Ok(())
    }

    fn change(&mut self, entry: &super::Entry, identity: &Identity) -> Result<(), WriteError> {
        let record = &entry.record;
        let (before, after) = (
            image(&record.before, &record.after),
            image(&record.after, &record.before),
        );
        let serials: BTreeMap<&str, u32> = record
            .serials
            .iter()
            .map(|(zone, serial)| (zone.as_str(), *serial))
            .collect();
        let row = [
            ValueRef::Integer(record.at.unix_ms()),
            text(&entry.actor),
            ValueRef::Blob(identity.origin.as_bytes()),
            text(record.zone.as_str()),
            text(record.kind.as_str()),
            maybe(record.service.as_ref().map(ServiceName::as_str)),
            maybe(record.id.as_ref().map(InstanceId::as_str)),
            maybe(before.as_deref()),
            maybe(after.as_deref()),
        ];
        let serials = json(&serials);
        let mut columns = row.to_vec();
        columns.push(text(&serials));
        self.put(Table::Changes, &[number(record.index)?], None, Some(&columns))
    }

    /// Brings the tallies on disk to [`Self::after`]. The last step.
    pub(super) fn tallies(&mut self) -> Result<(), WriteError> {
        let (old, new) = (self.before, self.after);
        for ((table, old), (_, new)) in old.iter().zip(new.iter()) {
            let row =
                |tally: super::tally::Tally| [ValueRef::Integer(tally.number), ValueRef::Integer(tally.sum)];
            self.put(
                Table::Tallies,
                &[text(table.name())],
                Some(&row(old)),
                Some(&row(new)),
            )?;
        }
        Ok(())
    }

    fn put_text(
        &mut self,
        table: Table,
        key: &[Column<'_>],
        before: Option<&str>,
        after: Option<&str>,
    ) -> Result<(), WriteError> {
        let (before, after) = (before.map(|body| [text(body)]), after.map(|body| [text(body)]));
        self.put(
            table,
            key,
            before.as_ref().map(|row| &row[..]),
            after.as_ref().map(|row| &row[..]),
        )
    }

    /// Brings one row from `before` to `after`, and its table's tally with it.
    fn put(
        &mut self,
        table: Table,
        key: &[Column<'_>],
        before: Option<&[Column<'_>]>,
        after: Option<&[Column<'_>]>,
    ) -> Result<(), WriteError> {
        if before == after {
            return Ok(());
        }
        let mut sum = |row: Option<&[Column<'_>]>| {
            row.map(|values| checksum(table, key.iter().chain(values).copied(), &mut self.scratch))
        };
        let (old, new) = (sum(before), sum(after));
        let sql = table.sql();
        let sql = match (old, new) {
            (None, _) => &sql.insert,
            (Some(_), Some(_)) => &sql.update,
            (Some(_), None) => &sql.delete,
        };
        let values = after.into_iter().flatten().copied();
        let sums = new.into_iter().chain(old).map(ValueRef::Integer);
        let columns = key.iter().copied().chain(values).chain(sums);
        let written = self
            .connection
            .prepare_cached(sql)?
            .execute(params_from_iter(columns.map(ToSqlOutput::Borrowed)))?;
        if written != 1 {
            return Err(WriteError::Strange(table));
        }
        if let Some(tally) = self.after.of(table) {
            if let Some(old) = old {
                tally.remove(old);
            }
            if let Some(new) = new {
                tally.add(new);
            }
        }
        Ok(())
    }
}

/// What of which service of which zone a batch touches.
type Touched = BTreeMap<ZoneName, BTreeMap<ServiceName, BTreeSet<InstanceId>>>;

fn touched(batch: &Batch<'_>) -> Touched {
    let mut zones = Touched::new();
    for entry in batch.entries {
        let record = &entry.record;
        for (zone, _) in &record.serials {
            zones.entry(zone.clone()).or_default();
        }
        let services = zones.entry(record.zone.clone()).or_default();
        if let Some(service) = &record.service {
            services
                .entry(service.clone())
                .or_default()
                .extend(record.id.clone());
        } else if record.after == Image::Absent
            && let Some(zone) = batch.before.zones.get(&record.zone)
        {
            // With a zone go its services, which have no change of their own.
            for service in &zone.services {
                let ids = services.entry(service.name.clone()).or_default();
                ids.extend(service.instances.iter().map(|instance| instance.id.clone()));
            }
        }
    }
    zones
}

/// The JSON of an image; `other` is the one on the other side of the change.
fn image(image: &Image, other: &Image) -> Option<String> {
    match image {
        Image::Absent => None,
        Image::Zone(zone) => Some(json(&ZoneBody::image(zone))),
        Image::Service(service) => {
            let other = match other {
                Image::Service(other) => Some(&**other),
                _ => None,
            };
            Some(json(&ServiceBody::image(service, other)))
        }
        Image::Instance(instance) => Some(json(&InstanceBody::from(&**instance))),
    }
}
