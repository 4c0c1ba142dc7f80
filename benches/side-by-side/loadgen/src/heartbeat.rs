//! Heartbeats as fast as a number of clients can have them answered, of leases that `load` gave. A client's own instances are
//! renewed in turn, from a random one on, and all clients' together are all that there are.

use std::fmt::Write;

use crate::arguments::{Arguments, Json};
use crate::closed::{self, Load};
use crate::fail;
use crate::http::{instance_path, request};
use crate::workload::{INSTANCES, service};

/// The measurement.
pub fn run(arguments: &Arguments) -> Json {
    let services: u32 = arguments.number("services", 10_000);
    let batch: u64 = arguments.number("batch", 1);
    let clients: usize = arguments.number("clients", 64);
    let measured = Load {
        http: arguments.address("http"),
        clients,
        under_way: arguments.number("pipelined", 1),
        operations: batch,
    };
    let instances = u64::from(services) * u64::from(INSTANCES);
    if batch > 10_000 || instances < clients as u64 {
        fail("at most 10,000 heartbeats in a request, and an instance for each client");
    }
    // Where each client is in its own: those whose number leaves its remainder.
    let mut random = fastrand::Rng::with_seed(arguments.number("seed", 1));
    let own = instances / clients as u64;
    let mut at: Vec<u64> = (0..clients).map(|_| random.u64(0..own)).collect();
    let mut next = |client: usize| {
        let number = at[client] * clients as u64 + client as u64;
        at[client] = (at[client] + 1) % own;
        let (of, instance) = (number / u64::from(INSTANCES), number % u64::from(INSTANCES));
        (service(of as u32), format!("i{instance}"))
    };
    if batch == 1 {
        let one = |client, out: &mut Vec<u8>| {
            let (service, instance) = next(client);
            let path = instance_path(&service, &instance) + "/heartbeat";
            out.extend_from_slice(&request("PUT", &path, measured.http, ""));
        };
        return closed::run(arguments, &measured, one, |status, _| status == 204);
    }
    let many = |client, out: &mut Vec<u8>| {
        let mut body = String::from("{\"instances\":[");
        for at in 0..batch {
            let (service, instance) = next(client);
            let comma = if at == 0 { "" } else { "," };
            let _ = write!(body, "{comma}\"{service}/{instance}\"");
        }
        body.push_str("]}");
        out.extend_from_slice(&request("POST", "/v1/heartbeats", measured.http, &body));
    };
    let all = format!("{{\"renewed\":{batch},\"unknown\":[]}}");
    closed::run(arguments, &measured, many, |status, octets| {
        status == 200 && octets.ends_with(all.as_bytes())
    })
}
