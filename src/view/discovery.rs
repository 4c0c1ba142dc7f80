//! What a zone's services can be browsed for (DNS-SD, RFC 6763): from each type to the services that have an answered
//! port of it, in order, so that an answer walks over nothing that it does not answer.
//!
//! Of the type that is a service's own name (its port `main`) the index holds the name alone, and most services have no
//! other: the rest is found through the service. It changes only when a service begins or ends to have a type or an
//! answered port of it, and not with every report of health.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use imbl::shared_ptr::DefaultSharedPtr;

use crate::catalog::discovery::InstanceLabel;
use crate::catalog::name::LabelStart;
use crate::catalog::ordered::{Key, Ordered};
use crate::catalog::{InstanceId, PortName, Protocol, ServiceName};

use super::service::{Laid, ServiceView};
use super::types::{Browsed, cut_ids, named};

type Counts = imbl::GenericHashMap<PortName, u32, foldhash::fast::RandomState, DefaultSharedPtr>;

/// The types of one protocol.
#[derive(Clone, Default)]
struct Types {
    /// How many services know a port of that name, which is a type.
    known: Counts,
    /// The types that are names of ports of which one is answered.
    answered: Ordered<Bearers>,
    /// The services whose own name is a type and whose port `main` is answered.
    own: Ordered<ServiceName>,
}

/// The services that have an answered port of that name.
#[derive(Clone)]
struct Bearers {
    label: PortName,
    services: Ordered<ServiceName>,
}

impl PartialEq for Bearers {
    fn eq(&self, other: &Self) -> bool {
        self.label == other.label
    }
}

impl Eq for Bearers {}

impl PartialOrd for Bearers {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Bearers {
    fn cmp(&self, other: &Self) -> Ordering {
        self.label.cmp(&other.label)
    }
}

impl Key for Bearers {
    type Start = LabelStart;

    fn start(&self) -> LabelStart {
        LabelStart::of(self.label.as_str())
    }
}

impl Key for ServiceName {
    type Start = LabelStart;

    fn start(&self) -> LabelStart {
        LabelStart::of(self.as_str())
    }
}

/// An instance whose label is cut.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Cut {
    hash: u64,
    service: ServiceName,
    id: InstanceId,
}

impl Cut {
    fn of(service: &ServiceName, id: &InstanceId) -> Option<Self> {
        let label = InstanceLabel::of(id.as_str().as_bytes(), service.as_str().as_bytes());
        Some(Self {
            hash: label.hash()?,
            service: service.clone(),
            id: id.clone(),
        })
    }
}

impl Key for Cut {
    type Start = u64;

    fn start(&self) -> u64 {
        self.hash
    }
}

/// The index of a zone.
#[derive(Clone, Default)]
pub(super) struct Discovery {
    types: [Types; 3],
    /// How many services know a type.
    services: u32,
    cut: Ordered<Cut>,
}

impl Discovery {
    /// Of services in the order of their labels.
    pub(super) fn of(views: &[Laid]) -> Self {
        let mut discovery = Self::default();
        let mut own: [Vec<ServiceName>; 3] = Default::default();
        let mut others: [BTreeMap<&str, (u32, Vec<ServiceName>)>; 3] = Default::default();
        let mut cut = Vec::new();
        for view in views.iter().map(Laid::view) {
            let browsed = view.head.browsed;
            let label = &view.service().name;
            discovery.services += u32::from(browsed.knows_a_type());
            for protocol in Protocol::ALL {
                if browsed.own_is_answered(protocol) {
                    own[protocol as usize].push(label.clone());
                }
            }
            if browsed.has_named {
                for (name, protocol, is_answered) in named(view) {
                    let (known, services) = others[protocol as usize].entry(name).or_default();
                    *known += 1;
                    if is_answered {
                        services.push(label.clone());
                    }
                }
            }
            if browsed.has_cut {
                cut.extend(cut_ids(view).filter_map(|id| Cut::of(label, id)));
            }
        }
        for ((types, own), others) in discovery.types.iter_mut().zip(own).zip(others) {
            types.own = Ordered::from_sorted(own);
            let mut bearers = Vec::new();
            for (name, (known, services)) in others {
                let label = port_name(name);
                types.known.insert(label.clone(), known);
                if !services.is_empty() {
                    let services = Ordered::from_sorted(services);
                    bearers.push(Bearers { label, services });
                }
            }
            types.answered = Ordered::from_sorted(bearers);
        }
        cut.sort_unstable();
        discovery.cut = Ordered::from_sorted(cut);
        discovery
    }

    /// Brings `this` up to date with a service that was `old` and is `new`, at the cost of that service.
    pub(super) fn change(this: &mut Arc<Self>, old: Option<ServiceView<'_>>, new: Option<ServiceView<'_>>) {
        let browsed = |view: Option<ServiceView<'_>>| view.map(|view| view.head.browsed).unwrap_or_default();
        let (before, after) = (browsed(old), browsed(new));
        if before != after {
            let this = Arc::make_mut(this);
            this.services += u32::from(after.knows_a_type());
            this.services -= u32::from(before.knows_a_type());
        }
        let Some(view) = new.or(old) else { return };
        let service = &view.service().name;
        for protocol in Protocol::ALL {
            let is_own = |browsed: Browsed| browsed.own_is_answered(protocol);
            if is_own(before) != is_own(after) {
                put(
                    &mut Arc::make_mut(this).types[protocol as usize].own,
                    service,
                    is_own(after),
                );
            }
        }
        if before.has_named || after.has_named {
            let names = |view| Option::into_iter(view).flat_map(named);
            let order = |one: &(&str, Protocol, bool), two: &(&str, Protocol, bool)| {
                (one.0, one.1).cmp(&(two.0, two.1))
            };
            side_by_side(names(old), names(new), order, |old, new| {
                let Some((name, protocol, _)) = new.or(old) else {
                    return;
                };
                let states = [old, new].map(|state| state.map(|(.., is_answered)| is_answered));
                if states[0] != states[1] {
                    Arc::make_mut(this).types[protocol as usize].change(&port_name(name), service, states);
                }
            });
        }
        if before.has_cut || after.has_cut {
            let ids = |view| Option::into_iter(view).flat_map(cut_ids);
            side_by_side(ids(old), ids(new), Ord::cmp, |old, new| {
                let (Some(id), true) = (new.or(old), old != new) else {
                    return;
                };
                if let Some(cut) = Cut::of(service, id) {
                    put(&mut Arc::make_mut(this).cut, &cut, new.is_some());
                }
            });
        }
    }

