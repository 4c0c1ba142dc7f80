//! From sorted records to flat blocks, and the rules of what may stand at a name.

use hashbrown::HashTable;
use xxhash_rust::xxh3::{Xxh3Default, xxh3_64};

use super::data::{compare, name_end, types};
use super::finding::{Finding, Findings};
use super::key::{absolute, text, write_name};
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
    line: u32,
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

/// What stands above the name under way and hides what is below it.
#[derive(Clone, Debug)]
enum Hidden {
    /// A delegation: addresses are glue, everything else is another's.
    ByCut(Vec<u8>),
    /// A DNAME: nothing may be below (RFC 6672 §2.4).
    ByDname(Vec<u8>),
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
    pub(super) fn name<'r>(&mut self, key: &[u8], records: impl Iterator<Item = Record<'r>> + Clone) {
        let owner = || text(&absolute(key, self.apex));
        let is_wildcard = key.ends_with(b"*\0") && (key.len() == 2 || key[key.len() - 3] == 0);
        let has = |rtype: u16| records.clone().any(|record| record.rtype == rtype);
        let first = |rtype: u16| records.clone().find(|record| record.rtype == rtype);
        let is_apex = key.is_empty();

        if let Some(hidden) = &self.hidden {
            let above = match hidden {
                Hidden::ByCut(above) | Hidden::ByDname(above) => above,
            };
            if !key.starts_with(above) {
                self.hidden = None;
            }
        }
        let mut kept: Vec<Record<'r>> = records.clone().collect();
        if let Some(hidden) = self.hidden.clone() {
            let is_glue =
                |rtype| matches!(hidden, Hidden::ByCut(_)) && matches!(rtype, types::A | types::AAAA);
            for record in kept.iter().filter(|record| !is_glue(record.rtype)) {
                let (what, above) = match &hidden {
                    Hidden::ByCut(above) => ("delegation", above),
                    Hidden::ByDname(above) => ("DNAME", above),
                };
                let above = text(&absolute(above, self.apex));
                self.findings.warn(
                    record.line,
                    format!(
                        "{} is hidden by the {what} at {above}; the record is left out",
                        owner()
                    ),
                );
            }
            kept.retain(|record| is_glue(record.rtype));
            if !kept.is_empty() {
                self.lay_out(key, &kept, mark::GLUE);
            }
            return;
        }

        let mut marks = 0;
        if let Some(cname) = first(types::CNAME) {
            if is_apex {
                self.findings.error(
                    cname.line,
                    format!(
                        "{} is the apex and cannot be an alias: it has SOA and NS (RFC 1034 §3.6.2); give it \
                         addresses, or HTTPS in alias mode",
                        owner()
                    ),
                );
                return;
            }
            for record in kept.iter().filter(|record| !may_stand_beside_cname(record.rtype)) {
                self.findings.warn(
                    record.line,
                    format!(
                        "{} is an alias (CNAME in line {}), and no other data may stand beside it (RFC 1034 \
                         §3.6.2); the record is left out",
                        owner(),
                        cname.line
                    ),
                );
            }
            kept.retain(|record| may_stand_beside_cname(record.rtype));
            marks |= mark::CNAME;
        }
        for (rtype, name) in [
            (types::CNAME, "CNAME"),
            (types::DNAME, "DNAME"),
            (types::SOA, "SOA"),
        ] {
            let mut of_type = kept.iter().filter(|record| record.rtype == rtype);
            if let Some(one) = of_type.next() {
                for another in of_type.filter(|r| compare(rtype, r.data, one.data).is_ne()) {
                    let lines = (one.line.min(another.line), one.line.max(another.line));
                    self.findings.error(
                        lines.1,
                        format!("{} has a {name} in line {} already; remove one", owner(), lines.0),
                    );
                }
            }
        }
        if let Some(soa) = first(types::SOA).filter(|_| !is_apex) {
            self.findings.error(
                soa.line,
                format!(
                    "an SOA stands at {} and not at the apex {}; is the file named after another zone?",
                    owner(),
                    text(self.apex)
                ),
            );
        }
        let has_ns = has(types::NS) && marks & mark::CNAME == 0;
        let has_dname = has(types::DNAME) && marks & mark::CNAME == 0;
        if let Some(ds) = first(types::DS).filter(|_| is_apex || (!has_ns && marks & mark::CNAME == 0)) {
            let message = if is_apex {
                "DS belongs to the parent zone, at the delegation (RFC 4035 §2.4)".to_string()
            } else {
                format!(
                    "{} has DS but no NS; DS stands at a delegation (RFC 4035 §2.4)",
                    owner()
                )
            };
            if is_apex {
                self.findings.error(ds.line, message);
            } else {
                self.findings.warn(ds.line, message);
            }
        }
        if is_wildcard && (has_ns || has_dname) {
            let record = first(types::NS).or_else(|| first(types::DNAME));
            self.findings.error(
                record.map_or(0, |record| record.line),
                format!(
                    "{}: a wildcard cannot be a delegation or a DNAME (RFC 4592 §4.2, §4.4); write the names out",
                    owner()
                ),
            );
        }
        if !is_apex && has_ns && has_dname {
            self.findings.error(
                first(types::DNAME).map_or(0, |record| record.line),
                format!("{} has DNAME beside NS (RFC 6672 §2.4); remove one", owner()),
            );
        }
        if !is_apex && has_ns {
            marks |= mark::CUT;
            let may = |rtype| {
                matches!(
                    rtype,
                    types::NS | types::DS | types::A | types::AAAA | types::NSEC | types::RRSIG | types::SOA
                )
            };
            for record in kept.iter().filter(|record| !may(record.rtype)) {
                self.findings.warn(
                    record.line,
                    format!(
                        "{} is delegated by its NS, so other records there are the child zone's; the record is left \
                         out",
                        owner()
                    ),
                );
            }
            kept.retain(|record| may(record.rtype));
            self.hidden = Some(Hidden::ByCut(key.to_vec()));
        }
        if has_dname {
            marks |= mark::DNAME;
            self.hidden = Some(Hidden::ByDname(key.to_vec()));
        }
        self.lay_out(key, &kept, marks);
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
        for record in records {
            if last.is_some_and(|last| compare(rtype, last, record.data).is_eq()) {
                continue;
            }
            last = Some(record.data);
            let octets = (record.data.len() as u16).to_be_bytes();
            self.data.extend_from_slice(&octets);
            self.data.extend_from_slice(record.data);
            self.digest.update(&octets);
            if let (types::SOA, Some(at)) = (rtype, record.data.len().checked_sub(20)) {
                // Without the serial, which says nothing of what the zone holds.
                self.digest.update(&record.data[..at]);
                self.digest.update(&record.data[at + 4..]);
            } else {
                self.digest.update(record.data);
            }
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
        if self.findings.errors > 0 {
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

/// What RFC 4034 §3 and §4 allow beside an alias, and the alias itself.
fn may_stand_beside_cname(rtype: u16) -> bool {
    matches!(rtype, types::CNAME | types::RRSIG | types::NSEC)
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
