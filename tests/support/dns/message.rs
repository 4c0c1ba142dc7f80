//! A received message, taken only if every octet is in order.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::canonical::canonical_of;
use super::{Section, Type, name_text};

/// A message that was received.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) id: u16,
    /// The whole second word of the header.
    pub(crate) flags: u16,
    pub(crate) questions: Vec<Question>,
    /// The question section as it came.
    pub(crate) question_bytes: Vec<u8>,
    pub(crate) answers: Vec<Record>,
    pub(crate) authorities: Vec<Record>,
    /// Without the OPT record, which is [`Message::edns`].
    pub(crate) additionals: Vec<Record>,
    pub(crate) edns: Option<Edns>,
    /// The octets of the whole message.
    pub(crate) length: usize,
}

/// One question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Question {
    /// As text with the last dot, case as it came.
    pub(crate) name: String,
    pub(crate) name_wire: Vec<u8>,
    pub(crate) rtype: Type,
    pub(crate) class: u16,
}

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// As text with the last dot, case as it came.
    pub(crate) owner: String,
    /// Uncompressed.
    pub(crate) owner_wire: Vec<u8>,
    /// As it stood in the message: a pointer where there was one.
    pub(crate) owner_raw: Vec<u8>,
    pub(crate) rtype: Type,
    pub(crate) class: u16,
    pub(crate) ttl: u32,
    /// As it stood in the message.
    pub(crate) rdata: Vec<u8>,
    /// With its names in full and in lower case (RFC 4034, section 6.2): equal data have equal octets.
    pub(crate) canonical: Vec<u8>,
    pub(crate) data: Data,
}

/// RDATA that was understood. Names are text with the last dot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Data {
    A(Ipv4Addr),
    Aaaa(Ipv6Addr),
    /// NS, CNAME, PTR, DNAME, and the mailbox types MD, MF, MB, MG and MR.
    Name(String),
    Mx {
        preference: u16,
        exchange: String,
    },
    Soa {
        mname: String,
        rname: String,
        serial: u32,
        refresh: u32,
        retry: u32,
        expire: u32,
        minimum: u32,
    },
    Srv {
        priority: u16,
        weight: u16,
        port: u16,
        target: String,
    },
    Txt(Vec<Vec<u8>>),
    /// A type that is not decoded.
    Other(Vec<u8>),
}

/// The OPT record (RFC 6891).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Edns {
    pub(crate) payload: u16,
    pub(crate) rcode_high: u8,
    pub(crate) version: u8,
    /// All sixteen flags; DO is the highest.
    pub(crate) flags: u16,
    pub(crate) options: Vec<(u16, Vec<u8>)>,
}

impl Edns {
    pub(crate) fn dnssec_ok(&self) -> bool {
        self.flags & 0x8000 != 0
    }

    /// The data of the first option with this code.
    pub(crate) fn option(&self, code: u16) -> Option<&[u8]> {
        self.options
            .iter()
            .find(|(other, _)| *other == code)
            .map(|(_, data)| data.as_slice())
    }
}

impl Message {
    /// Takes a message, or says what is wrong with it and where.
    ///
    /// Strict: counts are exact and nothing follows; a compression pointer leads strictly backwards, past the header,
    /// and never through RDATA that may not be compressed (SRV); a TTL has its highest bit clear; an RRset has one
    /// TTL and no record twice (RFC 2181, section 5), transfers excepted; there is at most one OPT, in Additional,
    /// owned by the root; the reserved bit is clear.
    pub(crate) fn parse(octets: &[u8]) -> Result<Self, String> {
        let mut reader = Reader { octets, at: 0 };
        let id = reader.u16("id")?;
        let flags = reader.u16("flags")?;
        if flags & 0x0040 != 0 {
            return Err("the reserved bit Z is set".to_string());
        }
        let mut counts = [0; 4];
        for count in &mut counts {
            *count = reader.u16("a count")?;
        }

        let questions_from = reader.at;
        let mut questions = Vec::new();
        for _ in 0..counts[0] {
            questions.push(reader.question()?);
        }
        let question_bytes = octets[questions_from..reader.at].to_vec();

        let mut edns = None;
        let mut sections = [const { Vec::new() }; 3];
        for section in [Section::Answer, Section::Authority, Section::Additional] {
            for number in 0..counts[section as usize + 1] {
                let place = format!("{section:?} record {number} at octet {}", reader.at);
                let record = reader.record().map_err(|error| format!("{place}: {error}"))?;
                if record.rtype != Type::OPT {
                    sections[section as usize].push(record);
                    continue;
                }
                if section != Section::Additional {
                    return Err(format!("{place}: OPT outside Additional"));
                }
                let opt = opt_of(&record).map_err(|error| format!("{place}: {error}"))?;
                if edns.replace(opt).is_some() {
                    return Err(format!("{place}: a second OPT"));
                }
            }
        }
        if reader.at != octets.len() {
            return Err(format!(
                "{} octets after the end of the message",
                octets.len() - reader.at
            ));
        }

        let is_transfer = questions
            .iter()
            .any(|q: &Question| q.rtype == Type::AXFR || q.rtype == Type::IXFR);
        if !is_transfer {
            for section in &sections {
                rrsets_hold(section)?;
            }
        }
        let [answers, authorities, additionals] = sections;
        Ok(Self {
            id,
            flags,
            questions,
            question_bytes,
            answers,
            authorities,
            additionals,
            edns,
            length: octets.len(),
        })
    }

