"""What proxies get wrong about logins and unruly clients. Each test names its trap of the project's list."""

import contextlib
import socket
import struct
import subprocess
import threading

import pymysql
import pytest

import client
import wire
from cluster import APP
from engines import engine_named
from login import Login, Refused
from process import wait_until
from sluice import ADMIN, Sluice
from statement_trace import Trace
from twins import OPTIONS, PATIENT, SLUICE_SCHEMA, Twins, make_ground, text_rows

PRIMARY = "primary"

GROUND = (
    "CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(40))",
    "INSERT INTO t VALUES (1, 'one'), (2, 'two'), (3, 'three')",
    "CREATE TABLE loaded (line VARCHAR(100))",
)


@pytest.fixture(scope="module")
def sluice(cluster):
    with Sluice(cluster, **PATIENT) as made:
        yield made


@pytest.fixture(scope="module")
def ground(cluster):
    make_ground(cluster, GROUND)
    with Trace(cluster) as trace:
        yield trace


PLUGINS = (b"mysql_native_password", b"caching_sha2_password")


def log_in(port, user, password, plugin, schema="app"):
    """The last payload of a login with this plugin; all payloads of the dialogue are counted."""
    packets = wire.Packets(("127.0.0.1", port), 10)
    try:
        login = Login(packets, user, password)
        login.greet()
        login._plugin = plugin
        return login.log_in(client.ALWAYS & (login.capabilities | wire.LONG_PASSWORD), 45, schema)[:1]
    finally:
        packets.close()


@pytest.mark.parametrize("plugin", PLUGINS)
def test_both_plugins_prove_a_password_whatever_was_proposed(cluster, plugin):
    """Trap 26: auth switch both ways, fast path, an empty password, a wrong one; twice, for a cache must not differ."""
    cluster.primary.run(["CREATE USER IF NOT EXISTS bare@'%' IDENTIFIED BY ''", "GRANT SELECT ON app.* TO bare@'%'"])
    cluster.wait_caught_up()
    with Sluice(cluster, users=[("bare", "")]) as own:
        for _ in range(2):
            assert log_in(own.port, *APP, plugin) == b"\0"
            assert log_in(own.port, "bare", "", plugin) == b"\0"
            for user, password in (("app", "wrong"), ("app", ""), ("bare", "wrong"), ("nobody", "x")):
                assert log_in(own.port, user, password, plugin) == b"\xff"
        # The admin port, too.
        assert log_in(own.admin_port, *ADMIN, plugin, schema="") == b"\0"
        assert log_in(own.admin_port, ADMIN[0], "wrong", plugin, schema="") == b"\xff"
        with own.connect("bare", "") as connection, connection.cursor() as cursor:
            cursor.execute("SELECT 1 AS one")
            assert cursor.fetchone() == {"one": 1}


@pytest.mark.parametrize("tls", ("--ssl-mode=REQUIRED", "--ssl-mode=DISABLED"))
def test_a_client_of_mysql_9_that_has_no_native_plugin_logs_in(sluice, tls):
    """Trap 26: caching_sha2_password over TLS and by RSA without it, to applications' port and admin port."""
    for port, (user, password), sql in ((sluice.port, APP, "SELECT 42"), (sluice.admin_port, ADMIN, "SELECT 42")):
        if port == sluice.admin_port and tls.endswith("REQUIRED"):
            continue  # the admin port is local and has no TLS
        options = [tls, "--get-server-public-key"] if tls.endswith("DISABLED") else [tls]
        for wrong in ("", "x"):
            done = subprocess.run(
                [*engine_named("mysql").client(), "-h127.0.0.1", f"-P{port}", f"-u{user}", f"-p{password}{wrong}", *options, "-N", "-e", sql],
                capture_output=True, text=True, timeout=20, check=False,
            )  # fmt: skip
            assert ("42" in done.stdout) == (not wrong), done.stderr
            assert not wrong or "1045" in done.stderr


def test_a_password_changed_on_the_backends_under_open_links_is_told_clearly(cluster):
    """Trap 26: open sessions go on, new links are refused with 1045, and all is well once both sides agree again."""
    cluster.primary.run(["CREATE USER IF NOT EXISTS moody@'%' IDENTIFIED BY 'old'", "GRANT SELECT ON app.* TO moody@'%'"])
    cluster.wait_caught_up()
    with Sluice(cluster, users=[("moody", "old")]) as own:
        with own.connect("moody", "old") as settled, settled.cursor() as cursor:
            cursor.execute("BEGIN")
            cluster.primary.run(["ALTER USER moody@'%' IDENTIFIED BY 'new'"])
            cluster.wait_caught_up()
            cursor.execute("SELECT 1 AS one")
            assert cursor.fetchone() == {"one": 1}
            cursor.execute("COMMIT")
        cluster.primary.run(["ALTER USER moody@'%' IDENTIFIED BY 'old'"])
        cluster.wait_caught_up()

        def works():
            with own.connect("moody", "old") as connection, connection.cursor() as cursor:
                return cursor.execute("SELECT 1") == 1

        assert wait_until(works, "the account works again")
    with Sluice(cluster, users=[("moody", "stale")]) as own:
        with pytest.raises(pymysql.Error) as refused:
            with own.connect("moody", "stale") as connection, connection.cursor() as cursor:
                cursor.execute("SELECT 1")
        assert refused.value.args[0] == 1045
        assert own.sql("SELECT 1 AS one") == [{"one": 1}]


def quiet(sluice):
    return not sluice.admin("SHOW SESSIONS") and sum(row["in_flight"] for row in sluice.backends().values()) == 0


