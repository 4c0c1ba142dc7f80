//! Numbers, durations and moments in text.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::tokens::Token;
use super::wrong::Wrong;

/// A number in decimal, if that is what `text` is.
pub(super) fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_u64, |sum, digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        sum.checked_mul(10)?.checked_add(digit)
    })
}

/// Seconds: a number, or numbers with a unit each, `1h30m`, as BIND and Knot read them.
pub(super) fn seconds(token: Token<'_>, what: &str) -> Result<u32, Wrong> {
    Some(token.text)
        .filter(|_| !token.quoted)
        .and_then(in_units)
        .and_then(|seconds| u32::try_from(seconds).ok())
        .ok_or_else(|| {
            token.wrong(format!(
                "the {what} is {}; it must be seconds from 0 to {}, or a time with the units w, d, h, m and s such as 1h30m",
                token.shown(),
                u32::MAX
            ))
        })
}

fn in_units(text: &[u8]) -> Option<u64> {
    let mut sum = 0_u64;
    let mut rest = text;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.iter().take_while(|octet| octet.is_ascii_digit()).count();
        let number = decimal(&rest[..digits])?;
        let unit = match rest.get(digits).map(u8::to_ascii_lowercase) {
            // A number without a unit stands alone.
            None if digits == text.len() => return Some(number),
            Some(b's') => 1,
            Some(b'm') => 60,
            Some(b'h') => 3600,
            Some(b'd') => 86_400,
            Some(b'w') => 604_800,
            _ => return None,
        };
        sum = sum.checked_add(number.checked_mul(unit)?)?;
        rest = &rest[digits + 1..];
    }
    Some(sum)
}

/// A moment as a 32-bit number of seconds that wraps around (RFC 4034 §3.1.5, §3.2).
pub(super) fn moment(token: Token<'_>, what: &str) -> Result<u32, Wrong> {
    const DATE_DIGITS: usize = 14;
    let seconds = match token.text.len() {
        _ if token.quoted => None,
        DATE_DIGITS => date(token.text),
        _ => decimal(token.text).and_then(|seconds| u32::try_from(seconds).ok()),
    };
    seconds.ok_or_else(|| {
        token.wrong(format!(
            "the {what} is {}; it must be a moment in UTC as YYYYMMDDHHmmSS",
            token.shown()
        ))
    })
}

fn date(digits: &[u8]) -> Option<u32> {
    let part = |from: usize, to: usize| decimal(&digits[from..to]).map(|number| number as i16);
    let small = |from: usize| part(from, from + 2).map(|number| number as i8);
    let moment = DateTime::new(
        part(0, 4)?,
        small(4)?,
        small(6)?,
        small(8)?,
        small(10)?,
        small(12)?,
        0,
    )
    .ok()?
    .to_zoned(TimeZone::UTC)
    .ok()?;
    // RFC 1982: the number wraps around in 2106.
    Some(moment.timestamp().as_second() as u32)
}

/// A number with at most `places` digits after the point, counted in units of the last place.
pub(super) fn fixed(text: &[u8], places: u32) -> Option<i64> {
    let (negative, text) = match text.split_first() {
        Some((b'-', rest)) => (true, rest),
        _ => (false, text),
    };
    let point = text.iter().position(|&octet| octet == b'.');
    let (whole, part) = match point {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, &b""[..]),
    };
    if part.len() > places as usize || whole.len() > 12 || (point.is_some() && part.is_empty()) {
        return None;
    }
    let scale = 10_i64.pow(places);
    let part = match part {
        [] => 0,
        digits => decimal(digits)? as i64 * 10_i64.pow(places - digits.len() as u32),
    };
    let sum = (decimal(whole)? as i64) * scale + part;
    Some(if negative { -sum } else { sum })
}
