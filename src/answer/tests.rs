//! Questions on the wire, and what comes back: the contract's §2 as claims.
#![allow(clippy::unwrap_used)]

mod wire;

mod apex;
mod existence;
mod hosts;
mod limit;
mod on_empty;
mod order;
mod random;
mod table;
mod truncation;
