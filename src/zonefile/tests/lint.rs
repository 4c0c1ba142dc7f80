//! What a right file may still mean wrongly, and what it may not be blamed for.

use crate::catalog::ZoneName;
use crate::zonefile::read_text;

/// A zone with a name server that is found.
const HEAD: &str = "$TTL 60\n@ NS ns\nns A 192.0.2.1\n";

/// The warnings of a zone that begins with [`HEAD`], without what is about the whole file.
#[track_caller]
fn warnings(text: &str) -> Vec<String> {
    let origin = ZoneName::parse("example.org").expect("a zone");
    let text = format!("{HEAD}{text}");
    match read_text(text.as_bytes(), &origin).expect("a slice can be read") {
        Ok((_, warnings)) => {
            let lined = warnings.into_iter().filter(|warning| warning.line > 0);
            lined
                .map(|warning| format!("{}: {}", warning.line, warning.message))
                .collect()
        }
        Err(findings) => panic!("{text} is right: {findings:?}"),
    }
}

#[test]
fn targets_that_are_no_hosts_are_told() {
    for (text, expected) in [
        (
            "@ NS gone",
            "4: NS: the server gone.example.org is not in this file; give it an A or AAAA record",
        ),
        (
            "a MX 1 gone",
            "4: MX: its target gone.example.org is not in this file; a service may stand there",
        ),
        (
            "a SRV 1 1 1 gone",
            "4: SRV: its target gone.example.org is not in this file; a service may stand there",
        ),
        (
            "a CNAME gone",
            "4: CNAME: its target gone.example.org is not in this file; a service may stand there",
        ),
        (
            "a CNAME c\nb.c A 192.0.2.2",
            "4: CNAME: its target c.example.org is not in this file; a service may stand there",
        ),
        (
            "a MX 1 b\nb TXT x",
            "4: MX: its target b.example.org has no A or AAAA record in this file; a service may stand there",
        ),
        (
            "a SRV 1 1 1 B\nb CNAME ns",
            "4: SRV: its target b.example.org is an alias (CNAME), which it must not be (RFC 2181 §10.3); name the alias's target itself",
        ),
        (
            "a MX 1 x.b\n*.b CNAME ns",
            "4: MX: its target x.b.example.org is an alias (CNAME), which it must not be (RFC 2181 §10.3); name the alias's target itself",
        ),
        (
            "a MX 1 x.b\nb DNAME example.net.",
            "4: MX: its target x.b.example.org is below a DNAME and so an alias, which it must not be (RFC 2181 §10.3)",
        ),
        (
            "sub NS ns.sub",
            "4: NS: the server ns.sub.example.org is in the zone that it is to lead to; give it an A or AAAA record here (glue)",
        ),
        (
            "sub NS sub",
            "4: NS: the server sub.example.org is in the zone that it is to lead to; give it an A or AAAA record here (glue)",
        ),
        // A name that exists keeps the wildcard away (RFC 4592 §2.2.1), and so does one above the target.
        (
            "a MX 1 x.y.b\n*.b A 192.0.2.2\ny.b TXT x",
            "4: MX: its target x.y.b.example.org is not in this file; a service may stand there",
        ),
    ] {
        assert_eq!(warnings(text), [expected], "{text}");
    }
}

#[test]
fn targets_that_are_well_are_not() {
    for text in [
        "a MX 1 ns\nb SRV 1 1 1 ns\nc CNAME ns\nd CNAME c",
        "a MX 1 mail.example.net.\nb CNAME example.net.\nc NS ns.example.net.",
        "a MX 0 .\nb SRV 0 0 0 .",
        "a MX 1 x.b\n*.b A 192.0.2.2",
        "a CNAME x.b\n*.b TXT x",
        "a MX 1 X.y.B\n*.b AAAA ::1",
        "sub NS ns.sub\nns.sub A 192.0.2.2",
        "sub NS sub\nsub A 192.0.2.2",
        "sub NS ns.other\nother NS ns.example.net.",
        "a MX 1 mail.sub\nb CNAME x.sub\nsub NS ns.example.net.",
        "a CNAME x.b\nb DNAME example.net.",
        "@ CAA 0 issue x\na HTTPS 1 gone",
    ] {
        assert_eq!(warnings(text), [""; 0], "{text}");
    }
}

#[test]
fn of_records_that_sign_the_first_is_named() {
    let signed = "@ RRSIG A 8 2 60 20300101000000 20250101000000 1 @ AQID\n@ NSEC ns A\n";
    let found = warnings(signed);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].starts_with("4: RRSIG is served as plain data"),
        "{found:?}"
    );
}

#[test]
fn at_most_a_hundred_warnings_are_kept_and_no_error_is_lost_among_them() {
    let origin = ZoneName::parse("example.org").expect("a zone");
    let many: String = (0..500).map(|n| format!("a{n} MX 1 gone\n")).collect();
    let (_, warnings) = read_text(format!("{HEAD}{many}").as_bytes(), &origin)
        .expect("a slice can be read")
        .expect("it is right");
    assert_eq!(warnings.len(), 101);
    assert_eq!(warnings[100].message, "400 more warnings are not shown");
    let outside: String = (0..500)
        .map(|n| format!("a{n}.example.net. A 192.0.2.1\n"))
        .collect();
    let findings = read_text(format!("{HEAD}{outside}b A x\n").as_bytes(), &origin)
        .expect("a slice can be read")
        .expect_err("it is wrong");
    assert!(
        findings.iter().any(|finding| finding.line == 504),
        "the error of line 504 is told"
    );
}
