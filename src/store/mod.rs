//! Durable truth.

use std::path::Path;
use std::sync::Arc;

use crate::catalog::{Record, State};

/// Who this catalog and this server are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The catalog's epoch: new after a restore from backup.
    pub epoch: uuid::Uuid,
    /// This server's own id, made at its first start; the origin of its changes.
    pub origin: uuid::Uuid,
}

/// A committed change with who made it.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The change.
    pub record: Record,
    /// Who: a token's name and an address, or a part of the server.
    pub actor: Arc<str>,
}

/// What one transaction writes: the difference of two states, and a log entry for each change between them.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// The state that is on disk.
    pub before: &'a State,
    /// The state to be on disk.
    pub after: &'a State,
    /// What led from one to the other, in order of index.
    pub entries: &'a [Entry],
}

/// Why a commit did not happen. The state on disk is the one before, unless it says otherwise.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// No room.
    #[error("the disk is full")]
    Full,
    /// Another process holds a lock on the data base.
    #[error("another process holds a lock on the data base")]
    Busy,
    /// Anything else: what is on disk is not known, and nothing may be acknowledged any more.
    #[error("writing failed: {0}")]
    Failed(String),
}

/// Why the store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process serves from this data directory.
    #[error("{0}")]
    InUse(String),
    /// It is damaged, newer than this program, or cannot be read; the message says what to do.
    #[error("{0}")]
    Unusable(String),
}

/// What opening gives.
#[derive(Debug)]
pub struct Opened {
    /// The store, for the one writer.
    pub store: Store,
    /// The catalog as it is on disk.
    pub state: State,
    /// Whose it is.
    pub identity: Identity,
}

/// The one writing connection, and the lock on the data directory.
#[derive(Debug)]
pub struct Store {}

impl Store {
    /// Opens the catalog in `dir`, made if it is missing.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(dir: &Path) -> Result<Opened, OpenError> {
        let _ = dir;
        Err(OpenError::Unusable("not written yet".into()))
    }

    /// Writes a batch in one transaction; when this returns it is on disk.
    ///
    /// # Errors
    /// [`CommitError`]; nothing of the batch is then in the catalog.
    pub fn apply(&mut self, batch: &Batch<'_>) -> Result<(), CommitError> {
        let _ = batch;
        Err(CommitError::Busy)
    }

    /// Writes everything back into the main file.
    ///
    /// # Errors
    /// What SQLite said.
    pub fn close(self) -> Result<(), CommitError> {
        Ok(())
    }
}
