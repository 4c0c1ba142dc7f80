//! What a service's members are after a few of many changed, from the view before: the others are copied in runs, and
//! none of their instances is looked at.

use std::sync::Arc;

use crate::catalog::{KnownName, Protocol, Service};

use super::draft::Draft;
use super::packed::{MEMBER_WORDS, Member, PORT_WORDS, PortView};
use super::search::partition;
use super::service::{SHARED, ServiceView, ring};

/// Fewer members are read anew at no more cost.
const WORTH_MEMBERS: usize = 64;
/// Of so many one may have changed.
const SHARE_CHANGED: usize = 16;
/// Addresses of changed members that are looked for among all one by one.
const SOUGHT_MAX: usize = 8;

/// No member.
const GONE: u32 = u32::MAX;

/// What became of the members.
struct Changes {
    /// Numbers of members before that are no longer, or not as they were; in order.
    gone: Vec<u32>,
    /// Places of new instances in the catalog's order.
    come: Vec<usize>,
}

impl Changes {
    /// Instances that are the same are shared between the two states of their service.
    fn between(before: ServiceView<'_>, service: &Service) -> Self {
        let (old, new) = (&before.service().instances, &service.instances);
        let sorted = before.sorted();
        let mut changes = Self {
            gone: Vec::new(),
            come: Vec::new(),
        };
        let (mut at, mut to) = (0, 0);
        while at < old.len() || to < new.len() {
            let order = match (old.get(at), new.get(to)) {
                (Some(one), Some(two)) if Arc::ptr_eq(one, two) => {
                    (at, to) = (at + 1, to + 1);
                    continue;
                }
                (Some(one), Some(two)) => one.id.cmp(&two.id),
                (Some(_), None) => std::cmp::Ordering::Less,
                (None, _) => std::cmp::Ordering::Greater,
            };
            if order.is_le() {
                changes.gone.push(sorted[at]);
                at += 1;
            }
            if order.is_ge() {
                changes.come.push(to);
                to += 1;
            }
        }
        changes.gone.sort_unstable();
        changes
    }
}

impl Draft {
    /// Of `service`, which was `before`; nothing if it had better be read whole.
    pub(super) fn after(before: ServiceView<'_>, service: &Service) -> Option<Self> {
        let count = before.members_len();
        if count < WORTH_MEMBERS || before.service().instances.len() != count {
            return None;
        }
        let Changes { gone, come } = Changes::between(before, service);
        if (gone.len() + come.len()) * SHARE_CHANGED > count {
            return None;
        }
        // New members, each with the number of the member before which it stands.
        let mut joins: Vec<(usize, u16, u64, usize)> = come
            .into_iter()
            .map(|at| {
                let instance = &service.instances[at];
                let id = instance.id.as_str().as_bytes();
                let (tier, place) = (instance.priority, ring(id));
                let stands_before = |member: usize| {
                    let other = before.member_at(member);
                    (other.priority, before.ring(member), before.id(member)) < (tier, place, id)
                };
                (partition(0..count, stands_before), tier, place, at)
            })
            .collect();
        joins.sort_unstable();

        let names = Names::after(before, service, &gone, &joins);
        let mut draft = Self::fresh();
        draft.reserve(before);
        let mut numbers = vec![GONE; count];
        let mut leaving = gone.iter().copied().peekable();
        let mut joining = joins.iter().peekable();
        let mut joined = Vec::with_capacity(joins.len());
        let mut at = 0;
        while at < count || joining.peek().is_some() {
            while let Some((_, _, _, place)) = joining.next_if(|(before, ..)| *before == at) {
                joined.push((*place, draft.members.len() as u32));
                draft.push(&service.instances[*place], |name, protocol| {
                    names.number(name, protocol)
                });
            }
            if leaving.next_if(|leaves| *leaves as usize == at).is_some() {
                at += 1;
                continue;
            }
            let next_leaving = leaving.peek().map_or(count, |leaves| *leaves as usize);
            let next_joining = joining.peek().map_or(count, |(before, ..)| *before);
            let end = next_leaving.min(next_joining);
            let first = draft.members.len() as u32;
            for (number, new) in numbers[at..end].iter_mut().zip(first..) {
                *number = new;
            }
            draft.copy(before, at, end, &names);
            at = end;
        }
        draft.sorted = sorted(before, service, &numbers, &joined);
        draft.shared = draft.shares(before, &joined);
        for (name, protocol) in &names.all {
            draft.push_name(name, *protocol);
        }
        draft.tags_after(before, service, &numbers, &joined);
        Some(draft)
    }

