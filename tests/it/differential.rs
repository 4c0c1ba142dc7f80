//! Callsign beside Knot, NSD and BIND: the same zones, the same random questions, and every difference either has a
//! reason that is listed or is a finding.
//!
//! `CALLSIGN_TEST_PEERS=knot,nsd,bind9` names the peers to start (`scripts/test --with-peers` installs them and sets it);
//! without it nothing is compared. `CALLSIGN_TEST_FULL` asks 100,000 questions instead of 5,000 and holds that no reason
//! is stale; `CALLSIGN_TEST_SEED` repeats a run. `CALLSIGN_TEST_SUBJECT=nsd` puts a peer in Callsign's place, without
//! any reason: so one sees what the peers make of each other.

use std::io::Write;
use std::net::SocketAddr;

use crate::support::program::{Launch, Program};
use compare::{Exchange, Tally};
use generate::Generator;
use peers::{Kind, Peer};
use probe::Probe;
use reply::Outcome;

#[path = "differential/compare.rs"]
mod compare;
#[path = "differential/exchange.rs"]
mod exchange;
#[path = "differential/generate.rs"]
mod generate;
#[path = "differential/peers.rs"]
mod peers;
#[path = "differential/probe.rs"]
mod probe;
#[path = "differential/reason.rs"]
mod reason;
#[path = "differential/reply.rs"]
mod reply;
#[path = "differential/zone.rs"]
mod zone;

const PROBES: usize = 5_000;
const PROBES_FULL: usize = 100_000;
/// So many probes are asked and compared before the next are drawn. At the end of each the silent are waited for.
const BATCH: usize = 5_000;

#[test]
fn answers_as_knot_nsd_and_bind_do() {
    let kinds = peers::named_by_environment();
    if kinds.is_empty() {
        loudly(
            "SKIPPED: answers were not compared with those of Knot, NSD and BIND: CALLSIGN_TEST_PEERS names none \
             (scripts/test --with-peers)",
        );
        return;
    }
    for kind in Kind::ALL.iter().filter(|kind| !kinds.contains(kind)) {
        loudly(&format!(
            "SKIPPED: the comparison with {}: CALLSIGN_TEST_PEERS does not name it",
            kind.package()
        ));
    }
    let seed = seed();
    let is_full = std::env::var_os("CALLSIGN_TEST_FULL").is_some();
    let servers = Servers::start(&kinds);
    let mut generator = Generator::new(seed);
    let mut tally = Tally::new(servers.subject_is_ours());
    if is_full {
        for probes in generator.sweep().chunks(BATCH) {
            servers.compare(probes, &mut tally);
        }
    }
    for _ in 0..if is_full { PROBES_FULL } else { PROBES } / BATCH {
        let probes: Vec<Probe> = (0..BATCH).map(|_| generator.probe()).collect();
        servers.compare(&probes, &mut tally);
    }
    println!("{}", tally.report());
    // What two servers share, or one does, may be their own way: three that agree are a measure.
    if kinds.len() < Kind::ALL.len() {
        println!("{}", tally.findings_text());
        loudly(&format!(
            "SKIPPED: the differences from {} of the three servers were counted ({}) and not judged",
            kinds.len(),
            tally.finding_count()
        ));
        return;
    }
    assert!(
        tally.finding_count() == 0,
        "CALLSIGN_TEST_SEED={seed}: {}",
        tally.findings_text()
    );
    // A short run may miss a rare one.
    if is_full && servers.subject_is_ours() {
        let stale = tally.stale_reasons();
        assert!(
            stale.is_empty(),
            "these reasons explain nothing any more: {stale:?}"
        );
    }
}

