//! Requests to the API, for every command that makes them.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use clap::Args;
use serde_json::Value;
use ureq::http::{Method, Request, Uri};

use super::Context;
use super::failure::{Done, Failure};

/// How long a request may take from connecting to the last octet of its reply.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How long a watch may be silent: the server says something each 15 s.
const SILENCE_MAX: Duration = Duration::from_secs(40);

/// Octets of a reply. A page of a list has at most 1,000 entries, which stay far below.
const REPLY_OCTETS_MAX: u64 = 256 << 20;

/// Where the API is, and what to do with its reply.
#[derive(Debug, Args)]
#[command(next_help_heading = "API")]
pub(super) struct Connection {
    /// URL of the API [env: CALLSIGN_SERVER] [default: http://127.0.0.1:8053]
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    /// Token to show; where others can list processes, rather set the variable [env: CALLSIGN_TOKEN]
    #[arg(long, value_name = "TOKEN")]
    token: Option<String>,
    /// Print the API's reply as JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// Which zone is meant.
#[derive(Debug, Args)]
#[command(next_help_heading = "API")]
pub(super) struct InZone {
    /// Zone [default: the server's first]
    #[arg(long, value_name = "ZONE")]
    pub(super) zone: Option<String>,
}

impl InZone {
    /// The path of the zone's services.
    pub(super) fn services(&self) -> String {
        match &self.zone {
            Some(zone) => format!("/v1/zones/{}/services", encoded(zone)),
            None => "/v1/services".into(),
        }
    }

    /// The path to which heartbeats of several instances go.
    pub(super) fn heartbeats(&self) -> String {
        match &self.zone {
            Some(zone) => format!("/v1/zones/{}/heartbeats", encoded(zone)),
            None => "/v1/heartbeats".into(),
        }
    }

    /// The path of one service.
    pub(super) fn service(&self, service: &str) -> String {
        format!("{}/{}", self.services(), encoded(service))
    }

    /// The path of one instance.
    pub(super) fn instance(&self, service: &str, id: &str) -> String {
        format!("{}/instances/{}", self.service(service), encoded(id))
    }

    /// A service as one speaks of it: with its zone, where that is known.
    pub(super) fn spoken(&self, service: &str, reply: &Value) -> String {
        match reply["zone"].as_str().or(self.zone.as_deref()) {
            Some(zone) => format!("{service}.{}", zone.trim_end_matches('.')),
            None => service.to_owned(),
        }
    }
}

/// Percent-encodes all but the unreserved characters (RFC 3986 §2.3).
pub(super) fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for octet in text.bytes() {
        if octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.' | b'_' | b'~') {
            encoded.push(octet.into());
        } else {
            encoded.push_str(&format!("%{octet:02X}"));
        }
    }
    encoded
}

/// A precondition of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    /// None.
    Any,
    /// The thing still has this ETag.
    Unchanged(String),
    /// There is no such thing.
    Absent,
}

/// What came back, whatever its status.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) etag: Option<String>,
    index: Option<String>,
    retry_after: Option<String>,
    body: String,
}

impl Reply {
    /// This reply if it is a success, else what the API says is wrong.
    pub(super) fn accepted(self) -> Done<Self> {
        if (200..300).contains(&self.status) {
            return Ok(self);
        }
        let problem: Value = serde_json::from_str(&self.body).unwrap_or_default();
        let told = problem["detail"].as_str().or(problem["title"].as_str());
        let mut message = match told {
            Some(told) => told.to_owned(),
            None => format!("the server replied with HTTP status {}", self.status),
        };
        // Most details begin with the field at fault already.
        if let Some(field) = problem["field"]
            .as_str()
            .filter(|field| !message.starts_with(field))
        {
            message.push_str(&format!(" (field {field})"));
        }
        if self.status == 401 {
            message.push_str("; give a token with --token or CALLSIGN_TOKEN");
        }
        if let Some(after) = &self.retry_after {
            message.push_str(&format!("; try again in {after} s"));
        }
        Err(Failure::request(message))
    }

