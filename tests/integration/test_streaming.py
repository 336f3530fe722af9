"""Results and statements of any size pass through bounded memory, byte for byte."""

import contextlib
import filecmp
import hashlib
import random
import socket
import struct
import threading
import time

import pymysql
import pytest
from pymysql.constants import COMMAND

from cluster import Cluster
from process import wait_until
from sluice import Sluice

TEXT = pymysql.cursors.Cursor
MIB = 1 << 20
FULL = 0xFFFFFF  # the largest payload of one packet
GROWTH = 32 * MIB

# A thousand rows of one MiB, each beginning with its number.
GIBIBYTE_ROWS = 1024
GIBIBYTE = (
    "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 32)"
    f" SELECT CONCAT(LPAD(a.i * 32 + b.i, 8, '0'), REPEAT('x', {MIB - 8})) FROM n a, n b"
)


@pytest.fixture(scope="module")
def cluster(engine):
    """What is written to `other` stays on the primary, more copies would prove nothing; replicas do not know it."""
    with Cluster(engine, replicas=1, options=["--binlog-ignore-db=other"]) as made:
        made.primary.run([
            "CREATE TABLE app.small (id INT PRIMARY KEY)",
            "INSERT INTO app.small VALUES (1), (2), (3)",
            "USE other",
            "CREATE TABLE blobs (id INT PRIMARY KEY, v LONGBLOB) ENGINE=MyISAM",
            "CREATE TABLE file_lines (id INT PRIMARY KEY AUTO_INCREMENT, v BLOB) ENGINE=MyISAM",
        ])  # fmt: skip
        yield made


@pytest.fixture(scope="module")
def sluice(cluster):
    with Sluice(cluster) as made:
        yield made


@pytest.fixture
def connection(sluice):
    with sluice.connect(cursorclass=TEXT, local_infile=True) as made:
        yield made


def run(connection, statement):
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall()


class Packets:
    """Reads packets off a connection's socket without keeping them."""

    def __init__(self, connection):
        self._file = connection._rfile
        self._buffer = memoryview(bytearray(FULL))

    def next(self):
        """(payload size, its first bytes) of the next packet."""
        header = self._file.read(4)
        assert len(header) == 4, "the connection ended"
        size = int.from_bytes(header[:3], "little")
        got = 0
        while got < size:
            part = self._file.readinto(self._buffer[got:size])
            assert part, "the connection ended"
            got += part
        return size, bytes(self._buffer[: min(size, 16)])

    def skip_to_rows(self):
        assert self.next()[1] == b"\x01"
        self.next()
        assert self.next()[1][0] == 0xFE


def send(connection, command, payload):
    """Sends a command of any size without copying it."""
    whole = memoryview(bytes([command]) + payload if len(payload) < MIB else bytearray([command]) + payload)
    sequence = 0
    while True:
        part = whole[:FULL]
        connection._sock.sendall(struct.pack("<I", len(part) | sequence % 256 << 24))
        connection._sock.sendall(part)
        whole = whole[len(part) :]
        sequence += 1
        if len(part) < FULL:
            connection._next_seq_id = sequence % 256
            return


@contextlib.contextmanager
def bounded_growth(sluice, limit=GROWTH):
    """Fails if Sluice's resident memory grows by more than the limit at any moment inside."""
    before = sluice.rss()
    peak = [before]
    stop = threading.Event()

    def watch():
        while not stop.wait(0.005):
            peak[0] = max(peak[0], sluice.rss())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        stop.set()
        watcher.join()
    assert peak[0] - before < limit, f"grew by {(peak[0] - before) / MIB:.0f} MiB"


def test_a_result_of_a_gibibyte_passes_through_bounded_memory(sluice, connection):
    run(connection, "SELECT 1")
    with bounded_growth(sluice):
        send(connection, COMMAND.COM_QUERY, GIBIBYTE.encode())
        packets = Packets(connection)
        packets.skip_to_rows()
        seen = set()
        for _ in range(GIBIBYTE_ROWS):
            size, head = packets.next()
            assert size == 4 + MIB
            seen.add(head[4:12])
        assert packets.next()[1][0] == 0xFE
    assert len(seen) == GIBIBYTE_ROWS
    connection._next_seq_id = 0
    assert run(connection, "SELECT 2") == ((2,),)


