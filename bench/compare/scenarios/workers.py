"""whether two workers do twice the work of one, by their CPU

Where cores are few the throughput cannot double, since the database and the
generator need theirs. So the accounting decides: two workers do 1.8 times the work of
one if a statement costs them at most 2 / 1.8 of its CPU, and both have their share.
"""

import os
import pathlib

import figures
from figures import Column, Goal
from lists import Flatten, numbers
from rounds import Case

VARIANTS = {"sluice-1": ("process.threads=1",), "sluice-2": ("process.threads=2",)}
ENDPOINTS = tuple(VARIANTS)
DEFAULTS = {"rounds": 5, "seconds": 8}
COLUMNS = (
    figures.STATEMENTS, Column("proxy µs", "proxy_cpu_us", ".1f"), Column("1st thread s", "first_thread_seconds", ".2f"),
    Column("2nd thread s", "second_thread_seconds", ".2f"), Column("2nd / 1st", "balance", ".2f"), figures.P50,
    figures.P99, *(column for column in figures.COSTS if column.figure != "proxy_cpu_us"),
)  # fmt: skip


def add_arguments(parser):
    parser.add_argument("--clients", nargs="+", type=numbers, action=Flatten, default=[64, 256], metavar="N",
                        help="connections (64 256)")  # fmt: skip


def most_connections(options):
    return max(options.clients)


def thread_seconds(pid):
    """{thread: CPU seconds so far}"""
    found = {}
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        fields = (task / "stat").read_text().rsplit(")", 1)[1].split()
        found[task.name] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return found


def cases(stage):
    for clients in stage.options.clients:
        yield Case(
            f"{clients} clients", lambda endpoint, clients=clients: run(stage, endpoint, clients),
            {"workload": "workers", "protocol": "text", "threads": clients}, COLUMNS,
            goals=(
                Goal("CPU a statement of two workers × of one", "proxy_cpu_us", at_most=round(2 / 1.8, 3),
                     of="sluice-2", against="sluice-1"),
                Goal("CPU of the second worker × of the first", "balance", at_least=0.8, of="sluice-2"),
            ),
            warm=lambda endpoint, clients=clients: stage.load.run(endpoint, clients, seconds=1),
        )  # fmt: skip


def run(stage, endpoint, clients):
    pid = endpoint.pids[0]
    before, spent = {}, {}

    def note_end():
        spent.update({thread: now - before.get(thread, 0) for thread, now in thread_seconds(pid).items()})

    sample = stage.load.run(
        endpoint, clients, at_begin=lambda: before.update(thread_seconds(pid)), at_end=note_end
    )
    first, second = (sorted(spent.values(), reverse=True) + [0.0, 0.0])[:2]
    return sample | {
        "first_thread_seconds": round(first, 3),
        "second_thread_seconds": round(second, 3),
        "balance": round(second / first, 4) if first else 0.0,
    }
