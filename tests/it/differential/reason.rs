//! Where Callsign differs from its peers on purpose. Each reason is as narrow as it can be said: which questions, and
//! which reply of ours. docs/design/conformance.md lists them with these sentences.

use super::compare::{Exchange, Part};
use super::reply::{Canonical, Reply};
use super::zone;
use crate::support::dns::{Type, name_wire};

/// Why a difference is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reason {
    MetaType,
    Transfer,
    OtherClass,
    OtherOpcode,
    OptInEveryRefusal,
    FormBeforeVersion,
    CdIsCopied,
    QuestionIsRepeated,
    ChainEnds,
    ChainCrossesZones,
    AliasOfSignatures,
    GlueThatIsMissing,
    AnyIsOneRrset,
    NoServersBesideAnswers,
    EdgeOfSize,
}

/// The CNAME records of the longest chain.
const CHAIN_MAX: usize = 8;

mod rcode {
    pub(super) const FORMERR: u16 = 1;
    pub(super) const NOTIMP: u16 = 4;
    pub(super) const REFUSED: u16 = 5;
}

impl Reason {
    pub(super) const ALL: [Self; 15] = [
        Self::MetaType,
        Self::Transfer,
        Self::OtherClass,
        Self::OtherOpcode,
        Self::OptInEveryRefusal,
        Self::FormBeforeVersion,
        Self::CdIsCopied,
        Self::QuestionIsRepeated,
        Self::ChainEnds,
        Self::ChainCrossesZones,
        Self::AliasOfSignatures,
        Self::GlueThatIsMissing,
        Self::AnyIsOneRrset,
        Self::NoServersBesideAnswers,
        Self::EdgeOfSize,
    ];

    /// The first reason that explains a difference in this part.
    pub(super) fn of(part: Part, exchange: &Exchange<'_>) -> Option<Self> {
        let reply = exchange.subject.1.reply()?;
        Self::ALL
            .into_iter()
            .find(|reason| reason.explains(part, exchange, reply))
    }

