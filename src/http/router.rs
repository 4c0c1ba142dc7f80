//! Which path is answered by what. Who may ask is decided before, in the front.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::routing::{MethodRouter, get, post, put};

use crate::catalog::ZoneName;
use crate::clock::Clock;
use crate::lease::Deadlines;
use crate::metrics::Metrics;
use crate::view::Current;
use crate::writer::Writer;

use super::follow::Places;
use super::past::Past;
use super::problem::Problem;
use super::ready::Readiness;
use super::watch::{Hub, Turns};
use super::{batch, changes, guard, heartbeats, instances, metrics, openapi, ready, services, watch, zones};

/// What the handlers need.
#[derive(Debug)]
pub(super) struct Api {
    pub(super) current: Arc<Current>,
    pub(super) writer: Writer,
    pub(super) deadlines: Arc<Deadlines>,
    pub(super) clock: Clock,
    pub(super) default_zone: ZoneName,
    pub(super) readiness: Arc<Readiness>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) epoch: uuid::Uuid,
    pub(super) hub: Arc<Hub>,
    pub(super) past: Past,
    pub(super) places: Places,
    pub(super) turns: Turns,
    /// Between two comments of a watch.
    pub(super) beat: Duration,
    pub(super) asks_for_tokens: bool,
    /// The text of `/openapi.json`, once somebody has asked for it.
    pub(super) openapi: OnceLock<Bytes>,
}

impl Api {
    /// The index of what is published.
    pub(super) fn index(&self) -> u64 {
        self.current.load().state.index
    }

    /// Ends watches and waiting reads.
    pub(super) fn close(&self) {
        self.hub.close();
        self.past.close();
        self.turns.close();
    }
}

/// The paths that need no token and no `Host`: a probe has neither, nor has who collects metrics.
pub(super) const EXEMPT: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

/// Every route: [`EXEMPT`], the description, and what begins with `/v1`.
fn routes() -> Vec<(String, MethodRouter<Arc<Api>>)> {
    let mut routes = vec![
        ("/healthz".to_owned(), get(ready::alive)),
        ("/readyz".to_owned(), get(ready::ready)),
        ("/metrics".to_owned(), get(metrics::show)),
        ("/openapi.json".to_owned(), get(openapi::show)),
        ("/v1/zones".to_owned(), get(zones::list)),
        (
            "/v1/zones/{zone}".to_owned(),
            get(zones::show).put(zones::put).delete(zones::delete),
        ),
        ("/v1/batch".to_owned(), post(batch::make)),
        ("/v1/guard".to_owned(), get(guard::show).delete(guard::release)),
        ("/v1/changes".to_owned(), get(changes::list)),
        ("/v1/watch".to_owned(), get(watch::watch)),
        ("/v1/heartbeats".to_owned(), post(heartbeats::renew)),
        ("/v1/zones/{zone}/heartbeats".to_owned(), post(heartbeats::renew)),
    ];
    for services in ["/v1/services", "/v1/zones/{zone}/services"] {
        let service = format!("{services}/{{service}}");
        let instances = format!("{service}/instances");
        let instance = format!("{instances}/{{id}}");
        routes.extend([
            (services.to_owned(), get(services::list)),
            (
                service,
                get(services::show).put(services::put).delete(services::delete),
            ),
            (instances, get(instances::list)),
            (format!("{instance}/heartbeat"), put(instances::heartbeat)),
            (format!("{instance}/health"), put(instances::health)),
            (format!("{instance}/drain"), put(instances::drain)),
            (
                instance,
                get(instances::show)
                    .put(instances::register)
                    .delete(instances::deregister),
            ),
        ]);
    }
    routes
}

/// The router over [`routes`].
pub(super) fn router(api: Arc<Api>) -> Router {
    routes()
        .into_iter()
        .fold(Router::new(), |router, (path, methods)| {
            router.route(&path, methods)
        })
        .method_not_allowed_fallback(no_method)
        .fallback(no_route)
        .with_state(api)
}

async fn no_route(request: Request) -> Problem {
    let detail = format!(
        "there is nothing at {}",
        request.uri().path().chars().take(200).collect::<String>()
    );
    Problem::new(StatusCode::NOT_FOUND, "no_route", detail)
}

/// The router adds `Allow`.
async fn no_method(request: Request) -> Problem {
    let detail = format!("{} is not allowed here", request.method());
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail)
}

#[cfg(test)]
pub(super) fn paths() -> Vec<String> {
    routes().into_iter().map(|(path, _)| path).collect()
}
