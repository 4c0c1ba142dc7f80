//! Lays out a service for questions. It costs what the service weighs, and runs when the service changes.

use std::sync::Arc;

use triomphe::ThinArc;

use crate::catalog::{PortName, Protocol, Service};

use super::draft::{Draft, Numbered};
use super::list::{Addresses, Numbers, Row, Selection, Services, Standing};
use super::packed::{Member, NameRow, PortView, TagRow, push_octets};
use super::service::{Head, LIMITED, Laid, NO_TTL, SHARED, Sections, ServiceView};
use super::types::Browsed;

impl Laid {
    /// Lays out `service`.
    pub fn new(service: Arc<Service>) -> Self {
        let draft = Draft::of(&service);
        lay_out(service, draft)
    }

    /// Lays out `service`, which was `before`, at the cost of what changed where that is little of a large service. The
    /// same as [`Self::new`], word for word.
    pub fn after(before: ServiceView<'_>, service: Arc<Service>) -> Self {
        match Draft::after(before, &service) {
            Some(draft) => lay_out(service, draft),
            None => Self::new(service),
        }
    }
}

fn lay_out(service: Arc<Service>, draft: Draft) -> Laid {
    let count = draft.members.len() as u32;
    let mut lists = Lists::of(&draft);
    let everyone = Numbers::From(0, count);
    let own = lists.selection(everyone);
    let known = Protocol::ALL.map(|protocol| draft.names.iter().any(|name| name.protocol == protocol));
    let mut protocols: Vec<(Protocol, Services)> = Vec::new();
    for protocol in Protocol::ALL
        .into_iter()
        .filter(|protocol| known[*protocol as usize])
    {
        let services = if known.iter().filter(|known| **known).count() == 1 && lists.all_have_ports() {
            own.services
        } else {
            lists.services_of(everyone, protocol)
        };
        protocols.push((protocol, services));
    }
    let mut flags = protocols
        .iter()
        .fold(0, |flags, (protocol, _)| flags | 1 << *protocol as u8);
    let mut only_protocol = None;
    if let [(protocol, services)] = protocols[..]
        && services == own.services
    {
        only_protocol = Some(protocol);
        protocols.clear();
    }
    let names = lists.names();
    let tags: Vec<TagRow> = draft
        .tags
        .iter()
        .map(|tag| {
            let selection = if tag.bearers.len() == draft.members.len() {
                own
            } else {
                lists.selection(Numbers::Of(&tag.bearers))
            };
            TagRow {
                start: tag.start,
                len: tag.len,
                bearers: lists.row(&tag.bearers),
                selection,
            }
        })
        .collect();
    let Lists {
        words: list_words,
        first,
        ..
    } = lists;
    for (family, _) in first.iter().enumerate().filter(|(_, first)| first.is_some()) {
        flags |= SHARED << family;
    }
    if service.settings().answer_limit.is_some() {
        flags |= LIMITED;
    }
    let label = service.name.as_str().as_bytes();
    let mut all: Vec<u32> = Vec::with_capacity(
        label.len() / 4
            + 1
            + draft.v4.len()
            + 4 * draft.v6.len()
            + draft.members.as_flattened().len()
            + draft.ports.as_flattened().len()
            + draft.ids.len() / 4
            + 1
            + draft.sorted.len()
            + 2 * protocols.len()
            + 4 * names.len()
            + 10 * tags.len()
            + draft.text.len() / 4
            + 1
            + list_words.len(),
    );
    let here = |all: &Vec<u32>| all.len() as u32;
    let mut sections = Sections::default();
    push_octets(&mut all, label);
    all.extend_from_slice(&draft.v4);
    sections.v6 = here(&all);
    all.extend_from_slice(draft.v6.as_flattened());
    sections.members = here(&all);
    all.extend_from_slice(draft.members.as_flattened());
    sections.ports = here(&all);
    all.extend_from_slice(draft.ports.as_flattened());
    sections.ids = here(&all);
    push_octets(&mut all, &draft.ids);
    sections.sorted = here(&all);
    all.extend_from_slice(&draft.sorted);
    sections.protocols = here(&all);
    all.extend(protocols.iter().flat_map(|(_, services)| services.pack()));
    sections.names = here(&all);
    for (name, services) in draft.names.iter().zip(names) {
        let row = NameRow {
            start: name.start,
            len: name.len,
            protocol: name.protocol,
            services,
        };
        all.extend(row.pack());
    }
    sections.tags = here(&all);
    all.extend(tags.iter().flat_map(|tag| tag.pack()));
    sections.text = here(&all);
    push_octets(&mut all, &draft.text);
    sections.lists = here(&all);
    all.extend_from_slice(&list_words);
    let mut head = Head {
        own,
        sections,
        ttl: service.settings().ttl.map_or(NO_TTL, |ttl| ttl.seconds()),
        answer_limit: service.settings().answer_limit.unwrap_or(0),
        label_octets: label.len() as u8,
        on_empty: service.settings().on_empty,
        only_protocol,
        flags,
        browsed: Browsed::default(),
        service,
    };
    head.browsed = Browsed::of(ServiceView {
        head: &head,
        words: &all,
    });
    Laid(ThinArc::from_header_and_slice(head, &all))
}

