//! Datagrams in batches: received, answered in place, sent.
//!
//! What the system gives is used in steps, and each step falls back to the one before it where it is missing:
//!
//! 1. One datagram a system call, `recv_from` and `send_to`: every Unix ([`portable`]; replies leave from the address
//!    that the route picks).
//! 2. `recvmmsg` and `sendmmsg`: Linux ([`linux`]). Where a sandbox lacks them, `recvmsg` and `sendmsg`.
//! 3. The control data of each datagram: which of our addresses was asked, so that the reply leaves from it
//!    (RFC 2181 §4.1), and how many datagrams the kernel had to drop.
//! 4. Segments: queries of one client that came together are one datagram to the kernel (`UDP_GRO`), and replies of
//!    one length to one client are (`UDP_SEGMENT`). A system call's cost is nearly all there is to a reply, so this
//!    is the one lever past it. Off for a socket whose interface refuses it.
//!
//! It must never look into a message: what the octets mean is not known here.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

#[cfg(target_os = "linux")]
mod control;
#[cfg(target_os = "linux")]
mod groups;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
mod means;
#[cfg(target_os = "linux")]
mod options;
#[cfg(any(not(target_os = "linux"), test))]
mod portable;
#[cfg(test)]
mod tests;

#[cfg(target_os = "linux")]
pub(super) use linux::{Batch, send_one};
#[cfg(target_os = "linux")]
pub(super) use options::prepare;
#[cfg(not(target_os = "linux"))]
pub(super) use portable::{Batch, prepare, send_one};

/// Questions that are answered together: more brought nothing when measured.
pub(super) const BATCH: usize = 64;
/// The longest query taken over UDP; longer ones are marked.
pub(super) const QUERY_OCTETS_MAX: usize = 4096;

/// Our own address in an exchange: where the query went to is where the reply must come from (RFC 2181 §4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(target_os = "linux"), allow(dead_code))]
pub(super) enum Local {
    /// The one that the socket is bound to.
    Bound,
    /// That one, on a socket bound to 0.0.0.0.
    V4(Ipv4Addr),
    /// That one, on a socket bound to `::`; the interface counts for link-local addresses only (else 0).
    V6(Ipv6Addr, u32),
}

impl Local {
    /// Whether replies can leave from it: a multicast address is no source.
    pub(super) fn is_source(self) -> bool {
        match self {
            Self::Bound => true,
            Self::V4(ip) => !IpAddr::V4(ip).is_multicast(),
            Self::V6(ip, _) => !ip.is_multicast(),
        }
    }
}

/// Whether to wait for a first datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// Until there is one.
    ForOne,
    /// Not at all: none is `WouldBlock`.
    No,
}

/// One query and what else there is to know about it.
pub(super) struct Exchange<'a> {
    /// The message as it came.
    pub(super) query: &'a [u8],
    /// The query was longer than [`QUERY_OCTETS_MAX`].
    pub(super) truncated: bool,
    pub(super) client: SocketAddr,
    pub(super) local: Local,
    /// Where the reply goes; then [`Batch::reply`] says how long it is.
    pub(super) reply: &'a mut [u8],
}
