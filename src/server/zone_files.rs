//! Zone files of a running server: read at start, where one that is wrong stops it, and again on SIGHUP, where the
//! others are taken and what was served from that one stays.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::catalog::contents::Contents;
use crate::catalog::{Change, Effect, Rejection, State, ZoneName};
use crate::clock::{Clock, Timestamp};
use crate::view::Current;
use crate::writer::{Refusal, Request, Writer};
use crate::zonefile::{self, ZoneFile};

/// The folder of zone files, and what was read from it last.
#[derive(Debug)]
pub(super) struct ZoneFiles {
    dir: PathBuf,
    clock: Clock,
    /// A file whose stamp is the same has not been written since, and is not read again.
    stamps: Mutex<HashMap<ZoneName, Stamp>>,
}

/// Seconds after which a file's time is certainly not that of the next write.
const SETTLED_AFTER_S: i64 = 2;

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

    /// Whether the next write gets another stamp for certain. Many file systems tell times apart by some milliseconds
    /// only, and a write of as many octets right after this one would look like none.
    fn is_settled(&self, now: Timestamp) -> bool {
        self.changed.0 < now.unix_ms() / 1000 - SETTLED_AFTER_S
    }
}

impl ZoneFiles {
    /// Reads all of them. At start, everything must be right.
    ///
    /// # Errors
    /// Every error in every file, a line each.
    pub(super) fn open(dir: &Path, clock: Clock) -> Result<(Self, Vec<ZoneFile>), String> {
        let stamps = zonefile::paths(dir)
            .into_iter()
            .flatten()
            .filter_map(|path| Some((zonefile::origin_of(&path).ok()?, Stamp::of(&path)?)))
            .filter(|(_, stamp)| stamp.is_settled(clock.now()))
            .collect();
        let files = zonefile::read_dir(dir).map_err(|errors| {
            let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
            lines.join("\n")
        })?;
        files.iter().for_each(warn);
        let open = Self {
            dir: dir.to_owned(),
            clock,
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
        let files = by_origin(paths);
        let (mut same, mut read, mut gone) = (0, 0, 0);
        // Refused for now: what stands in the way of one file may go with the next.
        let mut waiting: Vec<(Put, Rejection)> = Vec::new();
        // Files that went come first, since they make room.
        for zone in current.snapshot().state.zones.values() {
            if zone.contents.is_some() && !files.contains_key(&zone.name) {
                stamps.remove(&zone.name);
                let put = Put {
                    path: self.dir.clone(),
                    zone: zone.name.clone(),
                    contents: None,
                    stamp: None,
                };
                gone += usize::from(put.make(writer, &mut stamps, &mut waiting));
            }
        }
        for (origin, paths) in files {
            let [path] = &paths[..] else {
                let paths: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
                tracing::error!(
                    "SIGHUP: zone {origin} stays what it was: {} are all of it; keep one",
                    paths.join(", ")
                );
                stamps.remove(&origin);
                continue;
            };
            let stamp = Stamp::of(path);
            if stamp.is_some() && stamps.get(&origin) == stamp.as_ref() {
                same += 1;
                continue;
            }
            // Until it is right and taken it is read each time, and said to be wrong.
            stamps.remove(&origin);
            match zonefile::read(path, Some(&origin)) {
                Ok(file) => {
                    warn(&file);
                    let put = Put {
                        path: file.path,
                        zone: origin,
                        contents: Some(file.contents),
                        stamp: stamp.filter(|stamp| stamp.is_settled(self.clock.now())),
                    };
                    read += usize::from(put.make(writer, &mut stamps, &mut waiting));
                }
                Err(error) => tracing::error!("SIGHUP: zone {origin} stays what it was:\n{error}"),
            }
        }
        // Each round takes one at least.
        loop {
            let again = std::mem::take(&mut waiting);
            let before = again.len();
            for (put, _) in again {
                let is_gone = put.contents.is_none();
                let taken = usize::from(put.make(writer, &mut stamps, &mut waiting));
                *(if is_gone { &mut gone } else { &mut read }) += taken;
            }
            if waiting.is_empty() || waiting.len() == before {
                break;
            }
        }
        for (put, rejection) in waiting {
            tracing::error!(
                "SIGHUP: {}: {rejection}; zone {} stays what it was",
                put.path.display(),
                put.zone
            );
        }
        tracing::info!(read, same, gone, "SIGHUP: the zone files were read again");
    }
}

/// The files of each zone; of what is named after none is told.
fn by_origin(paths: Vec<PathBuf>) -> BTreeMap<ZoneName, Vec<PathBuf>> {
    let mut files: BTreeMap<ZoneName, Vec<PathBuf>> = BTreeMap::new();
    for path in paths {
        match zonefile::origin_of(&path) {
            Ok(origin) => files.entry(origin).or_default().push(path),
            Err(error) => tracing::error!("SIGHUP: {error}"),
        }
    }
    files
}

/// The changes that `files` make at start: those of zones that had other records when the server stopped, and of
/// zones whose file is gone. The others are attached to `state`.
pub(super) fn changes(mut files: Vec<ZoneFile>, state: &mut State) -> Vec<Change> {
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
    // A zone before those below it, which ask it whether they may be there.
    files.sort_by_key(|file| file.origin.labels().count());
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

/// A zone's records on their way to the writer.
struct Put {
    path: PathBuf,
    zone: ZoneName,
    contents: Option<Arc<Contents>>,
    /// To remember once they are taken.
    stamp: Option<Stamp>,
}

impl Put {
    /// Gives them to the writer; whether they were taken. What the catalog refuses waits.
    fn make(
        self,
        writer: &Writer,
        stamps: &mut HashMap<ZoneName, Stamp>,
        waiting: &mut Vec<(Self, Rejection)>,
    ) -> bool {
        let Self { zone, contents, .. } = &self;
        let records = contents.as_ref().map_or(0, |contents| contents.records());
        let change = Change::ZoneFile {
            zone: zone.clone(),
            contents: contents.clone(),
        };
        let request = Request {
            operations: vec![change.into()],
            actor: "zone file".into(),
        };
        match writer.submit_blocking(request) {
            Ok(done) => {
                let changed = done.effects.iter().any(Effect::changed);
                let serial = done.snapshot.state.zones.get(zone).map(|zone| zone.serial);
                tracing::info!(%zone, records, serial, changed, "SIGHUP: a zone file was read");
                stamps.extend(self.stamp.map(|stamp| (self.zone, stamp)));
                true
            }
            Err(Refusal::Rejected { rejection, .. }) => {
                waiting.push((self, rejection));
                false
            }
            Err(refusal) => {
                tracing::error!("SIGHUP: zone {zone} stays what it was: {refusal}");
                false
            }
        }
    }
}

fn warn(file: &ZoneFile) {
    for warning in &file.warnings {
        tracing::warn!("{}:{}: {}", file.path.display(), warning.line, warning.message);
    }
}
