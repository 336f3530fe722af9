"""./dev bench: the same load straight to the database, through HAProxy, through Sluice, in turn.

Starts its own database, HAProxy and Sluice; other endpoints are given as
NAME=HOST:PORT. Runs go A B C A B C, so that what drifts on the machine burdens
all alike. Exits 0 if every run came through, else 1. See bench/README.md.
"""

import argparse
import contextlib
import json
import os
import pathlib
import platform
import subprocess
import sys
import time

sys.dont_write_bytecode = True
ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/support"))

import endpoints as places  # noqa: E402
import figures  # noqa: E402
import workloads  # noqa: E402
from cluster import Cluster  # noqa: E402

DATABASE_CORE, LOAD_CORE = 0, 1


def arguments(argv):
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__.split("\n\n")[0])
    add = parser.add_argument
    add("endpoints", nargs="*", metavar="ENDPOINT",
        help="direct, haproxy, sluice (all three if none of them is named), NAME=HOST:PORT[@PID];"
             " they go before the options, and the first is what the others are compared with")
    add("--engine", choices=("mariadb", "mysql"), default="mariadb")
    add("--replicas", type=int, default=0, metavar="N", help="replicas beside the primary (0)")
    add("--workload", nargs="+", choices=workloads.NAMES, default=["point_select", "read_write"], metavar="NAME",
        help=f"{', '.join(workloads.NAMES)}: sysbench's, and point selects by the lean generator (point_select read_write)")
    add("--protocol", nargs="+", choices=workloads.PROTOCOLS, default=["text"], metavar="NAME",
        help="text, prepared (text)")
    add("--threads", nargs="+", type=int, default=[1, 16, 64], metavar="N", help="threads or connections (1 16 64)")
    add("--rounds", type=int, default=3, metavar="N", help="(3); for figures to show, 5 or more")
    add("--seconds", type=int, default=4, metavar="S", help="of each run (4)")
    add("--rate", type=float, default=0, metavar="N", help="load: open loop at N statements a second")
    add("--rows", type=int, default=10_000, metavar="N", help="in each table (10000)")
    add("--pin", action="store_true", help="databases on core 0, proxy and generator on core 1")
    add("--max-spread", type=float, default=0.25, metavar="X",
        help="refuse a ratio whose rounds lie further apart, as a share of the median (0.25)")
    add("--sluice", nargs="+", default=[], metavar="SECTION.KEY=VALUE", help="more lines for Sluice's config")
    add("--pause", action="store_true", help="print the databases' addresses and wait for Enter, to start another proxy")
    add("--json", type=pathlib.Path, metavar="FILE", help="all samples, medians and ratios")
    options = parser.parse_args(argv)
    if options.pin and len(os.sched_getaffinity(0)) < 2:
        parser.error("--pin needs two cores")
    if min(options.rounds, options.seconds, *options.threads) < 1:
        parser.error("--rounds, --seconds and --threads are 1 or more")
    named = [text for text in options.endpoints if text in places.BUILT_IN]
    options.built_in = named or list(places.BUILT_IN)
    try:
        options.foreign = [places.foreign(text) for text in options.endpoints if text not in places.BUILT_IN]
    except ValueError as error:
        parser.error(str(error))
    # As given, if a built-in one is among them; else ours come first.
    options.order = [text.partition("=")[0] for text in options.endpoints if named] or [
        *options.built_in, *(e.name for e in options.foreign)]  # fmt: skip
    return options


def sluice_sections(options):
    """{"process": {"threads": 1}} from process.threads=1; one worker when pinned to one core."""
    sections = {"process": {"threads": 1}} if options.pin else {}
    for text in options.sluice:
        path, _, value = text.partition("=")
        section, _, key = path.partition(".")
        sections.setdefault(section, {})[key] = int(value) if value.isdigit() else value
    return sections


def open_endpoints(options, cluster, prefix, stack):
    """Starts what is asked for; {name: Endpoint} in the order of measuring."""
    found = {endpoint.name: endpoint for endpoint in options.foreign}
    if "direct" in options.built_in:
        found["direct"] = places.direct(cluster)
    if "haproxy" in options.built_in:
        found["haproxy"] = stack.enter_context(places.haproxy(cluster, prefix))
    if "sluice" in options.built_in:
        found["sluice"] = stack.enter_context(places.sluice(cluster, prefix, sluice_sections(options)))
    return {name: found[name] for name in options.order}


def refuse_early(options):
    """Whatever is not built is said before a database is started."""
    needed = ["sluice" in options.built_in and workloads.binary(), "load" in options.workload and workloads.load_binary()]
    for program in filter(None, needed):
        if not program.exists():
            sys.exit(f"{program} is not built: run ./dev build")


