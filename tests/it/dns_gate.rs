//! Odd, wrong and hostile messages to the real program. After each of them an honest question is answered.
//!
//! What each rule of the gate says octet by octet is held by the unit tests of `src/answer/gate.rs`; here it has to
//! come through sockets, workers and the slow path, and leave them working.

use std::io::Write as _;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use fastrand::Rng;
use serde_json::json;

use crate::support::dns::{
    CHAOS, Data, Message, Query, Section, TcpClient, Type, ask, ask_tcp, expect_silence, rcode, send_udp,
};
use crate::support::program::{Launch, Program};
use crate::wire::{ZONE, honest, register, still_answers};

fn program() -> Program {
    let program = Launch::new().arguments(["--udp-workers", "2"]).start();
    honest(&program);
    register(
        &program,
        "web",
        "web-1",
        json!({"addresses": ["192.0.2.1", "2001:db8::1"], "ports": {"http": 80}, "tags": ["v2"], "meta": {"k": "v"}}),
    );
    program
}

fn web() -> Query {
    Query::new(&format!("web.{ZONE}"), Type::A)
}

/// Asks over both transports, holds that both refuse in the same way and without data, and that the server goes on.
#[track_caller]
fn refused(program: &Program, query: &Query, wanted: u16) -> Message {
    let (udp, tcp) = (ask(program.dns, query), ask_tcp(program.dns, query));
    for reply in [&udp, &tcp] {
        assert_eq!(reply.rcode(), wanted);
        assert_eq!(
            reply.answers.len() + reply.authorities.len() + reply.additionals.len(),
            0
        );
        assert!(!reply.aa() && !reply.tc() && !reply.ra() && !reply.ad());
        assert!(reply.length <= 512);
    }
    assert_eq!(udp.edns, tcp.edns);
    still_answers(program.dns);
    udp
}

#[test]
fn each_opcode_but_query_is_not_implemented_and_echoed() {
    let program = program();
    for opcode in 1..=15 {
        for query in [
            web().opcode(opcode),
            web().opcode(opcode).edns(4096).recursion_desired(),
        ] {
            let reply = refused(&program, &query, rcode::NOTIMP);
            assert_eq!(reply.opcode(), opcode);
        }
    }
    // RFC 2136 and RFC 1996 in a class that is not ours: the class is judged before the opcode is acted on.
    for opcode in [4, 5] {
        refused(&program, &web().opcode(opcode).class(CHAOS), rcode::REFUSED);
    }
}

#[test]
fn other_classes_are_refused() {
    let program = program();
    for class in [0, 2, 3, 4, 254, 255, 65_535] {
        refused(&program, &web().class(class), rcode::REFUSED);
        refused(
            &program,
            &Query::new(ZONE, Type::AXFR).class(class).edns(512),
            rcode::REFUSED,
        );
    }
}

#[test]
fn meta_types_and_transfers_are_told_so() {
    let program = program();
    for rtype in (128..=254).filter(|n| !matches!(n, 251 | 252)) {
        let query = Query::new(ZONE, Type(rtype));
        for reply in [ask(program.dns, &query), ask_tcp(program.dns, &query)] {
            assert_eq!(
                (reply.rcode(), reply.answers.len()),
                (rcode::NOTIMP, 0),
                "TYPE{rtype}"
            );
        }
    }
    still_answers(program.dns);
    refused(&program, &Query::new(ZONE, Type::OPT), rcode::FORMERR);
    for rtype in [Type::AXFR, Type::IXFR] {
        for name in [ZONE, "web.svc.internal", "example.org"] {
            refused(&program, &Query::new(name, rtype), rcode::REFUSED);
        }
    }
    // An IXFR has the client's SOA in Authority (RFC 1995), and only an IXFR may.
    let soa = [
        1, b'a', 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 5,
    ];
    let with_soa = |rtype| Query::new(ZONE, rtype).record(Section::Authority, ZONE, Type::SOA, 1, 0, &soa);
    refused(&program, &with_soa(Type::IXFR), rcode::REFUSED);
    refused(&program, &with_soa(Type::A), rcode::FORMERR);
}

