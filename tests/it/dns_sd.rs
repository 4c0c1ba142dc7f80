//! Browsing for services (RFC 6763) as a client does it: from the zone to the types, to the instances, to port and
//! address; asked of the real program over its sockets.

use std::process::Command;
use std::time::Duration;

use serde_json::json;

use crate::support::dns::{Data, Query, Type, ask, ask_tcp, rcode};
use crate::support::program::{Program, finish};
use crate::wire::{
    ZONE, answers, asked, delete, honest, is_after, nodata, nxdomain, put, register, register_all, serial,
    still_answers,
};

fn name(label: &str) -> String {
    format!("{label}.{ZONE}")
}

/// The only name that PTR of `owner` leads to.
#[track_caller]
fn leads_to(program: &Program, owner: &str) -> String {
    let names = asked(program.dns, owner, Type::PTR).name_set();
    assert_eq!(names.len(), 1, "{owner}: {names:?}");
    let name = names.into_iter().next().unwrap();
    // Text shows the sign with a backslash, as zone files may have it; a question is asked without.
    name.trim_end_matches('.').replace("\\@", "@")
}

fn web() -> Program {
    let program = Program::start();
    honest(&program);
    register(
        &program,
        "web",
        "web-1",
        json!({"addresses": ["192.0.2.11", "2001:db8::11"], "ports": {"http": 8080}, "meta": {"path": "/", "a": "1"}}),
    );
    program
}

#[test]
fn browse_resolve_and_connect() {
    let program = web();
    let types = leads_to(&program, &name("b._dns-sd._udp"));
    assert_eq!(types, ZONE);
    let kind = leads_to(&program, &format!("_services._dns-sd._udp.{types}"));
    assert_eq!(kind, name("_http._tcp"));
    let instance = leads_to(&program, &kind);
    assert_eq!(instance, name("web-1@web._http._tcp"));
    let shown = instance.replace('@', "\\@");
    let srv = asked(program.dns, &instance, Type::SRV).srv_list();
    let (_, _, port, host) = srv[0].clone();
    assert_eq!((srv.len(), port, host), (1, 8080, format!("web-1.web.{ZONE}.")));
    assert_eq!(
        answers(program.dns, &instance, Type::TXT),
        [format!("{shown}. 5 TXT \"a=1\" \"path=/\"")]
    );
    assert_eq!(
        answers(program.dns, &name("web-1.web"), Type::A),
        [format!("web-1.web.{ZONE}. 5 A 192.0.2.11")]
    );
    // All of it came with the PTR.
    let reply = asked(program.dns, &kind, Type::PTR);
    assert_eq!(
        reply.additionals_text(),
        [
            format!("web-1.web.{ZONE}. 5 A 192.0.2.11"),
            format!("web-1.web.{ZONE}. 5 AAAA 2001:db8::11"),
            format!("{shown}. 5 SRV 0 1 8080 web-1.web.{ZONE}."),
            format!("{shown}. 5 TXT \"a=1\" \"path=/\""),
        ]
    );
    // Without meta, one zero octet.
    register(
        &program,
        "web",
        "web-1",
        json!({"address": "192.0.2.11", "ports": {"http": 8080}}),
    );
    let reply = asked(program.dns, &instance, Type::TXT);
    assert_eq!(reply.answers[0].rdata, [0]);
    assert!(matches!(&reply.answers[0].data, Data::Txt(strings) if *strings == [Vec::<u8>::new()]));
}

#[test]
fn who_is_not_healthy_is_not_found_and_the_serial_says_so() {
    let program = web();
    let kind = name("_http._tcp");
    register(
        &program,
        "web",
        "web-2",
        json!({"address": "192.0.2.12", "ports": {"http": 8081}}),
    );
    assert_eq!(asked(program.dns, &kind, Type::PTR).answers.len(), 2);
    let before = serial(program.dns, ZONE);
    put(
        &program,
        "web/instances/web-2/health",
        json!({"status": "critical"}),
    );
    assert_eq!(leads_to(&program, &kind), name("web-1@web._http._tcp"));
    nxdomain(program.dns, ZONE, &name("web-2@web._http._tcp"), Type::SRV);
    assert!(is_after(serial(program.dns, ZONE), before));
    delete(&program, "web/instances/web-1");
    for known in [&kind, &name("_services._dns-sd._udp"), &name("b._dns-sd._udp")] {
        nodata(program.dns, ZONE, known, Type::PTR);
    }
    nodata(program.dns, ZONE, &name("_dns-sd._udp"), Type::A);
    still_answers(program.dns);
}

