//! Many datagrams in one system call: `recvmmsg` and `sendmmsg`, with the control data of each datagram.
//!
//! The one module with `unsafe`: neither std nor a crate of ours sends a batch in which each datagram has a source
//! address of its own. All pointers that the kernel sees are made just before the call, from borrows that outlive
//! it, with the lengths of what they point at; none is kept. What the kernel wrote is read through checked lengths.
//!
//! It must never look into a message: what the octets mean is not known here.
#![allow(unsafe_code)]

use std::io;
use std::mem;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket};
use std::os::fd::AsRawFd;

use socket2::SockAddr;

/// Datagrams in one system call: more brought nothing when measured.
pub(super) const BATCH: usize = 64;
/// The longest query taken over UDP. Longer ones are cut by the kernel and marked.
pub(super) const QUERY_OCTETS_MAX: usize = 4096;
/// Buffers lie a cache line more than a power of two apart, or all of them would compete for the same cache sets.
const CACHE_LINE: usize = 64;

/// Our own address in an exchange: where the query went to is where the reply must come from (RFC 2181 §4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Local {
    /// The one that the socket is bound to.
    Bound,
    /// That one, on a socket bound to 0.0.0.0.
    V4(Ipv4Addr),
    /// That one, on a socket bound to `::`; the interface counts for link-local addresses only (else 0).
    V6(Ipv6Addr, u32),
}

/// Whether to wait for a first datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// Until there is one.
    ForOne,
    /// Not at all: none is `WouldBlock`.
    No,
}

/// Buffers for a batch of queries and for their replies.
pub(super) struct Batch {
    queries: Box<[u8]>,
    replies: Box<[u8]>,
    reply_octets_max: usize,
    slots: Box<[Slot]>,
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

struct Slot {
    address: libc::sockaddr_storage,
    address_octets: libc::socklen_t,
    client: Option<SocketAddr>,
    local: Local,
    query_octets: usize,
    truncated: bool,
    /// 0: nothing is sent.
    reply_octets: usize,
    control: Control,
}

/// Room for a packet info of either family (40 octets), and for the segment size that GSO replies will need (24).
#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct Control([u8; 64]);

const _: () = assert!(mem::align_of::<libc::cmsghdr>() <= mem::align_of::<Control>());

impl Batch {
    /// Buffers for replies of at most `reply_octets_max` octets.
    pub(super) fn new(reply_octets_max: usize) -> Self {
        // SAFETY: an all-zero sockaddr_storage is a valid value (family AF_UNSPEC).
        let address: libc::sockaddr_storage = unsafe { mem::zeroed() };
        let slot = || Slot {
            address,
            address_octets: 0,
            client: None,
            local: Local::Bound,
            query_octets: 0,
            truncated: false,
            reply_octets: 0,
            control: Control([0; 64]),
        };
        Self {
            queries: vec![0; BATCH * (QUERY_OCTETS_MAX + CACHE_LINE)].into(),
            replies: vec![0; BATCH * (reply_octets_max + CACHE_LINE)].into(),
            reply_octets_max,
            slots: (0..BATCH).map(|_| slot()).collect(),
        }
    }

