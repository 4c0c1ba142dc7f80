//! A copy of the catalog in one file, taken beside a running server.
//!
//! `VACUUM INTO` reads one commit in one read transaction: the server commits on meanwhile, and its write-ahead log is
//! copied back once the reader is gone. The result is one file without a log of its own and without free pages. SQLite's
//! backup API, the other way, copies page by page: faster, and free pages and the journal's mode come with them; a commit
//! by another process between two of its steps makes it begin anew.
//!
//! The copy is made beside its place, read back whole (a backup that cannot be restored is none), synced and renamed: under
//! the final name there is never half a backup.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::load::Loaded;
use super::lock;
use super::open::{Files, assert_version, held_against, reading_connection};
use super::trouble::{Trouble, is_of_the_place};
use super::{Identity, OpenError, check, load, migrations, restore};

/// Why a backup was not made, or not restored. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// It is not to be as it was asked for: something is there already, or cannot be read.
    #[error("{0}")]
    Usage(String),
    /// The catalog, the backup or the disk.
    #[error(transparent)]
    Store(#[from] OpenError),
}

/// What a backup holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backup {
    /// Whose it is.
    pub identity: Identity,
    /// The last change in it.
    pub index: u64,
    /// Its size.
    pub octets: u64,
}

/// Copies the catalog in `dir` to `file`, also beside a running server: what was committed last. A `file` that exists is
/// replaced if `overwrite`, and only once the new one is complete.
///
/// # Errors
/// [`CopyError`].
pub fn backup(dir: &Path, file: &Path, overwrite: bool) -> Result<Backup, CopyError> {
    assert_version()?;
    let files = Files::of(dir);
    files.must_exist()?;
    restore::none_is_cut_short(&files)?;
    let is_free = || {
        if !overwrite && fs::symlink_metadata(file).is_ok() {
            return Err(CopyError::Usage(format!(
                "{} exists; give another name, or --overwrite",
                file.display()
            )));
        }
        Ok(())
    };
    is_free()?;
    // Before the copy: what a running server commits meanwhile is ahead of it.
    let mark = lock::mark_in(dir);
    let part = Part::beside(file)?;
    copy(&files.db, &part).map_err(|trouble| trouble.with(&files.db))?;
    let loaded = verified(&part.0).map_err(|trouble| trouble.with(&files.db))?;
    held_against(mark, &loaded, &files).map_err(|trouble| trouble.with(&files.db))?;
    let octets = sync(&part.0).map_err(|error| part.failed(&error))?;
    is_free()?;
    part.rename(file)?;
    Ok(Backup {
        identity: loaded.identity,
        index: loaded.state.index,
        octets,
    })
}

/// Loads the data base `db` and holds every row against checksum and tally, those of the change log too.
pub(super) fn verified(db: &Path) -> Result<Loaded, Trouble> {
    let connection = reading_connection(db)?;
    if migrations::judge(&connection)? == migrations::Standing::Behind {
        return Err(Trouble::Behind);
    }
    let loaded = load::load(&connection, || reading_connection(db))?;
    check::check(db, &Arc::new(AtomicBool::new(false)))?;
    Ok(loaded)
}

fn copy(db: &Path, part: &Part) -> Result<(), Trouble> {
    let path = part.0.to_str().ok_or_else(|| part.unnameable())?;
    let connection = reading_connection(db)?;
    connection
        .execute("VACUUM INTO ?1", [path])
        .map_err(|error| part.unless_of(error))?;
    Ok(())
}

/// Brings a file to the disk, and says how large it is.
pub(super) fn sync(path: &Path) -> std::io::Result<u64> {
    let file = File::open(path)?;
    file.sync_all()?;
    Ok(file.metadata()?.len())
}

/// Brings the names in a folder to the disk.
pub(super) fn sync_folder_of(path: &Path) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// A backup that is not complete; it vanishes unless it is renamed. Its name has the process in it, so that two backups
/// to the same place do not write into each other; a process that is killed leaves it.
struct Part(PathBuf);

impl Part {
    fn beside(file: &Path) -> Result<Self, CopyError> {
        let Some(name) = file.file_name() else {
            return Err(CopyError::Usage(format!(
                "{} is no name of a file",
                file.display()
            )));
        };
        let mut name = name.to_owned();
        name.push(format!(".{}.part", std::process::id()));
        let part = Self(file.with_file_name(name));
        // SQLite writes into an empty file, and this one is new: what a process of this number left is not continued.
        drop(fs::remove_file(&part.0));
        File::create_new(&part.0).map_err(|error| part.failed(&error))?;
        Ok(part)
    }

    fn rename(self, file: &Path) -> Result<(), CopyError> {
        fs::rename(&self.0, file)
            .and_then(|()| sync_folder_of(file))
            .map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &dyn std::fmt::Display) -> CopyError {
        CopyError::Store(OpenError::Unusable(format!(
            "{} cannot be written: {error}; give a place with room and the right to write",
            self.0.display()
        )))
    }

    fn unnameable(&self) -> Trouble {
        Trouble::Place(format!("{} is not UTF-8; give another name", self.0.display()))
    }

    /// An error of the copy is about its place, unless it says something about what is read.
    fn unless_of(&self, error: rusqlite::Error) -> Trouble {
        if !is_of_the_place(&error) {
            return error.into();
        }
        Trouble::Place(format!(
            "{} cannot be written: {error}; give a place with room and the right to write",
            self.0.display()
        ))
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // Renamed, it is not there any more.
        drop(fs::remove_file(&self.0));
        let mut journal = self.0.clone().into_os_string();
        journal.push("-journal");
        drop(fs::remove_file(journal));
    }
}
