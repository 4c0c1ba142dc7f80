//! `/metrics`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;

use super::call::Call;
use super::problem::Problem;
use super::router::Api;
use crate::metrics::{MEDIA_TYPE, Observed};

pub(super) async fn show(State(api): State<Arc<Api>>, mut call: Call) -> Result<impl IntoResponse, Problem> {
    call.no_parameters()?;
    let snapshot = api.current.snapshot();
    let (requests, operations) = api.writer.queued();
    let zones = &snapshot.state.zones;
    let observed = Observed {
        zones: zones.len() as u64,
        services: zones.values().map(|zone| zone.services.len() as u64).sum(),
        index: snapshot.state.index,
        queued_requests: requests as u64,
        queued_operations: operations as u64,
    };
    Ok(([(header::CONTENT_TYPE, MEDIA_TYPE)], api.metrics.text(observed)))
}
