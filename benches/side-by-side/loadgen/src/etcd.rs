//! Puts into etcd over its own protocol, gRPC, with as many requests under way as `register` has clients: as little of
//! HTTP/2 as that takes, so that the client costs no more than the one of Callsign.
//!
//! Several requests share a connection as streams, as etcd's own clients do. One has succeeded when its stream carried
//! a message of the length of a success and ended: an error is trailers alone. Header fields are sent through the
//! dynamic table (RFC 7541 §2.3.2) after the first time, and those that come are not looked at.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;

use crate::arguments::{Arguments, Json};
use crate::closed::SILENCE_MS;
use crate::fail;
use crate::grpc::{self, Pair};
use crate::measurement::Measurement;
use crate::register::new_instance;
use crate::socket::{Poll, monotonic_ns};
use crate::stream::Stream;

/// Octets received after which the window is opened again by as many.
const WINDOW_STEP: usize = 16 << 10;
/// Octets of messages that a connection may send ahead at first, and those of a frame (RFC 9113 §6.5.2, §6.9.2).
const WINDOW: i64 = 65_535;
const FRAME_OCTETS_MAX: usize = 16 << 10;

// Types and flags of frames, RFC 9113 §6.
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;

/// A request under way.
struct Call {
    sent_ns: u64,
    reply_octets: usize,
}

struct Connection {
    stream: Stream,
    next_stream: u32,
    calls: HashMap<u32, Call>,
    /// Calls that wait until etcd opens its window: their frames, and the octets of them that the window counts.
    held: VecDeque<(Vec<u8>, i64)>,
    window: i64,
    unacknowledged: usize,
    authority: String,
    /// Puts of a request.
    batch: usize,
}

/// A frame of HTTP/2, appended.
fn frame(out: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    out.extend_from_slice(&(payload.len() as u32).to_be_bytes()[1..]);
    out.extend_from_slice(&[kind, flags]);
    out.extend_from_slice(&stream.to_be_bytes());
    out.extend_from_slice(payload);
}

/// A text of HPACK, without Huffman's code.
fn text(out: &mut Vec<u8>, text: &str) {
    assert!(text.len() < 127, "{text} takes more than one octet of length");
    out.push(text.len() as u8);
    out.extend_from_slice(text.as_bytes());
}

/// The header fields of a call. The first ones of a connection enter its dynamic table, where the last to enter is 62.
fn fields(out: &mut Vec<u8>, is_first: bool, path: &str, authority: &str) {
    const INDEXED: u8 = 0x80;
    const ENTERS: u8 = 0x40;
    // Of the static table: `:method: POST` and `:scheme: http`.
    out.extend_from_slice(&[INDEXED | 3, INDEXED | 6]);
    if is_first {
        // Names of the static table: :path, :authority, content-type.
        for (name, value) in [(4, path), (1, authority), (31, "application/grpc")] {
            out.push(ENTERS | name);
            text(out, value);
        }
        out.push(ENTERS);
        text(out, "te");
        text(out, "trailers");
    } else {
        out.extend_from_slice(&[INDEXED | 65, INDEXED | 64, INDEXED | 63, INDEXED | 62]);
    }
}

