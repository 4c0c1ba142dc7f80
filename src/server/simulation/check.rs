//! What is held against the model.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::draw::{self, Draw};
use super::model::leases::Leases;
use super::model::{After, Logged, Model};
use super::world::World;
use crate::answer::tests::wire::{Resolver, agrees};
use crate::catalog::tests::oracle;
use crate::catalog::{Image, Record, State};
use crate::clock::{Running, Timestamp};
use crate::feed::Feed;
use crate::store::HistoryError;
use crate::view::Snapshot;

/// Names that are asked for after a step, and after one that is looked at closely.
const ASKED: [usize; 2] = [3, 12];

/// What a reader of the API is shown. Not compared: until when caches hold records, which only drains show.
pub(super) fn catalog(state: &State, model: &Model) {
    assert_eq!(state.index, model.index, "the index");
    assert!(
        state.zones.keys().eq(model.zones.keys()),
        "zones: {:?}",
        state.zones
    );
    let retired = state.retired.iter().map(|(name, serial)| (name.clone(), *serial));
    assert!(retired.eq(model.retired.clone()), "serials of deleted zones");
    for ((name, got), wanted) in state.zones.iter().zip(model.zones.values()) {
        assert_eq!(got.settings, wanted.settings, "settings of {name}");
        assert_eq!(got.base, wanted.base, "base of {name}");
        assert_eq!(got.serial, wanted.serial, "serial of {name}");
        assert_eq!(got.index, wanted.index, "index of {name}");
        assert_eq!(got.created_at, wanted.created_at, "{name}");
        assert!(
            got.services.iter().map(|it| &it.name).eq(wanted.services.keys()),
            "services of {name}"
        );
        let mut instances = 0;
        for (got, (service, wanted)) in got.services.iter().zip(&wanted.services) {
            assert_eq!(got.settings(), &wanted.settings, "settings of {service}.{name}");
            assert_eq!(got.index, wanted.index, "index of {service}.{name}");
            assert_eq!(got.created_at, wanted.created_at, "{service}.{name}");
            let lingering = got.lingering().iter().map(|it| (&it.name, &it.since));
            assert!(
                lingering.eq(&wanted.lingering),
                "names of {service}.{name}: {:?}",
                got.lingering()
            );
            assert_eq!(
                got.instances.len(),
                wanted.instances.len(),
                "instances of {service}.{name}"
            );
            for (got, (id, wanted)) in got.instances.iter().zip(&wanted.instances) {
                assert_eq!(**got, wanted.shown(id), "{id}.{service}.{name}");
                assert_eq!(
                    got.is_answerable(),
                    wanted.is_answerable(),
                    "{id}.{service}.{name}"
                );
            }
            instances += got.instances.len() as u64;
        }
        assert_eq!(got.instances, instances, "instances of {name}");
    }
}

/// What is shown of deadlines and of the guard.
pub(super) fn deadlines(world: &World, model: &Model, leases: &Leases, wall: Timestamp) {
    let on_wall = |ms: u64| {
        let ahead = ms as i64 - leases.now as i64;
        Timestamp::from_unix_ms(wall.unix_ms() + ahead)
    };
    for key in draw::keys(model) {
        let (got, wanted) = (
            world.deadlines.lease_expires_at(&key),
            leases.ends(&key).map(on_wall),
        );
        assert_eq!(
            got,
            wanted,
            "when the lease of {key} ends: {:?}",
            leases.leases.get(&key)
        );
        let (got, wanted) = (world.deadlines.remove_at(&key), leases.removed(&key).map(on_wall));
        assert_eq!(got, wanted, "when {key} is removed");
    }
    assert_eq!(world.clock.now(), wall);
    for zone in model.zones.keys() {
        let got = world.deadlines.guard_of(zone);
        if leases.guards.is_off {
            assert_eq!(got.holds, None);
            continue;
        }
        let running = |ms: u64| Running::START + std::time::Duration::from_millis(ms);
        let wanted = leases.guards.zones.get(zone).cloned().unwrap_or_default();
        assert_eq!(got.leases, leases.running(zone), "leases of {zone} that run");
        assert_eq!(
            got.lapsed,
            wanted.lapsed(leases.now),
            "leases of {zone} that lapsed of late"
        );
        let holds = wanted
            .since
            .map(|since| (running(since), running(since + leases.guards.hold_max)));
        assert_eq!(got.holds, holds, "whether the guard of {zone} holds");
        let held = got
            .held
            .iter()
            .flat_map(|(service, held)| held.instances.iter().map(move |id| (service, id)));
        let wanted = wanted.held.keys().map(|key| (&key.service, &key.id));
        assert!(held.eq(wanted), "what the guard of {zone} holds: {:?}", got.held);
    }
}

