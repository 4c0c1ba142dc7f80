//! Wiring, start and stop order.

use crate::config::Config;

/// Why a server did not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It was asked for what cannot be, e.g. an address that cannot be bound.
    #[error("{0}")]
    Usage(String),
    /// The catalog cannot be opened or written.
    #[error("{0}")]
    Storage(String),
    /// Another server uses the data directory.
    #[error("{0}")]
    InUse(String),
}

/// Serves until the process is told to stop.
///
/// # Errors
/// [`Error`].
pub async fn run(config: Config) -> Result<(), Error> {
    Err(Error::Storage(format!(
        "serving from {} is not written yet",
        config.data_dir.display()
    )))
}
