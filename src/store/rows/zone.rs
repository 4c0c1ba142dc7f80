//! A zone's body.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::catalog::{Base, OnEmpty, Services, Ttl, Zone, ZoneName, ZoneSettings};

use super::{BodyError, Word, at, delay, ms, ttl, unless, wrong};

/// The body of a row of `zones`, and of its image in the change log.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::store) struct ZoneBody {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ttl: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    negative_ttl: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    on_empty: Option<Word<OnEmpty>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    answer_limit: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    forget_after_ms: Option<u32>,
    base: BaseBody,
    created_at: i64,
    /// Left out if it is `created_at`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cached_until: Option<i64>,
    index: u64,
    /// The digest of the zone file that the serial stands for, in hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    /// Only in images: a row's is in the table `serials`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    serial: Option<u32>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BaseBody {
    ttl: u32,
    negative_ttl: u32,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    name_servers: Vec<IpAddr>,
}

impl ZoneBody {
    /// The body of a zone's row.
    pub(in crate::store) fn row(zone: &Zone) -> Self {
        Self {
            ttl: zone.settings.ttl.map(Ttl::seconds),
            negative_ttl: zone.settings.negative_ttl.map(Ttl::seconds),
            on_empty: zone.settings.on_empty.map(Word),
            answer_limit: zone.settings.answer_limit,
            forget_after_ms: zone.settings.forget_after.map(|delay| ms(delay.duration())),
            base: BaseBody {
                ttl: zone.base.ttl.seconds(),
                negative_ttl: zone.base.negative_ttl.seconds(),
                name_servers: zone.base.name_servers.to_vec(),
            },
            created_at: zone.created_at.unix_ms(),
            cached_until: unless(zone.cached_until.unix_ms(), &zone.created_at.unix_ms()),
            index: zone.index,
            file: zone.file.map(|digest| format!("{digest:032x}")),
            serial: None,
        }
    }

    /// The body of a zone's image in the change log.
    pub(in crate::store) fn image(zone: &Zone) -> Self {
        Self {
            serial: Some(zone.serial),
            ..Self::row(zone)
        }
    }

    /// The zone called `name` that this is an image of, without services.
    pub(in crate::store) fn zone_of_image(self, name: ZoneName) -> Result<Zone, BodyError> {
        let serial = self.serial.ok_or_else(|| wrong("it has no serial"))?;
        self.zone(name, serial)
    }

    /// The zone called `name` that this is the row's body of, without services.
    pub(in crate::store) fn zone(self, name: ZoneName, serial: u32) -> Result<Zone, BodyError> {
        Ok(Zone {
            name,
            settings: ZoneSettings {
                ttl: self.ttl.map(ttl).transpose()?,
                negative_ttl: self.negative_ttl.map(ttl).transpose()?,
                on_empty: self.on_empty.map(|word| word.0),
                answer_limit: self.answer_limit,
                forget_after: self.forget_after_ms.map(delay).transpose()?,
            },
            base: Base {
                ttl: ttl(self.base.ttl)?,
                negative_ttl: ttl(self.base.negative_ttl)?,
                name_servers: self.base.name_servers.into(),
            },
            serial,
            file: self.file.as_deref().map(digest).transpose()?,
            contents: None,
            reverse: None,
            services: Services::default(),
            created_at: at(self.created_at),
            index: self.index,
            cached_until: at(self.cached_until.unwrap_or(self.created_at)),
            instances: 0,
        })
    }
}

fn digest(text: &str) -> Result<u128, BodyError> {
    u128::from_str_radix(text, 16).map_err(|_| wrong(format!("{text:?} is no digest")))
}
