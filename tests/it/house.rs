//! The house rules as tests. Each rule is a function from text to what is wrong with it, held against the real tree,
//! and beside it against a sample that breaks it: a rule that cannot fail holds nothing.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::support::program::{Finished, finish};

use code::{code_only, tokens};

#[path = "house/code.rs"]
mod code;
#[path = "house/invariants.rs"]
pub(crate) mod invariants;
#[path = "house/order.rs"]
mod order;

/// No file of `src/` is longer: past this it holds a second idea.
const SOURCE_LINES_MAX: usize = 600;

/// The files that may say `unsafe`: those of one module because system calls need it, and one because an allocator that
/// counts does.
const UNSAFE_FILES: [&str; 5] = [
    "src/dns/datagrams/control.rs",
    "src/dns/datagrams/linux.rs",
    "src/dns/datagrams/means.rs",
    "src/dns/datagrams/options.rs",
    "src/answer/tests/allocations.rs",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A file of the repository.
fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("read {path}: {error}"))
}

/// The files below a folder of the repository, by their paths from its root, sorted. Built and hidden things are none.
fn files_below(folder: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in
            fs::read_dir(&folder).unwrap_or_else(|error| panic!("read {}: {error}", folder.display()))
        {
            let path = entry.expect("an entry of a folder").path();
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            if path.is_dir() && !name.starts_with('.') && name != "target" && name != "callsign-data" {
                folders.push(path);
            } else if path.is_file() {
                files.push(path.strip_prefix(root()).expect("below the root").to_path_buf());
            }
        }
    }
    files.sort();
    files
}

/// The Rust files below a folder: path and text.
fn rust_files(folder: &str) -> Vec<(String, String)> {
    let files = files_below(folder)
        .into_iter()
        .filter(|path| path.extension().is_some_and(|e| e == "rs"));
    files
        .map(|path| path.to_string_lossy().into_owned())
        .map(|path| (path.clone(), read(&path)))
        .collect()
}

/// What a rule finds in each Rust file of these folders, as `file: what`.
fn in_each_file(folders: &[&str], rule: fn(&str) -> Vec<String>) -> Vec<String> {
    let mut found = Vec::new();
    for (path, source) in folders.iter().flat_map(|folder| rust_files(folder)) {
        found.extend(rule(&source).into_iter().map(|what| format!("{path}: {what}")));
    }
    found
}

/// Unfinished work: `todo!`, `unimplemented!`, `dbg!`, and tests that do not run.
fn unfinished(source: &str) -> Vec<String> {
    let code = code_only(source);
    let tokens = tokens(&code);
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let text = |offset: usize| tokens.get(at + offset).map_or("", |token| token.text);
        if matches!(token.text, "todo" | "unimplemented" | "dbg") && text(1) == "!" {
            found.push(format!("line {}: {}!", token.line, token.text));
        }
        if token.text == "#" {
            let open = if text(1) == "!" { 2 } else { 1 };
            let inside = tokens[at..]
                .iter()
                .skip(open)
                .take_while(|token| token.text != "]");
            let is_conditional = text(open + 1) == "cfg_attr";
            let words: Vec<_> = inside
                .skip(1)
                .take(if is_conditional { usize::MAX } else { 1 })
                .collect();
            if text(open) == "[" && words.iter().any(|word| word.text == "ignore") {
                found.push(format!("line {}: a test that is ignored", token.line));
            }
        }
    }
    found
}

#[test]
fn nothing_is_left_unfinished() {
    assert_eq!(in_each_file(&["src", "tests"], unfinished), [""; 0]);
    for broken in [
        "fn f() { todo!() }",
        "fn f() { unimplemented!(\"x\") }",
        "fn f() { dbg!(1); }",
        "#[test]\n#[ignore]\nfn f() {}",
        "#[ignore = \"slow\"]\nfn f() {}",
        "#[cfg_attr(not(unix), ignore)]\nfn f() {}",
    ] {
        assert_eq!(unfinished(broken).len(), 1, "{broken}");
    }
    let fine = "// todo!()\nlet todo = \"dbg!(#[ignore])\"; #[serde(ignore_unknown)] #[allow(unused)] fn ignore() {}";
    assert_eq!(unfinished(fine), [""; 0]);
}

