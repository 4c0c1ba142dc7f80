//! Takes the fields of a JSON object by name, knows the path of each (`operations[3].ports.http.port`), and refuses
//! what nobody took.

use std::borrow::Cow;
use std::fmt::{self, Display};
use std::rc::Rc;
use std::time::Duration;

use crate::catalog::{Delay, Ttl, limits};

use super::duration;
use super::json::{Json, Number};
use super::problem::Problem;

/// An object's fields that nobody has taken yet.
#[derive(Debug)]
pub(super) struct Fields<'b> {
    /// Of the object; none of the body itself.
    place: Option<Rc<Place<'b>>>,
    left: Vec<(Cow<'b, str>, Json<'b>)>,
}

/// A value and where it stands in the body.
#[derive(Debug)]
pub(super) struct Field<'b> {
    place: Place<'b>,
    pub(super) json: Json<'b>,
}

/// Where a value stands. It is written out only where something is wrong, which is why it is not the text itself.
#[derive(Debug)]
struct Place<'b> {
    /// The object or list that it stands in; none for the body.
    within: Option<Rc<Self>>,
    part: Part<'b>,
}

#[derive(Debug)]
enum Part<'b> {
    Name(Cow<'b, str>),
    Item(usize),
}

impl Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(within) = &self.within {
            write!(f, "{within}")?;
        }
        match (&self.part, &self.within) {
            (Part::Item(at), _) => write!(f, "[{at}]"),
            (Part::Name(name), Some(_)) => write!(f, ".{name}"),
            (Part::Name(name), None) => write!(f, "{name}"),
        }
    }
}

impl<'b> Fields<'b> {
    /// The fields of a body, which must be an object.
    pub(super) fn of_body(json: Json<'b>) -> Result<Self, Problem> {
        match json {
            Json::Object(left) => Ok(Self { place: None, left }),
            other => Err(Problem::unprocessable(format!(
                "the body must be an object, not {}",
                other.kind()
            ))),
        }
    }

    /// The path of the field `name`, whether it is there or not.
    pub(super) fn path_of(&self, name: &str) -> String {
        match &self.place {
            None => name.to_owned(),
            Some(place) => format!("{place}.{name}"),
        }
    }

    /// Takes the field `name`. An explicit null is as good as none.
    pub(super) fn take(&mut self, name: &str) -> Option<Field<'b>> {
        let at = self.left.iter().position(|(field, _)| field == name)?;
        let (name, json) = self.left.swap_remove(at);
        (json != Json::Null).then(|| Field {
            place: Place {
                within: self.place.clone(),
                part: Part::Name(name),
            },
            json,
        })
    }

    /// Takes the field `name`, which must be there.
    pub(super) fn need(&mut self, name: &str) -> Result<Field<'b>, Problem> {
        self.take(name)
            .ok_or_else(|| Problem::invalid(self.path_of(name), "is missing"))
    }

    /// Lets the fields `names` be there without a meaning.
    pub(super) fn ignore(&mut self, names: &[&str]) {
        self.left.retain(|(field, _)| !names.contains(&&**field));
    }

    /// Takes every field that is left, in no order: the object is a map.
    pub(super) fn into_entries(self) -> impl Iterator<Item = (Cow<'b, str>, Field<'b>)> {
        let within = self.place;
        self.left.into_iter().map(move |(name, json)| {
            let place = Place {
                within: within.clone(),
                part: Part::Name(name.clone()),
            };
            (name, Field { place, json })
        })
    }

    /// Refuses what nobody took.
    pub(super) fn finish(self) -> Result<(), Problem> {
        match self.left.first() {
            Some((name, _)) => Err(Problem::invalid(
                self.path_of(name),
                "is not a field that is known here",
            )),
            None => Ok(()),
        }
    }
}

impl<'b> Field<'b> {
    /// Where it stands, as a problem names it.
    pub(super) fn path(&self) -> String {
        self.place.to_string()
    }

    /// 422 about this field.
    pub(super) fn wrong(&self, message: impl Display) -> Problem {
        Problem::invalid(self.path(), message)
    }

    fn must_be(&self, what: &str) -> Problem {
        self.wrong(format_args!("must be {what}, not {}", self.json.kind()))
    }

