"""What is asked of an endpoint: sysbench's OLTP scripts, or the lean load generator; each run gives a sample.

A sample is a dict: statements, seconds, per_second, errors, p50_ms, p99_ms
(of a transaction with sysbench, of a statement with the load generator), and
CPU in µs a statement, RSS and context switches of database, proxy, generator.
"""

import contextlib
import json
import os
import re
import subprocess
import threading
import time

from accounts import Account, ProcessGone
from cluster import APP
from sluice import ROOT, binary

TABLES = 4
SYSBENCH = {
    "point_select": ["oltp_point_select"],
    "read_only": ["oltp_read_only"],
    "read_only_notrx": ["oltp_read_only", "--skip-trx=on"],
    "read_write": ["oltp_read_write"],
    "write_only": ["oltp_write_only"],
}
WRITING = ("read_write", "write_only")
NAMES = (*SYSBENCH, "load")
PROTOCOLS = ("text", "prepared")


class RunFailed(RuntimeError):
    """A generator gave up; the words are its own."""


def load_binary():
    """sluice_load of the build tree that the sluice under test comes from, else of the release build."""
    beside = binary().parent.parent / "bench/load/sluice_load"
    return beside if beside.exists() else ROOT / "build/release/bench/load/sluice_load"


def _sysbench(script, endpoint, rows, more):
    return [
        "sysbench", *script, f"--mysql-host={endpoint.host}", f"--mysql-port={endpoint.port}",
        f"--mysql-user={APP[0]}", f"--mysql-password={APP[1]}", "--mysql-db=sbtest", f"--tables={TABLES}",
        f"--table-size={rows}", "--rand-type=uniform", *more,
    ]  # fmt: skip


