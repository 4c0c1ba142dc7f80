//! `guard show` and `guard release`: what the guard against mass expiry holds, and letting it go.

use clap::{Args, Subcommand};
use ureq::http::Method;

use super::Context;
use super::client::{Connection, encoded};
use super::failure::Done;
use super::table::{Table, text};

/// Show or release what the guard against mass expiry holds
///
/// When many leases lapse at once, the guard holds further ones for a while: those instances are still answered.
#[derive(Debug, Args)]
pub(super) struct Guard {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Show(Show),
    Release(Release),
}

impl Guard {
    pub(super) fn run(self, context: &mut Context<'_>) -> Done {
        match self.command {
            Command::Show(command) => command.run(context),
            Command::Release(command) => command.run(context),
        }
    }
}

/// Show the guard of each zone
#[derive(Debug, Args)]
struct Show {
    /// Of this zone only [default: all]
    #[arg(long, value_name = "ZONE")]
    zone: Option<String>,
    #[command(flatten)]
    api: Connection,
}

/// The path of the guard, of one zone or of all.
fn path(zone: Option<&String>) -> String {
    match zone {
        Some(zone) => format!("/v1/guard?zone={}", encoded(zone)),
        None => "/v1/guard".into(),
    }
}

impl Show {
    fn run(self, context: &mut Context<'_>) -> Done {
        let client = self.api.client(context)?;
        let reply = client.ask(Method::GET, &path(self.zone.as_ref()), None)?;
        if self.api.json {
            return reply.print(context);
        }
        let guards = reply.json()?;
        let mut table = Table::new(&["ZONE", "HOLDS", "LEASES", "LAPSED", "HELD", "UNTIL"]);
        for zone in guards["zones"].as_array().into_iter().flatten() {
            let columns = ["zone", "holds", "leases", "lapsed", "held", "until"];
            table.row(columns.map(|column| text(&zone[column])));
        }
        table.print(context)
    }
}

/// Let go of all that the guard holds
///
/// The instances whose leases it held are not answered any more, unless their heartbeats come back.
#[derive(Debug, Args)]
struct Release {
    /// Of this zone only [default: all]
    #[arg(long, value_name = "ZONE")]
    zone: Option<String>,
    #[command(flatten)]
    api: Connection,
}

impl Release {
    fn run(self, context: &mut Context<'_>) -> Done {
        let client = self.api.client(context)?;
        let reply = client.ask(Method::DELETE, &path(self.zone.as_ref()), None)?;
        if self.api.json {
            return reply.print(context);
        }
        let of = self
            .zone
            .map_or("all zones".into(), |zone| format!("zone {zone}"));
        writeln!(context.out, "released the guard of {of}")?;
        Ok(())
    }
}
