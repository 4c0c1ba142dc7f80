//! Names to addresses and back; the tree against a plain set; what a zone file hides; which serials move.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr};

use super::super::change::Change;
use super::super::contents::Builder;
use super::super::settings::ZoneSettings;
use super::super::tests::fixture::*;
use super::super::tests::oracle::reverse_name;
use super::*;

fn prefix(name: &str) -> Option<Prefix> {
    Prefix::of_zone(&zone(name))
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn wire(name: &str) -> Vec<u8> {
    zone(name).to_wire()
}

#[test]
fn a_reverse_name_is_an_address_or_how_it_begins() {
    for (name, text) in [
        ("1.2.0.192.in-addr.arpa", "192.0.2.1"),
        ("255.100.51.198.IN-ADDR.arpa", "198.51.100.255"),
        ("0.0.0.10.in-addr.arpa", "10.0.0.0"),
    ] {
        assert_eq!(prefix(name), Some(Prefix::of_address(address(text))), "{name}");
    }
    let six = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.B.D.0.1.0.0.2.ip6.arpa";
    assert_eq!(prefix(six), Some(Prefix::of_address(address("2001:db8::1"))));
    for (name, digits) in [
        ("in-addr.arpa", 0),
        ("10.in-addr.arpa", 2),
        ("2.0.192.in-addr.arpa", 6),
        ("ip6.arpa", 0),
        ("8.b.d.0.1.0.0.2.ip6.arpa", 8),
    ] {
        let prefix = prefix(name).unwrap();
        assert_eq!((prefix.digits(), prefix.is_address()), (digits, false), "{name}");
    }
}

#[test]
fn a_name_with_a_label_that_is_no_part_of_an_address_has_none() {
    let deep = format!("0.{}ip6.arpa", "0.".repeat(32));
    for name in [
        "arpa",
        "example.org",
        "xin-addr.arpa",
        "in-addr.arpa.internal",
        "256.192.in-addr.arpa",
        "1000.192.in-addr.arpa",
        "01.192.in-addr.arpa",
        "00.in-addr.arpa",
        "a.in-addr.arpa",
        "_tcp.2.0.192.in-addr.arpa",
        "0/25.2.0.192.in-addr.arpa",
        "0-127.2.0.192.in-addr.arpa",
        "1.1.2.0.192.in-addr.arpa",
        "g.ip6.arpa",
        "10.ip6.arpa",
        &deep,
    ] {
        assert_eq!(prefix(name), None, "{name}");
    }
}

#[test]
fn an_address_within_a_zone_is_its_name_below_the_apex() {
    for text in [
        "192.0.2.1",
        "192.0.2.10",
        "192.0.0.200",
        "2001:db8::1",
        "2001:db8:0:abcd::",
    ] {
        let whole = Prefix::of_address(address(text));
        let name = reverse_name(&address(text));
        let mut upper = Some(zone(&name));
        while let Some(apex) = upper {
            let Some(prefix) = Prefix::of_zone(&apex) else {
                break;
            };
            assert!(prefix.covers(whole), "{text} {apex}");
            let below = whole.within(prefix);
            let all: Vec<u8> = below.as_slice().iter().chain(&apex.to_wire()).copied().collect();
            assert_eq!(all, wire(&name), "{text} in {apex}");
            upper = apex.as_str().split_once('.').map(|(_, rest)| zone(rest));
        }
    }
    let covers = |upper: &str, text: &str| prefix(upper).unwrap().covers(Prefix::of_address(address(text)));
    assert!(!covers("2.0.192.in-addr.arpa", "192.0.3.1"));
    assert!(!covers("in-addr.arpa", "2001:db8::1") && !covers("ip6.arpa", "192.0.2.1"));
}

#[test]
fn the_longest_zone_has_an_address() {
    let names = [
        "in-addr.arpa",
        "2.0.192.in-addr.arpa",
        "0.192.in-addr.arpa",
        "ip6.arpa",
        "example.org",
    ];
    let mut zones = ReverseZones::of(names.map(zone).iter());
    let longest = |zones: &ReverseZones, text: &str| {
        zones
            .longest(Prefix::of_address(address(text)))
            .map(|name| name.to_string())
    };
    for (text, name) in [
        ("192.0.2.1", "2.0.192.in-addr.arpa"),
        ("192.0.3.1", "0.192.in-addr.arpa"),
        ("10.0.2.1", "in-addr.arpa"),
        ("2001:db8::1", "ip6.arpa"),
    ] {
        assert_eq!(longest(&zones, text).as_deref(), Some(name), "{text}");
    }
    zones.remove(&zone("2.0.192.in-addr.arpa"));
    zones.remove(&zone("ip6.arpa"));
    assert_eq!(
        longest(&zones, "192.0.2.1").as_deref(),
        Some("0.192.in-addr.arpa")
    );
    assert_eq!(longest(&zones, "2001:db8::1"), None);
}

/// Random names at random addresses of few different digits, so that they meet and part at every depth.
fn random_pair(random: &mut fastrand::Rng) -> (u128, Vec<u8>) {
    let mut bits = 0x2001_0db8_u128 << 96;
    for _ in 0..random.usize(..4) {
        bits |= u128::from(random.u8(1..3)) << (4 * random.u32(..24));
    }
    (bits, wire(&format!("i{}.web.internal", random.u8(..3))))
}

fn all(tree: &Option<Arc<Node>>) -> BTreeSet<(u128, Vec<u8>)> {
    let mut all = BTreeSet::new();
    if let Some(tree) = tree {
        tree.each(&mut |key, host| all.insert((key.address(), host.to_vec())));
    }
    all
}

#[test]
fn the_tree_holds_what_a_set_holds_and_looks_the_same_however_it_was_made() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let (mut tree, mut set) = (None, BTreeSet::new());
    for step in 0..3000 {
        let (address, host) = random_pair(&mut random);
        if random.u8(..5) < 2 {
            assert_eq!(
                trie::remove(&mut tree, address, &host),
                set.remove(&(address, host.clone())),
                "step {step}"
            );
        } else {
            trie::insert(&mut tree, Arc::new(Node::leaf(address, &host)));
            set.insert((address, host.clone()));
        }
        let has = |tree: &Option<Arc<Node>>| tree.as_ref().is_some_and(|tree| tree.has(address, &host));
        assert_eq!(has(&tree), set.contains(&(address, host.clone())));
        if step % 50 > 0 {
            continue;
        }
        assert_eq!(all(&tree), set, "step {step}");
        let mut other = None;
        let mut shuffled: Vec<_> = set.iter().collect();
        random.shuffle(&mut shuffled);
        for (address, host) in shuffled {
            trie::insert(&mut other, Arc::new(Node::leaf(*address, host)));
        }
        assert_eq!(tree, other, "step {step}");
        let leaves = set.iter().map(|(address, host)| Node::leaf(*address, host));
        assert_eq!(trie::build(leaves), tree, "step {step}");
        // A part is taken out whole, and given back.
        let digits = random.u8(..=32);
        let part = |bits: u128| bits.checked_shr(128 - 4 * u32::from(digits)).unwrap_or(0);
        let wanted = Prefix::of_address(Ipv6Addr::from_bits(address).into()).key();
        let found = other
            .as_ref()
            .is_some_and(|tree| tree.at(wanted, digits).is_some());
        let taken = trie::take(&mut other, wanted, digits);
        let is_in = |(bits, _): &&(u128, Vec<u8>)| part(*bits) == part(address);
        assert_eq!(found, taken.is_some());
        assert_eq!(
            all(&taken),
            set.iter().filter(is_in).cloned().collect(),
            "step {step}"
        );
        assert_eq!(all(&other).len() + all(&taken).len(), set.len());
        if let Some(taken) = taken {
            trie::insert(&mut other, taken);
        }
        assert_eq!(tree, other, "step {step}");
    }
    assert!(set.len() > 100, "{}", set.len());
}

