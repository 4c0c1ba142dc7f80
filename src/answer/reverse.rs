//! Reverse names: PTR to the host names of the instances that have an address (RFC 1035 §3.5, RFC 3596 §2.5).
//!
//! What a zone file has at an address's name is of the same RRset if it is PTR, and stands beside it otherwise; where
//! it delegates, redirects or is an alias, it is all that is said (`catalog::reverse::is_published`).

use crate::catalog::reverse::{Hosts, is_published};
use crate::view::ZoneView;

use super::chain::{Here, Step};
use super::find::Found;
use super::gate::NAME_OCTETS_MAX;
use super::order::Scratch;
use super::records::Verdict;
use super::reply::{Owner, Reply, Section, types};
use super::{Asked, statics};

/// What the name with `depth` labels below a reverse zone's apex stands for; `label` gives them, the topmost being 1. A
/// name above addresses exists without records.
pub(super) fn found<'z, 'n>(
    zone: &'z ZoneView,
    depth: usize,
    label: impl Fn(usize) -> &'n [u8],
) -> Option<Found<'z>> {
    let reverse = zone.reverse()?;
    let place = (1..=depth).try_fold(reverse.prefix(), |place, at| place.below(label(at)))?;
    let hosts = reverse.at(place)?;
    Some(if place.is_address() {
        Found::Address(hosts)
    } else {
        Found::Between
    })
}

/// The instances' host names at a name that is a service's too.
pub(super) fn beside(here: Here<'_>) -> Option<Hosts<'_>> {
    let labels = here.zone.labels();
    match found(here.zone, here.name.labels() - labels, |at| {
        here.name.label(labels + at)
    })? {
        Found::Address(hosts) => Some(hosts),
        _ => None,
    }
}

/// The instances' host names at an apex, if PTR of it is asked: a zone may be of one address.
pub(super) fn at_apex<'z>(here: Here<'z>) -> Option<Hosts<'z>> {
    let reverse = here.zone.reverse()?;
    if here.qtype == types::PTR && reverse.prefix().is_address() {
        reverse.at(reverse.prefix())
    } else {
        None
    }
}

/// Answers the name of an address.
pub(super) fn answer(
    here: Here<'_>,
    hosts: Hosts<'_>,
    asked: &Asked,
    scratch: &mut Scratch,
    reply: &mut Reply<'_>,
) -> Step {
    let contents = here.zone.contents();
    if let Some(contents) = contents
        && !is_published(contents, here.name.below_zone(here.zone.labels()))
    {
        return statics::name(here, contents, true, asked, scratch, reply);
    }
    match contents {
        _ if matches!(here.qtype, types::PTR | types::ANY) => pointers(here, hosts, asked, scratch, reply),
        Some(contents) => return statics::beside(here, contents, Verdict::NoData, asked, scratch, reply),
        None => {}
    }
    Step::Done(Verdict::NoData)
}

/// Appends the PTR RRset, as many of its records as fit: those of instances, then those of the zone file alone. Its TTL
/// is the least of both (RFC 2181 §5.2).
fn pointers(here: Here<'_>, hosts: Hosts<'_>, asked: &Asked, scratch: &mut Scratch, reply: &mut Reply<'_>) {
    let zone = here.zone;
    let own = zone
        .contents()
        .and_then(|contents| contents.node(here.name.below_zone(zone.labels())))
        .and_then(|node| node.rrset(types::PTR));
    let ttl = own.map_or(zone.ttl(), |own| own.ttl.min(zone.ttl()));
    let mut add = |data: &[u8]| {
        let head = (types::PTR, ttl);
        reply
            .static_record(
                &mut scratch.names,
                Section::Answer,
                Owner::At(here.owner),
                head,
                data,
            )
            .is_some()
    };
    let fit = hosts.each(&mut add)
        && own
            .iter()
            .flat_map(|own| own.data())
            .filter(|data| !is_host(hosts, data))
            .all(add);
    if !fit {
        statics::cut(asked, scratch, reply);
    }
}

/// Whether a name of the zone file, in any case, is that of an instance at the same address.
fn is_host(hosts: Hosts<'_>, name: &[u8]) -> bool {
    let mut lower = [0; NAME_OCTETS_MAX];
    let Some(lower) = lower.get_mut(..name.len()) else {
        return false;
    };
    lower.copy_from_slice(name);
    lower.make_ascii_lowercase();
    hosts.has(lower)
}
