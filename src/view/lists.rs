//! What stands behind each name of a service that is laid out: rows of records where they follow each other, and else
//! lists, of which equal ones are kept once.

use crate::catalog::{PortName, Protocol};

use super::draft::{Draft, Numbered};
use super::list::{Addresses, Numbers, Row, Selection, Services, Standing};
use super::packed::{Member, PortView};

/// A member has no port in a selection, or several.
const MANY: u32 = u32::MAX;

/// A port, unpacked.
struct Port {
    view: PortView,
    protocol: Protocol,
    is_main: bool,
}

/// The lists under way.
pub(super) struct Lists<'a> {
    draft: &'a Draft,
    members: Vec<Member>,
    ports: Vec<Port>,
    pub(super) words: Vec<u32>,
    interned: Vec<(usize, usize)>,
    /// For each address of a family that members share some of, the first number of the same address.
    pub(super) first: [Option<Vec<u32>>; 2],
    everyone_is_answerable: bool,
    /// All members are of one tier and weigh the same.
    everyone_is_alike: bool,
    /// Of each family: each member has one address, which has its number, and no other has it.
    one_each: [bool; 2],
    /// The only port that a member has in the SRV RRset of a selection, if it has one, or [`MANY`].
    own_port: Vec<u32>,
    /// Room for what is gathered.
    room: Vec<u32>,
}

impl<'a> Lists<'a> {
    pub(super) fn of(draft: &'a Draft) -> Self {
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
        let has_one_each = |family: usize, end: fn(&Member) -> u32| {
            first[family].is_none()
                && members
                    .iter()
                    .zip(1..)
                    .all(|(member, number)| end(member) == number)
        };
        let one_each = [
            has_one_each(0, |member| member.v4.end),
            has_one_each(1, |member| member.v6.end),
        ];
        let rank = draft.members.first().map(|words| words[0]);
        let mut lists = Self {
            draft,
            everyone_is_answerable: members.iter().all(|member| member.answerable),
            members,
            ports,
            words: Vec::new(),
            interned: Vec::new(),
            first,
            everyone_is_alike: draft.members.iter().all(|words| Some(words[0]) == rank),
            one_each,
            own_port: Vec::new(),
            room: Vec::new(),
        };
        if !draft.tags.is_empty() {
            let mut ports = Vec::new();
            let only = |member| {
                ports.clear();
                lists.push_ports(Standing::Answerable, member, None, &mut ports);
                match ports[..] {
                    [only] => only,
                    _ => MANY,
                }
            };
            lists.own_port = (0..draft.members.len() as u32).map(only).collect();
        }
        lists
    }

    /// Whether each member has a port, so that asking for the only protocol is asking for all.
    pub(super) fn all_have_ports(&self) -> bool {
        self.members.iter().all(|member| !member.ports.is_empty())
    }

    fn member(&self, number: u32) -> &Member {
        &self.members[number as usize]
    }

    /// A list that is kept once, or that is no list because its numbers follow each other.
    pub(super) fn row(&mut self, numbers: &[u32]) -> Row {
        let Some(first) = numbers.first() else {
            return Row::default();
        };
        if is_in_a_row(numbers) {
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

    pub(super) fn selection(&mut self, bearers: Numbers<'_>) -> Selection {
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
    pub(super) fn services_of(&mut self, bearers: Numbers<'_>, protocol: Protocol) -> Services {
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
        let is_own = standing == Standing::Answerable && of.is_none() && !self.own_port.is_empty();
        for member in members.iter() {
            match is_own.then(|| self.own_port[member as usize]) {
                Some(only) if only != MANY => entries.push(only),
                _ => self.push_ports(standing, member, of, &mut entries),
            }
        }
        let row = self.row(&entries);
        self.room = entries;
        Services::new(standing, row)
    }

    /// Appends the ports of one member.
    #[inline]
    fn push_ports(&self, standing: Standing, member: u32, of: Option<Protocol>, entries: &mut Vec<u32>) {
        let first = self.member(member).ports.start;
        let ports = &self.ports[first as usize..self.member(member).ports.end as usize];
        let wanted = |port: &Port| of.is_none_or(|of| port.protocol == of);
        let shows = |port: &Port| wanted(port) && (standing == Standing::FailOpen || port.view.answered);
        if let [only] = ports {
            if shows(only) {
                entries.push(first);
            }
            return;
        }
        let main_alone = ports.iter().any(|port| wanted(port) && port.is_main);
        let before = entries.len();
        for (port, at) in ports.iter().zip(first..) {
            if !shows(port) || (main_alone && !port.is_main) {
                continue;
            }
            // Two names of one number are one record.
            let is_new = |entry: &u32| self.ports[*entry as usize].view.number != port.view.number;
            if entries[before..].iter().all(is_new) {
                entries.push(at);
            }
        }
    }

    /// What stands behind each name of ports. An instance has one port of a name at most.
    pub(super) fn names(&mut self) -> Vec<Services> {
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
        if self.one_each[family] && self.everyone_is_alike {
            let mut list = std::mem::take(&mut self.room);
            list.clear();
            list.extend(members.iter());
            let addresses = match list[..] {
                [] => Addresses::default(),
                [first, ..] if is_in_a_row(&list) => Addresses::row(first, list.len(), false),
                _ => {
                    list.extend_from_within(..);
                    Addresses::listed(self.intern(&list), members.len(), false, false)
                }
            };
            self.room = list;
            return addresses;
        }
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

/// Whether each number is one more than that before.
fn is_in_a_row(numbers: &[u32]) -> bool {
    let first = numbers.first().copied().unwrap_or_default();
    numbers.iter().zip(first..).all(|(number, next)| *number == next)
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
