//! From entries to records: directives, owners, TTLs, classes and types (RFC 1035 §5.1, RFC 2308 §4).
//!
//! After an entry that is wrong the next one is read. What a wrong entry takes from those after it is not told again:
//! where an owner cannot be read, records without an owner of their own are read and left out.

use std::io::{self, Read};

use crate::catalog::ZoneName;
use crate::catalog::contents::types::{NSEC, NSEC3, NSEC3PARAM, RRSIG, SOA};
use crate::catalog::limits::TTL_MAX;

use super::field::{self, Scan};
use super::findings::Findings;
use super::source::{Next, Source};
use super::tokens::{Token, Tokens};
use super::types::{is_meta, name as type_name, number as type_number, numbered, suffixed};
use super::wrong::Wrong;
use super::{binary, bitmap, name, number};

/// A record of a zone file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record<'a> {
    /// The owner on the wire, absolute, in the case of the file.
    pub(super) owner: &'a [u8],
    pub(super) rtype: u16,
    pub(super) ttl: u32,
    /// The data on the wire, without compression.
    pub(super) data: &'a [u8],
    /// The line on which the entry begins.
    pub(super) line: u32,
}

/// The owner that records without one have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    /// No record stands before.
    None,
    Known,
    /// That of the record before could not be read.
    Lost,
}

/// What stands from one entry to the next.
#[derive(Debug)]
struct Reader {
    /// On the wire.
    origin: Vec<u8>,
    owner: Vec<u8>,
    owner_is: Owner,
    /// `$TTL`, or what stands for it.
    default_ttl: Option<u32>,
    /// The last TTL that a record said.
    last_ttl: Option<u32>,
    data: Vec<u8>,
}

