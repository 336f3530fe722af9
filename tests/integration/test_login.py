"""Who gets in, how, and what the others hear: the words of a server, never silence."""

import contextlib
import random
import socket
import ssl
import struct
import subprocess
import time

import pymysql
import pytest
from pymysql.constants import CLIENT

from cluster import APP
from engines import engine_named
from process import free_port, wait_until
from sluice import Sluice

TEXT = pymysql.cursors.Cursor


def run(connection, statement):
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall()


def refusal(connect, **options):
    """(code, message) of a login that fails."""
    with pytest.raises(pymysql.Error) as refused:
        connect(**options)
    return refused.value.args


def raw(sluice):
    return socket.create_connection(("127.0.0.1", sluice.port), timeout=10)


def read_until_closed(peer):
    """What the other side says before it hangs up."""
    said = b""
    with contextlib.suppress(ConnectionResetError):
        while part := peer.recv(65536):
            said += part
    return said


@pytest.mark.parametrize(
    "wrong",
    (
        dict(user="app", password="wrong"),
        dict(user="app", password=""),
        dict(user="nobody", password="wrong"),
        dict(user="nobody", password=""),
        dict(user="app", password="apppw", database="nowhere"),
        dict(user="app", password="apppw", database="test_nowhere"),
    ),
    ids=lambda wrong: "-".join(wrong.values()),
)
def test_a_refused_login_is_worded_as_the_server_words_it(cluster, sluice, wrong):
    direct = refusal(cluster.primary.connect, host="127.0.0.1", **wrong)
    assert refusal(sluice.connect, **{"database": None} | wrong) == direct


def test_after_a_refusal_the_right_password_is_welcome(sluice):
    refusal(sluice.connect, password="wrong")
    with sluice.connect(cursorclass=TEXT) as connection:
        assert run(connection, "SELECT CURRENT_USER()") == (("app@%",),)


def test_one_client_too_many_hears_1040_until_another_leaves(cluster):
    with Sluice(cluster, listen={"max_connections": 3}) as sluice, contextlib.ExitStack() as stack:
        first, _, _ = sluice.connect(), *[stack.enter_context(sluice.connect()) for _ in range(2)]
        with raw(sluice) as peer:  # without a greeting there is no protocol 4.1, hence no SQL state
            assert read_until_closed(peer) == b"\x17\0\0\0\xff\x10\x04Too many connections"
        first.close()
        stack.enter_context(wait_until(sluice.connect, "there is room again"))


def test_an_account_has_a_limit_of_its_own(cluster):
    with Sluice(cluster, user_options={"max_connections": 2}) as sluice, contextlib.ExitStack() as stack:
        first, _ = sluice.connect(), stack.enter_context(sluice.connect())
        code, _ = refusal(sluice.connect)
        assert code in (1203, 1226)
        first.close()
        stack.enter_context(wait_until(sluice.connect, "there is room again"))


def test_the_default_schema_of_an_account_is_used_when_the_client_names_none(cluster):
    with Sluice(cluster, user_options={"default_schema": "other"}) as sluice:
        with sluice.connect(database=None, cursorclass=TEXT) as connection:
            assert run(connection, "SELECT DATABASE()") == (("other",),)
        with sluice.connect(database="app", cursorclass=TEXT) as connection:
            assert run(connection, "SELECT DATABASE()") == (("app",),)


SSL_REQUEST = struct.pack("<I", 32 | 1 << 24) + struct.pack("<IIB23x", 0x0008AA00 | 0x0200, 1 << 24, 45)
HALF_A_RESPONSE = struct.pack("<I", 120 | 1 << 24) + b"\x05\xa6\x0f\x00"


@pytest.mark.parametrize("said", (b"", b"\x20", HALF_A_RESPONSE, SSL_REQUEST), ids=("nothing", "a byte", "half", "tls"))
def test_a_client_that_does_not_finish_its_login_is_cut_off_at_the_deadline(cluster, said):
    with Sluice(cluster, listen={"login_timeout": "400ms"}) as sluice, raw(sluice) as peer:
        started = time.monotonic()
        peer.sendall(said)
        read_until_closed(peer)
        assert 0.3 < time.monotonic() - started < 1.4
        wait_until(lambda: not sluice.admin("SHOW SESSIONS"), "its session has ended")


def test_two_hundred_half_open_logins_keep_nobody_out(sluice):
    with contextlib.ExitStack() as stack:
        for number in range(200):
            peer = stack.enter_context(raw(sluice))
            peer.sendall(HALF_A_RESPONSE[: number % 8])
        with sluice.connect(cursorclass=TEXT) as connection:
            assert run(connection, "SELECT 1") == ((1,),)
    wait_until(lambda: not sluice.admin("SHOW SESSIONS"), "their sessions have ended")


def garbage():
    luck = random.Random(5)
    yield "HTTP", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    yield "TLS without a request", bytes.fromhex("16030100c8010000c40303") + luck.randbytes(190)
    yield "a packet of no bytes", b"\0\0\0\1"
    yield "a wrong sequence number", struct.pack("<I", 40 | 9 << 24) + b"\0" * 40
    yield "the largest packet", b"\xff\xff\xff\1" + b"A" * 100_000
    yield "a response without an end", struct.pack("<I", 60 | 1 << 24) + HALF_A_RESPONSE[4:] + b"x" * 56
    for number in range(20):
        yield f"noise {number}", luck.randbytes(luck.randrange(1, 400))


