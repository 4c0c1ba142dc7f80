//! Closed loop over UDP: every client keeps its questions outstanding and asks anew as answers come. What it finds is
//! the server's capacity, and what an answer costs it in processor time.

use crate::arguments::{Arguments, Json};
use crate::measurement::Measurement;
use crate::outstanding::Client;
use crate::questions::Questions;
use crate::socket::{BATCH, Inbox, connect, monotonic_ns, segment};

/// After this a question is lost.
const LOST_AFTER_NS: u64 = 1_000_000_000;
/// How often lost ones are looked for.
const LOOK_EVERY_NS: u64 = 100_000_000;

/// Takes what has come for a client; says how many.
pub fn hear(
    client: &mut Client,
    inbox: &mut Inbox,
    questions: &Questions,
    judge: Judge,
    measurement: &mut Measurement,
) -> usize {
    let received = inbox.receive(&client.socket);
    if received == 0 {
        return 0;
    }
    let now_ns = monotonic_ns();
    let Measurement { tally, times, .. } = measurement;
    for at in 0..received {
        let reply = inbox.datagram(at);
        let Some((question, sent_ns)) = client.answered(reply) else {
            tally.late += 1;
            continue;
        };
        if judge.is_unchecked || questions.is_right(question, reply, judge.is_flipping) {
            tally.answered += 1;
            tally.octets += reply.len() as u64;
            times.add(now_ns.saturating_sub(sent_ns));
        } else {
            tally.wrong += 1;
        }
    }
    received
}

/// How answers are judged.
#[derive(Clone, Copy)]
pub struct Judge {
    is_unchecked: bool,
    is_flipping: bool,
}

impl Judge {
    /// As the arguments say.
    pub fn of(arguments: &Arguments) -> Self {
        Self {
            is_unchecked: arguments.is_set("unchecked"),
            is_flipping: arguments.is_set("flipping"),
        }
    }
}

/// The measurement.
pub fn run(arguments: &Arguments) -> Json {
    let server = arguments.address("server");
    let count: usize = arguments.number("clients", 8);
    let window: usize = arguments.number("window", 192);
    let judge = Judge::of(arguments);
    let questions = crate::questions(arguments);
    let mut clients: Vec<Client> = (0..count.max(1))
        .map(|_| {
            let socket = connect(server);
            segment(&socket, questions.length());
            Client::new(socket, (window / count.max(1)).clamp(1, BATCH))
        })
        .collect();
    let mut inbox = Inbox::new();
    let mut burst = Vec::with_capacity(BATCH * questions.length());
    let mut next = 0;
    let mut measurement = Measurement::start(arguments, 1.0, 3.0);
    let mut looked_ns = monotonic_ns();
    loop {
        let now_ns = monotonic_ns();
        if measurement.is_over(now_ns) {
            return measurement.end();
        }
        if now_ns - looked_ns > LOOK_EVERY_NS {
            looked_ns = now_ns;
            let lost = clients
                .iter_mut()
                .map(|client| client.give_up_before(now_ns - LOST_AFTER_NS));
            measurement.tally.lost += lost.sum::<u64>();
        }
        for client in &mut clients {
            let heard = hear(client, &mut inbox, &questions, judge, &mut measurement);
            // As long as answers come they are gathered to half of what may be outstanding, for a question each would
            // be a system call each; once they pause, what is free is asked.
            if client.free() == 0 || heard > 0 && client.free() * 2 < client.places() {
                continue;
            }
            burst.clear();
            let sent_ns = monotonic_ns();
            while let Some(id) = client.ask(next, sent_ns) {
                let at = burst.len();
                burst.extend_from_slice(questions.octets(next));
                burst[at..at + 2].copy_from_slice(&id.to_be_bytes());
                next = (next + 1) % questions.count();
            }
            // What could not be sent is lost, and found so.
            let _ = client.socket.send(&burst);
        }
    }
}
