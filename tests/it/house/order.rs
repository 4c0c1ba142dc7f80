//! The order of the modules: `docs/ARCHITECTURE.md` says it, and every path in `src/` is held against it.

use std::collections::{BTreeMap, BTreeSet};

use super::code::{Token, code_only, tokens};
use super::{read, rust_files};

/// The module table, read.
#[derive(Debug, Default, PartialEq, Eq)]
struct Table {
    places: BTreeMap<String, Place>,
    exceptions: BTreeSet<(String, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    row: u32,
    /// The table's line: modules that share one are one piece.
    line: usize,
}

impl Table {
    /// Reads the lines `| 2 | `store` | … |` and the one that begins with `Exceptions:`.
    fn parse(markdown: &str) -> Result<Self, String> {
        let mut table = Self::default();
        let mut has_exceptions = false;
        for (line, text) in markdown.lines().enumerate() {
            if let Some(exceptions) = text.strip_prefix("Exceptions:") {
                has_exceptions = true;
                for one in exceptions.split(',').filter(|one| one.contains('→')) {
                    let names: Vec<_> = in_backticks(one).collect();
                    let [from, to] = names[..] else {
                        return Err(format!("no exception: {one}"));
                    };
                    table.exceptions.insert((from.to_string(), to.to_string()));
                }
            }
            let cells: Vec<_> = text.split('|').map(str::trim).collect();
            let ["", row, modules, _, ..] = cells[..] else {
                continue;
            };
            let Ok(row) = row.parse() else { continue };
            for module in in_backticks(modules) {
                if table
                    .places
                    .insert(module.to_string(), Place { row, line })
                    .is_some()
                {
                    return Err(format!("`{module}` stands in the table twice"));
                }
            }
        }
        if table.places.is_empty() || !has_exceptions {
            return Err("no module table, or no line of exceptions".to_string());
        }
        Ok(table)
    }

    fn allows(&self, from: &str, to: &str) -> bool {
        let (Some(of_from), Some(of_to)) = (self.places.get(from), self.places.get(to)) else {
            return false;
        };
        from == to
            || of_to.row < of_from.row
            || of_to.line == of_from.line
            || self.exceptions.contains(&(from.to_string(), to.to_string()))
    }

    /// What is wrong with a tree of files, given by their paths below `src/` and their texts.
    fn violations(&self, files: &[(String, String)]) -> Vec<String> {
        let mut wrong = Vec::new();
        let modules: BTreeSet<String> = files
            .iter()
            .filter_map(|(path, _)| module_path(path).first().cloned())
            .collect();
        for module in &modules {
            if !self.places.contains_key(module) {
                wrong.push(format!("`{module}` is in src and not in the table"));
            }
        }
        for module in self.places.keys().filter(|module| !modules.contains(*module)) {
            wrong.push(format!("`{module}` is in the table and not in src"));
        }
        for (from, to) in &self.exceptions {
            if !(modules.contains(from) && modules.contains(to)) {
                wrong.push(format!(
                    "the exception `{from}` → `{to}` names a module that is not in src"
                ));
            }
        }
        for (path, source) in files {
            let code = code_only(source);
            let tokens = tokens(&code);
            let own_path = module_path(path);
            let Some(own) = own_path.first() else {
                wrong.extend(self.order_of_map(&tokens));
                continue;
            };
            for used in root_names(&own_path, &tokens) {
                if !self.allows(own, used.text) {
                    let to = used.text;
                    wrong.push(format!(
                        "src/{path}:{}: `{own}` uses `{to}`, which is not above it",
                        used.line
                    ));
                }
            }
        }
        wrong
    }

