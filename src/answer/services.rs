//! SRV records: chosen, ordered and written, with the addresses of their targets.

use crate::catalog::limits::LABEL_OCTETS_MAX;
use crate::view::{Member, Numbers, PortView, Row, ServiceView, Standing};

use super::order::{Choice, Scratch, arrange};
use super::records::{Context, Family, Verdict, additional, verdict};
use super::reply::{Pointer, RECORD_HEAD_OCTETS, Reply, Section, types};

/// At most so many SRV targets of an answer bring additional records.
const ADDITIONAL_TARGETS_MAX: usize = 32;
/// Octets of an SRV record's data before its target (RFC 2782).
pub(super) const SRV_FIXED_OCTETS: usize = 6;

struct ServiceChoice<'a> {
    service: ServiceView<'a>,
    entries: Numbers<'a>,
    /// Octets of a record without its target's first label.
    fixed: usize,
}

impl ServiceChoice<'_> {
    fn port(&self, at: usize) -> PortView {
        self.service.port_at(self.entries.at(at))
    }
}

impl Choice for ServiceChoice<'_> {
    fn len(&self) -> usize {
        self.entries.len()
    }

    fn entry(&self, at: usize) -> u32 {
        self.entries.at(at)
    }

    fn member(&self, at: usize) -> u32 {
        u32::from(self.port(at).member)
    }

    fn tier(&self, at: usize) -> u16 {
        self.service.rank(self.member(at) as usize).0
    }

    fn weight(&self, at: usize) -> u32 {
        u32::from(self.service.rank(self.member(at) as usize).1)
    }

    fn is_even(&self) -> bool {
        false
    }

    fn octets(&self, at: usize) -> usize {
        self.fixed + 1 + self.service.id(self.member(at) as usize).len()
    }

    fn octets_max(&self) -> usize {
        self.fixed + 1 + LABEL_OCTETS_MAX
    }

    fn repeating(&self) -> Option<usize> {
        None
    }

    fn service(&self) -> ServiceView<'_> {
        self.service
    }
}

/// Answers SRV with the numbers in `entries`, and the targets' addresses in Additional.
pub(super) fn services(
    context: Context<'_>,
    entries: Numbers<'_>,
    reply: &mut Reply<'_>,
    scratch: &mut Scratch,
) {
    if entries.is_empty() {
        return;
    }
    let service = context.service;
    let apex = context.zone.apex();
    let fixed = RECORD_HEAD_OCTETS + SRV_FIXED_OCTETS + 1 + service.label().len() + apex.len();
    let choice = ServiceChoice {
        service,
        entries,
        fixed,
    };
    let bounds = context.bounds(reply);
    let cut = arrange(&choice, &bounds, scratch);
    let ttl = context.ttl();
    // Targets for Additional, each once: the member, and where its name stands.
    let mut targets = [(0u16, 0usize); ADDITIONAL_TARGETS_MAX];
    let mut targets_len = 0;
    // Where the service's name stands, once a record has it.
    let mut name_at = None;
    for at in &scratch.chosen {
        let port = choice.port(*at as usize);
        let member = service.member_at(usize::from(port.member));
        let written = service_record_named(context, Section::Answer, ttl, (&port, &member), name_at, reply);
        let Some((data, name)) = written else { break };
        name_at = Some(name);
        if targets_len < ADDITIONAL_TARGETS_MAX
            && !targets[..targets_len]
                .iter()
                .any(|(known, _)| *known == port.member)
        {
            targets[targets_len] = (port.member, data + SRV_FIXED_OCTETS);
            targets_len += 1;
        }
    }
    if cut {
        // Additional records go first: where answers were left out there are none.
        context.cut(reply, scratch);
        return;
    }
    for (member, target) in &targets[..targets_len] {
        let Some(owner) = Pointer::new(*target) else { break };
        for family in [Family::V4, Family::V6] {
            additional(context, family, usize::from(*member), owner, reply);
        }
    }
}

/// Appends the SRV record of a port, and returns where its data begins; nothing if it does not fit.
pub(super) fn service_record(
    context: Context<'_>,
    section: Section,
    ttl: u32,
    port: &PortView,
    reply: &mut Reply<'_>,
) -> Option<usize> {
    let member = context.service.member_at(usize::from(port.member));
    let written = service_record_named(context, section, ttl, (port, &member), None, reply);
    written.map(|(data, _)| data)
}

/// Appends the SRV record of a port of `member`, and returns where its data begins and where the service's name stands
/// in it; nothing if it does not fit. That name is copied from `name_at`, if it stands there.
#[inline(always)]
fn service_record_named(
    context: Context<'_>,
    section: Section,
    ttl: u32,
    (port, member): (&PortView, &Member),
    name_at: Option<usize>,
    reply: &mut Reply<'_>,
) -> Option<(usize, usize)> {
    let service = context.service;
    let id = service.id_at(member.id.clone());
    let [priority_high, priority_low] = member.priority.to_be_bytes();
    let [weight_high, weight_low] = member.weight.to_be_bytes();
    let [port_high, port_low] = port.number.to_be_bytes();
    let fixed: [u8; SRV_FIXED_OCTETS + 1] = [
        priority_high,
        priority_low,
        weight_high,
        weight_low,
        port_high,
        port_low,
        id.len() as u8,
    ];
    let label = service.label();
    // The target is never compressed (RFC 2782).
    let data = match name_at {
        Some(at) => {
            let tail = at..at + 1 + label.len() + context.zone.apex().len();
            reply.record_with_tail(section, context.owner, (types::SRV, ttl), &[&fixed, id], tail)
        }
        None => {
            let octets = [label.len() as u8];
            let parts = [&fixed[..], id, &octets, label, context.zone.apex()];
            reply.record(section, context.owner, types::SRV, ttl, &parts)
        }
    }?;
    Some((data, data + fixed.len() + id.len()))
}

/// Answers `_port._proto.tag.service`: the intersection is found when it is asked, by a walk over the tag's bearers.
pub(super) fn port_of_tag(
    context: Context<'_>,
    bearers: Row,
    name: u32,
    is_srv: bool,
    reply: &mut Reply<'_>,
    scratch: &mut Scratch,
) -> Verdict {
    let service = context.service;
    let mut entries = std::mem::take(&mut scratch.gathered);
    let mut gather = |wanted: &dyn Fn(usize, &PortView) -> bool| {
        entries.clear();
        for member in service.numbers(bearers).iter() {
            let member = member as usize;
            let port = service.port_of(member, name);
            entries.extend(port.filter(|(_, port)| wanted(member, port)).map(|(at, _)| at));
        }
        !entries.is_empty()
    };
    let standing = if gather(&|_, port| port.answered) {
        Standing::Answerable
    } else if gather(&|member, _| service.member_at(member).stays) {
        Standing::FailOpen
    } else {
        Standing::Empty
    };
    let verdict = verdict(standing, context.on_empty());
    if verdict == Verdict::Records && is_srv {
        services(context, Numbers::Of(&entries), reply, scratch);
    }
    scratch.gathered = entries;
    verdict
}
