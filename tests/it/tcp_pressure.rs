//! TCP under pressure: a thousand connections that idle, senders of an octet a second, hardly any descriptors. New
//! clients are served all the while, UDP does not notice, and nothing spins.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use serde_json::json;
use socket2::{Domain, Socket, Type as SocketType};

use crate::support::dns::{DEADLINE, Message, Query, Type};
use crate::support::program::{Launch, Program};
use crate::wire::{ZONE, honest, register, still_answers};

/// Connections of one address that the server keeps.
const PER_CLIENT_MAX: usize = 50;
/// Connections in all that it keeps.
const IN_ALL_MAX: usize = 1000;
/// How long a message may take to arrive, and a connection may idle.
const PATIENCE: Duration = Duration::from_secs(10);
/// Questions whose median is taken.
const SAMPLES: usize = 301;

/// Another client: 127.0.`group`.`n`.
fn client(group: u8, n: usize) -> IpAddr {
    Ipv4Addr::new(127, 0, group, u8::try_from(n).expect("few clients")).into()
}

#[track_caller]
fn connect(from: IpAddr, server: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, SocketType::STREAM, None).expect("a socket");
    socket
        .bind(&SocketAddr::new(from, 0).into())
        .expect("bind to a loopback address");
    socket
        .connect_timeout(&server.into(), DEADLINE)
        .expect("connect over TCP");
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(DEADLINE)).expect("set a timeout");
    stream.set_write_timeout(Some(DEADLINE)).expect("set a timeout");
    stream
}

fn query() -> Query {
    Query::new(&format!("honest.{ZONE}"), Type::A)
}

fn framed(message: &[u8]) -> Vec<u8> {
    let length = u16::try_from(message.len()).expect("a short message");
    [&length.to_be_bytes(), message].concat()
}

/// Asks on a connection; the answer must come.
#[track_caller]
fn is_served(stream: &mut TcpStream) {
    stream
        .write_all(&framed(&query().bytes()))
        .expect("send a question");
    let mut length = [0; 2];
    stream.read_exact(&mut length).expect("a reply");
    let mut reply = vec![0; u16::from_be_bytes(length).into()];
    stream.read_exact(&mut reply).expect("a whole reply");
    assert_eq!(
        Message::parse(&reply).expect("a well-formed reply").answers.len(),
        1
    );
}

/// New clients, one after the other: each is served, and idles from then on.
#[track_caller]
fn newcomers(server: SocketAddr, group: u8, count: usize, within: Duration) -> Vec<TcpStream> {
    let began = Instant::now();
    let served = (0..count).map(|n| {
        let mut stream = connect(client(group, 1 + n / (PER_CLIENT_MAX / 2)), server);
        is_served(&mut stream);
        stream
    });
    let served = served.collect();
    assert!(
        began.elapsed() < within,
        "{count} new clients took {:?}, more than {within:?}",
        began.elapsed()
    );
    served
}

/// Connections that say nothing, no more of one client than the server keeps.
fn idlers(server: SocketAddr, group: u8, count: usize) -> Vec<TcpStream> {
    (0..count)
        .map(|n| connect(client(group, 1 + n / PER_CLIENT_MAX), server))
        .collect()
}

