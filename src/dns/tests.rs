//! The sockets, driven from outside with what the gate and the slow path answer by themselves.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket as StdUdpSocket};
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

use super::*;

const V4: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
const V6: SocketAddr = SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), 0);
/// Nothing here takes that long; a test that would hang says so instead.
const PATIENCE: Duration = Duration::from_secs(20);

const WEB: &[u8] = b"\x03wEb\x08internal\0\0\x01\0\x01";
const VERSION: &[u8] = b"\x07vErSion\x04bInd\0\0\x10\0\x03";
const ID: &[u8] = b"\x02id\x06server\0\0\x10\0\x03";
const OPT: &[u8] = b"\0\0\x29\x10\0\0\0\x80\0\0\0";

fn config(addresses: &[SocketAddr]) -> Config {
    Config {
        addresses: addresses.to_vec(),
        udp_workers: 2,
        ..Config::default()
    }
}

async fn serve(config: Config) -> Handle {
    start(config, Arc::default(), Arc::default()).await.unwrap()
}

async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what)
        .await
        .expect("it happens, and soon")
}

fn query(id: u16, opcode: u8, question: &[u8], opt: bool) -> Vec<u8> {
    let mut message = id.to_be_bytes().to_vec();
    message.extend([opcode << 3, 0, 0, 1, 0, 0, 0, 0, 0, u8::from(opt)]);
    message.extend(question);
    message.extend(if opt { OPT } else { b"" });
    message
}

/// A question of an opcode that nobody handles: the gate says NOTIMP.
fn status(id: u16) -> Vec<u8> {
    query(id, 2, WEB, false)
}

fn assert_notimp(reply: &[u8], id: u16) {
    let query = status(id);
    assert_eq!(reply[..2], id.to_be_bytes());
    assert_eq!(reply[2..4], [0x80 | 2 << 3, 4]);
    assert_eq!(reply[4..], query[4..], "the question comes back with its case");
}

fn framed(message: &[u8]) -> Vec<u8> {
    let mut octets = u16::try_from(message.len()).unwrap().to_be_bytes().to_vec();
    octets.extend(message);
    octets
}

async fn read_message(stream: &mut TcpStream) -> Vec<u8> {
    let mut prefix = [0; 2];
    soon(stream.read_exact(&mut prefix)).await.unwrap();
    let mut message = vec![0; u16::from_be_bytes(prefix).into()];
    soon(stream.read_exact(&mut message)).await.unwrap();
    message
}

/// The server has closed the connection, by FIN or RST.
async fn assert_closed(stream: &mut TcpStream) {
    let mut octet = [0];
    assert!(matches!(soon(stream.read(&mut octet)).await, Ok(0) | Err(_)));
}

async fn udp_client(server: SocketAddr) -> UdpSocket {
    let any: IpAddr = if server.is_ipv4() {
        Ipv4Addr::UNSPECIFIED.into()
    } else {
        Ipv6Addr::UNSPECIFIED.into()
    };
    let socket = UdpSocket::bind((any, 0)).await.unwrap();
    // A connected socket hears the address it asked and no other.
    socket.connect(server).await.unwrap();
    socket
}

async fn receive(socket: &UdpSocket) -> Vec<u8> {
    let mut buffer = [0; 4096];
    let octets = soon(socket.recv(&mut buffer)).await.unwrap();
    buffer[..octets].to_vec()
}

async fn ask(socket: &UdpSocket, message: &[u8]) -> Vec<u8> {
    socket.send(message).await.unwrap();
    receive(socket).await
}

#[tokio::test]
async fn both_families_answer_on_one_port_for_udp_and_tcp() {
    let server = serve(config(&[V4, V6])).await;
    assert_eq!(server.addresses.len(), 2);
    for &address in &server.addresses {
        assert_ne!(address.port(), 0);
        assert_notimp(&ask(&udp_client(address).await, &status(1)).await, 1);
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(&framed(&status(2))).await.unwrap();
        assert_notimp(&read_message(&mut stream).await, 2);
    }
    server.stop().await;
}

#[tokio::test]
async fn replies_leave_from_the_address_that_was_asked() {
    let any_v4 = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    let any_v6 = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0));
    let server = serve(config(&[any_v4, any_v6])).await;
    let asked: [(IpAddr, usize); 3] = [
        (Ipv4Addr::LOCALHOST.into(), 0),
        (Ipv4Addr::new(127, 0, 0, 7).into(), 0),
        (Ipv6Addr::LOCALHOST.into(), 1),
    ];
    for (ip, nth) in asked {
        let client = udp_client((ip, server.addresses[nth].port()).into()).await;
        assert_notimp(&ask(&client, &status(3)).await, 3);
        let version = ask(&client, &query(4, 0, VERSION, false)).await;
        assert_eq!(version[..4], [0, 4, 0x84, 0], "the slow path too");
    }
}

