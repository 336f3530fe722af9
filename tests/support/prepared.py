"""The binary protocol on a PyMySQL connection, which speaks only the text protocol itself.

    statement = prepare(connection, "SELECT a FROM t WHERE id = ?")
    statement.execute(7)   # rows as tuples, or the number of affected rows

Parameters may be int, str, bytes or None. Columns of all types that the tests
use are read; an unknown one fails loudly.
"""

import struct

from pymysql.constants import COMMAND, FIELD_TYPE, SERVER_STATUS
from pymysql.protocol import FieldDescriptorPacket, OKPacketWrapper

INTEGERS = {
    FIELD_TYPE.TINY: ("b", 1), FIELD_TYPE.SHORT: ("h", 2), FIELD_TYPE.YEAR: ("h", 2), FIELD_TYPE.INT24: ("i", 4),
    FIELD_TYPE.LONG: ("i", 4), FIELD_TYPE.LONGLONG: ("q", 8), FIELD_TYPE.FLOAT: ("f", 4), FIELD_TYPE.DOUBLE: ("d", 8),
}  # fmt: skip
STRINGS = {
    FIELD_TYPE.VARCHAR, FIELD_TYPE.VAR_STRING, FIELD_TYPE.STRING, FIELD_TYPE.BLOB, FIELD_TYPE.TINY_BLOB,
    FIELD_TYPE.MEDIUM_BLOB, FIELD_TYPE.LONG_BLOB, FIELD_TYPE.NEWDECIMAL, FIELD_TYPE.DECIMAL, FIELD_TYPE.ENUM,
    FIELD_TYPE.SET, FIELD_TYPE.BIT, FIELD_TYPE.JSON,
}  # fmt: skip
BINARY_CHARSET = 63


def length_encoded(data):
    size = len(data)
    if size < 251:
        return bytes([size]) + data
    if size < 1 << 16:
        return b"\xfc" + struct.pack("<H", size) + data
    if size < 1 << 24:
        return b"\xfd" + struct.pack("<I", size)[:3] + data
    return b"\xfe" + struct.pack("<Q", size) + data


def encode(value):
    """(type code, bytes) of a parameter."""
    if isinstance(value, int):
        return FIELD_TYPE.LONGLONG, struct.pack("<q", value)
    if isinstance(value, bytes):
        return FIELD_TYPE.BLOB, length_encoded(value)
    return FIELD_TYPE.VAR_STRING, length_encoded(value.encode())


class Prepared:
    def __init__(self, connection, sql):
        self._connection = connection
        connection._execute_command(COMMAND.COM_STMT_PREPARE, sql)
        head = connection._read_packet()
        assert head.read_uint8() == 0
        self.id = head.read_uint32()
        self._columns, self._parameters = head.read_uint16(), head.read_uint16()
        self._skip_definitions(self._parameters)
        self._skip_definitions(self._columns)

    def _skip_definitions(self, count):
        for _ in range(count):
            self._connection._read_packet()
        if count:
            assert self._connection._read_packet().is_eof_packet()

    def execute(self, *values, bind=True):
        """bind=False leaves the types out, as a client may from its second execute on."""
        assert len(values) == self._parameters
        body = bytearray(struct.pack("<IBI", self.id, 0, 1))
        if values:
            nulls = bytearray((len(values) + 7) // 8)
            types, data = bytearray(), bytearray()
            for at, value in enumerate(values):
                if value is None:
                    nulls[at // 8] |= 1 << at % 8
                    types += bytes([FIELD_TYPE.NULL, 0])
                    continue
                kind, encoded = encode(value)
                types += bytes([kind, 0])
                data += encoded
            body += nulls + bytes([int(bind)]) + (types if bind else b"") + data
        self._connection._execute_command(COMMAND.COM_STMT_EXECUTE, bytes(body))
        return self._read_answer()

    def _read_answer(self):
        head = self._connection._read_packet()
        if head.is_ok_packet():
            answer = OKPacketWrapper(head)
            self._connection.server_status = answer.server_status
            assert not answer.server_status & SERVER_STATUS.SERVER_MORE_RESULTS_EXISTS
            return answer.affected_rows
        columns = []
        for _ in range(head.read_length_encoded_integer()):
            columns.append(self._connection._read_packet(FieldDescriptorPacket))
        assert self._connection._read_packet().is_eof_packet()
        rows = []
        while True:
            packet = self._connection._read_packet()
            if packet.is_eof_packet():
                return rows
            rows.append(self._row(packet, columns))

    def _row(self, packet, columns):
        packet.advance(1)
        nulls = packet.read((len(columns) + 9) // 8)
        return tuple(
            None if nulls[(at + 2) // 8] & 1 << (at + 2) % 8 else self._value(packet, column)
            for at, column in enumerate(columns)
        )

    def _value(self, packet, column):
        if column.type_code in INTEGERS:
            code, size = INTEGERS[column.type_code]
            return struct.unpack("<" + code, packet.read(size))[0]
        assert column.type_code in STRINGS, f"a column of type {column.type_code} is not read here"
        raw = packet.read_length_coded_string()
        return raw if column.charsetnr == BINARY_CHARSET else raw.decode()

    def close(self):
        self._connection._execute_command(COMMAND.COM_STMT_CLOSE, struct.pack("<I", self.id))


def prepare(connection, sql):
    return Prepared(connection, sql)
