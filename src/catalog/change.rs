//! What may be asked of the catalog, and what came of it.

use std::fmt;
use std::sync::Arc;

use crate::clock::Timestamp;

use super::contents::Contents;
use super::health::{Output, Status};
use super::instance::{Instance, Registration};
use super::name::{InstanceId, PortName, ServiceName, ZoneName};
use super::service::{KnownName, Service};
use super::settings::{Base, Delay, ServiceSettings, ZoneSettings};
use super::zone::Zone;

/// An instance among all zones.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InstanceKey {
    /// Its zone.
    pub zone: ZoneName,
    /// Its service.
    pub service: ServiceName,
    /// Its id.
    pub id: InstanceId,
}

impl fmt::Display for InstanceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.id, self.service, self.zone)
    }
}

/// Something that may be asked of the catalog.
#[derive(Clone, Debug)]
pub enum Change {
    /// The server starts: it serves these zones, made where they are missing, and gives every zone this base.
    Open {
        /// `--zone`.
        zones: Vec<ZoneName>,
        /// What the flags give to every zone.
        base: Base,
    },
    /// Create a zone or replace its settings.
    PutZone {
        /// Which.
        zone: ZoneName,
        /// Its settings from now on.
        settings: ZoneSettings,
    },
    /// The static records of a zone are these from now on: its zone file was read, or is gone. The zone is made if it
    /// is missing.
    ZoneFile {
        /// Which.
        zone: ZoneName,
        /// Its records; none if there is no file.
        contents: Option<Arc<Contents>>,
    },
    /// Remove a zone without instances.
    DeleteZone {
        /// Which.
        zone: ZoneName,
    },
    /// Create a service or replace its settings.
    PutService {
        /// Where.
        zone: ZoneName,
        /// Which.
        service: ServiceName,
        /// Its settings from now on.
        settings: ServiceSettings,
    },
    /// Forget a service with all its instances.
    DeleteService {
        /// Where.
        zone: ZoneName,
        /// Which.
        service: ServiceName,
    },
    /// Register or replace an instance, and renew its lease.
    Register {
        /// Which.
        key: InstanceKey,
        /// What it says.
        registration: Box<Registration>,
    },
    /// Remove an instance.
    Deregister {
        /// Which.
        key: InstanceKey,
        /// Whether its absence is no fault, as in a batch.
        absent_is_fine: bool,
    },
    /// Set the verdict `reported`, and renew the lease.
    Report {
        /// Which.
        key: InstanceKey,
        /// About one port, or about the instance.
        port: Option<PortName>,
        /// How well.
        status: Status,
        /// What the checker said.
        output: Option<Output>,
    },
    /// Begin, change or end a drain.
    Drain {
        /// Which.
        key: InstanceKey,
        /// Begin or end.
        draining: bool,
        /// Remove it so long after.
        delete_after: Option<Delay>,
    },
    /// Renew the lease; if it had lapsed, that is undone.
    Heartbeat {
        /// Which.
        key: InstanceKey,
    },
    /// The lease ran out.
    Lapse {
        /// Which.
        key: InstanceKey,
    },
    /// The time after a lapse or a drain is over.
    Remove {
        /// Which.
        key: InstanceKey,
        /// What it follows from; if that is no longer so, nothing is removed.
        due: Due,
    },
    /// Names have been without a bearer for long enough.
    Forget {
        /// Where.
        zone: ZoneName,
        /// Whose.
        service: ServiceName,
        /// Each with the time its last bearer went; one that has had a bearer since is kept.
        names: Vec<(KnownName, Timestamp)>,
    },
}

/// What a removal follows from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// The lease lapsed at this time.
    Lapsed(Timestamp),
    /// It has been draining since this time, with `delete_after`.
    Drained(Timestamp),
}

/// What must hold of the thing for a change to be made (RFC 9110 §13.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Precondition {
    /// Nothing.
    #[default]
    None,
    /// `If-None-Match: *`: it must not exist.
    Absent,
    /// `If-Match: *`: it must exist.
    Present,
    /// `If-Match: "7"`: its index must be one of these.
    Index(Box<[u64]>),
}

