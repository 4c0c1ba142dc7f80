//! An instance's body.

use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU16;
use std::time::Duration;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};

use crate::catalog::{
    Drain, Few, Instance, InstanceExtras, InstanceId, Lease, MetaKey, MetaValue, Output, Port, PortName,
    Protocol, Status, Tag, Verdict,
};

use super::{BodyError, Word, at, delay, ms, unless, wrong};

/// Where the body has none. What is left out means this for ever.
const WEIGHT: u16 = 1;
const DEREGISTER_AFTER_MS: u32 = 600_000;

/// The body of a row of `instances`, and of its image in the change log.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::store) struct InstanceBody {
    /// Text, so that one day a host name can stand here. Read as addresses and held to no further rule: what was
    /// accepted once is never refused at a start.
    #[serde(serialize_with = "write_few", deserialize_with = "read_few")]
    pub(super) addresses: Few<IpAddr>,
    #[serde(
        default,
        skip_serializing_if = "is_empty",
        serialize_with = "write_few",
        deserialize_with = "read_few"
    )]
    pub(super) ports: Few<PortBody>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) tags: Vec<Word<Tag>>,
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        serialize_with = "write_meta",
        deserialize_with = "read_meta"
    )]
    pub(super) meta: Vec<(MetaKey, MetaValue)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) priority: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) weight: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) lease_ms: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) deregister_after_ms: Option<u32>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) verdicts: Vec<VerdictBody>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) drain: Option<DrainBody>,
    pub(super) created_at: i64,
    /// Left out if it is `created_at`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) updated_at: Option<i64>,
    pub(super) index: u64,
    /// Left out if it is `index`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) created_index: Option<u64>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PortBody {
    pub(super) name: Word<PortName>,
    pub(super) number: NonZeroU16,
    /// Left out if it is tcp.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) protocol: Option<Word<Protocol>>,
}

/// A named verdict. `reported` about the instance is left out while it is passing since the registration and says
/// nothing.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct VerdictBody {
    of: Of,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    port: Option<Word<PortName>>,
    status: Word<Status>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    output: Option<Word<Output>>,
    since: i64,
}

/// Whose verdict it is. A `check`, with an id and a kind, comes with active checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Of {
    Reported,
    Lease,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DrainBody {
    since: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    delete_after_ms: Option<u32>,
}

impl From<&Instance> for InstanceBody {
    fn from(instance: &Instance) -> Self {
        let created_at = instance.created_at.unix_ms();
        let port = |port: &Port| PortBody {
            name: Word(port.name.clone()),
            number: port.number,
            protocol: unless(port.protocol, &Protocol::Tcp).map(Word),
        };
        Self {
            addresses: instance.addresses.clone(),
            ports: instance.ports.iter().map(port).collect(),
            tags: instance.tags().iter().cloned().map(Word).collect(),
            meta: instance.meta().to_vec(),
            priority: unless(instance.priority, &0),
            weight: unless(instance.weight, &WEIGHT),
            lease_ms: instance.lease.map(|lease| ms(lease.duration())),
            deregister_after_ms: unless(ms(instance.deregister_after().duration()), &DEREGISTER_AFTER_MS),
            verdicts: verdicts(instance),
            drain: instance.drain().map(|drain| DrainBody {
                since: drain.since.unix_ms(),
                delete_after_ms: drain.delete_after.map(|delay| ms(delay.duration())),
            }),
            created_at,
            updated_at: unless(instance.updated_at.unix_ms(), &created_at),
            index: instance.index,
            created_index: unless(instance.created_index, &instance.index),
        }
    }
}