def say(words):
    print(f"==> {words}", file=sys.stderr, flush=True)


def measure(bench, endpoints, case, options):
    """All rounds of one case; {endpoint: [sample, …] or the words of its failure}."""
    workload, protocol, threads = case
    samples = {name: [] for name in endpoints}
    for number in range(options.rounds):
        for name, endpoint in endpoints.items():
            if isinstance(samples[name], str):
                continue
            try:
                sample = bench.run(workload, protocol, threads, endpoint)
                samples[name].append(sample)
                outcome = f"{sample['per_second']:,.0f} statements/s"
            except workloads.RunFailed as error:
                samples[name] = str(error)
                outcome = f"failed: {error}"
            say(f"{workload} {protocol} {threads}, round {number + 1}/{options.rounds}, {name}: {outcome}")
    return samples


def warm_up(bench, endpoints, workload, protocol, threads):
    """Caches filled, links open: one second each that nobody counts."""
    for endpoint in endpoints.values():
        with contextlib.suppress(workloads.RunFailed):  # the measured run will say so
            bench.run(workload, protocol, threads, endpoint, seconds=1)


def conclude(samples, max_spread):
    base = next((rounds for rounds in samples.values()), None)
    return {
        name: rounds if isinstance(rounds, str)
        else figures.conclude(rounds, [] if isinstance(base, str) else base, max_spread)
        for name, rounds in samples.items()
    }  # fmt: skip


def version_of(command):
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
        "processor": models[0] if models else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "load_average_before": os.getloadavg()[0],
        "engine": f"{cluster.engine.name} {cluster.engine.version()}",
        "sysbench": version_of(["sysbench", "--version"]),
        "haproxy": version_of(["haproxy", "-v"]),
        "sluice": version_of(["git", "-C", str(ROOT), "describe", "--always", "--dirty"]),
        **{name: getattr(options, name) for name in ("replicas", "rounds", "seconds", "rate", "rows", "pin", "max_spread")},
    }


def run(options):
    refuse_early(options)
    prefix = ["taskset", "-c", str(LOAD_CORE)] if options.pin else []
    connections = max(1900, max(options.threads) + 200)
    with contextlib.ExitStack() as stack:
        cluster = stack.enter_context(
            Cluster(options.engine, options.replicas, options=[f"--max-connections={connections}"], report=say)
        )
        about = surroundings(cluster, options)
        if options.pin:
            for backend in cluster.backends:
                places.pin(backend.pid, DATABASE_CORE)
        say(f"making {workloads.TABLES} tables of {options.rows} rows")
        workloads.prepare(places.direct(cluster), options.rows)
        cluster.wait_caught_up(120)
        if options.pause:
            print("databases, the primary first:", *(b.address for b in cluster.backends))
            print(f"account {workloads.APP[0]}, password {workloads.APP[1]}, schema sbtest; Enter begins", flush=True)
            sys.stdin.readline()
        endpoints = open_endpoints(options, cluster, prefix, stack)
        bench = workloads.Bench(cluster, options.seconds, options.rows, options.rate, prefix)
        print(f"{about['engine']}, {options.replicas} replicas, {about['cores']} cores{', pinned' * options.pin},"
              f" {options.rounds} rounds of {options.seconds} s, load average {about['load_average_before']:.1f} before")  # fmt: skip
        print(figures.LEGEND)
        if options.rounds < 3:
            print("fewer than three rounds: how far they agree is not known")
        cases = []
        for workload in options.workload:
            for protocol in options.protocol:
                warm_up(bench, endpoints, workload, protocol, max(options.threads))
                for threads in options.threads:
                    results = conclude(measure(bench, endpoints, (workload, protocol, threads), options), options.max_spread)
                    open_loop = workload == "load" and options.rate > 0
                    rate = f" at {options.rate:g}/s" if open_loop else ""
                    print("\n" + figures.table(f"{workload} {protocol} {threads}{rate}", results, open_loop), flush=True)
                    cases.append({"workload": workload, "protocol": protocol, "threads": threads, "endpoints": {
                        name: {"failed": r} if isinstance(r, str) else r for name, r in results.items()}})  # fmt: skip
        if options.json:
            options.json.write_text(json.dumps({"about": about, "cases": cases}, indent=1) + "\n")
    return 1 if any("failed" in r for case in cases for r in case["endpoints"].values()) else 0


if __name__ == "__main__":
    try:
        sys.exit(run(arguments(sys.argv[1:])))
    except KeyboardInterrupt:
        sys.exit(130)
