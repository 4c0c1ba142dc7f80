//! The system calls that std lacks, and all `unsafe` of the generator: batches of datagrams, GSO, epoll, the clock.
//!
//! Each pointer that is handed to the kernel points into a buffer of the same struct, which is boxed or a `Vec` that
//! never grows, so it stays where it is for as long as the headers that name it.

use std::io;
use std::mem;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use crate::fail;

/// Datagrams of one call.
pub const BATCH: usize = 64;
/// Octets of one: more than any answer here has.
const ROOM: usize = 4096;
/// Octets that wait in the kernel for this program: it must never be the one that drops.
const RECEIVE_BUFFER: libc::c_int = 4 << 20;

/// Nanoseconds of the clock that all processes share and nobody sets.
pub fn monotonic_ns() -> u64 {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: writes one timespec, which `now` is.
    let done = unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut now) };
    assert_eq!(done, 0, "there is a monotonic clock");
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

fn set_option(
    socket: &impl AsRawFd,
    level: libc::c_int,
    name: libc::c_int,
    value: libc::c_int,
) -> io::Result<()> {
    let length = mem::size_of_val(&value) as libc::socklen_t;
    // SAFETY: reads `length` octets of `value`, which outlives the call.
    let done =
        unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, (&raw const value).cast(), length) };
    if done == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// A socket of its own port towards a server.
pub fn connect(server: SocketAddr) -> UdpSocket {
    let connected = UdpSocket::bind((server.ip(), 0)).and_then(|socket| {
        socket.connect(server)?;
        socket.set_nonblocking(true)?;
        // Less is no error, only a smaller buffer.
        let _ = set_option(&socket, libc::SOL_SOCKET, libc::SO_RCVBUF, RECEIVE_BUFFER);
        Ok(socket)
    });
    connected.unwrap_or_else(|error| fail(&format!("a UDP socket towards {server}: {error}")))
}

/// Lets the kernel cut what is sent on a socket into datagrams of so many octets (UDP GSO): one call, and one walk
/// through the network stack, for a whole burst. Without it this program is no faster than a server.
pub fn segment(socket: &UdpSocket, octets: usize) {
    if let Err(error) = set_option(socket, libc::SOL_UDP, libc::UDP_SEGMENT, octets as libc::c_int) {
        fail(&format!("UDP_SEGMENT, which takes Linux 4.18: {error}"));
    }
}

/// Datagrams of one socket, received together.
pub struct Inbox {
    buffers: Vec<u8>,
    vectors: Vec<libc::iovec>,
    senders: Vec<libc::sockaddr_storage>,
    headers: Vec<libc::mmsghdr>,
}

impl Inbox {
    /// With room for a batch.
    pub fn new() -> Self {
        let mut buffers = vec![0_u8; BATCH * ROOM];
        let mut vectors: Vec<libc::iovec> = buffers
            .chunks_mut(ROOM)
            .map(|room| libc::iovec {
                iov_base: room.as_mut_ptr().cast(),
                iov_len: ROOM,
            })
            .collect();
        // SAFETY: all zeros is a value of these structs of integers and pointers.
        let mut senders: Vec<libc::sockaddr_storage> = vec![unsafe { mem::zeroed() }; BATCH];
        let mut headers: Vec<libc::mmsghdr> = vec![unsafe { mem::zeroed() }; BATCH];
        for ((header, vector), sender) in headers.iter_mut().zip(&mut vectors).zip(&mut senders) {
            header.msg_hdr.msg_iov = vector;
            header.msg_hdr.msg_iovlen = 1;
            header.msg_hdr.msg_name = (&raw mut *sender).cast();
        }
        Self {
            buffers,
            vectors,
            senders,
            headers,
        }
    }

    /// Takes what is there, without waiting; nothing is no error, nor is a server that is not there.
    pub fn receive(&mut self, socket: &UdpSocket) -> usize {
        self.take(socket.as_raw_fd(), libc::MSG_DONTWAIT)
    }

