//! What is counted, and how it is told: Prometheus' text format, in its standard form (OpenMetrics 1.0).
//!
//! Anyone may bump a counter. Where questions are answered each thread has counters of its own, which only it writes:
//! a plain load and store, no bus lock and no cache line that cores hand to each other. Reading adds them up.
//!
//! Labels come from closed lists that stand here, and from the names of zones, of which there are at most 1,000; so the
//! text has a bound. No label is ever a name that a question or a request brought along.

mod classic;
mod dns;
mod follow;
mod guard;
mod histogram;
mod http;
mod instances;
mod store;
mod writer;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

pub use dns::{Answers, Dns, Over, TIMED_EVERY, Timed};
pub use follow::Followers;
pub use guard::Guard;
pub use histogram::Histogram;
pub use http::{HEARTBEATS, Http};
pub use instances::{Held, Instances, Tally};
pub use store::{Store, Trouble};
pub use writer::{CHANGES, REFUSALS, Writer};

/// In which form the metrics are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// OpenMetrics 1.0.
    Standard,
    /// What Prometheus had before, 0.0.4.
    Classic,
}

impl Form {
    /// Its media type.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Standard => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Classic => classic::MEDIA_TYPE,
        }
    }

    /// What [`Metrics::text`] gave, in this form.
    pub fn of(self, text: String) -> String {
        match self {
            Self::Standard => text,
            Self::Classic => classic::classic(&text),
        }
    }
}

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
    /// Requests and connections of the API.
    pub http: Arc<Http>,
    /// Changes and commits.
    pub writer: Arc<Writer>,
    /// Instances by zone.
    pub instances: Arc<Instances>,
    /// When the server started, in seconds since 1970.
    pub started_s: OnceLock<f64>,
    registry: Registry,
}

/// What is looked at when somebody asks, instead of being counted all the time.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// Zones.
    pub zones: u64,
    /// Services of all zones.
    pub services: u64,
    /// The catalog's index.
    pub index: u64,
    /// Requests that wait for the writer.
    pub queued_requests: u64,
    /// Operations of those requests.
    pub queued_operations: u64,
}

impl Default for Metrics {
    fn default() -> Self {
        let (dns, http) = (Arc::new(Dns::default()), Arc::new(Http::default()));
        let (writer, instances) = (Arc::new(Writer::default()), Arc::new(Instances::default()));
        let mut registry = Registry::with_prefix("callsign");
        registry.register_collector(Box::new(dns.clone()));
        let store = Arc::new(Store::default());
        registry.register_collector(Box::new(store.clone()));
        let guard = Arc::new(Guard::default());
        registry.register_collector(Box::new(guard.clone()));
        let followers = Arc::new(Followers::default());
        registry.register_collector(Box::new(followers.clone()));
        registry.register_collector(Box::new(http.clone()));
        registry.register_collector(Box::new(writer.clone()));
        registry.register_collector(Box::new(instances.clone()));
        Self {
            dns,
            store,
            guard,
            followers,
            http,
            writer,
            instances,
            started_s: OnceLock::new(),
            registry,
        }
    }
}

impl Metrics {
    /// All of it as text, with what was `observed` for it.
    pub fn text(&self, observed: Observed) -> String {
        let mut now = Registry::with_prefix("callsign");
        now.register_collector(Box::new(observed));
        // The name that every collector knows, whatever the program.
        let mut process = Registry::with_prefix("process");
        process.register_collector(Box::new(Process {
            started_s: self.started_s.get().copied(),
        }));
        let mut text = String::new();
        [&self.registry, &now, &process]
            .into_iter()
            .try_for_each(|registry| encode_registry(&mut text, registry))
            .and_then(|()| encode_eof(&mut text))
            .expect("a string takes whatever is written");
        text
    }
}

impl Collector for Observed {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let build = encoder.encode_descriptor("build", "The version of Callsign", None, MetricType::Info)?;
        { build }.encode_info(&[("version", env!("CARGO_PKG_VERSION"))])?;
        for (name, help, value) in [
            ("zones", "Zones", self.zones),
            ("services", "Services of all zones", self.services),
            ("index", "The catalog's change number", self.index),
            (
                "writer_queued_requests",
                "Requests that wait for the writer",
                self.queued_requests,
            ),
            (
                "writer_queued_operations",
                "Operations of the requests that wait for the writer",
                self.queued_operations,
            ),
        ] {
            gauge(&mut encoder, name, help, value)?;
        }
        Ok(())
    }
}

/// What is said of any process.
#[derive(Debug)]
struct Process {
    started_s: Option<f64>,
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Some(started_s) = self.started_s else {
            return Ok(());
        };
        let help = "When the process started, in seconds since 1970";
        let gauge = ConstGauge::new(started_s);
        gauge.encode(encoder.encode_descriptor("start_time_seconds", help, None, MetricType::Gauge)?)
    }
}

/// Counters of one family, each under one of a closed list of words.
#[derive(Debug)]
pub struct Named<const N: usize> {
    words: [&'static str; N],
    counts: [AtomicU64; N],
}

impl<const N: usize> Named<N> {
    fn of(words: [&'static str; N]) -> Self {
        Self {
            words,
            counts: std::array::from_fn(|_| AtomicU64::new(0)),
        }
    }

    /// Counts `times` under the word at `at`.
    pub fn add(&self, at: usize, times: u64) {
        self.counts[at].fetch_add(times, Ordering::Relaxed);
    }

    /// Counts `times` under `word`, which must be one of the list.
    pub fn note(&self, word: &str, times: u64) {
        let at = self.words.iter().position(|known| *known == word);
        self.add(at.expect("a word of the list"), times);
    }

    #[cfg(test)]
    fn load(&self, at: usize) -> u64 {
        self.counts[at].load(Ordering::Relaxed)
    }

    fn encode(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        name: &str,
        help: &str,
        label: &'static str,
    ) -> fmt::Result {
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (word, count) in self.words.iter().zip(&self.counts) {
            let count = ConstCounter::new(count.load(Ordering::Relaxed));
            count.encode(family.encode_family(&[(label, *word)])?)?;
        }
        Ok(())
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

/// A gauge without labels.
fn gauge(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: u64) -> fmt::Result {
    let value = ConstGauge::new(value);
    value.encode(encoder.encode_descriptor(name, help, None, value.metric_type())?)
}
