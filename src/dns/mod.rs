//! Sockets: UDP workers, TCP connections, the slow path.
//!
//! Here octets are fetched and delivered, nothing else: what a message means is decided by [`crate::answer`], and by
//! the handlers of the slow path for what is no plain question. RFC 1035 §4.2, RFC 7766 (TCP), RFC 9715 (no fragments).
//!
//! It must never lose a worker or a listener to an error or a panic, never spin on one, and never let a queue or a
//! count of connections grow past its named bound.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use crate::clock::Clock;
use crate::metrics::{self, bump};
use crate::view::Current;

mod accept;
mod bind;
mod connections;
mod datagrams;
mod slow;
mod tcp;
#[cfg(test)]
mod tests;
mod udp;

pub use bind::BindError;
pub use slow::Identity;

use bind::Bound;
use connections::Connections;
use metrics::Dns as Counts;

/// The largest UDP reply, and the size that we say we take (RFC 9715 §3.1; what fits IPv6's least MTU).
pub const UDP_PAYLOAD_DEFAULT: u16 = 1232;
/// Connections in all; the oldest idle one makes room for a new one.
pub const TCP_CONNECTIONS_MAX: usize = 1000;
/// Connections of one client address; its oldest idle one makes room.
pub const TCP_CONNECTIONS_PER_CLIENT_MAX: usize = 50;
/// How long a connection without a question stays open (RFC 7766 §6.2.3).
pub const TCP_IDLE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a message may take from its first octet to its last.
pub const TCP_MESSAGE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a client may leave replies unread before it is cut off.
pub const TCP_WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a stop waits for what is in flight: its share of the 5 s that the whole server has.
pub const STOP_TIMEOUT: Duration = Duration::from_millis(1300);

/// What the sockets are to do.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen, each for UDP and TCP. Port 0 picks one, the same for both.
    pub addresses: Vec<SocketAddr>,
    /// Threads for each address.
    pub udp_workers: usize,
    /// The largest UDP reply in octets (`--max-udp-payload`), at least 512.
    pub udp_payload_max: u16,
    /// See [`TCP_CONNECTIONS_MAX`].
    pub tcp_connections_max: usize,
    /// See [`TCP_CONNECTIONS_PER_CLIENT_MAX`].
    pub tcp_connections_per_client_max: usize,
    /// See [`TCP_IDLE_TIMEOUT`].
    pub tcp_idle_timeout: Duration,
    /// See [`TCP_MESSAGE_TIMEOUT`].
    pub tcp_message_timeout: Duration,
    /// See [`TCP_WRITE_TIMEOUT`].
    pub tcp_write_timeout: Duration,
    /// See [`STOP_TIMEOUT`].
    pub stop_timeout: Duration,
    /// What the server tells about itself.
    pub identity: Identity,
    /// By which answers are timed.
    pub clock: Clock,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            addresses: Vec::new(),
            udp_workers: std::thread::available_parallelism().map_or(1, usize::from),
            udp_payload_max: UDP_PAYLOAD_DEFAULT,
            tcp_connections_max: TCP_CONNECTIONS_MAX,
            tcp_connections_per_client_max: TCP_CONNECTIONS_PER_CLIENT_MAX,
            tcp_idle_timeout: TCP_IDLE_TIMEOUT,
            tcp_message_timeout: TCP_MESSAGE_TIMEOUT,
            tcp_write_timeout: TCP_WRITE_TIMEOUT,
            stop_timeout: STOP_TIMEOUT,
            identity: Identity::default(),
            clock: Clock::system(),
        }
    }
}

