//! Closed loop over UDP: every client keeps its questions outstanding and asks anew as answers come. What it finds is
//! the server's capacity, and what an answer costs it in processor time.

use crate::arguments::{Arguments, Json};
use crate::histogram::Histogram;
use crate::outstanding::Client;
use crate::process::{Processes, own_run_ns};
use crate::questions::Questions;
use crate::socket::{BATCH, Inbox, connect, monotonic_ns, segment};

/// After this a question is lost.
const LOST_AFTER_NS: u64 = 1_000_000_000;
/// How often lost ones are looked for.
const LOOK_EVERY_NS: u64 = 100_000_000;

/// What a measurement saw between its beginning and its end.
#[derive(Default)]
pub struct Tally {
    pub answered: u64,
    pub wrong: u64,
    pub lost: u64,
    /// Answers that nobody waited for (any more).
    pub late: u64,
    pub octets: u64,
}

/// What was running when the measurement began.
pub struct Begun {
    at_ns: u64,
    server_ns: u64,
    threads_ns: u64,
    own_ns: u64,
}

/// Whose processor time is taken.
pub struct Watched {
    processes: Processes,
    threads: String,
}

impl Watched {
    /// Those of `--pid`, and apart the threads of it that `--threads` begins the names of.
    pub fn of(arguments: &Arguments) -> Self {
        Self {
            processes: Processes::below(arguments.number("pid", 0)),
            threads: arguments.text("threads").to_string(),
        }
    }

    fn threads_ns(&self) -> u64 {
        if self.threads.is_empty() {
            0
        } else {
            self.processes.run_ns(&self.threads)
        }
    }

    /// The beginning.
    pub fn begin(&self) -> Begun {
        Begun {
            server_ns: self.processes.run_ns(""),
            threads_ns: self.threads_ns(),
            own_ns: own_run_ns(),
            at_ns: monotonic_ns(),
        }
    }

    /// The end: all figures as fields.
    pub fn end(&self, begun: &Begun, tally: &Tally, times: &Histogram) -> Json {
        let took_ns = (monotonic_ns() - begun.at_ns) as f64;
        let used_ns = self.processes.run_ns("").saturating_sub(begun.server_ns) as f64;
        let by_threads_ns = self.threads_ns().saturating_sub(begun.threads_ns) as f64;
        let own_ns = (own_run_ns() - begun.own_ns) as f64;
        let answered = tally.answered.max(1) as f64;
        let json = Json::begin()
            .number("qps", tally.answered as f64 * 1e9 / took_ns)
            .number("cpu_us", used_ns / 1000.0 / answered)
            .number("threads_cpu_us", by_threads_ns / 1000.0 / answered)
            .number("server_cores", used_ns / took_ns)
            .number("generator_cores", own_ns / took_ns)
            .count("answered", tally.answered)
            .count("wrong", tally.wrong)
            .count("lost", tally.lost)
            .count("late", tally.late)
            .number("reply_octets", tally.octets as f64 / answered);
        times.write(self.processes.write_memory(json), "reply")
    }
}

/// Takes what has come for a client; says how many.
pub fn hear(
    client: &mut Client,
    inbox: &mut Inbox,
    questions: &Questions,
    judge: Judge,
    tally: &mut Tally,
    times: &mut Histogram,
) -> usize {
    let received = inbox.receive(&client.socket);
    if received == 0 {
        return 0;
    }
    let now_ns = monotonic_ns();
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
    let warm_ns = (arguments.number("warm", 1.0) * 1e9) as u64;
    let measured_ns = (arguments.number("seconds", 3.0) * 1e9) as u64;
    let judge = Judge::of(arguments);
    let questions = crate::questions(arguments);
    let mut clients: Vec<Client> = (0..count.max(1))
        .map(|_| {
            let socket = connect(server);
            segment(&socket, questions.length());
            Client::new(socket, (window / count.max(1)).clamp(1, BATCH))
        })
        .collect();
    let watched = Watched::of(arguments);
    let mut inbox = Inbox::new();
    let (mut tally, mut times) = (Tally::default(), Histogram::new());
    let mut burst = Vec::with_capacity(BATCH * questions.length());
    let mut next = 0;
    let mut begun: Option<Begun> = None;
    let start_ns = monotonic_ns();
    let mut looked_ns = start_ns;
    loop {
        let now_ns = monotonic_ns();
        match &begun {
            None if now_ns - start_ns >= warm_ns => {
                begun = Some(watched.begin());
                (tally, times) = (Tally::default(), Histogram::new());
            }
            Some(begun) if now_ns - begun.at_ns >= measured_ns => {
                return watched.end(begun, &tally, &times);
            }
            _ => {}
        }
        if now_ns - looked_ns > LOOK_EVERY_NS {
            looked_ns = now_ns;
            let lost = clients
                .iter_mut()
                .map(|client| client.give_up_before(now_ns - LOST_AFTER_NS));
            tally.lost += lost.sum::<u64>();
        }
        for client in &mut clients {
            let heard = hear(client, &mut inbox, &questions, judge, &mut tally, &mut times);
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
