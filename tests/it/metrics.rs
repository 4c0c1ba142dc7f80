//! `/metrics`: what is counted is what happened, whoever asks.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use crate::support::dns::{Query, Type, ask, ask_tcp};
use crate::support::program::{Launch, Program};
use crate::support::server::TestServer;
use crate::wire::{ZONE, register};

/// The number behind a line of the text that begins with `name`.
pub(crate) fn counted(text: &str, name: &str) -> u64 {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{name} is in\n{text}"))
        .parse()
        .unwrap()
}

fn answers(transport: &str, rtype: &str, rcode: &str) -> String {
    format!("callsign_dns_answers_total{{transport=\"{transport}\",type=\"{rtype}\",rcode=\"{rcode}\"}}")
}

#[test]
fn each_answer_is_counted_by_transport_type_and_rcode() {
    // Several workers: what each counts for itself is added up.
    let program = Launch::new().argument("--udp-workers=3").start();
    register(&program, "web", "a", json!({"address": "192.0.2.1", "port": 80}));
    let web = format!("web.{ZONE}");
    for _ in 0..20 {
        ask(program.dns, &Query::new(&web, Type::A));
    }
    for _ in 0..3 {
        ask(program.dns, &Query::new(&format!("nothing.{ZONE}"), Type::SRV));
        ask_tcp(program.dns, &Query::new(&web, Type::AAAA));
    }
    ask(program.dns, &Query::new("example.org", Type::A));
    ask(program.dns, &Query::new(&web, Type::A).edns(1232).edns_version(1));
    let reply = program.client().get("/metrics").expect(200);
    assert_eq!(
        reply.header("content-type"),
        Some("application/openmetrics-text; version=1.0.0; charset=utf-8")
    );
    let text = reply.text();
    for (name, count) in [
        (answers("udp", "A", "NOERROR"), 20),
        (answers("udp", "SRV", "NXDOMAIN"), 3),
        (answers("tcp", "AAAA", "NOERROR"), 3),
        (answers("udp", "A", "REFUSED"), 1),
        (answers("udp", "other", "BADVERS"), 1),
        (answers("tcp", "A", "NXDOMAIN"), 0),
        ("callsign_dns_udp_kernel_dropped_total".into(), 0),
        ("callsign_dns_panics_total".into(), 0),
    ] {
        assert_eq!(counted(&text, &name), count, "{name}");
    }
    assert!(text.ends_with("# EOF\n"));
}

/// The values of lines of the text, by name and labels.
#[track_caller]
fn holds(server: &TestServer, expected: &[(&str, u64)]) {
    let text = server.get("/metrics").expect(200).text();
    for (name, count) in expected {
        assert_eq!(counted(&text, &format!("callsign_{name}")), *count, "{name}");
    }
}

