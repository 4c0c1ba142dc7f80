//! From sorted records to flat blocks, and the rules of what may stand at a name.

use hashbrown::HashTable;
use xxhash_rust::xxh3::{Xxh3Default, xxh3_64};

use super::data::{compare, name_end, types, write_canonical};
use super::finding::{Finding, Findings};
use super::key::{absolute, text, write_name};
use super::rules::{Hidden, Name};
use super::{Contents, NodeEntry, RRsetEntry, Soa, mark};

/// Octets of a record before its key and data: their lengths, type, TTL, line.
const HEAD_OCTETS: usize = 14;

/// A record in the arena.
#[derive(Clone, Copy)]
pub(super) struct Record<'a> {
    /// The labels below the apex from right to left, each ended by a zero and escaped so that octets compare as names
    /// do. What is below a name begins with its key.
    pub(super) key: &'a [u8],
    pub(super) rtype: u16,
    ttl: u32,
    pub(super) line: u32,
    pub(super) data: &'a [u8],
}

impl<'a> Record<'a> {
    pub(super) fn at(arena: &'a [u8], place: u32) -> Self {
        let octets = &arena[place as usize..];
        let u16_at = |at: usize| u16::from_be_bytes([octets[at], octets[at + 1]]);
        let u32_at = |at: usize| u32::from(u16_at(at)) << 16 | u32::from(u16_at(at + 2));
        let (key, data) = (usize::from(u16_at(0)), usize::from(u16_at(2)));
        Self {
            key: &octets[HEAD_OCTETS..HEAD_OCTETS + key],
            rtype: u16_at(4),
            ttl: u32_at(6),
            line: u32_at(10),
            data: &octets[HEAD_OCTETS + key..HEAD_OCTETS + key + data],
        }
    }
}

pub(super) struct Layout<'a> {
    apex: &'a [u8],
    findings: Findings,
    nodes: Vec<NodeEntry>,
    names: Vec<u8>,
    rrsets: Vec<RRsetEntry>,
    data: Vec<u8>,
    records: usize,
    soa: Option<Soa>,
    digest: Xxh3Default,
    /// The key of the node that was laid out last, and the numbers of the nodes on its path, the apex first.
    path_key: Vec<u8>,
    path: Vec<u32>,
    /// What stands above the name under way and hides what is below it.
    hidden: Option<Hidden>,
}

impl<'a> Layout<'a> {
    pub(super) fn new(apex: &'a [u8], findings: Findings, octets: usize) -> Self {
        Self {
            apex,
            findings,
            nodes: Vec::new(),
            names: Vec::with_capacity(octets / 4),
            rrsets: Vec::new(),
            data: Vec::with_capacity(octets / 4),
            records: 0,
            soa: None,
            digest: Xxh3Default::new(),
            path_key: Vec::new(),
            path: Vec::new(),
            hidden: None,
        }
    }

    /// The records of one name, which has at least one, in order of type and data.
    pub(super) fn name(&mut self, key: &[u8], mut records: Vec<Record<'_>>) {
        if self
            .hidden
            .as_ref()
            .is_some_and(|hidden| !key.starts_with(hidden.above()))
        {
            self.hidden = None;
        }
        let name = Name { key, apex: self.apex };
        if let Some(hidden) = &self.hidden {
            name.below(hidden, &mut records, &mut self.findings);
            if !records.is_empty() {
                self.lay_out(key, &records, mark::GLUE);
            }
            return;
        }
        let (marks, hidden) = name.judge(&mut records, &mut self.findings);
        self.hidden = hidden;
        self.lay_out(key, &records, marks);
    }

