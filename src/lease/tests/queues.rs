//! The queues: each deadline asks once, and what stands for nothing stays bounded.

use super::*;

#[test]
fn a_deadline_asks_once_and_again_after_it_was_given_back() {
    let mut bench = Bench::new();
    bench.register("a.web", leased());
    bench.advance(10_000);
    let due = bench.deadlines.take_due(10);
    assert_eq!(due.len(), 1);
    bench.advance(10_000);
    assert_eq!(bench.due(), [""; 0]);
    bench.deadlines.give_back(&due);
    assert_eq!(bench.due(), [""; 0], "a little later");
    bench.advance(1_000);
    assert_eq!(bench.due(), ["lapse a.web"]);
}

#[test]
fn a_deleted_zone_and_a_deleted_service_leave_no_deadline() {
    let mut bench = Bench::new();
    bench.register("a.web", leased().tags("v1"));
    bench.register("a.api", leased().tags("v1"));
    bench.commit(deregister("a.api"));
    bench.commit(Change::DeleteService {
        zone: zone(ZONE),
        service: service("web"),
    });
    assert_eq!(bench.renew("a.web"), Renewal::None);
    bench.commit(Change::DeleteZone { zone: zone(ZONE) });
    bench.advance(100_000_000);
    assert_eq!(bench.due(), [""; 0]);
    assert_eq!(bench.deadlines.next(), None);
}

#[test]
fn a_stale_entry_of_a_former_life_does_not_end_the_next() {
    let mut bench = Bench::new();
    bench.register("a.web", leased());
    bench.commit(deregister("a.web"));
    bench.advance(5_000);
    bench.register("a.web", leased());
    bench.advance(5_000);
    assert_eq!(bench.expire(), [""; 0]);
    bench.advance(5_000);
    assert_eq!(bench.expire(), ["lapse a.web"]);
}

#[test]
fn stale_entries_stay_bounded() {
    let mut bench = Bench::new();
    bench.register("keep.web", leased());
    for _ in 0..3 * STALE_MAX {
        bench.register("a.web", leased().lease(86_400_000));
        bench.commit(deregister("a.web"));
        bench.register("u.web", at("192.0.2.1").tags("t"));
        bench.commit(deregister("u.web"));
    }
    let queued: usize = bench
        .deadlines
        .shards
        .iter()
        .map(|shard| locked(shard).queue.len())
        .sum();
    // Both keys fall into some shard; each is compacted by itself.
    assert!(queued <= 2 * (STALE_MAX + 4), "{queued}");
    let forgetting = locked(&bench.deadlines.forgetting).queue_len();
    assert!(forgetting <= STALE_MAX + 4, "{forgetting}");
    // Renewals queue nothing.
    for _ in 0..1_000 {
        bench.renew("keep.web");
    }
    bench.advance(10_000);
    assert_eq!(bench.due(), ["lapse keep.web"]);
}

#[test]
fn stale_entries_of_changing_leases_and_drains_stay_bounded() {
    let mut bench = Bench::new();
    bench.register("a.web", at("192.0.2.1"));
    for round in 0..6 * STALE_MAX as u64 {
        // Each deadline is earlier than the one before.
        bench.commit(drain("a.web", true, Some(delay(100_000_000 - round))));
    }
    let queued: usize = bench
        .deadlines
        .shards
        .iter()
        .map(|shard| locked(shard).queue.len())
        .sum();
    assert!(queued <= STALE_MAX + 8, "{queued}");
    assert_eq!(
        bench.remove_at_ms("a.web"),
        Some(100_000_000 + 1 - 6 * STALE_MAX as i64)
    );
}

#[test]
fn what_is_due_is_taken_in_portions() {
    let mut bench = Bench::new();
    for number in 0..100 {
        bench.register(&format!("i{number}.web"), leased());
    }
    bench.advance(10_000);
    let mut taken = BTreeSet::new();
    for _ in 0..5 {
        let due = bench.deadlines.take_due(20);
        assert_eq!(due.len(), 20);
        taken.extend(words(&due));
    }
    assert_eq!(taken.len(), 100);
    assert_eq!(bench.due(), [""; 0]);
}
