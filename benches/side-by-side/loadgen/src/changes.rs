//! Changes at a rate beside whatever else the server does. Each re-registers the first instance of a service at the
//! other of its two addresses; after the acknowledgement the next DNS question must show it: an older answer is stale,
//! and one that is neither the set before nor the set after is torn.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use crate::arguments::{Arguments, Json};
use crate::fail;
use crate::histogram::Histogram;
use crate::http::{Connection, instance_path};
use crate::questions::question;
use crate::socket::monotonic_ns;
use crate::workload::{INSTANCES, ZONE, address, body, port, service};

/// How often a question is asked again that a full server dropped, and how long each time is waited.
const TRIES: u32 = 100;
const PATIENCE: Duration = Duration::from_millis(20);
const TYPE_A: u16 = 1;

/// What one client found, or all of them.
struct Found {
    acknowledged: u64,
    stale: u64,
    torn: u64,
    asked_again: u64,
    unanswered: u64,
    /// From when a change was due until it was acknowledged.
    acknowledgement: Histogram,
    /// From the acknowledgement until DNS showed it.
    shown: Histogram,
}

impl Found {
    fn nothing() -> Self {
        Self {
            acknowledged: 0,
            stale: 0,
            torn: 0,
            asked_again: 0,
            unanswered: 0,
            acknowledgement: Histogram::new(),
            shown: Histogram::new(),
        }
    }
}

/// Which of its two sets a service answers with.
#[derive(Clone, Copy, PartialEq)]
enum Set {
    Flipped(bool),
    Neither,
}

/// One that asks one question at a time.
pub struct Asker {
    socket: UdpSocket,
    id: u16,
    asked_again: u64,
}

impl Asker {
    /// With a port of its own.
    pub fn towards(server: SocketAddr) -> Self {
        let socket = UdpSocket::bind((server.ip(), 0)).and_then(|socket| {
            socket.connect(server)?;
            socket.set_read_timeout(Some(PATIENCE))?;
            Ok(socket)
        });
        Self {
            socket: socket.unwrap_or_else(|error| fail(&format!("a UDP socket: {error}"))),
            id: 0,
            asked_again: 0,
        }
    }

    /// The answer for the addresses of a name, asked again while nothing comes; none if nothing does.
    pub fn ask(&mut self, name: &str) -> Option<Vec<u8>> {
        let mut octets = question(name, TYPE_A);
        let mut reply = [0; 4096];
        for attempt in 0..TRIES {
            // Another id each time: an answer to an earlier try may be older than the change.
            self.id = self.id.wrapping_add(1);
            self.asked_again += u64::from(attempt > 0);
            octets[..2].copy_from_slice(&self.id.to_be_bytes());
            if self.socket.send(&octets).is_err() {
                continue;
            }
            while let Ok(length) = self.socket.recv(&mut reply) {
                if length >= 12 && reply[..2] == self.id.to_be_bytes() {
                    return Some(reply[..length].to_vec());
                }
            }
        }
        None
    }
}

/// Which set an answer is.
fn set_of(reply: &[u8], number: u32) -> Set {
    let name = format!("{}.{ZONE}", service(number));
    let records = reply.get(question(&name, TYPE_A).len()..).unwrap_or_default();
    let answers = u32::from(u16::from_be_bytes([reply[6], reply[7]]));
    if reply[3] & 15 != 0 || answers != INSTANCES || records.len() < INSTANCES as usize * 16 {
        return Set::Neither;
    }
    let mut found: Vec<&[u8]> = records
        .chunks(16)
        .take(INSTANCES as usize)
        .map(|record| &record[12..])
        .collect();
    found.sort_unstable();
    for is_flipped in [false, true] {
        let mut wanted: Vec<[u8; 4]> = (0..INSTANCES)
            .map(|instance| address(number, instance, is_flipped && instance == 0).octets())
            .collect();
        wanted.sort_unstable();
        if found.iter().zip(&wanted).all(|(found, wanted)| found == wanted) {
            return Set::Flipped(is_flipped);
        }
    }
    Set::Neither
}

