//! The parameters of SVCB and HTTPS (RFC 9460 §2.1, §2.2, §7, §8, App. A; `dohpath`: RFC 9461; `ohttp`: RFC 9540).

use std::net::{Ipv4Addr, Ipv6Addr};

use super::binary;
use super::field::Scan;
use super::name;
use super::number::decimal;
use super::tokens::{Token, unescape};
use super::types::suffixed;
use super::wrong::Wrong;

const MANDATORY: u16 = 0;
const ALPN: u16 = 1;
const NO_DEFAULT_ALPN: u16 = 2;
const PORT: u16 = 3;
const IPV4HINT: u16 = 4;
const ECH: u16 = 5;
const IPV6HINT: u16 = 6;
const DOHPATH: u16 = 7;
const OHTTP: u16 = 8;
/// "Invalid key" (RFC 9460 §14.3.2).
const INVALID: u16 = 65535;

/// The keys that have names.
const KEYS: &[(&str, u16)] = &[
    ("mandatory", MANDATORY),
    ("alpn", ALPN),
    ("no-default-alpn", NO_DEFAULT_ALPN),
    ("port", PORT),
    ("ipv4hint", IPV4HINT),
    ("ech", ECH),
    ("ipv6hint", IPV6HINT),
    ("dohpath", DOHPATH),
    ("ohttp", OHTTP),
];

/// A key's number; keys are in lower case (RFC 9460 §2.1).
fn key_number(text: &[u8]) -> Option<u16> {
    if let Some((_, number)) = KEYS.iter().find(|(name, _)| name.as_bytes() == text) {
        return Some(*number);
    }
    // No leading zeros, so that a key has one spelling.
    if !text.starts_with(b"key") || (text.len() > 4 && text[3] == b'0') {
        return None;
    }
    suffixed(text, "key").filter(|number| *number != INVALID)
}

fn key_name(number: u16) -> String {
    match KEYS.iter().find(|(_, known)| *known == number) {
        Some((name, _)) => (*name).to_string(),
        None => format!("key{number}"),
    }
}

/// Reads parameters up to the entry's end, and writes them in the order of their keys.
pub(super) fn scan(scan: &mut Scan<'_, '_>) -> Result<(), Wrong> {
    let mut parameters: Vec<(u16, Vec<u8>, Token<'_>)> = Vec::new();
    while let Some(token) = scan.tokens.next_pair() {
        let (key, value) = parameter(token)?;
        parameters.push((key, value, token));
    }
    parameters.sort_by_key(|(key, ..)| *key);
    let mut pairs = parameters.iter().zip(parameters.iter().skip(1));
    if let Some((_, (key, _, token))) = pairs.find(|(one, next)| one.0 == next.0) {
        return Err(token.wrong(format!("the parameter {} stands here twice", key_name(*key))));
    }
    for (key, value, token) in parameters {
        scan.out.extend_from_slice(&key.to_be_bytes());
        let octets = u16::try_from(value.len())
            .map_err(|_| token.wrong(format!("the parameter {} is too long", key_name(key))))?;
        scan.out.extend_from_slice(&octets.to_be_bytes());
        scan.out.extend_from_slice(&value);
    }
    Ok(())
}

/// One parameter: its key, and its value on the wire.
fn parameter(token: Token<'_>) -> Result<(u16, Vec<u8>), Wrong> {
    let equals = token.text.iter().position(|&octet| octet == b'=');
    let (key, raw) = match equals {
        Some(at) => (&token.text[..at], Some(&token.text[at + 1..])),
        None => (token.text, None),
    };
    let key = Some(key).filter(|_| !token.quoted).and_then(key_number).ok_or_else(|| {
        token.wrong(format!(
            "the parameter {} has no key that is known here; keys are in lower case, one that has a number can be written as key<number>",
            token.shown()
        ))
    })?;
    let mut value = Vec::new();
    if let Some(raw) = raw {
        let inner = match raw {
            [b'"', inner @ .., b'"'] => inner,
            other => other,
        };
        if bare_quote(inner) {
            return Err(token.wrong(format!(
                "the value of {} has a quotation mark inside; write it as `\\\"`",
                key_name(key)
            )));
        }
        unescape(inner, &mut value).map_err(|message| token.wrong(message))?;
    }
    // `key1=…` and the like hold octets of the wire, whatever the key means.
    let named = token.text.first() != Some(&b'k');
    if named {
        value = on_wire(key, &value).ok_or_else(|| {
            token.wrong(format!(
                "the value of {} is wrong: {}",
                key_name(key),
                expected(key)
            ))
        })?;
    }
    Ok((key, value))
}

/// Whether a quotation mark stands here that is not escaped.
fn bare_quote(text: &[u8]) -> bool {
    let mut octets = text.iter();
    while let Some(octet) = octets.next() {
        match octet {
            b'\\' => drop(octets.next()),
            b'"' => return true,
            _ => {}
        }
    }
    false
}

/// What a key's value must be.
fn expected(key: u16) -> &'static str {
    match key {
        MANDATORY => "it must be other keys with commas, each once, such as alpn,port",
        ALPN => "it must be protocols of 1 to 255 octets with commas, such as h2,h3",
        NO_DEFAULT_ALPN | OHTTP => "it has none",
        PORT => "it must be a number from 0 to 65535",
        IPV4HINT => "it must be IPv4 addresses with commas, such as 192.0.2.1,192.0.2.2",
        ECH => "it must be Base64",
        IPV6HINT => "it must be IPv6 addresses with commas, such as 2001:db8::1,2001:db8::2",
        DOHPATH => "it must be a path with the variable dns, such as /dns-query{?dns}",
        _ => "it is too long",
    }
}

