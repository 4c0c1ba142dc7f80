//! What a message asks, read a second time and in another way than the server's gate reads it: all sections into
//! lists first, and then what follows from them.

/// A message as far as it can be read.
#[derive(Debug, Default)]
pub(super) struct Query {
    pub(super) id: u16,
    pub(super) flags: u16,
    /// Questions, answers, authorities, additionals: as the header claims.
    pub(super) counts: [u16; 4],
    pub(super) questions: Vec<Question>,
    /// Answers, authorities, additionals: those that can be read.
    pub(super) records: [Vec<Record>; 3],
    /// All that the header claims is there, and nothing else.
    pub(super) is_whole: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Question {
    /// The whole entry.
    pub(super) octets: Vec<u8>,
    pub(super) rtype: u16,
    pub(super) class: u16,
}

#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) is_of_root: bool,
    pub(super) rtype: u16,
    pub(super) class: u16,
    pub(super) ttl: [u8; 4],
    pub(super) data: Vec<u8>,
}

pub(super) const OPT: u16 = 41;
const TSIG: u16 = 250;
const IXFR: u16 = 251;

impl Query {
    /// Nothing if there is not even a header.
    pub(super) fn read(octets: &[u8]) -> Option<Self> {
        let (header, mut rest) = octets.split_at_checked(12)?;
        let mut words = header
            .chunks(2)
            .map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
        let mut word = || words.next().expect("a header has six words");
        let mut query = Self {
            id: word(),
            flags: word(),
            counts: [word(), word(), word(), word()],
            ..Self::default()
        };
        query.is_whole = query.read_sections(&mut rest).is_some() && rest.is_empty();
        Some(query)
    }

    /// None if something ends too early or cannot be stepped over.
    fn read_sections(&mut self, rest: &mut &[u8]) -> Option<()> {
        let mut is_readable = true;
        for _ in 0..self.counts[0] {
            let begin = *rest;
            let name = name(rest)?;
            let fixed = take(rest, 4)?;
            // A name with a pointer is no question's; what stands behind it can be read all the same.
            if !name.is_plain {
                is_readable = false;
                continue;
            }
            self.questions.push(Question {
                octets: begin[..name.octets + 4].to_vec(),
                rtype: u16::from_be_bytes([fixed[0], fixed[1]]),
                class: u16::from_be_bytes([fixed[2], fixed[3]]),
            });
        }
        for (section, count) in self.records.iter_mut().zip(&self.counts[1..]) {
            for _ in 0..*count {
                let owner = name(rest)?;
                let fixed = take(rest, 10)?;
                let octets = u16::from_be_bytes([fixed[8], fixed[9]]);
                let data = take(rest, octets.into());
                // What a record is stands before its data: an OPT of which the end is missing is one.
                section.push(Record {
                    is_of_root: owner.octets == 1,
                    rtype: u16::from_be_bytes([fixed[0], fixed[1]]),
                    class: u16::from_be_bytes([fixed[2], fixed[3]]),
                    ttl: [fixed[4], fixed[5], fixed[6], fixed[7]],
                    data: data.unwrap_or_default().to_vec(),
                });
                data?;
            }
        }
        is_readable.then_some(())
    }

    pub(super) fn is_reply(&self) -> bool {
        self.flags & 0x8000 != 0
    }

    pub(super) fn opcode(&self) -> u16 {
        self.flags >> 11 & 15
    }

    /// The question, if there is one and no other.
    pub(super) fn question(&self) -> Option<&Question> {
        self.questions.first().filter(|_| self.counts[0] == 1)
    }

    /// The first OPT in Additional, as far as that section can be read.
    pub(super) fn opt(&self) -> Option<&Record> {
        self.records[2].iter().find(|record| record.rtype == OPT)
    }

    /// A query that nobody may call malformed.
    pub(super) fn is_well_formed(&self) -> bool {
        let Some(question) = self.question() else {
            return false;
        };
        let [answers, authorities, additionals] = &self.records;
        let count = |rtype| additionals.iter().filter(|record| record.rtype == rtype).count();
        // The options of a version that nobody knows may have any form.
        self.is_whole
            && question.rtype != OPT
            && answers.is_empty()
            && (authorities.is_empty() || question.rtype == IXFR)
            && additionals
                .iter()
                .all(|record| matches!(record.rtype, OPT | TSIG))
            && count(OPT) <= 1
            && count(TSIG) <= 1
            && additionals
                .iter()
                .rev()
                .skip(1)
                .all(|record| record.rtype != TSIG)
            && self
                .opt()
                .is_none_or(|opt| opt.is_of_root && (opt.ttl[1] > 0 || has_whole_options(&opt.data)))
    }
}

fn has_whole_options(mut data: &[u8]) -> bool {
    while !data.is_empty() {
        let whole = take(&mut data, 4)
            .and_then(|fixed| take(&mut data, u16::from_be_bytes([fixed[2], fixed[3]]).into()));
        if whole.is_none() {
            return false;
        }
    }
    true
}

struct Name {
    octets: usize,
    /// Neither compressed nor too long.
    is_plain: bool,
}

/// Steps over a name.
fn name(rest: &mut &[u8]) -> Option<Name> {
    let mut octets = 0;
    let mut is_compressed = false;
    loop {
        let length = usize::from(take(rest, 1)?[0]);
        octets += 1;
        match length {
            0 => break,
            1..64 => {
                take(rest, length)?;
                octets += length;
            }
            192.. => {
                take(rest, 1)?;
                octets += 1;
                is_compressed = true;
                break;
            }
            _ => return None,
        }
    }
    // A name of labels alone is at most 255 octets long; of one that is compressed, only what stands here is read.
    (octets <= 255 || is_compressed && octets <= 257).then_some(Name {
        octets,
        is_plain: !is_compressed,
    })
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, after) = rest.split_at_checked(count)?;
    *rest = after;
    Some(taken)
}
