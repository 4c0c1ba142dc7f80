//! `callsign dump`: the catalog as it is on disk, as JSON. The shapes are the API's where the API has one; what only
//! memory knows (when a lease ends) is not there.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde::{Serialize, Serializer};

use crate::catalog::{
    Instance, KnownName, Lingering, Port, Service, ServiceSettings, State, Status, Ttl, Verdict, Zone,
    ZoneSettings,
};
use crate::store::{self, Identity};

use super::Context;
use super::failure::Done;

/// Print the catalog as JSON, also beside a running server
///
/// The order depends on nothing but the catalog. Nothing is written.
#[derive(Debug, Args)]
pub(super) struct Dump {
    /// Folder of the catalog [env: CALLSIGN_DATA_DIR] [default: callsign-data]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

impl Dump {
    pub(super) fn run(self, context: &mut Context<'_>) -> Done {
        let dir = context.data_dir(self.data_dir);
        let (state, identity) = store::read(&dir)?;
        serde_json::to_writer_pretty(&mut *context.out, &Catalog::of(&state, &identity))
            .map_err(std::io::Error::from)?;
        writeln!(context.out)?;
        Ok(())
    }
}

/// The catalog. Zones and services are turned into their shapes one by one as they are written: a large catalog is not
/// in memory twice.
#[derive(Serialize)]
struct Catalog<'a> {
    epoch: String,
    index: u64,
    #[serde(serialize_with = "each_zone")]
    zones: &'a State,
    /// The last serials of zones that were deleted.
    deleted_zones: BTreeMap<&'a str, u32>,
}

impl<'a> Catalog<'a> {
    fn of(state: &'a State, identity: &Identity) -> Self {
        Self {
            epoch: identity.epoch.to_string(),
            index: state.index,
            zones: state,
            deleted_zones: state
                .retired
                .iter()
                .map(|(zone, serial)| (zone.as_str(), *serial))
                .collect(),
        }
    }
}

fn each_zone<S: Serializer>(state: &&State, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(state.zones.values().map(|zone| ZoneShape::of(zone)))
}

#[derive(Serialize)]
struct ZoneShape<'a> {
    name: &'a str,
    serial: u32,
    settings: SettingsShape,
    created_at: String,
    index: u64,
    #[serde(serialize_with = "each_service")]
    services: &'a Zone,
}

impl<'a> ZoneShape<'a> {
    fn of(zone: &'a Zone) -> Self {
        Self {
            name: zone.name.as_str(),
            serial: zone.serial,
            settings: (&zone.settings).into(),
            created_at: zone.created_at.to_string(),
            index: zone.index,
            services: zone,
        }
    }
}

fn each_service<S: Serializer>(zone: &&Zone, serializer: S) -> Result<S::Ok, S::Error> {
    let shapes = zone
        .services
        .iter()
        .map(|service| ServiceShape::of(zone, service));
    serializer.collect_seq(shapes)
}

/// A zone's or a service's own settings; what is unset is absent.
#[derive(Serialize)]
struct SettingsShape {
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    negative_ttl: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    on_empty: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    answer_limit: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    forget_after: Option<String>,
}

impl From<&ZoneSettings> for SettingsShape {
    fn from(settings: &ZoneSettings) -> Self {
        Self {
            ttl: settings.ttl.map(Ttl::duration).map(duration),
            negative_ttl: settings.negative_ttl.map(Ttl::duration).map(duration),
            on_empty: settings.on_empty.map(|policy| policy.as_str()),
            answer_limit: settings.answer_limit,
            forget_after: settings.forget_after.map(|delay| duration(delay.duration())),
        }
    }
}

impl From<&ServiceSettings> for SettingsShape {
    fn from(settings: &ServiceSettings) -> Self {
        Self {
            ttl: settings.ttl.map(Ttl::duration).map(duration),
            negative_ttl: None,
            on_empty: settings.on_empty.map(|policy| policy.as_str()),
            answer_limit: settings.answer_limit,
            forget_after: settings.forget_after.map(|delay| duration(delay.duration())),
        }
    }
}

#[derive(Serialize)]
struct ServiceShape<'a> {
    zone: &'a str,
    name: &'a str,
    settings: SettingsShape,
    created_at: String,
    index: u64,
    instances: Vec<InstanceShape<'a>>,
    /// Names that are known though no instance bears them.
    lingering: Vec<LingeringShape<'a>>,
}

impl<'a> ServiceShape<'a> {
    fn of(zone: &'a Zone, service: &'a Service) -> Self {
        Self {
            zone: zone.name.as_str(),
            name: service.name.as_str(),
            settings: service.settings().into(),
            created_at: service.created_at.to_string(),
            index: service.index,
            instances: service
                .instances
                .iter()
                .map(|instance| InstanceShape::of(zone, service, instance))
                .collect(),
            lingering: service.lingering().iter().map(LingeringShape::of).collect(),
        }
    }
}

#[derive(Serialize)]
struct LingeringShape<'a> {
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    protocol: Option<&'static str>,
    since: String,
}

