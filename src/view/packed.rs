//! What a service's words mean: members, ports, and the rows of names and tags.
//!
//! Of what belongs to a member only the end is kept; it begins where that of the member before ends.

use std::ops::Range;

use super::list::{Addresses, Row, Selection, Services};
use crate::catalog::Protocol;

/// Words of a member.
pub(super) const MEMBER_WORDS: usize = 5;
/// Words of a port.
pub(super) const PORT_WORDS: usize = 2;
/// Words of a port's name.
pub(super) const NAME_WORDS: usize = 4;
/// Words of a tag.
pub(super) const TAG_WORDS: usize = 10;

/// Of a member's end of IPv4 addresses: it does not drain.
const STAYS: u32 = 1 << 31;
/// And: it is answerable.
const ANSWERABLE: u32 = 1 << 30;
const FLAGS: u32 = STAYS | ANSWERABLE;

/// Of a port's name: it is answered.
const ANSWERED: u32 = 1 << 31;

/// An instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its priority: the tier.
    pub priority: u16,
    /// Its weight.
    pub weight: u16,
    /// Numbers of IPv4 addresses.
    pub v4: Range<u32>,
    /// Numbers of IPv6 addresses.
    pub v6: Range<u32>,
    /// Numbers of ports.
    pub ports: Range<u32>,
    /// Where its id stands among the ids.
    pub id: Range<u32>,
    /// Whether it is not draining.
    pub stays: bool,
    /// Whether it is answerable.
    pub(super) answerable: bool,
}

impl Member {
    pub(super) fn pack(&self) -> [u32; MEMBER_WORDS] {
        let flags = if self.stays { STAYS } else { 0 } | if self.answerable { ANSWERABLE } else { 0 };
        [
            u32::from(self.priority) << 16 | u32::from(self.weight),
            self.v4.end | flags,
            self.v6.end,
            self.ports.end,
            self.id.end,
        ]
    }

    /// The word of an end of IPv4 addresses with its flags, which is so much further on, as wrapping arithmetic says.
    #[inline]
    pub(super) fn grown(word: u32, by: u32) -> u32 {
        (word & FLAGS) | ((word & !FLAGS).wrapping_add(by) & !FLAGS)
    }

    #[inline]
    pub(super) fn unpack(members: &[u32], number: usize) -> Self {
        let start = number * MEMBER_WORDS;
        let here = &members[start..start + MEMBER_WORDS];
        let before = match start.checked_sub(MEMBER_WORDS) {
            Some(before) => &members[before..start],
            None => &[0; MEMBER_WORDS],
        };
        Self {
            priority: (here[0] >> 16) as u16,
            weight: here[0] as u16,
            v4: before[1] & !FLAGS..here[1] & !FLAGS,
            v6: before[2]..here[2],
            ports: before[3]..here[3],
            id: before[4]..here[4],
            stays: here[1] & STAYS != 0,
            answerable: here[1] & ANSWERABLE != 0,
        }
    }
}

/// A port of an instance: one SRV record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortView {
    /// The port.
    pub number: u16,
    /// Number of the member.
    pub member: u16,
    /// Number of the name: a service may have a quarter of a million.
    pub name: u32,
    /// Whether it is answered.
    pub answered: bool,
}

impl PortView {
    pub(super) fn pack(self) -> [u32; PORT_WORDS] {
        let answered = if self.answered { ANSWERED } else { 0 };
        [
            u32::from(self.number) << 16 | u32::from(self.member),
            self.name | answered,
        ]
    }

    #[inline]
    pub(super) fn unpack(words: &[u32]) -> Self {
        Self {
            number: (words[0] >> 16) as u16,
            member: words[0] as u16,
            name: words[1] & !ANSWERED,
            answered: words[1] & ANSWERED != 0,
        }
    }
}

/// A name of ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NameRow {
    /// Where its octets begin.
    pub(super) start: u32,
    pub(super) len: u8,
    pub(super) protocol: Protocol,
    pub(super) services: Services,
}

