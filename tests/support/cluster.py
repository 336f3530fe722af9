"""A real primary with GTID replicas, in a private directory, on free loopback ports.

    with Cluster("mysql", replicas=2) as cluster:
        cluster.primary.sql("INSERT INTO app.t VALUES (1)")
        cluster.wait_caught_up()
        cluster.replicas[0].kill9()

It is set up as any guide tells, with accounts that have what they would have
in production: `app` (its schemas, nothing global), `monitor`, `repl`, `failover`; the tests
themselves use `root`. Everything dies with this Python, however that dies.
"""

import atexit
import contextlib
import os
import shutil
import signal
import subprocess

import pymysql

from engines import ADMIN_PASSWORD, ADMIN_USER, engine_named
from process import cpu_seconds, free_port, private_directory, rss_bytes, spawn, wait_until

APP = ("app", "apppw")
MONITOR = ("monitor", "monitorpw")
REPL = ("repl", "replpw")
FAILOVER = ("failover", "failoverpw")

# What `app` may use: these, and any schema named test_…, which it may create.
SCHEMAS = ("app", "sbtest", "other")


class Backend:
    """One database process. Its port and data survive kill9() and start()."""

    def __init__(self, engine, name, directory, server_id, options):
        self.engine = engine
        self.name = name
        self.server_id = server_id
        self.directory = directory
        self.data = directory / "data"
        self.socket = str(directory / "socket")
        self.log = directory / "log"
        self.port = free_port()
        self.options = list(options)
        self._process = None
        directory.mkdir()
        engine.copy_template(self.data)

    @property
    def pid(self):
        return self._process.pid

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def alive(self):
        return self._process is not None and self._process.poll() is None

    def spawn(self):
        """Starts the process without waiting for it; see wait_ready()."""
        assert not self.alive(), f"{self.name} runs already"
        self._process = spawn(
            [
                *self.engine.command(self.data), f"--server-id={self.server_id}", f"--port={self.port}",
                f"--socket={self.socket}", f"--pid-file={self.directory}/pid", *self.options,
            ],
            self.log,
        )  # fmt: skip

    def wait_ready(self, timeout=60):
        wait_until(lambda: not self.alive() or self.sql("SELECT 1 AS one"), f"{self.name} answers", timeout)
        if not self.alive():
            raise RuntimeError(f"{self.name} ended at its start, its log:\n{self.log_tail()}")

    def start(self, *more_options):
        """Starts it with its port, data and options as before, and waits until it answers."""
        self.options += more_options
        self.spawn()
        self.wait_ready()

    def stop(self, timeout=60):
        """An orderly shutdown."""
        self.cont()
        self._process.terminate()
        self._process.wait(timeout)

    def restart(self):
        self.stop()
        self.start()

    def kill9(self):
        self._process.kill()
        self._process.wait(30)

    def pause(self):
        """SIGSTOP: the kernel still accepts connections, nobody answers."""
        os.kill(self.pid, signal.SIGSTOP)

    def cont(self):
        """SIGCONT, after pause()."""
        os.kill(self.pid, signal.SIGCONT)

    def log_tail(self, size=3000):
        return self.log.read_text(errors="replace")[-size:] if self.log.exists() else ""

    def connect(self, user=ADMIN_USER, password=ADMIN_PASSWORD, **options):
        """A PyMySQL connection, over TCP if a host is given and else over the socket.

        Autocommit, rows as dicts, ten seconds of patience, unless told otherwise.
        """
        settings = dict(
            user=user, password=password, autocommit=True, connect_timeout=10, read_timeout=600,
            cursorclass=pymysql.cursors.DictCursor,
        )  # fmt: skip
        settings |= dict(port=self.port) if "host" in options else dict(unix_socket=self.socket)
        return pymysql.connect(**settings | options)

    def sql(self, statement, arguments=None):
        """Runs one statement as root on a connection of its own; the rows as dicts."""
        with self.connect() as connection, connection.cursor() as cursor:
            cursor.execute(statement, arguments)
            return list(cursor.fetchall())

    def value(self, expression):
        """The value of one SQL expression."""
        return self.sql(f"SELECT {expression} AS value")[0]["value"]

    def run(self, statements):
        """Runs several statements as root, in order, on one connection."""
        with self.connect() as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def counters(self, *names):
        """Counts since start-up by statement kind, as in counters("Com_select")["Com_select"].

        Compare before and after. The probes of a monitor count as Com_select, and a
        replica counts the rows it applies as Com_insert, Com_update, Com_delete: to
        prove that no write was sent to a replica, see general_log().
        """
        rows = self.sql("SHOW GLOBAL STATUS")
        every = {row["Variable_name"]: row["Value"] for row in rows}
        return {name: int(every[name]) for name in names or [n for n in every if n.startswith("Com_")]}

    def general_log_size(self):
        """Bytes that general_log() has recorded so far."""
        path = self.directory / "general.log"
        return path.stat().st_size if path.exists() else 0

    @contextlib.contextmanager
    def general_log(self):
        """Records every statement that arrives: `with b.general_log() as text: …; assert x in text()`.

        text(since) leaves out what had arrived at an earlier general_log_size().
        """
        path, start = self.directory / "general.log", self.general_log_size()
        self.run([f"SET GLOBAL general_log_file='{path}'", "SET GLOBAL general_log=1"])

        def text(since=start):
            with open(path, errors="replace") as log:
                log.seek(since)
                return log.read()

        try:
            yield text
        finally:
            with contextlib.suppress(pymysql.Error, OSError):
                self.sql("SET GLOBAL general_log=0")

    def gtid(self):
        """What it has executed, as the engine words it."""
        position = str(self.value(self.engine.position)).replace("\n", "")
        return position or str(self.value(self.engine.applied)).replace("\n", "")

    def replica_status(self):
        """The row of SHOW REPLICA STATUS, or None on a primary."""
        rows = self.sql(self.engine.replica_status)
        return rows[0] if rows else None

    def replicates(self):
        status = self.replica_status()
        return bool(status) and all(status[key] == "Yes" for key in (self.engine.io_running, self.engine.sql_running))

    def stop_sql_thread(self):
        self.run(self.engine.thread("STOP", "SQL"))

    def start_sql_thread(self):
        self.run(self.engine.thread("START", "SQL"))

    def stop_io_thread(self):
        self.run(self.engine.thread("STOP", "IO"))

    def start_io_thread(self):
        self.run(self.engine.thread("START", "IO"))

    def set_read_only(self, on):
        self.run(self.engine.set_read_only(on))

    def wait_applied(self, position, timeout=30):
        """Waits until this replica has applied a GTID position of its primary."""
        if position:
            answer = self.sql(self.engine.wait_for(position, timeout))[0]["answer"]
            assert answer is not None and int(answer) >= 0 and not (self.engine.name == "mysql" and int(answer) == 1), (
                f"{self.name} has not applied {position} in {timeout} s: {self.replica_status()}"
            )

    def cpu_seconds(self):
        return cpu_seconds(self.pid)

    def rss(self):
        return rss_bytes(self.pid)


