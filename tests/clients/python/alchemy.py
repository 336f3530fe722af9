"""SQLAlchemy over mysqlclient: its expression language, its ORM and its pool."""

import datetime
import decimal

import sqlalchemy as sa
from sqlalchemy import event, exc, text
from sqlalchemy.dialects import mysql
from sqlalchemy.orm import Session, declarative_base

from endpoint import (ALL_BYTES, EMOJI, HOST, INFILE, MISSING_SCHEMA, OTHER_SCHEMA, PASSWORD, PORT, PREFIX, SCHEMA, TLS,
                      USER, equal, run, scenario)


MULTI_STATEMENTS = 1 << 16


def engine_to(schema=SCHEMA, password=PASSWORD, query="", **options):
    url = f"mysql+mysqldb://{USER}:{password}@{HOST}:{PORT}/{schema}?charset=utf8mb4{query}"
    arguments = {"local_infile": 1, "client_flag": MULTI_STATEMENTS, **({"ssl": {"cipher": "HIGH"}} if TLS else {})}
    return sa.create_engine(url, connect_args=arguments, future=True, **options)


engine = engine_to(pool_size=4, max_overflow=0, pool_pre_ping=True)
Base = declarative_base()


class Kinds(Base):
    __tablename__ = f"{PREFIX}_kinds"
    __table_args__ = {"mysql_charset": "utf8mb4"}  # whatever the schema's is
    id = sa.Column(sa.Integer, primary_key=True)
    txt = sa.Column(sa.String(100))
    bin = sa.Column(sa.LargeBinary)
    num = sa.Column(sa.Numeric(20, 5))
    day = sa.Column(sa.Date)
    moment = sa.Column(mysql.DATETIME(fsp=6))
    big = sa.Column(sa.BigInteger)
    ubig = sa.Column(mysql.BIGINT(unsigned=True))
    nothing = sa.Column(sa.Integer)
    blank = sa.Column(sa.String(10))


class Row(Base):
    __tablename__ = f"{PREFIX}_row"
    __table_args__ = {"mysql_charset": "utf8mb4"}
    id = sa.Column(sa.Integer, primary_key=True)
    v = sa.Column(sa.String(50))


def fails(code, function):
    try:
        function()
    except exc.DBAPIError as error:
        equal(error.orig.args[0], code)
        return error.orig.args[1]
    raise AssertionError(f"no error {code}")


def attempt(connect_to, statement="SELECT 1"):
    with connect_to.connect() as connection:
        return connection.execute(text(statement)).all()


def others_count():
    other = engine_to(poolclass=sa.pool.NullPool)
    with other.begin() as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(Row)).scalar()


def emptied():
    with engine.begin() as connection:
        connection.execute(sa.delete(Row))


@scenario
def login():
    equal(attempt(engine, "SELECT DATABASE()"), [(SCHEMA,)])


@scenario
def login_wrong_password():
    message = fails(1045, lambda: attempt(engine_to(password="wrong")))
    equal((message.startswith(f"Access denied for user '{USER}'@'"), message.endswith("(using password: YES)")),
          (True, True))


@scenario
def login_unknown_schema():
    fails(1049, lambda: attempt(engine_to(schema=MISSING_SCHEMA)))


@scenario
def ddl():
    Base.metadata.drop_all(engine)
    Base.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(text(f"ALTER TABLE {PREFIX}_row ADD COLUMN added INT"))
    names = [column["name"] for column in sa.inspect(engine).get_columns(f"{PREFIX}_row")]
    equal(names, ["id", "v", "added"])
    with engine.begin() as connection:
        connection.execute(text(f"ALTER TABLE {PREFIX}_row DROP COLUMN added"))


@scenario
def insert():
    with engine.begin() as connection:
        equal(connection.execute(sa.insert(Row).values(v="a")).inserted_primary_key, (1,))
        equal(connection.execute(sa.insert(Row).values(v="b")).lastrowid, 2)
        equal(connection.execute(sa.update(Row).values(v="c")).rowcount, 2)
        equal(connection.execute(sa.delete(Row)).rowcount, 2)


@scenario
def bulk_insert():
    with Session(engine) as session:
        session.add_all([Row(v=f"value {i}") for i in range(500)])
        session.commit()
        equal(session.query(Row).count(), 500)
    emptied()


@scenario
def text_read():
    values = dict(txt=EMOJI, bin=ALL_BYTES, num=decimal.Decimal("-12345.67890"), day=datetime.date(2024, 2, 29),
                  moment=datetime.datetime(2023, 12, 31, 23, 59, 59, 123456), big=-(2**63), ubig=2**64 - 1,
                  nothing=None, blank="")
    with Session(engine) as session:
        session.add(Kinds(id=1, **values))
        session.commit()
        found = session.get(Kinds, 1)
        equal({name: getattr(found, name) for name in values}, values)


