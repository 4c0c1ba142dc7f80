//! Whether a request was meant for this server: its `Host` and its `Origin`.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Why a request is not for this server. The messages say what an operator can do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Foreign {
    /// It names no host.
    #[error(
        "the request has no Host; without a token it must be an IP address, localhost, the machine's own name or a --http-name"
    )]
    NoHost,
    /// It names a host that is not this server's.
    #[error("{0:?} is not a name of this server; start it with --http-name to allow one, or send a token")]
    Host(String),
    /// It comes from a page of another server.
    #[error(
        "the origin {0:?} is not this server's own; a page must be served under the address or the --http-name that it asks"
    )]
    Origin(String),
}

/// The name of this machine, as its kernel has it.
pub fn machine_name() -> Option<String> {
    nix::unistd::gethostname().ok()?.into_string().ok()
}

/// The names that a `Host` may have, in lower case, without the final dot.
#[derive(Debug)]
pub(super) struct Names(Vec<String>);

/// `host` or `host:port`, the host in lower case without the final dot.
#[derive(Debug, PartialEq, Eq)]
struct Authority {
    host: String,
    port: Option<u16>,
}

impl Names {
    pub(super) fn new(names: &[String]) -> Self {
        Self(
            names
                .iter()
                .map(|name| folded(name))
                .filter(|name| !name.is_empty())
                .collect(),
        )
    }

    /// Whether every host in `hosts` is ours, and every origin in `origins` is the first of them.
    pub(super) fn judge(&self, hosts: &[&[u8]], origins: &[&[u8]]) -> Result<(), Foreign> {
        let mut asked = None;
        for host in hosts {
            let refused = || Foreign::Host(shown(host));
            let authority = authority(host).ok_or_else(refused)?;
            if !self.is_ours(&authority.host) {
                return Err(refused());
            }
            asked.get_or_insert(authority);
        }
        let asked = asked.ok_or(Foreign::NoHost)?;
        for origin in origins {
            if !is_own(origin, &asked) {
                return Err(Foreign::Origin(shown(origin)));
            }
        }
        Ok(())
    }

    fn is_ours(&self, host: &str) -> bool {
        host == "localhost"
            || host.parse::<Ipv4Addr>().is_ok()
            || host.starts_with('[')
            || self.0.iter().any(|name| name == host)
    }
}

