//! A server in this process: on free ports, in a folder that is kept if the test fails, with a clock that the test moves.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use callsign::clock::{Clock, ManualClock, Timestamp};
use callsign::config::{self, Config, Key, Settings};
use callsign::server::{self, Error, Server};
use serde_json::Value;
use tokio::runtime::Runtime;

use super::dns::{self, Message, Query, Type};
use super::http::{Client, Response};
use super::program::Folder;

/// The first moment of a manual clock: 2026-01-02T03:04:05.678Z.
pub(crate) const START_MS: i64 = 1_767_323_045_678;

/// How long the effects of a moved clock, or an orderly stop, may take.
const SETTLED_WITHIN: Duration = Duration::from_secs(20);

/// What a server is started with, as flags.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    flags: Vec<(Key, Vec<String>)>,
    tokens: Option<String>,
}

impl Setup {
    /// On 127.0.0.1 with free ports and nothing but defaults.
    pub(crate) fn new() -> Self {
        let setup = Self {
            flags: Vec::new(),
            tokens: None,
        };
        setup
            .flag(Key::Dns, ["127.0.0.1:0"])
            .flag(Key::Http, ["127.0.0.1:0"])
            .flag(Key::UdpWorkers, ["1"])
    }

    /// On ::1.
    pub(crate) fn v6() -> Self {
        Self::new()
            .flag(Key::Dns, ["[::1]:0"])
            .flag(Key::Http, ["[::1]:0"])
    }

    /// A flag with its values, in the place of those that it had.
    pub(crate) fn flag<const N: usize>(self, key: Key, values: [&str; N]) -> Self {
        self.flag_of(key, values.map(str::to_string).to_vec())
    }

    pub(crate) fn flag_of(mut self, key: Key, values: Vec<String>) -> Self {
        self.flags.retain(|(other, _)| *other != key);
        self.flags.push((key, values));
        self
    }

    /// Writes these lines to a token file and gives it.
    pub(crate) fn tokens(mut self, lines: &str) -> Self {
        self.tokens = Some(lines.to_string());
        self
    }

    pub(crate) fn start(self) -> TestServer {
        let (clock, hand) = Clock::manual(Timestamp::from_unix_ms(START_MS));
        TestServer::start_in(Folder::new(), self, clock, Some(hand))
    }

    /// With the system's clocks.
    pub(crate) fn start_on_system_clock(self) -> TestServer {
        TestServer::start_in(Folder::new(), self, Clock::system(), None)
    }

    /// Tries to start a server whose data are in `folder`; gives why that failed.
    #[track_caller]
    pub(crate) fn start_and_fail_in(self, folder: &Path) -> Error {
        start_and_fail(&self.config(folder), &Clock::system())
    }

    /// What these flags mean for a server whose data are in `folder`.
    fn config(&self, folder: &Path) -> Config {
        let mut flags = Settings::default();
        for (key, values) in &self.flags {
            flags.flag(*key, values.clone());
        }
        flags.flag(Key::DataDir, [text(&folder.join("data"))]);
        if let Some(tokens) = &self.tokens {
            let path = folder.join("tokens");
            std::fs::write(&path, tokens).expect("write a token file");
            flags.flag(Key::TokenFile, [text(&path)]);
        }
        config::load(flags, None, &|_| None, NonZeroUsize::MIN)
            .expect("flags that are right")
            .config
    }
}

#[track_caller]
fn start_and_fail(config: &Config, clock: &Clock) -> Error {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    match runtime.block_on(server::start(config, clock.clone())) {
        Ok(server) => panic!("a server started, on {}", server.http_address()),
        Err(error) => error,
    }
}

fn text(path: &Path) -> String {
    path.to_str()
        .expect("a temporary folder has a plain name")
        .to_string()
}

/// The server while it runs.
#[derive(Debug)]
pub(crate) struct TestServer {
    running: Option<(Server, Runtime)>,
    setup: Setup,
    clock: Clock,
    hand: Option<Arc<ManualClock>>,
    dns: SocketAddr,
    http: SocketAddr,
    folder: Option<Folder>,
}