#[test]
fn every_type_below_the_meta_types_is_answered() {
    let program = program();
    for rtype in (1..128)
        .chain(256..300)
        .chain([32_768, 32_769, 65_280, 65_534, 65_535])
    {
        if rtype == Type::OPT.0 {
            continue;
        }
        for name in [
            format!("web-1.web.{ZONE}"),
            ZONE.to_string(),
            format!("nothing.{ZONE}"),
        ] {
            let reply = ask(program.dns, &Query::new(&name, Type(rtype)));
            let wanted = if name.starts_with("nothing") {
                rcode::NXDOMAIN
            } else {
                rcode::NOERROR
            };
            assert_eq!(reply.rcode(), wanted, "{name} TYPE{rtype}");
            assert!(
                reply.aa() && (reply.answers.is_empty() != reply.authorities.is_empty()),
                "{name} TYPE{rtype}"
            );
        }
    }
}

#[test]
fn edns_is_answered_in_kind() {
    let program = program();
    // None in, none out.
    assert!(ask(program.dns, &web()).edns.is_none());
    // Unknown options and flags are passed over, DO is repeated and nothing else.
    let odd = web()
        .edns(1232)
        .option(10, &[1; 8])
        .option(65_001, b"?")
        .option(3, b"")
        .edns_flags(0xffff);
    let reply = ask(program.dns, &odd);
    let edns = reply.edns.as_ref().unwrap();
    assert_eq!((reply.rcode(), reply.answers.len()), (rcode::NOERROR, 1));
    assert_eq!((edns.flags, edns.version, edns.payload), (0x8000, 0, 1232));
    assert!(!ask(program.dns, &web().edns(1232)).edns.unwrap().dnssec_ok());
    // On errors too.
    for query in [
        web().edns(1232).opcode(2),
        web().edns(1232).class(4),
        Query::new("example.org", Type::A).edns(1232).dnssec_ok(),
        Query::new(&format!("nothing.{ZONE}"), Type::A).edns(0),
    ] {
        let dnssec_ok = query.bytes().windows(2).any(|pair| pair == [0x80, 0]);
        let reply = ask(program.dns, &query);
        assert_ne!(reply.rcode(), rcode::NOERROR);
        let edns = reply.edns.expect("OPT in an error");
        assert_eq!((edns.dnssec_ok(), edns.version), (dnssec_ok, 0));
    }
    // A version of the future.
    for version in [1, 2, 255] {
        let reply = refused(&program, &web().edns(4096).edns_version(version), rcode::BADVERS);
        assert_eq!(reply.edns.unwrap().version, 0);
    }
    // Malformed: two OPT, an owner, options that overrun.
    let opt = Query::empty().edns(1232).bytes()[12..].to_vec();
    refused(
        &program,
        &web().edns(1232).raw_record(Section::Additional, &opt),
        rcode::FORMERR,
    );
    for options in [
        &[0][..],
        &[0, 1, 0],
        &[0, 1, 0, 1],
        &[0, 1, 0xff, 0xff, 0],
        &[0, 1, 0, 0, 9],
    ] {
        refused(&program, &web().edns(1232).raw_options(options), rcode::FORMERR);
    }
    let owned = web().record(Section::Additional, "example.org", Type::OPT, 1232, 0, b"");
    refused(&program, &owned, rcode::FORMERR);
}

#[test]
fn the_header_says_what_it_must() {
    let program = program();
    for (query, rd, cd) in [
        (web(), false, false),
        (web().recursion_desired(), true, false),
        (web().checking_disabled(), false, true),
        (
            web().z().authentic_data().authoritative().truncated(),
            false,
            false,
        ),
    ] {
        for reply in [ask(program.dns, &query), ask_tcp(program.dns, &query)] {
            assert_eq!((reply.rcode(), reply.answers.len()), (rcode::NOERROR, 1));
            assert_eq!((reply.rd(), reply.cd()), (rd, cd));
            assert!(reply.aa() && !reply.ra() && !reply.ad() && !reply.tc());
        }
    }
}