/// A port, unpacked.
struct Port {
    view: PortView,
    protocol: Protocol,
    is_main: bool,
}

/// The lists under way.
struct Lists<'a> {
    draft: &'a Draft,
    members: Vec<Member>,
    ports: Vec<Port>,
    words: Vec<u32>,
    interned: Vec<(usize, usize)>,
    /// For each address of a family that members share some of, the first number of the same address.
    first: [Option<Vec<u32>>; 2],
    everyone_is_answerable: bool,
    /// Room for what is gathered.
    room: Vec<u32>,
}

impl<'a> Lists<'a> {
    fn of(draft: &'a Draft) -> Self {
        let first = [
            first_of_each(&draft.v4, draft.shared[0]),
            first_of_each(&draft.v6, draft.shared[1]),
        ];
        let is_main: Vec<bool> = draft
            .names
            .iter()
            .map(|name| draft.text[name.start as usize..].starts_with(PortName::MAIN.as_bytes()))
            .zip(&draft.names)
            .map(|(begins, name)| begins && usize::from(name.len) == PortName::MAIN.len())
            .collect();
        let ports = draft.ports.iter().map(|words| {
            let view = PortView::unpack(words);
            Port {
                view,
                protocol: draft.names[view.name as usize].protocol,
                is_main: is_main[view.name as usize],
            }
        });
        let ports = ports.collect();
        let members = (0..draft.members.len() as u32).map(|number| draft.member(number));
        let members: Vec<Member> = members.collect();
        Self {
            draft,
            everyone_is_answerable: members.iter().all(|member| member.answerable),
            members,
            ports,
            words: Vec::new(),
            interned: Vec::new(),
            first,
            room: Vec::new(),
        }
    }

    /// Whether each member has a port, so that asking for the only protocol is asking for all.
    fn all_have_ports(&self) -> bool {
        self.members.iter().all(|member| !member.ports.is_empty())
    }

    fn member(&self, number: u32) -> &Member {
        &self.members[number as usize]
    }

    /// A list that is kept once, or that is no list because its numbers follow each other.
    fn row(&mut self, numbers: &[u32]) -> Row {
        let Some(first) = numbers.first() else {
            return Row::default();
        };
        if numbers.iter().zip(*first..).all(|(number, next)| *number == next) {
            return Row::from(*first, numbers.len());
        }
        Row::listed(self.intern(numbers), numbers.len())
    }

    /// Where a list stands that is kept once.
    fn intern(&mut self, numbers: &[u32]) -> usize {
        const LOOK_BACK: usize = 8;
        let known = self.interned.iter().rev().take(LOOK_BACK);
        for (start, len) in known {
            if self.words[*start..*start + *len].starts_with(numbers) {
                return *start;
            }
        }
        let start = self.words.len();
        self.words.extend_from_slice(numbers);
        self.interned.push((start, numbers.len()));
        start
    }

