//! Static records on the wire: additional records, delegations, wildcards and what stands beside services.

use super::wire::*;
use crate::catalog::tests::fixture::*;
use crate::catalog::tests::static_records::*;
use crate::catalog::{Base, Change, OnEmpty, ServiceSettings, Status};

/// A zone with a file of these lines.
pub(super) fn with_file(lines: &[&str]) -> Catalog {
    let mut catalog = Catalog::opened(
        &[ZONE],
        Base {
            name_servers: [[192, 0, 2, 53].into()].into(),
            ..Base::default()
        },
    );
    catalog.make(file(ZONE, lines));
    catalog
}

pub(super) fn resolver(lines: &[&str]) -> Resolver {
    Resolver::of(&with_file(lines))
}

/// `owner TYPE data` of each, in order.
pub(super) fn told(records: &[Got]) -> Vec<String> {
    records
        .iter()
        .map(|got| {
            let short = |name: &str| name.replace(".svc.internal", "");
            format!("{} {} {}", short(&got.owner), got.rtype, short(&words(&got.data)))
        })
        .collect()
}

/// No record stands twice in a section (RFC 2181 §5).
#[track_caller]
pub(super) fn each_once(reply: &Reply) {
    for section in [&reply.answer, &reply.authority, &reply.additional] {
        let mut told = told(section);
        told.sort();
        let count = told.len();
        told.dedup();
        assert_eq!(told.len(), count, "{section:#?}");
    }
}

#[test]
fn the_default_name_servers_addresses_are_the_files_where_it_has_them() {
    let mut resolver = resolver(&["ns A 192.0.2.77", "ns AAAA 2001:db8::77"]);
    assert_eq!(resolver.ask("ns", A).words(), ["192.0.2.77"]);
    let reply = resolver.ask("", NS);
    assert_eq!(told(&reply.answer), ["svc.internal 2 ns"]);
    assert_eq!(told(&reply.additional), ["ns 1 192.0.2.77", "ns 28 2001:db8::77"]);
}

#[test]
fn the_default_name_server_keeps_its_addresses_beside_other_types() {
    let mut resolver = resolver(&["ns TXT x", "x.ns A 192.0.2.77"]);
    assert_eq!(resolver.ask("ns", A).words(), ["192.0.2.53"]);
    assert_eq!(resolver.ask("ns", TXT).words(), ["x"]);
    assert_eq!(resolver.ask("ns", ANY).answer.len(), 1);
    assert!(resolver.ask("ns", AAAA).is_nodata());
    assert_eq!(told(&resolver.ask("", NS).additional), ["ns 1 192.0.2.53"]);
    assert_eq!(resolver.ask("x.ns", A).words(), ["192.0.2.77"]);
}

#[test]
fn a_target_of_several_records_brings_its_addresses_once() {
    let mut resolver = resolver(&[
        "@ MX 10 mail",
        "@ MX 20 MAIL",
        "mail A 192.0.2.1",
        "_x._tcp SRV 0 0 1 mail",
        "_x._tcp SRV 0 0 2 mail",
        "_x._tcp SRV 0 0 3 other",
        "other AAAA 2001:db8::1",
        "h HTTPS 1 .",
        "h HTTPS 2 mail",
        "h HTTPS 3 .",
        "h A 192.0.2.2",
    ]);
    for (name, qtype, wanted) in [
        ("", MX, 1),
        ("_x._tcp", SRV, 2),
        ("h", HTTPS, 2),
        ("_x._tcp", ANY, 2),
    ] {
        let reply = resolver.ask(name, qtype);
        each_once(&reply);
        assert_eq!(reply.additional.len(), wanted, "{name}");
    }
}

