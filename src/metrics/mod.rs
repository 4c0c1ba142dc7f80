//! What is counted, and how it is told: Prometheus' text format, in its standard form (OpenMetrics 1.0).
//!
//! Anyone may bump a counter. Where questions are answered each thread has counters of its own, which only it writes:
//! a plain load and store, no bus lock and no cache line that cores hand to each other. Reading adds them up.

mod dns;
mod follow;
mod guard;
mod store;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::registry::Registry;

pub use dns::{Answers, Dns, Over};
pub use follow::Followers;
pub use guard::Guard;
pub use store::{Store, Trouble};

/// The media type of [`Metrics::text`].
pub const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Everything that is counted.
#[derive(Debug)]
pub struct Metrics {
    /// Questions and their answers.
    pub dns: Arc<Dns>,
    /// Whether the catalog can be written.
    pub store: Arc<Store>,
    /// The guard against mass expiry.
    pub guard: Arc<Guard>,
    /// Those who follow the catalog.
    pub followers: Arc<Followers>,
    registry: Registry,
}

impl Default for Metrics {
    fn default() -> Self {
        let dns = Arc::new(Dns::default());
        let mut registry = Registry::with_prefix("callsign");
        registry.register_collector(Box::new(dns.clone()));
        let store = Arc::new(Store::default());
        registry.register_collector(Box::new(store.clone()));
        let guard = Arc::new(Guard::default());
        registry.register_collector(Box::new(guard.clone()));
        let followers = Arc::new(Followers::default());
        registry.register_collector(Box::new(followers.clone()));
        Self {
            dns,
            followers,
            guard,
            store,
            registry,
        }
    }
}

impl Metrics {
    /// All of it as text.
    pub fn text(&self) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry)
            .expect("a string takes whatever is written");
        text
    }
}

/// Counts one, and says whether it is a power of two: so often an event that can come in floods is worth a line.
pub fn bump(count: &AtomicU64) -> bool {
    (count.fetch_add(1, Ordering::Relaxed) + 1).is_power_of_two()
}

/// A counter without labels.
fn counter(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, count: &AtomicU64) -> fmt::Result {
    let count = ConstCounter::new(count.load(Ordering::Relaxed));
    count.encode(encoder.encode_descriptor(name, help, None, count.metric_type())?)
}
