//! What a zone holds, slowly and from the contract's words alone: nothing here calls what it is held against.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use crate::catalog::*;

pub(crate) const A: u16 = 1;
pub(crate) const NS: u16 = 2;
pub(crate) const SOA: u16 = 6;
pub(crate) const PTR: u16 = 12;
pub(crate) const TXT: u16 = 16;
pub(crate) const AAAA: u16 = 28;
pub(crate) const SRV: u16 = 33;

/// The data of a record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Data {
    Address(IpAddr),
    Service {
        priority: u16,
        weight: u16,
        port: u16,
        target: String,
    },
    Text(Vec<Vec<u8>>),
    Name(String),
    /// Without the serial, which the others make move: MINIMUM.
    Authority(u32),
}

/// A name that exists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Node {
    /// TTL and data by type.
    pub(crate) sets: BTreeMap<u16, (u32, BTreeSet<Data>)>,
    /// It answers NXDOMAIN, by `on_empty`.
    pub(crate) denies: bool,
}

/// Every name that exists in a zone, in lower case and without the final dot.
pub(crate) type Table = BTreeMap<String, Node>;

/// The table of `zone`; `state` tells which zones lie below it.
pub(crate) fn table(state: &State, zone: &Zone) -> Table {
    let mut table = Table::new();
    let apex = zone.name.to_string();
    let ttl = zone.settings.ttl.unwrap_or(zone.base.ttl).seconds();
    let minimum = zone
        .settings
        .negative_ttl
        .unwrap_or(zone.base.negative_ttl)
        .seconds();
    let mut add = |owner: &str, rtype: u16, ttl: u32, data: Data| {
        let node = table.entry(owner.to_owned()).or_default();
        node.sets
            .entry(rtype)
            .or_insert((ttl, BTreeSet::new()))
            .1
            .insert(data);
    };
    add(&apex, SOA, ttl, Data::Authority(minimum));
    add(&apex, NS, ttl, Data::Name(format!("ns.{apex}")));
    for address in &zone.base.name_servers {
        add(
            &format!("ns.{apex}"),
            family(address),
            ttl,
            Data::Address(*address),
        );
    }
    table.entry(format!("ns.{apex}")).or_default();
    for service in zone.services.iter() {
        add_service(&mut table, zone, service);
    }
    add_reverse(&mut table, state, zone, ttl);
    add_discovery(&mut table, zone);
    for lower in state.zones.keys() {
        if let Some(rest) = lower.as_str().strip_suffix(&format!(".{apex}")) {
            // The lower apex is not ours; what lies between is.
            if let Some((_, between)) = rest.split_once('.') {
                table.entry(format!("{between}.{apex}")).or_default();
            }
        }
    }
    for name in table.keys().cloned().collect::<Vec<_>>() {
        let mut rest = name.as_str();
        while let Some((_, upper)) = rest.split_once('.') {
            rest = upper;
            if rest.len() > apex.len() {
                table.entry(rest.to_owned()).or_default();
            }
        }
    }
    table
}

/// PTR for the addresses of all instances whose reverse names have `zone` as their longest zone.
fn add_reverse(table: &mut Table, state: &State, zone: &Zone, ttl: u32) {
    let is_in = |name: &str, apex: &str| name == apex || name.ends_with(&format!(".{apex}"));
    for other in state.zones.values() {
        for (service, instance) in other
            .services
            .iter()
            .flat_map(|service| service.instances.iter().map(move |i| (service, i)))
        {
            for address in &instance.addresses {
                let owner = reverse_name(address);
                let longest = state
                    .zones
                    .keys()
                    .filter(|apex| is_in(&owner, apex.as_str()))
                    .max_by_key(|apex| apex.as_str().len());
                if longest != Some(&zone.name) || zone.name.as_str() == "arpa" {
                    continue;
                }
                let node = table.entry(owner).or_default();
                // What has records is not denied.
                node.denies = false;
                let host = format!("{}.{}.{}", instance.id, service.name, other.name);
                let set = node.sets.entry(PTR).or_insert((ttl, BTreeSet::new()));
                set.1.insert(Data::Name(host));
            }
        }
    }
}