    fn reserve(&mut self, before: ServiceView<'_>) {
        const MORE: usize = 64;
        let [v4, v6] = before.address_counts();
        self.members.reserve(before.members_len() + MORE);
        self.v4.reserve(v4 + MORE);
        self.v6.reserve(v6 + MORE);
        self.ports.reserve(before.ports_len() + MORE);
        self.ids.reserve(before.members_len() * 16 + MORE);
    }

    /// Appends members of before.
    fn copy(&mut self, before: ServiceView<'_>, from: usize, to: usize, names: &Names<'_>) {
        if from == to {
            return;
        }
        let (first, last) = (before.member_at(from), before.member_at(to - 1));
        let sections = &before.head.sections;
        let place = |section: u32, each: usize, range: std::ops::Range<u32>| {
            let start = section as usize;
            start + each * range.start as usize..start + each * range.end as usize
        };
        let words = |range: std::ops::Range<usize>| &before.words[range];
        // What the ends grow by, in the sense of wrapping arithmetic.
        let grow = [
            (self.v4.len() as u32).wrapping_sub(first.v4.start),
            (self.v6.len() as u32).wrapping_sub(first.v6.start),
            (self.ports.len() as u32).wrapping_sub(first.ports.start),
            (self.ids.len() as u32).wrapping_sub(first.id.start),
        ];
        let moved = (self.members.len() as u32).wrapping_sub(from as u32);
        let range = |start: u32, end: u32| start..end;
        self.v4.extend_from_slice(words(place(
            before.v4_start() as u32,
            1,
            range(first.v4.start, last.v4.end),
        )));
        let (v6, _) = words(place(sections.v6, 4, range(first.v6.start, last.v6.end))).as_chunks::<4>();
        self.v6.extend_from_slice(v6);
        self.ids
            .extend_from_slice(before.id_at(range(first.id.start, last.id.end)));
        let ports = words(place(
            sections.ports,
            PORT_WORDS,
            range(first.ports.start, last.ports.end),
        ));
        self.ports
            .extend(ports.as_chunks::<PORT_WORDS>().0.iter().map(|words| {
                let port = PortView::unpack(words);
                let moved = PortView {
                    member: u32::from(port.member).wrapping_add(moved) as u16,
                    name: names.moved(port.name),
                    ..port
                };
                moved.pack()
            }));
        let members = words(place(
            sections.members,
            MEMBER_WORDS,
            range(from as u32, to as u32),
        ));
        self.members
            .extend(members.as_chunks::<MEMBER_WORDS>().0.iter().map(|words| {
                let [rank, v4, v6, ports, id] = *words;
                // The flags stand above all that an end can be, and an end that grows stays one.
                [
                    rank,
                    Member::grown(v4, grow[0]),
                    v6.wrapping_add(grow[1]),
                    ports.wrapping_add(grow[2]),
                    id.wrapping_add(grow[3]),
                ]
            }));
    }

    /// Whether members have addresses in common, as far as it is known without a look at all.
    fn shares(&self, before: ServiceView<'_>, joined: &[(usize, u32)]) -> [Option<bool>; 2] {
        let spans = |family: usize| {
            joined.iter().map(move |(_, number)| {
                let member = self.member(*number);
                [member.v4, member.v6][family].clone()
            })
        };
        let mut known = [None; 2];
        for (family, known) in known.iter_mut().enumerate() {
            let sought: usize = spans(family).map(|span| span.len()).sum();
            if before.head.flags & SHARED << family != 0 || sought > SOUGHT_MAX {
                continue;
            }
            let is_twice = spans(family).flatten().any(|address| {
                let address = address as usize;
                let count = if family == 0 {
                    self.v4.iter().filter(|other| **other == self.v4[address]).count()
                } else {
                    self.v6.iter().filter(|other| **other == self.v6[address]).count()
                };
                count > 1
            });
            // Which ones they share has to be looked up.
            *known = (!is_twice).then_some(false);
        }
        known
    }

