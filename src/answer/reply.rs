//! The reply under way: octets, counts, and how much room is left.

use crate::catalog::contents::name_at;

use super::gate::{HEADER_OCTETS, OPT_OCTETS, Question, write_opt};
use super::names::{self, Names};

pub(super) use crate::catalog::contents::types;

/// NXDOMAIN (RFC 1035 §4.1.1).
pub(super) const NXDOMAIN: u16 = 3;
/// A name that DNAME makes too long (RFC 6672 §2.2).
pub(super) const YXDOMAIN: u16 = 6;

/// A pointer can name the first 16,383 octets of a message (RFC 1035 §4.1.4).
const POINTER_MAX: usize = 0x3fff;

/// A section of the reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Section {
    Answer = 0,
    Authority = 1,
    Additional = 2,
}

/// A pointer to a name in the message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pointer(u16);

impl Pointer {
    /// To the question's name.
    pub(super) const QUESTION: Self = Self::at(HEADER_OCTETS);

    const fn at(offset: usize) -> Self {
        Self(0xc000 | offset as u16)
    }

    /// To `offset`, if a pointer can name it.
    pub(super) fn new(offset: usize) -> Option<Self> {
        (offset <= POINTER_MAX).then_some(Self::at(offset))
    }

    pub(super) fn octets(self) -> [u8; 2] {
        self.0.to_be_bytes()
    }
}

/// The owner of a static record.
#[derive(Clone, Copy, Debug)]
pub(super) enum Owner<'a> {
    /// It stands in the message.
    At(Pointer),
    /// In wire form; written with a pointer where one can be had.
    Name(&'a [u8]),
}

/// Octets of a record before its data, the owner being a pointer.
pub(super) const RECORD_HEAD_OCTETS: usize = 12;

/// What stands before a record's data.
#[inline]
fn head(owner: Pointer, rtype: u16, ttl: u32, data_octets: usize) -> [u8; RECORD_HEAD_OCTETS] {
    let [o0, o1] = owner.octets();
    let [t0, t1] = rtype.to_be_bytes();
    let [s0, s1, s2, s3] = ttl.to_be_bytes();
    let [d0, d1] = (data_octets as u16).to_be_bytes();
    // Of class IN.
    [o0, o1, t0, t1, 0, 1, s0, s1, s2, s3, d0, d1]
}

/// The reply under way. What it is given fits: callers ask [`Self::room`] first.
pub(super) struct Reply<'b> {
    out: &'b mut [u8],
    at: usize,
    /// Where the question ends.
    records_at: usize,
    limit: usize,
    counts: [u16; 3],
    rcode: u16,
    authoritative: bool,
    truncated: bool,
}

impl<'b> Reply<'b> {
    /// Begins a reply to `question` of at most `size` octets: header and question are copied as they came
    /// (RFC 4343 §3), and room is kept for OPT.
    pub(super) fn new(question: &Question<'_>, out: &'b mut [u8], size: usize) -> Option<Self> {
        let opt = if question.edns.is_some() { OPT_OCTETS } else { 0 };
        let limit = size.min(out.len()).checked_sub(opt)?;
        if question.end > limit {
            return None;
        }
        out.get_mut(..question.end)?
            .copy_from_slice(question.packet.get(..question.end)?);
        Some(Self {
            out,
            at: question.end,
            records_at: question.end,
            limit,
            counts: [0; 3],
            rcode: 0,
            authoritative: true,
            truncated: false,
        })
    }

    /// Octets left.
    pub(super) fn room(&self) -> usize {
        self.limit - self.at
    }

    pub(super) fn set_rcode(&mut self, rcode: u16) {
        self.rcode = rcode;
    }

    pub(super) fn rcode(&self) -> u16 {
        self.rcode
    }

    /// The answer is another's: a referral.
    pub(super) fn refer(&mut self) {
        self.authoritative = false;
    }

    pub(super) fn truncate(&mut self) {
        self.truncated = true;
    }

    pub(super) fn is_truncated(&self) -> bool {
        self.truncated
    }

    /// Where it stands, to come back to.
    pub(super) fn mark(&self) -> (usize, [u16; 3]) {
        (self.at, self.counts)
    }

    /// Takes back what was appended since `mark`.
    pub(super) fn back_to(&mut self, mark: (usize, [u16; 3])) {
        (self.at, self.counts) = mark;
    }

    /// How many records a section has.
    pub(super) fn count(&self, section: Section) -> u16 {
        self.counts[section as usize]
    }

