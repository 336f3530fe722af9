"""What the Python drivers share: the endpoint from the environment, and the report."""

import json
import os
import time

HOST = os.environ["ENDPOINT_HOST"]
PORT = int(os.environ["ENDPOINT_PORT"])
USER = os.environ["ENDPOINT_USER"]
PASSWORD = os.environ["ENDPOINT_PASSWORD"]
SCHEMA = os.environ["ENDPOINT_SCHEMA"]
OTHER_SCHEMA = SCHEMA + "_b"
MISSING_SCHEMA = SCHEMA + "_missing"
PREFIX = os.environ["ENDPOINT_PREFIX"]
TLS = os.environ["ENDPOINT_TLS"] == "1"
INFILE = os.environ["ENDPOINT_INFILE"]

ALL_BYTES = bytes(range(256))
EMOJI = "Grüße 🚰"
KINDS = (
    f"CREATE TABLE {PREFIX}_kinds (id INT PRIMARY KEY, txt VARCHAR(100) CHARACTER SET utf8mb4,"
    " bin VARBINARY(300), num DECIMAL(20,5), day DATE, moment DATETIME(6), big BIGINT,"
    " ubig BIGINT UNSIGNED, nothing INT, blank VARCHAR(10))"
)
KINDS_COLUMNS = "txt, bin, num, day, moment, big, ubig, nothing, blank"

_scenarios = []


def scenario(function):
    """Registers a function; its name is the scenario's."""
    _scenarios.append(function)
    return function


def equal(got, expected):
    if got != expected:
        raise AssertionError(f"got {got!r:.200}, expected {expected!r:.200}")


def run():
    """Runs all scenarios in order and prints one JSON line for each."""
    for function in _scenarios:
        start = time.monotonic()
        try:
            function()
            ok, detail = True, ""
        except Exception as error:  # whatever it is, it is the scenario's result
            ok, detail = False, f"{type(error).__name__}: {error}"[:500]
        taken = round((time.monotonic() - start) * 1000)
        print(json.dumps({"scenario": function.__name__, "ok": ok, "detail": detail, "ms": taken}), flush=True)
