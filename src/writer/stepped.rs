//! The writer without its thread and its queue, for the simulation: a batch is made when it is called for.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::clock::Clock;
use crate::feed::Feed;
use crate::lease::Deadlines;
use crate::store::Store;
use crate::view::Current;

use super::steps::{Step, Steps};
use super::thread::Thread;
use super::{Done, Job, Refusal, Request};

/// A writer that does nothing by itself.
pub(crate) struct Stepped(Thread);

impl Stepped {
    pub(crate) fn new(
        store: Store,
        current: Arc<Current>,
        feed: Arc<Feed>,
        deadlines: Arc<Deadlines>,
        clock: Clock,
    ) -> Self {
        Self(Thread {
            store,
            current,
            feed,
            deadlines,
            clock,
            shared: Arc::default(),
            metrics: Arc::default(),
            steps: Steps::default(),
        })
    }

    /// Makes one batch of these requests, and gives what each is answered.
    pub(crate) fn make(&mut self, requests: Vec<Request>) -> Vec<Result<Done, Refusal>> {
        let (jobs, answers): (Vec<_>, Vec<_>) = requests
            .into_iter()
            .map(|request| {
                let (reply, answer) = oneshot::channel();
                (Job { request, reply }, answer)
            })
            .unzip();
        self.0.make(jobs);
        answers
            .into_iter()
            .map(|mut answer| answer.try_recv().expect("a batch answers everybody"))
            .collect()
    }

    /// Lets `watcher` see each step that is passed from now on, or nobody.
    pub(crate) fn watch(&mut self, watcher: Option<Box<dyn FnMut(Step) + Send>>) {
        self.0.steps.watcher = watcher;
    }

    /// Looks whether writing works again, as the thread does each second.
    pub(crate) fn look_again(&mut self) {
        self.0.look_again();
    }

    /// Why writes are refused, if they are.
    pub(crate) fn trouble(&self) -> Option<Refusal> {
        self.0.shared.trouble().clone()
    }

    pub(crate) fn store(&mut self) -> &mut Store {
        &mut self.0.store
    }

    /// A clean stop.
    pub(crate) fn close(self) -> Result<(), String> {
        self.0.store.close()
    }
}
