//! Who may ask: held against every route.

use super::*;
use crate::http::router::paths;
use std::io::Write;

async fn guarded() -> (tempfile::NamedTempFile, Api) {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    writeln!(file, "ci s3cret").expect("it can be written");
    let api = Api::with(auth::Config {
        token_file: Some(file.path().to_owned()),
        names: vec!["dns.internal".into()],
    })
    .await;
    (file, api)
}

pub(super) fn example(path: &str) -> String {
    path.replace("{zone}", "svc.internal")
        .replace("{service}", "web")
        .replace("{id}", "web-1")
}

async fn status(api: &Api, method: &str, path: &str, headers: &[(&str, &str)]) -> u16 {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    api.send(request.body(Body::empty()).expect("a request"))
        .await
        .status
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_below_v1_asks_for_the_token() {
    let (_file, api) = guarded().await;
    for path in paths().iter().map(|path| example(path)) {
        for method in ["GET", "HEAD", "PUT", "POST", "DELETE", "PATCH", "OPTIONS"] {
            let guarded = path.starts_with("/v1");
            let without = status(&api, method, &path, &[("host", "localhost")]).await;
            assert_eq!(without == 401, guarded, "{method} {path}: {without}");
            let wrong = [("host", "localhost"), ("authorization", "Bearer other")];
            assert_eq!(
                status(&api, method, &path, &wrong).await == 401,
                guarded,
                "{method} {path}"
            );
            // With it neither Host nor Origin matters.
            let right = [
                ("host", "evil.example.org"),
                ("origin", "http://evil.example.org"),
                ("authorization", "bearer s3cret"),
            ];
            let with = status(&api, method, &path, &right).await;
            assert!(![401, 403].contains(&with), "{method} {path}: {with}");
        }
    }
    assert_eq!(
        status(&api, "GET", "/v1/no/such/route", &[("host", "localhost")]).await,
        401
    );
    let twice = [
        ("host", "localhost"),
        ("authorization", "Bearer s3cret"),
        ("authorization", "Bearer s3cret"),
    ];
    assert_eq!(status(&api, "GET", "/v1/zones", &twice).await, 401);
    let reply = api.get("/v1/zones").await;
    assert_eq!(reply.problem(), (401, "no_token".into(), "-".into()));
    assert_eq!(reply.header("www-authenticate"), "Bearer");
    assert!(reply.has("x-callsign-index") && reply.has("x-callsign-epoch"));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_tokens_the_host_and_the_origin_decide_on_every_route() {
    let api = Api::new().await;
    for path in paths()
        .iter()
        .map(|path| example(path))
        .chain(["/".into(), "/v1".into()])
    {
        let exempt = ["/healthz", "/readyz", "/metrics"].contains(&path.as_str());
        for foreign in [
            &[("host", "evil.example.org")][..],
            &[],
            &[("host", "localhost"), ("origin", "http://evil.example.org")],
            &[("host", "localhost:8053"), ("origin", "null")],
        ] {
            let status = status(&api, "GET", &path, foreign).await;
            assert_eq!(status == 403, !exempt, "{path} {foreign:?}: {status}");
        }
        let own = [("host", "localhost:8053"), ("origin", "http://localhost:8053")];
        assert_ne!(status(&api, "GET", &path, &own).await, 403, "{path}");
    }
    let refused = api
        .ask_with("GET /v1/zones", &[("origin", "http://evil.example.org")], "")
        .await;
    assert!(
        refused.json()["detail"]
            .as_str()
            .expect("text")
            .contains("--http-name")
    );
    assert!(!refused.has("access-control-allow-origin"));
    let two = [("host", "localhost"), ("host", "localhost")];
    assert_eq!(status(&api, "GET", "/v1/zones", &two).await, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_authority_of_the_target_is_judged_too() {
    let api = Api::new().await;
    let evil = "http://evil.example.org/v1/zones";
    assert_eq!(status(&api, "GET", evil, &[]).await, 403);
    assert_eq!(status(&api, "GET", evil, &[("host", "localhost")]).await, 403);
    let own = "http://localhost:8053/v1/zones";
    assert_eq!(status(&api, "GET", own, &[]).await, 200, "HTTP/2 has no Host");
    assert_eq!(
        status(&api, "GET", own, &[("host", "evil.example.org")]).await,
        403
    );
    assert_eq!(
        status(&api, "GET", own, &[("origin", "http://localhost:8053")]).await,
        200
    );
}
