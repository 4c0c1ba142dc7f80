//! The writer: what it changed and refused, how long commits and publications took, what waits for it.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::metrics::MetricType;

use super::histogram::{LONG_US, OPERATIONS, SHORT_US};
use super::{Collector, DescriptorEncoder, Histogram, Named, counter, gauge};

/// What kinds of changes there are: the words of the API. `catalog::Kind` has the same.
pub const CHANGES: [&str; 10] = [
    "register",
    "deregister",
    "health",
    "lapse",
    "revive",
    "drain",
    "service",
    "zone",
    "forget",
    "zonefile",
];

/// Why a request to the writer was refused.
pub const REFUSALS: [&str; 5] = ["rejected", "busy", "disk_full", "read_only", "stopping"];

/// What the writer counts. Only it does, but for what waits and what is refused at its door.
#[derive(Debug)]
pub struct Writer {
    /// Changes committed, by kind.
    pub changes: Named<{ CHANGES.len() }>,
    /// Requests refused, by reason.
    pub refused: Named<{ REFUSALS.len() }>,
    /// From the begin of a transaction until it was on disk.
    pub commit: Histogram,
    /// Operations that were made together.
    pub batch: Histogram,
    /// From when a commit was on disk until it was published.
    pub publication: Histogram,
    /// Commits that failed.
    pub failed: AtomicU64,
    /// Octets of the data base, as of the last commit.
    pub data_base_octets: AtomicU64,
    /// Octets of its write-ahead log, as of the last commit.
    pub log_octets: AtomicU64,
}

impl Default for Writer {
    fn default() -> Self {
        Self {
            changes: Named::of(CHANGES),
            refused: Named::of(REFUSALS),
            commit: Histogram::of_durations(LONG_US),
            batch: Histogram::of_numbers(OPERATIONS),
            publication: Histogram::of_durations(SHORT_US),
            failed: AtomicU64::new(0),
            data_base_octets: AtomicU64::new(0),
            log_octets: AtomicU64::new(0),
        }
    }
}

impl Collector for Writer {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.changes
            .encode(&mut encoder, "changes", "Changes of the catalog, by kind", "kind")?;
        self.refused.encode(
            &mut encoder,
            "writer_refused",
            "Requests that the writer refused, by reason; rejected is a fault of the request",
            "reason",
        )?;
        for (name, help, histogram) in [
            (
                "commit_seconds",
                "Time of a commit: from the begin of its transaction until it was on disk",
                &self.commit,
            ),
            ("commit_operations", "Operations that one commit had", &self.batch),
            (
                "publication_seconds",
                "Time from when a commit was on disk until DNS answered from it",
                &self.publication,
            ),
        ] {
            histogram.encode(encoder.encode_descriptor(name, help, None, MetricType::Histogram)?)?;
        }
        counter(
            &mut encoder,
            "commits_failed",
            "Commits that failed, whose requests were refused",
            &self.failed,
        )?;
        for (name, help, octets) in [
            (
                "store_data_base_bytes",
                "Size of the data base, as of the last commit",
                &self.data_base_octets,
            ),
            (
                "store_log_bytes",
                "Size of the write-ahead log, as of the last commit",
                &self.log_octets,
            ),
        ] {
            gauge(&mut encoder, name, help, octets.load(Ordering::Relaxed))?;
        }
        Ok(())
    }
}