fn folded(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

fn shown(octets: &[u8]) -> String {
    let text = String::from_utf8_lossy(octets);
    text.chars().take(80).collect()
}

/// Reads `host`, `host:port`, `[v6]` or `[v6]:port` (RFC 3986 §3.2.2). What has userinfo, an IPv6 address without
/// brackets or any other surprise is refused.
fn authority(octets: &[u8]) -> Option<Authority> {
    let text = std::str::from_utf8(octets).ok()?;
    let (host, rest) = if text.starts_with('[') {
        let end = text.find(']')?;
        let (literal, rest) = text.split_at(end + 1);
        // A zone index (RFC 6874) names a link of the client's, not another host.
        let address = literal[1..end].split('%').next()?;
        (format!("[{}]", address.parse::<Ipv6Addr>().ok()?), rest)
    } else {
        let end = text.find(':').unwrap_or(text.len());
        let (host, rest) = text.split_at(end);
        let plain = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_' | b'.');
        if !host.bytes().all(plain) {
            return None;
        }
        (folded(host), rest)
    };
    let port = match rest.strip_prefix(':') {
        None if rest.is_empty() => None,
        None => return None,
        Some("") => None,
        Some(digits) if digits.bytes().all(|octet| octet.is_ascii_digit()) => Some(digits.parse().ok()?),
        Some(_) => return None,
    };
    (!host.is_empty()).then_some(Authority { host, port })
}

/// Whether an `Origin` (RFC 6454 §7) is the server that `asked` names. A proxy may have ended TLS before us, so both
/// schemes are ours; `null`, an opaque origin, never is.
fn is_own(origin: &[u8], asked: &Authority) -> bool {
    let Some(end) = origin.windows(3).position(|window| window == b"://") else {
        return false;
    };
    let default = match origin[..end].to_ascii_lowercase().as_slice() {
        b"http" => 80,
        b"https" => 443,
        _ => return false,
    };
    authority(&origin[end + 3..]).is_some_and(|origin| {
        origin.host == asked.host && origin.port.unwrap_or(default) == asked.port.unwrap_or(default)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(hosts: &[&str], origins: &[&str]) -> Result<(), Foreign> {
        let names = Names::new(&["Box-1.Example.Org.".into(), "dns.internal".into()]);
        names.judge(&octets(hosts), &octets(origins))
    }

    fn octets<'a>(texts: &[&'a str]) -> Vec<&'a [u8]> {
        texts.iter().map(|text| text.as_bytes()).collect()
    }

    #[test]
    fn hosts_that_are_this_server() {
        for host in [
            "127.0.0.1",
            "127.0.0.1:8053",
            "192.0.2.7:80",
            "[::1]",
            "[::1]:8053",
            "[2001:DB8::1]:8053",
            "[fe80::1%25eth0]:8053",
            "localhost",
            "LocalHost.:8053",
            "localhost:",
            "box-1.example.org",
            "BOX-1.example.org.:1",
            "dns.internal",
        ] {
            assert_eq!(judge(&[host], &[]), Ok(()), "{host}");
        }
    }

    #[test]
    fn hosts_that_are_not() {
        for host in [
            "",
            ":8053",
            ".",
            "evil.example.org",
            "localhost.evil.example.org",
            "127.0.0.1.evil.example.org",
            "example.org",
            "127.1",
            "0x7f000001",
            "2130706433",
            "::1",
            "[::1",
            "[::1]x",
            "[evil]",
            "[]",
            "user@localhost",
            "localhost@evil.example.org",
            "localhost:80:80",
            "localhost:http",
            "localhost:+80",
            "localhost:65536",
            "localhost/",
            "localhost,evil.example.org",
            "local host",
            "localhost\0",
            "localhost..",
            "l\u{f6}calhost",
        ] {
            assert_eq!(judge(&[host], &[]), Err(Foreign::Host(host.into())), "{host}");
        }
        assert_eq!(judge(&[], &[]), Err(Foreign::NoHost));
    }

    #[test]
    fn every_host_must_be_ours_and_the_first_counts() {
        assert_eq!(judge(&["localhost", "127.0.0.1"], &["http://localhost"]), Ok(()));
        assert!(judge(&["localhost", "evil.example.org"], &[]).is_err());
        assert!(judge(&["evil.example.org", "localhost"], &[]).is_err());
        assert!(judge(&["localhost", "127.0.0.1"], &["http://127.0.0.1"]).is_err());
    }

    #[test]
    fn only_the_servers_own_origin_passes() {
        for (host, origin) in [
            ("localhost:8053", "http://localhost:8053"),
            ("localhost:8053", "HTTP://LOCALHOST.:8053"),
            ("localhost", "http://localhost"),
            ("localhost:80", "http://localhost"),
            ("dns.internal", "https://dns.internal"),
            ("dns.internal:443", "https://dns.internal"),
            ("[::1]:8053", "http://[0:0::1]:8053"),
        ] {
            assert_eq!(judge(&[host], &[origin]), Ok(()), "{host} {origin}");
        }
        for (host, origin) in [
            ("localhost:8053", "null"),
            ("localhost:8053", ""),
            ("localhost:8053", "http://localhost"),
            ("localhost:8053", "http://localhost:3000"),
            ("localhost:8053", "http://127.0.0.1:8053"),
            ("localhost:8053", "http://evil.example.org"),
            ("localhost:8053", "file://localhost:8053"),
            ("localhost:8053", "http://localhost:8053/"),
            ("localhost:8053", "http://localhost:8053 http://localhost:8053"),
            ("localhost", "localhost"),
        ] {
            assert_eq!(
                judge(&[host], &[origin]),
                Err(Foreign::Origin(origin.into())),
                "{host} {origin}"
            );
        }
        assert!(judge(&["localhost"], &["http://localhost", "http://evil.example.org"]).is_err());
    }
}
