"""Allocations and system calls of a running Sluice, counted by tests/counting/counts.cpp.

    counted = CountedProgram()
    with Sluice(cluster, program=counted.program, process={"threads": 1}) as sluice:
        before = counted.read()
        …
        print(counted.since(before)["accepted_reads"])
"""

import mmap
import re
import shlex
import struct
import subprocess

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
    """`program` runs the sluice under test with its counts in a file of ours.

    sites: note where allocations come from, too, which takes microseconds each; `sites`
    is then a Sites, else None.
    """

    def __init__(self, prefix=(), sites=False):
        directory = private_directory()
        self._file = directory / "counts"
        self._file.write_bytes(bytes(SLOTS * NUMBERS * 8))
        self.sites = Sites(directory / "sites") if sites else None
        self.program = directory / "sluice"
        if not library().exists():
            raise FileNotFoundError(f"{library()} is not built")
        self.program.write_text(
            f"#!/bin/sh\n{f'SLUICE_SITES={shlex.quote(str(self.sites.file))} ' if sites else ''}"
            f"SLUICE_COUNTS={shlex.quote(str(self._file))} LD_PRELOAD={shlex.quote(str(library()))}"
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


class Sites:
    """The call stacks of allocations, from tests/counting/sites.cpp."""

    HEADER, ENTRY, ENTRIES = 2, 16, 4096

    def __init__(self, file):
        self.file = file

    def read(self):
        """(load address, {stack: (times, bytes) so far}); a stack is a tuple of return addresses, the innermost first."""
        numbers = struct.unpack(f"{self.HEADER + self.ENTRIES * self.ENTRY}Q", self.file.read_bytes())
        entries = (numbers[i : i + self.ENTRY] for i in range(self.HEADER, len(numbers), self.ENTRY))
        return numbers[0], {tuple(filter(None, entry[3:])): entry[1:3] for entry in entries if entry[0]}

    def since(self, before, most=20):
        """[(times, bytes of one, [function (file:line), …])], most frequent first; only frames of Sluice's own."""
        base, now = self.read()
        grown = []
        for stack, (times, size) in now.items():
            old_times, old_size = before[1].get(stack, (0, 0))
            if times > old_times:
                grown.append((times - old_times, (size - old_size) // (times - old_times), stack))
        top = sorted(grown, reverse=True)[:most]
        # A return address is behind its call.
        addresses = sorted({frame - base - 1 for *_, stack in top for frame in stack if frame > base})
        names = self._names(addresses)
        return [(times, size, [names[f - base - 1] for f in stack if names.get(f - base - 1)]) for times, size, stack in top]

    @staticmethod
    def _names(addresses):
        said = subprocess.run(
            ["addr2line", "-Cfe", str(binary())], input="\n".join(map(hex, addresses)), capture_output=True, text=True,
            check=True,
        ).stdout.splitlines()  # fmt: skip
        names = {}
        for address, function, place in zip(addresses, said[::2], said[1::2]):
            if function.startswith("sluice::"):
                short = re.sub(r"\(.*", "", re.sub(r"<.*>", "", function.replace("sluice::", "")))
                names[address] = f"{short} ({re.sub(r'.*/(?=[^/]+/[^/]+$)', '', place.split(' ')[0])})"
        return names
