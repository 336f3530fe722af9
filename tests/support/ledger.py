"""Writers who remember what they were told, to be held against what is there.

    with Ledger(cluster, sluice) as ledger:
        …break something…
    ledger.check(cluster.primary)

Each row is inserted once, under a number of its own; the table has no key, so that
a write that was sent twice shows. A row is acknowledged if its INSERT or COMMIT came
back without an error, and in doubt if the error says that its outcome is unknown.
"""

import contextlib
import itertools
import threading
import time

import pymysql

from busy_sessions import TEXT, run
from process import wait_until

# By which Sluice says that the outcome is unknown; a connection that breaks says the same.
UNKNOWN = (1053,)


class Ledger:
    def __init__(self, cluster, sluice, autocommit=4, transactions=2, pause=0.002):
        cluster.primary.run([
            "CREATE TABLE IF NOT EXISTS app.ledger (id BIGINT, KEY (id))", "DELETE FROM app.ledger"
        ])  # fmt: skip
        cluster.wait_caught_up()
        self.sluice = sluice
        self.pause = pause
        self.acknowledged, self.in_doubt, self.errors = set(), set(), []
        self.longest = 0.0
        self._numbers = itertools.count(1)
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._write, args=(self._insert,)) for _ in range(autocommit)]
        self._threads += [threading.Thread(target=self._write, args=(self._transact,)) for _ in range(transactions)]

    def _insert(self, connection, number):
        run(connection, f"INSERT INTO ledger VALUES ({number})")

    def _transact(self, connection, number):
        run(connection, "BEGIN")
        run(connection, f"INSERT INTO ledger VALUES ({number})")
        run(connection, "COMMIT")

    def _write(self, how):
        connection = None
        while not self._stop.is_set():
            number = next(self._numbers)
            began = time.monotonic()
            try:
                connection = connection or self.sluice.connect(cursorclass=TEXT)
                how(connection, number)
                self.acknowledged.add(number)
                self.longest = max(self.longest, time.monotonic() - began)
            except (pymysql.Error, OSError) as error:
                code = error.args[0] if error.args else 0
                self.errors.append(repr(error))
                broken = code in UNKNOWN or not isinstance(code, int) or code == 0 or 2000 <= code < 3000
                if broken and connection is not None:
                    self.in_doubt.add(number)
                if connection is None or broken:
                    connection = None
                    time.sleep(0.05)  # nobody is there: do not spin
                else:
                    with contextlib.suppress(pymysql.Error):
                        run(connection, "ROLLBACK")
            time.sleep(self.pause)  # a light load, on purpose
        if connection is not None:
            connection.close()

    def wait_more(self, count=100, timeout=30):
        """Waits until so many more writes are acknowledged."""
        goal = len(self.acknowledged) + count
        wait_until(lambda: len(self.acknowledged) >= goal, f"{count} more writes are acknowledged", timeout)

    def rows(self, backend):
        return {row["id"]: row["n"] for row in backend.sql("SELECT id, COUNT(*) AS n FROM app.ledger GROUP BY id")}

    def check(self, backend, lost=0):
        """Every acknowledged row is there once, none twice, and none that was refused."""
        found = self.rows(backend)
        twice = {number for number, times in found.items() if times > 1}
        missing = self.acknowledged - found.keys()
        uninvited = found.keys() - self.acknowledged - self.in_doubt
        assert not twice, f"written twice: {sorted(twice)[:10]}"
        assert len(missing) <= lost, f"acknowledged and missing: {sorted(missing)[:10]}"
        assert not uninvited, f"refused, and there all the same: {sorted(uninvited)[:10]}"

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        self.wait_more()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join()
