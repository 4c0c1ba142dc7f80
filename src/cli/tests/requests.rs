//! What the clients send, and what they say of the reply.

use expect_test::{Expect, expect};

use super::api::{Api, Scripted};
use super::*;

const INDEX: &[&str] = &["x-callsign-index: 9"];

/// Runs a client against an API with these replies, and shows what it asked and what it said.
fn check(words: &[&str], replies: &[Scripted], expected: Expect) {
    check_with(words, &[], &[], replies, expected);
}

fn check_with(
    words: &[&str],
    variables: &[(&str, &str)],
    input: &[u8],
    replies: &[Scripted],
    expected: Expect,
) {
    let api = Api::replying(replies);
    let words: Vec<_> = words.iter().copied().chain(["--server", &api.url]).collect();
    let Ran { code, out, error } = run_with(&words, variables, input);
    let said = if code == 0 {
        out
    } else {
        format!("{out}{error} (exit {code})\n")
    };
    expected.assert_eq(&format!(
        "{}\n---\n{}",
        api.asked(),
        said.replace(&api.url, "URL")
    ));
}

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
fn lists_follow_every_page_and_are_aligned() {
    let first = r#"{"services":[{"zone":"svc.internal","name":"a","instances":12,"passing":11,"warning":1,"critical":0,"draining":0,"answerable":12}],"next":"a"}"#;
    let last = r#"{"services":[{"zone":"svc.internal","name":"long-name","instances":1,"passing":1,"warning":0,"critical":0,"draining":1,"answerable":0}]}"#;
    check(
        &["services"],
        &[(200, INDEX, first), (200, INDEX, last)],
        expect![[r#"
        GET /v1/services
        GET /v1/services?after=a
        ---
        NAME       INSTANCES  PASSING  WARNING  CRITICAL  DRAINING  ANSWERABLE
        a          12         11       1        0         0         12
        long-name  1          1        0        0         1         0
    "#]],
    );
    check(
        &["services", "--json", "--zone", "svc.internal"],
        &[(200, INDEX, first), (200, INDEX, last)],
        expect![[r#"
            GET /v1/zones/svc.internal/services
            GET /v1/zones/svc.internal/services?after=a
            ---
            {"services":[{"answerable":12,"critical":0,"draining":0,"instances":12,"name":"a","passing":11,"warning":1,"zone":"svc.internal"},{"answerable":0,"critical":0,"draining":1,"instances":1,"name":"long-name","passing":1,"warning":0,"zone":"svc.internal"}]}
        "#]],
    );
    check(
        &["services"],
        &[(200, INDEX, first), (200, INDEX, first)],
        expect![[r#"
        GET /v1/services
        GET /v1/services?after=a
        ---
        the server's list does not end: it names the same page twice (exit 1)
    "#]],
    );
}

#[test]
fn instances_and_zones_are_shown_in_columns() {
    let instances = r#"{"instances":[
        {"id":"web-1","addresses":["192.0.2.1","2001:db8::1"],"ports":{"dns":{"port":53,"protocol":"udp"},"http":{"port":8080,"protocol":"tcp"}},
         "priority":0,"weight":1,"tags":["v2","evil\u001b[2J"],"lease":"15s","lease_expires_at":"2026-01-02T03:04:05.678Z","draining":false,
         "health":{"status":"passing","ports":{"http":{"status":"critical"},"dns":{"status":"passing"}}}},
        {"id":"web-20","addresses":["192.0.2.20"],"ports":{},"priority":1,"weight":10,"tags":[],"lease":null,"lease_expires_at":null,"draining":true,
         "health":{"status":"warning","ports":{}}}]}"#;
    check(
        &["instances", "web", "--tag", "v2", "--tag", "a&b", "--answerable"],
        &[(200, INDEX, instances)],
        expect![[r#"
            GET /v1/services/web/instances?tag=v2&tag=a%26b&answerable=true
            ---
            ID      ADDRESSES              PORTS                          STATUS   DRAINING  PRIORITY  WEIGHT  TAGS              LEASE  EXPIRES
            web-1   192.0.2.1,2001:db8::1  dns=53/udp,http=8080:critical  passing  no        0         1       v2,evil\u{1b}[2J  15s    2026-01-02T03:04:05.678Z
            web-20  192.0.2.20             -                              warning  yes       1         10      -                 -      -
        "#]],
    );
    let zones = r#"{"zones":[{"name":"svc.internal","serial":1767323045,"services":3,"settings":{"ttl":"5s","answer_limit":0}}]}"#;
    check(
        &["zones"],
        &[(200, INDEX, zones)],
        expect![[r#"
        GET /v1/zones
        ---
        NAME          SERIAL      SERVICES  TTL  NEGATIVE-TTL  ON-EMPTY  ANSWER-LIMIT  FORGET-AFTER
        svc.internal  1767323045  3         5s   -             -         0             -
    "#]],
    );
}

const SERVICE: Scripted = (
    200,
    &["etag: \"7\""],
    r#"{"zone":"svc.internal","name":"web","settings":{"ttl":"5s","on_empty":"all","forget_after":"2h"},"instances":[],"index":7}"#,
);

#[test]
fn setting_one_thing_leaves_the_others() {
    let put = (200, INDEX, r#"{"zone":"svc.internal","name":"web","index":8}"#);
    check(
        &[
            "set-service",
            "web",
            "--ttl",
            "10",
            "--answer-limit",
            "3",
            "--unset",
            "on-empty",
        ],
        &[SERVICE, put],
        expect![[r#"
            GET /v1/services/web
            PUT /v1/services/web
              if-match: "7"
              content-type: application/json
              {"answer_limit":3,"forget_after":"2h","ttl":10}
            ---
            set service web.svc.internal (index 8)
        "#]],
    );
}

#[test]
fn settings_that_somebody_else_changes_meanwhile_are_read_again() {
    let moved = (
        200,
        &["etag: \"8\""][..],
        r#"{"zone":"svc.internal","name":"web","settings":{"ttl":"1s"},"instances":[],"index":8}"#,
    );
    let refused = (412, INDEX, r#"{"detail":"it has changed"}"#);
    let put = (200, INDEX, r#"{"zone":"svc.internal","name":"web","index":9}"#);
    check(
        &["set-service", "web", "--on-empty", "nxdomain"],
        &[SERVICE, refused, moved, put],
        expect![[r#"
            GET /v1/services/web
            PUT /v1/services/web
              if-match: "7"
              content-type: application/json
              {"forget_after":"2h","on_empty":"nxdomain","ttl":"5s"}
            GET /v1/services/web
            PUT /v1/services/web
              if-match: "8"
              content-type: application/json
              {"on_empty":"nxdomain","ttl":"1s"}
            ---
            set service web.svc.internal (index 9)
        "#]],
    );
}

#[test]
fn a_zone_that_does_not_exist_is_created_by_setting_it() {
    let absent = (404, INDEX, r#"{"detail":"zone eu.internal does not exist"}"#);
    let put = (201, INDEX, r#"{"name":"eu.internal","serial":1}"#);
    let words = [
        "set-zone",
        "eu.internal",
        "--negative-ttl",
        "2s",
        "--forget-after",
        "30m",
    ];
    check(
        &words,
        &[absent, put],
        expect![[r#"
        GET /v1/zones/eu.internal
        PUT /v1/zones/eu.internal
          if-none-match: *
          content-type: application/json
          {"forget_after":"30m","negative_ttl":"2s"}
        ---
        created zone eu.internal (index 9)
    "#]],
    );
}

#[test]
fn apply_takes_a_batch_or_its_operations_alone() {
    let reply = (
        200,
        INDEX,
        r#"{"index":12,"results":[{"index":11,"changed":true},{"index":11,"changed":false}]}"#,
    );
    let operations = br#"[{"op":"heartbeat","service":"web","id":"web-1"},{"op":"deregister","zone":"b.internal","service":"web","id":"web-2"}]"#;
    check_with(
        &["apply", "-", "--zone", "a.internal"],
        &[],
        operations,
        &[reply],
        expect![[r#"
        POST /v1/batch
          content-type: application/json
          {"operations":[{"id":"web-1","op":"heartbeat","service":"web","zone":"a.internal"},{"id":"web-2","op":"deregister","service":"web","zone":"b.internal"}]}
        ---
        applied 2 operations, 1 of them a change (index 12)
    "#]],
    );
    check_with(
        &["apply", "-"],
        &[],
        br#"{"operations":[]}"#,
        &[(200, INDEX, r#"{"index":12,"results":[]}"#)],
        expect![[r#"
        POST /v1/batch
          content-type: application/json
          {"operations":[]}
        ---
        applied 0 operations, 0 of them a change (index 12)
    "#]],
    );
    check_with(
        &["apply", "-"],
        &[],
        br#"{"operation":[]}"#,
        &[],
        expect![[r#"

            ---
            standard input: has no operations; write {"operations": […]} or an array of operations (exit 2)
        "#]],
    );
    check_with(
        &["apply", "-"],
        &[],
        b"[{]",
        &[],
        expect![[r#"

            ---
            standard input: is not JSON: key must be a string at line 1 column 3 (exit 2)
        "#]],
    );
    check(
        &["apply", "no-such-folder/batch.json"],
        &[],
        expect![[r#"

        ---
        no-such-folder/batch.json: cannot be read: No such file or directory (os error 2) (exit 2)
    "#]],
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
