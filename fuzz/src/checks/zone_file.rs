//! A zone file is refused with findings that say where, or every RRset in it is answered whole.

use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr};

use callsign::answer::{Asked, TCP_MESSAGE_MAX, Transport};
use callsign::catalog::contents::{Contents, FINDINGS_MAX, Finding, Severity};
use callsign::catalog::{Base, Change, State, ZoneName};
use callsign::clock::Timestamp;
use callsign::view::Snapshot;
use callsign::zonefile;

use super::packet::{ask_of, judge};
use crate::support::dns::Message;

const ORIGIN: &str = "z";
const NOW: Timestamp = Timestamp::from_unix_ms(1_800_000_000_000);
/// RRsets that are asked for: more of them make the fuzzer slow and show nothing new.
const ASKED_MAX: usize = 64;

const WAYS: [Asked; 2] = [
    Asked {
        client: IpAddr::V4(Ipv4Addr::new(198, 51, 100, 4)),
        transport: Transport::Udp,
        udp_payload_max: 1232,
    },
    Asked {
        client: IpAddr::V4(Ipv4Addr::new(198, 51, 100, 4)),
        transport: Transport::Tcp,
        udp_payload_max: 1232,
    },
];

thread_local! {
    static OUT: RefCell<Vec<u8>> = RefCell::new(vec![0; TCP_MESSAGE_MAX]);
}

/// Reads `octets` as the file of a zone, and asks that zone.
pub fn check(octets: &[u8]) {
    let origin = ZoneName::parse(ORIGIN).expect("a zone");
    let lines = 1 + octets.iter().filter(|octet| **octet == b'\n').count();
    match zonefile::read_text(octets, &origin).expect("octets in memory can be read") {
        Err(findings) => {
            tell_where(&findings, lines);
            assert!(findings.iter().any(is_error), "refused without an error");
        }
        Ok((contents, findings)) => {
            tell_where(&findings, lines);
            assert!(!findings.iter().any(is_error), "taken with errors: {findings:?}");
            is_served(contents, &origin);
        }
    }
}

fn is_error(finding: &Finding) -> bool {
    finding.severity == Severity::Error
}

/// Each finding has its line, in order, and says something in one line; what is of the whole file comes last.
fn tell_where(findings: &[Finding], lines: usize) {
    // Errors, warnings, what the records together show, and for each a line that says that there are more.
    assert!(
        findings.len() <= 3 * (FINDINGS_MAX + 1),
        "{} findings",
        findings.len()
    );
    let mut last = 1;
    for finding in findings {
        let line = finding.line as usize;
        assert!(line <= lines, "line {line} of {lines}: {}", finding.message);
        assert!(!finding.message.is_empty() && !finding.message.contains(char::is_control));
        assert!(line == 0 || line >= last, "line {line} after {last}");
        last = if line == 0 { usize::MAX } else { line };
    }
}

fn is_served(contents: Contents, origin: &ZoneName) {
    let contents = std::sync::Arc::new(contents);
    let mut state = State::default();
    for change in [
        Change::Open {
            zones: vec![origin.clone()],
            base: Base::default(),
        },
        Change::ZoneFile {
            zone: origin.clone(),
            contents: Some(contents.clone()),
        },
    ] {
        state
            .apply(&change.into(), NOW)
            .expect("no service is in the way");
    }
    let snapshot = Snapshot::of(state);
    let apex = origin.to_wire();
    let sets: Vec<_> = contents
        .nodes()
        .flat_map(|node| node.rrsets().map(move |set| (node, set)))
        .collect();
    let mut records = 0;
    for (node, set) in sets.iter().take(ASKED_MAX) {
        assert!(
            !matches!(set.rtype, 0 | 41 | 128..=255),
            "type {} is none of a zone",
            set.rtype
        );
        let name = [node.name(), &apex].concat();
        OUT.with_borrow_mut(|out| {
            for way in &WAYS {
                let reply = ask(&snapshot, &name, set.rtype, way, out);
                // Below a cut others answer, and glue is no answer.
                if reply.aa() && way.transport == Transport::Tcp {
                    assert_eq!(reply.answers.len(), set.len(), "{}", reply.questions[0].name);
                }
            }
        });
    }
    for (_, set) in &sets {
        assert!(!set.is_empty(), "an RRset without records");
        records += set.len();
    }
    assert_eq!(records, contents.records(), "records");
}

fn ask(snapshot: &Snapshot, name: &[u8], rtype: u16, way: &Asked, out: &mut [u8]) -> Message {
    let mut query = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\x01".to_vec();
    query.extend_from_slice(name);
    query.extend_from_slice(&rtype.to_be_bytes());
    query.extend_from_slice(b"\0\x01\0\0\x29\x04\xd0\0\0\0\0\0\0");
    let room = match way.transport {
        Transport::Udp => way.udp_payload_max.into(),
        Transport::Tcp => TCP_MESSAGE_MAX,
    };
    let outcome = ask_of(snapshot, &query, way, &mut out[..room]);
    judge(&query, way, outcome, out).expect("a reply")
}
