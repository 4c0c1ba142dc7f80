//! A histogram whose every observation is a few atomic additions: no lock, no allocation.
//!
//! The crate that writes the text has one behind a lock, which is no place for a worker that answers questions.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::encoding::{MetricEncoder, NoLabelSet};

/// Bounds for what is over in microseconds to milliseconds: an answer, a publication.
pub(super) const SHORT_US: &[u64] = &[
    5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 100_000,
];
/// Bounds for what waits for a disk or for others: a commit, a request.
pub(super) const LONG_US: &[u64] = &[
    50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    2_500_000, 5_000_000,
];
/// Bounds for how many operations were done together.
pub(super) const OPERATIONS: &[u64] = &[1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048];

/// How often something took how long, or was how large.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [u64],
    /// One for each bound, and one for what is beyond all of them.
    counts: Box<[AtomicU64]>,
    sum: AtomicU64,
    /// How many units of the bounds make one of the unit that is shown. It divides: 5 / 10⁶ is the number nearest to
    /// 0.000005, and shown as such; 5 × 10⁻⁶ is another.
    per_shown: f64,
}

impl Histogram {
    /// Of durations, which are shown in seconds; the bounds are microseconds.
    pub(super) fn of_durations(bounds_us: &'static [u64]) -> Self {
        Self::new(bounds_us, 1e6)
    }

    /// Of numbers.
    pub(super) fn of_numbers(bounds: &'static [u64]) -> Self {
        Self::new(bounds, 1.0)
    }

    fn new(bounds: &'static [u64], per_shown: f64) -> Self {
        Self {
            bounds,
            counts: (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect(),
            sum: AtomicU64::new(0),
            per_shown,
        }
    }

    /// Notes that something took so long.
    pub fn took(&self, duration: Duration) {
        self.observe(us(duration));
    }

    /// Notes a number.
    pub fn observe(&self, value: u64) {
        self.count(value).fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    /// Notes that each of `times` took so long. Only the thread that this histogram was made for may call it: others
    /// would lose counts.
    #[inline]
    pub(super) fn took_alone(&self, duration: Duration, times: u64) {
        let value = us(duration);
        let add = |to: &AtomicU64, more: u64| to.store(to.load(Ordering::Relaxed) + more, Ordering::Relaxed);
        add(self.count(value), times);
        add(&self.sum, value.saturating_mul(times));
    }

    fn count(&self, value: u64) -> &AtomicU64 {
        &self.counts[self.bounds.partition_point(|bound| *bound < value)]
    }

    pub(super) fn encode(&self, encoder: MetricEncoder<'_>) -> fmt::Result {
        Self::encode_sum([self].into_iter(), encoder)
    }

    /// All of them together, as one. They have the same bounds.
    pub(super) fn encode_sum<'h>(
        histograms: impl Iterator<Item = &'h Self> + Clone,
        mut encoder: MetricEncoder<'_>,
    ) -> fmt::Result {
        let Some(first) = histograms.clone().next() else {
            return Ok(());
        };
        let sum = |each: &dyn Fn(&Self) -> u64| histograms.clone().map(each).sum::<u64>();
        let bounds = first.bounds.iter().map(|bound| *bound as f64 / first.per_shown);
        let counts = (0..first.counts.len()).map(|at| sum(&|one| one.counts[at].load(Ordering::Relaxed)));
        let buckets: Vec<(f64, u64)> = bounds.chain([f64::INFINITY]).zip(counts).collect();
        let total = sum(&|one| one.sum.load(Ordering::Relaxed)) as f64 / first.per_shown;
        let count = buckets.iter().map(|(_, count)| count).sum();
        encoder.encode_histogram::<NoLabelSet>(total, count, &buckets, None)
    }
}

fn us(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(histogram: &Histogram) -> Vec<u64> {
        histogram
            .counts
            .iter()
            .map(|count| count.load(Ordering::Relaxed))
            .collect()
    }

    #[test]
    fn a_value_counts_under_the_first_bound_that_is_not_below_it() {
        let histogram = Histogram::of_numbers(&[1, 10]);
        for value in [0, 1, 2, 10, 11, u64::MAX / 2] {
            histogram.observe(value);
        }
        assert_eq!(counts(&histogram), [2, 2, 2]);
    }

    #[test]
    fn what_one_thread_notes_counts_as_often_as_it_says() {
        let histogram = Histogram::of_durations(SHORT_US);
        histogram.took_alone(Duration::from_micros(30), 64);
        histogram.took(Duration::from_micros(40));
        assert_eq!(counts(&histogram)[3], 65);
        assert_eq!(histogram.sum.load(Ordering::Relaxed), 30 * 64 + 40);
    }
}
