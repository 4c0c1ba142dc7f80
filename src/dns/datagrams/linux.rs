//! `recvmmsg` and `sendmmsg`, with the control data of each datagram and with segments.
//!
//! With [`super::control`], [`super::means`] and [`super::options`] the one place with `unsafe`: neither std nor a crate of ours sends a batch in which each
//! datagram has control data of its own. All pointers that the kernel sees are made just before the call, from
//! borrows that outlive it, with the lengths of what they point at; none is kept. What the kernel wrote is read
//! through checked lengths.
#![allow(unsafe_code)]

use std::io;
use std::mem;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket};
use std::os::fd::AsRawFd;

use nix::sys::socket::{getsockopt, sockopt};
use socket2::SockAddr;

use super::control::{self, Control};
use super::groups::Groups;
use super::means::Means;
use super::{BATCH, Exchange, Local, QUERY_OCTETS_MAX, Wait};

/// Buffers lie a cache line more than a power of two apart, or all of them would compete for the same cache sets.
const CACHE_LINE: usize = 64;
/// The largest datagram, and so the most that the kernel puts together.
const DATAGRAM_OCTETS_MAX: usize = 65_535;
/// Datagrams that one system call may take for one; older kernels allow no more.
const SEGMENTS_MAX: usize = 64;
/// Octets of them together: an IPv4 packet's payload.
const SEGMENTS_OCTETS_MAX: usize = 65_507;
/// The fewest datagrams asked for at once: setting up room for 64 costs as much as answering two questions.
const ASKED_FOR_MIN: usize = 8;

/// Room for an address of either family.
type Name = libc::sockaddr_in6;

/// Buffers for a batch of queries and for their replies.
pub(in crate::dns) struct Batch {
    /// As the kernel gave them: each is one query or several of one client.
    datagrams: Box<[Datagram]>,
    octets: Box<[u8]>,
    /// Octets from one datagram's buffer to the next.
    stride: usize,
    received: usize,
    /// The first datagram that has queries which were not handed out yet, and where those begin.
    next: (usize, usize),
    slots: Box<[Slot]>,
    handed_out: usize,
    replies: Box<[u8]>,
    reply_octets_max: usize,
    controls: Box<[Control]>,
    means: Means,
    /// As the kernel counts them, and how many of them were reported.
    drops: (u32, u32),
}

/// What one buffer holds.
struct Datagram {
    name: Name,
    name_octets: libc::socklen_t,
    client: Option<SocketAddr>,
    local: Local,
    octets: usize,
    /// Octets of each query in it, but for the last.
    segment_octets: usize,
    truncated: bool,
    control: Control,
}

/// One query, and how long its reply is.
#[derive(Clone, Copy, Default)]
struct Slot {
    datagram: u8,
    start: u16,
    octets: u16,
    /// 0: nothing is sent.
    reply_octets: u16,
}

impl Batch {
    /// Buffers for queries from `socket` and for replies of at most `reply_octets_max` octets.
    pub(in crate::dns) fn new(socket: &UdpSocket, reply_octets_max: usize) -> Self {
        let joined = getsockopt(socket, sockopt::UdpGroSegment).unwrap_or(false);
        // Memory that no datagram ever reaches is never touched, and costs nothing.
        let stride = CACHE_LINE
            + if joined {
                DATAGRAM_OCTETS_MAX.next_multiple_of(CACHE_LINE)
            } else {
                QUERY_OCTETS_MAX
            };
        // SAFETY: an all-zero socket address is a valid value (family AF_UNSPEC).
        let name: Name = unsafe { mem::zeroed() };
        let datagram = || Datagram {
            name,
            name_octets: 0,
            client: None,
            local: Local::Bound,
            octets: 0,
            segment_octets: 0,
            truncated: false,
            control: Control::EMPTY,
        };
        Self {
            datagrams: (0..BATCH).map(|_| datagram()).collect(),
            octets: vec![0; BATCH * stride].into(),
            stride,
            received: 0,
            next: (0, 0),
            slots: vec![Slot::default(); BATCH].into(),
            handed_out: 0,
            replies: vec![0; BATCH * (reply_octets_max + CACHE_LINE)].into(),
            reply_octets_max,
            controls: vec![Control::EMPTY; BATCH].into(),
            means: Means::all(),
            drops: (0, 0),
        }
    }

