//! The load generator of the side-by-side benchmark: one thread that is stronger than a server's one core, and checks
//! every answer. Each command does one measurement and prints one line of JSON.

// Measuring time is what it is for.
#![allow(clippy::disallowed_methods)]

mod arguments;
mod change;
mod changes;
mod closed;
mod echo;
mod etcd;
mod flood;
mod grpc;
mod heartbeat;
mod histogram;
mod http;
mod load;
mod measurement;
mod outstanding;
mod probe;
mod process;
mod questions;
mod register;
mod socket;
mod stream;
mod workload;

use std::net::UdpSocket;
use std::time::Duration;

use arguments::{Arguments, Json};
use questions::{Kind, Mix, Questions};

const USAGE: &str = "\
Usage: loadgen COMMAND [--KEY VALUE]...

  zone          --services N                  the workload as a master file, on standard output
  load          --services N --http A [--lease TIME]   the workload into Callsign, in batches
  first-answer  --services N --server A --since NS [--limit S]
                milliseconds from the monotonic time NS to the first right answer about the last service
  flood         --services N --server A [--clients N] [--window N] [--mix full|hits|misses] [--pid P] [--threads PREFIX]
                closed loop over UDP; --unchecked 1 takes any answer (the echo floor), --flipping 1 allows for `changes`
  probe         --services N --server A [--rate R] [--clients N] [--pid P]
                open loop over UDP, Poisson arrivals; latency from the time a question was due
  echo          --server A [--together 1]     the floor: sends 108 octets back for each datagram, unread; together:
                those to one client in one message (GSO)
  register      --http A [--clients N] [--batch N]   each client registers new instances: one request after the other,
                one instance in each (PUT) or that many (POST /v1/batch)
  etcd          --server A [--clients N] [--batch N] [--connections N]   the same as puts over gRPC, many in a Txn
  heartbeat     --http A --services N [--clients N] [--batch N] [--pipelined N]
                renews leases that `load` gave: one in a request (PUT …/heartbeat) or many (POST /v1/heartbeats), with
                that many requests under way on each connection
  changes       --services N --http A --server A [--rate R] [--clients N]
                registrations at a rate; the next question after each acknowledgement must show it
  change        --http A --server A --instances N [--times N]   one change at a time in a service of N instances

All take --seconds S, --warm S, --seed N and --label TEXT where that means something.";

fn main() {
    let mut words = std::env::args().skip(1);
    let command = words.next().unwrap_or_default();
    let arguments = Arguments::parse(words);
    let line = match command.as_str() {
        "zone" => return workload::write_zone(arguments.number("services", 10_000)),
        "load" => load::run(&arguments),
        "first-answer" => first_answer(&arguments),
        "flood" => flood::run(&arguments),
        "probe" => probe::run(&arguments),
        "echo" => return echo::run(&arguments),
        "register" => register::run(&arguments),
        "heartbeat" => heartbeat::run(&arguments),
        "etcd" => etcd::run(&arguments),
        "changes" => changes::run(&arguments),
        "change" => change::run(&arguments),
        _ => {
            eprintln!("{USAGE}");
            std::process::exit(if command == "--help" { 0 } else { 2 });
        }
    };
    println!("{}", line.text("label", arguments.text("label")).end());
}

/// Ends the program with a reason.
fn fail(reason: &str) -> ! {
    eprintln!("loadgen: {reason}");
    std::process::exit(1);
}

/// Asks for the last service, a millisecond apart, until the answer is right.
fn first_answer(arguments: &Arguments) -> Json {
    let since: u64 = arguments.number("since", socket::monotonic_ns());
    let limit_s: u64 = arguments.number("limit", 120);
    let services: u32 = arguments.number("services", 10_000);
    let questions = Questions::about(services - 1, Kind::Addresses);
    let server = arguments.address("server");
    let asker = UdpSocket::bind((server.ip(), 0)).unwrap_or_else(|error| fail(&format!("bind: {error}")));
    asker
        .set_read_timeout(Some(Duration::from_millis(1)))
        .unwrap_or_else(|error| fail(&format!("set a timeout: {error}")));
    let mut reply = [0; 4096];
    loop {
        let elapsed = socket::monotonic_ns() - since;
        if elapsed > limit_s * 1_000_000_000 {
            fail(&format!("no right answer from {server} within {limit_s} s"));
        }
        let began = socket::monotonic_ns();
        // Refused while nobody listens yet.
        let heard = asker
            .connect(server)
            .and_then(|()| asker.send(questions.octets(0)));
        if let Ok(octets) = heard.and_then(|_| asker.recv(&mut reply))
            && questions.is_right(0, &reply[..octets], false)
        {
            let elapsed = socket::monotonic_ns() - since;
            return Json::begin().number("first_answer_ms", elapsed as f64 / 1e6);
        }
        let spent = Duration::from_nanos(socket::monotonic_ns() - began);
        std::thread::sleep(Duration::from_millis(1).saturating_sub(spent));
    }
}

/// What is asked, from the arguments that say so.
fn questions(arguments: &Arguments) -> Questions {
    let mix = match arguments.text("mix") {
        "" | "full" => Mix::Full,
        "hits" => Mix::Hits,
        "misses" => Mix::Misses,
        other => fail(&format!("--mix {other}: full, hits or misses")),
    };
    Questions::draw(
        arguments.number("services", 10_000),
        mix,
        arguments.number("seed", 1),
    )
}
