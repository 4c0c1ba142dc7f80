//! Which instances and ports stand behind a name. The DNS view encodes what this module selects, and the serial moves
//! when it changes; nothing else decides who is answered.

use std::collections::{BTreeSet, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use super::discovery;
use super::health::Status;
use super::instance::{Instance, Port, Protocol, Tag};
use super::name::{InstanceId, PortName};
use super::service::Service;
use super::settings::{OnEmpty, Ttl};

/// What a name asks of each instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Of<'a> {
    /// `web.Z`: port `main`, or all if none is called so.
    Service,
    /// `_web._tcp.Z`: the same of its ports of one protocol.
    Protocol(Protocol),
    /// `_http._tcp.web.Z`: one port.
    Port(&'a PortName, Protocol),
}

/// A selection that has a name in the DNS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Selector<'a> {
    /// What it asks of each instance.
    pub of: Of<'a>,
    /// Only instances with this tag, its case aside.
    pub tag: Option<&'a str>,
}

/// Which instances count as answerable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Those that are.
    Answerable,
    /// All that are not draining, with all their ports: `on_empty` is `all` and none is answerable.
    FailOpen,
}

impl Selector<'_> {
    /// Whether `instance` belongs to the selection under `rule`.
    pub fn selects(&self, instance: &Instance, rule: Rule) -> bool {
        if self.tag.is_some_and(|tag| !instance.has_tag_label(tag)) {
            return false;
        }
        let available = match rule {
            Rule::Answerable => instance.is_answerable(),
            Rule::FailOpen => instance.drain().is_none(),
        };
        available
            && match self.of {
                Of::Service => true,
                Of::Protocol(protocol) => instance.ports.iter().any(|port| port.protocol == protocol),
                // Of a port, the port itself must be answered for its instance to count.
                Of::Port(..) => self.of.ports(instance, rule).next().is_some(),
            }
    }
}

impl Of<'_> {
    /// The ports of a selected `instance` that its SRV RRset shows under `rule`. A critical `main` has no substitute:
    /// `main` is looked for among all ports, and only then judged.
    pub fn ports(self, instance: &Instance, rule: Rule) -> impl Iterator<Item = &Port> {
        let wanted = move |port: &Port| match self {
            Self::Service => true,
            Self::Protocol(protocol) => port.protocol == protocol,
            Self::Port(name, protocol) => port.name == *name && port.protocol == protocol,
        };
        let main_alone = !matches!(self, Self::Port(..))
            && instance
                .ports
                .iter()
                .any(|port| wanted(port) && port.name.is_main());
        instance.ports.iter().filter(move |port| {
            wanted(port)
                && (!main_alone || port.name.is_main())
                && (rule == Rule::FailOpen || instance.status_of(port) != Status::Critical)
        })
    }
}

/// The rule that a selection answers by, if any of its instances counts.
pub fn rule(service: &Service, selector: &Selector<'_>, on_empty: OnEmpty) -> Option<Rule> {
    let any = |rule| {
        service
            .instances
            .iter()
            .any(|instance| selector.selects(instance, rule))
    };
    if any(Rule::Answerable) {
        Some(Rule::Answerable)
    } else if on_empty == OnEmpty::All && any(Rule::FailOpen) {
        Some(Rule::FailOpen)
    } else {
        None
    }
}

/// The data of one published record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Data {
    /// A or AAAA.
    Address(IpAddr),
    /// SRV: priority, weight, port, and the target's first label.
    Service(u16, u16, u16, InstanceId),
}

/// What decides which records each instance adds to those of a selection's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shown<'a> {
    selector: Selector<'a>,
    rule: Rule,
    /// The lowest priority of a selected instance that has an address of the family: IPv4, IPv6.
    tiers: [Option<u16>; 2],
}

impl<'a> Shown<'a> {
    /// That of a service in which any instance is selected.
    fn of(service: &Service, selector: Selector<'a>, on_empty: OnEmpty) -> Option<Self> {
        let rule = rule(service, &selector, on_empty)?;
        let mut tiers = [None; 2];
        for instance in service.instances.iter().filter(|i| selector.selects(i, rule)) {
            for address in &instance.addresses {
                let tier = &mut tiers[usize::from(address.is_ipv6())];
                *tier = Some(tier.map_or(instance.priority, |least: u16| least.min(instance.priority)));
            }
        }
        Some(Self {
            selector,
            rule,
            tiers,
        })
    }