    /// The next queries, up to [`BATCH`], in place of the last ones; only if none is left of what came together are
    /// more received. Returns how many.
    pub(in crate::dns) fn receive(&mut self, socket: &UdpSocket, wait: Wait) -> io::Result<usize> {
        self.handed_out = 0;
        if self.next.0 >= self.received {
            // Before the call: an error leaves nothing behind.
            let asked_for = (2 * mem::take(&mut self.received)).clamp(ASKED_FOR_MIN, BATCH);
            self.next = (0, 0);
            self.received = self.fill(socket, wait, asked_for)?;
        }
        self.hand_out();
        Ok(self.handed_out)
    }

    /// How many datagrams the kernel dropped since this was asked last, as far as is known.
    pub(in crate::dns) fn take_drops(&mut self) -> u32 {
        let (counted, reported) = self.drops;
        self.drops.1 = counted;
        counted.wrapping_sub(reported)
    }

    /// Receives up to `asked_for` datagrams.
    fn fill(&mut self, socket: &UdpSocket, wait: Wait, asked_for: usize) -> io::Result<usize> {
        let mut parts = [NO_PART; BATCH];
        // SAFETY: an all-zero mmsghdr is a valid value (null pointers with zero lengths).
        let mut headers: [libc::mmsghdr; BATCH] = unsafe { mem::zeroed() };
        let buffers = self.octets.chunks_exact_mut(self.stride);
        for (((datagram, buffer), part), header) in self
            .datagrams
            .iter_mut()
            .zip(buffers)
            .zip(&mut parts)
            .zip(&mut headers)
            .take(asked_for)
        {
            *part = libc::iovec {
                iov_base: buffer.as_mut_ptr().cast(),
                iov_len: buffer.len() - CACHE_LINE,
            };
            let header = &mut header.msg_hdr;
            header.msg_name = (&raw mut datagram.name).cast();
            header.msg_namelen = octets_of::<Name>();
            header.msg_iov = part;
            header.msg_iovlen = 1;
            datagram.control.receive_into(header);
        }
        // SAFETY: `headers[..asked_for]` each point at a name, one iovec, its buffer and a control buffer of the
        // lengths given, all distinct, and borrowed mutably until the call is over.
        let received = unsafe { self.means.receive(socket, wait, &mut headers[..asked_for]) }?;
        for (datagram, header) in self.datagrams.iter_mut().zip(&headers).take(received) {
            datagram.name_octets = header.msg_hdr.msg_namelen;
            datagram.client = client_of(&datagram.name, header.msg_hdr.msg_namelen);
            datagram.octets = (header.msg_len as usize).min(self.stride - CACHE_LINE);
            datagram.truncated = header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0;
            // SAFETY: the kernel has filled the header, and its control buffer is `datagram.control`.
            let said = unsafe { control::read(&header.msg_hdr) };
            datagram.local = said.local;
            datagram.segment_octets = match said.segment_octets {
                0 => datagram.octets,
                octets => octets,
            };
            self.drops.0 = said.drops.unwrap_or(self.drops.0);
        }
        Ok(received)
    }

    /// Takes queries from what was received into the slots.
    fn hand_out(&mut self) {
        let (mut at, mut start) = self.next;
        while at < self.received && self.handed_out < BATCH {
            let datagram = &self.datagrams[at];
            let octets = datagram.segment_octets.min(datagram.octets - start);
            self.slots[self.handed_out] = Slot {
                datagram: at as u8,
                start: start as u16,
                octets: octets as u16,
                reply_octets: 0,
            };
            self.handed_out += 1;
            start += octets;
            if start >= datagram.octets {
                (at, start) = (at + 1, 0);
            }
        }
        self.next = (at, start);
    }

    /// The queries that were handed out, in order.
    pub(in crate::dns) fn queries(&self) -> impl Iterator<Item = &[u8]> {
        self.slots[..self.handed_out].iter().map(|slot| {
            let start = usize::from(slot.datagram) * self.stride + usize::from(slot.start);
            &self.octets[start..start + usize::from(slot.octets)]
        })
    }

