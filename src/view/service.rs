//! One service as questions see it: which records stand behind each of its names, laid out so that an answer copies
//! them and computes nothing but order.
//!
//! Records are kept once (addresses by [`ServiceView::v4`] and [`ServiceView::v6`], SRV data by
//! [`ServiceView::port_at`]); a name holds a list of numbers of them, and equal lists are kept once. TTL, `on_empty`
//! and `answer_limit` are not baked in: a zone's settings can change without touching its services.

use std::fmt;
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64;

use super::packed::{MEMBER_WORDS, PORT_WORDS};
use super::types::Browsed;
use crate::catalog::{OnEmpty, PortName, Protocol, Service, ServiceName, TagLabel};

/// A part of a service's words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Range {
    start: u32,
    len: u32,
}

impl Range {
    pub(super) fn new(start: usize, len: usize) -> Self {
        Self {
            start: start as u32,
            len: len as u32,
        }
    }

    pub(super) fn start(self) -> u32 {
        self.start
    }

    /// How many numbers.
    pub fn len(self) -> usize {
        self.len as usize
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.len == 0
    }

    /// The first half.
    pub(super) fn half(self) -> Self {
        Self {
            start: self.start,
            len: self.len / 2,
        }
    }

    /// The range of `list`, if this one's numbers in `all` begin with it.
    pub(super) fn prefix(self, all: &[u32], list: &[u32]) -> Option<Self> {
        self.of(all).starts_with(list).then_some(Self {
            start: self.start,
            len: list.len() as u32,
        })
    }

    pub(super) fn of<T>(self, all: &[T]) -> &[T] {
        let start = self.start as usize;
        &all[start..start + self.len as usize]
    }
}

/// Whether a selection has an answerable instance, and if not, whether it has one for `on_empty: all`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// It has; the lists are of those.
    Answerable,
    /// It has none; the lists are of those that are not draining.
    FailOpen,
    /// Neither.
    #[default]
    Empty,
}

/// The addresses of one family behind a name: those of its lowest tier.
#[derive(Clone, Copy, Debug, Default)]
pub struct Addresses {
    /// Numbers in `v4` or `v6`, each once, in the order of the ring. The same number of members follows in the list:
    /// the first on the ring that has each.
    entries: Range,
    /// Their summed weights in the same order; empty if all are equal.
    weights: Range,
    /// Address by address of each member, followed by the members in the same way; empty if that is what `entries`
    /// is, because no address is shared.
    pairs: Range,
}

/// Addresses to choose from.
#[derive(Clone, Copy, Debug)]
pub struct AddressList<'a> {
    /// Numbers in `v4` or `v6`.
    pub numbers: &'a [u32],
    /// Whose each is.
    pub members: &'a [u32],
    /// Its weight, if they differ.
    pub weights: &'a [u32],
}

impl Addresses {
    pub(super) fn new(entries: Range, weights: Range, pairs: Range) -> Self {
        Self {
            entries,
            weights,
            pairs,
        }
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.entries.is_empty()
    }

    /// Each address once.
    pub fn each_once(self, service: &ServiceView) -> AddressList<'_> {
        let (numbers, members) = service.twin_list(self.entries);
        AddressList {
            numbers,
            members,
            weights: service.list(self.weights),
        }
    }

    /// The addresses of each member, if some member shares one with another.
    pub fn by_member(self, service: &ServiceView) -> Option<AddressList<'_>> {
        let (numbers, members) = service.twin_list(self.pairs);
        (!numbers.is_empty()).then_some(AddressList {
            numbers,
            members,
            weights: &[],
        })
    }
}

/// The SRV records behind a name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Services {
    /// Whose they are.
    pub standing: Standing,
    /// Numbers of ports, in the order of tier, ring and port.
    pub entries: Range,
}

/// What stands behind the service's own name or a tag's.
#[derive(Clone, Copy, Debug, Default)]
pub struct Selection {
    /// A records.
    pub v4: Addresses,
    /// AAAA records.
    pub v6: Addresses,
    /// SRV records; its standing is that of all three.
    pub services: Services,
}

