"""COM_STMT_… byte for byte, pipelined if wanted: what drivers do, and what none does.

    raw = RawStatements("127.0.0.1", port)         # logs in with MariaDB's capabilities where they are offered
    raw.prepare("SELECT a FROM t WHERE id = ?")    # Prepared(…) or Refused(…)
    raw.execute(id, parameters("q", 7))            # Rows(…), Done(…) or Refused(…)
    raw.prepare_and_execute(sql, …)                # both in one write, id -1

Answers are compared as they are: rows are their bytes in hexadecimal, and ids, which
differ from connection to connection, are left out of comparisons.
"""

import dataclasses
import struct

import pymysql
from pymysql.constants import CLIENT, COMMAND

from cluster import APP

LAST = 0xFFFFFFFF  # MariaDB: the statement prepared last
BULK_EXECUTE = 0xFA
BULK = 1 << 2  # extended capabilities: MARIADB_CLIENT_STMT_BULK_OPERATIONS
CACHE_METADATA = 1 << 4
LONGLONG, LONG, STRING = 8, 3, 253
SEND_TYPES = 128
CLIENT_MYSQL = 1


@dataclasses.dataclass
class Prepared:
    id: int = dataclasses.field(compare=False)
    columns: int
    parameters: int


@dataclasses.dataclass
class Refused:
    code: int
    message: str


@dataclasses.dataclass
class Done:
    affected: int
    warnings: int


@dataclasses.dataclass
class Rows:
    definitions: list  # (name, type code) as sent; None where metadata caching left them out
    rows: list


class _Connection(pymysql.connections.Connection):
    """Says in its login that it is MariaDB's client, with these extended capabilities."""

    extended = BULK | CACHE_METADATA
    server_extended = None
    _logged_in = False

    def _get_server_information(self):
        super()._get_server_information()
        self.is_mariadb = "MariaDB" in self.server_version

    def write_packet(self, payload):
        if not self._logged_in and self.is_mariadb:
            flags = struct.unpack("<I", payload[:4])[0] & ~CLIENT_MYSQL
            payload = struct.pack("<I", flags) + payload[4:28] + struct.pack("<I", self.extended) + payload[32:]
        self._logged_in = True
        super().write_packet(payload)


def parameters(kinds, *values, bind=True):
    """The body behind an execute's head: one letter a value, q for 64 bits and s for a string; None is NULL."""
    if not values:
        return b""
    nulls = bytearray((len(values) + 7) // 8)
    types, data = b"", b""
    for at, (kind, value) in enumerate(zip(kinds, values, strict=True)):
        types += bytes([LONGLONG if kind == "q" else STRING, 0])
        if value is None:
            nulls[at // 8] |= 1 << at % 8
        else:
            data += struct.pack("<q", value) if kind == "q" else bytes([len(value)]) + value.encode()
    return bytes(nulls) + bytes([int(bind)]) + (types if bind else b"") + data


def bulk_rows(*rows):
    """Rows of (32-bit integer, string)."""
    return b"".join(b"\0" + struct.pack("<i", number) + b"\0" + bytes([len(text)]) + text.encode() for number, text in rows)


class RawStatements:
    def __init__(self, port, host="127.0.0.1", database="app"):
        self.connection = _Connection(
            host=host, port=port, user=APP[0], password=APP[1], database=database, autocommit=True,
            client_flag=CLIENT.MULTI_STATEMENTS, connect_timeout=15, read_timeout=60,
        )  # fmt: skip

    def close(self):
        self.connection.close()

    def query(self, sql):
        with self.connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall()

    def _send(self, *commands):
        packets = b""
        for command, body in commands:
            payload = bytes([command]) + body
            packets += struct.pack("<I", len(payload))[:3] + b"\0" + payload
        self.connection._write_bytes(packets)

    def _packet(self):
        return self.connection._read_packet()

    def prepare(self, sql):
        self._send((COMMAND.COM_STMT_PREPARE, sql.encode()))
        return self._prepared()

    def execute(self, statement, body=b"", results=1):
        self._send((COMMAND.COM_STMT_EXECUTE, struct.pack("<IBI", statement, 0, 1) + body))
        answers = [self._answer(first=number == 0) for number in range(results)]
        return answers[0] if results == 1 else answers

    def bulk(self, statement, rows, types=bytes([LONG, 0, STRING, 0])):
        self._send((BULK_EXECUTE, struct.pack("<IH", statement, SEND_TYPES if types else 0) + types + rows))
        return self._answer()

    def prepare_and_execute(self, sql, body=b""):
        self._send(
            (COMMAND.COM_STMT_PREPARE, sql.encode()),
            (COMMAND.COM_STMT_EXECUTE, struct.pack("<IBI", LAST, 0, 1) + body),
        )
        return self._prepared(), self._answer()

    def prepare_and_bulk(self, sql, rows):
        types = bytes([LONG, 0, STRING, 0])
        self._send(
            (COMMAND.COM_STMT_PREPARE, sql.encode()), (BULK_EXECUTE, struct.pack("<IH", LAST, SEND_TYPES) + types + rows)
        )
        return self._prepared(), self._answer()

    def _prepared(self):
        self.connection._next_seq_id = 1
        try:
            head = self._packet().get_all_data()
        except pymysql.Error as error:
            return Refused(*error.args)
        number, columns, count = struct.unpack("<IHH", head[1:9])
        for definitions in (count, columns):
            for _ in range(definitions + 1 if definitions else 0):
                self._packet()
        return Prepared(number, columns, count)

    def _answer(self, first=True):
        if first:
            self.connection._next_seq_id = 1
        try:
            head = self._packet()
        except pymysql.Error as error:
            return Refused(*error.args)
        data = head.get_all_data()
        if head.is_ok_packet():
            head.advance(1)
            affected = head.read_length_encoded_integer()
            head.read_length_encoded_integer()
            return Done(affected, struct.unpack("<HH", head.read(4))[1])
        left_out = len(data) > 1 and data[1] == 0
        definitions = None
        if not left_out:
            definitions = []
            for _ in range(data[0]):
                column = self.connection._read_packet(pymysql.protocol.FieldDescriptorPacket)
                definitions.append((column.name, column.type_code))
        assert self._packet().is_eof_packet()
        rows = []
        while True:
            packet = self._packet()
            if packet.is_eof_packet():
                return Rows(definitions, rows)
            rows.append(packet.get_all_data().hex())
