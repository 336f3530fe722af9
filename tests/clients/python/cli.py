"""The command-line client: `cli.py PROGRAM…`, MariaDB's or MySQL's. Each question is a run of it in batch mode.

--batch --raw prints tab-separated columns, the names first; NULL is "NULL".
"""

import os
import subprocess
import sys

from endpoint import (ALL_BYTES, EMOJI, HOST, INFILE, KINDS, MISSING_SCHEMA, OTHER_SCHEMA, PASSWORD, PORT, PREFIX, SCHEMA,
                      TLS, USER, equal, run, scenario)

CLIENT = sys.argv[1:]
ORACLES = any(word.endswith("/mysql") for word in CLIENT)
TRANSPORT = (["--ssl-mode=REQUIRED" if TLS else "--ssl-mode=DISABLED"] + ([] if TLS else ["--get-server-public-key"])
             if ORACLES else ["--ssl" if TLS else "--skip-ssl"])
COMMANDS = ["--commands"] if ORACLES else []  # use, status, resetconnection; MariaDB's has them on


def client(script, schema=SCHEMA, password=PASSWORD, options=()):
    """The client's output, its error text, and whether it was content."""
    command = [*CLIENT, *TRANSPORT, *COMMANDS, f"--host={HOST}", f"--port={PORT}", f"--user={USER}", "--batch", "--raw",
               "--default-character-set=utf8mb4", "--max-allowed-packet=64M", *options, schema]
    done = subprocess.run(command, input=script.encode(), capture_output=True, timeout=60, check=False,
                          env={**os.environ, "MYSQL_PWD": password})
    return done.stdout, done.stderr.decode(errors="replace"), done.returncode == 0


def ask(script, **changes):
    """The rows of all results, without the names: use one result a script, or tell them apart."""
    output, errors, content = client(script, options=["--skip-column-names"], **changes)
    if not content:
        raise AssertionError(errors)
    return [line.split("\t") for line in output.decode().splitlines()]


def one(script):
    return ask(script)[0][0]


def fails(code, state, script, **changes):
    _, errors, content = client(script, **changes)
    if content or f"ERROR {code} ({state})" not in errors:
        raise AssertionError(f"no error {code} ({state}): {errors}")
    return errors


def recreate(name, columns="id INT PRIMARY KEY AUTO_INCREMENT, v INT"):
    """SQL that makes a table anew, and its name."""
    table = f"{PREFIX}_{name}"
    return table, f"DROP TABLE IF EXISTS {table}; CREATE TABLE {table} ({columns});"


def in_transaction(table):
    return f"BEGIN; SELECT COUNT(*) FROM {table}; COMMIT;"


@scenario
def login():
    equal(one("SELECT DATABASE()"), SCHEMA)
    output, _, _ = client("status")
    equal(b"Cipher in use is" in output, TLS)


@scenario
def login_wrong_password():
    errors = fails(1045, "28000", "SELECT 1", password="wrong")
    equal((f"Access denied for user '{USER}'@'" in errors, errors.strip().endswith("(using password: YES)")), (True, True))


@scenario
def login_unknown_schema():
    fails(1049, "42000", "SELECT 1", schema=MISSING_SCHEMA)


@scenario
def ddl():
    table, sql = recreate("ddl", "id INT")
    rows = ask(f"{sql} ALTER TABLE {table} ADD COLUMN added VARCHAR(7); SHOW COLUMNS FROM {table}; DROP TABLE {table};"
               f"SHOW TABLES LIKE '{table}'")
    equal([row[0] for row in rows], ["id", "added"])


@scenario
def insert():
    table, sql = recreate("insert")
    output, _, _ = client(f"{sql} INSERT INTO {table} (v) VALUES (1),(2); UPDATE {table} SET v = 9; SELECT LAST_INSERT_ID()",
                          options=["-vvv"])
    equal((b"Query OK, 2 rows affected" in output, b"Rows matched: 2  Changed: 2" in output), (True, True))


@scenario
def bulk_insert():
    table, sql = recreate("bulk")
    rows = ",".join(f"({i}, {i})" for i in range(1, 1001))
    equal(ask(f"{sql} INSERT INTO {table} VALUES {rows}; SELECT COUNT(*), SUM(v) FROM {table}"), [["1000", "500500"]])