#[test]
fn instances_are_counted_by_zone_and_status_as_they_change() {
    let server = TestServer::start();
    server.put("/v1/zones/other.internal", &json!({})).expect(201);
    for (key, body) in [
        (
            "web/a",
            json!({"address": "192.0.2.1", "lease": "10s", "deregister_after": "1m"}),
        ),
        ("web/b", json!({"address": "192.0.2.2", "status": "warning"})),
        ("db/c", json!({"address": "192.0.2.3", "status": "critical"})),
        ("db/d", json!({"address": "192.0.2.4"})),
    ] {
        server.register(key, &body);
    }
    server
        .put("/v1/services/db/instances/d/drain", &json!({}))
        .expect(200);
    let of = |name: &str, label: &str| format!("{name}{{zone=\"svc.internal\",{label}}}");
    let begin: Vec<(String, u64)> = vec![
        (of("instances", "status=\"passing\""), 2),
        (of("instances", "status=\"warning\""), 1),
        (of("instances", "status=\"critical\""), 1),
        ("instances_draining{zone=\"svc.internal\"}".into(), 1),
        ("instances_answerable{zone=\"svc.internal\"}".into(), 2),
        (of("leases", "state=\"running\""), 1),
        (of("leases", "state=\"lapsed\""), 0),
        ("instances{zone=\"other.internal\",status=\"passing\"}".into(), 0),
        ("zones".into(), 2),
        ("services".into(), 2),
        ("index".into(), server.index()),
        ("changes_total{kind=\"register\"}".into(), 4),
        ("changes_total{kind=\"drain\"}".into(), 1),
    ];
    let begin: Vec<_> = begin
        .iter()
        .map(|(name, count)| (name.as_str(), *count))
        .collect();
    holds(&server, &begin);

    // Its lease lapses; it comes back; it lapses again and is removed.
    server.advance_s(11);
    let lapsed = of("leases", "state=\"lapsed\"");
    let critical = of("instances", "status=\"critical\"");
    holds(
        &server,
        &[(&lapsed, 1), (&critical, 2), ("changes_total{kind=\"lapse\"}", 1)],
    );
    let heartbeats = json!({"instances": ["web/a", "web/z"]});
    server.post("/v1/heartbeats", &heartbeats).expect(200);
    server.post("/v1/heartbeats", &heartbeats).expect(200);
    holds(
        &server,
        &[
            (&lapsed, 0),
            (&critical, 1),
            ("heartbeats_total{outcome=\"revived\"}", 1),
            ("heartbeats_total{outcome=\"renewed\"}", 1),
            ("heartbeats_total{outcome=\"unknown\"}", 2),
        ],
    );
    server.advance_s(11);
    server.advance_s(61);
    holds(
        &server,
        &[
            (&lapsed, 0),
            (&of("leases", "state=\"running\""), 0),
            (&critical, 1),
        ],
    );
    server.delete("/v1/services/db").expect(204);
    holds(
        &server,
        &[(&critical, 0), ("instances_draining{zone=\"svc.internal\"}", 0)],
    );

    // A zone that is gone is not shown; after a restart all is counted anew.
    server.delete("/v1/zones/other.internal").expect(204);
    assert!(!server.get("/metrics").text().contains("other.internal"));
    let server = server.restart();
    holds(
        &server,
        &[
            (&of("instances", "status=\"warning\""), 1),
            (&of("instances", "status=\"passing\""), 0),
            ("changes_total{kind=\"register\"}", 0),
        ],
    );
}

#[test]
fn commits_refusals_replies_and_connections_are_counted() {
    let program = Program::start();
    let client = program.client();
    let value = |name: &str| counted(&client.get("/metrics").text(), &format!("callsign_{name}"));
    let commits = value("commit_seconds_count");
    let operations: Vec<_> = (0..100)
        .map(|n| json!({"op": "register", "service": "web", "id": format!("i{n}"), "address": "192.0.2.1"}))
        .collect();
    client
        .post("/v1/batch", &json!({ "operations": operations }))
        .expect(200);
    client.delete("/v1/services/web/instances/absent").expect(404);
    assert_eq!(value("commit_seconds_count"), commits + 1);
    assert_eq!(value("publication_seconds_count"), commits + 1);
    assert_eq!(value("commit_operations_bucket{le=\"128.0\"}"), commits + 1);
    assert_eq!(value("commit_operations_bucket{le=\"64.0\"}"), commits);
    assert_eq!(value("writer_refused_total{reason=\"rejected\"}"), 1);
    assert_eq!(value("http_replies_total{status=\"404\"}"), 1);
    assert_eq!(value("writer_queued_operations"), 0);
    assert_eq!(value("commits_failed_total"), 0);
    assert!(value("store_data_base_bytes") > 0 && value("store_log_bytes") > 0);
    assert!(value("http_connections_accepted_total") > 5);
    assert_eq!(value("http_connections"), 1, "the one that asks");
    let text = client.get("/metrics").text();
    assert!(text.contains(concat!(
        "callsign_build_info{version=\"",
        env!("CARGO_PKG_VERSION"),
        "\"} 1"
    )));
    assert!(text.contains("\nprocess_start_time_seconds "), "{text}");
}

