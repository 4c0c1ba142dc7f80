//! SIGHUP and zone files of the real program: what changed is answered, what is wrong is told, and DNS goes on.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::dns::{Query, Type, ask};
use crate::support::program::Program;
use crate::wire::{ZONE, answers, honest, nxdomain, register, register_in, serial, still_answers};
use crate::zone_files::{Files, ORG, org, text, www};

/// How long a reload may take, also of a large file on a busy machine.
pub(crate) const RELOADED_WITHIN: Duration = Duration::from_secs(60);

/// What every reload says at its end.
const DONE: &str = "the zone files were read again";

fn reloads(program: &Program) -> usize {
    program.stderr().matches(DONE).count()
}

#[track_caller]
fn eventually(what: &str, within: Duration, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < within, "{what} not within {within:?}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// SIGHUP; waits for its end and gives what was logged meanwhile.
#[track_caller]
pub(crate) fn reload(program: &Program) -> String {
    let (before, count) = (program.stderr().len(), reloads(program));
    program.signal("HUP");
    eventually("a reload", RELOADED_WITHIN, || reloads(program) > count);
    program.stderr()[before..].to_owned()
}

#[test]
fn what_changed_is_answered_and_what_did_not_moves_nothing() {
    let files = Files::new();
    files.put("example.org.zone", &org(7, "192.0.2.1"));
    let program = files.launch().start();
    files.put("example.org.zone", &org(20, "192.0.2.2"));
    reload(&program);
    assert_eq!(
        (www(&program).as_str(), serial(program.dns, ORG)),
        ("192.0.2.2", 20)
    );
    // An older serial with other records.
    files.put("example.org.zone", &org(3, "192.0.2.3"));
    reload(&program);
    assert_eq!(
        (www(&program).as_str(), serial(program.dns, ORG)),
        ("192.0.2.3", 21)
    );

    // Nothing, a touch, a comment, another order, the same file again by a rename.
    let index = program.client().get("/v1/zones").index();
    let same = org(3, "192.0.2.3");
    for round in 0..4 {
        match round {
            0 => {}
            1 => drop(
                Command::new("touch")
                    .arg(files.path("example.org.zone"))
                    .status()
                    .unwrap(),
            ),
            2 => drop(files.put(
                "example.org.zone",
                &format!("{same}; a comment\nWWW A 192.0.2.3\n"),
            )),
            _ => drop(files.put("example.org.zone", &same)),
        }
        let told = reload(&program);
        assert!(told.lines().count() <= 2, "{told}");
        assert!(!told.contains("ERROR"), "{told}");
        assert_eq!(serial(program.dns, ORG), 21);
        assert_eq!(program.client().get("/v1/zones").index(), index, "{told}");
    }
    // Once its last write is a while ago it is not even read.
    eventually("a reload that reads nothing", RELOADED_WITHIN, || {
        let told = reload(&program);
        told.lines().count() == 1 && told.contains("read=0 same=1 gone=0")
    });
}

#[test]
fn a_wrong_file_is_told_with_its_line_and_what_was_served_stays() {
    let files = Files::new();
    files.put("example.org.zone", &org(7, "192.0.2.1"));
    files.put("example.net.zone", &org(7, "192.0.2.1"));
    let program = files.launch().start();
    honest(&program);
    for wrong in [
        "$TTL 60\nwww A 192.0.2.2\nwww A nonsense\n",
        "$TTL 60\nwww CNAME a\nwww CNAME b\n",
        "$TTL 60\n@ SOA ns hostmaster 9 1 1 1 1\n@ SOA ns hostmaster 10 1 1 1 1\n",
    ] {
        files.put("example.org.zone", wrong);
        files.put("example.net.zone", &org(7, "192.0.2.1"));
        // It is told each time, as long as it is wrong.
        for _ in 0..2 {
            let told = reload(&program);
            assert!(
                told.contains(&format!("{}:3: ", text(&files.path("example.org.zone")))),
                "{told}"
            );
            assert!(
                told.contains("ERROR") && told.contains("stays what it was"),
                "{told}"
            );
            assert_eq!(
                (www(&program).as_str(), serial(program.dns, ORG)),
                ("192.0.2.1", 7)
            );
            still_answers(program.dns);
        }
    }
    // Others are taken beside it.
    files.put("example.net.zone", &org(8, "192.0.2.2"));
    reload(&program);
    assert_eq!(serial(program.dns, "example.net"), 8);
    // What cannot be read at all.
    files.remove("example.org.zone");
    std::os::unix::fs::symlink("/nowhere/at/all", files.path("example.org.zone")).unwrap();
    assert!(reload(&program).contains("stays what it was"));
    assert_eq!(www(&program), "192.0.2.1");
    files.remove("example.org.zone");
    let fifo = Command::new("mkfifo")
        .arg(files.path("example.org.zone"))
        .status();
    assert!(fifo.unwrap().success());
    assert!(reload(&program).contains("no regular file"));
    assert_eq!(www(&program), "192.0.2.1");
    // Right again.
    files.put("example.org.zone", &org(9, "192.0.2.9"));
    reload(&program);
    assert_eq!(
        (www(&program).as_str(), serial(program.dns, ORG)),
        ("192.0.2.9", 9)
    );
}

#[test]
fn without_the_folder_everything_stays() {
    let files = Files::new();
    fs::create_dir(files.path("zones")).unwrap();
    let dir = files.path("zones");
    fs::write(dir.join("example.org.zone"), org(7, "192.0.2.1")).unwrap();
    let program = crate::support::program::Launch::new()
        .arguments(["--zones", text(&dir)])
        .start();
    fs::rename(&dir, files.path("away")).unwrap();
    program.signal("HUP");
    eventually("a word", RELOADED_WITHIN, || {
        program.stderr().contains("the zones stay what they were")
    });
    assert_eq!(
        (www(&program).as_str(), serial(program.dns, ORG)),
        ("192.0.2.1", 7)
    );
    fs::rename(files.path("away"), &dir).unwrap();
    reload(&program);
    assert_eq!(
        (www(&program).as_str(), serial(program.dns, ORG)),
        ("192.0.2.1", 7)
    );
}

#[test]
fn a_file_that_goes_takes_its_records_and_a_new_one_makes_a_zone() {
    let files = Files::new();
    let program = files.launch().start();
    files.put("example.org.zone", &org(7, "192.0.2.1"));
    reload(&program);
    assert_eq!(
        (www(&program).as_str(), serial(program.dns, ORG)),
        ("192.0.2.1", 7)
    );
    register_in(&program, ORG, "web", "a", json!({"address": "192.0.2.9"}));
    files.remove("example.org.zone");
    reload(&program);
    assert_eq!(serial(program.dns, ORG), 9);
    nxdomain(program.dns, ORG, "www.example.org", Type::A);
    assert_eq!(answers(program.dns, "web.example.org", Type::A).len(), 1);
    reload(&program);
    assert_eq!(serial(program.dns, ORG), 9);
    let client = program.client();
    client
        .delete("/v1/zones/example.org")
        .expect_problem(409, "zone_not_empty");
    client.delete("/v1/zones/example.org/services/web").expect(204);
    client.delete("/v1/zones/example.org").expect(204);
    // Made anew: it goes on from its last serial.
    files.put("example.org.zone", &org(7, "192.0.2.2"));
    reload(&program);
    assert_eq!(
        (www(&program).as_str(), serial(program.dns, ORG)),
        ("192.0.2.2", 11)
    );
    let program = program.kill_and_restart();
    assert_eq!(
        (www(&program).as_str(), serial(program.dns, ORG)),
        ("192.0.2.2", 11)
    );
}

#[test]
fn a_file_that_clashes_is_told_and_taken_once_it_does_not() {
    let files = Files::new();
    let program = files.launch().start();
    register(&program, "web", "a", json!({"address": "192.0.2.9"}));
    files.put("svc.internal.zone", "$TTL 60\nweb A 192.0.2.1\nwww A 192.0.2.1\n");
    let before = serial(program.dns, ZONE);
    let told = reload(&program);
    assert!(told.contains("web.svc.internal of service web"), "{told}");
    assert!(told.contains(text(&files.path("svc.internal.zone"))), "{told}");
    nxdomain(program.dns, ZONE, "www.svc.internal", Type::A);
    assert_eq!(serial(program.dns, ZONE), before);
    program.client().delete("/v1/services/web").expect(204);
    // The file was not touched since.
    reload(&program);
    assert_eq!(
        answers(program.dns, "web.svc.internal", Type::A),
        ["web.svc.internal. 60 A 192.0.2.1"]
    );
}

#[test]
fn names_move_from_one_file_to_another_in_one_reload() {
    let files = Files::new();
    let old = "$TTL 60\nwww.sub A 192.0.2.1\n";
    let delegating = "$TTL 60\nsub NS ns.sub\nns.sub A 192.0.2.53\n";
    let child = "$TTL 60\nwww A 192.0.2.2\n";
    files.put("example.org.zone", old);
    let program = files.launch().start();
    let www = || answers(program.dns, "www.sub.example.org", Type::A);
    // The child's file sorts after the parent's, then before it.
    for name in ["sub.example.org", "a.example.org"] {
        let label = name.split('.').next().unwrap();
        let of_label = |text: &str| text.replace("sub", label);
        files.put("example.org.zone", &of_label(old));
        reload(&program);
        files.put("example.org.zone", &of_label(delegating));
        files.put(&format!("{name}.zone"), child);
        let told = reload(&program);
        let answer = answers(program.dns, &format!("www.{name}"), Type::A);
        assert_eq!(answer, [format!("www.{name}. 60 A 192.0.2.2")], "{told}");
        assert!(!told.contains("ERROR"), "{told}");
        // Back again, which needs the child zone deleted.
        files.remove(&format!("{name}.zone"));
        reload(&program);
        program.client().delete(&format!("/v1/zones/{name}")).expect(204);
    }
    files.put("example.org.zone", old);
    reload(&program);
    assert_eq!(www(), ["www.sub.example.org. 60 A 192.0.2.1"]);
    // The parent's file goes in the step in which the child's comes.
    files.remove("example.org.zone");
    files.put("sub.example.org.zone", child);
    let told = reload(&program);
    assert_eq!(www(), ["www.sub.example.org. 60 A 192.0.2.2"], "{told}");
}

#[test]
fn of_two_files_of_one_zone_neither_is_taken() {
    let files = Files::new();
    files.put("example.org.zone", &org(7, "192.0.2.1"));
    let program = files.launch().start();
    for other in ["EXAMPLE.ORG.zone", "example.ORG.zone"] {
        files.put(other, &org(9, "192.0.2.2"));
        let told = reload(&program);
        assert!(told.contains("ERROR") && told.contains(other), "{told}");
        assert_eq!(
            (www(&program).as_str(), serial(program.dns, ORG)),
            ("192.0.2.1", 7)
        );
        files.remove(other);
        assert!(!reload(&program).contains("ERROR"));
    }
    files.put("example.org.zone", &org(8, "192.0.2.3"));
    reload(&program);
    assert_eq!(www(&program), "192.0.2.3");
}

#[test]
fn each_of_many_quick_writes_in_place_is_seen() {
    let files = Files::new();
    let path = files.path("example.org.zone");
    fs::write(&path, org(7, "192.0.2.100")).unwrap();
    let program = files.launch().start();
    for round in 0..40 {
        // Of one length, in the same inode, and so soon after the last that its time may be the same.
        for last in [101, 102] {
            fs::write(&path, org(7, &format!("192.0.2.{last}"))).unwrap();
            reload(&program);
            assert_eq!(www(&program), format!("192.0.2.{last}"), "in round {round}");
        }
    }
}

#[test]
fn signals_that_come_together_end_with_the_last_file() {
    let files = Files::new();
    files.put("example.org.zone", &org(7, "192.0.2.1"));
    let program = files.launch().start();
    for last in 2..12 {
        files.put("example.org.zone", &org(7, &format!("192.0.2.{last}")));
        let pid = program.pid().to_string();
        let script = "for i in 1 2 3 4 5; do kill -s HUP \"$0\"; done";
        assert!(
            Command::new("sh")
                .args(["-c", script, &pid])
                .status()
                .unwrap()
                .success()
        );
        let wanted = format!("192.0.2.{last}");
        let query = Query::new("www.example.org", Type::A);
        eventually("the last file", RELOADED_WITHIN, || {
            ask(program.dns, &query).answers_text()[0].ends_with(&wanted)
        });
        assert_eq!(serial(program.dns, ORG), 6 + last);
    }
}

#[test]
fn files_behind_links_that_are_swapped_as_a_folder_are_read_again() {
    // As a mounted ConfigMap does it.
    let files = Files::new();
    let link = std::os::unix::fs::symlink::<&str, std::path::PathBuf>;
    for (folder, last) in [("..one", 1), ("..two", 2)] {
        fs::create_dir(files.path(folder)).unwrap();
        fs::write(
            files.path(folder).join("example.org.zone"),
            org(7, &format!("192.0.2.{last}")),
        )
        .unwrap();
    }
    link("..one", files.path("..data")).unwrap();
    link("..data/example.org.zone", files.path("example.org.zone")).unwrap();
    let program = files.launch().start();
    assert_eq!(www(&program), "192.0.2.1");
    link("..two", files.path("..new")).unwrap();
    fs::rename(files.path("..new"), files.path("..data")).unwrap();
    reload(&program);
    assert_eq!(
        (www(&program).as_str(), serial(program.dns, ORG)),
        ("192.0.2.2", 8)
    );
}
