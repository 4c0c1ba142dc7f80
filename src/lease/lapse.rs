//! Leases that ran out: begun to lapse, held by the guard, or let go.

use std::sync::Arc;

use crate::catalog::{Change, InstanceKey, Service, ServiceName, State, ZoneName};
use crate::clock::{Running, Timestamp};

use super::guard::{Lapsing, Reason, Scope, ServiceHeld, Suspect, Verdict, WINDOW, ZoneGuarded};
use super::{Deadlines, Lease, RETRY_AFTER, Standing, locked};

impl Deadlines {
    /// Looks at the deadline of a lease again: whether it has passed, and whether the guard lets it lapse. If so, a
    /// renewal from now on answers [`Renewal::Lapsed`](super::Renewal::Lapsed) until the lapse is committed, and then
    /// revived, or taken back by [`Self::undo_lapse`]. `state` is the catalog as it is without this lapse.
    pub fn begin_lapse(&self, key: &InstanceKey, state: &State) -> bool {
        // The process may have been paused since the deadline was found to have passed, and renewed after that.
        self.clock.tick();
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
            Some(lease) if !lease.has_lapsed() && lease.until <= now => {
                lease.standing = self.judge(&key, *lease, state, now);
                let has_lapsed = lease.has_lapsed();
                if !has_lapsed {
                    // It is held, and asks no more for that; a drain may still remove it.
                    shard.enqueue(&key, Running::START);
                }
                has_lapsed
            }
            _ => {
                shard.enqueue(&key, Running::START);
                false
            }
        }
    }

    /// What becomes of a lease that has run out.
    fn judge(&self, key: &Arc<InstanceKey>, lease: Lease, state: &State, now: Running) -> Standing {
        let mut guard = locked(&self.guard);
        let service = || state.service(&key.zone, &key.service).ok();
        let lapsing = Lapsing {
            key,
            length: lease.length,
            running: &|| service().map_or(0, |service| running(service)),
            is_last: &|| service().is_some_and(|service| is_last(service, key)),
        };
        match lease.standing {
            Standing::Held => Standing::Held,
            Standing::LetGo { early: true } if guard.hold_last(&lapsing, now) => Standing::Held,
            Standing::LetGo { .. } => {
                guard.unhold(key, false);
                guard.end(&key.zone);
                Standing::Lapsed { counted: None }
            }
            Standing::Runs | Standing::Lapsed { .. } => match guard.judge(&lapsing, now) {
                Verdict::Lapse => Standing::Lapsed { counted: Some(now) },
                Verdict::Hold => Standing::Held,
            },
        }
    }

    /// The lapse was not committed: the lease is due still, and asks again.
    pub fn undo_lapse(&self, key: &InstanceKey) {
        let mut shard = self.shard(key);
        let Some(lease) = shard.entries.get_mut(key).and_then(|entry| entry.lease.as_mut()) else {
            return;
        };
        if let Standing::Lapsed { counted } = lease.standing {
            let mut guard = locked(&self.guard);
            guard.begin(&key.zone);
            lease.standing = match counted {
                Some(at) => {
                    guard.uncount(key, at);
                    Standing::Runs
                }
                // What was let go is not held again because the disk was full.
                None => Standing::LetGo { early: false },
            };
        }
    }

    /// Tells the guard what became of a lease.
    pub(super) fn follow_guard(&self, key: &InstanceKey, before: Option<Lease>, after: Option<Lease>) {
        let runs = |lease: &Option<Lease>| lease.is_some_and(|lease| !lease.has_lapsed());
        let standing = |lease: Option<Lease>| lease.map(|lease| lease.standing);
        if standing(before) == standing(after) {
            return;
        }
        let mut guard = locked(&self.guard);
        match (standing(before), runs(&before), runs(&after)) {
            (Some(Standing::Held), ..) => guard.unhold(key, after.is_some()),
            // A heartbeat revived it.
            (Some(Standing::Lapsed { counted: Some(at) }), _, true) => guard.uncount(key, at),
            _ => {}
        }
        match (runs(&before), runs(&after)) {
            (false, true) => guard.begin(&key.zone),
            (true, false) => guard.end(&key.zone),
            _ => {}
        }
    }

    /// Ends what the guard has held for long enough, and lets go of those whose service goes on without them. Called
    /// again and again while time passes.
    pub fn tend_guard(&self, state: &State) {
        let now = self.clock.running();
        let (over, suspects) = locked(&self.guard).tend(now);
        self.let_go(&over, false, now);
        for suspect in suspects {
            if self.most_go_on(&suspect, state, now) {
                let gone = locked(&self.guard).let_go_early(&suspect, now);
                self.let_go(&gone, true, now);
            }
        }
    }

    /// Whether most instances of a service have kept heartbeating through one more lease since the first was held.
    fn most_go_on(&self, suspect: &Suspect, state: &State, now: Running) -> bool {
        let Ok(service) = state.service(&suspect.zone, &suspect.service) else {
            return true;
        };
        let (mut go_on, mut all) = (0, 0);
        for instance in service
            .instances
            .iter()
            .filter(|instance| instance.lease.is_some())
        {
            let key = InstanceKey {
                zone: suspect.zone.clone(),
                service: suspect.service.clone(),
                id: instance.id.clone(),
            };
            let shard = self.shard(&key);
            let Some(lease) = shard.entries.get(&key).and_then(|entry| entry.lease) else {
                continue;
            };
            match lease.standing {
                // It ran out with the others; what lapsed long before says nothing about them.
                Standing::Lapsed { counted } => {
                    all += usize::from(counted.is_some_and(|at| at + WINDOW >= suspect.guarded_since));
                }
                Standing::Runs => {
                    all += 1;
                    // It would have run out since, had nobody renewed it.
                    go_on += usize::from(lease.until > now && now >= suspect.since + lease.length);
                }
                Standing::Held | Standing::LetGo { .. } => all += 1,
            }
        }
        2 * go_on > all
    }

    /// Lets held leases lapse, as soon as they are asked for, unless they are renewed before.
    fn let_go(&self, keys: &[Arc<InstanceKey>], early: bool, not_before: Running) {
        for key in keys {
            let mut shard = self.shard(key);
            let Some(lease) = shard.entries.get_mut(key).and_then(|entry| entry.lease.as_mut()) else {
                continue;
            };
            if lease.standing == Standing::Held {
                lease.standing = Standing::LetGo { early };
                shard.enqueue(key, not_before);
            }
        }
    }

    /// Lets go of all that the guard holds, of one zone or of all; gives the lapses that follow. They ask by
    /// themselves a little later, if nobody makes them.
    pub fn release_guard(&self, zone: Option<&ZoneName>) -> Vec<Change> {
        let now = self.clock.running();
        let mut keys = Vec::new();
        {
            let mut guard = locked(&self.guard);
            let zones = match zone {
                Some(zone) => vec![zone.clone()],
                None => guard.zones_that_hold(),
            };
            for zone in zones {
                keys.extend(guard.release(&zone, Reason::Operator, now));
            }
        }
        self.let_go(&keys, false, now + RETRY_AFTER);
        self.alarm.ring();
        let lapses = keys.into_iter().map(|key| Change::Lapse { key: (*key).clone() });
        lapses.collect()
    }

    /// What the guard counts by.
    pub fn guard_scope(&self) -> Scope {
        locked(&self.guard).scope()
    }

    /// How long at most the guard holds.
    pub fn guard_hold_max(&self) -> std::time::Duration {
        locked(&self.guard).hold_max()
    }

    /// Whether the guard of any zone holds.
    pub fn is_guarded(&self) -> bool {
        locked(&self.guard).any_holds()
    }

    /// The guard of a zone.
    pub fn guard_of(&self, zone: &ZoneName) -> ZoneGuarded {
        locked(&self.guard).status(zone, self.clock.running())
    }

    /// What the guard holds of a service, if it holds anything of it.
    pub fn held_of(&self, zone: &ZoneName, service: &ServiceName) -> Option<ServiceHeld> {
        locked(&self.guard).held(zone, service)
    }

    /// A time that was or is to come, on the wall clock as it stands now.
    pub fn on_wall(&self, at: Running) -> Timestamp {
        let running = self.clock.running();
        let ago = i64::try_from(running.since(at).as_millis()).unwrap_or(i64::MAX);
        let now = self.clock.now() + at.since(running);
        Timestamp::from_unix_ms(now.unix_ms().saturating_sub(ago))
    }
}

/// How many leases of a service run.
fn running(service: &Service) -> usize {
    let runs = |instance: &&Arc<_>| -> bool {
        let instance: &crate::catalog::Instance = instance;
        instance.lease.is_some() && instance.lapsed().is_none()
    };
    service.instances.iter().filter(runs).count()
}

/// Whether a service has no answerable instance but this one.
fn is_last(service: &Service, key: &InstanceKey) -> bool {
    let mut answerable = service.instances.iter().filter(|one| one.is_answerable());
    answerable.next().is_some_and(|one| one.id == key.id) && answerable.next().is_none()
}
