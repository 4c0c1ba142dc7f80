//! Services as large as they may be.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use callsign::catalog::limits::{ADDRESSES_MAX, INSTANCES_MAX, META_MAX, PORTS_MAX};
use callsign::catalog::{
    Base, Change, InstanceId, InstanceKey, MetaKey, MetaValue, Port, PortName, Protocol, Registration,
    ServiceName, ServiceSettings, State, Tag, ZoneName,
};
use callsign::clock::Timestamp;

pub(crate) const ZONE: &str = "svc.internal";
/// Of the services' addresses.
pub(crate) const REVERSE_ZONE: &str = "10.in-addr.arpa";
const NOW: Timestamp = Timestamp::from_unix_ms(1_800_000_000_000);

/// - `many`: as many instances as a service may have, each with one address of both families, a port and a tag.
/// - `limited`: the same with a limit of half of them, which has to be drawn for each question.
/// - `wide`: as many instances, each with as many addresses and ports as it may have; `wide-limited` and
///   `wide-few` likewise, with a limit of half of them, and of so few that they nearly fit into a datagram.
/// - `one`: instances at one address, which has as many names, and of one service type.
/// - `of-many-0`, `of-many-1`, …: likewise, two instances a service.
/// - `zone_file`: static records, in a zone of their own.
/// - `told`: an instance with as much `meta` as there may be, in strings as long as they are shown.
pub(crate) fn state() -> State {
    let mut catalog = Catalog(State::default());
    catalog.make(Change::Open {
        zones: vec![zone(), ZoneName::parse(REVERSE_ZONE).expect("a zone")],
        base: Base::default(),
    });
    for service in ["many", "limited"] {
        for n in 0..INSTANCES_MAX as u16 {
            let mut registration = Registration::at([v4(n.into()), v6(n.into())]);
            registration.ports = [port("main", 8080)].into();
            registration.tags = [tag(if n % 2 == 0 { "even" } else { "odd" }), tag("all")].into();
            registration.priority = if service == "limited" { n % 3 } else { 0 };
            registration.weight = n % 7;
            catalog.register(service, &format!("{service}-{n}"), registration);
        }
    }
    for service in ["wide", "wide-limited", "wide-few"] {
        for n in 0..INSTANCES_MAX as u16 {
            let half = ADDRESSES_MAX as u32 / 2;
            let numbers = u32::from(n) * half..(u32::from(n) + 1) * half;
            let addresses: Vec<IpAddr> = numbers.flat_map(|n| [v4(n), v6(n)]).collect();
            let mut registration = Registration::at(addresses);
            registration.ports = (0..PORTS_MAX as u16)
                .map(|m| port(&format!("p{m:02}"), 1 + m))
                .collect();
            registration.tags = [tag("all")].into();
            registration.weight = n % 7;
            catalog.register(service, &format!("w-{n}"), registration);
        }
    }
    for (limited, limit) in [
        ("limited", INSTANCES_MAX as u32 / 2),
        ("wide-limited", INSTANCES_MAX as u32 / 2),
        ("wide-few", 200),
    ] {
        let settings = ServiceSettings {
            answer_limit: Some(limit),
            ..ServiceSettings::default()
        };
        catalog.make(Change::PutService {
            zone: zone(),
            service: service(limited),
            settings,
        });
    }
    for n in 0..INSTANCES_MAX as u16 {
        let mut registration = Registration::at([Ipv4Addr::new(10, 255, 0, 1).into()]);
        registration.ports = [port("shared", 80)].into();
        catalog.register("one", &format!("one-{n}"), registration.clone());
        catalog.register(&format!("of-many-{}", n / 2), &format!("i{n}"), registration);
    }
    let mut registration = Registration::at([v4(1)]);
    registration.meta = (0..META_MAX)
        .map(|n| {
            let key = MetaKey::parse(&format!("k{n:02}")).expect("a key");
            (key, MetaValue::parse(&"v".repeat(251)).expect("a value"))
        })
        .collect();
    catalog.register("told", "told", registration);
    catalog.zone_file();
    catalog.0
}

/// The zone of static records.
pub(crate) const STATIC_ZONE: &str = "static.internal";
/// Addresses, servers and the like of one name: more than a message holds.
const RRSET_RECORDS: u16 = 5000;

