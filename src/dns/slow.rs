//! The slow path: what has a handler but is no plain question.
//!
//! Messages come over a bounded queue from UDP workers and TCP connections and are decoded into hickory-server's
//! typed `Request`; replies go back to the socket that the message came from. Today that is what the server tells
//! about itself in class CHAOS (RFC 4892); [`Handler`] is where NOTIFY and UPDATE will be told apart.
//!
//! It must never hold up a plain question, and a handler that panics fails one message only.

use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};

use hickory_proto::op::{Edns, Header, HeaderCounts, Metadata, OpCode, ResponseCode};
use hickory_proto::rr::rdata::TXT;
use hickory_proto::rr::{DNSClass, RData, Record};
use hickory_proto::serialize::binary::BinEncoder;
use hickory_server::net::NetError;
use hickory_server::net::runtime::{Time, TokioTime};
use hickory_server::net::xfer::Protocol;
use hickory_server::server::{Request, RequestHandler, ResponseHandler, ResponseInfo};
use hickory_server::zone_handler::{MessageResponse, MessageResponseBuilder};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::{JoinHandle, JoinSet};

use super::datagrams::{self, Local};
use super::{Config, Counts, bump};
use crate::answer::gate;

/// Messages that wait for the slow path; what does not fit is dropped and counted.
pub(super) const QUEUE_MAX: usize = 1024;
/// Messages that are handled at the same time.
pub(super) const IN_FLIGHT_MAX: usize = 64;
/// A character-string of TXT holds so many octets (RFC 1035 §3.3).
const STRING_OCTETS_MAX: usize = 255;

/// What the server tells about itself to anyone who asks in class CHAOS. What is absent is REFUSED.
#[derive(Clone, Debug)]
pub struct Identity {
    /// `version.bind` and `version.server`; by default `callsign` and the package's version.
    pub version: Option<String>,
    /// `id.server`: which of several servers answers (RFC 4892 §3).
    pub id: Option<String>,
    /// `hostname.bind`.
    pub hostname: Option<String>,
}

impl Default for Identity {
    fn default() -> Self {
        Self {
            version: Some(concat!("callsign ", env!("CARGO_PKG_VERSION")).into()),
            id: None,
            hostname: None,
        }
    }
}

impl Identity {
    /// The text at a name, which is given in lower case and with its final dot.
    fn text(&self, name: &str) -> Option<&str> {
        match name {
            "version.bind." | "version.server." => self.version.as_deref(),
            "id.server." => self.id.as_deref(),
            "hostname.bind." => self.hostname.as_deref(),
            _ => None,
        }
    }
}

/// A message and the way back.
pub(super) struct Message {
    pub(super) octets: Vec<u8>,
    pub(super) client: SocketAddr,
    pub(super) back: Back,
}

/// Where a reply goes.
pub(super) enum Back {
    /// To the client, through the socket and from the address that it asked.
    Datagram { socket: Arc<UdpSocket>, local: Local },
    /// To the connection that waits for it. No reply: the sender is dropped.
    Stream(oneshot::Sender<Vec<u8>>),
}

/// The way in.
#[derive(Clone)]
pub(super) struct Queue {
    messages: mpsc::Sender<Message>,
    counts: Arc<Counts>,
}

impl Queue {
    /// Hands a message over, or drops it if the queue is full. Never waits.
    pub(super) fn push(&self, message: Message) {
        if self.messages.try_send(message).is_err() && bump(&self.counts.slow_dropped) {
            tracing::debug!("the slow path has no room: message dropped");
        }
    }
}

/// Starts the slow path. It ends when the last [`Queue`] is gone and what was in it is answered.
pub(super) fn spawn(
    config: &Config,
    counts: Arc<Counts>,
    alive: mpsc::Sender<()>,
) -> (Queue, JoinHandle<()>) {
    let (messages, waiting) = mpsc::channel(QUEUE_MAX);
    let handler = Arc::new(Handler {
        identity: config.identity.clone(),
        udp_payload_max: config.udp_payload_max,
    });
    let task = tokio::spawn(run(waiting, handler, counts.clone(), alive));
    (Queue { messages, counts }, task)
}

