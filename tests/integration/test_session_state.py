"""What a session has set is true for all its statements, wherever they run, and for nobody else's."""

import contextlib
import threading

import pymysql
import pytest
from pymysql._auth import scramble_native_password
from pymysql.constants import CLIENT, COMMAND

from prepared import prepare
from process import wait_until
from sluice import Sluice

TEXT = pymysql.cursors.Cursor


@pytest.fixture(scope="module")
def tables(cluster):
    cluster.primary.run([
        "CREATE TABLE app.things (id INT PRIMARY KEY AUTO_INCREMENT, v VARCHAR(40) CHARACTER SET utf8mb4)",
        "CREATE TABLE other.things (id INT PRIMARY KEY, v VARCHAR(40))",
        "INSERT INTO app.things VALUES (1, 'app'), (2, 'zwei'), (3, 'drei')",
        "INSERT INTO other.things VALUES (1, 'other')",
    ])  # fmt: skip
    cluster.wait_caught_up()


@pytest.fixture(scope="module")
def few_links(cluster, tables):
    """A Sluice whose sessions must share a handful of links."""
    with Sluice(cluster, pool={"max_links": 4}) as made:
        yield made


@pytest.fixture
def connection(sluice, tables):
    with sluice.connect(cursorclass=TEXT, client_flag=CLIENT.MULTI_STATEMENTS) as made:
        yield made


def run(connection, statement):
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall()


def value(connection, expression):
    return run(connection, f"SELECT {expression}")[0][0]


def on_replica(connection, expressions):
    """Values as a plain read sees them on a replica; waits until a replica has the session's writes."""

    def read():
        *values, where = run(connection, f"SELECT {expressions}, @@server_id")[0]
        return where in (2, 3) and values

    return wait_until(read, "a replica answers")


def refused(connection, statement):
    with pytest.raises(pymysql.Error) as error:
        run(connection, statement)
    return error.value.args[0]


@pytest.mark.parametrize(
    ("statement", "expression", "expected"),
    (
        ("USE other", "DATABASE()", "other"),
        ("SET NAMES latin1", "@@character_set_client", "latin1"),
        ("SET NAMES utf8mb4 COLLATE utf8mb4_bin", "@@collation_connection", "utf8mb4_bin"),
        ("SET time_zone = '+05:30'", "@@time_zone", "+05:30"),
        ("SET sql_mode = 'ANSI_QUOTES'", "@@sql_mode", "ANSI_QUOTES"),
        ("SET SESSION group_concat_max_len = 7", "@@group_concat_max_len", 7),
        ("SET sql_select_limit = 2", "@@sql_select_limit", 2),
        ("SET @@session.foreign_key_checks = 0, div_precision_increment = 9", "@@div_precision_increment", 9),
        ("SET lc_time_names = 'de_DE'", "@@lc_time_names", "de_DE"),
        ("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED", "@@sql_auto_is_null", 0),
    ),
)
def test_what_a_session_sets_holds_for_its_reads_on_replicas(sluice, connection, statement, expression, expected):
    run(connection, statement)
    assert on_replica(connection, expression) == [expected]
    run(connection, "BEGIN")
    assert value(connection, expression) == expected
    run(connection, "COMMIT")
    assert on_replica(connection, expression) == [expected]


def test_a_variable_set_back_to_default_is_so_on_replicas(sluice, connection):
    before = on_replica(connection, "@@group_concat_max_len")
    run(connection, "SET group_concat_max_len = 9")
    assert on_replica(connection, "@@group_concat_max_len") == [9]
    run(connection, "SET group_concat_max_len = DEFAULT")
    assert on_replica(connection, "@@group_concat_max_len") == before


def test_group_concat_is_cut_where_the_session_said(sluice, connection):
    run(connection, "SET group_concat_max_len = 5")
    assert value(connection, "GROUP_CONCAT(v) FROM things") == "app,z"


def test_a_read_in_another_time_zone_is_in_that_time_zone(sluice, connection):
    run(connection, "SET time_zone = '-03:00'")
    assert on_replica(connection, "FROM_UNIXTIME(0)")[0].isoformat() == "1969-12-31T21:00:00"


def test_ansi_quotes_change_what_is_a_name_and_what_a_string(sluice, connection):
    run(connection, "SET sql_mode = 'ANSI_QUOTES'")
    assert run(connection, 'SELECT "v" FROM "things" WHERE id = 1') == (("app",),)
    run(connection, "SET sql_mode = ''")
    assert run(connection, 'SELECT "v" FROM things WHERE id = 1') == (("v",),)


