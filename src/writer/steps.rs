//! The points of a batch between which a crash may cut the writer off. The simulation in `server` watches them; in the
//! program there is nothing to watch with, and passing one is nothing.

/// A point that the writer passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The requests were made on the tentative state; nothing is written.
    Tried,
    /// The transaction is committed; nobody sees it.
    Committed,
    /// The snapshot is published; nobody was answered.
    Published,
    /// One more request was answered.
    Told,
}

/// Who watches.
#[derive(Default)]
pub(super) struct Steps {
    #[cfg(test)]
    pub(super) watcher: Option<Box<dyn FnMut(Step) + Send>>,
}

impl Steps {
    #[cfg(test)]
    pub(super) fn pass(&mut self, step: Step) {
        if let Some(watcher) = &mut self.watcher {
            watcher(step);
        }
    }

    #[cfg(not(test))]
    #[inline]
    pub(super) fn pass(&mut self, _step: Step) {}
}