/// By the words of RFC 1035 §3.5 and RFC 3596 §2.5.
pub(crate) fn reverse_name(address: &IpAddr) -> String {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        IpAddr::V6(address) => {
            let digits = address.segments().map(|group| format!("{group:04x}")).concat();
            let labels: Vec<String> = digits.chars().rev().map(String::from).collect();
            format!("{}.ip6.arpa", labels.join("."))
        }
    }
}

/// What a resolver could see of the zone: for the serial.
pub(crate) fn rrsets(table: &Table) -> BTreeMap<(String, u16), (u32, BTreeSet<Data>)> {
    let sets = table.iter().flat_map(|(owner, node)| {
        node.sets
            .iter()
            .map(|(rtype, set)| ((owner.clone(), *rtype), set.clone()))
    });
    sets.filter(|(_, (_, data))| !data.is_empty()).collect()
}

fn family(address: &IpAddr) -> u16 {
    if address.is_ipv4() { A } else { AAAA }
}

fn is_label(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric();
    (1..=63).contains(&text.len())
        && text.chars().all(|c| plain(c) || c == '-')
        && text.starts_with(plain)
        && text.ends_with(plain)
}

fn tag_labels(instance: &Instance) -> BTreeSet<String> {
    let tags = instance
        .tags()
        .iter()
        .map(|tag| tag.as_str().to_ascii_lowercase());
    tags.filter(|tag| is_label(tag)).collect()
}

fn is_critical(instance: &Instance, port: &Port) -> bool {
    instance
        .reported_of(&port.name)
        .is_some_and(|verdict| verdict.status == Status::Critical)
}

fn is_answerable(instance: &Instance) -> bool {
    let critical = instance.lapsed().is_some() || instance.reported().status == Status::Critical;
    let has_port =
        instance.ports.is_empty() || instance.ports.iter().any(|port| !is_critical(instance, port));
    !critical && instance.drain().is_none() && has_port
}

/// What a selection shows: instances, and whether `on_empty: all` let critical ports pass.
enum Shown {
    Nothing,
    Denied,
    These(Vec<Arc<Instance>>, bool),
}

fn shown(pool: Vec<Arc<Instance>>, on_empty: OnEmpty, counts: impl Fn(&Instance) -> bool) -> Shown {
    let answered: Vec<_> = pool.iter().filter(|instance| counts(instance)).cloned().collect();
    let staying: Vec<_> = pool
        .into_iter()
        .filter(|instance| instance.drain().is_none())
        .collect();
    match on_empty {
        _ if !answered.is_empty() => Shown::These(answered, false),
        OnEmpty::NxDomain => Shown::Denied,
        OnEmpty::All if !staying.is_empty() => Shown::These(staying, true),
        OnEmpty::All | OnEmpty::NoData => Shown::Nothing,
    }
}

fn srv(host: &str, instance: &Instance, port: &Port) -> Data {
    Data::Service {
        priority: instance.priority,
        weight: instance.weight,
        port: port.number.get(),
        target: host.to_owned(),
    }
}

