//! What the gate lets through, and what it says to the rest (RFC 8906 §8, and the RFCs named beside the cases).
#![allow(clippy::unwrap_used)]

use hickory_proto::op::{Message, MessageType, ResponseCode};
use proptest::prelude::*;

use super::*;

const WEB: &[u8] = b"\x03wEb\x03svc\x08internal\0";
const A: u16 = 1;
const IN: u16 = 1;
const ANY: u16 = 255;

/// A query as it is written down: each part can be wrong on its own.
#[derive(Clone)]
struct Query {
    flags: [u8; 2],
    counts: [u16; 4],
    body: Vec<u8>,
}

impl Query {
    fn new(name: &[u8], qtype: u16, class: u16) -> Self {
        let mut body = name.to_vec();
        body.extend(qtype.to_be_bytes());
        body.extend(class.to_be_bytes());
        Self {
            flags: [0x01, 0x10],
            counts: [1, 0, 0, 0],
            body,
        }
    }

    fn opcode(mut self, opcode: u8) -> Self {
        self.flags[0] |= opcode << 3;
        self
    }

    fn questions(mut self, count: u16) -> Self {
        self.counts[0] = count;
        self
    }

    fn tail(mut self, octets: &[u8]) -> Self {
        self.body.extend(octets);
        self
    }

    fn record(mut self, section: usize, owner: &[u8], rtype: u16, class: u16, ttl: u32, data: &[u8]) -> Self {
        self.counts[section] += 1;
        self.body.extend(owner);
        self.body.extend(rtype.to_be_bytes());
        self.body.extend(class.to_be_bytes());
        self.body.extend(ttl.to_be_bytes());
        self.body.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
        self.body.extend(data);
        self
    }

    /// An OPT that offers 4096 octets and sets DO.
    fn opt(self) -> Self {
        self.record(3, b"\0", 41, 4096, 0x8000, b"")
    }

    fn opt_with(self, version: u8, data: &[u8]) -> Self {
        self.record(3, b"\0", 41, 4096, u32::from(version) << 16, data)
    }

    fn tsig(self) -> Self {
        self.record(3, b"\x03key\0", 250, 255, 0, &[0; 20])
    }

    fn octets(&self) -> Vec<u8> {
        let mut octets = vec![0xbe, 0xef, self.flags[0], self.flags[1]];
        octets.extend(self.counts.iter().flat_map(|count| count.to_be_bytes()));
        octets.extend(&self.body);
        octets
    }
}

fn web() -> Query {
    Query::new(WEB, A, IN)
}

/// The verdict in one line: for a refusal what its octets say, read by somebody else's decoder.
fn said(packet: &[u8]) -> String {
    let verdict = judge(packet, Transport::Udp);
    assert_eq!(
        verdict,
        judge_any(packet, Transport::Udp),
        "the short way and the long one"
    );
    let refusal = match verdict {
        Verdict::Drop => return "drop".into(),
        Verdict::Slow => return "slow".into(),
        Verdict::Question(_) => return "question".into(),
        Verdict::Refuse(refusal) => refusal,
    };
    let mut out = [0xaa; 512];
    let octets = refusal.write(packet, 1232, &mut out);
    assert!((HEADER_OCTETS..=REFUSAL_OCTETS_MAX).contains(&octets));
    assert_eq!(out[octets], 0xaa, "nothing is written past the reply");
    let reply = Message::from_vec(&out[..octets]).unwrap();
    assert_eq!(reply.metadata.id.to_be_bytes(), packet[..2]);
    assert_eq!(reply.metadata.message_type, MessageType::Response);
    assert_eq!(
        out[2],
        0x80 | packet[2] & 0x79,
        "opcode and RD are copied, AA and TC are clear"
    );
    assert_eq!(
        out[3] & 0xf0,
        packet[3] & 0x10,
        "CD is copied, RA, Z and AD are clear"
    );
    assert!(reply.answers.is_empty() && reply.authorities.is_empty() && reply.additionals.is_empty());
    let mut said = match reply.metadata.response_code {
        ResponseCode::FormErr => "FORMERR".to_string(),
        ResponseCode::NotImp => "NOTIMP".into(),
        ResponseCode::Refused => "REFUSED".into(),
        ResponseCode::NotAuth => "NOTAUTH".into(),
        ResponseCode::BADVERS | ResponseCode::BADSIG => "BADVERS".into(),
        other => format!("{other:?}"),
    };
    if !reply.queries.is_empty() {
        let end = refusal.question_end.unwrap();
        assert_eq!(
            out[HEADER_OCTETS..end],
            packet[HEADER_OCTETS..end],
            "the question keeps its case"
        );
        said += " echo";
    }
    if let Some(edns) = &reply.edns {
        assert_eq!((edns.version(), edns.max_payload()), (0, 1232));
        said += if edns.flags().dnssec_ok {
            " OPT(do)"
        } else {
            " OPT"
        };
    }
    said
}