    /// `lib.rs` is a map: its modules stand in the order of the table.
    fn order_of_map(&self, tokens: &[Token<'_>]) -> Vec<String> {
        let named = tokens
            .windows(2)
            .filter(|pair| pair[0].text == "mod")
            .map(|pair| pair[1].text);
        let rows: Vec<_> = named
            .filter_map(|name| Some((name, self.places.get(name)?.row)))
            .collect();
        let out_of_order = rows.windows(2).filter(|pair| pair[0].1 > pair[1].1);
        out_of_order
            .map(|pair| format!("lib.rs: `{}` stands after `{}`", pair[1].0, pair[0].0))
            .collect()
    }
}

fn in_backticks(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The module that a file below `src/` holds; empty for `lib.rs`.
fn module_path(path: &str) -> Vec<String> {
    let stem = path.strip_suffix(".rs").unwrap_or(path);
    let stem = stem.strip_suffix("/mod").unwrap_or(stem);
    if stem == "lib" {
        Vec::new()
    } else {
        stem.split('/').map(str::to_string).collect()
    }
}

/// Every name directly below the crate's root that the code of a module reaches for, by `crate::`, by the crate's
/// own name or by enough `super::`.
fn root_names<'a>(own_path: &[String], tokens: &[Token<'a>]) -> Vec<Token<'a>> {
    let mut names = Vec::new();
    let mut depth = 0;
    // The inline modules around the token, by the depth of their braces. A file's root is not `main` but above it.
    let file_depth = if own_path == ["main"] { 0 } else { own_path.len() };
    let mut inline: Vec<usize> = Vec::new();
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text);
    let mut at = 0;
    while at < tokens.len() {
        let before = at.checked_sub(1).map_or("", text);
        match text(at) {
            "{" => depth += 1,
            "}" => {
                depth -= 1;
                inline.pop_if(|own| *own == depth);
            }
            "mod" if text(at + 2) == "{" => inline.push(depth),
            "crate" | "callsign" if text(at + 1) == "::" && before != "::" => {
                names.extend(first_names(tokens, at + 2));
            }
            "super" if before != "::" || at.checked_sub(2).map_or("", text) == "self" => {
                let mut climbed = 1;
                while text(at + 1) == "::" && text(at + 2) == "super" {
                    climbed += 1;
                    at += 2;
                }
                let reached = first_names(tokens, at + 2);
                if text(at + 1) == "::" && climbed >= file_depth + inline.len() {
                    names.extend(reached);
                } else {
                    // `super::{super::…}` climbs where this does not look: it counts as a path to `super`, which is
                    // no module.
                    names.extend(reached.into_iter().filter(|name| name.text == "super"));
                }
            }
            _ => {}
        }
        at += 1;
    }
    names
}

/// The name at `at`, or those at the top of the braces that open there.
fn first_names<'a>(tokens: &[Token<'a>], at: usize) -> Vec<Token<'a>> {
    let Some(first) = tokens.get(at).copied() else {
        return Vec::new();
    };
    if first.text != "{" {
        return vec![first];
    }
    let mut names = Vec::new();
    let mut depth = 0;
    for pair in tokens[at..].windows(2) {
        match pair[0].text {
            "{" => depth += 1,
            "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            break;
        }
        let starts = matches!(pair[0].text, "{" | ",") && depth == 1;
        if starts && (pair[1].is_word() || pair[1].text == "*") {
            names.push(pair[1]);
        }
    }
    names
}

#[test]
fn each_module_uses_only_those_above_it() {
    let table = Table::parse(&read("docs/ARCHITECTURE.md")).expect("the module table");
    let files: Vec<_> = rust_files("src")
        .into_iter()
        .map(|(path, source)| (path.strip_prefix("src/").expect("below src").to_string(), source))
        .collect();
    assert_eq!(table.violations(&files), [""; 0]);
}

#[cfg(test)]
mod samples {
    use super::*;

    const TABLE: &str = "\
| row | module | what | crates |
|---|---|---|---|
| 0 | `low` | a `word` in code | – |
| 1 | `left` | – | – |
| 1 | `right` | – | – |
| 7 | `main`, `cli` | – | – |

Exceptions: none.
";

    fn table() -> Table {
        Table::parse(TABLE).unwrap()
    }

    /// A tree in order, with one file in the place of its own.
    fn violations(path: &str, source: &str) -> Vec<String> {
        let mut files = BTreeMap::from([
            (
                "lib.rs",
                "pub mod low;\npub mod left;\npub mod right;\npub mod cli;",
            ),
            ("low.rs", ""),
            ("left/mod.rs", "use crate::low;"),
            ("right.rs", "pub fn f() { crate::low::f() }"),
            ("main.rs", "fn main() { callsign::cli::run() }"),
            ("cli.rs", "use crate::{left, right::f};"),
        ]);
        files.insert(path, source);
        let files: Vec<_> = files
            .iter()
            .map(|(path, source)| (path.to_string(), source.to_string()))
            .collect();
        table().violations(&files)
    }

