//! `GET /openapi.json`: the API described (OpenAPI 3.1), for programs that make clients, proxies and tests of it.
//!
//! It is put together from the constants and words that the readers hold, once, when somebody asks for it first; what it
//! says is held against the router, against real replies, and by schemathesis against a running server
//! (`scripts/schemathesis`).
//!
//! The crate is `utoipa`, of which only the types of the document are used. Its derive, and `aide`, take shapes from types
//! that serde reads. Here bodies are read field by field, so that each error names its place, and instances are written
//! by hand: a derived type would be a third description beside those two, and would not know their bounds. `aide` would
//! want every handler in its own extractors besides.
//!
//! It needs no token, being outside `/v1`, and has no secret: it is the same for every server of a version, but for
//! whether a token is asked for.

mod operation;
mod paths;
mod pattern;
mod replies;
mod requests;
mod schema;

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::{self, HeaderValue};
use axum::response::{IntoResponse, Response};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{
    ComponentsBuilder, ContentBuilder, HeaderBuilder, InfoBuilder, OpenApi, OpenApiBuilder, ResponseBuilder,
};

use super::call::Call;
use super::problem::Problem;
use super::router::Api;

use operation::{TOKEN, problem_name};
use schema::{matching, named};

/// What each problem means.
const PROBLEMS: [(u16, &str); 14] = [
    (400, "The request is broken, or its body is not JSON."),
    (401, "A token of the server's --token-file is asked for."),
    (
        403,
        "The Host or Origin is a foreign one; the detail names the flag.",
    ),
    (404, "There is no such thing."),
    (408, "The body did not come in time."),
    (409, "It collides with what exists."),
    (
        410,
        "Changes that are not kept any more, or an index of another epoch; `oldest` is where the log begins.",
    ),
    (412, "A precondition does not hold."),
    (413, "The body has more than 1 MiB."),
    (422, "Not what is asked for: the field says where."),
    (431, "Too many or too large header fields; without a body."),
    (500, "A bug of the server, which goes on."),
    (
        503,
        "Busy, or read-only until a restart: nothing is lost by trying again.",
    ),
    (507, "The disk is full; deregistration and heartbeats still work."),
];

pub(super) async fn show(State(api): State<Arc<Api>>, mut call: Call) -> Result<Response, Problem> {
    call.no_parameters()?;
    let text = api.openapi.get_or_init(|| {
        let document = document(api.asks_for_tokens);
        Bytes::from(document.to_json().expect("the document has string keys only"))
    });
    let json = HeaderValue::from_static("application/json");
    Ok(([(header::CONTENT_TYPE, json)], Body::from(text.clone())).into_response())
}

/// The whole description.
pub(super) fn document(asks_for_tokens: bool) -> OpenApi {
    let mut components = ComponentsBuilder::new();
    for (name, shape) in requests::components().into_iter().chain(replies::components()) {
        components = components.schema(name, shape);
    }
    for (status, what) in PROBLEMS {
        components = components.response(problem_name(status), problem(status, what).build());
    }
    if asks_for_tokens {
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer);
        components = components.security_scheme(TOKEN, SecurityScheme::Http(bearer.build()));
    }
    let info = InfoBuilder::new()
        .title("Callsign")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "Register what runs, and the next DNS answer shows it. HEAD works wherever GET does. A field of a request \
             that is null counts as absent; one that is not described here is refused, and so is such a parameter.",
        ));
    OpenApiBuilder::new()
        .info(info.build())
        .paths(paths::paths(asks_for_tokens))
        .components(Some(components.build()))
        .build()
}

fn problem(status: u16, what: &str) -> ResponseBuilder {
    let response = ResponseBuilder::new().description(what);
    // hyper refuses such a head itself.
    if status == 431 {
        return response;
    }
    let content = ContentBuilder::new().schema(Some(named("Problem"))).build();
    let response = response.content("application/problem+json", content);
    let seconds = HeaderBuilder::new()
        .schema(Some(matching("^[0-9]+$")))
        .description(Some("Seconds after which to try again."));
    match status {
        503 => response.header("Retry-After", seconds.build()),
        _ => response,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reference_leads_to_a_component_and_each_component_is_used() {
        let document = serde_json::to_value(document(true)).expect("JSON");
        let text = document.to_string();
        let mut named = std::collections::BTreeSet::new();
        for kind in ["schemas", "responses"] {
            for name in document["components"][kind]
                .as_object()
                .expect("components")
                .keys()
            {
                named.insert(format!("#/components/{kind}/{name}"));
            }
        }
        let used: std::collections::BTreeSet<String> = text
            .split("\"$ref\":\"")
            .skip(1)
            .filter_map(|rest| Some(rest.split_once('"')?.0.to_owned()))
            .collect();
        assert_eq!(used, named);
    }
}
