"""Prepared statements in the forms that drivers use answer through Sluice as they do on the primary."""

import pytest

from process import wait_until
from raw_statements import LAST, Done, Prepared, RawStatements, Refused, Rows, bulk_rows, parameters


@pytest.fixture(scope="module")
def tables(cluster):
    cluster.primary.run([
        "CREATE TABLE app.prepared (id INT PRIMARY KEY, a INT)",
        "CREATE TABLE app.rows (id INT PRIMARY KEY, v VARCHAR(10))",
        "CREATE PROCEDURE app.answers() SELECT 42 AS x",
        "CREATE PROCEDURE app.changes() UPDATE app.prepared SET a = a + 1",
    ])  # fmt: skip
    cluster.wait_caught_up()


def both(cluster, sluice, script):
    """What `script` gives on a direct connection to the primary, and through Sluice; each on fresh tables."""
    answers = []
    for port in (cluster.primary.port, sluice.port):
        raw = RawStatements(port)
        try:
            for statement in (
                "DROP TABLE app.prepared",
                "CREATE TABLE app.prepared (id INT PRIMARY KEY, a INT)",
                "INSERT INTO prepared VALUES (1, 10), (2, 20)",
                "DELETE FROM app.rows",
            ):
                raw.query(statement)
            answers.append(script(raw))
        finally:
            raw.close()
    direct, through = answers
    # A direct MariaDB leaves out definitions that it has sent before; Sluice's links are not the client's.
    assert [shown(answer) for answer in through] == [shown(answer) for answer in direct]
    return through


def shown(answer):
    if isinstance(answer, (tuple, list)):
        return [shown(one) for one in answer]
    return answer.rows if isinstance(answer, Rows) else answer


def test_a_statement_prepared_and_executed_in_one_write(cluster, sluice, tables):
    def script(raw):
        return [
            raw.prepare_and_execute("SELECT a FROM prepared WHERE id = 1"),
            raw.execute(LAST),
            raw.prepare_and_execute("SELECT a FROM prepared WHERE id = ?", parameters("q", 2)),
            raw.prepare_and_execute("INSERT INTO prepared VALUES (3, 30)"),
            raw.prepare_and_execute("UPDATE prepared SET a = a + ? WHERE id > ?", parameters("qq", 1, 1)),
            raw.prepare_and_execute("SELECT nothing FROM nowhere"),
            raw.execute(LAST),
            raw.prepare_and_execute("SELECT COUNT(*), SUM(a) FROM prepared"),
        ]

    answers = both(cluster, sluice, script)
    if cluster.primary.engine.name == "mariadb":
        assert isinstance(answers[0][1], Rows) and isinstance(answers[3][1], Done)
        assert isinstance(answers[6], Refused)
    else:
        assert isinstance(answers[0][0], Prepared) and isinstance(answers[0][1], Refused)


def test_a_statement_whose_table_changes_shows_the_table_as_it_is(cluster, sluice, tables):
    def script(raw):
        star = raw.prepare("SELECT * FROM prepared WHERE id = 1")
        answers = [star, raw.execute(star.id), raw.execute(star.id)]
        raw.query("ALTER TABLE prepared ADD COLUMN b INT DEFAULT 7")
        answers += [raw.execute(star.id), raw.execute(star.id)]
        raw.query("ALTER TABLE prepared DROP COLUMN a")
        answers += [raw.execute(star.id)]
        one = raw.prepare("SELECT b FROM prepared WHERE id = ?")
        answers += [one, raw.execute(one.id, parameters("q", 1))]
        raw.query("ALTER TABLE prepared DROP COLUMN b")
        answers += [raw.execute(one.id, parameters("q", 1))]
        raw.query("ALTER TABLE prepared ADD COLUMN b VARCHAR(10) DEFAULT 'x'")
        answers += [raw.execute(one.id, parameters("q", 1)), raw.execute(star.id)]
        raw.query("DROP TABLE prepared")
        answers += [raw.execute(star.id)]
        raw.query("CREATE TABLE prepared (z INT, id INT)")
        answers += [raw.execute(star.id)]
        return answers

    answers = both(cluster, sluice, script)
    assert any(isinstance(answer, Refused) for answer in answers)


