//! The listening socket and its connections.
//!
//! At [`CONNECTIONS_MAX`] the connection that has done nothing for the longest time is closed for a new one; if all
//! of them are at work, the new one waits, and those after it wait in the kernel's backlog.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};

use crate::clock::Clock;
use crate::metrics::Http;

use super::connection::{Activity, Verdict, Watched};
use super::follow::FOLLOWERS_MAX;
use super::front::{Front, Peer};
use super::sending::REPLIES_OCTETS_MAX;
use super::socket::{bind, is_http1};

/// Octets of a body; past it 413.
pub const BODY_OCTETS_MAX: usize = 1 << 20;
/// Octets of all bodies that are under way; past it 503.
pub const BODIES_OCTETS_MAX: usize = 32 << 20;
/// How long a body may take to arrive; past it 408.
pub const BODY_TIME_MAX: Duration = Duration::from_secs(30);
/// How long a request's head may take to arrive; past it the connection is closed.
pub const HEAD_TIME_MAX: Duration = Duration::from_secs(10);
/// Octets of a request's head; past it 431.
pub const HEAD_OCTETS_MAX: usize = 16 << 10;
/// Header fields of a request; past it 431.
pub const HEADERS_MAX: usize = 100;
/// How long a connection may wait for its next request, or for its client to read a reply; past it it is closed.
pub const IDLE_MAX: Duration = Duration::from_secs(90);
/// Connections, those that watch or wait for a change aside: they have a bound of their own.
pub const CONNECTIONS_MAX: usize = 4096;
/// How long a client may leave a piece of a watch unread; past it it is cut off.
pub const UNREAD_MAX: Duration = Duration::from_secs(10);
/// Between two comments of a watch in which nothing happens.
pub const BEAT: Duration = Duration::from_secs(15);
/// Requests at once on one connection of HTTP/2; past it a stream is refused (RFC 9113 §5.1.2).
pub const STREAMS_MAX: u32 = 100;
/// How long requests in flight may take to end when the server stops; past it their connections are cut.
pub const STOPPING_MAX: Duration = Duration::from_millis(1300);

/// Octets that one stream of HTTP/2, and one whole connection, may send ahead of being read.
const WINDOWS_OCTETS: (u32, u32) = (64 << 10, 256 << 10);
/// How long a connection that was asked to close may take for it.
const CLOSING_MAX: Duration = Duration::from_secs(5);
/// The longest pause after a failed accept, so that a lasting failure (no descriptors left) does not spin.
const ACCEPT_PAUSE_MAX: Duration = Duration::from_millis(100);

/// The bounds of the HTTP side; the default is the constants of this module.
#[derive(Clone, Debug)]
pub struct Limits {
    /// [`BODY_OCTETS_MAX`]
    pub body_octets_max: usize,
    /// [`BODIES_OCTETS_MAX`]
    pub bodies_octets_max: usize,
    /// [`REPLIES_OCTETS_MAX`]
    pub replies_octets_max: usize,
    /// [`BODY_TIME_MAX`]
    pub body_time_max: Duration,
    /// [`HEAD_TIME_MAX`]
    pub head_time_max: Duration,
    /// [`IDLE_MAX`]
    pub idle_max: Duration,
    /// [`CONNECTIONS_MAX`]
    pub connections_max: usize,
    /// [`STOPPING_MAX`]
    pub stopping_max: Duration,
    /// [`FOLLOWERS_MAX`]
    pub followers_max: usize,
    /// [`UNREAD_MAX`]
    pub unread_max: Duration,
    /// [`BEAT`]
    pub beat: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_octets_max: BODY_OCTETS_MAX,
            bodies_octets_max: BODIES_OCTETS_MAX,
            replies_octets_max: REPLIES_OCTETS_MAX,
            body_time_max: BODY_TIME_MAX,
            head_time_max: HEAD_TIME_MAX,
            idle_max: IDLE_MAX,
            connections_max: CONNECTIONS_MAX,
            stopping_max: STOPPING_MAX,
            followers_max: FOLLOWERS_MAX,
            unread_max: UNREAD_MAX,
            beat: BEAT,
        }
    }
}

