"""Runs sysbench's OLTP scripts against an endpoint; each run gives a sample.

The sample is like that of generator.py, but its percentiles are of a transaction,
from sysbench's histogram in steps of about 2 %.
"""

import os
import re
import subprocess
import time

from accounts import Account, ProcessGone
from cluster import APP
from generator import RunFailed, per_statement, watching

TABLES = 4
SCRIPTS = {
    "point_select": ["oltp_point_select"],
    "read_only": ["oltp_read_only"],
    "read_only_notrx": ["oltp_read_only", "--skip-trx=on"],
    "read_write": ["oltp_read_write"],
    "write_only": ["oltp_write_only"],
}
WRITING = ("read_write", "write_only")


def _command(script, endpoint, rows, more):
    return [
        "sysbench", *script, f"--mysql-host={endpoint.host}", f"--mysql-port={endpoint.port}",
        f"--mysql-user={APP[0]}", f"--mysql-password={APP[1]}", "--mysql-db=sbtest", f"--tables={TABLES}",
        f"--table-size={rows}", "--rand-type=uniform", *more,
    ]  # fmt: skip


def make_tables(endpoint, rows):
    """Makes sysbench's tables, straight on the primary."""
    done = subprocess.run(
        [*_command(["oltp_common"], endpoint, rows, []), "prepare"], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise RunFailed(f"sysbench could not make its tables: {done.stdout[-500:]}{done.stderr[-500:]}")


class Sysbench:
    """What all runs have in common. `prefix` goes before the command, as taskset does."""

    def __init__(self, cluster, seconds, rows, prefix=()):
        self.cluster = cluster
        self.seconds = seconds
        self.rows = rows
        self.prefix = list(prefix)

    def run(self, workload, endpoint, threads, protocol="text", seconds=None):
        """One run; a sample, or RunFailed."""
        try:
            sample = self._measure(workload, endpoint, threads, protocol, seconds or self.seconds)
        except ProcessGone as error:
            raise RunFailed(str(error)) from error
        if workload in WRITING:
            # What replicas still have to apply must not burden the next run.
            self.cluster.wait_caught_up(120)
        return sample

    def _measure(self, workload, endpoint, threads, protocol, seconds):
        ps_mode = "disable" if protocol == "text" else "auto"
        command = _command(
            SCRIPTS[workload], endpoint, self.rows,
            [f"--threads={threads}", f"--time={seconds}", f"--db-ps-mode={ps_mode}", "--histogram=on"],
        )  # fmt: skip
        accounts = {"database": Account(b.pid for b in self.cluster.backends), "proxy": Account(endpoint.pids)}
        began = time.monotonic()
        with watching(accounts.values()):
            # Its output is small: it waits in the pipe until the end.
            process = subprocess.Popen(
                [*self.prefix, *command, "run"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
            output = process.stdout.read()
            _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            raise RunFailed(" ".join(re.findall(r"FATAL: (.*)", output))[:500] or output[-500:])
        spent = {who: account.stop() for who, account in accounts.items()}
        spent["generator"] = {
            "cpu_seconds": usage.ru_utime + usage.ru_stime,
            "rss_mib": round(usage.ru_maxrss / 1024, 1),
            "voluntary_switches": usage.ru_nvcsw,
            "involuntary_switches": usage.ru_nivcsw,
        }
        sample = parse(output)
        sample["wall_seconds"] = round(time.monotonic() - began, 3)
        return sample | per_statement(spent, sample["statements"])


def _percentile(buckets, percent):
    """From [(upper edge, count), …]."""
    wanted = sum(count for _, count in buckets) * percent / 100
    seen = 0
    for edge, count in buckets:
        seen += count
        if seen >= wanted:
            return edge
    return 0.0


def parse(output):
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
