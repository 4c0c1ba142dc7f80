//! What was given, as text, with the place it came from. Nothing is judged here.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::sync::Arc;

use super::Error;
use super::key::{Key, Kind};

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody gave it.
    Default(Key),
    /// The command line.
    Flag(Key),
    /// The environment.
    Variable(Key),
    /// The file.
    File {
        /// Its path as it was given.
        path: Arc<str>,
        /// The line, from 1.
        line: usize,
        /// What it sets there.
        key: Key,
    },
}

impl fmt::Display for Origin {
    /// The flag, the variable, or `file:line: key`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default(key) => write!(f, "the default of --{}", key.flag()),
            Self::Flag(key) => write!(f, "--{}", key.flag()),
            Self::Variable(key) => f.write_str(&key.variable()),
            Self::File { path, line, key } => write!(f, "{path}:{line}: {}", key.in_file()),
        }
    }
}

/// One value as it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// What.
    pub text: String,
    /// Where.
    pub origin: Origin,
}

/// What one source gives, or several of them together. All of it is optional.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings(BTreeMap<Key, Vec<Given>>);

impl Settings {
    /// Takes what the command line gives for `key`. No value at all is not given.
    pub fn flag(&mut self, key: Key, values: impl IntoIterator<Item = String>) {
        for text in values {
            self.add(key, text, Origin::Flag(key));
        }
    }

    /// What the environment gives. `read` is the environment: a variable's value, if it is there. An empty value
    /// counts as unset; a list is separated by commas.
    ///
    /// Only the names of settings are looked up. Others that begin with `CALLSIGN_` are not ours to judge: an
    /// orchestrator sets such names for a service called `callsign` (`CALLSIGN_SERVICE_HOST`, `CALLSIGN_PORT`).
    pub fn from_environment(read: &dyn Fn(&str) -> Option<OsString>) -> (Self, Vec<Error>) {
        let (mut settings, mut errors) = (Self::default(), Vec::new());
        for key in Key::ALL {
            let origin = Origin::Variable(key);
            let Some(value) = read(&key.variable()).filter(|value| !value.is_empty()) else {
                continue;
            };
            let Ok(text) = value.into_string() else {
                errors.push(Error::at(&origin, "is not UTF-8"));
                continue;
            };
            if key.kind() == Kind::List {
                for part in text.split(',') {
                    settings.add(key, part.trim().to_owned(), origin.clone());
                }
            } else {
                settings.add(key, text, origin);
            }
        }
        (settings, errors)
    }

    /// Adds a value of `key`.
    pub(super) fn add(&mut self, key: Key, text: String, origin: Origin) {
        self.0.entry(key).or_default().push(Given { text, origin });
    }

    /// Says that `key` is a list without entries, which replaces one from below.
    pub(super) fn add_empty_list(&mut self, key: Key) {
        self.0.entry(key).or_default();
    }

    /// These settings where they are given, those of `below` elsewhere. A list replaces the one from below.
    pub fn over(mut self, below: Self) -> Self {
        for (key, values) in below.0 {
            self.0.entry(key).or_insert(values);
        }
        self
    }

    /// What is given for `key`, if it is.
    pub fn given(&self, key: Key) -> Option<&[Given]> {
        self.0.get(&key).map(Vec::as_slice)
    }
}
