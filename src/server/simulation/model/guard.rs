//! The guard against mass expiry as `docs/design/guard.md` says it, for `--guard zone` and `--guard off`.

use std::collections::BTreeMap;

use super::Model;
use super::leases::{Leases, Ms, Standing};
use crate::catalog::{InstanceKey, ServiceName, ZoneName};

/// Lapses within a minute count together; they are told apart by the second, so that one counts for up to a second
/// longer.
const WINDOW_S: Ms = 60;
const SHARE_PERCENT: usize = 15;
const LAPSES_MIN: usize = 3;
const JUDGE_EVERY: Ms = 1000;
/// While leases are longer than they say, because of a restart, it says nothing that one runs on.
const AFTER_START: Ms = 30_000;

#[derive(Clone, Debug, Default)]
pub(in super::super) struct Guards {
    pub(in super::super) is_off: bool,
    pub(in super::super) hold_max: Ms,
    pub(in super::super) zones: BTreeMap<ZoneName, Guard>,
}

#[derive(Clone, Debug, Default)]
pub(in super::super) struct Guard {
    /// When each lapse that counts happened.
    pub(in super::super) lapses: Vec<Ms>,
    pub(in super::super) since: Option<Ms>,
    /// What is held: since when, and how long the lease is.
    pub(in super::super) held: BTreeMap<InstanceKey, (Ms, Ms)>,
    judge_at: BTreeMap<ServiceName, Ms>,
}

impl Guard {
    pub(in super::super) fn lapsed(&self, now: Ms) -> usize {
        self.lapses
            .iter()
            .filter(|at| now / 1000 - **at / 1000 <= WINDOW_S)
            .count()
    }

    fn is_over(&self, running: usize, now: Ms) -> bool {
        let lapsed = self.lapsed(now);
        lapsed >= LAPSES_MIN && lapsed * 100 > (lapsed + running) * SHARE_PERCENT
    }

    fn held_of(&self, service: &ServiceName) -> impl Iterator<Item = (&InstanceKey, &(Ms, Ms))> {
        self.held.iter().filter(move |(key, _)| key.service == *service)
    }

    fn end(&mut self) {
        (self.since, self.judge_at) = (None, BTreeMap::new());
    }
}

impl Guards {
    fn of(&mut self, zone: &ZoneName) -> &mut Guard {
        self.zones.entry(zone.clone()).or_default()
    }

    pub(in super::super) fn holds(&self, zone: &ZoneName) -> bool {
        self.zones.get(zone).is_some_and(|guard| guard.since.is_some())
    }

    pub(in super::super) fn until(&self, zone: &ZoneName) -> Option<Ms> {
        Some(self.zones.get(zone)?.since? + self.hold_max)
    }

    /// Whether a further lease must be held.
    pub(super) fn is_over(&mut self, zone: &ZoneName, running: usize, now: Ms) -> bool {
        self.holds(zone) || self.of(zone).is_over(running, now)
    }

    pub(super) fn count(&mut self, key: &InstanceKey, now: Ms) {
        self.of(&key.zone).lapses.push(now);
    }

    pub(super) fn uncount(&mut self, key: &InstanceKey, at: Ms) {
        let lapses = &mut self.of(&key.zone).lapses;
        if let Some(place) = lapses.iter().position(|other| *other == at) {
            lapses.remove(place);
        }
    }

    pub(super) fn hold(&mut self, key: &InstanceKey, length: Ms, now: Ms) {
        let guard = self.of(&key.zone);
        guard.since.get_or_insert(now);
        if guard.held_of(&key.service).next().is_none() {
            guard
                .judge_at
                .insert(key.service.clone(), now.max(AFTER_START) + length);
        }
        guard.held.insert(key.clone(), (now, length));
    }

    pub(super) fn unhold(&mut self, key: &InstanceKey) {
        self.of(&key.zone).held.remove(key);
    }
}

impl Leases {
    /// The guard looks whether it may end, or let go of somebody; of how many early, and because its time is over.
    pub(in super::super) fn tend(&mut self, model: &Model) -> (usize, usize) {
        let (mut early, mut late) = (0, 0);
        let (now, hold_max) = (self.now, self.guards.hold_max);
        for zone in self.guards.zones.keys().cloned().collect::<Vec<_>>() {
            let running = self.running(&zone);
            let guard = self.guards.of(&zone);
            let Some(since) = guard.since else { continue };
            if now - since >= hold_max {
                late += self.release(&zone).len();
                continue;
            }
            let suspects: Vec<ServiceName> = guard
                .judge_at
                .iter()
                .filter(|(service, at)| **at <= now && guard.held_of(service).next().is_some())
                .map(|(service, _)| service.clone())
                .collect();
            if guard.held.is_empty() && !guard.is_over(running, now) {
                guard.end();
            }
            for service in suspects {
                early += self.judge(model, &zone, &service, since);
            }
        }
        (early, late)
    }

    /// Lets those of a service lapse that were held for one more lease, if most of the others go on.
    fn judge(&mut self, model: &Model, zone: &ZoneName, service: &ServiceName, guarded_since: Ms) -> usize {
        let now = self.now;
        let guard = self.guards.of(zone);
        guard.judge_at.insert(service.clone(), now + JUDGE_EVERY);
        let since = guard
            .held_of(service)
            .map(|(_, (since, _))| *since)
            .min()
            .unwrap_or(now);
        let (mut go_on, mut all) = (0, 0);
        let is_there = |key: &InstanceKey| model.find(key).is_some_and(|it| it.said.lease.is_some());
        for (key, lease) in &self.leases {
            if key.zone != *zone || key.service != *service || !is_there(key) {
                continue;
            }
            match lease.standing {
                Standing::Lapsed { counted } => {
                    all += usize::from(counted.is_some_and(|at| at + WINDOW_S * 1000 >= guarded_since));
                }
                Standing::Runs => {
                    all += 1;
                    go_on += usize::from(lease.until > now && now >= since + lease.length);
                }
                Standing::Held | Standing::LetGo { .. } => all += 1,
            }
        }
        if 2 * go_on <= all {
            return 0;
        }
        let guard = self.guards.of(zone);
        let long = guard
            .held_of(service)
            .filter(|(_, (since, length))| now - since >= *length);
        let long: Vec<_> = long.map(|(key, _)| key.clone()).collect();
        for key in &long {
            self.guards.unhold(key);
            self.let_go(key, true);
        }
        long.len()
    }

    fn let_go(&mut self, key: &InstanceKey, early: bool) {
        if let Some(lease) = self.leases.get_mut(key)
            && lease.standing == Standing::Held
        {
            lease.standing = Standing::LetGo { early };
        }
    }

    /// All that a zone's guard holds is let go; what lapsed until now counts no more.
    pub(in super::super) fn release(&mut self, zone: &ZoneName) -> Vec<InstanceKey> {
        if !self.guards.holds(zone) {
            return Vec::new();
        }
        let guard = self.guards.of(zone);
        let keys: Vec<_> = std::mem::take(&mut guard.held).into_keys().collect();
        guard.lapses.clear();
        guard.end();
        for key in &keys {
            self.let_go(key, false);
        }
        keys
    }
}