#[test]
fn a_zone_without_types_has_none_of_the_names() {
    let program = Program::start();
    honest(&program);
    for label in [
        "_services._dns-sd._udp",
        "b._dns-sd._udp",
        "_dns-sd._udp",
        "_udp",
        "_http._tcp",
    ] {
        nxdomain(program.dns, ZONE, &name(label), Type::PTR);
    }
}

#[test]
fn a_large_type_is_cut_over_udp_and_whole_over_tcp() {
    let program = web();
    let instance = |number: u32| {
        let body = json!({"address": format!("10.0.{}.{}", number / 250, number % 250 + 1), "port": 80});
        (format!("i{number}"), body)
    };
    register_all(&program, "big", (0..600).map(instance));
    let query = Query::new(&name("_big._tcp"), Type::PTR).edns(1232);
    let udp = ask(program.dns, &query);
    assert_eq!(udp.rcode(), rcode::NOERROR);
    assert!(
        udp.tc() && udp.additionals.is_empty(),
        "{} answers",
        udp.answers.len()
    );
    assert!(
        udp.length <= 1232 && udp.length > 1232 - 11 - 30,
        "{} octets",
        udp.length
    );
    let tcp = ask_tcp(program.dns, &query);
    assert!(!tcp.tc());
    assert_eq!(tcp.name_set().len(), 600);
    assert!(udp.name_set().is_subset(&tcp.name_set()));
    assert_eq!(tcp.additionals.len(), 32 * 3, "of 32 instances SRV, TXT and A");
    still_answers(program.dns);
}

#[test]
fn a_name_that_is_too_long_for_browsing_is_refused_at_registration() {
    let program = web();
    let zone = [&"z".repeat(63), &"y".repeat(63), &"x".repeat(63), "zone"]
        .map(str::to_owned)
        .join(".");
    let client = program.client();
    assert_eq!(client.put(&format!("/v1/zones/{zone}"), &json!({})).status, 201);
    let path = |id: &str| format!("/v1/zones/{zone}/services/service/instances/{id}");
    let body = |port: &str| json!({"address": "192.0.2.1", "ports": {port: 80}});
    let id = "a".repeat(38);
    let long = client.put(&path(&id), &body("http"));
    assert_eq!(long.status, 422, "{}", long.text());
    assert!(long.text().contains("below its service type"), "{}", long.text());
    // What is of no type has no such name.
    assert_eq!(
        client.put(&path(&id), &json!({"address": "192.0.2.1"})).status,
        201
    );
    assert_eq!(client.put(&path("short"), &body("http")).status, 201);
    let kind = format!("_http._tcp.{zone}");
    assert_eq!(
        ask(program.dns, &Query::new(&kind, Type::PTR)).name_set().len(),
        1
    );
}

#[test]
fn dig_browses() {
    let there = Command::new("dig").arg("-v").output();
    if !there.is_ok_and(|output| output.status.success()) {
        eprintln!("SKIPPED: dig is not installed, so nothing was held against it");
        return;
    }
    let program = web();
    let dig = |asked: &str| {
        let mut command = Command::new("dig");
        command.args([
            &format!("@{}", program.dns.ip()),
            "-p",
            &program.dns.port().to_string(),
        ]);
        command
            .args(["+short", "+tries=1", "+time=5"])
            .args(asked.split(' '));
        let said = finish(command, b"", Duration::from_secs(20));
        assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""), "dig {asked}");
        said.stdout
    };
    let domain = dig(&format!("b._dns-sd._udp.{ZONE} PTR"));
    let kind = dig(&format!("_services._dns-sd._udp.{} PTR", domain.trim_end()));
    let instance = dig(&format!("{} PTR", kind.trim_end()));
    // Each name as the one before was printed.
    let srv = dig(&format!("{} SRV", instance.trim_end()));
    assert_eq!(srv, format!("0 1 8080 web-1.web.{ZONE}.\n"));
    assert_eq!(
        dig(&format!("{} TXT", instance.trim_end())),
        "\"a=1\" \"path=/\"\n"
    );
    let host = srv.trim_end().rsplit(' ').next().unwrap();
    assert_eq!(dig(host), "192.0.2.11\n");
}
