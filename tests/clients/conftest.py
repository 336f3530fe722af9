"""Where the clients connect to: Sluice over real servers, a server itself, or any endpoint.

    pytest tests/clients                       through Sluice, both engines
    pytest tests/clients --through direct      straight to the server: what fails there is the scenario's fault
    ENDPOINT_HOST=… ENDPOINT_PORT=… ENDPOINT_USER=… ENDPOINT_PASSWORD=… ENDPOINT_SCHEMA=… pytest tests/clients --engine mysql
                                               any endpoint; the user needs all rights on the schema and on
                                               SCHEMA_b and SCHEMA_missing, of which the second must not exist
"""

import dataclasses
import os
import pathlib
import re
import sys

import pymysql
import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "support")]
sys.dont_write_bytecode = True

from cluster import APP, Cluster  # noqa: E402
from drivers import DRIVERS  # noqa: E402
from runs import Runs  # noqa: E402
from sluice import Sluice  # noqa: E402

ENGINES = ("mariadb", "mysql")


@dataclasses.dataclass(frozen=True)
class Endpoint:
    """Where to log in, and the words of limits.tsv that hold there."""

    engine: str
    way: str  # direct or sluice
    host: str
    port: int
    user: str
    password: str
    schema: str
    log: object = lambda: ""

    def make_schemas(self):
        with pymysql.connect(host=self.host, port=self.port, user=self.user, password=self.password, autocommit=True) as c:
            for schema in (self.schema, f"{self.schema}_b"):
                c.cursor().execute(f"CREATE DATABASE IF NOT EXISTS {schema}")


def pytest_addoption(parser):
    parser.addoption("--engine", choices=ENGINES, action="append", help="one engine only; both by default")
    parser.addoption("--through", choices=("sluice", "direct"), default="sluice", help="what stands before the database")


def pytest_generate_tests(metafunc):
    if "endpoint" in metafunc.fixturenames:
        engines = metafunc.config.getoption("--engine") or ENGINES
        metafunc.parametrize("endpoint", engines, scope="session", indirect=True)
    if "transport" in metafunc.fixturenames:
        metafunc.parametrize("transport", ("plain", "tls"))
    if "driver" in metafunc.fixturenames:
        metafunc.parametrize("driver", list(DRIVERS))


@pytest.fixture(scope="session")
def endpoint(request):
    engine, env = request.param, os.environ
    if "ENDPOINT_HOST" in env:
        made = Endpoint(engine, env.get("ENDPOINT_WAY", "direct"), env["ENDPOINT_HOST"], int(env["ENDPOINT_PORT"]),
                        env["ENDPOINT_USER"], env["ENDPOINT_PASSWORD"], env["ENDPOINT_SCHEMA"])
        made.make_schemas()
        yield made
    elif request.config.getoption("--through") == "direct":
        with Cluster(engine, replicas=0, tls=True) as cluster:
            made = Endpoint(engine, "direct", "127.0.0.1", cluster.primary.port, *APP, "test_clients", cluster.primary.log_tail)
            made.make_schemas()
            yield made
    else:
        with Cluster(engine) as cluster, Sluice(cluster) as sluice:
            made = Endpoint(engine, "sluice", "127.0.0.1", sluice.port, *APP, "test_clients", sluice.log_text)
            made.make_schemas()
            yield made


@pytest.fixture(scope="session")
def runs(endpoint, request):
    """Starts all selected drivers against the endpoint, a few at a time."""
    wanted = [
        (item.callspec.params["driver"], item.callspec.params["transport"])
        for item in request.session.items
        if getattr(item, "callspec", None) and item.callspec.params.get("endpoint") == endpoint.engine
    ]
    with Runs(endpoint, wanted) as made:
        yield made


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failed test shows the end of what the endpoint logged."""
    outcome = yield
    endpoint = getattr(item, "funcargs", {}).get("endpoint")
    if outcome.get_result().failed and endpoint:
        outcome.get_result().sections.append(("log of the endpoint", re.sub(r"\x1b\[[0-9;]*m", "", endpoint.log())[-2000:]))
