"""What proxies get wrong about where a statement runs. Each test names its trap of the project's list."""

import contextlib
import threading

import pymysql
import pytest

from process import wait_until
from sluice import Sluice
from statement_trace import Trace
from twins import PATIENT, Twins, make_ground

PRIMARY, REPLICA = "primary", "replica"
AUTOCOMMIT, IN_TRANSACTION = 2, 1

GROUND = (
    "CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, v VARCHAR(40), KEY (v))",
    "INSERT INTO t VALUES (1, 'one'), (2, 'two'), (3, 'three')",
    "CREATE TABLE log_of_f (id INT PRIMARY KEY AUTO_INCREMENT, n INT)",
    "CREATE FUNCTION f_write(x INT) RETURNS INT DETERMINISTIC MODIFIES SQL DATA"
    " BEGIN INSERT INTO log_of_f (n) VALUES (x); RETURN x; END",
    "CREATE FUNCTION f_pure(x INT) RETURNS INT DETERMINISTIC NO SQL RETURN x",
    "CREATE PROCEDURE p_read() SELECT v FROM t WHERE id = 1",
    "CREATE PROCEDURE p_write() UPDATE t SET v = v WHERE id = 3",
    "CREATE PROCEDURE p_autocommit_off() SET autocommit = 0",
)


@pytest.fixture(scope="module")
def ground(cluster):
    for backend in cluster.backends:
        backend.sql("SET GLOBAL log_bin_trust_function_creators=1")
    extra = ["CREATE SEQUENCE s"] if cluster.engine.name == "mariadb" else []
    make_ground(cluster, [*GROUND, *extra])
    with Trace(cluster) as trace:
        yield trace


@pytest.fixture(scope="module")
def sluice(cluster):
    with Sluice(cluster, **PATIENT) as made:
        yield made


@pytest.fixture
def twins(cluster, sluice, ground):
    cluster.wait_caught_up()
    with Twins(cluster, sluice, ground) as made:
        yield made


def check_places(twins, cases):
    """Runs (statement, where) pairs in one session, those first after which it must read on the primary no more."""
    for sql, on in sorted(cases, key=lambda case: case[1] != REPLICA):
        twins.query(sql, on=on)


AUTOCOMMIT_OFF = (
    ["SET autocommit=0"], ["set\n@@AUTOCOMMIT = Off"], ["SET @v=1, autocommit=0"], ["SET @@session.autocommit=OFF"],
    ["SET LOCAL autocommit := 'OFF'"], ["SET NAMES utf8mb4, autocommit = 0"], ["/*!40000 SET autocommit=0 */"],
    ["SET @s = 'SET autocommit=0'", "PREPARE p FROM @s", "EXECUTE p", "DROP PREPARE p"], ["SELECT 1; SET autocommit=0"],
    ["CALL p_autocommit_off()"], ["SET sql_mode = 'ANSI_QUOTES'", 'SET "autocommit" = 0'],
    ["SET autocommit = (SELECT 0)"], ["SET @off = 0", "SET autocommit = @off"],
)  # fmt: skip


@pytest.mark.parametrize("statements", AUTOCOMMIT_OFF, ids=lambda statements: statements[0])
def test_the_first_read_after_autocommit_off_runs_on_the_primary(twins, statements):
    """Trap 1: the first SELECT after SET autocommit=0 begins a transaction; the status flags tell, not the text."""
    twins.query("SELECT v FROM t WHERE id = 1", on=REPLICA)
    for statement in statements:
        twins.query(statement)
    (reply,) = twins.query("SELECT v FROM t WHERE id = 1", on=PRIMARY)
    assert reply["end"]["status"] & (AUTOCOMMIT | IN_TRANSACTION) == IN_TRANSACTION
    twins.ok("COMMIT")
    twins.query("SELECT v FROM t WHERE id = 2", on=PRIMARY)
    twins.ok("SET autocommit = 1")
    if not statements[0].startswith("CALL"):  # what else a routine has done to the session, nobody can say
        twins.wait_for_replica()


