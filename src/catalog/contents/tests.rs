//! What a zone file's records become.

use super::*;
use crate::catalog::ZoneName;

/// Wire form of a name of plain labels.
fn wire(name: &str) -> Vec<u8> {
    let mut wire = Vec::new();
    for label in name.split('.').filter(|label| !label.is_empty()) {
        wire.push(label.len() as u8);
        wire.extend_from_slice(label.as_bytes());
    }
    wire.push(0);
    wire
}

fn relative(name: &str) -> Vec<u8> {
    let mut wire = wire(name);
    wire.pop();
    wire
}

type Given<'a> = (&'a str, u16, Vec<u8>);

fn build(records: &[Given<'_>]) -> Result<(Contents, Vec<Finding>), Vec<Finding>> {
    let apex = ZoneName::parse("example.org").expect("a zone");
    let mut builder = Builder::new(&apex);
    for (line, (owner, rtype, data)) in records.iter().enumerate() {
        builder.push(&wire(owner), *rtype, 300, data, line as u32 + 1);
    }
    builder.finish()
}

fn contents(records: &[Given<'_>]) -> Contents {
    build(records).expect("nothing is wrong").0
}

fn a(last: u8) -> Vec<u8> {
    vec![192, 0, 2, last]
}

fn messages(findings: &[Finding]) -> Vec<String> {
    let line = |finding: &Finding| format!("{}: {}: {}", finding.line, finding.severity, finding.message);
    findings.iter().map(line).collect()
}

#[test]
fn names_are_found_in_any_case_and_records_in_order() {
    let contents = contents(&[
        ("WWW.Example.ORG", types::A, a(2)),
        ("www.example.org", types::A, a(1)),
        ("example.org", types::NS, wire("ns.example.org")),
    ]);
    let node = contents.node(&relative("www")).expect("it is there");
    let rrset = node.rrset(types::A).expect("it has addresses");
    assert_eq!(rrset.data().collect::<Vec<_>>(), [&a(1)[..], &a(2)[..]]);
    assert!(contents.node(&relative("ww")).is_none());
    assert!(contents.apex().rrset(types::NS).is_some());
    assert_eq!((contents.records(), contents.names()), (3, 2));
}

#[test]
fn names_above_a_record_exist_without_records() {
    let contents = contents(&[("a.b.c.example.org", types::A, a(1))]);
    for name in ["c", "b.c"] {
        assert!(
            !contents.node(&relative(name)).expect("it exists").has_records(),
            "{name}"
        );
    }
    assert!(
        contents
            .node(&relative("a.b.c"))
            .expect("it exists")
            .has_records()
    );
    assert!(contents.node(&relative("a.c")).is_none());
}

#[test]
fn wildcards_are_marked_above() {
    let contents = contents(&[
        ("*.example.org", types::A, a(1)),
        ("x*.b.example.org", types::A, a(1)),
        ("*.d.example.org", types::A, a(1)),
    ]);
    assert!(contents.apex().has_wildcard_below());
    assert!(
        !contents
            .node(&relative("b"))
            .expect("it exists")
            .has_wildcard_below()
    );
    assert!(
        contents
            .node(&relative("d"))
            .expect("it exists")
            .has_wildcard_below()
    );
    assert!(contents.node(&relative("*")).is_some());
}

#[test]
fn equal_records_are_kept_once_and_names_are_equal_without_case() {
    let contents = contents(&[
        ("example.org", types::NS, wire("NS.example.org")),
        ("example.org", types::NS, wire("ns.example.org")),
        ("m.example.org", types::MX, [&[0, 65][..], &wire("a")].concat()),
        ("m.example.org", types::MX, [&[0, 97][..], &wire("a")].concat()),
    ]);
    assert_eq!(contents.apex().rrset(types::NS).expect("it is there").len(), 1);
    let node = contents.node(&relative("m")).expect("it exists");
    assert_eq!(
        node.rrset(types::MX).expect("it is there").len(),
        2,
        "preferences are no letters"
    );
}

#[test]
fn octets_that_are_no_letters_keep_names_apart() {
    let apex = ZoneName::parse("example.org").expect("a zone");
    let mut builder = Builder::new(&apex);
    let odd: [&[u8]; 5] = [b"\x03a\0b", b"\x03a\x01b", b"\x03a\x02b", b"\x01a", b"\x02a\0"];
    for (line, label) in odd.iter().enumerate() {
        let owner = [label, &wire("example.org")[..]].concat();
        builder.push(&owner, types::A, 5, &a(line as u8), 1);
    }
    let (contents, _) = builder.finish().expect("nothing is wrong");
    for (at, label) in odd.iter().enumerate() {
        let node = contents.node(label).expect("it exists");
        assert_eq!(node.name(), *label);
        let data = node.rrset(types::A).and_then(|rrset| rrset.data().next());
        assert_eq!(data, Some(&a(at as u8)[..]));
    }
}

#[test]
fn below_a_delegation_addresses_are_glue_and_the_rest_is_left_out() {
    let (contents, findings) = build(&[
        ("example.org", types::NS, wire("ns.example.org")),
        ("sub.example.org", types::NS, wire("ns.sub.example.org")),
        ("sub.example.org", types::DS, vec![0, 1, 8, 2, 1]),
        ("sub.example.org", types::TXT, vec![1, 1]),
        ("ns.sub.example.org", types::A, a(1)),
        ("ns.sub.example.org", types::TXT, vec![1, 1]),
        ("x.sub.example.org", types::MX, vec![0, 1, 0]),
        ("sub2.example.org", types::TXT, vec![0]),
    ])
    .expect("nothing is wrong");
    assert!(contents.node(&relative("sub")).expect("it exists").is_cut());
    let glue = contents.node(&relative("ns.sub")).expect("it exists");
    assert!(glue.is_glue() && glue.rrset(types::TXT).is_none() && glue.rrset(types::A).is_some());
    assert!(contents.node(&relative("x.sub")).is_none());
    assert!(!contents.node(&relative("sub2")).expect("it exists").is_glue());
    assert_eq!(findings.iter().map(|f| f.line).collect::<Vec<_>>(), [4, 6, 7]);
}

#[test]
fn what_stands_beside_an_alias_is_left_out() {
    let (contents, findings) = build(&[
        ("example.org", types::NS, wire("ns.example.org")),
        ("www.example.org", types::A, a(1)),
        ("www.example.org", types::CNAME, wire("web.example.org")),
    ])
    .expect("nothing is wrong");
    let node = contents.node(&relative("www")).expect("it exists");
    assert!(node.has_cname() && node.rrset(types::A).is_none());
    assert!(messages(&findings)[0].starts_with("2: warning: www.example.org is an alias (CNAME in line 3)"));
}

#[test]
fn every_error_is_told() {
    let findings = build(&[
        ("www.example.org", types::CNAME, wire("a")),
        ("www.example.org", types::CNAME, wire("b")),
        ("x.example.org", types::SOA, vec![0; 22]),
        ("example.org", types::CNAME, wire("a")),
        ("*.w.example.org", types::NS, wire("a")),
        ("d.example.org", types::DNAME, wire("a")),
        ("d.example.org", types::NS, wire("a")),
        ("example.net", types::A, a(1)),
    ])
    .expect_err("all of it is wrong");
    let lines: Vec<_> = findings
        .iter()
        .filter(|f| f.severity == Severity::Error)
        .map(|f| f.line)
        .collect();
    assert_eq!(lines, [2, 3, 4, 5, 6], "{:#?}", messages(&findings));
    assert!(
        findings
            .iter()
            .any(|f| f.line == 8 && f.severity == Severity::Warning)
    );
}

#[test]
fn the_digest_follows_the_records_and_not_the_serial() {
    let soa = |serial: u32, minimum: u32| {
        let mut data = [wire("ns.example.org"), wire("h.example.org")].concat();
        for number in [serial, 60, 15, 600, minimum] {
            data.extend_from_slice(&number.to_be_bytes());
        }
        data
    };
    let of = |serial, minimum, last| {
        contents(&[
            ("example.org", types::SOA, soa(serial, minimum)),
            ("b.example.org", types::A, a(last)),
        ])
    };
    let one = of(1, 5, 1);
    assert_eq!(one.digest(), of(2, 5, 1).digest());
    assert_ne!(one.digest(), of(1, 6, 1).digest());
    assert_ne!(one.digest(), of(1, 5, 2).digest());
    let soa = one.soa().expect("it has one");
    assert_eq!(
        (soa.serial, soa.timers, soa.minimum, soa.ttl),
        (1, [60, 15, 600], 5, 300)
    );
    assert_eq!(*soa.mname, wire("ns.example.org")[..]);
}

#[test]
fn an_empty_file_is_a_zone_without_records() {
    let contents = contents(&[]);
    assert_eq!((contents.records(), contents.names()), (0, 1));
    assert!(contents.node(&[]).is_some() && !contents.apex().has_records());
}

#[test]
fn names_of_255_octets_and_127_labels_are_found() {
    let name = format!("{}example.org", "a.".repeat(121));
    assert_eq!(wire(&name).len(), 255);
    let contents = contents(&[(&name, types::A, a(1))]);
    let below = relative(&"a.".repeat(121));
    assert!(contents.node(&below).is_some_and(|node| node.has_records()));
    assert_eq!(contents.names(), 122);
}
