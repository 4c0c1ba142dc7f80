//! Reverse names: PTR for the addresses of instances, in our zones at or below `in-addr.arpa` (RFC 1035 §3.5) and
//! `ip6.arpa` (RFC 3596 §2.5).
//!
//! An instance has the host name `<id>.<service>.<zone>` whatever its status, so its addresses have a PTR to it for as
//! long as it is registered. The longest of our zones that an address's reverse name lies in has it. A zone keeps the
//! addresses that it has; those outside of every reverse zone are kept nowhere. A zone whose name has a label that is
//! no part of an address (`0/25.2.0.192.in-addr.arpa`, RFC 2317) has none: its owner says there what it wants.

mod prefix;
#[cfg(test)]
mod tests;
mod trie;

use std::net::IpAddr;
use std::sync::Arc;

use super::contents::{Contents, types};
use super::name::{InstanceId, ServiceName, ZoneName};
use super::settings::Ttl;
use super::zone::Zone;

pub use prefix::{Prefix, Relative};

use trie::Node;

/// The addresses that a reverse zone has, with the host names of their instances.
#[derive(Clone, Debug, PartialEq)]
pub struct Reverse {
    prefix: Prefix,
    names: Option<Arc<Node>>,
}

/// The host names at an address, or below a name above addresses: at least one.
#[derive(Clone, Copy)]
pub struct Hosts<'r> {
    node: &'r Node,
    address: u128,
}

/// Addresses with their names, on the way from one zone to another.
#[derive(Debug)]
pub(super) struct Names(Arc<Node>);

impl Reverse {
    /// Of a zone that has no address yet; nothing if its name is no reverse name.
    pub(super) fn of(zone: &ZoneName) -> Option<Self> {
        Some(Self {
            prefix: Prefix::of_zone(zone)?,
            names: None,
        })
    }

    /// What the zone's name says of its addresses.
    pub fn prefix(&self) -> Prefix {
        self.prefix
    }

    /// The host names whose addresses `place` is, or begins. One descent; nothing is scanned or allocated.
    pub fn at(&self, place: Prefix) -> Option<Hosts<'_>> {
        let node = self.names.as_ref()?.at(place.key(), place.digits())?;
        Some(Hosts {
            node,
            address: place.bits(),
        })
    }

    fn insert(&mut self, address: Prefix, host: &[u8]) {
        trie::insert(&mut self.names, Arc::new(Node::leaf(address.bits(), host)));
    }

    fn remove(&mut self, address: Prefix, host: &[u8]) {
        let had = trie::remove(&mut self.names, address.bits(), host);
        debug_assert!(had, "what is taken away was there");
    }

    /// Takes what another zone has from now on.
    pub(super) fn take(&mut self, prefix: Prefix) -> Option<Names> {
        trie::take(&mut self.names, prefix.key(), prefix.digits()).map(Names)
    }

    /// Gives what another zone had.
    pub(super) fn give(&mut self, names: Names) {
        trie::insert(&mut self.names, names.0);
    }

    /// Everything that it has, taken.
    pub(super) fn names(&self) -> Option<Names> {
        self.names.clone().map(Names)
    }
}

impl<'r> Hosts<'r> {
    /// Gives each host name in wire form and lower case to `visit`, each once and always in the same order, for as
    /// long as it wants more; whether it took all.
    pub fn each(self, mut visit: impl FnMut(&'r [u8]) -> bool) -> bool {
        self.node.each(&mut |_, host| visit(host))
    }

    /// Whether `host`, in wire form and lower case, is one of those at this address.
    pub fn has(self, host: &[u8]) -> bool {
        self.node.has(self.address, host)
    }
}

/// Our reverse zones, the longest prefix first: at most as many as there may be zones.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReverseZones(Arc<Vec<(Prefix, ZoneName)>>);

impl ReverseZones {
    /// Those among `zones`.
    pub(super) fn of<'z>(zones: impl Iterator<Item = &'z ZoneName>) -> Self {
        let mut all = Self::default();
        zones.for_each(|zone| all.insert(zone));
        all
    }

    /// Whether there is none, and so nothing to do for an address.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a zone, if it is one.
    pub(super) fn insert(&mut self, zone: &ZoneName) {
        if let Some(prefix) = Prefix::of_zone(zone) {
            let at = self
                .0
                .partition_point(|(other, name)| (other.digits(), zone) > (prefix.digits(), name));
            Arc::make_mut(&mut self.0).insert(at, (prefix, zone.clone()));
        }
    }

    /// Takes a zone away, if it is one.
    pub(super) fn remove(&mut self, zone: &ZoneName) {
        if Prefix::of_zone(zone).is_some() {
            Arc::make_mut(&mut self.0).retain(|(_, name)| name != zone);
        }
    }

    /// The longest that covers `prefix`.
    pub(super) fn longest(&self, prefix: Prefix) -> Option<&ZoneName> {
        self.place(prefix).map(|at| &self.0[at].1)
    }

    fn place(&self, prefix: Prefix) -> Option<usize> {
        self.0.iter().position(|(zone, _)| zone.covers(prefix))
    }