def test_prepared_autocommit_off_counts(twins):
    """Trap 1: also when it is flipped by a statement in binary protocol."""
    twins.prepare(0, "SET autocommit = ?")
    twins.prepare(1, "SELECT v FROM t WHERE id = 1")
    twins.execute(0, ("long", 0))
    twins.execute(1, on=PRIMARY)
    twins.ok("ROLLBACK")
    twins.execute(0, ("long", 1))
    twins.wait_for_replica()
    twins.execute(1, on=REPLICA)


def test_a_global_default_of_autocommit_off_counts(cluster, ground):
    """Trap 1: a server-global default of 0 holds from the login on, and the greeting says so."""
    with contextlib.ExitStack() as undo:
        for backend in cluster.backends:
            backend.sql("SET GLOBAL autocommit=0")
            undo.callback(backend.sql, "SET GLOBAL autocommit=1")
        sluice = undo.enter_context(Sluice(cluster))
        twins = undo.enter_context(Twins(cluster, sluice, ground))
        assert not twins.through.logged_in["status"] & AUTOCOMMIT
        twins.query("SELECT v FROM t WHERE id = 1", on=PRIMARY)


LOCKING = (
    "SELECT v FROM t WHERE id = 1 FOR UPDATE", "select v from t where id = 1 for update;",
    "SELECT v FROM t WHERE id = 1 FOR\nUPDATE", "SELECT v FROM t WHERE id = 1 FOR\t\r\n UPDATE ; ",
    "SELECT v FROM t WHERE id = 1 FOR/**/UPDATE", "SELECT v FROM t WHERE id = 1 FOR -- why\n UPDATE",
    "SELECT v FROM t WHERE id = 1 FOR # why\nUPDATE", "SELECT v FROM t WHERE v = 'one'FOR UPDATE",
    "SELECT v FROM t WHERE id = 1 FOR UPDATE -- the end", "SELECT v FROM t WHERE id = 1 FOR UPDATE SKIP LOCKED",
    "SELECT v FROM t WHERE id = 1 FOR UPDATE NOWAIT", "SELECT v FROM t WHERE id = 1 LOCK IN SHARE MODE",
    "select v from t where id = 1 lock\nin\nshare\nmode;", "SELECT v FROM t WHERE id = 1 /*! FOR UPDATE */",
    "SELECT v FROM t WHERE id = 1 /*!50000 LOCK IN */ SHARE MODE", "(SELECT v FROM t WHERE id = 1 FOR UPDATE)",
    "SELECT v FROM (SELECT v FROM t WHERE id = 1 FOR UPDATE) AS d", "SELECT 1 UNION (SELECT id FROM t WHERE id = 1 FOR UPDATE)",
)  # fmt: skip
LOCKING_ON = {
    "mysql": (
        "SELECT v FROM t WHERE id = 1 FOR SHARE", "SELECT v FROM t WHERE id = 1 for\nshare of t skip locked;",
        "SELECT v FROM t WHERE id = 1 FOR UPDATE OF t NOWAIT",
    ),
    "mariadb": (
        "SELECT v FROM t WHERE id = 1 FOR UPDATE WAIT 5", "SELECT v FROM t WHERE id = 1 LOCK IN SHARE MODE SKIP LOCKED",
    ),
}  # fmt: skip


def test_locking_reads_run_on_the_primary_however_they_are_written(cluster, twins):
    """Trap 2: FOR UPDATE, FOR SHARE, LOCK IN SHARE MODE, SKIP LOCKED behind newlines, comments, ; and any case."""
    for number, sql in enumerate((*LOCKING, *LOCKING_ON[cluster.engine.name])):
        # No comment behind: what ends the statement must be what the table says.
        marked = sql.replace("v FROM t", "/* {mark} */ v FROM t").replace("v from t", "/* {mark} */ v from t")
        marked = marked if "{mark}" in marked else sql.replace("SELECT", "SELECT /* {mark} */", 1)
        twins.query(marked, on=PRIMARY)
        twins.prepare(number, marked.rstrip("; "))
        twins.execute(number, on=PRIMARY)
        twins.step("close_statement", number)


