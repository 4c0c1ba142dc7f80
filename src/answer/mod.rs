//! Question to answer, pure, on wire bytes: gate → zone → name → answer → authority → additional → size.
//!
//! The same function answers every transport. It does no I/O; the client's address and the random generator are
//! given to it. A question of ours takes no lock, allocates nothing and scans nothing but the records it answers.
//! `docs/design/answering.md` says why it is built so.

mod apex;
mod find;
pub mod gate;
mod name;
mod order;
mod records;
mod reply;
pub mod stream;

use std::net::IpAddr;

use crate::view::{Selection, ServiceView, Snapshot, ZoneView};

use find::Found;
use gate::{Question, Refusal, Verdict as Gate, ede, rcode};
use name::Folded;
use records::{Context, Family, Verdict};
use reply::{NXDOMAIN, Pointer, Reply, Section, types};

pub use order::Scratch;

/// The size that our OPT offers: no fragments on any path (RFC 9715 §3.2).
pub const UDP_PAYLOAD_DEFAULT: u16 = 1232;
/// Octets of the largest message on a stream.
pub const TCP_MESSAGE_MAX: usize = 65_535;

/// What a message came over: it decides the size of the reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// One datagram each way.
    Udp,
    /// Length-prefixed messages on a stream; the prefix is not part of the message.
    Tcp,
}

/// How a message reached us.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// Who asked.
    pub client: IpAddr,
    /// Over what.
    pub transport: Transport,
    /// The largest UDP reply in octets, whatever the client offers (`--max-udp-payload`).
    pub udp_payload_max: u16,
}

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The first so many octets of the buffer are the reply.
    Reply(usize),
    /// Nothing is sent.
    Drop,
    /// It has a handler but is no plain question: the slow path answers.
    Slow,
}

/// Answers the message `packet` from `snapshot` into `out`, which holds at least 65,535 octets on TCP and
/// [`Asked::udp_payload_max`] on UDP.
pub fn answer(
    snapshot: &Snapshot,
    packet: &[u8],
    asked: &Asked,
    scratch: &mut Scratch,
    out: &mut [u8],
) -> Outcome {
    let refuse = |refusal: Refusal, out: &mut [u8]| match refusal.write(packet, asked.udp_payload_max, out) {
        0 => Outcome::Drop,
        octets => Outcome::Reply(octets),
    };
    let question = match gate::judge(packet, asked.transport) {
        Gate::Drop => return Outcome::Drop,
        Gate::Slow => return Outcome::Slow,
        Gate::Refuse(refusal) => return refuse(refusal, out),
        Gate::Question(question) => question,
    };
    let Some(name) = Folded::new(question.name) else {
        return Outcome::Drop;
    };
    let Some(zone) = find::zone(snapshot, &name) else {
        return refuse(
            Refusal::new(&question, rcode::REFUSED, Some(ede::NOT_AUTHORITATIVE)),
            out,
        );
    };
    match Reply::new(&question, out, size(&question, asked)) {
        Some(mut reply) => {
            answer_in(zone, &name, &question, asked, scratch, &mut reply);
            Outcome::Reply(reply.finish(&question, asked.udp_payload_max))
        }
        None => Outcome::Drop,
    }
}

/// The largest reply to `question`: RFC 1035 §4.2.1 without EDNS, RFC 6891 §6.2.3 with it, never above our own bound.
fn size(question: &Question<'_>, asked: &Asked) -> usize {
    match (asked.transport, question.edns) {
        (Transport::Tcp, _) => TCP_MESSAGE_MAX,
        (Transport::Udp, Some(edns)) => usize::from(edns.payload.min(asked.udp_payload_max)),
        (Transport::Udp, None) => usize::from(gate::UDP_PAYLOAD_MIN),
    }
}

