//! Names without a bearer.

use super::fixture::*;
use crate::catalog::limits::LINGERING_MAX;
use crate::catalog::*;

fn settings() -> ServiceSettings {
    ServiceSettings {
        ttl: ttl(3),
        ..Default::default()
    }
}

#[test]
fn the_last_bearer_leaves_its_names() {
    let mut catalog = Catalog::new();
    catalog.register(
        "a.web",
        at("192.0.2.1").ports("http 1, dns 2/udp").tags("V2 canary"),
    );
    catalog.register("b.web", at("192.0.2.1").ports("http 1").tags("canary"));
    assert_eq!(catalog.lingering("web"), [""; 0]);
    catalog.deregister("a.web");
    assert_eq!(catalog.lingering("web"), ["dns/udp", "#v2"]);
    catalog.deregister("b.web");
    assert_eq!(
        catalog.lingering("web"),
        ["", "dns/udp", "http/tcp", "#canary", "#v2"]
    );
}

#[test]
fn a_port_is_known_by_name_and_protocol() {
    let mut catalog = Catalog::new();
    catalog.register("a.web", at("192.0.2.1").ports("dns 53/udp"));
    catalog.register("a.web", at("192.0.2.1").ports("dns 53/tcp"));
    assert_eq!(catalog.lingering("web"), ["dns/udp"]);
    catalog.register("a.web", at("192.0.2.1").ports("dns 53/udp"));
    assert_eq!(catalog.lingering("web"), ["dns/tcp"]);
}

#[test]
fn a_tag_in_other_case_is_the_same_name_and_free_text_is_none() {
    let mut catalog = Catalog::new();
    catalog.register("a.web", at("192.0.2.1").tag("Blue").tag("blue").tag("two words"));
    catalog.register("a.web", at("192.0.2.1").tag("BLUE"));
    assert_eq!(catalog.lingering("web"), [""; 0]);
    catalog.register("a.web", at("192.0.2.1"));
    assert_eq!(catalog.lingering("web"), ["#blue"]);
}

#[test]
fn a_new_bearer_regains_a_name_and_loses_it_at_a_new_time() {
    let mut catalog = Catalog::new();
    catalog.register("a.web", at("192.0.2.1").tags("t"));
    catalog.deregister("a.web");
    let first = catalog.service("web").lingering()[1].since;
    catalog.advance(500);
    catalog.register("b.web", at("192.0.2.1").tags("t"));
    assert_eq!(catalog.lingering("web"), [""; 0]);
    catalog.advance(500).deregister("b.web");
    assert_eq!(catalog.lingering("web"), ["", "#t"]);
    let stale = Change::Forget {
        zone: zone(ZONE),
        service: service("web"),
        names: catalog
            .service("web")
            .lingering()
            .iter()
            .map(|l| (l.name.clone(), first))
            .collect(),
    };
    assert!(!catalog.make(stale).changed(), "it has had a bearer since");
}

#[test]
fn forgetting_is_a_change_and_of_its_own_name_the_end_of_the_service() {
    let mut catalog = Catalog::new();
    catalog.register("a.web", at("192.0.2.1").tags("s t"));
    catalog.register("a.web", at("192.0.2.1"));
    let serial = catalog.serial();
    let effect = catalog.make(Change::Forget {
        zone: zone(ZONE),
        service: service("web"),
        names: vec![(KnownName::Tag(TagLabel::parse("s").unwrap()), BEGIN)],
    });
    assert_eq!((effect.records.len(), effect.records[0].kind), (1, Kind::Forget));
    assert!(matches!(effect.records[0].after, Image::Service(_)));
    assert_eq!(catalog.lingering("web"), ["#t"]);
    catalog.deregister("a.web");
    let effect = catalog.forget_all("web");
    assert_eq!(
        (effect.records.len(), &effect.records[0].after),
        (1, &Image::Absent)
    );
    assert!(!catalog.has_service("web"));
    assert_eq!(
        catalog.serial(),
        serial.wrapping_add(1),
        "only the deregistration took a record"
    );
}

