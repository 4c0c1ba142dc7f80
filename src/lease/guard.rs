//! The guard against mass expiry: what it counts, what it holds, and when it lets go. Pure: time comes as an argument.
//!
//! Leases that run out one by one are instances that died. Leases that run out together are far more often a network
//! that failed, or a server that could not listen; to believe them all would empty every service at once. So once
//! more than [`SHARE_PERCENT`] of a zone's leases, and at least [`LAPSES_MIN`], have lapsed within [`WINDOW`], further
//! ones are *held*: they have run out, but are answered still. `docs/design/guard.md` argues the numbers.
//!
//! A lapse costs one look at its zone's counters. Held leases are listed by service; a heartbeat touches the guard
//! only if its lease is held.

mod ending;
mod settings;
mod status;
mod window;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use crate::catalog::limits::{LEASE_AFTER_START_MIN, ZONES_MAX};
use crate::catalog::{InstanceKey, ServiceName, ZoneName};
use crate::clock::Running;
use crate::metrics;

pub(super) use ending::{Reason, Suspect};
pub use settings::{Guarding, Scope};
pub use status::{ServiceHeld, ZoneGuarded};
use window::Window;

/// Leases that lapse within so long are counted together.
pub const WINDOW: Duration = Duration::from_secs(60);
/// Past so many of a hundred leases further ones are held.
pub const SHARE_PERCENT: usize = 15;
/// So many lapses at least: of few leases each is a large share.
pub const LAPSES_MIN: usize = 3;
/// How long a lease is held at most, unless [`Guarding`] says otherwise.
pub const HOLD_MAX: Duration = Duration::from_secs(600);

/// How often a service that was not let go is looked at again.
const JUDGE_EVERY: Duration = Duration::from_secs(1);

/// What becomes of a lease that ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It lapses, and counts from now.
    Lapse,
    /// It is held.
    Hold,
}

/// What a lapse does to its service, looked at only where it matters.
pub(super) struct Lapsing<'a> {
    pub(super) key: &'a Arc<InstanceKey>,
    /// The length of the lease.
    pub(super) length: Duration,
    /// How many leases of the service run, this one included.
    pub(super) running: &'a dyn Fn() -> usize,
    /// Whether the service has no other answerable instance.
    pub(super) is_last: &'a dyn Fn() -> bool,
}

/// The guards of all zones.
#[derive(Debug)]
pub(super) struct Guard {
    guarding: Guarding,
    zones: HashMap<ZoneName, ZoneGuard, foldhash::fast::RandomState>,
    counts: Arc<metrics::Guard>,
}

#[derive(Debug, Default)]
struct ZoneGuard {
    /// Leases that have not lapsed, held ones among them.
    running: usize,
    lapses: Window,
    /// Those with held leases, and, where services are counted too, those with lapses of late.
    services: HashMap<ServiceName, ServiceGuard, foldhash::fast::RandomState>,
    /// Held leases of all services.
    held: usize,
    holding: Option<Holding>,
    /// When services that stand for nothing any more were last dropped.
    swept: Running,
}

#[derive(Debug)]
struct Holding {
    since: Running,
    /// The whole zone; else only services that passed the share by themselves.
    whole: bool,
    /// Leases held, and renewed since, for the line at the end.
    held: u64,
    renewed: u64,
}

#[derive(Debug, Default)]
struct ServiceGuard {
    lapses: Window,
    /// It passed the share by itself.
    is_over: bool,
    /// Since when each is held, and how long it is.
    held: HashMap<Arc<InstanceKey>, Held, foldhash::fast::RandomState>,
    judge_at: Running,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    since: Running,
    length: Duration,
}

/// Whether so many lapses are too many beside the leases that still run.
fn is_over(lapses: usize, running: usize) -> bool {
    lapses >= LAPSES_MIN && lapses * 100 > (lapses + running) * SHARE_PERCENT
}

impl ZoneGuard {
    fn is_over(&mut self, now: Running) -> bool {
        let lapses = self.lapses.sum(now);
        is_over(lapses, self.running)
    }

    /// Drops services that stand for nothing any more, once in a window: each had a lapse in it.
    fn sweep(&mut self, now: Running) {
        if now.since(self.swept) >= WINDOW {
            self.swept = now;
            self.services
                .retain(|_, service| !service.held.is_empty() || service.lapses.sum(now) > 0);
        }
    }

    /// Takes out every held lease.
    fn let_go(&mut self) -> Vec<Arc<InstanceKey>> {
        self.held = 0;
        let services = self.services.drain();
        services
            .flat_map(|(_, service)| service.held.into_keys())
            .collect()
    }
}

impl Guard {
    pub(super) fn new(guarding: Guarding, counts: Arc<metrics::Guard>) -> Self {
        Self {
            guarding,
            zones: HashMap::default(),
            counts,
        }
    }

    pub(super) fn scope(&self) -> Scope {
        self.guarding.scope
    }

    fn is_off(&self) -> bool {
        self.guarding.scope == Scope::Off
    }

    /// A lease begins to run, or one that had lapsed does again.
    pub(super) fn begin(&mut self, zone: &ZoneName) {
        if self.is_off() {
            return;
        }
        if let Some(known) = self.zones.get_mut(zone) {
            known.running += 1;
            return;
        }
        if self.zones.len() >= ZONES_MAX {
            self.zones
                .retain(|_, zone| zone.running > 0 || zone.holding.is_some());
        }
        self.zones.entry(zone.clone()).or_default().running = 1;
    }

