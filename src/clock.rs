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

/// How often [`Clock::tick`] is called, at least.
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
            seen_us: AtomicU64::new(NOT_YET),
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

    /// Says that the process is running now. Called at least each [`TICK`]; a gap much longer was a pause, and is taken
    /// out of the running time. Gives what was taken out since the last call, if that is worth a line.
    pub fn tick(&self) -> Option<Duration> {
        match self {
            Self::System(clock) => clock.tick(),
            Self::Manual(_) => None,
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

/// Nobody has ticked: a process without deadlines takes nothing for a pause.
const NOT_YET: u64 = u64::MAX;

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
    /// When the process was last seen running; [`NOT_YET`].
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
        let seen = self.seen_us.swap(now, Ordering::SeqCst);
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
        self.change(|_, untold| {
            let told = Some(Duration::from_micros(*untold)).filter(|pause| *pause >= PAUSE_TOLD_MIN);
            if told.is_some() {
                *untold = 0;
            }
            told
        })
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

    /// A system clock whose monotonic one stands at `us` now, and goes on.
    fn clock_at(us: u64) -> SystemClock {
        let Clock::System(clock) = Clock::system() else {
            unreachable!("made as the system's")
        };
        let origin = clock.origin.checked_sub(Duration::from_micros(us));
        SystemClock {
            origin: origin.expect("the machine has run for as long"),
            version: AtomicU64::new(0),
            seen_us: AtomicU64::new(0),
            left_out_us: AtomicU64::new(0),
            stands_from_us: AtomicU64::new(GOES),
            untold_us: Mutex::new(0),
        }
    }

    /// Whether `us` is so much and at most 100 ms more, which is what the test itself may take.
    #[track_caller]
    fn is_about(us: u64, wanted_ms: u64) {
        let wanted = wanted_ms * 1000;
        assert!(
            (wanted..wanted + 100_000).contains(&us),
            "{us} µs, not {wanted_ms} ms"
        );
    }

    #[test]
    fn a_gap_between_ticks_is_taken_out_of_the_running_time() {
        // As if the last tick had been a minute ago.
        let clock = clock_at(60_000_000);
        let pause = clock.tick().expect("a pause");
        assert!(pause >= Duration::from_secs(59), "{pause:?}");
        is_about(clock.running_us(), 250);
        assert_eq!(clock.tick(), None, "it is told once");
    }

    #[test]
    fn who_reads_first_after_a_pause_takes_it_out_and_it_is_told_at_the_next_tick() {
        let clock = clock_at(60_000_000);
        is_about(clock.running_us(), 250);
        assert!(clock.tick().is_some());
    }

    #[test]
    fn a_late_wake_up_is_no_pause() {
        let clock = clock_at(100_000);
        assert_eq!(clock.tick(), None);
        is_about(clock.running_us(), 100);
    }

    #[test]
    fn time_stands_still_while_the_disk_keeps_the_writer_waiting() {
        let clock = clock_at(100_000);
        clock.stand();
        // As if the commit had begun 40 s ago.
        let began = clock_at(40_100_000);
        for (from, to) in [
            (&clock.seen_us, &began.seen_us),
            (&clock.stands_from_us, &began.stands_from_us),
        ] {
            to.store(from.load(Ordering::SeqCst), Ordering::SeqCst);
        }
        is_about(began.running_us(), 350);
        assert_eq!(began.tick(), None, "that is no pause of the process");
        is_about(began.running_us(), 350);
        let stood = began.go_on().expect("long enough for a line");
        assert!(stood >= Duration::from_secs(39), "{stood:?}");
        is_about(began.running_us(), 350);
        assert_eq!(began.tick(), None);
    }

    #[test]
    fn a_pause_during_a_commit_is_taken_out_once() {
        let clock = clock_at(60_000_000);
        // The commit began at 50 ms, and the process was stopped at 100 ms.
        clock.seen_us.store(100_000, Ordering::SeqCst);
        clock.stands_from_us.store(300_000, Ordering::SeqCst);
        assert_eq!(clock.tick(), None);
        assert!(clock.go_on().is_some());
        is_about(clock.running_us(), 300);
        is_about(
            clock.monotonic_us() - clock.left_out_us.load(Ordering::SeqCst),
            300,
        );
    }

    #[test]
    fn a_short_commit_costs_no_time() {
        let clock = clock_at(100_000);
        clock.stand();
        assert_eq!(clock.go_on(), None);
        is_about(clock.running_us(), 100);
        assert_eq!(clock.left_out_us.load(Ordering::SeqCst), 0);
    }

    /// Threads read it while it is paused, stalled and ticked; none sees it go back.
    #[test]
    fn it_never_goes_backward() {
        let clock = clock_at(0);
        let until = Duration::from_millis(400);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let mut last = 0;
                    while clock.origin.elapsed() < until {
                        let now = clock.running_us();
                        assert!(now >= last, "{now} after {last}");
                        last = now;
                    }
                });
            }
            scope.spawn(|| {
                while clock.origin.elapsed() < until {
                    clock.stand();
                    clock.tick();
                    clock.go_on();
                }
            });
        });
        assert!(clock.running_us() >= 300_000);
    }
}
