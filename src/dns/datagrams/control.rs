//! The control data of a datagram: what stands beside its octets in `recvmmsg` and `sendmmsg`.
#![allow(unsafe_code)]

use std::mem;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::Local;

/// Room for all that is received (packet info of IPv6, 40 octets; segment size, 24; drops, 24) or sent (the first two).
#[derive(Clone, Copy)]
#[repr(C, align(8))]
pub(super) struct Control([u8; 96]);

const _: () = assert!(mem::align_of::<libc::cmsghdr>() <= mem::align_of::<Control>());

/// What the control data of a received datagram says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Received {
    /// Which of our addresses it was sent to.
    pub(super) local: Local,
    /// Octets of each of the datagrams that it is made of, but for the last, which may have fewer; 0 if it is one.
    pub(super) segment_octets: usize,
    /// How many datagrams the kernel has dropped on this socket until now, if any; it wraps.
    pub(super) drops: Option<u32>,
}

impl Control {
    pub(super) const EMPTY: Self = Self([0; 96]);

    /// Has the kernel write into it what comes with the datagram of `header`.
    pub(super) fn receive_into(&mut self, header: &mut libc::msghdr) {
        header.msg_control = self.0.as_mut_ptr().cast();
        header.msg_controllen = self.0.len() as _;
    }

    /// Makes `header` say from which of our addresses the datagram is to leave, and, if `segment_octets` is not 0, that
    /// it is so many datagrams as that goes into it.
    pub(super) fn send_with(&mut self, header: &mut libc::msghdr, local: Local, segment_octets: u16) {
        header.msg_control = self.0.as_mut_ptr().cast();
        header.msg_controllen = 0;
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
                self.push(header, libc::IPPROTO_IP, libc::IP_PKTINFO, info);
            }
            Local::V6(ip, interface) => {
                let info = libc::in6_pktinfo {
                    ipi6_addr: libc::in6_addr { s6_addr: ip.octets() },
                    ipi6_ifindex: interface as _,
                };
                self.push(header, libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, info);
            }
        }
        if segment_octets > 0 {
            self.push(header, libc::SOL_UDP, libc::UDP_SEGMENT, segment_octets);
        }
        if header.msg_controllen == 0 {
            header.msg_control = std::ptr::null_mut();
        }
    }

    /// Appends a control message behind those that `header` counts already.
    fn push<T: Copy>(&mut self, header: &mut libc::msghdr, level: libc::c_int, kind: libc::c_int, data: T) {
        // SAFETY: pure arithmetic.
        let (space, len) = unsafe {
            (
                libc::CMSG_SPACE(mem::size_of::<T>() as _) as usize,
                libc::CMSG_LEN(mem::size_of::<T>() as _) as usize,
            )
        };
        // 32 bits with musl.
        #[allow(clippy::unnecessary_cast)]
        let start = header.msg_controllen as usize;
        let place = &mut self.0[start..start + space];
        place.fill(0);
        // SAFETY: `place` has room for a header and the data behind it (CMSG_SPACE), and `start` is a sum of
        // CMSG_SPACEs, so it is aligned as the buffer is: for a cmsghdr. The data is written unaligned.
        unsafe {
            let message = place.as_mut_ptr().cast::<libc::cmsghdr>();
            (*message).cmsg_level = level;
            (*message).cmsg_type = kind;
            (*message).cmsg_len = len as _;
            std::ptr::write_unaligned(libc::CMSG_DATA(message).cast(), data);
        }
        header.msg_controllen = (start + space) as _;
    }
}

