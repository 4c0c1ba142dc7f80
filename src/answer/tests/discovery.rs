//! Browsing (RFC 6763): what each name says, who is found, and that PTR and SRV share a name in peace.

use super::wire::*;
use crate::answer::Transport;
use crate::catalog::tests::fixture::*;
use crate::catalog::{OnEmpty, ServiceSettings, Status};

/// `web-1` of the contract, and a neighbour; `api` with a port `main`.
fn example() -> Catalog {
    let mut catalog = Catalog::new();
    catalog.register(
        "web-1.web",
        at("192.0.2.1 2001:db8::1")
            .ports("http 8080, metrics 9100")
            .tier(3, 7)
            .meta(&[("version", "2.1"), ("a", "")]),
    );
    catalog.register("web-2.web", at("192.0.2.2").ports("http 8081, dns 53/udp"));
    catalog.register("api-1.api", at("192.0.2.3").ports("main 80"));
    catalog
}

fn settings(on_empty: OnEmpty) -> ServiceSettings {
    ServiceSettings {
        on_empty: Some(on_empty),
        ..Default::default()
    }
}

/// Names without the zone's.
fn found(resolver: &mut Resolver, name: &str) -> Vec<String> {
    let reply = resolver.ask(name, PTR);
    assert_eq!(reply.rcode, NOERROR, "{name}");
    let zone = ".svc.internal";
    let names = reply.words().into_iter();
    names
        .map(|name| name.strip_suffix(zone).unwrap_or(&name).to_owned())
        .collect()
}

#[test]
fn browsing_leads_to_instances_and_they_to_ports_and_hosts() {
    let mut resolver = Resolver::of(&example());
    assert_eq!(found(&mut resolver, "b._dns-sd._udp"), ["svc.internal"]);
    assert_eq!(
        found(&mut resolver, "_services._dns-sd._udp"),
        ["_api._tcp", "_dns._udp", "_http._tcp", "_metrics._tcp"]
    );
    assert_eq!(
        found(&mut resolver, "_http._tcp"),
        ["web-1@web._http._tcp", "web-2@web._http._tcp"]
    );
    assert_eq!(found(&mut resolver, "_dns._udp"), ["web-2@web._dns._udp"]);
    assert_eq!(found(&mut resolver, "_api._tcp"), ["api-1@api._api._tcp"]);
    let name = "web-1@web._http._tcp";
    assert_eq!(resolver.ask(name, SRV).words(), ["3 7 8080 web-1.web"]);
    assert_eq!(resolver.ask(name, TXT).words(), ["a=|version=2.1"]);
    assert_eq!(resolver.ask(name, ANY).words(), ["3 7 8080 web-1.web"]);
    for qtype in [A, AAAA, PTR, NS, SOA].into_iter().chain(OTHERS) {
        assert!(resolver.ask(name, qtype).is_nodata(), "{qtype}");
    }
    // Without meta: one empty string, whose length is its only octet.
    let reply = resolver.ask("web-2@web._http._tcp", TXT);
    assert_eq!(
        reply.data(),
        [crate::catalog::tests::oracle::Data::Text(vec![Vec::new()])]
    );
    let end = reply.octets.len() - 11;
    assert_eq!(reply.octets[end - 3..end], [0, 1, 0]);
}

#[test]
fn a_pointer_brings_what_would_be_asked_next() {
    let mut resolver = Resolver::of(&example());
    let reply = resolver.ask("_http._tcp", PTR);
    let got: Vec<_> = reply
        .additional
        .iter()
        .map(|got| (got.owner.trim_end_matches(".svc.internal"), got.rtype))
        .collect();
    let (one, two) = ("web-1@web._http._tcp", "web-2@web._http._tcp");
    let in_ring_order = got[0].0 == one;
    let (first, second) = if in_ring_order { (one, two) } else { (two, one) };
    assert_eq!(
        got[..4],
        [(first, SRV), (first, TXT), (second, SRV), (second, TXT)],
        "addresses come after"
    );
    assert_eq!(got.len(), 7);
    for address in [("web-1.web", A), ("web-1.web", AAAA), ("web-2.web", A)] {
        assert!(got[4..].contains(&address), "{got:?}");
    }
    for name in ["_services._dns-sd._udp", "b._dns-sd._udp"] {
        assert!(resolver.ask(name, PTR).additional.is_empty(), "{name}");
    }
    let reply = resolver.ask("web-1@web._http._tcp", SRV);
    assert_eq!(reply.additional.len(), 2, "{:?}", reply.additional);
}

