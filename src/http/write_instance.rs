//! An instance as the API shows it: long forms only.

use std::borrow::Cow;

use crate::catalog::{Instance, InstanceKey, Kind, Record, ServiceName, Status, Verdict, ZoneName};
use crate::clock::Timestamp;
use crate::lease::Deadlines;

use super::duration::Shown;
use super::write_json::{JsonText, Shape};

/// About how many octets an instance has: with one port it is shown in 600 to 700.
pub(super) const OCTETS_USUAL: usize = 768;

/// Where an instance's deadlines are taken from.
#[derive(Clone, Copy)]
pub(super) enum Times<'a> {
    /// As they are now.
    Now(&'a Deadlines),
    /// As a change set them, with no heartbeat since: of that change alone.
    Of(&'a Record),
}

/// An instance with where it stands and when its deadlines are.
pub(super) struct InstanceShown<'a> {
    pub(super) zone: &'a ZoneName,
    pub(super) service: &'a ServiceName,
    pub(super) instance: &'a Instance,
    pub(super) times: Times<'a>,
    /// Of the reply to a drain alone.
    pub(super) safe_to_stop_at: Option<Timestamp>,
}

impl Shape for InstanceShown<'_> {
    fn write(&self, json: &mut JsonText) {
        json.object(|json| self.fields(json));
    }
}

impl InstanceShown<'_> {
    fn fields(&self, json: &mut JsonText) {
        let instance = self.instance;
        json.name("zone").text(self.zone.as_str());
        json.name("service").text(self.service.as_str());
        json.name("id").text(instance.id.as_str());
        json.name("addresses")
            .list(&instance.addresses, |json, address| json.shown(address));
        json.name("ports").object(|json| {
            for port in &instance.ports {
                json.key(port.name.as_str()).object(|json| {
                    json.name("port").number(port.number.get());
                    json.name("protocol").text(port.protocol.as_str());
                });
            }
        });
        json.name("priority").number(instance.priority);
        json.name("weight").number(instance.weight);
        json.name("tags")
            .list(instance.tags(), |json, tag| json.text(tag.as_str()));
        json.name("meta").object(|json| {
            for (key, value) in instance.meta() {
                json.key(key.as_str()).text(value.as_str());
            }
        });
        json.name("lease");
        match instance.lease {
            Some(lease) => json.shown(&Shown(lease.duration())),
            None => json.null(),
        }
        json.name("deregister_after")
            .shown(&Shown(instance.deregister_after().duration()));
        json.name("checks").list([], |_, (): ()| {});
        json.name("health").object(|json| health(instance, json));
        json.name("draining").boolean(instance.drain().is_some());
        let (expires_at, remove_at) = self.deadlines();
        for (name, at) in [("lease_expires_at", expires_at), ("remove_at", remove_at)] {
            json.name(name);
            match at {
                Some(at) => json.time(at),
                None => json.null(),
            }
        }
        json.name("created_at").time(instance.created_at);
        json.name("updated_at").time(instance.updated_at);
        json.name("created_index").number(instance.created_index);
        json.name("index").number(instance.index);
        if let Some(at) = self.safe_to_stop_at {
            json.name("safe_to_stop_at").time(at);
        }
    }

    /// When its lease ends, and when it is removed. Without a lease or a drain it has no deadline, and nothing is asked.
    fn deadlines(&self) -> (Option<Timestamp>, Option<Timestamp>) {
        let instance = self.instance;
        if instance.lease.is_none() && instance.drain().is_none() {
            return (None, None);
        }
        let deadlines = match self.times {
            Times::Now(deadlines) => deadlines,
            Times::Of(record) => return set_by(record, instance),
        };
        let key = InstanceKey {
            zone: self.zone.clone(),
            service: self.service.clone(),
            id: instance.id.clone(),
        };
        let expires = |_| instance.lapsed().or_else(|| deadlines.lease_expires_at(&key));
        (instance.lease.and_then(expires), deadlines.remove_at(&key))
    }
}

/// When the lease of `instance` ends as `record` left it, if that renewed it, and when the instance is removed.
fn set_by(record: &Record, instance: &Instance) -> (Option<Timestamp>, Option<Timestamp>) {
    let renews = matches!(record.kind, Kind::Register | Kind::Health | Kind::Revive);
    let expires = instance.lease.and_then(|lease| match instance.lapsed() {
        Some(since) => Some(since),
        None => renews.then(|| record.at + lease.duration()),
    });
    let after_lapse = instance
        .lapsed()
        .map(|since| since + instance.deregister_after().duration());
    let drain = instance.drain();
    let after_drain = drain.and_then(|drain| Some(drain.since + drain.delete_after?.duration()));
    let remove = [after_lapse, after_drain].into_iter().flatten().min();
    (expires, remove)
}

/// One verdict, or the worst of all.
#[derive(Clone, Copy)]
struct Opinion<'a> {
    status: Status,
    output: Output<'a>,
    since: Timestamp,
}

#[derive(Clone, Copy)]
enum Output<'a> {
    Said(&'a str),
    /// A lease of this length got no heartbeat.
    Lapsed(Shown),
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

    fn fields(self, json: &mut JsonText) {
        json.name("status").text(self.status.as_str());
        json.name("output");
        match self.output {
            Output::Said(text) => json.text(text),
            Output::Lapsed(lease) => json.shown(&format_args!("no heartbeat for {lease}")),
        }
        json.name("since").time(self.since);
    }
}

/// The fields of `health`: the worst verdict, those of the ports, all verdicts by name.
fn health(instance: &Instance, json: &mut JsonText) {
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
    worst.fields(json);
    json.name("ports").object(|json| {
        for port in &instance.ports {
            let opinion = match instance.reported_of(&port.name) {
                Some(verdict) => Opinion::of(verdict),
                None => Opinion::unspoken(Status::Passing, instance.created_at),
            };
            json.key(port.name.as_str()).object(|json| opinion.fields(json));
        }
    });
    json.name("verdicts").object(|json| {
        json.name("reported").object(|json| reported.fields(json));
        if let Some(lease) = lease {
            json.name("lease").object(|json| lease.fields(json));
        }
    });
}
