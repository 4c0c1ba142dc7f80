//! The writer's thread: batches from the queue to the disk, to the view and back to who asked.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::{mpsc, oneshot};

use crate::catalog::{Change, Effect, Image, InstanceKey, Kind, Record, State};
use crate::clock::Clock;
use crate::feed::Feed;
use crate::lease::Deadlines;
use crate::metrics::Metrics;
use crate::store::{Batch, CommitError, Entry, Store};
use crate::view::Current;

use super::counting::count_changes;
use super::steps::{Step, Steps};
use super::{COMMIT_OPERATIONS_MAX, Done, Job, Message, PROBE_EVERY, Refusal, Request, Shared, waiting};

/// Leases that a batch renews.
type Renewed = HashSet<InstanceKey, foldhash::fast::RandomState>;

pub(super) struct Thread {
    pub(super) store: Store,
    pub(super) current: Arc<Current>,
    pub(super) feed: Arc<Feed>,
    pub(super) deadlines: Arc<Deadlines>,
    pub(super) clock: Clock,
    pub(super) shared: Arc<Shared>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) steps: Steps,
}

/// A request that was made on the tentative state, or refused.
struct Tried {
    request: Request,
    reply: oneshot::Sender<Result<Done, Refusal>>,
    outcome: Result<(Vec<Effect>, Vec<u64>), Refusal>,
    /// Leases that it lets lapse.
    lapses: Vec<InstanceKey>,
}

/// What those are told whose commit failed.
pub(super) fn refusal(error: &CommitError) -> Refusal {
    match error {
        CommitError::Full { leaving_works } => Refusal::DiskFull {
            leaving_works: *leaving_works,
        },
        CommitError::Busy => Refusal::Busy(error.to_string()),
        CommitError::Failed(_) => Refusal::ReadOnly(format!(
            "{error}; nothing is acknowledged any more until the server is restarted"
        )),
        CommitError::Older(_) => Refusal::ReadOnly(error.to_string()),
    }
}

impl Thread {
    pub(super) fn run(mut self, mut jobs: mpsc::Receiver<Message>) {
        let mut stopping = false;
        while let Some(first) = self.next(&mut jobs) {
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
            self.clock.stand();
            self.make(batch);
            if let Some(stall) = self.clock.go_on() {
                tracing::warn!(
                    ?stall,
                    "the disk kept the writer waiting; every deadline is put off by as much"
                );
            }
        }
        debug_assert!(stopping, "the queue ends by a stop");
        if let Err(error) = self.store.close() {
            tracing::error!(%error, "closing the store failed; what was acknowledged is on disk");
        }
    }

    /// The next message. While writing fails for a reason that may pass, it is looked now and then whether it did: nobody
    /// has to write to end the trouble.
    fn next(&mut self, jobs: &mut mpsc::Receiver<Message>) -> Option<Message> {
        while matches!(
            *self.shared.trouble(),
            Some(Refusal::DiskFull { .. } | Refusal::Busy(_))
        ) {
            if let Some(next) = waiting::within(jobs, PROBE_EVERY) {
                return next;
            }
            self.look_again();
        }
        jobs.blocking_recv()
    }

    pub(super) fn look_again(&mut self) {
        match self.store.probe() {
            Ok(()) => self.works_again(),
            Err(error) => drop(self.note(&error, 0)),
        }
    }

    fn works_again(&self) {
        if self.shared.trouble().take().is_some() {
            tracing::info!("the catalog can be written again");
        }
    }

