//! Deadlines that have passed become changes: lapses, removals, forgotten names.
//!
//! A thread sleeps until the next deadline, at most [`TICK`] at a time while there is one, and without end while there
//! is none. A wake-up that comes much too late was a pause of the process: the clock takes it out before anything
//! is judged by it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::clock::{Alarm, Clock, Running, TICK};
use crate::lease::Deadlines;
use crate::writer::{Refusal, Request, Writer};

/// Changes in one request: enough for a mass lapse to cost few commits, few enough to let others in between.
const CHANGES_MAX: usize = 256;

/// The expiry thread. Dropping it stops it.
#[derive(Debug)]
pub struct Handle {
    stop: Arc<AtomicBool>,
    alarm: Arc<Alarm>,
    clock: Clock,
    looked: Arc<Looked>,
    thread: Option<JoinHandle<()>>,
}

/// Until when the deadlines were looked at and nothing was due any more.
#[derive(Debug, Default)]
struct Looked {
    until: Mutex<Option<Running>>,
    moved: Condvar,
}

impl Handle {
    /// Waits, at most for `limit`, until whatever is due now is committed; whether it came to that. For tests that
    /// move the clock: they wait for the event instead of sleeping.
    pub fn settle(&self, limit: Duration) -> bool {
        let now = self.clock.running();
        self.alarm.ring();
        let until = self.looked.until.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self
            .looked
            .moved
            .wait_timeout_while(until, limit, |until| *until < Some(now));
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }
}

/// Starts the thread; `alarm` is the one that `deadlines` rings.
///
/// # Errors
/// No thread can be had.
pub fn start(
    deadlines: Arc<Deadlines>,
    alarm: Arc<Alarm>,
    writer: Writer,
    clock: Clock,
) -> std::io::Result<Handle> {
    clock.wake(&alarm);
    let stop = Arc::new(AtomicBool::new(false));
    let looked = Arc::new(Looked::default());
    let expiry = Expiry {
        deadlines,
        alarm: alarm.clone(),
        writer,
        clock: clock.clone(),
        looked: looked.clone(),
        stop: stop.clone(),
    };
    let thread = std::thread::Builder::new()
        .name("expiry".into())
        .spawn(move || expiry.run())?;
    Ok(Handle {
        stop,
        alarm,
        clock,
        looked,
        thread: Some(thread),
    })
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        self.alarm.ring();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the expiry thread ended by a panic");
        }
    }
}

struct Expiry {
    deadlines: Arc<Deadlines>,
    alarm: Arc<Alarm>,
    writer: Writer,
    clock: Clock,
    looked: Arc<Looked>,
    stop: Arc<AtomicBool>,
}

impl Expiry {
    fn run(self) {
        let actor: Arc<str> = "expiry".into();
        while !self.stop.load(Ordering::SeqCst) {
            if let Some(pause) = self.clock.tick() {
                tracing::warn!(
                    ?pause,
                    "the process was paused; every deadline is put off by as much"
                );
            }
            let now = self.clock.running();
            let due = self.deadlines.take_due(CHANGES_MAX);
            if due.is_empty() {
                *self.looked.until.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
                self.looked.moved.notify_all();
                self.sleep();
                continue;
            }
            let operations = due.iter().cloned().map(Into::into).collect();
            match self.writer.submit_blocking(Request {
                operations,
                actor: actor.clone(),
            }) {
                Ok(_) => {}
                Err(Refusal::Stopping) => return,
                Err(refusal) => {
                    tracing::warn!(%refusal, changes = due.len(), "lapses and removals are put off");
                    self.deadlines.give_back(&due);
                }
            }
        }
    }

    fn sleep(&self) {
        let Some(next) = self.deadlines.next() else {
            self.clock.rest();
            self.alarm.wait(None);
            return;
        };
        match self.clock {
            Clock::System(_) => self.alarm.wait(Some(next.since(self.clock.running()).min(TICK))),
            // A clock that a test moves rings when it is moved.
            Clock::Manual(_) => self.alarm.wait(None),
        }
    }
}
