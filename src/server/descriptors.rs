//! Room for the connections that the server takes: each needs a descriptor, and a shell or a service manager commonly
//! allows 1,024. A process may raise that by itself up to its hard limit. Where that is low, DNS and HTTP take less
//! each, so that neither shuts the other out and the store can still open its files.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::{dns, http};

/// Files, listeners and what the runtime needs, with room to spare.
const OTHERS_MAX: u64 = 512;
/// The same where little is allowed: a server of two cores has some 30 open when it starts.
const OTHERS_MIN: u64 = 64;
/// Connections that each side takes however little is allowed.
const SHARE_MIN: u64 = 8;

/// How many connections each side may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Room {
    pub(super) dns: usize,
    pub(super) http: usize,
    /// Watches and waiting reads.
    pub(super) followers: usize,
}

impl Room {
    /// What the limit of this process allows.
    pub(super) fn allowed() -> Self {
        // Not known is not little.
        Self::within(getrlimit(Resource::RLIMIT_NOFILE).map_or(u64::MAX, |(soft, _)| number(soft)))
    }

    fn within(limit: u64) -> Self {
        let spare = limit.saturating_sub((limit / 4).clamp(OTHERS_MIN, OTHERS_MAX));
        let share = |of: u64, max: usize| max.min(usize::try_from(of.max(SHARE_MIN)).unwrap_or(max));
        // Those who follow get a third of it until both others have all they can use.
        let both = (dns::TCP_CONNECTIONS_MAX + http::CONNECTIONS_MAX) as u64;
        let followers = share((spare / 3).max(spare.saturating_sub(both)), http::FOLLOWERS_MAX);
        let spare = spare.saturating_sub(followers as u64);
        let dns = share(spare / 2, dns::TCP_CONNECTIONS_MAX);
        Self {
            dns,
            http: share(spare.saturating_sub(dns as u64), http::CONNECTIONS_MAX),
            followers,
        }
    }
}

/// A limit as a number: some systems have it signed. What is beyond is no limit.
#[allow(clippy::unnecessary_fallible_conversions, clippy::useless_conversion)]
fn number(limit: nix::libc::rlim_t) -> u64 {
    limit.try_into().unwrap_or(u64::MAX)
}

/// Raises the limit of open descriptors to what all connections together need, or as far as it may be.
pub(super) fn raise_limit() {
    let wanted = (http::CONNECTIONS_MAX + http::FOLLOWERS_MAX + dns::TCP_CONNECTIONS_MAX) as u64 + OTHERS_MAX;
    // `rlim_t` differs between systems.
    #[allow(clippy::unnecessary_fallible_conversions, clippy::useless_conversion)]
    let raised = getrlimit(Resource::RLIMIT_NOFILE).and_then(|(soft, hard)| {
        let limit = number(soft).max(wanted.min(number(hard)));
        if limit > number(soft) {
            let limit = limit.try_into().unwrap_or(hard);
            setrlimit(Resource::RLIMIT_NOFILE, limit, hard)?;
        }
        Ok(limit)
    });
    match raised {
        Ok(limit) if limit < wanted => tracing::warn!(
            limit,
            wanted,
            "few open files are allowed (ulimit -Hn), so connections are closed for others sooner than they need be"
        ),
        Ok(_) => {}
        Err(error) => tracing::warn!(%error, "the limit of open files cannot be raised"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_share_what_is_allowed() {
        let room = |dns, http, followers| Room { dns, http, followers };
        let all = room(
            dns::TCP_CONNECTIONS_MAX,
            http::CONNECTIONS_MAX,
            http::FOLLOWERS_MAX,
        );
        for (limit, wanted) in [
            (u64::MAX, all),
            (
                (dns::TCP_CONNECTIONS_MAX + http::CONNECTIONS_MAX + http::FOLLOWERS_MAX) as u64 + OTHERS_MAX,
                all,
            ),
            (1024, room(256, 256, 256)),
            (256, room(64, 64, 64)),
            (64, room(8, 8, 8)),
            (0, room(8, 8, 8)),
        ] {
            assert_eq!(Room::within(limit), wanted, "{limit}");
        }
    }
}
