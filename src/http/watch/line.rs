//! The text of a watch, in its two forms: server-sent events (WHATWG HTML §9.2) and one JSON object a line.

use axum::body::Bytes;

use crate::catalog::Record;

use super::super::write_change::ChangeShown;
use super::super::write_json::{JsonText, Shape};

/// About how many octets a line has.
const OCTETS_USUAL: usize = 1024;

/// How a watch is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// `text/event-stream`.
    Events,
    /// `application/x-ndjson`.
    Lines,
}

impl Form {
    /// Its media type.
    pub(super) const fn media_type(self) -> &'static str {
        match self {
            Self::Events => "text/event-stream",
            Self::Lines => "application/x-ndjson",
        }
    }
}

/// A change's text: an event, and within it the line that is its data. Both forms share the octets.
#[derive(Debug)]
pub(super) struct Line {
    event: Bytes,
    line: Bytes,
}

impl Line {
    /// That of a change that `by` made.
    pub(super) fn of(record: &Record, by: &str) -> Self {
        let shown = ChangeShown { record, by: Some(by) };
        let json = JsonText::of(&shown, OCTETS_USUAL);
        let head = format!("id: {}\ndata: ", record.index);
        let mut event = Vec::with_capacity(head.len() + json.len() + 2);
        event.extend_from_slice(head.as_bytes());
        event.extend_from_slice(&json);
        event.extend_from_slice(b"\n\n");
        let event = Bytes::from(event);
        let line = event.slice(head.len()..event.len() - 1);
        Self { event, line }
    }

    pub(super) fn octets(&self) -> usize {
        self.event.len()
    }

    /// It in that form.
    pub(super) fn text(&self, form: Form) -> &Bytes {
        match form {
            Form::Events => &self.event,
            Form::Lines => &self.line,
        }
    }
}

/// Appends a thing of the picture: it has no id, since a watch that breaks off here cannot go on from it.
pub(super) fn push_thing(form: Form, shape: &impl Shape, text: &mut Vec<u8>) {
    push(form, None, None, shape, text);
}

/// What says that the picture begins or is over.
pub(super) fn mark(form: Form, kind: &'static str, id: Option<u64>, shape: &impl Shape) -> Bytes {
    let mut text = Vec::new();
    push(form, Some(kind), id, shape, &mut text);
    text.into()
}

fn push(form: Form, event: Option<&str>, id: Option<u64>, shape: &impl Shape, text: &mut Vec<u8>) {
    if form == Form::Events {
        if let Some(event) = event {
            text.extend_from_slice(format!("event: {event}\n").as_bytes());
        }
        if let Some(id) = id {
            text.extend_from_slice(format!("id: {id}\n").as_bytes());
        }
        text.extend_from_slice(b"data: ");
    }
    text.extend_from_slice(&JsonText::of(shape, OCTETS_USUAL));
    text.push(b'\n');
    if form == Form::Events {
        text.push(b'\n');
    }
}
