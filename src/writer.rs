//! The only mutator: validate → commit → publish → acknowledge.
//!
//! One thread owns the store. It takes what has gathered in its queue, makes each request on a tentative state
//! (whole or not at all, and a refusal does not fail its neighbours), writes all of it in one transaction, publishes
//! one snapshot, and only then answers. While that transaction is in fsync the next requests gather: the batch grows
//! with the load and with the slowness of the disk, and no timer waits for company.
//!
//! If the commit fails, the tentative state is dropped and everybody is refused, also who was refused for what a
//! neighbour did: that neighbour did nothing in the end.

mod counting;
#[cfg(test)]
pub(crate) mod stepped;
pub(crate) mod steps;
mod thread;
mod waiting;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::catalog::{Effect, Operation, Rejection};
use crate::clock::Clock;
use crate::feed::Feed;
use crate::lease::Deadlines;
use crate::metrics::Metrics;
use crate::store::Store;
use crate::view::{Current, Snapshot};

use thread::Thread;

/// Requests that wait for the writer; past it they are refused as busy.
pub const QUEUED_REQUESTS_MAX: usize = 4096;
/// Operations of all requests that wait; past it requests are refused as busy. It bounds memory, for a batch has up to
/// 1,000, and leaves 256 clients with batches of 100 alone.
pub const QUEUED_OPERATIONS_MAX: usize = 32_768;
/// How often the writer looks, while the disk is full or another process holds a lock, whether it can go on.
const PROBE_EVERY: Duration = Duration::from_secs(1);
/// Operations in one transaction; the request that passes it is the last.
pub const COMMIT_OPERATIONS_MAX: usize = 2048;

/// Operations that are made together or not at all.
#[derive(Debug)]
pub struct Request {
    /// In order. One is the usual case.
    pub operations: Vec<Operation>,
    /// Who asks: a token's name and an address, or a part of the server.
    pub actor: Arc<str>,
}

/// What came of a request; it is on disk, and published.
#[derive(Debug)]
pub struct Done {
    /// One for each operation.
    pub effects: Vec<Effect>,
    /// The catalog's index after each operation.
    pub indexes: Vec<u64>,
    /// What is published with it.
    pub snapshot: Arc<Snapshot>,
}

/// Why a request was not done.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// One of its operations was refused: which, and why.
    #[error("{rejection}")]
    Rejected {
        /// Its place.
        at: usize,
        /// Why.
        rejection: Rejection,
    },
    /// The queue is full, or another process holds a lock: try again. 503 with Retry-After.
    #[error("{0}")]
    Busy(String),
    /// The disk is full: 507.
    #[error("the disk is full")]
    DiskFull {
        /// Whether a deregistration would still be done.
        leaving_works: bool,
    },
    /// The store failed; a restart is needed: 503.
    #[error("{0}")]
    ReadOnly(String),
    /// The server stops: 503.
    #[error("the server is stopping")]
    Stopping,
}

struct Job {
    request: Request,
    reply: oneshot::Sender<Result<Done, Refusal>>,
}

enum Message {
    Job(Job),
    Stop,
}

/// What the door and the thread share.
#[derive(Debug, Default)]
struct Shared {
    queued_operations: AtomicUsize,
    /// Why the last commit failed, until one succeeds.
    trouble: Mutex<Option<Refusal>>,
}

