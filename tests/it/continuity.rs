//! Services whose instances come and go all the time, each with one that is healthy at any moment: never an answer
//! without an instance, never a set that is half of one catalog and half of another, never an instance that was
//! deregistered before the question, never one missing that was registered before it.
//!
//! 500 changes a second, as far as the machine and the build keep up, beside 4,000 questions a second for some seconds;
//! with `CALLSIGN_TEST_FULL` beside 20,000, for five minutes.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::dns::{Message, Query, Type, rcode};
use crate::support::http::Connection;
use crate::support::program::Program;
use crate::wire::ZONE;

const WRITERS: usize = 4;
const SERVICES_PER_WRITER: usize = 5;
const SERVICES: usize = WRITERS * SERVICES_PER_WRITER;
const ASKERS: usize = 2;
const CHANGES_PER_S: u32 = 500;
const QUESTIONS_PER_S: u32 = 20_000;
/// In the short form, which runs beside other tests.
const QUESTIONS_PER_S_SHORT: u32 = 4_000;
/// Questions that an asker sends at once.
const BURST: u32 = 10;
const SHORT: Duration = Duration::from_secs(4);
const FULL: Duration = Duration::from_secs(300);
/// How long a request may take on a machine that does other things as well.
const DEADLINE: Duration = Duration::from_secs(30);
/// After this a question counts as dropped.
const LOST_AFTER: Duration = Duration::from_secs(2);

/// What is known of a service: its instances are numbered, `v1`, `v2`, and at any moment one or two of them are there.
#[derive(Default)]
struct Service {
    /// The last registration that was begun, and the last that was acknowledged.
    registering: AtomicU32,
    registered: AtomicU32,
    /// The same of deregistrations.
    deregistering: AtomicU32,
    deregistered: AtomicU32,
}

/// Both addresses of an instance: an answer that has one alone is torn.
fn addresses(service: usize, number: u32) -> [Ipv4Addr; 2] {
    let [high, low] = (number as u16).to_be_bytes();
    [service as u8, service as u8 + 128].map(|network| Ipv4Addr::new(10, network, high, low))
}

/// Waits until it is time for the n-th of so many in a second.
fn pace(began: Instant, n: u64, per_s: u32) {
    let due = Duration::from_secs_f64(n as f64 / f64::from(per_s));
    if let Some(early) = due.checked_sub(began.elapsed()) {
        std::thread::sleep(early);
    }
}

/// Puts a new instance into each of its services and takes the one before it away, over and over.
struct Writer<'a> {
    connection: Connection,
    services: &'a [Service],
    first: usize,
    changes: u64,
}

impl Writer<'_> {
    fn request(&mut self, method: &str, service: usize, number: u32, body: Option<String>, expected: u16) {
        let path = format!("/v1/services/s{service}/instances/v{number}");
        self.connection
            .send(method, &path, &[], body.as_deref().map(str::as_bytes));
        self.connection.response(method).expect(expected);
        self.changes += 1;
    }

    fn register(&mut self, service: usize, number: u32) {
        let body = json!({"addresses": addresses(service, number), "port": 1024 + number % 60_000});
        self.services[service].registering.store(number, Ordering::SeqCst);
        self.request("PUT", service, number, Some(body.to_string()), 201);
        self.services[service].registered.store(number, Ordering::SeqCst);
    }

    fn deregister(&mut self, service: usize, number: u32) {
        self.services[service]
            .deregistering
            .store(number, Ordering::SeqCst);
        self.request("DELETE", service, number, None, 204);
        self.services[service]
            .deregistered
            .store(number, Ordering::SeqCst);
    }

    fn run(mut self, is_over: &AtomicBool) -> u64 {
        let (began, before) = (Instant::now(), self.changes);
        let per_s = CHANGES_PER_S / WRITERS as u32;
        for number in 2..u32::from(u16::MAX) {
            for service in self.first..self.first + SERVICES_PER_WRITER {
                if is_over.load(Ordering::SeqCst) {
                    return self.changes - before;
                }
                pace(began, self.changes - before, per_s);
                self.register(service, number);
                pace(began, self.changes - before, per_s);
                self.deregister(service, number - 1);
            }
        }
        self.changes - before
    }
}

/// A question that has no answer yet.
struct Outstanding {
    service: usize,
    rtype: Type,
    /// As they were acknowledged when it was sent.
    registered: u32,
    deregistered: u32,
}

