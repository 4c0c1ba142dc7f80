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
        Self { path, standing }
    }

    /// Whether what only adds has to wait: the room was given up and cannot be had back yet.
    pub(super) fn withholds(&mut self) -> bool {
        if self.standing == Standing::Spent && allocate(&self.path).is_ok() {
            self.standing = Standing::Whole;
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
    fill(&file).inspect_err(|_| {
        // What was had of it goes back to those who need it now.
        drop(File::set_len(&file, 0));
    })
}

#[cfg(any(target_os = "linux", target_os = "freebsd"))]
fn fill(file: &File) -> std::io::Result<()> {
    Ok(nix::fcntl::posix_fallocate(file, 0, OCTETS)?)
}

/// Written out, which every system knows.
#[cfg(not(any(target_os = "linux", target_os = "freebsd")))]
fn fill(mut file: &File) -> std::io::Result<()> {
    let zeros = vec![0; usize::try_from(OCTETS).expect("the reserve is small")];
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
        assert!(reserve.release());
        assert_eq!((octets(), reserve.standing), (0, Standing::Spent));
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
        assert!(!reserve.release());
    }
}
