"""Where statements run: proven reads on the replicas, everything else on the primary."""

import contextlib
import threading

import pymysql
import pytest
from pymysql.constants import CLIENT

from prepared import prepare
from sluice import Sluice
from statement_trace import Trace

PRIMARY = {"db1"}
REPLICAS = {"db2", "db3"}

READS = (
    "SELECT 1",
    "SELECT v FROM split WHERE id = 1",
    "SELECT COUNT(*) FROM split",
    "select v\nfrom split -- FOR UPDATE\nwhere id = 1",
    "SELECT 'FOR UPDATE' AS word",
    "(SELECT v FROM split WHERE id = 1)",
    "SELECT 1 UNION SELECT 2",
    "WITH x AS (SELECT 1 AS n) SELECT n FROM x",
    "SELECT a.v FROM split a JOIN split b USING (id) WHERE a.id = 2",
    "SELECT @@server_id, @@hostname, @@port",
    "SELECT @@version",
    "SHOW TABLES",
    "SHOW COLUMNS FROM split",
    "DESCRIBE split",
    "EXPLAIN SELECT * FROM split",
    "SELECT table_name FROM information_schema.tables WHERE table_schema = 'app'",
    "/* sluice: replica */ SELECT v FROM split",
)

# On both engines, in autocommit; each is run once as text and, if the server can, prepared.
NOT_READS = (
    "INSERT INTO split VALUES (NULL, 'new')",
    "REPLACE INTO split VALUES (100, 'new')",
    "UPDATE split SET v = 'x' WHERE id = 3",
    "DELETE FROM split WHERE id = 100",
    "SELECT v FROM split WHERE id = 1 FOR UPDATE",
    "select v from split where id = 1 for\nupdate",
    "SELECT v FROM split WHERE id = 1 /*!50000 FOR UPDATE */",
    "SELECT v FROM split WHERE id = 1 LOCK IN SHARE MODE",
    "(SELECT v FROM split WHERE id = 1 FOR UPDATE)",
    "SELECT GET_LOCK('splitting', 0)",
    "SELECT IS_FREE_LOCK('splitting')",
    "SELECT RELEASE_LOCK('splitting')",
    "SELECT v FROM split WHERE id = 1 INTO @v",
    "SELECT @v := 1",
    "DO SLEEP(0)",
    "CREATE TABLE IF NOT EXISTS split_made (id INT)",
    "DROP TABLE IF EXISTS split_made",
    "SELECT @@read_only",
    "SELECT @@global.read_only",
    "SELECT @@innodb_read_only",
    "SHOW VARIABLES LIKE 'read_only'",
    "SHOW PROCESSLIST",
    "SHOW STATUS LIKE 'Uptime'",
    "SELECT id FROM information_schema.processlist LIMIT 1",
    "EXPLAIN UPDATE split SET v = 'y' WHERE id = 3",
    "SELECT split_f(1)",
    "CALL split_p()",
    "/* sluice: primary */ SELECT v FROM split WHERE id = 1",
    "/* sluice: replica */ UPDATE split SET v = 'z' WHERE id = 3",
    "WITH x AS (SELECT 3 AS n) SELECT split.id FROM split, x WHERE id = n FOR UPDATE",
)

AUTOCOMMIT_OFF = (
    ["SET autocommit=0"],
    ["set AutoCommit = off"],
    ["SET @a=1, autocommit=0"],
    ["SET @@session.autocommit=OFF"],
    ["SET SESSION autocommit = 'OFF', sql_mode=''"],
    ["SET @@autocommit:=0"],
    ["/*!40000 SET autocommit=0 */"],
    ["SET @s = 'SET autocommit=0'", "PREPARE p FROM @s", "EXECUTE p"],
    ["SELECT 1; SET autocommit=0"],
    ["CALL split_autocommit_off()"],
)


@pytest.fixture(scope="module")
def tables(cluster):
    cluster.primary.run([
        "CREATE TABLE app.split (id INT PRIMARY KEY AUTO_INCREMENT, v VARCHAR(40))",
        "INSERT INTO app.split VALUES (1, 'one'), (2, 'two'), (3, 'three')",
        "CREATE FUNCTION app.split_f(n INT) RETURNS INT DETERMINISTIC NO SQL RETURN n",
        "CREATE PROCEDURE app.split_p() SELECT 1",
        "CREATE PROCEDURE app.split_autocommit_off() SET autocommit=0",
    ])  # fmt: skip
    cluster.wait_caught_up()


@pytest.fixture(scope="module")
def trace(cluster, tables):
    with Trace(cluster) as made:
        yield made


@pytest.fixture
def connection(sluice, tables):
    with sluice.connect(client_flag=CLIENT.MULTI_STATEMENTS, cursorclass=pymysql.cursors.Cursor) as made:
        yield made


