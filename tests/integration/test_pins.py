"""What holds a session on its link is shown, and ends when its cause ends: then replicas serve its reads again."""

import pymysql
import pytest
from pymysql.constants import CLIENT

from prepared import prepare
from process import wait_until
from sluice import Sluice

TEXT = pymysql.cursors.Cursor
BACKUP_USER = ("backup", "backuppw")


@pytest.fixture(scope="module")
def tables(cluster):
    cluster.primary.run([
        "CREATE TABLE app.pins (id INT PRIMARY KEY AUTO_INCREMENT, v VARCHAR(40))",
        "CREATE TABLE other.pins (id INT PRIMARY KEY, v VARCHAR(40))",
        "INSERT INTO app.pins VALUES (1, 'app')",
        "INSERT INTO other.pins VALUES (1, 'other')",
        "CREATE PROCEDURE app.leaves_a_table() CREATE TEMPORARY TABLE left_behind (n INT)",
        "CREATE PROCEDURE app.assigns(n INT) SELECT (@assigned_inside := n) INTO n",
    ])  # fmt: skip
    user, password = BACKUP_USER
    cluster.primary.run([
        f"CREATE USER '{user}'@'%' IDENTIFIED BY '{password}'",
        f"GRANT SELECT, RELOAD, LOCK TABLES ON *.* TO '{user}'@'%'",
    ] + ([f"GRANT BACKUP_ADMIN ON *.* TO '{user}'@'%'"] if cluster.primary.engine.name == "mysql" else []))  # fmt: skip
    cluster.wait_caught_up()


@pytest.fixture(scope="module")
def proxy(cluster, tables):
    with Sluice(cluster, users=[BACKUP_USER]) as made:
        yield made


@pytest.fixture
def connection(proxy):
    with proxy.connect(cursorclass=TEXT, client_flag=CLIENT.MULTI_STATEMENTS) as made:
        yield made


def run(connection, statement):
    with connection.cursor() as cursor:
        cursor.execute(statement)
        rows = cursor.fetchall()
        while cursor.nextset():
            pass
        return rows


def where(connection):
    """The id of the backend that answers a plain read."""
    return run(connection, "SELECT @@server_id")[0][0]


def splits(connection):
    """Replicas serve the session's reads, once they have its writes."""
    return wait_until(lambda: where(connection) in (2, 3), "a replica answers")


def pinned(proxy, connection):
    """(pins, pinned_until) of the session, as SHOW SESSIONS tells."""
    (row,) = [row for row in proxy.admin("SHOW SESSIONS") if row["id"] == connection.thread_id()]
    assert bool(row["pins"]) == bool(row["pinned_since"]) == (row["pinned_for_ms"] is not None)
    assert row["pins"].count(",") == row["pinned_since"].count(",")
    return row["pins"], row["pinned_until"]


ROUNDS = (
    ("CREATE TEMPORARY TABLE brief (n INT)", "temporary_table", "DROP TEMPORARY TABLE app.brief", "DROP TEMPORARY TABLE brief"),
    ("CREATE TEMPORARY TABLE other.brief SELECT 1 AS n", "temporary_table", "DROP TEMPORARY TABLE other.brief", "DROP TABLE other.brief"),
    ("SELECT GET_LOCK('pins', 1)", "user_lock", "RELEASE_LOCK('pins')", "SELECT RELEASE_LOCK('pins') AS released"),
    ("DO GET_LOCK('a', 1), GET_LOCK('b', 1)", "user_lock", "RELEASE_ALL_LOCKS()", "SELECT RELEASE_ALL_LOCKS()"),
    ("LOCK TABLES pins READ", "table_lock", "UNLOCK TABLES", "UNLOCK TABLES"),
    ("LOCK TABLES pins READ", "table_lock", "UNLOCK TABLES", "BEGIN; COMMIT"),
    ("HANDLER pins OPEN AS h", "handler", "HANDLER h CLOSE", "HANDLER h CLOSE"),
    ("XA START 'x'", "xa", "XA COMMIT, XA ROLLBACK", "XA END 'x'; XA COMMIT 'x' ONE PHASE"),
    ("XA START 'y'", "xa", "XA COMMIT, XA ROLLBACK", "XA END 'y'; XA PREPARE 'y'; XA ROLLBACK 'y'"),
    ("PREPARE p FROM 'SELECT v FROM pins WHERE id = 1'", "prepared_text", "DEALLOCATE PREPARE p", "EXECUTE p; DEALLOCATE PREPARE p"),
    ("SET @q = 'DO 1'; PREPARE q FROM @q", "prepared_text", "DEALLOCATE PREPARE q", "DROP PREPARE q"),
    ("SET timestamp = UNIX_TIMESTAMP('2020-02-02')", "one_shot_variable", "SET timestamp = DEFAULT", "SET timestamp = DEFAULT"),
)  # fmt: skip


