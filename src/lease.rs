//! Deadlines in memory: leases, removals that follow a lapse or a drain, and names that are to be forgotten.
//!
//! None of them is ever written down: after a restart each begins anew. They are counted on [`Running`] time, so a
//! paused process or a clock that jumps expires nothing. A renewal touches one entry of one shard and neither the
//! writer nor the disk: the queue keeps the old deadline, and finds the later one when it comes up.
//!
//! A deadline that has passed only *asks*: it becomes a change that the writer makes, and for a lapse the writer looks
//! at the deadline again ([`Deadlines::begin_lapse`]). From that moment a renewal goes through the writer, too, and
//! revives; so a heartbeat that was answered is never undone by a lapse decided before it.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::catalog::limits::LEASE_AFTER_START_MIN;
use crate::catalog::{Change, Drain, Due, Instance, InstanceKey, KnownName, ServiceName, State, ZoneName};
use crate::clock::{Alarm, Clock, Running, Timestamp};

/// Locks that heartbeats share: more than cores, so that they seldom meet.
const SHARDS: usize = 16;

/// How long a deadline whose change was refused waits before it asks again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Entries of a queue that may stand for nothing any more, beside one for each that does.
const STALE_MAX: usize = 1024;

/// What became of a renewal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewal {
    /// The lease has its full length again.
    Renewed,
    /// The lease has lapsed: only a change through the writer ([`Change::Heartbeat`]) revives it.
    Lapsed,
    /// There is no lease of that key: the instance has none, or does not exist.
    None,
}

#[derive(Debug, Default)]
struct Entry {
    lease: Option<Lease>,
    /// When it is removed because it lapsed at that time.
    after_lapse: Option<(Running, Timestamp)>,
    /// When it is removed because of that drain.
    after_drain: Option<(Running, Drain)>,
    /// The earliest deadline that stands for it in the queue.
    queued: Option<Running>,
}

#[derive(Clone, Copy, Debug)]
struct Lease {
    length: Duration,
    until: Running,
    /// It lapsed, or the writer is about to say so.
    lapsed: bool,
}

impl Entry {
    fn next(&self) -> Option<Running> {
        let lease = self.lease.filter(|lease| !lease.lapsed).map(|lease| lease.until);
        [
            lease,
            self.after_lapse.map(|(at, _)| at),
            self.after_drain.map(|(at, _)| at),
        ]
        .into_iter()
        .flatten()
        .min()
    }
}

type Queue<K> = BinaryHeap<Reverse<(Running, K)>>;

#[derive(Debug, Default)]
struct Shard {
    entries: HashMap<Arc<InstanceKey>, Entry, foldhash::fast::RandomState>,
    queue: Queue<Arc<InstanceKey>>,
}

impl Shard {
    /// Queues the entry's next deadline, unless an earlier one is queued already.
    fn enqueue(&mut self, key: &Arc<InstanceKey>, not_before: Running) {
        let Some(entry) = self.entries.get_mut(key) else {
            return;
        };
        let Some(next) = entry.next().map(|next| next.max(not_before)) else {
            return;
        };
        if entry.queued.is_none_or(|queued| next < queued) {
            entry.queued = Some(next);
            self.queue.push(Reverse((next, key.clone())));
        }
    }

    /// Drops what nobody waits for once it outweighs what somebody does: instances that come and go with long leases
    /// would fill the queue for as long as those run.
    fn compact(&mut self) {
        if self.queue.len() > 2 * self.entries.len() + STALE_MAX {
            let entries = &self.entries;
            self.queue
                .retain(|Reverse((at, key))| entries.get(key).is_some_and(|entry| entry.queued == Some(*at)));
        }
    }
}

/// Names without a bearer, by service.
#[derive(Debug, Default)]
struct Forgetting {
    services: HashMap<(ZoneName, ServiceName), Lingering>,
    queue: Queue<(ZoneName, ServiceName)>,
}

#[derive(Debug)]
struct Lingering {
    after: Duration,
    /// Each with the time it is known by, and when its wait began.
    names: Vec<(KnownName, Timestamp, Running)>,
    queued: Option<Running>,
}

