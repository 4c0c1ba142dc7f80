//! Random catalogs from small pools of names, so that operations meet; and what must hold after each of them.

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::prelude::*;

use super::fixture::*;
use super::oracle::{self, rrsets};
use crate::catalog::*;

/// Zones that random operations make, beside [`ZONE`].
pub(crate) const ZONES: [&str; 9] = [
    ZONE,
    "x.y.svc.internal",
    "y.svc.internal",
    "example.org",
    "192.in-addr.arpa",
    "2.0.192.in-addr.arpa",
    "1.2.0.192.in-addr.arpa",
    "8.b.d.0.1.0.0.2.ip6.arpa",
    "arpa",
];
const SERVICES: [&str; 6] = ["web", "api", "y", "a", "2", "http"];
const IDS: [&str; 6] = ["a", "b", "web-1", "v2", "0", LONG];
/// With any of the services' names it is longer than a label.
const LONG: &str = "an-instance-whose-id-is-as-long-as-a-label-of-the-dns-may-be-xx";
const TAGS: [&str; 7] = ["v2", "V2", "canary", "a", "not a label", "b", "_x"];
/// The last is too long to be a service type.
const PORTS: [&str; 5] = ["main", "http", "dns", "v2", "a-long-port-name"];
const ADDRESSES: [&str; 8] = [
    "192.0.2.1",
    "192.0.2.2",
    "192.0.2.3",
    "2001:db8::1",
    "2001:db8::2",
    "192.0.2.4",
    "192.168.2.2",
    "198.51.100.1",
];

/// Labels of which every interesting name consists.
pub(crate) const LABELS: [&str; 28] = [
    "web",
    "api",
    "y",
    "a",
    "b",
    "web-1",
    "v2",
    "canary",
    "_tcp",
    "_udp",
    "_sctp",
    "_main",
    "_http",
    "_dns",
    "_web",
    "_a",
    "ns",
    "x",
    "0",
    "http",
    "_dns-sd",
    "_services",
    "a@web",
    "web-1@http",
    "1",
    "2",
    "168",
    LONG,
];

/// Operations as seeds: shrinking drops some of them.
pub(crate) fn seeds(most: usize) -> impl Strategy<Value = Vec<u64>> {
    prop::collection::vec(any::<u64>(), 1..most)
}

/// What a seed stands for in a catalog.
pub(crate) fn operation(seed: u64, catalog: &mut Catalog) -> Operation {
    let mut random = fastrand::Rng::with_seed(seed);
    if random.u8(..4) == 0 {
        catalog.advance(random.u64(..5000));
    }
    let change = change(&mut random, catalog);
    let precondition = match random.u8(..12) {
        0 => Precondition::Absent,
        1 => Precondition::Present,
        2 => Precondition::Index([random.u64(..20)].into()),
        _ => Precondition::None,
    };
    Operation { change, precondition }
}

