//! Registrations as fast as a number of clients can have them acknowledged: each has a connection and one request
//! under way, and each instance is a new one, three to a service.

use std::fmt::Write;

use crate::arguments::{Arguments, Json};
use crate::closed::{self, Load};
use crate::http::{instance_path, request};
use crate::workload::{INSTANCES, body, port};

/// A registration that nobody made before: its service, its instance, its body.
pub fn new_instance(run: u64, count: u64) -> (String, String, String) {
    let (service, instance) = (count / u64::from(INSTANCES), count as u32 % INSTANCES);
    let address = std::net::Ipv4Addr::from(10 << 24 | (count as u32 & 0x00ff_ffff));
    (
        format!("new{run}-{service:07}"),
        format!("i{instance}"),
        body(address, port(instance)),
    )
}

/// The measurement.
pub fn run(arguments: &Arguments) -> Json {
    let run: u64 = arguments.number("seed", 1);
    let operations: u64 = arguments.number("batch", 1);
    let load = Load {
        http: arguments.address("http"),
        clients: arguments.number("clients", 64),
        under_way: 1,
        operations,
    };
    let mut made = 0;
    let mut new = || {
        made += 1;
        new_instance(run, made - 1)
    };
    if operations == 1 {
        let one = |_, out: &mut Vec<u8>| {
            let (service, instance, body) = new();
            let path = instance_path(&service, &instance);
            out.extend_from_slice(&request("PUT", &path, load.http, &body));
        };
        return closed::run(arguments, &load, one, |status, _| status == 201);
    }
    let many = |_, out: &mut Vec<u8>| {
        let mut whole = String::from("{\"operations\":[");
        for at in 0..operations {
            let (service, instance, body) = new();
            let comma = if at == 0 { "" } else { "," };
            let fields = body.strip_prefix('{').expect("a body is an object");
            let _ = write!(
                whole,
                "{comma}{{\"op\":\"register\",\"service\":\"{service}\",\"id\":\"{instance}\",{fields}"
            );
        }
        whole.push_str("]}");
        out.extend_from_slice(&request("POST", "/v1/batch", load.http, &whole));
    };
    // All or nothing, and nobody had registered any of them.
    closed::run(arguments, &load, many, |status, octets| {
        status == 200 && times(octets, b"\"changed\":true") == operations
    })
}

/// How often `wanted` stands in a text, for one without repeated beginnings.
fn times(text: &[u8], wanted: &[u8]) -> u64 {
    let starts = (0..text.len()).filter(|&at| text[at] == wanted[0]);
    starts.filter(|&at| text[at..].starts_with(wanted)).count() as u64
}
