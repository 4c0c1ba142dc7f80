//! Reading, and what is wrong with a request.

use super::*;
use crate::http::router::paths;
use expect_test::expect;

async fn filled() -> Api {
    let api = Api::new().await;
    for (path, body) in [
        (
            "web/instances/web-1",
            r#"{"address":"192.0.2.1","tags":["V2","blue"]}"#,
        ),
        (
            "web/instances/web-2",
            r#"{"address":"192.0.2.2","tags":["v2"],"status":"critical"}"#,
        ),
        (
            "web/instances/web-3",
            r#"{"address":"192.0.2.3","tags":["v1"],"status":"warning"}"#,
        ),
        ("web/instances/web-3/drain", "{}"),
        ("db/instances/db-1", r#"{"address":"192.0.2.4"}"#),
    ] {
        api.done(&format!("PUT /v1/services/{path}"), body).await;
    }
    api
}

#[tokio::test(flavor = "multi_thread")]
async fn lists() {
    let api = filled().await;
    expect![[r#"{"services":[{"zone":"svc.internal","name":"db","instances":1,"passing":1,"warning":0,"critical":0,"draining":0,"answerable":1},{"zone":"svc.internal","name":"web","instances":3,"passing":1,"warning":1,"critical":1,"draining":1,"answerable":1}]}"#]]
        .assert_eq(&api.get("/v1/services").await.text());
    assert_eq!(
        api.get("/v1/zones/svc.internal/services").await.text(),
        api.get("/v1/services").await.text()
    );
    assert_eq!(
        api.get("/v1/zones").await.text(),
        r#"{"zones":[{"name":"svc.internal","serial":1767323050,"services":2,"settings":{}}]}"#
    );
    let page = api.get("/v1/services?limit=1").await.json();
    assert_eq!(
        (&page["services"][0]["name"], &page["next"]),
        (&"db".into(), &"db".into())
    );
    let page = api.get("/v1/services?limit=1&after=db").await.json();
    assert_eq!(
        (&page["services"][0]["name"], page.get("next")),
        (&"web".into(), None)
    );
    assert_eq!(
        api.get("/v1/services?prefix=W").await.json()["services"][0]["name"],
        "web"
    );
    assert_eq!(
        api.get("/v1/zones?after=svc.internal").await.text(),
        r#"{"zones":[]}"#
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_are_filtered_and_paged() {
    let api = filled().await;
    let ids = async |query: &str| {
        let json = api
            .get(&format!("/v1/services/web/instances{query}"))
            .await
            .json();
        let ids: Vec<_> = json["instances"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|instance| {
                instance["id"]
                    .as_str()
                    .expect("an id")
                    .trim_start_matches("web-")
                    .to_owned()
            })
            .collect();
        format!("{} {}", ids.join(""), json["next"].as_str().unwrap_or("-"))
    };
    for (query, expected) in [
        ("", "123 -"),
        ("?answerable=true", "1 -"),
        ("?answerable=false", "123 -"),
        ("?tag=v2", "12 -"),
        ("?tag=v2&tag=blue", "1 -"),
        ("?tag=v2&answerable=true", "1 -"),
        ("?tag=none", " -"),
        ("?limit=2", "12 web-2"),
        ("?limit=2&after=web-2", "3 -"),
        ("?limit=1&tag=v2", "1 web-1"),
        ("?limit=2&tag=v2", "12 -"),
        ("?prefix=web-3", "3 -"),
    ] {
        assert_eq!(ids(query).await, expected, "{query}");
    }
    let service = api.get("/v1/services/web").await.json();
    assert_eq!(service["instances"].as_array().map(Vec::len), Some(3));
    assert_eq!(
        service["instances"],
        api.get("/v1/services/web/instances").await.json()["instances"]
    );
    assert_eq!(
        (&service["index"], &service["zone"]),
        (&5.into(), &"svc.internal".into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_has_it_gets_304() {
    let api = filled().await;
    for (path, tag) in [
        ("/v1/services/web", "\"5\""),
        ("/v1/services/web/instances/web-1", "\"2\""),
    ] {
        assert_eq!(api.get(path).await.header("etag"), tag);
        let known = api
            .ask_with(&format!("GET {path}"), &[("if-none-match", tag)], "")
            .await;
        assert_eq!(
            (known.status, known.text().as_str(), known.header("etag")),
            (304, "", tag),
            "{path}"
        );
        let other = api
            .ask_with(&format!("GET {path}"), &[("if-none-match", "\"99\"")], "")
            .await;
        assert_eq!(other.status, 200);
    }
    // Its serial has moved, its own index has not.
    let zone = api
        .ask_with("GET /v1/zones/svc.internal", &[("if-none-match", "\"1\"")], "")
        .await;
    assert_eq!((zone.status, zone.header("etag")), (200, "\"1\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn head_is_get_without_the_body() {
    let api = filled().await;
    for path in [
        "/v1/services",
        "/v1/services/web",
        "/v1/services/none",
        "/healthz",
    ] {
        let (get, head) = (api.get(path).await, api.ask(&format!("HEAD {path}"), "").await);
        assert_eq!((head.status, head.body.len()), (get.status, 0), "{path}");
        assert_eq!(
            head.header("content-length"),
            get.body.len().to_string(),
            "{path}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_requests() {
    let api = filled().await;
    for (line, status, code, field) in [
        ("GET /", 404, "no_route", "-"),
        ("GET /v1", 404, "no_route", "-"),
        ("GET /v1/services/", 404, "no_route", "-"),
        ("GET /v1//services", 404, "no_route", "-"),
        ("GET /%761/services", 404, "no_route", "-"),
        ("GET /v1/services/web/../db", 404, "no_route", "-"),
        ("GET /v1/guards", 404, "no_route", "-"),
        ("POST /v1/watch", 405, "method_not_allowed", "-"),
        ("POST /v1/changes", 405, "method_not_allowed", "-"),
        ("POST /v1/heartbeats", 400, "not_json", "-"),
        ("GET /openapi.json?all=1", 422, "invalid", "all"),
        ("POST /v1/services", 405, "method_not_allowed", "-"),
        ("OPTIONS /v1/services", 405, "method_not_allowed", "-"),
        ("GET /v1/batch", 405, "method_not_allowed", "-"),
        ("PATCH /v1/services/web", 405, "method_not_allowed", "-"),
        ("GET /v1/services/none", 404, "no_service", "-"),
        ("GET /v1/services/none/instances", 404, "no_service", "-"),
        ("GET /v1/services/web/instances/none", 404, "no_instance", "-"),
        ("GET /v1/zones/none.internal", 404, "no_zone", "-"),
        ("GET /v1/zones/none.internal/services", 404, "no_zone", "-"),
        ("DELETE /v1/services/web/instances/none", 404, "no_instance", "-"),
        ("DELETE /v1/services/none/instances/a", 404, "no_instance", "-"),
        ("GET /v1/services/%2e%2e", 422, "invalid", "service"),
        ("GET /v1/services/%2e%2e%2fzones", 422, "invalid", "service"),
        ("GET /v1/services/%ff", 422, "invalid", "service"),
        ("GET /v1/services/we%00b", 422, "invalid", "service"),
        ("GET /v1/services/_web", 422, "invalid", "service"),
        ("DELETE /v1/services/web/instances/-a", 422, "invalid", "id"),
        ("GET /v1/zones/a..b", 422, "invalid", "zone"),
        ("GET /v1/zones/a..b/services/web", 422, "invalid", "zone"),
        ("GET /v1/services?limit=0", 422, "invalid", "limit"),
        ("GET /v1/services?limit=10001", 422, "invalid", "limit"),
        ("GET /v1/zones?index=1", 422, "invalid", "index"),
        ("GET /v1/services?index=x", 422, "invalid", "index"),
        ("GET /v1/services?index=-1", 422, "invalid", "index"),
        ("GET /v1/services/web?index=1&wait=11m", 422, "invalid", "wait"),
        ("GET /v1/services/web?wait=600001ms", 422, "invalid", "wait"),
        ("GET /v1/services/web?wait=soon", 422, "invalid", "wait"),
        ("GET /v1/changes?after=x", 422, "invalid", "after"),
        ("GET /v1/changes?limit=10001", 422, "invalid", "limit"),
        ("GET /v1/changes?epoch=x", 422, "invalid", "epoch"),
        ("GET /v1/watch?after=x", 422, "invalid", "after"),
        ("GET /v1/watch?snapshot=x", 422, "invalid", "snapshot"),
        ("GET /v1/watch?snapshot=true&after=1", 422, "invalid", "snapshot"),
        ("GET /v1/watch?zone=a..b", 422, "invalid", "zone"),
        ("GET /v1/watch?zone=none.internal", 404, "no_zone", "-"),
        ("GET /v1/watch?service=_web", 422, "invalid", "service"),
        ("GET /v1/watch?limit=1", 422, "invalid", "limit"),
        (
            "GET /v1/services/web/instances?answerable=yes",
            422,
            "invalid",
            "answerable",
        ),
        ("GET /v1/services/web/instances?tag=", 422, "invalid", "tag"),
        ("DELETE /v1/services/web?force=true", 422, "invalid", "force"),
        ("GET /readyz?only=store", 422, "invalid", "only"),
        ("PUT /v1/services/web", 400, "not_json", "-"),
        ("PUT /v1/services/web/instances/web-1/drain", 400, "not_json", "-"),
        ("POST /v1/batch", 400, "not_json", "-"),
    ] {
        let reply = api.ask(line, "").await;
        assert_eq!(
            reply.problem(),
            (status, code.to_owned(), field.to_owned()),
            "{line}"
        );
        assert_eq!(reply.has("x-callsign-epoch"), line.contains(" /v1"), "{line}");
        assert_eq!(reply.has("x-callsign-index"), line.contains(" /v1"), "{line}");
        assert_eq!(reply.has("allow"), status == 405, "{line}");
    }
    assert_eq!(
        api.ask("POST /v1/services/web", "{}").await.header("allow"),
        "GET,HEAD,PUT,DELETE"
    );
    assert_eq!(
        api.get("/v1/services/%77eb").await.status,
        200,
        "a name may be written in percent-encoding"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_over_a_mebibyte_is_413() {
    let api = Api::new().await;
    let fits = format!("{{{}}}", " ".repeat((1 << 20) - 2));
    assert_eq!(api.ask("PUT /v1/services/web", &fits).await.status, 201);
    let over = api.ask("PUT /v1/services/web", &(fits + " ")).await;
    assert_eq!(over.problem(), (413, "too_large".into(), "-".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn ready_means_dns_and_store() {
    let mut api = Api::new().await;
    assert_eq!(api.get("/healthz").await.status, 200);
    let not = api.get("/readyz").await;
    assert_eq!(not.status, 503);
    assert_eq!(
        not.text(),
        r#"{"ready":false,"guarded":false,"parts":{"dns":{"ready":false,"reason":"DNS questions are not answered"},"store":{"ready":true}}}"#
    );
    api.deps.readiness.set_dns(true);
    assert_eq!(api.get("/readyz").await.status, 200);
    api.writer.take().expect("it runs").stop();
    assert_eq!(
        api.get("/readyz").await.text(),
        r#"{"ready":false,"guarded":false,"parts":{"dns":{"ready":true},"store":{"ready":false,"reason":"the server is stopping"}}}"#
    );
    assert_eq!(
        api.get("/readyz?only=dns").await.text(),
        r#"{"ready":true,"guarded":false,"parts":{"dns":{"ready":true}}}"#
    );
}

#[test]
fn every_route_stands_beside_the_api_by_name_or_below_v1() {
    for path in paths() {
        assert!(
            // The description needs no token, and is judged by Host and Origin like the rest.
            path.starts_with("/v1/")
                || ["/healthz", "/readyz", "/metrics", "/openapi.json"].contains(&path.as_str()),
            "{path}"
        );
    }
}