#[tokio::test]
async fn many_datagrams_at_once_are_each_answered_once() {
    let server = serve(config(&[V4])).await;
    let client = udp_client(server.addresses[0]).await;
    for id in 0..200 {
        client.send(&status(id)).await.unwrap();
    }
    let mut seen: Vec<u16> = Vec::new();
    for _ in 0..200 {
        let reply = receive(&client).await;
        let id = u16::from_be_bytes([reply[0], reply[1]]);
        assert_notimp(&reply, id);
        seen.push(id);
    }
    seen.sort_unstable();
    assert!(seen.iter().copied().eq(0..200));
}

#[tokio::test]
async fn what_is_no_query_gets_no_reply_and_ends_no_worker() {
    let server = serve(Config {
        udp_workers: 1,
        ..config(&[V4])
    })
    .await;
    let client = udp_client(server.addresses[0]).await;
    let mut reply = status(1);
    reply[2] |= 0x80;
    for nothing in [b"".as_slice(), b"x", &[0; 11], &reply, &[0; 65_507]] {
        client.send(nothing).await.unwrap();
    }
    assert_notimp(&ask(&client, &status(2)).await, 2);
    assert_eq!(
        server.counts().udp_dropped.load(Ordering::Relaxed),
        1,
        "the one that is too long"
    );
}

#[tokio::test]
async fn version_is_told_with_the_question_as_it_was_asked() {
    let server = serve(config(&[V4])).await;
    let client = udp_client(server.addresses[0]).await;
    let mut stream = TcpStream::connect(server.addresses[0]).await.unwrap();
    let text = concat!("callsign ", env!("CARGO_PKG_VERSION"));
    for opt in [false, true] {
        let asked = query(9, 0, VERSION, opt);
        let udp = ask(&client, &asked).await;
        stream.write_all(&framed(&asked)).await.unwrap();
        assert_eq!(read_message(&mut stream).await, udp);
        assert_eq!(udp[..12], [0, 9, 0x84, 0, 0, 1, 0, 1, 0, 0, 0, u8::from(opt)]);
        let (question, answer) = udp[12..].split_at(VERSION.len());
        assert_eq!(question, VERSION);
        // Owner (its mixed case is why it is no pointer), type and class as asked, then TTL 0.
        let mut expected = [VERSION, &[0; 5]].concat();
        expected.extend([
            u8::try_from(text.len() + 1).unwrap(),
            u8::try_from(text.len()).unwrap(),
        ]);
        expected.extend(text.as_bytes());
        if opt {
            expected.extend(b"\0\0\x29\x04\xd0\0\0\x80\0\0\0");
        }
        assert_eq!(answer, expected);
    }
}

#[tokio::test]
async fn identity_is_refused_unless_it_is_configured() {
    let hidden = Identity {
        version: None,
        ..Identity::default()
    };
    let named = Identity {
        id: Some("ns-1".into()),
        ..Identity::default()
    };
    for (identity, question, rcode, answers) in [
        (hidden, VERSION, 5, 0),
        (Identity::default(), ID, 5, 0),
        (named, ID, 0, 1),
    ] {
        let server = serve(Config {
            identity,
            ..config(&[V4])
        })
        .await;
        let client = udp_client(server.addresses[0]).await;
        let reply = ask(&client, &query(1, 0, question, true)).await;
        assert_eq!((reply[3] & 0x0f, reply[7], reply[11]), (rcode, answers, 1));
    }
}

#[tokio::test]
async fn a_connection_serves_whatever_the_segments_are() {
    let server = serve(config(&[V4])).await;
    let mut stream = TcpStream::connect(server.addresses[0]).await.unwrap();
    stream.set_nodelay(true).unwrap();

    stream
        .write_all(&[framed(&status(1)), framed(&status(2))].concat())
        .await
        .unwrap();
    assert_notimp(&read_message(&mut stream).await, 1);
    assert_notimp(&read_message(&mut stream).await, 2);

    for octet in framed(&status(3)) {
        stream.write_all(&[octet]).await.unwrap();
        tokio::task::yield_now().await;
    }
    assert_notimp(&read_message(&mut stream).await, 3);

    // More than one burst of replies, with the slow path among them.
    let many: Vec<u8> = (0..8000)
        .flat_map(|id| {
            framed(&if id % 100 == 0 {
                query(id, 0, VERSION, false)
            } else {
                status(id)
            })
        })
        .collect();
    let (mut from, mut to) = stream.split();
    let writing = async { to.write_all(&many).await.unwrap() };
    let reading = async {
        for id in 0..8000_u16 {
            let octets = from.read_u16().await.unwrap();
            let mut message = vec![0; octets.into()];
            from.read_exact(&mut message).await.unwrap();
            assert_eq!(message[..2], id.to_be_bytes());
        }
    };
    soon(async { tokio::join!(writing, reading) }).await;
}

