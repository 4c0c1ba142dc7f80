//! The real program, as an operator runs it: started on ports that the system picks, ended gently or not, and started
//! again on the same data.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::http::Client;

/// How long the program may take to listen.
const START_WITHIN: Duration = Duration::from_secs(60);
/// How often is looked whether something happened in another process.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// A folder that vanishes at the end, unless the test fails: then it stays, and its path is printed.
#[derive(Debug)]
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(
            tempfile::Builder::new()
                .prefix("callsign-test-")
                .tempdir()
                .expect("a temporary folder"),
        )
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.disable_cleanup(true);
            eprintln!("the test failed; its folder is kept: {}", self.0.path().display());
        }
    }
}

/// What the program is started with.
#[derive(Clone, Debug)]
pub(crate) struct Launch {
    data_dir: Option<PathBuf>,
    dns: Vec<String>,
    http: String,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    descriptors_max: Option<u32>,
    under: Vec<String>,
}

impl Launch {
    /// `serve` on 127.0.0.1 with free ports and data of its own.
    pub(crate) fn new() -> Self {
        Self {
            data_dir: None,
            dns: vec!["127.0.0.1:0".to_string()],
            http: "127.0.0.1:0".to_string(),
            arguments: Vec::new(),
            environment: Vec::new(),
            descriptors_max: None,
            under: Vec::new(),
        }
    }

    /// Under this limit of open descriptors, which it cannot raise (`ulimit -n`).
    pub(crate) fn descriptors_max(mut self, limit: u32) -> Self {
        self.descriptors_max = Some(limit);
        self
    }

    /// Under another program, e.g. a tracer, which becomes it: the process that is started is the program.
    pub(crate) fn under(mut self, words: Vec<String>) -> Self {
        self.under = words;
        self
    }

