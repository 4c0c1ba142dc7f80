//! What went wrong, as `application/problem+json` (RFC 9457) with a stable `code`.

use axum::body::Body;
use axum::http::header::{self, HeaderValue};
use axum::http::{Response, StatusCode};
use axum::response::IntoResponse;
use serde::Serialize;

use crate::catalog::Rejection;
use crate::writer::Refusal;

use super::reply::INDEX;

/// Characters of a `field` or of text that a client sent, as far as they are shown again.
const SHOWN_MAX: usize = 200;

/// Seconds after which a request that found the server busy may come again.
const RETRY_BUSY_S: u32 = 1;
/// Seconds after which one may come again that needs an operator first.
const RETRY_TROUBLE_S: u32 = 30;

/// An error of the API. Nothing was done, unless its status is 503.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: String,
    field: Option<String>,
    retry_after_s: Option<u32>,
    /// Of 410: the index of the oldest change that is kept.
    oldest: Option<u64>,
    /// The catalog's index that it was found at, where that is later than when the request came.
    index: Option<u64>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            code,
            detail: detail.into(),
            field: None,
            retry_after_s: None,
            oldest: None,
            index: None,
        }
    }

    /// 410: changes that are not kept; the oldest that is has the index `oldest`.
    pub(super) fn gone(code: &'static str, detail: impl Into<String>, oldest: u64) -> Self {
        Self {
            oldest: Some(oldest),
            ..Self::new(StatusCode::GONE, code, detail)
        }
    }

    /// Says at which index of the catalog it was found.
    pub(super) const fn at_index(mut self, index: u64) -> Self {
        self.index = Some(index);
        self
    }

    /// 400: the body is no JSON.
    pub(super) fn not_json(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "not_json", detail)
    }

    /// 422 about no field alone.
    pub(super) fn unprocessable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", detail)
    }

    /// 422 about `field`: what is wrong with it.
    pub(super) fn invalid(field: impl Into<String>, message: impl std::fmt::Display) -> Self {
        let field = shorten(field.into());
        let detail = format!("{field}: {message}");
        Self::unprocessable(detail).about(field)
    }

    /// 412.
    pub(super) fn precondition(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::PRECONDITION_FAILED, "precondition_failed", detail)
    }

    /// 500: our bug. What it was is in the log, not in the reply.
    pub(super) fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "the server failed at this request; its log says more",
        )
    }

    /// What `rejection` means to the one who sent a lone operation.
    pub(super) fn rejected(rejection: &Rejection) -> Self {
        let detail = rejection.to_string();
        let not_found = |code| Self::new(StatusCode::NOT_FOUND, code, detail.clone());
        match rejection {
            Rejection::NoZone(_) => not_found("no_zone"),
            Rejection::NoService(..) => not_found("no_service"),
            Rejection::NoInstance(_) => not_found("no_instance"),
            Rejection::Conflict { field, code, .. } => {
                let problem = Self::new(StatusCode::CONFLICT, code, detail);
                match field {
                    Some(field) => problem.about(*field),
                    None => problem,
                }
            }
            Rejection::Invalid { field, message } => Self::invalid(field, message),
            Rejection::Precondition(_) => Self::precondition(detail),
        }
    }

    /// What `rejection` means when it struck operation `at` of a batch.
    pub(super) fn rejected_in_batch(rejection: &Rejection, at: usize) -> Self {
        let part = match rejection {
            Rejection::NoZone(_) => Some("zone"),
            Rejection::NoService(..) => Some("service"),
            Rejection::NoInstance(_) => Some("id"),
            Rejection::Conflict { field, .. } => *field,
            Rejection::Invalid { field, .. } => Some(&**field),
            Rejection::Precondition(_) => Some("if_match"),
        };
        let field = match part {
            Some(part) => format!("operations[{at}].{part}"),
            None => format!("operations[{at}]"),
        };
        match rejection {
            Rejection::Invalid { message, .. } => Self::invalid(field, message),
            _ => {
                let mut problem = Self::rejected(rejection);
                problem.detail = format!("{field}: {}", problem.detail);
                problem.about(field)
            }
        }
    }

    /// What a refusal of the writer means, a rejection of an operation excepted.
    pub(super) fn refused(refusal: &Refusal) -> Self {
        let unavailable = |code, retry_after_s| {
            let problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, code, refusal.to_string());
            problem.retry_after(retry_after_s)
        };
        match refusal {
            Refusal::Rejected { rejection, .. } => Self::rejected(rejection),
            Refusal::Busy(_) => unavailable("busy", RETRY_BUSY_S),
            Refusal::Stopping => unavailable("stopping", RETRY_BUSY_S),
            Refusal::ReadOnly(_) => unavailable("read_only", RETRY_TROUBLE_S),
            Refusal::DiskFull { leaving_works } => Self::new(
                StatusCode::INSUFFICIENT_STORAGE,
                "disk_full",
                match leaving_works {
                    true => {
                        "the disk is full; deregistration and heartbeats still work, the rest does again when there is room"
                    }
                    false => {
                        "the disk is full, and nothing is left of the room that is kept for deregistrations; heartbeats still work, the rest does again when there is room"
                    }
                },
            ),
        }
    }

    /// 503: try again soon.
    pub(super) fn busy(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", detail).retry_after(RETRY_BUSY_S)
    }

    /// 503: there is no catalog to speak of, until somebody looks after it.
    pub(super) fn not_ready(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "not_ready", detail).retry_after(RETRY_TROUBLE_S)
    }

    /// Whether the request was right, and nothing could be written: 503 or 507.
    pub(super) fn is_of_the_store(&self) -> bool {
        matches!(
            self.status,
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::INSUFFICIENT_STORAGE
        )
    }

    /// Names the field at fault.
    pub(super) fn about(mut self, field: impl Into<String>) -> Self {
        self.field = Some(shorten(field.into()));
        self
    }

    fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }

    /// Its HTTP status.
    #[cfg(test)]
    pub(super) const fn status(&self) -> StatusCode {
        self.status
    }

    /// The field at fault.
    #[cfg(test)]
    pub(super) fn field(&self) -> Option<&str> {
        self.field.as_deref()
    }
}

/// Cuts what a client sent before it is shown again.
fn shorten(text: String) -> String {
    match text.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[derive(Serialize)]
struct Shape<'a> {
    r#type: &'static str,
    title: &'a str,
    status: u16,
    detail: &'a str,
    code: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    oldest: Option<u64>,
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response<Body> {
        let shape = Shape {
            r#type: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            detail: &self.detail,
            code: self.code,
            field: self.field.as_deref(),
            oldest: self.oldest,
        };
        let body = serde_json::to_vec(&shape).expect("strings and numbers always have a JSON form");
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        let problem_json = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, problem_json);
        if let Some(index) = self.index {
            headers.insert(&INDEX, HeaderValue::from(index));
        }
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
