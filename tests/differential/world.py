"""The ground that scripts run on: schemas with the same contents each time.

Two schemas, `NAME` and `NAME2`, hold tables of all column types, rows, a view,
procedures and functions. Each run of a script begins with both made anew, so
that the second world equals the first to the last AUTO_INCREMENT.

Nothing refers to `t`: a REPLACE of a row that a foreign key refers to succeeds
on MySQL 9.7 and then stops its replicas with error 1451.
"""

import pymysql

from process import wait_until

TABLES = """
CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, a INT, b VARCHAR(20), c DECIMAL(10,3), d DATETIME(3), e DOUBLE,
  KEY a (a)) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci
INSERT INTO t (a, b, c, d, e) VALUES (1, 'one', 1.5, '2001-01-01 01:01:01.001', 1e0), (2, 'Two', -2.25, '2002-02-02', 2.5e10),
  (3, 'é', NULL, NULL, -3e-3), (NULL, '', 0, '1970-01-01 00:00:01', 0), (5, 'five''s', 5.555, '2005-05-05 05:05:05', NULL)
CREATE TABLE u (id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, n VARCHAR(30) UNIQUE, x TEXT, y BLOB, k ENUM('red','green','blue'),
  s SET('a','b','c'), f BIT(9), ti TIME(2), ye YEAR, ts TIMESTAMP(6) NULL, da DATE, sm TINYINT, bg BIGINT UNSIGNED, fl FLOAT)
  CHARACTER SET latin1 AUTO_INCREMENT=100
INSERT INTO u (n, x, y, k, s, f, ti, ye, ts, da, sm, bg, fl) VALUES ('uno', 'text', x'00ff27', 'red', 'a,c', 257, '-12:34:56.78',
  2024, '2001-09-09 01:46:40.123456', '2024-02-29', -128, 18446744073709551615, 1.5), ('dos', REPEAT('x', 300), NULL, 'blue', '',
  b'0', '838:59:59', 1901, '2024-06-30 12:00:00', '1000-01-01', 127, 0, -1e10), ('tres', NULL, '', NULL, NULL, NULL, NULL, NULL,
  NULL, NULL, NULL, NULL, NULL)
CREATE TABLE parent (id INT PRIMARY KEY)
INSERT INTO parent VALUES (1), (2), (3)
CREATE TABLE child (id INT PRIMARY KEY, t_id INT, CONSTRAINT of_parent FOREIGN KEY (t_id) REFERENCES parent (id) ON DELETE RESTRICT)
INSERT INTO child VALUES (1, 1), (2, 2)
CREATE TABLE bare (v INT NOT NULL, w VARCHAR(5) NOT NULL DEFAULT 'w', ck INT CHECK (ck > 0))
CREATE VIEW v AS SELECT id, a, b FROM t WHERE a IS NOT NULL
CREATE PROCEDURE p_read(n INT) SELECT id, a, b FROM t WHERE id <= n ORDER BY id
CREATE PROCEDURE p_write(x INT, OUT o INT) BEGIN INSERT INTO t (a, b) VALUES (x, CONCAT('p', x)); SET o = LAST_INSERT_ID(); END
CREATE PROCEDURE p_many(INOUT x INT) BEGIN SELECT x; UPDATE t SET a = a + 1 WHERE id = x; SELECT * FROM v ORDER BY id; SET x = x + 1; END
CREATE PROCEDURE p_state() BEGIN SET @left_by_p = 'p'; SET SESSION div_precision_increment = 9; SET time_zone = '+05:30'; END
CREATE PROCEDURE p_temp() BEGIN CREATE TEMPORARY TABLE IF NOT EXISTS t (only_temp INT); INSERT INTO t VALUES (42); END
CREATE PROCEDURE p_begin() START TRANSACTION
CREATE PROCEDURE p_error(n INT) BEGIN SELECT 'before'; IF n > 0 THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'of p', MYSQL_ERRNO = 1644; END IF; SELECT 'after'; END
CREATE PROCEDURE p_lock() DO GET_LOCK(CONCAT(DATABASE(), '_p'), 0)
CREATE PROCEDURE p_prepare() BEGIN PREPARE from_p FROM 'SELECT 1 + ? AS from_p'; END
CREATE FUNCTION f_pure(x INT) RETURNS INT DETERMINISTIC NO SQL RETURN x * 2
CREATE FUNCTION f_read(x INT) RETURNS VARCHAR(20) CHARSET utf8mb4 DETERMINISTIC READS SQL DATA RETURN (SELECT b FROM t WHERE id = x)
CREATE FUNCTION f_write(x INT) RETURNS INT DETERMINISTIC MODIFIES SQL DATA BEGIN INSERT INTO u (n) VALUES (CONCAT('f', x)); RETURN LAST_INSERT_ID(); END
CREATE FUNCTION f_state(x INT) RETURNS INT DETERMINISTIC NO SQL BEGIN SET @left_by_f = x; RETURN x; END
CREATE TRIGGER counts BEFORE INSERT ON bare FOR EACH ROW SET @fired = IFNULL(@fired, 0) + NEW.v
"""
SECOND = """
CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, a INT, b VARCHAR(20)) AUTO_INCREMENT=1000
INSERT INTO t (a, b) VALUES (71, 'other'), (72, 'schema')
CREATE PROCEDURE p_read(n INT) SELECT 'of the second', n
CREATE FUNCTION f_pure(x INT) RETURNS INT DETERMINISTIC NO SQL RETURN x * 3
"""


