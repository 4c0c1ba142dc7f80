//! Datagrams over the loopback, with all that the system has and with what is left when it lacks something.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Protocol, Socket, Type};

use super::{BATCH, Batch, Wait, portable, prepare, send_one};

const V4: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
const V6: SocketAddr = SocketAddr::new(std::net::IpAddr::V6(Ipv6Addr::LOCALHOST), 0);
const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
/// Nothing here takes that long; a test that would hang says so instead.
const PATIENCE: Duration = Duration::from_secs(20);

fn server(address: SocketAddr) -> UdpSocket {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP)).unwrap();
    prepare(&socket, address).unwrap();
    socket.bind(&address.into()).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.into()
}

fn client_of(server: &UdpSocket) -> UdpSocket {
    let mut to = server.local_addr().unwrap();
    if to.ip().is_unspecified() {
        to.set_ip(Ipv4Addr::new(127, 0, 0, 9).into());
    }
    let any: SocketAddr = if to.is_ipv4() { V4 } else { V6 };
    let socket = UdpSocket::bind(any).unwrap();
    socket.connect(to).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

/// Sends `octets` as datagrams of `segment` octets in one system call.
fn send_segments(client: &UdpSocket, octets: &[u8], segment: i32) {
    setsockopt(client, sockopt::UdpGsoSegment, &segment).unwrap();
    assert_eq!(client.send(octets).unwrap(), octets.len());
    setsockopt(client, sockopt::UdpGsoSegment, &0).unwrap();
}

/// The reply to a query: its octets twice or thrice, so that replies of a client have two lengths.
fn reply_to(query: &[u8], reply: &mut [u8]) -> usize {
    let times = 2 + usize::from(query[0] % 2);
    let octets = query.repeat(times);
    reply[..octets.len()].copy_from_slice(&octets);
    octets.len()
}

/// What a worker does with what has come, until nothing is left. Returns how many queries there were.
fn serve(batch: &mut Batch, socket: &UdpSocket) -> usize {
    let mut served = 0;
    // Far more rounds than any test has batches.
    for _ in 0..1000 {
        let wait = if served == 0 { Wait::ForOne } else { Wait::No };
        let Ok(received) = batch.receive(socket, wait) else {
            return served;
        };
        for n in 0..received {
            let exchange = batch.exchange(n).unwrap();
            assert!(!exchange.truncated);
            let octets = reply_to(exchange.query, exchange.reply);
            batch.reply(n, octets);
        }
        batch.send(socket, |n, error| panic!("reply {n}: {error}"));
        served += received;
    }
    panic!("there is no end of it");
}

fn receive_all(client: &UdpSocket, count: usize) -> BTreeMap<Vec<u8>, usize> {
    let mut found = BTreeMap::new();
    let mut buffer = [0; 2048];
    for _ in 0..count {
        let octets = client.recv(&mut buffer).unwrap();
        *found.entry(buffer[..octets].to_vec()).or_insert(0) += 1;
    }
    found
}

fn expected(queries: &[[u8; 8]]) -> BTreeMap<Vec<u8>, usize> {
    let mut replies = BTreeMap::new();
    let mut buffer = [0; 64];
    for query in queries {
        let octets = reply_to(query, &mut buffer);
        *replies.entry(buffer[..octets].to_vec()).or_insert(0) += 1;
    }
    replies
}

/// What a system may lack.
#[derive(Clone, Copy, Debug)]
enum Lack {
    Nothing,
    Many,
    Segments,
    Both,
}

#[test]
fn each_query_is_answered_once_whatever_the_system_has() {
    for address in [V4, V6, ANY] {
        for lack in [Lack::Nothing, Lack::Many, Lack::Segments, Lack::Both] {
            let socket = server(address);
            let mut batch = Batch::new(&socket, 1232);
            batch.means().many = !matches!(lack, Lack::Many | Lack::Both);
            batch.means().segments = !matches!(lack, Lack::Segments | Lack::Both);
            let clients = [client_of(&socket), client_of(&socket), client_of(&socket)];
            // 50 queries in one datagram of segments from each, and some by themselves: more than one batch.
            let mut asked = Vec::new();
            for (number, client) in clients.iter().enumerate() {
                let queries: Vec<[u8; 8]> = (0..60u8).map(|n| [n, number as u8, 1, 2, 3, 4, 5, 6]).collect();
                send_segments(client, &queries[..50].concat(), 8);
                for query in &queries[50..] {
                    client.send(query).unwrap();
                }
                asked.push(queries);
            }
            assert!(asked.len() * 60 > 2 * BATCH);
            assert_eq!(serve(&mut batch, &socket), 180, "{address} {lack:?}");
            for (client, queries) in clients.iter().zip(&asked) {
                assert_eq!(
                    receive_all(client, queries.len()),
                    expected(queries),
                    "{address} {lack:?}"
                );
            }
        }
    }
}

#[test]
fn queries_that_came_as_segments_are_told_apart() {
    let socket = server(V4);
    let mut batch = Batch::new(&socket, 1232);
    let client = client_of(&socket);
    // The last one is shorter.
    send_segments(&client, b"aaaabbbbccccdd", 4);
    let mut found = Vec::new();
    while found.len() < 4 {
        let received = batch.receive(&socket, Wait::ForOne).unwrap();
        for n in 0..received {
            let exchange = batch.exchange(n).unwrap();
            assert_eq!(exchange.client, client.local_addr().unwrap());
            found.push(exchange.query.to_vec());
        }
    }
    assert_eq!(found, [&b"aaaa"[..], b"bbbb", b"cccc", b"dd"]);
}

#[test]
fn empty_and_overlong_datagrams_are_told_and_harm_no_other() {
    let socket = server(V4);
    let mut batch = Batch::new(&socket, 1232);
    let client = client_of(&socket);
    for octets in [0, 4096, 4097, 65_507, 5] {
        client.send(&vec![7; octets]).unwrap();
    }
    let mut found = Vec::new();
    while found.len() < 5 {
        let received = batch.receive(&socket, Wait::ForOne).unwrap();
        for n in 0..received {
            let exchange = batch.exchange(n).unwrap();
            found.push((exchange.truncated, exchange.query.first().copied()));
        }
    }
    let (whole, cut) = ((false, Some(7)), (true, Some(7)));
    assert_eq!(found, [(false, None), whole, cut, cut, whole]);
}

#[test]
fn a_reply_that_cannot_be_sent_holds_up_no_other() {
    for many in [true, false] {
        let socket = server(V4);
        let mut batch = Batch::new(&socket, 65_535);
        batch.means().many = many;
        let client = client_of(&socket);
        for query in [b"one", b"two", b"six"] {
            client.send(query).unwrap();
        }
        let mut failed = Vec::new();
        let mut served = 0;
        while served < 3 {
            let received = batch.receive(&socket, Wait::ForOne).unwrap();
            for n in 0..received {
                let exchange = batch.exchange(n).unwrap();
                let is_two = exchange.query == b"two";
                exchange.reply[..3].copy_from_slice(exchange.query);
                // No UDP datagram is so long.
                batch.reply(n, if is_two { 65_535 } else { 3 });
            }
            batch.send(&socket, |_, error| failed.push(error.raw_os_error()));
            served += received;
        }
        assert_eq!(failed, [Some(libc::EMSGSIZE)]);
        let replies = receive_all(&client, 2);
        assert!(replies.keys().eq([&b"one"[..], b"six"]));
    }
}

#[test]
fn segments_that_the_system_refuses_leave_one_by_one() {
    let socket = server(V4);
    // The kernel makes no segments for a socket that sends no checksums: EINVAL.
    set_no_checksums(&socket);
    let mut batch = Batch::new(&socket, 1232);
    let client = client_of(&socket);
    for round in 0..20u8 {
        let queries: Vec<[u8; 8]> = (0..10u8).map(|n| [n, round, 1, 2, 3, 4, 5, 6]).collect();
        send_segments(&client, &queries.concat(), 8);
        assert_eq!(serve(&mut batch, &socket), 10);
        assert_eq!(receive_all(&client, 10), expected(&queries));
    }
    assert!(
        !batch.means().segments,
        "after some refusals they are tried no more"
    );
}

/// `SO_NO_CHECK`, for which no crate of ours has a name.
fn set_no_checksums(socket: &UdpSocket) {
    super::options::set_option(socket, libc::SOL_SOCKET, libc::SO_NO_CHECK, 1).unwrap();
}

#[test]
fn what_the_kernel_drops_is_counted() {
    let socket = server(V4);
    socket2::SockRef::from(&socket)
        .set_recv_buffer_size(4096)
        .unwrap();
    let mut batch = Batch::new(&socket, 1232);
    let client = client_of(&socket);
    let sent = 500;
    for n in 0..sent {
        client.send(&[n as u8; 8]).unwrap();
    }
    let mut served = serve(&mut batch, &socket);
    // A drop is told with the next datagram that finds room.
    client.send(&[0; 8]).unwrap();
    served += serve(&mut batch, &socket);
    assert!(served < sent + 1, "the buffer was too large for this test");
    assert_eq!(batch.take_drops() as usize, sent + 1 - served);
    assert_eq!(batch.take_drops(), 0, "each is told once");
}

#[test]
fn without_linux_queries_are_answered_one_by_one() {
    let socket = UdpSocket::bind(V4).unwrap();
    portable::prepare(&socket2::SockRef::from(&socket), V4).unwrap();
    let mut batch = portable::Batch::new(&socket, 1232);
    let client = client_of(&socket);
    let queries: Vec<[u8; 8]> = (0..100u8).map(|n| [n, 1, 2, 3, 4, 5, 6, 7]).collect();
    for query in &queries {
        client.send(query).unwrap();
    }
    for n in 0..queries.len() {
        let wait = if n == 0 { Wait::ForOne } else { Wait::No };
        assert_eq!(batch.receive(&socket, wait).unwrap(), 1);
        let exchange = batch.exchange(0).unwrap();
        assert!(!exchange.truncated);
        let query = exchange.query.to_vec();
        assert!(batch.queries().eq([&query[..]]));
        let exchange = batch.exchange(0).unwrap();
        let octets = reply_to(exchange.query, exchange.reply);
        batch.reply(0, octets);
        batch.send(&socket, |n, error| panic!("reply {n}: {error}"));
    }
    assert_eq!(receive_all(&client, queries.len()), expected(&queries));
    let nothing = batch.receive(&socket, Wait::No).unwrap_err();
    assert_eq!(nothing.kind(), std::io::ErrorKind::WouldBlock);
    let none = batch.receive(&socket, Wait::ForOne).unwrap();
    assert_eq!(none, 0, "a worker that is to stop gets to see it");

    client.send(&[7; 5000]).unwrap();
    batch.receive(&socket, Wait::ForOne).unwrap();
    assert!(batch.exchange(0).unwrap().truncated);
    assert_eq!(batch.take_drops(), 0, "they are not known");
    portable::send_one(
        &socket,
        b"by itself",
        client.local_addr().unwrap(),
        super::Local::Bound,
    )
    .unwrap();
    assert!(receive_all(&client, 1).contains_key(&b"by itself"[..]));
}

#[test]
fn one_reply_leaves_from_the_address_that_was_asked() {
    let socket = server(ANY);
    let mut batch = Batch::new(&socket, 1232);
    let client = client_of(&socket);
    client.send(b"who").unwrap();
    batch.receive(&socket, Wait::ForOne).unwrap();
    let exchange = batch.exchange(0).unwrap();
    assert_eq!(exchange.local, super::Local::V4(Ipv4Addr::new(127, 0, 0, 9)));
    let (to, local) = (exchange.client, exchange.local);
    // The client is connected to that address and hears no other.
    send_one(&socket, b"me", to, local).unwrap();
    assert!(receive_all(&client, 1).contains_key(&b"me"[..]));
}