/// An instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its priority: the tier.
    pub priority: u16,
    /// Its weight.
    pub weight: u16,
    /// Numbers of IPv4 addresses.
    pub v4: Range,
    /// Numbers of IPv6 addresses.
    pub v6: Range,
    /// The number of its first port.
    pub port: u32,
    /// How many ports it has.
    pub ports: u8,
    /// Whether it is not draining.
    pub stays: bool,
}

/// A port of an instance: one SRV record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortView {
    /// Where the member's id stands among the ids.
    pub(super) id: u32,
    /// Number of the member.
    pub member: u16,
    /// Number of the name in `port_names`: a service may have a quarter of a million.
    pub name: u32,
    /// The port.
    pub number: u16,
    /// Octets of the member's id.
    pub label_octets: u8,
    /// Whether it is answered.
    pub answered: bool,
}

/// A service as questions see it. What every answer reads stands first and is not behind another pointer: in a
/// catalog larger than the caches, each pointer costs more than the rest of the answer.
#[repr(C)]
pub struct ServiceView {
    pub(super) label: ServiceName,
    pub(super) ttl: Option<u32>,
    pub(super) answer_limit: Option<u32>,
    pub(super) on_empty: Option<OnEmpty>,
    pub(super) layout: Sections,
    /// Lists, addresses, members, ports and ids, one after the other.
    pub(super) words: Box<[u32]>,
    /// Behind the service's own name.
    pub own: Selection,
    pub(super) service: Arc<Service>,
    /// The only protocol there is, if asking for it is asking for all: most services have no other.
    pub(super) only_protocol: Option<Protocol>,
    /// What the zone's index of service types must know of it.
    pub(super) browsed: Browsed,
    /// Otherwise what stands behind each protocol.
    pub(super) protocols: Box<[(Protocol, Services)]>,
    pub(super) port_names: Box<[(PortName, Protocol, Services)]>,
    pub(super) tags: Box<[(TagLabel, Range, Selection)]>,
}

/// Where in a service's words what begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sections {
    /// IPv4 addresses, each once: a word each.
    pub(super) v4: Range,
    /// IPv6 addresses, each once: four words each.
    pub(super) v6: Range,
    /// Instances by id, as in the catalog.
    pub(super) members: Range,
    /// Ports by member.
    pub(super) ports: Range,
    /// The ids of members that have ports, end to end as octets.
    pub(super) ids: Range,
}

impl fmt::Debug for ServiceView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceView")
            .field("service", &self.service)
            .finish_non_exhaustive()
    }
}

impl ServiceView {
    /// The service's label, in lower case, without its length octet.
    pub fn label(&self) -> &[u8] {
        self.label.as_str().as_bytes()
    }

    /// The service in the catalog.
    pub fn service(&self) -> &Arc<Service> {
        &self.service
    }

    /// The service's own TTL in seconds.
    pub fn ttl(&self) -> Option<u32> {
        self.ttl
    }

    /// The service's own `on_empty`.
    pub fn on_empty(&self) -> Option<OnEmpty> {
        self.on_empty
    }

    /// The service's own `answer_limit`.
    pub fn answer_limit(&self) -> Option<u32> {
        self.answer_limit
    }

    /// The numbers of a range.
    pub fn list(&self, range: Range) -> &[u32] {
        range.of(&self.words)
    }

    /// The IPv4 address of that number.
    pub fn v4(&self, number: u32) -> [u8; 4] {
        self.list(self.layout.v4)[number as usize].to_be_bytes()
    }

    /// The IPv6 address of that number.
    pub fn v6(&self, number: u32) -> &[u8] {
        let start = 4 * number as usize;
        bytemuck::cast_slice(&self.list(self.layout.v6)[start..start + 4])
    }

    /// How many different IPv4 and IPv6 addresses there are.
    pub fn address_counts(&self) -> [usize; 2] {
        [self.layout.v4.len(), self.layout.v6.len() / 4]
    }

    /// How many instances there are.
    pub fn members_len(&self) -> usize {
        self.layout.members.len() / MEMBER_WORDS
    }

