//! One connection: what it is doing, and when it has done nothing for too long.
//!
//! hyper has one timer for reading a request's head and for waiting between two requests. The first must be short
//! (slow loris) and the second long (a client that sends a heartbeat each 30 seconds keeps its connection), so both
//! are watched here, from the octets that come in and the requests that begin and end.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use crate::clock::{Clock, Running};

use super::serve::Limits;

/// What a connection is doing.
#[derive(Debug)]
pub(super) struct Activity {
    clock: Clock,
    /// Requests that are being answered.
    answering: AtomicUsize,
    /// Whether octets came since the last request, in milliseconds of running time, plus one; 0 is no.
    reading_since_ms: AtomicU64,
    /// When the last request ended, or the connection began, in milliseconds of running time.
    quiet_since_ms: AtomicU64,
    http2: AtomicBool,
    /// Its place among the connections, unless it was not given one.
    seat: Mutex<Option<Seat>>,
    /// Watches and waiting reads.
    following: AtomicUsize,
    /// For each reply without an end since when a piece of it waits to be taken, as [`Unread`] says.
    unread: Mutex<Vec<Arc<AtomicU64>>>,
    /// Rung to make room for another connection.
    pub(super) evicted: Notify,
}

/// What is to be done about a connection.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Look again after this time.
    Wait(Duration),
    /// It waits for too long: close it properly.
    Idle,
    /// Its request's head comes too slowly: cut it off.
    Slow,
    /// Its client does not take what a watch has for it: cut it off.
    Unread,
}

/// A place among the connections that are counted.
#[derive(Debug)]
struct Seat {
    all: Arc<Semaphore>,
    own: Option<OwnedSemaphorePermit>,
}

impl Activity {
    pub(super) fn new(clock: Clock) -> Self {
        let now = ms(clock.running());
        Self {
            clock,
            answering: AtomicUsize::new(0),
            // Who connects means to ask something.
            reading_since_ms: AtomicU64::new(now + 1),
            quiet_since_ms: AtomicU64::new(now),
            http2: AtomicBool::new(false),
            seat: Mutex::default(),
            following: AtomicUsize::new(0),
            unread: Mutex::default(),
            evicted: Notify::new(),
        }
    }

    /// Gives it one of the places that `all` has.
    pub(super) fn seat(&self, all: Arc<Semaphore>, own: OwnedSemaphorePermit) {
        *self.seats() = Some(Seat { all, own: Some(own) });
    }

    /// Takes its place away, for the next one.
    pub(super) fn unseat(&self) {
        *self.seats() = None;
    }

    fn seats(&self) -> MutexGuard<'_, Option<Seat>> {
        self.seat.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It follows the catalog, and does not count among the connections until what is returned is dropped: those who
    /// follow have a bound of their own, and keep nobody out who has a request.
    pub(super) fn follow(self: &Arc<Self>) -> Following {
        self.following.fetch_add(1, Ordering::AcqRel);
        if let Some(seat) = self.seats().as_mut() {
            seat.own = None;
        }
        Following(self.clone())
    }

    /// A reply without an end begins.
    pub(super) fn stream(self: &Arc<Self>) -> Unread {
        let since_ms = Arc::new(AtomicU64::new(0));
        self.streams().push(since_ms.clone());
        Unread {
            since_ms,
            activity: self.clone(),
        }
    }

    fn streams(&self) -> MutexGuard<'_, Vec<Arc<AtomicU64>>> {
        self.unread.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request begins; it ends when what is returned is dropped.
    pub(super) fn begin(self: &Arc<Self>) -> Answering {
        self.answering.fetch_add(1, Ordering::AcqRel);
        self.reading_since_ms.store(0, Ordering::Release);
        Answering(self.clone())
    }

    /// Since when it does nothing, if so.
    pub(super) fn quiet_since_ms(&self) -> Option<u64> {
        (self.answering.load(Ordering::Acquire) == 0).then(|| self.quiet_since_ms.load(Ordering::Acquire))
    }

    fn read(&self, octets: &[u8]) {
        if octets.starts_with(b"PRI") {
            self.http2.store(true, Ordering::Release);
        }
        // HTTP/2 has frames that are no request (RFC 9113 §6): there only quiet counts.
        let since = if self.http2.load(Ordering::Acquire) {
            0
        } else if self.answering.load(Ordering::Acquire) == 0 {
            ms(self.clock.running()) + 1
        } else {
            return;
        };
        if since == 0 {
            self.reading_since_ms.store(0, Ordering::Release);
        } else {
            // A head that comes in many pieces counts from its first.
            let _ = self
                .reading_since_ms
                .compare_exchange(0, since, Ordering::AcqRel, Ordering::Acquire);
        }
    }

