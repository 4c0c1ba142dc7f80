//! The one test binary: a file for each area in `it/`, and what they share in `support/`.

// Tests panic on purpose, and they measure the real time of a real program.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, missing_docs)]

mod support;

#[path = "it/house.rs"]
mod house;
#[path = "it/http_instances.rs"]
mod http_instances;
