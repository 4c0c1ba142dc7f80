//! Puts into etcd over its own protocol, gRPC, with as many under way as `register` has clients: as little of HTTP/2
//! and Protocol Buffers as that takes, so that the client costs no more than the one of Callsign.
//!
//! Several puts share a connection as streams, as etcd's own clients do. A put has succeeded when its stream carried
//! a message and ended: an error is trailers alone. Header fields are sent through the dynamic table (RFC 7541 §2.3.2)
//! after the first time, and those that come are not looked at.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::arguments::{Arguments, Json};
use crate::fail;
use crate::http::connect;
use crate::measurement::Measurement;
use crate::register::new_instance;
use crate::socket::{Poll, monotonic_ns};

/// Without a reply for so long, something is wrong.
const SILENCE_MS: u32 = 30_000;
/// Octets received after which the window is opened again by as many.
const WINDOW_STEP: usize = 16 << 10;

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

/// A put under way.
struct Put {
    sent_ns: u64,
    has_message: bool,
}

struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
    unsent: Vec<u8>,
    next_stream: u32,
    puts: HashMap<u32, Put>,
    unacknowledged: usize,
    authority: String,
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

/// The header fields of a put. The first ones of a connection enter its dynamic table, where the last to enter is 62.
fn fields(out: &mut Vec<u8>, is_first: bool, authority: &str) {
    const INDEXED: u8 = 0x80;
    const ENTERS: u8 = 0x40;
    // Of the static table: `:method: POST` and `:scheme: http`.
    out.extend_from_slice(&[INDEXED | 3, INDEXED | 6]);
    if is_first {
        // Names of the static table: :path, :authority, content-type.
        for (name, value) in [
            (4, "/etcdserverpb.KV/Put"),
            (1, authority),
            (31, "application/grpc"),
        ] {
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

/// A PutRequest in gRPC's frame: not compressed, its length, key (1) and value (2).
fn put_request(key: &str, value: &str) -> Vec<u8> {
    let mut message = Vec::new();
    for (number, value) in [(1_u8, key), (2, value)] {
        message.push(number << 3 | 2);
        text(&mut message, value);
    }
    let mut framed = vec![0];
    framed.extend_from_slice(&(message.len() as u32).to_be_bytes());
    framed.extend_from_slice(&message);
    framed
}

impl Connection {
    fn open(server: SocketAddr) -> Self {
        let mut stream = connect(server);
        let mut hello = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        frame(&mut hello, SETTINGS, 0, 0, &[]);
        let opened = stream
            .write_all(&hello)
            .and_then(|()| stream.set_nonblocking(true));
        opened.unwrap_or_else(|error| fail(&format!("open a connection to etcd: {error}")));
        Self {
            stream,
            received: Vec::new(),
            unsent: Vec::new(),
            next_stream: 1,
            puts: HashMap::new(),
            unacknowledged: 0,
            authority: server.to_string(),
        }
    }

    fn put(&mut self, key: &str, value: &str) {
        let stream = self.next_stream;
        self.next_stream += 2;
        let mut head = Vec::new();
        fields(&mut head, stream == 1, &self.authority);
        frame(&mut self.unsent, HEADERS, END_HEADERS, stream, &head);
        frame(
            &mut self.unsent,
            DATA,
            END_STREAM,
            stream,
            &put_request(key, value),
        );
        let put = Put {
            sent_ns: monotonic_ns(),
            has_message: false,
        };
        self.puts.insert(stream, put);
    }

    /// Sends what has gathered. It is far less than what the kernel takes at once.
    fn flush(&mut self) {
        if let Err(error) = self.stream.write_all(&self.unsent) {
            fail(&format!("send to etcd: {error}"));
        }
        self.unsent.clear();
    }

    /// Reads what has come; `ended` hears of each put that ended: when it was sent, and whether it succeeded.
    fn read(&mut self, mut ended: impl FnMut(u64, bool)) {
        let mut part = [0; 64 << 10];
        match self.stream.read(&mut part) {
            Ok(0) => fail("etcd closed a connection"),
            Ok(octets) => self.received.extend_from_slice(&part[..octets]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
            Err(error) => fail(&format!("receive from etcd: {error}")),
        }
        let mut at = 0;
        while let Some(&[high, middle, low, kind, flags, a, b, c, d]) = self.received.get(at..at + 9) {
            let length = u32::from_be_bytes([0, high, middle, low]) as usize;
            let Some(payload) = self.received.get(at + 9..at + 9 + length) else {
                break;
            };
            at += 9 + length;
            let stream = u32::from_be_bytes([a, b, c, d]);
            match kind {
                SETTINGS if flags & ACK == 0 => frame(&mut self.unsent, SETTINGS, ACK, 0, &[]),
                PING if flags & ACK == 0 => frame(&mut self.unsent, PING, ACK, 0, payload),
                GOAWAY => fail("etcd asks to go away"),
                DATA => {
                    self.unacknowledged += length;
                    if let Some(put) = self.puts.get_mut(&stream) {
                        put.has_message |= length > 5;
                    }
                }
                _ => {}
            }
            let is_end = matches!(kind, DATA | HEADERS) && flags & END_STREAM != 0 || kind == RST_STREAM;
            if is_end && let Some(put) = self.puts.remove(&stream) {
                ended(put.sent_ns, put.has_message && kind != RST_STREAM);
            }
        }
        self.received.drain(..at);
        if self.unacknowledged >= WINDOW_STEP {
            let by = (self.unacknowledged as u32).to_be_bytes();
            frame(&mut self.unsent, WINDOW_UPDATE, 0, 0, &by);
            self.unacknowledged = 0;
        }
    }
}

/// The measurement.
pub fn run(arguments: &Arguments) -> Json {
    let server = arguments.address("server");
    let clients: usize = arguments.number("clients", 64);
    let run: u64 = arguments.number("seed", 1);
    let mut poll = Poll::new();
    let mut connections: Vec<Connection> = (0..arguments.number("connections", 8_usize).clamp(1, clients))
        .map(|_| Connection::open(server))
        .collect();
    let mut made = 0;
    let mut next = || {
        let (service, instance, body) = new_instance(run, made);
        made += 1;
        (format!("/services/{service}/{instance}"), body)
    };
    let count = connections.len();
    for (number, connection) in connections.iter_mut().enumerate() {
        poll.add(&connection.stream, number);
        for _ in (number..clients).step_by(count) {
            let (key, value) = next();
            connection.put(&key, &value);
        }
        connection.flush();
    }
    let mut measurement = Measurement::start(arguments, 0.5, 5.0);
    loop {
        if measurement.is_over(monotonic_ns()) {
            return measurement.end();
        }
        let mut is_silent = true;
        for number in poll.wait(SILENCE_MS) {
            is_silent = false;
            let connection = &mut connections[number];
            let mut ended = 0;
            connection.read(|sent_ns, is_done| {
                ended += 1;
                if is_done {
                    measurement.tally.answered += 1;
                    measurement.times.add(monotonic_ns() - sent_ns);
                } else {
                    measurement.tally.wrong += 1;
                }
            });
            for _ in 0..ended {
                let (key, value) = next();
                connection.put(&key, &value);
            }
            connection.flush();
        }
        if is_silent {
            fail("no reply from etcd for half a minute");
        }
    }
}