def test_a_locking_read_locks_where_others_write(cluster, sluice, twins):
    """Trap 2: the lock holds against a writer that comes through Sluice."""
    twins.ok("BEGIN")
    twins.query("SELECT v FROM t WHERE id = 1 FOR\nUPDATE", on=PRIMARY)
    with Twins(cluster, sluice, twins._trace) as other:
        assert other.refused("SELECT v FROM t WHERE id = 1 FOR UPDATE NOWAIT") in (1205, 3572)
        twins.ok("COMMIT")
        other.ok("SELECT v FROM t WHERE id = 1 FOR UPDATE NOWAIT")


NOT_READS = (
    "SELECT v FROM t WHERE id = 1 INTO @v", "SELECT v INTO @v FROM t WHERE id = 1",
    "SELECT v FROM t INTO OUTFILE '/nowhere/x'", "SELECT v FROM t LIMIT 1 INTO DUMPFILE '/nowhere/x'",
    "SELECT @a := 1", "SELECT id FROM t WHERE (@a := id)", "WITH x AS (SELECT 3 AS n) SELECT v FROM t, x WHERE id = n FOR UPDATE",
    "DO f_write(1)", "DO SLEEP(0)", "EXPLAIN UPDATE t SET v = v WHERE id = 3", "EXPLAIN DELETE FROM t WHERE id = 3",
    "HANDLER t OPEN", "HANDLER t READ FIRST", "HANDLER t CLOSE", "SELECT GET_LOCK('{s}', 0)", "SELECT IS_USED_LOCK('{s}') > 0",
    "SELECT RELEASE_LOCK('{s}')", "SELECT f_write(2)", "SELECT id, F_WRITE (3) FROM t WHERE id = 1", "SELECT `f_write`(4)",
    "SELECT {s} . f_write(5)", "SELECT v FROM t WHERE id = f_write(1)", "SELECT v FROM t ORDER BY f_write(id)",
    "SELECT IF(f_write(6), 1, 2) UNION SELECT 3", "CALL p_read()", "CALL p_write()", "call\n{s}.p_read",
    "INSERT INTO log_of_f (n) SELECT id FROM t", "REPLACE INTO t VALUES (9, 'nine')", "DELETE FROM t WHERE id = 9",
    "CREATE TEMPORARY TABLE tt SELECT * FROM t", "DROP TEMPORARY TABLE tt", "ANALYZE LOCAL TABLE t", "CHECKSUM TABLE t",
)  # fmt: skip
NOT_READS_ON = {
    "mysql": (
        "WITH x AS (SELECT 3 AS n) UPDATE t, x SET v = v WHERE id = n",
        "WITH x AS (SELECT 9 AS n) DELETE FROM t WHERE id IN (SELECT n FROM x)", "EXPLAIN ANALYZE UPDATE t SET v = v WHERE id = 3",
        "INSERT INTO log_of_f (n) TABLE log_of_f LIMIT 0", "TABLE t INTO @a, @b", "VALUES ROW(f_write(7))",
    ),
    "mariadb": (
        "ANALYZE UPDATE t SET v = v WHERE id = 3", "SELECT NEXTVAL(s)", "SELECT NEXT VALUE FOR s", "SELECT LASTVAL(s)",
        "SELECT SETVAL(s, 50)", "SELECT s.nextval", "SELECT PREVIOUS VALUE FOR s", "SELECT v FROM t PROCEDURE ANALYSE(10)",
        "VALUES (f_write(7)), (8)", "INSERT INTO log_of_f (n) VALUES (8) RETURNING id", "EXECUTE IMMEDIATE 'SELECT 1'",
    ),
}  # fmt: skip
READS = (
    "(SELECT v FROM t WHERE id = 1)", "((SELECT v FROM t WHERE id = 1))", "(SELECT 1) UNION (SELECT 2) ORDER BY 1",
    "WITH x AS (SELECT 1 AS n) SELECT n FROM x", "EXPLAIN SELECT v FROM t", "DESCRIBE t", "SELECT 'INTO OUTFILE', ':='",
    "SELECT v AS `into` FROM t", "SELECT COUNT(*) FROM t WHERE v LIKE '%FOR UPDATE%'", "SELECT IF(1, 2, 3), REPLACE('a', 'b', 'c')",
)  # fmt: skip
READS_ON = {"mysql": ("TABLE t ORDER BY id", "VALUES ROW(1, 2), ROW(3, 4)"), "mariadb": ("VALUES (1, 2), (3, 4)",)}


