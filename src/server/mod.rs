//! Wiring: what is started in which order, and stopped in which.
//!
//! Start: tokens, zone files, the lock on the data directory, DNS, which says that it is not ready; store, view,
//! deadlines, writer (which opens the zones); then DNS answers; HTTP, expiry, the start-up lines. DNS answers before
//! HTTP listens, so whoever can register can also be found. Stop: HTTP first, so that nothing new
//! is asked; then what was asked is written; DNS last, since others may still be asking.

mod descriptors;
mod greeting;
mod zone_files;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use crate::auth::{self, Gate};
use crate::catalog::Change;
use crate::clock::{Alarm, Clock};
use crate::config::{Config, HostName};
use crate::feed::Feed;
use crate::lease::Deadlines;
use crate::metrics::Metrics;
use crate::store::{self, Locked, OpenError, Store};
use crate::view::{Current, Snapshot};
use crate::writer::{self, Refusal, Request, Writer};
use crate::zonefile::ZoneFile;
use crate::{dns, expiry, http};

use zone_files::ZoneFiles;

/// How long a part may take to stop before the process ends without it. The three of them, one after the other, and the
/// end of the runtime stay below five seconds together. HTTP and DNS cut off their slowest clients before that.
const PART_STOP_MAX: Duration = Duration::from_millis(1400);
const _: () = assert!(http::STOPPING_MAX.as_millis() < PART_STOP_MAX.as_millis());
const _: () = assert!(dns::STOP_TIMEOUT.as_millis() < PART_STOP_MAX.as_millis());

/// Why a server did not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It was asked for what cannot be, e.g. an address that cannot be bound.
    #[error("{0}")]
    Usage(String),
    /// The catalog cannot be opened or written.
    #[error("{0}")]
    Storage(String),
    /// Another server uses the data directory.
    #[error("{0}")]
    InUse(String),
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    dns: dns::Handle,
    parts: Parts,
    gate: Arc<Gate>,
    current: Arc<Current>,
    zone_files: Option<Arc<ZoneFiles>>,
    ports_file: Option<PathBuf>,
}

/// What runs over the catalog that was read.
#[derive(Debug)]
struct Parts {
    http: http::Handle,
    expiry: expiry::Handle,
    writer: writer::Handle,
    readiness: Arc<http::Readiness>,
    door: Writer,
}

/// Starts a server. It must be called within a runtime of several threads.
///
/// # Errors
/// [`Error`]; nothing is left running then.
pub async fn start(config: &Config, clock: Clock) -> Result<Server, Error> {
    let names = config.http_names.iter().map(HostName::as_str).map(str::to_owned);
    let gate = Gate::open(auth::Config {
        token_file: config.token_file.clone(),
        names: names.chain(auth::machine_name()).collect(),
    })
    .map_err(|error| Error::Usage(error.to_string()))?;
    let gate = Arc::new(gate);

    // Before the catalog is opened: what is wrong in them is a fault of usage, and leaves nothing behind.
    let (zone_files, files) = match &config.zone_files {
        Some(dir) => {
            let (dir, clock) = (dir.clone(), clock.clone());
            let (zone_files, files) = tokio::task::spawn_blocking(move || ZoneFiles::open(&dir, clock))
                .await
                .expect("reading zone files does not panic")
                .map_err(|errors| Error::Usage(format!("--zones: zone files are wrong:\n{errors}")))?;
            (Some(Arc::new(zone_files)), files)
        }
        None => (None, Vec::new()),
    };

    // The directory is ours before anybody is answered, and it is read while they are: until then they are told that
    // the catalog is not ready.
    let locked = Store::lock(&config.data_dir).map_err(of_store)?;
    let current = Arc::new(Current::loading());
    let metrics = Arc::new(Metrics::default());
    metrics
        .started_s
        .get_or_init(|| clock.now().unix_ms() as f64 / 1000.0);
    let room = descriptors::Room::allowed();
    let dns = dns::start(
        dns::Config {
            tcp_connections_max: room.dns,
            addresses: config.dns.clone(),
            udp_workers: config.udp_workers.get(),
            udp_payload_max: config.udp_payload_max,
            clock: clock.clone(),
            ..dns::Config::default()
        },
        current.clone(),
        metrics.dns.clone(),
    )
    .await
    .map_err(|error| Error::Usage(format!("--dns: {error}")))?;
    let bound = Bound {
        locked,
        files,
        current: current.clone(),
        metrics,
        gate: gate.clone(),
        http_connections_max: room.http,
        followers_max: room.followers,
        dns: &dns.addresses,
    };
    match bound.serve(config, clock).await {
        Ok(parts) => Ok(Server {
            dns,
            parts,
            gate,
            current,
            zone_files,
            ports_file: config.ports_file.clone(),
        }),
        Err(error) => {
            // Its ports are free when the error is told.
            dns.stop().await;
            Err(error)
        }
    }
}