fn add_service(table: &mut Table, zone: &Zone, service: &Service) {
    let base = format!("{}.{}", service.name, zone.name);
    let ttl = service
        .settings()
        .ttl
        .or(zone.settings.ttl)
        .unwrap_or(zone.base.ttl)
        .seconds();
    let on_empty = service
        .settings()
        .on_empty
        .or(zone.settings.on_empty)
        .unwrap_or_default();
    let mut ports: BTreeSet<(String, Protocol)> = BTreeSet::new();
    let mut tags: BTreeSet<String> = BTreeSet::new();
    for lingering in service.lingering() {
        match &lingering.name {
            KnownName::Service => {}
            KnownName::Port(name, protocol) => drop(ports.insert((name.to_string(), *protocol))),
            KnownName::Tag(label) => drop(tags.insert(label.to_string())),
        }
    }
    for instance in &service.instances {
        ports.extend(
            instance
                .ports
                .iter()
                .map(|port| (port.name.to_string(), port.protocol)),
        );
        tags.extend(tag_labels(instance));
    }
    let mut fill =
        |owner: String, shown: Shown, addresses: bool, wanted: &dyn Fn(&Port) -> bool, all: bool| {
            let node = table.entry(owner).or_default();
            let (instances, fail_open) = match shown {
                Shown::Nothing => return,
                Shown::Denied => {
                    node.denies = true;
                    return;
                }
                Shown::These(instances, fail_open) => (instances, fail_open),
            };
            let mut put = |rtype, data| {
                node.sets
                    .entry(rtype)
                    .or_insert((ttl, BTreeSet::new()))
                    .1
                    .insert(data);
            };
            for instance in &instances {
                let mut candidates: Vec<&Port> = instance.ports.iter().filter(|port| wanted(port)).collect();
                if !all && candidates.iter().any(|port| port.name.as_str() == "main") {
                    candidates.retain(|port| port.name.as_str() == "main");
                }
                candidates.retain(|port| fail_open || !is_critical(instance, port));
                for port in candidates {
                    put(SRV, srv(&format!("{}.{base}", instance.id), instance, port));
                }
            }
            for rtype in [A, AAAA] {
                let has = |instance: &Instance| instance.addresses.iter().any(|a| family(a) == rtype);
                let lowest = instances.iter().filter(|i| has(i)).map(|i| i.priority).min();
                for instance in instances.iter().filter(|i| Some(i.priority) == lowest) {
                    for address in instance
                        .addresses
                        .iter()
                        .filter(|a| addresses && family(a) == rtype)
                    {
                        put(rtype, Data::Address(*address));
                    }
                }
            }
        };
    let pool = |has: &dyn Fn(&Instance) -> bool| -> Vec<Arc<Instance>> {
        service
            .instances
            .iter()
            .filter(|instance| has(instance))
            .cloned()
            .collect()
    };
    let any = |_: &Port| true;
    fill(
        base.clone(),
        shown(pool(&|_| true), on_empty, is_answerable),
        true,
        &any,
        false,
    );
    for protocol in Protocol::ALL {
        if ports.iter().any(|(_, known)| *known == protocol) {
            let has = |i: &Instance| i.ports.iter().any(|port| port.protocol == protocol);
            let owner = format!("_{}._{protocol}.{}", service.name, zone.name);
            fill(
                owner,
                shown(pool(&has), on_empty, is_answerable),
                false,
                &|port| port.protocol == protocol,
                false,
            );
        }
    }
    let is_host = |label: &str| service.instances.iter().any(|i| i.id.as_str() == label);
    for tag in &tags {
        if !is_host(tag) {
            let has = |i: &Instance| tag_labels(i).contains(tag);
            fill(
                format!("{tag}.{base}"),
                shown(pool(&has), on_empty, is_answerable),
                true,
                &any,
                false,
            );
        }
    }
    for (name, protocol) in &ports {
        let is_it = |port: &Port| port.name.as_str() == name && port.protocol == *protocol;
        for tag in std::iter::once(None).chain(tags.iter().map(Some)) {
            let has =
                |i: &Instance| i.ports.iter().any(is_it) && tag.is_none_or(|tag| tag_labels(i).contains(tag));
            let counts =
                |i: &Instance| is_answerable(i) && i.ports.iter().any(|p| is_it(p) && !is_critical(i, p));
            let below = tag.map_or(base.clone(), |tag| format!("{tag}.{base}"));
            fill(
                format!("_{name}._{protocol}.{below}"),
                shown(pool(&has), on_empty, counts),
                false,
                &is_it,
                true,
            );
        }
    }
    for instance in &service.instances {
        add_host(table, &format!("{}.{base}", instance.id), ttl, instance);
    }
}

