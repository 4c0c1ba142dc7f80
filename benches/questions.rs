//! What ordinary questions cost in instructions: A, SRV with additionals, NXDOMAIN, at 10,000 and at 100,000 instances,
//! from the octets of the question to those of the reply. A count does not hear what else the machine does, so two
//! builds can be compared on a busy one; cache misses are not in it, which `answer.rs` has.
//!
//! `cargo bench --bench questions`; it says SKIPPED where there is no Valgrind.

#![allow(missing_docs)]

mod support;

#[path = "instructions/count.rs"]
mod count;

use std::hint::black_box;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};

use callsign::answer::{Asked, Outcome, Scratch, Transport, answer};
use callsign::view::Snapshot;

/// What the parent calls the child with.
const COUNTED: &str = "--counted";
/// Questions of one count: names are drawn from the whole catalog.
const QUESTIONS: u64 = 5000;
const INSTANCES: [usize; 2] = [10_000, 100_000];

fn main() {
    if std::env::args().any(|argument| argument == COUNTED) {
        return ask_all();
    }
    let Some(counts) = count::count(COUNTED, "questions", "measured_questions") else {
        println!(
            "SKIPPED: valgrind is not there, so no instructions were counted; scripts/setup installs it"
        );
        return;
    };
    assert!(!counts.is_empty(), "nothing was counted");
    for counted in counts {
        println!(
            "{:>8} instructions  {}  {}",
            counted.instructions / QUESTIONS,
            counted.transport,
            counted.name
        );
    }
}

/// In the child: says before each count what it is.
fn ask_all() {
    for instances in INSTANCES {
        let services = instances / 3;
        let snapshot = Snapshot::of(support::catalog(services));
        let mut scratch = Scratch::seeded(1);
        let mut random = fastrand::Rng::with_seed(1);
        for (label, qtype, kind, expected) in [
            ("service", 1, "A", (0, 3)),
            ("service", 33, "SRV", (0, 3)),
            ("absent", 1, "NXDOMAIN", (3, 0)),
        ] {
            let questions: Vec<Vec<u8>> = (0..QUESTIONS)
                .map(|_| {
                    let number = random.usize(..services);
                    support::query(&format!("{label}-{number}.{}", support::ZONE), qtype)
                })
                .collect();
            // Once unseen, so that what is made when it is first needed is not the first count's.
            assert_eq!(ask(&snapshot, &questions, &mut scratch, expected), QUESTIONS);
            println!("udp {kind}, {instances} instances");
            std::io::stdout().flush().expect("write to standard output");
            black_box(measured_questions(&snapshot, &questions, &mut scratch, expected));
        }
    }
}

/// What is counted. It ends with something of its own: a function that ends by jumping into another is not seen to end.
#[inline(never)]
fn measured_questions(
    snapshot: &Snapshot,
    questions: &[Vec<u8>],
    scratch: &mut Scratch,
    expected: (u8, u8),
) -> u64 {
    black_box(ask(snapshot, questions, scratch, expected))
}

/// How many are answered as they should be.
#[inline(never)]
fn ask(snapshot: &Snapshot, questions: &[Vec<u8>], scratch: &mut Scratch, expected: (u8, u8)) -> u64 {
    let asked = Asked {
        client: IpAddr::V4(Ipv4Addr::LOCALHOST),
        transport: Transport::Udp,
        udp_payload_max: 1232,
    };
    let mut out = [0; 1232];
    let mut right = 0;
    for question in questions {
        let outcome = answer(snapshot, question, &asked, scratch, &mut out);
        right += u64::from(matches!(outcome, Outcome::Reply(_)) && (out[3] & 15, out[7]) == expected);
    }
    right
}
