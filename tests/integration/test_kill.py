"""Connection ids: the same wherever a session's statements run, and what KILL hits by them."""

import threading
import time

import pymysql
import pytest

from process import wait_until
from sluice import Sluice

TEXT = pymysql.cursors.Cursor


@pytest.fixture(scope="module")
def tables(cluster):
    cluster.primary.run([
        "CREATE TABLE app.things (id INT PRIMARY KEY, v VARCHAR(40))",
        "INSERT INTO app.things VALUES (1, 'one')",
    ])  # fmt: skip
    cluster.wait_caught_up()


@pytest.fixture(scope="module")
def few_links(cluster, tables):
    """A Sluice whose sessions must share a handful of links."""
    with Sluice(cluster, pool={"max_links": 4}) as made:
        yield made


@pytest.fixture
def connection(sluice, tables):
    with sluice.connect(cursorclass=TEXT) as made:
        yield made


def run(connection, statement):
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall()


def value(connection, expression):
    return run(connection, f"SELECT {expression}")[0][0]


def test_the_connection_id_is_one_and_the_same_everywhere(sluice, connection):
    ours = connection.thread_id()
    assert value(connection, "CONNECTION_ID()") == ours
    run(connection, "SELECT COUNT(*) FROM things")
    assert value(connection, "CONNECTION_ID() AS id") == ours
    run(connection, "BEGIN")
    assert value(connection, "CONNECTION_ID()") == ours
    run(connection, "COMMIT")


class Sleeper:
    """A session that runs a long statement in a thread, to be killed."""

    def __init__(self, sluice, statement):
        self.connection = sluice.connect(cursorclass=TEXT)
        self.id = self.connection.thread_id()
        self.answer = None
        self._thread = threading.Thread(target=self._run, args=(statement,))
        self._thread.start()
        self._sluice = sluice
        wait_until(lambda: self._busy(), "the long statement runs")

    def _busy(self):
        return any(row["id"] == self.id and row["busy"] for row in self._sluice.admin("SHOW SESSIONS"))

    def _run(self, statement):
        try:
            self.answer = run(self.connection, statement)
        except pymysql.Error as error:
            self.answer = error

    def result(self):
        self._thread.join(20)
        assert not self._thread.is_alive(), "it still runs"
        return self.answer


SLOW_READ = "SELECT SLEEP(15) FROM things LIMIT 1"
SLOW_WRITE = "UPDATE things SET v = v WHERE id = 1 AND SLEEP(15) = 0"


def was_interrupted(answer):
    """An interrupted SLEEP() says 1, or the statement ends with 1317."""
    return answer == ((1,),) or (isinstance(answer, pymysql.Error) and answer.args[0] == 1317)


@pytest.mark.parametrize("statement", (SLOW_READ, SLOW_WRITE))
def test_kill_query_ends_the_statement_of_that_session_and_of_no_other(sluice, connection, statement):
    victim, bystander = Sleeper(sluice, statement), Sleeper(sluice, "SELECT SLEEP(2) + 7")
    started = time.monotonic()
    run(connection, f"KILL QUERY {victim.id}")
    assert was_interrupted(victim.result())
    assert time.monotonic() - started < 10
    assert value(victim.connection, "1") == 1  # its session goes on
    assert bystander.result() == ((7,),)


def test_process_kill_ends_the_session(sluice, connection):
    victim = Sleeper(sluice, SLOW_READ)
    connection.kill(victim.id)
    answer = victim.result()
    assert isinstance(answer, pymysql.Error) or was_interrupted(answer)
    with pytest.raises(pymysql.Error):
        run(victim.connection, "SELECT 1")
    assert value(connection, "1") == 1


def test_kill_of_an_unknown_session_says_so(sluice, connection):
    with pytest.raises(pymysql.Error) as refused:
        run(connection, "KILL 4000000000")
    assert refused.value.args[0] == 1094


def test_a_kill_between_statements_does_not_hit_the_next_user_of_the_link(few_links):
    with few_links.connect(cursorclass=TEXT) as idle, few_links.connect(cursorclass=TEXT) as killer:
        value(idle, "1")
        run(killer, f"KILL QUERY {idle.thread_id()}")
        for _ in range(10):
            assert value(idle, "1") == 1