    /// A lease runs no more: it lapsed after it was let go, or is gone.
    pub(super) fn end(&mut self, zone: &ZoneName) {
        if let Some(zone) = self.zones.get_mut(zone) {
            zone.running = zone.running.saturating_sub(1);
        }
    }

    /// Judges a lease that ran out.
    pub(super) fn judge(&mut self, lapsing: &Lapsing<'_>, now: Running) -> Verdict {
        if self.is_off() {
            return Verdict::Lapse;
        }
        let key = lapsing.key;
        let by_service = self.guarding.scope == Scope::Service;
        let Some(zone) = self.zones.get_mut(&key.zone) else {
            // Each lease that runs has been counted; without a count there is nothing to compare with.
            return Verdict::Lapse;
        };
        let whole = zone.holding.as_ref().is_some_and(|holding| holding.whole);
        let zone_is_over = whole || zone.is_over(now);
        let mut service_is_over = false;
        if by_service && !zone_is_over {
            zone.sweep(now);
            let service = zone.services.entry(key.service.clone()).or_default();
            service.is_over |= is_over(service.lapses.sum(now), (lapsing.running)());
            service_is_over = service.is_over;
        }
        // Asked last: it looks at the whole service.
        let is_held = zone_is_over || service_is_over || (zone.holding.is_some() && (lapsing.is_last)());
        if is_held {
            self.hold(lapsing, zone_is_over, now);
            return Verdict::Hold;
        }
        zone.running = zone.running.saturating_sub(1);
        zone.lapses.add(now);
        if by_service && let Some(service) = zone.services.get_mut(&key.service) {
            service.lapses.add(now);
        }
        Verdict::Lapse
    }

    /// Whether one that was let go early must be held again after all: its service would have nobody left.
    pub(super) fn hold_last(&mut self, lapsing: &Lapsing<'_>, now: Running) -> bool {
        let zone = self.zones.get(&lapsing.key.zone);
        let holding = zone.and_then(|zone| zone.holding.as_ref());
        let Some(whole) = holding.map(|holding| holding.whole) else {
            return false;
        };
        if !(lapsing.is_last)() {
            return false;
        }
        self.hold(lapsing, whole, now);
        true
    }

    fn hold(&mut self, lapsing: &Lapsing<'_>, whole: bool, now: Running) {
        let (key, length) = (lapsing.key, lapsing.length);
        let Some(zone) = self.zones.get_mut(&key.zone) else {
            return;
        };
        let holding = zone.holding.get_or_insert_with(|| {
            self.counts.zones.fetch_add(1, Relaxed);
            self.counts.begun.fetch_add(1, Relaxed);
            let of = if whole { "zone" } else { "service" };
            tracing::warn!(
                zone = %key.zone, service = %key.service, of,
                leases = zone.running, lapsed = zone.lapses.sum(now),
                at_most = ?self.guarding.hold_max,
                "the guard holds: so many leases lapsed within 60 s that further ones wait"
            );
            Holding {
                since: now,
                whole,
                held: 0,
                renewed: 0,
            }
        });
        holding.whole |= whole;
        holding.held += 1;
        let service = zone.services.entry(key.service.clone()).or_default();
        if service.held.is_empty() {
            // A restart lengthened leases: before that is over, to run on says nothing.
            let from = now.max(Running::START + LEASE_AFTER_START_MIN);
            service.judge_at = from + length;
        }
        let held = Held { since: now, length };
        if service.held.insert(key.clone(), held).is_none() {
            zone.held += 1;
            self.counts.held.fetch_add(1, Relaxed);
        }
        self.counts.holds.fetch_add(1, Relaxed);
    }

    /// A held lease is held no more: it was renewed, or is gone.
    pub(super) fn unhold(&mut self, key: &InstanceKey, renewed: bool) {
        let Some(zone) = self.zones.get_mut(&key.zone) else {
            return;
        };
        let Some(service) = zone.services.get_mut(&key.service) else {
            return;
        };
        if service.held.remove(key).is_some() {
            zone.held -= 1;
            self.counts.held.fetch_sub(1, Relaxed);
            if let Some(holding) = zone.holding.as_mut().filter(|_| renewed) {
                holding.renewed += 1;
            }
        }
    }

    /// A lapse that counted is undone: its commit failed, or a heartbeat revived it.
    pub(super) fn uncount(&mut self, key: &InstanceKey, at: Running) {
        let Some(zone) = self.zones.get_mut(&key.zone) else {
            return;
        };
        zone.lapses.remove(at);
        if let Some(service) = zone.services.get_mut(&key.service) {
            service.lapses.remove(at);
        }
    }

    /// Whether lapses and removals of that service wait.
    pub(super) fn holds(&self, zone: &ZoneName, service: &ServiceName) -> bool {
        let Some(zone) = self.zones.get(zone) else {
            return false;
        };
        let Some(holding) = &zone.holding else {
            return false;
        };
        let is_held = |service: &ServiceGuard| service.is_over || !service.held.is_empty();
        holding.whole || zone.services.get(service).is_some_and(is_held)
    }

    /// Until when at most the guard of a zone holds.
    pub(super) fn until(&self, zone: &ZoneName) -> Option<Running> {
        let holding = self.zones.get(zone)?.holding.as_ref()?;
        Some(holding.since + self.guarding.hold_max)
    }

    /// Whether the guard of any zone holds.
    pub(super) fn any_holds(&self) -> bool {
        self.counts.zones.load(Relaxed) > 0
    }

    /// The zones whose guard holds.
    pub(super) fn zones_that_hold(&self) -> Vec<ZoneName> {
        let holding = self.zones.iter().filter(|(_, zone)| zone.holding.is_some());
        holding.map(|(name, _)| name.clone()).collect()
    }
}
