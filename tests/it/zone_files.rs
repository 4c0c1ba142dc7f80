//! Zone files of the real program: what is wrong with them at start, and restarts.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::json;

use crate::support::dns::Type;
use crate::support::program::{Finished, Folder, Launch, Program, run};
use crate::wire::{ZONE, answers, nodata, nxdomain, register, register_in, serial};

/// The zone of most files here.
pub(crate) const ORG: &str = "example.org";

/// A folder of zone files.
#[derive(Debug)]
pub(crate) struct Files(Folder);

impl Files {
    pub(crate) fn new() -> Self {
        Self(Folder::new())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Puts a file in the place of the one of that name, in one step.
    pub(crate) fn put(&self, name: &str, text: &str) -> &Self {
        let beside = self.path(&format!(".{name}.new"));
        fs::write(&beside, text).expect("write a zone file");
        fs::rename(beside, self.path(name)).expect("rename a zone file");
        self
    }

    pub(crate) fn remove(&self, name: &str) -> &Self {
        fs::remove_file(self.path(name)).expect("remove a zone file");
        self
    }

    pub(crate) fn dir(&self) -> &str {
        text(self.0.path())
    }

    /// `serve --zones` with this folder.
    pub(crate) fn launch(&self) -> Launch {
        Launch::new().arguments(["--zones", self.dir()])
    }
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().expect("a temporary folder has a plain name")
}

/// A file of [`ORG`] with that serial and the address of `www`.
pub(crate) fn org(serial: u32, address: &str) -> String {
    format!(
        "$TTL 60\n@ SOA ns hostmaster {serial} 3600 600 86400 5\n@ NS ns\nns A 192.0.2.53\nwww A {address}\n"
    )
}

/// The one address of `www.example.org`.
#[track_caller]
pub(crate) fn www(program: &Program) -> String {
    let answers = answers(program.dns, "www.example.org", Type::A);
    let [answer] = &answers[..] else {
        panic!("{answers:?}");
    };
    answer.rsplit(' ').next().expect("an address").to_owned()
}

/// Starts it where it must refuse to, with exit code 2 and all of `wanted` on standard error.
#[track_caller]
fn refused(launch: Launch, wanted: &[&str]) -> Finished {
    let finished = launch.start_and_fail();
    assert_eq!(finished.code, Some(2), "{}", finished.stderr);
    for wanted in wanted {
        assert!(
            finished.stderr.contains(wanted),
            "no {wanted:?} in: {}",
            finished.stderr
        );
    }
    assert!(!finished.stderr.contains("panicked"), "{}", finished.stderr);
    finished
}

#[test]
fn every_error_of_every_file_is_told_at_start_and_nothing_is_left_behind() {
    let files = Files::new();
    let data = Folder::new();
    let data_dir = data.path().join("data");
    files.put(
        "example.org.zone",
        "$TTL 60\nwww A 192.0.2.256\nok A 192.0.2.1\nmail MX mail\n$INCLUDE /etc/passwd\n",
    );
    files.put("example.com.zone", "www A 192.0.2.1\n");
    files.put("example.net.zone", &org(1, "192.0.2.1"));
    files.put("-.zone", "");
    let launch = || files.launch().data_dir(&data_dir);
    let at = |name: &str, line: u32| format!("{}:{line}: ", text(&files.path(name)));
    refused(
        launch(),
        &[
            &at("example.org.zone", 2),
            &at("example.org.zone", 4),
            &at("example.org.zone", 5),
            &at("example.com.zone", 1),
            text(&files.path("-.zone")),
            "--zones",
        ],
    );
    assert!(!data_dir.exists(), "the data directory was made");
    files.remove("-.zone").remove("example.com.zone");
    files.put("example.org.zone", &org(7, "192.0.2.1"));
    let program = launch().start();
    assert_eq!(www(&program), "192.0.2.1");
    assert_eq!(serial(program.dns, ORG), 7);
}

#[test]
fn what_is_no_file_to_read_is_told_at_start() {
    let files = Files::new();
    let missing = files.path("missing");
    refused(
        Launch::new().arguments(["--zones", text(&missing)]),
        &[text(&missing)],
    );
    let plain = files.path("plain");
    fs::write(&plain, "").unwrap();
    refused(
        Launch::new().arguments(["--zones", text(&plain)]),
        &[text(&plain)],
    );

    let path = files.path("example.org.zone");
    let status = Command::new("mkfifo").arg(&path).status();
    assert!(status.expect("run mkfifo").success());
    refused(files.launch(), &[text(&path), "regular file"]);
    fs::remove_file(&path).unwrap();

    symlink("/dev/zero", &path).unwrap();
    refused(files.launch(), &[text(&path), "regular file"]);
    fs::remove_file(&path).unwrap();

    symlink(files.path("nowhere"), &path).unwrap();
    refused(files.launch(), &[text(&path)]);
    fs::remove_file(&path).unwrap();

    symlink(&path, &path).unwrap();
    refused(files.launch(), &[text(&path)]);
    fs::remove_file(&path).unwrap();

    files.put("example.org.zone", &org(1, "192.0.2.1"));
    files.put("EXAMPLE.ORG.zone", &org(1, "192.0.2.1"));
    refused(
        files.launch(),
        &[text(&path), text(&files.path("EXAMPLE.ORG.zone"))],
    );

    let octets: Vec<u8> = (0..=255).collect();
    files.remove("EXAMPLE.ORG.zone");
    fs::write(&path, octets).unwrap();
    refused(files.launch(), &[text(&path)]);
}

#[test]
fn what_is_no_zone_file_by_its_name_is_left_alone() {
    let files = Files::new();
    for name in [
        "example.org.zone~",
        ".example.org.zone",
        "example.org",
        "README",
        "zone",
    ] {
        fs::write(files.path(name), "not a ( zone file").unwrap();
    }
    fs::create_dir(files.path("example.net.zone")).unwrap();
    let program = files.launch().start();
    assert!(program.client().get("/v1/zones/example.org").status == 404);
    // Through a link it is a file as any.
    let elsewhere = Folder::new();
    fs::write(elsewhere.path().join("x"), org(7, "192.0.2.1")).unwrap();
    symlink(elsewhere.path().join("x"), files.path("example.org.zone")).unwrap();
    let program = program.kill_and_restart();
    assert_eq!(www(&program), "192.0.2.1");
}

#[test]
fn a_file_that_clashes_with_a_service_at_start_names_both() {
    let files = Files::new();
    let program = files.launch().start();
    register(&program, "web", "web-1", json!({"address": "192.0.2.1"}));
    let stopped = program.terminate(Duration::from_secs(5));
    files.put("svc.internal.zone", "$TTL 60\nweb CNAME other\n");
    files.put("example.org.zone", &org(7, "192.0.2.1"));
    let launch = || files.launch().data_dir(&stopped.data_dir);
    refused(
        launch(),
        &[
            "web.svc.internal of service web",
            "CNAME record at web.svc.internal",
            "--zones",
        ],
    );
    // Nothing of that start was kept: with another file the next one begins where it was.
    files.put("svc.internal.zone", "$TTL 60\nweb MX 10 other\n");
    let program = launch().start();
    assert_eq!(answers(program.dns, "web.svc.internal", Type::A).len(), 1);
    assert_eq!(answers(program.dns, "web.svc.internal", Type::MX).len(), 1);
    assert_eq!(serial(program.dns, ORG), 7);
}

#[test]
fn a_registration_that_a_static_record_would_hide_is_409_and_names_both() {
    let files = Files::new();
    files.put(
        "svc.internal.zone",
        "$TTL 60\nweb CNAME other\nsub A 192.0.2.1\n_http._tcp.api SRV 0 0 1 x\n",
    );
    let program = files.launch().start();
    let client = program.client();
    let before = serial(program.dns, ZONE);
    let one = json!({"address": "192.0.2.1", "port": 80});
    let put = |path: &str, body: &serde_json::Value| client.put(path, body);
    let said = put("/v1/services/web/instances/a", &one)
        .expect_problem(409, "name_taken")
        .text();
    assert!(
        said.contains("service web") && said.contains("CNAME record at web.svc.internal"),
        "{said}"
    );
    put("/v1/services/WEB", &json!({"ttl": "9s"})).expect_problem(409, "name_taken");
    put(
        "/v1/services/api/instances/a",
        &json!({"address": "192.0.2.1", "ports": {"http": 80}}),
    )
    .expect_problem(409, "name_taken");
    let said = put("/v1/zones/sub.svc.internal", &json!({}))
        .expect_problem(409, "name_taken")
        .text();
    assert!(said.contains("sub.svc.internal"), "{said}");
    let operations = json!({"operations": [
        {"op": "register", "service": "fine", "id": "a", "address": "192.0.2.1"},
        {"op": "register", "service": "web", "id": "a", "address": "192.0.2.1"},
    ]});
    let said = client
        .post("/v1/batch", &operations)
        .expect_problem(409, "name_taken")
        .text();
    assert!(said.contains("operations[1]"), "{said}");
    let said = client
        .delete("/v1/zones/svc.internal")
        .expect_problem(409, "zone_has_file")
        .text();
    assert!(said.contains("svc.internal"), "{said}");
    client.get("/v1/services/fine").expect(404);
    assert_eq!(serial(program.dns, ZONE), before);
}

#[test]
fn a_restart_takes_files_as_they_are_then() {
    let files = Files::new();
    files.put("example.org.zone", &org(7, "192.0.2.1"));
    let program = files.launch().start();
    register_in(&program, ORG, "web", "a", json!({"address": "192.0.2.9"}));
    assert_eq!(serial(program.dns, ORG), 8);
    // The same file: no serial moves, no index.
    let index = program.client().get("/v1/zones").index();
    let program = program.kill_and_restart();
    assert_eq!(
        (serial(program.dns, ORG), www(&program).as_str()),
        (8, "192.0.2.1")
    );
    assert_eq!(program.client().get("/v1/zones").index(), index);
    // Another one, with a serial that was passed by.
    let stopped = program.kill();
    files.put("example.org.zone", &org(8, "192.0.2.2"));
    let program = stopped.start();
    assert_eq!(
        (serial(program.dns, ORG), www(&program).as_str()),
        (9, "192.0.2.2")
    );
    // A serial alone, and a comment alone.
    let stopped = program.terminate(Duration::from_secs(5));
    files.put("example.org.zone", &org(100, "192.0.2.2"));
    let program = stopped.start();
    assert_eq!(serial(program.dns, ORG), 100);
    let stopped = program.kill();
    files.put(
        "example.org.zone",
        &format!("; a comment\n{}", org(100, "192.0.2.2")),
    );
    let program = stopped.start();
    assert_eq!(serial(program.dns, ORG), 100);
    // None: the zone stays, with its services.
    let stopped = program.kill();
    files.remove("example.org.zone");
    let program = stopped.start();
    assert_eq!(serial(program.dns, ORG), 101);
    nxdomain(program.dns, ORG, "www.example.org", Type::A);
    assert_eq!(answers(program.dns, "web.example.org", Type::A).len(), 1);
    let program = program.kill_and_restart();
    assert_eq!(serial(program.dns, ORG), 101);
    // And without the flag, a zone of a file that is still there.
    let stopped = program.kill();
    files.put("example.org.zone", &org(200, "192.0.2.3"));
    let program = stopped.start();
    assert_eq!(serial(program.dns, ORG), 200);
    let program = program.kill().start_with(Launch::new());
    assert_eq!(serial(program.dns, ORG), 201);
    nodata(program.dns, ORG, ORG, Type::MX);
    nxdomain(program.dns, ORG, "www.example.org", Type::A);
}

#[test]
fn other_flags_at_a_restart_leave_the_first_serial_of_a_new_file() {
    let files = Files::new();
    let program = files.launch().start();
    let stopped = program.kill();
    files.put(
        "example.org.zone",
        "$TTL 60\n@ SOA ns hostmaster 7 1 1 1 1\nwww A 192.0.2.1\n",
    );
    let program = stopped.start_with(
        files
            .launch()
            .arguments(["--ttl", "77s", "--advertise", "192.0.2.53"]),
    );
    assert_eq!(serial(program.dns, ORG), 7);
    assert_eq!(
        answers(program.dns, "ns.example.org", Type::A),
        ["ns.example.org. 77 A 192.0.2.53"]
    );
}

#[test]
fn a_zone_of_a_flag_and_of_a_file_is_one() {
    let files = Files::new();
    files.put("example.org.zone", &org(7, "192.0.2.1"));
    files.put("svc.internal.zone", "$TTL 60\nwww A 192.0.2.8\n");
    let program = files
        .launch()
        .arguments(["--zone", "Example.ORG", "--zone", "svc.internal"])
        .start();
    assert_eq!(serial(program.dns, ORG), 7);
    register(&program, "web", "a", json!({"address": "192.0.2.9"}));
    assert_eq!(answers(program.dns, "web.example.org", Type::A).len(), 1);
    assert_eq!(
        answers(program.dns, "www.svc.internal", Type::A),
        ["www.svc.internal. 60 A 192.0.2.8"]
    );
    nxdomain(program.dns, ZONE, "web.svc.internal", Type::A);
}

#[test]
fn a_zone_called_ns_may_come_in_the_start_in_which_the_file_above_it_changed() {
    let files = Files::new();
    files.put("zoo.example.zone", "$TTL 60\n@ NS ns.example.com.\n");
    let stopped = files.launch().start().kill();
    files.put("zoo.example.zone", "$TTL 60\n@ NS ns2.example.com.\n");
    files.put("ns.zoo.example.zone", "$TTL 60\nwww A 192.0.2.1\n");
    let program = stopped.start();
    assert_eq!(answers(program.dns, "www.ns.zoo.example", Type::A).len(), 1);
}

#[test]
fn lists_and_dump_show_zones_of_files() {
    let files = Files::new();
    files.put("example.org.zone", &org(7, "192.0.2.1"));
    let program = files.launch().start();
    register_in(&program, ORG, "web", "a", json!({"address": "192.0.2.9"}));
    let zones = program.client().get("/v1/zones").expect(200).json();
    let names: Vec<_> = zones["zones"]
        .as_array()
        .unwrap()
        .iter()
        .map(|zone| &zone["name"])
        .collect();
    assert_eq!(names, ["example.org", "svc.internal"]);
    let zone = program.client().get("/v1/zones/example.org").expect(200).json();
    assert_eq!((&zone["serial"], &zone["services"]), (&json!(8), &json!(1)));
    let dump = run(["dump", "--data-dir", text(&program.data_dir)]);
    assert_eq!(dump.code, Some(0), "{}", dump.stderr);
    let dump: serde_json::Value = serde_json::from_str(&dump.stdout).expect("JSON");
    assert!(dump.to_string().contains("example.org"));
    // Settings can be given to it as to any, and alter no record that the file has.
    let put = program.client().put(
        "/v1/zones/example.org",
        &json!({"ttl": "9s", "negative_ttl": "9s"}),
    );
    put.expect(200);
    assert_eq!(
        answers(program.dns, "www.example.org", Type::A),
        ["www.example.org. 60 A 192.0.2.1"]
    );
    let program = program.kill_and_restart();
    assert_eq!(www(&program), "192.0.2.1");
    assert_eq!(
        program.client().get("/v1/zones/example.org").json()["settings"]["ttl"],
        "9s"
    );
}

#[test]
fn a_thousand_files_are_served_and_one_more_is_refused() {
    let files = Files::new();
    for number in 0..999 {
        fs::write(
            files.path(&format!("z{number}.example.zone")),
            "$TTL 60\n@ MX 10 x\n",
        )
        .unwrap();
    }
    // With the default zone that is as many zones as there may be.
    let program = files.launch().start();
    for number in [0, 500, 998] {
        assert_eq!(
            answers(program.dns, &format!("z{number}.example"), Type::MX).len(),
            1
        );
    }
    let stopped = program.kill();
    files.put("one-more.example.zone", "");
    refused(files.launch().data_dir(&stopped.data_dir), &["1000 zones"]);
}
