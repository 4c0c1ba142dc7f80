//! What the model has in memory alone: deadlines, and what is asked of them. Times are milliseconds of running time.

use std::collections::{BTreeMap, BTreeSet};

use super::guard::Guards;
use super::{After, Logged, MInstance, Model};
use crate::catalog::{Change, Due, InstanceKey, KnownName, ServiceName, ZoneName};
use crate::clock::Timestamp;

pub(in super::super) type Ms = u64;

/// What a running lease has at least after a restart.
const AFTER_START: Ms = 30_000;
/// How late what was put off may come.
const RETRY: Ms = 1000;
const HOUR: Ms = 3_600_000;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(in super::super) enum Standing {
    Runs,
    /// It ran out, and the guard holds it.
    Held,
    /// The guard held it, and does no more.
    LetGo {
        early: bool,
    },
    /// It lapsed; with the time at which that counted for the guard.
    Lapsed {
        counted: Option<Ms>,
    },
}

#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Lease {
    pub(in super::super) length: Ms,
    pub(in super::super) until: Ms,
    pub(in super::super) standing: Standing,
}

impl Lease {
    pub(in super::super) fn has_lapsed(&self) -> bool {
        matches!(self.standing, Standing::Lapsed { .. })
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Removal {
    at: Ms,
    since: Timestamp,
    delay: Ms,
}

impl Removal {
    fn begun(known: Option<&Self>, since: Timestamp, delay: Ms, now: Ms) -> Self {
        match known {
            Some(known) if known.since == since && known.delay == delay => *known,
            _ => Self {
                at: now + delay,
                since,
                delay,
            },
        }
    }
}

/// What a heartbeat is told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in super::super) enum Beat {
    Renewed,
    Lapsed,
    Unknown,
}

/// Deadlines that ask now: the first must, all may.
#[derive(Debug, Default)]
pub(in super::super) struct Dues {
    pub(in super::super) must: BTreeSet<String>,
    pub(in super::super) may: BTreeSet<String>,
}

#[derive(Clone, Debug, Default)]
pub(in super::super) struct Leases {
    pub(in super::super) now: Ms,
    pub(in super::super) leases: BTreeMap<InstanceKey, Lease>,
    after_lapse: BTreeMap<InstanceKey, Removal>,
    after_drain: BTreeMap<InstanceKey, Removal>,
    /// When the wait of each name began.
    lingering: BTreeMap<(ZoneName, ServiceName), BTreeMap<(KnownName, Timestamp), Ms>>,
    pub(in super::super) guards: Guards,
    /// Until when a deadline may be put off.
    retry: BTreeMap<InstanceKey, Ms>,
    retry_names: BTreeMap<(ZoneName, ServiceName), Ms>,
}

/// How a due change is compared.
pub(in super::super) fn word(change: &Change) -> Vec<String> {
    match change {
        Change::Lapse { key } => vec![format!("lapse {key}")],
        Change::Remove {
            key,
            due: Due::Lapsed(at),
        } => vec![format!("remove {key} lapsed {at}")],
        Change::Remove {
            key,
            due: Due::Drained(at),
        } => vec![format!("remove {key} drained {at}")],
        Change::Forget { zone, service, names } => names
            .iter()
            .map(|(name, since)| format!("forget {service}.{zone} {name:?} {since}"))
            .collect(),
        other => panic!("no deadline asks for {other:?}"),
    }
}

fn ms(duration: std::time::Duration) -> Ms {
    duration.as_millis() as Ms
}

impl Leases {
    /// A server that starts over this catalog: every running lease has its full length, everything else begins anew.
    pub(in super::super) fn start(model: &Model, guards: Guards) -> Self {
        let mut leases = Self {
            guards,
            ..Self::default()
        };
        for (zone, of_zone) in &model.zones {
            for (service, of_service) in &of_zone.services {
                for (id, instance) in &of_service.instances {
                    let (zone, service, id) = (zone.clone(), service.clone(), id.clone());
                    leases.follow(&InstanceKey { zone, service, id }, Some(instance), AFTER_START);
                }
            }
        }
        leases.follow_names(model);
        leases
    }

    /// Follows what was committed.
    pub(in super::super) fn committed(&mut self, model: &Model, log: &[Logged]) {
        for logged in log {
            let (Some(service), Some(id)) = (&logged.service, &logged.id) else {
                continue;
            };
            let key = InstanceKey {
                zone: logged.zone.clone(),
                service: service.clone(),
                id: id.clone(),
            };
            // As it was after this change: a batch may take it away and bring it again.
            let after = match &logged.after {
                After::Instance(after) => Some(after),
                _ => None,
            };
            let after = after.map(|after| MInstance {
                said: crate::catalog::Registration {
                    lease: after.lease,
                    deregister_after: after.deregister_after(),
                    ..crate::catalog::Registration::at([])
                },
                reported: after.reported().into_owned(),
                of_ports: BTreeMap::new(),
                lapsed: after.lapsed(),
                drain: after.drain(),
                created_at: after.created_at,
                updated_at: after.updated_at,
                created_index: after.created_index,
                index: after.index,
            });
            self.follow(&key, after.as_ref(), 0);
        }
        self.follow_names(model);
    }

