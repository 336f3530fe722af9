"""Statements that change data or schema: DML, DDL, transactions, temporary tables, routines."""

DML = [
    "INSERT INTO t (a, b) VALUES (10, 'new')", "INSERT INTO t (a, b) VALUES (11, 'x'), (12, 'y'), (13, 'z')", "INSERT INTO t (id, a) VALUES (40, 4)",
    "INSERT INTO t (id, a) VALUES (1, 1)", "INSERT IGNORE INTO t (id, a) VALUES (1, 1), (60, 6)", "INSERT INTO t (id, a) VALUES (0, 7)",
    "INSERT INTO t (id, a) VALUES (NULL, 8), (70, 8), (NULL, 9)", "INSERT INTO t SET a = 3, b = 'set'", "INSERT INTO t () VALUES ()",
    "INSERT INTO t (a, b) SELECT a, b FROM t WHERE id < 3 ORDER BY id", "REPLACE INTO t (id, a) VALUES (2, 22)", "REPLACE INTO u (n, x) VALUES ('uno', 'again')",
    "INSERT INTO u (n, sm) VALUES ('uno', 1) ON DUPLICATE KEY UPDATE sm = 5", "INSERT INTO u (n) VALUES ('quatro') ON DUPLICATE KEY UPDATE id = LAST_INSERT_ID(id), sm = 3",
    "INSERT INTO u (n) VALUES ('tres') ON DUPLICATE KEY UPDATE id = LAST_INSERT_ID(id)", "INSERT INTO u (sm, k) VALUES (300, 'purple')", "INSERT INTO u (ye, da) VALUES (5, '2024-02-31')",
    "INSERT INTO bare (w) VALUES ('a')", "INSERT INTO bare VALUES (1, 'too long', 1)", "INSERT INTO bare VALUES (2, 'ok', -1)", "INSERT INTO bare VALUES (3, 'ok', 1), (NULL, 'x', 2)",
    "INSERT INTO child VALUES (5, 999)", "INSERT INTO child VALUES (6, 3)", "DELETE FROM t WHERE id = 1", "DELETE FROM t WHERE id = 3", "DELETE FROM t WHERE a > 5",
    "DELETE FROM t ORDER BY id DESC LIMIT 1", "DELETE t, child FROM t JOIN child ON child.t_id = t.id WHERE t.id = 2", "DELETE FROM child", "DELETE FROM u WHERE sm = 1 / 0",
    "UPDATE t SET a = a + 1", "UPDATE t SET a = 2 WHERE id = 2", "UPDATE t SET b = 'w' WHERE id = 99", "UPDATE t SET c = 1e12 WHERE id = 1", "UPDATE t SET b = REPEAT('x', 99) WHERE id = 1",
    "UPDATE t SET id = 2 WHERE id = 3", "UPDATE IGNORE t SET id = 2 WHERE id = 3", "UPDATE t SET a = 10 / 0 WHERE id < 3", "UPDATE t, child SET t.a = 100 WHERE child.t_id = t.id",
    "UPDATE t SET a = LAST_INSERT_ID(a + 50) WHERE id = 2", "UPDATE v SET a = a + 1 WHERE id = 1 LIMIT 1", "UPDATE t SET b = 'é' WHERE id = 4", "TRUNCATE TABLE child", "TRUNCATE t", "DELETE FROM parent WHERE id = 1", "DELETE FROM parent WHERE id = 3", "TRUNCATE parent", "UPDATE parent SET id = 9 WHERE id = 2",
    "INSERT INTO t (a) VALUES ('abc')", "INSERT INTO t (d) VALUES ('2024-13-01'), ('0000-00-00')", "INSERT INTO t (b) VALUES (f_read(1))", "INSERT INTO missing VALUES (1)",
    "INSERT INTO u (n) VALUES ('same'), ('same')", "WITH c AS (SELECT 2 AS i) UPDATE t SET a = 5 WHERE id IN (SELECT i FROM c)", "INSERT INTO t (a) VALUES (1 / 0)", "DELETE FROM t WHERE",
    "SELECT id INTO @into_v FROM t WHERE id = 2", "SELECT b, a INTO @into_v, @into_w FROM t WHERE id = 77", "SELECT id FROM t INTO @into_v", "SELECT @into_v, @into_w", "REPLACE t SET id = 3",
]  # fmt: skip
OF_MARIADB = [
    "INSERT INTO t (a) VALUES (21), (22) RETURNING id, a", "DELETE FROM t WHERE id = 4 RETURNING *", "REPLACE INTO t (id, a) VALUES (3, 33) RETURNING id", "CREATE SEQUENCE IF NOT EXISTS q",
    "SELECT NEXTVAL(q)", "SELECT LASTVAL(q)", "SELECT NEXT VALUE FOR q, PREVIOUS VALUE FOR q", "SELECT SETVAL(q, 50)", "CREATE OR REPLACE TABLE made (i INT)", "SELECT * FROM t FOR SYSTEM_TIME ALL LIMIT 1",
    "BEGIN NOT ATOMIC SELECT 1; SET @blk = 2; SELECT @blk; END", "CREATE OR REPLACE TEMPORARY TABLE tmp (only INT)", "SET STATEMENT sql_mode = 'ANSI' FOR SELECT 'a' || 'b'", "SHOW EXPLAIN FOR 1",
    "EXECUTE IMMEDIATE 'SELECT ? + 1' USING 5", "EXECUTE IMMEDIATE 'SET @imm = 5, sql_mode = ANSI_QUOTES'", "EXECUTE IMMEDIATE CONCAT('SELECT ', 'id FROM t ORDER BY id')", "SELECT @imm, @blk",
    "SET STATEMENT max_statement_time = 5, sql_select_limit = 2 FOR SELECT id FROM t ORDER BY id", "ANALYZE FORMAT=JSON SELECT nothing", "SELECT id FROM t ORDER BY id FETCH FIRST 2 ROWS ONLY",
]  # fmt: skip
DDL = [
    "CREATE TABLE made (id INT AUTO_INCREMENT PRIMARY KEY, x VARCHAR(9))", "CREATE TABLE IF NOT EXISTS made (y INT)", "INSERT INTO made (x) VALUES ('m')", "SELECT * FROM made", "DROP TABLE made",
    "DROP TABLE IF EXISTS made, nothing", "ALTER TABLE t ADD COLUMN added INT DEFAULT 5", "ALTER TABLE t DROP COLUMN added", "CREATE INDEX ix ON t (b)", "DROP INDEX ix ON t",
    "CREATE TABLE made AS SELECT id, b FROM t", "CREATE TABLE made LIKE t", "RENAME TABLE made TO remade", "DROP TABLE remade", "CREATE VIEW made AS SELECT 1 AS one", "DROP VIEW made",
    "ALTER TABLE t MODIFY b VARCHAR(30) CHARACTER SET latin1", "CREATE PROCEDURE p_made() SELECT 'made'", "CALL p_made()", "DROP PROCEDURE IF EXISTS p_made", "ANALYZE TABLE child", "CHECK TABLE child",
    "CREATE FUNCTION f_made() RETURNS INT DETERMINISTIC NO SQL RETURN 4", "SELECT f_made()", "DROP FUNCTION f_made", "ALTER TABLE t AUTO_INCREMENT = 500", "CREATE TABLE bad (x NOTYPE)", "SHOW CREATE TABLE child",
]  # fmt: skip
TEMPORARY = [
    "CREATE TEMPORARY TABLE tmp (id INT AUTO_INCREMENT PRIMARY KEY, v VARCHAR(9))", "CREATE TEMPORARY TABLE t (shadow INT)", "CREATE TEMPORARY TABLE IF NOT EXISTS tmp (z INT)", "INSERT INTO tmp (v) VALUES ('q'), ('r')",
    "SELECT * FROM tmp", "INSERT INTO t VALUES (5)", "SELECT * FROM t", "DROP TABLE tmp", "DROP TEMPORARY TABLE IF EXISTS t", "DROP TEMPORARY TABLE tmp", "CREATE TEMPORARY TABLE tmp SELECT id, a FROM t",
    "ALTER TABLE tmp ADD y INT", "TRUNCATE tmp", "SHOW COLUMNS FROM tmp", "CREATE TEMPORARY TABLE child LIKE u", "UPDATE tmp SET v = 'u'", "DROP TEMPORARY TABLE t, tmp", "CALL p_temp()",
]  # fmt: skip
TRANSACTIONS = [
    "BEGIN", "START TRANSACTION", "START TRANSACTION READ ONLY", "START TRANSACTION READ WRITE", "START TRANSACTION WITH CONSISTENT SNAPSHOT", "START TRANSACTION READ ONLY, WITH CONSISTENT SNAPSHOT",
    "COMMIT", "COMMIT", "ROLLBACK", "ROLLBACK", "COMMIT AND CHAIN", "ROLLBACK AND CHAIN", "COMMIT WORK AND NO CHAIN", "COMMIT AND NO CHAIN NO RELEASE", "SAVEPOINT sp", "ROLLBACK TO SAVEPOINT sp", "RELEASE SAVEPOINT sp",
    "SET TRANSACTION READ ONLY", "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", "SET TRANSACTION ISOLATION LEVEL READ COMMITTED, READ ONLY", "SET SESSION TRANSACTION READ WRITE", "SET SESSION TRANSACTION READ ONLY",
    "SET SESSION TRANSACTION ISOLATION LEVEL READ UNCOMMITTED", "SET @@transaction_isolation = 'READ-COMMITTED'", "SET autocommit = 0", "SET autocommit = 1", "SET @@autocommit = 0", "BEGIN WORK; ", "CALL p_begin()",
    "SET @x = 1, autocommit = 0", "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ", "SET @@transaction_read_only = 1", "begin/**/", "XA START 'x1'", "XA END 'x1'", "XA COMMIT 'x1' ONE PHASE", "XA RECOVER",
]  # fmt: skip
ROUTINES = [
    "CALL p_read(3)", "CALL p_read(0)", "CALL p_write(31, @o)", "SELECT @o", "CALL p_many(@io)", "SET @io = 2", "SELECT @io", "CALL p_state()", "SELECT @left_by_p, @@time_zone, 1/3", "CALL p_error(0)", "CALL p_error(1)",
    "CALL p_missing()", "CALL p_read()", "SELECT f_write(5)", "SELECT f_write(6), LAST_INSERT_ID()", "SELECT f_state(9)", "SELECT @left_by_f", "SELECT f_state(id) FROM t ORDER BY id", "DO f_write(7)", "CALL p_prepare()",
    "EXECUTE from_p USING @io", "CALL p_lock()", "SELECT @fired", "INSERT INTO bare (v) VALUES (4)", "SELECT f_missing(1)", "SELECT n FROM u WHERE id = f_write(8)", "SIGNAL SQLSTATE '01000' SET MESSAGE_TEXT = 'w'", "CALL p_temp()",
    "SELECT f_read(f_pure(1))", "SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'mine'", "KILL QUERY CONNECTION_ID()", "CALL P_READ ( 2 ) ;", "SET @o = f_write(11)", "SELECT IF(0, f_write(12), 1)", "DO SLEEP(0)",
]  # fmt: skip


