//! Deadlines, on a clock that the tests move.
#![allow(clippy::unwrap_used)]

mod guarded;
mod leases;
mod names;
mod queues;
mod removals;

use std::collections::BTreeSet;

use super::*;
use crate::catalog::tests::fixture::*;
use crate::catalog::{Image, ServiceSettings, Status, ZoneSettings};
use crate::clock::ManualClock;

/// A catalog, its deadlines, and the hand on their clock.
struct Bench {
    catalog: Catalog,
    deadlines: Deadlines,
    clock: Clock,
    hand: Arc<ManualClock>,
}

impl Bench {
    fn new() -> Self {
        Self::over(Catalog::new())
    }

    /// A server that starts over that catalog.
    fn over(catalog: Catalog) -> Self {
        Self::guarded(catalog, Guarding::default())
    }

    /// The same with another guard.
    fn guarded(mut catalog: Catalog, guarding: Guarding) -> Self {
        let (clock, hand) = Clock::manual(BEGIN);
        catalog.now = clock.now();
        let deadlines = Deadlines::guarded(clock.clone(), Arc::default(), guarding, Arc::default());
        deadlines.load(&catalog.state);
        Self {
            catalog,
            deadlines,
            clock,
            hand,
        }
    }

    fn advance(&self, ms: u64) {
        self.hand.advance(Duration::from_millis(ms));
    }

    /// Makes a change and follows it, as the writer does after a commit.
    fn commit(&mut self, change: Change) {
        self.catalog.now = self.clock.now();
        let effect = self.catalog.make(change);
        let mut services = BTreeSet::new();
        for record in &effect.records {
            let Some(service) = &record.service else {
                self.deadlines.follow_zone(&self.catalog.state, &record.zone);
                continue;
            };
            services.insert((record.zone.clone(), service.clone()));
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
                self.deadlines.follow(&key, instance);
            }
        }
        for (zone, service) in services {
            self.deadlines
                .follow_service(&self.catalog.state, &zone, &service);
        }
    }

    fn register(&mut self, name: &str, at: At) {
        self.commit(register(name, at));
        self.deadlines.renew(&key(name));
    }

    fn begin_lapse(&self, name: &str) -> bool {
        self.deadlines.begin_lapse(&key(name), &self.catalog.state)
    }

    fn renew(&self, name: &str) -> Renewal {
        self.deadlines.renew(&key(name))
    }

    /// What is due, in words.
    fn due(&self) -> Vec<String> {
        words(&self.deadlines.take_due(1000))
    }

    /// Takes what is due and makes it, as expiry and writer do together.
    fn expire(&mut self) -> Vec<String> {
        self.deadlines.tend_guard(&self.catalog.state);
        let due = self.deadlines.take_due(1000);
        for change in &due {
            match change {
                Change::Lapse { key } if !self.deadlines.begin_lapse(key, &self.catalog.state) => {}
                change => self.commit(change.clone()),
            }
        }
        words(&due)
    }

    fn remove_at_ms(&self, name: &str) -> Option<i64> {
        let at = self.deadlines.remove_at(&key(name))?;
        Some(at.unix_ms() - self.clock.now().unix_ms())
    }

    fn expires_at_ms(&self, name: &str) -> Option<i64> {
        let at = self.deadlines.lease_expires_at(&key(name))?;
        Some(at.unix_ms() - self.clock.now().unix_ms())
    }
}

fn words(changes: &[Change]) -> Vec<String> {
    let mut words: Vec<String> = changes
        .iter()
        .map(|change| match change {
            Change::Lapse { key } => format!("lapse {}.{}", key.id, key.service),
            Change::Remove { key, .. } => format!("remove {}.{}", key.id, key.service),
            Change::Forget { service, names, .. } => format!("forget {} of {service}", names.len()),
            other => panic!("{other:?}"),
        })
        .collect();
    words.sort();
    words
}

fn leased() -> At {
    at("192.0.2.1").lease(10_000).deregister_after(60_000)
}