    fn follow(&mut self, key: &InstanceKey, after: Option<&MInstance>, least: Ms) {
        let now = self.now;
        let known = self.leases.get(key).copied();
        let lease = after.and_then(|after| {
            let length = ms(after.said.lease?.duration());
            Some(match known {
                Some(known) if known.length == length && known.has_lapsed() == after.lapsed.is_some() => {
                    known
                }
                _ => Lease {
                    length,
                    until: now + length.max(least),
                    standing: match after.lapsed {
                        Some(_) => Standing::Lapsed { counted: None },
                        None => Standing::Runs,
                    },
                },
            })
        });
        match (
            known.map(|known| known.standing),
            lease.map(|lease| lease.standing),
        ) {
            (before, after) if before == after => {}
            (Some(Standing::Held), _) => self.guards.unhold(key),
            (Some(Standing::Lapsed { counted: Some(at) }), Some(Standing::Runs)) => {
                self.guards.uncount(key, at)
            }
            _ => {}
        }
        match lease {
            Some(lease) => drop(self.leases.insert(key.clone(), lease)),
            None => drop(self.leases.remove(key)),
        }
        let lapsed =
            after.and_then(|after| Some((after.lapsed?, ms(after.said.deregister_after.duration()))));
        let drained = after.and_then(|after| {
            let drain = after.drain?;
            Some((drain.since, ms(drain.delete_after?.duration())))
        });
        for (removals, due) in [(&mut self.after_lapse, lapsed), (&mut self.after_drain, drained)] {
            let removal = due.map(|(since, delay)| Removal::begun(removals.get(key), since, delay, now));
            match removal {
                Some(removal) => drop(removals.insert(key.clone(), removal)),
                None => drop(removals.remove(key)),
            }
        }
    }

    /// The wait of a name begins when it is first seen without a bearer.
    fn follow_names(&mut self, model: &Model) {
        let mut all = BTreeMap::new();
        for (zone, of_zone) in &model.zones {
            for (service, of_service) in &of_zone.services {
                let key = (zone.clone(), service.clone());
                let known = self.lingering.get(&key);
                let names: BTreeMap<_, _> = of_service
                    .lingering
                    .iter()
                    .map(|(name, since)| {
                        let name = (name.clone(), *since);
                        let began = known
                            .and_then(|known| known.get(&name))
                            .copied()
                            .unwrap_or(self.now);
                        (name, began)
                    })
                    .collect();
                if !names.is_empty() {
                    all.insert(key, names);
                }
            }
        }
        self.lingering = all;
    }

    pub(in super::super) fn renew(&mut self, key: &InstanceKey) -> Beat {
        let Some(lease) = self.leases.get_mut(key) else {
            return Beat::Unknown;
        };
        if lease.has_lapsed() {
            return Beat::Lapsed;
        }
        lease.until = lease.until.max(self.now + lease.length);
        if lease.standing != Standing::Runs {
            lease.standing = Standing::Runs;
            self.guards.unhold(key);
        }
        Beat::Renewed
    }

    /// Leases of a zone that have not lapsed.
    pub(in super::super) fn running(&self, zone: &ZoneName) -> usize {
        self.leases
            .iter()
            .filter(|(key, lease)| key.zone == *zone && !lease.has_lapsed())
            .count()
    }

    /// The writer looks at a lease that asked to lapse; `model` is the catalog without this lapse. Whether it lapses.
    pub(in super::super) fn begin_lapse(&mut self, key: &InstanceKey, model: &Model) -> bool {
        let (now, running) = (self.now, self.running(&key.zone));
        let Some(lease) = self.leases.get_mut(key) else {
            return false;
        };
        if lease.has_lapsed() || lease.until > now {
            return false;
        }
        let is_last = || {
            let service = model.service(&key.zone, &key.service);
            let answerable = service.into_iter().flat_map(|service| &service.instances);
            let answerable: Vec<_> = answerable
                .filter(|(_, it)| it.is_answerable())
                .map(|(id, _)| id)
                .collect();
            answerable == [&key.id]
        };
        lease.standing = match lease.standing {
            Standing::Held => Standing::Held,
            Standing::LetGo { early: true } if self.guards.holds(&key.zone) && is_last() => {
                self.guards.hold(key, lease.length, now);
                Standing::Held
            }
            Standing::LetGo { .. } => {
                self.guards.unhold(key);
                Standing::Lapsed { counted: None }
            }
            _ if self.guards.is_off => Standing::Lapsed { counted: Some(now) },
            _ if self.guards.is_over(&key.zone, running, now)
                || (self.guards.holds(&key.zone) && is_last()) =>
            {
                self.guards.hold(key, lease.length, now);
                Standing::Held
            }
            _ => {
                self.guards.count(key, now);
                Standing::Lapsed { counted: Some(now) }
            }
        };
        lease.has_lapsed()
    }

