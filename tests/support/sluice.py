"""A running Sluice in front of a cluster.

    with Sluice(cluster, routing={"max_lag": "500ms"}) as sluice:
        with sluice.connect() as connection: …
        sluice.admin("SHOW BACKENDS")

Sections of the config are given by name and laid over those that a test needs;
backend_options go into every [[backend]], user_options into every [[user]].
SLUICE_BINARY in the environment selects another build, as with a sanitizer.
"""

import atexit
import contextlib
import os
import pathlib
import shutil
import subprocess

import pymysql

from cluster import APP, MONITOR
from process import cpu_seconds, free_port, private_directory, rss_bytes, spawn, wait_until

ROOT = pathlib.Path(__file__).resolve().parents[2]
ADMIN = ("admin", "adminpw")

# session.verify_every for every Sluice of a test run; its end then proves that no link was in a wrong state.
VERIFY_EVERY = os.environ.get("SLUICE_TEST_VERIFY_EVERY")


def binary():
    """What to test: SLUICE_BINARY's choice, else that of the build tree which runs the test, else the release."""
    chosen = os.environ.get("SLUICE_BINARY") or os.environ.get("SLUICE_TREE_BINARY")
    return pathlib.Path(chosen or ROOT / "build/release/proxy/sluice").absolute()


def toml_value(value):
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(toml_value, value)) + "]"
    return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'


def toml(settings):
    """Settings as TOML: a dict is a [section], a list of dicts a row of [[section]]."""
    lines = []
    for section, content in settings.items():
        for entry in content if isinstance(content, list) else [content]:
            lines.append(f"[[{section}]]" if isinstance(content, list) else f"[{section}]")
            lines += [f"{key} = {toml_value(value)}" for key, value in entry.items() if value is not None]
            lines.append("")
    return "\n".join(lines)