@pytest.mark.parametrize(("name", "said"), garbage(), ids=lambda value: value if isinstance(value, str) else "")
def test_garbage_ends_its_connection_and_nothing_else(cluster, sluice, name, said):
    with raw(sluice) as peer:
        assert peer.recv(5)[4] in (9, 10)  # a greeting
        with contextlib.suppress(OSError):
            peer.sendall(said)
            peer.shutdown(socket.SHUT_WR)
        read_until_closed(peer)
    wait_until(lambda: not sluice.admin("SHOW SESSIONS"), "its session has ended")
    assert sluice.alive()


def unverified():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@pytest.mark.parametrize("version", (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3), ids=lambda v: v.name)
def test_tls_is_offered_with_a_certificate_made_up_at_the_start(sluice, version):
    context = unverified()
    context.minimum_version = context.maximum_version = version
    with sluice.connect(ssl=context, cursorclass=TEXT) as connection:
        assert connection._sock.version() == version.name.replace("_", ".")
        assert run(connection, "SELECT REPEAT('t', 100000)") == (("t" * 100000,),)


def test_tls_uses_the_certificate_of_the_configuration(cluster):
    place = cluster.directory / "login-tls"
    place.mkdir()
    (place / "names").write_text("subjectAltName=IP:127.0.0.1\n")
    for command in (
        "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=ca -keyout ca.key -out ca.pem",
        "req -newkey rsa:2048 -nodes -subj /CN=sluice -keyout key.pem -out request",
        "x509 -req -days 2 -in request -CA ca.pem -CAkey ca.key -CAcreateserial -extfile names -out certificate.pem",
    ):
        subprocess.run(["openssl", *command.split()], cwd=place, check=True, capture_output=True)
    with Sluice(cluster, listen={"certificate": place / "certificate.pem", "key": place / "key.pem"}) as sluice:
        context = ssl.create_default_context(cafile=place / "ca.pem")
        with sluice.connect(ssl=context, cursorclass=TEXT) as connection:
            assert run(connection, "SELECT 1") == ((1,),)


def test_required_tls_keeps_plain_text_out(cluster):
    with Sluice(cluster, listen={"tls": "require"}) as sluice:
        assert refusal(sluice.connect)[0] == 3159
        with sluice.connect(ssl=unverified(), cursorclass=TEXT) as connection:
            assert run(connection, "SELECT 1") == ((1,),)


def test_an_account_may_require_tls(cluster):
    with Sluice(cluster, user_options={"tls_required": True}) as sluice:
        assert refusal(sluice.connect)[0] == 3159
        with sluice.connect(ssl=unverified()):
            pass


def test_tls_that_is_off_is_not_offered(cluster):
    with Sluice(cluster, listen={"tls": "off"}) as sluice:
        with sluice.connect(cursorclass=TEXT) as connection:
            assert not connection.server_capabilities & CLIENT.SSL
            assert run(connection, "SELECT 1") == ((1,),)


def test_clients_come_over_unix_sockets_and_both_kinds_of_ip(cluster):
    path, second = cluster.directory / "sluice.sock", free_port()
    with Sluice(cluster) as sluice:
        sluice.stop()
        sluice.settings["listen"]["address"] = [f"127.0.0.1:{sluice.port}", f"unix:{path}", f"[::1]:{second}"]
        sluice.start()
        ways = ({}, {"host": None, "unix_socket": str(path)}, {"host": "::1", "port": second})
        for way in ways:
            with sluice.connect(cursorclass=TEXT, **way) as connection:
                assert run(connection, "SELECT 1") == ((1,),)
        refused = refusal(sluice.connect, host=None, unix_socket=str(path), password="wrong")
        assert refused == (1045, "Access denied for user 'app'@'localhost' (using password: YES)")
        sluice.kill9()  # leaves the socket file behind
        assert path.is_socket()
        sluice.start()
        with sluice.connect(host=None, unix_socket=str(path)):
            pass
        sluice.stop()
        assert not path.exists()


def test_the_ipv6_wildcard_takes_ipv4_too(cluster):
    with Sluice(cluster) as sluice:
        sluice.stop()
        sluice.settings["listen"]["address"] = f"[::]:{sluice.port}"
        sluice.start()
        for host in ("127.0.0.1", "::1"):
            with sluice.connect(host=host):
                pass
        assert refusal(sluice.connect, password="wrong")[1].startswith("Access denied for user 'app'@'127.0.0.1'")


def console(sluice, program, *options):
    """What a command line client answers to SELECT 6 * 7."""
    done = subprocess.run(
        [*program, "-h127.0.0.1", f"-P{sluice.port}", f"-u{APP[0]}", f"-p{APP[1]}", "-N", "-e", "SELECT 6 * 7",
         *options],
        capture_output=True, text=True, timeout=20, check=False,
    )  # fmt: skip
    return done.stdout.strip() or done.stderr


@pytest.mark.parametrize("plugin", ("mysql_native_password", "caching_sha2_password"))
@pytest.mark.parametrize("tls", ("--skip-ssl", "--ssl"))
def test_old_and_new_plugins_log_in_with_and_without_tls(sluice, plugin, tls):
    assert console(sluice, ["mariadb", "--no-defaults"], f"--default-auth={plugin}", tls) == "42"


@pytest.mark.parametrize("options", (["--ssl-mode=REQUIRED"], ["--ssl-mode=DISABLED", "--get-server-public-key"]))
def test_the_client_of_mysql_9_that_has_only_the_new_plugin_logs_in(sluice, options):
    for _ in range(2):
        assert console(sluice, engine_named("mysql").client(), *options) == "42"
