//! Lapses of the last minute, in a bounded space.

use crate::clock::Running;

use super::WINDOW;

/// Seconds that are told apart: a lapse counts for the whole of [`WINDOW`], and up to a second longer.
const SECONDS: usize = WINDOW.as_secs() as usize + 1;

/// How many lapses there were in each of the last seconds. Empty, it has no memory of its own.
#[derive(Debug, Default)]
pub(super) struct Window {
    counts: Option<Box<[u32; SECONDS]>>,
    sum: usize,
    /// The second that was counted in last.
    last: u64,
    /// When it was empty for the last time: what lapsed before is not in it.
    began: Running,
}

fn second(at: Running) -> u64 {
    at.since(Running::START).as_secs()
}

impl Window {
    /// How many there were.
    pub(super) fn sum(&mut self, now: Running) -> usize {
        self.forget(second(now));
        self.sum
    }

    /// One more.
    pub(super) fn add(&mut self, now: Running) {
        let second = second(now);
        self.forget(second);
        if self.sum == 0 {
            self.began = now;
        }
        let counts = self.counts.get_or_insert_with(|| Box::new([0; SECONDS]));
        counts[second as usize % SECONDS] += 1;
        self.sum += 1;
        self.last = second;
    }

    /// One that was counted `at` is none after all.
    pub(super) fn remove(&mut self, at: Running) {
        let second = second(at);
        if at < self.began || second + SECONDS as u64 <= self.last {
            return;
        }
        if let Some(counts) = &mut self.counts
            && let Some(fewer) = counts[second as usize % SECONDS].checked_sub(1)
        {
            counts[second as usize % SECONDS] = fewer;
            self.sum -= 1;
        }
    }

    /// Drops the seconds that have gone out of it.
    fn forget(&mut self, now: u64) {
        let Some(counts) = &mut self.counts else { return };
        let passed = now.saturating_sub(self.last).min(SECONDS as u64);
        for second in self.last + 1..=self.last + passed {
            self.sum -= std::mem::take(&mut counts[second as usize % SECONDS]) as usize;
        }
        self.last = self.last.max(now);
        if self.sum == 0 {
            self.counts = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at_ms(ms: u64) -> Running {
        Running::START + Duration::from_millis(ms)
    }

    #[test]
    fn a_lapse_counts_for_a_minute_and_no_more_than_a_second_longer() {
        let mut window = Window::default();
        window.add(at_ms(500));
        window.add(at_ms(900));
        window.add(at_ms(30_000));
        assert_eq!(window.sum(at_ms(60_900)), 3);
        assert_eq!(window.sum(at_ms(61_900)), 1);
        assert_eq!(window.sum(at_ms(91_000)), 0);
        assert!(window.counts.is_none(), "an empty one takes no room");
    }

    #[test]
    fn a_lapse_that_was_undone_does_not_count() {
        let mut window = Window::default();
        window.add(at_ms(1_000));
        window.add(at_ms(2_000));
        window.remove(at_ms(1_000));
        assert_eq!(window.sum(at_ms(2_000)), 1);
        window.remove(at_ms(1_000));
        assert_eq!(window.sum(at_ms(2_000)), 1, "there is none at that time");
    }

    #[test]
    fn what_lapsed_before_it_was_empty_takes_nothing_out_of_it() {
        let mut window = Window::default();
        window.add(at_ms(1_000));
        window = Window::default();
        window.add(at_ms(1_500));
        window.remove(at_ms(1_000));
        assert_eq!(window.sum(at_ms(1_500)), 1);
        // A second so long ago that another has its place.
        window.add(at_ms(62_000 + 1_600));
        window.remove(at_ms(1_500));
        assert_eq!(window.sum(at_ms(63_600)), 1);
    }
}
