//! One question, and what the subject and the peers made of it: part by part the same as what the peers agree on, or as
//! what one of them says, or explained, or a finding.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::probe::Probe;
use super::reason::Reason;
use super::reply::{Canonical, Outcome, rcode_text};

/// What is compared by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    /// Response code, AA, TC, and the records of the answer.
    Answer,
    Authority,
    /// Only where all peers agree.
    Additional,
    Opcode,
    /// RD, RA, AD or CD, by its mask.
    Flag(u16),
    /// Whether the question is repeated.
    Question,
    /// Whether there is OPT, its version and DO.
    Edns,
}

impl Part {
    pub(super) const ALL: [Self; 10] = [
        Self::Answer,
        Self::Authority,
        Self::Additional,
        Self::Opcode,
        Self::Flag(0x0100),
        Self::Flag(0x0080),
        Self::Flag(0x0020),
        Self::Flag(0x0010),
        Self::Question,
        Self::Edns,
    ];
}

/// A part of an outcome, as it compares.
#[derive(Debug, PartialEq, Eq)]
enum Value<'a> {
    /// Records only if they are all there.
    Answer(u16, bool, bool, Option<&'a [Canonical]>),
    Records(&'a [Canonical]),
    Opcode(u8),
    Flag(bool),
    Question(bool),
    Edns(Option<(u8, bool)>),
    /// No reply that could be read.
    Nothing(&'static str),
}

impl<'a> Value<'a> {
    fn of(part: Part, outcome: &'a Outcome) -> Self {
        let reply = match outcome {
            Outcome::Reply(reply) => reply,
            Outcome::Malformed(_) => return Self::Nothing("a malformed reply"),
            Outcome::Silent => return Self::Nothing("silence"),
            Outcome::Closed => return Self::Nothing("a closed connection"),
        };
        match part {
            Part::Answer => {
                let answer = (!reply.tc).then_some(reply.answer.as_slice());
                Self::Answer(reply.rcode, reply.aa, reply.tc, answer)
            }
            Part::Authority => Self::Records(&reply.authority),
            Part::Additional => Self::Records(&reply.additional),
            Part::Opcode => Self::Opcode(reply.opcode),
            Part::Flag(mask) => Self::Flag(reply.flags & mask != 0),
            Part::Question => Self::Question(reply.question_is_echoed),
            Part::Edns => Self::Edns(reply.edns),
        }
    }

    /// In a word or two, the same for findings of one kind.
    fn brief(&self) -> String {
        let kinds = |records: &[Canonical]| {
            let mut kinds: Vec<String> = records.iter().map(|record| record.rtype.text()).collect();
            kinds.sort();
            kinds.dedup();
            if kinds.is_empty() {
                "nothing".to_string()
            } else {
                kinds.join("+")
            }
        };
        match self {
            Self::Answer(rcode, aa, tc, records) => format!(
                "{}{}{} {}",
                rcode_text(*rcode),
                if *aa { " aa" } else { "" },
                if *tc { " tc" } else { "" },
                records.map_or(String::new(), kinds)
            ),
            Self::Records(records) => kinds(records),
            Self::Opcode(opcode) => opcode.to_string(),
            Self::Flag(is_set) => is_set.to_string(),
            Self::Question(is_echoed) => is_echoed.to_string(),
            Self::Edns(edns) => format!("{edns:?}"),
            Self::Nothing(what) => (*what).to_string(),
        }
    }
}

/// A probe with its outcomes.
pub(super) struct Exchange<'a> {
    pub(super) probe: &'a Probe,
    pub(super) subject: (&'static str, &'a Outcome),
    pub(super) peers: Vec<(&'static str, &'a Outcome)>,
}

impl Exchange<'_> {
    /// Whether anybody truncated: then only the answer's header says anything.
    fn is_truncated(&self) -> bool {
        self.subject.1.is_truncated() || self.peers.iter().any(|(_, outcome)| outcome.is_truncated())
    }

    fn text(&self) -> String {
        let mut text = format!("{}\n", self.probe.dig());
        for (name, outcome) in std::iter::once(&self.subject).chain(&self.peers) {
            let _ = write!(text, "  {name}: {}", outcome.text());
        }
        text
    }
}

#[derive(Default)]
struct Counts {
    like_all: u64,
    like_one: u64,
    left_out: u64,
}

/// How often a reason counted.
#[derive(Default)]
struct Explained {
    /// Where we differ from every peer.
    against_all: u64,
    /// Where we differ from some, and another is with us: no finding, but the reason is not stale.
    against_some: u64,
}

struct Finding {
    count: u64,
    samples: Vec<String>,
}

/// So many examples of a kind of finding are kept.
const SAMPLES_MAX: usize = 3;
/// So many kinds are printed.
const KINDS_SHOWN_MAX: usize = 60;

/// What was compared so far.
pub(super) struct Tally {
    probes: u64,
    /// Whether the listed reasons count; they are Callsign's.
    has_reasons: bool,
    parts: BTreeMap<Part, Counts>,
    reasons: BTreeMap<Reason, Explained>,
    findings: BTreeMap<String, Finding>,
}

