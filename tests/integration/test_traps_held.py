"""What proxies get wrong about state that stays behind on a connection. Each test names its trap of the project's list."""

import contextlib
import os
import signal
import subprocess
import threading

import pytest

from cluster import APP
from process import wait_until
from sluice import Sluice
from statement_trace import Trace
from twins import PATIENT, SLUICE_SCHEMA, Twins, make_ground

PRIMARY, REPLICA = "primary", "replica"

GROUND = (
    "CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, v VARCHAR(40), KEY (v))",
    "INSERT INTO t VALUES (1, 'one'), (2, 'two'), (3, 'drei')",
    "CREATE TABLE child (id INT PRIMARY KEY)",
    "CREATE TABLE written (n INT)",
    "CREATE PROCEDURE p_temp() BEGIN CREATE TEMPORARY TABLE made_by_p (n INT); INSERT INTO made_by_p VALUES (1), (2); END",
)


@pytest.fixture(scope="module")
def sluice(cluster):
    with Sluice(cluster, **PATIENT) as made:
        yield made


@pytest.fixture(scope="module")
def few_links(cluster):
    """A Sluice whose sessions must take turns on three links a backend."""
    with Sluice(cluster, **PATIENT, pool={"max_links": 3}) as made:
        yield made


@pytest.fixture(scope="module")
def ground(cluster):
    make_ground(cluster, GROUND)
    with Trace(cluster) as trace:
        yield trace


@pytest.fixture
def twins(cluster, sluice, ground):
    cluster.wait_caught_up()
    with Twins(cluster, sluice, ground) as made:
        yield made


def pins(twins):
    """The pins of the twin behind Sluice, as SHOW SESSIONS tells them."""
    rows = {row["id"]: row["pins"] for row in twins.sluice.admin("SHOW SESSIONS")}
    return set(filter(None, rows[twins.through.thread_id].split(",")))


PREVIOUS = (
    "SELECT LAST_INSERT_ID()", "SELECT last_insert_id() AS id, 1", "SELECT LAST_INSERT_ID() + 1 FROM DUAL", "SELECT LAST_INSERT_ID();",
    "SELECT LAST_INSERT_ID(41)", "SELECT LAST_INSERT_ID()", "SELECT v FROM t WHERE id = LAST_INSERT_ID()", "SELECT @@last_insert_id, @@identity",
    "SELECT SQL_CALC_FOUND_ROWS id FROM t ORDER BY id LIMIT 1", "SELECT FOUND_ROWS()", "SELECT id FROM t WHERE id < 3", "SELECT FOUND_ROWS() AS n FROM DUAL",
    "SELECT ROW_COUNT()", "UPDATE t SET v = 'zwei' WHERE id = 2", "SELECT ROW_COUNT(), 'x'", "SELECT 1 + 'x1'", "SHOW WARNINGS", "SELECT @@warning_count",
    "SELECT CAST('y2' AS SIGNED)", "SELECT @@warning_count, @@error_count", "SHOW COUNT(*) WARNINGS", "SELECT * FROM nowhere", "SHOW ERRORS", "SHOW COUNT(*) ERRORS",
    "SELECT * FROM nowhere", "GET DIAGNOSTICS CONDITION 1 @code = MYSQL_ERRNO, @words = MESSAGE_TEXT", "SELECT @code, @words", "SELECT 1", "SHOW WARNINGS",
    "DROP TABLE IF EXISTS never_was", "SHOW WARNINGS LIMIT 1", "INSERT INTO t (v) VALUES ('a'), ('b')", "SELECT ROW_COUNT()", "SELECT LAST_INSERT_ID()",
    "SELECT v FROM t WHERE id = 1", "SELECT LAST_INSERT_ID()", "UPDATE t SET id = LAST_INSERT_ID(id) WHERE id = 3", "SELECT LAST_INSERT_ID()",
    "DELETE FROM t WHERE v IN ('a', 'b')", "SELECT ROW_COUNT()", "DO LAST_INSERT_ID(7)", "SELECT LAST_INSERT_ID()", "DELETE FROM t WHERE id > 3",
)  # fmt: skip


