//! Question to answer, pure, on wire bytes: gate → zone → name → answer → authority → additional → size.
//!
//! The same function answers every transport. It does no I/O; the client's address and the random generator are
//! given to it. A question of ours takes no lock, allocates nothing and scans nothing but the records it answers.
//! `docs/design/answering.md` says why it is built so.

mod additional;
mod ahead;
mod apex;
mod chain;
mod discovery;
mod find;
pub mod gate;
mod hosts;
mod name;
mod names;
mod order;
mod records;
mod reply;
mod reverse;
mod services;
mod statics;
pub mod stream;

use std::net::IpAddr;

use crate::view::Snapshot;

use gate::{Question, Refusal, Verdict as Gate, ede, rcode};
use name::Folded;
use reply::{Pointer, Reply};

pub use ahead::{AHEAD_MAX, look_ahead};
pub use order::Scratch;

/// The size that our OPT offers: no fragments on any path (RFC 9715 §3.2).
pub const UDP_PAYLOAD_DEFAULT: u16 = 1232;
/// Octets of the largest message on a stream.
pub const TCP_MESSAGE_MAX: usize = 65_535;

/// What a message came over: it decides the size of the reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// One datagram each way.
    Udp,
    /// Length-prefixed messages on a stream; the prefix is not part of the message.
    Tcp,
}

/// How a message reached us.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// Who asked.
    pub client: IpAddr,
    /// Over what.
    pub transport: Transport,
    /// The largest UDP reply in octets, whatever the client offers (`--max-udp-payload`).
    pub udp_payload_max: u16,
}

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The first so many octets of the buffer are the reply.
    Reply(usize),
    /// Nothing is sent.
    Drop,
    /// It has a handler but is no plain question: the slow path answers.
    Slow,
}

/// What the last reply was, for who counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Noted {
    /// The type asked for; 0 if the gate refused the message.
    pub qtype: u16,
    /// Twelve bits.
    pub rcode: u16,
}

/// Answers the message `packet` from `snapshot` into `out`, which holds at least 65,535 octets on TCP and
/// [`Asked::udp_payload_max`] on UDP.
pub fn answer(
    snapshot: &Snapshot,
    packet: &[u8],
    asked: &Asked,
    scratch: &mut Scratch,
    out: &mut [u8],
) -> Outcome {
    scratch.noted = Noted::default();
    let refuse = |refusal: Refusal, scratch: &mut Scratch, out: &mut [u8]| {
        scratch.noted.rcode = refusal.rcode();
        match refusal.write(packet, asked.udp_payload_max, out) {
            0 => Outcome::Drop,
            octets => Outcome::Reply(octets),
        }
    };
    let question = match gate::judge(packet, asked.transport) {
        Gate::Drop => return Outcome::Drop,
        Gate::Slow => return Outcome::Slow,
        Gate::Refuse(refusal) => return refuse(refusal, scratch, out),
        Gate::Question(question) => question,
    };
    scratch.noted.qtype = question.qtype;
    let Some(name) = Folded::new(question.name) else {
        return Outcome::Drop;
    };
    let Some(zone) = find::zone(snapshot, &name, question.qtype) else {
        // Asked here alone: an answer from a zone that is found does not pay for it.
        let (rcode, ede) = if snapshot.is_ready() {
            (rcode::REFUSED, ede::NOT_AUTHORITATIVE)
        } else {
            (rcode::SERVFAIL, ede::NOT_READY)
        };
        return refuse(Refusal::new(&question, rcode, Some(ede)), scratch, out);
    };
    match Reply::new(&question, out, size(&question, asked)) {
        Some(mut reply) => {
            scratch.names.clear();
            let apex_at = Pointer::new(gate::HEADER_OCTETS + name.offset(zone.labels()));
            let asked_of = (question.qtype, apex_at);
            chain::follow(snapshot, zone, &name, asked_of, asked, scratch, &mut reply);
            scratch.noted.rcode = reply.rcode();
            Outcome::Reply(reply.finish(&question, asked.udp_payload_max))
        }
        None => Outcome::Drop,
    }
}

/// The largest reply to `question`: RFC 1035 §4.2.1 without EDNS, RFC 6891 §6.2.3 with it, never above our own bound.
fn size(question: &Question<'_>, asked: &Asked) -> usize {
    match (asked.transport, question.edns) {
        (Transport::Tcp, _) => TCP_MESSAGE_MAX,
        (Transport::Udp, Some(edns)) => usize::from(edns.payload.min(asked.udp_payload_max)),
        (Transport::Udp, None) => usize::from(gate::UDP_PAYLOAD_MIN),
    }
}

#[cfg(test)]
pub(crate) mod tests;
