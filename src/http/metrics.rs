//! `/metrics`: OpenMetrics, or the older form for a collector that asks for that one alone.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::IntoResponse;

use super::call::Call;
use super::problem::Problem;
use super::router::Api;
use crate::metrics::{Form, Observed};

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
    let form = wanted(&call.headers);
    let text = form.of(api.metrics.text(observed));
    Ok(([(header::CONTENT_TYPE, form.media_type())], text))
}

/// The form that is asked for: the standard one, unless only the older one is named.
fn wanted(headers: &HeaderMap) -> Form {
    let names = |media_type: &str| {
        let accepts = headers.get_all(header::ACCEPT).into_iter();
        let mut named = accepts
            .filter_map(|value| value.to_str().ok())
            .flat_map(|text| text.split(','));
        named.any(|one| {
            let name = one.split(';').next().unwrap_or_default().trim();
            name.eq_ignore_ascii_case(media_type)
        })
    };
    match names("text/plain") && !names("application/openmetrics-text") {
        true => Form::Classic,
        false => Form::Standard,
    }
}
