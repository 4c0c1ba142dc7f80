//! While the catalog is read: whoever asks is told so, and never that a name does not exist.

use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use callsign::catalog::{
    Base, Change, InstanceId, InstanceKey, Operation, Registration, ServiceName, State, ZoneName,
};
use callsign::clock::Timestamp;
use callsign::store::{Batch, Entry, Store};

use crate::support::dns::{CHAOS, Message, Query, TcpClient, Type, ask, ask_tcp, rcode};
use crate::support::program::{Folder, Launch, Program};
use crate::support::server::{START_MS, Setup};
use crate::wire::{ZONE, answers};

/// An extended error, and the code of this one (RFC 8914).
const OPTION_EDE: u16 = 15;
const NOT_READY: [u8; 2] = [0, 14];
/// Enough for a load that takes many questions' time.
const SERVICES: usize = 20_000;
const STOP_WITHIN: Duration = Duration::from_secs(10);

/// A port that nobody listens on, for UDP and TCP.
fn free_port() -> SocketAddr {
    loop {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = tcp.local_addr().unwrap();
        if UdpSocket::bind(address).is_ok() {
            return address;
        }
    }
}

/// Fills a new data directory with services of one instance, as the writer does.
fn fill(dir: &Path, services: usize) {
    let opened = Store::open(dir).unwrap();
    let (mut store, mut state) = (opened.store, opened.state);
    let zone = ZoneName::parse(ZONE).unwrap();
    let mut commit = |changes: Vec<Change>| {
        let before: State = state.clone();
        let mut records = Vec::new();
        for change in changes {
            let now = Timestamp::from_unix_ms(START_MS);
            records.extend(state.apply(&Operation::from(change), now).unwrap().records);
        }
        let entry = |record| Entry {
            record,
            actor: "test",
        };
        let entries: Vec<_> = records.iter().map(entry).collect();
        let (before, after, entries) = (&before, &state, &entries[..]);
        store
            .apply(&Batch {
                before,
                after,
                entries,
            })
            .unwrap();
    };
    commit(vec![Change::Open {
        zones: vec![zone.clone()],
        base: Base::default(),
    }]);
    let register = |number: usize| Change::Register {
        key: InstanceKey {
            zone: zone.clone(),
            service: ServiceName::parse(&format!("s{number}")).unwrap(),
            id: InstanceId::parse("a").unwrap(),
        },
        registration: Box::new(Registration::at([[192, 0, 2, 1].into()])),
    };
    for first in (0..services).step_by(1000) {
        commit((first..services.min(first + 1000)).map(register).collect());
    }
    store.close().unwrap();
}

/// What a reply says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    NotReady,
    Right,
}

/// A question that every round asks, and whether a reply is what the whole catalog answers.
type Judged = (Query, fn(&Message) -> bool);

/// One that exists, the apex, one that does not exist, one outside.
fn questions(services: usize) -> Vec<Judged> {
    let of = |name: &str, rtype| Query::new(name, rtype).edns(1232);
    let last = format!("s{}.{ZONE}", services - 1);
    vec![
        (of(&last, Type::A), |reply| {
            reply.rcode() == rcode::NOERROR && reply.a_list().len() == 1
        }),
        (of(ZONE, Type::SOA), |reply| {
            reply.rcode() == rcode::NOERROR && reply.answers.len() == 1
        }),
        (of(&format!("none.{ZONE}"), Type::A), |reply| {
            reply.rcode() == rcode::NXDOMAIN && reply.aa()
        }),
        (of("none.example.org", Type::A), |reply| {
            reply.rcode() == rcode::REFUSED
        }),
    ]
}

#[track_caller]
fn judge(reply: &Message, is_right: fn(&Message) -> bool) -> Said {
    if is_right(reply) {
        return Said::Right;
    }
    assert_eq!(reply.rcode(), rcode::SERVFAIL, "{reply:?}");
    assert!(!reply.aa() && reply.answers.is_empty() && reply.authorities.is_empty());
    let ede = reply.edns.as_ref().and_then(|edns| edns.option(OPTION_EDE));
    assert!(ede.is_some_and(|ede| ede.starts_with(&NOT_READY)), "{reply:?}");
    Said::NotReady
}

