//! Sends the cases of a table to a server, each followed by an honest query that must still be answered.

use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::support::dns::{TcpClient, Type, UdpClient};

use super::case::{Case, Expected, Over, Reply, Sent, Shape, answer, q};
use super::judge::{Transport, differences};

/// Runs a table and fails with all that differs.
///
/// # Panics
/// When a case fails: each is told with its rule, the query as hex, and what differed.
#[track_caller]
pub(super) fn run(server: SocketAddr, table: &[Case]) {
    let mut failures = Vec::new();
    for case in table {
        let transports: &[Transport] = match case.over {
            Over::Both => &[Transport::Udp, Transport::Tcp],
            Over::Udp => &[Transport::Udp],
            Over::Tcp => &[Transport::Tcp],
        };
        for transport in transports {
            // One case that gets no reply must not hide what the others get.
            let found = catch_unwind(AssertUnwindSafe(|| match transport {
                Transport::Udp => over_udp(server, case),
                Transport::Tcp => over_tcp(server, case),
            }));
            let found = found.unwrap_or_else(|panic| vec![said(panic.as_ref())]);
            match case.known_breach {
                None if found.is_empty() => {}
                None => failures.push(told(case, *transport, &found)),
                Some(why) if found.is_empty() => {
                    let kept = format!("keeps its rule now: take its mark off ({why})");
                    failures.push(told(case, *transport, &[kept]));
                }
                Some(why) => println!("known breach of {}: {why}", case.rule),
            }
        }
    }
    assert!(
        failures.is_empty(),
        "{} of {} cases fail:\n\n{}",
        failures.len(),
        table.len(),
        failures.join("\n")
    );
}

fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    let text = text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
    text.unwrap_or_else(|| "a panic without words".to_string())
}

fn told(case: &Case, transport: Transport, found: &[String]) -> String {
    let hex: String = case
        .sent
        .octets
        .iter()
        .map(|octet| format!("{octet:02x}"))
        .collect();
    format!(
        "{} ({}) over {transport:?}{}\n  query {hex}\n       {}\n  {}\n",
        case.rule,
        case.source,
        match case.shape {
            Shape::Whole => String::new(),
            shape => format!(", {shape:?}"),
        },
        case.sent.octets.escape_ascii(),
        found.join("\n  ")
    )
}

/// What is asked after each case, and its one answer.
fn honest() -> (Sent, Reply) {
    (
        q("honest.~", Type::A).into(),
        answer(&["honest.~ 5 A 192.0.2.99"]),
    )
}

fn after(transport: Transport, honest: &(Sent, Reply), octets: &[u8]) -> Vec<String> {
    let found = differences(&honest.0, transport, &honest.1, octets);
    let found = found.into_iter();
    found
        .map(|difference| format!("the honest query after it: {difference}"))
        .collect()
}

// Replies are judged when all have come: 4,000 records take their time, and a connection must not idle meanwhile.

fn over_udp(server: SocketAddr, case: &Case) -> Vec<String> {
    let client = UdpClient::connect(server);
    client.send(&case.sent.octets);
    let reply = match &case.expected {
        Expected::Reply(wanted) => Some((wanted, client.receive())),
        // The honest query follows from the same socket, so to the same worker: its reply must be the first.
        Expected::Silence => None,
    };
    let honest = honest();
    client.send(&honest.0.octets);
    let then = client.receive();
    let found = reply.map(|(wanted, octets)| differences(&case.sent, Transport::Udp, wanted, &octets));
    let mut found = found.unwrap_or_default();
    found.extend(after(Transport::Udp, &honest, &then));
    found
}

fn over_tcp(server: SocketAddr, case: &Case) -> Vec<String> {
    let mut client = TcpClient::connect(server);
    let octets = &case.sent.octets;
    let mut count = 1;
    match case.shape {
        Shape::Whole => client.send(octets),
        Shape::Pieces(piece) => client.send_in_pieces(octets, piece),
        Shape::Together(times) => {
            client.send_together(&vec![octets.clone(); times]);
            count = times;
        }
        Shape::HalfClosed => {
            client.send(octets);
            client.finish_writing();
        }
    }
    let honest = honest();
    let mut found = Vec::new();
    let then = match &case.expected {
        Expected::Reply(wanted) => {
            let replies: Vec<_> = (0..count).map(|_| client.receive()).collect();
            if case.shape == Shape::HalfClosed {
                if client.receive_or_end().is_some() {
                    found.push("a second reply".to_string());
                }
                client = TcpClient::connect(server);
            }
            client.send(&honest.0.octets);
            let then = client.receive();
            for reply in &replies {
                found.extend(differences(&case.sent, Transport::Tcp, wanted, reply));
            }
            then
        }
        Expected::Silence => {
            // Dropped, or the connection was ended for it; never answered.
            client.send(&honest.0.octets);
            client.receive_or_end().unwrap_or_else(|| {
                let mut again = TcpClient::connect(server);
                again.send(&honest.0.octets);
                again.receive()
            })
        }
    };
    found.extend(after(Transport::Tcp, &honest, &then));
    found
}
