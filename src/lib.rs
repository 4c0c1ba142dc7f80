//! Callsign: an authoritative DNS server for service discovery.
//!
//! `docs/ARCHITECTURE.md` is the map; the modules below stand in its order, and each uses only those above it.

pub mod clock;
pub mod metrics;

pub mod catalog;

pub mod auth;
pub mod feed;
pub mod lease;
pub mod store;
pub mod view;

pub mod answer;
pub mod writer;

pub mod dns;
pub mod expiry;
pub mod http;
pub mod zonefile;

pub mod config;

pub mod server;

pub mod cli;