impl<'a> LingeringShape<'a> {
    fn of(lingering: &'a Lingering) -> Self {
        let (kind, name, protocol) = match &lingering.name {
            KnownName::Service => ("service", None, None),
            KnownName::Port(name, protocol) => ("port", Some(name.as_str()), Some(protocol.as_str())),
            KnownName::Tag(tag) => ("tag", Some(tag.as_str()), None),
        };
        Self {
            kind,
            name,
            protocol,
            since: lingering.since.to_string(),
        }
    }
}

#[derive(Serialize)]
struct InstanceShape<'a> {
    zone: &'a str,
    service: &'a str,
    id: &'a str,
    addresses: &'a [IpAddr],
    ports: BTreeMap<&'a str, PortShape>,
    priority: u16,
    weight: u16,
    tags: Vec<&'a str>,
    meta: BTreeMap<&'a str, &'a str>,
    lease: Option<String>,
    deregister_after: String,
    health: HealthShape<'a>,
    draining: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    draining_since: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delete_after: Option<String>,
    created_at: String,
    updated_at: String,
    created_index: u64,
    index: u64,
}

#[derive(Serialize)]
struct PortShape {
    port: u16,
    protocol: &'static str,
}

impl<'a> InstanceShape<'a> {
    fn of(zone: &'a Zone, service: &'a Service, instance: &'a Instance) -> Self {
        let port = |port: &'a Port| {
            let shape = PortShape {
                port: port.number.get(),
                protocol: port.protocol.as_str(),
            };
            (port.name.as_str(), shape)
        };
        let drain = instance.drain();
        Self {
            zone: zone.name.as_str(),
            service: service.name.as_str(),
            id: instance.id.as_str(),
            addresses: &instance.addresses,
            ports: instance.ports.iter().map(port).collect(),
            priority: instance.priority,
            weight: instance.weight,
            tags: instance.tags().iter().map(|tag| tag.as_str()).collect(),
            meta: instance
                .meta()
                .iter()
                .map(|(key, value)| (key.as_str(), value.as_str()))
                .collect(),
            lease: instance.lease.map(|lease| duration(lease.duration())),
            deregister_after: duration(instance.deregister_after().duration()),
            health: HealthShape::of(instance),
            draining: drain.is_some(),
            draining_since: drain.map(|drain| drain.since.to_string()),
            delete_after: drain
                .and_then(|drain| drain.delete_after)
                .map(|delay| duration(delay.duration())),
            created_at: instance.created_at.to_string(),
            updated_at: instance.updated_at.to_string(),
            created_index: instance.created_index,
            index: instance.index,
        }
    }
}

/// The worst verdict, and every one.
#[derive(Serialize)]
struct HealthShape<'a> {
    #[serde(flatten)]
    worst: VerdictShape<'a>,
    ports: BTreeMap<&'a str, VerdictShape<'a>>,
    verdicts: BTreeMap<&'static str, VerdictShape<'a>>,
}

impl<'a> HealthShape<'a> {
    fn of(instance: &'a Instance) -> Self {
        let reported = match instance.reported() {
            Cow::Borrowed(verdict) => VerdictShape::of(verdict),
            Cow::Owned(_) => VerdictShape::unspoken(instance),
        };
        let mut verdicts = BTreeMap::from([("reported", reported.clone())]);
        let mut worst = reported;
        if let Some(lease) = instance.lease {
            let verdict = match instance.lapsed() {
                Some(lapsed) => VerdictShape {
                    status: "critical",
                    output: format!("no heartbeat for {}", duration(lease.duration())).into(),
                    since: lapsed.to_string(),
                },
                None => VerdictShape::unspoken(instance),
            };
            // Of two that are equally bad the reported one is shown: somebody said something with it.
            if instance.lapsed().is_some() && instance.reported().status != Status::Critical {
                worst = verdict.clone();
            }
            verdicts.insert("lease", verdict);
        }
        let port = |port: &'a Port| {
            let verdict = instance.reported_of(&port.name);
            (
                port.name.as_str(),
                verdict.map_or_else(|| VerdictShape::unspoken(instance), VerdictShape::of),
            )
        };
        Self {
            worst,
            ports: instance.ports.iter().map(port).collect(),
            verdicts,
        }
    }
}

#[derive(Clone, Serialize)]
struct VerdictShape<'a> {
    status: &'static str,
    output: Cow<'a, str>,
    since: String,
}

impl<'a> VerdictShape<'a> {
    fn of(verdict: &'a Verdict) -> Self {
        Self {
            status: verdict.status.as_str(),
            output: verdict
                .output
                .as_ref()
                .map_or("", |output| output.as_str())
                .into(),
            since: verdict.since.to_string(),
        }
    }

    /// Nobody said anything: passing since there is the instance.
    fn unspoken(instance: &Instance) -> Self {
        Self {
            status: "passing",
            output: "".into(),
            since: instance.created_at.to_string(),
        }
    }
}

/// One integer in the largest unit of `ms`, `s`, `m` and `h` that is exact.
fn duration(duration: Duration) -> String {
    let ms = duration.as_millis();
    match ms {
        _ if ms.is_multiple_of(3_600_000) => format!("{}h", ms / 3_600_000),
        _ if ms.is_multiple_of(60_000) => format!("{}m", ms / 60_000),
        _ if ms.is_multiple_of(1000) => format!("{}s", ms / 1000),
        _ => format!("{ms}ms"),
    }
}

#[cfg(test)]
mod tests;