@scenario
def commit():
    emptied()
    with Session(engine) as session:
        session.add(Row(v="kept"))
        session.commit()
        equal((session.query(Row).count(), others_count()), (1, 1))


@scenario
def rollback():
    emptied()
    with Session(engine) as session:
        session.add(Row(v="lost"))
        session.flush()
        session.rollback()
        equal((session.query(Row).count(), others_count()), (0, 0))


@scenario
def own_writes():
    emptied()
    with Session(engine) as session:
        session.add(Row(v="mine"))
        session.flush()
        equal((session.query(Row).count(), others_count()), (1, 0))
        session.commit()
    equal(others_count(), 1)


@scenario
def autocommit_off():
    emptied()
    with engine.connect() as connection:  # "commit as you go"; autocommit is off, as DB-API asks
        connection.execute(sa.insert(Row).values(v="a"))
        equal((connection.execute(sa.select(Row.v)).all(), others_count()), ([("a",)], 0))
        connection.commit()
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.insert(Row).values(v="b"))
        equal(others_count(), 2)


@scenario
def savepoint():
    emptied()
    with Session(engine) as session:
        session.add(Row(v="kept"))
        with session.begin_nested() as nested:
            session.add(Row(v="lost"))
            session.flush()
            nested.rollback()
        session.commit()
        equal([row.v for row in session.query(Row)], ["kept"])


@scenario
def read_back():
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for i in range(200):
            key = connection.execute(sa.insert(Row).values(v=str(i))).lastrowid
            equal(connection.execute(sa.select(Row.v).where(Row.id == key)).scalar(), str(i))


@scenario
def set_time_zone():
    with engine.connect() as connection:
        connection.execute(text("SET time_zone = '+03:00'"))
        equal(str(connection.execute(text("SELECT FROM_UNIXTIME(0)")).scalar()), "1970-01-01 03:00:00")
        connection.execute(text("SET time_zone = SYSTEM"))


@scenario
def last_insert_id():
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        key = connection.execute(sa.insert(Row).values(v="x")).lastrowid
        for _ in range(3):
            connection.execute(sa.select(Row).limit(1)).all()
            equal(connection.execute(text("SELECT LAST_INSERT_ID()")).scalar(), key)


def at_once():
    """A connection with autocommit on: reads may go anywhere, so session state has to follow."""
    return engine.connect().execution_options(isolation_level="AUTOCOMMIT")


def asker(connection):
    """A function from a statement to the rows, or to None."""
    def ask(statement):
        result = connection.execute(text(statement))
        return [tuple(row) for row in result] if result.returns_rows else None
    return ask


@scenario
def set_names():
    connection = at_once()
    ask = asker(connection)
    ask("SET NAMES latin1")
    for _ in range(3):
        equal(ask("SELECT CHAR_LENGTH('é')"), [(2,)])  # two bytes, two letters
    connection.invalidate()  # the pool would hand it out as it is
    connection.close()


@scenario
def set_sql_mode():
    with at_once() as connection:
        ask = asker(connection)
        mode = ask("SELECT @@sql_mode")[0][0]
        ask("SET sql_mode = 'ANSI_QUOTES'")
        for _ in range(3):
            equal(ask(f'SELECT "txt" FROM {PREFIX}_kinds'), [(EMOJI,)])
        ask(f"SET sql_mode = '{mode}'")
        equal(ask('SELECT "txt"'), [("txt",)])


@scenario
def use_schema():
    with at_once() as connection:
        ask = asker(connection)
        ask(f"CREATE TABLE IF NOT EXISTS {OTHER_SCHEMA}.{PREFIX}_there AS SELECT 7 AS v")
        ask(f"USE {OTHER_SCHEMA}")
        equal(ask(f"SELECT v FROM {PREFIX}_there"), [(7,)])
        fails(1049, lambda: ask(f"USE {MISSING_SCHEMA}"))
        equal(ask("SELECT DATABASE()"), [(OTHER_SCHEMA,)])
        ask(f"USE {SCHEMA}")


@scenario
def user_variable():
    with at_once() as connection:
        ask = asker(connection)
        ask(r"SET @a \:= 5")
        equal(ask("SELECT @a + 1"), [(6,)])


@scenario
def text_prepare():
    with at_once() as connection:
        ask = asker(connection)
        ask("PREPARE s FROM 'SELECT ? * 2'")
        ask("SET @p = 21")
        equal(ask("EXECUTE s USING @p"), [(42,)])
        ask("DEALLOCATE PREPARE s")


@scenario
def temporary_table():
    with at_once() as connection:
        ask = asker(connection)
        ask(f"CREATE TEMPORARY TABLE {PREFIX}_temp AS SELECT 3 AS v")
        equal(ask(f"SELECT v FROM {PREFIX}_temp") + ask(f"SELECT v FROM {PREFIX}_temp"), [(3,), (3,)])
        ask(f"DROP TEMPORARY TABLE {PREFIX}_temp")
        fails(1146, lambda: ask(f"SELECT v FROM {PREFIX}_temp"))


