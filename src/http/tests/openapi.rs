//! `/openapi.json` says what is so.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;

use serde_json::json;

use super::gate::example;
use super::*;
use crate::http::router::paths;

/// The methods of each path that the document has.
fn described(document: &Value) -> BTreeMap<String, BTreeSet<String>> {
    let paths = document["paths"].as_object().expect("paths");
    let methods = |item: &Value| {
        let methods = item.as_object().expect("a path").keys();
        methods.map(|method| method.to_ascii_uppercase()).collect()
    };
    paths
        .iter()
        .map(|(path, item)| (path.clone(), methods(item)))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_has_every_route_of_the_router_and_no_other() {
    let api = Api::new().await;
    let document = api.get("/openapi.json").await.json();
    let mut routed = BTreeMap::new();
    for path in paths() {
        let refused = api.ask(&format!("PATCH {}", example(&path)), "").await;
        assert_eq!(refused.status, 405, "{path}");
        let methods = refused.header("allow").split(',').map(str::to_owned);
        routed.insert(path, methods.filter(|method| method != "HEAD").collect());
    }
    assert_eq!(described(&document), routed);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_served_without_a_token_and_says_whether_one_is_asked_for() {
    let open = Api::new().await;
    let reply = open.get("/openapi.json").await;
    assert_eq!(
        (reply.status, reply.header("content-type")),
        (200, "application/json")
    );
    assert_eq!(reply.json()["openapi"], "3.1.0");
    assert!(reply.json()["components"].get("securitySchemes").is_none());

    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), "s3cret\n").expect("it can be written");
    let closed = Api::with(auth::Config {
        token_file: Some(file.path().to_owned()),
        names: Vec::new(),
    })
    .await;
    let document = closed.get("/openapi.json").await.json();
    assert_eq!(
        document["components"]["securitySchemes"]["token"]["scheme"],
        "bearer"
    );
    let of = |path: &str, method: &str| &document["paths"][path][method];
    assert_eq!(of("/v1/zones", "get")["security"], json!([{"token": []}]));
    assert!(of("/v1/zones", "get")["responses"].get("401").is_some());
    assert!(of("/metrics", "get").get("security").is_none());
    let foreign = [("origin", "http://evil.example.org")];
    let reply = closed.ask_with("GET /openapi.json", &foreign, "").await;
    assert_eq!(
        reply.problem(),
        (403, "foreign".into(), "-".into()),
        "its Origin is judged as anywhere"
    );
}

/// Holds replies against what the document says of them.
struct Judge {
    document: Value,
    /// Operations that were asked, with the status of the reply.
    seen: BTreeSet<(String, u16)>,
}

impl Judge {
    fn validator(&self, shape: &Value) -> jsonschema::Validator {
        // What a shape refers to stands in the document.
        let mut root = shape.clone();
        root["components"] = self.document["components"].clone();
        jsonschema::options()
            .should_validate_formats(true)
            .build(&root)
            .expect("the shape is a schema")
    }

    fn resolve<'d>(&'d self, at: &'d Value) -> &'d Value {
        match at["$ref"].as_str() {
            Some(reference) => self
                .document
                .pointer(&reference[1..])
                .expect("it leads somewhere"),
            None => at,
        }
    }

