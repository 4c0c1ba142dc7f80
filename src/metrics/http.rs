//! The API: requests and connections.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::metrics::MetricType;

use super::histogram::LONG_US;
use super::{Collector, DescriptorEncoder, Histogram, Named, counter, gauge};

/// Statuses that the API replies with; what is none of them is `other`.
const STATUSES: [&str; 24] = [
    "200", "201", "204", "304", "400", "401", "403", "404", "405", "408", "409", "410", "412", "413", "421",
    "422", "429", "431", "500", "501", "503", "505", "507", "other",
];

/// What came of a heartbeat, alone or among many.
pub const HEARTBEATS: [&str; 3] = ["renewed", "revived", "unknown"];

/// What the API counts.
#[derive(Debug)]
pub struct Http {
    replies: Named<{ STATUSES.len() }>,
    /// From when a request's head was read until its reply was there.
    pub took: Histogram,
    /// Heartbeats, by what came of them.
    pub heartbeats: Named<{ HEARTBEATS.len() }>,
    /// Connections that are open.
    pub open: AtomicU64,
    /// Connections that were accepted.
    pub accepted: AtomicU64,
    /// Connections that were asked to close to make room.
    pub evicted: AtomicU64,
    /// Connections that could not be accepted.
    pub accept_errors: AtomicU64,
    /// Connections cut off because a request's head came too slowly.
    pub slow: AtomicU64,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            replies: Named::of(STATUSES),
            took: Histogram::of_durations(LONG_US),
            heartbeats: Named::of(HEARTBEATS),
            open: AtomicU64::new(0),
            accepted: AtomicU64::new(0),
            evicted: AtomicU64::new(0),
            accept_errors: AtomicU64::new(0),
            slow: AtomicU64::new(0),
        }
    }
}

impl Http {
    /// Counts a reply.
    pub fn replied(&self, status: u16) {
        // The usual ones first in the list; a number is compared as one.
        let at = STATUSES.iter().position(|known| {
            let digits = known.as_bytes();
            digits.len() == 3
                && u16::from(digits[0] - b'0') * 100
                    + u16::from(digits[1] - b'0') * 10
                    + u16::from(digits[2] - b'0')
                    == status
        });
        self.replies.add(at.unwrap_or(STATUSES.len() - 1), 1);
    }
}

impl Collector for Http {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.replies.encode(
            &mut encoder,
            "http_replies",
            "Replies of the API, by status",
            "status",
        )?;
        self.took.encode(encoder.encode_descriptor(
            "http_request_seconds",
            "Time from a request's head until its reply",
            None,
            MetricType::Histogram,
        )?)?;
        self.heartbeats.encode(
            &mut encoder,
            "heartbeats",
            "Heartbeats of instances, by what came of them",
            "outcome",
        )?;
        gauge(
            &mut encoder,
            "http_connections",
            "Connections to the API that are open",
            self.open.load(Ordering::Relaxed),
        )?;
        for (name, help, count) in [
            (
                "http_connections_accepted",
                "Connections to the API that were accepted",
                &self.accepted,
            ),
            (
                "http_connections_evicted",
                "Idle connections to the API closed to make room",
                &self.evicted,
            ),
            (
                "http_accept_errors",
                "Connections to the API that could not be accepted",
                &self.accept_errors,
            ),
            (
                "http_slow_heads",
                "Connections to the API cut off because a request's head came too slowly",
                &self.slow,
            ),
        ] {
            counter(&mut encoder, name, help, count)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_status_counts_under_its_own_number() {
        let http = Http::default();
        for status in [200, 204, 507, 418, 99, 999] {
            http.replied(status);
        }
        let count = |status: &str| {
            let at = STATUSES
                .iter()
                .position(|known| *known == status)
                .expect("a status");
            http.replies.load(at)
        };
        assert_eq!((count("200"), count("204"), count("507")), (1, 1, 1));
        assert_eq!(count("other"), 3);
        assert_eq!(count("404"), 0);
    }
}
