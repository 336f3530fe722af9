"""Allocations and system calls of a running Sluice, counted by tests/counting/counts.cpp.

    counted = CountedProgram()
    with Sluice(cluster, program=counted.program, process={"threads": 1}) as sluice:
        before = counted.read()
        …
        print(counted.since(before)["accepted_reads"])
"""

import mmap
import shlex
import struct

from process import private_directory
from sluice import binary

SLOTS, NUMBERS = 64, 32
NAMES = (
    "thread", "allocations", "allocated_bytes", "frees", "epoll_waits", "epoll_changes", "timer_sets",
    "accepted_reads", "accepted_writes", "accepted_in_vain", "made_reads", "made_writes", "made_in_vain",
    "other_reads", "other_writes", "other_in_vain",
)  # fmt: skip


def library():
    """The preloaded library of the build tree that the sluice under test comes from."""
    return binary().parent.parent / "tests/counting/libsluice_counts.so"


class CountedProgram:
    """`program` runs the sluice under test with its counts in a file of ours."""

    def __init__(self, prefix=()):
        directory = private_directory()
        self._file = directory / "counts"
        self._file.write_bytes(bytes(SLOTS * NUMBERS * 8))
        self.program = directory / "sluice"
        if not library().exists():
            raise FileNotFoundError(f"{library()} is not built")
        self.program.write_text(
            f"#!/bin/sh\nSLUICE_COUNTS={shlex.quote(str(self._file))} LD_PRELOAD={shlex.quote(str(library()))}"
            f' exec {shlex.join([*prefix, str(binary())])} "$@"\n'
        )
        self.program.chmod(0o755)

    def read(self):
        """{thread id: counts so far}"""
        with open(self._file, "rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as counts:
            numbers = struct.unpack(f"{SLOTS * NUMBERS}Q", counts[:])
        slots = (numbers[i : i + len(NAMES)] for i in range(0, len(numbers), NUMBERS))
        return {slot[0]: dict(zip(NAMES[1:], slot[1:])) for slot in slots if slot[0]}

    def since(self, before):
        """The counts since then of the thread that has waited most often: with one worker, that worker."""
        none = dict.fromkeys(NAMES[1:], 0)
        grown = [
            {name: now - before.get(thread, none)[name] for name, now in counts.items()}
            for thread, counts in self.read().items()
        ]
        return max(grown, key=lambda counts: counts["accepted_reads"])
