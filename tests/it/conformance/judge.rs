//! Holds the octets of a reply against what its case expects, and says all that differs.

use crate::support::dns::{Data, Edns, Message, Record};

use super::case::{Ede, Records, Reply, Sent};

/// The transport that a reply came over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    Udp,
    Tcp,
}

/// What our OPT offers, and the most that we send over UDP.
const OUR_PAYLOAD: u16 = 1232;
const UDP_PAYLOAD_MIN: u16 = 512;
const HEADER_OCTETS: usize = 12;
const OPTION_EDE: u16 = 15;
/// A pointer to the question's name.
const TO_QUESTION: [u8; 2] = [0xc0, 12];

const OPCODE: u16 = 0x7800;
const AA: u16 = 0x0400;
const TC: u16 = 0x0200;
const RD: u16 = 0x0100;
const CD: u16 = 0x0010;
const QR: u16 = 0x8000;

/// The largest reply to `sent`.
fn octets_max(sent: &Sent, transport: Transport) -> usize {
    match (transport, sent.edns) {
        (Transport::Tcp, _) => 65_535,
        (Transport::Udp, Some((payload, _))) => usize::from(payload.clamp(UDP_PAYLOAD_MIN, OUR_PAYLOAD)),
        (Transport::Udp, None) => usize::from(UDP_PAYLOAD_MIN),
    }
}

/// All that is wrong with `octets` as the reply to `sent`.
pub(super) fn differences(sent: &Sent, transport: Transport, wanted: &Reply, octets: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    let max = octets_max(sent, transport);
    if octets.len() > max {
        found.push(format!("{} octets, where {max} is the limit", octets.len()));
    }
    if octets.len() < HEADER_OCTETS {
        found.push(format!("{} octets are no message", octets.len()));
        return found;
    }
    let word = |at: usize| u16::from_be_bytes([octets[at], octets[at + 1]]);
    if word(0) != sent.id {
        found.push(format!("id {:04x}, not {:04x}", word(0), sent.id));
    }
    found.extend(flags_differ(sent, wanted, word(2)));

    let question = if wanted.question { &sent.question[..] } else { &[] };
    if usize::from(word(4)) != usize::from(wanted.question) {
        found.push(format!("QDCOUNT {}, not {}", word(4), u16::from(wanted.question)));
    }
    if octets.get(HEADER_OCTETS..HEADER_OCTETS + question.len()) != Some(question) {
        found.push("the question is not repeated byte for byte".to_string());
    }

    let message = match Message::parse(octets) {
        Ok(message) => message,
        Err(error) => {
            found.push(format!("malformed: {error}"));
            return found;
        }
    };
    let opt_count = u16::from(message.edns.is_some());
    for (name, at, records) in [
        ("ANCOUNT", 6, &message.answers),
        ("NSCOUNT", 8, &message.authorities),
    ] {
        if usize::from(word(at)) != records.len() {
            found.push(format!("{name} {}, but {} records", word(at), records.len()));
        }
    }
    if usize::from(word(10)) != message.additionals.len() + usize::from(opt_count) {
        found.push(format!("ARCOUNT {} counts something else", word(10)));
    }
    if message.rcode() != wanted.rcode {
        found.push(format!("rcode {}, not {}", message.rcode(), wanted.rcode));
    }
    found.extend(edns_differs(sent, wanted, message.edns.as_ref()));
    for (name, records, wanted) in [
        ("Answer", &message.answers, &wanted.answers),
        ("Authority", &message.authorities, &wanted.authorities),
        ("Additional", &message.additionals, &wanted.additionals),
    ] {
        found.extend(records_differ(name, records, wanted));
    }
    found.extend(form_differs(&message));
    if let Some(one_more) = wanted.full_but_for {
        let room = max.saturating_sub(octets.len());
        if room >= one_more {
            found.push(format!(
                "{room} octets were left, where {one_more} suffice for one more record"
            ));
        }
    }
    found
}

