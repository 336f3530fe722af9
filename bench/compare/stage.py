"""What a scenario plays on: a database, the endpoints in front of it, and the generators."""

import contextlib
import os
import pathlib
import platform
import subprocess
import sys
import time

import endpoints as places
import sysbench
from cluster import APP, Cluster
from generator import Generator
from sluice import ROOT

DATABASE_CORE, LOAD_CORE = 0, 1


def say(words):
    print(f"==> {words}", file=sys.stderr, flush=True)


class Stage:
    """Made by `with set_stage(options, connections) as stage`.

    endpoints: {name: Endpoint} in the order of measuring. load and sysbench are the
    generators. With options.pin the databases have core 0, all else has core 1, and
    Sluice one worker.
    """

    def __init__(self, options, cluster, endpoints, prefix, about):
        self.options = options
        self.cluster = cluster
        self.endpoints = endpoints
        self.about = about
        self.load = Generator([b.pid for b in cluster.backends], options.seconds, options.rows, prefix)
        self.sysbench = sysbench.Sysbench(cluster, options.seconds, options.rows, prefix)


@contextlib.contextmanager
def set_stage(options, connections):
    """`connections`: the most that a scenario will open."""
    prefix = ["taskset", "-c", str(LOAD_CORE)] if options.pin else []
    with contextlib.ExitStack() as stack:
        limit = max(1900, connections + 200)
        cluster = stack.enter_context(
            Cluster(options.engine, options.replicas, options=[f"--max-connections={limit}"], report=say)
        )
        about = surroundings(cluster, options)
        if options.pin:
            for backend in cluster.backends:
                places.pin(backend.pid, DATABASE_CORE)
        say(f"making {sysbench.TABLES} tables of {options.rows} rows")
        sysbench.make_tables(places.direct(cluster), options.rows)
        cluster.wait_caught_up(120)
        if options.pause:
            print("databases, the primary first:", *(b.address for b in cluster.backends))
            print(f"account {APP[0]}, password {APP[1]}, schema sbtest; Enter begins", flush=True)
            sys.stdin.readline()
        yield Stage(options, cluster, _open_endpoints(options, cluster, prefix, stack), prefix, about)


def _open_endpoints(options, cluster, prefix, stack):
    found = {endpoint.name: endpoint for endpoint in options.foreign}
    counted = getattr(options.play, "counted", lambda _: False)(options)
    if "direct" in options.built_in:
        found["direct"] = places.direct(cluster)
    if "haproxy" in options.built_in:
        found["haproxy"] = stack.enter_context(places.haproxy(cluster, prefix))
    if "sluice" in options.built_in:
        found["sluice"] = stack.enter_context(places.sluice(cluster, prefix, _sections(options), counted))
    for name, lines in getattr(options.play, "VARIANTS", {}).items():
        if name in options.built_in:
            sections = _sections(options, lines)
            found[name] = stack.enter_context(places.sluice(cluster, prefix, sections, counted, name))
    return {name: found[name] for name in options.order}


def _sections(options, more=()):
    """{"process": {"threads": 1}} from process.threads=1; one worker when pinned to one core."""
    sections = {"process": {"threads": 1}} if options.pin else {}
    for text in [*options.scenario_config, *more, *options.sluice]:
        path, _, value = text.partition("=")
        section, _, key = path.partition(".")
        sections.setdefault(section, {})[key] = int(value) if value.isdigit() else value
    return sections


def _version_of(command):
    try:
        lines = subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()
        return lines[0] if lines else ""
    except FileNotFoundError:
        return ""


def surroundings(cluster, options):
    """What a reader must know to compare these figures with others."""
    models = [line.split(":", 1)[1].strip() for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
              if line.startswith("model name")]  # fmt: skip
    return {
        "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "scenario": options.scenario,
        "processor": models[0] if models else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "load_average_before": os.getloadavg()[0],
        "engine": f"{cluster.engine.name} {cluster.engine.version()}",
        "sysbench": _version_of(["sysbench", "--version"]),
        "haproxy": _version_of(["haproxy", "-v"]),
        "sluice": _version_of(["git", "-C", str(ROOT), "describe", "--always", "--dirty"]),
        **{name: getattr(options, name) for name in ("replicas", "rounds", "seconds", "rows", "pin", "max_spread")},
    }
