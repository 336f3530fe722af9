"""A raw client: each command of the protocol as a method that returns all of its answer.

A statement's id is the server's own affair, so prepared statements go by slots.
"""

import struct

import parameters
import wire
from login import Login, Refused
from replies import ReplyReader, decode_err, decode_ok

ALWAYS = (
    wire.LONG_PASSWORD | wire.LONG_FLAG | wire.CONNECT_WITH_DB | wire.LOCAL_FILES | wire.PROTOCOL_41
    | wire.TRANSACTIONS | wire.SECURE_CONNECTION | wire.MULTI_RESULTS | wire.PS_MULTI_RESULTS | wire.PLUGIN_AUTH
)  # fmt: skip
OPTIONS = {
    "multi": wire.MULTI_STATEMENTS,
    "deprecate_eof": wire.DEPRECATE_EOF,
    "track": wire.SESSION_TRACK,
    "found_rows": wire.FOUND_ROWS,
    "ignore_space": wire.IGNORE_SPACE,
    "attributes": wire.QUERY_ATTRIBUTES,
}

# What a slot that holds no statement is called: an id that no server gives.
UNKNOWN_STATEMENT = 77_000


def sql_bytes(sql):
    return sql if isinstance(sql, bytes) else sql.encode()


class Client:
    """One session. options: names of OPTIONS. Refused or wire.Lost if it cannot be had."""

    def __init__(self, address, account, schema, options, collation, timeout=12):
        self._packets = wire.Packets(address, timeout)
        try:
            self._login = Login(self._packets, *account)
            self._login.greet()
            wanted = ALWAYS
            for option in options:
                wanted |= OPTIONS[option]
            capabilities = wanted & (self._login.capabilities | wire.LONG_PASSWORD)
            payload = self._login.log_in(capabilities, collation, schema)
            if payload[:1] == b"\xff":
                raise Refused(decode_err(payload))
        except BaseException:
            self._packets.close()
            raise
        self.greeting = {"capabilities": self._login.capabilities, "version": self._login.version}
        self.thread_id = self._login.thread_id
        self._replies = ReplyReader(self._packets, capabilities)
        self.logged_in = decode_ok(payload, capabilities)
        self._statements = {}
        self._long = {}

    def _command(self, code, payload=b""):
        self._packets.send(bytes([code]) + payload, first=True)

    def _attributes(self):
        return self._replies.capabilities & wire.QUERY_ATTRIBUTES

    def query(self, sql, infile=None, attributes=()):
        head = b""
        if self._attributes():
            head = wire.lenenc(len(attributes)) + b"\x01"
            if attributes:
                names = [name.encode() for name, _, _ in attributes]
                head += parameters.block([(kind, value) for _, kind, value in attributes], True, (), names)
        self._command(3, head + sql_bytes(sql))
        return self._replies.results(infile)

    def init_db(self, schema):
        self._command(2, schema.encode())
        reply = self._replies.single()
        # MySQL repeats the count of the statement before, which may have run on another link.
        return [reply | {"warnings": 0} if reply["kind"] == "ok" else reply]

    def ping(self):
        self._command(0x0E)
        return [self._replies.single()]

    def reset_connection(self):
        self._command(0x1F)
        answer = self._replies.single()
        if answer["kind"] == "ok":
            self._statements, self._long = {}, {}
        return [answer]

    def change_user(self, schema, collation):
        payload = self._login.change_user(schema, collation)
        if payload[:1] == b"\xff":
            return [decode_err(payload)]
        self._statements, self._long = {}, {}
        return [decode_ok(payload, self._replies.capabilities)]

    def set_option(self, option):
        self._command(0x1B, struct.pack("<H", option))
        reply = self._replies.single()
        # As for init_db; an ERR does not tell how many conditions there were.
        return [reply | {"warnings": 0} if "warnings" in reply else reply]

    def field_list(self, table, wildcard):
        self._command(4, table.encode() + b"\0" + wildcard.encode())
        return [self._replies.fields()]

    def unknown_command(self, code):
        self._command(code)
        return [self._replies.single()]

    def _id(self, slot):
        return self._statements.get(slot, UNKNOWN_STATEMENT + slot)

    def prepare(self, slot, sql):
        if slot in self._statements:
            self.close_statement(slot)
        self._command(0x16, sql_bytes(sql))
        reply, number = self._replies.prepared()
        if number is not None:
            self._statements[slot] = number
        return [reply]

    def execute(self, slot, values, bind=True, cursor=0):
        """values: (type, value) pairs; cursor: 1 for a read-only one."""
        head = struct.pack("<IBI", self._id(slot), cursor, 1)
        sent_long = self._long.pop(slot, ())
        names = None
        if self._attributes():
            head = struct.pack("<IBI", self._id(slot), cursor | 8, 1) + wire.lenenc(len(values))
            names = [b""] * len(values)
        if values:
            head += parameters.block(values, bind, sent_long, names)
        self._command(0x17, head)
        return self._replies.results()

    def fetch(self, slot, rows):
        self._command(0x1C, struct.pack("<II", self._id(slot), rows))
        return [self._replies.rows_only()]

    def long_data(self, slot, index, data):
        self._command(0x18, struct.pack("<IH", self._id(slot), index) + data)
        self._long[slot] = {*self._long.get(slot, ()), index}
        return []

    def reset_statement(self, slot):
        self._command(0x1A, struct.pack("<I", self._id(slot)))
        self._long.pop(slot, None)
        return [self._replies.single()]

    def close_statement(self, slot):
        self._command(0x19, struct.pack("<I", self._id(slot)))
        self._statements.pop(slot, None)
        self._long.pop(slot, None)
        return []

    def close(self):
        try:
            self._command(1)
            self._packets.at_end()
        except wire.Lost:
            pass  # gone already
        self._packets.close()
