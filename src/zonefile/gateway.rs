//! Data in which one field says what the next is: IPSECKEY (RFC 4025), AMTRELAY (RFC 8777), HIP (RFC 8005).

use super::binary;
use super::field::Scan;
use super::name;
use super::wrong::Wrong;

/// Reads the gateway or relay of a type: none, an IPv4 or IPv6 address, a name.
fn gateway(scan: &mut Scan<'_, '_>, what: &str, kind: u8) -> Result<(), Wrong> {
    match kind {
        0 => {
            let token = scan.token(what)?;
            match token.is(".") {
                true => Ok(()),
                false => Err(token.wrong(format!(
                    "the {what} of type 0 is {}; it must be `.`",
                    token.shown()
                ))),
            }
        }
        1 => scan.ipv4(what),
        2 => scan.ipv6(what),
        _ => scan.name(what),
    }
}

/// Octets of such a gateway at the begin of `wire`, if it is right.
fn gateway_octets(wire: &[u8], kind: u8) -> Option<usize> {
    match kind {
        0 => Some(0),
        1 => Some(4),
        2 => Some(16),
        3 => name::octets(wire),
        _ => None,
    }
    .filter(|octets| *octets <= wire.len())
}

/// Reads a number that is the type of a gateway.
fn gateway_type(scan: &mut Scan<'_, '_>) -> Result<u8, Wrong> {
    Ok(scan.number("type of the gateway", 3)? as u8)
}

/// Reads precedence, gateway type, algorithm, gateway and key.
pub(super) fn ipsec_key(scan: &mut Scan<'_, '_>) -> Result<(), Wrong> {
    scan.u8("precedence")?;
    let kind = gateway_type(scan)?;
    scan.out.push(kind);
    let algorithm = scan.u8("algorithm")?;
    gateway(scan, "gateway", kind)?;
    // RFC 4025 §2.4: algorithm 0 has no key.
    match algorithm {
        0 => Ok(()),
        _ => binary::base64(scan, "public key"),
    }
}

pub(super) fn is_ipsec_key(wire: &[u8]) -> bool {
    match wire {
        [_, kind, algorithm, rest @ ..] => {
            gateway_octets(rest, *kind).is_some_and(|octets| (rest.len() == octets) == (*algorithm == 0))
        }
        _ => false,
    }
}

/// Reads precedence, discovery, relay type and relay.
pub(super) fn relay(scan: &mut Scan<'_, '_>) -> Result<(), Wrong> {
    scan.u8("precedence")?;
    let discovery = scan.number("discovery flag", 1)? as u8;
    let kind = gateway_type(scan)?;
    scan.out.push(discovery << 7 | kind);
    gateway(scan, "relay", kind)
}

pub(super) fn is_relay(wire: &[u8]) -> bool {
    match wire {
        [_, kind, rest @ ..] => gateway_octets(rest, kind & 0x7F) == Some(rest.len()),
        _ => false,
    }
}

/// Reads algorithm, host identity tag, key and the names of rendezvous servers.
pub(super) fn host_identity(scan: &mut Scan<'_, '_>) -> Result<(), Wrong> {
    let algorithm = scan.number("algorithm", 255)? as u8;
    let tag = scan.token("host identity tag")?;
    let tag_octets = binary::decoded_hex(tag.text)
        .filter(|octets| octets.len() <= usize::from(u8::MAX))
        .ok_or_else(|| tag.wrong("the host identity tag is no hexadecimal of 1 to 255 octets"))?;
    let key = scan.token("public key")?;
    let key_octets = binary::decoded_base64(key.text)
        .filter(|octets| octets.len() <= usize::from(u16::MAX))
        .ok_or_else(|| key.wrong("the public key is no Base64; it stands in one word, without spaces"))?;
    scan.out.push(tag_octets.len() as u8);
    scan.out.push(algorithm);
    scan.out
        .extend_from_slice(&(key_octets.len() as u16).to_be_bytes());
    scan.out.extend_from_slice(&tag_octets);
    scan.out.extend_from_slice(&key_octets);
    while scan.tokens.peek().is_some() {
        scan.name("rendezvous server")?;
    }
    Ok(())
}

pub(super) fn is_host_identity(wire: &[u8]) -> bool {
    let [tag, _, high, low, rest @ ..] = wire else {
        return false;
    };
    let key = usize::from(u16::from_be_bytes([*high, *low]));
    let Some(mut servers) = rest
        .get(usize::from(*tag) + key..)
        .filter(|_| *tag > 0 && key > 0)
    else {
        return false;
    };
    while !servers.is_empty() {
        match name::octets(servers) {
            Some(octets) => servers = &servers[octets..],
            None => return false,
        }
    }
    true
}
