//! `callsign serve`: the flags, and the runtime that the server lives in. The flags are text here: `config` gives them
//! their meaning, together with the other sources.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::config::{self, Key, LoadError, Settings};
use crate::server;

use super::failure::{Done, Failure};
use super::{Context, log};

/// How long the end of the process waits for a task that blocks, after the server has stopped.
const RUNTIME_STOP_MAX: Duration = Duration::from_millis(500);

/// Run the server
#[derive(Debug, Default, Args)]
#[command(after_help = "\
Each flag has an environment variable of the same name: --data-dir is CALLSIGN_DATA_DIR, -v is CALLSIGN_VERBOSE \
(0, 1 or 2). What may be given more than once is separated by commas there. An empty variable counts as unset. A flag \
beats the environment, which beats the file (keys as the flags, with _ for -); a list replaces the one from below.")]
pub(super) struct Serve {
    /// Folder of the catalog, made if it is missing [default: callsign-data]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<String>,
    /// Answer DNS here, over UDP and TCP; port 0 is any free one; may be given more than once [default: 127.0.0.1:5300]
    #[arg(long, value_name = "ADDR:PORT")]
    dns: Vec<String>,
    /// Serve the HTTP API here; anything but loopback needs --token-file or --insecure-no-auth [default: 127.0.0.1:8053]
    #[arg(long, value_name = "ADDR:PORT")]
    http: Option<String>,
    /// A zone to have, created if it is missing; may be given more than once, and the first is the API's default
    /// [default: svc.internal]
    #[arg(long, value_name = "NAME")]
    zone: Vec<String>,
    /// Folder of zone files, <origin>.zone each; their zones are created if they are missing, and SIGHUP reads them again
    #[arg(long, value_name = "DIR")]
    zones: Option<String>,
    /// Address of ns.<zone>, at which clients reach this server; may be given more than once [default: the --dns
    /// addresses that are no wildcards]
    #[arg(long, value_name = "IP")]
    advertise: Vec<String>,
    /// A name that requests without a token may have in their Host field, beside IP addresses, localhost and this
    /// machine's name; may be given more than once
    #[arg(long, value_name = "NAME")]
    http_name: Vec<String>,
    /// TTL of zones and services that set none, in whole seconds [default: 5s]
    #[arg(long, value_name = "DURATION")]
    ttl: Option<String>,
    /// How long a resolver may keep a negative answer, for zones that set nothing, in whole seconds [default: 1s]
    #[arg(long, value_name = "DURATION")]
    negative_ttl: Option<String>,
    /// What the guard against mass expiry counts by: the leases of a zone, also those of each service, or off [default:
    /// zone]
    #[arg(long, value_name = "zone|service|off")]
    guard: Option<String>,
    /// How long at most the guard holds leases that ran out [default: 10m]
    #[arg(long, value_name = "DURATION")]
    guard_for: Option<String>,
    /// Keep at most so many changes in the change log, from which watches and /v1/changes go on [default: 100000]
    #[arg(long, value_name = "N")]
    keep_changes: Option<String>,
    /// Keep a change at most so long in the change log [default: 168h]
    #[arg(long, value_name = "DURATION")]
    keep_changes_for: Option<String>,
    /// Largest reply over UDP in octets, 512 to 4096 [default: 1232]
    #[arg(long, value_name = "OCTETS")]
    max_udp_payload: Option<String>,
    /// Threads that answer UDP [default: one for each core]
    #[arg(long, value_name = "N")]
    udp_workers: Option<String>,
    /// Ask every request to the API for a token of this file; a line is TOKEN or NAME TOKEN
    #[arg(long, value_name = "FILE")]
    token_file: Option<String>,
    /// Let whoever can reach the API change the catalog
    #[arg(long)]
    insecure_no_auth: bool,
    /// Write the addresses that are listened on to this file, as JSON, once all of them are
    #[arg(long, value_name = "FILE")]
    ports_file: Option<String>,
    /// Form of the log lines on standard error: text or json [default: text]
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<String>,
    /// Log requests too (-v), or everything (-vv)
    #[arg(short, long, action = clap::ArgAction::Count)]
    verbose: u8,
    /// Read settings from this TOML file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Serve {
    /// What the flags give.
    fn settings(self) -> Settings {
        let mut settings = Settings::default();
        settings.flag(Key::DataDir, self.data_dir);
        settings.flag(Key::Dns, self.dns);
        settings.flag(Key::Http, self.http);
        settings.flag(Key::Zone, self.zone);
        settings.flag(Key::Zones, self.zones);
        settings.flag(Key::Advertise, self.advertise);
        settings.flag(Key::HttpName, self.http_name);
        settings.flag(Key::Ttl, self.ttl);
        settings.flag(Key::NegativeTtl, self.negative_ttl);
        settings.flag(Key::Guard, self.guard);
        settings.flag(Key::GuardFor, self.guard_for);
        settings.flag(Key::KeepChanges, self.keep_changes);
        settings.flag(Key::KeepChangesFor, self.keep_changes_for);
        settings.flag(Key::MaxUdpPayload, self.max_udp_payload);
        settings.flag(Key::UdpWorkers, self.udp_workers);
        settings.flag(Key::TokenFile, self.token_file);
        settings.flag(
            Key::InsecureNoAuth,
            self.insecure_no_auth.then(|| "true".to_owned()),
        );
        settings.flag(Key::PortsFile, self.ports_file);
        settings.flag(Key::LogFormat, self.log_format);
        settings.flag(Key::Verbose, (self.verbose > 0).then(|| self.verbose.to_string()));
        settings
    }

    /// What flags, environment and file say together.
    pub(super) fn load(mut self, context: &Context<'_>) -> Result<config::Loaded, LoadError> {
        let file = self.config.take();
        config::load(self.settings(), file.as_deref(), context.environment, cores())
    }

    pub(super) fn run(self, context: &mut Context<'_>) -> Done {
        let loaded = self
            .load(context)
            .map_err(|error| Failure::Usage(anyhow::Error::new(error)))?;
        log::start(loaded.config.log);
        for warning in &loaded.warnings {
            tracing::warn!("{warning}");
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .thread_name("callsign-async")
            .build()
            .map_err(|error| {
                Failure::Usage(anyhow::Error::new(error).context("no threads can be started"))
            })?;
        let ended = runtime.block_on(server::run(loaded.config));
        // The server has stopped its parts; what still blocks holds nothing that was promised.
        runtime.shutdown_timeout(RUNTIME_STOP_MAX);
        ended.map_err(|error| match error {
            server::Error::Usage(message) => Failure::usage(message),
            server::Error::Storage(message) => Failure::storage(message),
            server::Error::InUse(message) => Failure::in_use(message),
        })
    }
}

/// The processor cores that this process may use.
pub(super) fn cores() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}
