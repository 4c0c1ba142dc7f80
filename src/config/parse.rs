//! One value's text to its meaning. A message names the text and says what to write.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use crate::catalog::limits::{NAME_OCTETS_MAX, TTL_MAX};
use crate::catalog::{NAME_SERVER_LABEL, NameError, Ttl, ZoneName, parse_address};
use crate::lease::guard::Scope;

use super::{HostName, LogFormat, LogLevel};

/// The least that `--max-udp-payload` may be: what every client takes (RFC 1035 §2.3.4).
pub const UDP_PAYLOAD_MIN: u16 = 512;
/// The most that `--max-udp-payload` may be (RFC 9715 and common servers stop here).
pub const UDP_PAYLOAD_MAX: u16 = 4096;
/// The most UDP workers. More threads than this serve no machine we know of.
pub const UDP_WORKERS_MAX: usize = 1024;

/// The least that `--guard-for` may be: less would hold nothing, and that is `--guard off`.
pub const GUARD_FOR_MIN: Duration = Duration::from_secs(1);
/// The most that `--guard-for` may be.
pub const GUARD_FOR_MAX: Duration = Duration::from_secs(24 * 3600);
/// The most changes that `--keep-changes` may keep: some 200 GB of them.
pub const KEEP_CHANGES_MAX: u64 = 100_000_000;
/// The longest that `--keep-changes-for` may keep one: ten years.
pub const KEEP_CHANGES_FOR_MAX: Duration = Duration::from_secs(87_600 * 3600);

type Parsed<T> = Result<T, String>;

/// A path. Relative ones are relative to the working directory, also those of a file.
pub(super) fn path(text: &str) -> Parsed<PathBuf> {
    if text.is_empty() {
        return Err("is empty; give a path, or leave it out".into());
    }
    Ok(text.into())
}

/// An address to listen on.
pub(super) fn listen(text: &str) -> Parsed<SocketAddr> {
    text.parse().map_err(|_| {
        format!("{text:?} is no address with a port; write one such as 127.0.0.1:5300 or [::1]:5300")
    })
}

/// A zone. Its name server's name must fit in a DNS name too.
pub(super) fn zone(text: &str) -> Parsed<ZoneName> {
    let zone = ZoneName::parse(text).map_err(|error| {
        let what = match error {
            NameError::Empty if !text.is_empty() => "has an empty label".to_owned(),
            error => error.to_string(),
        };
        format!("{text:?} {what}; write a domain name such as svc.internal")
    })?;
    if zone.wire_len() + 1 + NAME_SERVER_LABEL.len() > NAME_OCTETS_MAX {
        return Err(format!(
            "{text:?} is so long that {NAME_SERVER_LABEL}.<zone> has more than {NAME_OCTETS_MAX} octets; choose a shorter name"
        ));
    }
    Ok(zone)
}

/// An address of the name server that clients can use.
pub(super) fn advertised(text: &str) -> Parsed<IpAddr> {
    parse_address(text).map_err(|error| {
        format!("{text:?} {error}; give an IP address without a port, at which clients reach this server")
    })
}

/// A name that a `Host` field may have.
pub(super) fn http_name(text: &str) -> Parsed<HostName> {
    // ZoneName's rules are those of a host name, but for the slash.
    match ZoneName::parse(text) {
        Ok(name) if !name.as_str().contains('/') => Ok(HostName(name.as_str().to_owned())),
        _ => Err(format!(
            "{text:?} is no host name; write one without scheme and port, such as callsign.example.org"
        )),
    }
}

/// A time to live.
pub(super) fn ttl(text: &str) -> Parsed<Ttl> {
    let duration = duration(text)?;
    if duration.subsec_nanos() != 0 {
        return Err(format!("{text:?} is not in whole seconds, as every TTL is"));
    }
    u32::try_from(duration.as_secs())
        .ok()
        .and_then(Ttl::from_seconds)
        .ok_or_else(|| format!("{text:?} is too long; at most {TTL_MAX} seconds are allowed (RFC 2181 §8)"))
}

