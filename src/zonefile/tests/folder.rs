//! Files and folders: which are read, and what is said of those that cannot be.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::catalog::ZoneName;
use crate::zonefile::{FILES_MAX, ReadError, read, read_dir};

const RIGHT: &str = "$TTL 60\n@ SOA ns h 1 1h 15m 1w 5m\n@ NS ns\nns A 192.0.2.1\n";

fn write(dir: &Path, name: &str, text: &str) -> PathBuf {
    let path = dir.join(name);
    fs::write(&path, text).expect("a file");
    path
}

/// The errors' text, without the folder.
#[track_caller]
fn errors(dir: &Path) -> Vec<String> {
    let folder = format!("{}/", dir.display());
    let errors = read_dir(dir).expect_err("it is wrong");
    errors
        .iter()
        .map(|error| error.to_string().replace(&folder, ""))
        .collect()
}

#[test]
fn the_files_of_a_folder_are_read_in_the_order_of_their_names() {
    let dir = tempfile::tempdir().expect("a folder");
    for name in [
        "b.example.org.zone",
        "A.example.org.zone",
        "2.0.192.in-addr.arpa.zone",
        "README",
        "a.zone.bak",
        ".a.zone",
    ] {
        write(
            dir.path(),
            name,
            if name.ends_with("zone") && !name.starts_with('.') {
                RIGHT
            } else {
                "?"
            },
        );
    }
    fs::create_dir(dir.path().join("sub.zone")).expect("a folder");
    fs::write(dir.path().join("sub.zone/c.zone"), "?").expect("a file");
    symlink("b.example.org.zone", dir.path().join("c.example.org.zone")).expect("a link");
    let files = read_dir(dir.path()).expect("they are right");
    let origins: Vec<_> = files.iter().map(|file| file.origin.as_str()).collect();
    assert_eq!(
        origins,
        [
            "2.0.192.in-addr.arpa",
            "a.example.org",
            "b.example.org",
            "c.example.org"
        ]
    );
    assert!(
        files
            .iter()
            .all(|file| file.contents.records() == 3 && file.warnings.is_empty()),
        "{files:?}"
    );
    assert!(read_dir(tempfile::tempdir().expect("a folder").path()).is_ok_and(|files| files.is_empty()));
}

#[test]
fn everything_that_is_wrong_in_any_file_is_told() {
    let dir = tempfile::tempdir().expect("a folder");
    write(dir.path(), "a.example.org.zone", "$TTL 5\n@ A x\n@ A y\n");
    write(dir.path(), "A.Example.ORG.zone", RIGHT);
    write(dir.path(), "b.example.org.zone", "@ A 192.0.2.1\n");
    write(dir.path(), "bad name.zone", RIGHT);
    write(dir.path(), "right.example.org.zone", RIGHT);
    symlink("nowhere", dir.path().join("link.example.org.zone")).expect("a link");
    symlink("loop.example.org.zone", dir.path().join("loop.example.org.zone")).expect("a link");
    nix::unistd::mkfifo(
        &dir.path().join("pipe.example.org.zone"),
        nix::sys::stat::Mode::S_IRWXU,
    )
    .expect("a pipe");
    fs::write(dir.path().join(std::ffi::OsStr::from_bytes(b"\xff.zone")), RIGHT).expect("a file");
    let expected = [
        "a.example.org.zone: is of the zone a.example.org, as A.Example.ORG.zone is; remove one",
        "b.example.org.zone:1: error: the record has no TTL and none stands before it; write $TTL 1h at the head of the file, or a TTL before the type\nb.example.org.zone: warning",
        "bad name.zone: is not named after its zone, as example.org.zone is: the zone's name has the character ' '",
        "link.example.org.zone: cannot be read: No such file",
        "loop.example.org.zone: cannot be read: Too many levels",
        "pipe.example.org.zone: is no regular file",
        "\u{fffd}.zone: is not named after its zone, as example.org.zone is: the zone's name is not UTF-8",
    ];
    let found = errors(dir.path());
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(expected), "{found}\n  and not {expected}");
    }
}

#[test]
fn a_folder_that_is_none_or_holds_too_much_is_refused() {
    let dir = tempfile::tempdir().expect("a folder");
    let [error] = &read_dir(&dir.path().join("none")).expect_err("there is none")[..] else {
        panic!("one error");
    };
    assert!(matches!(error, ReadError::Unreadable { .. }), "{error}");
    for number in 0..=FILES_MAX {
        write(dir.path(), &format!("z{number}.zone"), "");
    }
    assert_eq!(errors(dir.path()).len(), 1);
    assert!(errors(dir.path())[0].ends_with("has over 1000 zone files; move some elsewhere"));
}

#[test]
fn a_file_s_zone_is_its_name_or_what_is_said() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = write(dir.path(), "a.txt", RIGHT);
    assert!(matches!(read(&path, None), Err(ReadError::NoZone { .. })));
    // RFC 2317: such a zone has no file name.
    let origin = ZoneName::parse("128/25.2.0.192.in-addr.arpa").expect("a zone");
    assert_eq!(read(&path, Some(&origin)).expect("it is right").origin, origin);
}

/// The files that the README shows: right, and odd only where they say so.
#[test]
fn the_example_zones_are_right() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("zones");
    let files = read_dir(&dir).unwrap_or_else(|errors| panic!("{errors:#?}"));
    let found: Vec<_> = files
        .iter()
        .map(|file| {
            let warnings = file
                .warnings
                .iter()
                .map(|warning| format!("{}: {}", warning.line, warning.message));
            (file.origin.as_str(), warnings.collect::<Vec<_>>())
        })
        .collect();
    let none = Vec::new();
    // It has services instead: Callsign is its server.
    let no_server = "0: svc.example.org has no NS; ns.svc.example.org is answered".to_string();
    assert_eq!(
        found,
        [
            ("2.0.192.in-addr.arpa", none.clone()),
            ("campus.example.org", none.clone()),
            ("lab.campus.example.org", none.clone()),
            ("office.example.org", none),
            ("svc.example.org", vec![no_server]),
        ]
    );
}