/// The deadlines of all leases, removals and lingering names.
#[derive(Debug)]
pub struct Deadlines {
    clock: Clock,
    alarm: Arc<Alarm>,
    hasher: foldhash::fast::RandomState,
    shards: [Mutex<Shard>; SHARDS],
    forgetting: Mutex<Forgetting>,
}

impl Deadlines {
    /// No deadlines yet. `alarm` rings when an earlier one than before is set.
    pub fn new(clock: Clock, alarm: Arc<Alarm>) -> Self {
        Self {
            clock,
            alarm,
            hasher: foldhash::fast::RandomState::default(),
            shards: std::array::from_fn(|_| Mutex::default()),
            forgetting: Mutex::default(),
        }
    }

    /// Begins every deadline of a catalog that was just loaded: a running lease has its full length, at least
    /// [`LEASE_AFTER_START_MIN`]; what has lapsed stays lapsed; every delay begins anew.
    pub fn load(&self, state: &State) {
        for zone in state.zones.values() {
            for service in zone.services.values() {
                for instance in &service.instances {
                    let key = || InstanceKey {
                        zone: zone.name.clone(),
                        service: service.name.clone(),
                        id: instance.id.clone(),
                    };
                    if instance.lease.is_some() || instance.drain.is_some() {
                        self.follow_instance(&key(), Some(instance), LEASE_AFTER_START_MIN);
                    }
                }
                if !service.lingering.is_empty() {
                    self.follow_service(state, &zone.name, &service.name);
                }
            }
        }
    }

    /// Brings the deadlines of one instance in line with what was committed. A lease that runs already runs on.
    pub fn follow(&self, key: &InstanceKey, instance: Option<&Instance>) {
        self.follow_instance(key, instance, Duration::ZERO);
    }

    fn follow_instance(&self, key: &InstanceKey, instance: Option<&Instance>, lease_min: Duration) {
        let now = self.clock.running();
        let mut shard = self.shard(key);
        let wanted = instance.filter(|instance| instance.lease.is_some() || instance.drain.is_some());
        let Some(instance) = wanted else {
            shard.entries.remove(key);
            shard.compact();
            return;
        };
        let (key, mut entry) = match shard.entries.remove_entry(key) {
            Some(known) => known,
            None => (Arc::new(key.clone()), Entry::default()),
        };
        entry.lease = instance.lease.map(|lease| {
            let length = lease.duration();
            let lapsed = instance.lapsed.is_some();
            match entry.lease {
                Some(known) if known.length == length && known.lapsed == lapsed => known,
                _ => Lease {
                    length,
                    until: now + length.max(lease_min),
                    lapsed,
                },
            }
        });
        entry.after_lapse = instance.lapsed.map(|at| match entry.after_lapse {
            Some(known) if known.1 == at => known,
            _ => (now + instance.deregister_after.duration(), at),
        });
        let drain = instance
            .drain
            .and_then(|drain| Some((drain, drain.delete_after?)));
        entry.after_drain = drain.map(|(drain, delay)| match entry.after_drain {
            // The delay as well as the time: a batch can give another one within the same millisecond.
            Some(known) if known.1 == drain => known,
            _ => (now + delay.duration(), drain),
        });
        shard.entries.insert(key.clone(), entry);
        shard.enqueue(&key, Running::START);
        drop(shard);
        self.alarm.ring();
    }

    /// Brings the names of one service that linger in line with what was committed.
    pub fn follow_service(&self, state: &State, zone: &ZoneName, name: &ServiceName) {
        let now = self.clock.running();
        let mut forgetting = locked(&self.forgetting);
        let found = state
            .zones
            .get(zone)
            .and_then(|zone| Some((zone, zone.services.get(name)?)));
        let Some((in_zone, service)) = found.filter(|(_, service)| !service.lingering.is_empty()) else {
            if !forgetting.services.is_empty() {
                forgetting.services.remove(&(zone.clone(), name.clone()));
                forgetting.compact();
            }
            return;
        };
        let key = (zone.clone(), name.clone());
        let known = forgetting.services.remove(&key);
        let (known_names, queued) = known.map_or((Vec::new(), None), |known| (known.names, known.queued));
        let begun: HashMap<_, _> = known_names
            .into_iter()
            .map(|(name, since, begun)| ((name, since), begun))
            .collect();
        let names = service
            .lingering
            .iter()
            .map(|lingering| {
                let key = (lingering.name.clone(), lingering.since);
                let begun = begun.get(&key).copied().unwrap_or(now);
                (key.0, key.1, begun)
            })
            .collect();
        let after = in_zone.forget_after(&service.settings);
        forgetting
            .services
            .insert(key.clone(), Lingering { after, names, queued });
        if forgetting.enqueue(&key, Running::START) {
            drop(forgetting);
            self.alarm.ring();
        }
    }