    pub(crate) fn argument(mut self, argument: impl Into<String>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    pub(crate) fn arguments<const N: usize>(mut self, arguments: [&str; N]) -> Self {
        self.arguments.extend(arguments.map(str::to_string));
        self
    }

    pub(crate) fn environment(mut self, variable: &str, value: &str) -> Self {
        self.environment.push((variable.to_string(), value.to_string()));
        self
    }

    /// In the place of a data folder of its own.
    pub(crate) fn data_dir(mut self, folder: &Path) -> Self {
        self.data_dir = Some(folder.to_path_buf());
        self
    }

    /// In the place of `127.0.0.1:0`.
    pub(crate) fn dns<const N: usize>(mut self, addresses: [&str; N]) -> Self {
        self.dns = addresses.map(str::to_string).to_vec();
        self
    }

    /// In the place of `127.0.0.1:0`.
    pub(crate) fn http(mut self, address: &str) -> Self {
        self.http = address.to_string();
        self
    }

    /// Starts it and waits until it listens.
    #[track_caller]
    pub(crate) fn start(self) -> Program {
        self.start_in(Folder::new())
            .unwrap_or_else(|failure| panic!("the program did not start: {failure:?}"))
    }

    /// Starts it where it may end by itself before it listens; then gives how.
    #[track_caller]
    pub(crate) fn try_start(self) -> Result<Program, Finished> {
        self.start_in(Folder::new())
    }

    /// Starts it where it must end by itself before it listens; gives how.
    #[track_caller]
    pub(crate) fn start_and_fail(self) -> Finished {
        match self.start_in(Folder::new()) {
            Ok(program) => panic!("the program started, on {} and {}", program.dns, program.http),
            Err(finished) => finished,
        }
    }

    #[track_caller]
    fn start_in(self, folder: Folder) -> Result<Program, Finished> {
        let data_dir = self
            .data_dir
            .clone()
            .unwrap_or_else(|| folder.path().join("data"));
        let ports_file = folder.path().join("ports.json");
        if ports_file.exists() {
            fs::remove_file(&ports_file).expect("remove the last ports file");
        }
        let (stdout, stderr) = (folder.path().join("stdout"), folder.path().join("stderr"));

        let mut command = match self.descriptors_max {
            None => program_under(&self.under),
            Some(limit) => limited_program(limit),
        };
        command.arg("serve").arg("--data-dir").arg(&data_dir);
        for address in &self.dns {
            command.args(["--dns", address]);
        }
        command
            .args(["--http", &self.http])
            .arg("--ports-file")
            .arg(&ports_file);
        command
            .args(&self.arguments)
            .envs(self.environment.iter().cloned());
        // Files and no pipes: nobody has to read while the program runs, and what it said stays.
        command
            .stdin(Stdio::null())
            .stdout(appending(&stdout))
            .stderr(appending(&stderr));
        let mut process = Process(command.spawn().expect("start the program"));

        let began = Instant::now();
        let ports = loop {
            // Looked at first: a program that wrote its ports and died has died.
            let ended = process.0.try_wait().expect("look after the program");
            if let Some(status) = ended {
                return Err(Finished {
                    code: status.code(),
                    stdout: text_of(&stdout),
                    stderr: text_of(&stderr),
                });
            }
            // Not whole yet is not there yet.
            if let Some(ports) = fs::read(&ports_file)
                .ok()
                .and_then(|octets| Ports::parse(&octets))
            {
                break ports;
            }
            assert!(
                began.elapsed() < START_WITHIN,
                "the program did not listen within {START_WITHIN:?}; it said: {}",
                text_of(&stderr)
            );
            std::thread::sleep(LOOK_EVERY);
        };
        let dns = *ports.dns.first().expect("the ports file names a DNS address");
        Ok(Program {
            dns,
            dns_all: ports.dns,
            http: ports.http,
            data_dir,
            process,
            folder,
            launch: self,
        })
    }
}

const PROGRAM: &str = env!("CARGO_BIN_EXE_callsign");

/// The program without arguments, with no setting from the environment.
fn program() -> Command {
    without_settings(Command::new(PROGRAM))
}

/// The same under another program, if there are words for one.
fn program_under(words: &[String]) -> Command {
    let [other, words @ ..] = words else {
        return program();
    };
    let mut command = Command::new(other);
    command.args(words).arg(PROGRAM);
    without_settings(command)
}

/// The same under a limit of open descriptors. The shell becomes the program, so its pid is the program's.
fn limited_program(descriptors_max: u32) -> Command {
    let mut command = Command::new("sh");
    command.args([
        "-c",
        "ulimit -n \"$0\" && exec \"$@\"",
        &descriptors_max.to_string(),
        PROGRAM,
    ]);
    without_settings(command)
}

fn without_settings(mut command: Command) -> Command {
    for (variable, _) in std::env::vars_os() {
        if variable.as_encoded_bytes().starts_with(b"CALLSIGN_") {
            command.env_remove(variable);
        }
    }
    command
}

fn appending(path: &Path) -> File {
    File::options()
        .create(true)
        .append(true)
        .open(path)
        .expect("open a file for the program's output")
}

fn text_of(path: &Path) -> String {
    fs::read(path)
        .map(|octets| String::from_utf8_lossy(&octets).into_owned())
        .unwrap_or_default()
}

#[derive(Debug, PartialEq, Eq)]
struct Ports {
    dns: Vec<SocketAddr>,
    http: SocketAddr,
}

impl Ports {
    fn parse(octets: &[u8]) -> Option<Self> {
        let json: serde_json::Value = serde_json::from_slice(octets).ok()?;
        let dns = json["dns"].as_array()?.iter();
        let dns = dns
            .map(|address| address.as_str()?.parse().ok())
            .collect::<Option<_>>()?;
        Some(Self {
            dns,
            http: json["http"].as_str()?.parse().ok()?,
        })
    }
}

/// A child that does not outlive its owner.
#[derive(Debug)]
struct Process(Child);

impl Process {
    /// Waits for its end; after `within` it is killed and the test fails.
    #[track_caller]
    fn wait(&mut self, within: Duration) -> ExitStatus {
        let began = Instant::now();
        loop {
            if let Some(status) = self.0.try_wait().expect("look after the program") {
                return status;
            }
            assert!(
                began.elapsed() < within,
                "process {} still runs after {within:?}",
                self.0.id()
            );
            std::thread::sleep(LOOK_EVERY);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // By the handle, not by a name: a child that was not waited for keeps its pid.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The program while it runs.
#[derive(Debug)]
pub(crate) struct Program {
    /// The first DNS address, for UDP and TCP.
    pub(crate) dns: SocketAddr,
    pub(crate) dns_all: Vec<SocketAddr>,
    pub(crate) http: SocketAddr,
    pub(crate) data_dir: PathBuf,
    // Before the folder: the process ends before its data go.
    process: Process,
    folder: Folder,
    launch: Launch,
}

impl Program {
    /// Starts it with nothing but defaults.
    #[track_caller]
    pub(crate) fn start() -> Self {
        Launch::new().start()
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(self.http)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.0.id()
    }

    /// All that it has written to standard output, over all its starts.
    pub(crate) fn stdout(&self) -> String {
        text_of(&self.folder.path().join("stdout"))
    }

    pub(crate) fn stderr(&self) -> String {
        text_of(&self.folder.path().join("stderr"))
    }

    /// SIGKILL, and waits until it is gone.
    #[track_caller]
    pub(crate) fn kill(self) -> Stopped {
        let mut program = self;
        program.process.0.kill().expect("kill the program");
        program.process.0.wait().expect("wait for the program");
        Stopped {
            folder: program.folder,
            launch: program.launch,
            data_dir: program.data_dir,
            status: None,
        }
    }

    /// SIGTERM, and waits at most `within` for its end.
    #[track_caller]
    pub(crate) fn terminate(self, within: Duration) -> Stopped {
        self.signal("TERM");
        self.wait_for_exit(within)
    }

    /// Waits at most `within` until it ends by itself.
    #[track_caller]
    pub(crate) fn wait_for_exit(mut self, within: Duration) -> Stopped {
        let status = self.process.wait(within);
        Stopped {
            folder: self.folder,
            launch: self.launch,
            data_dir: self.data_dir,
            status: Some(status),
        }
    }

    /// Sends a signal: `TERM`, `INT`, `HUP`, `STOP`, `CONT`.
    #[track_caller]
    pub(crate) fn signal(&self, signal: &str) {
        // The shell's own `kill`: it is everywhere, and needs no unsafe call.
        let status = Command::new("sh")
            .args(["-c", "kill -s \"$0\" \"$1\"", signal, &self.pid().to_string()])
            .status()
            .expect("run sh");
        assert!(status.success(), "kill -s {signal} {} failed", self.pid());
    }

    /// Kills it and starts it again on the same data, on new ports.
    #[track_caller]
    pub(crate) fn kill_and_restart(self) -> Self {
        self.kill().start()
    }
}

/// The program after its end, with its data.
#[derive(Debug)]
pub(crate) struct Stopped {
    folder: Folder,
    launch: Launch,
    pub(crate) data_dir: PathBuf,
    status: Option<ExitStatus>,
}

impl Stopped {
    /// What it exited with; `None` if a signal ended it.
    pub(crate) fn code(&self) -> Option<i32> {
        self.status.and_then(|status| status.code())
    }

    pub(crate) fn stderr(&self) -> String {
        text_of(&self.folder.path().join("stderr"))
    }

    /// Starts it again with the same arguments on the same data.
    #[track_caller]
    pub(crate) fn start(self) -> Program {
        let launch = self.launch.clone();
        self.start_with(launch)
    }

    /// Starts it again on the same data with other arguments.
    #[track_caller]
    pub(crate) fn start_with(self, launch: Launch) -> Program {
        let launch = launch.data_dir(&self.data_dir);
        launch
            .start_in(self.folder)
            .unwrap_or_else(|failure| panic!("the program did not start again: {failure:?}"))
    }
}

/// A run of the program that came to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finished {
    /// `None` if a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs the program with these arguments to its end, which must come within 20 s.
#[track_caller]
pub(crate) fn run<I>(arguments: I) -> Finished
where
    I: IntoIterator,
    I::Item: AsRef<OsStr>,
{
    run_with_input(arguments, b"")
}

/// The same under another program.
#[track_caller]
pub(crate) fn run_under<I>(words: &[String], arguments: I) -> Finished
where
    I: IntoIterator,
    I::Item: AsRef<OsStr>,
{
    let mut command = program_under(words);
    command.args(arguments);
    finish(command, b"", START_WITHIN)
}

/// The same with something on standard input.
#[track_caller]
pub(crate) fn run_with_input<I>(arguments: I, input: &[u8]) -> Finished
where
    I: IntoIterator,
    I::Item: AsRef<OsStr>,
{
    let mut command = program();
    command.args(arguments);
    finish(command, input, START_WITHIN)
}

/// Runs any command to its end within a bound; files take its output, so that no full pipe can stop it.
#[track_caller]
pub(crate) fn finish(mut command: Command, input: &[u8], within: Duration) -> Finished {
    let folder = Folder::new();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("stdin"), input).expect("write what the command reads");
    command.stdin(File::open(path("stdin")).expect("open what the command reads"));
    command
        .stdout(appending(&path("stdout")))
        .stderr(appending(&path("stderr")));
    let mut process = Process(command.spawn().expect("start the command"));
    let status = process.wait(within);
    Finished {
        code: status.code(),
        stdout: text_of(&path("stdout")),
        stderr: text_of(&path("stderr")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn ports_are_read_only_when_they_are_whole() {
        let whole = br#"{"dns":["127.0.0.1:5300","[::1]:5300"],"http":"127.0.0.1:8053"}"#;
        let ports = Ports::parse(whole).unwrap();
        assert_eq!((ports.dns.len(), ports.http.port()), (2, 8053));
        for length in 0..whole.len() {
            assert_eq!(Ports::parse(&whole[..length]), None, "the first {length} octets");
        }
    }

    #[test]
    fn a_command_gives_its_code_and_both_outputs() {
        let finished = finish(
            shell("cat; echo wrong >&2; exit 3"),
            b"said",
            Duration::from_secs(20),
        );
        let wanted = Finished {
            code: Some(3),
            stdout: "said".to_string(),
            stderr: "wrong\n".to_string(),
        };
        assert_eq!(finished, wanted);
    }

    #[test]
    fn a_command_that_does_not_end_fails_the_test_and_is_ended() {
        let folder = Folder::new();
        let pid_file = folder.path().join("pid");
        let mut command = shell("echo $$ >\"$0\"; exec sleep 600");
        command.arg(&pid_file);
        let mut process = Process(command.spawn().unwrap());
        while text_of(&pid_file).is_empty() {
            std::thread::sleep(LOOK_EVERY);
        }
        let waited = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            process.wait(Duration::from_millis(20));
        }));
        assert!(waited.is_err());
        let pid = text_of(&pid_file);
        drop(process);
        let looked = finish(shell(&format!("kill -0 {pid}")), b"", Duration::from_secs(20));
        assert_ne!(looked.code, Some(0), "process {pid} still runs");
    }
}
