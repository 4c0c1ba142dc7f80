//! What the DNS tests share: a catalog put in over HTTP, and replies held against what every reply owes.
//!
//! Each question goes over UDP and over TCP, and both must say the same. Nothing here decides what a name answers.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::support::dns::{Data, Message, Query, Type, ask, ask_tcp, rcode};
use crate::support::http::Response;
use crate::support::program::Program;

/// The default zone.
pub(crate) const ZONE: &str = "svc.internal";

/// Registers or replaces an instance of the default zone.
#[track_caller]
pub(crate) fn register(program: &Program, service: &str, id: &str, body: Value) -> Response {
    accepted(
        program
            .client()
            .put(&format!("/v1/services/{service}/instances/{id}"), &body),
    )
}

/// The same in any zone.
#[track_caller]
pub(crate) fn register_in(program: &Program, zone: &str, service: &str, id: &str, body: Value) -> Response {
    let path = format!("/v1/zones/{zone}/services/{service}/instances/{id}");
    accepted(program.client().put(&path, &body))
}

/// PUT below `/v1/services/`.
#[track_caller]
pub(crate) fn put(program: &Program, path: &str, body: Value) -> Response {
    accepted(program.client().put(&format!("/v1/services/{path}"), &body))
}

/// DELETE below `/v1/services/`.
#[track_caller]
pub(crate) fn delete(program: &Program, path: &str) -> Response {
    accepted(program.client().delete(&format!("/v1/services/{path}")))
}

/// Registers many instances in batches of 1,000.
#[track_caller]
pub(crate) fn register_all(
    program: &Program,
    service: &str,
    instances: impl Iterator<Item = (String, Value)>,
) {
    let operations: Vec<Value> = instances
        .map(|(id, mut body)| {
            body["op"] = json!("register");
            body["service"] = json!(service);
            body["id"] = json!(id);
            body
        })
        .collect();
    for part in operations.chunks(1000) {
        accepted(program.client().post("/v1/batch", &json!({ "operations": part })));
    }
}

/// Fails with the body unless the status is a success.
#[track_caller]
pub(crate) fn accepted(response: Response) -> Response {
    assert!(
        (200..300).contains(&response.status),
        "{}: {}",
        response.status,
        response.text()
    );
    response
}

/// Asks over UDP with EDNS and over TCP. Both replies must be what an authoritative server owes, and the same as sets
/// unless the first is truncated. Gives the one over UDP.
#[track_caller]
pub(crate) fn asked(server: SocketAddr, name: &str, rtype: Type) -> Message {
    let query = Query::new(name, rtype).edns(1232).recursion_desired();
    let udp = ask(server, &query);
    let tcp = ask_tcp(server, &query);
    for reply in [&udp, &tcp] {
        owed(reply, &query);
    }
    assert!(!tcp.tc(), "{name}: TC over TCP");
    assert_eq!(udp.rcode(), tcp.rcode(), "{name}: the transports disagree");
    if !udp.tc() {
        assert_eq!(
            udp.answers_text(),
            tcp.answers_text(),
            "{name}: the transports disagree"
        );
        assert_eq!(
            udp.authorities_text(),
            tcp.authorities_text(),
            "{name}: the transports disagree"
        );
    }
    udp
}

/// What every authoritative reply owes to a query with EDNS.
#[track_caller]
pub(crate) fn owed(reply: &Message, query: &Query) {
    let name = &reply.questions[0].name;
    assert!(reply.aa(), "{name}: no AA");
    assert!(!reply.ra() && !reply.ad(), "{name}: RA or AD");
    assert!(reply.rd(), "{name}: RD is not repeated");
    assert_eq!(reply.opcode(), 0);
    assert_eq!(reply.question_bytes, query.question_bytes());
    let edns = reply.edns.as_ref().expect("OPT in reply to OPT");
    assert_eq!((edns.version, edns.flags), (0, 0), "{name}");
    assert!(
        matches!(reply.rcode(), rcode::NOERROR | rcode::NXDOMAIN),
        "{name}: rcode {}",
        reply.rcode()
    );
    for record in &reply.answers {
        // RFC 1035, section 2.3.3: the owner as it was asked, and by a pointer to the question.
        assert_eq!(record.owner_wire, reply.questions[0].name_wire, "{name}");
        assert_eq!(record.owner_raw, [0xc0, 12], "{name}: an owner in full");
        assert_eq!(record.class, 1);
    }
}

