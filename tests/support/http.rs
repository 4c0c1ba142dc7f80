//! A small blocking HTTP/1.1 client: it sends what the test says, adds nothing but what the protocol asks for, and
//! shows what came back.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// How long one read may take. Replies of a blocking read come later: see [`Client::deadline`].
pub(crate) const DEADLINE: Duration = Duration::from_secs(10);

/// Speaks to one server; each request has a connection of its own.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    server: SocketAddr,
    token: Option<String>,
    deadline: Duration,
}

/// A whole reply.
#[derive(Clone, Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    /// In their order, names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Client {
    pub(crate) fn new(server: SocketAddr) -> Self {
        Self {
            server,
            token: None,
            deadline: DEADLINE,
        }
    }

    /// Sends `Authorization: Bearer` with each request.
    pub(crate) fn token(mut self, token: &str) -> Self {
        self.token = Some(token.to_string());
        self
    }

    pub(crate) fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Response {
        self.request("GET", path, &[], None)
    }

    #[track_caller]
    pub(crate) fn delete(&self, path: &str) -> Response {
        self.request("DELETE", path, &[], None)
    }

    #[track_caller]
    pub(crate) fn put(&self, path: &str, body: &Value) -> Response {
        self.request("PUT", path, &[], Some(body.to_string().as_bytes()))
    }

    #[track_caller]
    pub(crate) fn post(&self, path: &str, body: &Value) -> Response {
        self.request("POST", path, &[], Some(body.to_string().as_bytes()))
    }

    /// Sends a request and reads its whole reply. A header given here takes the place of the one that would be sent.
    #[track_caller]
    pub(crate) fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&[u8]>,
    ) -> Response {
        let mut connection = Connection::open(self.server, self.deadline);
        let mut all = vec![("Connection", "close")];
        all.extend_from_slice(headers);
        connection.send(method, path, &self.with_token(&all), body);
        connection.response(method)
    }

    /// Sends a request whose reply has no end (a watch) and gives its body line by line.
    #[track_caller]
    pub(crate) fn stream(&self, path: &str, headers: &[(&str, &str)]) -> Lines {
        let mut connection = Connection::open(self.server, self.deadline);
        connection.send("GET", path, &self.with_token(headers), None);
        let (status, headers) = connection.head();
        let body = Body::of(&headers, "GET", status);
        Lines {
            status,
            headers,
            connection,
            body,
            buffer: Vec::new(),
        }
    }

    fn with_token(&self, headers: &[(&str, &str)]) -> Vec<(String, String)> {
        let mut all: Vec<_> = headers
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_string()))
            .collect();
        let has_own = all
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case("authorization"));
        if let Some(token) = self.token.as_ref().filter(|_| !has_own) {
            all.push(("Authorization".to_string(), format!("Bearer {token}")));
        }
        all
    }
}

impl Response {
    /// The first header of that name, whatever the case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    /// `X-Callsign-Index`.
    #[track_caller]
    pub(crate) fn index(&self) -> u64 {
        let index = self
            .header("x-callsign-index")
            .expect("a reply with X-Callsign-Index");
        index.parse().expect("X-Callsign-Index is a number")
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("no JSON in a {} reply: {error}\n{}", self.status, self.text()))
    }

    /// Fails with the body unless the status is this one.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "the reply: {}", self.text());
        self
    }

    /// Fails unless this is a problem (RFC 9457) with that status and `code`.
    #[track_caller]
    pub(crate) fn expect_problem(self, status: u16, code: &str) -> Self {
        let response = self.expect(status);
        assert_eq!(response.header("content-type"), Some("application/problem+json"));
        assert_eq!(response.json()["code"], code, "the reply: {}", response.text());
        response
    }

    /// Fails unless this is 422 about that field.
    #[track_caller]
    pub(crate) fn expect_invalid(self, field: &str) -> Self {
        let response = self.expect_problem(422, "invalid");
        assert_eq!(response.json()["field"], field, "the reply: {}", response.text());
        response
    }
}

fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers
        .iter()
        .find(|(other, _)| other.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.as_str())
}

/// A connection on which one request may follow another, or half a request may be sent.
#[derive(Debug)]
pub(crate) struct Connection {
    server: SocketAddr,
    reader: BufReader<TcpStream>,
}

impl Connection {
    #[track_caller]
    pub(crate) fn open(server: SocketAddr, deadline: Duration) -> Self {
        let stream = TcpStream::connect_timeout(&server, deadline).expect("connect to the HTTP server");
        stream.set_nodelay(true).expect("set TCP_NODELAY");
        stream.set_read_timeout(Some(deadline)).expect("set a timeout");
        stream.set_write_timeout(Some(deadline)).expect("set a timeout");
        Self {
            server,
            reader: BufReader::new(stream),
        }
    }

    /// A whole request. `Host` and `Content-Length` are added unless they are given.
    #[track_caller]
    pub(crate) fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(String, String)],
        body: Option<&[u8]>,
    ) {
        let mut head = format!("{method} {path} HTTP/1.1\r\n");
        if header(headers, "host").is_none() {
            head.push_str(&format!("Host: {}\r\n", self.server));
        }
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let framed = header(headers, "content-length").or_else(|| header(headers, "transfer-encoding"));
        if let Some(body) = body.filter(|_| framed.is_none()) {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        self.write_raw(&[head.as_bytes(), body.unwrap_or_default()].concat());
    }

    /// Octets as they are. A server that has refused already may have closed its side: that is no failure here, for
    /// its reply is still to be read.
    #[track_caller]
    pub(crate) fn write_raw(&mut self, octets: &[u8]) {
        match self.reader.get_mut().write_all(octets) {
            Ok(()) => {}
            Err(error) if matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) => {}
            Err(error) => panic!("write a request: {error}"),
        }
    }

    /// The reply to a request with this method.
    #[track_caller]
    pub(crate) fn response(&mut self, method: &str) -> Response {
        let (status, headers) = self.head();
        let mut framing = Body::of(&headers, method, status);
        let mut body = Vec::new();
        while framing.read_more(&mut self.reader, &mut body) {}
        Response {
            status,
            headers,
            body,
        }
    }

    /// Whether the server closed the connection: waits for that or for an octet.
    pub(crate) fn is_closed(&mut self) -> bool {
        match self.reader.fill_buf() {
            Ok(octets) => octets.is_empty(),
            Err(error) => error.kind() == ErrorKind::ConnectionReset,
        }
    }

    /// Says that nothing more will be sent; a reply can still come.
    pub(crate) fn finish_writing(&mut self) {
        // A server that closed already has nothing left to be told.
        let _ = self.reader.get_mut().shutdown(std::net::Shutdown::Write);
    }

    /// The next octet, or `None` once the server has closed or reset the connection.
    #[track_caller]
    pub(crate) fn next_octet(&mut self) -> Option<u8> {
        let mut octet = [0];
        match self.reader.read(&mut octet) {
            Ok(0) => None,
            Ok(_) => Some(octet[0]),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => None,
            Err(error) => panic!("neither an octet nor an end: {error}"),
        }
    }

    /// The next line without its end, if the server sends any octet before it closes.
    #[track_caller]
    pub(crate) fn first_line(&mut self) -> Option<String> {
        let mut octets = Vec::new();
        while let Some(octet) = self.next_octet().filter(|octet| *octet != b'\n') {
            octets.push(octet);
        }
        (!octets.is_empty()).then(|| octets.escape_ascii().to_string())
    }

    #[track_caller]
    fn head(&mut self) -> (u16, Vec<(String, String)>) {
        let status_line = line(&mut self.reader);
        let status = status_line
            .strip_prefix("HTTP/1.1 ")
            .and_then(|rest| rest.get(..3))
            .and_then(|digits| digits.parse().ok())
            .unwrap_or_else(|| panic!("no status line: {status_line:?}"));
        let mut headers = Vec::new();
        loop {
            let line = line(&mut self.reader);
            if line.is_empty() {
                return (status, headers);
            }
            let (name, value) = line
                .split_once(':')
                .unwrap_or_else(|| panic!("no header: {line:?}"));
            headers.push((name.to_ascii_lowercase(), value.trim().to_string()));
        }
    }
}

