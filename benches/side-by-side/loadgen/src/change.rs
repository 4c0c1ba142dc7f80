//! One change at a time in a service of many instances: until it is acknowledged, and until DNS shows it.

use std::fmt::Write;
use std::net::Ipv4Addr;

use crate::arguments::{Arguments, Json};
use crate::changes::Asker;
use crate::fail;
use crate::histogram::Histogram;
use crate::http::{Connection, instance_path};
use crate::socket::monotonic_ns;
use crate::workload::{ZONE, body, port};

/// Operations of a batch.
const BATCH: u32 = 1000;

/// The address of an instance after change `change`, which made it another one; 0 is before all changes.
fn address(instance: u32, change: u32) -> Ipv4Addr {
    let version = if change == 0 { 0 } else { 1 + change % 15 };
    Ipv4Addr::from(172 << 24 | 16 << 16 | (instance + 4096 * version))
}

/// The measurement.
pub fn run(arguments: &Arguments) -> Json {
    let (http, server) = (arguments.address("http"), arguments.address("server"));
    let instances: u32 = arguments.number("instances", 4096);
    let times: u32 = arguments.number("times", 200);
    let name = format!("of-{instances}");
    let mut connection = Connection::open(http);
    let mut asker = Asker::towards(server);
    fill(&mut connection, &name, instances);
    let (mut acknowledged, mut shown) = (Histogram::new(), Histogram::new());
    let mut stale = 0;
    for change in 1..=times {
        let instance = change * 7919 % instances;
        let new = address(instance, change);
        let path = instance_path(&name, &format!("i{instance}"));
        let host = format!("i{instance}.{name}.{ZONE}");
        let began_ns = monotonic_ns();
        connection.write("PUT", &path, &body(new, port(0)));
        acknowledged.add(monotonic_ns() - began_ns);
        let Some(reply) = asker.ask(&host) else {
            fail("no answer over DNS");
        };
        shown.add(monotonic_ns() - began_ns);
        // The one address ends the answer: no EDNS was asked for.
        stale += u64::from(!reply.ends_with(&new.octets()));
        // The service itself answers too, with as many as fit.
        let of_service = asker.ask(&format!("{name}.{ZONE}")).unwrap_or_default();
        if of_service.get(3).is_none_or(|flags| flags & 15 != 0) || of_service[6..8] == [0, 0] {
            fail("the service is not answered");
        }
    }
    let json = Json::begin()
        .count("instances", instances.into())
        .count("stale", stale);
    shown.write(acknowledged.write(json, "acknowledged"), "shown")
}

fn fill(connection: &mut Connection, name: &str, instances: u32) {
    for first in (0..instances).step_by(BATCH as usize) {
        let mut body = String::from("{\"operations\":[");
        for instance in first..(first + BATCH).min(instances) {
            let comma = if instance == first { "" } else { "," };
            let (address, port) = (address(instance, 0), port(0));
            let _ = write!(
                body,
                "{comma}{{\"op\":\"register\",\"service\":\"{name}\",\"id\":\"i{instance}\",\"address\":\"{address}\",\"port\":{port}}}"
            );
        }
        body.push_str("]}");
        connection.write("POST", "/v1/batch", &body);
    }
}
