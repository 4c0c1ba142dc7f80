"""The servers: how each is configured, filled, started on loopback ports, and ended by its id."""
import ctypes
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time
import urllib.request

ZONE = "svc.internal"
SERVER_CORE, GENERATOR_CORE = 0, 1
# Where daemons lie is not in everybody's PATH.
PATH = os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin"
PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


class Failure(Exception):
    """Something that a measurement needs did not happen."""


def program(name):
    """The path of a program, None where it is not installed."""
    return shutil.which(name, path=PATH)


# Whatever proxy this machine has, what is asked is here.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def page(url):
    """The octets at a URL."""
    with _opener.open(url, timeout=5) as reply:
        return reply.read()


def _child_of_core(core):
    def prepare():
        os.sched_setaffinity(0, {core})
        # However this script ends, they do not outlive it.
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    return prepare


class Stage:
    """What all contestants share: the folder of this run, the generator, the ports, and what was started."""

    def __init__(self, folder, loadgen, first_port):
        self.folder, self.loadgen_path, self.next_port = pathlib.Path(folder), str(loadgen), first_port
        self.started = []

    def port(self):
        """A port of 127.0.0.1 that nobody has, over UDP and TCP."""
        for _ in range(1000):
            with socket.socket(type=socket.SOCK_DGRAM) as udp, socket.socket() as tcp:
                try:
                    udp.bind(("127.0.0.1", self.next_port))
                    tcp.bind(udp.getsockname())
                    return udp.getsockname()[1]
                except OSError:
                    pass
                finally:
                    self.next_port += 1 if self.next_port else 0
        raise Failure("no free port")

    def spawn(self, command, log, core=SERVER_CORE):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("CALLSIGN_")}
        with open(log, "ab") as out:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                       env=environment, preexec_fn=_child_of_core(core), start_new_session=True)
        self.started.append(process)
        return process

    def end(self, process, within_s=15):
        """Ends a process and those that it started: it leads a group of its own."""
        if process in self.started:
            self.started.remove(process)
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(within_s)
            except subprocess.TimeoutExpired:
                process.kill()
        process.wait()
        # What it started may outlive it by a moment, and holds its ports until then.
        for _ in range(100):
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                break
            time.sleep(0.03)

    def end_all(self):
        for process in list(self.started):
            self.end(process, within_s=3)

    def loadgen(self, command, timeout_s=600, **arguments):
        """Runs the generator on its core and gives what it found."""
        process = self.loadgen_begin(command, **arguments)
        return self.loadgen_end(process, timeout_s)

    def loadgen_begin(self, command, **arguments):
        words = [self.loadgen_path, command]
        for key, value in arguments.items():
            words += ["--" + key.replace("_", "-"), str(value)]
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                                   preexec_fn=_child_of_core(GENERATOR_CORE), start_new_session=True)
        self.started.append(process)
        return process

    def loadgen_end(self, process, timeout_s=600):
        try:
            out, _ = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            raise Failure(f"{' '.join(process.args[1:])}: not done after {timeout_s} s") from None
        finally:
            self.end(process)
        if process.returncode != 0:
            raise Failure(f"{' '.join(process.args[1:])}: exit code {process.returncode}")
        return json.loads(out)

    def zone_file(self, services):
        path = self.folder / f"{ZONE}.{services}.zone"
        if not path.exists():
            with open(path, "wb") as out:
                subprocess.run([self.loadgen_path, "zone", "--services", str(services)], stdout=out, check=True)
        return path


class Contestant:
    """A DNS server that answers the workload of so many services."""
    kind, daemon, threads = "", "", ""

    def __init__(self, stage, services, name=None):
        self.stage, self.services, self.name = stage, services, name or self.kind
        self.folder = stage.folder / f"{self.name}-{services}"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.dns = f"127.0.0.1:{stage.port()}"
        self.process = None
        self.prepare()

    def prepare(self):
        """Writes what it is started with."""

    def start(self):
        """Starts it; gives the milliseconds from then until it answered right about the last service."""
        since = time.monotonic_ns()
        self.process = self.stage.spawn(self.command(), self.folder / "log")
        try:
            found = self.stage.loadgen("first-answer", services=self.services, server=self.dns, since=since, limit=120)
        except Failure as failure:
            tail = (self.folder / "log").read_text(errors="replace")[-600:]
            raise Failure(f"{self.name} does not answer: {failure}\n{tail}") from None
        return found["first_answer_ms"]

    def stop(self):
        if self.process:
            self.stage.end(self.process)
            self.process = None

    @property
    def pid(self):
        return self.process.pid

    @property
    def ip_port(self):
        return self.dns.split(":")


