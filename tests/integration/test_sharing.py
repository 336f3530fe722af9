"""Links that many sessions' reads share: few of them, right answers, and no harm from a neighbour."""

import contextlib
import threading
import time

import pymysql
import pytest

from process import wait_until
from sluice import Sluice

TEXT = pymysql.cursors.Cursor
READ = "SELECT v FROM shared_things WHERE id = %s"


@pytest.fixture(scope="module")
def things(cluster):
    cluster.primary.run([
        "CREATE TABLE app.shared_things (id INT PRIMARY KEY, v VARCHAR(40), big MEDIUMTEXT)",
        "INSERT INTO app.shared_things SELECT seq, CONCAT('value ', seq), REPEAT('x', IF(seq = 7, 3000000, 10))"
        " FROM (SELECT a.n + b.n * 10 seq FROM"
        f" ({' UNION ALL '.join(f'SELECT {n} n' for n in range(10))}) a,"
        f" ({' UNION ALL '.join(f'SELECT {n} n' for n in range(10))}) b) numbers",
    ])  # fmt: skip
    cluster.wait_caught_up()


@pytest.fixture(scope="module")
def proxy(cluster, things):
    """One worker, so that all sessions may share with all."""
    with Sluice(cluster, process={"threads": 1}, pool={"idle_timeout": "500ms"}) as made:
        yield made


def run(connection, statement, arguments=None):
    with connection.cursor() as cursor:
        cursor.execute(statement, arguments)
        return cursor.fetchall()


class Crowd:
    """Sessions that read in a loop, each checking every answer, until told to stop."""

    def __init__(self, proxy, count=8, **options):
        self.proxy = proxy
        self.errors = []
        self.reads = 0
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._read, args=(n, options)) for n in range(count)]
        for thread in self._threads:
            thread.start()

    def _read(self, number, options):
        try:
            with self.proxy.connect(cursorclass=TEXT, **options) as connection:
                while not self._stop.is_set():
                    number = (number + 7) % 100
                    answer = run(connection, READ, (number,))
                    assert answer == ((f"value {number}",),), (number, answer)
                    self.reads += 1
        except (AssertionError, pymysql.Error) as error:
            self.errors.append(error)

    def __enter__(self):
        shared = self.proxy.status()["reads_shared"]
        wait_until(lambda: self.errors or self.proxy.status()["reads_shared"] > shared + 50, "the crowd shares links")
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join(30)
        assert not self.errors, self.errors[0]


def test_reads_of_many_sessions_share_a_few_links(cluster, proxy):
    with Crowd(proxy, 30) as crowd:
        # What was opened while nothing was known of them goes when it is idle.
        wait_until(lambda: all(row["links"] <= 8 for row in proxy.backends().values()), "30 sessions on few links", 20)
        reads = crowd.reads
        wait_until(lambda: crowd.errors or crowd.reads > reads + 1000, "they read on")


def test_sessions_of_different_state_get_their_own_answers(proxy):
    with Crowd(proxy, 4), Crowd(proxy, 4, charset="latin1"), Crowd(proxy, 4, init_command="SET time_zone = '+03:00'"):
        zones = {}
        with contextlib.ExitStack() as stack:
            for zone in ("+03:00", "-05:00", "+00:00"):
                for copy in range(2):
                    connection = stack.enter_context(proxy.connect(cursorclass=TEXT))
                    run(connection, f"SET time_zone = '{zone}'")
                    zones[zone, copy] = connection
            for _ in range(50):
                for (zone, _), connection in zones.items():
                    assert run(connection, "SELECT @@time_zone, 1 + 1") == ((zone, 2),)


def test_what_speaks_of_the_previous_statement_is_right_after_a_shared_read(proxy):
    with Crowd(proxy, 6), proxy.connect(cursorclass=TEXT) as connection:
        for limit in (0, 1, 9, 10, 11, 64, 100):
            for _ in range(5):
                rows = run(connection, f"SELECT id FROM shared_things ORDER BY id LIMIT {limit}")
                assert len(rows) == limit
                assert run(connection, "SELECT FOUND_ROWS()") == ((limit,),)
                assert len(run(connection, f"SELECT id FROM shared_things ORDER BY id LIMIT {limit}")) == limit
                assert run(connection, "SELECT ROW_COUNT()") == ((-1,),)
        run(connection, "UPDATE shared_things SET v = v WHERE id = 1")
        for _ in range(5):
            assert run(connection, READ, (3,)) == (("value 3",),)
            assert run(connection, "SHOW WARNINGS") == ()


