//! Names of a zone file: delegations, DNAME, wildcards, aliases and plain records.
//!
//! A name is walked down from the apex, one look-up for each label, until it ends, is delegated, or is not there: so
//! a name of many labels that do not exist costs one look-up. Nothing is scanned.

use crate::catalog::contents::{Contents, Node, RRset};

use super::apex::Apex;
use super::chain::{Here, Step};
use super::find::{self, Found};
use super::gate::NAME_OCTETS_MAX;
use super::order::Scratch;
use super::records::Verdict;
use super::reply::{Owner, Reply, Section, YXDOMAIN, types};
use super::{Asked, Transport, additional};

/// Where a walk from the apex ends.
enum Walk<'c> {
    /// At the name itself.
    There(Node<'c>),
    /// At a delegation, at the name or above it, so many labels below the apex.
    Cut(Node<'c>, usize),
    /// At a DNAME above the name, so many labels below the apex.
    Dname(Node<'c>, usize),
    /// At the last name that exists, so many labels below the apex: the closest encloser (RFC 4592 §3.3.1), as far as
    /// the zone file says.
    Above(Node<'c>, usize),
}

fn walk<'c>(here: Here<'_>, contents: &'c Contents) -> Walk<'c> {
    let labels = here.zone.labels();
    let depth_of_name = here.name.labels() - labels;
    let mut node = contents.apex();
    for depth in 1..=depth_of_name {
        if node.has_dname() {
            return Walk::Dname(node, depth - 1);
        }
        match contents.node(here.name.below(labels, depth)) {
            // DS at the cut is the parent's, as the name is asked of it alone (RFC 4035 §3.1.4.1).
            Some(cut) if cut.is_cut() && !(depth == depth_of_name && here.qtype == types::DS) => {
                return Walk::Cut(cut, depth);
            }
            Some(below) => node = below,
            None => return Walk::Above(node, depth - 1),
        }
    }
    Walk::There(node)
}

/// Answers the apex.
pub(super) fn apex(here: Here<'_>, asked: &Asked, scratch: &mut Scratch, reply: &mut Reply<'_>) -> Step {
    let contents = here.zone.contents();
    let apex = Apex {
        zone: here.zone,
        at: Some(here.owner),
    };
    match here.qtype {
        types::SOA | types::ANY => apex.soa(reply, scratch),
        qtype => match contents.map(Contents::apex) {
            Some(node) if node.rrset(qtype).is_some() => return at(here, node, asked, scratch, reply),
            _ if qtype == types::NS => {
                apex.name_server(reply);
                additional::of_default_name_server(here, scratch, reply);
            }
            _ => {}
        },
    }
    Step::Done(Verdict::NoData)
}

/// Answers a name that the catalog has no records for; `exists` if it stands above one that does.
pub(super) fn name(
    here: Here<'_>,
    contents: &Contents,
    exists: bool,
    asked: &Asked,
    scratch: &mut Scratch,
    reply: &mut Reply<'_>,
) -> Step {
    match walk(here, contents) {
        Walk::There(node) => at(here, node, asked, scratch, reply),
        Walk::Cut(cut, depth) => referral(here, contents, (cut, depth), scratch, reply),
        Walk::Dname(node, depth) => dname(here, (node, depth), scratch, reply),
        Walk::Above(..) if exists => Step::Done(Verdict::NoData),
        Walk::Above(encloser, depth) => {
            // A service's name below it is closer, and has no wildcard below it: that would be a node of the file.
            let is_closest = || matches!(find::ancestor(here.zone, here.name, depth + 1), Found::Missing);
            match wildcard(contents, encloser) {
                Some(source) if is_closest() => at(here, source, asked, scratch, reply),
                _ => Step::Done(Verdict::NxDomain),
            }
        }
    }
}

/// Answers what the zone file has at a name of the catalog, which had nothing to say.
pub(super) fn beside(
    here: Here<'_>,
    contents: &Contents,
    verdict: Verdict,
    asked: &Asked,
    scratch: &mut Scratch,
    reply: &mut Reply<'_>,
) -> Step {
    let name = here.name.below_zone(here.zone.labels());
    match contents.node(name).filter(Node::has_records) {
        Some(node) => at(here, node, asked, scratch, reply),
        None => Step::Done(verdict),
    }
}

/// The wildcard directly below `encloser`.
fn wildcard<'c>(contents: &'c Contents, encloser: Node<'_>) -> Option<Node<'c>> {
    if !encloser.has_wildcard_below() {
        return None;
    }
    let above = encloser.name();
    let mut name = [0; NAME_OCTETS_MAX];
    name[..2].copy_from_slice(b"\x01*");
    name.get_mut(2..2 + above.len())?.copy_from_slice(above);
    contents.node(&name[..2 + above.len()])
}

/// Answers with the records of a node: the name's own, or those of the wildcard that covers it.
fn at(here: Here<'_>, node: Node<'_>, asked: &Asked, scratch: &mut Scratch, reply: &mut Reply<'_>) -> Step {
    let wanted = match here.qtype {
        // One RRset (RFC 8482 §4.1), and no signature alone.
        types::ANY => node.rrsets().find(|rrset| rrset.rtype != types::RRSIG),
        qtype => node.rrset(qtype),
    };
    if let Some(rrset) = wanted {
        if answer(here, rrset, asked, scratch, reply) {
            additional::of(here, rrset, asked, scratch, reply);
        }
    } else if let Some(alias) = node
        .rrset(types::CNAME)
        .and_then(|rrset| Some((rrset.ttl, rrset.data().next()?)))
    {
        let (ttl, target) = alias;
        let owner = Owner::At(here.owner);
        let written = reply.static_record(
            &mut scratch.names,
            Section::Answer,
            owner,
            (types::CNAME, ttl),
            target,
        );
        match written {
            Some(target) => return Step::Alias(target),
            None => cut(asked, scratch, reply),
        }
    }
    Step::Done(Verdict::NoData)
}

/// Appends an RRset to the answer, as many of its records as fit; whether all did.
fn answer(
    here: Here<'_>,
    rrset: RRset<'_>,
    asked: &Asked,
    scratch: &mut Scratch,
    reply: &mut Reply<'_>,
) -> bool {
    let owner = Owner::At(here.owner);
    for data in rrset.data() {
        let head = (rrset.rtype, rrset.ttl);
        if reply
            .static_record(&mut scratch.names, Section::Answer, owner, head, data)
            .is_none()
        {
            cut(asked, scratch, reply);
            return false;
        }
    }
    true
}

/// Notes that records did not fit: TC on UDP, a count where even TCP holds no more.
pub(super) fn cut(asked: &Asked, scratch: &mut Scratch, reply: &mut Reply<'_>) {
    match asked.transport {
        Transport::Udp => reply.truncate(),
        Transport::Tcp => scratch.left_out += 1,
    }
}

/// Refers to the servers of a child zone: NS in Authority, their addresses in Additional (RFC 1034 §4.3.2 step 3b). What
/// was answered before stays authoritative.
fn referral(
    here: Here<'_>,
    contents: &Contents,
    (cut, depth): (Node<'_>, usize),
    scratch: &mut Scratch,
    reply: &mut Reply<'_>,
) -> Step {
    if reply.count(Section::Answer) == 0 {
        reply.refer();
    }
    let Some(servers) = cut.rrset(types::NS) else {
        return Step::Referred;
    };
    let owner = here.name.suffix(here.zone.labels() + depth);
    for data in servers.data() {
        let written = reply.static_record(
            &mut scratch.names,
            Section::Authority,
            Owner::Name(owner),
            (types::NS, servers.ttl),
            data,
        );
        if written.is_none() {
            reply.truncate();
            return Step::Referred;
        }
    }
    additional::glue(here, contents, (cut, depth, servers), scratch, reply);
    Step::Referred
}

/// Answers with a DNAME above the name and the alias that follows from it (RFC 6672 §3.2).
fn dname(
    here: Here<'_>,
    (node, depth): (Node<'_>, usize),
    scratch: &mut Scratch,
    reply: &mut Reply<'_>,
) -> Step {
    let done = Step::Done(Verdict::NoData);
    let Some((ttl, target)) = node
        .rrset(types::DNAME)
        .and_then(|rrset| Some((rrset.ttl, rrset.data().next()?)))
    else {
        return done;
    };
    let labels = here.zone.labels() + depth;
    let names = &mut scratch.names;
    let owner = here.name.suffix(labels);
    // Where aliases led back to it, it stands there already (RFC 2181 §5).
    let is_there = reply.has_answer(owner, types::DNAME);
    let owner = Owner::Name(owner);
    if !is_there
        && reply
            .static_record(names, Section::Answer, owner, (types::DNAME, ttl), target)
            .is_none()
    {
        reply.truncate();
        return done;
    }
    let prefix = here.name.below(labels, here.name.labels() - labels);
    let mut name = [0; NAME_OCTETS_MAX];
    let Some(room) = name.get_mut(..prefix.len() + target.len()) else {
        reply.set_rcode(YXDOMAIN);
        return done;
    };
    room[..prefix.len()].copy_from_slice(prefix);
    room[prefix.len()..].copy_from_slice(target);
    let owner = Owner::At(here.owner);
    match reply.static_record(names, Section::Answer, owner, (types::CNAME, ttl), room) {
        Some(target) => Step::Alias(target),
        None => {
            reply.truncate();
            done
        }
    }
}
