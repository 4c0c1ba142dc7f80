use std::io::{Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::time::Duration;

use expect_test::{Expect, expect};
use hickory_proto::op::{MessageType, OpCode, ResponseCode};
use hickory_proto::rr::rdata::{A, CNAME, NULL, SOA, SRV, TXT};
use hickory_proto::rr::{RData, Record};

use crate::clock::Clock;

use super::exchange::{ExchangeError, Reply, exchange};
use super::*;

fn parse(words: &[&str]) -> Result<Question, String> {
    let words: Vec<_> = words.iter().map(|word| (*word).to_owned()).collect();
    Question::parse(&words)
}

fn check_words(words: &[&str], expected: Expect) {
    let shown = match parse(words) {
        Ok(question) => format!("{} {} {}", question.name, question.record_type, question.server),
        Err(message) => message,
    };
    expected.assert_eq(&shown);
}

#[test]
fn the_words_are_a_name_a_type_and_a_server() {
    check_words(
        &["web.svc.internal"],
        expect!["web.svc.internal. A 127.0.0.1:5300"],
    );
    check_words(
        &["_http._tcp.web.svc.internal.", "srv", "@192.0.2.1"],
        expect!["_http._tcp.web.svc.internal. SRV 192.0.2.1"],
    );
    check_words(
        &["@[2001:db8::1]:5300", ".", "TYPE6"],
        expect![". SOA [2001:db8::1]:5300"],
    );
    check_words(&["a", "type65000"], expect!["a. Unknown 127.0.0.1:5300"]);
    check_words(
        &["a", "TYPE65536"],
        expect![[r#""TYPE65536" is no record type; write one such as A, SRV or TYPE33"#]],
    );
    check_words(
        &["a", "BANANA"],
        expect![[r#""BANANA" is no record type; write one such as A, SRV or TYPE33"#]],
    );
    check_words(
        &["a..b"],
        expect![[r#""a..b" is no domain name; write one such as web.svc.internal"#]],
    );
    check_words(
        &["@a", "@b", "c"],
        expect![[r#""@b" is a second server; ask one"#]],
    );
    check_words(&["a", "A", "B"], expect!["give NAME [TYPE] [@SERVER:PORT]"]);
    check_words(&["@a"], expect!["give NAME [TYPE] [@SERVER:PORT]"]);
}

#[test]
fn a_server_is_an_address_with_port_53_unless_it_has_another() {
    for (server, address) in [
        ("192.0.2.1", "192.0.2.1:53"),
        ("192.0.2.1:5300", "192.0.2.1:5300"),
        ("2001:db8::1", "[2001:db8::1]:53"),
        ("[2001:db8::1]", "[2001:db8::1]:53"),
        ("[2001:db8::1]:5300", "[2001:db8::1]:5300"),
    ] {
        assert_eq!(
            resolve(server),
            Ok(address.parse().expect("an address")),
            "{server}"
        );
    }
    assert!(resolve("no host of this name").is_err());
}

fn name(text: &str) -> Name {
    Name::from_ascii(text).expect("a name")
}

/// A reply to `web.svc.internal SRV` with a record of many kinds.
fn reply_to(query: &Message) -> Message {
    let mut reply = Message::new(query.metadata.id, MessageType::Response, OpCode::Query);
    reply.metadata.authoritative = true;
    reply.metadata.recursion_desired = true;
    reply.add_queries(query.queries.clone());
    reply
}

fn full_reply() -> Message {
    let mut query = Message::new(4711, MessageType::Query, OpCode::Query);
    query.add_query(Query::query(name("web.svc.internal."), RecordType::SRV));
    let mut reply = reply_to(&query);
    let record = |owner: &str, data| Record::from_rdata(name(owner), 5, data);
    let target = name("web-1.web.svc.internal.");
    reply.add_answer(record(
        "web.svc.internal.",
        RData::SRV(SRV::new(0, 1, 8080, target)),
    ));
    reply.add_answer(record(
        "x.svc.internal.",
        RData::CNAME(CNAME(name("a\\.b.internal."))),
    ));
    let txt = TXT::from_bytes(vec![b"a=\"b\\c\"", b"\x00\xff \x7f", b""]);
    reply.add_answer(record("web-1.web.svc.internal.", RData::TXT(txt)));
    let unknown = RData::Unknown {
        code: RecordType::Unknown(65_000),
        rdata: NULL::with(vec![0xab, 0x01]),
    };
    reply.add_answer(record("x.svc.internal.", unknown));
    let soa = SOA::new(
        name("ns.svc.internal."),
        name("hostmaster.svc.internal."),
        7,
        60,
        10,
        3600,
        1,
    );
    reply.add_authority(record("svc.internal.", RData::SOA(soa)));
    reply.add_additional(record("web-1.web.svc.internal.", RData::A(A::new(192, 0, 2, 1))));
    let mut edns = Edns::new();
    edns.set_max_payload(1232);
    reply.set_edns(edns);
    reply
}

#[test]
fn a_reply_is_printed_as_dig_does() {
    let message = full_reply();
    // As it comes from the wire, not as it was put together.
    let octets = message.to_vec().expect("a message");
    let message = Message::from_vec(&octets).expect("a message");
    let reply = Reply {
        message,
        octets: octets.len(),
        server: "127.0.0.1:5300".parse().expect("an address"),
        is_tcp: true,
        was_truncated: true,
        took: Duration::from_millis(3),
    };
    expect![[r#"
        ;; ->>HEADER<<- opcode: QUERY, status: NOERROR, id: 4711
        ;; flags: qr aa rd; QUERY: 1, ANSWER: 4, AUTHORITY: 1, ADDITIONAL: 2

        ;; OPT PSEUDOSECTION:
        ; EDNS: version: 0, flags:; udp: 1232
        ;; QUESTION SECTION:
        ;web.svc.internal.		IN	SRV

        ;; ANSWER SECTION:
        web.svc.internal.	5	IN	SRV	0 1 8080 web-1.web.svc.internal.
        x.svc.internal.	5	IN	CNAME	a\.b.internal.
        web-1.web.svc.internal.	5	IN	TXT	"a=\"b\\c\"" "\000\255 \127" ""
        x.svc.internal.	5	IN	TYPE65000	\# 2 ab01

        ;; AUTHORITY SECTION:
        svc.internal.	5	IN	SOA	ns.svc.internal. hostmaster.svc.internal. 7 60 10 3600 1

        ;; ADDITIONAL SECTION:
        web-1.web.svc.internal.	5	IN	A	192.0.2.1

        ;; Query time: 3 msec
        ;; SERVER: 127.0.0.1#5300 (TCP, after a truncated reply over UDP)
        ;; MSG SIZE  rcvd: 213"#]]
    .assert_eq(&presentation::present(&reply));
}

#[test]
fn rcodes_and_flags_have_the_names_that_iana_gave_them() {
    let mut message = Message::new(1, MessageType::Response, OpCode::Query);
    for (code, status) in [
        (ResponseCode::NoError, "NOERROR"),
        (ResponseCode::NXDomain, "NXDOMAIN"),
        (ResponseCode::Refused, "REFUSED"),
        (ResponseCode::FormErr, "FORMERR"),
        (ResponseCode::ServFail, "SERVFAIL"),
        (ResponseCode::NotImp, "NOTIMP"),
        (ResponseCode::BADVERS, "BADVERS"),
    ] {
        message.metadata.response_code = code;
        let printed = presentation::message(&message);
        assert!(
            printed.contains(&format!("opcode: QUERY, status: {status}, id: 1\n")),
            "{printed}"
        );
    }
    message.metadata.truncation = true;
    message.metadata.recursion_available = true;
    assert!(presentation::message(&message).contains(";; flags: qr tc ra; QUERY: 0"));
}

/// A server that answers over UDP what `udp` makes of the question, and the full reply over TCP.
fn server(udp: impl Fn(Message) -> Vec<Vec<u8>> + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    let socket = UdpSocket::bind(address).expect("the same port");
    std::thread::spawn(move || {
        let mut buffer = [0; 512];
        let (octets, client) = socket.recv_from(&mut buffer).expect("a question");
        for datagram in udp(Message::from_vec(&buffer[..octets]).expect("a message")) {
            socket.send_to(&datagram, client).expect("a reply");
        }
    });
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a client");
        let mut length = [0; 2];
        stream.read_exact(&mut length).expect("a length");
        let mut query = vec![0; u16::from_be_bytes(length).into()];
        stream.read_exact(&mut query).expect("a question");
        let mut reply = reply_to(&Message::from_vec(&query).expect("a message"));
        reply.add_answer(Record::from_rdata(
            name("web."),
            5,
            RData::A(A::new(192, 0, 2, 1)),
        ));
        let reply = reply.to_vec().expect("a message");
        let length = u16::try_from(reply.len()).expect("a small message");
        stream
            .write_all(&[&length.to_be_bytes(), &reply[..]].concat())
            .expect("a reader");
    });
    address
}

fn ask(server: SocketAddr, tcp_only: bool) -> Result<Reply, ExchangeError> {
    let question = parse(&["web"]).expect("a question").message();
    exchange(&question, server, tcp_only, &Clock::system())
}

#[test]
fn a_truncated_reply_is_asked_for_again_over_tcp() {
    let server = server(|query| {
        let mut reply = reply_to(&query);
        reply.metadata.truncation = true;
        vec![reply.to_vec().expect("a message")]
    });
    let reply = ask(server, false).expect("a reply");
    assert!(reply.is_tcp && reply.was_truncated);
    assert_eq!(reply.message.answers.len(), 1);
}

#[test]
fn a_datagram_that_answers_another_question_is_passed_over() {
    let server = server(|query| {
        let mut foreign = reply_to(&query);
        foreign.metadata.id = !query.metadata.id;
        let mut other = reply_to(&query);
        other.queries[0].query_type = RecordType::AAAA;
        let mut refused = reply_to(&query);
        refused.metadata.response_code = ResponseCode::Refused;
        [foreign, other, refused]
            .map(|reply| reply.to_vec().expect("a message"))
            .into()
    });
    let reply = ask(server, false).expect("a reply");
    assert_eq!(reply.message.metadata.response_code, ResponseCode::Refused);
    assert!(!reply.is_tcp);
}

#[test]
fn tcp_can_be_asked_at_once() {
    let server = server(|_| Vec::new());
    let reply = ask(server, true).expect("a reply");
    assert!(reply.is_tcp && !reply.was_truncated);
}

#[test]
fn the_question_offers_1232_octets_of_edns() {
    let question = parse(&["web.svc.internal", "SRV"]).expect("a question").message();
    let edns = question.edns.as_ref().expect("EDNS");
    assert_eq!((edns.max_payload(), edns.version()), (1232, 0));
    assert!(
        question.metadata.recursion_desired,
        "so that a resolver can be asked too"
    );
}

#[test]
fn a_port_where_nobody_listens_is_told_at_once() {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let server = socket.local_addr().expect("an address");
    drop(socket);
    assert!(matches!(ask(server, false), Err(ExchangeError::Io(_))));
}