@pytest.mark.parametrize(("takes", "pin", "until", "releases"), ROUNDS)
def test_a_pin_ends_when_its_cause_ends(proxy, connection, takes, pin, until, releases):
    splits(connection)
    for statement in takes.split("; "):
        run(connection, statement)
    assert pinned(proxy, connection) == (pin, until)
    if pin != "xa":  # locks and handlers do not forbid other reads here
        assert where(connection) == 1
    assert pinned(proxy, connection) == (pin, until)
    for statement in releases.split("; "):
        run(connection, statement)
    assert pinned(proxy, connection) == ("", "")
    splits(connection)


@pytest.mark.parametrize(("takes", "pin", "until", "releases"), ROUNDS[:4])
def test_a_pin_ends_in_prepared_statements_too(proxy, connection, takes, pin, until, releases):
    prepare(connection, takes).execute()
    assert pinned(proxy, connection) == (pin, until)
    prepare(connection, releases).execute()
    assert pinned(proxy, connection) == ("", "")
    splits(connection)


def test_a_pin_ends_within_several_statements(proxy, connection):
    run(connection, "CREATE TEMPORARY TABLE several (n INT); INSERT INTO several VALUES (1); SELECT GET_LOCK('several', 1)")
    assert pinned(proxy, connection)[0] == "temporary_table,user_lock"
    assert run(connection, "SELECT n FROM several") == ((1,),)
    run(connection, "DO RELEASE_LOCK('several'); DROP TEMPORARY TABLE several")
    assert pinned(proxy, connection) == ("", "")
    splits(connection)


def test_a_lock_taken_twice_is_held_until_it_is_released_twice(proxy, connection):
    run(connection, "SELECT GET_LOCK('twice', 1)")
    run(connection, "SELECT GET_LOCK('twice', 1)")
    run(connection, "SELECT RELEASE_LOCK('twice')")
    assert pinned(proxy, connection) == ("user_lock", "RELEASE_LOCK('twice')")
    with proxy.connect(cursorclass=TEXT) as other:
        assert run(other, "SELECT GET_LOCK('twice', 0)") == ((0,),)
        run(connection, "SELECT RELEASE_LOCK('twice')")
        assert run(other, "SELECT GET_LOCK('twice', 5)") == ((1,),)
    assert pinned(proxy, connection) == ("", "")


def test_a_lock_outlives_the_statement_that_took_it_by_text(proxy, connection):
    run(connection, "SET @take = 'SELECT GET_LOCK(\\'kept\\', 1)'")
    run(connection, "PREPARE take FROM @take")
    run(connection, "EXECUTE take")
    run(connection, "DEALLOCATE PREPARE take")
    assert pinned(proxy, connection) == ("user_lock", "RELEASE_LOCK('kept')")
    run(connection, "SELECT RELEASE_LOCK('kept')")
    assert pinned(proxy, connection) == ("", "")


def test_a_variable_set_by_a_text_prepared_statement_is_seen_on_replicas(proxy, connection):
    run(connection, "PREPARE assigns FROM 'SELECT 41 + 1 INTO @assigned'")
    run(connection, "EXECUTE assigns")
    run(connection, "DEALLOCATE PREPARE assigns")
    splits(connection)
    assert run(connection, "SELECT @assigned, @@server_id")[0][0] == 42
    splits(connection)


def test_the_clock_that_a_session_stopped_stands_still_on_replicas_too(proxy, connection):
    run(connection, "SET timestamp = 1000000000")
    assert pinned(proxy, connection) == ("", "")
    splits(connection)
    for _ in range(6):
        assert run(connection, "SELECT UNIX_TIMESTAMP(), @@server_id")[0][0] == 1000000000
    with proxy.connect(cursorclass=TEXT) as other:
        for _ in range(6):
            assert run(other, "SELECT UNIX_TIMESTAMP()")[0][0] > 1000000000
    run(connection, "SET timestamp = DEFAULT")
    for _ in range(6):
        assert run(connection, "SELECT UNIX_TIMESTAMP()")[0][0] > 1000000000


