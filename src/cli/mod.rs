//! The command line: parse, do, say, exit code.
//!
//! A command writes what it has to say to `Context::out` and returns a `Failure` with its exit code; only
//! [`main`] touches the process. Exit codes: 0 well · 1 the request failed, or a check found errors · 2 usage or
//! configuration, also a named file that cannot be read or an address that cannot be bound · 3 storage · 4 the data
//! directory is in use.

mod apply;
mod backup;
mod check;
mod client;
mod dump;
mod failure;
mod guard;
mod health;
mod lists;
mod log;
mod query;
mod register;
mod serve;
mod settings;
mod table;
mod watch;

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use failure::{Done, Failure};

/// Service discovery over DNS: register over HTTP, ask over DNS.
#[derive(Debug, Parser)]
#[command(name = "callsign", version, max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// Each command's help stands with its flags.
#[derive(Debug, Subcommand)]
enum Command {
    Serve(Box<serve::Serve>),
    Register(Box<register::Register>),
    Deregister(register::Deregister),
    Heartbeat(health::Heartbeat),
    Health(health::Health),
    Drain(health::Drain),
    Services(lists::Services),
    Instances(lists::Instances),
    Zones(lists::Zones),
    SetZone(settings::SetZone),
    SetService(settings::SetService),
    Guard(guard::Guard),
    Apply(apply::Apply),
    Watch(watch::Watch),
    Query(query::Ask),
    CheckConfig(check::CheckConfig),
    CheckZone(check::CheckZone),
    Dump(dump::Dump),
    Backup(backup::Backup),
    Restore(backup::Restore),
}

/// What a command has of the world.
struct Context<'a> {
    /// Standard output.
    out: &'a mut dyn Write,
    /// Standard input.
    input: &'a mut dyn io::Read,
    /// The environment.
    environment: &'a dyn Fn(&str) -> Option<OsString>,
}

impl Context<'_> {
    /// The folder of the catalog: what the flag says, or the environment, or the default.
    fn data_dir(&self, flag: Option<PathBuf>) -> PathBuf {
        let variable = (self.environment)("CALLSIGN_DATA_DIR").filter(|value| !value.is_empty());
        flag.or(variable.map(PathBuf::from))
            .unwrap_or_else(|| "callsign-data".into())
    }

    /// A variable's value. An empty one counts as unset.
    fn variable(&self, name: &str) -> Result<Option<String>, Failure> {
        match (self.environment)(name).filter(|value| !value.is_empty()) {
            None => Ok(None),
            Some(value) => value
                .into_string()
                .map(Some)
                .map_err(|_| Failure::usage(format!("{name} is not UTF-8"))),
        }
    }
}

impl Command {
    fn run(self, context: &mut Context<'_>) -> Done {
        match self {
            Self::Serve(command) => command.run(context),
            Self::Register(command) => command.run(context),
            Self::Deregister(command) => command.run(context),
            Self::Heartbeat(command) => command.run(context),
            Self::Health(command) => command.run(context),
            Self::Drain(command) => command.run(context),
            Self::Services(command) => command.run(context),
            Self::Instances(command) => command.run(context),
            Self::Zones(command) => command.run(context),
            Self::SetZone(command) => command.run(context),
            Self::SetService(command) => command.run(context),
            Self::Guard(command) => command.run(context),
            Self::Apply(command) => command.run(context),
            Self::Watch(command) => command.run(context),
            Self::Query(command) => command.run(context),
            Self::CheckConfig(command) => command.run(context),
            Self::CheckZone(command) => command.run(context),
            Self::Dump(command) => command.run(context),
            Self::Backup(command) => command.run(context),
            Self::Restore(command) => command.run(context),
        }
    }
}

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Where nobody reads any more, there is nobody to tell.
            let _ = error.print();
            return u8::try_from(error.exit_code()).unwrap_or(2).into();
        }
    };
    let mut out = io::BufWriter::new(io::stdout());
    let done = cli.command.run(&mut Context {
        out: &mut out,
        input: &mut io::stdin(),
        environment: &|name| std::env::var_os(name),
    });
    // Also after a failure: a check's findings are told on standard output.
    let flushed = out.flush().map_err(Failure::from);
    match done.and(flushed) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if let Some(message) = failure.message() {
                let _ = writeln!(io::stderr(), "callsign: {message}");
            }
            failure.code().into()
        }
    }
}

#[cfg(test)]
mod tests;