fn change(random: &mut fastrand::Rng, catalog: &Catalog) -> Change {
    let mut pick = |of: &[&'static str]| of[random.usize(..of.len())];
    let zone_name = if pick(&["0", "1", "2"]) == "2" {
        pick(&ZONES)
    } else {
        ZONE
    };
    let name = pick(&SERVICES);
    let key = key(&format!("{}.{name}.{zone_name}", pick(&IDS)));
    let port_name = pick(&PORTS);
    let (zone, service) = (zone(zone_name), service(name));
    let status = [Status::Passing, Status::Warning, Status::Critical][random.usize(..3)];
    // Zones come and go among all names, services mostly in one.
    let any_zone = super::fixture::zone(pick_zone(random));
    match random.u8(..26) {
        0..=8 => Change::Register {
            key,
            registration: Box::new(registration(random)),
        },
        9 | 10 => Change::Deregister {
            key,
            absent_is_fine: random.bool(),
        },
        11 | 12 => Change::Report {
            key,
            port: None,
            status,
            output: None,
        },
        13..=15 => Change::Report {
            key,
            port: Some(port(port_name)),
            status,
            output: None,
        },
        16 | 17 => Change::Drain {
            key,
            draining: random.bool(),
            delete_after: random.bool().then(|| delay(1000)),
        },
        18 => Change::Heartbeat { key },
        19 => Change::Lapse { key },
        20 => remove(random, catalog, key),
        21 => forget(random, catalog, zone, service),
        22 => Change::PutService {
            zone,
            service,
            settings: ServiceSettings {
                ttl: random.bool().then(|| ttl(random.u32(..3)).unwrap()),
                on_empty: on_empty(random),
                answer_limit: random.bool().then_some(0),
                forget_after: None,
            },
        },
        23 => Change::DeleteService { zone, service },
        24 => Change::PutZone {
            zone: any_zone,
            settings: ZoneSettings {
                ttl: random.bool().then(|| ttl(random.u32(..3)).unwrap()),
                negative_ttl: random.bool().then(|| ttl(random.u32(..3)).unwrap()),
                on_empty: on_empty(random),
                answer_limit: None,
                forget_after: random.bool().then(|| delay(random.u64(..5000))),
            },
        },
        _ if random.bool() => Change::DeleteZone { zone: any_zone },
        _ => Change::Open {
            zones: vec![super::fixture::zone(ZONE), any_zone, zone],
            base: Base {
                ttl: ttl(5 + random.u32(..2)).unwrap(),
                negative_ttl: ttl(1).unwrap(),
                name_servers: [[192, 0, 2, 53].into()]
                    .into_iter()
                    .take(random.usize(..2))
                    .collect(),
            },
        },
    }
}

fn pick_zone(random: &mut fastrand::Rng) -> &'static str {
    ZONES[random.usize(..ZONES.len())]
}

fn on_empty(random: &mut fastrand::Rng) -> Option<OnEmpty> {
    [
        None,
        Some(OnEmpty::NoData),
        Some(OnEmpty::NxDomain),
        Some(OnEmpty::All),
    ][random.usize(..4)]
}

fn registration(random: &mut fastrand::Rng) -> Registration {
    let some = |random: &mut fastrand::Rng, of: &[&str], least: usize, most: usize| {
        let mut of = of.to_vec();
        random.shuffle(&mut of);
        of.truncate(random.usize(least..=most));
        of.join(" ")
    };
    let ports: BTreeSet<&str> = (0..random.usize(..4))
        .map(|_| PORTS[random.usize(..PORTS.len())])
        .collect();
    let ports: Vec<_> = ports
        .into_iter()
        .map(|name| {
            let protocol = ["tcp", "tcp", "udp", "sctp"][random.usize(..4)];
            format!("{name} {}/{protocol}", [53, 80][random.usize(..2)])
        })
        .collect();
    let mut described = at(&some(random, &ADDRESSES, 1, 3))
        .ports(&ports.join(", "))
        .tier(random.u16(..3), random.u16(..3));
    if random.bool() {
        let tags = some(random, &["v2", "V2", "canary", "a", "b"], 0, 2);
        described = described.tags(&tags).tag(TAGS[random.usize(..TAGS.len())]);
        let mut once = BTreeSet::new();
        described.0.tags = described
            .0
            .tags
            .iter()
            .filter(|tag| once.insert(*tag))
            .cloned()
            .collect();
    }
    if random.bool() {
        described = described.meta(&[
            ("version", ["1", "2"][random.usize(..2)]),
            ("k", &"v".repeat(300)),
        ]);
    }
    if random.u8(..4) == 0 {
        described = described.status([Status::Passing, Status::Critical][random.usize(..2)]);
    }
    if random.bool() {
        described = described.lease(1000).deregister_after(1000 * random.u64(..2));
    }
    described.0
}

