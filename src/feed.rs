//! What was committed, in order, on its way from the writer to whoever tells it on.
//!
//! While nobody follows, a commit costs one lock that nobody else takes, and one number. While somebody does, the
//! writer leaves copies of its changes (pointers, mostly) in a bounded queue and goes on; whatever they are turned into
//! is made elsewhere. A queue that is full is emptied: the one who follows is told that something is missing, and has
//! the change log for it. So the writer never waits for a reader.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::catalog::{Image, Record};

/// Changes that wait to be told on; past it they are left to the change log.
pub const QUEUED_CHANGES_MAX: usize = 8192;
/// Octets of those changes, as [`octets`] reckons them.
pub const QUEUED_OCTETS_MAX: usize = 16 << 20;

/// A committed change with who made it.
#[derive(Clone, Debug)]
pub struct Change {
    /// The change.
    pub record: Record,
    /// Who: a token's name and an address, or a part of the server.
    pub by: Arc<str>,
}

/// What came since the last time.
#[derive(Debug)]
pub struct Taken {
    /// In order of index, each one more than the one before.
    pub changes: Vec<Change>,
    /// The index that the catalog has after them.
    pub index: u64,
    /// Whether changes before that index are missing here: then there are no others either.
    pub is_torn: bool,
}

/// The queue between the writer and the one who tells changes on.
#[derive(Debug)]
pub struct Feed {
    state: Mutex<State>,
    bell: Notify,
}

#[derive(Debug, Default)]
struct State {
    index: u64,
    is_followed: bool,
    queue: Vec<Change>,
    octets: usize,
    is_torn: bool,
}

impl State {
    fn empty(&mut self) {
        self.queue = Vec::new();
        self.octets = 0;
    }
}

impl Feed {
    /// Of a catalog that is at `index`.
    pub fn new(index: u64) -> Self {
        Self {
            state: Mutex::new(State {
                index,
                ..State::default()
            }),
            bell: Notify::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of `changes`, which are committed and published and brought the catalog to `index`. Only the writer
    /// calls it, after each batch and before it answers: who was answered finds the change here.
    pub fn committed<'a>(&self, index: u64, changes: impl Iterator<Item = (&'a Record, &'a Arc<str>)>) {
        let mut state = self.state();
        state.index = index;
        if !state.is_followed {
            return;
        }
        for (record, by) in changes {
            state.octets += octets(record);
            if state.queue.len() >= QUEUED_CHANGES_MAX || state.octets > QUEUED_OCTETS_MAX {
                state.empty();
                state.is_torn = true;
            }
            if state.is_torn {
                break;
            }
            state.queue.push(Change {
                record: record.clone(),
                by: by.clone(),
            });
        }
        drop(state);
        self.bell.notify_one();
    }

    /// Begins to queue changes: those after the index that is returned.
    pub fn follow(&self) -> u64 {
        let mut state = self.state();
        state.empty();
        state.is_torn = false;
        state.is_followed = true;
        state.index
    }

    /// Ends it.
    pub fn unfollow(&self) {
        let mut state = self.state();
        state.empty();
        state.is_torn = false;
        state.is_followed = false;
    }

    /// Waits for changes and takes all there are. Only one may wait at a time.
    pub async fn next(&self) -> Taken {
        loop {
            {
                let mut state = self.state();
                if state.is_torn || !state.queue.is_empty() {
                    let taken = Taken {
                        changes: std::mem::take(&mut state.queue),
                        index: state.index,
                        is_torn: std::mem::take(&mut state.is_torn),
                    };
                    state.empty();
                    return taken;
                }
            }
            // A bell that rang since is heard at once.
            self.bell.notified().await;
        }
    }
}

/// About how many octets a change holds on to.
pub fn octets(record: &Record) -> usize {
    const FIXED: usize = 512;
    FIXED + of_image(&record.before) + of_image(&record.after)
}

fn of_image(image: &Image) -> usize {
    const INSTANCE: usize = 256;
    match image {
        // Zones and services are shared with the catalog, but for what is changed in them.
        Image::Absent | Image::Zone(_) | Image::Service(_) => 64,
        Image::Instance(instance) => {
            let tags = instance.tags().iter().map(|tag| tag.as_str().len() + 16);
            let meta = instance.meta().iter();
            let meta = meta.map(|(key, value)| key.as_str().len() + value.as_str().len() + 32);
            let ports = instance.ports.len() * 32 + instance.addresses.len() * 17;
            // What was said about the instance and its ports, each up to 4 KiB.
            let said = instance
                .reported()
                .output
                .as_ref()
                .map_or(0, |output| output.as_str().len());
            let of_ports = instance.ports.iter().filter_map(|port| {
                let verdict = instance.reported_of(&port.name)?;
                Some(verdict.output.as_ref()?.as_str().len())
            });
            INSTANCE + tags.sum::<usize>() + meta.sum::<usize>() + ports + said + of_ports.sum::<usize>()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{Kind, ZoneName};
    use crate::clock::Timestamp;

    fn record(index: u64) -> Record {
        Record {
            index,
            at: Timestamp::default(),
            kind: Kind::Zone,
            zone: ZoneName::parse("svc.internal").expect("a zone"),
            service: None,
            id: None,
            before: Image::Absent,
            after: Image::Absent,
            serials: Vec::new(),
        }
    }

    fn commit(feed: &Feed, indexes: std::ops::RangeInclusive<u64>) {
        let records: Vec<_> = indexes.clone().map(record).collect();
        let by: Arc<str> = "test".into();
        feed.committed(*indexes.end(), records.iter().map(|record| (record, &by)));
    }

    fn indexes(taken: &Taken) -> Vec<u64> {
        taken.changes.iter().map(|change| change.record.index).collect()
    }

    #[tokio::test]
    async fn while_nobody_follows_nothing_is_kept_and_then_everything_after_where_one_began() {
        let feed = Feed::new(5);
        commit(&feed, 6..=7);
        assert!(feed.state().queue.is_empty());
        assert_eq!(feed.follow(), 7);
        commit(&feed, 8..=8);
        commit(&feed, 9..=10);
        let taken = feed.next().await;
        assert_eq!(
            (indexes(&taken), taken.index, taken.is_torn),
            (vec![8, 9, 10], 10, false)
        );
        feed.unfollow();
        commit(&feed, 11..=11);
        assert_eq!(feed.follow(), 11, "what came while nobody followed is in the log");
        assert!(feed.state().queue.is_empty());
    }

    #[tokio::test]
    async fn a_queue_past_its_bound_is_emptied_and_says_so_once() {
        let feed = Feed::new(0);
        feed.follow();
        commit(&feed, 1..=QUEUED_CHANGES_MAX as u64);
        commit(
            &feed,
            QUEUED_CHANGES_MAX as u64 + 1..=QUEUED_CHANGES_MAX as u64 + 2,
        );
        let taken = feed.next().await;
        assert!(taken.is_torn && taken.changes.is_empty());
        assert_eq!(taken.index, QUEUED_CHANGES_MAX as u64 + 2);
        commit(&feed, taken.index + 1..=taken.index + 1);
        let taken = feed.next().await;
        assert_eq!((taken.changes.len(), taken.is_torn), (1, false));
    }
}
