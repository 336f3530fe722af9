"""A call of a stored function is a read where the function is seen to read only; else it goes to the primary."""

import pymysql
import pytest

from cluster import MONITOR
from prepared import prepare
from process import wait_until
from sluice import Sluice

TEXT = pymysql.cursors.Cursor

FUNCTIONS = (
    "CREATE FUNCTION app.looks(a INT) RETURNS INT READS SQL DATA BEGIN DECLARE v INT; SELECT COUNT(*) INTO v FROM app.routines_t; RETURN v + a; END",
    "CREATE FUNCTION app.reckons(a INT) RETURNS INT DETERMINISTIC NO SQL RETURN a * 2",
    "CREATE FUNCTION app.writes() RETURNS INT MODIFIES SQL DATA BEGIN INSERT INTO app.routines_t VALUES (NULL); RETURN 1; END",
    "CREATE FUNCTION app.lies() RETURNS INT READS SQL DATA BEGIN INSERT INTO app.routines_t VALUES (NULL); RETURN 1; END",
    "CREATE FUNCTION app.counts() RETURNS INT NO SQL RETURN @counted := IFNULL(@counted, 0) + 1",
    "CREATE FUNCTION app.says_nothing() RETURNS INT DETERMINISTIC RETURN 7",
    "CREATE FUNCTION other.looks(a INT) RETURNS INT MODIFIES SQL DATA BEGIN INSERT INTO app.routines_t VALUES (NULL); RETURN -a; END",
)  # fmt: skip


def seeing(cluster):
    """What lets the monitor's account see the bodies of functions."""
    return "SHOW_ROUTINE ON *.*" if cluster.primary.engine.name == "mysql" else "SELECT ON mysql.proc"


@pytest.fixture(scope="module")
def functions(cluster):
    # Replicas, too: a function must be declared to be created where the binary log is on.
    for backend in cluster.backends:
        backend.run(["SET GLOBAL log_bin_trust_function_creators = 1"])
    cluster.primary.run(["CREATE TABLE app.routines_t (id INT PRIMARY KEY AUTO_INCREMENT)", *FUNCTIONS])
    cluster.wait_caught_up()


@pytest.fixture(scope="module")
def seen(cluster, functions):
    """A Sluice whose monitor sees the functions."""
    cluster.primary.run([f"GRANT {seeing(cluster)} TO '{MONITOR[0]}'@'%'"])
    with Sluice(cluster) as made:
        wait_until(lambda: made.status()["reading_functions"] >= 2, "the catalogue is read")
        yield made
    cluster.primary.run([f"REVOKE {seeing(cluster)} FROM '{MONITOR[0]}'@'%'"])


@pytest.fixture
def connection(seen):
    with seen.connect(cursorclass=TEXT) as made:
        yield made


def run(connection, statement):
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall()


def where(connection, expression):
    """Id of the backend that answers SELECT expression."""
    return run(connection, f"SELECT {expression}, @@server_id")[0][-1]


@pytest.mark.parametrize("expression", ("looks(1)", "app.reckons(looks(1))", "`app`.`looks`(1)", "RECKONS (2)"))
def test_a_function_that_reads_is_called_on_replicas(connection, expression):
    assert {where(connection, expression) for _ in range(20)} <= {2, 3}


@pytest.mark.parametrize("expression", ("writes()", "lies()", "counts()", "other.looks(1)", "looks(1), counts()", "says_nothing()"))
def test_any_other_function_is_called_on_the_primary(seen, connection, expression):
    misroutes = seen.status()["misroutes"]
    assert {where(connection, expression) for _ in range(6)} == {1}
    assert seen.status()["misroutes"] == misroutes


def asked_afresh(sluice, expression):
    """where() in a session of its own: one that has called an unknown function may be held by what that left."""
    with sluice.connect(cursorclass=TEXT) as connection:
        return where(connection, expression)


def test_a_name_means_the_function_of_the_sessions_schema(seen, connection):
    run(connection, "USE other")
    assert where(connection, "app.looks(1)") in (2, 3)
    assert where(connection, "looks(1)") == 1
    assert run(connection, "SELECT looks(1)") == ((-1,),)


def test_a_prepared_call_follows_what_the_function_becomes(cluster, seen, connection):
    run(connection, "CREATE FUNCTION becomes() RETURNS INT READS SQL DATA RETURN 1")
    cluster.wait_caught_up()
    wait_until(lambda: asked_afresh(seen, "becomes()") in (2, 3), "it is known to read")
    statement = prepare(connection, "SELECT becomes(), @@server_id")
    wait_until(lambda: statement.execute()[0][1] in (2, 3), "replicas have what the session wrote")
    run(connection, "DROP FUNCTION becomes")
    run(connection, "CREATE FUNCTION becomes() RETURNS INT READS SQL DATA RETURN @a := 2")
    for _ in range(10):
        assert statement.execute() == [(2, 1)]
    assert seen.status()["misroutes"] == 0
    run(connection, "DROP FUNCTION becomes")


def test_what_one_client_changes_no_other_client_takes_for_the_old(cluster, seen, connection):
    for number in range(5):
        run(connection, f"CREATE FUNCTION f{number}() RETURNS INT READS SQL DATA RETURN 1")
        cluster.wait_caught_up()
        wait_until(lambda n=number: asked_afresh(seen, f"f{n}()") in (2, 3), "it is known to read")
        run(connection, f"DROP FUNCTION f{number}")
        run(connection, f"CREATE FUNCTION f{number}() RETURNS INT READS SQL DATA RETURN @b := 1")
        assert asked_afresh(seen, f"f{number}()") == 1
        run(connection, f"DROP FUNCTION f{number}")


def test_a_function_changed_behind_sluices_back_is_noticed(cluster, seen):
    cluster.primary.run(["CREATE FUNCTION app.behind() RETURNS INT READS SQL DATA RETURN 1"])
    cluster.wait_caught_up()
    wait_until(lambda: asked_afresh(seen, "behind()") in (2, 3), "it is known to read")
    cluster.primary.run(["DROP FUNCTION app.behind", "CREATE FUNCTION app.behind() RETURNS INT READS SQL DATA RETURN 0 * CONNECTION_ID()"])  # fmt: skip
    cluster.wait_caught_up()
    wait_until(lambda: {asked_afresh(seen, "behind()") for _ in range(6)} == {1}, "it is known to ask for more")
    cluster.primary.run(["DROP FUNCTION app.behind"])


def test_without_the_privilege_every_function_is_the_primarys(cluster, functions, sluice):
    assert sluice.status()["reading_functions"] == 0
    with sluice.connect(cursorclass=TEXT) as connection:
        assert {where(connection, "looks(1)") for _ in range(6)} == {1}
