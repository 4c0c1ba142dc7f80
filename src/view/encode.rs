//! Lays out a service for questions. It costs what the service weighs, and runs when the service changes.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::Arc;

use crate::catalog::selection::{Of, Rule};
use crate::catalog::{Instance, KnownName, PortName, Protocol, Service, TagLabel};

use super::service::{
    Addresses, Member, PortView, Range, Sections, Selection, ServiceView, Services, Standing, ring,
};
use super::types::Browsed;

impl ServiceView {
    /// Lays out `service`.
    pub fn new(service: Arc<Service>) -> Self {
        let mut names = Names::of(&service);
        let mut layout = Layout::of(&service, &names);
        let everyone = layout.order.clone();
        let own = layout.selection(&everyone);
        let mut protocols = Vec::new();
        for protocol in Protocol::ALL {
            if names.ports.keys().any(|(_, known)| *known == protocol) {
                protocols.push((protocol, layout.services(&everyone, Of::Protocol(protocol))));
            }
        }
        let mut only_protocol = None;
        if let [(protocol, services)] = protocols[..]
            && services == own.services
        {
            only_protocol = Some(protocol);
            protocols.clear();
        }
        let port_names = names
            .ports
            .iter()
            .map(|((name, protocol), _)| {
                let bearers = layout
                    .bearers_of_port
                    .get(&(name, *protocol))
                    .cloned()
                    .unwrap_or_default();
                (
                    name.clone(),
                    *protocol,
                    layout.services(&bearers, Of::Port(name, *protocol)),
                )
            })
            .collect();
        let tags = std::mem::take(&mut names.tags)
            .into_iter()
            .map(|(label, mut bearers)| {
                bearers.sort_unstable_by_key(|member| layout.place[*member as usize]);
                let selection = layout.selection(&bearers);
                (label, layout.intern(&bearers), selection)
            })
            .collect();
        let Layout {
            mut lists,
            ids,
            v4,
            v6,
            members,
            ports,
            ..
        } = layout;
        let mut section = |words: &mut dyn Iterator<Item = u32>| {
            let start = lists.len();
            lists.extend(words);
            Range::new(start, lists.len() - start)
        };
        let layout = Sections {
            v4: section(&mut v4.values.iter().map(|octets| u32::from_be_bytes(*octets))),
            v6: section(&mut v6.values.iter().flat_map(|octets| words(octets))),
            members: section(&mut members.iter().flat_map(Member::pack)),
            ports: section(&mut ports.iter().flat_map(PortView::pack)),
            ids: section(&mut words(&ids)),
        };
        let mut view = Self {
            label: service.name.clone(),
            ttl: service.settings().ttl.map(|ttl| ttl.seconds()),
            answer_limit: service.settings().answer_limit,
            on_empty: service.settings().on_empty,
            layout,
            words: lists.into(),
            own,
            only_protocol,
            browsed: Browsed::default(),
            protocols: protocols.into(),
            port_names,
            tags,
            service,
        };
        view.browsed = Browsed::of(&view);
        view
    }
}

/// Octets as words of the same octets in memory, the last filled up with zeros.
fn words(octets: &[u8]) -> impl Iterator<Item = u32> {
    octets.chunks(4).map(|chunk| {
        let mut word = [0; 4];
        word[..chunk.len()].copy_from_slice(chunk);
        u32::from_ne_bytes(word)
    })
}

/// The names below and beside a service: of living bearers and lingering.
struct Names {
    /// With the number of the name.
    ports: BTreeMap<(PortName, Protocol), u32>,
    /// With the members that bear the tag, by id.
    tags: BTreeMap<TagLabel, Vec<u32>>,
}

impl Names {
    fn of(service: &Service) -> Self {
        let mut names = Self {
            ports: BTreeMap::new(),
            tags: BTreeMap::new(),
        };
        for lingering in service.lingering() {
            match &lingering.name {
                KnownName::Service => {}
                KnownName::Port(name, protocol) => drop(names.ports.insert((name.clone(), *protocol), 0)),
                KnownName::Tag(label) => drop(names.tags.insert(label.clone(), Vec::new())),
            }
        }
        for (member, instance) in service.instances.iter().enumerate() {
            for port in &instance.ports {
                names.ports.insert((port.name.clone(), port.protocol), 0);
            }
            for label in instance.tags().iter().filter_map(|tag| tag.label()) {
                let bearers = names.tags.entry(label).or_default();
                // Two tags may differ in case alone.
                if bearers.last() != Some(&(member as u32)) {
                    bearers.push(member as u32);
                }
            }
        }
        for (number, at) in names.ports.values_mut().enumerate() {
            *at = number as u32;
        }
        names
    }
}

