//! The zones that all servers serve, and the names that stand in them.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::support::dns::name_wire;

/// Their origins, without the last dot; the file is `<origin>.zone`. The first is the parent of the others.
pub(super) const ORIGINS: [&str; 3] = ["example.org", "hosted.example.org", "star.example.org"];

/// The folder that holds the files and nothing else.
pub(super) fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/differential")
}

/// Every owner and the names between it and its origin, in wire form and lower case, sorted.
pub(super) fn names() -> Vec<Vec<u8>> {
    let mut names = BTreeSet::new();
    for origin in ORIGINS {
        let file = folder().join(format!("{origin}.zone"));
        let text = std::fs::read_to_string(file).expect("read a zone file");
        let apex = name_wire(origin);
        for owner in owners(&text) {
            let owner = if owner == "@" {
                apex.clone()
            } else {
                name_wire(&format!("{owner}.{origin}"))
            };
            let mut name = owner.to_ascii_lowercase();
            while name.len() >= apex.len() {
                // The name of 121 labels has more ancestors than all others together; few of them are enough.
                let labels = label_count(&name);
                if name.len() == owner.len() || labels <= 8 || labels.is_multiple_of(16) {
                    names.insert(name.clone());
                }
                name = parent(&name);
            }
        }
    }
    names.into_iter().collect()
}

/// What stands in the first column. Our files name each owner there, relative to the origin or `@`.
fn owners(text: &str) -> impl Iterator<Item = &str> {
    let lines = text.lines().filter(|line| {
        line.starts_with(|first: char| !first.is_whitespace() && first != ';' && first != '$')
    });
    lines.filter_map(|line| line.split_ascii_whitespace().next())
}

/// A name without its first label; the root is its own parent.
pub(super) fn parent(name: &[u8]) -> Vec<u8> {
    match name.first() {
        Some(0) | None => vec![0],
        Some(&length) => name[usize::from(length) + 1..].to_vec(),
    }
}

fn label_count(name: &[u8]) -> usize {
    let mut name = name.to_vec();
    let mut count = 0;
    while name.len() > 1 {
        name = parent(&name);
        count += 1;
    }
    count
}

/// Whether `name` is `ancestor` or below it, without regard to case.
pub(super) fn is_within(name: &[u8], ancestor: &[u8]) -> bool {
    let mut name = name.to_vec();
    while name.len() > ancestor.len() {
        name = parent(&name);
    }
    name.eq_ignore_ascii_case(ancestor)
}

#[test]
fn names_are_owners_and_what_lies_between() {
    let names = names();
    let has = |name: &str| names.contains(&name_wire(name));
    assert!(has("example.org") && has("www.example.org") && has("www.hosted.example.org"));
    assert!(has("below.ent.wild.example.org") || has("below.ent.example.org"));
    assert!(has("b.c.below.example.org"), "an empty non-terminal");
    assert!(has("esc\\.aped.example.org") && has("mixed.case.example.org"));
    assert!(!has("org") && !has("ns"));
    assert!(names.iter().any(|name| name.len() == 255));
}