    /// Which of `bearers` count, of those that `has` what is asked, and by which rule.
    fn standing(&self, bearers: Numbers<'_>, has: impl Fn(&Member) -> bool) -> (Standing, Vec<u32>) {
        let counting = |counts: fn(&Member) -> bool| -> Vec<u32> {
            let members = bearers.iter().filter(|number| {
                let member = self.member(*number);
                counts(member) && has(member)
            });
            members.collect()
        };
        let answerable = counting(|member| member.answerable);
        if !answerable.is_empty() {
            return (Standing::Answerable, answerable);
        }
        let staying = counting(|member| member.stays);
        if !staying.is_empty() {
            return (Standing::FailOpen, staying);
        }
        (Standing::Empty, Vec::new())
    }

    fn selection(&mut self, bearers: Numbers<'_>) -> Selection {
        if self.everyone_is_answerable {
            let standing = if bearers.is_empty() {
                Standing::Empty
            } else {
                Standing::Answerable
            };
            return self.selection_of(standing, bearers);
        }
        let (standing, members) = self.standing(bearers, |_| true);
        self.selection_of(standing, Numbers::Of(&members))
    }

    fn selection_of(&mut self, standing: Standing, members: Numbers<'_>) -> Selection {
        Selection {
            v4: self.addresses(members, 0),
            v6: self.addresses(members, 1),
            services: self.entries(standing, members, None),
        }
    }

    /// What stands behind `_tcp`, whatever the ports are called.
    fn services_of(&mut self, bearers: Numbers<'_>, protocol: Protocol) -> Services {
        let ports_of = |member: &Member| &self.ports[member.ports.start as usize..member.ports.end as usize];
        let has = |member: &Member| ports_of(member).iter().any(|port| port.protocol == protocol);
        let (standing, members) = self.standing(bearers, has);
        self.entries(standing, Numbers::Of(&members), Some(protocol))
    }

    /// The ports of `members` that their SRV RRset shows, as `catalog::selection::Of::ports` says: `main` alone where
    /// there is one, even if it is not answered.
    fn entries(&mut self, standing: Standing, members: Numbers<'_>, of: Option<Protocol>) -> Services {
        let mut entries = std::mem::take(&mut self.room);
        entries.clear();
        for member in members.iter() {
            let first = self.member(member).ports.start;
            let ports = &self.ports[first as usize..self.member(member).ports.end as usize];
            let wanted = |port: &Port| of.is_none_or(|of| port.protocol == of);
            let main_alone = ports.iter().any(|port| wanted(port) && port.is_main);
            let before = entries.len();
            for (port, at) in ports.iter().zip(first..) {
                let shows = standing == Standing::FailOpen || port.view.answered;
                if !wanted(port) || (main_alone && !port.is_main) || !shows {
                    continue;
                }
                // Two names of one number are one record.
                let is_new = |entry: &u32| self.ports[*entry as usize].view.number != port.view.number;
                if entries[before..].iter().all(is_new) {
                    entries.push(at);
                }
            }
        }
        let row = self.row(&entries);
        self.room = entries;
        Services::new(standing, row)
    }

    /// What stands behind each name of ports. An instance has one port of a name at most.
    fn names(&mut self) -> Vec<Services> {
        let names = self.draft.names.len();
        let mut counts = vec![[0_u32; 2]; names];
        let ports = || self.ports.iter().map(|port| &port.view).zip(0_u32..);
        let stays = |port: &PortView| self.members[usize::from(port.member)].stays;
        for (port, _) in ports() {
            let count = &mut counts[port.name as usize];
            count[0] += u32::from(port.answered);
            count[1] += u32::from(stays(port));
        }
        let mut standings = Vec::with_capacity(names);
        let mut ends = Vec::with_capacity(names);
        let mut end = 0;
        for [answered, staying] in counts {
            // Where this name's entries begin; filled from there on.
            ends.push(end);
            let (standing, count) = match (answered, staying) {
                (0, 0) => (Standing::Empty, 0),
                (0, _) => (Standing::FailOpen, staying),
                _ => (Standing::Answerable, answered),
            };
            standings.push(standing);
            end += count as usize;
        }
        let mut entries = vec![0; end];
        for (port, at) in ports() {
            let name = port.name as usize;
            let counts = match standings[name] {
                Standing::Answerable => port.answered,
                Standing::FailOpen => stays(port),
                Standing::Empty => false,
            };
            if counts {
                entries[ends[name]] = at;
                ends[name] += 1;
            }
        }
        let mut start = 0;
        let spans = ends.into_iter().zip(standings);
        spans
            .map(|(end, standing)| {
                let row = self.row(&entries[start..end]);
                start = end;
                Services::new(standing, row)
            })
            .collect()
    }

