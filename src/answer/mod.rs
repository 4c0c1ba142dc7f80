//! Question to answer, pure, on wire bytes.

use std::net::IpAddr;

use crate::view::Snapshot;

pub mod gate;

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

/// Working memory of one worker, made once and reused for each question.
#[derive(Debug)]
pub struct Scratch {
    /// Order and draws.
    pub random: fastrand::Rng,
}

impl Scratch {
    /// Working memory whose draws follow from `seed`.
    pub fn seeded(seed: u64) -> Self {
        Self { random: fastrand::Rng::with_seed(seed) }
    }
}

/// Answers the message `packet` from `snapshot` into `out`, which holds at least 65,535 octets on TCP and
/// [`Asked::udp_payload_max`] on UDP.
pub fn answer(snapshot: &Snapshot, packet: &[u8], asked: &Asked, scratch: &mut Scratch, out: &mut [u8]) -> Outcome {
    let _ = (snapshot, scratch);
    let refusal = match gate::judge(packet, asked.transport) {
        gate::Verdict::Drop => return Outcome::Drop,
        gate::Verdict::Slow => return Outcome::Slow,
        gate::Verdict::Refuse(refusal) => refusal,
        gate::Verdict::Question(question) => gate::Refusal::new(&question, gate::rcode::SERVFAIL, None),
    };
    Outcome::Reply(refusal.write(packet, asked.udp_payload_max, out))
}
