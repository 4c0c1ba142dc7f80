//! Browsing for services (DNS-SD, RFC 6763): the types there are, the instances of a type, and where one listens.
//!
//! What is found is answered by status alone: `on_empty` decides about selections, and these names are none. Where they
//! share a name with a selection (`_web._tcp.Z`), each answers its own types.

use std::ops::ControlFlow;

use crate::catalog::discovery::InstanceLabel;
use crate::catalog::{OnEmpty, Protocol};
use crate::view::{PortView, ServiceView, Services, TypePorts};

use super::Asked;
use super::chain::Here;
use super::gate::NAME_OCTETS_MAX;
use super::order::Scratch;
use super::records::{self, Context, Verdict};
use super::reply::{Pointer, Reply, Section, types};
use super::{hosts, services, statics};

/// At most so many instances of an answer bring additional records.
const TARGETS_MAX: usize = 32;

/// An instance that an answer named.
#[derive(Clone, Copy)]
struct Target<'z> {
    service: ServiceView<'z>,
    member: usize,
    ports: TypePorts,
    /// Where its name stands in the message.
    owner: Pointer,
    /// Where its host name stands, once an SRV record was added.
    host: Option<Pointer>,
}

/// Answers `_T._P.Z`: what the service of that name, if there is one, selects, and PTR to the instances of the type.
pub(super) fn at_type(
    here: Here<'_>,
    protocol: Protocol,
    own: Option<(ServiceView<'_>, Services)>,
    asked: &Asked,
    scratch: &mut Scratch,
    reply: &mut Reply<'_>,
) -> Verdict {
    let before = reply.count(Section::Answer);
    let mut verdict = Verdict::NoData;
    if let Some((service, services)) = own {
        let on_empty: OnEmpty = here.zone.on_empty(service);
        verdict = records::verdict(services.standing(), on_empty);
        if verdict == Verdict::Records && matches!(here.qtype, types::SRV | types::ANY) {
            let context = Context {
                zone: here.zone,
                service,
                asked,
                owner: here.owner,
            };
            services::services(context, service.numbers(services.row()), reply, scratch);
        }
    }
    let is_answered = reply.count(Section::Answer) > before || reply.is_truncated();
    let label = here.name.label(here.zone.labels() + 2).strip_prefix(b"_");
    let Some(label) = label.filter(|_| !is_answered) else {
        return verdict;
    };
    if matches!(here.qtype, types::PTR | types::ANY) {
        instances(here, label, protocol, asked, scratch, reply);
    }
    // The name has records, whatever the selection that shares it says.
    if verdict == Verdict::NxDomain && here.zone.has_instances_of(label, protocol) {
        return Verdict::NoData;
    }
    verdict
}

/// Answers PTR with the instances of a type, and what a client would ask next in Additional (RFC 6763 §12.1).
fn instances(
    here: Here<'_>,
    label: &[u8],
    protocol: Protocol,
    asked: &Asked,
    scratch: &mut Scratch,
    reply: &mut Reply<'_>,
) {
    let mut targets: [Option<Target<'_>>; TARGETS_MAX] = [None; TARGETS_MAX];
    let mut count = 0;
    let mut is_cut = false;
    let below = here.name.wire().len();
    here.zone.walk_type(label, protocol, &mut |service, ports| {
        for port in service.instances_of(ports) {
            let instance = InstanceLabel::of(service.id(usize::from(port.member)), service.label());
            let label = instance.octets();
            // A registration is refused whose name would be longer than names are.
            if below + 1 + label.len() > NAME_OCTETS_MAX {
                continue;
            }
            let parts = [&[label.len() as u8], label, &here.owner.octets()];
            let ttl = here.zone.ttl();
            let Some(data) = reply.record(Section::Answer, here.owner, types::PTR, ttl, &parts) else {
                is_cut = true;
                return ControlFlow::Break(());
            };
            if let (Some(slot), Some(owner)) = (targets.get_mut(count), Pointer::new(data)) {
                *slot = Some(Target {
                    service,
                    member: usize::from(port.member),
                    ports,
                    owner,
                    host: None,
                });
                count += 1;
            }
        }
        ControlFlow::Continue(())
    });
    if is_cut {
        // Additional records go first: where answers were left out there are none.
        statics::cut(asked, scratch, reply);
        return;
    }
    let context = |service, owner| Context {
        zone: here.zone,
        service,
        asked,
        owner,
    };
    for target in targets.iter_mut().flatten() {
        let context = context(target.service, target.owner);
        target.host = hosts::additional_of_ports(context, target.member, target.ports, reply);
        hosts::additional_text(context, target.member, reply);
    }
    for target in targets.iter().flatten() {
        if let Some(host) = target.host {
            hosts::additional_of_host(context(target.service, host), target.member, reply);
        }
    }
}

/// Answers one type at an instance's name: SRV of its answered ports of the service type, and TXT, which is never
/// empty (RFC 6763 §6.1).
pub(super) fn at_instance(
    context: Context<'_>,
    member: usize,
    ports: TypePorts,
    qtype: u16,
    scratch: &mut Scratch,
    reply: &mut Reply<'_>,
) {
    match qtype {
        types::SRV | types::ANY => {
            let wanted = |port: &PortView| ports.includes(port);
            hosts::ports_of_member(context, member, wanted, reply, scratch);
        }
        types::TXT => hosts::instance_text(context, member, reply, scratch),
        _ => {}
    }
}

/// Answers `_services._dns-sd._udp.Z`: the types of which an instance can be found (RFC 6763 §9).
pub(super) fn service_types(here: Here<'_>, asked: &Asked, scratch: &mut Scratch, reply: &mut Reply<'_>) {
    if !matches!(here.qtype, types::PTR | types::ANY) {
        return;
    }
    let pointer = here.apex.at.map(Pointer::octets);
    let apex = pointer.as_ref().map_or(here.zone.apex(), |pointer| &pointer[..]);
    let mut is_cut = false;
    here.zone.walk_types(&mut |protocol, label| {
        let protocol = protocol.as_str().as_bytes();
        let octets = [label.len() as u8 + 1, protocol.len() as u8 + 1];
        let parts = [
            &octets[..1],
            b"_",
            label.as_bytes(),
            &octets[1..],
            b"_",
            protocol,
            apex,
        ];
        match reply.record(Section::Answer, here.owner, types::PTR, here.zone.ttl(), &parts) {
            Some(_) => ControlFlow::Continue(()),
            None => {
                is_cut = true;
                ControlFlow::Break(())
            }
        }
    });
    if is_cut {
        statics::cut(asked, scratch, reply);
    }
}

/// Answers `b._dns-sd._udp.Z`: the zone is where to browse, while there is something to find (RFC 6763 §11).
pub(super) fn browsing_domain(here: Here<'_>, asked: &Asked, scratch: &mut Scratch, reply: &mut Reply<'_>) {
    if !matches!(here.qtype, types::PTR | types::ANY) || !here.zone.has_instances() {
        return;
    }
    let pointer = here.apex.at.map(Pointer::octets);
    let apex = pointer.as_ref().map_or(here.zone.apex(), |pointer| &pointer[..]);
    let written = reply.record(Section::Answer, here.owner, types::PTR, here.zone.ttl(), &[apex]);
    if written.is_none() {
        statics::cut(asked, scratch, reply);
    }
}
