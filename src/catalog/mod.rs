//! The words of service discovery as types that cannot be wrong, and the pure state machine over them.
//!
//! Nothing here does I/O, reads a clock, draws at random or knows a wire shape: JSON lives in `http`, rows in
//! `store`, DNS messages in `view` and `answer`. `docs/API.md` defines the words; the two that other trades use
//! otherwise: a *zone* is a DNS zone, and the *catalog* is what is registered, not a list of zones (RFC 9432).

mod apply;
mod beside;
mod change;
pub mod contents;
pub mod discovery;
mod extras;
mod few;
mod health;
mod instance;
pub mod limits;
pub(crate) mod name;
pub(crate) mod ordered;
pub mod reverse;
pub mod selection;
mod service;
mod services;
mod settings;
mod state;
mod zone;

pub use change::{Change, Due, Effect, Image, InstanceKey, Kind, Operation, Precondition, Record, Rejection};
pub use extras::InstanceExtras;
pub use few::{Few, Seldom};
pub use health::{Output, OutputTooLong, Status, Verdict};
pub use instance::{
    AddressError, Drain, Instance, Lease, LeaseError, MetaError, MetaKey, MetaValue, Port, Protocol,
    Registration, Tag, TagError, deregister_after_default, parse_address,
};
pub use name::{InstanceId, NameError, PortName, ServiceName, TagLabel, ZoneName};
pub use service::{KnownName, Lingering, Service, ServiceExtras, names_borne_by};
pub use services::{Iter as ServicesIter, Services};
pub use settings::{Base, Delay, OnEmpty, ServiceSettings, Ttl, ZoneSettings};
pub use state::State;
pub use zone::{MAILBOX_LABEL, NAME_SERVER_LABEL, Zone};

#[cfg(test)]
pub(crate) mod tests;
