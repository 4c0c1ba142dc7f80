//! The frame of every measurement: a while to warm up, then what is measured, and the processor time it took.

use crate::arguments::{Arguments, Json};
use crate::histogram::Histogram;
use crate::process::{Processes, own_run_ns};
use crate::socket::monotonic_ns;

/// What a measurement saw between its beginning and its end.
#[derive(Default)]
pub struct Tally {
    /// Questions, or operations: a request of many counts as many.
    pub answered: u64,
    pub wrong: u64,
    pub lost: u64,
    /// Answers that nobody waited for (any more).
    pub late: u64,
    pub octets: u64,
}

/// What was running when the measurement began.
struct Begun {
    at_ns: u64,
    server_ns: u64,
    threads_ns: u64,
    own_ns: u64,
    written_octets: u64,
}

/// Counts and times, begun anew once everything is warm.
pub struct Measurement {
    pub tally: Tally,
    /// Of each request.
    pub times: Histogram,
    /// Times that this program itself was late, where it keeps a schedule.
    pub held_up: u64,
    watched: Processes,
    threads: String,
    start_ns: u64,
    warm_ns: u64,
    measured_ns: u64,
    begun: Option<Begun>,
}

impl Measurement {
    /// Of `--seconds` after `--warm`, in seconds, with these defaults; of the processes of `--pid`, and apart of their threads
    /// that `--threads` begins the names of.
    pub fn start(arguments: &Arguments, warm: f64, seconds: f64) -> Self {
        let ns = |name, default| (arguments.number(name, default) * 1e9) as u64;
        Self {
            tally: Tally::default(),
            times: Histogram::new(),
            held_up: 0,
            watched: Processes::below(arguments.number("pid", 0)),
            threads: arguments.text("threads").to_string(),
            start_ns: monotonic_ns(),
            warm_ns: ns("warm", warm),
            measured_ns: ns("seconds", seconds),
            begun: None,
        }
    }

    /// Whether it is over at `now_ns`. Asked at every turn: it begins the counts when the warm-up ends.
    pub fn is_over(&mut self, now_ns: u64) -> bool {
        match &self.begun {
            None if now_ns - self.start_ns >= self.warm_ns => {
                (self.tally, self.times, self.held_up) = (Tally::default(), Histogram::new(), 0);
                self.begun = Some(Begun {
                    server_ns: self.watched.run_ns(""),
                    threads_ns: self.threads_ns(),
                    own_ns: own_run_ns(),
                    written_octets: self.watched.written_octets(),
                    at_ns: monotonic_ns(),
                });
                false
            }
            None => false,
            Some(begun) => now_ns.saturating_sub(begun.at_ns) >= self.measured_ns,
        }
    }

    fn threads_ns(&self) -> u64 {
        if self.threads.is_empty() {
            0
        } else {
            self.watched.run_ns(&self.threads)
        }
    }

    /// All figures as fields.
    pub fn end(&self) -> Json {
        let begun = self.begun.as_ref().expect("it is over, so it began");
        let took_ns = (monotonic_ns() - begun.at_ns) as f64;
        let used_ns = self.watched.run_ns("").saturating_sub(begun.server_ns) as f64;
        let by_threads_ns = self.threads_ns().saturating_sub(begun.threads_ns) as f64;
        let own_ns = (own_run_ns() - begun.own_ns) as f64;
        let written_octets = self.watched.written_octets() - begun.written_octets;
        let tally = &self.tally;
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
            .number("reply_octets", tally.octets as f64 / answered)
            .count("written_octets", written_octets);
        self.times.write(self.watched.write_memory(json), "reply")
    }
}