#[test]
fn services_and_the_name_server_are_targets_too() {
    let mut catalog = with_file(&[
        "@ MX 10 web",
        "x MX 10 web-1.web",
        "y MX 10 ns",
        "z SRV 0 0 1 v2.web",
    ]);
    catalog.register("web-1.web", at("192.0.2.1 2001:db8::1").tags("v2"));
    let mut resolver = Resolver::of(&catalog);
    for (name, qtype, target) in [("", MX, "web"), ("x", MX, "web-1.web"), ("z", SRV, "v2.web")] {
        assert_eq!(
            told(&resolver.ask(name, qtype).additional),
            [
                format!("{target} 1 192.0.2.1"),
                format!("{target} 28 2001:db8::1")
            ]
        );
    }
    assert_eq!(told(&resolver.ask("y", MX).additional), ["ns 1 192.0.2.53"]);
    catalog.report("web-1.web", Status::Critical);
    let mut resolver = Resolver::of(&catalog);
    assert!(resolver.ask("", MX).additional.is_empty());
    assert_eq!(resolver.ask("x", MX).additional.len(), 2, "a host name stays");
}

#[test]
fn a_delegation_refers_and_only_ds_is_answered_there() {
    let mut resolver = resolver(&[
        "sub NS ns.sub",
        "sub NS ns.elsewhere",
        "sub NS ns.example.com.",
        "sub DS x",
        "ns.sub A 192.0.2.1",
        "ns.sub AAAA 2001:db8::1",
        "ns.elsewhere A 192.0.2.2",
        "bare NS ns.example.com.",
        "* A 192.0.2.3",
    ]);
    for (name, qtype) in [
        ("sub", A),
        ("sub", NS),
        ("sub", SOA),
        ("sub", ANY),
        ("x.sub", A),
        ("x.sub", DS),
        ("ns.sub", A),
        ("a.b.c.sub", MX),
    ] {
        let reply = resolver.ask(name, qtype);
        assert_eq!(
            (
                reply.rcode,
                reply.aa,
                reply.tc,
                reply.answer.len(),
                reply.authority.len()
            ),
            (NOERROR, false, false, 0, 3),
            "{name} {qtype}"
        );
        assert!(
            reply
                .authority
                .iter()
                .all(|got| got.owner == "sub.svc.internal" && got.rtype == NS)
        );
        assert_eq!(
            told(&reply.additional),
            [
                "ns.sub 1 192.0.2.1",
                "ns.sub 28 2001:db8::1",
                "ns.elsewhere 1 192.0.2.2"
            ]
        );
    }
    let reply = resolver.ask("sub", DS);
    assert_eq!(
        (reply.aa, reply.answer.len(), reply.authority.len()),
        (true, 1, 0)
    );
    let reply = resolver.ask("bare", DS);
    assert!(reply.aa && reply.is_nodata());
    assert_eq!(reply.authority[0].owner, "svc.internal");
    assert!(resolver.ask("", DS).is_nodata());
}

#[test]
fn ds_of_a_zone_of_ours_is_asked_of_the_zone_above() {
    let mut catalog = with_file(&["sub NS ns.sub", "sub DS x", "ns.sub A 192.0.2.1"]);
    for name in ["sub.svc.internal", "bare.svc.internal", "deep.er.svc.internal"] {
        catalog.make(file(name, &["www A 192.0.2.2"]));
    }
    let mut resolver = Resolver::of(&catalog);
    let reply = resolver.ask("sub", DS);
    assert_eq!((reply.aa, reply.answer.len()), (true, 1));
    for name in ["bare", "deep.er"] {
        let reply = resolver.ask(name, DS);
        assert!(reply.aa && reply.is_nodata(), "{name}: the name exists");
        assert_eq!(reply.authority[0].owner, "svc.internal");
    }
    // Everything else is the child's.
    assert_eq!(resolver.ask("www.sub", A).words(), ["192.0.2.2"]);
    assert_eq!(resolver.ask("sub", A).authority[0].owner, "sub.svc.internal");
    assert!(resolver.ask("er", A).is_nodata());
    assert!(resolver.ask("www.sub", DS).is_nodata());
}

