//! The rows of all instances, read on all cores and put into parts of the catalog's order.
//!
//! The table is cut into ranges of its key, and each thread takes the next one until none is left: it reads the rows
//! over a read-only connection of its own, holds them against their checksums, and parses them. Rows stand in the order
//! of their registration, the catalog in the order of names. So a sample of the names is drawn first, which cuts that
//! order into parts that can be built independently of each other; however badly it is drawn, the parts only differ in
//! weight.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension};

use crate::catalog::{Instance, InstanceId, NameError, ServiceName, ZoneName};

use super::rows::{BodyError, plain};
use super::scan::{damaged, each_of, text};
use super::tally::{Table, Tally};
use super::trouble::Trouble;

const TABLE: Table = Table::Instances;
/// Rows in a range, about: so few that no thread waits long for the last one.
const RANGE_ROWS: i64 = 4096;
/// Ranges, at most: keys may lie far apart, and each range is a look-up.
const RANGES_MAX: i64 = 4096;
/// Names drawn for each part.
const DRAWN: usize = 32;
/// Rows that are kept together before they are put into order.
const CHUNK_ROWS: usize = 1024;

/// A row of the table.
#[derive(Debug)]
pub(super) struct Row {
    /// The place of its zone among the zones.
    pub(super) zone: u32,
    pub(super) service: ServiceName,
    pub(super) instance: Arc<Instance>,
}

/// Where each part of the catalog's order begins, but for the first.
#[derive(Debug)]
pub(super) struct Parts(Vec<(u32, ServiceName)>);

impl Parts {
    /// At most `parts` of about equal weight.
    pub(super) fn drawn(
        connection: &Connection,
        zones: &[ZoneName],
        keys: (i64, i64),
        parts: usize,
    ) -> Result<Self, Trouble> {
        let mut sample = Vec::new();
        if parts > 1 {
            let mut next = connection
                .prepare("SELECT zone, service FROM instances WHERE number >= ?1 ORDER BY number LIMIT 1")?;
            for range in cut(keys, (parts * DRAWN) as i64) {
                let name = next.query_one([range.0], |row| {
                    let (zone, service) = (row.get_ref(0)?.as_str()?, row.get_ref(1)?.as_str()?);
                    Ok(place(zones, zone).zip(ServiceName::parse(service).ok()))
                });
                // What is wrong with a row is said when it is read.
                sample.extend(name.optional()?.flatten());
            }
        }
        sample.sort_unstable();
        let begins = (1..parts).filter_map(|part| sample.get(part * sample.len() / parts).cloned());
        let mut begins: Vec<_> = begins.collect();
        begins.dedup();
        Ok(Self(begins))
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.len() + 1
    }

    /// The part of a service.
    pub(super) fn of(&self, zone: u32, service: &str) -> usize {
        self.0
            .partition_point(|(begins_zone, begins)| (*begins_zone, begins.as_str()) <= (zone, service))
    }
}

/// The place of the zone of that name among the `zones`, which are in order.
pub(super) fn place(zones: &[ZoneName], name: &str) -> Option<u32> {
    let at = zones.binary_search_by(|zone| zone.as_str().cmp(name)).ok()?;
    u32::try_from(at).ok()
}

/// The least and the greatest key, if there is a row.
pub(super) fn keys(connection: &Connection) -> Result<Option<(i64, i64)>, Trouble> {
    // Two questions: each is one look-up, and both in one would be a scan of the table.
    let both = "SELECT (SELECT min(number) FROM instances), (SELECT max(number) FROM instances)";
    let keys = connection.query_row(both, [], |row| Ok(row.get::<_, Option<i64>>(0)?.zip(row.get(1)?)))?;
    Ok(keys)
}

/// Ranges that together are all keys there can be, and of which about as many lie between the least and the greatest.
fn cut((least, greatest): (i64, i64), ranges: i64) -> Vec<(i64, i64)> {
    let step = (greatest.saturating_sub(least) / ranges.max(1)).max(1);
    let mut begins = vec![least];
    while let Some(begin) = begins[begins.len() - 1].checked_add(step)
        && begin <= greatest
    {
        begins.push(begin);
    }
    let ends = begins.iter().skip(1).map(|begin| begin - 1).chain([i64::MAX]);
    let mut ranges: Vec<_> = begins.iter().copied().zip(ends).collect();
    ranges[0].0 = i64::MIN;
    ranges
}

/// The rows of each part, in chunks.
pub(super) type ByPart = Vec<Vec<Vec<Row>>>;

/// What the threads that read share.
#[derive(Debug)]
pub(super) struct Reading<'z> {
    zones: &'z [ZoneName],
    parts: &'z Parts,
    ranges: Vec<(i64, i64)>,
    next: AtomicUsize,
}

