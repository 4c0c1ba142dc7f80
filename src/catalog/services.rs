//! The services of a zone, in the order of their names: a persistent set that finds each through its own name, and keeps
//! no second copy of it.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use super::name::{LabelStart, ServiceName};
use super::ordered::{self, Key, Ordered};
use super::service::Service;

/// The services of a zone by name. A clone shares all of it; a change copies one path.
#[derive(Clone, Default)]
pub struct Services {
    ordered: Ordered<ByName>,
    len: usize,
}

/// A service with how its name begins: a search follows the pointer only where that does not tell names apart.
#[derive(Clone)]
struct ByName {
    start: LabelStart,
    service: Arc<Service>,
}

impl ByName {
    fn of(service: Arc<Service>) -> Self {
        let start = LabelStart::of(service.name.as_str());
        Self { start, service }
    }

    /// How it stands to the name `label`, which begins with `start`.
    fn order(&self, start: LabelStart, label: &str) -> Ordering {
        let rest = || self.service.name.as_str().cmp(label);
        self.start.cmp(&start).then_with(rest)
    }
}

impl Key for ByName {
    type Start = LabelStart;

    fn start(&self) -> LabelStart {
        self.start
    }
}

impl PartialEq for ByName {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for ByName {}

impl PartialOrd for ByName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ByName {
    fn cmp(&self, other: &Self) -> Ordering {
        self.order(other.start, other.service.name.as_str())
    }
}

impl Services {
    /// Of services in the order of their names, each once.
    pub fn from_sorted(services: Vec<Arc<Service>>) -> Self {
        Self {
            len: services.len(),
            ordered: Ordered::from_sorted(services.into_iter().map(ByName::of).collect()),
        }
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The service of that name.
    pub fn get(&self, name: &ServiceName) -> Option<&Arc<Service>> {
        self.named(name.as_str())
    }

    /// The service whose name is that label.
    pub fn named(&self, label: &str) -> Option<&Arc<Service>> {
        let start = LabelStart::of(label);
        let found = self.ordered.find(start, |other| other.order(start, label));
        found.map(|found| &found.service)
    }

    /// Puts a service in the place of that of its name, which is returned if there is one.
    pub(super) fn insert(&mut self, service: Arc<Service>) -> Option<Arc<Service>> {
        let replaced = self.ordered.insert(ByName::of(service));
        self.len += usize::from(replaced.is_none());
        replaced.map(|replaced| replaced.service)
    }

    /// Takes the service of that name away, if there is one, and returns it.
    pub(super) fn remove(&mut self, name: &ServiceName) -> Option<Arc<Service>> {
        let start = LabelStart::of(name.as_str());
        let removed = self
            .ordered
            .remove(start, |other| other.order(start, name.as_str()));
        self.len -= usize::from(removed.is_some());
        removed.map(|removed| removed.service)
    }

    /// The services in order.
    pub fn iter(&self) -> Iter<'_> {
        Iter(self.ordered.iter())
    }

    /// The services in order, from that label on.
    pub fn from(&self, label: &str) -> Iter<'_> {
        let start = LabelStart::of(label);
        Iter(self.ordered.iter_from(|other| other.order(start, label).is_lt()))
    }
}

/// Services in the order of their names.
#[derive(Clone)]
pub struct Iter<'s>(ordered::Iter<'s, ByName>);

impl<'s> Iterator for Iter<'s> {
    type Item = &'s Arc<Service>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|found| &found.service)
    }
}

impl<'s> IntoIterator for &'s Services {
    type Item = &'s Arc<Service>;
    type IntoIter = Iter<'s>;

    fn into_iter(self) -> Iter<'s> {
        self.iter()
    }
}

impl PartialEq for Services {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.iter().eq(other)
    }
}

impl fmt::Debug for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}

impl fmt::Debug for Iter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone()).finish()
    }
}
