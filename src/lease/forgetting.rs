//! Names that linger without a bearer, until they are to be forgotten.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::time::Duration;

use crate::catalog::{Change, KnownName, ServiceName, State, ZoneName};
use crate::clock::{Running, Timestamp};

use super::{Queue, STALE_MAX};

/// Names without a bearer, by service.
#[derive(Debug, Default)]
pub(super) struct Forgetting {
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

impl Forgetting {
    /// The next time that something may be due.
    pub(super) fn next(&self) -> Option<Running> {
        self.queue.peek().map(|Reverse((at, _))| *at)
    }

    /// Entries of the queue, those that stand for nothing any more among them.
    #[cfg(test)]
    pub(super) fn queue_len(&self) -> usize {
        self.queue.len()
    }

    /// Whether no service has such names.
    pub(super) fn is_empty(&self) -> bool {
        self.services.is_empty()
    }

    /// The services of a zone that have such names.
    pub(super) fn services_of(&self, zone: &ZoneName) -> Vec<ServiceName> {
        let of_zone = self.services.keys().filter(|key| key.0 == *zone);
        of_zone.map(|key| key.1.clone()).collect()
    }

    /// Lets the names of a service ask again, at `later` or after it.
    pub(super) fn retry(&mut self, zone: &ZoneName, service: &ServiceName, later: Running) {
        self.enqueue(&(zone.clone(), service.clone()), later);
    }

    /// Brings the names of one service in line with what was committed; whether an earlier deadline than before stands.
    pub(super) fn follow(
        &mut self,
        state: &State,
        zone: &ZoneName,
        name: &ServiceName,
        now: Running,
    ) -> bool {
        let found = state
            .zones
            .get(zone)
            .and_then(|zone| Some((zone, zone.services.get(name)?)));
        let Some((in_zone, service)) = found.filter(|(_, service)| !service.lingering().is_empty()) else {
            if !self.services.is_empty() {
                self.services.remove(&(zone.clone(), name.clone()));
                self.compact();
            }
            return false;
        };
        let key = (zone.clone(), name.clone());
        let after = in_zone.forget_after(service.settings());
        let same = |known: &Lingering| {
            let names = known.names.iter().map(|(name, since, _)| (name, *since));
            known.after == after
                && names.eq(service.lingering().iter().map(|other| (&other.name, other.since)))
        };
        // Most changes of a service leave its lingering names as they are.
        if self
            .services
            .get(&key)
            .is_some_and(|known| known.queued.is_some() && same(known))
        {
            return false;
        }
        let known = self.services.remove(&key);
        let (known_names, queued) = known.map_or((Vec::new(), None), |known| (known.names, known.queued));
        let begun: HashMap<_, _> = known_names
            .into_iter()
            .map(|(name, since, begun)| ((name, since), begun))
            .collect();
        let names = service
            .lingering()
            .iter()
            .map(|lingering| {
                let key = (lingering.name.clone(), lingering.since);
                let begun = begun.get(&key).copied().unwrap_or(now);
                (key.0, key.1, begun)
            })
            .collect();
        self.services
            .insert(key.clone(), Lingering { after, names, queued });
        self.enqueue(&key, Running::START)
    }

    /// Adds what is due to `due`, until it has `limit` changes.
    pub(super) fn take_due(&mut self, now: Running, limit: usize, due: &mut Vec<Change>) {
        while due.len() < limit && self.queue.peek().is_some_and(|Reverse((at, _))| *at <= now) {
            let Some(Reverse((at, key))) = self.queue.pop() else {
                break;
            };
            let Some(lingering) = self.services.get_mut(&key) else {
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
                self.enqueue(&key, Running::START);
            } else {
                due.push(Change::Forget {
                    zone: key.0,
                    service: key.1,
                    names,
                });
            }
        }
    }

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
        self.compact();
        true
    }

    /// As the queue of a shard.
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