async fn run(
    mut waiting: mpsc::Receiver<Message>,
    handler: Arc<Handler>,
    counts: Arc<Counts>,
    alive: mpsc::Sender<()>,
) {
    let room = Arc::new(Semaphore::new(IN_FLIGHT_MAX));
    let mut in_flight = JoinSet::new();
    while let Some(message) = waiting.recv().await {
        while in_flight.try_join_next().is_some() {}
        let room = room
            .clone()
            .acquire_owned()
            .await
            .expect("the semaphore is never closed");
        let (handler, counts) = (handler.clone(), counts.clone());
        in_flight.spawn(async move {
            let udp_payload_max = handler.udp_payload_max;
            serve(handler, message, udp_payload_max, &counts).await;
            drop(room);
        });
    }
    while in_flight.join_next().await.is_some() {}
    drop(alive);
}

async fn serve<H: RequestHandler>(handler: Arc<H>, message: Message, udp_payload_max: u16, counts: &Counts) {
    let Message { octets, client, back } = message;
    let protocol = match back {
        Back::Datagram { .. } => Protocol::Udp,
        Back::Stream(_) => Protocol::Tcp,
    };
    let refuse = |rcode| {
        let mut reply = vec![0; gate::REFUSAL_OCTETS_MAX];
        let length = gate::refuse(&octets, rcode, None)
            .map_or(0, |refusal| refusal.write(&octets, udp_payload_max, &mut reply));
        reply.truncate(length);
        reply
    };
    let reply = match Request::from_bytes(octets.clone(), client, protocol) {
        Ok(request) => {
            let response = Response::to(&request, udp_payload_max);
            let handled = {
                let response = response.clone();
                tokio::spawn(async move {
                    handler.handle_request::<_, TokioTime>(&request, response).await;
                })
            };
            match handled.await {
                Ok(()) => response.octets(),
                Err(error) => {
                    bump(&counts.panics);
                    tracing::error!(%error, "a handler of the slow path failed");
                    refuse(gate::rcode::SERVFAIL)
                }
            }
        }
        // The gate is content, the decoder is not: an option or a signature of a wrong form.
        Err(_) => refuse(gate::rcode::FORMERR),
    };
    if reply.is_empty() {
        return;
    }
    bump(&counts.slow_answered);
    match back {
        Back::Datagram { socket, local } => {
            if let Err(error) = datagrams::send_one(&socket, &reply, client, local)
                && bump(&counts.udp_errors)
            {
                tracing::debug!(%error, "UDP socket");
            }
        }
        // Nobody waits any more if the connection was closed meanwhile.
        Back::Stream(connection) => drop(connection.send(reply)),
    }
}

/// Decides who handles a request.
struct Handler {
    identity: Identity,
    /// The largest UDP reply, which is also what our OPT offers.
    udp_payload_max: u16,
}

#[async_trait::async_trait]
impl RequestHandler for Handler {
    async fn handle_request<R: ResponseHandler, T: Time>(
        &self,
        request: &Request,
        response: R,
    ) -> ResponseInfo {
        let class = request.request_info().map(|info| info.query.query_class());
        match (request.metadata.op_code, class) {
            (OpCode::Query, Ok(DNSClass::CH)) => self.tell_identity(request, response).await,
            // Here NOTIFY and UPDATE will go to handlers of their own, once the gate lets them through.
            _ => self.reply(request, response, ResponseCode::NotImp, &[]).await,
        }
    }
}

impl Handler {
    async fn tell_identity<R: ResponseHandler>(&self, request: &Request, response: R) -> ResponseInfo {
        let asked = request.queries.queries().first();
        let told = asked.and_then(|asked| {
            let text = self.identity.text(&asked.name().to_string())?;
            let octets = text.as_bytes();
            let octets = octets.get(..STRING_OCTETS_MAX).unwrap_or(octets);
            // TTL 0: it is a fact about this server at this moment (RFC 4892 §2).
            let mut record = Record::from_rdata(
                asked.original().name().clone(),
                0,
                RData::TXT(TXT::from_bytes(vec![octets])),
            );
            record.dns_class = DNSClass::CH;
            Some(record)
        });
        match told {
            Some(record) => {
                self.reply(request, response, ResponseCode::NoError, &[record])
                    .await
            }
            None => self.reply(request, response, ResponseCode::Refused, &[]).await,
        }
    }

