//! LOC: where on earth something stands (RFC 1876).

use super::field::Scan;
use super::number::fixed;
use super::tokens::Token;
use super::wrong::Wrong;

/// Thousandths of a second of arc in a degree.
const DEGREE: i64 = 3_600_000;
/// What stands for the equator, and for the prime meridian.
const MIDDLE: i64 = 1 << 31;
/// What stands for the altitude of the reference spheroid, in centimetres.
const SPHEROID: i64 = 10_000_000;
/// Size, horizontal and vertical precision where none are given: 1 m, 10 km, 10 m (RFC 1876 §3).
const PRECISIONS: [u8; 3] = [0x12, 0x16, 0x13];

/// Reads latitude, longitude, altitude and up to three sizes.
pub(super) fn scan(scan: &mut Scan<'_, '_>) -> Result<(), Wrong> {
    let latitude = angle(scan, "latitude", b'N', b'S', 90)?;
    let longitude = angle(scan, "longitude", b'E', b'W', 180)?;
    let token = scan.token("altitude")?;
    let altitude = metres(token)
        .map(|centimetres| centimetres + SPHEROID)
        .and_then(|centimetres| u32::try_from(centimetres).ok())
        .ok_or_else(|| {
            wrong(
                token,
                "altitude",
                "metres from -100000 to 42849672.95, such as 24m",
            )
        })?;
    let mut sizes = PRECISIONS;
    for (size, what) in sizes
        .iter_mut()
        .zip(["size", "horizontal precision", "vertical precision"])
    {
        let Some(token) = scan.tokens.next() else { break };
        *size = metres(token)
            .and_then(encoded_size)
            .ok_or_else(|| wrong(token, what, "metres from 0 to 90000000, such as 10m"))?;
    }
    scan.out.push(0);
    scan.out.extend_from_slice(&sizes);
    for number in [latitude, longitude, altitude] {
        scan.out.extend_from_slice(&number.to_be_bytes());
    }
    Ok(())
}

fn wrong(token: Token<'_>, what: &str, expected: &str) -> Wrong {
    token.wrong(format!("the {what} is {}; it must be {expected}", token.shown()))
}

/// Reads degrees, perhaps minutes and seconds, and the hemisphere.
fn angle(scan: &mut Scan<'_, '_>, what: &str, plus: u8, minus: u8, degrees_max: i64) -> Result<u32, Wrong> {
    let example = format!(
        "degrees to {degrees_max}, minutes, seconds, and {} or {}, such as 42 21 54.5 {}",
        char::from(plus),
        char::from(minus),
        char::from(plus)
    );
    let mut sum = 0;
    for (unit, places, below) in [
        (DEGREE, 0, degrees_max + 1),
        (DEGREE / 60, 0, 60),
        (1, 3, 60_000),
        (0, 0, 0),
    ] {
        let token = scan.token(what)?;
        let sign = match token.text {
            [letter] if letter.to_ascii_uppercase() == plus => 1,
            [letter] if letter.to_ascii_uppercase() == minus => -1,
            _ => 0,
        };
        if sign != 0 && unit != DEGREE {
            return match sum <= degrees_max * DEGREE {
                true => Ok((MIDDLE + sign * sum) as u32),
                false => Err(wrong(token, what, &example)),
            };
        }
        sum += fixed(token.text, places)
            .filter(|number| (0..below).contains(number))
            .ok_or_else(|| wrong(token, what, &example))?
            * unit;
    }
    Err(Wrong::new(
        scan.tokens.line(),
        format!("the {what} must be {example}"),
    ))
}

/// Metres, with or without the unit, in centimetres.
fn metres(token: Token<'_>) -> Option<i64> {
    let text = token.text;
    fixed(
        text.strip_suffix(b"m")
            .or_else(|| text.strip_suffix(b"M"))
            .unwrap_or(text),
        2,
    )
}

/// A size as a digit and a power of ten, in centimetres.
fn encoded_size(centimetres: i64) -> Option<u8> {
    let mut digit = u64::try_from(centimetres).ok()?;
    let mut exponent = 0;
    while digit >= 10 {
        digit /= 10;
        exponent += 1;
    }
    (exponent <= 9).then_some((digit as u8) << 4 | exponent)
}

/// Whether the data are of version 0 and within bounds.
pub(super) fn is_right(wire: &[u8]) -> bool {
    let Ok([version, sizes @ .., a, b, c, d, e, f, g, h, _, _, _, _]) = <&[u8; 16]>::try_from(wire) else {
        return false;
    };
    let off = |octets| (i64::from(u32::from_be_bytes(octets)) - MIDDLE).abs();
    *version == 0
        && sizes.iter().all(|size| size >> 4 <= 9 && size & 0xF <= 9)
        && off([*a, *b, *c, *d]) <= 90 * DEGREE
        && off([*e, *f, *g, *h]) <= 180 * DEGREE
}