/// The records answered, as text, sorted.
#[track_caller]
pub(crate) fn answers(server: SocketAddr, name: &str, rtype: Type) -> Vec<String> {
    let reply = asked(server, name, rtype);
    assert_eq!(reply.rcode(), rcode::NOERROR, "{name} {}", rtype.text());
    assert!(!reply.tc(), "{name} {}: TC", rtype.text());
    assert!(!reply.answers.is_empty(), "{name} {}: NODATA", rtype.text());
    assert!(
        reply.authorities.is_empty(),
        "{name} {}: {:?}",
        rtype.text(),
        reply.authorities_text()
    );
    reply.answers_text()
}

/// Holds that the name exists and has no record of that type: SOA of `zone`, rcode 0.
#[track_caller]
pub(crate) fn nodata(server: SocketAddr, zone: &str, name: &str, rtype: Type) {
    negative(server, zone, name, rtype, rcode::NOERROR, 1);
}

/// Holds that the name does not exist.
#[track_caller]
pub(crate) fn nxdomain(server: SocketAddr, zone: &str, name: &str, rtype: Type) {
    negative(server, zone, name, rtype, rcode::NXDOMAIN, 1);
}

/// Holds that a negative answer has that rcode, and the SOA of `zone` with that TTL.
#[track_caller]
pub(crate) fn negative(server: SocketAddr, zone: &str, name: &str, rtype: Type, wanted: u16, ttl: u32) {
    let reply = asked(server, name, rtype);
    let what = format!("{name} {}", rtype.text());
    assert_eq!(reply.answers_text(), [""; 0], "{what}: records");
    assert_eq!(reply.rcode(), wanted, "{what}: rcode");
    assert!(!reply.tc(), "{what}: TC");
    let [soa] = &reply.authorities[..] else {
        panic!("{what}: {:?} in Authority", reply.authorities_text());
    };
    assert!(matches!(soa.data, Data::Soa { .. }), "{what}: {}", soa.text());
    assert!(
        soa.owner.eq_ignore_ascii_case(&format!("{zone}.")),
        "{what}: {}",
        soa.text()
    );
    assert_eq!(soa.ttl, ttl, "{what}: the TTL of the SOA");
    assert_eq!(reply.additionals_text(), [""; 0], "{what}");
}

/// The zone's serial, from its SOA.
#[track_caller]
pub(crate) fn serial(server: SocketAddr, zone: &str) -> u32 {
    let reply = asked(server, zone, Type::SOA);
    assert_eq!(reply.answers.len(), 1, "{:?}", reply.answers_text());
    reply.serial().expect("an SOA has a serial")
}

/// RFC 1982, section 3.2: whether `later` comes after `earlier`.
pub(crate) fn is_after(later: u32, earlier: u32) -> bool {
    let ahead = later.wrapping_sub(earlier);
    ahead != 0 && ahead < 1 << 31
}

/// Asks something that must be answered right now, whatever came before: `honest.<ZONE>` as [`honest`] made it.
#[track_caller]
pub(crate) fn still_answers(server: SocketAddr) {
    assert_eq!(
        answers(server, &format!("honest.{ZONE}"), Type::A),
        [format!("honest.{ZONE}. 5 A 192.0.2.99")]
    );
}

/// The service that [`still_answers`] asks for.
#[track_caller]
pub(crate) fn honest(program: &Program) {
    register(program, "honest", "honest-1", json!({"address": "192.0.2.99"}));
}
