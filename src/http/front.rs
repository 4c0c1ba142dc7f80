//! One request, from the gate to the reply. It stands before the router, so that a route nobody thought about is
//! behind the gate too.

use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::header::{self, HeaderValue};
use axum::http::{HeaderMap, HeaderName, Method, Request, Response, StatusCode};
use axum::response::IntoResponse;
use hyper::body::Body as _;
use tower::ServiceExt;

use crate::auth::{Credentials, Decision, Gate};
use crate::metrics::Http;

use super::body::{self, Budget};
use super::call::Asked;
use super::connection::Activity;
use super::problem::Problem;
use super::reply::{EPOCH, INDEX};
use super::router::{Api, EXEMPT, router};
use super::sending;
use super::serve::Limits;

/// The other end of a connection.
#[derive(Debug)]
pub(super) struct Peer {
    address: IpAddr,
    /// Its connection, if it has one.
    activity: Option<Arc<Activity>>,
    /// Who asked last, and how it is written down: seldom does another ask on the same connection.
    actor: Mutex<Option<(Arc<str>, Arc<str>)>>,
}

impl Peer {
    #[cfg(test)]
    pub(super) fn new(address: IpAddr) -> Self {
        Self {
            address,
            activity: None,
            actor: Mutex::default(),
        }
    }

    /// At the other end of that connection.
    pub(super) fn on(activity: &Arc<Activity>, address: IpAddr) -> Self {
        Self {
            address,
            activity: Some(activity.clone()),
            actor: Mutex::default(),
        }
    }

    /// `who`, from here.
    fn actor(&self, who: Arc<str>) -> Arc<str> {
        let mut last = self.actor.lock().unwrap_or_else(PoisonError::into_inner);
        match &*last {
            Some((known, actor)) if *known == who => actor.clone(),
            _ => {
                let actor: Arc<str> = format!("{who}@{}", self.address.to_canonical()).into();
                *last = Some((who, actor.clone()));
                actor
            }
        }
    }
}

/// What stands before the router.
#[derive(Debug)]
pub(super) struct Front {
    api: Arc<Api>,
    router: Router,
    gate: Arc<Gate>,
    epoch: HeaderValue,
    limits: Limits,
    bodies: Arc<Budget>,
    replies: Arc<Budget>,
    /// The catalog lacks what was acknowledged, and is shown to nobody.
    older: Option<String>,
}

impl Front {
    pub(super) fn new(
        api: Arc<Api>,
        gate: Arc<Gate>,
        epoch: uuid::Uuid,
        limits: Limits,
        older: Option<String>,
    ) -> Self {
        Self {
            router: router(api.clone()),
            api,
            gate,
            epoch: HeaderValue::try_from(epoch.to_string()).expect("a UUID is printable ASCII"),
            bodies: Arc::new(Budget::new(limits.bodies_octets_max)),
            replies: Arc::new(Budget::new(limits.replies_octets_max)),
            limits,
            older,
        }
    }

    /// Tells those who follow what is committed, until it is dropped.
    pub(super) async fn tell(&self) {
        self.api.hub.broadcast().await;
    }

    /// Ends watches and waiting reads.
    pub(super) fn close(&self) {
        self.api.close();
    }

    /// Takes note that a watcher was cut off because it did not read.
    pub(super) fn cut_off(&self, peer: IpAddr) {
        self.api.metrics.followers.cut_off();
        tracing::info!(%peer, after = ?self.limits.unread_max, "a watcher was cut off: it does not read");
    }

    /// Answers `request`, which came from `peer`. A panic on the way is a 500.
    pub(super) async fn answer(&self, request: Request<Body>, peer: &Peer) -> Response<Body> {
        let started = self.api.clock.lasted();
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let reads = matches!(method, Method::GET | Method::HEAD);
        // A read that waits takes as long as it was asked to: it would hide how long the others take.
        let waits = request.uri().query().is_some_and(asks_to_wait);
        let index_before = self.index();
        let mut response = match caught(self.judged(request, peer)).await {
            Ok(Ok(response)) => response,
            Ok(Err(problem)) => problem.into_response(),
            Err(Panicked) => {
                tracing::error!(%method, path, "a request ended in a panic");
                Problem::internal().into_response()
            }
        };
        let status = response.status();
        if is_api(&path) {
            // What a reader was shown is at least as new as the index from before it looked, and it misses nothing
            // by going on from there; a writer wants what it did to be in.
            let index = if reads { index_before } else { self.index() };
            let headers = response.headers_mut();
            headers.entry(&INDEX).or_insert_with(|| HeaderValue::from(index));
            headers.insert(&EPOCH, self.epoch.clone());
        }
        if method == Method::HEAD {
            // The router has taken its bodies away and said how long they were; a watch has no length to say.
            if let Some(length) = response.body().size_hint().exact().filter(|length| *length > 0) {
                let headers = response.headers_mut();
                headers
                    .entry(header::CONTENT_LENGTH)
                    .or_insert_with(|| HeaderValue::from(length));
            }
            *response.body_mut() = Body::empty();
        }
        let took = self.api.clock.lasted().saturating_sub(started);
        self.api.metrics.http.replied(status.as_u16());
        if !waits {
            self.api.metrics.http.took.took(took);
        }
        tracing::debug!(%method, path, status = status.as_u16(), ?took, peer = %peer.address, "request");
        response
    }

