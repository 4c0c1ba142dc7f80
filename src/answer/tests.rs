//! Questions on the wire, and what comes back: the contract's §2 as claims.
#![allow(clippy::unwrap_used)]

pub(crate) mod wire;

mod allocations;
mod apex;
mod changes;
mod discovery;
mod existence;
mod hostile;
mod hosts;
mod limit;
mod on_empty;
mod order;
mod random;
mod ready;
mod reverse;
mod statics;
mod statics_aliases;
mod statics_random;
mod statics_sizes;
mod table;
mod truncation;
