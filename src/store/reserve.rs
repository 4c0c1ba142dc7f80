//! Room that is kept for the day when the disk is full.
//!
//! `callsign.reserve` occupies octets and holds nothing. When a commit that takes something away finds no room, the
//! file is emptied and the commit made in its place: who leaves must be able to say so, or DNS would send clients to
//! him for as long as the disk is full. Until the file has its size again, nothing else is written, so that no
//! registration takes the room that was meant for deregistrations.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};

/// Some thousand deregistrations in commits of their own, until a checkpoint makes room in the write-ahead log.
const OCTETS: i64 = 8 << 20;
/// Room beyond it without which the disk still counts as full, once it was: a commit that fits into what the
/// write-ahead log has already says nothing about the next one.
const MARGIN_OCTETS: i64 = 1 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// It occupies its octets.
    Whole,
    /// It was given up; nobody had the room since to make it whole.
    Spent,
    /// There never was room for it: nothing is kept, and nothing is withheld.
    Absent,
}

/// The file that keeps the room.
#[derive(Debug)]
pub(super) struct Reserve {
    path: PathBuf,
    standing: Standing,
    /// Given up, and what was there is used up too.
    is_used_up: bool,
}

impl Reserve {
    /// Makes it whole in `dir`, if there is room.
    pub(super) fn open(dir: &Path) -> Self {
        let path = dir.join("callsign.reserve");
        let was_there = path.exists();
        let standing = match allocate(&path) {
            Ok(()) => Standing::Whole,
            Err(error) => {
                tracing::warn!(
                    path = %path.display(), octets = OCTETS, %error,
                    "no room can be kept for deregistrations on a full disk"
                );
                if was_there {
                    Standing::Spent
                } else {
                    drop(fs::remove_file(&path));
                    Standing::Absent
                }
            }
        };
        Self {
            path,
            standing,
            is_used_up: false,
        }
    }

    /// Whether who leaves has room although others have none.
    pub(super) fn is_kept(&self) -> bool {
        match self.standing {
            Standing::Whole => true,
            Standing::Spent => !self.is_used_up,
            Standing::Absent => false,
        }
    }

    /// Notes that not even who leaves had room.
    pub(super) fn note_used_up(&mut self) {
        self.is_used_up = true;
    }

    /// Octets that it occupies.
    pub(super) fn octets(&self) -> u64 {
        match self.standing {
            Standing::Whole => OCTETS.unsigned_abs(),
            Standing::Spent | Standing::Absent => 0,
        }
    }

    /// Whether there is room to grow. What was given up is had back first; where there never was any, it is asked for
    /// again, and nobody waits for it.
    pub(super) fn has_room(&mut self) -> bool {
        if self.standing != Standing::Whole {
            if allocate(&self.path).is_ok() {
                self.is_whole();
            } else if self.standing == Standing::Spent {
                return false;
            } else {
                drop(fs::remove_file(&self.path));
            }
        }
        self.margin().is_ok()
    }

    /// Whether the disk, or what its owner may use of it, is full.
    pub(super) fn finds_it_full(&self) -> bool {
        use std::io::ErrorKind::{QuotaExceeded, StorageFull};
        self.margin()
            .is_err_and(|error| matches!(error.kind(), StorageFull | QuotaExceeded))
    }

    /// Takes the room beyond the reserve, and gives it back.
    fn margin(&self) -> std::io::Result<()> {
        let path = self.path.with_extension("room");
        let filled = File::create(&path).and_then(|file| fill(&file, MARGIN_OCTETS));
        drop(fs::remove_file(&path));
        filled
    }

    fn is_whole(&mut self) {
        (self.standing, self.is_used_up) = (Standing::Whole, false);
    }

    /// Whether what only adds has to wait: the room was given up and cannot be had back yet.
    pub(super) fn withholds(&mut self) -> bool {
        if self.standing == Standing::Spent && allocate(&self.path).is_ok() {
            self.is_whole();
        }
        self.standing == Standing::Spent
    }

    /// Gives the room up; whether there was any.
    pub(super) fn release(&mut self) -> bool {
        if self.standing != Standing::Whole {
            return false;
        }
        self.standing = Standing::Spent;
        let emptied = OpenOptions::new().write(true).truncate(true).open(&self.path);
        if let Err(error) = &emptied {
            tracing::error!(path = %self.path.display(), %error, "the room that was kept cannot be given up");
        }
        emptied.is_ok()
    }
}

/// Gives the file its size in blocks that it really has, or none at all.
fn allocate(path: &Path) -> std::io::Result<()> {
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)?;
    fill(&file, OCTETS).inspect_err(|_| {
        // What was had of it goes back to those who need it now.
        drop(File::set_len(&file, 0));
    })
}

#[cfg(any(target_os = "linux", target_os = "freebsd"))]
fn fill(file: &File, octets: i64) -> std::io::Result<()> {
    Ok(nix::fcntl::posix_fallocate(file, 0, octets)?)
}

/// Written out, which every system knows.
#[cfg(not(any(target_os = "linux", target_os = "freebsd")))]
fn fill(mut file: &File, octets: i64) -> std::io::Result<()> {
    let zeros = vec![0; usize::try_from(octets).expect("the reserve is small")];
    std::io::Write::write_all(&mut file, &zeros)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_kept_given_up_once_and_taken_back() {
        let dir = tempfile::tempdir().expect("a folder");
        let octets = || {
            fs::metadata(dir.path().join("callsign.reserve"))
                .expect("it is there")
                .len()
        };
        let mut reserve = Reserve::open(dir.path());
        assert_eq!((octets(), reserve.withholds()), (OCTETS as u64, false));
        assert!(reserve.has_room() && !reserve.finds_it_full());
        assert_eq!(octets(), OCTETS as u64, "asking takes nothing");
        assert!(reserve.release());
        assert_eq!((octets(), reserve.standing), (0, Standing::Spent));
        assert!(reserve.is_kept(), "it was given up for those who leave");
        reserve.note_used_up();
        assert!(!reserve.is_kept());
        assert!(!reserve.release(), "there is nothing more to give");
        assert!(!reserve.withholds(), "there is room, so it is taken back");
        assert_eq!(octets(), OCTETS as u64);
        drop(reserve);
        assert_eq!(Reserve::open(dir.path()).standing, Standing::Whole);
    }

    #[test]
    fn where_there_never_was_room_nothing_is_withheld() {
        let mut reserve = Reserve::open(Path::new("/nonexistent"));
        assert_eq!((reserve.standing, reserve.withholds()), (Standing::Absent, false));
        assert!(!reserve.release() && !reserve.is_kept() && !reserve.has_room());
    }

    #[test]
    fn room_that_came_later_is_kept_too() {
        let dir = tempfile::tempdir().expect("a folder");
        let place = dir.path().join("later");
        let mut reserve = Reserve::open(&place);
        assert!(!reserve.has_room());
        fs::create_dir(&place).expect("room");
        assert!(reserve.has_room() && reserve.is_kept());
        assert_eq!(reserve.octets(), OCTETS as u64);
    }
}
