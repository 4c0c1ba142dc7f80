//! What shares a commit. A lock that another connection holds keeps one waiting, so that the next requests gather
//! behind it.
#![allow(clippy::unwrap_used)]

use super::super::*;
use crate::catalog::tests::fixture::*;
use crate::catalog::{Base, Change};
use crate::clock::{Alarm, ManualClock};
use crate::lease::Renewal;

struct Bench {
    writer: Writer,
    _handle: Handle,
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
        let (writer, handle) = start(
            opened.store,
            current.clone(),
            Arc::new(Feed::new(0)),
            deadlines.clone(),
            clock,
            Arc::default(),
        )
        .unwrap();
        let bench = Self {
            writer,
            _handle: handle,
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
fn what_gathers_during_a_commit_shares_the_next_and_a_refusal_fails_no_neighbour() {
    let bench = Bench::new();
    let lock = bench.lock();
    let first = bench.writer.send(request([one("first.web")])).unwrap();
    // It is alone in its batch once it has left the queue.
    while bench.writer.shared.queued_operations.load(Ordering::Relaxed) > 0 {
        std::thread::yield_now();
    }
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
