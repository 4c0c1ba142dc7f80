//! The change log, read beside the writer: over read-only connections of its own, in short transactions, each row held
//! against its checksum.
//!
//! Indexes grow by one, so what is kept is a run of numbers without a gap; a restore from backup moves the index ahead,
//! and what stands before such a gap belongs to another epoch: it is as good as not kept.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension};

use crate::catalog::{Image, InstanceId, Kind, Record, ServiceName, ZoneName};
use crate::clock::Timestamp;

use super::open::{Files, reading_connection};
use super::rows::{BodyError, InstanceBody, ServiceBody, ZoneBody, plain};
use super::scan::{checked, damaged, text};
use super::tally::Table;
use super::trouble::Trouble;

/// Connections that are kept open for the next reader.
const IDLE_MAX: usize = 4;
/// Columns of a row of the log, its checksum left out.
const WIDTH: usize = 11;

const TABLE: Table = Table::Changes;

/// A change as the log has it.
#[derive(Clone, Debug)]
pub struct Logged {
    /// What. The serials are left out.
    pub record: Record,
    /// Who: a token's name and an address, or a part of the server.
    pub actor: Arc<str>,
}

/// Why nothing was read.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// Changes that were asked for are not kept any more, or never were in this epoch.
    #[error("changes before {oldest} are not kept")]
    Gone {
        /// The index of the oldest one that is kept; one past the catalog's if none is.
        oldest: u64,
    },
    /// The data base cannot be read.
    #[error("{0}")]
    Failed(String),
}

/// The change log of a data directory.
#[derive(Debug)]
pub struct History {
    db: PathBuf,
    idle: Mutex<Vec<Connection>>,
    /// From this index on there is no gap, as far as that was found out: there never will be one.
    run_from: AtomicU64,
}

/// How reading came out.
enum Fault {
    Gone(u64),
    Trouble(Trouble),
}

impl From<Trouble> for Fault {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Trouble(error.into())
    }
}

impl History {
    /// That of the catalog in `dir`. Nothing is opened yet.
    pub fn of(dir: &Path) -> Self {
        Self {
            db: Files::of(dir).db,
            idle: Mutex::default(),
            run_from: AtomicU64::new(0),
        }
    }

    /// The index of the oldest change that is kept; one past the catalog's if none is.
    ///
    /// # Errors
    /// [`HistoryError::Failed`].
    pub fn oldest(&self) -> Result<u64, HistoryError> {
        self.with(|connection| self.oldest_by(connection))
    }

    /// Gives the changes after the index `after`, up to `until`, to `take`, in order, until that returns false. Returns
    /// the index of the last one that was given, `after` if none was. Each change up to `until` must be committed.
    ///
    /// # Errors
    /// [`HistoryError`]; nothing was given then if it is [`HistoryError::Gone`].
    pub fn read(
        &self,
        after: u64,
        until: u64,
        take: impl FnMut(Logged) -> bool,
    ) -> Result<u64, HistoryError> {
        let (_, last) = self.page(Some(after), until, take)?;
        Ok(last)
    }

