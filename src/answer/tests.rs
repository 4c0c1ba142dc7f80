//! Questions on the wire, and what comes back: the contract's §2 as claims.
#![allow(clippy::unwrap_used)]

mod wire;

mod limit;
mod order;
mod random;
mod table;