def run(connection, statement):
    """Runs a text statement, all its result sets included; the rows of the first."""
    with connection.cursor() as cursor:
        cursor.execute(statement)
        rows = cursor.fetchall()
        while cursor.nextset():
            pass
        return rows


def server_id(connection):
    return run(connection, "SELECT @@server_id")[0][0]


@pytest.mark.parametrize("statement", READS)
def test_a_plain_read_runs_on_one_replica(sluice, trace, connection, statement):
    mark = trace.mark()
    run(connection, f"{statement} /* {mark} */")
    assert trace.where(mark) < REPLICAS and len(trace.where(mark)) == 1


@pytest.mark.parametrize("statement", READS)
def test_a_prepared_plain_read_never_touches_the_primary(sluice, trace, connection, statement):
    mark = trace.mark()
    prepared = prepare(connection, f"{statement} /* {mark} */")
    prepared.execute()
    assert trace.where(mark) and trace.where(mark) <= REPLICAS


@pytest.mark.parametrize("statement", NOT_READS)
def test_what_is_no_plain_read_runs_on_the_primary_only(sluice, trace, connection, statement):
    mark = trace.mark()
    run(connection, f"{statement} /* {mark} */")
    assert trace.where(mark) == PRIMARY


@pytest.mark.parametrize("statement", NOT_READS)
def test_what_is_no_plain_read_runs_on_the_primary_only_when_prepared(sluice, trace, connection, statement):
    mark = trace.mark()
    try:
        prepared = prepare(connection, f"{statement} /* {mark} */")
    except pymysql.Error as refused:
        assert refused.args[0] == 1295  # not supported in the prepared statement protocol yet
        prepared = None
    if prepared and not statement.startswith("CALL"):
        prepared.execute()
    assert trace.where(mark) <= PRIMARY


