//! One answer in nanoseconds, at 10,000 and at 1,000,000 instances: A, SRV with additionals, NXDOMAIN; one after the
//! other, and in batches of 64 as UDP workers take them, which look ahead. Names are drawn at random from the whole
//! catalog, so that the caches do not flatter it.
//!
//! `cargo bench --bench answer`. `cargo bench --bench answer -- counts` counts instructions instead, which a busy machine
//! does not alter; it wants Valgrind.

#![allow(missing_docs)]

mod support;

#[path = "instructions/count.rs"]
mod count;

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};

use callsign::answer::{Asked, Outcome, Scratch, Transport, answer, look_ahead};
use callsign::view::Snapshot;
use criterion::Criterion;

const QUESTIONS: usize = 65_536;
const BATCH: usize = 64;
/// Name, type, response code and answers of each kind of question.
const KINDS: [(&str, u16, u8, u8); 3] = [("service", 1, 0, 3), ("service", 33, 0, 3), ("absent", 1, 3, 0)];
/// What the child under Valgrind is called with, and how many of a kind it asks.
const COUNTED: &str = "--counted";
const COUNTED_QUESTIONS: usize = 8192;

/// Who asks, and what they work with.
struct Desk<'s> {
    snapshot: &'s Snapshot,
    asked: Asked,
    scratch: Scratch,
    out: Vec<u8>,
}

impl<'s> Desk<'s> {
    fn new(snapshot: &'s Snapshot) -> Self {
        Self {
            snapshot,
            asked: Asked {
                client: IpAddr::V4(Ipv4Addr::LOCALHOST),
                transport: Transport::Udp,
                udp_payload_max: 1232,
            },
            scratch: Scratch::seeded(1),
            out: vec![0; 65_535],
        }
    }

    #[inline]
    fn ask(&mut self, question: &[u8], rcode: u8, answers: u8) {
        let outcome = answer(
            self.snapshot,
            question,
            &self.asked,
            &mut self.scratch,
            &mut self.out,
        );
        assert!(matches!(outcome, Outcome::Reply(_)));
        // Every answer is looked at: a bench of refusals would be fast, too.
        assert_eq!((self.out[3] & 15, self.out[7]), (rcode, answers));
        black_box(&self.out);
    }
}

fn questions(services: usize, name: &str, qtype: u16, count: usize) -> Vec<Vec<u8>> {
    let mut random = fastrand::Rng::with_seed(1);
    let zone = support::ZONE;
    let names = (0..count).map(|_| format!("{name}-{}.{zone}", random.usize(..services)));
    names.map(|name| support::query(&name, qtype)).collect()
}

fn answers(criterion: &mut Criterion) {
    for instances in [10_000, 1_000_000] {
        let services = instances / 3;
        let before = support::resident_octets();
        let snapshot = Snapshot::of(support::catalog(services));
        let octets = support::resident_octets() - before;
        eprintln!(
            "{instances} instances: {} MiB resident for catalog and view",
            octets >> 20
        );
        for (name, qtype, rcode, answers) in KINDS {
            let questions = questions(services, name, qtype, QUESTIONS);
            let mut desk = Desk::new(&snapshot);
            let mut at = 0;
            criterion.bench_function(&format!("{instances}/{name}/{qtype}"), |bencher| {
                bencher.iter(|| {
                    at = (at + 1) % QUESTIONS;
                    desk.ask(&questions[at], rcode, answers);
                });
            });
            criterion.bench_function(&format!("{instances}/{name}/{qtype}/64 of them"), |bencher| {
                bencher.iter(|| {
                    at = (at + BATCH) % QUESTIONS;
                    let batch = &questions[at / BATCH * BATCH..][..BATCH];
                    look_ahead(&snapshot, batch.iter().map(|question| &question[..]));
                    for question in batch {
                        desk.ask(question, rcode, answers);
                    }
                });
            });
        }
    }
}

/// What Callgrind counts.
#[inline(never)]
fn measured_questions(desk: &mut Desk<'_>, questions: &[Vec<u8>], (rcode, answers): (u8, u8)) {
    for batch in questions.chunks(BATCH) {
        look_ahead(desk.snapshot, batch.iter().map(|question| &question[..]));
        for question in batch {
            desk.ask(question, rcode, answers);
        }
    }
}

/// Asks each kind in batches, at both sides of the size from which batches look ahead.
fn ask_counted() {
    for services in [3333, 33_333] {
        let snapshot = Snapshot::of(support::catalog(services));
        for (name, qtype, rcode, answers) in KINDS {
            let questions = questions(services, name, qtype, COUNTED_QUESTIONS);
            let mut desk = Desk::new(&snapshot);
            println!("{services} {name}/{qtype}");
            measured_questions(&mut desk, black_box(&questions), (rcode, answers));
        }
    }
}

fn main() {
    let is_asked = |word: &str| std::env::args().any(|argument| argument == word);
    if is_asked(COUNTED) {
        ask_counted();
    } else if is_asked("counts") {
        match count::count(COUNTED, "answer", "measured_questions") {
            Some(counts) => counts.iter().for_each(|counted| {
                let each = counted.instructions / COUNTED_QUESTIONS as u64;
                println!(
                    "{each:>6} instructions  {} services  {}",
                    counted.transport, counted.name
                );
            }),
            None => println!("SKIPPED: valgrind is not there, so no instructions were counted"),
        }
    } else {
        let mut criterion = Criterion::default().configure_from_args();
        answers(&mut criterion);
        criterion.final_summary();
    }
}
