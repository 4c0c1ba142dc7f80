//! Health: named verdicts, and the worst of them.

use std::fmt;

use crate::clock::Timestamp;

use super::limits::OUTPUT_OCTETS_MAX;

/// How well an instance or a port is, the best first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// Well.
    #[default]
    Passing,
    /// Answered, but somebody should look.
    Warning,
    /// Not answered.
    Critical,
}

impl Status {
    /// `passing`, `warning` or `critical`.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Passing, Self::Warning, Self::Critical]
            .into_iter()
            .find(|status| status.as_str() == text)
    }

    /// The word of the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Passing => "passing",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a checker said with its verdict: at most [`OUTPUT_OCTETS_MAX`] octets, whatever text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output(Box<str>);

/// An output longer than [`OUTPUT_OCTETS_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("has {0} octets, at most {OUTPUT_OCTETS_MAX} are allowed")]
pub struct OutputTooLong(usize);

impl Output {
    /// Checks the length. Empty text is no output.
    pub fn parse(text: &str) -> Result<Option<Self>, OutputTooLong> {
        match text.len() {
            0 => Ok(None),
            octets if octets > OUTPUT_OCTETS_MAX => Err(OutputTooLong(octets)),
            _ => Ok(Some(Self(text.into()))),
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One verdict on an instance or one of its ports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// How well.
    pub status: Status,
    /// What the checker said.
    pub output: Option<Output>,
    /// Since when the status has been this one.
    pub since: Timestamp,
}

impl Verdict {
    /// That of an instance about which nobody has said anything: passing since its registration.
    pub const fn silent(since: Timestamp) -> Self {
        Self {
            status: Status::Passing,
            output: None,
            since,
        }
    }

    /// This verdict after a new report: `since` moves only if the status does.
    pub fn reported(&self, status: Status, output: Option<Output>, now: Timestamp) -> Self {
        Self {
            status,
            output,
            since: if status == self.status { self.since } else { now },
        }
    }
}