impl Connection {
    fn open(server: SocketAddr, poll: &Poll, number: usize, batch: usize) -> Self {
        let mut stream = Stream::open(server, poll, number);
        stream
            .unsent
            .extend_from_slice(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        frame(&mut stream.unsent, SETTINGS, 0, 0, &[]);
        Self {
            stream,
            next_stream: 1,
            calls: HashMap::new(),
            held: VecDeque::new(),
            window: WINDOW,
            unacknowledged: 0,
            authority: server.to_string(),
            batch,
        }
    }

    fn call(&mut self, pairs: &[Pair]) {
        let number = self.next_stream;
        self.next_stream += 2;
        let (mut head, message) = (Vec::new(), grpc::request(pairs));
        assert!(message.len() <= FRAME_OCTETS_MAX, "a request takes one frame");
        fields(&mut head, number == 1, grpc::path(pairs.len()), &self.authority);
        let mut frames = Vec::new();
        frame(&mut frames, HEADERS, END_HEADERS, number, &head);
        frame(&mut frames, DATA, END_STREAM, number, &message);
        self.held.push_back((frames, message.len() as i64));
        let call = Call {
            sent_ns: monotonic_ns(),
            reply_octets: 0,
        };
        self.calls.insert(number, call);
    }

    /// Sends what has gathered, as far as etcd's window and the kernel let it.
    fn flush(&mut self, poll: &Poll) {
        while self
            .held
            .front()
            .is_some_and(|(_, octets)| *octets <= self.window)
            && let Some((frames, octets)) = self.held.pop_front()
        {
            self.window -= octets;
            self.stream.unsent.extend_from_slice(&frames);
        }
        self.stream.flush(poll);
    }

    /// Reads what has come; `ended` hears of each call that ended: when it was sent, and whether it succeeded.
    fn read(&mut self, mut ended: impl FnMut(u64, bool)) {
        self.stream.read();
        let (received, unsent) = (&mut self.stream.received, &mut self.stream.unsent);
        let reply_octets_min = grpc::reply_octets_min(self.batch);
        let mut at = 0;
        while let Some(&[high, middle, low, kind, flags, a, b, c, d]) = received.get(at..at + 9) {
            let length = u32::from_be_bytes([0, high, middle, low]) as usize;
            let Some(payload) = received.get(at + 9..at + 9 + length) else {
                break;
            };
            at += 9 + length;
            let stream = u32::from_be_bytes([a, b, c, d]);
            match kind {
                SETTINGS if flags & ACK == 0 => frame(unsent, SETTINGS, ACK, 0, &[]),
                PING if flags & ACK == 0 => frame(unsent, PING, ACK, 0, payload),
                GOAWAY => fail("etcd asks to go away"),
                // Of a stream it does not matter: a message is smaller than the window that each begins with.
                WINDOW_UPDATE if stream == 0 => {
                    let by = payload.first_chunk().map_or(0, |by| u32::from_be_bytes(*by));
                    self.window += i64::from(by);
                }
                DATA => {
                    self.unacknowledged += length;
                    if let Some(call) = self.calls.get_mut(&stream) {
                        call.reply_octets += length;
                    }
                }
                _ => {}
            }
            let is_end = matches!(kind, DATA | HEADERS) && flags & END_STREAM != 0 || kind == RST_STREAM;
            if is_end && let Some(call) = self.calls.remove(&stream) {
                let is_whole = call.reply_octets >= reply_octets_min;
                ended(call.sent_ns, is_whole && kind != RST_STREAM);
            }
        }
        received.drain(..at);
        if self.unacknowledged >= WINDOW_STEP {
            let by = (self.unacknowledged as u32).to_be_bytes();
            frame(unsent, WINDOW_UPDATE, 0, 0, &by);
            self.unacknowledged = 0;
        }
    }
}

/// The measurement.
pub fn run(arguments: &Arguments) -> Json {
    let server = arguments.address("server");
    let clients: usize = arguments.number("clients", 64);
    let batch: usize = arguments.number("batch", 1);
    let run: u64 = arguments.number("seed", 1);
    let mut poll = Poll::new();
    let mut connections: Vec<Connection> = (0..arguments.number("connections", 8_usize).clamp(1, clients))
        .map(|number| Connection::open(server, &poll, number, batch))
        .collect();
    let mut made = 0;
    let mut pairs = Vec::new();
    let mut ask = |connection: &mut Connection| {
        pairs.clear();
        for _ in 0..batch {
            let (service, instance, body) = new_instance(run, made);
            made += 1;
            pairs.push((format!("/services/{service}/{instance}"), body));
        }
        connection.call(&pairs);
    };
    let count = connections.len();
    for (number, connection) in connections.iter_mut().enumerate() {
        (number..clients).step_by(count).for_each(|_| ask(connection));
        connection.flush(&poll);
    }
    let mut measurement = Measurement::start(arguments, 0.5, 5.0);
    let mut ready = Vec::new();
    loop {
        if measurement.is_over(monotonic_ns()) {
            return measurement.end();
        }
        ready.clear();
        ready.extend(poll.wait(SILENCE_MS));
        if ready.is_empty() {
            fail("no reply from etcd for half a minute");
        }
        for &number in &ready {
            let connection = &mut connections[number];
            let mut ended = 0;
            connection.read(|sent_ns, is_done| {
                ended += 1;
                if is_done {
                    measurement.tally.answered += batch as u64;
                    measurement.times.add(monotonic_ns() - sent_ns);
                } else {
                    measurement.tally.wrong += batch as u64;
                }
            });
            (0..ended).for_each(|_| ask(connection));
            connection.flush(&poll);
        }
    }
}