impl TestServer {
    /// With nothing but defaults and a manual clock.
    #[track_caller]
    pub(crate) fn start() -> Self {
        Setup::new().start()
    }

    #[track_caller]
    fn start_in(folder: Folder, setup: Setup, clock: Clock, hand: Option<Arc<ManualClock>>) -> Self {
        let config = setup.config(folder.path());
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        let server = runtime
            .block_on(server::start(&config, clock.clone()))
            .unwrap_or_else(|error| panic!("the server did not start: {error}"));
        let (dns, http) = (server.dns_addresses()[0], server.http_address());
        Self {
            running: Some((server, runtime)),
            setup,
            clock,
            hand,
            dns,
            http,
            folder: Some(folder),
        }
    }

    /// Tries to start another server on the same folder; gives why that failed.
    #[track_caller]
    pub(crate) fn start_another_and_fail(&self) -> Error {
        let config = self.setup.config(self.folder());
        start_and_fail(&config, &self.clock)
    }

    fn folder(&self) -> &Path {
        self.folder.as_ref().expect("it is there until the end").path()
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.folder().join("data")
    }

    pub(crate) fn dns(&self) -> SocketAddr {
        self.dns
    }

    pub(crate) fn http(&self) -> SocketAddr {
        self.http
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(self.http)
    }

    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Response {
        self.client().get(path)
    }

    #[track_caller]
    pub(crate) fn put(&self, path: &str, body: &Value) -> Response {
        self.client().put(path, body)
    }

    #[track_caller]
    pub(crate) fn post(&self, path: &str, body: &Value) -> Response {
        self.client().post(path, body)
    }

    #[track_caller]
    pub(crate) fn delete(&self, path: &str) -> Response {
        self.client().delete(path)
    }

    /// A PUT without a body.
    #[track_caller]
    pub(crate) fn put_nothing(&self, path: &str) -> Response {
        self.client().request("PUT", path, &[], None)
    }

    /// Registers `service/id` in the default zone; it must be well-formed. Gives the reply.
    #[track_caller]
    pub(crate) fn register(&self, key: &str, body: &Value) -> Response {
        let response = self.put(&instance(key), body);
        assert!(matches!(response.status, 200 | 201), "{key}: {}", response.text());
        response
    }

    /// What GET shows of `service/id` in the default zone.
    #[track_caller]
    pub(crate) fn show(&self, key: &str) -> Value {
        self.get(&instance(key)).expect(200).json()
    }

    /// The catalog's index.
    #[track_caller]
    pub(crate) fn index(&self) -> u64 {
        self.get("/v1/zones").expect(200).index()
    }

    /// Everything that GET shows, of all zones.
    #[track_caller]
    pub(crate) fn picture(&self) -> Value {
        let zones = self.get("/v1/zones?limit=10000").expect(200).json();
        let mut services = Vec::new();
        for zone in zones["zones"].as_array().expect("a list of zones") {
            let path = format!("/v1/zones/{}/services", word(&zone["name"]));
            let counted = self.get(&format!("{path}?limit=10000")).expect(200).json();
            for service in counted["services"].as_array().expect("a list of services") {
                services.push(
                    self.get(&format!("{path}/{}", word(&service["name"])))
                        .expect(200)
                        .json(),
                );
            }
            services.push(counted);
        }
        serde_json::json!({"zones": zones, "services": services})
    }

    /// Holds that a request changes nothing: not the index, not what GET shows, not the serial. Gives its reply.
    #[track_caller]
    pub(crate) fn unchanged_by(&self, request: impl FnOnce(&Self) -> Response) -> Response {
        let before = (self.index(), self.picture());
        let response = request(self);
        let after = (self.index(), self.picture());
        assert_eq!(
            after, before,
            "a request that was answered {} changed something",
            response.status
        );
        response
    }

    /// Asks over UDP, with EDNS so that nothing is cut.
    #[track_caller]
    pub(crate) fn ask(&self, name: &str, rtype: Type) -> Message {
        dns::ask(self.dns, &Query::new(name, rtype).edns(1232))
    }

