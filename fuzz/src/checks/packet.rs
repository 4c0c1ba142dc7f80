//! One message, over UDP in two sizes and over TCP: the reply is whole, it is to this message, it is within its size,
//! and it carries what its response code allows.

use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use callsign::answer::{Asked, Outcome, Scratch, TCP_MESSAGE_MAX, Transport, answer};
use callsign::view::Snapshot;

use super::catalog::snapshot;
use super::query::Query;
use crate::support::dns::{Data, Message, Type, rcode};

/// The least that a datagram may hold (RFC 1035 §4.2.1).
const UDP_OCTETS_MIN: u16 = 512;
const YXDOMAIN: u16 = 6;

const WAYS: [Asked; 3] = [
    Asked {
        client: IpAddr::V4(Ipv4Addr::new(198, 51, 100, 1)),
        transport: Transport::Udp,
        udp_payload_max: 1232,
    },
    Asked {
        client: IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)),
        transport: Transport::Udp,
        udp_payload_max: 4096,
    },
    Asked {
        client: IpAddr::V4(Ipv4Addr::new(198, 51, 100, 2)),
        transport: Transport::Tcp,
        udp_payload_max: 1232,
    },
];

/// Asks with `octets` each way, and panics where what comes back is not what is owed.
pub fn check(octets: &[u8]) {
    OUT.with_borrow_mut(|out| {
        let [udp, _, tcp] = WAYS.map(|way| {
            let outcome = ask(octets, &way, out);
            judge(octets, &way, outcome, out)
        });
        agree(udp.as_ref(), tcp.as_ref());
    });
}

thread_local! {
    /// Where replies are written: not made anew for each message, which would cost a fuzzer more than the answer.
    static OUT: RefCell<Vec<u8>> = RefCell::new(vec![0; TCP_MESSAGE_MAX]);
    static AGAIN: RefCell<Vec<u8>> = RefCell::new(vec![0; TCP_MESSAGE_MAX]);
    /// A megabyte, made once as by a worker. What it draws is the order of records, on which nothing here depends.
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch::seeded(1));
}

/// Answers as a worker does, with the room that the transport allows.
pub(super) fn ask(octets: &[u8], way: &Asked, out: &mut [u8]) -> Outcome {
    let room = match way.transport {
        Transport::Udp => way.udp_payload_max.into(),
        Transport::Tcp => TCP_MESSAGE_MAX,
    };
    ask_of(snapshot(), octets, way, &mut out[..room])
}

/// The same of another snapshot, in the room that is given.
pub(super) fn ask_of(snapshot: &Snapshot, octets: &[u8], way: &Asked, out: &mut [u8]) -> Outcome {
    SCRATCH.with_borrow_mut(|scratch| answer(snapshot, octets, way, scratch, out))
}

/// Judges what came of a message; gives the reply, if that is what came.
pub(super) fn judge(octets: &[u8], way: &Asked, outcome: Outcome, out: &[u8]) -> Option<Message> {
    let asked = Query::read(octets).filter(|query| !query.is_reply());
    let length = match (outcome, &asked) {
        (Outcome::Drop, None) => return None,
        (Outcome::Slow, Some(query)) => {
            // Only what the server tells of itself takes that way: a question of class CHAOS for TXT.
            let question = query.question().expect("a question");
            assert_eq!((query.opcode(), question.class, question.rtype), (0, 3, 16));
            assert!(query.is_well_formed());
            return None;
        }
        (Outcome::Reply(length), Some(_)) => length,
        _ => panic!("{outcome:?} for {asked:?}"),
    };
    let query = asked.expect("seen above");
    let reply = &out[..length];
    let message = Message::parse(reply)
        .unwrap_or_else(|error| panic!("a malformed reply: {error}\n{}", reply.escape_ascii()));
    is_to(&message, &query);
    has_opt_as_asked(&message, &query, way);
    is_within_its_size(&message, &query, way);
    carries_what_its_rcode_allows(&message, &query);

    // Two servers that answered each other's replies would never end.
    let again = AGAIN.with_borrow_mut(|out| ask(reply, way, out));
    assert_eq!(again, Outcome::Drop, "a reply was answered");
    Some(message)
}

/// Id, QR, opcode, flags and question (RFC 1035 §4.1.1, RFC 6840 §5.7).
fn is_to(message: &Message, query: &Query) {
    assert!(message.is_response());
    assert_eq!(message.id, query.id);
    assert_eq!(u16::from(message.opcode()), query.opcode());
    assert_eq!(message.rd(), query.flags & 0x0100 != 0, "RD");
    assert_eq!(message.cd(), query.flags & 0x0010 != 0, "CD");
    assert!(!message.ra() && !message.ad(), "RA or AD");
    match query.question() {
        Some(question) => assert_eq!(message.question_bytes, question.octets, "the question"),
        None => assert_eq!(message.questions.len(), 0, "no question can be repeated"),
    }
}

