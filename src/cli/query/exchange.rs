//! A question to a server and its reply back, over UDP and then TCP.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use hickory_proto::op::{Message, MessageType};

use crate::clock::Clock;

/// How long one attempt waits.
const TIMEOUT: Duration = Duration::from_secs(2);
/// How often a datagram is sent.
const ATTEMPTS_MAX: usize = 2;

/// A reply and how it came.
pub(super) struct Reply {
    /// What it says.
    pub(super) message: Message,
    /// Its octets on the wire.
    pub(super) octets: usize,
    /// Who was asked.
    pub(super) server: SocketAddr,
    /// The last transport.
    pub(super) is_tcp: bool,
    /// Whether UDP gave a truncated one first.
    pub(super) was_truncated: bool,
    /// From the first datagram to the last octet.
    pub(super) took: Duration,
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub(super) enum ExchangeError {
    #[error("nothing came within {} s, asked {ATTEMPTS_MAX} times", TIMEOUT.as_secs())]
    Silence,
    #[error("{0}; is the server running, and is this its DNS port?")]
    Io(#[from] io::Error),
    #[error("what came is no DNS message: {0}")]
    Malformed(hickory_proto::serialize::binary::DecodeError),
    #[error("what came is no reply to this question")]
    Unrelated,
    #[error("the question cannot be written: {0}")]
    Unwritable(#[from] hickory_proto::ProtoError),
}

/// Asks `server`; over TCP alone if `tcp_only`, else there if UDP gives a truncated reply.
pub(super) fn exchange(
    question: &Message,
    server: SocketAddr,
    tcp_only: bool,
    clock: &Clock,
) -> Result<Reply, ExchangeError> {
    let started = clock.running();
    let query = question.to_vec()?;
    let mut was_truncated = false;
    if !tcp_only {
        let (message, octets) = over_udp(question, &query, server, clock)?;
        was_truncated = message.metadata.truncation;
        if !was_truncated {
            return Ok(Reply {
                message,
                octets,
                server,
                is_tcp: false,
                was_truncated,
                took: clock.running().since(started),
            });
        }
    }
    let (message, octets) = over_tcp(question, &query, server)?;
    Ok(Reply {
        message,
        octets,
        server,
        is_tcp: true,
        was_truncated,
        took: clock.running().since(started),
    })
}

/// Datagrams that are no reply to the question are passed over, as if they had not come (RFC 5452 §4).
fn over_udp(
    question: &Message,
    query: &[u8],
    server: SocketAddr,
    clock: &Clock,
) -> Result<(Message, usize), ExchangeError> {
    let local: SocketAddr = if server.is_ipv4() {
        ([0, 0, 0, 0], 0).into()
    } else {
        ([0u16; 8], 0).into()
    };
    let socket = UdpSocket::bind(local)?;
    socket.connect(server)?;
    let mut buffer = vec![0; 65_535];
    for _ in 0..ATTEMPTS_MAX {
        socket.send(query)?;
        let started = clock.running();
        loop {
            let left = TIMEOUT.saturating_sub(clock.running().since(started));
            if left.is_zero() {
                break;
            }
            socket.set_read_timeout(Some(left))?;
            let octets = match socket.recv(&mut buffer) {
                Ok(octets) => octets,
                Err(error) if is_timeout(&error) => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            };
            if buffer[..octets].get(..2) != query.get(..2) {
                continue;
            }
            let message = Message::from_vec(&buffer[..octets]).map_err(ExchangeError::Malformed)?;
            if is_reply(&message, question) {
                return Ok((message, octets));
            }
        }
    }
    Err(ExchangeError::Silence)
}

fn over_tcp(question: &Message, query: &[u8], server: SocketAddr) -> Result<(Message, usize), ExchangeError> {
    let mut stream = TcpStream::connect_timeout(&server, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    let length = u16::try_from(query.len()).expect("a question has far fewer octets than a message may have");
    // One segment: some servers want the length and the message together (RFC 7766 §8).
    stream.write_all(&[&length.to_be_bytes(), query].concat())?;
    let mut length = [0; 2];
    let mut read = |buffer: &mut [u8]| {
        stream.read_exact(buffer).map_err(|error| match error {
            error if is_timeout(&error) => ExchangeError::Silence,
            error => error.into(),
        })
    };
    read(&mut length)?;
    let mut buffer = vec![0; u16::from_be_bytes(length).into()];
    read(&mut buffer)?;
    let message = Message::from_vec(&buffer).map_err(ExchangeError::Malformed)?;
    if !is_reply(&message, question) {
        return Err(ExchangeError::Unrelated);
    }
    Ok((message, buffer.len()))
}

/// The same id and question. A server that could not read the question may leave it out (RFC 1035 §4.1.1: FORMERR).
fn is_reply(message: &Message, question: &Message) -> bool {
    message.metadata.message_type == MessageType::Response
        && message.metadata.id == question.metadata.id
        && (message.queries.is_empty() || message.queries == question.queries)
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}
