//! How many instances there are, by zone and by how they are: kept up with each change, so that showing them costs
//! nothing for the size of the catalog.
//!
//! The catalog that a start read is counted once, beside serving; until that is done nothing is shown. Labels are zones,
//! of which there are at most 1,000 (`catalog::limits::ZONES_MAX`).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;

use super::{Collector, DescriptorEncoder, EncodeMetric};

/// Instances by what can be said of one. Of a change it is a difference, so it may be below zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// By status.
    pub passing: i64,
    /// By status.
    pub warning: i64,
    /// By status.
    pub critical: i64,
    /// Those that drain, whatever their status.
    pub draining: i64,
    /// Those that DNS answers.
    pub answerable: i64,
    /// Those whose lease runs.
    pub running: i64,
    /// Those whose lease has lapsed.
    pub lapsed: i64,
}

impl Tally {
    /// This and `other`, `times` times.
    #[must_use]
    pub fn plus(self, other: Self, times: i64) -> Self {
        Self {
            passing: self.passing + times * other.passing,
            warning: self.warning + times * other.warning,
            critical: self.critical + times * other.critical,
            draining: self.draining + times * other.draining,
            answerable: self.answerable + times * other.answerable,
            running: self.running + times * other.running,
            lapsed: self.lapsed + times * other.lapsed,
        }
    }
}

/// The instances of each zone.
#[derive(Debug, Default)]
pub struct Instances(Mutex<Counted>);

#[derive(Debug, Default)]
struct Counted {
    zones: BTreeMap<String, Tally>,
    /// What was there at the start is in.
    is_whole: bool,
    /// Zones that were removed before that.
    gone: BTreeSet<String>,
}

/// The tallies, held.
#[derive(Debug)]
pub struct Held<'a>(MutexGuard<'a, Counted>);

impl Instances {
    /// Holds the tallies, to add to them.
    pub fn hold(&self) -> Held<'_> {
        Held(self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Held<'_> {
    /// Adds a difference, in a zone that exists.
    pub fn add(&mut self, zone: &str, tally: Tally) {
        if !self.0.is_whole {
            self.0.gone.remove(zone);
        }
        self.sum(zone, tally);
    }

    /// The zone is gone, and had no instances any more.
    pub fn remove(&mut self, zone: &str) {
        if self.0.is_whole {
            self.0.zones.remove(zone);
        } else {
            // What it had at the start is still to be added to what was taken away since.
            self.0.gone.insert(zone.to_owned());
        }
    }

    /// Adds what was there at the start, once: from then on the tallies are whole.
    pub fn begin_with<'z>(&mut self, zones: impl Iterator<Item = (&'z str, Tally)>) {
        for (zone, tally) in zones {
            self.sum(zone, tally);
        }
        for zone in std::mem::take(&mut self.0.gone) {
            self.0.zones.remove(&zone);
        }
        self.0.is_whole = true;
    }

    fn sum(&mut self, zone: &str, tally: Tally) {
        match self.0.zones.get_mut(zone) {
            Some(known) => *known = known.plus(tally, 1),
            None => drop(self.0.zones.insert(zone.to_owned(), tally)),
        }
    }

    /// What there is in `zone`, once that is known.
    pub fn of(&self, zone: &str) -> Option<Tally> {
        self.0.zones.get(zone).copied().filter(|_| self.0.is_whole)
    }
}

impl Collector for Instances {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        // A copy: the writer does not wait until all is written.
        let zones = match &self.hold().0 {
            counted if counted.is_whole => counted.zones.clone(),
            _ => return Ok(()),
        };
        let mut family = encoder.encode_descriptor(
            "instances",
            "Instances, by zone and status",
            None,
            MetricType::Gauge,
        )?;
        for (zone, tally) in &zones {
            for (status, count) in [
                ("passing", tally.passing),
                ("warning", tally.warning),
                ("critical", tally.critical),
            ] {
                let labels = [("zone", zone.as_str()), ("status", status)];
                ConstGauge::new(count).encode(family.encode_family(&labels)?)?;
            }
        }
        let mut leases = encoder.encode_descriptor(
            "leases",
            "Leases, by zone and whether they run or have lapsed",
            None,
            MetricType::Gauge,
        )?;
        for (zone, tally) in &zones {
            for (state, count) in [("running", tally.running), ("lapsed", tally.lapsed)] {
                let labels = [("zone", zone.as_str()), ("state", state)];
                ConstGauge::new(count).encode(leases.encode_family(&labels)?)?;
            }
        }
        for (name, help, count) in [
            (
                "instances_draining",
                "Instances that drain, by zone",
                (|tally| tally.draining) as fn(&Tally) -> i64,
            ),
            (
                "instances_answerable",
                "Instances that DNS answers, by zone",
                |tally| tally.answerable,
            ),
        ] {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for (zone, tally) in &zones {
                ConstGauge::new(count(tally)).encode(family.encode_family(&[("zone", zone.as_str())])?)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Tally = Tally {
        passing: 1,
        warning: 0,
        critical: 0,
        draining: 0,
        answerable: 1,
        running: 0,
        lapsed: 0,
    };

    #[test]
    fn what_changes_while_the_start_is_counted_comes_out_right() {
        let instances = Instances::default();
        let mut held = instances.hold();
        // At the start `a` has two and `b` one; meanwhile one of `a` goes, `b` goes whole, and `c` comes.
        held.add("a", Tally::default().plus(ONE, -1));
        held.add("b", Tally::default().plus(ONE, -1));
        held.remove("b");
        held.add("c", ONE);
        assert_eq!(held.of("c"), None, "nothing is said before all is known");
        held.begin_with([("a", ONE.plus(ONE, 1)), ("b", ONE)].into_iter());
        assert_eq!(
            (held.of("a"), held.of("b"), held.of("c")),
            (Some(ONE), None, Some(ONE))
        );
        held.remove("c");
        assert_eq!(held.of("c"), None);
    }
}
