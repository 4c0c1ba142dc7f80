//! The judge judged: what is right passes, what is wrong by one octet does not, and another implementation agrees.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::str::FromStr;

use hickory_proto::op as hickory;
use hickory_proto::rr::{self, RData, rdata};
use hickory_proto::serialize::binary::BinDecodable;

use super::*;

/// A reply made by hand: `web.svc.internal.` has SRV to `web-1.web.svc.internal.`, whose address is in Additional.
/// The owner of the SRV record is a pointer to the question, at octet 12.
fn srv_reply() -> Vec<u8> {
    let mut octets = vec![0x12, 0x34, 0x85, 0x00, 0, 1, 0, 1, 0, 0, 0, 2];
    octets.extend_from_slice(b"\x03web\x03svc\x08internal\0\0\x21\0\x01");
    octets.extend_from_slice(b"\xc0\x0c\0\x21\0\x01\0\0\0\x05\0\x1e\0\x00\0\x01\x1f\x90");
    octets.extend_from_slice(b"\x05web-1\x03web\x03svc\x08internal\0");
    octets.extend_from_slice(b"\x05web-1\xc0\x0c\0\x01\0\x01\0\0\0\x05\0\x04\xc0\x00\x02\x01");
    octets.extend_from_slice(b"\0\0\x29\x04\xd0\0\0\x80\0\0\0");
    octets
}

/// A header with these counts, and then `rest`.
fn message(counts: [u8; 4], rest: &[u8]) -> Vec<u8> {
    let [questions, answers, authorities, additionals] = counts;
    let header = [
        0,
        1,
        0x84,
        0,
        0,
        questions,
        0,
        answers,
        0,
        authorities,
        0,
        additionals,
    ];
    [&header, rest].concat()
}

/// One record in Answer: owner, type, RDATA.
fn answer(owner: &[u8], rtype: Type, rdata: &[u8]) -> Vec<u8> {
    let fixed = [
        &rtype.0.to_be_bytes()[..],
        &[0, 1, 0, 0, 0, 5],
        &(rdata.len() as u16).to_be_bytes(),
    ]
    .concat();
    message([0, 1, 0, 0], &[owner, &fixed, rdata].concat())
}

#[track_caller]
fn refused(octets: &[u8], because: &str) {
    let error = Message::parse(octets).expect_err("it must be refused");
    assert!(error.contains(because), "refused, but because: {error}");
}

#[test]
fn a_reply_is_read_in_full() {
    let reply = Message::parse(&srv_reply()).unwrap();
    assert_eq!(
        (reply.id, reply.opcode(), reply.rcode()),
        (0x1234, 0, rcode::NOERROR)
    );
    assert!(reply.is_response() && reply.aa() && reply.rd() && !reply.tc() && !reply.ra());
    assert_eq!(reply.questions[0].name, "web.svc.internal.");
    assert_eq!(reply.answers[0].owner_raw, [0xc0, 12]);
    assert_eq!(
        reply.answers_text(),
        ["web.svc.internal. 5 SRV 0 1 8080 web-1.web.svc.internal."]
    );
    assert_eq!(
        reply.additionals_text(),
        ["web-1.web.svc.internal. 5 A 192.0.2.1"]
    );
    let edns = reply.edns.as_ref().unwrap();
    assert!(edns.dnssec_ok());
    assert_eq!((edns.payload, edns.version, edns.options.len()), (1232, 0, 0));
    assert_eq!(reply.srv_set().first().unwrap().2, 8080);
    assert_eq!(reply.length, srv_reply().len());
}

#[test]
fn no_prefix_of_a_message_is_a_message() {
    let whole = srv_reply();
    for length in 0..whole.len() {
        assert!(
            Message::parse(&whole[..length]).is_err(),
            "the first {length} octets"
        );
    }
}

#[test]
fn an_octet_too_many_is_refused() {
    refused(&[srv_reply(), vec![0]].concat(), "1 octets after the end");
}

#[test]
fn a_count_that_is_not_exact_is_refused() {
    for count in [5, 7, 9, 11] {
        let mut more = srv_reply();
        more[count] += 1;
        assert!(
            Message::parse(&more).is_err(),
            "count at octet {count} one too high"
        );
        let mut fewer = srv_reply();
        if fewer[count] > 0 {
            fewer[count] -= 1;
            assert!(
                Message::parse(&fewer).is_err(),
                "count at octet {count} one too low"
            );
        }
    }
}

#[test]
fn the_reserved_bit_is_refused() {
    let mut octets = srv_reply();
    octets[3] |= 0x40;
    refused(&octets, "reserved bit");
}

