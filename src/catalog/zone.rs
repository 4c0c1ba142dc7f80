//! A zone: settings, serial and services. Also the unit of tenancy.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Timestamp;

use super::contents::{Contents, Node, types};
use super::limits::FORGET_AFTER_DEFAULT;
use super::name::ZoneName;
use super::reverse::Reverse;
use super::service::Service;
use super::services::Services;
use super::settings::{Base, OnEmpty, ServiceSettings, Ttl, ZoneSettings};

/// The label of the name server that every zone has by default.
pub const NAME_SERVER_LABEL: &str = "ns";

/// The same in wire form.
const NAME_SERVER_WIRE: &[u8] = b"\x02ns";

/// The label of the mailbox that a zone's SOA names (RFC 2142 §7).
pub const MAILBOX_LABEL: &str = "hostmaster";

/// A DNS zone that Callsign is authoritative for.
#[derive(Clone, PartialEq)]
pub struct Zone {
    /// Its apex.
    pub name: ZoneName,
    /// Its own settings.
    pub settings: ZoneSettings,
    /// What the server's flags gave it.
    pub base: Base,
    /// The SOA's serial (RFC 1982).
    pub serial: u32,
    /// The digest of the zone file that the serial stands for; it is kept when the file is not at hand.
    pub file: Option<u128>,
    /// The records of that file.
    pub contents: Option<Arc<Contents>>,
    /// The addresses of instances that it has PTR for, if it is a reverse zone.
    pub reverse: Option<Reverse>,
    /// Its services.
    pub services: Services,
    /// When it was created.
    pub created_at: Timestamp,
    /// The index of the latest change of the zone itself.
    pub index: u64,
    /// Until when caches may hold records of it with a TTL that was longer than today's.
    pub cached_until: Timestamp,
    /// Instances in all its services.
    pub instances: u64,
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Zone")
            .field("name", &self.name)
            .field("serial", &self.serial)
            .field("services", &self.services.len())
            .field("index", &self.index)
            .finish_non_exhaustive()
    }
}

impl Zone {
    /// TTL of its own records, and of a service that sets none.
    pub fn ttl(&self) -> Ttl {
        self.settings.ttl.unwrap_or(self.base.ttl)
    }

    /// The SOA's MINIMUM.
    pub fn negative_ttl(&self) -> Ttl {
        self.settings.negative_ttl.unwrap_or(self.base.negative_ttl)
    }

    /// Whether `ns.<zone>` is its name server, with the addresses of [`Base`]: so it is while the zone file names no
    /// other and does not say itself where that one is.
    pub fn has_default_name_server(&self) -> bool {
        self.contents.as_ref().is_none_or(|contents| {
            let leads_nowhere = |node: Node<'_>| {
                !node
                    .rrsets()
                    .any(|rrset| matches!(rrset.rtype, types::A | types::AAAA | types::CNAME | types::NS))
            };
            contents.apex().rrset(types::NS).is_none()
                && contents.node(NAME_SERVER_WIRE).is_none_or(leads_nowhere)
        })
    }

    /// TTL of a service with these settings.
    pub fn service_ttl(&self, settings: &ServiceSettings) -> Ttl {
        settings.ttl.unwrap_or_else(|| self.ttl())
    }

    /// Notes that `service` is removed: if caches may hold its records for longer than the zone's own TTL, whoever
    /// takes its name inherits that. The zone keeps it for all, which is never too short.
    pub(super) fn outlive(&mut self, service: &Service, now: Timestamp) {
        let until = service
            .cached_until()
            .max(now + self.service_ttl(service.settings()).duration());
        if until > now + self.ttl().duration() {
            self.cached_until = self.cached_until.max(until);
        }
    }

    /// What a service with these settings answers when empty.
    pub fn on_empty(&self, settings: &ServiceSettings) -> OnEmpty {
        settings.on_empty.or(self.settings.on_empty).unwrap_or_default()
    }

    /// How long names of a service with these settings stay known without a bearer.
    pub fn forget_after(&self, settings: &ServiceSettings) -> Duration {
        settings
            .forget_after
            .or(self.settings.forget_after)
            .map_or(FORGET_AFTER_DEFAULT, |delay| delay.duration())
    }
}
