//! Who may use the API: one decision, whatever a request came over.
//!
//! Two rules. A bearer token from the token file proves who asks (RFC 6750 §2.1). What comes without one must at
//! least have been meant for this server: a page of another site can make a browser send requests to a loopback
//! port, and a DNS name that its owner points at `127.0.0.1` makes them look same-origin ("DNS rebinding"). So its
//! `Host` must be a name of this server and its `Origin`, if any, this server's own. There is no CORS.
//!
//! Tokens are never logged, never shown in an error, and compared in constant time.

mod host;
mod tokens;

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;

pub use host::{Foreign, machine_name};
pub use tokens::{TOKEN_FILE_OCTETS_MAX, TOKEN_OCTETS_MAX, TOKENS_MAX, TokenFileError};

use host::Names;
use tokens::Tokens;

/// Who asks without a token.
pub const ANONYMOUS: &str = "anonymous";

/// What the gate needs.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// `--token-file`.
    pub token_file: Option<PathBuf>,
    /// Names that a `Host` may have beside IP addresses and `localhost`: the machine's own ([`machine_name`]) and
    /// each `--http-name`.
    pub names: Vec<String>,
}

/// What a request shows of itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct Credentials<'a> {
    /// Whether the thing asked for is behind the token, if there are tokens: all of `/v1`.
    pub guarded: bool,
    /// The `Authorization` field.
    pub authorization: Option<&'a [u8]>,
    /// Every host that the request names, the one that counts first: the authority of its target, then `Host`.
    pub hosts: &'a [&'a [u8]],
    /// The `Origin` fields.
    pub origins: &'a [&'a [u8]],
}

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It may go on, as this one.
    Allow(Arc<str>),
    /// It needs a token and has none that is valid: 401.
    NoToken,
    /// It was not meant for this server, or comes from a foreign page: 403.
    Foreign(Foreign),
}

/// The one place where it is decided who may ask.
#[derive(Debug)]
pub struct Gate {
    token_file: Option<PathBuf>,
    tokens: ArcSwap<Tokens>,
    names: Names,
}

impl Gate {
    /// Reads the token file, if there is one.
    ///
    /// # Errors
    /// [`TokenFileError`] names the file and the line.
    pub fn open(config: Config) -> Result<Self, TokenFileError> {
        let tokens = match &config.token_file {
            Some(path) => Tokens::read(path)?,
            None => Tokens::default(),
        };
        Ok(Self {
            token_file: config.token_file,
            tokens: ArcSwap::from_pointee(tokens),
            names: Names::new(&config.names),
        })
    }

    /// Reads the token file again. It blocks on the disk.
    ///
    /// # Errors
    /// [`TokenFileError`]; the tokens are then those from before.
    pub fn reload(&self) -> Result<(), TokenFileError> {
        if let Some(path) = &self.token_file {
            self.tokens.store(Arc::new(Tokens::read(path)?));
        }
        Ok(())
    }

    /// Whether requests need a token.
    pub fn asks_for_tokens(&self) -> bool {
        self.token_file.is_some()
    }

    /// What becomes of a request that shows `credentials`.
    pub fn decide(&self, credentials: &Credentials<'_>) -> Decision {
        let bearer = credentials.authorization.and_then(bearer);
        if let Some(name) = bearer.and_then(|token| self.tokens.load().name_of(token)) {
            return Decision::Allow(name);
        }
        if credentials.guarded && self.asks_for_tokens() {
            return Decision::NoToken;
        }
        match self.names.judge(credentials.hosts, credentials.origins) {
            Ok(()) => Decision::Allow(ANONYMOUS.into()),
            Err(foreign) => Decision::Foreign(foreign),
        }
    }
}

/// The token of an `Authorization` field: the scheme's case does not matter (RFC 9110 §11.1).
fn bearer(field: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = field.split_at_checked(b"Bearer".len())?;
    if !scheme.eq_ignore_ascii_case(b"Bearer") || rest.first() != Some(&b' ') {
        return None;
    }
    Some(rest.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open_gate(tokens: &str) -> (tempfile::NamedTempFile, Gate) {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(file.path(), tokens).expect("it can be written");
        let gate = Gate::open(Config {
            token_file: Some(file.path().to_owned()),
            names: Vec::new(),
        });
        (file, gate.expect("a good file"))
    }

    fn asked<'a>(authorization: Option<&'a str>, hosts: &'a [&'a [u8]]) -> Credentials<'a> {
        Credentials {
            guarded: true,
            authorization: authorization.map(str::as_bytes),
            hosts,
            origins: &[],
        }
    }

    #[test]
    fn a_token_lets_in_by_name_whatever_the_host() {
        let (_file, gate) = open_gate("ci s3cret\nplain\n");
        let allowed = |field| gate.decide(&asked(Some(field), &[b"evil.example.org"]));
        assert_eq!(allowed("Bearer s3cret"), Decision::Allow("ci".into()));
        assert_eq!(allowed("bEARER  plain "), Decision::Allow("token".into()));
        for wrong in [
            "Bearer s3cre",
            "Bearer s3crett",
            "Bearer ",
            "Bearer",
            "Basic s3cret",
            "Bearers3cret",
            "s3cret",
            "",
        ] {
            assert_eq!(allowed(wrong), Decision::NoToken, "{wrong:?}");
        }
        assert_eq!(gate.decide(&asked(None, &[b"localhost"])), Decision::NoToken);
    }

    #[test]
    fn without_a_token_file_the_host_decides() {
        let gate = Gate::open(Config::default()).expect("nothing to read");
        assert!(!gate.asks_for_tokens());
        assert_eq!(
            gate.decide(&asked(Some("Bearer any"), &[b"localhost:8053"])),
            Decision::Allow(ANONYMOUS.into())
        );
        assert!(matches!(
            gate.decide(&asked(Some("Bearer any"), &[b"evil.example.org"])),
            Decision::Foreign(_)
        ));
    }

    #[test]
    fn what_is_not_guarded_needs_no_token_but_a_host() {
        let (_file, gate) = open_gate("s3cret");
        let mut open = asked(None, &[b"127.0.0.1"]);
        open.guarded = false;
        assert_eq!(gate.decide(&open), Decision::Allow(ANONYMOUS.into()));
        open.hosts = &[b"evil.example.org"];
        assert!(matches!(gate.decide(&open), Decision::Foreign(_)));
    }

    #[test]
    fn a_reload_changes_the_tokens_and_a_bad_file_changes_nothing() {
        let (file, gate) = open_gate("old");
        let hosts: &[&[u8]] = &[b"localhost"];
        std::fs::write(file.path(), "new").expect("it can be written");
        gate.reload().expect("a good file");
        assert_eq!(gate.decide(&asked(Some("Bearer old"), hosts)), Decision::NoToken);
        assert_eq!(
            gate.decide(&asked(Some("Bearer new"), hosts)),
            Decision::Allow("token".into())
        );
        std::fs::write(file.path(), "a b c").expect("it can be written");
        assert!(gate.reload().is_err());
        assert_eq!(
            gate.decide(&asked(Some("Bearer new"), hosts)),
            Decision::Allow("token".into())
        );
    }
}
