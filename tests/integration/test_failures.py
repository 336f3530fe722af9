"""Backends that die, hang, lag and come back: what clients notice of it, and what they must not."""

import contextlib
import re
import subprocess
import threading
import time

import pymysql
import pytest

from cluster import APP, Cluster
from process import wait_until
from sluice import Sluice

TEXT = pymysql.cursors.Cursor
PROBE_INTERVAL = 0.25
PROBE_DEADLINE = 1.0
MAX_LAG = 1.0
# What a loaded test machine may add to a deadline: threads that wait for a processor.
SCHEDULING = 0.25


ROWS = "REPLACE INTO app.t VALUES (1, 'one'), (2, 'two')"


def make_table(cluster):
    cluster.primary.run(["CREATE TABLE app.t (id INT PRIMARY KEY AUTO_INCREMENT, v VARCHAR(40))", ROWS])
    cluster.wait_caught_up()


@pytest.fixture(scope="module")
def tables(cluster):
    make_table(cluster)


@pytest.fixture(scope="module")
def mortal(engine):
    with Cluster(engine) as made:
        make_table(made)
        yield made


@pytest.fixture
def own(mortal):
    """A cluster whose primary may die; healed afterwards, maybe with another primary."""
    mortal.primary.sql(ROWS)
    mortal.wait_caught_up()
    yield mortal
    for backend in mortal.backends:
        if not backend.alive():
            backend.start()
    for replica in mortal.replicas:
        if not replica.replica_status():
            mortal.follow(replica, demote=True)
    for replica in mortal.replicas:
        wait_until(replica.replicates, f"{replica.name} replicates", 20)


def run(connection, statement):
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall()


class Readers:
    """Threads that read without a pause and remember errors, waits and whom they met."""

    STATEMENTS = ("SELECT v, @@server_id FROM t WHERE id = 1", "SELECT 'one', @@server_id FROM t WHERE id = 2")

    def __init__(self, sluice, count=8):
        self.sluice = sluice
        self.errors, self.wrong = [], []
        self.longest = 0.0
        self.last_met = {}
        self.rounds = 0
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._read, args=(number,)) for number in range(count)]

    def _read(self, number):
        try:
            with self.sluice.connect(cursorclass=TEXT) as connection:
                while not self._stop.is_set():
                    started = time.monotonic()
                    ((word, server_id),) = run(connection, self.STATEMENTS[number % 2])
                    ended = time.monotonic()
                    if word != "one":
                        self.wrong.append(word)
                    self.longest = max(self.longest, ended - started)
                    self.last_met[server_id] = ended
                    self.rounds += 1
        except Exception as error:
            self.errors.append(repr(error))

    def wait_rounds(self, count=200):
        goal = self.rounds + count
        wait_until(lambda: self.errors or self.rounds >= goal, "reads are served", 20)

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        self.wait_rounds()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join()


class InThread:
    """One statement on a session of its own, in a thread; result() is its rows or its error."""

    def __init__(self, sluice, statement):
        self.connection = sluice.connect(cursorclass=TEXT)
        self.seconds = None
        self._answer = None
        self._thread = threading.Thread(target=self._run, args=(statement,))
        self._thread.start()

    def _run(self, statement):
        started = time.monotonic()
        try:
            self._answer = run(self.connection, statement)
        except pymysql.Error as error:
            self._answer = error
        self.seconds = time.monotonic() - started

    def waits(self):
        return self._thread.is_alive()

    def result(self, timeout=30):
        self._thread.join(timeout)
        assert not self._thread.is_alive(), "the statement has no answer yet"
        return self._answer


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


def test_a_dead_primary_stops_no_reads_and_writes_go_to_the_new_one(own):
    with Sluice(own) as sluice:
        with Readers(sluice) as readers:
            own.primary.kill9()
            write = InThread(sluice, "INSERT INTO t (v) VALUES ('held')")
            readers.wait_rounds()
            wait_until(lambda: sluice.status()["writes_held"] > 0, "the write is held")
            assert write.waits()
            new = own.promote(0)
            assert write.result() == ()
            readers.wait_rounds()
        assert readers.errors == [] and readers.wrong == []
        assert [row["v"] for row in new.sql("SELECT v FROM app.t WHERE v = 'held'")] == ["held"]
        assert sluice.primary() == new.name
        sluice.sql("UPDATE t SET v = 'after' WHERE v = 'held'")
        assert new.value("(SELECT COUNT(*) FROM app.t WHERE v = 'after')") == 1