    /// Appends a record whose data is the concatenation of `parts`, and returns where the data begins; nothing if
    /// it does not fit.
    #[inline]
    pub(super) fn record(
        &mut self,
        section: Section,
        owner: Pointer,
        rtype: u16,
        ttl: u32,
        parts: &[&[u8]],
    ) -> Option<usize> {
        let octets: usize = parts.iter().map(|part| part.len()).sum();
        if octets + RECORD_HEAD_OCTETS > self.room() {
            return None;
        }
        self.push(&head(owner, rtype, ttl, octets));
        let data = self.at;
        for part in parts {
            self.push(part);
        }
        self.counts[section as usize] += 1;
        Some(data)
    }

    /// Appends a record of so many octets, `OCTETS` with its head; whether it fit. Addresses are most of all records, and
    /// of a fixed size there is nothing to add up and one copy to make.
    #[inline]
    pub(super) fn fixed_record<const DATA: usize, const OCTETS: usize>(
        &mut self,
        section: Section,
        owner: Pointer,
        (rtype, ttl): (u16, u32),
        data: &[u8; DATA],
    ) -> bool {
        const { assert!(DATA + RECORD_HEAD_OCTETS == OCTETS) };
        let mut record = [0; OCTETS];
        record[..RECORD_HEAD_OCTETS].copy_from_slice(&head(owner, rtype, ttl, DATA));
        record[RECORD_HEAD_OCTETS..].copy_from_slice(data);
        let room = self.out.get_mut(self.at..self.limit);
        let Some((room, _)) = room.and_then(|room| room.split_first_chunk_mut::<OCTETS>()) else {
            return false;
        };
        *room = record;
        self.at += OCTETS;
        self.counts[section as usize] += 1;
        true
    }

    /// Appends a record whose data is that of `parts` and then what stands at `tail` in the message already, and returns
    /// where the data begins; nothing if it does not fit.
    #[inline]
    pub(super) fn record_with_tail(
        &mut self,
        section: Section,
        owner: Pointer,
        (rtype, ttl): (u16, u32),
        parts: &[&[u8]],
        tail: std::ops::Range<usize>,
    ) -> Option<usize> {
        let octets = parts.iter().map(|part| part.len()).sum::<usize>() + tail.len();
        if octets + RECORD_HEAD_OCTETS > self.room() {
            return None;
        }
        self.push(&head(owner, rtype, ttl, octets));
        let data = self.at;
        for part in parts {
            self.push(part);
        }
        let after = self.at + tail.len();
        self.out.copy_within(tail, self.at);
        self.at = after;
        self.counts[section as usize] += 1;
        Some(data)
    }