    /// The addresses of one family of those of `members` that are of the lowest tier that has any.
    fn addresses(&mut self, members: Numbers<'_>, family: usize) -> Addresses {
        // The places of a member's addresses.
        let of = |member: &Member| match family {
            0 => (member.v4.start, member.v4.end),
            _ => (member.v6.start, member.v6.end),
        };
        let having = || {
            let members = members.iter().map(|number| (number, self.member(number)));
            members.filter(|(_, member)| of(member).0 < of(member).1)
        };
        let Some((_, first)) = having().next() else {
            return Addresses::default();
        };
        // In the order of tier and ring, so the lowest tier stands first.
        let lowest = || having().take_while(|(_, member)| member.priority == first.priority);
        if self.first[family].is_none() {
            let (begin, _) = of(first);
            let mut end = begin;
            let mut weighted = false;
            let in_a_row = lowest().all(|(_, member)| {
                let here = of(member);
                let follows = here.0 == end;
                end = here.1;
                weighted |= member.weight != first.weight;
                follows
            });
            if in_a_row {
                return Addresses::row(begin, (end - begin) as usize, weighted);
            }
        }
        let (mut pairs, mut pair_members) = (Vec::new(), Vec::new());
        let room = || Vec::with_capacity(members.len());
        let (mut entries, mut holders, mut weights): (Vec<u32>, Vec<u32>, Vec<u32>) =
            (room(), room(), room());
        let mut places: Numbered<u32> = Numbered::new();
        for (number, member) in lowest() {
            for address in of(member).0..of(member).1 {
                let weight = u32::from(member.weight);
                let Some(first) = &self.first[family] else {
                    entries.push(address);
                    holders.push(number);
                    weights.push(weight);
                    continue;
                };
                let address = first[address as usize];
                pairs.push(address);
                pair_members.push(number);
                let at = places.number(address) as usize;
                if at < weights.len() {
                    weights[at] += weight;
                } else {
                    entries.push(address);
                    holders.push(number);
                    weights.push(weight);
                }
            }
        }
        let weighted = weights.iter().any(|weight| *weight != weights[0]);
        let is_shared = pairs.len() > entries.len();
        let len = entries.len();
        let mut list = entries;
        list.append(&mut holders);
        if weighted {
            list.append(&mut weights);
        }
        if is_shared {
            list.push(pairs.len() as u32);
            list.append(&mut pairs);
            list.append(&mut pair_members);
        }
        Addresses::listed(self.intern(&list), len, weighted, is_shared)
    }
}

/// For each address the first number of the same; nothing if all differ.
fn first_of_each<A: Copy + Eq + std::hash::Hash>(addresses: &[A], shared: Option<bool>) -> Option<Vec<u32>> {
    if shared == Some(false) {
        return None;
    }
    let mut numbered = Numbered::new();
    // The first number of each address, by the address's own.
    let mut firsts: Vec<u32> = Vec::new();
    let first: Vec<u32> = addresses
        .iter()
        .zip(0..)
        .map(|(address, at)| {
            let number = numbered.number(*address) as usize;
            if number == firsts.len() {
                firsts.push(at);
            }
            firsts[number]
        })
        .collect();
    (firsts.len() < first.len()).then_some(first)
}
