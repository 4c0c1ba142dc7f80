//! Reads that wait (`?index=N&wait=30s`): answered once what they show has changed after N, or when the wait is over.
//!
//! What counts is what is shown: a change that a filter hides wakes nobody. Whether there was one between N and now is
//! read off the snapshot where that tells, and from the change log where it does not; from then on each change of the
//! service or zone is looked at as it comes. The one thing that is not looked at is `limit`: a change behind the end of
//! a page answers, too.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::catalog::{Image, Instance, Record, ServiceName, State, ZoneName};

use super::call::Call;
use super::follow::How;
use super::problem::Problem;
use super::query::{Wait, Window};
use super::router::Api;
use super::watch::{Interest, removes_zone};

/// Changes of the log that are looked at to learn whether one of them was shown; past it the read is answered.
const LOOKED_AT_MAX: usize = 10_000;
/// Changes that are taken from the broadcast in one go.
const TAKEN_MAX: usize = 64;
/// A wait is longer by up to this part of it, drawn anew each time, so that those who began together do not all come
/// again together. As Consul does.
const JITTER_PART: u32 = 16;

/// What a read shows.
#[derive(Debug)]
pub(super) struct View<'a> {
    pub(super) zone: &'a ZoneName,
    pub(super) shows: Shows<'a>,
}

#[derive(Debug)]
pub(super) enum Shows<'a> {
    /// A service with its instances.
    Service(&'a ServiceName),
    /// Those instances of a service that are chosen.
    Instances(&'a ServiceName, &'a Chosen),
    /// The services of a zone with their counts.
    Services(&'a Window),
}

/// Which instances of a service are shown.
#[derive(Debug)]
pub(super) struct Chosen {
    pub(super) answerable: bool,
    /// In lower case.
    pub(super) tags: BTreeSet<String>,
    pub(super) window: Window,
}

impl Chosen {
    /// Whether `instance` is, the window aside. Tags are compared as the DNS does, so that this list and `v2.web.Z`
    /// show the same.
    pub(super) fn has(&self, instance: &Instance) -> bool {
        (!self.answerable || instance.is_answerable())
            && self.tags.iter().all(|tag| instance.has_tag_label(tag))
    }

    fn shows(&self, image: &Image) -> bool {
        match image {
            Image::Instance(instance) => self.window.has(instance.id.as_str()) && self.has(instance),
            _ => false,
        }
    }
}

/// Waits as `wait` says until what `view` shows has changed. The caller then shows what there is.
pub(super) async fn until_changed(
    api: &Api,
    call: &Call,
    wait: Wait,
    view: &View<'_>,
) -> Result<(), Problem> {
    let Wait { after, limit } = wait;
    if after > api.index() || limit.is_zero() || api.current.load().state.zone(view.zone).is_err() {
        return Ok(());
    }
    let followed = api.places.take(call, How::Waits)?;
    let mut follower = api.hub.follow(view.interest(), false);
    // Later than the follower began: nothing comes between.
    let (index, is_absent, told) = {
        let snapshot = api.current.load();
        let state = &snapshot.state;
        (
            state.index,
            view.is_absent(state),
            view.changed_since(state, after),
        )
    };
    match told {
        Some(true) => return Ok(()),
        Some(false) => {}
        None => {
            if changed_in_log(api, view, is_absent, after, index).await {
                return Ok(());
            }
        }
    }
    follower.go_on_from(index);
    let jitter = fastrand::u64(0..=ms(limit / JITTER_PART));
    let over = tokio::time::sleep(limit + Duration::from_millis(jitter));
    let mut over = std::pin::pin!(over);
    while !follower.is_over() {
        let Ok(new) = follower.take(TAKEN_MAX) else {
            // So many changes at once that some were missed here.
            break;
        };
        if new
            .iter()
            .any(|told| view.is_changed_by(&told.change.record, is_absent))
        {
            break;
        }
        if new.is_empty() {
            tokio::select! {
                () = follower.rung() => {}
                () = over.as_mut() => break,
            }
        }
    }
    drop(followed);
    Ok(())
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Whether a change after `after`, up to `until`, altered what is shown. If that cannot be known, it did.
async fn changed_in_log(api: &Api, view: &View<'_>, is_absent: bool, after: u64, until: u64) -> bool {
    // The log is read elsewhere, and what it is held against is borrowed: the changes of this interest come here.
    let interest = view.interest();
    let mut from = after;
    let mut looked_at = 0;
    while from < until {
        let interest = interest.clone();
        let read = api.past.read(move |history| {
            let mut found = Vec::new();
            let mut seen = 0;
            let last = history.read(from, until, |logged| {
                seen += 1;
                if interest.has(&logged.record) {
                    found.push(logged.record);
                }
                found.len() < TAKEN_MAX && seen < LOOKED_AT_MAX
            })?;
            Ok((found, last))
        });
        let Ok((found, last)) = read.await else {
            return true;
        };
        if found.iter().any(|record| view.is_changed_by(record, is_absent)) {
            return true;
        }
        looked_at += usize::try_from(last - from).unwrap_or(usize::MAX);
        if looked_at >= LOOKED_AT_MAX || last == from {
            return true;
        }
        from = last;
    }
    false
}

impl View<'_> {
    fn interest(&self) -> Interest {
        let service = match self.shows {
            Shows::Service(service) | Shows::Instances(service, _) => Some(service.clone()),
            Shows::Services(_) => None,
        };
        Interest::of(Some(self.zone.clone()), service)
    }

    /// Whether the service that it shows does not exist.
    fn is_absent(&self, state: &State) -> bool {
        match self.shows {
            Shows::Service(service) | Shows::Instances(service, _) => {
                state.service(self.zone, service).is_err()
            }
            Shows::Services(_) => false,
        }
    }

    /// Whether what it shows of `state` has changed after the index `after`, if the state tells.
    fn changed_since(&self, state: &State, after: u64) -> Option<bool> {
        if after >= state.index {
            return Some(false);
        }
        let service = |name| state.service(self.zone, name).ok();
        match self.shows {
            Shows::Services(_) => None,
            Shows::Service(name) => service(name).map(|service| service.index > after),
            Shows::Instances(name, chosen) => {
                let service = service(name)?;
                if service.index <= after {
                    return Some(false);
                }
                let mut new = service.instances.iter().filter(|instance| instance.index > after);
                new.any(|instance| chosen.window.has(instance.id.as_str()) && chosen.has(instance))
                    .then_some(true)
            }
        }
    }

    /// Whether `record`, a change of its interest, alters what it shows, where its service was absent or not.
    fn is_changed_by(&self, record: &Record, is_absent: bool) -> bool {
        if is_absent || removes_zone(record) {
            return true;
        }
        let comes_or_goes = (record.before == Image::Absent) != (record.after == Image::Absent);
        match (&self.shows, &record.id) {
            (Shows::Service(_), _) => true,
            (Shows::Instances(_, chosen), Some(_)) => {
                chosen.shows(&record.before) || chosen.shows(&record.after)
            }
            (Shows::Instances(..), None) => comes_or_goes,
            (Shows::Services(window), id) => {
                let Some(service) = &record.service else {
                    return false;
                };
                window.has(service.as_str())
                    && match id {
                        Some(_) => counts(&record.before) != counts(&record.after),
                        None => comes_or_goes,
                    }
            }
        }
    }
}

/// What an instance adds to the counts of its service.
fn counts(image: &Image) -> Option<(crate::catalog::Status, bool, bool)> {
    match image {
        Image::Instance(instance) => Some((
            instance.status(),
            instance.drain().is_some(),
            instance.is_answerable(),
        )),
        _ => None,
    }
}
