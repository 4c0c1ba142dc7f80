//! A success.

use axum::body::Body;
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::http::{Response, StatusCode};
use axum::response::IntoResponse;
use serde::Serialize;

use super::write_json::{JsonText, Shape};

/// The catalog's index that a reply was read at.
pub(super) static INDEX: HeaderName = HeaderName::from_static("x-callsign-index");
/// The catalog's epoch: indexes of two epochs have nothing to do with each other.
pub(super) static EPOCH: HeaderName = HeaderName::from_static("x-callsign-epoch");

/// Header fields of a reply.
const HEADERS_USUAL: usize = 6;

/// What a request that succeeded is answered.
#[derive(Debug)]
pub(super) struct Reply {
    status: StatusCode,
    index: Option<u64>,
    etag: Option<u64>,
    location: Option<HeaderValue>,
    body: Option<Vec<u8>>,
}

impl Reply {
    /// 200 with `shape` as JSON.
    pub(super) fn ok(shape: &impl Serialize) -> Self {
        Self {
            body: Some(serde_json::to_vec(shape).expect("every shape of the API has string keys")),
            ..Self::bare(StatusCode::OK)
        }
    }

    /// 200 with `shape`, which takes about so many `octets`.
    pub(super) fn showing(shape: &impl Shape, octets: usize) -> Self {
        Self {
            body: Some(JsonText::of(shape, octets)),
            ..Self::bare(StatusCode::OK)
        }
    }

    /// 200 with what is written already.
    pub(super) fn written(json: JsonText) -> Self {
        Self {
            body: Some(json.into_octets()),
            ..Self::bare(StatusCode::OK)
        }
    }

    /// 204.
    pub(super) const fn nothing() -> Self {
        Self::bare(StatusCode::NO_CONTENT)
    }

    /// 304: the reader has it.
    pub(super) const fn known() -> Self {
        Self::bare(StatusCode::NOT_MODIFIED)
    }

    const fn bare(status: StatusCode) -> Self {
        Self {
            status,
            index: None,
            etag: None,
            location: None,
            body: None,
        }
    }

    /// Says at which index of the catalog it was read.
    pub(super) const fn at_index(mut self, index: u64) -> Self {
        self.index = Some(index);
        self
    }

    /// The thing's own index.
    pub(super) const fn tagged(mut self, index: u64) -> Self {
        self.etag = Some(index);
        self
    }

    /// The same with another status.
    pub(super) const fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// 201 if the thing at `path` is new.
    pub(super) fn created(mut self, created: bool, path: &str) -> Self {
        if created {
            self.status = StatusCode::CREATED;
            // The path of a request is printable ASCII, or it would not have been read.
            self.location = HeaderValue::from_str(path).ok();
        }
        self
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response<Body> {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        // Those below, and what the front and the router add.
        headers.reserve(HEADERS_USUAL);
        if let Some(index) = self.index {
            headers.insert(&INDEX, HeaderValue::from(index));
        }
        if let Some(index) = self.etag {
            let etag = HeaderValue::try_from(format!("\"{index}\"")).expect("digits in quotes");
            headers.insert(header::ETAG, etag);
        }
        if let Some(location) = self.location {
            headers.insert(header::LOCATION, location);
        }
        if let Some(body) = self.body {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            *response.body_mut() = Body::from(body);
        }
        response
    }
}
