//! Regular expressions for what the API reads as text: names, durations, addresses. Each says exactly what is taken, as far
//! as an expression can; the bounds are the constants that the readers hold.

use std::time::Duration;

use crate::catalog::limits;

/// A label of at most so many octets.
pub(super) fn label(octets_max: usize) -> String {
    format!("^{}$", bare_label("A-Za-z0-9", octets_max))
}

/// A zone's name, with or without the final dot. Its length has a bound of its own.
pub(super) fn zone() -> String {
    let label = bare_label("A-Za-z0-9_/", limits::LABEL_OCTETS_MAX);
    format!(r"^{label}(\.{label})*\.?$")
}

/// An instance of a zone: `web/web-1`.
pub(super) fn entry() -> String {
    let label = bare_label("A-Za-z0-9", limits::LABEL_OCTETS_MAX);
    format!("^{label}/{label}$")
}

fn bare_label(edge: &str, octets_max: usize) -> String {
    format!("[{edge}]([{edge}-]{{0,{}}}[{edge}])?", octets_max - 2)
}

/// Any duration, as replies show it.
pub(super) const DURATION: &str = "^[0-9]+(ms|s|m|h)$";

/// The units of a duration, in milliseconds.
const UNITS: [(&str, u128); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// A duration of whole milliseconds between these two.
pub(super) fn duration(min: Duration, max: Duration) -> String {
    let units = UNITS.iter().filter_map(|(unit, ms)| {
        let (first, last) = (min.as_millis().div_ceil(*ms), max.as_millis() / ms);
        (first <= last).then(|| format!("{}{unit}", whole(first, last)))
    });
    format!("^0*({})$", units.collect::<Vec<_>>().join("|"))
}

/// A duration of whole seconds, at most so many.
pub(super) fn seconds(max: u32) -> String {
    let max = u128::from(max);
    let units = UNITS.iter().map(|(unit, ms)| match *ms {
        1 => format!("(0|{}000)ms", whole(1, max)),
        ms => format!("{}{unit}", whole(0, max * 1000 / ms)),
    });
    format!("^0*({})$", units.collect::<Vec<_>>().join("|"))
}

/// A whole number between these two, without leading zeros.
fn whole(min: u128, max: u128) -> String {
    let mut parts = Vec::new();
    let mut from = min;
    while from <= max {
        // As far as all numbers have as many digits, and end with as many nines as they may.
        let digits = from.to_string();
        let mut nines = 0;
        while nines + 1 < digits.len()
            && from.is_multiple_of(10_u128.pow(nines as u32 + 1))
            && from + 10_u128.pow(nines as u32 + 1) - 1 <= max
        {
            nines += 1;
        }
        let step = 10_u128.pow(nines as u32);
        let head = from / step;
        // The last digit before the nines goes up as far as it may.
        let room = (9 - head % 10).min((max + 1 - from) / step - 1);
        let (last, to) = (head % 10, head % 10 + room);
        let before = &digits[..digits.len() - nines - 1];
        let class = if last == to {
            last.to_string()
        } else {
            format!("[{last}-{to}]")
        };
        let rest = match nines {
            0 => String::new(),
            1 => "[0-9]".to_owned(),
            nines => format!("[0-9]{{{nines}}}"),
        };
        parts.push(format!("{before}{class}{rest}"));
        from += step * (room + 1);
    }
    format!("({})", parts.join("|"))
}

/// What an IPv4 address of an instance is not: 0.0.0.0, multicast (224 to 239), the broadcast address. The format says
/// that it is one at all.
pub(super) const IPV4: &str = r"^(?!0\.0\.0\.0$|2(2[4-9]|3[0-9])\.|255\.255\.255\.255$)";

/// What an IPv6 address of an instance is not: `::`, multicast (ff00::/8), scoped to a link (fe80::/10), or one of
/// [`IPV4`] in IPv6's form.
pub(super) const IPV6: &str = concat!(
    r"^(?!::$|[Ff]{2}|[Ff][Ee][89ABab][0-9A-Fa-f]:",
    r"|::[Ff]{4}:(0:0$|0\.0\.0\.0$|[Ee][0-9A-Fa-f]{3}:|2(2[4-9]|3[0-9])\.|[Ff]{4}:[Ff]{4}$|255\.255\.255\.255$))"
);

/// A list of entity tags (RFC 9110 §13.1.1).
pub(super) const ENTITY_TAGS: &str = "^(W/)?\"[!#-~]*\"( *, *(W/)?\"[!#-~]*\")*$";

/// An epoch (RFC 9562 §4).
pub(super) const UUID: &str = "^[0-9A-Fa-f]{8}-([0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}$";

/// A key of `meta`.
pub(super) fn meta_key() -> String {
    format!("^[ -<>-~]{{1,{}}}$", limits::META_KEY_OCTETS_MAX)
}
