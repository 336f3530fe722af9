"""What differs between MariaDB and MySQL: how to make, start, join and ask a database.

MariaDB is the system's. MySQL lives in a root directory of its own (./dev setup
makes it) and runs through that root's own dynamic loader, which needs neither
chroot nor privileges. Data directories are copies of a template that is made
once and kept in the cache.
"""

import fcntl
import os
import pathlib
import platform
import shutil
import subprocess
import zlib

import pymysql

from process import spawn, wait_until

CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "sluice"
MYSQL_ROOT = pathlib.Path(os.environ.get("SLUICE_MYSQL_ROOT") or CACHE / "mysql-root")

ADMIN_USER = "root"
ADMIN_PASSWORD = "rootpw"

# Small, quick to start and forgiving on power loss: they live for one test.
COMMON_OPTIONS = (
    "--local-infile=1",
    "--max-connections=2000",
    "--skip-name-resolve",
    "--innodb-buffer-pool-size=96M",
    "--innodb-flush-log-at-trx-commit=2",
    "--sync-binlog=0",
    "--performance-schema=OFF",
    "--log-bin=binlog",
    "--binlog-format=ROW",
    "--bind-address=127.0.0.1",
    "--secure-file-priv=",
    "--max-allowed-packet=1G",
)


class Engine:
    """One engine's vocabulary. Methods that return SQL return lists of statements.

    A MySQL 9.7 primary takes up to ten seconds for an orderly shutdown while
    replicas are connected: that is the server's own doing.
    """

    name: str

    def _run_as(self):
        return ["--user=root"] if os.geteuid() == 0 else []

    def template(self):
        """The directory to copy for a new server, made on first use.

        It holds root (with a password, from everywhere) and nothing else.
        """
        recipe = zlib.crc32(repr([self._initialize_command("data"), self._secure_root()]).encode())
        place = CACHE / f"{self.name}-template-{self.version()}-{recipe:08x}"
        if place.is_dir():
            return place
        CACHE.mkdir(parents=True, exist_ok=True)
        with open(f"{place}.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not place.is_dir():
                unfinished = pathlib.Path(f"{place}.new")
                shutil.rmtree(unfinished, ignore_errors=True)
                unfinished.mkdir(parents=True)
                self._make_template(unfinished)
                unfinished.rename(place)
        return place

    def _make_template(self, work):
        data = work / "data"
        log = work / "template.log"
        with open(log, "ab") as output:
            made = subprocess.run(self._initialize_command(data), stdout=output, stderr=output, check=False)
        if made.returncode != 0:
            raise RuntimeError(f"{self.name} could not make its data directory:\n{log.read_text()[-2000:]}")
        socket = work / "socket"
        process = spawn(
            [*self.command(data), "--skip-networking", "--skip-log-bin", f"--socket={socket}", f"--pid-file={work}/pid"],
            log,
        )
        try:
            connection = wait_until(
                lambda: pymysql.connect(unix_socket=str(socket), user="root", autocommit=True),
                f"{self.name} answers for the first time, see {log}",
                timeout=60,
            )
            with connection, connection.cursor() as cursor:
                for statement in self._secure_root():
                    cursor.execute(statement)
        finally:
            process.terminate()
            process.wait(60)
        for name in ("auto.cnf", "#innodb_temp", "ibtmp1", "template.log", "socket", "pid"):
            leftover = data / name
            if leftover.is_dir():
                shutil.rmtree(leftover)
            else:
                leftover.unlink(missing_ok=True)

    def _secure_root(self):
        return [
            *self._drop_open_accounts(),
            f"CREATE USER '{ADMIN_USER}'@'%' IDENTIFIED BY '{ADMIN_PASSWORD}'",
            f"GRANT ALL ON *.* TO '{ADMIN_USER}'@'%' WITH GRANT OPTION",
            f"ALTER USER '{ADMIN_USER}'@'localhost' IDENTIFIED BY '{ADMIN_PASSWORD}'",
        ]

    def _drop_open_accounts(self):
        return []

    def copy_template(self, data):
        subprocess.run(
            ["cp", "-a", "--reflink=auto", "--sparse=always", self.template() / "data", data], check=True
        )


class MariaDB(Engine):
    name = "mariadb"
    read_only = "read_only"
    position = "@@global.gtid_binlog_pos"
    applied = "@@global.gtid_slave_pos"
    replica_status = "SHOW SLAVE STATUS"
    io_running, sql_running = "Slave_IO_Running", "Slave_SQL_Running"

    def _binary(self):
        found = shutil.which("mariadbd") or shutil.which("mariadbd", path="/usr/sbin")
        if not found:
            raise FileNotFoundError("mariadbd is missing: run ./dev setup")
        return found

    def version(self):
        return subprocess.check_output([self._binary(), "--version"], text=True).split()[2].rstrip(",")

    def _initialize_command(self, data):
        return [
            "mariadb-install-db", "--no-defaults", *self._run_as(), f"--datadir={data}", "--skip-test-db",
            "--auth-root-authentication-method=normal", "--innodb-log-file-size=16M",
        ]  # fmt: skip

    def _drop_open_accounts(self):
        # They have no password, and being more specific they hide the accounts at '%'.
        return ["DELETE FROM mysql.global_priv WHERE NOT (user IN ('root', 'mariadb.sys') AND host = 'localhost')", "FLUSH PRIVILEGES"]

    def command(self, data):
        return [
            self._binary(), "--no-defaults", *self._run_as(), f"--datadir={data}", *COMMON_OPTIONS,
            "--innodb-log-file-size=16M", "--aria-pagecache-buffer-size=8M", "--key-buffer-size=1M",
            "--log-slave-updates=ON", "--gtid-strict-mode=ON",
        ]  # fmt: skip

    def client(self):
        return ["mariadb", "--no-defaults"]

    def role_options(self, replica):
        return ["--read-only=1"] if replica else []

    def semi_sync_options(self):
        return ["--rpl-semi-sync-master-enabled=1", "--rpl-semi-sync-slave-enabled=1"]

    def semi_sync_plugins(self):
        return []

    def semi_sync_on(self):
        return ["SET GLOBAL rpl_semi_sync_master_enabled=1, GLOBAL rpl_semi_sync_slave_enabled=1"]

    def failover_grant(self):
        return "READ_ONLY ADMIN, REPLICATION SLAVE ADMIN, BINLOG MONITOR, SLAVE MONITOR, RELOAD"

    def monitor_grant(self):
        return "BINLOG MONITOR, SLAVE MONITOR"

    def set_read_only(self, on):
        return [f"SET GLOBAL read_only={int(on)}"]

    def follow(self, port, user, password, demote=False):
        return [
            f"CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={port}, MASTER_USER='{user}',"
            f" MASTER_PASSWORD='{password}', MASTER_CONNECT_RETRY=1, MASTER_USE_GTID=slave_pos"
            + (", MASTER_DEMOTE_TO_SLAVE=1" if demote else ""),
            "START SLAVE",
        ]

    def unfollow(self):
        return ["STOP SLAVE", "RESET SLAVE ALL"]

    def thread(self, verb, which):
        return [f"{verb} SLAVE {which}_THREAD"]

    def delay(self, seconds):
        return ["STOP SLAVE", f"CHANGE MASTER TO MASTER_DELAY={seconds}", "START SLAVE"]

    def wait_for(self, position, timeout):
        return f"SELECT MASTER_GTID_WAIT('{position}', {timeout}) AS answer"


class MySQL(Engine):
    name = "mysql"
    read_only = "super_read_only"
    position = "@@global.gtid_executed"
    applied = "@@global.gtid_executed"
    replica_status = "SHOW REPLICA STATUS"
    io_running, sql_running = "Replica_IO_Running", "Replica_SQL_Running"

    def _loader(self):
        libraries = MYSQL_ROOT / "usr/lib" / f"{platform.machine()}-linux-gnu"
        loaders = sorted(libraries.glob("ld-linux*.so.*"))
        if not loaders or not (MYSQL_ROOT / "usr/sbin/mysqld").exists():
            raise FileNotFoundError(f"no MySQL in {MYSQL_ROOT}: run ./dev setup")
        return [loaders[0], "--library-path", libraries]

    def version(self):
        words = subprocess.check_output([*self._loader(), MYSQL_ROOT / "usr/sbin/mysqld", "--version"], text=True).split()
        return words[words.index("Ver") + 1]

    def _server(self, data):
        share = MYSQL_ROOT / "usr/share/mysql"
        return [
            *self._loader(), MYSQL_ROOT / "usr/sbin/mysqld", "--no-defaults", *self._run_as(),
            f"--basedir={MYSQL_ROOT}/usr", f"--datadir={data}", f"--lc-messages-dir={share}",
            f"--character-sets-dir={share}/charsets", f"--plugin-dir={MYSQL_ROOT}/usr/lib/mysql/plugin",
            "--innodb-redo-log-capacity=32M",
        ]  # fmt: skip

    def _initialize_command(self, data):
        return [*self._server(data), "--initialize-insecure"]

    def command(self, data):
        return [
            *self._server(data), *COMMON_OPTIONS, "--mysqlx=OFF", "--gtid-mode=ON", "--enforce-gtid-consistency=ON",
            "--innodb-use-native-aio=OFF",
        ]  # fmt: skip

    def client(self):
        return [*map(str, self._loader()), str(MYSQL_ROOT / "usr/bin/mysql"), "--no-defaults"]

    def role_options(self, replica):
        return ["--super-read-only=1", "--read-only=1"] if replica else []

    def semi_sync_plugins(self):
        return ["--plugin-load-add=semisync_source.so", "--plugin-load-add=semisync_replica.so"]

    def semi_sync_options(self):
        return ["--rpl-semi-sync-source-enabled=1", "--rpl-semi-sync-replica-enabled=1"]

    def semi_sync_on(self):
        return ["SET GLOBAL rpl_semi_sync_source_enabled=1, GLOBAL rpl_semi_sync_replica_enabled=1"]

    def failover_grant(self):
        return "SYSTEM_VARIABLES_ADMIN, REPLICATION_SLAVE_ADMIN, REPLICATION CLIENT, RELOAD"

    def monitor_grant(self):
        return "REPLICATION CLIENT"

    def set_read_only(self, on):
        return [f"SET GLOBAL super_read_only={int(on)}", f"SET GLOBAL read_only={int(on)}"]

    def follow(self, port, user, password, demote=False):
        # By itself MySQL 9 gives up after ten attempts, sooner than a dead primary may come back.
        return [
            f"CHANGE REPLICATION SOURCE TO SOURCE_HOST='127.0.0.1', SOURCE_PORT={port}, SOURCE_USER='{user}',"
            f" SOURCE_PASSWORD='{password}', SOURCE_CONNECT_RETRY=1,"
            f" SOURCE_RETRY_COUNT=86400, SOURCE_AUTO_POSITION=1, GET_SOURCE_PUBLIC_KEY=1",
            "START REPLICA",
        ]

    def unfollow(self):
        return ["STOP REPLICA", "RESET REPLICA ALL"]

    def thread(self, verb, which):
        return [f"{verb} REPLICA {which}_THREAD"]

    def delay(self, seconds):
        return ["STOP REPLICA", f"CHANGE REPLICATION SOURCE TO SOURCE_DELAY={seconds}", "START REPLICA"]

    def wait_for(self, position, timeout):
        return f"SELECT WAIT_FOR_EXECUTED_GTID_SET('{position}', {timeout}) AS answer"


ENGINES = {"mariadb": MariaDB, "mysql": MySQL}


def engine_named(name):
    return ENGINES[name]()
