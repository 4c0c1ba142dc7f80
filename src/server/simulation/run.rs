//! One seed: the same steps done to the server and to the model, and both held against each other after each.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::batch::{Told, beat};
use super::check;
use super::draw::{self, Draw};
use super::model::Model;
use super::model::guard::Guards;
use super::model::leases::{Beat, Leases, word};
use super::world::{Fault, Setup, World, Yard};
use crate::answer::tests::wire::Resolver;
use crate::catalog::{Base, Change, InstanceKey, Operation, Ttl};
use crate::clock::Timestamp;
use crate::expiry;
use crate::lease::guard::{Guarding, Scope};
use crate::store::Keep;
use crate::writer::{Refusal, Request};

/// 2026-01-01.
const BEGIN: Timestamp = Timestamp::from_unix_ms(1_767_225_600_000);
const DAY_MS: i64 = 86_400_000;
/// Rounds of expiry until nothing is due any more; a lapse asks for a removal, and that for names to be forgotten.
const ROUNDS_MAX: usize = 8;

pub(super) struct Run<'y> {
    pub(super) yard: &'y mut Yard,
    pub(super) draw: Draw,
    pub(super) setup: Setup,
    pub(super) model: Model,
    pub(super) leases: Leases,
    /// None only while it is started anew.
    pub(super) world: Option<World>,
    pub(super) wall: Timestamp,
    /// The store failed; what is on disk may be this.
    pub(super) broken: Option<Option<Model>>,
    /// The feed is followed, and told all up to this index.
    pub(super) followed: Option<u64>,
    resolver: Resolver,
    is_told: bool,
    steps: u64,
    /// How often what happened: a campaign must have met all of it.
    pub(super) seen: BTreeMap<&'static str, u64>,
}

impl<'y> Run<'y> {
    pub(super) fn new(yard: &'y mut Yard, seed: u64, is_told: bool) -> Self {
        let mut draw = Draw::new(seed);
        let scope = if draw.one_in(8) { Scope::Off } else { Scope::Zone };
        let hold_max = std::time::Duration::from_secs(draw.pick(&[600, 600, 60]));
        let keep = Keep {
            changes: draw.pick(&[5, 40, 100_000]),
            age: std::time::Duration::from_secs(draw.pick(&[3600, 604_800])),
        };
        let setup = Setup {
            base: Base::default(),
            zone: Draw::home(),
            keep,
            guarding: Guarding { scope, hold_max },
        };
        let mut run = Self {
            yard,
            draw,
            setup,
            model: Model {
                oldest: 1,
                ..Model::default()
            },
            leases: Leases::default(),
            world: None,
            wall: BEGIN,
            broken: None,
            followed: None,
            resolver: Resolver::at(Arc::default()).seeded(seed),
            is_told,
            steps: 0,
            seen: BTreeMap::new(),
        };
        let dir = run.yard.empty();
        run.start(dir);
        run
    }

    pub(super) fn world(&mut self) -> &mut World {
        self.world.as_mut().expect("it runs")
    }

    pub(super) fn see(&mut self, what: &'static str) {
        *self.seen.entry(what).or_default() += 1;
    }

    pub(super) fn tell(&self, what: impl FnOnce() -> String) {
        if self.is_told {
            println!(
                "{:4} at {} ms, index {}: {}",
                self.steps,
                self.leases.now,
                self.model.index,
                what()
            );
        }
    }

    pub(super) fn go(&mut self, steps: usize) {
        let deployment = self.draw.deployment();
        self.batch(vec![deployment], Fault::None, false);
        for _ in 0..steps {
            self.step();
            self.steps += 1;
        }
        self.restart();
        self.world.take().expect("it runs").discard();
    }

