"""What processes have used so far: CPU, memory, context switches, from /proc."""

import contextlib
import pathlib

from process import cpu_seconds, rss_bytes


class ProcessGone(RuntimeError):
    """A process died while its account was open."""


@contextlib.contextmanager
def _alive():
    try:
        yield
    except (FileNotFoundError, ProcessLookupError) as error:
        raise ProcessGone(f"a process died: {error}") from error


def _switches(pid):
    """Context switches by thread: (voluntary, involuntary). /proc/PID/status alone knows only the first thread's."""
    counts = {}
    for task in pathlib.Path(f"/proc/{pid}/task").glob("*"):
        try:
            lines = dict(line.split(":", 1) for line in (task / "status").read_text().splitlines() if ":" in line)
        except (FileNotFoundError, ProcessLookupError):
            continue  # the thread has ended
        counts[task.name] = (int(lines["voluntary_ctxt_switches"]), int(lines["nonvoluntary_ctxt_switches"]))
    return counts


class Account:
    """The difference that a piece of work makes to some processes, taken together.

    stop() ends it; sample_memory() may be called in between, and the largest
    figure counts. Threads that end meanwhile take their context switches along:
    those figures are a lower bound. All may raise ProcessGone.
    """

    def __init__(self, pids):
        self.pids = list(pids)
        with _alive():
            self._cpu = {pid: cpu_seconds(pid) for pid in self.pids}
        self._switches = {pid: _switches(pid) for pid in self.pids}
        self._rss = 0

    def sample_memory(self):
        with _alive():
            self._rss = max(self._rss, sum(rss_bytes(pid) for pid in self.pids))

    def stop(self):
        """{"cpu_seconds", "rss_mib", "voluntary_switches", "involuntary_switches"}"""
        with _alive():
            cpu = sum(cpu_seconds(pid) - self._cpu[pid] for pid in self.pids)
        self.sample_memory()
        totals = [0, 0]
        for pid in self.pids:
            before = self._switches[pid]
            for task, now in _switches(pid).items():
                for kind in (0, 1):
                    totals[kind] += now[kind] - before.get(task, (0, 0))[kind]
        return {
            "cpu_seconds": round(cpu, 3),
            "rss_mib": round(self._rss / 2**20, 1),
            "voluntary_switches": totals[0],
            "involuntary_switches": totals[1],
        }
