//! What is wrong with a zone file, or odd about it.

use std::fmt;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The file cannot be used.
    Error,
    /// It can; what the message names may not be what was meant.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

/// One thing that is wrong or odd.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The line of the record, counted from 1; 0 for the file as a whole.
    pub line: u32,
    /// How bad.
    pub severity: Severity,
    /// What, and what to do.
    pub message: String,
}

/// At most so many findings are kept; one line more says that there are others.
pub const FINDINGS_MAX: usize = 100;

/// What was found so far, in the order it was.
#[derive(Debug, Default)]
pub(super) struct Findings {
    kept: Vec<Finding>,
    pub(super) errors: usize,
    left_out: usize,
}

impl Findings {
    pub(super) fn add(&mut self, severity: Severity, line: u32, message: String) {
        self.errors += usize::from(severity == Severity::Error);
        if self.kept.len() < FINDINGS_MAX {
            self.kept.push(Finding {
                line,
                severity,
                message,
            });
        } else {
            self.left_out += 1;
        }
    }

    pub(super) fn error(&mut self, line: u32, message: impl Into<String>) {
        self.add(Severity::Error, line, message.into());
    }

    pub(super) fn warn(&mut self, line: u32, message: impl Into<String>) {
        self.add(Severity::Warning, line, message.into());
    }

    pub(super) fn in_order(mut self) -> Vec<Finding> {
        self.kept.sort();
        if self.left_out > 0 {
            let severity = if self.kept.iter().any(|f| f.severity == Severity::Error) || self.errors == 0 {
                Severity::Warning
            } else {
                Severity::Error
            };
            self.kept.push(Finding {
                line: 0,
                severity,
                message: format!("{} more findings are not shown", self.left_out),
            });
        }
        self.kept
    }
}