fn of_store(error: OpenError) -> Error {
    match error {
        OpenError::InUse(message) => Error::InUse(message),
        OpenError::Unusable(message) => Error::Storage(message),
    }
}

/// What is there when DNS listens, and the catalog is still to be read.
struct Bound<'a> {
    locked: Locked,
    files: Vec<ZoneFile>,
    current: Arc<Current>,
    metrics: Arc<Metrics>,
    gate: Arc<Gate>,
    http_connections_max: usize,
    followers_max: usize,
    dns: &'a [SocketAddr],
}

impl Bound<'_> {
    /// Reads the catalog, and starts all that needs it.
    async fn serve(self, config: &Config, clock: Clock) -> Result<Parts, Error> {
        let Self { locked, files, .. } = self;
        let (current, base) = (self.current.clone(), config.base.clone());
        let counts = self.metrics.store.clone();
        let loading = move || {
            let mut opened = locked.load_counting(counts).map_err(of_store)?;
            opened.state.base = base;
            let changes = zone_files::changes(files, &mut opened.state);
            current.fill(Snapshot::of(opened.state));
            Ok((opened.store, opened.identity, opened.older, changes))
        };
        // The runtime serves TCP meanwhile.
        let (mut store, identity, older, mut changes) = tokio::task::spawn_blocking(loading)
            .await
            .expect("reading the catalog does not panic")?;
        let current = self.current;
        store.keep(config.keep);
        let feed = Arc::new(Feed::new(current.load().state.index));

        let alarm = Arc::new(Alarm::default());
        let guard = self.metrics.guard.clone();
        let deadlines = Deadlines::guarded(clock.clone(), alarm.clone(), config.guard, guard);
        let deadlines = Arc::new(deadlines);
        if older.is_none() {
            deadlines.load(&current.load().state);
        }
        let thread = |error: std::io::Error| Error::Usage(format!("no thread can be started: {error}"));
        let (door, writer) = writer::start(
            store,
            current.clone(),
            feed.clone(),
            deadlines.clone(),
            clock.clone(),
            self.metrics.clone(),
        )
        .map_err(thread)?;
        let open = Change::Open {
            zones: config.zones.clone(),
            base: config.base.clone(),
        };
        let readiness = Arc::new(http::Readiness::default());
        if let Some(older) = &older {
            // Nobody is shown a catalog that lacks what was acknowledged: it might look like one without instances.
            tracing::error!("{older}");
        } else {
            // Zones of files first: one that is new begins with its file's serial.
            let of_files = changes.len();
            changes.push(open);
            door.submit(Request {
                operations: changes.into_iter().map(Into::into).collect(),
                actor: "start".into(),
            })
            .await
            .map_err(|refusal| match refusal {
                Refusal::Rejected { at, rejection } if at < of_files => {
                    Error::Usage(format!("--zones: {rejection}"))
                }
                Refusal::Rejected { rejection, .. } => Error::Usage(format!("--zone: {rejection}")),
                other => Error::Storage(format!("the zones cannot be written: {other}")),
            })?;
            // Not before: a zone may be new, or have other records than when the server stopped.
            current.release();
            readiness.set_dns(true);
        }
        let http = http::start(
            http::Config {
                limits: http::Limits {
                    connections_max: self.http_connections_max,
                    followers_max: self.followers_max,
                    ..http::Limits::default()
                },
                ..http::Config::at(config.http)
            },
            http::Deps {
                current: current.clone(),
                writer: door.clone(),
                feed,
                history: Arc::new(store::History::of(&config.data_dir)),
                deadlines: deadlines.clone(),
                clock: clock.clone(),
                gate: self.gate,
                identity,
                older,
                default_zone: config.zones[0].clone(),
                readiness: readiness.clone(),
                metrics: self.metrics,
            },
        )
        .map_err(|error| Error::Usage(format!("--http: {error}")))?;
        let expiry = expiry::start(deadlines, current, alarm, door.clone(), clock).map_err(thread)?;
        if let Some(path) = &config.ports_file {
            greeting::write_ports_file(path, self.dns, http.address()).map_err(|error| {
                Error::Usage(format!("--ports-file: cannot write {}: {error}", path.display()))
            })?;
        }
        Ok(Parts {
            http,
            expiry,
            writer,
            readiness,
            door,
        })
    }
}

impl Server {
    /// Where DNS is answered.
    pub fn dns_addresses(&self) -> &[SocketAddr] {
        &self.dns.addresses
    }

