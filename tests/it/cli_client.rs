//! The commands that ask a running server, each with the real one: what they do, say and exit with.

use std::io::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::dns::{Query, Type, ask};
use crate::support::program::{Finished, Folder, Launch, Program, run, run_with_input};
use crate::wire::{ZONE, answers, asked, nodata, register, register_all};

/// Runs a command of words separated by blanks against the server.
fn told(program: &Program, words: &str) -> Finished {
    let server = format!("http://{}", program.http);
    run(words.split(' ').chain(["--server", &server]))
}

/// The same, which must succeed and say exactly this; `INDEX` stands for a number.
#[track_caller]
fn says(program: &Program, words: &str, wanted: &str) {
    let finished = told(program, words);
    assert_eq!(
        (finished.code, finished.stderr.as_str()),
        (Some(0), ""),
        "{words}: {finished:?}"
    );
    assert_eq!(numbers_as(&finished.stdout), format!("{wanted}\n"), "{words}");
}

/// The same, which must fail with this code and these words.
#[track_caller]
fn fails(program: &Program, words: &str, code: i32, wanted: &[&str]) {
    is_failure(&told(program, words), code, wanted);
}

#[track_caller]
fn is_failure(finished: &Finished, code: i32, wanted: &[&str]) {
    assert_eq!(finished.code, Some(code), "{finished:?}");
    assert_eq!(finished.stdout, "", "{finished:?}");
    for word in wanted {
        assert!(
            finished.stderr.contains(word),
            "no {word:?} in {}",
            finished.stderr
        );
    }
    assert!(!finished.stderr.contains("panicked"), "{}", finished.stderr);
}

/// `(index 17)` as `(index INDEX)`.
fn numbers_as(text: &str) -> String {
    match text.split_once("(index ") {
        Some((before, after)) => {
            let rest = after.trim_start_matches(|c: char| c.is_ascii_digit());
            format!("{before}(index INDEX{rest}")
        }
        None => text.to_string(),
    }
}

fn table(text: &str) -> Vec<Vec<String>> {
    text.lines()
        .map(|line| line.split_whitespace().map(str::to_string).collect())
        .collect()
}

#[test]
fn an_instance_from_registration_to_the_end() {
    let program = Program::start();
    let web = format!("web.{ZONE}");
    says(
        &program,
        "register web web-1 --address 192.0.2.11 --address 2001:db8::11 --port http=8080 --port dns=53/udp --tag v2 \
         --meta version=2.1 --weight 3 --priority 1 --lease 15s",
        "registered web-1 in web.svc.internal (index INDEX)",
    );
    assert_eq!(
        answers(program.dns, &format!("_http._tcp.v2.{web}"), Type::SRV),
        [format!("_http._tcp.v2.{web}. 5 SRV 1 3 8080 web-1.{web}.")]
    );
    assert_eq!(
        answers(program.dns, &format!("_dns._udp.{web}"), Type::SRV).len(),
        1
    );
    assert_eq!(answers(program.dns, &format!("web-1.{web}"), Type::TXT).len(), 1);
    says(
        &program,
        "register web web-1 --address 192.0.2.12 --port 80",
        "replaced web-1 in web.svc.internal (index INDEX)",
    );
    assert_eq!(
        answers(program.dns, &web, Type::A),
        [format!("{web}. 5 A 192.0.2.12")]
    );
    says(
        &program,
        "heartbeat web web-1",
        "renewed web-1 in web (index INDEX)",
    );
    says(
        &program,
        "health web web-1 critical --output down",
        "reported web-1 in web.svc.internal as critical (index INDEX)",
    );
    nodata(program.dns, ZONE, &web, Type::A);
    says(
        &program,
        "health web web-1 warning --port main",
        "reported port main of web-1 in web.svc.internal as warning (index INDEX)",
    );
    says(
        &program,
        "health web web-1 passing",
        "reported web-1 in web.svc.internal as passing (index INDEX)",
    );
    assert_eq!(answers(program.dns, &web, Type::A).len(), 1);
    let drained = told(&program, "drain web web-1 --delete-after 1h");
    assert_eq!(drained.code, Some(0), "{drained:?}");
    assert!(
        drained
            .stdout
            .starts_with("draining web-1 in web.svc.internal (index "),
        "{drained:?}"
    );
    assert!(drained.stdout.contains("safe to stop at 20"), "{drained:?}");
    nodata(program.dns, ZONE, &web, Type::A);
    says(
        &program,
        "drain web web-1 --undo",
        "ended the drain of web-1 in web.svc.internal (index INDEX)",
    );
    assert_eq!(answers(program.dns, &web, Type::A).len(), 1);
    says(
        &program,
        "deregister web web-1",
        "deregistered web-1 from web (index INDEX)",
    );
    nodata(program.dns, ZONE, &web, Type::A);
    for command in [
        "deregister web web-1",
        "heartbeat web web-1",
        "health web web-1 passing",
        "drain web web-1",
    ] {
        fails(&program, command, 1, &["web-1"]);
    }
    fails(&program, "instances nothing", 1, &["nothing"]);
}

