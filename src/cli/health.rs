//! `heartbeat`, `health` and `drain`: how a registered instance is.

use clap::Args;
use serde_json::{Value, json};
use ureq::http::Method;

use super::Context;
use super::client::{Connection, InZone};
use super::failure::{Done, Failure};
use super::register::{StatusArgument, duration};

/// Renew the leases of instances
///
/// Without a lease it does nothing. If an instance is gone it must be registered again: the exit code is then 1. Several
/// instances of a service are renewed by one request.
#[derive(Debug, Args)]
pub(super) struct Heartbeat {
    /// The service
    service: String,
    /// The instances' ids
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,
    #[command(flatten)]
    zone: InZone,
    #[command(flatten)]
    api: Connection,
}

impl Heartbeat {
    pub(super) fn run(self, context: &mut Context<'_>) -> Done {
        match &self.ids[..] {
            [id] => self.renew_one(id, context),
            ids => self.renew_all(ids, context),
        }
    }

    fn renew_one(&self, id: &str, context: &mut Context<'_>) -> Done {
        let path = format!("{}/heartbeat", self.zone.instance(&self.service, id));
        let reply = self.api.client(context)?.ask(Method::PUT, &path, None)?;
        if self.api.json {
            return reply.print(context);
        }
        let (service, index) = (
            self.zone.spoken(&self.service, &Value::Null),
            reply.index(&Value::Null),
        );
        writeln!(context.out, "renewed {id} in {service}{index}")?;
        Ok(())
    }

    fn renew_all(&self, ids: &[String], context: &mut Context<'_>) -> Done {
        let instances: Vec<_> = ids.iter().map(|id| format!("{}/{id}", self.service)).collect();
        let body = json!({ "instances": instances });
        let path = self.zone.heartbeats();
        let reply = self.api.client(context)?.ask(Method::POST, &path, Some(&body))?;
        let renewed = reply.json()?;
        if self.api.json {
            reply.print(context)?;
        } else {
            let service = self.zone.spoken(&self.service, &Value::Null);
            let (count, index) = (&renewed["renewed"], reply.index(&Value::Null));
            writeln!(
                context.out,
                "renewed {count} of {} in {service}{index}",
                ids.len()
            )?;
        }
        let unknown: Vec<_> = renewed["unknown"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        match unknown[..] {
            [] => Ok(()),
            _ => Err(Failure::request(format!(
                "not registered any more: {}; register again what runs",
                unknown.join(", ")
            ))),
        }
    }
}

/// Report how well an instance is; this renews its lease too
///
/// It sets the verdict `reported` of the instance, or of one of its ports. What is critical is not answered.
#[derive(Debug, Args)]
pub(super) struct Health {
    /// The service
    service: String,
    /// The instance's id
    id: String,
    /// How well it is
    status: StatusArgument,
    /// Why, for people
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    output: Option<String>,
    /// The name of the port that this is about [default: the instance as a whole]
    #[arg(long, value_name = "NAME")]
    port: Option<String>,
    #[command(flatten)]
    zone: InZone,
    #[command(flatten)]
    api: Connection,
}

impl Health {
    pub(super) fn run(self, context: &mut Context<'_>) -> Done {
        let mut body = json!({ "status": self.status });
        let subject = match &self.port {
            Some(port) => format!("port {port} of {}", self.id),
            None => self.id.clone(),
        };
        for (field, value) in [("output", self.output), ("port", self.port)] {
            if let Some(value) = value {
                body[field] = value.into();
            }
        }
        let path = format!("{}/health", self.zone.instance(&self.service, &self.id));
        let reply = self.api.client(context)?.ask(Method::PUT, &path, Some(&body))?;
        if self.api.json {
            return reply.print(context);
        }
        let instance = reply.json()?;
        let (service, index) = (self.zone.spoken(&self.service, &instance), reply.index(&instance));
        let status = body["status"].as_str().unwrap_or_default();
        writeln!(context.out, "reported {subject} in {service} as {status}{index}")?;
        Ok(())
    }
}

/// Take an instance out of every answer before it stops
///
/// It stays registered, and its host name stays answered. The reply says from when on no cache names it any more.
#[derive(Debug, Args)]
pub(super) struct Drain {
    /// The service
    service: String,
    /// The instance's id
    id: String,
    /// Remove it so long after
    #[arg(long, value_name = "DURATION", conflicts_with = "undo")]
    delete_after: Option<String>,
    /// Answer it again
    #[arg(long)]
    undo: bool,
    #[command(flatten)]
    zone: InZone,
    #[command(flatten)]
    api: Connection,
}

impl Drain {
    pub(super) fn run(self, context: &mut Context<'_>) -> Done {
        let mut body = json!({ "draining": !self.undo });
        if let Some(after) = self.delete_after {
            body["delete_after"] = duration(after);
        }
        let path = format!("{}/drain", self.zone.instance(&self.service, &self.id));
        let reply = self.api.client(context)?.ask(Method::PUT, &path, Some(&body))?;
        if self.api.json {
            return reply.print(context);
        }
        let instance = reply.json()?;
        let (service, index) = (self.zone.spoken(&self.service, &instance), reply.index(&instance));
        let id = &self.id;
        match instance["safe_to_stop_at"].as_str() {
            _ if self.undo => writeln!(context.out, "ended the drain of {id} in {service}{index}")?,
            Some(at) => writeln!(
                context.out,
                "draining {id} in {service}{index}, safe to stop at {at}"
            )?,
            None => writeln!(context.out, "draining {id} in {service}{index}")?,
        }
        Ok(())
    }
}
