//! What is counted of the guard against mass expiry.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use super::counter;

/// Counters of the guard. Zones are not told apart: their names come from clients.
#[derive(Debug, Default)]
pub struct Guard {
    /// Zones whose guard holds.
    pub zones: AtomicU64,
    /// Leases that are held.
    pub held: AtomicU64,
    /// How often the guard of a zone began to hold.
    pub begun: AtomicU64,
    /// Leases that were held, each time.
    pub holds: AtomicU64,
    /// Held leases let go because most of their service went on.
    pub let_go_early: AtomicU64,
    /// Held leases let go because the time was over.
    pub let_go_in_time: AtomicU64,
    /// Held leases let go by an operator.
    pub let_go_by_operator: AtomicU64,
}

impl Collector for Guard {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for (name, help, value) in [
            (
                "guard_zones",
                "Zones whose guard against mass expiry holds",
                &self.zones,
            ),
            (
                "guard_held",
                "Leases that have run out, and are held by the guard",
                &self.held,
            ),
        ] {
            let gauge = ConstGauge::new(i64::try_from(value.load(Ordering::Relaxed)).unwrap_or(i64::MAX));
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
        }
        for (name, help, count) in [
            (
                "guard_begun",
                "Times that the guard of a zone began to hold",
                &self.begun,
            ),
            (
                "guard_holds",
                "Leases that the guard held, each time",
                &self.holds,
            ),
        ] {
            counter(&mut encoder, name, help, count)?;
        }
        let mut family = encoder.encode_descriptor(
            "guard_let_go",
            "Held leases that were let go: most of their service went on, the time was over, an operator said so",
            None,
            MetricType::Counter,
        )?;
        for (why, count) in [
            ("early", &self.let_go_early),
            ("time", &self.let_go_in_time),
            ("operator", &self.let_go_by_operator),
        ] {
            let count = ConstCounter::new(count.load(Ordering::Relaxed));
            count.encode(family.encode_family(&[("why", why)])?)?;
        }
        Ok(())
    }
}
