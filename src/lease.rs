//! Deadlines in memory: leases, removals that follow a lapse or a drain, and names that are to be forgotten.
//!
//! None of them is ever written down: after a restart each begins anew. They are counted on [`Running`] time, so a
//! paused process or a clock that jumps expires nothing. A renewal touches one entry of one shard and neither the
//! writer nor the disk: the queue keeps the old deadline, and finds the later one when it comes up.
//!
//! A deadline that has passed only *asks*: it becomes a change that the writer makes, and for a lapse the writer looks
//! at the deadline again ([`Deadlines::begin_lapse`]). From that moment a renewal goes through the writer, too, and
//! revives; so a heartbeat that was answered is never undone by a lapse decided before it. If too many lapse at once,
//! further ones wait: see [`guard`].

mod entry;
mod forgetting;
pub mod guard;
mod lapse;

use std::cmp::Reverse;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::catalog::limits::LEASE_AFTER_START_MIN;
use crate::catalog::{Change, Due, Instance, InstanceKey, ServiceName, State, ZoneName};
use crate::clock::{Alarm, Clock, Running, Timestamp};
use crate::metrics;

use entry::{Entry, Lease, Queue, Removal, Shard, Standing};
use forgetting::Forgetting;
use guard::{Guard, Guarding};

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

/// The deadlines of all leases, removals and lingering names.
#[derive(Debug)]
pub struct Deadlines {
    clock: Clock,
    alarm: Arc<Alarm>,
    hasher: foldhash::fast::RandomState,
    shards: [Mutex<Shard>; SHARDS],
    forgetting: Mutex<Forgetting>,
    /// Taken after the lock of a shard, never before.
    guard: Mutex<Guard>,
}

impl Deadlines {
    /// No deadlines yet, guarded as by default. `alarm` rings when an earlier one than before is set.
    pub fn new(clock: Clock, alarm: Arc<Alarm>) -> Self {
        Self::guarded(clock, alarm, Guarding::default(), Arc::default())
    }

    /// The same with a guard of one's own, which counts in `counts`.
    pub fn guarded(clock: Clock, alarm: Arc<Alarm>, guarding: Guarding, counts: Arc<metrics::Guard>) -> Self {
        Self {
            clock,
            alarm,
            hasher: foldhash::fast::RandomState::default(),
            shards: std::array::from_fn(|_| Mutex::default()),
            forgetting: Mutex::default(),
            guard: Mutex::new(Guard::new(guarding, counts)),
        }
    }