/// What the kernel has written beside the datagram of `header`.
///
/// # Safety
/// `header` is as the kernel left it: its control buffer is alive, and holds whole control messages in
/// `msg_controllen` octets.
pub(super) unsafe fn read(header: &libc::msghdr) -> Received {
    let mut received = Received {
        local: Local::Bound,
        segment_octets: 0,
        drops: None,
    };
    // SAFETY: as the caller says; the CMSG functions stay within the buffer.
    let mut message = unsafe { libc::CMSG_FIRSTHDR(header) };
    while !message.is_null() {
        // SAFETY: not null, so a whole control message; its data may be unaligned and is copied out only when its
        // length says that it is all there.
        unsafe {
            let data = libc::CMSG_DATA(message);
            let octets = (*message).cmsg_len as usize;
            match ((*message).cmsg_level, (*message).cmsg_type) {
                (libc::IPPROTO_IP, libc::IP_PKTINFO) if octets >= octets_with::<libc::in_pktinfo>() => {
                    let info: libc::in_pktinfo = std::ptr::read_unaligned(data.cast());
                    // Not the header's destination, which may be a broadcast: the address that it means here.
                    received.local = Local::V4(Ipv4Addr::from(u32::from_be(info.ipi_spec_dst.s_addr)));
                }
                (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) if octets >= octets_with::<libc::in6_pktinfo>() => {
                    let info: libc::in6_pktinfo = std::ptr::read_unaligned(data.cast());
                    let ip = Ipv6Addr::from(info.ipi6_addr.s6_addr);
                    // Elsewhere the route decides about the interface: it may differ from the one that was used.
                    let interface = if ip.is_unicast_link_local() {
                        info.ipi6_ifindex as u32
                    } else {
                        0
                    };
                    received.local = Local::V6(ip, interface);
                }
                (libc::SOL_UDP, libc::UDP_GRO) if octets >= octets_with::<libc::c_int>() => {
                    let segment: libc::c_int = std::ptr::read_unaligned(data.cast());
                    received.segment_octets = usize::try_from(segment).unwrap_or(0);
                }
                (libc::SOL_SOCKET, libc::SO_RXQ_OVFL) if octets >= octets_with::<u32>() => {
                    received.drops = Some(std::ptr::read_unaligned(data.cast()));
                }
                _ => {}
            }
            message = libc::CMSG_NXTHDR(header, message);
        }
    }
    received
}

/// The least length of a control message with a `T`.
fn octets_with<T>() -> usize {
    // SAFETY: pure arithmetic.
    unsafe { libc::CMSG_LEN(mem::size_of::<T>() as _) as usize }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is written is what is read, whatever stands together.
    #[test]
    fn control_data_comes_back_as_it_was_written() {
        let v6 = "2001:db8::7".parse().expect("an address");
        let locals = [
            Local::Bound,
            Local::V4(Ipv4Addr::new(192, 0, 2, 1)),
            Local::V6(v6, 0),
        ];
        for local in locals {
            for segment in [0u16, 1232] {
                // SAFETY: an all-zero msghdr is a valid value (null pointers with zero lengths).
                let mut header: libc::msghdr = unsafe { mem::zeroed() };
                let mut control = Control::EMPTY;
                control.send_with(&mut header, local, segment);
                let has_none = local == Local::Bound && segment == 0;
                assert_eq!(header.msg_control.is_null(), has_none);
                if segment > 0 {
                    // Sent as UDP_SEGMENT (16 bits), received as UDP_GRO (32): only its place can be compared.
                    // SAFETY: the control data was just written; its last message is the segment's.
                    unsafe {
                        let mut message = libc::CMSG_FIRSTHDR(&header);
                        if local != Local::Bound {
                            message = libc::CMSG_NXTHDR(&header, message);
                        }
                        assert_eq!((*message).cmsg_type, libc::UDP_SEGMENT);
                        assert_eq!(
                            std::ptr::read_unaligned(libc::CMSG_DATA(message).cast::<u16>()),
                            segment
                        );
                        assert!(libc::CMSG_NXTHDR(&header, message).is_null());
                    }
                }
                // SAFETY: the buffer is alive and holds whole messages.
                let received = unsafe { read(&header) };
                assert_eq!(received.local, local);
            }
        }
    }
}
