//! The program under strace(1), which tells its system calls or makes some of them fail.

use std::path::Path;
use std::process::Command;

/// Why a test that needs strace is left out; `None` if it can be had.
pub(crate) fn is_missing(what: &str) -> bool {
    let can = Command::new("strace").args(["-o", "/dev/null", "true"]).output();
    let missing = !can.is_ok_and(|output| output.status.success());
    if missing {
        println!("SKIPPED: strace is not there or may not trace, so {what} was not tested");
        eprintln!("SKIPPED: strace is not there or may not trace, so {what} was not tested");
    }
    missing
}

/// The words before a program that trace it as `rules` say, into a file. The tracer is no parent (`-D`): the process that
/// is started is the program itself, to signal and to wait for.
pub(crate) fn strace(rules: &[&str], into: &Path) -> Vec<String> {
    let head = ["strace", "-D", "-f", "-q", "-o"].map(str::to_string);
    let tail = rules.iter().map(|rule| rule.to_string());
    head.into_iter()
        .chain([into.display().to_string()])
        .chain(tail)
        .collect()
}
