//! Zone files on the disk: one, or the `<origin>.zone` of a folder.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::fcntl::OFlag;

use crate::catalog::contents::{Contents, Finding};
use crate::catalog::{NameError, ZoneName};

use super::limits::{FILES_MAX, FOLDER_ENTRIES_MAX};

/// How zone files end.
const SUFFIX: &[u8] = b".zone";

/// A zone file that was read.
#[derive(Clone, Debug)]
pub struct ZoneFile {
    /// The zone's apex.
    pub origin: ZoneName,
    /// The file.
    pub path: PathBuf,
    /// Its records.
    pub contents: Arc<Contents>,
    /// What is odd about them, in order of line; what is about the whole file comes last.
    pub warnings: Vec<Finding>,
}

/// Why a zone file, or a folder of them, was not read. Its text has one line for each thing that is wrong.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It cannot be opened or read.
    #[error("{}: cannot be read: {error}", path.display())]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// A pipe, a device, a folder.
    #[error("{}: is no regular file", path.display())]
    NoFile {
        /// What it is not.
        path: PathBuf,
    },
    /// The file's name does not say which zone it is.
    #[error("{}: is not named after its zone, as example.org.zone is: the zone's name {reason}", path.display())]
    NoZone {
        /// The file.
        path: PathBuf,
        /// Why its name is no zone's.
        reason: String,
    },
    /// Two files of one zone.
    #[error("{}: is of the zone {origin}, as {} is; remove one", path.display(), other.display())]
    Twice {
        /// The second file.
        path: PathBuf,
        /// The first.
        other: PathBuf,
        /// Their zone.
        origin: ZoneName,
    },
    /// More files than are read.
    #[error("{}: has over {max} {what}; move some elsewhere", path.display())]
    TooMany {
        /// The folder.
        path: PathBuf,
        /// Of what.
        what: &'static str,
        /// How many are allowed.
        max: usize,
    },
    /// The text is wrong.
    #[error("{}", lines(path, findings))]
    Wrong {
        /// The file.
        path: PathBuf,
        /// Everything that was found, in order of line; warnings too.
        findings: Vec<Finding>,
    },
}

/// A finding as a person reads it: `file:line: error: what`, without the line if it is about the whole file.
pub fn line(path: &Path, finding: &Finding) -> String {
    let Finding {
        line,
        severity,
        message,
    } = finding;
    match line {
        0 => format!("{}: {severity}: {message}", path.display()),
        line => format!("{}:{line}: {severity}: {message}", path.display()),
    }
}

fn lines(path: &Path, findings: &[Finding]) -> String {
    let lines: Vec<_> = findings.iter().map(|finding| line(path, finding)).collect();
    lines.join("\n")
}

/// Reads a zone file. Its zone is `origin`, or else what the file is named after.
///
/// # Errors
/// Everything that is wrong with it.
pub fn read(path: &Path, origin: Option<&ZoneName>) -> Result<ZoneFile, ReadError> {
    let file = open(path)?;
    let origin = match origin {
        Some(origin) => origin.clone(),
        None => origin_of(path)?,
    };
    let unreadable = |error| ReadError::Unreadable {
        path: path.to_path_buf(),
        error,
    };
    match super::read_text(file, &origin).map_err(unreadable)? {
        Ok((contents, warnings)) => Ok(ZoneFile {
            origin,
            path: path.to_path_buf(),
            contents: Arc::new(contents),
            warnings,
        }),
        Err(findings) => Err(ReadError::Wrong {
            path: path.to_path_buf(),
            findings,
        }),
    }
}

/// Reads the zone files of a folder, in the order of their names: those that end in `.zone` and do not begin with a dot.
/// Folders in it are not looked into.
///
/// # Errors
/// Everything that is wrong with any of them.
pub fn read_dir(dir: &Path) -> Result<Vec<ZoneFile>, Vec<ReadError>> {
    let paths = paths(dir).map_err(|error| vec![error])?;
    let mut files: Vec<ZoneFile> = Vec::new();
    let mut errors = Vec::new();
    let mut seen: Vec<(ZoneName, PathBuf)> = Vec::new();
    for path in paths {
        let origin = match origin_of(&path) {
            Ok(origin) => origin,
            Err(error) => {
                errors.push(error);
                continue;
            }
        };
        if let Some((origin, other)) = seen.iter().find(|(other, _)| *other == origin) {
            errors.push(ReadError::Twice {
                path,
                other: other.clone(),
                origin: origin.clone(),
            });
            continue;
        }
        seen.push((origin.clone(), path.clone()));
        match read(&path, Some(&origin)) {
            Ok(file) => files.push(file),
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() { Ok(files) } else { Err(errors) }
}

/// The zone files of a folder, in the order of their names.
pub fn paths(dir: &Path) -> Result<Vec<PathBuf>, ReadError> {
    let unreadable = |path: &Path, error| ReadError::Unreadable {
        path: path.to_path_buf(),
        error,
    };
    let too_many = |what, max| ReadError::TooMany {
        path: dir.to_path_buf(),
        what,
        max,
    };
    let mut paths = Vec::new();
    let entries = fs::read_dir(dir).map_err(|error| unreadable(dir, error))?;
    for (number, entry) in entries.enumerate() {
        if number == FOLDER_ENTRIES_MAX {
            return Err(too_many("entries", FOLDER_ENTRIES_MAX));
        }
        let entry = entry.map_err(|error| unreadable(dir, error))?;
        let path = entry.path();
        let name = entry.file_name();
        if stem(&name).is_none() || name.as_encoded_bytes().starts_with(b".") {
            tracing::debug!(path = %path.display(), "is no zone file by its name, which would end in .zone; not read");
            continue;
        }
        // Through a link: a broken one is told when the file is opened.
        if fs::metadata(&path).is_ok_and(|metadata| metadata.is_dir()) {
            tracing::debug!(path = %path.display(), "is a folder; not read");
            continue;
        }
        if paths.len() == FILES_MAX {
            return Err(too_many("zone files", FILES_MAX));
        }
        paths.push(path);
    }
    paths.sort_unstable();
    Ok(paths)
}

/// What stands before `.zone` in a file's name.
fn stem(name: &OsStr) -> Option<&[u8]> {
    name.as_encoded_bytes().strip_suffix(SUFFIX)
}

/// The zone that a file is named after.
pub fn origin_of(path: &Path) -> Result<ZoneName, ReadError> {
    let no_zone = |reason: String| ReadError::NoZone {
        path: path.to_path_buf(),
        reason,
    };
    let stem = path.file_name().and_then(stem);
    let stem = stem.ok_or_else(|| no_zone("must stand before .zone".to_string()))?;
    let text = std::str::from_utf8(stem).map_err(|_| no_zone("is not UTF-8".to_string()))?;
    ZoneName::parse(text).map_err(|error: NameError| no_zone(error.to_string()))
}

/// Opens a regular file. Opening a pipe would wait for a writer, so it is opened without waiting and then refused.
fn open(path: &Path) -> Result<File, ReadError> {
    let unreadable = |error| ReadError::Unreadable {
        path: path.to_path_buf(),
        error,
    };
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(OFlag::O_NONBLOCK.bits())
        .open(path)
        .map_err(unreadable)?;
    match file.metadata().map_err(unreadable)?.is_file() {
        true => Ok(file),
        false => Err(ReadError::NoFile {
            path: path.to_path_buf(),
        }),
    }
}
