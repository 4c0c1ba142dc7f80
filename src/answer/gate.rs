//! Judges a packet before anything else: is it a question that the pipeline may answer, or what is it told?
//!
//! The rules are those of RFC 1035 §4, RFC 6891 (EDNS), RFC 8906 (what a server owes to odd queries) and RFC 9619
//! (one question). When several faults coincide, the order of [`judge`] decides: what cannot be a message or is a
//! reply is dropped, then the opcode, then form, then the EDNS version, then a signature, then class, then type.
//!
//! It never allocates, never follows a compression pointer and never indexes: the octets are a stranger's. It walks
//! each message once, from front to back, so the work is bounded by the message's length, whatever its counts claim.

use super::Transport;

mod plain;
mod refusal;
#[cfg(test)]
mod tests;

use plain::plain;
pub use refusal::{EDE_OCTETS, OPT_OCTETS, REFUSAL_OCTETS_MAX, Refusal, write_opt};

/// The header of each message (RFC 1035 §4.1.1).
pub const HEADER_OCTETS: usize = 12;
/// A name in wire form, length octets and root included (RFC 1035 §2.3.4).
pub const NAME_OCTETS_MAX: usize = 255;
/// What a client takes over UDP if it does not say (RFC 1035 §4.2.1), and the least that an OPT can offer.
pub const UDP_PAYLOAD_MIN: u16 = 512;

/// Response codes, as in the IANA registry; those above 15 need an OPT.
pub mod rcode {
    /// The message is malformed.
    pub const FORMERR: u16 = 1;
    /// We failed.
    pub const SERVFAIL: u16 = 2;
    /// A kind of message or of type that nobody here handles.
    pub const NOTIMP: u16 = 4;
    /// We will not answer that.
    pub const REFUSED: u16 = 5;
    /// Of a signature that is not accepted (RFC 8945 §5.2).
    pub const NOTAUTH: u16 = 9;
    /// An EDNS version that is not spoken here (RFC 6891 §6.1.3).
    pub const BADVERS: u16 = 16;
}

/// Extended DNS errors (RFC 8914 §4) that a refusal may carry.
pub mod ede {
    /// The catalog is still being read: ask again, or ask another server (RFC 8914 §4.15).
    pub const NOT_READY: u16 = 14;
    /// Asked of something that only some may have.
    pub const PROHIBITED: u16 = 18;
    /// The name lies outside the zones served here.
    pub const NOT_AUTHORITATIVE: u16 = 20;
    /// The operation, class or type is not supported.
    pub const NOT_SUPPORTED: u16 = 21;

    /// Octets of the longest text.
    pub const TEXT_OCTETS_MAX: usize = 32;

    /// What a person reads beside the code (RFC 8914 §2).
    pub const fn text(code: u16) -> &'static str {
        match code {
            NOT_READY => "the catalog is still being read",
            PROHIBITED => "transfers are not allowed",
            NOT_AUTHORITATIVE => "not in a zone of this server",
            NOT_SUPPORTED => "no such operation, class or type",
            _ => "",
        }
    }
}

const OPCODE_QUERY: u8 = 0;
const OPCODE_NOTIFY: u8 = 4;
const OPCODE_UPDATE: u8 = 5;

const CLASS_IN: u16 = 1;
const CLASS_CHAOS: u16 = 3;

const TYPE_TXT: u16 = 16;
const TYPE_OPT: u16 = 41;
const TYPE_TSIG: u16 = 250;
const TYPE_IXFR: u16 = 251;
const TYPE_AXFR: u16 = 252;
/// Types that exist in questions and messages but never in a zone (RFC 6895 §3.1).
const META_TYPES: std::ops::RangeInclusive<u16> = 128..=254;

/// Names in class CHAOS that the slow path knows, in wire form, lower case (RFC 4892, and BIND's older spelling).
const CHAOS_NAMES: [&[u8]; 4] = [
    b"\x07version\x04bind\0",
    b"\x07version\x06server\0",
    b"\x02id\x06server\0",
    b"\x08hostname\x04bind\0",
];

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// Nothing is sent: it is no message, or a reply.
    Drop,
    /// It is answered with a response code and no data.
    Refuse(Refusal),
    /// It has a handler but is no plain question.
    Slow,
    /// A well-formed question of class IN.
    Question(Question<'a>),
}

/// A well-formed question of class IN, of a type that a zone can answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question<'a> {
    /// The whole message.
    pub packet: &'a [u8],
    /// The name in wire form as it was asked, with the root's octet.
    pub name: &'a [u8],
    /// Where the question section ends: `packet[..end]` is what a reply begins with.
    pub end: usize,
    /// The type asked, among them 255 (ANY).
    pub qtype: u16,
    /// What the query's OPT said, if it had one.
    pub edns: Option<Edns>,
}

/// What an OPT of version 0 said (RFC 6891 §6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edns {
    /// The largest UDP reply in octets that the client takes, at least 512 (§6.2.3).
    pub payload: u16,
    /// The DO flag, which a reply repeats (RFC 3225 §3).
    pub dnssec_ok: bool,
}

