"""What proxies get wrong about prepared statements. Each test names its trap of the project's list."""

import contextlib
import struct

import pytest

from process import wait_until
from sluice import Sluice
from statement_trace import Trace
from twins import PATIENT, Twins, make_ground

PRIMARY, REPLICA = "primary", "replica"
PREPARE, EXECUTE, CLOSE, PING = 0x16, 0x17, 0x19, 0x0E
CURSOR = 1

GROUND = (
    "CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, v VARCHAR(40), b LONGBLOB)",
    "INSERT INTO t (v) VALUES ('one'), ('two'), ('three'), ('four'), ('five')",
    "CREATE PROCEDURE p(n INT) BEGIN SELECT v FROM t WHERE id = n; SELECT n + 1; END",
)


@pytest.fixture(scope="module")
def sluice(cluster):
    with Sluice(cluster, **PATIENT) as made:
        yield made


@pytest.fixture(scope="module")
def few_links(cluster):
    with Sluice(cluster, **PATIENT, pool={"max_links": 2}, process={"threads": 1}) as made:
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


def test_a_statement_runs_on_any_backend_under_the_clients_own_id(twins):
    """Trap 19: ids are a link's own; on a new link the statement is prepared again, wherever the session is."""
    for slot in range(5):
        twins.prepare(slot, f"SELECT v, ? + {slot} FROM t WHERE id = ?")
    for _ in range(3):
        for slot in (4, 0, 2):
            twins.execute(slot, ("long", 1), ("long", 2), on=REPLICA)
        twins.ok("BEGIN")
        for slot in (1, 3, 0):
            twins.execute(slot, ("long", 1), ("long", 2), on=PRIMARY)
        twins.ok("COMMIT")
        twins.ok("SET time_zone = '+02:00'")


def test_types_go_along_to_a_new_link_though_the_client_sends_them_once(twins):
    """Trap 19: a client may say "types as before"; a link that has not seen them must be told all the same."""
    twins.prepare(0, "SELECT ?, ?, v FROM t WHERE id = ?")
    values = (("var_string", "x"), ("null", None), ("utiny", 200))
    twins.execute(0, *values[:2], ("tiny", 3), on=REPLICA)
    for _ in range(4):
        twins.execute(0, *values[:2], ("tiny", 2), bind=False, on=REPLICA)
    twins.ok("BEGIN")
    twins.execute(0, *values[:2], ("tiny", 1), bind=False, on=PRIMARY)
    twins.ok("COMMIT")
    twins.execute(0, ("double", 1.5), ("longlong", -1), ("long", 2), on=REPLICA)
    twins.execute(0, ("double", 2.5), ("longlong", 7), ("long", 1), bind=False, on=REPLICA)


def test_long_data_comes_before_the_execute_and_is_not_answered(twins):
    """Trap 19: COM_STMT_SEND_LONG_DATA gets no reply, is gathered in pieces, and is forgotten by RESET."""
    twins.prepare(0, "INSERT INTO t (v, b) VALUES (?, ?)")
    twins.prepare(1, "SELECT LENGTH(?), SHA2(?, 256), v FROM t WHERE id = 1")
    for piece in (b"a" * 1000, b"\0\xff" * 70000, b""):
        twins.step("long_data", 0, 1, piece)
    twins.execute(0, ("varchar", "long"), ("blob", b""))
    assert twins.rows("SELECT LENGTH(b), SHA2(b, 256) FROM t WHERE v = 'long'")[0][0] == "141000"
    twins.step("long_data", 1, 0, b"xyz")
    twins.query("SELECT 1")
    twins.execute(1, ("blob", b""), ("blob", b"z"))
    twins.step("long_data", 1, 0, b"forgotten")
    twins.step("reset_statement", 1)
    twins.execute(1, ("blob", b"now"), ("blob", b"z"))
    twins.step("long_data", 5, 0, b"to no statement")  # no answer, not even an error
    twins.step("long_data", 1, 9, b"to no parameter")
    twins.execute(1, ("blob", b"now"), ("blob", b"z"))
    twins.ok("DELETE FROM t WHERE v = 'long'")


