//! The one test binary: a file for each area in `it/`, and what they share in `support/`.

// Tests panic on purpose, and they measure the real time of a real program.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, missing_docs)]

mod support;

#[path = "it/house.rs"]
mod house;

#[path = "it/dns_names.rs"]
mod dns_names;
#[path = "it/wire.rs"]
mod wire;
#[path = "it/dns_sizes.rs"]
mod dns_sizes;
#[path = "it/dns_gate.rs"]
mod dns_gate;
#[path = "it/dns_dig.rs"]
mod dns_dig;
#[path = "it/dns_transport.rs"]
mod dns_transport;
#[path = "it/crash.rs"]
mod crash;
#[path = "it/rebuild.rs"]
mod rebuild;
#[path = "it/hostile_files.rs"]
mod hostile_files;
#[path = "it/cli_serve.rs"]
mod cli_serve;
#[path = "it/cli_client.rs"]
mod cli_client;
#[path = "it/docs.rs"]
mod docs;
#[path = "it/leases.rs"]
mod leases;
#[path = "it/trouble.rs"]
mod trouble;
