//! What can be wrong with a data base, and what the operator is told to do.

use std::path::Path;

use rusqlite::{ErrorCode, ffi};

use super::OpenError;

/// What is wrong with a data base that was found.
#[derive(Debug)]
pub(super) enum Trouble {
    /// It is not what was written.
    Damaged(String),
    /// It was not made by Callsign.
    Foreign(String),
    /// It was made by a newer Callsign.
    Newer(String),
    /// It needs migrations, and this is not the place to run them.
    Behind,
    /// It lacks commits that were acknowledged.
    Older(String),
    /// There is no place for a copy.
    Place(String),
    /// SQLite's own judgement.
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

const WAYS_OUT: &str = "Nothing was changed. Restore a backup (callsign \
                        restore FILE --data-dir DIR --replace); or, to begin anew with an empty catalog, move \
                        callsign.db, callsign.db-wal and callsign.db-shm to another directory, and start again";

const OF_BACKUP: &str = "Nothing was changed. Give another backup";

/// Whether an error is about the room, or the right, to write a copy.
pub(super) fn is_of_the_place(error: &rusqlite::Error) -> bool {
    error.sqlite_error().is_some_and(|error| {
        matches!(
            (error.code, error.extended_code),
            (
                ErrorCode::DiskFull | ErrorCode::CannotOpen | ErrorCode::ReadOnly,
                _
            ) | (
                _,
                ffi::SQLITE_IOERR_WRITE | ffi::SQLITE_IOERR_FSYNC | ffi::SQLITE_IOERR_TRUNCATE
            )
        )
    })
}

impl Trouble {
    /// The error that names `file` and says what to do.
    pub(super) fn with(self, file: &Path) -> OpenError {
        self.told(file, WAYS_OUT)
    }

    /// The same of a backup that was to be restored.
    pub(super) fn of_backup(self, file: &Path) -> OpenError {
        self.told(file, OF_BACKUP)
    }

    fn told(self, file: &Path, ways_out: &str) -> OpenError {
        let file = file.display();
        let message = match self {
            Self::Damaged(what) => format!("{file} is damaged: {what}. {ways_out}"),
            Self::Foreign(what) => format!("{file} is no data base of Callsign: {what}. {ways_out}"),
            Self::Newer(what) => format!(
                "{file} was written by a newer callsign: {what}. Nothing was changed. Install a callsign that is \
                 at least as new, or restore a backup that this one made"
            ),
            Self::Behind => format!(
                "{file} was written by an older callsign; start the server on it once, which brings it up to date"
            ),
            Self::Older(what) => format!("{file} is older than what was acknowledged: {what}. {ways_out}"),
            Self::Place(what) => what,
            Self::Sqlite(error) => match error.sqlite_error_code() {
                Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                    return OpenError::InUse(format!(
                        "{file} is locked by another process ({error}); stop that one and start again"
                    ));
                }
                Some(ErrorCode::NotADatabase) => {
                    format!("{file} is no data base of Callsign: {error}. {ways_out}")
                }
                Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::ReadOnly) => format!(
                    "{file} cannot be opened: {error}. The server needs to read and write it and its directory"
                ),
                Some(ErrorCode::DiskFull) => {
                    format!("{file} cannot be opened: {error}. Make room on its disk and start again")
                }
                _ => format!("{file} cannot be read: {error}. {ways_out}"),
            },
        };
        OpenError::Unusable(message)
    }
}