    /// QR: whether it is a response.
    pub(crate) fn is_response(&self) -> bool {
        self.flags & 0x8000 != 0
    }

    pub(crate) fn opcode(&self) -> u8 {
        (self.flags >> 11 & 0xf) as u8
    }

    pub(crate) fn aa(&self) -> bool {
        self.flags & 0x0400 != 0
    }

    pub(crate) fn tc(&self) -> bool {
        self.flags & 0x0200 != 0
    }

    pub(crate) fn rd(&self) -> bool {
        self.flags & 0x0100 != 0
    }

    pub(crate) fn ra(&self) -> bool {
        self.flags & 0x0080 != 0
    }

    pub(crate) fn ad(&self) -> bool {
        self.flags & 0x0020 != 0
    }

    pub(crate) fn cd(&self) -> bool {
        self.flags & 0x0010 != 0
    }

    /// All twelve bits, those of the OPT record included.
    pub(crate) fn rcode(&self) -> u16 {
        let high = self.edns.as_ref().map_or(0, |edns| edns.rcode_high);
        u16::from(high) << 4 | self.flags & 0xf
    }

    /// The Answer section, each record as [`Record::text`], sorted.
    pub(crate) fn answers_text(&self) -> Vec<String> {
        sorted_text(&self.answers)
    }

    /// The Authority section likewise.
    pub(crate) fn authorities_text(&self) -> Vec<String> {
        sorted_text(&self.authorities)
    }

    /// The Additional section likewise, without OPT.
    pub(crate) fn additionals_text(&self) -> Vec<String> {
        sorted_text(&self.additionals)
    }

    /// The IPv4 addresses answered, in their order.
    pub(crate) fn a_list(&self) -> Vec<Ipv4Addr> {
        let addresses = self.answers.iter().filter_map(|record| match record.data {
            Data::A(address) => Some(address),
            _ => None,
        });
        addresses.collect()
    }

    pub(crate) fn a_set(&self) -> BTreeSet<Ipv4Addr> {
        self.a_list().into_iter().collect()
    }

    /// The IPv6 addresses answered, in their order.
    pub(crate) fn aaaa_list(&self) -> Vec<Ipv6Addr> {
        let addresses = self.answers.iter().filter_map(|record| match record.data {
            Data::Aaaa(address) => Some(address),
            _ => None,
        });
        addresses.collect()
    }

    pub(crate) fn aaaa_set(&self) -> BTreeSet<Ipv6Addr> {
        self.aaaa_list().into_iter().collect()
    }

    /// Priority, weight, port and target of the SRV records answered, in their order.
    pub(crate) fn srv_list(&self) -> Vec<(u16, u16, u16, String)> {
        let services = self.answers.iter().filter_map(|record| match &record.data {
            Data::Srv {
                priority,
                weight,
                port,
                target,
            } => Some((*priority, *weight, *port, target.clone())),
            _ => None,
        });
        services.collect()
    }

    pub(crate) fn srv_set(&self) -> BTreeSet<(u16, u16, u16, String)> {
        self.srv_list().into_iter().collect()
    }

    /// The names that the answered NS, CNAME and PTR records point to.
    pub(crate) fn name_set(&self) -> BTreeSet<String> {
        let names = self.answers.iter().filter_map(|record| match &record.data {
            Data::Name(name) => Some(name.clone()),
            _ => None,
        });
        names.collect()
    }

    /// The serial of the first SOA in Answer or Authority.
    pub(crate) fn serial(&self) -> Option<u32> {
        self.answers
            .iter()
            .chain(&self.authorities)
            .find_map(|record| match record.data {
                Data::Soa { serial, .. } => Some(serial),
                _ => None,
            })
    }
}

fn sorted_text(records: &[Record]) -> Vec<String> {
    let mut lines: Vec<String> = records.iter().map(Record::text).collect();
    lines.sort();
    lines
}

impl Record {
    /// `owner ttl type data`, as `web.svc.internal. 5 SRV 0 1 8080 web-1.web.svc.internal.`
    pub(crate) fn text(&self) -> String {
        format!(
            "{} {} {} {}",
            self.owner,
            self.ttl,
            self.rtype.text(),
            self.data.text()
        )
    }
}

