//! The members of a service in the order of tier, ring and id, as the records that its words hold, and the names that
//! they bear: all that [`super::encode`] lays out.
//!
//! It is read from the instances, or, where a few of many changed, from the words of the view before and from the
//! instances that changed (`redraft.rs`): to read 4,096 instances costs more than all the rest.

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;

use crate::catalog::{Instance, KnownName, Protocol, Service, TagLabel};

use super::lists::Port;
use super::packed::{MEMBER_WORDS, Member, PORT_WORDS, PortView};
use super::service::ring;

/// A service under way.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) members: Vec<[u32; MEMBER_WORDS]>,
    pub(super) v4: Vec<u32>,
    pub(super) v6: Vec<[u32; 4]>,
    pub(super) ports: Vec<[u32; PORT_WORDS]>,
    pub(super) ids: Vec<u8>,
    /// The numbers of the members in the order of their ids.
    pub(super) sorted: Vec<u32>,
    /// Names of ports, in order.
    pub(super) names: Vec<Name>,
    /// In order.
    pub(super) tags: Vec<Tag>,
    /// The octets of names and tags.
    pub(super) text: Vec<u8>,
    /// Whether two members have an address of that family in common, where it is known.
    pub(super) shared: [Option<bool>; 2],
    /// For whoever lays it out: the block's words, the lists', members and ports unpacked.
    pub(super) block: Vec<u32>,
    pub(super) lists: Vec<u32>,
    pub(super) unpacked: Vec<Member>,
    pub(super) unpacked_ports: Vec<Port>,
}

/// Octets of a block whose draft a thread keeps for the next service it lays out: smaller ones cost the allocator little.
const KEPT_OCTETS: std::ops::RangeInclusive<usize> = 1 << 15..=4 << 20;

thread_local! {
    /// The room of the last draft. Given back to the system and taken again, its pages cost more than what is written
    /// into them: a change of a service of 4,096 instances took 360 µs instead of 110 µs.
    static USED: RefCell<Draft> = RefCell::default();
}

/// A name of ports.
#[derive(Clone, Copy, Debug)]
pub(super) struct Name {
    pub(super) start: u32,
    pub(super) len: u8,
    pub(super) protocol: Protocol,
}

/// A tag.
#[derive(Debug)]
pub(super) struct Tag {
    pub(super) start: u32,
    pub(super) len: u8,
    /// Numbers of members, in order.
    pub(super) bearers: Vec<u32>,
}

/// Keys, each once, with their numbers.
pub(super) struct Numbered<K> {
    pub(super) keys: Vec<K>,
    numbers: HashMap<K, u32, foldhash::fast::RandomState>,
    last: usize,
}

impl<K: Clone + Eq + Hash> Numbered<K> {
    /// Services of a few instances and names are the usual case: up to this many a scan is cheaper than a map.
    const SCAN_MAX: usize = 16;

    pub(super) fn new() -> Self {
        Self {
            keys: Vec::new(),
            numbers: HashMap::default(),
            last: 0,
        }
    }

    pub(super) fn number(&mut self, key: K) -> u32 {
        // Instances are alike: what one bears after another, the next bears after it as well.
        let next = if self.last + 1 < self.keys.len() {
            self.last + 1
        } else {
            0
        };
        let known = if self.keys.get(next) == Some(&key) {
            Some(next)
        } else if self.keys.len() <= Self::SCAN_MAX {
            self.keys.iter().position(|known| *known == key)
        } else {
            self.numbers.get(&key).map(|number| *number as usize)
        };
        self.last = known.unwrap_or(self.keys.len());
        if known.is_none() {
            if self.keys.len() == Self::SCAN_MAX {
                self.numbers = self.keys.iter().cloned().zip(0..).collect();
            }
            if self.keys.len() >= Self::SCAN_MAX {
                self.numbers.insert(key.clone(), self.last as u32);
            }
            self.keys.push(key);
        }
        self.last as u32
    }
}

impl Draft {
    /// An empty one, with the room of the last.
    pub(super) fn fresh() -> Self {
        let mut draft = USED.take();
        draft.members.clear();
        draft.v4.clear();
        draft.v6.clear();
        draft.ports.clear();
        draft.ids.clear();
        draft.sorted.clear();
        draft.names.clear();
        draft.tags.clear();
        draft.text.clear();
        draft.shared = [None; 2];
        draft.block.clear();
        draft.lists.clear();
        draft.unpacked.clear();
        draft.unpacked_ports.clear();
        draft
    }

    /// Keeps its room for the next one on this thread.
    pub(super) fn put_away(self) {
        // The block is as large as all that it was made from.
        if KEPT_OCTETS.contains(&(self.block.capacity() * size_of::<u32>())) {
            USED.set(self);
        }
    }

