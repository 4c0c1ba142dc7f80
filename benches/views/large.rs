//! One change in a service of 4,096 instances: what the view takes of the time from commit to publication.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Instant;

use callsign::catalog::limits::INSTANCES_MAX;
use callsign::catalog::{
    Change, InstanceId, InstanceKey, Port, PortName, Protocol, Record, Registration, ServiceName, State,
    Status, Tag, ZoneName,
};
use callsign::view::Snapshot;

use crate::median;
use crate::support::{self, NOW, ZONE};

/// How rich the instances are.
#[derive(Clone, Copy)]
enum Shape {
    /// An address, a port, no tag.
    Typical,
    /// Addresses of both families, two ports, three tags.
    Rich,
}

fn key(id: &str) -> InstanceKey {
    InstanceKey {
        zone: ZoneName::parse(ZONE).expect("a zone"),
        service: ServiceName::parse("large").expect("a label"),
        id: InstanceId::parse(id).expect("a label"),
    }
}

fn registration(number: u32, shape: Shape) -> Registration {
    let port = |name: &str, number: u16| Port {
        name: PortName::parse(name).expect("a label"),
        number: number.try_into().expect("not zero"),
        protocol: Protocol::Tcp,
    };
    let v4 = IpAddr::from(Ipv4Addr::from(0x0a00_0001 + number));
    match shape {
        Shape::Typical => Registration {
            ports: [port("main", 8080)].into(),
            ..Registration::at([v4])
        },
        Shape::Rich => {
            let v6 = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, (number >> 16) as u16, number as u16);
            let tag = |text: &str| Tag::parse(text).expect("a tag");
            Registration {
                ports: [port("grpc", 9090), port("main", 8080)].into(),
                tags: [
                    tag("all"),
                    tag(if number.is_multiple_of(2) { "even" } else { "odd" }),
                    tag(&format!("rack-{}", number % 40)),
                ]
                .into(),
                ..Registration::at([v4, v6.into()])
            }
        }
    }
}

fn apply(state: &mut State, change: Change) -> Vec<Record> {
    state.apply(&change.into(), NOW).expect("a good change").records
}

/// What is measured, by itself so that Callgrind can count it: `--toggle-collect='*measured_change*'`.
#[inline(never)]
fn measured_change(snapshot: &Snapshot, state: State, records: &[Record]) -> Snapshot {
    snapshot.after(state, records.iter())
}

/// Prints a row for each shape and change, or, if they are counted, no more than what each is; each change is made
/// `rounds` times from the same snapshot.
pub(crate) fn changes(rounds: usize, is_counted: bool) {
    if !is_counted {
        println!("| service of {INSTANCES_MAX} | change | view |");
        println!("|---|---|---|");
    }
    for (name, shape) in [("typical", Shape::Typical), ("rich", Shape::Rich)] {
        let mut state = support::catalog(1000);
        for number in 0..INSTANCES_MAX as u32 - 1 {
            let registration = Box::new(registration(number, shape));
            let key = key(&format!("large-{number}"));
            apply(&mut state, Change::Register { key, registration });
        }
        let snapshot = Snapshot::of(state);
        let report = |status| Change::Report {
            key: key("large-7"),
            port: None,
            status,
            output: None,
        };
        let new = Box::new(registration(5000, shape));
        let elsewhere = Box::new(registration(5001, shape));
        for (what, change) in [
            ("warning", report(Status::Warning)),
            ("critical", report(Status::Critical)),
            (
                "new address",
                Change::Register {
                    key: key("large-7"),
                    registration: elsewhere,
                },
            ),
            (
                "new instance",
                Change::Register {
                    key: key("new"),
                    registration: new,
                },
            ),
            (
                "removal",
                Change::Deregister {
                    key: key("large-7"),
                    absent_is_fine: false,
                },
            ),
        ] {
            let mut state = snapshot.state.clone();
            let records = apply(&mut state, change);
            if is_counted {
                println!("{name} {what}");
            }
            let times: Vec<u64> = (0..rounds)
                .map(|_| {
                    let (state, begin) = (state.clone(), Instant::now());
                    let next = measured_change(&snapshot, state, &records);
                    let took = begin.elapsed().as_nanos() as u64;
                    black_box(next);
                    took
                })
                .collect();
            if !is_counted {
                println!("| {name} | {what} | {:.1} µs |", median(times) as f64 / 1000.0);
            }
        }
    }
}
