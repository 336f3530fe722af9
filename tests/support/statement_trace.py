"""Where a statement ran: told by the backends' own general logs, not by the proxy.

    with Trace(cluster) as trace:
        mark = trace.mark()
        cursor.execute(f"SELECT 1 /* {mark} */")
        assert trace.where(mark) == {"db2"}
"""

import contextlib
import itertools
import os


class Trace:
    """Records what arrives at every backend of a cluster while it is open."""

    _numbers = itertools.count(1)

    def __init__(self, cluster):
        self.cluster = cluster
        self._logs = {}
        self._open = contextlib.ExitStack()

    def __enter__(self):
        for backend in self.cluster.backends:
            self._logs[backend.name] = self._open.enter_context(backend.general_log())
        return self

    def __exit__(self, *_):
        self._open.close()

    def mark(self):
        """A word that no other statement has."""
        return f"mark{os.getpid()}x{next(self._numbers):06}x"

    def where(self, mark):
        """The names of the backends that a statement with this mark was sent to."""
        return {name for name, text in self._logs.items() if mark in text()}

    def moment(self):
        """Now, for since()."""
        return {backend.name: backend.general_log_size() for backend in self.cluster.backends}

    def since(self, moment, mark):
        """The names of the backends that a statement with this mark was sent to after that moment."""
        return {name for name, text in self._logs.items() if mark in text(moment[name])}

    def text(self, backend):
        """All that arrived at one backend."""
        return self._logs[backend.name]()
