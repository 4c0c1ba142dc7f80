//! A message to send, each part of which can be made wrong.

use std::sync::atomic::{AtomicU16, Ordering};

use super::{IN, Type, name_wire};

/// The sections that records stand in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Section {
    Answer,
    Authority,
    Additional,
}

#[derive(Clone, Debug)]
struct Opt {
    payload: u16,
    version: u8,
    flags: u16,
    options: Vec<u8>,
}

impl Opt {
    const DNSSEC_OK: u16 = 0x8000;
}

/// A message under construction. It starts as the plainest question there is: opcode QUERY, no flag, class IN, no EDNS.
#[derive(Clone, Debug)]
pub(crate) struct Query {
    id: u16,
    flags: u16,
    questions: Vec<Vec<u8>>,
    records: [Vec<Vec<u8>>; 3],
    opt: Option<Opt>,
    counts: Option<[u16; 4]>,
    trailing: Vec<u8>,
}

impl Query {
    /// Asks for `name`, in text, its case kept.
    pub(crate) fn new(name: &str, rtype: Type) -> Self {
        Self::of_wire(&name_wire(name), rtype)
    }

    /// Asks for a name given in wire form, which may be wrong.
    pub(crate) fn of_wire(name: &[u8], rtype: Type) -> Self {
        let mut query = Self::empty();
        query.questions.push(question(name, rtype, IN));
        query
    }

    /// A message without a question.
    pub(crate) fn empty() -> Self {
        // Any two of a test run differ, so that a late reply is not taken for another's.
        static NEXT_ID: AtomicU16 = AtomicU16::new(0x1a2b);
        Self {
            id: NEXT_ID.fetch_add(0x9e37, Ordering::Relaxed),
            flags: 0,
            questions: Vec::new(),
            records: [const { Vec::new() }; 3],
            opt: None,
            counts: None,
            trailing: Vec::new(),
        }
    }

    pub(crate) fn id(mut self, id: u16) -> Self {
        self.id = id;
        self
    }

    /// The whole second word of the header.
    pub(crate) fn flags(mut self, flags: u16) -> Self {
        self.flags = flags;
        self
    }

    fn bit(mut self, mask: u16) -> Self {
        self.flags |= mask;
        self
    }

    /// Sets QR: no query at all.
    pub(crate) fn response(self) -> Self {
        self.bit(0x8000)
    }

    pub(crate) fn opcode(mut self, opcode: u8) -> Self {
        self.flags = self.flags & !0x7800 | u16::from(opcode & 0xf) << 11;
        self
    }

    pub(crate) fn authoritative(self) -> Self {
        self.bit(0x0400)
    }

    pub(crate) fn truncated(self) -> Self {
        self.bit(0x0200)
    }

    pub(crate) fn recursion_desired(self) -> Self {
        self.bit(0x0100)
    }

    /// The bit that is reserved.
    pub(crate) fn z(self) -> Self {
        self.bit(0x0040)
    }

    pub(crate) fn authentic_data(self) -> Self {
        self.bit(0x0020)
    }

    pub(crate) fn checking_disabled(self) -> Self {
        self.bit(0x0010)
    }

    /// The class of the first question.
    pub(crate) fn class(mut self, class: u16) -> Self {
        let question = self.questions.first_mut().expect("a message with a question");
        let at = question.len() - 2;
        question[at..].copy_from_slice(&class.to_be_bytes());
        self
    }

    /// One more question.
    pub(crate) fn also(mut self, name: &str, rtype: Type) -> Self {
        self.questions.push(question(&name_wire(name), rtype, IN));
        self
    }

    /// An OPT record that offers so many octets.
    pub(crate) fn edns(mut self, payload: u16) -> Self {
        self.opt_mut().payload = payload;
        self
    }

    pub(crate) fn edns_version(mut self, version: u8) -> Self {
        self.opt_mut().version = version;
        self
    }

    pub(crate) fn dnssec_ok(mut self) -> Self {
        self.opt_mut().flags |= Opt::DNSSEC_OK;
        self
    }

