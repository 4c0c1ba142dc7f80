//! Lays out a service for questions. It costs what the service weighs, and runs when the service changes.

use std::sync::Arc;

use triomphe::ThinArc;

use crate::catalog::{PortName, Protocol, Service};

use super::draft::{Draft, Numbered};
use super::list::{Addresses, Numbers, Row, Selection, Services, Standing};
use super::packed::{Member, NameRow, TagRow, words};
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
    for protocol in Protocol::ALL.into_iter().filter(|protocol| known[*protocol as usize]) {
        let services = if known.iter().filter(|known| **known).count() == 1 && all_have_ports(&draft) {
            own.services
        } else {
            lists.services_of(everyone, protocol)
        };
        protocols.push((protocol, services));
    }
    let mut flags = protocols.iter().fold(0, |flags, (protocol, _)| flags | 1 << *protocol as u8);
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
            let selection = lists.selection(Numbers::Of(&tag.bearers));
            TagRow {
                start: tag.start,
                len: tag.len,
                bearers: lists.row(&tag.bearers),
                selection,
            }
        })
        .collect();
    let Lists { words: list_words, first, .. } = lists;
    for (family, _) in first.iter().enumerate().filter(|(_, first)| first.is_some()) {
        flags |= SHARED << family;
    }
    if service.settings.answer_limit.is_some() {
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
    all.extend(words(label));
    all.extend_from_slice(&draft.v4);
    sections.v6 = here(&all);
    all.extend_from_slice(draft.v6.as_flattened());
    sections.members = here(&all);
    all.extend_from_slice(draft.members.as_flattened());
    sections.ports = here(&all);
    all.extend_from_slice(draft.ports.as_flattened());
    sections.ids = here(&all);
    all.extend(words(&draft.ids));
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
    all.extend(words(&draft.text));
    sections.lists = here(&all);
    all.extend_from_slice(&list_words);
    let mut head = Head {
        own,
        sections,
        ttl: service.settings.ttl.map_or(NO_TTL, |ttl| ttl.seconds()),
        answer_limit: service.settings.answer_limit.unwrap_or(0),
        label_octets: label.len() as u8,
        on_empty: service.settings.on_empty,
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

/// Whether each member has a port, so that asking for the only protocol is asking for all.
fn all_have_ports(draft: &Draft) -> bool {
    (0..draft.members.len() as u32).all(|member| !draft.member(member).ports.is_empty())
}

/// The lists under way.
struct Lists<'a> {
    draft: &'a Draft,
    words: Vec<u32>,
    interned: Vec<(usize, usize)>,
    /// For each address of a family that members share some of, the first number of the same address.
    first: [Option<Vec<u32>>; 2],
    /// Of each protocol, the number of the name `main`.
    main: [Option<u32>; 3],
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
        let mut main = [None; 3];
        for (number, name) in draft.names.iter().enumerate() {
            let octets = &draft.text[name.start as usize..][..usize::from(name.len)];
            if octets == PortName::MAIN.as_bytes() {
                main[name.protocol as usize] = Some(number as u32);
            }
        }
        Self {
            draft,
            words: Vec::new(),
            interned: Vec::new(),
            first,
            main,
            everyone_is_answerable: (0..draft.members.len() as u32).all(|at| draft.member(at).answerable),
            room: Vec::new(),
        }
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
                let member = self.draft.member(*number);
                counts(&member) && has(&member)
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
        let draft = self.draft;
        let is_of = |at: u32| draft.names[draft.port(at).name as usize].protocol == protocol;
        let (standing, members) = self.standing(bearers, |member| member.ports.clone().any(is_of));
        self.entries(standing, Numbers::Of(&members), Some(protocol))
    }

    /// The ports of `members` that their SRV RRset shows, as `catalog::selection::Of::ports` says: `main` alone where
    /// there is one, even if it is not answered.
    fn entries(&mut self, standing: Standing, members: Numbers<'_>, of: Option<Protocol>) -> Services {
        let draft = self.draft;
        let mut entries = std::mem::take(&mut self.room);
        entries.clear();
        for member in members.iter() {
            let ports = draft.member(member).ports;
            let wanted = |at: u32| {
                let protocol = || draft.names[draft.port(at).name as usize].protocol;
                of.is_none_or(|of| protocol() == of)
            };
            let is_main = |at: u32| self.main.contains(&Some(draft.port(at).name));
            let main_alone = ports.clone().any(|at| wanted(at) && is_main(at));
            let before = entries.len();
            for at in ports {
                let port = draft.port(at);
                let shows = standing == Standing::FailOpen || port.answered;
                if !wanted(at) || (main_alone && !is_main(at)) || !shows {
                    continue;
                }
                // Two names of one number are one record.
                let is_new = |entry: &u32| draft.port(*entry).number != port.number;
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
        let draft = self.draft;
        let names = draft.names.len();
        let stays: Vec<bool> = (0..draft.members.len() as u32).map(|at| draft.member(at).stays).collect();
        let mut counts = vec![[0_u32; 2]; names];
        let ports = || (0..draft.ports.len() as u32).map(|at| (at, draft.port(at)));
        for (_, port) in ports() {
            let count = &mut counts[port.name as usize];
            count[0] += u32::from(port.answered);
            count[1] += u32::from(stays[usize::from(port.member)]);
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
        for (at, port) in ports() {
            let name = port.name as usize;
            let counts = match standings[name] {
                Standing::Answerable => port.answered,
                Standing::FailOpen => stays[usize::from(port.member)],
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
        let draft = self.draft;
        let of = |member: &Member| [member.v4.clone(), member.v6.clone()][family].clone();
        let having = || members.iter().map(|number| (number, draft.member(number)));
        let having = || having().filter(|(_, member)| !of(member).is_empty());
        let Some((_, first)) = having().next() else {
            return Addresses::default();
        };
        // In the order of tier and ring, so the lowest tier stands first.
        let lowest = || having().take_while(|(_, member)| member.priority == first.priority);
        if self.first[family].is_none() {
            let begin = of(&first).start;
            let mut end = begin;
            let mut weighted = false;
            let in_a_row = lowest().all(|(_, member)| {
                let here = of(&member);
                let follows = here.start == end;
                end = here.end;
                weighted |= member.weight != first.weight;
                follows
            });
            if in_a_row {
                return Addresses::row(begin, (end - begin) as usize, weighted);
            }
        }
        let (mut pairs, mut pair_members) = (Vec::new(), Vec::new());
        let (mut entries, mut holders, mut weights) = (Vec::new(), Vec::new(), Vec::<u32>::new());
        let mut places: Numbered<u32> = Numbered::new();
        for (number, member) in lowest() {
            for address in of(&member) {
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
