//! Additional records of static answers: addresses of the names that an RRset's data point to, in its own zone.
//!
//! They go first when room is short, whole RRsets at a time and without TC; only glue of a referral that lies below
//! the cut must be there or TC says that it is not (RFC 9471).

use crate::catalog::contents::{Contents, Node, RRset, name_at, name_end};

use crate::view::ZoneView;

use super::Asked;
use super::chain::Here;
use super::find::{self, Found};
use super::gate::NAME_OCTETS_MAX;
use super::hosts;
use super::name::Folded;
use super::order::Scratch;
use super::records::{self, Context, Verdict};
use super::reply::{Owner, Reply, Section, types};

/// At most so many names bring additional records.
const TARGETS_MAX: usize = 32;

/// Adds what RFC 1035 §3.3, RFC 2782 and RFC 9460 §4.1 say for an RRset that was answered whole.
pub(super) fn of(
    here: Here<'_>,
    rrset: RRset<'_>,
    asked: &Asked,
    scratch: &mut Scratch,
    reply: &mut Reply<'_>,
) {
    let is_binding = matches!(rrset.rtype, types::SVCB | types::HTTPS);
    let asks = is_binding
        || matches!(
            rrset.rtype,
            types::NS | types::MX | types::SRV | types::AFSDB | types::KX | types::RT
        );
    if !asks {
        return;
    }
    for (data, target) in targets(rrset) {
        if target == [0] {
            // The owner itself, or, of an alias, nothing (RFC 9460 §2.5).
            if is_binding && data[..2] != [0, 0] {
                addresses(here, here.name.wire(), asked, scratch, reply);
            }
            continue;
        }
        if is_binding && data[..2] == [0, 0] {
            binding(here, rrset.rtype, target, asked, scratch, reply);
        }
        addresses(here, target, asked, scratch, reply);
    }
}

/// The first records of an RRset with the names that they lead to, each name once: several SRV may name one host.
fn targets<'c>(rrset: RRset<'c>) -> impl Iterator<Item = (&'c [u8], &'c [u8])> {
    let with_target = move |data| Some((data, target(rrset.rtype, data)?));
    let records = move || rrset.data().take(TARGETS_MAX).filter_map(with_target);
    records().enumerate().filter_map(move |(at, (data, target))| {
        let is_first = !records()
            .take(at)
            .any(|(_, other)| other.eq_ignore_ascii_case(target));
        is_first.then_some((data, target))
    })
}

/// The first name in the data of that type.
fn target(rtype: u16, data: &[u8]) -> Option<&[u8]> {
    let at = name_at(rtype)?;
    data.get(at..name_end(data, at)?)
}

/// Adds the binding that an alias leads to, and its addresses.
fn binding(
    here: Here<'_>,
    rtype: u16,
    target: &[u8],
    asked: &Asked,
    scratch: &mut Scratch,
    reply: &mut Reply<'_>,
) {
    let Some(contents) = here.zone.contents() else {
        return;
    };
    let Some(name) = in_zone(here.zone, target) else {
        return;
    };
    let node = contents.node(name.below_zone(here.zone.labels()));
    let Some(found) = node.and_then(|node| node.rrset(rtype)) else {
        return;
    };
    if whole(found, Section::Additional, target, scratch, reply) {
        for (data, next) in targets(found) {
            if next != [0] && data[..2] != [0, 0] {
                addresses(here, next, asked, scratch, reply);
            }
        }
    }
}

/// `target` in lower case, if it lies in the zone.
fn in_zone(zone: &ZoneView, target: &[u8]) -> Option<Folded> {
    Folded::new(target).filter(|name| name.is_in(zone.apex(), zone.labels()))
}

