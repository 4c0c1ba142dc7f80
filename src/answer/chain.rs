//! From the question's name along its aliases to the name that answers (RFC 1034 §4.3.2).
//!
//! Each name is looked up anew in the longest of our zones, as step 3a of that algorithm says, so an alias may lead to
//! a service, in its own zone or in another of ours. What the last name says, the answer says (RFC 6604).

use xxhash_rust::xxh3::xxh3_64;

use crate::view::{Selection, Services, Snapshot, ZoneView};

use super::apex::{Apex, name_server_host};
use super::find::{self, Found};
use super::name::Folded;
use super::order::Scratch;
use super::records::{self, Context, Family, Verdict};
use super::reply::{NXDOMAIN, Pointer, Reply, Section, YXDOMAIN, types};
use super::{Asked, discovery, hosts, reverse, services, statics};

/// Aliases of one answer that are followed.
pub(super) const ALIASES_MAX: usize = 8;

/// One name on the way.
#[derive(Clone, Copy)]
pub(super) struct Here<'a> {
    pub(super) zone: &'a ZoneView,
    pub(super) name: &'a Folded,
    /// Where the name stands in the message.
    pub(super) owner: Pointer,
    pub(super) qtype: u16,
    pub(super) apex: Apex<'a>,
}

/// What came of one name.
pub(super) enum Step {
    /// It has answered, or there is nothing to answer.
    Done(Verdict),
    /// It is an alias; the name that it leads to stands there in the message.
    Alias(usize),
    /// It is delegated.
    Referred,
}

/// Answers `qtype` of `name` in `zone`, which is the question's.
pub(super) fn follow(
    snapshot: &Snapshot,
    zone: &ZoneView,
    name: &Folded,
    (qtype, apex_at): (u16, Option<Pointer>),
    asked: &Asked,
    scratch: &mut Scratch,
    reply: &mut Reply<'_>,
) {
    let first = Here {
        zone,
        name,
        owner: Pointer::QUESTION,
        qtype,
        apex: Apex { zone, at: apex_at },
    };
    if let Step::Alias(target) = visit(&first, asked, scratch, reply) {
        follow_aliases(snapshot, &first, target, asked, scratch, reply);
    }
}

/// Goes on with the alias of `first`, whose target stands at `target` in the message.
#[cold]
#[inline(never)]
fn follow_aliases(
    snapshot: &Snapshot,
    first: &Here<'_>,
    mut target: usize,
    asked: &Asked,
    scratch: &mut Scratch,
    reply: &mut Reply<'_>,
) {
    let qtype = first.qtype;
    // Names that were followed, so that a loop ends where it closes.
    let mut followed = [0; ALIASES_MAX + 1];
    followed[0] = xxh3_64(first.name.wire());
    for count in 1..=ALIASES_MAX {
        let Some(next) = Folded::read(reply.message(), target) else {
            return;
        };
        let hash = xxh3_64(next.wire());
        if followed[..count].contains(&hash) {
            return;
        }
        followed[count] = hash;
        let (Some(zone), Some(owner)) = (find::zone(snapshot, &next, qtype), Pointer::new(target)) else {
            return;
        };
        let here = Here {
            zone,
            name: &next,
            owner,
            qtype,
            apex: Apex { zone, at: None },
        };
        let before = reply.mark();
        match visit(&here, asked, scratch, reply) {
            // One more than are followed: the resolver asks for that name itself.
            Step::Alias(_) if count == ALIASES_MAX => return reply.back_to(before),
            Step::Alias(next) => target = next,
            Step::Done(_) | Step::Referred => return,
        }
    }
}

/// Answers one name, and signals what it says if it is the last.
#[inline(always)]
fn visit(here: &Here<'_>, asked: &Asked, scratch: &mut Scratch, reply: &mut Reply<'_>) -> Step {
    let before = (reply.count(Section::Answer), scratch.left_out);
    let step = name(here, asked, scratch, reply);
    if let Step::Done(verdict) = step {
        if verdict == Verdict::NxDomain {
            reply.set_rcode(NXDOMAIN);
        }
        // Records that exist but did not fit are no negative answer, nor is a name that a DNAME makes too long.
        let after = (reply.count(Section::Answer), scratch.left_out);
        if after == before && !reply.is_truncated() && reply.rcode() != YXDOMAIN {
            here.apex.negative(reply, scratch);
        }
    }
    step
}

