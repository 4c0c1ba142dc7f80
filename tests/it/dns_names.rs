//! Names, existence, `on_empty`, TTLs and serials: what a name answers, asked of the real program over its sockets.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::dns::{Query, Type, ask, ask_tcp, rcode};
use crate::support::program::{Launch, Program};
use crate::wire::{
    ZONE, accepted, answers, asked, delete, honest, is_after, negative, nodata, nxdomain, put, register,
    register_in, serial, still_answers,
};

/// Every type that no name of a service has, and some that nothing has.
const OTHER_TYPES: [Type; 9] = [
    Type::NS,
    Type::CNAME,
    Type::SOA,
    Type::PTR,
    Type::MX,
    Type::HTTPS,
    Type::DS,
    Type(99),
    Type(65280),
];

/// `web` as the contract shows it, with a second instance beside it, one that drains and one that is critical.
fn web() -> Program {
    let program = Program::start();
    honest(&program);
    register(
        &program,
        "web",
        "web-1",
        json!({"addresses": ["192.0.2.11", "2001:db8::11"], "ports": {"http": 8080, "metrics": 9100},
               "tags": ["v2", "canary"], "meta": {"version": "2.1", "a": "1", "Z": ""}}),
    );
    register(
        &program,
        "web",
        "web-2",
        json!({"address": "192.0.2.12", "ports": {"http": 8081, "dns": {"port": 53, "protocol": "udp"}},
               "tags": ["v2", "not a label", "Über"]}),
    );
    register(
        &program,
        "web",
        "web-3",
        json!({"address": "192.0.2.13", "ports": {"http": 8082}, "tags": ["v2"]}),
    );
    put(&program, "web/instances/web-3/drain", json!({}));
    register(
        &program,
        "web",
        "web-4",
        json!({"address": "192.0.2.14", "ports": {"http": 8083}, "tags": ["v2"], "status": "critical"}),
    );
    program
}

fn name(label: &str) -> String {
    format!("{label}.{ZONE}")
}

#[track_caller]
fn holds(program: &Program, label: &str, rtype: Type, wanted: &[&str]) {
    let owner = name(label);
    let wanted: Vec<String> = wanted
        .iter()
        .map(|data| format!("{owner}. 5 {} {data}", rtype.text()).replace("~", &format!("{ZONE}.")))
        .collect();
    assert_eq!(
        answers(program.dns, &owner, rtype),
        wanted,
        "{owner} {}",
        rtype.text()
    );
}

