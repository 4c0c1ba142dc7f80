//! `/metrics`: what is counted is what happened, whoever asks.

use serde_json::json;

use crate::support::dns::{Query, Type, ask, ask_tcp};
use crate::support::program::{Launch, Program};
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

#[test]
fn who_collects_metrics_needs_neither_token_nor_host() {
    let program = Program::start();
    let client = program.client();
    let reply = client.request("GET", "/metrics", &[("Host", "evil.example.org")], None);
    reply.expect(200);
    client.get("/metrics?all=1").expect_invalid("all");
}
