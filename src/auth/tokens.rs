//! The token file.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

/// Tokens of a file. Each request is held against every one of them.
pub const TOKENS_MAX: usize = 1000;
/// Octets of a token.
pub const TOKEN_OCTETS_MAX: usize = 512;
/// Octets of a token file.
pub const TOKEN_FILE_OCTETS_MAX: u64 = 1 << 20;

/// What a token without a name is called where it is said who did something.
const NAMELESS: &str = "token";

/// Why a token file cannot be used. No variant holds a token.
#[derive(Debug, thiserror::Error)]
pub enum TokenFileError {
    /// It cannot be read.
    #[error("cannot read the token file {}: {source}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is larger than a token file can be.
    #[error("the token file {} has more than {TOKEN_FILE_OCTETS_MAX} octets", .0.display())]
    TooLarge(PathBuf),
    /// It is no text.
    #[error("the token file {} is not UTF-8 text", .0.display())]
    NotText(PathBuf),
    /// It has no token, so nobody could ever use the API.
    #[error("the token file {} has no token; a line is `TOKEN` or `NAME TOKEN`", .0.display())]
    Empty(PathBuf),
    /// A line of it is wrong.
    #[error("{}:{line}: {problem}", path.display())]
    Line {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
        /// What is wrong.
        problem: LineProblem,
    },
}

/// What can be wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineProblem {
    /// More than a name and a token.
    #[error("has more than two words; a line is `TOKEN` or `NAME TOKEN`")]
    Words,
    /// A token or name with something that cannot be sent in a header field.
    #[error("has a character other than visible ASCII")]
    Character,
    /// A token or name longer than [`TOKEN_OCTETS_MAX`].
    #[error("has a word of more than {TOKEN_OCTETS_MAX} octets")]
    TooLong,
    /// A token for the second time.
    #[error("has the token of line {0} again")]
    Again(usize),
    /// One token more than [`TOKENS_MAX`].
    #[error("is one token too many; at most {TOKENS_MAX} are allowed")]
    TooMany,
}

/// The tokens in force.
#[derive(Default)]
pub(super) struct Tokens(Vec<(Arc<str>, Box<[u8]>)>);

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|(name, _)| name))
            .finish()
    }
}

impl Tokens {
    /// Reads the file at `path`.
    pub(super) fn read(path: &Path) -> Result<Self, TokenFileError> {
        let failed = |source| TokenFileError::Read {
            path: path.to_owned(),
            source,
        };
        let mut octets = Vec::new();
        let mut file = File::open(path).map_err(failed)?.take(TOKEN_FILE_OCTETS_MAX + 1);
        file.read_to_end(&mut octets).map_err(failed)?;
        if octets.len() as u64 > TOKEN_FILE_OCTETS_MAX {
            return Err(TokenFileError::TooLarge(path.to_owned()));
        }
        let text = String::from_utf8(octets).map_err(|_| TokenFileError::NotText(path.to_owned()))?;
        let tokens = Self::parse(&text).map_err(|(line, problem)| TokenFileError::Line {
            path: path.to_owned(),
            line,
            problem,
        })?;
        if tokens.0.is_empty() {
            return Err(TokenFileError::Empty(path.to_owned()));
        }
        Ok(tokens)
    }

    fn parse(text: &str) -> Result<Self, (usize, LineProblem)> {
        let mut tokens = Vec::new();
        let mut seen = std::collections::HashMap::new();
        for (number, line) in (1..).zip(text.lines()) {
            let fail = |problem| Err((number, problem));
            let words: Vec<&str> = line
                .split_ascii_whitespace()
                .take_while(|word| !word.starts_with('#'))
                .collect();
            let (name, token) = match words[..] {
                [] => continue,
                [token] => (NAMELESS, token),
                [name, token] => (name, token),
                _ => return fail(LineProblem::Words),
            };
            for word in [name, token] {
                if !word.bytes().all(|octet| octet.is_ascii_graphic()) {
                    return fail(LineProblem::Character);
                }
                if word.len() > TOKEN_OCTETS_MAX {
                    return fail(LineProblem::TooLong);
                }
            }
            if let Some(first) = seen.insert(token, number) {
                return fail(LineProblem::Again(first));
            }
            if tokens.len() == TOKENS_MAX {
                return fail(LineProblem::TooMany);
            }
            tokens.push((name.into(), token.as_bytes().into()));
        }
        Ok(Self(tokens))
    }

    /// Whose `presented` is. Every token is looked at, whichever it is; the time it takes tells no more than lengths.
    pub(super) fn name_of(&self, presented: &[u8]) -> Option<Arc<str>> {
        let mut found = Choice::from(0);
        let mut at = 0_u32;
        for (place, (_, token)) in (0_u32..).zip(&self.0) {
            let equal = token.ct_eq(presented);
            at.conditional_assign(&place, equal);
            found |= equal;
        }
        bool::from(found).then(|| self.0[at as usize].0.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_token_or_a_name_and_a_token() {
        let tokens =
            Tokens::parse("# all\n\n  one \r\nci two # who\nci three\nfour#4\n").expect("a good file");
        let name_of = |token: &str| tokens.name_of(token.as_bytes()).as_deref().map(str::to_owned);
        assert_eq!(name_of("one").as_deref(), Some("token"));
        assert_eq!(name_of("two").as_deref(), Some("ci"));
        assert_eq!(
            name_of("three").as_deref(),
            Some("ci"),
            "a name may have two tokens while one is replaced"
        );
        assert_eq!(name_of("four#4").as_deref(), Some("token"));
        for other in ["", "ci", "on", "onee", "#"] {
            assert_eq!(name_of(other), None, "{other:?}");
        }
    }

    #[test]
    fn a_wrong_line_is_named() {
        let long = "x".repeat(TOKEN_OCTETS_MAX + 1);
        let many: String = (0..=TOKENS_MAX).map(|i| format!("t{i}\n")).collect();
        for (text, line, problem) in [
            ("a b c", 1, LineProblem::Words),
            ("ok\nschl\u{fc}ssel", 2, LineProblem::Character),
            (long.as_str(), 1, LineProblem::TooLong),
            ("a one\n\nb one", 3, LineProblem::Again(1)),
            (many.as_str(), TOKENS_MAX + 1, LineProblem::TooMany),
        ] {
            assert_eq!(Tokens::parse(text).err(), Some((line, problem)));
        }
    }

    #[test]
    fn an_error_names_file_and_line_but_no_token() {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(file.path(), "good\na b s3cret\n").expect("it can be written");
        let error = Tokens::read(file.path()).expect_err("three words").to_string();
        assert!(
            error.ends_with(":2: has more than two words; a line is `TOKEN` or `NAME TOKEN`"),
            "{error}"
        );
        std::fs::write(file.path(), "# nobody\n").expect("it can be written");
        assert!(matches!(Tokens::read(file.path()), Err(TokenFileError::Empty(_))));
        std::fs::write(file.path(), vec![b'#'; TOKEN_FILE_OCTETS_MAX as usize + 1])
            .expect("it can be written");
        assert!(matches!(
            Tokens::read(file.path()),
            Err(TokenFileError::TooLarge(_))
        ));
        assert!(!format!("{:?}", Tokens::parse("ci s3cret")).contains("s3cret"));
    }
}
