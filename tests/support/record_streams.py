"""Records what a real server answers, for tests/protocol/recorded_streams_test.cpp.

    record_streams.py SOCKET > tests/data/streams/ENGINE-VERSION.tsv

The server must let `root` in without a password and have @@local_infile on.
Every command is sent together with a PING, so that the bytes of its reply end
where the PING's OK begins, whatever a tracker may think. One line for each:
name, reply kind, capabilities, file bytes sent (LOCAL INFILE only), reply.
"""

import socket
import struct
import sys

PROTOCOL_41, SECURE, PLUGIN_AUTH = 1 << 9, 1 << 15, 1 << 19
TRANSACTIONS, LOCAL_FILES, LONG_PASSWORD = 1 << 13, 1 << 7, 1
MULTI = 1 << 16 | 1 << 17 | 1 << 18
SESSION_TRACK, DEPRECATE_EOF, OPTIONAL_METADATA, ATTRIBUTES = 1 << 23, 1 << 24, 1 << 25, 1 << 27
PROGRESS, BULK, EXTENDED, CACHE = 1 << 32, 1 << 34, 1 << 35, 1 << 36

LEGACY = PROTOCOL_41 | SECURE | PLUGIN_AUTH | TRANSACTIONS | LOCAL_FILES | MULTI
CAPABILITIES = {
    "legacy": LEGACY,
    "tracking": LEGACY | SESSION_TRACK,
    "modern": LEGACY | SESSION_TRACK | DEPRECATE_EOF,
}
MARIADB = {
    "cache-eof": LEGACY | CACHE | EXTENDED,
    "mariadb": LEGACY | SESSION_TRACK | DEPRECATE_EOF | PROGRESS | BULK | EXTENDED | CACHE,
}
MYSQL = {
    "optional-eof": LEGACY | OPTIONAL_METADATA,
    "mysql": LEGACY | SESSION_TRACK | DEPRECATE_EOF | OPTIONAL_METADATA | ATTRIBUTES,
}


class Connection:
    def __init__(self, path, capabilities):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(20)
        self.socket.connect(path)
        greeting = self.packet()[4:]
        self.mariadb = b"MariaDB" in greeting[:40]
        self.capabilities = capabilities if self.mariadb else capabilities | LONG_PASSWORD
        response = struct.pack("<IIB", self.capabilities & 0xFFFFFFFF, 1 << 24, 45)
        response += bytes(19) + struct.pack("<I", capabilities >> 32)
        self.send(response + b"root\0\0mysql_native_password\0", 1)
        reply = self.packet()
        if reply[4] == 0xFE:
            # caching_sha2_password: a NUL alone says that the password is empty.
            self.send(b"\0", 3)
            reply = self.packet()
        if reply[4] == 1:
            reply = self.packet()
        assert reply[4] == 0, reply

    def send(self, payload, sequence=0):
        self.socket.sendall(struct.pack("<I", len(payload))[:3] + bytes([sequence]) + payload)

    def exactly(self, size):
        data = b""
        while len(data) < size:
            piece = self.socket.recv(size - len(data))
            assert piece, "connection closed"
            data += piece
        return data

    def packet(self):
        header = self.exactly(4)
        return header + self.exactly(header[0] | header[1] << 8 | header[2] << 16)

    def query(self, text):
        prefix = b"\0\1" if self.capabilities & ATTRIBUTES else b""
        return b"\x03" + prefix + text.encode()

    def ask(self, payload, file=None):
        """The whole reply; `file` answers a LOCAL INFILE request."""
        self.send(payload)
        if file is None:
            self.send(b"\x0e")
        packets = []
        while True:
            packet = self.packet()
            if file is None and packet[3] == 1 and packets and packet[4] == 0:
                return b"".join(packets)
            packets.append(packet)
            if packet[4] == 0xFB and file is not None:
                self.send(file, 2)
                self.send(b"", 3)
                self.send(b"\x0e")
                file = None


SETUP = """DROP DATABASE IF EXISTS stream_test; CREATE DATABASE stream_test; USE stream_test;
CREATE TABLE t (a INT PRIMARY KEY, b VARCHAR(20), c DATETIME) ENGINE=InnoDB;
INSERT INTO t VALUES (1,'one',NULL),(2,'two','2024-01-02 03:04:05'),(3,NULL,NULL);
CREATE TABLE f (a INT, b VARCHAR(20)) ENGINE=InnoDB;
CREATE PROCEDURE two() BEGIN SELECT a FROM t; SELECT b FROM t; END;
CREATE PROCEDURE outs(IN i INT, OUT o INT) BEGIN SELECT i; SET o = i + 1; END""".split(";\n")

