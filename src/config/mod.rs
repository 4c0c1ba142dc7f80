//! Flags, environment and file to one meaning.
//!
//! Each source gives [`Settings`]: text, with the place it came from. A flag beats the environment, which beats the
//! file; a list replaces the one from below. Only the merged settings are judged, in one place, so `check-config`
//! finds what `serve` would, and a message names the flag, the variable, or the file's line. Nothing here binds a
//! socket or opens the catalog.

mod file;
mod key;
mod meaning;
mod parse;
mod settings;

use std::ffi::OsString;
use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use crate::auth;
use crate::catalog::{Base, ZoneName};
use crate::lease::guard::Guarding;
use crate::store::Keep;

pub use file::{FILE_OCTETS_MAX, Unreadable};
pub use key::{Key, Kind};
pub use meaning::{DNS_ADDRESSES_MAX, HTTP_NAMES_MAX, NAME_SERVER_ADDRESSES_MAX};
pub use parse::{
    GUARD_FOR_MAX, GUARD_FOR_MIN, KEEP_CHANGES_FOR_MAX, KEEP_CHANGES_MAX, UDP_PAYLOAD_MAX, UDP_PAYLOAD_MIN,
    UDP_WORKERS_MAX,
};
pub use settings::{Given, Origin, Settings};

/// What a server is to do. Each value is right by itself and beside the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The folder of the catalog.
    pub data_dir: PathBuf,
    /// Where DNS is answered, over UDP and TCP: at least one, no two that collide. Port 0 is any free one.
    pub dns: Vec<SocketAddr>,
    /// Where the API is served. Loopback, unless there are tokens or their absence is said to be meant.
    pub http: SocketAddr,
    /// The zones to have: at least one, each once. The first is the API's default.
    pub zones: Vec<ZoneName>,
    /// The folder of zone files.
    pub zone_files: Option<PathBuf>,
    /// What every zone gets.
    pub base: Base,
    /// Names that a `Host` field may have, beside the usual ones.
    pub http_names: Vec<HostName>,
    /// The guard against mass expiry.
    pub guard: Guarding,
    /// How much of the change log is kept.
    pub keep: Keep,
    /// The largest UDP reply in octets.
    pub udp_payload_max: u16,
    /// Threads that answer UDP.
    pub udp_workers: NonZeroUsize,
    /// The tokens that the API asks for; without, it asks for none.
    pub token_file: Option<PathBuf>,
    /// Where to write the ports that are listened on.
    pub ports_file: Option<PathBuf>,
    /// The log.
    pub log: Log,
}

/// A host name in lower case, without a final dot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostName(String);

impl HostName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// How to log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Log {
    /// The form of a line.
    pub format: LogFormat,
    /// The finest lines.
    pub level: LogLevel,
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object each.
    Json,
}

/// The finest log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// Lifecycle and transitions.
    Info,
    /// Requests too.
    Debug,
    /// Everything.
    Trace,
}

/// A setting that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {message}")]
pub struct Error {
    /// The flag, the variable, or `file:line: key`.
    pub place: String,
    /// The line of the file, from 1; 0 for a flag or a variable.
    pub line: usize,
    /// What is wrong, and what to do.
    pub message: String,
}

impl Error {
    fn at(origin: &Origin, message: impl Into<String>) -> Self {
        Self {
            place: origin.to_string(),
            line: match origin {
                Origin::File { line, .. } => *line,
                Origin::Default(_) | Origin::Flag(_) | Origin::Variable(_) => 0,
            },
            message: message.into(),
        }
    }
}

/// Why there is no [`Config`].
#[derive(Debug)]
pub enum LoadError {
    /// The file that was named cannot be read.
    Unreadable(Unreadable),
    /// Settings are wrong: all that are, at least one.
    Wrong(Vec<Error>),
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(error) => error.fmt(f),
            Self::Wrong(errors) => {
                for (at, error) in errors.iter().enumerate() {
                    let separator = if at == 0 { "" } else { "\n" };
                    write!(f, "{separator}{error}")?;
                }
                Ok(())
            }
        }
    }
}

impl std::error::Error for LoadError {}

/// A configuration with what a person should know about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// What to do.
    pub config: Config,
    /// What is right but probably not meant; each says what to do.
    pub warnings: Vec<String>,
}

/// What flags, environment and file say together. `file` is the path that the command line gives, if it does;
/// `environment` is the value of a variable, if there is one; `CALLSIGN_CONFIG` among them names the file where the
/// command line does not. `cores` is the number of UDP workers where none is given.
///
/// The token file is read too, to learn that it will do.
///
/// # Errors
/// [`LoadError`], with every wrong setting of every source.
pub fn load(
    flags: Settings,
    file: Option<&Path>,
    environment: &dyn Fn(&str) -> Option<OsString>,
    cores: NonZeroUsize,
) -> Result<Loaded, LoadError> {
    let named = environment(CONFIG_VARIABLE).filter(|value| !value.is_empty());
    let file = file.or(named.as_deref().map(Path::new));
    let (from_file, mut errors) = match file {
        Some(path) => {
            let text = file::read(path).map_err(LoadError::Unreadable)?;
            file::parse(&path.display().to_string(), &text)
        }
        None => Default::default(),
    };
    let (from_environment, faults) = Settings::from_environment(environment);
    errors.extend(faults);
    let settings = flags.over(from_environment).over(from_file);
    if let Some(error) = token_file_error(&settings) {
        errors.push(error);
    }
    let loaded = match meaning::meaning(&settings, cores) {
        Ok((config, warnings)) => Some(Loaded { config, warnings }),
        Err(faults) => {
            errors.extend(faults);
            None
        }
    };
    // As one reads: flags and variables, then the file from its top.
    errors.sort_by_key(|error| error.line);
    match loaded {
        Some(loaded) if errors.is_empty() => Ok(loaded),
        _ => Err(LoadError::Wrong(errors)),
    }
}

/// The variable that names the file.
const CONFIG_VARIABLE: &str = "CALLSIGN_CONFIG";

/// What is wrong with the token file: `auth` itself judges it, as it will when the server starts.
fn token_file_error(settings: &Settings) -> Option<Error> {
    let given = settings.given(Key::TokenFile)?.last()?;
    // An empty path is an error of its own. What is neither file nor folder may be a pipe: read now, it is empty when
    // the server starts.
    let kind = std::fs::metadata(&given.text).map(|metadata| metadata.file_type());
    if given.text.is_empty() || kind.is_ok_and(|kind| !kind.is_file() && !kind.is_dir()) {
        return None;
    }
    let gate = auth::Gate::open(auth::Config {
        token_file: Some(given.text.clone().into()),
        names: Vec::new(),
    });
    gate.err()
        .map(|error| Error::at(&given.origin, error.to_string()))
}

#[cfg(test)]
mod tests;