    /// Takes over a zone's changed `forget_after` for every name that lingers in it, or forgets them with the zone.
    pub fn follow_zone(&self, state: &State, zone: &ZoneName) {
        let names: Vec<_> = {
            let forgetting = locked(&self.forgetting);
            forgetting
                .services
                .keys()
                .filter(|key| key.0 == *zone)
                .map(|key| key.1.clone())
                .collect()
        };
        for name in names {
            self.follow_service(state, zone, &name);
        }
    }

    /// Renews the lease of `key` without the writer.
    pub fn renew(&self, key: &InstanceKey) -> Renewal {
        let now = self.clock.running();
        let mut shard = self.shard(key);
        match shard.entries.get_mut(key).and_then(|entry| entry.lease.as_mut()) {
            None => Renewal::None,
            Some(lease) if lease.lapsed => Renewal::Lapsed,
            Some(lease) => {
                // A lease that a restart lengthened is not cut short by its first heartbeat.
                lease.until = lease.until.max(now + lease.length);
                Renewal::Renewed
            }
        }
    }

    /// Looks at the deadline of a lease again: whether it has passed. If so, a renewal from now on answers
    /// [`Renewal::Lapsed`] until the lapse is committed, and then revived, or taken back by [`Self::undo_lapse`].
    pub fn begin_lapse(&self, key: &InstanceKey) -> bool {
        let now = self.clock.running();
        let mut shard = self.shard(key);
        let Some((key, entry)) = shard
            .entries
            .get_key_value(key)
            .map(|(key, _)| key.clone())
            .and_then(|key| {
                let entry = shard.entries.get_mut(&key)?;
                Some((key, entry))
            })
        else {
            return false;
        };
        match entry.lease.as_mut() {
            Some(lease) if !lease.lapsed && lease.until <= now => {
                lease.lapsed = true;
                true
            }
            _ => {
                shard.enqueue(&key, Running::START);
                false
            }
        }
    }

    /// The lapse was not committed: the lease is due still, and asks again.
    pub fn undo_lapse(&self, key: &InstanceKey) {
        let mut shard = self.shard(key);
        if let Some(lease) = shard.entries.get_mut(key).and_then(|entry| entry.lease.as_mut()) {
            lease.lapsed = false;
        }
    }

    /// When the lease of `key` ends, on the wall clock as it stands now. A lapsed one has no end ahead.
    pub fn lease_expires_at(&self, key: &InstanceKey) -> Option<Timestamp> {
        let shard = self.shard(key);
        let lease = shard.entries.get(key)?.lease.filter(|lease| !lease.lapsed)?;
        Some(self.on_wall(lease.until))
    }

    /// When `key` is removed, if that is due.
    pub fn remove_at(&self, key: &InstanceKey) -> Option<Timestamp> {
        let shard = self.shard(key);
        let entry = shard.entries.get(key)?;
        let after_lapse = entry.after_lapse.map(|(at, _)| at);
        let after_drain = entry.after_drain.map(|(at, _)| at);
        let at = [after_lapse, after_drain].into_iter().flatten().min()?;
        Some(self.on_wall(at))
    }

    fn on_wall(&self, at: Running) -> Timestamp {
        self.clock.now() + at.since(self.clock.running())
    }

    /// The next time that something may be due; none if there is no deadline at all.
    pub fn next(&self) -> Option<Running> {
        let mut next = locked(&self.forgetting).queue.peek().map(|Reverse((at, _))| *at);
        for shard in &self.shards {
            let head = locked(shard).queue.peek().map(|Reverse((at, _))| *at);
            next = [next, head].into_iter().flatten().min();
        }
        next
    }