QUERIES = [
    ("rows", "SELECT * FROM t"),
    ("no_rows", "SELECT * FROM t WHERE a = 99"),
    ("insert", "INSERT INTO f VALUES (1,'x')"),
    ("update", "UPDATE t SET b = 'uno' WHERE a = 1"),
    ("error", "SELECT nothing_such"),
    ("error_in_rows", "SELECT IF(a < 3, a, (SELECT a FROM t x)) FROM t"),
    ("several", "SELECT 1; INSERT INTO f VALUES (2,'y'); SELECT a, b FROM t"),
    ("several_error", "SELECT 1; SELECT nothing_such; SELECT 2"),
    ("call", "CALL two()"),
    ("set_tracked", "SET @@session.time_zone = '+01:00', autocommit = 1"),
    ("set_names", "SET NAMES utf8mb4"),
    ("use", "USE stream_test"),
    ("begin", "BEGIN"),
    ("in_transaction", "SELECT a FROM t"),
    ("commit", "COMMIT"),
]


def record(path, name, capabilities):
    connection = Connection(path, capabilities)
    for text in SETUP if name == "legacy" else ["USE stream_test"]:
        for part in text.split(";") if "PROCEDURE" not in text else [text]:
            connection.ask(connection.query(part.strip()))

    def line(case, kind, reply, file=0):
        mask = connection.capabilities
        print(f"{name}/{case}", kind, f"{mask:x}", file, reply.hex(), sep="\t")

    def ask(case, kind, payload):
        reply = connection.ask(payload)
        line(case, kind, reply)
        return reply

    for variable in ("session_track_transaction_info='CHARACTERISTICS'",
                     "session_track_state_change=1", "session_track_system_variables='*'",
                     "session_track_gtids=OWN_GTID"):
        ask("set_" + variable.split("=")[0], "query", connection.query("SET " + variable))
    for case, text in QUERIES:
        ask(case, "query", connection.query(text))
    reply = connection.ask(
        connection.query("LOAD DATA LOCAL INFILE 'x' INTO TABLE f FIELDS TERMINATED BY ','"),
        b"5,five\n6,six\n")
    line("infile", "query", reply, 4)

    ask("ping", "simple", b"\x0e")
    ask("init_db", "simple", b"\x02stream_test")
    ask("init_db_error", "simple", b"\x02no_such_schema")
    ask("set_option", "simple", b"\x1b\0\0")
    ask("statistics", "statistics", b"\x09")
    ask("field_list", "field_list", b"\x04t\0%")

    def prepare(case, text):
        return ask("prepare_" + case, "prepare", b"\x16" + text.encode())[5:9]

    def execute(case, statement, parameters=b"", flags=0, kind="execute"):
        payload = b"\x17" + statement + bytes([flags]) + b"\1\0\0\0" + parameters
        return ask("execute_" + case, kind, payload)

    count = b"\1" if connection.capabilities & ATTRIBUTES else b""
    typed = b"\3\0" + (b"\0" if count else b"")
    prepare("error", "SELECT nothing_such")
    execute("nothing", prepare("nothing", "DO 1"))
    execute("columns", prepare("columns", "SELECT * FROM t"))
    statement = prepare("both", "SELECT a, b FROM t WHERE a >= ?")
    for case in ("both", "again"):
        execute(case, statement, count + b"\0\1" + typed + struct.pack("<I", 2))
    statement = prepare("parameters", "INSERT INTO f VALUES (?, 'z')")
    execute("parameters", statement, count + b"\0\1" + typed + struct.pack("<I", 2))
    execute("unknown", b"\x77\x77\0\0")
    execute("call", prepare("call", "CALL two()"))
    statement = prepare("outs", "CALL outs(?, @o)")
    execute("outs", statement, count + b"\0\1" + typed + struct.pack("<I", 2))
    statement = prepare("out_parameter", "CALL outs(4, ?)")
    execute("out_parameter", statement, count + b"\0\1" + typed + struct.pack("<I", 2))
    statement = prepare("cursor", "SELECT a, b FROM t ORDER BY a")
    execute("cursor", statement, flags=1)
    for case in ("first", "last", "behind"):
        ask("fetch_" + case, "fetch", b"\x1c" + statement + struct.pack("<I", 2))
    ask("stmt_reset", "simple", b"\x1a" + statement)
    if connection.capabilities & OPTIONAL_METADATA:
        ask("bare", "query", connection.query("SET resultset_metadata = NONE"))
        ask("bare_rows", "query", connection.query("SELECT * FROM t"))
        statement = prepare("bare", "SELECT a, b FROM t WHERE a >= ?")
        execute("bare", statement, count + b"\0\1" + typed + struct.pack("<I", 2))
    if connection.capabilities & PROGRESS:
        connection.ask(connection.query("SET progress_report_time = 1"))
        connection.ask(connection.query(
            "CREATE OR REPLACE TABLE big ENGINE=Aria SELECT seq, MD5(seq) m FROM seq_1_to_1500000"))
        ask("progress", "query", connection.query("ALTER TABLE big ADD KEY (m), ADD KEY (seq, m)"))
    ask("reset_connection", "simple", b"\x1f")


def main():
    path = sys.argv[1]
    sets = dict(CAPABILITIES)
    sets.update(MARIADB if Connection(path, LEGACY).mariadb else MYSQL)
    for name, capabilities in sets.items():
        record(path, name, capabilities)


main()
