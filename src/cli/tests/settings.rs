//! Lists, settings and batches: what is asked, and what is shown.

use expect_test::expect;

use super::api::{INDEX, Scripted, check, check_with};

const SERVICE: Scripted = (
    200,
    &["etag: \"7\""],
    r#"{"zone":"svc.internal","name":"web","settings":{"ttl":"5s","on_empty":"all","forget_after":"2h"},"instances":[],"index":7}"#,
);

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
