"""Reads: plain ones, which Sluice may send anywhere, and those that speak of the session or of its last statement."""

PLAIN = [
    "SELECT * FROM t ORDER BY id", "SELECT * FROM u ORDER BY id", "SELECT id, b FROM t WHERE id = 2", "SELECT 1", "SELECT COUNT(*) FROM t",
    "SELECT t.id, child.id FROM t JOIN child ON child.t_id = t.id ORDER BY 1, 2", "SELECT * FROM v ORDER BY id", "(SELECT 1) UNION (SELECT 2)",
    "SELECT id FROM t ORDER BY id LIMIT 2", "SELECT a, COUNT(*) FROM t GROUP BY a ORDER BY a", "SELECT * FROM t WHERE id = -1",
    "SELECT b FROM t WHERE b = 'TWO' ORDER BY id", "SELECT b FROM t WHERE b LIKE 't%' ORDER BY id", "SELECT id FROM t ORDER BY b, id",
    "SELECT GROUP_CONCAT(b ORDER BY id) FROM t", "WITH c AS (SELECT id FROM t) SELECT * FROM c ORDER BY id", "SELECT EXISTS (SELECT 1 FROM t)",
    "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 6) SELECT * FROM r", "TABLE t ORDER BY id LIMIT 1",
    "SELECT 'a' || 'b', 7 || 0", 'SELECT "id", "b" FROM t ORDER BY 1 LIMIT 2', r"SELECT LENGTH('a\\nb'), '\\%', 'it''s'", r"SELECT 'a\'b'",
    "SELECT 1/3, 10/3.5, 1/0", "SELECT 5 DIV 0, MOD(5, 0)", "SELECT CAST('12abc' AS SIGNED)", "SELECT CAST('x' AS DECIMAL(5,2)), 'abc' + 1",
    "SELECT CAST(1 AS UNSIGNED) - 2", "SELECT NOT 1 BETWEEN -5 AND 5", "SELECT CAST('2024-00-00' AS DATE), CAST('2024-02-31' AS DATE)",
    "SELECT DATE_FORMAT('2024-03-03', '%W %M %a %b')", "SELECT WEEK('2024-01-01'), WEEK('2023-12-31')", "SELECT UNIX_TIMESTAMP('2024-01-01 00:00:00')",
    "SELECT FROM_UNIXTIME(1000000000)", "SELECT ts FROM u ORDER BY id", "SELECT CHARSET('x'), COLLATION('x'), COERCIBILITY('x')",
    "SELECT 'A' = 'a', 'é' = 'e', HEX('é'), LENGTH('é')", "SELECT HEX(_latin1 0xE9), _latin1 0xE9, N'x'", "SELECT n, x FROM u WHERE n = 'UNO'",
    "SELECT CAST('7' AS CHAR), CONVERT('é' USING latin1)", "SELECT f_pure(4)", "SELECT f_read(2)", "SELECT b, f_pure(a) FROM t ORDER BY id",
    "SELECT id IS NULL FROM t ORDER BY id", "SELECT * FROM t WHERE id IS NULL", "SELECT COUNT (*) FROM t", "SELECT a FROM t GROUP BY b ORDER BY 1",
    "SELECT x.id FROM t x, t y, u ORDER BY x.id LIMIT 1", "SELECT DATABASE(), SCHEMA()", "SELECT CURRENT_USER()", "SELECT REPEAT('é', 300)",
    "SELECT FORMAT(12345.678, 2), FORMAT(12345.678, 2, 'de_DE')", "SELECT JSON_OBJECT('a', 1, 'b', 'é')", "SELECT -0e0, 1e300 * 1e300",
    "SELECT * FROM missing", "SELECT nothing FROM t", "SELEC 1", "SELECT 1 FROM", "SELECT (SELECT id FROM t)", "SELECT 18446744073709551615 + 1",
    "SELECT bg + 1 FROM u ORDER BY id", "SELECT * FROM test_missing.t", "SELECT EXP(1000)", "SELECT * FROM t AS \"x\" ORDER BY 1 LIMIT 1",
    "SELECT REPEAT('x', 100000) AS big", "SELECT TIMESTAMPDIFF(HOUR, ts, '2024-01-01') FROM u ORDER BY id", "SELECT GREATEST(b, 'Two') FROM t ORDER BY id",
    "SELECT id FROM t ORDER BY id LIMIT 1 OFFSET 1 /* tail */", "# first\nSELECT 3", "-- first\nSELECT 4", "/*!SELECT*/ 5", "SELECT/**/6",
    "SELECT SQL_NO_CACHE id FROM t ORDER BY id", "SELECT DISTINCT a FROM t ORDER BY a", "SELECT a, SUM(c) FROM t GROUP BY a WITH ROLLUP",
    "VALUES ROW(1, 'x'), ROW(2, 'y')", "VALUES (1, 'x'), (2, 'y')", "DO 1", "EXPLAIN FORMAT=JSON SELECT 1", "DESCRIBE t", "SELECT 1 AS `a``b`",
]  # fmt: skip
LOCKING = [
    "SELECT id FROM t WHERE id = 1 FOR UPDATE", "SELECT id FROM t WHERE id = 1 LOCK IN SHARE MODE", "SELECT id FROM t WHERE id = 2 FOR UPDATE NOWAIT",
    "SELECT id FROM t ORDER BY id FOR UPDATE SKIP LOCKED", "SELECT id FROM t WHERE id = 1 for\nupdate;", "SELECT id FROM t WHERE id = 1 FOR SHARE",
]  # fmt: skip
SHOW = [
    "SHOW TABLES", "SHOW FULL COLUMNS FROM t", "SHOW CREATE VIEW v", "SHOW COLUMNS FROM u LIKE 'n%'", "SHOW VARIABLES LIKE 'sql_mode'",
    "SHOW SESSION VARIABLES LIKE 'c%'", "SHOW VARIABLES LIKE 'collation%'", "SHOW VARIABLES WHERE Variable_name IN ('autocommit', 'time_zone')",
    "SHOW COLLATION LIKE 'latin1%'", "SHOW CHARACTER SET LIKE 'utf8%'", "SHOW CREATE TABLE child", "SHOW DATABASES LIKE 'nothing%'", "SHOW INDEX FROM missing",
    "SHOW CREATE PROCEDURE p_read", "SHOW GRANTS FOR CURRENT_USER", "SHOW TRIGGERS LIKE 'zz%'", "SHOW NONSENSE", "SHOW TABLES FROM test_missing",
    "SHOW VARIABLES LIKE 'tx%'", "SHOW VARIABLES LIKE 'transaction%'", "SHOW VARIABLES LIKE '%read_only'", "SHOW VARIABLES LIKE '%insert_id'",
]  # fmt: skip
OF_PREVIOUS = [
    "SHOW WARNINGS", "SHOW WARNINGS", "SHOW WARNINGS LIMIT 1", "SHOW WARNINGS LIMIT 1, 2", "SHOW ERRORS", "SHOW COUNT(*) WARNINGS", "SHOW COUNT(*) ERRORS",
    "SELECT @@warning_count, @@error_count", "SELECT @@session.warning_count", "SELECT ROW_COUNT()", "SELECT ROW_COUNT(), FOUND_ROWS()", "SELECT FOUND_ROWS()",
    "SELECT LAST_INSERT_ID()", "SELECT LAST_INSERT_ID() AS x FROM DUAL;", "SELECT LAST_INSERT_ID() + 1, ROW_COUNT()", "SELECT @@identity", "SELECT @@last_insert_id",
    "SELECT @@insert_id", "SELECT LAST_INSERT_ID(123)", "SELECT LAST_INSERT_ID(id) FROM t WHERE id = 2", "SELECT * FROM t WHERE id = LAST_INSERT_ID()",
    "SELECT SQL_CALC_FOUND_ROWS id FROM t ORDER BY id LIMIT 2", "SELECT SQL_CALC_FOUND_ROWS * FROM t WHERE id > 1 LIMIT 1", "DO LAST_INSERT_ID(5)",
    "GET DIAGNOSTICS @gd_n = NUMBER, @gd_r = ROW_COUNT", "GET DIAGNOSTICS CONDITION 1 @gd_m = MESSAGE_TEXT, @gd_s = RETURNED_SQLSTATE", "SELECT @gd_n, @gd_r, @gd_m, @gd_s",
    "SELECT 1, LAST_INSERT_ID()", "SELECT last_insert_id ( )", "SELECT COALESCE(LAST_INSERT_ID(), 0)", "SHOW VARIABLES LIKE '%_count'",
]  # fmt: skip
STATE = [
    "SELECT @@sql_mode, @@time_zone, @@autocommit", "SELECT @@group_concat_max_len, @@sql_select_limit, @@div_precision_increment", "SELECT @@session.sql_mode",
    "SELECT @@character_set_client, @@character_set_connection, @@character_set_results, @@collation_connection", "SELECT @@lc_time_names, @@foreign_key_checks",
    "SELECT @@collation_database, @@character_set_database, DATABASE()", "SELECT @@default_week_format, @@sql_safe_updates", "SELECT CONNECTION_ID() = CONNECTION_ID()",
    "SELECT @@transaction_isolation", "SELECT @@transaction_read_only", "SELECT @@unique_checks, @@sql_notes, @@max_error_count, @@completion_type", "SELECT @@lock_wait_timeout",
    "SELECT @@read_only", "SELECT @@global.sql_mode", "SELECT @@sort_buffer_size, @@wait_timeout, @@net_write_timeout, @@innodb_lock_wait_timeout", "SELECT @@no_such",
    "SELECT @@optimizer_switch", "SELECT @@version, VERSION()", "SELECT @@autocommit, @@in_transaction", "SELECT @@max_allowed_packet", "SELECT @@lc_messages",
]  # fmt: skip
# Equal in both worlds only if the session's clock stands where SET timestamp put it; else they say "now".
CLOCKS = [
    "SELECT IF(@@timestamp < 1700000001, @@timestamp, 'now')", "SELECT IF(@@timestamp < 1700000001, NOW(6), 'now')",
    "SELECT IF(UNIX_TIMESTAMP() < 1700000001, CURRENT_TIMESTAMP(3), 'now') AS clock", "SELECT IF(@@timestamp < 1700000001, CURDATE(), 'now')",
]  # fmt: skip


def plain(gen):
    sql = gen.pick(PLAIN)
    return [gen.q(sql)] if gen.chance(0.9) else [gen.q(sql + " ;"), gen.q("SHOW WARNINGS")]


def locking(gen):
    return [gen.q(gen.pick(LOCKING))]


def show(gen):
    return [gen.q(gen.pick(SHOW))]


def of_previous(gen):
    return [gen.q(gen.pick(OF_PREVIOUS))]


def of_state(gen):
    choice = gen.rng.random()
    if choice < 0.4:
        return [gen.q(gen.pick(STATE))]
    if choice < 0.7:
        name = gen.pick(gen.favourites)
        return [gen.q(f"SELECT @@{gen.pick(['', 'session.', 'local.'])}{name}")] if name != "timestamp" else []
    if choice < 0.8:
        return [gen.q(gen.clock())]
    return [gen.q(gen.variable_read())]