def test_what_looks_like_a_read_and_writes_runs_on_the_primary(cluster, twins):
    """Trap 3: INTO, :=, WITH … UPDATE, DO, EXPLAIN ANALYZE UPDATE, HANDLER, sequences, locks, functions, CALL."""
    check_places(twins, [(sql, PRIMARY) for sql in (*NOT_READS, *NOT_READS_ON[cluster.engine.name])])
    assert twins.rows("SELECT COUNT(*) FROM log_of_f")[0] != ("0",)


def test_what_looks_odd_and_reads_runs_on_a_replica(cluster, twins):
    """Trap 3: (SELECT …), VALUES ROW(), TABLE t and words of writes inside strings are plain reads."""
    check_places(twins, [(sql, REPLICA) for sql in (*READS, *READS_ON[cluster.engine.name])])


SPELLINGS = (
    ("SELECT 1 /*! + 1 */", None), ("SELECT 1 /*!50700 + 1 */", None), ("SELECT 1 /*!99999 + 1 */", None),
    ("SELECT 1 /*M! + 1 */", None), ("SELECT 1 /*M!100100 + 1 */", None), ("SELECT 1 /*!99999 FOR UPDATE */", PRIMARY),
    ("SELECT v FROM t WHERE id = 1 /*! INTO @v */", PRIMARY), ("/*! UPDATE t SET v = v WHERE id = 3 */", PRIMARY),
    ("/*!50000 INSERT INTO log_of_f (n) VALUES (50) */", PRIMARY), ("/*M! DELETE FROM log_of_f WHERE n = 50 */", None),
    ("/* hint */ SELECT v FROM t WHERE id = 1", REPLICA), ("/* hint */ UPDATE t SET v = v WHERE id = 3", PRIMARY),
    ("/*+ no hint here */ SELECT 1", REPLICA), ("SELECT /*+ MAX_EXECUTION_TIME(1000) */ 1", REPLICA),
    ("-- a comment\nSELECT 1", REPLICA), ("--\tone\n#two\n/* three */SELECT 1", REPLICA), ("#SELECT 1\nUPDATE t SET v = v WHERE id = 3", PRIMARY),
    ("SELECT 5--3", REPLICA), ("SELECT 5 --1\n-1", REPLICA), ("SELECT 1 -- {mark}\n + 1", REPLICA), ("SELECT 1#{mark}", REPLICA),
    ("SELECT 1 /* {mark} ' */ FROM t FOR UPDATE /* ' */", PRIMARY), ("SELECT '/* {mark} ' FROM t WHERE id = 1 FOR UPDATE -- */", PRIMARY),
    ("SELECT 'it''s', 'a\\'b', \"c\\\"d\", \"e\"\"f\" /* {mark} */", REPLICA), ("SELECT 'a\\\\' /* {mark} */ FROM t WHERE id = 1 FOR UPDATE", PRIMARY),
    ("SELECT 1 AS `odd``name`, 2 AS `FOR UPDATE`", REPLICA), ("SELECT _utf8'x', _latin1 'y', N'z', X'414243', x'41', 0x4142, b'1', _binary X'00'", REPLICA),
    ("SELECT 'a' 'b'\n'c'", REPLICA), ("SELECT 'FOR UPDATE', \"INTO @a\", `v` FROM t WHERE id = 1", REPLICA),
    (b"SELECT 'a\0b', HEX('\0')", REPLICA), (b"SELECT HEX('\xff\xfe\x80')", None), (b"SELECT 1 /* \xff\xfe {mark} */", REPLICA),
    (b"UPDATE t SET v = 'three\0' WHERE id = 3", PRIMARY), (b"SELECT 1 /* {mark} */ \0 FOR UPDATE", PRIMARY),
    (b"SELECT 1\xa0FOR UPDATE", None), ("SELECT 'é', '日本', '😀'", REPLICA), ("SELECT v FROM t WHERE id=1e0FOR UPDATE", PRIMARY),
)  # fmt: skip


def test_comments_and_quotes_are_read_as_the_server_reads_them(twins):
    """Trap 4: executable comments are code, -- needs white space, # does not; strings hide words; NUL and bad UTF-8."""
    check_places(twins, SPELLINGS)