    /// The body; null if there is none.
    pub(super) fn json(&self) -> Done<Value> {
        if self.body.trim().is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&self.body).map_err(|error| {
            Failure::Request(anyhow::Error::new(error).context(
                "the server's reply is not JSON; is this URL that of Callsign's API? (--server, CALLSIGN_SERVER)",
            ))
        })
    }

    /// Prints the body as it came, if there is one.
    pub(super) fn print(&self, context: &mut Context<'_>) -> Done {
        if !self.body.is_empty() {
            writeln!(context.out, "{}", self.body.trim_end())?;
        }
        Ok(())
    }

    /// ` (index 7)`: of the thing in `body`, else of the catalog when this was answered.
    pub(super) fn index(&self, body: &Value) -> String {
        match (body["index"].as_u64(), &self.index) {
            (Some(index), _) => format!(" (index {index})"),
            (None, Some(index)) => format!(" (index {index})"),
            (None, None) => String::new(),
        }
    }
}

/// A reply that has no end.
pub(super) struct Stream {
    /// Its status and what the API says is wrong, if it is no success.
    pub(super) refused: Option<(u16, Failure)>,
    pub(super) epoch: Option<String>,
    pub(super) index: Option<u64>,
    pub(super) body: ureq::BodyReader<'static>,
}

/// The API, ready to be asked.
pub(super) struct Client {
    agent: ureq::Agent,
    /// For replies that have no end.
    streaming: ureq::Agent,
    /// Without a final slash.
    base: String,
    token: Option<String>,
}

impl Connection {
    /// Reads the URL and the token from flags and environment.
    pub(super) fn client(&self, context: &Context<'_>) -> Done<Client> {
        let given = |flag: &Option<String>| flag.clone().filter(|text| !text.is_empty());
        let server = match given(&self.server) {
            Some(server) => server,
            None => context
                .variable("CALLSIGN_SERVER")?
                .unwrap_or_else(|| "http://127.0.0.1:8053".into()),
        };
        let token = match given(&self.token) {
            Some(token) => Some(token),
            None => context.variable("CALLSIGN_TOKEN")?,
        };
        if token
            .as_ref()
            .is_some_and(|token| !token.bytes().all(|octet| octet.is_ascii_graphic()))
        {
            return Err(Failure::usage(
                "the token has characters other than printable ASCII without spaces (--token, CALLSIGN_TOKEN)",
            ));
        }
        let is_loopback = check_url(&server)?;
        let agent = |whole, each| {
            let mut config = ureq::Agent::config_builder()
                .timeout_global(whole)
                .timeout_connect(Some(TIMEOUT))
                .timeout_recv_response(Some(TIMEOUT))
                .timeout_per_read(each)
                .http_status_as_error(false)
                .max_redirects(0)
                .user_agent(concat!("callsign/", env!("CARGO_PKG_VERSION")));
            if is_loopback {
                // A proxy's loopback is another machine's.
                config = config.proxy(None);
            }
            config.build().new_agent()
        };
        Ok(Client {
            agent: agent(Some(TIMEOUT), None),
            streaming: agent(None, Some(SILENCE_MAX)),
            base: server.trim_end_matches('/').to_owned(),
            token,
        })
    }
}

/// Whether `server` is on this machine, if it is a URL that can be spoken to.
fn check_url(server: &str) -> Done<bool> {
    let wrong = |what: &str| {
        Err(Failure::usage(format!(
            "{server:?} {what}; write one such as http://127.0.0.1:8053 (--server, CALLSIGN_SERVER)"
        )))
    };
    let scheme = server
        .split_once("://")
        .map(|(scheme, _)| scheme.to_ascii_lowercase());
    match scheme.as_deref() {
        Some("http") => {}
        Some("https") => return wrong("asks for https, but the API speaks plain http only"),
        _ => return wrong("is no http URL"),
    }
    let Ok(uri) = server.parse::<Uri>() else {
        return wrong("is no URL");
    };
    if uri.query().is_some() || server.contains('#') {
        return wrong("has a query or a fragment, which the API's URL has not");
    }
    let Some(host) = uri.host().filter(|host| !host.is_empty()) else {
        return wrong("names no host");
    };
    let address: Option<IpAddr> = host.trim_matches(['[', ']']).parse().ok();
    Ok(host.eq_ignore_ascii_case("localhost") || address.is_some_and(|ip| ip.to_canonical().is_loopback()))
}

