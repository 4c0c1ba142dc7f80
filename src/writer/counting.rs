//! What the writer tells `/metrics` of what it did. Nothing is decided by it.

use std::sync::Arc;

use crate::catalog::{Image, Instance, Record, State, Status};
use crate::metrics::{Metrics, Tally};
use crate::view::Snapshot;

use super::Refusal;

/// Instances of a catalog that are counted at once; more are counted by a thread beside serving.
const COUNTED_AT_ONCE_MAX: u64 = 10_000;

/// Counts the instances that are there when the writer starts.
pub(super) fn count_start(snapshot: Arc<Snapshot>, metrics: &Arc<Metrics>) {
    let instances: u64 = snapshot.state.zones.values().map(|zone| zone.instances).sum();
    if instances <= COUNTED_AT_ONCE_MAX {
        return begin_with(&snapshot.state, metrics);
    }
    let metrics = metrics.clone();
    let counting = std::thread::Builder::new()
        .name("count".into())
        .spawn(move || begin_with(&snapshot.state, &metrics));
    if let Err(error) = counting {
        tracing::warn!(%error, "no thread to count the instances; /metrics does without their number");
    }
}

fn begin_with(state: &State, metrics: &Metrics) {
    let tallies: Vec<_> = state
        .zones
        .values()
        .map(|zone| {
            let instances = zone.services.iter().flat_map(|service| &service.instances);
            let tally = instances.fold(Tally::default(), |sum, instance| sum.plus(tally(instance), 1));
            (zone.name.as_str(), tally)
        })
        .collect();
    metrics.instances.hold().begin_with(tallies.into_iter());
}

/// Counts what was committed.
pub(super) fn count_changes<'r>(records: impl Iterator<Item = &'r Record>, metrics: &Metrics) {
    let mut instances = metrics.instances.hold();
    for record in records {
        metrics.writer.changes.note(record.kind.as_str(), 1);
        let zone = record.zone.as_str();
        if record.service.is_none() {
            match (&record.before, &record.after) {
                (_, Image::Absent) => instances.remove(zone),
                (Image::Absent, _) => instances.add(zone, Tally::default()),
                _ => {}
            }
        } else if record.id.is_some() {
            let before = tally_of(&record.before);
            instances.add(zone, tally_of(&record.after).plus(before, -1));
        }
    }
}

/// Counts a request that was refused.
pub(super) fn count_refusal(refusal: &Refusal, metrics: &Metrics) {
    let reason = match refusal {
        Refusal::Rejected { .. } => "rejected",
        Refusal::Busy(_) => "busy",
        Refusal::DiskFull { .. } => "disk_full",
        Refusal::ReadOnly(_) => "read_only",
        Refusal::Stopping => "stopping",
    };
    metrics.writer.refused.note(reason, 1);
}

fn tally_of(image: &Image) -> Tally {
    match image {
        Image::Instance(instance) => tally(instance),
        _ => Tally::default(),
    }
}

fn tally(instance: &Instance) -> Tally {
    let status = instance.status();
    let lapsed = instance.lapsed().is_some();
    Tally {
        passing: (status == Status::Passing).into(),
        warning: (status == Status::Warning).into(),
        critical: (status == Status::Critical).into(),
        draining: instance.drain().is_some().into(),
        answerable: instance.is_answerable().into(),
        running: (instance.lease.is_some() && !lapsed).into(),
        lapsed: lapsed.into(),
    }
}

#[cfg(test)]
mod tests {
    use crate::catalog::Kind;
    use crate::metrics::CHANGES;

    #[test]
    fn each_kind_of_change_has_a_word_that_is_counted() {
        for word in CHANGES {
            assert!(Kind::parse(word).is_some(), "{word}");
        }
        // As many words as kinds: the match below has to be completed when there is another.
        let kinds = |kind: Kind| match kind {
            Kind::Register
            | Kind::Deregister
            | Kind::Health
            | Kind::Lapse
            | Kind::Revive
            | Kind::Drain
            | Kind::Service
            | Kind::Zone
            | Kind::Forget
            | Kind::ZoneFile => 10,
        };
        assert_eq!(CHANGES.len(), kinds(Kind::Register));
    }
}