    pub(super) fn make(&mut self, batch: Vec<Job>) {
        let snapshot = self.current.snapshot();
        let mut state = snapshot.state.clone();
        // Renewals take effect after the commit; a lapse in the same batch must see them before.
        let mut renewed = Renewed::default();
        let tried: Vec<Tried> = batch
            .into_iter()
            .map(|job| self.attempt(job, &mut state, &mut renewed))
            .collect();
        self.steps.pass(Step::Tried);
        let entries = entries(&tried);
        let published = if entries.is_empty() {
            snapshot
        } else {
            let batch = Batch {
                before: &snapshot.state,
                after: &state,
                entries: &entries,
            };
            let began = self.clock.lasted();
            if let Err(error) = self.store.apply(&batch) {
                drop(entries);
                self.metrics.writer.failed.fetch_add(1, Ordering::Relaxed);
                if matches!(error, CommitError::Full { .. }) && tried.len() > 1 {
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
            self.steps.pass(Step::Committed);
            if !self.store.is_full() {
                self.works_again();
            }
            let committed = self.clock.lasted();
            let records = || entries.iter().map(|entry| entry.record);
            let next = Arc::new(snapshot.after(state, records()));
            self.current.publish(next.clone());
            self.steps.pass(Step::Published);
            let published_after = self.clock.lasted().saturating_sub(committed);
            tracing::debug!(
                requests = tried.len(),
                changes = entries.len(),
                index = next.state.index,
                ?published_after,
                "committed"
            );
            let told = &self.metrics.writer;
            told.commit.took(committed.saturating_sub(began));
            told.publication.took(published_after);
            told.batch.observe(
                tried
                    .iter()
                    .map(|tried| tried.request.operations.len() as u64)
                    .sum(),
            );
            count_changes(records(), &self.metrics);
            self.follow(&next.state, records());
            self.feed.committed(next.state.index, made(&tried));
            drop(entries);
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
            self.steps.pass(Step::Told);
        }
        self.store.tidy();
        let (data_base, log) = self.store.octets();
        self.metrics
            .writer
            .data_base_octets
            .store(data_base, Ordering::Relaxed);
        self.metrics.writer.log_octets.store(log, Ordering::Relaxed);
        self.current.sweep();
    }

    /// Makes a request on the tentative state, whole or not at all. Leases that it renews, changed or not, are added
    /// to `renewed`.
    fn attempt(&self, job: Job, state: &mut State, renewed: &mut Renewed) -> Tried {
        let Job { request, reply } = job;
        let operations = &request.operations;
        let now = self.clock.now();
        // One operation is made whole or not at all by itself.
        let mut before = (operations.len() > 1).then(|| state.clone());
        let (mut effects, mut indexes) = (
            Vec::with_capacity(operations.len()),
            Vec::with_capacity(operations.len()),
        );
        let (mut renews, mut lapses) = (Vec::new(), Vec::new());
        let mut outcome = Ok(());
        for (at, operation) in operations.iter().enumerate() {
            match &operation.change {
                Change::Lapse { key } if renewed.contains(key) || !self.deadlines.begin_lapse(key, state) => {
                    effects.push(Effect::default());
                    indexes.push(state.index);
                    continue;
                }
                Change::Lapse { key } => lapses.push(key.clone()),
                // Without a lease there is nothing to renew, and nothing that could lapse.
                Change::Register { registration, .. } if registration.lease.is_none() => {}
                Change::Register { key, .. } | Change::Report { key, .. } | Change::Heartbeat { key } => {
                    renews.push(key.clone());
                }
                _ => {}
            }
            match state.apply(operation, now) {
                Ok(effect) => {
                    effects.push(effect);
                    indexes.push(state.index);
                }
                Err(rejection) => {
                    outcome = Err(Refusal::Rejected { at, rejection });
                    break;
                }
            }
        }
        if outcome.is_ok() {
            renewed.extend(renews);
        } else {
            if let Some(before) = before.take() {
                *state = before;
            }
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
        let refusal = self.note(error, tried.len());
        self.take_back(&tried);
        for tried in tried {
            drop(tried.reply.send(Err(refusal.clone())));
        }
    }

    /// Notes why a commit of so many requests failed, and gives what they are told.
    fn note(&self, error: &CommitError, requests: usize) -> Refusal {
        let refusal = refusal(error);
        let known = self.shared.trouble().replace(refusal.clone());
        if known.as_ref() == Some(&refusal) {
            // Each client that tries again would write a line.
            tracing::debug!(requests, %error, "a commit failed again; none of it was done");
        } else {
            tracing::error!(requests, %error, "a commit failed; none of it was done");
        }
        refusal
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
        let names_linger = self.deadlines.has_lingering_names();
        for record in records {
            let Some(service) = &record.service else {
                self.deadlines.follow_zone(state, &record.zone);
                continue;
            };
            // A new instance takes no name from its service, and gives a bearer to one only where names linger.
            let is_new = record.kind == Kind::Register && record.before == Image::Absent;
            if names_linger || !is_new {
                services.insert((&record.zone, service));
            }
            if let Some(id) = &record.id
                && [&record.before, &record.after].into_iter().any(has_deadline)
            {
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

/// What a batch did, change by change, and who asked for it.
fn made(tried: &[Tried]) -> impl Iterator<Item = (&Record, &Arc<str>)> {
    tried.iter().flat_map(|tried| {
        let effects = tried.outcome.iter().flat_map(|(effects, _)| effects);
        let records = effects.flat_map(|effect| &effect.records);
        records.map(|record| (record, &tried.request.actor))
    })
}

/// The same as the store takes it.
fn entries(tried: &[Tried]) -> Vec<Entry<'_>> {
    let mut entries = Vec::with_capacity(tried.len());
    entries.extend(made(tried).map(|(record, actor)| Entry { record, actor }));
    entries
}

/// Whether an instance has a lease or drains: no other has a deadline.
fn has_deadline(image: &Image) -> bool {
    matches!(image, Image::Instance(instance) if instance.lease.is_some() || instance.drain().is_some())
}

/// What an operator wants to see without asking: instances that time took away or gave back.
fn log_transition(record: &Record, key: &InstanceKey) {
    match record.kind {
        Kind::Lapse => tracing::info!(instance = %key, "its lease lapsed: critical from now on"),
        Kind::Revive => tracing::info!(instance = %key, "a heartbeat revived its lapsed lease"),
        _ => {}
    }
}
