//! A question of ours allocates nothing: counted for each thread by an allocator of this test binary.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use super::wire::*;
use crate::answer::*;
use crate::catalog::discovery::InstanceLabel;
use crate::catalog::tests::fixture::*;
use crate::catalog::{OnEmpty, ServiceSettings, Status, ZoneName};

struct Counting;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: each call is handed to the system's allocator as it came; a thread's own counter needs neither allocation
// nor destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        COUNT.set(COUNT.get() + 1);
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, octets: usize) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        unsafe { System.realloc(pointer, layout, octets) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How often `work` allocates or frees.
pub(super) fn counted(work: impl FnOnce()) -> usize {
    let before = COUNT.get();
    work();
    COUNT.get() - before
}

#[test]
fn the_count_counts() {
    assert_eq!(counted(|| drop(std::hint::black_box(Box::new(1)))), 2);
}

fn asked(client: &str, transport: Transport) -> Asked {
    Asked {
        client: client.parse().unwrap(),
        transport,
        udp_payload_max: UDP_PAYLOAD_DEFAULT,
    }
}

fn catalog() -> Catalog {
    let mut catalog = Catalog::with_zones(&[ZONE, "2.0.192.in-addr.arpa", "ip6.arpa"]);
    for service in ["web", "few"] {
        let limit = if service == "few" { 5 } else { 0 };
        catalog.set_service(
            service,
            ServiceSettings {
                answer_limit: Some(limit),
                on_empty: Some(OnEmpty::All),
                ..Default::default()
            },
        );
        for number in 1..=200 {
            catalog.register(
                &format!("i{number}.{service}"),
                at(&format!("192.0.2.{} 2001:db8::{number:x}", number % 199 + 1))
                    .ports("main 80, http 8080, dns 53/udp")
                    .tags("v2")
                    .meta(&[("version", "2")])
                    .tier(number % 3, number % 5),
            );
        }
    }
    catalog.register("a.small", at("192.0.2.1 2001:db8::1").ports("http 80").tags("v2"));
    catalog.register("b.small", at("192.0.2.2").ports("http 80").tags("v2"));
    catalog.register(
        "a.open",
        at("192.0.2.1")
            .ports("http 80")
            .tags("v2")
            .status(Status::Critical),
    );
    catalog
}

#[test]
fn no_question_allocates() {
    let mut catalog = catalog();
    // Types and services in more than one node of the index.
    for number in 0..1000 {
        let ports = format!("main 80, many 81, p{number} 82");
        catalog.register(&format!("a.s{number}"), at("192.0.2.1").ports(&ports));
    }
    let id = "i".repeat(63);
    catalog.register(&format!("{id}.web"), at("192.0.2.1").ports("http 80"));
    let label = InstanceLabel::of(id.as_bytes(), b"web");
    let cut = format!(
        "{}._http._tcp.svc.internal",
        String::from_utf8_lossy(label.octets())
    );
    let snapshot = Snapshot::of(catalog.state);
    let mut scratch = Scratch::seeded(3);
    let mut out = vec![0; TCP_MESSAGE_MAX];
    let names = [
        "small.svc.internal",
        "web.svc.internal",
        "few.svc.internal",
        "open.svc.internal",
        "v2.web.svc.internal",
        "v2.few.svc.internal",
        "_http._tcp.web.svc.internal",
        "_http._tcp.few.svc.internal",
        "_http._tcp.v2.web.svc.internal",
        "_http._tcp.v2.few.svc.internal",
        "_web._udp.svc.internal",
        "i7.web.svc.internal",
        "i7.web.SVC.internal",
        "_tcp.svc.internal",
        "_http._tcp.svc.internal",
        "_many._tcp.svc.internal",
        "_dns._udp.svc.internal",
        "i7@web._http._tcp.svc.internal",
        "i7@web._web._tcp.svc.internal",
        cut.as_str(),
        "_services._dns-sd._udp.svc.internal",
        "b._dns-sd._udp.svc.internal",
        "_dns-sd._udp.svc.internal",
        "svc.internal",
        "ns.svc.internal",
        "nothing.svc.internal",
        "a.b.c.d.web.svc.internal",
        "example.org",
        "",
        // Of several instances, of one, above addresses, of none, below one, of no address.
        "1.2.0.192.in-addr.arpa",
        "2.0.192.in-addr.arpa",
        "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
        "8.b.d.0.1.0.0.2.ip6.arpa",
        "0.2.0.192.in-addr.arpa",
        "x.1.2.0.192.in-addr.arpa",
        "256.2.0.192.in-addr.arpa",
    ];
    let mut replies = 0;
    for name in names {
        for qtype in [A, AAAA, SRV, PTR, TXT, ANY, SOA, NS, OTHERS[0], 252, 250] {
            for edns in [None, Some(1232)] {
                let packet = query(&name_wire(name), qtype, edns);
                for transport in [Transport::Udp, Transport::Tcp] {
                    for client in ["198.51.100.1", "2001:db8::1"] {
                        let asked = asked(client, transport);
                        let mut outcome = Outcome::Drop;
                        let count = counted(|| {
                            outcome = answer(&snapshot, &packet, &asked, &mut scratch, &mut out);
                        });
                        assert_eq!(count, 0, "{name} {qtype} {edns:?} {transport:?}");
                        assert!(matches!(outcome, Outcome::Reply(_)));
                        replies += 1;
                    }
                }
            }
        }
    }
    assert_eq!(replies, names.len() * 11 * 8);
}

#[test]
fn no_refusal_allocates() {
    let snapshot = Snapshot::of(catalog().state);
    let (mut scratch, mut out) = (Scratch::seeded(3), vec![0; TCP_MESSAGE_MAX]);
    let web = |edns| query(&name_wire("web.svc.internal"), A, edns);
    let altered = |edns, change: &dyn Fn(&mut Vec<u8>)| {
        let mut packet = web(edns);
        change(&mut packet);
        packet
    };
    let mut outcomes = std::collections::BTreeMap::new();
    for edns in [None, Some(1232)] {
        let mut packets: Vec<Vec<u8>> = (0..16)
            .map(|opcode| altered(edns, &|p| p[2] |= opcode << 3))
            .collect();
        packets.extend((0..web(edns).len()).map(|octets| web(edns)[..octets].to_vec()));
        packets.extend([
            altered(edns, &|p| p[2] |= 0x80),
            altered(edns, &|p| p[5] = 2),
            altered(edns, &|p| p[7] = 1),
            altered(edns, &|p| p[12] = 0xc0),
            altered(edns, &|p| p.push(0)),
            // Class CHAOS; of the name that the slow path knows.
            altered(edns, &|p| p[12 + 18 + 3] = 3),
            b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x07version\x04bind\0\0\x10\0\x03".to_vec(),
            // An OPT of version 1, two of them, and a signature.
            altered(Some(512), &|p| *p.iter_mut().nth_back(4).unwrap() = 1),
            altered(Some(512), &|p| {
                p[11] = 2;
                p.extend_from_slice(b"\0\0\x29\x02\0\0\0\0\0\0\0");
            }),
            altered(Some(512), &|p| {
                p[11] = 2;
                p.extend_from_slice(b"\0\0\xfa\0\xff\0\0\0\0\0\0");
            }),
        ]);
        for packet in packets {
            for transport in [Transport::Udp, Transport::Tcp] {
                let asked = asked("198.51.100.1", transport);
                let mut outcome = Outcome::Drop;
                let count = counted(|| outcome = answer(&snapshot, &packet, &asked, &mut scratch, &mut out));
                assert_eq!(count, 0, "{packet:?}");
                let rcode = match outcome {
                    Outcome::Reply(_) => i32::from(out[3] & 15),
                    Outcome::Drop => -1,
                    Outcome::Slow => -2,
                };
                *outcomes.entry(rcode).or_insert(0) += 1;
            }
        }
    }
    // Of BADVERS the lower bits are 0.
    let kinds: Vec<i32> = outcomes.into_keys().collect();
    assert_eq!(
        kinds,
        [-2, -1, 0, 1, 4, 5, 9],
        "slow, dropped, and each response code of the gate"
    );
}

#[test]
fn looking_ahead_allocates_nothing_and_alters_no_answer() {
    let mut catalog = catalog();
    for number in 0..20_000 {
        let change = register(&format!("a.s{number}"), at("192.0.2.1").ports("main 80"));
        catalog.state.apply(&change.into(), BEGIN).unwrap();
    }
    let snapshot = Snapshot::of(catalog.state);
    assert!(snapshot.large().is_some(), "or nothing is looked at");
    let mut random = fastrand::Rng::with_seed(5);
    let mut packets: Vec<Vec<u8>> = [
        "s7.svc.internal",
        "S7.SVC.internal",
        "_s7._tcp.svc.internal",
        "_main._tcp.s7.svc.internal",
        "_tcp.svc.internal",
        "_.svc.internal",
        "a@s7._s7._tcp.svc.internal",
        "nothing.svc.internal",
        "svc.internal",
        "internal",
        "s7.svc.other",
        "1.2.0.192.in-addr.arpa",
        "",
    ]
    .iter()
    .map(|name| query(&name_wire(name), A, Some(1232)))
    .collect();
    packets.push(query(&name_wire(&"x.".repeat(60)), A, None));
    for at in 0..200 {
        let mut packet = packets[at % 13].clone();
        let place = random.usize(..packet.len());
        packet[place] = random.u8(..);
        packet.truncate(random.usize(..=packet.len()));
        packets.push(packet);
    }
    let asked = asked("198.51.100.1", Transport::Udp);
    let reply = |packet: &[u8]| {
        let (mut scratch, mut out) = (Scratch::seeded(3), vec![0; TCP_MESSAGE_MAX]);
        let outcome = answer(&snapshot, packet, &asked, &mut scratch, &mut out);
        (outcome, out)
    };
    for batch in packets.chunks(70) {
        let before: Vec<_> = batch.iter().map(|packet| reply(packet)).collect();
        let count = counted(|| look_ahead(&snapshot, batch.iter().map(|packet| &packet[..])));
        assert_eq!(count, 0);
        assert!(
            batch
                .iter()
                .zip(before)
                .all(|(packet, before)| reply(packet) == before)
        );
    }
}

#[test]
fn the_largest_service_allocates_no_more() {
    let mut catalog = Catalog::new();
    for number in 0..4096_u32 {
        let address = std::net::Ipv4Addr::from(0x0a00_0000 + number).to_string();
        let change = register(
            &format!("i{number}.web"),
            at(&format!("192.0.2.1 {address}").replace("10.0.0.0", "10.1.0.0"))
                .ports("a 1, b 2")
                .tags("v2"),
        );
        catalog.state.apply(&change.into(), BEGIN).unwrap();
    }
    let mut scratch = Scratch::seeded(3);
    let mut out = vec![0; TCP_MESSAGE_MAX];
    for limit in [0, 1, 4000, 4095, 4096, 10_000] {
        catalog.set_service(
            "web",
            ServiceSettings {
                answer_limit: Some(limit),
                ..Default::default()
            },
        );
        let snapshot = Snapshot::of(catalog.state.clone());
        for (name, qtype) in [("web", A), ("web", SRV), ("v2.web", SRV), ("_a._tcp.v2.web", SRV)] {
            let packet = query(&name_wire(&format!("{name}.svc.internal")), qtype, Some(1232));
            for transport in [Transport::Udp, Transport::Tcp] {
                let asked = asked("198.51.100.1", transport);
                let count = counted(|| {
                    std::hint::black_box(answer(&snapshot, &packet, &asked, &mut scratch, &mut out));
                });
                assert_eq!(count, 0, "{name} {qtype} {transport:?} {limit}");
            }
        }
    }
}

/// A zone file with delegations, DNAME, wildcards, chains, and sets too large for any datagram, beside services.
fn with_static_records(mut catalog: Catalog) -> Catalog {
    use crate::catalog::contents::{Builder, types};
    let apex = ZoneName::parse("svc.internal").unwrap();
    let name = |text: &str| name_wire(&format!("{text}.svc.internal"));
    let mut builder = Builder::new(&apex);
    let mut add = |owner: &[u8], rtype: u16, data: &[u8]| builder.push(owner, rtype, 300, data, 1);
    let preference = |target: &[u8]| [&[0, 10][..], target].concat();
    for number in 1..=60_u8 {
        let host = name(&format!("h{number}"));
        add(&host, types::A, &[192, 0, 2, number]);
        add(&name("many"), types::MX, &preference(&host));
        add(&name("many"), types::TXT, &[&[200][..], &[number; 200]].concat());
        add(&name("sub"), types::NS, &name(&format!("ns{number}.sub")));
        add(&name(&format!("ns{number}.sub")), types::A, &[192, 0, 2, number]);
    }
    for hop in 0..12 {
        add(
            &name(&format!("c{hop}")),
            types::CNAME,
            &name(&format!("c{}", hop + 1)),
        );
    }
    add(&name("c12"), types::A, &[192, 0, 2, 1]);
    add(&name("alias"), types::CNAME, &name("web"));
    add(&name("loop"), types::CNAME, &name("loop"));
    add(&name("old"), types::DNAME, &name("new"));
    add(&name("down"), types::DNAME, &name("x.down"));
    add(&name("*.wild"), types::CNAME, &name("small"));
    add(&name("*"), types::A, &[192, 0, 2, 9]);
    add(
        &name("alpn"),
        types::HTTPS,
        &[&[0, 0][..], &name("bound")].concat(),
    );
    add(
        &name("bound"),
        types::HTTPS,
        &[0, 1, 0, 0, 1, 0, 3, 2, b'h', b'2'],
    );
    add(&name("bound"), types::AAAA, &[0x20; 16]);
    add(&name("web"), types::MX, &preference(&name("i7.web")));
    add(&name("text.web"), types::TXT, &[0]);
    let (contents, _) = builder.finish().unwrap();
    let change = crate::catalog::Change::ZoneFile {
        zone: apex,
        contents: Some(std::sync::Arc::new(contents)),
    };
    catalog.state.apply(&change.into(), BEGIN).unwrap();
    catalog
}

#[test]
fn no_question_of_a_zone_file_allocates() {
    let snapshot = Snapshot::of(with_static_records(catalog()).state);
    let mut scratch = Scratch::seeded(3);
    let mut out = vec![0; TCP_MESSAGE_MAX];
    let mut answered = 0;
    for name in [
        "many",
        "sub",
        "ns1.sub",
        "a.b.sub",
        "c0",
        "c5",
        "alias",
        "loop",
        "x.old",
        "old",
        "x.down",
        "q.wild",
        "wild",
        "h1",
        "nothing",
        "a.nothing",
        "alpn",
        "bound",
        "web",
        "text.web",
        "x.text.web",
        "x.web",
        "small",
        "_tcp",
        "x._tcp",
        "",
    ] {
        let name = if name.is_empty() {
            "svc.internal".to_string()
        } else {
            format!("{name}.svc.internal")
        };
        for qtype in [A, AAAA, SRV, TXT, ANY, SOA, NS, 5, 15, 39, 43, 65] {
            for edns in [None, Some(1232)] {
                let packet = query(&name_wire(&name), qtype, edns);
                for transport in [Transport::Udp, Transport::Tcp] {
                    let asked = asked("198.51.100.1", transport);
                    let mut outcome = Outcome::Drop;
                    let count = counted(|| {
                        outcome = answer(&snapshot, &packet, &asked, &mut scratch, &mut out);
                    });
                    assert_eq!(count, 0, "{name} {qtype} {edns:?} {transport:?}");
                    let Outcome::Reply(octets) = outcome else {
                        panic!("{name} {qtype} has no reply")
                    };
                    answered += usize::from(out[..octets][7] > 0);
                }
            }
        }
    }
    assert!(answered > 300, "{answered} replies had an answer");
}
