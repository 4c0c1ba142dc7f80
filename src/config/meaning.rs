//! Settings to meaning: each value by itself, then what they say together. Every fault is found in one go.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;

use crate::catalog::limits::ZONES_MAX;
use crate::catalog::{Base, Change, State, ZoneName, parse_address};
use crate::clock::Timestamp;
use crate::lease::guard::Guarding;
use crate::store::Keep;

use super::key::Key;
use super::parse;
use super::settings::{Given, Origin, Settings};
use super::{Config, Error, Log};

/// Addresses to answer DNS on. Each costs a listener and a socket for each worker.
pub const DNS_ADDRESSES_MAX: usize = 64;
/// Addresses of `ns.<zone>`. So many fit beside a question in 512 octets, in both families.
pub const NAME_SERVER_ADDRESSES_MAX: usize = 13;
/// Names that a `Host` field may have.
pub const HTTP_NAMES_MAX: usize = 256;

/// A value with the place it came from.
type Placed<T> = (T, Origin);

/// What `settings` mean on a machine with so many cores, and what a person should know about them.
pub(super) fn meaning(settings: &Settings, cores: NonZeroUsize) -> Result<(Config, Vec<String>), Vec<Error>> {
    let mut reading = Reading {
        settings,
        errors: Vec::new(),
        warnings: Vec::new(),
    };
    let config = reading.config(cores);
    match config {
        Some(config) if reading.errors.is_empty() => Ok((config, reading.warnings)),
        _ => Err(reading.errors),
    }
}

/// Settings under way to their meaning.
struct Reading<'a> {
    settings: &'a Settings,
    errors: Vec<Error>,
    warnings: Vec<String>,
}

