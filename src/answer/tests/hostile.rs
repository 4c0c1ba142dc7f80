//! Whatever comes, nothing panics, no reply passes its size, and what is no question of ours gets no data.

use std::sync::OnceLock;

use proptest::prelude::*;

use super::wire::*;
use crate::answer::*;
use crate::catalog::tests::fixture::*;

fn snapshot() -> &'static Snapshot {
    static SNAPSHOT: OnceLock<Snapshot> = OnceLock::new();
    SNAPSHOT.get_or_init(|| {
        let mut catalog = Catalog::with_zones(&[ZONE, "a", "b.c.svc.internal"]);
        for number in 1..=120 {
            catalog.register(
                &format!("i{number}.web"),
                at(&format!("192.0.2.{number} 2001:db8::{number:x}"))
                    .ports("main 80, http 8080/udp")
                    .tags("v2")
                    .meta(&[("k", "v")])
                    .tier(number % 2, number % 4),
            );
        }
        catalog.register("x.web.a", at("192.0.2.1").ports("p 1"));
        Snapshot::of(catalog.state)
    })
}

/// Asks it all ways; the replies keep to their sizes.
fn poke(packet: &[u8], size: u16) {
    let mut out = vec![0; TCP_MESSAGE_MAX];
    for transport in [Transport::Udp, Transport::Tcp] {
        let asked = Asked {
            client: [198, 51, 100, 1].into(),
            transport,
            udp_payload_max: size,
        };
        let mut scratch = Scratch::seeded(1);
        if let Outcome::Reply(octets) = answer(snapshot(), packet, &asked, &mut scratch, &mut out) {
            let most = if transport == Transport::Udp {
                usize::from(size)
            } else {
                TCP_MESSAGE_MAX
            };
            assert!(octets >= 12 && octets <= most, "{octets} of {most}");
            assert_eq!(out[..2], packet[..2]);
            assert_eq!(out[2] & 0x80, 0x80);
            assert_eq!(packet[2] & 0x80, 0, "a reply is never answered");
            assert!(hickory_proto::op::Message::from_vec(&out[..octets]).is_ok());
        }
    }
}

const NAMES: [&str; 9] = [
    "web.svc.internal",
    "v2.web.svc.internal",
    "_main._tcp.v2.web.svc.internal",
    "_web._udp.svc.internal",
    "i1.web.svc.internal",
    "svc.internal",
    "ns.svc.internal",
    "c.svc.internal",
    "x.web.a",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_octets_never_panic(packet in prop::collection::vec(any::<u8>(), 0..600), size in 512_u16..4096) {
        poke(&packet, size);
    }

    #[test]
    fn mutated_questions_never_panic(
        name in 0..NAMES.len(),
        qtype in prop_oneof![Just(A), Just(AAAA), Just(SRV), Just(TXT), Just(ANY), any::<u16>()],
        edns in prop::option::of(any::<u16>()),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in any::<prop::sample::Index>(),
        is_cut in any::<bool>(),
        size in 512_u16..4096,
    ) {
        let mut packet = query(&name_wire(NAMES[name]), qtype, edns);
        for (at, octet) in flips {
            let at = at.index(packet.len());
            packet[at] = octet;
        }
        if is_cut {
            packet.truncate(cut.index(packet.len()));
        }
        poke(&packet, size);
    }

    #[test]
    fn names_of_random_labels_are_answered(
        labels in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..=63), 0..5),
        zone in 0..NAMES.len(),
        qtype in any::<u16>(),
    ) {
        let below = name_wire(NAMES[zone]);
        let mut name = labels_wire(labels.iter().map(Vec::as_slice));
        name.pop();
        name.extend_from_slice(&below);
        prop_assume!(name.len() <= 255);
        poke(&query(&name, qtype, Some(1232)), 1232);
    }
}

#[test]
fn the_least_room_holds_every_refusal_and_every_answer() {
    let longest = format!("{}.svc.internal", ["a"; 120].join("."));
    for name in NAMES.into_iter().chain([longest.as_str(), ""]) {
        for qtype in 0..=300 {
            for edns in [None, Some(0), Some(512)] {
                poke(&query(&name_wire(name), qtype, edns), 512);
            }
        }
    }
}

#[test]
fn the_question_is_echoed_whatever_its_case() {
    let mut resolver = Resolver::at(std::sync::Arc::new(snapshot().clone()));
    // `Resolver::ask_wire` compares the octets.
    for name in [
        "WEB.SVC.INTERNAL",
        "wEb.sVc.iNtErNaL",
        "V2.web.svc.INTERNAL",
        "_MAIN._TCP.V2.WEB.svc.internal",
    ] {
        let reply = resolver.ask_wire(&name_wire(name), SRV);
        assert_eq!(reply.answer.len(), 120, "{name}");
    }
    assert!(
        resolver
            .ask_wire(&name_wire("NOTHING.svc.internal"), A)
            .is_nxdomain()
    );
    let reply = resolver.ask_wire(&name_wire("Nothing.SVC.internal"), A);
    let apex = reply
        .octets
        .windows(4)
        .filter(|w| w.eq_ignore_ascii_case(b"\x03svc"))
        .count();
    assert_eq!(apex, 1, "the apex is a pointer to the question");
}