#[track_caller]
fn line(reader: &mut impl BufRead) -> String {
    let mut octets = Vec::new();
    reader
        .read_until(b'\n', &mut octets)
        .expect("a line of the reply in time");
    let line = octets.strip_suffix(b"\r\n");
    let line = line.unwrap_or_else(|| panic!("a line cut short: {}", octets.escape_ascii()));
    String::from_utf8(line.to_vec()).expect("a line in UTF-8")
}

/// How a body ends (RFC 9112, section 6.3).
#[derive(Clone, Copy, Debug)]
enum Body {
    Left(usize),
    Chunked,
    UntilClose,
    Ended,
}

impl Body {
    #[track_caller]
    fn of(headers: &[(String, String)], method: &str, status: u16) -> Self {
        if method == "HEAD" || status == 204 || status == 304 || status < 200 {
            assert_eq!(
                header(headers, "transfer-encoding"),
                None,
                "a {status} reply has no body"
            );
            return Self::Ended;
        }
        match (
            header(headers, "transfer-encoding"),
            header(headers, "content-length"),
        ) {
            (Some(_), Some(_)) => panic!("both Transfer-Encoding and Content-Length"),
            (Some("chunked"), None) => Self::Chunked,
            (Some(other), None) => panic!("unknown Transfer-Encoding {other}"),
            (None, Some(length)) => Self::Left(length.parse().expect("Content-Length is a number")),
            (None, None) => Self::UntilClose,
        }
    }

    /// Appends what comes next; false once there is no more.
    #[track_caller]
    fn read_more(&mut self, reader: &mut impl BufRead, body: &mut Vec<u8>) -> bool {
        match *self {
            Self::Ended => return false,
            Self::Left(length) => {
                read_exactly(reader, length, body);
                *self = Self::Ended;
            }
            Self::Chunked => {
                let size = line(reader);
                let digits = size.split(';').next().unwrap_or_default();
                let length = usize::from_str_radix(digits, 16)
                    .unwrap_or_else(|_| panic!("no size of a chunk: {size:?}"));
                if length > 0 {
                    read_exactly(reader, length, body);
                    assert_eq!(line(reader), "", "a chunk longer than it said");
                } else {
                    while !line(reader).is_empty() {}
                    *self = Self::Ended;
                }
            }
            Self::UntilClose => {
                reader.read_to_end(body).expect("the reply in time");
                *self = Self::Ended;
            }
        }
        true
    }
}

#[track_caller]
fn read_exactly(reader: &mut impl Read, length: usize, body: &mut Vec<u8>) {
    let from = body.len();
    body.resize(from + length, 0);
    reader
        .read_exact(&mut body[from..])
        .expect("as many octets as the reply said");
}

/// A reply that goes on.
#[derive(Debug)]
pub(crate) struct Lines {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    connection: Connection,
    body: Body,
    buffer: Vec<u8>,
}

impl Lines {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    /// The next line without its end, or `None` when the body is over; waits at most the client's deadline.
    #[track_caller]
    pub(crate) fn next_line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.buffer.iter().position(|&octet| octet == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                return Some(String::from_utf8(line[..end].to_vec()).expect("a line in UTF-8"));
            }
            if !self.body.read_more(&mut self.connection.reader, &mut self.buffer) {
                assert!(self.buffer.is_empty(), "the last line has no end");
                return None;
            }
        }
    }

    /// The next event of a stream of server-sent events, as its fields; comments are passed over.
    #[track_caller]
    pub(crate) fn next_event(&mut self) -> Option<Event> {
        let mut event = Event::default();
        let mut has_fields = false;
        loop {
            let line = self.next_line()?;
            if line.is_empty() && has_fields {
                return Some(event);
            }
            let Some((field, value)) = line.split_once(':').filter(|(field, _)| !field.is_empty()) else {
                continue;
            };
            has_fields = true;
            let value = value.strip_prefix(' ').unwrap_or(value).to_string();
            match field {
                "event" => event.event = Some(value),
                "id" => event.id = Some(value),
                "data" => event.data.push_str(&value),
                other => panic!("an unknown field of an event: {other}"),
            }
        }
    }
}