#[test]
fn settings_keep_the_service_until_it_is_deleted() {
    let mut catalog = Catalog::new();
    catalog.set_service("web", settings());
    assert_eq!(catalog.lingering("web"), [""; 0]);
    catalog.register("a.web", at("192.0.2.1").tags("t"));
    catalog.deregister("a.web");
    assert_eq!(catalog.lingering("web"), ["#t"], "its own name is kept");
    catalog.forget_all("web");
    assert!(catalog.has_service("web"));
    catalog
        .advance(1_000)
        .set_service("web", ServiceSettings::default());
    assert_eq!(catalog.lingering("web"), [""]);
    assert_eq!(catalog.service("web").lingering()[0].since, catalog.now);
    catalog.set_service("web", settings());
    assert_eq!(catalog.lingering("web"), [""; 0]);
    catalog.delete_service("web");
    assert!(!catalog.has_service("web"));
}

#[test]
fn deleting_a_service_leaves_no_name() {
    let mut catalog = Catalog::new();
    catalog.register("a.web", at("192.0.2.1").tags("t"));
    catalog.delete_service("web");
    catalog.register("a.web", at("192.0.2.1"));
    assert_eq!(catalog.lingering("web"), [""; 0]);
}

#[test]
fn changes_of_health_and_drain_leave_every_name() {
    let mut catalog = Catalog::new();
    catalog.register("a.web", at("192.0.2.1").tags("t").ports("p 1").lease(1_000));
    catalog.report("a.web", Status::Critical);
    catalog.drain("a.web");
    catalog.lapse("a.web");
    assert_eq!(catalog.lingering("web"), [""; 0]);
}

/// `count` tags that nobody bears any more, from `round`.
fn leave_tags(catalog: &mut Catalog, round: usize, count: usize) -> Effect {
    let tags: Vec<String> = (0..count).map(|n| format!("t{round}-{n}")).collect();
    catalog.register("a.web", at("192.0.2.1").tags(&tags.join(" ")));
    catalog.register("a.web", at("192.0.2.1"))
}

#[test]
fn past_4096_the_oldest_names_are_forgotten_by_a_change_of_its_own() {
    let mut catalog = Catalog::new();
    for round in 0..LINGERING_MAX / 64 {
        assert_eq!(leave_tags(catalog.advance(1), round, 64).records.len(), 1);
    }
    assert_eq!(catalog.service("web").lingering().len(), LINGERING_MAX);
    let effect = leave_tags(catalog.advance(1), 1_000, 3);
    let kinds: Vec<_> = effect.records.iter().map(|record| record.kind).collect();
    assert_eq!(kinds, [Kind::Register, Kind::Forget]);
    let lingering = catalog.lingering("web");
    assert_eq!(lingering.len(), LINGERING_MAX);
    let first: Vec<_> = lingering.iter().filter(|name| name.starts_with("#t0-")).collect();
    assert_eq!(first.len(), 61, "three of the first round are gone");
    assert!(lingering.contains(&"#t1000-2".to_owned()));
}

/// All of it in one batch, which has one time: the service's own name is then as old as any.
#[test]
fn the_services_own_name_is_not_forgotten_before_the_names_below_it() {
    let mut catalog = Catalog::new();
    for round in 0..LINGERING_MAX / 64 {
        leave_tags(&mut catalog, round, 64);
    }
    catalog.register("a.web", at("192.0.2.1").tags("last"));
    let effect = catalog.deregister("a.web");
    assert_eq!(effect.records.len(), 2);
    assert!(catalog.has_service("web"), "its names linger, so it does");
    assert_eq!(catalog.service("web").lingering().len(), LINGERING_MAX);
    assert_eq!(catalog.lingering("web")[0], "");
}