    /// Where the API is served.
    pub fn http_address(&self) -> SocketAddr {
        self.parts.http.address()
    }

    /// Reads the token file and the zone files again, as SIGHUP asks: what is wrong with them is logged and leaves what
    /// was there before.
    pub fn reload(&self) -> tokio::task::JoinHandle<()> {
        let (gate, zone_files) = (self.gate.clone(), self.zone_files.clone());
        let (door, current) = (self.parts.door.clone(), self.current.clone());
        // It reads files.
        tokio::task::spawn_blocking(move || {
            if !gate.asks_for_tokens() && zone_files.is_none() {
                tracing::info!(
                    "SIGHUP: there is neither a token file nor a folder of zone files to read again"
                );
            }
            if gate.asks_for_tokens() {
                match gate.reload() {
                    Ok(()) => tracing::info!("SIGHUP: the token file was read again"),
                    Err(error) => tracing::error!(%error, "SIGHUP: the tokens stay what they were"),
                }
            }
            if let Some(zone_files) = zone_files {
                zone_files.reload(&door, &current);
            }
        })
    }

    /// What is published.
    pub fn current(&self) -> &Arc<Current> {
        &self.current
    }

    /// Waits, at most for `limit`, until whatever is due now is committed and published; whether it came to that. For
    /// tests that move the clock.
    pub fn settle(&self, limit: Duration) -> bool {
        self.parts.expiry.settle(limit)
    }

    /// Stops: nothing acknowledged and no answer in flight is lost.
    pub async fn stop(self) {
        let Self {
            dns,
            parts,
            ports_file,
            ..
        } = self;
        let Parts {
            http,
            expiry,
            writer,
            readiness,
            ..
        } = parts;
        within("HTTP", http.stop()).await;
        // These two join threads.
        let ended = tokio::task::spawn_blocking(move || {
            drop(expiry);
            writer.stop();
        });
        within("the writer", async { drop(ended.await) }).await;
        readiness.set_dns(false);
        within("DNS", dns.stop()).await;
        if let Some(path) = ports_file {
            // It names ports that nobody listens on any more.
            drop(std::fs::remove_file(path));
        }
    }
}

async fn within(part: &str, stop: impl Future<Output = ()>) {
    if tokio::time::timeout(PART_STOP_MAX, stop).await.is_err() {
        tracing::warn!(part, limit = ?PART_STOP_MAX, "did not stop in time; the process ends without it");
    }
}

/// Serves until the process is told to stop.
///
/// # Errors
/// [`Error`].
pub async fn run(config: Config) -> Result<(), Error> {
    // Before anything is started: a signal that comes early is not lost.
    let handler =
        |kind| signal(kind).map_err(|error| Error::Usage(format!("no signal can be handled: {error}")));
    let mut terminate = handler(SignalKind::terminate())?;
    let mut interrupt = handler(SignalKind::interrupt())?;
    let mut hangup = handler(SignalKind::hangup())?;

    descriptors::raise_limit();
    let server = start(&config, Clock::system()).await?;
    let check_stop = Arc::new(AtomicBool::new(false));
    let mut check = check_beside_serving(&config.data_dir, check_stop.clone());
    greeting::print(&server, &config.zones[0]);

    let mut is_checked = false;
    let outcome = loop {
        tokio::select! {
            _ = terminate.recv() => break Ok(()),
            _ = interrupt.recv() => break Ok(()),
            _ = hangup.recv() => drop(server.reload()),
            // Once only: a receiver that has given its verdict must not be asked again.
            damage = &mut check, if !is_checked => match damage {
                Ok(damage) => break Err(Error::Storage(damage)),
                Err(_) => is_checked = true,
            },
        }
    };
    tracing::info!("stopping");
    check_stop.store(true, Ordering::Relaxed);
    server.stop().await;
    outcome
}

/// Checks the data base while it is served from; the receiver gets what is wrong, if anything is.
fn check_beside_serving(dir: &Path, stop: Arc<AtomicBool>) -> tokio::sync::oneshot::Receiver<String> {
    let (found, damage) = tokio::sync::oneshot::channel();
    let dir = dir.to_owned();
    let spawned = std::thread::Builder::new().name("check".into()).spawn(move || {
        match store::quick_check(&dir, &stop) {
            // The channel closes without a word, which is no verdict.
            Ok(()) => tracing::debug!("the data base was checked: it is whole"),
            Err(message) => {
                tracing::error!("{message}");
                drop(found.send(message));
            }
        }
    });
    if let Err(error) = spawned {
        tracing::warn!(%error, "no thread for the check of the data base; it is not checked");
    }
    damage
}

#[cfg(test)]
mod simulation;