    /// What we do, why, and where it is written.
    pub(super) fn sentence(self) -> &'static str {
        match self {
            Self::MetaType => {
                "A question for a meta type (128 to 254, transfers excepted) is answered NOTIMP, and for OPT FORMERR: \
                 no such records can exist (RFC 6895, section 3.1), so NXDOMAIN or NODATA would speak of something else."
            }
            Self::Transfer => {
                "AXFR and IXFR without leave are REFUSED, over UDP and TCP and at every name alike (RFC 5936, \
                 section 5, leaves that to the server; NOTAUTH and NOTIMP would tell a stranger which zones there are)."
            }
            Self::OtherClass => {
                "A class other than IN is REFUSED without data, ANY included: we hold zones of one class, and an \
                 answer for class ANY could not be authoritative (RFC 1034, section 4.3.2)."
            }
            Self::OtherOpcode => {
                "An opcode that is not served is NOTIMP before the rest of the message is judged (RFC 8906, section \
                 3.1.4), and its header is not read by the rules of QUERY."
            }
            Self::OptInEveryRefusal => {
                "Every reply to a question with OPT carries OPT, refusals of what could not be parsed included \
                 (RFC 6891, section 6.1.1)."
            }
            Self::FormBeforeVersion => {
                "A message that has not one question is FORMERR (RFC 9619, section 4) whatever its EDNS version: BADVERS \
                 is for what could be answered in another version (RFC 6891, section 6.1.3)."
            }
            Self::CdIsCopied => {
                "CD is copied from the question into every reply (RFC 4035, section 3); Knot and NSD clear it, BIND in \
                 some refusals."
            }
            Self::QuestionIsRepeated => {
                "A refusal repeats the question if it has one that can be read, so that the client knows what was \
                 refused (RFC 1035, section 4.1.1); NSD and BIND send some refusals as a header alone."
            }
            Self::ChainEnds => {
                "A chain of aliases ends after eight, and a loop where it comes back, with what was found and \
                 NOERROR: a client that follows finds the rest (RFC 1034, section 3.6.2, sets no number; the peers stop \
                 after 5, 12 or never, one of them with SERVFAIL)."
            }
            Self::ChainCrossesZones => {
                "A CNAME or DNAME that leads into another zone of ours is followed there (RFC 1034, section 4.3.2, \
                 step 3a, goes back to step 2, the choice of the zone); the last name's response code and SOA count."
            }
            Self::AliasOfSignatures => {
                "SIG, KEY, NXT, RRSIG and NSEC asked at an alias are answered with the alias, like any type: only in a \
                 signed zone may they stand beside it (RFC 4035, section 2.5), and ours are served unsigned."
            }
            Self::GlueThatIsMissing => {
                "A referral whose glue does not fit has TC (RFC 9471, section 3.1); older releases of the peers leave \
                 glue out without it."
            }
            Self::AnyIsOneRrset => {
                "ANY is answered with one RRset of the name, at an apex the SOA, and with the addresses that this RRset \
                 brings when it is asked for by its own type (RFC 8482, section 4.1, leaves the choice to the server)."
            }
            Self::NoServersBesideAnswers => {
                "An answer does not bring the zone's NS records and their addresses along, as NSD and BIND do and Knot \
                 does not: nobody asked for them, and small replies amplify less (RFC 1034, section 4.3.1, asks for \
                 them in referrals)."
            }
            Self::EdgeOfSize => {
                "Where one server truncates and another need not, they compress differently, and a chain that is cut \
                 before its end has NOERROR, since its last name is not there; asked over TCP, all say the same \
                 (RFC 1035, section 4.1.4; RFC 2181, section 9)."
            }
        }
    }

    fn explains(self, part: Part, exchange: &Exchange<'_>, reply: &Reply) -> bool {
        let probe = exchange.probe;
        let rtype = probe.rtype.0;
        let is_of_records = matches!(part, Part::Answer | Part::Authority | Part::Additional);
        let is_peer_truncated = exchange.peers.iter().any(|(_, outcome)| outcome.is_truncated());
        // What we answer with fewer records is right as far as it goes.
        let is_within = |some: &Reply, all: &Reply| some.answer.iter().all(|one| all.answer.contains(one));
        let mut peers = exchange.peers.iter().filter_map(|(_, outcome)| outcome.reply());
        let a_peer_has_all = peers.clone().any(|peer| is_within(reply, peer));
        let we_have_all = peers.any(|peer| !peer.answer.is_empty() && is_within(peer, reply));
        match self {
            Self::MetaType => {
                let wanted = if rtype == 41 {
                    rcode::FORMERR
                } else {
                    rcode::NOTIMP
                };
                matches!(rtype, 41 | 128..=250 | 253 | 254)
                    && reply.rcode == wanted
                    && is_of_records
                    && is_bare(reply)
            }
            Self::Transfer => {
                matches!(rtype, 251 | 252) && reply.rcode == rcode::REFUSED && is_of_records && is_bare(reply)
            }
            Self::OtherClass => {
                probe.class != 1 && reply.rcode == rcode::REFUSED && is_of_records && is_bare(reply)
            }
            Self::OtherOpcode => {
                probe.opcode() != 0
                    && matches!(reply.rcode, rcode::NOTIMP | rcode::FORMERR)
                    && is_bare(reply)
                    && matches!(part, Part::Answer | Part::Opcode | Part::Flag(_))
            }
            Self::OptInEveryRefusal => {
                let asked = probe.edns.as_ref().map(|edns| (0, edns.flags & 0x8000 != 0));
                part == Part::Edns && reply.rcode != 0 && is_bare(reply) && reply.edns == asked
            }
            Self::FormBeforeVersion => {
                let version = probe.edns.as_ref().map_or(0, |edns| edns.version);
                part == Part::Answer
                    && probe.questions != 1
                    && version > 0
                    && reply.rcode == rcode::FORMERR
                    && is_bare(reply)
            }
            Self::CdIsCopied => part == Part::Flag(0x0010) && reply.flags & 0x0010 == probe.flags & 0x0010,
            Self::QuestionIsRepeated => {
                part == Part::Question && reply.rcode != 0 && reply.question_is_echoed && probe.questions == 1
            }
            Self::ChainEnds => {
                let ends = match chain_length(&probe.name, reply) {
                    Some(length) => length == CHAIN_MAX,
                    None => true,
                };
                probe.rtype != Type::CNAME
                    && reply.rcode == 0
                    && is_of_records
                    && ends
                    && (a_peer_has_all || we_have_all || is_peer_truncated)
            }
            Self::ChainCrossesZones => is_of_records && reply.answer.iter().any(crosses_zones),
            Self::AliasOfSignatures => {
                matches!(rtype, 24 | 25 | 30 | 46 | 47)
                    && is_of_records
                    && reply.answer.iter().any(|record| record.rtype == Type::CNAME)
            }
            Self::GlueThatIsMissing => {
                part == Part::Answer
                    && reply.tc
                    && !probe.tcp
                    && reply.rcode == 0
                    && reply.authority.iter().any(|record| record.rtype == Type::NS)
            }
            Self::AnyIsOneRrset => {
                let is_one = reply.answer.windows(2).all(|two| two[0].rtype == two[1].rtype);
                probe.rtype == Type::ANY
                    && reply.rcode == 0
                    && is_of_records
                    && !reply.answer.is_empty()
                    && is_one
                    && a_peer_has_all
            }
            Self::NoServersBesideAnswers => {
                let brings_servers = |peer: &Reply| {
                    !peer.authority.is_empty() && peer.authority.iter().all(|one| one.rtype == Type::NS)
                };
                matches!(part, Part::Authority | Part::Additional)
                    && reply.rcode == 0
                    && !reply.answer.is_empty()
                    && reply.authority.is_empty()
                    && exchange
                        .peers
                        .iter()
                        .any(|(_, outcome)| outcome.reply().is_some_and(brings_servers))
            }
            Self::EdgeOfSize => {
                let is_cut_chain = reply.rcode == 0
                    && reply
                        .answer
                        .iter()
                        .any(|record| matches!(record.rtype, Type::CNAME | Type::DNAME));
                part == Part::Answer && !probe.tcp && is_peer_truncated && (!reply.tc || is_cut_chain)
            }
        }
    }
}