/// RFC 6763 §4, §6, §9 and §11. To be called when all else is in the table.
fn add_discovery(table: &mut Table, zone: &Zone) {
    let apex = zone.name.to_string();
    let zone_ttl = zone.settings.ttl.unwrap_or(zone.base.ttl).seconds();
    let type_of = |service: &Service, port: &str| {
        let label = if port == "main" {
            service.name.as_str()
        } else {
            port
        };
        (label.len() <= 15).then(|| label.to_owned())
    };
    let mut known: BTreeSet<String> = BTreeSet::new();
    let mut answered: BTreeSet<String> = BTreeSet::new();
    for service in zone.services.iter() {
        let mut ports: BTreeSet<(String, Protocol)> = BTreeSet::new();
        for lingering in service.lingering() {
            if let KnownName::Port(name, protocol) = &lingering.name {
                ports.insert((name.to_string(), *protocol));
            }
        }
        for instance in &service.instances {
            ports.extend(
                instance
                    .ports
                    .iter()
                    .map(|port| (port.name.to_string(), port.protocol)),
            );
        }
        let name = |label: &str, protocol: Protocol| format!("_{label}._{protocol}.{apex}");
        for (port, protocol) in &ports {
            known.extend(type_of(service, port).map(|label| name(&label, *protocol)));
        }
        let ttl = service.settings().ttl.map_or(zone_ttl, |ttl| ttl.seconds());
        for instance in &service.instances {
            for port in &instance.ports {
                let Some(label) = type_of(service, port.name.as_str()) else {
                    continue;
                };
                if !is_answerable(instance) || is_critical(instance, port) {
                    continue;
                }
                let whole = format!("{}@{}", instance.id, service.name);
                let short = if whole.len() <= 63 {
                    whole
                } else {
                    format!(
                        "{}-{:016x}",
                        &whole[..46],
                        xxhash_rust::xxh3::xxh3_64(whole.as_bytes())
                    )
                };
                let kind = name(&label, port.protocol);
                let owner = format!("{short}.{kind}");
                let mut put = |owner: &str, rtype, ttl, data| {
                    let node = table.entry(owner.to_owned()).or_default();
                    let set = node.sets.entry(rtype).or_insert((ttl, BTreeSet::new()));
                    set.1.insert(data);
                };
                put(&kind, PTR, zone_ttl, Data::Name(owner.clone()));
                let host = format!("{}.{}.{apex}", instance.id, service.name);
                put(&owner, SRV, ttl, srv(&host, instance, port));
                let strings = text_of(instance);
                let strings = if strings.is_empty() {
                    vec![Vec::new()]
                } else {
                    strings
                };
                put(&owner, TXT, ttl, Data::Text(strings));
                answered.insert(kind);
            }
        }
    }
    for kind in &known {
        table.entry(kind.clone()).or_default();
    }
    for kind in &answered {
        // A name that has records is not denied.
        table.entry(kind.clone()).or_default().denies = false;
    }
    if known.is_empty() {
        return;
    }
    let types = table.entry(format!("_services._dns-sd._udp.{apex}")).or_default();
    if !answered.is_empty() {
        let names = answered.into_iter().map(Data::Name).collect();
        types.sets.insert(PTR, (zone_ttl, names));
    }
    let has_any = !types.sets.is_empty();
    let browse = table.entry(format!("b._dns-sd._udp.{apex}")).or_default();
    if has_any {
        let names = [Data::Name(apex.clone())].into();
        browse.sets.insert(PTR, (zone_ttl, names));
    }
}

fn add_host(table: &mut Table, host: &str, ttl: u32, instance: &Instance) {
    let node = table.entry(host.to_owned()).or_default();
    let mut put = |rtype, data| {
        node.sets
            .entry(rtype)
            .or_insert((ttl, BTreeSet::new()))
            .1
            .insert(data);
    };
    for address in &instance.addresses {
        put(family(address), Data::Address(*address));
    }
    if is_answerable(instance) {
        for port in instance.ports.iter().filter(|port| !is_critical(instance, port)) {
            put(SRV, srv(host, instance, port));
        }
    }
    let strings = text_of(instance);
    if !strings.is_empty() {
        put(TXT, Data::Text(strings));
    }
}

fn text_of(instance: &Instance) -> Vec<Vec<u8>> {
    let mut pairs: Vec<_> = instance
        .meta()
        .iter()
        .map(|(k, v)| (k.as_str(), v.as_str()))
        .collect();
    pairs.sort_unstable();
    pairs
        .into_iter()
        .map(|(key, value)| format!("{key}={value}").into_bytes())
        .filter(|string| string.len() <= 255)
        .collect()
}