/// Sets that fill a message, alone and through eight aliases, wildcards at the end of long names, and sets of which
/// each record asks for additional ones.
fn zone_text() -> String {
    let mut text =
        String::from("$TTL 300\n@ SOA ns hostmaster 1 60 15 604800 60\n@ NS ns\nns A 192.0.2.53\n");
    let mut add = |line: String| {
        text.push_str(&line);
        text.push('\n');
    };
    for n in 0..RRSET_RECORDS {
        let [v4, v6] = [v4(n.into()), v6(n.into())];
        add(format!("big A {v4}"));
        add(format!("big AAAA {v6}"));
        add(format!("target-{n} A {v4}"));
        add(format!("target-{n} AAAA {v6}"));
        add(format!("mail MX {n} target-{n}"));
        add(format!("_srv._tcp SRV 0 {n} 80 target-{n}"));
        add(
            format!("web HTTPS {n} target-{n} port=443 ipv4hint={v4} ipv6hint={v6}")
                .replace("HTTPS 0", "HTTPS 1"),
        );
        add(format!("naptr NAPTR {n} 1 \"s\" \"x\" \"\" _srv._tcp"));
        if n < 1000 {
            add(format!("cut NS ns-{n}.cut"));
            add(format!("ns-{n}.cut A {v4}"));
            add(format!("ns-{n}.cut AAAA {v6}"));
        }
    }
    for n in 0..240 {
        add(format!("text TXT \"{n:03}{}\"", "t".repeat(252)));
    }
    add(format!(
        "one-text TXT{}",
        format!(" \"{}\"", "t".repeat(255)).repeat(250)
    ));
    // Eight aliases and then all that there is, by way of wildcards under long names.
    let long = |n: u16| format!("{}.w{n}", vec!["l"; 90].join("."));
    for n in 1..8 {
        add(format!("c{n} CNAME c{}", n + 1));
        add(format!("*.{} CNAME x.{}", long(n), long(n + 1)));
        add(format!("d{n} DNAME d{}", n + 1));
    }
    add("c8 CNAME big".into());
    add(format!("*.{} CNAME mail", long(8)));
    add("d8 DNAME static.internal.".into());
    add("loop-1 CNAME loop-2".into());
    add("loop-2 CNAME loop-1".into());
    add("grow DNAME a.a.a.a.grow".into());
    add("to-service CNAME many.svc.internal.".into());
    add(format!("*.{} A 192.0.2.1", vec!["e"; 115].join(".")));
    text
}

struct Catalog(State);

impl Catalog {
    fn make(&mut self, change: Change) {
        self.0.apply(&change.into(), NOW).expect("a change that fits");
    }

    fn zone_file(&mut self) {
        let zone = ZoneName::parse(STATIC_ZONE).expect("a zone");
        let text = zone_text();
        let (contents, _warnings) = callsign::zonefile::read_text(text.as_bytes(), &zone)
            .expect("text can be read")
            .unwrap_or_else(|findings| panic!("{:?}", findings.first()));
        let contents = Some(contents.into());
        self.make(Change::ZoneFile { zone, contents });
    }

    fn register(&mut self, of: &str, id: &str, registration: Registration) {
        let key = InstanceKey {
            zone: zone(),
            service: service(of),
            id: InstanceId::parse(id).expect("a label"),
        };
        self.make(Change::Register {
            key,
            registration: Box::new(registration),
        });
    }
}

fn zone() -> ZoneName {
    ZoneName::parse(ZONE).expect("a zone")
}

fn service(name: &str) -> ServiceName {
    ServiceName::parse(name).expect("a label")
}

fn v4(n: u32) -> IpAddr {
    Ipv4Addr::from(0x0a00_0001 + n).into()
}

fn v6(n: u32) -> IpAddr {
    Ipv6Addr::from((0x2001_0db8_u128 << 96) + u128::from(n)).into()
}

fn port(name: &str, number: u16) -> Port {
    Port {
        name: PortName::parse(name).expect("a label"),
        number: number.try_into().expect("not zero"),
        protocol: Protocol::Tcp,
    }
}

fn tag(text: &str) -> Tag {
    Tag::parse(text).expect("a tag")
}