struct Asker<'a> {
    socket: UdpSocket,
    services: &'a [Service],
    random: fastrand::Rng,
    outstanding: BTreeMap<u16, Outstanding>,
    next_id: u16,
    answered: u64,
    lost: u64,
}

impl<'a> Asker<'a> {
    fn new(server: SocketAddr, services: &'a [Service], seed: u64) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind to a loopback address");
        socket.connect(server).expect("connect a UDP socket");
        socket.set_nonblocking(true).expect("make a socket non-blocking");
        Self {
            socket,
            services,
            random: fastrand::Rng::with_seed(seed),
            outstanding: BTreeMap::new(),
            next_id: 0,
            answered: 0,
            lost: 0,
        }
    }

    fn ask(&mut self) {
        let service = self.random.usize(..SERVICES);
        let rtype = if self.random.bool() { Type::A } else { Type::SRV };
        let id = self.next_id;
        self.next_id = id.wrapping_add(1);
        let query = Query::new(&format!("s{service}.{ZONE}"), rtype).edns(1232).id(id);
        let known = &self.services[service];
        let outstanding = Outstanding {
            service,
            rtype,
            registered: known.registered.load(Ordering::SeqCst),
            deregistered: known.deregistered.load(Ordering::SeqCst),
        };
        self.lost += u64::from(self.outstanding.insert(id, outstanding).is_some());
        self.socket.send(&query.bytes()).expect("send a question");
    }

    /// Judges what has come.
    fn hear(&mut self) {
        let mut reply = [0; 1500];
        loop {
            let octets = match self.socket.recv(&mut reply) {
                Ok(octets) => octets,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => panic!("receive an answer: {error}"),
            };
            let reply = Message::parse(&reply[..octets]).expect("a well-formed reply");
            if let Some(asked) = self.outstanding.remove(&reply.id) {
                self.judge(&asked, &reply);
                self.answered += 1;
            }
        }
    }

    fn judge(&self, asked: &Outstanding, reply: &Message) {
        let service = &self.services[asked.service];
        let begun = service.registering.load(Ordering::SeqCst);
        let ending = service.deregistering.load(Ordering::SeqCst);
        let seen = || format!("{:?} of s{}: {reply:?}", asked.rtype, asked.service);
        assert_eq!((reply.rcode(), reply.tc()), (rcode::NOERROR, false), "{}", seen());
        let numbers: BTreeSet<u32> = if asked.rtype == Type::A {
            whole(asked.service, &reply.a_set()).unwrap_or_else(|| panic!("torn: {}", seen()))
        } else {
            let targets = reply
                .srv_list()
                .into_iter()
                .map(|(_, _, port, target)| (port, target));
            let numbers: BTreeSet<u32> = targets
                .map(|(port, target)| {
                    let number = number_of(asked.service, &target).unwrap_or_else(|| panic!("{}", seen()));
                    assert_eq!(u32::from(port), 1024 + number % 60_000, "{}", seen());
                    number
                })
                .collect();
            let brought: BTreeSet<Ipv4Addr> = reply.additionals.iter().filter_map(address_of).collect();
            assert_eq!(
                whole(asked.service, &brought).as_ref(),
                Some(&numbers),
                "torn: {}",
                seen()
            );
            numbers
        };
        let (Some(first), Some(last)) = (numbers.first(), numbers.last()) else {
            panic!("no instance: {}", seen());
        };
        assert!(
            *first > asked.deregistered && *last <= begun,
            "of {}..={begun}: {}",
            asked.deregistered + 1,
            seen()
        );
        for number in ending + 1..=asked.registered {
            assert!(numbers.contains(&number), "v{number} is missing: {}", seen());
        }
        // At every index there is one, or two of which one is about to go.
        assert!(last - first <= 1, "of two catalogs: {}", seen());
    }

    fn run(mut self, per_s: u32, is_over: &AtomicBool, asked: &AtomicU64) -> (u64, u64) {
        let (began, mut count) = (Instant::now(), 0);
        while !is_over.load(Ordering::SeqCst) {
            pace(began, count, per_s / ASKERS as u32);
            for _ in 0..BURST {
                self.ask();
            }
            count += u64::from(BURST);
            asked.fetch_add(u64::from(BURST), Ordering::Relaxed);
            self.hear();
        }
        let until = Instant::now() + LOST_AFTER;
        while !self.outstanding.is_empty() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(1));
            self.hear();
        }
        self.lost += self.outstanding.len() as u64;
        (self.answered, self.lost)
    }
}