/// OPT answers OPT, with what we speak and what was asked (RFC 6891 §6.1, §7).
fn has_opt_as_asked(message: &Message, query: &Query, way: &Asked) {
    let Some(edns) = &message.edns else {
        assert!(query.opt().is_none(), "OPT was asked with and not answered with");
        return;
    };
    let opt = query.opt().expect("OPT was answered with and not asked with");
    assert_eq!((edns.version, edns.payload), (0, way.udp_payload_max));
    assert_eq!(edns.dnssec_ok(), opt.ttl[2] & 0x80 != 0, "DO");
    assert_eq!(edns.flags & 0x7fff, 0, "flags");
}

/// RFC 1035 §4.2.1, RFC 6891 §6.2.3; nothing here is too long for TCP.
fn is_within_its_size(message: &Message, query: &Query, way: &Asked) {
    let offered = query
        .opt()
        .map_or(UDP_OCTETS_MIN, |opt| opt.class.max(UDP_OCTETS_MIN));
    match way.transport {
        Transport::Udp => assert!(message.length <= usize::from(offered.min(way.udp_payload_max))),
        Transport::Tcp => assert!(!message.tc(), "TC over TCP"),
    }
}

fn carries_what_its_rcode_allows(message: &Message, query: &Query) {
    let code = message.rcode();
    let question = query.question();
    if query.opcode() != 0 {
        assert!(matches!(code, rcode::NOTIMP | rcode::REFUSED), "rcode {code}");
    } else if !query.is_well_formed() {
        assert_eq!(code, rcode::FORMERR);
    } else {
        assert_ne!(code, rcode::FORMERR, "a well-formed query was called malformed");
        let version = query.opt().map_or(0, |opt| opt.ttl[1]);
        assert_eq!(code == rcode::BADVERS, version > 0, "rcode {code}");
    }
    match code {
        rcode::NOERROR | rcode::NXDOMAIN | YXDOMAIN => {
            let question = question.expect("data answer a question");
            assert_eq!(question.class, 1, "data of another class");
            is_an_answer(message);
        }
        rcode::FORMERR | rcode::NOTIMP | rcode::REFUSED | rcode::NOTAUTH | rcode::BADVERS => {
            let records = message.answers.len() + message.authorities.len() + message.additionals.len();
            assert_eq!(records, 0, "a refusal with records");
            assert!(!message.aa() && !message.tc(), "a refusal with AA or TC");
        }
        _ => panic!("rcode {code}"),
    }
}

/// Of our data: authoritative, or a referral; and what is not there is said with an SOA (RFC 2308 §2).
fn is_an_answer(message: &Message) {
    let asked = &message.questions[0].name_wire;
    let is_referral = message.authorities.iter().any(|record| record.rtype == Type::NS);
    assert!(message.aa() || is_referral, "neither AA nor a referral");
    if let Some(first) = message.answers.first() {
        // The owner as it was asked; a DNAME stands above it (RFC 6672 §3.1).
        assert!(
            first.owner_wire == *asked || first.rtype == Type::DNAME,
            "the answer is of {}",
            first.owner
        );
    } else if !message.tc() && !is_referral && message.rcode() != YXDOMAIN {
        let [soa] = &message.authorities[..] else {
            panic!(
                "a negative answer with {:?} in Authority",
                message.authorities_text()
            );
        };
        assert!(matches!(soa.data, Data::Soa { .. }), "{}", soa.text());
    }
    for record in message
        .answers
        .iter()
        .chain(&message.authorities)
        .chain(&message.additionals)
    {
        assert_eq!(record.class, 1, "{}", record.text());
    }
}

/// What a datagram holds whole is what TCP holds.
fn agree(udp: Option<&Message>, tcp: Option<&Message>) {
    assert_eq!(udp.is_some(), tcp.is_some(), "the transports disagree");
    let (Some(udp), Some(tcp)) = (udp, tcp) else {
        return;
    };
    // What ends a chain of aliases may lie behind what fits, and its rcode with it (RFC 6604 §2.1).
    if !udp.tc() {
        assert_eq!(udp.rcode(), tcp.rcode(), "the transports disagree");
        assert_eq!(udp.answers.len(), tcp.answers.len(), "the transports disagree");
        assert_eq!(
            udp.authorities_text(),
            tcp.authorities_text(),
            "the transports disagree"
        );
    }
}
