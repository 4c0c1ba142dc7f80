//! The change log's bounds. It is trimmed in the transaction that lets it grow, in steps that follow what was added:
//! a log that has to shrink by much does so over many commits, and none of them pays for all.

use std::time::Duration;

use rusqlite::{Connection, params};

use super::tally::{Table, Tallies};

/// How much of the change log is kept: `--keep-changes` and `--keep-changes-for`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// Changes, at most.
    pub changes: u64,
    /// How long a change is kept, at most.
    pub age: Duration,
}

impl Default for Keep {
    /// 100,000 changes of seven days.
    fn default() -> Self {
        Self {
            changes: 100_000,
            age: Duration::from_secs(168 * 3600),
        }
    }
}

/// Changes that a commit removes beyond twice those that it adds.
const STEP: i64 = 64;

/// Removes the oldest changes that are over `keep` at the time `now_ms`, a step of them; `added` were added just now.
/// The newest stays.
pub(super) fn trim(
    connection: &Connection,
    tallies: &mut Tallies,
    keep: Keep,
    added: usize,
    now_ms: i64,
) -> Result<(), rusqlite::Error> {
    let tally = tallies.of(Table::Changes).expect("changes are tallied");
    let over = tally.number.saturating_sub_unsigned(keep.changes);
    let age_ms = i64::try_from(keep.age.as_millis()).unwrap_or(i64::MAX);
    let step = STEP + 2 * i64::try_from(added).unwrap_or(STEP);
    let step = step.min(tally.number - 1);
    // No LIMIT: SQLite would compile the statement anew for each other number of it.
    let mut oldest = connection.prepare_cached("SELECT number, at, checksum FROM changes ORDER BY number")?;
    let mut rows = oldest.query([])?;
    let mut last = None;
    let mut place = 0;
    while place < step
        && let Some(row) = rows.next()?
    {
        let (number, at, checksum): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        if place >= over && now_ms.saturating_sub(at) <= age_ms {
            break;
        }
        tally.remove(checksum);
        last = Some(number);
        place += 1;
    }
    drop(rows);
    if let Some(last) = last {
        connection
            .prepare_cached("DELETE FROM changes WHERE number <= ?1")?
            .execute(params![last])?;
    }
    Ok(())
}