/// The instances that have these addresses, if each has both.
fn whole(service: usize, found: &BTreeSet<Ipv4Addr>) -> Option<BTreeSet<u32>> {
    let number = |address: &Ipv4Addr| {
        let [_, _, high, low] = address.octets();
        u32::from(u16::from_be_bytes([high, low]))
    };
    let numbers: BTreeSet<u32> = found.iter().map(number).collect();
    let all: BTreeSet<Ipv4Addr> = numbers
        .iter()
        .flat_map(|number| addresses(service, *number))
        .collect();
    (all == *found).then_some(numbers)
}

/// The number in a target such as `v7.s3.svc.internal.`.
fn number_of(service: usize, target: &str) -> Option<u32> {
    let (label, rest) = target.strip_prefix('v')?.split_once('.')?;
    (rest.trim_end_matches('.') == format!("s{service}.{ZONE}")).then(|| label.parse().ok())?
}

fn address_of(record: &crate::support::dns::Record) -> Option<Ipv4Addr> {
    let octets: [u8; 4] = record.rdata.as_slice().try_into().ok()?;
    (record.rtype == Type::A).then(|| octets.into())
}

#[test]
fn services_whose_instances_come_and_go_always_have_one() {
    let is_full = std::env::var_os("CALLSIGN_TEST_FULL").is_some();
    let (lasts, questions_per_s) = if is_full {
        (FULL, QUESTIONS_PER_S)
    } else {
        (SHORT, QUESTIONS_PER_S_SHORT)
    };
    let program = Program::start();
    let services: Vec<Service> = (0..SERVICES).map(|_| Service::default()).collect();
    let (is_over, asked) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut writers: Vec<Writer<'_>> = (0..WRITERS)
        .map(|writer| Writer {
            connection: Connection::open(program.http, DEADLINE),
            services: &services,
            first: writer * SERVICES_PER_WRITER,
            changes: 0,
        })
        .collect();
    for writer in &mut writers {
        for service in writer.first..writer.first + SERVICES_PER_WRITER {
            writer.register(service, 1);
        }
    }
    let (changes, answered, lost) = std::thread::scope(|scope| {
        let is_over = &is_over;
        // Whoever fails ends it for all.
        struct Over<'a>(&'a AtomicBool);
        impl Drop for Over<'_> {
            fn drop(&mut self) {
                self.0.store(true, Ordering::SeqCst);
            }
        }
        let askers: Vec<_> = (0..ASKERS)
            .map(|seed| {
                let asker = Asker::new(program.dns, &services, seed as u64);
                let asked = &asked;
                scope.spawn(move || {
                    let _over = Over(is_over);
                    asker.run(questions_per_s, is_over, asked)
                })
            })
            .collect();
        let writers: Vec<_> = writers
            .into_iter()
            .map(|writer| {
                scope.spawn(move || {
                    let _over = Over(is_over);
                    writer.run(is_over)
                })
            })
            .collect();
        let began = Instant::now();
        while began.elapsed() < lasts && !is_over.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(20));
        }
        is_over.store(true, Ordering::SeqCst);
        let changes: u64 = writers
            .into_iter()
            .map(|writer| writer.join().expect("a writer whose requests were accepted"))
            .sum();
        let heard = askers
            .into_iter()
            .map(|asker| asker.join().expect("an asker whose answers were all right"));
        let (answered, lost) = heard.fold((0, 0), |all, one| (all.0 + one.0, all.1 + one.1));
        (changes, answered, lost)
    });
    println!("{changes} changes, {answered} answers, {lost} lost in {lasts:?}");
    assert_eq!(
        answered + lost,
        asked.load(Ordering::Relaxed),
        "every question is accounted for"
    );
    // What a full socket drops is no wrong answer. How much that is says something only where nothing else runs.
    assert!(
        !is_full || lost * 100 <= answered,
        "{lost} of {} were not answered",
        answered + lost
    );
    let least = |per_s: u32| u64::from(per_s) * lasts.as_secs() / if is_full { 2 } else { 20 };
    assert!(
        changes >= least(CHANGES_PER_S) && answered >= least(questions_per_s),
        "{changes} changes and {answered} answers in {lasts:?}"
    );
}
