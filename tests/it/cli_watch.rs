//! `callsign watch` against the real server: what it prints, and that it goes on where it was.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::program::{Launch, Program};
use crate::wire::{delete, register};

/// How long a line may take.
const SOON: Duration = Duration::from_secs(30);

/// A running `callsign watch`.
struct Watching {
    process: Child,
    lines: Receiver<String>,
}

impl Watching {
    fn start(program: &Program, words: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_callsign"));
        command
            .arg("watch")
            .args(words)
            .arg("--server")
            .arg(format!("http://{}", program.http));
        command.env_remove("CALLSIGN_SERVER").env_remove("CALLSIGN_TOKEN");
        let mut process = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("start the program");
        let (send, lines) = sync_channel(10_000);
        let read = |out: ChildStdout| BufReader::new(out).lines();
        let out = read(process.stdout.take().expect("a pipe"));
        std::thread::spawn(move || out.map_while(Result::ok).try_for_each(|line| send.send(line)));
        Self { process, lines }
    }

    #[track_caller]
    fn line(&self) -> String {
        self.lines.recv_timeout(SOON).expect("a line in time")
    }

    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_str(&self.line()).expect("a line is JSON")
    }

    /// Ends it, and gives what it said on standard error.
    fn end(mut self) -> String {
        self.process.kill().expect("it runs");
        let mut said = String::new();
        let mut error = self.process.stderr.take().expect("a pipe");
        error.read_to_string(&mut said).expect("UTF-8");
        self.process.wait().expect("it ends");
        said
    }
}

#[test]
fn it_says_what_changes_for_people_and_for_programs() {
    let program = Program::start();
    let people = Watching::start(&program, &["--snapshot"]);
    assert!(people.line().contains(" zone svc.internal"));
    assert!(people.line().starts_with("-- that was everything at index 1;"));
    let programs = Watching::start(&program, &["--json", "--after", "1", "--service", "web"]);
    register(&program, "web", "web-1", json!({"address": "192.0.2.1"}));
    register(&program, "db", "db-1", json!({"address": "192.0.2.2"}));
    delete(&program, "web/instances/web-1");
    let said = people.line();
    assert!(
        said.ends_with(" 2 register web-1.web.svc.internal passing 192.0.2.1 (by anonymous@127.0.0.1)"),
        "{said}"
    );
    people.line();
    let said = people.line();
    assert!(
        said.ends_with(" 4 deregister web-1.web.svc.internal gone (by anonymous@127.0.0.1)"),
        "{said}"
    );
    let log = program.client().get("/v1/changes?after=1").expect(200).json();
    assert_eq!(
        [programs.json(), programs.json()],
        [log["changes"][0].clone(), log["changes"][2].clone()]
    );
    assert_eq!(people.end(), "");
    assert_eq!(programs.end(), "");
}

#[test]
fn it_goes_on_where_it_was_when_the_server_comes_back() {
    let program = Launch::new().argument("--keep-changes=5").start();
    let http = program.http.to_string();
    let watching = Watching::start(&program, &["--json"]);
    let again = |program: Program| {
        let data_dir = program.data_dir.clone();
        let stopped = program.kill();
        // On the same port, as a service manager starts it.
        stopped.start_with(
            Launch::new()
                .argument("--keep-changes=5")
                .http(&http)
                .data_dir(&data_dir),
        )
    };
    // It says nothing until something changes: wait until it is there.
    while !program
        .client()
        .get("/metrics")
        .text()
        .contains("callsign_watchers 1")
    {
        std::thread::sleep(Duration::from_millis(5));
    }
    register(&program, "web", "a", json!({"address": "192.0.2.1"}));
    assert_eq!(watching.json()["index"], 2);
    let program = again(program);
    register(&program, "web", "b", json!({"address": "192.0.2.1"}));
    assert_eq!(watching.json()["index"], 3);
    // Away for so long that the log has not all of it any more: it is told so, and everything.
    let data_dir = program.data_dir.clone();
    let stopped = program.kill();
    let elsewhere = stopped.start_with(Launch::new().argument("--keep-changes=5").data_dir(&data_dir));
    for n in 0..20 {
        register(
            &elsewhere,
            "web",
            &format!("c{}", n % 2),
            json!({"address": "192.0.2.1", "weight": n}),
        );
    }
    let program = again(elsewhere);
    let kinds: Vec<_> = std::iter::from_fn(|| {
        let told = watching.json();
        (told["kind"] != "synced").then(|| told["kind"].as_str().expect("a kind").to_string())
    })
    .collect();
    assert_eq!(
        kinds,
        [
            "reset", "zone", "service", "register", "register", "register", "register"
        ]
    );
    register(&program, "web", "d", json!({"address": "192.0.2.1"}));
    assert_eq!(watching.json()["instance"], "d");
    let said = watching.end();
    assert!(said.contains("trying again in"), "{said}");
}

#[test]
fn what_cannot_come_right_ends_it() {
    let program = Program::start();
    for (words, code, what) in [
        (
            &["--zone", "none.internal"][..],
            1,
            "none.internal does not exist",
        ),
        (&["--service", "_web"], 1, "service"),
        (&["--server", "http://127.0.0.1:1"], 1, "cannot reach the API"),
        (&["--after", "1", "--snapshot"], 2, "--snapshot"),
    ] {
        let server = format!("http://{}", program.http);
        let own = words.contains(&"--server");
        let mut all = vec!["watch"];
        all.extend(words);
        if !own {
            all.extend(["--server", &server]);
        }
        let finished = crate::support::program::run(all);
        assert_eq!(finished.code, Some(code), "{words:?}: {finished:?}");
        assert!(finished.stderr.contains(what), "{words:?}: {finished:?}");
    }
}
