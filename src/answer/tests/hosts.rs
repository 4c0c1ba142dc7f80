//! Host names: an instance's addresses whatever its status, its answered ports, its meta.

use super::wire::*;
use crate::answer::Transport;
use crate::catalog::Status;
use crate::catalog::tests::fixture::*;

#[test]
fn a_host_name_goes_with_its_instance_at_once() {
    let mut catalog = Catalog::new();
    catalog.register("a.web", at("192.0.2.1"));
    assert_eq!(Resolver::of(&catalog).ask("a.web", A).words(), ["192.0.2.1"]);
    catalog.deregister("a.web");
    assert!(Resolver::of(&catalog).ask("a.web", A).is_nxdomain());
}

#[test]
fn its_addresses_come_in_the_order_registered() {
    let mut catalog = Catalog::new();
    catalog.register(
        "a.web",
        at("192.0.2.3 192.0.2.1 2001:db8::2 192.0.2.2 2001:db8::1"),
    );
    catalog.register("b.web", at("192.0.2.1"));
    let mut resolver = Resolver::of(&catalog);
    assert_eq!(
        resolver.ask("a.web", A).in_order(),
        ["192.0.2.3", "192.0.2.1", "192.0.2.2"]
    );
    assert_eq!(
        resolver.ask("a.web", AAAA).in_order(),
        ["2001:db8::2", "2001:db8::1"]
    );
    assert!(resolver.ask("b.web", AAAA).is_nodata());
}

#[test]
fn srv_shows_its_answered_ports_main_or_not() {
    let mut catalog = Catalog::new();
    catalog.register(
        "a.web",
        at("192.0.2.1").ports("main 80, http 8080, dns 53/udp").tier(3, 4),
    );
    let mut resolver = Resolver::of(&catalog);
    let reply = resolver.ask("a.web", SRV);
    assert_eq!(reply.words(), ["3 4 53 a.web", "3 4 80 a.web", "3 4 8080 a.web"]);
    assert_eq!(reply.additional.len(), 1);
    catalog.report_port("a.web", "http", Status::Critical);
    assert_eq!(
        Resolver::of(&catalog).ask("a.web", SRV).words(),
        ["3 4 53 a.web", "3 4 80 a.web"]
    );
    catalog.drain("a.web");
    assert!(Resolver::of(&catalog).ask("a.web", SRV).is_nodata());
}

#[test]
fn txt_is_one_record_of_what_fits_in_octet_order_of_the_keys() {
    let mut catalog = Catalog::new();
    let fits = "v".repeat(255 - 5);
    let long = "v".repeat(255 - 4);
    catalog.register(
        "a.web",
        at("192.0.2.1").meta(&[
            ("b", "2"),
            ("Z", "é"),
            ("fits", &fits),
            ("long", &long),
            ("empty", ""),
        ]),
    );
    catalog.register("b.web", at("192.0.2.1").meta(&[("long", &long)]));
    catalog.register("c.web", at("192.0.2.1"));
    catalog.report("a.web", Status::Critical);
    let mut resolver = Resolver::of(&catalog);
    let reply = resolver.ask("a.web", TXT);
    assert_eq!(reply.words(), [format!("Z=é|b=2|empty=|fits={fits}")]);
    assert!(resolver.ask("b.web", TXT).is_nodata(), "none that fits");
    assert!(resolver.ask("c.web", TXT).is_nodata(), "no meta");
    assert!(resolver.ask("web", TXT).is_nodata());
}

#[test]
fn txt_that_does_not_fit_sets_tc() {
    let mut catalog = Catalog::new();
    let value = "v".repeat(250);
    let meta: Vec<(String, &str)> = (0..64).map(|n| (format!("k{n}"), value.as_str())).collect();
    let meta: Vec<(&str, &str)> = meta.iter().map(|(k, v)| (k.as_str(), *v)).collect();
    catalog.register("a.web", at("192.0.2.1").meta(&meta));
    let mut resolver = Resolver::of(&catalog).udp(Some(1232));
    let reply = resolver.ask("a.web", TXT);
    assert!(reply.tc && reply.answer.is_empty() && reply.authority.is_empty() && reply.rcode == NOERROR);
    resolver.transport = Transport::Tcp;
    let reply = resolver.ask("a.web", TXT);
    assert!(!reply.tc && reply.octets.len() > 16_000);
}

#[test]
fn more_addresses_than_fit_are_cut_with_tc() {
    let mut catalog = Catalog::new();
    let addresses: Vec<String> = (1..=64).map(|n| format!("2001:db8::{n:x}")).collect();
    catalog.register("a.web", at(&addresses.join(" ")).ports("main 80"));
    let mut resolver = Resolver::of(&catalog).udp(Some(1232));
    let reply = resolver.ask("a.web", AAAA);
    assert!(reply.tc);
    assert_eq!(reply.set().len(), (1232 - 12 - 24 - 11) / 28);
    assert_eq!(resolver.ask("a.web", AAAA).octets, reply.octets);
    let srv = resolver.ask("web", SRV);
    assert!(!srv.tc && srv.additional.is_empty(), "half an RRset is none");
    resolver.transport = Transport::Tcp;
    assert_eq!(resolver.ask("a.web", AAAA).set().len(), 64);
    assert_eq!(resolver.ask("web", SRV).additional.len(), 64);
}
