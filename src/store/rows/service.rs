//! A service's body, and the key of a name that it is known by.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::catalog::{
    Instance, KnownName, Lingering, OnEmpty, PortName, Protocol, Service, ServiceExtras, ServiceName,
    ServiceSettings, TagLabel, Ttl,
};
use crate::clock::Timestamp;

use super::{BodyError, Word, at, delay, ms, ttl, unless, wrong};

/// The body of a row of `services`, and of its image in the change log.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::store) struct ServiceBody {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ttl: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    on_empty: Option<Word<OnEmpty>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    answer_limit: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    forget_after_ms: Option<u32>,
    created_at: i64,
    /// Left out if it is `created_at`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cached_until: Option<i64>,
    /// In a row, left out if it is that of the latest instance: so a change of an instance leaves the service's row
    /// alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    index: Option<u64>,
    /// Only in images: the names without a bearer that the other image lacks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    known: Vec<KnownBody>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KnownBody {
    kind: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    name: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    protocol: String,
    since: i64,
}

impl ServiceBody {
    /// The body of a service's row, if it has one: if it says anything that its instances do not.
    pub(in crate::store) fn row(service: &Service) -> Option<Self> {
        let latest = service.instances.iter().map(|instance| instance.index).max();
        let oldest = service.instances.iter().map(|instance| instance.created_at).min();
        let body = Self {
            index: unless(service.index, &latest.unwrap_or(0)),
            ..Self::whole(service)
        };
        let follows = oldest == Some(service.created_at)
            && service.settings().is_empty()
            && body.index.is_none()
            && body.cached_until.is_none();
        (!follows).then_some(body)
    }

    fn whole(service: &Service) -> Self {
        let settings = service.settings();
        Self {
            ttl: settings.ttl.map(Ttl::seconds),
            on_empty: settings.on_empty.map(Word),
            answer_limit: settings.answer_limit,
            forget_after_ms: settings.forget_after.map(|delay| ms(delay.duration())),
            created_at: service.created_at.unix_ms(),
            cached_until: unless(service.cached_until().unix_ms(), &service.created_at.unix_ms()),
            index: Some(service.index),
            known: Vec::new(),
        }
    }

    /// The body of a service's image in the change log; `other` is the image on the other side of the change.
    pub(in crate::store) fn image(service: &Service, other: Option<&Service>) -> Self {
        let known = |lingering: &Lingering| {
            let key = KnownKey::of(&lingering.name);
            KnownBody {
                kind: key.kind.into(),
                name: key.name.into(),
                protocol: key.protocol.into(),
                since: lingering.since.unix_ms(),
            }
        };
        let others = other.map_or(&[][..], Service::lingering);
        Self {
            known: service
                .lingering()
                .iter()
                .filter(|lingering| {
                    // Both are sorted by name.
                    let at = others.binary_search_by(|other| other.name.cmp(&lingering.name));
                    at.map_or(true, |at| others[at] != **lingering)
                })
                .map(known)
                .collect(),
            ..Self::whole(service)
        }
    }

    /// The body of a service without a row, which has these `instances`.
    pub(in crate::store) fn of(instances: &[Arc<Instance>]) -> Self {
        let oldest = instances
            .iter()
            .map(|instance| instance.created_at.unix_ms())
            .min();
        Self {
            ttl: None,
            on_empty: None,
            answer_limit: None,
            forget_after_ms: None,
            created_at: oldest.unwrap_or(0),
            cached_until: None,
            index: None,
            known: Vec::new(),
        }
    }

    /// The service called `name` that this is the row's body of.
    pub(in crate::store) fn service(
        self,
        name: ServiceName,
        instances: Box<[Arc<Instance>]>,
        lingering: Box<[Lingering]>,
    ) -> Result<Service, BodyError> {
        let latest = instances.iter().map(|instance| instance.index).max();
        let index = self.index.or(latest);
        let created_at = at(self.created_at);
        let extras = ServiceExtras {
            settings: ServiceSettings {
                ttl: self.ttl.map(ttl).transpose()?,
                on_empty: self.on_empty.map(|word| word.0),
                answer_limit: self.answer_limit,
                forget_after: self.forget_after_ms.map(delay).transpose()?,
            },
            lingering,
            cached_until: self.cached_until.map(at),
        };
        Ok(Service {
            name,
            instances,
            created_at,
            index: index.ok_or_else(|| wrong("neither it nor an instance has an index"))?,
            extras: extras.kept(created_at),
        })
    }
}

/// A known name as the key of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) struct KnownKey<'a> {
    pub(in crate::store) kind: &'a str,
    pub(in crate::store) name: &'a str,
    pub(in crate::store) protocol: &'a str,
}

impl<'a> KnownKey<'a> {
    pub(in crate::store) fn of(name: &'a KnownName) -> Self {
        let (kind, name, protocol) = match name {
            KnownName::Service => ("service", "", ""),
            KnownName::Port(name, protocol) => ("port", name.as_str(), protocol.as_str()),
            KnownName::Tag(label) => ("tag", label.as_str(), ""),
        };
        Self { kind, name, protocol }
    }

    /// The name without a bearer since `since_ms`, if the key is one of a name.
    pub(in crate::store) fn lingering(self, since_ms: i64) -> Option<Lingering> {
        let name = match (self.kind, self.name, self.protocol) {
            ("service", "", "") => KnownName::Service,
            ("port", name, protocol) => {
                KnownName::Port(PortName::parse(name).ok()?, Protocol::parse(protocol)?)
            }
            ("tag", label, "") => KnownName::Tag(TagLabel::parse(label).ok()?),
            _ => return None,
        };
        Some(Lingering {
            name,
            since: Timestamp::from_unix_ms(since_ms),
        })
    }
}
