//! The read model that DNS answers from, and that listings read.
//!
//! A [`Snapshot`] is everything at one index, and never changes. The writer makes the next one at the cost of the
//! services that changed, and publishes it with one swap; a reader takes no lock and keeps what it holds. Nothing
//! here knows SQLite, sockets or JSON. `docs/design/view.md` says what else was considered.

mod discovery;
mod draft;
mod encode;
mod list;
mod lists;
mod packed;
mod redraft;
mod search;
mod service;
mod table;
mod types;
mod zone;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use imbl::shared_ptr::DefaultSharedPtr;

use crate::catalog::{Image, Kind, Record, ServiceName, State, Zone, ZoneName};

pub use list::{AddressList, Addresses, Numbers, Row, Selection, Services, Standing, Weights};
pub use packed::{Member, PortView};
pub(crate) use search::partition;
pub use service::{Laid, ServiceView, ring};
pub use table::Table;
pub use types::TypePorts;
pub use zone::{Place, ZoneView};

type Zones = imbl::GenericHashMap<Vec<u8>, Arc<ZoneView>, foldhash::fast::RandomState, DefaultSharedPtr>;

/// Everything that can be answered at one index; immutable.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The catalog that it shows: listings read it.
    pub state: State,
    zones: Zones,
    /// Bit n: a zone of n labels exists.
    label_counts: u128,
    /// A large zone, if there is one: the one that has had the most services since zones last came or went.
    large: Option<Arc<ZoneView>>,
    /// The only zone, if there is one: many servers have no other, and it is found without a hash.
    lone: Option<Arc<ZoneView>>,
    /// The catalog is still being read: no zone is found, and that says nothing.
    withheld: bool,
}

/// Services of a zone that the caches hold near a core, so that to look ahead over a batch brings nothing.
const SMALL_SERVICES_MAX: usize = 16_384;

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

    /// The same while it may not be answered from: no zone is found in it, nor in those that follow from it.
    #[must_use]
    fn withheld(self) -> Self {
        Self {
            label_counts: 0,
            large: None,
            lone: None,
            withheld: true,
            ..self
        }
    }

    /// The same with its zones to be found.
    fn released(&self) -> Self {
        let mut released = Self {
            withheld: false,
            ..self.clone()
        };
        released.note_zones();
        released
    }

    /// Whether a zone that is not found is not there. While the catalog is being read it says nothing.
    #[inline]
    pub fn is_ready(&self) -> bool {
        !self.withheld
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
                        Some(changed) => {
                            let changed = changed.clone();
                            let laid = match view.service(label.as_str().as_bytes()) {
                                Some(before) => Laid::after(before, changed),
                                None => Laid::new(changed),
                            };
                            view.insert(laid);
                        }
                        None => view.remove(label.as_str().as_bytes()),
                    }
                }
                match touched.next_if(|(other, _)| *other == name) {
                    Some((_, another)) => service = another,
                    None => break,
                }
            }
            let view = Arc::new(view);
            next.zones.insert(wire, view.clone());
            next.note_changed(view);
        }
        next.state = state;
        if zones_changed {
            next.note_zones();
        }
        if next.withheld { next.withheld() } else { next }
    }

    /// Keeps the zones that are found without a look-up, where services of one zone changed and the zones stayed.
    fn note_changed(&mut self, changed: Arc<ZoneView>) {
        let is_changed = |zone: &Arc<ZoneView>| zone.zone().name == changed.zone().name;
        let services = changed.services_len();
        let was_large = self.large.as_ref().is_some_and(is_changed);
        if was_large && services <= SMALL_SERVICES_MAX {
            // Another may be large.
            return self.note_special();
        }
        if self.lone.as_ref().is_some_and(is_changed) {
            self.lone = Some(changed.clone());
        }
        let most = self.large.as_ref().map(|zone| zone.services_len());
        if was_large || services > most.unwrap_or(SMALL_SERVICES_MAX) {
            self.large = Some(changed);
        }
    }

    /// Notes the zones that are found without a look-up.
    fn note_special(&mut self) {
        let lone = self.zones.values().next().filter(|_| self.zones.len() == 1);
        let largest = self.zones.values().max_by_key(|zone| zone.services_len());
        let large = largest.filter(|zone| zone.services_len() > SMALL_SERVICES_MAX);
        (self.lone, self.large) = (lone.cloned(), large.cloned());
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
        self.note_special();
    }

    /// The zone whose apex is `wire`, a name in lower case.
    #[inline]
    pub fn zone(&self, wire: &[u8]) -> Option<&ZoneView> {
        self.zones.get(wire).map(|view| &**view)
    }

    /// The only zone, if there is no other.
    #[inline]
    pub fn lone(&self) -> Option<&ZoneView> {
        self.lone.as_deref()
    }

    /// A zone of more services than the caches hold, if there is one: where it pays to look ahead.
    #[inline]
    pub fn large(&self) -> Option<&ZoneView> {
        self.large.as_deref()
    }

    /// Bit n: a zone of n labels exists, n being at most `labels`; no other suffix need be looked up.
    #[inline]
    pub fn label_counts(&self, labels: usize) -> u128 {
        self.label_counts & (u128::MAX >> (127 - labels.min(127)))
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
    let views: Vec<Vec<Laid>> = std::thread::scope(|scope| {
        let chunks: Vec<_> = services.chunks(services.len().div_ceil(threads)).collect();
        let running: Vec<_> = chunks
            .into_iter()
            .map(|chunk| scope.spawn(|| chunk.iter().map(|service| Laid::new(service.clone())).collect()))
            .collect();
        running
            .into_iter()
            .map(|thread| thread.join().expect("laying out a service does not panic"))
            .collect()
    });
    ZoneView::with_services(zone, views.into_iter().flatten())
}

