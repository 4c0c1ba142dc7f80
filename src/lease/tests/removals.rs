//! Removals that follow a lapse or a drain.

use super::*;

#[test]
fn a_lapsed_lease_is_removed_deregister_after_later() {
    let mut bench = Bench::new();
    bench.register("a.web", leased());
    bench.advance(10_000);
    assert_eq!(bench.expire(), ["lapse a.web"]);
    assert_eq!(bench.remove_at_ms("a.web"), Some(60_000));
    bench.advance(59_999);
    assert_eq!(bench.expire(), [""; 0]);
    bench.advance(1);
    assert_eq!(bench.expire(), ["remove a.web"]);
    assert!(!bench.catalog.has("a.web"));
    assert_eq!(bench.renew("a.web"), Renewal::None);
}

#[test]
fn a_heartbeat_before_the_removal_prevents_it() {
    let mut bench = Bench::new();
    bench.register("a.web", leased());
    bench.advance(10_000);
    bench.expire();
    bench.advance(59_000);
    bench.commit(Change::Heartbeat { key: key("a.web") });
    bench.advance(9_000);
    assert_eq!(bench.expire(), [""; 0]);
    bench.advance(1_000);
    assert_eq!(bench.expire(), ["lapse a.web"]);
    assert_eq!(bench.remove_at_ms("a.web"), Some(60_000), "from this lapse");
}

#[test]
fn deregister_after_0_removes_at_once() {
    let mut bench = Bench::new();
    bench.register("a.web", leased().deregister_after(0));
    bench.advance(10_000);
    assert_eq!(bench.expire(), ["lapse a.web"]);
    assert!(!bench.catalog.has("a.web"));
}

#[test]
fn a_drain_removes_delete_after_later_lease_or_not() {
    for lease in [false, true] {
        let mut bench = Bench::new();
        let at = if lease { leased() } else { at("192.0.2.1") };
        bench.register("a.web", at);
        bench.commit(drain("a.web", true, Some(delay(5_000))));
        assert_eq!(bench.remove_at_ms("a.web"), Some(5_000));
        bench.advance(4_999);
        assert_eq!(bench.expire(), [""; 0]);
        bench.advance(1);
        assert_eq!(bench.expire(), ["remove a.web"]);
        assert!(!bench.catalog.has("a.web"));
    }
}

#[test]
fn a_drain_without_delete_after_removes_nothing() {
    let mut bench = Bench::new();
    bench.register("a.web", at("192.0.2.1"));
    bench.commit(drain("a.web", true, None));
    assert_eq!(
        (bench.remove_at_ms("a.web"), bench.deadlines.next()),
        (None, None)
    );
}

#[test]
fn ending_a_drain_ends_its_removal() {
    let mut bench = Bench::new();
    bench.register("a.web", at("192.0.2.1"));
    bench.commit(drain("a.web", true, Some(delay(5_000))));
    bench.commit(drain("a.web", false, None));
    assert_eq!(bench.remove_at_ms("a.web"), None);
    bench.advance(60_000);
    assert_eq!(bench.expire(), [""; 0]);
    assert!(bench.catalog.has("a.web"));
}

#[test]
fn a_drain_with_another_delay_counts_from_then() {
    let mut bench = Bench::new();
    bench.register("a.web", at("192.0.2.1"));
    bench.commit(drain("a.web", true, Some(delay(5_000))));
    bench.advance(4_000);
    bench.commit(drain("a.web", true, Some(delay(7_000))));
    assert_eq!(bench.remove_at_ms("a.web"), Some(7_000));
    bench.commit(drain("a.web", true, Some(delay(7_000))));
    bench.advance(1_000);
    assert_eq!(
        bench.remove_at_ms("a.web"),
        Some(6_000),
        "the same again is no change"
    );
}

/// Two drains of one batch have one time.
#[test]
fn a_drain_with_another_delay_in_the_same_millisecond_counts() {
    let mut bench = Bench::new();
    bench.register("a.web", at("192.0.2.1"));
    bench.commit(drain("a.web", true, Some(delay(60_000))));
    bench.commit(drain("a.web", true, Some(delay(1_000))));
    assert_eq!(bench.remove_at_ms("a.web"), Some(1_000));
    bench.commit(drain("a.web", true, Some(delay(30_000))));
    assert_eq!(bench.remove_at_ms("a.web"), Some(30_000));
    bench.advance(1_000);
    assert_eq!(bench.expire(), [""; 0]);
    assert!(bench.catalog.has("a.web"));
}

#[test]
fn of_two_removals_the_earlier_counts() {
    for (drain_ms, first) in [(5_000, 5_000), (300_000, 60_000)] {
        let mut bench = Bench::new();
        bench.register("a.web", leased());
        bench.advance(10_000);
        bench.expire();
        bench.commit(drain("a.web", true, Some(delay(drain_ms))));
        assert_eq!(bench.remove_at_ms("a.web"), Some(first));
        bench.advance(first as u64);
        assert_eq!(bench.expire(), ["remove a.web"]);
        assert!(!bench.catalog.has("a.web"));
    }
}

#[test]
fn a_stale_removal_does_nothing_and_the_next_one_is_asked() {
    let mut bench = Bench::new();
    bench.register("a.web", leased());
    bench.advance(10_000);
    bench.expire();
    bench.advance(60_000);
    let due = bench.deadlines.take_due(10);
    assert_eq!(words(&due), ["remove a.web"]);
    bench.commit(Change::Heartbeat { key: key("a.web") });
    bench.commit(due[0].clone());
    assert!(bench.catalog.has("a.web"), "revived before the removal was made");
    bench.advance(10_000);
    assert_eq!(bench.expire(), ["lapse a.web"]);
    bench.advance(60_000);
    assert_eq!(bench.expire(), ["remove a.web"]);
}
