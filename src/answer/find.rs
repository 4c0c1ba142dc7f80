//! Zone and name: what a question's name stands for.

use crate::catalog::Protocol;
use crate::catalog::reverse::Hosts;
use crate::view::{Row, Selection, ServiceView, Services, Snapshot, TypePorts, ZoneView};

use super::name::Folded;
use super::reply::types;
use super::reverse;

/// What a name stands for in its zone.
pub(super) enum Found<'a> {
    /// The zone's apex.
    Apex,
    /// The default name server, `ns.Z`.
    NameServer,
    /// It exists, because a name below it does, and has no records (RFC 4592 §2.2.2).
    Between,
    /// It does not exist.
    Missing,
    /// An instance's host name.
    Host(ServiceView<'a>, usize),
    /// `web.Z` or `canary.web.Z`.
    Selection(ServiceView<'a>, Selection),
    /// `_http._tcp.web.Z`.
    Services(ServiceView<'a>, Services),
    /// `_http._tcp.canary.web.Z`: the bearers of the tag, and the number of the port's name.
    PortOfTag(ServiceView<'a>, Row, u32),
    /// The reverse name of an address that instances have.
    Address(Hosts<'a>),
    /// `_web._tcp.Z`: what the service of that name selects, and the service type of that name; one of them may be
    /// missing.
    Type(Protocol, Option<(ServiceView<'a>, Services)>),
    /// `web-1@web._http._tcp.Z`: a member, and its ports of the type.
    Instance(ServiceView<'a>, usize, TypePorts),
    /// `_services._dns-sd._udp.Z`.
    ServiceTypes,
    /// `b._dns-sd._udp.Z`.
    BrowsingDomain,
}

/// The longest zone that matches. At most one look-up for each number of labels that a zone has. DS of an apex belongs
/// to the zone above, if that is ours too (RFC 4035 §3.1.4.1).
pub(super) fn zone<'s>(snapshot: &'s Snapshot, name: &Folded, qtype: u16) -> Option<&'s ZoneView> {
    let longest = longest(snapshot, name, name.labels())?;
    if qtype == types::DS && longest.labels() == name.labels() {
        let above = longest.labels().checked_sub(1);
        return above
            .and_then(|labels| self::longest(snapshot, name, labels))
            .or(Some(longest));
    }
    Some(longest)
}

/// The longest zone that matches and has at most so many labels.
#[inline]
fn longest<'s>(snapshot: &'s Snapshot, name: &Folded, labels: usize) -> Option<&'s ZoneView> {
    if let Some(lone) = snapshot.lone() {
        let is_in = lone.labels() <= labels && name.is_in(lone.apex(), lone.labels());
        return is_in.then_some(lone);
    }
    let mut counts = snapshot.label_counts(labels);
    while let Some(labels) = counts.checked_ilog2() {
        // No name has more labels than bits, and a zone's bit is that of its labels.
        let found = snapshot.zone(name.suffix(labels as usize));
        if found.is_some() {
            return found;
        }
        counts ^= 1 << labels;
    }
    None
}

/// What `name` stands for in `zone`, which it is in, as far as the catalog says. Hash look-ups and binary searches
/// only: a name that does not exist costs what one that does costs.
pub(super) fn name<'z>(zone: &'z ZoneView, name: &Folded) -> Found<'z> {
    ancestor(zone, name, name.labels() - zone.labels())
}

/// What the ancestor of `name` stands for that has `depth` labels below the apex.
pub(super) fn ancestor<'z>(zone: &'z ZoneView, name: &Folded, depth: usize) -> Found<'z> {
    let label = |at: usize| name.label(zone.labels() + at);
    if depth == 0 {
        return Found::Apex;
    }
    let found = if let Some(protocol) = protocol(label(1)) {
        beside_services(zone, protocol, depth, label)
    } else if let Some(service) = zone.service(label(1)) {
        below_service(service, depth, label)
    } else if depth == 1 && label(1) == b"ns" && zone.has_default_name_server() {
        Some(Found::NameServer)
    } else {
        None
    };
    found
        .or_else(|| reverse::found(zone, depth, label))
        .unwrap_or_else(|| {
            if zone.is_between(name.below(zone.labels(), depth)) {
                Found::Between
            } else {
                Found::Missing
            }
        })
}

/// `_tcp.Z` and below: the form of RFC 2782, and service types (RFC 6763 §4).
fn beside_services<'z, 'n>(
    zone: &'z ZoneView,
    protocol: Protocol,
    depth: usize,
    label: impl Fn(usize) -> &'n [u8],
) -> Option<Found<'z>> {
    // Where browsing begins; `_udp.Z` and `_dns-sd._udp.Z` stand above it.
    let is_browsed = |octets: &[u8]| protocol == Protocol::Udp && octets == b"_dns-sd" && zone.has_types();
    match depth {
        1 => {
            let exists = zone.has_protocol(protocol) || (protocol == Protocol::Udp && zone.has_types());
            exists.then_some(Found::Between)
        }
        2 => {
            let name = label(2).strip_prefix(b"_")?;
            let own = zone.service(name);
            let own = own.and_then(|service| Some((service, service.protocol(protocol)?)));
            if own.is_some() || zone.knows_type(name, protocol) {
                Some(Found::Type(protocol, own))
            } else {
                is_browsed(label(2)).then_some(Found::Between)
            }
        }
        3 => match label(3) {
            b"_services" if is_browsed(label(2)) => Some(Found::ServiceTypes),
            b"b" if is_browsed(label(2)) => Some(Found::BrowsingDomain),
            instance => {
                let name = label(2).strip_prefix(b"_")?;
                let (service, member, ports) = zone.browsed_instance(instance, name, protocol)?;
                Some(Found::Instance(service, member, ports))
            }
        },
        _ => None,
    }
}

/// `web.Z` and below.
fn below_service<'z, 'n>(
    service: ServiceView<'z>,
    depth: usize,
    label: impl Fn(usize) -> &'n [u8],
) -> Option<Found<'z>> {
    if depth == 1 {
        return Some(Found::Selection(service, service.own()));
    }
    if let Some(protocol) = protocol(label(2)) {
        return match depth {
            2 => service.protocol(protocol).map(|_| Found::Between),
            3 => {
                let (_, services) = service.port(label(3).strip_prefix(b"_")?, protocol)?;
                Some(Found::Services(service, services))
            }
            _ => None,
        };
    }
    if depth == 2 {
        // A host name goes before a tag that lingers; a living tag cannot have the label of a living id.
        if let Some(member) = service.member(label(2)) {
            return Some(Found::Host(service, member));
        }
        return service
            .tag(label(2))
            .map(|(_, selection)| Found::Selection(service, selection));
    }
    let (bearers, _) = service.tag(label(2))?;
    let protocol = protocol(label(3))?;
    match depth {
        3 => service.protocol(protocol).map(|_| Found::Between),
        4 => {
            let (port, _) = service.port(label(4).strip_prefix(b"_")?, protocol)?;
            Some(Found::PortOfTag(service, bearers, port))
        }
        _ => None,
    }
}

#[inline]
fn protocol(label: &[u8]) -> Option<Protocol> {
    if label.first() != Some(&b'_') {
        return None;
    }
    match label {
        b"_tcp" => Some(Protocol::Tcp),
        b"_udp" => Some(Protocol::Udp),
        b"_sctp" => Some(Protocol::Sctp),
        _ => None,
    }
}