def test_a_value_too_long_to_be_carried_pins_until_it_is_overwritten(proxy, connection):
    run(connection, "SET @long = REPEAT('x', 100000)")
    assert run(connection, "SELECT @@server_id, LENGTH(@long)") == ((1, 100000),)
    assert pinned(proxy, connection)[0] == "user_variable"
    run(connection, "SET @long = 'short'")
    splits(connection)
    assert pinned(proxy, connection) == ("", "")
    assert run(connection, "SELECT @long") == (("short",),)


def test_a_temporary_table_left_behind_by_a_procedure_holds_the_session(proxy, connection):
    run(connection, "CALL leaves_a_table()")
    assert pinned(proxy, connection)[0] == "routine"
    assert run(connection, "SELECT COUNT(*), @@server_id FROM left_behind") == ((0, 1),)


def test_a_variable_assigned_by_a_procedure_belongs_to_its_session(cluster, tables):
    with Sluice(cluster, pool={"max_links": 1}, process={"threads": 1}) as narrow, narrow.connect(cursorclass=TEXT) as ours:
        run(ours, "CALL assigns(5)")
        with narrow.connect(cursorclass=TEXT) as other:
            assert run(other, "SELECT @assigned_inside, 1 FROM pins FOR UPDATE") == ((None, 1),)
        if cluster.primary.engine.name == "mysql":
            return  # it tells nobody of such variables: they are lost with the link
        assert run(ours, "SELECT @assigned_inside") == ((5,),)
        run(ours, "CALL assigns(NULL)")
        assert run(ours, "SELECT @assigned_inside") == ((None,),)


def test_a_failed_statement_pins_nothing(proxy, connection):
    splits(connection)
    for statement in (
        "CREATE TEMPORARY TABLE pins (n INT, n INT)",
        "LOCK TABLES nothing READ",
        "HANDLER nothing OPEN",
        "PREPARE p FROM 'SELEC'",
        "XA COMMIT 'unheard of'",
    ):
        with pytest.raises(pymysql.Error):
            run(connection, statement)
        assert pinned(proxy, connection) == ("", ""), statement
    splits(connection)


def test_backup_locks_hold_the_session_until_they_are_released(cluster, proxy):
    rounds = [("FLUSH TABLES WITH READ LOCK", "global_lock", "UNLOCK TABLES"), ("FLUSH TABLES app.pins WITH READ LOCK", "global_lock", "UNLOCK TABLES")]  # fmt: skip
    if cluster.primary.engine.name == "mysql":
        rounds += [("LOCK INSTANCE FOR BACKUP", "backup_lock", "UNLOCK INSTANCE")]
    else:
        rounds += [("BACKUP STAGE START", "backup_lock", "BACKUP STAGE END"), ("BACKUP LOCK app.pins", "backup_lock", "BACKUP UNLOCK")]  # fmt: skip
    with proxy.connect(*BACKUP_USER, cursorclass=TEXT) as connection:
        for takes, pin, releases in rounds:
            splits(connection)
            run(connection, takes)
            assert pinned(proxy, connection) == (pin, releases)
            assert where(connection) == 1
            if pin == "backup_lock":
                run(connection, "UNLOCK TABLES")
                assert pinned(proxy, connection) == (pin, releases)
            run(connection, releases)
            assert pinned(proxy, connection) == ("", "")
        splits(connection)


def test_each_pin_has_a_beginning_of_its_own(proxy, connection):
    run(connection, "CREATE TEMPORARY TABLE first (n INT)")

    def row():
        return next(row for row in proxy.admin("SHOW SESSIONS") if row["id"] == connection.thread_id())

    first = row()["pinned_since"]
    wait_until(lambda: row()["pinned_for_ms"] > 1100, "a second has passed")
    run(connection, "SELECT GET_LOCK('second', 1)")
    assert row()["pinned_since"].split(",")[0] == first
    assert row()["pinned_since"].split(",")[1] > first
    run(connection, "DROP TEMPORARY TABLE first")
    assert row()["pinned_since"] > first
    run(connection, "DO RELEASE_LOCK('second')")
    assert row()["pinned_since"] == ""