impl Data {
    fn text(&self) -> String {
        match self {
            Self::A(address) => address.to_string(),
            Self::Aaaa(address) => address.to_string(),
            Self::Name(name) => name.clone(),
            Self::Mx { preference, exchange } => format!("{preference} {exchange}"),
            Self::Soa {
                mname,
                rname,
                serial,
                refresh,
                retry,
                expire,
                minimum,
            } => {
                format!("{mname} {rname} {serial} {refresh} {retry} {expire} {minimum}")
            }
            Self::Srv {
                priority,
                weight,
                port,
                target,
            } => format!("{priority} {weight} {port} {target}"),
            Self::Txt(strings) => {
                let quoted = strings
                    .iter()
                    .map(|string| format!("\"{}\"", string.escape_ascii()));
                quoted.collect::<Vec<_>>().join(" ")
            }
            Self::Other(octets) => {
                let hex: String = octets.iter().map(|octet| format!("{octet:02x}")).collect();
                format!("\\# {} {hex}", octets.len())
            }
        }
    }
}

/// RFC 2181, section 5: an RRset is a set, with one TTL.
fn rrsets_hold(records: &[Record]) -> Result<(), String> {
    for (number, record) in records.iter().enumerate() {
        for earlier in &records[..number] {
            let same_set = earlier.owner_wire.eq_ignore_ascii_case(&record.owner_wire)
                && (earlier.rtype, earlier.class) == (record.rtype, record.class);
            // Not the octets as they came: one of two equal names may be compressed.
            if same_set && earlier.canonical == record.canonical {
                return Err(format!("twice the same record: {}", record.text()));
            }
            if same_set && earlier.ttl != record.ttl {
                return Err(format!(
                    "one RRset, two TTLs: {} and {}",
                    earlier.text(),
                    record.text()
                ));
            }
        }
    }
    Ok(())
}

fn opt_of(record: &Record) -> Result<Edns, String> {
    if record.owner_wire != [0] || record.owner_raw != [0] {
        return Err(format!("OPT is owned by {}, not by the root", record.owner));
    }
    let mut reader = Reader {
        octets: &record.rdata,
        at: 0,
    };
    let mut options = Vec::new();
    while reader.at < record.rdata.len() {
        let code = reader.u16("an option's code")?;
        let length = reader.u16("an option's length")?;
        options.push((code, reader.take(usize::from(length), "an option")?.to_vec()));
    }
    let [rcode_high, version, flags_high, flags_low] = record.ttl.to_be_bytes();
    let flags = u16::from_be_bytes([flags_high, flags_low]);
    Ok(Edns {
        payload: record.class,
        rcode_high,
        version,
        flags,
        options,
    })
}

/// Whether a name may stand compressed where it is read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Pointers {
    Allowed,
    Forbidden,
}

pub(super) struct Reader<'a> {
    pub(super) octets: &'a [u8],
    pub(super) at: usize,
}

impl<'a> Reader<'a> {
    const HEADER: usize = 12;

