use std::num::NonZeroU16;

use expect_test::expect;

use crate::catalog::{
    Base, Change, Delay, InstanceId, InstanceKey, Lease, MetaKey, MetaValue, OnEmpty, Output, PortName,
    Protocol, Registration, ServiceName, Tag, ZoneName,
};
use crate::clock::Timestamp;

use super::*;

fn seconds(seconds: u64) -> Delay {
    Delay::from_duration(Duration::from_secs(seconds)).expect("a delay")
}

fn key(id: &str) -> InstanceKey {
    InstanceKey {
        zone: ZoneName::parse("svc.internal").expect("a zone"),
        service: ServiceName::parse("web").expect("a service"),
        id: InstanceId::parse(id).expect("an id"),
    }
}

fn port(name: &str, number: u16, protocol: Protocol) -> Port {
    Port {
        name: PortName::parse(name).expect("a port"),
        number: NonZeroU16::new(number).expect("a number"),
        protocol,
    }
}

/// A catalog with something of everything.
fn catalog() -> State {
    let zone = |name| ZoneName::parse(name).expect("a zone");
    let full = Registration {
        ports: [port("dns", 53, Protocol::Udp), port("http", 8080, Protocol::Tcp)].into(),
        priority: 1,
        weight: 5,
        tags: [Tag::parse("v2").expect("a tag")].into(),
        meta: [(
            MetaKey::parse("version").expect("a key"),
            MetaValue::parse("2.1").expect("a value"),
        )]
        .into(),
        lease: Some(Lease::from_duration(Duration::from_secs(15)).expect("a lease")),
        deregister_after: seconds(90),
        ..Registration::at([
            "192.0.2.1".parse().expect("an address"),
            "2001:db8::1".parse().expect("one"),
        ])
    };
    let tagged = Registration {
        tags: [Tag::parse("old").expect("a tag")].into(),
        ports: [port("admin", 9000, Protocol::Tcp)].into(),
        ..Registration::at(["192.0.2.2".parse().expect("an address")])
    };
    let register = |id: &str, registration: &Registration| Change::Register {
        key: key(id),
        registration: Box::new(registration.clone()),
    };
    let changes = [
        Change::Open {
            zones: vec![zone("svc.internal"), zone("gone.internal")],
            base: Base::default(),
        },
        Change::DeleteZone {
            zone: zone("gone.internal"),
        },
        Change::PutZone {
            zone: zone("svc.internal"),
            settings: ZoneSettings {
                ttl: Ttl::from_seconds(60),
                negative_ttl: Ttl::from_seconds(0),
                forget_after: Some(seconds(7200)),
                ..ZoneSettings::default()
            },
        },
        register("web-1", &full),
        register("web-2", &tagged),
        Change::Deregister {
            key: key("web-2"),
            absent_is_fine: false,
        },
        register(
            "web-0",
            &Registration::at(["192.0.2.3".parse().expect("an address")]),
        ),
        Change::PutService {
            zone: zone("svc.internal"),
            service: ServiceName::parse("web").expect("a service"),
            settings: ServiceSettings {
                on_empty: Some(OnEmpty::All),
                answer_limit: Some(3),
                ..ServiceSettings::default()
            },
        },
        Change::Report {
            key: key("web-1"),
            port: Some(PortName::parse("http").expect("a port")),
            status: Status::Warning,
            output: Output::parse("slow").expect("an output"),
        },
        Change::Lapse { key: key("web-1") },
        Change::Drain {
            key: key("web-0"),
            draining: true,
            delete_after: Some(seconds(30)),
        },
    ];
    let mut state = State::default();
    for (at, change) in changes.into_iter().enumerate() {
        let now = Timestamp::from_unix_ms(1_767_323_045_678 + 1000 * i64::try_from(at).expect("a few"));
        state.apply(&change.into(), now).expect("it is well");
    }
    state
}

fn dumped(state: &State) -> String {
    let identity = Identity {
        epoch: uuid::Uuid::from_u128(1),
        origin: uuid::Uuid::from_u128(2),
    };
    serde_json::to_string_pretty(&Catalog::of(state, &identity)).expect("JSON")
}