impl Tally {
    pub(super) fn new(has_reasons: bool) -> Self {
        Self {
            probes: 0,
            has_reasons,
            parts: BTreeMap::new(),
            reasons: BTreeMap::new(),
            findings: BTreeMap::new(),
        }
    }

    pub(super) fn compare(&mut self, exchange: &Exchange<'_>) {
        self.probes += 1;
        // What is no reply has no parts: one finding is enough.
        let parts = if exchange.subject.1.reply().is_some() {
            &Part::ALL[..]
        } else {
            &[Part::Answer]
        };
        for part in parts {
            self.compare_part(*part, exchange);
        }
    }

    fn compare_part(&mut self, part: Part, exchange: &Exchange<'_>) {
        let counts = self.parts.entry(part).or_default();
        if exchange.is_truncated() && matches!(part, Part::Authority | Part::Additional) {
            counts.left_out += 1;
            return;
        }
        let own = Value::of(part, exchange.subject.1);
        // Who is silent says nothing (Knot, asked two questions); if all are, that is what they say.
        let says_something = |outcome: &Outcome| !matches!(outcome, Outcome::Silent | Outcome::Closed);
        let are_all_silent = !exchange.peers.iter().any(|(_, outcome)| says_something(outcome));
        let peers: Vec<Value<'_>> = exchange
            .peers
            .iter()
            .filter(|(_, outcome)| are_all_silent || says_something(outcome))
            .map(|(_, outcome)| Value::of(part, outcome))
            .collect();
        let reason = || Reason::of(part, exchange).filter(|_| self.has_reasons);
        let all_agree = peers.windows(2).all(|two| two[0] == two[1]);
        if peers.contains(&own) {
            let count = if all_agree {
                &mut counts.like_all
            } else {
                &mut counts.like_one
            };
            *count += 1;
            if !all_agree && let Some(reason) = reason() {
                self.reasons.entry(reason).or_default().against_some += 1;
            }
            return;
        }
        if part == Part::Additional && !all_agree {
            counts.left_out += 1;
            return;
        }
        if let Some(reason) = reason() {
            self.reasons.entry(reason).or_default().against_all += 1;
            return;
        }
        let mut briefs: Vec<String> = peers.iter().map(Value::brief).collect();
        briefs.dedup();
        let kind = format!("{part:?}: {} and not {}", own.brief(), briefs.join(" | "));
        self.find(kind, || exchange.text());
    }

    /// What the subject's truncated reply holds must stand in the whole one.
    pub(super) fn compare_truncated(&mut self, truncated: &Outcome, whole: &Exchange<'_>) {
        let (Some(part), Some(all)) = (truncated.reply(), whole.subject.1.reply()) else {
            return;
        };
        let is_within =
            |some: &[Canonical], all: &[Canonical]| some.iter().all(|record| all.contains(record));
        if !is_within(&part.answer, &all.answer) || !is_within(&part.authority, &all.authority) {
            let kind = "Truncated: a record that the whole answer has not".to_string();
            self.find(kind, || {
                format!("{}  truncated: {}", whole.text(), truncated.text())
            });
        }
    }

    fn find(&mut self, kind: String, sample: impl FnOnce() -> String) {
        let finding = self.findings.entry(kind).or_insert_with(|| Finding {
            count: 0,
            samples: Vec::new(),
        });
        finding.count += 1;
        if finding.samples.len() < SAMPLES_MAX {
            finding.samples.push(sample());
        }
    }

    pub(super) fn finding_count(&self) -> u64 {
        self.findings.values().map(|finding| finding.count).sum()
    }

    /// The reasons that explain no difference from any peer.
    pub(super) fn stale_reasons(&self) -> Vec<Reason> {
        Reason::ALL
            .into_iter()
            .filter(|reason| !self.reasons.contains_key(reason))
            .collect()
    }

    /// The figures.
    pub(super) fn report(&self) -> String {
        let mut text = format!("{} questions were compared.\n", self.probes);
        for (part, counts) in &self.parts {
            let _ = writeln!(
                text,
                "{part:?}: {} as all peers, {} as one of them, {} left out",
                counts.like_all, counts.like_one, counts.left_out
            );
        }
        for (reason, count) in &self.reasons {
            let _ = writeln!(
                text,
                "{reason:?}: {} differences from all peers, {} from some: {}",
                count.against_all,
                count.against_some,
                reason.sentence()
            );
        }
        let _ = writeln!(
            text,
            "{} findings of {} kinds",
            self.finding_count(),
            self.findings.len()
        );
        text
    }

    /// The findings, those of the most frequent kind first.
    pub(super) fn findings_text(&self) -> String {
        let mut text = String::new();
        let mut findings: Vec<_> = self.findings.iter().collect();
        findings.sort_by_key(|(_, finding)| std::cmp::Reverse(finding.count));
        for (kind, finding) in findings.into_iter().take(KINDS_SHOWN_MAX) {
            let _ = writeln!(text, "\n=== {} times: {kind}", finding.count);
            for sample in &finding.samples {
                let _ = writeln!(text, "{sample}");
            }
        }
        text
    }
}
