"""Whoever writes reads it back at once, with one replica two seconds behind and still in use.

max_lag is far above the delay on purpose: the bound must not be what keeps the
delayed replica from answering, only the knowledge that it lacks the write.
"""

import contextlib
import threading

import pymysql
import pytest

from prepared import prepare
from process import wait_until
from sluice import Sluice

CLIENTS = 16
ROUNDS = 10_000
DELAY = 2
TEXT = pymysql.cursors.Cursor
TABLES = [f"fresh_{number}" for number in range(30)]
UNUSED = list(TABLES)


@pytest.fixture(scope="module")
def delayed(cluster):
    """The shared cluster with db2 two seconds behind, and a Sluice that does not mind."""
    # Made before the delay: a session is promised to see its own writes, not those of whoever made the table.
    columns = "id INT PRIMARY KEY AUTO_INCREMENT, client INT, v INT, KEY (client)"
    cluster.primary.run(f"CREATE TABLE app.{name} ({columns})" for name in TABLES)
    cluster.wait_caught_up()
    cluster.delay_replica(0, DELAY)
    with Sluice(cluster, routing={"max_lag": "30s"}) as sluice:
        yield sluice
    cluster.delay_replica(0, 0)
    cluster.wait_caught_up()


@pytest.fixture
def table(delayed):
    """An empty table of its own for each test."""
    return UNUSED.pop()


def run(connection, statement):
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall()


def in_clients(sluice, work, clients=CLIENTS):
    """Runs work(connection, number) on that many connections at once; what went wrong."""
    wrong = []

    def client(number):
        try:
            with sluice.connect(cursorclass=TEXT) as connection:
                wrong.extend(work(connection, number))
        except Exception as error:
            wrong.append(repr(error))

    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return wrong