#[test]
fn another_zone_and_settings() {
    let program = Launch::new()
        .arguments(["--zone", ZONE, "--zone", "b.internal"])
        .start();
    says(
        &program,
        "register web w --address 192.0.2.1 --zone b.internal",
        "registered w in web.b.internal (index INDEX)",
    );
    assert_eq!(answers(program.dns, "web.b.internal", Type::A).len(), 1);
    says(
        &program,
        "set-zone b.internal --ttl 20s --negative-ttl 3 --on-empty nxdomain",
        "set zone b.internal (index INDEX)",
    );
    says(
        &program,
        "set-zone b.internal --answer-limit 7",
        "set zone b.internal (index INDEX)",
    );
    assert_eq!(
        answers(program.dns, "web.b.internal", Type::A),
        ["web.b.internal. 20 A 192.0.2.1"]
    );
    let settings = program.client().get("/v1/zones/b.internal").json()["settings"].clone();
    assert_eq!(
        settings,
        json!({"ttl": "20s", "negative_ttl": "3s", "on_empty": "nxdomain", "answer_limit": 7})
    );
    says(
        &program,
        "set-zone b.internal --unset ttl --unset on-empty",
        "set zone b.internal (index INDEX)",
    );
    let settings = program.client().get("/v1/zones/b.internal").json()["settings"].clone();
    assert_eq!(settings, json!({"negative_ttl": "3s", "answer_limit": 7}));
    says(
        &program,
        "set-zone c.internal",
        "created zone c.internal (index INDEX)",
    );
    says(
        &program,
        "set-service web --zone b.internal --ttl 9s --on-empty all --forget-after 2h",
        "set service web.b.internal (index INDEX)",
    );
    says(
        &program,
        "set-service new --ttl 8s",
        "created service new.svc.internal (index INDEX)",
    );
    assert_eq!(
        answers(program.dns, "web.b.internal", Type::A),
        ["web.b.internal. 9 A 192.0.2.1"]
    );

    let zones = told(&program, "zones");
    let rows = table(&zones.stdout);
    assert_eq!(rows[0][..3], ["NAME", "SERIAL", "SERVICES"]);
    let names: Vec<&str> = rows[1..].iter().map(|row| row[0].as_str()).collect();
    assert_eq!(names, ["b.internal", "c.internal", ZONE]);
    fails(&program, "set-zone b.internal --ttl 500ms", 1, &["ttl"]);
    fails(&program, "set-zone bad..zone --ttl 5s", 1, &["zone"]);
    fails(
        &program,
        "set-zone b.internal --ttl 5s --unset ttl",
        2,
        &["--unset"],
    );
    fails(
        &program,
        "register web w --address 192.0.2.1 --zone nowhere.internal",
        1,
        &["nowhere.internal"],
    );
}