    /// The addresses that `name` has now, of both families, sorted as text.
    #[track_caller]
    pub(crate) fn addresses(&self, name: &str) -> Vec<String> {
        let v4 = self.ask(name, Type::A);
        let v6 = self.ask(name, Type::AAAA);
        let mut all: Vec<String> = v4.a_set().iter().map(ToString::to_string).collect();
        all.extend(v6.aaaa_set().iter().map(ToString::to_string));
        all
    }

    /// The SRV records that `name` has now, each as `priority weight port target`.
    #[track_caller]
    pub(crate) fn services(&self, name: &str) -> BTreeSet<String> {
        let srv = self.ask(name, Type::SRV).srv_set().into_iter();
        srv.map(|(priority, weight, port, target)| format!("{priority} {weight} {port} {target}"))
            .collect()
    }

    /// The response code of `name` for A.
    #[track_caller]
    pub(crate) fn rcode(&self, name: &str) -> u16 {
        self.ask(name, Type::A).rcode()
    }

    /// The serial of a zone, as DNS answers it.
    #[track_caller]
    pub(crate) fn serial_of(&self, zone: &str) -> u32 {
        self.ask(zone, Type::SOA).serial().expect("an SOA record")
    }

    /// The serial of the default zone.
    #[track_caller]
    pub(crate) fn serial(&self) -> u32 {
        self.serial_of("svc.internal")
    }

    fn hand(&self) -> &ManualClock {
        self.hand.as_ref().expect("a server with a manual clock")
    }

    /// Lets so much time pass in one go, and waits until what came due is published.
    #[track_caller]
    pub(crate) fn advance(&self, by: Duration) {
        self.hand().advance(by);
        self.settle();
    }

    #[track_caller]
    pub(crate) fn advance_s(&self, seconds: u64) {
        self.advance(Duration::from_secs(seconds));
    }

    /// Lets the wall clock jump while no running time passes, as after a pause of the process.
    #[track_caller]
    pub(crate) fn jump_ms(&self, by_ms: i64) {
        self.hand().jump(by_ms);
        self.settle();
    }

    #[track_caller]
    pub(crate) fn settle(&self) {
        let (server, _) = self.running.as_ref().expect("it runs");
        assert!(
            server.settle(SETTLED_WITHIN),
            "what was due is not done after {SETTLED_WITHIN:?}"
        );
    }

    /// The wall clock as the API shows it, `seconds` from now.
    pub(crate) fn time_in(&self, seconds: u64) -> String {
        (self.clock.now() + Duration::from_secs(seconds)).to_string()
    }

    /// Stops it and starts it again on the same folder; the clock goes on.
    #[track_caller]
    pub(crate) fn restart(self) -> Self {
        let setup = self.setup.clone();
        self.restart_with(setup)
    }

    /// The same with other flags.
    #[track_caller]
    pub(crate) fn restart_with(mut self, setup: Setup) -> Self {
        self.end();
        let folder = self.folder.take().expect("it is there until the end");
        Self::start_in(folder, setup, self.clock.clone(), self.hand.clone())
    }

    /// Stops it in order.
    #[track_caller]
    pub(crate) fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        if let Some((server, runtime)) = self.running.take() {
            runtime.block_on(server.stop());
            runtime.shutdown_timeout(SETTLED_WITHIN);
        }
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.end();
    }
}

/// The text of a JSON string.
#[track_caller]
pub(crate) fn word(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no string: {value}"))
}

/// The path of `service/id` in the default zone.
pub(crate) fn instance(key: &str) -> String {
    let (service, id) = key.split_once('/').expect("service/id");
    format!("/v1/services/{service}/instances/{id}")
}

/// The path of `service/id` in `zone`.
pub(crate) fn instance_in(zone: &str, key: &str) -> String {
    let (service, id) = key.split_once('/').expect("service/id");
    format!("/v1/zones/{zone}/services/{service}/instances/{id}")
}