def test_close_is_not_answered_and_ends_the_statement(twins):
    """Trap 19: COM_STMT_CLOSE gets no reply; the id is unknown afterwards."""
    twins.prepare(0, "SELECT v FROM t WHERE id = ?")
    number = twins.through._statements[0]
    twins.step("close_statement", 0)
    twins.query("SELECT 1", on=REPLICA)
    twins.through._statements[0] = number
    (reply,) = twins.through.execute(0, (("long", 1),))
    assert (reply["kind"], reply["code"], reply["state"]) == ("err", 1243, "HY000")
    twins.through._statements.clear()


def test_a_cursor_is_fetched_from_the_link_that_opened_it(twins):
    """Trap 20: COM_STMT_FETCH belongs to the link of its execute, whatever runs in between; RESET closes the cursor."""
    twins.prepare(0, "SELECT id, v FROM t ORDER BY id")
    twins.prepare(1, "SELECT v FROM t WHERE id = ?")
    twins.execute(0, cursor=CURSOR)
    twins.step("fetch", 0, 2)
    twins.query("SELECT COUNT(*) FROM t")
    twins.execute(1, ("long", 4))
    twins.step("fetch", 0, 1)
    twins.step("fetch", 0, 100)
    twins.step("fetch", 0, 1)
    twins.execute(0, cursor=CURSOR)
    twins.step("fetch", 0, 1)
    twins.step("reset_statement", 0)
    twins.step("fetch", 0, 1)
    twins.ok("BEGIN")
    twins.execute(0, cursor=CURSOR)
    twins.step("fetch", 0, 3)
    twins.ok("COMMIT")
    twins.step("fetch", 0, 1)
    twins.step("reset_statement", 0)
    twins.wait_for_replica()
    twins.execute(1, ("long", 4), on=REPLICA)


def test_an_open_cursor_hinders_no_write_and_ends_with_its_last_row(twins):
    """Trap 20: what is written while a cursor is open reaches the primary; several cursors end one by one."""
    for slot in (0, 1):
        twins.prepare(slot, f"SELECT id, v FROM t ORDER BY id DESC LIMIT {slot + 2}")
    twins.prepare(2, "UPDATE t SET v = v WHERE id = ?")
    for slot in (0, 1):
        twins.execute(slot, cursor=CURSOR)
    twins.step("fetch", 0, 1)
    twins.query("UPDATE t SET v = v WHERE id = 1", on=PRIMARY)
    twins.execute(2, ("long", 2), on=PRIMARY)
    twins.step("fetch", 0, 5)
    twins.step("fetch", 0, 5)
    twins.step("fetch", 1, 1)
    twins.query("DELETE FROM t WHERE id = 99", on=PRIMARY)
    twins.step("fetch", 1, 5)
    twins.wait_for_replica()
    twins.query("SELECT v FROM t WHERE id = 1", on=REPLICA)


def prepared_count(cluster):
    return [int(b.sql("SHOW GLOBAL STATUS LIKE 'Prepared_stmt_count'")[0]["Value"]) for b in cluster.backends]


def test_statements_of_one_text_share_one_on_the_server(cluster, few_links, ground):
    """Trap 21: max_prepared_stmt_count is finite: one server statement for each text and link, none for nobody."""
    before = sum(prepared_count(cluster))
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(Twins(cluster, few_links, ground)).through for _ in range(6)]
        for client in clients:
            for slot in range(12):
                client.prepare(slot, "SELECT v FROM t WHERE id = ?")
                client.execute(slot, (("long", 1),))
        # Two links to each of three backends; the six direct twins have prepared nothing.
        assert sum(prepared_count(cluster)) - before <= 6


def test_what_is_prepared_beyond_a_links_budget_still_works(cluster, sluice, ground):
    """Trap 21: a thousand texts at once, closed or not, stay far below max_prepared_stmt_count, and all of them run."""
    before = max(prepared_count(cluster))
    with Twins(cluster, sluice, ground) as twins:
        client = twins.through
        for number in range(1000):
            client.prepare(number, f"SELECT v, {number} AS n FROM t WHERE id = ?")
            client.execute(number, (("long", 1),))
        assert max(prepared_count(cluster)) - before <= 1000
        for number in range(0, 1000, 37):
            (reply,) = client.execute(number, (("long", 2),))
            (row,) = reply["rows"]
            assert row.startswith(b"\0\0\x03two") and int.from_bytes(row[6:], "little") == number
    wait_until(lambda: max(prepared_count(cluster)) - before < 600, "what nobody needs is closed")