/// The second word, bit by bit; CD may be copied or clear (RFC 4035 §3.1.6).
fn flags_differ(sent: &Sent, wanted: &Reply, flags: u16) -> Option<String> {
    let bit = |on: bool, mask: u16| if on { mask } else { 0 };
    let low = wanted.rcode & 0xf;
    let expected = QR
        | sent.flags & (OPCODE | RD)
        | bit(wanted.aa, AA)
        | bit(wanted.tc, TC)
        | flags & sent.flags & CD
        | low;
    if flags == expected {
        return None;
    }
    let names = [
        (QR, "QR"),
        (OPCODE, "opcode"),
        (AA, "AA"),
        (TC, "TC"),
        (RD, "RD"),
        (0x0080, "RA"),
        (0x0040, "Z"),
        (0x0020, "AD"),
        (CD, "CD"),
        (0x000f, "rcode"),
    ];
    let wrong = names
        .iter()
        .filter(|(mask, _)| (flags ^ expected) & mask != 0)
        .map(|(_, name)| *name);
    let wrong: Vec<_> = wrong.collect();
    Some(format!(
        "flags {flags:04x}, not {expected:04x}: {}",
        wrong.join(", ")
    ))
}

fn edns_differs(sent: &Sent, wanted: &Reply, edns: Option<&Edns>) -> Vec<String> {
    let mut found = Vec::new();
    let (asked, edns) = match (sent.edns, edns) {
        (Some(asked), Some(edns)) => (asked, edns),
        (None, None) => return found,
        (Some(_), None) => return vec!["no OPT in reply to OPT".to_string()],
        (None, Some(_)) => return vec!["OPT that nobody asked for".to_string()],
    };
    if (edns.payload, edns.version) != (OUR_PAYLOAD, 0) {
        found.push(format!("OPT offers {} in version {}", edns.payload, edns.version));
    }
    if edns.flags != asked.1 & 0x8000 {
        found.push(format!("OPT flags {:04x} to {:04x}", edns.flags, asked.1));
    }
    let errors: Vec<_> = edns
        .options
        .iter()
        .filter(|(code, _)| *code == OPTION_EDE)
        .collect();
    let others = edns.options.len() - errors.len();
    if others > 0 {
        found.push(format!(
            "{others} options that were not to be answered: {:?}",
            edns.options
        ));
    }
    let (code, text) = match &errors[..] {
        [] => (None, None),
        [(_, data)] if data.len() >= 2 => (
            Some(u16::from_be_bytes([data[0], data[1]])),
            std::str::from_utf8(&data[2..]).ok(),
        ),
        _ => {
            found.push(format!(
                "several extended errors, or one of no length: {errors:?}"
            ));
            return found;
        }
    };
    let fits = match wanted.ede {
        Ede::Free => true,
        Ede::None => code.is_none(),
        Ede::Code(wanted) => code == Some(wanted),
        Ede::WithText(wanted) => code == Some(wanted) && text.is_some_and(|text| !text.is_empty()),
    };
    if !fits {
        found.push(format!("extended error {code:?} {text:?}, not {:?}", wanted.ede));
    }
    found
}

/// A record as text, the serial left out.
fn text(record: &Record) -> String {
    let text = record.text();
    match record.data {
        Data::Soa { serial, .. } => text.replace(&format!(" {serial} "), " * "),
        _ => text,
    }
}