    /// What the API counts.
    pub(super) fn metrics(&self) -> &Http {
        &self.api.metrics.http
    }

    fn index(&self) -> u64 {
        self.api.current.load().state.index
    }

    async fn judged(&self, request: Request<Body>, peer: &Peer) -> Result<Response<Body>, Problem> {
        let (mut parts, body) = request.into_parts();
        let actor = match EXEMPT.contains(&parts.uri.path()) {
            // It changes nothing.
            true => "unknown".into(),
            false => peer.actor(self.admit(&parts)?),
        };
        if let Some(older) = &self.older
            && is_api(parts.uri.path())
        {
            return Err(Problem::not_ready(older));
        }
        // The other methods have no use for one.
        let (mut octets, mut held) = (Bytes::new(), None);
        if matches!(parts.method, Method::PUT | Method::POST) {
            let (read, taken) = body::read(body, &parts.headers, &self.limits, &self.bodies).await?;
            (octets, held) = (read, Some(taken));
        } else {
            drop(body);
        }
        parts.extensions.insert(Asked {
            actor,
            body: octets,
            activity: peer.activity.clone(),
        });
        let request = Request::from_parts(parts, Body::empty());
        let Ok(response) = self.router.clone().oneshot(request).await;
        drop(held);
        sending::counted(response, &self.replies).await
    }

    /// Who asks, if it may.
    fn admit(&self, parts: &axum::http::request::Parts) -> Result<Arc<str>, Problem> {
        let headers = &parts.headers;
        let given = all(headers, header::HOST);
        if given.len() > 1 {
            // RFC 9112 §3.2.
            let detail = "the request has more than one Host";
            return Err(Problem::new(StatusCode::BAD_REQUEST, "bad_host", detail));
        }
        // The authority of the target (absolute form, or HTTP/2's :authority) counts more than Host (RFC 9112 §3.2.2).
        let mut hosts: Vec<&[u8]> = parts
            .uri
            .authority()
            .map(|a| a.as_str().as_bytes())
            .into_iter()
            .collect();
        hosts.extend(given);
        let authorizations = all(headers, header::AUTHORIZATION);
        let decision = self.gate.decide(&Credentials {
            guarded: is_api(parts.uri.path()),
            authorization: match authorizations[..] {
                [one] => Some(one),
                _ => None,
            },
            hosts: &hosts,
            origins: &all(headers, header::ORIGIN),
        });
        match decision {
            Decision::Allow(who) => Ok(who),
            Decision::NoToken => Err(Problem::new(
                StatusCode::UNAUTHORIZED,
                "no_token",
                "this server asks for a token of its --token-file: Authorization: Bearer TOKEN",
            )),
            Decision::Foreign(foreign) => Err(Problem::new(
                StatusCode::FORBIDDEN,
                "foreign",
                foreign.to_string(),
            )),
        }
    }
}

/// Whether a path belongs to the API.
fn is_api(path: &str) -> bool {
    path == "/v1" || path.starts_with("/v1/")
}

/// Whether a query has the parameter `index`, which is that of a read that waits.
fn asks_to_wait(query: &str) -> bool {
    query.split('&').any(|pair| pair.starts_with("index="))
}

fn all(headers: &HeaderMap, name: HeaderName) -> Vec<&[u8]> {
    headers.get_all(name).iter().map(HeaderValue::as_bytes).collect()
}

/// A future that panicked.
struct Panicked;

/// `future`, with a panic in it as a value. What it was at is dropped with it; nothing here holds a lock meanwhile.
async fn caught<T>(future: impl Future<Output = T>) -> Result<T, Panicked> {
    let mut future = Box::pin(future);
    std::future::poll_fn(move |context| {
        match std::panic::catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
            Ok(Poll::Ready(value)) => Poll::Ready(Ok(value)),
            Ok(Poll::Pending) => Poll::Pending,
            Err(_) => Poll::Ready(Err(Panicked)),
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_segments_make_a_path_of_the_api() {
        for path in ["/v1", "/v1/", "/v1/zones", "/v1/nothing/here"] {
            assert!(is_api(path), "{path}");
        }
        for path in ["/", "/v10", "/v1x/zones", "//v1/zones", "/healthz", "", "*"] {
            assert!(!is_api(path), "{path}");
        }
    }

    #[test]
    fn a_read_waits_if_it_has_an_index() {
        for query in ["index=7", "wait=1s&index=7", "index="] {
            assert!(asks_to_wait(query), "{query}");
        }
        for query in ["", "wait=1s", "prefix=index=7", "after=index"] {
            assert!(!asks_to_wait(query), "{query}");
        }
    }

    #[tokio::test]
    async fn a_panic_is_a_value() {
        assert!(caught::<()>(async { panic!("a test") }).await.is_err());
        assert!(matches!(caught(async { 7 }).await, Ok(7)));
    }
}
