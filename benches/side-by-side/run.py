#!/usr/bin/env python3
"""Callsign beside Knot, NSD, etcd and a floor, on this machine: measures and writes a table. See README.md."""
import argparse
import atexit
import datetime
import json
import os
import pathlib
import platform
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import reads
import registry
import writes
from common import Plan
from contestants import Failure, Knot, Nsd, Stage, program

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
# Where cargo puts what it builds; its own variable, which counts from where the clone is.
TARGET = ROOT / os.environ.get("CARGO_TARGET_DIR", "target")
PARTS = ("reads", "start", "writes", "heartbeats", "pressure", "idle")
# What has a table of its own when nothing else is measured.
REGISTRY = {"writes", "heartbeats"}


def arguments():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--quick", action="store_true", help="one short round of everything, at 10,000 services")
    p.add_argument("--only", action="append", choices=PARTS, help="this part alone (may be repeated)")
    p.add_argument("--services", type=int, action="append", help="services of three instances (10000 and 100000)")
    p.add_argument("--large", type=int, help="services of the comparison by size (1000000; 0 for none)")
    p.add_argument("--rounds", type=int, help="rounds (5)")
    p.add_argument("--seconds", type=float, help="seconds of each measurement (3; 2 of the registry alone)")
    p.add_argument("--ports", type=int, default=0, help="take ports from this one on (any that are free)")
    p.add_argument("--out", type=pathlib.Path, help="the table's file (benches/runs/DATE-side-by-side.md, or DATE-registry.md of "
                   "writes and heartbeats)")
    p.add_argument("--raw", type=pathlib.Path, help="each measurement as a line of JSON (target/side-by-side/DATE.jsonl)")
    a = p.parse_args()
    a.only = a.only or list(PARTS)
    a.services = a.services or ([10_000] if a.quick else [10_000, 100_000])
    a.large = a.large if a.large is not None else 0 if a.quick else 1_000_000
    a.rounds = a.rounds or (1 if a.quick else 5)
    # Those of the registry have a server of its own each.
    a.seconds = a.seconds or (1.0 if a.quick else 2.0 if set(a.only) <= REGISTRY else 3.0)
    if min([a.rounds, a.seconds, *a.services]) <= 0 or a.large < 0 or max([a.large, *a.services]) > 5_000_000:
        p.error("services are 1 to 5,000,000; rounds and seconds more than 0")
    return a


def cargo_build(what, manifest, target, *more):
    print(f"building {what}", flush=True)
    subprocess.run(["cargo", "build", "--release", "--locked", "--quiet", "--manifest-path", str(manifest),
                    "--target-dir", str(target), *more], check=True, stdin=subprocess.DEVNULL)


def builds():
    """The builds of Callsign: this clone's, or those of CALLSIGN_BIN, as PATH or NAME=PATH, several with spaces."""
    named = os.environ.get("CALLSIGN_BIN", "").split()
    if not named:
        binary = TARGET / "release/callsign"
        if not binary.exists():
            cargo_build("Callsign", ROOT / "Cargo.toml", TARGET, "--bin", "callsign")
        named = [str(binary)]
    found = []
    for at, word in enumerate(named):
        name, equals, path = word.rpartition("=")
        path = pathlib.Path(path).resolve()
        if not os.access(path, os.X_OK):
            raise Failure(f"CALLSIGN_BIN: {path} is no program")
        found.append((f"Callsign {name}" if equals else "Callsign" if at == 0 else f"Callsign {at + 1}", path))
    return found


def first_line(*command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    lines = (done.stdout + done.stderr).strip().splitlines()
    return lines[0].strip() if lines else ""


def machine(folder):
    cpu = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "")
    memory_kib = int(next(line.split()[1] for line in open("/proc/meminfo") if line.startswith("MemTotal")))
    disk = first_line("findmnt", "-no", "FSTYPE", "-T", str(folder)) or first_line("stat", "-f", "-c", "%T", str(folder))
    return (f"{os.cpu_count()} cores ({cpu or platform.machine()}), {memory_kib / 2**20:.0f} GiB, "
            f"Linux {platform.release().split('-')[0]}, data on {disk or 'an unknown file system'}"), disk


def versions(built):
    found = []
    commit = first_line("git", "-C", str(ROOT), "describe", "--always", "--dirty")
    for name, path in built:
        found.append(f"{name}: {first_line(str(path), '--version')}" + (f", clone at {commit}" if commit and "CALLSIGN_BIN" not in os.environ else ""))
    for peer, flag in ((Knot, "--version"), (Nsd, "-v")):
        if program(peer.daemon):
            found.append(first_line(program(peer.daemon), flag))
    if program("etcd"):
        found.append(first_line(program("etcd"), "--version"))
    return found + [first_line("rustc", "--version")]


def cores_taken(watched_s=1.0):
    """The cores that others keep busy, and that the host of a virtual machine takes away, while nothing runs here."""
    def ticks():
        fields = [int(field) for field in open("/proc/stat").readline().split()[1:9]]
        idle, stolen = fields[3] + fields[4], fields[7]
        return sum(fields) - idle - stolen, stolen
    before = ticks()
    time.sleep(watched_s)
    per_core = os.sysconf("SC_CLK_TCK") * watched_s
    return tuple((after - then) / per_core for after, then in zip(ticks(), before))


