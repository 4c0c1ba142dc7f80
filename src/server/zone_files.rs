//! Zone files of a running server: read at start, where one that is wrong stops it, and again on SIGHUP, where the
//! others are taken and what was served from that one stays.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::catalog::contents::Contents;
use crate::catalog::{Change, Effect, State, ZoneName};
use crate::view::Current;
use crate::writer::{Refusal, Request, Writer};
use crate::zonefile::{self, ZoneFile};

/// The folder of zone files, and what was read from it last.
#[derive(Debug)]
pub(super) struct ZoneFiles {
    dir: PathBuf,
    /// A file whose stamp is the same has not been written since, and is not read again.
    stamps: Mutex<HashMap<ZoneName, Stamp>>,
}

/// What a write to a file changes: its inode, its size, and the time of the last change to either.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    octets: u64,
    changed: (i64, i64),
}

impl Stamp {
    /// Of a file, before it is read: what is written meanwhile is read the next time.
    fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        Some(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            octets: metadata.len(),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }
}

impl ZoneFiles {
    /// Reads all of them. At start, everything must be right.
    ///
    /// # Errors
    /// Every error in every file, a line each.
    pub(super) fn open(dir: &Path) -> Result<(Self, Vec<ZoneFile>), String> {
        let stamps = zonefile::paths(dir)
            .into_iter()
            .flatten()
            .filter_map(|path| Some((zonefile::origin_of(&path).ok()?, Stamp::of(&path)?)))
            .collect();
        let files = zonefile::read_dir(dir).map_err(|errors| {
            let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
            lines.join("\n")
        })?;
        files.iter().for_each(warn);
        let open = Self {
            dir: dir.to_owned(),
            stamps: Mutex::new(stamps),
        };
        Ok((open, files))
    }

    /// Reads again what was written since, and gives it to the writer zone by zone. It reads files and waits: for a
    /// thread that may block.
    pub(super) fn reload(&self, writer: &Writer, current: &Current) {
        let mut stamps = self.stamps.lock().unwrap_or_else(PoisonError::into_inner);
        let paths = match zonefile::paths(&self.dir) {
            Ok(paths) => paths,
            Err(error) => {
                tracing::error!("SIGHUP: the zones stay what they were: {error}");
                return;
            }
        };
        let mut there = HashSet::new();
        let (mut same, mut read) = (0, 0);
        for path in paths {
            let origin = match zonefile::origin_of(&path) {
                Ok(origin) if there.insert(origin.clone()) => origin,
                Ok(origin) => {
                    tracing::error!(
                        "SIGHUP: {}: another file is of the zone {origin}, too; remove one",
                        path.display()
                    );
                    continue;
                }
                Err(error) => {
                    tracing::error!("SIGHUP: {error}");
                    continue;
                }
            };
            let stamp = Stamp::of(&path);
            if stamp.is_some() && stamps.get(&origin) == stamp.as_ref() {
                same += 1;
                continue;
            }
            // Until it is right and taken it is read each time, and said to be wrong.
            stamps.remove(&origin);
            match zonefile::read(&path, Some(&origin)) {
                Ok(file) => {
                    warn(&file);
                    if put(writer, &path, origin.clone(), Some(file.contents)) {
                        read += 1;
                        stamps.extend(stamp.map(|stamp| (origin, stamp)));
                    }
                }
                Err(error) => tracing::error!("SIGHUP: zone {origin} stays what it was:\n{error}"),
            }
        }
        let mut gone = 0;
        for zone in current.snapshot().state.zones.values() {
            if zone.contents.is_some() && !there.contains(&zone.name) {
                stamps.remove(&zone.name);
                gone += usize::from(put(writer, &self.dir, zone.name.clone(), None));
            }
        }
        tracing::info!(read, same, gone, "SIGHUP: the zone files were read again");
    }
}

/// The changes that `files` make at start: those of zones that had other records when the server stopped, and of
/// zones whose file is gone. The others are attached to `state`.
pub(super) fn changes(files: Vec<ZoneFile>, state: &mut State) -> Vec<Change> {
    let there: HashSet<ZoneName> = files.iter().map(|file| file.origin.clone()).collect();
    let mut changes = Vec::new();
    for zone in state.zones.values() {
        if zone.file.is_some() && !there.contains(&zone.name) {
            changes.push(Change::ZoneFile {
                zone: zone.name.clone(),
                contents: None,
            });
        }
    }
    for file in files {
        state.attach(&file.origin, &file.contents);
        // Of one that is attached, its serial may still be newer.
        changes.push(Change::ZoneFile {
            zone: file.origin,
            contents: Some(file.contents),
        });
    }
    changes
}

/// Gives one zone's records to the writer; whether they were taken.
fn put(writer: &Writer, path: &Path, zone: ZoneName, contents: Option<Arc<Contents>>) -> bool {
    let records = contents.as_ref().map_or(0, |contents| contents.records());
    let change = Change::ZoneFile {
        zone: zone.clone(),
        contents,
    };
    let request = Request {
        operations: vec![change.into()],
        actor: "zone file".into(),
    };
    match writer.submit_blocking(request) {
        Ok(done) => {
            let changed = done.effects.iter().any(Effect::changed);
            let serial = done.snapshot.state.zones.get(&zone).map(|zone| zone.serial);
            tracing::info!(%zone, records, serial, changed, "SIGHUP: a zone file was read");
            true
        }
        Err(Refusal::Rejected { rejection, .. }) => {
            tracing::error!(
                "SIGHUP: {}: {rejection}; zone {zone} stays what it was",
                path.display()
            );
            false
        }
        Err(refusal) => {
            tracing::error!("SIGHUP: zone {zone} stays what it was: {refusal}");
            false
        }
    }
}

fn warn(file: &ZoneFile) {
    for warning in &file.warnings {
        tracing::warn!("{}:{}: {}", file.path.display(), warning.line, warning.message);
    }
}
