//! Deadlines that have passed become changes: lapses, removals, forgotten names.
//!
//! A thread sleeps until the next deadline, at most [`TICK`] at a time while there is one, and without end while there
//! is none. A wake-up that comes much too late was a pause of the process: the clock takes it out before anything
//! is judged by it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use crate::clock::{Alarm, Clock, TICK};
use crate::lease::Deadlines;
use crate::writer::{Refusal, Request, Writer};

/// Changes in one request: enough for a mass lapse to cost few commits, few enough to let others in between.
const CHANGES_MAX: usize = 256;

/// The expiry thread. Dropping it stops it.
#[derive(Debug)]
pub struct Handle {
    stop: Arc<AtomicBool>,
    alarm: Arc<Alarm>,
    thread: Option<JoinHandle<()>>,
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
    let expiry = Expiry {
        deadlines,
        alarm: alarm.clone(),
        writer,
        clock,
        stop: stop.clone(),
    };
    let thread = std::thread::Builder::new()
        .name("expiry".into())
        .spawn(move || expiry.run())?;
    Ok(Handle {
        stop,
        alarm,
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
            let due = self.deadlines.take_due(CHANGES_MAX);
            if due.is_empty() {
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