    /// The same, from the oldest change that is kept if no index is given. Returns besides, and first, which that was: the
    /// log is trimmed with each commit, so that what was the oldest in another transaction may be gone.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn page(
        &self,
        after: Option<u64>,
        until: u64,
        mut take: impl FnMut(Logged) -> bool,
    ) -> Result<(u64, u64), HistoryError> {
        self.with(|connection| {
            let oldest = self.oldest_by(connection)?;
            let after = after.unwrap_or(oldest - 1);
            if after.saturating_add(1) < oldest {
                return Err(Fault::Gone(oldest));
            }
            let number = |index: u64| i64::try_from(index).unwrap_or(i64::MAX);
            let mut statement = connection.prepare_cached(&TABLE.sql().between)?;
            let mut rows = statement.query([number(after).saturating_add(1), number(until)])?;
            let mut scratch = Vec::new();
            let mut last = after;
            while last < until
                && let Some(row) = rows.next()?
            {
                let mut columns = [ValueRef::Null; WIDTH];
                checked(row, TABLE, &mut columns, &mut scratch)?;
                let logged = logged(&columns)?;
                if logged.record.index != last + 1 {
                    return Err(damaged(TABLE, &(last + 1).to_string(), "it is missing").into());
                }
                last += 1;
                if !take(logged) {
                    break;
                }
            }
            Ok((oldest, last))
        })
    }

    fn oldest_by(&self, connection: &Connection) -> Result<u64, Fault> {
        let number = |index: i64| u64::try_from(index).unwrap_or(0);
        let one = |sql| {
            let mut statement = connection.prepare_cached(sql)?;
            let found = statement
                .query_row([], |row| row.get::<_, Option<i64>>(0))
                .optional()?;
            Ok::<_, rusqlite::Error>(found.flatten())
        };
        let first = one("SELECT min(number) FROM changes")?.map(number);
        let run_from = self.run_from.load(Ordering::Relaxed);
        if run_from > 0 {
            return Ok(first.map_or(run_from, |first| first.max(run_from)));
        }
        let index = number(one("SELECT number FROM catalog")?.unwrap_or(0));
        let kept = number(one("SELECT number FROM tallies WHERE name = 'changes'")?.unwrap_or(0));
        let run_from = match first {
            None => index + 1,
            Some(first) if first + kept == index + 1 => first,
            Some(_) => {
                let mut statement = connection.prepare("SELECT number FROM changes ORDER BY number DESC")?;
                let mut rows = statement.query([])?;
                let mut run_from = index + 1;
                while let Some(row) = rows.next()?
                    && number(row.get(0)?) + 1 == run_from
                {
                    run_from -= 1;
                }
                run_from
            }
        };
        self.run_from.store(run_from, Ordering::Relaxed);
        Ok(run_from)
    }

    /// Reads in one transaction: what is read is of one commit.
    fn with<T>(&self, read: impl FnOnce(&Connection) -> Result<T, Fault>) -> Result<T, HistoryError> {
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let reading = || {
            let kept = idle().pop();
            let connection = match kept {
                Some(connection) => connection,
                None => reading_connection(&self.db)?,
            };
            let transaction = connection.unchecked_transaction()?;
            let read = read(&transaction)?;
            transaction.finish()?;
            let mut idle = idle();
            if idle.len() < IDLE_MAX {
                idle.push(connection);
            }
            Ok(read)
        };
        reading().map_err(|fault| match fault {
            Fault::Gone(oldest) => HistoryError::Gone { oldest },
            Fault::Trouble(trouble) => HistoryError::Failed(trouble.with(&self.db).to_string()),
        })
    }
}

/// The change that a row is.
fn logged(columns: &[ValueRef<'_>; WIDTH]) -> Result<Logged, Trouble> {
    let &[number, at, actor, _, zone, kind, service, id, before, after, _] = columns;
    let (ValueRef::Integer(number), ValueRef::Integer(at)) = (number, at) else {
        return Err(damaged(TABLE, "?", "it has other types"));
    };
    let wrong = |what: &dyn std::fmt::Display| damaged(TABLE, &number.to_string(), what);
    let maybe = |column: ValueRef<'_>| {
        column
            .as_str_or_null()
            .map_err(|error| wrong(&error))
            .map(|text| text.map(str::to_owned))
    };
    let zone = ZoneName::parse(text(TABLE, zone)?).map_err(|error| wrong(&error))?;
    let kind = Kind::parse(text(TABLE, kind)?).ok_or_else(|| wrong(&"its kind is unknown"))?;
    let service = maybe(service)?
        .map(|name| ServiceName::parse(&name))
        .transpose()
        .map_err(|error| wrong(&error))?;
    let id = maybe(id)?
        .map(|id| InstanceId::parse(&id))
        .transpose()
        .map_err(|error| wrong(&error))?;
    let image = |column| match maybe(column)? {
        None => Ok(Image::Absent),
        Some(body) => image(&body, &zone, service.as_ref(), id.as_ref()).map_err(|error| wrong(&error)),
    };
    let (before, after) = (image(before)?, image(after)?);
    Ok(Logged {
        record: Record {
            index: u64::try_from(number).map_err(|error| wrong(&error))?,
            at: Timestamp::from_unix_ms(at),
            kind,
            before,
            after,
            zone,
            service,
            id,
            serials: Vec::new(),
        },
        actor: text(TABLE, actor)?.into(),
    })
}

/// The thing that `body` says: of an instance, a service or a zone, whichever the key names.
fn image(
    body: &str,
    zone: &ZoneName,
    service: Option<&ServiceName>,
    id: Option<&InstanceId>,
) -> Result<Image, BodyError> {
    Ok(match (service, id) {
        (_, Some(id)) => {
            let body: InstanceBody = match plain(body) {
                Some(body) => body,
                None => serde_json::from_str(body)?,
            };
            Image::Instance(Arc::new(body.instance(id.clone())?))
        }
        (Some(service), None) => {
            let body: ServiceBody = serde_json::from_str(body)?;
            let service = body.service(service.clone(), Box::default(), Box::default())?;
            Image::Service(Arc::new(service))
        }
        (None, None) => {
            let body: ZoneBody = serde_json::from_str(body)?;
            Image::Zone(Arc::new(body.zone_of_image(zone.clone())?))
        }
    })
}
