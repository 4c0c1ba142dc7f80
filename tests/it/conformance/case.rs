//! A case as data: the rule, what is sent, what must come back.
//!
//! In names and records `~` stands for `svc.internal.`, the zone of the services, and `%` for `example.org.`, the zone
//! of the static records. A serial in an expected SOA is `*`.

use crate::support::dns::{Query, Type, rcode};

/// The text with its zones written out.
pub(super) fn full(text: &str) -> String {
    text.replace('~', "svc.internal.").replace('%', "example.org.")
}

/// A plain question.
pub(super) fn q(name: &str, rtype: Type) -> Query {
    Query::new(&full(name), rtype)
}

/// The same with EDNS.
pub(super) fn qe(name: &str, rtype: Type) -> Query {
    q(name, rtype).edns(1232)
}

/// One line of a table.
#[derive(Clone, Debug)]
pub(super) struct Case {
    /// One of [`super::rules::RULES`].
    pub(super) rule: &'static str,
    /// Where the rule comes from.
    pub(super) source: &'static str,
    pub(super) sent: Sent,
    pub(super) over: Over,
    pub(super) shape: Shape,
    pub(super) expected: Expected,
    /// Why the server is known to break the rule here. Such a case must fail; once it does not, this goes.
    pub(super) known_breach: Option<&'static str>,
}

/// The transports that a case is sent over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    Both,
    Udp,
    Tcp,
}

/// How a message is given to a TCP connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// One write.
    Whole,
    /// Writes of so many octets.
    Pieces(usize),
    /// So many times in one write: each is answered.
    Together(usize),
    /// The sending half is closed at once.
    HalfClosed,
}

/// Octets, and what a reply repeats of them.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) octets: Vec<u8>,
    pub(super) id: u16,
    pub(super) flags: u16,
    /// The question section.
    pub(super) question: Vec<u8>,
    /// Size and flags of the OPT, if there is one.
    pub(super) edns: Option<(u16, u16)>,
}

impl From<Query> for Sent {
    fn from(query: Query) -> Self {
        Self {
            octets: query.bytes(),
            id: query.message_id(),
            flags: query.flags_word(),
            question: query.question_bytes(),
            edns: query.offered(),
        }
    }
}

/// Any octets, of at least none: header and nothing else of them is expected back.
impl From<Vec<u8>> for Sent {
    fn from(octets: Vec<u8>) -> Self {
        let word = |at: usize| {
            let pair = octets.get(at..at + 2);
            pair.map_or(0, |pair| u16::from_be_bytes([pair[0], pair[1]]))
        };
        Self {
            id: word(0),
            flags: word(2),
            question: Vec::new(),
            edns: None,
            octets,
        }
    }
}

#[derive(Clone, Debug)]
pub(super) enum Expected {
    /// Nothing comes back; a TCP connection may end.
    Silence,
    Reply(Box<Reply>),
}

impl From<Reply> for Expected {
    fn from(reply: Reply) -> Self {
        Self::Reply(Box::new(reply))
    }
}

/// What must come back, beside what every reply repeats: id, opcode, RD, and OPT with version 0, DO and our size if and
/// only if there was one.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    pub(super) rcode: u16,
    pub(super) aa: bool,
    pub(super) tc: bool,
    /// Whether the question is repeated.
    pub(super) question: bool,
    pub(super) ede: Ede,
    pub(super) answers: Records,
    pub(super) authorities: Records,
    pub(super) additionals: Records,
    /// A record of so many octets would no longer have had room.
    pub(super) full_but_for: Option<usize>,
}

/// The extended error (RFC 8914).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ede {
    None,
    Free,
    Code(u16),
    /// The code, and words after it.
    WithText(u16),
}

/// The records of a section, in any order.
#[derive(Clone, Debug)]
pub(super) enum Records {
    Exactly(Vec<String>),
    /// So many different ones of these.
    Some(usize, Vec<String>),
    /// So many that begin and end so.
    Like(usize, String, String),
    /// So many that begin in one of these ways.
    LikeAny(usize, Vec<String>),
    /// Just these, or just those.
    OneOf(Vec<Vec<String>>),
    /// None, some or all of these.
    Part(Vec<String>),
}

fn lines(of: &[&str]) -> Vec<String> {
    let mut lines: Vec<String> = of.iter().map(|line| full(line)).collect();
    lines.sort();
    lines
}