    /// The records that `instance` adds.
    fn records(self, instance: &Instance) -> impl Iterator<Item = Data> {
        let is_selected = self.selector.selects(instance, self.rule);
        let ports = self.selector.of.ports(instance, self.rule);
        let ports = ports.map(|port| service_data(instance, port));
        let in_tier =
            move |address: &&IpAddr| self.tiers[usize::from(address.is_ipv6())] == Some(instance.priority);
        let has_addresses = self.selector.of == Of::Service;
        let addresses = instance.addresses.iter().filter(move |_| has_addresses);
        let addresses = addresses.filter(in_tier).copied().map(Data::Address);
        ports.chain(addresses).filter(move |_| is_selected)
    }
}

/// Every record that is published at the name of a selection: the definition in its plainest form.
fn records(service: &Service, selector: Selector<'_>, on_empty: OnEmpty) -> BTreeSet<Data> {
    let shown = Shown::of(service, selector, on_empty);
    let added = |shown: Shown<'_>| {
        let instances = service.instances.iter();
        instances.flat_map(|instance| shown.records(instance)).collect()
    };
    shown.map_or_else(BTreeSet::new, added)
}

/// Whether those records differ between two states of a service with the same instances, of which few changed. To put
/// all records of 4,096 instances in order would take more than a millisecond.
fn selection_differs(old: &Service, new: &Service, selector: Selector<'_>, on_empty: OnEmpty) -> bool {
    let shown = match (
        Shown::of(old, selector, on_empty),
        Shown::of(new, selector, on_empty),
    ) {
        (None, None) => return false,
        (Some(before), Some(after)) if before == after => before,
        // Another rule or tier: every instance may add others.
        _ => return records(old, selector, on_empty) != records(new, selector, on_empty),
    };
    // What did not change adds the same to both. So what matters is what the changed ones add in one state alone, and
    // nobody else adds.
    let (mut before, mut after) = (BTreeSet::new(), BTreeSet::new());
    for (old, new) in changed(old, new) {
        before.extend(shown.records(old));
        after.extend(shown.records(new));
    }
    let mut odd: BTreeSet<&Data> = before.symmetric_difference(&after).collect();
    if odd.iter().any(|data| matches!(data, Data::Service(..))) {
        // It has its instance in it.
        return true;
    }
    for (instance, _) in pairs(old, new).filter(|(old, new)| Arc::ptr_eq(old, new)) {
        if odd.is_empty() {
            break;
        }
        for data in shown
            .records(instance)
            .filter(|data| matches!(data, Data::Address(_)))
        {
            odd.remove(&data);
        }
    }
    !odd.is_empty()
}

fn service_data(instance: &Instance, port: &Port) -> Data {
    Data::Service(
        instance.priority,
        instance.weight,
        port.number.get(),
        instance.id.clone(),
    )
}

/// Whether the published records of a service differ between two states of it, TTLs included.
pub fn records_differ(old: Option<(&Service, OnEmpty, Ttl)>, new: Option<(&Service, OnEmpty, Ttl)>) -> bool {
    match (old, new) {
        (None, None) => false,
        // An instance always has an address at its host name.
        (Some((service, ..)), None) | (None, Some((service, ..))) => !service.instances.is_empty(),
        (Some((old, old_policy, old_ttl)), Some((new, new_policy, new_ttl))) => {
            old.instances.len() != new.instances.len()
                || (old_ttl != new_ttl && !old.instances.is_empty())
                || changed(old, new).any(|(old, new)| hosts_differ(old, new))
                || discoveries_differ(old, new)
                || selections_differ(old, new, old_policy)
                // All that a policy decides is whether the selections without an answerable instance have records.
                || ((old_policy == OnEmpty::All) != (new_policy == OnEmpty::All) && fails_open(new))
        }
    }
}

/// The instances of both, one by one.
fn pairs<'s>(
    old: &'s Service,
    new: &'s Service,
) -> impl Iterator<Item = (&'s Arc<Instance>, &'s Arc<Instance>)> {
    old.instances.iter().zip(&new.instances)
}

/// The instances that are not the same in both; their number must be.
fn changed<'s>(old: &'s Service, new: &'s Service) -> impl Iterator<Item = (&'s Instance, &'s Instance)> {
    pairs(old, new)
        .filter(|(old, new)| !Arc::ptr_eq(old, new))
        .map(|(old, new)| (&**old, &**new))
}

