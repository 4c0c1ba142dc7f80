//! One broadcast for all who follow: each change comes in once, is turned into text once if anybody reads text, and is
//! kept for a while in a ring under the keys by which it is asked for.
//!
//! A follower has a topic (a key that somebody asked for) and the index that it has seen. It is woken by changes of its
//! topic alone, takes what is new there, and never scans what is not for it. What leaves the ring leaves the topics;
//! who was slower than that sees so by the index, and goes on from the change log. No follower is waited for.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::feed::{self, Feed, Taken};

use super::filter::{Interest, Told, interests, removes_zone};

/// Changes in the ring.
pub(super) const RING_CHANGES_MAX: usize = 16_384;
/// Octets of the ring: of the text of its changes, and of what they hold on to.
pub(super) const RING_OCTETS_MAX: usize = 16 << 20;

/// Followers that are woken in one go. A runtime that was given all of ten thousand at once would come to nobody else
/// until it is through with them: a write would wait for its acknowledgement as long as the last watcher for the change.
const WOKEN_AT_ONCE: usize = 64;
/// What a change costs for each topic that has it.
const TOPIC_OCTETS: usize = 2 * size_of::<usize>();

/// The broadcast.
#[derive(Debug)]
pub(in crate::http) struct Hub {
    feed: Arc<Feed>,
    state: Mutex<State>,
    is_closed: AtomicBool,
    bounds: Bounds,
}

/// What the ring holds at most.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    changes: usize,
    octets: usize,
}

#[derive(Debug, Default)]
struct State {
    /// Every change up to this one has been told on.
    index: u64,
    topics: HashMap<Interest, Listed, foldhash::fast::RandomState>,
    /// Oldest first.
    ring: VecDeque<Held>,
    octets: usize,
    /// Everybody must look: something was missing.
    is_torn: bool,
}

/// A topic with how many follow it.
#[derive(Debug)]
struct Listed {
    topic: Arc<Topic>,
    followers: usize,
    /// Those among them that read text.
    readers: usize,
}

/// A change in the ring: where it is also kept, and what it weighs.
#[derive(Debug)]
struct Held {
    index: u64,
    octets: usize,
    topics: Vec<Arc<Topic>>,
}

/// The changes of one key.
#[derive(Debug)]
struct Topic {
    /// Each for at most [`WOKEN_AT_ONCE`] of those who follow.
    bells: Mutex<Vec<watch::Sender<()>>>,
    kept: Mutex<Kept>,
}

#[derive(Debug)]
struct Kept {
    /// Oldest first.
    changes: VecDeque<Arc<Told>>,
    /// Of the changes up to this index nothing is known here any more.
    dropped: u64,
}

impl Topic {
    /// What wakes one more who follows.
    fn bell(&self) -> watch::Receiver<()> {
        let mut bells = self.bells.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bell) = bells.iter().find(|bell| bell.receiver_count() < WOKEN_AT_ONCE) {
            return bell.subscribe();
        }
        let (bell, receiver) = watch::channel(());
        bells.push(bell);
        receiver
    }

    /// Rings the bell of that number; whether there is one. Who comes later has seen what this one is rung for.
    fn ring(&self, number: usize) -> bool {
        let bells = self.bells.lock().unwrap_or_else(PoisonError::into_inner);
        bells.get(number).map(|bell| bell.send_replace(())).is_some()
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hub {
    pub(in crate::http) fn new(feed: Arc<Feed>) -> Self {
        Self::within(feed, RING_CHANGES_MAX, RING_OCTETS_MAX)
    }

    fn within(feed: Arc<Feed>, changes: usize, octets: usize) -> Self {
        Self {
            feed,
            state: Mutex::default(),
            is_closed: AtomicBool::new(false),
            bounds: Bounds { changes, octets },
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Follows the changes of `interest` from now on.
    pub(in crate::http) fn follow(self: &Arc<Self>, interest: Interest, reads_text: bool) -> Follower {
        let mut state = self.state();
        if state.topics.is_empty() {
            state.index = self.feed.follow();
        }
        let from = state.index;
        let listed = state.topics.entry(interest.clone()).or_insert_with(|| {
            let kept = Kept {
                changes: VecDeque::new(),
                dropped: from,
            };
            Listed {
                topic: Arc::new(Topic {
                    bells: Mutex::default(),
                    kept: Mutex::new(kept),
                }),
                followers: 0,
                readers: 0,
            }
        });
        listed.followers += 1;
        listed.readers += usize::from(reads_text);
        let topic = listed.topic.clone();
        let bell = topic.bell();
        drop(state);
        Follower {
            hub: self.clone(),
            interest,
            reads_text,
            topic,
            bell,
            seen: from,
        }
    }

    fn unfollow(&self, interest: &Interest, reads_text: bool) {
        let mut state = self.state();
        let Some(listed) = state.topics.get_mut(interest) else {
            return;
        };
        listed.followers -= 1;
        listed.readers -= usize::from(reads_text);
        if listed.followers == 0 {
            state.topics.remove(interest);
        }
        if state.topics.is_empty() {
            self.feed.unfollow();
            state.ring = VecDeque::new();
            state.octets = 0;
        }
    }

    /// Tells on what is committed, until it is dropped.
    pub(in crate::http) async fn broadcast(&self) {
        loop {
            let taken = self.feed.next().await;
            for topic in self.tell(taken) {
                let mut number = 0;
                while topic.ring(number) {
                    number += 1;
                    // Whoever has something else to do comes in between.
                    tokio::task::yield_now().await;
                }
            }
        }
    }

    /// Takes in what is committed; gives the topics that have something new, to be rung.
    fn tell(&self, taken: Taken) -> Vec<Arc<Topic>> {
        let mut new: HashMap<*const Topic, Arc<Topic>> = HashMap::new();
        for change in taken.changes {
            // The lock is let go between two changes: to turn a large one into text takes a while.
            let mut state = self.state();
            let index = change.record.index;
            if index <= state.index {
                // From before somebody began to follow.
                continue;
            }
            if index != state.index + 1 {
                state.tear(index - 1);
            }
            for topic in state.take(Told::of(change), self.bounds) {
                new.insert(Arc::as_ptr(&topic), topic);
            }
        }
        let mut state = self.state();
        if taken.is_torn && taken.index > state.index {
            state.tear(taken.index);
        }
        if std::mem::take(&mut state.is_torn) {
            let all = state.topics.values().map(|listed| &listed.topic);
            new.extend(all.map(|topic| (Arc::as_ptr(topic), topic.clone())));
        }
        drop(state);
        new.into_values().collect()
    }

    /// Ends everybody's following.
    pub(in crate::http) fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
        for listed in self.state().topics.values() {
            (0..)
                .take_while(|number| listed.topic.ring(*number))
                .for_each(drop);
        }
    }

    pub(in crate::http) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Acquire)
    }
}