def test_what_speaks_of_the_previous_statement_speaks_of_this_sessions(twins):
    """Trap 14: LAST_INSERT_ID, ROW_COUNT, FOUND_ROWS, SHOW WARNINGS, @@warning_count, GET DIAGNOSTICS, after reads on replicas too."""
    twins.ok("INSERT INTO t (v) VALUES ('counted')")
    for statement in PREVIOUS:
        twins.query(statement)


def test_prepared_it_speaks_of_the_same(twins):
    """Trap 14: the same functions in statements prepared before, and a LAST_INSERT_ID() of a prepared insert."""
    for slot, sql in enumerate((
        "INSERT INTO t (v) VALUES (?)", "SELECT LAST_INSERT_ID() AS id", "SELECT ROW_COUNT()", "SELECT FOUND_ROWS()", "SELECT v FROM t WHERE id <= ?",
        "SELECT v FROM t WHERE id = LAST_INSERT_ID()", "SELECT @@warning_count", "SELECT CAST(? AS SIGNED)",
    )):  # fmt: skip
        twins.prepare(slot, sql)
    twins.execute(0, ("varchar", "prepared"))
    twins.execute(1)
    twins.execute(4, ("long", 2))
    twins.execute(3)
    twins.execute(1)
    twins.execute(5)
    twins.execute(7, ("varchar", "7x"))
    twins.execute(6)
    twins.execute(0, ("varchar", "again"))
    twins.execute(2)
    twins.execute(1)
    twins.ok("DELETE FROM t WHERE id > 3")


TEMPORARY = {
    "text": ("CREATE TEMPORARY TABLE t (n INT)",),
    "select": ("create /* x */ temporary table if not exists t as select 1 as n",),
    "multi-statement": ("SELECT 1; CREATE TEMPORARY TABLE t (n INT); SELECT 2",),
    "execute": ("PREPARE p FROM 'CREATE TEMPORARY TABLE t (n INT)'", "EXECUTE p", "DEALLOCATE PREPARE p"),
    "transaction": ("BEGIN", "CREATE TEMPORARY TABLE t (n INT)", "ROLLBACK"),
}


@pytest.mark.parametrize("made_by", TEMPORARY)
def test_temporary_tables_shadow_real_ones_until_they_are_dropped(cluster, sluice, twins, made_by):
    """Trap 15: made by text, EXECUTE or inside a multi-statement, a temporary table is seen by its session alone."""
    for statement in TEMPORARY[made_by]:
        twins.ok(statement)
    twins.ok("INSERT INTO t VALUES (4), (5)", on=PRIMARY)
    twins.query("SELECT * FROM t", on=PRIMARY)
    twins.prepare(0, "SELECT COUNT(*) FROM t")
    twins.execute(0, on=PRIMARY)
    with Twins(cluster, sluice, twins._trace) as other:
        other.query("SELECT v FROM t WHERE id = 1", on=REPLICA)
    twins.ok("DROP TEMPORARY TABLE t")
    twins.query("SELECT v FROM t WHERE id = 1")
    twins.execute(0)


def test_temporary_tables_of_binary_statements_and_routines_are_there_and_die_with_a_reset(twins):
    """Trap 15: made by a prepared statement or inside CALL; COM_RESET_CONNECTION and COM_CHANGE_USER end them."""
    twins.prepare(0, "CREATE TEMPORARY TABLE t (n INT)")
    twins.execute(0, on=PRIMARY)
    twins.query("SELECT COUNT(*) FROM t", on=PRIMARY)
    twins.ok("CALL p_temp()")
    assert twins.rows("SELECT COUNT(*) FROM made_by_p", on=PRIMARY) == [("2",)]
    twins.step("change_user", "{s}", twins.collation)
    assert twins.refused("SELECT COUNT(*) FROM made_by_p") == 1146
    assert twins.rows("SELECT COUNT(*) FROM t WHERE id <= 3") == [("3",)]
    twins.ok("CALL p_temp()")
    twins.step("reset_connection")
    assert twins.refused("SELECT COUNT(*) FROM made_by_p") == 1146