#[test]
fn wrong_counts_and_stray_records_are_format_errors() {
    let program = program();
    let a = [192, 0, 2, 66];
    for query in [
        Query::empty(),
        Query::empty().edns(1232),
        web().also("web.svc.internal", Type::AAAA),
        web().record(Section::Answer, ZONE, Type::A, 1, 5, &a),
        web().record(Section::Authority, ZONE, Type::A, 1, 5, &a),
        web().record(Section::Additional, ZONE, Type::A, 1, 5, &a),
    ] {
        for octets in [query.bytes(), query.clone().edns(1232).bytes()] {
            let reply = Message::parse(&send_udp(program.dns, &octets)).expect("a well-formed reply");
            assert_eq!((reply.id, reply.rcode()), (query.message_id(), rcode::FORMERR));
            assert_eq!(reply.answers.len() + reply.authorities.len(), 0);
            still_answers(program.dns);
        }
    }
    let query = web();
    for counts in [
        [0, 0, 0, 0],
        [2, 0, 0, 0],
        [65_535; 4],
        [1, 1, 0, 0],
        [1, 0, 0, 1],
        [1, 0, 0, 65_535],
    ] {
        let octets = query.clone().counts(counts).bytes();
        let reply = Message::parse(&send_udp(program.dns, &octets)).expect("a well-formed reply");
        assert_eq!(
            (reply.id, reply.rcode()),
            (query.message_id(), rcode::FORMERR),
            "{counts:?}"
        );
        still_answers(program.dns);
    }
    // Octets after the end: a format error too, or passed over, but never followed.
    let octets = query.trailing(b"GET / HTTP/1.1").bytes();
    let reply = Message::parse(&send_udp(program.dns, &octets)).expect("a well-formed reply");
    assert!(matches!(reply.rcode(), rcode::FORMERR | rcode::NOERROR));
    still_answers(program.dns);
}

#[test]
fn wrong_names_are_format_errors() {
    let program = program();
    let labels = |count: usize, octets: u8| -> Vec<u8> {
        let label = [&[octets][..], &vec![b'a'; usize::from(octets)]].concat();
        [label.repeat(count), vec![0]].concat()
    };
    let wrong: Vec<Vec<u8>> = vec![
        b"\xc0\x0c".to_vec(),
        b"\xc0\x00".to_vec(),
        b"\x03web\xc0\x0c".to_vec(),
        b"\xff\xff".to_vec(),
        b"\x40".to_vec(),
        b"\x80a\0".to_vec(),
        b"\x41aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\0".to_vec(),
        b"\x3fa".to_vec(),
        labels(4, 63),
        labels(128, 1),
        labels(300, 1),
    ];
    for name in wrong {
        for edns in [false, true] {
            let query = Query::of_wire(&name, Type::A);
            let query = if edns { query.edns(1232) } else { query };
            let reply = Message::parse(&send_udp(program.dns, &query.bytes())).expect("a well-formed reply");
            let what = name.escape_ascii();
            assert_eq!(
                (reply.id, reply.rcode()),
                (query.message_id(), rcode::FORMERR),
                "{what}"
            );
            still_answers(program.dns);
        }
    }
    // At the limits, and of any octets: names like any other.
    let longest = [labels(3, 63)[..192].to_vec(), labels(1, 61)].concat();
    assert_eq!(longest.len(), 255);
    refused(&program, &Query::of_wire(&longest, Type::A), rcode::REFUSED);
    refused(
        &program,
        &Query::of_wire(&labels(127, 1), Type::A).edns(512),
        rcode::REFUSED,
    );
    refused(&program, &Query::of_wire(b"\0", Type::NS), rcode::REFUSED);
    for label in [&b"\0"[..], b"\xff\x80", b"a.b", b"\\", b" ", b"web\0", b"xn--"] {
        let name = [&[label.len() as u8], label, b"\x03svc\x08internal\0"].concat();
        let reply = ask(program.dns, &Query::of_wire(&name, Type::A));
        assert_eq!(reply.rcode(), rcode::NXDOMAIN, "{}", label.escape_ascii());
    }
}

#[test]
fn what_is_no_query_is_not_answered() {
    let program = program();
    let whole = web().bytes();
    for length in 0..12 {
        expect_silence(program.dns, &whole[..length], &web());
    }
    for reply in [
        web().response(),
        web().response().edns(1232),
        web().response().opcode(4),
        Query::empty().response(),
    ] {
        expect_silence(program.dns, &reply.bytes(), &web());
    }
    // Our own reply, sent back: two servers would loop.
    let own = send_udp(program.dns, &web().bytes());
    expect_silence(program.dns, &own, &web());
    // Cut anywhere after the header, it is a query that cannot be read.
    for length in 12..whole.len() {
        let reply = Message::parse(&send_udp(program.dns, &whole[..length])).expect("a well-formed reply");
        assert_eq!(reply.rcode(), rcode::FORMERR, "{length} octets");
    }
    still_answers(program.dns);
}

#[test]
fn a_signature_is_never_passed_over() {
    let program = program();
    let tsig = web().record(Section::Additional, "key", Type::TSIG, 255, 0, &[0; 26]);
    let reply = ask(program.dns, &tsig);
    assert_eq!((reply.rcode(), reply.answers.len()), (rcode::NOTAUTH, 0));
    still_answers(program.dns);
}

