//! The only mutator: validate → commit → publish → acknowledge.
//!
//! One thread owns the store. It takes what has gathered in its queue, makes each request on a tentative state
//! (whole or not at all, and a refusal does not fail its neighbours), writes all of it in one transaction, publishes
//! one snapshot, and only then answers. While that transaction is in fsync the next requests gather: the batch grows
//! with the load and with the slowness of the disk, and no timer waits for company.
//!
//! If the commit fails, the tentative state is dropped and everybody is refused, also who was refused for what a
//! neighbour did: that neighbour did nothing in the end.

use std::collections::{BTreeSet, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::{mpsc, oneshot};

use crate::catalog::{Change, Effect, Image, InstanceKey, Kind, Operation, Record, Rejection, State};
use crate::clock::Clock;
use crate::lease::Deadlines;
use crate::store::{Batch, CommitError, Entry, Store};
use crate::view::{Current, Snapshot};

/// Requests that wait for the writer; past it they are refused as busy.
pub const QUEUED_REQUESTS_MAX: usize = 4096;
/// Operations of all requests that wait; past it requests are refused as busy. It bounds memory: a batch has 1,000.
pub const QUEUED_OPERATIONS_MAX: usize = 16_384;
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
    DiskFull,
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
}

/// The writer's thread.
#[derive(Debug)]
pub struct Handle {
    queue: mpsc::Sender<Message>,
    thread: Option<JoinHandle<()>>,
}

