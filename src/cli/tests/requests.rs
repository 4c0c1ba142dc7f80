//! What the clients send, and what they say of the reply: one instance at a time.

use expect_test::expect;

use super::api::{Api, INDEX, check, check_with};
use super::*;

#[test]
fn register_sends_precisely_what_was_given() {
    let reply = (
        201,
        INDEX,
        r#"{"zone":"svc.internal","service":"web","id":"web-1","index":7}"#,
    );
    check(
        &["register", "web", "web-1", "--address", "192.0.2.1"],
        &[reply],
        expect![[r#"
        PUT /v1/services/web/instances/web-1
          content-type: application/json
          {"addresses":["192.0.2.1"]}
        ---
        registered web-1 in web.svc.internal (index 7)
    "#]],
    );
    check(
        &[
            "register",
            "web",
            "web-1",
            "--address",
            "192.0.2.1",
            "--address",
            "2001:db8::1",
            "--port",
            "HTTP=8080",
            "--port",
            "dns=53/udp",
            "--tag",
            "v2",
            "--tag",
            "canary",
            "--meta",
            "version=2.1",
            "--meta",
            "note=a=b",
            "--lease",
            "15s",
            "--deregister-after",
            "600",
            "--priority",
            "1",
            "--weight",
            "5",
            "--status",
            "warning",
            "--zone",
            "svc.internal",
        ],
        &[reply],
        expect![[r#"
            PUT /v1/zones/svc.internal/services/web/instances/web-1
              content-type: application/json
              {"addresses":["192.0.2.1","2001:db8::1"],"deregister_after":600,"lease":"15s","meta":{"note":"a=b","version":"2.1"},"ports":{"dns":{"port":53,"protocol":"udp"},"http":8080},"priority":1,"status":"warning","tags":["v2","canary"],"weight":5}
            ---
            registered web-1 in web.svc.internal (index 7)
        "#]],
    );
    let replaced = (200, INDEX, r#"{"zone":"svc.internal","index":8}"#);
    check(
        &[
            "register",
            "web",
            "web-1",
            "--address",
            "192.0.2.1",
            "--port",
            "8080",
        ],
        &[replaced],
        expect![[r#"
            PUT /v1/services/web/instances/web-1
              content-type: application/json
              {"addresses":["192.0.2.1"],"ports":{"main":8080}}
            ---
            replaced web-1 in web.svc.internal (index 8)
        "#]],
    );
}

#[test]
fn a_port_or_a_key_given_twice_is_not_sent() {
    let words = [
        "register",
        "web",
        "web-1",
        "--address",
        "192.0.2.1",
        "--port",
        "1",
        "--port",
        "main=2",
    ];
    check(
        &words,
        &[],
        expect![[r#"

        ---
        --port main is given twice; give each port a name of its own, as in --port http=8080 --port metrics=9100 (exit 2)
    "#]],
    );
    let words = [
        "register",
        "web",
        "web-1",
        "--address",
        "192.0.2.1",
        "--meta",
        "a=1",
        "--meta",
        "a=2",
    ];
    check(
        &words,
        &[],
        expect![[r#"

        ---
        --meta a is given twice; leave one out (exit 2)
    "#]],
    );
}

#[test]
fn json_prints_the_reply_as_it_came() {
    let reply = (201, INDEX, r#"{"zone":"svc.internal","index":7}"#);
    check(
        &["register", "web", "web-1", "--address", "192.0.2.1", "--json"],
        &[reply],
        expect![[r#"
        PUT /v1/services/web/instances/web-1
          content-type: application/json
          {"addresses":["192.0.2.1"]}
        ---
        {"zone":"svc.internal","index":7}
    "#]],
    );
    check(
        &["deregister", "web", "web-1", "--json"],
        &[(204, INDEX, "")],
        expect![[r#"
        DELETE /v1/services/web/instances/web-1
        ---
    "#]],
    );
}

#[test]
fn the_small_writes_say_what_was_done() {
    check(
        &["deregister", "web", "web-1"],
        &[(204, INDEX, "")],
        expect![[r#"
        DELETE /v1/services/web/instances/web-1
        ---
        deregistered web-1 from web (index 9)
    "#]],
    );
    check(
        &["heartbeat", "web", "web-1", "--zone", "svc.internal"],
        &[(204, INDEX, "")],
        expect![[r#"
            PUT /v1/zones/svc.internal/services/web/instances/web-1/heartbeat
            ---
            renewed web-1 in web.svc.internal (index 9)
        "#]],
    );
    let reply = (200, INDEX, r#"{"zone":"svc.internal","index":9}"#);
    check(
        &[
            "health", "web", "web-1", "critical", "--output", "db down", "--port", "http",
        ],
        &[reply],
        expect![[r#"
            PUT /v1/services/web/instances/web-1/health
              content-type: application/json
              {"output":"db down","port":"http","status":"critical"}
            ---
            reported port http of web-1 in web.svc.internal as critical (index 9)
        "#]],
    );
    check(
        &["health", "web", "web-1", "passing"],
        &[reply],
        expect![[r#"
        PUT /v1/services/web/instances/web-1/health
          content-type: application/json
          {"status":"passing"}
        ---
        reported web-1 in web.svc.internal as passing (index 9)
    "#]],
    );
    let draining = r#"{"zone":"svc.internal","index":9,"safe_to_stop_at":"2026-01-02T03:04:05.678Z"}"#;
    check(
        &["drain", "web", "web-1", "--delete-after", "30s"],
        &[(200, INDEX, draining)],
        expect![[r#"
            PUT /v1/services/web/instances/web-1/drain
              content-type: application/json
              {"delete_after":"30s","draining":true}
            ---
            draining web-1 in web.svc.internal (index 9), safe to stop at 2026-01-02T03:04:05.678Z
        "#]],
    );
    check(
        &["drain", "web", "web-1", "--undo"],
        &[reply],
        expect![[r#"
        PUT /v1/services/web/instances/web-1/drain
          content-type: application/json
          {"draining":false}
        ---
        ended the drain of web-1 in web.svc.internal (index 9)
    "#]],
    );
}

#[test]
fn names_are_percent_encoded() {
    check(
        &[
            "deregister",
            "a/b",
            "c d?é%",
            "--zone",
            "0/25.2.0.192.in-addr.arpa",
        ],
        &[(204, INDEX, "")],
        expect![[r#"
            DELETE /v1/zones/0%2F25.2.0.192.in-addr.arpa/services/a%2Fb/instances/c%20d%3F%C3%A9%25
            ---
            deregistered c d?é% from a/b.0/25.2.0.192.in-addr.arpa (index 9)
        "#]],
    );
}

#[test]
fn the_token_comes_from_the_flag_or_else_the_environment() {
    let variables = [("CALLSIGN_TOKEN", "from-environment")];
    let reply = (204, INDEX, "");
    check_with(
        &["heartbeat", "web", "web-1"],
        &variables,
        &[],
        &[reply],
        expect![[r#"
        PUT /v1/services/web/instances/web-1/heartbeat
          authorization: Bearer from-environment
        ---
        renewed web-1 in web (index 9)
    "#]],
    );
    let words = ["heartbeat", "web", "web-1", "--token", "from-flag"];
    check_with(
        &words,
        &variables,
        &[],
        &[reply],
        expect![[r#"
        PUT /v1/services/web/instances/web-1/heartbeat
          authorization: Bearer from-flag
        ---
        renewed web-1 in web (index 9)
    "#]],
    );
}

#[test]
fn the_server_comes_from_the_environment_where_no_flag_is_given() {
    let api = Api::replying(&[(204, INDEX, "")]);
    let url = format!("{}/", api.url);
    let ran = run_with(&["heartbeat", "web", "web-1"], &[("CALLSIGN_SERVER", &url)], &[]);
    assert_eq!(
        (ran.code, api.asked().as_str()),
        (0, "PUT /v1/services/web/instances/web-1/heartbeat")
    );
}

#[test]
fn a_refusal_is_told_in_the_apis_words_with_the_field() {
    let words = ["register", "web", "web-1", "--address", "192.0.2.1"];
    let invalid = r#"{"status":422,"code":"invalid","detail":"0.0.0.0 is the unspecified address","field":"addresses[0]"}"#;
    check(
        &words,
        &[(422, INDEX, invalid)],
        expect![[r#"
        PUT /v1/services/web/instances/web-1
          content-type: application/json
          {"addresses":["192.0.2.1"]}
        ---
        0.0.0.0 is the unspecified address (field addresses[0]) (exit 1)
    "#]],
    );
    let named = r#"{"detail":"addresses[0]: is the unspecified address","field":"addresses[0]"}"#;
    check(
        &words,
        &[(422, INDEX, named)],
        expect![[r#"
        PUT /v1/services/web/instances/web-1
          content-type: application/json
          {"addresses":["192.0.2.1"]}
        ---
        addresses[0]: is the unspecified address (exit 1)
    "#]],
    );
    check(
        &words,
        &[(401, INDEX, r#"{"title":"Unauthorized"}"#)],
        expect![[r#"
        PUT /v1/services/web/instances/web-1
          content-type: application/json
          {"addresses":["192.0.2.1"]}
        ---
        Unauthorized; give a token with --token or CALLSIGN_TOKEN (exit 1)
    "#]],
    );
    check(
        &words,
        &[(503, &["retry-after: 1"], r#"{"detail":"the server is stopping"}"#)],
        expect![[r#"
            PUT /v1/services/web/instances/web-1
              content-type: application/json
              {"addresses":["192.0.2.1"]}
            ---
            the server is stopping; try again in 1 s (exit 1)
        "#]],
    );
    check(
        &words,
        &[(502, INDEX, "<html>bad gateway</html>")],
        expect![[r#"
        PUT /v1/services/web/instances/web-1
          content-type: application/json
          {"addresses":["192.0.2.1"]}
        ---
        the server replied with HTTP status 502 (exit 1)
    "#]],
    );
    check(
        &["services"],
        &[(200, INDEX, "<html>hello</html>")],
        expect![[r#"
        GET /v1/services
        ---
        the server's reply is not JSON; is this URL that of Callsign's API? (--server, CALLSIGN_SERVER): expected value at line 1 column 1 (exit 1)
    "#]],
    );
}

#[test]
fn an_api_that_is_not_there_is_told_with_what_to_do() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    drop(listener);
    let ran = run(&["services", "--server", &url]);
    expect!["cannot reach the API at URL: io: Connection refused (os error 111); start `callsign serve` there, or name another server with --server or CALLSIGN_SERVER"].assert_eq(&ran.error.replace(&url, "URL"));
    assert_eq!(ran.code, 1);
}