/// Whether the records at an instance's host name differ. Most changes do, and then nothing else need be compared.
fn hosts_differ(old: &Instance, new: &Instance) -> bool {
    let addresses = |instance: &Instance| instance.addresses.iter().copied().collect::<BTreeSet<_>>();
    let ports = |instance: &Instance| {
        let answered = instance.ports.iter().filter(|port| instance.answers(port));
        answered
            .map(|port| service_data(instance, port))
            .collect::<BTreeSet<_>>()
    };
    old.id != new.id
        || addresses(old) != addresses(new)
        || ports(old) != ports(new)
        || !old.txt_strings().eq(new.txt_strings())
}

/// Whether what browsing finds differs (RFC 6763), where the host names' records are the same. A selection that fails
/// open may still show a port that is no longer found, and of two names of one number one may be answered no more.
fn discoveries_differ(old: &Service, new: &Service) -> bool {
    let found = |service, instance| discovery::answered(service, instance).collect::<BTreeSet<_>>();
    changed(old, new).any(|(before, after)| found(old, before) != found(new, after))
}

/// Whether a selection's records differ, where the host names' are the same. Only the names that a changed instance
/// bears can: an instance is in no record of another name. To compare them all would cost the square of what the
/// service weighs, and the writer makes one change at a time.
fn selections_differ(old: &Service, new: &Service, on_empty: OnEmpty) -> bool {
    let mut tags = BTreeSet::new();
    let mut ports = BTreeSet::new();
    let mut any = false;
    for (old, new) in changed(old, new).filter(|(old, new)| !counts_alike(old, new)) {
        any = true;
        for instance in [old, new] {
            tags.extend(instance.tags().iter().filter_map(Tag::label));
            ports.extend(instance.ports.iter().map(|port| (&port.name, port.protocol)));
        }
    }
    if !any {
        return false;
    }
    let tags = || std::iter::once(None).chain(tags.iter().map(|tag| Some(tag.as_str())));
    let differ = |of, tag| selection_differs(old, new, Selector { of, tag }, on_empty);
    tags().any(|tag| differ(Of::Service, tag))
        || Protocol::ALL
            .into_iter()
            .any(|protocol| differ(Of::Protocol(protocol), None))
        || tags().any(|tag| {
            ports
                .iter()
                .any(|(name, protocol)| differ(Of::Port(name, *protocol), tag))
        })
}

/// Whether two states of an instance, whose host names have the same records, count for every selection in the same
/// way: all that [`Selector::selects`], [`Of::ports`] and [`records`] look at is the same. So it is for most reports
/// of health, for a lease, for `meta`.
fn counts_alike(old: &Instance, new: &Instance) -> bool {
    let ports = |instance: &Instance| {
        let critical = |port: &Port| instance.status_of(port) == Status::Critical;
        let all = instance.ports.iter();
        all.map(|port| (port.name.clone(), port.protocol, port.number, critical(port)))
            .collect::<Vec<_>>()
    };
    let tags = |instance: &Instance| {
        instance
            .tags()
            .iter()
            .filter_map(Tag::label)
            .collect::<BTreeSet<_>>()
    };
    let standing = |instance: &Instance| {
        let (answerable, stays) = (instance.is_answerable(), instance.drain().is_none());
        (answerable, stays, instance.priority, instance.weight)
    };
    standing(old) == standing(new) && ports(old) == ports(new) && tags(old) == tags(new)
}

/// Whether a selection has records under `on_empty: all` alone. It then has one that is not draining and is not
/// answered itself, or has a port that is not.
fn fails_open(service: &Service) -> bool {
    let mut seen = HashSet::new();
    let mut does = |of, tag| {
        let selector = Selector { of, tag };
        seen.insert(selector) && rule(service, &selector, OnEmpty::All) == Some(Rule::FailOpen)
    };
    let has_critical = |instance: &Instance| {
        let mut ports = instance.ports.iter();
        ports.any(|port| instance.status_of(port) == Status::Critical)
    };
    let unwell = service.instances.iter().filter(|instance| {
        instance.drain().is_none() && (!instance.is_answerable() || has_critical(instance))
    });
    for instance in unwell {
        let labels = instance.tags().iter().filter(|tag| tag.label().is_some());
        for tag in std::iter::once(None).chain(labels.map(|tag| Some(tag.as_str()))) {
            let ports = &instance.ports;
            if does(Of::Service, tag)
                || ports
                    .iter()
                    .any(|port| does(Of::Port(&port.name, port.protocol), tag))
                || (tag.is_none() && ports.iter().any(|port| does(Of::Protocol(port.protocol), tag)))
            {
                return true;
            }
        }
    }
    false
}