def vanish(peer):
    """Closes with an RST, as the kernel does for a client that was killed."""
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()


LEAVE = ("greeting", "half a login", "half a header", "half a command", "a command", "half a result", "a transaction", "half a file", "a prepare")


@pytest.mark.parametrize("when", LEAVE)
def test_a_client_that_vanishes_leaves_nothing_behind(cluster, sluice, ground, when):
    """Trap 27: half-open handshakes, and clients gone in the middle of a command or of a result."""
    for _ in range(4):
        if when in ("greeting", "half a login"):
            peer = socket.create_connection(("127.0.0.1", sluice.port), timeout=10)
            peer.recv(16)
            if when == "half a login":
                peer.sendall(b"\x50\0\0\1" + bytes(20))
            vanish(peer)
            continue
        one = client.Client(("127.0.0.1", sluice.port), APP, SLUICE_SCHEMA, OPTIONS, 45)
        peer = one._packets._socket
        said = {
            "half a header": b"\x20\0", "half a command": b"\x20\0\0\0\x03SELECT", "a command": b"\x10\0\0\0\x03SELECT SLEEP(1)",
            "half a result": None, "a transaction": None, "half a file": None, "a prepare": b"\x09\0\0\0\x16SELECT 1",
        }[when]  # fmt: skip
        if when == "half a result":
            sql = b"\x03SELECT REPEAT('x', 1000000) FROM t a, t b, t c, t d, t e"
            said = struct.pack("<I", len(sql)) + sql
        elif when == "a transaction":
            one.query("BEGIN")
            one.query("UPDATE t SET v = 'lost' WHERE id = 3")
            said = b""
        elif when == "half a file":
            sql = b"\x03" + b"LOAD DATA LOCAL INFILE 'any' INTO TABLE loaded (line)"
            peer.sendall(struct.pack("<I", len(sql)) + sql)
            peer.recv(4)
            said = b"\x10\0\0\2one\ntwo"
        peer.sendall(said)
        if when == "half a result":
            peer.recv(1000)
        vanish(peer)
    wait_until(lambda: quiet(sluice), "their sessions and statements have ended", timeout=15)
    with Twins(cluster, sluice, ground) as twins:
        twins.ok("SET innodb_lock_wait_timeout = 5")
        twins.ok("UPDATE t SET v = v WHERE id = 3", on=PRIMARY)
        assert text_rows(twins.query("SELECT v FROM t WHERE id = 3")[0]) == [("three",)]
        twins.query("SELECT COUNT(*) FROM loaded")


BURST = (
    "SELECT 1", "SELECT v FROM t WHERE id = 1", "UPDATE t SET v = 'uno' WHERE id = 1", "SELECT v FROM t WHERE id = 1", "SELECT nothing FROM t",
    "SET @a = 5", "SELECT @a + 1", "BEGIN", "SELECT v FROM t WHERE id = 2", "ROLLBACK", "USE other", "SELECT DATABASE()", "USE {s}",
    "SELECT 1; SELECT 2", "SELECT LAST_INSERT_ID()", "SET time_zone = '+04:00'", "SELECT @@time_zone", "UPDATE t SET v = 'one' WHERE id = 1",
    "SELECT REPEAT('x', 100000)", "SELECT v FROM t ORDER BY id",
)  # fmt: skip


def test_commands_sent_before_the_last_reply_are_answered_in_order(cluster, sluice, ground):
    """Trap 27: a client that does not wait: reads, writes, settings and errors in one packet burst."""
    with Twins(cluster, sluice, ground) as twins:
        answers = []
        for one, schema in ((twins.direct, "test_twin_a"), (twins.through, "test_twin_b")):
            commands = [b"\x03" + sql.replace("{s}", schema).encode() for sql in BURST]
            one._packets._socket.sendall(b"".join(struct.pack("<I", len(command)) + command for command in commands))
            said = []
            for _ in BURST:
                one._packets._sequence = 1
                said.append([
                    {key: reply.get(key) for key in ("kind", "rows", "affected", "code", "state")} for reply in one._replies.results()
                ])
            answers.append(repr(said).replace("test_twin_a", "test_twin_b"))
        assert answers[0] == answers[1]
        twins.query("SELECT 'in step'")


def test_a_client_that_reads_slowly_stalls_nobody(sluice, ground):
    """Trap 27: its result waits in the backend's socket; others on the same backends are served meanwhile."""
    sql = b"\x03SELECT REPEAT('x', 1000000) FROM t a, t b, t c, t d"
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(contextlib.closing(client.Client(("127.0.0.1", sluice.port), APP, SLUICE_SCHEMA, OPTIONS, 45))) for _ in range(4)]
        for one in slow:
            one._packets._socket.sendall(struct.pack("<I", len(sql)) + sql)
        served = []

        def serve():
            with sluice.connect(database=SLUICE_SCHEMA) as connection, connection.cursor() as cursor:
                served.extend(cursor.execute("SELECT v FROM t WHERE id = 1") for _ in range(50))

        threads = [threading.Thread(target=serve) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert served == [1] * 200
        for one in slow:
            one._packets._sequence = 1
            (reply,) = one._replies.results()
            assert [len(row) for row in reply["rows"]] == [1000004] * 81


def test_a_refused_login_says_why(sluice):
    """Trap 26: a wrong password is error 1045 in the server's words."""
    with pytest.raises(Refused) as refused:
        client.Client(("127.0.0.1", sluice.port), ("app", "wrong"), "app", OPTIONS, 45)
    assert (refused.value.args[0]["code"], refused.value.args[0]["state"]) == (1045, "28000")
