"""Writes: what changes cost the answers, and what an answer shows of them; and doing nothing."""
import time

from common import (WINDOW, activity, flood, peers_installed, pss_kib, started, stop_all, wait_for_threads,
                    wait_until_quiet)
from contestants import Callsign
from tables import Table, middle, spread, times


def pressure(stage, plan, services, rate=2000):
    """A full flood alone and beside changes, in turn; every acknowledged change is looked for at once."""
    contestants = plan.callsigns(stage, services)
    runs = {of: {"alone": [], "beside": [], "changes": []} for of in contestants}
    warm = min(1.0, plan.seconds / 2)
    try:
        started(stage, plan, "pressure", contestants)
        for turn in range(plan.rounds):
            for of in contestants:
                mine = runs[of]
                mine["alone"].append(flood(stage, plan, "pressure", of, 8, turn + 1, what="alone", flipping=1))
                # It begins before the flood is measured, and ends after.
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
    subject = f"{rate:,} changes/s beside a full flood over 8 sockets, {services:,} services"
    cost = Table(f"{subject}: what they cost the answers",
                 ["server", "", "questions/s (min–max)", "CPU µs/answer, whole process (min–max)",
                  "CPU µs/answer, threads of UDP (min–max)", "server core", "generator core", "wrong", "lost"])
    shown = Table(f"{subject}: what an answer shows of them",
                  ["server", "changes/s", "acknowledged p50 / p99 ms", "then shown p50 / p99 ms", "changes in all",
                   "stale", "torn", "not answered", "asked again"])
    for of, mine in runs.items():
        alone, beside, changes = mine["alone"], mine["beside"], mine["changes"]
        for what, found in (("alone", alone), ("beside changes", beside)):
            cost.row([of.name, what, spread(found, "qps", 0), spread(found, "cpu_us"), spread(found, "threads_cpu_us"),
                      f"{middle(found, 'server_cores'):.2f}", f"{middle(found, 'generator_cores'):.2f}",
                      str(sum(run["wrong"] for run in found)), str(sum(run["lost"] for run in found))])

        def more(key):
            before = middle(alone, key)
            return f"{100 * (middle(beside, key) / before - 1):+.1f} %" if before else "–"
        cost.row([of.name, "difference", more("qps"), more("cpu_us"), more("threads_cpu_us"), "", "", "", ""])

        def total(key):
            return str(sum(run[key] for run in changes))
        shown.row([of.name, f"{middle(changes, 'changes_per_s'):,.0f}", times(changes, "acknowledged"),
                   times(changes, "shown"), total("changes"), total("stale"), total("torn"), total("unanswered"),
                   total("asked_again")])
    cost.note("An answer is wrong, too, if its addresses are neither the set before a change nor the set after it.")
    return [cost, shown]


def large_service(stage, plan, services, sizes=(3, 4096)):
    """One change at a time: what the size of its service adds."""
    table = Table(f"One change at a time, {services:,} services, nothing else going on",
                  ["server", "instances of the service", "to the acknowledgement, p50 / p99 ms",
                   "until DNS showed it, p50 / p99 ms", "stale"])
    for of in plan.callsigns(stage, services):
        try:
            started(stage, plan, "change", [of])
            runs = {size: [] for size in sizes}
            for _ in range(plan.rounds):
                for size in sizes:
                    found = stage.loadgen("change", http=of.http, server=of.dns, instances=size, times=200)
                    runs[size].append(plan.keep("change", of.name, f"{size} instances", found))
            for size, found in runs.items():
                table.row([of.name, f"{size:,}", times(found, "acknowledged"), times(found, "shown"),
                           str(sum(run["stale"] for run in found))])
        finally:
            of.stop()
    table.note("Both times begin with the request and contain the fsync; what a large service adds is the difference.")
    return [table]


def idle(stage, plan, services, watched_s):
    """What a server does and holds while nobody asks it anything and no lease runs."""
    table = Table(f"Idle for {watched_s} s, no lease running",
                  ["server", "services", "PSS MiB", "CPU ms", "wake-ups (voluntary context switches)"])

    def watch(of, filled_with):
        wait_until_quiet(of.pid)
        wait_for_threads(of.pid)
        before = activity(of.pid)
        time.sleep(watched_s)
        after, pss = activity(of.pid), pss_kib(of.pid)
        used = sum(ns - before.get(task, (0, 0))[0] for task, (ns, _) in after.items())
        woken = sum(sleeps - before.get(task, (0, 0))[1] for task, (_, sleeps) in after.items())
        # A thread that ended took its figures along: it had woken up to do so.
        woken += len(before.keys() - after.keys())
        plan.keep("idle", of.name, f"{filled_with} services", {"wakeups": woken, "cpu_ns": used, "pss_kib": pss})
        table.row([of.name, f"{filled_with:,}", f"{pss / 1024:.1f}", f"{used / 1e6:.1f}", str(woken)])
    for of in plan.callsigns(stage, 0):
        try:
            of.start_empty()
            watch(of, 0)
        finally:
            of.stop()
    for of in plan.callsigns(stage, services) + [peer(stage, services) for peer in peers_installed(plan.say)]:
        try:
            if isinstance(of, Callsign):
                of.fill()
            of.start()
            watch(of, services)
        finally:
            of.stop()
    return [table]