    fn take(&mut self, socket: RawFd, flags: libc::c_int) -> usize {
        for header in &mut self.headers {
            header.msg_hdr.msg_namelen = mem::size_of::<libc::sockaddr_storage>() as libc::socklen_t;
        }
        let none = std::ptr::null_mut();
        // SAFETY: BATCH headers, each of whose pointers leads into a buffer of `self`, as its lengths say.
        let received =
            unsafe { libc::recvmmsg(socket, self.headers.as_mut_ptr(), BATCH as u32, flags as _, none) };
        usize::try_from(received).unwrap_or(0)
    }

    /// One of those received.
    pub fn datagram(&self, at: usize) -> &[u8] {
        &self.buffers[at * ROOM..][..self.headers[at].msg_len as usize]
    }

    /// Waits for datagrams and sends each back as it lies in its buffer, marked as a response and made `octets` long.
    pub fn bounce(&mut self, socket: &UdpSocket, octets: usize) {
        let received = self.wait(socket);
        self.set_lengths(received, octets);
        send_all(socket, &mut self.headers[..received]);
        self.set_lengths(received, ROOM);
    }

    /// The same with all that goes to one client in one message, which the kernel cuts (GSO).
    pub fn bounce_together(&mut self, socket: &UdpSocket, octets: usize, outbox: &mut Outbox) {
        let received = self.wait(socket);
        self.set_lengths(received, octets);
        let mut order = [0; BATCH];
        let order = &mut order[..received];
        order.iter_mut().enumerate().for_each(|(at, place)| *place = at);
        order.sort_by_key(|at| self.sender(*at));
        outbox.send_grouped(socket, self, order);
        self.set_lengths(received, ROOM);
    }

    /// Waits for at least one; marks all as responses.
    fn wait(&mut self, socket: &UdpSocket) -> usize {
        let received = self.take(socket.as_raw_fd(), libc::MSG_WAITFORONE);
        for at in 0..received {
            self.buffers[at * ROOM + 2] |= 0x80;
        }
        received
    }

    fn set_lengths(&mut self, count: usize, octets: usize) {
        for vector in &mut self.vectors[..count] {
            vector.iov_len = octets;
        }
    }

    /// Port and address of who sent one, over IPv4.
    fn sender(&self, at: usize) -> (u16, u32) {
        // SAFETY: a sockaddr_in is no larger and no more aligned than a sockaddr_storage, and integers take any value.
        let sender = unsafe { (&raw const self.senders[at]).cast::<libc::sockaddr_in>().read() };
        (sender.sin_port, sender.sin_addr.s_addr)
    }
}

/// Sends each; one that cannot be sent is skipped.
fn send_all(socket: &UdpSocket, headers: &mut [libc::mmsghdr]) {
    let mut sent = 0;
    while sent < headers.len() {
        let left = &mut headers[sent..];
        // SAFETY: as many headers as it says, whose pointers lead into buffers that their owner holds meanwhile.
        let now = unsafe { libc::sendmmsg(socket.as_raw_fd(), left.as_mut_ptr(), left.len() as u32, 0) };
        sent += usize::try_from(now).unwrap_or(0).max(1);
    }
}

/// One control message that says how long the segments are, in room that is aligned for it.
#[repr(C)]
#[derive(Clone, Copy)]
struct Segment {
    header: libc::cmsghdr,
    octets: u16,
    _rest: [u8; 6],
}

/// Messages that go out together, one for each client.
pub struct Outbox {
    vectors: Vec<libc::iovec>,
    headers: Vec<libc::mmsghdr>,
    segment: Box<Segment>,
}

impl Outbox {
    /// For segments of so many octets.
    pub fn of_segments(octets: usize) -> Self {
        let header = libc::cmsghdr {
            // CMSG_LEN(2): the head and what it holds, without what follows to the next boundary.
            cmsg_len: (mem::size_of::<libc::cmsghdr>() + 2) as _,
            cmsg_level: libc::SOL_UDP,
            cmsg_type: libc::UDP_SEGMENT,
        };
        Self {
            vectors: Vec::with_capacity(BATCH),
            headers: Vec::with_capacity(BATCH),
            segment: Box::new(Segment {
                header,
                octets: octets as u16,
                _rest: [0; 6],
            }),
        }
    }