    /// What is to be done now.
    pub(super) fn judge(&self, limits: &Limits) -> Verdict {
        let now = ms(self.clock.running());
        let since = |since: u64| since_ms(now, since);
        let Some(quiet) = self.quiet_since_ms() else {
            let streams = self.streams();
            let waiting = streams.iter().map(|since| match since.load(Ordering::Acquire) {
                0 => Duration::ZERO,
                waiting => since_ms(now, waiting - 1),
            });
            return match waiting.max() {
                None => Verdict::Wait(limits.idle_max.min(limits.unread_max)),
                Some(longest) if longest >= limits.unread_max => Verdict::Unread,
                Some(longest) => Verdict::Wait((limits.unread_max - longest).max(LOOK_MIN)),
            };
        };
        let idle_left = limits.idle_max.saturating_sub(since(quiet));
        if idle_left.is_zero() {
            return Verdict::Idle;
        }
        let head_left = match self.reading_since_ms.load(Ordering::Acquire) {
            // Bytes of a head may come at any time: look again soon enough for its limit.
            0 => limits.head_time_max,
            reading => limits.head_time_max.saturating_sub(since(reading - 1)),
        };
        if head_left.is_zero() {
            return Verdict::Slow;
        }
        // A manual clock may stand still while real time passes.
        Verdict::Wait(idle_left.min(head_left).max(LOOK_MIN))
    }
}

/// The least time between two looks.
const LOOK_MIN: Duration = Duration::from_millis(10);

fn since_ms(now: u64, since: u64) -> Duration {
    Duration::from_millis(now.saturating_sub(since))
}

fn ms(running: Running) -> u64 {
    u64::try_from(running.since(Running::START).as_millis()).unwrap_or(u64::MAX - 1)
}

/// A request that is being answered.
#[derive(Debug)]
pub(super) struct Answering(Arc<Activity>);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0
            .quiet_since_ms
            .store(ms(self.0.clock.running()), Ordering::Release);
        self.0.answering.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A connection that follows the catalog. When it is over, the connection counts again, or ends if all places are taken.
#[derive(Debug)]
pub(super) struct Following(Arc<Activity>);

impl Drop for Following {
    fn drop(&mut self) {
        if self.0.following.fetch_sub(1, Ordering::AcqRel) > 1 {
            return;
        }
        if let Some(seat) = self.0.seats().as_mut() {
            seat.own = seat.all.clone().try_acquire_owned().ok();
            if seat.own.is_none() {
                self.0.evicted.notify_one();
            }
        }
    }
}

/// Whether the client takes what a reply without an end has for it. The next piece is asked for as soon as there is room
/// for it: while a piece was given and no other one asked for, the client does not read.
#[derive(Debug)]
pub(super) struct Unread {
    /// In milliseconds of running time, plus one; 0 is no.
    since_ms: Arc<AtomicU64>,
    activity: Arc<Activity>,
}

impl Unread {
    /// A piece was given.
    pub(super) fn gave(&self) {
        let now = ms(self.activity.clock.running());
        self.since_ms.store(now + 1, Ordering::Release);
    }

    /// Another one is asked for.
    pub(super) fn asked(&self) {
        self.since_ms.store(0, Ordering::Release);
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        self.activity
            .streams()
            .retain(|other| !Arc::ptr_eq(other, &self.since_ms));
    }
}

/// A stream that tells what is read from it.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) stream: TcpStream,
    pub(super) activity: Arc<Activity>,
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        let octets = &buf.filled()[before..];
        if !octets.is_empty() {
            self.activity.read(octets);
        }
        polled
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // hyper reads nothing while a reply is awaited or on its way, so it would not see that a client of a watch is
        // gone. This is called whenever it has nothing more to do.
        if self.activity.following.load(Ordering::Acquire) > 0 {
            let mut octet = [0];
            match self.stream.poll_peek(cx, &mut ReadBuf::new(&mut octet)) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into())),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Ready(Ok(_)) | Poll::Pending => {}
            }
        }
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    #[test]
    fn a_slow_head_is_cut_off_and_a_quiet_connection_closed() {
        let limits = Limits::default();
        let (clock, hand) = Clock::manual(Timestamp::from_unix_ms(0));
        let activity = Arc::new(Activity::new(clock));
        hand.advance(limits.head_time_max - Duration::from_millis(1));
        activity.read(b"GET");
        assert!(matches!(activity.judge(&limits), Verdict::Wait(_)));
        hand.advance(Duration::from_millis(1));
        assert_eq!(
            activity.judge(&limits),
            Verdict::Slow,
            "counted from the first octet awaited"
        );

        let answering = activity.begin();
        hand.advance(limits.idle_max * 2);
        assert!(
            matches!(activity.judge(&limits), Verdict::Wait(_)),
            "never while it answers"
        );
        drop(answering);
        hand.advance(limits.idle_max - Duration::from_millis(1));
        assert!(matches!(activity.judge(&limits), Verdict::Wait(_)));
        hand.advance(Duration::from_millis(1));
        assert_eq!(activity.judge(&limits), Verdict::Idle);
    }

    #[test]
    fn frames_of_http_2_are_no_slow_head() {
        let limits = Limits::default();
        let (clock, hand) = Clock::manual(Timestamp::from_unix_ms(0));
        let activity = Activity::new(clock);
        activity.read(b"PRI * HTTP/2.0\r\n");
        hand.advance(limits.head_time_max * 2);
        activity.read(b"a ping");
        hand.advance(limits.head_time_max);
        assert!(matches!(activity.judge(&limits), Verdict::Wait(_)));
    }
}
