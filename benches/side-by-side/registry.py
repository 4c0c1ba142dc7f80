"""The registry by itself: durable registrations with etcd's puts beside them, and heartbeats, each against its aim."""
import re
import shutil
import time

from common import wait_until_quiet
from contestants import Etcd, program
from tables import Table, middle, spread, times

CLIENTS = (1, 64, 256)
BATCH = 100
# What is aimed at: times etcd with one registration in a request, and in batches; heartbeats/s of one core.
TIMES_ETCD = {1: 1.5, BATCH: 4.0}
HEARTBEATS = (("one in a request", 64, 1, 1, 60_000),
              ("one in a request, 16 requests under way on each connection", 64, 1, 16, 60_000),
              ("1,000 in a request", 8, 1000, 1, 500_000))
SERVICES = 10_000
# What each server does before it is measured, so that its log is one that is used again and its catalog no empty one.
FILLED_FOR_S = 1


def shape(clients, batch):
    return f"{clients} client{'s' if clients > 1 else ''}, {batch} in a request"


def settle(of):
    """Waits until a server has done what it does of its own accord; etcd always does something."""
    if isinstance(of, Etcd):
        time.sleep(0.3)
    else:
        wait_until_quiet(of.pid, limit_s=60)


def on_empty(of, use, under=()):
    """Has `use` of a server that begins with nothing and leaves nothing."""
    shutil.rmtree(of.folder / "data", ignore_errors=True)
    try:
        of.start_empty(under=under)
        settle(of)
        return use()
    finally:
        of.stop()
        shutil.rmtree(of.folder / "data", ignore_errors=True)


def load(stage, of, clients, batch, **more):
    if isinstance(of, Etcd):
        return stage.loadgen("etcd", server=of.client, clients=clients, batch=batch, pid=of.pid, **more)
    return stage.loadgen("register", http=of.http, clients=clients, batch=batch, pid=of.pid, **more)


def measured(stage, plan, of, clients, batch, seed):
    """One measurement of a server that began with nothing and was filled for a second."""
    load(stage, of, 64, BATCH, seconds=FILLED_FOR_S, warm=0, seed=1000 + seed)
    settle(of)
    return load(stage, of, clients, batch, seconds=plan.seconds, seed=seed)


def writes(stage, plan):
    """Durable registrations and etcd's durable puts in turn, each on a new folder of the same disk."""
    contestants = plan.callsigns(stage, 0)
    if program("etcd"):
        contestants.append(Etcd(stage))
    else:
        plan.say("SKIPPED: etcd, which is not installed")
    runs = {}
    for batch in (1, BATCH):
        for clients in CLIENTS:
            for turn in range(plan.rounds):
                for of in contestants:
                    what = shape(clients, batch)
                    with plan.forgiving(f"{of.name}, {what}, round {turn + 1}"):
                        found = on_empty(of, lambda: measured(stage, plan, of, clients, batch, turn + 1))
                        mine = runs.setdefault((clients, batch), {}).setdefault(of.name, {})
                        mine[turn] = plan.keep("writes", of.name, what, found)
            plan.say(f"{shape(clients, batch)}: {plan.rounds} rounds")
    tables = [aims(runs, of.name) for of in contestants if not isinstance(of, Etcd)]
    tables += [durable(runs, contestants, batch) for batch in (1, BATCH)]
    return tables + fsyncs(stage, plan, contestants)


def durable(runs, contestants, batch):
    table = Table(f"Durable registrations, {batch} in a request",
                  ["server", "clients", "acknowledged/s (min–max)", "p50 / p99 ms", "p99 ms (min–max)", "CPU µs each",
                   "octets written each", "server core", "generator core", "failed"])
    for clients in CLIENTS:
        for of in contestants:
            found = list(runs.get((clients, batch), {}).get(of.name, {}).values())
            if not found:
                table.row([of.name, str(clients)] + ["–"] * 7 + ["all"])
                continue
            written = [dict(run, each=run["written_octets"] / max(run["answered"], 1),
                            p99_ms=run.get("reply_p99_us", float("nan")) / 1000) for run in found]
            table.row([of.name, str(clients), spread(found, "qps", 0), times(found, "reply"), spread(written, "p99_ms"),
                       f"{middle(found, 'cpu_us'):.1f}", f"{middle(written, 'each'):,.0f}",
                       f"{middle(found, 'server_cores'):.2f}", f"{middle(found, 'generator_cores'):.2f}",
                       str(sum(run["wrong"] for run in found))])
    if batch > 1:
        table.note("A request of Callsign is a `POST /v1/batch`, one of etcd a `Txn` of as many puts; times are of whole requests.")
    return table


def aims(runs, name):
    """Each figure of one build against its aim; the rounds in turn give a ratio each."""
    table = Table(f"{name} and its aims: durable registrations",
                  ["figure", "aim", f"{name} (min–max)", "etcd (min–max)", "ratio (min–max)", "met"])
    for batch in (1, BATCH):
        for clients in CLIENTS:
            mine = runs.get((clients, batch), {}).get(name, {})
            for theirs_batch in (1,) if batch == 1 else (1, BATCH):
                theirs = runs.get((clients, theirs_batch), {}).get("etcd", {})
                beside = "etcd's puts" if theirs_batch == 1 else f"etcd's Txn of {BATCH} puts"
                aim = TIMES_ETCD[batch]
                row(table, f"{shape(clients, batch)}: registrations/s", f"{aim:g} × {beside}", mine, theirs, "qps", 0, 1,
                    lambda ratio, aim=aim: ratio >= aim)
            theirs = runs.get((clients, batch), {}).get("etcd", {})
            row(table, f"{shape(clients, batch)}: p99 ms", "below etcd's", mine, theirs, "reply_p99_us", 2, 1000,
                lambda ratio: ratio < 1)
    table.note("A batch of 100 stands beside both: etcd's puts one by one, which is what somebody who moves to batches had "
               "before, and etcd's own batches.")
    return table


