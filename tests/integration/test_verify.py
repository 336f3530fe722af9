"""session.verify_every: a link in another state than its image says is found, closed, and no client's trouble."""

import pymysql
import pytest

from cluster import MONITOR
from process import wait_until
from sluice import Sluice

TEXT = pymysql.cursors.Cursor

# Declared and seen to read, so that Sluice trusts it, and the other one put in its place behind Sluice's back.
HARMLESS = "CREATE FUNCTION app.sly() RETURNS INT READS SQL DATA RETURN 1"
SLY = "CREATE FUNCTION app.sly() RETURNS INT READS SQL DATA BEGIN SET SESSION group_concat_max_len = 99; RETURN 1; END"


@pytest.fixture
def paranoid(cluster):
    seeing = "SHOW_ROUTINE ON *.*" if cluster.primary.engine.name == "mysql" else "SELECT ON mysql.proc"
    for backend in cluster.backends:
        backend.run(["SET GLOBAL log_bin_trust_function_creators = 1"])
    cluster.primary.run([HARMLESS, f"GRANT {seeing} TO '{MONITOR[0]}'@'%'"])
    cluster.wait_caught_up()
    with Sluice(cluster, session={"verify_every": 1}, process={"threads": 1}) as made:
        wait_until(lambda: made.status()["reading_functions"], "the function is known to read")
        yield made
        made.log.write_text("")  # what is in it is what the test wanted
    cluster.primary.run(["DROP FUNCTION app.sly", f"REVOKE {seeing} FROM '{MONITOR[0]}'@'%'"])


def length(connection):
    with connection.cursor() as cursor:
        cursor.execute("SELECT @@group_concat_max_len")
        return cursor.fetchone()[0]


def test_a_link_changed_behind_its_image_is_taken_out(cluster, paranoid):
    with paranoid.connect(cursorclass=TEXT) as connection:
        fresh = length(connection)

    def spoils_a_link():
        cluster.primary.run(["DROP FUNCTION app.sly", HARMLESS])
        cluster.wait_caught_up()
        known = paranoid.status()["reading_functions"]
        cluster.primary.run(["DROP FUNCTION app.sly", SLY])
        cluster.wait_caught_up()
        with paranoid.connect(cursorclass=TEXT) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT sly()")
        for _ in range(6):
            with paranoid.connect(cursorclass=TEXT) as connection:
                assert length(connection) == fresh, "another session's state"
        return known and paranoid.status()["state_mismatches"]

    wait_until(spoils_a_link, "a link was found in a wrong state", 30)
    assert "group_concat_max_len; it is closed" in paranoid.log_text()


def test_links_that_change_hands_are_as_their_image_says(cluster):
    """Sessions with states of all kinds take turns on two links."""
    with Sluice(cluster, session={"verify_every": 1}, pool={"max_links": 2}, process={"threads": 1}) as sluice:
        statements = (
            "SET time_zone = '+03:00', @a = 'x', sql_mode = 'ANSI_QUOTES'", "SET NAMES latin1", "USE other",
            "SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE", "SET @b = 1.50, @c = NULL", "SET autocommit = 0",
            "SET timestamp = 1000000000", "SET SESSION group_concat_max_len = 9", "SELECT 1 INTO @d",
        )  # fmt: skip
        for _ in range(3):
            for statement in statements:
                with sluice.connect(cursorclass=TEXT) as connection, connection.cursor() as cursor:
                    cursor.execute(statement)
                    cursor.execute("SELECT 1")
                    cursor.execute("SELECT 1 FROM DUAL FOR UPDATE")
        status = sluice.status()
        assert status["state_checks"] > 20
        assert status["state_mismatches"] == 0
