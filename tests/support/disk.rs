//! A disk that loses power: what the calls of a trace left on it for certain, and what may be there besides.
//!
//! It is stricter than most: a name is on the disk once its folder was synced, what is in a file once the file was. Of what
//! was not, any part may be there: names up to some point, of data any set of blocks, some of them torn.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use fastrand::Rng;

use super::trace::{Call, Event};

const BLOCK: usize = 4096;
const SECTOR: usize = 512;

/// A file without its name.
#[derive(Clone, Debug, Default)]
struct File {
    synced: Vec<u8>,
    /// Not synced, each with the line in which it ended.
    pending: Vec<(usize, Change)>,
}

#[derive(Clone, Debug)]
enum Change {
    Write { at: usize, octets: Vec<u8> },
    Cut(usize),
}

impl Change {
    fn apply(&self, octets: &mut Vec<u8>) {
        match self {
            Self::Write { at, octets: new } => put(octets, *at, new),
            Self::Cut(length) => octets.resize(*length, 0),
        }
    }
}

fn put(octets: &mut Vec<u8>, at: usize, new: &[u8]) {
    let end = at + new.len();
    if octets.len() < end {
        octets.resize(end, 0);
    }
    octets[at..end].copy_from_slice(new);
}

type Names = BTreeMap<String, usize>;

/// The files in one folder.
#[derive(Debug)]
pub(crate) struct Disk {
    folder: String,
    files: Vec<File>,
    now: Names,
    synced: Names,
    /// All names after each change since the last sync of the folder.
    pending: Vec<Names>,
}

impl Disk {
    /// An empty folder.
    pub(crate) fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_str().expect("UTF-8").to_string(),
            files: Vec::new(),
            now: Names::new(),
            synced: Names::new(),
            pending: Vec::new(),
        }
    }

    /// The name below the folder.
    fn name(&self, path: &str) -> Option<String> {
        Some(path.strip_prefix(&self.folder)?.strip_prefix('/')?.to_string())
    }

    fn file(&mut self, path: &str) -> Option<&mut File> {
        let name = self.name(path)?;
        let place = *self.now.get(&name)?;
        Some(&mut self.files[place])
    }

    fn rename(&mut self, change: impl FnOnce(&mut Names)) {
        change(&mut self.now);
        self.pending.push(self.now.clone());
    }

    pub(crate) fn take(&mut self, event: &Event) {
        match &event.call {
            Call::Create { path, empties } => {
                let Some(name) = self.name(path) else { return };
                if !self.now.contains_key(&name) {
                    let place = self.files.len();
                    self.files.push(File::default());
                    self.rename(|names| {
                        names.insert(name, place);
                    });
                }
                if *empties {
                    self.change(path, event.ended, Change::Cut(0));
                }
            }
            Call::Write { path, at, octets } => {
                let octets = octets.clone();
                self.change(path, event.ended, Change::Write { at: *at, octets });
            }
            Call::Cut { path, octets } => self.change(path, event.ended, Change::Cut(*octets)),
            Call::Sync { path } if *path == self.folder => {
                self.synced = self.now.clone();
                self.pending.clear();
            }
            Call::Sync { path } => {
                if let Some(file) = self.file(path) {
                    // What was still under way when the sync began may have missed it.
                    let (done, pending) = std::mem::take(&mut file.pending)
                        .into_iter()
                        .partition(|(ended, _)| *ended < event.began);
                    file.pending = pending;
                    let done: Vec<_> = done;
                    for (_, change) in done {
                        change.apply(&mut file.synced);
                    }
                }
            }
            Call::Remove { path } => {
                if let Some(name) = self.name(path) {
                    self.rename(|names| {
                        names.remove(&name);
                    });
                }
            }
            Call::Rename { from, to } => {
                if let (Some(from), Some(to)) = (self.name(from), self.name(to)) {
                    self.rename(|names| {
                        let place = names.remove(&from).expect("what is renamed is there");
                        names.insert(to, place);
                    });
                }
            }
        }
    }

    fn change(&mut self, path: &str, ended: usize, change: Change) {
        if let Some(file) = self.file(path) {
            file.pending.push((ended, change));
        }
    }

    /// Writes what a power loss now might leave into `to`.
    pub(crate) fn lose_power(&self, random: &mut Rng, to: &Path) {
        let at = random.usize(..=self.pending.len());
        let names = if at == 0 {
            &self.synced
        } else {
            &self.pending[at - 1]
        };
        // All or nothing of what was not synced are likely states too.
        let kept = [0.0, 0.1, 0.5, 0.9, 1.0][random.usize(..5)];
        for (name, place) in names {
            let file = &self.files[*place];
            let mut octets = file.synced.clone();
            for (_, change) in &file.pending {
                match change {
                    Change::Cut(_) if random.f64() < kept => change.apply(&mut octets),
                    Change::Cut(_) => {}
                    Change::Write { at, octets: new } => {
                        let size = if random.u8(..8) == 0 { SECTOR } else { BLOCK };
                        for (part, piece) in new.chunks(size).enumerate() {
                            if random.f64() < kept {
                                put(&mut octets, at + part * size, piece);
                            }
                        }
                    }
                }
            }
            fs::write(to.join(name), octets).expect("room for what is left");
        }
    }
}
