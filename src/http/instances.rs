//! `…/instances`: listing, registration, health, drain, heartbeat.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::State;

use crate::catalog::{Change, Image, Instance, InstanceKey, Precondition, Tag, limits};
use crate::clock::Timestamp;
use crate::lease::Renewal;
use crate::view::Snapshot;
use crate::writer::Done;

use super::call::Call;
use super::conditional;
use super::problem::Problem;
use super::read_instance::{Verb, agree};
use super::reply::Reply;
use super::router::Api;
use super::wait::{Chosen, Shows, View, until_changed};
use super::write_instance::{InstanceShown, OCTETS_USUAL, Times};
use super::write_service::Page;

pub(super) async fn list(State(api): State<Arc<Api>>, mut call: Call) -> Result<Reply, Problem> {
    let window = call.query.window()?;
    let answerable = match call.query.take("answerable")?.as_deref() {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(Problem::invalid("answerable", "must be true or false")),
    };
    let mut tags = BTreeSet::new();
    for tag in call.query.take_all("tag") {
        Tag::parse(&tag).map_err(|error| Problem::invalid("tag", error))?;
        // Each once: a query holds thousands, an instance 64, so the first that it lacks comes soon.
        tags.insert(tag.to_ascii_lowercase());
    }
    let wait = call.query.wait()?;
    call.no_parameters()?;
    let name = call.service();
    let chosen = Chosen {
        answerable,
        tags,
        window,
    };
    if let Some(wait) = wait {
        let shows = Shows::Instances(&name, &chosen);
        let zone = &call.zone;
        until_changed(&api, &call, wait, &View { zone, shows }).await?;
    }
    let snapshot = api.current.snapshot();
    let service = snapshot.state.service(&call.zone, &name);
    let service = service.map_err(|missing| Problem::rejected(&missing).at_index(snapshot.state.index))?;
    let wanted = service.instances.iter().filter(|instance| chosen.has(instance));
    let (instances, next) = chosen.window.cut(wanted, |instance| instance.id.as_str());
    let shown = |instance| InstanceShown {
        zone: &call.zone,
        service: &service.name,
        instance,
        times: Times::Now(&api.deadlines),
        safe_to_stop_at: None,
    };
    let octets = instances.len() * OCTETS_USUAL;
    let page = Page {
        name: "instances",
        items: instances.into_iter().map(|instance| shown(instance)).collect(),
        next,
    };
    Ok(Reply::showing(&page, octets).at_index(snapshot.state.index))
}

pub(super) async fn show(State(api): State<Arc<Api>>, mut call: Call) -> Result<Reply, Problem> {
    call.no_parameters()?;
    let key = call.key();
    let snapshot = api.current.snapshot();
    let instance = snapshot
        .state
        .instance(&key)
        .map_err(|missing| Problem::rejected(&missing))?;
    let reply = if conditional::is_known(&call.headers, instance.index) {
        Reply::known().tagged(instance.index)
    } else {
        shown(&api, &key, instance, None)
    };
    Ok(reply.at_index(snapshot.state.index))
}

pub(super) async fn register(State(api): State<Arc<Api>>, mut call: Call) -> Result<Reply, Problem> {
    let (instance, done) = make(&api, &mut call, Verb::Register).await?;
    Ok(shown(&api, &call.key(), &instance, None)
        .created(done.effects.iter().any(|effect| effect.created), &call.path)
        .at_index(done.snapshot.state.index))
}

pub(super) async fn health(State(api): State<Arc<Api>>, mut call: Call) -> Result<Reply, Problem> {
    let (instance, done) = make(&api, &mut call, Verb::Health).await?;
    Ok(shown(&api, &call.key(), &instance, None).at_index(done.snapshot.state.index))
}

pub(super) async fn drain(State(api): State<Arc<Api>>, mut call: Call) -> Result<Reply, Problem> {
    let (instance, done) = make(&api, &mut call, Verb::Drain).await?;
    let key = call.key();
    let safe = safe_to_stop_at(&done.snapshot, &key, api.clock.now());
    Ok(shown(&api, &key, &instance, Some(safe)).at_index(done.snapshot.state.index))
}

