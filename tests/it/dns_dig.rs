//! `dig`, which somebody else wrote, agrees. Where it is not installed that is said, and nothing is held.

use std::process::Command;
use std::time::Duration;

use serde_json::json;

use crate::support::program::{Finished, Program, finish};
use crate::wire::{ZONE, register, register_all};

fn dig(program: &Program, arguments: &str) -> Finished {
    let mut command = Command::new("dig");
    command.arg(format!("@{}", program.dns.ip()));
    command.args(["-p", &program.dns.port().to_string(), "+tries=1", "+time=5"]);
    command.args(arguments.split(' '));
    finish(command, b"", Duration::from_secs(20))
}

fn is_there() -> bool {
    let there = Command::new("dig")
        .arg("-v")
        .output()
        .is_ok_and(|output| output.status.success());
    if !there {
        eprintln!("SKIPPED: dig is not installed, so nothing was held against it");
        println!("SKIPPED: dig is not installed, so nothing was held against it");
    }
    there
}

#[track_caller]
fn says(program: &Program, arguments: &str, wanted: &[&str]) {
    let said = dig(program, arguments);
    assert_eq!(
        (said.code, said.stderr.as_str()),
        (Some(0), ""),
        "dig {arguments}"
    );
    // One blank for each run of them: how dig aligns columns is its own affair.
    let text: Vec<String> = said
        .stdout
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    let text = text.join("\n");
    for part in wanted {
        assert!(text.contains(part), "dig {arguments}: no {part:?} in\n{text}");
    }
    // An authoritative server says that, and dig warns of it.
    let text = text.replace("WARNING: recursion requested but not available", "");
    for warning in [
        "WARNING",
        "Warning",
        "malformed",
        "FORMERR",
        "Got bad packet",
        "extra bytes",
    ] {
        assert!(!text.contains(warning), "dig {arguments}:\n{text}");
    }
}

#[test]
fn dig_agrees() {
    if !is_there() {
        return;
    }
    let program = Program::start();
    register(
        &program,
        "web",
        "web-1",
        json!({"addresses": ["192.0.2.11", "2001:db8::11"], "ports": {"http": 8080}, "tags": ["v2"], "meta": {"version": "2.1"}}),
    );
    let instance = |n: u32| {
        (
            format!("i{n}"),
            json!({"address": format!("10.0.0.{n}"), "port": 80}),
        )
    };
    register_all(&program, "big", (0..200).map(instance));
    let exactly = |arguments: &str, wanted: &str| {
        let said = dig(&program, arguments);
        assert_eq!(
            (said.code, said.stdout.as_str()),
            (Some(0), wanted),
            "dig {arguments}"
        );
    };
    exactly("+short web.svc.internal", "192.0.2.11\n");
    exactly("+short web.svc.internal AAAA", "2001:db8::11\n");
    exactly(
        "+short web.svc.internal SRV",
        "0 1 8080 web-1.web.svc.internal.\n",
    );
    exactly(
        "+short _http._tcp.v2.web.svc.internal SRV",
        "0 1 8080 web-1.web.svc.internal.\n",
    );
    exactly("+short web-1.web.svc.internal TXT", "\"version=2.1\"\n");
    exactly("+short +tcp web.svc.internal", "192.0.2.11\n");
    exactly("+short +noedns web.svc.internal", "192.0.2.11\n");
    exactly("+short svc.internal NS", "ns.svc.internal.\n");
    exactly("+short nothing.svc.internal", "");
    let aa = "status: NOERROR";
    says(
        &program,
        "web.svc.internal SRV",
        &[
            aa,
            "flags: qr aa rd;",
            "web-1.web.svc.internal. 5 IN AAAA 2001:db8::11",
            "udp: 1232",
        ],
    );
    says(&program, "+norec web.svc.internal", &[aa, "flags: qr aa;"]);
    says(&program, "+cdflag web.svc.internal", &["flags: qr aa rd cd;"]);
    says(
        &program,
        "+dnssec web.svc.internal",
        &[aa, "flags: do; udp: 1232"],
    );
    says(&program, "+nsid +subnet=192.0.2.0/24 web.svc.internal", &[aa]);
    says(
        &program,
        "WeB.sVc.InTeRnAl",
        &["WeB.sVc.InTeRnAl. 5 IN A 192.0.2.11"],
    );
    says(
        &program,
        "nothing.svc.internal",
        &[
            "status: NXDOMAIN",
            "AUTHORITY: 1",
            "SOA ns.svc.internal. hostmaster.svc.internal.",
        ],
    );
    says(&program, "web.svc.internal MX", &[aa, "ANSWER: 0, AUTHORITY: 1"]);
    says(&program, "-x 192.0.2.11", &["status: REFUSED"]);
    says(&program, "example.org", &["status: REFUSED", "EDE: 20"]);
    says(&program, "web.svc.internal ANY", &[aa, "ANSWER: 1"]);
    says(&program, "CH version.bind TXT", &[aa, "callsign"]);
    says(
        &program,
        "web.svc.internal TYPE65280",
        &[aa, "ANSWER: 0, AUTHORITY: 1"],
    );
    // Cut with `+ignore`, and whole because dig asks again over TCP.
    says(
        &program,
        "+bufsize=512 +ignore big.svc.internal",
        &["flags: qr aa tc rd;"],
    );
    says(
        &program,
        "+bufsize=512 big.svc.internal",
        &["Truncated, retrying in TCP mode", "ANSWER: 200"],
    );
    says(
        &program,
        "+bufsize=1232 +ignore +noall +comments big.svc.internal",
        &["flags: qr aa tc rd;"],
    );
    says(
        &program,
        "+edns=1 +noednsneg web.svc.internal",
        &["status: BADVERS"],
    );
    says(&program, "+opcode=UPDATE web.svc.internal", &["status: NOTIMP"]);
    says(
        &program,
        "+keepopen +tcp web.svc.internal web.svc.internal AAAA",
        &["192.0.2.11", "2001:db8::11"],
    );
    let transfer = dig(&program, "svc.internal AXFR");
    assert!(transfer.stdout.contains("Transfer failed"), "{}", transfer.stdout);
    assert!(transfer.stdout.contains(ZONE) && !transfer.stdout.contains("192.0.2.11"));
}
