//! The API whole, over a real writer and a real store, without a socket where none is needed.

mod answers;
mod followers;
mod gate;
mod listener;
mod openapi;
mod watches;
mod writes;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use hyper::body::Body as _;
use serde_json::Value;

use super::front::{Front, Peer};
use super::{Deps, Limits, Readiness, front};
use crate::auth::{self, Gate};
use crate::catalog::{Base, Change, Image, ZoneName};
use crate::clock::{Alarm, Clock, ManualClock, Timestamp};
use crate::feed::Feed;
use crate::lease::Deadlines;
use crate::metrics::Metrics;
use crate::store::{History, Identity, Store};
use crate::view::{Current, Snapshot};
use crate::writer;

/// The first moment of each test.
const START_MS: i64 = 1_767_323_045_000;

/// An API over a folder that vanishes with it.
struct Api {
    front: Front,
    deps: Deps,
    hand: Arc<ManualClock>,
    writer: Option<writer::Handle>,
    _folder: tempfile::TempDir,
}

/// A reply with its body read.
struct Reply {
    status: u16,
    headers: axum::http::HeaderMap,
    body: Vec<u8>,
}

impl Api {
    /// With one zone, `svc.internal`.
    async fn new() -> Self {
        Self::with(auth::Config::default()).await
    }

    async fn with(auth: auth::Config) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let opened = Store::open(folder.path()).expect("a new store");
        let (clock, hand) = Clock::manual(Timestamp::from_unix_ms(START_MS));
        let feed = Arc::new(Feed::new(opened.state.index));
        let current = Arc::new(Current::new(Snapshot::of(opened.state)));
        let deadlines = Arc::new(Deadlines::new(clock.clone(), Arc::new(Alarm::default())));
        let metrics: Arc<Metrics> = Arc::default();
        let started = writer::start(
            opened.store,
            current.clone(),
            feed.clone(),
            deadlines.clone(),
            clock.clone(),
            metrics.clone(),
        );
        let (door, handle) = started.expect("a thread for the writer");
        let zone = ZoneName::parse("svc.internal").expect("a zone");
        let open = Change::Open {
            zones: vec![zone.clone()],
            base: Base::default(),
        };
        let request = writer::Request {
            operations: vec![open.into()],
            actor: "test".into(),
        };
        door.submit(request).await.expect("the zone is made");
        let deps = Deps {
            metrics,
            current,
            writer: door,
            feed,
            history: Arc::new(History::of(folder.path())),
            deadlines,
            clock,
            gate: Arc::new(Gate::open(auth).expect("a good token file")),
            older: None,
            identity: Identity {
                epoch: uuid::Uuid::from_u128(1),
                origin: uuid::Uuid::from_u128(2),
            },
            default_zone: zone,
            readiness: Arc::new(Readiness::default()),
        };
        Self {
            front: front(deps.clone(), Limits::default()),
            deps,
            hand,
            writer: Some(handle),
            _folder: folder,
        }
    }

    /// Sends a request as it is, from 192.0.2.7.
    async fn send(&self, request: Request<Body>) -> Reply {
        let peer = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));
        let response = self.front.answer(request, &Peer::new(peer)).await;
        let (parts, mut body) = response.into_parts();
        if body.size_hint().exact().is_none() {
            // A watch, which has no end.
            body = Body::empty();
        }
        Reply {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: axum::body::to_bytes(body, usize::MAX)
                .await
                .expect("a body in memory")
                .to_vec(),
        }
    }

    /// `"PUT /path"` with header fields and a body.
    async fn ask_with(&self, line: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        let (method, path) = line.split_once(' ').expect("METHOD /path");
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "localhost:8053");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::from(body.to_owned())).expect("a request"))
            .await
    }

    async fn ask(&self, line: &str, body: &str) -> Reply {
        self.ask_with(line, &[], body).await
    }

    async fn get(&self, path: &str) -> Reply {
        self.ask(&format!("GET {path}"), "").await
    }

    /// A request that must succeed.
    async fn done(&self, line: &str, body: &str) -> Reply {
        let reply = self.ask(line, body).await;
        assert!(
            reply.status < 300,
            "{line} {body}: {} {}",
            reply.status,
            reply.text()
        );
        reply
    }

    /// Makes a change as the server's own parts do.
    async fn make(&self, change: Change) -> Vec<Image> {
        let request = writer::Request {
            operations: vec![change.into()],
            actor: "test".into(),
        };
        let done = self.deps.writer.submit(request).await.expect("a good change");
        let records = done.effects.into_iter().flat_map(|effect| effect.records);
        records.map(|record| record.after).collect()
    }

    fn advance(&self, seconds: u64) {
        self.hand.advance(Duration::from_secs(seconds));
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        if let Some(writer) = self.writer.take() {
            writer.stop();
        }
    }
}

impl Reply {
    fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("replies are UTF-8")
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    fn header(&self, name: &str) -> &str {
        let value = self
            .headers
            .get(name)
            .unwrap_or_else(|| panic!("no {name}: {:?}", self.headers));
        value.to_str().expect("text")
    }

    fn has(&self, name: &str) -> bool {
        self.headers.contains_key(name)
    }

    /// The shape as indented text.
    fn pretty(&self) -> String {
        // `Value` sorts names; the order in the reply is the one that counts.
        let mut text = self.text();
        for (from, to) in [
            ("{\"zone\"", "\n{\"zone\""),
            (",\"", ",\n \""),
            ("\"instances\":[", "\"instances\":["),
        ] {
            text = text.replace(from, to);
        }
        text.trim_start().to_owned() + "\n"
    }

    /// Status, code and field of an error, which must have the shape of one.
    fn problem(&self) -> (u16, String, String) {
        assert_eq!(
            self.header("content-type"),
            "application/problem+json",
            "{}",
            self.text()
        );
        let json = self.json();
        assert_eq!(json["status"], self.status);
        assert!(
            json["type"].is_string() && json["title"].is_string() && json["detail"].is_string(),
            "{json}"
        );
        let text = |name: &str| json[name].as_str().unwrap_or("-").to_owned();
        (self.status, text("code"), text("field"))
    }
}
