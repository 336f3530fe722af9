"""PyMySQL and mysqlclient: `dbapi.py pymysql`, `dbapi.py MySQLdb`. Neither prepares on the server."""

import datetime
import decimal
import importlib
import sys

from endpoint import (ALL_BYTES, EMOJI, HOST, INFILE, KINDS, KINDS_COLUMNS, MISSING_SCHEMA, OTHER_SCHEMA, PASSWORD,
                      PORT, PREFIX, SCHEMA, TLS, USER, equal, run, scenario)

driver = importlib.import_module(sys.argv[1])
NATIVE = sys.argv[1] == "MySQLdb"
MULTI_STATEMENTS = 1 << 16


def connect(**changes):
    # An empty dictionary turns TLS off in both; a cipher alone turns it on, unverified.
    tls = {"ssl": {"cipher": "HIGH"}} if TLS and NATIVE else {"ssl": {"ssl": {}}} if TLS else {}
    options = dict(host=HOST, port=PORT, user=USER, password=PASSWORD, database=SCHEMA, charset="utf8mb4",
                   local_infile=True, connect_timeout=10, client_flag=MULTI_STATEMENTS, **tls)
    return driver.connect(**{**options, **changes})


main = connect(autocommit=True)


def ask(statement, arguments=None, connection=main):
    with connection.cursor() as cursor:
        cursor.execute(statement, arguments)
        return cursor.fetchall()


def one(statement, arguments=None, connection=main):
    return ask(statement, arguments, connection)[0][0]


def others_count(table):
    """What another connection sees, read in a transaction: the primary's truth."""
    connection = connect()
    try:
        return one(f"SELECT COUNT(*) FROM {table}", None, connection)
    finally:
        connection.close()


def fails(code, function, *arguments):
    try:
        function(*arguments)
    except driver.MySQLError as error:
        equal(error.args[0], code)
        return error.args[1]
    raise AssertionError(f"no error {code}")


def fresh(name, columns="id INT PRIMARY KEY AUTO_INCREMENT, v INT"):
    table = f"{PREFIX}_{name}"
    ask(f"DROP TABLE IF EXISTS {table}")
    ask(f"CREATE TABLE {table} ({columns})")
    return table


@scenario
def login():
    equal(ask("SELECT DATABASE(), 1"), ((SCHEMA, 1),))
    if not NATIVE:
        equal(main._secure, TLS)


@scenario
def login_wrong_password():
    message = fails(1045, lambda: connect(password="wrong"))
    equal((message.startswith(f"Access denied for user '{USER}'@'"), message.endswith("(using password: YES)")),
          (True, True))


@scenario
def login_unknown_schema():
    equal(fails(1049, lambda: connect(database=MISSING_SCHEMA)), f"Unknown database '{MISSING_SCHEMA}'")


@scenario
def ddl():
    table = fresh("ddl", "id INT")
    ask(f"ALTER TABLE {table} ADD COLUMN added VARCHAR(7) NOT NULL DEFAULT 'x'")
    equal([row[0] for row in ask(f"SHOW COLUMNS FROM {table}")], ["id", "added"])
    ask(f"DROP TABLE {table}")
    equal(ask(f"SHOW TABLES LIKE '{table}'"), ())


@scenario
def insert():
    table = fresh("insert")
    with main.cursor() as cursor:
        equal((cursor.execute(f"INSERT INTO {table} (v) VALUES (1),(2)"), cursor.lastrowid), (2, 1))
        equal((cursor.execute(f"INSERT INTO {table} (v) VALUES (3)"), cursor.lastrowid), (1, 3))
        equal(cursor.execute(f"UPDATE {table} SET v = 9 WHERE id < 3"), 2)
        equal(cursor.execute(f"DELETE FROM {table}"), 3)


@scenario
def bulk_insert():
    table = fresh("bulk", "id INT PRIMARY KEY, v VARCHAR(20)")
    with main.cursor() as cursor:
        equal(cursor.executemany(f"INSERT INTO {table} VALUES (%s, %s)", [(i, f"value {i}") for i in range(1000)]), 1000)
    equal(ask(f"SELECT COUNT(*), SUM(id) FROM {table}"), ((1000, 499500),))


@scenario
def text_read():
    ask(f"DROP TABLE IF EXISTS {PREFIX}_kinds")
    ask(KINDS)
    row = (EMOJI, ALL_BYTES, decimal.Decimal("-12345.67890"), datetime.date(2024, 2, 29),
           datetime.datetime(2023, 12, 31, 23, 59, 59, 123456), -(2**63), 2**64 - 1, None, "")
    ask(f"INSERT INTO {PREFIX}_kinds VALUES (1, %s, _binary %s, %s, %s, %s, %s, %s, %s, %s)", row)
    equal(ask(f"SELECT {KINDS_COLUMNS} FROM {PREFIX}_kinds"), (row,))


