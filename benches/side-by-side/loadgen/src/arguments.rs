//! `--key value` in, one line of JSON out.

use std::collections::HashMap;
use std::fmt::{Display, Write};
use std::net::SocketAddr;
use std::str::FromStr;

use crate::fail;

/// The arguments by their names.
pub struct Arguments(HashMap<String, String>);

impl Arguments {
    /// Reads pairs of `--key value`.
    pub fn parse(mut words: impl Iterator<Item = String>) -> Self {
        let mut found = HashMap::new();
        while let Some(word) = words.next() {
            let Some(key) = word.strip_prefix("--") else {
                fail(&format!("what is {word}?"));
            };
            let Some(value) = words.next() else {
                fail(&format!("--{key} needs a value"));
            };
            found.insert(key.to_string(), value);
        }
        Self(found)
    }

    /// A text, empty if it was not given.
    pub fn text(&self, key: &str) -> &str {
        self.0.get(key).map_or("", String::as_str)
    }

    /// A number, or what it is when it was not given.
    pub fn number<N: FromStr>(&self, key: &str, otherwise: N) -> N {
        let Some(text) = self.0.get(key) else {
            return otherwise;
        };
        text.parse()
            .unwrap_or_else(|_| fail(&format!("--{key} {text} is no number that it takes")))
    }

    /// Whether it was given as 1.
    pub fn is_set(&self, key: &str) -> bool {
        self.text(key) == "1"
    }

    /// An address with its port, which must be given.
    pub fn address(&self, key: &str) -> SocketAddr {
        let text = self.text(key);
        text.parse()
            .unwrap_or_else(|_| fail(&format!("--{key} must be ADDRESS:PORT, not {text:?}")))
    }
}

/// An object of JSON while it grows.
pub struct Json(String);

impl Json {
    /// Without fields yet.
    pub fn begin() -> Self {
        Self("{".to_string())
    }

    fn field(mut self, key: &str, value: impl Display) -> Self {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        let _ = write!(self.0, "\"{key}\":{value}");
        self
    }

    /// A field that counts.
    pub fn count(self, key: &str, value: u64) -> Self {
        self.field(key, value)
    }

    /// A field that measures, to a thousandth.
    pub fn number(self, key: &str, value: f64) -> Self {
        self.field(key, format_args!("{value:.3}"))
    }

    /// A field of text without quotes or backslashes.
    pub fn text(self, key: &str, value: &str) -> Self {
        self.field(key, format_args!("\"{value}\""))
    }

    /// The line.
    pub fn end(mut self) -> String {
        self.0.push('}');
        self.0
    }
}
