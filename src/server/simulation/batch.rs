//! One batch, made by the server and by the model: what clients are told, what is committed, what a crash leaves.

use super::model::apply::No;
use super::model::leases::Beat;
use super::model::{Logged, Model};
use super::run::Run;
use super::world::{Cut, Fault};
use crate::catalog::{Change, InstanceKey, Operation};
use crate::lease::Renewal;
use crate::store::Keep;
use crate::writer::{Done, Refusal, Request};

/// What a client is told, as far as programs read it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Told {
    /// The index after each operation; how many changes it was, and whether the thing is new.
    Done(Vec<(u64, usize, bool)>),
    Rejected(usize, No),
    Busy,
    Full,
    ReadOnly,
}

impl From<&Result<Done, Refusal>> for Told {
    fn from(reply: &Result<Done, Refusal>) -> Self {
        match reply {
            Ok(done) => {
                let effects = done.effects.iter().zip(&done.indexes);
                Self::Done(
                    effects
                        .map(|(it, index)| (*index, it.records.len(), it.created))
                        .collect(),
                )
            }
            Err(Refusal::Rejected { at, rejection }) => Self::Rejected(*at, rejection.into()),
            Err(Refusal::Busy(_)) => Self::Busy,
            Err(Refusal::DiskFull { .. }) => Self::Full,
            Err(Refusal::ReadOnly(_)) => Self::ReadOnly,
            Err(Refusal::Stopping) => panic!("nobody stops it"),
        }
    }
}

/// A batch that the model tried.
pub(super) struct Tried {
    pub(super) told: Vec<Told>,
    model: Model,
    renewed: Vec<InstanceKey>,
    lapses: Vec<InstanceKey>,
}