    /// A string that `parse` makes something of.
    pub(super) fn parse<T, E: Display>(
        &self,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<T, Problem> {
        match &self.json {
            Json::Text(text) => parse(text).map_err(|error| self.wrong(error)),
            _ => Err(self.must_be("a string")),
        }
    }

    /// One of the words that `parse` knows; `words` says which.
    pub(super) fn word<T>(&self, words: &str, parse: impl FnOnce(&str) -> Option<T>) -> Result<T, Problem> {
        self.parse(|text| parse(text).ok_or_else(|| format!("must be {words}")))
    }

    pub(super) fn boolean(&self) -> Result<bool, Problem> {
        match self.json {
            Json::Boolean(value) => Ok(value),
            _ => Err(self.must_be("true or false")),
        }
    }

    /// A whole number from `min` to `max`. `8080.0` is none: who sends it has lost the type somewhere.
    pub(super) fn whole(&self, min: u64, max: u64) -> Result<u64, Problem> {
        match self.json {
            Json::Number(Number::Natural(number)) if (min..=max).contains(&number) => Ok(number),
            Json::Number(_) => Err(self.wrong(format_args!("must be a whole number from {min} to {max}"))),
            _ => Err(self.must_be("a number")),
        }
    }

    pub(super) fn u16(&self) -> Result<u16, Problem> {
        let number = self.whole(0, u64::from(u16::MAX))?;
        Ok(u16::try_from(number).expect("just held against its bound"))
    }

    pub(super) fn u32(&self) -> Result<u32, Problem> {
        let number = self.whole(0, u64::from(u32::MAX))?;
        Ok(u32::try_from(number).expect("just held against its bound"))
    }

    pub(super) fn duration(&self) -> Result<Duration, Problem> {
        let read = match &self.json {
            Json::Text(text) => duration::parse(text),
            Json::Number(number) => duration::from_seconds(*number),
            _ => return Err(self.must_be("a duration")),
        };
        read.map_err(|error| self.wrong(error))
    }

    pub(super) fn delay(&self) -> Result<Delay, Problem> {
        Delay::from_duration(self.duration()?).ok_or_else(|| {
            let longest = duration::Shown(limits::DELAY_MAX);
            self.wrong(format_args!("is longer than {longest}"))
        })
    }

    /// A time to live: whole seconds.
    pub(super) fn ttl(&self) -> Result<Ttl, Problem> {
        let duration = self.duration()?;
        if duration.subsec_nanos() != 0 {
            return Err(self.wrong("must be whole seconds"));
        }
        u32::try_from(duration.as_secs())
            .ok()
            .and_then(Ttl::from_seconds)
            .ok_or_else(|| self.wrong(format_args!("is longer than {} seconds", limits::TTL_MAX)))
    }

    pub(super) fn list(self) -> Result<impl Iterator<Item = Self>, Problem> {
        match self.json {
            Json::List(items) => {
                let list = Rc::new(self.place);
                Ok(items.into_iter().enumerate().map(move |(at, json)| Self {
                    place: Place {
                        within: Some(list.clone()),
                        part: Part::Item(at),
                    },
                    json,
                }))
            }
            _ => Err(self.must_be("a list")),
        }
    }

    pub(super) fn object(self) -> Result<Fields<'b>, Problem> {
        match self.json {
            Json::Object(left) => Ok(Fields {
                place: Some(Rc::new(self.place)),
                left,
            }),
            _ => Err(self.must_be("an object")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(body: &str) -> Fields<'_> {
        Fields::of_body(Json::read(body.as_bytes()).expect("JSON")).expect("an object")
    }

    /// Of a body that a test leaves behind.
    fn field(json: &str) -> Field<'static> {
        fields(format!("{{\"x\":{json}}}").leak())
            .need("x")
            .expect("it is there")
    }

    #[test]
    fn what_nobody_took_is_refused_by_its_path() {
        let mut body = fields(r#"{"a":{"b":1,"c":2},"d":null,"e":3}"#);
        let mut a = body.need("a").and_then(Field::object).expect("an object");
        assert!(a.take("b").is_some());
        assert_eq!(a.finish().expect_err("c is left").field(), Some("a.c"));
        assert!(body.take("d").is_none(), "null is absent");
        body.ignore(&["e", "f"]);
        body.finish().expect("nothing is left");
        assert_eq!(
            fields(r#"{"":1}"#)
                .finish()
                .expect_err("a name all the same")
                .field(),
            Some("")
        );
    }

    #[test]
    fn a_missing_field_is_named() {
        assert_eq!(
            fields(r#"{"a":null}"#).need("a").expect_err("absent").field(),
            Some("a")
        );
    }

    #[test]
    fn items_have_their_place_in_the_path() {
        let items: Vec<Field<'_>> = field(r#"[1,"a"]"#).list().expect("a list").collect();
        assert_eq!(items[1].path(), "x[1]");
        assert_eq!(items[1].whole(0, 1).expect_err("a string").field(), Some("x[1]"));
    }

    #[test]
    fn whole_numbers_are_written_whole() {
        assert_eq!(field("65535").u16().ok(), Some(65535));
        for wrong in ["65536", "-1", "8080.0", "1e3", "\"80\"", "true", "[]", "{}"] {
            assert!(field(wrong).u16().is_err(), "{wrong}");
        }
    }

    #[test]
    fn ttls_are_whole_seconds() {
        let ttl = |json| field(json).ttl().ok().map(Ttl::seconds);
        assert_eq!(ttl("\"2000ms\""), Some(2));
        assert_eq!(ttl("5.0"), Some(5));
        assert_eq!(ttl("0"), Some(0));
        assert_eq!(ttl("2147483647"), Some(2_147_483_647));
        for wrong in [
            "2147483648",
            "\"1500ms\"",
            "0.5",
            "-1",
            "\"\"",
            "true",
            "\"18446744073709551615ms\"",
        ] {
            assert_eq!(ttl(wrong), None, "{wrong}");
        }
        assert!(field("\"720h\"").delay().is_ok());
        assert!(field("\"721h\"").delay().is_err());
    }
}
