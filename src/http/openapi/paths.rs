//! What can be asked: each path with its methods, as `router.rs` has them. A test asks the router for its paths and
//! methods and holds both lists against each other.

use utoipa::openapi::path::{
    HttpMethod, OperationBuilder, ParameterBuilder, ParameterIn, ParameterStyle, PathItem, Paths,
};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{ContentBuilder, HeaderBuilder, Ref, RefOr, Required, ResponseBuilder};

use crate::catalog::limits;
use crate::http::query::LIMIT_MAX;

use super::pattern;
use super::requests::zone_name;
use super::schema::{Shape, any_of, list, matching, named, text, text_of, whole, word};

/// The name of the one security scheme.
pub(super) const TOKEN: &str = "token";

/// Problems of any request of the API: a broken one, a foreign `Host` or `Origin`, a parameter that is wrong or unknown,
/// too large a head, a bug of ours.
const ANY: [u16; 5] = [400, 403, 422, 431, 500];
/// Problems of a body: too slow, too large, too many under way.
const BODY: [u16; 3] = [408, 413, 503];
/// Problems of a write: a precondition, a busy or broken store, a full disk.
const WRITE: [u16; 3] = [412, 503, 507];

/// One operation under construction.
struct Op {
    method: HttpMethod,
    id: &'static str,
    summary: &'static str,
    of_api: bool,
    parameters: Vec<ParameterBuilder>,
    body: Option<&'static str>,
    replies: Vec<(u16, ResponseBuilder)>,
    problems: Vec<u16>,
}

impl Op {
    /// An operation under `/v1`.
    fn new(method: HttpMethod, id: &'static str, summary: &'static str) -> Self {
        Self {
            method,
            id,
            summary,
            of_api: true,
            parameters: Vec::new(),
            body: None,
            replies: Vec::new(),
            problems: ANY.to_vec(),
        }
    }

    fn get(id: &'static str, summary: &'static str) -> Self {
        Self::new(HttpMethod::Get, id, summary)
    }

    fn put(id: &'static str, summary: &'static str) -> Self {
        Self::new(HttpMethod::Put, id, summary)
            .problems(BODY)
            .problems(WRITE)
            .preconditions()
    }

    fn post(id: &'static str, summary: &'static str) -> Self {
        Self::new(HttpMethod::Post, id, summary)
            .problems(BODY)
            .problems([507])
    }

    fn delete(id: &'static str, summary: &'static str) -> Self {
        Self::new(HttpMethod::Delete, id, summary)
            .problems(WRITE)
            .preconditions()
    }

    /// One beside the API: it needs no token.
    fn beside(id: &'static str, summary: &'static str) -> Self {
        Self {
            of_api: false,
            problems: vec![500],
            ..Self::get(id, summary)
        }
    }

    fn query(mut self, name: &str, shape: Shape, what: &str) -> Self {
        self.parameters
            .push(parameter(name, ParameterIn::Query, shape, what));
        self
    }

    /// `limit`, `after` and `prefix`.
    fn window(self) -> Self {
        self.query(
            "limit",
            whole(1, LIMIT_MAX as u64),
            "So many entries at most; 1,000 where it is not given.",
        )
        .query(
            "after",
            text(),
            "Only what comes after this name: the `next` of the page before.",
        )
        .query("prefix", text(), "Only names that begin so.")
    }

    fn header(mut self, name: &str, shape: Shape, what: &str) -> Self {
        self.parameters
            .push(parameter(name, ParameterIn::Header, shape, what));
        self
    }

    fn preconditions(self) -> Self {
        self.header(
            "If-Match",
            any_of([word(["*"]), matching(pattern::ENTITY_TAGS)]),
            "Only if it exists, with one of these tags.",
        )
        .header("If-None-Match", word(["*"]), "Only if it does not exist.")
    }

    /// 304 for a reader that has it.
    fn known(self) -> Self {
        self.header("If-None-Match", text(), "304 if it has one of these tags still.")
            .bare(304, "It is as the reader has it.")
    }

    fn body(mut self, shape: &'static str) -> Self {
        self.body = Some(shape);
        self
    }

    fn reply(mut self, status: u16, shape: &str, what: &str) -> Self {
        let content = ContentBuilder::new().schema(Some(named(shape))).build();
        let reply = ResponseBuilder::new()
            .description(what)
            .content("application/json", content);
        self.replies.push((status, reply));
        self
    }

    /// A reply without a body.
    fn bare(mut self, status: u16, what: &str) -> Self {
        self.replies
            .push((status, ResponseBuilder::new().description(what)));
        self
    }

    fn problems<const N: usize>(mut self, statuses: [u16; N]) -> Self {
        self.problems.extend(statuses);
        self
    }

    /// A single thing: its replies have its tag.
    fn tagged(mut self) -> Self {
        let tag = || {
            HeaderBuilder::new()
                .schema(Some(matching("^\"[0-9]+\"$")))
                .description(Some("Its own index."))
                .build()
        };
        for (_, reply) in &mut self.replies {
            *reply = std::mem::take(reply).header("ETag", tag());
        }
        self
    }

