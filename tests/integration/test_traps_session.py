"""What proxies get wrong about the state of a session. Each test names its trap of the project's list."""

import pytest

from comparison import VARIABLE_EXCEPTIONS
from sluice import Sluice
from statement_trace import Trace
from twins import PATIENT, Twins, make_ground, text_rows

PRIMARY, REPLICA = "primary", "replica"

GROUND = (
    "CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, v VARCHAR(40), d DATETIME, KEY (v))",
    "INSERT INTO t VALUES (1, 'one', '2001-01-01'), (2, 'two', NULL), (3, 'drei', '2003-03-03 03:03:03')",
    "CREATE TABLE parent (id INT PRIMARY KEY)",
    "CREATE TABLE child (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES parent (id))",
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


def session_variables(client):
    (reply,) = client.query("SHOW SESSION VARIABLES")
    return {name: value for name, value in text_rows(reply) if name not in VARIABLE_EXCEPTIONS}


DIRT = (
    "SET time_zone = '+09:00'", "SET sql_mode = 'ANSI_QUOTES,PIPES_AS_CONCAT'", "SET NAMES latin1", "SET @secret = 'x', @n = 1",
    "SET group_concat_max_len = 7", "SET sql_select_limit = 1", "SET foreign_key_checks = 0, unique_checks = 0", "SET autocommit = 0",
    "SET SESSION TRANSACTION ISOLATION LEVEL READ UNCOMMITTED", "SET div_precision_increment = 1", "SET lc_time_names = 'de_DE'",
    "SET character_set_results = NULL", "SET timestamp = 1000000000", "SET SESSION TRANSACTION READ ONLY", "SET TRANSACTION READ ONLY",
    "CREATE TEMPORARY TABLE t (secret INT)", "PREPARE p FROM 'SELECT 1'", "SELECT GET_LOCK('{s}', 0)", "LOCK TABLES t WRITE", "BEGIN",
    "HANDLER t OPEN", "SET last_insert_id = 99", "INSERT INTO t (v) VALUES ('rolled back')", "USE other", "SELECT * FROM nowhere",
    "SET sql_safe_updates = 1", "SET max_join_size = 1", "SET optimizer_switch = 'index_merge=off'", "SET collation_connection = latin1_bin",
    "SELECT SQL_CALC_FOUND_ROWS * FROM t LIMIT 1", "SET rand_seed1 = 1, rand_seed2 = 2", "SET insert_id = 777",
    "SET @@div_precision_increment = 2", "SET @@sql_mode = 'ANSI_QUOTES', @@time_zone = '+07:00'",
)  # fmt: skip


def test_nothing_that_one_client_set_is_seen_by_the_next(cluster, few_links, ground):
    """Trap 9: a link goes back to what a fresh login has, whatever its last user did to it."""
    with Twins(cluster, few_links, ground) as fresh:
        for number in range(0, len(DIRT), 4):
            for _ in range(3):  # one for each link
                with Twins(cluster, few_links, ground) as dirty:
                    for statement in DIRT[number : number + 4]:
                        dirty.query(statement)
            with Twins(cluster, few_links, ground) as clean:
                assert session_variables(clean.through) == session_variables(clean.direct), DIRT[number : number + 4]
                clean.rows("SELECT @secret, @n, LAST_INSERT_ID(), FOUND_ROWS(), ROW_COUNT(), DATABASE()")
                clean.rows("SHOW WARNINGS")
                clean.rows("SELECT GROUP_CONCAT(id ORDER BY id), CONCAT('a' || 'b', ''), DATE_FORMAT('2001-03-01', '%M') FROM t")
                clean.refused("EXECUTE p")
                clean.ok("UPDATE t SET v = v WHERE id = 1", on=PRIMARY)
                clean.ok("DO RELEASE_LOCK('{s}')")
        fresh.rows("SELECT 1")


LITERALS = ("1", "-1", "1.50", "1e3", "'text'", "X'00ff'", "_latin1 X'e9'", "18446744073709551615", "TRUE", "'it''s'", "''")


def test_user_variables_do_not_pin_a_session(twins):
    """Trap 10: variables set to literals or read back are replayed, with type and charset, where the reads go."""
    for number, literal in enumerate(LITERALS):
        twins.ok(f"SET @v{number} = {literal}")
    every = ", ".join(f"@v{number}" for number in range(len(LITERALS)))
    twins.query(f"SELECT {every}", on=REPLICA)
    twins.query(f"SELECT {', '.join(f'COLLATION(@v{number}), CHARSET(@v{number})' for number in range(len(LITERALS)))}", on=REPLICA)
    twins.ok("SET @v0 = (SELECT MAX(id) FROM t), @v1 := @v0 + 1")
    twins.ok("SELECT v INTO @v2 FROM t WHERE id = 2")
    twins.wait_for_replica()
    twins.query(f"SELECT {every}, @V0", on=REPLICA)
    assert pins(twins) == set()


def test_a_pin_has_a_cause_that_is_told_and_ends_with_it(twins):
    """Trap 10: SHOW SESSIONS says why a session is pinned; when the cause has gone, its reads are split again."""
    assert pins(twins) == set()
    for cause, end, pin in (
        ("LOCK TABLES t READ", "UNLOCK TABLES", "table_lock"),
        ("PREPARE p FROM 'SELECT 1'", "DEALLOCATE PREPARE p", "prepared_text"),
    ):
        twins.ok(cause)
        assert pins(twins) == {pin}
        twins.query("SELECT v FROM t WHERE id = 1", on=PRIMARY)
        twins.ok(end)
        assert pins(twins) == set()
        twins.wait_for_replica()


SETTINGS = (
    "SET unknown_thing = 1", "SET sql_mode = 'NO_SUCH_MODE'", "SET time_zone = 'Mars/Olympus'", "SET NAMES klingon", "SET", "SET @@session.",
    "SET GLOBAL max_connections = 5", "SET version = '1'", "SET SESSION hostname = 'x'", "SET autocommit = 7", "SET CHARACTER SET nothing",
    "SET foreign_key_checks = maybe", "SET @a = unknown_function(1)", "SET ROLE nobody", "SET SESSION server_id = 5",
    "SET sql_log_bin = 0", "SET TRANSACTION ISOLATION LEVEL NONE", "SET a.b = 1", "SET NAMES utf8mb4 COLLATE latin1_bin",
    "SET lc_messages = 'xx'", "SET optimizer_switch = 'nothing=on'", "SET default_storage_engine = MyISAM", "SET wait_timeout = 1000",
    "SET SESSION net_write_timeout = 77", "SET sort_buffer_size = 65536, join_buffer_size = 131072", "SET default_week_format = 3",
    "SET big_tables = 1", "SET lock_wait_timeout = 50", "SET @@session.max_sort_length = 1000", "SET optimizer_search_depth = 10",
    "SET SESSION low_priority_updates = 1", "SET tmp_table_size = 2000000", "SET old_alter_table = ON", "SET profiling = 0",
)  # fmt: skip


def test_every_set_is_the_servers_to_judge(twins):
    """Trap 11: an unknown SET is neither swallowed nor answered with an error of the proxy's own making."""
    for statement in SETTINGS:
        twins.query(statement)
    # MariaDB's trackers do not hear of a name with @@ and no scope.
    for statement in ("SET @@default_week_format = 5", "SET @@sql_select_limit = 7, div_precision_increment = 3, @@net_read_timeout = 77"):
        twins.ok(statement)
    twins.prepare(0, "SET @@net_write_timeout = ?")
    twins.execute(0, ("long", 88))
    twins.wait_for_replica()
    assert session_variables(twins.through) == session_variables(twins.direct)
    for name in (
        "net_write_timeout", "sort_buffer_size", "default_week_format", "max_sort_length", "tmp_table_size", "lock_wait_timeout",
        "sql_select_limit", "net_read_timeout",
    ):  # fmt: skip
        twins.query(f"SELECT @@{name}", on=REPLICA)


def test_the_schema_is_the_one_that_the_server_has_accepted(twins):
    """Trap 12: USE, COM_INIT_DB, DROP DATABASE and multi-statements change it, a missing schema changes nothing."""
    asks = "SELECT DATABASE(), SCHEMA()"
    assert twins.refused("USE nowhere") in (1044, 1049)
    twins.query(asks, on=REPLICA)
    twins.step("init_db", "nowhere")
    twins.query(asks, on=REPLICA)
    twins.query("SELECT v FROM t WHERE id = 1", on=REPLICA)
    for change in ("USE other", "use `other`;", "USE {s}", "USE other; SELECT 1", "SELECT 1; USE {s}; SELECT DATABASE()"):
        twins.ok(change)
        twins.wait_for_replica()
        twins.query(asks, on=REPLICA)
    twins.step("init_db", "other")
    twins.query(asks, on=REPLICA)
    twins.ok("CREATE DATABASE {s}_x; USE {s}_x; DROP DATABASE {s}_x")
    twins.wait_for_replica()
    twins.query(asks, on=REPLICA)
    assert twins.refused("SELECT * FROM t") == 1046
    twins.step("change_user", "{s}", twins.collation)
    twins.query(asks)


def collation(cluster):
    return "utf8mb4_ja_0900_as_cs" if cluster.engine.name == "mysql" else "utf8mb4_unicode_520_nopad_ci"


CHARSETS = (
    "SET NAMES latin1", "SET NAMES utf8mb4 COLLATE {c}", "SET CHARACTER SET latin1", "SET CHARSET 'utf8mb4'", "SET NAMES 'koi8r'",
    "SET character_set_results = NULL", "SET character_set_connection = latin2", "SET collation_connection = {c}",
    "SET @@character_set_client = latin1, character_set_results = utf8mb4", "SET NAMES DEFAULT", "SET character_set_results = cp1251",
    "SET collation_connection = utf8mb4_bin", "SET NAMES binary", "SET NAMES utf8mb4",
)  # fmt: skip


def test_charsets_and_collations_above_255_hold_on_every_backend(cluster, sluice, ground):
    """Trap 13: a collation id above 255 does not fit into the login, SET NAMES … COLLATE carries it."""
    with Twins(cluster, sluice, ground, columns=False) as twins:
        check_charsets(cluster, twins)


def check_charsets(cluster, twins):
    for statement in CHARSETS:
        twins.ok(statement.replace("{c}", collation(cluster)))
        twins.wait_for_replica()
        twins.query(
            "SELECT @@character_set_client, @@character_set_connection, @@character_set_results, @@collation_connection, COLLATION('a')",
            on=REPLICA,
        )
        twins.query("SELECT 'é' = 'E', HEX('é'), LENGTH('é'), v FROM t WHERE id = 1", on=REPLICA)
    twins.ok(f"SET NAMES utf8mb4 COLLATE {collation(cluster)}")
    assert twins.rows("SELECT id > 255 FROM information_schema.collations WHERE collation_name = @@collation_connection")[0] == ("1",)


# A setting, and a read whose answer depends on it.
EFFECTS = (
    ("SET sql_mode = 'ANSI_QUOTES'", 'SELECT "v" FROM t WHERE "id" = 1'), ("SET sql_mode = 'PIPES_AS_CONCAT'", "SELECT 'a' || 'b'"),
    ("SET sql_mode = 'HIGH_NOT_PRECEDENCE'", "SELECT NOT 1 BETWEEN -5 AND 5"), ("SET sql_mode = ''", "SELECT 1 || 0, v FROM t GROUP BY v > 'p'"),
    ("SET time_zone = '+03:00'", "SELECT FROM_UNIXTIME(0)"), ("SET group_concat_max_len = 5", "SELECT GROUP_CONCAT(v ORDER BY id) FROM t"),
    ("SET sql_select_limit = 1", "SELECT id FROM t ORDER BY id"), ("SET sql_select_limit = DEFAULT", "SELECT id FROM t ORDER BY id"),
    ("SET timestamp = 1000000000", "SELECT NOW(), UNIX_TIMESTAMP()"), ("SET timestamp = DEFAULT", "SELECT NOW() > '2020-01-01'"),
    ("SET div_precision_increment = 9", "SELECT 1 / 3"), ("SET lc_time_names = 'fr_FR'", "SELECT DAYNAME('2001-01-01')"),
    ("SET default_week_format = 3", "SELECT WEEK('2008-02-20')"), ("SET max_sort_length = 8", "SELECT @@max_sort_length"),
    ("SET rand_seed1 = 5, rand_seed2 = 6", "SELECT RAND()"), ("SET foreign_key_checks = 0", "SELECT @@foreign_key_checks"),
)  # fmt: skip


def test_settings_shape_the_reads_that_follow_wherever_they_run(cluster, twins):
    """Trap 13: sql_mode, time_zone, group_concat_max_len, sql_select_limit, timestamp, rand_seed1, COM_SET_OPTION …"""
    for setting, read in EFFECTS:
        twins.ok(setting)
        twins.query(read)
    twins.ok("INSERT INTO child VALUES (1, 99)", on=PRIMARY)  # foreign_key_checks = 0
    twins.ok("SET foreign_key_checks = 1")
    assert twins.refused("INSERT INTO child VALUES (2, 99)", on=PRIMARY) == 1452
    twins.ok("SET insert_id = 500")
    twins.ok("INSERT INTO t (v) VALUES ('five hundred')", on=PRIMARY)
    twins.ok("INSERT INTO t (v) VALUES ('and one')", on=PRIMARY)
    assert twins.rows("SELECT id FROM t WHERE id >= 500") == [("500",), ("501",)]
    limit = "max_execution_time = 100" if cluster.engine.name == "mysql" else "max_statement_time = 0.1"
    twins.ok(f"SET {limit}")
    many = ", ".join(f"t AS t{number}" for number in range(18))
    assert twins.refused(f"SELECT COUNT(*) FROM {many} WHERE t0.v <> t1.v OR t17.d IS NULL") in (3024, 1969)
    twins.step("set_option", 1)
    assert twins.refused("SELECT 1; SELECT 2") == 1064
    twins.step("set_option", 0)
    assert len(twins.ok("SELECT 1; SELECT 2")) == 2