def dml(gen):
    sql = gen.pick(DML if gen.engine == "mysql" or gen.chance(0.8) else OF_MARIADB)
    return [gen.q(sql)] + ([gen.q("SHOW WARNINGS")] if gen.chance(0.25) else [])


def ddl(gen):
    return [gen.q(gen.pick(DDL)) for _ in range(gen.pick([1, 1, 2, 3]))]


def temporary(gen):
    return [gen.q(gen.pick(TEMPORARY)) for _ in range(gen.pick([1, 1, 2, 3]))]


def transaction(gen):
    if gen.chance(0.6):
        return [gen.q(gen.pick(TRANSACTIONS))]
    begin = gen.pick(["BEGIN", "START TRANSACTION", "SET autocommit = 0", "START TRANSACTION READ ONLY", "SET TRANSACTION READ ONLY; BEGIN"])
    end = gen.pick(["COMMIT", "ROLLBACK", "SET autocommit = 1", "COMMIT AND CHAIN", "BEGIN"])
    steps = [gen.q(part) for part in begin.split("; ")]
    for _ in range(gen.rng.randrange(4)):
        steps += gen.small()
    return [*steps, gen.q(end)]


def routine(gen):
    return [gen.q(gen.pick(ROUTINES))]


def local_infile(gen):
    lines = gen.pick([b"", b"1\ta\t1\n2\tb\t2\n", b"x\ty\tz\n", b"1\ttoo long to fit\t-5\n", b"7\n"])
    sql = gen.pick(["LOAD DATA LOCAL INFILE 'f' INTO TABLE bare", "LOAD DATA LOCAL INFILE 'f' REPLACE INTO TABLE missing"])
    if gen.chance(0.2):
        sql = gen.pick([f"SELECT 1; {sql}; SELECT 2", f"{sql}; SELECT ROW_COUNT()"])
    return [("query", sql, lines)] + ([gen.q("SHOW WARNINGS")] if gen.chance(0.4) else [])
