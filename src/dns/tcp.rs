//! DNS over TCP: accepting connections, and the life of each (RFC 1035 §4.2.2, RFC 7766).
//!
//! Questions of a connection are answered in order, as many as have come at once, and their replies leave in one
//! write. Reading goes on only when everything is written, so a client that does not read holds one burst of
//! replies and no more. Nothing here waits without a limit, and no error of accepting ends or spins the loop.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};

use super::accept;
use super::connections::{Connections, Place};
use super::slow::{self, Back, Message};
use super::{Config, Counts, bump, udp};
use crate::answer::stream::{self, BURST_OCTETS};
use crate::answer::{Asked, Scratch, TCP_MESSAGE_MAX, Transport};
use crate::metrics::{Answers, Timed};
use crate::view::Current;

/// What is read at least at once.
const READ_OCTETS_MIN: usize = 512;
/// A buffer that grew past this is given back when it is empty.
const KEPT_OCTETS_MAX: usize = 4096;
/// Connections that a stop still accepts: those that waited for it.
const DRAIN_ACCEPTS_MAX: usize = 1024;
/// How long a connection must be silent before a stop closes it: a message may be on its way through the kernel.
const DRAIN_SILENCE: Duration = Duration::from_millis(50);
/// How long, and for how many octets, we read on after closing our side, so that the reset that unread octets would
/// cause does not destroy replies that the client has not yet taken.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_OCTETS_MAX: usize = 65_536;

/// What every connection needs.
#[derive(Clone)]
pub(super) struct Service {
    pub(super) config: Arc<Config>,
    pub(super) current: Arc<Current>,
    pub(super) slow: slow::Queue,
    /// All connections bump them.
    pub(super) answers: Arc<Answers>,
    /// The same.
    pub(super) timed: Arc<Timed>,
    pub(super) counts: Arc<Counts>,
    pub(super) stopping: watch::Receiver<bool>,
    /// Dropped at the end, which is how the end is known.
    pub(super) alive: mpsc::Sender<()>,
}

/// Accepts connections until it is told to stop, then waits for those that are open.
pub(super) async fn listen(listener: TcpListener, connections: Arc<Connections>, service: Service) {
    let mut stopping = service.stopping.clone();
    let mut tasks = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = told_to_stop(&mut stopping) => break,
            Some(ended) = tasks.join_next(), if !tasks.is_empty() => count_panic(&service.counts, ended),
            accepted = listener.accept() => match accepted {
                Ok((stream, client)) => welcome(stream, client, &connections, &service, &mut tasks),
                Err(error) => {
                    if bump(&service.counts.tcp_accept_errors) {
                        tracing::debug!(%error, "a TCP connection cannot be accepted");
                    }
                    accept::recover(&listener, &connections, &error).await;
                }
            },
        }
    }
    for _ in 0..DRAIN_ACCEPTS_MAX {
        let Ok(Ok((stream, client))) = timeout(Duration::ZERO, listener.accept()).await else {
            break;
        };
        welcome(stream, client, &connections, &service, &mut tasks);
    }
    drop(listener);
    while let Some(ended) = tasks.join_next().await {
        count_panic(&service.counts, ended);
    }
    drop(service.alive);
}

async fn told_to_stop(stopping: &mut watch::Receiver<bool>) {
    // An error means that whoever could have told us is gone.
    let _ = stopping.wait_for(|stop| *stop).await;
}

fn count_panic(counts: &Counts, ended: Result<(), tokio::task::JoinError>) {
    if ended.is_err_and(|error| error.is_panic()) {
        bump(&counts.panics);
    }
}

fn welcome(
    stream: TcpStream,
    client: SocketAddr,
    connections: &Arc<Connections>,
    service: &Service,
    tasks: &mut JoinSet<()>,
) {
    let Some(place) = connections.admit(client.ip()) else {
        bump(&service.counts.tcp_refused);
        return;
    };
    // Replies are written whole: waiting for more would only delay them.
    let _ = stream.set_nodelay(true);
    let connection = Connection {
        stream,
        client,
        place,
        service: service.clone(),
        unread: Vec::new(),
        unsent: Vec::new(),
    };
    tasks.spawn(connection.run());
}

/// One client's connection.
struct Connection {
    // Before the place: who waits for the place wants the descriptor.
    stream: TcpStream,
    client: SocketAddr,
    place: Place,
    service: Service,
    /// Octets that have come and are not yet a whole message.
    unread: Vec<u8>,
    /// Replies that are not yet written.
    unsent: Vec<u8>,
}

/// What to do after the messages that have come were answered.
enum Next {
    /// Read on.
    Read,
    /// Write, then answer more of what has come.
    More,
    /// Write, then wait for the slow path.
    Slow(Vec<u8>),
    /// Write, then close: a message without a header's first octet is none.
    Close,
}

/// Why a connection ends.
enum End {
    /// Nothing is to be said to the client any more.
    Cut,
    /// The client may still send; it is told that we do not listen.
    Close,
}

impl Connection {
    async fn run(mut self) {
        // Cut or closed, it ends here: an error of the connection is the client's affair.
        if let Ok(End::Close) = self.converse().await {
            self.linger().await;
        }
    }

