//! `/v1/guard`: what the guard against mass expiry holds, and letting it go.

use std::sync::Arc;

use axum::extract::State;
use serde::Serialize;

use crate::catalog::{Change, Operation, ZoneName};
use crate::lease::Deadlines;
use crate::lease::guard::ServiceHeld;
use crate::writer::{Refusal, Request};

use super::call::Call;
use super::duration::Shown;
use super::problem::Problem;
use super::reply::Reply;
use super::router::Api;

/// Lapses in one request to the writer: as many as expiry itself asks for at once.
const LAPSES_MAX: usize = 256;

#[derive(Serialize)]
struct Guards<'a> {
    scope: &'static str,
    at_most: Shown,
    zones: Vec<GuardShown<'a>>,
}

#[derive(Serialize)]
struct GuardShown<'a> {
    zone: &'a str,
    holds: bool,
    since: Option<String>,
    until: Option<String>,
    leases: usize,
    lapsed: usize,
    held: usize,
    services: Vec<HeldShown>,
}

#[derive(Serialize)]
struct HeldShown {
    service: String,
    #[serde(flatten)]
    held: Held,
}

/// What is held of a service; a service shows it too, as its field `guard`.
#[derive(Debug, Serialize)]
pub(super) struct Held {
    since: String,
    until: String,
    held: Vec<String>,
}

impl Held {
    pub(super) fn of(held: &ServiceHeld, deadlines: &Deadlines) -> Self {
        Self {
            since: deadlines.on_wall(held.since).to_string(),
            until: deadlines.on_wall(held.until).to_string(),
            held: held.instances.iter().map(|id| id.as_str().to_owned()).collect(),
        }
    }
}

fn shown<'a>(zone: &'a ZoneName, deadlines: &Deadlines) -> GuardShown<'a> {
    let guarded = deadlines.guard_of(zone);
    let on_wall = |at| deadlines.on_wall(at).to_string();
    GuardShown {
        zone: zone.as_str(),
        holds: guarded.holds.is_some(),
        since: guarded.holds.map(|(since, _)| on_wall(since)),
        until: guarded.holds.map(|(_, until)| on_wall(until)),
        leases: guarded.leases,
        lapsed: guarded.lapsed,
        held: guarded.held.iter().map(|(_, held)| held.instances.len()).sum(),
        services: guarded
            .held
            .iter()
            .map(|(service, held)| HeldShown {
                service: service.as_str().to_owned(),
                held: Held::of(held, deadlines),
            })
            .collect(),
    }
}

/// The parameter `zone`, if it is given.
fn zone(call: &mut Call) -> Result<Option<ZoneName>, Problem> {
    let zone = call.query.take("zone")?;
    let zone = zone.map(|text| ZoneName::parse(&text).map_err(|error| Problem::invalid("zone", error)));
    let zone = zone.transpose()?;
    call.no_parameters()?;
    Ok(zone)
}

pub(super) async fn show(State(api): State<Arc<Api>>, mut call: Call) -> Result<Reply, Problem> {
    let wanted = zone(&mut call)?;
    let snapshot = api.current.snapshot();
    let state = &snapshot.state;
    let zones = match &wanted {
        Some(zone) => vec![
            &state
                .zone(zone)
                .map_err(|missing| Problem::rejected(&missing))?
                .name,
        ],
        None => state.zones.keys().collect(),
    };
    let guards = Guards {
        scope: api.deadlines.guard_scope().as_str(),
        at_most: Shown(api.deadlines.guard_hold_max()),
        zones: zones
            .into_iter()
            .map(|zone| shown(zone, &api.deadlines))
            .collect(),
    };
    Ok(Reply::ok(&guards).at_index(state.index))
}

/// The lapses are made here and not left to expiry: when it is answered they are on disk, and DNS shows them.
pub(super) async fn release(State(api): State<Arc<Api>>, mut call: Call) -> Result<Reply, Problem> {
    let wanted = zone(&mut call)?;
    if let Some(zone) = &wanted {
        let snapshot = api.current.load();
        snapshot
            .state
            .zone(zone)
            .map_err(|missing| Problem::rejected(&missing))?;
    }
    let lapses = api.deadlines.release_guard(wanted.as_ref());
    let actor = call.actor();
    let made = {
        let (api, actor) = (api.clone(), actor.clone());
        // Who asked may go away; what was let go lapses all the same.
        tokio::spawn(async move { make(&api, &lapses, &actor).await })
    };
    match made.await {
        Ok(Ok(())) => Ok(Reply::nothing().at_index(api.current.load().state.index)),
        Ok(Err(refusal)) => Err(Problem::refused(&refusal)),
        Err(_) => Err(Problem::internal()),
    }
}

/// What is refused asks again by itself.
async fn make(api: &Api, lapses: &[Change], actor: &Arc<str>) -> Result<(), Refusal> {
    for lapses in lapses.chunks(LAPSES_MAX) {
        let operations: Vec<Operation> = lapses.iter().cloned().map(Into::into).collect();
        let request = Request {
            operations,
            actor: actor.clone(),
        };
        api.writer.submit(request).await?;
    }
    Ok(())
}
