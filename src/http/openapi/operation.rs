//! One operation of the description under construction: what is asked with which parameters, and what comes back.

use std::time::Duration;

use utoipa::openapi::path::{HttpMethod, OperationBuilder, ParameterBuilder, ParameterIn, ParameterStyle};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{ContentBuilder, HeaderBuilder, Ref, RefOr, Required, ResponseBuilder};

use crate::catalog::limits;
use crate::http::query::{LIMIT_MAX, WAIT_MAX};

use super::pattern;
use super::requests::{between, zone_name};
use super::schema::{Shape, any_of, matching, named, text, whole, word};

/// The name of the one security scheme.
pub(super) const TOKEN: &str = "token";

/// Problems of any request of the API: a broken one, a foreign `Host` or `Origin`, a parameter that is wrong or unknown,
/// too large a head, a bug of ours.
const ANY: [u16; 5] = [400, 403, 422, 431, 500];
/// Problems of a body: too slow, too large, too many under way.
const BODY: [u16; 3] = [408, 413, 503];
/// Problems of a write: a precondition, a busy or broken store, a full disk.
const WRITE: [u16; 3] = [412, 503, 507];

/// One operation.
pub(super) struct Op {
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
    pub(super) fn new(method: HttpMethod, id: &'static str, summary: &'static str) -> Self {
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

    pub(super) fn get(id: &'static str, summary: &'static str) -> Self {
        Self::new(HttpMethod::Get, id, summary)
    }

    pub(super) fn put(id: &'static str, summary: &'static str) -> Self {
        Self::new(HttpMethod::Put, id, summary)
            .problems(BODY)
            .problems(WRITE)
            .preconditions()
    }

    pub(super) fn post(id: &'static str, summary: &'static str) -> Self {
        Self::new(HttpMethod::Post, id, summary)
            .problems(BODY)
            .problems([507])
    }

    pub(super) fn delete(id: &'static str, summary: &'static str) -> Self {
        Self::new(HttpMethod::Delete, id, summary)
            .problems(WRITE)
            .preconditions()
    }

    /// One beside the API: it needs no token.
    pub(super) fn beside(id: &'static str, summary: &'static str) -> Self {
        Self {
            of_api: false,
            problems: vec![500],
            ..Self::get(id, summary)
        }
    }

    pub(super) fn query(mut self, name: &str, shape: Shape, what: &str) -> Self {
        self.parameters
            .push(parameter(name, ParameterIn::Query, shape, what));
        self
    }

    pub(super) fn limit(self) -> Self {
        self.query(
            "limit",
            whole(1, LIMIT_MAX as u64),
            "So many entries at most; 1,000 where it is not given.",
        )
    }

    /// `limit`, `after` and `prefix`.
    pub(super) fn window(self) -> Self {
        self.limit()
            .query(
                "after",
                text(),
                "Only what comes after this name: the `next` of the page before.",
            )
            .query("prefix", text(), "Only names that begin so.")
    }

    /// A query parameter that may be repeated.
    pub(super) fn repeated(mut self, name: &str, shape: Shape, what: &str) -> Self {
        let list = parameter(name, ParameterIn::Query, shape, what);
        self.parameters
            .push(list.style(Some(ParameterStyle::Form)).explode(Some(true)));
        self
    }

    /// `index` and `wait`: a read that waits for a change of what it shows.
    pub(super) fn waits(self) -> Self {
        self.query(
            "index",
            index(),
            "Answer once what is shown has changed after this index.",
        )
        .query(
            "wait",
            between(Duration::ZERO, WAIT_MAX),
            "With `index`: wait so long at most; 5 min where it is not given.",
        )
        .problems([503])
    }

    /// `epoch`: of which catalog an index is.
    pub(super) fn of_epoch(self) -> Self {
        self.query(
            "epoch",
            matching(pattern::UUID),
            "Of which epoch the index is, as X-Callsign-Epoch gave it.",
        )
    }

    pub(super) fn header(mut self, name: &str, shape: Shape, what: &str) -> Self {
        self.parameters
            .push(parameter(name, ParameterIn::Header, shape, what));
        self
    }

    pub(super) fn preconditions(self) -> Self {
        self.header(
            "If-Match",
            any_of([word(["*"]), matching(pattern::ENTITY_TAGS)]),
            "Only if it exists, with one of these tags.",
        )
        .header("If-None-Match", word(["*"]), "Only if it does not exist.")
    }

    /// 304 for a reader that has it.
    pub(super) fn known(self) -> Self {
        self.header("If-None-Match", text(), "304 if it has one of these tags still.")
            .bare(304, "It is as the reader has it.")
    }

    pub(super) fn body(mut self, shape: &'static str) -> Self {
        self.body = Some(shape);
        self
    }

    pub(super) fn reply(self, status: u16, shape: &str, what: &str) -> Self {
        self.content(status, [("application/json", named(shape))], what)
    }

    /// A reply in one of these media types.
    pub(super) fn content<const N: usize>(
        mut self,
        status: u16,
        content: [(&str, Shape); N],
        what: &str,
    ) -> Self {
        let mut reply = ResponseBuilder::new().description(what);
        for (media_type, shape) in content {
            reply = reply.content(media_type, ContentBuilder::new().schema(Some(shape)).build());
        }
        self.replies.push((status, reply));
        self
    }

    /// A reply without a body.
    pub(super) fn bare(mut self, status: u16, what: &str) -> Self {
        self.replies
            .push((status, ResponseBuilder::new().description(what)));
        self
    }

    pub(super) fn problems<const N: usize>(mut self, statuses: [u16; N]) -> Self {
        self.problems.extend(statuses);
        self
    }

    /// A single thing: its replies have its tag.
    pub(super) fn tagged(mut self) -> Self {
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
    pub(super) fn on(
        self,
        path: &str,
        suffix: &str,
        asks_for_tokens: bool,
    ) -> (HttpMethod, OperationBuilder) {
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

/// A name of one label.
pub(super) fn label() -> Shape {
    matching(pattern::label(limits::LABEL_OCTETS_MAX))
}

/// An index of the catalog. One past it must be a number, too.
pub(super) fn index() -> Shape {
    whole(0, u64::MAX - 1)
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
