//! One answer in nanoseconds, at 10,000 and at 1,000,000 instances: A, SRV with additionals, NXDOMAIN. Names are
//! drawn at random from the whole catalog, so that the caches do not flatter it.
//!
//! `cargo bench --bench answer`

#![allow(missing_docs)]

mod support;

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};

use callsign::answer::{Asked, Outcome, Scratch, Transport, answer};
use callsign::view::Snapshot;
use criterion::{Criterion, criterion_group, criterion_main};

const QUESTIONS: usize = 65_536;

fn answers(criterion: &mut Criterion) {
    for instances in [10_000, 1_000_000] {
        let services = instances / 3;
        let before = support::resident_octets();
        let snapshot = Snapshot::of(support::catalog(services));
        let octets = support::resident_octets() - before;
        eprintln!(
            "{instances} instances: {} MiB resident for catalog and view",
            octets >> 20
        );
        let asked = Asked {
            client: IpAddr::V4(Ipv4Addr::LOCALHOST),
            transport: Transport::Udp,
            udp_payload_max: 1232,
        };
        let mut random = fastrand::Rng::with_seed(1);
        let mut ask = |name: &str, qtype: u16, rcode: u8, answers: u8| {
            let zone = support::ZONE;
            let questions: Vec<Vec<u8>> = (0..QUESTIONS)
                .map(|_| support::query(&format!("{name}-{}.{zone}", random.usize(..services)), qtype))
                .collect();
            let mut scratch = Scratch::seeded(1);
            let mut out = vec![0; 65_535];
            let mut at = 0;
            criterion.bench_function(&format!("{instances}/{name}/{qtype}"), |bencher| {
                bencher.iter(|| {
                    at = (at + 1) % QUESTIONS;
                    let outcome = answer(&snapshot, &questions[at], &asked, &mut scratch, &mut out);
                    assert!(matches!(outcome, Outcome::Reply(_)));
                    // Every answer is looked at: a bench of refusals would be fast, too.
                    assert_eq!((out[3] & 15, out[7]), (rcode, answers));
                    black_box(&out);
                });
            });
        };
        ask("service", 1, 0, 3);
        ask("service", 33, 0, 3);
        ask("absent", 1, 3, 0);
    }
}

criterion_group!(benches, answers);
criterion_main!(benches);