    /// Lays out a node with its RRsets.
    fn lay_out(&mut self, key: &[u8], records: &[Record<'_>], marks: u8) {
        let number = self.node(key);
        self.nodes[number].marks |= marks;
        self.nodes[number].rrsets = self.rrsets.len() as u32;
        for of_type in records.chunk_by(|one, next| one.rtype == next.rtype) {
            self.rrset(key, of_type);
            self.nodes[number].rrset_count += 1;
        }
    }

    fn rrset(&mut self, key: &[u8], records: &[Record<'_>]) {
        let rtype = records[0].rtype;
        let ttl = records.iter().map(|record| record.ttl).min().unwrap_or_default();
        if let Some(other) = records.iter().find(|record| record.ttl != ttl) {
            let owner = text(&absolute(key, self.apex));
            self.findings.warn(
                other.line,
                format!(
                    "{owner} has another record of this type with the TTL {ttl}; one RRset has one TTL (RFC 2181 \
                     §5.2), and the least is used"
                ),
            );
        }
        if rtype == types::SOA {
            self.soa = soa(&records[0]);
            if self.soa.is_none() {
                self.findings
                    .error(records[0].line, "the SOA's data is malformed");
            }
        }
        let data = self.data.len() as u32;
        let mut count = 0;
        self.digest.update(&[0xff]);
        self.digest.update(key);
        self.digest.update(&[0]);
        self.digest.update(&rtype.to_be_bytes());
        self.digest.update(&ttl.to_be_bytes());
        let mut last: Option<&[u8]> = None;
        // In canonical form: another spelling of a name is no other record.
        let mut canonical = Vec::new();
        for record in records {
            if last.is_some_and(|last| compare(rtype, last, record.data).is_eq()) {
                continue;
            }
            last = Some(record.data);
            let octets = (record.data.len() as u16).to_be_bytes();
            self.data.extend_from_slice(&octets);
            self.data.extend_from_slice(record.data);
            self.digest.update(&octets);
            canonical.clear();
            write_canonical(rtype, record.data, &mut canonical);
            if let (types::SOA, Some(at)) = (rtype, canonical.len().checked_sub(20)) {
                // Without the serial, which says nothing of what the zone holds.
                canonical.drain(at..at + 4);
            }
            self.digest.update(&canonical);
            count += 1;
        }
        self.records += count as usize;
        self.rrsets.push(RRsetEntry {
            data,
            count,
            ttl,
            rtype,
        });
    }

    /// Appends the node of `key` and those above it that are missing, and returns its number.
    pub(super) fn node(&mut self, key: &[u8]) -> usize {
        let depth = key.iter().filter(|octet| **octet == 0).count();
        // Back up to what this name shares with the last one.
        let mut shared = 0;
        let mut shared_octets = 0;
        for label in key.split_inclusive(|octet| *octet == 0) {
            if !self.path_key[shared_octets..].starts_with(label) {
                break;
            }
            shared += 1;
            shared_octets += label.len();
        }
        self.path.truncate(shared + 1);
        self.path_key.truncate(shared_octets);
        if self.path.is_empty() {
            self.append(&[]);
        }
        for label in key[shared_octets..].split_inclusive(|octet| *octet == 0) {
            if label == b"*\0" {
                let above = *self.path.last().expect("the apex is on every path") as usize;
                self.nodes[above].marks |= mark::WILDCARD_BELOW;
            }
            self.path_key.extend_from_slice(label);
            let key = std::mem::take(&mut self.path_key);
            self.append(&key);
            self.path_key = key;
        }
        debug_assert_eq!(self.path.len(), depth + 1);
        *self.path.last().expect("the apex is on every path") as usize
    }

    fn append(&mut self, key: &[u8]) {
        let name = self.names.len();
        write_name(key, &mut self.names);
        self.path.push(self.nodes.len() as u32);
        self.nodes.push(NodeEntry {
            name: name as u32,
            rrsets: self.rrsets.len() as u32,
            rrset_count: 0,
            name_octets: (self.names.len() - name) as u8,
            marks: 0,
        });
    }

    pub(super) fn finish(mut self) -> Result<(Contents, Vec<Finding>), Vec<Finding>> {
        let has_ns = {
            let apex = self.nodes[0];
            let start = apex.rrsets as usize;
            let rrsets = &self.rrsets[start..start + usize::from(apex.rrset_count)];
            rrsets.iter().any(|rrset| rrset.rtype == types::NS)
        };
        if !has_ns {
            let apex = text(self.apex);
            let server = if self.apex == [0] {
                "ns.".to_string()
            } else {
                format!("ns.{apex}")
            };
            self.findings
                .warn(0, format!("{apex} has no NS; {server} is answered"));
        }
        if self.findings.has_errors() {
            return Err(self.findings.in_order());
        }
        let names = self.names.into_boxed_slice();
        let nodes = self.nodes.into_boxed_slice();
        let hash = |number: &u32| {
            let entry = nodes[*number as usize];
            let start = entry.name as usize;
            xxh3_64(&names[start..start + usize::from(entry.name_octets)])
        };
        let mut table = HashTable::with_capacity(nodes.len());
        for number in 0..nodes.len() as u32 {
            table.insert_unique(hash(&number), number, hash);
        }
        let contents = Contents {
            table,
            nodes,
            names,
            rrsets: self.rrsets.into_boxed_slice(),
            data: self.data.into_boxed_slice(),
            records: self.records,
            soa: self.soa,
            digest: self.digest.digest128(),
        };
        Ok((contents, self.findings.in_order()))
    }
}

fn soa(record: &Record<'_>) -> Option<Soa> {
    let data = record.data;
    let mname = name_end(data, 0)?;
    let rname = name_end(data, mname)?;
    let numbers: &[u8; 20] = data.get(rname..)?.try_into().ok()?;
    let number = |at: usize| {
        let octets = [numbers[at], numbers[at + 1], numbers[at + 2], numbers[at + 3]];
        u32::from_be_bytes(octets)
    };
    Some(Soa {
        mname: data[..mname].into(),
        rname: data[mname..rname].into(),
        serial: number(0),
        timers: [number(4), number(8), number(12)],
        minimum: number(16),
        ttl: record.ttl,
    })
}
