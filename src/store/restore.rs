//! A backup becomes the catalog of a data directory: whole, or not at all.
//!
//! The backup is copied to `callsign.db.new`, read back whole, brought up to date and moved forward there. Then it is
//! synced and renamed to `callsign.db.restored-<time>`: from that moment it is the catalog. What is left, to put what was
//! there aside and the new file in its place, takes several steps, because SQLite would play an old write-ahead log into
//! a new data base; whoever opens the directory next does those that a crash left undone.
//!
//! Moved forward: a new epoch, so that whoever follows the catalog starts afresh; the index by 2^32 and the serials by
//! 2^16 (RFC 1982 §3.1), past what was given out after the backup was made. The change log is emptied: to follow on from
//! an index of before would skip what is lost.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, TransactionBehavior};
use uuid::Uuid;

use crate::catalog::{State, ZoneName};
use crate::clock::Timestamp;

use super::backup::{CopyError, sync, sync_folder_of};
use super::load::{self, Loaded};
use super::lock::{self, Mark};
use super::migrations::{self, Standing};
use super::open::{self, Files, Locked, reading_connection, writing_connection};
use super::tally::{Table, Tally};
use super::trouble::{Trouble, is_of_the_place};
use super::write::Writing;
use super::{Identity, OpenError, check};

/// How far the index moves (contract §1).
const INDEX_AHEAD: u64 = 1 << 32;
/// How far serials move.
const SERIAL_AHEAD: u32 = 1 << 16;

/// The catalog from the moment on which it is whole.
const RESTORED: &str = "callsign.db.restored-";
/// The folder of what it replaced.
const REPLACED: &str = "callsign.replaced-";

/// What a data directory holds after a restore.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// Whose it is: the epoch is new.
    pub identity: Identity,
    /// Its index.
    pub index: u64,
    /// The serial of each zone.
    pub serials: Vec<(ZoneName, u32)>,
    /// Where what was there before is now.
    pub kept: Option<PathBuf>,
}

/// Makes the backup `file` the catalog of `dir`, which is made if it is missing. A catalog that is there is put aside if
/// `replace`. `now` names the folder where.
///
/// # Errors
/// [`CopyError`]; the directory then has the catalog that it had.
pub fn restore(file: &Path, dir: &Path, replace: bool, now: Timestamp) -> Result<Restored, CopyError> {
    let readable = fs::File::open(file).and_then(|open| open.metadata());
    match readable {
        Ok(metadata) if metadata.is_file() => {}
        Ok(_) => return Err(CopyError::Usage(format!("{} is no file", file.display()))),
        Err(error) => {
            return Err(CopyError::Usage(format!(
                "{} cannot be read: {error}",
                file.display()
            )));
        }
    }
    // A server's own file changes while it is copied. Asked before the directory is ours: it may be the same one.
    let source = file.parent().filter(|folder| *folder != Path::new(""));
    if lock::is_held(source.unwrap_or(Path::new("."))) {
        return Err(CopyError::Store(OpenError::InUse(format!(
            "{} is in use by a callsign that runs; make a backup of it with callsign backup, and restore that",
            file.display()
        ))));
    }
    let Locked { lock, files } = open::lock(dir)?;
    finish(&files)?;
    if !replace && (files.db.exists() || files.wal.exists()) {
        return Err(CopyError::Usage(format!(
            "there is a catalog in {} already; give --replace to put it aside, or another --data-dir",
            dir.display()
        )));
    }
    files.remove_rest()?;
    let new = files.in_the_making();
    let failed = |error: &dyn std::fmt::Display| {
        CopyError::Store(OpenError::Unusable(format!(
            "cannot write in {}: {error}; it needs room and the right to write. What was there is as it was",
            dir.display()
        )))
    };
    copy_with_log(file, &new).map_err(|error| failed(&error))?;
    let restored = judge_and_move(&new).map_err(|trouble| match trouble {
        Trouble::Sqlite(error) if is_of_the_place(&error) => failed(&error),
        trouble => CopyError::Store(trouble.of_backup(file)),
    });
    let restored = restored.and_then(|restored| {
        let (restored_name, kept) = names(&files, now);
        if restored_name.exists() || kept.exists() {
            return Err(failed(&format!("{} exists already", kept.display())));
        }
        sync(&new)
            .and_then(|_| fs::rename(&new, &restored_name))
            .and_then(|()| sync_folder_of(&restored_name))
            .map_err(|error| failed(&error))?;
        Ok(restored)
    });
    let restored = match restored {
        Ok(restored) => restored,
        Err(error) => {
            // It may be large.
            files.remove_rest()?;
            return Err(error);
        }
    };
    let kept = finish(&files)?;
    lock.set_mark(Mark {
        epoch: restored.identity.epoch,
        index: restored.index,
    });
    Ok(Restored { kept, ..restored })
}

/// The backup, and its write-ahead log if it is a copy of a data base that has one.
fn copy_with_log(file: &Path, new: &Path) -> io::Result<()> {
    // The octets alone: the right to write does not come from the backup.
    let copy = |from: &Path, to: &Path| io::copy(&mut fs::File::open(from)?, &mut fs::File::create(to)?);
    copy(file, new)?;
    let log = |path: &Path| {
        let mut name = OsString::from(path);
        name.push("-wal");
        PathBuf::from(name)
    };
    if log(file).exists() {
        copy(&log(file), &log(new))?;
    }
    Ok(())
}

