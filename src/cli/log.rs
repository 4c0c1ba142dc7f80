//! The log: lines on standard error.

use std::io::IsTerminal;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Layer, Registry, fmt};

use crate::config::{Log, LogFormat, LogLevel};

/// Sends this process's log lines to standard error. The first call counts.
pub(super) fn start(log: Log) {
    let (ours, theirs) = match log.level {
        LogLevel::Info => (LevelFilter::INFO, LevelFilter::WARN),
        LogLevel::Debug => (LevelFilter::DEBUG, LevelFilter::INFO),
        LogLevel::Trace => (LevelFilter::TRACE, LevelFilter::DEBUG),
    };
    let lines = fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        // It would tell of a lost line on standard error, and panic there when nobody reads that any more.
        .log_internal_errors(false);
    let lines = match log.format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    let filter = Targets::new().with_default(theirs).with_target("callsign", ours);
    // A second subscriber is refused: a test may have set one.
    let _ = tracing::subscriber::set_global_default(Registry::default().with(lines.with_filter(filter)));
}