/// `records` of a zone file: owner below the apex, type, TTL, and a name as data.
fn with_file(catalog: &mut Catalog, apex: &str, records: &[(&str, u16, u32, &str)]) {
    let name = zone(apex);
    let mut builder = Builder::new(&name);
    for (line, (owner, rtype, ttl, data)) in records.iter().enumerate() {
        let owner = if owner.is_empty() {
            apex.to_owned()
        } else {
            format!("{owner}.{apex}")
        };
        let mut data = wire_any(data);
        if *rtype == types::SOA {
            data.extend_from_within(..);
            data.extend([0; 20]);
        }
        builder.push(&wire_any(&owner), *rtype, *ttl, &data, line as u32);
    }
    let (contents, _) = builder.finish().unwrap();
    catalog.make(Change::ZoneFile {
        zone: name,
        contents: Some(Arc::new(contents)),
    });
}

fn wire_any(name: &str) -> Vec<u8> {
    let mut wire = Vec::new();
    for label in name.split('.') {
        wire.push(label.len() as u8);
        wire.extend_from_slice(label.as_bytes());
    }
    wire.push(0);
    wire
}

const V4: &str = "2.0.192.in-addr.arpa";

/// By how much the serial of the reverse zone moves when `change` is made.
fn moved(catalog: &mut Catalog, change: Change) -> u32 {
    let before = catalog.zone_of(V4).serial;
    let effect = catalog.make(change);
    let after = catalog.zone_of(V4).serial;
    let noted: Vec<u32> = effect
        .records
        .iter()
        .flat_map(|record| &record.serials)
        .filter(|(name, _)| *name == zone(V4))
        .map(|(_, serial)| *serial)
        .collect();
    assert_eq!(noted.len() as u32, after.wrapping_sub(before));
    assert_eq!(noted.last().copied().unwrap_or(after), after);
    after.wrapping_sub(before)
}

