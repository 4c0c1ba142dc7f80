//! Which changes somebody wants, and under which key they are told on.

use std::sync::Arc;

use crate::catalog::{Image, Kind, Record, ServiceName, ZoneName};

/// What a change is about, as far as somebody can ask for it. Each change is told on once under each key that it has.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::http) enum Interest {
    /// Every change.
    All,
    /// Those of a zone.
    Zone(ZoneName),
    /// Those of a service, and that its zone was removed.
    Service(ZoneName, ServiceName),
    /// Those of the services of that name in any zone, and that a zone was removed.
    Named(ServiceName),
}

impl Interest {
    /// That of `?zone=` and `?service=`.
    pub(in crate::http) fn of(zone: Option<ZoneName>, service: Option<ServiceName>) -> Self {
        match (zone, service) {
            (None, None) => Self::All,
            (Some(zone), None) => Self::Zone(zone),
            (Some(zone), Some(service)) => Self::Service(zone, service),
            (None, Some(service)) => Self::Named(service),
        }
    }

    /// Whether a change belongs to it.
    pub(in crate::http) fn has(&self, record: &Record) -> bool {
        let is_of = |service: &ServiceName| match &record.service {
            Some(own) => own == service,
            None => removes_zone(record),
        };
        match self {
            Self::All => true,
            Self::Zone(zone) => record.zone == *zone,
            Self::Service(zone, service) => record.zone == *zone && is_of(service),
            Self::Named(service) => is_of(service),
        }
    }

    /// Whether the zone is one that it looks at.
    pub(super) fn has_zone(&self, name: &ZoneName) -> bool {
        match self {
            Self::All | Self::Named(_) => true,
            Self::Zone(zone) | Self::Service(zone, _) => zone == name,
        }
    }

    /// The one service that it looks at in each zone, if it is one.
    pub(super) fn service(&self) -> Option<&ServiceName> {
        match self {
            Self::All | Self::Zone(_) => None,
            Self::Service(_, service) | Self::Named(service) => Some(service),
        }
    }
}

/// Whether a zone goes with `record`, and with it its services, which have no change of their own.
pub(in crate::http) fn removes_zone(record: &Record) -> bool {
    record.kind == Kind::Zone && record.after == Image::Absent
}

/// The keys under which `record` is looked up. A zone that goes is of every service of it besides.
pub(super) fn interests(record: &Record) -> impl Iterator<Item = Interest> {
    let service = record.service.clone();
    let of_service = service.into_iter().flat_map(|service| {
        [
            Interest::Service(record.zone.clone(), service.clone()),
            Interest::Named(service),
        ]
    });
    [Interest::All, Interest::Zone(record.zone.clone())]
        .into_iter()
        .chain(of_service)
}

/// A change on its way to those who want it, with its text once somebody needs that.
#[derive(Debug)]
pub(in crate::http) struct Told {
    pub(in crate::http) change: crate::feed::Change,
    pub(super) line: std::sync::OnceLock<super::line::Line>,
}

impl Told {
    pub(super) fn of(change: crate::feed::Change) -> Arc<Self> {
        Arc::new(Self {
            change,
            line: std::sync::OnceLock::new(),
        })
    }

    pub(in crate::http) fn index(&self) -> u64 {
        self.change.record.index
    }

    /// Its text, made by the first who asks and shared by all.
    pub(super) fn line(&self) -> &super::line::Line {
        self.line
            .get_or_init(|| super::line::Line::of(&self.change.record, &self.change.by))
    }
}
