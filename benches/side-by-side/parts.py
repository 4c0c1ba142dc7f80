"""The measurements. Each part starts what it needs, goes round the contestants, ends them, and gives a Table."""
import pathlib
import statistics
import time

from contestants import Callsign, Echo, Etcd, Failure, Knot, Nsd, program
from tables import Table, middle

# How many questions are outstanding in all, over how many sockets.
WINDOW = 192
SOCKETS = (8, 128)


class Plan:
    """How long and how often, and which builds of Callsign (name and path)."""

    def __init__(self, builds, rounds, seconds, starts, say, raw):
        self.builds, self.rounds, self.seconds, self.starts = builds, rounds, seconds, starts
        self.say, self.raw = say, raw

    def callsigns(self, stage, services, prefix="", arguments=()):
        return [Callsign(stage, services, path, f"{prefix}{name}", arguments) for name, path in self.builds]

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
    total = 0
    for task in threads_below(pid):
        try:
            total += int((task / "schedstat").read_text().split()[0])
        except (OSError, IndexError):
            pass
    return total


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


def wait_until_quiet(pid, limit_s=90):
    """Waits until a server has done what it does of its own accord: a check, a backlog."""
    for _ in range(limit_s * 4):
        before = run_ns(pid)
        time.sleep(0.25)
        if run_ns(pid) - before < 5_000_000:
            return
    raise Failure(f"process {pid} is still busy after {limit_s} s")


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
    """Starts each as often as planned and leaves it running; gives the times to the first answer by name."""
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
                times.setdefault(id(of), []).append(first)
                plan.keep(part, f"{of.name} {of.services}", "first answer", {"first_answer_ms": first})
    return times


def ask_everybody(stage, plan, part, contestants, title, ratio_of=None):
    """Starts the contestants and goes round them; the ratios are to the first and to the last."""
    rows = {id(of): {"flood": {n: [] for n in SOCKETS}, "probe": []} for of in contestants}
    try:
        first = started(stage, plan, part, contestants)
        for turn in range(plan.rounds):
            # Who comes first differs, so that nobody always follows the same neighbour.
            for of in contestants[turn % len(contestants):] + contestants[:turn % len(contestants)]:
                mine = rows[id(of)]
                for sockets in SOCKETS:
                    mine["flood"][sockets].append(flood(stage, plan, part, of, sockets, turn + 1))
                probe = stage.loadgen("probe", services=of.services, server=of.dns, seconds=plan.seconds, seed=turn + 1,
                                      pid=of.pid, unchecked=int(isinstance(of, Echo)))
                mine["probe"].append(plan.keep(part, f"{of.name} {of.services}", "probe", probe))
            plan.say(f"round {turn + 1} of {plan.rounds}")
    finally:
        stop_all(contestants)
    columns = ["server"]
    for sockets in SOCKETS:
        columns += [f"qps, {sockets} sockets", "CPU µs/question (min–max)",
                    f"× {contestants[0].name}", "of the floor", "server core",
                    "generator core"]
    columns += ["probe p50 / p99 µs", "reply octets", "PSS MiB", "RSS MiB",
                "first answer ms", "wrong", "lost"]
    table = Table(title, columns)
    names = [f"{of.name}, {of.services:,}" if ratio_of == "services" else of.name for of in contestants]

    def cost(of, sockets):
        return middle(rows[id(of)]["flood"][sockets], "cpu_us")
    for of, name in zip(contestants, names):
        mine = rows[id(of)]
        cells = [name]
        for sockets in SOCKETS:
            runs = mine["flood"][sockets]
            floor = contestants[-1] if isinstance(contestants[-1], Echo) else None
            low, high = min(r["cpu_us"] for r in runs), max(r["cpu_us"] for r in runs)
            cells += [f"{middle(runs, 'qps'):,.0f}", f"{cost(of, sockets):.2f} ({low:.2f}–{high:.2f})",
                      f"{cost(contestants[0], sockets) / cost(of, sockets):.2f}",
                      f"{100 * cost(floor, sockets) / cost(of, sockets):.0f} %" if floor else "–",
                      f"{middle(runs, 'server_cores'):.2f}", f"{middle(runs, 'generator_cores'):.2f}"]
        everything = mine["flood"][8] + mine["flood"][128] + mine["probe"]
        starts = first.get(id(of))
        cells += [f"{middle(mine['probe'], 'reply_p50_us'):.0f} / {middle(mine['probe'], 'reply_p99_us'):.0f}",
                  f"{middle(mine['flood'][8], 'reply_octets'):.0f}",
                  f"{middle(everything, 'pss_kib') / 1024:.0f}", f"{middle(everything, 'rss_kib') / 1024:.0f}",
                  f"{statistics.median(starts):.0f}" if starts else "–",
                  str(sum(r["wrong"] for r in everything)), str(sum(r["lost"] for r in everything))]
        table.row(cells)
    return table