/// One server-sent event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) event: Option<String>,
    pub(crate) id: Option<String>,
    pub(crate) data: String,
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{SocketAddr, TcpListener};
    use std::thread::JoinHandle;

    use super::*;

    /// A server that reads one request up to `until` and sends `reply`; gives what it read.
    fn replying(until: &'static str, reply: &'static str) -> (SocketAddr, JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            let mut octet = [0];
            while !request.ends_with(until.as_bytes()) {
                stream.read_exact(&mut octet).unwrap();
                request.push(octet[0]);
            }
            stream.write_all(reply.as_bytes()).unwrap();
            String::from_utf8(request).unwrap()
        });
        (address, server)
    }

    #[test]
    fn sends_the_body_with_its_length_and_reads_the_reply_by_length() {
        let (address, server) = replying(
            "{}",
            "HTTP/1.1 201 Created\r\nX-Callsign-Index: 7\r\nContent-Length: 8\r\n\r\n{\"id\":1}",
        );
        let reply = Client::new(address)
            .token("secret")
            .put("/v1/x", &serde_json::json!({}));
        assert_eq!(
            (reply.status, reply.index(), reply.json()["id"].as_u64()),
            (201, 7, Some(1))
        );
        let request = server.join().unwrap();
        assert!(request.starts_with("PUT /v1/x HTTP/1.1\r\n"), "{request}");
        assert!(request.contains("\r\nContent-Length: 2\r\n"), "{request}");
        assert!(request.contains(&format!("\r\nHost: {address}\r\n")), "{request}");
        assert!(
            request.contains("\r\nAuthorization: Bearer secret\r\n"),
            "{request}"
        );
    }

    #[test]
    fn a_host_that_the_test_gives_is_the_only_one() {
        let (address, server) = replying("\r\n\r\n", "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
        Client::new(address)
            .request("GET", "/", &[("Host", "evil.example.org")], None)
            .expect(403);
        assert_eq!(server.join().unwrap().matches("Host:").count(), 1);
    }

    #[test]
    fn reads_chunks() {
        let (address, _server) = replying(
            "\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n",
        );
        assert_eq!(Client::new(address).get("/").text(), "abcde");
    }

    #[test]
    fn no_content_has_no_body() {
        let (address, _server) = replying("\r\n\r\n", "HTTP/1.1 204 No Content\r\n\r\n");
        assert_eq!(Client::new(address).delete("/").expect(204).body, b"");
    }

    #[test]
    #[should_panic(expected = "a chunk longer than it said")]
    fn a_chunk_of_another_length_fails() {
        let (address, _server) = replying(
            "\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n",
        );
        Client::new(address).get("/");
    }

    #[test]
    #[should_panic(expected = "as many octets as the reply said")]
    fn a_body_cut_short_fails() {
        let (address, _server) = replying("\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc");
        Client::new(address).get("/");
    }

    #[test]
    fn events_come_whole_wherever_chunks_are_cut() {
        let (address, _server) = replying(
            "\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
             a\r\n: beat\n\nid\r\n9\r\n: 5\ndata:\r\n5\r\n {}\n\n\r\nf\r\nevent: synced\n\n\r\n0\r\n\r\n",
        );
        let mut lines = Client::new(address).stream("/v1/watch", &[]);
        assert_eq!(lines.status, 200);
        let first = Event {
            event: None,
            id: Some("5".to_string()),
            data: "{}".to_string(),
        };
        assert_eq!(lines.next_event(), Some(first));
        let second = Event {
            event: Some("synced".to_string()),
            ..Event::default()
        };
        assert_eq!(lines.next_event(), Some(second));
        assert_eq!(lines.next_event(), None);
    }
}