CHANGES = (
    ("ALTER TABLE made ADD c INT DEFAULT 7", "SELECT * FROM made"), ("ALTER TABLE made DROP a", "SELECT * FROM made"),
    ("ALTER TABLE made MODIFY a VARCHAR(30)", "SELECT a FROM made"), ("DROP TABLE made", "SELECT a FROM made"),
    ("RENAME TABLE made TO made2, t2 TO made", "SELECT * FROM made"), ("CREATE OR REPLACE VIEW w AS SELECT 1 AS x, 2 AS y", "SELECT * FROM w"),
)  # fmt: skip


@pytest.mark.parametrize("change, read", CHANGES, ids=lambda text: text)
def test_a_schema_change_under_a_prepared_statement_is_noticed(twins, change, read):
    """Trap 22: the columns that a prepared statement gives are those of the table as it is now."""
    for statement in (
        "DROP TABLE IF EXISTS made, made2, t2", "DROP VIEW IF EXISTS w", "CREATE TABLE made (a INT, b INT)", "CREATE TABLE t2 (z VARCHAR(9))",
        "CREATE VIEW w AS SELECT 1 AS x", "INSERT INTO made VALUES (1, 2)", "INSERT INTO t2 VALUES ('t2')",
    ):  # fmt: skip
        twins.ok(statement)
    twins.wait_for_replica()
    twins.prepare(0, read)
    twins.execute(0)
    twins.ok(change)
    twins.wait_for_replica()
    twins.execute(0)
    twins.execute(0)


CLASSIFIED = (
    ("SELECT v FROM t WHERE id = ? FOR UPDATE", PRIMARY), ("SELECT v FROM t WHERE id = ? LOCK IN SHARE MODE", PRIMARY),
    ("UPDATE t SET v = v WHERE id = ?", PRIMARY), ("SELECT v INTO @v FROM t WHERE id = ?", PRIMARY), ("CALL p(?)", PRIMARY),
    ("SELECT GET_LOCK('{s}', ?)", PRIMARY), ("DO RELEASE_LOCK(CONCAT('{s}', ?))", PRIMARY), ("SELECT v FROM t WHERE id = ?", REPLICA),
    ("SELECT 'FOR UPDATE', ?", REPLICA),
)  # fmt: skip


def test_a_statement_is_classified_when_it_is_prepared(cluster, sluice, ground):
    """Trap 22: prepared here and executed there, FOR UPDATE and CALL still run on the primary."""
    for sql, on in CLASSIFIED:
        with Twins(cluster, sluice, ground) as twins:
            twins.prepare(0, sql)
            twins.query("SELECT v FROM t WHERE id = 1", on=REPLICA)
            twins.execute(0, ("long", 1), on=on)


def raw(command, payload):
    return struct.pack("<I", len(payload) + 1) + bytes([command]) + payload


def test_clients_that_pipeline_prepare_execute_and_close_get_their_answers_in_order(cluster, sluice, ground):
    """Trap 22: commands sent before the answers to earlier ones: executes, closes, queries and errors among them."""
    with Twins(cluster, sluice, ground) as twins:
        for client in (twins.direct, twins.through):
            client.prepare(0, "SELECT v FROM t WHERE id = 1")
            client.prepare(1, "SELECT COUNT(*) FROM t")
            first, second = (struct.pack("<I", client._statements[slot]) for slot in (0, 1))
            burst = b"".join((
                raw(EXECUTE, first + b"\0\1\0\0\0"), raw(0x03, b"SELECT 'between'"), raw(EXECUTE, second + b"\0\1\0\0\0"), raw(CLOSE, first),
                raw(EXECUTE, first + b"\0\1\0\0\0"), raw(PING, b""), raw(PREPARE, b"SELECT nothing FROM t"), raw(EXECUTE, second + b"\0\1\0\0\0"),
                raw(CLOSE, second), raw(0x03, b"SELECT 'last'"),
            ))  # fmt: skip
            client._packets._socket.sendall(burst)
            answers = []
            for kind in ("results", "results", "results", "results", "single", "prepared", "results", "results"):
                client._packets._sequence = 1
                answers.append(getattr(client._replies, kind)())
            assert [row[-3:] for row in answers[0][0]["rows"]] == [b"one"]
            assert answers[1][0]["rows"] == [b"\x07between"]
            assert answers[3][0]["code"] == 1243 and answers[4]["kind"] == "ok" and answers[5][0]["code"] == 1054
            assert answers[2][0]["rows"] == answers[6][0]["rows"] and answers[7][0]["rows"] == [b"\x04last"]