/// Answers one name by what the catalog says of it, and by the zone file where the catalog says nothing.
#[inline(always)]
fn name(here: &Here<'_>, asked: &Asked, scratch: &mut Scratch, reply: &mut Reply<'_>) -> Step {
    let Here {
        zone, owner, qtype, ..
    } = *here;
    let context = |service| Context {
        zone,
        service,
        asked,
        owner,
    };
    let before = reply.count(Section::Answer);
    let verdict = match find::name(zone, here.name) {
        Found::Host(service, member) => {
            host(context(service), member, qtype, reply, scratch);
            Verdict::NoData
        }
        Found::Selection(service, selection) => {
            let verdict = records::verdict(selection.services.standing(), context(service).on_empty());
            if verdict == Verdict::Records {
                selected(context(service), selection, qtype, reply, scratch);
            }
            verdict
        }
        Found::Services(service, services) => {
            let verdict = records::verdict(services.standing(), context(service).on_empty());
            if verdict == Verdict::Records && matches!(qtype, types::SRV | types::ANY) {
                srv(context(service), services, reply, scratch);
            }
            verdict
        }
        Found::PortOfTag(service, bearers, port) => {
            let is_srv = matches!(qtype, types::SRV | types::ANY);
            services::port_of_tag(context(service), bearers, port, is_srv, reply, scratch)
        }
        Found::Type(protocol, own) => discovery::at_type(*here, protocol, own, asked, scratch, reply),
        Found::Instance(service, member, ports) => {
            discovery::at_instance(context(service), member, ports, qtype, scratch, reply);
            Verdict::NoData
        }
        Found::ServiceTypes => {
            discovery::service_types(*here, asked, scratch, reply);
            Verdict::NoData
        }
        Found::BrowsingDomain => {
            discovery::browsing_domain(*here, asked, scratch, reply);
            Verdict::NoData
        }
        Found::NameServer => {
            name_server_host(zone, qtype, owner, reply);
            Verdict::NoData
        }
        Found::Apex => {
            return match reverse::at_apex(*here) {
                Some(hosts) => reverse::answer(*here, hosts, asked, scratch, reply),
                None => statics::apex(*here, asked, scratch, reply),
            };
        }
        Found::Address(hosts) => return reverse::answer(*here, hosts, asked, scratch, reply),
        found @ (Found::Between | Found::Missing) => {
            let exists = matches!(found, Found::Between);
            return match zone.contents() {
                Some(contents) => statics::name(*here, contents, exists, asked, scratch, reply),
                None if exists => Step::Done(Verdict::NoData),
                None => Step::Done(Verdict::NxDomain),
            };
        }
    };
    if reply.count(Section::Answer) == before && !reply.is_truncated() {
        if let Some(hosts) = reverse::beside(*here) {
            return reverse::answer(*here, hosts, asked, scratch, reply);
        }
        let Some(contents) = zone.contents() else {
            return Step::Done(verdict);
        };
        return statics::beside(*here, contents, verdict, asked, scratch, reply);
    }
    Step::Done(verdict)
}

fn srv(context: Context<'_>, services: Services, reply: &mut Reply<'_>, scratch: &mut Scratch) {
    let entries = context.service.numbers(services.row());
    services::services(context, entries, reply, scratch);
}

/// One type of a selection; of ANY one RRset that it has (RFC 8482 §4.1).
fn selected(
    context: Context<'_>,
    selection: Selection,
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
        srv(context, selection.services, reply, scratch);
    }
}

/// One type of a host name; of ANY one RRset that it has.
fn host(context: Context<'_>, member: usize, qtype: u16, reply: &mut Reply<'_>, scratch: &mut Scratch) {
    let has_v4 = !context.service.member_at(member).v4.is_empty();
    match qtype {
        types::A => hosts::host_addresses(context, Family::V4, member, reply, scratch),
        types::AAAA => hosts::host_addresses(context, Family::V6, member, reply, scratch),
        types::ANY if has_v4 => hosts::host_addresses(context, Family::V4, member, reply, scratch),
        types::ANY => hosts::host_addresses(context, Family::V6, member, reply, scratch),
        types::SRV => hosts::host_services(context, member, reply, scratch),
        types::TXT => hosts::host_text(context, member, reply, scratch),
        _ => {}
    }
}
