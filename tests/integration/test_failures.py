"""Replicas that die, hang, lag and come back: clients must not notice."""

import contextlib
import re
import subprocess
import threading
import time

import pytest

from busy_sessions import Readers, make_read_table, run
from cluster import APP
from process import wait_until
from sluice import Sluice

PROBE_INTERVAL = 0.25
PROBE_DEADLINE = 1.0
MAX_LAG = 1.0
# What a loaded test machine may add to a deadline: threads that wait for a processor.
SCHEDULING = 0.25


@pytest.fixture(scope="module")
def tables(cluster):
    make_read_table(cluster)


@contextlib.contextmanager
def sysbench(sluice, threads, seconds, ps_mode):
    """sysbench oltp_point_select in the background; yields a function that waits and gives its output."""
    process = subprocess.Popen(
        [*SYSBENCH, f"--mysql-port={sluice.port}", f"--threads={threads}", f"--time={seconds}",
         f"--db-ps-mode={ps_mode}", "--report-interval=1", "run"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        yield lambda: process.communicate(timeout=seconds + 30)[0] + f"\nexit code {process.returncode}"
    finally:
        process.kill()
        process.wait()


SYSBENCH = [
    "sysbench", "oltp_point_select", "--db-driver=mysql", "--mysql-host=127.0.0.1", f"--mysql-user={APP[0]}",
    f"--mysql-password={APP[1]}", "--mysql-db=sbtest", "--tables=1", "--table-size=1000",
]  # fmt: skip


@pytest.fixture(scope="module")
def sysbench_table(cluster):
    subprocess.run([*SYSBENCH, f"--mysql-port={cluster.primary.port}", "prepare"], check=True, capture_output=True)
    cluster.wait_caught_up()


def reads_of(sluice, name):
    return int(sluice.backends()[name]["reads"])


@pytest.mark.parametrize("ps_mode", ("disable", "auto"))
def test_a_killed_replica_costs_sysbench_no_error(cluster, sluice, sysbench_table, ps_mode):
    replica = cluster.replicas[1]
    sluice.wait_serving("db2", "db3")
    before = reads_of(sluice, "db3")
    with sysbench(sluice, threads=64, seconds=4, ps_mode=ps_mode) as finish:
        wait_until(lambda: reads_of(sluice, "db3") > before + 1000, "the replica is busy")
        replica.kill9()
        try:
            output = finish()
        finally:
            replica.start()
    assert output.endswith("exit code 0") and "FATAL" not in output, output
    assert re.search(r"ignored errors: +0 ", output) and re.search(r"reconnects: +0 ", output), output
    sluice.wait_serving("db2", "db3", timeout=15)


def test_a_killed_replica_costs_no_error_and_serves_again_when_it_is_back(cluster, sluice, tables):
    replica = cluster.replicas[0]
    sluice.wait_serving("db2", "db3", timeout=15)
    with Readers(sluice) as readers:
        wait_until(lambda: 2 in readers.last_met, "it serves")
        replica.kill9()
        readers.wait_rounds()
        sluice.wait_serving("db3")
        replica.start()
        sluice.wait_serving("db2", "db3", timeout=15)
        back = time.monotonic()
        wait_until(lambda: readers.last_met[2] > back, "it serves again")
    assert readers.errors == [] and readers.wrong == []


def test_an_orderly_shutdown_of_a_replica_costs_no_error(cluster, sluice, tables):
    replica = cluster.replicas[0]
    sluice.wait_serving("db2", "db3", timeout=15)
    with Readers(sluice) as readers:
        replica.restart()
        sluice.wait_serving("db2", "db3", timeout=15)
    assert readers.errors == [] and readers.wrong == []


def test_without_any_replica_reads_go_to_the_primary(cluster, sluice, tables):
    sluice.wait_serving("db2", "db3", timeout=15)
    with Readers(sluice) as readers:
        for replica in cluster.replicas:
            replica.kill9()
        try:
            gone = time.monotonic()
            wait_until(lambda: readers.last_met.get(1, 0) > gone, "the primary serves reads")
            readers.wait_rounds()
        finally:
            for replica in cluster.replicas:
                replica.start()
        sluice.wait_serving("db2", "db3", timeout=15)
    assert readers.errors == [] and readers.wrong == []


def test_a_paused_replica_makes_no_statement_wait_longer_than_the_probe_deadline_and_a_second(cluster, sluice, tables):
    replica = cluster.replicas[0]
    sluice.wait_serving("db2", "db3", timeout=15)
    with Readers(sluice) as readers:
        wait_until(lambda: 2 in readers.last_met, "it serves")
        replica.pause()
        try:
            sluice.wait_serving("db3")
            paused_at = time.monotonic()
            wait_until(lambda: time.monotonic() > paused_at + PROBE_DEADLINE + 1 + SCHEDULING, "all could have hung")
            readers.wait_rounds()
        finally:
            replica.cont()
        sluice.wait_serving("db2", "db3", timeout=15)
    assert readers.errors == [] and readers.wrong == []
    assert readers.longest < PROBE_DEADLINE + 1


def block_applier(replica, stack):
    """Holds the applier up while everything looks well: its threads run."""
    blocker = stack.enter_context(replica.connect())
    run(blocker, "FLUSH TABLES WITH READ LOCK")
    stack.callback(run, blocker, "UNLOCK TABLES")


def stop_sql_thread(replica, stack):
    replica.stop_sql_thread()
    stack.callback(replica.start_sql_thread)


def stop_io_thread(replica, stack):
    replica.stop_io_thread()
    stack.callback(replica.start_io_thread)


@pytest.mark.parametrize("hold_back", (stop_sql_thread, stop_io_thread, block_applier))
def test_reads_leave_a_replica_that_stands_still_within_max_lag_and_two_probes(cluster, sluice, tables, hold_back):
    replica = cluster.replicas[1]
    sluice.wait_serving("db2", "db3", timeout=15)
    stop = threading.Event()

    def write():
        with sluice.connect() as connection:
            while not stop.wait(0.01):
                run(connection, "INSERT INTO t (v) VALUES ('steady')")

    writer = threading.Thread(target=write)
    with contextlib.ExitStack() as stack:
        stack.callback(writer.join)
        stack.callback(stop.set)
        readers = stack.enter_context(Readers(sluice, count=4))
        writer.start()
        wait_until(lambda: readers.last_met.get(3), "it serves")
        with contextlib.ExitStack() as undo:
            hold_back(replica, undo)
            stands_still = time.monotonic()
            sluice.wait_serving("db2")
            excluded = time.monotonic()
            readers.wait_rounds()
            last = readers.last_met[3]
        sluice.wait_serving("db2", "db3", timeout=15)
    assert readers.errors == []
    assert last <= excluded + SCHEDULING
    assert last - stands_still <= MAX_LAG + 2 * PROBE_INTERVAL + SCHEDULING


def test_a_backend_that_accepts_and_never_speaks_delays_nobody(cluster, tables):
    replica = cluster.replicas[0]
    replica.pause()
    try:
        with Sluice(cluster, wait_replicas=1) as sluice, Readers(sluice) as readers:
            readers.wait_rounds()
            assert set(readers.last_met) == {3}
    finally:
        replica.cont()
    assert readers.errors == [] and readers.longest < PROBE_DEADLINE + 1
