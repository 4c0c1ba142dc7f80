//! The contract's table of names, row by row, with the example that stands above it.

use super::wire::*;
use crate::catalog::Status;
use crate::catalog::tests::fixture::*;

/// `web-1` of the contract, and a neighbour without tags or meta.
fn example() -> Catalog {
    let mut catalog = Catalog::new();
    catalog.register(
        "web-1.web",
        at("192.0.2.1 2001:db8::1")
            .ports("http 8080, metrics 9100")
            .tags("v2 canary")
            .meta(&[("version", "2.1"), ("a", "")]),
    );
    catalog.register("web-2.web", at("192.0.2.2").ports("http 8081, dns 53/udp"));
    catalog
}

#[test]
fn a_service_answers_addresses_and_all_ports() {
    let mut resolver = Resolver::of(&example());
    assert_eq!(resolver.ask("web", A).words(), ["192.0.2.1", "192.0.2.2"]);
    assert_eq!(resolver.ask("web", AAAA).words(), ["2001:db8::1"]);
    assert_eq!(
        resolver.ask("web", SRV).words(),
        [
            "0 1 53 web-2.web",
            "0 1 8080 web-1.web",
            "0 1 8081 web-2.web",
            "0 1 9100 web-1.web"
        ]
    );
    assert!(resolver.ask("web", TXT).is_nodata());
}

#[test]
fn main_stands_alone_where_it_exists() {
    let mut catalog = example();
    catalog.register(
        "web-3.web",
        at("192.0.2.3").ports("main 80, http 8080, dns 53/udp"),
    );
    let mut resolver = Resolver::of(&catalog);
    let srv = resolver.ask("web", SRV).words();
    assert!(srv.contains(&"0 1 80 web-3.web".to_owned()));
    assert!(!srv.contains(&"0 1 8080 web-3.web".to_owned()), "{srv:?}");
    assert!(
        resolver
            .ask("_http._tcp.web", SRV)
            .words()
            .contains(&"0 1 8080 web-3.web".to_owned())
    );
    assert_eq!(resolver.ask("_main._tcp.web", SRV).words(), ["0 1 80 web-3.web"]);
    // Of its udp ports none is called main.
    assert_eq!(
        resolver.ask("_web._udp", SRV).words(),
        ["0 1 53 web-2.web", "0 1 53 web-3.web"]
    );
}

#[test]
fn critical_main_has_no_substitute() {
    let mut catalog = Catalog::new();
    catalog.register("web-1.web", at("192.0.2.1").ports("main 80, http 8080"));
    catalog.report_port("web-1.web", "main", Status::Critical);
    let mut resolver = Resolver::of(&catalog);
    assert!(resolver.ask("web", SRV).is_nodata());
    assert!(resolver.ask("_web._tcp", SRV).is_nodata());
    assert_eq!(
        resolver.ask("web", A).words(),
        ["192.0.2.1"],
        "another port keeps it answerable"
    );
    assert_eq!(
        resolver.ask("_http._tcp.web", SRV).words(),
        ["0 1 8080 web-1.web"]
    );
    assert_eq!(resolver.ask("web-1.web", SRV).words(), ["0 1 8080 web-1.web"]);
}

#[test]
fn a_port_answers_srv_alone() {
    let mut resolver = Resolver::of(&example());
    assert_eq!(
        resolver.ask("_http._tcp.web", SRV).words(),
        ["0 1 8080 web-1.web", "0 1 8081 web-2.web"]
    );
    for qtype in [A, AAAA, TXT] {
        assert!(resolver.ask("_http._tcp.web", qtype).is_nodata());
    }
    assert!(resolver.ask("_http._udp.web", SRV).is_nxdomain());
    assert_eq!(resolver.ask("_dns._udp.web", SRV).words(), ["0 1 53 web-2.web"]);
}

#[test]
fn the_form_of_rfc_2782_shows_the_ports_of_its_protocol() {
    let mut resolver = Resolver::of(&example());
    assert_eq!(
        resolver.ask("_web._tcp", SRV).words(),
        ["0 1 8080 web-1.web", "0 1 8081 web-2.web", "0 1 9100 web-1.web"]
    );
    assert_eq!(resolver.ask("_web._udp", SRV).words(), ["0 1 53 web-2.web"]);
    assert!(resolver.ask("_web._sctp", SRV).is_nxdomain());
    assert!(resolver.ask("_web._tcp", A).is_nodata());
}