def test_ansi_quotes_and_backslashes_change_what_a_string_is(twins):
    """Trap 4: " makes a name under ANSI_QUOTES, and \\ is an ordinary character under NO_BACKSLASH_ESCAPES."""
    twins.ok("SET sql_mode = 'ANSI_QUOTES'")
    twins.query('SELECT "v" FROM "t" WHERE "id" = 1', on=REPLICA)
    twins.query('SELECT "f_pure"(1)', on=PRIMARY)
    twins.query('SELECT "v\\" FROM t FOR UPDATE')
    twins.ok("SET sql_mode = 'NO_BACKSLASH_ESCAPES'")
    twins.query("SELECT 'a\\', 'FOR UPDATE'", on=REPLICA)
    twins.query("SELECT 'a\\' FROM t WHERE id = 1 FOR UPDATE -- '", on=PRIMARY)
    twins.ok("SET sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES'")
    twins.query('SELECT 1 AS "a\\" FROM t WHERE id = 1 FOR UPDATE -- "', on=PRIMARY)
    twins.ok("SET sql_mode = ''")
    twins.query("SELECT 'a\\' FOR UPDATE -- '", on=REPLICA)


@pytest.mark.parametrize("charset", ("sjis", "gbk", "big5", "cp932"))
def test_a_second_byte_that_looks_like_a_backslash_or_quote_is_part_of_its_character(twins, charset):
    """Trap 4: under SET NAMES sjis, gbk, big5 a backslash byte may end a character, and the string goes on."""
    twins.ok(f"SET NAMES {charset}")
    twins.query("SELECT 'abc', 'FOR UPDATE'", on=REPLICA)
    # In all of them 0x95 0x5C is one character; to a byte-wise reader it is an escape.
    twins.query(b"SELECT HEX('\x95\x5c') /* {mark} */ FROM t WHERE id = 1 FOR UPDATE -- '", on=PRIMARY)
    twins.query(b"SELECT HEX('\x95\x5c')")
    twins.query(b"UPDATE t SET v = HEX('\x95\x5c') WHERE id = 3", on=PRIMARY)
    twins.ok("SET NAMES utf8mb4")
    twins.query("SELECT 'back'", on=None)


def test_a_read_only_transaction_uses_one_replica_all_through(twins):
    """Trap 5: START TRANSACTION READ ONLY may use a replica, and then the same one to its end."""
    for begin in ("START TRANSACTION READ ONLY", "start transaction with consistent snapshot, read only", "START TRANSACTION READ ONLY"):
        twins.ok(begin)
        places = set()
        for number in range(5):
            places.add(twins.through.query("SELECT @@server_id")[0]["rows"][0])
            twins.query(f"SELECT v FROM t WHERE id = {number % 3 + 1}", on=REPLICA)
        assert len(places) == 1
        assert twins.refused("UPDATE t SET v = 'no' WHERE id = 1") == 1792
        twins.ok("COMMIT")
    twins.query("UPDATE t SET v = v WHERE id = 1", on=PRIMARY)


def test_set_transaction_shapes_the_next_transaction_and_no_other(cluster, sluice, twins):
    """Trap 5: SET TRANSACTION arrives on the link of the transaction that it is for."""
    twins.ok("SET TRANSACTION READ ONLY")
    twins.ok("START TRANSACTION")
    assert twins.refused("UPDATE t SET v = 'no' WHERE id = 1") == 1792
    twins.ok("COMMIT")
    twins.ok("START TRANSACTION")
    twins.ok("UPDATE t SET v = v WHERE id = 1", on=PRIMARY)
    assert twins.refused("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE") == 1568
    twins.ok("COMMIT")
    twins.ok("SET TRANSACTION READ ONLY")
    # Neither what uses no table nor what is refused begins a transaction: it still waits, on its link.
    twins.query("SELECT 1", on=PRIMARY)
    for _ in range(2):
        assert twins.refused("UPDATE t SET v = 'no' WHERE id = 1") == 1792
    with Twins(cluster, sluice, twins._trace) as other:
        other.ok("UPDATE t SET v = v WHERE id = 1", on=PRIMARY)
    twins.close()
    for _ in range(4):
        with Twins(cluster, sluice, twins._trace) as other:
            other.ok("UPDATE t SET v = v WHERE id = 1", on=PRIMARY)


