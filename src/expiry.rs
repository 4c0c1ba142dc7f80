//! Deadlines that have passed become changes: lapses, removals, forgotten names.
//!
//! A thread sleeps until the next deadline, at most [`TICK`] at a time while there is one or the guard holds, and without
//! end otherwise. A wake-up that comes much too late was a pause of the process: the clock takes it out before anything
//! is judged by it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::catalog::Change;
use crate::clock::{Alarm, Clock, TICK};
use crate::lease::Deadlines;
use crate::view::Current;
use crate::writer::{Refusal, Request, Writer};

/// Changes in one request: enough for a mass lapse to cost few commits, few enough to let others in between.
const CHANGES_MAX: usize = 256;

/// The expiry thread. Dropping it stops it.
#[derive(Debug)]
pub struct Handle {
    stop: Arc<AtomicBool>,
    alarm: Arc<Alarm>,
    looks: Arc<Looks>,
    thread: Option<JoinHandle<()>>,
}

/// How often the deadlines were looked at.
#[derive(Debug, Default)]
struct Looks {
    /// Looks begun, and the number of the last that found nothing due.
    counts: Mutex<(u64, u64)>,
    found_nothing: Condvar,
}

impl Looks {
    fn counts(&self) -> MutexGuard<'_, (u64, u64)> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self) {
        self.counts().0 += 1;
    }

    fn end_with_nothing(&self) {
        let mut counts = self.counts();
        counts.1 = counts.0;
        drop(counts);
        self.found_nothing.notify_all();
    }
}

impl Handle {
    /// Waits, at most for `limit`, until whatever is due now is committed; whether it came to that. For tests that
    /// move the clock: they wait for the event instead of sleeping.
    pub fn settle(&self, limit: Duration) -> bool {
        let counts = self.looks.counts();
        // A look that is under way may have missed it.
        let wanted = counts.0 + 1;
        self.alarm.ring();
        let waited = self
            .looks
            .found_nothing
            .wait_timeout_while(counts, limit, |(_, last)| *last < wanted);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }
}

/// Starts the thread; `alarm` is the one that `deadlines` rings.
///
/// # Errors
/// No thread can be had.
pub fn start(
    deadlines: Arc<Deadlines>,
    current: Arc<Current>,
    alarm: Arc<Alarm>,
    writer: Writer,
    clock: Clock,
) -> std::io::Result<Handle> {
    clock.wake(&alarm);
    let stop = Arc::new(AtomicBool::new(false));
    let looks = Arc::new(Looks::default());
    let expiry = Expiry {
        deadlines,
        current,
        alarm: alarm.clone(),
        writer,
        clock,
        looks: looks.clone(),
        stop: stop.clone(),
    };
    let thread = std::thread::Builder::new()
        .name("expiry".into())
        .spawn(move || expiry.run())?;
    Ok(Handle {
        stop,
        alarm,
        looks,
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

/// Looks once: the guard lets go of what it may, and what is due is taken, to be made or given back.
pub(crate) fn look(deadlines: &Deadlines, current: &Current) -> Vec<Change> {
    if deadlines.is_guarded() {
        deadlines.tend_guard(&current.load().state);
    }
    deadlines.take_due(CHANGES_MAX)
}

struct Expiry {
    deadlines: Arc<Deadlines>,
    current: Arc<Current>,
    alarm: Arc<Alarm>,
    writer: Writer,
    clock: Clock,
    looks: Arc<Looks>,
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
            self.looks.begin();
            let due = look(&self.deadlines, &self.current);
            if due.is_empty() {
                self.looks.end_with_nothing();
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
        let next = self.deadlines.next();
        // What the guard holds has no deadline of its own.
        if next.is_none() && !self.deadlines.is_guarded() {
            self.clock.rest();
            self.alarm.wait(None);
            return;
        }
        match self.clock {
            Clock::System(_) => {
                let next = next.map(|next| next.since(self.clock.running()));
                self.alarm.wait(Some(next.map_or(TICK, |next| next.min(TICK))));
            }
            // A clock that a test moves rings when it is moved.
            Clock::Manual(_) => self.alarm.wait(None),
        }
    }
}
