//! Open loop over UDP: questions at a rate, whether or not answers come. A time begins when the question was due, so
//! a server that stalls is charged for all that would have been asked meanwhile.

use crate::arguments::{Arguments, Json};
use crate::flood::{Judge, hear};
use crate::measurement::Measurement;
use crate::outstanding::{Client, PLACES_MAX};
use crate::socket::{Inbox, connect, monotonic_ns};

/// After this a question is lost.
const LOST_AFTER_NS: u64 = 1_000_000_000;
/// Behind the schedule by more than this, it is this program that was held up, not the server.
const HELD_UP_NS: f64 = 50e6;

/// The measurement.
pub fn run(arguments: &Arguments) -> Json {
    let server = arguments.address("server");
    let rate: f64 = arguments.number("rate", 5000.0);
    let count: usize = arguments.number::<usize>("clients", 8).max(1);
    let judge = Judge::of(arguments);
    let mut random = fastrand::Rng::with_seed(arguments.number("seed", 1));
    let questions = crate::questions(arguments);
    let mut clients: Vec<Client> = (0..count)
        .map(|_| Client::new(connect(server), PLACES_MAX))
        .collect();
    let mut inbox = Inbox::new();
    let mut asked = 0_usize;
    let mut measurement = Measurement::start(arguments, 0.2, 3.0);
    let mut due_ns = monotonic_ns() as f64;
    let mut question = vec![0; questions.length()];
    loop {
        let now_ns = monotonic_ns();
        if measurement.is_over(now_ns) {
            let lost = clients
                .iter_mut()
                .map(|client| client.give_up_before(now_ns - LOST_AFTER_NS));
            measurement.tally.lost += lost.sum::<u64>();
            return measurement.end().count("held_up", measurement.held_up);
        }
        if now_ns as f64 - due_ns > HELD_UP_NS {
            measurement.held_up += 1;
            due_ns = now_ns as f64;
        }
        while due_ns <= now_ns as f64 {
            let client = &mut clients[asked % count];
            let at = asked % questions.count();
            asked += 1;
            match client.ask(at, due_ns as u64) {
                Some(id) => {
                    question.copy_from_slice(questions.octets(at));
                    question[..2].copy_from_slice(&id.to_be_bytes());
                    let _ = client.socket.send(&question);
                }
                None => measurement.tally.lost += 1,
            }
            // The time to the next of a Poisson process.
            due_ns += -random.f64().max(1e-12).ln() * 1e9 / rate;
        }
        for client in &mut clients {
            hear(client, &mut inbox, &questions, judge, &mut measurement);
        }
    }
}
