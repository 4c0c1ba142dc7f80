//! From a directory to a store: what is there is judged before anything is written.
//!
//! 1. Lock the directory.
//! 2. No file: make one beside its place, complete, and move it there. So a file at its place is never half made, and
//!    one that is empty or cut short was damaged.
//! 3. Judge and load through a read-only connection. It recovers a WAL in memory and writes neither file.
//! 4. Only then open for writing.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, TransactionBehavior, ffi};
use uuid::Uuid;

use crate::catalog::State;
use crate::metrics;

use super::checkpoint::Checkpoints;
use super::load::{self, Loaded};
use super::lock::{Lock, Mark};
use super::migrations::{self, Standing};
use super::reserve::Reserve;
use super::tally::{Table, Tallies, checksum};
use super::trouble::Trouble;
use super::write::Writing;
use super::{CommitError, Identity, OpenError, Opened, Store, restore};

/// The oldest SQLite that is trusted: before it, a WAL could be reset while another connection still needed it.
const SQLITE_MIN: i32 = 3_051_003;
/// How long a statement waits for another process's lock. With it a write is answered within 5 s.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(4);
/// A WAL that has grown past this (a reader held it) is cut back to it.
const WAL_OCTETS_KEPT: u32 = 32 << 20;
/// Page cache of the writing connection, in KiB.
const CACHE_KIB: i32 = 16 << 10;
/// Statements kept compiled: each of those over each table.
const STATEMENTS: usize = 64;

const NEW: &str = "callsign.db.new";

/// The files of a data directory.
#[derive(Clone, Debug)]
pub(super) struct Files {
    pub(super) db: PathBuf,
    pub(super) wal: PathBuf,
    pub(super) shm: PathBuf,
    pub(super) dir: PathBuf,
}

impl Files {
    pub(super) fn of(dir: &Path) -> Self {
        Self {
            db: dir.join("callsign.db"),
            wal: dir.join("callsign.db-wal"),
            shm: dir.join("callsign.db-shm"),
            dir: dir.to_owned(),
        }
    }

    /// A data base that is being made, until it is moved to its place.
    pub(super) fn in_the_making(&self) -> PathBuf {
        self.dir.join(NEW)
    }

