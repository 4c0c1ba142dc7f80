//! The guard: what it counts, what it holds, and when it lets go.

use super::*;
use crate::catalog::Kind;
use crate::lease::guard::{LAPSES_MIN, Scope, ServiceHeld, ZoneGuarded};

/// Services of so many instances each, `s0` and so on, all with a lease of 10 s.
fn bench_of(services: &[usize]) -> Bench {
    bench_with(services, Guarding::default())
}

fn bench_with(services: &[usize], guarding: Guarding) -> Bench {
    let mut bench = Bench::guarded(Catalog::new(), guarding);
    // The time after a start in which leases are longer is over.
    bench.advance(60_000);
    for (service, count) in services.iter().enumerate() {
        for id in 0..*count {
            bench.register(&format!("i{id}.s{service}"), leased());
        }
    }
    bench
}

fn scope(scope: Scope) -> Guarding {
    Guarding {
        scope,
        ..Guarding::default()
    }
}

impl Bench {
    fn guard(&self) -> ZoneGuarded {
        self.deadlines.guard_of(&zone(ZONE))
    }

    /// How many have lapsed, and how many are held.
    fn lapsed_and_held(&self) -> (usize, usize) {
        let guard = self.guard();
        let held = guard.held.iter().map(|(_, held)| held.instances.len()).sum();
        (guard.lapsed, held)
    }

    fn held_of(&self, name: &str) -> Option<ServiceHeld> {
        self.deadlines.held_of(&zone(ZONE), &service(name))
    }

    /// Lets time pass in steps of a second; in each, those named send a heartbeat. Gives how many lapsed.
    fn pass(&mut self, seconds: usize, alive: &[String]) -> usize {
        let lapses = |bench: &Self| {
            let records = bench.catalog.records.iter();
            records.filter(|record| record.kind == Kind::Lapse).count()
        };
        let before = lapses(self);
        for _ in 0..seconds {
            self.advance(1_000);
            for name in alive {
                assert_eq!(self.renew(name), Renewal::Renewed, "{name}");
            }
            self.expire();
        }
        lapses(self) - before
    }

    fn answerable(&self, name: &str) -> usize {
        let service = self.catalog.state.service(&zone(ZONE), &service(name)).unwrap();
        service.instances.iter().filter(|one| one.is_answerable()).count()
    }
}

fn names(service: usize, ids: std::ops::Range<usize>) -> Vec<String> {
    ids.map(|id| format!("i{id}.s{service}")).collect()
}

#[test]
fn past_15_percent_further_leases_are_held() {
    for (count, lapse) in [
        (1, 1),
        (2, 2),
        (3, 3),
        (4, 3),
        (10, 3),
        (19, 3),
        (20, 4),
        (100, 16),
        (1000, 151),
    ] {
        let mut bench = bench_of(&[count]);
        bench.advance(10_000);
        bench.expire();
        assert_eq!(bench.lapsed_and_held(), (lapse, count - lapse), "of {count}");
        assert_eq!(bench.answerable("s0"), count - lapse, "what is held is answered");
        assert_eq!(bench.guard().holds.is_some(), count > lapse, "of {count}");
        assert_eq!(bench.guard().leases, count - lapse);
    }
}

#[test]
fn so_many_must_lapse_within_a_minute() {
    let mut bench = bench_of(&[10]);
    // One dies every 31 s: never three within a minute.
    for died in 1..=10 {
        let lapsed = bench.pass(31, &names(0, died..10));
        assert_eq!(lapsed, 1, "the {died}th");
        assert_eq!(bench.guard().holds, None);
    }
}

#[test]
fn with_the_guard_off_nothing_is_held() {
    let mut bench = bench_with(&[100], scope(Scope::Off));
    bench.advance(10_000);
    assert_eq!(bench.expire().len(), 100);
    assert_eq!(bench.answerable("s0"), 0);
    assert_eq!(bench.guard(), ZoneGuarded::default());
}

#[test]
fn zones_are_guarded_apart() {
    let mut bench = Bench::over(Catalog::with_zones(&[ZONE, "other.internal"]));
    bench.advance(60_000);
    for id in 0..10 {
        bench.register(&format!("i{id}.web"), leased());
    }
    bench.register("a.web.other.internal", leased());
    bench.advance(10_000);
    bench.expire();
    assert_eq!(bench.lapsed_and_held(), (3, 7));
    let other = bench.deadlines.guard_of(&zone("other.internal"));
    assert_eq!((other.lapsed, other.holds), (1, None));
}

