//! What a zone may say but seldom means: NS, MX, SRV and CNAME that lead to nothing, to an alias or to a server without
//! an address (RFC 1034 §3.6.2, RFC 2181 §10.3, RFC 2782).
//!
//! Targets inside the zone are kept while the file is read, packed one after the other, and looked up once the zone is
//! whole. Delegations and wildcards count: what a wildcard covers exists (RFC 4592), and of names below a delegation
//! only glue is this zone's business.

use crate::catalog::ZoneName;
use crate::catalog::contents::types::{A, AAAA, CNAME, MX, NS, SRV};
use crate::catalog::contents::{Contents, Node, text};

use super::findings::Findings;
use super::limits::TARGET_OCTETS_MAX;
use super::parse::Record;

/// Octets of a target before its names: line, type, and the lengths of both names.
const HEAD_OCTETS: usize = 8;

/// Targets inside the zone, on their way to be looked up.
#[derive(Debug)]
pub(super) struct Targets {
    apex: Vec<u8>,
    packed: Vec<u8>,
    /// Whether there were more than are kept.
    is_full: bool,
}

/// A record that leads to a name of the zone; names are below the apex, in lower case.
#[derive(Clone, Copy, Debug)]
struct Target<'a> {
    line: u32,
    rtype: u16,
    owner: &'a [u8],
    target: &'a [u8],
}

/// What is at a name, seen from this zone.
enum Place<'c> {
    /// The name is there, or a wildcard stands for it.
    Here(Node<'c>),
    /// Below the delegation or at it: the child zone knows. With glue, if there is any.
    Below {
        cut: Node<'c>,
        has_glue: bool,
    },
    /// A DNAME above leads away.
    Renamed,
    Missing,
}

impl Targets {
    pub(super) fn new(apex: &ZoneName) -> Self {
        Self {
            apex: apex.to_wire(),
            packed: Vec::new(),
            is_full: false,
        }
    }

    /// Keeps the record's target, if it has one in the zone.
    pub(super) fn add(&mut self, record: Record<'_>) {
        let at = match record.rtype {
            NS | CNAME => 0,
            MX => 2,
            SRV => 6,
            _ => return,
        };
        let target = record.data.get(at..).and_then(|name| below(name, &self.apex));
        let (Some(target), Some(owner)) = (target, below(record.owner, &self.apex)) else {
            return;
        };
        if self.packed.len() + HEAD_OCTETS + owner.len() + target.len() > TARGET_OCTETS_MAX {
            self.is_full = true;
            return;
        }
        self.packed.extend_from_slice(&record.line.to_be_bytes());
        self.packed.extend_from_slice(&record.rtype.to_be_bytes());
        self.packed
            .extend_from_slice(&[owner.len() as u8, target.len() as u8]);
        for name in [owner, target] {
            self.packed.extend(name.iter().map(u8::to_ascii_lowercase));
        }
    }

    /// Looks all targets up, and warns of what is odd.
    pub(super) fn judge(&self, contents: &Contents, findings: &mut Findings) {
        let mut rest = &self.packed[..];
        while let Some((target, after)) = Target::split(rest) {
            rest = after;
            if let Some(message) = target.verdict(contents, &self.apex) {
                findings.warning(target.line, message);
            }
        }
        if self.is_full {
            findings.warning(
                0,
                format!(
                    "the zone has so many targets of NS, MX, SRV and CNAME that not all were looked up ({TARGET_OCTETS_MAX} octets are kept)"
                ),
            );
        }
    }
}

impl<'a> Target<'a> {
    /// The first of the packed targets, and the others.
    fn split(packed: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (head, rest) = packed.split_first_chunk::<HEAD_OCTETS>()?;
        let [a, b, c, d, high, low, owner, target] = *head;
        let (owner, rest) = rest.split_at_checked(usize::from(owner))?;
        let (target, rest) = rest.split_at_checked(usize::from(target))?;
        let line = u32::from_be_bytes([a, b, c, d]);
        let rtype = u16::from_be_bytes([high, low]);
        Some((
            Self {
                line,
                rtype,
                owner,
                target,
            },
            rest,
        ))
    }

