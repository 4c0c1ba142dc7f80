//! Which names exist: empty non-terminals, what lingers, what never was.

use super::wire::*;
use crate::catalog::tests::fixture::*;
use crate::catalog::{Base, ServiceSettings, ZoneSettings};

fn one() -> Catalog {
    let mut catalog = Catalog::new();
    catalog.register("web-1.web", at("192.0.2.1").ports("http 80").tags("v2"));
    catalog
}

#[test]
fn every_ancestor_of_an_existing_name_exists() {
    let mut resolver = Resolver::of(&one());
    for name in ["_tcp", "_tcp.web", "_tcp.v2.web", "web", "v2.web"] {
        for qtype in [AAAA, TXT, SOA, NS, OTHERS[1]] {
            assert!(resolver.ask(name, qtype).is_nodata(), "{name} {qtype}");
        }
    }
    assert!(resolver.ask("_tcp", A).is_nodata());
    assert!(resolver.ask("_tcp.web", SRV).is_nodata());
}

#[test]
fn a_name_that_never_existed_is_nxdomain_for_every_type() {
    let mut resolver = Resolver::of(&one());
    for name in [
        "api",
        "_sctp",
        "_api._tcp",
        "_web._udp",
        "_udp.web",
        "_dns._tcp.web",
        "http._tcp.web",
        "_http._http.web",
        "v3.web",
        "web-2.web",
        "_tcp.web-1.web",
        "_http._tcp.web-1.web",
        "_tcp.v3.web",
        "_http._tcp.v3.web",
        "x._http._tcp.web",
        "x._http._tcp.v2.web",
        "_x._http._tcp.v2.web",
        "x._web._tcp",
        "web._tcp",
        "__web._tcp",
        "_._tcp",
        "_",
        "x.web-1.web",
        "a.b.c.d.e.f.web-1.web",
        "x.v2.web",
        "_tcp._tcp",
        "_tcp._tcp.web",
        "_services._dns-sd._tcp",
        "_dns-sd._tcp",
        "lb._dns-sd._udp",
        "x._services._dns-sd._udp",
        "x@web._http._tcp",
        "web-1@web._http._udp",
        "web-1@api._http._tcp",
        "web-1@web.web",
        "x.ns",
        "web.web",
        "-",
    ] {
        for qtype in [A, AAAA, SRV, TXT, ANY, SOA, OTHERS[2]] {
            assert!(resolver.ask(name, qtype).is_nxdomain(), "{name} {qtype}");
        }
    }
}

#[test]
fn labels_of_any_octets_are_matched_whole() {
    let mut resolver = Resolver::of(&one());
    let odd: [&[u8]; 6] = [b"web\0", b"we", b"web.", b"w\xc3\xa9b", b"\0", b"\xff"];
    for label in odd {
        let name = labels_wire([label, b"svc", b"internal"].into_iter());
        assert!(resolver.ask_wire(&name, A).is_nxdomain(), "{label:?}");
        let name = labels_wire([label, b"web", b"svc", b"internal"].into_iter());
        assert!(resolver.ask_wire(&name, A).is_nxdomain(), "{label:?}");
        let name = labels_wire([label, b"_tcp", b"svc", b"internal"].into_iter());
        assert!(resolver.ask_wire(&name, A).is_nxdomain(), "{label:?}");
    }
    // A dot within a label is no boundary.
    let name = labels_wire([&b"web.svc"[..], b"internal"].into_iter());
    assert_eq!(resolver.ask_wire(&name, A).rcode, REFUSED);
}

#[test]
fn negative_answers_carry_the_soa_with_the_lesser_ttl() {
    for (zone_ttl, negative, shown) in [(5, 1, 1), (1, 5, 1), (0, 9, 0), (7, 7, 7)] {
        let mut catalog = one();
        catalog.set_zone(
            ZONE,
            ZoneSettings {
                ttl: ttl(zone_ttl),
                negative_ttl: ttl(negative),
                ..Default::default()
            },
        );
        let mut resolver = Resolver::of(&catalog);
        for name in ["web", "nothing", "_tcp", ""] {
            let reply = resolver.ask(name, OTHERS[0]);
            let soa = &reply.authority[0];
            assert_eq!((soa.rtype, soa.ttl, soa.owner.as_str()), (SOA, shown, ZONE));
            assert_eq!(words(&soa.data), format!("minimum {negative}"));
            assert_eq!(reply.serial, Some(catalog.serial()));
            assert!(reply.aa);
        }
    }
}