/// Asks from before the server listens until so many right answers came in a row; gives what was said, in order.
fn ask_from_the_start(over_tcp: bool, dns: SocketAddr, services: usize, over: &AtomicBool) -> Vec<Said> {
    const RIGHT_AT_LEAST: usize = 200;
    let began = Instant::now();
    let in_time = || {
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "the catalog never came"
        )
    };
    // Nobody listens yet: a connection is refused, and so is a datagram.
    let probe = Query::new(ZONE, Type::SOA).edns(1232).bytes();
    if over_tcp {
        while TcpStream::connect(dns).is_err() {
            in_time();
            std::thread::yield_now();
        }
    } else {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(dns).unwrap();
        // What came before a worker ran may be shed as too old: a lost probe must not outwait the load.
        socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        while socket.send(&probe).is_err() || socket.recv(&mut [0; 1232]).is_err() {
            in_time();
            std::thread::yield_now();
        }
    }
    // From here on silence is a failure.
    let mut said = Vec::new();
    let questions = questions(services);
    let mut right = 0;
    while right < RIGHT_AT_LEAST && !over.load(Ordering::Relaxed) {
        in_time();
        for (query, is_right) in &questions {
            let reply = if over_tcp {
                ask_tcp(dns, query)
            } else {
                ask(dns, query)
            };
            said.push(judge(&reply, *is_right));
            right += usize::from(said.last() == Some(&Said::Right));
        }
    }
    said
}

#[test]
fn from_the_first_reply_on_all_are_not_ready_or_right() {
    let folder = Folder::new();
    let dir = folder.path().join("data");
    fill(&dir, SERVICES);
    let address = free_port();
    let launch = || Launch::new().data_dir(&dir).dns([&address.to_string()]);
    let over = AtomicBool::new(false);
    let began = Instant::now();
    let (program, said) = std::thread::scope(|scope| {
        let askers = [false, true].map(|over_tcp| {
            let over = &over;
            scope.spawn(move || ask_from_the_start(over_tcp, address, SERVICES, over))
        });
        let program = launch().try_start();
        if program.is_err() {
            over.store(true, Ordering::Relaxed);
        }
        (program.unwrap(), askers.map(|asker| asker.join().unwrap()))
    });
    for said in said {
        let not_ready = said.iter().take_while(|said| **said == Said::NotReady).count();
        println!(
            "{not_ready} times not ready, then {} right; {:?}",
            said.len() - not_ready,
            began.elapsed()
        );
        assert!(not_ready > 0, "the load took no time, and this tested nothing");
        assert!(said[not_ready..].iter().all(|said| *said == Said::Right));
    }
    assert_eq!(program.terminate(STOP_WITHIN).code(), Some(0));
}

/// Holds a data base so that nobody can read it: what a load waits for, at most 4 s.
fn hold(dir: &Path) -> rusqlite::Connection {
    let other = rusqlite::Connection::open(dir.join("callsign.db")).unwrap();
    other
        .execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; ROLLBACK;")
        .unwrap();
    other
}