#[test]
fn who_is_not_answered_is_not_found_whatever_on_empty_says() {
    for on_empty in [OnEmpty::NoData, OnEmpty::NxDomain, OnEmpty::All] {
        for how in 0..4 {
            let mut catalog = example();
            for service in ["web", "api"] {
                catalog.set_service(service, settings(on_empty));
            }
            catalog.register("web-2.web", at("192.0.2.2").ports("http 8081").lease(1000));
            match how {
                0 => drop(catalog.report("web-2.web", Status::Critical)),
                1 => drop(catalog.report_port("web-2.web", "http", Status::Critical)),
                2 => drop(catalog.drain("web-2.web")),
                _ => drop(catalog.lapse("web-2.web")),
            }
            let mut resolver = Resolver::of(&catalog);
            let case = format!("{on_empty:?} {how}");
            assert_eq!(
                found(&mut resolver, "_http._tcp"),
                ["web-1@web._http._tcp"],
                "{case}"
            );
            let gone = "web-2@web._http._tcp";
            assert!(resolver.ask(gone, SRV).is_nxdomain(), "{case}");
            catalog.report("web-1.web", Status::Critical);
            catalog.report("api-1.api", Status::Critical);
            let mut resolver = Resolver::of(&catalog);
            assert!(resolver.ask("_http._tcp", PTR).is_nodata(), "{case}");
            assert!(resolver.ask("_services._dns-sd._udp", PTR).is_nodata(), "{case}");
            assert!(resolver.ask("b._dns-sd._udp", PTR).is_nodata(), "{case}");
            let own = resolver.ask("_api._tcp", PTR);
            assert!(own.answer.is_empty(), "{case}");
            assert_eq!(own.rcode == NX, on_empty == OnEmpty::NxDomain, "{case}");
            let selected = resolver.ask("_api._tcp", SRV).answer.len();
            assert_eq!(selected, usize::from(on_empty == OnEmpty::All), "{case}");
        }
    }
}

#[test]
fn pointers_and_srv_share_a_name() {
    let mut catalog = Catalog::new();
    catalog.register("a.http", at("192.0.2.1").ports("main 80, http 8080, dns 53/udp"));
    catalog.register("b.web", at("192.0.2.2").ports("http 81"));
    let mut resolver = Resolver::of(&catalog);
    let name = "_http._tcp";
    assert_eq!(resolver.ask(name, SRV).words(), ["0 1 80 a.http"]);
    assert_eq!(resolver.ask(name, ANY).words(), ["0 1 80 a.http"], "one RRset");
    assert_eq!(
        found(&mut resolver, name),
        ["a@http._http._tcp", "b@web._http._tcp"]
    );
    assert_eq!(
        resolver.ask("a@http._http._tcp", SRV).words(),
        ["0 1 80 a.http", "0 1 8080 a.http"],
        "both ports are of the type"
    );
    catalog.set_service("http", settings(OnEmpty::NxDomain));
    catalog.report("a.http", Status::Critical);
    let mut resolver = Resolver::of(&catalog);
    for qtype in [A, SRV, TXT] {
        assert!(resolver.ask(name, qtype).is_nodata(), "{qtype}");
    }
    assert_eq!(found(&mut resolver, name), ["b@web._http._tcp"]);
    assert_eq!(resolver.ask(name, ANY).words(), ["b@web._http._tcp.svc.internal"]);
    catalog.report("b.web", Status::Critical);
    let mut resolver = Resolver::of(&catalog);
    for qtype in [A, SRV, PTR, ANY] {
        assert!(resolver.ask(name, qtype).is_nxdomain(), "{qtype}");
    }
}

#[test]
fn an_instance_is_of_a_type_once_though_two_of_its_ports_are() {
    let mut catalog = Catalog::new();
    catalog.register("a.http", at("192.0.2.1").ports("main 80, http 80"));
    catalog.register("b.http", at("192.0.2.2").ports("http 81"));
    catalog.register("c.http", at("192.0.2.3").ports("main 82"));
    let all = ["a@http._http._tcp", "b@http._http._tcp", "c@http._http._tcp"];
    let mut resolver = Resolver::of(&catalog);
    assert_eq!(found(&mut resolver, "_http._tcp"), all);
    assert_eq!(found(&mut resolver, "_services._dns-sd._udp"), ["_http._tcp"]);
    assert_eq!(resolver.ask(all[0], SRV).words(), ["0 1 80 a.http"]);
    for (port, shown) in [("main", 1), ("http", 0)] {
        catalog.report_port("a.http", port, Status::Critical);
        let reply = Resolver::of(&catalog).ask(all[0], SRV);
        assert_eq!(reply.answer.len(), shown, "{port}");
        assert_eq!(reply.is_nxdomain(), shown == 0);
    }
    assert_eq!(found(&mut Resolver::of(&catalog), "_http._tcp"), all[1..]);
}

