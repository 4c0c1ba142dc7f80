//! From records in the order of a file to [`Contents`], and what a zone may not hold.
//!
//! Records are sorted into canonical order (RFC 4034 §6.1), where everything below a name follows it: names that
//! exist without records, what a delegation or a DNAME hides, and RRsets are then found in one pass.

use super::super::limits::TTL_MAX;
use super::super::name::ZoneName;
use super::Contents;
use super::data::compare;
use super::finding::{Finding, Findings};
use super::key::{below, text, write_key};
use super::layout::{Layout, Record};

/// Records on their way into [`Contents`].
#[derive(Debug)]
pub struct Builder {
    apex: Vec<u8>,
    /// Records one after the other.
    arena: Vec<u8>,
    /// Where each begins.
    places: Vec<u32>,
    findings: Findings,
    key: Vec<u8>,
}

impl Builder {
    /// For the zone of that apex.
    pub fn new(apex: &ZoneName) -> Self {
        Self {
            apex: apex.to_wire(),
            arena: Vec::new(),
            places: Vec::new(),
            findings: Findings::default(),
            key: Vec::new(),
        }
    }

    /// Adds a record of line `line`. `owner` is an absolute name in wire form, without pointers, in any case; `data`
    /// is in wire form too, its names not compressed. What cannot be used becomes a finding.
    pub fn push(&mut self, owner: &[u8], rtype: u16, ttl: u32, data: &[u8], line: u32) {
        let Some(below) = below(owner, &self.apex) else {
            self.findings.warn(
                line,
                format!(
                    "{} is outside the zone {}; the record is left out",
                    text(owner),
                    text(&self.apex)
                ),
            );
            return;
        };
        if ttl > TTL_MAX {
            self.findings.error(
                line,
                format!("the TTL {ttl} is above {TTL_MAX} (RFC 2181 §8); give a smaller one"),
            );
            return;
        }
        let Ok(octets) = u16::try_from(data.len()) else {
            self.findings
                .error(line, "the record's data is above 65,535 octets");
            return;
        };
        let Ok(place) = u32::try_from(self.arena.len()) else {
            self.findings
                .error(line, "the records of the file are above 4 GiB together");
            return;
        };
        write_key(below, &mut self.key);
        self.places.push(place);
        let key = self.key.len() as u16;
        for part in [
            &key.to_be_bytes()[..],
            &octets.to_be_bytes(),
            &rtype.to_be_bytes(),
            &ttl.to_be_bytes(),
            &line.to_be_bytes(),
            &self.key,
            data,
        ] {
            self.arena.extend_from_slice(part);
        }
    }

    /// Notes something that the reader of the file found.
    pub fn note(&mut self, finding: Finding) {
        self.findings.add(finding);
    }

    /// Whether an error was found already.
    pub fn has_errors(&self) -> bool {
        self.findings.has_errors()
    }

    /// The contents with what is odd about them, in order of line.
    ///
    /// # Errors
    /// All that is wrong and odd, in order of line, if anything is wrong.
    pub fn finish(self) -> Result<(Contents, Vec<Finding>), Vec<Finding>> {
        let Self {
            apex,
            arena,
            mut places,
            findings,
            ..
        } = self;
        places.sort_by(|one, other| {
            let (one, other) = (Record::at(&arena, *one), Record::at(&arena, *other));
            one.key
                .cmp(other.key)
                .then(one.rtype.cmp(&other.rtype))
                .then_with(|| compare(one.rtype, one.data, other.data))
        });
        let mut layout = Layout::new(&apex, findings, arena.len());
        let mut rest = &places[..];
        layout.node(&[]);
        while let Some(first) = rest.first() {
            let key = Record::at(&arena, *first).key;
            let count = rest
                .iter()
                .take_while(|place| Record::at(&arena, **place).key == key)
                .count();
            let (here, after) = rest.split_at(count);
            layout.name(key, here.iter().map(|place| Record::at(&arena, *place)).collect());
            rest = after;
        }
        drop((arena, places));
        layout.finish()
    }
}
