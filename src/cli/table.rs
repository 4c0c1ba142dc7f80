//! Aligned columns for people.

use serde_json::Value;

use super::Context;
use super::failure::Done;

/// Rows under headings; each column is as wide as its widest entry.
pub(super) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these headings.
    pub(super) fn new(headings: &[&str]) -> Self {
        Self {
            rows: vec![headings.iter().map(|heading| (*heading).to_owned()).collect()],
        }
    }

    /// Adds a row. An empty entry is shown as `-`, so that columns can be counted; control characters, which might
    /// drive a terminal, are shown escaped.
    pub(super) fn row(&mut self, entries: impl IntoIterator<Item = String>) {
        let shown = |entry: String| {
            if entry.is_empty() {
                return "-".to_owned();
            }
            entry
                .chars()
                .flat_map(|c| {
                    if c.is_control() {
                        c.escape_default().collect()
                    } else {
                        vec![c]
                    }
                })
                .collect()
        };
        self.rows.push(entries.into_iter().map(shown).collect());
    }

    /// Prints it.
    pub(super) fn print(&self, context: &mut Context<'_>) -> Done {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            let widths = self
                .rows
                .iter()
                .filter_map(|row| row.get(column))
                .map(|entry| entry.chars().count());
            widths.max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for row in &self.rows {
            let mut line = String::new();
            for (entry, width) in row.iter().zip(&widths) {
                line.push_str(&format!("{entry:<width$}  "));
            }
            writeln!(context.out, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// A JSON value as one would say it. Lists are joined by commas.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(true) => "yes".into(),
        Value::Bool(false) => "no".into(),
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(text).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}
