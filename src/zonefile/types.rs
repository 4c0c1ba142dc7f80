//! The record types: names, numbers, and what stands in their data, field by field.
//!
//! One table serves both notations: a type's fields turn text into wire, and check wire that is written as
//! `\# n hex` (RFC 3597 §5). A type without fields can be written in that form alone. From IANA's registry of
//! resource record types; the RFC stands with each line that is not RFC 1035's.

use super::field::Field::{self, *};

/// A record type.
#[derive(Debug)]
pub(super) struct Kind {
    /// Its mnemonic.
    pub(super) name: &'static str,
    pub(super) number: u16,
    /// What its data are made of, with names for messages. `None`: only `\#` is understood.
    pub(super) fields: Option<&'static [(&'static str, Field)]>,
}

const fn kind(name: &'static str, number: u16, fields: &'static [(&'static str, Field)]) -> Kind {
    Kind {
        name,
        number,
        fields: Some(fields),
    }
}

const fn opaque(name: &'static str, number: u16) -> Kind {
    Kind {
        name,
        number,
        fields: None,
    }
}

const DIGEST: &[(&str, Field)] = &[
    ("key tag", U16),
    ("algorithm", Algorithm),
    ("digest type", U8),
    ("digest", Hex),
];
const KEY: &[(&str, Field)] = &[
    ("flags", U16),
    ("protocol", U8),
    ("algorithm", Algorithm),
    ("public key", Base64),
];
const SIGNATURE: &[(&str, Field)] = &[
    ("type covered", RecordType),
    ("algorithm", Algorithm),
    ("number of labels", U8),
    ("original TTL", Seconds),
    ("expiration", Moment),
    ("inception", Moment),
    ("key tag", U16),
    ("signer", Name),
    ("signature", Base64),
];
const ASSOCIATION: &[(&str, Field)] = &[
    ("usage", U8),
    ("selector", U8),
    ("matching type", U8),
    ("association data", Hex),
];
const BINDING: &[(&str, Field)] = &[("priority", U16), ("target", Name), ("parameters", SvcParams)];
const TARGET: &[(&str, Field)] = &[("target", Name)];
const TEXTS: &[(&str, Field)] = &[("text", Texts)];
const MAILBOX: &[(&str, Field)] = &[("mailbox", Name)];
const KEY_OF_DRIP: &[(&str, Field)] = &[("data", Base64)];

/// All types, in the order of their names.
#[rustfmt::skip]
pub(super) static KINDS: &[Kind] = &[
    kind("A", 1, &[("address", Ipv4)]),
    opaque("A6", 38),
    kind("AAAA", 28, &[("address", Ipv6)]), // RFC 3596
    kind("AFSDB", 18, &[("subtype", U16), ("host", Name)]), // RFC 1183
    kind("AMTRELAY", 260, &[("relay", Relay)]), // RFC 8777
    kind("APL", 42, &[("prefixes", Prefixes)]), // RFC 3123
    opaque("ATMA", 34),
    kind("AVC", 258, TEXTS),
    kind("BRID", 68, KEY_OF_DRIP), // RFC 9886
    kind("CAA", 257, &[("flags", U8), ("tag", Tag), ("value", Rest)]), // RFC 8659
    kind("CDNSKEY", 60, KEY), // RFC 7344
    kind("CDS", 59, DIGEST), // RFC 7344
    kind("CERT", 37, &[("type", CertificateType), ("key tag", U16), ("algorithm", Algorithm), ("certificate", Base64)]), // RFC 4398
    kind("CLA", 263, TEXTS),
    kind("CNAME", 5, TARGET),
    kind("CSYNC", 62, &[("serial", U32), ("flags", U16), ("types", Bitmap)]), // RFC 7477
    kind("DHCID", 49, &[("identifier", Base64)]), // RFC 4701
    kind("DLV", 32769, DIGEST), // RFC 4431
    kind("DNAME", 39, TARGET), // RFC 6672
    kind("DNSKEY", 48, KEY), // RFC 4034
    kind("DOA", 259, &[("enterprise", U32), ("type", U32), ("location", U8), ("media type", Text), ("data", Base64OrNone)]),
    kind("DS", 43, DIGEST), // RFC 4034
    kind("DSYNC", 66, &[("type", RecordType), ("scheme", Scheme), ("port", U16), ("target", Name)]), // RFC 9859
    kind("EID", 31, &[("identifier", Hex)]),
    kind("EUI48", 108, &[("address", Eui(6))]), // RFC 7043
    kind("EUI64", 109, &[("address", Eui(8))]), // RFC 7043
    opaque("GID", 102),
    kind("GPOS", 27, &[("longitude", Text), ("latitude", Text), ("altitude", Text)]), // RFC 1712
    kind("HHIT", 67, KEY_OF_DRIP), // RFC 9886
    kind("HINFO", 13, &[("CPU", Text), ("operating system", Text)]),
    kind("HIP", 55, &[("identity", HostIdentity)]), // RFC 8005
    kind("HTTPS", 65, BINDING), // RFC 9460
    kind("IPN", 264, &[("number", U64)]),
    kind("IPSECKEY", 45, &[("key", IpsecKey)]), // RFC 4025
    kind("ISDN", 20, &[("address", Text), ("subaddress", OptionalText)]), // RFC 1183
    kind("KEY", 25, KEY), // RFC 2535
    kind("KX", 36, &[("preference", U16), ("exchanger", Name)]), // RFC 2230
    kind("L32", 105, &[("preference", U16), ("locator", Ipv4)]), // RFC 6742
    kind("L64", 106, &[("preference", U16), ("locator", Locator)]), // RFC 6742
    kind("LOC", 29, &[("location", Location)]), // RFC 1876
    kind("LP", 107, &[("preference", U16), ("name", Name)]), // RFC 6742
    kind("MB", 7, MAILBOX),
    kind("MD", 3, MAILBOX),
    kind("MF", 4, MAILBOX),
    kind("MG", 8, MAILBOX),
    kind("MINFO", 14, &[("mailbox", Name), ("mailbox for errors", Name)]),
    kind("MR", 9, MAILBOX),
    kind("MX", 15, &[("preference", U16), ("exchange", Name)]),
    kind("NAPTR", 35, &[("order", U16), ("preference", U16), ("flags", Text), ("services", Text), ("expression", Text), ("replacement", Name)]), // RFC 3403
    kind("NID", 104, &[("preference", U16), ("node", Locator)]), // RFC 6742
    kind("NIMLOC", 32, &[("locator", Hex)]),
    kind("NINFO", 56, TEXTS),
    kind("NS", 2, &[("server", Name)]),
    kind("NSAP", 22, &[("address", Nsap)]), // RFC 1706
    kind("NSAP-PTR", 23, TARGET), // RFC 1706
    kind("NSEC", 47, &[("next name", Name), ("types", Bitmap)]), // RFC 4034
    kind("NSEC3", 50, &[("hash algorithm", U8), ("flags", U8), ("iterations", U16), ("salt", Salt), ("next hash", Hashed), ("types", Bitmap)]), // RFC 5155
    kind("NSEC3PARAM", 51, &[("hash algorithm", U8), ("flags", U8), ("iterations", U16), ("salt", Salt)]), // RFC 5155
    opaque("NULL", 10),
    opaque("NXT", 30),
    kind("OPENPGPKEY", 61, &[("key", Base64)]), // RFC 7929
    kind("PTR", 12, TARGET),
    kind("PX", 26, &[("preference", U16), ("RFC 822 name", Name), ("X.400 name", Name)]), // RFC 2163
    kind("RESINFO", 261, TEXTS), // RFC 9606
    kind("RKEY", 57, KEY),
    kind("RP", 17, &[("mailbox", Name), ("text name", Name)]), // RFC 1183
    kind("RRSIG", 46, SIGNATURE), // RFC 4034
    kind("RT", 21, &[("preference", U16), ("host", Name)]), // RFC 1183
    kind("SIG", 24, SIGNATURE), // RFC 2535
    kind("SINK", 40, &[("coding", U8), ("subcoding", U8), ("data", Base64OrNone)]),
    kind("SMIMEA", 53, ASSOCIATION), // RFC 8162
    kind("SOA", 6, &[("name of the primary", Name), ("mailbox", Name), ("serial", U32), ("refresh", Seconds), ("retry", Seconds), ("expire", Seconds), ("minimum", Seconds)]),
    kind("SPF", 99, TEXTS), // RFC 7208
    kind("SRV", 33, &[("priority", U16), ("weight", U16), ("port", U16), ("target", Name)]), // RFC 2782
    kind("SSHFP", 44, &[("algorithm", U8), ("type", U8), ("fingerprint", Hex)]), // RFC 4255
    kind("SVCB", 64, BINDING), // RFC 9460
    kind("TA", 32768, DIGEST),
    kind("TALINK", 58, &[("previous name", Name), ("next name", Name)]),
    kind("TLSA", 52, ASSOCIATION), // RFC 6698
    kind("TXT", 16, TEXTS),
    opaque("UID", 101),
    opaque("UINFO", 100),
    opaque("UNSPEC", 103),
    kind("URI", 256, &[("priority", U16), ("weight", U16), ("target", NonEmptyRest)]), // RFC 7553
    kind("WALLET", 262, TEXTS),
    opaque("WKS", 11),
    kind("X25", 19, &[("address", Text)]), // RFC 1183
    kind("ZONEMD", 63, &[("serial", U32), ("scheme", U8), ("hash algorithm", U8), ("digest", Hex)]), // RFC 8976
];

/// Numbers that are questions, or parts of messages, and never a record of a zone (RFC 6895 §3.1).
pub(super) fn is_meta(number: u16) -> bool {
    matches!(number, 0 | 41 | 128..=255)
}

/// Names of such numbers, so that a message can tell them from what nobody knows.
const META: &[(&str, u16)] = &[
    ("ANY", 255),
    ("AXFR", 252),
    ("IXFR", 251),
    ("MAILA", 254),
    ("MAILB", 253),
    ("NXNAME", 128),
    ("OPT", 41),
    ("TKEY", 249),
    ("TSIG", 250),
];

/// The number of a type that is written by its name or as `TYPE123` (RFC 3597 §5).
pub(super) fn number(text: &[u8]) -> Option<u16> {
    if let Some(kind) = named(text) {
        return Some(kind.number);
    }
    if let Some((_, number)) = META
        .iter()
        .find(|(name, _)| text.eq_ignore_ascii_case(name.as_bytes()))
    {
        return Some(*number);
    }
    suffixed(text, "TYPE")
}

/// The number behind a prefix, as in `TYPE123` and `CLASS1`.
pub(super) fn suffixed(text: &[u8], prefix: &str) -> Option<u16> {
    let (head, digits) = text.split_at_checked(prefix.len())?;
    if !head.eq_ignore_ascii_case(prefix.as_bytes())
        || digits.is_empty()
        || !digits.iter().all(u8::is_ascii_digit)
    {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// The type of that name, in any case.
fn named(text: &[u8]) -> Option<&'static Kind> {
    const NAME_OCTETS_MAX: usize = 10;
    if text.len() > NAME_OCTETS_MAX {
        return None;
    }
    let upper = |octet: &u8| octet.to_ascii_uppercase();
    KINDS
        .binary_search_by(|kind| kind.name.bytes().cmp(text.iter().map(upper)))
        .ok()
        .map(|at| &KINDS[at])
}

/// What is known of that number.
pub(super) fn numbered(number: u16) -> Option<&'static Kind> {
    // The table has the order of names; numbers are few enough for a second, made when first asked for.
    static BY_NUMBER: std::sync::LazyLock<Vec<(u16, &'static Kind)>> = std::sync::LazyLock::new(|| {
        let mut kinds: Vec<_> = KINDS.iter().map(|kind| (kind.number, kind)).collect();
        kinds.sort_unstable_by_key(|(number, _)| *number);
        kinds
    });
    let at = BY_NUMBER
        .binary_search_by_key(&number, |(number, _)| *number)
        .ok()?;
    Some(BY_NUMBER[at].1)
}

/// A type's name, or `TYPE123`.
pub(super) fn name(number: u16) -> String {
    numbered(number)
        .map(|kind| kind.name.to_string())
        .or_else(|| {
            let meta = META.iter().find(|(_, meta)| *meta == number);
            meta.map(|(name, _)| (*name).to_string())
        })
        .unwrap_or_else(|| format!("TYPE{number}"))
}
