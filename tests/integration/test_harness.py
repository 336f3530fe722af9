"""The harness itself: what the other tests stand on must hold on both engines."""

import os
import signal
import subprocess
import sys

import pymysql
import pytest

from cluster import APP, MONITOR, Cluster
from process import Timeout, runs, wait_until


@pytest.fixture(scope="module")
def own(engine):
    """A cluster that these tests may break."""
    with Cluster(engine) as made:
        made.primary.sql("CREATE TABLE app.harness (id INT PRIMARY KEY, note VARCHAR(40))")
        made.wait_caught_up()
        yield made


def rows(backend):
    return backend.sql("SELECT COUNT(*) AS n FROM app.harness")[0]["n"]


def insert(backend):
    backend.sql("INSERT INTO app.harness SELECT COALESCE(MAX(id), 0) + 1, 'x' FROM app.harness h")


def test_a_write_on_the_primary_reaches_all_replicas(own):
    insert(own.primary)
    own.wait_caught_up()
    assert [rows(backend) for backend in own.backends] == [1, 1, 1]


def test_replicas_refuse_the_writes_of_an_application(own):
    with own.replicas[0].connect(*APP, database="app") as connection, connection.cursor() as cursor:
        with pytest.raises(pymysql.Error) as refused:
            cursor.execute("INSERT INTO harness VALUES (1000, 'no')")
    assert refused.value.args[0] == 1290


def test_the_application_has_no_global_privileges(own):
    with own.primary.connect(*APP, host="127.0.0.1") as connection, connection.cursor() as cursor:
        with pytest.raises(pymysql.Error) as refused:
            cursor.execute("SET GLOBAL max_connections = 10")
        cursor.execute("CREATE DATABASE test_mine")
        cursor.execute("DROP DATABASE test_mine")
    assert refused.value.args[0] == 1227


def test_the_monitor_sees_replication_but_no_data(own):
    with own.replicas[0].connect(*MONITOR, host="127.0.0.1") as connection, connection.cursor() as cursor:
        cursor.execute(own.engine.replica_status)
        assert cursor.fetchone()[own.engine.sql_running] == "Yes"
        with pytest.raises(pymysql.Error) as refused:
            cursor.execute("SELECT * FROM app.harness")
    assert refused.value.args[0] == 1142


def test_every_backend_has_an_identity_of_its_own(own):
    assert [backend.value("@@server_id") for backend in own.backends] == [1, 2, 3]
    if own.engine.name == "mysql":
        assert len({backend.value("@@server_uuid") for backend in own.backends}) == 3


def test_a_delayed_replica_lags_and_catches_up_when_told(own):
    own.delay_replica(0, 30)
    insert(own.primary)
    own.replicas[1].wait_applied(own.gtid())
    assert rows(own.replicas[0]) == rows(own.primary) - 1
    own.delay_replica(0, 0)
    own.wait_caught_up()
    assert rows(own.replicas[0]) == rows(own.primary)


def test_a_stopped_sql_thread_holds_a_replica_back(own):
    own.replicas[1].stop_sql_thread()
    assert not own.replicas[1].replicates()
    insert(own.primary)
    own.replicas[0].wait_applied(own.gtid())
    assert rows(own.replicas[1]) == rows(own.primary) - 1
    own.replicas[1].start_sql_thread()
    own.wait_caught_up()
    assert rows(own.replicas[1]) == rows(own.primary)


def test_a_killed_replica_comes_back_with_its_port_and_data(own):
    replica = own.replicas[0]
    before = replica.port
    replica.kill9()
    with pytest.raises(pymysql.Error):
        replica.sql("SELECT 1")
    insert(own.primary)
    replica.start()
    assert replica.port == before
    own.wait_caught_up()
    assert rows(replica) == rows(own.primary)


def test_a_restarted_primary_keeps_its_replicas(own):
    own.primary.restart()
    insert(own.primary)
    own.wait_caught_up()
    assert [rows(replica) for replica in own.replicas] == [rows(own.primary)] * 2


def test_a_paused_backend_accepts_but_does_not_answer(own):
    replica = own.replicas[1]
    replica.pause()
    with pytest.raises(pymysql.Error):
        replica.connect(host="127.0.0.1", read_timeout=1, connect_timeout=1)
    replica.cont()
    assert wait_until(lambda: rows(replica), "it answers again")


def test_counters_tell_where_a_read_ran(own):
    before = [backend.counters("Com_select")["Com_select"] for backend in own.backends]
    own.replicas[1].sql("SELECT 1")
    after = [backend.counters("Com_select")["Com_select"] for backend in own.backends]
    assert [b - a for a, b in zip(before, after, strict=True)] == [int(b is own.replicas[1]) for b in own.backends]


def test_the_general_log_shows_what_was_sent_and_not_what_was_replicated(own):
    with own.replicas[0].general_log() as text:
        own.primary.sql("INSERT INTO app.harness VALUES (5000, 'replicated phrase')")
        own.wait_caught_up()
        own.replicas[0].sql("SELECT 'sent phrase'")
        wait_until(lambda: "sent phrase" in text(), "the statement is in the log")
    assert "replicated phrase" not in text()


def test_a_switchover_moves_the_writer_and_keeps_the_data(own):
    old = own.primary
    new = own.promote(0)
    assert new is own.primary and old in own.replicas
    assert [backend.value(f"@@{own.engine.read_only}") for backend in (new, *own.replicas)] == [0, 1, 1]
    insert(new)
    own.wait_caught_up()
    assert [rows(backend) for backend in own.backends] == [rows(new)] * 3


def test_a_dead_primary_can_rejoin_as_a_replica(own):
    old = own.primary
    old.kill9()
    own.promote(0)
    insert(own.primary)
    old.start()
    own.follow(old, demote=True)
    own.wait_caught_up()
    assert rows(old) == rows(own.primary)


def test_semi_sync_has_an_acknowledging_replica(engine):
    with Cluster(engine, replicas=1, semi_sync=True) as cluster:
        assert cluster.semi_sync_clients() == 1


def test_tls_verifies_against_the_clusters_ca(engine):
    with Cluster(engine, replicas=0, tls=True) as cluster:
        with cluster.primary.connect(host="127.0.0.1", ssl={"ca": str(cluster.ca)}) as connection:
            with connection.cursor() as cursor:
                cursor.execute("SHOW STATUS LIKE 'Ssl_version'")
                assert cursor.fetchone()["Value"].startswith("TLSv1.")


def test_wait_until_says_what_it_waited_for():
    with pytest.raises(Timeout, match="pigs fly"):
        wait_until(lambda: False, "pigs fly", timeout=0.05)


CHILD = """
import sys, time
sys.path.insert(0, sys.argv[1])
from cluster import Cluster
cluster = Cluster(sys.argv[2], replicas=1)
print(*[backend.pid for backend in cluster.backends], cluster.directory, flush=True)
time.sleep(600)
"""


def test_nothing_outlives_a_killed_test_run(engine, request):
    support = str(request.config.rootpath / "tests/support")
    child = subprocess.Popen([sys.executable, "-B", "-c", CHILD, support, engine], stdout=subprocess.PIPE, text=True)
    *pids, directory = child.stdout.readline().split()
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    wait_until(lambda: not any(map(runs, pids)), "the databases are gone")
    with Cluster(engine, replicas=0):
        assert not os.path.exists(directory)