/// The time of a question over UDP: the median, so that a test that runs beside this one does not count.
fn udp_median(server: SocketAddr) -> Duration {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("bind a UDP socket");
    socket.connect(server).expect("connect a UDP socket");
    socket.set_read_timeout(Some(DEADLINE)).expect("set a timeout");
    let query = query().bytes();
    let mut times: Vec<Duration> = (0..SAMPLES)
        .map(|_| {
            let began = Instant::now();
            socket.send(&query).expect("send a question");
            socket.recv(&mut [0; 512]).expect("a reply over UDP");
            began.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[SAMPLES / 2]
}

/// Holds that UDP is not slowed: a busy machine's noise is allowed for, a queue behind TCP is not.
#[track_caller]
fn udp_is_as_fast(server: SocketAddr, before: Duration) {
    let now = udp_median(server);
    let allowed = before * 5 + Duration::from_millis(1);
    assert!(
        now < allowed,
        "a question over UDP took {before:?}, and now {now:?}"
    );
}

/// Holds that the process hardly works while nobody asks it anything.
#[track_caller]
fn does_not_spin(program: &Program) {
    const WATCHED: Duration = Duration::from_millis(1500);
    let used = ticks(program.pid());
    // No event to wait for: it is time that is measured.
    std::thread::sleep(WATCHED);
    let used = ticks(program.pid()) - used;
    assert!(used <= 30, "{used} ticks of 10 ms in {WATCHED:?}: it spins");
}

/// The processor time that a process has used, in ticks of 10 ms (proc(5): fields 14 and 15).
fn ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("read what the process used");
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let field = |n: usize| fields[n].parse::<u64>().expect("a number of ticks");
    field(11) + field(12)
}

fn descriptors(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd"))
        .expect("read its descriptors")
        .count()
}

/// Lets this process have so many descriptors; says if it may not.
pub(crate) fn room_for(descriptors: u64) -> bool {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("read a limit");
    soft >= descriptors
        || setrlimit(Resource::RLIMIT_NOFILE, descriptors.min(hard), hard).is_ok() && hard >= descriptors
}

fn program() -> Program {
    let program = Program::start();
    honest(&program);
    program
}

#[test]
fn a_thousand_idle_connections_keep_nobody_out() {
    if !room_for(3000) {
        println!(
            "SKIPPED: this process may not have 3,000 descriptors, so 1,000 idle connections were not tested"
        );
        return;
    }
    let program = program();
    let before = udp_median(program.dns);
    let began = Instant::now();
    let idle = idlers(program.dns, 1, IN_ALL_MAX + 200);
    let served = newcomers(program.dns, 2, 100, Duration::from_secs(3));
    // One that has its full number already.
    is_served(&mut connect(client(2, 1), program.dns));
    udp_is_as_fast(program.dns, before);
    let open = descriptors(program.pid());
    assert!(
        (IN_ALL_MAX..IN_ALL_MAX + 100).contains(&open),
        "{open} descriptors are open: they do not idle, or more do than may"
    );
    assert!(
        began.elapsed() < PATIENCE,
        "it took so long that those who idled are gone"
    );
    does_not_spin(&program);
    drop((idle, served));
    still_answers(program.dns);
}

#[test]
fn who_sends_an_octet_a_second_holds_up_nobody_and_is_cut_off() {
    const SENDERS: usize = 200;
    let program = program();
    let before = udp_median(program.dns);
    let began = Instant::now();
    let mut senders = idlers(program.dns, 3, SENDERS);
    let message = framed(&query().bytes());
    assert!(
        message.len() > PATIENCE.as_secs() as usize + 5,
        "it must not be whole in time"
    );
    for (second, octet) in message.iter().enumerate() {
        let due = began + Duration::from_secs(second as u64);
        // The pace is the matter of the test.
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let mut gone = 0;
        for sender in &mut senders {
            gone += usize::from(sender.write_all(&[*octet]).is_err());
        }
        drop(newcomers(program.dns, 4, 10, Duration::from_secs(1)));
        udp_is_as_fast(program.dns, before);
        if began.elapsed() < PATIENCE {
            assert_eq!(gone, 0, "cut off after {:?}", began.elapsed());
        }
        if gone == SENDERS {
            break;
        }
        assert!(
            began.elapsed() < PATIENCE + Duration::from_secs(4),
            "{} still send after {:?}",
            SENDERS - gone,
            began.elapsed()
        );
    }
    still_answers(program.dns);
}

#[test]
fn with_256_descriptors_new_clients_of_both_sides_are_served() {
    let program = Launch::new().descriptors_max(256).start();
    honest(&program);
    let before = udp_median(program.dns);
    let idle = idlers(program.dns, 5, 400);
    let idle_http: Vec<_> = (0..300)
        .filter_map(|_| TcpStream::connect(program.http).ok())
        .collect();
    // Before the idle ones are closed for their silence.
    let open = descriptors(program.pid());
    // Each side has a share of 64 (the rest is for those who follow, and for files): both are full.
    assert!((128..256).contains(&open), "{open} descriptors are open");
    let served = newcomers(program.dns, 6, 200, Duration::from_secs(3));
    register(&program, "web", "a", json!({"address": "192.0.2.1"}));
    udp_is_as_fast(program.dns, before);
    does_not_spin(&program);
    drop((idle, idle_http, served));
    still_answers(program.dns);
}

#[test]
fn without_a_descriptor_left_new_clients_come_in_as_fast_as_they_come() {
    let program = program();
    let pid = program.pid();
    let before = udp_median(program.dns);
    let limit = format!("--nofile={}", descriptors(pid) + 20);
    let limited = Command::new("prlimit")
        .args(["--pid", &pid.to_string(), &limit])
        .status();
    if !limited.is_ok_and(|status| status.success()) {
        println!("SKIPPED: prlimit is not there or may not, so running out of descriptors was not tested");
        return;
    }
    let idle = idlers(program.dns, 7, 100);
    // With a pause for each it would be 20 a second.
    let served = newcomers(program.dns, 8, 200, Duration::from_secs(4));
    udp_is_as_fast(program.dns, before);
    does_not_spin(&program);
    // All at once, too: they wait in the kernel, and each makes room for the next when it was answered.
    let crowd: Vec<_> = std::thread::scope(|scope| {
        let clients = (0..50).map(|n| {
            let server = program.dns;
            scope.spawn(move || {
                let mut stream = connect(client(9, 1 + n), server);
                stream
                    .write_all(&framed(&query().bytes()))
                    .expect("send a question");
                let mut length = [0; 2];
                stream.read_exact(&mut length).is_ok()
            })
        });
        let clients: Vec<_> = clients.collect();
        clients
            .into_iter()
            .map(|client| client.join().expect("a client"))
            .collect()
    });
    let answered = crowd.iter().filter(|answered| **answered).count();
    assert!(
        answered >= 40,
        "{answered} of {} at once were answered",
        crowd.len()
    );
    drop((idle, served));
    still_answers(program.dns);
}