    fn step(&mut self) {
        if self.broken.is_some() && self.draw.one_in(3) {
            return self.restart();
        }
        match self.draw.rng.u8(..32) {
            0..=14 => {
                let requests = self.draw.requests(&self.model);
                let fault = self.draw.fault(requests.len());
                let expires = self.draw.rng.bool();
                if expires && self.draw.rng.bool() {
                    let ms = self.draw.while_ms();
                    self.advance(ms);
                }
                self.batch(requests, fault, expires);
            }
            15..=18 => {
                let ms = self.draw.while_ms();
                self.advance(ms);
                self.expire();
            }
            19..=22 => self.stretch(),
            23 => self.jump(),
            24 | 25 => {
                let keys: Vec<_> = (0..self.draw.rng.usize(1..6))
                    .map(|_| self.draw.key(&self.model))
                    .collect();
                self.beat(&keys);
            }
            26 => self.release(),
            27 => self.probe(),
            28 => {
                let deployment = self.draw.deployment();
                // So much needs room.
                let fault = self.draw.pick(&[Fault::None, Fault::None, Fault::Full]);
                self.batch(vec![deployment], fault, false);
            }
            29 => self.follow(),
            30 => self.restart(),
            _ => {
                let world = self.world.as_ref().expect("it runs");
                // The log of a store that failed may be one commit ahead.
                if self.broken.is_none() {
                    let read = check::history(&mut self.draw, world, &self.model);
                    self.see(if read { "log" } else { "log gone" });
                }
            }
        }
        let is_thorough = self.draw.one_in(8);
        self.check(is_thorough);
    }

    fn advance(&mut self, ms: u64) {
        self.tell(|| format!("{ms} ms pass"));
        self.leases.now += ms;
        self.wall = self.wall + std::time::Duration::from_millis(ms);
        self.world().advance(ms);
    }

    /// The wall clock is set, or the process was stopped for that long: no running time passes.
    fn jump(&mut self) {
        let by = match self.draw.rng.u8(..3) {
            0 => self.draw.rng.i64(-DAY_MS..DAY_MS),
            1 => self.draw.rng.i64(1..90_000),
            _ => self.draw.rng.i64(-30 * DAY_MS..30 * DAY_MS),
        };
        self.tell(|| format!("the wall clock jumps by {by} ms"));
        self.wall = Timestamp::from_unix_ms(self.wall.unix_ms() + by);
        self.world().hands.jump(by);
        self.expire();
    }

    /// What expiry does until nothing is due.
    fn expire(&mut self) {
        for _ in 0..ROUNDS_MAX {
            if !self.batch(Vec::new(), Fault::None, true) || self.broken.is_some() {
                return;
            }
        }
    }

    /// Time passes in small steps, while some clients send heartbeats and others do not.
    fn stretch(&mut self) {
        let silent = self.draw.pick(&[2_u32, 3, 10]);
        let all = draw::keys(&self.model);
        let alive: Vec<_> = all.into_iter().filter(|_| !self.draw.one_in(silent)).collect();
        if self.draw.one_in(3) && !alive.is_empty() {
            // They live, and are not well: one that is silent may be the last that is answered.
            let ill = self.draw.pick(&alive);
            let ill = alive
                .iter()
                .filter(|key| key.zone == ill.zone && key.service == ill.service);
            let operations = ill.map(|key| Draw::critical(key.clone()).into()).collect();
            let request = Request {
                operations,
                actor: "checker".into(),
            };
            self.batch(vec![request], Fault::None, false);
        }
        let ms = self.draw.pick(&[500, 1000, 1000, 4000]);
        for _ in 0..self.draw.rng.usize(2..16) {
            self.advance(ms);
            self.beat(&alive);
            self.expire();
            self.check(false);
        }
    }

    /// Heartbeats of clients, as the API takes them: in memory, and what has lapsed by one request to the writer.
    fn beat(&mut self, keys: &[InstanceKey]) {
        let mut revived = Vec::new();
        for key in keys {
            let told = self.world().deadlines.renew(key);
            let wanted = self.leases.renew(key);
            self.tell(|| format!("heartbeat of {key}: {wanted:?}"));
            assert_eq!(beat(told), wanted, "heartbeat of {key}");
            if wanted == Beat::Lapsed {
                self.see("heartbeat of what lapsed");
                revived.push(Operation::from(Change::Heartbeat { key: key.clone() }));
            }
        }
        if !revived.is_empty() {
            let request = Request {
                operations: revived,
                actor: "heartbeats".into(),
            };
            self.batch(vec![request], Fault::None, false);
        }
    }

