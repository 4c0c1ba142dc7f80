//! `register` and `deregister`.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::num::NonZeroU16;
use std::str::FromStr;

use clap::{Args, ValueEnum};
use serde::Serialize;
use serde_json::Value;
use ureq::http::Method;

use super::Context;
use super::client::{Connection, InZone};
use super::failure::{Done, Failure};

/// Register an instance, or replace it
///
/// What is left out of a registration that replaces another goes back to its default.
#[derive(Debug, Args)]
pub(super) struct Register {
    /// The service
    service: String,
    /// The instance's id, unique in the service
    id: String,
    /// An address of it; may be given more than once
    #[arg(long, value_name = "IP", required = true)]
    address: Vec<IpAddr>,
    /// A port of it: its number, or NAME=NUMBER, with /udp or /sctp if it is not tcp; may be given more than once
    #[arg(long, value_name = "[NAME=]N[/PROTO]")]
    port: Vec<PortArgument>,
    /// A tag, by which clients can select it; may be given more than once
    #[arg(long, value_name = "TAG")]
    tag: Vec<String>,
    /// An entry of its TXT record; may be given more than once
    #[arg(long, value_name = "KEY=VALUE")]
    meta: Vec<MetaArgument>,
    /// How long it stays answered without a heartbeat, such as 15s [default: until it is deregistered]
    #[arg(long, value_name = "DURATION")]
    lease: Option<String>,
    /// How long after its lease has lapsed it is removed [default: 10m]
    #[arg(long, value_name = "DURATION")]
    deregister_after: Option<String>,
    /// Lower is preferred [default: 0]
    #[arg(long, value_name = "0-65535")]
    priority: Option<u16>,
    /// Share of the clients among those of its priority [default: 1]
    #[arg(long, value_name = "0-65535")]
    weight: Option<u16>,
    /// How well it is [default: passing, or what was reported before]
    #[arg(long)]
    status: Option<StatusArgument>,
    #[command(flatten)]
    zone: InZone,
    #[command(flatten)]
    api: Connection,
}

/// A status as an argument.
#[derive(Clone, Copy, Debug, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(super) enum StatusArgument {
    Passing,
    Warning,
    Critical,
}

/// `8080`, `http=8080` or `dns=53/udp`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct PortArgument {
    name: String,
    port: PortBody,
}

impl FromStr for PortArgument {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, rest) = text.split_once('=').unwrap_or(("main", text));
        let (number, protocol) = match rest.split_once('/') {
            Some((number, protocol)) => (number, Some(protocol)),
            None => (rest, None),
        };
        let port: NonZeroU16 = number
            .parse()
            .map_err(|_| format!("{number:?} is no port number from 1 to 65535"))?;
        let port = match protocol {
            None => PortBody::Tcp(port),
            Some(protocol @ ("tcp" | "udp" | "sctp")) => PortBody::Long {
                port,
                protocol: protocol.to_owned(),
            },
            Some(other) => return Err(format!("{other:?} is no protocol; write tcp, udp or sctp")),
        };
        Ok(Self {
            name: name.to_ascii_lowercase(),
            port,
        })
    }
}

/// `version=2.1`.
#[derive(Clone, Debug)]
struct MetaArgument(String, String);

impl FromStr for MetaArgument {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (key, value) = text.split_once('=').ok_or("has no =; write KEY=VALUE")?;
        Ok(Self(key.to_owned(), value.to_owned()))
    }
}