/// The published state is the one that a start would load, and its view one that is laid out anew.
pub(super) fn store(world: &mut World) {
    let mut loaded = world.writer.store().load_again();
    let published = world.current.snapshot();
    loaded.base = published.state.base.clone();
    assert_eq!(loaded, published.state, "what is on disk, and what is published");
}

/// What DNS says: of all names of a zone, or of some.
pub(super) fn answers(
    draw: &mut Draw,
    resolver: &mut Resolver,
    world: &World,
    model: &Model,
    is_thorough: bool,
) {
    if model.zones.is_empty() || !is_thorough && !draw.one_in(4) {
        return;
    }
    let names: Vec<_> = model.zones.keys().cloned().collect();
    let name = draw.pick(&names);
    let state = model.shown();
    let table = oracle::table(&state, &state.zones[&name]);
    let published = world.current.snapshot();
    resolver.snapshot = published.clone();
    let mut owners: Vec<&String> = table.keys().collect();
    draw.rng.shuffle(&mut owners);
    owners.truncate(ASKED[usize::from(is_thorough)]);
    // A name that the longest zone of another name has is not asked of this one.
    let is_of_another = |owner: &str| {
        model.zones.keys().any(|other| {
            *other != name
                && other.as_str().len() > name.as_str().len()
                && (owner == other.as_str() || owner.ends_with(&format!(".{other}")))
        })
    };
    for owner in owners.into_iter().filter(|owner| !is_of_another(owner)) {
        for qtype in [oracle::A, oracle::SRV, oracle::PTR] {
            agrees(resolver, &table, name.as_str(), owner, qtype).unwrap_or_else(|why| panic!("{why}"));
        }
    }
    if is_thorough {
        agrees(resolver, &table, name.as_str(), name.as_str(), oracle::SOA)
            .unwrap_or_else(|why| panic!("{why}"));
        // The same of a snapshot that is laid out anew.
        let owner = draw.pick(&table.keys().collect::<Vec<_>>());
        if !is_of_another(owner) {
            resolver.snapshot = Arc::new(Snapshot::of(published.state.clone()));
            agrees(resolver, &table, name.as_str(), owner, oracle::A).unwrap_or_else(|why| panic!("{why}"));
        }
    }
}

/// What was told of changes since the last time: all of them, once, in order.
pub(super) fn feed(feed: &Feed, model: &Model, followed: &mut u64) {
    let mut next = pin!(feed.next());
    let mut context = Context::from_waker(Waker::noop());
    let Poll::Ready(taken) = next.as_mut().poll(&mut context) else {
        assert_eq!(*followed, model.index, "changes that nobody was told of");
        return;
    };
    assert!(!taken.is_torn, "it is far below its bound");
    for change in &taken.changes {
        *followed += 1;
        is_as_logged(&change.record, &change.by, &model.log[*followed as usize - 1]);
    }
    assert_eq!((*followed, taken.index), (model.index, model.index));
}

/// The change log after some index, or that it is not kept; whether it is.
pub(super) fn history(draw: &mut Draw, world: &World, model: &Model) -> bool {
    let after = draw.rng.u64(..=model.index);
    let most = draw.rng.usize(1..20);
    let mut read = Vec::new();
    let outcome = world.history.read(after, model.index, |logged| {
        read.push(logged);
        read.len() < most
    });
    match outcome {
        Err(HistoryError::Gone { oldest }) => {
            assert_eq!(oldest, model.oldest, "the oldest change that is kept");
            assert!(after + 1 < oldest, "changes after {after} are kept");
            false
        }
        Err(HistoryError::Failed(why)) => panic!("the change log cannot be read: {why}"),
        Ok(last) => {
            assert!(after + 1 >= model.oldest, "changes after {after} are not kept");
            let wanted = most.min((model.index - after) as usize);
            assert_eq!(
                (last, read.len()),
                (after + wanted as u64, wanted),
                "changes after {after}"
            );
            for (logged, wanted) in read.iter().zip(&model.log[after as usize..]) {
                is_as_logged(&logged.record, &logged.actor, wanted);
            }
            true
        }
    }
}

fn is_as_logged(record: &Record, by: &Arc<str>, wanted: &Logged) {
    let after = match &record.after {
        Image::Absent => After::Gone,
        Image::Zone(zone) => After::Zone(zone.settings.clone(), zone.serial),
        Image::Service(service) => After::Service(service.settings().clone(), service.index),
        Image::Instance(instance) => After::Instance((**instance).clone()),
    };
    let got = Logged {
        index: record.index,
        at: record.at,
        kind: record.kind,
        zone: record.zone.clone(),
        service: record.service.clone(),
        id: record.id.clone(),
        after,
        by: by.clone(),
    };
    assert_eq!(got, *wanted, "a change as it is told");
}
