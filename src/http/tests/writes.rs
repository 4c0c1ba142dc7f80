//! What a write does and answers.

use super::*;
use crate::catalog::{InstanceId, InstanceKey, ServiceName};
use expect_test::expect;

fn problem(status: u16, code: &str, field: &str) -> (u16, String, String) {
    (status, code.to_owned(), field.to_owned())
}

fn key(id: &str) -> InstanceKey {
    InstanceKey {
        zone: ZoneName::parse("svc.internal").expect("a zone"),
        service: ServiceName::parse("web").expect("a label"),
        id: InstanceId::parse(id).expect("a label"),
    }
}

const WEB_1: &str = "/v1/services/web/instances/web-1";

#[tokio::test(flavor = "multi_thread")]
async fn a_registration_answers_what_a_get_shows() {
    let api = Api::new().await;
    let body = r#"{"addresses":["192.0.2.1","2001:db8::1"],"ports":{"http":8080,"dns":{"port":53,"protocol":"udp"}},
        "tags":["v2"],"meta":{"version":"2.1"},"lease":"15s"}"#;
    let new = api.ask(&format!("PUT {WEB_1}"), body).await;
    assert_eq!(
        (new.status, new.header("location"), new.header("etag")),
        (201, WEB_1, "\"2\"")
    );
    assert_eq!(
        (new.header("x-callsign-index"), new.header("content-type")),
        ("2", "application/json")
    );
    assert_eq!(
        new.header("x-callsign-epoch"),
        "00000000-0000-0000-0000-000000000001"
    );
    expect![[r#"
        {"zone":"svc.internal",
         "service":"web",
         "id":"web-1",
         "addresses":["192.0.2.1",
         "2001:db8::1"],
         "ports":{"dns":{"port":53,
         "protocol":"udp"},
         "http":{"port":8080,
         "protocol":"tcp"}},
         "priority":0,
         "weight":1,
         "tags":["v2"],
         "meta":{"version":"2.1"},
         "lease":"15s",
         "deregister_after":"10m",
         "checks":[],
         "health":{"status":"passing",
         "output":"",
         "since":"2026-01-02T03:04:05.000Z",
         "ports":{"dns":{"status":"passing",
         "output":"",
         "since":"2026-01-02T03:04:05.000Z"},
         "http":{"status":"passing",
         "output":"",
         "since":"2026-01-02T03:04:05.000Z"}},
         "verdicts":{"reported":{"status":"passing",
         "output":"",
         "since":"2026-01-02T03:04:05.000Z"},
         "lease":{"status":"passing",
         "output":"",
         "since":"2026-01-02T03:04:05.000Z"}}},
         "draining":false,
         "lease_expires_at":"2026-01-02T03:04:20.000Z",
         "remove_at":null,
         "created_at":"2026-01-02T03:04:05.000Z",
         "updated_at":"2026-01-02T03:04:05.000Z",
         "created_index":2,
         "index":2}
    "#]]
    .assert_eq(&new.pretty());
    let shown = api.get(WEB_1).await;
    assert_eq!((shown.status, shown.header("etag")), (200, "\"2\""));
    assert_eq!(shown.text(), new.text());

    let again = api.ask(&format!("PUT {WEB_1}"), &shown.text()).await;
    assert_eq!(
        (again.status, again.has("location")),
        (200, false),
        "what a GET shows can be sent back"
    );
    assert_eq!(
        (again.header("x-callsign-index"), again.text()),
        ("2", new.text()),
        "and changes nothing"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn defaults_are_shown_and_short_forms_are_not() {
    let api = Api::new().await;
    let shown = api
        .done(&format!("PUT {WEB_1}"), r#"{"address":"192.0.2.1","port":80}"#)
        .await
        .json();
    assert_eq!(
        shown["ports"],
        serde_json::json!({"main": {"port": 80, "protocol": "tcp"}})
    );
    assert_eq!(shown["addresses"], serde_json::json!(["192.0.2.1"]));
    for name in ["address", "port", "status", "safe_to_stop_at"] {
        assert!(shown.get(name).is_none(), "{name}");
    }
    for name in ["lease", "lease_expires_at", "remove_at"] {
        assert!(shown[name].is_null(), "{name}");
    }
    assert!(shown["health"]["verdicts"].get("lease").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn preconditions_are_held() {
    let api = Api::new().await;
    let put = format!("PUT {WEB_1}");
    let body = r#"{"address":"192.0.2.1"}"#;
    let failed = problem(412, "precondition_failed", "-");
    assert_eq!(
        api.ask_with(&put, &[("if-match", "*")], body).await.problem(),
        failed
    );
    assert_eq!(
        api.ask_with(&put, &[("if-none-match", "*")], body).await.status,
        201
    );
    assert_eq!(
        api.ask_with(&put, &[("if-none-match", "*")], body)
            .await
            .problem(),
        failed
    );
    assert_eq!(
        api.ask_with(&put, &[("if-match", "\"1\"")], body).await.problem(),
        failed
    );
    assert_eq!(
        api.ask_with(&put, &[("if-match", "\"1\", \"2\"")], body)
            .await
            .status,
        200
    );
    assert_eq!(
        api.ask_with(&put, &[("if-match", "2")], body).await.problem(),
        problem(422, "invalid", "If-Match")
    );
    let heartbeat = format!("{put}/heartbeat");
    assert_eq!(
        api.ask_with(&heartbeat, &[("if-match", "\"1\"")], "")
            .await
            .problem(),
        failed
    );
    assert_eq!(
        api.ask_with(&heartbeat, &[("if-match", "\"2\"")], "")
            .await
            .status,
        204
    );
    let delete = format!("DELETE {WEB_1}");
    assert_eq!(
        api.ask_with(&delete, &[("if-match", "\"1\"")], "")
            .await
            .problem(),
        failed
    );
    assert_eq!(
        api.ask_with(&delete, &[("if-match", "\"2\"")], "").await.status,
        204
    );
    let settings = "PUT /v1/services/web";
    assert_eq!(
        api.ask_with(settings, &[("if-none-match", "*")], "{}")
            .await
            .problem(),
        failed
    );
    assert_eq!(
        api.ask_with("DELETE /v1/zones/svc.internal", &[("if-match", "\"9\"")], "")
            .await
            .problem(),
        failed
    );
    let batch = api
        .ask_with("POST /v1/batch", &[("if-match", "*")], r#"{"operations":[]}"#)
        .await;
    assert_eq!(batch.problem(), problem(422, "invalid", "If-Match"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_heartbeat_renews_without_the_writer_and_revives_with_it() {
    let api = Api::new().await;
    let heartbeat = format!("PUT {WEB_1}/heartbeat");
    assert_eq!(
        api.ask(&heartbeat, "").await.problem(),
        problem(404, "no_instance", "-")
    );
    api.done(
        &format!("PUT {WEB_1}"),
        r#"{"address":"192.0.2.1","lease":"15s"}"#,
    )
    .await;
    api.advance(10);
    let beat = api.ask(&heartbeat, "").await;
    assert_eq!(
        (beat.status, beat.text().as_str(), beat.header("x-callsign-index")),
        (204, "", "2")
    );
    let shown = api.get(WEB_1).await.json();
    assert_eq!(shown["lease_expires_at"], "2026-01-02T03:04:30.000Z");
    assert_eq!(shown["index"], 2, "a renewal is no change");

    api.advance(15);
    api.make(Change::Lapse { key: key("web-1") }).await;
    let lapsed = api.get(WEB_1).await.json();
    expect![[r#"{"output":"no heartbeat for 15s","ports":{},"since":"2026-01-02T03:04:30.000Z","status":"critical","verdicts":{"lease":{"output":"no heartbeat for 15s","since":"2026-01-02T03:04:30.000Z","status":"critical"},"reported":{"output":"","since":"2026-01-02T03:04:05.000Z","status":"passing"}}}"#]]
        .assert_eq(&lapsed["health"].to_string());
    assert_eq!(lapsed["lease_expires_at"], "2026-01-02T03:04:30.000Z");
    assert_eq!(lapsed["remove_at"], "2026-01-02T03:14:30.000Z");
    let revived = api.done(&heartbeat, "{}").await;
    assert_eq!(revived.header("x-callsign-index"), "4");
    assert_eq!(api.get(WEB_1).await.json()["health"]["status"], "passing");

    for (body, expected) in [
        ("{", problem(400, "not_json", "-")),
        ("[]", problem(422, "invalid", "-")),
        (r#"{"status":"passing"}"#, problem(422, "invalid", "status")),
    ] {
        assert_eq!(api.ask(&heartbeat, body).await.problem(), expected, "{body}");
    }
    api.done(
        "PUT /v1/services/web/instances/web-2",
        r#"{"address":"192.0.2.2"}"#,
    )
    .await;
    api.done("PUT /v1/services/web/instances/web-2/heartbeat", "")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_that_change_nothing_renew_the_lease_too() {
    let api = Api::new().await;
    let body = r#"{"address":"192.0.2.1","lease":"15s"}"#;
    let lone = [
        (format!("PUT {WEB_1}"), body),
        (format!("PUT {WEB_1}/health"), r#"{"status":"passing"}"#),
    ];
    let batch = |op: &str| {
        format!(
            r#"{{"operations":[{{"op":"{op}","service":"web","id":"web-1","address":"192.0.2.1","lease":"15s"}}]}}"#
        )
    };
    api.done(&format!("PUT {WEB_1}"), body).await;
    for (line, body) in lone {
        api.advance(1);
        let expected = (api.deps.clock.now() + Duration::from_secs(15)).to_string();
        let shown = api.done(&line, body).await.json();
        assert_eq!(
            (&shown["lease_expires_at"], &shown["index"]),
            (&expected.into(), &2.into()),
            "{line}"
        );
    }
    let heartbeat = r#"{"operations":[{"op":"heartbeat","service":"web","id":"web-1"}]}"#.to_owned();
    for body in [batch("register"), heartbeat] {
        api.advance(1);
        let expected = (api.deps.clock.now() + Duration::from_secs(15)).to_string();
        let made = api.done("POST /v1/batch", &body).await;
        assert_eq!(
            made.text(),
            r#"{"index":2,"results":[{"index":2,"changed":false}]}"#
        );
        assert_eq!(
            api.get(WEB_1).await.json()["lease_expires_at"],
            expected,
            "{body}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn health_is_set_for_the_instance_and_for_a_port() {
    let api = Api::new().await;
    api.done(
        &format!("PUT {WEB_1}"),
        r#"{"address":"192.0.2.1","ports":{"http":80}}"#,
    )
    .await;
    api.advance(1);
    let put = format!("PUT {WEB_1}/health");
    let shown = api
        .done(&put, r#"{"status":"critical","output":"db down","port":"http"}"#)
        .await;
    assert_eq!((shown.status, shown.header("etag")), (200, "\"3\""));
    expect![[r#"{"output":"","ports":{"http":{"output":"db down","since":"2026-01-02T03:04:06.000Z","status":"critical"}},"since":"2026-01-02T03:04:05.000Z","status":"passing","verdicts":{"reported":{"output":"","since":"2026-01-02T03:04:05.000Z","status":"passing"}}}"#]]
        .assert_eq(&shown.json()["health"].to_string());
    let shown = api
        .done(&put, r#"{"status":"warning","output":"slow"}"#)
        .await
        .json();
    assert_eq!(
        (&shown["health"]["status"], &shown["health"]["output"]),
        (&"warning".into(), &"slow".into())
    );
    assert_eq!(
        api.ask(&put, r#"{"status":"passing","port":"dns"}"#)
            .await
            .problem(),
        problem(422, "invalid", "port")
    );
    assert_eq!(
        api.ask(
            "PUT /v1/services/web/instances/x/health",
            r#"{"status":"passing"}"#
        )
        .await
        .problem(),
        problem(404, "no_instance", "-")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_says_when_it_is_safe_to_stop() {
    let api = Api::new().await;
    api.done(&format!("PUT {WEB_1}"), r#"{"address":"192.0.2.1"}"#)
        .await;
    let drain = format!("PUT {WEB_1}/drain");
    let drained = api.done(&drain, r#"{"delete_after":"30s"}"#).await.json();
    assert_eq!(
        (&drained["draining"], &drained["remove_at"]),
        (&true.into(), &"2026-01-02T03:04:35.000Z".into())
    );
    assert_eq!(
        drained["safe_to_stop_at"], "2026-01-02T03:04:12.000Z",
        "now + 5 s + 2 s"
    );
    assert!(api.get(WEB_1).await.json().get("safe_to_stop_at").is_none());

    // A TTL that was longer a moment ago may still be in caches: the service's own, then the zone's.
    api.done("PUT /v1/services/web", r#"{"ttl":"1m"}"#).await;
    api.done("PUT /v1/services/web", r#"{"ttl":1}"#).await;
    let drained = api.done(&drain, "{}").await.json();
    assert_eq!(drained["safe_to_stop_at"], "2026-01-02T03:05:07.000Z");
    api.done("PUT /v1/services/web", "{}").await;
    api.done("PUT /v1/zones/svc.internal", r#"{"ttl":"2m"}"#).await;
    api.done("PUT /v1/zones/svc.internal", r#"{"ttl":1}"#).await;
    let drained = api.done(&drain, "{}").await.json();
    assert_eq!(drained["safe_to_stop_at"], "2026-01-02T03:06:07.000Z");
    let ended = api.done(&drain, r#"{"draining":false}"#).await.json();
    assert_eq!(
        (&ended["draining"], &ended["remove_at"]),
        (&false.into(), &Value::Null)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_of_zones_and_services() {
    let api = Api::new().await;
    let new = api
        .ask(
            "PUT /v1/zones/other.internal",
            r#"{"ttl":90,"negative_ttl":"2s","on_empty":"all"}"#,
        )
        .await;
    assert_eq!(
        (new.status, new.header("location"), new.header("etag")),
        (201, "/v1/zones/other.internal", "\"2\"")
    );
    expect![[r#"{"name":"other.internal","serial":1767323045,"services":0,"settings":{"ttl":"90s","negative_ttl":"2s","on_empty":"all"}}"#]]
        .assert_eq(&new.text());
    assert_eq!(api.get("/v1/zones/Other.Internal.").await.text(), new.text());
    let put = "PUT /v1/zones/other.internal/services/db";
    let service = api
        .ask(
            put,
            r#"{"settings":{"ttl":0,"answer_limit":3,"forget_after":"120m"}}"#,
        )
        .await;
    assert_eq!(service.status, 201);
    expect![[r#"{"zone":"other.internal","name":"db","settings":{"ttl":"0h","answer_limit":3,"forget_after":"2h"},"instances":[],"created_at":"2026-01-02T03:04:05.000Z","index":3}"#]]
        .assert_eq(&service.text());
    assert_eq!(
        api.ask(put, &service.text()).await.text(),
        service.text(),
        "what a GET shows can be sent back"
    );
    assert_eq!(api.ask(put, "{}").await.json()["settings"], serde_json::json!({}));
    for (line, body, expected) in [
        ("PUT /v1/services/ns", "{}", problem(409, "name_taken", "service")),
        (
            "PUT /v1/zones/a.svc.internal",
            r#"{"ttl":"x"}"#,
            problem(422, "invalid", "ttl"),
        ),
        (
            "PUT /v1/zones/none.internal/services/a",
            "{}",
            problem(404, "no_zone", "-"),
        ),
        ("DELETE /v1/services/none", "", problem(404, "no_service", "-")),
        ("DELETE /v1/zones/none.internal", "", problem(404, "no_zone", "-")),
    ] {
        assert_eq!(api.ask(line, body).await.problem(), expected, "{line}");
    }
    api.done(
        "PUT /v1/zones/other.internal/services/db/instances/a",
        r#"{"address":"192.0.2.1"}"#,
    )
    .await;
    assert_eq!(
        api.ask("DELETE /v1/zones/other.internal", "").await.problem(),
        problem(409, "zone_not_empty", "-")
    );
    assert_eq!(
        api.ask("DELETE /v1/zones/other.internal/services/db", "")
            .await
            .status,
        204
    );
    assert_eq!(api.ask("DELETE /v1/zones/other.internal", "").await.status, 204);
    assert_eq!(api.get("/v1/zones/other.internal").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_all_or_nothing() {
    let api = Api::new().await;
    let empty = api.done("POST /v1/batch", r#"{"operations":[]}"#).await;
    assert_eq!(empty.text(), r#"{"index":1,"results":[]}"#);
    let made = api
        .done(
            "POST /v1/batch",
            r#"{"operations":[
                {"op":"register","service":"web","id":"web-1","address":"192.0.2.1","lease":"15s"},
                {"op":"register","service":"web","id":"web-2","address":"192.0.2.2"},
                {"op":"deregister","service":"web","id":"gone"},
                {"op":"health","service":"web","id":"web-2","status":"warning"},
                {"op":"heartbeat","service":"web","id":"web-1"},
                {"op":"drain","service":"web","id":"web-1","if_match":2}]}"#,
        )
        .await;
    expect![[r#"{"index":5,"results":[{"index":2,"changed":true},{"index":3,"changed":true},{"index":3,"changed":false},{"index":4,"changed":true},{"index":4,"changed":false},{"index":5,"changed":true}]}"#]]
        .assert_eq(&made.text());
    assert_eq!(made.header("x-callsign-index"), "5");

    let good = r#"{"op":"deregister","service":"web","id":"web-1"}"#;
    for (bad, expected) in [
        (
            r#"{"op":"health","service":"web","id":"web-9","status":"passing"}"#,
            problem(404, "no_instance", "operations[1].id"),
        ),
        (
            r#"{"op":"drain","zone":"no.internal","service":"web","id":"web-2"}"#,
            problem(404, "no_zone", "operations[1].zone"),
        ),
        (
            r#"{"op":"drain","service":"web","id":"web-2","if_match":9}"#,
            problem(412, "precondition_failed", "operations[1].if_match"),
        ),
        (
            r#"{"op":"health","service":"web","id":"web-2","status":"passing","port":"x"}"#,
            problem(422, "invalid", "operations[1].port"),
        ),
        (
            r#"{"op":"register","service":"ns","id":"a","address":"192.0.2.1"}"#,
            problem(409, "name_taken", "operations[1].service"),
        ),
        (
            r#"{"op":"register","service":"web","id":"a","address":"192.0.2.1","tags":["web-2"]}"#,
            problem(409, "label_taken", "operations[1].tags"),
        ),
        (
            r#"{"op":"register","service":"web","id":"a","address":"192.0.2.1","port":0}"#,
            problem(422, "invalid", "operations[1].port"),
        ),
    ] {
        let refused = api
            .ask("POST /v1/batch", &format!(r#"{{"operations":[{good},{bad}]}}"#))
            .await;
        assert_eq!(refused.problem(), expected, "{bad}");
        assert_eq!(refused.header("x-callsign-index"), "5", "nothing was done");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_writer_is_503_and_reading_goes_on() {
    let mut api = Api::new().await;
    api.writer.take().expect("it runs").stop();
    let refused = api
        .ask(&format!("PUT {WEB_1}"), r#"{"address":"192.0.2.1"}"#)
        .await;
    assert_eq!(refused.problem(), problem(503, "stopping", "-"));
    assert_eq!(refused.header("retry-after"), "1");
    assert_eq!(api.get("/v1/services").await.status, 200, "reading goes on");
}