    /// Judges the reply to a request, and whether its body was one that the document allows.
    async fn ask(&mut self, api: &Api, line: &str, route: &str, body: &str) {
        let (method, _) = line.split_once(' ').expect("METHOD /path");
        let reply = api.ask(line, body).await;
        let operation = &self.document["paths"][route][method.to_ascii_lowercase()];
        let said = operation["responses"].get(reply.status.to_string());
        let said = self.resolve(said.unwrap_or_else(|| panic!("{line}: {} is not described", reply.status)));
        for name in said["headers"]
            .as_object()
            .into_iter()
            .flat_map(|headers| headers.keys())
        {
            assert!(
                reply.has(&name.to_ascii_lowercase()) || name == "Retry-After",
                "{line}: no {name}"
            );
        }
        match said["content"].as_object() {
            None => assert_eq!(reply.text(), "", "{line}"),
            Some(content) => {
                let (media_type, content) = content.iter().next().expect("a media type");
                assert!(
                    reply.header("content-type").starts_with(media_type.as_str()),
                    "{line}"
                );
                if media_type.ends_with("json") {
                    let found = self
                        .validator(&content["schema"])
                        .validate(&reply.json())
                        .map_err(|e| e.to_string());
                    assert_eq!(found, Ok(()), "{line}: {}", reply.text());
                }
            }
        }
        let shape = &operation["requestBody"]["content"]["application/json"]["schema"];
        if let (false, Ok(body)) = (shape.is_null(), serde_json::from_str::<Value>(body)) {
            let allowed = self.validator(shape).is_valid(&body);
            assert_eq!(
                allowed,
                reply.status != 422,
                "{line} {body}: {} {}",
                reply.status,
                reply.text()
            );
        }
        self.seen.insert((format!("{method} {route}"), reply.status));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn real_replies_have_the_shapes_that_it_describes() {
    const WEB_1: &str = "/v1/services/web/instances/web-1";
    const INSTANCE: &str = "/v1/services/{service}/instances/{id}";
    const LARGE: &str = r#"{"addresses":["192.0.2.1","2001:db8::1"],"ports":{"http":8080,"dns":{"port":53,"protocol":"udp"}},
        "tags":["v2"],"meta":{"version":"2.1"},"lease":"15s","deregister_after":600,"priority":1,"weight":0}"#;
    let api = Api::new().await;
    let document = api.get("/openapi.json").await.json();
    let mut judge = Judge {
        document,
        seen: BTreeSet::new(),
    };
    for (line, route, body) in [
        ("GET /healthz", "/healthz", ""),
        ("GET /readyz", "/readyz", ""),
        ("GET /metrics", "/metrics", ""),
        ("GET /openapi.json", "/openapi.json", ""),
        ("GET /v1/zones", "/v1/zones", ""),
        ("GET /v1/zones?limit=0", "/v1/zones", ""),
        (
            "PUT /v1/zones/a.internal",
            "/v1/zones/{zone}",
            r#"{"ttl":"10s","on_empty":"all","negative_ttl":2}"#,
        ),
        (
            "PUT /v1/zones/a.internal",
            "/v1/zones/{zone}",
            r#"{"name":"a","settings":{"forget_after":"2h"}}"#,
        ),
        (
            "PUT /v1/zones/a.internal",
            "/v1/zones/{zone}",
            r#"{"settings":{},"ttl":1}"#,
        ),
        ("GET /v1/zones/a.internal", "/v1/zones/{zone}", ""),
        ("GET /v1/zones/b.internal", "/v1/zones/{zone}", ""),
        ("DELETE /v1/zones/a.internal", "/v1/zones/{zone}", ""),
        (
            "PUT /v1/services/db",
            "/v1/services/{service}",
            r#"{"answer_limit":3,"ttl":"60000ms"}"#,
        ),
        (
            "PUT /v1/services/db",
            "/v1/services/{service}",
            r#"{"ttl":"1500ms"}"#,
        ),
        (
            "PUT /v1/services/db",
            "/v1/services/{service}",
            r#"{"ttl":2147483648}"#,
        ),
        ("GET /v1/services", "/v1/services", ""),
        ("GET /v1/services?limit=1", "/v1/services", ""),
        ("PUT /v1/services/web/instances/web-1", INSTANCE, LARGE),
        ("PUT /v1/services/web/instances/web-1", INSTANCE, LARGE),
        (
            "PUT /v1/services/web/instances/web-2",
            INSTANCE,
            r#"{"address":"192.0.2.2","port":80,"status":"warning"}"#,
        ),
        (
            "PUT /v1/services/web/instances/web-2",
            INSTANCE,
            r#"{"address":"192.0.2.2","ports":null,"port":80}"#,
        ),
        (
            "PUT /v1/services/web/instances/web-2",
            INSTANCE,
            r#"{"address":"192.0.2.2","addresses":["192.0.2.2"]}"#,
        ),
        (
            "PUT /v1/services/web/instances/web-2",
            INSTANCE,
            r#"{"address":"192.0.2.2","port":80,"ports":{}}"#,
        ),
        (
            "PUT /v1/services/web/instances/web-2",
            INSTANCE,
            r#"{"address":"224.0.0.1"}"#,
        ),
        (
            "PUT /v1/services/web/instances/web-2",
            INSTANCE,
            r#"{"address":"::ffff:224.0.0.1"}"#,
        ),
        (
            "PUT /v1/services/web/instances/web-2",
            INSTANCE,
            r#"{"address":"fe80::1"}"#,
        ),
        (
            "PUT /v1/services/web/instances/web-2",
            INSTANCE,
            r#"{"address":"example.org"}"#,
        ),
        (
            "PUT /v1/services/web/instances/web-2",
            INSTANCE,
            r#"{"addresses":[]}"#,
        ),
        (
            "PUT /v1/services/web/instances/web-2",
            INSTANCE,
            r#"{"address":"192.0.2.2","lease":"99ms"}"#,
        ),
        (
            "PUT /v1/services/web/instances/web-2",
            INSTANCE,
            r#"{"address":"192.0.2.2","lease":"86401s"}"#,
        ),
        (
            "PUT /v1/services/web/instances/web-2",
            INSTANCE,
            r#"{"address":"192.0.2.2","lease":0.05}"#,
        ),
        (
            "PUT /v1/services/web/instances/web-2",
            INSTANCE,
            r#"{"address":"192.0.2.2","meta":{"a=b":"c"}}"#,
        ),
        (
            "PUT /v1/services/web/instances/web-2",
            INSTANCE,
            r#"{"address":"192.0.2.2","checks":[{}]}"#,
        ),
        (
            "PUT /v1/services/web/instances/web-2",
            INSTANCE,
            r#"{"address":"192.0.2.2","adress":1}"#,
        ),
        (
            "PUT /v1/services/ns/instances/a",
            INSTANCE,
            r#"{"address":"192.0.2.2"}"#,
        ),
        ("PUT /v1/services/web/instances/web-2", INSTANCE, "{"),
        ("GET /v1/services/web/instances/web-1", INSTANCE, ""),
        ("GET /v1/services/web/instances/web-9", INSTANCE, ""),
        ("GET /v1/services/-/instances/web-9", INSTANCE, ""),
        (
            "GET /v1/services/web/instances",
            "/v1/services/{service}/instances",
            "",
        ),
        (
            "GET /v1/services/web/instances?tag=v2&tag=x&answerable=true",
            "/v1/services/{service}/instances",
            "",
        ),
        ("GET /v1/services/web", "/v1/services/{service}", ""),
        (
            "PUT /v1/services/web/instances/web-1/heartbeat",
            "/v1/services/{service}/instances/{id}/heartbeat",
            "",
        ),
        (
            "PUT /v1/services/web/instances/web-9/heartbeat",
            "/v1/services/{service}/instances/{id}/heartbeat",
            "",
        ),
        (
            "PUT /v1/services/web/instances/web-1/health",
            "/v1/services/{service}/instances/{id}/health",
            r#"{"status":"critical","output":"db down","port":"http"}"#,
        ),
        (
            "PUT /v1/services/web/instances/web-1/health",
            "/v1/services/{service}/instances/{id}/health",
            r#"{"output":"db down"}"#,
        ),
        (
            "PUT /v1/services/web/instances/web-1/drain",
            "/v1/services/{service}/instances/{id}/drain",
            r#"{"delete_after":"30s"}"#,
        ),
        (
            "PUT /v1/services/web/instances/web-1/drain",
            "/v1/services/{service}/instances/{id}/drain",
            r#"{"draining":false,"delete_after":"30s"}"#,
        ),
        (
            "POST /v1/heartbeats",
            "/v1/heartbeats",
            r#"{"instances":["web/web-1","web/web-9"]}"#,
        ),
        (
            "POST /v1/heartbeats",
            "/v1/heartbeats",
            r#"{"instances":["web"]}"#,
        ),
        (
            "POST /v1/batch",
            "/v1/batch",
            r#"{"operations":[{"op":"register","service":"web","id":"web-3","address":"192.0.2.3"},
                {"op":"health","service":"web","id":"web-3","status":"warning"},
                {"op":"drain","service":"web","id":"web-3","zone":"svc.internal"},
                {"op":"heartbeat","service":"web","id":"web-3"},
                {"op":"deregister","service":"web","id":"web-3"}]}"#,
        ),
        (
            "POST /v1/batch",
            "/v1/batch",
            r#"{"operations":[{"op":"heartbeat","service":"web","id":"web-1","if_match":1}]}"#,
        ),
        (
            "POST /v1/batch",
            "/v1/batch",
            r#"{"operations":[{"op":"register","service":"web","id":"a","address":"192.0.2.3","port":0}]}"#,
        ),
        (
            "POST /v1/batch",
            "/v1/batch",
            r#"{"operations":[{"op":"put","service":"web","id":"a"}]}"#,
        ),
        ("GET /v1/guard", "/v1/guard", ""),
        ("GET /v1/guard?zone=svc.internal", "/v1/guard", ""),
        ("GET /v1/guard?zone=b.internal", "/v1/guard", ""),
        ("DELETE /v1/guard", "/v1/guard", ""),
        ("DELETE /v1/guard?zone=b.internal", "/v1/guard", ""),
        ("GET /v1/changes", "/v1/changes", ""),
        ("GET /v1/changes?limit=1", "/v1/changes", ""),
        ("GET /v1/changes?after=99999", "/v1/changes", ""),
        ("GET /v1/changes?after=x", "/v1/changes", ""),
        ("GET /v1/watch?after=1&snapshot=true", "/v1/watch", ""),
        ("GET /v1/watch?zone=b.internal", "/v1/watch", ""),
        (
            "GET /v1/services/web?index=0&wait=10m",
            "/v1/services/{service}",
            "",
        ),
        (
            "GET /v1/services/nobody?index=0&wait=1ms",
            "/v1/services/{service}",
            "",
        ),
        ("GET /v1/services?index=0&wait=601", "/v1/services", ""),
        (
            "GET /v1/services/web/instances?index=99999&answerable=true",
            "/v1/services/{service}/instances",
            "",
        ),
        ("DELETE /v1/services/web/instances/web-1", INSTANCE, ""),
        ("DELETE /v1/services/web", "/v1/services/{service}", ""),
        (
            "GET /v1/zones/svc.internal/services",
            "/v1/zones/{zone}/services",
            "",
        ),
    ] {
        judge.ask(&api, line, route, body).await;
    }
    assert!(judge.seen.len() > 45, "{:?}", judge.seen);
    let same = api.get(WEB_1).await;
    assert_eq!(same.problem(), (404, "no_instance".into(), "-".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_watch_tells_has_the_shape_that_it_describes() {
    let api = Api::new().await;
    api.done("PUT /v1/services/web", r#"{"ttl":"10s"}"#).await;
    api.done(
        "PUT /v1/services/web/instances/web-1",
        r#"{"address":"192.0.2.1","lease":"15s"}"#,
    )
    .await;
    let document = api.get("/openapi.json").await.json();
    let judge = Judge {
        document,
        seen: BTreeSet::new(),
    };
    let said = &judge.document["paths"]["/v1/watch"]["get"]["responses"]["200"];
    let told = judge.validator(&said["content"]["application/x-ndjson"]["schema"]);
    let peer = Peer::new(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let watch = async |path: &str, accept: &str| {
        let request = Request::get(path)
            .header("host", "localhost")
            .header("accept", accept);
        let request = request.body(Body::empty()).expect("a request");
        api.front.answer(request, &peer).await
    };
    let mut lines = watch("/v1/watch?snapshot=true", "application/x-ndjson").await;
    let mut events = watch("/v1/watch?after=99999", "text/event-stream").await;
    for reply in [&lines, &events] {
        for name in said["headers"].as_object().expect("headers").keys() {
            assert!(reply.headers().contains_key(name), "{name}");
        }
    }
    // The picture, and then something that changes.
    let kinds = |text: &str, start: &str| -> Vec<String> {
        let data = text.lines().filter_map(|line| line.strip_prefix(start));
        data.map(|line| {
            let line: Value = serde_json::from_str(line).expect("JSON");
            let found = told.validate(&line).map_err(|error| error.to_string());
            assert_eq!(found, Ok(()), "{line}");
            line["kind"].as_str().expect("a kind").to_owned()
        })
        .collect()
    };
    let picture = ["zone", "service", "register", "synced"];
    assert_eq!(kinds(&read_to(&mut lines, "synced").await, ""), picture);
    let text = read_to(&mut events, "synced").await;
    assert_eq!(kinds(&text, "data: ")[0], "reset");
    assert_eq!(kinds(&text, "data: ")[1..], picture);
    api.done("DELETE /v1/services/web", "").await;
    tokio::select! {
        () = api.front.tell() => unreachable!("it tells for as long as it lives"),
        text = read_to(&mut lines, "\"kind\":\"service\"") => {
            assert_eq!(kinds(&text, ""), ["deregister", "service"]);
        }
    }
}

/// Reads on until what was read since has `wanted` in it, and ends a line.
async fn read_to(reply: &mut axum::http::Response<Body>, wanted: &str) -> String {
    let mut text = String::new();
    while !(text.contains(wanted) && text.ends_with('\n')) {
        let next = std::future::poll_fn(|context| Pin::new(reply.body_mut()).poll_frame(context));
        let frame = tokio::time::timeout(Duration::from_secs(20), next).await;
        let frame = frame
            .expect("something in time")
            .expect("no end")
            .expect("no error");
        text.push_str(std::str::from_utf8(frame.data_ref().expect("data")).expect("UTF-8"));
    }
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn durations_are_described_to_the_last_millisecond() {
    let api = Api::new().await;
    let document = api.get("/openapi.json").await.json();
    let judge = Judge {
        document,
        seen: BTreeSet::new(),
    };
    let lease = json!({"$ref": "#/components/schemas/Registration"});
    let registration = judge.validator(&lease);
    // Around each bound, in each unit.
    for (unit, bounds) in [
        (
            "ms",
            [0_u64, 100, 999, 1000, 9_999, 86_399_999, 86_400_000, 99_999_999],
        ),
        ("s", [0, 1, 10, 99, 100, 8_640, 86_400, 99_999]),
        ("m", [0, 1, 9, 10, 144, 1_440, 1_500, 14_400]),
        ("h", [0, 1, 2, 9, 10, 19, 24, 100]),
    ] {
        for bound in bounds {
            for number in bound.saturating_sub(2)..=bound + 2 {
                let body = format!(r#"{{"address":"192.0.2.1","lease":"{number}{unit}"}}"#);
                let value: Value = serde_json::from_str(&body).expect("JSON");
                let status = api.ask("PUT /v1/services/web/instances/a", &body).await.status;
                assert_eq!(registration.is_valid(&value), status != 422, "{body}: {status}");
            }
        }
    }
}