    pub(super) fn take(&mut self, count: usize, what: &str) -> Result<&'a [u8], String> {
        let octets = self.octets.get(self.at..self.at + count);
        let octets = octets.ok_or_else(|| format!("the message ends within {what}, at octet {}", self.at))?;
        self.at += count;
        Ok(octets)
    }

    fn u16(&mut self, what: &str) -> Result<u16, String> {
        self.take(2, what)
            .map(|octets| u16::from_be_bytes([octets[0], octets[1]]))
    }

    fn u32(&mut self, what: &str) -> Result<u32, String> {
        self.take(4, what)
            .map(|o| u32::from_be_bytes([o[0], o[1], o[2], o[3]]))
    }

    /// A name in full; the reader then stands after it where it began, whatever it pointed to.
    pub(super) fn name(&mut self, pointers: Pointers) -> Result<Vec<u8>, String> {
        let mut wire = Vec::new();
        // Every further piece must begin before the one that points to it: so it ends, and so RFC 1035, section
        // 4.1.4, wants it ("a prior occurrence").
        let mut piece_from = self.at;
        let mut after = None;
        loop {
            let length_at = self.at;
            let length = self.take(1, "a name")?[0];
            match length >> 6 {
                0b00 => {
                    wire.push(length);
                    wire.extend_from_slice(self.take(usize::from(length), "a label")?);
                    if wire.len() > 255 {
                        return Err(format!("a name of more than 255 octets at octet {piece_from}"));
                    }
                    if length == 0 {
                        break;
                    }
                }
                0b11 => {
                    let low = self.take(1, "a compression pointer")?[0];
                    let target = usize::from(length & 0x3f) << 8 | usize::from(low);
                    if pointers == Pointers::Forbidden {
                        return Err(format!(
                            "a compression pointer at octet {length_at}, where names stand in full"
                        ));
                    }
                    if !(Self::HEADER..piece_from).contains(&target) {
                        return Err(format!(
                            "the compression pointer at octet {length_at} leads to {target}, not backwards from {piece_from}"
                        ));
                    }
                    after.get_or_insert(self.at);
                    self.at = target;
                    piece_from = target;
                }
                _ => {
                    return Err(format!(
                        "octet {length:#04x} at {length_at} is neither length nor pointer"
                    ));
                }
            }
        }
        if let Some(after) = after {
            self.at = after;
        }
        Ok(wire)
    }

    fn name_in_text(&mut self, pointers: Pointers) -> Result<String, String> {
        self.name(pointers).map(|wire| name_text(&wire))
    }

    fn question(&mut self) -> Result<Question, String> {
        let name_wire = self
            .name(Pointers::Forbidden)
            .map_err(|error| format!("question: {error}"))?;
        let rtype = Type(self.u16("a question's type")?);
        let class = self.u16("a question's class")?;
        Ok(Question {
            name: name_text(&name_wire),
            name_wire,
            rtype,
            class,
        })
    }

    fn record(&mut self) -> Result<Record, String> {
        let owner_from = self.at;
        let owner_wire = self.name(Pointers::Allowed)?;
        let owner_raw = self.octets[owner_from..self.at].to_vec();
        let rtype = Type(self.u16("a type")?);
        let class = self.u16("a class")?;
        let ttl = self.u32("a TTL")?;
        if rtype != Type::OPT && ttl > i32::MAX as u32 {
            return Err(format!(
                "a TTL of {ttl} (RFC 2181, section 8: the highest bit is zero)"
            ));
        }
        let length = usize::from(self.u16("RDLENGTH")?);
        let rdata_from = self.at;
        let rdata = self.take(length, "RDATA")?.to_vec();
        let end = self.at;

        // RDATA is read within its own end, and in the whole message because of pointers.
        let mut inside = Reader {
            octets: &self.octets[..end],
            at: rdata_from,
        };
        let data = inside
            .data(rtype, end)
            .map_err(|error| format!("RDATA of {}: {error}", rtype.text()))?;
        if inside.at != end {
            return Err(format!(
                "RDATA of {} has {} octets too many",
                rtype.text(),
                end - inside.at
            ));
        }
        inside.at = rdata_from;
        let canonical = canonical_of(&mut inside, rtype, end)
            .map_err(|error| format!("RDATA of {}: {error}", rtype.text()))?;
        Ok(Record {
            owner: name_text(&owner_wire),
            owner_wire,
            owner_raw,
            rtype,
            class,
            ttl,
            rdata,
            canonical,
            data,
        })
    }

    fn data(&mut self, rtype: Type, end: usize) -> Result<Data, String> {
        let what = "RDATA";
        Ok(match rtype {
            Type::A => {
                let octets: [u8; 4] = self.take(4, what)?.try_into().expect("4 were taken");
                Data::A(octets.into())
            }
            Type::AAAA => {
                let octets: [u8; 16] = self.take(16, what)?.try_into().expect("16 were taken");
                Data::Aaaa(octets.into())
            }
            // RFC 3597, section 4: the types of RFC 1035 may be compressed, and no others.
            Type::NS | Type::CNAME | Type::PTR | Type(3 | 4 | 7..=9) => {
                Data::Name(self.name_in_text(Pointers::Allowed)?)
            }
            Type::MX => Data::Mx {
                preference: self.u16(what)?,
                exchange: self.name_in_text(Pointers::Allowed)?,
            },
            // RFC 6672, section 2.1.
            Type::DNAME => Data::Name(self.name_in_text(Pointers::Forbidden)?),
            Type::SOA => Data::Soa {
                mname: self.name_in_text(Pointers::Allowed)?,
                rname: self.name_in_text(Pointers::Allowed)?,
                serial: self.u32(what)?,
                refresh: self.u32(what)?,
                retry: self.u32(what)?,
                expire: self.u32(what)?,
                minimum: self.u32(what)?,
            },
            // RFC 2782: "name compression is not to be used for this field".
            Type::SRV => Data::Srv {
                priority: self.u16(what)?,
                weight: self.u16(what)?,
                port: self.u16(what)?,
                target: self.name_in_text(Pointers::Forbidden)?,
            },
            Type::TXT => {
                let mut strings = Vec::new();
                // RFC 1035, section 3.3.14: one string or more.
                while strings.is_empty() || self.at < end {
                    let length = self.take(1, "a string")?[0];
                    strings.push(self.take(usize::from(length), "a string")?.to_vec());
                }
                Data::Txt(strings)
            }
            _ => Data::Other(self.take(end - self.at, what)?.to_vec()),
        })
    }
}