    /// Appends a TXT record of `key=value` strings, `octets` of data in all, which have room.
    pub(super) fn text<'t>(
        &mut self,
        section: Section,
        owner: Pointer,
        ttl: u32,
        octets: usize,
        strings: impl Iterator<Item = (&'t str, &'t str)>,
    ) {
        self.push(&head(owner, types::TXT, ttl, octets));
        for (key, value) in strings {
            self.push(&[(key.len() + 1 + value.len()) as u8]);
            self.push(key.as_bytes());
            self.push(b"=");
            self.push(value.as_bytes());
        }
        self.counts[section as usize] += 1;
    }

    #[inline]
    fn push(&mut self, octets: &[u8]) {
        self.out[self.at..self.at + octets.len()].copy_from_slice(octets);
        self.at += octets.len();
    }

    /// Appends a static record, whose `data` is in wire form with names written out, and returns where its data
    /// begins; nothing, and nothing is appended, if it does not fit. Names in data are compressed where every reader
    /// knows the type (RFC 3597 §4).
    pub(super) fn static_record(
        &mut self,
        names: &mut Names,
        section: Section,
        owner: Owner<'_>,
        (rtype, ttl): (u16, u32),
        data: &[u8],
    ) -> Option<usize> {
        names.note_question(self.out, HEADER_OCTETS);
        let (before, names_before) = (self.mark(), names.len());
        let written = self.write_static(names, owner, (rtype, ttl), data);
        if written.is_some() {
            self.counts[section as usize] += 1;
        } else {
            self.back_to(before);
            names.truncate(names_before);
        }
        written
    }

    fn write_static(
        &mut self,
        names: &mut Names,
        owner: Owner<'_>,
        (rtype, ttl): (u16, u32),
        data: &[u8],
    ) -> Option<usize> {
        match owner {
            Owner::At(pointer) => self.put(&pointer.octets())?,
            Owner::Name(name) => self.put_name(names, name)?,
        }
        let mut head = [0; 10];
        head[0..2].copy_from_slice(&rtype.to_be_bytes());
        head[2..4].copy_from_slice(&1u16.to_be_bytes());
        head[4..8].copy_from_slice(&ttl.to_be_bytes());
        self.put(&head)?;
        let start = self.at;
        match (name_at(rtype), compressed_names(rtype)) {
            (Some(at), 0) => {
                self.put(data)?;
                if let Some(name) = data.get(at..) {
                    names.note(name, start + at);
                }
            }
            (Some(at), count) => {
                let (fixed, mut rest) = data.split_at_checked(at)?;
                self.put(fixed)?;
                for _ in 0..count {
                    let end = crate::catalog::contents::name_end(rest, 0)?;
                    self.put_name(names, &rest[..end])?;
                    rest = &rest[end..];
                }
                self.put(rest)?;
            }
            (None, _) => self.put(data)?,
        }
        let octets = (self.at - start) as u16;
        self.out[start - 2..start].copy_from_slice(&octets.to_be_bytes());
        Some(start)
    }

    fn put_name(&mut self, names: &mut Names, name: &[u8]) -> Option<()> {
        let (octets, pointer) = names.split(name, &self.out[..self.at], self.at);
        self.put(name.get(..octets)?)?;
        match pointer {
            Some(target) => self.put(&(0xc000 | target).to_be_bytes()),
            None => Some(()),
        }
    }

    /// Appends octets if they fit.
    fn put(&mut self, octets: &[u8]) -> Option<()> {
        if octets.len() > self.room() {
            return None;
        }
        self.push(octets);
        Some(())
    }

    /// Whether the answer so far has a record of that owner, in wire form, and type.
    pub(super) fn has_answer(&self, owner: &[u8], rtype: u16) -> bool {
        let message = self.message();
        let mut at = self.records_at;
        for _ in 0..self.count(Section::Answer) {
            let is_owner = names::is_same(message, at, owner);
            let Some(head) = names::end(message, at)
                .and_then(|end| message.get(end..)?.first_chunk::<10>().map(|head| (end, head)))
            else {
                return false;
            };
            let (end, head) = head;
            if is_owner && u16::from_be_bytes([head[0], head[1]]) == rtype {
                return true;
            }
            at = end + head.len() + usize::from(u16::from_be_bytes([head[8], head[9]]));
        }
        false
    }

    /// A pointer to `name`, if it stands in the message.
    pub(super) fn pointer_to(&self, names: &Names, name: &[u8]) -> Option<Pointer> {
        names.find(name, self.message()).and_then(Pointer::new)
    }

    /// What is written so far.
    pub(super) fn message(&self) -> &[u8] {
        &self.out[..self.at]
    }

    /// Writes OPT and header, and returns the length. `payload` is the size that we offer.
    pub(super) fn finish(mut self, question: &Question<'_>, payload: u16) -> usize {
        if let Some(edns) = question.edns {
            let high = (self.rcode >> 4) as u8;
            self.at += write_opt(self.out, self.at, high, edns.dnssec_ok, payload, None);
            self.counts[Section::Additional as usize] += 1;
        }
        let asked = &question.packet[2..4];
        // QR set, the opcode is QUERY, RD and CD as asked, RA, Z and AD clear (RFC 1035 §4.1.1, RFC 4035 §3.1.6).
        let authoritative = u8::from(self.authoritative) << 2;
        self.out[2] = 0x80 | authoritative | (u8::from(self.truncated) << 1) | (asked[0] & 0x01);
        self.out[3] = (asked[1] & 0x10) | (self.rcode & 0x0f) as u8;
        self.out[4..6].copy_from_slice(&1u16.to_be_bytes());
        for (section, count) in self.counts.iter().enumerate() {
            self.out[6 + 2 * section..8 + 2 * section].copy_from_slice(&count.to_be_bytes());
        }
        self.at
    }
}

/// How many names at the begin of a type's data may be compressed: those of RFC 1035 alone (RFC 3597 §4).
fn compressed_names(rtype: u16) -> usize {
    match rtype {
        types::NS
        | types::CNAME
        | types::PTR
        | types::MX
        | types::MD
        | types::MF
        | types::MB
        | types::MG
        | types::MR => 1,
        types::SOA | types::MINFO => 2,
        _ => 0,
    }
}