    /// The query in slot `n`; nothing if it came from nowhere (as when the socket is shut down).
    pub(in crate::dns) fn exchange(&mut self, n: usize) -> Option<Exchange<'_>> {
        let slot = self.slots.get(n)?;
        let datagram = self.datagrams.get(usize::from(slot.datagram))?;
        let start = usize::from(slot.datagram) * self.stride + usize::from(slot.start);
        let query = self.octets.get(start..start + usize::from(slot.octets))?;
        let reply_stride = self.reply_octets_max + CACHE_LINE;
        Some(Exchange {
            query,
            truncated: datagram.truncated || query.len() > QUERY_OCTETS_MAX,
            client: datagram.client?,
            local: datagram.local,
            reply: self
                .replies
                .get_mut(n * reply_stride..)?
                .get_mut(..self.reply_octets_max)?,
        })
    }

    /// The reply in slot `n` is so long and is to be sent; 0 takes it back.
    pub(in crate::dns) fn reply(&mut self, n: usize, octets: usize) {
        if let Some(slot) = self.slots.get_mut(n) {
            slot.reply_octets = octets.min(self.reply_octets_max) as u16;
        }
    }

    /// Sends all replies. One that cannot be sent does not hold up the others: `failed` is told, with its slot.
    pub(in crate::dns) fn send(&mut self, socket: &UdpSocket, mut failed: impl FnMut(usize, io::Error)) {
        let mut parts = [NO_PART; BATCH];
        // SAFETY: an all-zero mmsghdr is a valid value (null pointers with zero lengths).
        let mut headers: [libc::mmsghdr; BATCH] = unsafe { mem::zeroed() };
        let mut origins = [0_u8; BATCH];
        let mut groups = Groups::new();
        let segments_max = if self.means.segments { SEGMENTS_MAX } else { 1 };
        for n in 0..self.handed_out {
            let slot = self.slots[n];
            if slot.reply_octets > 0 {
                let fitting = SEGMENTS_OCTETS_MAX / usize::from(slot.reply_octets);
                let key =
                    u64::from(slot.reply_octets) << 48 ^ self.datagrams[usize::from(slot.datagram)].who();
                groups.add(n, key, segments_max.min(fitting).max(1), |other| {
                    self.is_like(slot, self.slots[other])
                });
            }
        }
        // Where each group's parts begin: they are pointed at when all are written.
        let mut starts = [0_u8; BATCH];
        let (mut count, mut used) = (0, 0);
        for group in groups.iter() {
            let (header, control) = (&mut headers[count].msg_hdr, &mut self.controls[count]);
            let start = used;
            starts[count] = start as u8;
            for n in groups.replies(group) {
                let slot = &mut self.slots[n];
                let buffer = &mut self.replies[n * (self.reply_octets_max + CACHE_LINE)..];
                parts[used] = libc::iovec {
                    iov_base: buffer.as_mut_ptr().cast(),
                    iov_len: slot.reply_octets.into(),
                };
                if used == start {
                    origins[count] = n as u8;
                    let datagram = &mut self.datagrams[usize::from(slot.datagram)];
                    header.msg_name = (&raw mut datagram.name).cast();
                    header.msg_namelen = datagram.name_octets;
                    let segment = if group.len > 1 { slot.reply_octets } else { 0 };
                    control.send_with(header, datagram.local, segment);
                }
                slot.reply_octets = 0;
                used += 1;
            }
            header.msg_iovlen = (used - start) as _;
            count += 1;
        }
        for (header, start) in headers.iter_mut().zip(starts).take(count) {
            header.msg_hdr.msg_iov = parts[start.into()..].as_mut_ptr();
        }
        let mut sent = 0;
        while sent < count {
            // SAFETY: `headers[sent..count]` are filled above and point at a name, the iovecs of a group, their
            // buffers and control data of the lengths given, all alive until the loop is over.
            match unsafe { self.means.send(socket, &mut headers[sent..count]) } {
                Ok(now) => {
                    if headers[sent..sent + now]
                        .iter()
                        .any(|header| header.msg_hdr.msg_iovlen > 1)
                    {
                        self.means.note_success();
                    }
                    sent += now;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if headers[sent].msg_hdr.msg_iovlen > 1 => {
                    self.means.note_refusal(&error);
                    // SAFETY: as above.
                    unsafe {
                        self.send_apart(
                            socket,
                            headers[sent].msg_hdr,
                            (&groups, origins[sent].into()),
                            &mut failed,
                        )
                    };
                    sent += 1;
                }
                Err(error) => {
                    failed(origins[sent].into(), error);
                    sent += 1;
                }
            }
        }
    }

    /// Sends the replies of a group, whose first has the slot `first`, each by itself.
    ///
    /// # Safety
    /// `header` points at memory of the lengths that it says.
    unsafe fn send_apart(
        &self,
        socket: &UdpSocket,
        header: libc::msghdr,
        (groups, first): (&Groups, usize),
        failed: &mut impl FnMut(usize, io::Error),
    ) {
        let Some(group) = groups
            .iter()
            .find(|group| groups.replies(*group).next() == Some(first))
        else {
            return;
        };
        for (at, n) in groups.replies(group).enumerate() {
            let local = self.datagrams[usize::from(self.slots[n].datagram)].local;
            let mut alone = header;
            // SAFETY: the group has so many iovecs, one after the other.
            alone.msg_iov = unsafe { header.msg_iov.add(at) };
            alone.msg_iovlen = 1;
            let mut control = Control::EMPTY;
            control.send_with(&mut alone, local, 0);
            loop {
                // SAFETY: as the caller says, and `control` lives until the call is over.
                if unsafe { libc::sendmsg(socket.as_raw_fd(), &alone, 0) } >= 0 {
                    break;
                }
                let error = io::Error::last_os_error();
                if error.kind() != io::ErrorKind::Interrupted {
                    failed(n, error);
                    break;
                }
            }
        }
    }

    /// Whether the replies of two slots go to one client, from one of our addresses, and are of one length.
    fn is_like(&self, one: Slot, other: Slot) -> bool {
        let of = |slot: Slot| &self.datagrams[usize::from(slot.datagram)];
        one.reply_octets == other.reply_octets
            && (one.datagram == other.datagram
                || (of(one).client == of(other).client && of(one).local == of(other).local))
    }

    /// What is used, for tests to take away.
    #[cfg(test)]
    pub(super) fn means(&mut self) -> &mut Means {
        &mut self.means
    }
}

