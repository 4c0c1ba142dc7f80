//! Registrations as fast as a number of clients can have them acknowledged: each has a connection and one request
//! under way, and each request is a new instance, three to a service. One thread, so that the generator's core does
//! not spend itself on switching.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use crate::arguments::{Arguments, Json};
use crate::fail;
use crate::http::{connect, instance_path, reply, request};
use crate::measurement::Measurement;
use crate::socket::{Poll, monotonic_ns};
use crate::workload::{INSTANCES, body, port};

/// Without a reply for so long, something is wrong.
const SILENCE_MS: u32 = 30_000;

struct Client {
    stream: TcpStream,
    received: Vec<u8>,
    sent_ns: u64,
}

/// A registration that nobody made before: its service, its instance, its body.
pub fn new_instance(run: u64, count: u64) -> (String, String, String) {
    let (service, instance) = (count / u64::from(INSTANCES), count as u32 % INSTANCES);
    let address = std::net::Ipv4Addr::from(10 << 24 | (count as u32 & 0x00ff_ffff));
    (
        format!("new{run}-{service:07}"),
        format!("i{instance}"),
        body(address, port(instance)),
    )
}

/// The measurement.
pub fn run(arguments: &Arguments) -> Json {
    let http = arguments.address("http");
    let count: usize = arguments.number("clients", 64);
    let run: u64 = arguments.number("seed", 1);
    let mut poll = Poll::new();
    let mut made = 0;
    let mut ask = |client: &mut Client| {
        let (service, instance, body) = new_instance(run, made);
        made += 1;
        let octets = request("PUT", &instance_path(&service, &instance), http, &body);
        client.sent_ns = monotonic_ns();
        // A request is far smaller than what the kernel takes at once from a client that waits for each reply.
        if let Err(error) = client.stream.write_all(&octets) {
            fail(&format!("send a registration: {error}"));
        }
    };
    let mut clients: Vec<Client> = (0..count)
        .map(|number| {
            let stream = connect(http);
            stream
                .set_nonblocking(true)
                .unwrap_or_else(|error| fail(&format!("a connection: {error}")));
            poll.add(&stream, number);
            Client {
                stream,
                received: Vec::new(),
                sent_ns: 0,
            }
        })
        .collect();
    clients.iter_mut().for_each(&mut ask);
    let mut measurement = Measurement::start(arguments, 0.5, 5.0);
    let mut part = [0; 16 << 10];
    loop {
        if measurement.is_over(monotonic_ns()) {
            return measurement.end();
        }
        let mut is_silent = true;
        for number in poll.wait(SILENCE_MS) {
            is_silent = false;
            let client = &mut clients[number];
            match client.stream.read(&mut part) {
                Ok(0) => fail("the server closed a connection"),
                Ok(octets) => client.received.extend_from_slice(&part[..octets]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                Err(error) => fail(&format!("receive a reply: {error}")),
            }
            if let Some((status, octets)) = reply(&client.received) {
                client.received.drain(..octets);
                if status == 201 {
                    measurement.tally.answered += 1;
                    measurement.times.add(monotonic_ns() - client.sent_ns);
                } else {
                    measurement.tally.wrong += 1;
                }
                ask(client);
            }
        }
        if is_silent {
            fail("no reply for half a minute");
        }
    }
}
