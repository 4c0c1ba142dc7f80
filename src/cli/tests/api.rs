//! An API that replies what the test says, and remembers what it was asked.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use expect_test::Expect;

use super::{Ran, run_with};

/// Replies in order, one for each connection. Its thread ends with the process at the latest.
pub(super) struct Api {
    /// Its `--server`.
    pub(super) url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

/// A reply: status, fields (`name: value`) and body.
pub(super) type Scripted = (u16, &'static [&'static str], &'static str);

impl Api {
    pub(super) fn replying(replies: &[Scripted]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (seen, replies) = (requests.clone(), replies.to_vec());
        std::thread::spawn(move || {
            for (status, fields, body) in replies {
                let (mut stream, _) = listener.accept().expect("a client");
                let request = read_request(&stream);
                seen.lock().expect("no panic while it was held").push(request);
                let fields: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
                let length = body.len();
                write!(
                    stream,
                    "HTTP/1.1 {status} X\r\ncontent-length: {length}\r\nconnection: close\r\n{fields}\r\n{body}"
                )
                .expect("the client reads");
            }
        });
        Self { url, requests }
    }

    /// What it was asked: for each request its line, the fields that matter, and its body.
    pub(super) fn asked(&self) -> String {
        self.requests
            .lock()
            .expect("no panic while it was held")
            .join("\n")
    }
}

fn read_request(stream: &TcpStream) -> String {
    const FIELDS: [&str; 4] = ["authorization", "if-match", "if-none-match", "content-type"];
    let mut reader = BufReader::new(stream);
    let (mut head, mut length) = (String::new(), 0);
    for (at, line) in reader.by_ref().lines().enumerate() {
        let line = line.expect("text");
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(": ").unwrap_or_default();
        let name = name.to_ascii_lowercase();
        if name == "content-length" {
            length = value.parse().expect("a number");
        }
        if at == 0 {
            head = line.trim_end_matches(" HTTP/1.1").to_owned();
        } else if FIELDS.contains(&name.as_str()) {
            head.push_str(&format!("\n  {name}: {value}"));
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("a body");
    let body = String::from_utf8(body).expect("UTF-8");
    if body.is_empty() {
        head
    } else {
        format!("{head}\n  {body}")
    }
}

/// A field that every reply has.
pub(super) const INDEX: &[&str] = &["x-callsign-index: 9"];

/// Runs a client against an API with these replies, and shows what it asked and what it said.
pub(super) fn check(words: &[&str], replies: &[Scripted], expected: Expect) {
    check_with(words, &[], &[], replies, expected);
}

/// As [`check`], with these variables and this on standard input.
pub(super) fn check_with(
    words: &[&str],
    variables: &[(&str, &str)],
    input: &[u8],
    replies: &[Scripted],
    expected: Expect,
) {
    let api = Api::replying(replies);
    let words: Vec<_> = words.iter().copied().chain(["--server", &api.url]).collect();
    let Ran { code, out, error } = run_with(&words, variables, input);
    let said = if code == 0 {
        out
    } else {
        format!("{out}{error} (exit {code})\n")
    };
    expected.assert_eq(&format!(
        "{}\n---\n{}",
        api.asked(),
        said.replace(&api.url, "URL")
    ));
}