    /// An instance by its number.
    #[inline]
    pub fn member_at(&self, number: usize) -> Member {
        let start = number * MEMBER_WORDS;
        Member::unpack(&self.list(self.layout.members)[start..start + MEMBER_WORDS])
    }

    /// How many ports there are.
    pub fn ports_len(&self) -> usize {
        self.layout.ports.len() / PORT_WORDS
    }

    /// A port by its number.
    #[inline]
    pub fn port_at(&self, number: u32) -> PortView {
        let start = number as usize * PORT_WORDS;
        PortView::unpack(&self.list(self.layout.ports)[start..start + PORT_WORDS])
    }

    /// The id of the member that a port is of.
    pub fn id_of(&self, port: &PortView) -> &[u8] {
        let ids: &[u8] = bytemuck::cast_slice(self.list(self.layout.ids));
        let start = port.id as usize;
        &ids[start..start + usize::from(port.label_octets)]
    }

    /// The numbers of a range, and as many after them that belong to them.
    fn twin_list(&self, range: Range) -> (&[u32], &[u32]) {
        let start = range.start as usize;
        self.words[start..start + 2 * range.len()].split_at(range.len())
    }

    /// The id of a member.
    pub fn id(&self, member: usize) -> &str {
        self.service.instances[member].id.as_str()
    }

    /// The member of that id.
    pub fn member(&self, id: &[u8]) -> Option<usize> {
        self.service
            .instances
            .binary_search_by(|instance| instance.id.as_str().as_bytes().cmp(id))
            .ok()
    }

    /// The place of a member on the ring from which truncated answers take a window. It depends on nothing but the
    /// id, so that restarts and other servers choose alike.
    pub fn ring(&self, member: usize) -> u64 {
        ring(self.id(member).as_bytes())
    }

    /// `_web._tcp.Z`, if it exists.
    pub fn protocol(&self, protocol: Protocol) -> Option<&Services> {
        if self.only_protocol == Some(protocol) {
            return Some(&self.own.services);
        }
        let found = self.protocols.iter().find(|(known, _)| *known == protocol);
        found.map(|(_, services)| services)
    }

    /// `_http._tcp.web.Z`, if it exists, with the number of its name.
    pub fn port(&self, name: &[u8], protocol: Protocol) -> Option<(u32, &Services)> {
        let key = |entry: &(PortName, Protocol, Services)| {
            entry
                .0
                .as_str()
                .as_bytes()
                .cmp(name)
                .then_with(|| entry.1.cmp(&protocol))
        };
        let at = self.port_names.binary_search_by(key).ok()?;
        Some((at as u32, &self.port_names[at].2))
    }

    /// `canary.web.Z`, if it exists, with the members that bear the tag in the order of tier and ring.
    pub fn tag(&self, label: &[u8]) -> Option<(Range, &Selection)> {
        let at = self
            .tags
            .binary_search_by(|entry| entry.0.as_str().as_bytes().cmp(label))
            .ok()?;
        let (_, bearers, selection) = &self.tags[at];
        Some((*bearers, selection))
    }

    /// The ports of a member, with their numbers.
    pub fn ports_of(&self, member: usize) -> impl Iterator<Item = (u32, PortView)> {
        let Member { port, ports, .. } = self.member_at(member);
        (port..port + u32::from(ports)).map(|at| (at, self.port_at(at)))
    }

    /// The port of a member that has this name (its number among the names), with its number. A member's ports stand
    /// in the order of their names, and so do the names.
    pub fn port_of(&self, member: usize, name: u32) -> Option<(u32, PortView)> {
        let Member { port, ports, .. } = self.member_at(member);
        let (mut low, mut high) = (port, port + u32::from(ports));
        while low < high {
            let middle = low + (high - low) / 2;
            let found = self.port_at(middle);
            match found.name.cmp(&name) {
                std::cmp::Ordering::Equal => return Some((middle, found)),
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        None
    }
}

/// The place of an octet string on the ring. Fixed for ever: a change of it would reshuffle every truncated answer.
pub fn ring(octets: &[u8]) -> u64 {
    xxh3_64(octets)
}
