//! What the documents show is run. A fenced block whose info string is `console run` is a transcript: lines that begin
//! with `$ ` are commands, the lines after one are lines of its output (blanks count once, `…` is anything). The
//! blocks of a file are run in order against one server, with its ports in the place of those printed; each command
//! must exit with 0. A `sh` block of docs/API.md is one command, and a `json` block right after it shows the fields
//! of its reply.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::program::{Finished, Launch, Program, finish, run};
use crate::wire::register;

fn read(path: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(file)
        .unwrap_or_else(|error| panic!("{path} is part of the project and cannot be read: {error}"))
}

/// A fenced block: its info string, the line it begins in, and its text.
#[derive(Debug, PartialEq, Eq)]
struct Block {
    info: String,
    line: usize,
    text: String,
}

fn blocks(markdown: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (number, line) in (1..).zip(markdown.lines()) {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(info)) => {
                open = Some(Block {
                    info: info.trim().to_string(),
                    line: number,
                    text: String::new(),
                });
            }
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(block), None) => block.text.push_str(&format!("{line}\n")),
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block that does not end");
    blocks
}

/// Commands with the lines of output that are shown after each.
fn transcript(text: &str) -> Vec<(String, Vec<String>)> {
    let mut commands: Vec<(String, Vec<String>)> = Vec::new();
    for line in text.lines() {
        match (line.strip_prefix("$ "), commands.last_mut()) {
            (Some(command), _) => commands.push((command.to_string(), Vec::new())),
            (None, Some((command, shown))) if command.ends_with('\\') && shown.is_empty() => {
                command.pop();
                command.push_str(line);
            }
            (None, Some((_, shown))) if !line.trim().is_empty() => shown.push(line.to_string()),
            _ => {}
        }
    }
    commands
}

/// Runs a line in a shell that finds `callsign`, with the ports of this server in the place of the default ones.
fn shell(program: &Program, line: &str) -> Finished {
    let line = line
        .replace("127.0.0.1:8053", &program.http.to_string())
        .replace("127.0.0.1:5300", &program.dns.to_string())
        .replace("-p 5300", &format!("-p {}", program.dns.port()));
    let folder = Path::new(env!("CARGO_BIN_EXE_callsign"))
        .parent()
        .expect("the program is in a folder");
    let path = format!(
        "{}:{}",
        folder.display(),
        std::env::var("PATH").unwrap_or_default()
    );
    let mut command = Command::new("sh");
    command
        .args(["-c", &line])
        .env("PATH", path)
        .env("CALLSIGN_SERVER", format!("http://{}", program.http));
    command
        .env("CALLSIGN_DATA_DIR", &program.data_dir)
        .env_remove("CALLSIGN_TOKEN");
    finish(command, b"", Duration::from_secs(20))
}

fn is_missing(tool: &str) -> bool {
    let there = Command::new("sh")
        .args(["-c", &format!("command -v {tool}")])
        .output();
    let missing = !there.is_ok_and(|output| output.status.success());
    if missing {
        println!("SKIPPED: {tool} is not installed, so no command of the documents with it was run");
        eprintln!("SKIPPED: {tool} is not installed, so no command of the documents with it was run");
    }
    missing
}

/// Whether some line of `output` is the one that is shown, blanks aside; `…` stands for anything.
fn shows(output: &str, shown: &str) -> bool {
    let normal = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let shown = normal(shown);
    let parts: Vec<&str> = shown.split('…').collect();
    output.lines().map(normal).any(|line| {
        let Some(mut rest) = line.strip_prefix(parts[0]) else {
            return false;
        };
        for part in &parts[1..] {
            match rest.find(part) {
                Some(at) => rest = &rest[at + part.len()..],
                None => return false,
            }
        }
        rest.is_empty() || parts.len() > 1
    })
}

#[track_caller]
fn run_sessions(path: &str) -> usize {
    let blocks = blocks(&read(path));
    let sessions: Vec<_> = blocks
        .iter()
        .filter(|block| block.info == "console run")
        .collect();
    if sessions.is_empty() {
        return 0;
    }
    // With the zone files that the project shows.
    let zones = Path::new(env!("CARGO_MANIFEST_DIR")).join("zones");
    let program = Launch::new()
        .argument("--zones")
        .argument(zones.display().to_string())
        .start();
    let mut count = 0;
    for block in sessions {
        for (command, shown) in transcript(&block.text) {
            let tool = command.split(' ').next().unwrap_or_default().to_string();
            assert!(
                ["curl", "dig", "callsign"].contains(&tool.as_str()),
                "{path}:{}: only curl, dig and callsign are run, not {command:?}",
                block.line
            );
            if tool != "callsign" && is_missing(&tool) {
                continue;
            }
            let finished = shell(&program, &command);
            let told = format!(
                "{path}:{}: $ {command}\n{}{}",
                block.line, finished.stdout, finished.stderr
            );
            assert_eq!(finished.code, Some(0), "{told}");
            for line in shown {
                assert!(
                    shows(&finished.stdout, &line),
                    "the line {line:?} is not in\n{told}"
                );
            }
            count += 1;
        }
    }
    count
}

#[test]
fn the_sessions_of_the_readme_and_of_operating_are_as_shown() {
    assert!(
        run_sessions("README.md") > 3,
        "README.md shows no transcript; mark its blocks ```console run"
    );
    assert!(
        run_sessions("docs/OPERATING.md") > 1,
        "docs/OPERATING.md shows no transcript; mark its blocks ```console run"
    );
    run_sessions("docs/API.md");
}

