//! `callsign check-config`: what `serve --config FILE` would say, without serving.

use std::path::PathBuf;

use clap::Args;

use crate::config::{self, LoadError, Settings};

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
