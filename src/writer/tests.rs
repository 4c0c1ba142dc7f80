//! The writer over a real store: what shares a commit, what is refused, what is published. A lock that another
//! connection holds keeps a commit waiting, so that the next requests gather behind it.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::catalog::Base;
use crate::catalog::tests::fixture::*;
use crate::clock::{Alarm, ManualClock};
use crate::lease::Renewal;

struct Bench {
    writer: Writer,
    handle: Option<Handle>,
    current: Arc<Current>,
    deadlines: Arc<Deadlines>,
    hand: Arc<ManualClock>,
    dir: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (clock, hand) = Clock::manual(BEGIN);
        let opened = Store::open(dir.path()).unwrap();
        let current = Arc::new(Current::new(Snapshot::of(opened.state)));
        let deadlines = Arc::new(Deadlines::new(clock.clone(), Arc::new(Alarm::default())));
        let (writer, handle) = start(opened.store, current.clone(), deadlines.clone(), clock).unwrap();
        let bench = Self {
            writer,
            handle: Some(handle),
            current,
            deadlines,
            hand,
            dir,
        };
        let open = Change::Open {
            zones: vec![zone(ZONE)],
            base: Base::default(),
        };
        bench.ask([open]).unwrap();
        bench
    }

    fn ask(&self, changes: impl IntoIterator<Item = Change>) -> Result<Done, Refusal> {
        self.writer.submit_blocking(request(changes))
    }

    /// Another process with a lock: the next commit waits until it is dropped.
    fn lock(&self) -> rusqlite::Connection {
        let other = rusqlite::Connection::open(self.dir.path().join("callsign.db")).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        other
    }

    fn has(&self, name: &str) -> bool {
        self.current.load().state.instance(&key(name)).is_ok()
    }
}

fn request(changes: impl IntoIterator<Item = Change>) -> Request {
    Request {
        operations: changes.into_iter().map(Into::into).collect(),
        actor: "test".into(),
    }
}

fn one(name: &str) -> Change {
    register(name, at("192.0.2.1"))
}

type Answer = oneshot::Receiver<Result<Done, Refusal>>;

fn answer(answer: Answer) -> Result<Done, Refusal> {
    answer.blocking_recv().unwrap()
}

#[test]
fn what_is_acknowledged_is_published() {
    let bench = Bench::new();
    let done = bench.ask([one("a.web"), one("b.web")]).unwrap();
    assert_eq!(done.indexes, [2, 3]);
    assert!(done.effects.iter().all(|effect| effect.created));
    assert!(bench.has("a.web") && bench.has("b.web"));
    assert_eq!(bench.current.load().state.index, 3);
}

#[test]
fn a_request_is_made_whole_or_not_at_all_and_says_which_operation_failed() {
    let bench = Bench::new();
    let absent = Change::Deregister {
        key: key("nobody.web"),
        absent_is_fine: false,
    };
    let refusal = bench.ask([one("a.web"), absent, one("b.web")]).unwrap_err();
    assert!(matches!(
        refusal,
        Refusal::Rejected {
            at: 1,
            rejection: Rejection::NoInstance(_)
        }
    ));
    assert!(!bench.has("a.web") && !bench.has("b.web"));
    assert_eq!(bench.current.load().state.index, 1, "no index was taken");
}

#[test]
fn what_gathers_during_a_commit_shares_the_next_and_a_refusal_fails_no_neighbour() {
    let bench = Bench::new();
    let lock = bench.lock();
    let first = bench.writer.send(request([one("first.web")])).unwrap();
    let good = bench.writer.send(request([one("a.web")])).unwrap();
    // It collides with its neighbour, which is not on disk yet.
    let bad = bench
        .writer
        .send(request([register("b.web", at("192.0.2.2").tags("a"))]))
        .unwrap();
    let after = bench.writer.send(request([one("c.web")])).unwrap();
    drop(lock);
    assert!(answer(first).is_ok());
    let good = answer(good).unwrap();
    let bad = answer(bad).unwrap_err();
    assert!(
        matches!(
            bad,
            Refusal::Rejected {
                rejection: Rejection::Conflict { .. },
                ..
            }
        ),
        "{bad}"
    );
    let after = answer(after).unwrap();
    assert_eq!((good.indexes, after.indexes), (vec![3], vec![4]));
    assert!(
        Arc::ptr_eq(&good.snapshot, &after.snapshot),
        "one publication for both"
    );
    assert!(!bench.has("b.web"));
}