class Knot(Contestant):
    kind, daemon = "Knot", "knotd"

    def prepare(self):
        ip, port = self.ip_port
        (self.folder / "knot.conf").write_text(f"""
server:
    listen: {ip}@{port}
    rundir: "{self.folder}"
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
log:
  - target: stderr
    any: warning
database:
    storage: "{self.folder}"
template:
  - id: default
    storage: "{self.folder}"
    zonefile-sync: -1
    journal-content: none
    semantic-checks: off
zone:
  - domain: {ZONE}
    file: "{self.stage.zone_file(self.services)}"
""")

    def command(self):
        return [program("knotd"), "-c", str(self.folder / "knot.conf"), "-s", str(self.folder / "socket")]


class Nsd(Contestant):
    kind, daemon = "NSD", "nsd"

    def prepare(self):
        ip, port = self.ip_port
        # Minimal responses: what it leaves out (NS beside answers, addresses beside SRV) it need not pay for.
        (self.folder / "nsd.conf").write_text(f"""
server:
    server-count: 1
    ip-address: {ip}@{port}
    username: ""
    chroot: ""
    database: ""
    zonesdir: "{self.folder}"
    zonelistfile: "{self.folder}/zone.list"
    xfrdfile: "{self.folder}/xfrd.state"
    xfrdir: "{self.folder}"
    pidfile: "{self.folder}/nsd.pid"
    rrl-ratelimit: 0
    rrl-whitelist-ratelimit: 0
    minimal-responses: yes
remote-control:
    control-enable: no
zone:
    name: {ZONE}
    zonefile: "{self.stage.zone_file(self.services)}"
""")

    def command(self):
        return [program("nsd"), "-d", "-c", str(self.folder / "nsd.conf")]


class Echo(Contestant):
    """The floor: what receiving and sending costs, with a message for each answer. Nothing of it could be checked."""
    kind = "echo floor"
    together = 0

    def command(self):
        return [self.stage.loadgen_path, "echo", "--server", self.dns, "--together", str(self.together)]

    def start(self):
        self.process = self.stage.spawn(self.command(), self.folder / "log")
        return None


class EchoTogether(Echo):
    """The floor of those who send all answers to one client in one message."""
    kind = "echo floor, GSO"
    together = 1


class Callsign(Contestant):
    kind = "Callsign"
    # Of its threads, those that answer UDP.
    threads = "dns-udp"

    def __init__(self, stage, services, binary, name=None):
        self.binary = str(binary)
        super().__init__(stage, services, name)

    def prepare(self):
        self.http = f"127.0.0.1:{self.stage.port()}"

    def command(self):
        return [self.binary, "serve", "--data-dir", str(self.folder / "data"), "--dns", self.dns,
                "--http", self.http, "--zone", ZONE, "--ttl", "5s", "--udp-workers", "1"]

    def start_empty(self, within_s=30, under=()):
        """Starts it on an empty folder, perhaps under another program, and waits until it is ready."""
        self.process = self.stage.spawn([*under, *self.command()], self.folder / "log")
        ip, port = self.http.split(":")
        for _ in range(within_s * 100):
            with socket.socket() as tcp:
                if tcp.connect_ex((ip, int(port))) == 0:
                    return
            if self.process.poll() is not None:
                break
            time.sleep(0.01)
        raise Failure(f"{self.name} does not start: {(self.folder / 'log').read_text(errors='replace')[-600:]}")

    def commits(self):
        """How many transactions it has committed."""
        lines = page(f"http://{self.http}/metrics").decode().splitlines()
        name = "callsign_commit_seconds_count "
        return int(next(line.removeprefix(name) for line in lines if line.startswith(name)))

    def fill(self):
        """Puts the workload in over HTTP and stops it: from then on it starts from its data base."""
        self.start_empty()
        found = self.stage.loadgen("load", services=self.services, http=self.http)
        self.stop()
        return found


class Etcd:
    """Not a DNS server: what a put costs beside it."""
    kind = name = "etcd"
    daemon = "etcd"

    def __init__(self, stage):
        self.stage, self.folder = stage, stage.folder / "etcd"
        self.folder.mkdir(exist_ok=True)
        self.client, self.peer = f"127.0.0.1:{stage.port()}", f"127.0.0.1:{stage.port()}"
        self.process = None

    def start_empty(self, within_s=30, under=()):
        client, peer = f"http://{self.client}", f"http://{self.peer}"
        self.process = self.stage.spawn(
            [*under, program("etcd"), "--data-dir", str(self.folder / "data"), "--log-level", "error",
             "--listen-client-urls", client, "--advertise-client-urls", client, "--listen-peer-urls", peer,
             "--initial-advertise-peer-urls", peer, "--initial-cluster", f"default={peer}"], self.folder / "log")
        for _ in range(within_s * 20):
            if self.process.poll() is not None:
                break
            try:
                # It is once it is its own leader.
                if b'"true"' in page(client + "/health"):
                    return
            except (OSError, http.client.HTTPException):
                pass
            time.sleep(0.05)
        raise Failure(f"etcd does not start: {(self.folder / 'log').read_text(errors='replace')[-600:]}")

    stop = Contestant.stop
    pid = Contestant.pid