#[test]
fn a_pointer_leads_strictly_backwards() {
    // The only record's owner begins at octet 12.
    let address = [192, 0, 2, 1];
    assert!(Message::parse(&answer(b"\x01a\0", Type::A, &address)).is_ok());
    refused(
        &answer(b"\xc0\x0c", Type::A, &address),
        "leads to 12, not backwards from 12",
    );
    refused(
        &answer(b"\xc0\x0e", Type::A, &address),
        "leads to 14, not backwards",
    );
    refused(
        &answer(b"\x01a\xc0\x0c", Type::A, &address),
        "leads to 12, not backwards from 12",
    );
    refused(
        &answer(b"\xc0\x04", Type::A, &address),
        "leads to 4, not backwards",
    );
}

#[test]
fn a_pointer_to_a_pointer_that_leads_backwards_is_followed() {
    let mut rest = b"\x01a\0\0\x01\0\x01".to_vec();
    // Octet 19: NS, whose RDATA at octet 31 is a pointer to the pointer at octet 19.
    rest.extend_from_slice(b"\xc0\x0c\0\x02\0\x01\0\0\0\x05\0\x02\xc0\x13");
    let reply = Message::parse(&message([1, 1, 0, 0], &rest)).unwrap();
    assert_eq!(reply.answers_text(), ["a. 5 NS a."]);
}

#[test]
fn the_question_and_the_target_of_srv_stand_in_full() {
    let mut octets = srv_reply();
    // The target becomes `web-1` and a pointer to the question.
    let at = octets
        .windows(6)
        .position(|window| window == b"\x05web-1")
        .unwrap();
    octets.splice(at + 6..at + 24, [0xc0, 0x0c]);
    octets[at - 7] = 14;
    refused(&octets, "where names stand in full");
    let question = message([1, 0, 0, 0], b"\xc0\x0c\0\x01\0\x01");
    refused(&question, "where names stand in full");
}

#[test]
fn a_label_type_that_does_not_exist_is_refused() {
    refused(
        &answer(b"\x41a\0", Type::A, &[192, 0, 2, 1]),
        "neither length nor pointer",
    );
    refused(
        &answer(b"\x81a\0", Type::A, &[192, 0, 2, 1]),
        "neither length nor pointer",
    );
}

#[test]
fn a_name_has_at_most_255_octets() {
    let long = |last: usize| {
        let mut name = [&[63][..], &[b'a'; 63]].concat().repeat(3);
        name.push(last as u8);
        name.extend(std::iter::repeat_n(b'a', last));
        name.push(0);
        name
    };
    assert_eq!(long(61).len(), 255);
    assert!(Message::parse(&answer(&long(61), Type::A, &[192, 0, 2, 1])).is_ok());
    refused(&answer(&long(62), Type::A, &[192, 0, 2, 1]), "more than 255");
}

#[test]
fn rdata_has_exactly_its_length() {
    refused(&answer(b"\0", Type::A, &[192, 0, 2]), "ends within RDATA");
    refused(&answer(b"\0", Type::A, &[192, 0, 2, 1, 0]), "1 octets too many");
    refused(&answer(b"\0", Type::AAAA, &[0; 15]), "ends within RDATA");
    refused(&answer(b"\0", Type::TXT, b""), "ends within a string");
    refused(&answer(b"\0", Type::TXT, b"\x02a"), "ends within a string");
    refused(&answer(b"\0", Type::NS, b"\x01a\0\0"), "1 octets too many");
    refused(&answer(b"\0", Type::SOA, &[0; 21]), "ends within RDATA");
    refused(&answer(b"\0", Type::SRV, &[0; 6]), "ends within a name");
}