    /// An operator lets go of what the guard holds.
    fn release(&mut self) {
        let zone = self.draw.rng.bool().then(Draw::home);
        self.tell(|| format!("the guard of {zone:?} is released"));
        let mut got = self.world().deadlines.release_guard(zone.as_ref());
        let zones = match zone {
            Some(zone) => vec![zone],
            None => self.leases.guards.zones.keys().cloned().collect(),
        };
        let wanted: Vec<_> = zones.iter().flat_map(|zone| self.leases.release(zone)).collect();
        let mut wanted: Vec<_> = wanted.into_iter().map(|key| Change::Lapse { key }).collect();
        wanted.sort_by_key(word);
        got.sort_by_key(word);
        assert_eq!(
            got.iter().flat_map(word).collect::<Vec<_>>(),
            wanted.iter().flat_map(word).collect::<Vec<_>>()
        );
        self.leases.put_off(&wanted);
        if !wanted.is_empty() {
            self.see("released");
        }
        let operations = got.into_iter().map(Into::into).collect();
        self.made(
            vec![Request {
                operations,
                actor: "operator".into(),
            }],
            Fault::None,
            Vec::new(),
            None,
        );
    }

    fn probe(&mut self) {
        self.tell(|| "the writer looks whether it can write".into());
        self.world().writer.look_again();
        let trouble = self.world().writer.trouble();
        match self.broken {
            Some(_) => assert!(matches!(trouble, Some(Refusal::ReadOnly(_))), "{trouble:?}"),
            None => assert_eq!(trouble, None, "nothing is in its way"),
        }
    }

    /// A batch of these requests, and with `expires` of what expiry asks for; whether that was anything.
    fn batch(&mut self, mut requests: Vec<Request>, fault: Fault, expires: bool) -> bool {
        let mut due = None;
        if expires {
            let world = self.world.as_ref().expect("it runs");
            let mut changes = expiry::look(&world.deadlines, &world.current);
            if world.deadlines.is_guarded() || !self.leases.guards.zones.is_empty() {
                let (early, late) = self.leases.tend(&self.model);
                for _ in 0..early {
                    self.see("let go early");
                }
                for _ in 0..late {
                    self.see("let go in time");
                }
            }
            let dues = self.leases.dues(&self.model);
            let got: BTreeSet<String> = changes.iter().flat_map(word).collect();
            assert!(
                dues.must.is_subset(&got),
                "due, and not asked for: {:?}",
                &dues.must - &got
            );
            assert!(
                got.is_subset(&dues.may),
                "asked for, and not due: {:?}",
                &got - &dues.may
            );
            // Which of them comes first is chance, and here the seed's.
            changes.sort_by_key(word);
            self.draw.rng.shuffle(&mut changes);
            if !changes.is_empty() {
                // Others get in before it or after it, and between the look and the batch, and time passes.
                if !requests.is_empty() {
                    for _ in 0..self.draw.rng.usize(..3) {
                        let due = self.draw.pick(&changes);
                        if let Change::Lapse { key } | Change::Remove { key, .. } = due {
                            let rival = self.draw.about(key);
                            requests.push(rival);
                            self.see("rival");
                        }
                    }
                    self.draw.rng.shuffle(&mut requests);
                }
                let operations = changes.iter().cloned().map(Into::into).collect();
                let place = self.draw.rng.usize(..=requests.len());
                requests.insert(
                    place,
                    Request {
                        operations,
                        actor: "expiry".into(),
                    },
                );
                due = Some((changes, place));
            }
            if self.draw.one_in(3) {
                let keys: Vec<_> = (0..self.draw.rng.usize(..4))
                    .map(|_| self.draw.key(&self.model))
                    .collect();
                for key in keys {
                    let (told, wanted) = (self.world().deadlines.renew(&key), self.leases.renew(&key));
                    self.tell(|| format!("heartbeat of {key} in between: {wanted:?}"));
                    assert_eq!(beat(told), wanted, "heartbeat of {key}");
                }
                let ms = self.draw.pick(&[0, 1, 700]);
                self.advance(ms);
            }
        }
        if requests.is_empty() {
            return false;
        }
        // With a full disk each request is made by itself, and what lapses is judged twice.
        let fault = if fault == Fault::Full && due.is_some() {
            Fault::None
        } else {
            fault
        };
        let beats = if fault != Fault::Full && self.draw.one_in(4) {
            (0..3).map(|_| self.draw.key(&self.model)).collect()
        } else {
            Vec::new()
        };
        let is_due = due.is_some();
        self.made(requests, fault, beats, due);
        is_due
    }