impl Run<'_> {
    pub(super) fn made(
        &mut self,
        requests: Vec<Request>,
        fault: Fault,
        beats: Vec<InstanceKey>,
        due: Option<(Vec<Change>, usize)>,
    ) {
        self.tell(|| described(&requests, fault, &beats));
        let copies: Vec<_> = requests
            .iter()
            .map(|it| Request {
                operations: it.operations.clone(),
                actor: it.actor.clone(),
            })
            .collect();
        let world = self.world.as_mut().expect("it runs");
        let made = world.make(self.yard, copies, fault, beats.clone());
        let told: Vec<Told> = made.replies.iter().map(Told::from).collect();
        let before = self.model.clone();
        let wanted = if fault == Fault::Full && told.contains(&Told::Full) {
            self.made_singly(&requests, &told)
        } else {
            self.made_together(&requests, fault, &beats, &made.beats)
        };
        assert_eq!(told, wanted, "what the clients are told");
        self.note(fault, &told, &before);
        for (at, told) in told.iter().enumerate() {
            if !matches!(told, Told::Busy | Told::Full | Told::ReadOnly) {
                continue;
            }
            if let Some((changes, _)) = due.as_ref().filter(|(_, place)| *place == at) {
                self.world().deadlines.give_back(changes);
                self.leases.put_off(changes);
            } else if let [
                Operation {
                    change: Change::Register { key, .. } | Change::Report { key, .. },
                    ..
                },
            ] = &requests[at].operations[..]
            {
                // Who writes is alive, also where nothing can be written: the API renews the lease.
                let (told, wanted) = (self.world().deadlines.renew(key), self.leases.renew(key));
                assert_eq!(beat(told), wanted, "{key} renewed by a write that was refused");
            }
        }
        if let Some(left) = made.left {
            self.check(false);
            if let Fault::Crash(Cut::Tried | Cut::Written) = fault
                && self.model.index > before.index
            {
                // Nobody was answered, and nothing is there of it.
                self.model = before;
            }
            self.recall();
            self.world.take().expect("it runs").discard();
            self.tell(|| "it was killed".into());
            self.start_again(left);
        }
    }

    fn note(&mut self, fault: Fault, told: &[Told], before: &Model) {
        for told in told {
            self.see(match told {
                Told::Done(_) => "done",
                Told::Rejected(_, No::Conflict(_)) => "conflict",
                Told::Rejected(_, No::Precondition(_)) => "precondition",
                Told::Rejected(..) => "rejected",
                Told::Busy => "busy",
                Told::Full => "disk full",
                Told::ReadOnly => "read only",
            });
        }
        for at in before.index as usize..self.model.index as usize {
            let kind = self.model.log[at].kind.as_str();
            self.see(kind);
        }
        if let Fault::Crash(cut) = fault {
            let is_cut = self.model.index > before.index;
            self.see(match cut {
                _ if !is_cut => "crash",
                Cut::Tried => "crash, tried",
                Cut::Written => "crash, written",
                Cut::Unmarked => "crash, unmarked",
                Cut::Committed => "crash, committed",
                Cut::Published => "crash, published",
                Cut::Told(_) => "crash, told",
            });
        }
        if self
            .leases
            .guards
            .zones
            .values()
            .any(|guard| !guard.held.is_empty())
        {
            self.see("held");
        }
    }

    /// What a batch does that is made in one commit, or in none.
    fn made_together(
        &mut self,
        requests: &[Request],
        fault: Fault,
        beats: &[InstanceKey],
        told: &[Renewal],
    ) -> Vec<Told> {
        let mut tried = self.attempt(requests);
        assert_eq!(beats.len(), told.len());
        for (key, told) in beats.iter().zip(told) {
            let wanted = self.leases.renew(key);
            assert_eq!(beat(*told), wanted, "heartbeat of {key} while it is written");
            if wanted == Beat::Lapsed && tried.lapses.contains(key) {
                self.see("heartbeat while it lapses");
            }
        }
        let writes = tried.model.index > self.model.index;
        let refusal = match fault {
            _ if !writes => None,
            _ if self.broken.is_some() => Some(Told::ReadOnly),
            Fault::Locked => Some(Told::Busy),
            Fault::Refused | Fault::Lost => {
                self.broken = Some((fault == Fault::Lost).then(|| tried.model.clone()));
                Some(Told::ReadOnly)
            }
            Fault::None | Fault::Full | Fault::Crash(_) => None,
        };
        match refusal {
            Some(refusal) => {
                for key in &tried.lapses {
                    self.leases.undo_lapse(key);
                }
                tried.told.fill(refusal);
                tried.told
            }
            None => self.commit(tried),
        }
    }

    /// What they do when the disk was found full, and each is made by itself.
    fn made_singly(&mut self, requests: &[Request], told: &[Told]) -> Vec<Told> {
        let one_by_one = requests.iter().zip(told);
        one_by_one
            .map(|(request, told)| {
                let tried = self.attempt(std::slice::from_ref(request));
                if *told == Told::Full {
                    assert!(
                        tried.model.index > self.model.index,
                        "it writes nothing, and needs no room"
                    );
                    for key in &tried.lapses {
                        self.leases.undo_lapse(key);
                    }
                    return Told::Full;
                }
                self.commit(tried).remove(0)
            })
            .collect()
    }

    pub(super) fn attempt(&mut self, requests: &[Request]) -> Tried {
        let mut tried = Tried {
            told: Vec::new(),
            model: self.model.clone(),
            renewed: Vec::new(),
            lapses: Vec::new(),
        };
        for Request { operations, actor } in requests {
            let before = tried.model.clone();
            let (mut done, mut renews) = (Vec::new(), Vec::new());
            let mut rejected = None;
            for (at, operation) in operations.iter().enumerate() {
                match &operation.change {
                    Change::Lapse { key } => {
                        if tried.renewed.contains(key) || !self.leases.begin_lapse(key, &tried.model) {
                            done.push((tried.model.index, 0, false));
                            continue;
                        }
                        tried.lapses.push(key.clone());
                    }
                    Change::Register { registration, .. } if registration.lease.is_none() => {}
                    Change::Register { key, .. } | Change::Report { key, .. } | Change::Heartbeat { key } => {
                        renews.push(key.clone());
                    }
                    _ => {}
                }
                match tried.model.apply(operation, self.wall, actor) {
                    Ok((changes, created)) => done.push((tried.model.index, changes, created)),
                    Err(no) => {
                        rejected = Some(Told::Rejected(at, no));
                        break;
                    }
                }
            }
            match rejected {
                Some(rejected) => {
                    tried.model = before;
                    tried.told.push(rejected);
                }
                None => {
                    tried.renewed.extend(renews);
                    tried.told.push(Told::Done(done));
                }
            }
        }
        tried
    }

    pub(super) fn commit(&mut self, tried: Tried) -> Vec<Told> {
        let from = self.model.index as usize;
        let is_written = tried.model.index > self.model.index;
        self.model = tried.model;
        if is_written {
            self.trim(self.model.index - from as u64);
            let made: Vec<Logged> = self.model.log[from..].to_vec();
            self.leases.committed(&self.model, &made);
        }
        for key in &tried.renewed {
            self.leases.renew(key);
        }
        tried.told
    }

    /// The change log keeps so many, and none that is too old but the newest; a commit that added so many removes only
    /// some of what is over.
    pub(super) fn trim(&mut self, added: u64) {
        let removed_max = self.model.oldest + 64 + 2 * added;
        let Keep { changes, age } = self.setup.keep;
        let newest = self.model.log.last().map_or(0, |logged| logged.at.unix_ms());
        while self.model.oldest < self.model.index.min(removed_max) {
            let kept = self.model.index - self.model.oldest + 1;
            let at = self.model.log[self.model.oldest as usize - 1].at.unix_ms();
            if kept <= changes && newest - at <= age.as_millis() as i64 {
                break;
            }
            self.model.oldest += 1;
        }
    }
}

pub(super) fn beat(renewal: Renewal) -> Beat {
    match renewal {
        Renewal::Renewed => Beat::Renewed,
        Renewal::Lapsed => Beat::Lapsed,
        Renewal::None => Beat::Unknown,
    }
}

fn described(requests: &[Request], fault: Fault, beats: &[InstanceKey]) -> String {
    let mut text = format!("a batch, {fault:?}");
    for key in beats {
        text += &format!("\n       heartbeat of {key} while it is written");
    }
    for request in requests {
        for operation in &request.operations {
            text += &format!(
                "\n       {}: {:?} {:?}",
                request.actor, operation.change, operation.precondition
            );
        }
    }
    text
}