#[test]
fn a_tag_narrows_the_service_and_its_ports() {
    let mut resolver = Resolver::of(&example());
    for tag in ["v2", "canary"] {
        assert_eq!(resolver.ask(&format!("{tag}.web"), A).words(), ["192.0.2.1"]);
        assert_eq!(
            resolver.ask(&format!("{tag}.web"), SRV).words(),
            ["0 1 8080 web-1.web", "0 1 9100 web-1.web"]
        );
        assert_eq!(
            resolver.ask(&format!("_http._tcp.{tag}.web"), SRV).words(),
            ["0 1 8080 web-1.web"]
        );
        // Port and tag are known, though no instance has both.
        assert!(resolver.ask(&format!("_dns._udp.{tag}.web"), SRV).is_nodata());
        assert!(resolver.ask(&format!("_no._tcp.{tag}.web"), SRV).is_nxdomain());
    }
}

#[test]
fn a_tag_is_found_whatever_its_case_and_one_that_is_no_label_has_no_name() {
    let mut catalog = Catalog::new();
    catalog.register(
        "web-1.web",
        at("192.0.2.1")
            .tag("Blue")
            .tag("bLUE")
            .tag("a.b")
            .tag("two words")
            .tag("-x")
            .tag(&"t".repeat(64)),
    );
    let mut resolver = Resolver::of(&catalog);
    assert_eq!(resolver.ask("blue.web", A).words(), ["192.0.2.1"]);
    assert_eq!(resolver.ask("blue.web", SRV).rcode, NOERROR);
    for name in ["a.b.web", "b.web", "-x.web"] {
        assert!(resolver.ask(name, A).is_nxdomain(), "{name}");
    }
    let spaced = labels_wire([&b"two words"[..], b"web", b"svc", b"internal"].into_iter());
    assert!(resolver.ask_wire(&spaced, A).is_nxdomain());
}

#[test]
fn two_names_of_one_number_are_one_record() {
    let mut catalog = Catalog::new();
    catalog.register(
        "ns-1.dns",
        at("192.0.2.1")
            .ports("udp 53/udp, tcp 53, other 53, alt 5353")
            .tags("v2"),
    );
    let mut resolver = Resolver::of(&catalog);
    for name in ["dns", "v2.dns", "ns-1.dns"] {
        assert_eq!(
            resolver.ask(name, SRV).words(),
            ["0 1 53 ns-1.dns", "0 1 5353 ns-1.dns"],
            "{name}"
        );
    }
    assert_eq!(
        resolver.ask("_dns._tcp", SRV).words(),
        ["0 1 53 ns-1.dns", "0 1 5353 ns-1.dns"]
    );
}

#[test]
fn the_first_of_two_names_may_be_critical_and_the_record_stays() {
    let mut catalog = Catalog::new();
    catalog.register("a.dns", at("192.0.2.1").ports("one 53, two 53"));
    catalog.report_port("a.dns", "one", Status::Critical);
    let mut resolver = Resolver::of(&catalog);
    for name in ["dns", "a.dns", "_dns._tcp", "_two._tcp.dns"] {
        assert_eq!(resolver.ask(name, SRV).words(), ["0 1 53 a.dns"], "{name}");
    }
    assert!(resolver.ask("_one._tcp.dns", SRV).is_nodata());
}

#[test]
fn an_instance_without_ports_has_addresses_and_no_srv() {
    let mut catalog = Catalog::new();
    catalog.register("a.web", at("192.0.2.1"));
    let mut resolver = Resolver::of(&catalog);
    assert_eq!(resolver.ask("web", A).words(), ["192.0.2.1"]);
    assert!(resolver.ask("web", SRV).is_nodata());
    assert!(resolver.ask("_web._tcp", SRV).is_nxdomain());
    assert!(resolver.ask("_tcp", SRV).is_nxdomain());
}

