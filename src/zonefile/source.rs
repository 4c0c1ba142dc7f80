//! Where one entry of a master file ends and the next begins (RFC 1035 §5.1).
//!
//! An entry is a line, or several that parentheses join. The file is read in pieces: what is held at a time is one
//! entry, never the file. Each octet is looked at once here, but for an entry that never ends: there reading goes on
//! below the line that is at fault. What is handed on is whole: its quotes and parentheses are closed, and it has no
//! control characters outside comments.

use std::io::{self, Read};

use super::limits::{ENTRY_OCTETS_MAX, FILE_OCTETS_MAX};

/// How much is read at a time.
const PIECE_OCTETS: usize = 128 * 1024;

/// What comes next in a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next<'a> {
    /// An entry: its text without the line's end, and the line on which it begins.
    Entry { text: &'a [u8], line: u32 },
    /// An entry that cannot be read. The next one can.
    Wrong { line: u32, message: String },
    /// Nothing more can be read.
    Fatal { line: u32, message: String },
    /// The file is at its end.
    End,
}

/// A file, entry by entry.
#[derive(Debug)]
pub(super) struct Source<R> {
    reader: R,
    /// `buffer[start..]` is not consumed yet.
    buffer: Vec<u8>,
    start: usize,
    /// The line that `start` is on, from 1.
    line: u32,
    octets_read: usize,
    at_end: bool,
    /// Nothing was handed out yet: a byte order mark may stand here.
    fresh: bool,
    /// An entry was given up: what follows is passed over up to a line that begins with a name.
    lost: bool,
}

/// Where the scan of an entry stands within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Within {
    Plain,
    Quotes,
    Comment,
}

/// Octets that mean something outside quotes and comments; all others are passed over.
const MARKS: [bool; 256] = {
    let mut marks = [false; 256];
    let mut octet = 0;
    while octet < 0x20 {
        marks[octet] = octet != b'\t' as usize;
        octet += 1;
    }
    marks[0x7F] = true;
    marks[b'"' as usize] = true;
    marks[b'(' as usize] = true;
    marks[b')' as usize] = true;
    marks[b';' as usize] = true;
    marks[b'\\' as usize] = true;
    marks
};

/// How the scan of one entry ended.
enum Ended {
    /// At the line's end: the entry's octets, and those it takes with its line end.
    Whole { text: usize, taken: usize },
    /// Never: the offset and the line of the first parenthesis that is open, if one is.
    Never {
        open: Option<(usize, u32)>,
        at_end: bool,
    },
    /// At an octet that no text has.
    NoText { line: u32 },
    /// The file is longer than a file may be.
    TooLong,
}

impl<R: Read> Source<R> {
    pub(super) fn new(reader: R) -> Self {
        Self {
            reader,
            buffer: Vec::new(),
            start: 0,
            line: 1,
            octets_read: 0,
            at_end: false,
            fresh: true,
            lost: false,
        }
    }

