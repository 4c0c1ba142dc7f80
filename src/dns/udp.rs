//! A UDP worker: a thread that receives a batch, answers it in place and sends the replies, for ever.
//!
//! It owns its buffers and its working memory, so that nothing is shared, locked or allocated for a question. It
//! blocks in the kernel while there is nothing to do and wakes for nothing else. No error ends it, and none makes it
//! spin. How many workers share an address, and that they do, was settled when it was bound.

use std::io;
use std::net::{Shutdown, UdpSocket};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;

use super::datagrams::{self, Batch, Wait};
use super::slow::{self, Back, Message};
use super::{Counts, bump};
use crate::answer::{self, Asked, Outcome, Scratch, Transport, gate};
use crate::clock::Clock;
use crate::metrics::{Answers, TIMED_EVERY, Timed};
use crate::view::Current;

/// Errors in a row after which a worker pauses: one says something about one datagram, many about the socket.
const ERRORS_IN_A_ROW_MAX: u32 = 8;
/// That pause.
const ERROR_PAUSE: Duration = Duration::from_millis(50);
/// Batches that a stop still answers: what had come, not what a flood adds meanwhile.
const DRAIN_BATCHES_MAX: usize = 1024;

/// Ends the wait of the worker on `socket`.
///
/// Linux shuts down a UDP socket that is not connected, wakes who waits on it, and says ENOTCONN all the same.
pub(super) fn wake(socket: &UdpSocket) {
    let _ = socket2::SockRef::from(socket).shutdown(Shutdown::Read);
}

/// What a worker works with.
pub(super) struct Worker {
    pub(super) socket: Arc<UdpSocket>,
    pub(super) current: Arc<Current>,
    pub(super) slow: slow::Queue,
    /// This worker's own.
    pub(super) answers: Arc<Answers>,
    /// This worker's own.
    pub(super) timed: Arc<Timed>,
    pub(super) clock: Clock,
    pub(super) counts: Arc<Counts>,
    pub(super) stopping: Arc<AtomicBool>,
    pub(super) udp_payload_max: u16,
    /// Dropped at the end, which is how the end is known.
    pub(super) alive: mpsc::Sender<()>,
}

impl Worker {
    /// Starts the thread.
    pub(super) fn spawn(self) -> io::Result<()> {
        std::thread::Builder::new()
            .name("dns-udp".into())
            .spawn(|| self.run())
            .map(drop)
    }

    fn run(self) {
        let mut batch = Batch::new(&self.socket, self.udp_payload_max.into());
        let mut scratch = fresh_scratch();
        let mut errors_in_a_row = 0;
        let mut batches: u32 = 0;
        while !self.stopping.load(Ordering::Acquire) {
            match batch.receive(&self.socket, Wait::ForOne) {
                Ok(received) => {
                    errors_in_a_row = 0;
                    let began = batches.is_multiple_of(TIMED_EVERY).then(|| self.clock.lasted());
                    batches = batches.wrapping_add(1);
                    self.serve(&mut batch, received, &mut scratch);
                    if let Some(began) = began {
                        self.timed
                            .note(self.clock.lasted().saturating_sub(began), received);
                    }
                    self.count_drops(batch.take_drops());
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.count_error("receive", &error);
                    errors_in_a_row += 1;
                    if errors_in_a_row >= ERRORS_IN_A_ROW_MAX {
                        std::thread::sleep(ERROR_PAUSE);
                    }
                }
            }
        }
        for _ in 0..DRAIN_BATCHES_MAX {
            match batch.receive(&self.socket, Wait::No) {
                Ok(received) => self.serve(&mut batch, received, &mut scratch),
                Err(_) => break,
            }
        }
        drop(self.alive);
    }

