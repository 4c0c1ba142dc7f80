//! The read model that DNS answers from, and that listings read.
//!
//! A [`Snapshot`] is everything at one index, and never changes. The writer makes the next one at the cost of the
//! services that changed, and publishes it with one swap; a reader takes no lock and keeps what it holds. Nothing
//! here knows SQLite, sockets or JSON. `docs/design/view.md` says what else was considered.

mod discovery;
mod encode;
mod packed;
mod service;
mod types;
mod zone;

use std::collections::BTreeSet;
use std::sync::Arc;

use arc_swap::ArcSwap;
use imbl::shared_ptr::DefaultSharedPtr;

use crate::catalog::{Image, Kind, Record, ServiceName, State, Zone, ZoneName};

pub use service::{
    AddressList, Addresses, Member, PortView, Range, Selection, ServiceView, Services, Standing, ring,
};
pub use types::TypePorts;
pub use zone::ZoneView;

type Zones = imbl::GenericHashMap<Vec<u8>, Arc<ZoneView>, foldhash::fast::RandomState, DefaultSharedPtr>;

/// Everything that can be answered at one index; immutable.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The catalog that it shows: listings read it.
    pub state: State,
    zones: Zones,
    /// Bit n: a zone of n labels exists.
    label_counts: u128,
}

impl Snapshot {
    /// Lays out a whole catalog, on as many threads as there are cores if it is large.
    pub fn of(state: State) -> Self {
        let mut snapshot = Self::default();
        for zone in state.zones.values() {
            snapshot
                .zones
                .insert(zone.name.to_wire(), Arc::new(lay_out(zone)));
        }
        snapshot.state = state;
        snapshot.note_zones();
        snapshot
    }

    /// The snapshot after `records`, which led from this one's state to `state`.
    pub fn after<'a>(&self, state: State, records: impl Iterator<Item = &'a Record>) -> Self {
        let mut touched: BTreeSet<(&ZoneName, Option<&ServiceName>)> = BTreeSet::new();
        // Zones that were removed, perhaps to be made anew.
        let mut removed: BTreeSet<&ZoneName> = BTreeSet::new();
        let mut zones_changed = false;
        for record in records {
            touched.insert((&record.zone, record.service.as_ref()));
            // Another zone than the record's own has the reverse names of its addresses.
            touched.extend(record.serials.iter().map(|(zone, _)| (zone, None)));
            if matches!(record.kind, Kind::Zone | Kind::ZoneFile) {
                zones_changed |= record.before == Image::Absent || record.after == Image::Absent;
                if record.after == Image::Absent {
                    removed.insert(&record.zone);
                }
            }
        }
        let mut next = self.clone();
        let mut touched = touched.into_iter().peekable();
        while let Some((name, mut service)) = touched.next() {
            let wire = name.to_wire();
            let Some(zone) = state.zones.get(name) else {
                next.zones.remove(&wire);
                while touched.next_if(|(other, _)| *other == name).is_some() {}
                continue;
            };
            let mut view = match next.zones.get(&wire) {
                Some(view) if !removed.contains(name) => ZoneView::clone(view),
                _ => ZoneView::with_services(zone, std::iter::empty()),
            };
            view.set_zone(zone);
            loop {
                if let Some(label) = service {
                    match zone.services.get(label) {
                        Some(changed) => view.insert(Arc::new(ServiceView::new(changed.clone()))),
                        None => view.remove(label.as_str().as_bytes()),
                    }
                }
                match touched.next_if(|(other, _)| *other == name) {
                    Some((_, another)) => service = another,
                    None => break,
                }
            }
            next.zones.insert(wire, Arc::new(view));
        }
        next.state = state;
        if zones_changed {
            next.note_zones();
        }
        next
    }

    /// Brings up to date what depends on which zones there are.
    fn note_zones(&mut self) {
        self.label_counts = 0;
        let names: Vec<_> = self.state.zones.keys().cloned().collect();
        let below = |upper: &ZoneName| names.iter().any(|name| name.below(upper).is_some());
        let mut changed = Vec::new();
        for (wire, view) in &self.zones {
            self.label_counts |= 1 << view.labels().min(127);
            if below(&view.zone().name) || view.has_zones_below() {
                let mut view = ZoneView::clone(view);
                view.set_zones_below(names.iter());
                changed.push((wire.clone(), Arc::new(view)));
            }
        }
        self.zones.extend(changed);
    }

    /// The zone whose apex is `wire`, a name in lower case.
    pub fn zone(&self, wire: &[u8]) -> Option<&ZoneView> {
        self.zones.get(wire).map(|view| &**view)
    }

    /// Whether a zone with so many labels exists; no other suffix need be looked up.
    pub fn has_zone_of(&self, labels: usize) -> bool {
        self.label_counts & (1 << labels.min(127)) != 0
    }
}

/// Lays out a zone on as many threads as there are cores, if it is large enough to be worth one.
fn lay_out(zone: &Arc<Zone>) -> ZoneView {
    const WORTH_A_THREAD: usize = 4096;
    let services: Vec<_> = zone.services.iter().cloned().collect();
    let threads = std::thread::available_parallelism()
        .map_or(1, usize::from)
        .min(services.len() / WORTH_A_THREAD);
    if threads < 2 {
        return ZoneView::new(zone);
    }
    let views: Vec<Vec<Arc<ServiceView>>> = std::thread::scope(|scope| {
        let chunks: Vec<_> = services.chunks(services.len().div_ceil(threads)).collect();
        let running: Vec<_> = chunks
            .into_iter()
            .map(|chunk| {
                scope.spawn(|| {
                    chunk
                        .iter()
                        .map(|s| Arc::new(ServiceView::new(s.clone())))
                        .collect()
                })
            })
            .collect();
        running
            .into_iter()
            .map(|thread| thread.join().expect("laying out a service does not panic"))
            .collect()
    });
    ZoneView::with_services(zone, views.into_iter().flatten())
}

/// The snapshot that is published now. Loading takes no lock.
#[derive(Debug, Default)]
pub struct Current(ArcSwap<Snapshot>);

impl Current {
    /// A place to publish from, with `snapshot` in it.
    pub fn new(snapshot: Snapshot) -> Self {
        Self(ArcSwap::from_pointee(snapshot))
    }

    /// The published snapshot, held for as long as the guard lives.
    pub fn load(&self) -> arc_swap::Guard<Arc<Snapshot>> {
        self.0.load()
    }

    /// The published snapshot, to keep.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.0.load_full()
    }

    /// Publishes a snapshot; only the writer does.
    pub fn publish(&self, snapshot: Arc<Snapshot>) {
        self.0.store(snapshot);
    }
}

#[cfg(test)]
mod tests;
