//! As much of HTTP/1.1 as talks to Callsign: requests with a body on a connection that stays, replies with a length.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::fail;

/// How long a reply may take.
const DEADLINE: Duration = Duration::from_secs(30);

/// The octets of a request. One without a body names no type of it.
pub fn request(method: &str, path: &str, server: SocketAddr, body: &str) -> Vec<u8> {
    if body.is_empty() {
        return format!("{method} {path} HTTP/1.1\r\nHost: {server}\r\nContent-Length: 0\r\n\r\n")
            .into_bytes();
    }
    format!(
        "{method} {path} HTTP/1.1\r\nHost: {server}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// The path of an instance.
pub fn instance_path(service: &str, instance: &str) -> String {
    format!("/v1/services/{service}/instances/{instance}")
}

/// The status of the reply that begins these octets and how many they are; none if it is not whole yet.
pub fn reply(octets: &[u8]) -> Option<(u16, usize)> {
    let head = octets.windows(4).position(|end| end == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&octets[..head]).unwrap_or_else(|_| fail("a reply's head is no text"));
    let status: u16 = text
        .get(9..12)
        .and_then(|status| status.parse().ok())
        .unwrap_or_else(|| fail(&format!("a reply without a status: {text:?}")));
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse::<usize>().ok())?
    });
    let body = match length {
        Some(length) => length,
        None if status == 204 => 0,
        None => fail(&format!("a reply without a length: {text:?}")),
    };
    (octets.len() >= head + body).then_some((status, head + body))
}

/// A connection on which one waits for each reply.
pub struct Connection {
    server: SocketAddr,
    stream: TcpStream,
    received: Vec<u8>,
}

impl Connection {
    /// Opens it.
    pub fn open(server: SocketAddr) -> Self {
        Self {
            server,
            stream: connect(server),
            received: Vec::new(),
        }
    }

    /// Sends a request and waits for the reply; gives its status and body.
    pub fn call(&mut self, method: &str, path: &str, body: &str) -> (u16, String) {
        let sent = self.stream.write_all(&request(method, path, self.server, body));
        sent.unwrap_or_else(|error| fail(&format!("{method} {path}: {error}")));
        let mut part = [0; 16 << 10];
        loop {
            if let Some((status, octets)) = reply(&self.received) {
                let text = String::from_utf8_lossy(&self.received[..octets]);
                let body = text
                    .split_once("\r\n\r\n")
                    .map_or("", |(_, body)| body)
                    .to_string();
                self.received.drain(..octets);
                return (status, body);
            }
            match self.stream.read(&mut part) {
                Ok(0) => fail(&format!("{method} {path}: the server closed the connection")),
                Ok(octets) => self.received.extend_from_slice(&part[..octets]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => fail(&format!("{method} {path}: {error}")),
            }
        }
    }

    /// The same for a write that must succeed.
    pub fn write(&mut self, method: &str, path: &str, body: &str) {
        let (status, body) = self.call(method, path, body);
        if !(200..300).contains(&status) {
            fail(&format!("{method} {path}: {status} {body}"));
        }
    }
}

/// A connection without delays.
pub fn connect(server: SocketAddr) -> TcpStream {
    let connected = TcpStream::connect(server).and_then(|stream| {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        stream.set_write_timeout(Some(DEADLINE))?;
        Ok(stream)
    });
    connected.unwrap_or_else(|error| fail(&format!("connect to {server}: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_whole_with_its_last_octet() {
        let octets = b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}HTTP/1.1 204 No Content\r\n\r\n";
        let first = octets.len() - 27;
        for cut in 0..first {
            assert_eq!(reply(&octets[..cut]), None);
        }
        assert_eq!(reply(octets), Some((201, first)));
        assert_eq!(reply(&octets[first..]), Some((204, 27)));
    }
}