def row(table, figure, aim, mine, theirs, key, digits, per, is_met):
    """One figure; `per` is what its unit is short of that of `key`."""
    def scaled(runs):
        return [{key: run[key] / per} for run in runs if key in run]
    ours, others = scaled(mine.values()), scaled(theirs.values())
    ratios = [{"ratio": mine[turn][key] / theirs[turn][key]} for turn in mine.keys() & theirs.keys()
              if key in mine[turn] and theirs[turn].get(key)]
    ratio = middle(ratios, "ratio")
    met = "–" if not ratios else "yes" if is_met(ratio) else "no"
    table.row([figure, aim, spread(ours, key, digits), spread(others, key, digits), spread(ratios, "ratio"), met])


class Traced:
    """The calls of fsync and fdatasync of a server that runs under strace, which stops at those alone."""

    def __init__(self, stage, name):
        # It ends when it is told to (-I 2), and its server with it.
        self.path = stage.folder / f"strace-{name.replace(' ', '-')}"
        self.under = (program("strace"), "-f", "--seccomp-bpf", "-I", "2", "-qq", "-e", "trace=fsync,fdatasync,sync_file_range,sync",
                      "-e", "signal=none", "-o", str(self.path))

    def calls(self):
        lines = self.path.read_text(errors="replace").splitlines()
        return sum(bool(re.search(r"sync\w*\(", line)) for line in lines)


def traced(stage, plan, of, operations, prepare=lambda: None):
    """How many operations a server did, and how many fsyncs, while it ran under strace; none if that cannot be."""
    if not program("strace"):
        plan.say("SKIPPED: counting fsync, for strace is not installed")
        return None
    trace = Traced(stage, of.name)

    def use():
        prepare()
        settle(of)
        before = trace.calls()
        done = operations()
        settle(of)
        return done["answered"], trace.calls() - before
    with plan.forgiving(f"{of.name} under strace"):
        return on_empty(of, use, trace.under)
    return None


def fsyncs(stage, plan, contestants):
    """Apart from what is measured: how many operations share an fsync."""
    table = Table("Registrations to an fsync, in a short run under strace",
                  ["server", "load", "acknowledged", "calls of fsync and fdatasync", "registrations each"])
    for of in contestants:
        for clients, batch in ((1, 1), (64, 1), (64, BATCH)):
            # Counted from the first request on: what a warm-up did would be missing.
            found = traced(stage, plan, of, lambda: load(stage, of, clients, batch, seconds=1, warm=0))
            if found:
                done, calls = found
                plan.keep("fsyncs", of.name, shape(clients, batch), {"acknowledged": done, "fsyncs": calls})
                table.row([of.name, shape(clients, batch), f"{done:,}", f"{calls:,}",
                           f"{done / calls:,.1f}" if calls else "no fsync at all"])
    return [table] if table.rows else []


def heartbeats(stage, plan):
    """Heartbeats/s of a server on one core, and that they leave the disk alone."""
    table = Table(f"Heartbeats on one core, {3 * SERVICES:,} instances with leases",
                  ["server", "load", "clients", "heartbeats/s (min–max)", "aim", "ratio", "met", "p50 / p99 ms", "CPU µs each",
                   "server core", "generator core", "octets written", "commits", "fsyncs (strace)", "failed"])
    for of in plan.callsigns(stage, SERVICES):
        def beat(clients, batch, pipelined, **more):
            return stage.loadgen("heartbeat", http=of.http, services=SERVICES, clients=clients, batch=batch,
                                 pipelined=pipelined, pid=of.pid, **more)

        def fill():
            stage.loadgen("load", services=SERVICES, http=of.http, lease="1h")

        def rounds():
            fill()
            settle(of)
            for turn in range(plan.rounds):
                for what, clients, batch, pipelined, _ in HEARTBEATS:
                    before = of.commits()
                    found = beat(clients, batch, pipelined, seconds=plan.seconds, seed=turn + 1)
                    found["commits"] = of.commits() - before
                    runs.setdefault(what, []).append(plan.keep("heartbeats", of.name, what, found))
                    settle(of)
                plan.say(f"round {turn + 1} of {plan.rounds}")
        runs = {}
        with plan.forgiving(f"heartbeats of {of.name}"):
            on_empty(of, rounds)
        for what, clients, batch, pipelined, aim in HEARTBEATS:
            found = runs.get(what)
            if not found:
                table.row([of.name, what, str(clients), "–", f"{aim:,}"] + ["–"] * 9 + ["all"])
                continue
            calls = traced(stage, plan, of, lambda: beat(clients, batch, pipelined, seconds=1, warm=0), fill)
            ratio = middle(found, "qps") / aim
            table.row([of.name, what, str(clients), spread(found, "qps", 0), f"{aim:,}", f"{ratio:.2f}",
                       "yes" if ratio >= 1 else "no", times(found, "reply"), f"{middle(found, 'cpu_us'):.2f}",
                       f"{middle(found, 'server_cores'):.2f}", f"{middle(found, 'generator_cores'):.2f}",
                       f"{sum(run['written_octets'] for run in found):,}", str(sum(run["commits"] for run in found)),
                       "–" if calls is None else f"{calls[1]} in {calls[0]:,}", str(sum(run["wrong"] for run in found))])
    table.note("Octets written are those that the server's process had written to files (`/proc/PID/io`), and commits those of "
               "its data base, over all rounds.")
    return [table]
