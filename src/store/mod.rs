//! Durable truth: the catalog and its change log in one SQLite file, `callsign.db`.
//!
//! - [`Store::lock`] takes the data directory for this process; [`Locked::load`] judges what is there and loads it.
//! - [`Store::apply`] writes a batch in one transaction; when it returns, it is on disk.
//! - [`read`], [`quick_check`] and [`backup()`] look at the file beside a running server; [`restore()`] makes a backup the
//!   catalog of a directory.
//!
//! Nothing here decides what the catalog is to be: a batch is written as it is given. What is damaged, or newer than
//! this program, is never replaced, emptied or repaired. `docs/design/store.md` says why the rows look as they do.

mod backup;
mod check;
mod checkpoint;
mod gather;
mod heal;
mod history;
mod instances;
mod load;
mod lock;
mod log;
mod migrations;
mod open;
mod put;
mod reserve;
mod restore;
mod rows;
mod scan;
mod tally;
mod trouble;
mod write;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, TransactionBehavior, ffi};

use crate::catalog::{Image, Kind, Record, State};
use crate::metrics::Store as Counts;

use checkpoint::Checkpoints;
use lock::{Lock, Mark};
use reserve::Reserve;
use tally::Tallies;
use write::{WriteError, Writing};

pub use backup::{Backup, CopyError, backup};
pub use check::quick_check;
pub use history::{History, HistoryError, Logged};
pub use log::Keep;
pub use open::Locked;
pub use restore::{Restored, restore};

/// Who this catalog and this server are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The catalog's epoch: new after a restore from backup.
    pub epoch: uuid::Uuid,
    /// This server's own id, made at its first start; the origin of its changes.
    pub origin: uuid::Uuid,
}

/// A committed change with who made it.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// The change.
    pub record: &'a Record,
    /// Who: a token's name and an address, or a part of the server.
    pub actor: &'a str,
}

/// What one transaction writes: the difference of two states, and a log entry for each change between them.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// The state that is on disk.
    pub before: &'a State,
    /// The state to be on disk.
    pub after: &'a State,
    /// What led from one to the other, in order of index.
    pub entries: &'a [Entry<'a>],
}

impl Batch<'_> {
    /// Whether it only takes away, or says what became of a lease: what must be possible on a full disk.
    fn takes_away(&self) -> bool {
        self.entries.iter().all(|Entry { record, .. }| match record.kind {
            Kind::Deregister | Kind::Lapse | Kind::Revive | Kind::Forget => true,
            Kind::Service | Kind::Zone => record.after == Image::Absent,
            Kind::Register | Kind::Health | Kind::Drain | Kind::ZoneFile => false,
        })
    }
}

/// Why a commit did not happen. The state on disk is the one before, unless it says otherwise.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CommitError {
    /// No room.
    #[error("the disk is full")]
    Full {
        /// Whether what only takes away still has room: some is kept for it.
        leaving_works: bool,
    },
    /// Another process holds a lock on the data base.
    #[error("another process holds a lock on the data base")]
    Busy,
    /// Anything else: what is on disk is not known, and nothing may be acknowledged any more.
    #[error("writing failed: {0}")]
    Failed(String),
    /// The catalog lacks commits that were acknowledged: to go on from there would give their indexes to others.
    #[error("{0}")]
    Older(String),
}

/// Why the store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process serves from this data directory.
    #[error("{0}")]
    InUse(String),
    /// It is damaged, newer than this program, or cannot be read; the message says what to do.
    #[error("{0}")]
    Unusable(String),
}

/// What opening gives.
#[derive(Debug)]
pub struct Opened {
    /// The store, for the one writer.
    pub store: Store,
    /// The catalog as it is on disk.
    pub state: State,
    /// Whose it is.
    pub identity: Identity,
    /// It lacks commits that were acknowledged: what is said of that. Nothing can be written then.
    pub older: Option<String>,
}

/// How long a clean stop waits for those who read the write-ahead log.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(500);