#[test]
fn txt_keeps_each_string() {
    let reply = Message::parse(&answer(b"\0", Type::TXT, b"\x03k=v\0\x01\"")).unwrap();
    assert_eq!(
        reply.answers[0].data,
        Data::Txt(vec![b"k=v".to_vec(), vec![], b"\"".to_vec()])
    );
    assert_eq!(reply.answers[0].text(), r#". 5 TXT "k=v" "" "\"""#);
}

#[test]
fn a_ttl_has_its_highest_bit_clear() {
    let mut octets = answer(b"\0", Type::A, &[192, 0, 2, 1]);
    octets[17..21].copy_from_slice(&[0x7f, 0xff, 0xff, 0xff]);
    assert!(Message::parse(&octets).is_ok());
    octets[17] = 0x80;
    refused(&octets, "the highest bit is zero");
}

#[test]
fn an_rrset_is_a_set_with_one_ttl() {
    let record = |owner: &[u8], ttl: u8, last: u8| {
        [owner, &[0, 1, 0, 1, 0, 0, 0, ttl, 0, 4, 192, 0, 2, last]].concat()
    };
    let two = |a: Vec<u8>, b: Vec<u8>| Message::parse(&message([0, 2, 0, 0], &[a, b].concat()));
    assert!(two(record(b"\x01a\0", 5, 1), record(b"\x01a\0", 5, 2)).is_ok());
    assert!(two(record(b"\x01a\0", 5, 1), record(b"\x01b\0", 6, 1)).is_ok());
    assert!(
        two(record(b"\x01a\0", 5, 1), record(b"\x01A\0", 5, 1))
            .unwrap_err()
            .contains("twice")
    );
    assert!(
        two(record(b"\x01a\0", 5, 1), record(b"\x01a\0", 6, 2))
            .unwrap_err()
            .contains("two TTLs")
    );
}

#[test]
fn opt_is_one_at_the_root_in_additional() {
    let opt = b"\0\0\x29\x04\xd0\x01\0\0\0\0\0";
    let reply = Message::parse(&message([0, 0, 0, 1], opt)).unwrap();
    assert_eq!(reply.rcode(), rcode::BADVERS);
    refused(
        &message([0, 0, 0, 2], &[&opt[..], &opt[..]].concat()),
        "a second OPT",
    );
    refused(&message([0, 1, 0, 0], opt), "outside Additional");
    refused(
        &message([0, 0, 0, 1], b"\x01a\0\0\x29\x04\xd0\0\0\0\0\0\0"),
        "not by the root",
    );
    refused(
        &message([0, 0, 0, 1], b"\0\0\x29\x04\xd0\0\0\0\0\0\x05\0\x0a\0\x02\x01"),
        "ends within an option",
    );
}

#[test]
fn text_and_wire_form_of_a_name_agree() {
    for (text, wire) in [
        (".", &b"\0"[..]),
        ("a.", b"\x01a\0"),
        ("WeB.svc.", b"\x03WeB\x03svc\0"),
        (r"a\.b.c.", b"\x03a.b\x01c\0"),
        (r"\000\255 \\.".replace(' ', r"\032").as_str(), b"\x04\0\xff \\\0"),
    ] {
        assert_eq!(name_wire(text), wire, "{text}");
        assert_eq!(name_text(wire), text);
    }
    assert_eq!(name_wire("web.svc"), name_wire("web.svc."));
}

#[test]
fn a_query_is_what_another_implementation_reads() {
    let query = Query::new("WeB.svc.internal", Type::SRV)
        .id(0xbeef)
        .recursion_desired()
        .checking_disabled()
        .edns(4096)
        .dnssec_ok()
        .option(10, &[1, 2, 3, 4, 5, 6, 7, 8])
        .record(
            Section::Authority,
            "svc.internal",
            Type::A,
            IN,
            9,
            &[192, 0, 2, 9],
        );
    let read = hickory::Message::from_bytes(&query.bytes()).unwrap();
    assert_eq!(read.metadata.id, 0xbeef);
    assert!(read.metadata.recursion_desired && read.metadata.checking_disabled);
    assert_eq!(read.queries[0].name().to_ascii(), "WeB.svc.internal.");
    assert_eq!(read.queries[0].query_type(), rr::RecordType::SRV);
    assert_eq!(read.authorities[0].ttl, 9);
    let edns = read.edns.unwrap();
    assert_eq!(edns.max_payload(), 4096);
    assert!(edns.flags().dnssec_ok);

    let own = Message::parse(&query.bytes()).unwrap();
    assert_eq!(own.question_bytes, query.question_bytes());
    assert_eq!(own.questions[0].name, "WeB.svc.internal.");
    assert_eq!(own.edns.unwrap().option(10), Some(&[1, 2, 3, 4, 5, 6, 7, 8][..]));
}

#[test]
fn what_another_implementation_writes_is_read() {
    let name = |text| rr::Name::from_str(text).unwrap();
    let mut written = hickory::Message::new(7, hickory::MessageType::Response, hickory::OpCode::Query);
    written.metadata.authoritative = true;
    written.metadata.response_code = hickory::ResponseCode::NXDomain;
    written.add_query(hickory::Query::query(
        name("web.svc.internal."),
        rr::RecordType::A,
    ));
    let soa = rdata::SOA::new(
        name("ns.svc.internal."),
        name("root.svc.internal."),
        42,
        1,
        2,
        3,
        4,
    );
    written.add_authority(rr::Record::from_rdata(name("svc.internal."), 4, RData::SOA(soa)));
    for last in [2, 1] {
        let address = RData::A(rdata::A(Ipv4Addr::new(192, 0, 2, last)));
        written.add_answer(rr::Record::from_rdata(name("web.svc.internal."), 5, address));
    }
    let address = RData::AAAA(rdata::AAAA("2001:db8::1".parse().unwrap()));
    written.add_answer(rr::Record::from_rdata(name("web.svc.internal."), 5, address));
    let pointer = RData::PTR(rdata::PTR(name("a.web.svc.internal.")));
    written.add_answer(rr::Record::from_rdata(
        name("_http._tcp.svc.internal."),
        5,
        pointer,
    ));
    let reply = Message::parse(&written.to_vec().unwrap()).unwrap();
    assert_eq!(reply.rcode(), rcode::NXDOMAIN);
    assert_eq!(reply.serial(), Some(42));
    assert_eq!(
        reply.authorities_text(),
        ["svc.internal. 4 SOA ns.svc.internal. root.svc.internal. 42 1 2 3 4"]
    );
    assert_eq!(
        reply.a_list(),
        [Ipv4Addr::new(192, 0, 2, 2), Ipv4Addr::new(192, 0, 2, 1)]
    );
    assert_eq!(
        reply.answers_text(),
        [
            "_http._tcp.svc.internal. 5 PTR a.web.svc.internal.",
            "web.svc.internal. 5 A 192.0.2.1",
            "web.svc.internal. 5 A 192.0.2.2",
            "web.svc.internal. 5 AAAA 2001:db8::1",
        ]
    );
}

#[test]
fn a_query_can_be_wrong_where_the_test_wants_it() {
    let plain = Query::new("a.", Type::A).id(1);
    assert_eq!(plain.bytes(), b"\0\x01\0\0\0\x01\0\0\0\0\0\0\x01a\0\0\x01\0\x01");
    assert_eq!(plain.clone().opcode(4).z().response().bytes()[2..4], [0xa0, 0x40]);
    assert_eq!(plain.clone().class(CHAOS).bytes()[17..], [0, 3]);
    assert_eq!(
        plain.clone().counts([2, 3, 4, 5]).bytes()[4..12],
        [0, 2, 0, 3, 0, 4, 0, 5]
    );
    assert_eq!(plain.clone().also("b.", Type::NS).bytes()[4..6], [0, 2]);
    assert_eq!(plain.clone().trailing(b"x").bytes().last(), Some(&b'x'));
    let opt = plain.clone().edns(512).edns_version(1).raw_options(b"\0");
    assert_eq!(opt.bytes()[19..], *b"\0\0\x29\x02\0\0\x01\0\0\0\x01\0");
    assert_eq!(
        Query::of_wire(b"\xc0\x0c", Type::A).question_bytes(),
        b"\xc0\x0c\0\x01\0\x01"
    );
    assert_eq!(Query::empty().bytes().len(), 12);
}

/// A UDP server that echoes with QR set all but what begins with `X`.
fn echo(count: usize) -> (SocketAddr, std::thread::JoinHandle<()>) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    let address = socket.local_addr().unwrap();
    let server = std::thread::spawn(move || {
        for _ in 0..count {
            let mut buffer = [0; 1500];
            let (length, client) = socket.recv_from(&mut buffer).unwrap();
            if buffer[0] != b'X' {
                buffer[2] |= 0x80;
                socket.send_to(&buffer[..length], client).unwrap();
            }
        }
    });
    (address, server)
}