/// Judges all that is in the data base `new`, brings it up to date and moves it forward; it is one file then.
fn judge_and_move(new: &Path) -> Result<Restored, Trouble> {
    // Judged before SQLite may write it.
    if migrations::judge(&reading_connection(new)?)? == Standing::Behind {
        migrations::run(&mut writing_connection(new)?)?;
    }
    let mut connection = writing_connection(new)?;
    migrations::judge(&connection)?;
    let loaded = load::load(&connection, || reading_connection(new))?;
    check::check(new, &Arc::new(AtomicBool::new(false)))?;
    let restored = move_forward(&mut connection, &loaded)?;
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    connection.close().map_err(|(_, error)| error)?;
    Ok(restored)
}

/// Begins a new epoch in one transaction.
fn move_forward(connection: &mut Connection, loaded: &Loaded) -> Result<Restored, Trouble> {
    let State {
        index,
        zones,
        retired,
        ..
    } = &loaded.state;
    let identity = Identity {
        epoch: Uuid::new_v4(),
        ..loaded.identity
    };
    let ahead = index + INDEX_AHEAD;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut writing = Writing::new(&transaction, loaded.tallies);
    writing.catalog_moves((&loaded.identity, *index), (&identity, ahead))?;
    let living = zones.iter().map(|(name, zone)| (name, zone.serial));
    let deleted = retired.iter().map(|(name, serial)| (name, *serial));
    let mut serials = Vec::with_capacity(zones.len());
    for (zone, serial) in living.chain(deleted) {
        let moved = serial.wrapping_add(SERIAL_AHEAD);
        writing.rows.put(
            Table::Serials,
            &[ValueRef::Text(zone.as_str().as_bytes())],
            Some(&[ValueRef::Integer(serial.into())]),
            Some(&[ValueRef::Integer(moved.into())]),
        )?;
        if zones.contains_key(zone) {
            serials.push((zone.clone(), moved));
        }
    }
    transaction.execute("DELETE FROM changes", [])?;
    *writing
        .rows
        .tallies
        .of(Table::Changes)
        .expect("changes are tallied") = Tally::default();
    writing.tallies()?;
    transaction.commit()?;
    Ok(Restored {
        identity,
        index: ahead,
        serials,
        kept: None,
    })
}

/// What the new catalog is called once it is whole, and the folder for what it replaces.
fn names(files: &Files, now: Timestamp) -> (PathBuf, PathBuf) {
    let time = now.to_string().replace(':', "-");
    let name = |prefix: &str| files.dir.join(format!("{prefix}{time}"));
    (name(RESTORED), name(REPLACED))
}

/// The catalog of a restore that was cut short, and its time as text.
fn cut_short(files: &Files) -> io::Result<Option<(PathBuf, String)>> {
    for entry in fs::read_dir(&files.dir)? {
        let entry = entry?;
        if let Some(time) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.strip_prefix(RESTORED))
        {
            return Ok(Some((entry.path(), time.to_owned())));
        }
    }
    Ok(None)
}

/// Holds that no restore was cut short: for those who look at a directory that is not theirs.
pub(super) fn none_is_cut_short(files: &Files) -> Result<(), OpenError> {
    match cut_short(files) {
        Ok(Some(_)) => Err(OpenError::Unusable(format!(
            "a restore into {} was cut short; start the server on it, which finishes that",
            files.dir.display()
        ))),
        // What cannot be listed is told by whoever opens it.
        Ok(None) | Err(_) => Ok(()),
    }
}

/// Does what is left of a restore whose catalog is whole, if there is one: what was there is put aside, then the new one
/// in its place. Each step may be the last before a crash.
pub(super) fn finish(files: &Files) -> Result<Option<PathBuf>, OpenError> {
    let failed = |error: io::Error| {
        OpenError::Unusable(format!(
            "the restore in {} cannot be finished: {error}; the server needs the right to write there. Start it again, \
             which goes on with it",
            files.dir.display()
        ))
    };
    let Some((restored, time)) = cut_short(files).map_err(failed)? else {
        return Ok(None);
    };
    put_in_place(files, &restored, &files.dir.join(format!("{REPLACED}{time}"))).map_err(failed)
}

fn put_in_place(files: &Files, restored: &Path, kept: &Path) -> io::Result<Option<PathBuf>> {
    // SQLite makes it anew.
    match fs::remove_file(&files.shm) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    for path in [&files.wal, &files.db] {
        if path.try_exists()? {
            fs::create_dir_all(kept)?;
            fs::rename(path, kept.join(path.file_name().expect("it is a file of ours")))?;
        }
    }
    let keeps = kept.try_exists()?;
    if keeps {
        fs::File::open(kept)?.sync_all()?;
    }
    // Before the new one comes: no log of the old one may stand beside it.
    sync_folder_of(&files.db)?;
    fs::rename(restored, &files.db)?;
    sync_folder_of(&files.db)?;
    Ok(keeps.then(|| kept.to_owned()))
}
