//! A TCP connection that never waits: what the kernel does not take at once is kept until there is room.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::fail;
use crate::http::connect;
use crate::socket::Poll;

/// Octets that one call reads at most.
const PART_OCTETS: usize = 64 << 10;

/// One of the connections of a poll, known there by its number.
pub struct Stream {
    tcp: TcpStream,
    number: usize,
    /// What came and was not taken yet.
    pub received: Vec<u8>,
    /// What is to be sent with the next `flush`.
    pub unsent: Vec<u8>,
    is_full: bool,
}

impl Stream {
    /// Opens it and has `poll` report what comes.
    pub fn open(server: SocketAddr, poll: &Poll, number: usize) -> Self {
        let tcp = connect(server);
        if let Err(error) = tcp.set_nonblocking(true) {
            fail(&format!("a connection to {server}: {error}"));
        }
        poll.add(&tcp, number);
        Self {
            tcp,
            number,
            received: Vec::new(),
            unsent: Vec::new(),
            is_full: false,
        }
    }

    /// Sends as much as the kernel takes; `poll` reports when it takes more.
    pub fn flush(&mut self, poll: &Poll) {
        let mut sent = 0;
        while sent < self.unsent.len() {
            match self.tcp.write(&self.unsent[sent..]) {
                Ok(octets) => sent += octets,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => fail(&format!("send to the server: {error}")),
            }
        }
        self.unsent.drain(..sent);
        if self.is_full == self.unsent.is_empty() {
            self.is_full = !self.is_full;
            poll.report_room(&self.tcp, self.number, self.is_full);
        }
    }

    /// Adds what has come to `received`. Of more than one part the poll tells again.
    pub fn read(&mut self) {
        let mut part = [0; PART_OCTETS];
        match self.tcp.read(&mut part) {
            Ok(0) => fail("the server closed a connection"),
            Ok(octets) => self.received.extend_from_slice(&part[..octets]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => fail(&format!("receive from the server: {error}")),
        }
    }
}
