"""What a server answers, as values that compare and print.

A reply is a dict with its kind first: ok, err, rows, prepared, end. Column
definitions and rows stay the raw bytes that came; nothing is interpreted that
need not be, so nothing that differs can look the same.
"""

import wire
from wire import Reader

TRACKERS = {0: "variable", 1: "schema", 2: "state_change", 3: "gtids", 4: "characteristics", 5: "transaction"}


def decode_err(payload):
    reader = Reader(payload[1:])
    code = reader.number(2)
    state = b""
    if reader.payload[reader.at : reader.at + 1] == b"#":
        state = reader.take(6)[1:]
    return {"kind": "err", "code": code, "state": state.decode("latin1"), "message": reader.rest()}


def _trackers(data):
    reader, entries = Reader(data), []
    while reader.left():
        kind = reader.number(1)
        entries.append((TRACKERS.get(kind, kind), reader.lenenc_string()))
    return entries


def decode_ok(payload, capabilities):
    """An OK packet, also one that ends rows (0xFE)."""
    reader = Reader(payload[1:])
    ok = {"kind": "ok", "affected": reader.lenenc(), "insert_id": reader.lenenc()}
    ok["status"], ok["warnings"] = reader.number(2), reader.number(2)
    ok["info"], ok["trackers"] = b"", []
    if not capabilities & wire.SESSION_TRACK:
        ok["info"] = reader.rest()
    elif reader.left():
        ok["info"] = reader.lenenc_string()
        if ok["status"] & wire.STATUS_SESSION_STATE_CHANGED and reader.left():
            ok["trackers"] = _trackers(reader.lenenc_string())
    if reader.left():
        ok["surplus"] = reader.rest()
    return ok


def decode_eof(payload):
    reader = Reader(payload[1:])
    return {"kind": "eof", "warnings": reader.number(2), "status": reader.number(2)}


def _is_end(payload, capabilities):
    limit = wire.LARGEST_PAYLOAD if capabilities & wire.DEPRECATE_EOF else 9
    return payload[:1] == b"\xfe" and len(payload) < limit


def _end(payload, capabilities):
    return decode_ok(payload, capabilities) if capabilities & wire.DEPRECATE_EOF else decode_eof(payload)


class ReplyReader:
    """Reads the replies of commands off the packets of one connection."""

    def __init__(self, packets, capabilities):
        self._packets = packets
        self.capabilities = capabilities

    def _definitions(self, count):
        return [self._packets.receive() for _ in range(count)]

    def _rows(self):
        """Rows and the packet that ended them, which may be an error."""
        rows = []
        while True:
            payload = self._packets.receive()
            if payload[:1] == b"\xff":
                return rows, decode_err(payload)
            if _is_end(payload, self.capabilities):
                return rows, _end(payload, self.capabilities)
            rows.append(payload)

    def single(self):
        """One packet: OK, EOF or ERR."""
        payload = self._packets.receive()
        if payload[:1] == b"\xff":
            return decode_err(payload)
        if payload[:1] == b"\xfe":
            return _end(payload, self.capabilities)
        if payload[:1] == b"\x00":
            return decode_ok(payload, self.capabilities)
        return {"kind": "words", "payload": payload}

    def _result(self, infile):
        payload = self._packets.receive()
        first = payload[:1]
        if first == b"\xff":
            return decode_err(payload)
        if first == b"\x00":
            return decode_ok(payload, self.capabilities)
        if first == b"\xfb":
            if infile:
                self._packets.send(infile)
            self._packets.send(b"")
            answer = self.single()
            return answer | {"asked_for_file": payload[1:]}
        header = Reader(payload)
        reply = {"kind": "rows", "columns": self._definitions(header.lenenc()), "header": header.rest()}
        if not self.capabilities & wire.DEPRECATE_EOF:
            payload = self._packets.receive()
            if payload[:1] == b"\xff":  # a cursor that could not be opened
                return reply | {"rows": [], "end": decode_err(payload)}
            reply["middle"] = decode_eof(payload)
            if reply["middle"]["status"] & wire.STATUS_CURSOR_EXISTS:
                return reply | {"rows": [], "end": None}
        reply["rows"], reply["end"] = self._rows()
        return reply

    def results(self, infile=None):
        """All results of one command, to the last."""
        replies = []
        while True:
            reply = self._result(infile)
            replies.append(reply)
            last = reply["end"] if reply["kind"] == "rows" else reply
            if not last or not last.get("status", 0) & wire.STATUS_MORE_RESULTS:
                return replies

    def rows_only(self):
        """The answer of COM_STMT_FETCH."""
        rows, end = self._rows()
        return end if end["kind"] == "err" and not rows else {"kind": "rows", "columns": [], "rows": rows, "end": end}

    def fields(self):
        """The answer of COM_FIELD_LIST: column definitions and an end."""
        rows, end = self._rows()
        return end if end["kind"] == "err" else {"kind": "rows", "columns": rows, "rows": [], "end": end}

    def prepared(self):
        """The answer of COM_STMT_PREPARE; the statement's id apart, for it is the server's own affair."""
        payload = self._packets.receive()
        if payload[:1] == b"\xff":
            return decode_err(payload), None
        reader = Reader(payload[1:])
        number, columns, parameters = reader.number(4), reader.number(2), reader.number(2)
        reader.take(1)
        reply = {"kind": "prepared", "warnings": reader.number(2), "surplus": reader.rest()}
        for name, count in (("parameters", parameters), ("columns", columns)):
            reply[name] = self._definitions(count)
            if count and not self.capabilities & wire.DEPRECATE_EOF:
                reply[name + "_end"] = decode_eof(self._packets.receive())
        return reply, number
