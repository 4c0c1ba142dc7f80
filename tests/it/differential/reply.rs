//! What came back, in the form in which it is compared: records sorted, names without case, RDATA without compression.

use super::probe::Probe;
use crate::support::dns::{Message, Record, Type};

/// What a server did with a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Reply(Box<Reply>),
    /// A reply that the strict parser does not take, and why.
    Malformed(String),
    /// No reply, however often it was asked.
    Silent,
    /// The connection was closed instead of a reply.
    Closed,
}

/// A well-formed reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    /// The extended one, of twelve bits.
    pub(super) rcode: u16,
    pub(super) aa: bool,
    pub(super) tc: bool,
    pub(super) opcode: u8,
    /// RD, RA, AD and CD where they stand in the header.
    pub(super) flags: u16,
    /// Whether the question section is the probe's, octet for octet.
    pub(super) question_is_echoed: bool,
    pub(super) answer: Vec<Canonical>,
    pub(super) authority: Vec<Canonical>,
    pub(super) additional: Vec<Canonical>,
    /// Version and DO of the OPT record.
    pub(super) edns: Option<(u8, bool)>,
    pub(super) length: usize,
}

/// A record as it compares. Sorted by owner and type.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Canonical {
    pub(super) owner: Vec<u8>,
    pub(super) rtype: Type,
    pub(super) class: u16,
    pub(super) ttl: u32,
    pub(super) rdata: Vec<u8>,
    /// For the report; equal where the rest is.
    pub(super) text: String,
}

impl Canonical {
    fn of(record: &Record) -> Self {
        let mut text = record.text();
        // The case of text strings is data.
        if record.rtype != Type::TXT {
            text.make_ascii_lowercase();
        } else {
            let owner = record.owner.len();
            text[..owner].make_ascii_lowercase();
        }
        // A type that is not decoded is shown as it stood in the message, names compressed.
        if let crate::support::dns::Data::Other(_) = record.data {
            let hex: String = record
                .canonical
                .iter()
                .map(|octet| format!("{octet:02x}"))
                .collect();
            text = format!(
                "{} {} {} \\# {} {hex}",
                record.owner.to_ascii_lowercase(),
                record.ttl,
                record.rtype.text(),
                record.canonical.len()
            );
        }
        Self {
            owner: record.owner_wire.to_ascii_lowercase(),
            rtype: record.rtype,
            class: record.class,
            ttl: record.ttl,
            rdata: record.canonical.clone(),
            text,
        }
    }
}

fn sorted(records: &[Record]) -> Vec<Canonical> {
    let mut records: Vec<Canonical> = records.iter().map(Canonical::of).collect();
    records.sort();
    records
}

impl Outcome {
    pub(super) fn of(probe: &Probe, octets: &[u8]) -> Self {
        match Message::parse(octets) {
            Err(error) => Self::Malformed(error),
            Ok(message) if !message.is_response() => Self::Malformed("a reply without QR".to_string()),
            Ok(message) => Self::Reply(Box::new(Reply {
                rcode: message.rcode(),
                aa: message.aa(),
                tc: message.tc(),
                opcode: message.opcode(),
                flags: message.flags & 0x01b0,
                question_is_echoed: message.question_bytes == probe.question_bytes(),
                answer: sorted(&message.answers),
                authority: sorted(&message.authorities),
                additional: sorted(&message.additionals),
                edns: message.edns.as_ref().map(|edns| (edns.version, edns.dnssec_ok())),
                length: message.length,
            })),
        }
    }

    pub(super) fn reply(&self) -> Option<&Reply> {
        match self {
            Self::Reply(reply) => Some(reply),
            _ => None,
        }
    }

    pub(super) fn is_truncated(&self) -> bool {
        self.reply().is_some_and(|reply| reply.tc)
    }

    /// In a few lines.
    pub(super) fn text(&self) -> String {
        let reply = match self {
            Self::Reply(reply) => reply,
            Self::Malformed(why) => return format!("malformed: {why}\n"),
            Self::Silent => return "no reply\n".to_string(),
            Self::Closed => return "the connection was closed\n".to_string(),
        };
        let mut text = rcode_text(reply.rcode);
        for (is_set, flag) in [
            (reply.aa, "aa"),
            (reply.tc, "tc"),
            (reply.flags & 0x0100 != 0, "rd"),
            (reply.flags & 0x0080 != 0, "ra"),
            (reply.flags & 0x0020 != 0, "ad"),
            (reply.flags & 0x0010 != 0, "cd"),
        ] {
            if is_set {
                text += &format!(" {flag}");
            }
        }
        if reply.opcode != 0 {
            text += &format!(", opcode {}", reply.opcode);
        }
        if !reply.question_is_echoed {
            text += ", question not echoed";
        }
        match reply.edns {
            None => text += ", no OPT",
            Some((version, dnssec_ok)) => {
                text += &format!(", OPT version {version}{}", if dnssec_ok { " do" } else { "" });
            }
        }
        text += &format!(", {} octets\n", reply.length);
        for (section, records) in [
            ("answer", &reply.answer),
            ("authority", &reply.authority),
            ("additional", &reply.additional),
        ] {
            for record in records.iter().take(SHOWN_MAX) {
                text += &format!("    {section}: {}\n", shortened(&record.text));
            }
            if records.len() > SHOWN_MAX {
                text += &format!("    {section}: … {} in all\n", records.len());
            }
        }
        text
    }
}

/// So many records of a section are shown.
const SHOWN_MAX: usize = 6;

fn shortened(text: &str) -> String {
    if text.chars().count() <= 160 {
        return text.to_string();
    }
    let begin: String = text.chars().take(150).collect();
    format!("{begin}…")
}

pub(super) fn rcode_text(rcode: u16) -> String {
    match rcode {
        0 => "NOERROR",
        1 => "FORMERR",
        2 => "SERVFAIL",
        3 => "NXDOMAIN",
        4 => "NOTIMP",
        5 => "REFUSED",
        6 => "YXDOMAIN",
        9 => "NOTAUTH",
        10 => "NOTZONE",
        16 => "BADVERS",
        other => return format!("rcode {other}"),
    }
    .to_string()
}