def test_reads_of_many_sessions_are_spread_over_both_replicas(sluice, tables):
    seen = []

    def read():
        with sluice.connect(cursorclass=pymysql.cursors.Cursor) as connection:
            seen.extend(server_id(connection) for _ in range(40))

    threads = [threading.Thread(target=read) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 16 * 40
    assert set(seen) == {2, 3}
    assert min(seen.count(2), seen.count(3)) > len(seen) / 10


def test_replicas_count_no_write_commands_of_ours(cluster, sluice, trace, connection):
    for number in range(50):
        run(connection, f"INSERT INTO split VALUES (NULL, 'counted {number}')")
        run(connection, f"UPDATE split SET v = 'changed' WHERE v = 'counted {number}'")
        run(connection, "SELECT COUNT(*) FROM split")
    for replica in cluster.replicas:
        assert "counted" not in trace.text(replica)


def test_an_explicit_transaction_runs_on_the_primary_from_begin_to_end(sluice, trace, connection):
    mark = trace.mark()
    pairs = (("BEGIN", "COMMIT"), ("START TRANSACTION", "ROLLBACK"), ("start transaction read write", "commit"))
    for begin, end in pairs:
        run(connection, f"{begin} /* {mark} */")
        run(connection, f"SELECT v FROM split WHERE id = 1 /* {mark} */")
        run(connection, f"UPDATE split SET v = 'w' WHERE id = 3 /* {mark} */")
        prepare(connection, f"SELECT v FROM split WHERE id = 3 /* {mark} */").execute()
        run(connection, f"{end} /* {mark} */")
    assert trace.where(mark) == PRIMARY


def test_reads_return_to_the_replicas_when_the_transaction_has_ended(cluster, sluice, connection):
    run(connection, "BEGIN")
    assert server_id(connection) == 1
    run(connection, "COMMIT")
    assert server_id(connection) in (2, 3)


@pytest.mark.parametrize("statements", AUTOCOMMIT_OFF, ids=lambda statements: statements[-1])
def test_with_autocommit_off_reads_run_on_the_primary(cluster, sluice, connection, statements):
    for statement in statements:
        run(connection, statement)
    assert server_id(connection) == 1
    assert run(connection, "SELECT v FROM split WHERE id = 1") == (("one",),)
    run(connection, "COMMIT")
    assert server_id(connection) == 1


def test_autocommit_off_by_a_prepared_statement_counts(sluice, connection):
    prepare(connection, "SET autocommit=0").execute()
    assert server_id(connection) == 1


def test_with_autocommit_on_again_reads_go_to_replicas(sluice, connection):
    run(connection, "SET autocommit=0")
    assert server_id(connection) == 1
    run(connection, "SET autocommit=1")
    assert server_id(connection) in (2, 3)


def test_what_autocommit_off_left_open_is_rolled_back_when_the_client_goes(cluster, sluice, tables):
    with sluice.connect() as connection:
        run(connection, "SET autocommit=0")
        run(connection, "UPDATE split SET v = 'lost' WHERE id = 1")
    with sluice.connect(cursorclass=pymysql.cursors.Cursor) as connection:
        run(connection, "SET innodb_lock_wait_timeout=5")
        run(connection, "UPDATE split SET v = 'one' WHERE id = 1")
    assert cluster.primary.value("(SELECT v FROM app.split WHERE id = 1)") == "one"


def test_a_global_default_of_autocommit_off_is_believed(cluster, tables):
    with contextlib.ExitStack() as undo:
        for backend in cluster.backends:
            backend.sql("SET GLOBAL autocommit=0")
            undo.callback(backend.sql, "SET GLOBAL autocommit=1")
        with Sluice(cluster) as own:
            with own.connect(autocommit=None, cursorclass=pymysql.cursors.Cursor) as connection:
                assert server_id(connection) == 1
            with own.connect(autocommit=True, cursorclass=pymysql.cursors.Cursor) as connection:
                assert run(connection, "SELECT @@autocommit") == ((1,),)


def test_a_read_only_transaction_runs_on_one_replica_from_begin_to_end(sluice, trace, connection):
    for _ in range(5):
        mark = trace.mark()
        run(connection, f"START TRANSACTION READ ONLY /* {mark} */")
        ids = {server_id(connection) for _ in range(5)}
        run(connection, f"SELECT v FROM split WHERE id = 1 /* {mark} */")
        prepare(connection, f"SELECT v FROM split WHERE id = 2 /* {mark} */").execute()
        run(connection, f"COMMIT /* {mark} */")
        assert len(ids) == 1 and ids < {2, 3}
        assert trace.where(mark) == {f"db{ids.pop()}"}


def test_a_write_in_a_read_only_transaction_fails_as_on_a_server(sluice, connection):
    run(connection, "START TRANSACTION READ ONLY")
    with pytest.raises(pymysql.Error) as refused:
        run(connection, "UPDATE split SET v = 'no' WHERE id = 1")
    assert refused.value.args[0] == 1792
    run(connection, "ROLLBACK")


def test_set_transaction_shapes_the_next_transaction_only(cluster, sluice, connection):
    run(connection, "SET TRANSACTION READ ONLY")
    run(connection, "BEGIN")
    with pytest.raises(pymysql.Error) as refused:
        run(connection, "UPDATE split SET v = 'no' WHERE id = 1")
    assert refused.value.args[0] == 1792
    run(connection, "COMMIT")
    run(connection, "BEGIN")
    run(connection, "UPDATE split SET v = 'three' WHERE id = 3")
    run(connection, "COMMIT")


def test_a_multi_statement_with_a_write_runs_on_the_primary(sluice, trace, connection):
    mark = trace.mark()
    run(connection, f"SELECT 1; UPDATE split SET v = 'm' WHERE id = 3; SELECT 2 /* {mark} */")
    assert trace.where(mark) == PRIMARY


def test_a_multi_statement_answers_with_every_result(sluice, connection):
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1; SELECT v FROM split WHERE id = 1; SET @x = 4; SELECT @x")
        results = [cursor.fetchall()]
        while cursor.nextset():
            results.append(cursor.fetchall())
    assert results == [((1,),), (("one",),), (), ((4,),)]


def test_a_multi_statement_that_begins_a_transaction_keeps_the_session_on_the_primary(sluice, connection):
    run(connection, "SELECT 1; BEGIN")
    assert server_id(connection) == 1
    run(connection, "SELECT 1; COMMIT")


def test_a_user_lock_is_seen_by_others_through_sluice(sluice, connection, tables):
    run(connection, "SELECT GET_LOCK('shared', 0)")
    with sluice.connect(cursorclass=pymysql.cursors.Cursor) as other:
        assert run(other, "SELECT GET_LOCK('shared', 0)") == ((0,),)
        run(connection, "SELECT RELEASE_LOCK('shared')")
        assert run(other, "SELECT GET_LOCK('shared', 5)") == ((1,),)


def test_a_user_lock_ends_with_its_session(sluice, tables):
    with sluice.connect() as connection:
        run(connection, "SELECT GET_LOCK('mortal', 0)")
    with sluice.connect(cursorclass=pymysql.cursors.Cursor) as other:
        assert run(other, "SELECT GET_LOCK('mortal', 10)") == ((1,),)


def test_a_drained_replica_gets_no_reads(sluice, tables):
    sluice.admin("SET BACKEND db2 DRAIN")
    try:
        sluice.wait_serving("db3")
        with sluice.connect(cursorclass=pymysql.cursors.Cursor) as connection:
            assert {server_id(connection) for _ in range(20)} == {3}
    finally:
        sluice.admin("SET BACKEND db2 ONLINE")
    sluice.wait_serving("db2", "db3")
