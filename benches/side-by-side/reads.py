"""Reads: what a question costs each contestant, by the size of the catalog, and how soon and in how much memory."""
from common import SOCKETS, flood, peers_installed, pss_kib, started, stop_all, wait_until_quiet
from contestants import Callsign, Echo, EchoTogether
from tables import Table, middle, spread


def compare(stage, plan, part, contestants, subject, name_of):
    """Starts the contestants and goes round them; the ratios are to the first, and to the floor if it is the last."""
    runs = {of: {"probe": [], **{sockets: [] for sockets in SOCKETS}} for of in contestants}
    try:
        first = started(stage, plan, part, contestants)
        for turn in range(plan.rounds):
            # Who comes first differs, so that nobody always follows the same neighbour.
            for of in contestants[turn % len(contestants):] + contestants[:turn % len(contestants)]:
                for sockets in SOCKETS:
                    runs[of][sockets].append(flood(stage, plan, part, of, sockets, turn + 1))
                probe = stage.loadgen("probe", services=of.services, server=of.dns, seconds=plan.seconds, seed=turn + 1,
                                      pid=of.pid, unchecked=int(isinstance(of, Echo)))
                runs[of]["probe"].append(plan.keep(part, f"{of.name} {of.services}", "probe", probe))
            plan.say(f"round {turn + 1} of {plan.rounds}")
    finally:
        stop_all(contestants)
    tables = [capacity(runs, contestants, sockets, subject, name_of) for sockets in SOCKETS]
    return tables + [manners(runs, contestants, first, subject, name_of)]


def capacity(runs, contestants, sockets, subject, name_of):
    reference, last = contestants[0], contestants[-1]
    floor = last if isinstance(last, Echo) else None
    table = Table(f"{subject}: closed loop, {sockets} client sockets",
                  ["server", "questions/s", "CPU µs/question (min–max)", f"times better than {name_of(reference)}",
                   "of the floor", "server core", "generator core", "wrong", "lost"])
    for of in contestants:
        mine = runs[of][sockets]
        cost = middle(mine, "cpu_us")
        table.row([name_of(of), f"{middle(mine, 'qps'):,.0f}", spread(mine, "cpu_us"),
                   f"{middle(runs[reference][sockets], 'cpu_us') / cost:.2f}",
                   f"{100 * middle(runs[floor][sockets], 'cpu_us') / cost:.0f} %" if floor else "–",
                   f"{middle(mine, 'server_cores'):.2f}", f"{middle(mine, 'generator_cores'):.2f}",
                   str(sum(run["wrong"] for run in mine)), str(sum(run["lost"] for run in mine))])
    return table


def manners(runs, contestants, first, subject, name_of):
    table = Table(f"{subject}: 5,000 questions/s, start and memory",
                  ["server", "p50 µs (min–max)", "p99 µs (min–max)", "CPU µs/question", "reply octets", "wrong", "lost",
                   "first answer ms (min–max)", "PSS MiB", "RSS MiB"])
    for of in contestants:
        probe, all_runs = runs[of]["probe"], [run for kind in runs[of].values() for run in kind]
        table.row([name_of(of), spread(probe, "reply_p50_us", 0), spread(probe, "reply_p99_us", 0),
                   f"{middle(probe, 'cpu_us'):.2f}", f"{middle(runs[of][SOCKETS[0]], 'reply_octets'):.0f}",
                   str(sum(run["wrong"] for run in probe)), str(sum(run["lost"] for run in probe)),
                   spread(first[of], "first_answer_ms", 0) if of in first else "–",
                   f"{middle(all_runs, 'pss_kib') / 1024:.0f}", f"{middle(all_runs, 'rss_kib') / 1024:.0f}"])
    return table


def reads(stage, plan, services):
    """Callsign between the others and the floor."""
    peers = [peer(stage, services) for peer in peers_installed(plan.say)]
    ours = plan.callsigns(stage, services)
    floors = [EchoTogether(stage, services), Echo(stage, services)]
    return compare(stage, plan, "reads", peers + ours + floors, f"{services:,} services", lambda of: of.name)


def scale(stage, plan, small, large):
    """Callsign with few and with many services, both running, in turn."""
    contestants = [of for services in (small, large) for of in plan.callsigns(stage, services)]
    return compare(stage, plan, "scale", contestants, f"{small:,} and {large:,} services",
                   lambda of: f"{of.name}, {of.services:,}")


def starts(stage, plan, services, with_peers=True):
    """From the start of a process until it answers the last service, from its own files in the page cache."""
    peers = [peer(stage, services) for peer in peers_installed(plan.say)] if with_peers else []
    contestants = peers + plan.callsigns(stage, services)
    table = Table(f"Start with {services:,} services",
                  ["server", "first answer ms (min–max)", "PSS MiB", "filled over HTTP in s"])
    for of in contestants:
        try:
            load = of.fill() if isinstance(of, Callsign) else None
            times = []
            for _ in range(max(plan.starts, 3)):
                of.stop()
                times.append({"first_answer_ms": of.start()})
                wait_until_quiet(of.pid)
                plan.keep("start", f"{of.name} {services}", "first answer", times[-1])
            table.row([of.name, spread(times, "first_answer_ms", 0), f"{pss_kib(of.pid) / 1024:.0f}",
                       f"{load['load_s']:.1f}" if load else "–"])
        finally:
            of.stop()
    return [table]


def misses(stage, plan, services):
    """What a name that does not exist costs beside one that does: a flood of random subdomains must not be dearer."""
    contestants = plan.callsigns(stage, services)
    table = Table(f"{services:,} services: hits alone and random subdomains alone",
                  ["server", "sockets", "hits, CPU µs/question (min–max)", "misses, CPU µs/question (min–max)",
                   "misses / hits", "wrong"])
    runs = {}
    try:
        started(stage, plan, "misses", contestants)
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
        hits, missed = found["hits"], found["misses"]
        table.row([name, str(sockets), spread(hits, "cpu_us"), spread(missed, "cpu_us"),
                   f"{middle(missed, 'cpu_us') / middle(hits, 'cpu_us'):.2f}",
                   str(sum(run["wrong"] for run in hits + missed))])
    return [table]
