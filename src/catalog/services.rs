//! The services of a zone, in the order of their names: a persistent set that finds each through its own name, and keeps
//! no second copy of it.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use super::name::ServiceName;
use super::ordered::{self, Ordered};
use super::service::Service;

/// The services of a zone by name. A clone shares all of it; a change copies one path.
#[derive(Clone, Default)]
pub struct Services {
    ordered: Ordered<ByName>,
    len: usize,
}

#[derive(Clone)]
struct ByName(Arc<Service>);

impl PartialEq for ByName {
    fn eq(&self, other: &Self) -> bool {
        self.0.name == other.0.name
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
        self.0.name.cmp(&other.0.name)
    }
}

impl Services {
    /// Of services in the order of their names, each once.
    pub fn from_sorted(services: Vec<Arc<Service>>) -> Self {
        Self {
            len: services.len(),
            ordered: Ordered::from_sorted(services.into_iter().map(ByName).collect()),
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
        let found = self.ordered.find(|service| service.0.name.as_str().cmp(label));
        found.map(|service| &service.0)
    }

    /// Puts a service in the place of that of its name, if there is one.
    pub(super) fn insert(&mut self, service: Arc<Service>) {
        let was_there = self.ordered.insert(ByName(service));
        self.len += usize::from(!was_there);
    }

    /// Takes the service of that name away, if there is one.
    pub(super) fn remove(&mut self, name: &ServiceName) {
        let was_there = self.ordered.remove(|service| service.0.name.cmp(name));
        self.len -= usize::from(was_there);
    }

    /// The services in order.
    pub fn iter(&self) -> Iter<'_> {
        Iter(self.ordered.iter())
    }

    /// The services in order, from that label on.
    pub fn from(&self, label: &str) -> Iter<'_> {
        Iter(self.ordered.iter_from(|service| service.0.name.as_str() < label))
    }
}

/// Services in the order of their names.
#[derive(Clone)]
pub struct Iter<'s>(ordered::Iter<'s, ByName>);

impl<'s> Iterator for Iter<'s> {
    type Item = &'s Arc<Service>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|service| &service.0)
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