fn remove(random: &mut fastrand::Rng, catalog: &Catalog, key: InstanceKey) -> Change {
    let found = catalog.state.instance(&key).ok();
    let lapsed = found.and_then(|instance| instance.lapsed());
    let drained = found
        .and_then(|instance| instance.drain())
        .map(|drain| drain.since);
    let due = if random.bool() {
        Due::Lapsed(lapsed.unwrap_or(BEGIN))
    } else {
        Due::Drained(drained.unwrap_or(BEGIN))
    };
    Change::Remove { key, due }
}

fn forget(random: &mut fastrand::Rng, catalog: &Catalog, zone: ZoneName, service: ServiceName) -> Change {
    let known = catalog
        .state
        .service(&zone, &service)
        .map(|s| s.lingering().to_vec());
    let mut names: Vec<_> = known
        .unwrap_or_default()
        .into_iter()
        .map(|lingering| (lingering.name, lingering.since))
        .collect();
    random.shuffle(&mut names);
    names.truncate(random.usize(..3));
    Change::Forget { zone, service, names }
}

/// Changes that meet where names share a number: what browsing finds may change while every selection stays.
fn change_of_status(random: &mut fastrand::Rng) -> Change {
    let name = |random: &mut fastrand::Rng| {
        let service = ["http", "web"][random.usize(..2)];
        key(&format!("{}.{service}", ["a", LONG][random.usize(..2)]))
    };
    let key = name(random);
    if random.u8(..4) == 0 {
        let ports = [
            "main 80, http 80",
            "http 80, web 80, dns 80/udp",
            "main 80/udp, web 80/udp, a-long-port-name 80",
        ];
        let meta: &[(&str, &str)] = if random.bool() { &[("k", "v")] } else { &[] };
        let described = at("192.0.2.1").ports(ports[random.usize(..3)]).meta(meta);
        return Change::Register {
            key,
            registration: Box::new(described.0),
        };
    }
    Change::Report {
        key,
        port: (random.u8(..8) > 0).then(|| port(["main", "http", "web", "dns"][random.usize(..4)])),
        status: [Status::Passing, Status::Critical][random.usize(..2)],
        output: None,
    }
}

/// Makes `operation`; the serials of its zones must move, by one for each record that says so, if and only if their
/// RRsets change.
fn serials_agree(catalog: &mut Catalog, operation: Operation) -> Result<(), TestCaseError> {
    let before = catalog.state.clone();
    let Ok(effect) = catalog.attempt(operation.clone()) else {
        return Ok(());
    };
    for (name, zone) in &catalog.state.zones {
        let Some(old) = before.zones.get(name) else {
            continue;
        };
        let moves = |record: &&Record| record.serials.iter().any(|(zone, _)| zone == name);
        let moved = effect.records.iter().filter(moves);
        prop_assert_eq!(zone.serial, old.serial.wrapping_add(moved.count() as u32));
        let differs = rrsets(&oracle::table(&before, old)) != rrsets(&oracle::table(&catalog.state, zone));
        prop_assert_eq!(zone.serial != old.serial, differs, "{}: {:?}", name, operation);
    }
    for record in &effect.records {
        let once: BTreeSet<_> = record.serials.iter().map(|(zone, _)| zone).collect();
        prop_assert_eq!(once.len(), record.serials.len());
        for (zone, serial) in &record.serials {
            let zone = catalog.state.zones.get(zone);
            prop_assert!(zone.is_none_or(|zone| zone.serial.wrapping_sub(*serial) < 1000));
        }
    }
    Ok(())
}

