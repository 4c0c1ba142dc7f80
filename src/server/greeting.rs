//! The first lines that a new user sees, and the ports file that a script reads.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use crate::catalog::ZoneName;

use super::Server;

/// Writes `{"dns":["127.0.0.1:5300"],"http":"127.0.0.1:8053"}` whole or not at all.
pub(super) fn write_ports_file(path: &Path, dns: &[SocketAddr], http: SocketAddr) -> std::io::Result<()> {
    let dns: Vec<String> = dns.iter().map(ToString::to_string).collect();
    let text = serde_json::json!({ "dns": dns, "http": http.to_string() }).to_string() + "\n";
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    std::fs::write(&beside, text)?;
    std::fs::rename(&beside, path)
}

/// Says where the server listens and what to try. A closed standard output is no reason to stop.
pub(super) fn print(server: &Server, zone: &ZoneName) {
    let dns = server.dns_addresses();
    let http = server.http_address();
    let listens: Vec<String> = dns.iter().map(ToString::to_string).collect();
    let mut text = format!(
        "callsign {} answers DNS on {} (UDP and TCP) and serves its API on http://{http}\n",
        env!("CARGO_PKG_VERSION"),
        listens.join(", ")
    );
    if let Some(dns) = dns.first().copied().map(reachable) {
        let api = reachable(http);
        text += &format!(
            "try:  curl -X PUT http://{api}/v1/services/web/instances/web-1 \
             -d '{{\"address\":\"192.0.2.11\",\"port\":8080}}'\n\
             and:  dig @{} -p {} web.{zone} SRV\n",
            dns.ip(),
            dns.port(),
        );
    }
    let mut out = std::io::stdout().lock();
    drop(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
}

/// Where a client on this machine reaches a wildcard address.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}
