"""SHOW DIGESTS: what Sluice has learnt of the kinds of reads, without their values."""

import pytest

from prepared import prepare
from sluice import Sluice

TEXT = "SELECT v, ? FROM digested WHERE id IN (?, ...)"


@pytest.fixture(scope="module")
def sluice(cluster):
    cluster.primary.run(["CREATE TABLE app.digested (id INT PRIMARY KEY, v INT)",
                         "INSERT INTO app.digested VALUES (1, 1), (2, 2)"])  # fmt: skip
    cluster.wait_caught_up()
    with Sluice(cluster) as sluice:
        yield sluice


@pytest.fixture
def seen(sluice):
    """The rows of SHOW DIGESTS for a text; what was learnt before the test is forgotten."""
    sluice.admin("RESET DIGESTS")
    return lambda like: sluice.admin(f"SHOW DIGESTS LIKE '{like}'")


def test_counts_reads_that_differ_in_values_as_one(sluice, seen):
    with sluice.connect() as connection, connection.cursor() as cursor:
        for number in range(4):
            cursor.execute(f"select v, 'secret{number}' from digested where id in ({number}, 2, 3) -- {number}")
    rows = seen("%digested%")
    assert {row["text"] for row in rows} == {TEXT} and len({row["digest"] for row in rows}) == 1
    assert sum(row["count"] for row in rows) == 4 and sum(row["errors"] for row in rows) == 0
    assert {row["backend"] for row in rows} <= {"db2", "db3"}
    for row in rows:
        assert row["avg_us"] > 0 and 0 < row["avg_bytes"] <= row["max_bytes"], row


def test_knows_a_prepared_read_by_the_digest_of_its_text(sluice, seen):
    with sluice.connect() as connection:
        statement = prepare(connection, "SELECT v, ? FROM digested WHERE id IN (?, ?)")
        for _ in range(3):
            statement.execute(1, 1, 2)
        with connection.cursor() as cursor:
            cursor.execute("SELECT v, 7 FROM digested WHERE id IN (1, 2, 3)")
    rows = seen("%digested%")
    assert {row["text"] for row in rows} == {TEXT} and sum(row["count"] for row in rows) == 4


def test_says_why_a_read_does_not_share(sluice, seen):
    with sluice.connect() as connection, connection.cursor() as cursor:
        for _ in range(30):
            cursor.execute("SELECT v AS quick FROM digested WHERE id = 1")
            cursor.execute("SELECT REPEAT('x', 200000) AS big FROM digested")
        cursor.execute("SELECT v AS once FROM digested")
    # How often each backend was asked is luck, but one of them was at least 15 times.
    assert {row["why_not"] for row in seen("% big %") if row["count"] >= 3} == {"big"}
    assert [row["why_not"] for row in seen("% once %")] == ["unknown"]
    for row in seen("% quick %"):
        assert row["shared"] == (not row["why_not"]) and row["why_not"] in ("", "slow", "unknown"), row


def test_leaves_out_writes_and_what_runs_in_a_transaction(sluice, seen):
    with sluice.connect() as connection, connection.cursor() as cursor:
        cursor.execute("UPDATE digested SET v = v + 1 WHERE id = 1")
        cursor.execute("BEGIN")
        cursor.execute("SELECT v FROM digested WHERE id = 1")
        cursor.execute("ROLLBACK")
    assert seen("%digested%") == []
