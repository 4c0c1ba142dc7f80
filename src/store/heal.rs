//! What was refused and may pass: a full disk, another process's lock. Whether it did is asked without a change to write.

use std::time::Duration;

use rusqlite::TransactionBehavior;

use crate::metrics::Trouble;

use super::{CommitError, Store, open};

/// How long a commit waits for another process's lock after one waited [`open::BUSY_TIMEOUT`] in vain.
const BUSY_AGAIN_TIMEOUT: Duration = Duration::from_millis(100);

impl Store {
    /// Whether the disk was found full, and nothing since says otherwise.
    pub const fn is_full(&self) -> bool {
        self.is_full
    }

    /// After a commit that was refused and may be so no more: whether one that adds would succeed now. It waits for no
    /// lock.
    ///
    /// # Errors
    /// Why it would not.
    pub fn probe(&mut self) -> Result<(), CommitError> {
        let probed = self.try_probe();
        self.note(probed.as_ref().err());
        probed
    }

    fn try_probe(&mut self) -> Result<(), CommitError> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        if self.is_full && !self.reserve.has_room() {
            return Err(self.full());
        }
        // The longest wait was had by who met the lock first.
        self.waits_for_locks(false);
        self.commit_nothing().map_err(|error| self.refuse(error.into()))?;
        self.waits_for_locks(true);
        self.is_full = false;
        Ok(())
    }

    /// Writes a row as it is, and syncs it.
    fn commit_nothing(&mut self) -> Result<(), rusqlite::Error> {
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute("UPDATE catalog SET number = number", [])?;
        transaction.commit()
    }

    pub(super) fn full(&mut self) -> CommitError {
        self.is_full = true;
        CommitError::Full {
            leaving_works: self.reserve.is_kept(),
        }
    }

    pub(super) fn note(&self, error: Option<&CommitError>) {
        let trouble = match error {
            None if self.is_full => Some(Trouble::Full),
            None => None,
            Some(CommitError::Full { .. }) => Some(Trouble::Full),
            Some(CommitError::Busy) => Some(Trouble::Locked),
            Some(CommitError::Failed(_)) => Some(Trouble::Failed),
            Some(CommitError::Older(_)) => Some(Trouble::Older),
        };
        self.counts.note(trouble, error.is_some());
        self.counts.set_kept_octets(self.reserve.octets());
    }

    /// Whether a statement waits until another process lets go of its lock, or is refused soon. A writer that waited in
    /// vain once must not let each of those who queue behind wait again, one after the other.
    pub(super) fn waits_for_locks(&mut self, waits: bool) {
        let timeout = if waits {
            open::BUSY_TIMEOUT
        } else {
            BUSY_AGAIN_TIMEOUT
        };
        if self.is_locked == waits && self.connection.busy_timeout(timeout).is_ok() {
            self.is_locked = !waits;
        }
    }
}