/// Judges one message. `packet` is all of it, without TCP's length.
///
/// The transport decides nothing yet: a transfer is refused over TCP as over UDP.
#[inline]
pub fn judge(packet: &[u8], transport: Transport) -> Verdict<'_> {
    match plain(packet) {
        Some(question) => Verdict::Question(question),
        None => judge_any(packet, transport),
    }
}

/// Judges a message of any kind.
#[inline(never)]
fn judge_any(packet: &[u8], _transport: Transport) -> Verdict<'_> {
    let Some(header) = Header::read(packet) else {
        return Verdict::Drop;
    };
    // Two servers that answer each other's replies loop for ever: nothing may come before this.
    if header.is_reply {
        return Verdict::Drop;
    }
    let survey = Survey::of(packet, &header);
    let refuse = |rcode, ede| Verdict::Refuse(survey.refusal(rcode, ede));

    if header.opcode != OPCODE_QUERY {
        // What an opcode does is defined for class IN; elsewhere even a handler must not see it. Of other opcodes
        // nobody knows whether the first section is a question at all.
        let elsewhere = survey.question.is_some_and(|asked| asked.class != CLASS_IN);
        return match header.opcode {
            OPCODE_NOTIFY | OPCODE_UPDATE if elsewhere => refuse(rcode::REFUSED, Some(ede::NOT_SUPPORTED)),
            _ => refuse(rcode::NOTIMP, Some(ede::NOT_SUPPORTED)),
        };
    }

    let Some(asked) = survey.question else {
        return refuse(rcode::FORMERR, None);
    };
    let stray_records = header.answers > 0
        || (header.authorities > 0 && asked.qtype != TYPE_IXFR)
        || survey.stray_additionals;
    if survey.malformed || stray_records || asked.qtype == TYPE_OPT {
        return refuse(rcode::FORMERR, None);
    }
    if survey.opt.is_some_and(|opt| opt.version > 0) {
        return refuse(rcode::BADVERS, None);
    }
    if survey.signed {
        return refuse(rcode::NOTAUTH, None);
    }
    match (asked.class, asked.qtype) {
        (CLASS_IN, TYPE_AXFR | TYPE_IXFR) => refuse(rcode::REFUSED, Some(ede::PROHIBITED)),
        (CLASS_IN, qtype) if META_TYPES.contains(&qtype) => refuse(rcode::NOTIMP, Some(ede::NOT_SUPPORTED)),
        (CLASS_IN, qtype) => Verdict::Question(Question {
            packet,
            name: asked.name,
            end: asked.end,
            qtype,
            edns: survey.opt.map(|opt| opt.edns),
        }),
        (CLASS_CHAOS, TYPE_TXT)
            if CHAOS_NAMES
                .iter()
                .any(|name| asked.name.eq_ignore_ascii_case(name)) =>
        {
            Verdict::Slow
        }
        _ => refuse(rcode::REFUSED, Some(ede::NOT_SUPPORTED)),
    }
}

/// A refusal of any message, for who comes after the gate and fails with what it let through. Nothing for what must
/// not be answered.
pub fn refuse(packet: &[u8], rcode: u16, ede: Option<u16>) -> Option<Refusal> {
    let header = Header::read(packet).filter(|header| !header.is_reply)?;
    Some(Survey::of(packet, &header).refusal(rcode, ede))
}

/// The part of the header that is judged.
struct Header {
    is_reply: bool,
    opcode: u8,
    questions: u16,
    answers: u16,
    authorities: u16,
    additionals: u16,
}

impl Header {
    fn read(packet: &[u8]) -> Option<Self> {
        let flags = *packet.get(2)?;
        Some(Self {
            is_reply: flags & 0x80 != 0,
            opcode: (flags >> 3) & 0x0f,
            questions: u16_at(packet, 4)?,
            answers: u16_at(packet, 6)?,
            authorities: u16_at(packet, 8)?,
            additionals: u16_at(packet, 10)?,
        })
    }
}

/// One entry of the question section.
#[derive(Clone, Copy)]
struct Entry<'a> {
    name: &'a [u8],
    qtype: u16,
    class: u16,
    end: usize,
}

impl<'a> Entry<'a> {
    /// Reads an entry whose name has neither pointers nor any label type but the plain one.
    fn read(packet: &'a [u8], start: usize) -> Option<Self> {
        let mut at = start;
        loop {
            let length = usize::from(*packet.get(at)?);
            if length > 63 {
                return None;
            }
            at += 1 + length;
            if at - start > NAME_OCTETS_MAX {
                return None;
            }
            if length == 0 {
                break;
            }
        }
        Some(Self {
            name: packet.get(start..at)?,
            qtype: u16_at(packet, at)?,
            class: u16_at(packet, at + 2)?,
            end: at + 4,
        })
    }
}

/// The first OPT of a message, as far as its fixed part says.
#[derive(Clone, Copy)]
struct Opt {
    edns: Edns,
    version: u8,
}