#[test]
fn by_service_a_small_one_is_guarded_in_a_large_zone() {
    // 100 leases: five lapses of one service are no 15 % of the zone.
    for (guarding, lapsed, held) in [(Scope::Zone, 5, 0), (Scope::Service, 3, 2)] {
        let mut bench = bench_with(&[95, 5], scope(guarding));
        let alive = names(0, 0..95);
        bench.pass(10, &alive);
        assert_eq!(bench.lapsed_and_held(), (lapsed, held), "{guarding:?}");
        assert_eq!(bench.answerable("s1"), held);
    }
}

#[test]
fn by_service_others_lapse_as_ever_until_the_zone_is_over() {
    let mut bench = bench_with(&[95, 5], scope(Scope::Service));
    bench.pass(10, &names(0, 0..95));
    assert_eq!(bench.held_of("s1").unwrap().instances.len(), 2);
    // Two of the large one die: they are believed, though the guard holds elsewhere.
    assert_eq!(bench.pass(10, &names(0, 2..95)), 2);
    assert_eq!(bench.held_of("s0"), None);
}

#[test]
fn a_held_lease_that_is_renewed_is_alive_again() {
    let mut bench = bench_of(&[10]);
    bench.advance(10_000);
    bench.expire();
    let held = bench.held_of("s0").unwrap().instances;
    assert_eq!(held.len(), 7);
    for id in &held {
        assert_eq!(bench.renew(&format!("{id}.s0")), Renewal::Renewed);
    }
    assert_eq!(bench.held_of("s0"), None);
    assert_eq!(bench.expires_at_ms(&format!("{}.s0", held[0])), Some(10_000));
    assert!(
        bench.guard().holds.is_some(),
        "three lapsed within the last minute still"
    );
    let alive: Vec<_> = held.iter().map(|id| format!("{id}.s0")).collect();
    bench.pass(62, &alive);
    assert_eq!(bench.guard().holds, None);
    assert_eq!(bench.answerable("s0"), 7);
}

#[test]
fn what_revives_counts_no_more() {
    let mut bench = bench_of(&[20]);
    bench.advance(10_000);
    let lapsed: Vec<_> = bench
        .expire()
        .into_iter()
        .map(|word| word.replace("lapse ", ""))
        .filter(|name| bench.renew(name) == Renewal::Lapsed)
        .collect();
    assert_eq!(lapsed.len(), 4);
    for name in &lapsed {
        bench.commit(Change::Heartbeat { key: key(name) });
    }
    assert_eq!(bench.guard().lapsed, 0);
    assert_eq!(bench.guard().leases, 20);
}

#[test]
fn a_service_whose_majority_goes_on_loses_the_others_after_one_more_lease() {
    // s0 lost 4 of 10, s1 all of 10.
    let mut bench = bench_of(&[10, 10]);
    let alive = names(0, 0..6);
    assert_eq!(bench.pass(10, &alive), LAPSES_MIN + 1);
    let silent = |bench: &Bench| bench.held_of("s0").map_or(0, |held| held.instances.len());
    let before = bench.answerable("s0");
    assert_eq!(before, 6 + silent(&bench));
    bench.pass(9, &alive);
    assert_eq!(
        bench.answerable("s0"),
        before,
        "not before one more lease has passed"
    );
    bench.pass(2, &alive);
    assert_eq!((bench.answerable("s0"), silent(&bench)), (6, 0));
    let of_s1 = bench.answerable("s1");
    assert!(of_s1 > 0);
    bench.pass(100, &alive);
    assert_eq!(
        bench.answerable("s1"),
        of_s1,
        "nobody of the other goes on, so it is held"
    );
}

#[test]
fn half_is_not_most() {
    let mut bench = bench_of(&[10]);
    let alive = names(0, 0..5);
    bench.pass(10, &alive);
    let held = bench.answerable("s0");
    assert!(held > 5);
    bench.pass(100, &alive);
    assert_eq!(bench.answerable("s0"), held);
}

#[test]
fn an_instance_held_later_has_one_more_lease_of_its_own() {
    let mut bench = bench_of(&[3, 7]);
    bench.register("late.s1", leased().lease(16_000));
    let alive = names(1, 0..7);
    // s0 lapses and the guard holds late; it ran out at 16 s.
    bench.register("x.s1", leased());
    bench.pass(16, &alive);
    assert_eq!(bench.guard().lapsed, 3);
    bench.pass(12, &alive);
    let held = bench.held_of("s1").unwrap().instances;
    assert_eq!(held.iter().map(|id| id.as_str()).collect::<Vec<_>>(), ["late"]);
    bench.pass(5, &alive);
    assert_eq!(bench.held_of("s1"), None);
}

