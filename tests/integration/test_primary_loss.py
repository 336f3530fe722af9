"""A primary that dies: reads go on, writes wait for the next one, and what is lost says so."""

import subprocess
import threading
import time

import pymysql
import pytest

from busy_sessions import TEXT, InThread, Readers, make_read_table, run
from cluster import APP, Cluster
from process import wait_until
from sluice import Sluice

# What a loaded test machine may add to a deadline: threads that wait for a processor.
SCHEDULING = 0.25


@pytest.fixture(scope="module")
def mortal(engine):
    with Cluster(engine) as made:
        make_read_table(made)
        yield made


@pytest.fixture
def own(mortal):
    """A cluster whose primary may die; healed afterwards, maybe with another primary."""
    make_read_table(mortal)
    yield mortal
    for backend in mortal.backends:
        if not backend.alive():
            backend.start()
    for replica in mortal.replicas:
        if not replica.replica_status():
            mortal.follow(replica, demote=True)
    for replica in mortal.replicas:
        wait_until(replica.replicates, f"{replica.name} replicates", 20)


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
            ["mariadb", "--no-defaults", "-h127.0.0.1", f"-P{sluice.port}", f"-u{APP[0]}", f"-p{APP[1]}", "app",
             "-e", statements],
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
