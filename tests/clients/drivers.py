"""The drivers under test: what to run for each. Read limits.tsv for what they cannot do."""

import os
import pathlib
import sys

import programs
from engines import engine_named

HERE = pathlib.Path(__file__).resolve().parent
CONNECTOR_C = os.environ.get("SLUICE_CONNECTOR_C") or HERE.parents[1] / "build/release/tests/clients/connector_c_scenarios"


def _python(*arguments):
    return [sys.executable, "-B", HERE / "python" / arguments[0], *arguments[1:]]


def _node(driver):
    return ["env", f"NODE_PATH={programs.node_modules()}", "node", HERE / "node/scenarios.js", driver]


def _java():
    # Quick to start rather than quick to run.
    tuned = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xmx256m"]
    return ["java", *tuned, "-cp", programs.java_classes(), "Scenarios"]


# Name → the command, made when it is wanted: some have to be built first.
DRIVERS = {
    "mariadb-console": lambda: _python("cli.py", *engine_named("mariadb").client()),
    "mysql-console": lambda: _python("cli.py", *engine_named("mysql").client()),
    "pymysql": lambda: _python("dbapi.py", "pymysql"),
    "mysqlclient": lambda: _python("dbapi.py", "MySQLdb"),
    "sqlalchemy": lambda: _python("alchemy.py"),
    "node-mysql2": lambda: _node("mysql2"),
    "node-mariadb": lambda: _node("mariadb"),
    "go": lambda: [programs.go_program()],
    "php-mysqli": lambda: ["php", "-d", "mysqli.allow_local_infile=1", HERE / "php/mysqli.php"],
    "php-pdo-emulated": lambda: ["php", HERE / "php/pdo.php", "emulated"],
    "php-pdo-native": lambda: ["php", HERE / "php/pdo.php", "native"],
    "perl-mysql": lambda: ["perl", HERE / "perl/dbi.pl", "mysql"],
    "perl-mariadb": lambda: ["perl", HERE / "perl/dbi.pl", "MariaDB"],
    "ruby-mysql2": lambda: ["ruby", HERE / "ruby/scenarios.rb"],
    "java": _java,
    "connector-c": lambda: [CONNECTOR_C],
}
