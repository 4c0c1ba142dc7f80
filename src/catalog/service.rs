//! A service: its settings, its instances, and the names it is known by.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use crate::clock::Timestamp;

use super::few::Seldom;
use super::instance::{Instance, Protocol};
use super::name::{InstanceId, PortName, ServiceName, TagLabel};
use super::settings::ServiceSettings;

/// A name that a service has in the DNS beside its host names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KnownName {
    /// The service's own.
    Service,
    /// A port's, with its protocol.
    Port(PortName, Protocol),
    /// A tag's.
    Tag(TagLabel),
}

/// A known name without a bearer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lingering {
    /// The name.
    pub name: KnownName,
    /// When its last bearer went.
    pub since: Timestamp,
}

/// A name directly below a zone's apex, and what stands behind it.
#[derive(Clone, PartialEq, Eq)]
pub struct Service {
    /// Its name.
    pub name: ServiceName,
    /// Sorted by id.
    pub instances: Box<[Arc<Instance>]>,
    /// When it was created.
    pub created_at: Timestamp,
    /// The index of the latest change in it or its instances.
    pub index: u64,
    /// What most do not have.
    pub extras: Seldom<ServiceExtras>,
}

/// What most services do not have. It is read through the methods of [`Service`], and changed by [`Service::with`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceExtras {
    /// Its own settings.
    pub settings: ServiceSettings,
    /// Names without a bearer, sorted by name.
    pub lingering: Box<[Lingering]>,
    /// Until when caches may hold records of it with a TTL that was longer than today's, if that is after its creation.
    pub cached_until: Option<Timestamp>,
}

impl ServiceExtras {
    /// As a service keeps them that was created at `created_at`: what is the default is left out, so that two that say
    /// the same are equal.
    pub fn kept(mut self, created_at: Timestamp) -> Seldom<Self> {
        self.cached_until = self.cached_until.filter(|until| *until != created_at);
        Seldom::of(self)
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service")
            .field("name", &self.name)
            .field("instances", &self.instances.len())
            .field("index", &self.index)
            .finish_non_exhaustive()
    }
}

impl Service {
    /// Its own settings.
    pub fn settings(&self) -> &ServiceSettings {
        const NONE: &ServiceSettings = &ServiceSettings::NONE;
        self.extras().map_or(NONE, |extras| &extras.settings)
    }

    /// Names without a bearer, sorted by name.
    pub fn lingering(&self) -> &[Lingering] {
        self.extras().map_or(&[], |extras| &extras.lingering)
    }

    /// Until when caches may hold records of it with a TTL that was longer than today's.
    pub fn cached_until(&self) -> Timestamp {
        self.extras()
            .and_then(|extras| extras.cached_until)
            .unwrap_or(self.created_at)
    }

    /// This service with other extras.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut ServiceExtras)) -> Self {
        let mut extras = self.extras().cloned().unwrap_or_default();
        change(&mut extras);
        self.extras = extras.kept(self.created_at);
        self
    }

    fn extras(&self) -> Option<&ServiceExtras> {
        self.extras.value()
    }

    /// The place of an instance among [`Self::instances`].
    pub fn position(&self, id: &InstanceId) -> Result<usize, usize> {
        self.instances.binary_search_by(|instance| instance.id.cmp(id))
    }

    /// The instance of that id.
    pub fn instance(&self, id: &InstanceId) -> Option<&Arc<Instance>> {
        self.position(id).ok().map(|at| &self.instances[at])
    }

    /// Whether a living instance bears `name`.
    pub fn has_bearer(&self, name: &KnownName) -> bool {
        match name {
            KnownName::Service => !self.instances.is_empty(),
            KnownName::Port(port, protocol) => self
                .instances
                .iter()
                .any(|i| i.port(port).is_some_and(|port| port.protocol == *protocol)),
            KnownName::Tag(label) => self.instances.iter().any(|i| i.has_tag_label(label.as_str())),
        }
    }

    /// Every name that it is known by now, its own left out: those of living bearers and those that linger.
    pub fn known_names(&self) -> BTreeSet<KnownName> {
        let mut names: BTreeSet<_> = self
            .lingering()
            .iter()
            .map(|lingering| lingering.name.clone())
            .collect();
        for instance in &self.instances {
            names.extend(names_borne_by(instance));
        }
        names.remove(&KnownName::Service);
        names
    }
}

/// The names that an instance bears, the service's own among them.
pub fn names_borne_by(instance: &Instance) -> impl Iterator<Item = KnownName> {
    let ports = instance
        .ports
        .iter()
        .map(|port| KnownName::Port(port.name.clone(), port.protocol));
    let tags = instance
        .tags()
        .iter()
        .filter_map(|tag| tag.label().map(KnownName::Tag));
    std::iter::once(KnownName::Service).chain(ports).chain(tags)
}
