//! The question's name in lower case, with its labels counted from the apex.
//!
//! Names are matched without regard to case (RFC 4343) but the question is echoed as it was asked, so this copy is
//! for looking up only. It lives on the stack.

use super::gate::NAME_OCTETS_MAX;

/// Labels of the longest name: 127 of one octet each.
const LABELS_MAX: usize = 128;

/// Octets that are folded at once, whatever the name has of them.
const STEP_OCTETS: usize = 32;
/// Octets of the longest name in whole steps.
const WIRE_OCTETS: usize = NAME_OCTETS_MAX.next_multiple_of(STEP_OCTETS);

/// A name in lower case.
pub(super) struct Folded {
    wire: [u8; WIRE_OCTETS],
    len: usize,
    /// Where each label's length octet stands, the leftmost label first.
    offsets: [u8; LABELS_MAX],
    labels: usize,
}

impl Folded {
    /// Folds a name that the gate has passed: well formed, without pointers, at most 255 octets.
    pub(super) fn new(name: &[u8]) -> Option<Self> {
        let mut folded = Self {
            wire: [0; WIRE_OCTETS],
            len: name.len(),
            offsets: [0; LABELS_MAX],
            labels: 0,
        };
        folded.wire.get_mut(..name.len())?.copy_from_slice(name);
        // Length octets are at most 63, below the letters: folding the whole cannot change them.
        let (steps, _) = folded.wire.as_chunks_mut::<STEP_OCTETS>();
        for step in steps.iter_mut().take(name.len().div_ceil(STEP_OCTETS)) {
            step.make_ascii_lowercase();
        }
        let mut at = 0;
        while let Some(octets) = name.get(at).copied().filter(|octets| *octets > 0) {
            *folded.offsets.get_mut(folded.labels)? = at as u8;
            folded.labels += 1;
            at += 1 + usize::from(octets);
        }
        Some(folded)
    }

    /// The name at `start` in a message of our own, pointers followed.
    pub(super) fn read(message: &[u8], start: usize) -> Option<Self> {
        let mut name = [0; NAME_OCTETS_MAX];
        let (mut at, mut len) = (start, 0);
        // Each turn reads a label or follows a pointer between two labels.
        for _ in 0..2 * LABELS_MAX {
            let octets = *message.get(at)?;
            if octets >= 0xc0 {
                at = usize::from(u16::from_be_bytes([octets & 0x3f, *message.get(at + 1)?]));
                continue;
            }
            let end = 1 + usize::from(octets);
            name.get_mut(len..len + end)?
                .copy_from_slice(message.get(at..at + end)?);
            (at, len) = (at + end, len + end);
            if octets == 0 {
                return Self::new(&name[..len]);
            }
        }
        None
    }

    /// All of it in wire form.
    pub(super) fn wire(&self) -> &[u8] {
        &self.wire[..self.len]
    }

    /// The `depth` labels before the last `labels` ones, without a root octet.
    pub(super) fn below(&self, labels: usize, depth: usize) -> &[u8] {
        &self.wire[self.offset(labels + depth)..self.offset(labels)]
    }

    /// What stands before the last `labels` labels, without a root octet.
    pub(super) fn below_zone(&self, labels: usize) -> &[u8] {
        self.below(labels, self.labels - labels)
    }

    /// Whether its last `labels` labels are `apex`, in lower case.
    pub(super) fn is_in(&self, apex: &[u8], labels: usize) -> bool {
        self.labels >= labels && self.suffix(labels) == apex
    }

    /// How many labels it has, the root not counted.
    pub(super) fn labels(&self) -> usize {
        self.labels
    }

    /// The last `labels` labels with the root: a suffix in wire form.
    pub(super) fn suffix(&self, labels: usize) -> &[u8] {
        &self.wire[self.offset(labels)..self.len]
    }

    /// Where that suffix begins.
    pub(super) fn offset(&self, labels: usize) -> usize {
        if labels == 0 {
            self.len.saturating_sub(1)
        } else {
            usize::from(self.offsets[self.labels - labels])
        }
    }

    /// The label number `at` counted from the root, the topmost being 1.
    pub(super) fn label(&self, at: usize) -> &[u8] {
        let start = usize::from(self.offsets[self.labels - at]);
        let octets = usize::from(self.wire[start]);
        &self.wire[start + 1..start + 1 + octets]
    }
}