/// Values, each once, with their numbers.
#[derive(Default)]
struct Unique<T> {
    values: Vec<T>,
    numbers: HashMap<T, u32, foldhash::fast::RandomState>,
}

impl<T: Copy + Eq + Hash> Unique<T> {
    /// Services of a few instances are the usual case: up to this many a scan is cheaper than a map.
    const SCAN_MAX: usize = 16;

    fn number(&mut self, value: T) -> u32 {
        if self.values.len() <= Self::SCAN_MAX {
            if let Some(at) = self.values.iter().position(|known| *known == value) {
                return at as u32;
            }
            if self.values.len() == Self::SCAN_MAX {
                self.numbers = self.values.iter().copied().zip(0..).collect();
            }
        } else if let Some(number) = self.numbers.get(&value) {
            return *number;
        }
        let number = self.values.len() as u32;
        if self.values.len() >= Self::SCAN_MAX {
            self.numbers.insert(value, number);
        }
        self.values.push(value);
        number
    }
}

struct Layout<'a> {
    service: &'a Service,
    lists: Vec<u32>,
    interned: Vec<Range>,
    v4: Unique<[u8; 4]>,
    v6: Unique<[u8; 16]>,
    ids: Vec<u8>,
    members: Vec<Member>,
    ports: Vec<PortView>,
    /// Members by tier, ring and id.
    order: Vec<u32>,
    /// The place of each member in `order`.
    place: Vec<u32>,
    /// Members that have a port of that name, in order.
    bearers_of_port: BTreeMap<(&'a PortName, Protocol), Vec<u32>>,
}

impl<'a> Layout<'a> {
    fn of(service: &'a Service, names: &Names) -> Self {
        let count = service.instances.len();
        let mut layout = Self {
            service,
            lists: Vec::with_capacity(count * 3),
            interned: Vec::new(),
            v4: Unique::default(),
            v6: Unique::default(),
            ids: Vec::new(),
            members: Vec::with_capacity(count),
            ports: Vec::with_capacity(count),
            order: (0..count as u32).collect(),
            place: vec![0; count],
            bearers_of_port: BTreeMap::new(),
        };
        for (number, instance) in service.instances.iter().enumerate() {
            layout.add(number, instance, names);
        }
        let rings: Vec<u64> = service
            .instances
            .iter()
            .map(|i| ring(i.id.as_str().as_bytes()))
            .collect();
        layout
            .order
            .sort_unstable_by_key(|m| (service.instances[*m as usize].priority, rings[*m as usize], *m));
        for (at, member) in layout.order.iter().enumerate() {
            layout.place[*member as usize] = at as u32;
            for port in &service.instances[*member as usize].ports {
                layout
                    .bearers_of_port
                    .entry((&port.name, port.protocol))
                    .or_default()
                    .push(*member);
            }
        }
        layout
    }

    fn add(&mut self, number: usize, instance: &Instance, names: &Names) {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for address in &instance.addresses {
            match address {
                IpAddr::V4(address) => v4.push(self.v4.number(address.octets())),
                IpAddr::V6(address) => v6.push(self.v6.number(address.octets())),
            }
        }
        let id = self.ids.len() as u32;
        if !instance.ports.is_empty() {
            self.ids.extend_from_slice(instance.id.as_str().as_bytes());
        }
        let port = self.ports.len() as u32;
        for port in &instance.ports {
            self.ports.push(PortView {
                id,
                member: number as u16,
                name: names.ports[&(port.name.clone(), port.protocol)],
                number: port.number.get(),
                label_octets: instance.id.as_str().len() as u8,
                answered: instance.answers(port),
            });
        }
        let member = Member {
            priority: instance.priority,
            weight: instance.weight,
            v4: self.append(&v4),
            v6: self.append(&v6),
            port,
            ports: instance.ports.len() as u8,
            stays: instance.drain().is_none(),
        };
        self.members.push(member);
    }

    fn append(&mut self, list: &[u32]) -> Range {
        let range = Range::new(self.lists.len(), list.len());
        self.lists.extend_from_slice(list);
        range
    }

    /// A list that is kept once: most services have one port and no tag, and then all their lists are the same.
    fn intern(&mut self, list: &[u32]) -> Range {
        const LOOK_BACK: usize = 8;
        if list.is_empty() {
            return Range::default();
        }
        let known = self
            .interned
            .iter()
            .rev()
            .take(LOOK_BACK)
            .find_map(|range| range.prefix(&self.lists, list));
        if let Some(range) = known {
            return range;
        }
        let range = self.append(list);
        self.interned.push(range);
        range
    }

