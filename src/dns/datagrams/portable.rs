//! One datagram a system call, through what std has: for Unix systems that are not Linux.
//!
//! A reply leaves from the address that the route to the client has; on a machine of several addresses each is to be
//! named by itself (`--dns ADDR:PORT`) instead of a wildcard. Drops are not counted, and fragments not forbidden.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use socket2::Socket;

use super::{Exchange, Local, QUERY_OCTETS_MAX, Wait};

/// A buffer for a query and one for its reply.
pub(in crate::dns) struct Batch {
    /// One octet more than is taken, so that a longer query is known.
    query: Box<[u8]>,
    query_octets: usize,
    client: Option<SocketAddr>,
    reply: Box<[u8]>,
    reply_octets: usize,
}

/// How long a worker waits before it looks whether it is to stop: not every system wakes it when its socket is shut down.
const STOP_SEEN_AFTER: Duration = Duration::from_millis(200);

/// Makes waiting end now and then.
pub(in crate::dns) fn prepare(socket: &Socket, _: SocketAddr) -> io::Result<()> {
    socket.set_read_timeout(Some(STOP_SEEN_AFTER))
}

impl Batch {
    /// Buffers for a query and for a reply of at most `reply_octets_max` octets.
    pub(in crate::dns) fn new(_: &UdpSocket, reply_octets_max: usize) -> Self {
        Self {
            query: vec![0; QUERY_OCTETS_MAX + 1].into(),
            query_octets: 0,
            client: None,
            reply: vec![0; reply_octets_max].into(),
            reply_octets: 0,
        }
    }

    /// Receives a query in place of the last one. Returns how many: one, or none if none came for a while.
    pub(in crate::dns) fn receive(&mut self, socket: &UdpSocket, wait: Wait) -> io::Result<usize> {
        (self.client, self.reply_octets) = (None, 0);
        socket.set_nonblocking(wait == Wait::No)?;
        let (octets, client) = match socket.recv_from(&mut self.query) {
            Err(error) if wait == Wait::ForOne && is_over(&error) => return Ok(0),
            received => received?,
        };
        (self.query_octets, self.client) = (octets, Some(client));
        Ok(1)
    }

    /// Not known here.
    pub(in crate::dns) fn take_drops(&mut self) -> u32 {
        0
    }

    /// It alone.
    pub(in crate::dns) fn queries(&self) -> impl Iterator<Item = &[u8]> {
        self.query.get(..self.query_octets).into_iter()
    }

    /// The query.
    pub(in crate::dns) fn exchange(&mut self, n: usize) -> Option<Exchange<'_>> {
        let client = self.client.filter(|_| n == 0)?;
        Some(Exchange {
            query: self.query.get(..self.query_octets)?,
            truncated: self.query_octets > QUERY_OCTETS_MAX,
            client,
            local: Local::Bound,
            reply: &mut self.reply,
        })
    }

    /// The reply is so long and is to be sent; 0 takes it back.
    pub(in crate::dns) fn reply(&mut self, n: usize, octets: usize) {
        if n == 0 {
            self.reply_octets = octets.min(self.reply.len());
        }
    }

    /// Sends the reply; `failed` is told if that cannot be.
    pub(in crate::dns) fn send(&mut self, socket: &UdpSocket, mut failed: impl FnMut(usize, io::Error)) {
        let octets = std::mem::take(&mut self.reply_octets);
        let (Some(client), Some(reply)) = (self.client, self.reply.get(..octets)) else {
            return;
        };
        if octets == 0 {
            return;
        }
        if let Err(error) = send_one(socket, reply, client, Local::Bound) {
            failed(0, error);
        }
    }
}

/// Whether nothing came in time.
fn is_over(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// Sends one reply.
pub(in crate::dns) fn send_one(
    socket: &UdpSocket,
    reply: &[u8],
    client: SocketAddr,
    _: Local,
) -> io::Result<()> {
    loop {
        match socket.send_to(reply, client) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            sent => return sent.map(drop),
        }
    }
}