    /// The next entry, or what is wrong with it.
    pub(super) fn next(&mut self) -> io::Result<Next<'_>> {
        if self.fresh {
            self.fresh = false;
            while self.buffer.len() < 3 && self.fill()? {}
            if self.buffer.starts_with(b"\xEF\xBB\xBF") {
                self.start = 3;
            }
        }
        let found = !self.lost || self.pass_over()?;
        let more = found && (self.start < self.buffer.len() || self.fill()?);
        self.lost = false;
        if !more {
            return Ok(match self.octets_read > FILE_OCTETS_MAX {
                true => self.too_long(),
                false => Next::End,
            });
        }
        let line = self.line;
        let mut fault = None;
        match self.scan(&mut fault)? {
            Ended::Whole { text, taken } => {
                let from = self.start;
                self.start += taken;
                Ok(match fault {
                    Some((line, message)) => Next::Wrong { line, message },
                    None => Next::Entry {
                        text: &self.buffer[from..from + text],
                        line,
                    },
                })
            }
            Ended::Never { open, at_end } => {
                self.line = line;
                let (offset, line) = open.unwrap_or((0, line));
                let message = match (open.is_some(), at_end) {
                    (true, true) => {
                        "the parenthesis `(` is never closed; write `)` where the entry ends".to_string()
                    }
                    (true, false) => format!(
                        "the parenthesis `(` is not closed within {ENTRY_OCTETS_MAX} octets; write `)` where the entry ends"
                    ),
                    _ => format!("the entry has over {ENTRY_OCTETS_MAX} octets; it may have no more"),
                };
                self.leave(offset);
                self.lost = true;
                Ok(Next::Wrong { line, message })
            }
            Ended::NoText { line } => Ok(Next::Fatal {
                line,
                message: "a NUL octet: this is no text file; a zone file is text in ASCII or UTF-8 \
                          (write such an octet as \\000)"
                    .to_string(),
            }),
            Ended::TooLong => Ok(self.too_long()),
        }
    }

    fn too_long(&self) -> Next<'static> {
        Next::Fatal {
            line: self.line,
            message: format!(
                "the file has over {FILE_OCTETS_MAX} octets; put a part of the zone into a zone of its own"
            ),
        }
    }

    /// Finds the end of the entry at `start`, counts its lines, and notes the first thing wrong in it.
    fn scan(&mut self, fault: &mut Option<(u32, String)>) -> io::Result<Ended> {
        let mut at = 0;
        let mut within = Within::Plain;
        let mut depth = 0_u32;
        let mut open = None;
        // Line of the entry's first `(` that is still open, line of the quotation mark.
        let mut note = |line: u32, message: &str| {
            if fault.is_none() {
                *fault = Some((line, message.to_string()));
            }
        };
        loop {
            if self.start + at + 1 >= self.buffer.len() && !self.at_end {
                // One octet more than is looked at, so that `\"` and CR LF are seen whole.
                if at > ENTRY_OCTETS_MAX {
                    let open = open.filter(|_| depth > 0);
                    return Ok(Ended::Never { open, at_end: false });
                }
                self.fill()?;
                continue;
            }
            let rest = &self.buffer[self.start..];
            let Some(&octet) = rest.get(at) else {
                if self.octets_read > FILE_OCTETS_MAX {
                    return Ok(Ended::TooLong);
                }
                if within == Within::Quotes {
                    note(self.line, UNCLOSED_QUOTE);
                }
                if depth > 0 {
                    return Ok(Ended::Never { open, at_end: true });
                }
                return Ok(Ended::Whole { text: at, taken: at });
            };
            match octet {
                0 => return Ok(Ended::NoText { line: self.line }),
                b'\n' => {
                    if within == Within::Quotes {
                        note(self.line, UNCLOSED_QUOTE);
                    }
                    within = Within::Plain;
                    if at > ENTRY_OCTETS_MAX {
                        let open = open.filter(|_| depth > 0);
                        return Ok(Ended::Never { open, at_end: false });
                    }
                    self.line = self.line.saturating_add(1);
                    if depth == 0 {
                        return Ok(Ended::Whole {
                            text: at,
                            taken: at + 1,
                        });
                    }
                    at += 1;
                }
                _ if within == Within::Comment => {
                    let comment = &rest[at..];
                    at += comment
                        .iter()
                        .position(|&octet| octet == b'\n' || octet == 0)
                        .unwrap_or(comment.len());
                }
                b'\r' if matches!(rest.get(at + 1), None | Some(b'\n')) => at += 1,
                b'\\' => match rest.get(at + 1) {
                    None | Some(b'\n' | b'\r') => {
                        note(
                            self.line,
                            "a backslash at the line's end; write a backslash itself as `\\\\`",
                        );
                        at += 1;
                    }
                    Some(0) => return Ok(Ended::NoText { line: self.line }),
                    Some(&next) => {
                        if next < 0x20 || next == 0x7F {
                            note(self.line, &control(next));
                        }
                        at += 2;
                    }
                },
                b'"' => {
                    within = if within == Within::Quotes {
                        Within::Plain
                    } else {
                        Within::Quotes
                    };
                    at += 1;
                }
                b'(' if within == Within::Plain => {
                    if depth == 0 {
                        open = Some((at, self.line));
                    }
                    depth = depth.saturating_add(1);
                    at += 1;
                }
                b')' if within == Within::Plain => {
                    if depth == 0 {
                        note(
                            self.line,
                            "the parenthesis `)` closes none; take it away, or write it as `\\)`",
                        );
                    }
                    depth = depth.saturating_sub(1);
                    at += 1;
                }
                b';' if within == Within::Plain => {
                    within = Within::Comment;
                    at += 1;
                }
                _ if octet != b'\t' && (octet < 0x20 || octet == 0x7F) => {
                    note(self.line, &control(octet));
                    at += 1;
                }
                _ => {
                    at += 1;
                    at += rest[at..]
                        .iter()
                        .position(|&octet| MARKS[usize::from(octet)])
                        .unwrap_or(rest.len() - at);
                }
            }
        }
    }

    /// Consumes `octets` and the rest of their line.
    fn leave(&mut self, octets: usize) {
        let until = self.buffer[self.start + octets..]
            .iter()
            .position(|&octet| octet == b'\n')
            .map_or(self.buffer.len(), |end| self.start + octets + end);
        self.consume(until);
    }

    /// Consumes up to the buffer's octet `until`, and counts its lines.
    fn consume(&mut self, until: usize) {
        let lines = self.buffer[self.start..until]
            .iter()
            .filter(|&&octet| octet == b'\n')
            .count();
        self.line = self.line.saturating_add(lines as u32);
        self.start = until;
    }

    /// Goes to the next line that begins with a name or a directive. False at the file's end.
    fn pass_over(&mut self) -> io::Result<bool> {
        loop {
            // The rest of the line, or at least what is here of it.
            match self.buffer[self.start..].iter().position(|&octet| octet == b'\n') {
                None => {
                    self.start = self.buffer.len();
                    if !self.fill()? {
                        return Ok(false);
                    }
                    continue;
                }
                Some(end) => self.consume(self.start + end + 1),
            }
            if self.start == self.buffer.len() && !self.fill()? {
                return Ok(false);
            }
            if !matches!(
                self.buffer[self.start],
                b' ' | b'\t' | b'\r' | b'\n' | b';' | b'(' | b')' | b'"'
            ) {
                return Ok(true);
            }
        }
    }

    /// Reads a piece more. False at the file's end.
    fn fill(&mut self) -> io::Result<bool> {
        if self.at_end {
            return Ok(false);
        }
        if self.start > 0 {
            self.buffer.copy_within(self.start.., 0);
            self.buffer.truncate(self.buffer.len() - self.start);
            self.start = 0;
        }
        let held = self.buffer.len();
        // What is held doubles, so that a long entry is moved and asked for a few times alone.
        self.buffer.resize(held + PIECE_OCTETS.max(held), 0);
        let read = loop {
            match self.reader.read(&mut self.buffer[held..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        self.buffer.truncate(held + *read.as_ref().unwrap_or(&0));
        let read = read?;
        self.octets_read += read;
        self.at_end = read == 0 || self.octets_read > FILE_OCTETS_MAX;
        Ok(read > 0)
    }
}

const UNCLOSED_QUOTE: &str =
    "the quotation mark is not closed on its line; close it, and write a line break in a string as \\010";

fn control(octet: u8) -> String {
    format!("a control character; write it as \\{octet:03}")
}
