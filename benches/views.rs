//! The view by itself: what one change in the largest service costs (`large`).
//!
//! `cargo bench --bench views [-- large]`

#![allow(missing_docs)]

mod support;
mod views {
    pub(crate) mod large;
}

pub(crate) use views::large;

fn main() {
    let asked = |name: &str| std::env::args().all(|argument| argument.starts_with("--") || argument != name);
    let all = std::env::args().skip(1).all(|argument| argument.starts_with("--"));
    if all || !asked("large") {
        large::changes(if std::env::args().any(|argument| argument == "--once") { 1 } else { 101 });
    }
}

/// The middle of what was measured.
pub(crate) fn median(mut values: Vec<u64>) -> u64 {
    values.sort_unstable();
    values[values.len() / 2]
}
