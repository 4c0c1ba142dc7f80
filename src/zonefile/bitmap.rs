//! Sets of record types as NSEC, NSEC3 and CSYNC write them (RFC 4034 §4.1.2).

use super::field::Scan;
use super::tokens::Token;
use super::types;
use super::wrong::Wrong;

/// The type that a token names.
pub(super) fn record_type(token: Token<'_>) -> Result<u16, Wrong> {
    Some(token.text)
        .filter(|_| !token.quoted)
        .and_then(types::number)
        .filter(|number| *number != 0)
        .ok_or_else(|| token.wrong(unknown(token)))
}

/// That nobody knows this type.
pub(super) fn unknown(token: Token<'_>) -> String {
    format!(
        "{} is no record type that is known here; one that has a number can be written as TYPE<number> \\# <octets> <hexadecimal>",
        token.shown()
    )
}

/// Reads the names of types up to the entry's end.
pub(super) fn scan(scan: &mut Scan<'_, '_>) -> Result<(), Wrong> {
    let mut types = Vec::new();
    while let Some(token) = scan.tokens.next() {
        types.push(record_type(token)?);
    }
    types.sort_unstable();
    for window in types.chunk_by(|a, b| a >> 8 == b >> 8) {
        let mut bits = [0_u8; 32];
        for rtype in window {
            bits[usize::from(rtype & 0xFF) / 8] |= 0x80 >> (rtype % 8);
        }
        let octets = bits
            .iter()
            .rposition(|octet| *octet != 0)
            .map_or(0, |last| last + 1);
        scan.out.push((window[0] >> 8) as u8);
        scan.out.push(octets as u8);
        scan.out.extend_from_slice(&bits[..octets]);
    }
    Ok(())
}

/// Whether windows ascend, none is empty, and none ends with a zero octet.
pub(super) fn is_right(wire: &[u8]) -> bool {
    let mut rest = wire;
    let mut last = None;
    while let [window, octets, tail @ ..] = rest {
        let Some((bits, after)) = tail.split_at_checked(usize::from(*octets)) else {
            return false;
        };
        if !(1..=32).contains(octets) || bits.ends_with(&[0]) || last.is_some_and(|last| last >= *window) {
            return false;
        }
        last = Some(*window);
        rest = after;
    }
    rest.is_empty()
}
