//! The floor: a server that does nothing but receive a batch and send it back, at the length of an average answer. What
//! it costs is the kernel's part, which no server of one datagram for each answer can get below.

use std::net::{SocketAddr, UdpSocket};

use crate::fail;
use crate::socket::Inbox;

/// Octets of a reply.
const OCTETS: usize = 108;

/// Serves until it is killed.
pub fn run(server: SocketAddr) {
    let socket = UdpSocket::bind(server).unwrap_or_else(|error| fail(&format!("bind {server}: {error}")));
    let mut inbox = Inbox::new();
    loop {
        inbox.bounce(&socket, OCTETS);
    }
}