    /// Takes at most `limit` deadlines that have passed, as the changes that they ask for. Each asks once, until it is
    /// committed or given back by [`Self::give_back`].
    pub fn take_due(&self, limit: usize) -> Vec<Change> {
        let now = self.clock.running();
        let mut due = Vec::new();
        for shard in &self.shards {
            let mut shard = locked(shard);
            while due.len() < limit && shard.queue.peek().is_some_and(|Reverse((at, _))| *at <= now) {
                let Some(Reverse((at, key))) = shard.queue.pop() else {
                    break;
                };
                let Some(entry) = shard.entries.get_mut(&key) else {
                    continue;
                };
                if entry.queued != Some(at) {
                    continue;
                }
                entry.queued = None;
                let removal = [
                    entry
                        .after_lapse
                        .filter(|(at, _)| *at <= now)
                        .map(|(_, since)| Due::Lapsed(since)),
                    entry
                        .after_drain
                        .filter(|(at, _)| *at <= now)
                        .map(|(_, drain)| Due::Drained(drain.since)),
                ];
                if let Some(why) = removal.into_iter().flatten().next() {
                    due.push(Change::Remove {
                        key: (*key).clone(),
                        due: why,
                    });
                } else if entry
                    .lease
                    .is_some_and(|lease| !lease.lapsed && lease.until <= now)
                {
                    due.push(Change::Lapse { key: (*key).clone() });
                } else {
                    // Renewed since it was queued.
                    shard.enqueue(&key, Running::START);
                }
            }
        }
        let mut forgetting = locked(&self.forgetting);
        while due.len() < limit && forgetting.queue.peek().is_some_and(|Reverse((at, _))| *at <= now) {
            let Some(Reverse((at, key))) = forgetting.queue.pop() else {
                break;
            };
            let Some(lingering) = forgetting.services.get_mut(&key) else {
                continue;
            };
            if lingering.queued != Some(at) {
                continue;
            }
            lingering.queued = None;
            let names: Vec<_> = lingering
                .names
                .iter()
                .filter(|(_, _, begun)| *begun + lingering.after <= now)
                .map(|(name, since, _)| (name.clone(), *since))
                .collect();
            if names.is_empty() {
                forgetting.enqueue(&key, Running::START);
            } else {
                due.push(Change::Forget {
                    zone: key.0,
                    service: key.1,
                    names,
                });
            }
        }
        due
    }

    /// Takes back deadlines whose changes were refused; they ask again a little later.
    pub fn give_back(&self, changes: &[Change]) {
        let later = self.clock.running() + RETRY_AFTER;
        for change in changes {
            match change {
                Change::Lapse { key } | Change::Remove { key, .. } => {
                    let mut shard = self.shard(key);
                    let known = shard.entries.get_key_value(key).map(|(key, _)| key.clone());
                    if let Some(key) = known {
                        shard.enqueue(&key, later);
                    }
                }
                Change::Forget { zone, service, .. } => {
                    locked(&self.forgetting).enqueue(&(zone.clone(), service.clone()), later);
                }
                _ => {}
            }
        }
    }

    fn shard(&self, key: &InstanceKey) -> MutexGuard<'_, Shard> {
        let hash = self.hasher.hash_one(key);
        locked(&self.shards[hash as usize % SHARDS])
    }
}

impl Forgetting {
    /// Queues a service's next deadline, unless an earlier one is queued; whether it was queued.
    fn enqueue(&mut self, key: &(ZoneName, ServiceName), not_before: Running) -> bool {
        let Some(lingering) = self.services.get_mut(key) else {
            return false;
        };
        let first = lingering
            .names
            .iter()
            .map(|(_, _, begun)| *begun + lingering.after)
            .min();
        let Some(next) = first.map(|next| next.max(not_before)) else {
            return false;
        };
        if lingering.queued.is_some_and(|queued| queued <= next) {
            return false;
        }
        lingering.queued = Some(next);
        self.queue.push(Reverse((next, key.clone())));
        true
    }

    /// As [`Shard::compact`].
    fn compact(&mut self) {
        if self.queue.len() > 2 * self.services.len() + STALE_MAX {
            let services = &self.services;
            self.queue.retain(|Reverse((at, key))| {
                services
                    .get(key)
                    .is_some_and(|lingering| lingering.queued == Some(*at))
            });
        }
    }
}

/// No call under these locks can fail half way, so what they guard is whole even if a holder panicked.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
