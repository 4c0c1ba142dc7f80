//! The words and quoted strings of one entry, and their escapes (RFC 1035 §5.1).
//!
//! [`super::source`] has seen to it that quotes and parentheses are closed, so that nothing can go wrong between words.

use super::wrong::Wrong;

/// A word, or what stands between quotation marks. Escapes are as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) text: &'a [u8],
    pub(super) quoted: bool,
    pub(super) line: u32,
}

/// An entry's tokens, one after the other.
#[derive(Clone, Debug)]
pub(super) struct Tokens<'a> {
    text: &'a [u8],
    at: usize,
    line: u32,
}

impl<'a> Tokens<'a> {
    pub(super) fn new(text: &'a [u8], line: u32) -> Self {
        Self { text, at: 0, line }
    }

    /// The line that was reached.
    pub(super) fn line(&self) -> u32 {
        self.line
    }

    /// Whether the entry begins with white space: its owner is that of the record before.
    pub(super) fn indented(&self) -> bool {
        matches!(self.text.first(), Some(b' ' | b'\t' | b'\r'))
    }

    /// The next token. A quotation mark ends a word and begins a string.
    pub(super) fn next(&mut self) -> Option<Token<'a>> {
        self.take(false)
    }

    /// The next token, in which `key="a value"` is one (RFC 9460 §2.1).
    pub(super) fn next_pair(&mut self) -> Option<Token<'a>> {
        self.take(true)
    }

    /// The next token, which is not consumed.
    pub(super) fn peek(&self) -> Option<Token<'a>> {
        self.clone().take(false)
    }

    fn take(&mut self, pairs: bool) -> Option<Token<'a>> {
        self.skip_space();
        let first = *self.text.get(self.at)?;
        let line = self.line;
        let quoted = first == b'"';
        if quoted {
            let from = self.at + 1;
            let text = self.string();
            debug_assert!(self.at > from);
            return Some(Token { text, quoted, line });
        }
        let from = self.at;
        while let Some(&octet) = self.text.get(self.at) {
            match octet {
                b' ' | b'\t' | b'\r' | b'\n' | b'(' | b')' | b';' => break,
                b'\\' => self.at = (self.at + 2).min(self.text.len()),
                b'"' if pairs && self.at > from && self.text[self.at - 1] == b'=' => {
                    self.string();
                }
                b'"' => break,
                _ => self.at += 1,
            }
        }
        let text = &self.text[from..self.at];
        Some(Token { text, quoted, line })
    }

    /// What stands between the quotation mark here and the next that is not escaped.
    fn string(&mut self) -> &'a [u8] {
        self.at += 1;
        let from = self.at;
        while let Some(&octet) = self.text.get(self.at) {
            match octet {
                b'"' => break,
                b'\\' => self.at = (self.at + 2).min(self.text.len()),
                _ => self.at += 1,
            }
        }
        let text = &self.text[from..self.at];
        self.at = (self.at + 1).min(self.text.len());
        text
    }

    /// White space, parentheses and comments.
    fn skip_space(&mut self) {
        while let Some(&octet) = self.text.get(self.at) {
            match octet {
                b'\n' => self.line = self.line.saturating_add(1),
                b' ' | b'\t' | b'\r' | b'(' | b')' => {}
                b';' => {
                    let rest = &self.text[self.at..];
                    self.at += rest.iter().position(|&o| o == b'\n').unwrap_or(rest.len());
                    continue;
                }
                _ => break,
            }
            self.at += 1;
        }
    }
}

impl Token<'_> {
    /// The token as it stands, for a message: at most 40 octets of it.
    pub(super) fn shown(&self) -> String {
        shown(self.text)
    }

    /// An error at this token.
    pub(super) fn wrong(&self, message: impl Into<String>) -> Wrong {
        Wrong::new(self.line, message)
    }

    /// Whether the token is this word, without regard to case, and no string.
    pub(super) fn is(&self, word: &str) -> bool {
        !self.quoted && self.text.eq_ignore_ascii_case(word.as_bytes())
    }

    /// Appends the octets that the token stands for.
    pub(super) fn unescape(&self, out: &mut Vec<u8>) -> Result<(), Wrong> {
        unescape(self.text, out).map_err(|message| self.wrong(message))
    }
}

/// Text for a message, between quotation marks, cut short, with what cannot be shown escaped.
pub(super) fn shown(text: &[u8]) -> String {
    const SHOWN_OCTETS_MAX: usize = 40;
    let whole = String::from_utf8_lossy(&text[..text.len().min(SHOWN_OCTETS_MAX)]);
    let more = if text.len() > SHOWN_OCTETS_MAX { "…" } else { "" };
    format!(
        "\"{}{more}\"",
        whole.chars().flat_map(printable).collect::<String>()
    )
}

fn printable(c: char) -> Box<dyn Iterator<Item = char>> {
    match c.is_control() {
        true => Box::new(c.escape_default()),
        false => Box::new(std::iter::once(c)),
    }
}

/// Appends the octets that `text` stands for: `\DDD` is an octet in decimal, `\x` is `x` (RFC 1035 §5.1).
pub(super) fn unescape(text: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
    let mut rest = text;
    while let Some(at) = rest.iter().position(|&octet| octet == b'\\') {
        out.extend_from_slice(&rest[..at]);
        let (octet, taken) = escape(&rest[at..])?;
        out.push(octet);
        rest = &rest[at + taken..];
    }
    out.extend_from_slice(rest);
    Ok(())
}

/// The octet of the escape that `text` begins with, and how much of the text it takes.
pub(super) fn escape(text: &[u8]) -> Result<(u8, usize), String> {
    match text.get(1) {
        None => Err("a backslash at the end; write a backslash itself as `\\\\`".to_string()),
        Some(first) if first.is_ascii_digit() => {
            let number = text
                .get(1..4)
                .filter(|digits| digits.iter().all(u8::is_ascii_digit));
            number
                .map(|digits| digits.iter().fold(0_u16, |sum, digit| sum * 10 + u16::from(digit - b'0')))
                .and_then(|value| u8::try_from(value).ok())
                .map(|octet| (octet, 4))
                .ok_or_else(|| {
                    format!(
                        "the escape {} is none: after a backslash stand three digits from 000 to 255, or another character",
                        shown(&text[..text.len().min(4)])
                    )
                })
        }
        Some(&other) => Ok((other, 2)),
    }
}
