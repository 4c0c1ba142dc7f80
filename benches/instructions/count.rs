//! Runs this program once more, under Valgrind, and reads how many instructions each call of one function took.

use std::path::Path;
use std::process::{Command, Stdio};

/// One call.
#[derive(Debug)]
pub(crate) struct Counted {
    pub(crate) transport: String,
    pub(crate) name: String,
    pub(crate) instructions: u64,
}

/// Runs this program with `argument`; each call of `function` of `module` is counted by itself. The child says on a line of
/// standard output what each call was: transport, space, name. None if there is no Valgrind.
pub(crate) fn count(argument: &str, module: &str, function: &str) -> Option<Vec<Counted>> {
    let is_there = Command::new("valgrind")
        .arg("--version")
        .stdout(Stdio::null())
        .status();
    if !is_there.is_ok_and(|status| status.success()) {
        return None;
    }
    let folder = tempfile::TempDir::new().expect("a folder for the counts");
    let counts = folder.path().join("counts");
    let this = std::env::current_exe().expect("the path of this program");
    let child = Command::new("valgrind")
        .args(["--tool=callgrind", "--quiet", "--separate-threads=no"])
        .arg(format!("--toggle-collect=*{function}*"))
        // Another pattern: of two options with the same one, Callgrind minds the first alone.
        .arg(format!("--dump-after=*{module}*{function}*"))
        .arg(format!("--callgrind-out-file={}", counts.display()))
        .arg(this)
        .arg(argument)
        .stderr(Stdio::inherit())
        .output()
        .expect("run valgrind");
    assert!(child.status.success(), "under valgrind: {}", child.status);
    let said = String::from_utf8(child.stdout).expect("names are text");
    let counted = said.lines().enumerate().map(|(at, line)| {
        let (transport, name) = line.split_once(' ').expect("transport and name");
        Counted {
            transport: transport.to_owned(),
            name: name.to_owned(),
            instructions: total(&folder.path().join(format!("counts.{}", at + 1))),
        }
    });
    Some(counted.collect())
}

/// The sum that a dump ends with.
fn total(dump: &Path) -> u64 {
    let text =
        std::fs::read_to_string(dump).unwrap_or_else(|error| panic!("read {}: {error}", dump.display()));
    let total = text
        .lines()
        .find_map(|line| line.strip_prefix("summary: ").or(line.strip_prefix("totals: ")));
    let total = total.and_then(|number| number.trim().parse().ok());
    total
        .filter(|total| *total > 0)
        .unwrap_or_else(|| panic!("no total in {}", dump.display()))
}
