"""Sessions that work in threads while a test breaks something under them."""

import threading
import time

import pymysql

from process import wait_until

TEXT = pymysql.cursors.Cursor


def run(connection, statement):
    """Runs one statement; its rows."""
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall()


def make_read_table(cluster):
    """The table that Readers read: app.t, whose first row stays `one`."""
    cluster.primary.run([
        "CREATE TABLE IF NOT EXISTS app.t (id INT PRIMARY KEY AUTO_INCREMENT, v VARCHAR(40))",
        "REPLACE INTO app.t VALUES (1, 'one'), (2, 'two')",
    ])  # fmt: skip
    cluster.wait_caught_up()


class Readers:
    """Threads that read without a pause and remember errors, waits and whom they met."""

    STATEMENTS = ("SELECT v, @@server_id FROM t WHERE id = 1", "SELECT 'one', @@server_id FROM t WHERE id = 2")

    def __init__(self, sluice, count=8):
        self.sluice = sluice
        self.errors, self.wrong = [], []
        self.longest = 0.0
        self.last_met = {}
        self.rounds = 0
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._read, args=(number,)) for number in range(count)]

    def _read(self, number):
        try:
            with self.sluice.connect(cursorclass=TEXT) as connection:
                while not self._stop.is_set():
                    started = time.monotonic()
                    ((word, server_id),) = run(connection, self.STATEMENTS[number % 2])
                    ended = time.monotonic()
                    if word != "one":
                        self.wrong.append(word)
                    self.longest = max(self.longest, ended - started)
                    self.last_met[server_id] = ended
                    self.rounds += 1
        except Exception as error:
            self.errors.append(repr(error))

    def wait_rounds(self, count=200):
        goal = self.rounds + count
        wait_until(lambda: self.errors or self.rounds >= goal, "reads are served", 20)

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        self.wait_rounds()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join()


class InThread:
    """One statement on a session of its own, in a thread; result() is its rows or its error."""

    def __init__(self, sluice, statement):
        self.connection = sluice.connect(cursorclass=TEXT)
        self.seconds = None
        self._answer = None
        self._thread = threading.Thread(target=self._run, args=(statement,))
        self._thread.start()

    def _run(self, statement):
        started = time.monotonic()
        try:
            self._answer = run(self.connection, statement)
        except pymysql.Error as error:
            self._answer = error
        self.seconds = time.monotonic() - started

    def waits(self):
        return self._thread.is_alive()

    def result(self, timeout=30):
        self._thread.join(timeout)
        assert not self._thread.is_alive(), "the statement has no answer yet"
        return self._answer