    /// Puts it together, for a path with these parameters.
    fn on(self, path: &str, suffix: &str, asks_for_tokens: bool) -> (HttpMethod, OperationBuilder) {
        let mut operation = OperationBuilder::new()
            .operation_id(Some(format!("{}{suffix}", self.id)))
            .summary(Some(self.summary));
        for part in path.split('/') {
            let (shape, what) = match part {
                "{zone}" => (zone_name(), "The zone."),
                "{service}" => (label(), "The service."),
                "{id}" => (label(), "The instance's id."),
                _ => continue,
            };
            let name = part.trim_matches(['{', '}']);
            operation =
                operation.parameter(parameter(name, ParameterIn::Path, shape, what).required(Required::True));
        }
        for parameter in self.parameters {
            operation = operation.parameter(parameter);
        }
        if let Some(body) = self.body {
            let content = ContentBuilder::new().schema(Some(named(body))).build();
            let body = RequestBodyBuilder::new().content("application/json", content);
            operation = operation.request_body(Some(body.required(Some(Required::True)).build()));
        }
        for (status, reply) in self.replies {
            let reply = if self.of_api { with_index(reply) } else { reply };
            operation = operation.response(status.to_string(), reply.build());
        }
        let mut problems = self.problems;
        if self.of_api && asks_for_tokens {
            problems.push(401);
            operation = operation.security(SecurityRequirement::new(TOKEN, [""; 0]));
        }
        for status in problems {
            let problem: RefOr<_> = Ref::from_response_name(problem_name(status)).into();
            operation = operation.response(status.to_string(), problem);
        }
        (self.method, operation)
    }
}

fn label() -> Shape {
    matching(pattern::label(limits::LABEL_OCTETS_MAX))
}

fn parameter(name: &str, place: ParameterIn, shape: Shape, what: &str) -> ParameterBuilder {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(place)
        .required(Required::False)
        .schema(Some(shape))
        .description(Some(what))
}

/// The headers of every reply under `/v1`.
pub(super) fn with_index(reply: ResponseBuilder) -> ResponseBuilder {
    let index = HeaderBuilder::new()
        .schema(Some(matching("^[0-9]+$")))
        .description(Some("The catalog's index that this was read at."));
    let epoch = HeaderBuilder::new()
        .schema(Some(matching("^[0-9a-f-]{36}$")))
        .description(Some(
            "The catalog's epoch: indexes of two have nothing to do with each other.",
        ));
    reply
        .header("X-Callsign-Index", index.build())
        .header("X-Callsign-Epoch", epoch.build())
}

/// What the component of a problem is called.
pub(super) fn problem_name(status: u16) -> String {
    format!("Problem{status}")
}

/// All paths.
pub(super) fn paths(asks_for_tokens: bool) -> Paths {
    let mut all: Vec<(String, &str, Vec<Op>)> = beside_the_api();
    all.push((
        "/v1/zones".into(),
        "",
        vec![
            Op::get("listZones", "The zones")
                .window()
                .reply(200, "Zones", "A page of them."),
        ],
    ));
    all.push(("/v1/zones/{zone}".into(), "", of_zone()));
    all.push(("/v1/batch".into(), "", vec![batch()]));
    for (root, suffix) in [("/v1", ""), ("/v1/zones/{zone}", "InZone")] {
        let service = format!("{root}/services/{{service}}");
        let instance = format!("{service}/instances/{{id}}");
        all.extend([
            (format!("{root}/heartbeats"), suffix, vec![heartbeats()]),
            (
                format!("{root}/services"),
                suffix,
                vec![
                    Op::get("listServices", "The services, with counts of their instances")
                        .window()
                        .reply(200, "Services", "A page of them.")
                        .problems([404]),
                ],
            ),
            (format!("{service}/instances"), suffix, vec![list_instances()]),
            (format!("{instance}/heartbeat"), suffix, vec![heartbeat()]),
            (format!("{instance}/health"), suffix, vec![health()]),
            (format!("{instance}/drain"), suffix, vec![drain()]),
            (instance, suffix, of_instance()),
            (service, suffix, of_service()),
        ]);
    }
    let mut paths = Paths::new();
    for (path, suffix, operations) in all {
        let mut item = PathItem::default();
        for operation in operations {
            let (method, operation) = operation.on(&path, suffix, asks_for_tokens);
            let operation = Some(operation.build());
            match method {
                HttpMethod::Get => item.get = operation,
                HttpMethod::Put => item.put = operation,
                HttpMethod::Post => item.post = operation,
                _ => item.delete = operation,
            }
        }
        paths.paths.insert(path, item);
    }
    paths
}