impl Shared {
    fn trouble(&self) -> MutexGuard<'_, Option<Refusal>> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The door to the writer's queue. Clones share it.
#[derive(Clone, Debug)]
pub struct Writer {
    queue: mpsc::Sender<Message>,
    shared: Arc<Shared>,
    metrics: Arc<Metrics>,
}

/// The writer's thread.
#[derive(Debug)]
pub struct Handle {
    queue: mpsc::Sender<Message>,
    thread: Option<JoinHandle<()>>,
}

/// Starts the writer over a store whose state `current` shows; it tells `feed` what it committed.
///
/// # Errors
/// No thread can be had.
pub fn start(
    store: Store,
    current: Arc<Current>,
    feed: Arc<Feed>,
    deadlines: Arc<Deadlines>,
    clock: Clock,
    metrics: Arc<Metrics>,
) -> std::io::Result<(Writer, Handle)> {
    counting::count_start(current.snapshot(), &metrics);
    let (queue, jobs) = mpsc::channel(QUEUED_REQUESTS_MAX);
    let shared = Arc::new(Shared::default());
    *shared.trouble() = store.failure().map(thread::refusal);
    let thread = Thread {
        store,
        current,
        feed,
        deadlines,
        clock,
        shared: shared.clone(),
        metrics: metrics.clone(),
        steps: steps::Steps::default(),
    };
    let running = std::thread::Builder::new()
        .name("writer".into())
        .spawn(move || thread.run(jobs))?;
    Ok((
        Writer {
            queue: queue.clone(),
            shared,
            metrics,
        },
        Handle {
            queue,
            thread: Some(running),
        },
    ))
}

impl Writer {
    /// Hands `request` to the writer and waits until it is on disk and published.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn submit(&self, request: Request) -> Result<Done, Refusal> {
        let outcome = match self.send(request) {
            Ok(answer) => answer.await.unwrap_or(Err(Refusal::Stopping)),
            Err(refusal) => Err(refusal),
        };
        outcome.inspect_err(|refusal| counting::count_refusal(refusal, &self.metrics))
    }

    /// The same from a thread outside the runtime.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn submit_blocking(&self, request: Request) -> Result<Done, Refusal> {
        let wait = |answer: oneshot::Receiver<_>| answer.blocking_recv().unwrap_or(Err(Refusal::Stopping));
        let outcome = self.send(request).and_then(wait);
        outcome.inspect_err(|refusal| counting::count_refusal(refusal, &self.metrics))
    }

    fn send(&self, request: Request) -> Result<oneshot::Receiver<Result<Done, Refusal>>, Refusal> {
        let count = request.operations.len();
        let full = || Refusal::Busy("the writer's queue is full; try again".into());
        // Only a bound: a race lets one more batch in at most.
        if self.shared.queued_operations.fetch_add(count, Ordering::Relaxed) > QUEUED_OPERATIONS_MAX {
            self.shared.queued_operations.fetch_sub(count, Ordering::Relaxed);
            return Err(full());
        }
        let (reply, answer) = oneshot::channel();
        self.queue
            .try_send(Message::Job(Job { request, reply }))
            .map_err(|error| {
                self.shared.queued_operations.fetch_sub(count, Ordering::Relaxed);
                match error {
                    mpsc::error::TrySendError::Full(_) => full(),
                    mpsc::error::TrySendError::Closed(_) => Refusal::Stopping,
                }
            })?;
        Ok(answer)
    }

    /// How many requests wait, and how many operations they have.
    pub fn queued(&self) -> (usize, usize) {
        let requests = self.queue.max_capacity() - self.queue.capacity();
        (requests, self.shared.queued_operations.load(Ordering::Relaxed))
    }

    /// Why writes are refused, if they are.
    pub fn trouble(&self) -> Option<Refusal> {
        if self.queue.is_closed() {
            return Some(Refusal::Stopping);
        }
        self.shared.trouble().clone()
    }
}

impl Handle {
    /// Makes what is queued, closes the store, and ends. Later requests are refused as [`Refusal::Stopping`].
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        // A full queue is being worked off; the message fits soon. A closed one has ended already.
        let mut message = Message::Stop;
        while let Err(mpsc::error::TrySendError::Full(back)) = self.queue.try_send(message) {
            message = back;
            std::thread::yield_now();
        }
        if thread.join().is_err() {
            tracing::error!("the writer ended by a panic; what it had acknowledged is on disk");
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests;
