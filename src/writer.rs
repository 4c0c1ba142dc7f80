//! The only mutator.

use std::sync::Arc;

use crate::catalog::{Effect, Operation, Rejection};
use crate::view::Snapshot;

/// Operations that are made together or not at all.
#[derive(Debug)]
pub struct Request {
    /// In order. One is the usual case.
    pub operations: Vec<Operation>,
    /// Who asks: a token's name and an address, or a part of the server.
    pub actor: Arc<str>,
}

/// What came of a request; it is on disk, and published.
#[derive(Debug)]
pub struct Done {
    /// One for each operation.
    pub effects: Vec<Effect>,
    /// The catalog's index after each operation.
    pub indexes: Vec<u64>,
    /// What is published with it.
    pub snapshot: Arc<Snapshot>,
}

/// Why a request was not done.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// One of its operations was refused: which, and why.
    #[error("{rejection}")]
    Rejected {
        /// Its place.
        at: usize,
        /// Why.
        rejection: Rejection,
    },
    /// The queue is full, or another process holds a lock: try again. 503 with Retry-After.
    #[error("{0}")]
    Busy(String),
    /// The disk is full: 507.
    #[error("the disk is full")]
    DiskFull,
    /// The store failed; a restart is needed: 503.
    #[error("{0}")]
    ReadOnly(String),
    /// The server stops: 503.
    #[error("the server is stopping")]
    Stopping,
}

/// The door to the writer's queue. Clones share it.
#[derive(Clone, Debug)]
pub struct Writer {}

impl Writer {
    /// Hands `request` to the writer and waits until it is on disk and published.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn submit(&self, request: Request) -> Result<Done, Refusal> {
        let _ = request;
        Err(Refusal::Stopping)
    }

    /// Why writes are refused, if they are.
    pub fn trouble(&self) -> Option<Refusal> {
        None
    }
}