def _statements(text):
    """Statements start in column 0 with a capital; what is indented goes on."""
    return text.strip().replace("\n  ", " ").split("\n")


class World:
    """The schemas of one script at a time on one cluster."""

    def __init__(self, cluster, name):
        self.cluster = cluster
        self.name = name
        self.account = None
        # Who makes the world anew must not wait for ever where a session left a lock behind.
        self._root = cluster.primary.connect(charset="utf8mb4", init_command="SET SESSION lock_wait_timeout = 15")
        self._waiters = {}

    def locks(self):
        return [f"{self.name}{suffix}" for suffix in ("_1", "_2", "_p", "2_p")]

    def _free(self):
        """Nobody holds what a session of the last run may have held."""
        with self._root.cursor() as cursor:
            cursor.execute("SELECT " + " + ".join(f"IS_FREE_LOCK('{name}')" for name in self.locks()) + " AS free")
            return cursor.fetchone()["free"] == len(self.locks())

    def reset(self):
        """Makes both schemas anew on the primary and waits for the replicas."""
        wait_until(self._free, f"locks of {self.name} are let go after their session ended", 10)
        with self._root.cursor() as cursor:
            for schema, text in ((self.name, TABLES), (self.name + "2", SECOND)):
                cursor.execute(f"DROP DATABASE IF EXISTS {schema}")
                cursor.execute(f"CREATE DATABASE {schema} CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci")
                cursor.execute(f"USE {schema}")
                for statement in _statements(text):
                    cursor.execute(statement)
        self.catch_up()

    def catch_up(self):
        with self._root.cursor() as cursor:
            cursor.execute(f"SELECT {self.cluster.engine.position} AS position")
            position = cursor.fetchone()["position"].replace("\n", "")
        for replica in self.cluster.replicas:
            if replica.alive():
                self._wait(replica, position)

    def _wait(self, replica, position):
        connection = self._waiters.get(replica.name)
        for attempt in (1, 2):
            if connection is None:
                connection = self._waiters[replica.name] = replica.connect()
            try:
                with connection.cursor() as cursor:
                    cursor.execute(self.cluster.engine.wait_for(position, 30))
                    answer = cursor.fetchone()["answer"]
                # MariaDB: how often it waited, or -1; MySQL: 1 if the time was not enough.
                in_time = answer is not None and (int(answer) == 0 or self.cluster.engine.name != "mysql" and int(answer) > 0)
                assert in_time, f"{replica.name} does not catch up: {replica.replica_status()}"
                return
            except pymysql.OperationalError:
                if attempt == 2 and replica.alive():
                    raise
                connection = None
