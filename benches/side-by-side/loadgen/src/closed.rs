//! A closed loop over HTTP/1.1: so many connections, each with so many requests under way, the next one as soon as one
//! is answered. One thread, so that the generator's core does not spend itself on switching.

use std::collections::VecDeque;
use std::net::SocketAddr;

use crate::arguments::{Arguments, Json};
use crate::fail;
use crate::http::reply;
use crate::measurement::Measurement;
use crate::socket::{Poll, monotonic_ns};
use crate::stream::Stream;

/// Without a reply for so long, something is wrong.
pub const SILENCE_MS: u32 = 30_000;

/// What is asked, and how.
pub struct Load {
    pub http: SocketAddr,
    pub clients: usize,
    /// Requests under way on a connection.
    pub under_way: usize,
    /// What a request counts for.
    pub operations: u64,
}

struct Client {
    stream: Stream,
    /// When each request was made that is not answered: replies come in the order of requests.
    sent_ns: VecDeque<u64>,
}

/// Runs it. `next` gives the octets of the next request of a client; `is_right` judges a whole reply by its status and
/// octets.
pub fn run(
    arguments: &Arguments,
    load: &Load,
    mut next: impl FnMut(usize, &mut Vec<u8>),
    is_right: impl Fn(u16, &[u8]) -> bool,
) -> Json {
    let mut poll = Poll::new();
    let mut clients: Vec<Client> = (0..load.clients)
        .map(|number| Client {
            stream: Stream::open(load.http, &poll, number),
            sent_ns: VecDeque::new(),
        })
        .collect();
    let mut ask = |number: usize, client: &mut Client| {
        next(number, &mut client.stream.unsent);
        client.sent_ns.push_back(monotonic_ns());
    };
    for (number, client) in clients.iter_mut().enumerate() {
        (0..load.under_way).for_each(|_| ask(number, client));
        client.stream.flush(&poll);
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
            fail("no reply for half a minute");
        }
        for &number in &ready {
            let client = &mut clients[number];
            client.stream.read();
            let mut taken = 0;
            while let Some((status, octets)) = reply(&client.stream.received[taken..]) {
                let whole = &client.stream.received[taken..taken + octets];
                let sent_ns = client.sent_ns.pop_front();
                let sent_ns = sent_ns.unwrap_or_else(|| fail("a reply that nobody asked for"));
                if is_right(status, whole) {
                    measurement.tally.answered += load.operations;
                    measurement.times.add(monotonic_ns() - sent_ns);
                } else {
                    if measurement.tally.wrong == 0 {
                        eprintln!("loadgen: a wrong reply: {:.300}", String::from_utf8_lossy(whole));
                    }
                    measurement.tally.wrong += load.operations;
                }
                measurement.tally.octets += octets as u64;
                taken += octets;
                ask(number, client);
            }
            client.stream.received.drain(..taken);
            client.stream.flush(&poll);
        }
    }
}
