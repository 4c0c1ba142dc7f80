//! How a command fails: what is said, and the exit code.

use std::io;

use crate::store::{CopyError, OpenError};

/// What a command comes to.
pub(super) type Done<T = ()> = Result<T, Failure>;

/// Why a command was not done.
#[derive(Debug)]
pub(super) enum Failure {
    /// The request failed: 1.
    Request(anyhow::Error),
    /// A check found errors, which it has printed: 1.
    Found,
    /// Usage or configuration: 2.
    Usage(anyhow::Error),
    /// Storage: 3.
    Storage(anyhow::Error),
    /// The data directory is in use: 4.
    InUse(anyhow::Error),
    /// Nobody reads standard output any more, as after `| head`: as if all was said.
    Unread,
}

impl Failure {
    pub(super) fn request(message: impl Into<String>) -> Self {
        Self::Request(anyhow::Error::msg(message.into()))
    }

    pub(super) fn usage(message: impl Into<String>) -> Self {
        Self::Usage(anyhow::Error::msg(message.into()))
    }

    pub(super) fn storage(message: impl Into<String>) -> Self {
        Self::Storage(anyhow::Error::msg(message.into()))
    }

    pub(super) fn in_use(message: impl Into<String>) -> Self {
        Self::InUse(anyhow::Error::msg(message.into()))
    }

    /// The exit code.
    pub(super) fn code(&self) -> u8 {
        match self {
            Self::Unread => 0,
            Self::Request(_) | Self::Found => 1,
            Self::Usage(_) => 2,
            Self::Storage(_) => 3,
            Self::InUse(_) => 4,
        }
    }

    /// What to tell the person, with its causes, if anything.
    pub(super) fn message(&self) -> Option<String> {
        match self {
            Self::Request(error) | Self::Usage(error) | Self::Storage(error) | Self::InUse(error) => {
                Some(format!("{error:#}"))
            }
            Self::Found | Self::Unread => None,
        }
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::InUse(_) => Self::InUse(anyhow::Error::new(error)),
            OpenError::Unusable(_) => Self::Storage(anyhow::Error::new(error)),
        }
    }
}

impl From<CopyError> for Failure {
    fn from(error: CopyError) -> Self {
        match error {
            CopyError::Usage(message) => Self::usage(message),
            CopyError::Store(error) => error.into(),
        }
    }
}

/// Of [`super::Context::out`] alone: every other error of I/O is given its words where it happens.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::Unread;
        }
        Self::Request(anyhow::Error::new(error).context("standard output cannot be written"))
    }
}
