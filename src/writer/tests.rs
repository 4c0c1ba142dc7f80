//! The order of commit, publication and acknowledgement, and the bounds of the queue, over a real store.

mod batches;

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::*;
use crate::catalog::tests::fixture::{BEGIN, ZONE, at, key, register, zone};
use crate::catalog::{Base, Change, Rejection};
use crate::clock::Alarm;
use crate::store;

struct Bench {
    door: Writer,
    handle: Handle,
    current: Arc<Current>,
    folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::TempDir::new().expect("a folder");
        let opened = Store::open(folder.path()).expect("a new store");
        let current = Arc::new(Current::new(Snapshot::of(opened.state)));
        let (clock, _) = Clock::manual(BEGIN);
        let deadlines = Arc::new(Deadlines::new(clock.clone(), Arc::new(Alarm::default())));
        let (door, handle) = start(
            opened.store,
            current.clone(),
            Arc::new(Feed::new(0)),
            deadlines,
            clock,
            Arc::default(),
        )
        .expect("a thread can be had");
        let bench = Self {
            door,
            handle,
            current,
            folder,
        };
        let (zones, base) = (vec![zone(ZONE)], Base::default());
        bench.make([Change::Open { zones, base }]).expect("a zone");
        bench
    }

    fn make(&self, changes: impl IntoIterator<Item = Change>) -> Result<Done, Refusal> {
        self.door.submit_blocking(request(changes))
    }

    /// Keeps the writer from committing until the connection is dropped.
    fn lock(&self) -> rusqlite::Connection {
        let other = rusqlite::Connection::open(self.folder.path().join("callsign.db")).expect("a data base");
        other.execute_batch("BEGIN IMMEDIATE").expect("nobody writes");
        other
    }
}

fn request(changes: impl IntoIterator<Item = Change>) -> Request {
    Request {
        operations: changes.into_iter().map(Into::into).collect(),
        actor: "a test".into(),
    }
}

fn registration(number: usize) -> Change {
    register(&format!("i{number}.web"), at("192.0.2.1"))
}

#[test]
fn what_is_acknowledged_is_on_disk_and_published() {
    let bench = Bench::new();
    for number in 0..50 {
        let done = bench.make([registration(number)]).expect("room");
        let index = done.snapshot.state.index;
        assert!(
            bench.current.load().state.index >= index,
            "published before it is acknowledged"
        );
        let (on_disk, _) = store::read(bench.folder.path()).expect("beside the writer");
        assert!(on_disk.index >= index, "committed before it is acknowledged");
    }
    bench.handle.stop();
}

#[test]
fn a_request_is_made_whole_or_not_and_its_neighbours_are() {
    let bench = Bench::new();
    let absent = Change::Deregister {
        key: key("nobody.web"),
        absent_is_fine: false,
    };
    let refused = bench.make([registration(1), absent]);
    assert!(
        matches!(
            refused,
            Err(Refusal::Rejected {
                at: 1,
                rejection: Rejection::NoInstance(_)
            })
        ),
        "{refused:?}"
    );
    bench.make([registration(2)]).expect("room");
    let state = &bench.current.snapshot().state;
    assert!(state.instance(&key("i1.web")).is_err() && state.instance(&key("i2.web")).is_ok());
}

/// Sends `requests` while the writer waits for a lock, until one is refused; how many were taken. Those who were taken
/// are all acknowledged once the lock is gone.
fn taken_until_full(requests: impl Iterator<Item = Request>) -> usize {
    let bench = Bench::new();
    let other = bench.lock();
    let mut context = Context::from_waker(Waker::noop());
    let mut waiting = Vec::new();
    for request in requests {
        let mut asked = Box::pin(bench.door.submit(request));
        match asked.as_mut().poll(&mut context) {
            Poll::Pending => waiting.push(asked),
            Poll::Ready(refused) => {
                assert!(matches!(refused, Err(Refusal::Busy(_))), "{refused:?}");
                break;
            }
        }
    }
    drop(other);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let taken = waiting.len();
    for asked in waiting {
        runtime.block_on(pin!(asked)).expect("it was taken");
    }
    bench.make([registration(0)]).expect("there is room again");
    taken
}

#[test]
fn a_full_queue_of_requests_refuses_and_forgets_nobody_it_took() {
    let taken = taken_until_full((1..).map(|_| request([registration(1)])));
    // The writer may have taken a batch from the queue before it met the lock.
    assert!(
        (QUEUED_REQUESTS_MAX..=2 * QUEUED_REQUESTS_MAX).contains(&taken),
        "{taken}"
    );
}

#[test]
fn a_full_queue_of_operations_refuses_and_forgets_nobody_it_took() {
    let batch = || (0..1000).map(|_| registration(1));
    let taken = taken_until_full((1..).map(|_| request(batch()))) * 1000;
    let most = QUEUED_OPERATIONS_MAX + COMMIT_OPERATIONS_MAX + 2 * 1000;
    assert!((QUEUED_OPERATIONS_MAX..=most).contains(&taken), "{taken}");
}

#[test]
fn a_stop_makes_what_is_queued_and_refuses_what_comes_later() {
    let bench = Bench::new();
    let mut context = Context::from_waker(Waker::noop());
    let mut waiting: Vec<_> = (0..200)
        .map(|number| Box::pin(bench.door.submit(request([registration(number)]))))
        .collect();
    for asked in &mut waiting {
        assert!(asked.as_mut().poll(&mut context).is_pending());
    }
    bench.handle.stop();
    for mut asked in waiting {
        let Poll::Ready(made) = asked.as_mut().poll(&mut context) else {
            panic!("the writer has ended");
        };
        made.expect("it was queued");
    }
    let late = bench.door.submit_blocking(request([registration(200)]));
    assert_eq!(late.err(), Some(Refusal::Stopping));
    assert_eq!(bench.door.trouble(), Some(Refusal::Stopping));
    let (on_disk, _) = store::read(bench.folder.path()).expect("nobody has it open");
    assert_eq!(
        on_disk
            .service(&zone(ZONE), &key("i0.web").service)
            .expect("web")
            .instances
            .len(),
        200
    );
}

#[test]
fn a_store_that_failed_refuses_everything_and_what_is_published_stays() {
    let bench = Bench::new();
    bench.make([registration(1)]).expect("room");
    let other = rusqlite::Connection::open(bench.folder.path().join("callsign.db")).expect("a data base");
    other
        .execute_batch("UPDATE instances SET checksum = 0")
        .expect("nobody writes");
    let before = bench.current.snapshot();
    for change in [
        Change::Deregister {
            key: key("i1.web"),
            absent_is_fine: false,
        },
        registration(2),
    ] {
        let refused = bench.make([change]);
        assert!(matches!(refused, Err(Refusal::ReadOnly(_))), "{refused:?}");
        assert!(matches!(bench.door.trouble(), Some(Refusal::ReadOnly(_))));
        assert!(Arc::ptr_eq(&before, &bench.current.snapshot()));
    }
}