#[tokio::test]
async fn what_was_asked_before_a_half_close_is_answered() {
    let server = serve(config(&[V4])).await;
    let mut stream = TcpStream::connect(server.addresses[0]).await.unwrap();
    // The last one promises more than follows.
    stream
        .write_all(&[framed(&status(1)), framed(&status(2)), b"\x01\0abc".to_vec()].concat())
        .await
        .unwrap();
    stream.shutdown().await.unwrap();
    assert_notimp(&read_message(&mut stream).await, 1);
    assert_notimp(&read_message(&mut stream).await, 2);
    assert_closed(&mut stream).await;
}

#[tokio::test]
async fn a_length_of_zero_closes_after_what_came_before_it() {
    let server = serve(config(&[V4])).await;
    let mut stream = TcpStream::connect(server.addresses[0]).await.unwrap();
    stream
        .write_all(&[framed(&status(1)), b"\0\0".to_vec(), framed(&status(2))].concat())
        .await
        .unwrap();
    assert_notimp(&read_message(&mut stream).await, 1);
    assert_closed(&mut stream).await;
}

#[tokio::test]
async fn a_reset_harms_nobody_else() {
    let server = serve(config(&[V4])).await;
    let mut other = TcpStream::connect(server.addresses[0]).await.unwrap();
    for _ in 0..20 {
        let mut stream = TcpStream::connect(server.addresses[0]).await.unwrap();
        stream.write_all(&framed(&status(1))).await.unwrap();
        socket2::SockRef::from(&stream)
            .set_linger(Some(Duration::ZERO))
            .unwrap();
    }
    other.write_all(&framed(&status(2))).await.unwrap();
    assert_notimp(&read_message(&mut other).await, 2);
}

#[tokio::test]
async fn idle_and_half_asked_connections_end() {
    let short = Duration::from_millis(50);
    let idle = Config {
        tcp_idle_timeout: short,
        ..config(&[V4])
    };
    let slow = Config {
        tcp_message_timeout: short,
        ..config(&[V4])
    };
    for (config, sent, timeouts) in [(idle, b"".as_slice(), 0), (slow, b"\0\x20half".as_slice(), 1)] {
        let server = serve(config).await;
        let mut stream = TcpStream::connect(server.addresses[0]).await.unwrap();
        stream.write_all(&framed(&status(1))).await.unwrap();
        assert_notimp(&read_message(&mut stream).await, 1);
        stream.write_all(sent).await.unwrap();
        assert_closed(&mut stream).await;
        assert_eq!(server.counts().tcp_timeouts.load(Ordering::Relaxed), timeouts);
    }
}