@scenario
def text_prepare():
    ask("PREPARE s FROM 'SELECT ? * 2, ?'")
    ask("SET @a = 21, @b = NULL")
    equal(ask("EXECUTE s USING @a, @b"), ((42, None),))
    ask("DEALLOCATE PREPARE s")


@scenario
def commit():
    table = fresh("commit")
    main.begin() if not NATIVE else main.query("BEGIN")
    ask(f"INSERT INTO {table} (v) VALUES (1)")
    main.commit()
    equal((one(f"SELECT COUNT(*) FROM {table}"), others_count(table)), (1, 1))


@scenario
def rollback():
    table = fresh("rollback")
    ask("START TRANSACTION")
    ask(f"INSERT INTO {table} (v) VALUES (1)")
    main.rollback()
    equal((one(f"SELECT COUNT(*) FROM {table}"), others_count(table)), (0, 0))


@scenario
def own_writes():
    table = fresh("own")
    ask("BEGIN")
    ask(f"INSERT INTO {table} (v) VALUES (1)")
    equal((one(f"SELECT v FROM {table}"), others_count(table)), (1, 0))
    ask(f"UPDATE {table} SET v = 2")
    equal(one(f"SELECT v FROM {table}"), 2)
    ask("COMMIT")
    equal(others_count(table), 1)


@scenario
def autocommit_off():
    table = fresh("autocommit")
    main.autocommit(False)
    ask(f"INSERT INTO {table} (v) VALUES (1)")
    equal((one(f"SELECT COUNT(*) FROM {table}"), others_count(table)), (1, 0))
    main.commit()
    equal(others_count(table), 1)
    main.autocommit(True)
    equal(one("SELECT @@autocommit"), 1)


@scenario
def savepoint():
    table = fresh("savepoint")
    for statement in ("BEGIN", f"INSERT INTO {table} VALUES (1, 1)", "SAVEPOINT s", f"INSERT INTO {table} VALUES (2, 2)",
                      "ROLLBACK TO SAVEPOINT s", "COMMIT"):
        ask(statement)
    equal(ask(f"SELECT id FROM {table}"), ((1,),))


@scenario
def read_back():
    table = fresh("back")
    for i in range(200):
        with main.cursor() as cursor:
            cursor.execute(f"INSERT INTO {table} (v) VALUES (%s)", (i,))
            equal(one(f"SELECT v FROM {table} WHERE id = %s", (cursor.lastrowid,)), i)


@scenario
def set_names():
    connection = connect(autocommit=True)
    ask("SET NAMES latin1", None, connection)
    for _ in range(3):
        equal(one("SELECT CHAR_LENGTH('é')", None, connection), 2)  # two bytes, two letters
    equal(one("SELECT @@character_set_results", None, connection), "latin1")
    ask("SET NAMES utf8mb4", None, connection)
    equal(one("SELECT CHAR_LENGTH('é')", None, connection), 1)
    connection.close()


@scenario
def set_time_zone():
    ask("SET time_zone = '+03:00'")
    for _ in range(3):
        equal(str(one("SELECT FROM_UNIXTIME(0)")), "1970-01-01 03:00:00")
    ask("SET time_zone = SYSTEM")


@scenario
def set_sql_mode():
    mode = one("SELECT @@sql_mode")
    ask("SET sql_mode = 'ANSI_QUOTES'")
    for _ in range(3):
        equal(one(f'SELECT "big" FROM {PREFIX}_kinds'), -(2**63))
    ask("SET sql_mode = %s", (mode,))
    equal(one('SELECT "big"'), "big")


@scenario
def use_schema():
    ask(f"CREATE TABLE IF NOT EXISTS {OTHER_SCHEMA}.{PREFIX}_there AS SELECT 7 AS v")
    main.select_db(OTHER_SCHEMA)
    equal(one(f"SELECT v FROM {PREFIX}_there"), 7)
    fails(1049, ask, f"USE {MISSING_SCHEMA}")
    equal(one("SELECT DATABASE()"), OTHER_SCHEMA)
    ask(f"USE {SCHEMA}")
    equal(one("SELECT DATABASE()"), SCHEMA)


@scenario
def user_variable():
    ask("SET @a := 5")
    equal(one("SELECT @a + 1"), 6)


@scenario
def last_insert_id():
    table = fresh("last")
    ask(f"INSERT INTO {table} VALUES (41, 0)")
    ask(f"INSERT INTO {table} (v) VALUES (0)")
    for _ in range(3):
        equal((one(f"SELECT COUNT(*) FROM {table}"), one("SELECT LAST_INSERT_ID()")), (2, 42))