    async fn reply<R: ResponseHandler>(
        &self,
        request: &Request,
        mut response: R,
        rcode: ResponseCode,
        answers: &[Record],
    ) -> ResponseInfo {
        let mut metadata = Metadata::response_from_request(&request.metadata);
        metadata.response_code = rcode;
        metadata.authoritative = !answers.is_empty();
        // An OPT answers an OPT and nothing else (RFC 6891 §6.1.1).
        let opt = request.edns.as_ref().map(|asked| {
            let mut opt = Edns::new();
            opt.set_version(0)
                .set_max_payload(self.udp_payload_max)
                .set_dnssec_ok(asked.flags().dnssec_ok);
            opt
        });
        let mut message = MessageResponseBuilder::from_message_request(request);
        if let Some(opt) = &opt {
            message.edns(opt);
        }
        let message = message.build(metadata, answers, [], [], []);
        response.send_response(message).await.unwrap_or_else(|error| {
            tracing::debug!(%error, "a reply of the slow path cannot be written");
            metadata.response_code = ResponseCode::ServFail;
            Header {
                metadata,
                counts: HeaderCounts::default(),
            }
            .into()
        })
    }
}

/// Takes the reply to one request, within the size that the client and we agree on.
#[derive(Clone)]
struct Response {
    octets_max: u16,
    written: Arc<Mutex<Vec<u8>>>,
}

impl Response {
    fn to(request: &Request, udp_payload_max: u16) -> Self {
        let octets_max = match request.protocol() {
            Protocol::Udp => request.max_payload().min(udp_payload_max),
            _ => u16::MAX,
        };
        Self {
            octets_max,
            written: Arc::default(),
        }
    }

    /// What has been written: nothing if the handler chose not to reply.
    fn octets(&self) -> Vec<u8> {
        std::mem::take(&mut self.written.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait::async_trait]
impl ResponseHandler for Response {
    async fn send_response<'a>(
        &mut self,
        response: MessageResponse<
            '_,
            'a,
            impl Iterator<Item = &'a Record> + Send + 'a,
            impl Iterator<Item = &'a Record> + Send + 'a,
            impl Iterator<Item = &'a Record> + Send + 'a,
            impl Iterator<Item = &'a Record> + Send + 'a,
        >,
    ) -> Result<ResponseInfo, NetError> {
        let mut octets = Vec::with_capacity(512);
        let mut encoder = BinEncoder::new(&mut octets);
        encoder.set_max_size(self.octets_max);
        // The question is written as it came, with its case (RFC 4343).
        let info = response.destructive_emit(&mut encoder)?;
        *self.written.lock().unwrap_or_else(PoisonError::into_inner) = octets;
        Ok(info)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::atomic::Ordering;

    use super::*;

    const VERSION: &[u8] = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x07version\x04bind\0\0\x10\0\x03";

    struct Panics;

    #[async_trait::async_trait]
    impl RequestHandler for Panics {
        async fn handle_request<R: ResponseHandler, T: Time>(&self, _: &Request, _: R) -> ResponseInfo {
            panic!("as the test wants it");
        }
    }

    fn message(octets: &[u8]) -> (Message, oneshot::Receiver<Vec<u8>>) {
        let (back, reply) = oneshot::channel();
        let client = SocketAddr::from(([192, 0, 2, 1], 5353));
        (
            Message {
                octets: octets.to_vec(),
                client,
                back: Back::Stream(back),
            },
            reply,
        )
    }

    #[tokio::test]
    async fn a_handler_that_panics_is_answered_for() {
        let counts = Counts::default();
        let (message, reply) = message(VERSION);
        serve(Arc::new(Panics), message, 1232, &counts).await;
        let reply = reply.await.unwrap();
        assert_eq!(reply[..4], [0x12, 0x34, 0x81, 0x02], "SERVFAIL");
        assert_eq!(reply[12..], VERSION[12..]);
        assert_eq!(counts.panics.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn what_does_not_fit_into_the_queue_is_dropped_and_counted() {
        let counts = Arc::new(Counts::default());
        let (messages, mut waiting) = mpsc::channel(1);
        let queue = Queue {
            messages,
            counts: counts.clone(),
        };
        for _ in 0..3 {
            queue.push(message(VERSION).0);
        }
        assert_eq!(counts.slow_dropped.load(Ordering::Relaxed), 2);
        assert!(waiting.try_recv().is_ok() && waiting.try_recv().is_err());
    }
}