    #[test]
    fn a_tree_in_order_passes() {
        assert_eq!(
            violations("low.rs", "use crate::low::x; // crate::left\n"),
            [""; 0]
        );
    }

    #[test]
    fn each_way_to_reach_up_or_aside_is_seen() {
        for (path, source) in [
            ("low.rs", "use crate::left;"),
            ("low.rs", "fn f() { crate::left::g(); }"),
            ("low.rs", "use crate::{\n    low::x,\n    left::{a, b},\n};"),
            ("low.rs", "use crate::{low::{x, y}, left};"),
            ("low.rs", "use super::left;"),
            ("low.rs", "use self::super::left;"),
            ("low.rs", "#[cfg(test)]\nmod tests { use super::super::left; }"),
            ("low.rs", "use callsign::left;"),
            ("low.rs", "use crate::*;"),
            ("low.rs", "macro_rules! m { () => { $crate::left::f() } }"),
            ("low/tests.rs", "use crate::left;"),
            ("low/deep/mod.rs", "use super::super::left;"),
            ("low/deep/mod.rs", "use super::{super::left, x};"),
            ("left/batch.rs", "use crate::right::f;"),
            ("left/mod.rs", "use crate::main;"),
            ("low.rs", "pub fn f() -> Result<(), crate::Error> {}"),
        ] {
            let wrong = violations(path, source);
            assert_eq!(wrong.len(), 1, "{path}: {source}: {wrong:?}");
            assert!(wrong[0].starts_with(&format!("src/{path}:")), "{wrong:?}");
        }
    }

    #[test]
    fn paths_within_a_module_are_its_own_affair() {
        for (path, source) in [
            ("left/batch.rs", "use super::x; use super::super::low;"),
            (
                "left/deep/mod.rs",
                "use super::super::low; use crate::left::deep::y; pub(in crate::left) fn f() {}",
            ),
            ("left/deep/inner.rs", "use super::super::right_is_no_module_here;"),
            (
                "low.rs",
                "pub(crate) fn f() {} mod tests { use super::*; mod more { use super::super::*; } }",
            ),
            ("low.rs", "mod a { fn f() {} } fn g() {} mod b { use super::*; }"),
            ("cli.rs", "use callsign::right;"),
            ("main.rs", "mod more { use super::cli; }"),
        ] {
            assert_eq!(violations(path, source), [""; 0], "{path}: {source}");
        }
    }

    #[test]
    fn after_an_inline_module_its_depth_is_gone() {
        let wrong = violations("low.rs", "mod a { fn f() {} }\nuse super::left;");
        assert_eq!(wrong, ["src/low.rs:2: `low` uses `left`, which is not above it"]);
    }

    #[test]
    fn table_and_tree_name_the_same_modules() {
        assert_eq!(
            violations("new/deep.rs", ""),
            ["`new` is in src and not in the table"]
        );
        let files = [
            ("lib.rs", ""),
            ("low.rs", ""),
            ("left.rs", ""),
            ("main.rs", ""),
            ("cli.rs", ""),
        ];
        let files: Vec<_> = files
            .map(|(path, source)| (path.to_string(), source.to_string()))
            .into();
        assert_eq!(
            table().violations(&files),
            ["`right` is in the table and not in src"]
        );
    }

    #[test]
    fn the_map_stands_in_the_order_of_the_table() {
        let wrong = violations("lib.rs", "pub mod left;\npub mod low;");
        assert_eq!(wrong, ["lib.rs: `low` stands after `left`"]);
    }

    #[test]
    fn an_exception_allows_one_direction() {
        let markdown = TABLE.replace("none", "`left` → `right`");
        let table = Table::parse(&markdown).unwrap();
        assert!(table.allows("left", "right"));
        assert!(!table.allows("right", "left"));
        let gone = Table::parse(&TABLE.replace("none", "`left` → `gone`")).unwrap();
        assert!(
            gone.violations(&[])[0..]
                .iter()
                .any(|wrong| wrong.contains("`left` → `gone`"))
        );
    }

    #[test]
    fn a_table_that_cannot_be_read_is_refused() {
        assert!(Table::parse("no table\nExceptions: none.").is_err());
        assert!(Table::parse(&TABLE.replace("Exceptions", "exceptions")).is_err());
        assert!(Table::parse(&TABLE.replace("`right`", "`left`")).is_err());
        assert!(Table::parse(&TABLE.replace("none", "`left` → right")).is_err());
    }
}