/// Dependencies without a comment line just above that gives the reason.
fn without_reason(manifest: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut above = "";
    let mut in_dependencies = false;
    // Within the brackets of an entry that takes several lines.
    let mut depth = 0_isize;
    for line in manifest.lines().map(str::trim) {
        let is_comment = line.starts_with('#');
        let has_reason = above.starts_with('#') && above.trim_start_matches('#').trim().len() >= 10;
        if !is_comment && depth == 0 {
            if let Some(section) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                in_dependencies = section.ends_with("dependencies");
                // `[dependencies.name]` is one by itself.
                if section.contains("dependencies.") && !has_reason {
                    found.push(section.to_string());
                }
            } else if in_dependencies && !line.is_empty() && !has_reason {
                found.push(line.split(['=', '.', ' ']).next().unwrap_or_default().to_string());
            }
        }
        if !is_comment {
            depth += line.matches(['[', '{']).count() as isize - line.matches([']', '}']).count() as isize;
        }
        above = line;
    }
    found
}

#[test]
fn each_dependency_says_why_it_is_here() {
    assert_eq!(without_reason(&read("Cargo.toml")), [""; 0]);
    let sample = "\
[package]
name = \"x\"

[dependencies]
# Because it is needed here.
a = \"1\"
b = \"1\"
#
c = { version = \"1\", features = [
    \"d\",
] }
# Because of several lines, each its own.
e = { version = \"1\", features = [
    \"f\",
] }

[dev-dependencies]
g.workspace = true

[target.'cfg(unix)'.dependencies]
h = \"1\"

[dependencies.i]
version = \"1\"

[lints.rust]
j = \"warn\"
";
    assert_eq!(without_reason(sample), ["b", "c", "g", "h", "dependencies.i"]);
}

/// The lines that say `unsafe`.
fn unsafe_lines(source: &str) -> Vec<String> {
    let code = code_only(source);
    let found = tokens(&code).into_iter().filter(|token| token.text == "unsafe");
    found
        .map(|token| format!("line {}: unsafe", token.line))
        .collect()
}

#[test]
fn unsafe_stands_only_where_it_is_listed() {
    let found = in_each_file(&["src", "tests"], unsafe_lines);
    let is_listed = |line: &String| {
        UNSAFE_FILES
            .iter()
            .any(|path| line.starts_with(&format!("{path}:")))
    };
    let unlisted: Vec<_> = found.iter().filter(|line| !is_listed(line)).collect();
    assert_eq!(unlisted, [""; 0]);
    for path in UNSAFE_FILES {
        let needs_it = found.iter().any(|line| line.starts_with(&format!("{path}:")));
        assert!(needs_it, "{path} is on the list and says no unsafe: take it off");
    }
    assert_eq!(
        unsafe_lines("fn f() {\n    unsafe { g() }\n}"),
        ["line 2: unsafe"]
    );
    assert_eq!(
        unsafe_lines("#![deny(unsafe_code)] // unsafe\nlet x = \"unsafe\";"),
        [""; 0]
    );
}

/// What ties types to a wire or a file.
fn serialization(source: &str) -> Vec<String> {
    let code = code_only(source);
    let found = tokens(&code).into_iter().filter(|token| {
        matches!(
            token.text,
            "Serialize" | "Deserialize" | "serde" | "serde_json" | "rusqlite" | "ToSql" | "FromSql"
        )
    });
    found
        .map(|token| format!("line {}: {}", token.line, token.text))
        .collect()
}

#[test]
fn catalog_derives_no_serialize() {
    let files: Vec<_> = rust_files("src")
        .into_iter()
        .filter(|(path, _)| path.starts_with("src/catalog/") || path == "src/catalog.rs")
        .collect();
    assert!(!files.is_empty(), "there is no catalog to look at");
    for (path, source) in files {
        assert_eq!(serialization(&source), [""; 0], "in {path}");
    }
    assert_eq!(
        serialization("#[derive(Clone, Serialize)]\nstruct S;"),
        ["line 1: Serialize"]
    );
    assert_eq!(
        serialization("/// Never `Serialize`.\n#[derive(Clone)]\nstruct S;"),
        [""; 0]
    );
}

/// Whether a file is too long, and how long.
fn too_long(source: &str) -> Vec<String> {
    let lines = source.lines().count();
    if lines > SOURCE_LINES_MAX {
        vec![format!("{lines} lines")]
    } else {
        Vec::new()
    }
}

