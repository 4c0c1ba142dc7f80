//! The fields of record data: from text to wire, and whether wire is right.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use super::tokens::{Token, Tokens};
use super::wrong::Wrong;
use super::{binary, bitmap, gateway, location, name, number, prefixes, svcb, types};

/// Octets of a character string (RFC 1035 §3.3).
const STRING_OCTETS_MAX: usize = 255;

/// What stands at a place of a record's data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    /// Numbers, in decimal.
    U8,
    U16,
    U32,
    U64,
    /// A 32-bit number of seconds, also with units: `1h30m`.
    Seconds,
    /// A moment: `YYYYMMDDHHmmSS` in UTC, or seconds since 1970 (RFC 4034 §3.2).
    Moment,
    Ipv4,
    Ipv6,
    /// A domain name, written without compression.
    Name,
    /// One character string.
    Text,
    /// One character string or none.
    OptionalText,
    /// Character strings, one at least.
    Texts,
    /// One string without a length octet, up to the data's end.
    Rest,
    NonEmptyRest,
    /// A character string of letters and digits (RFC 8659 §4.1).
    Tag,
    /// Hexadecimal, in as many words as one likes, up to the data's end.
    Hex,
    /// Base64, likewise.
    Base64,
    /// Base64, or `-` for nothing.
    Base64OrNone,
    /// A number of 8 bits, or its name (RFC 4034 App. A.1).
    Algorithm,
    /// A number of 8 bits, or `NOTIFY` (RFC 9859 §3).
    Scheme,
    /// A number of 16 bits, or its name (RFC 4398 §2.1).
    CertificateType,
    RecordType,
    /// A set of types (RFC 4034 §4.1.2).
    Bitmap,
    /// A length octet and octets in hexadecimal, or `-` (RFC 5155 §3.3).
    Salt,
    /// A length octet and octets in Base32 with the extended hex alphabet (RFC 5155 §3.3).
    Hashed,
    /// So many octets, in hexadecimal with hyphens (RFC 7043).
    Eui(u8),
    /// 64 bits as four groups of hexadecimal with colons (RFC 6742 §2.1).
    Locator,
    /// `0x` and hexadecimal with dots (RFC 1706 §7).
    Nsap,
    Location,
    Prefixes,
    SvcParams,
    IpsecKey,
    Relay,
    HostIdentity,
}

/// What a field is read from and written to.
#[derive(Debug)]
pub(super) struct Scan<'a, 't> {
    pub(super) tokens: &'a mut Tokens<'t>,
    /// What relative names are relative to, on the wire.
    pub(super) origin: &'a [u8],
    pub(super) out: &'a mut Vec<u8>,
}