/// The value of a key that is written by its name.
fn on_wire(key: u16, value: &[u8]) -> Option<Vec<u8>> {
    let text = || std::str::from_utf8(value).ok();
    let mut wire = Vec::new();
    match key {
        MANDATORY => {
            let mut keys = value
                .split(|&octet| octet == b',')
                .map(key_number)
                .collect::<Option<Vec<u16>>>()?;
            keys.sort_unstable();
            wire.extend(keys.into_iter().flat_map(u16::to_be_bytes));
        }
        ALPN => {
            for protocol in comma_separated(value)? {
                wire.push(u8::try_from(protocol.len()).ok().filter(|octets| *octets > 0)?);
                wire.extend_from_slice(&protocol);
            }
        }
        PORT => wire.extend_from_slice(&u16::try_from(decimal(value)?).ok()?.to_be_bytes()),
        IPV4HINT => {
            for address in text()?.split(',') {
                wire.extend_from_slice(&address.parse::<Ipv4Addr>().ok()?.octets());
            }
        }
        ECH => wire = binary::decoded_base64(value)?,
        IPV6HINT => {
            for address in text()?.split(',') {
                wire.extend_from_slice(&address.parse::<Ipv6Addr>().ok()?.octets());
            }
        }
        _ => wire.extend_from_slice(value),
    }
    value_is_right(key, &wire).then_some(wire)
}

/// Splits at commas; `\,` is a comma and `\\` a backslash (RFC 9460 App. A.1).
fn comma_separated(value: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut items = vec![Vec::new()];
    let mut octets = value.iter();
    while let Some(&octet) = octets.next() {
        let octet = match octet {
            b',' => {
                items.push(Vec::new());
                continue;
            }
            b'\\' => *octets.next().filter(|next| matches!(next, b',' | b'\\'))?,
            other => other,
        };
        items.last_mut()?.push(octet);
    }
    Some(items)
}

/// Whether the value on the wire is one that the key may have.
fn value_is_right(key: u16, value: &[u8]) -> bool {
    match key {
        MANDATORY => {
            let (keys, rest) = value.as_chunks::<2>();
            !keys.is_empty()
                && rest.is_empty()
                && keys.is_sorted_by(|a, b| a < b)
                && keys.iter().all(|key| u16::from_be_bytes(*key) != MANDATORY)
        }
        ALPN => {
            let mut rest = value;
            while let [octets, tail @ ..] = rest {
                match tail.get(usize::from(*octets)..).filter(|_| *octets > 0) {
                    Some(after) => rest = after,
                    None => return false,
                }
            }
            !value.is_empty()
        }
        NO_DEFAULT_ALPN | OHTTP => value.is_empty(),
        PORT => value.len() == 2,
        IPV4HINT => !value.is_empty() && value.len().is_multiple_of(4),
        ECH => !value.is_empty(),
        IPV6HINT => !value.is_empty() && value.len().is_multiple_of(16),
        DOHPATH => std::str::from_utf8(value)
            .is_ok_and(|path| path.starts_with('/') && path.contains("{?") && path.contains("dns")),
        _ => true,
    }
}

/// Judges a whole record's data on the wire: what the parameters say together.
pub(super) fn check(data: &[u8]) -> Result<(), String> {
    let cut_off = || "the data end too early".to_string();
    let (priority, rest) = data.split_first_chunk::<2>().ok_or_else(cut_off)?;
    let mut rest = name::octets(rest)
        .and_then(|octets| rest.get(octets..))
        .ok_or_else(cut_off)?;
    if *priority == [0, 0] && !rest.is_empty() {
        return Err(
            "priority 0 is an alias, which has no parameters (RFC 9460 §2.4.2); take them away or give another priority"
                .to_string(),
        );
    }
    let mut keys = Vec::new();
    let mut mandatory: &[u8] = &[];
    while let [a, b, c, d, tail @ ..] = rest {
        let key = u16::from_be_bytes([*a, *b]);
        let (value, after) = tail
            .split_at_checked(usize::from(u16::from_be_bytes([*c, *d])))
            .ok_or_else(cut_off)?;
        if keys.last().is_some_and(|last| *last >= key) {
            return Err("the parameters are not in ascending order of their keys".to_string());
        }
        if key == INVALID {
            return Err("key65535 is no key (RFC 9460 §14.3.2)".to_string());
        }
        if !value_is_right(key, value) {
            return Err(format!(
                "the value of {} is wrong: {}",
                key_name(key),
                expected(key)
            ));
        }
        if key == MANDATORY {
            mandatory = value;
        }
        keys.push(key);
        rest = after;
    }
    if !rest.is_empty() {
        return Err(cut_off());
    }
    let (needed, _) = mandatory.as_chunks::<2>();
    for key in needed.iter().map(|key| u16::from_be_bytes(*key)) {
        if keys.binary_search(&key).is_err() {
            return Err(format!(
                "mandatory names {0}, which is not here (RFC 9460 §8); add {0} or take it from the list",
                key_name(key)
            ));
        }
    }
    if keys.contains(&NO_DEFAULT_ALPN) && !keys.contains(&ALPN) {
        return Err("no-default-alpn needs alpn beside it (RFC 9460 §7.1.1)".to_string());
    }
    Ok(())
}