def test_text_travels_in_the_charset_of_the_session(sluice, tables):
    with sluice.connect(cursorclass=TEXT, charset="latin1") as latin, sluice.connect(cursorclass=TEXT) as utf:
        run(latin, "INSERT INTO things VALUES (50, 'Grüße')")
        assert run(latin, "SELECT v, HEX(v) FROM things WHERE id = 50") == (("Grüße", "4772C3BCC39F65"),)
        assert wait_until(lambda: run(utf, "SELECT v FROM things WHERE id = 50"), "it is replicated") == (("Grüße",),)


def test_use_of_a_missing_schema_is_an_error_and_changes_nothing(sluice, connection):
    assert refused(connection, "USE nowhere") in (1044, 1049)
    assert on_replica(connection, "DATABASE()") == ["app"]
    with pytest.raises(pymysql.Error) as error:
        connection.select_db("nowhere")
    assert error.value.args[0] in (1044, 1049)
    assert on_replica(connection, "DATABASE()") == ["app"]
    connection.select_db("other")
    assert run(connection, "SELECT v FROM things") == (("other",),)


def test_a_session_without_a_schema_has_none_whoever_used_the_link_before(few_links):
    with few_links.connect(cursorclass=TEXT) as connection:
        on_replica(connection, "DATABASE()")
    with few_links.connect(cursorclass=TEXT, database=None) as connection:
        for _ in range(8):
            assert on_replica(connection, "DATABASE()") == [None]
        assert refused(connection, "SELECT v FROM things") == 1046


def test_dropping_the_current_schema_leaves_none(sluice, connection):
    run(connection, "CREATE DATABASE test_dropped")
    run(connection, "USE test_dropped")
    run(connection, "DROP DATABASE test_dropped")
    assert value(connection, "DATABASE()") is None


def test_a_multi_statement_may_change_the_schema(sluice, connection):
    with connection.cursor() as cursor:
        cursor.execute("USE other; SELECT 1")
        cursor.nextset()
    assert run(connection, "SELECT v FROM things") == (("other",),)


