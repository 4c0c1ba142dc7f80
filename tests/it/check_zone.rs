//! `callsign check-zone`: everything that is wrong with a zone file, its line, and the exit code.

use std::fs;
use std::path::PathBuf;

use crate::support::program::{Finished, Folder, run};

/// Checks a text under that name; gives code and standard output, with the folder's path left out.
#[track_caller]
fn check(name: &str, text: impl AsRef<[u8]>, more: &[&str]) -> (Option<i32>, String, String) {
    let folder = Folder::new();
    let path = folder.path().join(name);
    fs::write(&path, text).expect("a file");
    let arguments = ["check-zone", path.to_str().expect("UTF-8")];
    let Finished {
        code, stdout, stderr, ..
    } = run(arguments.iter().chain(more));
    let without = |text: String| text.replace(&format!("{}/", folder.path().display()), "");
    (code, without(stdout), without(stderr))
}

#[test]
fn a_right_zone_is_counted() {
    let text = "$TTL 60\n@ SOA ns h 1 1h 15m 1w 5m\n  NS ns\nns A 192.0.2.1\na.b A 192.0.2.2\n";
    let (code, stdout, stderr) = check("example.org.zone", text, &[]);
    assert_eq!(
        stdout,
        "example.org.zone: 4 records, 4 names, 0 errors, 0 warnings\n"
    );
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
}

#[test]
fn every_error_and_warning_is_told_in_order_of_line() {
    let text =
        "$TTL 60\n@ NS gone\nb A x\n$INCLUDE y\na.example.net. A 192.0.2.1\n@ CNAME ns ; \"\nc TXT \"\n";
    let (code, stdout, stderr) = check("example.org.zone", text, &[]);
    let lines: Vec<_> = stdout
        .lines()
        .map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(
        lines,
        [
            "example.org.zone:3: error:",
            "example.org.zone:4: error:",
            "example.org.zone:5: warning:",
            "example.org.zone:7: error:",
            "example.org.zone:8: error:",
            "example.org.zone: 4",
        ],
        "{stdout}"
    );
    assert!(
        stdout.ends_with("example.org.zone: 4 errors, 1 warning\n"),
        "{stdout}"
    );
    assert_eq!((code, stderr.as_str()), (Some(1), ""));
}

#[test]
fn warnings_alone_are_no_failure() {
    let (code, stdout, _) = check("example.org.zone", "$TTL 60\na MX 1 b\n", &[]);
    assert_eq!(
        stdout,
        "example.org.zone:2: warning: MX: its target b.example.org is not in this file; a service may stand there\n\
         example.org.zone: warning: example.org has no NS; ns.example.org is answered\n\
         example.org.zone: info: no SOA; the server answers one of its own\n\
         example.org.zone: 1 record, 2 names, 0 errors, 2 warnings\n"
    );
    assert_eq!(code, Some(0));
}

#[test]
fn the_origin_is_the_file_s_name_or_the_flag() {
    let text = "$TTL 60\n@ NS .\nwww.example.org. A 192.0.2.1\n";
    let (code, stdout, _) = check("zone.txt", text, &["--origin", "Example.ORG."]);
    assert!(
        stdout.ends_with("zone.txt: 2 records, 2 names, 0 errors, 0 warnings\n"),
        "{stdout}"
    );
    assert_eq!(code, Some(0));
    let (code, stdout, stderr) = check("zone.txt", text, &[]);
    assert_eq!((code, stdout.as_str()), (Some(2), ""));
    assert!(stderr.contains("--origin NAME"), "{stderr}");
    let (code, _, stderr) = check("zone.txt", text, &["--origin", "a b"]);
    assert_eq!(code, Some(2));
    assert!(
        stderr.contains("--origin: the zone's name has the character ' '"),
        "{stderr}"
    );
}

#[test]
fn a_file_that_cannot_be_read_ends_with_2() {
    for (path, what) in [
        ("/nowhere/example.org.zone", "cannot be read"),
        ("/", "is no regular file"),
    ] {
        let finished = run(["check-zone", path]);
        assert_eq!(finished.code, Some(2));
        assert!(finished.stderr.contains(what), "{}", finished.stderr);
        assert_eq!(finished.stdout, "");
    }
}

#[test]
fn octets_that_are_no_text_are_one_error() {
    let (code, stdout, _) = check("example.org.zone", b"\x7fELF\x02\x01\0\0\0\n\0\0", &[]);
    assert!(
        stdout.starts_with("example.org.zone:1: error: a NUL octet: this is no text file"),
        "{stdout}"
    );
    assert_eq!(code, Some(1));
}

#[test]
fn the_example_zones_are_right() {
    let zones = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("zones");
    let mut count = 0;
    for entry in fs::read_dir(zones).expect("the folder zones/") {
        let path = entry.expect("an entry").path();
        let finished = run(["check-zone", path.to_str().expect("UTF-8")]);
        assert_eq!(finished.code, Some(0), "{}", finished.stdout);
        count += 1;
    }
    assert_eq!(count, 5);
}