@pytest.mark.parametrize("begin", ("BEGIN", "START TRANSACTION READ ONLY"))
@pytest.mark.parametrize("level", ("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", "SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE"))
def test_a_serializable_read_locks_on_the_primary(cluster, sluice, twins, level, begin):
    """Trap 5: inside a SERIALIZABLE transaction a plain read locks its rows, so it must read where writers are."""
    twins.ok(level)
    twins.ok(begin)
    twins.query("SELECT v FROM t WHERE id = 2", on=PRIMARY)
    with Twins(cluster, sluice, twins._trace) as other:
        assert other.refused("SELECT v FROM t WHERE id = 2 FOR UPDATE NOWAIT") in (1205, 3572)
    twins.ok("COMMIT")


IMPLICIT_COMMITS = (
    "CREATE TABLE made (id INT)", "ALTER TABLE made ADD x INT", "TRUNCATE made", "RENAME TABLE made TO made2", "DROP TABLE made2",
    "BEGIN; COMMIT", "LOCK TABLES t WRITE; UNLOCK TABLES", "START TRANSACTION; COMMIT", "ANALYZE TABLE t", "CREATE VIEW w AS SELECT 1; DROP VIEW w",
    "SET autocommit = 0; SET autocommit = 1",
)  # fmt: skip


@pytest.mark.parametrize("statement", IMPLICIT_COMMITS)
def test_what_commits_implicitly_ends_the_transaction(twins, statement):
    """Trap 6: DDL, LOCK TABLES, START TRANSACTION inside a transaction commit it, and reads are split again."""
    twins.ok("BEGIN")
    twins.ok("INSERT INTO log_of_f (n) VALUES (60)")
    twins.query("SELECT v FROM t WHERE id = 1", on=PRIMARY)
    twins.ok(statement)
    twins.ok("ROLLBACK")
    twins.wait_for_replica()
    twins.query("SELECT COUNT(*) FROM log_of_f WHERE n = 60", on=REPLICA)
    twins.ok("DELETE FROM log_of_f WHERE n = 60")


def test_chains_savepoints_and_releases_keep_or_end_the_transaction_as_on_a_server(twins):
    """Trap 6: COMMIT AND CHAIN goes on, ROLLBACK TO stays inside, ROLLBACK AND CHAIN keeps READ ONLY."""
    read = "SELECT COUNT(*) FROM log_of_f"
    for sql, on in (
        ("BEGIN", None), ("INSERT INTO log_of_f (n) VALUES (61)", PRIMARY), ("SAVEPOINT a", PRIMARY), (read, PRIMARY),
        ("INSERT INTO log_of_f (n) VALUES (62)", PRIMARY), ("ROLLBACK TO a", PRIMARY), (read, PRIMARY), ("RELEASE SAVEPOINT a", PRIMARY),
        (read, PRIMARY), ("COMMIT AND CHAIN", PRIMARY), (read, PRIMARY), ("ROLLBACK AND CHAIN", PRIMARY), (read, PRIMARY), ("COMMIT", None),
        ("START TRANSACTION READ ONLY", None), (read, None), ("COMMIT AND CHAIN", None), ("DELETE FROM log_of_f", None),
        ("ROLLBACK", None), ("SET completion_type = 1", None), ("BEGIN", None), (read, PRIMARY), ("COMMIT", None), (read, PRIMARY),
        ("ROLLBACK", None), ("SET completion_type = 0", None), ("ROLLBACK", None),
    ):  # fmt: skip
        twins.query(sql, on=on)
    twins.wait_for_replica()