#[test]
fn a_wildcard_covers_what_does_not_exist_and_nothing_else() {
    let mut catalog = with_file(&[
        "* A 192.0.2.1",
        "* MX 10 mail",
        "*.web TXT below-web",
        "a.b TXT x",
        "t TXT x",
        "x.*.v A 192.0.2.2",
        "sub NS ns.example.com.",
        "*._tcp SRV 0 0 1 t",
        "*.d.e CNAME t",
    ]);
    catalog.register("web-1.web", at("192.0.2.7").ports("http 80").tags("v2"));
    catalog.make(file("zone.below.svc.internal", &[]));
    let mut resolver = Resolver::of(&catalog);
    for name in ["nothing", "x.y.z", "mail", "-x"] {
        let reply = resolver.ask(name, A);
        assert_eq!(reply.words(), ["192.0.2.1"], "{name}");
        assert_eq!(reply.answer[0].owner, format!("{name}.svc.internal"));
        assert!(resolver.ask(name, TXT).is_nodata(), "{name}");
    }
    // A wildcard is a name of its own, too.
    assert_eq!(resolver.ask("*", A).words(), ["192.0.2.1"]);
    assert_eq!(resolver.ask("*", A).answer[0].owner, "*.svc.internal");
    // What exists blocks it, and so does what exists without records.
    for name in [
        "t", "b", "a.b", "web", "v2.web", "_tcp", "_tcp.web", "below", "ns", "v", "*.v",
    ] {
        let reply = resolver.ask(name, MX);
        assert!(reply.is_nodata(), "{name}");
    }
    for name in [
        "x.t",
        "x.b",
        "x.a.b",
        "x.web-1.web",
        "x.v2.web",
        "a.b.v2.web",
        "_x._tcp.web",
        "_udp.v2.web",
        "x.below",
        "x.ns",
        "_x._tcp.v2.web",
    ] {
        for qtype in [A, TXT, MX] {
            assert!(resolver.ask(name, qtype).is_nxdomain(), "{name} {qtype}");
        }
    }
    // Below the service: its own wildcard, where nothing of the service is.
    assert_eq!(resolver.ask("unknown.web", TXT).words(), ["below-web"]);
    assert_eq!(resolver.ask("a.b.unknown.web", TXT).words(), ["below-web"]);
    assert!(resolver.ask("unknown.web", A).is_nodata());
    // A wildcard without records of its own (RFC 4592 §2.2.3).
    assert!(resolver.ask("q.v", A).is_nodata());
    assert_eq!(resolver.ask("x.*.v", A).words(), ["192.0.2.2"]);
    assert!(resolver.ask("y.*.v", A).is_nxdomain());
    assert!(!resolver.ask("x.sub", A).aa);
    // Beside names of the form of RFC 2782.
    assert_eq!(resolver.ask("_other._tcp", SRV).words(), ["0 0 1 t"]);
    assert_eq!(resolver.ask("_web._tcp", SRV).words(), ["0 1 80 web-1.web"]);
    assert!(resolver.ask("_x._web._tcp", SRV).is_nxdomain());
    assert_eq!(told(&resolver.ask("c.d.e", TXT).answer), ["c.d.e 5 t", "t 16 x"]);
}

