//! `set-zone` and `set-service`: some settings from flags, the others as they are.
//!
//! The API's PUT replaces all settings. A person who changes one expects the others to stay, so they are read, merged
//! and put back under the condition that nobody else has changed them meanwhile; if somebody has, again.

use clap::{Args, ValueEnum};
use serde_json::{Map, Value};
use ureq::http::Method;

use super::Context;
use super::client::{Client, Condition, Connection, InZone, Reply, encoded};
use super::failure::{Done, Failure};
use super::register::duration;

/// How often settings are read and put before somebody else's changes are too many.
const ATTEMPTS_MAX: usize = 8;

/// What a service that has no answerable instance answers.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum OnEmptyArgument {
    /// No records, but the name exists
    Nodata,
    /// The name does not exist
    Nxdomain,
    /// Every instance that is not draining
    All,
}

impl OnEmptyArgument {
    fn as_str(self) -> &'static str {
        match self {
            Self::Nodata => "nodata",
            Self::Nxdomain => "nxdomain",
            Self::All => "all",
        }
    }
}

/// The settings that a zone and a service share.
#[derive(Debug, Args)]
struct SharedSettings {
    /// TTL of its records, in whole seconds
    #[arg(long, value_name = "DURATION")]
    ttl: Option<String>,
    /// What is answered where no instance is answerable
    #[arg(long, value_name = "POLICY")]
    on_empty: Option<OnEmptyArgument>,
    /// At most so many instances in an answer; 0 is all
    #[arg(long, value_name = "N")]
    answer_limit: Option<u32>,
    /// How long names stay known after their last instance is gone
    #[arg(long, value_name = "DURATION")]
    forget_after: Option<String>,
}

/// One setting from the command line: a value, or none to unset it.
type Edit = (&'static str, Option<Value>);

impl SharedSettings {
    fn edits(self) -> Vec<Edit> {
        let edits = [
            ("ttl", self.ttl.map(duration)),
            ("on_empty", self.on_empty.map(|policy| policy.as_str().into())),
            ("answer_limit", self.answer_limit.map(Value::from)),
            ("forget_after", self.forget_after.map(duration)),
        ];
        edits.into_iter().filter(|(_, value)| value.is_some()).collect()
    }
}

/// Adds what is to be unset.
fn with_unset(mut edits: Vec<Edit>, unset: &[impl ValueEnum]) -> Done<Vec<Edit>> {
    const SETTINGS: [&str; 5] = ["ttl", "negative_ttl", "on_empty", "answer_limit", "forget_after"];
    for name in unset {
        let name = name
            .to_possible_value()
            .map(|value| value.get_name().replace('-', "_"));
        let setting = SETTINGS
            .into_iter()
            .find(|setting| Some(*setting) == name.as_deref());
        let setting = setting.expect("every name that may be unset is a setting");
        if edits
            .iter()
            .any(|(edited, value)| *edited == setting && value.is_some())
        {
            let flag = setting.replace('_', "-");
            return Err(Failure::usage(format!(
                "--{flag} and --unset {flag} are both given; leave one out"
            )));
        }
        edits.push((setting, None));
    }
    Ok(edits)
}

/// A zone's setting by name.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum ZoneSetting {
    Ttl,
    NegativeTtl,
    OnEmpty,
    AnswerLimit,
    ForgetAfter,
}

/// A service's setting by name.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum ServiceSetting {
    Ttl,
    OnEmpty,
    AnswerLimit,
    ForgetAfter,
}

/// Create a zone or change its settings
///
/// Settings that are not given stay as they are: they are read first, and put back with the change unless somebody
/// else has changed them meanwhile; then it is tried again. A zone that does not exist is created.
#[derive(Debug, Args)]
pub(super) struct SetZone {
    /// The zone
    zone: String,
    #[command(flatten)]
    shared: SharedSettings,
    /// How long a resolver may keep a negative answer, in whole seconds
    #[arg(long, value_name = "DURATION")]
    negative_ttl: Option<String>,
    /// Unset this, so that the server's flag or default holds; may be given more than once
    #[arg(long, value_name = "SETTING")]
    unset: Vec<ZoneSetting>,
    #[command(flatten)]
    api: Connection,
}

impl SetZone {
    pub(super) fn run(self, context: &mut Context<'_>) -> Done {
        let client = self.api.client(context)?;
        let mut edits = self.shared.edits();
        if let Some(ttl) = self.negative_ttl {
            edits.push(("negative_ttl", Some(duration(ttl))));
        }
        let edits = with_unset(edits, &self.unset)?;
        let reply = change(&client, &format!("/v1/zones/{}", encoded(&self.zone)), &edits)?;
        if self.api.json {
            return reply.print(context);
        }
        let done = if reply.status == 201 { "created" } else { "set" };
        let index = reply.index(&reply.json()?);
        writeln!(context.out, "{done} zone {}{index}", self.zone)?;
        Ok(())
    }
}

/// Create a service or change its settings
///
/// Settings that are not given stay as they are: they are read first, and put back with the change unless somebody
/// else has changed the service meanwhile; then it is tried again. A service that does not exist is created.
#[derive(Debug, Args)]
pub(super) struct SetService {
    /// The service
    service: String,
    #[command(flatten)]
    shared: SharedSettings,
    /// Unset this, so that the zone's setting holds; may be given more than once
    #[arg(long, value_name = "SETTING")]
    unset: Vec<ServiceSetting>,
    #[command(flatten)]
    zone: InZone,
    #[command(flatten)]
    api: Connection,
}

impl SetService {
    pub(super) fn run(self, context: &mut Context<'_>) -> Done {
        let client = self.api.client(context)?;
        let edits = with_unset(self.shared.edits(), &self.unset)?;
        let reply = change(&client, &self.zone.service(&self.service), &edits)?;
        if self.api.json {
            return reply.print(context);
        }
        let done = if reply.status == 201 { "created" } else { "set" };
        let body = reply.json()?;
        let (service, index) = (self.zone.spoken(&self.service, &body), reply.index(&body));
        writeln!(context.out, "{done} service {service}{index}")?;
        Ok(())
    }
}

/// Reads the settings at `path`, makes the edits and puts them back, until nobody interferes.
fn change(client: &Client, path: &str, edits: &[Edit]) -> Done<Reply> {
    for _ in 0..ATTEMPTS_MAX {
        let found = client.send(Method::GET, path, &Condition::Any, None)?;
        let (mut settings, condition) = if found.status == 404 {
            (Map::new(), Condition::Absent)
        } else {
            let found = found.accepted()?;
            let settings = match found.json()?["settings"].take() {
                Value::Object(settings) => settings,
                _ => Map::new(),
            };
            // Without its ETag the change could undo another's.
            let Some(etag) = found.etag else {
                return Err(Failure::request(format!("the server gave no ETag for {path}")));
            };
            (settings, Condition::Unchanged(etag))
        };
        for (setting, value) in edits {
            match value {
                Some(value) => settings.insert((*setting).to_owned(), value.clone()),
                None => settings.remove(*setting),
            };
        }
        let reply = client.send(Method::PUT, path, &condition, Some(&settings.into()))?;
        if reply.status != 412 {
            return reply.accepted();
        }
    }
    Err(Failure::request(format!(
        "somebody else kept changing it: {ATTEMPTS_MAX} attempts failed; nothing was changed, try again"
    )))
}
