//! `callsign check-config` and `check-zone`: what `serve` would say of a file, without serving.

use std::path::PathBuf;

use clap::Args;

use crate::catalog::ZoneName;
use crate::catalog::contents::{Finding, Severity};
use crate::config::{self, LoadError, Settings};
use crate::zonefile::{self, ReadError};

use super::Context;
use super::failure::{Done, Failure};
use super::serve::cores;

/// Tell whether a configuration file is right
///
/// It is held against the rules that `callsign serve --config FILE` has, in this environment: CALLSIGN_… variables
/// count as they do there. Every wrong setting is printed, and what is wrong in the token file. Whether the addresses
/// can be bound, and what is in the data directory, is not looked at.
#[derive(Debug, Args)]
#[command(after_help = "Exits with 0 if all is well, 1 if a setting is wrong, 2 if FILE cannot be read.")]
pub(super) struct CheckConfig {
    /// The TOML file
    file: PathBuf,
}

impl CheckConfig {
    pub(super) fn run(self, context: &mut Context<'_>) -> Done {
        let path = self.file.display();
        match config::load(
            Settings::default(),
            Some(&self.file),
            context.environment,
            cores(),
        ) {
            Ok(loaded) => {
                for warning in loaded.warnings {
                    writeln!(context.out, "{path}: warning: {warning}")?;
                }
                writeln!(context.out, "{path}: well")?;
                Ok(())
            }
            Err(LoadError::Unreadable(error)) => Err(Failure::Usage(anyhow::Error::new(error))),
            Err(LoadError::Wrong(errors)) => {
                for error in errors {
                    writeln!(context.out, "{error}")?;
                }
                Err(Failure::Found)
            }
        }
    }
}

/// Tell whether a zone file is right
///
/// It is read as `callsign serve --zones DIR` reads it. Every error and every warning is printed with its line, the
/// errors together with what to do about them. What stands in other zones, and which services there are, is not
/// looked at.
#[derive(Debug, Args)]
#[command(
    after_help = "Exits with 0 if there is no error (warnings are none), 1 if there is one, 2 if FILE cannot be read."
)]
pub(super) struct CheckZone {
    /// The zone file, named after its zone: example.org.zone
    file: PathBuf,
    /// The zone, if the file is not named after it
    #[arg(long, value_name = "NAME")]
    origin: Option<String>,
}

impl CheckZone {
    pub(super) fn run(self, context: &mut Context<'_>) -> Done {
        let origin = self.origin.as_deref().map(|origin| {
            ZoneName::parse(origin)
                .map_err(|error| Failure::usage(format!("--origin: the zone's name {error}")))
        });
        let path = self.file.display();
        let (counts, findings, zone) = match zonefile::read(&self.file, origin.transpose()?.as_ref()) {
            Ok(zone) => {
                let counts = format!(
                    "{}, {}, ",
                    counted(zone.contents.records(), "record"),
                    counted(zone.contents.names(), "name")
                );
                (counts, zone.warnings.clone(), Some(zone))
            }
            Err(ReadError::Wrong { findings, .. }) => (String::new(), findings, None),
            Err(ReadError::NoZone { .. }) => {
                return Err(Failure::usage(format!(
                    "{path} is not named after its zone, as example.org.zone is; give the zone with --origin NAME"
                )));
            }
            Err(error) => return Err(Failure::Usage(anyhow::Error::new(error))),
        };
        for finding in &findings {
            writeln!(context.out, "{}", zonefile::line(&self.file, finding))?;
        }
        if zone.as_ref().is_some_and(|zone| zone.contents.soa().is_none()) {
            writeln!(
                context.out,
                "{path}: info: no SOA; the server answers one of its own"
            )?;
        }
        let of = |severity| {
            let of: &dyn Fn(&&Finding) -> bool = &|finding| finding.severity == severity;
            findings.iter().filter(of).count()
        };
        let (errors, warnings) = (
            counted(of(Severity::Error), "error"),
            counted(of(Severity::Warning), "warning"),
        );
        writeln!(context.out, "{path}: {counts}{errors}, {warnings}")?;
        zone.map(drop).ok_or(Failure::Found)
    }
}

/// A number of things, in words.
fn counted(number: usize, thing: &str) -> String {
    match number {
        1 => format!("1 {thing}"),
        _ => format!("{number} {thing}s"),
    }
}
