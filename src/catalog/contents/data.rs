//! Types and their data, as far as serving static records needs to know: where names stand in it.

use std::cmp::Ordering;
use std::ops::Range;

/// Numbers of types (IANA registry).
#[allow(missing_docs)]
pub mod types {
    pub const A: u16 = 1;
    pub const NS: u16 = 2;
    pub const MD: u16 = 3;
    pub const MF: u16 = 4;
    pub const CNAME: u16 = 5;
    pub const SOA: u16 = 6;
    pub const MB: u16 = 7;
    pub const MG: u16 = 8;
    pub const MR: u16 = 9;
    pub const PTR: u16 = 12;
    pub const MINFO: u16 = 14;
    pub const MX: u16 = 15;
    pub const TXT: u16 = 16;
    pub const RP: u16 = 17;
    pub const AFSDB: u16 = 18;
    pub const RT: u16 = 21;
    pub const AAAA: u16 = 28;
    pub const SRV: u16 = 33;
    pub const KX: u16 = 36;
    pub const DNAME: u16 = 39;
    pub const DS: u16 = 43;
    pub const RRSIG: u16 = 46;
    pub const NSEC: u16 = 47;
    pub const NSEC3: u16 = 50;
    pub const NSEC3PARAM: u16 = 51;
    pub const SVCB: u16 = 64;
    pub const HTTPS: u16 = 65;
    pub const ANY: u16 = 255;
}

/// Where the first name stands in the data of that type, if it has one.
pub const fn name_at(rtype: u16) -> Option<usize> {
    match rtype {
        types::NS
        | types::MD
        | types::MF
        | types::CNAME
        | types::SOA
        | types::MB
        | types::MG
        | types::MR
        | types::PTR
        | types::MINFO
        | types::RP
        | types::DNAME => Some(0),
        types::MX | types::AFSDB | types::RT | types::KX | types::SVCB | types::HTTPS => Some(2),
        types::SRV => Some(6),
        _ => None,
    }
}

/// Where a name in wire form without pointers ends that begins at `start`; nothing if it is none.
pub fn name_end(octets: &[u8], start: usize) -> Option<usize> {
    let mut at = start;
    loop {
        let label = usize::from(*octets.get(at)?);
        at += 1 + label;
        if label > 63 || at - start > 255 {
            return None;
        }
        if label == 0 {
            return Some(at);
        }
    }
}

/// Where the names in the data of that type stand, one after the other.
fn names_in(rtype: u16, data: &[u8]) -> Range<usize> {
    let Some(start) = name_at(rtype).filter(|start| *start <= data.len()) else {
        return 0..0;
    };
    let end = match rtype {
        types::SOA => data.len().saturating_sub(20),
        types::SVCB | types::HTTPS => name_end(data, start).unwrap_or(start),
        _ => data.len(),
    };
    start..end.max(start)
}

/// The data of that type in canonical form (RFC 4034 §6.2), octet by octet: names in lower case. Length octets are at
/// most 63 and so no letters.
fn canonical(rtype: u16, data: &[u8]) -> impl Iterator<Item = u8> {
    let names = names_in(rtype, data);
    data.iter()
        .enumerate()
        .map(move |(at, octet)| match names.contains(&at) {
            true => octet.to_ascii_lowercase(),
            false => *octet,
        })
}

/// Appends the data of that type in canonical form.
pub(super) fn write_canonical(rtype: u16, data: &[u8], out: &mut Vec<u8>) {
    match name_at(rtype) {
        Some(_) => out.extend(canonical(rtype, data)),
        None => out.extend_from_slice(data),
    }
}

/// Compares data of one type in canonical order (RFC 4034 §6.2, §6.3): names without regard to case.
pub(super) fn compare(rtype: u16, one: &[u8], other: &[u8]) -> Ordering {
    match name_at(rtype) {
        Some(_) => canonical(rtype, one).cmp(canonical(rtype, other)),
        None => one.cmp(other),
    }
}
