//! The JSON shapes of rows and of the change log's images, and their way to the catalog's types and back.
//!
//! They are the store's own and outlive a version of the program: a key is never given another meaning, and the
//! defaults that are left out are the constants of these files, not those of the catalog, which may change. An unknown
//! key is refused: it was written by a program that knows more than this one.

mod instance;
mod plain;
mod service;
mod zone;

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};

use crate::catalog::{
    Delay, MetaKey, MetaValue, OnEmpty, Output, PortName, Protocol, Status, Tag, TagLabel, Ttl, ZoneName,
};
use crate::clock::Timestamp;

pub(super) use instance::InstanceBody;
pub(super) use plain::plain;
pub(super) use service::{KnownKey, ServiceBody};
pub(super) use zone::ZoneBody;

/// Why a body is none: what its column says cannot be.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct BodyError(String);

impl From<serde_json::Error> for BodyError {
    fn from(error: serde_json::Error) -> Self {
        Self(error.to_string())
    }
}

fn wrong(what: impl Into<String>) -> BodyError {
    BodyError(what.into())
}

/// The JSON of a body.
pub(super) fn json(body: &impl Serialize) -> String {
    serde_json::to_string(body).expect("bodies are structs of text and numbers with text as keys")
}

/// Appends the JSON of a body to `text`.
pub(super) fn write_json(body: &impl Serialize, text: &mut Vec<u8>) {
    serde_json::to_writer(text, body).expect("bodies are structs of text and numbers with text as keys");
}

/// The serials of zones by their names.
pub(super) struct Serials<'a>(pub(super) &'a [(ZoneName, u32)]);

impl Serialize for Serials<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let pair = |(zone, serial): &'_ (ZoneName, u32)| (zone.as_str().to_owned(), *serial);
        match self.0 {
            [(zone, serial)] => serializer.collect_map([(zone.as_str(), serial)]),
            several => serializer.collect_map(several.iter().map(pair).collect::<BTreeMap<_, _>>()),
        }
    }
}

/// A value that is one word of text.
trait Spelled: Sized {
    fn read(text: &str) -> Option<Self>;
    fn spelling(&self) -> &str;
}

macro_rules! spelled {
    ($($name:ty: $parse:expr;)*) => {$(
        impl Spelled for $name {
            fn read(text: &str) -> Option<Self> {
                $parse(text)
            }

            fn spelling(&self) -> &str {
                self.as_str()
            }
        }
    )*};
}

spelled! {
    PortName: |text| Self::parse(text).ok();
    TagLabel: |text| Self::parse(text).ok();
    Tag: |text| Self::parse(text).ok();
    MetaKey: |text| Self::parse(text).ok();
    MetaValue: |text| Self::parse(text).ok();
    Output: |text| Self::parse(text).ok().flatten();
    Status: Self::parse;
    Protocol: Self::parse;
    OnEmpty: Self::parse;
}

/// A [`Spelled`] value in JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Word<T>(T);

impl<T: Spelled> Serialize for Word<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.spelling())
    }
}

impl<'de, T: Spelled> Deserialize<'de> for Word<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reading<T>(PhantomData<T>);
        impl<T: Spelled> Visitor<'_> for Reading<T> {
            type Value = Word<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let name = std::any::type_name::<T>();
                write!(f, "a {}", name.rsplit("::").next().unwrap_or(name))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                T::read(text)
                    .map(Word)
                    .ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_str(Reading(PhantomData))
    }
}

fn ttl(seconds: u32) -> Result<Ttl, BodyError> {
    Ttl::from_seconds(seconds).ok_or_else(|| wrong(format!("{seconds} s is no TTL")))
}

fn delay(ms: u32) -> Result<Delay, BodyError> {
    Delay::from_duration(Duration::from_millis(ms.into()))
        .ok_or_else(|| wrong(format!("{ms} ms is no delay")))
}

fn ms(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).expect("the catalog's delays and leases are below 2^32 ms")
}

fn at(ms: i64) -> Timestamp {
    Timestamp::from_unix_ms(ms)
}

/// `value`, unless it is `default`.
fn unless<T: PartialEq>(value: T, default: &T) -> Option<T> {
    (value != *default).then_some(value)
}
