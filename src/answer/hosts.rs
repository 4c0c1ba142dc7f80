//! The records of one instance: at its host name, and at its names below service types.

use crate::catalog::Instance;
use crate::catalog::limits::PORTS_MAX;
use crate::view::{Numbers, PortView, TypePorts};

use super::order::Scratch;
use super::records::{Context, Family, additional};
use super::reply::{Pointer, RECORD_HEAD_OCTETS, Reply, Section, types};
use super::services::{SRV_FIXED_OCTETS, service_record, services};

/// Answers SRV of a host name: its answered ports, whatever its selections do.
pub(super) fn host_services(
    context: Context<'_>,
    member: usize,
    reply: &mut Reply<'_>,
    scratch: &mut Scratch,
) {
    ports_of_member(context, member, |port| port.answered, reply, scratch);
}

/// Answers SRV of those ports of a member that are wanted.
pub(super) fn ports_of_member(
    context: Context<'_>,
    member: usize,
    is_wanted: impl Fn(&PortView) -> bool,
    reply: &mut Reply<'_>,
    scratch: &mut Scratch,
) {
    let mut entries = std::mem::take(&mut scratch.gathered);
    entries.clear();
    for (at, port) in context.service.ports_of(member) {
        // Two names of one number are one record.
        let is_new = |entry: &u32| context.service.port_at(*entry).number != port.number;
        if is_wanted(&port) && entries.iter().all(is_new) {
            entries.push(at);
        }
    }
    services(context, Numbers::Of(&entries), reply, scratch);
    scratch.gathered = entries;
}

/// Adds SRV of an instance's name, whole or not at all, and returns where its target stands.
pub(super) fn additional_of_ports(
    context: Context<'_>,
    member: usize,
    ports: TypePorts,
    reply: &mut Reply<'_>,
) -> Option<Pointer> {
    let before = reply.mark();
    let mut target = None;
    let mut written = [0; PORTS_MAX];
    let mut count = 0;
    for (_, port) in context.service.ports_of(member) {
        if !ports.includes(&port) || written[..count].contains(&port.number) {
            continue;
        }
        match service_record(context, Section::Additional, context.ttl(), &port, reply) {
            Some(data) => target = target.or(Pointer::new(data + SRV_FIXED_OCTETS)),
            None => {
                reply.back_to(before);
                return None;
            }
        }
        written[count] = port.number;
        count += 1;
    }
    target
}

/// Answers A or AAAA of a host name, in the order they were registered.
pub(super) fn host_addresses(
    context: Context<'_>,
    family: Family,
    member: usize,
    reply: &mut Reply<'_>,
    scratch: &mut Scratch,
) {
    for number in family.of_member(context.service, member) {
        if !family.write(context, number, Section::Answer, context.owner, reply) {
            context.cut(reply, scratch);
            return;
        }
    }
}

/// Answers TXT of a host name: one record of its `meta`, which fits or not.
pub(super) fn host_text(context: Context<'_>, member: usize, reply: &mut Reply<'_>, scratch: &mut Scratch) {
    if text_octets(context, member) > 0 && !text(context, Section::Answer, member, reply) {
        context.cut(reply, scratch);
    }
}

/// Answers TXT of an instance's name below its service type: the same record, and without any `meta` one empty string
/// (RFC 6763 §6.1).
pub(super) fn instance_text(
    context: Context<'_>,
    member: usize,
    reply: &mut Reply<'_>,
    scratch: &mut Scratch,
) {
    if !text(context, Section::Answer, member, reply) {
        context.cut(reply, scratch);
    }
}

/// Adds that TXT record, if it fits.
pub(super) fn additional_text(context: Context<'_>, member: usize, reply: &mut Reply<'_>) {
    text(context, Section::Additional, member, reply);
}

/// The instance in the catalog: what only a few answers need is not laid out.
fn instance<'a>(context: Context<'a>, member: usize) -> Option<&'a Instance> {
    let instances = &context.service.service().instances;
    let id = context.service.id(member);
    let at = instances.binary_search_by(|other| other.id.as_str().as_bytes().cmp(id));
    at.ok().map(|at| &*instances[at])
}

/// An instance's `key=value` strings in a TXT record.
fn strings<'a>(context: Context<'a>, member: usize) -> impl Iterator<Item = (&'a str, &'a str)> {
    instance(context, member)
        .into_iter()
        .flat_map(Instance::txt_strings)
}

/// Octets of those strings; 0 if there are none.
fn text_octets(context: Context<'_>, member: usize) -> usize {
    strings(context, member)
        .map(|(key, value)| key.len() + value.len() + 2)
        .sum()
}

/// Appends a TXT record of an instance's `meta`, of one empty string if there is none; whether it fit.
fn text(context: Context<'_>, section: Section, member: usize, reply: &mut Reply<'_>) -> bool {
    let (owner, ttl) = (context.owner, context.ttl());
    let octets = text_octets(context, member);
    if octets == 0 {
        return reply.record(section, owner, types::TXT, ttl, &[&[0]]).is_some();
    }
    if octets + RECORD_HEAD_OCTETS > reply.room() {
        return false;
    }
    reply.text(section, owner, ttl, octets, strings(context, member));
    true
}

/// Adds the addresses of a host name, which stands at the context's owner.
pub(super) fn additional_of_host(context: Context<'_>, member: usize, reply: &mut Reply<'_>) {
    for family in [Family::V4, Family::V6] {
        additional(context, family, member, context.owner, reply);
    }
}
