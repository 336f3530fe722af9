"""Where the load goes: straight to the primary, through HAProxy, through Sluice, or to any HOST:PORT."""

import contextlib
import os
import shlex
import shutil
import socket
import sys

from counts import CountedProgram
from process import free_port, private_directory, spawn, wait_until
from sluice import Sluice, binary

BUILT_IN = ("direct", "haproxy", "sluice")

# TCP mode and nothing else: no checks, no logs, a deadline that no run reaches,
# as many connections as the limit on descriptors allows, and a thread a core.
HAPROXY = """
defaults
    mode tcp
    timeout connect 10s
    timeout client 1h
    timeout server 1h
listen database
    bind 127.0.0.1:{port}
    server primary {primary}
"""


class Endpoint:
    """A name, an address, and the processes whose CPU it costs; none if they are not known.

    sluice: our own Sluice, else None; counts: its CountedProgram if its system calls are counted.
    """

    def __init__(self, name, host, port, pids=()):
        self.name = name
        self.host = host
        self.port = int(port)
        self.pids = list(pids)
        self.sluice = None
        self.counts = None


def foreign(text):
    """NAME=HOST:PORT, or NAME=HOST:PORT@PID for one whose CPU is to be counted."""
    name, equals, place = text.partition("=")
    address, _, pid = place.partition("@")
    host, colon, port = address.rpartition(":")
    if not (name and equals and host and colon and port.isdigit()) or (pid and not pid.isdigit()):
        raise ValueError(f"{text}: neither one of {', '.join(BUILT_IN)} nor NAME=HOST:PORT or NAME=HOST:PORT@PID")
    return Endpoint(name, host, port, [int(pid)] if pid else [])


def pin(pid, core):
    """Keeps a running process, and the threads that it will make, on one core."""
    for task in os.listdir(f"/proc/{pid}/task"):
        with contextlib.suppress(ProcessLookupError):
            os.sched_setaffinity(int(task), {core})


def _answers(port):
    with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
        connection.settimeout(1)
        return connection.recv(1)  # the database greets first


@contextlib.contextmanager
def haproxy(cluster, prefix):
    """HAProxy in TCP mode in front of the primary; `prefix` is put before its command."""
    program = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin")
    if not program:
        raise FileNotFoundError("haproxy is missing: run ./dev setup")
    directory = private_directory()
    port = free_port()
    config = directory / "haproxy.cfg"
    config.write_text(HAPROXY.format(port=port, primary=cluster.primary.address))
    log = directory / "haproxy.log"
    process = spawn([*prefix, program, "-db", "-f", config], log)
    try:
        wait_until(lambda: process.poll() is not None or _answers(port), "HAProxy answers")
        if process.poll() is not None:
            raise RuntimeError(f"HAProxy ended at its start:\n{log.read_text()}")
        yield Endpoint("haproxy", "127.0.0.1", port, [process.pid])
    finally:
        process.kill()
        process.wait(30)


@contextlib.contextmanager
def sluice(cluster, prefix, sections, counted=False, name="sluice"):
    """The Sluice under test. `prefix` goes before its command, `sections` into its config.

    counted: True to count its system calls and allocations, "sites" for where the latter come from, too.
    """
    program = binary()
    counts = CountedProgram(prefix, sites=counted == "sites") if counted else None
    if counts:
        program = counts.program
    elif prefix:
        program = private_directory() / "sluice"
        program.write_text(f"#!/bin/sh\nexec {shlex.join(prefix)} {shlex.quote(str(binary()))} \"$@\"\n")
        program.chmod(0o755)
    running = Sluice(cluster, program=program, **sections)
    try:
        endpoint = Endpoint(name, "127.0.0.1", running.port, [running.pid])
        endpoint.sluice, endpoint.counts = running, counts
        yield endpoint
    finally:
        if not running.alive():
            print(f"==> Sluice died, its log is kept in {running.keep_log('bench')}", file=sys.stderr)
        running.close()


def direct(cluster):
    return Endpoint("direct", "127.0.0.1", cluster.primary.port)