/// An address that cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen for HTTP on {address}: {source}; choose another address with --http")]
pub struct BindError {
    /// Which.
    pub address: SocketAddr,
    /// Why.
    pub source: io::Error,
}

/// A server that runs. Dropping it stops it, too, without waiting for requests in flight.
#[derive(Debug)]
pub struct Handle {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    accepting: JoinHandle<()>,
}

impl Handle {
    /// Where it listens; the port is the one that was picked, if 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no more requests, and ends once those in flight are answered, after [`STOPPING_MAX`] in any case.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        if self.accepting.await.is_err() {
            tracing::error!("the HTTP listener ended by a panic");
        }
    }
}

/// What the connections share.
struct Shared {
    front: Front,
    clock: Clock,
    limits: Limits,
    slots: Arc<Semaphore>,
    open: Mutex<HashMap<u64, Arc<Activity>>>,
    /// For a connection that begins as HTTP/1, and for any other.
    http1: auto::Builder<TokioExecutor>,
    either: auto::Builder<TokioExecutor>,
}

impl Shared {
    fn metrics(&self) -> &Http {
        self.front.metrics()
    }

    /// Closes the connection that has done nothing for the longest time, if there is one.
    fn evict_quietest(&self) {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let quietest = open
            .values()
            .filter_map(|activity| Some((activity.quiet_since_ms()?, activity)))
            .min_by_key(|(since, _)| *since);
        if let Some((_, activity)) = quietest {
            self.metrics().evicted.fetch_add(1, Ordering::Relaxed);
            activity.evicted.notify_one();
        }
    }
}

/// Listens at `address`. It must be called within a runtime.
pub(super) fn listen(
    address: SocketAddr,
    front: Front,
    clock: Clock,
    limits: Limits,
) -> Result<Handle, BindError> {
    let failed = |source| BindError { address, source };
    let listener = bind(address).map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let (stop, stopping) = watch::channel(false);
    let shared = Arc::new(Shared {
        front,
        clock,
        slots: Arc::new(Semaphore::new(limits.connections_max)),
        limits,
        open: Mutex::default(),
        http1: builder().http1_only(),
        either: builder(),
    });
    Ok(Handle {
        address,
        stop,
        accepting: tokio::spawn(accept(listener, shared, stopping)),
    })
}

fn builder() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        // `connection` watches both of what this would time.
        .header_read_timeout(None)
        .half_close(true)
        .max_headers(HEADERS_MAX)
        .max_buf_size(HEAD_OCTETS_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(HEAD_OCTETS_MAX as u32)
        .initial_stream_window_size(WINDOWS_OCTETS.0)
        .initial_connection_window_size(WINDOWS_OCTETS.1)
        .max_send_buf_size(WINDOWS_OCTETS.0 as usize);
    builder
}

/// Accepts until it is stopped, and then waits for the connections to end.
async fn accept(listener: TcpListener, shared: Arc<Shared>, mut stopping: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    let mut telling = JoinSet::new();
    telling.spawn({
        let shared = shared.clone();
        async move { shared.front.tell().await }
    });
    let mut failures: u32 = 0;
    let mut number: u64 = 0;
    loop {
        let accepted = tokio::select! {
            biased;
            _ = stopping.wait_for(|stop| *stop) => break,
            Some(ended) = connections.join_next(), if !connections.is_empty() => {
                if ended.is_err() {
                    tracing::error!("an HTTP connection ended by a panic");
                }
                continue;
            }
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                shared.metrics().accept_errors.fetch_add(1, Ordering::Relaxed);
                if failures == 0 {
                    tracing::warn!(%error, "cannot accept an HTTP connection; going on");
                }
                // It may be that descriptors are short.
                shared.evict_quietest();
                let pause = Duration::from_millis(1 << failures.min(7)).min(ACCEPT_PAUSE_MAX);
                failures += 1;
                tokio::time::sleep(pause).await;
                continue;
            }
        };
        failures = 0;
        if shared.slots.available_permits() == 0 {
            shared.evict_quietest();
        }
        let slot = tokio::select! {
            _ = stopping.wait_for(|stop| *stop) => break,
            slot = shared.slots.clone().acquire_owned() => slot,
        };
        let Ok(slot) = slot else { break };
        number += 1;
        connections.spawn(connection(
            number,
            stream,
            peer.ip(),
            slot,
            shared.clone(),
            stopping.clone(),
        ));
    }
    drop(listener);
    shared.front.close();
    telling.shutdown().await;
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(shared.limits.stopping_max, drained)
        .await
        .is_err()
    {
        tracing::warn!(
            connections = connections.len(),
            "HTTP connections are cut: they took too long to end"
        );
        connections.shutdown().await;
    }
}