#[test]
fn ports_and_tags_linger_with_their_bearer_gone() {
    let mut catalog = one();
    catalog.register("web-1.web", at("192.0.2.1"));
    let mut resolver = Resolver::of(&catalog);
    for name in [
        "_http._tcp.web",
        "v2.web",
        "_http._tcp.v2.web",
        "_web._tcp",
        "_tcp.web",
        "_tcp.v2.web",
        "_tcp",
    ] {
        assert!(resolver.ask(name, SRV).is_nodata(), "{name}");
    }
    catalog.forget_all("web");
    let mut resolver = Resolver::of(&catalog);
    for name in [
        "_http._tcp.web",
        "v2.web",
        "_http._tcp.v2.web",
        "_web._tcp",
        "_tcp.web",
        "_tcp.v2.web",
        "_tcp",
    ] {
        assert!(resolver.ask(name, SRV).is_nxdomain(), "{name}");
    }
    assert_eq!(resolver.ask("web", A).words(), ["192.0.2.1"]);
}

#[test]
fn a_host_name_goes_before_a_tag_that_lingers() {
    let mut catalog = one();
    catalog.register("web-1.web", at("192.0.2.1"));
    catalog.register("v2.web", at("192.0.2.9"));
    assert_eq!(Resolver::of(&catalog).ask("v2.web", A).words(), ["192.0.2.9"]);
    catalog.deregister("v2.web");
    assert!(
        Resolver::of(&catalog).ask("v2.web", A).is_nodata(),
        "the tag lingers still"
    );
}

#[test]
fn a_service_goes_when_it_is_forgotten_and_stays_with_settings() {
    let mut catalog = one();
    catalog.deregister("web-1.web");
    assert!(Resolver::of(&catalog).ask("web", A).is_nodata());
    catalog.forget_all("web");
    assert!(Resolver::of(&catalog).ask("web", A).is_nxdomain());
    assert!(Resolver::of(&catalog).ask("_tcp", A).is_nxdomain());
    catalog.set_service(
        "web",
        ServiceSettings {
            ttl: ttl(9),
            ..Default::default()
        },
    );
    assert!(Resolver::of(&catalog).ask("web", A).is_nodata());
    assert!(
        Resolver::of(&catalog).ask("_web._tcp", A).is_nxdomain(),
        "it never had a port"
    );
    catalog.delete_service("web");
    assert!(Resolver::of(&catalog).ask("web", A).is_nxdomain());
}

#[test]
fn the_protocol_level_exists_while_one_service_has_a_port_of_it() {
    let mut catalog = one();
    catalog.register("a.api", at("192.0.2.2").ports("x 1"));
    catalog.delete_service("web");
    assert!(Resolver::of(&catalog).ask("_tcp", A).is_nodata());
    catalog.delete_service("api");
    assert!(Resolver::of(&catalog).ask("_tcp", A).is_nxdomain());
}

#[test]
fn the_longest_zone_answers_and_names_between_exist() {
    let mut catalog = Catalog::opened(
        &["internal", "a.b.svc.internal", "svc.internal", "example.org"],
        Base::default(),
    );
    catalog.register("i.web.svc.internal", at("192.0.2.1"));
    catalog.register("i.web.a.b.svc.internal", at("192.0.2.2"));
    catalog.register("i.web.internal", at("192.0.2.3"));
    let mut resolver = Resolver::of(&catalog);
    assert_eq!(resolver.ask("web.svc.internal.", A).words(), ["192.0.2.1"]);
    assert_eq!(resolver.ask("web.a.b.svc.internal.", A).words(), ["192.0.2.2"]);
    assert_eq!(resolver.ask("web.internal.", A).words(), ["192.0.2.3"]);
    let apex_of = |name: &str| Resolver::of(&catalog).ask(name, TXT).authority[0].owner.clone();
    assert!(resolver.ask("b.svc.internal.", A).is_nodata());
    assert_eq!(apex_of("b.svc.internal."), "svc.internal");
    assert!(resolver.ask("c.b.svc.internal.", A).is_nxdomain());
    assert_eq!(apex_of("a.b.svc.internal."), "a.b.svc.internal");
    assert_eq!(apex_of("x.a.b.svc.internal."), "a.b.svc.internal");
    assert_eq!(apex_of("svc.internal."), "svc.internal");
    catalog.make(crate::catalog::Change::DeleteZone {
        zone: zone("example.org"),
    });
    assert_eq!(Resolver::of(&catalog).ask("example.org.", SOA).rcode, REFUSED);
    catalog.deregister("i.web.a.b.svc.internal");
    catalog.make(crate::catalog::Change::DeleteZone {
        zone: zone("a.b.svc.internal"),
    });
    let mut resolver = Resolver::of(&catalog);
    assert!(
        resolver.ask("b.svc.internal.", A).is_nxdomain(),
        "nothing lies below any more"
    );
    assert!(resolver.ask("web.a.b.svc.internal.", A).is_nxdomain());
}

