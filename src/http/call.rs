//! A request that passed the gate, as the handlers see it: names parsed, body whole.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{FromRequest, MatchedPath, Request};
use axum::http::HeaderMap;

use crate::catalog::{Change, InstanceId, InstanceKey, NameError, Operation, ServiceName, ZoneName};
use crate::writer::{self, Done, Refusal};

use super::conditional;
use super::connection::Activity;
use super::fields::Fields;
use super::json::Json;
use super::problem::Problem;
use super::query::{Query, percent_decoded};
use super::router::Api;

/// What the front puts into a request's extensions: who asks, and the body, which it has read.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) actor: Arc<str>,
    pub(super) body: Bytes,
    pub(super) activity: Option<Arc<Activity>>,
}

/// A request.
#[derive(Debug)]
pub(super) struct Call {
    /// The path as it was sent.
    pub(super) path: String,
    /// Of the path, or the default zone.
    pub(super) zone: ZoneName,
    service: Option<ServiceName>,
    id: Option<InstanceId>,
    pub(super) query: Query,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    actor: Arc<str>,
    /// The connection that it came over, if it did.
    pub(super) activity: Option<Arc<Activity>>,
}

impl FromRequest<Arc<Api>> for Call {
    type Rejection = Problem;

    async fn from_request(request: Request, api: &Arc<Api>) -> Result<Self, Problem> {
        let (mut parts, _) = request.into_parts();
        let path = parts.uri.path().to_owned();
        let asked = parts.extensions.remove::<Asked>();
        let Asked {
            actor,
            body,
            activity,
        } = asked.ok_or_else(Problem::internal)?;
        let mut call = Self {
            zone: api.default_zone.clone(),
            service: None,
            id: None,
            query: Query::parse(parts.uri.query())?,
            body,
            actor,
            activity,
            headers: parts.headers,
            path,
        };
        if let Some(matched) = parts.extensions.get::<MatchedPath>() {
            call.read_names(matched.as_str())?;
        }
        Ok(call)
    }
}

impl Call {
    /// Parses what stands in the path where the route has `{zone}`, `{service}` and `{id}`.
    fn read_names(&mut self, route: &str) -> Result<(), Problem> {
        fn parse<T>(
            name: &str,
            text: &str,
            parse: impl FnOnce(&str) -> Result<T, NameError>,
        ) -> Result<T, Problem> {
            let text = percent_decoded(text)
                .ok_or_else(|| Problem::invalid(name, "is not UTF-8 text in percent-encoding"))?;
            parse(&text).map_err(|error| Problem::invalid(name, error))
        }
        for (part, text) in route.split('/').zip(self.path.split('/')) {
            match part {
                "{zone}" => self.zone = parse("zone", text, ZoneName::parse)?,
                "{service}" => self.service = Some(parse("service", text, ServiceName::parse)?),
                "{id}" => self.id = Some(parse("id", text, InstanceId::parse)?),
                _ => {}
            }
        }
        Ok(())
    }

    /// The service of the path.
    pub(super) fn service(&self) -> ServiceName {
        self.service
            .clone()
            .expect("the route of this handler has {service}")
    }

    /// The instance of the path.
    pub(super) fn key(&self) -> InstanceKey {
        InstanceKey {
            zone: self.zone.clone(),
            service: self.service(),
            id: self.id.clone().expect("the route of this handler has {id}"),
        }
    }

    /// Refuses parameters, for a route that takes none.
    pub(super) fn no_parameters(&mut self) -> Result<(), Problem> {
        std::mem::take(&mut self.query).finish()
    }

    pub(super) fn json(&self) -> Result<Json<'_>, Problem> {
        Json::read(&self.body)
    }

    pub(super) fn fields(&self) -> Result<Fields<'_>, Problem> {
        Fields::of_body(self.json()?)
    }

    /// Who asks.
    pub(super) fn actor(&self) -> Arc<str> {
        self.actor.clone()
    }

    /// Makes `change` under the precondition that the request has.
    pub(super) async fn make(&self, api: &Api, change: Change) -> Result<Done, Problem> {
        let precondition = conditional::precondition(&self.headers)?;
        let operation = Operation { change, precondition };
        match self.submit(api, vec![operation]).await {
            Ok(done) => Ok(done),
            Err(refusal) => Err(Problem::refused(&refusal)),
        }
    }

    /// Hands `operations` to the writer.
    pub(super) async fn submit(&self, api: &Api, operations: Vec<Operation>) -> Result<Done, Refusal> {
        let request = writer::Request {
            operations,
            actor: self.actor.clone(),
        };
        api.writer.submit(request).await
    }
}