@scenario
def multi_statements():
    table = fresh("multi")
    with main.cursor() as cursor:
        cursor.execute(f"SELECT 1; INSERT INTO {table} (v) VALUES (8); SELECT v FROM {table}; SELECT 1 WHERE FALSE")
        results = [cursor.fetchall()]
        while cursor.nextset():
            results.append(cursor.fetchall())
    equal(results, [((1,),), (), ((8,),), ()])


@scenario
def call_results():
    ask(f"DROP PROCEDURE IF EXISTS {PREFIX}_p")
    ask(f"CREATE PROCEDURE {PREFIX}_p(n INT) BEGIN SELECT n; SELECT n + 1, 'two'; END")
    with main.cursor() as cursor:
        cursor.callproc(f"{PREFIX}_p", (4,))
        results = [cursor.fetchall()]
        while cursor.nextset():
            results.append(cursor.fetchall())
    equal(results[:2], [((4,),), ((5, "two"),)])


@scenario
def error_duplicate():
    table = fresh("duplicate")
    ask(f"INSERT INTO {table} VALUES (1, 1)")
    fails(1062, ask, f"INSERT INTO {table} VALUES (1, 1)")
    equal(one("SELECT 1"), 1)


@scenario
def error_syntax():
    fails(1064, ask, "SELEKT 1")
    equal(one("SELECT 1"), 1)


@scenario
def error_missing_table():
    equal(fails(1146, ask, "SELECT * FROM missing_table"), f"Table '{SCHEMA}.missing_table' doesn't exist")
    equal(one("SELECT 1"), 1)


@scenario
def ping():
    main.ping()


if NATIVE:
    @scenario
    def change_user():
        connection = connect(autocommit=True)
        ask("SET @a = 1", None, connection)
        connection.change_user(USER, PASSWORD, OTHER_SCHEMA)
        equal(ask("SELECT DATABASE(), @a", None, connection), ((OTHER_SCHEMA, None),))
        connection.close()


@scenario
def long_row():
    table = fresh("long", "v LONGTEXT")
    ask(f"INSERT INTO {table} SELECT REPEAT('abcde', 1048576)")
    equal(one(f"SELECT v FROM {table}"), "abcde" * 1048576)


@scenario
def empty_result():
    with main.cursor() as cursor:
        cursor.execute(f"SELECT id, txt AS other FROM {PREFIX}_kinds WHERE id < 0")
        equal(([column[0] for column in cursor.description], cursor.fetchall()), (["id", "other"], ()))


@scenario
def load_data_local():
    table = fresh("load", "id INT PRIMARY KEY, v VARCHAR(50) CHARACTER SET utf8mb4")
    ask(f"LOAD DATA LOCAL INFILE '{INFILE}' INTO TABLE {table} CHARACTER SET utf8mb4")
    equal(ask(f"SELECT * FROM {table}"), ((1, "one"), (2, EMOJI), (3, None)))


@scenario
def temporary_table():
    ask(f"CREATE TEMPORARY TABLE {PREFIX}_temp AS SELECT 3 AS v")
    equal((one(f"SELECT v FROM {PREFIX}_temp"), one(f"SELECT v FROM {PREFIX}_temp")), (3, 3))
    ask(f"DROP TEMPORARY TABLE {PREFIX}_temp")
    fails(1146, ask, f"SELECT v FROM {PREFIX}_temp")


@scenario
def show_warnings():
    equal(one("SELECT CAST('abc' AS SIGNED)"), 0)
    equal([row[1] for row in ask("SHOW WARNINGS")], [1292])
    ask(f"DROP TABLE IF EXISTS {PREFIX}_never")
    equal([row[1] for row in ask("SHOW WARNINGS")], [1051])


@scenario
def for_update():
    table, other = fresh("lock"), connect()
    ask(f"INSERT INTO {table} VALUES (1, 1)")
    ask("BEGIN")
    equal(one(f"SELECT v FROM {table} WHERE id = 1 FOR UPDATE"), 1)
    try:
        ask(f"SELECT v FROM {table} WHERE id = 1 FOR UPDATE NOWAIT", None, other)
        raise AssertionError("the row was not locked")
    except driver.MySQLError as error:
        equal(error.args[0] in (1205, 3572), True)  # MariaDB, MySQL
    ask("COMMIT")
    equal(one(f"SELECT v FROM {table} WHERE id = 1 FOR UPDATE NOWAIT", None, other), 1)
    other.close()


@scenario
def reconnects():
    for i in range(30):
        connection = connect()
        equal(one("SELECT %s", (i,), connection), i)
        connection.close()


run()
main.close()
