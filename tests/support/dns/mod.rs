//! DNS as a test wants it: every bit can be set wrong, and nothing wrong is put right.
//!
//! A resolver library repairs, retries and lower-cases. Here a [`Query`] is bytes that the test chose, and
//! [`Message::parse`] takes a reply only if every octet of it is as RFC 1035, 2181, 2782, 3597 and 6891 say.

mod canonical;
mod message;
mod query;
mod transport;

#[cfg(test)]
mod tests;

pub(crate) use message::{Data, Edns, Message, Question, Record};
pub(crate) use query::{Query, Section};
pub(crate) use transport::{
    DEADLINE, TcpClient, UdpClient, ask, ask_tcp, expect_silence, send_tcp, send_udp, send_udp_from,
};

/// A type of record, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Type(pub(crate) u16);

impl Type {
    pub(crate) const A: Self = Self(1);
    pub(crate) const NS: Self = Self(2);
    pub(crate) const CNAME: Self = Self(5);
    pub(crate) const SOA: Self = Self(6);
    pub(crate) const PTR: Self = Self(12);
    pub(crate) const HINFO: Self = Self(13);
    pub(crate) const MX: Self = Self(15);
    pub(crate) const TXT: Self = Self(16);
    pub(crate) const AAAA: Self = Self(28);
    pub(crate) const SRV: Self = Self(33);
    pub(crate) const NAPTR: Self = Self(35);
    pub(crate) const DNAME: Self = Self(39);
    pub(crate) const OPT: Self = Self(41);
    pub(crate) const DS: Self = Self(43);
    pub(crate) const RRSIG: Self = Self(46);
    pub(crate) const DNSKEY: Self = Self(48);
    pub(crate) const SVCB: Self = Self(64);
    pub(crate) const HTTPS: Self = Self(65);
    pub(crate) const TSIG: Self = Self(250);
    pub(crate) const IXFR: Self = Self(251);
    pub(crate) const AXFR: Self = Self(252);
    pub(crate) const ANY: Self = Self(255);
    pub(crate) const CAA: Self = Self(257);

    /// The mnemonic, or `TYPE123` (RFC 3597, section 5).
    pub(crate) fn text(self) -> String {
        let name = match self {
            Self::A => "A",
            Self::NS => "NS",
            Self::CNAME => "CNAME",
            Self::SOA => "SOA",
            Self::PTR => "PTR",
            Self::DNAME => "DNAME",
            Self::MX => "MX",
            Self::DS => "DS",
            Self::HINFO => "HINFO",
            Self::TXT => "TXT",
            Self::AAAA => "AAAA",
            Self::SRV => "SRV",
            Self::OPT => "OPT",
            Self::SVCB => "SVCB",
            Self::HTTPS => "HTTPS",
            Self::CAA => "CAA",
            Self(other) => return format!("TYPE{other}"),
        };
        name.to_string()
    }
}

/// Internet, the class of everything but `version.bind`.
pub(crate) const IN: u16 = 1;
/// CHAOS: what a server says of itself.
pub(crate) const CHAOS: u16 = 3;

/// Response codes, as [`Message::rcode`] gives them.
pub(crate) mod rcode {
    pub(crate) const NOERROR: u16 = 0;
    pub(crate) const FORMERR: u16 = 1;
    pub(crate) const SERVFAIL: u16 = 2;
    pub(crate) const NXDOMAIN: u16 = 3;
    pub(crate) const NOTIMP: u16 = 4;
    pub(crate) const REFUSED: u16 = 5;
    pub(crate) const YXDOMAIN: u16 = 6;
    pub(crate) const NOTAUTH: u16 = 9;
    pub(crate) const BADVERS: u16 = 16;
}

/// The wire form of a name in text, with or without the last dot, case kept. `\.` and `\046` are octets within a label.
///
/// # Panics
/// When the text is no name: the test is wrong, not the server. Names that must be wrong are given as octets.
pub(crate) fn name_wire(text: &str) -> Vec<u8> {
    let mut wire = Vec::new();
    let mut label = Vec::new();
    let octets = text.as_bytes();
    let mut at = 0;
    while at < octets.len() {
        match octets[at] {
            b'.' => {
                if text != "." {
                    push_label(&mut wire, &label, text);
                }
                label.clear();
                at += 1;
            }
            b'\\' if octets[at + 1].is_ascii_digit() => {
                label.push(text[at + 1..at + 4].parse().expect("three digits up to 255"));
                at += 4;
            }
            b'\\' => {
                label.push(octets[at + 1]);
                at += 2;
            }
            octet => {
                label.push(octet);
                at += 1;
            }
        }
    }
    if !label.is_empty() {
        push_label(&mut wire, &label, text);
    }
    wire.push(0);
    assert!(wire.len() <= 255, "{text:?} is longer than a name may be");
    wire
}

fn push_label(wire: &mut Vec<u8>, label: &[u8], text: &str) {
    assert!(
        (1..=63).contains(&label.len()),
        "{text:?} has a label of {} octets",
        label.len()
    );
    wire.push(label.len() as u8);
    wire.extend_from_slice(label);
}

/// An uncompressed wire name as text with the last dot, case kept, everything but letters, digits, `-` and `_` escaped
/// where it could be misread.
pub(crate) fn name_text(wire: &[u8]) -> String {
    let mut text = String::new();
    let mut rest = wire;
    while let Some((length, tail)) = rest.split_first().filter(|(length, _)| **length > 0) {
        let (label, after) = tail.split_at(usize::from(*length));
        for &octet in label {
            match octet {
                b'.' | b'\\' | b'"' | b'(' | b')' | b';' | b'@' | b'$' => {
                    text.push('\\');
                    text.push(char::from(octet));
                }
                0x21..=0x7e => text.push(char::from(octet)),
                _ => text.push_str(&format!("\\{octet:03}")),
            }
        }
        text.push('.');
        rest = after;
    }
    if text.is_empty() { ".".to_string() } else { text }
}