    /// Removes what a start or a restore that was cut short left: nothing was ever acknowledged from it.
    pub(super) fn remove_rest(&self) -> Result<(), OpenError> {
        for end in ["", "-journal", "-wal", "-shm"] {
            let rest = self.dir.join(format!("{NEW}{end}"));
            match fs::remove_file(&rest) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(OpenError::Unusable(format!(
                        "cannot remove {}: {error}; the server needs the right to write in its directory",
                        rest.display()
                    )));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Holds that there is a catalog to look at.
    pub(super) fn must_exist(&self) -> Result<(), OpenError> {
        if self.exist()? {
            return Ok(());
        }
        Err(OpenError::Unusable(format!(
            "there is no catalog in {}: {} does not exist; give the --data-dir of a server that ran",
            self.dir.display(),
            self.db.display()
        )))
    }

    /// Whether there is a file to judge. A WAL alone is no catalog and no fresh start either.
    fn exist(&self) -> Result<bool, OpenError> {
        let unreadable = |error| {
            OpenError::Unusable(format!(
                "{} cannot be opened: {error}. The server needs to read and write it and its directory",
                self.db.display()
            ))
        };
        if self.db.try_exists().map_err(unreadable)? {
            let octets = fs::metadata(&self.db).map_err(unreadable)?.len();
            if octets == 0 {
                return Err(Trouble::Damaged("it is empty".into()).with(&self.db));
            }
            return Ok(true);
        }
        if self.wal.try_exists().map_err(unreadable)? {
            return Err(OpenError::Unusable(format!(
                "{} is missing, but its write-ahead log {} is there, with changes that belong to it. Put the missing \
                 file back or restore a backup; or, to begin anew with an empty catalog, move the log to another \
                 directory too, and start again",
                self.db.display(),
                self.wal.display()
            )));
        }
        Ok(false)
    }
}

/// A data directory that is this process's, and was not looked at yet. Dropping it sets it free.
#[derive(Debug)]
pub struct Locked {
    pub(super) lock: Lock,
    pub(super) files: Files,
}

pub(super) fn lock(dir: &Path) -> Result<Locked, OpenError> {
    assert_version()?;
    make_dir(dir).map_err(|error| {
        OpenError::Unusable(format!(
            "cannot make the data directory {}: {error}; make it, or give another --data-dir",
            dir.display()
        ))
    })?;
    Ok(Locked {
        lock: Lock::take(dir)?,
        files: Files::of(dir),
    })
}

impl Locked {
    /// Judges and loads what is there, or makes an empty catalog. It takes what reading every row takes.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn load(self) -> Result<Opened, OpenError> {
        self.load_counting(Arc::default())
    }

    /// The same for a store that tells `counts` what becomes of commits.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn load_counting(self, counts: Arc<metrics::Store>) -> Result<Opened, OpenError> {
        let Self { lock, files } = self;
        restore::finish(&files)?;
        files.remove_rest()?;
        if !files.exist()? {
            create(&files)?;
        }
        let with_file = |trouble: Trouble| trouble.with(&files.db);
        let (loaded, older) = judge(&files, &lock).map_err(with_file)?;
        let mut connection = writing_connection(&files.db).map_err(with_file)?;
        let checkpoints =
            Checkpoints::of(&mut connection, &files.db).map_err(|error| with_file(error.into()))?;
        let Loaded {
            state,
            identity,
            tallies,
        } = loaded;
        let reserve = Reserve::open(&files.dir);
        let mut store = Store::new(connection, checkpoints, lock, identity, tallies, reserve, counts);
        match &older {
            // The mark stays, so that the next start knows it too.
            Some(what) => store.writes_nothing(CommitError::Older(what.clone())),
            None => store.leave_mark(state.index),
        }
        Ok(Opened {
            store,
            state,
            identity,
            older,
        })
    }
}

pub(super) fn read(dir: &Path) -> Result<(State, Identity), OpenError> {
    assert_version()?;
    let files = Files::of(dir);
    restore::none_is_cut_short(&files)?;
    files.must_exist()?;
    let loaded = || {
        let connection = reading_connection(&files.db)?;
        match migrations::judge(&connection)? {
            Standing::Current => load::load(&connection, || reading_connection(&files.db)),
            Standing::Behind => Err(Trouble::Behind),
        }
    };
    let Loaded { state, identity, .. } = loaded().map_err(|trouble| trouble.with(&files.db))?;
    Ok((state, identity))
}

pub(super) fn assert_version() -> Result<(), OpenError> {
    if rusqlite::version_number() < SQLITE_MIN {
        return Err(OpenError::Unusable(format!(
            "this program was built with SQLite {}, which can lose commits; build it with 3.51.3 or later",
            rusqlite::version()
        )));
    }
    Ok(())
}

/// Makes `dir` with those above it, and syncs what they were made in: a directory that a power loss takes away takes
/// the catalog with it.
fn make_dir(dir: &Path) -> std::io::Result<()> {
    let missing: Vec<_> = dir.ancestors().take_while(|dir| !dir.exists()).collect();
    fs::create_dir_all(dir)?;
    for made in missing {
        let parent = made.parent().filter(|parent| *parent != Path::new(""));
        File::open(parent.unwrap_or(Path::new(".")))?.sync_all()?;
    }
    Ok(())
}