#[test]
fn no_source_file_is_too_long() {
    assert_eq!(in_each_file(&["src"], too_long), [""; 0]);
    assert_eq!(too_long(&"\n".repeat(SOURCE_LINES_MAX)), [""; 0]);
    assert_eq!(too_long(&"\n".repeat(SOURCE_LINES_MAX + 1)), ["601 lines"]);
}

/// What is wrong with what a script said when it was asked for help.
fn unhelpful(help: &Finished) -> Option<&'static str> {
    if help.code != Some(0) {
        Some("--help does not exit 0")
    } else if !help.stdout.starts_with("Usage: scripts/") {
        Some("--help does not begin with its usage")
    } else {
        None
    }
}

#[test]
fn each_script_prints_its_usage() {
    let scripts: Vec<_> = fs::read_dir(root().join("scripts"))
        .expect("read scripts")
        .map(|entry| entry.expect("an entry of scripts").path())
        .filter(|path| path.is_file())
        .collect();
    assert!(!scripts.is_empty(), "there are no scripts to ask");
    for script in scripts {
        let mode = fs::metadata(&script)
            .expect("look at a script")
            .permissions()
            .mode();
        assert_ne!(mode & 0o100, 0, "{} is not executable", script.display());
        let mut command = Command::new(&script);
        // From elsewhere: a script finds its own repository.
        command.arg("--help").current_dir("/");
        let help = finish(command, b"", Duration::from_secs(20));
        assert_eq!(unhelpful(&help), None, "{}: {help:?}", script.display());
    }
    let said = |code, stdout: &str| Finished {
        code,
        stdout: stdout.to_string(),
        stderr: String::new(),
    };
    assert_eq!(unhelpful(&said(Some(0), "Usage: scripts/test [--help]\n")), None);
    assert!(unhelpful(&said(Some(2), "Usage: scripts/test [--help]\n")).is_some());
    assert!(unhelpful(&said(None, "Usage: scripts/test [--help]\n")).is_some());
    assert!(unhelpful(&said(Some(0), "")).is_some());
}

/// The targets of a Markdown text's links that are files: no addresses, and no places in the text itself.
fn file_links(markdown: &str) -> Vec<String> {
    let mut links = Vec::new();
    let mut in_fence = false;
    for line in markdown.lines() {
        if line.trim_start().starts_with("```") {
            in_fence = !in_fence;
        }
        if in_fence {
            continue;
        }
        // What stands between backticks is code.
        let prose: Vec<_> = line.split('`').step_by(2).collect();
        let prose = prose.join("`");
        links.extend(
            prose
                .split("](")
                .skip(1)
                .filter_map(|rest| rest.split(')').next())
                .map(str::to_string),
        );
        if let Some((_, target)) = prose.strip_prefix('[').and_then(|rest| rest.split_once("]: ")) {
            links.push(target.to_string());
        }
    }
    let targets = links.iter().filter_map(|link| {
        // Without a title and without a place in the file.
        let target = link.split_whitespace().next()?.trim_matches(['<', '>']);
        let file = target.split('#').next()?;
        (!file.is_empty() && !target.contains("://") && !target.starts_with("mailto:")).then_some(file)
    });
    targets.map(str::to_string).collect()
}

/// The links of a Markdown file in `folder` that lead to nothing.
fn dead_links(folder: &Path, markdown: &str) -> Vec<String> {
    file_links(markdown)
        .into_iter()
        .filter(|link| !folder.join(link).exists())
        .collect()
}

#[test]
fn links_lead_to_files() {
    let files = files_below(".")
        .into_iter()
        .filter(|path| path.extension().is_some_and(|e| e == "md"));
    for path in files {
        let folder = root().join(&path);
        let folder = folder.parent().expect("a file is in a folder");
        let dead = dead_links(folder, &read(&path.to_string_lossy()));
        assert_eq!(dead, [""; 0], "in {}", path.display());
    }
    let sample = "\
[a](Cargo.toml) and [b](gone.md#part), ![c](docs/gone.png \"title\") [d](#here) [e](https://example.org/x)
[f]: <gone/f.md>
`[g](code.md)`
```text
[h](fenced.md)
```
[i](src/lib.rs#L1)
";
    assert_eq!(
        dead_links(root(), sample),
        ["gone.md", "docs/gone.png", "gone/f.md"]
    );
}
