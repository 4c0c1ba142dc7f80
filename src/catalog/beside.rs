//! Static records and services in one zone: what would hide what.
//!
//! A name may have records of both, as long as each type there is one's alone. A delegation or a DNAME above a name of
//! a service would hide it, and so would its own types at that name; records of a service would hide static ones in
//! the same way. The rule is one, and asked from both sides: when a service gets a name, and when a zone file comes.

use super::contents::{Contents, text, types};
use super::discovery::{InstanceLabel, type_of};
use super::instance::{Instance, Protocol};
use super::limits::NAME_OCTETS_MAX;
use super::service::{KnownName, Service};

/// A static record that a name of a service would hide, or the other way round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Clash {
    /// The static name, below the apex in wire form.
    pub(super) at: Box<[u8]>,
    /// The static type there.
    pub(super) rtype: u16,
    /// The name of the service, below the apex in wire form.
    pub(super) name: Box<[u8]>,
}

impl Clash {
    /// Both in words; `apex` in text.
    pub(super) fn message(&self, service: &str, apex: &str) -> String {
        let full = |name: &[u8]| {
            let mut wire = name.to_vec();
            wire.push(0);
            format!("{}.{apex}", text(&wire))
        };
        let at = match self.at.is_empty() {
            true => apex.to_owned(),
            false => full(&self.at),
        };
        format!(
            "{} of service {service} and the zone file's {} record at {at} would hide each other; rename one, or remove \
             the static record",
            full(&self.name),
            type_name(self.rtype),
        )
    }
}

/// What no static record may be at a name of a service: the types that it answers itself, and those that stand alone or
/// lead elsewhere.
const OWN: [u16; 7] = [
    types::A,
    types::AAAA,
    types::SRV,
    types::CNAME,
    types::DNAME,
    types::NS,
    types::DS,
];
/// The same at a host name, which has TXT too.
const OWN_OF_HOST: [u16; 8] = [
    types::A,
    types::AAAA,
    types::SRV,
    types::TXT,
    types::CNAME,
    types::DNAME,
    types::NS,
    types::DS,
];

/// What no static record may be where DNS-SD lists instances (RFC 6763 §4.1): SRV may, which is the service's of that
/// name, if there is one.
const OWN_OF_LIST: [u16; 5] = [types::PTR, types::CNAME, types::DNAME, types::NS, types::DS];

/// What no static record may be at an instance's name there.
const OWN_OF_BROWSED: [u16; 6] = [
    types::SRV,
    types::TXT,
    types::CNAME,
    types::DNAME,
    types::NS,
    types::DS,
];

/// The first clash between `contents` and the names that `service` is known by. Of the host names, those of
/// `instances`: whoever registers one instance need not look at all.
pub(super) fn clash<'i>(
    contents: &Contents,
    service: &Service,
    instances: impl Iterator<Item = &'i Instance>,
) -> Option<Clash> {
    Judge { contents }.service(service, instances).err()
}

struct Judge<'c> {
    contents: &'c Contents,
}

