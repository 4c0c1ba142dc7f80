//! What the guard counts by, and how long it holds.

use std::time::Duration;

use super::HOLD_MAX;

/// What the guard counts by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// Nothing is counted and nothing held.
    Off,
    /// The leases of a zone.
    #[default]
    Zone,
    /// The leases of a zone, and also those of each service.
    Service,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 3] = [Self::Off, Self::Zone, Self::Service];

    /// `off`, `zone` or `service`.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text)
    }

    /// The word of the flag and of the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Zone => "zone",
            Self::Service => "service",
        }
    }
}

/// What is set: `--guard` and `--guard-for`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guarding {
    /// What is counted.
    pub scope: Scope,
    /// How long at most a zone's guard holds.
    pub hold_max: Duration,
}

impl Default for Guarding {
    fn default() -> Self {
        Self {
            scope: Scope::default(),
            hold_max: HOLD_MAX,
        }
    }
}