#[test]
fn the_last_answerable_instance_stays_while_the_guard_holds() {
    let mut bench = bench_of(&[10, 3]);
    // Two of s1 go on heartbeating, and say that they are critical.
    let alive = names(1, 0..2);
    for name in &alive {
        bench.commit(report(name, None, Status::Critical, ""));
    }
    // The third falls silent a little later than the others: the guard holds by then, whoever of them came first.
    bench.pass(5, &names(1, 0..3));
    bench.pass(10, &alive);
    assert_eq!(bench.answerable("s1"), 1);
    bench.pass(100, &alive);
    assert_eq!(bench.answerable("s1"), 1, "most go on, but it is the last");
    bench.pass(500, &alive);
    assert_eq!(
        (bench.answerable("s1"), bench.answerable("s0")),
        (0, 0),
        "ten minutes are over"
    );
}

#[test]
fn a_critical_report_is_never_held_back() {
    let mut bench = bench_of(&[10]);
    bench.advance(10_000);
    bench.expire();
    let held = bench.held_of("s0").unwrap().instances;
    for id in &held {
        bench.commit(report(&format!("{id}.s0"), None, Status::Critical, ""));
        bench.renew(&format!("{id}.s0"));
    }
    assert_eq!(bench.answerable("s0"), 0);
}

#[test]
fn all_of_it_is_let_go_when_the_time_is_over() {
    let guarding = Guarding {
        hold_max: Duration::from_secs(120),
        ..Guarding::default()
    };
    let mut bench = bench_with(&[10], guarding);
    bench.advance(10_000);
    bench.expire();
    let held = bench.held_of("s0").unwrap().instances[0].to_string();
    assert_eq!(bench.expires_at_ms(&format!("{held}.s0")), Some(120_000));
    bench.advance(119_999);
    bench.expire();
    assert_eq!(bench.answerable("s0"), 7);
    bench.advance(1);
    bench.expire();
    assert_eq!(bench.answerable("s0"), 0);
    let guard = bench.guard();
    assert_eq!(
        (guard.holds, guard.lapsed, guard.leases),
        (None, 0, 0),
        "what was let go counts for nothing"
    );
}

#[test]
fn an_operator_lets_all_of_it_go_at_once() {
    let mut bench = bench_of(&[10]);
    bench.advance(10_000);
    bench.expire();
    let lapses = bench.deadlines.release_guard(None);
    assert_eq!(lapses.len(), 7);
    for lapse in lapses {
        let Change::Lapse { key } = &lapse else {
            panic!("{lapse:?}")
        };
        assert!(bench.deadlines.begin_lapse(key, &bench.catalog.state));
        bench.commit(lapse);
    }
    assert_eq!(bench.answerable("s0"), 0);
    assert_eq!(bench.guard().holds, None);
}

#[test]
fn what_was_let_go_asks_by_itself_too_unless_it_is_renewed() {
    let mut bench = bench_of(&[10]);
    bench.advance(10_000);
    bench.expire();
    let lapses = bench.deadlines.release_guard(Some(&zone(ZONE)));
    let Change::Lapse { key } = &lapses[0] else {
        panic!("{lapses:?}")
    };
    assert_eq!(bench.deadlines.renew(key), Renewal::Renewed);
    bench.advance(1_000);
    assert_eq!(bench.expire().len(), 6);
    assert_eq!(bench.answerable("s0"), 1);
}

#[test]
fn the_release_of_another_zone_lets_nothing_go() {
    let mut bench = bench_of(&[10]);
    bench.advance(10_000);
    bench.expire();
    assert!(
        bench
            .deadlines
            .release_guard(Some(&zone("other.internal")))
            .is_empty()
    );
    assert_eq!(bench.lapsed_and_held(), (3, 7));
}

#[test]
fn removals_after_a_lapse_wait_while_the_guard_holds_and_those_of_a_drain_do_not() {
    let mut bench = bench_of(&[10]);
    bench.register("drained.s0", leased().lease(600_000));
    bench.commit(drain("drained.s0", true, Some(delay(30_000))));
    bench.advance(10_000);
    let lapsed = bench.expire();
    let lapsed = lapsed
        .iter()
        .map(|word| word.replace("lapse ", ""))
        .find(|name| bench.renew(name) == Renewal::Lapsed)
        .unwrap();
    assert_eq!(
        bench.remove_at_ms(&lapsed),
        Some(600_000),
        "not before the guard ends"
    );
    bench.pass(100, &[]);
    assert!(bench.catalog.has(&lapsed), "its 60 s are over");
    assert!(!bench.catalog.has("drained.s0"));
    bench.deadlines.release_guard(None);
    bench.pass(3, &[]);
    assert!(!bench.catalog.has(&lapsed));
}

/// The seeded simulation found it: the deadline of the drain was forgotten when the lease was held, and came back with
/// the next change of the instance or at the end of the guard.
#[test]
fn a_drain_that_began_before_the_lease_was_held_removes_in_its_time() {
    let mut bench = bench_of(&[10]);
    for name in names(0, 0..10) {
        bench.commit(drain(&name, true, Some(delay(20_000))));
    }
    bench.advance(10_000);
    bench.expire();
    let (lapsed, held) = bench.lapsed_and_held();
    assert!(held > 0);
    bench.advance(10_000);
    assert_eq!(bench.expire().len(), lapsed + held, "each is removed");
    assert_eq!(bench.catalog.service("s0").instances.len(), 0);
}