def test_what_another_session_prepared_hides_no_definitions(cluster, sluice, tables):
    """MariaDB sends no definitions twice on one connection; these are two clients' on one link."""
    first = RawStatements(sluice.port)
    first.query("DROP TABLE prepared")
    first.query("CREATE TABLE prepared (id INT PRIMARY KEY, a INT)")
    first.query("INSERT INTO prepared VALUES (1, 10)")
    cluster.wait_caught_up()
    others = [RawStatements(sluice.port) for _ in range(6)]
    statements = [raw.prepare("SELECT * FROM prepared") for raw in others]
    first.query("ALTER TABLE prepared ADD COLUMN b INT DEFAULT 7")
    cluster.wait_caught_up()
    for _ in range(3):
        for raw, statement in zip(others, statements, strict=True):
            assert [name for name, _ in raw.execute(statement.id).definitions] == ["id", "a", "b"]
    for raw in (first, *others):
        raw.close()


def test_for_update_and_call_go_to_the_primary(cluster, sluice, tables):
    def script(raw):
        locking = raw.prepare("SELECT a, @@server_id FROM prepared WHERE id = ? FOR UPDATE")
        answering = raw.prepare("CALL answers()")
        changing = raw.prepare("CALL changes()")
        return [
            locking, raw.execute(locking.id, parameters("q", 1)),
            answering, raw.execute(answering.id, results=2),
            changing, raw.execute(changing.id),
            raw.query("SELECT SUM(a) FROM prepared"),
        ]  # fmt: skip

    before = sluice.status()["misroutes"]
    answers = both(cluster, sluice, script)
    assert isinstance(answers[1], Rows) and answers[-1] == ((32,),)
    assert sluice.status()["misroutes"] == before


def test_a_bulk_of_rows_arrives_whole(cluster, sluice, tables):
    if cluster.primary.engine.name != "mariadb":
        # MySQL knows no bulk execute, and a client that asks for it hears so.
        answers = both(cluster, sluice, lambda raw: [raw.bulk(1, b"")])
        assert isinstance(answers[0], Refused)
        return

    def script(raw):
        insert = raw.prepare("INSERT INTO app.rows VALUES (?, ?)")
        return [
            insert,
            raw.bulk(insert.id, bulk_rows((1, "a"), (2, "b"))),
            raw.bulk(insert.id, bulk_rows((3, "c")), types=b""),
            raw.prepare_and_bulk("REPLACE INTO app.rows VALUES (?, ?)", bulk_rows((3, "d"), (4, "e"))),
            raw.bulk(insert.id, bulk_rows((5, "f"), (1, "again"))),
            raw.query("SELECT GROUP_CONCAT(id, v ORDER BY id) FROM app.rows"),
        ]

    answers = both(cluster, sluice, script)
    assert isinstance(answers[1], Done) and answers[1].affected == 2
    assert answers[-1][0][0].startswith("1a,2b,3d,4e")


def test_a_bulk_without_types_finds_them_on_a_new_link(cluster, sluice, tables):
    if cluster.primary.engine.name != "mariadb":
        return
    raw = RawStatements(sluice.port)
    raw.query("DELETE FROM app.rows")
    insert = raw.prepare("INSERT INTO app.rows VALUES (?, ?)")
    assert raw.bulk(insert.id, bulk_rows((1, "a"))).affected == 1
    for row in cluster.primary.sql("SHOW PROCESSLIST"):
        if row["User"] == "app":
            cluster.primary.sql(f"KILL {row['Id']}")
    wait_until(lambda: raw.query("SELECT 1 FROM app.rows FOR UPDATE"), "the session has another link")
    assert raw.bulk(insert.id, bulk_rows((2, "b")), types=b"").affected == 1
    assert raw.query("SELECT v FROM app.rows ORDER BY id") == (("a",), ("b",))
    raw.close()