impl NameRow {
    pub(super) fn octets(self, text: &[u8]) -> &[u8] {
        &text[self.start as usize..][..usize::from(self.len)]
    }

    pub(super) fn pack(self) -> [u32; NAME_WORDS] {
        let [first, len] = self.services.pack();
        let kind = u32::from(self.len) | (self.protocol as u32) << 8;
        [self.start, kind, first, len]
    }

    pub(super) fn unpack(words: &[u32]) -> Self {
        Self {
            start: words[0],
            len: words[1] as u8,
            protocol: Protocol::ALL[(words[1] >> 8) as usize],
            services: Services::unpack(&words[2..4]),
        }
    }
}

/// A tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TagRow {
    /// Where its octets begin.
    pub(super) start: u32,
    pub(super) len: u8,
    pub(super) bearers: Row,
    pub(super) selection: Selection,
}

impl TagRow {
    pub(super) fn octets(self, text: &[u8]) -> &[u8] {
        &text[self.start as usize..][..usize::from(self.len)]
    }

    pub(super) fn pack(self) -> [u32; TAG_WORDS] {
        let [bearers, count] = self.bearers.pack();
        let [v4, v4_len] = self.selection.v4.pack();
        let [v6, v6_len] = self.selection.v6.pack();
        let [ports, ports_len] = self.selection.services.pack();
        let len = u32::from(self.len);
        [
            self.start, len, bearers, count, v4, v4_len, v6, v6_len, ports, ports_len,
        ]
    }

    pub(super) fn unpack(words: &[u32]) -> Self {
        Self {
            start: words[0],
            len: words[1] as u8,
            bearers: Row::unpack(&words[2..4]),
            selection: Selection {
                v4: Addresses::unpack(&words[4..6]),
                v6: Addresses::unpack(&words[6..8]),
                services: Services::unpack(&words[8..10]),
            },
        }
    }
}

/// Appends octets as words of the same octets in memory, the last filled up with zeros.
pub(super) fn push_octets(words: &mut Vec<u32>, octets: &[u8]) {
    let (whole, rest) = octets.as_chunks::<4>();
    words.extend(whole.iter().map(|octets| u32::from_ne_bytes(*octets)));
    if !rest.is_empty() {
        let mut last = [0; 4];
        last[..rest.len()].copy_from_slice(rest);
        words.push(u32::from_ne_bytes(last));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::limits::{ADDRESSES_MAX, INSTANCES_MAX, LABEL_OCTETS_MAX, PORTS_MAX};

    #[test]
    fn the_largest_member_and_port_come_back_as_they_were() {
        for largest in [false, true] {
            let most = |value: usize| if largest { value } else { 0 };
            let range =
                |each: usize| most((INSTANCES_MAX - 1) * each) as u32..most(INSTANCES_MAX * each) as u32;
            let member = Member {
                priority: most(0xffff) as u16,
                weight: most(0xfffe) as u16,
                v4: range(ADDRESSES_MAX),
                v6: range(ADDRESSES_MAX),
                ports: range(PORTS_MAX),
                id: range(LABEL_OCTETS_MAX),
                stays: largest,
                answerable: largest,
            };
            let before = Member {
                v4: 0..member.v4.start,
                v6: 0..member.v6.start,
                ports: 0..member.ports.start,
                id: 0..member.id.start,
                ..member.clone()
            };
            let both = [before.pack(), member.pack()].concat();
            assert_eq!(Member::unpack(&both, 1), member);
            assert_eq!(Member::unpack(&both, 0), before);
            let port = PortView {
                member: most(INSTANCES_MAX - 1) as u16,
                name: most(INSTANCES_MAX * PORTS_MAX + 4096) as u32,
                number: most(0xffff) as u16,
                answered: largest,
            };
            assert_eq!(PortView::unpack(&port.pack()), port);
        }
    }
}