/// A duration as the API writes it: a whole number with `ms`, `s`, `m` or `h`, or of seconds.
fn duration(text: &str) -> Parsed<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let unit_ms = match unit {
        "ms" => 1,
        "" | "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => 0,
    };
    if digits == 0 || unit_ms == 0 {
        return Err(format!(
            "{text:?} is no duration; write a whole number of seconds, or one with its unit, such as 500ms, 5s, 10m or 1h"
        ));
    }
    number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(unit_ms))
        .map(Duration::from_millis)
        .ok_or_else(|| format!("{text:?} is too long a duration"))
}

/// What the guard against mass expiry counts by.
pub(super) fn guard(text: &str) -> Parsed<Scope> {
    Scope::parse(text)
        .ok_or_else(|| format!("{text:?} is nothing that a guard counts by; write zone, service or off"))
}

/// How long the guard holds at most.
pub(super) fn guard_for(text: &str) -> Parsed<Duration> {
    let duration = duration(text)?;
    if !(GUARD_FOR_MIN..=GUARD_FOR_MAX).contains(&duration) {
        return Err(format!(
            "{text:?} is not from 1s to 24h; to hold nothing at all, write --guard off"
        ));
    }
    Ok(duration)
}

/// Changes that the log keeps.
pub(super) fn keep_changes(text: &str) -> Parsed<u64> {
    text.parse()
        .ok()
        .filter(|changes| (1..=KEEP_CHANGES_MAX).contains(changes))
        .ok_or_else(|| {
            format!("{text:?} is no number of changes from 1 to {KEEP_CHANGES_MAX}; 100000 is the default")
        })
}

/// How long the log keeps a change.
pub(super) fn keep_changes_for(text: &str) -> Parsed<Duration> {
    let age = duration(text)?;
    if age.is_zero() || age > KEEP_CHANGES_FOR_MAX {
        return Err(format!(
            "{text:?} is not between 1ms and 87600h; 168h is the default"
        ));
    }
    Ok(age)
}

/// The largest UDP reply.
pub(super) fn udp_payload_max(text: &str) -> Parsed<u16> {
    text.parse()
        .ok()
        .filter(|octets| (UDP_PAYLOAD_MIN..=UDP_PAYLOAD_MAX).contains(octets))
        .ok_or_else(|| {
            format!("{text:?} is no number of octets from {UDP_PAYLOAD_MIN} to {UDP_PAYLOAD_MAX}; 1232 is the default")
        })
}

/// A number of threads.
pub(super) fn udp_workers(text: &str) -> Parsed<NonZeroUsize> {
    text.parse::<NonZeroUsize>()
        .ok()
        .filter(|workers| workers.get() <= UDP_WORKERS_MAX)
        .ok_or_else(|| {
            format!("{text:?} is no number of threads from 1 to {UDP_WORKERS_MAX}; leave it out for one for each core")
        })
}

/// `true`, `false`, `1` or `0`.
pub(super) fn switch(text: &str) -> Parsed<bool> {
    match text {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(format!(
            "{text:?} is neither true nor false; write true, false, 1 or 0"
        )),
    }
}

/// `text` or `json`.
pub(super) fn log_format(text: &str) -> Parsed<LogFormat> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err(format!("{text:?} is no log format; write text or json")),
    }
}

/// How often `-v` was given.
pub(super) fn log_level(text: &str) -> Parsed<LogLevel> {
    match text.parse::<u8>() {
        Ok(0) => Ok(LogLevel::Info),
        Ok(1) => Ok(LogLevel::Debug),
        Ok(_) => Ok(LogLevel::Trace),
        Err(_) => Err(format!(
            "{text:?} is no level; write 0 for info, 1 for debug, 2 for trace"
        )),
    }
}