    /// Receives up to [`BATCH`] queries in place of the last ones. Returns how many.
    pub(super) fn receive(&mut self, socket: &UdpSocket, wait: Wait) -> io::Result<usize> {
        let mut parts = [NO_PART; BATCH];
        // SAFETY: an all-zero mmsghdr is a valid value (null pointers with zero lengths).
        let mut headers: [libc::mmsghdr; BATCH] = unsafe { mem::zeroed() };
        let buffers = self.queries.chunks_exact_mut(QUERY_OCTETS_MAX + CACHE_LINE);
        for (((slot, buffer), part), header) in self
            .slots
            .iter_mut()
            .zip(buffers)
            .zip(&mut parts)
            .zip(&mut headers)
        {
            *part = libc::iovec {
                iov_base: buffer.as_mut_ptr().cast(),
                iov_len: QUERY_OCTETS_MAX,
            };
            let header = &mut header.msg_hdr;
            header.msg_name = (&raw mut slot.address).cast();
            header.msg_namelen = octets_of::<libc::sockaddr_storage>();
            header.msg_iov = part;
            header.msg_iovlen = 1;
            header.msg_control = slot.control.0.as_mut_ptr().cast();
            header.msg_controllen = slot.control.0.len() as _;
        }
        let flags = match wait {
            Wait::ForOne => libc::MSG_WAITFORONE,
            Wait::No => libc::MSG_DONTWAIT,
        };
        // SAFETY: `headers` holds BATCH entries; each points at a name, one iovec, its buffer and a control buffer
        // of the lengths given, all distinct, and borrowed mutably until the call is over. No timeout.
        let received = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                headers.as_mut_ptr(),
                BATCH as libc::c_uint,
                flags as _,
                std::ptr::null_mut(),
            )
        };
        let received = usize::try_from(received).map_err(|_| io::Error::last_os_error())?;
        for (slot, header) in self.slots.iter_mut().zip(&headers).take(received) {
            slot.address_octets = header.msg_hdr.msg_namelen;
            slot.client = client_of(&slot.address, header.msg_hdr.msg_namelen);
            slot.local = local_of(&header.msg_hdr);
            slot.query_octets = (header.msg_len as usize).min(QUERY_OCTETS_MAX);
            slot.truncated = header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0;
            slot.reply_octets = 0;
        }
        Ok(received)
    }

    /// The query in slot `n`; nothing if it came from nowhere (as when the socket is shut down).
    pub(super) fn exchange(&mut self, n: usize) -> Option<Exchange<'_>> {
        let slot = self.slots.get(n)?;
        let reply_stride = self.reply_octets_max + CACHE_LINE;
        Some(Exchange {
            query: self
                .queries
                .get(n * (QUERY_OCTETS_MAX + CACHE_LINE)..)?
                .get(..slot.query_octets)?,
            truncated: slot.truncated,
            client: slot.client?,
            local: slot.local,
            reply: self
                .replies
                .get_mut(n * reply_stride..)?
                .get_mut(..self.reply_octets_max)?,
        })
    }

    /// The reply in slot `n` is so long and is to be sent; 0 takes it back.
    pub(super) fn reply(&mut self, n: usize, octets: usize) {
        if let Some(slot) = self.slots.get_mut(n) {
            slot.reply_octets = octets.min(self.reply_octets_max);
        }
    }

    /// Sends all replies. One that cannot be sent does not hold up the others: `failed` is told, with its slot.
    pub(super) fn send(&mut self, socket: &UdpSocket, mut failed: impl FnMut(usize, io::Error)) {
        let mut parts = [NO_PART; BATCH];
        // SAFETY: as in `receive`.
        let mut headers: [libc::mmsghdr; BATCH] = unsafe { mem::zeroed() };
        let mut origins = [0_usize; BATCH];
        let mut count = 0;
        let buffers = self.replies.chunks_exact_mut(self.reply_octets_max + CACHE_LINE);
        for (n, (slot, buffer)) in self.slots.iter_mut().zip(buffers).enumerate() {
            let octets = mem::take(&mut slot.reply_octets);
            if octets == 0 {
                continue;
            }
            let (part, header) = (&mut parts[count], &mut headers[count].msg_hdr);
            origins[count] = n;
            count += 1;
            *part = libc::iovec {
                iov_base: buffer.as_mut_ptr().cast(),
                iov_len: octets,
            };
            header.msg_name = (&raw mut slot.address).cast();
            header.msg_namelen = slot.address_octets;
            header.msg_iov = part;
            header.msg_iovlen = 1;
            set_control(header, &mut slot.control, slot.local);
        }
        let mut sent = 0;
        while sent < count {
            // SAFETY: `headers[sent..count]` are filled above and point at a name, one iovec, its buffer and control
            // data of the lengths given, all borrowed until the loop is over.
            let now = unsafe {
                libc::sendmmsg(
                    socket.as_raw_fd(),
                    headers.as_mut_ptr().add(sent),
                    (count - sent) as libc::c_uint,
                    0,
                )
            };
            match usize::try_from(now) {
                Ok(now) if now > 0 => sent += now,
                _ => {
                    let error = io::Error::last_os_error();
                    if error.kind() != io::ErrorKind::Interrupted {
                        failed(origins[sent], error);
                        sent += 1;
                    }
                }
            }
        }
    }
}

