//! JSON put together by hand, for what most replies show: an instance.
//!
//! A serializer called for each name, mark and value made a seventh of what a registration cost. What is shown seldom
//! still goes through serde, by [`JsonText::serialized`].

use std::fmt::{self, Write as _};
use std::io::Write as _;

use serde::Serialize;

use crate::clock::Timestamp;

/// Something that has a form in JSON.
pub(super) trait Shape {
    /// Writes it as the next value.
    fn write(&self, json: &mut JsonText);
}

/// JSON text that grows at its end. Commas come by themselves.
#[derive(Debug, Default)]
pub(super) struct JsonText {
    octets: Vec<u8>,
    /// The time written last: the times of an instance are often the same one.
    time: Option<(Timestamp, String)>,
}

impl JsonText {
    /// The text of `shape`, which takes about so many `octets`.
    pub(super) fn of(shape: &impl Shape, octets: usize) -> Vec<u8> {
        let mut json = Self {
            octets: Vec::with_capacity(octets),
            time: None,
        };
        shape.write(&mut json);
        json.octets
    }

    /// Begins a value: where another one ended, a comma stands between.
    fn begin(&mut self) {
        if !matches!(self.octets.last(), None | Some(b'{' | b'[' | b':')) {
            self.octets.push(b',');
        }
    }

    /// The name of the field whose value is written next. It has nothing to escape.
    pub(super) fn name(&mut self, name: &'static str) -> &mut Self {
        self.octets.reserve(name.len() + 4);
        self.begin();
        self.octets.push(b'"');
        self.octets.extend_from_slice(name.as_bytes());
        self.octets.extend_from_slice(b"\":");
        self
    }

    /// The same of a name that is not ours.
    pub(super) fn key(&mut self, name: &str) -> &mut Self {
        self.text(name);
        self.octets.push(b':');
        self
    }

    pub(super) fn null(&mut self) {
        self.begin();
        self.octets.extend_from_slice(b"null");
    }

    pub(super) fn boolean(&mut self, value: bool) {
        self.begin();
        let text: &[u8] = if value { b"true" } else { b"false" };
        self.octets.extend_from_slice(text);
    }

    pub(super) fn number(&mut self, number: impl Into<u64>) {
        self.serialized(&number.into());
    }

    pub(super) fn text(&mut self, text: &str) {
        // Without a way out of the loop it is compiled to wide steps.
        let is_odd = |odd, octet: &u8| odd | (*octet < b' ') | (*octet == b'"') | (*octet == b'\\');
        if !text.as_bytes().iter().fold(false, is_odd) {
            self.octets.reserve(text.len() + 3);
            self.begin();
            self.octets.push(b'"');
            self.octets.extend_from_slice(text.as_bytes());
            self.octets.push(b'"');
        } else {
            self.serialized(text);
        }
    }

    /// Something whose text has nothing to escape.
    pub(super) fn shown(&mut self, shown: &impl fmt::Display) {
        self.begin();
        write!(self.octets, "\"{shown}\"").expect("a vector takes what is written");
    }

    /// A time: RFC 3339, UTC.
    pub(super) fn time(&mut self, at: Timestamp) {
        self.begin();
        let (last, text) = self.time.get_or_insert_with(|| (at, at.to_string()));
        if *last != at {
            *last = at;
            text.clear();
            write!(text, "{at}").expect("a string takes what is written");
        }
        self.octets.push(b'"');
        self.octets.extend_from_slice(text.as_bytes());
        self.octets.push(b'"');
    }

    pub(super) fn object(&mut self, fields: impl FnOnce(&mut Self)) {
        self.begin();
        self.octets.push(b'{');
        fields(self);
        self.octets.push(b'}');
    }

    /// A list, each of its `items` written by `each`.
    pub(super) fn list<T>(&mut self, items: impl IntoIterator<Item = T>, mut each: impl FnMut(&mut Self, T)) {
        self.begin();
        self.octets.push(b'[');
        for item in items {
            each(self, item);
        }
        self.octets.push(b']');
    }

    /// How long it is by now.
    pub(super) const fn octets(&self) -> usize {
        self.octets.len()
    }

    /// All that was written.
    pub(super) fn into_octets(self) -> Vec<u8> {
        self.octets
    }

    /// What serde makes of a value.
    pub(super) fn serialized(&mut self, value: &(impl Serialize + ?Sized)) {
        self.begin();
        serde_json::to_writer(&mut self.octets, value).expect("every shape of the API has string keys");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_json() {
        struct All;
        impl Shape for All {
            fn write(&self, json: &mut JsonText) {
                json.object(|json| {
                    json.name("none").null();
                    json.name("yes").boolean(true);
                    json.name("number").number(7_u16);
                    json.name("empty").object(|_| {});
                    json.name("list").list([1_u64, 2], JsonText::number);
                    json.name("none of them").list([], |_: &mut JsonText, (): ()| {});
                    json.key("a \"name\"")
                        .text("back\\slash, quote\", tab\t, {, ü, \u{7f}");
                    json.name("brace").text("{");
                    json.name("times").list([0, 0, 1, 0], |json, ms| {
                        json.time(Timestamp::from_unix_ms(ms));
                    });
                    json.name("shown").shown(&format_args!("{}s", 15));
                });
            }
        }
        let text = String::from_utf8(JsonText::of(&All, 16)).expect("text");
        assert_eq!(
            text,
            concat!(
                r#"{"none":null,"yes":true,"number":7,"empty":{},"list":[1,2],"none of them":[],"#,
                r#""a \"name\"":"back\\slash, quote\", tab\t, {, ü, "#,
                "\u{7f}",
                r#"","brace":"{","times":["1970-01-01T00:00:00.000Z","1970-01-01T00:00:00.000Z","#,
                r#""1970-01-01T00:00:00.001Z","1970-01-01T00:00:00.000Z"],"shown":"15s"}"#
            )
        );
        serde_json::from_str::<serde_json::Value>(&text).expect("a reader takes it");
    }
}
