//! The whole command line but the process: words in, output and exit code out.

mod api;
mod requests;
mod settings;
mod words;

use std::ffi::OsString;
use std::io::{self, Write};

use clap::Parser;

use super::{Cli, Context};

/// What running a command came to.
#[derive(Debug, PartialEq, Eq)]
struct Ran {
    code: u8,
    out: String,
    /// What is told on standard error; empty after a success.
    error: String,
}

/// Runs `callsign` with these words, in an environment of these variables and with this on standard input.
fn run_with(words: &[&str], variables: &[(&str, &str)], mut input: &[u8]) -> Ran {
    let mut out = Vec::new();
    let (code, error) = run_into(words, variables, &mut input, &mut out);
    Ran {
        code,
        out: String::from_utf8(out).expect("UTF-8"),
        error,
    }
}

/// Runs `callsign` with these words.
fn run(words: &[&str]) -> Ran {
    run_with(words, &[], &[])
}

fn run_into(
    words: &[&str],
    variables: &[(&str, &str)],
    input: &mut dyn io::Read,
    out: &mut dyn Write,
) -> (u8, String) {
    let cli = match Cli::try_parse_from(["callsign"].iter().chain(words)) {
        Ok(cli) => cli,
        Err(error) => {
            let code = u8::try_from(error.exit_code()).expect("a small code");
            return (code, error.to_string());
        }
    };
    let environment = |name: &str| {
        let found = variables.iter().find(|(variable, _)| *variable == name);
        found.map(|(_, value)| OsString::from(value))
    };
    let done = cli.command.run(&mut Context {
        out,
        input,
        environment: &environment,
    });
    match done {
        Ok(()) => (0, String::new()),
        Err(failure) => (failure.code(), failure.message().unwrap_or_default()),
    }
}

/// A standard output that nobody reads.
struct Unread;

impl Write for Unread {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Err(io::ErrorKind::BrokenPipe.into())
    }
}
