//! Those who follow the catalog.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::metrics::gauge::ConstGauge;

use super::{Collector, DescriptorEncoder, EncodeMetric, counter};

/// Watchers and waiting reads.
#[derive(Debug, Default)]
pub struct Followers {
    watchers: AtomicU64,
    waiting_reads: AtomicU64,
    cut_off: AtomicU64,
    refused: AtomicU64,
}

impl Followers {
    /// Somebody begins to watch, or waits with a read.
    pub fn began(&self, watches: bool) {
        self.gauge(watches).fetch_add(1, Ordering::Relaxed);
    }

    /// It ended.
    pub fn ended(&self, watches: bool) {
        self.gauge(watches).fetch_sub(1, Ordering::Relaxed);
    }

    fn gauge(&self, watches: bool) -> &AtomicU64 {
        match watches {
            true => &self.watchers,
            false => &self.waiting_reads,
        }
    }

    /// A watcher was cut off because it could not follow.
    pub fn cut_off(&self) {
        self.cut_off.fetch_add(1, Ordering::Relaxed);
    }

    /// There was no place for one more.
    pub fn refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }
}

impl Collector for Followers {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for (name, help, gauge) in [
            ("watchers", "Watches that are open", &self.watchers),
            (
                "waiting_reads",
                "Reads that wait for a change",
                &self.waiting_reads,
            ),
        ] {
            let value = i64::try_from(gauge.load(Ordering::Relaxed)).unwrap_or(i64::MAX);
            let gauge = ConstGauge::new(value);
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
        }
        counter(
            &mut encoder,
            "watchers_cut_off",
            "Watchers that were cut off because they could not follow",
            &self.cut_off,
        )?;
        counter(
            &mut encoder,
            "followers_refused",
            "Watches and waiting reads that were refused because as many as are allowed were under way",
            &self.refused,
        )
    }
}