impl<'t> Scan<'_, 't> {
    /// The next token, which is `what`.
    pub(super) fn token(&mut self, what: &str) -> Result<Token<'t>, Wrong> {
        self.tokens
            .next()
            .ok_or_else(|| Wrong::new(self.tokens.line(), format!("the {what} lacks")))
    }

    /// Reads a number of `T`'s width, at most `max`.
    pub(super) fn number(&mut self, what: &str, max: u64) -> Result<u64, Wrong> {
        let token = self.token(what)?;
        number::decimal(token.text)
            .filter(|number| *number <= max && !token.quoted)
            .ok_or_else(|| {
                token.wrong(format!(
                    "the {what} is {}; it must be a number from 0 to {max}",
                    token.shown()
                ))
            })
    }

    pub(super) fn u8(&mut self, what: &str) -> Result<u8, Wrong> {
        let number = self.number(what, u64::from(u8::MAX))? as u8;
        self.out.push(number);
        Ok(number)
    }

    pub(super) fn u16(&mut self, what: &str) -> Result<u16, Wrong> {
        let number = self.number(what, u64::from(u16::MAX))? as u16;
        self.out.extend_from_slice(&number.to_be_bytes());
        Ok(number)
    }

    /// Reads a number or one of `names`.
    fn named(&mut self, what: &str, names: &[(&str, u16)], max: u16) -> Result<u16, Wrong> {
        let token = self.token(what)?;
        if let Some((_, number)) = names.iter().find(|(name, _)| token.is(name)) {
            return Ok(*number);
        }
        number::decimal(token.text)
            .filter(|number| *number <= u64::from(max) && !token.quoted)
            .map(|number| number as u16)
            .ok_or_else(|| {
                let names: Vec<_> = names.iter().map(|(name, _)| *name).collect();
                token.wrong(format!(
                    "the {what} is {}; it must be a number from 0 to {max} or one of {}",
                    token.shown(),
                    names.join(", ")
                ))
            })
    }

    /// Reads an address.
    pub(super) fn address<T: FromStr>(&mut self, what: &str, example: &str) -> Result<T, Wrong> {
        let token = self.token(what)?;
        std::str::from_utf8(token.text)
            .ok()
            .filter(|_| !token.quoted)
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| {
                token.wrong(format!(
                    "the {what} is {}; it must be an address such as {example}",
                    token.shown()
                ))
            })
    }

    pub(super) fn ipv4(&mut self, what: &str) -> Result<(), Wrong> {
        let address: Ipv4Addr = self.address(what, "192.0.2.1")?;
        self.out.extend_from_slice(&address.octets());
        Ok(())
    }

    pub(super) fn ipv6(&mut self, what: &str) -> Result<(), Wrong> {
        let address: Ipv6Addr = self.address(what, "2001:db8::1")?;
        self.out.extend_from_slice(&address.octets());
        Ok(())
    }

    pub(super) fn name(&mut self, what: &str) -> Result<(), Wrong> {
        let token = self.token(what)?;
        name::scan(token, self.origin, self.out)
    }

    /// Reads a character string: a length octet, then the octets.
    fn string(&mut self, token: Token<'_>, what: &str) -> Result<(), Wrong> {
        let at = self.out.len();
        self.out.push(0);
        token.unescape(self.out)?;
        let octets = self.out.len() - at - 1;
        self.out[at] = u8::try_from(octets).map_err(|_| {
            token.wrong(format!(
                "the {what} has a string of {octets} octets; it may have {STRING_OCTETS_MAX}, split it into several strings"
            ))
        })?;
        Ok(())
    }

    fn field(&mut self, what: &str, field: Field) -> Result<(), Wrong> {
        match field {
            Field::U8 => self.u8(what).map(drop)?,
            Field::U16 => self.u16(what).map(drop)?,
            Field::U32 => {
                let number = self.number(what, u64::from(u32::MAX))? as u32;
                self.out.extend_from_slice(&number.to_be_bytes());
            }
            Field::U64 => {
                let number = self.number(what, u64::MAX)?;
                self.out.extend_from_slice(&number.to_be_bytes());
            }
            Field::Seconds => {
                let token = self.token(what)?;
                let seconds = number::seconds(token, what)?;
                self.out.extend_from_slice(&seconds.to_be_bytes());
            }
            Field::Moment => {
                let token = self.token(what)?;
                let moment = number::moment(token, what)?;
                self.out.extend_from_slice(&moment.to_be_bytes());
            }
            Field::Ipv4 => self.ipv4(what)?,
            Field::Ipv6 => self.ipv6(what)?,
            Field::Name => self.name(what)?,
            Field::Text => {
                let token = self.token(what)?;
                self.string(token, what)?;
            }
            Field::OptionalText => {
                if let Some(token) = self.tokens.next() {
                    self.string(token, what)?;
                }
            }
            Field::Texts => {
                let mut token = self.token(what)?;
                loop {
                    self.string(token, what)?;
                    match self.tokens.next() {
                        Some(next) => token = next,
                        None => break,
                    }
                }
            }
            Field::Rest | Field::NonEmptyRest => {
                let token = self.token(what)?;
                let at = self.out.len();
                token.unescape(self.out)?;
                if field == Field::NonEmptyRest && self.out.len() == at {
                    return Err(token.wrong(format!("the {what} is empty")));
                }
            }
            Field::Tag => {
                let token = self.token(what)?;
                let at = self.out.len();
                self.string(token, what)?;
                if !is_tag(&self.out[at + 1..]) {
                    return Err(token.wrong(format!(
                        "the {what} is {}; it must be letters and digits, such as issue",
                        token.shown()
                    )));
                }
            }
            Field::Hex => binary::hex(self, what)?,
            Field::Base64 => binary::base64(self, what)?,
            Field::Base64OrNone => match self.tokens.peek() {
                Some(token) if token.is("-") => drop(self.tokens.next()),
                _ => binary::base64(self, what)?,
            },
            Field::Algorithm => {
                let number = self.named(what, ALGORITHMS, 255)?;
                self.out.push(number as u8);
            }
            Field::Scheme => {
                let number = self.named(what, &[("NOTIFY", 1)], 255)?;
                self.out.push(number as u8);
            }
            Field::CertificateType => {
                let number = self.named(what, CERTIFICATE_TYPES, u16::MAX)?;
                self.out.extend_from_slice(&number.to_be_bytes());
            }
            Field::RecordType => {
                let token = self.token(what)?;
                let number = bitmap::record_type(token)?;
                self.out.extend_from_slice(&number.to_be_bytes());
            }
            Field::Bitmap => bitmap::scan(self)?,
            Field::Salt => binary::salt(self, what)?,
            Field::Hashed => binary::hashed(self, what)?,
            Field::Eui(octets) => binary::eui(self, what, octets)?,
            Field::Locator => binary::locator(self, what)?,
            Field::Nsap => binary::nsap(self, what)?,
            Field::Location => location::scan(self)?,
            Field::Prefixes => prefixes::scan(self)?,
            Field::SvcParams => svcb::scan(self)?,
            Field::IpsecKey => gateway::ipsec_key(self)?,
            Field::Relay => gateway::relay(self)?,
            Field::HostIdentity => gateway::host_identity(self)?,
        }
        Ok(())
    }
}

/// Appends the data that the tokens are, up to the entry's end.
pub(super) fn scan(fields: &[(&str, Field)], scan: &mut Scan<'_, '_>) -> Result<(), Wrong> {
    for (what, field) in fields {
        scan.field(what, *field)?;
    }
    Ok(())
}