#[test]
fn how_long_answers_take_is_measured_on_one_batch_in_64() {
    let program = Launch::new().argument("--udp-workers=1").start();
    register(&program, "web", "a", json!({"address": "192.0.2.1"}));
    let question = Query::new(&format!("web.{ZONE}"), Type::A);
    let measured = |transport: &str| {
        let text = program.client().get("/metrics").text();
        counted(
            &text,
            &format!("callsign_dns_answer_seconds_count{{transport=\"{transport}\"}}"),
        )
    };
    // Each of these is a batch of its own, for it waits for its answer; the first is one that is timed.
    for _ in 0..129 {
        ask(program.dns, &question);
    }
    assert_eq!(measured("udp"), 3);
    ask_tcp(program.dns, &question);
    assert_eq!(measured("tcp"), 1);
}

#[test]
fn who_collects_metrics_needs_neither_token_nor_host() {
    let program = Program::start();
    let client = program.client();
    let reply = client.request("GET", "/metrics", &[("Host", "evil.example.org")], None);
    reply.expect(200);
    client.get("/metrics?all=1").expect_invalid("all");
}

#[test]
fn a_collector_that_asks_for_the_older_form_gets_that() {
    let program = Program::start();
    let accepting = |accept: &str| {
        let reply = program
            .client()
            .request("GET", "/metrics", &[("Accept", accept)], None);
        let media_type = reply.header("content-type").expect("a type").to_owned();
        (media_type, reply.text())
    };
    let (media_type, text) = accepting("text/plain;version=0.0.4;q=0.5, */*;q=0.1");
    assert_eq!(media_type, "text/plain; version=0.0.4; charset=utf-8");
    assert!(text.contains("\n# TYPE callsign_http_replies_total counter\n"));
    assert!(text.contains("\n# TYPE callsign_build_info gauge\n") && !text.contains("# EOF"));
    // Prometheus names both, and others anything.
    for accept in [
        "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5",
        "*/*",
    ] {
        let (media_type, text) = accepting(accept);
        assert!(media_type.starts_with("application/openmetrics-text"), "{accept}");
        assert!(text.ends_with("# EOF\n"));
    }
}

/// Families with their labels, as the text has them.
fn families(text: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut families: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut name = String::new();
    for line in text.lines() {
        if let Some((family, kind)) = line.strip_prefix("# TYPE ").and_then(|line| line.split_once(' ')) {
            let suffix = if kind == "info" { "_info" } else { "" };
            name = format!("{}{suffix}", family.strip_prefix("callsign_").unwrap_or(family));
            families.entry(name.clone()).or_default();
        } else if let Some((_, labels)) = line.split_once('{') {
            let names = labels
                .split("=\"")
                .filter_map(|part| part.rsplit([',', '{', '"']).next());
            let known = families.get_mut(&name).expect("a type before");
            // What stands behind the last one is its value.
            let count = labels.matches("=\"").count();
            known.extend(names.take(count).filter(|name| *name != "le").map(str::to_owned));
        }
    }
    families
}

#[test]
fn every_metric_is_documented_and_every_documented_one_exists() {
    let program = Program::start();
    let known = families(&program.client().get("/metrics").expect(200).text());
    let document = include_str!("../../docs/OPERATING.md");
    let (_, section) = document.split_once("\n## Metrics\n").expect("the section");
    let (section, _) = section.split_once("\n## ").expect("the next one");
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    let mut documented: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for row in rows {
        let (cell, _) = row.split_once(" | ").expect("a second cell");
        let cell = format!("`{cell}");
        for name in cell.split('`').skip(1).step_by(2) {
            let (name, labels) = name.split_once('{').unwrap_or((name, ""));
            let labels = labels.trim_end_matches('}').split(',');
            let labels = labels
                .filter(|label| !label.is_empty())
                .map(str::to_owned)
                .collect();
            let twice = documented.insert(name.to_owned(), labels);
            assert_eq!(twice, None, "{name} is documented twice");
        }
    }
    assert!(known.len() > 50, "{known:?}");
    assert_eq!(documented, known);
}
