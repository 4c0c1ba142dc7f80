//! Tests of the parser: text in, records or findings out.

mod errors;
mod folder;
mod lint;
mod syntax;
mod wire;

use crate::catalog::ZoneName;

use super::findings::Findings;
use super::parse;

/// The zone of the tests.
fn origin() -> ZoneName {
    ZoneName::parse("example.org").expect("a zone")
}

/// The records as text for comparison (owner, TTL, type, data in hexadecimal, line), and the findings.
fn read(text: &[u8]) -> (Vec<String>, Vec<String>) {
    read_from(text)
}

fn read_from(from: impl std::io::Read) -> (Vec<String>, Vec<String>) {
    let mut records = Vec::new();
    let mut findings = Findings::default();
    parse::read(from, &origin(), &mut findings, |record| {
        records.push(format!(
            "{} {} {} {} @{}",
            crate::catalog::contents::text(record.owner),
            record.ttl,
            super::types::name(record.rtype),
            hex(record.data),
            record.line
        ));
    })
    .expect("it can be read");
    let found = findings.with(Vec::new());
    let found = found
        .iter()
        .map(|f| format!("{}: {}: {}", f.line, f.severity, f.message));
    (records, found.collect())
}

/// The data of one record, or what is wrong with it.
fn record(text: &str) -> Result<Vec<u8>, String> {
    let mut data = None;
    let mut findings = Findings::default();
    parse::read(
        format!("@ 60 {text}\n").as_bytes(),
        &origin(),
        &mut findings,
        |record| {
            data = Some(record.data.to_vec());
        },
    )
    .expect("a slice can be read");
    match data {
        Some(data) => Ok(data),
        None => Err(findings.with(Vec::new())[0].message.clone()),
    }
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}
