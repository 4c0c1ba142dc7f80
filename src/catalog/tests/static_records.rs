//! Zone files in few words, made without a parser: `www A 192.0.2.1`, `www 60 A 192.0.2.1`, `@ MX 10 mail`. Names are
//! below the apex unless they end with a dot; `@` is the apex. A TTL that is not given is 300.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use super::fixture::zone;
use crate::catalog::contents::{Builder, Contents, Finding, types};
use crate::catalog::*;

const TTL: u32 = 300;

/// A record of a file, before anything has judged it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Line {
    /// Absolute, as it is written but for the final dot.
    pub(crate) owner: String,
    pub(crate) rtype: u16,
    pub(crate) ttl: u32,
    /// In wire form.
    pub(crate) data: Vec<u8>,
}

/// A name of a file as text, without the final dot.
fn absolute(name: &str, apex: &str) -> String {
    match name.strip_suffix('.') {
        Some(absolute) => absolute.to_owned(),
        None if name == "@" => apex.to_owned(),
        None => format!("{name}.{apex}"),
    }
}

/// A name in wire form.
pub(crate) fn wire(name: &str) -> Vec<u8> {
    let mut wire = Vec::new();
    for label in name.split('.').filter(|label| !label.is_empty()) {
        wire.push(u8::try_from(label.len()).unwrap());
        wire.extend_from_slice(label.as_bytes());
    }
    wire.push(0);
    wire
}

/// Reads one line.
pub(crate) fn line(apex: &str, text: &str) -> Line {
    let mut words = text.split_whitespace().peekable();
    let owner = absolute(words.next().unwrap(), apex);
    let ttl = words.next_if(|word| word.bytes().all(|octet| octet.is_ascii_digit()));
    let ttl = ttl.map_or(TTL, |word| word.parse().unwrap());
    let mnemonic = words.next().unwrap();
    let words: Vec<&str> = words.collect();
    let number = |at: usize| words[at].parse::<u16>().unwrap().to_be_bytes();
    let name = |at: usize| wire(&absolute(words[at], apex));
    let (rtype, data) = match mnemonic {
        "A" => (types::A, words[0].parse::<Ipv4Addr>().unwrap().octets().to_vec()),
        "AAAA" => (
            types::AAAA,
            words[0].parse::<Ipv6Addr>().unwrap().octets().to_vec(),
        ),
        "NS" => (types::NS, name(0)),
        "CNAME" => (types::CNAME, name(0)),
        "DNAME" => (types::DNAME, name(0)),
        "PTR" => (types::PTR, name(0)),
        "MX" => (types::MX, [&number(0)[..], &name(1)].concat()),
        "SRV" => (
            types::SRV,
            [&number(0)[..], &number(1), &number(2), &name(3)].concat(),
        ),
        "HTTPS" => (types::HTTPS, [&number(0)[..], &name(1)].concat()),
        "TXT" => (
            types::TXT,
            [&[words[0].len() as u8][..], words[0].as_bytes()].concat(),
        ),
        // SHA-256 of nothing in particular (RFC 4034 §5.1).
        "DS" => (
            types::DS,
            [&[0, 1, 13, 2][..], &[words[0].as_bytes()[0]; 32]].concat(),
        ),
        "CAA" => (257, [b"\x00\x05issue", words[0].as_bytes()].concat()),
        // The serial, and MINIMUM if it is not 60.
        "SOA" => {
            let minimum = words.get(1).map_or(60, |word| word.parse().unwrap());
            let mut data = [wire(&format!("ns.{apex}")), wire(&format!("hostmaster.{apex}"))].concat();
            for value in [words[0].parse::<u32>().unwrap(), 3600, 600, 86_400, minimum] {
                data.extend(value.to_be_bytes());
            }
            (types::SOA, data)
        }
        other => panic!("no type of the fixture: {other}"),
    };
    Line {
        owner,
        rtype,
        ttl,
        data,
    }
}

/// What a file of these lines holds, and what is odd about it.
pub(crate) fn built(apex: &str, lines: &[&str]) -> Result<(Contents, Vec<Finding>), Vec<Finding>> {
    let mut builder = Builder::new(&zone(apex));
    for (at, text) in lines.iter().enumerate() {
        let Line {
            owner,
            rtype,
            ttl,
            data,
        } = line(apex, text);
        builder.push(&wire(&owner), rtype, ttl, &data, at as u32 + 1);
    }
    builder.finish()
}

/// The same, of a file without an error.
#[track_caller]
pub(crate) fn contents(apex: &str, lines: &[&str]) -> Arc<Contents> {
    match built(apex, lines) {
        Ok((contents, _)) => Arc::new(contents),
        Err(findings) => panic!("{findings:?}"),
    }
}

/// The change that a file of these lines is.
#[track_caller]
pub(crate) fn file(apex: &str, lines: &[&str]) -> Change {
    Change::ZoneFile {
        zone: zone(apex),
        contents: Some(contents(apex, lines)),
    }
}

/// The change that the end of a file is.
pub(crate) fn no_file(apex: &str) -> Change {
    Change::ZoneFile {
        zone: zone(apex),
        contents: None,
    }
}