    fn follow(&mut self) {
        let is_followed = self.followed.is_some();
        let feed = self.world().feed.clone();
        if is_followed {
            feed.unfollow();
            self.followed = None;
        } else {
            let from = feed.follow();
            assert_eq!(from, self.model.index, "where following begins");
            self.followed = Some(from);
        }
        self.tell(|| format!("the feed is followed from {:?}", self.followed));
    }

    /// The server ends, in order or not, and starts again.
    fn restart(&mut self) {
        let world = self.world.take().expect("it runs");
        let in_order = self.draw.rng.bool();
        self.tell(|| {
            if in_order {
                "it is stopped".into()
            } else {
                "it is killed".into()
            }
        });
        let dir = if in_order {
            world.stop()
        } else {
            world.kill(self.yard)
        };
        self.recall();
        self.start_again(dir);
    }

    /// The commit of which nobody was told had reached the disk, if there was one.
    pub(super) fn recall(&mut self) {
        if let Some(Some(limbo)) = self.broken.take() {
            let before = self.model.index;
            self.model = limbo;
            self.trim(self.model.index - before);
            self.see("recalled");
        }
    }

    pub(super) fn start_again(&mut self, dir: std::path::PathBuf) {
        let away = self.draw.rng.i64(-DAY_MS / 24..DAY_MS);
        self.wall = Timestamp::from_unix_ms(self.wall.unix_ms() + away);
        if self.draw.one_in(6) {
            let ttl = self.draw.pick(&[5, 7]);
            self.setup.base = Base {
                ttl: Ttl::from_seconds(ttl).expect("a TTL"),
                ..Base::default()
            };
        }
        (self.broken, self.followed) = (None, None);
        self.start(dir);
    }

    fn start(&mut self, dir: std::path::PathBuf) {
        self.tell(|| format!("it starts, with a TTL of {:?}", self.setup.base.ttl));
        let guards = Guards {
            is_off: self.setup.guarding.scope == Scope::Off,
            hold_max: self.setup.guarding.hold_max.as_millis() as u64,
            ..Guards::default()
        };
        let (world, opened) = World::start(dir, &self.setup, self.wall);
        self.world = Some(world);
        self.leases = Leases::start(&self.model, guards);
        let open = Change::Open {
            zones: vec![self.setup.zone.clone()],
            base: self.setup.base.clone(),
        };
        let request = Request {
            operations: vec![open.into()],
            actor: Arc::from("start"),
        };
        let tried = self.attempt(&[request]);
        assert_eq!(Told::from(&opened), tried.told[0], "opening the zones");
        self.commit(tried);
        self.check(true);
    }

    /// Holds all that can be seen against the model.
    pub(super) fn check(&mut self, is_thorough: bool) {
        let Some(world) = self.world.as_mut() else { return };
        check::catalog(&world.current.load().state, &self.model);
        check::deadlines(world, &self.model, &self.leases, self.wall);
        if let Some(followed) = &mut self.followed {
            check::feed(&world.feed, &self.model, followed);
        }
        if self.broken.is_none() && is_thorough {
            check::store(world);
        }
        check::answers(
            &mut self.draw,
            &mut self.resolver,
            world,
            &self.model,
            is_thorough,
        );
    }
}
