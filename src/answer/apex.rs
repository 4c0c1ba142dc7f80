//! The zone's own records: SOA, NS and the name server's addresses.

use std::net::IpAddr;

use crate::view::ZoneView;

use super::reply::{Pointer, Reply, Section, types};

/// SOA timers in seconds: REFRESH, RETRY, EXPIRE (RIPE-203 for small and stable zones, but a shorter refresh: a
/// secondary should follow within a minute where NOTIFY is lost).
const TIMERS: [u32; 3] = [60, 15, 604_800];

/// Where the apex stands in the message.
fn apex(offset: usize) -> Pointer {
    Pointer::new(offset).unwrap_or(Pointer::QUESTION)
}

/// Appends the SOA with `ttl`. `offset` is where the apex stands in the question.
pub(super) fn soa(zone: &ZoneView, offset: usize, section: Section, ttl: u32, reply: &mut Reply<'_>) {
    let owner = apex(offset);
    let mut numbers = [0; 20];
    let values = [
        zone.serial(),
        TIMERS[0],
        TIMERS[1],
        TIMERS[2],
        zone.negative_ttl(),
    ];
    for (at, value) in values.into_iter().enumerate() {
        numbers[at * 4..at * 4 + 4].copy_from_slice(&value.to_be_bytes());
    }
    // MNAME ns.<zone>, RNAME hostmaster.<zone>: names in SOA may be compressed (RFC 1035 §3.3.13).
    let parts = [
        b"\x02ns",
        &owner.octets()[..],
        b"\x0ahostmaster",
        &owner.octets(),
        &numbers,
    ];
    reply.record(section, owner, types::SOA, ttl, &parts);
}

/// The SOA of a negative answer: its TTL is the lesser of its own and MINIMUM (RFC 2308 §5).
pub(super) fn negative(zone: &ZoneView, offset: usize, reply: &mut Reply<'_>) {
    soa(
        zone,
        offset,
        Section::Authority,
        zone.ttl().min(zone.negative_ttl()),
        reply,
    );
}

/// Answers NS, with the server's addresses in Additional.
pub(super) fn name_server(zone: &ZoneView, offset: usize, reply: &mut Reply<'_>) {
    let owner = apex(offset);
    let parts = [b"\x02ns", &owner.octets()[..]];
    let data = reply.record(Section::Answer, owner, types::NS, zone.ttl(), &parts);
    let Some(target) = data.and_then(Pointer::new) else {
        return;
    };
    for rtype in [types::A, types::AAAA] {
        // Half an RRset would be taken for the whole (RFC 2181 §5).
        let before = reply.mark();
        if !name_server_addresses(zone, rtype, target, Section::Additional, reply) {
            reply.back_to(before);
        }
    }
}

/// Appends the name server's addresses of one family, as many as fit; whether all did.
pub(super) fn name_server_addresses(
    zone: &ZoneView,
    rtype: u16,
    owner: Pointer,
    section: Section,
    reply: &mut Reply<'_>,
) -> bool {
    zone.name_servers().iter().all(|address| {
        let written = match address {
            IpAddr::V4(v4) if rtype == types::A => {
                reply.record(section, owner, rtype, zone.ttl(), &[&v4.octets()])
            }
            IpAddr::V6(v6) if rtype == types::AAAA => {
                reply.record(section, owner, rtype, zone.ttl(), &[&v6.octets()])
            }
            _ => return true,
        };
        written.is_some()
    })
}
