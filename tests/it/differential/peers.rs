//! Knot, NSD and BIND, each started by the test on a port of its own, with its own configuration in its own folder.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::zone;
use crate::support::dns::{Message, Query, Type};
use crate::support::program::Folder;

/// How long a server may take from its start to its first answer.
const START_WITHIN: Duration = Duration::from_secs(30);
/// How long one question is waited for while a server starts.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// A free port may be taken by another before the server binds it.
const STARTS_MAX: usize = 3;

/// Another server, by the name of its Debian package.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Knot,
    Nsd,
    Bind,
}

impl Kind {
    pub(super) const ALL: [Self; 3] = [Self::Knot, Self::Nsd, Self::Bind];

    pub(super) fn package(self) -> &'static str {
        match self {
            Self::Knot => "knot",
            Self::Nsd => "nsd",
            Self::Bind => "bind9",
        }
    }

    fn daemon(self) -> &'static str {
        match self {
            Self::Knot => "knotd",
            Self::Nsd => "nsd",
            Self::Bind => "named",
        }
    }

    /// The arguments that keep it in the foreground, before the path of its configuration.
    fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Knot => &["-c"],
            Self::Nsd => &["-d", "-c"],
            Self::Bind => &["-g", "-n", "1", "-c"],
        }
    }

    /// Everything at its default but what keeps it to its folder and to itself, and what brings its answers nearer to
    /// the others': full answers, replies of at most 1232 octets, no limit to their rate (BIND's own view of class CHAOS has one), nothing said of themselves.
    fn configuration(self, folder: &Path, port: u16) -> String {
        let zones = zone::folder();
        let (own, zones) = (folder.display(), zones.display());
        let mut text = match self {
            Self::Knot => format!(
                "server:\n  listen: 127.0.0.1@{port}\n  rundir: \"{own}\"\n  udp-workers: 1\n  tcp-workers: 1\n  \
                 background-workers: 1\n  identity: \"\"\n  version: \"\"\n  nsid: \"\"\n  udp-max-payload: 1232\n\
                 database:\n  storage: \"{own}\"\n\
                 log:\n  - target: stderr\n    any: info\n\
                 template:\n  - id: default\n    storage: \"{zones}\"\n    semantic-checks: off\n    \
                 zonefile-load: whole\n    zonefile-sync: -1\n    journal-content: none\n\
                 zone:\n"
            ),
            Self::Nsd => format!(
                "server:\n  ip-address: 127.0.0.1@{port}\n  server-count: 1\n  username: \"\"\n  \
                 zonesdir: \"{zones}\"\n  pidfile: \"\"\n  database: \"\"\n  xfrdfile: \"{own}/xfrd.state\"\n  xfrdir: \"{own}\"\n  \
                 zonelistfile: \"{own}/zone.list\"\n  hide-version: yes\n  hide-identity: yes\n  \
                 minimal-responses: no\n  refuse-any: no\n  ipv4-edns-size: 1232\n  tcp-timeout: 60\n  \
                 rrl-ratelimit: 0\n  rrl-whitelist-ratelimit: 0\n\
                 remote-control:\n  control-enable: no\n"
            ),
            Self::Bind => format!(
                "options {{\n  directory \"{own}\";\n  managed-keys-directory \"{own}\";\n  \
                 listen-on port {port} {{ 127.0.0.1; }};\n  listen-on-v6 {{ none; }};\n  pid-file none;\n  \
                 session-keyfile none;\n  lock-file none;\n  recursion no;\n  minimal-responses no;\n  \
                 empty-zones-enable no;\n  dnssec-validation no;\n  notify no;\n  allow-transfer {{ none; }};\n  \
                 max-udp-size 1232;\n  edns-udp-size 1232;\n  answer-cookie no;\n  version none;\n  hostname none;\n  \
                 server-id none;\n  check-integrity no;\n}};\ncontrols {{ }};\n\
                 view \"chaos\" chaos {{ }};\nview \"zones\" in {{\n"
            ),
        };
        for origin in zone::ORIGINS {
            text += &match self {
                Self::Knot => format!("  - domain: {origin}\n    file: {origin}.zone\n"),
                Self::Nsd => format!("zone:\n  name: {origin}\n  zonefile: {origin}.zone\n"),
                Self::Bind => format!(
                    "zone \"{origin}\" {{ type primary; check-names ignore; file \"{zones}/{origin}.zone\"; }};\n"
                ),
            };
        }
        if self == Self::Bind {
            text += "};\n";
        }
        text
    }

    fn binary(self) -> PathBuf {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders =
            std::env::split_paths(&path).chain(["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from));
        folders
            .map(|folder| folder.join(self.daemon()))
            .find(|file| file.is_file())
            .unwrap_or_else(|| {
                panic!(
                    "CALLSIGN_TEST_PEERS names {}, and there is no {}",
                    self.package(),
                    self.daemon()
                )
            })
    }
}

/// The peers that `CALLSIGN_TEST_PEERS` names, as `knot,nsd,bind9`.
pub(super) fn named_by_environment() -> Vec<Kind> {
    let named = std::env::var("CALLSIGN_TEST_PEERS").unwrap_or_default();
    let names = named.split(',').filter(|name| !name.is_empty());
    let kinds = names.map(|name| {
        let kind = Kind::ALL.into_iter().find(|kind| kind.package() == name);
        kind.unwrap_or_else(|| panic!("CALLSIGN_TEST_PEERS names {name:?}; known are knot, nsd and bind9"))
    });
    kinds.collect()
}

/// A peer while it runs.
pub(super) struct Peer {
    pub(super) kind: Kind,
    pub(super) address: SocketAddr,
    // Before the folder: the process ends before its data go.
    process: Group,
    folder: Folder,
}

impl Peer {
    /// Starts it and waits until it answers for all zones, over UDP and TCP.
    pub(super) fn start(kind: Kind) -> Self {
        let mut said = String::new();
        for _ in 0..STARTS_MAX {
            let peer = Self::spawn(kind);
            if peer.answers_before_it_ends() {
                return peer;
            }
            said = peer.log();
        }
        panic!(
            "{} ended {STARTS_MAX} times before it answered; it said:\n{said}",
            kind.daemon()
        );
    }

    fn spawn(kind: Kind) -> Self {
        let folder = Folder::new();
        let address = free_address();
        let configuration = folder.path().join("conf");
        fs::write(&configuration, kind.configuration(folder.path(), address.port()))
            .expect("write a configuration");
        // A copy: where a profile (AppArmor) ties a daemon to the system's folders, it does so by the program's path.
        // Made by another process: a file that is open for writing in this one, and so in all that other tests start
        // meanwhile, cannot be run.
        let program = folder.path().join(kind.daemon());
        let copied = Command::new("cp").arg(kind.binary()).arg(&program).status();
        assert!(copied.expect("run cp").success(), "a daemon cannot be copied");
        let log = File::create(folder.path().join("log")).expect("create a log");
        let mut command = Command::new(program);
        command
            .args(kind.arguments())
            .arg(&configuration)
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle of the log"))
            .stderr(log);
        Self {
            kind,
            address,
            process: Group::spawn(command),
            folder,
        }
    }

    /// Whether it comes to answer, and does not end: its port may have been taken.
    fn answers_before_it_ends(&self) -> bool {
        let began = Instant::now();
        let mut waiting = zone::ORIGINS.to_vec();
        while let Some(origin) = waiting.last() {
            if self.process.has_ended() {
                return false;
            }
            assert!(
                began.elapsed() < START_WITHIN,
                "{} did not answer for {origin} within {START_WITHIN:?}; it said:\n{}",
                self.kind.daemon(),
                self.log()
            );
            if answers_soa(self.address, origin) && TcpStream::connect(self.address).is_ok() {
                waiting.pop();
            } else {
                // A refusal comes at once, and so would the next.
                std::thread::sleep(LOOK_EVERY);
            }
        }
        true
    }

    /// What it wrote, for the report of a failure.
    pub(super) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

/// Whether the zone's SOA is answered with authority. Each question has a socket of its own, so that no late reply to
/// another is taken for its own.
fn answers_soa(server: SocketAddr, origin: &str) -> bool {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("bind a UDP socket");
    socket.connect(server).expect("connect a UDP socket");
    socket.set_read_timeout(Some(LOOK_EVERY)).expect("set a timeout");
    let query = Query::new(origin, Type::SOA);
    let mut buffer = [0; 1500];
    socket.send(&query.bytes()).is_ok()
        && socket.recv(&mut buffer).is_ok_and(|length| {
            Message::parse(&buffer[..length]).is_ok_and(|reply| {
                reply.id == query.message_id() && reply.aa() && reply.rcode() == 0 && reply.answers.len() == 1
            })
        })
}

/// A port that is free for UDP and TCP now.
fn free_address() -> SocketAddr {
    for _ in 0..100 {
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind a TCP socket");
        let address = tcp.local_addr().expect("a bound socket has an address");
        if UdpSocket::bind(address).is_ok() {
            return address;
        }
    }
    panic!("no port is free for both UDP and TCP");
}

/// A process and its children, in a process group of their own, that do not outlive their owner.
struct Group(std::cell::RefCell<Child>);

impl Group {
    fn spawn(mut command: Command) -> Self {
        command.process_group(0);
        Self(std::cell::RefCell::new(command.spawn().expect("start a daemon")))
    }

    fn has_ended(&self) -> bool {
        let ended = self.0.borrow_mut().try_wait();
        ended.expect("look after a daemon").is_some()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let child = self.0.get_mut();
        // The whole group, by its number, which is the leader's and not free before the leader was waited for. A daemon
        // that ended by itself took its children with it.
        if matches!(child.try_wait(), Ok(None)) {
            let group = format!("-{}", child.id());
            let _ = Command::new("sh")
                .args(["-c", "kill -s KILL -- \"$0\"", &group])
                .status();
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