def reads(stage, plan, services):
    contestants = [peer(stage, services) for peer in peers_installed(plan.say)]
    contestants += plan.callsigns(stage, services) + [Echo(stage, services)]
    return ask_everybody(stage, plan, "reads", contestants, f"Questions over UDP, {services:,} services of 3 instances")


def scale(stage, plan, small, large):
    """The same Callsign with few and with many services, both running, in turn."""
    contestants = [of for n in (small, large) for of in plan.callsigns(stage, n)]
    return ask_everybody(stage, plan, "scale", contestants, f"Callsign with {small:,} and with {large:,} services",
                         ratio_of="services")


def starts(stage, plan, services):
    """From the start of a process until it answers the last service, from its own files in the page cache."""
    contestants = [peer(stage, services) for peer in peers_installed(plan.say)] + plan.callsigns(stage, services)
    table = Table(f"First answer after start, {services:,} services of 3 instances",
                  ["server", "first answer ms (min–max)", "PSS MiB", "filled over HTTP s"])
    for of in contestants:
        try:
            load = of.fill() if isinstance(of, Callsign) else None
            times = []
            for _ in range(max(plan.starts, 3)):
                of.stop()
                times.append(of.start())
                wait_until_quiet(of.pid)
            table.row([of.name, f"{statistics.median(times):.0f} ({min(times):.0f}–{max(times):.0f})",
                       f"{pss_kib(of.pid) / 1024:.0f}", f"{load['load_s']:.1f}" if load else "–"])
            plan.keep("start", of.name, "first answer", {"first_answer_ms": times, "services": services})
        finally:
            of.stop()
    return table