@contextlib.contextmanager
def readers_without_writes(sluice):
    """Two clients that read all the while, so that the replicas are busy; yields whom they met."""
    stop, met = threading.Event(), set()

    def read():
        with sluice.connect(cursorclass=TEXT) as connection:
            while not stop.is_set():
                met.add(run(connection, "SELECT @@server_id")[0][0])

    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        yield met
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_ten_thousand_writes_are_read_back_at_once_by_sixteen_clients(delayed, table):
    def rounds(connection, number):
        for n in range(ROUNDS // CLIENTS):
            run(connection, f"INSERT INTO {table} (client, v) VALUES ({number}, {n})")
            seen = run(connection, f"SELECT MAX(v), COUNT(*) FROM {table} WHERE client = {number}")
            if seen != ((n, n + 1),):
                yield f"client {number} wrote {n} and read {seen}"

    with readers_without_writes(delayed) as met:
        assert in_clients(delayed, rounds) == []
    assert met == {2, 3}, "the delayed replica must have been in use"


def test_an_update_is_read_back_at_once(delayed, table):
    def rounds(connection, number):
        run(connection, f"INSERT INTO {table} (id, v) VALUES ({number + 1}, -1)")
        for n in range(60):
            run(connection, f"UPDATE {table} SET v = {n} WHERE id = {number + 1}")
            for _ in range(3):
                seen = run(connection, f"SELECT v FROM {table} WHERE id = {number + 1}")
                if seen != ((n,),):
                    yield f"client {number} set {n} and read {seen}"

    assert in_clients(delayed, rounds) == []


def test_a_deleted_row_is_gone_at_once(delayed, table):
    def rounds(connection, number):
        for n in range(40):
            run(connection, f"INSERT INTO {table} (client, v) VALUES ({number}, {n})")
            run(connection, f"DELETE FROM {table} WHERE id = {connection.insert_id()}")
            seen = run(connection, f"SELECT v FROM {table} WHERE client = {number}")
            if seen:
                yield f"client {number} deleted {n} and read {seen}"

    assert in_clients(delayed, rounds) == []


def test_prepared_writes_are_read_back_by_prepared_reads(delayed, table):
    def rounds(connection, number):
        write = prepare(connection, f"INSERT INTO {table} (client, v) VALUES (?, ?)")
        read = prepare(connection, f"SELECT MAX(v) FROM {table} WHERE client = ?")
        for n in range(60):
            write.execute(number, n)
            seen = read.execute(number)
            if seen != [(n,)]:
                yield f"client {number} wrote {n} and read {seen}"

    assert in_clients(delayed, rounds) == []


def test_a_committed_transaction_is_read_back_at_once(delayed, table):
    def rounds(connection, number):
        for n in range(40):
            run(connection, "BEGIN")
            run(connection, f"INSERT INTO {table} (client, v) VALUES ({number}, {n})")
            run(connection, f"INSERT INTO {table} (client, v) VALUES ({number}, {n})")
            run(connection, "COMMIT")
            seen = run(connection, f"SELECT COUNT(*), MAX(v) FROM {table} WHERE client = {number}")
            if seen != ((2 * n + 2, n),):
                yield f"client {number} committed {n} and read {seen}"

    assert in_clients(delayed, rounds) == []


def test_what_autocommit_off_committed_is_read_back_at_once(delayed, table):
    def rounds(connection, number):
        for n in range(20):
            run(connection, "SET autocommit=0")
            run(connection, f"INSERT INTO {table} (client, v) VALUES ({number}, {n})")
            run(connection, "SET autocommit=1")  # commits
            seen = run(connection, f"SELECT MAX(v) FROM {table} WHERE client = {number}")
            if seen != ((n,),):
                yield f"client {number} committed {n} and read {seen}"

    assert in_clients(delayed, rounds) == []


@pytest.mark.parametrize(
    "ending",
    (
        ["COMMIT"],
        ["COMMIT AND CHAIN", "ROLLBACK"],
        ["BEGIN", "ROLLBACK"],
        ["SET autocommit=1"],
        ["CREATE TABLE IF NOT EXISTS {table}_x (a INT)"],
        ["LOCK TABLES {table} READ", "UNLOCK TABLES"],
        ["ALTER TABLE {table} COMMENT 'x'"],
    ),
    ids=lambda ending: ending[0].split(" {", maxsplit=1)[0],
)
def test_whatever_commits_a_transaction_its_writes_are_read_back(delayed, table, ending):
    with delayed.connect(cursorclass=TEXT) as connection:
        for n in range(15):
            run(connection, "SET autocommit=0" if ending == ["SET autocommit=1"] else "START TRANSACTION")
            run(connection, f"INSERT INTO {table} (client, v) VALUES (1, {n})")
            for statement in ending:
                run(connection, statement.format(table=table))
            for _ in range(4):
                assert run(connection, f"SELECT MAX(v) FROM {table} WHERE client = 1") == ((n,),)


def test_a_new_table_is_there_at_once(delayed):
    def rounds(connection, number):
        for n in range(6):
            name = f"fresh_ddl_{number}_{n}"
            run(connection, f"CREATE TABLE {name} (a INT)")
            yield from run(connection, f"SELECT a FROM {name}")
            run(connection, f"ALTER TABLE {name} ADD COLUMN b INT")
            yield from run(connection, f"SELECT b FROM {name}")
            run(connection, f"DROP TABLE {name}")
            if run(connection, f"SHOW TABLES LIKE '{name}'"):
                yield f"{name} was dropped and is still listed"

    assert in_clients(delayed, rounds, clients=4) == []


def test_a_write_inside_a_multi_statement_or_a_routine_is_read_back(cluster, delayed, table):
    cluster.primary.sql(f"CREATE PROCEDURE app.{table}_p(c INT, n INT) INSERT INTO {table} (client, v) VALUES (c, n)")
    with delayed.connect(cursorclass=TEXT, client_flag=pymysql.constants.CLIENT.MULTI_STATEMENTS) as connection:
        for n in range(20):
            with connection.cursor() as cursor:
                cursor.execute(f"SELECT 1; INSERT INTO {table} (client, v) VALUES (1, {n}); SELECT 2")
                while cursor.nextset():
                    pass
            assert run(connection, f"SELECT MAX(v) FROM {table} WHERE client = 1") == ((n,),)
            run(connection, f"CALL {table}_p(2, {n})")
            assert run(connection, f"SELECT MAX(v) FROM {table} WHERE client = 2") == ((n,),)


def test_a_failed_statement_may_have_written_and_so_is_read_back(delayed, table):
    """In a multi-statement the first part is committed although the second fails."""
    with delayed.connect(cursorclass=TEXT, client_flag=pymysql.constants.CLIENT.MULTI_STATEMENTS) as connection:
        for n in range(20):
            with connection.cursor() as cursor, pytest.raises(pymysql.Error):
                cursor.execute(f"INSERT INTO {table} (client, v) VALUES (1, {n}); SELECT nothing FROM {table}")
                while cursor.nextset():
                    pass
            assert run(connection, f"SELECT MAX(v) FROM {table} WHERE client = 1") == ((n,),)


def test_a_session_returns_to_replicas_when_they_have_its_write(cluster, delayed, table):
    with delayed.connect(cursorclass=TEXT) as connection:
        run(connection, f"INSERT INTO {table} (client, v) VALUES (1, 1)")
        met = set()

        def both_met():
            seen = run(connection, f"SELECT v, @@server_id FROM {table} WHERE client = 1")
            assert seen and seen[0][0] == 1
            met.add(seen[0][1])
            return {2, 3} <= met

        wait_until(both_met, "both replicas have it and serve this session", timeout=DELAY + 8)


def test_a_replica_behind_the_bound_serves_nobody(cluster, delayed, table):
    with Sluice(cluster, routing={"max_lag": "500ms"}, wait_replicas=1) as strict:
        stop = threading.Event()

        def write():
            with strict.connect() as connection:
                while not stop.is_set():
                    run(connection, f"INSERT INTO {table} (client, v) VALUES (9, 9)")
                    stop.wait(0.02)

        writer = threading.Thread(target=write)
        writer.start()
        try:
            strict.wait_serving("db3")
            with strict.connect(cursorclass=TEXT) as connection:
                assert {run(connection, "SELECT @@server_id")[0][0] for _ in range(200)} == {3}
            wait_until(lambda: strict.backends()["db2"]["excluded"] == "lagging", "the reason is that it lags")
        finally:
            stop.set()
            writer.join()