pub(super) async fn deregister(State(api): State<Arc<Api>>, mut call: Call) -> Result<Reply, Problem> {
    call.no_parameters()?;
    let change = Change::Deregister {
        key: call.key(),
        absent_is_fine: false,
    };
    let done = call.make(&api, change).await?;
    Ok(Reply::nothing().at_index(done.snapshot.state.index))
}

/// The usual one touches neither the writer's queue nor the disk.
pub(super) async fn heartbeat(State(api): State<Arc<Api>>, mut call: Call) -> Result<Reply, Problem> {
    call.no_parameters()?;
    let key = call.key();
    if !call.body.is_empty() {
        read(&call, Verb::Heartbeat)?;
    }
    let precondition = conditional::precondition(&call.headers)?;
    if precondition != Precondition::None {
        let snapshot = api.current.load();
        let index = snapshot.state.instance(&key).ok().map(|instance| instance.index);
        if !conditional::holds(&precondition, index) {
            return Err(Problem::precondition(
                "the instance is not what the precondition says",
            ));
        }
    }
    let count = &api.metrics.http.heartbeats;
    match api.deadlines.renew(&key) {
        Renewal::Renewed => {
            count.note("renewed", 1);
            Ok(Reply::nothing())
        }
        Renewal::Lapsed => {
            let done = call.make(&api, Change::Heartbeat { key }).await?;
            count.note("revived", 1);
            Ok(Reply::nothing().at_index(done.snapshot.state.index))
        }
        Renewal::None => match api.current.load().state.instance(&key) {
            Ok(_) => {
                count.note("renewed", 1);
                Ok(Reply::nothing())
            }
            Err(missing) => {
                count.note("unknown", 1);
                Err(Problem::rejected(&missing))
            }
        },
    }
}

fn read(call: &Call, verb: Verb) -> Result<Change, Problem> {
    let key = call.key();
    let mut fields = call.fields()?;
    agree(&mut fields, &key.zone, Some(&key.service), Some(&key.id))?;
    verb.read(fields, key, false)
}

/// Makes what the body asks for, and finds the instance as it is after that.
async fn make(api: &Api, call: &mut Call, verb: Verb) -> Result<(Arc<Instance>, Done), Problem> {
    call.no_parameters()?;
    let change = read(call, verb)?;
    let key = call.key();
    let before = api.current.snapshot();
    let done = match call.make(api, change).await {
        Ok(done) => done,
        Err(problem) => {
            // Who reports or registers again is alive, also while the disk is full or stalled and nothing can be
            // written: its lease is renewed, though nothing else is done.
            if verb != Verb::Drain && problem.is_of_the_store() {
                api.deadlines.renew(&key);
            }
            return Err(problem);
        }
    };
    let changed = done
        .effects
        .iter()
        .flat_map(|effect| &effect.records)
        .find_map(|record| match &record.after {
            Image::Instance(instance) => Some(instance),
            _ => None,
        });
    // Without a change it is as it was, unless somebody removed it in the same moment.
    let instance = changed
        .or_else(|| done.snapshot.state.instance(&key).ok())
        .or_else(|| before.state.instance(&key).ok())
        .ok_or_else(|| Problem::busy("the instance was removed at the same time; try again"))?
        .clone();
    Ok((instance, done))
}

fn shown(api: &Api, key: &InstanceKey, instance: &Instance, safe_to_stop_at: Option<Timestamp>) -> Reply {
    let shown = InstanceShown {
        zone: &key.zone,
        service: &key.service,
        instance,
        times: Times::Now(&api.deadlines),
        safe_to_stop_at,
    };
    Reply::showing(&shown, OCTETS_USUAL).tagged(instance.index)
}

/// When no cache holds a record of the service any more that was answered before `now`.
fn safe_to_stop_at(snapshot: &Snapshot, key: &InstanceKey, now: Timestamp) -> Timestamp {
    let Ok(zone) = snapshot.state.zone(&key.zone) else {
        return now + limits::STOP_MARGIN;
    };
    let service = zone.services.get(&key.service);
    let settings = service
        .map(|service| service.settings().clone())
        .unwrap_or_default();
    let mut cached_until = now + zone.service_ttl(&settings).duration();
    if let Some(service) = service {
        cached_until = cached_until.max(service.cached_until());
    }
    if settings.ttl.is_none() {
        cached_until = cached_until.max(zone.cached_until);
    }
    cached_until + limits::STOP_MARGIN
}
