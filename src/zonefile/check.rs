//! Whether record data on the wire are right: field by field, and what the fields say together.
//!
//! Data that were written as `\#` come here unread; what answers are made of must be as sound as if it had been text.

use super::field::Field;
use super::{bitmap, gateway, location, name, prefixes, svcb};

/// Whether `data` is right, for data that was written as `\#`: else what is not.
pub(super) fn fields(fields: &[(&'static str, Field)], data: &[u8]) -> Result<(), &'static str> {
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
        _ => Ok(()),
    }
}

/// Whether the octets may be the tag of a CAA record (RFC 8659 §4.1).
pub(super) fn is_tag(octets: &[u8]) -> bool {
    !octets.is_empty() && octets.iter().all(u8::is_ascii_alphanumeric)
}
