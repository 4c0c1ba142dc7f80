//! What a selection answers, and its addresses: chosen, ordered and written.

use std::ops::Range;

use crate::catalog::OnEmpty;
use crate::view::{AddressList, Addresses, Selection, ServiceView, Standing, Weights, ZoneView, partition};

use super::order::{Bounds, Choice, ENTRIES_PER_MEMBER_MAX, Scratch, arrange, member_end};
use super::reply::{Pointer, RECORD_HEAD_OCTETS, Reply, Section, types};
use super::{Asked, Transport};

/// A service in its zone, asked under some circumstances.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) zone: &'a ZoneView,
    pub(super) service: ServiceView<'a>,
    pub(super) asked: &'a Asked,
    /// Where the name that is answered stands in the message.
    pub(super) owner: Pointer,
}

impl Context<'_> {
    /// Of the service's records.
    pub(super) fn ttl(&self) -> u32 {
        self.zone.service_ttl(self.service)
    }

    pub(super) fn on_empty(&self) -> OnEmpty {
        self.zone.on_empty(self.service)
    }

    pub(super) fn bounds(&self, reply: &Reply<'_>) -> Bounds {
        Bounds {
            room: reply.room(),
            limit: self.zone.answer_limit(self.service),
            client: self.asked.client,
        }
    }

    /// Notes that records did not fit: TC on UDP, a count where even TCP holds no more.
    pub(super) fn cut(&self, reply: &mut Reply<'_>, scratch: &mut Scratch) {
        match self.asked.transport {
            Transport::Udp => reply.truncate(),
            Transport::Tcp => scratch.left_out += 1,
        }
    }
}

/// What a selection has to answer with, after `on_empty` has been asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Its lists.
    Records,
    /// NOERROR without records.
    NoData,
    /// NXDOMAIN.
    NxDomain,
}

/// What a selection of that standing answers. It looks at instances, never at the type asked.
pub(super) fn verdict(standing: Standing, on_empty: OnEmpty) -> Verdict {
    match (standing, on_empty) {
        (Standing::Answerable, _) | (Standing::FailOpen, OnEmpty::All) => Verdict::Records,
        (_, OnEmpty::NxDomain) => Verdict::NxDomain,
        _ => Verdict::NoData,
    }
}

/// A family of addresses.
#[derive(Clone, Copy)]
pub(super) enum Family {
    V4,
    V6,
}

impl Family {
    /// Appends the address of that number; whether it fit.
    pub(super) fn write(
        self,
        context: Context<'_>,
        number: u32,
        section: Section,
        owner: Pointer,
        reply: &mut Reply<'_>,
    ) -> bool {
        let (ttl, service) = (context.ttl(), context.service);
        match self {
            Self::V4 => {
                let head = (types::A, ttl);
                reply.fixed_record::<4, { RECORD_HEAD_OCTETS + 4 }>(section, owner, head, &service.v4(number))
            }
            Self::V6 => {
                let head = (types::AAAA, ttl);
                reply.fixed_record::<16, { RECORD_HEAD_OCTETS + 16 }>(
                    section,
                    owner,
                    head,
                    service.v6(number),
                )
            }
        }
    }

    /// Numbers of addresses that a service has.
    fn count(self, service: ServiceView<'_>) -> usize {
        service.address_counts()[self as usize]
    }

    /// The numbers of a member's addresses.
    pub(super) fn of_member(self, service: ServiceView<'_>, member: usize) -> Range<u32> {
        let member = service.member_at(member);
        match self {
            Self::V4 => member.v4,
            Self::V6 => member.v6,
        }
    }

    fn record_octets(self) -> usize {
        RECORD_HEAD_OCTETS
            + match self {
                Self::V4 => 4,
                Self::V6 => 16,
            }
    }
}

struct AddressChoice<'a> {
    service: ServiceView<'a>,
    list: AddressList<'a>,
    family: Family,
    repeats: bool,
}