/// Loads what is there, migrated if it is behind, and holds it against the mark: what is said of one that lacks commits.
fn judge(files: &Files, lock: &Lock) -> Result<(Loaded, Option<String>), Trouble> {
    let connection = reading_connection(&files.db)?;
    if migrations::judge(&connection)? == Standing::Behind {
        migrations::run(&mut writing_connection(&files.db)?)?;
        migrations::judge(&connection)?;
    }
    let loaded = load::load(&connection, || reading_connection(&files.db))?;
    let older = held_against(lock.mark(), &loaded, files).err();
    Ok((loaded, older.map(|older| older.with(&files.db).to_string())))
}

/// Holds that what was loaded has all that was acknowledged, as far as the mark knows.
pub(super) fn held_against(mark: Option<Mark>, loaded: &Loaded, files: &Files) -> Result<(), Trouble> {
    match mark {
        Some(mark) if mark.epoch == loaded.identity.epoch && mark.index > loaded.state.index => {
            Err(Trouble::Older(format!(
                "it ends at the index {}, and {} was acknowledged; its write-ahead log (callsign.db-wal) was removed \
                 or damaged, or an older copy was put in its place. If what is there is to be served, callsign restore \
                 {} --data-dir {} --replace begins a new epoch with it; what came after it is then lost",
                loaded.state.index,
                mark.index,
                files.db.display(),
                files.dir.display()
            )))
        }
        _ => Ok(()),
    }
}

/// A connection that writes neither the data base nor its WAL.
pub(super) fn reading_connection(db: &Path) -> Result<Connection, rusqlite::Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(db, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    Ok(connection)
}

pub(super) fn writing_connection(db: &Path) -> Result<Connection, Trouble> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(db, flags)?;
    // SQLite opens what it may not write for reading, and the first registration would tell.
    if connection.is_readonly("main")? {
        let error = ffi::Error::new(ffi::SQLITE_READONLY);
        let message = "it may be read, and not written".to_owned();
        return Err(rusqlite::Error::SqliteFailure(error, Some(message)).into());
    }
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    let mode: String = connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    if mode != "wal" {
        return Err(Trouble::Damaged(format!(
            "its journal is {mode} and cannot be made a write-ahead log"
        )));
    }
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "journal_size_limit", WAL_OCTETS_KEPT)?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(connection)
}

/// A connection that copies the WAL into the data base and writes nothing else.
pub(super) fn copying_connection(db: &Path) -> Result<Connection, rusqlite::Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(db, flags)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    Ok(connection)
}

/// Makes an empty catalog: complete in a file beside its place, then moved there.
fn create(files: &Files) -> Result<(), OpenError> {
    let new = files.in_the_making();
    let failed = |error: &dyn std::fmt::Display| {
        OpenError::Unusable(format!(
            "cannot make {}: {error}; the server needs room and the right to write in its directory",
            files.db.display()
        ))
    };
    fill(&new).map_err(|trouble| trouble.with(&new))?;
    let moved = File::open(&new)
        .and_then(|file| file.sync_all())
        .and_then(|()| fs::rename(&new, &files.db))
        .and_then(|()| File::open(&files.dir)?.sync_all());
    moved.map_err(|error| failed(&error))
}

fn fill(new: &Path) -> Result<(), Trouble> {
    let mut connection = Connection::open(new)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    migrations::run(&mut connection)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // The row of each tally is there from the beginning: writing only ever changes it.
    let mut scratch = Vec::new();
    for (table, tally) in Tallies::default().iter() {
        let (name, zero) = (ValueRef::Text(table.name().as_bytes()), ValueRef::Integer(0));
        let checksum = checksum(Table::Tallies, [name, zero, zero], &mut scratch);
        transaction.execute(
            &Table::Tallies.sql().insert,
            (table.name(), tally.number, tally.sum, checksum),
        )?;
    }
    let identity = Identity {
        epoch: Uuid::new_v4(),
        origin: Uuid::new_v4(),
    };
    let mut writing = Writing::new(&transaction, Tallies::default());
    writing.catalog(&identity, None, Some(0))?;
    writing.tallies()?;
    transaction.commit()?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.close().map_err(|(_, error)| error)?;
    Ok(())
}
