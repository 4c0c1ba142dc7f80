//! The workload into Callsign, the way that anybody would put it there: batches over HTTP, several at once.

use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::arguments::{Arguments, Json};
use crate::http::Connection;
use crate::socket::monotonic_ns;
use crate::workload::{INSTANCES, address, port, service};

/// Services of a batch: 999 operations of the 1,000 that one may have.
const SERVICES: u32 = 333;
/// Batches under way.
const CONNECTIONS: usize = 4;

/// Loads it.
pub fn run(arguments: &Arguments) -> Json {
    let services: u32 = arguments.number("services", 10_000);
    let begun_ns = monotonic_ns();
    let more = match arguments.text("lease") {
        "" => String::new(),
        lease => format!(",\"lease\":\"{lease}\""),
    };
    load(services, arguments.address("http"), &more);
    let took_s = (monotonic_ns() - begun_ns) as f64 / 1e9;
    Json::begin()
        .number("load_s", took_s)
        .number("instances_per_s", f64::from(services * INSTANCES) / took_s)
}

/// Loads so many services, each instance with `more` fields.
fn load(services: u32, http: SocketAddr, more: &str) {
    let next = AtomicU32::new(0);
    std::thread::scope(|scope| {
        for _ in 0..CONNECTIONS {
            scope.spawn(|| {
                let mut connection = Connection::open(http);
                loop {
                    let first = next.fetch_add(SERVICES, Ordering::Relaxed);
                    if first >= services {
                        return;
                    }
                    let body = batch(first..(first + SERVICES).min(services), more);
                    connection.write("POST", "/v1/batch", &body);
                }
            });
        }
    });
}

fn batch(services: std::ops::Range<u32>, more: &str) -> String {
    let mut body = String::from("{\"operations\":[");
    let first = services.start;
    for number in services {
        for instance in 0..INSTANCES {
            let comma = if number == first && instance == 0 { "" } else { "," };
            let _ = write!(
                body,
                "{comma}{{\"op\":\"register\",\"service\":\"{}\",\"id\":\"i{instance}\",\"address\":\"{}\",\"port\":{}{more}}}",
                service(number),
                address(number, instance, false),
                port(instance)
            );
        }
    }
    body.push_str("]}");
    body
}