@scenario
def text_read():
    values = (f"'{EMOJI}', X'{ALL_BYTES.hex()}', -12345.67890, '2024-02-29', '2023-12-31 23:59:59.123456',"
              f" {-(2**63)}, {2**64 - 1}, NULL, ''")
    output, errors, _ = client(f"DROP TABLE IF EXISTS {PREFIX}_kinds; {KINDS}; INSERT INTO {PREFIX}_kinds VALUES (1, {values});"
                               f"SELECT bin, txt, num, day, moment, big, ubig, nothing, blank FROM {PREFIX}_kinds",
                               options=["--skip-column-names", "--skip-binary-as-hex"] if ORACLES else ["--skip-column-names"])
    equal((errors, output[:256]), ("", ALL_BYTES))
    equal(output[257:].decode().rstrip("\n").split("\t"),
          [EMOJI, "-12345.67890", "2024-02-29", "2023-12-31 23:59:59.123456", str(-(2**63)), str(2**64 - 1), "NULL", ""])


@scenario
def text_prepare():
    equal(ask("PREPARE s FROM 'SELECT ? * 2, ?'; SET @a = 21, @b = NULL; EXECUTE s USING @a, @b; DEALLOCATE PREPARE s"),
          [["42", "NULL"]])


@scenario
def commit():
    table, sql = recreate("commit")
    equal(one(f"{sql} BEGIN; INSERT INTO {table} (v) VALUES (1); COMMIT; SELECT COUNT(*) FROM {table}"), "1")
    equal(one(in_transaction(table)), "1")


@scenario
def rollback():
    table, sql = recreate("rollback")
    equal(one(f"{sql} BEGIN; INSERT INTO {table} (v) VALUES (1); ROLLBACK; SELECT COUNT(*) FROM {table}"), "0")
    equal(one(in_transaction(table)), "0")


@scenario
def own_writes():
    table, sql = recreate("own")
    equal(ask(f"{sql} BEGIN; INSERT INTO {table} (v) VALUES (1); SELECT v FROM {table}; UPDATE {table} SET v = 2;"
              f"SELECT v FROM {table}; COMMIT"), [["1"], ["2"]])


@scenario
def autocommit_off():
    table, sql = recreate("autocommit")
    equal(one(f"{sql} SET autocommit = 0; INSERT INTO {table} (v) VALUES (1); SELECT COUNT(*) FROM {table}"), "1")
    equal(one(in_transaction(table)), "0")  # the client left without a commit


@scenario
def savepoint():
    table, sql = recreate("savepoint")
    equal(ask(f"{sql} BEGIN; INSERT INTO {table} VALUES (1, 1); SAVEPOINT s; INSERT INTO {table} VALUES (2, 2);"
              f"ROLLBACK TO SAVEPOINT s; COMMIT; SELECT id FROM {table}"), [["1"]])


@scenario
def read_back():
    table, sql = recreate("back")
    rounds = "".join(f"INSERT INTO {table} (v) VALUES ({i}); SELECT v FROM {table} WHERE v = {i};" for i in range(200))
    equal(ask(sql + rounds), [[str(i)] for i in range(200)])


@scenario
def set_names():
    equal(ask("SET NAMES latin1; SELECT CHAR_LENGTH('é'); SELECT CHAR_LENGTH('é'); SET NAMES utf8mb4;"
              "SELECT CHAR_LENGTH('é')"), [["2"], ["2"], ["1"]])


@scenario
def set_time_zone():
    equal(ask("SET time_zone = '+03:00'; SELECT FROM_UNIXTIME(0); SELECT FROM_UNIXTIME(0)"), [["1970-01-01 03:00:00"]] * 2)


@scenario
def set_sql_mode():
    equal(ask(f'SET sql_mode = "ANSI_QUOTES"; SELECT "txt" FROM {PREFIX}_kinds; SET sql_mode = \'\'; SELECT "txt"'),
          [[EMOJI], ["txt"]])


@scenario
def use_schema():
    rows = ask(f"CREATE TABLE IF NOT EXISTS {OTHER_SCHEMA}.{PREFIX}_there AS SELECT 7 AS v;\nuse {OTHER_SCHEMA}\n"
               f"SELECT v FROM {PREFIX}_there; SELECT DATABASE();\nuse {SCHEMA}\nSELECT DATABASE()")
    equal(rows, [["7"], [OTHER_SCHEMA], [SCHEMA]])
    fails(1049, "42000", f"use {MISSING_SCHEMA}")