#[test]
fn static_records_beside_a_service_are_answered_whatever_its_health() {
    let mut catalog = with_file(&[
        "web MX 10 mail",
        "web TXT beside",
        "web CAA x",
        "web-1.web CAA x",
        "v2.web TXT beside-tag",
        "_http._tcp.web TXT beside-port",
        "_web._tcp TXT beside-protocol",
        "_http._tcp.v2.web TXT beside-both",
        "_acme-challenge.web TXT below",
        "_acme-challenge.web-1.web TXT below-host",
    ]);
    catalog.register(
        "web-1.web",
        at("192.0.2.7").ports("http 80").tags("v2").meta(&[("a", "b")]),
    );
    let names = [
        ("web", "beside"),
        ("v2.web", "beside-tag"),
        ("_http._tcp.web", "beside-port"),
        ("_web._tcp", "beside-protocol"),
        ("_http._tcp.v2.web", "beside-both"),
    ];
    for state in 0..3 {
        match state {
            0 => {}
            1 => drop(catalog.report("web-1.web", Status::Critical)),
            _ => drop(catalog.deregister("web-1.web")),
        }
        for on_empty in [OnEmpty::NoData, OnEmpty::NxDomain, OnEmpty::All] {
            catalog.set_service(
                "web",
                ServiceSettings {
                    on_empty: Some(on_empty),
                    ..Default::default()
                },
            );
            let mut resolver = Resolver::of(&catalog);
            let what = format!("{state} {on_empty:?}");
            for (name, text) in names {
                assert_eq!(resolver.ask(name, TXT).words(), [text], "{what} {name}");
                // A record at the name keeps it from being denied, for every type.
                for qtype in [A, AAAA, SRV, MX, PTR, CAA, ANY, CNAME, NS, DS] {
                    let reply = resolver.ask(name, qtype);
                    assert_eq!(
                        (reply.rcode, reply.aa, reply.tc),
                        (NOERROR, true, false),
                        "{what} {name} {qtype}"
                    );
                    assert_eq!(reply.authority.len(), usize::from(reply.answer.is_empty()));
                }
                assert!(!resolver.ask(name, ANY).answer.is_empty(), "{what} {name}");
            }
            assert_eq!(resolver.ask("web", MX).answer.len(), 1);
            assert_eq!(resolver.ask("web-1.web", CAA).answer.len(), 1, "{what}");
            assert_eq!(
                resolver.ask("_acme-challenge.web", TXT).words(),
                ["below"],
                "{what}"
            );
            assert_eq!(
                resolver.ask("_acme-challenge.web-1.web", TXT).words(),
                ["below-host"],
                "{what}"
            );
            let answers = state == 0 || (state == 1 && on_empty == OnEmpty::All);
            assert_eq!(
                resolver.ask("web", A).answer.len(),
                usize::from(answers),
                "{what}"
            );
            assert_eq!(
                resolver.ask("_http._tcp.v2.web", SRV).answer.len(),
                usize::from(answers),
                "{what}"
            );
        }
    }
}

#[test]
fn the_apex_takes_what_the_file_sets_and_the_defaults_for_the_rest() {
    let mut resolver = resolver(&["@ 60 SOA 2026010100 30", "@ A 192.0.2.1"]);
    let reply = resolver.ask("", SOA);
    assert_eq!((reply.serial, reply.answer[0].ttl), (Some(2_026_010_100), 60));
    assert_eq!(reply.words(), ["minimum 30"]);
    let reply = resolver.ask("x", A);
    assert!(reply.is_nxdomain());
    assert_eq!(reply.authority[0].ttl, 30, "the lesser of both");
    assert_eq!(resolver.ask("", NS).words(), ["ns.svc.internal"]);
    assert_eq!(resolver.ask("", A).words(), ["192.0.2.1"]);
    assert_eq!(resolver.ask("", ANY).words(), ["minimum 30"]);
}

#[test]
fn a_record_that_no_message_holds_is_not_denied() {
    // 65,535 octets of data: with a header, no message of TCP has room for it.
    let mut catalog = with_file(&[]);
    let mut builder = crate::catalog::contents::Builder::new(&zone(ZONE));
    builder.push(&wire("big.svc.internal"), 65_280, 60, &[0; 65_535], 1);
    let (contents, _) = builder.finish().unwrap();
    catalog.make(Change::ZoneFile {
        zone: zone(ZONE),
        contents: Some(contents.into()),
    });
    let mut resolver = Resolver::of(&catalog);
    let reply = resolver.ask("big", 65_280);
    assert_eq!(
        (reply.rcode, reply.answer.len(), reply.authority.len()),
        (NOERROR, 0, 0)
    );
}
