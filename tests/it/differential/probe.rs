//! One question as it is put to every server.

use crate::support::dns::{Query, Type, name_text, name_wire};

/// EDNS in a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct EdnsAsked {
    pub(super) payload: u16,
    pub(super) version: u8,
    pub(super) flags: u16,
    pub(super) options: Vec<(u16, Vec<u8>)>,
}

/// A question, each part of which can be odd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Probe {
    /// In wire form, in the case that is sent.
    pub(super) name: Vec<u8>,
    pub(super) rtype: Type,
    pub(super) class: u16,
    /// The header's second word: opcode and flags.
    pub(super) flags: u16,
    /// QDCOUNT: 0, 1, or 2 with a second question that is plain.
    pub(super) questions: u8,
    pub(super) edns: Option<EdnsAsked>,
    pub(super) tcp: bool,
}

impl Probe {
    /// A plain question in class IN over UDP, without EDNS.
    pub(super) fn plain(name: &[u8], rtype: Type) -> Self {
        Self {
            name: name.to_vec(),
            rtype,
            class: 1,
            flags: 0,
            questions: 1,
            edns: None,
            tcp: false,
        }
    }

    pub(super) fn over_tcp(&self) -> Self {
        Self {
            tcp: true,
            ..self.clone()
        }
    }

    pub(super) fn opcode(&self) -> u16 {
        self.flags >> 11 & 0xf
    }

    fn query(&self) -> Query {
        let mut query = match self.questions {
            0 => Query::empty(),
            1 => Query::of_wire(&self.name, self.rtype).class(self.class),
            _ => Query::of_wire(&self.name, self.rtype)
                .class(self.class)
                // A name that has nothing to compress, in a reply that repeats both.
                .also(".", Type::SOA),
        };
        query = query.flags(self.flags);
        if let Some(edns) = &self.edns {
            query = query
                .edns(edns.payload)
                .edns_version(edns.version)
                .edns_flags(edns.flags);
            for (code, data) in &edns.options {
                query = query.option(*code, data);
            }
        }
        query
    }

    pub(super) fn bytes(&self, id: u16) -> Vec<u8> {
        self.query().id(id).bytes()
    }

    /// The question section, as a reply must repeat it.
    pub(super) fn question_bytes(&self) -> Vec<u8> {
        self.query().question_bytes()
    }

    /// The command that asks the same; `@SERVER` is whom to ask.
    pub(super) fn dig(&self) -> String {
        let mut words = vec!["dig @SERVER +noall +comments +answer +authority +additional".to_string()];
        let mut say = |word: String| words.push(word);
        for (mask, yes, no) in [
            (0x0400, "+aaflag", ""),
            (0x0200, "+tcflag", ""),
            (0x0100, "+rec", "+norec"),
            (0x0080, "+raflag", ""),
            (0x0040, "+zflag", ""),
            (0x0020, "+adflag", "+noadflag"),
            (0x0010, "+cdflag", ""),
        ] {
            say(if self.flags & mask != 0 { yes } else { no }.to_string());
        }
        if self.opcode() != 0 {
            say(format!("+opcode={}", self.opcode()));
        }
        say("+nocookie".to_string());
        match &self.edns {
            None => say("+noedns".to_string()),
            Some(edns) => {
                say(format!(
                    "+edns={} +noednsneg +bufsize={}",
                    edns.version, edns.payload
                ));
                if edns.flags & 0x8000 != 0 {
                    say("+dnssec".to_string());
                }
                if edns.flags & 0x7fff != 0 {
                    say(format!("+ednsflags={:#06x}", edns.flags & 0x7fff));
                }
                for (code, data) in &edns.options {
                    let hex: String = data.iter().map(|octet| format!("{octet:02x}")).collect();
                    say(format!("+ednsopt={code}:{hex}"));
                }
            }
        }
        say(if self.tcp { "+tcp" } else { "+ignore +notcp" }.to_string());
        if self.questions == 0 {
            say("+header-only".to_string());
        }
        // Between quotes for the shell; the name has none of them, `\039` stands for it.
        say(format!(
            "-t TYPE{} -c CLASS{} -q '{}'",
            self.rtype.0,
            self.class,
            name_text(&self.name).replace('\'', "\\039")
        ));
        if self.flags & 0xf != 0 {
            say(format!(
                "(and with response code {}, which dig cannot set)",
                self.flags & 0xf
            ));
        }
        if self.questions == 2 {
            say("(and with a second question, which dig cannot ask)".to_string());
        }
        words.retain(|word| !word.is_empty());
        words.join(" ")
    }
}

#[test]
fn a_probe_is_the_octets_that_its_dig_line_would_send() {
    let mut probe = Probe::plain(&name_wire("WwW.example.org"), Type::MX);
    probe.flags = 0x0130;
    probe.edns = Some(EdnsAsked {
        payload: 1232,
        version: 1,
        flags: 0x8001,
        options: vec![(65001, vec![1, 2])],
    });
    let octets = probe.bytes(7);
    assert_eq!(octets[..12], [0, 7, 1, 0x30, 0, 1, 0, 0, 0, 0, 0, 1]);
    assert_eq!(octets[12..12 + 21], probe.question_bytes());
    let wanted = "dig @SERVER +noall +comments +answer +authority +additional +rec +adflag +cdflag +nocookie \
                  +edns=1 +noednsneg +bufsize=1232 +dnssec +ednsflags=0x0001 +ednsopt=65001:0102 +ignore +notcp \
                  -t TYPE15 -c CLASS1 -q 'WwW.example.org.'";
    assert_eq!(probe.dig(), wanted);
    probe.questions = 0;
    assert_eq!(probe.bytes(7)[4..6], [0, 0]);
    probe.questions = 2;
    assert_eq!(probe.bytes(7)[4..6], [0, 2]);
}
