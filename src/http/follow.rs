//! Those who follow the catalog, watchers and waiting reads: how many there may be, and what is counted of them.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::metrics::Followers as Counted;

use super::call::Call;
use super::connection::{Answering, Following};
use super::problem::Problem;

/// Watches and reads that wait for a change, at once; past it 503.
pub const FOLLOWERS_MAX: usize = 12_288;
/// Octets that one of them costs the process while nothing happens, its connection of HTTP/1.1 with it: at most 288 MiB for
/// all. What is told to them is shared, or has bounds of its own (`docs/design/watch.md`).
pub const FOLLOWER_OCTETS_MAX: usize = 24 << 10;

/// How one follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// With a stream.
    Watches,
    /// With a read that waits.
    Waits,
}

/// The places of those who follow.
#[derive(Clone, Debug)]
pub(super) struct Places {
    free: Arc<Semaphore>,
    counted: Arc<Counted>,
}

impl Places {
    pub(super) fn new(max: usize, counted: Arc<Counted>) -> Self {
        Self {
            free: Arc::new(Semaphore::new(max)),
            counted,
        }
    }

    /// Gives the one who calls a place, if there is one.
    pub(super) fn take(&self, call: &Call, how: How) -> Result<Followed, Problem> {
        let Ok(place) = self.free.clone().try_acquire_owned() else {
            self.counted.refused();
            return Err(Problem::busy(
                "as many watches and waiting reads as are allowed are under way; try again",
            ));
        };
        let is_watch = how == How::Watches;
        let activity = call.activity.as_ref();
        self.counted.began(is_watch);
        Ok(Followed {
            _following: activity.map(|activity| activity.follow()),
            // A read is being answered anyway.
            _answering: activity.filter(|_| is_watch).map(|activity| activity.begin()),
            _place: place,
            counted: self.counted.clone(),
            is_watch,
        })
    }
}

/// The place of one who follows.
#[derive(Debug)]
pub(super) struct Followed {
    _following: Option<Following>,
    _answering: Option<Answering>,
    _place: OwnedSemaphorePermit,
    counted: Arc<Counted>,
    is_watch: bool,
}

impl Drop for Followed {
    fn drop(&mut self) {
        self.counted.ended(self.is_watch);
    }
}
