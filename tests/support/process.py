"""Processes that never outlive us: spawning, waiting, free ports, private directories.

Whatever is spawned here gets SIGKILL when this Python dies, however it dies.
Directories that a killed run left behind are removed by the next run.
"""

import atexit
import os
import pathlib
import queue
import random
import shutil
import socket
import subprocess
import tempfile
import threading
import time

PREFIX = "sluice-"


class Timeout(AssertionError):
    """A condition did not come true in time; the words say which."""


def wait_until(condition, what, timeout=10.0, interval=0.02):
    """Polls until condition() is truthy and returns its value, else raises Timeout.

    An exception of the condition counts as "not yet"; the last one is the cause.
    """
    deadline = time.monotonic() + timeout
    failure = None
    while True:
        try:
            value = condition()
            if value:
                return value
            failure = None
        except Exception as error:  # a server that is not up yet fails in many ways
            failure = error
        if time.monotonic() > deadline:
            raise Timeout(f"after {timeout:g} s still not: {what}" + (f" ({failure})" if failure else "")) from failure
        time.sleep(interval)


class _Spawner(threading.Thread):
    """The one thread that starts processes.

    The kernel's parent-death signal follows the *thread* that forked, so a
    process started from a short-lived worker thread would die with that.
    """

    def __init__(self):
        super().__init__(daemon=True, name="spawner")
        self._requests = queue.SimpleQueue()
        self.start()

    def run(self):
        while True:
            arguments, options, answer = self._requests.get()
            try:
                answer.put(subprocess.Popen(arguments, **options))
            except Exception as error:
                answer.put(error)

    def spawn(self, arguments, options):
        answer = queue.SimpleQueue()
        self._requests.put((arguments, options, answer))
        result = answer.get()
        if isinstance(result, Exception):
            raise result
        return result


_spawner = None


def spawn(command, log, **options):
    """Starts a command in a session of its own, its output appended to a log file.

    It keeps its pid through setpriv's exec. Ctrl-C in the terminal does not
    reach it: who started it stops it, in order.
    """
    global _spawner
    if _spawner is None:
        _spawner = _Spawner()
    with open(log, "ab") as output:
        return _spawner.spawn(
            ["setpriv", "--pdeathsig", "KILL", "--", *map(str, command)],
            dict(stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True, **options),
        )


def cpu_seconds(pid):
    """User and system time that a process has used so far."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss_bytes(pid):
    """Resident memory of a process."""
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise ProcessLookupError(pid)


def runs(pid):
    """Whether a process lives; a dead one that nobody has collected yet does not."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


_ports_given = set()


def free_port():
    """A loopback port that is free and that no outgoing connection will take.

    It lies below the kernel's ephemeral range, so it stays free between a
    server's death and its restart.
    """
    lowest_ephemeral = int(pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    for _ in range(1000):
        port = random.randrange(10_000, max(lowest_ephemeral, 11_000))
        if port in _ports_given:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        _ports_given.add(port)
        return port
    raise RuntimeError("no free loopback port")


def _birth(pid):
    """When a process started, in clock ticks since boot: tells it from a later one of the same pid."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19]
    except (FileNotFoundError, ProcessLookupError):
        return None


def _reap_leftovers(parent):
    for owner in parent.glob(f"{PREFIX}*/owner"):
        try:
            pid, birth = owner.read_text().split()
            if _birth(pid) != birth:
                shutil.rmtree(owner.parent, ignore_errors=True)
        except (OSError, ValueError):
            continue  # another run is making or removing it this moment


def private_directory():
    """A directory of our own, removed at exit; those of dead runs are removed now."""
    parent = pathlib.Path(tempfile.gettempdir())
    _reap_leftovers(parent)
    directory = pathlib.Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
    (directory / "owner").write_text(f"{os.getpid()} {_birth(os.getpid())}")
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return directory
