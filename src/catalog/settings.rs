//! Settings of zones and services. What is unset is inherited: service from zone, zone from the server's flags.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use super::limits::{DELAY_MAX, NEGATIVE_TTL_DEFAULT, TTL_DEFAULT, TTL_MAX};

/// A time to live in whole seconds, at most 2³¹−1 (RFC 2181 §8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ttl(u32);

impl Ttl {
    /// Checks the bound.
    pub const fn from_seconds(seconds: u32) -> Option<Self> {
        if seconds <= TTL_MAX {
            Some(Self(seconds))
        } else {
            None
        }
    }

    /// Seconds.
    pub const fn seconds(self) -> u32 {
        self.0
    }

    /// As a duration.
    pub const fn duration(self) -> Duration {
        Duration::from_secs(self.0 as u64)
    }
}

/// A delay of at most [`DELAY_MAX`], in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Delay(u32);

impl Delay {
    /// Checks the bound; what is finer than a millisecond is refused.
    pub fn from_duration(duration: Duration) -> Option<Self> {
        let whole = duration.subsec_nanos().is_multiple_of(1_000_000);
        if whole && duration <= DELAY_MAX {
            u32::try_from(duration.as_millis()).ok().map(Self)
        } else {
            None
        }
    }

    /// As a duration.
    pub const fn duration(self) -> Duration {
        Duration::from_millis(self.0 as u64)
    }

    /// Milliseconds.
    pub(super) const fn ms(self) -> u32 {
        self.0
    }
}

/// What a known selection answers when it has no answerable instance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OnEmpty {
    /// NOERROR without records (RFC 2308 §2.2).
    #[default]
    NoData,
    /// NXDOMAIN, for clients that walk search lists: a deliberate breach of RFC 8020.
    NxDomain,
    /// Fail open: whatever is not draining counts as answerable.
    All,
}

impl OnEmpty {
    /// `nodata`, `nxdomain` or `all`.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::NoData, Self::NxDomain, Self::All]
            .into_iter()
            .find(|policy| policy.as_str() == text)
    }

    /// The word of the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoData => "nodata",
            Self::NxDomain => "nxdomain",
            Self::All => "all",
        }
    }
}

impl fmt::Display for OnEmpty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A service's own settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceSettings {
    /// TTL of its records.
    pub ttl: Option<Ttl>,
    /// What it answers when empty.
    pub on_empty: Option<OnEmpty>,
    /// At most so many instances in an answer; 0 is all.
    pub answer_limit: Option<u32>,
    /// How long its names stay known without a bearer.
    pub forget_after: Option<Delay>,
}

impl ServiceSettings {
    /// Nothing is set.
    pub const NONE: Self = Self {
        ttl: None,
        on_empty: None,
        answer_limit: None,
        forget_after: None,
    };

    /// Whether nothing is set.
    pub fn is_empty(&self) -> bool {
        *self == Self::NONE
    }
}

/// A zone's own settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ZoneSettings {
    /// TTL of its records, where a service sets none; of SOA and NS too.
    pub ttl: Option<Ttl>,
    /// The SOA's MINIMUM: how long a resolver may believe a negative answer (RFC 2308 §4).
    pub negative_ttl: Option<Ttl>,
    /// What its services answer when empty.
    pub on_empty: Option<OnEmpty>,
    /// At most so many instances in an answer; 0 is all.
    pub answer_limit: Option<u32>,
    /// How long names stay known without a bearer.
    pub forget_after: Option<Delay>,
}

/// What a server's flags give to every zone. It is kept with the zone, because a change of it between two starts
/// alters published records and so moves the serial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base {
    /// `--ttl`.
    pub ttl: Ttl,
    /// `--negative-ttl`.
    pub negative_ttl: Ttl,
    /// Addresses of `ns.<zone>`, sorted, each once.
    pub name_servers: Box<[IpAddr]>,
}

impl Default for Base {
    fn default() -> Self {
        Self {
            ttl: Ttl(TTL_DEFAULT),
            negative_ttl: Ttl(NEGATIVE_TTL_DEFAULT),
            name_servers: Box::default(),
        }
    }
}
