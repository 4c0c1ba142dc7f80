use super::*;

use std::time::Duration;

use crate::catalog::{Image, Kind, Record, ServiceName, ZoneName};
use crate::clock::Timestamp;

fn zone(number: usize) -> ZoneName {
    ZoneName::parse(&format!("z{number}.internal")).expect("a zone")
}

fn service(number: usize) -> ServiceName {
    ServiceName::parse(&format!("s{number}")).expect("a label")
}

fn record(index: u64, zone: ZoneName, service: Option<ServiceName>) -> Record {
    Record {
        index,
        at: Timestamp::default(),
        kind: if service.is_some() {
            Kind::Service
        } else {
            Kind::Zone
        },
        zone,
        service,
        id: None,
        before: Image::Absent,
        after: Image::Absent,
        serials: Vec::new(),
    }
}

fn commit(feed: &Feed, record: &Record) {
    let by: Arc<str> = "test".into();
    feed.committed(record.index, std::iter::once((record, &by)));
}

async fn told(hub: &Hub, feed: &Feed) {
    // There may be nothing to tell.
    if let Ok(taken) = tokio::time::timeout(Duration::ZERO, feed.next()).await {
        for topic in hub.tell(taken) {
            (0..).take_while(|number| topic.ring(*number)).for_each(drop);
        }
    }
}

#[tokio::test]
async fn what_the_ring_holds_is_bounded_also_where_a_change_has_many_topics() {
    const OCTETS: usize = 1 << 20;
    const TOPICS: usize = 2000;
    let feed = Arc::new(Feed::new(0));
    let hub = Arc::new(Hub::within(feed.clone(), 10_000, OCTETS));
    let mut followers: Vec<_> = (0..TOPICS)
        .map(|number| hub.follow(Interest::Named(service(number)), true))
        .collect();
    // That a zone goes is told to whoever follows a service in it, and these do in each.
    for index in 1..=500 {
        commit(&feed, &record(index, zone(0), None));
        told(&hub, &feed).await;
    }
    let pointers = || {
        hub.state()
            .ring
            .iter()
            .map(|held| held.topics.len())
            .sum::<usize>()
    };
    // Two of each: the change in the topic, and the topic beside the change.
    let octets = pointers() * 2 * size_of::<usize>();
    assert!(octets <= OCTETS, "{octets} octets of pointers");
    assert!(pointers() >= TOPICS, "the latest is there");
    for follower in &mut followers {
        assert!(matches!(follower.take(64), Err(Behind(left)) if left < 500));
    }
}

/// Any order of commits, tellings, of those who come, take and go, with a queue that overflows and a ring that is small:
/// what one takes, together with the log for what is not here any more, is the log.
async fn run(seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let feed = Arc::new(Feed::new(0));
    let bound = random.usize(1..20);
    let hub = Arc::new(Hub::within(feed.clone(), bound, 1 << 20));
    let mut log: Vec<Record> = Vec::new();
    let mut followers: Vec<(Follower, u64, Vec<u64>)> = Vec::new();
    for _ in 0..random.usize(50..400) {
        match random.u32(..20) {
            0..6 => {
                let index = log.len() as u64 + 1;
                let service = (random.u32(..4) > 0).then(|| service(random.usize(..3)));
                let mut record = record(index, zone(random.usize(..2)), service);
                if record.service.is_none() && random.bool() {
                    // Of the zone, and none that removes it.
                    record.kind = Kind::ZoneFile;
                }
                commit(&feed, &record);
                log.push(record);
            }
            6..10 => told(&hub, &feed).await,
            10 if random.u32(..4) == 0 => {
                // As when the queue was full.
                let index = log.len() as u64;
                let changes = Vec::new();
                let torn = Taken {
                    changes,
                    index,
                    is_torn: true,
                };
                drop(hub.tell(torn));
            }
            11 => {
                let zone = random.bool().then(|| zone(random.usize(..2)));
                let service = random.bool().then(|| service(random.usize(..3)));
                let mut follower = hub.follow(Interest::of(zone, service), random.bool());
                let from = match random.bool() {
                    true => follower.seen(),
                    false => random.u64(..=log.len() as u64),
                };
                follower.go_on_from(from);
                followers.push((follower, from, Vec::new()));
            }
            12 if !followers.is_empty() => {
                followers.swap_remove(random.usize(..followers.len()));
            }
            _ if !followers.is_empty() => {
                let at = random.usize(..followers.len());
                let max = random.usize(1..5);
                take(&mut followers[at], &log, max);
            }
            _ => {}
        }
    }
    told(&hub, &feed).await;
    for mut one in followers {
        while take(&mut one, &log, 3) {}
        let (follower, from, taken) = one;
        let wanted = log.iter().filter(|record| follower.interest().has(record));
        let wanted = wanted.map(|record| record.index).filter(|index| *index > from);
        assert_eq!(
            taken,
            wanted.collect::<Vec<_>>(),
            "{:?} after {from}",
            follower.interest()
        );
    }
}

/// Takes as a watcher does; whether there was something.
fn take((follower, _, taken): &mut (Follower, u64, Vec<u64>), log: &[Record], max: usize) -> bool {
    match follower.take(max) {
        Ok(new) => {
            taken.extend(new.iter().map(|told| told.index()));
            !new.is_empty()
        }
        Err(Behind(until)) => {
            let seen = follower.seen();
            assert!(until > seen && until <= log.len() as u64, "{until} after {seen}");
            let lost = log
                .iter()
                .filter(|record| record.index > seen && record.index <= until);
            let lost = lost.filter(|record| follower.interest().has(record));
            taken.extend(lost.map(|record| record.index));
            follower.go_on_from(until);
            true
        }
    }
}

#[tokio::test]
async fn whatever_order_things_come_in_what_one_takes_is_the_log() {
    for seed in 0..500 {
        let ended = tokio::spawn(run(seed)).await;
        assert!(ended.is_ok(), "seed {seed}");
    }
}

#[tokio::test]
async fn who_looked_before_a_change_is_woken_by_it() {
    let feed = Arc::new(Feed::new(0));
    let hub = Arc::new(Hub::within(feed.clone(), 10, 1 << 20));
    let mut follower = hub.follow(Interest::All, true);
    let mut other = hub.follow(Interest::Zone(zone(1)), true);
    for index in 1..=3 {
        assert!(follower.take(64).expect("it is there").is_empty());
        // Told between looking and waiting.
        commit(&feed, &record(index, zone(0), None));
        told(&hub, &feed).await;
        let woken = tokio::time::timeout(Duration::from_secs(20), follower.rung()).await;
        assert!(woken.is_ok());
        assert_eq!(follower.take(64).expect("it is there").len(), 1);
    }
    let woken = tokio::time::timeout(Duration::from_millis(20), other.rung()).await;
    assert!(woken.is_err(), "nothing of its own came");
}