/// Reads a zone file, and gives each record to `sink`. What is wrong or odd goes to `findings`; when they are full, the
/// rest is not read.
///
/// # Errors
/// What reading from `from` failed with.
pub(super) fn read(
    from: impl Read,
    origin: &ZoneName,
    findings: &mut Findings,
    mut sink: impl FnMut(Record<'_>),
) -> io::Result<()> {
    let mut source = Source::new(from);
    let mut reader = Reader {
        origin: origin.to_wire(),
        owner: Vec::new(),
        owner_is: Owner::None,
        default_ttl: None,
        last_ttl: None,
        data: Vec::new(),
    };
    while !findings.are_full() {
        match source.next()? {
            Next::End => break,
            Next::Fatal { line, message } => {
                findings.error(line, message);
                break;
            }
            Next::Wrong { line, message } => {
                findings.error(line, message);
                // Its owner, if it had one, was not read.
                reader.owner_is = Owner::Lost;
            }
            Next::Entry { text, line } => match reader.entry(text, line, findings) {
                Ok(Some((rtype, ttl))) => sink(Record {
                    owner: &reader.owner,
                    rtype,
                    ttl,
                    data: &reader.data,
                    line,
                }),
                Ok(None) => {}
                Err(Wrong { line, message }) => findings.error(line, message),
            },
        }
    }
    Ok(())
}

impl Reader {
    /// Reads an entry. A record's owner and data are then in `self`; its type and TTL are given.
    fn entry(
        &mut self,
        text: &[u8],
        line: u32,
        findings: &mut Findings,
    ) -> Result<Option<(u16, u32)>, Wrong> {
        let mut tokens = Tokens::new(text, line);
        if tokens.indented() {
            if tokens.peek().is_none() {
                return Ok(None);
            }
            if self.owner_is == Owner::None {
                return Err(Wrong::new(
                    line,
                    "the line begins with white space, which stands for the name of the record before, but there is none; begin it with a name, or with @ for the zone",
                ));
            }
        } else {
            let Some(first) = tokens.next() else {
                return Ok(None);
            };
            if first.text.starts_with(b"$") && !first.quoted {
                self.directive(first, &mut tokens)?;
                return Ok(None);
            }
            self.owner.clear();
            self.owner_is = Owner::Lost;
            name::scan(first, &self.origin, &mut self.owner)?;
            self.owner_is = Owner::Known;
        }
        let (ttl, rtype, type_line) = self.head(&mut tokens)?;
        self.rdata(&mut tokens, rtype, type_line)?;
        let ttl = self.ttl(ttl, rtype, line)?;
        if matches!(rtype, RRSIG | NSEC | NSEC3 | NSEC3PARAM) {
            findings.warning_once(
                line,
                "signed",
                format!(
                    "{} is served as plain data and signs nothing: this server does not serve signed zones (only the first such record is named)",
                    type_name(rtype)
                ),
            );
        }
        Ok((self.owner_is == Owner::Known).then_some((rtype, ttl)))
    }

    /// Reads TTL and class, in either order, and the type.
    fn head(&mut self, tokens: &mut Tokens<'_>) -> Result<(Option<u32>, u16, u32), Wrong> {
        let mut ttl = None;
        let mut has_class = false;
        loop {
            let Some(token) = tokens.next() else {
                return Err(Wrong::new(
                    tokens.line(),
                    "the record has no type; it must be <name> <TTL> IN <type> <data>, where TTL and IN may lack",
                ));
            };
            if token.quoted {
                return Err(token.wrong(format!(
                    "{} stands where the record's type must be",
                    token.shown()
                )));
            }
            if ttl.is_none() && token.text.first().is_some_and(u8::is_ascii_digit) {
                ttl = Some(time_to_live(token)?);
                // RFC 1035 §5.1: it stands for those that say none, even if this record turns out wrong.
                self.last_ttl = ttl;
                continue;
            }
            if !has_class && let Some(class) = class(token.text) {
                if class != Class::In {
                    return Err(token.wrong(format!(
                        "the class is {}; this server has zones of class IN only",
                        token.shown()
                    )));
                }
                has_class = true;
                continue;
            }
            let Some(rtype) = type_number(token.text) else {
                return Err(token.wrong(bitmap::unknown(token)));
            };
            if is_meta(rtype) {
                return Err(token.wrong(format!(
                    "{} is a type of questions or messages, not of records in a zone",
                    type_name(rtype)
                )));
            }
            return Ok((ttl, rtype, token.line));
        }
    }

    /// Reads the data into `self.data`.
    fn rdata(&mut self, tokens: &mut Tokens<'_>, rtype: u16, line: u32) -> Result<(), Wrong> {
        const DATA_OCTETS_MAX: usize = 65535;
        self.data.clear();
        let kind = numbered(rtype);
        let fields = kind.and_then(|kind| kind.fields);
        let named = |wrong: Wrong| Wrong::new(wrong.line, format!("{}: {}", type_name(rtype), wrong.message));
        if tokens
            .peek()
            .is_some_and(|token| !token.quoted && token.text == b"\\#")
        {
            tokens.next();
            self.generic(tokens).map_err(named)?;
            if let Some(fields) = fields {
                field::check(fields, &self.data).map_err(|what| {
                    named(Wrong::new(
                        line,
                        format!("the data do not fit the type: the {what} is wrong"),
                    ))
                })?;
            }
        } else {
            let Some(fields) = fields else {
                return Err(Wrong::new(
                    line,
                    format!(
                        "{0} is known by number only; write its data as {0} \\# <octets> <hexadecimal>",
                        type_name(rtype)
                    ),
                ));
            };
            let mut scan = Scan {
                tokens,
                origin: &self.origin,
                out: &mut self.data,
            };
            field::scan(fields, &mut scan).map_err(named)?;
        }
        if let Some(more) = tokens.next() {
            return Err(named(
                more.wrong(format!("{} is too much; the data end before it", more.shown())),
            ));
        }
        if self.data.len() > DATA_OCTETS_MAX {
            return Err(named(Wrong::new(
                line,
                format!(
                    "the data have {} octets; a record may have {DATA_OCTETS_MAX}",
                    self.data.len()
                ),
            )));
        }
        field::verdict(rtype, &self.data).map_err(|message| named(Wrong::new(line, message)))
    }

    /// Reads `\# n hex` after its mark (RFC 3597 §5).
    fn generic(&mut self, tokens: &mut Tokens<'_>) -> Result<(), Wrong> {
        let mut scan = Scan {
            tokens,
            origin: &self.origin,
            out: &mut self.data,
        };
        let line = scan.tokens.line();
        let octets = scan.number("number of octets", 65535)? as usize;
        if scan.tokens.peek().is_some() {
            binary::hex(&mut scan, "data")?;
        }
        match self.data.len() {
            found if found == octets => Ok(()),
            found => Err(Wrong::new(
                line,
                format!("\\# says {octets} octets, but there are {found}"),
            )),
        }
    }

    /// The TTL of a record that says `said`: else `$TTL` (RFC 2308 §4), else the last that was said (RFC 1035 §5.1),
    /// else the MINIMUM of the SOA, as before RFC 2308.
    fn ttl(&mut self, said: Option<u32>, rtype: u16, line: u32) -> Result<u32, Wrong> {
        if let Some(ttl) = said.or(self.default_ttl).or(self.last_ttl) {
            return Ok(ttl);
        }
        if rtype == SOA
            && let Some(minimum) = self.data.last_chunk::<4>()
        {
            let minimum = u32::from_be_bytes(*minimum).min(TTL_MAX);
            self.default_ttl = Some(minimum);
            return Ok(minimum);
        }
        Err(Wrong::new(
            line,
            "the record has no TTL and none stands before it; write $TTL 1h at the head of the file, or a TTL before the type",
        ))
    }

    /// Reads a line that begins with `$`.
    fn directive(&mut self, first: Token<'_>, tokens: &mut Tokens<'_>) -> Result<(), Wrong> {
        let mut argument = || {
            let value = tokens.next();
            value.ok_or_else(|| first.wrong(format!("{} lacks its value", first.shown())))
        };
        if first.is("$ORIGIN") {
            let token = argument()?;
            let mut origin = Vec::new();
            name::scan(token, &self.origin, &mut origin)?;
            self.origin = origin;
        } else if first.is("$TTL") {
            self.default_ttl = Some(time_to_live(argument()?)?);
        } else if first.is("$INCLUDE") {
            return Err(first.wrong(
                "$INCLUDE is refused: it could read any file of the machine; put the records into this file, or into a zone of their own",
            ));
        } else if first.is("$GENERATE") {
            return Err(first.wrong("$GENERATE is not supported; write its records out"));
        } else {
            return Err(first.wrong(format!(
                "the directive {} is none; $ORIGIN and $TTL are known, and a name that begins with a dollar is written as \\$",
                first.shown()
            )));
        }
        match tokens.next() {
            None => Ok(()),
            Some(more) => Err(more.wrong(format!("{} is too much after {}", more.shown(), first.shown()))),
        }
    }
}

fn time_to_live(token: Token<'_>) -> Result<u32, Wrong> {
    let seconds = number::seconds(token, "TTL")?;
    match seconds {
        0..=TTL_MAX => Ok(seconds),
        _ => Err(token.wrong(format!(
            "the TTL is {seconds}; it may be at most {TTL_MAX} (RFC 2181 §8)"
        ))),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    In,
    Other,
}

/// The class that a word names, if it names one (RFC 1035 §3.2.4, RFC 3597 §5).
fn class(text: &[u8]) -> Option<Class> {
    const OTHERS: [&str; 5] = ["CH", "HS", "CS", "NONE", "CHAOS"];
    if text.eq_ignore_ascii_case(b"IN") {
        return Some(Class::In);
    }
    if OTHERS
        .iter()
        .any(|other| text.eq_ignore_ascii_case(other.as_bytes()))
    {
        return Some(Class::Other);
    }
    suffixed(text, "CLASS").map(|number| if number == 1 { Class::In } else { Class::Other })
}
