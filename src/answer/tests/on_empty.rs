//! What a known selection answers when nobody in it is answerable: `nodata`, `nxdomain`, `all`.

use super::wire::*;
use crate::catalog::tests::fixture::*;
use crate::catalog::{OnEmpty, ServiceSettings, Status, ZoneSettings};

/// Every known selection of [`emptied`].
const SELECTIONS: [&str; 8] = [
    "web",
    "v2.web",
    "_web._tcp",
    "_web._udp",
    "_http._tcp.web",
    "_dns._udp.web",
    "_http._tcp.v2.web",
    "_dns._udp.v2.web",
];

fn setting(on_empty: OnEmpty) -> ServiceSettings {
    ServiceSettings {
        on_empty: Some(on_empty),
        ..Default::default()
    }
}

/// Two instances that are all critical.
fn emptied(on_empty: OnEmpty) -> Catalog {
    let mut catalog = Catalog::new();
    catalog.set_service("web", setting(on_empty));
    for number in 1..=2 {
        catalog.register(
            &format!("i{number}.web"),
            at(&format!("192.0.2.{number}"))
                .ports("http 80, dns 53/udp")
                .tags("v2")
                .status(Status::Critical),
        );
    }
    catalog
}

#[test]
fn nodata_is_the_default() {
    for catalog in [emptied(OnEmpty::NoData), {
        let mut catalog = emptied(OnEmpty::All);
        catalog.set_service("web", ServiceSettings::default());
        catalog
    }] {
        let mut resolver = Resolver::of(&catalog);
        for name in SELECTIONS {
            for qtype in [A, AAAA, SRV, TXT, ANY, OTHERS[0]] {
                assert!(resolver.ask(name, qtype).is_nodata(), "{name} {qtype}");
            }
        }
    }
}

#[test]
fn nxdomain_is_the_rcode_for_every_type_and_host_names_stay() {
    let mut resolver = Resolver::of(&emptied(OnEmpty::NxDomain));
    for name in SELECTIONS {
        for qtype in [A, AAAA, SRV, TXT, ANY, SOA, NS, OTHERS[0], OTHERS[5], PTR] {
            assert!(resolver.ask(name, qtype).is_nxdomain(), "{name} {qtype}");
        }
    }
    assert_eq!(resolver.ask("i1.web", A).words(), ["192.0.2.1"]);
    assert!(resolver.ask("i1.web", SRV).is_nodata());
    for between in ["_tcp", "_tcp.web", "_udp.web", "_tcp.v2.web"] {
        assert!(resolver.ask(between, A).is_nodata(), "{between} is no selection");
    }
}

#[test]
fn nxdomain_looks_at_instances_never_at_the_type() {
    let mut catalog = emptied(OnEmpty::NxDomain);
    catalog.register("i3.web", at("192.0.2.3"));
    let mut resolver = Resolver::of(&catalog);
    assert_eq!(resolver.ask("web", A).words(), ["192.0.2.3"]);
    for qtype in [AAAA, SRV, TXT] {
        assert!(resolver.ask("web", qtype).is_nodata(), "{qtype}");
    }
    assert!(resolver.ask("v2.web", A).is_nxdomain(), "the tag has none still");
    assert!(resolver.ask("_web._tcp", SRV).is_nxdomain());
}

#[test]
fn all_answers_whoever_is_not_draining_with_all_their_ports() {
    let mut catalog = emptied(OnEmpty::All);
    catalog.report_port("i1.web", "http", Status::Critical);
    let mut resolver = Resolver::of(&catalog);
    for name in ["web", "v2.web"] {
        assert_eq!(resolver.ask(name, A).words(), ["192.0.2.1", "192.0.2.2"]);
        assert_eq!(resolver.ask(name, SRV).words().len(), 4, "{name}");
        assert!(resolver.ask(name, AAAA).is_nodata());
    }
    for name in ["_http._tcp.web", "_web._tcp", "_http._tcp.v2.web"] {
        assert_eq!(
            resolver.ask(name, SRV).words(),
            ["0 1 80 i1.web", "0 1 80 i2.web"],
            "{name}"
        );
    }
    assert!(
        resolver.ask("i1.web", SRV).is_nodata(),
        "a host name does not fail open"
    );

    catalog.drain("i1.web");
    let mut resolver = Resolver::of(&catalog);
    assert_eq!(resolver.ask("web", A).words(), ["192.0.2.2"]);
    assert_eq!(resolver.ask("_http._tcp.v2.web", SRV).words(), ["0 1 80 i2.web"]);
    catalog.drain("i2.web");
    let mut resolver = Resolver::of(&catalog);
    for name in SELECTIONS {
        for qtype in [A, SRV, ANY] {
            assert!(resolver.ask(name, qtype).is_nodata(), "{name}: none left");
        }
    }
}

