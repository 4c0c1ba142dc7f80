//! What may stand at a name of a zone, and what the names above it hide.

use super::data::{compare, types};
use super::finding::Findings;
use super::key::{absolute, text};
use super::layout::Record;
use super::mark;

/// What stands above a name and hides what is below: the key of that name.
#[derive(Clone, Debug)]
pub(super) enum Hidden {
    /// A delegation: addresses are glue, everything else is another's.
    ByCut(Vec<u8>),
    /// A DNAME: nothing may be below (RFC 6672 §2.4).
    ByDname(Vec<u8>),
}

impl Hidden {
    pub(super) fn above(&self) -> &[u8] {
        match self {
            Self::ByCut(above) | Self::ByDname(above) => above,
        }
    }
}

/// A name that has records.
#[derive(Clone, Copy)]
pub(super) struct Name<'a> {
    pub(super) key: &'a [u8],
    pub(super) apex: &'a [u8],
}

impl Name<'_> {
    fn text(self) -> String {
        text(&absolute(self.key, self.apex))
    }

    fn is_wildcard(self) -> bool {
        let key = self.key;
        key.ends_with(b"*\0") && (key.len() == 2 || key[key.len() - 3] == 0)
    }

    /// Leaves of `records` what is not hidden by what stands above.
    pub(super) fn below(self, hidden: &Hidden, records: &mut Vec<Record<'_>>, findings: &mut Findings) {
        let (what, may_have_glue) = match hidden {
            Hidden::ByCut(_) => ("delegation", true),
            Hidden::ByDname(_) => ("DNAME", false),
        };
        records.retain(|record| {
            let is_glue = may_have_glue && matches!(record.rtype, types::A | types::AAAA);
            if !is_glue {
                let above = text(&absolute(hidden.above(), self.apex));
                findings.warn(
                    record.line,
                    format!(
                        "{} is hidden by the {what} at {above}; the record is left out",
                        self.text()
                    ),
                );
            }
            is_glue
        });
    }

    /// Leaves of `records`, the first in order of type, what may stand at the name, and says what the node is and what
    /// it hides.
    pub(super) fn judge(
        self,
        records: &mut Vec<Record<'_>>,
        findings: &mut Findings,
    ) -> (u8, Option<Hidden>) {
        let mut marks = self.alias(records, findings);
        self.alone(records, findings);
        let line = |rtype: u16| records.iter().find(|r| r.rtype == rtype).map(|r| r.line);
        let is_apex = self.key.is_empty();
        let (ns, dname) = (line(types::NS), line(types::DNAME));
        if let Some(line) = line(types::SOA).filter(|_| !is_apex) {
            let message = format!(
                "an SOA stands at {} and not at the apex {}; is the file named after another zone?",
                self.text(),
                text(self.apex)
            );
            findings.error(line, message);
        }
        match line(types::DS) {
            Some(line) if is_apex => findings.error(
                line,
                "DS belongs to the parent zone, at the delegation (RFC 4035 §2.4); remove it here",
            ),
            Some(line) if ns.is_none() => findings.warn(
                line,
                format!(
                    "{} has DS but no NS; DS stands at a delegation (RFC 4035 §2.4)",
                    self.text()
                ),
            ),
            _ => {}
        }
        if let Some(line) = ns.or(dname).filter(|_| self.is_wildcard()) {
            let message = format!(
                "{}: a wildcard cannot be a delegation or a DNAME (RFC 4592 §4.2, §4.4); write the names out",
                self.text()
            );
            findings.error(line, message);
        }
        if let (false, Some(_), Some(line)) = (is_apex, ns, dname) {
            findings.error(
                line,
                format!("{} has DNAME beside NS (RFC 6672 §2.4); remove one", self.text()),
            );
        }
        let mut hidden = None;
        if !is_apex && ns.is_some() {
            self.cut(records, findings);
            marks |= mark::CUT;
            hidden = Some(Hidden::ByCut(self.key.to_vec()));
        }
        if dname.is_some() {
            marks |= mark::DNAME;
            hidden = Some(Hidden::ByDname(self.key.to_vec()));
        }
        (marks, hidden)
    }

    /// No other data stands beside an alias (RFC 1034 §3.6.2) but what RFC 4034 allows.
    fn alias(self, records: &mut Vec<Record<'_>>, findings: &mut Findings) -> u8 {
        let Some(line) = records.iter().find(|r| r.rtype == types::CNAME).map(|r| r.line) else {
            return 0;
        };
        if self.key.is_empty() {
            let message = format!(
                "{} is the apex and cannot be an alias: it has SOA and NS (RFC 1034 §3.6.2); give it addresses, or HTTPS \
                 in alias mode",
                self.text()
            );
            findings.error(line, message);
            records.retain(|record| record.rtype != types::CNAME);
            return 0;
        }
        records.retain(|record| {
            let may = matches!(record.rtype, types::CNAME | types::RRSIG | types::NSEC);
            if !may {
                let message = format!(
                    "{} is an alias (CNAME in line {line}), and no other data may stand beside it (RFC 1034 §3.6.2); the \
                     record is left out",
                    self.text()
                );
                findings.warn(record.line, message);
            }
            may
        });
        mark::CNAME
    }

    /// Types of which there is one record.
    fn alone(self, records: &[Record<'_>], findings: &mut Findings) {
        for (rtype, mnemonic) in [
            (types::CNAME, "CNAME"),
            (types::DNAME, "DNAME"),
            (types::SOA, "SOA"),
        ] {
            let mut of_type = records.iter().filter(|record| record.rtype == rtype);
            let Some(one) = of_type.next() else { continue };
            for another in of_type.filter(|r| compare(rtype, r.data, one.data).is_ne()) {
                let (first, second) = (one.line.min(another.line), one.line.max(another.line));
                findings.error(
                    second,
                    format!(
                        "{} has a {mnemonic} in line {first} already; remove one",
                        self.text()
                    ),
                );
            }
        }
    }

    /// At a delegation stand NS, DS and glue; the rest is the child zone's.
    fn cut(self, records: &mut Vec<Record<'_>>, findings: &mut Findings) {
        records.retain(|record| {
            let may = matches!(
                record.rtype,
                types::NS | types::DS | types::A | types::AAAA | types::NSEC | types::RRSIG | types::SOA
            );
            if !may {
                let message = format!(
                    "{} is delegated by its NS, so other records there are the child zone's; the record is left out",
                    self.text()
                );
                findings.warn(record.line, message);
            }
            may
        });
    }
}
