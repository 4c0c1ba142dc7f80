//! What the catalog does to each change, as claims.
#![allow(clippy::unwrap_used)]

pub(crate) mod fixture;
pub(crate) mod oracle;
pub(crate) mod random;
pub(crate) mod static_oracle;
pub(crate) mod static_records;
pub(crate) mod zone_file_random;

mod conflicts;
mod lifetimes;
mod lingering;
mod preconditions;
mod registration;
mod serials;
mod zone_file_conflicts;
mod zone_files;