#[test]
fn main_is_of_the_services_type_alone_and_long_names_are_of_none() {
    let mut catalog = Catalog::new();
    catalog.register("a.web", at("192.0.2.1").ports("main 80, a-long-port-name 81"));
    catalog.register("a.main", at("192.0.2.2").ports("main 82"));
    catalog.register("a.long-service-name", at("192.0.2.3").ports("main 83"));
    let mut resolver = Resolver::of(&catalog);
    assert_eq!(found(&mut resolver, "_main._tcp"), ["a@main._main._tcp"]);
    assert_eq!(
        found(&mut resolver, "_services._dns-sd._udp"),
        ["_main._tcp", "_web._tcp"]
    );
    assert!(resolver.ask("_a-long-port-name._tcp", PTR).is_nxdomain());
    let name = "_long-service-name._tcp";
    assert_eq!(resolver.ask(name, SRV).answer.len(), 1);
    assert!(resolver.ask(name, PTR).is_nodata());
    assert!(
        resolver
            .ask(&format!("a@long-service-name.{name}"), SRV)
            .is_nxdomain()
    );
    let mut catalog = Catalog::new();
    catalog.register("a.long-service-name", at("192.0.2.3").ports("main 83"));
    let mut resolver = Resolver::of(&catalog);
    for name in ["_udp", "_dns-sd._udp", "_services._dns-sd._udp", "b._dns-sd._udp"] {
        assert!(resolver.ask(name, PTR).is_nxdomain(), "no type is known: {name}");
    }
}

#[test]
fn the_names_of_browsing_exist_while_a_type_is_known() {
    let names = ["_udp", "_dns-sd._udp", "_services._dns-sd._udp", "b._dns-sd._udp"];
    let mut catalog = Catalog::new();
    let exist = |catalog: &Catalog, wanted: bool, when: &str| {
        let mut resolver = Resolver::of(catalog);
        for name in names {
            let reply = resolver.ask(name, A);
            assert_eq!(reply.rcode == NOERROR, wanted, "{when}: {name}");
            assert!(reply.is_nodata() == wanted && reply.is_nxdomain() != wanted);
        }
    };
    exist(&catalog, false, "a zone that never had a service");
    catalog.register("a.web", at("192.0.2.1"));
    exist(&catalog, false, "no port");
    catalog.register("a.web", at("192.0.2.1").ports("http 80"));
    exist(&catalog, true, "a port");
    assert!(Resolver::of(&catalog).ask("_http._tcp", SRV).is_nodata());
    catalog.deregister("a.web");
    exist(&catalog, true, "a port that lingers");
    assert!(Resolver::of(&catalog).ask("_http._tcp", PTR).is_nodata());
    catalog.forget_all("web");
    exist(&catalog, false, "forgotten");
    assert!(Resolver::of(&catalog).ask("_http._tcp", PTR).is_nxdomain());
}

#[test]
fn a_type_called_dns_sd_stands_where_browsing_begins() {
    let mut catalog = Catalog::new();
    catalog.register("a.web", at("192.0.2.1").ports("dns-sd 5353/udp"));
    let mut resolver = Resolver::of(&catalog);
    assert_eq!(found(&mut resolver, "_dns-sd._udp"), ["a@web._dns-sd._udp"]);
    assert_eq!(found(&mut resolver, "_services._dns-sd._udp"), ["_dns-sd._udp"]);
    assert_eq!(
        resolver.ask("a@web._dns-sd._udp", SRV).words(),
        ["0 1 5353 a.web"]
    );
}

#[test]
fn ttls_are_the_zones_for_pointers_and_the_services_for_the_rest() {
    let mut catalog = example();
    let own = ServiceSettings {
        ttl: ttl(77),
        ..Default::default()
    };
    catalog.set_service("web", own);
    let mut resolver = Resolver::of(&catalog);
    for name in ["_http._tcp", "_services._dns-sd._udp", "b._dns-sd._udp"] {
        let reply = resolver.ask(name, PTR);
        assert!(reply.answer.iter().all(|got| got.ttl == 5), "{name}");
        assert!(reply.additional.iter().all(|got| got.ttl == 77), "{name}");
    }
    for qtype in [SRV, TXT] {
        assert_eq!(resolver.ask("web-1@web._http._tcp", qtype).answer[0].ttl, 77);
    }
}