    /// The lapse was not committed.
    pub(in super::super) fn undo_lapse(&mut self, key: &InstanceKey) {
        let Some(lease) = self.leases.get_mut(key) else {
            return;
        };
        lease.standing = match lease.standing {
            Standing::Lapsed { counted: Some(at) } => {
                self.guards.uncount(key, at);
                Standing::Runs
            }
            Standing::Lapsed { counted: None } => Standing::LetGo { early: false },
            other => other,
        };
    }

    /// These were given back: they ask again, a little later at most.
    pub(in super::super) fn put_off(&mut self, changes: &[Change]) {
        let later = self.now + RETRY;
        for change in changes {
            match change {
                Change::Lapse { key } | Change::Remove { key, .. } => {
                    self.retry.insert(key.clone(), later);
                }
                Change::Forget { zone, service, .. } => {
                    self.retry_names.insert((zone.clone(), service.clone()), later);
                }
                _ => {}
            }
        }
    }

    /// What asks now.
    pub(in super::super) fn dues(&mut self, model: &Model) -> Dues {
        let now = self.now;
        let mut dues = Dues::default();
        let mut add = |words: Vec<String>, must: bool| {
            if must {
                dues.must.extend(words.iter().cloned());
            }
            dues.may.extend(words);
        };
        let keys: BTreeSet<&InstanceKey> = self
            .leases
            .keys()
            .chain(self.after_lapse.keys())
            .chain(self.after_drain.keys())
            .collect();
        let mut waiting = Vec::new();
        for key in keys {
            let is_put_off = self.retry.get(key).is_some_and(|retry| *retry > now);
            let due =
                |removal: Option<&Removal>| removal.filter(|removal| removal.at <= now).map(|it| it.since);
            let lapsed = due(self.after_lapse.get(key));
            let drained = due(self.after_drain.get(key));
            let waits = lapsed.is_some() && self.guards.holds(&key.zone);
            let lease = self.leases.get(key);
            let change = if let Some(at) = lapsed.filter(|_| !waits) {
                Change::Remove {
                    key: key.clone(),
                    due: Due::Lapsed(at),
                }
            } else if let Some(since) = drained {
                Change::Remove {
                    key: key.clone(),
                    due: Due::Drained(since),
                }
            } else if waits {
                waiting.push(key.clone());
                continue;
            } else if lease.is_some_and(|lease| !lease.has_lapsed() && lease.until <= now) {
                let is_held = lease.is_some_and(|lease| lease.standing == Standing::Held);
                add(word(&Change::Lapse { key: key.clone() }), !is_put_off && !is_held);
                continue;
            } else {
                continue;
            };
            add(word(&change), !is_put_off);
        }
        for key in waiting {
            self.retry.insert(key, now + RETRY);
        }
        for (key, names) in &self.lingering {
            let is_put_off = self.retry_names.get(key).is_some_and(|retry| *retry > now);
            let zone = &model.zones[&key.0];
            let own = zone.services[&key.1]
                .settings
                .forget_after
                .or(zone.settings.forget_after);
            let after = own.map_or(HOUR, |after| ms(after.duration()));
            let due = names.iter().filter(|(_, began)| **began + after <= now);
            let names: Vec<_> = due.map(|(name, _)| name.clone()).collect();
            let forget = Change::Forget {
                zone: key.0.clone(),
                service: key.1.clone(),
                names,
            };
            add(word(&forget), !is_put_off);
        }
        dues
    }

    /// When a lease ends, as a reader is told: after so many milliseconds from now, or before now.
    pub(in super::super) fn ends(&self, key: &InstanceKey) -> Option<Ms> {
        let lease = self.leases.get(key).filter(|lease| !lease.has_lapsed())?;
        let held_until = self
            .guards
            .until(&key.zone)
            .filter(|_| lease.standing == Standing::Held);
        Some(held_until.unwrap_or(lease.until))
    }

    /// When an instance is removed.
    pub(in super::super) fn removed(&self, key: &InstanceKey) -> Option<Ms> {
        let after_lapse = self.after_lapse.get(key).map(|removal| {
            self.guards
                .until(&key.zone)
                .map_or(removal.at, |until| removal.at.max(until))
        });
        [after_lapse, self.after_drain.get(key).map(|removal| removal.at)]
            .into_iter()
            .flatten()
            .min()
    }
}