#[test]
fn a_full_queue_is_busy_and_what_was_queued_is_done() {
    let bench = Bench::new();
    let lock = bench.lock();
    let mut queued: Vec<Answer> = Vec::new();
    let refusal = loop {
        assert!(
            queued.len() <= QUEUED_REQUESTS_MAX + COMMIT_OPERATIONS_MAX,
            "the queue has no bound"
        );
        let number = queued.len();
        match bench
            .writer
            .send(request([one(&format!("i{number}.s{}", number / 1000))]))
        {
            Ok(answer) => queued.push(answer),
            Err(refusal) => break refusal,
        }
    };
    assert!(matches!(refusal, Refusal::Busy(_)), "{refusal}");
    assert!(queued.len() >= QUEUED_REQUESTS_MAX);
    drop(lock);
    let count = queued.len();
    assert!(queued.into_iter().all(|queued| answer(queued).is_ok()));
    assert_eq!(bench.current.load().state.index, 1 + count as u64);
    assert!(bench.ask([one("late.web")]).is_ok(), "there is room again");
}

#[test]
fn operations_that_wait_are_bounded_as_well_as_requests() {
    let bench = Bench::new();
    let lock = bench.lock();
    let batch = || request((0..1000).map(|number| one(&format!("i{number}.web"))));
    let mut queued: Vec<Answer> = Vec::new();
    let refusal = loop {
        assert!(
            queued.len() <= QUEUED_OPERATIONS_MAX / 1000 + 5,
            "operations have no bound"
        );
        match bench.writer.send(batch()) {
            Ok(answer) => queued.push(answer),
            Err(refusal) => break refusal,
        }
    };
    assert!(matches!(refusal, Refusal::Busy(_)), "{refusal}");
    drop(lock);
    assert!(queued.into_iter().all(|queued| answer(queued).is_ok()));
}

#[test]
fn a_store_that_fails_refuses_all_and_takes_nothing_from_what_is_answered() {
    let mut bench = Bench::new();
    bench.ask([one("a.web")]).unwrap();
    // Another program alters a row: what is on disk is not what was written.
    let other = rusqlite::Connection::open(bench.dir.path().join("callsign.db")).unwrap();
    let altered = other
        .execute("UPDATE instances SET checksum = checksum + 1", [])
        .unwrap();
    assert_eq!(altered, 1);
    let drain = Change::Drain {
        key: key("a.web"),
        draining: true,
        delete_after: None,
    };
    for _ in 0..2 {
        let refusal = bench.ask([drain.clone()]).unwrap_err();
        assert!(matches!(refusal, Refusal::ReadOnly(_)), "{refusal}");
        assert_eq!(bench.writer.trouble(), Some(refusal));
    }
    assert!(bench.has("a.web"));
    assert!(
        bench
            .current
            .load()
            .state
            .instance(&key("a.web"))
            .unwrap()
            .drain
            .is_none()
    );
    bench.handle.take().unwrap().stop();
}

#[test]
fn a_lapse_that_finds_its_lease_renewed_in_the_same_commit_is_none() {
    let bench = Bench::new();
    bench
        .ask([register("a.web", at("192.0.2.1").lease(1000))])
        .unwrap();
    let lapse = Change::Lapse { key: key("a.web") };
    let lock = bench.lock();
    let first = bench.writer.send(request([one("b.web")])).unwrap();
    bench.hand.advance(std::time::Duration::from_secs(2));
    let heartbeat = bench
        .writer
        .send(request([Change::Heartbeat { key: key("a.web") }]))
        .unwrap();
    let lapsed = bench.writer.send(request([lapse])).unwrap();
    drop(lock);
    answer(first).unwrap();
    answer(heartbeat).unwrap();
    assert!(
        answer(lapsed).unwrap().effects[0].records.is_empty(),
        "the heartbeat was there before"
    );
    assert_eq!(bench.deadlines.renew(&key("a.web")), Renewal::Renewed);
}

#[test]
fn a_stop_makes_what_is_queued_and_refuses_what_comes_later() {
    let mut bench = Bench::new();
    let lock = bench.lock();
    let queued: Vec<_> = (0..10)
        .map(|number| {
            bench
                .writer
                .send(request([one(&format!("i{number}.web"))]))
                .unwrap()
        })
        .collect();
    drop(lock);
    bench.handle.take().unwrap().stop();
    assert!(queued.into_iter().all(|queued| answer(queued).is_ok()));
    assert_eq!(bench.ask([one("late.web")]).unwrap_err(), Refusal::Stopping);
    let reopened = Store::open(bench.dir.path()).unwrap();
    assert_eq!(reopened.state, bench.current.load().state, "all of it is on disk");
}
