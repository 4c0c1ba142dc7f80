//! Room for the connections that the server takes: each needs a descriptor, and a shell or a service manager commonly
//! allows 1,024. A process may raise that by itself up to its hard limit.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::{dns, http};

/// Files, listeners and what the runtime needs, with room to spare.
const OTHERS_MAX: u64 = 512;

/// Raises the limit of open descriptors to what all connections together need, or as far as it may be.
pub(super) fn raise_limit() {
    let wanted = (http::CONNECTIONS_MAX + dns::TCP_CONNECTIONS_MAX) as u64 + OTHERS_MAX;
    let raised = getrlimit(Resource::RLIMIT_NOFILE).and_then(|(soft, hard)| {
        let limit = soft.max(wanted.min(hard));
        if limit > soft {
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