#[test]
fn a_long_label_is_cut_and_found() {
    let mut catalog = Catalog::new();
    let ids = ["a".repeat(62) + "1", "a".repeat(62) + "2", "b".repeat(40)];
    for id in &ids {
        for service in ["web", "a-service-with-a-name-of-its-own"] {
            catalog.register(&format!("{id}.{service}"), at("192.0.2.1").ports("http 80"));
        }
    }
    let mut resolver = Resolver::of(&catalog);
    let names = found(&mut resolver, "_http._tcp");
    assert_eq!(names.len(), 6);
    let mut targets = Vec::new();
    for name in &names {
        let label = name.strip_suffix("._http._tcp").unwrap();
        assert!(label.len() == 63 || label == format!("{}@web", ids[2]), "{label}");
        let srv = resolver.ask(name, SRV).words();
        assert_eq!(srv.len(), 1, "{name}");
        targets.extend(srv);
        assert_eq!(resolver.ask(name, TXT).answer.len(), 1);
    }
    targets.sort();
    targets.dedup();
    assert_eq!(targets.len(), 6, "each leads to another");
    let mut other = names[0].clone().into_bytes();
    other[62] = if other[62] == b'0' { b'1' } else { b'0' };
    let other = String::from_utf8(other).unwrap();
    assert!(resolver.ask(&other, SRV).is_nxdomain(), "another hash");
    catalog.report(&format!("{}.web", ids[0]), Status::Critical);
    let left = found(&mut Resolver::of(&catalog), "_http._tcp");
    assert_eq!(left.len(), 5);
    let gone = names.iter().find(|name| !left.contains(name)).unwrap();
    assert!(Resolver::of(&catalog).ask(gone, SRV).is_nxdomain());
}

#[test]
fn what_does_not_fit_sets_tc_and_additional_records_go_first() {
    let mut catalog = Catalog::new();
    for number in 0..40 {
        let name = format!("i{number}.web");
        catalog.register(
            &name,
            at("192.0.2.1").ports("http 80").meta(&[("k", &"v".repeat(200))]),
        );
        catalog.register(&format!("a.s{number}"), at("192.0.2.1").ports("main 80"));
    }
    let mut resolver = Resolver::of(&catalog).udp(Some(1232));
    let reply = resolver.ask("_http._tcp", PTR);
    assert!(!reply.tc, "the answer itself fits");
    assert_eq!(reply.answer.len(), 40);
    assert!(
        (1..40).contains(&reply.additional.len()),
        "{}",
        reply.additional.len()
    );
    let mut resolver = resolver.udp(None);
    let reply = resolver.ask("_http._tcp", PTR);
    assert!(reply.tc && reply.additional.is_empty());
    let one = 12 + 1 + "i10@web".len() + 2;
    assert!(reply.octets.len() + one > 512, "as many as fit");
    let types = resolver.ask("_services._dns-sd._udp", PTR);
    assert!(types.tc && types.answer.len() > 10, "{}", types.answer.len());
    let reply = resolver.ask("i7@web._http._tcp", TXT);
    assert!(!reply.tc && reply.answer.len() == 1);
    resolver.transport = Transport::Tcp;
    for name in ["_http._tcp", "_services._dns-sd._udp"] {
        assert!(resolver.ask(name, PTR).answer.len() >= 40, "{name}");
    }
    assert_eq!(resolver.ask("_http._tcp", PTR).additional.len(), 3 * 32);
    assert_eq!(resolver.scratch.left_out, 0);
}

#[test]
fn what_not_even_a_stream_holds_is_left_out_and_counted() {
    let mut catalog = Catalog::new();
    for number in 0..4000 {
        let name = format!("i{number:04}.a-service-called-thus");
        let change = register(&name, at("192.0.2.1").ports("http 80"));
        catalog.state.apply(&change.into(), BEGIN).unwrap();
    }
    let mut resolver = Resolver::of(&catalog);
    let reply = resolver.ask("_http._tcp", PTR);
    assert!(!reply.tc && reply.additional.is_empty());
    assert!(reply.octets.len() > 65_535 - 50, "{}", reply.octets.len());
    assert!((1000..4000).contains(&reply.answer.len()));
    assert_eq!(resolver.scratch.left_out, 1);
}