impl Choice for AddressChoice<'_> {
    fn len(&self) -> usize {
        self.list.numbers.len()
    }

    fn entry(&self, at: usize) -> u32 {
        self.list.numbers.at(at)
    }

    fn member(&self, at: usize) -> u32 {
        match self.list.members {
            Some(members) => members[at],
            None => self.service.holder(self.family as usize, self.entry(at)) as u32,
        }
    }

    /// Addresses come from one tier alone.
    fn tier(&self, _: usize) -> u16 {
        0
    }

    fn weight(&self, at: usize) -> u32 {
        match self.list.weights {
            Weights::Equal => 1,
            Weights::Of(weights) => weights[at],
            Weights::OfMembers => u32::from(self.service.rank(self.member(at) as usize).1),
        }
    }

    fn is_even(&self) -> bool {
        matches!(self.list.weights, Weights::Equal)
    }

    fn octets(&self, _: usize) -> usize {
        self.family.record_octets()
    }

    fn octets_max(&self) -> usize {
        self.family.record_octets()
    }

    fn repeating(&self) -> Option<usize> {
        self.repeats.then(|| self.family.count(self.service))
    }

    fn service(&self) -> ServiceView<'_> {
        self.service
    }

    fn run(&self, at: usize, end: usize, before: Option<u32>) -> (u32, usize) {
        let entry = self.entry(at);
        if let Some(members) = self.list.members {
            return (members[at], member_end(self, at, end));
        }
        // Numbers ascend with the members, so the next one that has an address is its holder, or one after that.
        let mut member = match before {
            Some(before) => before + 1,
            None => self.service.holder(self.family as usize, entry) as u32,
        };
        let mut last = self.family.of_member(self.service, member as usize).end;
        while last <= entry {
            member += 1;
            last = self.family.of_member(self.service, member as usize).end;
        }
        let near = end.min(at + ENTRIES_PER_MEMBER_MAX);
        (member, partition(at + 1..near, |at| self.entry(at) < last))
    }

    fn weight_in(&self, at: usize, member: u32) -> u32 {
        match self.list.weights {
            Weights::OfMembers => u32::from(self.service.rank(member as usize).1),
            _ => self.weight(at),
        }
    }
}

/// Answers A or AAAA of a selection.
pub(super) fn addresses(
    context: Context<'_>,
    family: Family,
    addresses: Addresses,
    reply: &mut Reply<'_>,
    scratch: &mut Scratch,
) {
    if addresses.is_empty() {
        return;
    }
    let service = context.service;
    let bounds = context.bounds(reply);
    // A limit counts instances, so each must bring what it has, shared or not. One that all of them keep is none.
    let by_member = service
        .by_member(addresses)
        .filter(|list| bounds.limit > 0 && bounds.limit < instances(list));
    let repeats = by_member.is_some();
    let list = by_member.unwrap_or_else(|| service.each_once(addresses));
    let choice = AddressChoice {
        service,
        list,
        family,
        repeats,
    };
    let cut = arrange(&choice, &bounds, scratch);
    for at in &scratch.chosen {
        let number = list.numbers.at(*at as usize);
        family.write(context, number, Section::Answer, context.owner, reply);
    }
    if cut {
        context.cut(reply, scratch);
    }
}

/// How many instances a list is of.
fn instances(list: &AddressList<'_>) -> usize {
    let members = list.members.unwrap_or(&[]);
    members.chunk_by(|one, next| one == next).count()
}

/// Adds an RRset of a target whole or not at all: half of one would be taken for the whole (RFC 2181 §5). Inlined: six
/// times a question for SRV of three instances.
#[inline(always)]
pub(super) fn additional(
    context: Context<'_>,
    family: Family,
    member: usize,
    owner: Pointer,
    reply: &mut Reply<'_>,
) {
    if family.count(context.service) == 0 {
        return;
    }
    let numbers = family.of_member(context.service, member);
    if numbers.len() * family.record_octets() > reply.room() {
        return;
    }
    for number in numbers {
        family.write(context, number, Section::Additional, owner, reply);
    }
}

/// Adds the addresses of a selection that is answered, each once, as far as its limit allows.
pub(super) fn additional_of_selection(context: Context<'_>, selection: Selection, reply: &mut Reply<'_>) {
    for (family, addresses) in [(Family::V4, selection.v4), (Family::V6, selection.v6)] {
        if addresses.is_empty() {
            continue;
        }
        let limit = match context.zone.answer_limit(context.service) {
            0 => usize::MAX,
            limit => limit,
        };
        let numbers = context.service.each_once(addresses).numbers;
        let count = numbers.len().min(limit);
        if count * family.record_octets() <= reply.room() {
            for number in numbers.iter().take(count) {
                family.write(context, number, Section::Additional, context.owner, reply);
            }
        }
    }
}