/// All that answer, the subject first.
struct Servers {
    addresses: Vec<(&'static str, SocketAddr)>,
    peers: Vec<Peer>,
    subject: Option<Program>,
}

impl Servers {
    fn start(kinds: &[Kind]) -> Self {
        let peers: Vec<Peer> = std::thread::scope(|scope| {
            let starts: Vec<_> = kinds
                .iter()
                .map(|kind| scope.spawn(|| Peer::start(*kind)))
                .collect();
            let peers = starts.into_iter().map(|start| start.join());
            peers.map(|peer| peer.expect("a peer that starts")).collect()
        });
        let mut addresses: Vec<_> = peers
            .iter()
            .map(|peer| (peer.kind.package(), peer.address))
            .collect();
        let subject = match std::env::var("CALLSIGN_TEST_SUBJECT") {
            Ok(package) => {
                let place = addresses.iter().position(|(name, _)| *name == package);
                let place = place.expect("CALLSIGN_TEST_SUBJECT is one of CALLSIGN_TEST_PEERS");
                addresses.swap(0, place);
                None
            }
            Err(_) => {
                let folder = zone::folder();
                let mut launch = Launch::new()
                    .argument("--zones")
                    .argument(folder.display().to_string());
                for origin in zone::ORIGINS {
                    launch = launch.arguments(["--zone", origin]);
                }
                let program = launch.start();
                addresses.insert(0, ("callsign", program.dns));
                Some(program)
            }
        };
        Self {
            addresses,
            peers,
            subject,
        }
    }

    fn subject_is_ours(&self) -> bool {
        self.subject.is_some()
    }

    /// Asks all and compares; what anybody truncated is asked again over TCP, where it must be whole.
    fn compare(&self, probes: &[Probe], tally: &mut Tally) {
        let outcomes = self.ask(probes);
        let mut again = Vec::new();
        for (number, probe) in probes.iter().enumerate() {
            tally.compare(&self.exchange(probe, &outcomes, number));
            if outcomes.iter().any(|outcomes| outcomes[number].is_truncated()) && !probe.tcp {
                again.push(number);
            }
        }
        let over_tcp: Vec<Probe> = again.iter().map(|number| probes[*number].over_tcp()).collect();
        let whole = self.ask(&over_tcp);
        for (place, number) in again.into_iter().enumerate() {
            let exchange = self.exchange(&over_tcp[place], &whole, place);
            tally.compare(&exchange);
            tally.compare_truncated(&outcomes[0][number], &exchange);
        }
    }

    /// The outcomes of each server, in the order of `addresses`.
    fn ask(&self, probes: &[Probe]) -> Vec<Vec<Outcome>> {
        std::thread::scope(|scope| {
            let asking: Vec<_> = self
                .addresses
                .iter()
                .map(|(_, address)| scope.spawn(|| exchange::ask_all(*address, probes)))
                .collect();
            let outcomes = asking.into_iter().zip(&self.addresses).map(|(asked, (name, _))| {
                asked.join().unwrap_or_else(|_| {
                    let log = self.peers.iter().find(|peer| peer.kind.package() == *name);
                    panic!(
                        "{name} cannot be asked any more; it said:\n{}",
                        log.map(Peer::log).unwrap_or_default()
                    )
                })
            });
            outcomes.collect()
        })
    }

    fn exchange<'a>(&self, probe: &'a Probe, outcomes: &'a [Vec<Outcome>], number: usize) -> Exchange<'a> {
        let mut all = self
            .addresses
            .iter()
            .zip(outcomes)
            .map(|((name, _), outcomes)| (*name, &outcomes[number]));
        let subject = all.next().expect("the subject stands first");
        Exchange {
            probe,
            subject,
            peers: all.collect(),
        }
    }
}

/// `CALLSIGN_TEST_SEED`, or another one each time; printed, so that a failure can be had again.
fn seed() -> u64 {
    let given = std::env::var("CALLSIGN_TEST_SEED")
        .ok()
        .and_then(|text| text.parse().ok());
    let seed = given.unwrap_or_else(|| fastrand::u64(..));
    println!("CALLSIGN_TEST_SEED={seed}");
    seed
}

/// Past the harness, which keeps what a passing test prints to itself.
fn loudly(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
