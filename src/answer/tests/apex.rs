//! The zone's own records.

use std::net::IpAddr;

use super::wire::*;
use crate::answer::Transport;
use crate::catalog::Base;
use crate::catalog::tests::fixture::*;

fn advertised(count: u8) -> Catalog {
    let mut servers: Vec<IpAddr> = (1..=count).map(|n| [192, 0, 2, n].into()).collect();
    servers.extend((1..=u16::from(count)).map(|n| IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, n])));
    Catalog::opened(
        &[ZONE],
        Base {
            name_servers: servers.into(),
            ..Base::default()
        },
    )
}

#[test]
fn the_apex_has_soa_and_ns_and_nothing_else() {
    let catalog = advertised(1);
    let mut resolver = Resolver::of(&catalog);
    let reply = resolver.ask("", SOA);
    assert_eq!(reply.words(), ["minimum 1"]);
    assert_eq!((reply.answer[0].ttl, reply.serial), (5, Some(catalog.serial())));
    let reply = resolver.ask("", NS);
    assert_eq!(reply.words(), ["ns.svc.internal"]);
    let glue: Vec<String> = reply.additional.iter().map(|got| words(&got.data)).collect();
    assert_eq!(glue, ["192.0.2.1", "2001:db8::1"]);
    for qtype in [A, AAAA, SRV, TXT, OTHERS[2]] {
        assert!(resolver.ask("", qtype).is_nodata());
    }
    assert_eq!(resolver.ask("", ANY).words(), ["minimum 1"]);
}

#[test]
fn ns_has_the_advertised_addresses() {
    let mut resolver = Resolver::of(&advertised(2));
    assert_eq!(resolver.ask("ns", A).words(), ["192.0.2.1", "192.0.2.2"]);
    assert_eq!(resolver.ask("ns", AAAA).words(), ["2001:db8::1", "2001:db8::2"]);
    assert_eq!(resolver.ask("ns", ANY).words(), ["192.0.2.1", "192.0.2.2"]);
    assert!(resolver.ask("ns", SRV).is_nodata());
    let mut resolver = Resolver::of(&Catalog::new());
    assert!(resolver.ask("ns", A).is_nodata(), "none advertised");
    assert!(resolver.ask("", NS).additional.is_empty());
    let only_v6 = Base {
        name_servers: ["2001:db8::1".parse().unwrap()].into(),
        ..Base::default()
    };
    let mut resolver = Resolver::of(&Catalog::opened(&[ZONE], only_v6));
    assert!(resolver.ask("ns", A).is_nodata());
    assert_eq!(resolver.ask("ns", ANY).words(), ["2001:db8::1"]);
}

#[test]
fn more_name_server_addresses_than_fit_set_tc_and_glue_comes_whole_or_not() {
    let mut resolver = Resolver::of(&advertised(64)).udp(None);
    for qtype in [A, AAAA, ANY] {
        let reply = resolver.ask("ns", qtype);
        assert!(reply.tc && reply.answer.len() > 10, "{qtype}");
    }
    let reply = resolver.ask("", NS);
    assert_eq!(
        (reply.tc, reply.answer.len(), reply.additional.len()),
        (false, 1, 0)
    );
    resolver.transport = Transport::Tcp;
    assert_eq!(resolver.ask("ns", AAAA).set().len(), 64);
    assert_eq!(resolver.ask("", NS).additional.len(), 128);
}