#[test]
fn the_server_says_who_it_is_in_class_chaos() {
    let program = program();
    for name in ["version.bind", "VERSION.bind", "version.server"] {
        for edns in [false, true] {
            let query = Query::new(name, Type::TXT).class(CHAOS);
            let query = if edns { query.edns(1232) } else { query };
            for reply in [ask(program.dns, &query), ask_tcp(program.dns, &query)] {
                assert_eq!(
                    (reply.rcode(), reply.edns.is_some()),
                    (rcode::NOERROR, edns),
                    "{name}"
                );
                let [record] = &reply.answers[..] else {
                    panic!("{name}: {:?}", reply.answers_text())
                };
                assert_eq!(record.class, CHAOS);
                let Data::Txt(strings) = &record.data else {
                    panic!("{}", record.text())
                };
                let text = String::from_utf8_lossy(&strings[0]).to_lowercase();
                assert!(text.contains("callsign"), "{text}");
            }
        }
    }
    // It has no name of its own to tell yet.
    for other in ["id.server", "hostname.bind"] {
        refused(
            &program,
            &Query::new(other, Type::TXT).class(CHAOS),
            rcode::REFUSED,
        );
    }
    for other in ["authors.bind", "bind", "web.svc.internal"] {
        refused(
            &program,
            &Query::new(other, Type::TXT).class(CHAOS),
            rcode::REFUSED,
        );
    }
    refused(&program, &Query::new("version.bind", Type::TXT), rcode::REFUSED);
    refused(
        &program,
        &Query::new("version.bind", Type::AXFR).class(CHAOS),
        rcode::REFUSED,
    );
}

/// Messages that were right, to be made wrong.
fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = vec![
        web().bytes(),
        web().edns(1232).dnssec_ok().option(10, &[7; 8]).bytes(),
        Query::new(&format!("_http._tcp.v2.web.{ZONE}"), Type::SRV)
            .edns(4096)
            .bytes(),
        Query::new(&format!("web-1.web.{ZONE}"), Type::TXT).bytes(),
        Query::new(ZONE, Type::SOA).bytes(),
        Query::new(ZONE, Type::ANY).recursion_desired().bytes(),
        Query::new(ZONE, Type::AXFR).bytes(),
        Query::new("version.bind", Type::TXT).class(CHAOS).bytes(),
        web().also("x.example.org", Type::A).bytes(),
        web()
            .record(Section::Additional, "key", Type::TSIG, 255, 0, &[0; 40])
            .bytes(),
    ];
    seeds.push(
        web()
            .opcode(5)
            .record(Section::Authority, ZONE, Type::A, 1, 5, &[1; 4])
            .bytes(),
    );
    seeds
}

fn hostile(random: &mut Rng, seeds: &[Vec<u8>]) -> Vec<u8> {
    if random.usize(..8) == 0 {
        let longest = if random.usize(..50) == 0 { 5000 } else { 300 };
        let length = random.usize(..longest);
        return (0..length).map(|_| random.u8(..)).collect();
    }
    let mut octets = seeds[random.usize(..seeds.len())].clone();
    for _ in 0..=random.usize(..5) {
        let at = random.usize(..octets.len().max(1));
        match random.usize(..7) {
            0 => octets.truncate(at),
            1 if at < octets.len() => octets[at] = random.u8(..),
            2 if at < octets.len() => octets[at] ^= 1 << random.usize(..8),
            3 if at < octets.len() => octets[at] = [0, 0x3f, 0x40, 0xc0, 0xff, 0x7f, 1][random.usize(..7)],
            4 => octets.insert(at.min(octets.len()), random.u8(..)),
            5 => {
                let other = &seeds[random.usize(..seeds.len())];
                octets.extend_from_slice(&other[random.usize(..other.len())..]);
            }
            _ if at < octets.len() => drop(octets.remove(at)),
            _ => {}
        }
    }
    octets
}

/// A reply to a hostile message: a response with its id, not longer than it may be, and well-formed.
fn judge(packet: &[u8], reply: &[u8], bound: usize) {
    let told = || format!("to {}: {}", packet.escape_ascii(), reply.escape_ascii());
    let message = Message::parse(reply).unwrap_or_else(|error| panic!("{error}: {}", told()));
    assert!(
        message.is_response() && packet.len() >= 12 && packet[2] & 0x80 == 0,
        "{}",
        told()
    );
    assert_eq!(packet[..2], reply[..2], "{}", told());
    assert!(reply.len() <= bound, "{} octets: {}", reply.len(), told());
}