/// What one walk over a message found.
struct Survey<'a> {
    /// The question, if there is exactly one and it can be read.
    question: Option<Entry<'a>>,
    opt: Option<Opt>,
    /// A TSIG is there.
    signed: bool,
    /// A count, a length, the OPT or the place of the TSIG is wrong.
    malformed: bool,
    /// Additional records other than OPT and TSIG.
    stray_additionals: bool,
}

impl<'a> Survey<'a> {
    fn of(packet: &'a [u8], header: &Header) -> Self {
        let mut survey = Self {
            question: None,
            opt: None,
            signed: false,
            malformed: false,
            stray_additionals: false,
        };
        // Octets after the last record are as wrong as missing ones (as in BIND and Knot).
        survey.malformed |= survey.walk(packet, header) != Some(packet.len());
        survey
    }

    /// Walks all sections. Returns where the message ends, or nothing if it ends too early.
    fn walk(&mut self, packet: &'a [u8], header: &Header) -> Option<usize> {
        let mut at = HEADER_OCTETS;
        for _ in 0..header.questions {
            let Some(entry) = Entry::read(packet, at) else {
                // A name with a pointer is no question's, but what comes after it can still be read: an OPT there is
                // answered with one (RFC 6891 §6.1.1).
                self.malformed = true;
                at = skip_owner(packet, at)? + 4;
                continue;
            };
            at = entry.end;
            if header.questions == 1 {
                self.question = Some(entry);
            }
        }
        for _ in 0..u32::from(header.answers) + u32::from(header.authorities) {
            at = Record::read(packet, at)?.end()?;
        }
        for _ in 0..header.additionals {
            let record = Record::read(packet, at)?;
            // RFC 8945 §5.1: a TSIG is the last record, so nothing may follow it.
            self.malformed |= self.signed;
            match record.rtype {
                TYPE_OPT => self.see_opt(&record),
                TYPE_TSIG => self.signed = true,
                _ => self.stray_additionals = true,
            }
            at = record.end()?;
        }
        Some(at)
    }

    fn see_opt(&mut self, record: &Record<'_>) {
        let [_, version, flags, _] = record.ttl;
        let edns = Edns {
            payload: record.class.max(UDP_PAYLOAD_MIN),
            dnssec_ok: flags & 0x80 != 0,
        };
        // The options of a version that we do not speak may have any form (RFC 6891 §6.1.3).
        let options_fit = version > 0 || record.data().is_some_and(options_fit);
        self.malformed |= self.opt.is_some() || !record.owner_is_root || !options_fit;
        self.opt.get_or_insert(Opt { edns, version });
    }

    fn refusal(&self, rcode: u16, ede: Option<u16>) -> Refusal {
        Refusal::of_parts(
            self.question.map(|asked| asked.end),
            self.opt.map(|opt| opt.edns),
            rcode,
            ede,
        )
    }
}

/// A record of which only the fixed part was looked at.
struct Record<'a> {
    packet: &'a [u8],
    owner_is_root: bool,
    rtype: u16,
    class: u16,
    ttl: [u8; 4],
    data_start: usize,
    data_octets: usize,
}

impl<'a> Record<'a> {
    fn read(packet: &'a [u8], start: usize) -> Option<Self> {
        let at = skip_owner(packet, start)?;
        Some(Self {
            packet,
            owner_is_root: at == start + 1,
            rtype: u16_at(packet, at)?,
            class: u16_at(packet, at + 2)?,
            ttl: packet.get(at + 4..at + 8)?.try_into().ok()?,
            data_start: at + 10,
            data_octets: usize::from(u16_at(packet, at + 8)?),
        })
    }

    fn data(&self) -> Option<&'a [u8]> {
        self.packet
            .get(self.data_start..self.data_start + self.data_octets)
    }

    fn end(&self) -> Option<usize> {
        self.data().map(|data| self.data_start + data.len())
    }
}

/// Where an owner ends. A pointer ends it too: what it points at does not matter to anyone here, so it is not
/// followed, and no chain of pointers can cost anything.
fn skip_owner(packet: &[u8], start: usize) -> Option<usize> {
    let mut at = start;
    loop {
        let length = *packet.get(at)?;
        match length {
            // With its root a name has at most 255 octets.
            0 => return (at + 1 - start <= NAME_OCTETS_MAX).then_some(at + 1),
            1..=63 => at += 1 + usize::from(length),
            0xc0.. => return Some(at + 2),
            _ => return None,
        }
        if at - start > NAME_OCTETS_MAX {
            return None;
        }
    }
}

/// Whether the options of an OPT fill its data exactly.
fn options_fit(data: &[u8]) -> bool {
    let mut at = 0;
    while at < data.len() {
        let Some(length) = u16_at(data, at + 2) else {
            return false;
        };
        at += 4 + usize::from(length);
    }
    at == data.len()
}

fn u16_at(octets: &[u8], at: usize) -> Option<u16> {
    let pair = octets.get(at..at + 2)?;
    Some(u16::from_be_bytes(pair.try_into().ok()?))
}