fn verdicts(instance: &Instance) -> Vec<VerdictBody> {
    let reported = |port: Option<&PortName>, verdict: &Verdict| VerdictBody {
        of: Of::Reported,
        port: port.cloned().map(Word),
        status: Word(verdict.status),
        output: verdict.output.clone().map(Word),
        since: verdict.since.unix_ms(),
    };
    let mut all = Vec::new();
    let own = instance.reported();
    if *own != Verdict::silent(instance.created_at) {
        all.push(reported(None, &own));
    }
    for port in &instance.ports {
        let verdict = instance.reported_of(&port.name);
        all.extend(verdict.map(|verdict| reported(Some(&port.name), verdict)));
    }
    all.extend(instance.lapsed().map(|since| VerdictBody {
        of: Of::Lease,
        port: None,
        status: Word(Status::Critical),
        output: None,
        since: since.unix_ms(),
    }));
    all
}

impl InstanceBody {
    /// The instance called `id` that this is the body of.
    pub(in crate::store) fn instance(self, id: InstanceId) -> Result<Instance, BodyError> {
        let lease = |ms: u32| {
            Lease::from_duration(Duration::from_millis(ms.into()))
                .map_err(|_| wrong(format!("{ms} ms is no lease")))
        };
        let drain = |drain: DrainBody| {
            Ok::<_, BodyError>(Drain {
                since: at(drain.since),
                delete_after: drain.delete_after_ms.map(delay).transpose()?,
            })
        };
        let port = |port: PortBody| Port {
            name: port.name.0,
            number: port.number,
            protocol: port.protocol.map_or(Protocol::Tcp, |word| word.0),
        };
        let created_at = at(self.created_at);
        let mut extras = InstanceExtras {
            tags: self.tags.into_iter().map(|word| word.0).collect(),
            meta: self.meta.into(),
            deregister_after: Some(delay(self.deregister_after_ms.unwrap_or(DEREGISTER_AFTER_MS))?),
            drain: self.drain.map(drain).transpose()?,
            ..InstanceExtras::default()
        };
        let ports: Few<Port> = self.ports.map(port);
        for verdict in self.verdicts {
            verdict.put_on(&mut extras, &ports)?;
        }
        Ok(Instance {
            id,
            addresses: self.addresses,
            ports,
            created_at,
            updated_at: self.updated_at.map_or(created_at, at),
            created_index: self.created_index.unwrap_or(self.index),
            index: self.index,
            extras: extras.kept(created_at),
            lease: self.lease_ms.map(lease).transpose()?,
            priority: self.priority.unwrap_or(0),
            weight: self.weight.unwrap_or(WEIGHT),
        })
    }
}

impl VerdictBody {
    fn put_on(self, extras: &mut InstanceExtras, ports: &[Port]) -> Result<(), BodyError> {
        let verdict = Verdict {
            status: self.status.0,
            output: self.output.map(|word| word.0),
            since: at(self.since),
        };
        match (self.of, self.port) {
            (Of::Reported, None) => extras.reported = Some(verdict),
            (Of::Reported, Some(Word(name))) => {
                if !ports.iter().any(|port| port.name == name) {
                    return Err(wrong(format!("a verdict is about the unknown port {name}")));
                }
                extras.report_of(&name, verdict);
            }
            (Of::Lease, _) => extras.lapsed = Some(verdict.since),
        }
        Ok(())
    }
}

fn is_empty<T>(list: &Few<T>) -> bool {
    list.is_empty()
}

fn write_few<T: Serialize, S: Serializer>(list: &Few<T>, serializer: S) -> Result<S::Ok, S::Error> {
    list[..].serialize(serializer)
}

fn read_few<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Few<T>, D::Error> {
    Vec::deserialize(deserializer).map(Few::from)
}

fn write_meta<S: Serializer>(meta: &[(MetaKey, MetaValue)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(meta.iter().map(|(key, value)| (key.as_str(), value.as_str())))
}

fn read_meta<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<(MetaKey, MetaValue)>, D::Error> {
    struct Reading;
    impl<'de> Visitor<'de> for Reading {
        type Value = Vec<(MetaKey, MetaValue)>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("meta as an object of text")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut meta = Vec::new();
            while let Some((Word(key), Word(value))) = map.next_entry()? {
                meta.push((key, value));
            }
            Ok(meta)
        }
    }
    deserializer.deserialize_map(Reading)
}
