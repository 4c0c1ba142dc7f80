//! The names by which services are browsed for (DNS-SD, RFC 6763): which type a port is of, and what an instance is
//! called below it.

use xxhash_rust::xxh3::xxh3_64;

use super::instance::{Instance, Protocol};
use super::limits::{LABEL_OCTETS_MAX, TYPE_OCTETS_MAX};
use super::name::{PortName, ServiceName};
use super::service::Service;

/// Octets that a cut label keeps: a hyphen and the hash follow.
const KEPT_OCTETS: usize = LABEL_OCTETS_MAX - 1 - HASH_OCTETS;
/// Hexadecimal digits of the hash.
const HASH_OCTETS: usize = 16;
/// Octets of an instance's label before it is cut.
const WHOLE_OCTETS_MAX: usize = 2 * LABEL_OCTETS_MAX + 1;

/// The type of a service's port, without underscore and protocol: its name, and for `main` the service's. Nothing if
/// that is longer than a type may be (RFC 6335 §5.1).
pub fn type_of<'n>(service: &'n ServiceName, port: &'n PortName) -> Option<&'n str> {
    let label = if port.is_main() {
        service.as_str()
    } else {
        port.as_str()
    };
    (label.len() <= TYPE_OCTETS_MAX).then_some(label)
}

/// The ports of an instance that are found by browsing: protocol, type and number of each that is answered.
pub fn answered<'i>(
    service: &'i Service,
    instance: &'i Instance,
) -> impl Iterator<Item = (Protocol, &'i str, u16)> {
    let ports = instance.ports.iter().filter(|port| instance.answers(port));
    ports.filter_map(|port| {
        Some((
            port.protocol,
            type_of(&service.name, &port.name)?,
            port.number.get(),
        ))
    })
}

/// The label of an instance below its type: `<id>@<service>`, or the first 46 octets of it, a hyphen, and 16
/// hexadecimal digits of the whole's hash where it has more than a label may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InstanceLabel {
    octets: [u8; LABEL_OCTETS_MAX],
    len: u8,
    /// The hash of the whole, if it is cut.
    hash: Option<u64>,
}

impl InstanceLabel {
    /// The label of the instance `id` of `service`, both of them labels in lower case.
    pub fn of(id: &[u8], service: &[u8]) -> Self {
        let mut whole = [0; WHOLE_OCTETS_MAX];
        let len = id.len() + 1 + service.len();
        whole[..id.len()].copy_from_slice(id);
        whole[id.len()] = b'@';
        whole[id.len() + 1..len].copy_from_slice(service);
        let mut octets = [0; LABEL_OCTETS_MAX];
        if len <= LABEL_OCTETS_MAX {
            octets[..len].copy_from_slice(&whole[..len]);
            return Self {
                octets,
                len: len as u8,
                hash: None,
            };
        }
        let hash = xxh3_64(&whole[..len]);
        octets[..KEPT_OCTETS].copy_from_slice(&whole[..KEPT_OCTETS]);
        octets[KEPT_OCTETS] = b'-';
        for (at, octet) in octets[KEPT_OCTETS + 1..].iter_mut().enumerate() {
            let digit = (hash >> (60 - 4 * at) & 15) as usize;
            *octet = b"0123456789abcdef"[digit];
        }
        Self {
            octets,
            len: LABEL_OCTETS_MAX as u8,
            hash: Some(hash),
        }
    }

    /// Whether the label of such an instance is cut.
    pub fn is_cut(id: &[u8], service: &[u8]) -> bool {
        id.len() + 1 + service.len() > LABEL_OCTETS_MAX
    }

    /// Its octets, without the length octet.
    pub fn octets(&self) -> &[u8] {
        &self.octets[..usize::from(self.len)]
    }

    /// The hash of the whole, if it is cut.
    pub fn hash(&self) -> Option<u64> {
        self.hash
    }
}

/// The hash that a label of so many octets ends with, if it can be a cut one.
pub fn hash_in(label: &[u8]) -> Option<u64> {
    let hash = label.get(KEPT_OCTETS + 1..)?;
    if hash.len() != HASH_OCTETS || label[KEPT_OCTETS] != b'-' {
        return None;
    }
    let is_digit = |octet: &u8| matches!(octet, b'0'..=b'9' | b'a'..=b'f');
    if !hash.iter().all(is_digit) {
        return None;
    }
    u64::from_str_radix(std::str::from_utf8(hash).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_the_ports_name_and_for_main_the_services() {
        let of = |service: &str, port: &str| {
            let service = ServiceName::parse(service).expect("a label");
            let port = PortName::parse(port).expect("a label");
            type_of(&service, &port).map(str::to_owned)
        };
        assert_eq!(of("web", "http").as_deref(), Some("http"));
        assert_eq!(of("web", "main").as_deref(), Some("web"));
        assert_eq!(of("main", "main").as_deref(), Some("main"));
        assert_eq!(of("web", "a23456789012345").as_deref(), Some("a23456789012345"));
        assert_eq!(of("web", "a234567890123456"), None);
        assert_eq!(of("a234567890123456", "main"), None);
        assert_eq!(of("a234567890123456", "http").as_deref(), Some("http"));
    }

    #[test]
    fn a_label_that_is_too_long_is_cut_and_keeps_apart_what_differs_at_its_end() {
        let fits = InstanceLabel::of("a".repeat(58).as_bytes(), b"webs");
        assert_eq!(fits.octets(), format!("{}@webs", "a".repeat(58)).as_bytes());
        assert_eq!((fits.octets().len(), fits.hash()), (63, None));
        let cut = InstanceLabel::of("a".repeat(59).as_bytes(), b"webs");
        let text = std::str::from_utf8(cut.octets()).expect("ASCII");
        assert_eq!(text.len(), 63);
        assert_eq!(&text[..47], format!("{}-", "a".repeat(46)));
        assert_eq!(hash_in(cut.octets()), cut.hash());
        let whole = format!("{}@webs", "a".repeat(59));
        assert_eq!(cut.hash(), Some(xxh3_64(whole.as_bytes())));
        assert_ne!(cut, InstanceLabel::of("a".repeat(59).as_bytes(), b"webt"));
        let longest = InstanceLabel::of("a".repeat(63).as_bytes(), "b".repeat(63).as_bytes());
        assert_eq!(longest.octets().len(), 63);
    }

    #[test]
    fn a_label_that_ends_otherwise_has_no_hash() {
        for label in [
            "",
            "a@web",
            &"a".repeat(63),
            &format!("{}-{}", "a".repeat(46), "A".repeat(16)),
        ] {
            assert_eq!(hash_in(label.as_bytes()), None, "{label}");
        }
    }
}
