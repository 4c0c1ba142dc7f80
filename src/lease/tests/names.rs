//! Names without a bearer, and what a restart does to every delay.

use super::*;

#[test]
fn a_restart_begins_every_delay_anew_and_what_has_lapsed_stays_lapsed() {
    let mut bench = Bench::new();
    bench.register("a.web", leased());
    bench.register("b.web", at("192.0.2.1"));
    bench.register("c.api", at("192.0.2.1"));
    bench.commit(deregister("c.api"));
    bench.commit(drain("b.web", true, Some(delay(20_000))));
    bench.advance(10_000);
    bench.expire();
    bench.advance(9_000);
    let mut bench = Bench::over(bench.catalog);
    assert_eq!(bench.renew("a.web"), Renewal::Lapsed);
    assert_eq!(bench.remove_at_ms("a.web"), Some(60_000));
    assert_eq!(bench.remove_at_ms("b.web"), Some(20_000));
    bench.advance(20_000);
    assert_eq!(bench.expire(), ["remove b.web"]);
    bench.advance(40_000);
    assert_eq!(bench.expire(), ["remove a.web"]);
    bench.advance(3_540_000 - 1);
    assert_eq!(bench.expire(), [""; 0]);
    bench.advance(1);
    assert_eq!(bench.expire(), ["forget 1 of api"]);
    assert!(!bench.catalog.has_service("api"));
}

#[test]
fn names_are_forgotten_each_forget_after_its_bearer_went() {
    let mut bench = Bench::new();
    bench.register("a.web", at("192.0.2.1").ports("http 80").tags("v1 v2"));
    bench.advance(1_000);
    bench.register("a.web", at("192.0.2.1").ports("http 80").tags("v2"));
    bench.advance(1_000);
    bench.register("a.web", at("192.0.2.1"));
    bench.advance(3_597_999);
    assert_eq!(bench.expire(), [""; 0]);
    bench.advance(1_001);
    assert_eq!(bench.expire(), ["forget 1 of web"]);
    assert_eq!(bench.catalog.lingering("web"), ["http/tcp", "#v2"]);
    bench.advance(1_000);
    assert_eq!(bench.expire(), ["forget 2 of web"]);
    assert_eq!(bench.catalog.lingering("web"), [""; 0]);
    assert_eq!(bench.deadlines.next(), None);
}

#[test]
fn a_name_regained_in_time_is_not_forgotten() {
    let mut bench = Bench::new();
    bench.register("a.web", at("192.0.2.1").tags("v1"));
    bench.commit(deregister("a.web"));
    bench.advance(3_599_999);
    bench.register("b.web", at("192.0.2.1").tags("v1"));
    bench.advance(1);
    assert_eq!(bench.expire(), [""; 0]);
    bench.commit(deregister("b.web"));
    bench.advance(3_599_999);
    assert_eq!(bench.expire(), [""; 0], "the wait begins anew");
    bench.advance(1);
    assert_eq!(bench.expire(), ["forget 2 of web"]);
    assert!(!bench.catalog.has_service("web"));
}

#[test]
fn a_changed_forget_after_holds_for_what_waits_already() {
    for of_zone in [false, true] {
        let set = |bench: &mut Bench, ms| {
            if of_zone {
                bench.commit(Change::PutZone {
                    zone: zone(ZONE),
                    settings: ZoneSettings {
                        forget_after: Some(delay(ms)),
                        ..Default::default()
                    },
                });
            } else {
                bench.commit(Change::PutService {
                    zone: zone(ZONE),
                    service: service("web"),
                    settings: ServiceSettings {
                        forget_after: Some(delay(ms)),
                        ..Default::default()
                    },
                });
            }
        };
        let mut bench = Bench::new();
        bench.register("a.web", at("192.0.2.1").tags("v1"));
        bench.register("a.web", at("192.0.2.1"));
        set(&mut bench, 7_200_000);
        bench.advance(3_600_000);
        assert_eq!(bench.expire(), [""; 0], "longer");
        set(&mut bench, 3_601_000);
        assert_eq!(bench.expire(), [""; 0]);
        bench.advance(1_000);
        assert_eq!(
            bench.expire(),
            ["forget 1 of web"],
            "shorter, from when the bearer went"
        );
        bench.register("a.web", at("192.0.2.1").tags("v1"));
        set(&mut bench, 0);
        bench.register("a.web", at("192.0.2.1"));
        assert_eq!(bench.expire(), ["forget 1 of web"], "at once");
    }
}