class Cluster:
    """A primary and its replicas. backends holds all of them as db1, db2, …

    semi_sync: acknowledge a commit only when a replica has it.
    tls: give all of them a certificate; `ca` is then the file to verify it with.
    options: more command line options for every backend.
    report: called with a line of words as each step begins.
    """

    def __init__(self, engine="mariadb", replicas=2, semi_sync=False, tls=False, options=(), report=lambda words: None):
        self.engine = engine_named(engine)
        self.directory = private_directory()
        self.ca = None
        self._closed = False
        atexit.register(self.close)
        self.backends = []
        try:
            self._make(replicas, semi_sync, tls, options, report)
        except BaseException:
            self.close()
            raise

    def _make(self, replicas, semi_sync, tls, options, report):
        options = [
            *options,
            *(self._make_certificates() if tls else []),
            *(self.engine.semi_sync_plugins() if semi_sync else []),
        ]
        report(f"starting {self.engine.name} {self.engine.version()}: a primary and {replicas} replicas")
        for number in range(1, replicas + 2):
            backend = Backend(
                self.engine, f"db{number}", self.directory / f"db{number}", number,
                [*options, *self.engine.role_options(replica=number > 1)],
            )  # fmt: skip
            self.backends.append(backend)
            backend.spawn()
        self.primary, *self.replicas = self.backends
        for backend in self.backends:
            backend.wait_ready()

        report("joining the replicas and making the accounts")
        self.primary.run(self._accounts())
        for replica in self.replicas:
            replica.run(self.engine.follow(self.primary.port, *REPL))
        self.wait_caught_up()
        for replica in self.replicas:
            wait_until(replica.replicates, f"{replica.name} replicates: {replica.replica_status()}")
        if semi_sync:
            for backend in self.backends:
                backend.run(self.engine.semi_sync_on())
                backend.options += self.engine.semi_sync_options()
            for replica in self.replicas:
                replica.stop_io_thread()  # it registers as semi-sync when it connects
                replica.start_io_thread()
            wait_until(lambda: self.semi_sync_clients() == replicas, "all replicas acknowledge commits")

    def _accounts(self):
        accounts = (APP, MONITOR, REPL, FAILOVER)
        statements = [f"CREATE USER '{user}'@'%' IDENTIFIED BY '{password}'" for user, password in accounts]
        statements += [
            f"GRANT REPLICATION SLAVE ON *.* TO '{REPL[0]}'@'%'",
            f"GRANT {self.engine.monitor_grant()} ON *.* TO '{MONITOR[0]}'@'%'",
            f"GRANT {self.engine.failover_grant()} ON *.* TO '{FAILOVER[0]}'@'%'",
            rf"GRANT ALL ON `test\_%`.* TO '{APP[0]}'@'%'",
        ]
        for schema in SCHEMAS:
            statements += [f"CREATE DATABASE {schema}", f"GRANT ALL ON {schema}.* TO '{APP[0]}'@'%'"]
        return statements

    def _make_certificates(self):
        """A CA and a certificate for 127.0.0.1 signed by it; the options that make a server use them."""
        work = self.directory / "tls"
        work.mkdir()
        (work / "names").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
        for command in (
            "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=sluice-test-ca -keyout ca.key -out ca.pem",
            "req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout server.key -out server.csr",
            "x509 -req -days 2 -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -extfile names -out server.pem",
        ):
            subprocess.run(["openssl", *command.split()], cwd=work, check=True, capture_output=True)
        self.ca = work / "ca.pem"
        return [f"--ssl-ca={self.ca}", f"--ssl-cert={work}/server.pem", f"--ssl-key={work}/server.key"]

    def semi_sync_clients(self):
        """How many replicas acknowledge the primary's commits."""
        rows = self.primary.sql("SHOW GLOBAL STATUS LIKE 'Rpl_semi_sync_%_clients'")
        return int(rows[0]["Value"])

    def gtid(self):
        """What the primary has executed."""
        return self.primary.gtid()

    def wait_caught_up(self, timeout=30):
        """Waits until all running replicas have all that the primary has now."""
        position = self.gtid()
        for replica in self.replicas:
            if replica.alive():
                replica.wait_applied(position, timeout)

    def delay_replica(self, index, seconds):
        """Makes a replica apply everything this much later; 0 ends it."""
        self.replicas[index].run(self.engine.delay(seconds))

    def follow(self, replica, demote=False):
        """Makes a running backend a replica of the present primary; demote one that was primary before."""
        if demote:
            replica.set_read_only(True)
        replica.run([*self.engine.unfollow(), *self.engine.follow(self.primary.port, *REPL, demote=demote)])
        if not any("read-only" in option for option in replica.options):
            replica.options += self.engine.role_options(replica=True)

    def promote(self, index):
        """A switchover as an operator would do it; the old primary joins as a replica if it lives.

        A dead one stays in `replicas`: start() it and follow(it, demote=True).
        """
        old, new = self.primary, self.replicas[index]
        if old.alive():
            old.set_read_only(True)
            new.wait_applied(old.gtid())
        new.run(self.engine.unfollow())
        new.set_read_only(False)
        new.options = [option for option in new.options if "read-only" not in option]
        self.primary = new
        self.replicas = [backend for backend in self.backends if backend is not new]
        for replica in self.replicas:
            if replica.alive():
                self.follow(replica, demote=replica is old)
            elif replica is old:
                old.options += self.engine.role_options(replica=True)
        return new

    def close(self):
        """Kills everything and removes the directory. Nobody needs the data: no orderly shutdown."""
        if self._closed:
            return
        self._closed = True
        for backend in self.backends:
            if backend.alive():
                backend.kill9()
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
