//! The zone's own records where no zone file says otherwise: SOA, NS and the name server's addresses; and the SOA of
//! negative answers.

use std::net::IpAddr;

use crate::view::ZoneView;

use super::order::Scratch;
use super::reply::{Owner, Pointer, RECORD_HEAD_OCTETS, Reply, Section, types};

/// SOA timers in seconds: REFRESH, RETRY, EXPIRE (RIPE-203 for small and stable zones, but a shorter refresh: a
/// secondary should follow within a minute where NOTIFY is lost).
const TIMERS: [u32; 3] = [60, 15, 604_800];

/// Octets of the numbers that end an SOA.
const NUMBERS_OCTETS: usize = 20;
/// Octets of the usual SOA's data: its names are two labels that end with a pointer.
const USUAL_OCTETS: usize = 18 + NUMBERS_OCTETS;
/// Octets of the largest SOA's data.
const SOA_OCTETS_MAX: usize = 2 * 255 + NUMBERS_OCTETS;

/// Where a zone's apex stands in the message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Apex<'z> {
    pub(super) zone: &'z ZoneView,
    /// Nothing if it is not known to stand anywhere.
    pub(super) at: Option<Pointer>,
}

impl Apex<'_> {
    /// Answers SOA.
    pub(super) fn soa(self, reply: &mut Reply<'_>, scratch: &mut Scratch) {
        let ttl = self.zone.soa().map_or(self.zone.ttl(), |soa| soa.ttl);
        if !self.write(Section::Answer, ttl, reply, scratch) {
            reply.truncate();
        }
    }

    /// Appends the SOA of a negative answer: its TTL is the lesser of its own and MINIMUM (RFC 2308 §5).
    pub(super) fn negative(self, reply: &mut Reply<'_>, scratch: &mut Scratch) {
        let zone = self.zone;
        let ttl = match zone.soa() {
            Some(soa) => soa.ttl.min(soa.minimum),
            None => zone.ttl().min(zone.negative_ttl()),
        };
        if !self.write(Section::Authority, ttl, reply, scratch) {
            reply.truncate();
        }
    }

    #[inline]
    fn write(self, section: Section, ttl: u32, reply: &mut Reply<'_>, scratch: &mut Scratch) -> bool {
        let zone = self.zone;
        let (None, Some(owner)) = (zone.soa(), self.at) else {
            return self.write_any(section, ttl, reply, scratch);
        };
        let numbers = numbers(zone.serial(), TIMERS, zone.negative_ttl());
        // MNAME ns.<zone>, RNAME hostmaster.<zone>: names in SOA may be compressed (RFC 1035 §3.3.13).
        let [high, low] = owner.octets();
        let names = [
            2, b'n', b's', high, low, 10, b'h', b'o', b's', b't', b'm', b'a', b's', b't', b'e', b'r', high,
            low,
        ];
        let mut data = [0; USUAL_OCTETS];
        data[..names.len()].copy_from_slice(&names);
        data[names.len()..].copy_from_slice(&numbers);
        let head = (types::SOA, ttl);
        reply.fixed_record::<USUAL_OCTETS, { RECORD_HEAD_OCTETS + USUAL_OCTETS }>(section, owner, head, &data)
    }

    /// With names that stand anywhere or nowhere. Apart from the usual path, which has no need of such a buffer.
    #[cold]
    #[inline(never)]
    fn write_any(self, section: Section, ttl: u32, reply: &mut Reply<'_>, scratch: &mut Scratch) -> bool {
        let zone = self.zone;
        let (timers, minimum) = match zone.soa() {
            Some(soa) => (soa.timers, soa.minimum),
            None => (TIMERS, zone.negative_ttl()),
        };
        let numbers = numbers(zone.serial(), timers, minimum);
        let mut data = [0; SOA_OCTETS_MAX];
        let mut octets = 0;
        let parts: [&[u8]; 5] = match zone.soa() {
            Some(soa) => [&soa.mname, b"", &soa.rname, b"", &numbers],
            None => [b"\x02ns", zone.apex(), b"\x0ahostmaster", zone.apex(), &numbers],
        };
        for part in parts {
            let Some(room) = data.get_mut(octets..octets + part.len()) else {
                return false;
            };
            room.copy_from_slice(part);
            octets += part.len();
        }
        let owner = self.at.map_or(Owner::Name(zone.apex()), Owner::At);
        let data = &data[..octets];
        reply
            .static_record(&mut scratch.names, section, owner, (types::SOA, ttl), data)
            .is_some()
    }

    /// Answers NS by the default, with the server's addresses in Additional unless the zone file has them.
    pub(super) fn name_server(self, reply: &mut Reply<'_>) {
        let zone = self.zone;
        let Some(owner) = self.at else { return };
        let parts = [b"\x02ns", &owner.octets()[..]];
        let data = reply.record(Section::Answer, owner, types::NS, zone.ttl(), &parts);
        if let Some(target) = data
            .and_then(Pointer::new)
            .filter(|_| zone.has_default_name_server())
        {
            additional_of_name_server(zone, target, reply);
        }
    }
}

/// The numbers that end an SOA.
#[inline]
fn numbers(serial: u32, timers: [u32; 3], minimum: u32) -> [u8; NUMBERS_OCTETS] {
    let mut numbers = [0; NUMBERS_OCTETS];
    let values = [serial, timers[0], timers[1], timers[2], minimum];
    for (at, value) in values.into_iter().enumerate() {
        numbers[at * 4..at * 4 + 4].copy_from_slice(&value.to_be_bytes());
    }
    numbers
}

/// Adds the default name server's addresses, whose name stands at `owner`.
pub(super) fn additional_of_name_server(zone: &ZoneView, owner: Pointer, reply: &mut Reply<'_>) {
    for rtype in [types::A, types::AAAA] {
        // Half an RRset would be taken for the whole (RFC 2181 §5).
        let before = reply.mark();
        if !name_server_addresses(zone, rtype, owner, Section::Additional, reply) {
            reply.back_to(before);
        }
    }
}

/// Answers one type of the default name server's host name.
pub(super) fn name_server_host(zone: &ZoneView, qtype: u16, owner: Pointer, reply: &mut Reply<'_>) {
    let mut add = |rtype| {
        let before = reply.count(Section::Answer);
        if !name_server_addresses(zone, rtype, owner, Section::Answer, reply) {
            reply.truncate();
        }
        reply.count(Section::Answer) > before
    };
    match qtype {
        types::A | types::AAAA => drop(add(qtype)),
        types::ANY => drop(add(types::A) || add(types::AAAA)),
        _ => {}
    }
}

/// Appends the name server's addresses of one family, as many as fit; whether all did.
fn name_server_addresses(
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
