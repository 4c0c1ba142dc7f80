//! `callsign query`: a small dig. It sends one question with EDNS, asks again over TCP if the answer is truncated, and
//! prints the message.

mod exchange;
mod presentation;

use std::net::{SocketAddr, ToSocketAddrs};
use std::str::FromStr;

use clap::Args;
use hickory_proto::op::{Edns, Message, Query};
use hickory_proto::rr::{Name, RecordType};

use crate::clock::Clock;

use super::Context;
use super::failure::{Done, Failure};

/// What is asked where no `@SERVER` is given: `callsign serve` with its default `--dns`.
const SERVER_DEFAULT: &str = "127.0.0.1:5300";
/// The port of a server that is given without one (RFC 1035 §4.2).
const PORT_DEFAULT: u16 = 53;
/// The UDP reply that we take: it crosses every usual link in one piece (DNS flag day 2020, RFC 9715).
const UDP_PAYLOAD: u16 = 1232;

/// Ask a DNS server: a small dig
///
/// A truncated reply is asked for again over TCP. The exit code is 1 if no reply came; every reply is one, also
/// NXDOMAIN.
#[derive(Debug, Args)]
#[command(override_usage = "callsign query [--tcp] NAME [TYPE] [@SERVER:PORT]")]
pub(super) struct Ask {
    /// NAME [TYPE] [@SERVER:PORT]. The type is a word such as SRV, or TYPE33, and A if none is given. The server is
    /// 127.0.0.1:5300 if none is given; one without a port is asked at port 53
    #[arg(value_name = "QUESTION", required = true, num_args = 1..=3)]
    words: Vec<String>,
    /// Ask over TCP at once
    #[arg(long)]
    tcp: bool,
}

/// What the words mean.
#[derive(Debug, PartialEq, Eq)]
struct Question {
    name: Name,
    record_type: RecordType,
    server: String,
}

impl Question {
    fn parse(words: &[String]) -> Result<Self, String> {
        let (mut server, mut rest) = (None, Vec::new());
        for word in words {
            match word.strip_prefix('@') {
                Some(_) if server.is_some() => return Err(format!("{word:?} is a second server; ask one")),
                Some(address) => server = Some(address),
                None => rest.push(word),
            }
        }
        let (name, record_type) = match rest[..] {
            [name] => (name, RecordType::A),
            [name, record_type] => (name, parse_type(record_type)?),
            _ => return Err("give NAME [TYPE] [@SERVER:PORT]".into()),
        };
        Ok(Self {
            name: parse_name(name)?,
            record_type,
            server: server.unwrap_or(SERVER_DEFAULT).to_owned(),
        })
    }

    fn message(&self) -> Message {
        let mut message = Message::query();
        message.metadata.recursion_desired = true;
        message.add_query(Query::query(self.name.clone(), self.record_type));
        let mut edns = Edns::new();
        edns.set_max_payload(UDP_PAYLOAD);
        message.set_edns(edns);
        message
    }
}

/// An absolute name: there is no search list.
fn parse_name(text: &str) -> Result<Name, String> {
    let mut name = Name::from_ascii(text)
        .map_err(|_| format!("{text:?} is no domain name; write one such as web.svc.internal"))?;
    name.set_fqdn(true);
    Ok(name)
}

/// A mnemonic, or `TYPE123` (RFC 3597 §5).
fn parse_type(text: &str) -> Result<RecordType, String> {
    let upper = text.to_ascii_uppercase();
    let number = upper
        .strip_prefix("TYPE")
        .and_then(|number| number.parse::<u16>().ok());
    match number {
        Some(number) => Ok(number.into()),
        None => RecordType::from_str(&upper)
            .map_err(|_| format!("{text:?} is no record type; write one such as A, SRV or TYPE33")),
    }
}

/// The address of `SERVER:PORT`, `SERVER` or `[IPv6]:PORT`.
fn resolve(server: &str) -> Result<SocketAddr, String> {
    if let Ok(address) = server.parse() {
        return Ok(address);
    }
    if let Ok(ip) = server.trim_matches(['[', ']']).parse() {
        return Ok(SocketAddr::new(ip, PORT_DEFAULT));
    }
    let with_port = match server.rsplit_once(':') {
        Some((_, port)) if port.parse::<u16>().is_ok() => server.to_owned(),
        _ => format!("{server}:{PORT_DEFAULT}"),
    };
    match with_port.to_socket_addrs() {
        Ok(mut addresses) => addresses
            .next()
            .ok_or_else(|| format!("the server {server:?} has no address")),
        Err(error) => Err(format!(
            "the server {server:?} is not found ({error}); write one such as @127.0.0.1:5300"
        )),
    }
}

impl Ask {
    pub(super) fn run(self, context: &mut Context<'_>) -> Done {
        let question = Question::parse(&self.words).map_err(Failure::usage)?;
        let server = resolve(&question.server).map_err(Failure::usage)?;
        let reply = exchange::exchange(&question.message(), server, self.tcp, &Clock::system())
            .map_err(|error| Failure::request(format!("no answer from {server}: {error}")))?;
        writeln!(context.out, "{}", presentation::present(&reply))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