#[test]
fn each_fault_gets_its_answer() {
    let chaos = |name: &[u8]| Query::new(name, TYPE_TXT, CLASS_CHAOS);
    let long = |labels: usize, last: usize| {
        let mut name = b"\x3f"
            .iter()
            .copied()
            .chain([b'a'; 63])
            .collect::<Vec<_>>()
            .repeat(labels);
        name.push(u8::try_from(last).unwrap());
        name.extend(vec![b'b'; last]);
        name.push(0);
        name
    };
    let soa = [0; 22];
    let cases: &[(&str, Query, &str)] = &[
        ("plain", web(), "question"),
        ("with OPT", web().opt(), "question"),
        ("the root", Query::new(b"\0", A, IN), "question"),
        ("ANY", Query::new(WEB, ANY, IN), "question"),
        ("unknown type", Query::new(WEB, 65280, IN), "question"),
        ("name of 255 octets", Query::new(&long(3, 61), A, IN), "question"),
        (
            "unknown option",
            web().opt_with(0, b"\xff\xfe\0\x01x"),
            "question",
        ),
        (
            "Z flags of EDNS",
            web().record(3, b"\0", 41, 512, 0x7fff, b""),
            "question",
        ),
        (
            "AD, Z, RA and TC in the query",
            Query {
                flags: [0x03, 0xe0],
                ..web()
            },
            "question",
        ),
        // Opcodes (RFC 8906 §8.1.4), whatever else is wrong with the message.
        ("opcode 15", web().opcode(15).opt(), "NOTIMP echo OPT(do)"),
        ("opcode 1", web().opcode(1), "NOTIMP echo"),
        (
            "opcode 2, header only",
            Query {
                body: vec![],
                ..web().opcode(2).questions(0)
            },
            "NOTIMP",
        ),
        (
            "opcode 6, garbage",
            Query {
                body: vec![0xff; 9],
                ..web().opcode(6)
            },
            "NOTIMP",
        ),
        ("NOTIFY", web().opcode(4), "NOTIMP echo"),
        (
            "UPDATE with records",
            web().opcode(5).record(2, b"\xc0\x0c", 1, 1, 5, &[192, 0, 2, 1]),
            "NOTIMP echo",
        ),
        (
            "UPDATE in CHAOS",
            Query::new(WEB, 6, CLASS_CHAOS).opcode(5),
            "REFUSED echo",
        ),
        ("NOTIFY in ANY", Query::new(WEB, 6, ANY).opcode(4), "REFUSED echo"),
        (
            "opcode 3 in ANY",
            Query::new(WEB, 6, ANY).opcode(3),
            "NOTIMP echo",
        ),
        // Counts (RFC 9619).
        (
            "no question",
            Query {
                body: vec![],
                ..web().questions(0)
            },
            "FORMERR",
        ),
        (
            "no question, with OPT",
            Query {
                body: vec![],
                ..web().questions(0)
            }
            .opt(),
            "FORMERR OPT(do)",
        ),
        ("two questions", web().questions(2).tail(&web().body), "FORMERR"),
        (
            "two questions, with OPT",
            web().questions(2).tail(&web().body).opt(),
            "FORMERR OPT(do)",
        ),
        ("a question too few", web().questions(2), "FORMERR"),
        ("65,535 questions", web().questions(65535), "FORMERR"),
        (
            "an answer",
            web().record(1, WEB, 1, 1, 5, &[192, 0, 2, 1]),
            "FORMERR echo",
        ),
        (
            "an answer counted, not there",
            Query {
                counts: [1, 1, 0, 0],
                ..web()
            },
            "FORMERR echo",
        ),
        (
            "authority",
            web().record(2, WEB, 6, 1, 5, &soa).opt(),
            "FORMERR echo OPT(do)",
        ),
        (
            "a stray additional",
            web().record(3, WEB, 1, 1, 5, &[192, 0, 2, 1]),
            "FORMERR echo",
        ),
        (
            "a stray beside OPT",
            web().opt().record(3, WEB, 1, 1, 5, &[192, 0, 2, 1]),
            "FORMERR echo OPT(do)",
        ),
        (
            "a pointer loop as owner",
            web().record(3, b"\xc0\x1d", 1, 1, 5, b""),
            "FORMERR echo",
        ),
        ("a tail", web().tail(b"\0"), "FORMERR echo"),
        ("a tail after OPT", web().opt().tail(b"x"), "FORMERR echo OPT(do)"),
        // Names.
        ("pointer", Query::new(b"\xc0\x0c", A, IN), "FORMERR"),
        (
            "pointer after a label",
            Query::new(b"\x03web\xc0\x0c", A, IN),
            "FORMERR",
        ),
        ("label type 0x40", Query::new(b"\x41x\0", A, IN), "FORMERR"),
        ("label type 0x80", Query::new(b"\x80x\0", A, IN), "FORMERR"),
        ("name of 256 octets", Query::new(&long(3, 62), A, IN), "FORMERR"),
        (
            "label overruns",
            Query {
                body: b"\x3fweb".to_vec(),
                ..web()
            },
            "FORMERR",
        ),
        (
            "no class",
            Query {
                body: WEB.iter().copied().chain([0, 1, 0]).collect(),
                ..web()
            },
            "FORMERR",
        ),
        // EDNS (RFC 6891).
        ("two OPT", web().opt().opt(), "FORMERR echo OPT(do)"),
        (
            "two OPT, the second of version 1",
            web().opt().opt_with(1, b""),
            "FORMERR echo OPT(do)",
        ),
        (
            "OPT below the root",
            web().record(3, b"\x01a\0", 41, 1232, 0, b""),
            "FORMERR echo OPT",
        ),
        (
            "option overruns",
            web().opt_with(0, b"\0\x0a\0\x08short"),
            "FORMERR echo OPT",
        ),
        (
            "half an option",
            web().opt_with(0, b"\0\x0a\0"),
            "FORMERR echo OPT",
        ),
        (
            "OPT of a wrong length",
            web().tail(b"\0\0\x29\x10\0\0\0\0\0\0\x09x").counted(3),
            "FORMERR echo OPT",
        ),
        (
            "half an OPT",
            web().tail(b"\0\0\x29\x10\0\0").counted(3),
            "FORMERR echo",
        ),
        ("EDNS 1", web().opt_with(1, b""), "BADVERS echo OPT"),
        (
            "EDNS 255, options of its own",
            web().opt_with(255, b"\0\x0a\xff"),
            "BADVERS echo OPT",
        ),
        (
            "EDNS 1 in CHAOS",
            chaos(b"\x07version\x04bind\0").opt_with(1, b""),
            "BADVERS echo OPT",
        ),
        (
            "EDNS 1 and a transfer",
            Query::new(WEB, TYPE_AXFR, IN).opt_with(1, b""),
            "BADVERS echo OPT",
        ),
        // Signatures (RFC 8945).
        ("TSIG", web().tsig(), "NOTAUTH echo"),
        ("TSIG after OPT", web().opt().tsig(), "NOTAUTH echo OPT(do)"),
        ("TSIG before OPT", web().tsig().opt(), "FORMERR echo OPT(do)"),
        ("two TSIG", web().tsig().tsig(), "FORMERR echo"),
        (
            "TSIG on CHAOS",
            chaos(b"\x07version\x04bind\0").tsig(),
            "NOTAUTH echo",
        ),
        (
            "TSIG on a transfer",
            Query::new(WEB, TYPE_AXFR, IN).tsig(),
            "NOTAUTH echo",
        ),
        // Classes.
        ("class ANY", Query::new(WEB, A, ANY).opt(), "REFUSED echo OPT(do)"),
        ("class NONE", Query::new(WEB, A, 254), "REFUSED echo"),
        ("class 0", Query::new(WEB, A, 0), "REFUSED echo"),
        ("HESIOD", Query::new(WEB, A, 4), "REFUSED echo"),
        ("CHAOS elsewhere", Query::new(WEB, A, CLASS_CHAOS), "REFUSED echo"),
        (
            "version.bind A",
            Query::new(b"\x07version\x04bind\0", A, CLASS_CHAOS),
            "REFUSED echo",
        ),
        ("version.bind TXT", chaos(b"\x07version\x04bind\0"), "slow"),
        ("VERSION.Bind TXT", chaos(b"\x07VERSION\x04Bind\0").opt(), "slow"),
        ("version.server TXT", chaos(b"\x07version\x06server\0"), "slow"),
        ("id.server TXT", chaos(b"\x02id\x06server\0"), "slow"),
        ("hostname.bind TXT", chaos(b"\x08hostname\x04bind\0"), "slow"),
        (
            "version.bind TXT of class IN",
            Query::new(b"\x07version\x04bind\0", TYPE_TXT, IN),
            "question",
        ),
        // Types that no zone has.
        ("OPT", Query::new(WEB, 41, IN), "FORMERR echo"),
        ("AXFR", Query::new(WEB, TYPE_AXFR, IN), "REFUSED echo"),
        (
            "IXFR",
            Query::new(WEB, TYPE_IXFR, IN).record(2, WEB, 6, 1, 0, &soa),
            "REFUSED echo",
        ),
        (
            "AXFR with authority",
            Query::new(WEB, TYPE_AXFR, IN).record(2, WEB, 6, 1, 0, &soa),
            "FORMERR echo",
        ),
        ("TKEY", Query::new(WEB, 249, IN), "NOTIMP echo"),
        ("TSIG as a type", Query::new(WEB, 250, IN), "NOTIMP echo"),
        ("MAILB", Query::new(WEB, 253, IN), "NOTIMP echo"),
        ("MAILA", Query::new(WEB, 254, IN).opt(), "NOTIMP echo OPT(do)"),
        ("type 128", Query::new(WEB, 128, IN), "NOTIMP echo"),
        ("type 127", Query::new(WEB, 127, IN), "question"),
    ];
    let wrong: Vec<String> = cases
        .iter()
        .map(|(what, query, expected)| (what, said(&query.octets()), expected))
        .filter(|(_, said, expected)| said != *expected)
        .map(|(what, said, expected)| format!("{what}: {said}, not {expected}"))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

impl Query {
    fn counted(mut self, section: usize) -> Self {
        self.counts[section] += 1;
        self
    }
}

#[test]
fn replies_are_dropped_whatever_else_is_wrong() {
    for opcode in 0..16 {
        let reply = Query {
            flags: [0x80, 0],
            ..web()
        }
        .opcode(opcode);
        assert_eq!(said(&reply.octets()), "drop");
        assert_eq!(said(&reply.questions(7).tail(b"garbage").octets()), "drop");
    }
}

#[test]
fn what_is_shorter_than_a_header_is_dropped() {
    let whole = web().octets();
    for octets in 0..HEADER_OCTETS {
        assert_eq!(said(&whole[..octets]), "drop");
    }
    assert_eq!(said(&whole[..HEADER_OCTETS]), "FORMERR");
}

#[test]
fn a_question_shows_what_was_asked() {
    let packet = web().record(3, b"\0", 41, 100, 0x8000, b"").octets();
    let Verdict::Question(question) = judge(&packet, Transport::Tcp) else {
        panic!("{}", said(&packet))
    };
    assert_eq!(question.name, WEB);
    assert_eq!(question.end, HEADER_OCTETS + WEB.len() + 4);
    assert_eq!(question.qtype, A);
    assert_eq!(
        question.edns,
        Some(Edns {
            payload: 512,
            dnssec_ok: true
        })
    );
}

#[test]
fn an_extended_error_needs_an_opt() {
    let text = ede::text(ede::NOT_AUTHORITATIVE);
    let with_ede = OPT_OCTETS + EDE_OCTETS + text.len();
    for (query, octets) in [(web(), 0), (web().opt(), with_ede)] {
        let packet = query.octets();
        let Verdict::Question(question) = judge(&packet, Transport::Udp) else {
            panic!("{}", said(&packet))
        };
        let refusal = Refusal::new(&question, rcode::REFUSED, Some(ede::NOT_AUTHORITATIVE));
        let mut out = [0; REFUSAL_OCTETS_MAX];
        assert_eq!(refusal.write(&packet, 1232, &mut out), question.end + octets);
        assert_eq!(
            out[question.end..]
                .starts_with(b"\0\0\x29\x04\xd0\0\0\x80\0\0\x22\0\x0f\0\x1e\0\x14not in a zone"),
            octets > 0
        );
    }
}

#[test]
fn an_extended_rcode_without_an_opt_becomes_servfail() {
    let packet = web().octets();
    let Verdict::Question(question) = judge(&packet, Transport::Udp) else {
        panic!("{}", said(&packet))
    };
    let mut out = [0; REFUSAL_OCTETS_MAX];
    Refusal::new(&question, rcode::BADVERS, None).write(&packet, 1232, &mut out);
    assert_eq!(out[3] & 0x0f, 2);
}

#[test]
fn a_buffer_that_is_too_small_is_left_without_a_reply() {
    let packet = web().opt().opcode(9).octets();
    let Verdict::Refuse(refusal) = judge(&packet, Transport::Udp) else {
        panic!("{}", said(&packet))
    };
    let whole = refusal.write(&packet, 1232, &mut [0; REFUSAL_OCTETS_MAX]);
    for room in 0..whole {
        assert_eq!(refusal.write(&packet, 1232, &mut vec![0; room]), 0);
    }
    assert_eq!(
        refusal.write(&packet[..20], 1232, &mut [0; 512]),
        0,
        "not the message that was judged"
    );
}

#[test]
fn the_usual_question_goes_the_short_way_and_no_other_does() {
    let usual = [
        web(),
        web().opt(),
        web().opt_with(0, b"\0\x0a\0\x0801234567"),
        Query::new(b"\0", ANY, IN),
    ];
    assert!(usual.iter().all(|query| plain(&query.octets()).is_some()));
    let others = [
        web().opcode(1),
        web().questions(2),
        web().opt().opt(),
        web().opt().tsig(),
        web().opt_with(1, b""),
        web().opt_with(0, b"\0"),
        web().tail(b"\0"),
        Query::new(WEB, TYPE_OPT, IN),
        Query::new(WEB, TYPE_AXFR, IN),
        Query::new(WEB, A, CLASS_CHAOS),
        Query::new(b"\xc0\x0c", A, IN),
    ];
    assert!(others.iter().all(|query| plain(&query.octets()).is_none()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_octets_make_it_panic(packet in proptest::collection::vec(any::<u8>(), 0..600)) {
        said(&packet);
    }

    #[test]
    fn no_change_of_a_good_query_makes_it_panic(
        base in 0usize..5,
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<proptest::sample::Index>(),
        whole in any::<bool>(),
    ) {
        let query = match base {
            0 => web(),
            1 => web().opt(),
            2 => web().opt_with(0, b"\0\x0a\0\x0801234567").tsig(),
            3 => Query::new(WEB, TYPE_IXFR, IN).record(2, b"\xc0\x0c", 6, 1, 0, &[0; 22]).opt(),
            _ => Query::new(b"\x07version\x04bind\0", TYPE_TXT, CLASS_CHAOS).opt(),
        };
        let mut packet = query.octets();
        for (at, octet) in changes {
            let at = at.index(packet.len());
            packet[at] = octet;
        }
        if !whole {
            packet.truncate(cut.index(packet.len()));
        }
        said(&packet);
    }
}

#[test]
fn every_extended_error_has_a_text_that_fits() {
    for code in [ede::PROHIBITED, ede::NOT_AUTHORITATIVE, ede::NOT_SUPPORTED] {
        let text = ede::text(code);
        assert!(
            !text.is_empty() && text.len() <= ede::TEXT_OCTETS_MAX,
            "{code}: {text}"
        );
    }
    const { assert!(REFUSAL_OCTETS_MAX <= UDP_PAYLOAD_MIN as usize) };
}
