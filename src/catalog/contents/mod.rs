//! The static records of one zone, as its zone file gives them: immutable, and laid out so that an answer copies them.
//!
//! Names are found in a hash table by their part below the apex, in lower case and wire form; a name that exists only
//! because one below it does is there too (RFC 4592 §2.2.2). All names, RRsets and data lie in four flat blocks: a
//! million records are a dozen allocations, and a reader follows offsets. `build.rs` judges what a zone may hold;
//! what it leaves out or refuses is never seen here.

mod build;
mod data;
mod finding;
mod key;
mod layout;
mod rules;

use std::fmt;

use hashbrown::HashTable;
use xxhash_rust::xxh3::{Xxh3Default, xxh3_64};

pub use build::Builder;
pub use data::{name_at, name_end, types};
pub use finding::{FINDINGS_MAX, Finding, Severity};
pub use key::text;

/// The records of a zone file.
pub struct Contents {
    /// Numbers of nodes, by the hash of their names.
    table: HashTable<u32>,
    nodes: Box<[NodeEntry]>,
    names: Box<[u8]>,
    rrsets: Box<[RRsetEntry]>,
    data: Box<[u8]>,
    records: usize,
    soa: Option<Soa>,
    digest: u128,
}

/// What the SOA of a zone file says (RFC 1035 §3.3.13).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Soa {
    /// MNAME, the primary server, in wire form.
    pub mname: Box<[u8]>,
    /// RNAME, the mailbox, in wire form.
    pub rname: Box<[u8]>,
    /// SERIAL.
    pub serial: u32,
    /// REFRESH, RETRY and EXPIRE in seconds.
    pub timers: [u32; 3],
    /// MINIMUM in seconds: the TTL of negative answers (RFC 2308 §4).
    pub minimum: u32,
    /// The TTL of the record itself.
    pub ttl: u32,
}

#[derive(Clone, Copy, Debug)]
struct NodeEntry {
    name: u32,
    rrsets: u32,
    rrset_count: u16,
    name_octets: u8,
    marks: u8,
}

#[derive(Clone, Copy, Debug)]
struct RRsetEntry {
    data: u32,
    count: u32,
    ttl: u32,
    rtype: u16,
}

/// What a node is, beside its records.
mod mark {
    /// It has NS and is not the apex: what is below is another's.
    pub(super) const CUT: u8 = 1;
    /// It has DNAME.
    pub(super) const DNAME: u8 = 2;
    /// It has CNAME.
    pub(super) const CNAME: u8 = 4;
    /// The name `*` directly below it exists.
    pub(super) const WILDCARD_BELOW: u8 = 8;
    /// It is below a cut: its addresses are glue.
    pub(super) const GLUE: u8 = 16;
}

/// A name of a zone file, and what is there.
#[derive(Clone, Copy)]
pub struct Node<'c> {
    contents: &'c Contents,
    entry: NodeEntry,
}

/// Records of one owner and type (RFC 2181 §5).
#[derive(Clone, Copy)]
pub struct RRset<'c> {
    /// The type.
    pub rtype: u16,
    /// The TTL of all of them in seconds (RFC 2181 §5.2).
    pub ttl: u32,
    count: u32,
    data: &'c [u8],
}

impl Contents {
    /// The node of a name, given below the apex in wire form and lower case, without the root's octet; the apex is
    /// empty.
    #[inline]
    pub fn node(&self, name: &[u8]) -> Option<Node<'_>> {
        let number = self.table.find(xxh3_64(name), |number| {
            self.name(self.nodes[*number as usize]) == name
        })?;
        Some(self.node_at(*number as usize))
    }

    /// The apex, which is always there.
    pub fn apex(&self) -> Node<'_> {
        self.node_at(0)
    }

    /// Every node, each after those above it.
    pub fn nodes(&self) -> impl Iterator<Item = Node<'_>> {
        (0..self.nodes.len()).map(|number| self.node_at(number))
    }

    /// What the SOA says, if the file has one.
    pub fn soa(&self) -> Option<&Soa> {
        self.soa.as_ref()
    }

    /// How many records there are.
    pub fn records(&self) -> usize {
        self.records
    }

    /// How many names there are, those without records among them.
    pub fn names(&self) -> usize {
        self.nodes.len()
    }

    /// A digest of all records in canonical form and order, the SOA's serial left out: two files of one digest say the
    /// same.
    pub fn digest(&self) -> u128 {
        self.digest
    }

    /// The digest of a file without records.
    pub fn digest_of_nothing() -> u128 {
        Xxh3Default::new().digest128()
    }

    fn node_at(&self, number: usize) -> Node<'_> {
        Node {
            contents: self,
            entry: self.nodes[number],
        }
    }

    fn name(&self, entry: NodeEntry) -> &[u8] {
        let start = entry.name as usize;
        &self.names[start..start + usize::from(entry.name_octets)]
    }
}

impl PartialEq for Contents {
    /// Whether both say the same.
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest && self.soa == other.soa
    }
}

impl fmt::Debug for Contents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Contents")
            .field("names", &self.names())
            .field("records", &self.records)
            .field("soa", &self.soa)
            .finish_non_exhaustive()
    }
}

impl<'c> Node<'c> {
    /// Its name below the apex, in wire form and lower case, without the root's octet.
    pub fn name(&self) -> &'c [u8] {
        self.contents.name(self.entry)
    }

    /// Its RRsets, in order of type.
    #[inline]
    pub fn rrsets(&self) -> impl Iterator<Item = RRset<'c>> + use<'c> {
        let contents = self.contents;
        let start = self.entry.rrsets as usize;
        let entries = &contents.rrsets[start..start + usize::from(self.entry.rrset_count)];
        entries.iter().map(|entry| RRset {
            rtype: entry.rtype,
            ttl: entry.ttl,
            count: entry.count,
            data: &contents.data[entry.data as usize..],
        })
    }

    /// The RRset of that type.
    #[inline]
    pub fn rrset(&self, rtype: u16) -> Option<RRset<'c>> {
        self.rrsets().find(|rrset| rrset.rtype == rtype)
    }

    /// Whether it has records of its own.
    pub fn has_records(&self) -> bool {
        self.entry.rrset_count > 0
    }

    /// Whether a delegation stands here: NS below the apex.
    pub fn is_cut(&self) -> bool {
        self.entry.marks & mark::CUT != 0
    }

    /// Whether it has DNAME.
    pub fn has_dname(&self) -> bool {
        self.entry.marks & mark::DNAME != 0
    }

    /// Whether it has CNAME.
    pub fn has_cname(&self) -> bool {
        self.entry.marks & mark::CNAME != 0
    }

    /// Whether the wildcard directly below it exists.
    pub fn has_wildcard_below(&self) -> bool {
        self.entry.marks & mark::WILDCARD_BELOW != 0
    }

    /// Whether it is below a delegation, so that its addresses are glue.
    pub fn is_glue(&self) -> bool {
        self.entry.marks & mark::GLUE != 0
    }
}

impl<'c> RRset<'c> {
    /// How many records.
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// Whether there are none, which is never so.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The data of each record in wire form, names not compressed, in canonical order.
    #[inline]
    pub fn data(&self) -> impl Iterator<Item = &'c [u8]> + use<'c> {
        let mut rest = self.data;
        (0..self.count).map_while(move |_| {
            let (octets, after) = rest.split_first_chunk::<2>()?;
            let (data, after) = after.split_at_checked(usize::from(u16::from_be_bytes(*octets)))?;
            rest = after;
            Some(data)
        })
    }
}

#[cfg(test)]
mod tests;
