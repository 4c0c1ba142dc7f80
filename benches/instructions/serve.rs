//! Asks every input, each within one call of [`measured_answer`] and of nothing else.

use std::hint::black_box;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use callsign::answer::stream::{BURST_OCTETS, answer_stream};
use callsign::answer::{Asked, Outcome, Scratch, Transport, answer};
use callsign::dns;
use callsign::view::{Current, Snapshot};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

use super::catalog;
use super::inputs::{Input, Over};

/// The largest UDP reply that can be configured costs most.
const UDP_PAYLOAD_MAX: u16 = 4096;

/// What an input is handed to.
struct Desk {
    snapshot: Arc<Snapshot>,
    scratch: Scratch,
    out: Vec<u8>,
    runtime: Runtime,
    /// To a server in this process, for what its slow path answers; its TCP side runs on this thread.
    stream: TcpStream,
    _server: dns::Handle,
}

/// Asks all of them, and says before each what it is.
pub(crate) fn all(inputs: &[Input]) {
    let snapshot = Snapshot::of(catalog::state());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let config = dns::Config {
        addresses: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))],
        udp_workers: 1,
        ..dns::Config::default()
    };
    let current = Arc::new(Current::new(Snapshot::default()));
    let (server, stream) = runtime.block_on(async {
        let server = dns::start(config, current, Arc::default())
            .await
            .expect("a port of the loopback");
        let stream = TcpStream::connect(server.addresses[0])
            .await
            .expect("connect over TCP");
        (server, stream)
    });
    let mut desk = Desk {
        snapshot: Arc::new(snapshot),
        scratch: Scratch::seeded(1),
        out: vec![0; BURST_OCTETS],
        runtime,
        stream,
        _server: server,
    };
    // What is made when it is first needed is not the first input's.
    let mut is_wrong = false;
    for input in inputs {
        if input.over == Over::SlowPath {
            ask_slowly(&mut desk, input);
        } else {
            ask(&mut desk, input);
        }
        let wrong = wrong_with(input, &desk);
        if !wrong.is_empty() {
            eprintln!("{} {}: {wrong}", input.transport(), input.name);
            is_wrong = true;
        }
    }
    assert!(!is_wrong, "inputs are not answered as they should be");
    for input in inputs {
        println!("{} {}", input.transport(), input.name);
        std::io::stdout().flush().expect("write to standard output");
        black_box(measured_answer(&mut desk, black_box(input)));
    }
}

/// What is counted. It ends with something of its own: a function that ends by jumping into another is not seen to end.
#[inline(never)]
fn measured_answer(desk: &mut Desk, input: &Input) -> usize {
    let octets = if input.over == Over::SlowPath {
        ask_slowly(desk, input)
    } else {
        ask(desk, input)
    };
    black_box(octets)
}

/// Gate and answer; over TCP the framing, too.
#[inline(never)]
fn ask(desk: &mut Desk, input: &Input) -> usize {
    let asked = Asked {
        client: IpAddr::V4(Ipv4Addr::LOCALHOST),
        transport: if input.over == Over::Udp {
            Transport::Udp
        } else {
            Transport::Tcp
        },
        udp_payload_max: UDP_PAYLOAD_MAX,
    };
    if input.over == Over::Udp {
        match answer(
            &desk.snapshot,
            &input.octets[2..],
            &asked,
            &mut desk.scratch,
            &mut desk.out,
        ) {
            Outcome::Reply(octets) => octets,
            Outcome::Drop | Outcome::Slow => 0,
        }
    } else {
        answer_stream(
            &desk.snapshot,
            &input.octets,
            &asked,
            &mut desk.scratch,
            &mut desk.out,
            |_| (),
        )
        .written
    }
}

/// The whole way there and back, the client's part included.
#[inline(never)]
fn ask_slowly(desk: &mut Desk, input: &Input) -> usize {
    let stream = &mut desk.stream;
    let out = &mut desk.out;
    desk.runtime.block_on(async {
        stream.write_all(&input.octets).await.expect("send a message");
        let octets = usize::from(stream.read_u16().await.expect("a reply"));
        stream
            .read_exact(&mut out[..octets])
            .await
            .expect("a whole reply");
        octets
    })
}

/// What is wrong with the reply: an input that is not answered as it should be would cost nothing.
fn wrong_with(input: &Input, desk: &Desk) -> String {
    let skipped = if input.over == Over::Tcp { 2 } else { 0 };
    let header = &desk.out[skipped..skipped + 12];
    let count = u16::from_be_bytes([header[6], header[7]]);
    let is_to = header[..2] == input.octets[2..4];
    if is_to && header[3] & 15 == input.rcode && count >= input.answers_min {
        return String::new();
    }
    format!(
        "is to it: {is_to}, rcode {} and not {}, {count} answers and not {} at least",
        header[3] & 15,
        input.rcode,
        input.answers_min
    )
}
