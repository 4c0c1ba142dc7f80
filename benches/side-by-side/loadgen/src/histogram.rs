//! Times by their number, to 3 % of each.

use crate::arguments::Json;

/// Buckets to each power of two.
const STEPS: usize = 32;
/// log2 of it.
const STEP_BITS: u32 = STEPS.trailing_zeros();

/// How often each time was seen, in nanoseconds.
pub struct Histogram {
    buckets: Vec<u64>,
    count: u64,
    sum_ns: u64,
    max_ns: u64,
}

impl Histogram {
    /// With nothing seen.
    pub fn new() -> Self {
        Self {
            buckets: vec![0; 64 * STEPS],
            count: 0,
            sum_ns: 0,
            max_ns: 0,
        }
    }

    /// One more.
    pub fn add(&mut self, ns: u64) {
        let at_least = ns.max(STEPS as u64);
        let power = 63 - at_least.leading_zeros();
        let step = (at_least >> (power - STEP_BITS)) as usize & (STEPS - 1);
        self.buckets[power as usize * STEPS + step] += 1;
        self.count += 1;
        self.sum_ns += ns;
        self.max_ns = self.max_ns.max(ns);
    }

    /// What another thread saw.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.buckets.iter_mut().zip(&other.buckets) {
            *mine += theirs;
        }
        self.count += other.count;
        self.sum_ns += other.sum_ns;
        self.max_ns = self.max_ns.max(other.max_ns);
    }

    /// The time that `part` of them did not exceed, in microseconds: the middle of its bucket.
    pub fn quantile_us(&self, part: f64) -> f64 {
        let wanted = (self.count as f64 * part).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (at, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                let width = (1_u64 << (at / STEPS)) as f64 / STEPS as f64;
                let low = (STEPS + at % STEPS) as f64 * width;
                return (low + width / 2.0).min(self.max_ns as f64) / 1000.0;
            }
        }
        f64::NAN
    }

    /// Its figures as fields `<name>_mean_us` and so on; none if nothing was seen.
    pub fn write(&self, json: Json, name: &str) -> Json {
        if self.count == 0 {
            return json;
        }
        json.number(
            &format!("{name}_mean_us"),
            self.sum_ns as f64 / self.count as f64 / 1000.0,
        )
        .number(&format!("{name}_p50_us"), self.quantile_us(0.5))
        .number(&format!("{name}_p99_us"), self.quantile_us(0.99))
        .number(&format!("{name}_max_us"), self.max_ns as f64 / 1000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_near_what_was_seen() {
        let mut times = Histogram::new();
        (1..=1000_u64).for_each(|us| times.add(us * 1000));
        for (part, wanted_us) in [(0.5, 500.0), (0.99, 990.0), (1.0, 1000.0)] {
            let found = times.quantile_us(part);
            assert!((found - wanted_us).abs() < wanted_us * 0.04, "{part}: {found}");
        }
    }
}