#[test]
fn each_row_of_the_table_of_names() {
    let program = web();
    let (a, aaaa, srv, txt) = (Type::A, Type::AAAA, Type::SRV, Type::TXT);
    let rows: [(&str, Type, &[&str]); 22] = [
        ("web", a, &["192.0.2.11", "192.0.2.12"]),
        ("web", aaaa, &["2001:db8::11"]),
        (
            "web",
            srv,
            &[
                "0 1 53 web-2.web.~",
                "0 1 8080 web-1.web.~",
                "0 1 8081 web-2.web.~",
                "0 1 9100 web-1.web.~",
            ],
        ),
        (
            "_http._tcp.web",
            srv,
            &["0 1 8080 web-1.web.~", "0 1 8081 web-2.web.~"],
        ),
        ("_metrics._tcp.web", srv, &["0 1 9100 web-1.web.~"]),
        ("_dns._udp.web", srv, &["0 1 53 web-2.web.~"]),
        (
            "_web._tcp",
            srv,
            &[
                "0 1 8080 web-1.web.~",
                "0 1 8081 web-2.web.~",
                "0 1 9100 web-1.web.~",
            ],
        ),
        ("_web._udp", srv, &["0 1 53 web-2.web.~"]),
        ("canary.web", a, &["192.0.2.11"]),
        ("canary.web", aaaa, &["2001:db8::11"]),
        (
            "canary.web",
            srv,
            &["0 1 8080 web-1.web.~", "0 1 9100 web-1.web.~"],
        ),
        ("v2.web", a, &["192.0.2.11", "192.0.2.12"]),
        ("_http._tcp.canary.web", srv, &["0 1 8080 web-1.web.~"]),
        (
            "_http._tcp.v2.web",
            srv,
            &["0 1 8080 web-1.web.~", "0 1 8081 web-2.web.~"],
        ),
        ("_dns._udp.v2.web", srv, &["0 1 53 web-2.web.~"]),
        ("web-1.web", a, &["192.0.2.11"]),
        ("web-1.web", aaaa, &["2001:db8::11"]),
        (
            "web-1.web",
            srv,
            &["0 1 8080 web-1.web.~", "0 1 9100 web-1.web.~"],
        ),
        ("web-1.web", txt, &[r#""Z=" "a=1" "version=2.1""#]),
        // A host name answers whatever the status of its instance is.
        ("web-3.web", a, &["192.0.2.13"]),
        ("web-4.web", a, &["192.0.2.14"]),
        ("honest", a, &["192.0.2.99"]),
    ];
    for (label, rtype, wanted) in rows {
        holds(&program, label, rtype, wanted);
    }
    // The dashes of the table, and everything that no row has.
    for (label, has) in [
        ("web", &[a, aaaa, srv][..]),
        ("_http._tcp.web", &[srv]),
        ("_web._tcp", &[srv]),
        ("_web._udp", &[srv]),
        ("canary.web", &[a, aaaa, srv]),
        ("_http._tcp.canary.web", &[srv]),
        ("web-1.web", &[a, aaaa, srv, txt]),
        ("web-2.web", &[a, srv]),
        // What they hide is not answered, and their names are there.
        ("web-3.web", &[a]),
        ("web-4.web", &[a]),
        // Known names whose intersection is empty.
        ("_dns._udp.canary.web", &[]),
        ("_metrics._tcp.v2.web", &[srv]),
        // Empty non-terminals: what is above something is there.
        ("_tcp", &[]),
        ("_udp", &[]),
        ("_tcp.web", &[]),
        ("_udp.web", &[]),
        ("_tcp.canary.web", &[]),
        ("_udp.canary.web", &[]),
    ] {
        for rtype in [a, aaaa, srv, txt].into_iter().chain(OTHER_TYPES) {
            if !has.contains(&rtype) {
                nodata(program.dns, ZONE, &name(label), rtype);
            }
        }
    }
    still_answers(program.dns);
}

#[test]
fn srv_brings_the_addresses_of_its_targets_each_once() {
    let program = web();
    let reply = asked(program.dns, &name("web"), Type::SRV);
    assert_eq!(
        reply.additionals_text(),
        [
            "web-1.web.svc.internal. 5 A 192.0.2.11",
            "web-1.web.svc.internal. 5 AAAA 2001:db8::11",
            "web-2.web.svc.internal. 5 A 192.0.2.12",
        ]
    );
    // Addresses bring nothing.
    assert_eq!(
        asked(program.dns, &name("web"), Type::A).additionals_text(),
        [""; 0]
    );
}

#[test]
fn names_that_nothing_made_do_not_exist() {
    let program = web();
    for label in [
        "nothing",
        "web-1",
        "canary",
        "web-9.web",
        "nothing.web",
        "a.web-1.web",
        "a.b.c.d.e.f.web",
        "_sctp",
        "_sctp.web",
        "_nothing._tcp",
        "_web._sctp",
        "_honest._tcp",
        "_nothing._tcp.web",
        "_http._udp.web",
        "_dns._tcp.web",
        "_main._tcp.web",
        "_web._tcp.web",
        "_nothing._tcp.canary.web",
        "_http._tcp.nothing.web",
        "_http._tcp.web-1.web",
        "_tcp.web-1.web",
        "_tcp.nothing.web",
        "_quic.web",
        "_web",
        "_http.web",
        "_http.web-1.web",
        "x._http._tcp.web",
        "x._web._tcp",
        "x._tcp.web",
        r"not\032a\032label.web",
        r"w\101b.web",
        r"web\000",
        r"\000",
        r"web\.svc",
        "xn--ber-goa.web",
        "*",
        "*.web",
    ] {
        for rtype in [Type::A, Type::SRV, Type::TXT, Type::ANY, Type(65280)] {
            nxdomain(program.dns, ZONE, &name(label), rtype);
        }
    }
    still_answers(program.dns);
}

#[test]
fn main_stands_for_all_and_has_no_substitute() {
    let program = Program::start();
    honest(&program);
    register(
        &program,
        "api",
        "a",
        json!({"address": "192.0.2.1", "ports": {"main": 80, "admin": 81}}),
    );
    register(
        &program,
        "api",
        "b",
        json!({"address": "192.0.2.2", "ports": {"x": 82, "y": {"port": 83, "protocol": "udp"}}}),
    );
    let (main, other) = ("0 1 80 a.api.~", ["0 1 82 b.api.~", "0 1 83 b.api.~"]);
    holds(&program, "api", Type::SRV, &[main, other[0], other[1]]);
    holds(&program, "_api._tcp", Type::SRV, &[main, other[0]]);
    holds(&program, "_main._tcp.api", Type::SRV, &[main]);
    holds(&program, "_admin._tcp.api", Type::SRV, &["0 1 81 a.api.~"]);
    put(
        &program,
        "api/instances/a/health",
        json!({"status": "critical", "port": "main"}),
    );
    holds(&program, "api", Type::SRV, &other);
    holds(&program, "_api._tcp", Type::SRV, &[other[0]]);
    nodata(program.dns, ZONE, &name("_main._tcp.api"), Type::SRV);
    // `admin` is well, so the instance is answerable, and so are its addresses and that port.
    holds(&program, "api", Type::A, &["192.0.2.1", "192.0.2.2"]);
    holds(&program, "_admin._tcp.api", Type::SRV, &["0 1 81 a.api.~"]);
    holds(&program, "a.api", Type::SRV, &["0 1 81 a.api.~"]);
    // All ports critical: out.
    put(
        &program,
        "api/instances/a/health",
        json!({"status": "critical", "port": "admin"}),
    );
    holds(&program, "api", Type::A, &["192.0.2.2"]);
    nodata(program.dns, ZONE, &name("a.api"), Type::SRV);
    holds(&program, "a.api", Type::A, &["192.0.2.1"]);
    put(
        &program,
        "api/instances/a/health",
        json!({"status": "warning", "port": "main"}),
    );
    holds(&program, "_main._tcp.api", Type::SRV, &[main]);
    // The instance's own verdict takes all of its ports with it.
    put(&program, "api/instances/a/health", json!({"status": "critical"}));
    nodata(program.dns, ZONE, &name("_main._tcp.api"), Type::SRV);
    nodata(program.dns, ZONE, &name("a.api"), Type::SRV);
    still_answers(program.dns);
}

#[test]
fn equal_records_appear_once() {
    let program = Program::start();
    let shared =
        json!({"addresses": ["192.0.2.1", "::ffff:192.0.2.1", "2001:db8::1"], "ports": {"a": 80, "b": 80}});
    register(&program, "web", "x", shared.clone());
    register(&program, "web", "y", shared);
    holds(&program, "web", Type::A, &["192.0.2.1"]);
    holds(&program, "web", Type::AAAA, &["2001:db8::1"]);
    holds(&program, "x.web", Type::A, &["192.0.2.1"]);
    let twice = ["0 1 80 x.web.~", "0 1 80 y.web.~"];
    holds(&program, "web", Type::SRV, &twice);
    holds(&program, "_web._tcp", Type::SRV, &twice);
    holds(&program, "_a._tcp.web", Type::SRV, &twice);
    holds(&program, "x.web", Type::SRV, &twice[..1]);
    // RFC 2181: the additionals too.
    assert_eq!(asked(program.dns, &name("web"), Type::SRV).additionals.len(), 4);
    // One of two that share an address leaves: the other still has it.
    delete(&program, "web/instances/x");
    holds(&program, "web", Type::A, &["192.0.2.1"]);
}

#[test]
fn text_shows_what_fits_in_octet_order_of_the_keys() {
    let program = Program::start();
    let fits = "v".repeat(255 - "fits=".len());
    let long = "v".repeat(255 - "long=".len() + 1);
    register(
        &program,
        "web",
        "a",
        json!({"address": "192.0.2.1", "meta": {"fits": fits, "long": long, "b": "", "B": "x\"\\\u{1}", "0": "ü"}}),
    );
    let reply = asked(program.dns, &name("a.web"), Type::TXT);
    let wanted = format!("a.web.{ZONE}. 5 TXT \"0=\\xc3\\xbc\" \"B=x\\\"\\\\\\x01\" \"b=\" \"fits={fits}\"");
    assert_eq!(reply.answers_text(), [wanted]);
    register(
        &program,
        "web",
        "b",
        json!({"address": "192.0.2.2", "meta": {"long": long}}),
    );
    nodata(program.dns, ZONE, &name("b.web"), Type::TXT);
    register(&program, "web", "c", json!({"address": "192.0.2.3"}));
    nodata(program.dns, ZONE, &name("c.web"), Type::TXT);
}

#[test]
fn names_stay_known_after_their_last_bearer_and_hosts_do_not() {
    let program = web();
    for id in ["web-1", "web-2", "web-3", "web-4"] {
        delete(&program, &format!("web/instances/{id}"));
    }
    let check = |program: &Program| {
        for known in [
            "web",
            "_tcp.web",
            "_udp.web",
            "_http._tcp.web",
            "_dns._udp.web",
            "_web._tcp",
            "_web._udp",
            "_tcp",
            "canary.web",
            "v2.web",
            "_http._tcp.canary.web",
            "_tcp.canary.web",
        ] {
            for rtype in [Type::A, Type::AAAA, Type::SRV, Type::TXT] {
                nodata(program.dns, ZONE, &name(known), rtype);
            }
        }
        for gone in ["web-1.web", "web-2.web", "_tcp.web-1.web", "x.web"] {
            nxdomain(program.dns, ZONE, &name(gone), Type::A);
        }
        still_answers(program.dns);
    };
    check(&program);
    let program = program.kill_and_restart();
    check(&program);
    // Forgotten as a whole: nothing is left of it.
    delete(&program, "web");
    for gone in [
        "web",
        "_tcp.web",
        "_http._tcp.web",
        "_web._tcp",
        "canary.web",
        "_tcp",
    ] {
        nxdomain(program.dns, ZONE, &name(gone), Type::SRV);
    }
    still_answers(program.dns);
}

/// Waits until `done`, as long as nothing reasonable takes.
#[track_caller]
fn eventually(what: &str, done: impl Fn() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < Duration::from_secs(15), "{what} did not happen");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn names_are_forgotten_and_the_serial_does_not_move_for_it() {
    let program = Program::start();
    accepted(
        program
            .client()
            .put(&format!("/v1/zones/{ZONE}"), &json!({"forget_after": "1s"})),
    );
    register(
        &program,
        "brief",
        "a",
        json!({"address": "192.0.2.1", "port": 80, "tags": ["t"]}),
    );
    // This one has settings of its own and is not forgotten.
    put(&program, "kept", json!({"ttl": "9s"}));
    register(
        &program,
        "kept",
        "a",
        json!({"address": "192.0.2.1", "ports": {"p": 80}}),
    );
    delete(&program, "kept/instances/a");
    let index = delete(&program, "brief/instances/a").index();
    let serial_before = serial(program.dns, ZONE);
    nodata(program.dns, ZONE, &name("brief"), Type::A);
    let rcode_of = |label: &str| ask(program.dns, &Query::new(&name(label), Type::A)).rcode();
    eventually("forgetting the service", || rcode_of("brief") == rcode::NXDOMAIN);
    eventually("forgetting the tag", || rcode_of("t.brief") == rcode::NXDOMAIN);
    eventually("forgetting the port", || {
        rcode_of("_p._tcp.kept") == rcode::NXDOMAIN
    });
    nodata(program.dns, ZONE, &name("kept"), Type::A);
    assert_eq!(
        serial(program.dns, ZONE),
        serial_before,
        "forgetting alters no RRset"
    );
    assert!(
        program.client().get("/v1/services").index() > index,
        "forgetting is a change"
    );
}

#[test]
fn on_empty_decides_what_a_known_selection_answers() {
    let program = Program::start();
    honest(&program);
    let set = |policy: &str| drop(put(&program, "web", json!({ "on_empty": policy })));
    let health = |id: &str, body: Value| drop(put(&program, &format!("web/instances/{id}/health"), body));
    register(
        &program,
        "web",
        "a",
        json!({"address": "192.0.2.1", "ports": {"http": 80, "adm": 81}, "tags": ["t"], "meta": {"k": "v"}}),
    );
    register(
        &program,
        "web",
        "b",
        json!({"address": "192.0.2.2", "ports": {"http": 80}, "tags": ["u"]}),
    );
    register(
        &program,
        "web",
        "c",
        json!({"address": "192.0.2.3", "ports": {"http": 80}}),
    );
    put(&program, "web/instances/c/drain", json!({}));
    let selections = [
        "web",
        "t.web",
        "_http._tcp.web",
        "_adm._tcp.web",
        "_web._tcp",
        "_http._tcp.t.web",
        "_adm._tcp.t.web",
    ];
    let types = [Type::A, Type::AAAA, Type::SRV, Type::TXT, Type::MX, Type::ANY];

    // Where something is answerable the policy is nobody's business, whatever the type.
    for policy in ["nodata", "nxdomain", "all"] {
        set(policy);
        holds(&program, "web", Type::A, &["192.0.2.1", "192.0.2.2"]);
        for label in ["web", "t.web"] {
            nodata(program.dns, ZONE, &name(label), Type::AAAA);
            nodata(program.dns, ZONE, &name(label), Type::TXT);
        }
        nodata(program.dns, ZONE, &name("_http._tcp.web"), Type::A);
    }

    health("a", json!({"status": "critical"}));
    set("nxdomain");
    // Only the selections of which `a` was all.
    for label in ["t.web", "_adm._tcp.web", "_http._tcp.t.web", "_adm._tcp.t.web"] {
        for rtype in types {
            nxdomain(program.dns, ZONE, &name(label), rtype);
        }
    }
    holds(&program, "web", Type::A, &["192.0.2.2"]);
    // Port and tag are both known, and together they select nobody.
    nxdomain(program.dns, ZONE, &name("_adm._tcp.u.web"), Type::A);

    health("b", json!({"status": "critical"}));
    for label in selections {
        for rtype in types {
            nxdomain(program.dns, ZONE, &name(label), rtype);
        }
    }
    // Host names stay, and so do the levels between.
    holds(&program, "a.web", Type::A, &["192.0.2.1"]);
    holds(&program, "a.web", Type::TXT, &["\"k=v\""]);
    for label in ["_tcp.web", "_tcp", "_tcp.t.web"] {
        nodata(program.dns, ZONE, &name(label), Type::A);
    }

    set("nodata");
    for label in selections {
        for rtype in types {
            nodata(program.dns, ZONE, &name(label), rtype);
        }
    }

    // Fail open: all that do not drain, with all their ports.
    set("all");
    holds(&program, "web", Type::A, &["192.0.2.1", "192.0.2.2"]);
    nodata(program.dns, ZONE, &name("web"), Type::AAAA);
    holds(&program, "t.web", Type::A, &["192.0.2.1"]);
    holds(
        &program,
        "_http._tcp.web",
        Type::SRV,
        &["0 1 80 a.web.~", "0 1 80 b.web.~"],
    );
    holds(&program, "_adm._tcp.web", Type::SRV, &["0 1 81 a.web.~"]);
    holds(
        &program,
        "_web._tcp",
        Type::SRV,
        &["0 1 80 a.web.~", "0 1 80 b.web.~", "0 1 81 a.web.~"],
    );
    holds(&program, "_adm._tcp.t.web", Type::SRV, &["0 1 81 a.web.~"]);
    // A host name is no selection.
    nodata(program.dns, ZONE, &name("a.web"), Type::SRV);

    // Of a port: none is answered although instances are.
    health("a", json!({"status": "passing"}));
    health("b", json!({"status": "passing"}));
    health("a", json!({"status": "critical", "port": "adm"}));
    holds(&program, "_adm._tcp.web", Type::SRV, &["0 1 81 a.web.~"]);
    set("nxdomain");
    nxdomain(program.dns, ZONE, &name("_adm._tcp.web"), Type::SRV);
    nxdomain(program.dns, ZONE, &name("_adm._tcp.web"), Type::A);
    holds(&program, "t.web", Type::A, &["192.0.2.1"]);

    // All drain: not even failing open finds one.
    set("all");
    for id in ["a", "b"] {
        put(&program, &format!("web/instances/{id}/drain"), json!({}));
    }
    for label in selections {
        nodata(program.dns, ZONE, &name(label), Type::SRV);
        nodata(program.dns, ZONE, &name(label), Type::A);
    }
    still_answers(program.dns);
}

#[test]
fn the_service_beats_the_zone_in_settings() {
    let program = Launch::new()
        .arguments(["--ttl", "7s", "--negative-ttl", "3"])
        .start();
    let zone = |body: Value| {
        drop(accepted(
            program.client().put(&format!("/v1/zones/{ZONE}"), &body),
        ))
    };
    register(&program, "web", "a", json!({"address": "192.0.2.1", "port": 80}));
    let ttl = |label: &str, rtype| asked(program.dns, &name(label), rtype).answers[0].ttl;
    assert_eq!(ttl("web", Type::A), 7);
    assert_eq!(ttl("a.web", Type::A), 7);
    negative(program.dns, ZONE, &name("nothing"), Type::A, rcode::NXDOMAIN, 3);
    zone(json!({"ttl": "11s", "negative_ttl": "20s", "on_empty": "nxdomain"}));
    assert_eq!(ttl("web", Type::A), 11);
    // min(SOA TTL, MINIMUM), RFC 2308, section 5.
    negative(program.dns, ZONE, &name("nothing"), Type::A, rcode::NXDOMAIN, 11);
    let soa = asked(program.dns, ZONE, Type::SOA);
    assert_eq!(soa.answers[0].ttl, 11);
    assert!(
        soa.answers[0].text().ends_with(" 20"),
        "MINIMUM: {}",
        soa.answers[0].text()
    );
    put(&program, "web", json!({"ttl": 0, "on_empty": "nodata"}));
    for (label, rtype) in [
        ("web", Type::A),
        ("web", Type::SRV),
        ("_web._tcp", Type::SRV),
        ("a.web", Type::A),
    ] {
        assert_eq!(ttl(label, rtype), 0, "{label}");
    }
    let srv = asked(program.dns, &name("web"), Type::SRV);
    assert_eq!(srv.additionals[0].ttl, 0);
    put(&program, "web/instances/a/health", json!({"status": "critical"}));
    negative(program.dns, ZONE, &name("web"), Type::A, rcode::NOERROR, 11);
    put(&program, "web", json!({"ttl": 2_147_483_647}));
    negative(program.dns, ZONE, &name("web"), Type::A, rcode::NXDOMAIN, 11);
    put(&program, "web/instances/a/health", json!({"status": "passing"}));
    assert_eq!(ttl("web", Type::A), 2_147_483_647);
    zone(json!({"negative_ttl": 0, "ttl": "1m"}));
    negative(program.dns, ZONE, &name("nothing"), Type::A, rcode::NXDOMAIN, 0);
}

#[test]
fn the_case_of_a_question_comes_back_and_changes_nothing() {
    let program = web();
    for asked_as in ["WEB.svc.internal", "wEb.SvC.iNtErNaL", "web.SVC.INTERNAL"] {
        let query = Query::new(asked_as, Type::A);
        for reply in [ask(program.dns, &query), ask_tcp(program.dns, &query)] {
            assert_eq!(reply.a_set().len(), 2);
            assert!(
                reply
                    .answers
                    .iter()
                    .all(|record| record.owner == format!("{asked_as}."))
            );
        }
    }
    let reply = ask(
        program.dns,
        &Query::new("_HTTP._TCP.CANARY.WEB.SVC.INTERNAL", Type::SRV),
    );
    assert_eq!(
        reply.srv_list(),
        [(0, 1, 8080, "web-1.web.svc.internal.".to_string())]
    );
    assert_eq!(reply.additionals.len(), 2);
    let reply = ask(program.dns, &Query::new("nOtHiNg.SVC.internal", Type::A));
    assert_eq!(reply.rcode(), rcode::NXDOMAIN);
    assert_eq!(reply.authorities[0].owner, "SVC.internal.");
    // Registered in capitals, known in small letters.
    register(
        &program,
        "SHOUT",
        "LOUD",
        json!({"address": "192.0.2.1", "ports": {"HTTP": 80}, "tags": ["Blue"]}),
    );
    holds(&program, "shout", Type::A, &["192.0.2.1"]);
    holds(
        &program,
        "_http._tcp.blue.shout",
        Type::SRV,
        &["0 1 80 loud.shout.~"],
    );
}

#[test]
fn the_serial_moves_with_each_change_of_an_rrset_and_never_else() {
    let program = Program::start();
    register(&program, "other", "o", json!({"address": "192.0.2.9"}));
    let base = json!({"addresses": ["192.0.2.1"], "ports": {"http": 80}, "tags": ["t", "no label"], "lease": "1h",
                      "meta": {"k": "v"}, "weight": 3});
    let with = |field: &str, value: Value| {
        let mut body = base.clone();
        body[field] = value;
        body
    };
    let instance = "web/instances/a".to_string();
    let health = format!("{instance}/health");
    // What is put, and whether an RRset of the zone is another one after it.
    let steps: Vec<(&str, &str, Value, bool)> = vec![
        ("first registration", &instance, base.clone(), true),
        ("the same again", &instance, base.clone(), false),
        (
            "a free text tag",
            &instance,
            with("tags", json!(["t", "other text"])),
            false,
        ),
        ("a tag", &instance, with("tags", json!(["u"])), true),
        ("back", &instance, base.clone(), true),
        ("meta", &instance, with("meta", json!({"k": "w"})), true),
        (
            "long meta",
            &instance,
            with("meta", json!({"k": "w", "long": "x".repeat(300)})),
            false,
        ),
        ("weight", &instance, base.clone(), true),
        ("a lease", &instance, with("lease", json!("2h")), false),
        (
            "an address",
            &instance,
            with("addresses", json!(["192.0.2.1", "192.0.2.2"])),
            true,
        ),
        (
            "a port",
            &instance,
            with("ports", json!({"http": 80, "x": 81})),
            true,
        ),
        ("warning", &health, json!({"status": "warning"}), false),
        (
            "critical",
            &health,
            json!({"status": "critical", "output": "x"}),
            true,
        ),
        (
            "critical again",
            &health,
            json!({"status": "critical", "output": "y"}),
            false,
        ),
        (
            "weight of one that is out",
            &instance,
            with("priority", json!(4)),
            false,
        ),
        ("passing", &health, json!({"status": "passing"}), true),
        ("drain", "web/instances/a/drain", json!({}), true),
        ("drain again", "web/instances/a/drain", json!({}), false),
        (
            "end of the drain",
            "web/instances/a/drain",
            json!({"draining": false}),
            true,
        ),
        ("on_empty", "web", json!({"on_empty": "nxdomain"}), false),
        ("ttl", "web", json!({"on_empty": "nxdomain", "ttl": 60}), true),
        (
            "answer_limit",
            "web",
            json!({"ttl": 60, "answer_limit": 1}),
            false,
        ),
        (
            "forget_after",
            "web",
            json!({"ttl": 60, "forget_after": "2h"}),
            false,
        ),
        ("a service without instances", "empty", json!({"ttl": 3}), false),
    ];
    let mut last = serial(program.dns, ZONE);
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs() as u32;
    let since = now.wrapping_sub(last).cast_signed();
    assert!(
        (-10..60).contains(&since),
        "a new zone starts at the UNIX time {now}, not near {last}"
    );
    for (what, path, body, moves) in steps {
        put(&program, path, body);
        let next = serial(program.dns, ZONE);
        if moves {
            assert!(is_after(next, last), "{what}: {last} became {next}");
        } else {
            assert_eq!(next, last, "{what}: the serial moved");
        }
        last = next;
    }
    // The zone's own records.
    let zone = |body: Value| {
        drop(accepted(
            program.client().put(&format!("/v1/zones/{ZONE}"), &body),
        ))
    };
    zone(json!({"negative_ttl": "9s"}));
    let next = serial(program.dns, ZONE);
    assert!(is_after(next, last), "MINIMUM is data of the SOA");
    // With on_empty all the RRsets of an empty selection are others.
    put(&program, &health, json!({"status": "critical"}));
    let empty = serial(program.dns, ZONE);
    put(&program, "web", json!({"ttl": 60, "on_empty": "all"}));
    assert!(
        is_after(serial(program.dns, ZONE), empty),
        "failing open shows records"
    );
    let before = serial(program.dns, ZONE);
    accepted(
        program
            .client()
            .request("PUT", "/v1/services/web/instances/a/heartbeat", &[], None),
    );
    assert_eq!(serial(program.dns, ZONE), before, "a heartbeat");
    delete(&program, "web/instances/a");
    assert!(is_after(serial(program.dns, ZONE), before), "deregistration");
    let last = serial(program.dns, ZONE);
    let program = program.kill_and_restart();
    assert_eq!(serial(program.dns, ZONE), last, "a restart alters no RRset");
}

#[test]
fn the_names_of_kubernetes_are_those_of_its_zone() {
    let zone = "default.svc.cluster.local";
    let program = Launch::new().arguments(["--zone", zone]).start();
    register(
        &program,
        "web",
        "web-1",
        json!({"address": "192.0.2.1", "ports": {"http": 8080, "dns": {"port": 53, "protocol": "udp"}}}),
    );
    let host = format!("web-1.web.{zone}.");
    assert_eq!(
        answers(program.dns, &format!("web.{zone}"), Type::A),
        [format!("web.{zone}. 5 A 192.0.2.1")]
    );
    for (port, number) in [("_http._tcp", 8080), ("_dns._udp", 53)] {
        let name = format!("{port}.web.{zone}");
        assert_eq!(
            answers(program.dns, &name, Type::SRV),
            [format!("{name}. 5 SRV 0 1 {number} {host}")]
        );
    }
}

#[test]
fn zones_are_told_apart_by_the_longest_match() {
    let program = Launch::new()
        .arguments([
            "--zone",
            "svc.internal",
            "--zone",
            "eu.example.org",
            "--zone",
            "service.consul",
        ])
        .start();
    honest(&program);
    accepted(
        program
            .client()
            .put("/v1/zones/deep.eu.example.org", &json!({"ttl": "8s"})),
    );
    for (zone, address) in [
        ("svc.internal", "192.0.2.1"),
        ("eu.example.org", "192.0.2.2"),
        ("deep.eu.example.org", "192.0.2.3"),
        ("service.consul", "192.0.2.4"),
    ] {
        register_in(
            &program,
            zone,
            "web",
            "w",
            json!({"address": address, "port": 80, "tags": ["tag"]}),
        );
    }
    for (asked_name, wanted) in [
        ("web.svc.internal", "192.0.2.1"),
        ("web.eu.example.org", "192.0.2.2"),
        ("web.deep.eu.example.org", "192.0.2.3"),
        ("tag.web.service.consul", "192.0.2.4"),
    ] {
        let reply = asked(program.dns, asked_name, Type::A);
        assert_eq!(
            reply.a_list(),
            [wanted.parse::<std::net::Ipv4Addr>().unwrap()],
            "{asked_name}"
        );
    }
    assert_eq!(
        answers(program.dns, "_web._tcp.service.consul", Type::SRV),
        ["_web._tcp.service.consul. 5 SRV 0 1 80 w.web.service.consul."]
    );
    negative(
        program.dns,
        "deep.eu.example.org",
        "nothing.deep.eu.example.org",
        Type::A,
        rcode::NXDOMAIN,
        1,
    );
    nxdomain(program.dns, "eu.example.org", "nothing.eu.example.org", Type::A);
    // Near misses are outside.
    for outside in [
        "example.org",
        "org",
        ".",
        "xeu.example.org",
        "web.svc.internals",
        "internal",
        "consul",
    ] {
        refused_outside(&program, outside);
    }
    // A zone is its own: a change in one leaves the serials of the others.
    let before = serial(program.dns, "eu.example.org");
    register_in(
        &program,
        "deep.eu.example.org",
        "web",
        "w",
        json!({"address": "192.0.2.5"}),
    );
    assert_eq!(serial(program.dns, "eu.example.org"), before);
    // A deleted zone is outside; one of that name goes on after its serial.
    let zone = "/v1/zones/deep.eu.example.org";
    accepted(program.client().delete(&format!("{zone}/services/web")));
    let last = serial(program.dns, "deep.eu.example.org");
    accepted(program.client().delete(zone));
    nxdomain(program.dns, "eu.example.org", "deep.eu.example.org", Type::SOA);
    let program = program.kill_and_restart();
    accepted(program.client().put(zone, &json!({})));
    assert!(is_after(serial(program.dns, "deep.eu.example.org"), last));
    still_answers(program.dns);
}

/// REFUSED, no data, and Extended DNS Error 20 (RFC 8914) for who speaks EDNS.
#[track_caller]
fn refused_outside(program: &Program, outside: &str) {
    let query = Query::new(outside, Type::A).edns(1232);
    for reply in [ask(program.dns, &query), ask_tcp(program.dns, &query)] {
        assert_eq!(reply.rcode(), rcode::REFUSED, "{outside}");
        assert!(!reply.aa(), "{outside}: AA");
        assert_eq!(
            reply.answers.len() + reply.authorities.len() + reply.additionals.len(),
            0,
            "{outside}"
        );
        let edns = reply.edns.expect("OPT in reply to OPT");
        assert_eq!(
            edns.option(15).map(|data| &data[..2]),
            Some(&[0, 20][..]),
            "{outside}"
        );
    }
    let reply = ask(program.dns, &Query::new(outside, Type::A));
    assert_eq!(
        (reply.rcode(), reply.edns.is_some()),
        (rcode::REFUSED, false),
        "{outside}"
    );
}

#[test]
fn the_apex_has_soa_and_ns_and_the_server_its_addresses() {
    let program = Launch::new()
        .arguments([
            "--advertise",
            "192.0.2.53",
            "--advertise",
            "2001:db8::53",
            "--zone",
            "a.internal",
            "--zone",
            "b.internal",
        ])
        .start();
    for zone in ["a.internal", "b.internal"] {
        let ns = asked(program.dns, zone, Type::NS);
        assert_eq!(ns.answers_text(), [format!("{zone}. 5 NS ns.{zone}.")]);
        assert_eq!(
            ns.additionals_text(),
            [
                format!("ns.{zone}. 5 A 192.0.2.53"),
                format!("ns.{zone}. 5 AAAA 2001:db8::53")
            ]
        );
        let owner = format!("ns.{zone}");
        assert_eq!(
            answers(program.dns, &owner, Type::A),
            [format!("{owner}. 5 A 192.0.2.53")]
        );
        assert_eq!(
            answers(program.dns, &owner, Type::AAAA),
            [format!("{owner}. 5 AAAA 2001:db8::53")]
        );
        nodata(program.dns, zone, &owner, Type::SRV);
        nxdomain(program.dns, zone, &format!("x.{owner}"), Type::A);
        let soa = answers(program.dns, zone, Type::SOA);
        assert!(
            soa[0].starts_with(&format!("{zone}. 5 SOA ns.{zone}. hostmaster.{zone}. ")),
            "{soa:?}"
        );
        for rtype in [
            Type::A,
            Type::AAAA,
            Type::SRV,
            Type::TXT,
            Type::MX,
            Type::DS,
            Type::CNAME,
        ] {
            nodata(program.dns, zone, zone, rtype);
        }
    }
    // The name is taken.
    let response = program
        .client()
        .put("/v1/services/ns/instances/a", &json!({"address": "192.0.2.1"}));
    assert_eq!(response.status, 409, "{}", response.text());
    // The advertised addresses can be others after a restart, and the serial moves with them.
    let before = serial(program.dns, "a.internal");
    let again = Launch::new().arguments(["--advertise", "192.0.2.54", "--zone", "a.internal"]);
    let program = program.kill().start_with(again);
    assert_eq!(
        answers(program.dns, "ns.a.internal", Type::A),
        ["ns.a.internal. 5 A 192.0.2.54"]
    );
    assert!(is_after(serial(program.dns, "a.internal"), before));
    // A zone that is no longer named stays.
    assert_eq!(answers(program.dns, "b.internal", Type::NS).len(), 1);
}

#[test]
fn without_advertise_the_listening_addresses_count_and_wildcards_do_not() {
    let program = Launch::new()
        .dns(["127.0.0.1:0", "[::1]:0", "127.0.0.2:0"])
        .start();
    let owner = format!("ns.{ZONE}");
    for server in &program.dns_all {
        assert_eq!(
            answers(*server, &owner, Type::A),
            [
                format!("{owner}. 5 A 127.0.0.1"),
                format!("{owner}. 5 A 127.0.0.2")
            ]
        );
        assert_eq!(
            answers(*server, &owner, Type::AAAA),
            [format!("{owner}. 5 AAAA ::1")]
        );
    }
    assert!(!program.stderr().contains("--advertise"), "{}", program.stderr());

    let program = Launch::new().dns(["0.0.0.0:0"]).start();
    let local = std::net::SocketAddr::from(([127, 0, 0, 1], program.dns.port()));
    assert!(
        program.stderr().contains("--advertise"),
        "no warning names the flag: {}",
        program.stderr()
    );
    assert_eq!(
        answers(local, ZONE, Type::NS),
        [format!("{ZONE}. 5 NS ns.{ZONE}.")]
    );
    nodata(local, ZONE, &owner, Type::A);
    nodata(local, ZONE, &owner, Type::AAAA);
}

#[test]
fn any_is_answered_with_one_rrset() {
    let program = web();
    for label in [
        "web",
        "_http._tcp.web",
        "_web._tcp",
        "canary.web",
        "web-1.web",
        "_http._tcp.v2.web",
    ] {
        let reply = asked(program.dns, &name(label), Type::ANY);
        assert_eq!(reply.rcode(), rcode::NOERROR);
        let types: std::collections::BTreeSet<_> = reply.answers.iter().map(|record| record.rtype).collect();
        assert_eq!(types.len(), 1, "{label}: {:?}", reply.answers_text());
    }
    assert_eq!(asked(program.dns, ZONE, Type::ANY).answers.len(), 1);
    nodata(program.dns, ZONE, &name("_tcp.web"), Type::ANY);
    nxdomain(program.dns, ZONE, &name("nothing"), Type::ANY);
}

#[test]
fn what_would_hide_another_is_refused() {
    let program = Program::start();
    register(
        &program,
        "web",
        "a",
        json!({"address": "192.0.2.1", "tags": ["blue"]}),
    );
    let conflict = |path: &str, body: Value| {
        let response = program.client().put(path, &body);
        assert_eq!(response.status, 409, "{path}: {}", response.text());
    };
    let address = json!({"address": "192.0.2.2"});
    // A zone where a service is, a service where a zone is, an id that is a living tag, a tag that is a living id.
    conflict(&format!("/v1/zones/web.{ZONE}"), json!({}));
    accepted(
        program
            .client()
            .put(&format!("/v1/zones/inner.{ZONE}"), &json!({})),
    );
    conflict("/v1/services/inner/instances/a", address.clone());
    conflict("/v1/services/web/instances/blue", address.clone());
    conflict(
        "/v1/services/web/instances/b",
        json!({"address": "192.0.2.2", "tags": ["A"]}),
    );
    conflict("/v1/services/ns/instances/a", address);
    holds(&program, "web", Type::A, &["192.0.2.1"]);
    // At a start too: the flag is told.
    let hidden = Launch::new().arguments(["--zone", ZONE, "--zone", "web.svc.internal"]);
    let stopped = program.terminate(Duration::from_secs(5));
    let finished = hidden.clone().data_dir(&stopped.data_dir).start_and_fail();
    assert_eq!(finished.code, Some(2), "{finished:?}");
    assert!(
        finished.stderr.contains("--zone") && finished.stderr.contains("web"),
        "{}",
        finished.stderr
    );
}

#[test]
fn a_host_name_goes_before_a_tag_that_lingers() {
    let program = Program::start();
    register(
        &program,
        "web",
        "a",
        json!({"address": "192.0.2.1", "tags": ["blue"]}),
    );
    register(&program, "web", "a", json!({"address": "192.0.2.1"}));
    nodata(program.dns, ZONE, &name("blue.web"), Type::A);
    register(&program, "web", "blue", json!({"address": "192.0.2.2"}));
    holds(&program, "blue.web", Type::A, &["192.0.2.2"]);
    delete(&program, "web/instances/blue");
    nodata(program.dns, ZONE, &name("blue.web"), Type::A);
}

#[test]
fn a_service_knows_at_most_4096_names_without_bearers_and_forgets_the_oldest() {
    let program = Program::start();
    let with_tags = |from: u32| {
        let tags: Vec<String> = (from..from + 64).map(|n| format!("t{n}")).collect();
        json!({"op": "register", "service": "web", "id": "a", "address": "192.0.2.1", "tags": tags})
    };
    let turn = |from: u32, to: u32| {
        let operations: Vec<Value> = (from..to).step_by(64).map(with_tags).collect();
        accepted(
            program
                .client()
                .post("/v1/batch", &json!({ "operations": operations })),
        );
    };
    // 64 tags live, and 4,096 linger.
    // The first 64 are older than the others by more than the clock's grain.
    turn(0, 128);
    std::thread::sleep(Duration::from_millis(5));
    turn(128, 4096 + 64);
    nodata(program.dns, ZONE, &name("t0.web"), Type::A);
    nodata(program.dns, ZONE, &name("t4095.web"), Type::A);
    holds(&program, "t4096.web", Type::A, &["192.0.2.1"]);
    turn(4096 + 64, 4096 + 128);
    // The next 64 push the oldest 64 out.
    nxdomain(program.dns, ZONE, &name("t0.web"), Type::A);
    nxdomain(program.dns, ZONE, &name("t63.web"), Type::A);
    nodata(program.dns, ZONE, &name("t64.web"), Type::A);
    nodata(program.dns, ZONE, &name("t4096.web"), Type::A);
    let program = program.kill_and_restart();
    nxdomain(program.dns, ZONE, &name("t63.web"), Type::A);
    nodata(program.dns, ZONE, &name("t64.web"), Type::A);
}
