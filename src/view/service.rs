//! One service as questions see it: which records stand behind each of its names, laid out so that an answer copies
//! them and computes nothing but order.
//!
//! A service is one block of memory: a head, and words behind it. In a catalog larger than the caches each cache line
//! costs more than the rest of the answer, so what every answer reads stands first and everything else close behind.
//! Records are kept once (addresses by [`ServiceView::v4`] and [`ServiceView::v6`], SRV data by
//! [`ServiceView::port_at`]); members stand in the order of tier and ring, so that most names are all of the records
//! in a row and need no list of their numbers. TTL, `on_empty` and `answer_limit` are not baked in: a zone's settings
//! can change without touching its services.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use triomphe::ThinArc;
use xxhash_rust::xxh3::xxh3_64;

use super::list::{AddressList, Addresses, Numbers, Row, Selection, Services};
use super::packed::{MEMBER_WORDS, Member, NAME_WORDS, NameRow, PORT_WORDS, PortView, TAG_WORDS, TagRow};
use super::search::{find, partition};
use super::types::Browsed;
use crate::catalog::{OnEmpty, Protocol, Service};

/// What nearly every answer reads.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) service: Arc<Service>,
    /// Behind the service's own name.
    pub(super) own: Selection,
    pub(super) sections: Sections,
    /// The service's own in seconds, or [`NO_TTL`].
    pub(super) ttl: u32,
    /// The service's own, if [`Head::flags`] say that it has one.
    pub(super) answer_limit: u32,
    pub(super) label_octets: u8,
    pub(super) on_empty: Option<OnEmpty>,
    /// The only protocol there is, if asking for it is asking for all: most services have no other.
    pub(super) only_protocol: Option<Protocol>,
    /// Bits: protocol n is known; from [`SHARED`] on, members share an address of family n; [`LIMITED`].
    pub(super) flags: u8,
    /// What the zone's index of service types must know of it.
    pub(super) browsed: Browsed,
}

/// No TTL is as large.
pub(super) const NO_TTL: u32 = u32::MAX;
/// Of the flags: bits of known protocols.
const PROTOCOLS: u8 = 0b111;
/// Of the flags: members share an IPv4 address; the bit above it, an IPv6 address.
pub(super) const SHARED: u8 = 1 << 3;
/// Of the flags: the service has an `answer_limit` of its own.
pub(super) const LIMITED: u8 = 1 << 5;

/// Where in the words each section begins; each ends where the next begins. The label stands before all of them, and
/// after it the IPv4 addresses by member, a word each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sections {
    /// IPv6 addresses by member: four words each.
    pub(super) v6: u32,
    /// Members by tier, ring and id.
    pub(super) members: u32,
    /// Ports by member.
    pub(super) ports: u32,
    /// The members' ids, end to end as octets.
    pub(super) ids: u32,
    /// The numbers of the members in the order of their ids, which is the catalog's: a word each.
    pub(super) sorted: u32,
    /// What stands behind each protocol that is known, unless it is the only one.
    pub(super) protocols: u32,
    /// Names of ports, in order.
    pub(super) names: u32,
    /// Tags, in order.
    pub(super) tags: u32,
    /// The octets of names and tags.
    pub(super) text: u32,
    /// Lists of numbers.
    pub(super) lists: u32,
}

/// A service that is laid out; clones share it.
#[derive(Clone)]
pub struct Laid(pub(super) ThinArc<Head, u32>);

impl Laid {
    /// What questions see.
    #[inline]
    pub fn view(&self) -> ServiceView<'_> {
        ServiceView {
            head: &self.0.header.header,
            words: &self.0.slice,
        }
    }

    /// Octets of memory that it takes, the allocator's own left out.
    pub fn octets(&self) -> usize {
        2 * size_of::<usize>() + size_of::<Head>() + size_of_val(&self.0.slice)
    }
}

impl fmt::Debug for Laid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Laid").field(&self.view().head.service).finish()
    }
}

/// A service as questions see it.
#[derive(Clone, Copy)]
pub struct ServiceView<'a> {
    pub(super) head: &'a Head,
    pub(super) words: &'a [u32],
}

impl fmt::Debug for ServiceView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceView")
            .field("service", &self.head.service)
            .finish_non_exhaustive()
    }
}

