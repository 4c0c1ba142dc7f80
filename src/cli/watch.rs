//! `watch`: what changes, as it changes, for as long as one wants to see it.
//!
//! It reads server-sent events and remembers the last index. A connection that breaks is taken up again from there, so
//! that nothing is missed and nothing is told twice; where the server does not have what came since, it tells everything
//! instead, and says so.

use std::io::{self, BufRead, BufReader, Write};
use std::time::Duration;

use clap::Args;
use serde_json::Value;

use super::Context;
use super::client::{Client, Connection, Stream, encoded};
use super::failure::{Done, Failure};
use super::table::text;

/// The shortest and the longest pause before a connection is tried again.
const PAUSE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(15));
/// Octets of a line. One change has at most some hundred thousand.
const LINE_OCTETS_MAX: u64 = 16 << 20;

/// Follow what changes
///
/// One line for each change, until it is stopped. A connection that breaks is taken up again where it was.
#[derive(Debug, Args)]
pub(super) struct Watch {
    /// Only what changes in services of this name
    #[arg(long, value_name = "SERVICE")]
    service: Option<String>,
    /// Begin with the changes after this index, as far as they are kept
    #[arg(long, value_name = "INDEX", conflicts_with = "snapshot")]
    after: Option<u64>,
    /// Begin with everything there is
    #[arg(long)]
    snapshot: bool,
    /// Zone [default: all of them]
    #[arg(long, value_name = "ZONE", help_heading = "API")]
    zone: Option<String>,
    #[command(flatten)]
    api: Connection,
}

/// How far it has come.
#[derive(Debug)]
struct Progress {
    /// Everything up to this index was told; none before that can be said.
    last: Option<u64>,
    /// Whether to begin with everything where there is no such index.
    snapshot: bool,
    /// The epoch that the index belongs to.
    epoch: Option<String>,
}

impl Progress {
    /// A watch begins, of a catalog of that epoch at that index.
    fn connected(&mut self, epoch: Option<String>, index: Option<u64>) {
        if self.epoch.is_some() && self.epoch != epoch {
            // What it is told now is everything. If it breaks off before it says so, the old index means nothing.
            self.last = None;
            self.snapshot = true;
        }
        self.epoch = epoch;
        if self.last.is_none() && !self.snapshot {
            self.last = index;
        }
    }
}

/// Why a connection ended.
enum Broken {
    /// Another one may do better.
    Lost(String),
    /// None would.
    Final(Failure),
}

impl Watch {
    pub(super) fn run(self, context: &mut Context<'_>) -> Done {
        let client = self.api.client(context)?;
        let mut progress = Progress {
            last: self.after,
            snapshot: self.snapshot,
            epoch: None,
        };
        let mut pause = PAUSE.0;
        let mut was_connected = false;
        loop {
            let before = progress.last;
            let broken = match self.follow(&client, &mut progress, &mut was_connected, context) {
                Broken::Final(failure) => return Err(failure),
                Broken::Lost(why) if !was_connected => return Err(Failure::request(why)),
                Broken::Lost(why) => why,
            };
            if progress.last != before {
                pause = PAUSE.0;
            }
            // Who was cut off together does not come back together.
            let jittered = pause.mul_f64(0.5 + fastrand::f64() / 2.0);
            // Standard error is for people; where nobody reads it, there is nobody to tell.
            let _ = writeln!(
                io::stderr(),
                "callsign: {broken}; trying again in {} ms",
                jittered.as_millis()
            );
            std::thread::sleep(jittered);
            pause = (pause * 2).min(PAUSE.1);
        }
    }

    fn path(&self, progress: &Progress) -> String {
        let after = progress.last.map(|last| ("after", last.to_string()));
        let snapshot =
            (progress.last.is_none() && progress.snapshot).then(|| ("snapshot", "true".to_owned()));
        let parameters = [
            ("zone", self.zone.clone()),
            ("service", self.service.clone()),
            ("epoch", progress.epoch.clone()),
        ];
        let parameters = parameters
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)));
        let all = parameters.chain(after).chain(snapshot);
        let query: Vec<_> = all
            .map(|(name, value)| format!("{name}={}", encoded(&value)))
            .collect();
        match query.is_empty() {
            true => "/v1/watch".to_owned(),
            false => format!("/v1/watch?{}", query.join("&")),
        }
    }

    /// Follows over one connection until it ends.
    fn follow(
        &self,
        client: &Client,
        progress: &mut Progress,
        was_connected: &mut bool,
        context: &mut Context<'_>,
    ) -> Broken {
        let last = progress.last.map(|last| last.to_string());
        let headers = last.as_deref().map(|last| ("last-event-id", last));
        let stream = match client.stream(&self.path(progress), headers) {
            Ok(stream) => stream,
            Err(failure) => return lost(failure),
        };
        let Stream {
            refused,
            epoch,
            index,
            body,
        } = stream;
        if let Some((status, failure)) = refused {
            return match status {
                500.. => lost(failure),
                _ => Broken::Final(failure),
            };
        }
        *was_connected = true;
        progress.connected(epoch, index);
        let mut reader = BufReader::new(body);
        let mut event = Event::default();
        loop {
            let mut line = String::new();
            match io::Read::take(&mut reader, LINE_OCTETS_MAX).read_line(&mut line) {
                Ok(0) => return Broken::Lost("the server ended the watch".to_owned()),
                Ok(_) => {}
                Err(error) => return Broken::Lost(format!("the watch broke off: {error}")),
            }
            if let Some(event) = event.take(line.trim_end_matches(['\n', '\r']))
                && let Err(failure) = self.told(&event, progress, context)
            {
                return Broken::Final(failure);
            }
        }
    }

    /// Takes in what was told, and prints it.
    fn told(&self, event: &Event, progress: &mut Progress, context: &mut Context<'_>) -> Done {
        match (event.kind.as_str(), event.id) {
            // What follows stands by itself: broken off, it is asked for anew.
            ("reset", _) => {
                progress.last = None;
                progress.snapshot = true;
            }
            (_, Some(id)) => progress.last = Some(id),
            (_, None) => {}
        }
        if self.api.json {
            writeln!(context.out, "{}", event.data)?;
        } else {
            let told: Value = serde_json::from_str(&event.data).map_err(|error| {
                Failure::Request(
                    anyhow::Error::new(error).context("the server told something that is not JSON"),
                )
            })?;
            writeln!(context.out, "{}", spoken(&told))?;
        }
        // One who reads wants it now.
        context.out.flush()?;
        Ok(())
    }
}

