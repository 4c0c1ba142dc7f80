//! What the catalog does to each change, as claims.
#![allow(clippy::unwrap_used)]

pub(crate) mod fixture;
pub(crate) mod oracle;
pub(crate) mod random;

mod conflicts;
mod lifetimes;
mod lingering;
mod preconditions;
mod registration;
mod serials;