/// A change with its precondition.
#[derive(Clone, Debug)]
pub struct Operation {
    /// What.
    pub change: Change,
    /// Under which condition.
    pub precondition: Precondition,
}

impl From<Change> for Operation {
    fn from(change: Change) -> Self {
        Self {
            change,
            precondition: Precondition::None,
        }
    }
}

/// Why a change was not made. Nothing was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The zone is unknown.
    #[error("zone {0} does not exist")]
    NoZone(ZoneName),
    /// The service is unknown.
    #[error("service {1} does not exist in zone {0}")]
    NoService(ZoneName, ServiceName),
    /// The instance is unknown.
    #[error("instance {} of service {} does not exist in zone {}", .0.id, .0.service, .0.zone)]
    NoInstance(InstanceKey),
    /// It would collide with what exists.
    #[error("{message}")]
    Conflict {
        /// The field at fault, if one is.
        field: Option<&'static str>,
        /// A stable word for programs.
        code: &'static str,
        /// What with what.
        message: String,
    },
    /// The body is at fault by itself.
    #[error("{message}")]
    Invalid {
        /// The field at fault.
        field: String,
        /// What is wrong with it.
        message: String,
    },
    /// The precondition does not hold; with the thing's index if it exists.
    #[error("the precondition does not hold: {}", .0.map_or("it does not exist".into(), |index| format!("its index is {index}")))]
    Precondition(Option<u64>),
}

/// What kind a committed change is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// An instance was registered or replaced.
    Register,
    /// An instance was removed, by whomever.
    Deregister,
    /// A verdict was reported.
    Health,
    /// A lease ran out.
    Lapse,
    /// A lapsed lease was renewed.
    Revive,
    /// A drain began, changed or ended.
    Drain,
    /// A service was created, changed or removed.
    Service,
    /// A zone was created, changed or removed.
    Zone,
    /// Names were forgotten.
    Forget,
    /// A zone's static records changed.
    ZoneFile,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 10] = [
        Self::Register,
        Self::Deregister,
        Self::Health,
        Self::Lapse,
        Self::Revive,
        Self::Drain,
        Self::Service,
        Self::Zone,
        Self::Forget,
        Self::ZoneFile,
    ];

    /// The word of the API and of the change log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::Deregister => "deregister",
            Self::Health => "health",
            Self::Lapse => "lapse",
            Self::Revive => "revive",
            Self::Drain => "drain",
            Self::Service => "service",
            Self::Zone => "zone",
            Self::Forget => "forget",
            Self::ZoneFile => "zonefile",
        }
    }

    /// The kind of that word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// A thing as it was before or is after a change.
#[derive(Clone, Debug, PartialEq)]
pub enum Image {
    /// It does not exist.
    Absent,
    /// A zone.
    Zone(Arc<Zone>),
    /// A service.
    Service(Arc<Service>),
    /// An instance.
    Instance(Arc<Instance>),
}

/// One committed change: one index.
#[derive(Clone, Debug)]
pub struct Record {
    /// The catalog's index after it.
    pub index: u64,
    /// When.
    pub at: Timestamp,
    /// What kind.
    pub kind: Kind,
    /// In which zone.
    pub zone: ZoneName,
    /// Of which service, unless of the zone itself.
    pub service: Option<ServiceName>,
    /// Of which instance, unless of the service itself.
    pub id: Option<InstanceId>,
    /// The thing before.
    pub before: Image,
    /// The thing after.
    pub after: Image,
    /// The serial after it of every zone that it altered.
    pub serials: Vec<(ZoneName, u32)>,
}

/// What came of an operation. Without records nothing changed and the index did not move.
#[derive(Clone, Debug, Default)]
pub struct Effect {
    /// The changes, in order.
    pub records: Vec<Record>,
    /// Whether the thing did not exist before.
    pub created: bool,
}

impl Effect {
    /// Whether anything changed.
    pub fn changed(&self) -> bool {
        !self.records.is_empty()
    }
}
