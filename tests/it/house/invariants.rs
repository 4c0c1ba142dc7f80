//! The invariants of docs/ARCHITECTURE.md: the tests that it names exist, and two of them are held by looking.

use std::collections::BTreeSet;

use super::{code_only, read, rust_files, tokens};

/// The tests of one file by their full names: `http_random::name`, `answer::tests::random::name`. A module in the file
/// is taken to be called `tests`.
fn tests_of(path: &str, source: &str) -> Vec<String> {
    let below = path.trim_start_matches("tests/it/").trim_start_matches("src/");
    let module = below
        .trim_end_matches(".rs")
        .trim_end_matches("/mod")
        .replace('/', "::");
    let code = code_only(source);
    let tokens = tokens(&code);
    let names = tokens.windows(2).filter(|pair| pair[0].text == "fn");
    names
        .flat_map(|pair| {
            [
                format!("{module}::{}", pair[1].text),
                format!("{module}::tests::{}", pair[1].text),
            ]
        })
        .collect()
}

/// The names in backticks that have `::` in each item of a numbered list, by the item's number.
fn named(markdown: &str) -> Vec<(String, Vec<String>)> {
    let mut items: Vec<(String, String)> = Vec::new();
    for line in markdown.lines() {
        match line.split_once(". ") {
            Some((number, _)) if number.parse::<u32>().is_ok() => {
                items.push((number.to_string(), line.to_string()));
            }
            _ => {
                if let Some((_, text)) = items.last_mut() {
                    text.push('\n');
                    text.push_str(line);
                }
            }
        }
    }
    let names = |text: String| {
        let quoted = text.split('`').skip(1).step_by(2);
        quoted
            .filter(|name| name.contains("::"))
            .map(str::to_string)
            .collect()
    };
    items
        .into_iter()
        .map(|(number, text)| (number, names(text)))
        .collect()
}

/// The functions of all sources by their full names, tests among them.
pub(crate) fn all_tests() -> BTreeSet<String> {
    let files = ["src", "tests/it"].into_iter().flat_map(rust_files);
    files
        .flat_map(|(path, source)| tests_of(&path, &source))
        .collect()
}

#[test]
fn each_invariant_names_tests_that_exist() {
    let there = all_tests();
    let document = read("docs/ARCHITECTURE.md");
    let section = document
        .split("\n## ")
        .find(|part| part.starts_with("Invariants"));
    let items = named(section.expect("a section on invariants"));
    assert!(items.len() >= 11, "{items:?}");
    for (number, names) in items {
        assert!(!names.is_empty(), "invariant {number} names no test");
        for name in names {
            assert!(
                there.contains(&name),
                "invariant {number} names {name}, which is no test"
            );
        }
    }
    assert_eq!(
        named("1. **A.** Held by: `a::b`,\n   `c` and `d::e`.\n2. B"),
        [
            ("1".to_string(), vec!["a::b".to_string(), "d::e".to_string()]),
            ("2".to_string(), Vec::new())
        ]
    );
}

/// What a module without I/O has no word for.
fn doors_outside(source: &str) -> Vec<String> {
    let code = code_only(source);
    let found = tokens(&code).into_iter().filter(|token| {
        matches!(
            token.text,
            "fs" | "process"
                | "env"
                | "thread"
                | "File"
                | "TcpStream"
                | "TcpListener"
                | "UdpSocket"
                | "tokio"
                | "Mutex"
                | "RwLock"
                | "SystemTime"
                | "Instant"
                | "println"
                | "eprintln"
        )
    });
    found
        .map(|token| format!("line {}: {}", token.line, token.text))
        .collect()
}

#[test]
fn catalog_and_answer_reach_for_nothing_outside() {
    let mut count = 0;
    for (path, source) in rust_files("src") {
        let is_pure = path.starts_with("src/catalog/") || path.starts_with("src/answer/");
        if is_pure && !path.contains("tests") {
            assert_eq!(doors_outside(&source), [""; 0], "in {path}");
            count += 1;
        }
    }
    assert!(count > 20, "{count} files are not all of them");
    assert_eq!(
        doors_outside("use std::fs;\n// fs\nlet now = Instant::now();"),
        ["line 1: fs", "line 3: Instant"]
    );
}

/// Whether a file makes a snapshot public.
fn publishes(source: &str) -> bool {
    code_only(source).contains(".publish(")
}

#[test]
fn only_the_writer_publishes() {
    let files = rust_files("src").into_iter();
    let publishing: Vec<_> = files
        .filter(|(path, source)| !path.contains("tests") && publishes(source))
        .map(|(path, _)| path)
        .collect();
    assert_eq!(publishing, ["src/writer/thread.rs"]);
    assert!(!publishes("// current.publish(next)\nfn publish() {}"));
}

#[test]
fn only_the_start_fills_and_releases_what_is_published() {
    let shows = |source: &str| {
        let code = code_only(source);
        [".fill(Snapshot", "current.release("].map(|call| code.contains(call))
    };
    let files = rust_files("src").into_iter();
    let showing: Vec<_> = files
        .filter(|(path, _)| !path.contains("tests"))
        .map(|(path, source)| (path, shows(&source)))
        .filter(|(_, shows)| shows.contains(&true))
        .collect();
    assert_eq!(showing, [("src/server/mod.rs".to_owned(), [true, true])]);
}