#[test]
fn two_hundred_thousand_hostile_datagrams_leave_it_answering() {
    const PACKETS: usize = 200_000;
    const BURST: usize = 32;
    let program = program();
    let seed = seed();
    let mut random = Rng::with_seed(seed);
    let seeds = seeds();
    let sockets: Vec<UdpSocket> = (0..8).map(|_| socket(program.dns)).collect();
    let honest = Query::new(&format!("honest.{ZONE}"), Type::A);
    let mut buffer = vec![0; 65_535];
    let (mut sent, mut replies) = (0, 0);
    while sent < PACKETS {
        let socket = &sockets[random.usize(..sockets.len())];
        // The first two octets say which packet of the burst a reply is to.
        let mut packets: Vec<Vec<u8>> = (0..BURST).map(|_| hostile(&mut random, &seeds)).collect();
        for (number, packet) in packets.iter_mut().enumerate() {
            for (octet, id) in packet.iter_mut().zip((number as u16).to_be_bytes()) {
                *octet = id;
            }
            socket.send(packet).expect("send a datagram");
        }
        sent += BURST;
        // What is answered at once comes before the reply to this one, from the same worker and the same socket.
        socket
            .send(&honest.clone().id(0xffff).bytes())
            .expect("send a datagram");
        loop {
            let length = socket.recv(&mut buffer).unwrap_or_else(|error| {
                panic!("the honest query after packet {sent} of seed {seed}: {error}")
            });
            let reply = &buffer[..length];
            if reply[..2] == [0xff, 0xff] {
                let message = Message::parse(reply).expect("a well-formed reply");
                assert_eq!(
                    message.a_list(),
                    ["192.0.2.99".parse::<std::net::Ipv4Addr>().unwrap()]
                );
                break;
            }
            replies += 1;
            let number = usize::from(u16::from_be_bytes([reply[0], reply[1]]));
            // A reply of the slow path may come after its burst.
            if let Some(packet) = packets
                .get(number)
                .filter(|packet| packet.len() >= 12 && packet[2] & 0x80 == 0)
            {
                judge(packet, reply, 1232);
            }
        }
    }
    println!("{sent} packets, {replies} replies, seed {seed}");
    assert!(
        replies > PACKETS / 3,
        "only {replies} replies: the packets do not get past the first check"
    );
    let log = program.stderr();
    assert!(
        log.len() < 20_000 && !log.contains("panicked"),
        "{} octets of log: {log:.2000}",
        log.len()
    );
    still_answers(program.dns);
}

#[test]
fn hostile_messages_over_tcp_are_answered_or_end_the_connection() {
    let program = program();
    let seed = seed();
    let mut random = Rng::with_seed(seed);
    let seeds = seeds();
    for round in 0..400 {
        let mut client = TcpClient::connect(program.dns).deadline(Duration::from_secs(5));
        let packets: Vec<Vec<u8>> = (0..20)
            .map(|_| hostile(&mut random, &seeds))
            .filter(|p| !p.is_empty())
            .collect();
        client.send_together(&packets);
        client.finish_writing();
        // Replies come in any order; there are not more of them than queries.
        let mut replies = 0;
        while let Some(reply) = client.receive_or_end() {
            Message::parse(&reply).unwrap_or_else(|error| panic!("{error} (seed {seed}, round {round})"));
            replies += 1;
        }
        assert!(
            replies <= packets.len(),
            "{replies} replies to {} messages (seed {seed})",
            packets.len()
        );
    }
    // Not even a message: lengths that lie.
    for _ in 0..100 {
        let mut stream = std::net::TcpStream::connect(program.dns).expect("connect over TCP");
        let octets: Vec<u8> = (0..random.usize(..400)).map(|_| random.u8(..)).collect();
        let _ = stream.write_all(&octets);
    }
    assert!(
        !program.stderr().contains("panicked"),
        "seed {seed}: {}",
        program.stderr()
    );
    still_answers(program.dns);
}

fn socket(server: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("bind a UDP socket");
    socket.connect(server).expect("connect a UDP socket");
    socket
        .set_read_timeout(Some(Duration::from_secs(10)))
        .expect("set a timeout");
    socket
}

/// `CALLSIGN_TEST_SEED`, or another one each time; printed, so that a failure can be had again.
fn seed() -> u64 {
    let given = std::env::var("CALLSIGN_TEST_SEED")
        .ok()
        .and_then(|text| text.parse().ok());
    let seed = given.unwrap_or_else(|| fastrand::u64(..));
    println!("CALLSIGN_TEST_SEED={seed}");
    seed
}
