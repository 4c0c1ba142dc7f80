//! The view by itself: the ways in which a zone's services can be held (`maps`), and what one change in the largest
//! service costs (`large`; `counts` has it in instructions, which a busy machine does not alter, and wants Valgrind).
//!
//! `cargo bench --bench views -- maps 10000 300000 3000000`, `cargo bench --bench views -- large`,
//! `cargo bench --bench views -- counts`

// A bench measures real time.
#![allow(missing_docs, clippy::disallowed_methods)]

mod support;
mod views {
    pub(crate) mod large;
    pub(crate) mod maps;
}

#[path = "instructions/count.rs"]
mod count;

use views::{large, maps};

const ROUNDS: usize = 101;
/// What the child under Valgrind is called with.
const COUNTED: &str = "--counted";

fn main() {
    let asked: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| word != "--bench")
        .collect();
    let sizes = || {
        asked
            .iter()
            .filter_map(|word| word.parse().ok())
            .collect::<Vec<usize>>()
    };
    match asked.first().map(String::as_str) {
        Some(COUNTED) => large::changes(1, true),
        Some("counts") => match count::count(COUNTED, "large", "measured_change") {
            Some(counts) => counts.iter().for_each(|counted| {
                let thousands = counted.instructions / 1000;
                println!(
                    "{thousands:>6} thousand instructions  {} {}",
                    counted.transport, counted.name
                );
            }),
            None => println!("SKIPPED: valgrind is not there, so no instructions were counted"),
        },
        Some("large") => large::changes(ROUNDS, false),
        Some("maps") => maps::compare(&sizes()),
        _ => {
            maps::compare(&[10_000, 300_000]);
            large::changes(ROUNDS, false);
        }
    }
}

/// The middle of what was measured.
pub(crate) fn median(mut values: Vec<u64>) -> u64 {
    values.sort_unstable();
    values[values.len() / 2]
}