def neighbours():
    busy, stolen = cores_taken()
    return f"{busy:.1f} cores busy, {stolen:.1f} taken by the host"


def measure(a, stage, plan):
    """All that was asked for, part by part; a part that fails is said and costs the others nothing."""
    todo = []
    if "reads" in a.only:
        todo += [("reads", lambda s=s: reads.reads(stage, plan, s)) for s in a.services]
        todo.append(("hits and misses", lambda: reads.misses(stage, plan, a.services[0])))
        if a.large:
            todo.append(("size", lambda: reads.scale(stage, plan, a.services[0], a.large)))
    elif "start" in a.only:
        todo += [("start", lambda s=s: reads.starts(stage, plan, s)) for s in a.services]
        if a.large:
            todo.append(("start", lambda: reads.starts(stage, plan, a.large, with_peers=False)))
    if "pressure" in a.only:
        todo.append(("pressure", lambda: writes.pressure(stage, plan, a.services[0])))
        todo.append(("a large service", lambda: writes.large_service(stage, plan, a.services[0])))
    if "writes" in a.only:
        todo.append(("writes", lambda: registry.writes(stage, plan)))
    if "heartbeats" in a.only:
        todo.append(("heartbeats", lambda: registry.heartbeats(stage, plan)))
    if "idle" in a.only:
        todo.append(("idle", lambda: writes.idle(stage, plan, a.services[0], 2 if a.quick else 10)))
    tables, failures = [], []
    for name, part in todo:
        began = time.monotonic()
        print(f"\n== {name}", flush=True)
        try:
            found = part()
            tables += found
            print("", *found, sep="\n")
        except Failure as failure:
            failures.append(f"{name}: {failure}")
            print(f"FAILED: {failures[-1]}", file=sys.stderr, flush=True)
        finally:
            stage.end_all()
        print(f"-- {name}: {time.monotonic() - began:.0f} s", flush=True)
        for left in stage.folder.iterdir():
            if left.is_dir():
                shutil.rmtree(left, ignore_errors=True)
    return tables, plan.failures + failures


def main():
    a = arguments()
    if not {0, 1} <= os.sched_getaffinity(0):
        raise Failure("it takes two cores, 0 for the servers and 1 for the generator")
    built = builds()
    target = TARGET / "side-by-side"
    cargo_build("the load generator", HERE / "loadgen/Cargo.toml", target)
    today = datetime.date.today().isoformat()
    subject = "registry" if set(a.only) <= REGISTRY else "side-by-side"
    names = [f"{today}-{subject}{number}.md" for number in ("", *(f"-{n}" for n in range(2, 100)))]
    unused = (ROOT / "benches/runs" / name for name in names)
    out = a.out or next(path for path in unused if not path.exists())
    raw_path = a.raw or target / f"{today}.jsonl"
    folder = pathlib.Path(tempfile.mkdtemp(prefix="callsign-side-by-side-"))
    stage = Stage(folder, target / "release/loadgen", a.ports)

    def clean_up():
        stage.end_all()
        shutil.rmtree(folder, ignore_errors=True)
    atexit.register(clean_up)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    line, disk = machine(folder)
    if disk == "tmpfs":
        print("The temporary folder is in memory, where fsync costs nothing: set TMPDIR to a folder on a disk.", flush=True)
    before = neighbours()
    print(f"before: {before}", flush=True)
    began = time.monotonic()
    with open(raw_path, "w") as raw:
        def keep(found):
            raw.write(json.dumps(found) + "\n")
            raw.flush()

        def say(text):
            print(text, flush=True)
        plan = Plan(built, a.rounds, a.seconds, 1 if a.quick else 3, say, keep)
        tables, failures = measure(a, stage, plan)
    command = shlex.join(["benches/side-by-side/run.py", *sys.argv[1:]])
    # Where somebody's files lie says nothing.
    command = re.sub(r"(--(?:out|raw)[= ])\S+", r"\1FILE", command)
    text = [f"# {today}: {subject.replace('-', ' ')}", "", f"Machine: {line}.", "",
            f"Others, before: {before}; after: {neighbours()}. Rounds: {a.rounds}, of {a.seconds:g} s; "
            f"{time.monotonic() - began:.0f} s in all.", "", *[f"- {version}" for version in versions(built)], "",
            f"Command: `{command}`. Method: `benches/side-by-side/README.md`. Medians over the rounds; compare within a "
            "table and by ratios, for the machine changes from run to run.", ""]
    text += [str(table) for table in tables] + [f"FAILED: {failure}\n" for failure in failures]
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text("\n".join(text).rstrip() + "\n")
    print(f"\nwritten to {out}")
    return 1 if failures else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failure as failure:
        sys.exit(f"FAILED: {failure}")
    except subprocess.CalledProcessError as failed:
        sys.exit(f"FAILED: {shlex.join(failed.cmd)}: exit code {failed.returncode}")