#[test]
fn a_dump_shows_all_that_is_on_disk_in_the_apis_shapes() {
    expect![[r#"
        {
          "epoch": "00000000-0000-0000-0000-000000000001",
          "index": 12,
          "zones": [
            {
              "name": "svc.internal",
              "serial": 1767323052,
              "settings": {
                "ttl": "1m",
                "negative_ttl": "0h",
                "forget_after": "2h"
              },
              "created_at": "2026-01-02T03:04:05.678Z",
              "index": 4,
              "services": [
                {
                  "zone": "svc.internal",
                  "name": "web",
                  "settings": {
                    "on_empty": "all",
                    "answer_limit": 3
                  },
                  "created_at": "2026-01-02T03:04:08.678Z",
                  "index": 12,
                  "instances": [
                    {
                      "zone": "svc.internal",
                      "service": "web",
                      "id": "web-0",
                      "addresses": [
                        "192.0.2.3"
                      ],
                      "ports": {},
                      "priority": 0,
                      "weight": 1,
                      "tags": [],
                      "meta": {},
                      "lease": null,
                      "deregister_after": "10m",
                      "health": {
                        "status": "passing",
                        "output": "",
                        "since": "2026-01-02T03:04:11.678Z",
                        "ports": {},
                        "verdicts": {
                          "reported": {
                            "status": "passing",
                            "output": "",
                            "since": "2026-01-02T03:04:11.678Z"
                          }
                        }
                      },
                      "draining": true,
                      "draining_since": "2026-01-02T03:04:15.678Z",
                      "delete_after": "30s",
                      "created_at": "2026-01-02T03:04:11.678Z",
                      "updated_at": "2026-01-02T03:04:15.678Z",
                      "created_index": 8,
                      "index": 12
                    },
                    {
                      "zone": "svc.internal",
                      "service": "web",
                      "id": "web-1",
                      "addresses": [
                        "192.0.2.1",
                        "2001:db8::1"
                      ],
                      "ports": {
                        "dns": {
                          "port": 53,
                          "protocol": "udp"
                        },
                        "http": {
                          "port": 8080,
                          "protocol": "tcp"
                        }
                      },
                      "priority": 1,
                      "weight": 5,
                      "tags": [
                        "v2"
                      ],
                      "meta": {
                        "version": "2.1"
                      },
                      "lease": "15s",
                      "deregister_after": "90s",
                      "health": {
                        "status": "critical",
                        "output": "no heartbeat for 15s",
                        "since": "2026-01-02T03:04:14.678Z",
                        "ports": {
                          "dns": {
                            "status": "passing",
                            "output": "",
                            "since": "2026-01-02T03:04:08.678Z"
                          },
                          "http": {
                            "status": "warning",
                            "output": "slow",
                            "since": "2026-01-02T03:04:13.678Z"
                          }
                        },
                        "verdicts": {
                          "lease": {
                            "status": "critical",
                            "output": "no heartbeat for 15s",
                            "since": "2026-01-02T03:04:14.678Z"
                          },
                          "reported": {
                            "status": "passing",
                            "output": "",
                            "since": "2026-01-02T03:04:08.678Z"
                          }
                        }
                      },
                      "draining": false,
                      "created_at": "2026-01-02T03:04:08.678Z",
                      "updated_at": "2026-01-02T03:04:14.678Z",
                      "created_index": 5,
                      "index": 11
                    }
                  ],
                  "lingering": [
                    {
                      "kind": "port",
                      "name": "admin",
                      "protocol": "tcp",
                      "since": "2026-01-02T03:04:10.678Z"
                    },
                    {
                      "kind": "tag",
                      "name": "old",
                      "since": "2026-01-02T03:04:10.678Z"
                    }
                  ]
                }
              ]
            }
          ],
          "deleted_zones": {
            "gone.internal": 1767323045
          }
        }"#]]
    .assert_eq(&dumped(&catalog()));
}

#[test]
fn equal_catalogs_have_equal_dumps() {
    assert_eq!(dumped(&catalog()), dumped(&catalog()));
}

#[test]
fn durations_are_one_integer_in_the_largest_exact_unit() {
    for (ms, text) in [
        (1500, "1500ms"),
        (15_000, "15s"),
        (90_000, "90s"),
        (600_000, "10m"),
        (86_400_000, "24h"),
    ] {
        assert_eq!(duration(Duration::from_millis(ms)), text);
    }
}