def test_a_deadlock_ends_the_transaction_of_its_victim(sluice, ground):
    """Trap 6: the error 1213 rolls back; its victim is in no transaction any more and its reads are split again."""
    barrier, victims = threading.Barrier(2), []

    def cross(connection, first, second):
        with connection.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute("SELECT v FROM t WHERE id = %s FOR UPDATE", (first,))
            barrier.wait(20)
            try:
                cursor.execute("SELECT v FROM t WHERE id = %s FOR UPDATE", (second,))
            except pymysql.Error as error:
                assert error.args[0] == 1213
                victims.append(connection)
                return
            cursor.execute("ROLLBACK")

    def place(connection):
        with connection.cursor() as cursor:
            cursor.execute("SELECT @@server_id AS place")
            return cursor.fetchone()["place"]

    with sluice.connect(database="test_twin_b") as left, sluice.connect(database="test_twin_b") as right:
        threads = [threading.Thread(target=cross, args=arguments) for arguments in ((left, 1, 2), (right, 2, 1))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        (victim,) = victims
        wait_until(lambda: place(victim) in (2, 3), "the victim's reads go to replicas")


def test_xa_transactions_stay_on_the_primary(cluster, twins):
    """Trap 6: XA START … XA PREPARE … XA COMMIT, with reads between, on one link of the primary."""
    for sql in (
        "XA START '{s}'", "SELECT v FROM t WHERE id = 1", "INSERT INTO log_of_f (n) VALUES (63)", "COMMIT", "XA END '{s}'",
        "SELECT v FROM t WHERE id = 1", "XA PREPARE '{s}'", "XA COMMIT '{s}'", "SELECT COUNT(*) FROM log_of_f WHERE n = 63",
        "XA START '{s}'", "XA END '{s}'", "XA ROLLBACK '{s}'", "XA START '{s}'", "XA START 'again'", "XA END '{s}'",
        "XA COMMIT '{s}' ONE PHASE", "UPDATE t SET v = v WHERE id = 1",
    ):  # fmt: skip
        twins.query(sql, on=PRIMARY if not sql.startswith("SELECT COUNT") else None)
    twins.wait_for_replica()


def test_who_asks_for_the_role_hears_the_primary(cluster, twins):
    """Trap 7: drivers ask @@read_only and the like; people ask @@server_id to see the split."""
    roles = [
        "SELECT @@read_only", "SELECT @@global.read_only", "select @@innodb_read_only", "SELECT @@GLOBAL . read_only, 1",
        "SELECT @@session.tx_read_only" if cluster.engine.name == "mariadb" else "SELECT @@super_read_only",
        "SHOW VARIABLES LIKE 'read_only'", "SHOW GLOBAL VARIABLES LIKE 'innodb_read_only'", "SELECT @@global.max_connections",
        "SELECT @@tx_read_only" if cluster.engine.name == "mariadb" else "SELECT @@transaction_read_only",
    ]  # fmt: skip
    check_places(twins, [(sql, PRIMARY) for sql in roles])
    places = ["@@server_id", "@@hostname", "@@port"] + (["@@server_uuid"] if cluster.engine.name == "mysql" else [])
    mark = twins._trace.mark()
    twins.through.query(f"SELECT {', '.join(places)} /* {mark} */")
    assert len(twins._trace.where(mark)) == 1 and cluster.primary.name not in twins._trace.where(mark)


ONE_SERVER = (
    "SHOW PROCESSLIST", "show full\nprocesslist", "SHOW STATUS LIKE 'Uptime'", "SHOW GLOBAL STATUS LIKE 'Uptime'", "SHOW BINARY LOGS",
    "SELECT COUNT(*) > 0 FROM information_schema.processlist", "SELECT COUNT(*) > 0 FROM INFORMATION_SCHEMA . `PROCESSLIST`",
    "SELECT COUNT(*) >= 0 FROM performance_schema.threads", "SELECT 1 FROM mysql.user LIMIT 1", "SELECT user FROM `mysql`.`user` LIMIT 1",
    "SELECT * FROM sys.version", "SHOW ENGINE INNODB STATUS", "SHOW OPEN TABLES LIKE 'nothing'", "SHOW GRANTS", "SHOW REPLICA STATUS",
)  # fmt: skip


def test_what_speaks_of_one_server_speaks_of_the_primary(cluster, twins):
    """Trap 8: SHOW PROCESSLIST, STATUS, BINARY LOGS, information_schema.processlist, performance_schema, mysql, sys."""
    for sql in (*ONE_SERVER, "SHOW MASTER STATUS" if cluster.engine.name == "mariadb" else "SHOW BINARY LOG STATUS"):
        mark = twins._trace.mark()
        twins.through.query(f"{sql} /* {mark} */")  # the answers tell of threads and times
        assert twins._trace.where(mark) == {cluster.primary.name}, sql
