"""large results: their throughput, and what a slow reader of one does to the others

A result of 1 GiB (rows of 1 MiB) read as fast as it comes; then point selects
without and with a client beside them that reads such a result at 1 MiB/s.
"""

import threading
import time

import figures
from accounts import Account, ProcessGone
from cluster import APP
from figures import Column, Goal
from generator import RunFailed
from rounds import Case

DEFAULTS = {"rounds": 3, "seconds": 6}
ROW = 1 << 20
# Two lists joined: MySQL's recursion ends at 1,000 rows.
SQL = (
    "WITH RECURSIVE a(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM a WHERE i < {rows}),"
    " b(j) AS (SELECT 1 UNION ALL SELECT j + 1 FROM b WHERE j < {times})"
    " SELECT SPACE({row}) FROM a, b"
)
MANY = 64

FAST = (
    Column("MiB/s", "mib_per_second", ",.0f"), Column("seconds", "result_seconds", ".2f"),
    Column("RSS + MiB", "rss_growth_mib", ".1f"), Column("proxy ms/GiB", "proxy_cpu_ms", ".0f"),
    Column("db ms/GiB", "database_cpu_ms", ".0f"),
)  # fmt: skip
SLOW = (
    Column("× without", "speed_times", ".2f"), figures.STATEMENTS, Column("p99 ms", "p99_ms", ".3f"),
    Column("p99 without", "p99_without_ms", ".3f"), Column("RSS + MiB", "rss_growth_mib", ".1f"),
)  # fmt: skip


def add_arguments(parser):
    parser.add_argument("--mib", type=int, default=1024, metavar="N", help="size of the result (1024)")
    parser.add_argument("--read-mib", type=float, default=1.0, metavar="N", help="a second, by the slow reader (1)")


def most_connections(_):
    return MANY + 10


def sql_of(mib):
    times = min(32, mib)
    return SQL.format(rows=-(-mib // times), times=times, row=ROW)


def _rss(endpoint):
    try:
        account = Account(endpoint.pids)
        account.sample_memory()
        return account.stop()["rss_mib"]
    except ProcessGone as error:
        raise RunFailed(str(error)) from error


class SlowReader:
    """A client that asks for a large result and reads `rate` bytes of it a second, until stopped."""

    def __init__(self, stage, endpoint, sql, rate):
        self._rate = rate
        self._over = threading.Event()
        self._connection = stage.cluster.primary.connect(
            user=APP[0], password=APP[1], host=endpoint.host, port=endpoint.port, database="sbtest"
        )
        self._connection._execute_command(3, sql)  # COM_QUERY; its reply is read below
        self.bytes = 0
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        began = time.monotonic()
        while not self._over.wait(0.02):
            due = int((time.monotonic() - began) * self._rate) - self.bytes
            if due > 0:
                got = len(self._connection._sock.recv(due))
                if not got:
                    return
                self.bytes += got

    def stop(self):
        self._over.set()
        self._thread.join(10)
        self._connection._force_close()


def cases(stage):
    options = stage.options
    sql = sql_of(options.mib)

    before = {}  # memory at the first run: what an allocator keeps from one to the next counts

    def growth(endpoint, sample):
        if not endpoint.pids:
            return {}
        return {"rss_growth_mib": round(sample["proxy_rss_mib"] - before[endpoint.name], 1)}

    def fast(endpoint):
        before.setdefault(endpoint.name, _rss(endpoint))
        sample = stage.load.run(endpoint, 1, sql=sql, warmup=0)
        if not sample["statements"]:
            raise RunFailed(f"no result came to its end in {options.seconds} s: take a longer --seconds or a smaller --mib")
        # The last result is cut off by the end of the time: what counts is how long a whole one takes.
        seconds = sample["mean_ms"] / 1000
        replies = sample["seconds"] / seconds
        sample |= {"result_seconds": seconds, "mib_per_second": round(options.mib / seconds, 1)}
        sample |= growth(endpoint, sample)
        for who in ("proxy", "database"):
            sample[f"{who}_cpu_ms"] = sample[f"{who}_cpu_seconds"] / replies * 1000 * 1024 / options.mib
        return sample

    yield Case(
        f"a result of {options.mib} MiB", fast, {"workload": "large", "protocol": "text", "threads": 1},
        FAST, "mib_per_second",
        (Goal("throughput × HAProxy's", "mib_per_second", at_least=1.0, against="haproxy"),
         Goal("growth of its memory in MiB", "rss_growth_mib", at_most=16)),
    )  # fmt: skip

    def slow(endpoint):
        without = stage.load.run(endpoint, MANY)
        before.setdefault(endpoint.name, _rss(endpoint))
        reader = SlowReader(stage, endpoint, sql, options.read_mib * 2**20)
        try:
            sample = stage.load.run(endpoint, MANY)
        finally:
            reader.stop()
        if reader.bytes < options.read_mib * 2**20 * options.seconds / 2:
            raise RunFailed(f"the slow reader got only {reader.bytes} bytes")
        return sample | {
            "errors": sample["errors"] + without["errors"],
            "p99_without_ms": without["p99_ms"],
            "p99_times": round(sample["p99_ms"] / without["p99_ms"], 4),
            "speed_times": round(sample["per_second"] / without["per_second"], 4),
        } | growth(endpoint, sample)

    yield Case(
        f"{MANY} clients beside one that reads {options.read_mib:g} MiB/s", slow,
        {"workload": "slow reader", "protocol": "text", "threads": MANY}, SLOW, "per_second",
        (Goal("speed of the others × without the slow reader", "speed_times", at_least=0.9),
         Goal("growth of its memory in MiB", "rss_growth_mib", at_most=16)),
    )  # fmt: skip
