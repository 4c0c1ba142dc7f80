//! An instance as the API shows it: long forms only.

use std::borrow::Cow;
use std::net::IpAddr;

use serde::{Serialize, Serializer};

use crate::catalog::{
    Instance, InstanceKey, MetaKey, MetaValue, Port, ServiceName, Status, Tag, Verdict, ZoneName,
};
use crate::clock::Timestamp;
use crate::lease::Deadlines;

use super::duration::Shown;

/// An instance with where it stands and when its deadlines are.
pub(super) struct InstanceShown<'a> {
    pub(super) zone: &'a ZoneName,
    pub(super) service: &'a ServiceName,
    pub(super) instance: &'a Instance,
    pub(super) deadlines: &'a Deadlines,
    /// Of the reply to a drain alone.
    pub(super) safe_to_stop_at: Option<Timestamp>,
}

#[derive(Serialize)]
struct Shape<'a> {
    zone: &'a str,
    service: &'a str,
    id: &'a str,
    addresses: &'a [IpAddr],
    #[serde(serialize_with = "ports")]
    ports: &'a [Port],
    priority: u16,
    weight: u16,
    #[serde(serialize_with = "tags")]
    tags: &'a [Tag],
    #[serde(serialize_with = "meta")]
    meta: &'a [(MetaKey, MetaValue)],
    lease: Option<Shown>,
    deregister_after: Shown,
    checks: [(); 0],
    health: Health<'a>,
    draining: bool,
    lease_expires_at: Option<At>,
    remove_at: Option<At>,
    created_at: At,
    updated_at: At,
    created_index: u64,
    index: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    safe_to_stop_at: Option<At>,
}

/// A time as the API shows it: RFC 3339, UTC.
pub(super) struct At(pub(super) Timestamp);

impl Serialize for At {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

#[derive(Clone, Copy, Serialize)]
struct Opinion<'a> {
    #[serde(serialize_with = "status")]
    status: Status,
    output: Output<'a>,
    #[serde(serialize_with = "timestamp")]
    since: Timestamp,
}

impl<'a> Opinion<'a> {
    fn of(verdict: &'a Verdict) -> Self {
        Self {
            status: verdict.status,
            output: Output::Said(verdict.output.as_ref().map_or("", |output| output.as_str())),
            since: verdict.since,
        }
    }

    fn of_instance(instance: &'a Instance) -> Self {
        match instance.reported() {
            Cow::Borrowed(verdict) => Self::of(verdict),
            // Nobody has said anything.
            Cow::Owned(verdict) => Self::unspoken(verdict.status, verdict.since),
        }
    }

    fn unspoken(status: Status, since: Timestamp) -> Self {
        Self {
            status,
            output: Output::Said(""),
            since,
        }
    }
}

#[derive(Clone, Copy)]
enum Output<'a> {
    Said(&'a str),
    /// A lease of this length got no heartbeat.
    Lapsed(Shown),
}

impl Serialize for Output<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Said(text) => serializer.serialize_str(text),
            Self::Lapsed(lease) => serializer.collect_str(&format_args!("no heartbeat for {lease}")),
        }
    }
}

#[derive(Serialize)]
struct Health<'a> {
    #[serde(flatten)]
    worst: Opinion<'a>,
    #[serde(serialize_with = "port_health")]
    ports: &'a Instance,
    verdicts: Verdicts<'a>,
}

#[derive(Serialize)]
struct Verdicts<'a> {
    reported: Opinion<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lease: Option<Opinion<'a>>,
}

impl<'a> Health<'a> {
    fn of(instance: &'a Instance) -> Self {
        let reported = Opinion::of_instance(instance);
        let lease = instance.lease.map(|lease| match instance.lapsed() {
            Some(since) => Opinion {
                status: Status::Critical,
                output: Output::Lapsed(Shown(lease.duration())),
                since,
            },
            // The catalog does not keep when a lapse was undone.
            None => Opinion::unspoken(Status::Passing, instance.created_at),
        });
        // Of two that are equally bad the reported one is shown: somebody said something with it.
        let worst = match lease {
            Some(lease) if lease.status > reported.status => lease,
            _ => reported,
        };
        Self {
            worst,
            ports: instance,
            verdicts: Verdicts { reported, lease },
        }
    }
}

impl Serialize for InstanceShown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let instance = self.instance;
        let key = InstanceKey {
            zone: self.zone.clone(),
            service: self.service.clone(),
            id: instance.id.clone(),
        };
        let expires = |_| {
            instance
                .lapsed()
                .or_else(|| self.deadlines.lease_expires_at(&key))
        };
        Shape {
            zone: self.zone.as_str(),
            service: self.service.as_str(),
            id: instance.id.as_str(),
            addresses: &instance.addresses,
            ports: &instance.ports,
            priority: instance.priority,
            weight: instance.weight,
            tags: instance.tags(),
            meta: instance.meta(),
            lease: instance.lease.map(|lease| Shown(lease.duration())),
            deregister_after: Shown(instance.deregister_after().duration()),
            checks: [],
            health: Health::of(instance),
            draining: instance.drain().is_some(),
            lease_expires_at: instance.lease.and_then(expires).map(At),
            remove_at: self.deadlines.remove_at(&key).map(At),
            created_at: At(instance.created_at),
            updated_at: At(instance.updated_at),
            created_index: instance.created_index,
            index: instance.index,
            safe_to_stop_at: self.safe_to_stop_at.map(At),
        }
        .serialize(serializer)
    }
}

fn status<S: Serializer>(status: &Status, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(status.as_str())
}

fn timestamp<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(at)
}

fn ports<S: Serializer>(ports: &[Port], serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Long {
        port: u16,
        protocol: &'static str,
    }
    serializer.collect_map(ports.iter().map(|port| {
        let long = Long {
            port: port.number.get(),
            protocol: port.protocol.as_str(),
        };
        (port.name.as_str(), long)
    }))
}

fn port_health<S: Serializer>(instance: &&Instance, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(instance.ports.iter().map(|port| {
        let opinion = match instance.reported_of(&port.name) {
            Some(verdict) => Opinion::of(verdict),
            None => Opinion::unspoken(Status::Passing, instance.created_at),
        };
        (port.name.as_str(), opinion)
    }))
}

fn tags<S: Serializer>(tags: &[Tag], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(tags.iter().map(Tag::as_str))
}

fn meta<S: Serializer>(meta: &[(MetaKey, MetaValue)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(meta.iter().map(|(key, value)| (key.as_str(), value.as_str())))
}