/// The one writing connection, and the lock on the data directory.
#[derive(Debug)]
pub struct Store {
    // Before the lock: it is closed while the directory is still ours.
    connection: Connection,
    checkpoints: Checkpoints,
    lock: Lock,
    identity: Identity,
    tallies: Tallies,
    keep: Keep,
    reserve: Reserve,
    /// No room was found; until some is, what succeeds has used what was kept.
    is_full: bool,
    /// Another process held its lock for longer than a writer waits: until it is gone, nobody waits again.
    is_locked: bool,
    /// Why nothing more is written: for good.
    failure: Option<CommitError>,
    counts: Arc<Counts>,
}

impl Store {
    /// Opens the catalog in `dir`, made if it is missing.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(dir: &Path) -> Result<Opened, OpenError> {
        Self::lock(dir)?.load()
    }

    /// Takes the data directory, made if it is missing, for this process, and reads nothing yet.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn lock(dir: &Path) -> Result<Locked, OpenError> {
        open::lock(dir)
    }

    fn new(
        connection: Connection,
        checkpoints: Checkpoints,
        lock: Lock,
        identity: Identity,
        tallies: Tallies,
        reserve: Reserve,
        counts: Arc<Counts>,
    ) -> Self {
        counts.set_kept_octets(reserve.octets());
        Self {
            connection,
            checkpoints,
            lock,
            identity,
            tallies,
            keep: Keep::default(),
            reserve,
            is_full: false,
            is_locked: false,
            failure: None,
            counts,
        }
    }

    /// Keeps so much of the change log from the next commit on.
    pub fn keep(&mut self, keep: Keep) {
        self.keep = keep;
    }

    /// Writes a batch in one transaction; when this returns it is on disk.
    ///
    /// # Errors
    /// [`CommitError`]; nothing of the batch is then in the catalog. After [`CommitError::Failed`] every later call
    /// fails too: what a disk that refused to sync has kept cannot be known, and syncing again would hide it.
    pub fn apply(&mut self, batch: &Batch<'_>) -> Result<(), CommitError> {
        if batch.entries.is_empty() {
            return Ok(());
        }
        let takes_away = batch.takes_away();
        let committed = self.try_apply(batch, takes_away);
        if committed.is_ok() {
            // What takes away may have had the room that is kept for it.
            self.is_full &= takes_away;
        }
        self.note(committed.as_ref().err());
        self.tallies = committed?;
        self.leave_mark(batch.after.index);
        Ok(())
    }

    fn leave_mark(&self, index: u64) {
        self.lock.set_mark(Mark {
            epoch: self.identity.epoch,
            index,
        });
    }

    /// From now on every commit fails, and this is why.
    fn writes_nothing(&mut self, failure: CommitError) {
        self.note(Some(&failure));
        self.failure = Some(failure);
    }

    /// Why nothing can be written until a restart.
    pub const fn failure(&self) -> Option<&CommitError> {
        self.failure.as_ref()
    }

    fn try_apply(&mut self, batch: &Batch<'_>, takes_away: bool) -> Result<Tallies, CommitError> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        self.tidy();
        if self.reserve.withholds() && !takes_away {
            return Err(self.full());
        }
        let committed = self.commit(batch).map_err(|error| self.refuse(error));
        if !takes_away || !matches!(committed, Err(CommitError::Full { .. })) {
            return committed;
        }
        if self.reserve.release() {
            // What the log holds has its place in the data base; where that can be done, it makes more room.
            if let Err(error) = self.checkpoint()
                && let failed @ CommitError::Failed(_) = self.refuse(error.into())
            {
                return Err(failed);
            }
            let committed = self.commit(batch).map_err(|error| self.refuse(error));
            if !matches!(committed, Err(CommitError::Full { .. })) {
                return committed;
            }
        }
        self.reserve.note_used_up();
        Err(self.full())
    }

    /// Does what need not be done within a commit: for the time when nobody waits for one.
    pub fn tidy(&mut self) {
        if self.failure.is_none() {
            self.checkpoints.tidy(&self.connection);
        }
    }

    /// The octets that the data base and its write-ahead log have on the disk; 0 of one that cannot be looked at.
    pub fn octets(&self) -> (u64, u64) {
        let of = |path: &Path| path.metadata().map_or(0, |file| file.len());
        let db = self.checkpoints.db();
        (of(db), of(&db.with_extension("db-wal")))
    }

    /// Copies the write-ahead log into the data base and cuts it.
    fn checkpoint(&mut self) -> Result<(), rusqlite::Error> {
        self.checkpoints.wait();
        self.connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
    }

    /// Commits, and returns the tallies that hold from then on. On an error the transaction is rolled back.
    fn commit(&mut self, batch: &Batch<'_>) -> Result<Tallies, WriteError> {
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut writing = Writing::new(&transaction, self.tallies);
        writing.batch(batch, &self.identity)?;
        let now_ms = batch.entries.last().map_or(0, |entry| entry.record.at.unix_ms());
        log::trim(
            &transaction,
            &mut writing.rows.tallies,
            self.keep,
            batch.entries.len(),
            now_ms,
        )?;
        let tallies = writing.tallies()?;
        transaction.commit()?;
        self.waits_for_locks(true);
        Ok(tallies)
    }

    fn refuse(&mut self, error: WriteError) -> CommitError {
        let rolled_back = self.connection.is_autocommit();
        let code = match &error {
            WriteError::Sqlite(rusqlite::Error::SqliteFailure(failure, _)) => Some(failure),
            _ => None,
        };
        match code.map(|failure| (failure.code, failure.extended_code)) {
            // The file that SQLite shares between processes cannot grow either.
            Some((ErrorCode::DiskFull, _) | (_, ffi::SQLITE_IOERR_SHMSIZE)) if rolled_back => self.full(),
            // SQLite takes a quota that is used up (EDQUOT) for a broken disk. A write that failed is no sync that
            // failed: what was written is not counted as committed, and is written anew.
            Some((_, ffi::SQLITE_IOERR_WRITE)) if rolled_back && self.reserve.finds_it_full() => self.full(),
            Some((ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked, _)) if rolled_back => {
                self.waits_for_locks(false);
                CommitError::Busy
            }
            _ => {
                let failure = CommitError::Failed(error.to_string());
                self.failure = Some(failure.clone());
                failure
            }
        }
    }

    /// Copies the write-ahead log into the data base and closes both: a clean stop. A log that cannot be copied now is
    /// read at the next start.
    ///
    /// # Errors
    /// What SQLite says; no commit is lost by it.
    pub fn close(self) -> Result<(), String> {
        let Self {
            connection,
            checkpoints,
            lock,
            failure,
            ..
        } = self;
        drop(checkpoints);
        let closed = if failure.is_some() {
            // Nothing more is written to a disk that failed.
            connection
                .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)
                .map(|_| ())
        } else {
            connection
                .busy_timeout(CLOSE_TIMEOUT)
                .and_then(|()| connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())))
        };
        let closed = closed.and(connection.close().map_err(|(_, error)| error));
        drop(lock);
        closed.map_err(|error| error.to_string())
    }
}

/// Reads the catalog in `dir` without locking or changing it, also beside a running server: what was committed last.
///
/// # Errors
/// [`OpenError`], as for [`Store::open`].
pub fn read(dir: &Path) -> Result<(State, Identity), OpenError> {
    open::read(dir)
}

#[cfg(test)]
impl Store {
    /// What is on disk, loaded anew.
    pub(crate) fn load_again(&self) -> State {
        let another = || unreachable!("so few rows are read on one thread");
        load::load(&self.connection, another)
            .unwrap_or_else(|trouble| panic!("{trouble:?}"))
            .state
    }

    /// The writing connection, to lay traps in.
    pub(crate) fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }
}

#[cfg(test)]
mod tests;