    /// Whether a service knows a type.
    pub(super) fn has_types(&self) -> bool {
        self.services > 0
    }

    /// Whether a service knows a port of that name, which is a type.
    pub(super) fn knows(&self, label: &[u8], protocol: Protocol) -> bool {
        let known = &self.types[protocol as usize].known;
        !known.is_empty() && std::str::from_utf8(label).is_ok_and(|label| known.contains_key(label))
    }

    /// Whether a service has an answered port of any type.
    pub(super) fn has_instances(&self) -> bool {
        let is_empty = |types: &Types| types.answered.is_empty() && types.own.is_empty();
        !self.types.iter().all(is_empty)
    }

    /// Whether a service has an answered port of that name.
    pub(super) fn has_instances_of(&self, label: &[u8], protocol: Protocol) -> bool {
        self.bearers(label, protocol).is_some()
    }

    /// Gives each type that has an answered port, once, until one breaks.
    pub(super) fn walk_types<'d>(
        &'d self,
        each: &mut dyn FnMut(Protocol, &'d str) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        for protocol in Protocol::ALL {
            let types = &self.types[protocol as usize];
            types.own.walk(&mut |name| each(protocol, name.as_str()))?;
            types.answered.walk(&mut |bearers| {
                let label = bearers.label.as_str();
                let start = LabelStart::of(label);
                if types.own.find(start, |name| name.as_str().cmp(label)).is_some() {
                    return ControlFlow::Continue(());
                }
                each(protocol, label)
            })?;
        }
        ControlFlow::Continue(())
    }

    /// Gives each service that has an answered port of that name, in order, until one breaks.
    pub(super) fn walk_services<'d>(
        &'d self,
        label: &[u8],
        protocol: Protocol,
        each: &mut dyn FnMut(&'d ServiceName) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        match self.bearers(label, protocol) {
            Some(bearers) => bearers.services.walk(each),
            None => ControlFlow::Continue(()),
        }
    }

    /// Gives service and id of each instance whose label is cut and ends with `hash`.
    pub(super) fn walk_cut<'d>(
        &'d self,
        hash: u64,
        each: &mut dyn FnMut(&'d ServiceName, &'d InstanceId) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        self.cut.walk_from(&|cut| cut.hash < hash, &mut |cut| {
            if cut.hash != hash {
                return ControlFlow::Break(());
            }
            each(&cut.service, &cut.id)
        })
    }

    fn bearers(&self, label: &[u8], protocol: Protocol) -> Option<&Bearers> {
        let answered = &self.types[protocol as usize].answered;
        // Text orders as its octets do, and a label that is no text is none of a port.
        let label = std::str::from_utf8(label).ok()?;
        answered.find(LabelStart::of(label), |bearers| bearers.label.as_str().cmp(label))
    }
}

impl Types {
    /// A service knew a port of that name before, or knows it after, and whether it was answered.
    fn change(&mut self, name: &PortName, service: &ServiceName, [before, after]: [Option<bool>; 2]) {
        let known = self.known.get(name).copied().unwrap_or(0);
        match known + u32::from(after.is_some()) - u32::from(before.is_some()) {
            0 => drop(self.known.remove(name)),
            count if count != known => drop(self.known.insert(name.clone(), count)),
            _ => {}
        }
        let is_answered = after == Some(true);
        if is_answered == (before == Some(true)) {
            return;
        }
        let (start, order) = (LabelStart::of(name.as_str()), |bearers: &Bearers| {
            bearers.label.cmp(name)
        });
        let found = self.answered.find(start, order);
        let mut services = found.map(|bearers| bearers.services.clone()).unwrap_or_default();
        put(&mut services, service, is_answered);
        if services.is_empty() {
            self.answered.remove(start, order);
        } else {
            let label = name.clone();
            self.answered.insert(Bearers { label, services });
        }
    }
}

/// The name of a port that is known.
fn port_name(name: &str) -> PortName {
    PortName::parse(name).expect("it was a port's name before")
}

/// Puts a key into a set, or takes it away.
fn put<K: Key>(set: &mut Ordered<K>, key: &K, is_in: bool) {
    if is_in {
        set.insert(key.clone());
    } else {
        set.remove(key.start(), |other| other.cmp(key));
    }
}

/// Gives what stands in either of two sorted lists, and both where they are equal by `order`.
fn side_by_side<T>(
    old: impl Iterator<Item = T>,
    new: impl Iterator<Item = T>,
    order: impl Fn(&T, &T) -> Ordering,
    mut each: impl FnMut(Option<T>, Option<T>),
) {
    let (mut old, mut new) = (old.peekable(), new.peekable());
    loop {
        let which = match (old.peek(), new.peek()) {
            (None, None) => return,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(one), Some(two)) => order(one, two),
        };
        each(
            if which.is_le() { old.next() } else { None },
            if which.is_ge() { new.next() } else { None },
        );
    }
}
