//! `/v1/services`, and the same of any zone.

use std::sync::Arc;

use axum::extract::State;

use crate::catalog::{Change, Image, Rejection, Service};

use super::call::Call;
use super::conditional;
use super::problem::Problem;
use super::read_settings::service_settings;
use super::reply::Reply;
use super::router::Api;
use super::wait::{Shows, View, until_changed};
use super::write_instance::OCTETS_USUAL;
use super::write_service::{Page, ServiceCounted, ServiceShown};

fn missing(rejection: Rejection) -> Problem {
    Problem::rejected(&rejection)
}

fn shown(call: &Call, service: &Service, api: &Api) -> Reply {
    let octets = (service.instances.len() + 1) * OCTETS_USUAL;
    Reply::showing(&ServiceShown::of(&call.zone, service, &api.deadlines), octets)
}

pub(super) async fn list(State(api): State<Arc<Api>>, mut call: Call) -> Result<Reply, Problem> {
    let window = call.query.window()?;
    let wait = call.query.wait()?;
    call.no_parameters()?;
    if let Some(wait) = wait {
        let shows = Shows::Services(&window);
        let zone = &call.zone;
        until_changed(&api, &call, wait, &View { zone, shows }).await?;
    }
    let snapshot = api.current.snapshot();
    let zone = snapshot.state.zone(&call.zone).map_err(missing)?;
    let services = zone.services.from(window.start());
    let (services, next) = window.cut(services, |service| service.name.as_str());
    let page = Page {
        name: "services",
        items: services
            .into_iter()
            .map(|service| ServiceCounted::of(&zone.name, service))
            .collect(),
        next,
    };
    Ok(Reply::showing(&page, 0).at_index(snapshot.state.index))
}

pub(super) async fn show(State(api): State<Arc<Api>>, mut call: Call) -> Result<Reply, Problem> {
    let wait = call.query.wait()?;
    call.no_parameters()?;
    let name = call.service();
    if let Some(wait) = wait {
        let shows = Shows::Service(&name);
        let zone = &call.zone;
        until_changed(&api, &call, wait, &View { zone, shows }).await?;
    }
    let snapshot = api.current.snapshot();
    let service = snapshot.state.service(&call.zone, &name);
    let service = service.map_err(|error| missing(error).at_index(snapshot.state.index))?;
    let reply = if conditional::is_known(&call.headers, service.index) {
        Reply::known()
    } else {
        shown(&call, service, &api)
    };
    Ok(reply.tagged(service.index).at_index(snapshot.state.index))
}

pub(super) async fn put(State(api): State<Arc<Api>>, mut call: Call) -> Result<Reply, Problem> {
    call.no_parameters()?;
    let name = call.service();
    let change = Change::PutService {
        zone: call.zone.clone(),
        service: name.clone(),
        settings: service_settings(call.json()?, &call.zone, &name)?,
    };
    let before = api.current.snapshot();
    let done = call.make(&api, change).await?;
    let changed = done
        .effects
        .iter()
        .flat_map(|effect| &effect.records)
        .find_map(|record| match &record.after {
            Image::Service(service) => Some(service),
            _ => None,
        });
    // Without a change it is as it was, unless somebody removed it in the same moment.
    let service = changed
        .or_else(|| done.snapshot.state.service(&call.zone, &name).ok())
        .or_else(|| before.state.service(&call.zone, &name).ok())
        .ok_or_else(|| Problem::busy("the service was removed at the same time; try again"))?;
    Ok(shown(&call, service, &api)
        .created(done.effects.iter().any(|effect| effect.created), &call.path)
        .tagged(service.index)
        .at_index(done.snapshot.state.index))
}

pub(super) async fn delete(State(api): State<Arc<Api>>, mut call: Call) -> Result<Reply, Problem> {
    call.no_parameters()?;
    let change = Change::DeleteService {
        zone: call.zone.clone(),
        service: call.service(),
    };
    let done = call.make(&api, change).await?;
    Ok(Reply::nothing().at_index(done.snapshot.state.index))
}
