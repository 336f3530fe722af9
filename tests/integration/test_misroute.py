"""P2's safety net: what writes although its text reads is refused by the replica and re-run on the primary."""

import pymysql
import pytest
from pymysql.constants import CLIENT

from prepared import prepare
from process import wait_until
from sluice import Sluice

TEXT = pymysql.cursors.Cursor


@pytest.fixture(scope="module")
def sluice(cluster):
    """A view whose column is a function that writes: nobody can tell from SELECT … FROM the view."""
    for backend in cluster.backends:
        backend.sql("SET GLOBAL log_bin_trust_function_creators=1")
    cluster.primary.run([
        "CREATE TABLE app.visits (id INT PRIMARY KEY AUTO_INCREMENT, note VARCHAR(20))",
        "CREATE TABLE app.plain (id INT PRIMARY KEY)",
        "INSERT INTO app.plain VALUES (1)",
        "CREATE FUNCTION app.visit(n VARCHAR(20)) RETURNS INT MODIFIES SQL DATA"
        " BEGIN INSERT INTO app.visits (note) VALUES (n); RETURN LAST_INSERT_ID(); END",
        "CREATE VIEW app.innocent AS SELECT id, app.visit('seen') AS visit FROM app.plain",
    ])  # fmt: skip
    cluster.wait_caught_up()
    with Sluice(cluster) as made:
        yield made


def run(connection, statement):
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall()


def visits(cluster):
    return cluster.primary.value("(SELECT COUNT(*) FROM app.visits)")


@pytest.fixture
def connection(sluice, cluster):
    with sluice.connect(cursorclass=TEXT, client_flag=CLIENT.MULTI_STATEMENTS) as made:
        yield made


def test_a_read_that_writes_is_run_on_the_primary_once(cluster, sluice, connection):
    before, counted = visits(cluster), sluice.status()["misroutes"]
    rows = run(connection, "SELECT id, visit FROM innocent")
    assert rows[0][0] == 1 and rows[0][1] > 0
    assert visits(cluster) == before + 1
    assert sluice.status()["misroutes"] == counted + 1


def test_a_prepared_read_that_writes_is_run_on_the_primary_once(cluster, sluice, connection):
    statement = prepare(connection, "SELECT visit FROM innocent WHERE id = ?")
    for _ in range(3):
        before = visits(cluster)
        assert statement.execute(1)[0][0] > 0
        assert visits(cluster) == before + 1


def test_a_misrouted_write_is_read_back_at_once(cluster, sluice, connection):
    for _ in range(10):
        ((number,),) = run(connection, "SELECT visit FROM innocent")
        assert run(connection, f"SELECT note FROM visits WHERE id = {number}") == (("seen",),)


def test_the_session_goes_on_after_a_misroute(sluice, connection):
    run(connection, "SELECT visit FROM innocent")

    def on_replica():
        return run(connection, "SELECT @@server_id")[0][0] in (2, 3)

    assert wait_until(on_replica, "reads go to replicas again")
    run(connection, "BEGIN")
    run(connection, "SELECT visit FROM innocent")
    run(connection, "ROLLBACK")


def test_in_a_transaction_nothing_is_misrouted(cluster, sluice, connection):
    before, counted = visits(cluster), sluice.status()["misroutes"]
    run(connection, "BEGIN")
    run(connection, "SELECT visit FROM innocent")
    run(connection, "ROLLBACK")
    assert visits(cluster) == before
    assert sluice.status()["misroutes"] == counted


def test_a_replica_that_may_write_is_guarded_by_the_link_alone(cluster, sluice, connection):
    """Even with read_only off, as an operator may leave it by mistake, nothing is written there."""
    replica = cluster.replicas[0]
    replica.set_read_only(False)
    try:
        for _ in range(20):
            run(connection, "SELECT visit FROM innocent")
        assert replica.value("(SELECT COUNT(*) FROM app.visits)") <= visits(cluster)
    finally:
        replica.set_read_only(True)
    cluster.wait_caught_up()
    assert [b.value("(SELECT COUNT(*) FROM app.visits)") for b in cluster.replicas] == [visits(cluster)] * 2


def test_an_ordinary_refusal_is_no_misroute(sluice, connection):
    counted = sluice.status()["misroutes"]
    with pytest.raises(pymysql.Error) as refused:
        run(connection, "SELECT nothing FROM plain")
    assert refused.value.args[0] == 1054
    assert sluice.status()["misroutes"] == counted
