//! What the guard shows of itself.

use std::time::Duration;

use crate::catalog::{InstanceId, ServiceName, ZoneName};
use crate::clock::Running;

use super::Guard;

/// The guard of a zone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ZoneGuarded {
    /// Leases that have not lapsed, held ones among them.
    pub leases: usize,
    /// Leases that lapsed within the last minute.
    pub lapsed: usize,
    /// Since when it holds, and until when at most; none while it does not.
    pub holds: Option<(Running, Running)>,
    /// What it holds, in order of the services.
    pub held: Vec<(ServiceName, ServiceHeld)>,
}

/// The held leases of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceHeld {
    /// Since when the first of them is.
    pub since: Running,
    /// Until when at most.
    pub until: Running,
    /// Whose, in order.
    pub instances: Vec<InstanceId>,
}

impl Guard {
    /// The guard of a zone.
    pub(in crate::lease) fn status(&mut self, name: &ZoneName, now: Running) -> ZoneGuarded {
        let hold_max = self.guarding.hold_max;
        let Some(zone) = self.zones.get_mut(name) else {
            return ZoneGuarded::default();
        };
        let holds = zone
            .holding
            .as_ref()
            .map(|holding| (holding.since, holding.since + hold_max));
        let names: Vec<ServiceName> = zone.services.keys().cloned().collect();
        let (leases, lapsed) = (zone.running, zone.lapses.sum(now));
        let held = names.into_iter().filter_map(|service| {
            let held = self.held(name, &service)?;
            Some((service, held))
        });
        let mut held: Vec<_> = held.collect();
        held.sort_by(|(one, _), (other, _)| one.cmp(other));
        ZoneGuarded {
            leases,
            lapsed,
            holds,
            held,
        }
    }

    /// What is held of a service, if anything is.
    pub(in crate::lease) fn held(&self, zone: &ZoneName, service: &ServiceName) -> Option<ServiceHeld> {
        let zone = self.zones.get(zone)?;
        let held = &zone.services.get(service)?.held;
        let since = held.values().map(|held| held.since).min()?;
        let mut instances: Vec<InstanceId> = held.keys().map(|key| key.id.clone()).collect();
        instances.sort();
        let until = zone
            .holding
            .as_ref()
            .map_or(since, |holding| holding.since + self.guarding.hold_max);
        Some(ServiceHeld {
            since,
            until,
            instances,
        })
    }

    /// How long at most it holds.
    pub(in crate::lease) fn hold_max(&self) -> Duration {
        self.guarding.hold_max
    }
}
