//! What is kept of one instance: its lease, the removals that are to come, and its place in the queue.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use crate::catalog::InstanceKey;
use crate::clock::{Running, Timestamp};

use super::STALE_MAX;

#[derive(Debug, Default)]
pub(super) struct Entry {
    pub(super) lease: Option<Lease>,
    /// It is removed because it lapsed.
    pub(super) after_lapse: Option<Removal>,
    /// It is removed because it drains.
    pub(super) after_drain: Option<Removal>,
    /// The earliest deadline that stands for it in the queue.
    pub(super) queued: Option<Running>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Lease {
    pub(super) length: Duration,
    pub(super) until: Running,
    pub(super) standing: Standing,
}

/// How it is with a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It runs, or has run out and nobody has looked yet.
    Runs,
    /// It has run out, and the guard holds it.
    Held,
    /// The guard held it, and lets it lapse now; early, while it holds others.
    LetGo { early: bool },
    /// It lapsed, or the writer is about to say so; with the time at which the guard counted it, if it did.
    Lapsed { counted: Option<Running> },
}

impl Lease {
    pub(super) fn has_lapsed(&self) -> bool {
        matches!(self.standing, Standing::Lapsed { .. })
    }
}

/// A removal that is to come.
#[derive(Clone, Copy, Debug)]
pub(super) struct Removal {
    pub(super) at: Running,
    /// The time of the lapse or the drain, by which the change knows it.
    pub(super) since: Timestamp,
    /// How long after that. Two drains of one batch have one time and may differ in this alone.
    pub(super) delay: Duration,
}

impl Removal {
    /// The one that is known, if it follows from the same; else one that begins `now`.
    pub(super) fn begun(known: Option<Self>, since: Timestamp, delay: Duration, now: Running) -> Self {
        let at = now + delay;
        known
            .filter(|known| known.since == since && known.delay == delay)
            .unwrap_or(Self { at, since, delay })
    }
}

impl Entry {
    pub(super) fn next(&self) -> Option<Running> {
        let asks = |lease: &Lease| matches!(lease.standing, Standing::Runs | Standing::LetGo { .. });
        let lease = self.lease.filter(asks).map(|lease| lease.until);
        [
            lease,
            self.after_lapse.map(|removal| removal.at),
            self.after_drain.map(|removal| removal.at),
        ]
        .into_iter()
        .flatten()
        .min()
    }
}

pub(super) type Queue<K> = BinaryHeap<Reverse<(Running, K)>>;

#[derive(Debug, Default)]
pub(super) struct Shard {
    pub(super) entries: HashMap<Arc<InstanceKey>, Entry, foldhash::fast::RandomState>,
    pub(super) queue: Queue<Arc<InstanceKey>>,
}

impl Shard {
    /// Queues the entry's next deadline, unless an earlier one is queued already.
    pub(super) fn enqueue(&mut self, key: &Arc<InstanceKey>, not_before: Running) {
        let Some(entry) = self.entries.get_mut(key) else {
            return;
        };
        let Some(next) = entry.next().map(|next| next.max(not_before)) else {
            return;
        };
        if entry.queued.is_none_or(|queued| next < queued) {
            entry.queued = Some(next);
            self.queue.push(Reverse((next, key.clone())));
            self.compact();
        }
    }

    /// The next time that somebody waits for. What nobody waits for any more is dropped on the way to it, so that a server
    /// whose last lease is gone is not woken until that would have ended.
    pub(super) fn head(&mut self) -> Option<Running> {
        while let Some(Reverse((at, key))) = self.queue.peek() {
            if self
                .entries
                .get(key)
                .is_some_and(|entry| entry.queued == Some(*at))
            {
                return Some(*at);
            }
            self.queue.pop();
        }
        None
    }

    /// Drops what nobody waits for once it outweighs what somebody does: instances that come and go with long leases
    /// would fill the queue for as long as those run.
    pub(super) fn compact(&mut self) {
        if self.queue.len() > 2 * self.entries.len() + STALE_MAX {
            let entries = &self.entries;
            self.queue
                .retain(|Reverse((at, key))| entries.get(key).is_some_and(|entry| entry.queued == Some(*at)));
        }
    }
}
