//! The read model that DNS answers from.

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::catalog::State;

/// Everything that can be answered at one index; immutable.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// The catalog that it shows: listings read it.
    pub state: State,
}

/// The snapshot that is published now. Loading takes no lock.
#[derive(Debug, Default)]
pub struct Current(ArcSwap<Snapshot>);

impl Current {
    /// The published snapshot, held for as long as the guard lives.
    pub fn load(&self) -> arc_swap::Guard<Arc<Snapshot>> {
        self.0.load()
    }

    /// The published snapshot, to keep.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.0.load_full()
    }
}