impl Datagram {
    /// A hash of whom the reply goes to.
    fn who(&self) -> u64 {
        let ip = match self.client.map(|client| client.ip()) {
            Some(std::net::IpAddr::V4(ip)) => u64::from(u32::from(ip)),
            Some(std::net::IpAddr::V6(ip)) => {
                let bits = u128::from(ip);
                bits as u64 ^ (bits >> 64) as u64
            }
            None => 0,
        };
        ip.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ u64::from(self.client.map_or(0, |client| client.port()))
    }
}

/// Sends one reply without waiting: for who answers outside a batch.
pub(in crate::dns) fn send_one(
    socket: &UdpSocket,
    reply: &[u8],
    client: SocketAddr,
    local: Local,
) -> io::Result<()> {
    let address = SockAddr::from(client);
    let mut part = libc::iovec {
        iov_base: reply.as_ptr().cast_mut().cast(),
        iov_len: reply.len(),
    };
    let mut control = Control::EMPTY;
    // SAFETY: an all-zero msghdr is a valid value (null pointers with zero lengths).
    let mut header: libc::msghdr = unsafe { mem::zeroed() };
    header.msg_name = address.as_ptr().cast_mut().cast();
    header.msg_namelen = address.len();
    header.msg_iov = &mut part;
    header.msg_iovlen = 1;
    control.send_with(&mut header, local, 0);
    // SAFETY: `header` points at an address, one iovec, the reply and control data of the lengths given, which live
    // until the call is over; sendmsg writes to none of them.
    let sent = unsafe { libc::sendmsg(socket.as_raw_fd(), &header, libc::MSG_DONTWAIT) };
    if sent < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

const NO_PART: libc::iovec = libc::iovec {
    iov_base: std::ptr::null_mut(),
    iov_len: 0,
};

fn octets_of<T>() -> libc::socklen_t {
    mem::size_of::<T>() as libc::socklen_t
}

/// Who sent a datagram, as the kernel wrote it.
fn client_of(name: &Name, octets: libc::socklen_t) -> Option<SocketAddr> {
    match libc::c_int::from(name.sin6_family) {
        libc::AF_INET if octets >= octets_of::<libc::sockaddr_in>() => {
            // SAFETY: the room for an address is as large and as aligned as any of the two, and its family, which is
            // in the same place in both, says which it is.
            let name = unsafe { &*(&raw const *name).cast::<libc::sockaddr_in>() };
            let ip = Ipv4Addr::from(u32::from_be(name.sin_addr.s_addr));
            Some(SocketAddrV4::new(ip, u16::from_be(name.sin_port)).into())
        }
        libc::AF_INET6 if octets >= octets_of::<libc::sockaddr_in6>() => {
            let ip = Ipv6Addr::from(name.sin6_addr.s6_addr);
            let port = u16::from_be(name.sin6_port);
            Some(SocketAddrV6::new(ip, port, name.sin6_flowinfo, name.sin6_scope_id).into())
        }
        _ => None,
    }
}
