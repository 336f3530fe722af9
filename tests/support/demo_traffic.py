"""The demo's application: one writer, some readers, and watchers that time each row's journey.

Statements say themselves where they ran: a write stores the @@server_id that
executed it, a read returns it. Watchers ask the replicas directly, past Sluice.
"""

import collections
import contextlib
import threading
import time

import pymysql

from process import Timeout, wait_until

READERS = 6
WRITE_PAUSE = 0.02
READ_PAUSE = 0.004
WATCH_PAUSE = 0.001

TABLE = """CREATE TABLE demo (
  id BIGINT AUTO_INCREMENT PRIMARY KEY,
  written_on INT UNSIGNED NOT NULL,
  note VARCHAR(80) NOT NULL)"""
WRITE = "INSERT INTO demo (written_on, note) VALUES (@@server_id, 'a row of the demo')"
READ = "SELECT @@server_id AS served_by, id, note FROM demo WHERE id = %s"


class Journeys:
    """When rows were acknowledged, and how much later each replica had them, in milliseconds."""

    def __init__(self, replicas):
        self._lock = threading.Lock()
        self._waiting = {name: collections.OrderedDict() for name in replicas}
        self._newest = dict.fromkeys(replicas, 0)
        self.delays = {name: collections.deque(maxlen=20_000) for name in replicas}
        self.last = {name: None for name in replicas}
        self.written = 0
        self.newest = 0

    def acknowledged(self, row):
        now = time.monotonic()
        with self._lock:
            self.written += 1
            self.newest = row
            for name, waiting in self._waiting.items():
                if self._newest[name] >= row:
                    self._arrived(name, row, 0.0)  # it was there before we heard the answer
                else:
                    waiting[row] = now

    def seen(self, name, newest):
        now = time.monotonic()
        with self._lock:
            self._newest[name] = newest
            waiting = self._waiting[name]
            while waiting and next(iter(waiting)) <= newest:
                row, since = waiting.popitem(last=False)
                self._arrived(name, row, (now - since) * 1000)

    def _arrived(self, name, row, delay_ms):
        self.delays[name].append(delay_ms)
        self.last[name] = (row, delay_ms)

    def quantiles(self, name):
        """(median, 99th percentile, maximum) of a replica's delays, None before the first."""
        with self._lock:
            delays = sorted(self.delays[name])
        return (delays[len(delays) // 2], delays[len(delays) * 99 // 100], delays[-1]) if delays else None


class Traffic:
    """Runs the threads. `connect` opens a connection of the application through Sluice."""

    def __init__(self, cluster, connect):
        self._cluster = cluster
        self._connect = connect
        self._names = {backend.server_id: backend.name for backend in cluster.backends}
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = []
        self.journeys = Journeys([replica.name for replica in cluster.replicas])
        self.reads = collections.Counter()
        self.read_ms = collections.deque(maxlen=2_000)
        self.errors = 0
        self.last_error = None

    def start(self):
        with self._connect() as connection, connection.cursor() as cursor:
            cursor.execute(TABLE)
        self._cluster.wait_caught_up()
        self._run(self._write, self._connect)
        for _ in range(READERS):
            self._run(self._read, self._connect)
        for replica in self._cluster.replicas:
            self._run(lambda cursor, name=replica.name: self._watch(cursor, name), replica.connect, counts_errors=False)

    def warm_up(self):
        """Waits until every replica has served a read; only what comes later counts.

        If one serves none, the demo goes on and its summary says so.
        """
        with contextlib.suppress(Timeout):
            wait_until(lambda: all(self.reads[r.name] for r in self._cluster.replicas), "all replicas serve reads", 5)
        with self._lock:
            self.reads.clear()

    def stop(self):
        self._stop.set()
        for thread in self._threads:
            thread.join(15)

    def _run(self, step, connect, counts_errors=True):
        def loop():
            while not self._stop.is_set():
                try:
                    with connect() as connection, connection.cursor() as cursor:
                        while not self._stop.is_set():
                            step(cursor)
                except (pymysql.Error, OSError) as error:
                    if counts_errors and not self._stop.is_set():
                        with self._lock:
                            self.errors += 1
                            self.last_error = str(error)
                    self._stop.wait(0.2)

        thread = threading.Thread(target=loop, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _write(self, cursor):
        cursor.execute(WRITE)
        self.journeys.acknowledged(cursor.lastrowid)
        self._stop.wait(WRITE_PAUSE)

    def _read(self, cursor):
        begin = time.monotonic()
        cursor.execute(READ, (self.journeys.newest,))
        # A replica may not have the newest row yet; who served the read is told by any row.
        row = cursor.fetchone()
        if row is None:
            cursor.execute("SELECT @@server_id AS served_by")
            row = cursor.fetchone()
        with self._lock:
            self.reads[self._names.get(row["served_by"], "elsewhere")] += 1
            self.read_ms.append((time.monotonic() - begin) * 1000)
        self._stop.wait(READ_PAUSE)

    def _watch(self, cursor, name):
        cursor.execute("SELECT MAX(id) AS newest FROM app.demo")
        self.journeys.seen(name, cursor.fetchone()["newest"] or 0)
        self._stop.wait(WATCH_PAUSE)

    def writes_by_backend(self):
        """Where the rows say that they were written, as the primary has them now."""
        rows = self._cluster.primary.sql("SELECT written_on, COUNT(*) AS n FROM app.demo GROUP BY written_on")
        return collections.Counter({self._names.get(row["written_on"], "elsewhere"): row["n"] for row in rows})

    def median_read_ms(self):
        with contextlib.suppress(IndexError, RuntimeError):  # empty yet, or growing as we look
            return sorted(self.read_ms)[len(self.read_ms) // 2]
        return None
