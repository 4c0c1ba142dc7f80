//! Slow checks beside serving: SQLite's own of its pages, and the change log against its tally.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::{Connection, ErrorCode};

use super::open::{Files, reading_connection};
use super::scan::{each_row, tallies};
use super::tally::Table;
use super::trouble::Trouble;

/// Steps of SQLite's machine between two looks at whether to stop: well below a millisecond.
const STEPS: i32 = 10_000;

/// Checks the data base in `dir` through a read-only connection of its own: SQLite's `quick_check`, and each row of
/// the change log. It may run beside serving, takes as long as reading the file, and ends early once `stop` is set.
/// A file that is there and cannot be read just now (a lock, no descriptors left) is no damage: that is logged.
///
/// # Errors
/// What is wrong, and what to do.
pub fn quick_check(dir: &Path, stop: &Arc<AtomicBool>) -> Result<(), String> {
    let files = Files::of(dir);
    match check(&files.db, stop) {
        Ok(()) => Ok(()),
        Err(Trouble::Sqlite(error)) if !is_verdict(&error) && files.db.exists() => {
            if error.sqlite_error_code() != Some(ErrorCode::OperationInterrupted) {
                tracing::warn!(file = %files.db.display(), %error, "the data base could not be checked");
            }
            Ok(())
        }
        Err(trouble) => Err(trouble.with(&files.db).to_string()),
    }
}

/// Whether an error says something about what is in the file. One without a code of SQLite's is about a value.
fn is_verdict(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        None | Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
    )
}

/// The same of the data base at `db`, whatever is wrong.
pub(super) fn check(db: &Path, stop: &Arc<AtomicBool>) -> Result<(), Trouble> {
    let mut connection = reading_connection(db)?;
    let stop = stop.clone();
    connection.progress_handler(STEPS, Some(move || stop.load(Ordering::Relaxed)))?;
    let transaction = connection.transaction()?;
    let verdict: String = transaction.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if verdict != "ok" {
        return Err(Trouble::Damaged(verdict));
    }
    changes(&transaction)
}

fn changes(connection: &Connection) -> Result<(), Trouble> {
    let kept = tallies(connection)?.of(Table::Changes).copied();
    let found = each_row(connection, Table::Changes, |_| Ok(()))?;
    if Some(found) != kept {
        return Err(Trouble::Damaged(
            "table changes has rows whose checksums do not match its tally".into(),
        ));
    }
    Ok(())
}
