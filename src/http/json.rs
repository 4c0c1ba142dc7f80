//! A JSON value as it was sent, before it means anything.
//!
//! Objects keep every name in its place, so that a name given twice can be refused instead of one of the two winning
//! (RFC 8259 §4 leaves that open), and so that what nobody asked for can be refused by name. Text without escapes is
//! borrowed from the body.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::problem::Problem;

/// Arrays and objects within each other. The API's own bodies have five.
const DEPTH_MAX: usize = 32;

/// Names of an object that are compared with each other.
const FEW: usize = 12;

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Json<'b> {
    Null,
    Boolean(bool),
    Number(Number),
    Text(Cow<'b, str>),
    List(Vec<Self>),
    Object(Vec<(Cow<'b, str>, Self)>),
}

/// A JSON number as it was written: `8080` is whole, `8080.0` is not.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Number {
    Natural(u64),
    Negative(i64),
    Fraction(f64),
}

impl<'b> Json<'b> {
    /// Reads a body: 400 if it is no JSON, 422 if it is one that nothing here could mean.
    pub(super) fn read(body: &'b [u8]) -> Result<Self, Problem> {
        if body.is_empty() {
            return Err(Problem::not_json(
                "the body is empty; send a JSON object, if only {}",
            ));
        }
        let mut deserializer = serde_json::Deserializer::from_slice(body);
        let read = Value { depth: 0 }
            .deserialize(&mut deserializer)
            .and_then(|json| deserializer.end().map(|()| json));
        let json = read.map_err(|error| {
            if error.is_data() {
                Problem::unprocessable(format!("the body {error}"))
            } else {
                Problem::not_json(format!("the body is not JSON: {error}"))
            }
        })?;
        match json.repeated(&mut String::new()) {
            Some(path) => Err(Problem::invalid(path, "is given twice")),
            None => Ok(json),
        }
    }

    /// What it is, for a message.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::Text(_) => "a string",
            Self::List(_) => "a list",
            Self::Object(_) => "an object",
        }
    }

    /// The path of the first name that an object has twice. Recursion ends at [`DEPTH_MAX`].
    fn repeated(&self, path: &mut String) -> Option<String> {
        let here = path.len();
        match self {
            Self::List(items) => {
                for (at, item) in items.iter().enumerate() {
                    path.push_str(&format!("[{at}]"));
                    if let Some(found) = item.repeated(path) {
                        return Some(found);
                    }
                    path.truncate(here);
                }
                None
            }
            Self::Object(fields) => {
                let mut names = HashSet::new();
                for (at, (name, value)) in fields.iter().enumerate() {
                    if here > 0 {
                        path.push('.');
                    }
                    path.push_str(name);
                    // Of a few names each is looked at again: that is less than to hash them.
                    let is_known = match fields.len() {
                        0..=FEW => fields[..at].iter().any(|(other, _)| other == name),
                        _ => !names.insert(&**name),
                    };
                    if is_known {
                        return Some(path.clone());
                    }
                    if let Some(found) = value.repeated(path) {
                        return Some(found);
                    }
                    path.truncate(here);
                }
                None
            }
            _ => None,
        }
    }
}

/// Reads a value that stands in `depth` others.
#[derive(Clone, Copy)]
struct Value {
    depth: usize,
}

impl Value {
    fn inside<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.depth == DEPTH_MAX {
            return Err(E::custom(format_args!(
                "has more than {DEPTH_MAX} lists and objects within each other"
            )));
        }
        Ok(Self {
            depth: self.depth + 1,
        })
    }
}

impl<'de> DeserializeSeed<'de> for Value {
    type Value = Json<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json<'de>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value {
    type Value = Json<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json<'de>, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json<'de>, E> {
        Ok(Json::Boolean(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json<'de>, E> {
        Ok(Json::Number(Number::Natural(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json<'de>, E> {
        Ok(Json::Number(match u64::try_from(value) {
            Ok(natural) => Number::Natural(natural),
            Err(_) => Number::Negative(value),
        }))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json<'de>, E> {
        Ok(Json::Number(Number::Fraction(value)))
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Borrowed(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Owned(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json<'de>, A::Error> {
        let inside = self.inside()?;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(inside)? {
            list.push(item);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Json<'de>, A::Error> {
        let inside = self.inside()?;
        let mut object = Vec::new();
        while let Some(Name(name)) = entries.next_key()? {
            object.push((name, entries.next_value_seed(inside)?));
        }
        Ok(Json::Object(object))
    }
}

/// The name of a field. What serde makes of a `Cow` by itself is never borrowed.
struct Name<'b>(Cow<'b, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl<'de> Visitor<'de> for Text {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Borrowed(value)))
            }

            fn visit_str<E>(self, value: &str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(value.to_owned())))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(body: &str) -> (u16, Option<String>) {
        let problem = Json::read(body.as_bytes()).expect_err(body);
        (problem.status().as_u16(), problem.field().map(str::to_owned))
    }

    #[test]
    fn what_is_not_json_is_400() {
        for body in [
            "",
            " ",
            "{",
            "{]",
            "nope",
            "NaN",
            "Infinity",
            "-",
            "01",
            "1e999",
            "'a'",
            "{\"a\":1,}",
            "[1 2]",
            "{} x",
            "\"\\ud800\"",
            "\u{feff}{}",
            "// {}",
            "\"a\nb\"",
            "{\"a\"}",
            "{1:2}",
        ] {
            assert_eq!(status(body), (400, None), "{body:?}");
        }
        assert_eq!(Json::read(b"\"\xff\"").expect_err("not UTF-8").status(), 400);
    }

    #[test]
    fn a_name_given_twice_is_422_and_named() {
        assert_eq!(status(r#"{"a":1,"a":1}"#), (422, Some("a".into())));
        assert_eq!(status(r#"{"a":1,"\u0061":2}"#), (422, Some("a".into())));
        assert_eq!(
            status(r#"{"ports":{"http":{"port":1,"port":2}}}"#),
            (422, Some("ports.http.port".into()))
        );
        assert_eq!(
            status(r#"{"o":[{}, {"p":1,"p":2}]}"#),
            (422, Some("o[1].p".into()))
        );
        assert!(Json::read(br#"[{"a":1},{"a":1}]"#).is_ok());
    }

    #[test]
    fn depth_is_bounded_without_recursion_past_it() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(Json::read(nested(DEPTH_MAX).as_bytes()).is_ok());
        assert_eq!(status(&nested(DEPTH_MAX + 1)), (422, None));
        assert_eq!(status(&"[".repeat(1 << 20)), (422, None));
        assert_eq!(status(&r#"{"a":"#.repeat(100_000)), (422, None));
    }

    #[test]
    fn numbers_keep_how_they_were_written() {
        let number = |text: &str| match Json::read(text.as_bytes()) {
            Ok(Json::Number(number)) => number,
            other => panic!("{text}: {other:?}"),
        };
        assert_eq!(number("8080"), Number::Natural(8080));
        assert_eq!(number("8080.0"), Number::Fraction(8080.0));
        assert_eq!(number("-1"), Number::Negative(-1));
        assert_eq!(
            number("18446744073709551616"),
            Number::Fraction(18_446_744_073_709_551_616.0)
        );
    }
}
