//! Transports of the real program: both families, several addresses, and every way in which a TCP client may behave.

use std::io::{Read, Write};
use std::net::{Ipv6Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::dns::{
    Message, Query, TcpClient, Type, ask, ask_tcp, name_wire, rcode, send_udp, send_udp_from,
};
use crate::support::program::{Launch, Program};
use crate::wire::{ZONE, answers, asked, honest, nxdomain, register, register_all, still_answers};

fn program() -> Program {
    let program = Program::start();
    honest(&program);
    program
}

fn query() -> Query {
    Query::new(&format!("honest.{ZONE}"), Type::A)
}

#[track_caller]
fn is_the_answer(query: &Query, octets: &[u8]) {
    let reply = Message::parse(octets).expect("a well-formed reply");
    assert_eq!((reply.id, reply.answers.len()), (query.message_id(), 1));
}

#[test]
fn each_address_of_both_families_answers_everything() {
    let program = Launch::new()
        .dns(["127.0.0.1:0", "[::1]:0", "127.0.0.3:0"])
        .http("[::1]:0")
        .start();
    honest(&program);
    register(
        &program,
        "web",
        "a",
        json!({"addresses": ["192.0.2.1", "2001:db8::1"], "port": 80}),
    );
    assert_eq!(program.dns_all.len(), 3);
    for server in &program.dns_all {
        still_answers(*server);
        assert_eq!(answers(*server, &format!("web.{ZONE}"), Type::SRV).len(), 1);
        assert_eq!(answers(*server, &format!("web.{ZONE}"), Type::AAAA).len(), 1);
        nxdomain(*server, ZONE, &format!("nothing.{ZONE}"), Type::A);
        assert_eq!(
            ask(*server, &Query::new("example.org", Type::A)).rcode(),
            rcode::REFUSED
        );
    }
}

#[test]
fn wildcards_answer_from_the_address_that_was_asked() {
    let program = Launch::new().dns(["0.0.0.0:0", "[::]:0"]).start();
    honest(&program);
    let [v4, v6] = [program.dns_all[0].port(), program.dns_all[1].port()];
    // A connected socket hears nobody but whom it asked.
    for server in [
        SocketAddr::from(([127, 0, 0, 1], v4)),
        SocketAddr::from(([127, 0, 0, 9], v4)),
        SocketAddr::from((Ipv6Addr::LOCALHOST, v6)),
    ] {
        still_answers(server);
        // The slow path too.
        let version = Query::new("version.bind", Type::TXT).class(3);
        assert_eq!(ask(server, &version).rcode(), rcode::NOERROR);
    }
    let from_other = send_udp_from(
        [127, 0, 0, 5].into(),
        SocketAddr::from(([127, 0, 0, 9], v4)),
        &query().bytes(),
    );
    assert_eq!(Message::parse(&from_other).unwrap().answers.len(), 1);
}

#[test]
fn a_hundred_pipelined_queries_are_each_answered_once() {
    let program = program();
    let queries: Vec<Query> = (0..100).map(|n| query().id(n)).collect();
    for shape in ["one write", "one by one", "split"] {
        let mut client = TcpClient::connect(program.dns);
        let messages: Vec<Vec<u8>> = queries.iter().map(Query::bytes).collect();
        match shape {
            "one write" => client.send_together(&messages),
            "one by one" => messages.iter().for_each(|message| client.send(message)),
            _ => messages
                .iter()
                .for_each(|message| client.send_in_pieces(message, 7)),
        }
        let mut ids: Vec<u16> = (0..100)
            .map(|_| Message::parse(&client.receive()).expect("a well-formed reply"))
            .map(|reply| {
                assert_eq!(reply.answers.len(), 1, "{shape}");
                reply.id
            })
            .collect();
        ids.sort_unstable();
        assert!(ids.into_iter().eq(0..100), "{shape}");
    }
    still_answers(program.dns);
}

#[test]
fn byte_by_byte_and_after_a_pause_is_a_query_too() {
    let program = program();
    let mut client = TcpClient::connect(program.dns);
    client.send_in_pieces(&query().bytes(), 1);
    assert!(!client.receive().is_empty());
    // The connection is kept.
    std::thread::sleep(Duration::from_millis(300));
    let again = query();
    client.send(&again.bytes());
    is_the_answer(&again, &client.receive());
    still_answers(program.dns);
}

#[test]
fn who_closes_the_sending_half_still_gets_the_replies() {
    let program = program();
    let mut client = TcpClient::connect(program.dns);
    let queries: Vec<Query> = (0..10).map(|n| query().id(n)).collect();
    client.send_together(&queries.iter().map(Query::bytes).collect::<Vec<_>>());
    client.finish_writing();
    let mut replies = 0;
    while client.receive_or_end().is_some() {
        replies += 1;
    }
    assert_eq!(replies, 10);
    still_answers(program.dns);
}

#[test]
fn lengths_that_lie_end_the_connection_and_nothing_else() {
    let program = program();
    for octets in [
        &b"\0\0"[..],
        b"\0\x01x",
        b"\0\x0bxxxxxxxxxxx",
        b"\xff\xffGET / HTTP/1.1\r\n\r\n",
        b"\0",
        b"",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ] {
        let mut client = TcpClient::connect(program.dns).deadline(Duration::from_secs(10));
        client.write_raw(octets);
        client.finish_writing();
        assert_eq!(client.receive_or_end(), None, "{}", octets.escape_ascii());
        still_answers(program.dns);
    }
    // A length beyond what follows, left open: the others are served meanwhile.
    let mut stalled = TcpClient::connect(program.dns);
    stalled.write_raw(b"\x10\0half");
    for _ in 0..20 {
        still_answers(program.dns);
    }
    // Aborted with octets unread on both sides: a reset.
    for _ in 0..20 {
        let mut stream = TcpStream::connect(program.dns).expect("connect over TCP");
        let message = query().bytes();
        let framed = [&(message.len() as u16).to_be_bytes()[..], &message]
            .concat()
            .repeat(50);
        let _ = stream.write_all(&framed);
        let _ = stream.read(&mut [0; 1]);
    }
    still_answers(program.dns);
}

#[test]
fn a_response_and_junk_on_a_connection_are_not_answered() {
    let program = program();
    let mut client = TcpClient::connect(program.dns);
    client.send(&query().response().bytes());
    let honest = query();
    client.send(&honest.bytes());
    // Dropped, or the connection was ended for it; never answered.
    if let Some(reply) = client.receive_or_end() {
        is_the_answer(&honest, &reply);
    }
    still_answers(program.dns);
}

#[test]
fn idle_connections_keep_nobody_out() {
    let program = program();
    let idle: Vec<TcpStream> = (0..300)
        .map(|n| {
            TcpStream::connect(program.dns).unwrap_or_else(|error| panic!("idle connection {n}: {error}"))
        })
        .collect();
    let began = Instant::now();
    for _ in 0..20 {
        let query = query();
        assert_eq!(ask_tcp(program.dns, &query).answers.len(), 1);
    }
    still_answers(program.dns);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    drop(idle);
    still_answers(program.dns);
}

#[test]
fn a_client_that_reads_nothing_stops_nobody_else() {
    let program = program();
    let instance = |n: u32| {
        let address = format!("10.0.{}.{}", n >> 8, n & 255);
        (format!("i{n}"), json!({"address": address, "port": 80}))
    };
    register_all(&program, "big", (0..1000).map(instance));
    let message = Query::new(&format!("big.{ZONE}"), Type::SRV).bytes();
    let framed = [&(message.len() as u16).to_be_bytes()[..], &message]
        .concat()
        .repeat(200);
    let lazy: Vec<TcpStream> = (0..8)
        .map(|_| {
            let mut stream = TcpStream::connect(program.dns).expect("connect over TCP");
            stream
                .set_write_timeout(Some(Duration::from_millis(50)))
                .expect("set a timeout");
            let _ = stream.write_all(&framed);
            stream
        })
        .collect();
    let began = Instant::now();
    for _ in 0..20 {
        still_answers(program.dns);
    }
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    drop(lazy);
}

#[test]
fn the_longest_names_are_answered_in_full() {
    // A zone, a service and an id as long as they may be: 63 octets each, and a zone to fill 255.
    let zone = format!("{}.{}.internal", "z".repeat(55), "y".repeat(40));
    let (service, id) = ("s".repeat(63), "i".repeat(63));
    let program = Launch::new().arguments(["--zone", &zone]).start();
    let response = program.client().put(
        &format!("/v1/services/{service}/instances/{id}"),
        &json!({"address": "192.0.2.1", "port": 80}),
    );
    let host = format!("{id}.{service}.{zone}");
    assert_eq!(response.status, 201, "{}", response.text());
    assert!(name_wire(&host).len() <= 255);
    let reply = asked(program.dns, &format!("{service}.{zone}"), Type::SRV);
    assert_eq!(reply.srv_list(), [(0, 1, 80, format!("{host}."))]);
    assert_eq!(
        answers(program.dns, &host, Type::A),
        [format!("{host}. 5 A 192.0.2.1")]
    );
    let plain = Message::parse(&send_udp(
        program.dns,
        &Query::new(&format!("{service}.{zone}"), Type::SRV).bytes(),
    ));
    assert!(plain.unwrap().length <= 512);
    // Names that would be longer are refused at the door.
    let zone = format!(
        "{}.{}.{}.internal",
        "z".repeat(63),
        "y".repeat(63),
        "x".repeat(50)
    );
    let response = program.client().put(&format!("/v1/zones/{zone}"), &json!({}));
    if response.status < 300 {
        let path = format!("/v1/zones/{zone}/services/{service}/instances/{id}");
        let response = program.client().put(&path, &json!({"address": "192.0.2.1"}));
        assert!(
            matches!(response.status, 409 | 422),
            "{}: {}",
            response.status,
            response.text()
        );
    }
}