/// Snapshots that were published before and that somebody may still hold. Past it the oldest is left to its readers.
const RETIRED_MAX: usize = 64;

/// The snapshot that is published now. Loading takes no lock.
///
/// To free what a snapshot alone has costs as much as a change did, and a deleted zone costs what it weighed. So that no
/// reader pays for it in the middle of a batch, the writer keeps each old snapshot until nobody else does.
#[derive(Debug, Default)]
pub struct Current {
    published: ArcSwap<Snapshot>,
    /// The start takes this lock while the writer is not there yet, then the writer alone: nobody ever waits for it.
    retired: Mutex<Vec<Arc<Snapshot>>>,
}

impl Current {
    /// A place to publish from, with `snapshot` in it.
    pub fn new(snapshot: Snapshot) -> Self {
        Self {
            published: ArcSwap::from_pointee(snapshot),
            retired: Mutex::default(),
        }
    }

    /// A place that has nothing yet: until [`Self::release`] no zone is found in what is published.
    pub fn loading() -> Self {
        Self::new(Snapshot::default().withheld())
    }

    /// Puts the catalog in that was read: the writer goes on from it, and nobody is answered from it yet. Before the
    /// writer starts.
    pub fn fill(&self, snapshot: Snapshot) {
        self.replace(Arc::new(snapshot.withheld()));
    }

    /// From now on what is published is answered from: the start says so, when the writer has made the zones what they
    /// are to be and before anybody else may ask it for anything.
    pub fn release(&self) {
        self.replace(Arc::new(self.load().released()));
    }

    /// The published snapshot, held for as long as the guard lives.
    pub fn load(&self) -> arc_swap::Guard<Arc<Snapshot>> {
        self.published.load()
    }

    /// The published snapshot, to keep.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.published.load_full()
    }

    /// Publishes a snapshot; only the writer does.
    pub fn publish(&self, snapshot: Arc<Snapshot>) {
        self.replace(snapshot);
    }

    fn replace(&self, snapshot: Arc<Snapshot>) {
        // The swap turns what readers have borrowed into counted references: from here on the counts are true.
        let old = self.published.swap(snapshot);
        self.retired().push(old);
        self.sweep();
    }

    /// Frees the old snapshots that nobody holds any more; only the writer does, after each batch.
    pub fn sweep(&self) {
        let mut retired = self.retired();
        retired.retain(|old| Arc::strong_count(old) > 1);
        let over = retired.len().saturating_sub(RETIRED_MAX);
        retired.drain(..over);
    }

    fn retired(&self) -> MutexGuard<'_, Vec<Arc<Snapshot>>> {
        self.retired.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
