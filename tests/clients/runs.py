"""Runs driver programs against an endpoint and judges what they say."""

import concurrent.futures
import json
import os
import pathlib
import subprocess
import tempfile

from drivers import DRIVERS

HERE = pathlib.Path(__file__).resolve().parent
AT_ONCE = 3
PATIENCE = 90  # seconds for one driver with all its scenarios; it takes two to six
INFILE = "1\tone\n2\tGrüße 🚰\n3\t\\N\n"


def rows(name):
    """The rows of a table beside this file."""
    lines = (HERE / name).read_text().splitlines()
    return [line.split("\t") for line in lines if line and not line.startswith("#")]


SCENARIOS = [name for name, _ in rows("scenarios.tsv")]
LIMITS = [(driver, set(when.split()) - {"-"}, scenario) for driver, when, scenario, _ in rows("limits.tsv")]


def limits_of(driver, words):
    """The scenarios that a driver cannot do where these words hold."""
    mine = [scenario for name, when, scenario in LIMITS if name == driver and when <= words]
    return set(SCENARIOS) if "*" in mine else set(mine)


def faults(driver, words, output, errors, code):
    """What is wrong with a run, a line each; nothing if all is as it should be."""
    reports = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    told = {report["scenario"]: report for report in reports}
    beyond = limits_of(driver, words)
    passed = {name for name, report in told.items() if report["ok"]}
    found = [f"{name}: {told[name]['detail'] or 'failed'}" for name in told if name not in passed | beyond]
    found += [f"{name}: not run" for name in SCENARIOS if name not in told and name not in beyond]
    found += [f"{name}: a limit says it cannot, but it can" for name in SCENARIOS if name in passed & beyond]
    found += [f"{name}: reported, but no scenario" for name in told if name not in SCENARIOS]
    if code != 0 and not beyond.issuperset(SCENARIOS):
        found.append(f"ended with {code}")
    return found + ([f"stderr: {errors[-800:]}"] if found and errors else [])


class Runs:
    """All wanted (driver, transport) pairs, begun at once, AT_ONCE of them at a time."""

    def __init__(self, endpoint, wanted):
        self._endpoint = endpoint
        self._infile = tempfile.NamedTemporaryFile(prefix="sluice-", suffix=".tsv")
        self._infile.write(INFILE.encode())
        self._infile.flush()
        self._pool = concurrent.futures.ThreadPoolExecutor(AT_ONCE)
        self._begun = {pair: self._pool.submit(self._run, *pair) for pair in wanted}

    def _run(self, driver, transport):
        at = self._endpoint
        environment = dict(
            HOST=at.host, PORT=at.port, USER=at.user, PASSWORD=at.password, SCHEMA=at.schema,
            PREFIX=f"{driver}_{transport}".replace("-", "_"), TLS=int(transport == "tls"), INFILE=self._infile.name,
        )  # fmt: skip
        try:
            done = subprocess.run(
                [str(word) for word in DRIVERS[driver]()], stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE,
                env=os.environ | {f"ENDPOINT_{name}": str(value) for name, value in environment.items()}, check=False,
            )  # fmt: skip
            output, errors, code = done.stdout, done.stderr, done.returncode
        except subprocess.TimeoutExpired as hung:
            output, errors, code = hung.stdout or b"", (hung.stderr or b"") + b"\nhung", -1
        words = {at.engine, at.way, transport}
        return faults(driver, words, output.decode(errors="replace"), errors.decode(errors="replace"), code)

    def faults(self, driver, transport):
        """Waits for a run; what was wrong with it."""
        return self._begun[driver, transport].result()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._pool.shutdown(cancel_futures=True)
        self._infile.close()
