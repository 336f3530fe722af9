"""Bytes of the client/server protocol: packets on a socket, integers, strings, capabilities.

Source: MySQL internals manual, "Client/Server Protocol"; MariaDB knowledge base, "Clientserver Protocol".
"""

import socket
import struct

LONG_PASSWORD = 1
FOUND_ROWS = 1 << 1
LONG_FLAG = 1 << 2
CONNECT_WITH_DB = 1 << 3
LOCAL_FILES = 1 << 7
IGNORE_SPACE = 1 << 8
PROTOCOL_41 = 1 << 9
TRANSACTIONS = 1 << 13
SECURE_CONNECTION = 1 << 15
MULTI_STATEMENTS = 1 << 16
MULTI_RESULTS = 1 << 17
PS_MULTI_RESULTS = 1 << 18
PLUGIN_AUTH = 1 << 19
SESSION_TRACK = 1 << 23
DEPRECATE_EOF = 1 << 24
QUERY_ATTRIBUTES = 1 << 27

STATUS_MORE_RESULTS = 1 << 3
STATUS_ANSI_QUOTES = 1 << 15
STATUS_NO_GOOD_INDEX_USED = 1 << 4
STATUS_NO_INDEX_USED = 1 << 5
STATUS_CURSOR_EXISTS = 1 << 6
STATUS_QUERY_WAS_SLOW = 1 << 11
STATUS_SESSION_STATE_CHANGED = 1 << 14

LARGEST_PAYLOAD = 0xFFFFFF


class Lost(Exception):
    """The connection ended, or brought nothing in time; the words say which."""


class Packets:
    """Payloads to and from one socket. Sequence numbers are checked, for they are an answer, too."""

    def __init__(self, address, timeout):
        try:
            self._socket = socket.create_connection(address, timeout=timeout)
        except OSError as error:
            raise Lost(f"cannot connect: {error}") from error
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._input = bytearray()
        self._sequence = 0

    def close(self):
        self._socket.close()

    def _exactly(self, size):
        while len(self._input) < size:
            try:
                chunk = self._socket.recv(1 << 18)
            except TimeoutError as error:
                raise Lost("no answer in time") from error
            except OSError as error:
                raise Lost("reset") from error
            if not chunk:
                raise Lost("closed")
            self._input += chunk
        taken = bytes(self._input[:size])
        del self._input[:size]
        return taken

    def receive(self):
        """The next payload, put together from as many packets as it took."""
        payload = b""
        while True:
            header = self._exactly(4)
            size = int.from_bytes(header[:3], "little")
            if header[3] != self._sequence:
                raise Lost(f"packet number {header[3]} came for {self._sequence}")
            self._sequence = (self._sequence + 1) & 0xFF
            payload += self._exactly(size)
            if size < LARGEST_PAYLOAD:
                return payload

    def send(self, payload, first=False):
        """Sends a payload: the first of a command, or the next of a conversation."""
        if first:
            self._sequence = 0
        data = b""
        while True:
            part, payload = payload[:LARGEST_PAYLOAD], payload[LARGEST_PAYLOAD:]
            data += len(part).to_bytes(3, "little") + bytes([self._sequence]) + part
            self._sequence = (self._sequence + 1) & 0xFF
            if len(part) < LARGEST_PAYLOAD:
                break
        try:
            self._socket.sendall(data)
        except OSError as error:
            raise Lost("reset") from error

    def at_end(self):
        """Waits for the peer to close; whether it did so without another word."""
        try:
            return not self._input and not self._socket.recv(1)
        except OSError:
            return False


def lenenc(number):
    if number < 251:
        return bytes([number])
    if number < 1 << 16:
        return b"\xfc" + struct.pack("<H", number)
    if number < 1 << 24:
        return b"\xfd" + number.to_bytes(3, "little")
    return b"\xfe" + struct.pack("<Q", number)


def lenenc_string(data):
    return lenenc(len(data)) + data


class Reader:
    """Walks one payload."""

    def __init__(self, payload):
        self.payload = payload
        self.at = 0

    def left(self):
        return len(self.payload) - self.at

    def take(self, size):
        part = self.payload[self.at : self.at + size]
        self.at += size
        return part

    def rest(self):
        return self.take(self.left())

    def number(self, size):
        return int.from_bytes(self.take(size), "little")

    def lenenc(self):
        first = self.number(1)
        return first if first < 251 else self.number({0xFC: 2, 0xFD: 3, 0xFE: 8}[first])

    def lenenc_string(self):
        return self.take(self.lenenc())

    def until_nul(self):
        end = self.payload.index(b"\0", self.at)
        part = self.take(end - self.at)
        self.at += 1
        return part
