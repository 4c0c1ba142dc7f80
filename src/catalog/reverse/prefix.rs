//! Names below `in-addr.arpa` (RFC 1035 §3.5) and `ip6.arpa` (RFC 3596 §2.5) as parts of addresses.

use std::net::IpAddr;

use super::super::name::ZoneName;

use super::trie::{ADDRESS_DIGITS, Key};

/// Octets of the longest name of an address below its family's domain: 32 labels of one digit.
const RELATIVE_OCTETS_MAX: usize = 64;

/// The domain of all reverse names of a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    /// `in-addr.arpa`: a label is an octet in decimal.
    V4,
    /// `ip6.arpa`: a label is four bits in hexadecimal.
    V6,
}

impl Family {
    /// Digits of an address.
    fn digits(self) -> u8 {
        match self {
            Self::V4 => 8,
            Self::V6 => ADDRESS_DIGITS,
        }
    }

    /// Digits of a label.
    fn step(self) -> u8 {
        match self {
            Self::V4 => 2,
            Self::V6 => 1,
        }
    }
}

/// What a reverse name says of an address: all of it, or how it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix {
    family: Family,
    /// From the highest bit on; zeros after them.
    bits: u128,
    /// Four bits each.
    digits: u8,
}

impl Prefix {
    /// What the name of a zone says. Nothing if it is outside of both domains or has a label that is no part of an
    /// address, as the zones of RFC 2317 have.
    pub fn of_zone(zone: &ZoneName) -> Option<Self> {
        let mut labels = zone.labels().rev();
        if labels.next() != Some("arpa") {
            return None;
        }
        let family = match labels.next()? {
            "in-addr" => Family::V4,
            "ip6" => Family::V6,
            _ => return None,
        };
        let all = Self {
            family,
            bits: 0,
            digits: 0,
        };
        labels.try_fold(all, |prefix, label| prefix.below(label.as_bytes()))
    }

    /// The whole of an address.
    pub fn of_address(address: IpAddr) -> Self {
        let (family, bits) = match address {
            IpAddr::V4(address) => (Family::V4, u128::from(address.to_bits()) << 96),
            IpAddr::V6(address) => (Family::V6, address.to_bits()),
        };
        Self {
            family,
            bits,
            digits: family.digits(),
        }
    }

    /// What a name says that has one label more: an octet in decimal without leading zeros, or a hexadecimal digit in
    /// either case. Nothing if the label is neither, or if the address ends above it.
    pub fn below(self, label: &[u8]) -> Option<Self> {
        if self.digits == self.family.digits() {
            return None;
        }
        let value = match (self.family, label) {
            (
                Family::V4,
                [b'0'..=b'9'] | [b'1'..=b'9', b'0'..=b'9'] | [b'1'..=b'9', b'0'..=b'9', b'0'..=b'9'],
            ) => {
                let value = label
                    .iter()
                    .fold(0, |value, digit| value * 10 + u16::from(digit - b'0'));
                u8::try_from(value).ok()?
            }
            (Family::V6, [digit @ b'0'..=b'9']) => digit - b'0',
            (Family::V6, [digit @ (b'a'..=b'f' | b'A'..=b'F')]) => digit.to_ascii_lowercase() - b'a' + 10,
            _ => return None,
        };
        let digits = self.digits + self.family.step();
        Some(Self {
            bits: self.bits | u128::from(value) << (128 - 4 * u32::from(digits)),
            digits,
            ..self
        })
    }

    /// Whether it is the whole of an address.
    pub fn is_address(self) -> bool {
        self.digits == self.family.digits()
    }

    /// Whether what `other` says begins with this.
    pub fn covers(self, other: Self) -> bool {
        let bits = 4 * u32::from(self.digits);
        let differ = (self.bits ^ other.bits).leading_zeros() < bits;
        self.family == other.family && self.digits <= other.digits && !differ
    }

    /// How many digits of four bits it has.
    pub(super) fn digits(self) -> u8 {
        self.digits
    }

    pub(super) fn bits(self) -> u128 {
        self.bits
    }

    pub(super) fn key(self) -> Key {
        Key::of_address(self.bits)
    }

    /// The whole address of that key, in the family of this one.
    pub(super) fn address_at(self, key: Key) -> Self {
        Self {
            bits: key.address(),
            digits: self.family.digits(),
            ..self
        }
    }

    /// The name of this within a zone of `upper`, which covers it: in wire form without the root's octet.
    pub fn within(self, upper: Self) -> Relative {
        let mut relative = Relative {
            octets: [0; RELATIVE_OCTETS_MAX],
            len: 0,
        };
        let step = self.family.step();
        let mut digits = self.digits;
        while digits > upper.digits {
            let value = (self.bits >> (128 - 4 * u32::from(digits))) as u8;
            match self.family {
                Family::V4 => relative.push_decimal(value),
                Family::V6 => relative.push(&[b"0123456789abcdef"[usize::from(value & 0xf)]]),
            }
            digits -= step;
        }
        relative
    }
}

/// A name below a reverse zone's apex, in wire form without the root's octet.
#[derive(Clone, Copy, Debug)]
pub struct Relative {
    octets: [u8; RELATIVE_OCTETS_MAX],
    len: usize,
}

impl Relative {
    fn push(&mut self, label: &[u8]) {
        self.octets[self.len] = label.len() as u8;
        self.octets[self.len + 1..self.len + 1 + label.len()].copy_from_slice(label);
        self.len += 1 + label.len();
    }

    fn push_decimal(&mut self, value: u8) {
        let digits = [b'0' + value / 100, b'0' + value / 10 % 10, b'0' + value % 10];
        let zeros = match value {
            0..=9 => 2,
            10..=99 => 1,
            _ => 0,
        };
        self.push(&digits[zeros..]);
    }

    /// The octets.
    pub fn as_slice(&self) -> &[u8] {
        &self.octets[..self.len]
    }
}
