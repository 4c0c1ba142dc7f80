//! UDP under pressure: while clients ask as fast as they can, the API answers, others are answered, memory stays as it
//! is, and every answer is that of the catalog as it was last acknowledged. What is claimed is what happens, never how
//! fast: a test that counts tries does not hear what else the machine does.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::dns::{Message, Query, Type, rcode};
use crate::support::http::Client;
use crate::support::program::{Launch, Program};
use crate::wire::{ZONE, accepted, honest, still_answers};

use flood::{Flood, Polite};

#[path = "udp_pressure/flood.rs"]
mod flood;

/// Who floods, and who does not.
const FLOODER: Ipv4Addr = Ipv4Addr::new(127, 0, 20, 1);
const POLITE: Ipv4Addr = Ipv4Addr::new(127, 0, 20, 2);
/// How often a question may be dropped by a server that is full before it counts as starved.
const TRIES: u32 = 200;
/// Sockets of a polite client: that all of them land on the flooded one of two workers happens once in 65,536 runs,
/// and even then some of its questions get in.
const SOCKETS: usize = 16;

/// How long the API may take: it shares the cores with the flood, with other tests and with whatever else there is.
const API_DEADLINE: Duration = Duration::from_secs(30);

/// How long a test goes on by itself.
const ENOUGH: Duration = Duration::from_secs(5);

/// One flood at a time: each takes all that it gets, and a test is about its own.
static FLOODED: Mutex<()> = Mutex::new(());

/// The program with two workers, and the turn of the test that floods it.
fn two_workers() -> (Program, MutexGuard<'static, ()>) {
    // That another of these tests failed says nothing of this one.
    let turn = FLOODED.lock().unwrap_or_else(PoisonError::into_inner);
    let program = Launch::new().arguments(["--udp-workers", "2"]).start();
    honest(&program);
    (program, turn)
}

/// Counts from 1 to `most`, or less far on a busy machine: past [`ENOUGH`] it ends once `least` is reached.
fn rounds(least: usize, most: usize) -> impl Iterator<Item = usize> {
    let began = Instant::now();
    (1..=most).take_while(move |round| *round <= least || began.elapsed() < ENOUGH)
}

fn client(program: &Program) -> Client {
    program.client().deadline(API_DEADLINE)
}

/// Registers an instance of the default zone.
#[track_caller]
fn register(program: &Program, service: &str, id: &str, body: &Value) {
    accepted(client(program).put(&format!("/v1/services/{service}/instances/{id}"), body));
}

fn query(name: &str) -> Query {
    Query::new(&format!("{name}.{ZONE}"), Type::A).edns(1232)
}

/// A flood of questions about a name that exists, by senders who listen.
fn flood_of_hits(program: &Program, senders: usize) -> Flood {
    let octets = query("honest").bytes();
    let is_answer = |reply: &[u8]| {
        let reply = Message::parse(reply).expect("a well-formed reply");
        assert_eq!((reply.rcode(), reply.answers.len()), (rcode::NOERROR, 1));
    };
    Flood::listening(program.dns, FLOODER, senders, move |_| octets.clone(), is_answer)
}

/// Holds that a flood leaves nothing behind: what it left in the queues is worked off before a client gives up.
#[track_caller]
fn recovers(program: &Program) {
    let mut polite = Polite::new(program.dns, POLITE, SOCKETS);
    // A question to each worker may still meet a full queue; it takes milliseconds to empty it.
    for _ in 0..SOCKETS {
        assert_eq!(polite.ask(&query("honest"), TRIES).rcode(), rcode::NOERROR);
    }
    still_answers(program.dns);
}

#[test]
fn the_api_answers_while_dns_is_flooded() {
    let (program, _turn) = two_workers();
    let listening = flood_of_hits(&program, 2);
    let deaf = Flood::deaf(program.dns, FLOODER, 1, query("honest").bytes());
    for n in rounds(10, 40) {
        let (asked, heard) = (listening.asked(), listening.heard());
        register(&program, "web", "a", &json!({"address": format!("192.0.2.{n}")}));
        let shown = program
            .client()
            .get("/v1/services/web/instances/a")
            .expect(200)
            .json();
        assert_eq!(shown["addresses"], json!([format!("192.0.2.{n}")]));
        // The flood was one: it went on all the while, and was answered.
        listening.goes_on_for(64);
        deaf.goes_on_for(256);
        assert!(listening.asked() > asked && listening.heard() >= heard);
    }
    assert!(
        listening.heard() > 1000,
        "{} answers to the flood",
        listening.heard()
    );
    listening.end();
    deaf.end();
    recovers(&program);
}

