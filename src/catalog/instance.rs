//! An instance: one running copy of a service, where it listens, and how it is.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::num::{NonZeroU16, NonZeroU32};
use std::time::Duration;

use crate::clock::Timestamp;

use super::extras::InstanceExtras;
use super::few::{Few, Seldom};
use super::health::Status;
use super::limits::{
    DEREGISTER_AFTER_DEFAULT, LEASE_MAX, LEASE_MIN, META_KEY_OCTETS_MAX, META_VALUE_OCTETS_MAX,
    TAG_OCTETS_MAX,
};
use super::name::{InstanceId, PortName, TagLabel};
use super::settings::Delay;

/// Transport protocols that have a label of their own (RFC 2782).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// `_tcp`
    #[default]
    Tcp,
    /// `_udp`
    Udp,
    /// `_sctp`
    Sctp,
}

impl Protocol {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Tcp, Self::Udp, Self::Sctp];

    /// `tcp`, `udp` or `sctp`.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|protocol| protocol.as_str() == text)
    }

    /// The word of the API; the DNS label is this with an underscore before it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A named port of an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Its name, unique in the instance.
    pub name: PortName,
    /// 1 to 65535.
    pub number: NonZeroU16,
    /// What it speaks.
    pub protocol: Protocol,
}

/// Why an address cannot be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// No IPv4 or IPv6 address at all. Host names are refused for now.
    #[error("is not an IPv4 or IPv6 address")]
    Syntax,
    /// `0.0.0.0` or `::`.
    #[error("is the unspecified address, which nobody can connect to")]
    Unspecified,
    /// A group of hosts.
    #[error("is a multicast address, which is no instance")]
    Multicast,
    /// `255.255.255.255`.
    #[error("is the broadcast address, which is no instance")]
    Broadcast,
    /// `fe80::/10`, or with a zone index (RFC 4007): it means another host on each link, and a DNS record has no index.
    #[error("is a scoped (link-local) address, which means another host on each link")]
    Scoped,
}

/// Reads an address that an instance can have. An IPv4-mapped one (`::ffff:192.0.2.1`) becomes its IPv4 address.
pub fn parse_address(text: &str) -> Result<IpAddr, AddressError> {
    let address: IpAddr = match text.split_once('%') {
        Some((address, _)) if address.parse::<Ipv6Addr>().is_ok() => return Err(AddressError::Scoped),
        _ => text.parse().map_err(|_| AddressError::Syntax)?,
    };
    let address = address.to_canonical();
    if address.is_unspecified() {
        return Err(AddressError::Unspecified);
    }
    if address.is_multicast() {
        return Err(AddressError::Multicast);
    }
    match address {
        IpAddr::V4(v4) if v4.is_broadcast() => Err(AddressError::Broadcast),
        IpAddr::V6(v6) if v6.is_unicast_link_local() => Err(AddressError::Scoped),
        _ => Ok(address),
    }
}

/// Free text on an instance, by which others select it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(Box<str>);

/// Why text is no tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TagError {
    /// No text.
    #[error("is empty")]
    Empty,
    /// Longer than [`TAG_OCTETS_MAX`].
    #[error("has {0} octets, at most {TAG_OCTETS_MAX} are allowed")]
    TooLong(usize),
}

impl Tag {
    /// Checks the length.
    pub fn parse(text: &str) -> Result<Self, TagError> {
        match text.len() {
            0 => Err(TagError::Empty),
            octets if octets > TAG_OCTETS_MAX => Err(TagError::TooLong(octets)),
            _ => Ok(Self(text.into())),
        }
    }

    /// The text as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The tag's label, if it has a DNS name.
    pub fn label(&self) -> Option<TagLabel> {
        TagLabel::parse(&self.0).ok()
    }
}

/// A key of `meta`: 1 to 63 printable ASCII characters without `=` (RFC 6763 §6.4).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MetaKey(Box<str>);

/// Why a pair is no `meta` entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MetaError {
    /// No key.
    #[error("has an empty key")]
    EmptyKey,
    /// A key longer than [`META_KEY_OCTETS_MAX`].
    #[error("has a key of {0} octets, at most {META_KEY_OCTETS_MAX} are allowed")]
    KeyTooLong(usize),
    /// A key with another character than printable ASCII, or with `=`.
    #[error("has a key with {0:?}; only printable ASCII without '=' is allowed")]
    KeyCharacter(char),
    /// A value longer than [`META_VALUE_OCTETS_MAX`].
    #[error("has {0} octets, at most {META_VALUE_OCTETS_MAX} are allowed")]
    ValueTooLong(usize),
}

impl MetaKey {
    /// Checks a key.
    pub fn parse(text: &str) -> Result<Self, MetaError> {
        if text.is_empty() {
            return Err(MetaError::EmptyKey);
        }
        if let Some(odd) = text.chars().find(|c| !matches!(c, ' '..='~') || *c == '=') {
            return Err(MetaError::KeyCharacter(odd));
        }
        if text.len() > META_KEY_OCTETS_MAX {
            return Err(MetaError::KeyTooLong(text.len()));
        }
        Ok(Self(text.into()))
    }

    /// The key.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A value of `meta`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MetaValue(Box<str>);

impl MetaValue {
    /// Checks the length.
    pub fn parse(text: &str) -> Result<Self, MetaError> {
        if text.len() > META_VALUE_OCTETS_MAX {
            return Err(MetaError::ValueTooLong(text.len()));
        }
        Ok(Self(text.into()))
    }