def pss_kib(pid):
    total = 0
    for process in {task.parent.parent for task in threads_below(pid)}:
        try:
            lines = (process / "smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total


def misses(stage, plan, services):
    """What a name that does not exist costs beside one that does."""
    contestants = plan.callsigns(stage, services)
    table = Table(f"Hits alone and random subdomains alone, {services:,} services",
                  ["server", "sockets", "hits, CPU µs/question (min–max)",
                   "misses, CPU µs/question (min–max)", "misses / hits", "wrong"])
    try:
        started(stage, plan, "misses", contestants)
        runs = {}
        for turn in range(plan.rounds):
            for of in contestants:
                for sockets in SOCKETS:
                    for mix in ("hits", "misses"):
                        found = flood(stage, plan, "misses", of, sockets, turn + 1, mix)
                        runs.setdefault((of.name, sockets), {}).setdefault(mix, []).append(found)
            plan.say(f"round {turn + 1} of {plan.rounds}")
    finally:
        stop_all(contestants)
    for (name, sockets), found in runs.items():
        def cost(mix):
            costs = [r["cpu_us"] for r in found[mix]]
            return f"{statistics.median(costs):.2f} ({min(costs):.2f}–{max(costs):.2f})"
        table.row([name, str(sockets), cost("hits"), cost("misses"),
                   f"{middle(found['misses'], 'cpu_us') / middle(found['hits'], 'cpu_us'):.2f}",
                   str(sum(r["wrong"] for mix in found.values() for r in mix))])
    return table


def pressure(stage, plan, services, rate=2000):
    """A full flood alone and beside changes, in turn; every acknowledged change is looked for at once."""
    contestants = plan.callsigns(stage, services)
    table = Table(f"{rate:,} changes/s beside a full flood over 8 sockets, {services:,} services",
                  ["server", "qps alone", "qps beside changes", "drop of qps",
                   "CPU µs/answer, all threads: alone, beside",
                   "CPU µs/answer, UDP threads: alone, beside", "UDP cost", "changes/s",
                   "acknowledged p50 / p99 ms", "then shown p50 / p99 ms",
                   "stale", "torn", "wrong", "lost, alone / beside",
                   "questions of the checker asked again"])
    runs = {}
    try:
        started(stage, plan, "pressure", contestants)
        warm = min(1.0, plan.seconds / 2)
        for turn in range(plan.rounds):
            for of in contestants:
                mine = runs.setdefault(of.name, {"alone": [], "beside": [], "changes": []})
                mine["alone"].append(flood(stage, plan, "pressure", of, 8, turn + 1, what="alone", flipping=1))
                changing = stage.loadgen_begin("changes", services=services, http=of.http, server=of.dns, rate=rate,
                                               seconds=plan.seconds + warm + 0.6, seed=turn + 1)
                time.sleep(0.2)
                found = stage.loadgen("flood", services=services, server=of.dns, clients=8, window=WINDOW,
                                      seconds=plan.seconds, warm=warm, seed=turn + 1, pid=of.pid, threads=of.threads,
                                      flipping=1)
                mine["beside"].append(plan.keep("pressure", of.name, "beside", found))
                mine["changes"].append(plan.keep("pressure", of.name, "changes", stage.loadgen_end(changing)))
                wait_until_quiet(of.pid)
            plan.say(f"round {turn + 1} of {plan.rounds}")
    finally:
        stop_all(contestants)
    for name, mine in runs.items():
        alone, beside, changes = mine["alone"], mine["beside"], mine["changes"]

        def both(key):
            return f"{middle(alone, key):.2f}, {middle(beside, key):.2f}"

        def times(key):
            return f"{middle(changes, key + '_p50_us') / 1000:.2f} / {middle(changes, key + '_p99_us') / 1000:.2f}"
        udp = middle(beside, "threads_cpu_us") / middle(alone, "threads_cpu_us") - 1 if middle(alone, "threads_cpu_us") else 0
        table.row([name, f"{middle(alone, 'qps'):,.0f}", f"{middle(beside, 'qps'):,.0f}",
                   f"{100 * (1 - middle(beside, 'qps') / middle(alone, 'qps')):.1f} %", both("cpu_us"),
                   both("threads_cpu_us"), f"{100 * udp:+.1f} %", f"{middle(changes, 'changes_per_s'):,.0f}",
                   times("acknowledged"), times("shown"), str(sum(r["stale"] for r in changes)),
                   str(sum(r["torn"] for r in changes)), str(sum(r["wrong"] for r in alone + beside)),
                   f"{sum(r['lost'] for r in alone)} / {sum(r['lost'] for r in beside)}",
                   str(sum(r["asked_again"] for r in changes))])
    table.note("A wrong answer of the flood is also one whose addresses are neither the set before nor the set after a change.")
    return table


def large_service(stage, plan, services, sizes=(3, 4096)):
    """One change at a time: what the size of its service adds."""
    contestants = plan.callsigns(stage, services, prefix="large-")
    table = Table(f"One change, nothing else going on, {services:,} services",
                  ["server", "instances of the service", "to the acknowledgement, p50 / p99 µs",
                   "until DNS showed it, p50 / p99 µs", "stale"])
    for of in contestants:
        try:
            started(stage, plan, "change", [of])
            runs = {size: [] for size in sizes}
            for _ in range(plan.rounds):
                for size in sizes:
                    found = stage.loadgen("change", http=of.http, server=of.dns, instances=size, times=200)
                    runs[size].append(plan.keep("change", of.name, f"{size} instances", found))
            for size, found in runs.items():
                def times(key):
                    return f"{middle(found, key + '_p50_us'):.0f} / {middle(found, key + '_p99_us'):.0f}"
                table.row([of.name.removeprefix("large-"), f"{size:,}", times("acknowledged"), times("shown"),
                           str(sum(r["stale"] for r in found))])
        finally:
            of.stop()
    table.note("Both times begin with the request and contain the fsync; what the size costs is the difference of the rows.")
    return table


def writes(stage, plan, clients=64):
    """Durable registrations, and etcd's durable puts beside them: same clients, same disk, in turn."""
    contestants = plan.callsigns(stage, 0, prefix="empty-")
    etcd = Etcd(stage) if program("etcd") else None
    if not etcd:
        plan.say("SKIPPED: etcd, which is not installed")
    table = Table(f"Durable writes, {clients} clients, server on one core",
                  ["server", "acknowledged/s (min–max)", "p50 ms", "p99 ms",
                   "CPU µs each", "server core", "generator core", "failed", "× etcd"])
    runs = {}
    try:
        for of in contestants:
            of.start_empty()
        if etcd:
            etcd.start()
        for turn in range(plan.rounds):
            for of in contestants:
                found = stage.loadgen("register", http=of.http, clients=clients, seconds=plan.seconds, seed=turn + 1,
                                      pid=of.pid)
                runs.setdefault(of.name.removeprefix("empty-"), []).append(plan.keep("writes", of.name, "register", found))
                wait_until_quiet(of.pid)
            if etcd:
                found = stage.loadgen("etcd", server=etcd.client, clients=clients, seconds=plan.seconds, seed=turn + 1,
                                      pid=etcd.pid)
                runs.setdefault("etcd, puts over gRPC", []).append(plan.keep("writes", "etcd", "puts", found))
            plan.say(f"round {turn + 1} of {plan.rounds}")
    finally:
        stop_all(contestants + ([etcd] if etcd else []))
    puts = middle(runs["etcd, puts over gRPC"], "qps") if etcd else None
    for name, found in runs.items():
        rates = [r["qps"] for r in found]
        table.row([name, f"{middle(found, 'qps'):,.0f} ({min(rates):,.0f}–{max(rates):,.0f})",
                   f"{middle(found, 'reply_p50_us') / 1000:.2f}", f"{middle(found, 'reply_p99_us') / 1000:.2f}",
                   f"{middle(found, 'cpu_us'):.1f}", f"{middle(found, 'server_cores'):.2f}",
                   f"{middle(found, 'generator_cores'):.2f}", str(sum(r["wrong"] for r in found)),
                   f"{middle(found, 'qps') / puts:.2f}" if puts else "–"])
    return table


def idle(stage, plan, services, watched_s=10):
    """What a server does and holds while nobody asks it anything and no lease runs."""
    table = Table(f"Idle for {watched_s} s, no lease running",
                  ["server", "services", "PSS MiB", "CPU ms", "wake-ups"])

    def watch(of, shown):
        wait_until_quiet(of.pid)
        before, used = wakeups(of.pid), run_ns(of.pid)
        time.sleep(watched_s)
        woke, used = wakeups(of.pid) - before, run_ns(of.pid) - used
        plan.keep("idle", of.name, "idle", {"wakeups": woke, "cpu_ns": used, "services": shown, "pss_kib": pss_kib(of.pid)})
        table.row([of.name.removeprefix("idle-"), f"{shown:,}", f"{pss_kib(of.pid) / 1024:.1f}", f"{used / 1e6:.1f}",
                   str(woke)])
    for of in plan.callsigns(stage, 0, prefix="idle-"):
        try:
            of.start_empty()
            watch(of, 0)
        finally:
            of.stop()
    contestants = plan.callsigns(stage, services, prefix="idle-") + [peer(stage, services) for peer in peers_installed(plan.say)]
    for of in contestants:
        try:
            if isinstance(of, Callsign):
                of.fill()
            of.start()
            watch(of, services)
        finally:
            of.stop()
    table.note("A wake-up is a voluntary context switch of any thread.")
    return table


def wakeups(pid):
    total = 0
    for task in threads_below(pid):
        try:
            lines = (task / "status").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith("voluntary_ctxt_switches"))
    return total
