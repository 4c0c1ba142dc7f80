//! Questions to one server and its replies back: over UDP many at a time, over TCP one after another on a connection
//! that is kept. What is lost is asked again; a server that is silent or hangs up is an outcome, too.

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use super::probe::Probe;
use super::reply::Outcome;

/// How many questions over UDP are under way at once: their replies fit into the socket's buffer.
const WINDOW: usize = 32;
/// After how long a question over UDP is taken for lost.
const LOST_AFTER: Duration = Duration::from_millis(250);
/// How often it is asked.
const ATTEMPTS_MAX: usize = 3;
/// How long a reply over TCP may take.
const TCP_WITHIN: Duration = Duration::from_secs(2);
/// How often the clock is looked at while nothing comes.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Puts all probes to a server; the outcomes stand in their order.
pub(super) fn ask_all(server: SocketAddr, probes: &[Probe]) -> Vec<Outcome> {
    let mut outcomes = ask_udp(server, probes);
    let mut tcp = Tcp { server, stream: None };
    for (number, probe) in probes.iter().enumerate().filter(|(_, probe)| probe.tcp) {
        outcomes[number] = tcp.ask(probe, number as u16);
    }
    outcomes
}

struct Waiting {
    since: Instant,
    attempts: usize,
}

/// Those over UDP; the others' outcomes are left as silence.
fn ask_udp(server: SocketAddr, probes: &[Probe]) -> Vec<Outcome> {
    assert!(probes.len() <= 1 << 16, "a probe's number is its message's id");
    let socket = UdpSocket::bind("127.0.0.1:0").expect("bind a UDP socket");
    socket.connect(server).expect("connect a UDP socket");
    socket.set_read_timeout(Some(LOOK_EVERY)).expect("set a timeout");
    let send = |number: usize| {
        let sent = socket.send(&probes[number].bytes(number as u16));
        sent.unwrap_or_else(|error| panic!("ask {server}: {error}"));
    };

    let mut outcomes = vec![Outcome::Silent; probes.len()];
    let mut next = (0..probes.len()).filter(|number| !probes[*number].tcp);
    let mut waiting: HashMap<usize, Waiting> = HashMap::new();
    let mut buffer = vec![0; 65_535];
    let mut looked = Instant::now();
    loop {
        while waiting.len() < WINDOW
            && let Some(number) = next.next()
        {
            send(number);
            let since = Instant::now();
            waiting.insert(number, Waiting { since, attempts: 1 });
        }
        if waiting.is_empty() {
            return outcomes;
        }
        match socket.recv(&mut buffer) {
            Ok(length) => {
                let octets = &buffer[..length];
                let number = octets
                    .first_chunk()
                    .map_or(usize::MAX, |id| usize::from(u16::from_be_bytes(*id)));
                // A second reply, to a question that was asked again, is not waited for.
                if waiting.remove(&number).is_some() {
                    outcomes[number] = Outcome::of(&probes[number], octets);
                }
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => panic!("no reply from {server}: {error}"),
        }
        if looked.elapsed() >= LOOK_EVERY {
            looked = Instant::now();
            waiting.retain(|number, waiting| {
                if waiting.since.elapsed() < LOST_AFTER {
                    return true;
                }
                if waiting.attempts == ATTEMPTS_MAX {
                    return false;
                }
                send(*number);
                waiting.since = Instant::now();
                waiting.attempts += 1;
                true
            });
        }
    }
}

struct Tcp {
    server: SocketAddr,
    stream: Option<TcpStream>,
}

impl Tcp {
    /// Asks once more on a new connection if the old one was at its end: a server may close one that is idle.
    fn ask(&mut self, probe: &Probe, id: u16) -> Outcome {
        let is_kept = self.stream.is_some();
        self.attempt(probe, id)
            .or_else(|_| if is_kept { self.attempt(probe, id) } else { Err(()) })
            .unwrap_or(Outcome::Closed)
    }

    fn attempt(&mut self, probe: &Probe, id: u16) -> Result<Outcome, ()> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => connect(self.server),
        };
        let message = probe.bytes(id);
        let framed = [&(message.len() as u16).to_be_bytes(), message.as_slice()].concat();
        stream.write_all(&framed).map_err(drop)?;
        let mut length = [0; 2];
        match stream.read_exact(&mut length) {
            Ok(()) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return Ok(Outcome::Silent);
            }
            Err(_) => return Err(()),
        }
        let mut reply = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut reply).map_err(drop)?;
        self.stream = Some(stream);
        if !reply.starts_with(&id.to_be_bytes()) {
            return Ok(Outcome::Malformed("a reply with another id".to_string()));
        }
        Ok(Outcome::of(probe, &reply))
    }
}

fn connect(server: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect_timeout(&server, TCP_WITHIN).expect("connect over TCP");
    stream.set_nodelay(true).expect("set TCP_NODELAY");
    stream.set_read_timeout(Some(TCP_WITHIN)).expect("set a timeout");
    stream.set_write_timeout(Some(TCP_WITHIN)).expect("set a timeout");
    stream
}

#[test]
fn what_is_lost_is_asked_again_and_what_is_never_answered_is_silence() {
    use crate::support::dns::{Type, name_wire};
    let socket = UdpSocket::bind("127.0.0.1:0").expect("bind a UDP socket");
    let address = socket.local_addr().expect("an address");
    let probes: Vec<Probe> = (0..3)
        .map(|number| Probe::plain(&name_wire("example.org"), Type(number + 1)))
        .collect();
    // Loses each first question, answers in the other order and twice, and never answers the third.
    let server = std::thread::spawn(move || {
        let mut buffer = [0; 512];
        let mut seen = Vec::new();
        for _ in 0..2 + 2 + ATTEMPTS_MAX {
            let (length, client) = socket.recv_from(&mut buffer).expect("a question");
            let id = buffer[1];
            if seen.contains(&id) && id != 2 {
                buffer[2] |= 0x80;
                for _ in 0..2 {
                    socket.send_to(&buffer[..length], client).expect("send a reply");
                }
            }
            seen.push(id);
        }
    });
    let outcomes = ask_all(address, &probes);
    server.join().expect("the server's end");
    assert!(matches!(&outcomes[0], Outcome::Reply(reply) if reply.question_is_echoed));
    assert!(matches!(&outcomes[1], Outcome::Reply(_)));
    assert_eq!(outcomes[2], Outcome::Silent);
}
