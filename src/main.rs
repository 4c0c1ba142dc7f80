//! The `callsign` program. What it does is `callsign::cli`'s.

use std::process::ExitCode;

fn main() -> ExitCode {
    callsign::cli::main()
}