/// The names of the fields of objects, at every depth, as paths; a list counts as its first entry.
fn fields(value: &Value, at: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                let path = format!("{at}.{name}");
                fields(value, &path, found);
                found.insert(path);
            }
        }
        Value::Array(list) => {
            if let Some(first) = list.first() {
                fields(first, &format!("{at}[]"), found);
            }
        }
        _ => {}
    }
}

fn field_set(value: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    fields(value, "", &mut found);
    found
}

#[test]
fn the_requests_of_the_api_document_are_accepted_and_their_replies_as_shown() {
    if is_missing("curl") {
        return;
    }
    let path = "docs/API.md";
    let blocks = blocks(&read(path));
    let program = Launch::new().start();
    // What the document takes for granted beside `web-1`.
    register(&program, "web", "web-2", json!({"address": "192.0.2.12"}));
    let mut count = 0;
    for (number, block) in blocks.iter().enumerate() {
        if block.info != "sh" {
            continue;
        }
        let place = format!("{path}:{}", block.line);
        assert!(block.text.starts_with("curl "), "{place}: only curl is run");
        let line = format!(
            "curl() {{ command curl -sS -w '\\n%{{http_code}}' \"$@\"; }}\n{}",
            block.text
        );
        let finished = shell(&program, &line);
        let told = format!("{place}:\n{}{}{}", block.text, finished.stdout, finished.stderr);
        assert_eq!(finished.code, Some(0), "{told}");
        let (body, status) = finished.stdout.rsplit_once('\n').expect("a status");
        // A condition may fail, for this is not the catalog that the document speaks of; the request is a right one.
        assert!(matches!(status, "200" | "201" | "204" | "412"), "{told}");
        count += 1;
        let shown = blocks.get(number + 1).filter(|next| next.info == "json");
        if let (Some(shown), true) = (shown, status.starts_with('2')) {
            let shown: Value = serde_json::from_str(&shown.text)
                .unwrap_or_else(|error| panic!("{path}:{}: {error}", shown.line));
            let body: Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {told}"));
            assert_eq!(
                field_set(&body),
                field_set(&shown),
                "{place}: the fields of the reply, and those shown"
            );
        }
    }
    assert!(count > 5, "{path} shows {count} requests; mark them ```sh");
    for block in blocks.iter().filter(|block| block.info == "json") {
        assert!(
            serde_json::from_str::<Value>(&block.text).is_ok(),
            "{path}:{}: not JSON",
            block.line
        );
    }
}

/// The flags that a text names, `--like-this`.
fn flags(text: &str) -> BTreeSet<String> {
    let mut flags = BTreeSet::new();
    for (at, _) in text.match_indices("--") {
        let before = text[..at].chars().next_back();
        let name: String = text[at + 2..]
            .chars()
            .take_while(|c| c.is_ascii_lowercase() || *c == '-')
            .collect();
        let begins = name.starts_with(|c: char| c.is_ascii_lowercase());
        if begins && !matches!(before, Some(c) if c.is_alphanumeric() || c == '-') {
            flags.insert(format!("--{}", name.trim_end_matches('-')));
        }
    }
    flags
}

#[test]
fn each_flag_and_command_that_a_document_names_is_there() {
    const COMMANDS: [&str; 20] = [
        "serve",
        "register",
        "deregister",
        "heartbeat",
        "health",
        "drain",
        "services",
        "instances",
        "zones",
        "set-zone",
        "set-service",
        "guard",
        "watch",
        "apply",
        "query",
        "check-config",
        "check-zone",
        "dump",
        "backup",
        "restore",
    ];
    // Of other programs.
    const OTHERS: [&str; 5] = ["--release", "--once", "--max-time", "--bench", "--locked"];
    let known: BTreeSet<String> = COMMANDS
        .iter()
        .flat_map(|command| flags(&run([command, "--help"]).stdout))
        .collect();
    assert!(known.contains("--data-dir") && known.len() > 30, "{known:?}");
    for path in [
        "README.md",
        "docs/API.md",
        "docs/OPERATING.md",
        "config.example.toml",
    ] {
        let text = read(path);
        for flag in flags(&text) {
            assert!(
                known.contains(&flag) || OTHERS.contains(&flag.as_str()),
                "{path} names {flag}, which no command has"
            );
        }
        for (at, _) in text.match_indices("callsign ") {
            // As a command: at the beginning of code or of a line of a transcript.
            if !matches!(text[..at].chars().next_back(), Some('`')) && !text[..at].ends_with("$ ") {
                continue;
            }
            let rest = &text[at + "callsign ".len()..];
            let word: String = rest
                .chars()
                .take_while(|c| c.is_ascii_lowercase() || *c == '-')
                .collect();
            let is_one = COMMANDS.contains(&word.as_str()) || word.is_empty() || word.starts_with("--");
            assert!(is_one, "{path} names callsign {word}, which is no command");
        }
    }
}

#[test]
fn sessions_are_read_as_they_are_written() {
    let markdown = "```console run\n$ a \\\n  b\nout … end\n\n$ c\n```\ntext\n```sh\nx\n```\n";
    let found = blocks(markdown);
    assert_eq!(
        found
            .iter()
            .map(|b| (b.info.as_str(), b.line))
            .collect::<Vec<_>>(),
        [("console run", 1), ("sh", 9)]
    );
    let commands = transcript(&found[0].text);
    assert_eq!(
        commands,
        [
            ("a   b".to_string(), vec!["out … end".to_string()]),
            ("c".to_string(), vec![])
        ]
    );
    assert!(shows("x\nout  1 2 end\n", "out … end") && shows("a  b", "a b"));
    assert!(!shows("out 1 2", "out … end") && !shows("a b c", "a b"));
    assert_eq!(
        flags("`--data-dir DIR` a--b --log-format, ---x --9"),
        ["--data-dir", "--log-format"].map(str::to_string).into()
    );
}