fn beside_the_api() -> Vec<(String, &'static str, Vec<Op>)> {
    let as_text = |media_type: &str, op: Op, what: &str| {
        let content = ContentBuilder::new().schema(Some(text())).build();
        let mut op = op;
        op.replies.push((
            200,
            ResponseBuilder::new()
                .description(what)
                .content(media_type, content),
        ));
        op
    };
    let metrics = Op::beside("metrics", "What is counted, for Prometheus").problems([422]);
    let mut itself = Op::beside("openapi", "This document").problems([403, 422, 400, 431]);
    let content = ContentBuilder::new()
        .schema(Some(super::schema::having([])))
        .build();
    itself.replies.push((
        200,
        ResponseBuilder::new()
            .description("OpenAPI 3.1.")
            .content("application/json", content),
    ));
    [
        (
            "/healthz",
            Op::beside("alive", "Whether the process lives").reply(200, "Alive", "It does."),
        ),
        (
            "/readyz",
            Op::beside("ready", "Whether it answers DNS and can write")
                .query("only", word(["dns"]), "Only whether it answers.")
                .reply(200, "Readiness", "It does and can.")
                .reply(503, "Readiness", "What does not, and why.")
                .problems([422]),
        ),
        (
            "/metrics",
            as_text("application/openmetrics-text", metrics, "OpenMetrics 1.0."),
        ),
        ("/openapi.json", itself),
    ]
    .map(|(path, op)| (path.to_owned(), "", vec![op]))
    .into()
}

fn of_zone() -> Vec<Op> {
    vec![
        Op::get("showZone", "A zone")
            .reply(200, "Zone", "The zone.")
            .tagged()
            .problems([404]),
        Op::put("putZone", "Create a zone, or replace its settings")
            .body("ZoneBody")
            .reply(200, "Zone", "Its settings are replaced.")
            .reply(201, "Zone", "It is new.")
            .tagged()
            .problems([409]),
        Op::delete("deleteZone", "Remove a zone without instances")
            .bare(204, "It is gone.")
            .problems([404, 409]),
    ]
}

fn of_service() -> Vec<Op> {
    vec![
        Op::get("showService", "A service with its instances")
            .reply(200, "Service", "The service.")
            .known()
            .tagged()
            .problems([404]),
        Op::put("putService", "Create a service, or replace its settings")
            .body("ServiceBody")
            .reply(200, "Service", "Its settings are replaced.")
            .reply(201, "Service", "It is new.")
            .tagged()
            .problems([404, 409]),
        Op::delete("deleteService", "Remove a service with all its instances")
            .bare(204, "It is gone.")
            .problems([404]),
    ]
}

fn list_instances() -> Op {
    let tags = list(text_of(1, limits::TAG_OCTETS_MAX), None, None);
    let mut op = Op::get("listInstances", "The instances of a service")
        .window()
        .query(
            "answerable",
            word(["true", "false"]),
            "Only those that DNS answers.",
        )
        .query(
            "tag",
            tags,
            "Only those with this tag; repeated, with all of them.",
        )
        .reply(200, "Instances", "A page of them.")
        .problems([404]);
    if let Some(tag) = op.parameters.pop() {
        op.parameters
            .push(tag.style(Some(ParameterStyle::Form)).explode(Some(true)));
    }
    op
}

fn of_instance() -> Vec<Op> {
    vec![
        Op::get("showInstance", "An instance")
            .reply(200, "Instance", "The instance.")
            .known()
            .tagged()
            .problems([404]),
        Op::put(
            "register",
            "Register an instance, or replace it; this renews its lease",
        )
        .body("Registration")
        .reply(200, "Instance", "It is replaced.")
        .reply(201, "Instance", "It is new.")
        .tagged()
        .problems([404, 409]),
        Op::delete("deregister", "Remove an instance")
            .bare(204, "It is gone.")
            .problems([404]),
    ]
}

fn heartbeat() -> Op {
    Op::put("heartbeat", "Renew the lease of an instance; no body is needed")
        .bare(204, "It is renewed, or there is none.")
        .problems([404])
}

fn health() -> Op {
    Op::put(
        "reportHealth",
        "Say how an instance or one of its ports is; this renews its lease",
    )
    .body("Health")
    .reply(200, "Instance", "The instance.")
    .tagged()
    .problems([404])
}

fn drain() -> Op {
    Op::put("drain", "Take an instance out of every answer, or end that")
        .body("Drain")
        .reply(
            200,
            "Draining",
            "The instance, and when no cache has it any more.",
        )
        .tagged()
        .problems([404])
}

fn batch() -> Op {
    Op::post(
        "batch",
        "Up to 1,000 operations in order, all or none, in one commit",
    )
    .body("Batch")
    .reply(200, "BatchDone", "What became of each.")
    .problems([404, 409, 412])
}

fn heartbeats() -> Op {
    Op::post("heartbeats", "Renew the leases of many instances")
        .body("Heartbeats")
        .reply(200, "HeartbeatsDone", "How many there are, and which are not.")
        .problems([404])
}