#[test]
fn the_serial_moves_once_for_each_change_of_addresses_and_for_no_other() {
    let mut catalog = Catalog::with_zones(&[ZONE, V4]);
    let register = |addresses: &str| register("a.web", at(addresses).ports("http 80"));
    assert_eq!(
        moved(&mut catalog, register("192.0.2.1 192.0.2.2 2001:db8::1")),
        1
    );
    assert_eq!(
        moved(&mut catalog, register("192.0.2.2 192.0.2.1")),
        0,
        "the same set"
    );
    assert_eq!(moved(&mut catalog, register("192.0.2.2 198.51.100.1")), 1);
    assert_eq!(
        moved(&mut catalog, register("192.0.2.2 198.51.100.2")),
        0,
        "of no zone of ours"
    );
    let report = super::super::tests::fixture::report;
    use super::super::health::Status;
    assert_eq!(
        moved(&mut catalog, report("a.web", None, Status::Critical, "")),
        0
    );
    assert_eq!(moved(&mut catalog, drain("a.web", true, None)), 0);
    assert_eq!(moved(&mut catalog, deregister("a.web")), 1);
    // One of its own services: one change, one step.
    assert_eq!(
        moved(
            &mut catalog,
            super::super::tests::fixture::register(&format!("a.web.{V4}"), at("192.0.2.9"))
        ),
        1
    );
}

#[test]
fn a_service_that_is_deleted_moves_the_serial_for_each_instance() {
    let mut catalog = Catalog::with_zones(&[ZONE, V4]);
    for number in 1..=5 {
        catalog.register(&format!("i{number}.web"), at(&format!("192.0.2.{number}")));
    }
    catalog.register("i6.web", at("198.51.100.1"));
    let change = Change::DeleteService {
        zone: zone(ZONE),
        service: service("web"),
    };
    assert_eq!(moved(&mut catalog, change), 5);
    assert!(catalog.zone_of(V4).reverse.as_ref().unwrap().names.is_none());
}

#[test]
fn addresses_go_to_a_longer_zone_and_come_back_when_it_is_deleted() {
    let upper = "0.192.in-addr.arpa";
    let mut catalog = Catalog::with_zones(&[ZONE, upper]);
    catalog.register("a.web", at("192.0.2.1 192.0.3.1"));
    let count =
        |catalog: &Catalog, name: &str| all(&catalog.zone_of(name).reverse.as_ref().unwrap().names).len();
    assert_eq!(count(&catalog, upper), 2);
    let serial = catalog.zone_of(upper).serial;
    let effect = catalog.make(Change::PutZone {
        zone: zone(V4),
        settings: ZoneSettings::default(),
    });
    assert_eq!((count(&catalog, upper), count(&catalog, V4)), (1, 1));
    let own = (zone(V4), catalog.zone_of(V4).serial);
    assert_eq!(effect.records[0].serials, [own, (zone(upper), serial + 1)]);
    let effect = catalog.make(Change::DeleteZone { zone: zone(V4) });
    assert_eq!(effect.records[0].serials, [(zone(upper), serial + 2)]);
    assert_eq!(count(&catalog, upper), 2);
    catalog.deregister("a.web");
    catalog.set_zone(V4, ZoneSettings::default());
    assert_eq!(catalog.zone_of(upper).serial, serial + 3, "nothing was taken");
}