impl<'a> ServiceView<'a> {
    /// The service's label, in lower case, without its length octet.
    #[inline]
    pub fn label(self) -> &'a [u8] {
        let octets: &[u8] = bytemuck::cast_slice(&self.words[..self.v4_start()]);
        &octets[..usize::from(self.head.label_octets)]
    }

    /// Where the IPv4 addresses begin.
    #[inline]
    pub(super) fn v4_start(self) -> usize {
        usize::from(self.head.label_octets).div_ceil(4)
    }

    /// The service in the catalog.
    pub fn service(self) -> &'a Arc<Service> {
        &self.head.service
    }

    /// The service's own TTL in seconds.
    pub fn ttl(self) -> Option<u32> {
        (self.head.ttl != NO_TTL).then_some(self.head.ttl)
    }

    /// The service's own `on_empty`.
    pub fn on_empty(self) -> Option<OnEmpty> {
        self.head.on_empty
    }

    /// The service's own `answer_limit`.
    pub fn answer_limit(self) -> Option<u32> {
        (self.head.flags & LIMITED != 0).then_some(self.head.answer_limit)
    }

    /// What stands behind its own name.
    pub fn own(self) -> Selection {
        self.head.own
    }

    /// The numbers of a row.
    #[inline]
    pub fn numbers(self, row: Row) -> Numbers<'a> {
        row.of(&self.words[self.head.sections.lists as usize..])
    }

    /// Each address behind a name once.
    pub fn each_once(self, addresses: Addresses) -> AddressList<'a> {
        addresses.each_once(&self.words[self.head.sections.lists as usize..])
    }

    /// The addresses of each member behind a name, if some member shares one with another.
    pub fn by_member(self, addresses: Addresses) -> Option<AddressList<'a>> {
        addresses.by_member(&self.words[self.head.sections.lists as usize..])
    }

    /// The IPv4 address of that number.
    #[inline]
    pub fn v4(self, number: u32) -> [u8; 4] {
        self.words[self.v4_start() + number as usize].to_ne_bytes()
    }

    /// The IPv6 address of that number.
    #[inline]
    pub fn v6(self, number: u32) -> &'a [u8; 16] {
        let (addresses, _) = self.words[self.head.sections.v6 as usize..].as_chunks::<4>();
        bytemuck::cast_ref(&addresses[number as usize])
    }

    /// How many IPv4 and IPv6 addresses there are, those counted twice that two members have.
    pub fn address_counts(self) -> [usize; 2] {
        let Sections { v6, members, .. } = self.head.sections;
        [v6 as usize - self.v4_start(), (members - v6) as usize / 4]
    }

    /// How many instances there are.
    pub fn members_len(self) -> usize {
        let Sections { members, ports, .. } = self.head.sections;
        (ports - members) as usize / MEMBER_WORDS
    }

    /// An instance by its number.
    #[inline]
    pub fn member_at(self, number: usize) -> Member {
        let Sections { members, ports, .. } = self.head.sections;
        Member::unpack(&self.words[members as usize..ports as usize], number)
    }

    /// Tier and weight of an instance.
    #[inline]
    pub fn rank(self, number: usize) -> (u16, u16) {
        let word = self.words[self.head.sections.members as usize + number * MEMBER_WORDS];
        ((word >> 16) as u16, word as u16)
    }

    /// The instance that an address of a family is of.
    pub fn holder(self, family: usize, address: u32) -> usize {
        let ends = |member: usize| [self.member_at(member).v4.end, self.member_at(member).v6.end][family];
        // Where each has one, as most do, the address of that number.
        let guess = address as usize;
        if guess < self.members_len()
            && ends(guess) == address + 1
            && (guess == 0 || ends(guess - 1) == address)
        {
            return guess;
        }
        partition(0..self.members_len(), |member| ends(member) <= address)
    }

    /// How many ports there are.
    pub fn ports_len(self) -> usize {
        let Sections { ports, ids, .. } = self.head.sections;
        (ids - ports) as usize / PORT_WORDS
    }

    /// A port by its number.
    #[inline]
    pub fn port_at(self, number: u32) -> PortView {
        let start = self.head.sections.ports as usize + number as usize * PORT_WORDS;
        PortView::unpack(&self.words[start..start + PORT_WORDS])
    }

    /// The id of a member.
    #[inline]
    pub fn id(self, member: usize) -> &'a [u8] {
        self.id_at(self.member_at(member).id)
    }

    /// The id at a place, which is a member's.
    #[inline]
    pub fn id_at(self, place: Range<u32>) -> &'a [u8] {
        let Sections { ids, sorted, .. } = self.head.sections;
        let octets: &[u8] = bytemuck::cast_slice(&self.words[ids as usize..sorted as usize]);
        &octets[place.start as usize..place.end as usize]
    }

    /// The numbers of the members in the order of their ids.
    pub(super) fn sorted(self) -> &'a [u32] {
        let Sections {
            sorted, protocols, ..
        } = self.head.sections;
        &self.words[sorted as usize..protocols as usize]
    }

    /// The member of that id.
    pub fn member(self, id: &[u8]) -> Option<usize> {
        let sorted = self.sorted();
        let at = sorted.binary_search_by(|member| self.id(*member as usize).cmp(id));
        at.ok().map(|at| sorted[at] as usize)
    }

    /// The place of a member on the ring from which truncated answers take a window. It depends on nothing but the
    /// id, so that restarts and other servers choose alike.
    pub fn ring(self, member: usize) -> u64 {
        ring(self.id(member))
    }

    /// `_web._tcp.Z`, if it exists.
    pub fn protocol(self, protocol: Protocol) -> Option<Services> {
        if self.head.only_protocol == Some(protocol) {
            return Some(self.head.own.services);
        }
        let bit = 1 << protocol as u8;
        let known = self.head.flags & PROTOCOLS;
        if known & bit == 0 {
            return None;
        }
        let before = (known & (bit - 1)).count_ones();
        let start = (self.head.sections.protocols + 2 * before) as usize;
        Some(Services::unpack(&self.words[start..start + 2]))
    }

    /// The octets of names and tags.
    pub(super) fn text(self) -> &'a [u8] {
        let Sections { text, lists, .. } = self.head.sections;
        bytemuck::cast_slice(&self.words[text as usize..lists as usize])
    }

    /// How many names of ports are known.
    pub(super) fn names_len(self) -> usize {
        let Sections { names, tags, .. } = self.head.sections;
        (tags - names) as usize / NAME_WORDS
    }

    /// A name of ports by its number.
    pub(super) fn name_at(self, number: usize) -> NameRow {
        let start = self.head.sections.names as usize + number * NAME_WORDS;
        NameRow::unpack(&self.words[start..start + NAME_WORDS])
    }

    /// How many tags are known.
    pub(super) fn tags_len(self) -> usize {
        let Sections { tags, text, .. } = self.head.sections;
        (text - tags) as usize / TAG_WORDS
    }

    pub(super) fn tag_at(self, number: usize) -> TagRow {
        let start = self.head.sections.tags as usize + number * TAG_WORDS;
        TagRow::unpack(&self.words[start..start + TAG_WORDS])
    }

    /// `_http._tcp.web.Z`, if it exists, with the number of its name.
    pub fn port(self, name: &[u8], protocol: Protocol) -> Option<(u32, Services)> {
        let text = self.text();
        let (at, row) = find(0..self.names_len(), |at| {
            let row = self.name_at(at);
            ((row.octets(text), row.protocol).cmp(&(name, protocol)), row)
        })?;
        Some((at as u32, row.services))
    }

    /// `canary.web.Z`, if it exists, with the members that bear the tag in the order of tier and ring.
    pub fn tag(self, label: &[u8]) -> Option<(Row, Selection)> {
        let text = self.text();
        let (_, row) = find(0..self.tags_len(), |at| {
            let row = self.tag_at(at);
            (row.octets(text).cmp(label), row)
        })?;
        Some((row.bearers, row.selection))
    }

    /// The ports of a member, with their numbers.
    pub fn ports_of(self, member: usize) -> impl Iterator<Item = (u32, PortView)> {
        self.member_at(member).ports.map(move |at| (at, self.port_at(at)))
    }

    /// The port of a member that has this name (its number among the names), with its number. A member's ports stand
    /// in the order of their names, and so do the names.
    pub fn port_of(self, member: usize, name: u32) -> Option<(u32, PortView)> {
        let ports = self.member_at(member).ports;
        let (at, found) = find(ports.start as usize..ports.end as usize, |at| {
            let port = self.port_at(at as u32);
            (port.name.cmp(&name), port)
        })?;
        Some((at as u32, found))
    }
}

/// The place of an octet string on the ring. Fixed for ever: a change of it would reshuffle every truncated answer.
pub fn ring(octets: &[u8]) -> u64 {
    xxh3_64(octets)
}