#[test]
fn lists_are_tables_or_json() {
    let program = Program::start();
    register(
        &program,
        "web",
        "web-1",
        json!({"address": "192.0.2.1", "ports": {"http": 80, "dns": {"port": 53, "protocol": "udp"}}, "tags": ["v2", "x"], "lease": "30s"}),
    );
    register(
        &program,
        "web",
        "web-2",
        json!({"address": "192.0.2.2", "status": "critical"}),
    );
    let services = table(&told(&program, "services").stdout);
    assert_eq!(
        services[0],
        [
            "NAME",
            "INSTANCES",
            "PASSING",
            "WARNING",
            "CRITICAL",
            "DRAINING",
            "ANSWERABLE"
        ]
    );
    assert_eq!(
        services[1..],
        [["web", "2", "1", "0", "1", "0", "1"].map(str::to_string).to_vec()]
    );
    let instances = told(&program, "instances web").stdout;
    let rows = table(&instances);
    assert_eq!(rows[0][..4], ["ID", "ADDRESSES", "PORTS", "STATUS"]);
    assert_eq!(
        rows[1][..4],
        ["web-1", "192.0.2.1", "dns=53/udp,http=80", "passing"]
    );
    assert_eq!(rows[1][7..9], ["v2,x", "30s"]);
    assert_eq!(rows[2][0], "web-2");
    assert_eq!(
        table(&told(&program, "instances web --answerable").stdout).len(),
        2
    );
    assert_eq!(
        table(&told(&program, "instances web --tag v2 --tag x").stdout).len(),
        2
    );
    assert_eq!(
        table(&told(&program, "instances web --tag v2 --tag y").stdout).len(),
        1
    );
    for (words, key, count) in [
        ("services", "services", 1),
        ("instances web", "instances", 2),
        ("zones", "zones", 1),
    ] {
        let finished = told(&program, &format!("{words} --json"));
        let json: Value = serde_json::from_str(&finished.stdout).expect("JSON");
        assert_eq!(json[key].as_array().map(Vec::len), Some(count), "{words}");
    }
    let reply: Value =
        serde_json::from_str(&told(&program, "register web web-1 --address 192.0.2.1 --json").stdout)
            .expect("JSON");
    assert_eq!(
        (&reply["id"], &reply["addresses"]),
        (&json!("web-1"), &json!(["192.0.2.1"]))
    );
    // More than one page of the API.
    register_all(
        &program,
        "big",
        (0..1500).map(|n| (format!("i{n}"), json!({"address": "192.0.2.1"}))),
    );
    assert_eq!(told(&program, "instances big").stdout.lines().count(), 1501);
}

#[test]
fn apply_does_all_or_nothing_from_a_file_or_standard_input() {
    let program = Program::start();
    let server = format!("http://{}", program.http);
    let apply = |input: &str| run_with_input(["apply", "-", "--server", &server], input.as_bytes());
    let operations = json!({"operations": [
        {"op": "register", "service": "web", "id": "a", "address": "192.0.2.1"},
        {"op": "register", "service": "web", "id": "b", "address": "192.0.2.2"},
        {"op": "deregister", "service": "web", "id": "none"},
    ]});
    let finished = apply(&operations.to_string());
    assert_eq!(
        (finished.code, finished.stderr.as_str()),
        (Some(0), ""),
        "{finished:?}"
    );
    assert_eq!(
        numbers_as(&finished.stdout),
        "applied 3 operations, 2 of them a change (index INDEX)\n"
    );
    assert_eq!(answers(program.dns, &format!("web.{ZONE}"), Type::A).len(), 2);
    // The array alone, and a file.
    let folder = Folder::new();
    let path = folder.path().join("batch.json");
    std::fs::write(
        &path,
        json!([{"op": "drain", "service": "web", "id": "a"}]).to_string(),
    )
    .unwrap();
    let finished = run(["apply", path.to_str().unwrap(), "--server", &server]);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert_eq!(answers(program.dns, &format!("web.{ZONE}"), Type::A).len(), 1);
    // One bad operation: nothing is done, and it is named.
    let wrong = json!([
        {"op": "deregister", "service": "web", "id": "b"},
        {"op": "register", "service": "web", "id": "c", "address": "192.0.2.3", "port": 0},
    ]);
    is_failure(&apply(&wrong.to_string()), 1, &["operations[1].port"]);
    assert_eq!(answers(program.dns, &format!("web.{ZONE}"), Type::A).len(), 1);
    is_failure(&apply("no json"), 2, &["standard input", "JSON"]);
    is_failure(&apply("{}"), 2, &["operations"]);
    let missing = folder.path().join("missing.json");
    is_failure(
        &run(["apply", missing.to_str().unwrap(), "--server", &server]),
        2,
        &["missing.json", "cannot be read"],
    );
    // In another zone than the first.
    program
        .client()
        .put("/v1/zones/b.internal", &json!({}))
        .expect(201);
    let input = json!([{"op": "register", "service": "web", "id": "a", "address": "192.0.2.9"}]).to_string();
    let finished = run_with_input(
        ["apply", "-", "--zone", "b.internal", "--server", &server],
        input.as_bytes(),
    );
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert_eq!(answers(program.dns, "web.b.internal", Type::A).len(), 1);
}