def test_state_never_leaks_to_another_session(few_links):
    """Forty sessions with states of their own take turns on four links."""
    failures = []
    settings = [
        ("SET time_zone = '+{:02}:00'", "@@time_zone", "+{:02}:00"),
        ("SET group_concat_max_len = 10{:02}", "@@group_concat_max_len", "10{:02}"),
        ("SET sql_mode = 'ANSI_QUOTES'", "@@sql_mode", "ANSI_QUOTES"),
        ("USE other", "DATABASE()", "other"),
        ("SET NAMES latin1", "@@character_set_client", "latin1"),
        ("SET @mine = {}", "@mine", "{}"),
    ]
    every = "@@time_zone, @@group_concat_max_len, @@sql_mode, DATABASE(), @@character_set_client"

    def session(number):
        try:
            with few_links.connect(cursorclass=TEXT) as connection:
                clean = run(connection, f"SELECT {every}")
                if clean != fresh:
                    failures.append(f"a fresh session saw {clean}")
                statement, expression, expected = settings[number % (len(settings) - 1)]
                expected = expected.format(number % 12)
                run(connection, statement.format(number % 12))
                for _ in range(10):
                    seen = str(value(connection, expression))
                    if seen != expected:
                        failures.append(f"{expression} is {seen} instead of {expected}")
        except Exception as error:
            failures.append(repr(error))

    with few_links.connect(cursorclass=TEXT) as connection:
        fresh = run(connection, f"SELECT {every}")
    for _ in range(3):
        threads = [threading.Thread(target=session, args=(number,)) for number in range(40)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not failures


def test_many_sessions_share_few_links(few_links):
    with contextlib.ExitStack() as stack:
        sessions = [stack.enter_context(few_links.connect(cursorclass=TEXT)) for _ in range(20)]
        for number, session in enumerate(sessions):
            run(session, f"SET time_zone = '+00:{number:02}'")
        for _ in range(3):
            for number, session in enumerate(sessions):
                assert on_replica(session, "@@time_zone") == [f"+00:{number:02}"]
        assert all(row["links"] <= 4 for row in few_links.backends().values())


def test_user_variables_keep_their_values(sluice, connection):
    run(connection, "SET @a = 5, @b = 'text'")
    assert run(connection, "SELECT @a, @b, @a + 1") == ((5, "text", 6),)
    assert value(connection, "@A") == 5
    run(connection, "SELECT COUNT(*) FROM things")
    assert value(connection, "@a") == 5
    run(connection, "SELECT v INTO @c FROM things WHERE id = 2")
    assert value(connection, "@c") == "zwei"
    run(connection, "UPDATE things SET v = (@d := v) WHERE id = 3")
    assert value(connection, "@d") == "drei"


def test_user_variables_of_another_session_are_unset(few_links):
    with few_links.connect(cursorclass=TEXT) as connection:
        run(connection, "SET @secret = 42")
    for _ in range(8):
        with few_links.connect(cursorclass=TEXT) as connection:
            assert value(connection, "@secret") is None


def test_temporary_tables_are_seen_by_their_session_and_shadow_real_ones(sluice, connection):
    run(connection, "CREATE TEMPORARY TABLE things (v VARCHAR(9))")
    run(connection, "INSERT INTO things VALUES ('shadow')")
    assert run(connection, "SELECT v FROM things") == (("shadow",),)
    assert prepare(connection, "SELECT v FROM things").execute() == [("shadow",)]
    with sluice.connect(cursorclass=TEXT) as other:
        assert run(other, "SELECT v FROM things WHERE id = 1") == (("app",),)
    run(connection, "DROP TEMPORARY TABLE things")
    assert run(connection, "SELECT v FROM things WHERE id = 1") == (("app",),)


def test_a_temporary_table_made_by_a_prepared_statement_counts(sluice, connection):
    prepare(connection, "CREATE TEMPORARY TABLE brief (n INT)").execute()
    run(connection, "INSERT INTO brief VALUES (1), (2)")
    assert run(connection, "SELECT COUNT(*) FROM brief") == ((2,),)


def test_a_temporary_table_dies_with_its_session(few_links):
    with few_links.connect(cursorclass=TEXT) as connection:
        run(connection, "CREATE TEMPORARY TABLE mortal (n INT)")
    for _ in range(8):
        with few_links.connect(cursorclass=TEXT) as connection:
            assert refused(connection, "SELECT * FROM mortal") == 1146


def test_last_insert_id_is_the_sessions_own_wherever_reads_went_since(sluice, connection):
    run(connection, "INSERT INTO things (v) VALUES ('counted')")
    ours = connection.insert_id()
    assert ours > 0
    assert value(connection, "LAST_INSERT_ID()") == ours
    for _ in range(3):
        run(connection, "SELECT v FROM things WHERE id = 1")
        assert value(connection, "LAST_INSERT_ID() AS id") == ours
    with sluice.connect(cursorclass=TEXT) as other:
        run(other, "INSERT INTO things (v) VALUES ('other')")
        assert value(other, "LAST_INSERT_ID()") != ours
    assert prepare(connection, "SELECT LAST_INSERT_ID()").execute() == [(ours,)]
    assert run(connection, "SELECT v FROM things WHERE id = LAST_INSERT_ID()") == (("counted",),)


def test_last_insert_id_survives_the_loss_of_the_link_to_others(few_links):
    with contextlib.ExitStack() as stack:
        sessions = [stack.enter_context(few_links.connect(cursorclass=TEXT)) for _ in range(8)]
        ids = []
        for session in sessions:
            run(session, "INSERT INTO things (v) VALUES ('many')")
            ids.append(session.insert_id())
        assert len(set(ids)) == len(ids)
        for session, expected in zip(sessions, ids, strict=True):
            assert value(session, "LAST_INSERT_ID()") == expected


def test_row_count_is_that_of_the_statement_before(sluice, connection):
    run(connection, "UPDATE things SET v = CONCAT(v, '!') WHERE id IN (2, 3)")
    assert value(connection, "ROW_COUNT()") == 2
    run(connection, "SELECT v FROM things WHERE id = 1")
    assert value(connection, "ROW_COUNT()") == -1
    run(connection, "UPDATE things SET v = TRIM('!' FROM v) WHERE id IN (2, 3)")
    assert value(connection, "ROW_COUNT()") == 2


def test_found_rows_is_that_of_the_statement_before(sluice, connection):
    run(connection, "SELECT SQL_CALC_FOUND_ROWS id FROM things WHERE id <= 3 LIMIT 1")
    assert value(connection, "FOUND_ROWS()") == 3
    run(connection, "SELECT id FROM things WHERE id <= 2")
    assert value(connection, "FOUND_ROWS()") == 2


def test_warnings_are_those_of_the_statement_before(sluice, connection):
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 + 'x1'")
        assert cursor.fetchall() == ((1.0,),)
        warnings = connection._result.warning_count
    assert warnings == 1
    assert run(connection, "SHOW WARNINGS")[0][1] == 1292
    assert value(connection, "@@warning_count") >= 0
    run(connection, "SELECT v FROM things WHERE id = 1")
    assert run(connection, "SHOW WARNINGS") == ()
    run(connection, "DROP TABLE IF EXISTS never_was")
    assert run(connection, "SHOW WARNINGS")[0][1] == 1051
    assert refused(connection, "SELECT nothing FROM things") == 1054
    assert run(connection, "SHOW ERRORS")[0][1] == 1054


def test_diagnostics_tell_of_the_statement_before(sluice, connection):
    assert refused(connection, "SELECT * FROM never_was") == 1146
    run(connection, "GET DIAGNOSTICS CONDITION 1 @code = MYSQL_ERRNO")
    assert value(connection, "@code") == 1146


def test_text_prepared_statements_belong_to_their_session(sluice, connection):
    run(connection, "SET @sql = 'SELECT v FROM things WHERE id = ?', @id = 1")
    run(connection, "PREPARE p FROM @sql")
    assert run(connection, "EXECUTE p USING @id") == (("app",),)
    run(connection, "DEALLOCATE PREPARE p")
    assert refused(connection, "EXECUTE p USING @id") == 1243


def test_a_prepared_statement_runs_where_its_session_is(sluice, connection):
    statement = prepare(connection, "SELECT @@server_id, v FROM things WHERE id = ?")
    assert statement.execute(1)[0][0] in (2, 3)
    run(connection, "BEGIN")
    assert statement.execute(1) == [(1, "app")]
    run(connection, "COMMIT")
    assert statement.execute(2, bind=False)[0][0] in (2, 3)
    assert statement.execute(2, bind=False)[0][1] == "zwei"


def test_a_prepared_statement_means_the_schema_it_was_prepared_in(sluice, connection):
    statement = prepare(connection, "SELECT v FROM things WHERE id = ?")
    run(connection, "USE other")
    assert statement.execute(1) == [("app",)]
    assert run(connection, "SELECT v FROM things WHERE id = 1") == (("other",),)


def test_a_closed_prepared_statement_is_unknown(sluice, connection):
    statement = prepare(connection, "SELECT 1")
    statement.close()
    with pytest.raises(pymysql.Error) as error:
        statement.execute()
    assert error.value.args[0] == 1243


def reset(connection):
    connection._execute_command(0x1F, b"")
    connection._read_ok_packet()


def change_user(connection, user, password, database):
    """COM_CHANGE_USER with mysql_native_password."""
    scramble = scramble_native_password(password, connection.salt[:20])
    body = user + b"\0" + bytes([len(scramble)]) + scramble + database + b"\0" + b"\x2d\0" + b"mysql_native_password\0"
    connection._execute_command(COMMAND.COM_CHANGE_USER, body)
    packet = connection._read_packet()
    if packet.is_auth_switch_request():
        connection.password = password
        packet.read_uint8()
        plugin = packet.read_string()
        packet = connection._process_auth(plugin, packet)
    return packet


def leave_traces(connection):
    run(connection, "SET @a = 1, time_zone = '+01:00'")
    run(connection, "SET NAMES latin1")
    run(connection, "CREATE TEMPORARY TABLE traces (n INT)")
    run(connection, "SELECT GET_LOCK('traces', 0)")
    run(connection, "INSERT INTO things (v) VALUES ('traces')")
    run(connection, "BEGIN")
    run(connection, "UPDATE things SET v = 'uncommitted' WHERE id = 1")


def assert_clean(sluice, connection):
    assert on_replica(connection, "@@time_zone, @@autocommit") == ["SYSTEM", 1]
    assert value(connection, "@a") is None
    assert value(connection, "LAST_INSERT_ID()") == 0
    assert refused(connection, "SELECT * FROM traces") == 1146
    assert run(connection, "SELECT v FROM things WHERE id = 1") == (("app",),)
    with sluice.connect(cursorclass=TEXT) as other:
        assert value(other, "GET_LOCK('traces', 5)") == 1


def test_reset_connection_clears_what_a_server_clears(sluice, connection):
    statement = prepare(connection, "SELECT 1")
    leave_traces(connection)
    reset(connection)
    assert_clean(sluice, connection)
    assert on_replica(connection, "DATABASE()") == ["app"]
    with pytest.raises(pymysql.Error) as error:
        statement.execute()
    assert error.value.args[0] == 1243


def test_change_user_clears_what_a_server_clears(sluice, connection):
    leave_traces(connection)
    assert change_user(connection, b"app", b"apppw", b"other").is_ok_packet()
    assert on_replica(connection, "DATABASE()") == ["other"]
    run(connection, "USE app")
    assert_clean(sluice, connection)


def test_change_user_with_a_wrong_password_is_refused(sluice, connection):
    with pytest.raises(pymysql.Error) as error:
        change_user(connection, b"app", b"wrong", b"app")
    assert error.value.args[0] == 1045