/// The seeded simulation found it: a removal that was queued stood in the place of the lease's own deadline.
#[test]
fn a_held_lease_that_is_renewed_runs_out_again_though_a_removal_is_due_later() {
    let mut bench = bench_of(&[10]);
    bench.advance(10_000);
    bench.expire();
    let held = bench.held_of("s0").unwrap().instances[0].to_string();
    let held = format!("{held}.s0");
    bench.commit(drain(&held, true, Some(delay(3_600_000))));
    assert_eq!(bench.renew(&held), Renewal::Renewed);
    bench.advance(10_000);
    assert_eq!(bench.due(), [format!("lapse {held}")]);
}

#[test]
fn a_held_instance_that_is_deregistered_is_held_no_more() {
    let mut bench = bench_of(&[10]);
    bench.advance(10_000);
    bench.expire();
    let held = bench.held_of("s0").unwrap().instances;
    for id in &held {
        bench.commit(Change::Deregister {
            key: key(&format!("{id}.s0")),
            absent_is_fine: false,
        });
    }
    assert_eq!(bench.lapsed_and_held(), (3, 0));
    assert_eq!(bench.guard().leases, 0);
    assert!(bench.deadlines.release_guard(None).is_empty());
}

#[test]
fn a_lapse_whose_commit_failed_counts_for_nothing() {
    let bench = bench_of(&[10]);
    bench.advance(10_000);
    bench.due();
    assert!(bench.begin_lapse("i0.s0"));
    assert_eq!((bench.guard().lapsed, bench.guard().leases), (1, 9));
    bench.deadlines.undo_lapse(&key("i0.s0"));
    assert_eq!((bench.guard().lapsed, bench.guard().leases), (0, 10));
    assert!(bench.begin_lapse("i0.s0"));
}

#[test]
fn what_was_let_go_is_not_held_again_because_a_commit_failed() {
    let mut bench = bench_of(&[10]);
    bench.advance(10_000);
    bench.expire();
    let lapses = bench.deadlines.release_guard(None);
    for lapse in &lapses {
        let Change::Lapse { key } = lapse else {
            panic!("{lapse:?}")
        };
        assert!(bench.deadlines.begin_lapse(key, &bench.catalog.state));
        bench.deadlines.undo_lapse(key);
    }
    bench.deadlines.give_back(&lapses);
    bench.advance(1_000);
    assert_eq!(bench.expire().len(), 7);
    assert_eq!(bench.answerable("s0"), 0);
}

/// Whatever happens, the numbers are those that one counts by hand.
#[test]
fn the_guards_numbers_are_those_of_the_catalog() {
    for seed in 0..200 {
        let mut random = oorandom(seed);
        let guarding = scope([Scope::Zone, Scope::Service][seed as usize % 2]);
        let mut bench = bench_with(&[3, 5, 8], guarding);
        for _ in 0..200 {
            let service = random(3);
            let name = format!("i{}.s{service}", random(8));
            match random(7) {
                0 => bench.register(&name, leased().lease(1_000 * (1 + random(20)))),
                1 => bench.register(&name, at("192.0.2.1")),
                2 if bench.catalog.has(&name) => bench.commit(Change::Deregister {
                    key: key(&name),
                    absent_is_fine: false,
                }),
                3 => {
                    if bench.renew(&name) == Renewal::Lapsed {
                        bench.commit(Change::Heartbeat { key: key(&name) });
                    }
                }
                4 if random(20) == 0 => drop(bench.deadlines.release_guard(None)),
                _ => bench.advance(500 * random(10)),
            }
            bench.expire();
            let services = bench.catalog.state.zones[&zone(ZONE)].services.iter();
            let instances: Vec<_> = services.flat_map(|service| service.instances.iter()).collect();
            let running = instances
                .iter()
                .filter(|one| one.lease.is_some() && one.lapsed().is_none());
            let guard = bench.guard();
            assert_eq!(guard.leases, running.count(), "seed {seed}");
            assert!(guard.lapsed <= 200);
            for (service, held) in &guard.held {
                for id in &held.instances {
                    let name = format!("{id}.{service}");
                    assert!(bench.catalog.has(&name), "seed {seed}: {name} is held");
                    assert!(guard.holds.is_some(), "seed {seed}");
                }
            }
        }
    }
}

/// Numbers below a bound, the same ones for a seed.
fn oorandom(seed: u64) -> impl FnMut(u64) -> u64 {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    move |below| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) % below
    }
}
