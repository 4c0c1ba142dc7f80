//! Names: labels as service discovery uses them, and the names of zones.
//!
//! A label here is letters, digits and hyphens, begins and ends with a letter or digit, and is held in lower case
//! (RFC 1123 §2.1, RFC 4343). Text becomes one of these types at the edge and is never parsed again.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use compact_str::CompactString;
use ecow::EcoString;

use super::limits::{LABEL_OCTETS_MAX, NAME_OCTETS_MAX, PORT_NAME_OCTETS_MAX};

/// Why text is no name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing between the dots, or nothing at all.
    #[error("is empty")]
    Empty,
    /// Longer than its kind may be.
    #[error("has {octets} octets, at most {max} are allowed")]
    TooLong {
        /// Octets given.
        octets: usize,
        /// Octets allowed.
        max: usize,
    },
    /// A character that is no letter, digit or hyphen.
    #[error("has the character {0:?}; only letters, digits and hyphens are allowed")]
    Character(char),
    /// A hyphen at the begin or the end.
    #[error("begins or ends with a hyphen")]
    Edge,
}

/// Checks a label of at most `max` octets; whether it is in lower case already.
fn check_label(text: &str, max: usize) -> Result<bool, NameError> {
    if text.is_empty() {
        return Err(NameError::Empty);
    }
    // Octet by octet, as a start reads millions; what is at fault is looked for afterwards.
    let is_label = |octet: &u8| octet.is_ascii_alphanumeric() || *octet == b'-';
    if !text.as_bytes().iter().all(is_label) {
        let odd = text.chars().find(|c| !c.is_ascii_alphanumeric() && *c != '-');
        return Err(NameError::Character(odd.unwrap_or(char::REPLACEMENT_CHARACTER)));
    }
    if text.len() > max {
        return Err(NameError::TooLong {
            octets: text.len(),
            max,
        });
    }
    if text.starts_with('-') || text.ends_with('-') {
        return Err(NameError::Edge);
    }
    Ok(!text.bytes().any(|octet| octet.is_ascii_uppercase()))
}

macro_rules! label {
    ($(#[$doc:meta])* $name:ident($text:ty), $max:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name($text);

        impl $name {
            /// Checks `text` and folds it to lower case.
            pub fn parse(text: &str) -> Result<Self, NameError> {
                Ok(Self(match check_label(text, $max)? {
                    true => text.into(),
                    false => text.to_ascii_lowercase().into(),
                }))
            }

            /// The label in lower case.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }
    };
}

label!(
    /// The name of a service: a label directly below its zone's apex.
    ServiceName(CompactString),
    LABEL_OCTETS_MAX
);
label!(
    /// The name of an instance, unique in its service: the label below the service's.
    InstanceId(CompactString),
    LABEL_OCTETS_MAX
);
label!(
    /// The name of a port, at most 62 octets: `http` is `_http` in the DNS.
    PortName(EcoString),
    PORT_NAME_OCTETS_MAX
);
label!(
    /// A tag as the DNS knows it: in lower case.
    TagLabel(CompactString),
    LABEL_OCTETS_MAX
);

/// Octets of a label that [`LabelStart`] holds.
const START_OCTETS: usize = 16;

/// How a label begins, in a place of its own: of two labels the lesser has no greater start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LabelStart([u64; 2]);

impl LabelStart {
    /// Zero octets stand after a shorter label: it is before every longer one that begins with it, or has the same start.
    pub(crate) fn of(label: &str) -> Self {
        let octets = label.as_bytes();
        let mut start = [0; START_OCTETS];
        match octets.first_chunk() {
            Some(first) => start = *first,
            None => start[..octets.len()].copy_from_slice(octets),
        }
        let both = u128::from_be_bytes(start);
        Self([(both >> 64) as u64, both as u64])
    }
}

impl PortName {
    /// The name that a lone `port` is short for.
    pub const MAIN: &'static str = "main";

    /// Whether this is the port that a service's own SRV RRset shows alone.
    pub fn is_main(&self) -> bool {
        self.as_str() == Self::MAIN
    }
}

/// The name of a zone: lower case, without the final dot. Never the root.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ZoneName(Arc<str>);

impl ZoneName {
    /// Checks `text`, which may end with a dot. Labels may have underscores, and the slash of RFC 2317.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let text = text.strip_suffix('.').unwrap_or(text);
        // Judged before its labels: a name of a megabyte is refused at once.
        if text.len() + 2 > NAME_OCTETS_MAX {
            return Err(NameError::TooLong {
                octets: text.len() + 2,
                max: NAME_OCTETS_MAX,
            });
        }
        for label in text.split('.') {
            if label.is_empty() {
                return Err(NameError::Empty);
            }
            if let Some(odd) = label
                .chars()
                .find(|c| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_' | '/'))
            {
                return Err(NameError::Character(odd));
            }
            if label.len() > LABEL_OCTETS_MAX {
                return Err(NameError::TooLong {
                    octets: label.len(),
                    max: LABEL_OCTETS_MAX,
                });
            }
            if label.starts_with('-') || label.ends_with('-') {
                return Err(NameError::Edge);
            }
        }
        Ok(Self(text.to_ascii_lowercase().into()))
    }

    /// The name in lower case, without the final dot.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The labels, the leftmost first.
    pub fn labels(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('.')
    }

    /// Octets on the wire, the root octet included.
    pub fn wire_len(&self) -> usize {
        self.0.len() + 2
    }

    /// The name on the wire: length octets, labels, the root octet (RFC 1035 §3.1).
    pub fn to_wire(&self) -> Vec<u8> {
        let mut wire = Vec::with_capacity(self.wire_len());
        for label in self.labels() {
            wire.push(label.len() as u8);
            wire.extend_from_slice(label.as_bytes());
        }
        wire.push(0);
        wire
    }

    /// If this zone is below `other`: the labels between them, the leftmost first, joined with dots.
    pub fn below<'a>(&'a self, other: &Self) -> Option<&'a str> {
        self.0
            .strip_suffix(other.as_str())?
            .strip_suffix('.')
            .filter(|rest| !rest.is_empty())
    }
}