/// Everything that listens. Dropping it stops it without waiting; [`Handle::stop`] waits.
#[derive(Debug)]
pub struct Handle {
    /// Where it listens, with real ports, in the order of [`Config::addresses`].
    pub addresses: Vec<SocketAddr>,
    counts: Arc<Counts>,
    stop: Stop,
    stop_timeout: Duration,
    /// Ends when the last worker, listener and connection is gone: each holds a sender and sends nothing.
    gone: mpsc::Receiver<()>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

/// Tells all that listen to end.
#[derive(Debug)]
struct Stop {
    tasks: watch::Sender<bool>,
    workers: Arc<AtomicBool>,
    sockets: Vec<Arc<std::net::UdpSocket>>,
}

impl Stop {
    fn signal(&self) {
        self.workers.store(true, Ordering::Release);
        for socket in &self.sockets {
            udp::wake(socket);
        }
        self.tasks.send_replace(true);
    }
}

impl Drop for Stop {
    fn drop(&mut self) {
        self.signal();
    }
}

/// Listens on all addresses or on none. To be called within a tokio runtime with time and I/O.
///
/// # Errors
/// An address cannot be bound, or a thread not started: the error names it and says what to do.
pub async fn start(
    config: Config,
    current: Arc<Current>,
    counts: Arc<metrics::Dns>,
) -> Result<Handle, BindError> {
    if config.addresses.is_empty() {
        return Err(BindError::NoAddress);
    }
    let config = Config {
        udp_payload_max: config.udp_payload_max.max(512),
        ..config
    };
    let bound = config
        .addresses
        .iter()
        .map(|&address| Bound::bind(address, config.udp_workers))
        .collect::<Result<Vec<_>, _>>()?;

    let (alive, gone) = mpsc::channel(1);
    let (stop_tasks, stopping) = watch::channel(false);
    let stop = Stop {
        tasks: stop_tasks,
        workers: Arc::default(),
        sockets: bound.iter().flat_map(|bound| bound.udp.iter().cloned()).collect(),
    };
    let (slow, slow_task) = slow::spawn(&config, counts.clone(), alive.clone());
    let connections = Arc::new(Connections::new(
        config.tcp_connections_max,
        config.tcp_connections_per_client_max,
        counts.clone(),
    ));
    let config = Arc::new(config);
    let mut tasks = vec![slow_task];
    let mut addresses = Vec::with_capacity(bound.len());
    for Bound { address, tcp, udp } in bound {
        addresses.push(address);
        for socket in udp {
            let worker = udp::Worker {
                socket,
                current: current.clone(),
                slow: slow.clone(),
                answers: counts.answers(metrics::Over::Udp),
                timed: counts.timed(metrics::Over::Udp),
                clock: config.clock.clone(),
                counts: counts.clone(),
                stopping: stop.workers.clone(),
                udp_payload_max: config.udp_payload_max,
                alive: alive.clone(),
            };
            worker
                .spawn()
                .map_err(|source| BindError::Thread { address, source })?;
        }
        let listener = tokio::net::TcpListener::from_std(tcp).map_err(|source| BindError::Address {
            address,
            transport: "TCP",
            source,
        })?;
        let service = tcp::Service {
            config: config.clone(),
            current: current.clone(),
            slow: slow.clone(),
            answers: counts.answers(metrics::Over::Tcp),
            timed: counts.timed(metrics::Over::Tcp),
            counts: counts.clone(),
            stopping: stopping.clone(),
            alive: alive.clone(),
        };
        tasks.push(tokio::spawn(tcp::listen(listener, connections.clone(), service)));
        tracing::info!(%address, "DNS listens");
    }
    Ok(Handle {
        addresses,
        counts,
        stop,
        stop_timeout: config.stop_timeout,
        gone,
        tasks,
    })
}

impl Handle {
    /// What is counted.
    pub fn counts(&self) -> &metrics::Dns {
        &self.counts
    }

    /// Takes no more questions, answers those that have come, and returns when all is closed: after
    /// [`Config::stop_timeout`] whatever is left is cut off.
    pub async fn stop(mut self) {
        self.stop.signal();
        // Nothing is ever sent: the channel ends when the last sender is dropped.
        if tokio::time::timeout(self.stop_timeout, self.gone.recv())
            .await
            .is_err()
        {
            tracing::warn!(after = ?self.stop_timeout, "DNS stops although some clients have not taken their answers");
            for task in &self.tasks {
                task.abort();
            }
        }
    }
}