    /// Reads `service` whole.
    pub(super) fn of(service: &Service) -> Self {
        let mut draft = Self::fresh();
        let mut names: Numbered<(&str, Protocol)> = Numbered::new();
        let mut tags: Numbered<TagLabel> = Numbered::new();
        let mut bearers: Vec<Vec<u32>> = Vec::new();
        draft.sorted.resize(service.instances.len(), 0);
        draft.members.reserve_exact(service.instances.len());
        for (number, at) in order(service).into_iter().enumerate() {
            draft.sorted[at] = number as u32;
            let instance = &service.instances[at];
            draft.push(instance, |name, protocol| names.number((name, protocol)));
            for label in instance.tags().iter().filter_map(|tag| tag.label()) {
                let tag = tags.number(label) as usize;
                bearers.resize_with(tags.keys.len(), Vec::new);
                // Two tags may differ in case alone.
                if bearers[tag].last() != Some(&(number as u32)) {
                    bearers[tag].push(number as u32);
                }
            }
        }
        for lingering in service.lingering() {
            match &lingering.name {
                KnownName::Service => {}
                KnownName::Port(name, protocol) => drop(names.number((name.as_str(), *protocol))),
                KnownName::Tag(label) => drop(tags.number(label.clone())),
            }
        }
        bearers.resize_with(tags.keys.len(), Vec::new);
        draft.number_names(&names.keys);
        let mut tags: Vec<_> = tags.keys.into_iter().zip(bearers).collect();
        tags.sort_unstable_by(|one, two| one.0.cmp(&two.0));
        for (label, bearers) in tags {
            draft.push_tag(label.as_str().as_bytes(), bearers);
        }
        draft
    }

    /// Appends a member; `name` gives the number of a port's name.
    pub(super) fn push<'i>(
        &mut self,
        instance: &'i Instance,
        mut name: impl FnMut(&'i str, Protocol) -> u32,
    ) {
        let number = self.members.len() as u16;
        for address in &instance.addresses {
            match address {
                IpAddr::V4(address) => self.v4.push(u32::from_ne_bytes(address.octets())),
                IpAddr::V6(address) => self.v6.push(bytemuck::cast(address.octets())),
            }
        }
        for port in &instance.ports {
            let view = PortView {
                number: port.number.get(),
                member: number,
                name: name(port.name.as_str(), port.protocol),
                answered: instance.answers(port),
            };
            self.ports.push(view.pack());
        }
        self.ids.extend_from_slice(instance.id.as_str().as_bytes());
        let member = Member {
            priority: instance.priority,
            weight: instance.weight,
            v4: 0..self.v4.len() as u32,
            v6: 0..self.v6.len() as u32,
            ports: 0..self.ports.len() as u32,
            id: 0..self.ids.len() as u32,
            stays: instance.drain().is_none(),
            answerable: instance.is_answerable(),
        };
        self.members.push(member.pack());
    }

    /// Appends a name of ports, which is in order.
    pub(super) fn push_name(&mut self, name: &[u8], protocol: Protocol) {
        self.names.push(Name {
            start: self.text.len() as u32,
            len: name.len() as u8,
            protocol,
        });
        self.text.extend_from_slice(name);
    }

    /// Appends a tag, which is in order.
    pub(super) fn push_tag(&mut self, label: &[u8], bearers: Vec<u32>) {
        self.tags.push(Tag {
            start: self.text.len() as u32,
            len: label.len() as u8,
            bearers,
        });
        self.text.extend_from_slice(label);
    }

    /// Puts the names in order, by which the ports have been numbered as they came.
    fn number_names(&mut self, names: &[(&str, Protocol)]) {
        let mut order: Vec<u32> = (0..names.len() as u32).collect();
        order.sort_unstable_by_key(|number| names[*number as usize]);
        let mut numbers = vec![0; names.len()];
        for (number, was) in order.iter().enumerate() {
            let (name, protocol) = names[*was as usize];
            numbers[*was as usize] = number as u32;
            self.push_name(name.as_bytes(), protocol);
        }
        if names.len() > 1 {
            self.rename(&numbers);
        }
    }

    /// Gives the ports' names other numbers.
    pub(super) fn rename(&mut self, numbers: &[u32]) {
        for words in &mut self.ports {
            let port = PortView::unpack(words);
            let name = numbers[port.name as usize];
            *words = PortView { name, ..port }.pack();
        }
    }

    /// A member by its number.
    #[inline]
    pub(super) fn member(&self, number: u32) -> Member {
        Member::unpack(self.members.as_flattened(), number as usize)
    }
}

/// The places of a service's instances in the order of tier, ring and id.
fn order(service: &Service) -> Vec<usize> {
    let instances = service.instances.iter().enumerate();
    let mut order: Vec<(u16, u64, u32)> = instances
        .map(|(at, instance)| {
            let ring = ring(instance.id.as_str().as_bytes());
            (instance.priority, ring, at as u32)
        })
        .collect();
    order.sort_unstable();
    order.into_iter().map(|(_, _, at)| at as usize).collect()
}
