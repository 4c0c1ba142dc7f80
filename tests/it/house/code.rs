//! Rust source as the house rules read it: without comments and literals, cut into words.

/// The source with comments and the insides of strings and characters blanked; lines stay where they are.
pub(super) fn code_only(source: &str) -> String {
    let mut scanner = Scanner {
        rest: source,
        code: String::with_capacity(source.len()),
        last: ' ',
    };
    while let Some(next) = scanner.rest.chars().next() {
        let in_word = scanner.last.is_alphanumeric() || scanner.last == '_';
        if scanner.rest.starts_with("//") {
            let length = scanner.rest.find('\n').unwrap_or(scanner.rest.len());
            scanner.blank(length);
        } else if scanner.rest.starts_with("/*") {
            scanner.blank(block_comment(scanner.rest));
        } else if let Some(length) = (!in_word).then(|| raw_string(scanner.rest)).flatten() {
            scanner.blank(length);
        } else if next == '"' {
            scanner.blank(quoted(scanner.rest, '"'));
        } else if next == '\'' && is_character(scanner.rest) {
            scanner.blank(quoted(scanner.rest, '\''));
        } else {
            scanner.keep(next);
        }
    }
    scanner.code
}

struct Scanner<'a> {
    rest: &'a str,
    code: String,
    last: char,
}

impl Scanner<'_> {
    fn keep(&mut self, next: char) {
        self.code.push(next);
        self.last = next;
        self.rest = &self.rest[next.len_utf8()..];
    }

    fn blank(&mut self, length: usize) {
        let (blanked, rest) = self.rest.split_at(length);
        self.code
            .extend(blanked.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        self.last = ' ';
        self.rest = rest;
    }
}

/// The length of a block comment, which may hold others.
fn block_comment(text: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < text.len() {
        if text[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if text[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// The length of a raw string (`r"…"`, `br#"…"#`) if one begins here.
fn raw_string(text: &str) -> Option<usize> {
    let after_prefix = ["r", "br", "cr"].iter().find_map(|prefix| {
        let rest = text.strip_prefix(prefix)?;
        rest.starts_with(['#', '"']).then_some(prefix.len())
    })?;
    let hashes = text[after_prefix..].chars().take_while(|&c| c == '#').count();
    let open = after_prefix + hashes;
    // `r#type` is a name.
    let inside = text[open..].strip_prefix('"')?;
    let close = format!("\"{}", "#".repeat(hashes));
    let end = inside
        .find(&close)
        .map_or(text.len(), |end| open + 1 + end + close.len());
    Some(end)
}

/// The length of a literal that ends with `end` and knows backslashes.
fn quoted(text: &str, end: char) -> usize {
    let mut characters = text.char_indices().skip(1);
    while let Some((at, c)) = characters.next() {
        if c == '\\' {
            characters.next();
        } else if c == end {
            return at + c.len_utf8();
        }
    }
    text.len()
}

/// Whether the apostrophe begins a character and no lifetime.
fn is_character(text: &str) -> bool {
    let mut characters = text.chars().skip(1);
    match characters.next() {
        Some('\\') => true,
        Some(_) => characters.next() == Some('\''),
        None => false,
    }
}

/// A word, or a sign (`::` is one), with the line it stands on, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) text: &'a str,
    pub(super) line: usize,
}

impl Token<'_> {
    pub(super) fn is_word(self) -> bool {
        self.text.starts_with(|c: char| c.is_alphabetic() || c == '_')
    }
}

/// The tokens of code that [`code_only`] has cleaned.
pub(super) fn tokens(code: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut line = 1;
    let mut rest = code;
    while let Some(next) = rest.chars().next() {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let length = if is_word(next) {
            rest.find(|c| !is_word(c)).unwrap_or(rest.len())
        } else if rest.starts_with("::") {
            2
        } else {
            next.len_utf8()
        };
        let (text, after) = rest.split_at(length);
        if next == '\n' {
            line += 1;
        } else if !next.is_whitespace() {
            tokens.push(Token { text, line });
        }
        rest = after;
    }
    tokens
}

#[test]
fn comments_and_literals_are_no_code() {
    for (source, code) in [
        ("a // b\nc", "a     \nc"),
        ("a /* b /* c */ d */ e", "a                   e"),
        (r#"a("b\"c") d"#, "a(      ) d"),
        ("r\"a\\\" b", "      b"),
        ("br#\"a\"b\"# c", "          c"),
        ("r#type a", "r#type a"),
        ("'\"' a '\\'' b", "    a      b"),
        ("fn a<'b>(c: &'b str)", "fn a<'b>(c: &'b str)"),
        ("b'x' bar\"a\"", "b    bar   "),
    ] {
        assert_eq!(code_only(source), code, "{source}");
    }
}

#[test]
fn tokens_know_their_lines() {
    let texts: Vec<_> = tokens("use a::b_1;\n{x}")
        .iter()
        .map(|token| (token.text, token.line))
        .collect();
    let wanted = [
        ("use", 1),
        ("a", 1),
        ("::", 1),
        ("b_1", 1),
        (";", 1),
        ("{", 2),
        ("x", 2),
        ("}", 2),
    ];
    assert_eq!(texts, wanted);
}
