//! The change log for handlers: read on threads that may block, few at a time.

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::store::{History, HistoryError};

use super::problem::Problem;

/// Readers of the change log at once; others wait.
const READERS_MAX: usize = 4;

/// The change log.
#[derive(Clone, Debug)]
pub(super) struct Past {
    history: Arc<History>,
    readers: Arc<Semaphore>,
}

impl Past {
    pub(super) fn new(history: Arc<History>) -> Self {
        Self {
            history,
            readers: Arc::new(Semaphore::new(READERS_MAX)),
        }
    }

    /// Does `job`, which reads the log.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        job: impl FnOnce(&History) -> Result<T, HistoryError> + Send + 'static,
    ) -> Result<T, HistoryError> {
        let stopping = |_| HistoryError::Failed("the server is stopping".to_owned());
        let reader = self.readers.clone().acquire_owned().await.map_err(stopping)?;
        let history = self.history.clone();
        let read = tokio::task::spawn_blocking(move || {
            let read = job(&history);
            drop(reader);
            read
        });
        match read.await {
            Ok(read) => read,
            Err(error) => Err(HistoryError::Failed(format!(
                "reading the change log failed: {error}"
            ))),
        }
    }

    /// Who waits for its turn waits no more.
    pub(super) fn close(&self) {
        self.readers.close();
    }
}

/// What it means to a client that the log could not be read from `after` on.
pub(super) fn problem(error: &HistoryError, after: u64) -> Problem {
    match error {
        HistoryError::Gone { oldest } => too_old(after, *oldest),
        HistoryError::Failed(message) => {
            tracing::error!(error = message, "the change log cannot be read");
            Problem::busy("the change log cannot be read now; the server's log says more")
        }
    }
}

/// 410: changes after `after` are not kept any more.
pub(super) fn too_old(after: u64, oldest: u64) -> Problem {
    let detail =
        format!("the changes after {after} are not all kept; the oldest that is has the index {oldest}");
    Problem::gone("too_old", detail, oldest)
}

/// 410: what one wants to go on after is no index of this epoch.
pub(super) fn unknown(after: Option<u64>, index: u64, oldest: u64) -> Problem {
    let what = after.map_or_else(|| "that".to_owned(), |after| format!("{after}"));
    let detail = format!(
        "{what} is no index of this epoch, which is at {index}: it is of a catalog from before a restore, or of another server"
    );
    Problem::gone("unknown_index", detail, oldest)
}