impl Reading<'_> {
    /// Every value is read before the first missing one ends it, so that each fault is told.
    fn config(&mut self, cores: NonZeroUsize) -> Option<Config> {
        let data_dir = self.one(Key::DataDir, parse::path);
        let dns = self.many(Key::Dns, parse::listen, DNS_ADDRESSES_MAX);
        let http = self.one(Key::Http, parse::listen);
        let zones = self.many(Key::Zone, parse::zone, ZONES_MAX);
        let zone_files = self.optional(Key::Zones, parse::path);
        let advertise = self.many(Key::Advertise, parse::advertised, NAME_SERVER_ADDRESSES_MAX);
        let http_names = self.many(Key::HttpName, parse::http_name, HTTP_NAMES_MAX);
        let ttl = self.one(Key::Ttl, parse::ttl);
        let negative_ttl = self.one(Key::NegativeTtl, parse::ttl);
        let guard = self.one(Key::Guard, parse::guard);
        let guard_for = self.one(Key::GuardFor, parse::guard_for);
        let keep_changes = self.one(Key::KeepChanges, parse::keep_changes);
        let keep_changes_for = self.one(Key::KeepChangesFor, parse::keep_changes_for);
        let udp_payload_max = self.one(Key::MaxUdpPayload, parse::udp_payload_max);
        let udp_workers = self.optional(Key::UdpWorkers, parse::udp_workers);
        let token_file = self.optional(Key::TokenFile, parse::path);
        let insecure = self.one(Key::InsecureNoAuth, parse::switch);
        let ports_file = self.optional(Key::PortsFile, parse::path);
        let log_format = self.one(Key::LogFormat, parse::log_format);
        let log_level = self.one(Key::Verbose, parse::log_level);

        self.check_listeners(&dns, http.as_ref());
        self.check_zones(&zones);
        // Judged by what was given, so that a fault in the path does not look like a missing token file.
        let has_tokens = self.settings.given(Key::TokenFile).is_some();
        if let (Some(http), Some((insecure, _))) = (&http, &insecure) {
            self.check_access(http, has_tokens, *insecure);
        }
        let name_servers = self.name_servers(&advertise, &dns);
        Some(Config {
            data_dir: data_dir?.0,
            dns: without_origins(dns),
            http: http?.0,
            zones: without_origins(zones),
            zone_files: zone_files.map(|(path, _)| path),
            base: Base {
                ttl: ttl?.0,
                negative_ttl: negative_ttl?.0,
                name_servers,
            },
            http_names: without_origins(http_names),
            guard: Guarding {
                scope: guard?.0,
                hold_max: guard_for?.0,
            },
            keep: Keep {
                changes: keep_changes?.0,
                age: keep_changes_for?.0,
            },
            udp_payload_max: udp_payload_max?.0,
            udp_workers: udp_workers.map_or(cores, |(workers, _)| workers),
            token_file: token_file.map(|(path, _)| path),
            ports_file: ports_file.map(|(path, _)| path),
            log: Log {
                format: log_format?.0,
                level: log_level?.0,
            },
        })
    }

    /// What is given for `key`, or its default as if it had been given.
    fn given(&self, key: Key) -> Vec<Given> {
        match self.settings.given(key) {
            Some(given) => given.to_vec(),
            None => key
                .default_text()
                .map(|text| Given {
                    text: text.to_owned(),
                    origin: Origin::Default(key),
                })
                .into_iter()
                .collect(),
        }
    }

    fn optional<T>(&mut self, key: Key, parse: impl Fn(&str) -> Result<T, String>) -> Option<Placed<T>> {
        let Given { text, origin } = self.given(key).pop()?;
        match parse(&text) {
            Ok(value) => Some((value, origin)),
            Err(message) => {
                self.errors.push(Error::at(&origin, message));
                None
            }
        }
    }

    /// As [`Self::optional`], for a key with a default: none only after an error.
    fn one<T>(&mut self, key: Key, parse: impl Fn(&str) -> Result<T, String>) -> Option<Placed<T>> {
        self.optional(key, parse)
    }

    fn many<T>(&mut self, key: Key, parse: impl Fn(&str) -> Result<T, String>, max: usize) -> Vec<Placed<T>> {
        let given = self.given(key);
        if let Some(over) = given.get(max) {
            self.errors.push(Error::at(
                &over.origin,
                format!("is one too many; at most {max} are allowed"),
            ));
        }
        let mut values = Vec::with_capacity(given.len().min(max));
        for Given { text, origin } in given.into_iter().take(max) {
            match parse(&text) {
                Ok(value) => values.push((value, origin)),
                Err(message) => self.errors.push(Error::at(&origin, message)),
            }
        }
        values
    }

    /// No two listeners want the same port of the same address.
    fn check_listeners(&mut self, dns: &[Placed<SocketAddr>], http: Option<&Placed<SocketAddr>>) {
        for (at, (address, origin)) in dns.iter().enumerate() {
            if let Some((other, _)) = dns[..at].iter().find(|(other, _)| collide(*address, *other)) {
                let message = if address == other {
                    format!("{address} is given twice; leave one out")
                } else {
                    format!(
                        "{address} and {other} cannot both be listened on: one contains the other; leave one out"
                    )
                };
                self.errors.push(Error::at(origin, message));
            }
        }
        let Some((http, origin)) = http else { return };
        if let Some((other, other_origin)) = dns.iter().find(|(other, _)| collide(*http, *other)) {
            self.errors.push(Error::at(
                origin,
                format!("{http} takes the TCP port of {other_origin} {other}; give the API another port"),
            ));
        }
    }

    /// Each zone once, and none that would hide what another has: the catalog itself judges that.
    fn check_zones(&mut self, zones: &[Placed<ZoneName>]) {
        let mut catalog = State::default();
        for (zone, origin) in zones {
            if catalog.zones.contains_key(zone) {
                self.errors
                    .push(Error::at(origin, format!("{zone} is given twice; leave one out")));
                continue;
            }
            let open = Change::Open {
                zones: vec![zone.clone()],
                base: Base::default(),
            };
            if let Err(rejection) = catalog.apply(&open.into(), Timestamp::default()) {
                self.errors.push(Error::at(
                    origin,
                    format!("{rejection}; leave one of the two zones out"),
                ));
            }
        }
    }

    /// Nobody but this machine may write without a token, unless that is said to be meant.
    fn check_access(&mut self, http: &Placed<SocketAddr>, has_tokens: bool, insecure: bool) {
        let (address, origin) = http;
        let is_open = !address.ip().to_canonical().is_loopback();
        match (has_tokens, insecure) {
            (true, true) => self.warnings.push(
                "--insecure-no-auth does nothing beside a token file: every request to the API needs a token".into(),
            ),
            (false, true) if is_open => self.warnings.push(format!(
                "whoever can reach the API at {address} can change the catalog (--insecure-no-auth); give --token-file to ask for tokens"
            )),
            (false, false) if is_open => self.errors.push(Error::at(
                origin,
                format!(
                    "{address} is open to other machines, and the API would ask for no token; give --token-file FILE, or \
                     listen on 127.0.0.1, or give --insecure-no-auth if whoever can reach it may change the catalog"
                ),
            )),
            _ => {}
        }
    }

    /// The addresses of `ns.<zone>`: those advertised, else those that are answered on and name a host.
    fn name_servers(&mut self, advertise: &[Placed<IpAddr>], dns: &[Placed<SocketAddr>]) -> Box<[IpAddr]> {
        let is_advertised = self
            .settings
            .given(Key::Advertise)
            .is_some_and(|given| !given.is_empty());
        let mut addresses: Vec<IpAddr> = if is_advertised {
            advertise.iter().map(|(address, _)| *address).collect()
        } else {
            dns.iter()
                .filter_map(|(address, _)| parse_address(&address.ip().to_string()).ok())
                .collect()
        };
        addresses.sort_unstable();
        addresses.dedup();
        if addresses.is_empty() && !dns.is_empty() && !is_advertised {
            self.warnings.push(
                "no --dns address names a host, so ns.<zone> has no address and resolvers that ask for it get none; \
                 give --advertise IP with the address at which clients reach this server"
                    .into(),
            );
        }
        if addresses.len() > NAME_SERVER_ADDRESSES_MAX {
            addresses.truncate(NAME_SERVER_ADDRESSES_MAX);
            self.warnings.push(format!(
                "ns.<zone> has the first {NAME_SERVER_ADDRESSES_MAX} of the --dns addresses only; choose others with --advertise IP"
            ));
        }
        addresses.into()
    }
}

fn without_origins<T>(values: Vec<Placed<T>>) -> Vec<T> {
    values.into_iter().map(|(value, _)| value).collect()
}

/// Whether the second of two listeners could not be bound: the same port of the same address, or of a wildcard that
/// contains it. `[::]` does not contain IPv4. Port 0 is another one each time.
fn collide(a: SocketAddr, b: SocketAddr) -> bool {
    let (a_ip, b_ip) = (a.ip().to_canonical(), b.ip().to_canonical());
    let contains =
        a_ip.is_ipv4() == b_ip.is_ipv4() && (a_ip.is_unspecified() || b_ip.is_unspecified() || a_ip == b_ip);
    a.port() != 0 && a.port() == b.port() && contains && same_scope(a, b)
}

/// A link-local address is another one on each link (RFC 4007 §6).
fn same_scope(a: SocketAddr, b: SocketAddr) -> bool {
    match (a, b) {
        (SocketAddr::V6(a), SocketAddr::V6(b)) if a.ip() == b.ip() => a.scope_id() == b.scope_id(),
        _ => true,
    }
}
