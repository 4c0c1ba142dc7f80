//! `/metrics`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;

use super::call::Call;
use super::problem::Problem;
use super::router::Api;
use crate::metrics::MEDIA_TYPE;

pub(super) async fn show(State(api): State<Arc<Api>>, mut call: Call) -> Result<impl IntoResponse, Problem> {
    call.no_parameters()?;
    Ok(([(header::CONTENT_TYPE, MEDIA_TYPE)], api.metrics.text()))
}
