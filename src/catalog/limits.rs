//! Every bound of the catalog, with its name. Past one that counts what exists: a conflict; past one of a single
//! body: invalid.

use std::time::Duration;

/// Instances in one service. More is a conflict.
pub const INSTANCES_MAX: usize = 4096;
/// Zones. More is a conflict.
pub const ZONES_MAX: usize = 1000;
/// Names of deleted zones whose last serial is kept. Past it, only zones of those names can be created: a conflict.
pub const RETIRED_ZONES_MAX: usize = 100_000;
/// Addresses of an instance.
pub const ADDRESSES_MAX: usize = 64;
/// Ports of an instance.
pub const PORTS_MAX: usize = 64;
/// Tags of an instance.
pub const TAGS_MAX: usize = 64;
/// Entries of an instance's `meta`.
pub const META_MAX: usize = 64;
/// Octets of a label (RFC 1035 §2.3.4).
pub const LABEL_OCTETS_MAX: usize = 63;
/// Octets of a port's name: its DNS label has an underscore before it.
pub const PORT_NAME_OCTETS_MAX: usize = 62;
/// Octets of a service type without its underscore (RFC 6335 §5.1): a longer one is not browsed for.
pub const TYPE_OCTETS_MAX: usize = 15;
/// Octets of a name on the wire, with the length octets and the root (RFC 1035 §2.3.4).
pub const NAME_OCTETS_MAX: usize = 255;
/// Octets of a tag.
pub const TAG_OCTETS_MAX: usize = 255;
/// Octets of a `meta` key.
pub const META_KEY_OCTETS_MAX: usize = 63;
/// Octets of a `meta` value.
pub const META_VALUE_OCTETS_MAX: usize = 4096;
/// Octets of a verdict's output.
pub const OUTPUT_OCTETS_MAX: usize = 4096;
/// The longest TTL in seconds (RFC 2181 §8).
pub const TTL_MAX: u32 = (1 << 31) - 1;
/// The shortest lease.
pub const LEASE_MIN: Duration = Duration::from_millis(100);
/// The longest lease.
pub const LEASE_MAX: Duration = Duration::from_secs(24 * 3600);
/// What a running lease has left after a restart of the server, at least.
pub const LEASE_AFTER_START_MIN: Duration = Duration::from_secs(30);
/// The longest `deregister_after`, `delete_after` and `forget_after`.
pub const DELAY_MAX: Duration = Duration::from_secs(30 * 24 * 3600);
/// `deregister_after` where none is given.
pub const DEREGISTER_AFTER_DEFAULT: Duration = Duration::from_secs(600);
/// `forget_after` where neither service nor zone sets one.
pub const FORGET_AFTER_DEFAULT: Duration = Duration::from_secs(3600);
/// Names of a service that are known without a bearer; past it the oldest is forgotten.
pub const LINGERING_MAX: usize = 4096;
/// `ttl` of a zone where neither it nor `--ttl` sets one, in seconds.
pub const TTL_DEFAULT: u32 = 5;
/// `negative_ttl` of a zone where neither it nor `--negative-ttl` sets one, in seconds.
pub const NEGATIVE_TTL_DEFAULT: u32 = 1;
/// What `safe_to_stop_at` allows beyond the TTL for answers under way.
pub const STOP_MARGIN: Duration = Duration::from_secs(2);
