//! Leases: renewed, lapsed, revived, and a lapse that a renewal overtakes.

use super::*;

#[test]
fn a_lease_lapses_at_its_end_and_not_before() {
    let mut bench = Bench::new();
    bench.register("a.web", leased());
    assert_eq!(bench.expires_at_ms("a.web"), Some(10_000));
    bench.advance(9_999);
    assert_eq!(bench.due(), [""; 0]);
    bench.advance(1);
    assert_eq!(bench.due(), ["lapse a.web"]);
}

#[test]
fn an_instance_without_a_lease_has_no_deadline() {
    let mut bench = Bench::new();
    bench.register("a.web", at("192.0.2.1"));
    assert_eq!(bench.renew("a.web"), Renewal::None);
    assert_eq!(bench.deadlines.next(), None);
    assert_eq!(bench.renew("b.web"), Renewal::None);
}

#[test]
fn a_renewal_gives_the_full_length_again() {
    let mut bench = Bench::new();
    bench.register("a.web", leased());
    for _ in 0..5 {
        bench.advance(9_000);
        assert_eq!(bench.renew("a.web"), Renewal::Renewed);
        assert_eq!(bench.due(), [""; 0]);
        assert_eq!(bench.expires_at_ms("a.web"), Some(10_000));
    }
    bench.advance(10_000);
    assert_eq!(bench.due(), ["lapse a.web"]);
}

#[test]
fn a_lapse_that_a_renewal_overtook_is_not_begun_and_is_armed_again() {
    let mut bench = Bench::new();
    bench.register("a.web", leased());
    bench.advance(10_000);
    assert_eq!(bench.due(), ["lapse a.web"]);
    assert_eq!(bench.renew("a.web"), Renewal::Renewed);
    assert!(!bench.begin_lapse("a.web"));
    bench.advance(9_999);
    assert_eq!(bench.due(), [""; 0]);
    bench.advance(1);
    assert_eq!(bench.due(), ["lapse a.web"]);
}

/// The writer passes over a lapse that stands behind a renewal in its batch, without asking here.
#[test]
fn a_renewal_arms_a_deadline_that_has_asked() {
    let mut bench = Bench::new();
    bench.register("a.web", leased());
    bench.advance(10_000);
    assert_eq!(bench.due(), ["lapse a.web"]);
    assert_eq!(bench.renew("a.web"), Renewal::Renewed);
    assert!(bench.deadlines.next().is_some(), "somebody must look at it again");
    bench.advance(10_000);
    assert_eq!(bench.due(), ["lapse a.web"]);
}

#[test]
fn between_begin_and_commit_a_renewal_answers_lapsed() {
    let mut bench = Bench::new();
    bench.register("a.web", leased());
    bench.advance(10_000);
    bench.due();
    assert!(bench.begin_lapse("a.web"));
    assert_eq!(bench.renew("a.web"), Renewal::Lapsed);
    assert!(!bench.begin_lapse("a.web"), "it is begun once");
    assert_eq!(bench.expires_at_ms("a.web"), None);
    bench.commit(Change::Lapse { key: key("a.web") });
    assert_eq!(bench.renew("a.web"), Renewal::Lapsed);
    bench.commit(Change::Heartbeat { key: key("a.web") });
    assert_eq!(bench.renew("a.web"), Renewal::Renewed);
    assert_eq!(bench.expires_at_ms("a.web"), Some(10_000));
    assert_eq!(bench.remove_at_ms("a.web"), None);
}

#[test]
fn a_lapse_that_was_not_committed_is_undone() {
    let mut bench = Bench::new();
    bench.register("a.web", leased());
    bench.advance(10_000);
    let due = bench.deadlines.take_due(10);
    assert!(bench.begin_lapse("a.web"));
    bench.deadlines.undo_lapse(&key("a.web"));
    bench.deadlines.give_back(&due);
    bench.advance(1_000);
    assert_eq!(bench.due(), ["lapse a.web"], "it is due still");
    assert_eq!(bench.renew("a.web"), Renewal::Renewed, "and may be renewed");
    assert!(!bench.begin_lapse("a.web"));
}

#[test]
fn a_report_and_a_registration_renew_and_revive() {
    for by_report in [false, true] {
        let mut bench = Bench::new();
        bench.register("a.web", leased());
        bench.advance(10_000);
        bench.expire();
        if by_report {
            bench.commit(report("a.web", None, Status::Passing, ""));
        } else {
            bench.register("a.web", leased());
        }
        assert_eq!(bench.expires_at_ms("a.web"), Some(10_000));
        assert_eq!(bench.remove_at_ms("a.web"), None);
    }
}

#[test]
fn a_replaced_registration_brings_its_own_lease() {
    let mut bench = Bench::new();
    bench.register("a.web", leased());
    bench.advance(5_000);
    bench.register("a.web", leased().lease(1_000));
    assert_eq!(bench.expires_at_ms("a.web"), Some(1_000));
    bench.register("a.web", leased().lease(100_000));
    assert_eq!(bench.expires_at_ms("a.web"), Some(100_000));
    bench.advance(99_999);
    assert_eq!(bench.expire(), [""; 0]);
    bench.register("a.web", at("192.0.2.1"));
    bench.advance(100_000);
    assert_eq!(bench.expire(), [""; 0], "without a lease it stays");
    assert!(bench.catalog.has("a.web"));
}

#[test]
fn what_does_not_renew_leaves_the_lease_running() {
    let mut bench = Bench::new();
    bench.register("a.web", leased());
    bench.advance(6_000);
    bench.commit(drain("a.web", true, None));
    assert_eq!(bench.expires_at_ms("a.web"), Some(4_000));
}

#[test]
fn a_restart_gives_a_running_lease_its_length_and_at_least_30_s() {
    for (lease_ms, after_ms) in [(1_000, 30_000), (30_000, 30_000), (40_000, 40_000)] {
        let mut catalog = Catalog::new();
        catalog.register("a.web", at("192.0.2.1").lease(lease_ms));
        let bench = Bench::over(catalog);
        assert_eq!(bench.expires_at_ms("a.web"), Some(after_ms));
        bench.renew("a.web");
        assert_eq!(
            bench.expires_at_ms("a.web"),
            Some(after_ms),
            "a heartbeat does not cut it short"
        );
        bench.advance(after_ms as u64 - 1);
        assert_eq!(bench.due(), [""; 0]);
        bench.advance(1);
        assert_eq!(bench.due(), ["lapse a.web"]);
    }
}

#[test]
fn neither_a_jump_of_the_wall_clock_nor_a_pause_expires_anything() {
    for jump in [86_400_000, -86_400_000] {
        let mut bench = Bench::new();
        bench.register("a.web", leased());
        bench.hand.jump(jump);
        assert_eq!(bench.due(), [""; 0]);
        assert_eq!(
            bench.expires_at_ms("a.web"),
            Some(10_000),
            "shown on the wall clock as it is"
        );
        bench.advance(10_000);
        assert_eq!(bench.expire(), ["lapse a.web"]);
        bench.hand.jump(-jump);
        assert_eq!(bench.remove_at_ms("a.web"), Some(60_000));
        bench.advance(60_000);
        assert_eq!(bench.expire(), ["remove a.web"]);
    }
}