#[tokio::test]
async fn the_oldest_idle_connection_makes_room() {
    for limits in [(3, 100), (100, 3)] {
        let server = serve(Config {
            tcp_connections_max: limits.0,
            tcp_connections_per_client_max: limits.1,
            ..config(&[V4])
        })
        .await;
        let mut streams = Vec::new();
        for id in 0..4 {
            let mut stream = TcpStream::connect(server.addresses[0]).await.unwrap();
            stream.write_all(&framed(&status(id))).await.unwrap();
            assert_notimp(&read_message(&mut stream).await, id);
            streams.push(stream);
        }
        assert_closed(&mut streams[0]).await;
        for stream in &mut streams[1..] {
            stream.write_all(&framed(&status(9))).await.unwrap();
            assert_notimp(&read_message(stream).await, 9);
        }
        assert_eq!(server.counts().tcp_evicted.load(Ordering::Relaxed), 1);
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut_off() {
    let server = serve(Config {
        tcp_write_timeout: Duration::from_millis(50),
        ..config(&[V4])
    })
    .await;
    let mut stream = TcpStream::connect(server.addresses[0]).await.unwrap();
    let queries = framed(&status(1)).repeat(1000);
    // It writes until the server has enough of it; not even then does it read.
    soon(async { while stream.write_all(&queries).await.is_ok() {} }).await;
    assert_eq!(server.counts().tcp_timeouts.load(Ordering::Relaxed), 1);
    let mut other = TcpStream::connect(server.addresses[0]).await.unwrap();
    other.write_all(&framed(&status(2))).await.unwrap();
    assert_notimp(&read_message(&mut other).await, 2);
}

#[tokio::test]
async fn a_stop_answers_what_has_come_and_frees_the_port() {
    let server = serve(config(&[V4, V6])).await;
    let addresses = server.addresses.clone();
    let mut clients = Vec::new();
    for &address in &addresses {
        let client = udp_client(address).await;
        for id in 0..100 {
            client
                .send(&if id % 10 == 0 {
                    query(id, 0, VERSION, false)
                } else {
                    status(id)
                })
                .await
                .unwrap();
        }
        // One that nobody has accepted yet, and one that is open and has nothing to ask.
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(&framed(&status(7)).repeat(10)).await.unwrap();
        clients.push((client, stream, TcpStream::connect(address).await.unwrap()));
    }
    soon(server.stop()).await;
    for (client, mut stream, mut silent) in clients {
        for _ in 0..100 {
            receive(&client).await;
        }
        for _ in 0..10 {
            assert_notimp(&read_message(&mut stream).await, 7);
        }
        assert_closed(&mut stream).await;
        assert_closed(&mut silent).await;
    }
    serve(config(&addresses)).await.stop().await;
}

#[tokio::test]
async fn a_stop_does_not_wait_for_ever() {
    let server = serve(Config {
        stop_timeout: Duration::from_millis(50),
        ..config(&[V4])
    })
    .await;
    let mut stream = TcpStream::connect(server.addresses[0]).await.unwrap();
    let queries = framed(&status(1)).repeat(1000);
    // Until the server is stuck in writing: then it reads no more.
    while tokio::time::timeout(Duration::from_millis(100), stream.write_all(&queries))
        .await
        .is_ok()
    {}
    soon(server.stop()).await;
}

#[tokio::test]
async fn a_handle_that_is_dropped_stops_too() {
    let server = serve(config(&[V4])).await;
    let address = server.addresses[0];
    let mut stream = TcpStream::connect(address).await.unwrap();
    drop(server);
    assert_closed(&mut stream).await;
}

#[tokio::test]
async fn a_port_in_use_is_named_with_what_to_do() {
    let server = serve(config(&[V4])).await;
    let address = server.addresses[0];
    let error = start(config(&[address]), Arc::default(), Arc::default())
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with(&format!("cannot listen on {address} (TCP): ")),
        "{error}"
    );
    assert!(error.contains("another program listens there"), "{error}");

    // Even one that would share its port on UDP.
    let other = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None).unwrap();
    other.set_reuse_port(true).unwrap();
    other.bind(&V4.into()).unwrap();
    let taken = StdUdpSocket::from(other).local_addr().unwrap();
    let other = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None).unwrap();
    other.set_reuse_port(true).unwrap();
    other.bind(&taken.into()).unwrap();
    let error = start(config(&[taken]), Arc::default(), Arc::default())
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with(&format!("cannot listen on {taken} (UDP): ")),
        "{error}"
    );

    let error = start(config(&[]), Arc::default(), Arc::default())
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("--dns"), "{error}");
    let elsewhere = "192.0.2.1:0".parse().unwrap();
    let error = start(config(&[elsewhere]), Arc::default(), Arc::default())
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("no such address"), "{error}");
}

/// Runs in a process of its own, whose limit it may lower.
#[tokio::test]
async fn running_out_of_descriptors_shuts_nobody_out_and_spins_nothing() {
    const CHILD: &str = "CALLSIGN_TEST_FEW_DESCRIPTORS";
    if std::env::var_os(CHILD).is_none() {
        let child = std::process::Command::new("sh")
            .args(["-c", r#"ulimit -n 60 && exec "$0" --exact "$1""#])
            .arg(std::env::current_exe().unwrap())
            .arg("dns::tests::running_out_of_descriptors_shuts_nobody_out_and_spins_nothing")
            .env(CHILD, "1")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&child.stdout);
        assert!(child.status.success() && said.contains("1 passed"), "{said}");
        return;
    }
    let server = serve(Config {
        udp_workers: 1,
        ..config(&[V4])
    })
    .await;
    let address = server.addresses[0];
    let began = Instant::now();
    let spare = std::fs::File::open("/dev/null").unwrap();
    let mut streams = Vec::new();
    // Both ends take descriptors of this process, so clients alone can use them all up.
    while let Ok(stream) = TcpStream::connect(address).await {
        streams.push(stream);
    }
    // The last one to get in waits for a descriptor of the server's, which idle connections must give.
    drop(spare);
    let last = std::net::TcpStream::connect(address).unwrap();
    last.set_nonblocking(true).unwrap();
    let mut last = TcpStream::from_std(last).unwrap();
    last.write_all(&framed(&status(1))).await.unwrap();
    assert_notimp(&read_message(&mut last).await, 1);
    let count = |count: &AtomicU64| u128::from(count.load(Ordering::Relaxed));
    let errors = count(&server.counts().tcp_accept_errors);
    let evicted = count(&server.counts().tcp_evicted);
    assert!(errors > 0, "descriptors did run out");
    assert!(evicted > 0, "somebody made room");
    assert!(
        errors <= 1 + evicted + began.elapsed().as_millis() / 50,
        "{errors} with {evicted} evicted in {:?}",
        began.elapsed()
    );
}