    fn tags_after(
        &mut self,
        before: ServiceView<'_>,
        service: &Service,
        numbers: &[u32],
        joined: &[(usize, u32)],
    ) {
        // Of the members that joined, and of names without a bearer.
        let mut new: Vec<(Vec<u8>, u32)> = Vec::new();
        for (place, number) in joined {
            let labels = service.instances[*place]
                .tags()
                .iter()
                .filter_map(|tag| tag.label());
            new.extend(labels.map(|label| (label.as_str().as_bytes().to_vec(), *number)));
        }
        new.extend(
            service
                .lingering()
                .iter()
                .filter_map(|lingering| match &lingering.name {
                    KnownName::Tag(label) => Some((label.as_str().as_bytes().to_vec(), GONE)),
                    _ => None,
                }),
        );
        new.sort_unstable();
        // Two tags may differ in case alone.
        new.dedup();
        let text = before.text();
        let mut old = (0..before.tags_len()).map(|at| before.tag_at(at)).peekable();
        let mut new = new.iter().peekable();
        loop {
            let label = match (old.peek(), new.peek()) {
                (None, None) => return,
                (Some(old), None) => old.octets(text),
                (None, Some((label, _))) => label,
                (Some(old), Some((label, _))) => old.octets(text).min(label),
            };
            let row = old.next_if(|old| old.octets(text) == label);
            let mut bearers: Vec<u32> = Vec::new();
            if let Some(row) = row {
                let members = before.numbers(row.bearers);
                bearers.reserve(members.len() + 1);
                let stayed = members.iter().map(|number| numbers[number as usize]);
                bearers.extend(stayed.filter(|number| *number != GONE));
            }
            let mut is_known = !bearers.is_empty();
            while let Some((_, number)) = new.next_if(|(other, _)| other == label) {
                is_known = true;
                if *number != GONE {
                    let at = bearers.partition_point(|other| other < number);
                    bearers.insert(at, *number);
                }
            }
            if is_known {
                self.push_tag(label, bearers);
            }
        }
    }
}

/// The members' numbers in the order of their ids.
fn sorted(before: ServiceView<'_>, service: &Service, numbers: &[u32], joined: &[(usize, u32)]) -> Vec<u32> {
    let stayed = before.sorted().iter().map(|number| numbers[*number as usize]);
    let mut stayed = stayed.filter(|number| *number != GONE);
    let mut joined = joined.to_vec();
    joined.sort_unstable();
    let mut sorted = Vec::with_capacity(service.instances.len());
    for (place, number) in joined {
        sorted.extend(stayed.by_ref().take(place - sorted.len()));
        sorted.push(number);
    }
    sorted.extend(stayed);
    sorted
}

/// The names of ports, and where those of before are among them.
struct Names<'a> {
    all: Vec<(&'a [u8], Protocol)>,
    /// The number of each name of before; nothing if none has moved.
    moved: Option<Vec<u32>>,
}

impl<'a> Names<'a> {
    fn after(
        before: ServiceView<'a>,
        service: &'a Service,
        gone: &[u32],
        joins: &[(usize, u16, u64, usize)],
    ) -> Self {
        // Those that a member bears that stays, and all others that are borne or linger.
        let mut is_borne = vec![false; before.names_len()];
        let mut leaving = gone.iter().copied().peekable();
        for at in 0..before.ports_len() as u32 {
            let port = before.port_at(at);
            let member = u32::from(port.member);
            while leaving.next_if(|leaves| *leaves < member).is_some() {}
            if leaving.peek() != Some(&member) {
                is_borne[port.name as usize] = true;
            }
        }
        let mut others: Vec<(&[u8], Protocol)> = Vec::new();
        for (_, _, _, place) in joins {
            let ports = service.instances[*place].ports.iter();
            others.extend(ports.map(|port| (port.name.as_str().as_bytes(), port.protocol)));
        }
        others.extend(
            service
                .lingering()
                .iter()
                .filter_map(|lingering| match &lingering.name {
                    KnownName::Port(name, protocol) => Some((name.as_str().as_bytes(), *protocol)),
                    _ => None,
                }),
        );
        others.sort_unstable();
        others.dedup();
        let text = before.text();
        let mut others = others.into_iter().peekable();
        let mut all = Vec::with_capacity(is_borne.len());
        let mut moved = Vec::with_capacity(is_borne.len());
        for (number, is_borne) in is_borne.into_iter().enumerate() {
            let row = before.name_at(number);
            let name = (row.octets(text), row.protocol);
            while let Some(other) = others.next_if(|other| *other < name) {
                all.push(other);
            }
            moved.push(all.len() as u32);
            if others.next_if(|other| *other == name).is_some() || is_borne {
                all.push(name);
            }
        }
        all.extend(others);
        let is_moved = moved.iter().zip(0..).any(|(number, was)| *number != was);
        Self {
            all,
            moved: is_moved.then_some(moved),
        }
    }

    #[inline]
    fn moved(&self, number: u32) -> u32 {
        match &self.moved {
            Some(moved) => moved[number as usize],
            None => number,
        }
    }

    fn number(&self, name: &str, protocol: Protocol) -> u32 {
        let at = self.all.binary_search(&(name.as_bytes(), protocol));
        at.expect("the names of members that joined are among all") as u32
    }
}