HELD = (
    ("LOCK TABLES t READ", "UNLOCK TABLES"), ("LOCK TABLES t WRITE, child READ", "UNLOCK TABLES"), ("SELECT GET_LOCK('{s}_1', 0)", "SELECT RELEASE_LOCK('{s}_1')"),
    ("SELECT GET_LOCK('{s}_1', 0), GET_LOCK('{s}_2', 0)", "SELECT RELEASE_LOCK('{s}_2')", "SELECT RELEASE_ALL_LOCKS()"),
    ("DO GET_LOCK('{s}_3', 0)", "DO RELEASE_LOCK('{s}_3')"), ("HANDLER t OPEN AS h", "HANDLER h READ FIRST", "HANDLER h CLOSE"),
)  # fmt: skip


@pytest.mark.parametrize("steps", HELD, ids=lambda steps: steps[0])
def test_locks_hold_their_link_until_they_are_released(few_links, cluster, ground, steps):
    """Trap 16: LOCK TABLES, GET_LOCK (several at once), HANDLER: the link stays the session's, though links are few."""
    with Twins(cluster, few_links, ground) as twins:
        twins.ok(steps[0], on=PRIMARY)
        for step in steps[1:]:
            with contextlib.ExitStack() as others:
                for _ in range(4):
                    other = others.enter_context(few_links.connect(database=SLUICE_SCHEMA))
                    other.cursor().execute("SELECT 1")
            twins.query("SELECT v FROM t WHERE id = 1", on=PRIMARY)
            twins.ok(step, on=PRIMARY)
        twins.query("SELECT v FROM t WHERE id = 1")


def test_global_locks_keep_writers_out_until_they_are_released(cluster, ground):
    """Trap 16: FLUSH TABLES WITH READ LOCK, LOCK INSTANCE FOR BACKUP, BACKUP STAGE, by an account that may."""
    cluster.primary.run(["CREATE USER keeper@'%' IDENTIFIED BY 'keeperpw'", "GRANT ALL ON *.* TO keeper@'%'"])
    cluster.wait_caught_up()
    locks = [("FLUSH TABLES WITH READ LOCK", "UNLOCK TABLES", "INSERT INTO written VALUES (1)")]
    if cluster.engine.name == "mysql":
        locks.append(("LOCK INSTANCE FOR BACKUP", "UNLOCK INSTANCE", "CREATE TABLE kept_out (n INT)"))
    else:
        locks.append(("BACKUP STAGE START; BACKUP STAGE BLOCK_COMMIT", "BACKUP STAGE END", "INSERT INTO written VALUES (1)"))
    with Sluice(cluster, users=[("keeper", "keeperpw")]) as own:
        for lock, unlock, kept_out in locks:
            with own.connect("keeper", "keeperpw", client_flag=1 << 16) as keeper, own.connect(database=SLUICE_SCHEMA) as writer:
                keeper.cursor().execute(lock)
                answered = threading.Event()

                def write(connection=writer, statement=kept_out, done=answered):
                    connection.cursor().execute(statement)
                    done.set()

                thread = threading.Thread(target=write)
                thread.start()
                with keeper.cursor() as cursor:
                    cursor.execute("SELECT 1")
                    wait_until(lambda: "waiting" in str(cluster.primary.sql("SHOW PROCESSLIST")).lower(), "the writer waits")
                    assert not answered.is_set()
                    cursor.execute(unlock)
                thread.join(20)
                assert answered.is_set()
    cluster.primary.run([f"DROP TABLE IF EXISTS {SLUICE_SCHEMA}.kept_out", "DROP USER keeper@'%'"])


