//! Whether the catalog can be written, and what was refused because it could not.

use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;

use super::{Collector, ConstCounter, DescriptorEncoder, EncodeMetric};

/// Why the catalog cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// No room.
    Full,
    /// Another process holds a lock.
    Locked,
    /// It failed for good: a restart is needed.
    Failed,
    /// It lacks commits that were acknowledged.
    Older,
}

impl Trouble {
    const ALL: [(Self, &str); 4] = [
        (Self::Full, "disk_full"),
        (Self::Locked, "locked"),
        (Self::Failed, "failed"),
        (Self::Older, "older"),
    ];
}

/// The standing of the store. Only the writer's thread changes it.
#[derive(Debug, Default)]
pub struct Store {
    /// One more than the place of the trouble, 0 without.
    trouble: AtomicUsize,
    refused: [AtomicU64; Trouble::ALL.len()],
    kept_octets: AtomicU64,
}

impl Store {
    /// Notes the trouble that there is, if any, and whether a commit was refused for it.
    pub fn note(&self, trouble: Option<Trouble>, is_refused: bool) {
        let place = trouble.map(|trouble| trouble as usize);
        self.trouble
            .store(place.map_or(0, |place| place + 1), Ordering::Relaxed);
        if let Some(place) = place
            && is_refused
        {
            self.refused[place].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Notes how much room is kept for deregistrations.
    pub fn set_kept_octets(&self, octets: u64) {
        self.kept_octets.store(octets, Ordering::Relaxed);
    }
}

impl Collector for Store {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut family = encoder.encode_descriptor(
            "store_trouble",
            "1 for the reason for which the catalog cannot be written",
            None,
            MetricType::Gauge,
        )?;
        let trouble = self.trouble.load(Ordering::Relaxed);
        for (place, (_, reason)) in Trouble::ALL.iter().enumerate() {
            let gauge = ConstGauge::new(i64::from(trouble == place + 1));
            gauge.encode(family.encode_family(&[("reason", *reason)])?)?;
        }
        let mut family = encoder.encode_descriptor(
            "store_refused",
            "Commits refused, and looks whether they still would be, by reason",
            None,
            MetricType::Counter,
        )?;
        for (refused, (_, reason)) in self.refused.iter().zip(Trouble::ALL) {
            let counter = ConstCounter::new(refused.load(Ordering::Relaxed));
            counter.encode(family.encode_family(&[("reason", reason)])?)?;
        }
        let kept =
            ConstGauge::new(i64::try_from(self.kept_octets.load(Ordering::Relaxed)).unwrap_or(i64::MAX));
        let help = "Octets that are kept on the disk for deregistrations when it is full";
        kept.encode(encoder.encode_descriptor("store_kept_octets", help, None, kept.metric_type())?)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Metrics;
    use super::*;

    #[test]
    fn the_trouble_of_now_is_told_and_what_was_refused() {
        let metrics = Metrics::default();
        let told = |line: &str| {
            let text = metrics.text(Default::default());
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        };
        told(r#"callsign_store_trouble{reason="disk_full"} 0"#);
        metrics.store.note(Some(Trouble::Full), true);
        metrics.store.note(Some(Trouble::Full), false);
        metrics.store.note(Some(Trouble::Locked), true);
        told(r#"callsign_store_trouble{reason="disk_full"} 0"#);
        told(r#"callsign_store_trouble{reason="locked"} 1"#);
        told(r#"callsign_store_refused_total{reason="disk_full"} 1"#);
        metrics.store.note(None, false);
        metrics.store.set_kept_octets(7);
        told(r#"callsign_store_trouble{reason="locked"} 0"#);
        told("callsign_store_kept_octets 7");
    }
}
