//! The file: TOML, keys as the flags with `_` for `-`. Every fault is found in one go, each with its line.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use toml::de::{DeTable, DeValue};

use super::Error;
use super::key::{Key, Kind};
use super::settings::{Origin, Settings};

/// Octets of a configuration file. More is no configuration.
pub const FILE_OCTETS_MAX: u64 = 1 << 20;

/// A configuration file that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{path}: cannot be read: {source}")]
pub struct Unreadable {
    /// As it was given.
    pub path: String,
    /// Why.
    pub source: std::io::Error,
}

/// The text of the file at `path`.
///
/// # Errors
/// [`Unreadable`]: it is not there, may not be read, is larger than [`FILE_OCTETS_MAX`] or is not UTF-8.
pub(super) fn read(path: &Path) -> Result<String, Unreadable> {
    let unreadable = |source| Unreadable {
        path: path.display().to_string(),
        source,
    };
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut text = String::new();
    file.take(FILE_OCTETS_MAX + 1)
        .read_to_string(&mut text)
        .map_err(unreadable)?;
    if text.len() as u64 > FILE_OCTETS_MAX {
        return Err(unreadable(std::io::Error::other("it is larger than 1 MiB")));
    }
    Ok(text)
}

/// What `text`, the content of the file called `path`, gives.
pub(super) fn parse(path: &str, text: &str) -> (Settings, Vec<Error>) {
    let file = File {
        path: path.into(),
        text,
    };
    let (mut settings, mut errors) = (Settings::default(), Vec::new());
    let (table, faults) = DeTable::parse_recoverable(text);
    for fault in &faults {
        let line = file.line(fault.span().map_or(0, |span| span.start));
        errors.push(file.error(line, format!("is not TOML: {}", fault.message())));
    }
    if !faults.is_empty() {
        // What was recovered may not be what was meant.
        return (settings, errors);
    }
    let mut entries: Vec<_> = table.into_inner().into_iter().collect();
    entries.sort_by_key(|(name, _)| name.span().start);
    for (name, value) in &entries {
        let line = file.line(name.span().start);
        match Key::from_file(name.as_ref()) {
            None => errors.push(file.error(line, unknown(name.as_ref()))),
            Some(key) => {
                if let Err(message) = file.take(&mut settings, key, line, value.as_ref()) {
                    let origin = file.origin(line, key);
                    errors.push(Error::at(&origin, message));
                }
            }
        }
    }
    (settings, errors)
}

fn unknown(name: &str) -> String {
    let meant = name.replace('-', "_");
    if Key::from_file(&meant).is_some() {
        return format!("{name}: is no key; keys have `_` where flags have `-`: write {meant}");
    }
    let keys: Vec<_> = Key::ALL.into_iter().map(Key::in_file).collect();
    format!("{name}: is no key; the keys are {}", keys.join(", "))
}

struct File<'a> {
    path: Arc<str>,
    text: &'a str,
}

impl File<'_> {
    /// The line of an octet, from 1.
    fn line(&self, at: usize) -> usize {
        1 + self.text.bytes().take(at).filter(|octet| *octet == b'\n').count()
    }

    fn origin(&self, line: usize, key: Key) -> Origin {
        Origin::File {
            path: self.path.clone(),
            line,
            key,
        }
    }

    fn error(&self, line: usize, message: String) -> Error {
        Error {
            place: format!("{}:{line}", self.path),
            line,
            message,
        }
    }

    /// Takes the value of `key`, which must be of its kind. A list with one entry may stand without brackets.
    fn take(
        &self,
        settings: &mut Settings,
        key: Key,
        line: usize,
        value: &DeValue<'_>,
    ) -> Result<(), String> {
        let DeValue::Array(array) = value else {
            settings.add(key, scalar(key.kind(), value)?, self.origin(line, key));
            return Ok(());
        };
        if key.kind() != Kind::List {
            return Err(format!("is an array; write {} instead", wanted(key.kind())));
        }
        if let (true, Some(default)) = (array.is_empty(), key.default_text()) {
            return Err(format!(
                "is an empty list; give at least one, or leave it out for {default}"
            ));
        }
        settings.add_empty_list(key);
        for entry in array {
            let line = self.line(entry.span().start);
            settings.add(key, scalar(key.kind(), entry.as_ref())?, self.origin(line, key));
        }
        Ok(())
    }
}

/// The text of one value.
fn scalar(kind: Kind, value: &DeValue<'_>) -> Result<String, String> {
    match (kind, value) {
        (Kind::Text | Kind::List | Kind::Duration, DeValue::String(text)) => Ok(text.to_string()),
        (Kind::Number | Kind::Duration, DeValue::Integer(number)) => {
            i64::from_str_radix(number.as_str(), number.radix())
                .map(|number| number.to_string())
                .map_err(|_| format!("{number} is too large a number"))
        }
        (Kind::Switch, DeValue::Boolean(on)) => Ok(on.to_string()),
        _ => Err(format!(
            "is of type {}; write {} instead",
            value.type_str(),
            wanted(kind)
        )),
    }
}

fn wanted(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => "a string",
        Kind::List => "an array of strings",
        Kind::Number => "a whole number without quotes",
        Kind::Duration => "a string such as \"5s\" or a whole number of seconds",
        Kind::Switch => "true or false without quotes",
    }
}