    /// What is odd about it, if anything is.
    fn verdict(self, contents: &Contents, apex: &[u8]) -> Option<String> {
        // What was left out, as below a delegation, has been told already.
        let owner = contents.node(self.owner)?;
        owner.rrset(self.rtype)?;
        let kind = match self.rtype {
            NS => "NS",
            MX => "MX",
            SRV => "SRV",
            _ => "CNAME",
        };
        let whole = || text(&[self.target, apex].concat());
        let service = if self.rtype == NS {
            ""
        } else {
            "; a service may stand there"
        };
        let missing = || {
            Some(format!(
                "{kind}: its target {} is not in this file{service}",
                whole()
            ))
        };
        match place(contents, self.target) {
            Place::Missing if self.rtype == NS => Some(format!(
                "NS: the server {} is not in this file; give it an A or AAAA record",
                whole()
            )),
            Place::Missing => missing(),
            // A name that is there only because there are names below it.
            Place::Here(node) if self.rtype == CNAME => match node.has_records() {
                true => None,
                false => missing(),
            },
            Place::Here(node) if node.has_cname() => Some(format!(
                "{kind}: its target {} is an alias (CNAME), which it must not be (RFC 2181 §10.3); name the alias's target itself",
                whole()
            )),
            Place::Here(node) if has_address(node) => None,
            Place::Here(_) => Some(format!(
                "{kind}: its target {} has no A or AAAA record in this file{service}",
                whole()
            )),
            Place::Renamed if self.rtype == CNAME => None,
            Place::Renamed => Some(format!(
                "{kind}: its target {} is below a DNAME and so an alias, which it must not be (RFC 2181 §10.3)",
                whole()
            )),
            // RFC 9471 §2.1: without it nobody finds the way into the delegated zone.
            Place::Below { cut, has_glue: false } if self.rtype == NS && cut.name() == self.owner => {
                Some(format!(
                    "NS: the server {} is in the zone that it is to lead to; give it an A or AAAA record here (glue)",
                    whole()
                ))
            }
            Place::Below { .. } => None,
        }
    }
}

/// Finds a name, given below the apex in lower case.
fn place<'c>(contents: &'c Contents, name: &[u8]) -> Place<'c> {
    let mut starts = Vec::new();
    let mut at = 0;
    while at < name.len() {
        starts.push(at);
        at += 1 + usize::from(name[at]);
    }
    let mut encloser = contents.apex();
    // From the top down, as a question is answered (RFC 1034 §4.3.2).
    for start in starts.into_iter().rev() {
        if encloser.has_dname() {
            return Place::Renamed;
        }
        let Some(node) = contents.node(&name[start..]) else {
            if !encloser.has_wildcard_below() {
                return Place::Missing;
            }
            let wildcard = [b"\x01*", encloser.name()].concat();
            return contents.node(&wildcard).map_or(Place::Missing, Place::Here);
        };
        if node.is_cut() {
            let has_glue = contents.node(name).is_some_and(has_address);
            return Place::Below { cut: node, has_glue };
        }
        encloser = node;
    }
    Place::Here(encloser)
}

fn has_address(node: Node<'_>) -> bool {
    node.rrset(A).is_some() || node.rrset(AAAA).is_some()
}

/// What of `name` is below `apex`, both on the wire.
fn below<'n>(name: &'n [u8], apex: &[u8]) -> Option<&'n [u8]> {
    let split = name.len().checked_sub(apex.len())?;
    let mut at = 0;
    while at < split {
        at += 1 + usize::from(name[at]);
    }
    (at == split && name[split..].eq_ignore_ascii_case(apex)).then_some(&name[..split])
}