#[test]
fn dns_answers_while_the_api_is_flooded() {
    const WRITERS: usize = 8;
    let (program, _turn) = two_workers();
    let is_over = AtomicBool::new(false);
    let written = AtomicUsize::new(0);
    let until = Instant::now() + Duration::from_secs(25);
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (program, is_over, written) = (&program, &is_over, &written);
            scope.spawn(move || {
                for n in 0..100_000 {
                    if is_over.load(Ordering::Relaxed) || Instant::now() > until {
                        break;
                    }
                    let body = json!({"address": format!("192.0.2.{}", 1 + n % 200), "port": 8080});
                    register(program, &format!("s{writer}-{}", n % 50), "a", &body);
                    written.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let mut polite = Polite::new(program.dns, POLITE, SOCKETS);
        let began = Instant::now();
        // As long as it takes for the writers to have written, for it is beside them that is asked.
        let (mut answered, mut written_when_asked) = (0, BTreeSet::new());
        while (answered < 300 || written_when_asked.len() < 50) && began.elapsed() < 4 * ENOUGH {
            written_when_asked.insert(written.load(Ordering::Relaxed));
            let reply = polite.ask(&query("honest"), TRIES);
            assert_eq!((reply.rcode(), reply.answers.len()), (rcode::NOERROR, 1));
            answered += 1;
        }
        is_over.store(true, Ordering::Relaxed);
        let seen = written_when_asked.len();
        assert!(
            answered >= 300 && seen >= 50,
            "{answered} questions were answered while {seen} writes came between"
        );
    });
    still_answers(program.dns);
}

#[test]
fn a_flood_from_one_address_starves_nobody_else() {
    let (program, _turn) = two_workers();
    // One flow, so one worker has all of it.
    let flood = Flood::deaf(program.dns, FLOODER, 1, query("honest").bytes());
    let mut polite = Polite::new(program.dns, POLITE, SOCKETS);
    for _ in rounds(50, 200) {
        let reply = polite.ask(&query("honest"), TRIES);
        assert_eq!((reply.rcode(), reply.answers.len()), (rcode::NOERROR, 1));
        flood.goes_on_for(256);
    }
    flood.end();
    recovers(&program);
}

/// What a process holds for itself alone, in KiB: what it shares with other runs of the program moves as these come and go.
fn own_kib(program: &Program) -> i64 {
    let path = format!("/proc/{}/smaps_rollup", program.pid());
    let text = std::fs::read_to_string(path).expect("read what the process holds");
    let line = text.lines().find_map(|line| line.strip_prefix("Anonymous:"));
    let figure = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    figure.expect("a figure in KiB")
}

#[test]
fn random_subdomains_are_nxdomain_and_leave_nothing_behind() {
    /// Were each name kept, with nothing beside it, this much would be held.
    const QUESTIONS: u64 = 60_000;
    const LABEL: usize = 60;
    let (program, _turn) = two_workers();
    // Of all 60 letters by the number, so that no name is asked twice.
    let question = |n: u64| {
        let digits = format!("{n:020}").repeat(LABEL / 20);
        let place = if n.is_multiple_of(2) {
            ZONE.to_string()
        } else {
            format!("honest.{ZONE}")
        };
        Query::new(&format!("{digits}.{place}"), Type::A)
            .edns(1232)
            .bytes()
    };
    let judge = |reply: &[u8]| {
        let reply = Message::parse(reply).expect("a well-formed reply");
        assert_eq!((reply.rcode(), reply.answers.len()), (rcode::NXDOMAIN, 0));
        assert!(reply.serial().is_some(), "NXDOMAIN without the SOA");
    };
    let flood = Flood::listening(program.dns, FLOODER, 2, question, judge);
    // What is touched once is touched by then.
    flood.hears(30_000);
    let before = own_kib(&program);
    flood.hears(QUESTIONS);
    let after = own_kib(&program);
    flood.end();
    let if_kept = (QUESTIONS * LABEL as u64 / 1024) as i64;
    assert!(
        after - before < if_kept / 2,
        "it held {before} KiB and is {after} KiB after {QUESTIONS} names that nobody has"
    );
    still_answers(program.dns);
}

/// The two sets that `web` may have; no address is in both.
fn set(version: usize) -> BTreeSet<Ipv4Addr> {
    let network = if version.is_multiple_of(2) { 2 } else { 3 };
    (1..=3).map(|host| Ipv4Addr::new(192, 0, network, host)).collect()
}

/// Puts all three instances of `web` to the addresses of a set, in one batch.
fn move_all(program: &Program, version: usize) {
    let operations: Vec<Value> = set(version)
        .iter()
        .enumerate()
        .map(|(n, address)| {
            json!({"op": "register", "service": "web", "id": format!("web-{n}"), "address": address.to_string()})
        })
        .collect();
    accepted(client(program).post("/v1/batch", &json!({ "operations": operations })));
}

#[test]
fn under_a_flood_no_answer_is_older_than_its_acknowledgement_and_none_is_torn() {
    let (program, _turn) = two_workers();
    move_all(&program, 0);
    let octets = query("web").bytes();
    let seen = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
    let judge = {
        let seen = seen.clone();
        move |reply: &[u8]| {
            let reply = Message::parse(reply).expect("a well-formed reply");
            let found = reply.a_set();
            let version = (0..2).find(|version| set(*version) == found);
            let version = version.unwrap_or_else(|| panic!("a torn answer: {found:?}"));
            seen[version].fetch_add(1, Ordering::Relaxed);
        }
    };
    let flood = Flood::listening(program.dns, FLOODER, 2, move |_| octets.clone(), judge);
    let mut polite = Polite::new(program.dns, POLITE, SOCKETS);
    for version in rounds(50, 250) {
        move_all(&program, version);
        let found = polite.ask(&query("web"), TRIES).a_set();
        assert_eq!(found, set(version), "after change {version} was acknowledged");
    }
    flood.end();
    // The flood saw both, so it saw changes pass.
    for (version, count) in seen.iter().enumerate() {
        let count = count.load(Ordering::Relaxed);
        assert!(count > 50, "{count} answers of the flood had set {version}");
    }
    still_answers(program.dns);
}