    /// All sixteen flags of the OPT record.
    pub(crate) fn edns_flags(mut self, flags: u16) -> Self {
        self.opt_mut().flags = flags;
        self
    }

    /// An EDNS option.
    pub(crate) fn option(mut self, code: u16, data: &[u8]) -> Self {
        let options = &mut self.opt_mut().options;
        options.extend_from_slice(&code.to_be_bytes());
        options.extend_from_slice(&(data.len() as u16).to_be_bytes());
        options.extend_from_slice(data);
        self
    }

    /// Octets in the OPT record's RDATA, well-formed or not.
    pub(crate) fn raw_options(mut self, octets: &[u8]) -> Self {
        self.opt_mut().options.extend_from_slice(octets);
        self
    }

    fn opt_mut(&mut self) -> &mut Opt {
        self.opt.get_or_insert(Opt {
            payload: 1232,
            version: 0,
            flags: 0,
            options: Vec::new(),
        })
    }

    /// A record of any kind in any section, before the OPT record.
    pub(crate) fn record(
        self,
        section: Section,
        owner: &str,
        rtype: Type,
        class: u16,
        ttl: u32,
        rdata: &[u8],
    ) -> Self {
        let mut octets = name_wire(owner);
        octets.extend_from_slice(&rtype.0.to_be_bytes());
        octets.extend_from_slice(&class.to_be_bytes());
        octets.extend_from_slice(&ttl.to_be_bytes());
        octets.extend_from_slice(&(rdata.len() as u16).to_be_bytes());
        octets.extend_from_slice(rdata);
        self.raw_record(section, &octets)
    }

    /// Octets that are counted as one record, well-formed or not.
    pub(crate) fn raw_record(mut self, section: Section, octets: &[u8]) -> Self {
        self.records[section as usize].push(octets.to_vec());
        self
    }

    /// The four counts of the header, instead of the true ones.
    pub(crate) fn counts(mut self, counts: [u16; 4]) -> Self {
        self.counts = Some(counts);
        self
    }

    /// Octets after the end of the message.
    pub(crate) fn trailing(mut self, octets: &[u8]) -> Self {
        self.trailing.extend_from_slice(octets);
        self
    }

    pub(crate) fn message_id(&self) -> u16 {
        self.id
    }

    /// The whole second word of the header.
    pub(crate) fn flags_word(&self) -> u16 {
        self.flags
    }

    /// The size and the flags of its OPT record, if [`edns`](Self::edns) or one of its like made one.
    pub(crate) fn offered(&self) -> Option<(u16, u16)> {
        self.opt.as_ref().map(|opt| (opt.payload, opt.flags))
    }

    /// The question section, as a reply must repeat it.
    pub(crate) fn question_bytes(&self) -> Vec<u8> {
        self.questions.concat()
    }

    /// The message.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let [answers, authorities, additionals] = &self.records;
        let counts = self.counts.unwrap_or([
            self.questions.len() as u16,
            answers.len() as u16,
            authorities.len() as u16,
            (additionals.len() + usize::from(self.opt.is_some())) as u16,
        ]);
        let mut octets = Vec::with_capacity(512);
        for word in [self.id, self.flags].into_iter().chain(counts) {
            octets.extend_from_slice(&word.to_be_bytes());
        }
        for part in self.questions.iter().chain(self.records.iter().flatten()) {
            octets.extend_from_slice(part);
        }
        if let Some(opt) = &self.opt {
            octets.push(0);
            octets.extend_from_slice(&Type::OPT.0.to_be_bytes());
            octets.extend_from_slice(&opt.payload.to_be_bytes());
            octets.extend_from_slice(&[0, opt.version]);
            octets.extend_from_slice(&opt.flags.to_be_bytes());
            octets.extend_from_slice(&(opt.options.len() as u16).to_be_bytes());
            octets.extend_from_slice(&opt.options);
        }
        octets.extend_from_slice(&self.trailing);
        octets
    }
}

fn question(name: &[u8], rtype: Type, class: u16) -> Vec<u8> {
    [name, &rtype.0.to_be_bytes(), &class.to_be_bytes()].concat()
}
