//! Time, in the two kinds that Callsign needs, and nothing else of it.
//!
//! - [`Timestamp`]: the wall clock. It is shown to people and written to disk; nothing is ever decided by it, because
//!   it jumps.
//! - [`Running`]: time for which this process was running. Deadlines are counted on it. A process that was stopped
//!   (SIGSTOP, a suspended machine, a stalled disk) could not have received a heartbeat meanwhile, so that time does
//!   not count: [`Clock::tick`] finds the gap and takes it out for every deadline at once.
//!
//! Every other module takes a [`Clock`] or a value of it; `clippy.toml` bans the system's clocks elsewhere.

use std::fmt;
use std::ops::{Add, Sub};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How often [`Clock::tick`] is called while a deadline runs, at least.
pub const TICK: Duration = Duration::from_millis(250);

/// A gap between two ticks longer than this is a pause of the process, not a late wake-up.
pub const PAUSE_MIN: Duration = Duration::from_millis(1500);

/// A point of the wall clock: milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The point so many milliseconds after the UNIX epoch.
    pub const fn from_unix_ms(ms: i64) -> Self {
        Self(ms)
    }

    /// Milliseconds since the UNIX epoch.
    pub const fn unix_ms(self) -> i64 {
        self.0
    }

    /// Whole seconds since the UNIX epoch, as a zone's first serial is taken from (RFC 1912 §2.2 leaves the choice).
    pub const fn unix_s_wrapping(self) -> u32 {
        (self.0.div_euclid(1000)) as u32
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, rhs: Duration) -> Self {
        Self(
            self.0
                .saturating_add(i64::try_from(rhs.as_millis()).unwrap_or(i64::MAX)),
        )
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC with milliseconds, e.g. `2026-01-02T03:04:05.678Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(at) => write!(f, "{at:.3}"),
            // Past the year 9999 there is no RFC 3339 form.
            Err(_) => f.write_str("9999-12-31T23:59:59.999Z"),
        }
    }
}

/// A point of the time for which this process was running, from an origin of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Running(Duration);

impl Running {
    /// The origin.
    pub const START: Self = Self(Duration::ZERO);

    /// How long after `earlier` this is; zero if it is not after it.
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Duration> for Running {
    type Output = Self;

    fn add(self, rhs: Duration) -> Self {
        Self(self.0.saturating_add(rhs))
    }
}

impl Sub<Duration> for Running {
    type Output = Self;

    fn sub(self, rhs: Duration) -> Self {
        Self(self.0.saturating_sub(rhs))
    }
}

/// Where time comes from.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The system's clocks.
    System(Arc<SystemClock>),
    /// A clock that a test moves.
    Manual(Arc<ManualClock>),
}

impl Clock {
    /// The system's clocks, with the running time beginning now.
    #[allow(clippy::disallowed_methods)] // The one place that reads the system's clocks.
    pub fn system() -> Self {
        Self::System(Arc::new(SystemClock {
            origin: std::time::Instant::now(),
            paused_us: AtomicU64::new(0),
            last_tick_us: AtomicU64::new(0),
            ticking: AtomicBool::new(false),
        }))
    }

    /// A clock that stands at `start` until it is moved.
    pub fn manual(start: Timestamp) -> (Self, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock {
            wall_ms: AtomicI64::new(start.unix_ms()),
            running_us: AtomicU64::new(0),
            alarms: Mutex::new(Vec::new()),
        });
        (Self::Manual(clock.clone()), clock)
    }

    /// The wall clock.
    #[allow(clippy::disallowed_methods)]
    pub fn now(&self) -> Timestamp {
        match self {
            Self::System(_) => {
                let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
                Timestamp(since.map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX)))
            }
            Self::Manual(clock) => Timestamp(clock.wall_ms.load(Ordering::SeqCst)),
        }
    }

    /// The running time.
    pub fn running(&self) -> Running {
        match self {
            Self::System(clock) => {
                let paused = clock.paused_us.load(Ordering::SeqCst);
                Running(Duration::from_micros(clock.monotonic_us().saturating_sub(paused)))
            }
            Self::Manual(clock) => Running(Duration::from_micros(clock.running_us.load(Ordering::SeqCst))),
        }
    }

    /// Says that the process is running now. Called at least each [`TICK`] while a deadline runs; a longer gap was a
    /// pause, is taken out of the running time, and is returned.
    pub fn tick(&self) -> Option<Duration> {
        match self {
            Self::System(clock) => clock.tick(),
            Self::Manual(_) => None,
        }
    }

    /// Says that no ticks will come for a while because nothing waits for a deadline: the next tick finds no gap.
    pub fn rest(&self) {
        if let Self::System(clock) = self {
            clock.ticking.store(false, Ordering::SeqCst);
        }
    }

    /// Lets `alarm` ring whenever a test moves this clock. With the system's clocks an alarm wakes by itself.
    pub fn wake(&self, alarm: &Arc<Alarm>) {
        if let Self::Manual(clock) = self {
            locked(&clock.alarms).push(alarm.clone());
        }
    }
}

/// The system's clocks: CLOCK_REALTIME for people, CLOCK_MONOTONIC less the pauses for deadlines.
#[derive(Debug)]
pub struct SystemClock {
    origin: std::time::Instant,
    paused_us: AtomicU64,
    last_tick_us: AtomicU64,
    ticking: AtomicBool,
}

impl SystemClock {
    fn monotonic_us(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    fn tick(&self) -> Option<Duration> {
        let now = self.monotonic_us();
        let last = self.last_tick_us.swap(now, Ordering::SeqCst);
        if !self.ticking.swap(true, Ordering::SeqCst) {
            return None;
        }
        let gap = Duration::from_micros(now.saturating_sub(last));
        if gap <= PAUSE_MIN {
            return None;
        }
        let paused = gap.saturating_sub(TICK);
        self.paused_us.fetch_add(
            u64::try_from(paused.as_micros()).unwrap_or(u64::MAX),
            Ordering::SeqCst,
        );
        Some(paused)
    }
}

/// A clock that a test moves.
#[derive(Debug)]
pub struct ManualClock {
    wall_ms: AtomicI64,
    running_us: AtomicU64,
    alarms: Mutex<Vec<Arc<Alarm>>>,
}

impl ManualClock {
    /// Time passes while the process runs: both clocks move.
    pub fn advance(&self, by: Duration) {
        self.wall_ms.fetch_add(
            i64::try_from(by.as_millis()).unwrap_or(i64::MAX),
            Ordering::SeqCst,
        );
        self.running_us.fetch_add(
            u64::try_from(by.as_micros()).unwrap_or(u64::MAX),
            Ordering::SeqCst,
        );
        self.ring();
    }

    /// The wall clock jumps, or the process was stopped for a while: no running time passes.
    pub fn jump(&self, by_ms: i64) {
        self.wall_ms.fetch_add(by_ms, Ordering::SeqCst);
        self.ring();
    }

    fn ring(&self) {
        for alarm in locked(&self.alarms).iter() {
            alarm.ring();
        }
    }
}

/// Wakes one waiting thread: because something earlier is due, because a test moved the clock, or to stop.
#[derive(Debug, Default)]
pub struct Alarm {
    rung: Mutex<bool>,
    bell: Condvar,
}

impl Alarm {
    /// Wakes the thread that waits, or lets its next wait return at once.
    pub fn ring(&self) {
        *locked(&self.rung) = true;
        self.bell.notify_all();
    }

    /// Waits until the alarm rings, at most for `limit` (for ever if there is none).
    pub fn wait(&self, limit: Option<Duration>) {
        let mut rung = locked(&self.rung);
        if !*rung {
            rung = match limit {
                Some(limit) => {
                    self.bell
                        .wait_timeout_while(rung, limit, |rung| !*rung)
                        .unwrap_or_else(PoisonError::into_inner)
                        .0
                }
                None => self
                    .bell
                    .wait_while(rung, |rung| !*rung)
                    .unwrap_or_else(PoisonError::into_inner),
            };
        }
        *rung = false;
    }
}

/// A lock whose holder panicked still guards plain data that is whole: these locks are held over no call that can fail.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_shown_as_rfc_3339() {
        assert_eq!(Timestamp::from_unix_ms(0).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(
            Timestamp::from_unix_ms(1_767_323_045_678).to_string(),
            "2026-01-02T03:04:05.678Z"
        );
        assert_eq!(
            Timestamp::from_unix_ms(i64::MAX).to_string(),
            "9999-12-31T23:59:59.999Z"
        );
    }

    #[test]
    fn a_jump_of_the_wall_clock_moves_no_deadline() {
        let (clock, hand) = Clock::manual(Timestamp::from_unix_ms(1000));
        hand.jump(86_400_000);
        assert_eq!(clock.running(), Running::START);
        hand.advance(Duration::from_secs(2));
        assert_eq!(clock.running().since(Running::START), Duration::from_secs(2));
        assert_eq!(clock.now(), Timestamp::from_unix_ms(1000 + 86_400_000 + 2000));
    }

    #[test]
    fn a_gap_between_ticks_is_taken_out_of_the_running_time() {
        let Clock::System(clock) = Clock::system() else {
            unreachable!("made as the system's")
        };
        clock.tick();
        // As if the last tick had been a minute ago by the monotonic clock.
        let clock = SystemClock {
            origin: clock
                .origin
                .checked_sub(Duration::from_secs(60))
                .expect("a minute fits"),
            paused_us: AtomicU64::new(0),
            last_tick_us: AtomicU64::new(0),
            ticking: AtomicBool::new(true),
        };
        let gap = clock.tick().expect("a pause");
        assert!(gap >= Duration::from_secs(59), "{gap:?}");
        let clock = Clock::System(Arc::new(clock));
        assert!(clock.running().since(Running::START) < Duration::from_secs(2));
        clock.rest();
        assert_eq!(clock.tick(), None, "the first tick after a rest knows no gap");
    }
}