impl Judge<'_> {
    fn service<'i>(
        &self,
        service: &Service,
        instances: impl Iterator<Item = &'i Instance>,
    ) -> Result<(), Clash> {
        let label = service.name.as_str();
        let protocols = Protocol::ALL.map(protocol_label);
        let has_below = self.has(&[label]);
        let is_apart = !has_below && !protocols.iter().any(|protocol| self.has(&[protocol]));
        if is_apart && !self.contents.apex().has_dname() {
            // A name that the file does not have has nothing below it: so it is with most services.
            return Ok(());
        }
        let instances: Vec<&Instance> = instances.collect();
        let names = service.known_names();
        let ports = || {
            names.iter().filter_map(|name| match name {
                KnownName::Port(port, protocol) => Some((port, *protocol)),
                _ => None,
            })
        };
        self.name(&[label], &OWN)?;
        for protocol in Protocol::ALL {
            if ports().any(|(_, known)| known == protocol) {
                self.name(&[&format!("_{label}"), protocol_label(protocol)], &OWN)?;
            }
        }
        for (port, protocol) in ports() {
            if let Some(service_type) = type_of(&service.name, port) {
                let owner = [&format!("_{service_type}"), protocol_label(protocol)];
                self.name(&owner, &OWN_OF_LIST)?;
                self.name(&["_services", "_dns-sd", "_udp"], &OWN_OF_LIST)?;
                self.name(&["b", "_dns-sd", "_udp"], &OWN_OF_LIST)?;
            }
        }
        for instance in &instances {
            self.browsed(service, instance)?;
        }
        if !has_below {
            return Ok(());
        }
        for instance in instances {
            self.name(&[instance.id.as_str(), label], &OWN_OF_HOST)?;
        }
        for (port, protocol) in ports() {
            self.name(&[&format!("_{port}"), protocol_label(protocol), label], &OWN)?;
        }
        for name in &names {
            let KnownName::Tag(tag) = name else { continue };
            self.name(&[tag.as_str(), label], &OWN)?;
            if self.has(&[tag.as_str(), label]) {
                for (port, protocol) in ports() {
                    let name = [&format!("_{port}"), protocol_label(protocol), tag.as_str(), label];
                    self.name(&name, &OWN)?;
                }
            }
        }
        Ok(())
    }

    /// Judges the names by which an instance is browsed for, whether its ports are answered now or not.
    fn browsed(&self, service: &Service, instance: &Instance) -> Result<(), Clash> {
        let label = InstanceLabel::of(instance.id.as_str().as_bytes(), service.name.as_str().as_bytes());
        let label = String::from_utf8_lossy(label.octets());
        for port in &instance.ports {
            let Some(service_type) = type_of(&service.name, &port.name) else {
                continue;
            };
            let (service_type, protocol) = (format!("_{service_type}"), protocol_label(port.protocol));
            if self.has(&[&service_type, protocol]) {
                self.name(&[&label, &service_type, protocol], &OWN_OF_BROWSED)?;
            }
        }
        Ok(())
    }

    fn has(&self, labels: &[&str]) -> bool {
        wire(labels).is_some_and(|name| self.contents.node(&name).is_some())
    }

    /// Judges one name, its labels given from left to right.
    fn name(&self, labels: &[&str], forbidden: &[u16]) -> Result<(), Clash> {
        let clash = |above: &[&str], rtype| {
            Err(Clash {
                at: wire(above).unwrap_or_default(),
                rtype,
                name: wire(labels).unwrap_or_default(),
            })
        };
        if self.contents.apex().has_dname() {
            return clash(&[], types::DNAME);
        }
        for start in (0..labels.len()).rev() {
            let above = &labels[start..];
            let Some(node) = wire(above).and_then(|name| self.contents.node(&name)) else {
                return Ok(());
            };
            if node.is_cut() {
                return clash(above, types::NS);
            }
            if node.has_dname() && start > 0 {
                return clash(above, types::DNAME);
            }
            if start == 0
                && let Some(rrset) = node.rrsets().find(|rrset| forbidden.contains(&rrset.rtype))
            {
                return clash(above, rrset.rtype);
            }
        }
        Ok(())
    }
}

fn protocol_label(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tcp => "_tcp",
        Protocol::Udp => "_udp",
        Protocol::Sctp => "_sctp",
    }
}

/// Labels as a name below the apex in wire form; nothing if they are too long to be one.
fn wire(labels: &[&str]) -> Option<Box<[u8]>> {
    let mut name = Vec::new();
    for label in labels {
        if label.len() > 63 {
            return None;
        }
        name.push(label.len() as u8);
        name.extend_from_slice(label.as_bytes());
    }
    (name.len() < NAME_OCTETS_MAX).then(|| name.into())
}

/// The mnemonic of a type that can clash.
fn type_name(rtype: u16) -> &'static str {
    match rtype {
        types::A => "A",
        types::AAAA => "AAAA",
        types::SRV => "SRV",
        types::TXT => "TXT",
        types::PTR => "PTR",
        types::CNAME => "CNAME",
        types::DNAME => "DNAME",
        types::NS => "NS",
        types::DS => "DS",
        _ => "other",
    }
}