/// Name, answer, authority and additional of a question in `zone`.
fn answer_in(
    zone: &ZoneView,
    name: &Folded,
    question: &Question<'_>,
    asked: &Asked,
    scratch: &mut Scratch,
    reply: &mut Reply<'_>,
) {
    let qtype = question.qtype;
    let apex_at = gate::HEADER_OCTETS + name.offset(zone.labels());
    let context = |service| Context { zone, service, asked };
    let verdict = match find::name(zone, name) {
        Found::Apex => {
            match qtype {
                types::SOA | types::ANY => apex::soa(zone, apex_at, Section::Answer, zone.ttl(), reply),
                types::NS => apex::name_server(zone, apex_at, reply),
                _ => {}
            }
            Verdict::NoData
        }
        Found::NameServer => {
            name_server_host(zone, qtype, reply);
            Verdict::NoData
        }
        Found::Between => Verdict::NoData,
        Found::Missing => Verdict::NxDomain,
        Found::Host(service, member) => {
            host(context(service), member, qtype, reply, scratch);
            Verdict::NoData
        }
        Found::Selection(service, selection) => {
            let verdict = records::verdict(selection.services.standing, context(service).on_empty());
            if verdict == Verdict::Records {
                selected(context(service), selection, qtype, reply, scratch);
            }
            verdict
        }
        Found::Services(service, services) => {
            let verdict = records::verdict(services.standing, context(service).on_empty());
            if verdict == Verdict::Records && matches!(qtype, types::SRV | types::ANY) {
                srv(context(service), services, reply, scratch);
            }
            verdict
        }
        Found::PortOfTag(service, bearers, port) => {
            let is_srv = matches!(qtype, types::SRV | types::ANY);
            records::port_of_tag(context(service), bearers, port, is_srv, reply, scratch)
        }
    };
    if verdict == Verdict::NxDomain {
        reply.set_rcode(NXDOMAIN);
    }
    // Records that exist but did not fit are no negative answer.
    if reply.count(Section::Answer) == 0 && !reply.is_truncated() {
        apex::negative(zone, apex_at, reply);
    }
}

fn srv(context: Context<'_>, services: &crate::view::Services, reply: &mut Reply<'_>, scratch: &mut Scratch) {
    let entries = context.service.list(services.entries);
    records::services(context, entries, reply, scratch);
}

/// One type of a selection; of ANY one RRset that it has (RFC 8482 §4.1).
fn selected(
    context: Context<'_>,
    selection: &Selection,
    qtype: u16,
    reply: &mut Reply<'_>,
    scratch: &mut Scratch,
) {
    let wants = |rtype, there: bool| qtype == rtype || (qtype == types::ANY && there);
    if wants(types::A, !selection.v4.is_empty()) {
        records::addresses(context, Family::V4, selection.v4, reply, scratch);
    } else if wants(types::AAAA, !selection.v6.is_empty()) {
        records::addresses(context, Family::V6, selection.v6, reply, scratch);
    } else if qtype == types::SRV {
        srv(context, &selection.services, reply, scratch);
    }
}

/// One type of a host name; of ANY one RRset that it has.
fn host(context: Context<'_>, member: usize, qtype: u16, reply: &mut Reply<'_>, scratch: &mut Scratch) {
    let service: &ServiceView = context.service;
    let has_v4 = !service.member_at(member).v4.is_empty();
    match qtype {
        types::A => records::host_addresses(context, Family::V4, member, reply, scratch),
        types::AAAA => records::host_addresses(context, Family::V6, member, reply, scratch),
        types::ANY if has_v4 => records::host_addresses(context, Family::V4, member, reply, scratch),
        types::ANY => records::host_addresses(context, Family::V6, member, reply, scratch),
        types::SRV => records::host_services(context, member, reply, scratch),
        types::TXT => records::host_text(context, member, reply, scratch),
        _ => {}
    }
}

fn name_server_host(zone: &ZoneView, qtype: u16, reply: &mut Reply<'_>) {
    let mut add = |rtype| {
        if !apex::name_server_addresses(zone, rtype, Pointer::QUESTION, Section::Answer, reply) {
            reply.truncate();
        }
        reply.count(Section::Answer) > 0
    };
    match qtype {
        types::A | types::AAAA => drop(add(qtype)),
        types::ANY => drop(add(types::A) || add(types::AAAA)),
        _ => {}
    }
}

#[cfg(test)]
mod tests;
