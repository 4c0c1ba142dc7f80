//! Conformance: a case for each rule that an authoritative server has to keep, sent as octets over UDP and TCP and
//! judged octet by octet.
//!
//! - [`rules`]: the rules, and which tests hold those that are no question and answer.
//! - [`case`]: what a case is. [`judge`] holds a reply against it, [`run`] sends a table.
//! - [`served`]: what the server under test serves.
//! - The tables: [`header`], [`gate`], [`streams`], [`edns`], [`rfc8906`], [`names`], [`instances`], [`sizes`] of
//!   services; [`dns_sd`] and [`reverse`]; [`records`], [`beside`], [`aliases`], [`dname`], [`wildcards`] and
//!   [`delegations`] of static records, whose text is in [`zone_file`].

mod aliases;
mod beside;
mod case;
mod delegations;
mod dname;
mod dns_sd;
mod edns;
mod gate;
mod header;
mod instances;
mod judge;
mod names;
mod records;
mod reverse;
mod rfc8906;
mod rules;
mod run;
mod served;
mod sizes;
mod streams;
mod wildcards;
mod zone_file;

use std::collections::BTreeSet;
use std::fs;

use crate::house::invariants::all_tests;

use case::Case;
use rules::{HELD_ELSEWHERE, NOT_HELD, RULES};

/// What needs services alone.
fn of_services() -> Vec<Case> {
    [
        header::cases(),
        gate::cases(),
        streams::cases(),
        edns::cases(),
        rfc8906::cases(),
        names::cases(),
        instances::cases(),
        sizes::cases(),
    ]
    .concat()
}

/// What needs static records.
fn of_static_records() -> Vec<Case> {
    [
        records::cases(),
        beside::cases(),
        aliases::cases(),
        dname::cases(),
        wildcards::cases(),
        delegations::cases(),
    ]
    .concat()
}

#[test]
fn services_are_answered_by_the_rules() {
    let program = served::services();
    run::run(program.dns, &of_services());
}

#[test]
fn static_records_are_answered_by_the_rules() {
    let program = served::static_records();
    run::run(program.dns, &of_static_records());
}

#[test]
fn wrong_zone_files_are_refused_with_file_and_line() {
    zone_file::wrong_files();
}

#[test]
fn dns_sd_is_answered_by_the_rules() {
    let program = served::dns_sd();
    run::run(program.dns, &dns_sd::cases());
}

#[test]
fn reverse_names_are_answered_by_the_rules() {
    let program = served::reverse();
    run::run(program.dns, &reverse::cases());
}

#[test]
fn each_rule_has_a_case_or_says_which_tests_hold_it() {
    let tables = [
        of_services(),
        of_static_records(),
        dns_sd::cases(),
        reverse::cases(),
    ]
    .concat();
    println!("{} cases", tables.len());
    assert!(tables.len() >= 200, "{} cases", tables.len());
    let known: BTreeSet<&str> = RULES.iter().map(|(id, _)| *id).collect();
    assert_eq!(known.len(), RULES.len(), "a rule stands there twice");
    let mut held: BTreeSet<&str> = tables.iter().map(|case| case.rule).collect();
    // Files are read before anything can be asked: their cases are another table.
    held.extend(zone_file::FILE_RULES);
    let groups: BTreeSet<&str> = held.iter().filter_map(|id| id.split('.').next()).collect();
    let wanted = "a b c d e f g h j k l m n o p gate static tcp";
    assert_eq!(groups, wanted.split(' ').collect(), "the groups that have cases");
    let there = all_tests();
    for (id, tests) in HELD_ELSEWHERE {
        for test in *tests {
            assert!(there.contains(*test), "{id} names {test}, which is no test");
        }
        held.insert(id);
    }
    for (id, _) in NOT_HELD {
        assert!(held.insert(id), "{id} is held: take it off the list");
    }
    let unknown: Vec<_> = held.difference(&known).collect();
    assert!(
        unknown.is_empty(),
        "cases of rules that do not exist: {unknown:?}"
    );
    let without: Vec<_> = known.difference(&held).collect();
    assert!(without.is_empty(), "rules that nothing holds: {without:?}");
}

/// The numbers in a text that `RFC` stands before, those of a list too: `RFC 2308 §5, 8020 §2` has two.
fn rfcs(text: &str) -> BTreeSet<u32> {
    let Some((_, text)) = text.split_once("RFC ") else {
        return BTreeSet::new();
    };
    // What a colon ends is words.
    let list = text.split(':').next().unwrap_or_default();
    let words = list.split([',', ' ']).filter(|word| word.len() == 4);
    words.filter_map(|word| word.parse().ok()).collect()
}

#[test]
fn each_rfc_that_a_case_cites_stands_in_the_readme() {
    let readme = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let readme = fs::read_to_string(readme).expect("read the README");
    let section = readme.split("\n## ").find(|part| part.starts_with("RFCs served"));
    let rows = section
        .expect("a section on RFCs")
        .lines()
        .filter_map(|line| line.split('|').nth(1));
    let there: BTreeSet<u32> = rows
        .flat_map(|cell| cell.split(|c: char| !c.is_ascii_digit()))
        .filter_map(|number| number.parse().ok())
        .collect();
    let tables = [
        of_services(),
        of_static_records(),
        dns_sd::cases(),
        reverse::cases(),
    ]
    .concat();
    let cited: BTreeSet<u32> = tables.iter().flat_map(|case| rfcs(case.source)).collect();
    assert!(cited.len() > 25, "{cited:?}");
    let missing: Vec<_> = cited.difference(&there).collect();
    assert!(missing.is_empty(), "the README says nothing of {missing:?}");
    assert_eq!(
        rfcs("RFC 2308 §5, 8020 §2: 1035 or 15 octets"),
        [2308, 8020].into()
    );
    assert_eq!(rfcs("contract"), [].into());
}