    /// A list and another of the same length that follows it, kept once; the range is that of the first.
    fn intern_twins(&mut self, first: &[u32], second: &[u32]) -> Range {
        let mut both = Vec::with_capacity(first.len() * 2);
        both.extend_from_slice(first);
        both.extend_from_slice(second);
        self.intern(&both).half()
    }

    fn instance(&self, member: u32) -> &'a Instance {
        &self.service.instances[member as usize]
    }

    /// Which of `bearers` count, and by which rule.
    fn standing(&self, bearers: &[u32], counts: impl Fn(&Instance, Rule) -> bool) -> (Standing, Vec<u32>) {
        for (rule, standing) in [
            (Rule::Answerable, Standing::Answerable),
            (Rule::FailOpen, Standing::FailOpen),
        ] {
            let members: Vec<u32> = bearers
                .iter()
                .copied()
                .filter(|member| counts(self.instance(*member), rule))
                .collect();
            if !members.is_empty() {
                return (standing, members);
            }
        }
        (Standing::Empty, Vec::new())
    }

    fn selection(&mut self, bearers: &[u32]) -> Selection {
        let (standing, members) = self.standing(bearers, available);
        Selection {
            v4: self.addresses(&members, |member| member.v4),
            v6: self.addresses(&members, |member| member.v6),
            services: self.entries(standing, &members, Of::Service),
        }
    }

    fn services(&mut self, bearers: &[u32], of: Of<'_>) -> Services {
        let (standing, members) = self.standing(bearers, |instance, rule| {
            let has = match of {
                Of::Service => true,
                Of::Protocol(protocol) => instance.ports.iter().any(|port| port.protocol == protocol),
                Of::Port(..) => of.ports(instance, rule).next().is_some(),
            };
            available(instance, rule) && has
        });
        self.entries(standing, &members, of)
    }

    fn entries(&mut self, standing: Standing, members: &[u32], of: Of<'_>) -> Services {
        let rule = if standing == Standing::FailOpen {
            Rule::FailOpen
        } else {
            Rule::Answerable
        };
        let mut entries = Vec::new();
        for member in members {
            let instance = self.instance(*member);
            let before = entries.len();
            for port in of.ports(instance, rule) {
                let at = instance
                    .ports
                    .binary_search_by(|other| other.name.cmp(&port.name));
                let at = at.expect("the port is one of the instance's, which are sorted by name");
                // Two names of one number are one record.
                let number = |entry: &u32| self.ports[*entry as usize].number;
                if entries[before..]
                    .iter()
                    .any(|entry| number(entry) == port.number.get())
                {
                    continue;
                }
                entries.push(self.members[*member as usize].port + at as u32);
            }
        }
        Services {
            standing,
            entries: self.intern(&entries),
        }
    }

    fn addresses(&mut self, members: &[u32], family: impl Fn(&Member) -> Range) -> Addresses {
        let having: Vec<u32> = members
            .iter()
            .copied()
            .filter(|m| !family(&self.members[*m as usize]).is_empty())
            .collect();
        let Some(first) = having.first() else {
            return Addresses::default();
        };
        let tier = self.members[*first as usize].priority;
        // In the order of tier and ring, so the lowest tier stands first.
        let members: Vec<u32> = having
            .into_iter()
            .take_while(|m| self.members[*m as usize].priority == tier)
            .collect();
        let mut entries: Vec<u32> = Vec::with_capacity(members.len());
        let mut holders: Vec<u32> = Vec::with_capacity(members.len());
        let mut weights: Vec<u32> = Vec::with_capacity(members.len());
        let (mut pairs, mut pair_members) = (
            Vec::with_capacity(members.len()),
            Vec::with_capacity(members.len()),
        );
        let mut places: Unique<u32> = Unique::default();
        for number in &members {
            let member = self.members[*number as usize];
            for address in family(&member).of(&self.lists) {
                pairs.push(*address);
                pair_members.push(*number);
                let at = places.number(*address) as usize;
                if at < weights.len() {
                    weights[at] += u32::from(member.weight);
                } else {
                    entries.push(*address);
                    holders.push(*number);
                    weights.push(u32::from(member.weight));
                }
            }
        }
        let equal = weights.iter().all(|weight| *weight == weights[0]);
        Addresses::new(
            self.intern_twins(&entries, &holders),
            if equal {
                Range::default()
            } else {
                self.intern(&weights)
            },
            if pairs.len() == entries.len() {
                Range::default()
            } else {
                self.intern_twins(&pairs, &pair_members)
            },
        )
    }
}

/// Whether an instance counts under a rule, whatever is asked of its ports.
fn available(instance: &Instance, rule: Rule) -> bool {
    match rule {
        Rule::Answerable => instance.is_answerable(),
        Rule::FailOpen => instance.drain().is_none(),
    }
}