#[test]
fn one_answerable_instance_closes_what_failed_open() {
    let mut catalog = emptied(OnEmpty::All);
    catalog.report("i2.web", Status::Passing);
    let mut resolver = Resolver::of(&catalog);
    for name in ["web", "v2.web"] {
        assert_eq!(resolver.ask(name, A).words(), ["192.0.2.2"]);
    }
    // One selection may be open while another is not.
    catalog.report_port("i2.web", "http", Status::Critical);
    let mut resolver = Resolver::of(&catalog);
    assert_eq!(
        resolver.ask("web", A).words(),
        ["192.0.2.2"],
        "its dns port keeps it"
    );
    assert_eq!(
        resolver.ask("_http._tcp.web", SRV).words(),
        ["0 1 80 i1.web", "0 1 80 i2.web"]
    );
    assert_eq!(resolver.ask("_dns._udp.web", SRV).words(), ["0 1 53 i2.web"]);
    assert!(
        resolver.ask("_web._tcp", SRV).is_nodata(),
        "it has an answerable instance; that its tcp port is critical opens nothing"
    );
}

#[test]
fn failing_open_shows_main_alone_and_the_lowest_tier() {
    let mut catalog = Catalog::new();
    catalog.set_service("web", setting(OnEmpty::All));
    catalog.register(
        "a.web",
        at("192.0.2.1")
            .ports("main 80, http 81")
            .tier(2, 1)
            .status(Status::Critical),
    );
    catalog.register(
        "b.web",
        at("192.0.2.2")
            .ports("main 80")
            .tier(1, 1)
            .status(Status::Critical),
    );
    let mut resolver = Resolver::of(&catalog);
    assert_eq!(resolver.ask("web", A).words(), ["192.0.2.2"]);
    assert_eq!(
        resolver.ask("web", SRV).in_order(),
        ["1 1 80 b.web", "2 1 80 a.web"]
    );
}

#[test]
fn a_lapsed_instance_counts_for_all_as_a_critical_one() {
    let mut catalog = Catalog::new();
    catalog.set_service("web", setting(OnEmpty::All));
    catalog.register("a.web", at("192.0.2.1").ports("main 80").lease(1000));
    catalog.lapse("a.web");
    assert_eq!(Resolver::of(&catalog).ask("web", SRV).words(), ["0 1 80 a.web"]);
}

#[test]
fn names_that_linger_are_selections_without_instances() {
    for on_empty in [OnEmpty::NoData, OnEmpty::NxDomain, OnEmpty::All] {
        let mut catalog = emptied(on_empty);
        catalog.deregister("i1.web");
        catalog.deregister("i2.web");
        let mut resolver = Resolver::of(&catalog);
        for name in SELECTIONS {
            let reply = resolver.ask(name, SRV);
            assert!(
                if on_empty == OnEmpty::NxDomain {
                    reply.is_nxdomain()
                } else {
                    reply.is_nodata()
                },
                "{name} {on_empty}"
            );
        }
        assert!(resolver.ask("i1.web", A).is_nxdomain(), "host names go at once");
    }
}

#[test]
fn the_zones_setting_holds_where_the_service_has_none() {
    let mut catalog = emptied(OnEmpty::NoData);
    catalog.register("a.api", at("192.0.2.9").status(Status::Critical));
    for (on_empty, nx) in [(OnEmpty::NxDomain, true), (OnEmpty::All, false)] {
        catalog.set_zone(
            ZONE,
            ZoneSettings {
                on_empty: Some(on_empty),
                ..Default::default()
            },
        );
        let mut resolver = Resolver::of(&catalog);
        assert!(resolver.ask("web", A).is_nodata(), "its own");
        let reply = resolver.ask("api", A);
        assert_eq!((reply.is_nxdomain(), reply.answer.len()), (nx, usize::from(!nx)));
    }
}
