//! Durations as text: `"500ms"`, `"15s"`, `"10m"`, `"1h"`, or a number of seconds.

use std::fmt;
use std::time::Duration;

use super::json::Number;

/// The units, the largest first, with their milliseconds.
const UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// Why something is no duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum DurationError {
    #[error(r#"is not a duration; write one integer with its unit ("500ms", "15s", "10m", "1h") or a number of seconds"#)]
    Syntax,
    #[error("is negative")]
    Negative,
    #[error("is finer than a millisecond")]
    TooFine,
    #[error("is longer than any duration can be")]
    TooLong,
}

/// Reads one integer with its unit.
pub(super) fn parse(text: &str) -> Result<Duration, DurationError> {
    match text.strip_prefix('-') {
        Some(rest) if unsigned(rest).is_ok() => Err(DurationError::Negative),
        _ => unsigned(text),
    }
}

fn unsigned(text: &str) -> Result<Duration, DurationError> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    if number.is_empty() {
        return Err(DurationError::Syntax);
    }
    let (_, ms) = UNITS
        .iter()
        .find(|(name, _)| *name == unit)
        .ok_or(DurationError::Syntax)?;
    let number: u64 = number.parse().map_err(|_| DurationError::TooLong)?;
    number
        .checked_mul(*ms)
        .map(Duration::from_millis)
        .ok_or(DurationError::TooLong)
}

/// Reads a duration from a place that has nothing but text: with a unit, or a number of seconds.
pub(super) fn of_query(text: &str) -> Result<Duration, DurationError> {
    let is_number = text.bytes().all(|octet| octet.is_ascii_digit() || octet == b'.');
    if !is_number {
        return parse(text);
    }
    match text.parse::<u64>() {
        Ok(seconds) => from_seconds(Number::Natural(seconds)),
        Err(_) => {
            let seconds: f64 = text.parse().map_err(|_| DurationError::Syntax)?;
            from_seconds(Number::Fraction(seconds))
        }
    }
}

/// Reads a number of seconds, to the millisecond.
pub(super) fn from_seconds(number: Number) -> Result<Duration, DurationError> {
    let text = match number {
        Number::Natural(seconds) => return Ok(Duration::from_secs(seconds)),
        Number::Negative(_) => return Err(DurationError::Negative),
        Number::Fraction(seconds) if seconds < 0.0 => return Err(DurationError::Negative),
        // The shortest decimal that is this number: what was written, if it had no more digits than a double holds.
        Number::Fraction(seconds) => format!("{}", seconds.abs()),
    };
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let seconds: u64 = whole.parse().map_err(|_| DurationError::TooLong)?;
    if fraction.len() > 3 {
        return Err(DurationError::TooFine);
    }
    let ms: u64 = format!("{fraction:0<3}")
        .parse()
        .map_err(|_| DurationError::Syntax)?;
    Ok(Duration::from_secs(seconds) + Duration::from_millis(ms))
}

/// A duration as the API shows it: one integer in the largest unit that is exact. Zero is exact in every unit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shown(pub(super) Duration);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = self.0.as_millis();
        for (name, ms) in UNITS {
            if total.is_multiple_of(u128::from(ms)) {
                return write!(f, "{}{name}", total / u128::from(ms));
            }
        }
        write!(f, "{total}ms")
    }
}

impl serde::Serialize for Shown {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_one_integer_with_its_unit() {
        for (text, ms) in [
            ("500ms", 500),
            ("15s", 15_000),
            ("10m", 600_000),
            ("1h", 3_600_000),
            ("0s", 0),
            ("007s", 7000),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for (text, error) in [
            ("", DurationError::Syntax),
            ("15", DurationError::Syntax),
            ("s", DurationError::Syntax),
            ("15 s", DurationError::Syntax),
            (" 15s", DurationError::Syntax),
            ("15s ", DurationError::Syntax),
            ("+15s", DurationError::Syntax),
            ("1.5s", DurationError::Syntax),
            ("1m30s", DurationError::Syntax),
            ("15S", DurationError::Syntax),
            ("1d", DurationError::Syntax),
            ("15us", DurationError::Syntax),
            ("-1s", DurationError::Negative),
            ("--1s", DurationError::Syntax),
            ("\u{661}s", DurationError::Syntax),
            ("18446744073709551616ms", DurationError::TooLong),
            ("18446744073709551615h", DurationError::TooLong),
        ] {
            assert_eq!(parse(text), Err(error), "{text:?}");
        }
        // As long as a body can be: what is read by recursion would end the process here.
        let minuses = "-".repeat(1 << 20) + "1s";
        assert_eq!(parse(&minuses), Err(DurationError::Syntax));
    }

    #[test]
    fn numbers_are_seconds_to_the_millisecond() {
        let fraction = |seconds| from_seconds(Number::Fraction(seconds));
        assert_eq!(from_seconds(Number::Natural(15)), Ok(Duration::from_secs(15)));
        for (seconds, ms) in [
            (0.5, 500),
            (0.1, 100),
            (1.001, 1001),
            (5.0, 5000),
            (2_592_000.123, 2_592_000_123),
            (-0.0, 0),
        ] {
            assert_eq!(fraction(seconds), Ok(Duration::from_millis(ms)), "{seconds}");
        }
        assert_eq!(fraction(0.0001), Err(DurationError::TooFine));
        assert_eq!(fraction(5e-324), Err(DurationError::TooFine));
        assert_eq!(fraction(1e300), Err(DurationError::TooLong));
        assert_eq!(fraction(-0.5), Err(DurationError::Negative));
        assert_eq!(from_seconds(Number::Negative(-1)), Err(DurationError::Negative));
    }

    #[test]
    fn they_are_shown_in_the_largest_exact_unit() {
        for (ms, text) in [
            (1, "1ms"),
            (1500, "1500ms"),
            (15_000, "15s"),
            (90_000, "90s"),
            (60_000, "1m"),
            (3_600_000, "1h"),
            (86_400_000, "24h"),
            (0, "0h"),
        ] {
            assert_eq!(Shown(Duration::from_millis(ms)).to_string(), text);
            assert_eq!(
                parse(text),
                Ok(Duration::from_millis(ms)),
                "what is shown can be sent"
            );
        }
    }
}