fn records_differ(section: &str, records: &[Record], wanted: &Records) -> Option<String> {
    let mut lines: Vec<String> = records.iter().map(text).collect();
    lines.sort();
    let fits = match wanted {
        Records::Exactly(wanted) => lines == *wanted,
        Records::Some(count, of) => lines.len() == *count && lines.iter().all(|line| of.contains(line)),
        Records::Like(count, head, tail) => {
            lines.len() == *count
                && lines
                    .iter()
                    .all(|line| line.starts_with(head) && line.ends_with(tail))
        }
        Records::LikeAny(count, heads) => {
            let has_head = |line: &String| heads.iter().any(|head| line.starts_with(head));
            lines.len() == *count && lines.iter().all(has_head)
        }
        Records::OneOf(sets) => sets.contains(&lines),
        Records::Part(of) => lines.iter().all(|line| of.contains(line)),
    };
    if fits {
        return None;
    }
    let shown: Vec<_> = lines.iter().take(12).collect();
    let wanted = match wanted {
        Records::Exactly(wanted) => format!("{wanted:#?}"),
        Records::Some(count, of) => format!("{count} of {} like {:?}", of.len(), of.first()),
        Records::Like(count, head, tail) => format!("{count} like {head} … {tail}"),
        Records::LikeAny(count, heads) => format!("{count} like one of {heads:?}"),
        Records::OneOf(sets) => format!("one of {sets:#?}"),
        Records::Part(of) => format!("a part of {of:#?}"),
    };
    Some(format!(
        "{section} has {} records {shown:#?}\n  not {wanted}",
        lines.len()
    ))
}

/// The class of each record is the question's, and in the answer an owner that is the question's name is a pointer to it.
fn form_differs(message: &Message) -> Vec<String> {
    let mut found = Vec::new();
    let Some(question) = message.questions.first() else {
        return found;
    };
    let sections = [&message.answers, &message.authorities, &message.additionals];
    for record in sections.into_iter().flatten() {
        if record.class != question.class {
            found.push(format!("class {} of {}", record.class, record.text()));
        }
    }
    for record in &message.answers {
        let is_question = record.owner_wire.eq_ignore_ascii_case(&question.name_wire);
        if is_question && record.owner_raw != TO_QUESTION {
            found.push(format!(
                "the owner of {} is {}, no pointer to the question",
                record.text(),
                record.owner_raw.escape_ascii()
            ));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::case::{answer, qe};
    use super::*;
    use crate::support::dns::Type;

    const REPLY: &[u8] = b"\x12\x34\x84\0\0\x01\0\x01\0\0\0\x01\x03wEb\x03svc\x08internal\0\0\x01\0\x01\
        \xc0\x0c\0\x01\0\x01\0\0\0\x05\0\x04\xc0\0\x02\x0b\0\0\x29\x04\xd0\0\0\x80\0\0\0";

    fn judged(octets: &[u8]) -> Vec<String> {
        let sent = qe("wEb.~", Type::A).id(0x1234).dnssec_ok();
        let wanted = answer(&["wEb.~ 5 A 192.0.2.11"]);
        differences(&sent.into(), Transport::Udp, &wanted, octets)
    }

    #[test]
    fn each_bit_of_a_reply_counts() {
        assert_eq!(judged(REPLY), [""; 0]);
        for bit in 0..REPLY.len() * 8 {
            let mut octets = REPLY.to_vec();
            octets[bit / 8] ^= 1 << (bit % 8);
            assert!(
                !judged(&octets).is_empty(),
                "bit {bit} may be wrong: {}",
                octets.escape_ascii()
            );
        }
        for length in 0..REPLY.len() {
            assert!(
                !judged(&REPLY[..length]).is_empty(),
                "the first {length} octets pass"
            );
        }
        assert!(!judged(&[REPLY, b"\0"].concat()).is_empty());
    }

    #[test]
    fn too_long_and_not_full_are_told() {
        let sent: Sent = qe("wEb.~", Type::A).id(0x1234).dnssec_ok().into();
        let small = Sent {
            edns: Some((0, 0x8000)),
            ..sent.clone()
        };
        let wanted = answer(&["wEb.~ 5 A 192.0.2.11"]);
        let room = usize::from(OUR_PAYLOAD) - REPLY.len();
        for (one_more, is_told) in [(room, true), (room + 1, false)] {
            let found = differences(
                &sent,
                Transport::Udp,
                &wanted.clone().full_but_for(one_more),
                REPLY,
            );
            assert_eq!(!found.is_empty(), is_told, "{found:?}");
        }
        assert_eq!(octets_max(&small, Transport::Udp), 512);
        assert_eq!(octets_max(&small, Transport::Tcp), 65_535);
        assert!(!differences(&small, Transport::Udp, &wanted, &[REPLY, &[0; 512]].concat()).is_empty());
    }
}