#[test]
fn query_is_a_small_dig() {
    let program = Program::start();
    register(
        &program,
        "web",
        "w",
        json!({"addresses": ["192.0.2.1", "2001:db8::1"], "port": 80, "meta": {"k": "v \"q\""}}),
    );
    register_all(
        &program,
        "big",
        (0..200).map(|n| {
            (
                format!("i{n}"),
                json!({"address": format!("10.0.0.{n}"), "port": 80}),
            )
        }),
    );
    let server = format!("@{}", program.dns);
    let query = |words: &str| {
        let finished = run(["query"]
            .into_iter()
            .chain(words.split(' '))
            .chain([server.as_str()]));
        assert_eq!(
            (finished.code, finished.stderr.as_str()),
            (Some(0), ""),
            "{words}: {finished:?}"
        );
        finished.stdout
    };
    let reply = query("web.svc.internal");
    for part in [
        "status: NOERROR",
        "qr aa rd",
        "web.svc.internal.\t5\tIN\tA\t192.0.2.1",
        "(UDP)",
    ] {
        assert!(reply.contains(part), "no {part:?} in {reply}");
    }
    assert!(query("web.svc.internal AAAA").contains("AAAA\t2001:db8::1"));
    assert!(query("web.svc.internal srv").contains("SRV\t0 1 80 w.web.svc.internal."));
    assert!(query("w.web.svc.internal TXT").contains(r#"TXT	"k=v \"q\"""#));
    assert!(query("web.svc.internal TYPE65280").contains("ANSWER: 0, AUTHORITY: 1"));
    assert!(query("nothing.svc.internal").contains("status: NXDOMAIN"));
    assert!(query("example.org").contains("status: REFUSED"));
    assert!(query("svc.internal SOA").contains("SOA\tns.svc.internal. hostmaster.svc.internal."));
    assert!(query("--tcp web.svc.internal").contains("(TCP)"));
    let big = query("big.svc.internal SRV");
    assert!(
        big.contains("ANSWER: 200") && big.contains("TCP, after a truncated reply over UDP"),
        "{big:.600}"
    );
    for words in [
        &["query"][..],
        &["query", "a..b"],
        &["query", "web", "NOTYPE"],
        &["query", "a", "A", "x", "y"],
    ] {
        is_failure(&run(words), 2, &[]);
    }
    // Nobody there.
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let nobody = format!("@{}", silent.local_addr().unwrap());
    drop(silent);
    is_failure(
        &run(["query", "web.svc.internal", &nobody]),
        1,
        &["no answer from 127.0.0.1"],
    );
    assert!(ask(program.dns, &Query::new(ZONE, Type::SOA)).aa());
}

#[test]
fn what_is_wrong_is_named_with_the_right_code() {
    let program = Program::start();
    for (words, code, named) in [
        ("register web w --address nonsense", 2, &["nonsense"][..]),
        ("register web w", 2, &["--address"]),
        ("register web w --address 192.0.2.1 --port 0", 2, &["--port"]),
        (
            "register web w --address 192.0.2.1 --port a=1 --port a=2",
            2,
            &["--port", "twice"],
        ),
        ("register web w --address 192.0.2.1 --meta x", 2, &["--meta"]),
        (
            "register web w --address 192.0.2.1 --status fine",
            2,
            &["--status"],
        ),
        ("register web w --address 224.0.0.1", 1, &["address"]),
        ("register -- -web w", 2, &[]),
        ("register we.b w --address 192.0.2.1", 1, &["service"]),
        ("register web w --address 192.0.2.1 --lease 1ms", 1, &["lease"]),
        ("register web w --address 192.0.2.1 --lease soon", 1, &["lease"]),
        ("register ns w --address 192.0.2.1", 1, &["ns"]),
        ("health web w fine", 2, &["fine"]),
        ("drain web w --undo --delete-after 5s", 2, &["--undo"]),
        ("services --zone nowhere.internal", 1, &["nowhere.internal"]),
        ("services extra", 2, &["extra"]),
        ("set-service web --answer-limit=-1", 2, &["answer-limit"]),
        ("set-zone z.internal --unset nonsense", 2, &["nonsense"]),
    ] {
        fails(&program, words, code, named);
    }
    assert_eq!(
        asked(program.dns, &format!("web.{ZONE}"), Type::A).rcode(),
        3,
        "nothing was made"
    );
    // Nobody there, or somebody else.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    is_failure(&run(["services", "--server", &nobody]), 1, &[&nobody]);
    is_failure(
        &run(["services", "--server", "https://127.0.0.1:1"]),
        2,
        &["https", "--server"],
    );
    is_failure(
        &run(["services", "--server", "nonsense"]),
        2,
        &["nonsense", "--server"],
    );
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let somebody = format!("http://{}", listener.local_addr().unwrap());
    let talker = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let page = "<html>hello</html>";
        write!(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{page}",
            page.len()
        )
        .unwrap();
        // Read to the end, or the close would be a reset.
        std::io::copy(&mut stream, &mut std::io::sink()).ok();
    });
    is_failure(
        &run(["services", "--server", &somebody]),
        1,
        &["not JSON", "--server"],
    );
    talker.join().unwrap();
}

