//! What a socket is told before it is bound.
#![allow(unsafe_code)]

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;

use nix::sys::socket::{setsockopt, sockopt};
use socket2::Socket;

/// Asks for all that helps and is optional, and for what a socket bound to `address` needs.
pub(in crate::dns) fn prepare(socket: &Socket, address: SocketAddr) -> io::Result<()> {
    if address.ip().is_unspecified() {
        // Replies must leave from the address that was asked (RFC 2181 §4.1).
        if address.is_ipv6() {
            setsockopt(socket, sockopt::Ipv6RecvPacketInfo, &true)?;
        } else {
            setsockopt(socket, sockopt::Ipv4PacketInfo, &true)?;
        }
    }
    forbid_fragments(socket, address.is_ipv6())?;
    if address.is_ipv6() {
        setsockopt(socket, sockopt::Ipv6DontFrag, &true)?;
    }
    // Linux 5.0 and later; without it each query comes by itself.
    let _ = setsockopt(socket, sockopt::UdpGroSegment, &true);
    // Without it drops are not counted, which is no reason not to serve.
    let _ = setsockopt(socket, sockopt::RxqOvfl, &1);
    Ok(())
}

/// Datagrams leave whole or not at all (RFC 9715 §3.1): IPv4's DF is set, and the interface's MTU counts, not a path
/// MTU that anyone can forge.
fn forbid_fragments(socket: &Socket, is_ipv6: bool) -> io::Result<()> {
    let (level, option, value): (_, _, libc::c_int) = if is_ipv6 {
        (
            libc::IPPROTO_IPV6,
            libc::IPV6_MTU_DISCOVER,
            libc::IPV6_PMTUDISC_PROBE,
        )
    } else {
        (libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_PROBE)
    };
    set_option(socket, level, option, value)
}

/// Sets an option that has no name in a crate of ours.
pub(super) fn set_option(
    socket: &impl AsRawFd,
    level: libc::c_int,
    option: libc::c_int,
    value: libc::c_int,
) -> io::Result<()> {
    // SAFETY: the option's value is a c_int that lives until the call is over, and its length is given.
    let set = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            option,
            (&raw const value).cast(),
            std::mem::size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    if set < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}