#[test]
fn what_a_zone_file_hides_or_says_already_moves_no_serial() {
    let records = [
        ("", types::NS, 5, "ns.example.org"),
        ("1", types::CNAME, 5, "1.0-127.2.0.192.in-addr.arpa"),
        ("2", types::NS, 5, "ns.example.org"),
        ("3", types::DNAME, 5, "example.org"),
        ("4", types::PTR, 5, "A.web.SVC.internal"),
        ("5", types::PTR, 3600, "a.web.svc.internal"),
        ("6", types::PTR, 3600, "other.example.org"),
    ];
    let mut catalog = Catalog::with_zones(&[ZONE, V4]);
    with_file(&mut catalog, V4, &records);
    for (number, moves) in [(1, 0), (2, 0), (3, 0), (4, 0), (5, 1), (6, 1), (7, 1)] {
        let change = register("a.web", at(&format!("192.0.2.{number}")));
        assert_eq!(moved(&mut catalog, change), moves, "{number} comes");
        // The TTL of .5 is the zone's while the instance is there.
        let again = register("b.web", at(&format!("192.0.2.{number}")));
        assert_eq!(
            moved(&mut catalog, again),
            u32::from(number > 3),
            "{number} is shared"
        );
        assert_eq!(moved(&mut catalog, deregister("b.web")), u32::from(number > 3));
        assert_eq!(moved(&mut catalog, deregister("a.web")), moves, "{number} goes");
    }
}

#[test]
fn a_longer_zone_that_was_delegated_before_takes_nothing_that_was_seen() {
    let upper = "0.192.in-addr.arpa";
    let mut catalog = Catalog::with_zones(&[ZONE, upper]);
    with_file(&mut catalog, upper, &[("2", types::NS, 5, "ns.example.org")]);
    catalog.register("a.web", at("192.0.2.1"));
    let serial = catalog.zone_of(upper).serial;
    catalog.set_zone(V4, ZoneSettings::default());
    catalog.make(Change::DeleteZone { zone: zone(V4) });
    assert_eq!(catalog.zone_of(upper).serial, serial);
    assert!(catalog.zone_of(upper).reverse.as_ref().unwrap().names.is_some());
}

#[test]
fn another_ttl_moves_the_serial_of_a_zone_whose_file_says_the_rest_if_it_has_an_address() {
    let records = [
        ("", types::SOA, 5, "ns.example.org"),
        ("", types::NS, 5, "ns.example.org"),
        ("1", types::CNAME, 5, "a.example.org"),
        ("2", types::PTR, 7, "a.example.org"),
    ];
    let mut catalog = Catalog::with_zones(&[ZONE, V4]);
    with_file(&mut catalog, V4, &records);
    let mut raised = 10;
    let mut by_ttl = |catalog: &mut Catalog| {
        raised += 10;
        let settings = ZoneSettings {
            ttl: ttl(raised),
            ..Default::default()
        };
        let zone = zone(V4);
        moved(catalog, Change::PutZone { zone, settings })
    };
    assert_eq!(by_ttl(&mut catalog), 0, "no address");
    catalog.register("a.web", at("192.0.2.1 192.0.2.2"));
    assert_eq!(
        by_ttl(&mut catalog),
        0,
        "one is hidden, one has the lesser TTL of the file"
    );
    catalog.register("a.web", at("192.0.2.1 192.0.2.3"));
    assert_eq!(by_ttl(&mut catalog), 1);
}

#[test]
fn a_zone_made_by_its_file_has_the_addresses_there_are() {
    let upper = "0.192.in-addr.arpa";
    for zones in [&[ZONE, upper][..], &[ZONE]] {
        let mut catalog = Catalog::with_zones(zones);
        catalog.register("a.web", at("192.0.2.1 192.0.3.1"));
        let serial = |catalog: &Catalog| zones.get(1).map(|name| catalog.zone_of(name).serial);
        let before = serial(&catalog);
        with_file(&mut catalog, V4, &[("", types::NS, 5, "ns.example.org")]);
        assert_eq!(all(&catalog.zone_of(V4).reverse.as_ref().unwrap().names).len(), 1);
        assert_eq!(serial(&catalog), before.map(|serial| serial.wrapping_add(1)));
    }
}
