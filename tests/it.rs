//! The one test binary: a file for each area in `it/`, and what they share in `support/`.

// Tests panic on purpose, and they measure the real time of a real program.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, missing_docs)]

mod support;

#[path = "it/backup.rs"]
mod backup;
#[path = "it/check_zone.rs"]
mod check_zone;
#[path = "it/cli_client.rs"]
mod cli_client;
#[path = "it/cli_serve.rs"]
mod cli_serve;
#[path = "it/cli_watch.rs"]
mod cli_watch;
#[path = "it/conformance/mod.rs"]
mod conformance;
#[path = "it/continuity.rs"]
mod continuity;
#[path = "it/corpus.rs"]
mod corpus;
#[path = "it/crash.rs"]
mod crash;
#[path = "it/differential.rs"]
mod differential;
#[path = "it/disk.rs"]
mod disk;
#[path = "it/dns_dig.rs"]
mod dns_dig;
#[path = "it/dns_gate.rs"]
mod dns_gate;
#[path = "it/dns_names.rs"]
mod dns_names;
#[path = "it/dns_sd.rs"]
mod dns_sd;
#[path = "it/dns_sizes.rs"]
mod dns_sizes;
#[path = "it/dns_transport.rs"]
mod dns_transport;
#[path = "it/docs.rs"]
mod docs;
#[path = "it/drain.rs"]
mod drain;
#[path = "it/guard.rs"]
mod guard;
#[path = "it/health.rs"]
mod health;
#[path = "it/heartbeats.rs"]
mod heartbeats;
#[path = "it/hostile_files.rs"]
mod hostile_files;
#[path = "it/house.rs"]
mod house;
#[path = "it/http_auth.rs"]
mod http_auth;
#[path = "it/http_batch.rs"]
mod http_batch;
#[path = "it/http_concurrent.rs"]
mod http_concurrent;
#[path = "it/http_conditional.rs"]
mod http_conditional;
#[path = "it/http_errors.rs"]
mod http_errors;
#[path = "it/http_hostile.rs"]
mod http_hostile;
#[path = "it/http_hostile_beside.rs"]
mod http_hostile_beside;
#[path = "it/http_instances.rs"]
mod http_instances;
#[path = "it/http_limits.rs"]
mod http_limits;
#[path = "it/http_random.rs"]
mod http_random;
#[path = "it/http_services.rs"]
mod http_services;
#[path = "it/http_wait.rs"]
mod http_wait;
#[path = "it/http_watch.rs"]
mod http_watch;
#[path = "it/http_zones.rs"]
mod http_zones;
#[path = "it/leases.rs"]
mod leases;
#[path = "it/metrics.rs"]
mod metrics;
#[path = "it/power_loss.rs"]
mod power_loss;
#[path = "it/rebuild.rs"]
mod rebuild;
#[path = "it/restart.rs"]
mod restart;
#[path = "it/reverse.rs"]
mod reverse;
#[path = "it/serve_leases.rs"]
mod serve_leases;
#[path = "it/start.rs"]
mod start;
#[path = "it/tcp_pressure.rs"]
mod tcp_pressure;
#[path = "it/time_trouble.rs"]
mod time_trouble;
#[path = "it/trouble.rs"]
mod trouble;
#[path = "it/udp_pressure.rs"]
mod udp_pressure;
#[path = "it/watch_load.rs"]
mod watch_load;
#[path = "it/watch_truth.rs"]
mod watch_truth;
#[path = "it/wire.rs"]
mod wire;
#[path = "it/zone_files.rs"]
mod zone_files;
#[path = "it/zone_reload.rs"]
mod zone_reload;
#[path = "it/zone_reload_trouble.rs"]
mod zone_reload_trouble;