@scenario
def user_variable():
    equal(one("SET @a := 5; SELECT @a + 1"), "6")


@scenario
def last_insert_id():
    table, sql = recreate("last")
    equal(ask(f"{sql} INSERT INTO {table} VALUES (41, 0); INSERT INTO {table} (v) VALUES (0); SELECT COUNT(*) FROM {table};"
              "SELECT LAST_INSERT_ID(); SELECT LAST_INSERT_ID()"), [["2"], ["42"], ["42"]])


@scenario
def multi_statements():
    # Under another delimiter the client sends all of it as one command.
    table, sql = recreate("multi")
    equal(ask(f"{sql}\ndelimiter //\nSELECT 1; INSERT INTO {table} (v) VALUES (8); SELECT v FROM {table}//\n"),
          [["1"], ["8"]])


@scenario
def call_results():
    equal(ask(f"DROP PROCEDURE IF EXISTS {PREFIX}_p;\ndelimiter //\nCREATE PROCEDURE {PREFIX}_p(n INT)\n"
              f"BEGIN SELECT n; SELECT n + 1, 'two'; END//\ndelimiter ;\nCALL {PREFIX}_p(4)"), [["4"], ["5", "two"]])


@scenario
def error_duplicate():
    table, sql = recreate("duplicate")
    fails(1062, "23000", f"{sql} INSERT INTO {table} VALUES (1, 1); INSERT INTO {table} VALUES (1, 1)")


def usable_after(code, state, statement):
    output, errors, _ = client(f"{statement}; SELECT 'usable'", options=["--force", "--skip-column-names"])
    equal((output, f"ERROR {code} ({state})" in errors), (b"usable\n", True))


@scenario
def error_syntax():
    usable_after(1064, "42000", "SELEKT 1")


@scenario
def error_missing_table():
    usable_after(1146, "42S02", "SELECT * FROM missing_table")


if ORACLES:
    @scenario
    def reset():
        equal(ask("SET @a = 1;\nresetconnection\nSELECT @a, DATABASE()"), [["NULL", SCHEMA]])


@scenario
def long_row():
    table, sql = recreate("long", "v LONGTEXT")
    equal(one(f"{sql} INSERT INTO {table} SELECT REPEAT('abcde', 1048576); SELECT v FROM {table}"), "abcde" * 1048576)


@scenario
def empty_result():
    output, errors, _ = client(f"SELECT id, txt AS other FROM {PREFIX}_kinds WHERE id < 0", options=["--table", "--column-type-info"])
    equal((errors, b"`id`" in output and b"`other`" in output), ("", True))


@scenario
def load_data_local():
    table, sql = recreate("load", "id INT PRIMARY KEY, v VARCHAR(50) CHARACTER SET utf8mb4")
    # MySQL's client asks for a collation that MariaDB does not know, and gets latin1.
    output, errors, content = client(f"SET NAMES utf8mb4; {sql} LOAD DATA LOCAL INFILE '{INFILE}' INTO TABLE {table} CHARACTER SET utf8mb4;"
                                     f"SELECT * FROM {table}", options=["--local-infile=1", "--skip-column-names"])
    equal((errors, content, output.decode()), ("", True, f"1\tone\n2\t{EMOJI}\n3\tNULL\n"))


@scenario
def temporary_table():
    table = f"{PREFIX}_temp"
    equal(ask(f"CREATE TEMPORARY TABLE {table} AS SELECT 3 AS v; SELECT v FROM {table}; SELECT v FROM {table}"),
          [["3"], ["3"]])
    fails(1146, "42S02", f"SELECT v FROM {table}")


@scenario
def show_warnings():
    equal([row[1] for row in ask(f"DROP TABLE IF EXISTS {PREFIX}_never; SHOW WARNINGS")], ["1051"])
    output, _, _ = client("SELECT CAST('abc' AS SIGNED)", options=["--show-warnings"])
    equal(b"Warning (Code 1292)" in output, True)


@scenario
def for_update():
    table, sql = recreate("lock")
    equal(one(f"{sql} INSERT INTO {table} VALUES (1, 7); BEGIN; SELECT v FROM {table} WHERE id = 1 FOR UPDATE; COMMIT"), "7")


@scenario
def reconnects():
    for i in range(30):
        equal(one(f"SELECT {i}"), str(i))


run()
