//! Names that stand in the message already, so that others can point at them (RFC 1035 §4.1.4).
//!
//! Answers of services know where each of their names stands and have no need of this; static records may hold any
//! name. The table is small and of fixed size: what does not fit is written out.

/// Suffixes that are remembered.
const ENTRIES_MAX: usize = 64;
/// Labels of the question that are remembered, counted from the root.
const QUESTION_LABELS_MAX: usize = 16;
/// Labels of the longest name.
const LABELS_MAX: usize = 128;
/// A pointer can name the first 16,383 octets of a message.
const POINTER_MAX: usize = 0x3fff;

/// A suffix of a name in the message: a hash without regard to case, and where it stands.
#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    hash: u32,
    at: u16,
}

/// Names in the message.
#[derive(Debug)]
pub(super) struct Names {
    entries: [Entry; ENTRIES_MAX],
    len: usize,
}

/// A name taken apart.
struct Parts {
    /// Where each label begins.
    starts: [u8; LABELS_MAX],
    /// The hash of the suffix that begins there.
    hashes: [u32; LABELS_MAX],
    labels: usize,
}

impl Parts {
    /// Of a name in wire form without pointers.
    fn of(name: &[u8]) -> Self {
        let mut parts = Self {
            starts: [0; LABELS_MAX],
            hashes: [0; LABELS_MAX],
            labels: 0,
        };
        let mut at = 0;
        while let Some(octets) = name.get(at).copied().filter(|octets| *octets > 0) {
            if parts.labels == LABELS_MAX {
                break;
            }
            parts.starts[parts.labels] = at as u8;
            parts.labels += 1;
            at += 1 + usize::from(octets);
        }
        let mut hash = 0x811c_9dc5_u32;
        for label in (0..parts.labels).rev() {
            let start = usize::from(parts.starts[label]);
            let end = start + 1 + usize::from(name[start]);
            for octet in name.get(start..end).unwrap_or_default() {
                hash = (hash ^ u32::from(octet.to_ascii_lowercase())).wrapping_mul(0x0100_0193);
            }
            parts.hashes[label] = hash;
        }
        parts
    }
}

impl Names {
    pub(super) const fn new() -> Self {
        Self {
            entries: [Entry { hash: 0, at: 0 }; ENTRIES_MAX],
            len: 0,
        }
    }

    /// Begins a message.
    pub(super) fn clear(&mut self) {
        self.len = 0;
    }

    /// How many are remembered, to go back to.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Forgets those after the first `len`.
    pub(super) fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// Remembers the question's name, if it is not yet.
    pub(super) fn note_question(&mut self, message: &[u8], start: usize) {
        if self.len > 0 {
            return;
        }
        let name = &message[start..];
        let parts = Parts::of(name);
        for label in parts.labels.saturating_sub(QUESTION_LABELS_MAX)..parts.labels {
            self.add(parts.hashes[label], start + usize::from(parts.starts[label]));
        }
    }

    /// Remembers a name that was written whole at `start`.
    pub(super) fn note(&mut self, name: &[u8], start: usize) {
        let parts = Parts::of(name);
        for label in 0..parts.labels {
            self.add(parts.hashes[label], start + usize::from(parts.starts[label]));
        }
    }

    /// What of `name` is to be written before a pointer, and the pointer's target; all of it if none is known.
    /// Remembers what is going to stand at `at`.
    pub(super) fn split(&mut self, name: &[u8], message: &[u8], at: usize) -> (usize, Option<u16>) {
        let parts = Parts::of(name);
        for label in 0..parts.labels {
            let start = usize::from(parts.starts[label]);
            let known = self.entries[..self.len].iter().find(|entry| {
                entry.hash == parts.hashes[label] && is_same(message, usize::from(entry.at), &name[start..])
            });
            if let Some(known) = known {
                let target = known.at;
                for label in 0..label {
                    self.add(parts.hashes[label], at + usize::from(parts.starts[label]));
                }
                return (start, Some(target));
            }
        }
        for label in 0..parts.labels {
            self.add(parts.hashes[label], at + usize::from(parts.starts[label]));
        }
        (name.len(), None)
    }

    /// Where `name` stands as a whole.
    pub(super) fn find(&self, name: &[u8], message: &[u8]) -> Option<usize> {
        let parts = Parts::of(name);
        let hash = *parts.hashes[..parts.labels].first()?;
        let known = self.entries[..self.len]
            .iter()
            .find(|entry| entry.hash == hash && is_same(message, usize::from(entry.at), name))?;
        Some(usize::from(known.at))
    }

    fn add(&mut self, hash: u32, at: usize) {
        if self.len < ENTRIES_MAX && at <= POINTER_MAX {
            self.entries[self.len] = Entry { hash, at: at as u16 };
            self.len += 1;
        }
    }
}

/// Where the name at `at` in our own message ends: after its root, or after the pointer that goes on elsewhere.
pub(super) fn end(message: &[u8], mut at: usize) -> Option<usize> {
    for _ in 0..=LABELS_MAX {
        match *message.get(at)? {
            0 => return Some(at + 1),
            0xc0.. => return Some(at + 2),
            octets => at += 1 + usize::from(octets),
        }
    }
    None
}

/// Whether the name at `at` in our own message, pointers followed, is `name`, without regard to case.
pub(super) fn is_same(message: &[u8], mut at: usize, name: &[u8]) -> bool {
    let mut rest = name;
    // Each turn goes past a label or follows a pointer between two labels.
    for _ in 0..2 * LABELS_MAX {
        let Some(octets) = message.get(at).copied() else {
            return false;
        };
        if octets >= 0xc0 {
            let Some(low) = message.get(at + 1) else {
                return false;
            };
            at = usize::from(u16::from_be_bytes([octets & 0x3f, *low]));
            continue;
        }
        let end = 1 + usize::from(octets);
        let (Some(here), Some(there)) = (message.get(at..at + end), rest.get(..end)) else {
            return false;
        };
        if !here.eq_ignore_ascii_case(there) {
            return false;
        }
        if octets == 0 {
            return true;
        }
        rest = &rest[end..];
        at += end;
    }
    false
}