    /// Every reverse zone with all that it has, from all instances of `zones`: once when a server starts, and when a
    /// zone is made that takes nothing over from another.
    pub(super) fn build<'z>(&self, zones: impl Iterator<Item = &'z Arc<Zone>>) -> Vec<Reverse> {
        if self.is_empty() {
            return Vec::new();
        }
        let mut leaves: Vec<Vec<Node>> = vec![Vec::new(); self.0.len()];
        let mut host = Vec::new();
        for zone in zones {
            let apex = zone.name.to_wire();
            for (service, instance) in zone
                .services
                .iter()
                .flat_map(|service| service.instances.iter().map(|instance| (&service.name, instance)))
            {
                host.clear();
                for address in &instance.addresses {
                    let address = Prefix::of_address(*address);
                    if let Some(at) = self.place(address) {
                        if host.is_empty() {
                            write_host(&mut host, &instance.id, service, &apex);
                        }
                        leaves[at].push(Node::leaf(address.bits(), &host));
                    }
                }
            }
        }
        let zones = self.0.iter().zip(leaves);
        zones
            .map(|((prefix, _), leaves)| Reverse {
                prefix: *prefix,
                names: trie::build(leaves.into_iter()),
            })
            .collect()
    }

    /// The names in the order of [`Self::build`].
    pub(super) fn names(&self) -> impl Iterator<Item = &ZoneName> {
        self.0.iter().map(|(_, name)| name)
    }
}

fn write_host(host: &mut Vec<u8>, id: &InstanceId, service: &ServiceName, apex: &[u8]) {
    for label in [id.as_str(), service.as_str()] {
        host.push(label.len() as u8);
        host.extend_from_slice(label.as_bytes());
    }
    host.extend_from_slice(apex);
}

/// The host name of an instance in wire form.
pub(super) fn host(id: &InstanceId, service: &ServiceName, zone: &ZoneName) -> Vec<u8> {
    let mut host = Vec::new();
    write_host(&mut host, id, service, &zone.to_wire());
    host
}

/// Whether the PTR of instances at `name`, given below the apex in wire form and lower case, are published beside what
/// the zone file has: they are not where the file delegates the name or redirects it by DNAME, at it or above it, or
/// says that it is an alias.
pub fn is_published(contents: &Contents, name: &[u8]) -> bool {
    let mut starts = [0; 128];
    let (mut labels, mut at) = (0, 0);
    while at < name.len() && labels < starts.len() {
        starts[labels] = at;
        labels += 1;
        at += 1 + usize::from(name[at]);
    }
    if contents.apex().has_dname() {
        return false;
    }
    for start in starts[..labels].iter().rev() {
        match contents.node(&name[*start..]) {
            None => return true,
            Some(node) if node.is_cut() || node.has_dname() => return false,
            Some(node) if *start == 0 && node.has_cname() => return false,
            Some(_) => {}
        }
    }
    true
}

impl Zone {
    /// Gives `host` the address in this zone, or takes it away; whether the zone's records differ after that.
    pub(super) fn point(&mut self, address: IpAddr, host: &[u8], points: bool) -> bool {
        let address = Prefix::of_address(address);
        let Some(reverse) = &mut self.reverse else {
            return false;
        };
        if !points {
            reverse.remove(address, host);
        }
        let is_alone = reverse.at(address).is_none();
        if points {
            reverse.insert(address, host);
        }
        self.differs(address, host, is_alone)
    }

    /// Whether the records at `address` are others with `host` there than without it; `is_alone` if no other instance
    /// has that address.
    fn differs(&self, address: Prefix, host: &[u8], is_alone: bool) -> bool {
        let (Some(contents), Some(reverse)) = (&self.contents, &self.reverse) else {
            return true;
        };
        let name = address.within(reverse.prefix);
        if !is_published(contents, name.as_slice()) {
            return false;
        }
        let Some(own) = contents
            .node(name.as_slice())
            .and_then(|node| node.rrset(types::PTR))
        else {
            return true;
        };
        let says_so = own.data().any(|data| data.eq_ignore_ascii_case(host));
        // One RRset has one TTL, the least.
        !says_so || (is_alone && self.ttl().seconds() < own.ttl)
    }

    /// Whether PTR of instances have another TTL than they had when the zone's was `old`. Only beside a zone file more
    /// than one address is looked at.
    pub(super) fn pointers_differ_from(&self, old: Ttl) -> bool {
        let Some((reverse, names)) = self.reverse.as_ref().and_then(|r| Some((r, r.names.as_ref()?))) else {
            return false;
        };
        let Some(contents) = &self.contents else {
            return self.ttl() != old;
        };
        let mut differs = false;
        names.each(&mut |key, _| {
            let name = reverse.prefix.address_at(key).within(reverse.prefix);
            let own = contents
                .node(name.as_slice())
                .and_then(|node| node.rrset(types::PTR));
            let least = |ttl: Ttl| own.map_or(ttl.seconds(), |own| own.ttl.min(ttl.seconds()));
            differs = least(self.ttl()) != least(old) && is_published(contents, name.as_slice());
            !differs
        });
        differs
    }

    /// Whether this zone's records are others with `names` than without them.
    pub(super) fn differs_by(&self, names: &Names) -> bool {
        let (Some(_), Some(reverse)) = (&self.contents, &self.reverse) else {
            return true;
        };
        let mut differs = false;
        names.0.each(&mut |key, host| {
            // All names of an address go together, so the first is alone as far as the TTL is concerned.
            differs = self.differs(reverse.prefix.address_at(key), host, true);
            !differs
        });
        differs
    }
}