impl Client {
    /// Sends a request and takes the reply, whatever its status.
    pub(super) fn send(
        &self,
        method: Method,
        path: &str,
        condition: &Condition,
        body: Option<&Value>,
    ) -> Done<Reply> {
        let is_write = method != Method::GET;
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base));
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        match condition {
            Condition::Any => {}
            Condition::Unchanged(etag) => request = request.header("if-match", etag),
            Condition::Absent => request = request.header("if-none-match", "*"),
        }
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        let body = body.map(Value::to_string).unwrap_or_default();
        let request = request.body(body).map_err(|error| {
            Failure::Usage(anyhow::Error::new(error).context("the request cannot be written"))
        })?;
        let failed = |error| self.unreachable(error, is_write);
        let mut response = self.agent.run(request).map_err(failed)?;
        let header = |name| {
            let value = response.headers().get(name)?;
            value.to_str().ok().map(str::to_owned)
        };
        Ok(Reply {
            status: response.status().as_u16(),
            etag: header("etag"),
            index: header("x-callsign-index"),
            retry_after: header("retry-after"),
            body: response
                .body_mut()
                .with_config()
                .limit(REPLY_OCTETS_MAX)
                .read_to_string()
                .map_err(failed)?,
        })
    }

    /// Asks for a reply that has no end.
    pub(super) fn stream(&self, path: &str, header: Option<(&str, &str)>) -> Done<Stream> {
        let mut request = Request::builder()
            .uri(format!("{}{path}", self.base))
            .header("accept", "text/event-stream");
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if let Some((name, value)) = header {
            request = request.header(name, value);
        }
        let request = request.body(()).map_err(|error| {
            Failure::Usage(anyhow::Error::new(error).context("the request cannot be written"))
        })?;
        let failed = |error| self.unreachable(error, false);
        let mut response = self.streaming.run(request).map_err(failed)?;
        let status = response.status().as_u16();
        let header = |name| {
            let value = response.headers().get(name)?;
            value.to_str().ok().map(str::to_owned)
        };
        let (epoch, index) = (header("x-callsign-epoch"), header("x-callsign-index"));
        let mut refused = None;
        if status != 200 {
            let retry_after = header("retry-after");
            let body = response.body_mut().with_config().limit(REPLY_OCTETS_MAX);
            let reply = Reply {
                status,
                etag: None,
                index: None,
                retry_after,
                body: body.read_to_string().map_err(failed)?,
            };
            refused = reply.accepted().err().map(|failure| (status, failure));
        }
        Ok(Stream {
            refused,
            epoch,
            index: index.and_then(|index| index.parse().ok()),
            body: response.into_body().into_reader(),
        })
    }

    /// Sends a request that must succeed.
    pub(super) fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Done<Reply> {
        self.send(method, path, &Condition::Any, body)?.accepted()
    }

    /// All of a list that may have several pages: `key` is its name in the reply.
    pub(super) fn list(&self, path: &str, key: &str) -> Done<Vec<Value>> {
        let mut entries = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let separator = if path.contains('?') { '&' } else { '?' };
            let page = match &after {
                Some(after) => format!("{path}{separator}after={}", encoded(after)),
                None => path.to_owned(),
            };
            let mut reply = self.ask(Method::GET, &page, None)?.json()?;
            if let Value::Array(page) = reply[key].take() {
                entries.extend(page);
            }
            let next = reply["next"].as_str().map(str::to_owned);
            if next.is_none() {
                return Ok(entries);
            }
            if next == after {
                return Err(Failure::request(
                    "the server's list does not end: it names the same page twice",
                ));
            }
            after = next;
        }
    }

    fn unreachable(&self, error: ureq::Error, is_write: bool) -> Failure {
        let base = &self.base;
        let never_sent = match &error {
            ureq::Error::Io(error) => error.kind() == io::ErrorKind::ConnectionRefused,
            ureq::Error::HostNotFound | ureq::Error::ConnectionFailed => true,
            _ => false,
        };
        let advice = if never_sent {
            "; start `callsign serve` there, or name another server with --server or CALLSIGN_SERVER"
        } else if is_write {
            "; it may have been done or not, and can be repeated"
        } else {
            ""
        };
        Failure::request(format!("cannot reach the API at {base}: {error}{advice}"))
    }
}