def test_warnings_and_errors_of_reads_are_there_for_the_next_statement(proxy):
    with Crowd(proxy, 6), proxy.connect(cursorclass=TEXT) as connection:
        for _ in range(8):
            run(connection, "SELECT CAST(v AS SIGNED) FROM shared_things WHERE id = 5")
            warnings = run(connection, "SHOW WARNINGS")
            assert [code for _, code, _ in warnings] == [1292], warnings
            with pytest.raises(pymysql.Error) as refused:
                run(connection, "SELECT v FROM shared_things WHERE nowhere = 5")
            assert refused.value.args[0] == 1054
            assert [code for _, code, _ in run(connection, "SHOW ERRORS")] == [1054]


def test_a_slow_instance_of_a_quick_statement_holds_up_nobody(proxy):
    """The same digest, quick with one value and slow with another."""
    statement = "SELECT v, SLEEP(%s) FROM shared_things WHERE id = %s"
    with Crowd(proxy, 4), proxy.connect(cursorclass=TEXT) as slow, proxy.connect(cursorclass=TEXT) as quick:
        for number in range(10):
            run(slow, statement, (0, number))
        shared = proxy.status()["reads_shared"]
        run(slow, statement, (0, 1))
        assert proxy.status()["reads_shared"] > shared
        answers = []
        sleeper = threading.Thread(target=lambda: answers.append(run(slow, statement, (4, 2))))
        started = time.monotonic()
        sleeper.start()
        reads = 0
        while not answers and time.monotonic() - started < 3:
            assert run(quick, READ, (reads % 100,)) == ((f"value {reads % 100}",),)
            reads += 1
        assert not answers, "the slow one was not slow"
        assert reads > 50, "a read waited for the slow one"
        sleeper.join(20)
        assert answers == [(("value 2", 0),)]


def test_a_big_result_of_a_small_digest_arrives_whole(proxy):
    statement = "SELECT big FROM shared_things WHERE id = %s"
    with Crowd(proxy, 4), proxy.connect(cursorclass=TEXT) as connection:
        for _ in range(6):
            for number in (1, 2, 3):
                assert run(connection, statement, (number,)) == (("x" * 10,),)
        assert run(connection, statement, (7,)) == (("x" * 3_000_000,),)
        assert run(connection, statement, (1,)) == (("x" * 10,),)


def test_kill_query_hits_only_its_own_session(proxy):
    statement = "SELECT v, SLEEP(%s) FROM shared_things WHERE id = %s"
    with Crowd(proxy, 8), proxy.connect(cursorclass=TEXT) as victim, proxy.connect(cursorclass=TEXT) as killer:
        for number in range(8):
            run(victim, statement, (0, number))
        for _ in range(3):
            ended = []

            def sleep(into=ended):
                try:
                    into.append(run(victim, statement, (20, 2)))
                except pymysql.Error as error:
                    into.append(error)

            thread = threading.Thread(target=sleep)
            thread.start()
            wait_until(
                lambda: any(row["id"] == victim.thread_id() and row["busy"] for row in proxy.admin("SHOW SESSIONS")),
                "the victim is at work",
            )
            run(killer, f"KILL QUERY {victim.thread_id()}")
            thread.join(15)
            assert ended, "it was not killed"
            assert ended == [(("value 2", 1),)] or ended[0].args[0] == 1317, ended
            assert run(victim, READ, (3,)) == (("value 3",),)


def test_the_death_of_a_shared_link_reaches_no_client(cluster, proxy):
    with Crowd(proxy, 12) as crowd:
        for _ in range(5):
            for backend in cluster.backends:
                threads = backend.sql(
                    "SELECT ID AS id FROM information_schema.PROCESSLIST WHERE USER = 'app' AND DB = 'app'"
                )
                for row in threads:
                    with contextlib.suppress(pymysql.Error):
                        backend.run([f"KILL {row['id']}"])
            reads = crowd.reads
            wait_until(lambda reads=reads: crowd.errors or crowd.reads > reads + 100, "they read on")


def test_writes_get_through_when_readers_hold_all_links(cluster, things):
    with Sluice(cluster, process={"threads": 1}, pool={"max_links": 2}) as narrow, Crowd(narrow, 12):
        with narrow.connect(cursorclass=TEXT) as connection:
            for number in range(20):
                run(connection, "BEGIN")
                run(connection, "UPDATE shared_things SET v = v WHERE id = %s", (number,))
                run(connection, "COMMIT")
        for row in narrow.backends().values():
            assert row["links"] <= 2
