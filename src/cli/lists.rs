//! `services`, `instances`, `zones`: what there is, as tables.

use clap::Args;
use serde_json::{Value, json};

use super::Context;
use super::client::{Connection, InZone, encoded};
use super::failure::Done;
use super::table::{Table, text};

/// List the services of a zone
///
/// Instances are counted by status; a draining one is counted under its status too.
#[derive(Debug, Args)]
pub(super) struct Services {
    #[command(flatten)]
    zone: InZone,
    #[command(flatten)]
    api: Connection,
}

impl Services {
    pub(super) fn run(self, context: &mut Context<'_>) -> Done {
        let services = self
            .api
            .client(context)?
            .list(&self.zone.services(), "services")?;
        if self.api.json {
            return print(context, "services", services);
        }
        const COUNTS: [&str; 6] = [
            "instances",
            "passing",
            "warning",
            "critical",
            "draining",
            "answerable",
        ];
        let mut table = Table::new(&[
            "NAME",
            "INSTANCES",
            "PASSING",
            "WARNING",
            "CRITICAL",
            "DRAINING",
            "ANSWERABLE",
        ]);
        for service in &services {
            let counts = COUNTS.map(|count| text(&service[count]));
            table.row([text(&service["name"])].into_iter().chain(counts));
        }
        table.print(context)
    }
}

/// List a service's instances
///
/// A port that is not passing has its status behind it.
#[derive(Debug, Args)]
pub(super) struct Instances {
    /// The service
    service: String,
    /// Only those that are answered
    #[arg(long)]
    answerable: bool,
    /// Only those with this tag; given more than once, with all of them
    #[arg(long, value_name = "TAG")]
    tag: Vec<String>,
    #[command(flatten)]
    zone: InZone,
    #[command(flatten)]
    api: Connection,
}

impl Instances {
    pub(super) fn run(self, context: &mut Context<'_>) -> Done {
        let mut filters: Vec<String> = self
            .tag
            .iter()
            .map(|tag| format!("tag={}", encoded(tag)))
            .collect();
        if self.answerable {
            filters.push("answerable=true".into());
        }
        let mut path = format!("{}/instances", self.zone.service(&self.service));
        if !filters.is_empty() {
            path = format!("{path}?{}", filters.join("&"));
        }
        let instances = self.api.client(context)?.list(&path, "instances")?;
        if self.api.json {
            return print(context, "instances", instances);
        }
        let mut table = Table::new(&[
            "ID",
            "ADDRESSES",
            "PORTS",
            "STATUS",
            "DRAINING",
            "PRIORITY",
            "WEIGHT",
            "TAGS",
            "LEASE",
            "EXPIRES",
        ]);
        for instance in &instances {
            table.row([
                text(&instance["id"]),
                text(&instance["addresses"]),
                ports(instance),
                text(&instance["health"]["status"]),
                text(&instance["draining"]),
                text(&instance["priority"]),
                text(&instance["weight"]),
                text(&instance["tags"]),
                text(&instance["lease"]),
                text(&instance["lease_expires_at"]),
            ]);
        }
        table.print(context)
    }
}

/// `http=8080,dns=53/udp,admin=9000:critical`: a port's own status where it is not passing.
fn ports(instance: &Value) -> String {
    let Some(ports) = instance["ports"].as_object() else {
        return String::new();
    };
    let one = |(name, port): (&String, &Value)| {
        let protocol = match port["protocol"].as_str() {
            None | Some("tcp") => String::new(),
            Some(other) => format!("/{other}"),
        };
        let status = match instance["health"]["ports"][name]["status"].as_str() {
            None | Some("passing") => String::new(),
            Some(other) => format!(":{other}"),
        };
        format!("{name}={}{protocol}{status}", port["port"])
    };
    ports.iter().map(one).collect::<Vec<_>>().join(",")
}

/// List the zones
///
/// The settings are their own; what is unset comes from the flags of the server.
#[derive(Debug, Args)]
pub(super) struct Zones {
    #[command(flatten)]
    api: Connection,
}

impl Zones {
    pub(super) fn run(self, context: &mut Context<'_>) -> Done {
        let zones = self.api.client(context)?.list("/v1/zones", "zones")?;
        if self.api.json {
            return print(context, "zones", zones);
        }
        const SETTINGS: [&str; 5] = ["ttl", "negative_ttl", "on_empty", "answer_limit", "forget_after"];
        let mut table = Table::new(&[
            "NAME",
            "SERIAL",
            "SERVICES",
            "TTL",
            "NEGATIVE-TTL",
            "ON-EMPTY",
            "ANSWER-LIMIT",
            "FORGET-AFTER",
        ]);
        for zone in &zones {
            let facts = ["name", "serial", "services"].map(|fact| text(&zone[fact]));
            let settings = SETTINGS.map(|setting| text(&zone["settings"][setting]));
            table.row(facts.into_iter().chain(settings));
        }
        table.print(context)
    }
}

/// All pages of a list as one reply.
fn print(context: &mut Context<'_>, key: &str, entries: Vec<Value>) -> Done {
    writeln!(context.out, "{}", json!({ key: entries }))?;
    Ok(())
}
