//! Time, in the two kinds that Callsign needs, and nothing else of it.
//!
//! - [`Timestamp`]: the wall clock. It is shown to people and written to disk; nothing is ever decided by it, because
//!   it jumps.
//! - [`Running`]: time for which this process was running. Deadlines are counted on it. A process that was stopped
//!   (SIGSTOP, a machine that was suspended) could not have received a heartbeat meanwhile, so that time does not
//!   count: whoever reads the clock first after it finds the gap between two ticks, and takes it out for every
//!   deadline at once. Nor does the time count for which the disk keeps the writer waiting ([`Clock::stand`]): who
//!   renews by a write, or waits for another one, could not have done so. It never goes backward.
//!
//! Every other module takes a [`Clock`] or a value of it; `clippy.toml` bans the system's clocks elsewhere.

use std::fmt;
use std::ops::{Add, Sub};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How often [`Clock::tick`] is called, at least, while anything waits for a deadline.
pub const TICK: Duration = Duration::from_millis(100);

/// A gap between two ticks longer than this is a pause of the process, not a late wake-up. So much of each pause, and
/// of each commit that takes longer, counts as time all the same: short leases stand it too.
pub const PAUSE_MIN: Duration = Duration::from_millis(250);

/// Pauses that are worth a line: shorter ones are a busy machine.
pub const PAUSE_TOLD_MIN: Duration = Duration::from_millis(1500);

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
            version: AtomicU64::new(0),
            seen_us: AtomicU64::new(AT_REST),
            left_out_us: AtomicU64::new(0),
            stands_from_us: AtomicU64::new(GOES),
            untold_us: Mutex::new(0),
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
            Self::System(clock) => Running(Duration::from_micros(clock.running_us())),
            Self::Manual(clock) => Running(Duration::from_micros(clock.running_us.load(Ordering::SeqCst))),
        }
    }

    /// For how long there has been time, pauses and all: to tell how long something took.
    pub fn lasted(&self) -> Duration {
        match self {
            Self::System(clock) => Duration::from_micros(clock.monotonic_us()),
            Self::Manual(_) => self.running().since(Running::START),
        }
    }

    /// Says that the process is running now. Called at least each [`TICK`] until [`Self::rest`]; a gap much longer was a pause, and is taken
    /// out of the running time. Gives what was taken out since the last call, if that is worth a line.
    pub fn tick(&self) -> Option<Duration> {
        match self {
            Self::System(clock) => clock.tick(),
            Self::Manual(_) => None,
        }
    }

    /// Says that no ticks will come for a while because nothing waits for a deadline: until the next one no gap is a pause.
    pub fn rest(&self) {
        if let Self::System(clock) = self {
            clock.rest();
        }
    }

    /// Says that the writer waits for the disk from now on: if that takes longer than [`PAUSE_MIN`], time stands still
    /// until [`Self::go_on`].
    pub fn stand(&self) {
        if let Self::System(clock) = self {
            clock.stand();
        }
    }

    /// Says that the disk has answered; gives for how long time stood still, if that is worth a line.
    pub fn go_on(&self) -> Option<Duration> {
        match self {
            Self::System(clock) => clock.go_on(),
            Self::Manual(_) => None,
        }
    }

    /// Lets `alarm` ring whenever a test moves this clock. With the system's clocks an alarm wakes by itself.
    pub fn wake(&self, alarm: &Arc<Alarm>) {
        if let Self::Manual(clock) = self {
            locked(&clock.alarms).push(alarm.clone());
        }
    }
}

/// No point from which time stands still: it goes.
const GOES: u64 = u64::MAX;

/// Nobody ticks: a process without deadlines takes nothing for a pause.
const AT_REST: u64 = u64::MAX;

const PAUSE_MIN_US: u64 = PAUSE_MIN.as_micros() as u64;

/// The system's clocks: CLOCK_REALTIME for people; CLOCK_MONOTONIC, which stands while the machine is suspended, less
/// the pauses for deadlines.
///
/// Reading takes no lock: heartbeats do it. The numbers belong together, so a reader that met a change (`version` is
/// odd, or another one after than before) reads again.
#[derive(Debug)]
pub struct SystemClock {
    origin: std::time::Instant,
    version: AtomicU64,
    /// When the process was last seen running; [`AT_REST`] while nobody ticks.
    seen_us: AtomicU64,
    /// What is taken out of the time until then.
    left_out_us: AtomicU64,
    /// From when time stands still because the writer waits for the disk.
    stands_from_us: AtomicU64,
    /// Held by who changes any of these; pauses that nobody has been told of.
    untold_us: Mutex<u64>,
}

impl SystemClock {
    fn monotonic_us(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    fn running_us(&self) -> u64 {
        loop {
            let version = self.version.load(Ordering::SeqCst);
            let now = self.monotonic_us();
            let seen = self.seen_us.load(Ordering::SeqCst);
            let left_out = self.left_out_us.load(Ordering::SeqCst);
            let stands_from = self.stands_from_us.load(Ordering::SeqCst);
            if version % 2 == 1 || self.version.load(Ordering::SeqCst) != version {
                drop(locked(&self.untold_us));
                continue;
            }
            let at = now.min(stands_from);
            if at.saturating_sub(seen.min(stands_from)) > PAUSE_MIN_US {
                // The first to look after a pause; what it reads before that would be too late by the whole of it.
                self.change(|_, _| ());
                continue;
            }
            return at.saturating_sub(left_out);
        }
    }

    /// Notes that the process is running, takes a pause out, and lets `and` change what else is to be changed now: it
    /// gets the time, and the pauses that nobody has been told of.
    fn change<T>(&self, and: impl FnOnce(u64, &mut u64) -> T) -> T {
        let mut untold = locked(&self.untold_us);
        let now = self.monotonic_us();
        self.version.fetch_add(1, Ordering::SeqCst);
        let stands_from = self.stands_from_us.load(Ordering::SeqCst);
        let seen = self.seen_us.load(Ordering::SeqCst);
        if seen != AT_REST {
            self.seen_us.store(now, Ordering::SeqCst);
        }
        // Where time stands still there is no pause.
        let gap = now.min(stands_from).saturating_sub(seen.min(stands_from));
        if gap > PAUSE_MIN_US {
            self.left_out_us.fetch_add(gap - PAUSE_MIN_US, Ordering::SeqCst);
            *untold += gap - PAUSE_MIN_US;
        }
        let and = and(now, &mut untold);
        self.version.fetch_add(1, Ordering::SeqCst);
        and
    }

    fn tick(&self) -> Option<Duration> {
        self.change(|now, untold| {
            self.seen_us.store(now, Ordering::SeqCst);
            let told = Some(Duration::from_micros(*untold)).filter(|pause| *pause >= PAUSE_TOLD_MIN);
            if told.is_some() {
                *untold = 0;
            }
            told
        })
    }

    fn rest(&self) {
        self.change(|_, _| self.seen_us.store(AT_REST, Ordering::SeqCst));
    }

    fn stand(&self) {
        self.change(|now, _| self.stands_from_us.store(now + PAUSE_MIN_US, Ordering::SeqCst));
    }

    fn go_on(&self) -> Option<Duration> {
        let stood = self.change(|now, _| {
            let from = self.stands_from_us.swap(GOES, Ordering::SeqCst);
            let stood = now.saturating_sub(from);
            self.left_out_us.fetch_add(stood, Ordering::SeqCst);
            stood
        });
        Some(Duration::from_micros(stood)).filter(|stood| *stood >= PAUSE_TOLD_MIN)
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
mod tests;
