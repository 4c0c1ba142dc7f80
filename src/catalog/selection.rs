//! Which instances and ports stand behind a name. The DNS view encodes what this module selects, and the serial moves
//! when it changes; nothing else decides who is answered.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::health::Status;
use super::instance::{Instance, Port, Protocol};
use super::name::PortName;
use super::service::{KnownName, Service};
use super::settings::{OnEmpty, Ttl};

/// What a name asks of each instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of<'a> {
    /// `web.Z`: port `main`, or all if none is called so.
    Service,
    /// `_web._tcp.Z`: the same of its ports of one protocol.
    Protocol(Protocol),
    /// `_http._tcp.web.Z`: one port.
    Port(&'a PortName, Protocol),
}

/// A selection that has a name in the DNS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Selector<'a> {
    /// What it asks of each instance.
    pub of: Of<'a>,
    /// Only instances with this tag, in lower case.
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
            Rule::FailOpen => instance.drain.is_none(),
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
                && (rule == Rule::FailOpen || port.status() != Status::Critical)
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
pub enum Data {
    /// A or AAAA.
    Address(IpAddr),
    /// SRV: priority, weight, port, and the target's first label.
    Service(u16, u16, u16, String),
    /// TXT: its strings.
    Text(Vec<String>),
}

/// Every record that a service publishes, as (labels below the service or beside it, data). This is the definition in
/// its plainest form, slow on purpose: the serial falls back to it, and tests hold the view against it.
pub fn published(service: &Service, on_empty: OnEmpty) -> BTreeSet<(String, Data)> {
    let mut records = BTreeSet::new();
    for instance in &service.instances {
        let owner = instance.id.to_string();
        records.extend(
            instance
                .addresses
                .iter()
                .map(|address| (owner.clone(), Data::Address(*address))),
        );
        if instance.is_answerable() {
            let ports = instance
                .ports
                .iter()
                .filter(|port| port.status() != Status::Critical);
            records.extend(ports.map(|port| (owner.clone(), service_data(instance, port))));
        }
        let strings: Vec<_> = instance
            .txt_strings()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        if !strings.is_empty() {
            records.insert((owner, Data::Text(strings)));
        }
    }
    let known = service.known_names();
    let mut add = |owner: String, selector: Selector<'_>| {
        let Some(rule) = rule(service, &selector, on_empty) else {
            return;
        };
        let selected = || {
            service
                .instances
                .iter()
                .filter(|instance| selector.selects(instance, rule))
        };
        for instance in selected() {
            records.extend(
                selector
                    .of
                    .ports(instance, rule)
                    .map(|p| (owner.clone(), service_data(instance, p))),
            );
        }
        if selector.of != Of::Service {
            return;
        }
        for is_family in [IpAddr::is_ipv4 as fn(&IpAddr) -> bool, IpAddr::is_ipv6] {
            let tier = selected()
                .filter(|i| i.addresses.iter().any(is_family))
                .map(|i| i.priority)
                .min();
            for instance in selected().filter(|i| Some(i.priority) == tier) {
                let addresses = instance.addresses.iter().filter(|address| is_family(address));
                records.extend(addresses.map(|address| (owner.clone(), Data::Address(*address))));
            }
        }
    };
    add(
        String::new(),
        Selector {
            of: Of::Service,
            tag: None,
        },
    );
    for protocol in Protocol::ALL {
        add(
            format!("^_{protocol}"),
            Selector {
                of: Of::Protocol(protocol),
                tag: None,
            },
        );
    }
    let tags: Vec<_> = known
        .iter()
        .filter_map(|name| match name {
            KnownName::Tag(tag) => Some(tag.as_str()),
            _ => None,
        })
        .collect();
    for tag in &tags {
        // A host name goes before a tag that lingers.
        if !service
            .instances
            .iter()
            .any(|instance| instance.id.as_str() == *tag)
        {
            add(
                (*tag).to_owned(),
                Selector {
                    of: Of::Service,
                    tag: Some(tag),
                },
            );
        }
    }
    for name in &known {
        let KnownName::Port(port, protocol) = name else {
            continue;
        };
        let of = Of::Port(port, *protocol);
        add(format!("_{port}._{protocol}"), Selector { of, tag: None });
        for tag in &tags {
            add(
                format!("_{port}._{protocol}.{tag}"),
                Selector { of, tag: Some(tag) },
            );
        }
    }
    records
}

fn service_data(instance: &Instance, port: &Port) -> Data {
    Data::Service(
        instance.priority,
        instance.weight,
        port.number.get(),
        instance.id.to_string(),
    )
}

/// Whether the published records of a service differ between two states of it, TTLs included.
pub fn records_differ(old: Option<(&Service, OnEmpty, Ttl)>, new: Option<(&Service, OnEmpty, Ttl)>) -> bool {
    match (old, new) {
        (None, None) => false,
        // An instance always has an address at its host name.
        (Some((service, ..)), None) | (None, Some((service, ..))) => !service.instances.is_empty(),
        (Some((old, old_policy, old_ttl)), Some((new, new_policy, new_ttl))) => {
            if old.instances.len() != new.instances.len()
                || (old_ttl != new_ttl && !old.instances.is_empty())
                || old
                    .instances
                    .iter()
                    .zip(&new.instances)
                    .any(|(old, new)| hosts_differ(old, new))
            {
                return true;
            }
            published(old, old_policy) != published(new, new_policy)
        }
    }
}

/// Whether the records at an instance's host name differ. Most changes do, and then the whole need not be compared.
fn hosts_differ(old: &std::sync::Arc<Instance>, new: &std::sync::Arc<Instance>) -> bool {
    if std::sync::Arc::ptr_eq(old, new) {
        return false;
    }
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
