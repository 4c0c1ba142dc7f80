//! Getting messages to a server and back, within a bounded time.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use super::{Message, Query};

/// How long a reply is waited for. A server on this machine answers in well under a millisecond; a busy one in less
/// than this.
pub(crate) const DEADLINE: Duration = Duration::from_secs(2);

/// Sends octets in one datagram and gives the first that comes back. One attempt: a lost reply is a failure.
#[track_caller]
pub(crate) fn send_udp(server: SocketAddr, octets: &[u8]) -> Vec<u8> {
    let any = if server.is_ipv4() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED)
    } else {
        Ipv6Addr::UNSPECIFIED.into()
    };
    send_udp_from(any, server, octets)
}

/// The same from a chosen local address: 127.0.0.2 is another client than 127.0.0.1.
#[track_caller]
pub(crate) fn send_udp_from(local: IpAddr, server: SocketAddr, octets: &[u8]) -> Vec<u8> {
    let socket = udp_socket(local, server);
    socket.send(octets).expect("send a datagram");
    receive_udp(&socket).unwrap_or_else(|| panic!("no reply from {server} within {DEADLINE:?}"))
}

fn udp_socket(local: IpAddr, server: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind((local, 0)).expect("bind a UDP socket");
    socket.connect(server).expect("connect a UDP socket");
    socket.set_read_timeout(Some(DEADLINE)).expect("set a timeout");
    socket
}

fn receive_udp(socket: &UdpSocket) -> Option<Vec<u8>> {
    let mut buffer = vec![0; 65_535];
    match socket.recv(&mut buffer) {
        Ok(length) => {
            buffer.truncate(length);
            Some(buffer)
        }
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => None,
        Err(error) => panic!("receive a datagram: {error}"),
    }
}

/// A socket on which one datagram follows another, to one worker of the server.
#[derive(Debug)]
pub(crate) struct UdpClient {
    socket: UdpSocket,
}

impl UdpClient {
    /// A socket of its own on this machine.
    #[track_caller]
    pub(crate) fn connect(server: SocketAddr) -> Self {
        let any = if server.is_ipv4() {
            IpAddr::V4(Ipv4Addr::UNSPECIFIED)
        } else {
            Ipv6Addr::UNSPECIFIED.into()
        };
        Self {
            socket: udp_socket(any, server),
        }
    }

    #[track_caller]
    pub(crate) fn send(&self, octets: &[u8]) {
        self.socket.send(octets).expect("send a datagram");
    }

    /// The next datagram.
    #[track_caller]
    pub(crate) fn receive(&self) -> Vec<u8> {
        receive_udp(&self.socket).unwrap_or_else(|| panic!("no reply within {DEADLINE:?}"))
    }
}

/// Sends a query over UDP and takes the reply, which must be a strictly well-formed reply to this query.
#[track_caller]
pub(crate) fn ask(server: SocketAddr, query: &Query) -> Message {
    reply_to(query, &send_udp(server, &query.bytes()))
}

/// The same over TCP.
#[track_caller]
pub(crate) fn ask_tcp(server: SocketAddr, query: &Query) -> Message {
    reply_to(query, &send_tcp(server, &query.bytes()))
}

#[track_caller]
fn reply_to(query: &Query, octets: &[u8]) -> Message {
    let message = Message::parse(octets)
        .unwrap_or_else(|error| panic!("a malformed reply: {error}\n{}", octets.escape_ascii()));
    assert!(message.is_response(), "a reply without QR");
    assert_eq!(message.id, query.message_id(), "a reply with another id");
    assert_eq!(
        message.question_bytes,
        query.question_bytes(),
        "a reply to another question"
    );
    message
}

/// Holds that `octets` are not answered, without waiting for nothing to happen: an honest query follows from the same
/// socket, so to the same worker, and its reply must be the first datagram that comes back. Then a second one, for
/// what took a slower path.
#[track_caller]
pub(crate) fn expect_silence(server: SocketAddr, octets: &[u8], honest: &Query) {
    let any = if server.is_ipv4() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED)
    } else {
        Ipv6Addr::UNSPECIFIED.into()
    };
    let socket = udp_socket(any, server);
    socket.send(octets).expect("send a datagram");
    let first_id = if octets.starts_with(&0x5aa5_u16.to_be_bytes()) {
        0x6bb6
    } else {
        0x5aa5
    };
    for id in [first_id, first_id + 1] {
        let query = honest.clone().id(id);
        socket.send(&query.bytes()).expect("send a datagram");
        let reply = receive_udp(&socket).expect("the honest query is answered");
        assert!(
            reply.starts_with(&id.to_be_bytes()),
            "silence was expected, but this came: {}",
            reply.escape_ascii()
        );
    }
}