#[test]
fn ask_takes_the_reply_to_its_own_question() {
    let (address, server) = echo(1);
    let reply = ask(address, &Query::new("WeB.svc.internal", Type::A));
    assert_eq!(reply.questions[0].name, "WeB.svc.internal.");
    server.join().unwrap();
}

#[test]
#[should_panic(expected = "a reply without QR")]
fn ask_refuses_what_is_no_reply() {
    reply_without_qr();
}

fn reply_without_qr() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 1500];
        let (length, client) = socket.recv_from(&mut buffer).unwrap();
        socket.send_to(&buffer[..length], client).unwrap();
    });
    ask(address, &Query::new("a.", Type::A));
}

#[test]
fn silence_is_told_from_a_late_reply() {
    let honest = Query::new("a.", Type::A);
    let (address, server) = echo(3);
    expect_silence(address, b"X", &honest);
    server.join().unwrap();
    let (address, _server) = echo(3);
    let broken = std::panic::catch_unwind(|| expect_silence(address, b"answered", &honest));
    assert!(broken.is_err());
}

#[test]
fn tcp_messages_are_cut_joined_and_pipelined() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        std::io::copy(&mut stream.try_clone().unwrap(), &mut stream).unwrap();
    });
    let mut client = TcpClient::connect(address);
    client.send_in_pieces(b"one", 1);
    client.send_together(&[b"two".to_vec(), b"".to_vec()]);
    client.finish_writing();
    assert_eq!(client.receive(), b"one");
    assert_eq!(client.receive(), b"two");
    assert_eq!(client.receive(), b"");
    assert_eq!(client.receive_or_end(), None);
    server.join().unwrap();
}
