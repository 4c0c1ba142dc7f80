//! Which of a service's ports are of which service type (RFC 6763 §4.1.2), and what the zone's index must know of it.

use crate::catalog::discovery::InstanceLabel;
use crate::catalog::limits::TYPE_OCTETS_MAX;
use crate::catalog::{InstanceId, PortName, Protocol};

use super::list::{Numbers, Standing};
use super::packed::PortView;
use super::service::ServiceView;

/// What the index must know of a service, in four octets of its head: most services change it never, and are judged
/// by this alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Browsed {
    /// Bit n: it knows a port `main` of protocol n, and its name is a type.
    own_known: u8,
    /// Bit n: that port is answered.
    own_answered: u8,
    /// It knows a port whose name is a type.
    pub(super) has_named: bool,
    /// The label of one of its instances is cut.
    pub(super) has_cut: bool,
}

/// The ports of a service that are of one type: numbers of their names, of which one may be `main` and the other the
/// service's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TypePorts([u32; 2]);

/// No port's name has this number.
const NONE: u32 = u32::MAX;

impl TypePorts {
    /// Whether no port of the type is answered.
    pub fn is_empty(self) -> bool {
        self.0 == [NONE; 2]
    }

    /// Whether `port` is of the type, and answered.
    pub fn includes(self, port: &PortView) -> bool {
        port.answered && self.0.contains(&port.name)
    }
}

fn bit(protocol: Protocol) -> u8 {
    1 << protocol as u8
}

impl Browsed {
    pub(super) fn of(view: ServiceView<'_>) -> Self {
        let mut browsed = Self::default();
        let is_type = view.label().len() <= TYPE_OCTETS_MAX;
        for (name, protocol, standing) in names(view) {
            if name != PortName::MAIN {
                browsed.has_named |= name.len() <= TYPE_OCTETS_MAX;
            } else if is_type {
                browsed.own_known |= bit(protocol);
                if standing == Standing::Answerable {
                    browsed.own_answered |= bit(protocol);
                }
            }
        }
        browsed.has_cut = (0..view.members_len()).any(|number| {
            let member = view.member_at(number);
            !member.ports.is_empty() && InstanceLabel::is_cut(view.id_at(member.id), view.label())
        });
        browsed
    }

    /// Whether the port `main` of that protocol is answered, and the service's name is a type.
    pub(super) fn own_is_answered(self, protocol: Protocol) -> bool {
        self.own_answered & bit(protocol) != 0
    }

    /// Whether it knows a port of any type.
    pub(super) fn knows_a_type(self) -> bool {
        self.own_known != 0 || self.has_named
    }
}

/// The names of a service's ports in order, with their protocols.
fn names(view: ServiceView<'_>) -> impl Iterator<Item = (&str, Protocol, Standing)> {
    let text = view.text();
    (0..view.names_len()).map(move |number| {
        let row = view.name_at(number);
        let name = std::str::from_utf8(row.octets(text)).expect("a port's name is text");
        (name, row.protocol, row.services.standing())
    })
}

/// The ports of a service whose names are types, in order, and whether one of them is answered.
pub(super) fn named(view: ServiceView<'_>) -> impl Iterator<Item = (&str, Protocol, bool)> {
    let is_type = |name: &str| name != PortName::MAIN && name.len() <= TYPE_OCTETS_MAX;
    names(view)
        .filter(move |(name, ..)| is_type(name))
        .map(|(name, protocol, standing)| (name, protocol, standing == Standing::Answerable))
}

/// The ids of instances with ports whose label is cut, in order.
pub(super) fn cut_ids(view: ServiceView<'_>) -> impl Iterator<Item = &InstanceId> {
    let instances = view.service().instances.iter();
    instances
        .filter(move |instance| {
            !instance.ports.is_empty() && InstanceLabel::is_cut(instance.id.as_str().as_bytes(), view.label())
        })
        .map(|instance| &instance.id)
}

impl<'a> ServiceView<'a> {
    /// The answered ports that are of the type `label`, which has no underscore, in `protocol`.
    pub fn type_ports(self, label: &[u8], protocol: Protocol) -> TypePorts {
        let answered = |name: &[u8]| match self.port(name, protocol) {
            Some((number, services)) if services.standing() == Standing::Answerable => number,
            _ => NONE,
        };
        if label.len() > TYPE_OCTETS_MAX {
            return TypePorts([NONE; 2]);
        }
        let main = PortName::MAIN.as_bytes();
        // A port `main` is of no other type than the service's name.
        let named = if label == main { NONE } else { answered(label) };
        let own = if label == self.label() {
            answered(main)
        } else {
            NONE
        };
        TypePorts([own, named])
    }

    /// One port of each instance that has one of `ports`, in the order of tier and ring.
    pub fn instances_of(self, ports: TypePorts) -> impl Iterator<Item = PortView> + 'a {
        let entries = move |number: u32| -> Numbers<'a> {
            if number as usize >= self.names_len() {
                return Numbers::Of(&[]);
            }
            self.numbers(self.name_at(number as usize).services.row())
        };
        let [own, named] = ports.0;
        let has_own = move |port: &PortView| {
            own != NONE
                && self
                    .ports_of(usize::from(port.member))
                    .any(|(_, other)| other.answered && other.name == own)
        };
        let port = move |number: u32| self.port_at(number);
        let others = entries(named).iter().map(port);
        entries(own)
            .iter()
            .map(port)
            .chain(others.filter(move |port| !has_own(port)))
    }
}