/// Sends one message over a connection of its own and gives the first reply.
#[track_caller]
pub(crate) fn send_tcp(server: SocketAddr, octets: &[u8]) -> Vec<u8> {
    let mut client = TcpClient::connect(server);
    client.send(octets);
    client.receive()
}

/// A connection on which messages can be pipelined, cut into pieces and left unfinished.
#[derive(Debug)]
pub(crate) struct TcpClient {
    stream: TcpStream,
}

impl TcpClient {
    #[track_caller]
    pub(crate) fn connect(server: SocketAddr) -> Self {
        let stream = TcpStream::connect_timeout(&server, DEADLINE).expect("connect over TCP");
        // Each write is a segment of its own, as far as it is in our hands.
        stream.set_nodelay(true).expect("set TCP_NODELAY");
        stream.set_read_timeout(Some(DEADLINE)).expect("set a timeout");
        stream.set_write_timeout(Some(DEADLINE)).expect("set a timeout");
        Self { stream }
    }

    /// How long [`receive`](Self::receive) and [`receive_or_end`](Self::receive_or_end) wait, instead of [`DEADLINE`].
    pub(crate) fn deadline(self, deadline: Duration) -> Self {
        self.stream
            .set_read_timeout(Some(deadline))
            .expect("set a timeout");
        self
    }

    pub(crate) fn local_address(&self) -> SocketAddr {
        self.stream
            .local_addr()
            .expect("a connected socket has an address")
    }

    /// One message with its length before it, in one write.
    #[track_caller]
    pub(crate) fn send(&mut self, message: &[u8]) {
        self.write_raw(&framed(message));
    }

    /// Several messages in one write.
    #[track_caller]
    pub(crate) fn send_together(&mut self, messages: &[Vec<u8>]) {
        let octets: Vec<u8> = messages.iter().flat_map(|message| framed(message)).collect();
        self.write_raw(&octets);
    }

    /// One message with its length before it, in writes of `piece` octets: the first may hold half the length.
    #[track_caller]
    pub(crate) fn send_in_pieces(&mut self, message: &[u8], piece: usize) {
        for part in framed(message).chunks(piece) {
            self.write_raw(part);
        }
    }

    /// Octets as they are, without a length.
    #[track_caller]
    pub(crate) fn write_raw(&mut self, octets: &[u8]) {
        self.stream.write_all(octets).expect("write to a TCP connection");
    }

    /// Says that nothing more will be sent; replies can still come.
    pub(crate) fn finish_writing(&mut self) {
        self.stream
            .shutdown(Shutdown::Write)
            .expect("shut down the sending half");
    }

    /// The next message.
    #[track_caller]
    pub(crate) fn receive(&mut self) -> Vec<u8> {
        self.receive_or_end().expect("the server closed the connection")
    }

    /// The next message, or `None` if the server ended the connection between two messages, by a close or a reset.
    #[track_caller]
    pub(crate) fn receive_or_end(&mut self) -> Option<Vec<u8>> {
        let mut length = [0; 2];
        match self.stream.read(&mut length[..1]) {
            Ok(0) => return None,
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return None,
            Err(error) => panic!("no reply over TCP: {error}"),
        }
        self.stream
            .read_exact(&mut length[1..])
            .expect("the second octet of the length");
        let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
        self.stream
            .read_exact(&mut message)
            .expect("as many octets as the length says");
        Some(message)
    }

    /// Sends a query and takes its reply, judged as [`ask`] does.
    #[track_caller]
    pub(crate) fn ask(&mut self, query: &Query) -> Message {
        self.send(&query.bytes());
        reply_to(query, &self.receive())
    }
}

fn framed(message: &[u8]) -> Vec<u8> {
    let length = u16::try_from(message.len()).expect("a message of at most 65535 octets");
    [&length.to_be_bytes(), message].concat()
}