    /// The value.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// How long a registration lives without a heartbeat: milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease(NonZeroU32);

/// A duration that is no lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not between 100ms and 24h in whole milliseconds")]
pub struct LeaseError;

impl Lease {
    /// Checks the bounds.
    pub fn from_duration(duration: Duration) -> Result<Self, LeaseError> {
        if !(LEASE_MIN..=LEASE_MAX).contains(&duration) {
            return Err(LeaseError);
        }
        let delay = Delay::from_duration(duration).ok_or(LeaseError)?;
        NonZeroU32::new(delay.ms()).map(Self).ok_or(LeaseError)
    }

    /// The length.
    pub const fn duration(self) -> Duration {
        Duration::from_millis(self.0.get() as u64)
    }
}

/// A drain: out of every selection, still a host name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drain {
    /// Since when.
    pub since: Timestamp,
    /// The instance is removed so long after that.
    pub delete_after: Option<Delay>,
}

/// What a registration says. The fields are those of the API's body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// At least one, each once, in the order given.
    pub addresses: Box<[IpAddr]>,
    /// Sorted by name.
    pub ports: Box<[Port]>,
    /// Lower is preferred (RFC 2782).
    pub priority: u16,
    /// Share of the draws within a priority (RFC 2782).
    pub weight: u16,
    /// Each once, in the order given.
    pub tags: Box<[Tag]>,
    /// Sorted by key.
    pub meta: Box<[(MetaKey, MetaValue)]>,
    /// The verdict `reported`, if the body sets it.
    pub status: Option<Status>,
    /// The lease, if there is one.
    pub lease: Option<Lease>,
    /// Removal so long after a lapse.
    pub deregister_after: Delay,
}

impl Registration {
    /// A registration of nothing but addresses; the rest has its defaults.
    pub fn at(addresses: impl Into<Box<[IpAddr]>>) -> Self {
        Self {
            addresses: addresses.into(),
            ports: Box::default(),
            priority: 0,
            weight: 1,
            tags: Box::default(),
            meta: Box::default(),
            status: None,
            lease: None,
            deregister_after: deregister_after_default(),
        }
    }
}

/// `deregister_after` where none is given.
pub fn deregister_after_default() -> Delay {
    Delay::from_duration(DEREGISTER_AFTER_DEFAULT).expect("the default is below the bound")
}

/// One running copy of a service. A catalog has millions of them, so it is small: what most do not have stands apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// Its name, unique in the service.
    pub id: InstanceId,
    /// At least one, each once.
    pub addresses: Few<IpAddr>,
    /// Sorted by name.
    pub ports: Few<Port>,
    /// When it was registered first.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
    /// The index of its first registration.
    pub created_index: u64,
    /// The index of its last change.
    pub index: u64,
    /// What most do not have.
    pub extras: Seldom<InstanceExtras>,
    /// The lease, if there is one.
    pub lease: Option<Lease>,
    /// Lower is preferred.
    pub priority: u16,
    /// Share of the draws within a priority.
    pub weight: u16,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_nobody_can_connect_to_are_refused() {
        for (text, error) in [
            ("", AddressError::Syntax),
            ("example.org", AddressError::Syntax),
            ("192.0.2.256", AddressError::Syntax),
            ("0.0.0.0", AddressError::Unspecified),
            ("::", AddressError::Unspecified),
            ("::ffff:0.0.0.0", AddressError::Unspecified),
            ("224.0.0.1", AddressError::Multicast),
            ("ff02::1", AddressError::Multicast),
            ("255.255.255.255", AddressError::Broadcast),
            ("::ffff:255.255.255.255", AddressError::Broadcast),
            ("fe80::1", AddressError::Scoped),
            ("fe80::1%eth0", AddressError::Scoped),
            ("2001:db8::1%1", AddressError::Scoped),
        ] {
            assert_eq!(parse_address(text), Err(error), "{text:?}");
        }
    }

    #[test]
    fn a_mapped_address_becomes_its_ipv4_address() {
        assert_eq!(
            parse_address("::ffff:192.0.2.1"),
            Ok(IpAddr::from([192, 0, 2, 1]))
        );
        assert_eq!(
            parse_address("2001:DB8::1").map(|a| a.to_string()),
            Ok("2001:db8::1".into())
        );
    }

    #[test]
    fn leases_are_100_ms_to_24_h() {
        for (ms, good) in [(99, false), (100, true), (86_400_000, true), (86_400_001, false)] {
            assert_eq!(
                Lease::from_duration(Duration::from_millis(ms)).is_ok(),
                good,
                "{ms}"
            );
        }
        assert!(Lease::from_duration(Duration::from_micros(100_500)).is_err());
    }

    #[test]
    fn meta_keys_are_printable_ascii_without_an_equals_sign() {
        assert!(MetaKey::parse("a b~").is_ok());
        assert_eq!(MetaKey::parse("a=b"), Err(MetaError::KeyCharacter('=')));
        assert_eq!(MetaKey::parse("a\tb"), Err(MetaError::KeyCharacter('\t')));
        assert_eq!(MetaKey::parse("ä"), Err(MetaError::KeyCharacter('ä')));
        assert_eq!(MetaKey::parse(&"k".repeat(64)), Err(MetaError::KeyTooLong(64)));
    }
}