    /// Begins every deadline of a catalog that was just loaded: a running lease has its full length, at least
    /// [`LEASE_AFTER_START_MIN`]; what has lapsed stays lapsed; every delay begins anew.
    pub fn load(&self, state: &State) {
        for zone in state.zones.values() {
            for service in zone.services.iter() {
                for instance in &service.instances {
                    let key = || InstanceKey {
                        zone: zone.name.clone(),
                        service: service.name.clone(),
                        id: instance.id.clone(),
                    };
                    if instance.lease.is_some() || instance.drain().is_some() {
                        self.follow_instance(&key(), Some(instance), LEASE_AFTER_START_MIN);
                    }
                }
                if !service.lingering().is_empty() {
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
        let wanted = instance.filter(|instance| instance.lease.is_some() || instance.drain().is_some());
        let Some(instance) = wanted else {
            if let Some(entry) = shard.entries.remove(key) {
                self.follow_guard(key, entry.lease, None);
            }
            shard.compact();
            return;
        };
        let (key, mut entry) = match shard.entries.remove_entry(key) {
            Some(known) => known,
            None => (Arc::new(key.clone()), Entry::default()),
        };
        let known = entry.lease;
        entry.lease = instance.lease.map(|lease| {
            let length = lease.duration();
            let has_lapsed = instance.lapsed().is_some();
            match known {
                Some(known) if known.length == length && known.has_lapsed() == has_lapsed => known,
                _ => Lease {
                    length,
                    until: now + length.max(lease_min),
                    standing: if has_lapsed {
                        Standing::Lapsed { counted: None }
                    } else {
                        Standing::Runs
                    },
                },
            }
        });
        self.follow_guard(&key, known, entry.lease);
        let deregister_after = instance.deregister_after().duration();
        entry.after_lapse = instance
            .lapsed()
            .map(|at| Removal::begun(entry.after_lapse, at, deregister_after, now));
        let drain = instance
            .drain()
            .and_then(|drain| Some((drain.since, drain.delete_after?)));
        entry.after_drain =
            drain.map(|(since, delay)| Removal::begun(entry.after_drain, since, delay.duration(), now));
        shard.entries.insert(key.clone(), entry);
        shard.enqueue(&key, Running::START);
        drop(shard);
        self.alarm.ring();
    }

    /// Whether any name waits to be forgotten.
    pub fn has_lingering_names(&self) -> bool {
        !locked(&self.forgetting).is_empty()
    }

    /// Brings the names of one service that linger in line with what was committed.
    pub fn follow_service(&self, state: &State, zone: &ZoneName, name: &ServiceName) {
        let now = self.clock.running();
        if locked(&self.forgetting).follow(state, zone, name, now) {
            self.alarm.ring();
        }
    }

    /// Takes over a zone's changed `forget_after` for every name that lingers in it, or forgets them with the zone.
    pub fn follow_zone(&self, state: &State, zone: &ZoneName) {
        let services = locked(&self.forgetting).services_of(zone);
        for name in services {
            self.follow_service(state, zone, &name);
        }
    }

    /// Renews the lease of `key` without the writer.
    pub fn renew(&self, key: &InstanceKey) -> Renewal {
        let now = self.clock.running();
        let mut shard = self.shard(key);
        let Some(entry) = shard.entries.get_mut(key) else {
            return Renewal::None;
        };
        let mut was_held = false;
        match entry.lease.as_mut() {
            None => return Renewal::None,
            Some(lease) if lease.has_lapsed() => return Renewal::Lapsed,
            Some(lease) => {
                // A lease that a restart lengthened is not cut short by its first heartbeat.
                lease.until = lease.until.max(now + lease.length);
                if lease.standing != Standing::Runs {
                    lease.standing = Standing::Runs;
                    was_held = true;
                    locked(&self.guard).unhold(key, true);
                }
            }
        }
        // It had asked already, and the writer may pass over what it asked for: it must ask again. One that was held is
        // queued for a removal at most.
        if was_held || entry.queued.is_none() {
            let key = shard.entries.get_key_value(key).map(|(key, _)| key.clone());
            if let Some(key) = key {
                shard.enqueue(&key, Running::START);
            }
            drop(shard);
            self.alarm.ring();
        }
        Renewal::Renewed
    }

    /// When the lease of `key` ends, on the wall clock as it stands now: one that is held, when the guard lets it go
    /// at the latest. A lapsed one has no end ahead.
    pub fn lease_expires_at(&self, key: &InstanceKey) -> Option<Timestamp> {
        let shard = self.shard(key);
        let lease = shard
            .entries
            .get(key)?
            .lease
            .filter(|lease| !lease.has_lapsed())?;
        let held_until = match lease.standing {
            Standing::Held => locked(&self.guard).until(&key.zone),
            _ => None,
        };
        Some(self.on_wall(held_until.unwrap_or(lease.until)))
    }

    /// When `key` is removed, if that is due: after a lapse not before the guard lets go, at the latest.
    pub fn remove_at(&self, key: &InstanceKey) -> Option<Timestamp> {
        let shard = self.shard(key);
        let entry = shard.entries.get(key)?;
        let after_lapse = entry.after_lapse.map(|removal| {
            let guard = locked(&self.guard);
            let held_until = guard
                .until(&key.zone)
                .filter(|_| guard.holds(&key.zone, &key.service));
            held_until.map_or(removal.at, |until| removal.at.max(until))
        });
        let after_drain = entry.after_drain.map(|removal| removal.at);
        let at = [after_lapse, after_drain].into_iter().flatten().min()?;
        Some(self.on_wall(at))
    }

    /// The next time that something may be due; none if there is no deadline at all.
    pub fn next(&self) -> Option<Running> {
        let mut next = locked(&self.forgetting).next();
        for shard in &self.shards {
            let head = locked(shard).head();
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
                let lapsed = entry.after_lapse.filter(|removal| removal.at <= now);
                // What lapsed before the guard began is of the same event: its heartbeats may come back as well.
                let waits = lapsed.is_some() && locked(&self.guard).holds(&key.zone, &key.service);
                let removal = [
                    lapsed
                        .filter(|_| !waits)
                        .map(|removal| Due::Lapsed(removal.since)),
                    entry
                        .after_drain
                        .filter(|removal| removal.at <= now)
                        .map(|removal| Due::Drained(removal.since)),
                ];
                if let Some(why) = removal.into_iter().flatten().next() {
                    due.push(Change::Remove {
                        key: (*key).clone(),
                        due: why,
                    });
                } else if waits {
                    shard.enqueue(&key, now + RETRY_AFTER);
                } else if entry
                    .lease
                    .is_some_and(|lease| !lease.has_lapsed() && lease.until <= now)
                {
                    due.push(Change::Lapse { key: (*key).clone() });
                } else {
                    // Renewed since it was queued.
                    shard.enqueue(&key, Running::START);
                }
            }
        }
        locked(&self.forgetting).take_due(now, limit, &mut due);
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
                    locked(&self.forgetting).retry(zone, service, later);
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

/// No call under these locks can fail half way, so what they guard is whole even if a holder panicked.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