#[test]
fn outside_all_zones_is_refused_the_root_too() {
    let mut resolver = Resolver::of(&one());
    for name in [
        "internal.",
        "xsvc.internal.",
        "svc.internal.example.org.",
        "example.org.",
        "web.",
    ] {
        let reply = resolver.ask(name, A);
        assert_eq!(
            (reply.rcode, reply.aa, reply.answer.len()),
            (REFUSED, false, 0),
            "{name}"
        );
        assert!(reply.authority.is_empty());
    }
    assert_eq!(resolver.ask_wire(&[0], A).rcode, REFUSED);
    assert_eq!(resolver.ask_wire(&[0], NS).rcode, REFUSED);
    assert_eq!(Resolver::of(&Catalog::empty()).ask("web", A).rcode, REFUSED);
}

#[test]
fn names_of_255_octets_are_found_and_not_found() {
    let label = |c: &str, len: usize| c.repeat(len);
    // Wire: 64 + 64 + 64 + 62 + 1 = 255 with the host below.
    let apex = format!("{}.{}", label("z", 63), label("y", 61));
    let mut catalog = Catalog::with_zones(&[&apex]);
    let (web, id) = (label("w", 63), label("i", 63));
    catalog.register(&format!("{id}.{web}.{apex}"), at("192.0.2.1").ports("p 80"));
    let mut resolver = Resolver::of(&catalog).udp(None);
    let host = format!("{id}.{web}.{apex}.");
    assert_eq!(name_wire(&host).len(), 255);
    assert_eq!(resolver.ask(&host, A).words(), ["192.0.2.1"]);
    let srv = resolver.ask(&host, SRV);
    assert!(
        srv.tc && srv.answer.is_empty(),
        "question and target are 545 octets"
    );
    assert!(resolver.ask(&host, TXT).is_nodata());
    assert!(
        resolver
            .ask(&format!("{}.{web}.{apex}.", label("j", 63)), A)
            .is_nxdomain()
    );
    let short = "a.".repeat(63);
    let many = format!("{short}{}", "b.".repeat(64));
    assert_eq!(name_wire(&many).len(), 255);
    assert_eq!(resolver.ask(&many, A).rcode, REFUSED);
}

#[test]
fn the_longest_zone_has_a_name_server_and_a_mailbox_of_255_octets() {
    // hostmaster.<zone> has eleven octets more.
    let apex = format!("{}b", "a.".repeat(121));
    assert_eq!(name_wire(&apex).len(), 244 + 1);
    assert_eq!(
        fault(Catalog::empty().attempt(crate::catalog::Change::PutZone {
            zone: zone(&apex),
            settings: ZoneSettings::default()
        })),
        "invalid zone"
    );
    let apex = apex[2..].to_owned();
    let catalog = Catalog::with_zones(&[&apex, "a.b", "b"]);
    let mut resolver = Resolver::of(&catalog).udp(None);
    assert_eq!(resolver.ask(&format!("{apex}."), SOA).answer[0].owner, apex);
    assert!(resolver.ask(&format!("ns.{apex}."), A).is_nodata());
    assert!(
        resolver.ask(&format!("{}.", &apex[2..]), A).is_nodata(),
        "between"
    );
    assert!(resolver.ask("a.a.b.", A).is_nodata());
    assert!(resolver.ask("c.a.b.", A).is_nxdomain());
}