/// What must hold of every state.
fn check_whole(state: &State) {
    // What reverse zones have, carried from change to change, is what a start finds.
    let anew = State::loaded(state.index, state.zones.clone(), state.retired.clone());
    assert_eq!(anew.reverse, state.reverse);
    for (anew, zone) in anew.zones.values().zip(state.zones.values()) {
        assert_eq!(anew.reverse, zone.reverse, "{}", zone.name);
    }
    for (name, zone) in &state.zones {
        assert_eq!(*name, zone.name);
        assert!(!state.retired.contains_key(name));
        let mut instances = 0;
        let services: Vec<_> = zone.services.iter().collect();
        assert_eq!(services.len(), zone.services.len());
        assert!(services.is_sorted_by(|a, b| a.name < b.name));
        for service in services {
            let found = zone.services.get(&service.name);
            assert!(found.is_some_and(|found| Arc::ptr_eq(found, service)));
            assert_ne!(service.name.as_str(), "ns");
            instances += service.instances.len() as u64;
            assert!(service.instances.is_sorted_by(|a, b| a.id < b.id));
            assert!(service.lingering().is_sorted_by(|a, b| a.name < b.name));
            let borne: BTreeSet<KnownName> =
                service.instances.iter().flat_map(|i| names_borne_by(i)).collect();
            for lingering in service.lingering() {
                assert!(!borne.contains(&lingering.name), "{name} {lingering:?}");
            }
            let lingers = service
                .lingering()
                .iter()
                .any(|lingering| lingering.name == KnownName::Service);
            assert_eq!(
                lingers,
                service.instances.is_empty() && service.settings().is_empty()
            );
            for instance in &service.instances {
                assert!(instance.index <= service.index && service.index <= state.index);
                assert!(instance.created_index > 0 && instance.created_index <= instance.index);
                assert!(borne.iter().all(|known| match known {
                    KnownName::Tag(label) => label.as_str() != instance.id.as_str(),
                    _ => true,
                }));
            }
        }
        assert_eq!(zone.instances, instances);
    }
    let names: Vec<_> = state.zones.keys().collect();
    for lower in &names {
        for upper in &names {
            let Some(between) = lower.below(upper) else {
                continue;
            };
            let top = between.rsplit('.').next().unwrap();
            let hidden = state.zones[*upper].services.named(top).is_some();
            assert!(
                !hidden && between != "ns" && !top.starts_with("_tcp"),
                "{lower} hides {upper}"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() })]

    /// No bearer goes without its names being known; whatever holds of every state holds after each step.
    #[test]
    fn serials_move_with_rrsets_and_at_no_other_time(seeds in seeds(60)) {
        let mut catalog = Catalog::new();
        for seed in seeds {
            let operation = operation(seed, &mut catalog);
            serials_agree(&mut catalog, operation)?;
            check_whole(&catalog.state);
        }
    }

    /// The same where several ports have one number and selections fail open.
    #[test]
    fn serials_move_with_what_browsing_finds(seeds in seeds(60)) {
        let mut catalog = Catalog::new();
        for service in ["http", "web"] {
            catalog.set_service(service, ServiceSettings { on_empty: Some(OnEmpty::All), ..Default::default() });
        }
        for seed in seeds {
            let change = change_of_status(&mut fastrand::Rng::with_seed(seed));
            serials_agree(&mut catalog, change.into())?;
        }
    }

    /// Names of services, ports and tags do not vanish with their bearers, only by being forgotten or deleted.
    #[test]
    fn what_was_known_stays_known_until_it_is_forgotten(seeds in seeds(60)) {
        let mut catalog = Catalog::new();
        for seed in seeds {
            let operation = operation(seed, &mut catalog);
            let before = catalog.state.clone();
            let Ok(effect) = catalog.attempt(operation.clone()) else { continue };
            let takes_away = matches!(
                operation.change,
                Change::Forget { .. } | Change::DeleteService { .. } | Change::DeleteZone { .. }
            );
            if takes_away || !effect.changed() {
                continue;
            }
            for (name, zone) in &before.zones {
                for service in &zone.services {
                    let after = catalog.state.service(name, &service.name);
                    prop_assert!(after.is_ok(), "{} {:?}", service.name, operation);
                    prop_assert!(service.known_names().is_subset(&after.unwrap().known_names()));
                }
            }
        }
    }
}