@scenario
def show_warnings():
    with at_once() as connection:
        ask = asker(connection)
        equal(ask("SELECT CAST('abc' AS SIGNED)"), [(0,)])
        equal([row[1] for row in ask("SHOW WARNINGS")], [1292])
        ask(f"DROP TABLE IF EXISTS {PREFIX}_never")
        equal([row[1] for row in ask("SHOW WARNINGS")], [1051])


def sets(statement):
    """The results of a statement on the driver's own cursor."""
    raw = engine.raw_connection()
    with raw.cursor() as cursor:
        cursor.execute(statement)
        results = [cursor.fetchall()]
        while cursor.nextset():
            results.append(cursor.fetchall())
    raw.commit()
    raw.close()
    return results


@scenario
def multi_statements():
    emptied()
    equal(sets(f"SELECT 1; INSERT INTO {PREFIX}_row VALUES (1, 'x'); SELECT v FROM {PREFIX}_row"), [((1,),), (), (("x",),)])


@scenario
def call_results():
    with at_once() as connection:
        ask = asker(connection)
        ask(f"DROP PROCEDURE IF EXISTS {PREFIX}_p")
        ask(f"CREATE PROCEDURE {PREFIX}_p(n INT) BEGIN SELECT n; SELECT n + 1, 'two'; END")
    equal(sets(f"CALL {PREFIX}_p(4)")[:2], [((4,),), ((5, "two"),)])


@scenario
def error_duplicate():
    emptied()
    with Session(engine) as session:
        session.add(Row(id=1, v="a"))
        session.commit()
        try:
            session.execute(sa.insert(Row).values(id=1, v="b"))
            raise AssertionError("no error")
        except exc.IntegrityError as error:
            equal(error.orig.args[0], 1062)
        equal(session.execute(text("SELECT 1")).scalar(), 1)


@scenario
def error_syntax():
    fails(1064, lambda: attempt(engine, "SELEKT 1"))


@scenario
def error_missing_table():
    fails(1146, lambda: attempt(engine, "SELECT * FROM missing_table"))


@scenario
def ping():
    with engine.connect() as connection:
        equal(engine.dialect.do_ping(connection.connection), True)


@scenario
def long_row():
    with engine.connect() as connection:
        connection.execute(text(f"CREATE TEMPORARY TABLE {PREFIX}_long AS SELECT REPEAT('abcde', 1048576) AS v"))
        equal(connection.execute(text(f"SELECT v FROM {PREFIX}_long")).scalar(), "abcde" * 1048576)
        connection.execute(text(f"DROP TEMPORARY TABLE {PREFIX}_long"))


@scenario
def empty_result():
    with engine.connect() as connection:
        result = connection.execute(sa.select(Kinds.id, Kinds.txt.label("other")).where(Kinds.id < 0))
        equal((list(result.keys()), result.all()), (["id", "other"], []))


@scenario
def load_data_local():
    with engine.begin() as connection:
        connection.execute(sa.delete(Row))
        connection.execute(text(f"LOAD DATA LOCAL INFILE '{INFILE}' INTO TABLE {PREFIX}_row CHARACTER SET utf8mb4"))
        equal(connection.execute(sa.select(Row.id, Row.v)).all(), [(1, "one"), (2, EMOJI), (3, None)])


@scenario
def for_update():
    emptied()
    with Session(engine) as first, Session(engine) as second:
        first.add(Row(id=1, v="a"))
        first.commit()
        equal(first.query(Row).with_for_update().one().v, "a")
        try:
            second.query(Row).with_for_update(nowait=True).one()
            raise AssertionError("the row was not locked")
        except exc.OperationalError as error:
            equal(error.orig.args[0] in (1205, 3572), True)  # MariaDB, MySQL
        second.rollback()
        first.commit()
        equal(second.query(Row).with_for_update(nowait=True).one().v, "a")


@scenario
def pool():
    opened = []
    event.listen(engine, "connect", lambda connection, record: opened.append(connection))
    engine.dispose()
    for i in range(50):
        with engine.connect() as connection:
            # What is not committed is rolled back when the connection goes back.
            equal(connection.execute(sa.select(sa.func.count()).select_from(Row).where(Row.id == 77)).scalar(), 0)
            connection.execute(sa.insert(Row).values(id=77, v="left open"))
    equal(len(opened), 1)
    with engine.connect() as one, engine.connect() as two:
        equal((one.execute(text("SELECT 1")).scalar(), two.execute(text("SELECT 2")).scalar()), (1, 2))
    equal(len(opened), 2)


@scenario
def reconnects():
    unpooled = engine_to(poolclass=sa.pool.NullPool)
    for i in range(30):
        equal(attempt(unpooled, f"SELECT {i}"), [(i,)])


run()
