//! What is found while a file is read, kept within a bound.

use crate::catalog::contents::{FINDINGS_MAX, Finding, Severity};

/// Errors and warnings, at most [`FINDINGS_MAX`] of each. After so many errors the rest of a file is not read.
#[derive(Debug, Default)]
pub(super) struct Findings {
    errors: Vec<Finding>,
    warnings: Vec<Finding>,
    warnings_left_out: usize,
    /// What [`Self::warning_once`] said already.
    said: Vec<&'static str>,
}

impl Findings {
    pub(super) fn error(&mut self, line: u32, message: String) {
        if !self.are_full() {
            self.errors.push(Finding {
                line,
                severity: Severity::Error,
                message,
            });
        }
    }

    pub(super) fn warning(&mut self, line: u32, message: String) {
        if self.warnings.len() == FINDINGS_MAX {
            self.warnings_left_out += 1;
            return;
        }
        self.warnings.push(Finding {
            line,
            severity: Severity::Warning,
            message,
        });
    }

    /// Warns of `what` once in a file.
    pub(super) fn warning_once(&mut self, line: u32, what: &'static str, message: String) {
        if !self.said.contains(&what) {
            self.said.push(what);
            self.warning(line, message);
        }
    }

    pub(super) fn has_errors(&self) -> bool {
        !self.errors.is_empty()
    }

    /// Whether so many errors were found that there is no use in reading on.
    pub(super) fn are_full(&self) -> bool {
        self.errors.len() == FINDINGS_MAX
    }

    /// Everything, with `others`, in order of line.
    pub(super) fn with(self, others: Vec<Finding>) -> Vec<Finding> {
        let full = self.are_full();
        let mut all = others;
        all.extend(self.errors);
        all.extend(self.warnings);
        // What is about the whole file comes last.
        all.sort_by(|a, b| (a.line == 0, a).cmp(&(b.line == 0, b)));
        if full {
            all.push(Finding {
                line: 0,
                severity: Severity::Error,
                message: format!("there are more: after {FINDINGS_MAX} errors the rest is not read"),
            });
        }
        if self.warnings_left_out > 0 {
            all.push(Finding {
                line: 0,
                severity: Severity::Warning,
                message: format!("{} more warnings are not shown", self.warnings_left_out),
            });
        }
        all
    }
}
