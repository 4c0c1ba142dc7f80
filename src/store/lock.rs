//! One process for a data directory, and a mark of what was acknowledged from it.
//!
//! `callsign.lock` is locked while a server runs. In it stands, in one line, the epoch and index of the last commit.
//! It is written after each commit and never synced, so it may be behind the catalog but is not ahead of it. A catalog
//! that is behind the mark is therefore older than what was acknowledged: its WAL was deleted or cut, or an older copy
//! was put in its place. To go on from there would give the same indexes to other changes.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::FileExt;
use std::path::Path;

use uuid::Uuid;

use super::OpenError;

const NAME: &str = "callsign.lock";

/// The lock on a data directory; released when it is dropped or the process ends.
#[derive(Debug)]
pub(super) struct Lock {
    file: File,
}

/// The last commit that was acknowledged from a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) epoch: Uuid,
    pub(super) index: u64,
}

impl Lock {
    /// Locks `dir`.
    pub(super) fn take(dir: &Path) -> Result<Self, OpenError> {
        let path = dir.join(NAME);
        let failed = |error: std::io::Error| {
            OpenError::Unusable(format!(
                "cannot lock {}: {error}; the server needs to read and write in the data directory",
                path.display()
            ))
        };
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { file }),
            Err(TryLockError::Error(error)) => Err(failed(error)),
            Err(TryLockError::WouldBlock) => {
                let holder = line(&file).and_then(|line| Some(line.split_once(" pid ")?.1.trim().to_owned()));
                Err(OpenError::InUse(format!(
                    "the data directory {} is in use by another callsign{}; stop that one, or give this one \
                     another --data-dir",
                    dir.display(),
                    holder.map_or_else(String::new, |pid| format!(
                        " (process {})",
                        pid.trim_start_matches('0')
                    ))
                )))
            }
        }
    }

    /// The mark, if there is one that can be read.
    pub(super) fn mark(&self) -> Option<Mark> {
        mark(&self.file)
    }

    /// Leaves a mark. It is a help, not a promise: where it cannot be written, the older one stays.
    pub(super) fn set_mark(&self, mark: Mark) {
        let line = format!(
            "epoch {} index {:020} pid {:010}\n",
            mark.epoch,
            mark.index,
            std::process::id()
        );
        let _ = self.file.write_all_at(line.as_bytes(), 0);
    }
}

/// The mark in `dir`, for those who only look.
pub(super) fn mark_in(dir: &Path) -> Option<Mark> {
    mark(&File::open(dir.join(NAME)).ok()?)
}

/// Whether a server runs over `dir`.
pub(super) fn is_held(dir: &Path) -> bool {
    let Ok(file) = File::open(dir.join(NAME)) else {
        return false;
    };
    // Shared, and let go at once: it is asked, not taken.
    matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
}

fn mark(file: &File) -> Option<Mark> {
    let line = line(file)?;
    let mut words = line.split(' ');
    let mut after = |word| (words.next() == Some(word)).then(|| words.next()).flatten();
    Some(Mark {
        epoch: after("epoch")?.parse().ok()?,
        index: after("index")?.parse().ok()?,
    })
}

/// The file's one line.
fn line(file: &File) -> Option<String> {
    let mut octets = [0; 128];
    let read = file.read_at(&mut octets, 0).ok()?;
    let text = std::str::from_utf8(&octets[..read]).ok()?;
    text.split_once('\n').map(|(line, _)| line.to_owned())
}
