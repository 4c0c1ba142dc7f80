"""What the parts share: the plan, a flood, starting contestants, and what /proc says of a process."""
import contextlib
import pathlib
import time

from contestants import Callsign, Echo, Failure, Knot, Nsd, program

# How many questions are outstanding in all, over how many sockets.
WINDOW = 192
SOCKETS = (8, 128)


class Plan:
    """How long and how often, and which builds of Callsign (name and path)."""

    def __init__(self, builds, rounds, seconds, starts, say, raw):
        self.builds, self.rounds, self.seconds, self.starts = builds, rounds, seconds, starts
        self.say, self.raw = say, raw
        self.failures = []

    def callsigns(self, stage, services):
        return [Callsign(stage, services, path, name) for name, path in self.builds]

    @contextlib.contextmanager
    def forgiving(self, what):
        """One measurement that may fail: it is said, and the others go on."""
        try:
            yield
        except (Failure, OSError) as failure:
            self.failures.append(f"{what}: {failure}")
            self.say(f"FAILED: {self.failures[-1]}")

    def keep(self, part, who, what, found):
        self.raw(dict(found, part=part, label=who, measured=what))
        return found


def peers_installed(say):
    found = []
    for peer in (Knot, Nsd):
        if program(peer.daemon):
            found.append(peer)
        else:
            say(f"SKIPPED: {peer.kind}, which is not installed ({peer.daemon})")
    return found


def run_ns(pid):
    """Nanoseconds that the threads of a process and of those below it have run."""
    return sum(ns for ns, _ in activity(pid).values())


def activity(pid):
    """Of each thread of a process and of those below it: nanoseconds run, and how often it has gone to sleep."""
    found = {}
    for task in threads_below(pid):
        try:
            ns = int((task / "schedstat").read_text().split()[0])
            lines = (task / "status").read_text().splitlines()
        except (OSError, IndexError):
            continue
        sleeps = sum(int(line.split()[1]) for line in lines if line.startswith("voluntary_ctxt_switches"))
        found[task] = (ns, sleeps)
    return found


def threads_below(pid):
    parents = {}
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = (entry / "stat").read_text().rsplit(") ", 1)[1].split()[1]
            except (OSError, IndexError):
                continue
            parents.setdefault(int(parent), []).append(int(entry.name))
    tree = [pid]
    for one in tree:
        tree += parents.get(one, [])
    return [task for one in tree for task in pathlib.Path(f"/proc/{one}/task").glob("*")]


def wait_until_quiet(pid, limit_s=240):
    """Waits until a server has done what it does of its own accord: a check, a backlog."""
    for _ in range(limit_s * 4):
        before = run_ns(pid)
        time.sleep(0.25)
        if run_ns(pid) - before < 5_000_000:
            return
    raise Failure(f"process {pid} is still busy after {limit_s} s")


def wait_for_threads(pid, unchanged_s=12, limit_s=120):
    """Waits until no thread has come or gone for a while: those of the start linger, and take their figures along."""
    known, since = None, 0
    for second in range(limit_s):
        now = activity(pid).keys()
        if now != known:
            known, since = now, second
        if second - since >= unchanged_s:
            return
        time.sleep(1)
    raise Failure(f"threads of process {pid} still come and go after {limit_s} s")


def stop_all(contestants):
    for contestant in contestants:
        contestant.stop()


def flood(stage, plan, part, of, sockets, seed, mix="full", what=None, **more):
    """One closed loop against one contestant."""
    found = stage.loadgen("flood", services=of.services, server=of.dns, clients=sockets, window=WINDOW, mix=mix,
                          seconds=plan.seconds, warm=min(1.0, plan.seconds / 2), seed=seed, pid=of.pid,
                          threads=of.threads or "-", unchecked=int(isinstance(of, Echo)), label=of.name, **more)
    wait_until_quiet(of.pid)
    return plan.keep(part, f"{of.name} {of.services}", what or f"{mix} {sockets}", found)


def started(stage, plan, part, contestants):
    """Starts each as often as planned and leaves it running; gives the times to the first answer."""
    times = {}
    for of in contestants:
        if isinstance(of, Callsign):
            plan.say(f"filling {of.name} with {of.services:,} services over HTTP")
            plan.keep(part, f"{of.name} {of.services}", "load", of.fill())
        for _ in range(plan.starts):
            of.stop()
            first = of.start()
            wait_until_quiet(of.pid)
            if first is not None:
                found = plan.keep(part, f"{of.name} {of.services}", "first answer", {"first_answer_ms": first})
                times.setdefault(of, []).append(found)
    return times


def pss_kib(pid):
    total = 0
    for process in {task.parent.parent for task in threads_below(pid)}:
        try:
            lines = (process / "smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total
