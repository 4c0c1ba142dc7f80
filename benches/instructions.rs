//! What the worst inputs cost: none takes more than 1 ms of processor time over UDP, or 5 ms over TCP.
//!
//! Instructions are counted, not time: on a busy machine a count is the same as on an idle one. Valgrind counts them,
//! so no counters of the processor are needed. A count becomes time by [`INSTRUCTIONS_PER_MS`]. What the kernel does
//! to receive and send is not in it.
//!
//! `cargo bench --bench instructions`; it fails where a bound is broken, and says SKIPPED where there is no Valgrind.

#![allow(missing_docs)]

mod instructions {
    pub(crate) mod catalog;
    pub(crate) mod count;
    pub(crate) mod inputs;
    pub(crate) mod serve;
}

use instructions::count::{Counted, count};
use instructions::{inputs, serve};

/// A pessimistic processor: at 3 GHz it retires two instructions in three cycles. This code retires two or more in
/// one, and its worst cases, which walk large answers in memory, still about one.
const INSTRUCTIONS_PER_MS: u64 = 2_000_000;
/// One message over UDP: 1 ms.
const UDP_INSTRUCTIONS_MAX: u64 = INSTRUCTIONS_PER_MS;
/// One message over TCP: 5 ms.
const TCP_INSTRUCTIONS_MAX: u64 = 5 * INSTRUCTIONS_PER_MS;

/// What the parent calls the child with.
const COUNTED: &str = "--counted";

fn main() {
    if std::env::args().any(|argument| argument == COUNTED) {
        serve::all(&inputs::all());
        return;
    }
    let Some(counts) = count(COUNTED, "serve", "measured_answer") else {
        println!(
            "SKIPPED: valgrind is not there, so no instructions were counted; scripts/setup installs it"
        );
        return;
    };
    if !hold(&counts) {
        std::process::exit(1);
    }
}

/// Prints every count, the dearest first, and says whether all are within their bounds.
fn hold(counts: &[Counted]) -> bool {
    let bound = |counted: &Counted| match counted.transport.as_str() {
        "udp" => UDP_INSTRUCTIONS_MAX,
        _ => TCP_INSTRUCTIONS_MAX,
    };
    let mut dearest: Vec<&Counted> = counts.iter().collect();
    dearest.sort_by_key(|counted| std::cmp::Reverse(counted.instructions * 1000 / bound(counted)));
    let mut is_held = true;
    for counted in dearest {
        let over = counted.instructions > bound(counted);
        is_held &= !over;
        println!(
            "{:>12} instructions  {:>5.2} ms  {}  {}{}",
            counted.instructions,
            counted.instructions as f64 / INSTRUCTIONS_PER_MS as f64,
            counted.transport,
            counted.name,
            if over { "  PAST ITS BOUND" } else { "" }
        );
    }
    let missing = inputs::all().len() - counts.len();
    if missing > 0 {
        println!("{missing} inputs were not counted");
    }
    is_held && missing == 0
}