fn lost(failure: Failure) -> Broken {
    match failure {
        Failure::Request(error) => Broken::Lost(format!("{error:#}")),
        failure => Broken::Final(failure),
    }
}

/// A server-sent event, line by line (WHATWG HTML §9.2.6).
#[derive(Clone, Debug, Default)]
struct Event {
    kind: String,
    id: Option<u64>,
    data: String,
}

impl Event {
    /// Takes a line; the event that it ends, if it does.
    fn take(&mut self, line: &str) -> Option<Self> {
        if line.is_empty() {
            let whole = std::mem::take(self);
            return (!whole.data.is_empty()).then_some(whole);
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.kind),
            "id" => self.id = value.parse().ok(),
            "data" => self.data.push_str(value),
            _ => {}
        }
        None
    }
}

/// A change as one says it.
fn spoken(told: &Value) -> String {
    let kind = text(&told["kind"]);
    let (at, index) = (text(&told["at"]), text(&told["index"]));
    match kind.as_str() {
        "reset" => return "-- changes since then are not kept; this is everything instead:".to_owned(),
        "synced" => return format!("-- that was everything at index {index}; from here on what changes:"),
        _ => {}
    }
    let names = ["instance", "service", "zone"].map(|name| told[name].as_str());
    let what: Vec<_> = names.into_iter().flatten().collect();
    let after = &told["after"];
    let is_now = match (after.is_null(), after["health"]["status"].as_str()) {
        (true, _) => " gone".to_owned(),
        (false, Some(status)) => {
            let draining = if after["draining"] == true {
                " draining"
            } else {
                ""
            };
            format!(" {status}{draining} {}", text(&after["addresses"]))
        }
        (false, None) => String::new(),
    };
    let by = told["by"]
        .as_str()
        .map_or_else(String::new, |by| format!(" (by {by})"));
    format!("{at} {index} {kind} {}{is_now}{by}", what.join("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_put_together_line_by_line() {
        let mut event = Event::default();
        let mut whole = Vec::new();
        for line in [
            ": here",
            "",
            "event: reset",
            "data: {}",
            "",
            "id: 7",
            "data:{\"a\":",
            "data: 1}",
            "unknown",
            "",
            "id: 8",
            "",
        ] {
            whole.extend(event.take(line));
        }
        let told: Vec<_> = whole
            .iter()
            .map(|event| (event.kind.as_str(), event.id, event.data.as_str()))
            .collect();
        assert_eq!(told, [("reset", None, "{}"), ("", Some(7), "{\"a\":1}")]);
    }

    #[test]
    fn an_index_is_not_taken_over_into_another_epoch() {
        let mut progress = Progress {
            last: None,
            snapshot: false,
            epoch: None,
        };
        progress.connected(Some("one".to_owned()), Some(7));
        assert_eq!((progress.last, progress.snapshot), (Some(7), false));
        progress.connected(Some("one".to_owned()), Some(9));
        assert_eq!((progress.last, progress.snapshot), (Some(7), false), "it goes on");
        // And breaks off before anything is told.
        progress.connected(Some("two".to_owned()), Some(9));
        assert_eq!((progress.last, progress.snapshot), (None, true));
    }

    #[test]
    fn a_change_is_one_line() {
        let told = serde_json::json!({
            "index": 7, "at": "2026-01-02T03:04:05.000Z", "kind": "drain", "zone": "svc.internal", "service": "web",
            "instance": "web-1", "by": "deploy@192.0.2.7",
            "after": {"health": {"status": "passing"}, "draining": true, "addresses": ["192.0.2.1", "2001:db8::1"]},
        });
        assert_eq!(
            spoken(&told),
            "2026-01-02T03:04:05.000Z 7 drain web-1.web.svc.internal passing draining 192.0.2.1,2001:db8::1 (by deploy@192.0.2.7)"
        );
        let gone = serde_json::json!({
            "index": 8, "at": "2026-01-02T03:04:05.000Z", "kind": "service", "zone": "svc.internal", "service": "web",
            "instance": null, "by": "expiry", "after": null,
        });
        assert_eq!(
            spoken(&gone),
            "2026-01-02T03:04:05.000Z 8 service web.svc.internal gone (by expiry)"
        );
    }
}
