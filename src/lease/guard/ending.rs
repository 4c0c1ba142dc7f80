//! When the guard ends, and what it lets go then or before.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crate::catalog::{InstanceKey, ServiceName, ZoneName};
use crate::clock::Running;

use super::window::Window;
use super::{Guard, JUDGE_EVERY, LAPSES_MIN};

/// Why held leases are let go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::lease) enum Reason {
    /// An operator said so.
    Operator,
    /// They were held for as long as is allowed.
    Time,
}

/// A service whose held leases may be let go.
#[derive(Debug)]
pub(in crate::lease) struct Suspect {
    pub(in crate::lease) zone: ZoneName,
    pub(in crate::lease) service: ServiceName,
    /// Since when the first of its leases is held.
    pub(in crate::lease) since: Running,
    /// Since when the zone's guard holds.
    pub(in crate::lease) guarded_since: Running,
}

impl Guard {
    /// Ends what has come to its end; gives what is let go by that, and the services that are to be judged now, each
    /// with the time since when the first of its leases is held.
    pub(in crate::lease) fn tend(&mut self, now: Running) -> (Vec<Arc<InstanceKey>>, Vec<Suspect>) {
        let (mut over, mut well, mut suspects) = (Vec::new(), Vec::new(), Vec::new());
        for (name, zone) in &mut self.zones {
            let Some(holding) = &zone.holding else { continue };
            if now.since(holding.since) >= self.guarding.hold_max {
                over.push(name.clone());
                continue;
            }
            for (service_name, service) in &mut zone.services {
                if service.held.is_empty() {
                    service.is_over = service.is_over && service.lapses.sum(now) >= LAPSES_MIN;
                } else if service.judge_at <= now {
                    service.judge_at = now + JUDGE_EVERY;
                    suspects.push(Suspect {
                        zone: name.clone(),
                        service: service_name.clone(),
                        since: service.held.values().map(|held| held.since).min().unwrap_or(now),
                        guarded_since: holding.since,
                    });
                }
            }
            let services_are_over = || zone.services.values().any(|service| service.is_over);
            if zone.held == 0 && !services_are_over() && !zone.is_over(now) {
                well.push(name.clone());
            }
        }
        for name in well {
            self.finish(&name, "no lease is held any more", 0, now);
        }
        let mut let_go = Vec::new();
        for name in over {
            let_go.extend(self.release(&name, Reason::Time, now));
        }
        (let_go, suspects)
    }

    /// Takes out the held leases of a service that have been held for one more lease, because most of its instances
    /// renewed theirs meanwhile.
    pub(in crate::lease) fn let_go_early(
        &mut self,
        suspect: &Suspect,
        now: Running,
    ) -> Vec<Arc<InstanceKey>> {
        let Some(zone) = self.zones.get_mut(&suspect.zone) else {
            return Vec::new();
        };
        let Some(service) = zone.services.get_mut(&suspect.service) else {
            return Vec::new();
        };
        let gone = service
            .held
            .extract_if(|_, held| now.since(held.since) >= held.length);
        let gone: Vec<_> = gone.map(|(key, _)| key).collect();
        zone.held -= gone.len();
        self.counts.held.fetch_sub(gone.len() as u64, Relaxed);
        self.counts.let_go_early.fetch_add(gone.len() as u64, Relaxed);
        gone
    }

    /// Ends the guard of a zone, and takes out all that it holds. What lapsed until now counts no more: else what is
    /// let go would begin it again.
    pub(in crate::lease) fn release(
        &mut self,
        name: &ZoneName,
        reason: Reason,
        now: Running,
    ) -> Vec<Arc<InstanceKey>> {
        let zone = self.zones.get_mut(name);
        let Some(zone) = zone.filter(|zone| zone.holding.is_some()) else {
            return Vec::new();
        };
        let let_go = zone.let_go();
        zone.lapses = Window::default();
        self.counts.held.fetch_sub(let_go.len() as u64, Relaxed);
        let (count, why) = match reason {
            Reason::Operator => (&self.counts.let_go_by_operator, "an operator let it go"),
            Reason::Time => (&self.counts.let_go_in_time, "its time is over"),
        };
        count.fetch_add(let_go.len() as u64, Relaxed);
        self.finish(name, why, let_go.len(), now);
        let_go
    }

    fn finish(&mut self, name: &ZoneName, why: &str, let_go: usize, now: Running) {
        let Some(zone) = self.zones.get_mut(name) else {
            return;
        };
        zone.services.retain(|_, service| service.lapses.sum(now) > 0);
        if let Some(holding) = zone.holding.take() {
            self.counts.zones.fetch_sub(1, Relaxed);
            tracing::warn!(
                zone = %name, held = holding.held, renewed = holding.renewed, let_go,
                "the guard holds no more: {why}"
            );
        }
    }
}
