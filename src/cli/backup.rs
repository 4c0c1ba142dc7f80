//! `callsign backup` and `callsign restore`: the catalog to one file, and from it.

use std::path::PathBuf;

use clap::Args;

use crate::clock::Clock;
use crate::store::{self, Restored};

use super::Context;
use super::failure::Done;

/// Copy the catalog to a file, also beside a running server
///
/// The file is whole, checked and on the disk before it has its name.
#[derive(Debug, Args)]
pub(super) struct Backup {
    /// The file to make
    file: PathBuf,
    /// Folder of the catalog [env: CALLSIGN_DATA_DIR] [default: callsign-data]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Replace the file if it exists, once the new one is complete
    #[arg(long)]
    overwrite: bool,
}

impl Backup {
    pub(super) fn run(self, context: &mut Context<'_>) -> Done {
        let dir = context.data_dir(self.data_dir);
        let made = store::backup(&dir, &self.file, self.overwrite)?;
        writeln!(
            context.out,
            "{}: index {}, epoch {}, {} octets",
            self.file.display(),
            made.index,
            made.identity.epoch,
            made.octets
        )?;
        Ok(())
    }
}

/// Make a backup the catalog of a data directory
///
/// No server may run on it. Everything in the backup is checked first. The catalog gets a new epoch, its index moves ahead by 2^32 and its
/// serials by 2^16, past what was given out since the backup was made.
#[derive(Debug, Args)]
pub(super) struct Restore {
    /// The backup, or the callsign.db of a server that was stopped
    file: PathBuf,
    /// Folder of the catalog, made if it is missing [env: CALLSIGN_DATA_DIR] [default: callsign-data]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// If there is a catalog already, put it aside, into a folder callsign.replaced-… beside the new one
    #[arg(long)]
    replace: bool,
}

impl Restore {
    pub(super) fn run(self, context: &mut Context<'_>) -> Done {
        let dir = context.data_dir(self.data_dir);
        let now = Clock::system().now();
        let Restored {
            identity,
            index,
            serials,
            kept,
        } = store::restore(&self.file, &dir, self.replace, now)?;
        writeln!(
            context.out,
            "{}: index {index}, epoch {}",
            dir.display(),
            identity.epoch
        )?;
        for (zone, serial) in serials {
            writeln!(context.out, "{zone}: serial {serial}")?;
        }
        if let Some(kept) = kept {
            writeln!(context.out, "what was there before: {}", kept.display())?;
        }
        Ok(())
    }
}