/// What one client does with the services that are its own: nobody else changes them.
struct Client {
    http: Connection,
    asker: Asker,
    found: Found,
}

impl Client {
    fn which(&mut self, number: u32) -> Option<Set> {
        let reply = self.asker.ask(&format!("{}.{ZONE}", service(number)));
        self.found.unanswered += u64::from(reply.is_none());
        Some(set_of(&reply?, number))
    }

    /// Changes a service when the change is due.
    fn change(&mut self, number: u32, due_ns: u64) {
        let was_flipped = match self.which(number) {
            Some(Set::Flipped(is_flipped)) => is_flipped,
            Some(Set::Neither) => {
                self.found.torn += 1;
                return;
            }
            None => return,
        };
        std::thread::sleep(Duration::from_nanos(due_ns.saturating_sub(monotonic_ns())));
        let path = instance_path(&service(number), "i0");
        self.http
            .write("PUT", &path, &body(address(number, 0, !was_flipped), port(0)));
        let acknowledged_ns = monotonic_ns();
        self.found.acknowledged += 1;
        // From when it was due: a server that lags behind the rate is charged for it.
        self.found
            .acknowledgement
            .add(acknowledged_ns.saturating_sub(due_ns));
        match self.which(number) {
            Some(Set::Flipped(is_flipped)) if is_flipped != was_flipped => {
                self.found.shown.add(monotonic_ns() - acknowledged_ns);
            }
            Some(Set::Flipped(_)) => self.found.stale += 1,
            Some(Set::Neither) => self.found.torn += 1,
            None => {}
        }
    }
}

/// The measurement.
pub fn run(arguments: &Arguments) -> Json {
    let (http, server) = (arguments.address("http"), arguments.address("server"));
    let services: u32 = arguments.number("services", 10_000);
    let clients: u32 = arguments.number("clients", 32);
    let rate: f64 = arguments.number("rate", 2000.0);
    let seconds: f64 = arguments.number("seconds", 3.0);
    let seed: u64 = arguments.number("seed", 1);
    let start_ns = monotonic_ns();
    let end_ns = start_ns + (seconds * 1e9) as u64;
    let between_ns = f64::from(clients) * 1e9 / rate;
    let one = |client: u32| {
        let mut random = fastrand::Rng::with_seed(seed << 16 | u64::from(client));
        let mut state = Client {
            http: Connection::open(http),
            asker: Asker::towards(server),
            found: Found::nothing(),
        };
        let mut due_ns = start_ns as f64 + between_ns * f64::from(client) / f64::from(clients);
        while (due_ns as u64) < end_ns && monotonic_ns() < end_ns {
            state.change(
                random.u32(0..services / clients) * clients + client,
                due_ns as u64,
            );
            due_ns += between_ns;
        }
        state.found.asked_again = state.asker.asked_again;
        state.found
    };
    let mut all = Found::nothing();
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..clients)
            .map(|client| scope.spawn(move || one(client)))
            .collect();
        for client in running {
            let Ok(found) = client.join() else {
                fail("a client panicked");
            };
            all.acknowledged += found.acknowledged;
            all.stale += found.stale;
            all.torn += found.torn;
            all.asked_again += found.asked_again;
            all.unanswered += found.unanswered;
            all.acknowledgement.merge(&found.acknowledgement);
            all.shown.merge(&found.shown);
        }
    });
    let json = Json::begin()
        .number(
            "changes_per_s",
            all.acknowledged as f64 * 1e9 / (monotonic_ns() - start_ns) as f64,
        )
        .count("changes", all.acknowledged)
        .count("stale", all.stale)
        .count("torn", all.torn)
        .count("asked_again", all.asked_again)
        .count("unanswered", all.unanswered);
    let json = all.acknowledgement.write(json, "acknowledged");
    all.shown.write(json, "shown")
}
