//! Zone files: master files as RFC 1035 §5 has them, to [`Contents`].
//!
//! A file is read piece by piece, entry by entry, straight into the [`Builder`]: neither the file nor a record is held
//! as a whole. Everything that is wrong is told, with its line and what to do about it, and nothing is read from
//! another file. [`read`] reads one file, [`read_dir`] the zone files of a folder.
//!
//! The parser is our own. NLnet Labs' `domain` 0.12 has one of good repute (`zonefile::inplace`), but after an error it
//! cannot go on (so that one error would be told where ten are), it gives no line for a record, takes TTLs without
//! units only, and knows a third of the types as text (not LOC, URI, SMIMEA, CERT, APL, EUI48, …); its scanner cannot
//! be used for types of others.

mod binary;
mod bitmap;
mod field;
mod findings;
mod folder;
mod gateway;
mod limits;
mod lint;
mod location;
mod name;
mod number;
mod parse;
mod prefixes;
mod source;
mod svcb;
mod tokens;
mod types;
mod wrong;

use std::io::{self, Read};

use crate::catalog::ZoneName;
use crate::catalog::contents::{Builder, Contents, Finding};

pub use folder::{ReadError, ZoneFile, line, origin_of, paths, read, read_dir};
pub use limits::{ENTRY_OCTETS_MAX, FILE_OCTETS_MAX, FILES_MAX, FOLDER_ENTRIES_MAX};

use findings::Findings;
use lint::Targets;

/// What a text comes to: the contents with warnings, or all findings if errors are among them.
pub type Outcome = Result<(Contents, Vec<Finding>), Vec<Finding>>;

/// Reads the text of a zone file. Findings are in order of line; what is about the whole file comes last.
///
/// # Errors
/// What reading from `from` failed with.
pub fn read_text(from: impl Read, origin: &ZoneName) -> io::Result<Outcome> {
    let mut findings = Findings::default();
    let mut builder = Builder::new(origin);
    let mut targets = Targets::new(origin);
    parse::read(from, origin, &mut findings, |record| {
        targets.add(record);
        builder.push(record.owner, record.rtype, record.ttl, record.data, record.line);
    })?;
    Ok(match builder.finish() {
        Ok((contents, others)) if !findings.has_errors() => {
            targets.judge(&contents, &mut findings);
            Ok((contents, findings.with(others)))
        }
        Ok((_, others)) | Err(others) => Err(findings.with(others)),
    })
}

#[cfg(test)]
mod tests;