TEXT_STEPS = (
    "PREPARE one FROM 'SELECT v, ? FROM t WHERE id = ?'", "SET @x = 'x', @id = 2", "EXECUTE one USING @x, @id", "EXECUTE one USING @id, @id",
    "EXECUTE one", "SET @sql = CONCAT('SELECT ', '40 + ?')", "PREPARE two FROM @sql", "SET @a = 2", "EXECUTE two USING @a", "EXECUTE ONE USING @a, @a",
    "PREPARE one FROM 'SELECT \"again\"'", "EXECUTE one", "PREPARE three FROM 'UPDATE t SET v = v WHERE id = ?'", "EXECUTE three USING @id",
    "PREPARE bad FROM 'SELECT nothing FROM t'", "EXECUTE bad", "PREPARE two FROM 'SELECT syntax error here'", "EXECUTE two USING @a",
    "PREPARE four FROM 'SET @set_by_four = 4'", "EXECUTE four", "SELECT @set_by_four", "PREPARE five FROM 'SELECT LAST_INSERT_ID()'", "EXECUTE five",
    "DEALLOCATE PREPARE one", "EXECUTE one", "DROP PREPARE three", "DROP PREPARE three", "DEALLOCATE PREPARE four", "DEALLOCATE PREPARE five",
)  # fmt: skip


def test_text_prepare_and_execute_work_as_on_one_connection(twins):
    """Trap 23: PREPARE … FROM @v, EXECUTE … USING @a, DEALLOCATE, also wrong ones; afterwards reads are split again."""
    for statement in TEXT_STEPS:
        twins.query(statement)
    twins.query("SELECT @x, @id, @sql, @a, v FROM t WHERE id = @id")
    with Twins(twins._trace.cluster, twins.sluice, twins._trace) as other:
        assert other.refused("EXECUTE two USING @a") == 1243


def test_what_text_execute_runs_decides_where_it_runs(twins):
    """Trap 23: EXECUTE of a write is a write, whatever it looks like."""
    twins.ok("SET @sql = 'DELETE FROM t WHERE id = ?', @id = 999")
    twins.ok("PREPARE d FROM @sql")
    twins.ok("EXECUTE d USING @id", on=PRIMARY)
    twins.ok("PREPARE d FROM 'SELECT v FROM t WHERE id = ? FOR UPDATE'")
    twins.ok("EXECUTE d USING @id", on=PRIMARY)


def test_reads_are_still_split_after_all_that_an_application_does(cluster, sluice, ground):
    """Trap 10, 13, 21: after SET @a, sql_mode, NAMES, USE and with 50 open statements, SHOW BACKENDS counts the reads on replicas."""
    with Twins(cluster, sluice, ground) as twins:
        for statement in (
            "SET @a = 1, @b = 'text'", "SET sql_mode = 'ANSI_QUOTES,PIPES_AS_CONCAT'", "SET NAMES utf8mb4", "USE other", "USE {s}", "SET time_zone = '+01:00'",
            "SET NAMES latin1",
        ):  # fmt: skip
            twins.ok(statement)
        for slot in range(50):
            twins.prepare(slot, f"SELECT v || ?, @a + {slot}, {slot} FROM t WHERE id = ?")
        before = sluice.backends()
        for number in range(100):
            twins.query(f'SELECT "v" || @b, @a, @@time_zone, DATABASE(), @@character_set_client FROM t WHERE id = {number % 5 + 1}')
            twins.execute(number % 50, ("varchar", "!"), ("long", number % 5 + 1))
        after = sluice.backends()
        reads = {name: after[name]["reads"] - before[name]["reads"] for name in after}
        assert reads["db1"] == 0 and reads["db2"] + reads["db3"] >= 200, reads
        assert not any(row["pins"] for row in sluice.admin("SHOW SESSIONS"))


def test_an_unknown_statement_is_refused_in_the_servers_words(twins):
    """Trap 19: execute, fetch and reset of an id that was never given; the session goes on."""
    twins.step("execute", 3, ())
    twins.step("fetch", 3, 1)
    twins.step("reset_statement", 3)
    twins.step("close_statement", 3)
    twins.query("SELECT v FROM t WHERE id = 1", on=REPLICA)