/// A registration as the API takes it. What was not given is left out: the server knows the defaults.
#[derive(Serialize)]
struct RegisterBody {
    addresses: Vec<IpAddr>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    ports: BTreeMap<String, PortBody>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    meta: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lease: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deregister_after: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    priority: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    weight: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<StatusArgument>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
enum PortBody {
    Tcp(NonZeroU16),
    Long { port: NonZeroU16, protocol: String },
}

/// A duration as the API takes it: digits alone are a number of seconds. The server judges the rest.
pub(super) fn duration(text: String) -> Value {
    match text.parse::<u64>() {
        Ok(seconds) => seconds.into(),
        Err(_) => text.into(),
    }
}

impl Register {
    fn body(self) -> Done<Value> {
        let mut ports = BTreeMap::new();
        for PortArgument { name, port } in self.port {
            if ports.insert(name.clone(), port).is_some() {
                return Err(Failure::usage(format!(
                    "--port {name} is given twice; give each port a name of its own, as in --port http=8080 --port metrics=9100"
                )));
            }
        }
        let mut meta = BTreeMap::new();
        for MetaArgument(key, value) in self.meta {
            if meta.insert(key.clone(), value).is_some() {
                return Err(Failure::usage(format!(
                    "--meta {key} is given twice; leave one out"
                )));
            }
        }
        let body = RegisterBody {
            addresses: self.address,
            ports,
            tags: self.tag,
            meta,
            lease: self.lease.map(duration),
            deregister_after: self.deregister_after.map(duration),
            priority: self.priority,
            weight: self.weight,
            status: self.status,
        };
        Ok(serde_json::to_value(body).expect("plain fields are JSON"))
    }

    pub(super) fn run(self, context: &mut Context<'_>) -> Done {
        let client = self.api.client(context)?;
        let path = self.zone.instance(&self.service, &self.id);
        let (service, id, is_json) = (self.service.clone(), self.id.clone(), self.api.json);
        let zone = InZone {
            zone: self.zone.zone.clone(),
        };
        let reply = client.ask(Method::PUT, &path, Some(&self.body()?))?;
        if is_json {
            return reply.print(context);
        }
        let done = if reply.status == 201 {
            "registered"
        } else {
            "replaced"
        };
        let instance = reply.json()?;
        let index = reply.index(&instance);
        writeln!(
            context.out,
            "{done} {id} in {}{index}",
            zone.spoken(&service, &instance)
        )?;
        Ok(())
    }
}

/// Remove an instance
#[derive(Debug, Args)]
pub(super) struct Deregister {
    /// The service
    service: String,
    /// The instance's id
    id: String,
    #[command(flatten)]
    zone: InZone,
    #[command(flatten)]
    api: Connection,
}

impl Deregister {
    pub(super) fn run(self, context: &mut Context<'_>) -> Done {
        let path = self.zone.instance(&self.service, &self.id);
        let reply = self.api.client(context)?.ask(Method::DELETE, &path, None)?;
        if self.api.json {
            return reply.print(context);
        }
        let (service, index) = (
            self.zone.spoken(&self.service, &Value::Null),
            reply.index(&Value::Null),
        );
        writeln!(context.out, "deregistered {} from {service}{index}", self.id)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_a_number_with_an_optional_name_and_protocol() {
        let port = |text: &str| {
            let PortArgument { name, port } = text.parse()?;
            Ok::<_, String>(format!("{name} {}", serde_json::to_string(&port).expect("JSON")))
        };
        assert_eq!(port("8080"), Ok("main 8080".into()));
        assert_eq!(port("HTTP=8080"), Ok("http 8080".into()));
        assert_eq!(
            port("dns=53/udp"),
            Ok(r#"dns {"port":53,"protocol":"udp"}"#.into())
        );
        assert_eq!(port("53/udp"), Ok(r#"main {"port":53,"protocol":"udp"}"#.into()));
        assert_eq!(port("0"), Err("\"0\" is no port number from 1 to 65535".into()));
        assert_eq!(
            port("http=65536"),
            Err("\"65536\" is no port number from 1 to 65535".into())
        );
        assert_eq!(
            port("http"),
            Err("\"http\" is no port number from 1 to 65535".into())
        );
        assert_eq!(
            port("a=1/quic"),
            Err("\"quic\" is no protocol; write tcp, udp or sctp".into())
        );
    }
}
