//! The floors: a server that does nothing but receive a batch and send it back, unread but for the mark of a response,
//! at the length of an average answer. What that costs is the kernel's part, and no server has less of it: with a
//! message for each answer, or with one for all that goes to the same client.

use crate::arguments::Arguments;
use crate::fail;
use crate::socket::{Inbox, Outbox};

/// Octets of a reply.
const OCTETS: usize = 108;

/// Serves until it is killed.
pub fn run(arguments: &Arguments) {
    let server = arguments.address("server");
    let socket =
        std::net::UdpSocket::bind(server).unwrap_or_else(|error| fail(&format!("bind {server}: {error}")));
    let mut inbox = Inbox::new();
    let mut outbox = Outbox::of_segments(OCTETS);
    let is_together = arguments.is_set("together");
    loop {
        if is_together {
            inbox.bounce_together(&socket, OCTETS, &mut outbox);
        } else {
            inbox.bounce(&socket, OCTETS);
        }
    }
}