    /// Sends the datagrams of `inbox` that `order` names, those of one sender in one message.
    fn send_grouped(&mut self, socket: &UdpSocket, inbox: &mut Inbox, order: &[usize]) {
        self.headers.clear();
        self.vectors.clear();
        // There is room for a batch, so they do not move when one more comes.
        self.vectors.extend(order.iter().map(|at| inbox.vectors[*at]));
        let mut first = 0;
        for group in order.chunk_by(|a, b| inbox.sender(*a) == inbox.sender(*b)) {
            // SAFETY: all zeros is a value of this struct of integers and pointers.
            let mut header: libc::mmsghdr = unsafe { mem::zeroed() };
            header.msg_hdr.msg_name = inbox.headers[group[0]].msg_hdr.msg_name;
            header.msg_hdr.msg_namelen = inbox.headers[group[0]].msg_hdr.msg_namelen;
            header.msg_hdr.msg_iov = &raw mut self.vectors[first];
            header.msg_hdr.msg_iovlen = group.len() as _;
            if group.len() > 1 {
                header.msg_hdr.msg_control = (&raw mut *self.segment).cast();
                header.msg_hdr.msg_controllen = mem::size_of::<Segment>() as _;
            }
            self.headers.push(header);
            first += group.len();
        }
        send_all(socket, &mut self.headers);
    }
}

/// Sockets by numbers, waited for together.
pub struct Poll {
    epoll: OwnedFd,
    events: Vec<libc::epoll_event>,
}

impl Poll {
    /// Without sockets yet.
    pub fn new() -> Self {
        // SAFETY: makes a descriptor that nothing else owns.
        let epoll = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        assert!(epoll >= 0, "epoll: {}", io::Error::last_os_error());
        Self {
            // SAFETY: it is open, and ours alone.
            epoll: unsafe { OwnedFd::from_raw_fd(epoll) },
            events: vec![libc::epoll_event { events: 0, u64: 0 }; BATCH],
        }
    }

    /// Adds a socket, reported as `number` whenever there is something to read.
    pub fn add(&self, socket: &impl AsRawFd, number: usize) {
        let mut event = libc::epoll_event {
            events: libc::EPOLLIN as u32,
            u64: number as u64,
        };
        let (epoll, socket) = (self.epoll.as_raw_fd(), socket.as_raw_fd());
        // SAFETY: reads `event`, which outlives the call.
        let done = unsafe { libc::epoll_ctl(epoll, libc::EPOLL_CTL_ADD, socket, &mut event) };
        assert_eq!(done, 0, "epoll: {}", io::Error::last_os_error());
    }

    /// Whether `socket` is reported also while the kernel has room for more to send.
    pub fn report_room(&self, socket: &impl AsRawFd, number: usize, is_wanted: bool) {
        let room = if is_wanted { libc::EPOLLOUT } else { 0 };
        let mut event = libc::epoll_event {
            events: (libc::EPOLLIN | room) as u32,
            u64: number as u64,
        };
        let (epoll, socket) = (self.epoll.as_raw_fd(), socket.as_raw_fd());
        // SAFETY: reads `event`, which outlives the call.
        let done = unsafe { libc::epoll_ctl(epoll, libc::EPOLL_CTL_MOD, socket, &mut event) };
        assert_eq!(done, 0, "epoll: {}", io::Error::last_os_error());
    }

    /// The numbers of those with something to read, at most so many milliseconds from now.
    pub fn wait(&mut self, limit_ms: u32) -> impl Iterator<Item = usize> + use<'_> {
        let room = self.events.len() as libc::c_int;
        // SAFETY: writes at most `room` events, for which there is room.
        let ready = unsafe {
            libc::epoll_wait(
                self.epoll.as_raw_fd(),
                self.events.as_mut_ptr(),
                room,
                limit_ms as libc::c_int,
            )
        };
        let ready = usize::try_from(ready).unwrap_or(0);
        self.events[..ready].iter().map(|event| event.u64 as usize)
    }
}
