"""Nothing grows with the number of prepared statements that have come and gone.

One client after the other prepares, executes and closes texts that are new each
time, pipelined so that a million rounds take minutes; SLUICE_GROWTH_ROUNDS says
how many. The second half of them is held against the first.
"""

import os
import struct

import pytest

from client import Client
from cluster import APP
from process import wait_until
from sluice import Sluice

ROUNDS = int(os.environ.get("SLUICE_GROWTH_ROUNDS", "10000"))
BATCH = 50
SAMPLES = 20
MIB = 1 << 20
PREPARE, EXECUTE, CLOSE = 0x16, 0x17, 0x19

# What one link keeps prepared for nobody; prepared_cache.hpp says how many.
CACHED_FOR_A_LINK = 64


@pytest.fixture(scope="module")
def sluice(cluster):
    cluster.primary.run(["CREATE TABLE app.grown (id INT PRIMARY KEY, v VARCHAR(20))", "INSERT INTO app.grown VALUES (1, 'one')"])
    cluster.wait_caught_up()
    with Sluice(cluster, routing={"max_lag": "1m"}) as made:
        yield made


def command(code, payload):
    return struct.pack("<I", len(payload) + 1) + bytes([code]) + payload


class Rounds:
    """One client that prepares a batch of texts at once, then executes and closes them at once."""

    def __init__(self, port):
        self._client = Client(("127.0.0.1", port), APP, "app", ("deprecate_eof",), 45)
        self._socket = self._client._packets._socket
        self._input = b""

    def _answers(self, count, size):
        """So many answers of so many packets each, as lists of payloads."""
        payloads, at = [], 0
        while len(payloads) < count * size:
            end = at + 4 + int.from_bytes(self._input[at : at + 3], "little")
            if at + 4 > len(self._input) or end > len(self._input):
                part = self._socket.recv(1 << 18)
                assert part, "the connection ended"
                self._input, at = self._input[at:] + part, 0
                continue
            assert self._input[at + 4] != 0xFF, self._input[at:end]
            payloads.append(self._input[at + 4 : end])
            at = end
        self._input = self._input[at:]
        return [payloads[first : first + size] for first in range(0, len(payloads), size)]

    def batch(self, texts):
        """The rows that the statements gave, one each of two columns."""
        self._socket.sendall(b"".join(command(PREPARE, text) for text in texts))
        numbers = [head[1:5] for head, *_ in self._answers(len(texts), 1 + 2)]
        self._socket.sendall(b"".join(command(EXECUTE, number + b"\0\1\0\0\0") + command(CLOSE, number) for number in numbers))
        return [row for *_, row, _ in self._answers(len(texts), 1 + 2 + 1 + 1)]

    def close(self):
        self._client.close()


def text_of(number):
    """A new one each time: mostly reads, every tenth a locking read for the primary."""
    return b"SELECT v, %d AS n FROM grown WHERE id = 1%s" % (number, b" FOR UPDATE" if number % 10 == 0 else b"")


def state_of(cluster, sluice):
    return {
        "statements": [int(b.sql("SHOW GLOBAL STATUS LIKE 'Prepared_stmt_count'")[0]["Value"]) for b in cluster.backends],
        "links": sum(row["links"] for row in sluice.backends().values()),
        "rss": sluice.rss(),
    }


def test_a_million_texts_come_and_go_and_nothing_grows(cluster, sluice):
    """RSS may differ between the halves by what the allocator and the samples' own noise explain, 8 MiB; the rest not at all."""
    samples, done = [], 0
    clients = [Rounds(sluice.port) for _ in range(4)]
    each = ROUNDS // SAMPLES
    while done < ROUNDS:
        until = done + each
        while done < until:
            texts = [text_of(number) for number in range(done, min(done + BATCH, until))]
            values = clients[done // BATCH % len(clients)].batch(texts)
            assert all(value.startswith(b"\0\0\x03one") for value in values)
            assert [int.from_bytes(value[6:], "little") for value in values] == [*range(done, done + len(texts))]
            done += len(texts)
        if len(samples) % 5 == 4:  # sessions come and go, too
            clients[0].close()
            clients = [*clients[1:], Rounds(sluice.port)]
        samples.append(state_of(cluster, sluice))
    first, second = samples[SAMPLES // 4 : SAMPLES // 2], samples[SAMPLES // 2 :]
    for sample in samples[:: SAMPLES // 5] + samples[-1:]:
        print(sample["statements"], sample["links"], f"{sample['rss'] / MIB:.1f} MiB")

    def most(half, key):
        return max(sample[key] for sample in half)

    links = most(samples, "links")
    assert most(second, "links") <= most(first, "links") + 2  # a session that begins may open one a backend
    assert max(max(sample["statements"]) for sample in samples) <= links * CACHED_FOR_A_LINK + len(clients) * BATCH
    assert most(second, "rss") - most(first, "rss") < 8 * MIB, f"RSS grew from {most(first, 'rss')} to {most(second, 'rss')}"
    for one in clients:
        one.close()
    wait_until(lambda: not sluice.admin("SHOW SESSIONS"), "the sessions have ended")
