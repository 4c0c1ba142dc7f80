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

/// At most so many errors and as many warnings are kept; one line more says that there are others.
pub const FINDINGS_MAX: usize = 100;

/// What was found so far.
#[derive(Debug, Default)]
pub(super) struct Findings {
    errors: Vec<Finding>,
    warnings: Vec<Finding>,
    left_out: usize,
}

impl Findings {
    pub(super) fn add(&mut self, finding: Finding) {
        let kept = match finding.severity {
            Severity::Error => &mut self.errors,
            Severity::Warning => &mut self.warnings,
        };
        if kept.len() < FINDINGS_MAX {
            kept.push(finding);
        } else {
            self.left_out += 1;
        }
    }

    pub(super) fn error(&mut self, line: u32, message: impl Into<String>) {
        self.add(Finding {
            line,
            severity: Severity::Error,
            message: message.into(),
        });
    }

    pub(super) fn warn(&mut self, line: u32, message: impl Into<String>) {
        self.add(Finding {
            line,
            severity: Severity::Warning,
            message: message.into(),
        });
    }

    pub(super) fn has_errors(&self) -> bool {
        !self.errors.is_empty()
    }

    /// All of them in order of line.
    pub(super) fn in_order(self) -> Vec<Finding> {
        let mut all = self.errors;
        all.extend(self.warnings);
        all.sort();
        if self.left_out > 0 {
            all.push(Finding {
                line: 0,
                severity: Severity::Warning,
                message: format!("{} more findings are not shown", self.left_out),
            });
        }
        all
    }
}
