//! The HTTP API: JSON shapes to changes and back (`docs/API.md`), and the probes of an orchestrator.
//!
//! A request passes the gate ([`crate::auth`]), its body is read whole within bounds, its text becomes the types of
//! [`crate::catalog`], and a change of it goes to the [`crate::writer`]; a read looks at one snapshot. No handler
//! blocks, holds a lock across an await or touches the disk, and nothing a client sends can end the server: what is
//! wrong with a request is a [problem](https://www.rfc-editor.org/rfc/rfc9457) with a stable code.
//!
//! HTTP/1.1 (RFC 9112) and HTTP/2 without TLS (RFC 9113 §3.3).

mod batch;
mod body;
mod call;
mod changes;
mod conditional;
mod connection;
mod duration;
mod fields;
mod follow;
mod front;
mod guard;
mod heartbeats;
mod instances;
mod json;
mod metrics;
mod openapi;
mod past;
mod problem;
mod query;
mod read_instance;
mod read_registration;
mod read_settings;
mod ready;
mod reply;
mod router;
mod sending;
mod serve;
mod services;
mod socket;
#[cfg(test)]
mod tests;
mod wait;
mod watch;
mod write_change;
mod write_instance;
mod write_json;
mod write_service;
mod zones;

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use crate::auth::Gate;
use crate::catalog::ZoneName;
use crate::clock::Clock;
use crate::feed::Feed;
use crate::lease::Deadlines;
use crate::metrics::Metrics;
use crate::store::{History, Identity};
use crate::view::Current;
use crate::writer::Writer;

pub use batch::OPERATIONS_MAX;
pub use follow::{FOLLOWER_OCTETS_MAX, FOLLOWERS_MAX};
pub use heartbeats::HEARTBEATS_MAX;
pub use ready::Readiness;
pub use sending::REPLIES_OCTETS_MAX;
pub use serve::{
    BEAT, BODIES_OCTETS_MAX, BODY_OCTETS_MAX, BODY_TIME_MAX, BindError, CONNECTIONS_MAX, HEAD_OCTETS_MAX,
    HEAD_TIME_MAX, HEADERS_MAX, Handle, IDLE_MAX, Limits, STOPPING_MAX, STREAMS_MAX, UNREAD_MAX,
};

use follow::Places;
use front::Front;
use past::Past;
use router::Api;
use watch::{Hub, Turns};

/// What is configured.
#[derive(Clone, Debug)]
pub struct Config {
    /// `--http`; port 0 picks a free one.
    pub listen: SocketAddr,
    /// Bounds.
    pub limits: Limits,
}

impl Config {
    /// To listen at `listen`, with the usual bounds.
    pub fn at(listen: SocketAddr) -> Self {
        Self {
            listen,
            limits: Limits::default(),
        }
    }
}

/// What the API works with.
#[derive(Clone, Debug)]
pub struct Deps {
    /// What is read.
    pub current: Arc<Current>,
    /// What changes it.
    pub writer: Writer,
    /// What the writer committed.
    pub feed: Arc<Feed>,
    /// What it committed before.
    pub history: Arc<History>,
    /// Leases: renewed here without the writer.
    pub deadlines: Arc<Deadlines>,
    /// Time.
    pub clock: Clock,
    /// Who may ask.
    pub gate: Arc<Gate>,
    /// Whose catalog it is.
    pub identity: Identity,
    /// The catalog lacks what was acknowledged: what is said of that, by all of `/v1`.
    pub older: Option<String>,
    /// The zone of `/v1/services`: the first `--zone`.
    pub default_zone: ZoneName,
    /// What `/readyz` says of DNS.
    pub readiness: Arc<Readiness>,
    /// What `/metrics` shows.
    pub metrics: Arc<Metrics>,
}

/// Listens and serves. It must be called within a runtime.
///
/// # Errors
/// [`BindError`].
pub fn start(config: Config, deps: Deps) -> Result<Handle, BindError> {
    let clock = deps.clock.clone();
    let front = front(deps, config.limits.clone());
    serve::listen(config.listen, front, clock, config.limits)
}

fn front(deps: Deps, limits: Limits) -> Front {
    let api = Arc::new(Api {
        current: deps.current,
        writer: deps.writer,
        deadlines: deps.deadlines,
        clock: deps.clock,
        default_zone: deps.default_zone,
        readiness: deps.readiness,
        epoch: deps.identity.epoch,
        hub: Arc::new(Hub::new(deps.feed)),
        past: Past::new(deps.history),
        places: Places::new(limits.followers_max, deps.metrics.followers.clone()),
        turns: Turns::new(),
        beat: limits.beat,
        metrics: deps.metrics,
        asks_for_tokens: deps.gate.asks_for_tokens(),
        openapi: OnceLock::new(),
    });
    Front::new(api, deps.gate, deps.identity.epoch, limits, deps.older)
}