    // Patience with a socket is the runtime's time: nothing of the catalog depends on it, and a test shortens it.
    #[allow(clippy::disallowed_methods)]
    async fn converse(&mut self) -> io::Result<End> {
        let mut stopping = self.service.stopping.clone();
        let idle_timeout = self.service.config.tcp_idle_timeout;
        let mut deadline = Instant::now() + idle_timeout;
        loop {
            self.make_room();
            let partial_before = !self.unread.is_empty();
            let read = tokio::select! {
                biased;
                () = self.place.evicted() => return Ok(End::Cut),
                () = told_to_stop(&mut stopping) => return self.drain().await,
                read = timeout_at(deadline, self.stream.read_buf(&mut self.unread)) => read,
            };
            let Ok(read) = read else {
                if partial_before {
                    bump(&self.service.counts.tcp_timeouts);
                }
                return Ok(End::Cut);
            };
            // The client has sent all it wanted; what was whole is answered already.
            if read? == 0 {
                return Ok(End::Cut);
            }
            let Some(served) = self.serve().await? else {
                return Ok(End::Close);
            };
            if self.unread.is_empty() {
                deadline = Instant::now() + idle_timeout;
            } else if served || !partial_before {
                deadline = Instant::now() + self.service.config.tcp_message_timeout;
            }
        }
    }

    /// Answers what has come. Says whether there was a whole message, or nothing if the connection must be closed.
    async fn serve(&mut self) -> io::Result<Option<bool>> {
        let before = self.unread.len();
        let served = loop {
            let service = &self.service;
            let began = service
                .timed
                .is_due_shared()
                .then(|| service.config.clock.lasted());
            let next = self.answer_complete();
            if !self.unsent.is_empty() || matches!(next, Next::Slow(_)) {
                self.place.busy();
            }
            let has_replies = !self.unsent.is_empty();
            self.flush().await?;
            if let Some(began) = began.filter(|_| has_replies) {
                let took = self.service.config.clock.lasted().saturating_sub(began);
                self.service.timed.note_shared(took);
            }
            match next {
                Next::Read => break Some(self.unread.len() < before),
                Next::More => {}
                Next::Slow(message) => self.answer_slowly(message).await?,
                Next::Close => break None,
            }
        };
        if self.unread.len() < before {
            self.place.idle();
        }
        Ok(served)
    }

    /// Answers whole messages until there are none, or the burst is full. Does not wait.
    fn answer_complete(&mut self) -> Next {
        let snapshot = self.service.current.load();
        let asked = Asked {
            client: self.client.ip(),
            transport: Transport::Tcp,
            udp_payload_max: self.service.config.udp_payload_max,
        };
        let (consumed, next) = DESK.with_borrow_mut(|desk| {
            let progress = stream::answer_stream(
                &snapshot,
                &self.unread,
                &asked,
                &mut desk.scratch,
                &mut desk.burst,
                |noted| self.service.answers.note_shared(noted.qtype, noted.rcode),
            );
            self.unsent.extend_from_slice(&desk.burst[..progress.written]);
            let next = match progress.next {
                stream::Next::Read => Next::Read,
                stream::Next::More => Next::More,
                stream::Next::Slow(message) => Next::Slow(message.to_vec()),
                stream::Next::Close => Next::Close,
            };
            (progress.consumed, next)
        });
        self.unread.drain(..consumed);
        next
    }

    async fn answer_slowly(&mut self, octets: Vec<u8>) -> io::Result<()> {
        let (back, reply) = oneshot::channel();
        self.service.slow.push(Message {
            octets,
            client: self.client,
            back: Back::Stream(back),
        });
        if let Ok(reply) = reply.await {
            let octets = u16::try_from(reply.len()).expect("the slow path writes no more than a message");
            self.unsent.extend_from_slice(&octets.to_be_bytes());
            self.unsent.extend_from_slice(&reply);
            self.flush().await?;
        }
        Ok(())
    }

    /// Writes what is unsent, or fails if the client does not take it in time.
    async fn flush(&mut self) -> io::Result<()> {
        if self.unsent.is_empty() {
            return Ok(());
        }
        let written = timeout(
            self.service.config.tcp_write_timeout,
            self.stream.write_all(&self.unsent),
        )
        .await;
        if written.is_err() {
            bump(&self.service.counts.tcp_timeouts);
        }
        written??;
        self.unsent.clear();
        if self.unsent.capacity() > KEPT_OCTETS_MAX {
            self.unsent = Vec::new();
        }
        Ok(())
    }

    /// The server stops: what the client has sent is answered, and then the connection is closed.
    async fn drain(&mut self) -> io::Result<End> {
        loop {
            self.make_room();
            match timeout(DRAIN_SILENCE, self.stream.read_buf(&mut self.unread)).await {
                Ok(Ok(read)) if read > 0 => {
                    if self.serve().await?.is_none() {
                        return Ok(End::Cut);
                    }
                }
                _ => return Ok(End::Cut),
            }
        }
    }

    /// Room for the next read. It follows what has come, not what a length promises.
    fn make_room(&mut self) {
        if self.unread.is_empty() && self.unread.capacity() > KEPT_OCTETS_MAX {
            self.unread = Vec::new();
        }
        self.unread
            .reserve(self.unread.len().clamp(READ_OCTETS_MIN, TCP_MESSAGE_MAX));
    }

    async fn linger(&mut self) {
        if self.stream.shutdown().await.is_err() {
            return;
        }
        let mut discarded = [0; READ_OCTETS_MIN];
        let lingering = timeout(LINGER, async {
            let mut octets = 0;
            while octets < LINGER_OCTETS_MAX {
                match self.stream.read(&mut discarded).await {
                    Ok(read) if read > 0 => octets += read,
                    _ => break,
                }
            }
        });
        tokio::select! {
            () = self.place.evicted() => {}
            _ = lingering => {}
        }
    }
}

/// What answering needs. One for each thread of the runtime, not for each of a thousand connections.
struct Desk {
    scratch: Scratch,
    burst: Box<[u8]>,
}

thread_local! {
    static DESK: RefCell<Desk> = RefCell::new(Desk {
        scratch: udp::fresh_scratch(),
        burst: vec![0; BURST_OCTETS].into(),
    });
}