#[test]
fn while_it_waits_for_its_catalog_dns_says_so_and_the_api_is_not_there() {
    let folder = Folder::new();
    let dir = folder.path().join("data");
    fill(&dir, 3);
    let held = hold(&dir);
    let (dns, http) = (free_port(), free_port());
    let program = std::thread::scope(|scope| {
        let starting = scope.spawn(|| {
            let launch = Launch::new().data_dir(&dir).dns([&dns.to_string()]);
            // A new zone too: it is not there before the others.
            let zones = ["--zone", ZONE, "--zone", "new.internal"];
            launch.http(&http.to_string()).arguments(zones).try_start()
        });
        let began = Instant::now();
        let mut connection = loop {
            if TcpStream::connect(dns).is_ok() {
                break TcpClient::connect(dns);
            }
            assert!(began.elapsed() < Duration::from_secs(20) && !starting.is_finished());
            std::thread::yield_now();
        };
        for name in [
            ZONE,
            "s0.svc.internal",
            "none.svc.internal",
            "new.internal",
            "example.org",
            ".",
        ] {
            for rtype in [Type::A, Type::SRV, Type::SOA, Type::NS, Type::DS, Type::ANY] {
                for query in [Query::new(name, rtype), Query::new(name, rtype).edns(512)] {
                    for reply in [ask(dns, &query), connection.ask(&query)] {
                        assert_eq!(reply.rcode(), rcode::SERVFAIL, "{name} {rtype:?}");
                        assert!(!reply.tc() && reply.answers.is_empty() && reply.authorities.is_empty());
                        let ede = reply.edns.as_ref().map(|edns| edns.option(OPTION_EDE).unwrap());
                        assert!(ede.is_none_or(|ede| ede.starts_with(&NOT_READY)), "{ede:?}");
                    }
                }
            }
        }
        // What the server is does not depend on what it has read.
        let version = ask(dns, &Query::new("version.bind", Type::TXT).class(CHAOS));
        assert_eq!((version.rcode(), version.answers.len()), (rcode::NOERROR, 1));
        assert!(TcpStream::connect(http).is_err(), "the API is there too early");
        assert!(!starting.is_finished());
        drop(held);
        let program = starting.join().unwrap().unwrap();
        // A connection from before the load goes on.
        let reply = connection.ask(&Query::new("s0.svc.internal", Type::A));
        assert_eq!(reply.a_list().len(), 1);
        program
    });
    for (query, is_right) in questions(3) {
        assert!(is_right(&ask(dns, &query)));
    }
    assert_eq!(answers(dns, "new.internal", Type::SOA).len(), 1);
    program.client().get("/readyz").expect(200);
    let metrics = program.client().get("/metrics").expect(200);
    assert!(metrics.text().contains("SERVFAIL"), "{}", metrics.text());
}

/// Holds that an address can be bound, over UDP and TCP, now.
#[track_caller]
fn is_free(address: SocketAddr) {
    drop(UdpSocket::bind(address).expect("the UDP port is free"));
    drop(TcpListener::bind(address).expect("the TCP port is free"));
}

#[test]
fn a_start_that_fails_keeps_its_exit_code_and_leaves_nothing() {
    let folder = Folder::new();
    let dir = folder.path().join("data");
    fill(&dir, 3);
    let address = free_port();
    let on = |dns: SocketAddr| Launch::new().data_dir(&dir).dns([&dns.to_string()]);
    let fails = |launch: Launch, code: i32, word: &str| {
        let finished = launch.start_and_fail();
        assert_eq!(finished.code, Some(code), "{finished:?}");
        assert!(finished.stderr.contains(word), "{finished:?}");
        assert_eq!(finished.stdout, "");
        is_free(address);
    };
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken_at = taken.local_addr().unwrap();
    fails(on(taken_at), 2, "--dns");
    // After the catalog was read.
    fails(on(address).http(&taken_at.to_string()), 2, "--http");
    let other = Program::start();
    // In use comes before a port that is taken as well.
    fails(on(address).data_dir(&other.data_dir), 4, "in use");
    fails(on(taken_at).data_dir(&other.data_dir), 4, "in use");

    let file = dir.join("callsign.db");
    let whole = std::fs::read(&file).unwrap();
    std::fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    fails(on(address), 3, "callsign.db");
    std::fs::write(&file, &whole).unwrap();
    let program = on(address).start();
    assert_eq!(answers(address, &format!("s2.{ZONE}"), Type::A).len(), 1);
    assert_eq!(program.terminate(STOP_WITHIN).code(), Some(0));
}

#[test]
fn a_start_that_fails_after_dns_listens_stops_it_before_it_returns() {
    let folder = Folder::new();
    let dir = folder.path().join("data");
    std::fs::create_dir(&dir).unwrap();
    std::fs::write(dir.join("callsign.db"), "no data base at all").unwrap();
    let address = free_port();
    let setup = || Setup::new().flag(callsign::config::Key::Dns, [&address.to_string()]);
    let error = setup().start_and_fail_in(folder.path());
    assert!(matches!(error, callsign::server::Error::Storage(_)), "{error}");
    is_free(address);
    // The directory is free as well.
    std::fs::remove_file(dir.join("callsign.db")).unwrap();
    drop(Store::lock(&dir).unwrap());
}