@pytest.mark.parametrize("how", ("reset_connection", "change_user"))
def test_reset_and_change_user_clear_what_the_server_clears(twins, how):
    """Trap 17: variables, locks, transactions, temporary tables, statements, the schema, and what Sluice tracked of them."""
    twins.prepare(0, "SELECT 1")
    for statement in (
        "SET time_zone = '+01:00', @a = 5, group_concat_max_len = 9", "CREATE TEMPORARY TABLE mine (n INT)", "SELECT GET_LOCK('{s}', 0)",
        "PREPARE p FROM 'SELECT 2'", "INSERT INTO t (v) VALUES ('kept')", "BEGIN", "UPDATE t SET v = 'undone' WHERE id = 1",
    ):  # fmt: skip
        twins.ok(statement)
    twins.step(how, *(("{s}", twins.collation) if how == "change_user" else ()))
    assert pins(twins) == set()
    twins.query("SELECT @@time_zone, @a, @@group_concat_max_len, @@autocommit, DATABASE()")
    twins.query("SELECT LAST_INSERT_ID(), IS_FREE_LOCK('{s}')")
    assert twins.refused("SELECT * FROM mine") == 1146
    assert twins.refused("EXECUTE p") == 1243
    assert twins.step("execute", 0, ())[0]["code"] == 1243
    assert twins.rows("SELECT v FROM t WHERE id = 1") == [("one",)]
    twins.ok("DELETE FROM t WHERE v = 'kept'")
    twins.wait_for_replica()
    twins.query("SELECT COUNT(*) FROM t", on=REPLICA)


def test_connection_id_and_kill_mean_this_session(sluice, ground):
    """Trap 18: CONNECTION_ID() is the greeting's number on every backend, and KILL QUERY by it hits this statement alone."""
    with sluice.connect() as one, sluice.connect() as two, sluice.connect() as killer:
        for statement in ("SELECT CONNECTION_ID() AS id", "BEGIN", "SELECT CONNECTION_ID() AS id", "COMMIT", "SELECT CONNECTION_ID() AS id"):
            with one.cursor() as cursor:
                cursor.execute(statement)
                assert cursor.rowcount == 0 or cursor.fetchone() == {"id": one.thread_id()}
        answers = {}

        def sleep(name, connection, seconds):
            with connection.cursor() as cursor:
                try:
                    cursor.execute(f"SELECT SLEEP({seconds}) AS slept")
                    answers[name] = cursor.fetchone()["slept"]
                except Exception as error:
                    answers[name] = error.args[0]

        threads = [threading.Thread(target=sleep, args=("one", one, 30)), threading.Thread(target=sleep, args=("two", two, 2))]
        for thread in threads:
            thread.start()
        wait_until(lambda: sum(row["busy"] for row in sluice.admin("SHOW SESSIONS")) == 2, "both sleep")
        killer.cursor().execute(f"KILL QUERY {one.thread_id()}")
        for thread in threads:
            thread.join(20)
        assert answers == {"one": answers["one"], "two": 0} and answers["one"] in (1, 1317)
        one.ping(reconnect=False)


def test_ctrl_c_in_the_console_ends_its_statement_alone(cluster, sluice, ground):
    """Trap 18: Ctrl-C makes the console kill its query by id over a connection of its own; the next statement runs."""
    command = [
        *cluster.engine.client(), "-h127.0.0.1", f"-P{sluice.port}", f"-u{APP[0]}", f"-p{APP[1]}", "--batch", "--skip-column-names",
        *(["--get-server-public-key"] if cluster.engine.name == "mysql" else ["--sigint-ignore=0"]), "--force", "app",
    ]  # fmt: skip
    with sluice.connect() as neighbour:
        console = subprocess.Popen(
            list(map(str, command)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
        )
        console.stdin.write("SELECT 'begun';\nSELECT SLEEP(60), 'marked_by_trap_18';\nSELECT 'still', 'here';\n")
        console.stdin.flush()

        def sleeping():
            rows = [row for backend in cluster.backends for row in backend.sql("SHOW FULL PROCESSLIST")]
            return any("marked_by_trap_18" in str(row["Info"]) and "SLEEP(60)" in str(row["Info"]) for row in rows)

        wait_until(sleeping, "the console's statement runs")
        os.kill(console.pid, signal.SIGINT)
        output, _ = console.communicate(timeout=30)
        assert "begun" in output and "still\there" in output, output
        assert not sleeping()
        neighbour.ping(reconnect=False)
