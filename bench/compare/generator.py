"""Runs sluice_load, the lean generator, against an endpoint; each run gives a sample.

A sample is a dict of numbers: statements, seconds, per_second, errors,
mib_per_second, p50_ms … p99_99_ms and max_ms of a statement (slow_p99_ms and so
on of the slow ones), and of database, proxy and generator CPU in µs a statement,
RSS and context switches.
"""

import contextlib
import json
import os
import subprocess
import threading

from accounts import Account, ProcessGone
from cluster import APP
from sluice import ROOT, binary

POINT_SELECT = "SELECT c FROM sbtest1 WHERE id=?"


class RunFailed(RuntimeError):
    """A generator gave up; the words are its own."""


def load_binary():
    """sluice_load of the build tree that the sluice under test comes from, else of the release build."""
    beside = binary().parent.parent / "bench/load/sluice_load"
    return beside if beside.exists() else ROOT / "build/release/bench/load/sluice_load"


class Generator:
    """What all runs have in common. `prefix` goes before the command, as taskset does."""

    def __init__(self, database_pids, seconds, rows, prefix=()):
        self.database_pids = list(database_pids)
        self.seconds = seconds
        self.rows = rows
        self.prefix = list(prefix)

    def run(self, endpoint, connections, protocol="text", seconds=None, sql=POINT_SELECT, rate=0,
            slow_share=0, storm=False, tls=False, idle=0, warmup=0.5, at_begin=None, at_end=None):  # fmt: skip
        """One run; a sample, or RunFailed. at_begin() and at_end() are called when the measured time begins and ends."""
        command = [
            *self.prefix, load_binary(), "--address", f"{endpoint.host}:{endpoint.port}", "--user", APP[0],
            "--schema", "sbtest", "--connections", connections, "--seconds", seconds or self.seconds,
            "--warmup", warmup, "--protocol", protocol, "--rows", self.rows, "--sql", sql,
            *(["--rate", rate] if rate else []),
            *(["--slow-share", slow_share] if slow_share else []),
            *(["--storm"] if storm else []),
            *(["--tls"] if tls else []),
            *(["--idle", idle] if idle else []),
        ]  # fmt: skip
        try:
            said, spent = self._measure(list(map(str, command)), endpoint, at_begin, at_end)
        except ProcessGone as error:
            raise RunFailed(str(error)) from error
        return _sample(said, spent)

    def _measure(self, command, endpoint, at_begin, at_end):
        spent, complaints = {}, []
        accounts = {}
        with contextlib.ExitStack() as stack, subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=os.environ | {"SLUICE_LOAD_PASSWORD": APP[1]},
        ) as process:  # fmt: skip
            for line in process.stderr:  # the generator says when its measured time begins and ends
                if line == "measuring\n":
                    accounts = {"database": Account(self.database_pids), "proxy": Account(endpoint.pids)}
                    watch = stack.enter_context(watching(accounts.values()))
                    if at_begin:
                        at_begin()
                elif line == "measured\n":
                    if at_end:
                        at_end()
                    watch.set()
                    spent = {who: account.stop() for who, account in accounts.items()}
                else:
                    complaints.append(line)
            output = process.stdout.read()
        if process.returncode != 0 or not spent:
            raise RunFailed("".join(complaints)[-500:] or f"sluice_load ended with {process.returncode}")
        said = json.loads(output)
        spent["generator"] = {
            "cpu_seconds": sum(said["cpu_seconds"].values()),
            "voluntary_switches": said["context_switches"]["voluntary"],
            "involuntary_switches": said["context_switches"]["involuntary"],
        }
        return said, spent


@contextlib.contextmanager
def watching(accounts, interval=0.1):
    """Samples memory until the block ends or the event is set, so that peaks are seen."""
    over = threading.Event()

    def watch():
        with contextlib.suppress(ProcessGone):  # the end of the run will say so
            while not over.wait(interval):
                for account in accounts:
                    account.sample_memory()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield over
    finally:
        over.set()
        thread.join()


def _sample(said, spent):
    return {
        "statements": said["statements"],
        "seconds": said["seconds"],
        "per_second": said["statements_per_second"],
        "mib_per_second": round(said["bytes"] / 2**20 / said["seconds"], 1) if said["seconds"] else 0.0,
        "errors": said["errors"],
        "first_error": said["first_error"],
        "unfinished": said["unfinished"],
        "login_seconds": said["login_seconds"],
        **{f"{name}_ms": value / 1000 for name, value in said["latency_us"].items()},
        **{f"slow_{name}_ms": value / 1000 for name, value in said.get("slow_latency_us", {}).items()},
    } | per_statement(spent, said["replies"])


def per_statement(spent, statements):
    """Figures by process, CPU and switches also divided by the statements."""
    out = {}
    for who, figures in spent.items():
        out |= {f"{who}_{name}": value for name, value in figures.items()}
        if statements and (who != "proxy" or figures["rss_mib"]):
            switches = figures["voluntary_switches"] + figures["involuntary_switches"]
            out[f"{who}_cpu_us"] = round(figures["cpu_seconds"] * 1e6 / statements, 3)
            out[f"{who}_switches_per_statement"] = round(switches / statements, 4)
    return out