class Sluice:
    """One proxy process. Ready when it answers and knows a primary and wait_replicas replicas.

    wait_replicas: how many must serve; None for all that run, 0 for none.
    users: accounts beside `app`, as [("name", "password"), …].
    program: what to run, if not what SLUICE_BINARY or the release build says.
    A value of None takes a key out of the config.
    """

    def __init__(
        self, cluster, program=None, users=(), backend_options=None, user_options=None, wait_replicas=None, **sections
    ):
        self.cluster = cluster
        self.program = pathlib.Path(program or binary())
        if not self.program.exists():
            raise FileNotFoundError(f"{self.program} is not built: run ./dev build")
        self.directory = private_directory()
        self.port, self.admin_port, self.http_port = free_port(), free_port(), free_port()
        self.log = self.directory / "sluice.log"
        self.config = self.directory / "sluice.toml"
        self.settings = self._settings(users, backend_options or {}, user_options or {}, sections)
        self.wait_replicas = wait_replicas
        self._process = None
        atexit.register(self.close)
        try:
            self.start()
        except BaseException:
            self.close()
            raise

    def _settings(self, users, backend_options, user_options, sections):
        settings = {
            "listen": {"address": f"127.0.0.1:{self.port}"},
            "admin": {"address": f"127.0.0.1:{self.admin_port}", "user": ADMIN[0], "password": ADMIN[1]},
            "http": {"address": f"127.0.0.1:{self.http_port}"},
            "monitor": {"user": MONITOR[0], "password": MONITOR[1]},
            "shutdown": {"grace": "2s"},
        }
        if VERIFY_EVERY:
            settings["session"] = {"verify_every": int(VERIFY_EVERY)}
        for name, keys in sections.items():
            settings[name] = settings.get(name, {}) | keys if isinstance(keys, dict) else keys
        settings.setdefault(
            "backend",
            [{"name": b.name, "address": b.address} | backend_options for b in self.cluster.backends],
        )
        settings.setdefault(
            "user", [{"name": name, "password": password} | user_options for name, password in [APP, *users]]
        )
        return settings

    @property
    def pid(self):
        return self._process.pid

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def alive(self):
        return self._process is not None and self._process.poll() is None

    def start(self):
        """Writes the config and starts; returns when ready."""
        self.config.write_text(toml(self.settings))
        self._process = spawn([self.program, "--config", self.config], self.log)
        wanted = sum(r.alive() for r in self.cluster.replicas) if self.wait_replicas is None else self.wait_replicas

        def ready():
            return self.primary() is not None and len(self.serving()) >= wanted

        try:
            wait_until(lambda: not self.alive() or ready(), f"Sluice knows a primary and {wanted} replicas", 30)
            assert self.alive(), f"Sluice ended with {self._process.poll()}"
        except AssertionError as error:
            raise RuntimeError(f"{error}\n{self.log_text()[-3000:]}") from error

    def check(self):
        """sluice --check on this config: (exit code, output)."""
        done = subprocess.run(
            [self.program, "--check", "--config", self.config], capture_output=True, text=True, timeout=30, check=False
        )
        return done.returncode, done.stdout + done.stderr

    def connect(self, user=APP[0], password=APP[1], **options):
        """A PyMySQL connection of the application's, autocommit, rows as dicts, unless told otherwise."""
        settings = dict(
            host="127.0.0.1", port=self.port, user=user, password=password, database="app", autocommit=True,
            connect_timeout=15, read_timeout=600, cursorclass=pymysql.cursors.DictCursor,
        )  # fmt: skip
        return pymysql.connect(**settings | options)

    def sql(self, statement, arguments=None):
        """Runs one statement as the application on a connection of its own; the rows as dicts."""
        with self.connect() as connection, connection.cursor() as cursor:
            cursor.execute(statement, arguments)
            return list(cursor.fetchall())

    def admin(self, statement):
        """Runs one statement on the admin port; the rows as dicts with lower-case names, _ for spaces."""
        with pymysql.connect(
            host="127.0.0.1", port=self.admin_port, user=ADMIN[0], password=ADMIN[1], autocommit=None,
            connect_timeout=5, read_timeout=10, cursorclass=pymysql.cursors.DictCursor,
        ) as connection, connection.cursor() as cursor:  # fmt: skip
            cursor.execute(statement)
            return [{k.lower().replace(" ", "_"): v for k, v in row.items()} for row in cursor.fetchall()]

    def backends(self):
        """SHOW BACKENDS, by name."""
        return {row["name"]: row for row in self.admin("SHOW BACKENDS")}

    def primary(self):
        """The name of the backend that it takes for the primary, or None."""
        return next((name for name, row in self.backends().items() if row["role"] == "primary"), None)

    def serving(self):
        """The names of the replicas that serve reads now."""
        return {name for name, row in self.backends().items() if row["role"] == "replica" and not row["excluded"]}

    def wait_serving(self, *names, timeout=10):
        """Waits until exactly these replicas serve reads."""
        wait_until(lambda: self.serving() == set(names), f"reads are served by {names}", timeout)

    def status(self):
        """SHOW STATUS as a dict; numbers as numbers."""
        values = {}
        for row in self.admin("SHOW STATUS"):
            name, value = list(row.values())[:2]
            try:
                values[name] = int(value)
            except (TypeError, ValueError):
                values[name] = value
        return values

    def rss(self):
        """Resident memory in bytes."""
        return rss_bytes(self.pid)

    def cpu_seconds(self):
        return cpu_seconds(self.pid)

    def log_text(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def keep_log(self, name):
        """Copies log and config to build/test-logs/NAME.*, for whoever looks into a failure."""
        place = ROOT / "build/test-logs"
        place.mkdir(parents=True, exist_ok=True)
        for source in (self.log, self.config):
            with contextlib.suppress(FileNotFoundError):
                shutil.copy(source, place / f"{name}{source.suffix}")
        return place / f"{name}.log"

    def stop(self, timeout=30):
        """SIGTERM; it must drain and end with 0."""
        assert self.alive(), f"Sluice had ended with {self._process.poll()}\n{self.log_text()[-3000:]}"
        if VERIFY_EVERY:
            wrong = [line for line in self.log_text().splitlines() if "is not in the state" in line]
            assert not wrong, "links were in a wrong state:\n" + "\n".join(wrong)
        self._process.terminate()
        try:
            code = self._process.wait(timeout)
        except subprocess.TimeoutExpired as error:
            raise AssertionError(f"Sluice ignored SIGTERM for {timeout} s\n{self.log_text()[-3000:]}") from error
        assert code == 0, f"Sluice ended with {code}, log kept in {self.keep_log('stop')}\n{self.log_text()[-3000:]}"

    def kill9(self):
        self._process.kill()
        self._process.wait(30)

    def close(self):
        """Kills it if it still runs; for a stop that is checked, call stop()."""
        if self.alive():
            self.kill9()
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        try:
            if kind is None and self.alive():
                self.stop()
        finally:
            self.close()