impl Borrow<str> for ZoneName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ZoneName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ZoneName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_folded_to_lower_case() {
        assert_eq!(ServiceName::parse("Web-1").expect("a label").as_str(), "web-1");
        assert_eq!(InstanceId::parse("0").expect("a digit alone").as_str(), "0");
    }

    #[test]
    fn labels_that_the_dns_would_misread_are_refused() {
        let long = "a".repeat(64);
        for (text, error) in [
            ("", NameError::Empty),
            ("a.b", NameError::Character('.')),
            ("_http", NameError::Character('_')),
            ("wéb", NameError::Character('é')),
            ("a\0", NameError::Character('\0')),
            ("-a", NameError::Edge),
            ("a-", NameError::Edge),
            (long.as_str(), NameError::TooLong { octets: 64, max: 63 }),
        ] {
            assert_eq!(ServiceName::parse(text), Err(error), "{text:?}");
        }
        assert!(ServiceName::parse(&"a".repeat(63)).is_ok());
        assert!(PortName::parse(&"a".repeat(62)).is_ok());
        assert!(
            PortName::parse(&"a".repeat(63)).is_err(),
            "with its underscore it would have 64 octets"
        );
    }

    #[test]
    fn zone_names_have_at_most_255_octets_on_the_wire() {
        let label = "a".repeat(63);
        let fits = format!("{label}.{label}.{label}.{}", "a".repeat(61));
        let name = ZoneName::parse(&fits).expect("253 characters");
        assert_eq!((name.wire_len(), name.to_wire().len()), (255, 255));
        assert!(ZoneName::parse(&format!("{fits}a")).is_err());
        assert!(ZoneName::parse(".").is_err(), "the root is no zone of ours");
        assert!(ZoneName::parse("a..b").is_err());
        assert_eq!(
            ZoneName::parse("Svc.Internal.").expect("a zone").as_str(),
            "svc.internal"
        );
    }

    #[test]
    fn a_zone_below_another_is_found_on_label_boundaries() {
        let parent = ZoneName::parse("svc.internal").expect("a zone");
        assert_eq!(
            ZoneName::parse("a.b.svc.internal")
                .expect("a zone")
                .below(&parent),
            Some("a.b")
        );
        assert_eq!(
            ZoneName::parse("xsvc.internal").expect("a zone").below(&parent),
            None
        );
        assert_eq!(parent.below(&parent), None);
    }
}
