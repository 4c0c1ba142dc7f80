//! What is in the zone: services of three instances, each with an address and a port. One place says it, for the
//! master file, for Callsign's API and for whoever judges an answer.

use std::io::Write;
use std::net::Ipv4Addr;

use crate::fail;

/// The zone.
pub const ZONE: &str = "svc.internal";
/// Instances of a service.
pub const INSTANCES: u32 = 3;
/// Seconds that an answer may be kept.
pub const TTL_S: u32 = 5;
/// The first port.
const PORT: u32 = 8000;
/// The first octet of an address; `FLIPPED` in the other of the two that an instance may have.
const FIRST: u32 = 10;
const FLIPPED: u32 = 11;

/// The label of a service: of one length for all, so that every question is as long as every other.
pub fn service(number: u32) -> String {
    format!("svc{number:07}")
}

/// The address of an instance; `is_flipped` is the other one that `changes` gives it.
pub fn address(service: u32, instance: u32, is_flipped: bool) -> Ipv4Addr {
    let number = service * INSTANCES + instance;
    let first = if is_flipped { FLIPPED } else { FIRST };
    Ipv4Addr::from(first << 24 | number)
}

/// The port of an instance.
pub fn port(instance: u32) -> u32 {
    PORT + instance
}

/// A registration's body.
pub fn body(address: Ipv4Addr, port: u32) -> String {
    format!("{{\"address\":\"{address}\",\"port\":{port}}}")
}

/// The master file, for the servers that read one.
pub fn write_zone(services: u32) {
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let mut write = || {
        writeln!(out, "$ORIGIN {ZONE}.\n$TTL {TTL_S}")?;
        writeln!(
            out,
            "@ 3600 IN SOA ns.{ZONE}. hostmaster.{ZONE}. 1 3600 600 604800 1"
        )?;
        writeln!(out, "@ 3600 IN NS ns.{ZONE}.\nns 3600 IN A 127.0.0.1")?;
        for number in 0..services {
            let name = service(number);
            for instance in 0..INSTANCES {
                let (address, port) = (address(number, instance, false), port(instance));
                writeln!(
                    out,
                    "{name} IN A {address}\n{name} IN SRV 0 1 {port} i{instance}.{name}"
                )?;
                writeln!(out, "i{instance}.{name} IN A {address}")?;
            }
        }
        out.flush()
    };
    let written: std::io::Result<()> = write();
    if let Err(error) = written {
        fail(&format!("cannot write the zone: {error}"));
    }
}
