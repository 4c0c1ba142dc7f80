//! Before the catalog is read: nobody is told that a name does not exist, or that this server does not serve it.

use std::sync::Arc;

use super::wire::*;
use crate::answer::Transport;
use crate::answer::gate::ede;
use crate::catalog::tests::fixture::*;
use crate::catalog::{Base, Change};
use crate::view::{Current, Snapshot};

const SERVFAIL: u8 = 2;

/// Names of a zone, of one below it, of none, and the longest there is.
fn names() -> Vec<String> {
    let longest = format!("{0}.{0}.{0}.{1}.", "a".repeat(63), "b".repeat(61));
    let names = [
        "",
        "web",
        "web-1.web",
        "_main._tcp.web",
        "none",
        "ns",
        "sub.svc.internal.",
        "web.sub.svc.internal.",
        "none.example.org.",
        ".",
    ];
    names.map(str::to_owned).into_iter().chain([longest]).collect()
}

fn types() -> impl Iterator<Item = u16> {
    [A, AAAA, SRV, TXT, NS, SOA, PTR, DNAME, CAA, ANY]
        .into_iter()
        .chain(OTHERS)
}

fn catalog() -> Catalog {
    let mut catalog = Catalog::with_zones(&[ZONE, "sub.svc.internal"]);
    catalog.register("web-1.web", at("192.0.2.1").ports("main 80"));
    catalog
}

/// Over each transport, with and without EDNS.
fn resolvers(snapshot: &Arc<Snapshot>) -> Vec<Resolver> {
    let resolver = || Resolver::at(snapshot.clone());
    let mut resolvers = Vec::new();
    for edns in [None, Some(512), Some(1232), Some(4096)] {
        resolvers.push(resolver().udp(edns));
        let mut over_tcp = resolver();
        (over_tcp.transport, over_tcp.edns) = (Transport::Tcp, edns);
        resolvers.push(over_tcp);
    }
    resolvers
}

/// The extended error of a reply whose OPT ends with it.
fn ede_of(octets: &[u8], code: u16) -> bool {
    let text = ede::text(code).as_bytes();
    let [high, low] = code.to_be_bytes();
    let option = [&[0, 15, 0, 2 + text.len() as u8, high, low], text].concat();
    octets.ends_with(&option)
}

#[track_caller]
fn is_not_ready(snapshot: &Arc<Snapshot>) {
    for mut resolver in resolvers(snapshot) {
        for name in names() {
            for qtype in types() {
                let reply = resolver.ask(&name, qtype);
                let what = format!("{name:?} {qtype} over {:?}", resolver.transport);
                assert_eq!(
                    (reply.rcode, reply.aa, reply.tc),
                    (SERVFAIL, false, false),
                    "{what}"
                );
                assert!(reply.answer.is_empty() && reply.authority.is_empty(), "{what}");
                assert!(reply.additional.is_empty(), "{what}");
                assert_eq!(
                    resolver.edns.is_some(),
                    ede_of(&reply.octets, ede::NOT_READY),
                    "{what}"
                );
                assert_eq!(resolver.scratch.noted.rcode, u16::from(SERVFAIL), "{what}");
            }
        }
    }
}

#[test]
fn before_a_catalog_is_there_every_name_is_not_ready() {
    is_not_ready(&Current::loading().snapshot());
}

#[test]
fn a_catalog_that_is_there_and_not_released_is_not_ready() {
    for catalog in [catalog(), Catalog::new(), Catalog::empty()] {
        let current = Current::loading();
        current.fill(Snapshot::of(catalog.state));
        is_not_ready(&current.snapshot());
    }
}

#[test]
fn what_the_writer_makes_of_it_before_it_is_released_is_not_ready_either() {
    let current = Current::loading();
    let mut catalog = catalog();
    current.fill(Snapshot::of(catalog.state.clone()));
    let effect = catalog.register("web-2.web", at("192.0.2.2"));
    let next = current
        .snapshot()
        .after(catalog.state.clone(), effect.records.iter());
    current.publish(Arc::new(next));
    is_not_ready(&current.snapshot());
    // A zone that comes or goes does not uncover the others.
    let with_zone = catalog.make(Change::Open {
        zones: vec![zone(ZONE), zone("sub.svc.internal"), zone("late.internal")],
        base: Base::default(),
    });
    assert!(with_zone.changed());
    let next = current
        .snapshot()
        .after(catalog.state.clone(), with_zone.records.iter());
    current.publish(Arc::new(next));
    is_not_ready(&current.snapshot());

    current.release();
    let mut resolver = Resolver::at(current.snapshot());
    assert_eq!(resolver.ask("web", A).words(), ["192.0.2.1", "192.0.2.2"]);
    assert_eq!(resolver.ask("late.internal.", SOA).answer.len(), 1);
    assert!(resolver.ask("none", A).is_nxdomain());
}

#[test]
fn a_released_catalog_answers_as_one_that_was_never_withheld() {
    let catalog = catalog();
    let current = Current::loading();
    current.fill(Snapshot::of(catalog.state.clone()));
    current.release();
    let released = current.snapshot();
    assert!(released.is_ready());
    let whole = Arc::new(Snapshot::of(catalog.state));
    for (mut released, mut whole) in resolvers(&released).into_iter().zip(resolvers(&whole)) {
        for name in names() {
            for qtype in types() {
                let (left, right) = (released.ask(&name, qtype), whole.ask(&name, qtype));
                assert_eq!(left.octets, right.octets, "{name:?} {qtype}");
                assert_ne!(left.rcode, SERVFAIL, "{name:?} {qtype}");
            }
        }
        assert_eq!(released.ask("none", A).rcode, NX);
        let outside = released.ask("none.example.org.", A);
        assert_eq!(outside.rcode, REFUSED);
        assert_eq!(
            ede_of(&outside.octets, ede::NOT_AUTHORITATIVE),
            released.edns.is_some()
        );
        assert!(released.ask("web", A).rcode == NOERROR && released.ask("sub", SOA).aa);
    }
}

#[test]
fn what_is_refused_whatever_the_catalog_says_is_refused_before_it_is_there() {
    const AXFR: u16 = 252;
    const MAILB: u16 = 253;
    let packets = [AXFR, MAILB].map(|qtype| query(&name_wire("svc.internal"), qtype, Some(1232)));
    let ask = |snapshot, packet: &[u8]| Resolver::at(snapshot).exchange(packet).unwrap();
    for packet in packets {
        let early = ask(Current::loading().snapshot(), &packet);
        assert_eq!(early, ask(Arc::new(Snapshot::of(catalog().state)), &packet));
        assert_ne!(early[3] & 15, SERVFAIL);
    }
}