impl State {
    /// Takes in the next change; returns the topics that have it.
    fn take(&mut self, told: Arc<Told>, bounds: Bounds) -> Vec<Arc<Topic>> {
        let record = &told.change.record;
        self.index = record.index;
        let mut topics = Vec::new();
        let mut is_read = false;
        let mut add = |listed: &Listed| {
            is_read |= listed.readers > 0;
            topics.push(listed.topic.clone());
        };
        for interest in interests(record) {
            if let Some(listed) = self.topics.get(&interest) {
                add(listed);
            }
        }
        if removes_zone(record) {
            let of_services = self.topics.iter();
            let of_services = of_services.filter(|(interest, _)| interest.service().is_some());
            for (_, listed) in of_services.filter(|(interest, _)| interest.has(record)) {
                add(listed);
            }
        }
        if topics.is_empty() {
            return topics;
        }
        // With its place in each topic, and each topic's place beside it: a zone that goes may have thousands.
        let mut octets = feed::octets(record) + topics.len() * TOPIC_OCTETS;
        if is_read {
            octets += told.line().octets();
        }
        for topic in &topics {
            topic.kept().changes.push_back(told.clone());
        }
        self.octets += octets;
        self.ring.push_back(Held {
            index: record.index,
            octets,
            topics: topics.clone(),
        });
        while self.ring.len() > bounds.changes || self.octets > bounds.octets {
            let Some(oldest) = self.ring.pop_front() else {
                break;
            };
            self.octets -= oldest.octets;
            for topic in oldest.topics {
                let mut kept = topic.kept();
                kept.dropped = oldest.index;
                kept.changes.pop_front();
            }
        }
        topics
    }

    /// Changes up to `index` are missing: whoever has not seen them goes on from the log.
    fn tear(&mut self, index: u64) {
        self.index = index;
        self.ring.clear();
        self.octets = 0;
        for listed in self.topics.values() {
            let mut kept = listed.topic.kept();
            kept.changes.clear();
            kept.dropped = index;
        }
        self.is_torn = true;
    }
}

/// Who follows a topic. Dropping it ends that.
#[derive(Debug)]
pub(in crate::http) struct Follower {
    hub: Arc<Hub>,
    interest: Interest,
    reads_text: bool,
    topic: Arc<Topic>,
    bell: watch::Receiver<()>,
    /// Changes up to this index are of no interest any more.
    seen: u64,
}

/// There is something new that is not to be had here any more: up to this index it is in the change log alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) struct Behind(pub(in crate::http) u64);

impl Follower {
    /// The index up to which everything has been seen.
    pub(in crate::http) const fn seen(&self) -> u64 {
        self.seen
    }

    /// Goes on from another index.
    pub(in crate::http) const fn go_on_from(&mut self, index: u64) {
        self.seen = index;
    }

    pub(in crate::http) const fn interest(&self) -> &Interest {
        &self.interest
    }

    /// Takes the changes that it has not seen, at most so many.
    pub(in crate::http) fn take(&mut self, max: usize) -> Result<Vec<Arc<Told>>, Behind> {
        let kept = self.topic.kept();
        if self.seen < kept.dropped {
            return Err(Behind(kept.dropped));
        }
        let from = kept.changes.partition_point(|told| told.index() <= self.seen);
        let new: Vec<_> = kept.changes.range(from..).take(max).cloned().collect();
        drop(kept);
        if let Some(last) = new.last() {
            self.seen = last.index();
        }
        Ok(new)
    }

    /// Waits until there may be something new, or everything ends.
    pub(in crate::http) async fn rung(&mut self) {
        // The sender lives in the topic that this holds.
        let _ = self.bell.changed().await;
    }

    /// Whether everything ends.
    pub(in crate::http) fn is_over(&self) -> bool {
        self.hub.is_closed()
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.hub.unfollow(&self.interest, self.reads_text);
    }
}

#[cfg(test)]
mod tests;
