//! Where Callsign differs from its peers on purpose. Each reason says in which part of a reply, and for which questions,
//! and is listed in docs/design/conformance.md.

use super::compare::{Exchange, Part};

/// Why a difference is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reason {
    /// A question for ANY is answered with one RRset.
    AnyIsOneRrset,
}

impl Reason {
    pub(super) const ALL: [Self; 1] = [Self::AnyIsOneRrset];

    /// The first reason that explains a difference in this part.
    pub(super) fn of(part: Part, exchange: &Exchange<'_>) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|reason| reason.explains(part, exchange))
    }

    pub(super) fn sentence(self) -> &'static str {
        match self {
            Self::AnyIsOneRrset => "ANY is answered with one RRset of the name (RFC 8482, section 4.1)",
        }
    }

    fn explains(self, _part: Part, _exchange: &Exchange<'_>) -> bool {
        match self {
            Self::AnyIsOneRrset => false,
        }
    }
}
