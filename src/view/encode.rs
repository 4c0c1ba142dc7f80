//! Lays out a service for questions. It costs what the service weighs, and runs when the service changes.

use std::sync::Arc;

use triomphe::ThinArc;

use crate::catalog::{Protocol, Service};

use super::draft::Draft;
use super::list::{Numbers, Services};
use super::lists::Lists;
use super::packed::{NameRow, TagRow, push_octets};
use super::service::{Head, LIMITED, Laid, NO_TTL, SHARED, Sections, ServiceView};
use super::types::Browsed;

impl Laid {
    /// Lays out `service`.
    pub fn new(service: Arc<Service>) -> Self {
        let draft = Draft::of(&service);
        lay_out(service, draft)
    }

    /// Lays out `service`, which was `before`, at the cost of what changed where that is little of a large service. The
    /// same as [`Self::new`], word for word.
    pub fn after(before: ServiceView<'_>, service: Arc<Service>) -> Self {
        match Draft::after(before, &service) {
            Some(draft) => lay_out(service, draft),
            None => Self::new(service),
        }
    }
}

fn lay_out(service: Arc<Service>, draft: Draft) -> Laid {
    let count = draft.members.len() as u32;
    let mut lists = Lists::of(&draft);
    let everyone = Numbers::From(0, count);
    let own = lists.selection(everyone);
    let known = Protocol::ALL.map(|protocol| draft.names.iter().any(|name| name.protocol == protocol));
    let mut protocols: Vec<(Protocol, Services)> = Vec::new();
    for protocol in Protocol::ALL
        .into_iter()
        .filter(|protocol| known[*protocol as usize])
    {
        let services = if known.iter().filter(|known| **known).count() == 1 && lists.all_have_ports() {
            own.services
        } else {
            lists.services_of(everyone, protocol)
        };
        protocols.push((protocol, services));
    }
    let mut flags = protocols
        .iter()
        .fold(0, |flags, (protocol, _)| flags | 1 << *protocol as u8);
    let mut only_protocol = None;
    if let [(protocol, services)] = protocols[..]
        && services == own.services
    {
        only_protocol = Some(protocol);
        protocols.clear();
    }
    let names = lists.names();
    let tags: Vec<TagRow> = draft
        .tags
        .iter()
        .map(|tag| {
            let selection = if tag.bearers.len() == draft.members.len() {
                own
            } else {
                lists.selection(Numbers::Of(&tag.bearers))
            };
            TagRow {
                start: tag.start,
                len: tag.len,
                bearers: lists.row(&tag.bearers),
                selection,
            }
        })
        .collect();
    let Lists {
        words: list_words,
        first,
        ..
    } = lists;
    for (family, _) in first.iter().enumerate().filter(|(_, first)| first.is_some()) {
        flags |= SHARED << family;
    }
    if service.settings().answer_limit.is_some() {
        flags |= LIMITED;
    }
    let label = service.name.as_str().as_bytes();
    let mut all: Vec<u32> = Vec::with_capacity(
        label.len() / 4
            + 1
            + draft.v4.len()
            + 4 * draft.v6.len()
            + draft.members.as_flattened().len()
            + draft.ports.as_flattened().len()
            + draft.ids.len() / 4
            + 1
            + draft.sorted.len()
            + 2 * protocols.len()
            + 4 * names.len()
            + 10 * tags.len()
            + draft.text.len() / 4
            + 1
            + list_words.len(),
    );
    let here = |all: &Vec<u32>| all.len() as u32;
    let mut sections = Sections::default();
    push_octets(&mut all, label);
    all.extend_from_slice(&draft.v4);
    sections.v6 = here(&all);
    all.extend_from_slice(draft.v6.as_flattened());
    sections.members = here(&all);
    all.extend_from_slice(draft.members.as_flattened());
    sections.ports = here(&all);
    all.extend_from_slice(draft.ports.as_flattened());
    sections.ids = here(&all);
    push_octets(&mut all, &draft.ids);
    sections.sorted = here(&all);
    all.extend_from_slice(&draft.sorted);
    sections.protocols = here(&all);
    all.extend(protocols.iter().flat_map(|(_, services)| services.pack()));
    sections.names = here(&all);
    for (name, services) in draft.names.iter().zip(names) {
        let row = NameRow {
            start: name.start,
            len: name.len,
            protocol: name.protocol,
            services,
        };
        all.extend(row.pack());
    }
    sections.tags = here(&all);
    all.extend(tags.iter().flat_map(|tag| tag.pack()));
    sections.text = here(&all);
    push_octets(&mut all, &draft.text);
    sections.lists = here(&all);
    all.extend_from_slice(&list_words);
    let mut head = Head {
        own,
        sections,
        ttl: service.settings().ttl.map_or(NO_TTL, |ttl| ttl.seconds()),
        answer_limit: service.settings().answer_limit.unwrap_or(0),
        label_octets: label.len() as u8,
        on_empty: service.settings().on_empty,
        only_protocol,
        flags,
        browsed: Browsed::default(),
        service,
    };
    head.browsed = Browsed::of(ServiceView {
        head: &head,
        words: &all,
    });
    Laid(ThinArc::from_header_and_slice(head, &all))
}
