//! `/v1/zones`.

use std::ops::Bound;
use std::sync::Arc;

use axum::extract::State;

use crate::catalog::{Change, Image};

use super::call::Call;
use super::problem::Problem;
use super::read_settings::zone_settings;
use super::reply::Reply;
use super::router::Api;
use super::write_service::{Page, ZoneShown};

pub(super) async fn list(State(api): State<Arc<Api>>, mut call: Call) -> Result<Reply, Problem> {
    let window = call.query.window()?;
    call.no_parameters()?;
    let snapshot = api.current.snapshot();
    let from = (Bound::Included(window.start()), Bound::Unbounded);
    let zones = snapshot.state.zones.range::<_, str>(from);
    let (zones, next) = window.cut(zones, |(name, _)| name.as_str());
    let page = Page {
        name: "zones",
        items: zones.into_iter().map(|(_, zone)| ZoneShown::of(zone)).collect(),
        next,
    };
    Ok(Reply::showing(&page, 0).at_index(snapshot.state.index))
}

pub(super) async fn show(State(api): State<Arc<Api>>, mut call: Call) -> Result<Reply, Problem> {
    call.no_parameters()?;
    let snapshot = api.current.snapshot();
    let zone = snapshot
        .state
        .zone(&call.zone)
        .map_err(|missing| Problem::rejected(&missing))?;
    // Never 304: serial and count move without the zone's own index, which is its tag.
    let reply = Reply::ok(&ZoneShown::of(zone));
    Ok(reply.tagged(zone.index).at_index(snapshot.state.index))
}

pub(super) async fn put(State(api): State<Arc<Api>>, mut call: Call) -> Result<Reply, Problem> {
    call.no_parameters()?;
    let change = Change::PutZone {
        zone: call.zone.clone(),
        settings: zone_settings(call.json()?, &call.zone)?,
    };
    let before = api.current.snapshot();
    let done = call.make(&api, change).await?;
    let changed = done
        .effects
        .iter()
        .flat_map(|effect| &effect.records)
        .find_map(|record| match &record.after {
            Image::Zone(zone) => Some(zone),
            _ => None,
        });
    // Without a change it is as it was, unless somebody removed it in the same moment.
    let zone = changed
        .or_else(|| done.snapshot.state.zones.get(&call.zone))
        .or_else(|| before.state.zones.get(&call.zone))
        .ok_or_else(|| Problem::busy("the zone was removed at the same time; try again"))?;
    Ok(Reply::ok(&ZoneShown::of(zone))
        .created(done.effects.iter().any(|effect| effect.created), &call.path)
        .tagged(zone.index)
        .at_index(done.snapshot.state.index))
}

pub(super) async fn delete(State(api): State<Arc<Api>>, mut call: Call) -> Result<Reply, Problem> {
    call.no_parameters()?;
    let zone = call.zone.clone();
    let done = call.make(&api, Change::DeleteZone { zone }).await?;
    Ok(Reply::nothing().at_index(done.snapshot.state.index))
}