/// Sends one reply without waiting: for who answers outside a batch.
pub(super) fn send_one(socket: &UdpSocket, reply: &[u8], client: SocketAddr, local: Local) -> io::Result<()> {
    let address = SockAddr::from(client);
    let mut part = libc::iovec {
        iov_base: reply.as_ptr().cast_mut().cast(),
        iov_len: reply.len(),
    };
    let mut control = Control([0; 64]);
    // SAFETY: an all-zero msghdr is a valid value (null pointers with zero lengths).
    let mut header: libc::msghdr = unsafe { mem::zeroed() };
    header.msg_name = address.as_ptr().cast_mut().cast();
    header.msg_namelen = address.len();
    header.msg_iov = &mut part;
    header.msg_iovlen = 1;
    set_control(&mut header, &mut control, local);
    // SAFETY: `header` points at an address, one iovec, the reply and control data of the lengths given, which live
    // until the call is over; sendmsg writes to none of them.
    let sent = unsafe { libc::sendmsg(socket.as_raw_fd(), &header, libc::MSG_DONTWAIT) };
    if sent < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// Datagrams leave whole or not at all (RFC 9715 §3.1): IPv4's DF is set, and the interface's MTU counts, not a path
/// MTU that anyone can forge.
pub(super) fn forbid_fragments(socket: &UdpSocket, is_ipv6: bool) -> io::Result<()> {
    let (level, option, value): (_, _, libc::c_int) = if is_ipv6 {
        (
            libc::IPPROTO_IPV6,
            libc::IPV6_MTU_DISCOVER,
            libc::IPV6_PMTUDISC_PROBE,
        )
    } else {
        (libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_PROBE)
    };
    // SAFETY: the option's value is a c_int that lives until the call is over, and its length is given.
    let set = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            option,
            (&raw const value).cast(),
            octets_of::<libc::c_int>(),
        )
    };
    if set < 0 {
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
fn client_of(address: &libc::sockaddr_storage, octets: libc::socklen_t) -> Option<SocketAddr> {
    match libc::c_int::from(address.ss_family) {
        libc::AF_INET if octets >= octets_of::<libc::sockaddr_in>() => {
            // SAFETY: sockaddr_storage is as large and as aligned as any address, and its family says which it is.
            let address = unsafe { &*(&raw const *address).cast::<libc::sockaddr_in>() };
            let ip = Ipv4Addr::from(u32::from_be(address.sin_addr.s_addr));
            Some(SocketAddrV4::new(ip, u16::from_be(address.sin_port)).into())
        }
        libc::AF_INET6 if octets >= octets_of::<libc::sockaddr_in6>() => {
            // SAFETY: as above.
            let address = unsafe { &*(&raw const *address).cast::<libc::sockaddr_in6>() };
            let ip = Ipv6Addr::from(address.sin6_addr.s6_addr);
            let port = u16::from_be(address.sin6_port);
            Some(SocketAddrV6::new(ip, port, address.sin6_flowinfo, address.sin6_scope_id).into())
        }
        _ => None,
    }
}

/// Which of our addresses a datagram was sent to, if the socket's control data says.
fn local_of(header: &libc::msghdr) -> Local {
    let mut local = Local::Bound;
    // SAFETY: the kernel has filled `header`: its control buffer, which the caller still borrows, holds whole control
    // messages in `msg_controllen` octets, and the CMSG functions stay within them.
    let mut control = unsafe { libc::CMSG_FIRSTHDR(header) };
    while !control.is_null() {
        // SAFETY: not null, so a whole control message; its data may be unaligned and is copied out only when its
        // length says that it is all there.
        unsafe {
            let data = libc::CMSG_DATA(control);
            let octets = (*control).cmsg_len as usize;
            match ((*control).cmsg_level, (*control).cmsg_type) {
                (libc::IPPROTO_IP, libc::IP_PKTINFO) if octets >= cmsg_octets::<libc::in_pktinfo>() => {
                    let info: libc::in_pktinfo = std::ptr::read_unaligned(data.cast());
                    // Not the header's destination, which may be a broadcast: the address that it means here.
                    local = Local::V4(Ipv4Addr::from(u32::from_be(info.ipi_spec_dst.s_addr)));
                }
                (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) if octets >= cmsg_octets::<libc::in6_pktinfo>() => {
                    let info: libc::in6_pktinfo = std::ptr::read_unaligned(data.cast());
                    let ip = Ipv6Addr::from(info.ipi6_addr.s6_addr);
                    // Elsewhere the route decides about the interface: it may differ from the one that was used.
                    let interface = if ip.is_unicast_link_local() {
                        info.ipi6_ifindex as u32
                    } else {
                        0
                    };
                    local = Local::V6(ip, interface);
                }
                _ => {}
            }
            control = libc::CMSG_NXTHDR(header, control);
        }
    }
    local
}

/// Makes `header` say from which of our addresses the datagram is to leave.
fn set_control(header: &mut libc::msghdr, control: &mut Control, local: Local) {
    match local {
        Local::Bound => {}
        Local::V4(ip) => {
            let info = libc::in_pktinfo {
                ipi_ifindex: 0,
                ipi_spec_dst: libc::in_addr {
                    s_addr: u32::from(ip).to_be(),
                },
                ipi_addr: libc::in_addr { s_addr: 0 },
            };
            push_control(header, control, libc::IPPROTO_IP, libc::IP_PKTINFO, info);
        }
        Local::V6(ip, interface) => {
            let info = libc::in6_pktinfo {
                ipi6_addr: libc::in6_addr { s6_addr: ip.octets() },
                ipi6_ifindex: interface as _,
            };
            push_control(header, control, libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, info);
        }
    }
}

/// Puts one control message at the front of `control`, and `control` into `header`.
fn push_control<T: Copy>(
    header: &mut libc::msghdr,
    control: &mut Control,
    level: libc::c_int,
    kind: libc::c_int,
    data: T,
) {
    const { assert!(mem::size_of::<T>() <= 24, "Control has room for it") };
    // SAFETY: pure arithmetic.
    let octets = unsafe { libc::CMSG_SPACE(octets_of::<T>()) } as usize;
    header.msg_control = control.0.as_mut_ptr().cast();
    header.msg_controllen = octets as _;
    // SAFETY: `control` is aligned for a cmsghdr and longer than CMSG_SPACE of 24 octets, so the header and the data
    // behind it are within it; the data is written unaligned.
    unsafe {
        let message = libc::CMSG_FIRSTHDR(header);
        (*message).cmsg_level = level;
        (*message).cmsg_type = kind;
        (*message).cmsg_len = cmsg_octets::<T>() as _;
        std::ptr::write_unaligned(libc::CMSG_DATA(message).cast(), data);
    }
}

fn cmsg_octets<T>() -> usize {
    // SAFETY: pure arithmetic.
    unsafe { libc::CMSG_LEN(octets_of::<T>()) as usize }
}

/// Whether replies can leave from `local`: a multicast address is no source.
pub(super) fn is_source(local: Local) -> bool {
    match local {
        Local::Bound => true,
        Local::V4(ip) => !IpAddr::V4(ip).is_multicast(),
        Local::V6(ip, _) => !ip.is_multicast(),
    }
}