/// Serves one connection until it ends, is idle for too long, or the server stops.
async fn connection(
    number: u64,
    stream: TcpStream,
    peer: IpAddr,
    slot: OwnedSemaphorePermit,
    shared: Arc<Shared>,
    mut stopping: watch::Receiver<bool>,
) {
    // A reply is one write; there is nothing to gather.
    let _ = stream.set_nodelay(true);
    let activity = Arc::new(Activity::new(shared.clock.clone()));
    activity.seat(shared.slots.clone(), slot);
    let listed = Listed::new(number, &activity, &shared);
    let from = Arc::new(Peer::on(&activity, peer));
    let service = hyper::service::service_fn(|request: hyper::Request<Incoming>| {
        let (shared, from, answering) = (shared.clone(), from.clone(), activity.begin());
        async move {
            let response = shared.front.answer(request.map(Body::new), &from).await;
            drop(answering);
            Ok::<_, Infallible>(response)
        }
    });
    let mut wait = shared.limits.head_time_max;
    let builder = tokio::select! {
        is_http1 = is_http1(&stream) => if is_http1 { &shared.http1 } else { &shared.either },
        _ = stopping.wait_for(|stop| *stop) => &shared.either,
        () = activity.evicted.notified() => {
            activity.evicted.notify_one();
            &shared.either
        }
        () = tokio::time::sleep(wait) => {
            wait = Duration::ZERO;
            &shared.either
        }
    };
    let io = TokioIo::new(Watched {
        stream,
        activity: activity.clone(),
    });
    let mut serving = std::pin::pin!(builder.serve_connection(io, service));
    let mut closing = false;
    loop {
        tokio::select! {
            served = serving.as_mut() => {
                if let Err(error) = served {
                    tracing::debug!(%peer, error, "an HTTP connection ended badly");
                }
                break;
            }
            _ = stopping.wait_for(|stop| *stop), if !closing => {}
            () = activity.evicted.notified(), if !closing => {}
            () = tokio::time::sleep(wait) => match activity.judge(&shared.limits) {
                // It was asked to close and did not, though nothing is in flight.
                Verdict::Wait(_) | Verdict::Idle if closing && activity.quiet_since_ms().is_some() => break,
                Verdict::Unread => {
                    shared.front.cut_off(peer);
                    break;
                }
                Verdict::Slow => {
                    shared.metrics().slow.fetch_add(1, Ordering::Relaxed);
                    break;
                }
                Verdict::Wait(left) if !closing => {
                    wait = left;
                    continue;
                }
                Verdict::Wait(_) => continue,
                Verdict::Idle if closing => continue,
                Verdict::Idle => {}
            },
        }
        closing = true;
        wait = CLOSING_MAX;
        serving.as_mut().graceful_shutdown();
    }
    // In this order: who waits for the slot may have to make room for the next one at once, and must not choose this.
    drop(listed);
    activity.unseat();
}

/// A connection's place among those that are open.
struct Listed<'a> {
    number: u64,
    shared: &'a Shared,
}

impl<'a> Listed<'a> {
    fn new(number: u64, activity: &Arc<Activity>, shared: &'a Shared) -> Self {
        let mut open = shared.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.insert(number, activity.clone());
        shared.metrics().open.fetch_add(1, Ordering::Relaxed);
        shared.metrics().accepted.fetch_add(1, Ordering::Relaxed);
        Self { number, shared }
    }
}

impl Drop for Listed<'_> {
    fn drop(&mut self) {
        let mut open = self.shared.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.remove(&self.number);
        self.shared.metrics().open.fetch_sub(1, Ordering::Relaxed);
    }
}
