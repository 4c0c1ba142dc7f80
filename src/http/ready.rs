//! `/healthz` and `/readyz`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;

use super::call::Call;
use super::problem::Problem;
use super::reply::Reply;
use super::router::Api;

/// What the server says of its parts.
#[derive(Debug, Default)]
pub struct Readiness {
    dns: AtomicBool,
}

impl Readiness {
    /// Says whether DNS questions are answered: from when the sockets listen until they stop.
    pub fn set_dns(&self, answers: bool) {
        self.dns.store(answers, Ordering::Release);
    }

    fn dns(&self) -> Part {
        if self.dns.load(Ordering::Acquire) {
            Part::well()
        } else {
            Part::not("DNS questions are not answered")
        }
    }
}

#[derive(Serialize)]
struct Shape {
    ready: bool,
    /// The guard holds leases that ran out: answers are kept as they were.
    guarded: bool,
    parts: Parts,
}

#[derive(Serialize)]
struct Parts {
    dns: Part,
    #[serde(skip_serializing_if = "Option::is_none")]
    store: Option<Part>,
}

#[derive(Serialize)]
struct Part {
    ready: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl Part {
    const fn well() -> Self {
        Self {
            ready: true,
            reason: None,
        }
    }

    fn not(reason: impl Into<String>) -> Self {
        Self {
            ready: false,
            reason: Some(reason.into()),
        }
    }
}

pub(super) async fn alive() -> Reply {
    #[derive(Serialize)]
    struct Alive {
        alive: bool,
    }
    Reply::ok(&Alive { alive: true })
}

pub(super) async fn ready(State(api): State<Arc<Api>>, mut call: Call) -> Result<Reply, Problem> {
    let dns_alone = match call.query.take("only")?.as_deref() {
        None => false,
        Some("dns") => true,
        Some(_) => return Err(Problem::invalid("only", "must be dns")),
    };
    call.no_parameters()?;
    let store = (!dns_alone).then(|| match api.writer.trouble() {
        Some(trouble) => Part::not(trouble.to_string()),
        None => Part::well(),
    });
    let parts = Parts {
        dns: api.readiness.dns(),
        store,
    };
    let ready = parts.dns.ready && parts.store.as_ref().is_none_or(|store| store.ready);
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let guarded = api.deadlines.is_guarded();
    let shape = Shape {
        ready,
        guarded,
        parts,
    };
    Ok(Reply::ok(&shape).with_status(status))
}