/// Whether `data` is right, for data that was written as `\#`: else what is not.
pub(super) fn check(fields: &[(&'static str, Field)], data: &[u8]) -> Result<(), &'static str> {
    let mut rest = data;
    for (what, field) in fields {
        let octets = field.octets(rest).ok_or(*what)?;
        rest = rest.get(octets..).ok_or(*what)?;
    }
    match rest {
        [] => Ok(()),
        _ => Err("end"),
    }
}

impl Field {
    /// How many octets of `wire` the field takes, if it is right there.
    fn octets(self, wire: &[u8]) -> Option<usize> {
        let strings = |mut at: usize| {
            while at < wire.len() {
                at += 1 + usize::from(wire[at]);
            }
            Some(at)
        };
        let string = || Some(1 + usize::from(*wire.first()?)).filter(|end| *end <= wire.len());
        match self {
            Self::U8 | Self::Algorithm | Self::Scheme => Some(1),
            Self::U16 | Self::CertificateType | Self::RecordType => Some(2),
            Self::U32 | Self::Seconds | Self::Moment | Self::Ipv4 => Some(4),
            Self::U64 | Self::Locator => Some(8),
            Self::Ipv6 => Some(16),
            Self::Eui(octets) => Some(usize::from(octets)),
            Self::Name => name::octets(wire),
            Self::Text | Self::Salt => string(),
            Self::OptionalText if wire.is_empty() => Some(0),
            Self::OptionalText => string(),
            Self::Hashed => string().filter(|end| *end > 1),
            Self::Tag => string().filter(|end| is_tag(&wire[1..*end])),
            Self::Texts => strings(string()?),
            Self::Rest | Self::Base64OrNone => Some(wire.len()),
            Self::NonEmptyRest | Self::Hex | Self::Base64 | Self::Nsap => {
                Some(wire.len()).filter(|end| *end > 0)
            }
            Self::Bitmap => bitmap::is_right(wire).then_some(wire.len()),
            Self::Location => location::is_right(wire).then_some(wire.len()),
            Self::Prefixes => prefixes::is_right(wire).then_some(wire.len()),
            // Judged with the rest of the record by `verdict`.
            Self::SvcParams => Some(wire.len()),
            Self::IpsecKey => gateway::is_ipsec_key(wire).then_some(wire.len()),
            Self::Relay => gateway::is_relay(wire).then_some(wire.len()),
            Self::HostIdentity => gateway::is_host_identity(wire).then_some(wire.len()),
        }
    }
}

/// What is wrong with data whose fields are right each: what they say together.
pub(super) fn verdict(rtype: u16, data: &[u8]) -> Result<(), String> {
    const DS: u16 = 43;
    const CDS: u16 = 59;
    const TA: u16 = 32768;
    const DLV: u16 = 32769;
    const SVCB: u16 = 64;
    const HTTPS: u16 = 65;
    const ZONEMD: u16 = 63;
    match (rtype, data) {
        (DS | CDS | TA | DLV, &[_, _, _, digest_type, ref digest @ ..]) => {
            // RFC 4034 §5.1.4, RFC 4509, RFC 6605 §2.
            let octets = match digest_type {
                1 => 20,
                2 => 32,
                4 => 48,
                _ => return Ok(()),
            };
            match digest.len() {
                found if found != octets => Err(format!(
                    "a digest of type {digest_type} has {octets} octets, this one has {found}"
                )),
                _ => Ok(()),
            }
        }
        (ZONEMD, &[_, _, _, _, _, _, ref digest @ ..]) if digest.len() < 12 => {
            Err("the digest has under 12 octets (RFC 8976 §2.2.4)".to_string())
        }
        (SVCB | HTTPS, _) => svcb::check(data),
        (type_number, _) => {
            debug_assert!(!types::is_meta(type_number));
            Ok(())
        }
    }
}

fn is_tag(octets: &[u8]) -> bool {
    !octets.is_empty() && octets.iter().all(u8::is_ascii_alphanumeric)
}

const ALGORITHMS: &[(&str, u16)] = &[
    ("DELETE", 0),
    ("RSAMD5", 1),
    ("DH", 2),
    ("DSA", 3),
    ("RSASHA1", 5),
    ("DSA-NSEC3-SHA1", 6),
    ("RSASHA1-NSEC3-SHA1", 7),
    ("RSASHA256", 8),
    ("RSASHA512", 10),
    ("ECC-GOST", 12),
    ("ECDSAP256SHA256", 13),
    ("ECDSAP384SHA384", 14),
    ("ED25519", 15),
    ("ED448", 16),
    ("INDIRECT", 252),
    ("PRIVATEDNS", 253),
    ("PRIVATEOID", 254),
];

const CERTIFICATE_TYPES: &[(&str, u16)] = &[
    ("PKIX", 1),
    ("SPKI", 2),
    ("PGP", 3),
    ("IPKIX", 4),
    ("ISPKI", 5),
    ("IPGP", 6),
    ("ACPKIX", 7),
    ("IACPKIX", 8),
    ("URI", 253),
    ("OID", 254),
];