/// Without a record.
fn is_bare(reply: &Reply) -> bool {
    reply.answer.is_empty() && reply.authority.is_empty() && reply.additional.is_empty()
}

/// How many aliases follow each other from this name; `None` if they come back.
fn chain_length(name: &[u8], reply: &Reply) -> Option<usize> {
    let mut name = name.to_ascii_lowercase();
    for length in 0..=reply.answer.len() {
        let next = reply
            .answer
            .iter()
            .find(|record| record.rtype == Type::CNAME && record.owner == name);
        match next {
            Some(alias) => name.clone_from(&alias.rdata),
            None => return Some(length),
        }
    }
    None
}

/// Whether an alias stands in one of the zones and leads into another.
fn crosses_zones(record: &Canonical) -> bool {
    let zone_of = |name: &[u8]| {
        let origins = zone::ORIGINS
            .iter()
            .filter(|origin| zone::is_within(name, &name_wire(origin)));
        origins.max_by_key(|origin| origin.len())
    };
    record.rtype == Type::CNAME
        && zone_of(&record.rdata).is_some_and(|target| zone_of(&record.owner) != Some(target))
}

#[test]
fn each_reason_is_listed_with_its_sentence() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/design/conformance.md");
    let text = std::fs::read_to_string(path).expect("read docs/design/conformance.md");
    for reason in Reason::ALL {
        let row = format!("| `{reason:?}` | {} |", reason.sentence());
        assert!(
            text.contains(&row),
            "docs/design/conformance.md lacks the row:\n{row}"
        );
    }
}