    fn serve(&self, batch: &mut Batch, received: usize, scratch: &mut Scratch) {
        // Loaded after the batch was received: a question sent after a write was acknowledged sees that write.
        let snapshot = self.current.load();
        answer::look_ahead(&snapshot, batch.queries());
        for n in 0..received {
            let Some(exchange) = batch.exchange(n) else {
                continue;
            };
            // Nobody can listen on port 0: such a source is forged.
            if exchange.client.port() == 0 || exchange.truncated || !exchange.local.is_source() {
                bump(&self.counts.udp_dropped);
                continue;
            }
            let asked = Asked {
                client: exchange.client.ip(),
                transport: Transport::Udp,
                udp_payload_max: self.udp_payload_max,
            };
            let answered = catch_unwind(AssertUnwindSafe(|| {
                answer::answer(&snapshot, exchange.query, &asked, scratch, exchange.reply)
            }));
            match answered {
                Ok(Outcome::Reply(octets)) => {
                    self.answers.note(scratch.noted.qtype, scratch.noted.rcode);
                    batch.reply(n, octets);
                }
                Ok(Outcome::Drop) => {}
                Ok(Outcome::Slow) => self.slow.push(Message {
                    octets: exchange.query.to_vec(),
                    client: exchange.client,
                    back: Back::Datagram {
                        socket: self.socket.clone(),
                        local: exchange.local,
                    },
                }),
                // The panic has been reported; a fraction of all clients without a worker would be worse.
                Err(_) => {
                    bump(&self.counts.panics);
                    *scratch = fresh_scratch();
                }
            }
        }
        drop(snapshot);
        self.send(batch);
    }

    fn send(&self, batch: &mut Batch) {
        let mut too_long = [0_usize; datagrams::BATCH];
        let mut too_long_count = 0;
        batch.send(&self.socket, |n, error| {
            if error.raw_os_error() == Some(libc::EMSGSIZE) {
                too_long[too_long_count] = n;
                too_long_count += 1;
            } else {
                self.count_error("send", &error);
            }
        });
        if too_long_count == 0 {
            return;
        }
        // The payload allowed exceeds the interface's MTU: TC sends the client to TCP instead of nowhere.
        for &n in &too_long[..too_long_count] {
            bump(&self.counts.udp_too_long);
            if let Some(exchange) = batch.exchange(n) {
                let octets = truncated_reply(exchange.query, self.udp_payload_max, exchange.reply);
                batch.reply(n, octets);
            }
        }
        batch.send(&self.socket, |_, error| self.count_error("send", &error));
    }

    fn count_drops(&self, drops: u32) {
        if drops == 0 {
            return;
        }
        let before = self
            .counts
            .udp_kernel_dropped
            .fetch_add(drops.into(), Ordering::Relaxed);
        // Each time it has doubled: an overload lasts, and a line for each batch would add to it.
        if (before + u64::from(drops)).ilog2() > before.checked_ilog2().unwrap_or(0) || before == 0 {
            tracing::warn!(
                dropped = before + u64::from(drops),
                "questions come faster than they can be answered: the kernel drops some"
            );
        }
    }

    fn count_error(&self, attempted: &str, error: &io::Error) {
        if bump(&self.counts.udp_errors) {
            tracing::debug!(attempted, %error, "UDP socket");
        }
    }
}

/// The question with TC=1 and nothing else.
fn truncated_reply(query: &[u8], payload: u16, reply: &mut [u8]) -> usize {
    let octets = gate::refuse(query, 0, None).map_or(0, |refusal| refusal.write(query, payload, reply));
    if octets > 0
        && let Some(flags) = reply.get_mut(2)
    {
        *flags |= 0x02;
    }
    octets
}

pub(super) fn fresh_scratch() -> Scratch {
    Scratch::seeded(fastrand::u64(..))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_truncated_reply_is_the_question_with_tc() {
        let query = b"\xbe\xef\x01\0\0\x01\0\0\0\0\0\x01\x03wEb\0\0\x01\0\x01\0\0\x29\x10\0\0\0\0\0\0\0";
        let mut reply = [0; 512];
        let octets = truncated_reply(query, 1232, &mut reply);
        assert_eq!(
            &reply[..octets],
            b"\xbe\xef\x83\0\0\x01\0\0\0\0\0\x01\x03wEb\0\0\x01\0\x01\0\0\x29\x04\xd0\0\0\0\0\0\0"
        );
    }
}