/// Starts the writer over a store whose state `current` shows.
///
/// # Errors
/// No thread can be had.
pub fn start(
    store: Store,
    current: Arc<Current>,
    deadlines: Arc<Deadlines>,
    clock: Clock,
) -> std::io::Result<(Writer, Handle)> {
    let (queue, jobs) = mpsc::channel(QUEUED_REQUESTS_MAX);
    let shared = Arc::new(Shared::default());
    let thread = Thread {
        store,
        current,
        deadlines,
        clock,
        shared: shared.clone(),
    };
    let running = std::thread::Builder::new()
        .name("writer".into())
        .spawn(move || thread.run(jobs))?;
    Ok((
        Writer {
            queue: queue.clone(),
            shared,
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
        self.send(request)?.await.unwrap_or(Err(Refusal::Stopping))
    }

    /// The same from a thread outside the runtime.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn submit_blocking(&self, request: Request) -> Result<Done, Refusal> {
        self.send(request)?
            .blocking_recv()
            .unwrap_or(Err(Refusal::Stopping))
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

struct Thread {
    store: Store,
    current: Arc<Current>,
    deadlines: Arc<Deadlines>,
    clock: Clock,
    shared: Arc<Shared>,
}

/// A request that was made on the tentative state, or refused.
struct Tried {
    request: Request,
    reply: oneshot::Sender<Result<Done, Refusal>>,
    outcome: Result<(Vec<Effect>, Vec<u64>), Refusal>,
    /// Leases that it lets lapse.
    lapses: Vec<InstanceKey>,
}

impl Thread {
    fn run(mut self, mut jobs: mpsc::Receiver<Message>) {
        let mut stopping = false;
        while let Some(first) = jobs.blocking_recv() {
            let (mut batch, mut operations) = (Vec::new(), 0);
            let mut next = Some(first);
            while let Some(message) = next {
                match message {
                    Message::Stop => {
                        stopping = true;
                        jobs.close();
                    }
                    Message::Job(job) => {
                        operations += job.request.operations.len();
                        batch.push(job);
                    }
                }
                next = if operations < COMMIT_OPERATIONS_MAX {
                    jobs.try_recv().ok()
                } else {
                    None
                };
            }
            self.shared
                .queued_operations
                .fetch_sub(operations, Ordering::Relaxed);
            self.make(batch);
            self.current.sweep();
        }
        debug_assert!(stopping, "the queue ends by a stop");
        if let Err(error) = self.store.close() {
            tracing::error!(%error, "closing the store failed; what was acknowledged is on disk");
        }
    }

    fn make(&mut self, batch: Vec<Job>) {
        let snapshot = self.current.snapshot();
        let mut state = snapshot.state.clone();
        // Renewals take effect after the commit; a lapse in the same batch must see them before.
        let mut renewed = HashSet::new();
        let tried: Vec<Tried> = batch
            .into_iter()
            .map(|job| self.attempt(job, &mut state, &mut renewed))
            .collect();
        let entries: Vec<Entry> = tried
            .iter()
            .filter_map(|tried| Some((tried, tried.outcome.as_ref().ok()?)))
            .flat_map(|(tried, (effects, _))| {
                let records = effects.iter().flat_map(|effect| &effect.records);
                records.map(|record| Entry {
                    record: record.clone(),
                    actor: tried.request.actor.clone(),
                })
            })
            .collect();
        let published = if entries.is_empty() {
            snapshot
        } else {
            let batch = Batch {
                before: &snapshot.state,
                after: &state,
                entries: &entries,
            };
            if let Err(error) = self.store.apply(&batch) {
                if matches!(error, CommitError::Full) && tried.len() > 1 {
                    // Each by itself: a deregistration has room where its neighbours have none.
                    self.take_back(&tried);
                    for Tried { request, reply, .. } in tried {
                        self.make(vec![Job { request, reply }]);
                    }
                    return;
                }
                self.refuse(tried, &error);
                return;
            }
            *self.shared.trouble() = None;
            let records = entries.iter().map(|entry| &entry.record);
            let next = Arc::new(snapshot.after(state, records));
            self.current.publish(next.clone());
            self.follow(&next.state, entries.iter().map(|entry| &entry.record));
            next
        };
        for key in &renewed {
            self.deadlines.renew(key);
        }
        for tried in tried {
            let answer = tried.outcome.map(|(effects, indexes)| Done {
                effects,
                indexes,
                snapshot: published.clone(),
            });
            // Who asked may be gone.
            drop(tried.reply.send(answer));
        }
    }

    /// Makes a request on the tentative state, whole or not at all. Leases that it renews, changed or not, are added
    /// to `renewed`.
    fn attempt(&self, job: Job, state: &mut State, renewed: &mut HashSet<InstanceKey>) -> Tried {
        let Job { request, reply } = job;
        let operations = &request.operations;
        let now = self.clock.now();
        let mut attempt = state.clone();
        let (mut effects, mut indexes) = (
            Vec::with_capacity(operations.len()),
            Vec::with_capacity(operations.len()),
        );
        let (mut renews, mut lapses) = (Vec::new(), Vec::new());
        let mut outcome = Ok(());
        for (at, operation) in operations.iter().enumerate() {
            match &operation.change {
                Change::Lapse { key } if renewed.contains(key) || !self.deadlines.begin_lapse(key) => {
                    effects.push(Effect::default());
                    indexes.push(attempt.index);
                    continue;
                }
                Change::Lapse { key } => lapses.push(key.clone()),
                Change::Register { key, .. } | Change::Report { key, .. } | Change::Heartbeat { key } => {
                    renews.push(key.clone());
                }
                _ => {}
            }
            match attempt.apply(operation, now) {
                Ok(effect) => {
                    effects.push(effect);
                    indexes.push(attempt.index);
                }
                Err(rejection) => {
                    outcome = Err(Refusal::Rejected { at, rejection });
                    break;
                }
            }
        }
        if outcome.is_ok() {
            *state = attempt;
            renewed.extend(renews);
        } else {
            for key in lapses.drain(..) {
                self.deadlines.undo_lapse(&key);
            }
        }
        Tried {
            request,
            reply,
            outcome: outcome.map(|()| (effects, indexes)),
            lapses,
        }
    }

    fn refuse(&self, tried: Vec<Tried>, error: &CommitError) {
        let refusal = match error {
            CommitError::Full => Refusal::DiskFull,
            CommitError::Busy => Refusal::Busy(error.to_string()),
            CommitError::Failed(_) => Refusal::ReadOnly(format!(
                "{error}; nothing is acknowledged any more until the server is restarted"
            )),
        };
        let known = self.shared.trouble().replace(refusal.clone());
        if known.as_ref() == Some(&refusal) {
            // Each client that tries again would write a line.
            tracing::debug!(requests = tried.len(), %error, "a commit failed again; none of it was done");
        } else {
            tracing::error!(requests = tried.len(), %error, "a commit failed; none of it was done");
        }
        self.take_back(&tried);
        for tried in tried {
            drop(tried.reply.send(Err(refusal.clone())));
        }
    }

    /// The leases that were to lapse run on.
    fn take_back(&self, tried: &[Tried]) {
        for key in tried.iter().flat_map(|tried| &tried.lapses) {
            self.deadlines.undo_lapse(key);
        }
    }

    /// Brings the deadlines in line with what was committed.
    fn follow<'r>(&self, state: &State, records: impl Iterator<Item = &'r Record>) {
        let mut services = BTreeSet::new();
        for record in records {
            let Some(service) = &record.service else {
                self.deadlines.follow_zone(state, &record.zone);
                continue;
            };
            services.insert((&record.zone, service));
            if let Some(id) = &record.id {
                let key = InstanceKey {
                    zone: record.zone.clone(),
                    service: service.clone(),
                    id: id.clone(),
                };
                let instance = match &record.after {
                    Image::Instance(instance) => Some(&**instance),
                    _ => None,
                };
                log_transition(record, &key);
                self.deadlines.follow(&key, instance);
            }
        }
        for (zone, service) in services {
            self.deadlines.follow_service(state, zone, service);
        }
    }
}

/// What an operator wants to see without asking: instances that time took away or gave back.
fn log_transition(record: &Record, key: &InstanceKey) {
    match record.kind {
        Kind::Lapse => tracing::info!(instance = %key, "its lease lapsed: critical from now on"),
        Kind::Revive => tracing::info!(instance = %key, "a heartbeat revived its lapsed lease"),
        _ => {}
    }
}

#[cfg(test)]
mod tests;