def prepare(endpoint, rows):
    """Makes sysbench's tables, straight on the primary."""
    done = subprocess.run(
        [*_sysbench(["oltp_common"], endpoint, rows, []), "prepare"], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise RunFailed(f"sysbench could not make its tables: {done.stdout[-500:]}{done.stderr[-500:]}")


class Bench:
    """Runs workloads against endpoints of one cluster. `prefix` is put before a generator's command."""

    def __init__(self, cluster, seconds, rows, rate=0, prefix=()):
        self.cluster = cluster
        self.seconds = seconds
        self.rows = rows
        self.rate = rate
        self.prefix = list(prefix)

    def run(self, workload, protocol, threads, endpoint, seconds=None):
        """One run; a sample, or RunFailed."""
        measure = self._run_load if workload == "load" else self._run_sysbench
        try:
            sample = measure(workload, protocol, threads, endpoint, seconds or self.seconds)
        except ProcessGone as error:
            raise RunFailed(str(error)) from error
        if workload in WRITING:
            # What replicas still have to apply must not burden the next run.
            self.cluster.wait_caught_up(120)
        return sample

    def _accounts(self, endpoint):
        return {"database": Account(b.pid for b in self.cluster.backends), "proxy": Account(endpoint.pids)}

    def _run_sysbench(self, workload, protocol, threads, endpoint, seconds):
        ps_mode = "disable" if protocol == "text" else "auto"
        command = _sysbench(
            SYSBENCH[workload], endpoint, self.rows,
            [f"--threads={threads}", f"--time={seconds}", f"--db-ps-mode={ps_mode}", "--histogram=on"],
        )  # fmt: skip
        accounts = self._accounts(endpoint)
        began = time.monotonic()
        # Its output is small: it waits in the pipe until the end.
        process = subprocess.Popen(
            [*self.prefix, *command, "run"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        sampler = threading.Timer(seconds * 0.75, _sample_memory, [accounts.values()])
        sampler.start()
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        sampler.cancel()
        sampler.join()
        if process.returncode != 0:
            raise RunFailed(" ".join(re.findall(r"FATAL: (.*)", output))[:500] or output[-500:])
        spent = {who: account.stop() for who, account in accounts.items()}
        spent["generator"] = {
            "cpu_seconds": usage.ru_utime + usage.ru_stime,
            "rss_mib": round(usage.ru_maxrss / 1024, 1),
            "voluntary_switches": usage.ru_nvcsw,
            "involuntary_switches": usage.ru_nivcsw,
        }
        sample = parse_sysbench(output)
        sample["wall_seconds"] = round(time.monotonic() - began, 3)
        return sample | _per_statement(spent, sample["statements"])

    def _run_load(self, _, protocol, connections, endpoint, seconds):
        command = [
            load_binary(), "--address", f"{endpoint.host}:{endpoint.port}", "--user", APP[0], "--schema", "sbtest",
            "--connections", str(connections), "--seconds", str(seconds), "--protocol", protocol,
            "--rows", str(self.rows), "--rate", str(self.rate),
        ]  # fmt: skip
        accounts, spent, complaints = {}, {}, []
        with subprocess.Popen(
            [*self.prefix, *map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=os.environ | {"SLUICE_LOAD_PASSWORD": APP[1]},
        ) as process:  # fmt: skip
            for line in process.stderr:  # the generator says when its measured time begins and ends
                if line == "measuring\n":
                    accounts = self._accounts(endpoint)
                elif line == "measured\n":
                    spent = {who: account.stop() for who, account in accounts.items()}
                else:
                    complaints.append(line)
            output = process.stdout.read()
        if process.returncode != 0 or not spent:
            raise RunFailed("".join(complaints)[-500:])
        said = json.loads(output)
        spent["generator"] = {
            "cpu_seconds": sum(said["cpu_seconds"].values()),
            "voluntary_switches": said["context_switches"]["voluntary"],
            "involuntary_switches": said["context_switches"]["involuntary"],
        }
        latency = said["latency_us"]
        return {
            "statements": said["statements"],
            "seconds": said["seconds"],
            "per_second": said["statements_per_second"],
            "errors": said["errors"],
            "first_error": said["first_error"],
            "unfinished": said["unfinished"],
            "login_seconds": said["login_seconds"],
            **{f"{name}_ms": value / 1000 for name, value in latency.items()},
        } | _per_statement(spent, said["replies"])


def _sample_memory(accounts):
    with contextlib.suppress(ProcessGone):  # the end of the run will say so
        for account in accounts:
            account.sample_memory()


def _per_statement(spent, statements):
    """Figures by process, CPU and switches also divided by the statements."""
    out = {}
    for who, figures in spent.items():
        out |= {f"{who}_{name}": value for name, value in figures.items()}
        if statements and (who != "proxy" or figures["rss_mib"]):
            switches = figures["voluntary_switches"] + figures["involuntary_switches"]
            out[f"{who}_cpu_us"] = round(figures["cpu_seconds"] * 1e6 / statements, 3)
            out[f"{who}_switches_per_statement"] = round(switches / statements, 4)
    return out


def _percentile(buckets, percent):
    """From [(upper edge, count), …]."""
    wanted = sum(count for _, count in buckets) * percent / 100
    seen = 0
    for edge, count in buckets:
        seen += count
        if seen >= wanted:
            return edge
    return 0.0


def parse_sysbench(output):
    """The figures of a report made with --histogram=on."""

    def find(pattern):
        match = re.search(pattern, output)
        if not match:
            raise RunFailed(f"sysbench's report lacks {pattern}: {output[-500:]}")
        return float(match.group(1))

    statements = int(find(r"queries:\s+(\d+)"))
    seconds = find(r"total time:\s+([\d.]+)s")
    buckets = [(float(e), int(n)) for e, n in re.findall(r"^\s*([\d.]+) \|\**\s+(\d+)$", output, re.MULTILINE)]
    return {
        "statements": statements,
        "seconds": seconds,
        "per_second": round(statements / seconds, 1) if seconds else 0.0,
        "transactions_per_second": find(r"transactions:\s+\d+\s+\(([\d.]+) per sec"),
        # Deadlocks and the like, which sysbench runs again; any other error ends it.
        "errors": 0,
        "retried": int(find(r"ignored errors:\s+(\d+)")),
        "reconnects": int(find(r"reconnects:\s+(\d+)")),
        "mean_ms": find(r"avg:\s+([\d.]+)"),
        "max_ms": find(r"max:\s+([\d.]+)"),
        **{f"p{p}_ms": _percentile(buckets, p) for p in (50, 90, 95, 99)},
    }