/// Adds the addresses of `target`, if it lies in the zone.
fn addresses(here: Here<'_>, target: &[u8], asked: &Asked, scratch: &mut Scratch, reply: &mut Reply<'_>) {
    let zone = here.zone;
    let Some(name) = in_zone(zone, target) else { return };
    let context = |service, owner| Context {
        zone,
        service,
        asked,
        owner,
    };
    match find::name(zone, &name) {
        Found::Host(service, member) => {
            if let Some(owner) = reply.pointer_to(&scratch.names, target) {
                hosts::additional_of_host(context(service, owner), member, reply);
            }
        }
        Found::Selection(service, selection) => {
            let Some(owner) = reply.pointer_to(&scratch.names, target) else {
                return;
            };
            let context = context(service, owner);
            if records::verdict(selection.services.standing(), context.on_empty()) == Verdict::Records {
                records::additional_of_selection(context, selection, reply);
            }
        }
        Found::NameServer => {
            if let Some(owner) = reply.pointer_to(&scratch.names, target) {
                super::apex::additional_of_name_server(zone, owner, reply);
            }
        }
        _ => {
            let below = name.below_zone(zone.labels());
            if let Some(node) = zone.contents().and_then(|contents| contents.node(below)) {
                static_addresses(node, target, scratch, reply);
            }
        }
    }
}

/// Adds what the zone file has of the addresses of `ns.Z`, where that is the name server because no NS says otherwise.
pub(super) fn of_default_name_server(here: Here<'_>, scratch: &mut Scratch, reply: &mut Reply<'_>) {
    let label = b"\x02ns";
    let Some(node) = here.zone.contents().and_then(|contents| contents.node(label)) else {
        return;
    };
    let apex = here.zone.apex();
    let mut name = [0; NAME_OCTETS_MAX];
    if let Some(room) = name.get_mut(..label.len() + apex.len()) {
        room[..label.len()].copy_from_slice(label);
        room[label.len()..].copy_from_slice(apex);
        static_addresses(node, room, scratch, reply);
    }
}

/// Adds A and AAAA of a node; whether all of them fitted.
fn static_addresses(node: Node<'_>, owner: &[u8], scratch: &mut Scratch, reply: &mut Reply<'_>) -> bool {
    let mut fitted = true;
    for rtype in [types::A, types::AAAA] {
        if let Some(rrset) = node.rrset(rtype) {
            fitted &= whole(rrset, Section::Additional, owner, scratch, reply);
        }
    }
    fitted
}

/// Appends an RRset whole or not at all: half of one would be taken for the whole (RFC 2181 §5).
fn whole(
    rrset: RRset<'_>,
    section: Section,
    owner: &[u8],
    scratch: &mut Scratch,
    reply: &mut Reply<'_>,
) -> bool {
    let (before, names) = (reply.mark(), scratch.names.len());
    for data in rrset.data() {
        let head = (rrset.rtype, rrset.ttl);
        if reply
            .static_record(&mut scratch.names, section, Owner::Name(owner), head, data)
            .is_none()
        {
            reply.back_to(before);
            scratch.names.truncate(names);
            return false;
        }
    }
    true
}

/// Adds the addresses of a referral's servers: first those below the cut, without which nobody finds them, then those
/// elsewhere in the zone.
pub(super) fn glue(
    here: Here<'_>,
    contents: &Contents,
    (cut, depth, servers): (Node<'_>, usize, RRset<'_>),
    scratch: &mut Scratch,
    reply: &mut Reply<'_>,
) {
    for is_needed in [true, false] {
        for target in servers.data().take(TARGETS_MAX) {
            let Some(name) = in_zone(here.zone, target) else {
                continue;
            };
            let labels = here.zone.labels();
            let is_below_cut = labels + depth <= name.labels() && name.below(labels, depth) == cut.name();
            if is_below_cut != is_needed {
                continue;
            }
            let node = contents.node(name.below_zone(labels));
            let fitted = node.is_none_or(|node| static_addresses(node, target, scratch, reply));
            if !fitted && is_needed {
                reply.truncate();
                return;
            }
        }
    }
}
