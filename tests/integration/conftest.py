"""Fixtures of the tests on real servers: one cluster an engine and session, one Sluice a module."""

import pathlib
import re
import sys

import pytest

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TESTS / "support"))
sys.path.append(str(TESTS / "differential"))  # its raw client and its notion of an equal answer
sys.dont_write_bytecode = True

from cluster import Cluster  # noqa: E402
from sluice import Sluice  # noqa: E402

ENGINES = ("mariadb", "mysql")


def pytest_addoption(parser):
    parser.addoption("--engine", choices=ENGINES, action="append", help="one engine only; both by default")


def pytest_generate_tests(metafunc):
    if "engine" in metafunc.fixturenames:
        engines = metafunc.config.getoption("--engine") or ENGINES
        metafunc.parametrize("engine", engines, scope="session")


@pytest.fixture(scope="session")
def cluster(engine):
    """A primary and two replicas, shared: leave it as you found it, or make your own Cluster."""
    with Cluster(engine) as made:
        yield made


@pytest.fixture(scope="module")
def sluice(cluster):
    """A Sluice with the default config in front of the shared cluster; its stop is checked."""
    with Sluice(cluster) as made:
        yield made


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failed test shows what its Sluices logged and keeps the logs below build/test-logs."""
    outcome = yield
    report = outcome.get_result()
    if not report.failed:
        return
    for name, value in getattr(item, "funcargs", {}).items():
        if isinstance(value, Sluice):
            kept = value.keep_log(re.sub(r"\W+", "-", f"{item.name}-{name}"))
            report.sections.append((f"log of {name}, kept in {kept}", value.log_text()[-4000:]))
