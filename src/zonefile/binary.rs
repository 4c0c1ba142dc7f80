//! Octets in text: hexadecimal, Base64, Base32.

use data_encoding::{BASE32_DNSSEC, BASE64, HEXLOWER_PERMISSIVE};

use super::field::Scan;
use super::wrong::Wrong;

/// All words up to the entry's end as one, and the line of the first.
fn words(scan: &mut Scan<'_, '_>, what: &str) -> Result<(Vec<u8>, u32), Wrong> {
    let first = scan.token(what)?;
    let mut text = first.text.to_vec();
    while let Some(token) = scan.tokens.next() {
        text.extend_from_slice(token.text);
    }
    Ok((text, first.line))
}

/// Reads hexadecimal up to the entry's end: one octet at least.
pub(super) fn hex(scan: &mut Scan<'_, '_>, what: &str) -> Result<(), Wrong> {
    let (text, line) = words(scan, what)?;
    let octets = decoded_hex(&text).ok_or_else(|| {
        Wrong::new(
            line,
            format!("the {what} is no hexadecimal: pairs of the digits 0–9 and a–f"),
        )
    })?;
    scan.out.extend_from_slice(&octets);
    Ok(())
}

pub(super) fn decoded_hex(text: &[u8]) -> Option<Vec<u8>> {
    HEXLOWER_PERMISSIVE
        .decode(text)
        .ok()
        .filter(|octets| !octets.is_empty())
}

/// Reads Base64 up to the entry's end: one octet at least.
pub(super) fn base64(scan: &mut Scan<'_, '_>, what: &str) -> Result<(), Wrong> {
    let (text, line) = words(scan, what)?;
    let octets = decoded_base64(&text).ok_or_else(|| {
        Wrong::new(
            line,
            format!("the {what} is no Base64: groups of four characters, the last filled up with `=`"),
        )
    })?;
    scan.out.extend_from_slice(&octets);
    Ok(())
}

pub(super) fn decoded_base64(text: &[u8]) -> Option<Vec<u8>> {
    BASE64.decode(text).ok().filter(|octets| !octets.is_empty())
}

/// Reads a word of hexadecimal behind a length octet; `-` is none.
pub(super) fn salt(scan: &mut Scan<'_, '_>, what: &str) -> Result<(), Wrong> {
    let token = scan.token(what)?;
    let octets = match token.is("-") {
        true => Some(Vec::new()),
        false => decoded_hex(token.text),
    };
    counted(scan, octets).ok_or_else(|| {
        token.wrong(format!(
            "the {what} is {}; it must be hexadecimal of at most 255 octets, or `-` for none",
            token.shown()
        ))
    })
}

/// Reads a word of Base32 with the extended hex alphabet behind a length octet.
pub(super) fn hashed(scan: &mut Scan<'_, '_>, what: &str) -> Result<(), Wrong> {
    let token = scan.token(what)?;
    let octets = BASE32_DNSSEC
        .decode(token.text)
        .ok()
        .filter(|octets| !octets.is_empty());
    counted(scan, octets).ok_or_else(|| {
        token.wrong(format!(
            "the {what} is {}; it must be Base32 with the extended hex alphabet",
            token.shown()
        ))
    })
}

/// Appends the octets behind their number, if there are any and they are not too many.
fn counted(scan: &mut Scan<'_, '_>, octets: Option<Vec<u8>>) -> Option<()> {
    let octets = octets?;
    scan.out.push(u8::try_from(octets.len()).ok()?);
    scan.out.extend_from_slice(&octets);
    Some(())
}

/// Reads so many octets with hyphens between them.
pub(super) fn eui(scan: &mut Scan<'_, '_>, what: &str, octets: u8) -> Result<(), Wrong> {
    let token = scan.token(what)?;
    let groups: Option<Vec<u64>> = token
        .text
        .split(|&c| c == b'-')
        .map(|group| group_of(group, 2, 2))
        .collect();
    match groups.filter(|groups| groups.len() == usize::from(octets)) {
        Some(groups) => {
            scan.out.extend(groups.iter().map(|&group| group as u8));
            Ok(())
        }
        None => Err(token.wrong(format!(
            "the {what} is {}; it must be {octets} pairs of hexadecimal digits with hyphens, such as 00-00-5e-00-53-2a",
            token.shown()
        ))),
    }
}

/// Reads 64 bits as four groups.
pub(super) fn locator(scan: &mut Scan<'_, '_>, what: &str) -> Result<(), Wrong> {
    let token = scan.token(what)?;
    let groups: Option<Vec<u64>> = token
        .text
        .split(|&c| c == b':')
        .map(|group| group_of(group, 1, 4))
        .collect();
    match groups.filter(|groups| groups.len() == 4) {
        Some(groups) => {
            for group in groups {
                scan.out.extend_from_slice(&(group as u16).to_be_bytes());
            }
            Ok(())
        }
        None => Err(token.wrong(format!(
            "the {what} is {}; it must be four groups of hexadecimal digits with colons, such as 14:4fff:ff20:ee64",
            token.shown()
        ))),
    }
}

/// The number that `min` to `max` hexadecimal digits are.
fn group_of(digits: &[u8], min: usize, max: usize) -> Option<u64> {
    if !(min..=max).contains(&digits.len()) {
        return None;
    }
    digits.iter().try_fold(0, |sum, &digit| {
        Some(sum * 16 + u64::from(char::from(digit).to_digit(16)?))
    })
}

/// Reads `0x` and hexadecimal, in which dots have no meaning.
pub(super) fn nsap(scan: &mut Scan<'_, '_>, what: &str) -> Result<(), Wrong> {
    let token = scan.token(what)?;
    let digits = token
        .text
        .strip_prefix(b"0x")
        .or_else(|| token.text.strip_prefix(b"0X"))
        .map(|digits| digits.iter().copied().filter(|&c| c != b'.').collect::<Vec<_>>());
    let octets = digits.and_then(|digits| decoded_hex(&digits)).ok_or_else(|| {
        token.wrong(format!(
            "the {what} is {}; it must be 0x and hexadecimal digits",
            token.shown()
        ))
    })?;
    scan.out.extend_from_slice(&octets);
    Ok(())
}