#[test]
fn tokens_and_the_server_come_from_flags_or_the_environment() {
    let folder = Folder::new();
    let tokens = folder.path().join("tokens");
    std::fs::write(&tokens, "ops s3cret\n").unwrap();
    let program = Launch::new()
        .arguments(["--token-file", tokens.to_str().unwrap()])
        .start();
    fails(&program, "services", 1, &["--token", "CALLSIGN_TOKEN"]);
    fails(&program, "services --token wrong", 1, &["--token"]);
    assert_eq!(told(&program, "services --token s3cret").code, Some(0));
    let with = |variables: &[(&str, &str)]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_callsign"));
        command
            .arg("services")
            .env_remove("CALLSIGN_TOKEN")
            .env_remove("CALLSIGN_SERVER");
        command.envs(variables.iter().copied());
        crate::support::program::finish(command, b"", Duration::from_secs(20))
    };
    let server = format!("http://{}/", program.http);
    assert_eq!(
        with(&[("CALLSIGN_SERVER", &server), ("CALLSIGN_TOKEN", "s3cret")]).code,
        Some(0)
    );
    assert_eq!(
        with(&[("CALLSIGN_SERVER", &server), ("CALLSIGN_TOKEN", "")]).code,
        Some(1)
    );
    let finished = with(&[("CALLSIGN_SERVER", &server), ("CALLSIGN_TOKEN", "two words")]);
    assert_eq!(finished.code, Some(2), "{finished:?}");
    assert!(
        !finished.stderr.contains("two words"),
        "the token is told: {}",
        finished.stderr
    );
}

#[test]
fn dump_reads_beside_a_server_and_after_it() {
    let program = Program::start();
    register(
        &program,
        "web",
        "w",
        json!({"address": "192.0.2.1", "meta": {"k": "v"}}),
    );
    let dir = program.data_dir.to_str().expect("UTF-8").to_string();
    let beside = run(["dump", "--data-dir", &dir]);
    assert_eq!((beside.code, beside.stderr.as_str()), (Some(0), ""), "{beside:?}");
    let json: Value = serde_json::from_str(&beside.stdout).expect("JSON");
    let instance = &json["zones"][0]["services"][0]["instances"][0];
    let mut shown = program.client().get("/v1/services/web/instances/w").json();
    for field in ["lease_expires_at", "remove_at", "checks"] {
        shown.as_object_mut().unwrap().remove(field);
    }
    for (field, value) in shown.as_object().unwrap() {
        assert_eq!(&instance[field], value, "{field}: {instance}");
    }
    let stopped = program.terminate(Duration::from_secs(5));
    assert_eq!(stopped.code(), Some(0));
    assert_eq!(
        run(["dump", "--data-dir", &dir]).stdout,
        beside.stdout,
        "the same after a clean stop"
    );
    is_failure(
        &run(["dump", "--data-dir", "/nonexistent"]),
        3,
        &["/nonexistent", "--data-dir"],
    );
}
