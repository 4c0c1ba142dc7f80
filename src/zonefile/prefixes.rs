//! APL: lists of address prefixes (RFC 3123).

use std::net::{Ipv4Addr, Ipv6Addr};

use super::field::Scan;
use super::number::decimal;
use super::wrong::Wrong;

/// Reads prefixes up to the entry's end; none are allowed too.
pub(super) fn scan(scan: &mut Scan<'_, '_>) -> Result<(), Wrong> {
    while let Some(token) = scan.tokens.next() {
        item(token.text, scan.out).ok_or_else(|| {
            token.wrong(format!(
                "the prefix is {}; it must be such as 1:192.0.2.0/24, 2:2001:db8::/32 or !1:192.0.2.64/28",
                token.shown()
            ))
        })?;
    }
    Ok(())
}

fn item(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let text = std::str::from_utf8(text).ok()?;
    let (negation, text) = match text.strip_prefix('!') {
        Some(rest) => (0x80, rest),
        None => (0, text),
    };
    let (family, text) = text.split_once(':')?;
    let (address, length) = text.split_once('/')?;
    let (family, octets, bits_max) = match family {
        "1" => (1_u16, address.parse::<Ipv4Addr>().ok()?.octets().to_vec(), 32),
        "2" => (2, address.parse::<Ipv6Addr>().ok()?.octets().to_vec(), 128),
        _ => return None,
    };
    let length = decimal(length.as_bytes()).filter(|length| *length <= bits_max)?;
    // RFC 3123 §4: zero octets at the end are left out.
    let used = octets
        .iter()
        .rposition(|octet| *octet != 0)
        .map_or(0, |last| last + 1);
    out.extend_from_slice(&family.to_be_bytes());
    out.push(length as u8);
    out.push(negation | used as u8);
    out.extend_from_slice(&octets[..used]);
    Some(())
}

/// Whether each item is whole, of a length its family allows, and ends with no zero octet.
pub(super) fn is_right(wire: &[u8]) -> bool {
    let mut rest = wire;
    while let [high, low, length, counted, tail @ ..] = rest {
        let used = usize::from(counted & 0x7F);
        let Some((part, after)) = tail.split_at_checked(used) else {
            return false;
        };
        let (bits_max, octets_max) = match u16::from_be_bytes([*high, *low]) {
            1 => (32, 4),
            2 => (128, 16),
            _ => (255, 127),
        };
        if *length > bits_max || used > octets_max || part.ends_with(&[0]) {
            return false;
        }
        rest = after;
    }
    rest.is_empty()
}