def test_writes_without_a_primary_fail_clearly_after_the_hold(own):
    with Sluice(own, failover={"hold": "1s"}) as sluice, sluice.connect(cursorclass=TEXT) as connection:
        assert run(connection, "SELECT v FROM t WHERE id = 1") == (("one",),)
        own.primary.kill9()
        wait_until(lambda: sluice.primary() is None, "the primary is known to be dead")
        started = time.monotonic()
        with pytest.raises(pymysql.Error) as refused:
            run(connection, "INSERT INTO t (v) VALUES ('never')")
        waited = time.monotonic() - started
        assert refused.value.args[0] == 1836 and "failover.hold" in refused.value.args[1]
        assert 1.0 <= waited < 1.0 + 0.1 + SCHEDULING
        assert run(connection, "SELECT v FROM t WHERE id = 1") == (("one",),)


def test_the_same_primary_may_come_back(own):
    with Sluice(own) as sluice:
        own.primary.kill9()
        write = InThread(sluice, "INSERT INTO t (v) VALUES ('patient')")
        own.primary.start()
        assert write.result() == ()
    assert own.primary.value("(SELECT COUNT(*) FROM app.t WHERE v = 'patient')") == 1


def test_a_transaction_on_a_dead_primary_is_rolled_back_and_the_session_goes_on(own):
    with Sluice(own) as sluice, sluice.connect(cursorclass=TEXT) as connection:
        run(connection, "BEGIN")
        run(connection, "UPDATE t SET v = 'lost' WHERE id = 1")
        own.primary.kill9()
        with pytest.raises(pymysql.Error) as lost:
            run(connection, "UPDATE t SET v = 'lost' WHERE id = 2")
        assert lost.value.args[0] == 1213
        own.promote(0)
        assert run(connection, "SELECT v FROM t WHERE id = 1") == (("one",),)
        run(connection, "BEGIN")
        run(connection, "UPDATE t SET v = 'found' WHERE id = 1")
        run(connection, "COMMIT")
        assert own.primary.value("(SELECT v FROM app.t WHERE id = 1)") == "found"


def running_on(backend, words):
    return any(words in str(row["Info"]) for row in backend.sql("SHOW FULL PROCESSLIST"))


@pytest.mark.parametrize(
    ("statements", "error"),
    (
        ("UPDATE t SET v = 'x' WHERE id = 1 AND SLEEP(20) = 0", "ERROR 1053 (08S01)"),
        ("BEGIN; UPDATE t SET v = 'x' WHERE id = 1; SELECT 'x', SLEEP(20)", "ERROR 1213 (40001)"),
    ),
    ids=("autocommit", "in a transaction"),
)
def test_what_was_in_flight_on_a_dead_primary_says_what_became_of_it(own, statements, error):
    """Its outcome is unknown in autocommit; in a transaction it is certainly rolled back."""
    with Sluice(own) as sluice:
        client = subprocess.Popen(
            ["mariadb", "--no-defaults", "-h127.0.0.1", f"-P{sluice.port}", f"-u{APP[0]}", f"-p{APP[1]}", "app", "-e", statements],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        wait_until(lambda: running_on(own.primary, "SLEEP(20)"), "the statement runs on the primary")
        own.primary.kill9()
        started = time.monotonic()
        output = client.communicate(timeout=15)[0]
    assert error in output
    assert time.monotonic() - started < 1 + SCHEDULING


def test_a_write_in_flight_is_never_sent_twice(own):
    with Sluice(own) as sluice:
        write = InThread(sluice, "INSERT INTO t (v) SELECT CONCAT('once', SLEEP(20))")
        wait_until(lambda: running_on(own.primary, "SLEEP(20)"), "the write runs on the primary")
        own.primary.kill9()
        assert write.result().args[0] == 1053
        new = own.promote(0)
        sluice.sql("INSERT INTO t (v) VALUES ('next')")
        assert new.value("(SELECT COUNT(*) FROM app.t WHERE v LIKE 'once%')") == 0


def test_of_two_writable_backends_at_most_one_gets_writes(own):
    primary = own.primary.name
    with Sluice(own) as sluice, own.replicas[0].general_log() as arrived:
        stop, errors = threading.Event(), []

        def write():
            try:
                with sluice.connect() as connection:
                    while not stop.is_set():
                        run(connection, "INSERT INTO t (v) VALUES ('whose')")
            except Exception as error:
                errors.append(repr(error))

        writers = [threading.Thread(target=write) for _ in range(4)]
        for writer in writers:
            writer.start()
        try:
            own.replicas[0].set_read_only(False)
            wait_until(lambda: sluice.admin("SHOW ALERTS"), "there is an alarm")
            count = sluice.backends()[primary]["writes"]
            wait_until(lambda: sluice.backends()[primary]["writes"] > count + 100, "the primary still takes writes")
            assert sluice.primary() == primary
            own.replicas[0].set_read_only(True)
            wait_until(lambda: not sluice.admin("SHOW ALERTS"), "the alarm is over")
        finally:
            stop.set()
            for writer in writers:
                writer.join()
        assert errors == []
        assert "whose" not in arrived()