def test_an_insert_of_300_mib_passes_through_bounded_memory(cluster, sluice, connection):
    run(connection, "SELECT 1")
    text = random.Random(7).randbytes(150 * MIB).hex().encode()
    with bounded_growth(sluice):
        send(connection, COMMAND.COM_QUERY, b"INSERT INTO other.blobs VALUES (300, '" + text + b"')")
        assert connection._read_packet().is_ok_packet()
    (row,) = cluster.primary.sql("SELECT LENGTH(v) AS size, SHA2(v, 256) AS sum FROM other.blobs WHERE id = 300")
    assert row == {"size": 300 * MIB, "sum": hashlib.sha256(text).hexdigest()}
    run(connection, "DELETE FROM other.blobs")


def test_a_local_file_of_100_mib_arrives_byte_for_byte(cluster, sluice, connection):
    source, copy = sluice.directory / "source", cluster.directory / "copy"
    bytes_of_a_line = bytes(set(range(256)) - set(b"\n\t"))
    pool = random.Random(9).choices(bytes_of_a_line, k=MIB)
    with open(source, "wb") as file:
        for number in range(100 * MIB // 1000):
            at = number * 7919 % (MIB - 1000)
            file.write(bytes(pool[at : at + 999]) + b"\n")
    run(connection, "SELECT 1")
    with bounded_growth(sluice):
        run(
            connection,
            f"LOAD DATA LOCAL INFILE '{source}' INTO TABLE other.file_lines CHARACTER SET binary"
            r" FIELDS TERMINATED BY '\t' ESCAPED BY '' LINES TERMINATED BY '\n' (v)",
        )
    cluster.primary.sql(
        f"SELECT v FROM other.file_lines ORDER BY id INTO OUTFILE '{copy}'"
        r" FIELDS TERMINATED BY '\t' ESCAPED BY '' LINES TERMINATED BY '\n'"
    )
    assert filecmp.cmp(source, copy, shallow=False)
    run(connection, "TRUNCATE other.file_lines")
    source.unlink()
    copy.unlink()


def test_a_local_file_of_no_bytes_and_one_that_is_refused_leave_the_session_usable(sluice, connection):
    empty = sluice.directory / "empty"
    empty.touch()
    run(connection, f"LOAD DATA LOCAL INFILE '{empty}' INTO TABLE other.file_lines (v)")
    assert run(connection, "/* sluice: primary */ SELECT COUNT(*) FROM other.file_lines") == ((0,),)
    with pytest.raises(pymysql.Error):
        run(connection, f"LOAD DATA LOCAL INFILE '{sluice.directory}/missing' INTO TABLE other.file_lines (v)")
    with sluice.connect(cursorclass=TEXT) as other:
        assert run(other, "SELECT 1") == ((1,),)


@pytest.mark.parametrize("payload", (FULL - 1, FULL, FULL + 1, 2 * FULL - 1, 2 * FULL, 2 * FULL + 1))
def test_statements_around_the_packet_limit_pass(connection, payload):
    text = b"SELECT LENGTH('')"
    filler = b"y" * (payload - 1 - len(text))
    send(connection, COMMAND.COM_QUERY, b"SELECT LENGTH('" + filler + b"')")
    packets = Packets(connection)
    packets.skip_to_rows()
    digits = str(len(filler)).encode()
    assert packets.next()[1] == bytes([len(digits)]) + digits
    assert packets.next()[1][0] == 0xFE
    assert run(connection, "SELECT 2") == ((2,),)


@pytest.mark.parametrize("payload", (FULL - 1, FULL, FULL + 1, 2 * FULL - 1, 2 * FULL, 2 * FULL + 1))
def test_rows_around_the_packet_limit_pass(connection, payload):
    prefix = 4 if payload - 4 < 1 << 24 else 9
    size = payload - prefix
    send(connection, COMMAND.COM_QUERY, f"SELECT REPEAT('z', {size})".encode())
    packets = Packets(connection)
    packets.skip_to_rows()
    total, parts = 0, []
    while not parts or parts[-1] == FULL:
        parts.append(packets.next()[0])
        total += parts[-1]
    assert total == payload and parts[:-1] == [FULL] * (payload // FULL)
    assert packets.next()[1][0] == 0xFE
    assert run(connection, "SELECT 2") == ((2,),)


def test_a_payload_of_20_mib_is_the_same_on_the_way_back(connection):
    value = random.Random(3).randbytes(10 * MIB).hex()
    run(connection, f"INSERT INTO other.blobs VALUES (20, '{value}')")
    ((back,),) = run(connection, "/* sluice: primary */ SELECT v FROM other.blobs WHERE id = 20")
    assert back == value.encode()
    run(connection, "DELETE FROM other.blobs WHERE id = 20")


def small_reads(sluice, count):
    """Short statements by four clients; the longest took so many seconds."""
    longest, errors = [0.0], []

    def client():
        try:
            with sluice.connect(cursorclass=TEXT) as connection:
                for _ in range(count):
                    started = time.monotonic()
                    assert run(connection, "SELECT COUNT(*) FROM small") == ((3,),)
                    longest[0] = max(longest[0], time.monotonic() - started)
        except Exception as error:
            errors.append(repr(error))

    threads = [threading.Thread(target=client) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    return longest[0]


def begin_big_result(sluice):
    """A connection whose result of a GiB has begun to arrive and is not read on."""
    connection = sluice.connect(cursorclass=TEXT)
    send(connection, COMMAND.COM_QUERY, GIBIBYTE.encode())
    assert connection._sock.recv(1, socket.MSG_PEEK)
    return connection


def sessions(sluice):
    return len(sluice.admin("SHOW SESSIONS"))


def in_flight(sluice):
    return sum(row["in_flight"] for row in sluice.backends().values())


def test_a_client_that_stops_reading_costs_no_memory_and_stalls_nobody(sluice):
    small_reads(sluice, 20)
    with bounded_growth(sluice):
        slow = [begin_big_result(sluice) for _ in range(4)]
        assert small_reads(sluice, 400) < 1.0
    for connection in slow:
        connection._force_close()
    wait_until(lambda: sessions(sluice) == 0 and in_flight(sluice) == 0, "their sessions have ended")


def test_a_client_that_vanishes_in_mid_result_leaves_nothing_behind(cluster, sluice):
    for _ in range(10):
        connection = begin_big_result(sluice)
        # An RST, as of a client that was killed.
        connection._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection._force_close()
    wait_until(lambda: sessions(sluice) == 0 and in_flight(sluice) == 0, "their sessions have ended")

    def nobody_runs_it():
        rows = [row for backend in cluster.backends for row in backend.sql("SHOW FULL PROCESSLIST")]
        return not any("REPEAT" in str(row["Info"]) and "PROCESSLIST" not in str(row["Info"]) for row in rows)

    wait_until(nobody_runs_it, "no backend works for them any more")
    assert small_reads(sluice, 20) < 1.0


def test_a_client_that_vanishes_in_mid_statement_has_written_nothing(cluster, sluice):
    connection = sluice.connect()
    statement = b"\x03INSERT INTO other.blobs VALUES (77, '" + b"w" * (4 * MIB)
    connection._sock.sendall(struct.pack("<I", len(statement) + 4 * MIB) + statement)
    wait_until(lambda: any(row["busy"] for row in sluice.admin("SHOW SESSIONS")), "the statement is under way")
    connection._force_close()
    wait_until(lambda: sessions(sluice) == 0 and in_flight(sluice) == 0, "its session has ended")
    assert cluster.primary.value("(SELECT COUNT(*) FROM other.blobs WHERE id = 77)") == 0
    assert small_reads(sluice, 20) < 1.0