#[test]
fn who_is_critical_draining_or_lapsed_is_in_no_selection() {
    for undo in 0..4 {
        let mut catalog = example();
        catalog.register(
            "web-1.web",
            at("192.0.2.1").ports("http 8080").tags("v2").lease(1000),
        );
        match undo {
            0 => drop(catalog.report("web-1.web", Status::Critical)),
            1 => drop(catalog.drain("web-1.web")),
            2 => drop(catalog.lapse("web-1.web")),
            _ => drop(catalog.report_port("web-1.web", "http", Status::Critical)),
        }
        let mut resolver = Resolver::of(&catalog);
        assert_eq!(resolver.ask("web", A).words(), ["192.0.2.2"], "{undo}");
        assert_eq!(
            resolver.ask("_http._tcp.web", SRV).words(),
            ["0 1 8081 web-2.web"]
        );
        assert!(resolver.ask("v2.web", A).is_nodata());
        assert!(resolver.ask("_http._tcp.v2.web", SRV).is_nodata());
        assert!(resolver.ask("web-1.web", SRV).is_nodata());
        assert_eq!(
            resolver.ask("web-1.web", A).words(),
            ["192.0.2.1"],
            "a host name stays"
        );
    }
    let mut catalog = example();
    catalog.report("web-1.web", Status::Warning);
    catalog.report_port("web-1.web", "http", Status::Warning);
    let mut resolver = Resolver::of(&catalog);
    assert_eq!(
        resolver.ask("web", A).words(),
        ["192.0.2.1", "192.0.2.2"],
        "a warning is answered"
    );
    assert_eq!(
        resolver.ask("_http._tcp.web", SRV).words(),
        ["0 1 8080 web-1.web", "0 1 8081 web-2.web"]
    );
}

#[test]
fn equal_addresses_of_two_instances_appear_once() {
    let mut catalog = Catalog::new();
    catalog.register("a.web", at("192.0.2.1 192.0.2.2"));
    catalog.register("b.web", at("192.0.2.2 192.0.2.3"));
    let mut resolver = Resolver::of(&catalog);
    assert_eq!(
        resolver.ask("web", A).words(),
        ["192.0.2.1", "192.0.2.2", "192.0.2.3"]
    );
}

#[test]
fn the_ttl_is_the_services_or_else_the_zones() {
    let mut catalog = example();
    catalog.set_service(
        "api",
        crate::catalog::ServiceSettings {
            ttl: ttl(0),
            ..Default::default()
        },
    );
    catalog.register("a.api", at("192.0.2.9").ports("main 1"));
    catalog.set_zone(
        ZONE,
        crate::catalog::ZoneSettings {
            ttl: ttl(77),
            ..Default::default()
        },
    );
    let mut resolver = Resolver::of(&catalog);
    let reply = resolver.ask("api", SRV);
    assert_eq!((reply.answer[0].ttl, reply.additional[0].ttl), (0, 0));
    let reply = resolver.ask("web", SRV);
    assert!(
        reply
            .answer
            .iter()
            .chain(&reply.additional)
            .all(|got| got.ttl == 77)
    );
}

#[test]
fn any_answers_one_rrset() {
    let mut resolver = Resolver::of(&example());
    assert_eq!(resolver.ask("web", ANY).words(), ["192.0.2.1", "192.0.2.2"]);
    assert_eq!(
        resolver.ask("_http._tcp.web", ANY).words(),
        ["0 1 8080 web-1.web", "0 1 8081 web-2.web"]
    );
    assert_eq!(resolver.ask("web-1.web", ANY).words(), ["192.0.2.1"]);
    assert!(resolver.ask("_tcp", ANY).is_nodata());
}

#[test]
fn other_types_at_existing_names_are_nodata() {
    let mut resolver = Resolver::of(&example());
    for name in [
        "web",
        "web-1.web",
        "v2.web",
        "_http._tcp.web",
        "_web._tcp",
        "_tcp",
        "_http._tcp.v2.web",
        "ns",
    ] {
        for qtype in OTHERS.into_iter().chain([NS, SOA]) {
            assert!(resolver.ask(name, qtype).is_nodata(), "{name} {qtype}");
        }
    }
}
