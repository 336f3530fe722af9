"""Logging in: the greeting, both password plugins, COM_CHANGE_USER."""

import hashlib

import wire
from replies import decode_err
from wire import Reader


def _xor(left, right):
    return bytes(a ^ b for a, b in zip(left, right))


def _native(password, scramble):
    if not password:
        return b""
    once = hashlib.sha1(password).digest()
    return _xor(once, hashlib.sha1(scramble + hashlib.sha1(once).digest()).digest())


def _sha2(password, scramble):
    if not password:
        return b""
    once = hashlib.sha256(password).digest()
    return _xor(once, hashlib.sha256(hashlib.sha256(once).digest() + scramble).digest())


PLUGINS = {b"mysql_native_password": _native, b"caching_sha2_password": _sha2}


def _encrypted(password, scramble, pem):
    """The password for caching_sha2_password's full authentication without TLS."""
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import padding

    plain = password + b"\0"
    mixed = _xor(plain, (scramble * (len(plain) // len(scramble) + 1))[: len(plain)])
    oaep = padding.OAEP(mgf=padding.MGF1(hashes.SHA1()), algorithm=hashes.SHA1(), label=None)
    return serialization.load_pem_public_key(pem).encrypt(mixed, oaep)


class Refused(Exception):
    """The server said no; args[0] is the decoded ERR."""


class Login:
    """One account on one connection. After greet(): server capabilities, version, thread id."""

    def __init__(self, packets, user, password):
        self._packets = packets
        self._user = user.encode()
        self._password = password.encode()
        self._plugin = b"mysql_native_password"

    def greet(self):
        payload = self._packets.receive()
        if payload[:1] == b"\xff":
            raise Refused(decode_err(payload))
        greeting = Reader(payload[1:])
        self.version = greeting.until_nul()
        self.thread_id = greeting.number(4)
        scramble = greeting.take(8)
        greeting.take(1)
        capabilities = greeting.number(2)
        self.collation = greeting.number(1)
        self.status = greeting.number(2)
        self.capabilities = capabilities | greeting.number(2) << 16
        size = greeting.number(1)
        greeting.take(10)
        self._scramble = (scramble + greeting.take(max(13, size - 8)))[:20]
        if greeting.left():
            self._plugin = greeting.rest().rstrip(b"\0")

    def _proof(self):
        return PLUGINS.get(self._plugin, _native)(self._password, self._scramble)

    def log_in(self, capabilities, collation, schema):
        """Answers the greeting; the payload of the final OK."""
        answer = capabilities.to_bytes(4, "little") + (1 << 30).to_bytes(4, "little")
        answer += bytes([collation]) + bytes(23) + self._user + b"\0"
        proof = self._proof()
        answer += bytes([len(proof)]) + proof
        if capabilities & wire.CONNECT_WITH_DB:
            answer += schema.encode() + b"\0"
        self._packets.send(answer + self._plugin + b"\0")
        return self._finish()

    def change_user(self, schema, collation):
        """COM_CHANGE_USER to the same account; the payload of the final packet."""
        proof = self._proof()
        command = b"\x11" + self._user + b"\0" + bytes([len(proof)]) + proof
        command += schema.encode() + b"\0" + collation.to_bytes(2, "little") + self._plugin + b"\0"
        self._packets.send(command, first=True)
        return self._finish()

    def _finish(self):
        while True:
            payload = self._packets.receive()
            if payload[:1] == b"\xff" or payload[:1] == b"\x00":
                return payload
            if payload[:1] == b"\xfe":
                switch = Reader(payload[1:])
                self._plugin = switch.until_nul()
                self._scramble = switch.rest()[:20]
                self._packets.send(self._proof())
            elif payload == b"\x01\x04":
                self._packets.send(b"\x02")
                pem = self._packets.receive()[1:]
                self._packets.send(_encrypted(self._password, self._scramble, pem))
            elif payload != b"\x01\x03":
                raise wire.Lost(f"no login dialogue known for {payload!r}")