impl<'z> Reading<'z> {
    /// Of about so many rows with these least and greatest keys, for so many threads.
    pub(super) fn new(
        zones: &'z [ZoneName],
        parts: &'z Parts,
        keys: (i64, i64),
        rows: i64,
        threads: usize,
    ) -> Self {
        let least = if threads > 1 { 8 * threads as i64 } else { 1 };
        Self {
            zones,
            parts,
            ranges: cut(keys, (rows / RANGE_ROWS).clamp(least, RANGES_MAX.max(least))),
            next: AtomicUsize::new(0),
        }
    }

    /// Reads one range after the other until none is left, and returns the rows with their tally; or the range that has
    /// something wrong in it, and what.
    pub(super) fn read(&self, connection: &Connection) -> Result<(ByPart, Tally), (usize, Trouble)> {
        let mut into = Sorting {
            reading: self,
            by_part: (0..self.parts.len()).map(|_| Vec::new()).collect(),
            last: None,
        };
        let mut tally = Tally::default();
        let mut statement = connection
            .prepare(&TABLE.sql().between)
            .map_err(|error| (0, error.into()))?;
        loop {
            let at = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(range) = self.ranges.get(at) else { break };
            let mut read = || {
                let rows = statement.query([range.0, range.1])?;
                each_of(rows, TABLE, |columns| into.put(columns))
            };
            match read() {
                Ok(of_range) => tally.join(of_range),
                Err(trouble) => {
                    // The others need not read what is not used.
                    self.next.store(self.ranges.len(), Ordering::Relaxed);
                    return Err((at, trouble));
                }
            }
        }
        Ok((into.by_part, tally))
    }
}

/// Puts rows into the parts where they belong.
struct Sorting<'r> {
    reading: &'r Reading<'r>,
    by_part: ByPart,
    /// Zone, service and part of the row before, which are most often those of the next one.
    last: Option<(u32, ServiceName, usize)>,
}

impl Sorting<'_> {
    fn put(&mut self, columns: &[ValueRef<'_>]) -> Result<(), Trouble> {
        let &[_, zone, service, id, body] = columns else {
            return Err(damaged(TABLE, "?", "it has other columns"));
        };
        let (zone, service) = (text(TABLE, zone)?, text(TABLE, service)?);
        let (id, body) = (text(TABLE, id)?, text(TABLE, body)?);
        let row = self.row(zone, service, id, body);
        let (part, row) = row.map_err(|error| damaged(TABLE, &format!("{zone} {service} {id}"), error))?;
        let chunks = &mut self.by_part[part];
        match chunks.last_mut() {
            Some(chunk) if chunk.len() < CHUNK_ROWS => chunk.push(row),
            _ => {
                let mut chunk = Vec::with_capacity(CHUNK_ROWS);
                chunk.push(row);
                chunks.push(chunk);
            }
        }
        Ok(())
    }

    fn row(&mut self, zone: &str, service: &str, id: &str, body: &str) -> Result<(usize, Row), RowError> {
        let zones = self.reading.zones;
        let (zone, service, part) = match &self.last {
            Some((last_zone, last, part))
                if last.as_str() == service && zones[*last_zone as usize].as_str() == zone =>
            {
                (*last_zone, last.clone(), *part)
            }
            _ => {
                let zone = place(zones, zone).ok_or(RowError::NoZone)?;
                let service = ServiceName::parse(service)?;
                let part = self.reading.parts.of(zone, service.as_str());
                self.last = Some((zone, service.clone(), part));
                (zone, service, part)
            }
        };
        let body = match plain(body) {
            Some(body) => body,
            None => serde_json::from_str(body).map_err(BodyError::from)?,
        };
        let instance = Arc::new(body.instance(InstanceId::parse(id)?)?);
        let row = Row {
            zone,
            service,
            instance,
        };
        Ok((part, row))
    }
}

/// Why a row that fits its checksum cannot be read: it was written by a program with other rules.
#[derive(Debug, thiserror::Error)]
enum RowError {
    #[error(transparent)]
    Name(#[from] NameError),
    #[error(transparent)]
    Body(#[from] BodyError),
    #[error("its zone is unknown")]
    NoZone,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_all_keys_each_once() {
        for keys in [
            (1, 1),
            (1, 2),
            (7, 1_000_003),
            (i64::MIN, i64::MAX),
            (-5, 5),
            (i64::MAX, i64::MAX),
        ] {
            for number in [0, 1, 2, 3, 64] {
                let ranges = cut(keys, number);
                assert_eq!(ranges[0].0, i64::MIN, "{keys:?} {number}");
                assert_eq!(ranges[ranges.len() - 1].1, i64::MAX, "{keys:?} {number}");
                assert!(ranges.iter().all(|(begin, end)| begin <= end), "{ranges:?}");
                assert!(
                    ranges.windows(2).all(|two| two[0].1 + 1 == two[1].0),
                    "{ranges:?}"
                );
                assert!(ranges.len() as i64 <= number.max(1) * 3 + 1, "{keys:?} {number}");
            }
        }
    }
}