/// NOERROR with these records.
pub(super) fn answer(records: &[&str]) -> Reply {
    Reply {
        rcode: rcode::NOERROR,
        aa: true,
        tc: false,
        question: true,
        ede: Ede::None,
        answers: Records::Exactly(lines(records)),
        authorities: Records::Exactly(Vec::new()),
        additionals: Records::Exactly(Vec::new()),
        full_but_for: None,
    }
}

/// NOERROR without records, and the SOA.
pub(super) fn nodata(soa: &str) -> Reply {
    answer(&[]).authority(&[soa])
}

/// NXDOMAIN, and the SOA.
pub(super) fn nxdomain(soa: &str) -> Reply {
    nodata(soa).rcode(rcode::NXDOMAIN)
}

/// A response code and no data.
pub(super) fn told(code: u16) -> Reply {
    Reply {
        rcode: code,
        aa: false,
        ede: Ede::Free,
        ..answer(&[])
    }
}

/// A referral: NS in Authority, glue in Additional, AA=0.
pub(super) fn referral(ns: &[&str], glue: &[&str]) -> Reply {
    answer(&[]).not_authoritative().authority(ns).additional(glue)
}

impl Reply {
    pub(super) fn rcode(mut self, code: u16) -> Self {
        self.rcode = code;
        self
    }

    pub(super) fn not_authoritative(mut self) -> Self {
        self.aa = false;
        self
    }

    pub(super) fn tc(mut self) -> Self {
        self.tc = true;
        self
    }

    /// The question is not repeated: there was none, more than one, or none that could be read.
    pub(super) fn unasked(mut self) -> Self {
        self.question = false;
        self
    }

    pub(super) fn ede(mut self, ede: Ede) -> Self {
        self.ede = ede;
        self
    }

    pub(super) fn answers(mut self, records: Records) -> Self {
        self.answers = records;
        self
    }

    pub(super) fn authority(mut self, records: &[&str]) -> Self {
        self.authorities = Records::Exactly(lines(records));
        self
    }

    pub(super) fn authorities(mut self, records: Records) -> Self {
        self.authorities = records;
        self
    }

    pub(super) fn additional(mut self, records: &[&str]) -> Self {
        self.additionals = Records::Exactly(lines(records));
        self
    }

    pub(super) fn additionals(mut self, records: Records) -> Self {
        self.additionals = records;
        self
    }

    pub(super) fn full_but_for(mut self, octets: usize) -> Self {
        self.full_but_for = Some(octets);
        self
    }
}

/// So many of these.
pub(super) fn some(count: usize, of: impl Iterator<Item = String>) -> Records {
    Records::Some(count, of.map(|line| full(&line)).collect())
}

/// So many that begin with `head` and end with `tail`.
pub(super) fn like(count: usize, head: &str, tail: &str) -> Records {
    Records::Like(count, full(head), full(tail))
}

/// So many that begin in one of these ways.
pub(super) fn like_any(count: usize, heads: &[&str]) -> Records {
    Records::LikeAny(count, heads.iter().map(|head| full(head)).collect())
}

/// One of several RRsets, whole.
pub(super) fn one_of(sets: &[&[&str]]) -> Records {
    Records::OneOf(sets.iter().map(|set| lines(set)).collect())
}

/// Any part of these.
pub(super) fn part(of: impl Iterator<Item = String>) -> Records {
    Records::Part(of.map(|line| full(&line)).collect())
}

/// A record whose data are octets, as text (RFC 3597 §5): `head` is owner, TTL and type.
pub(super) fn raw(head: &str, data: &[u8]) -> String {
    let hex: String = data.iter().map(|octet| format!("{octet:02x}")).collect();
    format!("{head} \\# {} {hex}", data.len())
}

/// A case over both transports.
pub(super) fn case(
    rule: &'static str,
    source: &'static str,
    sent: impl Into<Sent>,
    expected: impl Into<Expected>,
) -> Case {
    Case {
        rule,
        source,
        sent: sent.into(),
        over: Over::Both,
        shape: Shape::Whole,
        expected: expected.into(),
        known_breach: None,
    }
}

impl Case {
    /// The server is known to break the rule here.
    pub(super) fn known_breach(mut self, why: &'static str) -> Self {
        self.known_breach = Some(why);
        self
    }

    pub(super) fn udp(mut self) -> Self {
        self.over = Over::Udp;
        self
    }

    pub(super) fn tcp(mut self) -> Self {
        self.over = Over::Tcp;
        self
    }

    pub(super) fn shape(mut self, shape: Shape) -> Self {
        self.shape = shape;
        self.tcp()
    }
}
